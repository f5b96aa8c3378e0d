/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How WRs and receives end: completions, and what a queue pair in error gives back. The queue pair
 * is locked.
 */
#include <string.h>

#include "engine.h"

/* In a completion with an error this member means nothing. */
#define OPCODE_OF_ERROR ((enum ibv_wc_opcode)0x5a)

static const enum ibv_wc_opcode wc_opcodes[] = {
	[IBV_WR_RDMA_WRITE] = IBV_WC_RDMA_WRITE,
	[IBV_WR_RDMA_WRITE_WITH_IMM] = IBV_WC_RDMA_WRITE,
	[IBV_WR_SEND] = IBV_WC_SEND,
	[IBV_WR_SEND_WITH_IMM] = IBV_WC_SEND,
	[IBV_WR_RDMA_READ] = IBV_WC_RDMA_READ,
	[IBV_WR_ATOMIC_CMP_AND_SWP] = IBV_WC_COMP_SWAP,
	[IBV_WR_ATOMIC_FETCH_AND_ADD] = IBV_WC_FETCH_ADD,
	[IBV_WR_LOCAL_INV] = IBV_WC_LOCAL_INV,
	[IBV_WR_BIND_MW] = IBV_WC_BIND_MW,
	[IBV_WR_SEND_WITH_INV] = IBV_WC_SEND,
};

static bool is_gone(const struct fab_qp *qp)
{
	return qp->destroyed || fab_device_is_gone(qp->device);
}

void fab_qp_event(struct fab_qp *qp, enum ibv_event_type type)
{
	if (!is_gone(qp))
		fab_async_event(fab_context_of(qp->ibv.context), type, &qp->ibv);
}

static bool push(struct fab_qp *qp, struct fab_cq *cq, struct fab_cqe *cqe)
{
	cqe->qp = qp;
	cqe->wc.qp_num = qp->ibv.qp_num;
	if (cqe->wc.status != IBV_WC_SUCCESS) {
		cqe->wc.opcode = OPCODE_OF_ERROR;
		cqe->wc.vendor_err = 0xfab;
	}
	if (fab_cq_push(cq, cqe))
		return true;
	fab_qp_fail(qp);
	return false;
}

void fab_send_complete(struct fab_qp *qp, enum ibv_wc_status status)
{
	const struct fab_swqe *wqe = fab_swqe_at(qp, qp->sq_una);
	struct fab_cqe cqe = {0};

	if (qp->sq_una == qp->sq_next)
		qp->sq_next++;
	else if (fab_is_read(wqe->opcode) && qp->reads_out)
		qp->reads_out--;
	qp->sq_una++;
	if (status == IBV_WC_SUCCESS && !qp->sig_all && !(wqe->flags & IBV_SEND_SIGNALED))
		return;
	cqe.wc.wr_id = wqe->wr_id;
	cqe.wc.status = status;
	cqe.wc.opcode = wc_opcodes[wqe->opcode];
	cqe.wc.byte_len = wqe->len;
	cqe.send = true;
	cqe.retires = qp->sq_una;
	push(qp, qp->send_cq, &cqe);
	if (status != IBV_WC_SUCCESS)
		fab_qp_fail(qp);
}

bool fab_receive_complete(struct fab_qp *qp, uint32_t slot, struct fab_cqe *cqe)
{
	cqe->wc.wr_id = fab_qp_rq(qp)->slots[slot].wr_id;
	cqe->retires = slot;
	return push(qp, qp->recv_cq, cqe);
}

void fab_qp_fail(struct fab_qp *qp)
{
	if (qp->ibv.state == IBV_QPS_ERR || qp->ibv.state == IBV_QPS_RESET)
		return;
	qp->ibv.state = IBV_QPS_ERR;
	qp->waits = false;
	qp->resend = false;
	fab_action_clear(&qp->timer_action);
}

bool fab_flush_can(const struct fab_qp *qp)
{
	return qp->ibv.state == IBV_QPS_ERR && qp->sq_una != qp->sq_tail && !is_gone(qp) &&
	       !qp->device->opts.never_flushes;
}

void fab_flush_step(struct fab_qp *qp)
{
	fab_send_complete(qp, IBV_WC_WR_FLUSH_ERR);
}

static bool receives_can(const struct fab_qp *qp)
{
	return !qp->srq && !fab_rq_is_empty(&qp->rq) && !qp->device->opts.never_flushes;
}

bool fab_drain_can(const struct fab_qp *qp)
{
	if (qp->ibv.state != IBV_QPS_ERR || is_gone(qp))
		return false;
	return receives_can(qp) || (qp->srq && !qp->last_wqe_said && !qp->device->opts.no_last_wqe);
}

void fab_drain_step(struct fab_qp *qp)
{
	struct fab_cqe cqe = {.wc = {.status = IBV_WC_WR_FLUSH_ERR}};

	if (receives_can(qp)) {
		fab_receive_complete(qp, fab_rq_pop(&qp->rq), &cqe);
		return;
	}
	qp->last_wqe_said = true;
	fab_qp_event(qp, IBV_EVENT_QP_LAST_WQE_REACHED);
}
