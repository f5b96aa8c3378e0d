/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Masks: restricted namespaces, which are there for some hosts only. Each controller has a bitmap
 * of those that its host sees; namespaces for everybody do not look at it. Written with the
 * target's lock held; read by any thread, for which a change may take effect between two commands.
 */
#include <errno.h>
#include <stdlib.h>

#include "nvme/ctrl.h"

static uint64_t bit_of(uint32_t nsid)
{
	return 1ull << (nsid - 1) % 64;
}

bool nvme_ctrl_sees(const struct nvme_ctrl *ctrl, uint32_t nsid)
{
	return atomic_load_explicit(&ctrl->sees[(nsid - 1) / 64], memory_order_relaxed) &
	       bit_of(nsid);
}

static void ctrl_set_sees(struct nvme_ctrl *ctrl, uint32_t nsid, bool sees)
{
	_Atomic(uint64_t) *word = &ctrl->sees[(nsid - 1) / 64];

	if (sees)
		atomic_fetch_or_explicit(word, bit_of(nsid), memory_order_relaxed);
	else
		atomic_fetch_and_explicit(word, ~bit_of(nsid), memory_order_relaxed);
}

void nvme_ctrl_note(struct nvme_ctrl *ctrl, uint32_t nsid)
{
	atomic_fetch_or_explicit(&ctrl->notes[(nsid - 1) / 64], bit_of(nsid), memory_order_relaxed);
	atomic_store_explicit(&ctrl->noted, true, memory_order_release);
}

void nvme_ns_note(struct wrasse_namespace *ns)
{
	for (struct nvme_ctrl *ctrl = ns->subsystem->ctrls; ctrl; ctrl = ctrl->next) {
		if (!ns->restricted || nvme_ctrl_sees(ctrl, ns->nsid))
			nvme_ctrl_note(ctrl, ns->nsid);
	}
}

void nvme_mask_init(struct nvme_ctrl *ctrl)
{
	for (struct wrasse_namespace *ns = ctrl->subsystem->namespaces; ns; ns = ns->next) {
		if (*nvme_host_find(&ns->hosts, ctrl->hostnqn))
			ctrl_set_sees(ctrl, ns->nsid, true);
	}
}

void nvme_mask_hide(struct wrasse_namespace *ns)
{
	for (struct nvme_ctrl *ctrl = ns->subsystem->ctrls; ctrl; ctrl = ctrl->next)
		ctrl_set_sees(ctrl, ns->nsid, false);
}

static void mask_set(struct wrasse_namespace *ns, const char *hostnqn, bool sees)
{
	for (struct nvme_ctrl *ctrl = ns->subsystem->ctrls; ctrl; ctrl = ctrl->next) {
		if (strcmp(ctrl->hostnqn, hostnqn) != 0)
			continue;
		ctrl_set_sees(ctrl, ns->nsid, sees);
		nvme_ctrl_note(ctrl, ns->nsid);
	}
	ns->subsystem->ana_members[ns->ana_group - 1]++;
	ns->subsystem->ana_members_changes++;
}

int nvme_ns_attach_host(struct wrasse_namespace *ns, const char *hostnqn)
{
	struct nvme_host *host;

	if (*nvme_host_find(&ns->hosts, hostnqn))
		return -EEXIST;
	host = calloc(1, sizeof(*host));
	if (!host)
		return -ENOMEM;
	memcpy(host->nqn, hostnqn, strlen(hostnqn));
	host->next = ns->hosts;
	ns->hosts = host;
	mask_set(ns, hostnqn, true);
	return 0;
}

int nvme_ns_allow_host(struct wrasse_namespace *ns, const char *hostnqn)
{
	if (!ns->restricted || !nvme_nqn_is_valid(hostnqn))
		return -EINVAL;
	return nvme_ns_attach_host(ns, hostnqn);
}

int nvme_ns_disallow_host(struct wrasse_namespace *ns, const char *hostnqn)
{
	struct nvme_host **link = nvme_host_find(&ns->hosts, hostnqn);
	struct nvme_host *host = *link;

	if (!host)
		return -ENOENT;
	*link = host->next;
	mask_set(ns, hostnqn, false);
	/* Last: the caller's name may be this one. */
	free(host);
	return 0;
}
