/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The devices that librdmacm has opened, each with one protection domain that all ids share, and
 * what becomes of them: removal, the end of a simulation, what is left over.
 */
#include <stdarg.h>
#include <stdio.h>

#include "cm.h"

static struct fab_link devices = {&devices, &devices};
/* Of protection domains; taken before fab_world, which ibv_alloc_pd() takes. */
static pthread_mutex_t pd_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- opening and closing ---- */

struct cm_device *cm_device_hold(struct fab_device *fab)
{
	struct cm_device *device;

	for (struct fab_link *link = devices.next; link != &devices; link = link->next) {
		device = FAB_CONTAINER(link, struct cm_device, link);
		if (device->fab == fab) {
			device->holds++;
			return device;
		}
	}
	device = fab_alloc(sizeof(*device));
	device->fab = fab;
	device->holds = 1;
	device->context = fab_context_open(fab, true);
	if (!device->context) {
		fab_free(device);
		return NULL;
	}
	fab_list_add(&devices, &device->link);
	return device;
}

static void device_close(struct cm_device *device)
{
	fab_list_del(&device->link);
	fab_context_close(device->context);
	fab_free(device);
}

/* A context stays open as long as there is its device, or anything in it. */
void cm_device_release(struct cm_device *device)
{
	if (!--device->holds && device->fab->removed && !device->context->objects)
		device_close(device);
}

struct ibv_pd *cm_device_pd_get(struct cm_device *device)
{
	fab_lock(&pd_lock);
	if (!device->pd)
		device->pd = ibv_alloc_pd(&device->context->ibv);
	if (device->pd)
		device->pd_users++;
	fab_unlock(&pd_lock);
	return device->pd;
}

void cm_device_pd_put(struct cm_device *device)
{
	fab_lock(&pd_lock);
	if (!--device->pd_users) {
		ibv_dealloc_pd(device->pd);
		device->pd = NULL;
	}
	fab_unlock(&pd_lock);
}

/* ---- the program's lists ---- */

struct ibv_context **rdma_get_devices(int *num_devices)
{
	struct ibv_context **list;
	int count = 0, i = 0;

	if (num_devices)
		*num_devices = 0;
	if (fab_call("rdma_get_devices"))
		return NULL;
	fab_lock(&fab_world);
	for (struct fab_link *link = fab_devices.next; link != &fab_devices; link = link->next)
		count++;
	list = fab_alloc(((size_t)count + 1) * sizeof(struct ibv_context *));
	for (struct fab_link *link = fab_devices.next; link != &fab_devices; link = link->next) {
		struct fab_device *fab = FAB_CONTAINER(link, struct fab_device, link);

		struct cm_device *device = fab->removed ? NULL : cm_device_hold(fab);

		if (device)
			list[i++] = &device->context->ibv;
	}
	fab_unlock(&fab_world);
	if (!i) {
		fab_free(list);
		errno = ENODEV;
		return NULL;
	}
	if (num_devices)
		*num_devices = i;
	return list;
}

void rdma_free_devices(struct ibv_context **list)
{
	fab_lock(&fab_world);
	for (int i = 0; list[i]; i++) {
		struct fab_link *link = devices.next, *next;

		for (; link != &devices; link = next) {
			struct cm_device *device = FAB_CONTAINER(link, struct cm_device, link);

			next = link->next;
			if (&device->context->ibv == list[i])
				cm_device_release(device);
		}
	}
	fab_unlock(&fab_world);
	fab_free(list);
}

/* ---- hooks ---- */

static struct cm_id *id_at(struct fab_link *link)
{
	return FAB_CONTAINER(link, struct cm_id, link);
}

/* A request that nobody accepted yet hears nothing: what is done with it next fails. */
static void on_device_removed(struct fab_device *device)
{
	for (struct fab_link *link = cm_ids.next; link != &cm_ids; link = link->next) {
		struct cm_id *id = id_at(link);

		if (!id->device || id->device->fab != device || id->closed)
			continue;
		id->closed = true;
		fab_action_clear(&id->timer);
		fab_action_clear(&id->resolver);
		id->wire = CM_WIRE_IDLE;
		cm_conn_leave(id);
		cm_event_post(id, RDMA_CM_EVENT_DEVICE_REMOVAL, 0);
	}
}

static void on_cm_event(uint32_t qpn, int type)
{
	int status = 0;

	if (type == RDMA_CM_EVENT_UNREACHABLE || type == RDMA_CM_EVENT_CONNECT_ERROR)
		status = -ETIMEDOUT;
	else if (type == RDMA_CM_EVENT_REJECTED)
		status = CM_REJ_CONSUMER;
	for (struct fab_link *link = cm_ids.next; link != &cm_ids; link = link->next) {
		struct cm_id *id = id_at(link);

		if (!(id->ibv.qp ? id->ibv.qp->qp_num == qpn : id->qpn && id->qpn == qpn))
			continue;
		if (type == RDMA_CM_EVENT_DISCONNECTED)
			id->state = CM_DISCONNECT;
		cm_event_post(id, (enum rdma_cm_event_type)type, status);
		return;
	}
}

void fabric_listener_event(int type)
{
	fab_lock(&fab_world);
	for (struct fab_link *link = cm_ids.next; link != &cm_ids; link = link->next)
		if (id_at(link)->state == CM_LISTEN)
			cm_event_post(id_at(link), (enum rdma_cm_event_type)type, 0);
	fab_unlock(&fab_world);
}

void fabric_cm_options(uint32_t qpn, int *tos, int *ack_timeout)
{
	fab_lock(&fab_world);
	for (struct fab_link *link = cm_ids.next; link != &cm_ids; link = link->next) {
		struct cm_id *id = id_at(link);

		if (!id->ibv.qp || id->ibv.qp->qp_num != qpn)
			continue;
		*tos = id->tos;
		*ack_timeout = id->timeout_set ? id->timeout : -1;
	}
	fab_unlock(&fab_world);
}

static void on_init(void)
{
	cm_wire_init();
	while (!fab_list_is_empty(&devices))
		device_close(FAB_CONTAINER(devices.next, struct cm_device, link));
	cm_addr_init();
}

__attribute__((format(printf, 3, 4))) static void append(char *buf, size_t len, const char *fmt,
							 ...)
{
	size_t used = strlen(buf);
	va_list ap;

	if (used >= len)
		return;
	va_start(ap, fmt);
	vsnprintf(buf + used, len - used, fmt, ap);
	va_end(ap);
}

static unsigned on_leftovers(char *buf, size_t len)
{
	static const char *const states[] = {
		[CM_IDLE] = "idle",
		[CM_BOUND] = "bound",
		[CM_LISTEN] = "listening",
		[CM_ADDR_QUERY] = "resolving an address",
		[CM_ADDR_RESOLVED] = "address resolved",
		[CM_ROUTE_QUERY] = "resolving a route",
		[CM_ROUTE_RESOLVED] = "route resolved",
		[CM_CONNECT] = "connecting or connected",
		[CM_DISCONNECT] = "disconnected",
	};
	unsigned count = 0;

	for (struct fab_link *link = cm_ids.next; link != &cm_ids; link = link->next) {
		if (!id_at(link)->known)
			continue;
		count++;
		append(buf, len, " [rdma_cm_id, %s]", states[id_at(link)->state]);
	}
	for (struct fab_link *link = cm_channels.next; link != &cm_channels; link = link->next) {
		count++;
		append(buf, len, " [rdma_event_channel]");
	}
	return count;
}

__attribute__((constructor)) static void hook(void)
{
	fab_on_device_removed = on_device_removed;
	fab_on_cm_event = on_cm_event;
	fab_on_init = on_init;
	fab_on_leftovers = on_leftovers;
}
