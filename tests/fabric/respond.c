/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The responder: what a WR does when it reaches the peer. Both queue pairs are locked.
 */
#include <string.h>

#include "engine.h"

static bool hears(const struct fab_qp *qp, const struct fab_qp *peer)
{
	return peer && !peer->destroyed && fab_reaches(qp->device, peer->device) &&
	       (peer->ibv.state == IBV_QPS_RTR || peer->ibv.state == IBV_QPS_RTS ||
		peer->ibv.state == IBV_QPS_SQD) &&
	       peer->attr.dest_qp_num == qp->ibv.qp_num;
}

/* The peer's answer is a NAK, and its queue pair fails. */
static enum fab_outcome refuse(struct fab_qp *peer, struct fab_swqe *wqe, enum ibv_wc_status status)
{
	wqe->status = status;
	fab_qp_fail(peer);
	return FAB_EXECUTED;
}

/* ... and no completion tells the peer's program of it. */
static enum fab_outcome refuse_request(struct fab_qp *peer, struct fab_swqe *wqe)
{
	fab_qp_event(peer, IBV_EVENT_QP_REQ_ERR);
	return refuse(peer, wqe, IBV_WC_REM_INV_REQ_ERR);
}

static enum fab_outcome refuse_access(struct fab_qp *peer, struct fab_swqe *wqe)
{
	fab_qp_event(peer, IBV_EVENT_QP_ACCESS_ERR);
	return refuse(peer, wqe, IBV_WC_REM_ACCESS_ERR);
}

static enum fab_outcome fails_here(struct fab_swqe *wqe, enum ibv_wc_status status)
{
	wqe->status = status;
	wqe->local = true;
	return FAB_EXECUTED;
}

/* ---- into receives ---- */

static uint32_t receive_len(const struct fab_rwqe *receive)
{
	uint32_t len = 0;

	for (uint32_t i = 0; i < receive->num_sge; i++)
		len += receive->sge[i].length;
	return len;
}

static void receive_fill(const struct fab_qp *qp, const struct fab_swqe *wqe, struct fab_cqe *cqe)
{
	cqe->solicited = wqe->flags & IBV_SEND_SOLICITED;
	cqe->wc.byte_len = wqe->len;
	cqe->wc.src_qp = qp->ibv.qp_num;
	cqe->wc.opcode = IBV_WC_RECV;
	if (wqe->opcode == IBV_WR_SEND_WITH_IMM || wqe->opcode == IBV_WR_RDMA_WRITE_WITH_IMM) {
		cqe->wc.imm_data = wqe->imm_or_rkey;
		cqe->wc.wc_flags |= IBV_WC_WITH_IMM;
	}
	if (wqe->opcode == IBV_WR_RDMA_WRITE_WITH_IMM)
		cqe->wc.opcode = IBV_WC_RECV_RDMA_WITH_IMM;
	if (wqe->opcode == IBV_WR_SEND_WITH_INV) {
		cqe->wc.invalidated_rkey = wqe->imm_or_rkey;
		cqe->wc.wc_flags |= IBV_WC_WITH_INV;
		if (qp->device->opts.invalidate == FABRIC_INVALIDATE_UNTOLD)
			cqe->wc.wc_flags &= ~(unsigned)IBV_WC_WITH_INV;
		if (qp->device->opts.invalidate == FABRIC_INVALIDATE_AMISS)
			cqe->wc.invalidated_rkey ^= 0x100;
	}
}

static void receive_error(struct fab_qp *peer, uint32_t slot, enum ibv_wc_status status)
{
	struct fab_cqe cqe = {.wc = {.status = status}};

	fab_receive_complete(peer, slot, &cqe);
}

static void receive_look(struct fab_qp *peer, const struct fab_rwqe *receive,
			 const struct fab_pieces *to)
{
	if (fab_watch && fab_print(to, receive_len(receive)) != receive->print)
		fab_misuse("a receive of QP %u (wr_id 0x%llx) was changed while it was posted",
			   peer->ibv.qp_num, (unsigned long long)receive->wr_id);
}

static enum fab_outcome do_send(struct fab_qp *qp, struct fab_qp *peer, struct fab_swqe *wqe,
				const struct fab_pieces *from)
{
	uint32_t slot = fab_receive_pop(peer);
	const struct fab_rwqe *receive;
	struct fab_cqe cqe = {0};
	struct fab_pieces to = {0};

	if (slot == UINT32_MAX)
		return FAB_NOT_READY;
	receive = &fab_qp_rq(peer)->slots[slot];
	if (wqe->len > receive_len(receive)) {
		receive_error(peer, slot, IBV_WC_LOC_LEN_ERR);
		return refuse(peer, wqe, IBV_WC_REM_INV_REQ_ERR);
	}
	to.sge = receive->sge;
	to.count = receive->num_sge;
	if (fab_pieces_hold(&to, IBV_ACCESS_LOCAL_WRITE, peer->ibv.pd, 0)) {
		receive_error(peer, slot, IBV_WC_LOC_PROT_ERR);
		return refuse(peer, wqe, IBV_WC_REM_OP_ERR);
	}
	receive_look(peer, receive, &to);
	fab_copy(&to, from, wqe->len);
	fab_pieces_release(&to);
	if (wqe->opcode == IBV_WR_SEND_WITH_INV && !fab_key_invalidate(peer, wqe->imm_or_rkey)) {
		/* The message has arrived: its sender hears of success. */
		receive_error(peer, slot, IBV_WC_REM_INV_REQ_ERR);
		fab_qp_fail(peer);
		return FAB_EXECUTED;
	}
	receive_fill(qp, wqe, &cqe);
	return fab_receive_complete(peer, slot, &cqe) ? FAB_EXECUTED : FAB_LOST;
}

/* ---- from and to registered memory ---- */

static struct ibv_sge remote_piece(const struct fab_swqe *wqe)
{
	return (struct ibv_sge){wqe->remote_addr, wqe->len, wqe->rkey};
}

static enum fab_outcome do_write(struct fab_qp *qp, struct fab_qp *peer, struct fab_swqe *wqe,
				 const struct fab_pieces *from)
{
	struct ibv_sge sge = remote_piece(wqe);
	struct fab_pieces to = {.sge = &sge, .count = 1};
	struct fab_cqe cqe = {0};
	uint32_t slot = 0;

	if (!(peer->attr.qp_access_flags & IBV_ACCESS_REMOTE_WRITE))
		return refuse_request(peer, wqe);
	if (fab_pieces_hold(&to, IBV_ACCESS_REMOTE_WRITE, peer->ibv.pd, peer->ibv.qp_num))
		return refuse_access(peer, wqe);
	if (wqe->opcode == IBV_WR_RDMA_WRITE_WITH_IMM)
		slot = fab_receive_pop(peer);
	if (slot != UINT32_MAX)
		fab_copy(&to, from, wqe->len);
	fab_pieces_release(&to);
	if (slot == UINT32_MAX)
		return FAB_NOT_READY;
	if (wqe->opcode != IBV_WR_RDMA_WRITE_WITH_IMM)
		return FAB_EXECUTED;
	receive_fill(qp, wqe, &cqe);
	return fab_receive_complete(peer, slot, &cqe) ? FAB_EXECUTED : FAB_LOST;
}

static void sink_look(const struct fab_qp *qp, struct fab_swqe *wqe, const struct fab_pieces *to)
{
	if (fab_watch && fab_print(to, wqe->len) != wqe->print)
		fab_misuse("the memory that WR 0x%llx of QP %u reads into was changed while it was "
			   "posted",
			   (unsigned long long)wqe->wr_id, qp->ibv.qp_num);
}

static enum fab_outcome do_read(struct fab_qp *qp, struct fab_qp *peer, struct fab_swqe *wqe,
				const struct fab_pieces *to)
{
	struct ibv_sge sge = remote_piece(wqe);
	struct fab_pieces from = {.sge = &sge, .count = 1};

	if (!(peer->attr.qp_access_flags & IBV_ACCESS_REMOTE_READ) ||
	    qp->reads_out >= peer->attr.max_dest_rd_atomic + (unsigned)qp->resend)
		return refuse_request(peer, wqe);
	if (fab_pieces_hold(&from, IBV_ACCESS_REMOTE_READ, peer->ibv.pd, peer->ibv.qp_num))
		return refuse_access(peer, wqe);
	sink_look(qp, wqe, to);
	fab_copy(to, &from, wqe->len);
	if (fab_watch)
		wqe->print = fab_print(to, wqe->len);
	fab_pieces_release(&from);
	return FAB_EXECUTED;
}

static uint64_t atomic_apply(const struct fab_swqe *wqe, uint64_t *at)
{
	uint64_t old = wqe->compare_add;

	if (wqe->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD)
		return __atomic_fetch_add(at, wqe->compare_add, __ATOMIC_SEQ_CST);
	__atomic_compare_exchange_n(at, &old, wqe->swap, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old;
}

static enum fab_outcome do_atomic(struct fab_qp *qp, struct fab_qp *peer, struct fab_swqe *wqe,
				  const struct fab_pieces *to)
{
	struct ibv_sge sge = {wqe->remote_addr, sizeof(uint64_t), wqe->rkey};
	struct fab_pieces at = {.sge = &sge, .count = 1}, from = {0};
	uint64_t old;

	if (!(peer->attr.qp_access_flags & IBV_ACCESS_REMOTE_ATOMIC) || wqe->remote_addr % 8 ||
	    qp->reads_out >= peer->attr.max_dest_rd_atomic)
		return refuse_request(peer, wqe);
	if (fab_pieces_hold(&at, IBV_ACCESS_REMOTE_ATOMIC, peer->ibv.pd, peer->ibv.qp_num))
		return refuse_access(peer, wqe);
	sink_look(qp, wqe, to);
	old = atomic_apply(wqe, (uint64_t *)(uintptr_t)(sge.addr + at.held[0]->shift));
	fab_pieces_release(&at);
	from.bytes = (const uint8_t *)&old;
	fab_copy(to, &from, sizeof(old));
	return FAB_EXECUTED;
}

/* ---- all of it ---- */

static enum fab_outcome do_remote(struct fab_qp *qp, struct fab_qp *peer, struct fab_swqe *wqe,
				  const struct fab_pieces *mine)
{
	if (!hears(qp, peer))
		return FAB_LOST;
	if (peer->ibv.state == IBV_QPS_RTR && !peer->comm_est_said) {
		peer->comm_est_said = true;
		fab_qp_event(peer, IBV_EVENT_COMM_EST);
	}
	switch (wqe->opcode) {
	case IBV_WR_RDMA_WRITE:
	case IBV_WR_RDMA_WRITE_WITH_IMM:
		return do_write(qp, peer, wqe, mine);
	case IBV_WR_RDMA_READ:
		return do_read(qp, peer, wqe, mine);
	case IBV_WR_ATOMIC_CMP_AND_SWP:
	case IBV_WR_ATOMIC_FETCH_AND_ADD:
		return do_atomic(qp, peer, wqe, mine);
	default:
		return do_send(qp, peer, wqe, mine);
	}
}

static enum fab_outcome do_local(struct fab_qp *qp, struct fab_swqe *wqe)
{
	if (wqe->opcode == IBV_WR_BIND_MW)
		return fails_here(wqe, fab_window_bind(qp, wqe));
	return fails_here(wqe, fab_key_invalidate(qp, wqe->imm_or_rkey) ? IBV_WC_SUCCESS :
									  IBV_WC_LOC_QP_OP_ERR);
}

static unsigned access_needed(const struct fab_qp *qp, const struct fab_swqe *wqe)
{
	if (!fab_is_read(wqe->opcode))
		return 0;
	return qp->device->opts.iwarp ? IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE :
					IBV_ACCESS_LOCAL_WRITE;
}

static void pieces_of(const struct fab_swqe *wqe, struct fab_pieces *pieces)
{
	pieces->sge = wqe->sge;
	pieces->count = wqe->num_sge;
	pieces->bytes = wqe->flags & IBV_SEND_INLINE ? wqe->inline_data : NULL;
}

static void source_look(const struct fab_qp *qp, const struct fab_swqe *wqe,
			const struct fab_pieces *from)
{
	if (fab_watch && !fab_is_read(wqe->opcode) && !from->bytes &&
	    fab_print(from, wqe->len) != wqe->print)
		fab_misuse("the memory that WR 0x%llx of QP %u sends was changed after it was "
			   "posted",
			   (unsigned long long)wqe->wr_id, qp->ibv.qp_num);
}

enum fab_outcome fab_respond(struct fab_qp *qp, struct fab_qp *peer, struct fab_swqe *wqe)
{
	struct fab_pieces mine;
	enum fab_outcome outcome;

	pieces_of(wqe, &mine);
	wqe->status = IBV_WC_SUCCESS;
	if (fab_is_local(wqe->opcode))
		return do_local(qp, wqe);
	if (fab_is_read(wqe->opcode) && !qp->attr.max_rd_atomic)
		return fails_here(wqe, IBV_WC_LOC_QP_OP_ERR);
	if (wqe->opcode == IBV_WR_SEND_WITH_INV &&
	    qp->device->opts.invalidate == FABRIC_INVALIDATE_FAILS)
		return fails_here(wqe, IBV_WC_LOC_QP_OP_ERR);
	if (fab_pieces_hold(&mine, access_needed(qp, wqe), qp->ibv.pd, 0))
		return fails_here(wqe, IBV_WC_LOC_PROT_ERR);
	source_look(qp, wqe, &mine);
	outcome = do_remote(qp, peer, wqe, &mine);
	fab_pieces_release(&mine);
	return outcome;
}

enum fab_outcome fab_respond_again(struct fab_qp *qp, struct fab_qp *peer, struct fab_swqe *wqe)
{
	struct fab_pieces mine;
	enum fab_outcome outcome;

	if (!hears(qp, peer))
		return FAB_LOST;
	pieces_of(wqe, &mine);
	if (wqe->opcode != IBV_WR_RDMA_READ || wqe->status != IBV_WC_SUCCESS)
		return FAB_EXECUTED;
	if (fab_pieces_hold(&mine, access_needed(qp, wqe), qp->ibv.pd, 0))
		return fails_here(wqe, IBV_WC_LOC_PROT_ERR);
	outcome = do_read(qp, peer, wqe, &mine);
	fab_pieces_release(&mine);
	return outcome;
}
