/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fused Compare and Write (NVMe Base 2.0 3.4.2, NVM Command Set 1.0 2.1.4): what makes two commands
 * a pair, how the halves of a broken one are answered, and whose turn it is. The thread of the
 * queue's group; the turn of a namespace is an atomic that only fused pairs touch.
 */
#include "nvme/io.h"

enum nvme_half nvme_request_half(const struct nvme_request *request)
{
	uint8_t fuse = request->cmd.flags & NVME_CMD_FUSE;

	if (!fuse || request->queue->on != NVME_ON_IO ||
	    request->queue->state != NVME_QUEUE_CONNECTED || nvme_request_is_fabrics(request))
		return NVME_HALF_NONE;
	return fuse == NVME_FUSE_FIRST  ? NVME_HALF_FIRST :
	       fuse == NVME_FUSE_SECOND ? NVME_HALF_SECOND :
					  NVME_HALF_NONE;
}

uint64_t nvme_io_pair_max(const struct wrasse_namespace *ns)
{
	uint64_t block = 1ull << ns->block_shift;

	return block < NVME_PAIR_MAX ? NVME_PAIR_MAX : block;
}

static bool same_range(const struct nvme_request *a, const struct nvme_request *b)
{
	return nvme_get32(a->cmd.nsid) == nvme_get32(b->cmd.nsid) &&
	       nvme_get64(a->cmd.rw.slba) == nvme_get64(b->cmd.rw.slba) &&
	       nvme_get16(a->cmd.rw.nlb) == nvme_get16(b->cmd.rw.nlb);
}

bool nvme_pair_check(struct nvme_request *first, struct nvme_request *second)
{
	const char *why = NULL;

	if (nvme_request_succeeded(first) && nvme_request_succeeded(second)) {
		if (!same_range(first, second))
			why = "the halves of a fused pair differ in their range";
		else if (first->data.len > nvme_io_pair_max(nvme_request_port(first)->ns))
			why = "more blocks than NACWU";
		else
			return true;
		nvme_refuse_field(first, NVME_AT_CDW10, why);
		nvme_refuse_field(second, NVME_AT_CDW10, why);
	}
	nvme_half_fail(first);
	nvme_half_fail(second);
	return false;
}

static void half_refuse(struct nvme_request *request, struct wrasse_status status, const char *why)
{
	if (nvme_request_succeeded(request))
		nvme_refuse(request, status, NVME_AT_FLAGS, why);
}

void nvme_half_miss(struct nvme_request *request)
{
	half_refuse(request, NVME_GENERIC(NVME_SC_MISSING_FUSED),
		    "the other half of a fused pair is missing");
}

void nvme_half_fail(struct nvme_request *request)
{
	half_refuse(request, wrasse_status_make(WRASSE_SCT_GENERIC, NVME_SC_FAILED_FUSED, false),
		    "the other half of its fused pair failed");
}

void nvme_half_reject(struct nvme_request *request)
{
	half_refuse(request,
		    wrasse_status_make(WRASSE_SCT_GENERIC, WRASSE_SC_COMMAND_INTERRUPTED, false),
		    "too many first halves of fused pairs wait for their second");
}

bool nvme_turn_take(struct nvme_request *first)
{
	struct nvme_ns_port *port = nvme_request_port(first);

	if (!port)
		return true;
	if (atomic_exchange_explicit(&port->ns->pair_turn, true, memory_order_acquire))
		return false;
	first->turn = port->ns;
	return true;
}

void nvme_turn_pass(struct nvme_request *first, struct nvme_request *second)
{
	second->turn = first->turn;
	first->turn = NULL;
}

void nvme_turn_give(struct nvme_request *request)
{
	atomic_store_explicit(&request->turn->pair_turn, false, memory_order_release);
	request->turn = NULL;
}
