/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program says about its connections: connect, accept, reject, disconnect. */
#include "cm.h"

/* ---- parameters ---- */

static uint8_t at_most(uint8_t value, int limit)
{
	return limit < value ? (uint8_t)limit : value;
}

static const struct ibv_device_attr *limits_of(const struct cm_id *id)
{
	return &id->device->fab->attr;
}

static int param_look(const struct cm_id *id, const struct rdma_conn_param *param)
{
	if (!id->attached || (!id->ibv.qp && !param))
		return EINVAL;
	if (!param)
		return 0;
	if (param->responder_resources != RDMA_MAX_RESP_RES &&
	    param->responder_resources > limits_of(id)->max_qp_rd_atom)
		return EINVAL;
	if (param->initiator_depth != RDMA_MAX_INIT_DEPTH &&
	    param->initiator_depth > limits_of(id)->max_qp_init_rd_atom)
		return EINVAL;
	return 0;
}

/* @max: bytes of private data. */
static int message_fill(const struct cm_id *id, struct cm_message *message, enum cm_kind kind,
			const struct rdma_conn_param *param, size_t max)
{
	*message = (struct cm_message){.kind = kind};
	if (param && param->private_data && param->private_data_len) {
		if (param->private_data_len > max)
			return EINVAL;
		memcpy(message->data, param->private_data, param->private_data_len);
	}
	message->param = (struct rdma_conn_param){
		.responder_resources = id->user_responder_resources,
		.initiator_depth = id->user_initiator_depth,
		.flow_control = param ? param->flow_control : 0,
		.retry_count = at_most(param ? param->retry_count : 7, 7),
		.rnr_retry_count = at_most(param ? param->rnr_retry_count : 7, 7),
		.srq = param ? param->srq : 0,
		.qp_num = param ? param->qp_num : 0,
	};
	if (id->ibv.qp) {
		message->param.qp_num = id->ibv.qp->qp_num;
		message->param.srq = id->ibv.qp->srq != NULL;
	}
	return 0;
}

/* ---- the active side ---- */

static int connect_start(struct cm_id *id, const struct rdma_conn_param *param)
{
	struct cm_message req;
	int err = message_fill(id, &req, CM_REQ, param, CM_REQ_DATA);

	if (id->closed)
		return ENXIO;
	if (err || id->state != CM_ROUTE_RESOLVED)
		return EINVAL;
	id->state = CM_CONNECT;
	id->initiator_depth = req.param.initiator_depth;
	id->responder_resources = req.param.responder_resources;
	id->retry_count = req.param.retry_count;
	id->qpn = req.param.qp_num;
	id->sent = req;
	cm_conn_create(id);
	cm_send_kept(id, CM_REQ_SENT);
	return 0;
}

int rdma_connect(struct rdma_cm_id *ibv, struct rdma_conn_param *param)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_connect");
	int err;

	if (!id)
		return -1;
	err = param_look(id, param);
	if (err)
		return cm_fail(err);
	id->user_initiator_depth = param && param->initiator_depth != RDMA_MAX_INIT_DEPTH ?
					   param->initiator_depth :
					   at_most(UINT8_MAX, limits_of(id)->max_qp_init_rd_atom);
	id->user_responder_resources = param && param->responder_resources != RDMA_MAX_RESP_RES ?
					       param->responder_resources :
					       at_most(UINT8_MAX, limits_of(id)->max_qp_rd_atom);
	fab_lock(&fab_world);
	if (cm_done(connect_start(id, param)))
		return -1;
	return cm_complete(id);
}

int rdma_establish(struct rdma_cm_id *ibv)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_establish");

	if (!id)
		return -1;
	return ibv->qp ? cm_fail(EINVAL) : cm_qp_answered(id);
}

/* ---- the passive side ---- */

static int accept_send(struct cm_id *id, const struct rdma_conn_param *param)
{
	struct cm_message rep;
	int err = message_fill(id, &rep, CM_REP, param, CM_REP_DATA);

	if (id->closed)
		return ENXIO;
	if (err || id->state != CM_CONNECT || id->wire != CM_REQ_RCVD) {
		if (id->state == CM_CONNECT)
			cm_wire_reject(id, CM_REJ_CONSUMER, NULL, 0);
		return EINVAL;
	}
	id->hears = true;
	id->initiator_depth = rep.param.initiator_depth;
	id->responder_resources = rep.param.responder_resources;
	id->qpn = rep.param.qp_num;
	id->conn->qpn[CM_PASSIVE] = id->qpn;
	id->sent = rep;
	cm_send_kept(id, CM_REP_SENT);
	return 0;
}

static void accept_param(struct cm_id *id, const struct rdma_conn_param *param)
{
	if (param && param->initiator_depth != RDMA_MAX_INIT_DEPTH)
		id->user_initiator_depth = param->initiator_depth;
	else
		id->user_initiator_depth =
			at_most(id->user_initiator_depth, limits_of(id)->max_qp_init_rd_atom);
	if (param && param->responder_resources != RDMA_MAX_RESP_RES)
		id->user_responder_resources = param->responder_resources;
	else
		id->user_responder_resources =
			at_most(id->user_responder_resources, limits_of(id)->max_qp_rd_atom);
}

int rdma_accept(struct rdma_cm_id *ibv, struct rdma_conn_param *param)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_accept");
	int err;

	if (!id)
		return -1;
	if (fab_strict && !ibv->qp && !param)
		fab_misuse("rdma_accept: neither a queue pair nor its number");
	err = param_look(id, param);
	if (err)
		return cm_fail(err);
	accept_param(id, param);
	if (cm_qp_rtr(id, id->user_responder_resources) || cm_qp_rts(id, id->user_initiator_depth))
		return -1;
	fab_lock(&fab_world);
	err = accept_send(id, param);
	fab_unlock(&fab_world);
	if (!err)
		return cm_complete(id);
	cm_qp_err(id);
	return cm_fail(err);
}

static int reject(struct rdma_cm_id *ibv, const char *call, int reason, const void *data,
		  uint8_t len)
{
	struct cm_id *id = cm_id_call(ibv, call);

	if (!id)
		return -1;
	if (!data)
		len = 0;
	if (len > CM_REJ_DATA)
		return cm_fail(EINVAL);
	fab_lock(&fab_world);
	return cm_done(id->closed ? ENXIO : cm_wire_reject(id, reason, data, len));
}

int rdma_reject(struct rdma_cm_id *id, const void *data, uint8_t len)
{
	return reject(id, "rdma_reject", CM_REJ_CONSUMER, data, len);
}

int rdma_reject_ece(struct rdma_cm_id *id, const void *data, uint8_t len)
{
	return reject(id, "rdma_reject_ece", CM_REJ_VENDOR_OPTION, data, len);
}

int rdma_notify(struct rdma_cm_id *ibv, enum ibv_event_type event)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_notify");

	if (!id)
		return -1;
	fab_lock(&fab_world);
	if (id->closed)
		return cm_done(ENXIO);
	return cm_done(event == IBV_EVENT_COMM_EST ? cm_wire_established(id) : EINVAL);
}

/* ---- the end ---- */

int rdma_disconnect(struct rdma_cm_id *ibv)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_disconnect");

	if (!id)
		return -1;
	if (!ibv->verbs)
		return cm_fail(EINVAL);
	if (cm_qp_err(id))
		return -1;
	fab_lock(&fab_world);
	if (id->closed)
		return cm_done(ENXIO);
	if (id->state != CM_CONNECT && id->state != CM_DISCONNECT)
		return cm_done(EINVAL);
	cm_wire_disconnect(id);
	fab_unlock(&fab_world);
	return cm_complete(id);
}
