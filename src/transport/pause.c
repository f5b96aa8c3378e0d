/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A poll group's part of a pause: ports that are paused, when they are quiet, and who keeps them
 * from it. Poll group's thread.
 */
#include "transport/pause.h"

#include <stdio.h>

static void note_quiet(struct wrasse_poll_group *group, struct nvme_ns_port *port)
{
	/* Release: what the backend did with its last I/O happened before the pause is complete. */
	atomic_store_explicit(&port->quiet, true, memory_order_release);
	rdmat_wake(group->rdmat);
}

bool rdmat_pause_match(struct wrasse_poll_group *group, struct nvme_ns_port *port)
{
	enum nvme_ns_port_state state = atomic_load_explicit(&port->state, memory_order_relaxed);
	bool paused = nvme_ns_is_paused(port->ns);

	if (state == NVME_NS_PORT_NONE || state == NVME_NS_PORT_LEAVING || paused == port->paused)
		return false;
	port->paused = paused;
	if (!paused)
		atomic_store_explicit(&port->quiet, false, memory_order_relaxed);
	else if (!port->in_flight)
		note_quiet(group, port);
	return true;
}

void rdmat_pause_settle(struct wrasse_poll_group *group, struct nvme_ns_port *port)
{
	if (port->paused && !port->in_flight)
		note_quiet(group, port);
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
