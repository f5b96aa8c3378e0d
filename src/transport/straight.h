/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The straight way: a Read or a Write that nothing is in the way of goes from its capsule to its answer in one step. What
 * that is not for goes through flow.c, which does the same in steps. Poll group's thread, but for what is marked.
 */
#ifndef WRASSE_TRANSPORT_STRAIGHT_H
#define WRASSE_TRANSPORT_STRAIGHT_H

#include "transport/rx.h"

/* A capsule came, with success; in this poll the time was read. The hardware has had the slot until now; it is given
 * back here, now or later. */
void rdmat_straight_capsule(struct rdmat_qp *qp, struct rdmat_slot *slot, uint32_t len);

/* The data of a request that is FETCHING is there. Return: false: it goes another way, and nothing was done. */
bool rdmat_straight_fetched(struct rdmat_request *request);

/* A backend has ended the I/O of a request, which was told to this thread. Return: false: it goes another way, and nothing
 * was done. */
bool rdmat_straight_ended(struct rdmat_request *request);

/*
 * Any thread. The backend has completed a request's I/O, of which it was given one.
 *
 * Return: whether it is inside submit() yet, on this thread, of a command that goes straight. If not, nothing was done.
 */
bool rdmat_straight_completed(struct rdmat_request *request, struct wrasse_status status);

#endif
