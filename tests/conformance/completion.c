/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a completion says.
 */
#include "conformance.h"

/* Some devices say that a packet had a global route header, which on RoCE means nothing. */
#define FLAGS(wc) ((wc).wc_flags & ~(unsigned)IBV_WC_GRH)

static void a_send_completion_says_what_it_was(void)
{
	struct pair *p = pair_up_default();
	struct ibv_wc wc;

	post_recv(&p->server, 100, 0, 64);
	post_send(&p->client, 0x123456789abcdef0u, 0, 48, IBV_SEND_SIGNALED);
	wc = sent(&p->client, 0x123456789abcdef0u, IBV_WC_SUCCESS);
	equal(wc.opcode, IBV_WC_SEND);
	equal(wc.qp_num, p->client.qp->qp_num);
	equal(FLAGS(wc), 0);
	equal(wc.vendor_err, 0);
}

static void a_receive_completion_says_what_came(void)
{
	struct pair *p = pair_up_default();
	struct ibv_wc wc;

	post_recv(&p->server, 0xfedcba9876543210u, 0, 64);
	post_send(&p->client, 1, 0, 48, IBV_SEND_SIGNALED);
	wc = received(&p->server, 0xfedcba9876543210u, IBV_WC_SUCCESS);
	equal(wc.opcode, IBV_WC_RECV);
	equal(wc.byte_len, 48);
	equal(wc.qp_num, p->server.qp->qp_num);
	equal(FLAGS(wc), 0);
}

static void immediate_data_comes_with_the_receive(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->client, 0, 16);
	struct ibv_send_wr wr = send_wr(&sge, 1, 1, IBV_SEND_SIGNALED);
	struct ibv_wc wc;

	post_recv(&p->server, 100, 0, 64);
	wr.opcode = IBV_WR_SEND_WITH_IMM;
	wr.imm_data = htonl(0xcafe1234);
	post(&p->client, &wr);
	wc = sent(&p->client, 1, IBV_WC_SUCCESS);
	equal(wc.opcode, IBV_WC_SEND);
	wc = received(&p->server, 100, IBV_WC_SUCCESS);
	equal(wc.opcode, IBV_WC_RECV);
	equal(FLAGS(wc), IBV_WC_WITH_IMM);
	equal(wc.imm_data, htonl(0xcafe1234));
	equal(wc.byte_len, 16);
}

static void write_with_immediate_takes_a_receive_and_leaves_its_memory(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->client, 0, 40);
	struct ibv_send_wr wr = rdma_wr(IBV_WR_RDMA_WRITE_WITH_IMM, &sge, 1, &p->server, 1024);
	struct ibv_wc wc;

	fill(&p->client, 0, 40, 3);
	post_recv(&p->server, 100, 0, 8);
	wr.imm_data = htonl(77);
	post(&p->client, &wr);
	wc = sent(&p->client, 1, IBV_WC_SUCCESS);
	equal(wc.opcode, IBV_WC_RDMA_WRITE);
	wc = received(&p->server, 100, IBV_WC_SUCCESS);
	equal(wc.opcode, IBV_WC_RECV_RDMA_WITH_IMM);
	equal(FLAGS(wc), IBV_WC_WITH_IMM);
	equal(wc.imm_data, htonl(77));
	equal(wc.byte_len, 40);
	filled(&p->server, 1024, 40, 3);
	equal(p->server.mem[0], 0);
}

static void each_operation_has_its_opcode(void)
{
	struct pair *p = pair_up_default();
	struct ibv_wc wc;

	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 1, 0, 64, &p->server, 0);
	wc = sent(&p->client, 1, IBV_WC_SUCCESS);
	equal(wc.opcode, IBV_WC_RDMA_WRITE);
	post_rdma(&p->client, IBV_WR_RDMA_READ, 2, 0, 64, &p->server, 0);
	wc = sent(&p->client, 2, IBV_WC_SUCCESS);
	equal(wc.opcode, IBV_WC_RDMA_READ);
	equal(wc.byte_len, 64);
	wc_quiet(&p->server, 0);
}

/* Only wr_id, status, qp_num and vendor_err of a failed completion mean something. */
static void a_flushed_completion_names_its_queue_pair(void)
{
	struct pair *p = pair_up_default();
	struct ibv_wc wc;

	post_recv(&p->client, 100, 0, 64);
	to_error(&p->client);
	wc = received(&p->client, 100, IBV_WC_WR_FLUSH_ERR);
	equal(wc.qp_num, p->client.qp->qp_num);
	post_send(&p->client, 1, 0, 64, 0);
	wc = sent(&p->client, 1, IBV_WC_WR_FLUSH_ERR);
	equal(wc.qp_num, p->client.qp->qp_num);
}

static void one_poll_takes_as_many_as_there_is_room_for(void)
{
	struct pair *p = pair_up_default();
	struct ibv_wc wc[4];

	for (uint32_t i = 0; i < 5; i++)
		post_rdma(&p->client, IBV_WR_RDMA_WRITE, i, 0, 64, &p->server, 0);
	/* All are there when what was posted last is. */
	post_recv(&p->server, 100, 0, 64);
	post_send(&p->client, 5, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 100, IBV_WC_SUCCESS);
	equal(ibv_poll_cq(p->client.send_cq, 0, wc), 0);
	sent(&p->client, 0, IBV_WC_SUCCESS);
	for (int n = 0; n < 5;) {
		int got = ibv_poll_cq(p->client.send_cq, 4, wc);

		check(got >= 0 && got <= 4, "ibv_poll_cq says %d", got);
		for (int i = 0; i < got; i++)
			equal(wc[i].wr_id, ++n);
		if (!got)
			wait_on(p->client.channel->fd, now_ms() + 1000);
	}
	equal(ibv_poll_cq(p->client.send_cq, 4, wc), 0);
}

/* As the library has it: one queue for all that a group's queue pairs do. */
static void queue_pairs_may_share_a_completion_queue(void)
{
	struct pair_options o;
	struct pair *p = pair_new(), *q;
	unsigned seen = 0;
	struct ibv_wc wc;

	pair_options_init(&o);
	/* The receives of q's server go where those of p's server are. */
	pair_ask(p, &o, NULL, 0);
	pair_answer(p, &o);
	cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
	cm_want(p->server.events, RDMA_CM_EVENT_ESTABLISHED);
	o.server.recv_cq = p->server.recv_cq;
	q = pair_new();
	pair_ask(q, &o, NULL, 0);
	pair_answer(q, &o);
	cm_want(q->client.events, RDMA_CM_EVENT_ESTABLISHED);
	post_recv(&p->server, 1, 0, 64);
	post_recv(&q->server, 2, 0, 64);
	post_send(&q->client, 3, 0, 64, IBV_SEND_SIGNALED);
	post_send(&p->client, 4, 0, 64, IBV_SEND_SIGNALED);
	for (int i = 0; i < 2; i++) {
		check(wc_take(&p->server, p->server.recv_cq, &wc, DEADLINE_MS), "nothing came");
		equal(wc.status, IBV_WC_SUCCESS);
		equal(wc.qp_num, wc.wr_id == 1 ? p->server.qp->qp_num : q->server.qp->qp_num);
		seen |= 1u << wc.wr_id;
	}
	equal(seen, 6);
}

const struct test completion_tests[] = {
	TEST(a_send_completion_says_what_it_was),
	TEST(a_receive_completion_says_what_came),
	TEST(immediate_data_comes_with_the_receive),
	TEST(write_with_immediate_takes_a_receive_and_leaves_its_memory),
	TEST(each_operation_has_its_opcode),
	TEST(a_flushed_completion_names_its_queue_pair),
	TEST(one_poll_takes_as_many_as_there_is_room_for),
	TEST(queue_pairs_may_share_a_completion_queue),
	{0},
};
