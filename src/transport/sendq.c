/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The send queue. Slots and READ credits are taken when a WR is queued, in order, and come back
 * when it is retired. A chain that is queued in part goes on where its cursor stands; only the
 * newest request of a list can be in that state, since the next one starts when it is through.
 */
#include "transport/sendq.h"

#include <stdio.h>

#include "nvme/inline.h"
#include "pool/panic.h"
#include "transport/flow.h"
#include "transport/group.h"

/* Puts a WR at the end of what is posted next. It takes a slot, of which there is one. */
static ALWAYS_INLINE void queue_wr(struct rdmat_qp *qp, struct rdmat_wr *wr)
{
	wr->wr.wr_id = (uintptr_t)wr;
	wr->wr.next = NULL;
	if (qp->sq_newest)
		qp->sq_newest->wr.next = &wr->wr;
	else
		qp->sq_oldest = wr;
	qp->sq_newest = wr;
	if (!qp->sq_unposted) {
		qp->sq_unposted = wr;
		pool_list_add_tail(&qp->group->dirty, &qp->dirty_link);
	}
	qp->sq_free--;
	wr->request->sq_out++;
}

/* Queues RDMA READs on from the cursor. Return: whether the whole chain is queued. */
static bool queue_reads(struct rdmat_qp *qp, struct rdmat_request *request)
{
	while (request->cursor) {
		struct rdmat_wr *wr = request->cursor;

		if (!qp->sq_free || !qp->reads_free)
			return false;
		request->cursor = wr->chain_next;
		/* The last one tells that the data is there. */
		if (!request->cursor)
			wr->wr.send_flags |= IBV_SEND_SIGNALED;
		queue_wr(qp, wr);
		qp->reads_free--;
		request->reads_out++;
	}
	return true;
}

/* The same of RDMA WRITEs: the response has its SEND behind the chain. */
static ALWAYS_INLINE bool queue_writes(struct rdmat_qp *qp, struct rdmat_request *request)
{
	while (request->cursor) {
		struct rdmat_wr *wr = request->cursor;

		if (!qp->sq_free)
			return false;
		request->cursor = wr->chain_next;
		queue_wr(qp, wr);
	}
	return true;
}

static struct rdmat_request *newest_in(struct rdmat_qp *qp, enum rdmat_request_state state)
{
	struct pool_link *link = pool_list_last(&qp->lists[state]);

	return link ? pool_container(link, struct rdmat_request, link) : NULL;
}

static struct rdmat_request *oldest_in(struct rdmat_qp *qp, enum rdmat_request_state state)
{
	struct pool_link *link = pool_list_first(&qp->lists[state]);

	return link ? pool_container(link, struct rdmat_request, link) : NULL;
}

static void fill_fetches(struct rdmat_qp *qp)
{
	struct rdmat_request *request = newest_in(qp, RDMAT_REQUEST_FETCHING);

	if (request && !queue_reads(qp, request))
		return;
	while (qp->sq_free && qp->reads_free &&
	       (request = oldest_in(qp, RDMAT_REQUEST_WAIT_FETCH))) {
		rdmat_request_move(request, RDMAT_REQUEST_FETCHING);
		if (!queue_reads(qp, request))
			return;
	}
}

static void response_build(struct rdmat_qp *qp, struct rdmat_request *request)
{
	struct ibv_send_wr *wr = &request->response_wr.wr;
	const struct nvme_data *data = &request->nvme.data;

	nvme_request_stamp(&request->nvme);
	request->response_sge.lkey = request->class->slab.lkey[qp->device->device->index];
	wr->send_flags = qp->inlining ? IBV_SEND_INLINE : 0;
	wr->opcode = IBV_WR_SEND;
	if (data->invalidate && rdmat_invalidates(qp->device->device)) {
		wr->opcode = IBV_WR_SEND_WITH_INV;
		wr->invalidate_rkey = data->inv_rkey;
	}
}

/* Queues what is left of a response. Return: whether all of it is queued. */
static ALWAYS_INLINE bool queue_response(struct rdmat_qp *qp, struct rdmat_request *request)
{
	if (request->with_data && !queue_writes(qp, request))
		return false;
	if (!qp->sq_free)
		return false;
	response_build(qp, request);
	queue_wr(qp, &request->response_wr);
	request->responded = true;
	qp->outstanding--;
	return true;
}

/* The same of one that had to wait. */
static __attribute__((noinline)) bool queue_rest(struct rdmat_qp *qp, struct rdmat_request *request)
{
	return queue_response(qp, request);
}

static void fill_responses(struct rdmat_qp *qp)
{
	struct rdmat_request *request = newest_in(qp, RDMAT_REQUEST_RESPONDING);

	if (request && !request->responded && !queue_rest(qp, request))
		return;
	while (qp->sq_free && (request = oldest_in(qp, RDMAT_REQUEST_WAIT_RESPOND))) {
		rdmat_request_move(request, RDMAT_REQUEST_RESPONDING);
		if (!queue_rest(qp, request))
			return;
	}
}

/* Whether a response can go as a whole, before nobody else's. */
static bool has_room(struct rdmat_qp *qp, const struct rdmat_request *request)
{
	const struct rdmat_request *newest = newest_in(qp, RDMAT_REQUEST_RESPONDING);

	return qp->sq_free > (request->with_data ? request->chain_count : 0) && !qp->tearing &&
	       pool_list_is_empty(&qp->lists[RDMAT_REQUEST_WAIT_RESPOND]) &&
	       (!newest || newest->responded);
}

void rdmat_sendq_respond(struct rdmat_request *request)
{
	struct rdmat_qp *qp = request->qp;

	if (has_room(qp, request)) {
		rdmat_request_move_to_responding(request);
		queue_response(qp, request);
		return;
	}
	rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESPOND);
	rdmat_sendq_fill(qp);
}

void rdmat_sendq_fill(struct rdmat_qp *qp)
{
	if (qp->tearing)
		return;
	/* Responses first: they give things back. */
	fill_responses(qp);
	fill_fetches(qp);
}

/* WRs from @bad on did not reach the hardware. */
static void post_failed(struct rdmat_qp *qp, struct rdmat_wr *bad, int rc)
{
	char why[64];

	qp->sq_unposted = bad;
	snprintf(why, sizeof(why), "ibv_post_send failed, errno %d", rc);
	rdmat_qp_disconnect(qp, why);
}

void rdmat_sendq_post(struct rdmat_qp *qp)
{
	struct wrasse_poll_group *group = qp->group;
	struct rdmat_wr *first = qp->sq_unposted;
	struct ibv_send_wr *bad = NULL;
	uint64_t wrs = 0, signaled = 0;
	int rc;

	if (!first)
		return;
	/* The end of each post is signaled, so that the FIFO always empties. */
	qp->sq_newest->wr.send_flags |= IBV_SEND_SIGNALED;
	for (struct ibv_send_wr *wr = &first->wr; wr; wr = wr->next) {
		wrs++;
		signaled += !!(wr->send_flags & IBV_SEND_SIGNALED);
	}
	rdmat_count(&group->stats.send_posts, 1);
	rdmat_count(&group->stats.send_wrs, wrs);
	rdmat_count(&group->stats.signaled_wrs, signaled);
	qp->sq_unposted = NULL;
	rc = ibv_post_send(qp->qp, &first->wr, &bad);
	if (rc)
		post_failed(qp, pool_container(bad, struct rdmat_wr, wr), rc);
}

/* One WR is no longer the hardware's. Return: whether it was its request's last. */
static bool give_back(struct rdmat_qp *qp, struct rdmat_wr *wr)
{
	struct rdmat_request *request = wr->request;

	qp->sq_free++;
	request->sq_out--;
	if (wr->wr.opcode == IBV_WR_RDMA_READ) {
		qp->reads_free++;
		request->reads_out--;
	}
	return request->sq_out == 0;
}

static struct rdmat_wr *pop_oldest(struct rdmat_qp *qp)
{
	struct rdmat_wr *wr = qp->sq_oldest;

	if (!wr)
		return NULL;
	if (wr->wr.next) {
		qp->sq_oldest = pool_container(wr->wr.next, struct rdmat_wr, wr);
	} else {
		qp->sq_oldest = NULL;
		qp->sq_newest = NULL;
	}
	return wr;
}

void rdmat_sendq_retire(struct rdmat_qp *qp, struct rdmat_wr *last)
{
	struct rdmat_wr *wr;

	do {
		wr = pop_oldest(qp);
		if (!wr || wr == qp->sq_unposted)
			pool_panic("a completion came for a WR that was not posted");
		if (give_back(qp, wr))
			rdmat_flow_retired(wr->request);
	} while (wr != last);
	rdmat_sendq_fill(qp);
}

void rdmat_sendq_unqueue(struct rdmat_qp *qp)
{
	struct rdmat_wr *unposted = qp->sq_unposted, *newest = NULL;

	if (!unposted)
		return;
	for (struct rdmat_wr *wr = qp->sq_oldest; wr != unposted;
	     wr = pool_container(wr->wr.next, struct rdmat_wr, wr))
		newest = wr;
	qp->sq_unposted = NULL;
	qp->sq_newest = newest;
	if (newest)
		newest->wr.next = NULL;
	else
		qp->sq_oldest = NULL;
	for (struct ibv_send_wr *wr = &unposted->wr, *next; wr; wr = next) {
		struct rdmat_wr *mine = pool_container(wr, struct rdmat_wr, wr);

		next = wr->next;
		if (give_back(qp, mine))
			rdmat_flow_retired(mine->request);
	}
}

void rdmat_sendq_retire_all(struct rdmat_qp *qp)
{
	struct rdmat_wr *wr;

	while ((wr = pop_oldest(qp)))
		if (give_back(qp, wr))
			rdmat_flow_retired(wr->request);
}
