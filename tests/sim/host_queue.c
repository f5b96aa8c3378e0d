/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model host's queues: connection, capsules, completions. A host is a second user of the fabric's
 * verbs, in the same process as the target and apart from it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "cmd.h"

enum { WR_SEND = 1, WR_BIND = 2, WR_RECV = 3 };

#define WR_ID(kind, index) ((uint64_t)(kind) << 32 | (uint32_t)(index))
#define RESPONSE_LEN       64u
/* rdma_rxe's flag, which the fabric has too if it is told so, and the one of the headers. */
#define WC_INVALIDATED     ((unsigned)IBV_WC_WITH_INV | (unsigned)IBV_WC_IP_CSUM_OK)

void queue_lost(struct queue *queue, const char *why)
{
	struct ctrl *ctrl = queue->ctrl;

	if (queue->state == QUEUE_LOST)
		return;
	trace("host %u queue %u is lost: %s", ctrl->host->index, queue->qid, why);
	if (plan.calm && (queue->state == QUEUE_LIVE || queue->state == QUEUE_PROVING) &&
	    !target.draining && !(queue->qid && ctrl_is_upset(ctrl)))
		sim_fail("host %u lost its queue %u in a calm run: %s", ctrl->host->index,
			 queue->qid, why);
	queue->state = QUEUE_LOST;
	queue->why = why;
}

static bool failed(struct queue *queue, const char *what)
{
	if (plan.calm && errno != ENODEV)
		sim_fail("host: %s: %s", what, strerror(errno));
	queue_lost(queue, what);
	return false;
}

/* ---- connecting ---- */

static struct sockaddr_in address_of(const char *text, uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};

	inet_pton(AF_INET, text, &addr.sin_addr);
	return addr;
}

bool queue_open(struct queue *queue)
{
	static const char *const targets[SIM_MAX_DEVICES] = {"10.0.0.1", "10.0.1.1"};
	struct host *host = queue->ctrl->host;
	struct sockaddr_in from = address_of(host->address, 0);
	struct sockaddr_in to = address_of(targets[queue->ctrl->device], 4420);

	queue->state = QUEUE_RESOLVING;
	queue->busy = queue->count = queue->deaf = 0;
	queue->stale = queue->doomed = false;
	queue->told = queue->depth;
	if (host->kind == HOST_HOSTILE && queue->depth > 2 && rng_flip())
		queue->told = rng_between(2, queue->depth - 1);
	memset(queue->slot, 0, sizeof(queue->slot));
	queue->auth.step = AUTH_NONE;
	queue->auth.out = false;
	queue->deadline_ns = fabric_now_ns() + 5 * SIM_S;
	if (rdma_create_id(host->channel, &queue->id, queue, RDMA_PS_TCP)) {
		queue->id = NULL;
		return failed(queue, "rdma_create_id");
	}
	if (rdma_resolve_addr(queue->id, (struct sockaddr *)&from, (struct sockaddr *)&to, 1000))
		return failed(queue, "rdma_resolve_addr");
	return true;
}

static bool recv_post(struct queue *queue, uint32_t index)
{
	struct ibv_sge sge = {(uintptr_t)(queue->responses + index * RESPONSE_LEN), RESPONSE_LEN,
			      queue->response_mr->lkey};
	struct ibv_recv_wr wr = {.wr_id = WR_ID(WR_RECV, index), .sg_list = &sge, .num_sge = 1},
			   *bad;

	return ibv_post_recv(queue->id->qp, &wr, &bad) == 0;
}

/* The memory of a queue is taken once in a run, for the largest that it can be. */
static bool memory_create(struct queue *queue)
{
	const int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
			   IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_MW_BIND;
	uint32_t slots = queue->qid ? plan.depth : SIM_MAX_DEPTH;

	queue->data_len = queue->qid ? 2 * plan.max_len + 1024 : 8192;
	if (!queue->capsules) {
		queue->capsules = arena_take_any((size_t)slots * SIM_CAPSULE);
		queue->responses = arena_take_any((size_t)slots * RESPONSE_LEN);
		queue->data = arena_take_any((size_t)slots * queue->data_len);
	}
	queue->capsule_mr = ibv_reg_mr(queue->id->pd, queue->capsules, queue->depth * SIM_CAPSULE,
				       IBV_ACCESS_LOCAL_WRITE);
	queue->response_mr = ibv_reg_mr(queue->id->pd, queue->responses,
					queue->depth * RESPONSE_LEN, IBV_ACCESS_LOCAL_WRITE);
	queue->data_mr = ibv_reg_mr(queue->id->pd, queue->data,
				    (size_t)queue->depth * queue->data_len, access);
	return queue->capsule_mr && queue->response_mr && queue->data_mr;
}

static bool pair_create(struct queue *queue)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = (1 + SIM_MAX_WINDOWS) * queue->depth + 4,
			.max_recv_wr = queue->depth,
			.max_send_sge = 1,
			.max_recv_sge = 1},
	};

	queue->cq = ibv_create_cq(queue->id->verbs, (int)((2 + SIM_MAX_WINDOWS) * queue->depth + 8),
				  NULL, NULL, 0);
	if (!queue->cq)
		return failed(queue, "ibv_create_cq");
	attr.send_cq = queue->cq;
	attr.recv_cq = queue->cq;
	if (!memory_create(queue))
		return failed(queue, "ibv_reg_mr");
	if (rdma_create_qp(queue->id, queue->id->pd, &attr))
		return failed(queue, "rdma_create_qp");
	for (uint32_t i = 0; i < queue->depth; i++)
		if (!recv_post(queue, i))
			return failed(queue, "ibv_post_recv");
	return true;
}

/* What a hostile host says instead of the truth. */
static void lie(const struct queue *queue, uint8_t req[REQ_LEN], struct rdma_conn_param *conn)
{
	if (queue->ctrl->host->kind != HOST_HOSTILE || !rng_one_in(3))
		return;
	switch (rng_below(6)) {
	case 0:
		wire_put16(req, REQ_RECFMT, 1);
		break;
	case 1:
		wire_put16(req, REQ_QID, (uint16_t)rng_below(10000));
		break;
	case 2:
		wire_put16(req, REQ_HSQSIZE, 0);
		break;
	case 3:
		wire_put16(req, REQ_HSQSIZE, 65535);
		break;
	case 4:
		wire_put16(req, REQ_HRQSIZE, 0);
		break;
	default:
		conn->responder_resources = 0;
		break;
	}
}

static bool pair_connect(struct queue *queue)
{
	uint8_t req[REQ_LEN] = {0};
	struct rdma_conn_param conn = {
		.private_data = req,
		.private_data_len = sizeof(req),
		.responder_resources = (uint8_t)plan.read_credits,
		.retry_count = 7,
		.rnr_retry_count = 7,
		.flow_control = 1,
	};

	if (plan.wants_reads)
		conn.initiator_depth = 16;
	wire_put16(req, REQ_QID, queue->qid);
	if (queue->qid)
		wire_put16(req, REQ_CNTLID, queue->ctrl->cntlid);
	wire_put16(req, REQ_HRQSIZE, (uint16_t)queue->depth);
	wire_put16(req, REQ_HSQSIZE, (uint16_t)(queue->told - 1));
	lie(queue, req, &conn);
	queue->state = QUEUE_CONNECTING;
	if (!pair_create(queue))
		return false;
	return rdma_connect(queue->id, &conn) ? failed(queue, "rdma_connect") : true;
}

void queue_event(struct queue *queue, struct rdma_cm_event *event)
{
	enum rdma_cm_event_type type = event->event;

	/* Acknowledged first: what follows may destroy the id. */
	rdma_ack_cm_event(event);
	switch (type) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		if (rdma_resolve_route(queue->id, 1000))
			failed(queue, "rdma_resolve_route");
		else
			queue->state = QUEUE_ROUTING;
		break;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		pair_connect(queue);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		queue->state = QUEUE_OPEN;
		if (queue->ctrl->host->kind != HOST_HOSTILE || !rng_one_in(4))
			cmd_connect(queue);
		break;
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		break;
	default:
		queue_lost(queue, rdma_event_str(type));
		break;
	}
}

void queue_close(struct queue *queue)
{
	if (queue->state == QUEUE_NONE)
		return;
	if (queue->id && queue->id->qp) {
		if (queue->state >= QUEUE_OPEN && rng_flip())
			rdma_disconnect(queue->id);
		rdma_destroy_qp(queue->id);
	}
	for (uint32_t i = 0; i < queue->depth; i++) {
		if (queue->slot[i].busy)
			cmd_cut(queue, &queue->slot[i]);
		windows_free(&queue->slot[i]);
	}
	queue->busy = 0;
	if (queue->capsule_mr)
		ibv_dereg_mr(queue->capsule_mr);
	if (queue->response_mr)
		ibv_dereg_mr(queue->response_mr);
	if (queue->data_mr)
		ibv_dereg_mr(queue->data_mr);
	queue->capsule_mr = queue->response_mr = queue->data_mr = NULL;
	if (queue->cq)
		ibv_destroy_cq(queue->cq);
	queue->cq = NULL;
	if (queue->id)
		rdma_destroy_id(queue->id);
	queue->id = NULL;
	queue->state = QUEUE_NONE;
}

/* ---- commands ---- */

struct slot *queue_slot(struct queue *queue)
{
	if (queue->busy == queue->depth)
		return NULL;
	for (uint32_t i = 0; i < queue->depth; i++) {
		struct slot *slot = &queue->slot[i];
		struct slot fresh = {.generation = (uint8_t)(slot->generation + 1)};

		if (slot->busy)
			continue;
		memcpy(fresh.window, slot->window, sizeof(fresh.window));
		fresh.cid = (uint16_t)(i | fresh.generation << 8);
		*slot = fresh;
		return slot;
	}
	return NULL;
}

bool queue_send(struct queue *queue, struct slot *slot, uint32_t len)
{
	struct ibv_sge sge = {(uintptr_t)queue_capsule(queue, slot), len, queue->capsule_mr->lkey};
	struct ibv_send_wr bind[SIM_MAX_WINDOWS],
		send = {.wr_id = WR_ID(WR_SEND, slot - queue->slot),
			.sg_list = &sge,
			.num_sge = 1,
			.opcode = IBV_WR_SEND,
			.send_flags = IBV_SEND_SIGNALED};
	struct ibv_send_wr *first = &send, *bad;

	wire_put16(queue_capsule(queue, slot), SQE_CID, slot->cid);
	slot->busy = true;
	slot->sent_ns = fabric_now_ns();
	slot->number = ++queue->count;
	if (slot->fatal && !queue->deaf)
		queue->deaf = slot->number;
	queue->busy++;
	host_counts.commands++;
	for (uint32_t i = slot->windows; i-- > 0; first = &bind[i]) {
		bind[i] = window_bind(queue, slot, i);
		bind[i].wr_id = WR_ID(WR_BIND, slot - queue->slot);
		bind[i].next = first;
	}
	trace_mix("host sends", (uint64_t)queue->ctrl->host->index << 16 | queue->qid,
		  (uint64_t)*queue_capsule(queue, slot) << 24 | len);
	if (ibv_post_send(queue->id->qp, first, &bad))
		return failed(queue, "ibv_post_send");
	return true;
}

/* The capsule has left and the answer is there. */
static void slot_through(struct queue *queue, struct slot *slot)
{
	uint8_t cqe[16];
	uint32_t invalidated;

	if (!slot->sent || !slot->answered)
		return;
	/* The answer was kept in the capsule's memory, which nobody needs any more. */
	memcpy(cqe, queue_capsule(queue, slot), sizeof(cqe));
	invalidated = wire_get32(queue_capsule(queue, slot), 16);
	slot->busy = false;
	queue->busy--;
	cmd_answered(queue, slot, cqe, invalidated);
}

static void take_answer(struct queue *queue, const struct ibv_wc *wc)
{
	uint32_t index = (uint32_t)wc->wr_id;
	uint8_t keep[20];
	struct slot *slot;
	uint16_t cid;

	memcpy(keep, queue->responses + index * RESPONSE_LEN, 16);
	wire_put32(keep, 16, wc->wc_flags & WC_INVALIDATED ? wc->invalidated_rkey : 0);
	cid = wire_get16(keep, CQE_CID);
	if (wc->byte_len != 16)
		sim_fail("a response of %u bytes", wc->byte_len);
	if (!recv_post(queue, index))
		failed(queue, "ibv_post_recv");
	slot = &queue->slot[cid & 0xff];
	if ((cid & 0xff) >= queue->depth || !slot->busy || slot->cid != cid || slot->answered)
		sim_fail("host %u queue %u: a response to command %#x, which %s",
			 queue->ctrl->host->index, queue->qid, cid,
			 slot->cid == cid ? "was answered before" : "nobody sent");
	if (queue->deaf && slot->number >= queue->deaf)
		sim_fail("host %u queue %u: %s was answered, behind what must have ended the queue",
			 queue->ctrl->host->index, queue->qid, slot->cmd->name);
	trace_mix("host is answered", cid, wire_get16(keep, CQE_STATUS));
	host_counts.answers++;
	/* A capsule that is not acknowledged yet may be needed again: keep the answer when it is. */
	slot->answered = true;
	if (slot->sent)
		memcpy(queue_capsule(queue, slot), keep, sizeof(keep));
	else
		memcpy(queue_capsule(queue, slot) + SIM_CAPSULE - sizeof(keep), keep, sizeof(keep));
	slot_through(queue, slot);
}

static void take_sent(struct queue *queue, struct slot *slot)
{
	uint8_t *capsule = queue_capsule(queue, slot);

	slot->sent = true;
	if (slot->fatal && !queue->doomed) {
		queue->doomed = true;
		for (unsigned i = 0; i < target.groups; i++)
			queue->doom[i] = target.group[i].polls;
	}
	if (slot->answered)
		memcpy(capsule, capsule + SIM_CAPSULE - 20, 20);
	slot_through(queue, slot);
}

bool queue_poll(struct queue *queue)
{
	struct ibv_wc wc[8];
	int count;

	if (!queue->cq || queue->state == QUEUE_LOST)
		return false;
	count = ibv_poll_cq(queue->cq, 8, wc);
	for (int i = 0; i < count && queue->state != QUEUE_LOST; i++) {
		if (wc[i].status != IBV_WC_SUCCESS)
			queue_lost(queue, ibv_wc_status_str(wc[i].status));
		else if (wc[i].wr_id >> 32 == WR_RECV)
			take_answer(queue, &wc[i]);
		else if (wc[i].wr_id >> 32 == WR_SEND)
			take_sent(queue, &queue->slot[(uint32_t)wc[i].wr_id]);
	}
	return count > 0;
}
