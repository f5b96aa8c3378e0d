/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prints what src/nvme/auth_proof.c and auth_crypto.c make of fixed inputs, one line each, for
 * auth_vectors.py to compute again by itself.
 */
#include "auth_host.h"

#include "nvme/auth_proof.h"

#define HOSTNQN "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555"
#define SUBNQN  "nqn.2026-01.org.example:one"

static void print_hex(const char *name, const uint8_t *bytes, size_t len)
{
	printf(" %s=", name);
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
}

/* Bytes that are the same in every run, and other ones for every seed. */
static void fill(uint8_t *bytes, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(seed >> 24);
	}
}

static void print_one(unsigned hash, unsigned group, const char *secret, bool controller)
{
	struct nvme_auth auth = {.hash = (uint8_t)hash, .group = (uint8_t)group, .tid = 0xbeef};
	struct nvme_proof proof = {"HostHost", HOSTNQN, SUBNQN, auth.challenge, 0x89abcdef};
	uint8_t peer[NVME_DH_MAX], value[NVME_DH_MAX], response[NVME_HASH_MAX];
	uint32_t len = nvme_dh_len(group);
	struct nvme_session session;

	if (controller)
		proof = (struct nvme_proof){"Controller", SUBNQN, HOSTNQN, auth.challenge, 7};
	fill(auth.challenge, sizeof(auth.challenge), hash * 100 + group);
	fill(auth.exponent, sizeof(auth.exponent), group + 1);
	fill(peer, sizeof(peer), group + 2);
	/* Below the prime, whose first eight bytes are all 1s. */
	peer[0] = 0x7f;
	if ((group && !nvme_crypto_dh_public(group, auth.exponent, value)) ||
	    !nvme_session_make(&session, &auth, peer) ||
	    nvme_proof_make(&auth, &session, &proof, secret, response))
		printf("failed");
	printf("hash=%u group=%u secret=%s role=%s prover=%s verifier=%s seqnum=%u tid=%u", hash,
	       group, secret, proof.role, proof.prover, proof.verifier, proof.seqnum, auth.tid);
	print_hex("challenge", auth.challenge, nvme_hash_len(hash));
	if (group) {
		print_hex("exponent", auth.exponent, nvme_dh_secret_len(group));
		print_hex("peer", peer, len);
		print_hex("public", value, len);
		print_hex("shared", session.shared, len);
	}
	print_hex("response", response, nvme_hash_len(hash));
	printf("\n");
}

int main(void)
{
	static const char *const secrets[] = {DHCHAP_SECRET_00, DHCHAP_SECRET_01, DHCHAP_SECRET_02,
					      DHCHAP_SECRET_03};

	for (unsigned hash = NVME_HASH_SHA256; hash < NVME_HASH_COUNT; hash++) {
		for (unsigned group = NVME_DH_NULL; group < NVME_DH_COUNT; group++) {
			/* Secrets do not depend on large groups, and those take their time. */
			for (unsigned i = 0; i < (group < NVME_DH_3072 ? 8 : 2); i++)
				print_one(hash, group, secrets[i / 2], i & 1);
		}
	}
	return 0;
}
