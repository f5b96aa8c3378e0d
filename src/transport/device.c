/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RDMA devices: opened on first sight, memory registered with them, and what they say of
 * themselves. The list belongs to the thread that polls the target; groups count themselves as
 * users of a device, and register memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "transport/group.h"
#include "transport/memory.h"
#include "transport/probe.h"

/* The NUMA node as sysfs has it; soft devices have none. */
static int device_numa_node(const struct ibv_context *context)
{
	char path[IBV_SYSFS_PATH_MAX + 32];
	FILE *file;
	int node = -1;

	snprintf(path, sizeof(path), "%s/device/numa_node", context->device->ibdev_path);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &node) != 1)
		node = -1;
	fclose(file);
	return node;
}

static void device_free(struct rdmat *rdmat, struct rdmat_device *device)
{
	if (!device->deaf)
		epoll_ctl(rdmat->epoll_fd, EPOLL_CTL_DEL, device->context->async_fd, NULL);
	rdmat_probe_stop(device);
	rdmat_memories_leave(rdmat, device);
	ibv_dealloc_pd(device->pd);
	free(device);
}

/* What was unplugged and is not used any more goes, so that its index can be used again. */
static void devices_sweep(struct rdmat *rdmat)
{
	struct rdmat_device **link = &rdmat->devices, *device;

	while ((device = *link)) {
		if (!atomic_load(&device->removed) || atomic_load(&device->users)) {
			link = &device->next;
			continue;
		}
		*link = device->next;
		device_free(rdmat, device);
	}
}

/* Return: POOL_MAX_DEVICES: all are in use. */
static unsigned lowest_free_index(const struct rdmat *rdmat)
{
	uint32_t used = 0;

	for (const struct rdmat_device *device = rdmat->devices; device; device = device->next)
		used |= 1u << device->index;
	return (unsigned)__builtin_ctz(~used);
}

static bool device_set_up(struct rdmat *rdmat, struct rdmat_device *device)
{
	struct ibv_context *context = device->context;
	struct epoll_event event = {.events = EPOLLIN};

	device->pd = ibv_alloc_pd(context);
	/*
	 * ibv_get_async_event() blocks unless it is told not to. The last step is the one that would
	 * have to be undone.
	 */
	return device->pd && !ibv_query_device(context, &device->attr) &&
	       fcntl(context->async_fd, F_SETFL, fcntl(context->async_fd, F_GETFL) | O_NONBLOCK) >=
		       0 &&
	       !epoll_ctl(rdmat->epoll_fd, EPOLL_CTL_ADD, context->async_fd, &event);
}

/* What the embedder does not want to be used is as if the device had not got it. */
static void device_restrict(struct rdmat *rdmat, struct rdmat_device *device)
{
	const char *name = ibv_get_device_name(device->context->device);
	uint32_t avoid = rdmat->opts.avoid ? rdmat->opts.avoid(rdmat->opts.avoid_ctx, name) : 0;

	if (avoid & WRASSE_RDMA_INVALIDATE)
		device->attr.device_cap_flags &= ~(unsigned)IBV_DEVICE_MEM_MGT_EXTENSIONS;
	if (avoid & WRASSE_RDMA_SRQ)
		device->attr.max_srq = 0;
	device->no_inline = avoid & WRASSE_RDMA_INLINE;
}

static struct rdmat_device *device_open(struct rdmat *rdmat, const struct rdma_cm_id *id)
{
	struct ibv_context *context = id->verbs;
	const char *name = ibv_get_device_name(context->device);
	struct rdmat_device *device;
	unsigned index;

	devices_sweep(rdmat);
	index = lowest_free_index(rdmat);
	if (index == POOL_MAX_DEVICES) {
		rdmat_log(rdmat, WRASSE_LOG_ERROR, "device %s: refused, the limit is %d devices",
			  name, POOL_MAX_DEVICES);
		return NULL;
	}
	device = calloc(1, sizeof(*device));
	if (!device)
		return NULL;
	device->context = context;
	device->index = index;
	device->iwarp = context->device->transport_type == IBV_TRANSPORT_IWARP;
	device->numa_node = device_numa_node(context);
	if (!device_set_up(rdmat, device)) {
		rdmat_log(rdmat, WRASSE_LOG_ERROR, "device %s: cannot be opened: %s", name,
			  strerror(errno));
		if (device->pd)
			ibv_dealloc_pd(device->pd);
		free(device);
		return NULL;
	}
	device_restrict(rdmat, device);
	rdmat_probe_begin(rdmat, device, id);
	device->next = rdmat->devices;
	rdmat->devices = device;
	atomic_store(&rdmat->memories_changed, true);
	rdmat_memories_register(rdmat);
	return device;
}

struct rdmat_device *rdmat_device_get(struct rdmat *rdmat, const struct rdma_cm_id *id)
{
	struct rdmat_device *device = rdmat->devices;

	/* The context of what comes back may lie where that of what went was. */
	while (device && (device->context != id->verbs || atomic_load(&device->removed)))
		device = device->next;
	if (!device)
		device = device_open(rdmat, id);
	if (device)
		atomic_fetch_add(&device->users, 1);
	return device;
}

void rdmat_device_put(struct rdmat_device *device)
{
	atomic_fetch_sub(&device->users, 1);
}

void rdmat_devices_free(struct rdmat *rdmat)
{
	struct rdmat_device *device;

	while ((device = rdmat->devices)) {
		rdmat->devices = device->next;
		device_free(rdmat, device);
	}
}

static int region_make(const struct rdmat_device *device, void *base, size_t len, int access,
		       void **region, uint32_t *lkey)
{
	struct ibv_mr *mr = ibv_reg_mr(device->pd, base, len, access);

	if (!mr)
		return -errno;
	*region = mr;
	*lkey = mr->lkey;
	return 0;
}

int rdmat_device_register(void *ctx, void *base, size_t len, void **region, uint32_t *lkey)
{
	const struct rdmat_device *device = ctx;
	int access = IBV_ACCESS_LOCAL_WRITE;

	/* iWARP carries an RDMA READ's data as a write to the reader's memory. */
	if (device->iwarp)
		access |= IBV_ACCESS_REMOTE_WRITE;
	return region_make(device, base, len, access, region, lkey);
}

int rdmat_device_register_local(void *ctx, void *base, size_t len, void **region, uint32_t *lkey)
{
	return region_make(ctx, base, len, IBV_ACCESS_LOCAL_WRITE, region, lkey);
}

void rdmat_device_unregister(void *region)
{
	ibv_dereg_mr(region);
}

uint8_t rdmat_provider_type(const struct ibv_context *context)
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

/* ---- events ---- */

void rdmat_tell(struct rdmat *rdmat, struct wrasse_rdma_event *event)
{
	bool bad = event->type != WRASSE_RDMA_PORT_UP && event->type != WRASSE_RDMA_LISTENER_UP &&
		   event->type != WRASSE_RDMA_PORT_CHANGED;

	event->size = sizeof(*event);
	rdmat_log(rdmat, bad ? WRASSE_LOG_WARN : WRASSE_LOG_INFO, "%s %s: %s",
		  *event->listener ? "listener" : "device",
		  *event->listener ? event->listener : event->device, event->text);
	if (rdmat->opts.rdma_event)
		rdmat->opts.rdma_event(rdmat->opts.rdma_event_ctx, event);
}

/* What an event of a device means to an operator; the others are part of ordinary life. */
static bool event_type(enum ibv_event_type type, enum wrasse_rdma_event_type *meaning)
{
	static const struct {
		enum ibv_event_type type;
		enum wrasse_rdma_event_type meaning;
	} lines[] = {
		{IBV_EVENT_PORT_ACTIVE, WRASSE_RDMA_PORT_UP},
		{IBV_EVENT_PORT_ERR, WRASSE_RDMA_PORT_DOWN},
		{IBV_EVENT_LID_CHANGE, WRASSE_RDMA_PORT_CHANGED},
		{IBV_EVENT_PKEY_CHANGE, WRASSE_RDMA_PORT_CHANGED},
		{IBV_EVENT_SM_CHANGE, WRASSE_RDMA_PORT_CHANGED},
		{IBV_EVENT_CLIENT_REREGISTER, WRASSE_RDMA_PORT_CHANGED},
		{IBV_EVENT_GID_CHANGE, WRASSE_RDMA_PORT_CHANGED},
		{IBV_EVENT_DEVICE_FATAL, WRASSE_RDMA_DEVICE_LOST},
		{IBV_EVENT_CQ_ERR, WRASSE_RDMA_QUEUE_LOST},
		{IBV_EVENT_SRQ_ERR, WRASSE_RDMA_QUEUE_LOST},
		{IBV_EVENT_QP_FATAL, WRASSE_RDMA_QUEUE_PAIR_LOST},
		{IBV_EVENT_QP_REQ_ERR, WRASSE_RDMA_QUEUE_PAIR_LOST},
		{IBV_EVENT_QP_ACCESS_ERR, WRASSE_RDMA_QUEUE_PAIR_LOST},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (lines[i].type != type)
			continue;
		*meaning = lines[i].meaning;
		return true;
	}
	return false;
}

/*
 * Tells the thread that owns what has failed. The event is not acknowledged yet, so what it is about
 * cannot be destroyed. The CM's context belongs to the whole program: only what was made with our
 * protection domain is ours, and of a completion queue, which has none, only the address is kept.
 */
static void event_act(struct rdmat *rdmat, struct rdmat_device *device,
		      const struct ibv_async_event *event)
{
	struct rdmat_rx *rx;
	struct rdmat_qp *qp;

	switch (event->event_type) {
	case IBV_EVENT_DEVICE_FATAL:
		atomic_store(&device->removed, true);
		break;
	case IBV_EVENT_CQ_ERR:
		atomic_store(&device->broken_cq, event->element.cq);
		break;
	case IBV_EVENT_SRQ_ERR:
		if (event->element.srq->pd != device->pd)
			return;
		rx = event->element.srq->srq_context;
		atomic_store(&rx->broken, true);
		break;
	case IBV_EVENT_QP_FATAL:
	case IBV_EVENT_QP_REQ_ERR:
	case IBV_EVENT_QP_ACCESS_ERR:
		if (event->element.qp->pd != device->pd)
			return;
		qp = event->element.qp->qp_context;
		atomic_store(&qp->broken, true);
		break;
	default:
		return;
	}
	rdmat_lock(rdmat);
	rdmat_attention(rdmat);
	rdmat_unlock(rdmat);
}

static void take_event(struct rdmat *rdmat, struct rdmat_device *device,
		       struct ibv_async_event *event)
{
	struct wrasse_rdma_event told = {
		.device = ibv_get_device_name(device->context->device),
		.listener = "",
		.text = ibv_event_type_str(event->event_type),
	};
	bool tell = event_type(event->event_type, &told.type) && !rdmat_probe_owns(device, event);

	if (told.type == WRASSE_RDMA_PORT_UP || told.type == WRASSE_RDMA_PORT_DOWN ||
	    told.type == WRASSE_RDMA_PORT_CHANGED)
		told.port = (uint8_t)event->element.port_num;
	event_act(rdmat, device, event);
	ibv_ack_async_event(event);
	if (tell)
		rdmat_tell(rdmat, &told);
	else
		rdmat_log(rdmat, WRASSE_LOG_DEBUG, "device %s: %s", told.device, told.text);
}

/* Nobody takes the events of a device that is gone: they must not keep the target awake. */
static void stop_listening(struct rdmat *rdmat, struct rdmat_device *device)
{
	if (device->deaf)
		return;
	device->deaf = true;
	epoll_ctl(rdmat->epoll_fd, EPOLL_CTL_DEL, device->context->async_fd, NULL);
}

int rdmat_device_events(struct rdmat *rdmat)
{
	int count = 0;

	for (struct rdmat_device *device = rdmat->devices; device; device = device->next) {
		struct ibv_async_event event;

		while (!atomic_load(&device->removed) &&
		       !ibv_get_async_event(device->context, &event)) {
			take_event(rdmat, device, &event);
			count++;
		}
		if (!atomic_load(&device->removed)) {
			count += rdmat_probe_poll(rdmat, device);
			continue;
		}
		rdmat_probe_stop(device);
		stop_listening(rdmat, device);
	}
	return count;
}

int rdmat_devices_timeout_ms(const struct rdmat *rdmat)
{
	for (const struct rdmat_device *device = rdmat->devices; device; device = device->next)
		if (device->probe)
			return 1;
	return -1;
}
