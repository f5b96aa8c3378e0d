/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The requester: when a WR goes to the peer, when its answer comes back, and what happens if either
 * is lost. In the simulated mode each of these is an action; in the threaded mode fab_pump() does
 * them until nothing more can happen.
 */
#include <string.h>

#include "engine.h"

/* How many steps are made under one lock. */
#define PUMP_STEPS 64

static const char *const send_names[] = {
	[IBV_WR_RDMA_WRITE] = "RDMA_WRITE",
	[IBV_WR_RDMA_WRITE_WITH_IMM] = "RDMA_WRITE_WITH_IMM",
	[IBV_WR_SEND] = "SEND",
	[IBV_WR_SEND_WITH_IMM] = "SEND_WITH_IMM",
	[IBV_WR_RDMA_READ] = "RDMA_READ",
	[IBV_WR_ATOMIC_CMP_AND_SWP] = "ATOMIC_CMP_AND_SWP",
	[IBV_WR_ATOMIC_FETCH_AND_ADD] = "ATOMIC_FETCH_AND_ADD",
	[IBV_WR_LOCAL_INV] = "LOCAL_INV",
	[IBV_WR_BIND_MW] = "BIND_MW",
	[IBV_WR_SEND_WITH_INV] = "SEND_WITH_INV",
};

static const char *const ack_names[] = {
	[IBV_WR_RDMA_WRITE] = "ack of RDMA_WRITE",
	[IBV_WR_RDMA_WRITE_WITH_IMM] = "ack of RDMA_WRITE_WITH_IMM",
	[IBV_WR_SEND] = "ack of SEND",
	[IBV_WR_SEND_WITH_IMM] = "ack of SEND_WITH_IMM",
	[IBV_WR_RDMA_READ] = "RDMA_READ response",
	[IBV_WR_ATOMIC_CMP_AND_SWP] = "ATOMIC_CMP_AND_SWP response",
	[IBV_WR_ATOMIC_FETCH_AND_ADD] = "ATOMIC_FETCH_AND_ADD response",
	[IBV_WR_LOCAL_INV] = "LOCAL_INV done",
	[IBV_WR_BIND_MW] = "BIND_MW done",
	[IBV_WR_SEND_WITH_INV] = "ack of SEND_WITH_INV",
};

/* ---- locks ---- */

static struct fab_qp *peer_of(struct fab_qp *qp)
{
	if (!qp->peer && !qp->destroyed && qp->ibv.state >= IBV_QPS_RTR)
		qp->peer = fab_qp_get(qp->attr.dest_qp_num);
	return qp->peer;
}

struct fab_qp *fab_pair_lock(struct fab_qp *qp)
{
	struct fab_qp *peer;

	for (;;) {
		fab_lock(&qp->lock);
		peer = peer_of(qp);
		if (fab_mode == FABRIC_SIMULATED || !peer || peer == qp)
			return peer;
		if (peer->ibv.qp_num > qp->ibv.qp_num) {
			pthread_mutex_lock(&peer->lock);
			return peer;
		}
		atomic_fetch_add(&peer->refs, 1);
		pthread_mutex_unlock(&qp->lock);
		pthread_mutex_lock(&peer->lock);
		pthread_mutex_lock(&qp->lock);
		if (qp->peer == peer)
			break;
		pthread_mutex_unlock(&qp->lock);
		pthread_mutex_unlock(&peer->lock);
		fab_qp_put(peer);
	}
	/* qp->peer is one more reference. */
	atomic_fetch_sub(&peer->refs, 1);
	return peer;
}

void fab_pair_unlock(struct fab_qp *qp, struct fab_qp *peer)
{
	if (peer && peer != qp)
		fab_unlock(&peer->lock);
	fab_unlock(&qp->lock);
}

/* ---- what can happen ---- */

static bool last_sent_failed(const struct fab_qp *qp)
{
	return qp->sq_next != qp->sq_una &&
	       fab_swqe_at(qp, qp->sq_next - 1)->status != IBV_WC_SUCCESS;
}

static bool send_can(const struct fab_qp *qp)
{
	const struct fab_swqe *wqe;

	if (qp->ibv.state != IBV_QPS_RTS || qp->waits || fab_device_is_gone(qp->device))
		return false;
	if (qp->resend)
		return true;
	if (qp->sq_next == qp->sq_tail || last_sent_failed(qp))
		return false;
	wqe = fab_swqe_at(qp, qp->sq_next);
	if ((wqe->flags & IBV_SEND_FENCE) && qp->reads_out)
		return false;
	/* Without any credit it fails at once. */
	return !fab_is_read(wqe->opcode) || !qp->attr.max_rd_atomic ||
	       qp->reads_out < qp->attr.max_rd_atomic;
}

/* Answers are on their way even while something later waits for a timer. */
static bool ack_can(const struct fab_qp *qp)
{
	return (qp->ibv.state == IBV_QPS_RTS || qp->ibv.state == IBV_QPS_SQD) &&
	       qp->sq_una != qp->sq_next && !qp->resend && !fab_device_is_gone(qp->device);
}

/* ---- losses and timers ---- */

static void wait_for(struct fab_qp *qp, bool rnr, uint64_t ns)
{
	qp->waits = true;
	qp->waits_rnr = rnr;
	qp->timer_action.what = rnr ? "RNR timer" : "ACK timeout";
	fab_action_set(&qp->timer_action, ns);
}

static uint64_t ack_timeout_ns(const struct fab_qp *qp)
{
	if (qp->device->opts.ack_timeout_ns)
		return qp->device->opts.ack_timeout_ns;
	if (fab_mode == FABRIC_THREADED && qp->attr.timeout)
		return 4096ull << qp->attr.timeout;
	return 10 * FAB_NS_PER_MS;
}

static void request_lost(struct fab_qp *qp)
{
	wait_for(qp, false, ack_timeout_ns(qp));
}

static void answer_lost(struct fab_qp *qp)
{
	qp->resend = true;
	wait_for(qp, false, ack_timeout_ns(qp));
}

static uint64_t rnr_ns(unsigned code)
{
	/* InfiniBand 9.7.5.2.8, in units of 10 us. */
	static const uint32_t units[32] = {65536, 1,    2,    3,     4,     6,     8,     12,
					   16,    24,   32,   48,    64,    96,    128,   192,
					   256,   384,  512,  768,   1024,  1536,  2048,  3072,
					   4096,  6144, 8192, 12288, 16384, 24576, 32768, 49152};

	return units[code & 31] * 10000ull;
}

static void receiver_not_ready(struct fab_qp *qp, struct fab_qp *peer, struct fab_swqe *wqe)
{
	fab_count(&fab_stats[peer->party].rnr_naks, 1);
	if (peer->device->opts.iwarp) {
		/* iWARP has no such answer: the connection breaks. */
		fab_qp_fail(peer);
		fab_qp_fail(qp);
		return;
	}
	if (qp->attr.rnr_retry != 7 && qp->rnr_tries >= qp->attr.rnr_retry) {
		wqe->status = IBV_WC_RNR_RETRY_EXC_ERR;
		wqe->local = true;
		qp->sq_next++;
		return;
	}
	qp->rnr_tries++;
	wait_for(qp, true, rnr_ns(peer->attr.min_rnr_timer));
}

static void timer_ends(struct fab_qp *qp)
{
	if (!qp->waits)
		return;
	qp->waits = false;
	if (qp->waits_rnr)
		return;
	if (qp->tries++ >= qp->attr.retry_cnt)
		fab_send_complete(qp, IBV_WC_RETRY_EXC_ERR);
}

/* ---- steps ---- */

static void send_again(struct fab_qp *qp, struct fab_qp *peer)
{
	if (fab_respond_again(qp, peer, fab_swqe_at(qp, qp->sq_una)) == FAB_LOST)
		request_lost(qp);
	else
		qp->resend = false;
}

static enum fab_outcome send_execute(struct fab_qp *qp, struct fab_qp *peer, struct fab_swqe *wqe)
{
	if (!qp->broken)
		return fab_respond(qp, peer, wqe);
	wqe->status = qp->break_status;
	wqe->local = true;
	return FAB_EXECUTED;
}

static void send_step(struct fab_qp *qp, struct fab_qp *peer)
{
	struct fab_swqe *wqe = fab_swqe_at(qp, qp->sq_next);

	if (qp->resend) {
		send_again(qp, peer);
		return;
	}
	wqe->local = false;
	switch (send_execute(qp, peer, wqe)) {
	case FAB_EXECUTED:
		qp->rnr_tries = 0;
		qp->sq_next++;
		if (fab_is_read(wqe->opcode))
			qp->reads_out++;
		break;
	case FAB_LOST:
		request_lost(qp);
		break;
	case FAB_NOT_READY:
		receiver_not_ready(qp, peer, wqe);
		break;
	}
}

/* Whether what the peer has sent arrives. A peer that is gone may have sent it before. */
static bool answer_arrives(const struct fab_qp *qp, const struct fab_qp *peer)
{
	const struct fab_device *from = peer && !peer->destroyed ? peer->device : qp->device;

	return fab_reaches(from, qp->device);
}

static void ack_step(struct fab_qp *qp, struct fab_qp *peer)
{
	const struct fab_swqe *wqe = fab_swqe_at(qp, qp->sq_una);

	if (!wqe->local && !answer_arrives(qp, peer)) {
		answer_lost(qp);
		return;
	}
	qp->tries = 0;
	fab_send_complete(qp, wqe->status);
}

/* ---- the simulated mode: steps are actions ---- */

static void action_allow(struct fab_qp *qp, struct fab_action *action, bool can)
{
	if (!can) {
		fab_action_clear(action);
		return;
	}
	action->qpn = qp->ibv.qp_num;
	action->device = qp->device->name;
	fab_action_set(action, 0);
}

static void send_drop(struct fab_action *action)
{
	struct fab_qp *qp = FAB_CONTAINER(action, struct fab_qp, send_action);

	request_lost(qp);
	fab_refresh(qp);
}

static void ack_drop(struct fab_action *action)
{
	struct fab_qp *qp = FAB_CONTAINER(action, struct fab_qp, ack_action);

	answer_lost(qp);
	fab_refresh(qp);
}

static void send_describe(struct fab_qp *qp)
{
	const struct fab_swqe *wqe = fab_swqe_at(qp, qp->resend ? qp->sq_una : qp->sq_next);

	qp->send_action.what = send_names[wqe->opcode];
	qp->send_action.drop = fab_is_local(wqe->opcode) ? NULL : send_drop;
}

static void ack_describe(struct fab_qp *qp)
{
	const struct fab_swqe *wqe = fab_swqe_at(qp, qp->sq_una);

	qp->ack_action.what = wqe->status == IBV_WC_SUCCESS ? ack_names[wqe->opcode] :
							      ibv_wc_status_str(wqe->status);
	qp->ack_action.drop = wqe->local ? NULL : ack_drop;
}

void fab_refresh(struct fab_qp *qp)
{
	bool sends, acks;

	if (fab_mode == FABRIC_THREADED || qp->destroyed)
		return;
	sends = send_can(qp);
	if (sends)
		send_describe(qp);
	action_allow(qp, &qp->send_action, sends);
	acks = ack_can(qp);
	if (acks)
		ack_describe(qp);
	action_allow(qp, &qp->ack_action, acks);
	action_allow(qp, &qp->flush_action, fab_flush_can(qp));
	action_allow(qp, &qp->drain_action, fab_drain_can(qp));
}

static void refresh_both(struct fab_qp *qp, struct fab_qp *peer)
{
	fab_refresh(qp);
	if (peer && peer != qp)
		fab_refresh(peer);
}

static void send_run(struct fab_action *action)
{
	struct fab_qp *qp = FAB_CONTAINER(action, struct fab_qp, send_action);
	struct fab_qp *peer = peer_of(qp);

	send_step(qp, peer);
	refresh_both(qp, peer);
}

static void ack_run(struct fab_action *action)
{
	struct fab_qp *qp = FAB_CONTAINER(action, struct fab_qp, ack_action);

	ack_step(qp, qp->peer);
	fab_refresh(qp);
}

static void flush_run(struct fab_action *action)
{
	struct fab_qp *qp = FAB_CONTAINER(action, struct fab_qp, flush_action);

	fab_flush_step(qp);
	fab_refresh(qp);
}

static void drain_run(struct fab_action *action)
{
	struct fab_qp *qp = FAB_CONTAINER(action, struct fab_qp, drain_action);

	fab_drain_step(qp);
	fab_refresh(qp);
}

/* In both modes. */
static void timer_run(struct fab_action *action)
{
	struct fab_qp *qp = FAB_CONTAINER(action, struct fab_qp, timer_action);

	fab_lock(&qp->lock);
	timer_ends(qp);
	fab_refresh(qp);
	fab_unlock(&qp->lock);
	fab_pump(qp);
}

void fab_qp_actions_init(struct fab_qp *qp)
{
	fab_action_init(&qp->send_action, FABRIC_SEND, "SEND", send_run, send_drop);
	fab_action_init(&qp->ack_action, FABRIC_ACK, "ack of SEND", ack_run, ack_drop);
	fab_action_init(&qp->timer_action, FABRIC_EVENT, "ACK timeout", timer_run, NULL);
	fab_action_init(&qp->flush_action, FABRIC_EVENT, "flush of a WR", flush_run, NULL);
	fab_action_init(&qp->drain_action, FABRIC_EVENT, "flush of a receive", drain_run, NULL);
	qp->timer_action.qpn = qp->ibv.qp_num;
	qp->timer_action.device = qp->device->name;
}

void fab_qp_actions_clear(struct fab_qp *qp)
{
	fab_action_clear(&qp->send_action);
	fab_action_clear(&qp->ack_action);
	fab_action_clear(&qp->timer_action);
	fab_action_clear(&qp->flush_action);
	fab_action_clear(&qp->drain_action);
}

/* ---- the threaded mode: steps are made at once ---- */

static bool flush_one(struct fab_qp *qp)
{
	if (qp->destroyed)
		return false;
	if (fab_flush_can(qp))
		fab_flush_step(qp);
	else if (fab_drain_can(qp))
		fab_drain_step(qp);
	else
		return false;
	return true;
}

static bool step_one(struct fab_qp *qp, struct fab_qp *peer)
{
	if (ack_can(qp))
		ack_step(qp, peer);
	else if (send_can(qp))
		send_step(qp, peer);
	else
		return flush_one(qp) || (peer && peer != qp && flush_one(peer));
	return true;
}

void fab_pump(struct fab_qp *qp)
{
	bool more = fab_mode == FABRIC_THREADED;

	while (more) {
		struct fab_qp *peer = fab_pair_lock(qp);

		for (unsigned i = 0; more && i < PUMP_STEPS; i++)
			more = step_one(qp, peer);
		fab_pair_unlock(qp, peer);
	}
}
