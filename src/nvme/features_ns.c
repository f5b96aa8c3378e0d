/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Features that belong to namespaces, not to controllers: Volatile Write Cache and Namespace Write
 * Protection (NVMe Base 2.0 5.27.1.4, 5.27.1.28). The thread of the admin queue's group; the same
 * namespace may be reached by other controllers on other threads.
 */
#include "nvme/features.h"

/* ---- volatile write cache ---- */

static struct wrasse_namespace *queue_ns(const struct nvme_queue *queue, uint32_t nsid)
{
	struct nvme_ns_port *port = nvme_queue_port(queue, nsid);

	return port ? port->ns : NULL;
}

/* A namespace whose backend this group may call. */
static struct wrasse_namespace *attached_ns(const struct nvme_queue *queue, uint32_t nsid)
{
	struct nvme_ns_port *port = nvme_queue_port(queue, nsid);

	return port && nvme_port_is_attached(port) ? port->ns : NULL;
}

static uint32_t highest_nsid(const struct nvme_queue *queue)
{
	return queue->view ? queue->view->count : 0;
}

bool nvme_features_has_cache(const struct nvme_queue *queue)
{
	for (uint32_t nsid = 1; nsid <= highest_nsid(queue); nsid++) {
		const struct wrasse_namespace *ns = queue_ns(queue, nsid);

		if (ns && ns->volatile_cache)
			return true;
	}
	return false;
}

static bool ns_cache_is_on(const struct wrasse_namespace *ns)
{
	return ns->volatile_cache && !atomic_load_explicit(&ns->cache_off, memory_order_relaxed);
}

NVME_FEATURE_GET(nvme_cache_get)
{
	const struct nvme_queue *queue = request->queue;

	for (uint32_t nsid = 1; nsid <= highest_nsid(queue); nsid++) {
		const struct wrasse_namespace *ns = queue_ns(queue, nsid);

		if (ns && (f == &queue->ctrl->features ? ns_cache_is_on(ns) : ns->volatile_cache))
			return nvme_succeed(request, 1);
	}
	return nvme_succeed(request, 0);
}

static bool caches_can_be_off(const struct nvme_queue *queue)
{
	for (uint32_t nsid = 1; nsid <= highest_nsid(queue); nsid++) {
		const struct wrasse_namespace *ns = attached_ns(queue, nsid);

		if (ns && ns->volatile_cache && !ns->ops.set_write_cache)
			return false;
	}
	return true;
}

/* Return: 0, or what a backend said. */
static int caches_set(const struct nvme_queue *queue, bool on)
{
	int err = 0;

	for (uint32_t nsid = 1; nsid <= highest_nsid(queue) && !err; nsid++) {
		struct wrasse_namespace *ns = attached_ns(queue, nsid);

		if (!ns || !ns->volatile_cache || ns_cache_is_on(ns) == on)
			continue;
		err = ns->ops.set_write_cache(ns->backend, on);
		if (!err)
			atomic_store_explicit(&ns->cache_off, !on, memory_order_relaxed);
	}
	return err;
}

/* One value for all namespaces: where one cannot follow, those before it are as they were. */
NVME_FEATURE_SET(nvme_cache_set)
{
	const struct nvme_queue *queue = request->queue;
	bool on = value & 1;

	if (!nvme_features_has_cache(queue))
		return nvme_refuse_field(request, NVME_AT_CDW11,
					 "there is no volatile write cache");
	if (!on && !caches_can_be_off(queue))
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_NOT_CHANGEABLE), NVME_AT_CDW11,
				   "the volatile write cache cannot be disabled");
	if (!caches_set(queue, on))
		return nvme_succeed(request, 0);
	caches_set(queue, !on);
	return nvme_refuse(request, wrasse_status_make(0, WRASSE_SC_INTERNAL, false), NVME_AT_NONE,
			   "a backend did not change its volatile write cache");
}

/* ---- write protection ---- */

#define PROTECT_NONE  0u
#define PROTECT_WRITE 1u

static enum nvme_next refuse_nsid(struct nvme_request *request)
{
	return nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
			   "no such namespace");
}

NVME_FEATURE_GET(nvme_write_protect_get)
{
	const struct nvme_ns_port *port = nvme_request_port(request);
	bool protected;

	if (!port)
		return refuse_nsid(request);
	protected = f == &request->queue->ctrl->features ? nvme_ns_is_read_only(port->ns) :
							   port->ns->read_only;
	return nvme_succeed(request, protected ? PROTECT_WRITE : PROTECT_NONE);
}

/*
 * REGISTRY. What was written before must be durable when the namespace is protected (NVMe Base 2.0
 * 8.12), so that a flush is the last that the backend hears. Every host is told.
 */
NVME_FEATURE_SET(nvme_write_protect_set)
{
	struct nvme_ns_port *port = nvme_request_port(request);
	bool protect = (value & 7) == PROTECT_WRITE;
	enum nvme_next next;

	if (!port)
		return refuse_nsid(request);
	if ((value & 7) > PROTECT_WRITE)
		return nvme_refuse_field(request, NVME_AT_CDW11,
					 "the write protection state is not supported");
	if (port->ns->read_only && !protect)
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_NOT_CHANGEABLE), NVME_AT_CDW11,
				   "the namespace is read-only");
	/* A paused backend gets nothing, not even this flush. */
	if (protect && port->paused)
		return nvme_refuse(request, wrasse_status_make(0, WRASSE_SC_NS_NOT_READY, false),
				   NVME_AT_NSID, "the namespace is paused");
	if (port->ns->read_only || atomic_exchange_explicit(&port->ns->write_protected, protect,
							    memory_order_relaxed) == protect)
		return nvme_succeed(request, 0);
	nvme_ns_note(port->ns);
	actions->attention = true;
	if (!protect)
		return nvme_succeed(request, 0);
	next = nvme_io_flush(request, port);
	if (next != NVME_SUBMIT)
		nvme_features_set_failed(request, port);
	return next;
}

void nvme_features_set_failed(struct nvme_request *request, struct nvme_ns_port *port)
{
	atomic_store_explicit(&port->ns->write_protected, false, memory_order_relaxed);
}
