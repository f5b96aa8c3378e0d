/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completion queues and their channels.
 */
#include <errno.h>
#include <string.h>

#include "engine.h"

/* How many completions are taken under one lock. */
#define BATCH 32

static struct fab_cq *cq_of(struct ibv_cq *cq)
{
	return FAB_CONTAINER(cq, struct fab_cq, ibv);
}

static struct fab_channel *channel_of(struct ibv_comp_channel *channel)
{
	return FAB_CONTAINER(channel, struct fab_channel, ibv);
}

/* ---- channels ---- */

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *context)
{
	struct fab_context *mine = fab_context_of(context);
	struct fab_channel *channel;
	int err;

	if (!fab_object_lives(&mine->object, fab_type_context, "ibv_create_comp_channel") ||
	    fab_enter("ibv_create_comp_channel", mine->device))
		return NULL;
	channel = fab_alloc(sizeof(*channel));
	err = fab_bell_init(&channel->bell);
	if (err) {
		fab_free(channel);
		errno = err;
		return NULL;
	}
	channel->ibv.context = context;
	channel->ibv.fd = channel->bell.fd;
	fab_list_init(&channel->cqs);
	pthread_mutex_init(&channel->lock, NULL);
	fab_lock(&fab_world);
	fab_object_init(&channel->object, fab_type_channel, 0);
	mine->objects++;
	fab_unlock(&fab_world);
	return &channel->ibv;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *ibv)
{
	struct fab_channel *channel = channel_of(ibv);

	if (!fab_object_lives(&channel->object, fab_type_channel, "ibv_destroy_comp_channel"))
		return EINVAL;
	if (ibv->refcnt)
		return fab_wrong(EBUSY, "ibv_destroy_comp_channel: channel %u has %d CQs",
				 channel->object.number, ibv->refcnt);
	fab_lock(&fab_world);
	fab_context_of(ibv->context)->objects--;
	fab_object_fini(&channel->object);
	fab_unlock(&fab_world);
	fab_bell_fini(&channel->bell);
	pthread_mutex_destroy(&channel->lock);
	fab_free(channel);
	return 0;
}

static void channel_ring(struct fab_cq *cq)
{
	struct fab_channel *channel = channel_of(cq->ibv.channel);

	fab_lock(&channel->lock);
	if (!cq->events_pending++)
		fab_list_add(&channel->cqs, &cq->event_link);
	fab_bell_ring(&channel->bell);
	fab_unlock(&channel->lock);
}

static struct fab_cq *channel_take(struct fab_channel *channel)
{
	struct fab_cq *cq = NULL;

	fab_lock(&channel->lock);
	if (!fab_list_is_empty(&channel->cqs)) {
		cq = FAB_CONTAINER(channel->cqs.next, struct fab_cq, event_link);
		fab_list_del(&cq->event_link);
		if (--cq->events_pending)
			fab_list_add(&channel->cqs, &cq->event_link);
		__atomic_fetch_add(&cq->events_taken, 1, __ATOMIC_RELAXED);
		fab_bell_clear(&channel->bell);
	}
	fab_unlock(&channel->lock);
	return cq;
}

int ibv_get_cq_event(struct ibv_comp_channel *ibv, struct ibv_cq **cq, void **cq_context)
{
	struct fab_channel *channel = channel_of(ibv);
	struct fab_cq *mine;

	if (!fab_object_lives(&channel->object, fab_type_channel, "ibv_get_cq_event") ||
	    fab_call("ibv_get_cq_event"))
		return -1;
	while (!(mine = channel_take(channel))) {
		if (!fab_bell_blocks(&channel->bell)) {
			errno = EAGAIN;
			return -1;
		}
		fab_bell_wait(&channel->bell);
	}
	*cq = &mine->ibv;
	*cq_context = mine->ibv.cq_context;
	return 0;
}

void ibv_ack_cq_events(struct ibv_cq *ibv, unsigned n)
{
	struct fab_cq *cq = cq_of(ibv);
	uint32_t acked;

	if (!fab_object_lives(&cq->object, fab_type_cq, "ibv_ack_cq_events"))
		return;
	acked = __atomic_add_fetch(&cq->events_acked, n, __ATOMIC_RELEASE);
	if ((int32_t)(acked - __atomic_load_n(&cq->events_taken, __ATOMIC_RELAXED)) > 0)
		fab_wrong(0, "ibv_ack_cq_events: CQ %u has %u events acknowledged, and %u taken",
			  cq->object.number, acked, cq->events_taken);
}

/* ---- made and destroyed ---- */

static void ring_make(struct fab_cq *cq, uint32_t cqe)
{
	uint32_t size = 1;
	struct fab_cqe *ring;

	while (size < cqe)
		size *= 2;
	ring = fab_alloc((size_t)size * sizeof(*ring));
	for (uint32_t i = 0; i < cq->count; i++)
		ring[i] = cq->ring[(cq->head + i) & (cq->size - 1)];
	fab_free(cq->ring);
	cq->ring = ring;
	cq->size = size;
	cq->head = 0;
	cq->ibv.cqe = (int)cqe;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *context, int cqe, void *cq_context,
			     struct ibv_comp_channel *channel, int vector)
{
	struct fab_context *mine = fab_context_of(context);
	struct fab_cq *cq;

	if (!fab_object_lives(&mine->object, fab_type_context, "ibv_create_cq") ||
	    fab_enter("ibv_create_cq", mine->device))
		return NULL;
	if (cqe < 1 || (uint32_t)cqe > mine->device->opts.max_cqe || vector < 0 ||
	    vector >= context->num_comp_vectors) {
		errno = EINVAL;
		return NULL;
	}
	cq = fab_alloc(sizeof(*cq));
	cq->ibv.context = context;
	cq->ibv.channel = channel;
	cq->ibv.cq_context = cq_context;
	pthread_mutex_init(&cq->lock, NULL);
	fab_list_init(&cq->event_link);
	ring_make(cq, (uint32_t)cqe);
	fab_lock(&fab_world);
	fab_object_init(&cq->object, fab_type_cq, 0);
	cq->ibv.handle = cq->object.number;
	mine->objects++;
	if (channel)
		channel->refcnt++;
	fab_unlock(&fab_world);
	return &cq->ibv;
}

int ibv_resize_cq(struct ibv_cq *ibv, int cqe)
{
	struct fab_cq *cq = cq_of(ibv);
	int err;

	if (!fab_object_lives(&cq->object, fab_type_cq, "ibv_resize_cq"))
		return EINVAL;
	err = fab_enter("ibv_resize_cq", fab_device_of(ibv->context));
	if (err)
		return err;
	fab_lock(&cq->lock);
	if (cqe < 1 || (uint32_t)cqe < cq->count ||
	    (uint32_t)cqe > fab_device_of(ibv->context)->opts.max_cqe)
		err = EINVAL;
	else
		ring_make(cq, (uint32_t)cqe);
	fab_unlock(&cq->lock);
	return err;
}

static void channel_forget(struct fab_cq *cq)
{
	struct fab_channel *channel;

	if (!cq->ibv.channel)
		return;
	channel = channel_of(cq->ibv.channel);
	fab_lock(&channel->lock);
	fab_list_del(&cq->event_link);
	for (; cq->events_pending; cq->events_pending--)
		fab_bell_clear(&channel->bell);
	fab_unlock(&channel->lock);
}

static void cq_free(struct fab_cq *cq)
{
	for (; cq->count; cq->count--)
		fab_qp_put(cq->ring[cq->head++ & (cq->size - 1)].qp);
	fab_free(cq->ring);
	pthread_mutex_destroy(&cq->lock);
	fab_free(cq);
}

int ibv_destroy_cq(struct ibv_cq *ibv)
{
	struct fab_cq *cq = cq_of(ibv);

	if (!fab_object_lives(&cq->object, fab_type_cq, "ibv_destroy_cq"))
		return EINVAL;
	if (cq->users)
		return fab_wrong(EBUSY, "ibv_destroy_cq: CQ %u has %u queue pairs",
				 cq->object.number, cq->users);
	channel_forget(cq);
	fab_async_purge(fab_context_of(ibv->context), ibv);
	if (!fab_events_settled(&cq->object, &cq->events_taken, &cq->events_acked,
				"ibv_destroy_cq") ||
	    !fab_events_settled(&cq->object, &cq->async_taken, &cq->async_acked, "ibv_destroy_cq"))
		return EBUSY;
	fab_lock(&fab_world);
	if (ibv->channel)
		ibv->channel->refcnt--;
	fab_context_of(ibv->context)->objects--;
	fab_object_fini(&cq->object);
	fab_unlock(&fab_world);
	cq_free(cq);
	return 0;
}

/* ---- completions ---- */

static void overrun(struct fab_cq *cq)
{
	if (!cq->overrun)
		fab_async_event(fab_context_of(cq->ibv.context), IBV_EVENT_CQ_ERR, &cq->ibv);
	cq->overrun = true;
	fab_wrong(0, "CQ %u overruns its %d entries", cq->object.number, cq->ibv.cqe);
}

bool fab_cq_push(struct fab_cq *cq, const struct fab_cqe *cqe)
{
	bool fires;

	fab_lock(&cq->lock);
	if (cq->overrun || cq->count == (uint32_t)cq->ibv.cqe) {
		overrun(cq);
		fab_unlock(&cq->lock);
		return false;
	}
	atomic_fetch_add_explicit(&cqe->qp->refs, 1, memory_order_relaxed);
	cq->ring[(cq->head + cq->count++) & (cq->size - 1)] = *cqe;
	fires = cq->armed == FAB_CQ_ARMED || (cq->armed == FAB_CQ_ARMED_SOLICITED &&
					      (cqe->solicited || cqe->wc.status != IBV_WC_SUCCESS));
	if (fires) {
		cq->armed = FAB_CQ_QUIET;
		fab_count(&fab_stats[cqe->qp->party].cq_events, 1);
		if (cq->ibv.channel)
			channel_ring(cq);
	}
	fab_unlock(&cq->lock);
	return true;
}

static void send_retire(struct fab_qp *qp, uint32_t to)
{
	uint32_t head = __atomic_load_n(&qp->sq_head, __ATOMIC_RELAXED);

	while ((int32_t)(to - head) > 0 &&
	       !__atomic_compare_exchange_n(&qp->sq_head, &head, to, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}

/* Its WR or receive is the program's again. */
static void cqe_retire(const struct fab_cqe *cqe)
{
	if (cqe->send)
		send_retire(cqe->qp, cqe->retires);
	else
		fab_rq_free(fab_qp_rq(cqe->qp), cqe->retires);
	fab_qp_put(cqe->qp);
}

void fab_cq_sweep(struct fab_cq *cq, const struct fab_qp *qp)
{
	uint32_t kept = 0;

	fab_lock(&cq->lock);
	for (uint32_t i = 0; i < cq->count; i++) {
		const struct fab_cqe *cqe = &cq->ring[(cq->head + i) & (cq->size - 1)];

		if (cqe->qp == qp)
			cqe_retire(cqe);
		else
			cq->ring[(cq->head + kept++) & (cq->size - 1)] = *cqe;
	}
	cq->count = kept;
	fab_unlock(&cq->lock);
}

static int batch_take(struct fab_cq *cq, struct fab_cqe *batch, int want)
{
	int n = 0;

	fab_lock(&cq->lock);
	for (; n < want && cq->count; n++, cq->count--)
		batch[n] = cq->ring[cq->head++ & (cq->size - 1)];
	fab_unlock(&cq->lock);
	return n;
}

unsigned fabric_cq_count(const struct ibv_cq *cq)
{
	return ((const struct fab_cq *)cq)->count;
}

static int poll_cq(struct ibv_cq *ibv, int want, struct ibv_wc *wc)
{
	struct fab_cq *cq = cq_of(ibv);
	struct fabric_stats *stats = &fab_stats[fab_party];
	struct fab_cqe batch[BATCH];
	int total = 0, n;

	if (!fab_object_lives(&cq->object, fab_type_cq, "ibv_poll_cq") || fab_call("ibv_poll_cq"))
		return -1;
	if (want < 0) {
		fab_wrong(EINVAL, "ibv_poll_cq: %d completions wanted of CQ %u", want,
			  cq->object.number);
		return -1;
	}
	do {
		n = batch_take(cq, batch, want - total < BATCH ? want - total : BATCH);
		for (int i = 0; i < n; i++) {
			wc[total++] = batch[i].wc;
			cqe_retire(&batch[i]);
		}
	} while (n == BATCH && total < want);
	fab_count(&stats->poll_calls, 1);
	fab_count(&stats->empty_polls, total == 0);
	fab_count(&stats->completions, (uint64_t)total);
	return total;
}

static int req_notify_cq(struct ibv_cq *ibv, int solicited_only)
{
	struct fab_cq *cq = cq_of(ibv);
	int err;

	if (!fab_object_lives(&cq->object, fab_type_cq, "ibv_req_notify_cq"))
		return EINVAL;
	err = fab_enter("ibv_req_notify_cq", fab_device_of(ibv->context));
	if (err)
		return err;
	fab_count(&fab_stats[fab_party].notify_calls, 1);
	fab_lock(&cq->lock);
	if (cq->armed != FAB_CQ_ARMED)
		cq->armed = solicited_only ? FAB_CQ_ARMED_SOLICITED : FAB_CQ_ARMED;
	fab_unlock(&cq->lock);
	return 0;
}

void fab_cq_ops(struct ibv_context_ops *ops)
{
	ops->poll_cq = poll_cq;
	ops->req_notify_cq = req_notify_cq;
}
