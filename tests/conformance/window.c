/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory windows of type 2, and SEND with invalidate.
 *
 * Each window is bound once and invalidated at most once: rdma_rxe of Linux 6.1 crashes when one is bound again, or
 * invalidated by both sides.
 */
#include "conformance.h"

/* rdma_rxe of Linux 6.1 stores the kernel's flag, whose bit means something else here. */
#define WITH_INV ((unsigned)IBV_WC_WITH_INV | (unsigned)IBV_WC_IP_CSUM_OK)

static void mw_undo(void *arg)
{
	must((errno = ibv_dealloc_mw(arg)));
}

/* A window of the server's on 4 KiB at 8192, bound. Returns its key. */
static uint32_t bound(struct pair *p, unsigned access)
{
	struct ibv_mw *mw = ibv_alloc_mw(p->server.pd, IBV_MW_TYPE_2);
	struct ibv_send_wr wr;
	struct ibv_wc wc;

	must_have(mw);
	undo(mw_undo, mw);
	wr = (struct ibv_send_wr){
		.wr_id = 50,
		.opcode = IBV_WR_BIND_MW,
		.send_flags = IBV_SEND_SIGNALED,
		.bind_mw = {.mw = mw,
			    .rkey = ibv_inc_rkey(mw->rkey),
			    .bind_info = {.mr = p->server.mr,
					  .addr = (uintptr_t)p->server.mem + 8192,
					  .length = 4096,
					  .mw_access_flags = access}},
	};
	post(&p->server, &wr);
	wc = sent(&p->server, 50, IBV_WC_SUCCESS);
	equal(wc.opcode, IBV_WC_BIND_MW);
	return wr.bind_mw.rkey;
}

#define ALL (IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE)

static void through(struct pair *p, enum ibv_wr_opcode op, uint32_t off, uint32_t len, uint32_t key)
{
	struct ibv_sge sge = piece(&p->client, 0, len);
	struct ibv_send_wr wr = rdma_wr(op, &sge, 1, &p->server, off);

	wr.wr.rdma.rkey = key;
	post(&p->client, &wr);
}

static struct ibv_wc send_inv(struct pair *p, uint32_t key)
{
	struct ibv_sge sge = piece(&p->client, 0, 16);
	struct ibv_send_wr wr = send_wr(&sge, 1, 2, IBV_SEND_SIGNALED);

	wr.opcode = IBV_WR_SEND_WITH_INV;
	wr.invalidate_rkey = key;
	post_recv(&p->server, 100, 0, 64);
	post(&p->client, &wr);
	return received(&p->server, 100, IBV_WC_SUCCESS);
}

static void a_window_lets_the_peer_read_and_write(void)
{
	struct pair *p = pair_up_default();
	uint32_t key = bound(p, ALL);

	fill(&p->client, 0, 64, 3);
	through(p, IBV_WR_RDMA_WRITE, 8192, 64, key);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	filled(&p->server, 8192, 64, 3);
	memset(p->client.mem, 0, 64);
	through(p, IBV_WR_RDMA_READ, 8192, 64, key);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	filled(&p->client, 0, 64, 3);
}

static void a_window_ends_where_it_was_bound_to(void)
{
	struct pair *p = pair_up_default();
	uint32_t key = bound(p, ALL);

	through(p, IBV_WR_RDMA_WRITE, 8192 + 4096 - 64, 64, key);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	through(p, IBV_WR_RDMA_WRITE, 8192 + 4096 - 63, 64, key);
	sent(&p->client, 1, differs(IBV_WC_SUCCESS, IBV_WC_REM_ACCESS_ERR));
}

static void a_window_for_reading_cannot_be_written(void)
{
	struct pair *p = pair_up_default();
	uint32_t key = bound(p, IBV_ACCESS_REMOTE_READ);

	through(p, IBV_WR_RDMA_WRITE, 8192, 64, key);
	sent(&p->client, 1, IBV_WC_REM_ACCESS_ERR);
}

static void send_with_invalidate_names_the_key_it_ended(void)
{
	struct pair *p = pair_up_default();
	uint32_t key = bound(p, ALL);
	struct ibv_wc wc = send_inv(p, key);

	equal(sent(&p->client, 2, IBV_WC_SUCCESS).opcode, IBV_WC_SEND);
	equal(wc.opcode, IBV_WC_RECV);
	equal(wc.byte_len, 16);
	check(wc.wc_flags & WITH_INV, "flags are 0x%x", wc.wc_flags);
	equal(wc.invalidated_rkey, key);
}

static void an_invalidated_window_is_refused(void)
{
	struct pair *p = pair_up_default();
	uint32_t key = bound(p, ALL);

	through(p, IBV_WR_RDMA_WRITE, 8192, 64, key);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	send_inv(p, key);
	sent(&p->client, 2, IBV_WC_SUCCESS);
	through(p, IBV_WR_RDMA_WRITE, 8192, 64, key);
	sent(&p->client, 1, IBV_WC_REM_ACCESS_ERR);
}

/* The bind and what uses it may be posted as one list. */
static void a_bind_is_done_before_the_send_behind_it(void)
{
	struct pair *p = pair_up_default();
	struct ibv_mw *mw = ibv_alloc_mw(p->server.pd, IBV_MW_TYPE_2);
	struct ibv_sge sge = piece(&p->server, 0, 16);
	struct ibv_send_wr send = send_wr(&sge, 1, 2, IBV_SEND_SIGNALED), bind;

	must_have(mw);
	undo(mw_undo, mw);
	bind = (struct ibv_send_wr){
		.wr_id = 1,
		.opcode = IBV_WR_BIND_MW,
		.next = &send,
		.bind_mw = {.mw = mw,
			    .rkey = ibv_inc_rkey(mw->rkey),
			    .bind_info = {p->server.mr, (uintptr_t)p->server.mem + 8192, 4096,
					  ALL}},
	};
	post_recv(&p->client, 100, 0, 64);
	post(&p->server, &bind);
	received(&p->client, 100, IBV_WC_SUCCESS);
	through(p, IBV_WR_RDMA_WRITE, 8192, 64, bind.bind_mw.rkey);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	sent(&p->server, 2, IBV_WC_SUCCESS);
}

/* The owner invalidates by itself; the peer has not done so. */
static void local_invalidate_ends_a_window(void)
{
	struct pair *p = pair_up_default();
	uint32_t key = bound(p, ALL);
	struct ibv_send_wr wr = {.wr_id = 3,
				 .opcode = IBV_WR_LOCAL_INV,
				 .send_flags = IBV_SEND_SIGNALED,
				 .invalidate_rkey = key};

	post(&p->server, &wr);
	equal(sent(&p->server, 3, IBV_WC_SUCCESS).opcode, IBV_WC_LOCAL_INV);
	through(p, IBV_WR_RDMA_WRITE, 8192, 64, key);
	sent(&p->client, 1, IBV_WC_REM_ACCESS_ERR);
}

/* A window of type 2 belongs to the queue pair that it was bound on. */
static void a_window_is_of_one_queue_pair(void)
{
	struct pair *p = pair_up_default(), *q = pair_up_default();
	uint32_t key = bound(p, ALL);
	struct ibv_sge sge = piece(&q->client, 0, 64);
	struct ibv_send_wr wr = rdma_wr(IBV_WR_RDMA_WRITE, &sge, 1, &p->server, 8192);

	wr.wr.rdma.rkey = key;
	post(&q->client, &wr);
	sent(&q->client, 1, IBV_WC_REM_ACCESS_ERR);
}

static void send_with_invalidate_works_where_hands_have_connected(void)
{
	struct pair *p = pair_by_hand();
	uint32_t key = bound(p, IBV_ACCESS_REMOTE_WRITE);
	struct ibv_wc wc = send_inv(p, key);

	sent(&p->client, 2, IBV_WC_SUCCESS);
	check(wc.wc_flags & WITH_INV, "flags are 0x%x", wc.wc_flags);
	equal(wc.invalidated_rkey, key);
}

/* The message has arrived, so its sender hears of success; who received it is told, and its queue pair ends. */
static void invalidate(struct pair *p, uint32_t key)
{
	struct ibv_sge sge = piece(&p->client, 0, 16);
	struct ibv_send_wr wr = send_wr(&sge, 1, 2, IBV_SEND_SIGNALED);

	wr.opcode = IBV_WR_SEND_WITH_INV;
	wr.invalidate_rkey = key;
	post_recv(&p->server, 100, 0, 64);
	post_recv(&p->server, 101, 0, 64);
	post(&p->client, &wr);
	sent(&p->client, 2, IBV_WC_SUCCESS);
	received(&p->server, 100, IBV_WC_REM_INV_REQ_ERR);
	received(&p->server, 101, IBV_WC_WR_FLUSH_ERR);
	qp_state_want(&p->server, IBV_QPS_ERR);
	equal(qp_state(&p->client), IBV_QPS_RTS);
}

static void invalidating_the_key_of_plain_memory_ends_the_queue_pair(void)
{
	struct pair *p = pair_up_default();

	invalidate(p, p->server.mr->rkey);
}

static void invalidating_no_key_at_all_ends_the_queue_pair(void)
{
	invalidate(pair_up_default(), 0x7f7f7f00);
}

const struct test window_tests[] = {
	TEST(a_window_lets_the_peer_read_and_write),
	TEST(a_window_ends_where_it_was_bound_to),
	TEST(a_window_for_reading_cannot_be_written),
	TEST(send_with_invalidate_names_the_key_it_ended),
	TEST(an_invalidated_window_is_refused),
	TEST(a_bind_is_done_before_the_send_behind_it),
	TEST(local_invalidate_ends_a_window),
	TEST(a_window_is_of_one_queue_pair),
	TEST(send_with_invalidate_works_where_hands_have_connected),
	TEST(invalidating_the_key_of_plain_memory_ends_the_queue_pair),
	TEST(invalidating_no_key_at_all_ends_the_queue_pair),
	{0},
};
