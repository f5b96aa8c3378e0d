/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The authentication of one queue's host (DH-HMAC-CHAP, NVMe Base 2.0 8.13): the controller's side
 * of a transaction, from (state, message) to (state, message). It sees no command, no embedder and
 * no clock, and allocates nothing by itself. The thread of the queue's group.
 */
#ifndef WRASSE_NVME_AUTH_H
#define WRASSE_NVME_AUTH_H

#include "nvme/auth_secret.h"

/* The states, in the order of a transaction that succeeds. */
enum nvme_auth_state {
	NVME_AUTH_IDLE,      /* none is under way; a Negotiate begins one */
	NVME_AUTH_CHALLENGE, /* the host is to fetch the Challenge */
	NVME_AUTH_REPLY,     /* the host is to send its Reply */
	NVME_AUTH_SUCCESS1,  /* the host is to fetch Success1 */
	NVME_AUTH_SUCCESS2,  /* the host is to send Success2 */
	NVME_AUTH_FAILURE1,  /* the host is to fetch Failure1 */
	NVME_AUTH_OVER,      /* it failed, and both sides know: the queue must end */
	NVME_AUTH_STATE_COUNT
};

struct nvme_auth {
	uint8_t state;   /* enum nvme_auth_state */
	uint8_t hash;    /* enum nvme_hash; negotiated, as is group */
	uint8_t group;   /* enum nvme_dh */
	uint8_t failure; /* enum nvme_auth_rce, once it failed */
	bool passed;     /* the host has authenticated itself on this queue, now or earlier */
	bool mutual;     /* in this transaction the controller does so as well */
	uint16_t tid;
	uint32_t seqnum; /* of the last challenge; never 0 once there was one */
	const char *why; /* a constant phrase, once it failed */
	uint8_t challenge[NVME_HASH_MAX];
	uint8_t exponent[NVME_DH_SECRET_MAX]; /* private */
	uint8_t response[NVME_HASH_MAX];      /* the controller's, for Success1 */
};

/* Who authenticates itself to whom, and by which means. */
struct nvme_auth_sides {
	const char *hostnqn;
	const char *subnqn;
	uint32_t hashes; /* enum wrasse_auth_hash; 0: all */
	uint32_t groups; /* enum wrasse_auth_group; 0: all */
};

/* Secrets as the embedder gives them; NULL: there is none. */
struct nvme_auth_secrets {
	const char *host;
	const char *controller;
};

/* What a message did. */
enum nvme_auth_result {
	NVME_AUTH_GOES_ON,
	NVME_AUTH_PASSED,       /* the transaction is complete */
	NVME_AUTH_FAILED,       /* and is over: see why */
	NVME_AUTH_OUT_OF_ORDER, /* there is no transaction in which it could have a meaning */
};

#define NVME_AUTH_MESSAGE_MAX (16 + 2 * NVME_HASH_MAX + NVME_DH_MAX) /* that are made here */

/* All zero is a queue on which nothing was said yet. */

/* Whether this message needs secrets and much time: the Reply that is expected. */
bool nvme_auth_send_is_heavy(const struct nvme_auth *auth, const uint8_t *msg, size_t len);

/*
 * A message came from the host. A wrong one makes the transaction fail, which the host learns when
 * it asks for the answer.
 *
 * @len: bytes of it; may be fewer than any message has.
 * @secrets: NULL if it is not heavy.
 */
enum nvme_auth_result nvme_auth_send(struct nvme_auth *auth, const struct nvme_auth_sides *sides,
				     const struct nvme_auth_secrets *secrets, const uint8_t *msg,
				     size_t len);

/* Whether the next message to the host takes much time to make: a Challenge. */
bool nvme_auth_receive_is_heavy(const struct nvme_auth *auth);

/* Bytes that the next message to the host has at most; 0: there is no transaction. */
size_t nvme_auth_receive_len(const struct nvme_auth *auth);

/*
 * The host asks for a message.
 *
 * @msg: NVME_AUTH_MESSAGE_MAX bytes.
 * @len: set to how many of them are the message; 0 with NVME_AUTH_OUT_OF_ORDER.
 */
enum nvme_auth_result nvme_auth_receive(struct nvme_auth *auth, uint8_t *msg, size_t *len);

/* Wipes what is secret. */
void nvme_auth_wipe(struct nvme_auth *auth);

#endif
