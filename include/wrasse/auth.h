/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In-band authentication (DH-HMAC-CHAP, NVMe Base 2.0 8.13): a host proves on every queue that it
 * knows its secret, and the controller can prove that it knows its own.
 */
#ifndef WRASSE_AUTH_H
#define WRASSE_AUTH_H

#include <wrasse/base.h>

WRASSE_BEGIN_DECLS

/* Bytes that the longest secret takes, with its NUL. */
#define WRASSE_SECRET_SIZE 104

/* Hash functions for challenges and responses, as bits. */
enum wrasse_auth_hash {
	WRASSE_AUTH_SHA256 = 1 << 0,
	WRASSE_AUTH_SHA384 = 1 << 1,
	WRASSE_AUTH_SHA512 = 1 << 2,
};

/* Diffie-Hellman groups (RFC 7919), as bits. */
enum wrasse_auth_group {
	WRASSE_AUTH_DH_NULL = 1 << 0, /* none: who listens can try secrets at leisure */
	WRASSE_AUTH_FFDHE2048 = 1 << 1,
	WRASSE_AUTH_FFDHE3072 = 1 << 2,
	WRASSE_AUTH_FFDHE4096 = 1 << 3,
	WRASSE_AUTH_FFDHE6144 = 1 << 4,
	WRASSE_AUTH_FFDHE8192 = 1 << 5,
};

/*
 * The secrets for one host and one subsystem, in the form that nvme gen-dhchap-key prints:
 * "DHHC-1:", two digits of a hash, ":", base64 of a key of 32, 48 or 64 bytes and its CRC-32, ":".
 */
struct wrasse_auth_keys {
	char host[WRASSE_SECRET_SIZE]; /* the host's secret */
	/* The controller's; "": none, and a host that asks for its proof is refused. */
	char controller[WRASSE_SECRET_SIZE];
};

/*
 * That the hosts of a subsystem must authenticate themselves, and how. Of what a host offers and
 * these masks allow, the strongest hash is taken, and the smallest group from ffdhe3072 up, else
 * ffdhe2048, else none. Each authentication costs the poll group's thread two exponentiations,
 * which take (OpenSSL 3.0 on a 2.4 GHz core) 0.3 ms each with ffdhe2048, 0.9 with ffdhe3072, 1.8 with
 * ffdhe4096, 4 with ffdhe6144 and 8.5 with ffdhe8192. A poll makes one of them at most.
 */
struct wrasse_auth_opts {
	size_t size;     /* sizeof(struct wrasse_auth_opts) */
	uint32_t hashes; /* enum wrasse_auth_hash; 0: all */
	uint32_t groups; /* enum wrasse_auth_group; 0: all */

	/*
	 * Gives the secrets of a host: once for each authentication, that is for each of its queues
	 * and whenever it authenticates itself again, so that a secret which has changed counts from
	 * the next one on. The library wipes its copy before the poll call returns. Required.
	 *
	 * @hostnqn, @subnqn: who authenticates itself to whom; valid during the call.
	 * @keys: all zero; to be filled.
	 *
	 * Context: the thread of a poll group, from wrasse_poll_group_poll() or _arm(); groups may
	 * call at the same time. It must not block: what takes long belongs in a cache.
	 * Return: 0; a negative errno value refuses the host.
	 */
	int (*get_key)(void *ctx, const char *hostnqn, const char *subnqn,
		       struct wrasse_auth_keys *keys);
	void *ctx; /* given to get_key */
};

static inline void wrasse_auth_opts_init(struct wrasse_auth_opts *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->size = sizeof(*opts);
}

/*
 * Whether a text is a secret, for who wants to know before the first host comes.
 *
 * @secret: the text; not NULL.
 *
 * Context: any thread, also a callback.
 * Return: NULL: it is; else what is wrong, as the end of a sentence about the secret: a constant
 * string that the library owns. The secret is never part of it.
 */
WRASSE_API const char *wrasse_auth_check_secret(const char *secret);

WRASSE_END_DECLS

#endif
