/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protection: what happens when a key, a range or a right is wrong, here or at the peer.
 */
#include <stdlib.h>

#include "conformance.h"

static void mr_undo(void *arg)
{
	struct ibv_mr *mr = arg;
	void *mem = mr->addr;

	must((errno = ibv_dereg_mr(mr)));
	free(mem);
}

/* 4 KiB of the side, with these rights. */
static struct ibv_mr *mr_new(struct side *s, int access)
{
	void *mem = calloc(1, 4096);
	struct ibv_mr *mr;

	must_have(mem);
	mr = ibv_reg_mr(s->pd, mem, 4096, access);
	must_have(mr);
	undo(mr_undo, mr);
	return mr;
}

static void remote(struct pair *p, enum ibv_wr_opcode op, uint64_t addr, uint32_t rkey)
{
	struct ibv_sge sge = piece(&p->client, 0, 64);
	struct ibv_send_wr wr = rdma_wr(op, &sge, 1, &p->server, 0);

	wr.wr.rdma.remote_addr = addr;
	wr.wr.rdma.rkey = rkey;
	post(&p->client, &wr);
}

/* The requester is told; the queue pairs of both end, and flush their receives. */
static void refused(struct pair *p, enum ibv_wr_opcode op, uint64_t addr, uint32_t rkey)
{
	post_recv(&p->client, 100, 0, 64);
	post_recv(&p->server, 101, 0, 64);
	remote(p, op, addr, rkey);
	sent(&p->client, 1, IBV_WC_REM_ACCESS_ERR);
	received(&p->client, 100, IBV_WC_WR_FLUSH_ERR);
	received(&p->server, 101, IBV_WC_WR_FLUSH_ERR);
	qp_state_want(&p->client, IBV_QPS_ERR);
	qp_state_want(&p->server, IBV_QPS_ERR);
}

static void write_with_a_bad_key_is_refused(void)
{
	struct pair *p = pair_up_default();

	refused(p, IBV_WR_RDMA_WRITE, (uintptr_t)p->server.mem, p->server.mr->rkey ^ 0x5500);
}

static void read_with_a_bad_key_is_refused(void)
{
	struct pair *p = pair_up_default();

	refused(p, IBV_WR_RDMA_READ, (uintptr_t)p->server.mem, p->server.mr->rkey ^ 0x5500);
}

/* The low byte alone: a key that was, or will be. */
static void write_with_an_old_key_is_refused(void)
{
	struct pair *p = pair_up_default();

	refused(p, IBV_WR_RDMA_WRITE, (uintptr_t)p->server.mem, p->server.mr->rkey ^ 1);
}

static void write_past_the_end_is_refused(void)
{
	struct pair *p = pair_up_default();

	refused(p, IBV_WR_RDMA_WRITE, (uintptr_t)p->server.mem + MEM_LEN - 63, p->server.mr->rkey);
}

static void read_before_the_start_is_refused(void)
{
	struct pair *p = pair_up_default();

	refused(p, IBV_WR_RDMA_READ, (uintptr_t)p->server.mem - 1, p->server.mr->rkey);
}

static void write_without_the_right_is_refused(void)
{
	struct pair *p = pair_up_default();
	struct ibv_mr *mr = mr_new(&p->server, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ);

	refused(p, IBV_WR_RDMA_WRITE, (uintptr_t)mr->addr, mr->rkey);
}

static void read_without_the_right_is_refused(void)
{
	struct pair *p = pair_up_default();
	struct ibv_mr *mr = mr_new(&p->server, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);

	refused(p, IBV_WR_RDMA_READ, (uintptr_t)mr->addr, mr->rkey);
}

static void write_to_memory_that_is_no_longer_registered_is_refused(void)
{
	struct pair *p = pair_up_default();
	struct ibv_mr *mr = mr_new(&p->server, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	uint64_t addr = (uintptr_t)mr->addr;
	uint32_t rkey = mr->rkey;

	remote(p, IBV_WR_RDMA_WRITE, addr, rkey);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	forget(mr);
	mr_undo(mr);
	refused(p, IBV_WR_RDMA_WRITE, addr, rkey);
}

static void memory_of_another_domain_is_refused(void)
{
	struct pair *p = pair_up_default();

	/* The client's own memory, under its key: the server's domain does not know it. */
	refused(p, IBV_WR_RDMA_WRITE, (uintptr_t)p->client.mem, p->client.mr->rkey);
}

static void an_empty_write_needs_no_key(void)
{
	struct pair *p = pair_up_default();
	struct ibv_send_wr wr = rdma_wr(IBV_WR_RDMA_WRITE, NULL, 1, &p->server, 0);

	wr.num_sge = 0;
	wr.wr.rdma.rkey ^= 0x5500;
	post(&p->client, &wr);
	sent(&p->client, 1, IBV_WC_SUCCESS);
}

/* No part of the data arrives when the range is wrong. */
static void what_is_refused_writes_nothing(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->client, 0, 20000);
	struct ibv_send_wr wr = rdma_wr(IBV_WR_RDMA_WRITE, &sge, 1, &p->server, MEM_LEN - 19999);

	memset(p->client.mem, 0xff, 20000);
	post(&p->client, &wr);
	sent(&p->client, 1, IBV_WC_REM_ACCESS_ERR);
	for (uint32_t i = 0; i < MEM_LEN; i++)
		equal(p->server.mem[i], 0);
}

/* Devices may report it to the responder, and need not. */
static void a_refused_access_gives_no_event_but_the_access_error(void)
{
	struct pair *p = pair_up_default();
	struct ibv_async_event event;

	while (async_take(&event, 0))
		;
	remote(p, IBV_WR_RDMA_WRITE, (uintptr_t)p->server.mem, p->server.mr->rkey ^ 0x5500);
	sent(&p->client, 1, IBV_WC_REM_ACCESS_ERR);
	if (!async_take(&event, QUIET_MS))
		return;
	note("event: %s", ibv_event_type_str(event.event_type));
	equal(event.event_type, IBV_EVENT_QP_ACCESS_ERR);
	equal_ptr(event.element.qp, p->server.qp);
	async_quiet(p->client.qp, QUIET_MS);
}

static void local_error(struct pair *p, struct ibv_sge sge, enum ibv_wr_opcode op,
			enum ibv_wc_status status)
{
	struct ibv_send_wr wr = rdma_wr(op, &sge, 1, &p->server, 0);
	struct ibv_send_wr next = wr;

	if (op == IBV_WR_SEND)
		post_recv(&p->server, 100, 0, 64);
	next.wr_id = 2;
	wr.next = &next;
	post(&p->client, &wr);
	sent(&p->client, 1, status);
	sent(&p->client, 2, IBV_WC_WR_FLUSH_ERR);
	qp_state_want(&p->client, IBV_QPS_ERR);
	/* The peer has seen nothing of it. */
	equal(qp_state(&p->server), IBV_QPS_RTS);
	wc_quiet(&p->server, 0);
}

static void send_from_a_bad_local_key_fails_here(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->client, 0, 64);

	sge.lkey ^= 0x5500;
	local_error(p, sge, IBV_WR_SEND, differs(IBV_WC_LOC_QP_OP_ERR, IBV_WC_LOC_PROT_ERR));
}

static void write_from_past_the_end_fails_here(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->client, MEM_LEN - 63, 64);

	local_error(p, sge, IBV_WR_RDMA_WRITE, IBV_WC_LOC_PROT_ERR);
}

static void write_from_another_domain_fails_here(void)
{
	struct pair *p = pair_up_default();

	local_error(p, piece(&p->server, 0, 64), IBV_WR_RDMA_WRITE,
		    differs(IBV_WC_LOC_QP_OP_ERR, IBV_WC_LOC_PROT_ERR));
}

static void read_into_memory_without_local_write_fails_here(void)
{
	struct pair *p = pair_up_default();
	struct ibv_mr *mr = mr_new(&p->client, 0);
	struct ibv_sge sge = {(uintptr_t)mr->addr, 64, mr->lkey};
	struct ibv_send_wr wr = rdma_wr(IBV_WR_RDMA_READ, &sge, 1, &p->server, 0);

	post(&p->client, &wr);
	sent(&p->client, 1, IBV_WC_LOC_PROT_ERR);
	qp_state_want(&p->client, IBV_QPS_ERR);
}

static void receive_into_a_bad_local_key_ends_both(void)
{
	struct pair *p = pair_up_default();
	struct ibv_sge sge = piece(&p->server, 0, 64);
	struct ibv_recv_wr wr = {.wr_id = 100, .sg_list = &sge, .num_sge = 1}, *bad;

	sge.lkey ^= 0x5500;
	equal(ibv_post_recv(p->server.qp, &wr, &bad), 0);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 100, differs(IBV_WC_LOC_QP_OP_ERR, IBV_WC_LOC_PROT_ERR));
	sent(&p->client, 1, IBV_WC_REM_OP_ERR);
	qp_state_want(&p->server, IBV_QPS_ERR);
	qp_state_want(&p->client, IBV_QPS_ERR);
}

static void receive_into_memory_that_is_no_longer_registered_ends_both(void)
{
	struct pair *p = pair_up_default();

	post_recv(&p->server, 100, 0, 64);
	equal(ibv_dereg_mr(p->server.mr), 0);
	p->server.mr = NULL;
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 100, differs(IBV_WC_LOC_QP_OP_ERR, IBV_WC_LOC_PROT_ERR));
	sent(&p->client, 1, IBV_WC_REM_OP_ERR);
	qp_state_want(&p->server, IBV_QPS_ERR);
}

static void registering_remote_write_without_local_write_is_refused(void)
{
	struct pair *p = pair_up_default();
	struct ibv_mr *mr = ibv_reg_mr(p->client.pd, p->client.mem, 4096, IBV_ACCESS_REMOTE_WRITE);

	check(!mr, "it was registered");
	equal(errno, EINVAL);
}

static void one_range_may_be_registered_twice(void)
{
	struct pair *p = pair_up_default();
	struct ibv_mr *mr = ibv_reg_mr(p->client.pd, p->client.mem, 4096, IBV_ACCESS_LOCAL_WRITE);

	must_have(mr);
	check(mr->lkey != p->client.mr->lkey, "both have one key");
	must((errno = ibv_dereg_mr(mr)));
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 1, 0, 64, &p->server, 0);
	sent(&p->client, 1, IBV_WC_SUCCESS);
}

const struct test access_tests[] = {
	TEST(write_with_a_bad_key_is_refused),
	TEST(read_with_a_bad_key_is_refused),
	TEST(write_with_an_old_key_is_refused),
	TEST(write_past_the_end_is_refused),
	TEST(read_before_the_start_is_refused),
	TEST(write_without_the_right_is_refused),
	TEST(read_without_the_right_is_refused),
	TEST(write_to_memory_that_is_no_longer_registered_is_refused),
	TEST(memory_of_another_domain_is_refused),
	TEST(an_empty_write_needs_no_key),
	TEST(what_is_refused_writes_nothing),
	TEST(a_refused_access_gives_no_event_but_the_access_error),
	TEST(send_from_a_bad_local_key_fails_here),
	TEST(write_from_past_the_end_fails_here),
	TEST(write_from_another_domain_fails_here),
	TEST(read_into_memory_without_local_write_fails_here),
	TEST(receive_into_a_bad_local_key_ends_both),
	TEST(receive_into_memory_that_is_no_longer_registered_ends_both),
	TEST(registering_remote_write_without_local_write_is_refused),
	TEST(one_range_may_be_registered_twice),
	{0},
};
