/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Referrals: other discovery services that hosts shall ask too (NVMe-oF 1.1 5.3).
 */
#ifndef WRASSE_REFERRAL_H
#define WRASSE_REFERRAL_H

#include <wrasse/base.h>

WRASSE_BEGIN_DECLS

/* Where to look, and who shall. Strings are copied. */
struct wrasse_referral_opts {
	size_t size;         /* sizeof(struct wrasse_referral_opts) */
	const char *address; /* IPv4 or IPv6, numeric; required */
	uint16_t port;       /* 0: 8009, the port that IANA assigned to NVMe discovery */
	const char *nqn;     /* of the discovery subsystem there; NULL: the well-known name */
	const char *hostnqn; /* told to this host only; NULL: to every host */
};

static inline void wrasse_referral_opts_init(struct wrasse_referral_opts *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->size = sizeof(*opts);
}

/*
 * Adds a referral to the discovery log. Hosts that wait for changes are told.
 *
 * @target: the target; not NULL.
 * @opts: the referral; copied.
 *
 * Context: any thread, also a callback. It allocates.
 * Return: 0; -EINVAL for a malformed address or NQN; -EEXIST if there is the same one; -E2BIG for
 * an unknown tail of opts; -ENOMEM.
 */
WRASSE_API int wrasse_target_add_referral(struct wrasse_target *target,
					  const struct wrasse_referral_opts *opts);

/*
 * Removes a referral.
 *
 * @opts: as it was added.
 *
 * Context: any thread, also a callback.
 * Return: 0; -ENOENT if there is none like it; -EINVAL, -E2BIG as above.
 */
WRASSE_API int wrasse_target_remove_referral(struct wrasse_target *target,
					     const struct wrasse_referral_opts *opts);

WRASSE_END_DECLS

#endif
