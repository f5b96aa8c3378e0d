/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a command takes to move its data, and how it goes back. Poll group's thread.
 */
#ifndef WRASSE_TRANSPORT_RESOURCES_H
#define WRASSE_TRANSPORT_RESOURCES_H

#include "nvme/straight.h"
#include "transport/request.h"

/* Whether it needs anything of the pools. */
static inline bool rdmat_request_needs_resources(const struct rdmat_request *request)
{
	const struct nvme_data *data = &request->nvme.data;

	return data->scratch_len || (data->len && !data->in_capsule);
}

/*
 * Takes the memory for the data, the scratch and the WR chain that a request needs, all or nothing,
 * and builds the chain.
 *
 * Return: whether it got them. One that did not holds nothing.
 */
bool rdmat_request_take_resources(struct rdmat_request *request);

/* For a command that goes straight: the pool of which one buffer is taken for so many bytes. NULL: none now. */
struct pool *rdmat_pool_of_one(const struct rdmat_qp *qp, uint32_t len);

/*
 * Takes it, and fills the request's own WR.
 *
 * @request: prepared; it is taken, or is next.
 * @lkey: of the pool's memory. @len: bytes. @to: the host's memory.
 */
void rdmat_request_take_one(struct rdmat_request *request, struct pool *pool, uint32_t lkey,
			    uint32_t len, const struct nvme_sgl *to);

/*
 * Has a namespace whose backend has map() lend the memory for a command that goes straight, and fills the request's own
 * WR.
 *
 * @request: free, and prepared; it is taken next if this succeeds.
 * Return: how many pieces are lent; 0: none that can be used; -1: more than fit there.
 */
int rdmat_request_borrow(struct rdmat_request *request, const struct rdmat_qp *qp,
			 const struct nvme_straight *straight);

/* The same for both halves of a fused pair: all that both need, or nothing for either. */
bool rdmat_request_take_pair(struct rdmat_request *first, struct rdmat_request *second);

/* For request.c alone: buffers with scratch, or what the backend has lent; the whole chain,
 * posted or not, which was taken in one step and goes back in one. */
void rdmat_buffers_give(struct rdmat_request *request);
void rdmat_chain_give(struct rdmat_request *request);
/* Both. Mostly that is one buffer. */
void rdmat_data_give(struct rdmat_request *request);

#endif
