/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's side of DH-HMAC-CHAP: messages made and looked at. It waits for nothing and keeps nothing but
 * what its struct shows.
 */
#include "dhchap.h"

#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "wire.h"

#define OWN_SEQNUM 0x01020304u

static const struct {
	const EVP_MD *(*md)(void);
	uint32_t len;
} hashes[] = {{NULL, 0}, {EVP_sha256, 32}, {EVP_sha384, 48}, {EVP_sha512, 64}};

static const struct {
	const char *name;
	uint32_t len;
} groups[] = {{NULL, 0},          {"ffdhe2048", 256}, {"ffdhe3072", 384},
	      {"ffdhe4096", 512}, {"ffdhe6144", 768}, {"ffdhe8192", 1024}};

static void head(const struct dhchap *host, uint8_t *msg, unsigned kind, size_t len)
{
	memset(msg, 0, len);
	msg[DHCHAP_TYPE] = (uint8_t)(kind >> 8);
	msg[DHCHAP_ID] = (uint8_t)kind;
	wire_put16(msg, DHCHAP_TID, host->tid);
}

/* ---- messages without secrets ---- */

size_t dhchap_negotiate(const struct dhchap *host, uint8_t *msg)
{
	head(host, msg, DHCHAP_NEGOTIATE, DHCHAP_NEGOTIATE_LEN);
	msg[DHCHAP_NAPD] = 1;
	msg[DHCHAP_PROTOCOL] = 1;
	for (uint8_t i = 0; i < 3; i++)
		if (host->hashes & 1u << i)
			msg[12 + msg[DHCHAP_HASHES]++] = i + 1;
	for (uint8_t i = 0; i < 6; i++)
		if (host->groups & 1u << i)
			msg[42 + msg[DHCHAP_GROUPS]++] = i;
	return DHCHAP_NEGOTIATE_LEN;
}

size_t dhchap_success2(const struct dhchap *host, uint8_t *msg)
{
	head(host, msg, DHCHAP_SUCCESS2, DHCHAP_SUCCESS2_LEN);
	return DHCHAP_SUCCESS2_LEN;
}

size_t dhchap_failure2(const struct dhchap *host, uint8_t *msg)
{
	head(host, msg, DHCHAP_FAILURE2, DHCHAP_FAILURE_LEN);
	msg[6] = 1;
	msg[DHCHAP_RCE] = DHCHAP_RCE_FAILED;
	return DHCHAP_FAILURE_LEN;
}

/* ---- proofs ---- */

/* The key of a secret, tied to the NQN of who proves with it. Return: its length; 0: it is no secret. */
static uint32_t key_of(const char *secret, const char *nqn, uint8_t *key)
{
	unsigned hash = (unsigned)(secret[8] - '0');
	const char *base64 = secret + 10;
	size_t len = strlen(base64) - 1;
	uint8_t raw[128];
	char text[512];
	unsigned key_len = 0;
	int count = EVP_DecodeBlock(raw, (const uint8_t *)base64, (int)len);

	for (size_t i = len; base64[i - 1] == '='; i--)
		count--;
	count -= 4;
	if (hash > 3 || (count != 32 && count != 48 && count != 64))
		return 0;
	if (hash == 0) {
		memcpy(key, raw, (size_t)count);
		return (uint32_t)count;
	}
	snprintf(text, sizeof(text), "%sNVMe-over-Fabrics", nqn);
	HMAC(hashes[hash].md(), raw, count, (uint8_t *)text, strlen(text), key, &key_len);
	return key_len;
}

struct proof {
	const char *secret, *role, *prover, *verifier;
	const uint8_t *challenge;
	uint32_t seqnum;
};

static bool respond(const struct dhchap *host, const struct proof *proof, const uint8_t *session,
		    uint8_t *response)
{
	const EVP_MD *md = hashes[host->hash].md();
	uint8_t key[64], text[1024];
	uint32_t key_len = key_of(proof->secret, proof->prover, key);
	size_t at = host->hash_len;

	memcpy(text, proof->challenge, host->hash_len);
	if (host->group)
		HMAC(md, session, (int)host->hash_len, proof->challenge, host->hash_len, text,
		     NULL);
	wire_put32(text, at, proof->seqnum);
	wire_put16(text, at + 4, host->tid);
	text[at + 6] = 0;
	at += 7;
	at += (size_t)sprintf((char *)text + at, "%s%s", proof->role, proof->prover) + 1;
	at += (size_t)sprintf((char *)text + at, "%s", proof->verifier);
	return key_len && HMAC(md, key, (int)key_len, text, at, response, NULL);
}

/* The digest of what a key pair shares with the peer. */
static bool derive(const struct dhchap *host, EVP_PKEY *own, const uint8_t *peer, uint8_t *digest)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	EVP_PKEY *other = EVP_PKEY_new();
	uint8_t shared[1024];
	size_t len = sizeof(shared);
	bool good = EVP_PKEY_copy_parameters(other, own) == 1 &&
		    EVP_PKEY_set1_encoded_public_key(other, peer, host->dh_len) == 1 &&
		    EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_CTX_set_dh_pad(ctx, 1) == 1 &&
		    EVP_PKEY_derive_set_peer_ex(ctx, other, 0) == 1 &&
		    EVP_PKEY_derive(ctx, shared, &len) == 1 && len == host->dh_len &&
		    EVP_Digest(shared, len, digest, NULL, hashes[host->hash].md(), NULL) == 1;

	EVP_PKEY_free(other);
	EVP_PKEY_CTX_free(ctx);
	return good;
}

/* Makes a key pair; stores its public value and the digest of what it shares with the peer. */
static bool exchange(const struct dhchap *host, const uint8_t *peer, uint8_t *value,
		     uint8_t *digest)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	/* OpenSSL does not write to the name. */
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(
				       "group", (char *)(uintptr_t)groups[host->group].name, 0),
			       OSSL_PARAM_construct_end()};
	EVP_PKEY *own = NULL;
	uint8_t *encoded = NULL;
	bool good = EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_params(ctx, params) == 1 &&
		    EVP_PKEY_keygen(ctx, &own) == 1 &&
		    EVP_PKEY_get1_encoded_public_key(own, &encoded) == host->dh_len;

	EVP_PKEY_CTX_free(ctx);
	if (good)
		memcpy(value, encoded, host->dh_len);
	good = good && derive(host, own, peer, digest);
	OPENSSL_free(encoded);
	EVP_PKEY_free(own);
	return good;
}

size_t dhchap_reply(struct dhchap *host, const uint8_t *challenge, uint8_t *msg)
{
	size_t len = DHCHAP_VALUE + 2 * host->hash_len + host->dh_len;
	const struct proof proof = {host->secret,
				    "HostHost",
				    host->hostnqn,
				    host->subnqn,
				    challenge + DHCHAP_VALUE,
				    wire_get32(challenge, DHCHAP_SEQNUM)};
	const struct proof wanted = {host->ctrl_secret, "Controller", host->subnqn,
				     host->hostnqn,     host->own,    OWN_SEQNUM};
	uint8_t session[64] = {0};
	uint8_t *value = msg + DHCHAP_VALUE;

	head(host, msg, DHCHAP_REPLY, len);
	msg[DHCHAP_HL] = (uint8_t)host->hash_len;
	wire_put16(msg, DHCHAP_DHVLEN, (uint16_t)host->dh_len);
	if (host->group && !exchange(host, challenge + DHCHAP_VALUE + host->hash_len,
				     value + 2 * (size_t)host->hash_len, session))
		return 0;
	if (!respond(host, &proof, session, value))
		return 0;
	if (!host->ctrl_secret)
		return len;
	msg[DHCHAP_VALID] = 1;
	wire_put32(msg, DHCHAP_SEQNUM, OWN_SEQNUM);
	if (RAND_bytes(host->own, (int)host->hash_len) != 1)
		return 0;
	memcpy(value + host->hash_len, host->own, host->hash_len);
	return respond(host, &wanted, session, host->expected) ? len : 0;
}

/* ---- messages that come ---- */

static const char *check_head(const struct dhchap *host, const uint8_t *msg, unsigned kind)
{
	if (dhchap_kind(msg) != kind)
		return "it is another message";
	if (msg[2] || msg[3])
		return "reserved bytes are not zero";
	return wire_get16(msg, DHCHAP_TID) == host->tid ? NULL : "it is of another transaction";
}

const char *dhchap_take_challenge(struct dhchap *host, const uint8_t *msg, size_t len)
{
	const char *why =
		len < DHCHAP_VALUE ? "it is short" : check_head(host, msg, DHCHAP_CHALLENGE);

	if (why)
		return why;
	host->hash = msg[8];
	host->group = msg[9];
	if (host->hash < 1 || host->hash > 3 || !(host->hashes & 1u << (host->hash - 1)))
		return "its hash was not offered";
	if (host->group > 5 || !(host->groups & 1u << host->group))
		return "its DH group was not offered";
	host->hash_len = hashes[host->hash].len;
	host->dh_len = groups[host->group].len;
	if (msg[DHCHAP_HL] != host->hash_len || wire_get16(msg, DHCHAP_DHVLEN) != host->dh_len)
		return "its lengths are not those of its hash and DH group";
	if (wire_get32(msg, DHCHAP_SEQNUM) == 0)
		return "its sequence number is 0";
	return len < DHCHAP_VALUE + host->hash_len + host->dh_len ? "it is short" : NULL;
}

const char *dhchap_take_success1(const struct dhchap *host, const uint8_t *msg, size_t len)
{
	static const uint8_t none[64];
	const char *why = len < DHCHAP_VALUE + host->hash_len ?
				  "it is short" :
				  check_head(host, msg, DHCHAP_SUCCESS1);

	if (why)
		return why;
	if (msg[DHCHAP_HL] != host->hash_len)
		return "its length is not that of the hash";
	if (msg[DHCHAP_VALID] != (host->ctrl_secret != NULL))
		return "it says wrongly whether the controller proves itself";
	return memcmp(msg + DHCHAP_VALUE, host->ctrl_secret ? host->expected : none,
		      host->hash_len) ?
		       "the controller's proof is wrong" :
		       NULL;
}
