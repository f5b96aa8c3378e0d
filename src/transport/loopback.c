/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loopback: the port and the GID are those that a connection came by, since of a port's other GIDs some may
 * lead nowhere (a link-local one whose interface has no such address). The thread that polls the target.
 */
#include "transport/loopback.h"

#include <endian.h>
#include <string.h>

static bool port_is_active(struct ibv_context *context, uint8_t number, struct ibv_port_attr *port)
{
	return !ibv_query_port(context, number, port) && port->state == IBV_PORT_ACTIVE;
}

/* Of entries with the same GID one of RoCE v2, if there is one. */
static bool gid_find(const struct rdma_cm_id *id, int count, struct ibv_global_route *grh)
{
	const union ibv_gid *mine = &id->route.addr.addr.ibaddr.sgid;
	struct ibv_gid_entry entry;
	bool found = false;

	grh->dgid = *mine;
	grh->hop_limit = 64;
	for (int i = 0; i < count && i <= UINT8_MAX; i++) {
		if (ibv_query_gid_ex(id->verbs, id->port_num, (uint32_t)i, &entry, 0) ||
		    memcmp(&entry.gid, mine, sizeof(*mine)) != 0)
			continue;
		grh->sgid_index = (uint8_t)i;
		found = true;
		if (entry.gid_type != IBV_GID_TYPE_ROCE_V1)
			break;
	}
	return found;
}

/* Limited members of a partition do not hear each other. Return: the first full membership, or 0. */
static uint16_t pkey_find(const struct rdma_cm_id *id, uint16_t count)
{
	__be16 pkey;

	for (uint16_t i = 0; i < count; i++)
		if (!ibv_query_pkey(id->verbs, id->port_num, i, &pkey) && (be16toh(pkey) & 0x8000))
			return i;
	return 0;
}

/* Return: NULL; what there is not. */
static const char *path_find(const struct rdma_cm_id *id, struct ibv_qp_attr *path)
{
	struct ibv_port_attr port;
	bool roce;

	if (!port_is_active(id->verbs, id->port_num, &port))
		return "its port is not active";
	roce = port.link_layer == IBV_LINK_LAYER_ETHERNET;
	*path = (struct ibv_qp_attr){
		.port_num = id->port_num,
		.pkey_index = roce ? 0 : pkey_find(id, port.pkey_tbl_len),
		.ah_attr = {.port_num = id->port_num,
			    .dlid = port.lid,
			    .is_global = roce || (port.flags & IBV_QPF_GRH_REQUIRED)},
		.path_mtu = port.active_mtu,
		.max_rd_atomic = 1,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.timeout = 14, /* 67 ms */
		.retry_cnt = 7,
		.rnr_retry = 7,
	};
	if (path->ah_attr.is_global && !gid_find(id, port.gid_tbl_len, &path->ah_attr.grh))
		return "its port has no GID of the connection's address";
	return NULL;
}

static struct ibv_qp *qp_make(const struct rdmat_loopback *loopback)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = loopback->cq,
		.recv_cq = loopback->cq,
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1},
	};

	return ibv_create_qp(loopback->pd, &attr);
}

/* From RESET to RTS. */
static bool qp_connect(const struct ibv_qp_attr *path, struct ibv_qp *qp, const struct ibv_qp *to)
{
	static const struct {
		enum ibv_qp_state state;
		int mask;
	} steps[] = {
		{IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS},
		{IBV_QPS_RTR, IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
				      IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER},
		{IBV_QPS_RTS, IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
				      IBV_QP_MAX_QP_RD_ATOMIC},
	};
	struct ibv_qp_attr attr = *path;

	attr.dest_qp_num = to->qp_num;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		attr.qp_state = steps[i].state;
		if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | steps[i].mask))
			return false;
	}
	return true;
}

const char *rdmat_loopback_open(struct rdmat_loopback *loopback, const struct rdma_cm_id *id)
{
	struct ibv_qp **qp = loopback->qp;
	const char *why = path_find(id, &loopback->path);

	if (why)
		return why;
	loopback->context = id->verbs;
	if (!(loopback->pd = ibv_alloc_pd(id->verbs)))
		return "ibv_alloc_pd failed";
	if (!(loopback->cq = ibv_create_cq(id->verbs, 4, NULL, NULL, 0)))
		return "ibv_create_cq failed";
	if (!(qp[0] = qp_make(loopback)) || !(qp[1] = qp_make(loopback)))
		return "ibv_create_qp failed";
	if (!qp_connect(&loopback->path, qp[0], qp[1]) ||
	    !qp_connect(&loopback->path, qp[1], qp[0]))
		return "ibv_modify_qp failed";
	return NULL;
}

void rdmat_loopback_disconnect(struct rdmat_loopback *loopback)
{
	for (unsigned i = 0; i < 2; i++) {
		if (loopback->qp[i])
			ibv_destroy_qp(loopback->qp[i]);
		loopback->qp[i] = NULL;
	}
}

void rdmat_loopback_close(struct rdmat_loopback *loopback)
{
	rdmat_loopback_disconnect(loopback);
	if (loopback->cq)
		ibv_destroy_cq(loopback->cq);
	if (loopback->pd)
		ibv_dealloc_pd(loopback->pd);
	loopback->cq = NULL;
	loopback->pd = NULL;
}

bool rdmat_loopback_is_up(const struct rdmat_loopback *loopback)
{
	struct ibv_port_attr port;

	return port_is_active(loopback->context, loopback->path.port_num, &port);
}
