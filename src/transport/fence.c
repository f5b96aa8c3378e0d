/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fences: a Preempt and Abort must know of every command of the preempted hosts, and only its group
 * does. Poll group's thread, with the lock; it calls nobody.
 */
#include "transport/group.h"

/* What is being answered, or was, changes no namespace any more. */
static bool is_out(const struct rdmat_request *request)
{
	return request->state == RDMAT_REQUEST_WAIT_RESPOND ||
	       request->state == RDMAT_REQUEST_RESPONDING ||
	       request->state == RDMAT_REQUEST_OVERDUE;
}

static void fence_port(struct wrasse_poll_group *group, struct nvme_ns_port *port)
{
	struct rdmat_request *request;

	for (unsigned i = 0; i < 2; i++)
		rdmat_request_for_each(request, &group->classes[i]) {
			if (!is_out(request))
				nvme_fence_request(port, &request->nvme);
		}
	nvme_fence_set(port);
}

void rdmat_group_fence(struct wrasse_poll_group *group)
{
	struct nvme_registry *registry = group->rdmat->registry;

	rdmat_lock(group->rdmat);
	for (struct wrasse_subsystem *subsystem = registry->subsystems;
	     subsystem && group->fence != registry->fence; subsystem = subsystem->next) {
		for (struct wrasse_namespace *ns = subsystem->namespaces; ns; ns = ns->next) {
			struct nvme_ns_port *port = &ns->port[group->index];

			if (atomic_load(&port->state) != NVME_NS_PORT_NONE &&
			    nvme_fence_is_new(port))
				fence_port(group, port);
		}
	}
	group->fence = registry->fence;
	rdmat_unlock(group->rdmat);
}
