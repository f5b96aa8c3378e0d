/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Abort commands whose outcome is not known at once. The queue of the command that one names may
 * live in another poll group: a message goes there and comes back, and the Abort is answered then, or
 * when its time is up. Each function belongs to the thread of the group that it is about.
 */
#ifndef WRASSE_TRANSPORT_ABORT_H
#define WRASSE_TRANSPORT_ABORT_H

#include "transport/request.h"

/* One Abort on its way; it belongs to the group that its message is at. */
struct rdmat_abort {
	struct rdmat_msg msg;
	struct nvme_abort what;
	struct wrasse_poll_group *home; /* of the Abort command; NULL: not in use */
	bool aborted;                   /* the outcome */
	_Atomic(bool) decided; /* that the command is ended, or that the host was told it is not */
	/* These are home's all the time. */
	struct rdmat_request *command; /* the Abort; NULL: it was answered, or is flushed */
	uint64_t end_ns;               /* it is answered by then */
};

/* @request: an Abort that said NVME_ABORT, and is held. */
void rdmat_abort_start(struct rdmat_request *request);

/* A request that an Abort waits for has come to where it can be ended. Return: whether it was; else the
 * Abort has been answered before, and the request goes on. */
bool rdmat_abort_end(struct rdmat_request *victim);

/* A request that is an Abort, or that one waits for, moves: see rdmat_request_move(). */
void rdmat_abort_moves(struct rdmat_request *request, enum rdmat_request_state to);

/* Answers those whose time is up. Return: when the next one's is; UINT64_MAX: there is none. */
uint64_t rdmat_abort_timers(struct wrasse_poll_group *group, uint64_t now_ns);

#endif
