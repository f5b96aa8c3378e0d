/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * States of queue pairs: which follows which, and what must be told at each step.
 */
#include <errno.h>
#include <string.h>

#include "engine.h"

#define OPT_RTS                                                                            \
	(IBV_QP_CUR_STATE | IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_MIN_RNR_TIMER | \
	 IBV_QP_PATH_MIG_STATE)
#define INIT_ATTRS (IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS)

/* As the kernel has it for RC. To RESET and ERR one may go from anywhere. */
static const struct step {
	enum ibv_qp_state from, to;
	int required, optional;
} steps[] = {
	{IBV_QPS_RESET, IBV_QPS_INIT, INIT_ATTRS, 0},
	{IBV_QPS_INIT, IBV_QPS_INIT, 0, INIT_ATTRS},
	{IBV_QPS_INIT, IBV_QPS_RTR,
	 IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
		 IBV_QP_MIN_RNR_TIMER,
	 IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX},
	{IBV_QPS_RTR, IBV_QPS_RTS,
	 IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
		 IBV_QP_MAX_QP_RD_ATOMIC,
	 OPT_RTS},
	{IBV_QPS_RTS, IBV_QPS_RTS, 0, OPT_RTS},
	{IBV_QPS_RTS, IBV_QPS_SQD, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY},
	{IBV_QPS_SQD, IBV_QPS_RTS, 0, OPT_RTS},
	{IBV_QPS_SQD, IBV_QPS_SQD, 0,
	 OPT_RTS | IBV_QP_PORT | IBV_QP_AV | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
		 IBV_QP_MAX_QP_RD_ATOMIC | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_PKEY_INDEX},
};

static const char *const state_names[] = {
	[IBV_QPS_RESET] = "RESET", [IBV_QPS_INIT] = "INIT", [IBV_QPS_RTR] = "RTR",
	[IBV_QPS_RTS] = "RTS",     [IBV_QPS_SQD] = "SQD",   [IBV_QPS_SQE] = "SQE",
	[IBV_QPS_ERR] = "ERR",
};

const char *fab_state_str(enum ibv_qp_state state)
{
	return state_names[state];
}

static int step_look(const struct fab_qp *qp, enum ibv_qp_state to, int mask)
{
	int required, optional;

	mask &= ~IBV_QP_STATE;
	if (to == IBV_QPS_RESET || to == IBV_QPS_ERR)
		return mask & ~IBV_QP_CUR_STATE ? EINVAL : 0;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct step *step = &steps[i];

		if (step->from != qp->ibv.state || step->to != to)
			continue;
		required = step->required;
		optional = step->optional;
		/* iWARP's queue pairs know little of this. */
		if (qp->device->opts.iwarp) {
			optional |= required;
			required = 0;
		}
		return (mask & required) != required || (mask & ~(required | optional)) ? EINVAL :
											  0;
	}
	return EINVAL;
}

/* RoCE has no path without a GID of the port's own, InfiniBand none without a LID. */
static int path_look(const struct fab_device *device, const struct ibv_ah_attr *path)
{
	union ibv_gid gid;

	if (device->opts.iwarp)
		return 0;
	if (path->port_num != 1)
		return EINVAL;
	if (!path->is_global)
		return device->opts.infiniband && path->dlid ? 0 : EINVAL;
	/* A device without an address has every one. */
	if (path->grh.sgid_index == 1 && !device->address[0])
		return 0;
	return fab_gid_of(device, path->grh.sgid_index, &gid) ? 0 : ENODATA;
}

static int values_look(const struct fab_qp *qp, const struct ibv_qp_attr *attr, int mask)
{
	const struct fabric_device *limits = &qp->device->opts;

	if (((mask & IBV_QP_CUR_STATE) && attr->cur_qp_state != qp->ibv.state) ||
	    ((mask & IBV_QP_PORT) && attr->port_num != 1) ||
	    ((mask & IBV_QP_PKEY_INDEX) && attr->pkey_index) ||
	    ((mask & IBV_QP_MAX_QP_RD_ATOMIC) && attr->max_rd_atomic > limits->max_reads) ||
	    ((mask & IBV_QP_MAX_DEST_RD_ATOMIC) && attr->max_dest_rd_atomic > limits->max_reads) ||
	    ((mask & IBV_QP_MIN_RNR_TIMER) && attr->min_rnr_timer > 31) ||
	    ((mask & IBV_QP_TIMEOUT) && attr->timeout > 31) ||
	    ((mask & IBV_QP_RETRY_CNT) && attr->retry_cnt > 7) ||
	    ((mask & IBV_QP_RNR_RETRY) && attr->rnr_retry > 7) ||
	    ((mask & IBV_QP_PATH_MTU) &&
	     (attr->path_mtu < IBV_MTU_256 || attr->path_mtu > IBV_MTU_4096)))
		return EINVAL;
	return mask & IBV_QP_AV ? path_look(qp->device, &attr->ah_attr) : 0;
}

static void values_take(struct ibv_qp_attr *to, const struct ibv_qp_attr *from, int mask)
{
#define TAKE(bit, member)                          \
	do {                                       \
		if (mask & (bit))                  \
			to->member = from->member; \
	} while (0)
	TAKE(IBV_QP_ACCESS_FLAGS, qp_access_flags);
	TAKE(IBV_QP_PKEY_INDEX, pkey_index);
	TAKE(IBV_QP_PORT, port_num);
	TAKE(IBV_QP_QKEY, qkey);
	TAKE(IBV_QP_AV, ah_attr);
	TAKE(IBV_QP_PATH_MTU, path_mtu);
	TAKE(IBV_QP_TIMEOUT, timeout);
	TAKE(IBV_QP_RETRY_CNT, retry_cnt);
	TAKE(IBV_QP_RNR_RETRY, rnr_retry);
	TAKE(IBV_QP_RQ_PSN, rq_psn);
	TAKE(IBV_QP_SQ_PSN, sq_psn);
	TAKE(IBV_QP_MAX_QP_RD_ATOMIC, max_rd_atomic);
	TAKE(IBV_QP_MAX_DEST_RD_ATOMIC, max_dest_rd_atomic);
	TAKE(IBV_QP_MIN_RNR_TIMER, min_rnr_timer);
	TAKE(IBV_QP_DEST_QPN, dest_qp_num);
	TAKE(IBV_QP_ALT_PATH, alt_ah_attr);
	TAKE(IBV_QP_PATH_MIG_STATE, path_mig_state);
#undef TAKE
}

/* What was posted is forgotten without a completion. Completions that are there stay there. */
static struct fab_qp *qp_reset(struct fab_qp *qp)
{
	struct fab_qp *peer = qp->peer;

	qp->peer = NULL;
	qp->sq_una = qp->sq_tail;
	qp->sq_next = qp->sq_tail;
	__atomic_store_n(&qp->sq_head, qp->sq_tail, __ATOMIC_RELEASE);
	fab_rq_reset(&qp->rq);
	qp->reads_out = 0;
	qp->tries = 0;
	qp->rnr_tries = 0;
	qp->waits = false;
	qp->resend = false;
	qp->broken = false;
	qp->last_wqe_said = false;
	qp->comm_est_said = false;
	memset(&qp->attr, 0, sizeof(qp->attr));
	fab_action_clear(&qp->timer_action);
	return peer;
}

/* The queue pair is locked. Return: 0 or an errno value; *let_go is for fab_qp_put(). */
static int modify(struct fab_qp *qp, const struct ibv_qp_attr *attr, int mask,
		  struct fab_qp **let_go)
{
	enum ibv_qp_state to = mask & IBV_QP_STATE ? attr->qp_state : qp->ibv.state;
	int err = step_look(qp, to, mask);

	if (!err)
		err = values_look(qp, attr, mask);
	if (err)
		return err;
	values_take(&qp->attr, attr, mask);
	if (to == IBV_QPS_ERR) {
		/* From RESET as well: nothing is posted then. */
		if (qp->ibv.state == IBV_QPS_RESET)
			qp->ibv.state = IBV_QPS_INIT;
		fab_qp_fail(qp);
		return 0;
	}
	if (to == IBV_QPS_RESET)
		*let_go = qp_reset(qp);
	qp->ibv.state = to;
	return 0;
}

int ibv_modify_qp(struct ibv_qp *ibv, struct ibv_qp_attr *attr, int mask)
{
	struct fab_qp *qp = FAB_CONTAINER(ibv, struct fab_qp, ibv);
	struct fab_qp *let_go = NULL;
	bool pumps = false;
	int err;

	if (!fab_object_lives(&qp->object, fab_type_qp, "ibv_modify_qp"))
		return EINVAL;
	err = fab_enter("ibv_modify_qp", qp->device);
	if (err)
		return err;
	fab_lock(&qp->lock);
	err = modify(qp, attr, mask, &let_go);
	if (!err) {
		fab_refresh(qp);
		pumps = ibv->state == IBV_QPS_RTS || ibv->state == IBV_QPS_ERR;
	}
	fab_unlock(&qp->lock);
	if (let_go)
		fab_qp_put(let_go);
	if (err)
		errno = err;
	if (pumps)
		fab_pump(qp);
	return err;
}
