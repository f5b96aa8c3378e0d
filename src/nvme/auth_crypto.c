/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cryptography of authentication, over OpenSSL's libcrypto. It leaves nothing in OpenSSL's error
 * queue, which belongs to the embedder's thread. Any thread.
 */
#include "nvme/auth_crypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

static const struct {
	const char *name;
	uint32_t len;
} hashes[NVME_HASH_COUNT] = {
	[NVME_HASH_SHA256] = {"SHA256", 32},
	[NVME_HASH_SHA384] = {"SHA384", 48},
	[NVME_HASH_SHA512] = {"SHA512", 64},
};

/* Exponents are as long as RFC 7919 appendix A asks for, or a little longer. */
static const struct {
	const char *name;
	uint32_t len;
	uint32_t secret_len;
} groups[NVME_DH_COUNT] = {
	[NVME_DH_2048] = {"ffdhe2048", 256, 32},  [NVME_DH_3072] = {"ffdhe3072", 384, 40},
	[NVME_DH_4096] = {"ffdhe4096", 512, 48},  [NVME_DH_6144] = {"ffdhe6144", 768, 48},
	[NVME_DH_8192] = {"ffdhe8192", 1024, 56},
};

uint32_t nvme_hash_len(enum nvme_hash hash)
{
	return hashes[hash].len;
}

uint32_t nvme_dh_len(enum nvme_dh group)
{
	return groups[group].len;
}

uint32_t nvme_dh_secret_len(enum nvme_dh group)
{
	return groups[group].secret_len;
}

/* ---- bytes ---- */

bool nvme_crypto_random(void *buf, size_t len)
{
	bool good;

	ERR_set_mark();
	good = RAND_bytes(buf, (int)len) == 1;
	ERR_pop_to_mark();
	return good;
}

bool nvme_crypto_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void nvme_crypto_wipe(void *buf, size_t len)
{
	OPENSSL_cleanse(buf, len);
}

/* ---- hashes ---- */

bool nvme_crypto_digest(enum nvme_hash hash, const void *data, size_t len, uint8_t *out)
{
	bool good;

	ERR_set_mark();
	good = EVP_Q_digest(NULL, hashes[hash].name, NULL, data, len, out, NULL) == 1;
	ERR_pop_to_mark();
	return good;
}

bool nvme_crypto_hmac(enum nvme_hash hash, const uint8_t *key, size_t key_len, const void *data,
		      size_t len, uint8_t *out)
{
	bool good;

	ERR_set_mark();
	good = EVP_Q_mac(NULL, "HMAC", NULL, hashes[hash].name, NULL, key, key_len, data, len, out,
			 NVME_HASH_MAX, NULL) != NULL;
	ERR_pop_to_mark();
	return good;
}

/* ---- Diffie-Hellman ---- */

/* Return: the group's prime, to be freed; NULL: OpenSSL does not have it. */
static BIGNUM *dh_prime(enum nvme_dh group)
{
	/* OpenSSL does not write to the name. */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
						 (char *)(uintptr_t)groups[group].name, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	EVP_PKEY *domain = NULL;
	BIGNUM *prime = NULL;

	if (ctx && EVP_PKEY_paramgen_init(ctx) == 1 && EVP_PKEY_CTX_set_params(ctx, params) == 1 &&
	    EVP_PKEY_paramgen(ctx, &domain) == 1 &&
	    EVP_PKEY_get_bn_param(domain, OSSL_PKEY_PARAM_FFC_P, &prime) != 1)
		prime = NULL;
	EVP_PKEY_free(domain);
	EVP_PKEY_CTX_free(ctx);
	return prime;
}

/*
 * From 2 to p - 2. The groups' primes are safe ones, so that 1 and p - 1 are all that lies in a
 * small subgroup: the exponentiation by q that OpenSSL's own derivation can add shows no more, and
 * costs sixteen times as much as all the rest.
 */
static bool dh_peer_is_good(const BIGNUM *peer, const BIGNUM *prime)
{
	BIGNUM *last = BN_dup(prime);
	bool good = last && BN_sub_word(last, 1) == 1 && !BN_is_zero(peer) && !BN_is_one(peer) &&
		    BN_cmp(peer, last) < 0;

	BN_free(last);
	return good;
}

/* out = base ^ secret mod p, in a time that does not depend on the secret's bits. */
static bool dh_power(enum nvme_dh group, const uint8_t *secret, BIGNUM *base, uint8_t *out)
{
	BIGNUM *prime = dh_prime(group);
	BIGNUM *exponent = BN_secure_new();
	BIGNUM *power = BN_secure_new();
	BN_CTX *ctx = BN_CTX_secure_new();
	bool good = false;

	if (prime && exponent && power && ctx && base && dh_peer_is_good(base, prime) &&
	    BN_bin2bn(secret, (int)groups[group].secret_len, exponent)) {
		BN_set_flags(exponent, BN_FLG_CONSTTIME);
		good = BN_mod_exp_mont_consttime(power, base, exponent, prime, ctx, NULL) == 1 &&
		       BN_bn2binpad(power, out, (int)groups[group].len) > 0;
	}
	BN_CTX_free(ctx);
	BN_clear_free(power);
	BN_clear_free(exponent);
	BN_free(prime);
	return good;
}

bool nvme_crypto_dh_public(enum nvme_dh group, const uint8_t *secret, uint8_t *out)
{
	BIGNUM *two;
	bool good;

	ERR_set_mark();
	two = BN_new();
	good = two && BN_set_word(two, 2) == 1 && dh_power(group, secret, two, out);
	ERR_pop_to_mark();
	BN_free(two);
	return good;
}

bool nvme_crypto_dh_shared(enum nvme_dh group, const uint8_t *secret, const uint8_t *peer,
			   uint8_t *out)
{
	BIGNUM *base;
	bool good;

	ERR_set_mark();
	base = BN_bin2bn(peer, (int)groups[group].len, NULL);
	good = base && dh_power(group, secret, base, out);
	ERR_pop_to_mark();
	BN_free(base);
	return good;
}
