/* SPDX-License-Identifier: BSD-3-Clause */
/* Queue pairs and shared receive queues of ids, and the queue pairs' way to RTS. */
#include <rdma/rdma_verbs.h>

#include "cm.h"

#define DEFAULT_TIMEOUT 19

/* ---- attributes, as the kernel makes them up ---- */

static void path_fill(const struct cm_id *id, struct ibv_qp_attr *attr)
{
	attr->ah_attr.is_global = 1;
	attr->ah_attr.grh.dgid = id->ibv.route.addr.addr.ibaddr.dgid;
	attr->ah_attr.grh.sgid_index = 1;
	attr->ah_attr.grh.hop_limit = 64;
	attr->ah_attr.grh.traffic_class = id->tos;
	attr->ah_attr.port_num = 1;
}

/* Before there is anything of a connection nobody may reach into the memory. */
static int init_fill(const struct cm_id *id, struct ibv_qp_attr *attr, int *mask)
{
	bool asked = id->state >= CM_CONNECT;

	if (asked && (id->wire < CM_REQ_SENT || id->wire > CM_ESTABLISHED))
		return EINVAL;
	attr->qp_access_flags = asked ? IBV_ACCESS_REMOTE_WRITE : 0;
	if (asked && (id->responder_resources || id->device->fab->opts.iwarp))
		attr->qp_access_flags |= IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;
	attr->pkey_index = 0;
	attr->port_num = 1;
	*mask = IBV_QP_STATE | IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX | IBV_QP_PORT;
	return 0;
}

static int rtr_fill(const struct cm_id *id, struct ibv_qp_attr *attr, int *mask)
{
	path_fill(id, attr);
	attr->path_mtu = IBV_MTU_1024;
	attr->dest_qp_num = id->remote_qpn;
	attr->rq_psn = 0;
	attr->max_dest_rd_atomic = id->responder_resources;
	attr->min_rnr_timer = 0;
	*mask = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
		IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
	return 0;
}

static int rts_fill(const struct cm_id *id, struct ibv_qp_attr *attr, int *mask)
{
	attr->sq_psn = 0;
	attr->timeout = id->timeout_set ? id->timeout : DEFAULT_TIMEOUT;
	attr->retry_cnt = id->retry_count;
	attr->rnr_retry = id->rnr_retry;
	attr->max_rd_atomic = id->initiator_depth;
	*mask = IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
		IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
	return 0;
}

/* fab_world is held. Return: 0 or an errno value. */
static int attr_fill(const struct cm_id *id, struct ibv_qp_attr *attr, int *mask)
{
	bool answered = id->wire >= CM_REQ_RCVD && id->wire <= CM_ESTABLISHED;

	if (id->closed)
		return ENXIO;
	if (!id->device)
		return EINVAL;
	switch (attr->qp_state) {
	case IBV_QPS_INIT:
		return init_fill(id, attr, mask);
	case IBV_QPS_RTR:
		return answered ? rtr_fill(id, attr, mask) : EINVAL;
	case IBV_QPS_RTS:
		return answered ? rts_fill(id, attr, mask) : EINVAL;
	default:
		return EINVAL;
	}
}

static int attr_get(const struct cm_id *id, struct ibv_qp_attr *attr, int *mask)
{
	fab_lock(&fab_world);
	return cm_done(attr_fill(id, attr, mask));
}

int rdma_init_qp_attr(struct rdma_cm_id *ibv, struct ibv_qp_attr *attr, int *mask)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_init_qp_attr");
	struct ibv_qp_attr made = {.qp_state = attr->qp_state};

	if (!id || attr_get(id, &made, mask))
		return -1;
	*attr = made;
	return 0;
}

/* ---- transitions ---- */

static int seterrno(int err)
{
	return err ? cm_fail(err) : 0;
}

static int modify(const struct cm_id *id, struct ibv_qp *qp, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = {.qp_state = state};
	int mask;

	if (attr_get(id, &attr, &mask))
		return -1;
	return seterrno(ibv_modify_qp(qp, &attr, mask));
}

int cm_qp_rtr(struct cm_id *id, uint8_t responder_resources)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RTR};
	int mask;

	if (!id->ibv.qp)
		return 0;
	/* The rights are known only now. */
	if (modify(id, id->ibv.qp, IBV_QPS_INIT) || attr_get(id, &attr, &mask))
		return -1;
	if (responder_resources != RDMA_MAX_RESP_RES)
		attr.max_dest_rd_atomic = responder_resources;
	return seterrno(ibv_modify_qp(id->ibv.qp, &attr, mask));
}

int cm_qp_rts(struct cm_id *id, uint8_t initiator_depth)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RTS};
	int mask;

	if (!id->ibv.qp)
		return 0;
	if (attr_get(id, &attr, &mask))
		return -1;
	if (initiator_depth != RDMA_MAX_INIT_DEPTH)
		attr.max_rd_atomic = initiator_depth;
	return seterrno(ibv_modify_qp(id->ibv.qp, &attr, mask));
}

int cm_qp_err(struct cm_id *id)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};

	if (!id->ibv.qp)
		return 0;
	return seterrno(ibv_modify_qp(id->ibv.qp, &attr, IBV_QP_STATE));
}

int cm_qp_answered(struct cm_id *id)
{
	int err = 0;

	if (!cm_qp_rtr(id, RDMA_MAX_RESP_RES) && !cm_qp_rts(id, RDMA_MAX_INIT_DEPTH)) {
		fab_lock(&fab_world);
		err = id->closed ? ENXIO : cm_wire_rtu(id);
		fab_unlock(&fab_world);
		if (!err)
			return 0;
		errno = err;
	}
	err = errno;
	cm_qp_err(id);
	return cm_fail(err);
}

/* ---- completion queues of the library's own ---- */

static void cqs_destroy(struct cm_id *id)
{
	struct rdma_cm_id *ibv = &id->ibv;

	if (ibv->recv_cq)
		ibv_destroy_cq(ibv->recv_cq);
	if (ibv->send_cq && ibv->send_cq != ibv->recv_cq)
		ibv_destroy_cq(ibv->send_cq);
	if (ibv->recv_cq_channel)
		ibv_destroy_comp_channel(ibv->recv_cq_channel);
	if (ibv->send_cq_channel && ibv->send_cq_channel != ibv->recv_cq_channel)
		ibv_destroy_comp_channel(ibv->send_cq_channel);
	ibv->recv_cq = NULL;
	ibv->send_cq = NULL;
	ibv->recv_cq_channel = NULL;
	ibv->send_cq_channel = NULL;
}

static int cq_create(struct cm_id *id, uint32_t size, struct ibv_comp_channel **channel,
		     struct ibv_cq **cq)
{
	if (!size)
		return 0;
	*channel = ibv_create_comp_channel(id->ibv.verbs);
	if (*channel)
		*cq = ibv_create_cq(id->ibv.verbs, (int)size, id, *channel, 0);
	return *cq ? 0 : -1;
}

static int cqs_create(struct cm_id *id, uint32_t send_size, uint32_t recv_size)
{
	if (!cq_create(id, recv_size, &id->ibv.recv_cq_channel, &id->ibv.recv_cq) &&
	    !cq_create(id, send_size, &id->ibv.send_cq_channel, &id->ibv.send_cq))
		return 0;
	cqs_destroy(id);
	return -1;
}

/* ---- queue pairs ---- */

static int qp_make(struct cm_id *id, struct ibv_qp_init_attr_ex *attr)
{
	struct ibv_qp *qp;

	if (cqs_create(id, attr->send_cq || id->ibv.send_cq ? 0 : attr->cap.max_send_wr,
		       attr->recv_cq || id->ibv.recv_cq ? 0 : attr->cap.max_recv_wr))
		return -1;
	if (!attr->send_cq)
		attr->send_cq = id->ibv.send_cq;
	if (!attr->recv_cq)
		attr->recv_cq = id->ibv.recv_cq;
	if (id->ibv.srq && !attr->srq)
		attr->srq = id->ibv.srq;
	qp = ibv_create_qp_ex(id->ibv.verbs, attr);
	if (qp && !modify(id, qp, IBV_QPS_INIT)) {
		((struct fab_qp *)(void *)qp)->cm_id = id;
		id->ibv.pd = qp->pd;
		id->ibv.qp = qp;
		return 0;
	}
	if (qp) {
		int err = errno;

		ibv_destroy_qp(qp);
		errno = err;
	}
	cqs_destroy(id);
	return -1;
}

static int qp_create(struct cm_id *id, struct ibv_qp_init_attr_ex *attr)
{
	struct rdma_cm_id *ibv = &id->ibv;

	if (fab_strict && !ibv->verbs)
		fab_misuse("rdma_create_qp: the id is bound to no device");
	if (!ibv->verbs || ibv->qp)
		return cm_fail(EINVAL);
	if (!(attr->comp_mask & IBV_QP_INIT_ATTR_PD) || !attr->pd) {
		attr->comp_mask |= IBV_QP_INIT_ATTR_PD;
		attr->pd = ibv->pd;
	} else if (ibv->verbs != attr->pd->context) {
		return cm_fail(EINVAL);
	}
	if ((ibv->recv_cq && attr->recv_cq && ibv->recv_cq != attr->recv_cq) ||
	    (ibv->send_cq && attr->send_cq && ibv->send_cq != attr->send_cq))
		return cm_fail(EINVAL);
	return qp_make(id, attr);
}

int rdma_create_qp_ex(struct rdma_cm_id *ibv, struct ibv_qp_init_attr_ex *attr)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_create_qp_ex");

	return id ? qp_create(id, attr) : -1;
}

int rdma_create_qp(struct rdma_cm_id *ibv, struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_create_qp");
	struct ibv_qp_init_attr_ex extended = {.comp_mask = 0};
	int ret;

	if (!id)
		return -1;
	memcpy(&extended, attr, sizeof(*attr));
	extended.comp_mask = IBV_QP_INIT_ATTR_PD;
	extended.pd = pd ? pd : ibv->pd;
	ret = qp_create(id, &extended);
	memcpy(attr, &extended, sizeof(*attr));
	return ret;
}

void rdma_destroy_qp(struct rdma_cm_id *ibv)
{
	struct cm_id *id = cm_id_check(ibv, "rdma_destroy_qp");

	if (!id)
		return;
	if (!ibv->qp) {
		fab_misuse("rdma_destroy_qp: the id has none");
		return;
	}
	ibv_destroy_qp(ibv->qp);
	ibv->qp = NULL;
	cqs_destroy(id);
}

/* ---- shared receive queues ---- */

static int srq_create(struct rdma_cm_id *ibv, struct ibv_pd *pd, struct ibv_srq_init_attr *attr)
{
	if (!pd)
		pd = ibv->pd;
	if (!pd)
		return cm_fail(EINVAL);
	ibv->srq = ibv_create_srq(pd, attr);
	if (!ibv->srq)
		return -1;
	if (!ibv->pd)
		ibv->pd = pd;
	return 0;
}

int rdma_create_srq_ex(struct rdma_cm_id *ibv, struct ibv_srq_init_attr_ex *attr)
{
	if (!cm_id_call(ibv, "rdma_create_srq_ex"))
		return -1;
	if (!(attr->comp_mask & IBV_SRQ_INIT_ATTR_TYPE) || attr->srq_type != IBV_SRQT_BASIC)
		return cm_fail(EINVAL);
	return srq_create(ibv, attr->comp_mask & IBV_SRQ_INIT_ATTR_PD ? attr->pd : NULL,
			  (struct ibv_srq_init_attr *)attr);
}

int rdma_create_srq(struct rdma_cm_id *ibv, struct ibv_pd *pd, struct ibv_srq_init_attr *attr)
{
	return cm_id_call(ibv, "rdma_create_srq") ? srq_create(ibv, pd, attr) : -1;
}

void rdma_destroy_srq(struct rdma_cm_id *ibv)
{
	struct cm_id *id = cm_id_check(ibv, "rdma_destroy_srq");

	if (!id)
		return;
	ibv_destroy_srq(ibv->srq);
	ibv->srq = NULL;
	cqs_destroy(id);
}
