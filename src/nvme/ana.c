/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asymmetric Namespace Access as a host sees it (NVMe Base 2.0 8.1): which commands a state
 * refuses, the event, and the log page. The states themselves belong to paths.
 */
#include "nvme/ctrl.h"
#include "nvme/wire_path.h"

/* ---- commands ---- */

/* Never Do Not Retry: the host tries again, there or elsewhere. */
static void ana_refuse(struct nvme_request *request, uint8_t state)
{
	uint8_t sc = NVME_SC_ANA_TRANSITION;
	const char *why = "the ANA group is in transition on this path";

	if (state == WRASSE_ANA_INACCESSIBLE) {
		sc = NVME_SC_ANA_INACCESSIBLE;
		why = "the ANA group is inaccessible on this path";
	} else if (state == WRASSE_ANA_PERSISTENT_LOSS) {
		sc = NVME_SC_ANA_PERSISTENT_LOSS;
		why = "the ANA group is lost on this path";
	}
	/* It is no error of anybody: a log full of them would hide those that are. */
	nvme_refuse_quietly(request, wrasse_status_make(WRASSE_SCT_PATH, sc, false), why);
}

bool nvme_ana_check(struct nvme_request *request, const struct nvme_ns_port *port)
{
	uint8_t state = nvme_path_state(request->queue->path, port->ana_group);

	if (nvme_ana_is_open(state))
		return true;
	ana_refuse(request, state);
	return false;
}

bool nvme_ana_hides_use(const struct nvme_queue *queue, const struct nvme_ns_port *port)
{
	uint8_t state = nvme_path_state(queue->path, port->ana_group);

	return state == WRASSE_ANA_INACCESSIBLE || state == WRASSE_ANA_PERSISTENT_LOSS;
}

/* ---- the event ---- */

/* Whether a group that has a namespace for this host has changed since the count was seen. */
static bool ana_concerns(const struct nvme_queue *queue, uint64_t seen)
{
	for (uint32_t nsid = 1; nsid <= queue->view->count; nsid++) {
		const struct nvme_ns_port *port = nvme_queue_port(queue, nsid);

		if (port && atomic_load_explicit(&queue->path->ana[port->ana_group - 1].changed_at,
						 memory_order_relaxed) > seen)
			return true;
	}
	return false;
}

void nvme_ana_sync(struct nvme_queue *queue, struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl = queue->ctrl;
	uint64_t changes = atomic_load_explicit(&queue->path->changes, memory_order_acquire);
	uint64_t seen = ctrl->ana_seen;

	if (changes == seen)
		return;
	ctrl->ana_seen = changes;
	if (ana_concerns(queue, seen))
		nvme_aer_raise(ctrl, NVME_EV_ANA, actions);
}

/* ---- the log (NVMe Base 2.0 5.16.1.13) ---- */

#define LOG_RGO (1u << 8) /* CDW10, Log Specific Field: groups only, without their namespaces */

/* What a host may read at most: every group, every namespace. */
uint64_t nvme_ana_log_size(const struct nvme_queue *queue)
{
	const struct wrasse_subsystem *subsystem = queue->ctrl->subsystem;

	return sizeof(struct nvme_ana_header) +
	       (uint64_t)subsystem->ana_groups * sizeof(struct nvme_ana_desc) +
	       (uint64_t)subsystem->max_namespaces * sizeof(nvme_le32);
}

static uint32_t group_count_ns(const struct nvme_queue *queue, uint32_t group)
{
	const struct wrasse_namespace *ns = queue->ctrl->subsystem->ana_first[group - 1];
	uint32_t count = 0;

	for (; ns; ns = ns->ana_next)
		count += nvme_queue_port(queue, ns->nsid) != NULL;
	return count;
}

static void group_put(const struct nvme_queue *queue, uint32_t group, uint32_t count,
		      bool groups_only, struct nvme_out *out)
{
	const struct wrasse_subsystem *subsystem = queue->ctrl->subsystem;
	const struct nvme_ana_group *ana = &queue->path->ana[group - 1];
	struct nvme_ana_desc desc = {0};

	nvme_put32(&desc.group, group);
	nvme_put32(&desc.nsid_count, groups_only ? 0 : count);
	nvme_put64(&desc.change_count,
		   subsystem->ana_members[group - 1] +
			   atomic_load_explicit(&ana->changes, memory_order_acquire));
	desc.state = nvme_path_state(queue->path, group);
	nvme_out_put(out, &desc, sizeof(desc));
	if (groups_only)
		return;
	for (const struct wrasse_namespace *ns = subsystem->ana_first[group - 1]; ns;
	     ns = ns->ana_next) {
		nvme_le32 nsid;

		nvme_put32(&nsid, ns->nsid);
		if (nvme_queue_port(queue, ns->nsid))
			nvme_out_put(out, &nsid, sizeof(nsid));
	}
}

/* Groups in which the host sees a namespace; a group without one has nothing to tell. */
void nvme_ana_log_put(struct nvme_request *request, struct nvme_out *out)
{
	const struct nvme_queue *queue = request->queue;
	const struct wrasse_subsystem *subsystem = queue->ctrl->subsystem;
	bool groups_only = nvme_get32(request->cmd.cdw10) & LOG_RGO;
	struct nvme_ana_header header = {0};
	uint16_t groups = 0;

	for (uint32_t group = 1; group <= subsystem->ana_groups; group++)
		groups += group_count_ns(queue, group) > 0;
	nvme_put64(&header.change_count,
		   1 + subsystem->ana_members_changes +
			   atomic_load_explicit(&queue->path->changes, memory_order_acquire));
	nvme_put16(&header.group_count, groups);
	nvme_out_put(out, &header, sizeof(header));
	for (uint32_t group = 1; group <= subsystem->ana_groups; group++) {
		uint32_t count = group_count_ns(queue, group);

		if (count > 0)
			group_put(queue, group, count, groups_only, out);
	}
}
