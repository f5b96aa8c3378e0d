/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The error log of a controller (NVMe Base 2.0 5.16.1.2): a ring that every queue of the
 * controller, on whatever thread, may add to without a lock. Errors are rare; the shared counter is
 * touched by them only.
 */
#include "nvme/ctrl.h"

void nvme_error_log_add(struct nvme_ctrl *ctrl, const struct nvme_request *request,
			uint16_t location)
{
	uint64_t count = atomic_fetch_add_explicit(&ctrl->error_count, 1, memory_order_relaxed) + 1;
	struct nvme_error *error = &ctrl->errors[count & (NVME_ERROR_ENTRIES - 1)];
	bool io = request->queue->on == NVME_ON_IO && !nvme_request_is_fabrics(request);
	uint64_t queue = request->queue->qid | (uint64_t)nvme_get16(request->cmd.cid) << 16 |
			 (uint64_t)nvme_get16(request->cqe.status) << 32 | (uint64_t)location << 48;
	uint32_t nsid = nvme_request_is_fabrics(request) ? 0 : nvme_get32(request->cmd.nsid);

	atomic_store_explicit(&error->count, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&error->queue, queue, memory_order_relaxed);
	atomic_store_explicit(&error->lba, io ? nvme_get64(request->cmd.rw.slba) : 0,
			      memory_order_relaxed);
	atomic_store_explicit(&error->nsid, nsid, memory_order_relaxed);
	atomic_store_explicit(&error->count, count, memory_order_release);
}

void nvme_error_log_get(const struct nvme_ctrl *ctrl, uint32_t age, struct nvme_error_entry *entry)
{
	uint64_t newest = atomic_load_explicit(&ctrl->error_count, memory_order_relaxed);
	uint64_t count = newest - age;
	const struct nvme_error *error = &ctrl->errors[count & (NVME_ERROR_ENTRIES - 1)];
	uint64_t queue, lba;
	uint32_t nsid;

	memset(entry, 0, sizeof(*entry));
	if (age >= newest || atomic_load_explicit(&error->count, memory_order_acquire) != count)
		return;
	queue = atomic_load_explicit(&error->queue, memory_order_relaxed);
	lba = atomic_load_explicit(&error->lba, memory_order_relaxed);
	nsid = atomic_load_explicit(&error->nsid, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&error->count, memory_order_relaxed) != count)
		return;
	nvme_put64(&entry->error_count, count);
	nvme_put16(&entry->sqid, (uint16_t)queue);
	nvme_put16(&entry->cid, (uint16_t)(queue >> 16));
	nvme_put16(&entry->status, (uint16_t)(queue >> 32));
	nvme_put16(&entry->location, (uint16_t)(queue >> 48));
	nvme_put64(&entry->lba, lba);
	nvme_put32(&entry->nsid, nsid);
	entry->trtype = NVME_TRTYPE_RDMA;
}
