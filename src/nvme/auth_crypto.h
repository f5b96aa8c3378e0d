/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cryptography that authentication needs, over OpenSSL: the only part of the library that knows
 * it. Pure functions but for the random bytes; any thread. They may allocate, inside OpenSSL.
 */
#ifndef WRASSE_NVME_AUTH_CRYPTO_H
#define WRASSE_NVME_AUTH_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As on the wire (NVMe Base 2.0 8.13.5.1). */
enum nvme_hash { NVME_HASH_SHA256 = 1, NVME_HASH_SHA384, NVME_HASH_SHA512, NVME_HASH_COUNT };

enum nvme_dh {
	NVME_DH_NULL,
	NVME_DH_2048,
	NVME_DH_3072,
	NVME_DH_4096,
	NVME_DH_6144,
	NVME_DH_8192,
	NVME_DH_COUNT
};

#define NVME_HASH_MAX      64   /* bytes of a digest */
#define NVME_DH_MAX        1024 /* bytes of a prime */
#define NVME_DH_SECRET_MAX 56   /* bytes of a private exponent */

uint32_t nvme_hash_len(enum nvme_hash hash);

/* Bytes of the group's public values and shared secrets; 0 for NVME_DH_NULL. */
uint32_t nvme_dh_len(enum nvme_dh group);

/* Bytes of a private exponent: any random bytes are one. */
uint32_t nvme_dh_secret_len(enum nvme_dh group);

/* Those that return bool: whether it was done; @out is worth nothing otherwise. */

bool nvme_crypto_random(void *buf, size_t len);
bool nvme_crypto_digest(enum nvme_hash hash, const void *data, size_t len, uint8_t *out);
bool nvme_crypto_hmac(enum nvme_hash hash, const uint8_t *key, size_t key_len, const void *data,
		      size_t len, uint8_t *out);

/* @out: the public value of a private exponent, big-endian, padded to nvme_dh_len(). */
bool nvme_crypto_dh_public(enum nvme_dh group, const uint8_t *secret, uint8_t *out);

/* @peer: the other side's public value, which is refused if it is not from 2 to p - 2. */
bool nvme_crypto_dh_shared(enum nvme_dh group, const uint8_t *secret, const uint8_t *peer,
			   uint8_t *out);

/* In a time that does not depend on the bytes. */
bool nvme_crypto_equal(const void *a, const void *b, size_t len);

/* Zeroes, whatever the compiler thinks of it. */
void nvme_crypto_wipe(void *buf, size_t len);

#endif
