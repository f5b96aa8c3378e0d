/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connection requests: checked as far as private data and limits go, and handed to the poll group
 * that will own them; from its message on nothing of one is touched on this thread, which is the one
 * that polls the target.
 */
#include <stdio.h>
#include <stdlib.h>

#include "transport/address.h"
#include "transport/group.h"
#include "transport/listener.h"

/* The lock is held. */
static struct wrasse_poll_group *place_by_load(struct rdmat *rdmat, int node, bool admin)
{
	struct wrasse_poll_group *best = NULL;
	bool best_near = false;

	for (uint32_t i = 0; i < rdmat->opts.max_poll_groups; i++) {
		struct wrasse_poll_group *group = rdmat->groups[i];
		bool near = group && (node < 0 || group->node == node);

		if (!group || (best_near && !near))
			continue;
		if (!best || (near && !best_near) ||
		    atomic_load(&group->load[admin]) < atomic_load(&best->load[admin])) {
			best = group;
			best_near = near;
		}
	}
	return best;
}

/* The lock is held. Return: RDMAT_CM_OK, or why it may not come in. @why: which limit, for the log. */
static enum rdmat_cm_status conn_admit(struct rdmat *rdmat, struct rdmat_new_conn *conn,
				       const char **why)
{
	const struct rdmat_cm_request *request = &conn->request;

	/* Hosts older than the field say 0, and are checked at Connect. */
	if (request->qid && request->cntlid &&
	    !nvme_registry_has_ctrl(rdmat->registry, request->cntlid)) {
		*why = rdmat_cm_status_name(RDMAT_CM_INVALID_CNTLID);
		return RDMAT_CM_INVALID_CNTLID;
	}
	*why = rdmat_admission_enter(&rdmat->admission, conn->nvme.peer, rdmat_now(rdmat),
				     &conn->ticket);
	return *why ? RDMAT_CM_NO_RESOURCES : RDMAT_CM_OK;
}

/* Chooses the group and sends the message. Return: whether it went. */
static bool conn_send(struct rdmat *rdmat, struct rdmat_new_conn *conn)
{
	struct wrasse_conn_info info = {
		.device = ibv_get_device_name(conn->device->context->device),
		.address = conn->nvme.peer,
		.qid = conn->request.qid,
		.depth = (uint16_t)conn->nvme.depth,
		.numa_node = conn->device->numa_node,
	};
	struct wrasse_poll_group *group = NULL;

	if (rdmat->opts.place)
		group = rdmat->opts.place(rdmat->opts.place_ctx, &info);
	rdmat_lock(rdmat);
	if (!group)
		group = place_by_load(rdmat, conn->device->numa_node, conn->request.qid == 0);
	if (group) {
		conn->nvme.group = group->index;
		atomic_fetch_add(&group->load[conn->request.qid == 0], 1);
		rdmat_group_send(group, &conn->msg);
	} else {
		rdmat_admission_leave(&rdmat->admission, &conn->ticket);
	}
	rdmat_unlock(rdmat);
	return group != NULL;
}

static void conn_describe(struct rdmat_new_conn *conn, uint16_t portal)
{
	const struct sockaddr *local = rdma_get_local_addr(conn->id);

	rdmat_address_format(local, conn->nvme.traddr, sizeof(conn->nvme.traddr));
	snprintf(conn->nvme.trsvcid, sizeof(conn->nvme.trsvcid), "%u", rdmat_address_port(local));
	conn->nvme.adrfam = local->sa_family == AF_INET6 ? 2 : 1;
	conn->nvme.prtype = rdmat_provider_type(conn->id->verbs);
	conn->nvme.portal = portal;
	conn->nvme.qid = conn->request.qid;
	conn->nvme.depth = conn->request.hsqsize + 1u;
}

void rdmat_conn_free(struct rdmat_new_conn *conn)
{
	if (conn && conn->device)
		rdmat_device_put(conn->device);
	free(conn);
}

/* Everything but the private data. Return: RDMAT_CM_OK: it is on its way to its group. */
static enum rdmat_cm_status conn_dispatch(struct rdmat *rdmat, struct rdmat_new_conn *conn,
					  const char **why)
{
	enum rdmat_cm_status status;

	conn->device = rdmat_device_get(rdmat, conn->id);
	if (!conn->device) {
		*why = "no resources (its device)";
		return RDMAT_CM_NO_RESOURCES;
	}
	rdmat_lock(rdmat);
	status = conn_admit(rdmat, conn, why);
	rdmat_unlock(rdmat);
	if (status == RDMAT_CM_OK && !conn_send(rdmat, conn)) {
		*why = "no resources (no poll group)";
		return RDMAT_CM_NO_RESOURCES;
	}
	return status;
}

void rdmat_conn_request(struct rdmat *rdmat, struct wrasse_listener *listener,
			struct rdma_cm_event *event)
{
	struct rdmat_cm_limits limits = {rdmat->limits.max_io_queues, rdmat->limits.max_queue_depth,
					 rdmat->limits.max_admin_depth};
	const struct rdma_conn_param *param = &event->param.conn;
	struct rdmat_new_conn *conn = calloc(1, sizeof(*conn));
	struct rdma_cm_id *id = event->id;
	enum rdmat_cm_status status = RDMAT_CM_NO_RESOURCES;
	const char *why = "no resources (memory)";
	char peer[64];

	id->context = NULL;
	rdmat_address_format(rdma_get_peer_addr(id), peer, sizeof(peer));
	if (conn) {
		status = rdmat_cm_parse(param->private_data, param->private_data_len,
					param->initiator_depth, &limits, &conn->request);
		why = rdmat_cm_status_name(status);
		conn->read_depth = param->initiator_depth;
		conn->id = id;
		conn->msg.run = rdmat_qp_connect;
		conn->listener = listener->number;
		conn->tos = listener->tos;
		conn->ack_timeout = listener->ack_timeout;
		memcpy(conn->nvme.peer, peer, sizeof(peer));
		conn_describe(conn, listener->portal);
	}
	/* Acknowledged before the id moves to another thread, or is destroyed. */
	rdma_ack_cm_event(event);
	if (status == RDMAT_CM_OK)
		status = conn_dispatch(rdmat, conn, &why);
	if (status != RDMAT_CM_OK) {
		rdmat_log(rdmat, WRASSE_LOG_WARN, "connection from %s rejected: %s", peer, why);
		rdmat_cm_reject(id, status);
		rdmat_conn_free(conn);
	}
}
