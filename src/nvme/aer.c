/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asynchronous events (NVMe Base 2.0 5.2): which requests a controller holds, and
 * when it answers them. The thread of the admin queue's group.
 */
#include "nvme/ctrl.h"

/* What each event says, who wants it, and which log page clears it; the most urgent first. */
static const struct event_line {
	enum nvme_event event;
	uint32_t wanted; /* bit of Asynchronous Event Configuration; 0: everybody does */
	uint8_t type, info, lid;
} events[] = {
	{NVME_EV_PERSISTENT, 0, NVME_EVENT_ERROR, NVME_ERROR_PERSISTENT, NVME_LID_ERROR},
	{NVME_EV_DIAGNOSTIC, 0, NVME_EVENT_ERROR, NVME_ERROR_DIAGNOSTIC, NVME_LID_ERROR},
	{NVME_EV_TRANSIENT, 0, NVME_EVENT_ERROR, NVME_ERROR_TRANSIENT, NVME_LID_ERROR},
	{NVME_EV_RELIABILITY, 1u << 2, NVME_EVENT_SMART, NVME_SMART_RELIABILITY, NVME_LID_SMART},
	{NVME_EV_READ_ONLY, 1u << 3, NVME_EVENT_SMART, NVME_SMART_RELIABILITY, NVME_LID_SMART},
	{NVME_EV_BACKUP, 1u << 4, NVME_EVENT_SMART, NVME_SMART_RELIABILITY, NVME_LID_SMART},
	{NVME_EV_TEMPERATURE, 1u << 1, NVME_EVENT_SMART, NVME_SMART_TEMPERATURE, NVME_LID_SMART},
	{NVME_EV_SPARE, 1u << 0, NVME_EVENT_SMART, NVME_SMART_SPARE, NVME_LID_SMART},
	{NVME_EV_NS_ATTR, NVME_AEC_NS_ATTR, NVME_EVENT_NOTICE, NVME_NOTICE_NS_ATTR,
	 NVME_LID_CHANGED_NS},
	{NVME_EV_ANA, NVME_AEC_ANA, NVME_EVENT_NOTICE, NVME_NOTICE_ANA, NVME_LID_ANA},
	{NVME_EV_DISCOVERY, NVME_AEC_DISCOVERY, NVME_EVENT_NOTICE, NVME_NOTICE_DISCOVERY,
	 NVME_LID_DISCOVERY},
	{NVME_EV_RESERVATION, 0, NVME_EVENT_IO, NVME_IO_RESERVATION, NVME_LID_RESERVATION},
};

#define EVENT_COUNT (sizeof(events) / sizeof(events[0]))

static void actions_add_done(struct nvme_actions *actions, struct nvme_request *request)
{
	request->next = actions->done;
	actions->done = request;
}

/* Takes a held request out; the others keep their order. */
static struct nvme_request *aer_take(struct nvme_ctrl *ctrl, uint32_t index)
{
	struct nvme_request *request = ctrl->aer[index];

	ctrl->aer_count--;
	memmove(&ctrl->aer[index], &ctrl->aer[index + 1],
		(ctrl->aer_count - index) * sizeof(ctrl->aer[0]));
	return request;
}

/* The events that reading one log page clears: one of them is told at a time. */
static uint32_t events_of_log(uint8_t lid)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < EVENT_COUNT; i++) {
		if (events[i].lid == lid)
			bits |= events[i].event;
	}
	return bits;
}

/* Tells pending events as far as there are held requests; never after a shutdown. */
static void aer_tell(struct nvme_ctrl *ctrl, struct nvme_actions *actions)
{
	if (!nvme_ctrl_is_ready(ctrl))
		return;
	for (size_t i = 0; i < EVENT_COUNT && ctrl->aer_count > 0; i++) {
		const struct event_line *line = &events[i];
		struct nvme_request *request;

		if (!(ctrl->events_pending & line->event) ||
		    (ctrl->events_told & events_of_log(line->lid)))
			continue;
		ctrl->events_pending &= ~(uint32_t)line->event;
		ctrl->events_told |= line->event;
		request = aer_take(ctrl, 0);
		nvme_succeed(request,
			     line->type | (uint32_t)line->info << 8 | (uint32_t)line->lid << 16);
		actions_add_done(actions, request);
	}
}

enum nvme_next nvme_aer_execute(struct nvme_request *request, uint64_t now_ns,
				struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl = request->queue->ctrl;

	(void)now_ns;
	if (ctrl->aer_count == NVME_AER_LIMIT)
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_AER_LIMIT), NVME_AT_NONE,
				   "more Asynchronous Event Requests than AERL");
	ctrl->aer[ctrl->aer_count++] = request;
	aer_tell(ctrl, actions);
	return NVME_HOLD;
}

void nvme_aer_raise(struct nvme_ctrl *ctrl, uint32_t raised, struct nvme_actions *actions)
{
	for (size_t i = 0; i < EVENT_COUNT; i++) {
		const struct event_line *line = &events[i];

		if ((raised & line->event) &&
		    (!line->wanted || (ctrl->features.events & line->wanted)))
			ctrl->events_pending |= line->event;
	}
	aer_tell(ctrl, actions);
}

void nvme_aer_log_read(struct nvme_ctrl *ctrl, uint8_t lid, struct nvme_actions *actions)
{
	ctrl->events_told &= ~events_of_log(lid);
	aer_tell(ctrl, actions);
}

void nvme_aer_reset(struct nvme_ctrl *ctrl, struct nvme_actions *actions)
{
	ctrl->events_pending = 0;
	ctrl->events_told = 0;
	while (ctrl->aer_count > 0) {
		struct nvme_request *request = aer_take(ctrl, ctrl->aer_count - 1);

		nvme_refuse(request, wrasse_status_make(0, NVME_SC_SQ_DELETED, false), NVME_AT_NONE,
			    "the controller was reset");
		actions_add_done(actions, request);
	}
}

bool nvme_aer_abort(struct nvme_ctrl *ctrl, uint16_t cid, struct nvme_actions *actions)
{
	for (uint32_t i = 0; i < ctrl->aer_count; i++) {
		struct nvme_request *held;

		if (nvme_get16(ctrl->aer[i]->cmd.cid) != cid)
			continue;
		held = aer_take(ctrl, i);
		nvme_request_abort(held);
		actions_add_done(actions, held);
		return true;
	}
	return false;
}
