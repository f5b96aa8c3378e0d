/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a command takes to move its data, and how it goes back. Poll group's thread.
 */
#ifndef WRASSE_TRANSPORT_RESOURCES_H
#define WRASSE_TRANSPORT_RESOURCES_H

#include "transport/request.h"

/* Whether it needs anything of the pools. Reads and Writes move at least one block. */
static inline bool rdmat_request_needs_resources(const struct rdmat_request *request,
						 enum nvme_kind kind)
{
	const struct nvme_data *data = &request->nvme.data;

	if (kind == NVME_KIND_WRITE)
		return !data->in_capsule;
	return kind == NVME_KIND_READ || data->scratch_len || (data->len && !data->in_capsule);
}

/*
 * Takes the memory for the data, the scratch and the WR chain that a request needs, all or nothing,
 * and builds the chain.
 *
 * Return: whether it got them. One that did not holds nothing.
 */
bool rdmat_request_take_resources(struct rdmat_request *request, enum nvme_kind kind);

/* The same for both halves of a fused pair: all that both need, or nothing for either. */
bool rdmat_request_take_pair(struct rdmat_request *first, struct rdmat_request *second);

/* For rdmat_request_move() alone: buffers with scratch, or what the backend has lent; the whole chain,
 * posted or not, which was taken in one step and goes back in one. */
void rdmat_buffers_give(struct rdmat_request *request);
void rdmat_chain_give(struct rdmat_request *request);
/* Both. Mostly that is one buffer. */
void rdmat_data_give(struct rdmat_request *request);

#endif
