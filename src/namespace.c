/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the embedder changes of a namespace while hosts use it: its size, and who sees it. The lock
 * taken, poll groups told to look; the rest is in src/nvme. Any thread.
 */
#include <errno.h>

#include "target.h"

int wrasse_namespace_resize(struct wrasse_namespace *ns, uint64_t block_count)
{
	struct rdmat *rdmat = subsystem_rdmat(ns->subsystem);
	const char *why;
	int rc;

	rdmat_lock(rdmat);
	rc = nvme_ns_resize(ns, block_count, &why);
	if (!rc)
		rdmat_attention(rdmat);
	rdmat_unlock(rdmat);
	if (rc)
		rdmat_log(rdmat, WRASSE_LOG_ERROR, "%s namespace %u: %s", ns->subsystem->nqn,
			  ns->nsid, why);
	return rc;
}

static int mask_change(struct wrasse_namespace *ns, const char *hostnqn,
		       int (*change)(struct wrasse_namespace *ns, const char *hostnqn))
{
	struct rdmat *rdmat = subsystem_rdmat(ns->subsystem);
	int rc;

	rdmat_lock(rdmat);
	rc = change(ns, hostnqn);
	if (!rc)
		rdmat_attention(rdmat);
	rdmat_unlock(rdmat);
	return rc;
}

int wrasse_namespace_allow_host(struct wrasse_namespace *ns, const char *hostnqn)
{
	return mask_change(ns, hostnqn, nvme_ns_allow_host);
}

int wrasse_namespace_disallow_host(struct wrasse_namespace *ns, const char *hostnqn)
{
	return mask_change(ns, hostnqn, nvme_ns_disallow_host);
}

static const struct nvme_host *host_at(const struct wrasse_namespace *ns, uint32_t index)
{
	const struct nvme_host *host = ns->hosts;

	while (host && index-- > 0)
		host = host->next;
	return host;
}

int wrasse_namespace_host(struct wrasse_namespace *ns, uint32_t index, char *hostnqn, size_t size)
{
	struct rdmat *rdmat = subsystem_rdmat(ns->subsystem);
	const struct nvme_host *host;
	int rc = 0;

	rdmat_lock(rdmat);
	host = host_at(ns, index);
	if (!host)
		rc = -ENOENT;
	else if (strlen(host->nqn) >= size)
		rc = -ENOSPC;
	else
		memcpy(hostnqn, host->nqn, strlen(host->nqn) + 1);
	rdmat_unlock(rdmat);
	return rc;
}
