/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners. A connection request is checked here as far as its private data goes and then handed
 * to the poll group that will own it; from its message on nothing of it is touched on this thread.
 */
#include "transport/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "transport/group.h"

#define DEFAULT_PORT    4420
#define DEFAULT_BACKLOG 128

/* ---- addresses ---- */

static int address_parse(const char *text, uint16_t port, struct sockaddr_storage *addr)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)addr;

	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return 0;
	}
	return -EINVAL;
}

static bool address_is_any(const struct sockaddr_storage *addr)
{
	if (addr->ss_family == AF_INET)
		return ((const struct sockaddr_in *)addr)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)addr)->sin6_addr);
}

/* @addr: any struct sockaddr. */
static void address_format(const void *addr, char *buf, size_t len)
{
	const struct sockaddr_in *v4 = addr;
	const struct sockaddr_in6 *v6 = addr;
	const void *raw = v4->sin_family == AF_INET6 ? (const void *)&v6->sin6_addr :
						       (const void *)&v4->sin_addr;

	if (!inet_ntop(v4->sin_family, raw, buf, (socklen_t)len))
		snprintf(buf, len, "unknown");
}

/* @addr: any struct sockaddr. */
static uint16_t address_port(const void *addr)
{
	const struct sockaddr_in *v4 = addr;
	const struct sockaddr_in6 *v6 = addr;

	return ntohs(v4->sin_family == AF_INET6 ? v6->sin6_port : v4->sin_port);
}

/* Provider type for the discovery log (NVMe-oF RDMA: RDMA_PRTYPE). */
static uint8_t provider_type(const struct ibv_context *context)
{
	struct ibv_port_attr port;

	if (!context)
		return 1;
	if (context->device->transport_type == IBV_TRANSPORT_IWARP)
		return 5;
	if (ibv_query_port((struct ibv_context *)(uintptr_t)context, 1, &port))
		return 1;
	return port.link_layer == IBV_LINK_LAYER_ETHERNET ? 4 : 2;
}

/* ---- listeners ---- */

/* The event channel is made with the first listener: a target without RDMA can be made and tested.
 */
static int channel_open(struct rdmat *rdmat)
{
	struct epoll_event event = {.events = EPOLLIN};
	int rc;

	if (rdmat->cm_channel)
		return 0;
	rdmat->cm_channel = rdma_create_event_channel();
	if (!rdmat->cm_channel)
		return errno == ENOENT ? -ENODEV : -errno;
	if (fcntl(rdmat->cm_channel->fd, F_SETFL,
		  fcntl(rdmat->cm_channel->fd, F_GETFL) | O_NONBLOCK) < 0 ||
	    epoll_ctl(rdmat->epoll_fd, EPOLL_CTL_ADD, rdmat->cm_channel->fd, &event)) {
		rc = -errno;
		rdma_destroy_event_channel(rdmat->cm_channel);
		rdmat->cm_channel = NULL;
		return rc;
	}
	return 0;
}

static int listener_listen(struct wrasse_listener *listener, struct sockaddr_storage *addr,
			   int backlog)
{
	int on = 1;

	if (rdma_create_id(listener->rdmat->cm_channel, &listener->id, listener, RDMA_PS_TCP))
		return -errno;
	if (addr->ss_family == AF_INET6)
		rdma_set_option(listener->id, RDMA_OPTION_ID, RDMA_OPTION_ID_AFONLY, &on,
				sizeof(on));
	/* A restart may find connections of its predecessor in TIMEWAIT. */
	rdma_set_option(listener->id, RDMA_OPTION_ID, RDMA_OPTION_ID_REUSEADDR, &on, sizeof(on));
	if (rdma_bind_addr(listener->id, (struct sockaddr *)addr) ||
	    rdma_listen(listener->id, backlog))
		return -errno;
	return 0;
}

static int listener_announce(struct wrasse_listener *listener, const struct sockaddr_storage *addr)
{
	char traddr[64], trsvcid[8];
	int portal;

	address_format(addr, traddr, sizeof(traddr));
	snprintf(trsvcid, sizeof(trsvcid), "%u", address_port(addr));
	snprintf(listener->name, sizeof(listener->name),
		 addr->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", traddr, trsvcid);
	portal = nvme_registry_add_portal(listener->rdmat->registry,
					  addr->ss_family == AF_INET6 ? 2 : 1, address_is_any(addr),
					  traddr, trsvcid, provider_type(listener->id->verbs));
	if (portal < 0)
		return portal;
	listener->portal = (uint16_t)portal;
	return 0;
}

int rdmat_listener_create(struct rdmat *rdmat, const struct wrasse_listener_opts *opts,
			  struct wrasse_listener **out)
{
	struct sockaddr_storage addr;
	struct wrasse_listener *listener;
	int rc = address_parse(opts->address ? opts->address : "0.0.0.0",
			       opts->port ? opts->port : DEFAULT_PORT, &addr);

	if (rc) {
		rdmat_log(rdmat, WRASSE_LOG_ERROR,
			  "listener %s: not a numeric IPv4 or IPv6 address", opts->address);
		return rc;
	}
	rc = channel_open(rdmat);
	if (rc)
		return rc;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	listener->rdmat = rdmat;
	listener->number = ++rdmat->listener_count;
	listener->tos = opts->tos;
	listener->ack_timeout = opts->ack_timeout;
	rc = listener_listen(listener, &addr, opts->backlog ? opts->backlog : DEFAULT_BACKLOG);
	if (!rc)
		rc = listener_announce(listener, &addr);
	if (rc) {
		if (listener->id)
			rdma_destroy_id(listener->id);
		free(listener);
		return rc;
	}
	listener->next = rdmat->listeners;
	rdmat->listeners = listener;
	rdmat_attention(rdmat);
	*out = listener;
	return 0;
}

void rdmat_listener_stop(struct wrasse_listener *listener)
{
	if (listener->id)
		rdma_destroy_id(listener->id);
	listener->id = NULL;
}

void rdmat_listener_destroy(struct wrasse_listener *listener)
{
	struct rdmat *rdmat = listener->rdmat;
	struct wrasse_listener **link = &rdmat->listeners;

	while (*link != listener)
		link = &(*link)->next;
	*link = listener->next;
	nvme_registry_remove_portal(rdmat->registry, listener->portal);
	rdmat_listener_stop(listener);
	free(listener);
	rdmat_attention(rdmat);
}

bool rdmat_listener_exists(const struct rdmat *rdmat, uint64_t number)
{
	for (const struct wrasse_listener *listener = rdmat->listeners; listener;
	     listener = listener->next)
		if (listener->number == number)
			return true;
	return false;
}

/* ---- connection requests ---- */

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
	}
	rdmat_unlock(rdmat);
	return group != NULL;
}

static void conn_describe(struct rdmat_new_conn *conn, uint16_t portal)
{
	const struct sockaddr *local = rdma_get_local_addr(conn->id);

	address_format(local, conn->nvme.traddr, sizeof(conn->nvme.traddr));
	snprintf(conn->nvme.trsvcid, sizeof(conn->nvme.trsvcid), "%u", address_port(local));
	conn->nvme.adrfam = local->sa_family == AF_INET6 ? 2 : 1;
	conn->nvme.prtype = provider_type(conn->id->verbs);
	conn->nvme.portal = portal;
	conn->nvme.qid = conn->request.qid;
	conn->nvme.depth = conn->request.hsqsize + 1u;
}

static void take_request(struct rdmat *rdmat, struct wrasse_listener *listener,
			 struct rdma_cm_event *event)
{
	struct rdmat_cm_limits limits = {rdmat->limits.max_io_queues, rdmat->limits.max_queue_depth,
					 rdmat->limits.max_admin_depth};
	const struct rdma_conn_param *param = &event->param.conn;
	struct rdmat_new_conn *conn = calloc(1, sizeof(*conn));
	struct rdma_cm_id *id = event->id;
	enum rdmat_cm_status status = RDMAT_CM_NO_RESOURCES;
	char peer[64];

	id->context = NULL;
	address_format(rdma_get_peer_addr(id), peer, sizeof(peer));
	if (conn) {
		status = rdmat_cm_parse(param->private_data, param->private_data_len,
					param->initiator_depth, &limits, &conn->request);
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
	if (status == RDMAT_CM_OK) {
		conn->device = rdmat_device_get(rdmat, id->verbs);
		if (!conn->device || !conn_send(rdmat, conn))
			status = RDMAT_CM_NO_RESOURCES;
	}
	if (status != RDMAT_CM_OK) {
		rdmat_log(rdmat, WRASSE_LOG_WARN, "connection from %s rejected: %s", peer,
			  rdmat_cm_status_name(status));
		rdmat_cm_reject(id, status);
		free(conn);
	}
}

int rdmat_listener_events(struct rdmat *rdmat)
{
	struct rdma_cm_event *event;
	int count = 0;

	/* Bounded: connection storms leave time for the rest of the poll. */
	while (rdmat->cm_channel && count < 32 && !rdma_get_cm_event(rdmat->cm_channel, &event)) {
		count++;
		if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST) {
			take_request(rdmat, event->listen_id->context, event);
			continue;
		}
		rdmat_log(rdmat, WRASSE_LOG_WARN, "listener: %s", rdma_event_str(event->event));
		rdma_ack_cm_event(event);
	}
	return count;
}
