/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queue pairs: the table, made, asked, destroyed, broken. Their states are in modify.c.
 */
#include <errno.h>
#include <string.h>

#include "engine.h"

#define FIRST_QPN   17
#define CHUNK_SHIFT 12
#define CHUNK       (1u << CHUNK_SHIFT)
#define CHUNKS      (1u << (24 - CHUNK_SHIFT))

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf */
static struct fab_qp **chunks[CHUNKS];
static uint32_t next_qpn;

/* ---- the table: numbers are not used again until all were ---- */

void fab_qps_init(void)
{
	next_qpn = FIRST_QPN;
}

static struct fab_qp **entry_at(uint32_t qpn)
{
	struct fab_qp ***chunk = &chunks[(qpn & 0xffffff) >> CHUNK_SHIFT];

	if (!*chunk)
		*chunk = fab_alloc(CHUNK * sizeof(struct fab_qp *));
	return &(*chunk)[qpn & (CHUNK - 1)];
}

static uint32_t table_add(struct fab_qp *qp)
{
	struct fab_qp **entry;
	uint32_t qpn;

	fab_lock(&table_lock);
	do {
		qpn = next_qpn++ & 0xffffff;
		if (next_qpn > 0xffffff)
			next_qpn = FIRST_QPN;
		entry = entry_at(qpn);
	} while (*entry);
	*entry = qp;
	fab_unlock(&table_lock);
	return qpn;
}

static void table_del(uint32_t qpn)
{
	fab_lock(&table_lock);
	*entry_at(qpn) = NULL;
	fab_unlock(&table_lock);
}

struct fab_qp *fab_qp_get(uint32_t qpn)
{
	struct fab_qp *qp;

	fab_lock(&table_lock);
	qp = *entry_at(qpn);
	if (qp)
		atomic_fetch_add(&qp->refs, 1);
	fab_unlock(&table_lock);
	return qp;
}

void fab_qp_put(struct fab_qp *qp)
{
	if (atomic_fetch_sub(&qp->refs, 1) != 1)
		return;
	fab_free(qp->sq);
	fab_free(qp->sq_sges);
	fab_free(qp->sq_inline);
	fab_rq_fini(&qp->rq);
	if (qp->srq)
		fab_srq_put(qp->srq);
	pthread_mutex_destroy(&qp->lock);
	fab_free(qp);
}

/* ---- made ---- */

static struct fab_cq *cq_of(struct ibv_cq *cq)
{
	return FAB_CONTAINER(cq, struct fab_cq, ibv);
}

static bool parts_live(struct ibv_pd *pd, const struct ibv_qp_init_attr *init)
{
	const char *call = "ibv_create_qp";

	if (!init->send_cq || !init->recv_cq) {
		errno = EINVAL;
		return false;
	}
	return fab_object_lives(&FAB_CONTAINER(pd, struct fab_pd, ibv)->object, fab_type_pd,
				call) &&
	       fab_object_lives(&cq_of(init->send_cq)->object, fab_type_cq, call) &&
	       fab_object_lives(&cq_of(init->recv_cq)->object, fab_type_cq, call) &&
	       (!init->srq ||
		fab_object_lives(&FAB_CONTAINER(init->srq, struct fab_srq, ibv)->object,
				 fab_type_srq, call));
}

static int caps_look(const struct ibv_qp_init_attr *init, const struct fabric_device *limits)
{
	const struct ibv_qp_cap *cap = &init->cap;

	if (init->qp_type != IBV_QPT_RC)
		return EOPNOTSUPP;
	if (cap->max_send_wr > limits->max_qp_wr || cap->max_send_sge > limits->max_sge ||
	    cap->max_inline_data > limits->max_inline)
		return EINVAL;
	if (!init->srq &&
	    (cap->max_recv_wr > limits->max_qp_wr || cap->max_recv_sge > limits->max_sge))
		return EINVAL;
	return 0;
}

static void sq_make(struct fab_qp *qp)
{
	const struct ibv_qp_cap *cap = &qp->cap;

	qp->sq_size = 1;
	while (qp->sq_size < cap->max_send_wr)
		qp->sq_size *= 2;
	qp->sq = fab_alloc(qp->sq_size * sizeof(*qp->sq));
	qp->sq_sges = fab_alloc((size_t)qp->sq_size * cap->max_send_sge * sizeof(*qp->sq_sges));
	qp->sq_inline = fab_alloc((size_t)qp->sq_size * cap->max_inline_data);
	for (uint32_t i = 0; i < qp->sq_size; i++) {
		qp->sq[i].sge = qp->sq_sges + (size_t)i * cap->max_send_sge;
		qp->sq[i].inline_data = qp->sq_inline + (size_t)i * cap->max_inline_data;
	}
}

static struct fab_qp *qp_make(struct ibv_pd *pd, const struct ibv_qp_init_attr *init)
{
	struct fab_qp *qp = fab_alloc(sizeof(*qp));

	qp->ibv = (struct ibv_qp){
		.context = pd->context,
		.qp_context = init->qp_context,
		.pd = pd,
		.send_cq = init->send_cq,
		.recv_cq = init->recv_cq,
		.srq = init->srq,
		.state = IBV_QPS_RESET,
		.qp_type = init->qp_type,
	};
	pthread_mutex_init(&qp->lock, NULL);
	atomic_store(&qp->refs, 1);
	qp->party = fab_party;
	qp->device = fab_device_of(pd->context);
	qp->send_cq = cq_of(init->send_cq);
	qp->recv_cq = cq_of(init->recv_cq);
	qp->cap = init->cap;
	qp->sig_all = init->sq_sig_all;
	sq_make(qp);
	if (init->srq) {
		qp->srq = FAB_CONTAINER(init->srq, struct fab_srq, ibv);
		atomic_fetch_add(&qp->srq->refs, 1);
		qp->cap.max_recv_wr = 0;
		qp->cap.max_recv_sge = 0;
	}
	fab_rq_init(&qp->rq, qp->cap.max_recv_wr, qp->cap.max_recv_sge);
	return qp;
}

static void users_count(struct fab_qp *qp, uint32_t change)
{
	FAB_CONTAINER(qp->ibv.pd, struct fab_pd, ibv)->children += change;
	qp->send_cq->users += change;
	qp->recv_cq->users += change;
	if (qp->srq)
		qp->srq->users += change;
	qp->device->qps += change;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *init)
{
	struct fab_device *device = fab_device_of(pd->context);
	struct fab_qp *qp;
	int err;

	if (!parts_live(pd, init) || fab_enter("ibv_create_qp", device))
		return NULL;
	err = caps_look(init, &device->opts);
	fab_lock(&fab_world);
	if (!err && device->qps >= device->opts.max_qp)
		err = ENOMEM;
	if (err) {
		fab_unlock(&fab_world);
		errno = err;
		return NULL;
	}
	qp = qp_make(pd, init);
	qp->ibv.qp_num = table_add(qp);
	qp->ibv.handle = qp->ibv.qp_num;
	fab_qp_actions_init(qp);
	fab_object_init(&qp->object, fab_type_qp, qp->ibv.qp_num);
	users_count(qp, 1);
	fab_unlock(&fab_world);
	init->cap = qp->cap;
	fab_count(&fab_stats[fab_party].qps_created, 1);
	return &qp->ibv;
}

/* ---- asked ---- */

int ibv_query_qp(struct ibv_qp *ibv, struct ibv_qp_attr *attr, int mask,
		 struct ibv_qp_init_attr *init)
{
	struct fab_qp *qp = FAB_CONTAINER(ibv, struct fab_qp, ibv);
	int err;

	if (!fab_object_lives(&qp->object, fab_type_qp, "ibv_query_qp"))
		return EINVAL;
	err = fab_enter("ibv_query_qp", qp->device);
	if (err)
		return err;
	fab_lock(&qp->lock);
	*attr = qp->attr;
	attr->qp_state = ibv->state;
	attr->cur_qp_state = ibv->state;
	attr->cap = qp->cap;
	fab_unlock(&qp->lock);
	*init = (struct ibv_qp_init_attr){
		.qp_context = ibv->qp_context,
		.send_cq = ibv->send_cq,
		.recv_cq = ibv->recv_cq,
		.srq = ibv->srq,
		.cap = qp->cap,
		.qp_type = ibv->qp_type,
		.sq_sig_all = qp->sig_all,
	};
	return 0;
}

/* ---- destroyed ---- */

static void qp_stop(struct fab_qp *qp)
{
	fab_lock(&fab_world);
	fab_lock(&qp->lock);
	qp->destroyed = true;
	qp->ibv.state = IBV_QPS_RESET;
	qp->waits = false;
	fab_unlock(&qp->lock);
	fab_qp_actions_clear(qp);
	fab_unlock(&fab_world);
}

static void qp_detach(struct fab_qp *qp)
{
	struct fab_qp *peer;

	fab_lock(&fab_world);
	table_del(qp->ibv.qp_num);
	users_count(qp, UINT32_MAX);
	fab_object_fini(&qp->object);
	fab_unlock(&fab_world);
	fab_lock(&qp->lock);
	peer = qp->peer;
	qp->peer = NULL;
	fab_unlock(&qp->lock);
	if (peer)
		fab_qp_put(peer);
}

int ibv_destroy_qp(struct ibv_qp *ibv)
{
	struct fab_qp *qp = FAB_CONTAINER(ibv, struct fab_qp, ibv);

	if (!fab_object_lives(&qp->object, fab_type_qp, "ibv_destroy_qp"))
		return EINVAL;
	qp_stop(qp);
	fab_async_purge(fab_context_of(ibv->context), ibv);
	if (!fab_events_settled(&qp->object, &qp->events_taken, &qp->events_acked,
				"ibv_destroy_qp"))
		return EBUSY;
	if (qp->device->opts.sweeps_on_destroy) {
		fab_cq_sweep(qp->send_cq, qp);
		fab_cq_sweep(qp->recv_cq, qp);
	}
	qp_detach(qp);
	fab_count(&fab_stats[fab_party].qps_destroyed, 1);
	fab_qp_put(qp);
	return 0;
}

/* ---- broken ---- */

void fab_qps_remove(struct fab_device *device)
{
	struct fab_link *link;

	for (link = fab_objects.next; link != &fab_objects; link = link->next) {
		struct fab_object *object = FAB_CONTAINER(link, struct fab_object, link);
		struct fab_qp *qp = FAB_CONTAINER(object, struct fab_qp, object);

		if (object->type != fab_type_qp || qp->device != device)
			continue;
		fab_lock(&qp->lock);
		fab_qp_fail(qp);
		fab_unlock(&qp->lock);
		fab_qp_actions_clear(qp);
	}
}

void fabric_async_event(uint32_t qpn, int type)
{
	struct fab_qp *qp = fab_qp_get(qpn);
	void *element;

	if (!qp) {
		fab_misuse("fabric_async_event(): there is no QP %u", qpn);
		return;
	}
	element = type == IBV_EVENT_CQ_ERR  ? (void *)qp->ibv.send_cq :
		  type == IBV_EVENT_SRQ_ERR ? (void *)qp->ibv.srq :
					      (void *)&qp->ibv;
	fab_async_event(fab_context_of(qp->ibv.context), (enum ibv_event_type)type, element);
	fab_qp_put(qp);
}

void fabric_qp_break(uint32_t qpn, int status)
{
	struct fab_qp *qp = fab_qp_get(qpn);

	if (!qp) {
		fab_misuse("fabric_qp_break(): there is no QP %u", qpn);
		return;
	}
	fab_lock(&qp->lock);
	if (qp->ibv.state == IBV_QPS_RTR || qp->ibv.state == IBV_QPS_RTS ||
	    qp->ibv.state == IBV_QPS_SQD) {
		qp->broken = true;
		qp->break_status = (enum ibv_wc_status)status;
		if (qp->sq_una != qp->sq_tail)
			fab_send_complete(qp, qp->break_status);
	}
	fab_refresh(qp);
	fab_unlock(&qp->lock);
	fab_pump(qp);
	fab_qp_put(qp);
}
