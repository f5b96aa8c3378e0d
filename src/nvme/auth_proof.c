/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Responses to challenges, as both sides make them: keys live here for the time of one function.
 * Pure functions; any thread.
 */
#include "nvme/auth_proof.h"

#include <wrasse/auth.h>

#include "nvme/wire.h"

bool nvme_session_make(struct nvme_session *session, const struct nvme_auth *auth,
		       const uint8_t *peer)
{
	return auth->group == NVME_DH_NULL ||
	       (nvme_crypto_dh_shared(auth->group, auth->exponent, peer, session->shared) &&
		nvme_crypto_digest(auth->hash, session->shared, nvme_dh_len(auth->group),
				   session->digest));
}

static uint8_t *append(uint8_t *at, const void *data, size_t len)
{
	memcpy(at, data, len);
	return at + len;
}

/* RESPONSE = HMAC(key, challenge || seqnum || tid || sc_c || role || prover || 0 || verifier). */
static bool response_make(const struct nvme_auth *auth, const struct nvme_session *session,
			  const struct nvme_proof *proof, const struct nvme_key *key,
			  uint8_t *response)
{
	uint8_t text[NVME_HASH_MAX + 4 + 2 + 1 + 10 + 256 + 1 + 256];
	uint32_t hash_len = nvme_hash_len(auth->hash);
	uint8_t *at = text + hash_len;
	nvme_le32 seqnum;
	nvme_le16 tid;

	memcpy(text, proof->challenge, hash_len);
	if (auth->group != NVME_DH_NULL && !nvme_crypto_hmac(auth->hash, session->digest, hash_len,
							     proof->challenge, hash_len, text))
		return false;
	nvme_put32(&seqnum, proof->seqnum);
	nvme_put16(&tid, auth->tid);
	at = append(at, &seqnum, sizeof(seqnum));
	at = append(at, &tid, sizeof(tid));
	*at++ = 0; /* SC_C */
	at = append(at, proof->role, strlen(proof->role));
	at = append(at, proof->prover, strlen(proof->prover) + 1);
	at = append(at, proof->verifier, strlen(proof->verifier));
	return nvme_crypto_hmac(auth->hash, key->bytes, key->len, text, (size_t)(at - text),
				response);
}

const char *nvme_proof_make(const struct nvme_auth *auth, const struct nvme_session *session,
			    const struct nvme_proof *proof, const char *text, uint8_t *response)
{
	struct nvme_secret secret;
	struct nvme_key key;
	const char *why = NULL;

	if (!text || !*text)
		return "there is no secret";
	if (nvme_secret_parse(&secret, text, strnlen(text, WRASSE_SECRET_SIZE)))
		why = "the secret is malformed";
	else if (!nvme_secret_make_key(&secret, proof->prover, &key) ||
		 !response_make(auth, session, proof, &key, response))
		why = "OpenSSL could not make a response";
	nvme_crypto_wipe(&secret, sizeof(secret));
	nvme_crypto_wipe(&key, sizeof(key));
	return why;
}
