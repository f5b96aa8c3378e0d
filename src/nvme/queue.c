/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues: the NVMe side of a queue pair, from connection to the last request. The thread of the
 * queue's group; nvme_queue_end() and nvme_queue_fini() also hold the target's lock.
 */
#include "nvme/ctrl.h"

void nvme_queue_init(struct nvme_queue *queue, struct nvme_registry *registry,
		     const struct nvme_limits *limits, const struct nvme_conn *conn)
{
	memset(queue, 0, sizeof(*queue));
	queue->state = NVME_QUEUE_NEW;
	queue->on = NVME_ON_NEW;
	queue->qid = conn->qid;
	queue->sqsize = conn->depth > 0 ? (uint16_t)(conn->depth - 1) : 0;
	queue->registry = registry;
	queue->limits = limits;
	queue->conn = *conn;
}

void nvme_queue_end(struct nvme_queue *queue, struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl = queue->ctrl;

	if (queue->state == NVME_QUEUE_ENDED)
		return;
	queue->state = NVME_QUEUE_ENDED;
	nvme_auth_wipe(&queue->auth);
	queue->auth_deadline_ns = 0;
	if (!ctrl)
		return;
	if (queue->qid != 0) {
		ctrl->qids[queue->qid / 64] &= ~(1ull << queue->qid % 64);
		return;
	}
	ctrl->aer_count = 0;
	nvme_ctrl_end(ctrl);
	actions->attention = true;
}

void nvme_queue_fini(struct nvme_queue *queue)
{
	struct nvme_ctrl *ctrl = queue->ctrl;

	if (!ctrl)
		return;
	queue->ctrl = NULL;
	queue->view = NULL;
	queue->path = NULL;
	if (queue->qid != 0)
		atomic_fetch_sub_explicit(&ctrl->io_queues, 1, memory_order_release);
	nvme_ctrl_put(ctrl);
}

bool nvme_queue_must_end(const struct nvme_queue *queue)
{
	const struct nvme_ctrl *ctrl = queue->ctrl;

	if (queue->qid != 0)
		return nvme_io_queue_must_end(queue);
	return ctrl && atomic_load_explicit(&ctrl->ended, memory_order_acquire);
}

uint64_t nvme_queue_tick(struct nvme_queue *queue, uint64_t now_ns, struct nvme_actions *actions)
{
	uint64_t auth = nvme_auth_tick(queue, now_ns, actions);
	uint64_t ctrl = nvme_ctrl_tick(queue, now_ns, actions);

	return auth < ctrl ? auth : ctrl;
}

bool nvme_queue_has_others(const struct nvme_queue *queue)
{
	return queue->qid == 0 && queue->ctrl &&
	       atomic_load_explicit(&queue->ctrl->io_queues, memory_order_relaxed) > 0;
}

const char *nvme_queue_hostnqn(const struct nvme_queue *queue)
{
	return queue->ctrl ? queue->ctrl->hostnqn : "";
}

const char *nvme_queue_subnqn(const struct nvme_queue *queue)
{
	return queue->ctrl ? queue->ctrl->subsystem->nqn : "";
}

uint16_t nvme_queue_cntlid(const struct nvme_queue *queue)
{
	return queue->ctrl ? queue->ctrl->cntlid : 0;
}

void nvme_queue_wait_begin(struct nvme_queue *queue)
{
	if (queue->ctrl)
		atomic_fetch_add_explicit(&queue->ctrl->io_waiting, 1, memory_order_relaxed);
}

void nvme_queue_wait_end(struct nvme_queue *queue)
{
	if (queue->ctrl)
		atomic_fetch_sub_explicit(&queue->ctrl->io_waiting, 1, memory_order_relaxed);
}
