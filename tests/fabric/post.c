/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Posting to a send queue: what is wrong with a WR is found here, before anything is taken.
 */
#include <errno.h>
#include <string.h>

#include "engine.h"

#define ID(wr) ((unsigned long long)(wr)->wr_id)

static int opcode_look(const struct fab_qp *qp, const struct ibv_send_wr *wr)
{
	switch (wr->opcode) {
	case IBV_WR_RDMA_WRITE:
	case IBV_WR_RDMA_WRITE_WITH_IMM:
	case IBV_WR_SEND:
	case IBV_WR_SEND_WITH_IMM:
		return 0;
	case IBV_WR_RDMA_READ:
	case IBV_WR_ATOMIC_CMP_AND_SWP:
	case IBV_WR_ATOMIC_FETCH_AND_ADD:
		if (wr->send_flags & IBV_SEND_INLINE)
			return fab_wrong(EINVAL, "WR 0x%llx of QP %u reads into inline data",
					 ID(wr), qp->ibv.qp_num);
		return 0;
	case IBV_WR_LOCAL_INV:
	case IBV_WR_BIND_MW:
	case IBV_WR_SEND_WITH_INV:
		if (qp->device->opts.no_invalidate)
			return fab_wrong(EOPNOTSUPP,
					 "WR 0x%llx of QP %u invalidates or binds a key, which "
					 "device %s cannot",
					 ID(wr), qp->ibv.qp_num, qp->device->name);
		/* The program cannot know: it is no misuse. */
		if (wr->opcode == IBV_WR_SEND_WITH_INV &&
		    qp->device->opts.invalidate == FABRIC_INVALIDATE_REFUSED)
			return EOPNOTSUPP;
		return 0;
	default:
		return fab_wrong(EINVAL, "WR 0x%llx of QP %u has opcode %d, which RC has not",
				 ID(wr), qp->ibv.qp_num, wr->opcode);
	}
}

static uint64_t wr_len(const struct ibv_send_wr *wr)
{
	uint64_t len = 0;

	for (int i = 0; i < wr->num_sge; i++)
		len += wr->sg_list[i].length;
	return len;
}

static int shape_look(const struct fab_qp *qp, const struct ibv_send_wr *wr)
{
	uint32_t qpn = qp->ibv.qp_num, posted = qp->sq_tail;
	uint64_t len;

	if (wr->num_sge < 0 || (uint32_t)wr->num_sge > qp->cap.max_send_sge)
		return fab_wrong(EINVAL, "WR 0x%llx of QP %u has %d pieces, the limit is %u",
				 ID(wr), qpn, wr->num_sge, qp->cap.max_send_sge);
	len = wr_len(wr);
	if ((wr->send_flags & IBV_SEND_INLINE) && len > qp->cap.max_inline_data)
		return fab_wrong(EINVAL,
				 "WR 0x%llx of QP %u has %llu bytes inline, the limit is %u",
				 ID(wr), qpn, (unsigned long long)len, qp->cap.max_inline_data);
	if (len > 1u << 31)
		return fab_wrong(EINVAL, "WR 0x%llx of QP %u has %llu bytes, the limit is 2 GiB",
				 ID(wr), qpn, (unsigned long long)len);
	if (fab_is_read(wr->opcode) && wr->opcode != IBV_WR_RDMA_READ && len != sizeof(uint64_t))
		return fab_wrong(EINVAL, "atomic WR 0x%llx of QP %u has %llu bytes, not 8", ID(wr),
				 qpn, (unsigned long long)len);
	posted -= __atomic_load_n(&qp->sq_head, __ATOMIC_ACQUIRE);
	if (posted >= qp->cap.max_send_wr)
		return fab_wrong(ENOMEM, "more WRs posted to QP %u than its depth of %u", qpn,
				 qp->cap.max_send_wr);
	return 0;
}

static int bind_look(const struct fab_qp *qp, const struct ibv_send_wr *wr)
{
	const struct fab_mw *mw = FAB_CONTAINER(wr->bind_mw.mw, struct fab_mw, ibv);
	const struct fab_mr *mr = FAB_CONTAINER(wr->bind_mw.bind_info.mr, struct fab_mr, ibv);

	if (!wr->bind_mw.mw || !wr->bind_mw.bind_info.mr)
		return fab_wrong(EINVAL, "WR 0x%llx of QP %u binds without a window or region",
				 ID(wr), qp->ibv.qp_num);
	if (!fab_object_lives(&mw->object, fab_type_mw, "ibv_post_send") ||
	    !fab_object_lives(&mr->object, fab_type_mr, "ibv_post_send"))
		return EINVAL;
	return 0;
}

/* Posted, sent or not, and not answered. */
static uint32_t reads_unanswered(const struct fab_qp *qp)
{
	uint32_t count = 0;

	for (uint32_t i = qp->sq_una; i != qp->sq_tail; i++)
		count += fab_is_read(fab_swqe_at(qp, i)->opcode);
	return count;
}

static int reads_look(const struct fab_qp *qp, const struct ibv_send_wr *wr)
{
	if (!fab_strict || !fab_is_read(wr->opcode))
		return 0;
	if (!qp->attr.max_rd_atomic)
		return fab_wrong(EINVAL, "WR 0x%llx of QP %u reads, its max_rd_atomic is 0", ID(wr),
				 qp->ibv.qp_num);
	if (fab_limit_reads && reads_unanswered(qp) >= qp->attr.max_rd_atomic)
		return fab_wrong(
			EINVAL,
			"WR 0x%llx of QP %u is one more RDMA READ than the %u that were granted",
			ID(wr), qp->ibv.qp_num, qp->attr.max_rd_atomic);
	return 0;
}

static int wr_look(const struct fab_qp *qp, const struct ibv_send_wr *wr)
{
	int err = opcode_look(qp, wr);

	if (!err)
		err = shape_look(qp, wr);
	if (!err && wr->opcode == IBV_WR_BIND_MW)
		err = bind_look(qp, wr);
	return err ? err : reads_look(qp, wr);
}

/* In strict mode the memory must be right when it is posted. */
static int memory_look(const struct fab_qp *qp, struct fab_swqe *wqe)
{
	struct fab_pieces pieces = {.sge = wqe->sge, .count = wqe->num_sge};
	unsigned access = 0;
	enum fab_fault fault;

	if (fab_is_read(wqe->opcode))
		access = qp->device->opts.iwarp ? IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE :
						  IBV_ACCESS_LOCAL_WRITE;
	fault = fab_pieces_hold(&pieces, access, qp->ibv.pd, 0);
	if (fault)
		return fab_wrong(fab_strict ? EINVAL : 0, "WR 0x%llx of QP %u has %s",
				 (unsigned long long)wqe->wr_id, qp->ibv.qp_num,
				 fab_fault_str(fault));
	if (fab_watch)
		wqe->print = fab_print(&pieces, wqe->len);
	fab_pieces_release(&pieces);
	return 0;
}

static void inline_take(struct fab_swqe *wqe, const struct ibv_send_wr *wr)
{
	uint8_t *to = wqe->inline_data;

	for (int i = 0; i < wr->num_sge; i++) {
		const struct ibv_sge *sge = &wr->sg_list[i];

		if (sge->length)
			memcpy(to, (const void *)(uintptr_t)sge->addr, sge->length);
		to += sge->length;
	}
}

static void target_take(struct fab_swqe *wqe, const struct ibv_send_wr *wr)
{
	switch (wr->opcode) {
	case IBV_WR_ATOMIC_CMP_AND_SWP:
	case IBV_WR_ATOMIC_FETCH_AND_ADD:
		wqe->remote_addr = wr->wr.atomic.remote_addr;
		wqe->rkey = wr->wr.atomic.rkey;
		wqe->compare_add = wr->wr.atomic.compare_add;
		wqe->swap = wr->wr.atomic.swap;
		wqe->len = sizeof(uint64_t);
		break;
	case IBV_WR_BIND_MW:
		wqe->window = FAB_CONTAINER(wr->bind_mw.mw, struct fab_mw, ibv)->key;
		wqe->rkey = wr->bind_mw.rkey;
		wqe->bind_lkey = wr->bind_mw.bind_info.mr->lkey;
		wqe->bind_access = wr->bind_mw.bind_info.mw_access_flags;
		wqe->bind_addr = wr->bind_mw.bind_info.addr;
		wqe->bind_len = wr->bind_mw.bind_info.length;
		break;
	default:
		wqe->remote_addr = wr->wr.rdma.remote_addr;
		wqe->rkey = wr->wr.rdma.rkey;
		break;
	}
}

/* Into the ring, or not at all. */
static int wr_take(struct fab_qp *qp, const struct ibv_send_wr *wr)
{
	struct fab_swqe *wqe = fab_swqe_at(qp, qp->sq_tail);
	int err = wr_look(qp, wr);

	if (err)
		return err;
	wqe->wr_id = wr->wr_id;
	wqe->opcode = wr->opcode;
	wqe->flags = wr->send_flags;
	wqe->imm_or_rkey = wr->invalidate_rkey;
	wqe->len = (uint32_t)wr_len(wr);
	wqe->num_sge = fab_is_local(wr->opcode) ? 0 : (uint32_t)wr->num_sge;
	if (wr->send_flags & IBV_SEND_INLINE) {
		inline_take(wqe, wr);
	} else {
		for (uint32_t i = 0; i < wqe->num_sge; i++)
			wqe->sge[i] = wr->sg_list[i];
		if (fab_strict || fab_watch)
			err = memory_look(qp, wqe);
		if (err)
			return err;
	}
	target_take(wqe, wr);
	qp->sq_tail++;
	return 0;
}

static int state_look(const struct fab_qp *qp)
{
	switch (qp->ibv.state) {
	case IBV_QPS_RTS:
	case IBV_QPS_SQD:
	case IBV_QPS_ERR:
		return 0;
	default:
		return fab_wrong(EINVAL, "a WR posted to QP %u in state %s", qp->ibv.qp_num,
				 fab_state_str(qp->ibv.state));
	}
}

static void posts_count(const struct fab_qp *qp, uint32_t from)
{
	struct fabric_stats *stats = &fab_stats[fab_party];
	uint64_t signaled = 0;

	for (uint32_t i = from; i != qp->sq_tail; i++)
		signaled += qp->sig_all || (fab_swqe_at(qp, i)->flags & IBV_SEND_SIGNALED);
	fab_count(&stats->post_send_calls, 1);
	fab_count(&stats->send_wrs, qp->sq_tail - from);
	fab_count(&stats->signaled_wrs, signaled);
}

static int post_send(struct ibv_qp *ibv, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	struct fab_qp *qp = FAB_CONTAINER(ibv, struct fab_qp, ibv);
	uint32_t from;
	int err = EINVAL;

	*bad = wr;
	if (!fab_object_lives(&qp->object, fab_type_qp, "ibv_post_send"))
		return err;
	err = fab_enter("ibv_post_send", qp->device);
	if (err)
		return err;
	fab_lock(&qp->lock);
	from = qp->sq_tail;
	err = state_look(qp);
	for (; !err && wr; wr = wr->next) {
		*bad = wr;
		err = wr_take(qp, wr);
	}
	posts_count(qp, from);
	fab_refresh(qp);
	fab_unlock(&qp->lock);
	fab_pump(qp);
	return err;
}

void fab_send_ops(struct ibv_context_ops *ops)
{
	ops->post_send = post_send;
}
