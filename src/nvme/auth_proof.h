/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a side of an authentication proves with: the session's secret and a response to a challenge
 * (NVMe Base 2.0 8.13.5.4, 8.13.5.5). Pure functions; any thread.
 */
#ifndef WRASSE_NVME_AUTH_PROOF_H
#define WRASSE_NVME_AUTH_PROOF_H

#include "nvme/auth.h"

/* Which response it is. */
struct nvme_proof {
	const char *role; /* "HostHost" or "Controller" */
	const char *prover;
	const char *verifier;
	const uint8_t *challenge;
	uint32_t seqnum;
};

/* What both sides can compute, and nobody else; of no meaning without a DH group. To be wiped. */
struct nvme_session {
	uint8_t digest[NVME_HASH_MAX];
	uint8_t shared[NVME_DH_MAX];
};

/* @peer: the host's public value. Return: false: it is none of the group. */
bool nvme_session_make(struct nvme_session *session, const struct nvme_auth *auth,
		       const uint8_t *peer);

/*
 * Makes the response that a prover with this secret gives.
 *
 * @secret: as the embedder gives it; NULL or "": there is none.
 * Return: NULL, or why there is no response.
 */
const char *nvme_proof_make(const struct nvme_auth *auth, const struct nvme_session *session,
			    const struct nvme_proof *proof, const char *secret, uint8_t *response);

#endif
