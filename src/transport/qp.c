/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queue pairs: set-up, failure, tear-down. Poll group's thread. A queue pair is freed in one place,
 * the end of rdmat_qp_reap(), when the hardware has let go (destroyed, its completions swept) and
 * every request of it is free.
 */
#include "transport/qp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "nvme/registry.h"
#include "pool/panic.h"
#include "transport/flow.h"
#include "transport/group.h"
#include "transport/sendq.h"
#include "transport/unsignaled.h"

/* Requests that an admin queue is sure to have: the asynchronous events that it may hold, and as
 * many commands. */
#define ADMIN_RESERVE 8

const struct rdmat_qp_state_info rdmat_qp_states[RDMAT_QP_STATE_COUNT] = {
#define RDMAT_X(state, what, successors) [RDMAT_QP_##state] = {#state, what, successors},
	RDMAT_QP_STATES(RDMAT_X)
#undef RDMAT_X
};

void rdmat_qp_move(struct rdmat_qp *qp, enum rdmat_qp_state to)
{
	if (!(rdmat_qp_states[qp->state].successors & 1u << to))
		pool_panic("a queue pair cannot go from %s to %s", rdmat_qp_states[qp->state].name,
			   rdmat_qp_states[to].name);
	qp->state = to;
}

const char *rdmat_qp_name(const struct rdmat_qp *qp, char *buf, size_t len)
{
	const char *hostnqn = nvme_queue_hostnqn(&qp->nvme);

	if (qp->nvme.qid)
		snprintf(buf, len, "I/O queue %u of %s (%s)", qp->nvme.qid,
			 *hostnqn ? hostnqn : "a host", qp->nvme.conn.peer);
	else
		snprintf(buf, len, "admin queue of %s (%s)", *hostnqn ? hostnqn : "a host",
			 qp->nvme.conn.peer);
	return buf;
}

void rdmat_cm_reject(struct rdma_cm_id *id, enum rdmat_cm_status status)
{
	uint8_t data[RDMAT_CM_REJECT_LEN];

	rdmat_cm_build_reject(data, status);
	rdma_reject(id, data, sizeof(data));
	rdma_destroy_id(id);
}

/* ---- set-up ---- */

static struct rdmat_qp *qp_alloc(struct wrasse_poll_group *group, const struct rdmat_new_conn *conn)
{
	struct rdmat_qp *qp = calloc(1, sizeof(*qp));
	const struct ibv_device_attr *attr = &conn->device->attr;
	uint32_t read_depth = group->rdmat->opts.max_read_depth;

	if (!qp)
		return NULL;
	for (unsigned i = 0; i < RDMAT_REQUEST_STATE_COUNT; i++)
		pool_list_init(&qp->lists[i]);
	qp->retry_tail = &qp->retry;
	qp->group = group;
	qp->class = &group->classes[conn->request.qid == 0];
	if (conn->read_depth < read_depth)
		read_depth = conn->read_depth;
	if (attr->max_qp_init_rd_atom > 0 && (uint32_t)attr->max_qp_init_rd_atom < read_depth)
		read_depth = (uint32_t)attr->max_qp_init_rd_atom;
	qp->reads_free = read_depth;
	qp->max_sge = attr->max_sge < RDMAT_WR_SGES ? (uint32_t)attr->max_sge : RDMAT_WR_SGES;
	if (conn->device->iwarp && attr->max_sge_rd > 0 && (uint32_t)attr->max_sge_rd < qp->max_sge)
		qp->max_sge = (uint32_t)attr->max_sge_rd;
	qp->listener = conn->listener;
	qp->ticket = conn->ticket;
	nvme_queue_init(&qp->nvme, group->rdmat->registry, &group->rdmat->limits, &conn->nvme);
	return qp;
}

/* In so many parts a send queue comes back, if they have so many WRs. */
#define SQ_PARTS    8
#define SQ_PART_MIN (2 * RDMAT_UNSIGNALED_WRS)

/* For each command a WR with its data, if that is one, and its answer. Beyond that what hosts have been answered already, and
 * go on from before the device tells. */
static uint32_t sq_depth_of(const struct rdmat_qp *qp)
{
	uint32_t depth = qp->nvme.conn.depth;

	return 2 * depth + depth / 2 + RDMAT_UNSIGNALED_WRS;
}

/* Promises requests to the queue pair: all of its depth if it posts its own slots, and to an admin queue
 * more than it has events that its controller holds. */
static int qp_reserve(struct rdmat_qp *qp)
{
	struct rdmat_class *class = qp->class;
	struct rdmat_rx *shared = qp->device->rx[class->admin];
	uint32_t depth = qp->nvme.conn.depth;
	uint32_t want = !shared ? depth : class->admin ? ADMIN_RESERVE : 0;

	if (want > class->capacity - class->reserved)
		return -ENOSPC;
	class->reserved += want;
	qp->reserved = want;
	if (shared) {
		qp->wanted = class->admin ? ADMIN_RESERVE : depth;
		rdmat_rx_want(shared, (int32_t)qp->wanted);
	}
	if (class->admin)
		qp->shared = shared;
	return 0;
}

static void qp_unreserve(struct rdmat_qp *qp)
{
	qp->class->reserved -= qp->reserved;
	if (qp->wanted)
		rdmat_rx_want(qp->device->rx[qp->class->admin], -(int32_t)qp->wanted);
}

/* @attr: its sizes are set here, since a call that fails may have changed them. */
static int pair_make(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr,
		     uint32_t sq_depth, bool inlining)
{
	attr->cap.max_send_wr = sq_depth;
	attr->cap.max_inline_data = inlining ? sizeof(struct nvme_cqe) : 0;
	return rdma_create_qp(id, pd, attr);
}

static int qp_make_ibv(struct rdmat_qp *qp, struct rdma_cm_id *id)
{
	struct rdmat_group_device *device = qp->device;
	struct rdmat_rx *shared = device->rx[qp->class->admin];
	uint32_t depth = qp->nvme.conn.depth;
	uint32_t sq_depth = sq_depth_of(qp);
	struct ibv_qp_init_attr attr = {
		.qp_context = qp,
		.send_cq = device->cq,
		.recv_cq = device->cq,
		.srq = shared ? shared->srq : NULL,
		.qp_type = IBV_QPT_RC,
		.cap = {.max_recv_wr = shared ? 0 : depth,
			.max_send_sge = qp->max_sge,
			.max_recv_sge = shared ? 0 : 1},
	};

	if (device->device->attr.max_qp_wr > 0 &&
	    (uint32_t)device->device->attr.max_qp_wr < sq_depth)
		sq_depth = (uint32_t)device->device->attr.max_qp_wr;
	qp->response_flags = device->device->no_inline ? 0 : IBV_SEND_INLINE;
	if (pair_make(id, device->device->pd, &attr, sq_depth, qp->response_flags)) {
		/* A device without inline data serves as well. */
		qp->response_flags = 0;
		if (pair_make(id, device->device->pd, &attr, sq_depth, false))
			return -errno;
	}
	qp->id = id;
	qp->qp = id->qp;
	qp->qpn = id->qp->qp_num;
	qp->sq_free = sq_depth;
	qp->sq_part = sq_depth / SQ_PARTS > SQ_PART_MIN ? sq_depth / SQ_PARTS : SQ_PART_MIN;
	qp->sq_signal_at = qp->sq_part;
	/* No iWARP device was tried with RDMA WRITEs of no bytes. */
	if (!qp->class->admin && !device->device->iwarp)
		qp->sq_unsignaled_max =
			sq_depth / 2 < RDMAT_UNSIGNALED_WRS ? sq_depth / 2 : RDMAT_UNSIGNALED_WRS;
	return 0;
}

static int qp_post_receives(struct rdmat_qp *qp)
{
	struct rdmat_rx *shared = qp->device->rx[qp->class->admin];
	int rc;

	if (shared)
		return rdmat_rx_post(shared);
	rc = rdmat_rx_create(qp->group, qp->class, qp->device->device, qp->nvme.conn.depth, false,
			     &qp->rx);
	if (rc)
		return rc;
	qp->rx->qp = qp->qp;
	qp->rx->owner = qp;
	return rdmat_rx_post(qp->rx);
}

static int qp_accept(struct rdmat_qp *qp, const struct rdmat_new_conn *conn)
{
	uint8_t data[RDMAT_CM_ACCEPT_LEN];
	struct rdma_conn_param param = {
		.private_data = data,
		.private_data_len = sizeof(data),
		.responder_resources = 0,
		.initiator_depth = (uint8_t)qp->reads_free,
		.flow_control = 1,
		.rnr_retry_count = 7,
	};
	struct ibv_qp_attr attr = {.min_rnr_timer = qp->group->rdmat->opts.min_rnr_timer};

	if (conn->tos)
		rdma_set_option(qp->id, RDMA_OPTION_ID, RDMA_OPTION_ID_TOS,
				(void *)(uintptr_t)&conn->tos, sizeof(conn->tos));
	if (conn->ack_timeout)
		rdma_set_option(qp->id, RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT,
				(void *)(uintptr_t)&conn->ack_timeout, sizeof(conn->ack_timeout));
	rdmat_cm_build_accept(data, (uint16_t)conn->nvme.depth);
	if (rdma_accept(qp->id, &param))
		return -errno;
	/* The CM leaves code 0, which is 655 ms. iWARP has no such timer. */
	if (!conn->device->iwarp && ibv_modify_qp(qp->qp, &attr, IBV_QP_MIN_RNR_TIMER))
		rdmat_log(qp->group->rdmat, WRASSE_LOG_WARN, "RNR timer not set: errno %d", errno);
	return 0;
}

/* Undoes what rdmat_qp_connect() did before the accept. */
static void qp_abandon(struct rdmat_qp *qp)
{
	if (qp->qp)
		rdma_destroy_qp(qp->id);
	qp_unreserve(qp);
	if (qp->rx) {
		rdmat_rx_reclaim(qp->rx);
		rdmat_rx_destroy(qp->rx);
	}
	free(qp);
}

static int qp_create(struct wrasse_poll_group *group, struct rdmat_new_conn *conn,
		     struct rdmat_qp **out)
{
	struct rdmat_group_device *device;
	struct rdmat_qp *qp;
	int rc;

	if (atomic_load(&group->drain) != RDMAT_DRAIN_NO)
		return -ESHUTDOWN;
	device = rdmat_group_device_get(group, conn->device);
	if (!device)
		return -ENODEV;
	qp = qp_alloc(group, conn);
	if (!qp)
		return -ENOMEM;
	qp->device = device;
	qp->device_index = device->device->index;
	qp->response_lkey = qp->class->slab.lkey[qp->device_index];
	qp->small_lkey = pool_payload_slab(group->small)->lkey[qp->device_index];
	qp->large_lkey = pool_payload_slab(group->large)->lkey[qp->device_index];
	rc = qp_reserve(qp);
	if (!rc)
		rc = qp_make_ibv(qp, conn->id);
	if (!rc)
		rc = qp_post_receives(qp);
	if (rc) {
		qp_abandon(qp);
		return rc;
	}
	*out = qp;
	return 0;
}

void rdmat_qp_connect(struct wrasse_poll_group *group, struct rdmat_msg *msg)
{
	struct rdmat_new_conn *conn = pool_container(msg, struct rdmat_new_conn, msg);
	struct rdmat_qp *qp = NULL;
	char name[256];
	int rc;

	rc = rdmat_group_open_cm(group);
	if (!rc && rdma_migrate_id(conn->id, group->cm_channel))
		rc = -errno;
	if (!rc)
		rc = qp_create(group, conn, &qp);
	if (rc) {
		rdmat_log(group->rdmat, WRASSE_LOG_WARN,
			  "connection from %s rejected: no resources (%s)", conn->nvme.peer,
			  strerror(-rc));
		rdmat_cm_reject(conn->id, RDMAT_CM_NO_RESOURCES);
		rdmat_lock(group->rdmat);
		rdmat_admission_leave(&group->rdmat->admission, &conn->ticket);
		rdmat_unlock(group->rdmat);
		atomic_fetch_sub(&group->load[conn->request.qid == 0], 1);
		rdmat_conn_free(conn);
		return;
	}
	qp->id->context = qp;
	qp->deadline_ns =
		rdmat_group_now(group) + group->rdmat->opts.connect_timeout_ms * RDMAT_NS_PER_MS;
	/* Its own timer alone: to look at those of all would take the longer, the more there are. */
	if (qp->deadline_ns < group->next_timer_ns)
		group->next_timer_ns = qp->deadline_ns;
	rdmat_group_qp_add(group, qp);
	rc = qp_accept(qp, conn);
	rdmat_conn_free(conn);
	if (rc) {
		rdmat_log(group->rdmat, WRASSE_LOG_WARN, "%s: not accepted: %s",
			  rdmat_qp_name(qp, name, sizeof(name)), strerror(-rc));
		rdmat_qp_disconnect(qp, NULL);
	}
}

void rdmat_qp_established(struct rdmat_qp *qp)
{
	if (qp->state == RDMAT_QP_CONNECTING)
		rdmat_qp_move(qp, RDMAT_QP_ACTIVE);
}

struct nvme_request *rdmat_qp_take_retries(struct rdmat_qp *qp)
{
	struct nvme_request *first = qp->retry;

	qp->retry = NULL;
	qp->retry_tail = &qp->retry;
	return first;
}

/* ---- the end ---- */

static void flush_requests(struct rdmat_qp *qp)
{
	struct rdmat_request *request;
	uint32_t left = qp->requests_out;

	rdmat_request_for_each(request, qp->class) {
		if (!left)
			break;
		if (request->qp != qp)
			continue;
		if (request->state != RDMAT_REQUEST_FLUSHING)
			rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
		left--;
	}
}

static void settle_requests(struct rdmat_qp *qp)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &qp->lists[RDMAT_REQUEST_FLUSHING])
		rdmat_request_settle(pool_container(link, struct rdmat_request, link));
}

static void disconnect(struct rdmat_qp *qp, enum wrasse_log_level level, const char *why)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};
	struct wrasse_poll_group *group = qp->group;
	struct nvme_actions actions = {0};
	char name[256];

	if (qp->tearing)
		return;
	qp->tearing = true;
	qp->partial = NULL;
	rdmat_log(group->rdmat, level, "%s: disconnected%s%s",
		  rdmat_qp_name(qp, name, sizeof(name)), why ? ": " : "", why ? why : "");
	rdmat_qp_move(qp, RDMAT_QP_DISCONNECTING);
	rdmat_qp_take_retries(qp);
	qp->auth = NULL;
	if (pool_link_is_on_list(&qp->auth_link))
		pool_list_del(&qp->auth_link);
	if (pool_link_is_on_list(&qp->pair_link))
		pool_list_del(&qp->pair_link);
	rdmat_rx_unpark_all(qp);
	flush_requests(qp);
	rdmat_sendq_unqueue(qp);
	if (pool_link_is_on_list(&qp->dirty_link))
		pool_list_del(&qp->dirty_link);
	rdmat_lock(group->rdmat);
	nvme_queue_end(&qp->nvme, &actions);
	rdmat_unlock(group->rdmat);
	ibv_modify_qp(qp->qp, &attr, IBV_QP_STATE);
	rdmat_unsignaled_end(qp);
	rdma_disconnect(qp->id);
	if (qp->rx)
		qp->rx->stopped = true;
	qp->deadline_ns =
		rdmat_group_now(group) + group->rdmat->opts.flush_timeout_ms * RDMAT_NS_PER_MS;
	pool_list_del(&qp->link);
	pool_list_add_tail(&group->dying, &qp->link);
	group->chores = true;
	settle_requests(qp);
	rdmat_flow_act(qp, &actions);
}

void rdmat_qp_disconnect(struct rdmat_qp *qp, const char *why)
{
	disconnect(qp, why ? WRASSE_LOG_WARN : WRASSE_LOG_INFO, why);
}

void rdmat_qp_end(struct rdmat_qp *qp, const char *why)
{
	disconnect(qp, WRASSE_LOG_INFO, why);
}

/* Whether the hardware gave everything back that it would, or had its time. */
static bool flushed(struct rdmat_qp *qp)
{
	if (!qp->sq_oldest && (!qp->rx || qp->rx->posted == 0))
		return true;
	if (rdmat_group_now(qp->group) >= qp->deadline_ns ||
	    atomic_load(&qp->device->device->removed))
		return true;
	return qp->device->failed;
}

static void qp_free(struct rdmat_qp *qp)
{
	struct wrasse_poll_group *group = qp->group;

	rdmat_qp_move(qp, RDMAT_QP_GONE);
	rdmat_group_note_departed(group, qp);
	rdmat_lock(group->rdmat);
	nvme_queue_fini(&qp->nvme);
	rdmat_admission_leave(&group->rdmat->admission, &qp->ticket);
	rdmat_unlock(group->rdmat);
	qp_unreserve(qp);
	if (qp->rx)
		rdmat_rx_destroy(qp->rx);
	rdma_destroy_id(qp->id);
	rdmat_group_qp_remove(group, qp);
	free(qp);
	rdmat_wake(group->rdmat);
}

bool rdmat_qp_reap(struct rdmat_qp *qp)
{
	struct rdmat_group_device *device = qp->device;

	if (qp->state == RDMAT_QP_DISCONNECTING) {
		if (qp->qp) {
			rdmat_unsignaled_end(qp);
			if (!flushed(qp))
				return false;
			rdma_destroy_qp(qp->id);
			qp->qp = NULL;
			qp->swept = device->sweeps + 1;
		}
		/* Completions of a destroyed queue pair may still lie in the queue; after it was
		 * seen empty none do. */
		if (device->sweeps < qp->swept && !device->failed)
			return false;
		rdmat_sendq_retire_all(qp);
		if (qp->rx)
			rdmat_rx_reclaim(qp->rx);
		rdmat_qp_move(qp, RDMAT_QP_DRAINED);
	}
	if (qp->requests_out)
		return false;
	qp_free(qp);
	return true;
}
