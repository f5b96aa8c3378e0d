/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Model hosts: what a host wants next. A host has controllers, each of which connects, enables, opens
 * its I/O queues, sends commands for a while, leaves, and begins anew. host_queue.c moves its capsules,
 * host_cmd.c makes its commands and checks the answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

struct host hosts[SIM_MAX_HOSTS];
struct host_counts host_counts;

void host_init(struct host *host, unsigned index)
{
	struct fabric_device device = {0};

	for (unsigned i = 0; i < SIM_MAX_CTRLS; i++) {
		struct ctrl *ctrl = &host->ctrl[i];

		memset(ctrl, 0, sizeof(*ctrl));
		ctrl->host = host;
		for (unsigned k = 0; k < SIM_MAX_QUEUES; k++) {
			ctrl->queue[k].ctrl = ctrl;
			ctrl->queue[k].qid = (uint16_t)k;
		}
	}
	host->index = index;
	host->kind = plan.kind[index];
	host->dead = false;
	host->leaving = false;
	host->idle_until_ns = 0;
	snprintf(host->device, sizeof(host->device), "h%u", index);
	snprintf(host->address, sizeof(host->address), "10.1.%u.1", index);
	snprintf(host->nqn, sizeof(host->nqn), "nqn.2026-11.io.wrasse:host%u", index);
	device.name = host->device;
	device.address = host->address;
	fabric_device_add(&device);
	host->channel = rdma_create_event_channel();
	if (!host->channel ||
	    fcntl(host->channel->fd, F_SETFL, fcntl(host->channel->fd, F_GETFL) | O_NONBLOCK) < 0)
		sim_fail("host %u: no event channel: %s", index, strerror(errno));
}

/* ---- controllers ---- */

static bool is_hostile(const struct ctrl *ctrl)
{
	return ctrl->host->kind == HOST_HOSTILE;
}

static void ctrl_end(struct ctrl *ctrl)
{
	for (unsigned i = 0; i < ctrl->queues; i++)
		queue_close(&ctrl->queue[i]);
	ctrl->state = CTRL_IDLE;
	ctrl->queues = 0;
	ctrl->host->idle_until_ns = fabric_now_ns() + rng_below(20) * SIM_MS;
	trace_mix("host ends a controller", ctrl->host->index, (uint64_t)(ctrl - ctrl->host->ctrl));
}

static bool ctrl_start(struct ctrl *ctrl)
{
	struct queue *admin = &ctrl->queue[0];

	ctrl->subsystem = rng_below(plan.subsystems);
	ctrl->device = rng_below(plan.devices);
	ctrl->queues = 1 + rng_between(1, plan.io_queues);
	ctrl->state = CTRL_ADMIN;
	ctrl->events = 0;
	ctrl->wants_events = false;
	ctrl->upset_ns = 0;
	ctrl->ask_ns = 0;
	admin->depth = rng_flip() ? SIM_MAX_DEPTH : 8;
	for (unsigned i = 1; i < ctrl->queues; i++)
		ctrl->queue[i].depth = plan.depth;
	trace_mix("host begins a controller", ctrl->host->index, ctrl->subsystem);
	return queue_open(admin);
}

/* The first queue that is not there yet is opened; when all are, the controller is live. */
static void ctrl_go_on(struct ctrl *ctrl)
{
	for (unsigned i = 1; i < ctrl->queues; i++) {
		if (ctrl->queue[i].state == QUEUE_LIVE)
			continue;
		ctrl->state = CTRL_QUEUES;
		if (ctrl->queue[i].state == QUEUE_NONE)
			queue_open(&ctrl->queue[i]);
		return;
	}
	ctrl->state = CTRL_LIVE;
}

void ctrl_connected(struct queue *queue, uint16_t status, uint32_t dw0)
{
	struct ctrl *ctrl = queue->ctrl;

	trace_mix("Connect answered", queue->qid, status);
	if (status && plan.calm && !target.draining)
		sim_fail("host %u: Connect of queue %u was answered with %#x in a calm run",
			 ctrl->host->index, queue->qid, status);
	if (status) {
		host_counts.refusals++;
		queue_lost(queue, "Connect refused");
		return;
	}
	host_counts.connects++;
	if (queue->qid == 0)
		ctrl->cntlid = (uint16_t)dw0;
	if (!auth_connected(queue, dw0))
		ctrl_admitted(queue);
}

void ctrl_admitted(struct queue *queue)
{
	struct ctrl *ctrl = queue->ctrl;

	queue->state = QUEUE_LIVE;
	ctrl->alive_ns = fabric_now_ns();
	if (queue->qid == 0) {
		ctrl->state = CTRL_ENABLING;
		cmd_property_set(queue, PROP_CC, CC_ENABLE);
	} else if (ctrl->state == CTRL_QUEUES) {
		ctrl_go_on(ctrl);
	}
}

/* ---- resets and shutdowns ---- */

bool ctrl_is_upset(const struct ctrl *ctrl)
{
	return ctrl->upset_ns && (ctrl->state == CTRL_RESETTING || ctrl->state == CTRL_SHUTTING ||
				  ctrl->state == CTRL_ENABLING);
}

static bool ctrl_upset(struct ctrl *ctrl)
{
	struct queue *admin = &ctrl->queue[0];
	bool shut = rng_one_in(3);

	if (admin->busy + 2 > admin->depth)
		return false;
	ctrl->state = shut ? CTRL_SHUTTING : CTRL_RESETTING;
	ctrl->upset_ns = fabric_now_ns();
	host_counts.resets++;
	trace_mix(shut ? "host shuts a controller down" : "host resets a controller",
		  ctrl->host->index, ctrl->cntlid);
	return cmd_property_set(admin, PROP_CC, shut ? CC_ENABLE | CC_SHN_NORMAL : CC_ENABLE & ~1u);
}

/*
 * CSTS says that it is over: no I/O from before can reach the media any more, and no I/O queue of before
 * answers what it is sent. A host that does not close them at once may see it.
 */
static void ctrl_is_quiet(struct ctrl *ctrl)
{
	unsigned held = backend_held_of(ctrl);
	bool was_shut = ctrl->state == CTRL_SHUTTING;

	if (held)
		sim_fail("controller %u says that it is %s, and the backend has %u I/Os of it",
			 ctrl->cntlid, was_shut ? "shut down" : "reset", held);
	for (unsigned i = 1; i < ctrl->queues; i++) {
		struct queue *queue = &ctrl->queue[i];

		queue->stale = true;
		if (!queue->deaf)
			queue->deaf = queue->count + 1;
	}
	ctrl->state = was_shut ? CTRL_RESETTING : CTRL_ENABLING;
	cmd_property_set(&ctrl->queue[0], PROP_CC, was_shut ? CC_ENABLE & ~1u : CC_ENABLE);
}

static void ctrl_close_stale(struct ctrl *ctrl)
{
	for (unsigned i = 1; i < ctrl->queues; i++)
		if (ctrl->queue[i].stale)
			queue_close(&ctrl->queue[i]);
}

/* CSTS was read. */
void ctrl_property(struct queue *queue, uint16_t status, uint64_t value)
{
	struct ctrl *ctrl = queue->ctrl;

	if (status)
		return;
	if (ctrl->state == CTRL_ENABLING && (value & CSTS_RDY)) {
		ctrl_close_stale(ctrl);
		ctrl_go_on(ctrl);
	} else if ((ctrl->state == CTRL_RESETTING && !(value & CSTS_RDY)) ||
		   (ctrl->state == CTRL_SHUTTING && (value & CSTS_SHST) == CSTS_SHST_DONE)) {
		ctrl_is_quiet(ctrl);
	} else if (ctrl->state == CTRL_ENABLING || ctrl->state == CTRL_RESETTING ||
		   ctrl->state == CTRL_SHUTTING) {
		ctrl->ask_ns = fabric_now_ns() + rng_below(4) * SIM_MS + 1;
	}
}

/* Whether CSTS is read once more. */
static bool ctrl_ask(struct ctrl *ctrl)
{
	if (!ctrl->ask_ns || fabric_now_ns() < ctrl->ask_ns || ctrl->queue[0].state != QUEUE_LIVE ||
	    !cmd_property_get(&ctrl->queue[0], PROP_CSTS))
		return false;
	ctrl->ask_ns = 0;
	return true;
}

/* Something for a queue that is on its way out. */
static bool ctrl_send_late(struct ctrl *ctrl)
{
	struct queue *queue = &ctrl->queue[rng_below(ctrl->queues)];

	return queue->qid && queue->state == QUEUE_LIVE && rng_one_in(4) && cmd_io(queue);
}

/* Those that have noticed; CAP.TO says how long it may take. */
static void ctrl_watch_upset(struct ctrl *ctrl)
{
	for (unsigned i = 1; i < ctrl->queues; i++)
		if (ctrl->queue[i].state == QUEUE_LOST)
			queue_close(&ctrl->queue[i]);
	if (plan.calm && !target.draining && ctrl->state != CTRL_ENABLING &&
	    fabric_now_ns() > ctrl->upset_ns + 15 * SIM_S)
		sim_fail("controller %u is not reset or shut down in 15 s of a calm run",
			 ctrl->cntlid);
}

/* ---- what a controller does ---- */

static unsigned ctrl_waiting(const struct ctrl *ctrl)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ctrl->queues; i++)
		count += ctrl->queue[i].busy;
	return count - (ctrl->events < count ? ctrl->events : count);
}

unsigned host_waiting(const struct host *host)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SIM_MAX_CTRLS; i++)
		count += ctrl_waiting(&host->ctrl[i]);
	return count;
}

static bool ctrl_keep_alive(struct ctrl *ctrl)
{
	uint64_t now = fabric_now_ns();

	if (!plan.kato_ms || plan.no_keep_alive || is_hostile(ctrl) ||
	    now < ctrl->alive_ns + plan.kato_ms * SIM_MS / 4)
		return false;
	if (!cmd_keep_alive(&ctrl->queue[0]))
		return false;
	ctrl->alive_ns = now;
	return true;
}

static bool ctrl_send(struct ctrl *ctrl)
{
	struct queue *queue = &ctrl->queue[rng_below(ctrl->queues)];
	/* Who told a smaller depth than it has is after just that. */
	bool lies = queue->told < queue->depth;
	bool all = ctrl->host->kind == HOST_GREEDY || lies;
	unsigned burst = all ? queue->depth : rng_between(1, 4);
	bool did = false;

	if (queue->state != QUEUE_LIVE && !is_hostile(ctrl))
		return false;
	if (queue->state < QUEUE_OPEN || queue->state > QUEUE_LIVE)
		return false;
	for (unsigned i = 0; i < burst && queue->state >= QUEUE_OPEN && queue->state <= QUEUE_LIVE;
	     i++) {
		if (is_hostile(ctrl) && !lies && rng_one_in(2))
			did |= cmd_hostile(queue);
		else if (queue->state == QUEUE_LIVE)
			did |= queue->qid ? cmd_io(queue) : cmd_admin(queue);
	}
	return did;
}

/* A host gives up on a command that is not answered; in a calm run that never happens. */
static bool has_overdue(const struct queue *queue)
{
	for (uint32_t i = 0; i < queue->depth && queue->busy && !plan.calm; i++) {
		const struct slot *slot = &queue->slot[i];

		if (slot->busy && !slot->patient && fabric_now_ns() > slot->sent_ns + 30 * SIM_S)
			return true;
	}
	return false;
}

/* Whether one of its queues is to be closed, and with it all of them. */
static bool ctrl_is_lost(const struct ctrl *ctrl)
{
	uint64_t now = fabric_now_ns();

	for (unsigned i = 0; i < ctrl->queues; i++) {
		const struct queue *queue = &ctrl->queue[i];

		if (queue->doomed && queue->state >= QUEUE_OPEN && queue->state <= QUEUE_LIVE)
			check_doomed(queue->id->qp->qp_num, queue->doom);
		if (queue->state == QUEUE_LOST ||
		    ((queue->state == QUEUE_LIVE || queue->state == QUEUE_PROVING) &&
		     has_overdue(queue)))
			return true;
		if (queue->state == QUEUE_NONE || queue->state >= QUEUE_LIVE ||
		    now < queue->deadline_ns)
			continue;
		if (plan.calm && !target.draining)
			sim_fail("host %u waits for its queue %u in a calm run, state %d",
				 ctrl->host->index, queue->qid, queue->state);
		return true;
	}
	return false;
}

/* Everything that is on its way is lost. */
void host_die(struct host *host, uint64_t ns)
{
	fabric_port_set(host->device, false);
	for (unsigned i = 0; i < SIM_MAX_CTRLS; i++)
		if (host->ctrl[i].queues)
			ctrl_end(&host->ctrl[i]);
	host->dead = true;
	host->idle_until_ns = fabric_now_ns() + ns;
	trace_mix("host dies", host->index, 0);
}

static bool ctrl_leave(struct ctrl *ctrl)
{
	if (ctrl->host->kind == HOST_DYING && rng_one_in(3)) {
		host_die(ctrl->host, rng_between(1, 3000) * SIM_MS);
		return true;
	}
	if (rng_flip()) {
		ctrl->state = CTRL_LEAVING; /* when all is answered */
		return true;
	}
	ctrl_end(ctrl);
	return true;
}

static bool ctrl_step(struct ctrl *ctrl)
{
	bool did = false;

	if (ctrl->state == CTRL_IDLE) {
		if (ctrl->host->leaving || fabric_now_ns() < ctrl->host->idle_until_ns ||
		    !rng_one_in(4))
			return false;
		return ctrl_start(ctrl);
	}
	for (unsigned i = 0; i < ctrl->queues; i++)
		did |= queue_poll(&ctrl->queue[i]);
	for (unsigned i = 0; i < ctrl->queues; i++)
		did |= auth_step(&ctrl->queue[i]);
	if (ctrl_is_upset(ctrl))
		ctrl_watch_upset(ctrl);
	did |= ctrl_ask(ctrl);
	if (ctrl_is_lost(ctrl)) {
		host_counts.losses++;
		ctrl_end(ctrl);
		return true;
	}
	if (ctrl->state >= CTRL_ENABLING && ctrl_keep_alive(ctrl))
		return true;
	if (ctrl->state == CTRL_LEAVING && !ctrl_waiting(ctrl)) {
		ctrl_end(ctrl);
		return true;
	}
	if (ctrl->host->leaving || ctrl->state == CTRL_LEAVING)
		return did;
	if (is_hostile(ctrl) && ctrl->state < CTRL_LIVE)
		return rng_one_in(8) ? ctrl_send(ctrl) || did : did;
	if (ctrl_is_upset(ctrl))
		return ctrl_send_late(ctrl) || did;
	if (ctrl->state != CTRL_LIVE)
		return did;
	if (rng_one_in(plan.leave))
		return ctrl_leave(ctrl);
	if (rng_one_in(plan.upset))
		return ctrl_upset(ctrl) || did;
	return ctrl_send(ctrl) || did;
}

/* ---- hosts ---- */

static bool take_events(struct host *host)
{
	struct rdma_cm_event *event;
	bool did = false;

	while (!rdma_get_cm_event(host->channel, &event)) {
		struct queue *queue = event->id->context;

		trace_mix("host takes CM event", host->index, event->event);
		queue_event(queue, event);
		did = true;
	}
	return did;
}

static void host_revive(struct host *host)
{
	host->dead = false;
	fabric_port_set(host->device, true);
	trace_mix("host is back", host->index, 0);
}

bool host_step(struct host *host)
{
	bool did;

	if (host->dead && (host->leaving || fabric_now_ns() >= host->idle_until_ns))
		host_revive(host);
	if (host->dead)
		return false;
	did = take_events(host);
	if (host->kind == HOST_SLOW && !host->leaving && !rng_one_in(6))
		return did;
	return ctrl_step(&host->ctrl[rng_below(SIM_MAX_CTRLS)]) || did;
}

void host_fini(struct host *host)
{
	if (host->dead)
		host_revive(host);
	for (unsigned i = 0; i < SIM_MAX_CTRLS; i++)
		if (host->ctrl[i].queues)
			ctrl_end(&host->ctrl[i]);
	rdma_destroy_event_channel(host->channel);
}
