/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Abort (NVMe Base 2.0 5.1): which command is meant, how many may be outstanding, and what is
 * answered. The transport looks for the command and ends it if that can be. The thread of the admin
 * queue's group.
 */
#include "nvme/ctrl.h"

enum nvme_next nvme_abort_execute(struct nvme_request *request, uint64_t now_ns,
				  struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl = request->queue->ctrl;
	uint32_t cdw10 = nvme_get32(request->cmd.cdw10);

	(void)now_ns;
	if ((uint16_t)cdw10 == 0 && nvme_aer_abort(ctrl, (uint16_t)(cdw10 >> 16), actions))
		return nvme_succeed(request, 0);
	if (ctrl->aborts == NVME_ABORT_LIMIT)
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_ABORT_LIMIT), NVME_AT_NONE,
				   "more Abort commands than ACL");
	ctrl->aborts++;
	return NVME_ABORT;
}

bool nvme_abort_find(const struct nvme_request *request, struct nvme_abort *what)
{
	const struct nvme_ctrl *ctrl = request->queue->ctrl;
	uint32_t cdw10 = nvme_get32(request->cmd.cdw10);

	what->ctrl = ctrl->number;
	what->qid = (uint16_t)cdw10;
	what->cid = (uint16_t)(cdw10 >> 16);
	what->group = request->queue->conn.group;
	if (what->qid == 0)
		return true;
	if (what->qid > ctrl->limits->max_io_queues ||
	    !(ctrl->qids[what->qid / 64] >> what->qid % 64 & 1))
		return false;
	what->group = ctrl->queue_group[what->qid];
	return true;
}

bool nvme_abort_names(const struct nvme_abort *what, const struct nvme_queue *queue)
{
	return queue->ctrl && queue->ctrl->number == what->ctrl && queue->qid == what->qid;
}

void nvme_abort_answer(struct nvme_request *request, bool aborted)
{
	request->queue->ctrl->aborts--;
	/* Bit 0: the command was not aborted; it was, or will be, answered by itself. */
	nvme_succeed(request, aborted ? 0 : 1);
}

void nvme_request_abort(struct nvme_request *request)
{
	nvme_refuse(request, wrasse_status_make(0, WRASSE_SC_ABORTED, false), NVME_AT_NONE,
		    "aborted by the host");
}

void nvme_request_interrupt(struct nvme_request *request)
{
	nvme_refuse(request, wrasse_status_make(0, WRASSE_SC_COMMAND_INTERRUPTED, false),
		    NVME_AT_NONE, "the backend ended it");
}
