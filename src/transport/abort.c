/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Abort: what it does to a command depends on the command's state, by the table below. It never
 * waits; a command that hardware or backend has is ended when they let go of it, if at all.
 */
#include "transport/abort.h"

#include "transport/flow.h"
#include "transport/group.h"

/* The host is told "not aborted" after so long. */
#define PATIENCE_NS (1 * RDMAT_NS_PER_S)

/* What an Abort does to a command in a state. */
static const enum how {
	TOO_LATE,    /* it is, or will be, answered by itself */
	AT_ONCE,     /* it has not begun */
	WHEN_LANDED, /* its data is on the way, and cannot be called back */
	BY_BACKEND,  /* the backend is asked, and decides */
} how[RDMAT_REQUEST_STATE_COUNT] = {
	[RDMAT_REQUEST_WAIT_RESUME] = AT_ONCE,  [RDMAT_REQUEST_WAIT_RESOURCES] = AT_ONCE,
	[RDMAT_REQUEST_WAIT_FETCH] = AT_ONCE,   [RDMAT_REQUEST_FETCHING] = WHEN_LANDED,
	[RDMAT_REQUEST_EXECUTING] = BY_BACKEND,
};

/* Whoever is first decides: the group of the command, that it is ended, or the Abort's, that time is
 * up. What the host is told of the two then agrees. */
static bool decide(struct rdmat_abort *abort)
{
	return !atomic_exchange(&abort->decided, true);
}

/* ---- at home: the Abort command ---- */

/* The command goes on without its Abort. */
static struct rdmat_request *let_go(struct rdmat_abort *abort)
{
	struct rdmat_request *command = abort->command;

	abort->command = NULL;
	command->abort = NULL;
	return command;
}

static void answer(struct rdmat_request *command, bool aborted)
{
	nvme_abort_answer(&command->nvme, aborted);
	rdmat_flow_respond(command);
}

static void came_back(struct wrasse_poll_group *group, struct rdmat_msg *msg)
{
	struct rdmat_abort *abort = pool_container(msg, struct rdmat_abort, msg);

	abort->home = NULL;
	group->aborts_out--;
	if (abort->command)
		answer(let_go(abort), abort->aborted);
}

uint64_t rdmat_abort_timers(struct wrasse_poll_group *group, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; group->aborts_out && i < RDMAT_MAX_ABORTS; i++) {
		struct rdmat_abort *abort = &group->aborts[i];

		if (!abort->command)
			continue;
		if (now_ns < abort->end_ns)
			next = abort->end_ns < next ? abort->end_ns : next;
		else if (decide(abort))
			answer(let_go(abort), false);
	}
	return next;
}

/* ---- where the command that it names is ---- */

static void send_back(struct rdmat_abort *abort, bool aborted)
{
	abort->aborted = aborted;
	abort->msg.run = came_back;
	rdmat_group_send(abort->home, &abort->msg);
}

static struct rdmat_request *find_cid(const struct rdmat_qp *qp, uint16_t cid)
{
	struct rdmat_request *request;

	rdmat_request_for_each(request, qp->class) {
		if (request->qp == qp && request->state < RDMAT_REQUEST_OVERDUE &&
		    nvme_get16(request->nvme.cmd.cid) == cid)
			return request;
	}
	return NULL;
}

static struct rdmat_request *find_victim(const struct wrasse_poll_group *group,
					 const struct nvme_abort *what)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &group->qps) {
		const struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

		if (nvme_abort_names(what, &qp->nvme))
			return find_cid(qp, what->cid);
	}
	return NULL;
}

/*
 * Another thread may be completing it at this moment, which the backend has to cope with. What a hook
 * or the keeper of reservations has is no I/O, though it has a namespace.
 */
static bool backend_can_abort(const struct rdmat_request *victim)
{
	return relaxed_load(&victim->io_out) && victim->nvme.port && !victim->nvme.saving &&
	       !victim->nvme.hook && victim->nvme.port->ns->ops.abort;
}

/* One Abort at a time; and half of a fused pair is ended with its other half or not at all. */
static bool may_end(const struct rdmat_request *victim)
{
	return !victim->abort_by && !victim->pair;
}

static void arrives(struct wrasse_poll_group *group, struct rdmat_msg *msg)
{
	struct rdmat_abort *abort = pool_container(msg, struct rdmat_abort, msg);
	struct rdmat_request *victim = find_victim(group, &abort->what);
	enum how by = victim && may_end(victim) ? how[victim->state] : TOO_LATE;

	if (by == TOO_LATE || (by == BY_BACKEND && !backend_can_abort(victim))) {
		send_back(abort, false);
		return;
	}
	victim->abort_by = abort;
	victim->special = true;
	if (by == AT_ONCE) {
		rdmat_abort_end(victim);
	} else if (by == BY_BACKEND) {
		victim->nvme.port->ns->ops.abort(&victim->nvme.io);
	}
}

bool rdmat_abort_end(struct rdmat_request *victim)
{
	struct rdmat_abort *abort = victim->abort_by;

	victim->abort_by = NULL;
	if (!decide(abort)) {
		send_back(abort, false);
		return false;
	}
	send_back(abort, true);
	nvme_request_abort(&victim->nvme);
	rdmat_flow_respond(victim);
	return true;
}

static bool was_aborted(const struct rdmat_request *request)
{
	struct wrasse_status status = nvme_request_status(&request->nvme);

	return status.sct == WRASSE_SCT_GENERIC && status.sc == WRASSE_SC_ABORTED;
}

void rdmat_abort_moves(struct rdmat_request *request, enum rdmat_request_state to)
{
	struct rdmat_abort *abort = request->abort_by;
	bool aborted = (RDMAT_TO_ANSWER & 1u << to) && was_aborted(request);

	if (request->abort)
		let_go(request->abort);
	if (!abort)
		return;
	request->abort_by = NULL;
	/* The backend has ended it too late: the host was told that it goes on, and may send it again. */
	if (aborted && !decide(abort)) {
		nvme_request_interrupt(&request->nvme);
		aborted = false;
	}
	send_back(abort, aborted);
}

/* ---- on the way ---- */

static struct rdmat_abort *take(struct wrasse_poll_group *group)
{
	for (unsigned i = 0; i < RDMAT_MAX_ABORTS; i++) {
		if (group->aborts[i].home)
			continue;
		group->aborts[i].home = group;
		group->aborts_out++;
		return &group->aborts[i];
	}
	return NULL;
}

void rdmat_abort_start(struct rdmat_request *request)
{
	struct wrasse_poll_group *group = request->qp->group, *to;
	struct rdmat_abort *abort = take(group);

	if (!abort) {
		answer(request, false);
		return;
	}
	request->abort = abort;
	request->special = true;
	abort->command = request;
	abort->end_ns = rdmat_group_now(group) + PATIENCE_NS;
	atomic_store(&abort->decided, false);
	group->next_timer_ns = 0;
	abort->msg.run = arrives;
	rdmat_lock(group->rdmat);
	/* A group that is being destroyed is not found any more, and looks once more after that. */
	to = nvme_abort_find(&request->nvme, &abort->what) ?
		     group->rdmat->groups[abort->what.group] :
		     NULL;
	if (to)
		rdmat_group_send(to, &abort->msg);
	rdmat_unlock(group->rdmat);
	if (!to)
		send_back(abort, false);
}
