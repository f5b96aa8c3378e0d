/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive queues, of queue pairs and shared. A slot is the hardware's until its completion is taken,
 * which with a shared queue happens in any order: hence free slots are on a stack, onto which who
 * polls pushes without a lock. Only who posts pops, under the queue's lock.
 */
#include <errno.h>
#include <string.h>

#include "engine.h"

#define NO_SLOT UINT32_MAX

void fab_rq_init(struct fab_rq *rq, uint32_t depth, uint32_t max_sge)
{
	memset(rq, 0, sizeof(*rq));
	rq->free = NO_SLOT;
	rq->depth = depth;
	rq->max_sge = max_sge;
	rq->size = 1;
	while (rq->size < depth)
		rq->size *= 2;
	rq->slots = fab_alloc((size_t)depth * sizeof(*rq->slots));
	rq->sges = fab_alloc((size_t)depth * max_sge * sizeof(*rq->sges));
	rq->ring = fab_alloc((size_t)rq->size * sizeof(*rq->ring));
	for (uint32_t i = depth; i-- > 0;) {
		rq->slots[i].sge = rq->sges + (size_t)i * max_sge;
		rq->slots[i].next_free = rq->free;
		rq->free = i;
	}
}

void fab_rq_fini(struct fab_rq *rq)
{
	fab_free(rq->slots);
	fab_free(rq->sges);
	fab_free(rq->ring);
}

void fab_rq_free(struct fab_rq *rq, uint32_t slot)
{
	uint32_t top = __atomic_load_n(&rq->free, __ATOMIC_RELAXED);

	__atomic_store_n(&rq->slots[slot].used, false, __ATOMIC_RELAXED);
	do {
		rq->slots[slot].next_free = top;
	} while (!__atomic_compare_exchange_n(&rq->free, &top, slot, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

static uint32_t slot_take(struct fab_rq *rq)
{
	uint32_t top = __atomic_load_n(&rq->free, __ATOMIC_ACQUIRE);

	while (top != NO_SLOT &&
	       !__atomic_compare_exchange_n(&rq->free, &top, rq->slots[top].next_free, true,
					    __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
		;
	return top;
}

void fab_rq_reset(struct fab_rq *rq)
{
	while (!fab_rq_is_empty(rq))
		fab_rq_free(rq, fab_rq_pop(rq));
}

uint32_t fab_rq_pop(struct fab_rq *rq)
{
	return fab_rq_is_empty(rq) ? NO_SLOT : rq->ring[rq->head++ & (rq->size - 1)];
}

/* ---- posting ---- */

/* In strict mode the memory must be right when it is posted. */
static int memory_look(struct fab_rwqe *slot, const struct ibv_pd *pd, const struct fab_object *who)
{
	struct fab_pieces pieces = {.sge = slot->sge, .count = slot->num_sge};
	enum fab_fault fault;
	uint32_t len = 0;

	if (!fab_strict && !fab_watch)
		return 0;
	fault = fab_pieces_hold(&pieces, IBV_ACCESS_LOCAL_WRITE, pd, 0);
	if (fault)
		return fab_wrong(fab_strict ? EINVAL : 0,
				 "a receive posted to %s %u (wr_id 0x%llx) has %s", who->type,
				 who->number, (unsigned long long)slot->wr_id,
				 fab_fault_str(fault));
	for (uint32_t i = 0; i < slot->num_sge; i++)
		len += slot->sge[i].length;
	slot->print = fab_watch ? fab_print(&pieces, len) : 0;
	fab_pieces_release(&pieces);
	return 0;
}

int fab_rq_post(struct fab_rq *rq, const struct ibv_recv_wr *wr, const struct ibv_pd *pd,
		const struct fab_object *who)
{
	struct fab_rwqe *slot;
	uint32_t index;
	int err;

	if (wr->num_sge < 0 || (uint32_t)wr->num_sge > rq->max_sge)
		return fab_wrong(EINVAL, "a receive posted to %s %u has %d pieces, the limit is %u",
				 who->type, who->number, wr->num_sge, rq->max_sge);
	index = slot_take(rq);
	if (index == NO_SLOT)
		return fab_wrong(ENOMEM, "more receives posted to %s %u than its depth of %u",
				 who->type, who->number, rq->depth);
	slot = &rq->slots[index];
	slot->wr_id = wr->wr_id;
	slot->num_sge = (uint32_t)wr->num_sge;
	for (int i = 0; i < wr->num_sge; i++)
		slot->sge[i] = wr->sg_list[i];
	err = memory_look(slot, pd, who);
	if (err) {
		fab_rq_free(rq, index);
		return err;
	}
	slot->used = true;
	rq->ring[rq->tail++ & (rq->size - 1)] = index;
	return 0;
}

static int post_recv(struct ibv_qp *ibv, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	struct fab_qp *qp = FAB_CONTAINER(ibv, struct fab_qp, ibv);
	uint64_t posted = 0;
	int err = EINVAL;
	bool flushes;

	*bad = wr;
	if (!fab_object_lives(&qp->object, fab_type_qp, "ibv_post_recv"))
		return err;
	err = fab_enter("ibv_post_recv", qp->device);
	if (err)
		return err;
	if (qp->srq)
		return fab_wrong(EINVAL, "a receive posted to QP %u, which has an SRQ",
				 ibv->qp_num);
	fab_lock(&qp->lock);
	if (ibv->state == IBV_QPS_RESET)
		err = fab_wrong(EINVAL, "a receive posted to QP %u in state RESET", ibv->qp_num);
	for (; !err && wr; wr = wr->next) {
		*bad = wr;
		err = fab_rq_post(&qp->rq, wr, ibv->pd, &qp->object);
		posted += !err;
	}
	fab_refresh(qp);
	flushes = ibv->state == IBV_QPS_ERR;
	fab_unlock(&qp->lock);
	fab_count(&fab_stats[fab_party].post_recv_calls, 1);
	fab_count(&fab_stats[fab_party].recv_wrs, posted);
	if (flushes)
		fab_pump(qp);
	return err;
}

static int post_srq_recv(struct ibv_srq *ibv, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	struct fab_srq *srq = FAB_CONTAINER(ibv, struct fab_srq, ibv);
	uint64_t posted = 0;
	int err = EINVAL;

	*bad = wr;
	if (!fab_object_lives(&srq->object, fab_type_srq, "ibv_post_srq_recv"))
		return err;
	err = fab_enter("ibv_post_srq_recv", fab_device_of(ibv->context));
	if (err)
		return err;
	fab_lock(&srq->lock);
	for (; !err && wr; wr = wr->next) {
		*bad = wr;
		err = fab_rq_post(&srq->rq, wr, ibv->pd, &srq->object);
		posted += !err;
	}
	fab_unlock(&srq->lock);
	fab_count(&fab_stats[fab_party].post_recv_calls, 1);
	fab_count(&fab_stats[fab_party].recv_wrs, posted);
	return err;
}

void fab_receive_ops(struct ibv_context_ops *ops)
{
	ops->post_recv = post_recv;
	ops->post_srq_recv = post_srq_recv;
}

/* ---- consuming ---- */

static uint32_t srq_pop(struct fab_srq *srq)
{
	uint32_t slot;

	fab_lock(&srq->lock);
	slot = fab_rq_pop(&srq->rq);
	if (slot != NO_SLOT && srq->limit && srq->rq.tail - srq->rq.head < srq->limit) {
		srq->limit = 0;
		fab_async_event(fab_context_of(srq->ibv.context), IBV_EVENT_SRQ_LIMIT_REACHED,
				&srq->ibv);
	}
	fab_unlock(&srq->lock);
	return slot;
}

uint32_t fab_receive_pop(struct fab_qp *qp)
{
	return qp->srq ? srq_pop(qp->srq) : fab_rq_pop(&qp->rq);
}
