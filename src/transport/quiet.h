/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quiet posts: those that ask for no completion. A post tells with its last WR that all of it is through;
 * while a queue pair is busy one in several is enough, since a send queue completes in order. What they have
 * comes back with the next completion, of which there is one after a few WRs; or with a mark (see
 * rdmat_sendq_mark()) once the queue pair has been idle for a moment, or as soon as somebody waits for it, the
 * target drains or the queue pair ends. Poll group's thread.
 */
#ifndef WRASSE_TRANSPORT_QUIET_H
#define WRASSE_TRANSPORT_QUIET_H

#include "transport/qp.h"

/* So many WRs at most without a completion behind them. */
#define RDMAT_QUIET_WRS 16

/* Whether what a queue pair posts now may be quiet: then it is noted. */
bool rdmat_quiet_post(struct rdmat_qp *qp);

/* Somebody waits for what others have: in this poll all that is quiet is marked. */
void rdmat_quiet_wanted(struct wrasse_poll_group *group);

/* Does so, as long as somebody waits. */
void rdmat_quiet_settle(struct wrasse_poll_group *group);

/* Marks what has been quiet for long. Return: when to look again. */
uint64_t rdmat_quiet_timers(struct wrasse_poll_group *group, uint64_t now_ns);

/* A queue pair is in the error state: posts a mark, which is flushed behind all that it has. */
void rdmat_quiet_end(struct rdmat_qp *qp);

#endif
