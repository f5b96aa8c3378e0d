/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Referrals as the embedder sees them: addresses checked and written in one way. Any thread.
 */
#include <errno.h>
#include <stdio.h>
#include <wrasse/referral.h>

#include "target.h"
#include "transport/address.h"

#define DISCOVERY_PORT 8009

static int address_copy(struct nvme_referral *referral, const char *address)
{
	struct sockaddr_storage addr;

	if (!address || rdmat_address_parse(address, 0, &addr))
		return -EINVAL;
	referral->adrfam = addr.ss_family == AF_INET6 ? 2 : 1;
	rdmat_address_format(&addr, referral->traddr, sizeof(referral->traddr));
	return 0;
}

/* Return: whether it fits. */
static bool nqn_copy(char nqn[NVME_NQN_LEN + 1], const char *from)
{
	size_t len = strnlen(from, NVME_NQN_LEN + 1);

	if (len > NVME_NQN_LEN)
		return false;
	memcpy(nqn, from, len);
	return true;
}

static int referral_fill(struct nvme_referral *referral, const struct wrasse_referral_opts *given)
{
	struct wrasse_referral_opts opts;
	int rc = options_copy(&opts, sizeof(opts), given, given->size);

	*referral = (struct nvme_referral){0};
	if (rc)
		return rc;
	if (!opts.port)
		opts.port = DISCOVERY_PORT;
	snprintf(referral->trsvcid, sizeof(referral->trsvcid), "%u", opts.port);
	if (!nqn_copy(referral->nqn, opts.nqn ? opts.nqn : NVME_DISCOVERY_NQN) ||
	    !nqn_copy(referral->hostnqn, opts.hostnqn ? opts.hostnqn : ""))
		return -EINVAL;
	return address_copy(referral, opts.address);
}

static int referral_change(struct wrasse_target *target, const struct wrasse_referral_opts *opts,
			   int (*change)(struct nvme_registry *registry,
					 const struct nvme_referral *referral))
{
	struct rdmat *rdmat = &target->rdmat;
	struct nvme_referral referral;
	int rc = referral_fill(&referral, opts);

	if (rc)
		return rc;
	rdmat_lock(rdmat);
	rc = change(rdmat->registry, &referral);
	if (!rc)
		rdmat_attention(rdmat);
	rdmat_unlock(rdmat);
	return rc;
}

int wrasse_target_add_referral(struct wrasse_target *target,
			       const struct wrasse_referral_opts *opts)
{
	return referral_change(target, opts, nvme_referral_add);
}

int wrasse_target_remove_referral(struct wrasse_target *target,
				  const struct wrasse_referral_opts *opts)
{
	return referral_change(target, opts, nvme_referral_remove);
}
