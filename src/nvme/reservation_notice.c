/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservation notifications (NVMe Base 2.0 8.19.1): who must hear of a change, the log page that says
 * it one by one, its event, and the mask. Notifications are added by whoever changes a reservation,
 * with the target's lock; all else is the thread of the admin queue's group.
 */
#include "nvme/features.h"
#include "nvme/reservation.h"

#define RING (2 * NVME_RESV_NOTICES)
#define KINDS                                                                                \
	(1u << NVME_NOTICE_REGISTRATION_PREEMPTED | 1u << NVME_NOTICE_RESERVATION_RELEASED | \
	 1u << NVME_NOTICE_RESERVATION_PREEMPTED)

/* ---- adding ---- */

static enum nvme_resv_notice notice_for(const struct nvme_ns_resv *resv,
					const struct nvme_resv_change *change,
					const uint8_t *hostid)
{
	if (memcmp(change->hostid, hostid, NVME_HOSTID_LEN) == 0)
		return NVME_NOTICE_NONE;
	if (nvme_resv_find(&resv->next, hostid))
		return change->to_others;
	return nvme_resv_find(&resv->state, hostid) ? change->to_removed : NVME_NOTICE_NONE;
}

static bool is_masked(const struct nvme_ctrl *ctrl, uint32_t nsid, enum nvme_resv_notice notice)
{
	uint8_t masked =
		atomic_load_explicit(&ctrl->ns[nsid - 1].notices_masked, memory_order_relaxed);

	return masked & 1u << notice;
}

static void notice_add(struct nvme_ctrl *ctrl, uint32_t nsid, enum nvme_resv_notice notice)
{
	struct nvme_resv_notices *notices = &ctrl->notices;
	uint64_t count = atomic_load_explicit(&notices->count, memory_order_relaxed);

	atomic_store_explicit(&notices->notice[count % RING], nsid | (uint64_t)notice << 32,
			      memory_order_relaxed);
	atomic_store_explicit(&notices->count, count + 1, memory_order_release);
}

void nvme_resv_notify(const struct wrasse_namespace *ns, const struct nvme_resv_change *change,
		      struct nvme_actions *actions)
{
	for (struct nvme_ctrl *ctrl = ns->subsystem->ctrls; ctrl; ctrl = ctrl->next) {
		enum nvme_resv_notice notice = notice_for(ns->resv, change, ctrl->hostid);

		if (ns->restricted && !nvme_ctrl_sees(ctrl, ns->nsid))
			continue;
		if (notice == NVME_NOTICE_NONE || is_masked(ctrl, ns->nsid, notice))
			continue;
		notice_add(ctrl, ns->nsid, notice);
		actions->attention = true;
	}
}

/* ---- the event and the log page ---- */

static uint64_t notice_count(const struct nvme_ctrl *ctrl)
{
	return atomic_load_explicit(&ctrl->notices.count, memory_order_acquire);
}

void nvme_resv_notices_tell(struct nvme_ctrl *ctrl, struct nvme_actions *actions)
{
	uint64_t count = notice_count(ctrl);

	if (count == ctrl->notices.told)
		return;
	ctrl->notices.told = count;
	nvme_aer_raise(ctrl, NVME_EV_RESERVATION, actions);
}

void nvme_resv_log_put(struct nvme_request *request, struct nvme_out *out)
{
	struct nvme_ctrl *ctrl = request->queue->ctrl;
	struct nvme_resv_notices *notices = &ctrl->notices;
	uint64_t count = notice_count(ctrl);
	struct nvme_resv_log log = {0};

	/* A gap in the counts tells the host that it missed some. */
	if (count - notices->read > NVME_RESV_NOTICES)
		notices->read = count - NVME_RESV_NOTICES;
	notices->shown = notices->read;
	if (notices->read != count) {
		uint64_t notice = atomic_load_explicit(&notices->notice[notices->read % RING],
						       memory_order_relaxed);

		notices->shown++;
		nvme_put64(&log.count, notices->shown - notices->base);
		log.type = (uint8_t)(notice >> 32);
		log.available = (uint8_t)(count - notices->shown);
		nvme_put32(&log.nsid, (uint32_t)notice);
	}
	nvme_out_put(out, &log, sizeof(log));
}

void nvme_resv_log_read(struct nvme_ctrl *ctrl)
{
	ctrl->notices.read = ctrl->notices.shown;
	/* What the event would say was read with it. */
	if (ctrl->notices.read == notice_count(ctrl))
		ctrl->events_pending &= ~(uint32_t)NVME_EV_RESERVATION;
}

void nvme_resv_notices_reset(struct nvme_ctrl *ctrl)
{
	struct nvme_resv_notices *notices = &ctrl->notices;

	notices->base = notices->read = notices->shown = notices->told = notice_count(ctrl);
	for (uint32_t i = 0; i < ctrl->ns_count; i++)
		atomic_store_explicit(&ctrl->ns[i].notices_masked, 0, memory_order_relaxed);
}

/* ---- the mask (NVMe Base 2.0 5.27.1.26) ---- */

static enum nvme_next refuse_nsid(struct nvme_request *request)
{
	return nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
			   "no such namespace");
}

NVME_FEATURE_GET(nvme_resv_mask_get)
{
	const struct nvme_ctrl *ctrl = request->queue->ctrl;
	uint32_t nsid = nvme_get32(request->cmd.nsid);

	if (nsid == NVME_NSID_ALL)
		return nvme_refuse_field(request, NVME_AT_NSID, "each namespace has its own mask");
	if (!nvme_request_port(request))
		return refuse_nsid(request);
	if (f != &ctrl->features)
		return nvme_succeed(request, 0);
	return nvme_succeed(request, atomic_load_explicit(&ctrl->ns[nsid - 1].notices_masked,
							  memory_order_relaxed));
}

NVME_FEATURE_SET(nvme_resv_mask_set)
{
	struct nvme_ctrl *ctrl = request->queue->ctrl;
	uint32_t nsid = nvme_get32(request->cmd.nsid);

	if (nsid != NVME_NSID_ALL && !nvme_request_port(request))
		return refuse_nsid(request);
	for (uint32_t i = 0; i < ctrl->ns_count; i++) {
		if (nsid == NVME_NSID_ALL || nsid == i + 1)
			atomic_store_explicit(&ctrl->ns[i].notices_masked, value & KINDS,
					      memory_order_relaxed);
	}
	return nvme_succeed(request, 0);
}
