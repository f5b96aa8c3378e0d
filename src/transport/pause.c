/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A poll group's part of a pause: ports that are paused, requests that wait, when the ports are quiet, and
 * who keeps them from it. Poll group's thread.
 */
#include "transport/pause.h"

#include <stdio.h>

#include "transport/flow.h"
#include "transport/pair.h"

static void note_quiet(struct wrasse_poll_group *group, struct nvme_ns_port *port)
{
	/* Release: what the backend did with its last I/O happened before the pause is complete. */
	atomic_store_explicit(&port->quiet, true, memory_order_release);
	rdmat_wake(group->rdmat);
}

bool rdmat_pause_match(struct wrasse_poll_group *group, struct nvme_ns_port *port)
{
	enum nvme_ns_port_state state = relaxed_load(&port->state);
	bool paused = nvme_ns_is_paused(port->ns);

	if (state == NVME_NS_PORT_NONE || state == NVME_NS_PORT_LEAVING || paused == port->paused)
		return false;
	port->paused = paused;
	if (!paused)
		relaxed_store(&port->quiet, false);
	else if (!port->in_flight)
		note_quiet(group, port);
	return true;
}

void rdmat_pause_settle(struct wrasse_poll_group *group, struct nvme_ns_port *port)
{
	if (port->paused && !port->in_flight)
		note_quiet(group, port);
}

/* ---- what waits ---- */

/* What has not been handed to the hardware waits from now on. */
static void hold_back(struct rdmat_qp *qp, enum rdmat_request_state state)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &qp->lists[state]) {
		struct rdmat_request *request = pool_container(link, struct rdmat_request, link);

		/* A pair goes as far as its turn, which does not come: see pair.c. */
		if (!request->pair && nvme_request_must_wait(&request->nvme))
			rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESUME);
	}
}

static void let_go_on(struct rdmat_qp *qp)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &qp->lists[RDMAT_REQUEST_WAIT_RESUME]) {
		struct rdmat_request *request = pool_container(link, struct rdmat_request, link);

		if (nvme_request_must_wait(&request->nvme))
			continue;
		rdmat_flow_go(request);
		if (qp->tearing)
			return;
	}
}

void rdmat_pause_requests(struct wrasse_poll_group *group)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &group->qps) {
		struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

		hold_back(qp, RDMAT_REQUEST_WAIT_FETCH);
		hold_back(qp, RDMAT_REQUEST_WAIT_RESOURCES);
		let_go_on(qp);
		rdmat_pair_go_on(qp);
	}
}

/* ---- blockers ---- */

static void tell_one(struct rdmat_pause *wait, const struct rdmat_request *request, uint64_t now)
{
	struct wrasse_holder *line = &wait->blockers[wait->blocker_count];
	struct rdmat_names *names = &wait->names[wait->blocker_count];

	if (wait->blocker_count == RDMAT_MAX_BLOCKERS) {
		wait->blockers_omitted++;
		return;
	}
	wait->blocker_count++;
	rdmat_request_describe(request, now, line);
	snprintf(names->hostnqn, sizeof(names->hostnqn), "%s", line->hostnqn);
	snprintf(names->subnqn, sizeof(names->subnqn), "%s", line->subnqn);
	line->hostnqn = names->hostnqn;
	line->subnqn = names->subnqn;
}

static void tell(struct wrasse_poll_group *group, struct rdmat_pause *wait)
{
	struct rdmat_class *class = &group->classes[0];
	uint64_t now = rdmat_group_now(group);

	if (!wait || !wait->asked || rdmat_pause_has_told(wait, group->index))
		return;
	wait->told[group->index / 64] |= 1ull << group->index % 64;
	for (uint32_t i = 0; i < class->touched; i++) {
		const struct rdmat_request *request = &class->requests[i];
		const struct nvme_ns_port *port =
			request->backend ? request->nvme.port : request->nvme.lender;

		if (port &&
		    (wait->ns ? port->ns == wait->ns : port->ns->subsystem == wait->subsystem))
			tell_one(wait, request, now);
	}
	rdmat_wake(group->rdmat);
}

void rdmat_pause_tell(struct wrasse_poll_group *group, struct wrasse_subsystem *subsystem)
{
	tell(group, subsystem->pause.wait);
	for (struct wrasse_namespace *ns = subsystem->namespaces; ns; ns = ns->next)
		tell(group, ns->pause.wait);
}
