/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making a poll group match what the control plane says: namespaces attached and let go, queue
 * pairs that must end, timers. There are no messages that could be lost: the group compares and
 * mends, as often as it is told to look.
 */
#include <pthread.h>

#include "transport/flow.h"
#include "transport/group.h"
#include "transport/listener.h"
#include "transport/overdue.h"
#include "transport/pause.h"
#include "transport/unsignaled.h"

/* ---- namespaces ---- */

static enum nvme_ns_port_state port_state(const struct nvme_ns_port *port)
{
	return atomic_load_explicit(&port->state, memory_order_acquire);
}

static void port_set_state(struct nvme_ns_port *port, enum nvme_ns_port_state state)
{
	atomic_store_explicit(&port->state, state, memory_order_release);
}

static struct nvme_view *view_of(const struct wrasse_poll_group *group,
				 const struct wrasse_namespace *ns)
{
	return ns->subsystem->view[group->index];
}

static void stop_polling(struct wrasse_poll_group *group, struct nvme_ns_port *port)
{
	struct nvme_ns_port **link = &group->ports;

	while (*link && *link != port)
		link = &(*link)->next_work;
	if (*link)
		*link = port->next_work;
}

/* Tells this group's controllers of the subsystem, as far as the namespace is for their hosts. */
static void tell_hosts(struct wrasse_poll_group *group, const struct wrasse_namespace *ns)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &group->qps) {
		struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);
		struct nvme_actions actions = {0};

		if (qp->nvme.qid || qp->nvme.state != NVME_QUEUE_CONNECTED ||
		    qp->nvme.view != view_of(group, ns) ||
		    (ns->restricted && !nvme_ctrl_sees(qp->nvme.ctrl, ns->nsid)))
			continue;
		nvme_ctrl_ns_changed(&qp->nvme, ns->nsid, &actions);
		rdmat_flow_act(qp, &actions);
	}
}

/* The lock is held. Ports to attach are collected; their state keeps the namespace alive meanwhile.
 * @pauses: set if a port was paused or resumed. */
static struct nvme_ns_port *compare(struct wrasse_poll_group *group, struct nvme_ns_port **leave,
				    bool *pauses)
{
	struct nvme_ns_port *attach = NULL;

	for (struct wrasse_subsystem *subsystem = group->rdmat->registry->subsystems; subsystem;
	     subsystem = subsystem->next) {
		for (struct wrasse_namespace *ns = subsystem->namespaces; ns; ns = ns->next) {
			struct nvme_ns_port *port = &ns->port[group->index];
			enum nvme_ns_port_state state = port_state(port);

			if (state == NVME_NS_PORT_NONE && !ns->removing) {
				port_set_state(port, NVME_NS_PORT_ATTACHED);
				port->next_work = attach;
				attach = port;
			} else if ((state == NVME_NS_PORT_ATTACHED ||
				    state == NVME_NS_PORT_FAILED) &&
				   ns->removing) {
				stop_polling(group, port);
				port->next_work = *leave;
				*leave = port;
			}
			*pauses |= rdmat_pause_match(group, port);
		}
		rdmat_pause_tell(group, subsystem);
	}
	return attach;
}

static void port_attach(struct wrasse_poll_group *group, struct nvme_ns_port *port)
{
	struct wrasse_namespace *ns = port->ns;
	int rc = ns->ops.attach ? ns->ops.attach(ns->backend, group, &port->group_ctx) : 0;

	port->next_work = NULL;
	if (ns->ops.map) {
		group->lenders = true;
		group->straight_max = 0;
	}
	rdmat_overdue_begin(group, ns);
	if (rc) {
		rdmat_log(group->rdmat, WRASSE_LOG_ERROR,
			  "%s namespace %u: poll group %u cannot attach: %s", ns->subsystem->nqn,
			  ns->nsid, group->index, strerror(-rc));
		port_set_state(port, NVME_NS_PORT_FAILED);
	} else if (ns->ops.poll) {
		port->next_work = group->ports;
		group->ports = port;
	}
	view_of(group, ns)->port[ns->nsid - 1] = port;
	tell_hosts(group, ns);
}

/* FAILED stays visible as group_ctx was never made: remembered by not calling detach. */
static void port_leave(struct wrasse_poll_group *group, struct nvme_ns_port *port)
{
	struct wrasse_namespace *ns = port->ns;

	view_of(group, ns)->port[ns->nsid - 1] = NULL;
	port->attach_failed = port_state(port) == NVME_NS_PORT_FAILED;
	port_set_state(port, NVME_NS_PORT_LEAVING);
	port->next_work = group->leaving;
	group->leaving = port;
	tell_hosts(group, ns);
}

static void port_detach(struct nvme_ns_port *port)
{
	struct wrasse_namespace *ns = port->ns;

	if (ns->ops.detach && !port->attach_failed)
		ns->ops.detach(ns->backend, port->group_ctx);
	port->group_ctx = NULL;
	port->attach_failed = false;
	port->paused = false;
	atomic_store(&port->quiet, false);
	port_set_state(port, NVME_NS_PORT_NONE); /* the namespace may be freed from here on */
}

int rdmat_group_detach_leaving(struct wrasse_poll_group *group)
{
	struct nvme_ns_port **link = &group->leaving;
	int count = 0;

	while (*link) {
		struct nvme_ns_port *port = *link;

		if (port->in_flight) {
			link = &port->next_work;
			continue;
		}
		*link = port->next_work;
		port_detach(port);
		count++;
	}
	if (count)
		rdmat_wake(group->rdmat);
	return count;
}

/* Like any callback, detach() may call the library: it is called without the lock. */
void rdmat_group_detach_all(struct wrasse_poll_group *group)
{
	struct nvme_ns_port *leave = NULL, *next;

	rdmat_lock(group->rdmat);
	for (struct wrasse_subsystem *subsystem = group->rdmat->registry->subsystems; subsystem;
	     subsystem = subsystem->next) {
		for (struct wrasse_namespace *ns = subsystem->namespaces; ns; ns = ns->next) {
			struct nvme_ns_port *port = &ns->port[group->index];

			if (port_state(port) == NVME_NS_PORT_NONE)
				continue;
			view_of(group, ns)->port[ns->nsid - 1] = NULL;
			port->attach_failed |= port_state(port) == NVME_NS_PORT_FAILED;
			port_set_state(port, NVME_NS_PORT_LEAVING);
			port->next_work = leave;
			leave = port;
		}
	}
	group->ports = NULL;
	group->leaving = NULL;
	rdmat_unlock(group->rdmat);
	for (struct nvme_ns_port *port = leave; port; port = next) {
		next = port->next_work;
		port_detach(port);
	}
	if (leave)
		rdmat_wake(group->rdmat);
}

/* ---- queue pairs ---- */

/* The lock is held. */
static const char *must_end(const struct rdmat_qp *qp)
{
	if (atomic_load(&qp->broken))
		return "its queue pair has failed";
	if (!rdmat_listener_exists(qp->group->rdmat, qp->listener))
		return "its listener was stopped";
	return nvme_queue_must_end(&qp->nvme) ? "its controller ended" : NULL;
}

/* Looks at all of them first: rdmat_qp_disconnect() takes the lock itself. */
static int end_queue_pairs(struct wrasse_poll_group *group)
{
	struct pool_link *link, *tmp;
	int count = 0;

	rdmat_lock(group->rdmat);
	pool_list_for_each(link, tmp, &group->qps) {
		struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

		qp->must_end = must_end(qp);
	}
	rdmat_unlock(group->rdmat);
	pool_list_for_each(link, tmp, &group->qps) {
		struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

		if (!qp->must_end)
			continue;
		if (atomic_load(&qp->broken))
			rdmat_qp_disconnect(qp, qp->must_end);
		else
			rdmat_qp_end(qp, qp->must_end);
		count++;
	}
	return count;
}

/* What the control plane changed for single controllers. */
static void sync_controllers(struct wrasse_poll_group *group)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &group->qps) {
		struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);
		struct nvme_actions actions = {0};

		nvme_ctrl_sync(&qp->nvme, &actions);
		rdmat_flow_act(qp, &actions);
	}
}

static void tell_discovery(struct wrasse_poll_group *group)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &group->qps) {
		struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);
		struct nvme_actions actions = {0};

		if (qp->nvme.qid || qp->nvme.state != NVME_QUEUE_CONNECTED)
			continue;
		nvme_ctrl_discovery_changed(&qp->nvme, &actions);
		rdmat_flow_act(qp, &actions);
	}
}

static bool is_broken(const struct rdmat_group_device *device)
{
	struct ibv_cq *cq = device->cq;

	if (atomic_compare_exchange_strong(&device->device->broken_cq, &cq, NULL))
		return true;
	for (unsigned i = 0; i < 2; i++)
		if (device->rx[i] && atomic_load(&device->rx[i]->broken))
			return true;
	return false;
}

static void fail_devices(struct wrasse_poll_group *group)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &group->devices) {
		struct rdmat_group_device *device =
			pool_container(link, struct rdmat_group_device, link);

		if (atomic_load(&device->device->removed))
			rdmat_group_device_fail(device, "the device is gone");
		else if (is_broken(device))
			rdmat_group_device_fail(device, "a queue of its device has failed");
	}
}

int rdmat_group_sync(struct wrasse_poll_group *group)
{
	struct nvme_ns_port *leave = NULL, *attach, *next;
	bool discovery, pauses = false;
	int count = 1;

	atomic_store(&group->attention, false);
	rdmat_lock(group->rdmat);
	attach = compare(group, &leave, &pauses);
	discovery = group->genctr != group->rdmat->registry->genctr;
	group->genctr = group->rdmat->registry->genctr;
	rdmat_unlock(group->rdmat);
	for (struct nvme_ns_port *port = leave; port; port = next, count++) {
		next = port->next_work;
		port_leave(group, port);
	}
	for (struct nvme_ns_port *port = attach; port; port = next, count++) {
		next = port->next_work;
		port_attach(group, port);
	}
	if (pauses || leave)
		rdmat_pause_requests(group);
	sync_controllers(group);
	if (discovery)
		tell_discovery(group);
	/* What pauses, or goes, waits for what it lent. */
	rdmat_unsignaled_wanted(group);
	fail_devices(group);
	rdmat_group_fence(group);
	return count + end_queue_pairs(group);
}

/* ---- timers ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void rdmat_group_tick(struct rdmat_qp *qp)
{
	struct wrasse_poll_group *group = qp->group;
	struct nvme_actions actions = {0};

	qp->next_tick_ns = nvme_queue_tick(&qp->nvme, rdmat_group_now(group), &actions);
	group->next_timer_ns = earlier(group->next_timer_ns, qp->next_tick_ns);
	rdmat_flow_act(qp, &actions);
}

static uint64_t qp_timers(struct rdmat_qp *qp, uint64_t now)
{
	bool retried = qp->retry;
	uint64_t next;

	/* A Connect that is tried again has come in time. */
	if (qp->nvme.state == NVME_QUEUE_NEW && now >= qp->deadline_ns && !qp->retry) {
		rdmat_count(&qp->group->stats.hostile, 1);
		rdmat_qp_disconnect(qp, "no Connect command in time");
		return UINT64_MAX;
	}
	if (qp->retry)
		rdmat_flow_retry(qp);
	/* If it was refused now, the host has as long again for the next one. */
	if (retried && qp->nvme.state == NVME_QUEUE_NEW)
		qp->deadline_ns = now + qp->group->rdmat->opts.connect_timeout_ms * RDMAT_NS_PER_MS;
	next = qp->retry ? now + RDMAT_RETRY_NS : UINT64_MAX;
	if (qp->nvme.state == NVME_QUEUE_NEW)
		return earlier(next, qp->deadline_ns);
	if (now >= qp->next_tick_ns)
		rdmat_group_tick(qp);
	return earlier(next, qp->next_tick_ns);
}

int rdmat_group_timers(struct wrasse_poll_group *group)
{
	uint64_t next = UINT64_MAX, now = rdmat_group_now(group);
	struct pool_link *link, *tmp;

	/* Set first: what a timer starts may want an earlier one. */
	group->next_timer_ns = UINT64_MAX;
	pool_list_for_each(link, tmp, &group->qps)
		next = earlier(next, qp_timers(pool_container(link, struct rdmat_qp, link), now));
	next = earlier(next, rdmat_abort_timers(group, now));
	next = earlier(next, rdmat_overdue_timers(group, now));
	group->next_timer_ns = earlier(group->next_timer_ns, next);
	return 0;
}
