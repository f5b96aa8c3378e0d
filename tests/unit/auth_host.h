/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's side of DH-HMAC-CHAP for the tests, written from the specification and on OpenSSL's
 * high-level functions: it shares no line with src/nvme/auth*.c, not even the wire structs.
 */
#ifndef AUTH_HOST_H
#define AUTH_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#define AH_UNUSED __attribute__((unused))

/* Keys of 32, 48 and 64 bytes, counting up from 0, 1 and 2; made with Python's base64 and zlib. */
#define AH_SECRET_00 "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"
#define AH_SECRET_01 "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"
#define AH_SECRET_02 \
	"DHHC-1:02:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wyg3Bcw==:"
#define AH_SECRET_03 \
	"DHHC-1:03:AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9AQTfziLI=:"

#define AH_ALL 0x3f

struct auth_host {
	const char *hostnqn, *subnqn;
	const char *secret;      /* the host's */
	const char *ctrl_secret; /* NULL: the controller need not prove anything */
	uint32_t hashes, groups; /* that it offers: bit 0 is SHA-256, bit 0 is no group */
	uint16_t tid;
	/* what came out */
	uint8_t hash, group;
	uint32_t hash_len, dh_len;
	uint8_t own[64]; /* its challenge */
	uint8_t expected[64];
};

static const struct {
	const EVP_MD *(*md)(void);
	uint32_t len;
} ah_hashes[] = {{NULL, 0}, {EVP_sha256, 32}, {EVP_sha384, 48}, {EVP_sha512, 64}};

static const struct {
	const char *name;
	uint32_t len;
} ah_groups[] = {{NULL, 0},          {"ffdhe2048", 256}, {"ffdhe3072", 384},
		 {"ffdhe4096", 512}, {"ffdhe6144", 768}, {"ffdhe8192", 1024}};

static AH_UNUSED void ah_put(uint8_t *at, unsigned bytes, uint32_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static AH_UNUSED uint32_t ah_get(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint32_t)at[i] << 8 * i;
	return value;
}

static AH_UNUSED size_t ah_negotiate(struct auth_host *host, uint8_t *msg)
{
	memset(msg, 0, 72);
	ah_put(msg + 4, 2, host->tid);
	msg[7] = 1;
	msg[8] = 1;
	for (uint8_t i = 0; i < 3; i++) {
		if (host->hashes & 1u << i)
			msg[12 + msg[10]++] = i + 1;
	}
	for (uint8_t i = 0; i < 6; i++) {
		if (host->groups & 1u << i)
			msg[42 + msg[11]++] = i;
	}
	return 72;
}

/* The key of a secret, tied to the NQN of who proves with it. */
static AH_UNUSED uint32_t ah_key(const char *secret, const char *nqn, uint8_t *key)
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
	assert_true(count == 32 || count == 48 || count == 64);
	if (hash == 0) {
		memcpy(key, raw, (size_t)count);
		return (uint32_t)count;
	}
	snprintf(text, sizeof(text), "%sNVMe-over-Fabrics", nqn);
	assert_non_null(HMAC(ah_hashes[hash].md(), raw, count, (uint8_t *)text, strlen(text), key,
			     &key_len));
	return key_len;
}

static AH_UNUSED void ah_respond(const struct auth_host *host, const char *secret, const char *role,
				 const char *prover, const char *verifier, const uint8_t *challenge,
				 uint32_t seqnum, const uint8_t *session, uint8_t *response)
{
	const EVP_MD *md = ah_hashes[host->hash].md();
	uint8_t key[64], text[1024];
	uint32_t key_len = ah_key(secret, prover, key);
	size_t at = host->hash_len;

	memcpy(text, challenge, host->hash_len);
	if (host->group)
		HMAC(md, session, (int)host->hash_len, challenge, host->hash_len, text, NULL);
	ah_put(text + at, 4, seqnum);
	ah_put(text + at + 4, 2, host->tid);
	text[at + 6] = 0;
	at += 7;
	at += (size_t)sprintf((char *)text + at, "%s%s", role, prover) + 1;
	at += (size_t)sprintf((char *)text + at, "%s", verifier);
	assert_non_null(HMAC(md, key, (int)key_len, text, at, response, NULL));
}

/* Makes a key pair; stores its public value and the digest of what it shares with the peer. */
static AH_UNUSED void ah_exchange(const struct auth_host *host, const uint8_t *peer, uint8_t *value,
				  uint8_t *digest)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("group", (char *)ah_groups[host->group].name, 0),
		OSSL_PARAM_construct_end()};
	EVP_PKEY *own = NULL, *other = EVP_PKEY_new();
	uint8_t shared[1024], *encoded = NULL;
	size_t len = sizeof(shared);

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_params(ctx, params), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &own), 1);
	EVP_PKEY_CTX_free(ctx);
	assert_int_equal(EVP_PKEY_get1_encoded_public_key(own, &encoded), host->dh_len);
	memcpy(value, encoded, host->dh_len);
	OPENSSL_free(encoded);
	assert_int_equal(EVP_PKEY_copy_parameters(other, own), 1);
	assert_int_equal(EVP_PKEY_set1_encoded_public_key(other, peer, host->dh_len), 1);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_dh_pad(ctx, 1), 1);
	assert_int_equal(EVP_PKEY_derive_set_peer_ex(ctx, other, 0), 1);
	assert_int_equal(EVP_PKEY_derive(ctx, shared, &len), 1);
	assert_int_equal(len, host->dh_len);
	EVP_Digest(shared, len, digest, NULL, ah_hashes[host->hash].md(), NULL);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(own);
	EVP_PKEY_free(other);
}

/* Checks a Challenge to the last byte and answers it. @msg: the Reply. */
static AH_UNUSED size_t ah_reply(struct auth_host *host, const uint8_t *challenge, size_t len,
				 uint8_t *msg)
{
	uint8_t session[64] = {0};
	uint8_t *at = msg + 16;

	assert_true(len >= 16);
	assert_int_equal(challenge[0], 1);
	assert_int_equal(challenge[1], 1);
	assert_int_equal(ah_get(challenge + 4, 2), host->tid);
	host->hash = challenge[8];
	host->group = challenge[9];
	assert_true(host->hash >= 1 && host->hash <= 3 && host->group <= 5);
	assert_true(host->hashes & 1u << (host->hash - 1));
	assert_true(host->groups & 1u << host->group);
	host->hash_len = ah_hashes[host->hash].len;
	host->dh_len = ah_groups[host->group].len;
	assert_int_equal(challenge[6], host->hash_len);
	assert_int_equal(ah_get(challenge + 10, 2), host->dh_len);
	assert_int_not_equal(ah_get(challenge + 12, 4), 0);
	assert_int_equal(len, 16 + host->hash_len + host->dh_len);

	memset(msg, 0, 16 + 2 * host->hash_len + host->dh_len);
	msg[0] = 1;
	msg[1] = 2;
	ah_put(msg + 4, 2, host->tid);
	msg[6] = (uint8_t)host->hash_len;
	ah_put(msg + 10, 2, host->dh_len);
	if (host->group)
		ah_exchange(host, challenge + 16 + host->hash_len, at + 2 * host->hash_len,
			    session);
	ah_respond(host, host->secret, "HostHost", host->hostnqn, host->subnqn, challenge + 16,
		   ah_get(challenge + 12, 4), session, at);
	if (host->ctrl_secret) {
		msg[8] = 1;
		ah_put(msg + 12, 4, 0x01020304);
		RAND_bytes(host->own, (int)host->hash_len);
		memcpy(at + host->hash_len, host->own, host->hash_len);
		ah_respond(host, host->ctrl_secret, "Controller", host->subnqn, host->hostnqn,
			   host->own, 0x01020304, session, host->expected);
	}
	return 16 + 2 * host->hash_len + host->dh_len;
}

/* Checks a Success1 to the last byte. */
static AH_UNUSED void ah_check_success1(const struct auth_host *host, const uint8_t *msg,
					size_t len)
{
	static const uint8_t none[64];

	assert_int_equal(len, 16 + host->hash_len);
	assert_int_equal(msg[0], 1);
	assert_int_equal(msg[1], 3);
	assert_int_equal(ah_get(msg + 4, 2), host->tid);
	assert_int_equal(msg[6], host->hash_len);
	assert_int_equal(msg[8], host->ctrl_secret != NULL);
	assert_memory_equal(msg + 16, host->ctrl_secret ? host->expected : none, host->hash_len);
}

static AH_UNUSED size_t ah_success2(const struct auth_host *host, uint8_t *msg)
{
	memset(msg, 0, 16);
	msg[0] = 1;
	msg[1] = 4;
	ah_put(msg + 4, 2, host->tid);
	return 16;
}

static AH_UNUSED size_t ah_failure2(const struct auth_host *host, uint8_t *msg)
{
	memset(msg, 0, 8);
	msg[1] = 0xf0;
	ah_put(msg + 4, 2, host->tid);
	msg[6] = 1;
	msg[7] = 1;
	return 8;
}

#endif
