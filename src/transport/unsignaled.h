/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unsignaled posts: those that ask for no completion. A send queue completes in order, so while a queue pair is
 * busy one completion for several posts is enough. What the others have comes back with it; or, once the queue
 * pair has been idle for a moment, with a mark (rdmat_sendq_mark()); or with a mark at once when somebody waits
 * for what they have, the target drains or the queue pair ends. Poll group's thread.
 */
#ifndef WRASSE_TRANSPORT_UNSIGNALED_H
#define WRASSE_TRANSPORT_UNSIGNALED_H

#include "transport/qp.h"

/* So many WRs at most, or half of the send queue. */
#define RDMAT_UNSIGNALED_WRS 16

/* Whether what a queue pair posts now may go without a completion: then that is noted. */
bool rdmat_unsignaled_post(struct rdmat_qp *qp);

/* Somebody waits for what others have: in this poll they are marked. */
void rdmat_unsignaled_wanted(struct wrasse_poll_group *group);

/* Does so, as long as somebody waits. */
void rdmat_unsignaled_settle(struct wrasse_poll_group *group);

/* group->unsignaled_until has come: marks who is idle. It has a timer of its own, since those of all queue pairs are
 * looked at when one of them is due. */
void rdmat_unsignaled_timer(struct wrasse_poll_group *group);

/* A queue pair is in the error state: posts a mark, which is flushed behind all that it has. */
void rdmat_unsignaled_end(struct rdmat_qp *qp);

#endif
