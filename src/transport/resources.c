/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a command takes to move its data: buffers or memory that its backend lends, scratch, and the WR
 * chain. All of it, or nothing. Poll group's thread.
 */
#include "transport/resources.h"

#include <wrasse/backend.h>

#include "inline.h"
#include "pool/panic.h"
#include "transport/chain.h"
#include "transport/group.h"
#include "transport/memory.h"
#include "transport/pause.h"

_Static_assert(NVME_SCRATCH_MAX <= RDMAT_LARGE_LEN, "scratch is one buffer");
_Static_assert(RDMAT_MAX_IOV == WRASSE_MAX_PIECES, "buffers of a request");

/* ---- giving back ---- */

static __attribute__((noinline)) void lent_give(struct rdmat_request *request)
{
	struct wrasse_poll_group *group = request->class->group;
	struct nvme_ns_port *port = request->nvme.lender;
	struct wrasse_memory *memory = request->nvme.lent;

	nvme_request_unmap(&request->nvme);
	request->nvme.used = true; /* its WR may have several SGEs */
	rdmat_memory_use(memory, group->index, -1);
	rdmat_pause_settle(group, port);
}

void rdmat_buffers_give(struct rdmat_request *request)
{
	if (request->nvme.lender)
		lent_give(request);
	if (request->buffers)
		request->items_out -= pool_give(request->buffers->pool, request->buffers);
	if (request->scratch)
		request->items_out -= pool_give(request->scratch->pool, request->scratch);
	request->buffers = NULL;
	request->scratch = NULL;
}

void rdmat_chain_give(struct rdmat_request *request)
{
	if (request->chain) {
		request->items_out -= pool_give(request->chain->pool, request->chain);
		request->chain = NULL;
	}
	request->chain_count = 0;
	request->first = NULL;
	request->cursor = NULL;
}

void rdmat_data_give(struct rdmat_request *request)
{
	rdmat_buffers_give(request);
	rdmat_chain_give(request);
}

/* Not all that is needed was there: nobody has seen it. */
static void drop(struct rdmat_request *request)
{
	rdmat_data_give(request);
	request->holds &= ~(uint32_t)(RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN);
}

/* ---- buffers and WRs ---- */

static uint32_t wrs_link(struct rdmat_request *request, struct pool_item *chain)
{
	struct rdmat_wr **link = &request->first;
	uint32_t count = 0;

	for (struct pool_item *item = chain; item; item = item->next) {
		struct rdmat_pool_wr *wr = item->payload;

		wr->wr.request = request;
		wr->wr.wr.wr_id = (uintptr_t)&wr->wr;
		wr->wr.wr.sg_list = wr->sge;
		*link = &wr->wr;
		link = &wr->wr.chain_next;
		count++;
	}
	*link = NULL;
	return count;
}

/* What fits into small buffers, but not into one of them, is cheaper in a large one. It gets that as long as
 * there are many: what fits nowhere else shall not wait for it. */
static bool wants_large(const struct rdmat_request *request, uint32_t len)
{
	struct pool *large = request->class->group->large;

	if (len <= RDMAT_SMALL_LEN)
		return false;
	return len > RDMAT_SMALL_LEN * RDMAT_MAX_IOV ||
	       pool_free_count(large) > pool_capacity(large) / 2;
}

/* Takes @count buffers of a pool. */
static ALWAYS_INLINE struct pool_item *buffers_take(struct rdmat_request *request, bool small,
						    uint32_t count)
{
	struct wrasse_poll_group *group = request->qp->group;
	struct pool_item *items = pool_take(small ? group->small : group->large, count,
					    small ? request->qp->class->small_reserve : 0, request);

	if (items) {
		request->items_out += count;
		request->holds |= RDMAT_HOLD_BUFFERS;
	}
	return items;
}

static bool chain_take(struct rdmat_request *request, const struct rdmat_chain_shape *shape)
{
	struct wrasse_poll_group *group = request->class->group;

	if (shape->wrs == 1 && shape->max_sges <= RDMAT_EMBED_SGES) {
		request->first = &request->data_wr;
		request->data_wr.chain_next = NULL;
		request->chain_count = 1;
		request->holds |= RDMAT_HOLD_CHAIN;
		return true;
	}
	request->chain = pool_take(group->wr_pool, shape->wrs, request->class->wr_reserve, request);
	if (!request->chain)
		return false;
	request->chain_count = wrs_link(request, request->chain);
	request->items_out += request->chain_count;
	request->holds |= RDMAT_HOLD_CHAIN;
	return true;
}

/* ---- the data ---- */

/* A backend that lends what is not there would have the device write anywhere. */
static void lent_check(const struct rdmat_request *request, uint32_t count, uint32_t want)
{
	const struct wrasse_memory *memory = request->nvme.lent;
	uint32_t nsid = request->nvme.lender->ns->nsid;
	uint64_t len = 0;

	if (count > WRASSE_MAX_PIECES || !memory)
		pool_panic("namespace %u: map() lent %u pieces of memory %p", nsid, count,
			   (const void *)memory);
	if (memory->rdmat != request->class->group->rdmat)
		pool_panic("namespace %u: map() lent memory of another target", nsid);
	for (uint32_t i = 0; i < count; i++) {
		const struct iovec *iov = &request->iov[i];
		uintptr_t offset = (uintptr_t)iov->iov_base - (uintptr_t)memory->slab.base;

		if (!iov->iov_len || offset > memory->slab.len ||
		    iov->iov_len > memory->slab.len - offset)
			pool_panic("namespace %u: map() lent %zu bytes at %p outside its memory",
				   nsid, iov->iov_len, iov->iov_base);
		len += iov->iov_len;
	}
	if (len != want)
		pool_panic("namespace %u: map() lent %llu bytes for an I/O of %u", nsid,
			   (unsigned long long)len, want);
}

/* Memory of the backend's, if it lends any. Halves of pairs are never lent: they are as small as they are
 * few; on iWARP the data of a Write neither, because its host would get a key to all of the memory. Return:
 * whether it did. */
static bool lent_take(struct rdmat_request *request, uint32_t *lkey)
{
	struct wrasse_poll_group *group = request->class->group;
	const struct rdmat_device *device = request->qp->device->device;
	const struct wrasse_memory *memory;
	uint32_t count;

	if (!group->lenders || request->pair ||
	    (device->iwarp && request->nvme.data.xfer == NVME_XFER_H2C))
		return false;
	count = nvme_request_map(&request->nvme, request->iov);
	if (!count)
		return false;
	memory = request->nvme.lent;
	lent_check(request, count, request->nvme.data.len);
	rdmat_memory_use(request->nvme.lent, group->index, 1);
	if (!rdmat_memory_is_ready(memory, device->index)) {
		lent_give(request);
		return false;
	}
	request->nvme.iov_count = count;
	request->holds |= RDMAT_HOLD_BUFFERS;
	rdmat_count(&group->stats.lent, 1);
	*lkey = memory->slab.lkey[request->qp->device_index];
	return true;
}

/* Buffers, as an iovec that covers exactly the command's data. */
static bool pieces_take(struct rdmat_request *request, uint32_t *lkey)
{
	uint32_t left = request->nvme.data.len;
	bool small = !wants_large(request, left);
	uint32_t piece_len = small ? RDMAT_SMALL_LEN : RDMAT_LARGE_LEN;

	request->buffers = buffers_take(request, small, (left + piece_len - 1) / piece_len);
	if (!request->buffers)
		return false;
	request->nvme.iov_count = 0;
	for (struct pool_item *item = request->buffers; item; item = item->next) {
		struct iovec *iov = &request->iov[request->nvme.iov_count++];

		iov->iov_base = item->payload;
		iov->iov_len = left < piece_len ? left : piece_len;
		left -= (uint32_t)iov->iov_len;
	}
	*lkey = pool_lkey(request->buffers, request->qp->device_index);
	return true;
}

static enum ibv_wr_opcode data_opcode(const struct nvme_data *data)
{
	return data->xfer == NVME_XFER_H2C ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE;
}

/* What moves the data: memory and chain. */
static bool transfer_take(struct rdmat_request *request)
{
	const struct nvme_data *data = &request->nvme.data;
	struct rdmat_chain_shape shape;
	uint32_t lkey;

	if (!lent_take(request, &lkey) && !pieces_take(request, &lkey))
		return false;
	shape = rdmat_chain_count(data, request->iov, request->nvme.iov_count,
				  request->qp->max_sge);
	if (!chain_take(request, &shape))
		return false;
	request->nvme.iov = request->iov;
	rdmat_chain_build(request->first, data_opcode(data), data, request->iov, lkey,
			  request->qp->max_sge);
	return true;
}

static bool one_take(struct rdmat_request *request, bool small)
{
	const struct nvme_data *data = &request->nvme.data;
	struct rdmat_wr *wr = &request->data_wr;

	request->buffers = buffers_take(request, small, 1);
	if (!request->buffers)
		return false;
	request->holds |= RDMAT_HOLD_CHAIN;
	request->iov[0].iov_base = request->buffers->payload;
	request->iov[0].iov_len = data->len;
	request->nvme.iov = request->iov;
	request->nvme.iov_count = 1;
	rdmat_wr_begin(wr, data_opcode(data), data->desc[0].addr, data->desc[0].rkey);
	wr->wr.num_sge = 1;
	request->data_sge[0] =
		(struct ibv_sge){(uintptr_t)request->buffers->payload, data->len,
				 pool_lkey(request->buffers, request->qp->device_index)};
	wr->chain_next = NULL;
	request->chain_count = 1;
	request->first = wr;
	return true;
}

ALWAYS_INLINE struct pool *rdmat_pool_of_one(const struct rdmat_qp *qp, uint32_t len)
{
	const struct wrasse_poll_group *group = qp->group;

	if (len <= RDMAT_SMALL_LEN)
		return pool_has_more(group->small, qp->class->small_reserve) ? group->small : NULL;
	return len <= RDMAT_LARGE_LEN && pool_has_plenty(group->large) ? group->large : NULL;
}

ALWAYS_INLINE void rdmat_request_take_one(struct rdmat_request *request, struct pool *pool,
					  uint32_t lkey, uint32_t len, const struct nvme_sgl *to)
{
	struct pool_item *buffer = pool_take_one(pool, request);

	request->buffers = buffer;
	request->items_out = 1;
	request->iov[0].iov_base = buffer->payload;
	request->iov[0].iov_len = len;
	request->data_sge[0].addr = (uintptr_t)buffer->payload;
	request->data_sge[0].length = len;
	request->data_sge[0].lkey = lkey;
	request->data_wr.wr.wr.rdma.remote_addr = nvme_get64(to->addr);
	request->data_wr.wr.wr.rdma.rkey = nvme_get32(to->keyed.key);
}

int rdmat_request_borrow(struct rdmat_request *request, const struct rdmat_qp *qp,
			 const struct nvme_straight *straight)
{
	struct wrasse_poll_group *group = qp->group;
	uint32_t count = nvme_straight_map(&request->nvme, straight, request->iov);
	const struct nvme_sgl *to = &straight->cmd->sgl;

	if (!count)
		return 0;
	lent_check(request, count, straight->len);
	rdmat_memory_use(request->nvme.lent, group->index, 1);
	if (!rdmat_memory_is_ready(request->nvme.lent, qp->device_index)) {
		lent_give(request);
		return 0;
	}
	if (count > RDMAT_EMBED_SGES || count > qp->max_sge) {
		lent_give(request);
		return -1;
	}
	for (uint32_t i = 0; i < count; i++)
		request->data_sge[i] =
			(struct ibv_sge){(uintptr_t)request->iov[i].iov_base,
					 (uint32_t)request->iov[i].iov_len,
					 request->nvme.lent->slab.lkey[qp->device_index]};
	request->data_wr.wr.num_sge = (int)count;
	request->data_wr.wr.wr.rdma.remote_addr = nvme_get64(to->addr);
	request->data_wr.wr.wr.rdma.rkey = nvme_get32(to->keyed.key);
	rdmat_count(&group->stats.lent, 1);
	return (int)count;
}

static bool scratch_take(struct rdmat_request *request)
{
	bool small = request->nvme.data.scratch_len <= RDMAT_SMALL_LEN;

	request->scratch = buffers_take(request, small, 1);
	if (!request->scratch)
		return false;
	request->nvme.scratch.iov_base = request->scratch->payload;
	request->nvme.scratch.iov_len = small ? RDMAT_SMALL_LEN : RDMAT_LARGE_LEN;
	return true;
}

static bool more_take(struct rdmat_request *request)
{
	const struct nvme_data *data = &request->nvme.data;

	if ((!data->scratch_len || scratch_take(request)) &&
	    (!data->len || data->in_capsule || transfer_take(request)))
		return true;
	drop(request);
	return false;
}

/* Most commands: one range of the host's, one buffer, the request's own WR. */
bool rdmat_request_take_resources(struct rdmat_request *request)
{
	const struct nvme_data *data = &request->nvme.data;

	if (data->desc_count != 1 || data->scratch_len || request->qp->group->lenders)
		return more_take(request);
	if (__builtin_expect(data->len <= RDMAT_SMALL_LEN, true))
		return one_take(request, true);
	if (data->len <= RDMAT_LARGE_LEN && wants_large(request, data->len))
		return one_take(request, false);
	return more_take(request);
}

bool rdmat_request_take_pair(struct rdmat_request *first, struct rdmat_request *second)
{
	if (!rdmat_request_take_resources(first))
		return false;
	if (rdmat_request_take_resources(second))
		return true;
	drop(first);
	return false;
}
