/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners: made, lost with a device or an address and tried again, and their events. Control
 * plane: the target's lock guards them.
 */
#include "transport/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "transport/address.h"
#include "transport/group.h"

#define DEFAULT_PORT    4420
#define DEFAULT_BACKLOG 128
#define RETRY_NS        RDMAT_NS_PER_S

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

static int listener_listen(struct wrasse_listener *listener)
{
	struct sockaddr *addr = (struct sockaddr *)&listener->addr;
	int on = 1, rc;

	if (rdma_create_id(listener->rdmat->cm_channel, &listener->id, listener, RDMA_PS_TCP))
		return -errno;
	if (addr->sa_family == AF_INET6)
		rdma_set_option(listener->id, RDMA_OPTION_ID, RDMA_OPTION_ID_AFONLY, &on,
				sizeof(on));
	/* A restart may find connections of its predecessor in TIMEWAIT. */
	rdma_set_option(listener->id, RDMA_OPTION_ID, RDMA_OPTION_ID_REUSEADDR, &on, sizeof(on));
	if (!rdma_bind_addr(listener->id, addr) && !rdma_listen(listener->id, listener->backlog))
		return 0;
	rc = -errno;
	rdma_destroy_id(listener->id);
	listener->id = NULL;
	return rc;
}

static int listener_announce(struct wrasse_listener *listener)
{
	const struct sockaddr_storage *addr = &listener->addr;
	char traddr[64], trsvcid[8];
	int portal;

	rdmat_address_format(addr, traddr, sizeof(traddr));
	snprintf(trsvcid, sizeof(trsvcid), "%u", rdmat_address_port(addr));
	snprintf(listener->name, sizeof(listener->name),
		 addr->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", traddr, trsvcid);
	portal = nvme_registry_add_portal(listener->rdmat->registry,
					  addr->ss_family == AF_INET6 ? 2 : 1,
					  rdmat_address_is_any(addr), traddr, trsvcid,
					  rdmat_provider_type(listener->id->verbs));
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
	int rc = rdmat_address_parse(opts->address ? opts->address : "0.0.0.0",
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
	listener->addr = addr;
	listener->backlog = opts->backlog ? opts->backlog : DEFAULT_BACKLOG;
	listener->next_try_ns = UINT64_MAX;
	listener->tos = opts->tos;
	listener->ack_timeout = opts->ack_timeout;
	rc = listener_listen(listener);
	if (!rc)
		rc = listener_announce(listener);
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
	listener->next_try_ns = UINT64_MAX;
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

/* The lock is held. */
static struct wrasse_listener *listener_find(const struct rdmat *rdmat, uint64_t number)
{
	struct wrasse_listener *listener = rdmat->listeners;

	while (listener && listener->number != number)
		listener = listener->next;
	return listener;
}

bool rdmat_listener_exists(const struct rdmat *rdmat, uint64_t number)
{
	return listener_find(rdmat, number) != NULL;
}

/* ---- devices and addresses that go and come back ---- */

static void tell(struct rdmat *rdmat, enum wrasse_rdma_event_type type, const char *name,
		 const char *device, const char *text)
{
	struct wrasse_rdma_event event = {
		.type = type, .listener = name, .device = device, .text = text};

	rdmat_tell(rdmat, &event);
}

/* Its id is of no use any more. */
static void listener_went_down(struct rdmat *rdmat, uint64_t number, const char *why)
{
	struct wrasse_listener *listener;
	char name[sizeof(listener->name)] = "";

	rdmat_lock(rdmat);
	listener = listener_find(rdmat, number);
	if (listener && listener->id) {
		memcpy(name, listener->name, sizeof(name));
		rdmat_listener_stop(listener);
		listener->next_try_ns = rdmat_now(rdmat);
	}
	rdmat_unlock(rdmat);
	if (*name)
		tell(rdmat, WRASSE_RDMA_LISTENER_DOWN, name, "", why);
}

/* The lock is held. Return: one that is up again; NULL: none. */
static struct wrasse_listener *listeners_retry(struct rdmat *rdmat)
{
	for (struct wrasse_listener *listener = rdmat->listeners; listener;
	     listener = listener->next) {
		if (listener->next_try_ns == UINT64_MAX || rdmat_now(rdmat) < listener->next_try_ns)
			continue;
		listener->next_try_ns = rdmat_now(rdmat) + RETRY_NS;
		if (listener_listen(listener))
			continue;
		listener->next_try_ns = UINT64_MAX;
		return listener;
	}
	return NULL;
}

static int listeners_recover(struct rdmat *rdmat)
{
	struct wrasse_listener *listener;
	char name[sizeof(listener->name)], device[64] = "";
	int count = 0;

	do {
		rdmat_lock(rdmat);
		listener = listeners_retry(rdmat);
		if (listener) {
			memcpy(name, listener->name, sizeof(name));
			if (listener->id->verbs)
				snprintf(device, sizeof(device), "%s",
					 ibv_get_device_name(listener->id->verbs->device));
		}
		rdmat_unlock(rdmat);
		if (listener) {
			tell(rdmat, WRASSE_RDMA_LISTENER_UP, name, device, "listening again");
			count++;
		}
	} while (listener);
	return count;
}

int rdmat_listener_timeout_ms(struct rdmat *rdmat)
{
	uint64_t due = UINT64_MAX;

	rdmat_lock(rdmat);
	for (const struct wrasse_listener *listener = rdmat->listeners; listener;
	     listener = listener->next)
		if (listener->next_try_ns < due)
			due = listener->next_try_ns;
	rdmat_unlock(rdmat);
	return rdmat_timeout_ms(rdmat, due);
}

/* ---- events ---- */

static void take_event(struct rdmat *rdmat, struct rdma_cm_event *event)
{
	const struct wrasse_listener *listener = event->id->context;
	enum rdma_cm_event_type type = event->event;
	uint64_t number = listener ? listener->number : 0;

	/* The listener may be gone once the event is acknowledged: its number tells. */
	rdma_ack_cm_event(event);
	if (type == RDMA_CM_EVENT_DEVICE_REMOVAL || type == RDMA_CM_EVENT_ADDR_CHANGE)
		listener_went_down(rdmat, number, rdma_event_str(type));
	else
		rdmat_log(rdmat, WRASSE_LOG_WARN, "listener: %s", rdma_event_str(type));
}

int rdmat_listener_events(struct rdmat *rdmat)
{
	struct rdma_cm_event *event;
	int count = 0;

	/* Bounded: connection storms leave time for the rest of the poll. */
	while (rdmat->cm_channel && count < 32 && !rdma_get_cm_event(rdmat->cm_channel, &event)) {
		count++;
		if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST)
			rdmat_conn_request(rdmat, event->listen_id->context, event);
		else
			take_event(rdmat, event);
	}
	return count + listeners_recover(rdmat);
}
