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

static void fence_queue(struct nvme_ns_port *port, struct rdmat_qp *qp)
{
	struct pool_link *link, *tmp;

	for (unsigned list = 0; list < RDMAT_REQUEST_STATE_COUNT; list++) {
		pool_list_for_each(link, tmp, &qp->lists[list]) {
			struct rdmat_request *request =
				pool_container(link, struct rdmat_request, link);

			if (!is_out(request))
				nvme_fence_request(port, &request->nvme);
		}
	}
}

static void fence_port(struct wrasse_poll_group *group, struct nvme_ns_port *port)
{
	struct pool_list *lists[] = {&group->qps, &group->dying};
	struct pool_link *link, *tmp;

	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		pool_list_for_each(link, tmp, lists[i])
			fence_queue(port, pool_container(link, struct rdmat_qp, link));
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
