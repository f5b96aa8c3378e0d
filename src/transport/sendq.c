/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The send queue. Slots and READ credits are taken when a WR is queued, in order, and come back
 * when it is retired. A chain that is queued in part goes on where its cursor stands. Of fetches
 * only the newest can be in that state, of responses one, since the next one starts when it is through.
 */
#include "transport/sendq.h"

#include <stdio.h>

#include "inline.h"
#include "pool/panic.h"
#include "transport/flow.h"
#include "transport/group.h"
#include "transport/unsignaled.h"

/* Puts @count WRs of a request, linked by wr.next, at the end of what is posted next. They take slots, of which
 * there are as many. */
static ALWAYS_INLINE void queue_wrs(struct rdmat_qp *qp, struct rdmat_request *request,
				    struct rdmat_wr *first, struct rdmat_wr *last, uint32_t count)
{
	last->wr.next = NULL;
	if (qp->sq_newest)
		qp->sq_newest->wr.next = &first->wr;
	else
		qp->sq_oldest = first;
	qp->sq_newest = last;
	if (!qp->sq_unposted) {
		qp->sq_unposted = first;
		pool_list_add_tail(&qp->group->dirty, &qp->dirty_link);
	}
	qp->sq_unposted_count += count;
	qp->sq_free -= count;
	request->sq_out += (uint16_t)count;
}

static void none_unposted(struct rdmat_qp *qp)
{
	qp->sq_unposted = NULL;
	qp->sq_unposted_count = 0;
	qp->sq_signal_at = qp->sq_part;
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
		if (!request->cursor) {
			wr->wr.send_flags |= IBV_SEND_SIGNALED;
			rdmat_count(&qp->group->stats.signaled_wrs, 1);
		}
		queue_wrs(qp, request, wr, wr, 1);
		qp->reads_free--;
		request->reads_out++;
	}
	return true;
}

void rdmat_sendq_fetch(struct rdmat_request *request)
{
	request->cursor = request->first;
	queue_reads(request->qp, request);
}

/* The same of RDMA WRITEs: the response has its SEND behind the chain. */
static bool queue_writes(struct rdmat_qp *qp, struct rdmat_request *request)
{
	while (request->cursor) {
		struct rdmat_wr *wr = request->cursor;

		if (!qp->sq_free)
			return false;
		request->cursor = wr->chain_next;
		queue_wrs(qp, request, wr, wr, 1);
	}
	return true;
}

static struct rdmat_request *oldest_in(struct rdmat_qp *qp, enum rdmat_request_state state)
{
	struct pool_link *link = pool_list_first(&qp->lists[state]);

	return link ? pool_container(link, struct rdmat_request, link) : NULL;
}

static void fill_fetches(struct rdmat_qp *qp)
{
	struct pool_link *newest = pool_list_last(&qp->lists[RDMAT_REQUEST_FETCHING]);
	struct rdmat_request *request;

	if (newest && !queue_reads(qp, pool_container(newest, struct rdmat_request, link)))
		return;
	while (qp->sq_free && qp->reads_free &&
	       (request = oldest_in(qp, RDMAT_REQUEST_WAIT_FETCH))) {
		rdmat_request_move(request, RDMAT_REQUEST_FETCHING);
		request->cursor = request->first;
		if (!queue_reads(qp, request))
			return;
	}
}

/* @inv_rkey: the key that it invalidates, if @invalidate. */
static ALWAYS_INLINE void response_build(struct rdmat_qp *qp, struct rdmat_request *request,
					 bool invalidate, uint32_t inv_rkey)
{
	struct ibv_send_wr *wr = &request->response_wr.wr;

	request->response_sge.lkey = qp->response_lkey;
	wr->send_flags = qp->response_flags;
	wr->opcode = IBV_WR_SEND;
	if (invalidate && rdmat_invalidates(qp->device->device)) {
		wr->opcode = IBV_WR_SEND_WITH_INV;
		wr->invalidate_rkey = inv_rkey;
	}
}

static ALWAYS_INLINE void response_fill(struct rdmat_qp *qp, struct rdmat_request *request)
{
	const struct nvme_data *data = &request->nvme.data;

	nvme_request_stamp(&request->nvme);
	response_build(qp, request, data->invalidate, data->inv_rkey);
}

/* In a long post more than its end is signaled: hosts send the next commands when they have the first of its answers,
 * and what those had shall be there again. */
static __attribute__((noinline)) void signal_part(struct rdmat_qp *qp,
						  struct rdmat_request *request)
{
	request->response_wr.wr.send_flags |= IBV_SEND_SIGNALED;
	rdmat_count(&qp->group->stats.signaled_wrs, 1);
	qp->sq_signal_at = qp->sq_unposted_count + qp->sq_part;
}

static ALWAYS_INLINE void was_queued(struct rdmat_qp *qp, struct rdmat_request *request)
{
	if (qp->sq_unposted_count >= qp->sq_signal_at)
		signal_part(qp, request);
}

/* Queues what is left of a response that had to wait. Return: whether all of it is queued. */
static bool queue_rest(struct rdmat_qp *qp, struct rdmat_request *request)
{
	qp->partial = request;
	if (request->with_data && !queue_writes(qp, request))
		return false;
	if (!qp->sq_free)
		return false;
	qp->partial = NULL;
	response_fill(qp, request);
	queue_wrs(qp, request, &request->response_wr, &request->response_wr, 1);
	request->responded = true;
	was_queued(qp, request);
	qp->outstanding--;
	return true;
}

/* Queues a response for which there is room: its data and, behind it, its SEND. */
static ALWAYS_INLINE void queue_whole(struct rdmat_qp *qp, struct rdmat_request *request)
{
	struct rdmat_wr *first = &request->response_wr;
	uint32_t count = 1;

	response_fill(qp, request);
	if (request->with_data) {
		first = request->first;
		count += request->chain_count;
		for (struct rdmat_wr *wr = first, *next; wr; wr = next) {
			next = wr->chain_next;
			wr->wr.next = next ? &next->wr : &request->response_wr.wr;
		}
	}
	queue_wrs(qp, request, first, &request->response_wr, count);
	request->whole = true;
	request->responded = true;
	was_queued(qp, request);
	qp->outstanding--;
}

static void fill_responses(struct rdmat_qp *qp)
{
	struct rdmat_request *request;

	if (qp->partial && !queue_rest(qp, qp->partial))
		return;
	while (qp->sq_free && (request = oldest_in(qp, RDMAT_REQUEST_WAIT_RESPOND))) {
		rdmat_request_move(request, RDMAT_REQUEST_RESPONDING);
		request->cursor = request->first;
		if (!queue_rest(qp, request))
			return;
	}
}

ALWAYS_INLINE bool rdmat_sendq_has_room(const struct rdmat_qp *qp, uint32_t data_wrs)
{
	return qp->sq_free > data_wrs && !qp->tearing &&
	       pool_list_is_empty(&qp->lists[RDMAT_REQUEST_WAIT_RESPOND]) && !qp->partial;
}

ALWAYS_INLINE void rdmat_sendq_respond(struct rdmat_request *request)
{
	struct rdmat_qp *qp = request->qp;

	if (rdmat_sendq_has_room(qp, request->with_data ? request->chain_count : 0)) {
		rdmat_request_move_to_responding(request);
		queue_whole(qp, request);
		return;
	}
	rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESPOND);
	rdmat_sendq_fill(qp);
}

ALWAYS_INLINE void rdmat_sendq_answer(struct rdmat_qp *qp, struct rdmat_request *request,
				      bool with_data, bool invalidate, uint32_t inv_rkey)
{
	rdmat_request_answers(request, qp->group);
	response_build(qp, request, invalidate, inv_rkey);
	queue_wrs(qp, request, with_data ? &request->data_wr : &request->response_wr,
		  &request->response_wr, with_data ? 2 : 1);
	was_queued(qp, request);
}

void rdmat_sendq_fill(struct rdmat_qp *qp)
{
	if (qp->tearing)
		return;
	/* Responses first: they give things back. */
	fill_responses(qp);
	fill_fetches(qp);
}

bool rdmat_sendq_may_fetch(const struct rdmat_qp *qp)
{
	/* Who waits for a credit is looked for whenever one comes back. */
	return qp->reads_free > 0;
}

bool rdmat_sendq_mark(struct rdmat_qp *qp)
{
	struct rdmat_wr *newest = qp->sq_newest, *mark = &qp->mark;

	if (!newest || (newest->wr.send_flags & IBV_SEND_SIGNALED))
		return true;
	if (qp->marked || !qp->sq_free)
		return false;
	qp->marked = true;
	mark->request = newest->request;
	mark->request->whole = false; /* its last WR is the mark */
	mark->wr.wr_id = (uintptr_t)mark;
	mark->wr.opcode = IBV_WR_RDMA_WRITE;
	mark->wr.send_flags = IBV_SEND_SIGNALED;
	rdmat_count(&qp->group->stats.signaled_wrs, 1);
	queue_wrs(qp, mark->request, mark, mark, 1);
	return true;
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
	int rc;

	if (!first)
		return;
	/* The end of a post is signaled, or a mark will be, so that the FIFO always empties. */
	if (qp->sq_newest->wr.send_flags & IBV_SEND_SIGNALED) {
		qp->sq_unsignaled = 0;
	} else if (!rdmat_unsignaled_post(qp)) {
		qp->sq_unsignaled = 0;
		qp->sq_newest->wr.send_flags |= IBV_SEND_SIGNALED;
		rdmat_count(&group->stats.signaled_wrs, 1);
	}
	rdmat_count(&group->stats.send_posts, 1);
	rdmat_count(&group->stats.send_wrs, qp->sq_unposted_count);
	none_unposted(qp);
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
	if (wr == &qp->mark)
		qp->marked = false;
	return request->sq_out == 0;
}

/* The FIFO begins behind a WR of it. */
static ALWAYS_INLINE void pop_to(struct rdmat_qp *qp, const struct rdmat_wr *wr)
{
	if (wr->wr.next) {
		qp->sq_oldest = pool_container(wr->wr.next, struct rdmat_wr, wr);
	} else {
		qp->sq_oldest = NULL;
		qp->sq_newest = NULL;
	}
}

static struct rdmat_wr *pop_oldest(struct rdmat_qp *qp)
{
	struct rdmat_wr *wr = qp->sq_oldest;

	if (wr)
		pop_to(qp, wr);
	return wr;
}

void rdmat_sendq_retire(struct rdmat_qp *qp, struct rdmat_wr *last)
{
	/* Whose WR amidst a response has completed: only one that failed has. */
	const struct rdmat_request *part =
		last == &last->request->response_wr ? NULL : last->request;
	struct rdmat_wr *wr;

	do {
		struct rdmat_request *request;

		wr = qp->sq_oldest;
		if (wr == qp->sq_unposted) /* also if there is none */
			pool_panic("a completion came for a WR that was not posted");
		request = wr->request;
		if (request->whole && request != part) {
			wr = &request->response_wr;
			pop_to(qp, wr);
			qp->sq_free += request->sq_out;
			request->sq_out = 0;
			if (request->others) {
				rdmat_flow_retired(request);
				continue;
			}
			rdmat_request_move_to_free(request, qp);
			if (wr == last)
				rdmat_request_was_freed(request, qp);
		} else {
			pop_to(qp, wr);
			if (give_back(qp, wr))
				rdmat_flow_retired(request);
		}
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
	none_unposted(qp);
	qp->sq_newest = newest;
	if (newest)
		newest->wr.next = NULL;
	else
		qp->sq_oldest = NULL;
	for (struct ibv_send_wr *wr = &unposted->wr, *next; wr; wr = next) {
		struct rdmat_wr *mine = pool_container(wr, struct rdmat_wr, wr);

		next = wr->next;
		mine->request->whole = false; /* part of it may be posted */
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
