/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/Os that their backends have for longer than their namespaces allow (wrasse_ns_opts.io_timeout_ms). No
 * clock is read when an I/O is submitted: a look at all of them marks those that it sees first, and what
 * was marked a timeout ago is overdue. So an I/O is found overdue at most two looks late.
 */
#include "transport/overdue.h"

#include "transport/flow.h"
#include "transport/group.h"

#define LOOKS   8          /* in the shortest timeout of a group */
#define IS_TOLD UINT64_MAX /* seen_ns of what was found overdue already */

/* What one look found. */
struct tally {
	const struct wrasse_namespace *first;
	unsigned interrupted, waiting;
};

void rdmat_overdue_begin(struct wrasse_poll_group *group, const struct wrasse_namespace *ns)
{
	if (!ns->io_timeout_ns)
		return;
	if (!group->io_timeout_ns || ns->io_timeout_ns < group->io_timeout_ns)
		group->io_timeout_ns = ns->io_timeout_ns;
	group->next_timer_ns = 0;
}

/* With the backend: not with a hook or the keeper of reservations, and not on its way back. */
static bool is_out(const struct rdmat_request *request)
{
	return relaxed_load(&request->io_out) && request->nvme.port && !request->nvme.saving &&
	       !request->nvme.hook;
}

static void end(struct rdmat_request *request, struct tally *tally)
{
	struct wrasse_poll_group *group = request->qp->group;
	const struct wrasse_namespace *ns = request->nvme.port->ns;

	request->seen_ns = IS_TOLD;
	tally->first = tally->first ? tally->first : ns;
	request->nvme.overdue = true;
	if (ns->ops.abort)
		ns->ops.abort(&request->nvme.io);
	if (!is_out(request))
		return;
	if (!nvme_request_interrupt_overdue(&request->nvme)) {
		tally->waiting++;
		return;
	}
	tally->interrupted++;
	rdmat_count(&group->stats.interrupted, 1);
	rdmat_flow_respond(request);
}

static void look(struct rdmat_request *request, uint64_t now_ns, struct tally *tally)
{
	uint64_t timeout = is_out(request) ? request->nvme.port->ns->io_timeout_ns : 0;

	if (!timeout || request->seen_ns == IS_TOLD)
		return;
	if (!request->seen_ns)
		request->seen_ns = now_ns;
	else if (now_ns - request->seen_ns >= timeout)
		end(request, tally);
}

static void tell(const struct wrasse_poll_group *group, const struct tally *tally)
{
	rdmat_log(
		group->rdmat, WRASSE_LOG_WARN,
		"poll group %u: backends have had I/O for too long, that of namespace %u of %s for %llu ms: "
		"%u commands are answered with Command Interrupted, %u wait for their backends",
		group->index, tally->first->nsid, tally->first->subsystem->nqn,
		(unsigned long long)(tally->first->io_timeout_ns / RDMAT_NS_PER_MS),
		tally->interrupted, tally->waiting);
}

uint64_t rdmat_overdue_timers(struct wrasse_poll_group *group, uint64_t now_ns)
{
	struct tally tally = {0};
	struct rdmat_request *request;

	if (!group->io_timeout_ns)
		return UINT64_MAX;
	for (unsigned i = 0; i < 2; i++)
		rdmat_request_for_each(request, &group->classes[i]) {
			if (request->state == RDMAT_REQUEST_EXECUTING)
				look(request, now_ns, &tally);
		}
	if (tally.first)
		tell(group, &tally);
	return now_ns + group->io_timeout_ns / LOOKS;
}
