/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What cases of authentication share: a queue, its host's side of DH-HMAC-CHAP, and the steps of a transaction that
 * goes well. Each says in words what it expected, through the case's context.
 */
#ifndef HOST_TALK_H
#define HOST_TALK_H

#include "dhchap.h"
#include "probe.h"

#define TALK_OFF_IN  8192u /* of the queue's memory: where messages that come are */
#define TALK_MAX     4096u /* bytes of a message: TL that a target must take */
#define TALK_NULL_DH 1u

/* An authentication on one queue. */
struct talk {
	struct probe *p;
	struct host_queue *q;
	struct dhchap dhchap;
	uint8_t msg[TALK_MAX]; /* to be sent */
	uint8_t got[TALK_MAX]; /* the last that came */
	const char *what;      /* is being tried */
};

/* A queue whose Connect says that authentication is required; NULL: it does not. @cntlid: set for queue 0. */
struct host_queue *talk_queue(struct probe *p, uint16_t qid, uint16_t *cntlid, uint32_t kato_ms);
/* @q: NULL is legal, and fails. */
bool talk_on(struct probe *p, struct talk *t, struct host_queue *q);
/* On a new admin queue. */
bool talk_anew(struct probe *p, struct talk *t);

struct host_cmd talk_cmd(const struct host_queue *q, uint8_t fctype, uint32_t off, uint32_t len);
/* Sends so much of msg. */
bool talk_send(struct talk *t, size_t len);
/* Asks for the next message, which must be of this kind. */
bool talk_receive(struct talk *t, unsigned kind);
bool talk_is_right(struct talk *t, const char *message, const char *why);
/* Asks for Failure1 with this reason, and sees the connection end. */
bool talk_fails(struct talk *t, uint8_t rce);

bool talk_to_challenge(struct talk *t);
/* The Reply is in msg. Return: its length, 0: it did not come so far. */
size_t talk_to_reply(struct talk *t);
bool talk_to_success1(struct talk *t);
/* All of it, in a new transaction. */
bool talk_authenticate(struct talk *t);

bool talk_enable(struct talk *t);
bool talk_flush(struct talk *t, uint16_t status);
/* A controller with an I/O queue, both open. */
bool talk_both_queues(struct probe *p, struct talk *admin, struct talk *io, const char *ctrl_secret,
		      uint32_t groups);
/* One other command, or every opcode and every Fabrics command, is refused for want of authentication. */
bool talk_is_closed(struct talk *t);
bool talk_nothing_else(struct talk *t);

#endif
