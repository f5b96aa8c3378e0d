/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared receive queues: made, changed, destroyed. What they do is in recv.c.
 */
#include <errno.h>
#include <string.h>

#include "engine.h"

static struct fab_srq *srq_of(struct ibv_srq *srq)
{
	return FAB_CONTAINER(srq, struct fab_srq, ibv);
}

static bool attr_is_legal(const struct ibv_srq_attr *attr, const struct fab_device *device)
{
	return !device->opts.no_srq && attr->max_wr && attr->max_wr <= device->opts.max_srq_wr &&
	       attr->max_sge <= device->opts.max_sge;
}

struct ibv_srq *ibv_create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *init)
{
	struct fab_pd *mine = FAB_CONTAINER(pd, struct fab_pd, ibv);
	struct fab_srq *srq;

	if (!fab_object_lives(&mine->object, fab_type_pd, "ibv_create_srq") ||
	    fab_enter("ibv_create_srq", fab_device_of(pd->context)))
		return NULL;
	if (!attr_is_legal(&init->attr, fab_device_of(pd->context))) {
		errno = fab_device_of(pd->context)->opts.no_srq ? EOPNOTSUPP : EINVAL;
		return NULL;
	}
	srq = fab_alloc(sizeof(*srq));
	srq->ibv.context = pd->context;
	srq->ibv.srq_context = init->srq_context;
	srq->ibv.pd = pd;
	pthread_mutex_init(&srq->lock, NULL);
	atomic_store(&srq->refs, 1);
	fab_rq_init(&srq->rq, init->attr.max_wr, init->attr.max_sge ? init->attr.max_sge : 1);
	fab_lock(&fab_world);
	fab_object_init(&srq->object, fab_type_srq, 0);
	srq->ibv.handle = srq->object.number;
	mine->children++;
	fab_unlock(&fab_world);
	return &srq->ibv;
}

int ibv_modify_srq(struct ibv_srq *ibv, struct ibv_srq_attr *attr, int mask)
{
	struct fab_srq *srq = srq_of(ibv);
	int err;

	if (!fab_object_lives(&srq->object, fab_type_srq, "ibv_modify_srq"))
		return EINVAL;
	err = fab_enter("ibv_modify_srq", fab_device_of(ibv->context));
	if (err)
		return err;
	if (mask & IBV_SRQ_MAX_WR)
		return EOPNOTSUPP;
	if (mask & IBV_SRQ_LIMIT) {
		if (attr->srq_limit > srq->rq.depth)
			return EINVAL;
		fab_lock(&srq->lock);
		srq->limit = attr->srq_limit;
		fab_unlock(&srq->lock);
	}
	return 0;
}

int ibv_query_srq(struct ibv_srq *ibv, struct ibv_srq_attr *attr)
{
	struct fab_srq *srq = srq_of(ibv);
	int err;

	if (!fab_object_lives(&srq->object, fab_type_srq, "ibv_query_srq"))
		return EINVAL;
	err = fab_enter("ibv_query_srq", fab_device_of(ibv->context));
	if (err)
		return err;
	fab_lock(&srq->lock);
	*attr = (struct ibv_srq_attr){srq->rq.depth, srq->rq.max_sge, srq->limit};
	fab_unlock(&srq->lock);
	return 0;
}

void fab_srq_put(struct fab_srq *srq)
{
	if (atomic_fetch_sub(&srq->refs, 1) != 1)
		return;
	fab_rq_fini(&srq->rq);
	pthread_mutex_destroy(&srq->lock);
	fab_free(srq);
}

int ibv_destroy_srq(struct ibv_srq *ibv)
{
	struct fab_srq *srq = srq_of(ibv);

	if (!fab_object_lives(&srq->object, fab_type_srq, "ibv_destroy_srq"))
		return EINVAL;
	if (srq->users)
		return fab_wrong(EBUSY, "ibv_destroy_srq: SRQ %u has %u queue pairs",
				 srq->object.number, srq->users);
	fab_async_purge(fab_context_of(ibv->context), ibv);
	if (!fab_events_settled(&srq->object, &srq->events_taken, &srq->events_acked,
				"ibv_destroy_srq"))
		return EBUSY;
	fab_lock(&fab_world);
	FAB_CONTAINER(ibv->pd, struct fab_pd, ibv)->children--;
	fab_object_fini(&srq->object);
	fab_unlock(&fab_world);
	fab_srq_put(srq);
	return 0;
}
