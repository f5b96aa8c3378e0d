/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SEND and the send queue: order, signaling, lists, inline data, gathering and scattering.
 */
#include "conformance.h"

static void send_queue_completes_in_order(void)
{
	struct pair *p = pair_up_default();

	for (uint32_t i = 0; i < 8; i++)
		post_recv(&p->server, 100 + i, i * 64, 64);
	for (uint32_t i = 0; i < 8; i++)
		post_send(&p->client, i, i * 64, 64, IBV_SEND_SIGNALED);
	for (uint32_t i = 0; i < 8; i++) {
		sent(&p->client, i, IBV_WC_SUCCESS);
		received(&p->server, 100 + i, IBV_WC_SUCCESS);
	}
}

static void unsignaled_sends_leave_no_completion(void)
{
	struct pair *p = pair_up_default();

	for (uint32_t i = 0; i < 4; i++)
		post_recv(&p->server, 100 + i, i * 64, 64);
	for (uint32_t i = 0; i < 3; i++)
		post_send(&p->client, i, 0, 64, 0);
	post_send(&p->client, 3, 0, 64, IBV_SEND_SIGNALED);
	sent(&p->client, 3, IBV_WC_SUCCESS);
	for (uint32_t i = 0; i < 4; i++)
		received(&p->server, 100 + i, IBV_WC_SUCCESS);
	wc_quiet(&p->client, 0);
}

/* Far more than the queue holds, with one signaled of each four. */
static void a_signaled_completion_retires_what_was_before_it(void)
{
	struct pair *p = pair_up_default();
	uint32_t n = p->client.cap.max_send_wr;

	for (uint32_t round = 0; round < 4 * n; round++) {
		for (uint32_t i = 0; i < 4; i++)
			post_recv(&p->server, i, 0, 64);
		for (uint32_t i = 0; i < 4; i++)
			post_send(&p->client, i, 0, 64, i == 3 ? IBV_SEND_SIGNALED : 0);
		sent(&p->client, 3, IBV_WC_SUCCESS);
		for (uint32_t i = 0; i < 4; i++)
			received(&p->server, i, IBV_WC_SUCCESS);
	}
}

static void sq_sig_all_signals_everything(void)
{
	struct pair_options o;
	struct pair *p;

	pair_options_init(&o);
	o.client.sq_sig_all = true;
	p = pair_up(&o);
	post_recv(&p->server, 100, 0, 64);
	post_send(&p->client, 1, 0, 64, 0);
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 2, 0, 64, &p->server, 1024);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	sent(&p->client, 2, IBV_WC_SUCCESS);
}

static void a_list_is_posted_in_its_order(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge[3];
	struct ibv_send_wr wr[3];

	for (uint32_t i = 0; i < 3; i++) {
		post_recv(&p->server, 100 + i, 1024 * i, 64);
		fill(&p->client, 1024 * i, 64, (uint8_t)(i + 1));
		sge[i] = piece(&p->client, 1024 * i, 64);
		wr[i] = send_wr(&sge[i], 1, i, IBV_SEND_SIGNALED);
		wr[i].next = i < 2 ? &wr[i + 1] : NULL;
	}
	post(&p->client, wr);
	for (uint32_t i = 0; i < 3; i++) {
		sent(&p->client, i, IBV_WC_SUCCESS);
		received(&p->server, 100 + i, IBV_WC_SUCCESS);
		filled(&p->server, 1024 * i, 64, (uint8_t)(i + 1));
	}
}

/* A list longer than the queue: what fits is posted, bad_wr names the first that did not. */
static void overflow_names_the_first_that_did_not_fit(void)
{
	enum { LIST = 80 };
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->client, 0, 64);
	struct ibv_send_wr wr[LIST], *bad = NULL;
	struct ibv_wc wc;
	uint64_t posted;
	int err;

	for (uint32_t i = 0; i < LIST; i++) {
		wr[i] = rdma_wr(IBV_WR_RDMA_WRITE, &sge, i, &p->server, 0);
		wr[i].next = i + 1 < LIST ? &wr[i + 1] : NULL;
	}
	check(p->client.cap.max_send_wr < LIST, "the queue is longer than asked for: %u",
	      p->client.cap.max_send_wr);
	err = ibv_post_send(p->client.qp, wr, &bad);
	equal(err, ENOMEM);
	check(bad, "bad_wr is not set");
	posted = bad->wr_id;
	check(posted >= p->client.cap.max_send_wr, "only %llu were taken",
	      (unsigned long long)posted);
	for (uint64_t i = 0; i < posted; i++)
		sent(&p->client, i, IBV_WC_SUCCESS);
	check(!wc_take(&p->client, p->client.send_cq, &wc, 0), "more completed than was taken");
	/* Nothing is broken. */
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 99, 0, 64, &p->server, 0);
	sent(&p->client, 99, IBV_WC_SUCCESS);
}

static void a_wr_with_too_many_sges_is_refused(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge[33];
	struct ibv_send_wr wr = send_wr(sge, 33, 1, IBV_SEND_SIGNALED), *bad = NULL;

	for (uint32_t i = 0; i < 33; i++)
		sge[i] = piece(&p->client, 64 * i, 64);
	check(p->client.cap.max_send_sge < 33, "the device has too many SGEs for this test");
	equal(ibv_post_send(p->client.qp, &wr, &bad), EINVAL);
	equal_ptr(bad, &wr);
	wc_quiet(&p->client, 0);
}

static void inline_data_is_copied_when_posted(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->client, 0, 64);
	struct ibv_send_wr wr = send_wr(&sge, 1, 1, IBV_SEND_SIGNALED | IBV_SEND_INLINE);

	check(p->client.cap.max_inline_data >= 64, "max_inline_data is %u",
	      p->client.cap.max_inline_data);
	fill(&p->client, 0, 64, 5);
	/* Nobody can take it yet: the sender waits, and its memory changes meanwhile. */
	sge.lkey = 0;
	post(&p->client, &wr);
	memset(p->client.mem, 0xff, 64);
	post_recv(&p->server, 100, 1024, 64);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	received(&p->server, 100, IBV_WC_SUCCESS);
	filled(&p->server, 1024, 64, 5);
}

static void inline_data_may_come_from_memory_that_is_not_registered(void)
{
	struct pair *p = pair_up_default();
	char text[] = "not registered";
	struct ibv_sge sge[2] = {{(uintptr_t)text, 4, 0}, {(uintptr_t)text + 4, 10, 0}};
	struct ibv_send_wr wr = send_wr(sge, 2, 1, IBV_SEND_SIGNALED | IBV_SEND_INLINE);

	post_recv(&p->server, 100, 0, 64);
	post(&p->client, &wr);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	equal(received(&p->server, 100, IBV_WC_SUCCESS).byte_len, 14);
	check(!memcmp(p->server.mem, text, 14), "other bytes came than went");
}

static void too_much_inline_data_is_refused(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->client, 0, p->client.cap.max_inline_data + 1);
	struct ibv_send_wr wr = send_wr(&sge, 1, 1, IBV_SEND_SIGNALED | IBV_SEND_INLINE);
	struct ibv_send_wr *bad = NULL;

	post_recv(&p->server, 100, 0, 4096);
	equal(ibv_post_send(p->client.qp, &wr, &bad), EINVAL);
	equal_ptr(bad, &wr);
}

static void an_empty_send_takes_a_receive(void)
{
	struct pair *p = pair_up_default();
	struct ibv_send_wr none = send_wr(NULL, 0, 1, IBV_SEND_SIGNALED);

	post_recv(&p->server, 100, 0, 64);
	post_recv(&p->server, 101, 0, 64);
	post(&p->client, &none);
	post_send(&p->client, 2, 0, 0, IBV_SEND_SIGNALED);
	equal(received(&p->server, 100, IBV_WC_SUCCESS).byte_len, 0);
	equal(received(&p->server, 101, IBV_WC_SUCCESS).byte_len, 0);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	sent(&p->client, 2, IBV_WC_SUCCESS);
}

/* A receive without memory serves it. */
static void an_empty_send_fits_a_receive_without_memory(void)
{
	struct pair *p = pair_up_default();
	struct ibv_recv_wr wr = {.wr_id = 100}, *bad;
	struct ibv_send_wr none = send_wr(NULL, 0, 1, IBV_SEND_SIGNALED);

	equal(ibv_post_recv(p->server.qp, &wr, &bad), 0);
	post(&p->client, &none);
	equal(received(&p->server, 100, IBV_WC_SUCCESS).byte_len, 0);
	sent(&p->client, 1, IBV_WC_SUCCESS);
}

static void send_gathers_and_receive_scatters(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge from[3] = {piece(&p->client, 0, 10), piece(&p->client, 1000, 0),
				  piece(&p->client, 2000, 90)};
	struct ibv_sge into[3] = {piece(&p->server, 5000, 33), piece(&p->server, 100, 17),
				  piece(&p->server, 8000, 200)};
	struct ibv_send_wr wr = send_wr(from, 3, 1, IBV_SEND_SIGNALED);
	struct ibv_recv_wr rwr = {.wr_id = 100, .sg_list = into, .num_sge = 3}, *bad;
	uint8_t whole[100], got[100];

	fill(&p->client, 0, 4096, 9);
	memcpy(whole, p->client.mem, 10);
	memcpy(whole + 10, p->client.mem + 2000, 90);
	equal(ibv_post_recv(p->server.qp, &rwr, &bad), 0);
	post(&p->client, &wr);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	equal(received(&p->server, 100, IBV_WC_SUCCESS).byte_len, 100);
	memcpy(got, p->server.mem + 5000, 33);
	memcpy(got + 33, p->server.mem + 100, 17);
	memcpy(got + 50, p->server.mem + 8000, 50);
	check(!memcmp(whole, got, 100), "other bytes came than went");
	equal(p->server.mem[8050], 0);
}

/* Longer than one packet, whatever the MTU. */
static void a_long_send_arrives_whole(void)
{
	struct pair *p = pair_up_default();

	fill(&p->client, 0, 40000, 3);
	post_recv(&p->server, 100, 8, 40000);
	post_send(&p->client, 1, 0, 40000, IBV_SEND_SIGNALED);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	equal(received(&p->server, 100, IBV_WC_SUCCESS).byte_len, 40000);
	filled(&p->server, 8, 40000, 3);
}

static void both_sides_may_send_at_once(void)
{
	struct pair *p = pair_up_default();

	post_recv(&p->client, 100, 0, 64);
	post_recv(&p->server, 101, 0, 64);
	post_send(&p->client, 1, 1024, 64, IBV_SEND_SIGNALED);
	post_send(&p->server, 2, 1024, 64, IBV_SEND_SIGNALED);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	sent(&p->server, 2, IBV_WC_SUCCESS);
	received(&p->client, 100, IBV_WC_SUCCESS);
	received(&p->server, 101, IBV_WC_SUCCESS);
}

/* The library posts its responses when it is asked to, which may be before it is established. */
static void the_server_may_send_before_it_is_established(void)
{
	struct pair_options o;
	struct pair *p = pair_new();

	pair_options_init(&o);
	/* What comes before the client's queue pair is ready is lost, and sent again. */
	o.server.ack_timeout = 14;
	pair_ask(p, &o, NULL, 0);
	post_recv(&p->client, 100, 0, 64);
	pair_answer(p, &o);
	post_send(&p->server, 1, 0, 64, IBV_SEND_SIGNALED);
	cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
	received(&p->client, 100, IBV_WC_SUCCESS);
	sent(&p->server, 1, IBV_WC_SUCCESS);
}

static void the_client_may_send_before_the_server_looks(void)
{
	struct pair_options o;
	struct pair *p = pair_new();

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	pair_answer(p, &o);
	post_recv(&p->server, 100, 0, 64);
	cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 100, IBV_WC_SUCCESS);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	cm_want(p->server.events, RDMA_CM_EVENT_ESTABLISHED);
}

const struct test send_tests[] = {
	TEST(send_queue_completes_in_order),
	TEST(unsignaled_sends_leave_no_completion),
	TEST(a_signaled_completion_retires_what_was_before_it),
	TEST(sq_sig_all_signals_everything),
	TEST(a_list_is_posted_in_its_order),
	TEST(overflow_names_the_first_that_did_not_fit),
	TEST(a_wr_with_too_many_sges_is_refused),
	TEST(inline_data_is_copied_when_posted),
	TEST(inline_data_may_come_from_memory_that_is_not_registered),
	TEST(too_much_inline_data_is_refused),
	TEST(an_empty_send_takes_a_receive),
	TEST(an_empty_send_fits_a_receive_without_memory),
	TEST(send_gathers_and_receive_scatters),
	TEST(a_long_send_arrives_whole),
	TEST(both_sides_may_send_at_once),
	TEST(the_server_may_send_before_it_is_established),
	TEST(the_client_may_send_before_the_server_looks),
	{0},
};
