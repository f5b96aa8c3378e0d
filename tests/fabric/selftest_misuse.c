/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a strict fabric says no to, with words that name the object and the limit. The misuse function
 * jumps out of the call, so what the call does after it does not happen.
 */
#include "selftest.h"

static struct config config;
static struct ibv_send_wr wr, *bad;
static struct ibv_sge sge[3];

static void post_wr(void)
{
	ibv_post_send(a.qp, &wr, &bad);
}

static void write_of(uint32_t off, uint32_t len)
{
	wr = wr_of(&a, sge, IBV_WR_RDMA_WRITE, 1, off, len);
	wr.wr.rdma.remote_addr = (uintptr_t)b.mem;
	wr.wr.rdma.rkey = b.mr->rkey;
}

static void begin_plain(void)
{
	config = (struct config){0};
	begin(&config);
}

/* ---- posting ---- */

static void posting_past_the_send_queue(void)
{
	config = (struct config){.send_wrs = 2};
	begin(&config);
	write_of(0, 64);
	post_wr();
	post_wr();
	/* Reaching the peer does not free a slot, nor does a completion that nobody took. */
	run_all();
	misused(post_wr, "more WRs posted to QP 17 than its depth of 2");
	took(&a, 1, IBV_WC_SUCCESS);
	post_wr();
	run_all();
	end();
}

static void post_receive(void)
{
	receive(&b, 1, 0, 64);
}

static void read_of(uint32_t off)
{
	write_of(off, 64);
	wr.opcode = IBV_WR_RDMA_READ;
}

/* Legal, and they wait; unless the test has asked for the count. */
static void posting_more_reads_than_were_granted(void)
{
	config = (struct config){.reads = 1};
	begin(&config);
	read_of(0);
	post_wr();
	read_of(64);
	post_wr();
	run_all();
	took(&a, 1, IBV_WC_SUCCESS);
	took(&a, 1, IBV_WC_SUCCESS);
	fabric_limit_reads(true);
	post_wr();
	misused(post_wr, "is one more RDMA READ than the 1 that were granted");
	run_all();
	post_wr();
	run_all();
	fabric_limit_reads(false);
	end();
}

static void posting_past_the_receive_queue(void)
{
	config = (struct config){.recv_wrs = 1};
	begin(&config);
	post_receive();
	write_of(0, 64);
	wr.opcode = IBV_WR_SEND;
	post_wr();
	run_all();
	misused(post_receive, "more receives posted to QP 18 than its depth of 1");
	took(&b, 1, IBV_WC_SUCCESS);
	post_receive();
	end();
}

static void posting_past_the_shared_queue(void)
{
	config = (struct config){.srq_wrs = 1};
	begin(&config);
	post_receive();
	misused(post_receive, "more receives posted to SRQ 2 than its depth of 1");
	end();
}

static void too_many_pieces(void)
{
	begin_plain();
	write_of(0, 64);
	sge[1] = sge[0];
	sge[2] = sge[0];
	wr.num_sge = 3;
	misused(post_wr, "has 3 pieces, the limit is 2");
	end();
}

static void too_much_inline_data(void)
{
	begin_plain();
	write_of(0, 33);
	wr.send_flags |= IBV_SEND_INLINE;
	misused(post_wr, "has 33 bytes inline, the limit is 32");
	end();
}

static void memory_outside_its_region(void)
{
	begin_plain();
	write_of(LEN - 63, 64);
	misused(post_wr, "addresses outside its region");
	sge[0].lkey ^= 0x100;
	misused(post_wr, "key");
	end();
}

static void a_read_into_memory_without_local_write(void)
{
	struct ibv_mr *mr;

	begin_plain();
	check((mr = ibv_reg_mr(a.pd, a.mem, LEN, 0)));
	write_of(0, 64);
	wr.opcode = IBV_WR_RDMA_READ;
	sge[0].lkey = mr->lkey;
	misused(post_wr, "a key without the right to it");
	check(!ibv_dereg_mr(mr));
	end();
}

static void posting_before_rts(void)
{
	begin_plain();
	check(!to_state(&a, IBV_QPS_RESET));
	write_of(0, 64);
	misused(post_wr, "posted to QP 17 in state RESET");
	end();
}

static void posting_in_rtr(void)
{
	begin_plain();
	check(!to_state(&a, IBV_QPS_RESET));
	to_rtr(&a, b.qp->qp_num, &config);
	write_of(0, 64);
	misused(post_wr, "posted to QP 17 in state RTR");
	end();
}

/* ---- destroying ---- */

static void destroy_cq(void)
{
	ibv_destroy_cq(a.cq);
}

static void destroy_qp(void)
{
	ibv_destroy_qp(a.qp);
}

static void query_qp(void)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	ibv_query_qp(a.qp, &attr, IBV_QP_STATE, &init);
}

static void dealloc_pd(void)
{
	ibv_dealloc_pd(a.pd);
}

static void destroy_channel(void)
{
	ibv_destroy_comp_channel(a.channel);
}

static void close_device(void)
{
	ibv_close_device(a.context);
}

static void dereg_mr(void)
{
	ibv_dereg_mr(a.mr);
}

static void begin_again(void)
{
	fabric_init(FABRIC_SIMULATED);
}

static void destroying_what_is_used(void)
{
	begin_plain();
	misused(destroy_cq, "CQ 1 has 2 queue pairs");
	misused(dealloc_pd, "PD 1 has 2 objects");
	misused(destroy_channel, "channel 1 has 1 CQs");
	misused(close_device, "context 1 has 3 objects");
	misused(begin_again, "objects left: context 1, PD 1");
	end();
}

static void deregistering_what_is_posted(void)
{
	begin_plain();
	write_of(0, 64);
	post_wr();
	misused(dereg_mr, "MR 1 is used by WR 0x1 of QP 17");
	run_all();
	took(&a, 1, IBV_WC_SUCCESS);
	end();
}

static void destroying_twice(void)
{
	begin_plain();
	check(!ibv_destroy_qp(a.qp));
	misused(destroy_qp, "QP 17 was destroyed before");
	misused(query_qp, "ibv_query_qp: QP 17 was destroyed before");
	a.qp = NULL;
	end();
}

/* ---- events ---- */

static struct ibv_cq *event_cq;

static void ack_one(void)
{
	ibv_ack_cq_events(event_cq, 1);
}

static void get_event(void)
{
	struct ibv_cq *cq;
	void *context;

	check(!ibv_req_notify_cq(event_cq, 0));
	write_of(0, 64);
	post_wr();
	run_all();
	check(!ibv_get_cq_event(a.channel, &cq, &context) && cq == a.cq);
}

static void an_event_that_is_not_acknowledged(void)
{
	begin_plain();
	event_cq = a.cq;
	get_event();
	check(!ibv_destroy_qp(a.qp));
	a.qp = NULL;
	misused(destroy_cq, "1 events of CQ 1 were taken and not acknowledged");
	ack_one();
	end();
}

static void acknowledging_more_than_was_taken(void)
{
	begin_plain();
	event_cq = a.cq;
	get_event();
	ack_one();
	misused(ack_one, "CQ 1 has 2 events acknowledged, and 1 taken");
	end();
}

static void poll_negative(void)
{
	struct ibv_wc wc;

	ibv_poll_cq(a.cq, -1, &wc);
}

static void polling_for_less_than_nothing(void)
{
	begin_plain();
	misused(poll_negative, "-1 completions wanted of CQ 1");
	end();
}

static void run_everything(void)
{
	run_all();
}

static void overrunning_a_completion_queue(void)
{
	config = (struct config){.cqes = 1};
	begin(&config);
	write_of(0, 64);
	post_wr();
	post_wr();
	misused(run_everything, "CQ 1 overruns its 1 entries");
	fabric_set_strict(false);
	run_all();
	event(&a, IBV_EVENT_CQ_ERR);
	end();
}

/* ---- memory ---- */

static void sending_memory_that_changed(void)
{
	begin_plain();
	fabric_watch_memory(true);
	write_of(0, 64);
	post_wr();
	a.mem[63] ^= 1;
	misused(run_everything, "sends was changed after it was posted");
	fabric_watch_memory(false);
	end();
}

static void changing_a_posted_receive(void)
{
	begin_plain();
	fabric_watch_memory(true);
	check(!receive(&b, 1, 0, 64));
	b.mem[10] ^= 1;
	check(!post(&a, IBV_WR_SEND, 2, 0, 16, 0));
	misused(run_everything, "a receive of QP 18 (wr_id 0x1) was changed");
	fabric_watch_memory(false);
	end();
}

static void changing_memory_that_is_read_into(void)
{
	begin_plain();
	fabric_watch_memory(true);
	check(!post(&a, IBV_WR_RDMA_READ, 1, 0, LEN, 0));
	a.mem[0] ^= 1;
	misused(run_everything, "reads into was changed");
	fabric_watch_memory(false);
	end();
}

#define TEST(name)          \
	{                   \
#name, name \
	}
const struct test misuse_tests[] = {
	TEST(posting_past_the_send_queue),
	TEST(posting_more_reads_than_were_granted),
	TEST(posting_past_the_receive_queue),
	TEST(posting_past_the_shared_queue),
	TEST(too_many_pieces),
	TEST(too_much_inline_data),
	TEST(memory_outside_its_region),
	TEST(a_read_into_memory_without_local_write),
	TEST(posting_before_rts),
	TEST(posting_in_rtr),
	TEST(destroying_what_is_used),
	TEST(deregistering_what_is_posted),
	TEST(destroying_twice),
	TEST(an_event_that_is_not_acknowledged),
	TEST(acknowledging_more_than_was_taken),
	TEST(polling_for_less_than_nothing),
	TEST(overrunning_a_completion_queue),
	TEST(sending_memory_that_changed),
	TEST(changing_a_posted_receive),
	TEST(changing_memory_that_is_read_into),
	{0},
};
