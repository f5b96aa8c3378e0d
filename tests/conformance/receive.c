/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive queues: order, receives that are too short, and none at all.
 */
#include "conformance.h"

static void receives_are_used_in_the_order_of_posting(void)
{
	struct pair *p = pair_up_default();

	for (uint32_t i = 0; i < 4; i++)
		post_recv(&p->server, 100 + i, 1024 * (3 - i), 64);
	for (uint32_t i = 0; i < 4; i++) {
		fill(&p->client, 0, 64, (uint8_t)(i + 1));
		post_send(&p->client, i, 0, 64, IBV_SEND_SIGNALED);
		sent(&p->client, i, IBV_WC_SUCCESS);
		received(&p->server, 100 + i, IBV_WC_SUCCESS);
		filled(&p->server, 1024 * (3 - i), 64, (uint8_t)(i + 1));
	}
}

static void receives_may_be_posted_before_the_connection(void)
{
	struct pair_options o;
	struct pair *p = pair_new();

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	post_recv(&p->client, 100, 0, 64);
	pair_answer(p, &o);
	cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
	post_send(&p->server, 1, 0, 64, IBV_SEND_SIGNALED);
	received(&p->client, 100, IBV_WC_SUCCESS);
}

static void posting_past_the_receive_queue_is_refused(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->server, 0, 64);
	struct ibv_recv_wr wr[80], *bad = NULL;
	uint64_t taken;

	check(p->server.cap.max_recv_wr < 80, "the queue is longer than asked for");
	for (uint32_t i = 0; i < 80; i++)
		wr[i] = (struct ibv_recv_wr){
			.wr_id = i,
			.sg_list = &sge,
			.num_sge = 1,
			.next = i + 1 < 80 ? &wr[i + 1] : NULL,
		};
	equal(ibv_post_recv(p->server.qp, wr, &bad), ENOMEM);
	check(bad, "bad_wr is not set");
	taken = bad->wr_id;
	check(taken >= p->server.cap.max_recv_wr, "only %llu were taken",
	      (unsigned long long)taken);
	/* What was taken is good. */
	to_error(&p->server);
	for (uint64_t i = 0; i < taken; i++)
		received(&p->server, i, IBV_WC_WR_FLUSH_ERR);
	wc_quiet(&p->server, 0);
}

static void a_receive_with_too_many_sges_is_refused(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge[33];
	struct ibv_recv_wr wr = {.sg_list = sge, .num_sge = 33}, *bad = NULL;

	for (uint32_t i = 0; i < 33; i++)
		sge[i] = piece(&p->client, 64 * i, 64);
	equal(ibv_post_recv(p->client.qp, &wr, &bad), EINVAL);
	equal_ptr(bad, &wr);
}

static void a_receive_that_is_too_short_ends_both_queue_pairs(void)
{
	struct pair *p = pair_up_default();

	post_recv(&p->server, 100, 0, 63);
	post_recv(&p->server, 101, 0, 64);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	post_send(&p->client, 2, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 100, differs(IBV_WC_LOC_QP_OP_ERR, IBV_WC_LOC_LEN_ERR));
	sent(&p->client, 1, differs(IBV_WC_REM_OP_ERR, IBV_WC_REM_INV_REQ_ERR));
	sent(&p->client, 2, IBV_WC_WR_FLUSH_ERR);
	received(&p->server, 101, IBV_WC_WR_FLUSH_ERR);
	qp_state_want(&p->client, IBV_QPS_ERR);
	qp_state_want(&p->server, IBV_QPS_ERR);
}

/* Also when the first packet alone would fit. */
static void a_long_send_into_a_short_receive_ends_both_queue_pairs(void)
{
	struct pair *p = pair_up_default();

	post_recv(&p->server, 100, 0, 10000);
	post_send(&p->client, 1, 0, 20000, IBV_SEND_SIGNALED);
	received(&p->server, 100, differs(IBV_WC_LOC_QP_OP_ERR, IBV_WC_LOC_LEN_ERR));
	sent(&p->client, 1, differs(IBV_WC_REM_OP_ERR, IBV_WC_REM_INV_REQ_ERR));
	qp_state_want(&p->server, IBV_QPS_ERR);
}

static void rnr_retry_7_waits_for_a_receive(void)
{
	struct pair *p = pair_up_default();

	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	wc_quiet(&p->client, QUIET_MS);
	equal(qp_state(&p->client), IBV_QPS_RTS);
	post_recv(&p->server, 100, 0, 64);
	received(&p->server, 100, IBV_WC_SUCCESS);
	sent(&p->client, 1, IBV_WC_SUCCESS);
}

/* The peer's number of retries is the other side's rnr_retry_count. */
static struct pair *pair_with_rnr(uint8_t retries)
{
	struct pair_options o;

	pair_options_init(&o);
	o.client.rnr_retry = retries;
	o.server.rnr_retry = retries;
	return pair_up(&o);
}

static void rnr_retry_0_fails_at_once(void)
{
	struct pair *p = pair_with_rnr(0);

	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	post_send(&p->client, 2, 0, 64, IBV_SEND_SIGNALED);
	sent(&p->client, 1, IBV_WC_RNR_RETRY_EXC_ERR);
	sent(&p->client, 2, IBV_WC_WR_FLUSH_ERR);
	qp_state_want(&p->client, IBV_QPS_ERR);
	/* The responder has done nothing wrong. */
	equal(qp_state(&p->server), IBV_QPS_RTS);
	wc_quiet(&p->server, 0);
}

static void rnr_retry_2_fails_after_a_while(void)
{
	struct pair *p = pair_with_rnr(2);
	uint64_t began;

	began = now_ms();
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	sent(&p->client, 1, IBV_WC_RNR_RETRY_EXC_ERR);
	/* Two waits of 655 ms. */
	check(now_ms() - began >= 1000, "after only %llu ms",
	      (unsigned long long)(now_ms() - began));
}

static void min_rnr_timer_of_the_responder_paces_the_retries(void)
{
	struct pair *p = pair_with_rnr(3);
	/* 61.44 ms; 3 retries are at least 184 ms */
	struct ibv_qp_attr attr = {.min_rnr_timer = 25};
	uint64_t began;

	must((errno = ibv_modify_qp(p->server.qp, &attr, IBV_QP_MIN_RNR_TIMER)));
	began = now_ms();
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	sent(&p->client, 1, IBV_WC_RNR_RETRY_EXC_ERR);
	check(now_ms() - began >= 150, "after only %llu ms",
	      (unsigned long long)(now_ms() - began));
}

static void writes_need_no_receive_but_wait_behind_a_send_that_does(void)
{
	struct pair *p = pair_up_default();

	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 1, 0, 64, &p->server, 0);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	post_send(&p->client, 2, 0, 64, IBV_SEND_SIGNALED);
	fill(&p->client, 128, 64, 7);
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 3, 128, 64, &p->server, 128);
	wc_quiet(&p->client, QUIET_MS);
	equal(p->server.mem[128], 0);
	post_recv(&p->server, 100, 0, 64);
	sent(&p->client, 2, IBV_WC_SUCCESS);
	sent(&p->client, 3, IBV_WC_SUCCESS);
	filled(&p->server, 128, 64, 7);
}

const struct test receive_tests[] = {
	TEST(receives_are_used_in_the_order_of_posting),
	TEST(receives_may_be_posted_before_the_connection),
	TEST(posting_past_the_receive_queue_is_refused),
	TEST(a_receive_with_too_many_sges_is_refused),
	TEST(a_receive_that_is_too_short_ends_both_queue_pairs),
	TEST(a_long_send_into_a_short_receive_ends_both_queue_pairs),
	TEST(rnr_retry_7_waits_for_a_receive),
	TEST(rnr_retry_0_fails_at_once),
	TEST(rnr_retry_2_fails_after_a_while),
	TEST(min_rnr_timer_of_the_responder_paces_the_retries),
	TEST(writes_need_no_receive_but_wait_behind_a_send_that_does),
	{0},
};
