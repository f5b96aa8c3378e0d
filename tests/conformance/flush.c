/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The error state: everything posted comes back, in order, signaled or not; and what is left when a queue pair goes.
 */
#include "conformance.h"

static void what_waits_is_flushed_in_order_though_unsignaled(void)
{
	struct pair *p = pair_up_default();

	/* The peer has no receive, so the first one waits and the rest behind it. */
	for (uint32_t i = 0; i < 6; i++)
		post_send(&p->client, i, 0, 64, i & 1 ? IBV_SEND_SIGNALED : 0);
	wc_quiet(&p->client, QUIET_MS);
	to_error(&p->client);
	for (uint32_t i = 0; i < 6; i++)
		sent(&p->client, i, IBV_WC_WR_FLUSH_ERR);
	wc_quiet(&p->client, 0);
}

static void what_had_succeeded_unsignaled_does_not_come_back(void)
{
	struct pair *p = pair_up_default();

	post_recv(&p->server, 100, 0, 64);
	post_send(&p->client, 1, 0, 64, 0);
	received(&p->server, 100, IBV_WC_SUCCESS);
	/* Its acknowledgement is there when that of a later one is. */
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 2, 0, 64, &p->server, 0);
	sent(&p->client, 2, IBV_WC_SUCCESS);
	post_send(&p->client, 3, 0, 64, 0);
	wc_quiet(&p->client, QUIET_MS);
	to_error(&p->client);
	sent(&p->client, 3, IBV_WC_WR_FLUSH_ERR);
	wc_quiet(&p->client, 0);
}

static void receives_are_flushed_in_order(void)
{
	struct pair *p = pair_up_default();

	for (uint32_t i = 0; i < 6; i++)
		post_recv(&p->client, 100 + i, 0, 64);
	to_error(&p->client);
	for (uint32_t i = 0; i < 6; i++)
		received(&p->client, 100 + i, IBV_WC_WR_FLUSH_ERR);
	wc_quiet(&p->client, 0);
}

static void a_failed_request_flushes_what_is_behind_it(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->client, 0, 64);
	struct ibv_send_wr wr[4];

	for (uint32_t i = 0; i < 4; i++) {
		wr[i] = rdma_wr(IBV_WR_RDMA_WRITE, &sge, i, &p->server, 0);
		wr[i].send_flags = 0;
		wr[i].next = i < 3 ? &wr[i + 1] : NULL;
	}
	wr[0].send_flags = IBV_SEND_SIGNALED;
	wr[1].wr.rdma.rkey ^= 0x5500;
	post_recv(&p->client, 100, 0, 64);
	post(&p->client, wr);
	sent(&p->client, 0, IBV_WC_SUCCESS);
	/* A failure is reported though unsignaled. */
	sent(&p->client, 1, IBV_WC_REM_ACCESS_ERR);
	sent(&p->client, 2, IBV_WC_WR_FLUSH_ERR);
	sent(&p->client, 3, IBV_WC_WR_FLUSH_ERR);
	received(&p->client, 100, IBV_WC_WR_FLUSH_ERR);
}

static void sends_posted_in_the_error_state_are_flushed(void)
{
	struct pair *p = pair_up_default();

	to_error(&p->client);
	for (uint32_t i = 0; i < 3; i++)
		post_send(&p->client, i, 0, 64, 0);
	for (uint32_t i = 0; i < 3; i++)
		sent(&p->client, i, IBV_WC_WR_FLUSH_ERR);
	wc_quiet(&p->client, 0);
}

static void receives_posted_in_the_error_state_are_flushed(void)
{
	struct pair *p = pair_up_default();

	post_recv(&p->client, 100, 0, 64);
	to_error(&p->client);
	received(&p->client, 100, IBV_WC_WR_FLUSH_ERR);
	post_recv(&p->client, 101, 0, 64);
	if (differs(false, true))
		received(&p->client, 101, IBV_WC_WR_FLUSH_ERR);
	wc_quiet(&p->client, QUIET_MS);
}

/* How the end of a queue is found: the last one posted is the last one flushed. */
static void a_marker_comes_back_after_all_else(void)
{
	struct pair *p = pair_up_default();

	for (uint32_t i = 0; i < 4; i++)
		post_send(&p->client, i, 0, 64, 0);
	to_error(&p->client);
	post_send(&p->client, 4, 0, 64, IBV_SEND_SIGNALED);
	for (uint32_t i = 0; i < 5; i++)
		sent(&p->client, i, IBV_WC_WR_FLUSH_ERR);
	wc_quiet(&p->client, 0);
}

static void reads_that_wait_are_flushed(void)
{
	struct pair_options o;
	struct pair *p;

	pair_options_init(&o);
	o.client.reads_out = 1;
	p = pair_up(&o);
	/* Behind a SEND that has no receive. */
	post_send(&p->client, 0, 0, 64, 0);
	for (uint32_t i = 1; i < 5; i++)
		post_rdma(&p->client, IBV_WR_RDMA_READ, i, 0, 64, &p->server, 0);
	to_error(&p->client);
	for (uint32_t i = 0; i < 5; i++)
		sent(&p->client, i, IBV_WC_WR_FLUSH_ERR);
}

static void posting_a_send_before_the_connection_is_refused(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct ibv_sge sge;
	struct ibv_send_wr wr, *bad = NULL;

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	sge = piece(&p->client, 0, 64);
	wr = send_wr(&sge, 1, 1, IBV_SEND_SIGNALED);
	equal(ibv_post_send(p->client.qp, &wr, &bad), EINVAL);
}

static void going_to_error_twice_is_no_error(void)
{
	struct pair *p = pair_up_default();

	post_recv(&p->client, 100, 0, 64);
	to_error(&p->client);
	to_error(&p->client);
	received(&p->client, 100, IBV_WC_WR_FLUSH_ERR);
	wc_quiet(&p->client, 0);
	equal(qp_state(&p->client), IBV_QPS_ERR);
}

static void a_queue_pair_that_is_reset_forgets_what_was_posted(void)
{
	struct pair *p = pair_up_default();
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RESET};

	post_recv(&p->client, 100, 0, 64);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	wc_quiet(&p->client, QUIET_MS);
	must((errno = ibv_modify_qp(p->client.qp, &attr, IBV_QP_STATE)));
	equal(qp_state(&p->client), IBV_QPS_RESET);
	wc_quiet(&p->client, QUIET_MS);
}

static void rts_cannot_be_reached_from_error(void)
{
	struct pair *p = pair_up_default();
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RTS};

	to_error(&p->client);
	equal(ibv_modify_qp(p->client.qp, &attr, IBV_QP_STATE), EINVAL);
}

static int left_in(struct side *s, struct ibv_cq *cq)
{
	struct ibv_wc wc;
	int left = 0;

	while (wc_take(s, cq, &wc, QUIET_MS))
		left++;
	return left;
}

/* rdma_rxe leaves what had completed; other drivers clean the queue. All or nothing. */
static void completions_of_a_destroyed_queue_pair_stay_or_go(void)
{
	struct pair *p = pair_up_default();
	int left;

	for (uint32_t i = 0; i < 3; i++)
		post_rdma(&p->client, IBV_WR_RDMA_WRITE, i, 0, 64, &p->server, 0);
	sent(&p->client, 0, IBV_WC_SUCCESS);
	/* The others complete before a peer can see what was sent behind them. */
	post_recv(&p->server, 100, 0, 64);
	post_send(&p->client, 3, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 100, IBV_WC_SUCCESS);
	wait_on(-1, now_ms() + QUIET_MS);
	rdma_destroy_qp(p->client.id);
	p->client.qp = NULL;
	left = left_in(&p->client, p->client.send_cq);
	note("%d of 3 completions left", left);
	check(left == 0 || left == 3, "%d of 3 are left", left);
}

static void flushed_completions_of_a_destroyed_queue_pair_stay_or_go(void)
{
	struct pair *p = pair_up_default();
	int left;

	for (uint32_t i = 0; i < 4; i++)
		post_recv(&p->client, 100 + i, 0, 64);
	to_error(&p->client);
	received(&p->client, 100, IBV_WC_WR_FLUSH_ERR);
	wait_on(-1, now_ms() + QUIET_MS);
	rdma_destroy_qp(p->client.id);
	p->client.qp = NULL;
	left = left_in(&p->client, p->client.recv_cq);
	note("%d of 3 completions left", left);
	check(left == 0 || left == 3, "%d of 3 are left", left);
}

static void destroying_a_queue_pair_with_work_flushes_nothing(void)
{
	struct pair *p = pair_up_default();

	for (uint32_t i = 0; i < 4; i++) {
		post_recv(&p->client, 100 + i, 0, 64);
		post_send(&p->client, i, 0, 64, IBV_SEND_SIGNALED);
	}
	wc_quiet(&p->client, 0);
	rdma_destroy_qp(p->client.id);
	p->client.qp = NULL;
	wc_quiet(&p->client, QUIET_MS);
}

const struct test flush_tests[] = {
	TEST(what_waits_is_flushed_in_order_though_unsignaled),
	TEST(what_had_succeeded_unsignaled_does_not_come_back),
	TEST(receives_are_flushed_in_order),
	TEST(a_failed_request_flushes_what_is_behind_it),
	TEST(sends_posted_in_the_error_state_are_flushed),
	TEST(receives_posted_in_the_error_state_are_flushed),
	TEST(a_marker_comes_back_after_all_else),
	TEST(reads_that_wait_are_flushed),
	TEST(posting_a_send_before_the_connection_is_refused),
	TEST(going_to_error_twice_is_no_error),
	TEST(a_queue_pair_that_is_reset_forgets_what_was_posted),
	TEST(rts_cannot_be_reached_from_error),
	TEST(completions_of_a_destroyed_queue_pair_stay_or_go),
	TEST(flushed_completions_of_a_destroyed_queue_pair_stay_or_go),
	TEST(destroying_a_queue_pair_with_work_flushes_nothing),
	{0},
};
