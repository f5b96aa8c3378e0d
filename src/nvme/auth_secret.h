/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Secrets as operators write them, and the keys that are made of them (NVMe Base 2.0 8.13.5.8).
 * Pure functions; any thread. Who holds a secret or a key wipes it.
 */
#ifndef WRASSE_NVME_AUTH_SECRET_H
#define WRASSE_NVME_AUTH_SECRET_H

#include "nvme/auth_crypto.h"

/* A secret that was read. */
struct nvme_secret {
	uint8_t hash; /* enum nvme_hash: what turns it into a key; 0: it is one as it is */
	uint32_t len; /* 32, 48 or 64 */
	uint8_t bytes[64];
};

/* The key that responses are made with. */
struct nvme_key {
	uint32_t len;
	uint8_t bytes[64];
};

/* Return: NULL, or what is wrong, as the end of a sentence. */
const char *nvme_secret_parse(struct nvme_secret *secret, const char *text, size_t len);

/* @nqn: of the host for a host's secret, of the subsystem for a controller's. */
bool nvme_secret_make_key(const struct nvme_secret *secret, const char *nqn, struct nvme_key *key);

#endif
