/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RDMA CM events of the queue pairs of a poll group, from the group's own event channel. Poll
 * group's thread.
 */
#include "transport/group.h"

static void take_event(struct wrasse_poll_group *group, struct rdmat_qp *qp,
		       enum rdma_cm_event_type type)
{
	switch (type) {
	case RDMA_CM_EVENT_ESTABLISHED:
		rdmat_qp_established(qp);
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		rdmat_qp_disconnect(qp, NULL);
		break;
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		atomic_store(&qp->device->device->removed, true);
		/* Not every device says so to the target as well. */
		rdmat_lock(group->rdmat);
		rdmat_attention(group->rdmat);
		rdmat_unlock(group->rdmat);
		rdmat_qp_disconnect(qp, "the device is being removed");
		break;
	default:
		rdmat_qp_disconnect(qp, rdma_event_str(type));
		break;
	}
}

int rdmat_group_cm_events(struct wrasse_poll_group *group)
{
	struct rdma_cm_event *event;
	int count = 0;

	if (!group->cm_channel)
		return 0;
	while (!rdma_get_cm_event(group->cm_channel, &event)) {
		/* An id comes to this channel with its queue pair and is destroyed with it. */
		struct rdmat_qp *qp = event->id->context;
		enum rdma_cm_event_type type = event->event;

		/* Acknowledged first: the id cannot be destroyed while an event of it is not. */
		rdma_ack_cm_event(event);
		take_event(group, qp, type);
		count++;
	}
	return count;
}
