/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fused pairs: two requests of a queue pair whose capsules follow each other. They take what they
 * need in one step, fetch their data side by side, and are executed one after the other, in their
 * namespace's turn. Poll group's thread.
 */
#ifndef WRASSE_TRANSPORT_PAIR_H
#define WRASSE_TRANSPORT_PAIR_H

#include "transport/qp.h"

/*
 * A capsule was parsed that is half of a pair, or that follows the first half of one.
 *
 * @good: it was not refused.
 */
void rdmat_pair_capsule(struct rdmat_request *request, bool good);

/* Takes what both halves need. Return: whether they got it. */
bool rdmat_pair_take(struct rdmat_request *first);

/* Pairs that waited for their namespace's resume, holding nothing, go on. */
void rdmat_pair_go_on(struct rdmat_qp *qp);

/* Both halves have what they need: they fetch their data, then wait for the turn. */
void rdmat_pair_start(struct rdmat_request *first);

/* The data of a half is there. */
void rdmat_pair_fetched(struct rdmat_request *half);

/*
 * The first half is about to be answered: the pair is none any more, the turn is the second's.
 *
 * Return: the second half; NULL: @request is not of a pair.
 */
struct rdmat_request *rdmat_pair_part(struct rdmat_request *request);

/* A half is flushed: it is none any more. */
void rdmat_pair_break(struct rdmat_request *request);

/* Pairs whose turn it was not try again. Return: how many had it now. */
int rdmat_pair_resume(struct wrasse_poll_group *group);

#endif
