/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RDMA WRITE and READ: data, limits on READs, order against what comes before and after.
 */
#include "conformance.h"

static void write_reaches_the_peers_memory_and_nothing_else(void)
{
	struct pair *p = pair_up_default();

	fill(&p->client, 0, 100, 3);
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 1, 0, 100, &p->server, 1000);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	filled(&p->server, 1000, 100, 3);
	equal(p->server.mem[999], 0);
	equal(p->server.mem[1100], 0);
	wc_quiet(&p->server, 0);
}

static void write_gathers(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge[3] = {piece(&p->client, 0, 4096), piece(&p->client, 4096, 1),
				 piece(&p->client, 4097, 5000)};
	struct ibv_send_wr wr = rdma_wr(IBV_WR_RDMA_WRITE, sge, 1, &p->server, 333);

	wr.num_sge = 3;
	fill(&p->client, 0, 9097, 11);
	post(&p->client, &wr);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	filled(&p->server, 333, 9097, 11);
}

static void read_scatters(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge[3] = {piece(&p->client, 0, 4096), piece(&p->client, 4096, 1),
				 piece(&p->client, 4097, 5000)};
	struct ibv_send_wr wr = rdma_wr(IBV_WR_RDMA_READ, sge, 1, &p->server, 333);

	wr.num_sge = 3;
	fill(&p->server, 333, 9097, 12);
	post(&p->client, &wr);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	filled(&p->client, 0, 9097, 12);
	equal(p->client.mem[9097], 0);
}

static void empty_reads_and_writes_complete(void)
{
	struct pair *p = pair_up_default();
	struct ibv_send_wr wr = rdma_wr(IBV_WR_RDMA_WRITE, NULL, 1, &p->server, 0);

	wr.num_sge = 0;
	post(&p->client, &wr);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	wr.opcode = IBV_WR_RDMA_READ;
	wr.wr_id = 2;
	post(&p->client, &wr);
	sent(&p->client, 2, IBV_WC_SUCCESS);
}

/* The peer grants one READ at a time: the device waits by itself, the caller need not. */
static void reads_past_the_limit_all_complete_in_order(void)
{
	struct pair_options o;
	struct pair *p;

	pair_options_init(&o);
	o.client.reads_out = 1;
	o.server.reads_in = 1;
	p = pair_up(&o);
	fill(&p->server, 0, 8 * 1024, 21);
	for (uint32_t i = 0; i < 8; i++)
		post_rdma(&p->client, IBV_WR_RDMA_READ, i, i * 1024, 1024, &p->server, i * 1024);
	for (uint32_t i = 0; i < 8; i++)
		sent(&p->client, i, IBV_WC_SUCCESS);
	filled(&p->client, 0, 8 * 1024, 21);
}

/* A WRITE that follows a READ may be done first, but completes after it. */
static void reads_and_writes_complete_in_the_order_of_posting(void)
{
	struct pair_options o;
	struct pair *p;

	pair_options_init(&o);
	o.client.reads_out = 1;
	p = pair_up(&o);
	for (uint32_t i = 0; i < 12; i++)
		post_rdma(&p->client, i % 3 == 2 ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ, i,
			  i * 4096, 4096, &p->server, i * 4096);
	for (uint32_t i = 0; i < 12; i++)
		sent(&p->client, i, IBV_WC_SUCCESS);
}

/* The fenced WRITE sends what the READ before it has brought. */
static void a_fenced_write_waits_for_the_reads_before_it(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->client, 0, 4096);
	struct ibv_send_wr read = rdma_wr(IBV_WR_RDMA_READ, &sge, 1, &p->server, 0);
	struct ibv_send_wr write = rdma_wr(IBV_WR_RDMA_WRITE, &sge, 2, &p->server, 8192);

	for (int i = 0; i < 20; i++) {
		fill(&p->server, 0, 4096, (uint8_t)i);
		read.next = &write;
		write.send_flags = IBV_SEND_SIGNALED | IBV_SEND_FENCE;
		post(&p->client, &read);
		sent(&p->client, 1, IBV_WC_SUCCESS);
		sent(&p->client, 2, IBV_WC_SUCCESS);
		filled(&p->server, 8192, 4096, (uint8_t)i);
	}
}

/* What the answer to a read command stands on: data first, then the response. */
static void writes_are_visible_when_the_send_after_them_is_received(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge data = piece(&p->client, 0, 20000), response = piece(&p->client, 30000, 16);
	struct ibv_send_wr write = rdma_wr(IBV_WR_RDMA_WRITE, &data, 1, &p->server, 1024);
	struct ibv_send_wr send = send_wr(&response, 1, 2, IBV_SEND_SIGNALED);

	write.send_flags = 0;
	write.next = &send;
	for (int i = 0; i < 20; i++) {
		fill(&p->client, 0, 20000, (uint8_t)i);
		post_recv(&p->server, 100, 0, 64);
		post(&p->client, &write);
		received(&p->server, 100, IBV_WC_SUCCESS);
		filled(&p->server, 1024, 20000, (uint8_t)i);
		sent(&p->client, 2, IBV_WC_SUCCESS);
	}
}

static void a_read_sees_the_write_before_it(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge from = piece(&p->client, 0, 9000), into = piece(&p->client, 20000, 9000);
	struct ibv_send_wr write = rdma_wr(IBV_WR_RDMA_WRITE, &from, 1, &p->server, 0);
	struct ibv_send_wr read = rdma_wr(IBV_WR_RDMA_READ, &into, 2, &p->server, 0);

	write.next = &read;
	fill(&p->client, 0, 9000, 40);
	post(&p->client, &write);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	sent(&p->client, 2, IBV_WC_SUCCESS);
	filled(&p->client, 20000, 9000, 40);
}

static void both_sides_may_read_and_write_at_once(void)
{
	struct pair *p = pair_up_default();

	fill(&p->client, 0, 8192, 1);
	fill(&p->server, 0, 8192, 2);
	post_rdma(&p->client, IBV_WR_RDMA_READ, 1, 10000, 8192, &p->server, 0);
	post_rdma(&p->server, IBV_WR_RDMA_READ, 2, 10000, 8192, &p->client, 0);
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 3, 0, 8192, &p->server, 30000);
	post_rdma(&p->server, IBV_WR_RDMA_WRITE, 4, 0, 8192, &p->client, 30000);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	sent(&p->client, 3, IBV_WC_SUCCESS);
	sent(&p->server, 2, IBV_WC_SUCCESS);
	sent(&p->server, 4, IBV_WC_SUCCESS);
	filled(&p->client, 10000, 8192, 2);
	filled(&p->server, 10000, 8192, 1);
	filled(&p->client, 30000, 8192, 2);
	filled(&p->server, 30000, 8192, 1);
}

static void inline_write_is_copied_when_posted(void)
{
	struct pair *p = pair_up_default();
	char text[] = "inline";
	struct ibv_sge sge = {(uintptr_t)text, sizeof(text), 0};
	struct ibv_send_wr wr = rdma_wr(IBV_WR_RDMA_WRITE, &sge, 1, &p->server, 50);

	wr.send_flags |= IBV_SEND_INLINE;
	post(&p->client, &wr);
	memset(text, 'x', sizeof(text));
	sent(&p->client, 1, IBV_WC_SUCCESS);
	check(!memcmp(p->server.mem + 50, "inline", 7), "other bytes came than went");
}

const struct test rdma_tests[] = {
	TEST(write_reaches_the_peers_memory_and_nothing_else),
	TEST(write_gathers),
	TEST(read_scatters),
	TEST(empty_reads_and_writes_complete),
	TEST(reads_past_the_limit_all_complete_in_order),
	TEST(reads_and_writes_complete_in_the_order_of_posting),
	TEST(a_fenced_write_waits_for_the_reads_before_it),
	TEST(writes_are_visible_when_the_send_after_them_is_received),
	TEST(a_read_sees_the_write_before_it),
	TEST(both_sides_may_read_and_write_at_once),
	TEST(inline_write_is_copied_when_posted),
	{0},
};
