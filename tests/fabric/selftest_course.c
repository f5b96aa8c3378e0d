/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What verbs do on the fabric, one rule after the other.
 */
#include <poll.h>
#include <pthread.h>

#include "selftest.h"

static const struct config plain;

static void a_send_completes_on_both_sides(void)
{
	struct ibv_wc wc;

	begin(&plain);
	memset(a.mem, 0x5a, 100);
	check(!receive(&b, 1, 0, 200));
	check(!post(&a, IBV_WR_SEND, 2, 0, 100, 0));
	nothing(&b);
	step(&a, FABRIC_SEND, "SEND");
	wc = took(&b, 1, IBV_WC_SUCCESS);
	check(wc.byte_len == 100 && wc.opcode == IBV_WC_RECV && b.mem[99] == 0x5a && !b.mem[100]);
	check(wc.qp_num == b.qp->qp_num && wc.src_qp == a.qp->qp_num);
	nothing(&a);
	step(&a, FABRIC_ACK, "ack of SEND");
	wc = took(&a, 2, IBV_WC_SUCCESS);
	check(wc.opcode == IBV_WC_SEND);
	end();
}

static void a_write_and_a_read_move_bytes(void)
{
	begin(&plain);
	memset(a.mem, 1, 64);
	memset(b.mem + 1000, 2, 64);
	check(!post(&a, IBV_WR_RDMA_WRITE, 1, 0, 64, 0));
	check(!post(&a, IBV_WR_RDMA_READ, 2, 64, 64, 1000));
	run_all();
	took(&a, 1, IBV_WC_SUCCESS);
	check(took(&a, 2, IBV_WC_SUCCESS).byte_len == 64);
	check(b.mem[63] == 1 && a.mem[127] == 2);
	end();
}

static void the_threaded_mode_moves_by_itself(void)
{
	const struct config threaded = {.threaded = true};
	struct pollfd fd;
	struct ibv_cq *cq;
	void *context;

	begin(&threaded);
	check(!ibv_req_notify_cq(b.cq, 0));
	memset(a.mem, 7, 64);
	/* No receive is there yet: a timer tries again. */
	check(!post(&a, IBV_WR_SEND, 1, 0, 64, 0));
	check(!receive(&b, 2, 0, 64));
	fd = (struct pollfd){.fd = b.channel->fd, .events = POLLIN};
	check(poll(&fd, 1, 10000) == 1);
	check(!ibv_get_cq_event(b.channel, &cq, &context) && cq == b.cq && context == &b);
	ibv_ack_cq_events(cq, 1);
	took(&b, 2, IBV_WC_SUCCESS);
	check(b.mem[63] == 7);
	check(!post(&b, IBV_WR_RDMA_READ, 3, 128, 64, 0));
	took(&b, 3, IBV_WC_SUCCESS);
	check(b.mem[191] == 7);
	check(!to_state(&b, IBV_QPS_ERR));
	end();
}

enum { TALK = 2000 };

/* Sends and reads until it and its peer have had enough. */
static void *talk(void *arg)
{
	struct side *s = arg;
	uint32_t receives = 0, out = 0, sent = 0, got = 0;
	struct ibv_wc wc[16];

	while (got < TALK || sent < TALK || out) {
		for (; receives < 8; receives++)
			check(!receive(s, 1, receives * 64, 64));
		for (; out < 8 && sent < TALK; out++, sent++) {
			check(!post(s, IBV_WR_RDMA_READ, 2, 4096, 64, 6000));
			check(!post(s, IBV_WR_SEND, 3, 4096, 64, 0));
		}
		for (int n = ibv_poll_cq(s->cq, 16, wc); n > 0; n--) {
			check(wc[n - 1].status == IBV_WC_SUCCESS);
			receives -= wc[n - 1].wr_id == 1;
			got += wc[n - 1].wr_id == 1;
			out -= wc[n - 1].wr_id == 3;
		}
	}
	return NULL;
}

static void two_threads_talk_until_one_goes(void)
{
	const struct config threaded = {.threaded = true, .send_wrs = 16, .retry_cnt = 1};
	pthread_t thread;

	begin(&threaded);
	check(!pthread_create(&thread, NULL, talk, &a));
	talk(&b);
	check(!ibv_destroy_qp(b.qp));
	b.qp = NULL;
	check(!pthread_join(thread, NULL));
	end();
}

/* ---- order, losses ---- */

static void unsignaled_wrs_retire_with_a_later_completion(void)
{
	const struct config config = {.send_wrs = 2};
	struct ibv_send_wr wr, *bad;
	struct ibv_sge sge;

	begin(&config);
	check(!receive(&b, 1, 0, 64) && !receive(&b, 2, 0, 64));
	wr = wr_of(&a, &sge, IBV_WR_SEND, 3, 0, 64);
	wr.send_flags = 0;
	check(!ibv_post_send(a.qp, &wr, &bad));
	check(!post(&a, IBV_WR_SEND, 4, 0, 64, 0));
	run_all();
	check(fabric_memory_owner(a.mem, 1, false));
	took(&a, 4, IBV_WC_SUCCESS);
	nothing(&a);
	check(!fabric_memory_owner(a.mem, 1, false));
	took(&b, 1, IBV_WC_SUCCESS);
	took(&b, 2, IBV_WC_SUCCESS);
	end();
}

static void a_lost_request_is_sent_again(void)
{
	begin(&plain);
	check(!receive(&b, 1, 0, 64));
	check(!post(&a, IBV_WR_SEND, 2, 0, 64, 0));
	drop(&a, FABRIC_SEND, "SEND");
	check(!fabric_ready());
	nothing(&b);
	fabric_advance(fabric_next_due() - fabric_now_ns());
	step(&a, FABRIC_EVENT, "ACK timeout");
	step(&a, FABRIC_SEND, "SEND");
	step(&a, FABRIC_ACK, NULL);
	took(&b, 1, IBV_WC_SUCCESS);
	took(&a, 2, IBV_WC_SUCCESS);
	end();
}

static void a_lost_ack_and_a_dead_peer_exhaust_the_retries(void)
{
	const struct config config = {.retry_cnt = 2};

	begin(&config);
	check(!receive(&b, 1, 0, 64));
	check(!post(&a, IBV_WR_SEND, 2, 0, 64, 0));
	check(!post(&a, IBV_WR_SEND, 3, 0, 64, 0));
	step(&a, FABRIC_SEND, "SEND");
	drop(&a, FABRIC_ACK, NULL);
	took(&b, 1, IBV_WC_SUCCESS);
	check(!ibv_destroy_qp(b.qp));
	b.qp = NULL;
	run_all();
	took(&a, 2, IBV_WC_RETRY_EXC_ERR);
	took(&a, 3, IBV_WC_WR_FLUSH_ERR);
	end();
}

static void a_lost_ack_does_not_deliver_twice(void)
{
	begin(&plain);
	check(!receive(&b, 1, 0, 64) && !receive(&b, 2, 0, 64));
	check(!post(&a, IBV_WR_SEND, 3, 0, 64, 0));
	step(&a, FABRIC_SEND, NULL);
	drop(&a, FABRIC_ACK, NULL);
	run_all();
	took(&a, 3, IBV_WC_SUCCESS);
	took(&b, 1, IBV_WC_SUCCESS);
	nothing(&b);
	end();
}

static void a_lost_read_response_reads_again(void)
{
	begin(&plain);
	b.mem[0] = 1;
	check(!post(&a, IBV_WR_RDMA_READ, 1, 0, 64, 0));
	step(&a, FABRIC_SEND, "RDMA_READ");
	check(a.mem[0] == 1);
	drop(&a, FABRIC_ACK, "RDMA_READ response");
	b.mem[0] = 2;
	run_all();
	took(&a, 1, IBV_WC_SUCCESS);
	check(a.mem[0] == 2);
	end();
}

static void a_port_that_is_down_loses_what_is_under_way(void)
{
	const struct config config = {.retry_cnt = 1};

	begin(&config);
	check(!receive(&b, 1, 0, 64));
	check(!post(&a, IBV_WR_SEND, 2, 0, 64, 0));
	step(&a, FABRIC_SEND, NULL);
	fabric_port_set("dev-b", false);
	event(&b, IBV_EVENT_PORT_ERR);
	run_all();
	took(&b, 1, IBV_WC_SUCCESS);
	took(&a, 2, IBV_WC_RETRY_EXC_ERR);
	fabric_port_set("dev-b", true);
	event(&b, IBV_EVENT_PORT_ACTIVE);
	end();
}

static void a_cut_link_heals(void)
{
	begin(&plain);
	fabric_link_set("dev-b", "dev-a", false);
	check(!post(&a, IBV_WR_RDMA_WRITE, 1, 0, 64, 0));
	step(&a, FABRIC_SEND, NULL);
	check(!fabric_ready());
	fabric_link_set("dev-a", "dev-b", true);
	run_all();
	took(&a, 1, IBV_WC_SUCCESS);
	end();
}

/* ---- credits ---- */

static void one_read_credit_lets_one_read_go(void)
{
	const struct config config = {.reads = 1};

	begin(&config);
	check(!post(&a, IBV_WR_RDMA_READ, 1, 0, 64, 0));
	check(!post(&a, IBV_WR_RDMA_READ, 2, 64, 64, 0));
	step(&a, FABRIC_SEND, NULL);
	check(!can(&a, FABRIC_SEND, NULL));
	step(&a, FABRIC_ACK, NULL);
	check(can(&a, FABRIC_SEND, "RDMA_READ"));
	took(&a, 1, IBV_WC_SUCCESS);
	check(!to_state(&a, IBV_QPS_ERR));
	run_all();
	took(&a, 2, IBV_WC_WR_FLUSH_ERR);
	end();
}

static void a_fence_waits_for_reads(void)
{
	struct ibv_send_wr wr, *bad;
	struct ibv_sge sge;

	begin(&plain);
	b.mem[0] = 9;
	check(!post(&a, IBV_WR_RDMA_READ, 1, 0, 64, 0));
	check(!receive(&b, 2, 64, 64));
	wr = wr_of(&a, &sge, IBV_WR_SEND, 3, 0, 64);
	wr.send_flags |= IBV_SEND_FENCE;
	check(!ibv_post_send(a.qp, &wr, &bad));
	step(&a, FABRIC_SEND, "RDMA_READ");
	check(!can(&a, FABRIC_SEND, NULL));
	step(&a, FABRIC_ACK, NULL);
	step(&a, FABRIC_SEND, "SEND");
	check(b.mem[64] == 9);
	run_all();
	took(&a, 1, IBV_WC_SUCCESS);
	took(&a, 3, IBV_WC_SUCCESS);
	took(&b, 2, IBV_WC_SUCCESS);
	end();
}

static void a_receiver_not_ready_is_asked_again(void)
{
	struct fabric_stats stats;

	begin(&plain);
	check(!post(&a, IBV_WR_SEND, 1, 0, 64, 0));
	for (int i = 0; i < 3; i++) {
		step(&a, FABRIC_SEND, NULL);
		check(!fabric_ready() && fabric_next_due() == fabric_now_ns() + 10000);
		fabric_advance(10000);
		step(&a, FABRIC_EVENT, "RNR timer");
	}
	check(!receive(&b, 2, 0, 64));
	run_all();
	took(&a, 1, IBV_WC_SUCCESS);
	took(&b, 2, IBV_WC_SUCCESS);
	fabric_get_stats(0, &stats);
	check(stats.rnr_naks == 3);
	end();
}

static void rnr_retries_are_exhausted(void)
{
	const struct config config = {.rnr_retry = 2};

	begin(&config);
	check(!post(&a, IBV_WR_SEND, 1, 0, 64, 0));
	run_all();
	took(&a, 1, IBV_WC_RNR_RETRY_EXC_ERR);
	check(fabric_now_ns() == 1000000000u + 20000);
	check(b.qp->state == IBV_QPS_RTS);
	end();
}

#define TEST(name)          \
	{                   \
#name, name \
	}
const struct test course_tests[] = {
	TEST(a_send_completes_on_both_sides),
	TEST(a_write_and_a_read_move_bytes),
	TEST(the_threaded_mode_moves_by_itself),
	TEST(two_threads_talk_until_one_goes),
	TEST(unsignaled_wrs_retire_with_a_later_completion),
	TEST(a_lost_request_is_sent_again),
	TEST(a_lost_ack_and_a_dead_peer_exhaust_the_retries),
	TEST(a_lost_ack_does_not_deliver_twice),
	TEST(a_lost_read_response_reads_again),
	TEST(a_port_that_is_down_loses_what_is_under_way),
	TEST(a_cut_link_heals),
	TEST(one_read_credit_lets_one_read_go),
	TEST(a_fence_waits_for_reads),
	TEST(a_receiver_not_ready_is_asked_again),
	TEST(rnr_retries_are_exhausted),
	{0},
};
