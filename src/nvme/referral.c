/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Referrals: what the discovery log says of other discovery services. Called with the target's lock
 * held.
 */
#include <errno.h>
#include <stdlib.h>

#include "nvme/ctrl.h"

static struct nvme_referral **referral_find(struct nvme_registry *registry,
					    const struct nvme_referral *like)
{
	struct nvme_referral **link = &registry->referrals;

	while (*link && (strcmp((*link)->traddr, like->traddr) != 0 ||
			 strcmp((*link)->trsvcid, like->trsvcid) != 0 ||
			 strcmp((*link)->nqn, like->nqn) != 0 ||
			 strcmp((*link)->hostnqn, like->hostnqn) != 0))
		link = &(*link)->next;
	return link;
}

static bool referral_is_valid(const struct nvme_referral *referral)
{
	return nvme_nqn_is_valid(referral->nqn) &&
	       (!*referral->hostnqn || nvme_nqn_is_valid(referral->hostnqn));
}

int nvme_referral_add(struct nvme_registry *registry, const struct nvme_referral *referral)
{
	struct nvme_referral **link = referral_find(registry, referral);
	struct nvme_referral *made;

	if (!referral_is_valid(referral))
		return -EINVAL;
	if (*link)
		return -EEXIST;
	made = malloc(sizeof(*made));
	if (!made)
		return -ENOMEM;
	*made = *referral;
	made->next = NULL;
	*link = made;
	registry->genctr++;
	return 0;
}

int nvme_referral_remove(struct nvme_registry *registry, const struct nvme_referral *referral)
{
	struct nvme_referral **link = referral_find(registry, referral);
	struct nvme_referral *found = *link;

	if (!found)
		return -ENOENT;
	*link = found->next;
	free(found);
	registry->genctr++;
	return 0;
}
