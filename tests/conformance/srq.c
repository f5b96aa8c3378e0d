/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared receive queues.
 */
#include "conformance.h"

static void pd_undo(void *arg)
{
	must((errno = ibv_dealloc_pd(arg)));
}

static void srq_undo(void *arg)
{
	must((errno = ibv_destroy_srq(arg)));
}

/* A domain and a queue that servers of several pairs use; they go after the pairs. */
static struct ibv_srq *srq_new(struct pair_options *o, uint32_t wrs)
{
	struct ibv_srq_init_attr attr = {.attr = {.max_wr = wrs, .max_sge = 1}};
	struct ibv_pd *pd = ibv_alloc_pd(device());
	struct ibv_srq *srq;

	must_have(pd);
	undo(pd_undo, pd);
	srq = ibv_create_srq(pd, &attr);
	must_have(srq);
	undo(srq_undo, srq);
	pair_options_init(o);
	o->server.pd = pd;
	o->server.srq = srq;
	return srq;
}

static void queue_pairs_share_it_in_the_order_of_posting(void)
{
	struct pair_options o;
	struct pair *p, *q;
	struct ibv_wc wc;

	srq_new(&o, 8);
	p = pair_up(&o);
	q = pair_up(&o);
	for (uint32_t i = 0; i < 4; i++)
		post_recv(&p->server, 100 + i, i * 64, 64);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	wc = received(&p->server, 100, IBV_WC_SUCCESS);
	equal(wc.qp_num, p->server.qp->qp_num);
	post_send(&q->client, 1, 0, 64, IBV_SEND_SIGNALED);
	wc = received(&q->server, 101, IBV_WC_SUCCESS);
	equal(wc.qp_num, q->server.qp->qp_num);
	post_send(&q->client, 2, 0, 64, IBV_SEND_SIGNALED);
	received(&q->server, 102, IBV_WC_SUCCESS);
	post_send(&p->client, 2, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 103, IBV_WC_SUCCESS);
}

static void an_empty_shared_queue_is_not_ready(void)
{
	struct pair_options o;
	struct pair *p;

	srq_new(&o, 8);
	p = pair_up(&o);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	wc_quiet(&p->client, QUIET_MS);
	post_recv(&p->server, 100, 0, 64);
	received(&p->server, 100, IBV_WC_SUCCESS);
	sent(&p->client, 1, IBV_WC_SUCCESS);
}

/* What fits of a list is posted, bad_wr names the first that did not. */
static void posting_past_the_shared_queue_is_refused(void)
{
	enum { LIST = 64 };
	struct pair_options o;
	struct ibv_srq *srq = srq_new(&o, 8);
	struct pair *p = pair_up(&o);
	struct ibv_sge sge = piece(&p->server, 0, 64);
	struct ibv_recv_wr wr[LIST], *bad = NULL;
	struct ibv_srq_attr attr;

	must((errno = ibv_query_srq(srq, &attr)));
	equal(attr.srq_limit, 0);
	check(attr.max_wr >= 8 && attr.max_wr < LIST, "the queue has %u", attr.max_wr);
	for (uint32_t i = 0; i < LIST; i++)
		wr[i] = (struct ibv_recv_wr){
			.wr_id = i,
			.sg_list = &sge,
			.num_sge = 1,
			.next = i + 1 < LIST ? &wr[i + 1] : NULL,
		};
	equal(ibv_post_srq_recv(srq, wr, &bad), ENOMEM);
	check(bad && bad->wr_id >= attr.max_wr, "fewer than %u were taken", attr.max_wr);
	for (uint64_t i = 0; i < bad->wr_id; i++) {
		post_send(&p->client, i, 0, 64, IBV_SEND_SIGNALED);
		received(&p->server, i, IBV_WC_SUCCESS);
		sent(&p->client, i, IBV_WC_SUCCESS);
	}
}

static void receives_on_the_queue_pair_itself_are_refused(void)
{
	struct pair_options o;
	struct pair *p;
	struct ibv_recv_wr wr = {.wr_id = 1}, *bad;

	srq_new(&o, 8);
	p = pair_up(&o);
	equal(ibv_post_recv(p->server.qp, &wr, &bad), EINVAL);
}

/* Armed once: the event comes when fewer than the limit are left, and disarms. */
static void the_limit_event_comes_once(void)
{
	struct pair_options o;
	struct ibv_srq *srq = srq_new(&o, 8);
	struct pair *p = pair_up(&o);
	struct ibv_srq_attr attr = {.srq_limit = 3};

	for (uint32_t i = 0; i < 4; i++)
		post_recv(&p->server, 100 + i, 0, 64);
	must((errno = ibv_modify_srq(srq, &attr, IBV_SRQ_LIMIT)));
	must((errno = ibv_query_srq(srq, &attr)));
	equal(attr.srq_limit, 3);
	post_send(&p->client, 0, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 100, IBV_WC_SUCCESS);
	async_quiet(srq, QUIET_MS);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 101, IBV_WC_SUCCESS);
	async_want(IBV_EVENT_SRQ_LIMIT_REACHED, srq);
	post_send(&p->client, 2, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 102, IBV_WC_SUCCESS);
	async_quiet(srq, QUIET_MS);
	must((errno = ibv_query_srq(srq, &attr)));
	equal(attr.srq_limit, 0);
}

/* The queue pair's end takes nothing from the shared queue. */
static void a_queue_pair_in_error_leaves_the_receives_to_the_others(void)
{
	struct pair_options o;
	struct pair *p, *q;

	srq_new(&o, 8);
	p = pair_up(&o);
	q = pair_up(&o);
	post_recv(&p->server, 100, 0, 64);
	to_error(&p->server);
	wc_quiet(&p->server, QUIET_MS);
	post_send(&q->client, 1, 0, 64, IBV_SEND_SIGNALED);
	received(&q->server, 100, IBV_WC_SUCCESS);
}

/* The event says that the queue pair will take no more receives. */
static void last_wqe(struct side *s)
{
	if (differs(false, true))
		async_want(IBV_EVENT_QP_LAST_WQE_REACHED, s->qp);
	async_quiet(s->qp, QUIET_MS);
}

static void last_wqe_event_of_a_queue_pair_in_error(void)
{
	struct pair_options o;
	struct pair *p;

	srq_new(&o, 8);
	p = pair_up(&o);
	to_error(&p->server);
	last_wqe(&p->server);
}

static void last_wqe_event_of_a_disconnected_queue_pair(void)
{
	struct pair_options o;
	struct pair *p;

	srq_new(&o, 8);
	p = pair_up(&o);
	must(rdma_disconnect(p->server.id));
	last_wqe(&p->server);
}

static void a_short_shared_receive_ends_the_queue_pair_that_took_it(void)
{
	struct pair_options o;
	struct pair *p, *q;

	srq_new(&o, 8);
	p = pair_up(&o);
	q = pair_up(&o);
	post_recv(&p->server, 100, 0, 32);
	post_recv(&p->server, 101, 0, 64);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 100, differs(IBV_WC_LOC_QP_OP_ERR, IBV_WC_LOC_LEN_ERR));
	sent(&p->client, 1, differs(IBV_WC_REM_OP_ERR, IBV_WC_REM_INV_REQ_ERR));
	qp_state_want(&p->server, IBV_QPS_ERR);
	equal(qp_state(&q->server), IBV_QPS_RTS);
	post_send(&q->client, 1, 0, 64, IBV_SEND_SIGNALED);
	received(&q->server, 101, IBV_WC_SUCCESS);
}

const struct test srq_tests[] = {
	TEST(queue_pairs_share_it_in_the_order_of_posting),
	TEST(an_empty_shared_queue_is_not_ready),
	TEST(posting_past_the_shared_queue_is_refused),
	TEST(receives_on_the_queue_pair_itself_are_refused),
	TEST(the_limit_event_comes_once),
	TEST(a_queue_pair_in_error_leaves_the_receives_to_the_others),
	TEST(last_wqe_event_of_a_queue_pair_in_error),
	TEST(last_wqe_event_of_a_disconnected_queue_pair),
	TEST(a_short_shared_receive_ends_the_queue_pair_that_took_it),
	{0},
};
