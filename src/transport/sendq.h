/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The send queue of a queue pair: WRs are queued during a poll and posted with one call at its end.
 * A send queue completes in order, so one FIFO of WRs is all the bookkeeping: a completion retires
 * everything up to it.
 */
#ifndef WRASSE_TRANSPORT_SENDQ_H
#define WRASSE_TRANSPORT_SENDQ_H

#include "transport/qp.h"

/* Answers: the response, with its data, is queued at once if there are slots for it, else it waits for
 * them. */
void rdmat_sendq_respond(struct rdmat_request *request);

/* Whether a response can be queued as a whole, and nobody waits to be before it. @data_wrs: of its data. */
bool rdmat_sendq_has_room(const struct rdmat_qp *qp, uint32_t data_wrs);

/*
 * Answers a command that goes straight: there is room for it.
 *
 * @with_data: its own WR is its data. @inv_rkey: the key that it invalidates, if @invalidate.
 */
void rdmat_sendq_answer(struct rdmat_qp *qp, struct rdmat_request *request, bool with_data,
			bool invalidate, uint32_t inv_rkey);

/* Whether a slot may be used for an RDMA READ now. */
bool rdmat_sendq_may_fetch(const struct rdmat_qp *qp);

/* Queues the one RDMA READ of a request that is FETCHING, which may be. */
void rdmat_sendq_fetch(struct rdmat_request *request);

/* Queues as much of what waits (WAIT_FETCH, WAIT_RESPOND, half-queued chains) as slots and READ
 * credits allow. */
void rdmat_sendq_fill(struct rdmat_qp *qp);

/* Posts what is queued. */
void rdmat_sendq_post(struct rdmat_qp *qp);

/*
 * If the newest WR asks for no completion, queues one behind it that does nothing else: an RDMA WRITE of no
 * bytes, for which nothing of the host's is needed (IBA 9.4.3.1, C9-88). It belongs to the newest request.
 *
 * Return: whether a completion will tell of all that is queued now. If not, a mark is on its way, or there is no
 * slot for one: then something else is.
 */
bool rdmat_sendq_mark(struct rdmat_qp *qp);

/* A completion for @wr came, good or bad: it and everything before it is no longer the hardware's.
 */
void rdmat_sendq_retire(struct rdmat_qp *qp, struct rdmat_wr *wr);

/* Takes back what was queued and not posted. */
void rdmat_sendq_unqueue(struct rdmat_qp *qp);

/* The queue pair is destroyed and its completions are swept: retires everything. */
void rdmat_sendq_retire_all(struct rdmat_qp *qp);

#endif
