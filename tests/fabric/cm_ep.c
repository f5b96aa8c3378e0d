/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Synchronous end points, and what programs ask for before they have an id. Names are numbers here:
 * nothing is looked up.
 */
#include <netdb.h>
#include <stdlib.h>

#include "cm.h"

/* ---- rdma_getaddrinfo() ---- */

struct info {
	struct rdma_addrinfo ibv; /* first */
	struct sockaddr_storage src, dst;
};

static int address_parse(const char *node, const char *service, int family,
			 struct sockaddr_storage *addr)
{
	char *end = NULL;
	unsigned long port = service ? strtoul(service, &end, 10) : 0;

	if ((end && (*end || end == service)) || port > UINT16_MAX)
		return EAI_SERVICE;
	if (!node)
		node = family == AF_INET6 ? "::" : "0.0.0.0";
	if (!cm_addr_parse(node, addr) || (family && addr->ss_family != family))
		return EAI_NONAME;
	cm_addr_set_port((struct sockaddr *)addr, (uint16_t)port);
	return 0;
}

static void info_set_src(struct info *info, const struct sockaddr *addr)
{
	memcpy(&info->src, addr, cm_addr_len(addr));
	info->ibv.ai_src_addr = (struct sockaddr *)&info->src;
	info->ibv.ai_src_len = cm_addr_len(addr);
}

static void info_set_dst(struct info *info, const struct sockaddr *addr)
{
	memcpy(&info->dst, addr, cm_addr_len(addr));
	info->ibv.ai_dst_addr = (struct sockaddr *)&info->dst;
	info->ibv.ai_dst_len = cm_addr_len(addr);
}

int rdma_getaddrinfo(const char *node, const char *service, const struct rdma_addrinfo *hints,
		     struct rdma_addrinfo **res)
{
	static const struct rdma_addrinfo none = {.ai_flags = 0};
	struct sockaddr_storage addr;
	struct info *info;
	int err;

	if (fab_call("rdma_getaddrinfo"))
		return -1;
	if (!hints)
		hints = &none;
	if (!node && !service && !hints->ai_src_len && !hints->ai_dst_len)
		return cm_fail(EINVAL);
	err = address_parse(node, service, hints->ai_family, &addr);
	if (err)
		return err;
	info = fab_alloc(sizeof(*info));
	info->ibv.ai_flags = hints->ai_flags;
	info->ibv.ai_family = addr.ss_family;
	info->ibv.ai_qp_type = hints->ai_qp_type ? hints->ai_qp_type : IBV_QPT_RC;
	info->ibv.ai_port_space = hints->ai_port_space ? hints->ai_port_space : RDMA_PS_TCP;
	if (hints->ai_src_addr && hints->ai_src_len)
		info_set_src(info, hints->ai_src_addr);
	if (hints->ai_flags & RAI_PASSIVE)
		info_set_src(info, (struct sockaddr *)&addr);
	else
		info_set_dst(info, node || service ? (struct sockaddr *)&addr : hints->ai_dst_addr);
	*res = &info->ibv;
	return 0;
}

void rdma_freeaddrinfo(struct rdma_addrinfo *res)
{
	fab_free(res);
}

/* ---- end points ---- */

static int ep_passive(struct cm_id *id, const struct rdma_addrinfo *res, struct ibv_pd *pd,
		      const struct ibv_qp_init_attr *attr)
{
	if (rdma_bind_addr(&id->ibv, res->ai_src_addr))
		return -1;
	if (pd)
		id->ibv.pd = pd;
	if (attr) {
		id->qp_init_attr = fab_alloc(sizeof(*attr));
		*id->qp_init_attr = *attr;
		id->qp_init_attr->qp_type = (enum ibv_qp_type)res->ai_qp_type;
	}
	return 0;
}

static int ep_active(struct cm_id *id, const struct rdma_addrinfo *res, struct ibv_pd *pd,
		     struct ibv_qp_init_attr *attr)
{
	if (rdma_resolve_addr(&id->ibv, res->ai_src_addr, res->ai_dst_addr, 2000) ||
	    rdma_resolve_route(&id->ibv, 2000))
		return -1;
	if (!attr)
		return 0;
	attr->qp_type = (enum ibv_qp_type)res->ai_qp_type;
	return rdma_create_qp(&id->ibv, pd, attr);
}

int rdma_create_ep(struct rdma_cm_id **out, struct rdma_addrinfo *res, struct ibv_pd *pd,
		   struct ibv_qp_init_attr *attr)
{
	struct rdma_cm_id *ibv;
	struct cm_id *id;
	int ret, err;

	if (rdma_create_id(NULL, &ibv, NULL, (enum rdma_port_space)res->ai_port_space))
		return -1;
	id = (struct cm_id *)ibv;
	ret = res->ai_flags & RAI_PASSIVE ? ep_passive(id, res, pd, attr) :
					    ep_active(id, res, pd, attr);
	if (!ret) {
		*out = ibv;
		return 0;
	}
	err = errno;
	rdma_destroy_ep(ibv);
	return cm_fail(err);
}

void rdma_destroy_ep(struct rdma_cm_id *ibv)
{
	if (ibv->qp)
		rdma_destroy_qp(ibv);
	if (ibv->srq)
		ibv_destroy_srq(ibv->srq);
	ibv->srq = NULL;
	rdma_destroy_id(ibv);
}

static int request_look(const struct cm_id *listener, struct cm_event *event)
{
	struct ibv_qp_init_attr attr;

	if (event->ibv.status)
		return cm_fail(event->ibv.status < 0 ? -event->ibv.status : event->ibv.status);
	if (event->ibv.event != RDMA_CM_EVENT_CONNECT_REQUEST)
		return cm_fail(EINVAL);
	if (!listener->qp_init_attr)
		return 0;
	attr = *listener->qp_init_attr;
	return rdma_create_qp(event->ibv.id, listener->ibv.pd, &attr);
}

int rdma_get_request(struct rdma_cm_id *listen, struct rdma_cm_id **out)
{
	struct cm_id *listener = cm_id_call(listen, "rdma_get_request");
	struct cm_event *event;

	if (!listener)
		return -1;
	if (!listener->sync)
		return cm_fail(EINVAL);
	if (listen->event)
		cm_ack_event((struct cm_event *)listen->event);
	listen->event = NULL;
	if (cm_get_event(cm_channel_of(listener), &event))
		return -1;
	if (request_look(listener, event)) {
		listen->event = &event->ibv;
		return -1;
	}
	*out = event->ibv.id;
	(*out)->event = &event->ibv;
	return 0;
}

/* ---- what there is no use for ---- */

int rdma_set_local_ece(struct rdma_cm_id *id, struct ibv_ece *ece)
{
	(void)ece;
	return cm_id_call(id, "rdma_set_local_ece") ? 0 : -1;
}

int rdma_get_remote_ece(struct rdma_cm_id *id, struct ibv_ece *ece)
{
	*ece = (struct ibv_ece){.vendor_id = 0};
	return cm_id_call(id, "rdma_get_remote_ece") ? 0 : -1;
}

int rdma_join_multicast(struct rdma_cm_id *id, struct sockaddr *addr, void *context)
{
	(void)id;
	(void)addr;
	(void)context;
	return cm_fail(ENOTSUP);
}

int rdma_join_multicast_ex(struct rdma_cm_id *id, struct rdma_cm_join_mc_attr_ex *attr,
			   void *context)
{
	(void)id;
	(void)attr;
	(void)context;
	return cm_fail(ENOTSUP);
}

int rdma_leave_multicast(struct rdma_cm_id *id, struct sockaddr *addr)
{
	(void)id;
	(void)addr;
	return cm_fail(EADDRNOTAVAIL);
}
