/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fences: a Preempt and Abort is answered when no command of a preempted host can touch the namespace
 * any more (NVMe Base 2.0 8.19.7). Each poll group marks its own commands; a fence is done when every
 * group has none left. The group's thread; with the target's lock where nvme.h says so.
 */
#include "nvme/reservation.h"

bool nvme_fence_is_new(const struct nvme_ns_port *port)
{
	return port->fence_seen != port->ns->resv->fence;
}

static bool is_fenced(const struct nvme_ns_resv *resv, const uint8_t *hostid)
{
	for (uint32_t i = 0; i < resv->fenced_count; i++) {
		if (memcmp(resv->fenced[i], hostid, NVME_HOSTID_LEN) == 0)
			return true;
	}
	return false;
}

void nvme_fence_request(struct nvme_ns_port *port, struct nvme_request *request)
{
	const struct nvme_queue *queue = request->queue;
	const struct nvme_ctrl *ctrl = queue->ctrl;

	if (!ctrl || ctrl->subsystem != port->ns->subsystem ||
	    !is_fenced(port->ns->resv, ctrl->hostid))
		return;
	if (request->port == port && !request->fenced) {
		request->fenced = true;
		port->fenced++;
	} else if (!request->port && queue->on == NVME_ON_IO &&
		   nvme_get32(request->cmd.nsid) == port->ns->nsid) {
		request->preempted = true;
		request->used = true;
	}
}

static void fence_check(struct nvme_ns_port *port)
{
	if (port->fenced == 0)
		atomic_store_explicit(&port->fence_done, port->fence_seen, memory_order_release);
}

void nvme_fence_set(struct nvme_ns_port *port)
{
	port->fence_seen = port->ns->resv->fence;
	fence_check(port);
}

void nvme_fence_leave(struct nvme_request *request, struct nvme_ns_port *port)
{
	request->fenced = false;
	port->fenced--;
	fence_check(port);
}
