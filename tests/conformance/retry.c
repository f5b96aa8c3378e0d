/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A peer that does not answer: retries, and what is known before they are exhausted.
 */
#include "conformance.h"

/* 2^16 * 4.096 us = 268 ms between the retries. */
#define TIMEOUT 16

static struct pair *pair_with_retries(void)
{
	struct pair_options o;

	pair_options_init(&o);
	o.client.ack_timeout = TIMEOUT;
	o.client.retry_count = 1;
	return pair_up(&o);
}

static void a_vanished_queue_pair_exhausts_the_retries(void)
{
	struct pair *p = pair_with_retries();

	rdma_destroy_qp(p->server.id);
	p->server.qp = NULL;
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	post_send(&p->client, 2, 0, 64, 0);
	post_recv(&p->client, 100, 0, 64);
	/* In the meantime nothing is known. */
	wc_quiet(&p->client, 100);
	equal(qp_state(&p->client), IBV_QPS_RTS);
	sent(&p->client, 1, IBV_WC_RETRY_EXC_ERR);
	sent(&p->client, 2, IBV_WC_WR_FLUSH_ERR);
	received(&p->client, 100, IBV_WC_WR_FLUSH_ERR);
	equal(qp_state(&p->client), IBV_QPS_ERR);
	cm_quiet(p->client.events, 0);
}

static void a_peer_in_the_error_state_does_not_answer(void)
{
	struct pair *p = pair_with_retries();

	to_error(&p->server);
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 1, 0, 64, &p->server, 0);
	wc_quiet(&p->client, 100);
	sent(&p->client, 1, IBV_WC_RETRY_EXC_ERR);
	equal(qp_state(&p->client), IBV_QPS_ERR);
}

static void reads_of_a_vanished_peer_exhaust_the_retries(void)
{
	struct pair *p = pair_with_retries();

	rdma_destroy_qp(p->server.id);
	p->server.qp = NULL;
	post_rdma(&p->client, IBV_WR_RDMA_READ, 1, 0, 64, &p->server, 0);
	post_rdma(&p->client, IBV_WR_RDMA_READ, 2, 0, 64, &p->server, 0);
	wc_quiet(&p->client, 100);
	sent(&p->client, 1, IBV_WC_RETRY_EXC_ERR);
	sent(&p->client, 2, IBV_WC_WR_FLUSH_ERR);
}

static void an_idle_queue_pair_does_not_notice(void)
{
	struct pair *p = pair_with_retries();

	to_error(&p->server);
	wc_quiet(&p->client, 800);
	equal(qp_state(&p->client), IBV_QPS_RTS);
}

/* Waiting for the peer's answer, a queue pair is moved to error by its owner. */
static void retrying_ends_when_the_owner_gives_up(void)
{
	struct pair *p = pair_with_retries();

	to_error(&p->server);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	wc_quiet(&p->client, QUIET_MS);
	to_error(&p->client);
	sent(&p->client, 1, IBV_WC_WR_FLUSH_ERR);
	wc_quiet(&p->client, 600);
}

const struct test retry_tests[] = {
	TEST(a_vanished_queue_pair_exhausts_the_retries),
	TEST(a_peer_in_the_error_state_does_not_answer),
	TEST(reads_of_a_vanished_peer_exhaust_the_retries),
	TEST(an_idle_queue_pair_does_not_notice),
	TEST(retrying_ends_when_the_owner_gives_up),
	{0},
};
