/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands on their way: slots, capsules, sends, responses.
 *
 * A slot is taken for a command, holds its capsule until both the send has completed and the response has
 * come, and is given back by whoever took it. The CID is the slot's number and a generation, so that a
 * response to an earlier command is a stray and not an answer.
 */
#include <errno.h>
#include <poll.h>

#include "host.h"

enum { WR_SEND = 1, WR_BIND = 2, WR_RECV = 3 };

#define WR_ID(kind, index) ((uint64_t)(kind) << 32 | (uint32_t)(index))
#define CID_SLOT           0x0fff
#define CID_GENERATION     12

static int recv_post(struct host_queue *q, uint32_t index)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)(q->responses + (size_t)index * RESPONSE_SIZE),
		.length = RESPONSE_SIZE,
		.lkey = q->response_mr->lkey,
	};
	struct ibv_recv_wr wr = {.wr_id = WR_ID(WR_RECV, index), .sg_list = &sge, .num_sge = 1};
	struct ibv_recv_wr *bad;

	return ibv_post_recv(q->id->qp, &wr, &bad);
}

int host_recvs_post(struct host_queue *q)
{
	for (uint32_t i = 0; i < q->params.slots; i++) {
		int err = recv_post(q, i);

		if (err)
			return -err;
	}
	return 0;
}

/* A free slot, or NULL when as many commands are out as this side may have. */
struct host_slot *host_take(struct host_queue *q)
{
	for (uint32_t i = 0; i < q->params.slots; i++) {
		struct host_slot *s = &q->slots[i];

		if (s->busy)
			continue;
		s->busy = true;
		s->sent = false;
		s->answered = false;
		s->invalidated = 0;
		s->generation++;
		s->cid = (uint16_t)(i | (s->generation & 0xf) << CID_GENERATION);
		q->in_flight++;
		return s;
	}
	return NULL;
}

/* Gives a slot back. Its capsule must have been sent, or the connection have ended. */
void host_give(struct host_queue *q, struct host_slot *slot)
{
	slot->busy = false;
	q->in_flight--;
}

static void chain_add(struct host_queue *q, struct ibv_send_wr *wr)
{
	wr->next = NULL;
	if (q->chain)
		q->chain_last->next = wr;
	else
		q->chain = wr;
	q->chain_last = wr;
}

static int chain_post(struct host_queue *q)
{
	struct ibv_send_wr *chain = q->chain;
	struct ibv_send_wr *bad;
	int err;

	q->chain = NULL;
	if (!chain)
		return 0;
	err = ibv_post_send(q->id->qp, chain, &bad);
	if (err)
		host_lost(q, "ibv_post_send: %s", strerror(err));
	return err ? -ENOTCONN : 0;
}

/*
 * rdma_rxe of Linux 6.1 stores the kernel's flag for an invalidated key, whose bit means something
 * else here.
 */
#define WC_INVALIDATED ((unsigned)IBV_WC_WITH_INV | (unsigned)IBV_WC_IP_CSUM_OK)

/* A window serves one command: rdma_rxe of Linux 6.1 does not survive that one is bound again. */
static int window_bind(struct host_queue *q, struct host_slot *slot, const struct host_cmd *cmd)
{
	struct host_window *w = &slot->window;

	if (w->mw)
		ibv_dealloc_mw(w->mw);
	w->mw = ibv_alloc_mw(q->id->pd, IBV_MW_TYPE_2);
	if (!w->mw)
		return -errno;
	w->rkey = ibv_inc_rkey(w->mw->rkey);
	slot->bind = (struct ibv_send_wr){
		.wr_id = WR_ID(WR_BIND, slot - q->slots),
		.opcode = IBV_WR_BIND_MW,
		.send_flags = IBV_SEND_SIGNALED,
		.bind_mw = {.mw = w->mw,
			    .rkey = w->rkey,
			    .bind_info = {.mr = cmd->window_mr,
					  .addr = cmd->window_addr,
					  .length = cmd->window_len,
					  .mw_access_flags = IBV_ACCESS_REMOTE_READ |
							     IBV_ACCESS_REMOTE_WRITE}},
	};
	chain_add(q, &slot->bind);
	return 0;
}

/* Sends cmd in a slot that is taken; its CID is filled in. */
int host_send(struct host_queue *q, struct host_slot *slot, const struct host_cmd *cmd)
{
	uint8_t *capsule = host_capsule(q, slot);
	uint32_t len = cmd->raw_len ? cmd->raw_len : 64 + cmd->icd_len;
	int err = 0;

	if (q->state != HOST_CONNECTED)
		return -ENOTCONN;
	if (len > q->params.capsule_size || 64 + cmd->icd_len > q->params.capsule_size)
		return -E2BIG;
	memcpy(capsule, cmd->sqe.b, 64);
	wire_put16(capsule, SQE_CID, slot->cid);
	if (cmd->icd_len)
		memcpy(capsule + 64, cmd->icd, cmd->icd_len);
	if (cmd->window_mr) {
		err = window_bind(q, slot, cmd);
		if (err)
			return err;
		wire_put32(capsule, cmd->key_off, slot->window.rkey);
	}
	slot->sge = (struct ibv_sge){(uintptr_t)capsule, len, q->capsule_mr->lkey};
	slot->wr = (struct ibv_send_wr){
		.wr_id = WR_ID(WR_SEND, slot - q->slots),
		.sg_list = &slot->sge,
		.num_sge = 1,
		.opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED,
	};
	chain_add(q, &slot->wr);
	q->unanswered++;
	slot->started_ns = host_now_ns();
	return q->corked ? 0 : chain_post(q);
}

/* Until host_uncork(), sends gather in one chain, which then is posted at once. */
void host_cork(struct host_queue *q)
{
	q->corked = true;
}

int host_uncork(struct host_queue *q)
{
	q->corked = false;
	return chain_post(q);
}

static void slot_advance(struct host_queue *q, struct host_slot *slot)
{
	if (slot->sent && slot->answered && q->on_response)
		q->on_response(q, slot, q->arg);
}

static void response_take(struct host_queue *q, const struct ibv_wc *wc)
{
	uint32_t index = (uint32_t)wc->wr_id;
	struct host_slot *slot = NULL;
	struct wire_cqe cqe;
	uint16_t cid;

	memcpy(cqe.b, q->responses + (size_t)index * RESPONSE_SIZE, sizeof(cqe.b));
	if (q->state == HOST_CONNECTED && recv_post(q, index))
		host_lost(q, "ibv_post_recv failed");
	if (wc->byte_len != sizeof(cqe.b)) {
		host_lost(q, "response of %u bytes", wc->byte_len);
		return;
	}
	cid = wire_get16(cqe.b, CQE_CID);
	if ((uint32_t)(cid & CID_SLOT) < q->params.slots)
		slot = &q->slots[cid & CID_SLOT];
	if (!slot || !slot->busy || slot->answered || slot->cid != cid) {
		q->strays++;
		return;
	}
	q->sqhd = wire_get16(cqe.b, CQE_SQHD);
	q->unanswered--;
	slot->cqe = cqe;
	slot->answered = true;
	if (wc->wc_flags & WC_INVALIDATED)
		slot->invalidated = wc->invalidated_rkey;
	slot_advance(q, slot);
}

static void completion_take(struct host_queue *q, const struct ibv_wc *wc)
{
	static const char *const names[] = {"?", "send", "bind", "receive"};
	uint32_t kind = (uint32_t)(wc->wr_id >> 32);
	struct host_slot *slot = &q->slots[(uint32_t)wc->wr_id];

	if (wc->status != IBV_WC_SUCCESS) {
		host_lost(q, "%s: %s", names[kind], ibv_wc_status_str(wc->status));
		return;
	}
	if (kind == WR_RECV) {
		response_take(q, wc);
	} else if (kind == WR_SEND) {
		slot->sent = true;
		slot_advance(q, slot);
	}
}

/* Takes what has completed, without waiting. Returns how many completions there were. */
int host_poll(struct host_queue *q)
{
	struct ibv_wc wc[16];
	int n;

	if (!q->cq)
		return 0;
	n = ibv_poll_cq(q->cq, 16, wc);
	for (int i = 0; i < n; i++)
		completion_take(q, &wc[i]);
	return n < 0 ? 0 : n;
}

/* After this, and one more host_poll(), the completion channel's descriptor says when there is more. */
void host_arm(struct host_queue *q)
{
	struct ibv_cq *cq;
	void *context;

	while (ibv_get_cq_event(q->channel, &cq, &context) == 0)
		ibv_ack_cq_events(cq, 1);
	ibv_req_notify_cq(q->cq, 0);
}

/* Waits until something has happened. 0, -ETIMEDOUT, or -ENOTCONN when the connection has ended. */
int host_pump(struct host_queue *q, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};
		uint64_t now;

		if (host_poll(q))
			return 0;
		if (q->state != HOST_CONNECTED)
			return -ENOTCONN;
		host_arm(q);
		host_events_poll(q);
		if (host_poll(q))
			return 0;
		if (q->state != HOST_CONNECTED)
			return -ENOTCONN;
		now = host_now_ns();
		if (now >= deadline_ns)
			return -ETIMEDOUT;
		fds[0].fd = q->channel->fd;
		fds[1].fd = q->events->fd;
		poll(fds, 2, (int)((deadline_ns - now) / 1000000u) + 1);
	}
}

/* Takes a slot and sends. *slot is the caller's until host_wait() or host_give(). */
int host_submit(struct host_queue *q, const struct host_cmd *cmd, struct host_slot **slot)
{
	int err;

	*slot = host_take(q);
	if (!*slot)
		return -EBUSY;
	err = host_send(q, *slot, cmd);
	if (err)
		host_give(q, *slot);
	return err;
}

/* Waits for the response, and gives the slot back unless it timed out. */
int host_wait(struct host_queue *q, struct host_slot *slot, struct wire_cqe *cqe)
{
	uint64_t deadline = host_deadline(q);

	while (!slot->answered || !slot->sent) {
		int err = host_pump(q, deadline);

		if (err && !slot->answered)
			return err;
		if (err)
			break;
	}
	*cqe = slot->cqe;
	host_give(q, slot);
	return 0;
}

int host_exec(struct host_queue *q, const struct host_cmd *cmd, struct wire_cqe *cqe)
{
	struct host_slot *slot;
	int err = host_submit(q, cmd, &slot);

	return err ? err : host_wait(q, slot, cqe);
}

/* True when the target ends the connection in time. Responses that come meanwhile are taken. */
bool host_ended_within(struct host_queue *q, uint32_t timeout_ms)
{
	uint64_t deadline = host_now_ns() + (uint64_t)timeout_ms * 1000000u;
	int err;

	do {
		err = host_pump(q, deadline);
		if (err == 0 && host_now_ns() >= deadline)
			err = -ETIMEDOUT;
	} while (err == 0);
	return err == -ENOTCONN;
}
