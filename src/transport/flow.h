/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a request flows: what happens between the states. Poll group's thread.
 */
#ifndef WRASSE_TRANSPORT_FLOW_H
#define WRASSE_TRANSPORT_FLOW_H

#include "transport/rx.h"

/* A capsule came. The slot has been taken from the hardware and is given back here, now or later.
 */
void rdmat_flow_capsule(struct rdmat_qp *qp, struct rdmat_slot *slot, uint32_t len);

/* The request's last WR retired: data is fetched, or the response is out, or a flush goes on. */
void rdmat_flow_retired(struct rdmat_request *request);

/* The response is complete: it is sent, with data if there is any. */
void rdmat_flow_respond(struct rdmat_request *request);

/* The backend's answer, on the group's thread. */
void rdmat_flow_io_done(struct rdmat_request *request);

/* Begins the commands whose capsules wait for a request, as far as there are any free. Return: how
 * many. */
int rdmat_flow_unpark(struct wrasse_poll_group *group);

/* A request that goes on: taken from its capsule, with its data, or with an answer. */
void rdmat_flow_start(struct rdmat_request *request);
void rdmat_flow_go(struct rdmat_request *request); /* which need not wait for a resume */
void rdmat_flow_execute(struct rdmat_request *request);
void rdmat_flow_respond(struct rdmat_request *request);

/* There are not the resources that a request needs, or others wait for theirs. */
void rdmat_flow_wait_resources(struct rdmat_request *request);

/* Hands resources to those that wait for them. */
void rdmat_flow_resume(struct wrasse_poll_group *group);

/* How many requests wait for a resume, or for the other half of a pair: a drain does not wait for them. */
uint32_t rdmat_flow_not_started(const struct rdmat_qp *qp);

/* How long a request waits between two askings. */
#define RDMAT_RETRY_NS (2 * RDMAT_NS_PER_MS)

/* Asks again about requests for which src/nvme said NVME_RETRY. */
void rdmat_flow_retry(struct rdmat_qp *qp);

/* Runs the one authentication whose turn it is. Return: 1. */
int rdmat_flow_auth(struct wrasse_poll_group *group);

/* Acts on what src/nvme said besides its answer. @qp: the queue it was about. */
void rdmat_flow_act(struct rdmat_qp *qp, struct nvme_actions *actions);

#endif
