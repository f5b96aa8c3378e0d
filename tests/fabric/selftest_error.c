/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ends a queue pair and what is left of it; windows, atomics; calls that are made to fail.
 */
#include <errno.h>

#include "selftest.h"

static const struct config plain;

/* ---- errors ---- */

static void a_broken_queue_pair_flushes_one_by_one(void)
{
	begin(&plain);
	for (uint64_t i = 0; i < 3; i++)
		check(!post(&a, IBV_WR_RDMA_WRITE, i, 0, 64, 0));
	check(!receive(&a, 10, 64, 64) && !receive(&a, 11, 64, 64));
	step(&a, FABRIC_SEND, NULL);
	fabric_qp_break(a.qp->qp_num, IBV_WC_FATAL_ERR);
	took(&a, 0, IBV_WC_FATAL_ERR);
	nothing(&a);
	step(&a, FABRIC_EVENT, "flush of a receive");
	took(&a, 10, IBV_WC_WR_FLUSH_ERR);
	nothing(&a);
	step(&a, FABRIC_EVENT, "flush of a WR");
	took(&a, 1, IBV_WC_WR_FLUSH_ERR);
	step(&a, FABRIC_EVENT, "flush of a WR");
	step(&a, FABRIC_EVENT, "flush of a receive");
	took(&a, 2, IBV_WC_WR_FLUSH_ERR);
	took(&a, 11, IBV_WC_WR_FLUSH_ERR);
	check(!fabric_ready());
	end();
}

static void a_broken_queue_pair_without_work_fails_the_next_wr(void)
{
	begin(&plain);
	fabric_qp_break(a.qp->qp_num, IBV_WC_GENERAL_ERR);
	check(!fabric_ready());
	check(!post(&a, IBV_WR_RDMA_WRITE, 1, 0, 64, 0));
	run_all();
	took(&a, 1, IBV_WC_GENERAL_ERR);
	end();
}

static void a_bad_remote_key_ends_both(void)
{
	struct ibv_send_wr wr, *bad;
	struct ibv_sge sge;

	begin(&plain);
	check(!receive(&b, 1, 0, 64));
	wr = wr_of(&a, &sge, IBV_WR_RDMA_WRITE, 2, 0, 64);
	wr.wr.rdma.remote_addr = (uintptr_t)b.mem + LEN - 63;
	wr.wr.rdma.rkey = b.mr->rkey;
	check(!ibv_post_send(a.qp, &wr, &bad));
	step(&a, FABRIC_SEND, NULL);
	event(&b, IBV_EVENT_QP_ACCESS_ERR);
	run_all();
	took(&a, 2, IBV_WC_REM_ACCESS_ERR);
	took(&b, 1, IBV_WC_WR_FLUSH_ERR);
	check(a.qp->state == IBV_QPS_ERR && b.qp->state == IBV_QPS_ERR);
	end();
}

static void a_receive_that_is_too_short_ends_both(void)
{
	begin(&plain);
	check(!receive(&b, 1, 0, 63) && !receive(&b, 2, 0, 64));
	check(!post(&a, IBV_WR_SEND, 3, 0, 64, 0));
	run_all();
	took(&b, 1, IBV_WC_LOC_LEN_ERR);
	took(&b, 2, IBV_WC_WR_FLUSH_ERR);
	took(&a, 3, IBV_WC_REM_INV_REQ_ERR);
	end();
}

static void a_shared_queue_keeps_its_receives(void)
{
	const struct config config = {.srq_wrs = 4};
	struct ibv_srq_attr limit = {.srq_limit = 2};

	begin(&config);
	check(!receive(&b, 1, 0, 64) && !receive(&b, 2, 64, 64) && !receive(&b, 3, 128, 64));
	check(!ibv_modify_srq(b.srq, &limit, IBV_SRQ_LIMIT));
	check(!post(&a, IBV_WR_SEND, 4, 0, 64, 0));
	step(&a, FABRIC_SEND, NULL);
	no_event(&b);
	step(&a, FABRIC_ACK, NULL);
	check(!post(&a, IBV_WR_SEND, 5, 0, 64, 0));
	step(&a, FABRIC_SEND, NULL);
	event(&b, IBV_EVENT_SRQ_LIMIT_REACHED);
	check(!to_state(&b, IBV_QPS_ERR));
	no_event(&b);
	run_all();
	event(&b, IBV_EVENT_QP_LAST_WQE_REACHED);
	took(&b, 1, IBV_WC_SUCCESS);
	took(&b, 2, IBV_WC_SUCCESS);
	nothing(&b);
	check(fabric_memory_owner(b.mem + 128, 1, true) && !fabric_memory_owner(b.mem, 1, true));
	took(&a, 4, IBV_WC_SUCCESS);
	took(&a, 5, IBV_WC_SUCCESS);
	end();
}

static void the_first_message_is_told_before_rts(void)
{
	begin(&plain);
	check(!to_state(&b, IBV_QPS_RESET));
	to_rtr(&b, a.qp->qp_num, &plain);
	check(!post(&a, IBV_WR_RDMA_WRITE, 1, 0, 64, 0));
	check(!post(&a, IBV_WR_RDMA_WRITE, 2, 0, 64, 0));
	run_all();
	event(&b, IBV_EVENT_COMM_EST);
	no_event(&b);
	took(&a, 1, IBV_WC_SUCCESS);
	took(&a, 2, IBV_WC_SUCCESS);
	end();
}

static void some_devices_never_flush(void)
{
	const struct config config = {.device = {.never_flushes = true}};

	begin(&config);
	check(!receive(&a, 1, 0, 64) && !post(&a, IBV_WR_RDMA_WRITE, 2, 0, 64, 0));
	check(!to_state(&a, IBV_QPS_ERR));
	run_all();
	nothing(&a);
	check(fabric_memory_owner(a.mem, 1, true));
	check(!ibv_destroy_qp(a.qp));
	a.qp = NULL;
	check(!fabric_memory_owner(a.mem, 1, false));
	end();
}

static void a_removed_device_answers_nothing(void)
{
	struct ibv_port_attr attr;

	begin(&plain);
	check(!post(&a, IBV_WR_RDMA_WRITE, 1, 0, 64, 0));
	fabric_device_remove("dev-a");
	event(&a, IBV_EVENT_DEVICE_FATAL);
	run_all();
	nothing(&a);
	check(post(&a, IBV_WR_RDMA_WRITE, 1, 0, 64, 0) == EIO);
	check(ibv_query_port(a.context, 1, &attr) == EIO);
	end();
}

static void completions_of_a_destroyed_queue_pair(bool swept)
{
	const struct config config = {.device = {.sweeps_on_destroy = swept}};

	begin(&config);
	check(!post(&a, IBV_WR_RDMA_WRITE, 1, 0, 64, 0));
	run_all();
	check(!ibv_destroy_qp(a.qp));
	a.qp = NULL;
	if (!swept)
		took(&a, 1, IBV_WC_SUCCESS);
	nothing(&a);
	end();
}

static void completions_of_a_destroyed_queue_pair_stay(void)
{
	completions_of_a_destroyed_queue_pair(false);
}

static void completions_of_a_destroyed_queue_pair_are_swept(void)
{
	completions_of_a_destroyed_queue_pair(true);
}

/* ---- windows, atomics ---- */

static uint32_t bind(struct ibv_mw *mw)
{
	struct ibv_send_wr *bad, wr = {.wr_id = 50,
				       .opcode = IBV_WR_BIND_MW,
				       .send_flags = IBV_SEND_SIGNALED,
				       .bind_mw = {.mw = mw,
						   .rkey = ibv_inc_rkey(mw->rkey),
						   .bind_info = {b.mr, (uintptr_t)b.mem + 128, 64,
								 IBV_ACCESS_REMOTE_WRITE}}};

	check(!ibv_post_send(b.qp, &wr, &bad));
	run_all();
	check(took(&b, 50, IBV_WC_SUCCESS).opcode == IBV_WC_BIND_MW);
	return wr.bind_mw.rkey;
}

static void invalidate(uint32_t key)
{
	struct ibv_send_wr wr, *bad;
	struct ibv_sge sge;

	check(!receive(&b, 51, 0, 64));
	wr = wr_of(&a, &sge, IBV_WR_SEND_WITH_INV, 52, 0, 16);
	wr.invalidate_rkey = key;
	check(!ibv_post_send(a.qp, &wr, &bad));
	run_all();
	took(&a, 52, IBV_WC_SUCCESS);
}

static void a_window_opens_and_is_invalidated(void)
{
	struct ibv_send_wr wr, *bad;
	struct ibv_sge sge;
	struct ibv_mw *mw;
	struct ibv_wc wc;
	uint32_t key;

	begin(&plain);
	check((mw = ibv_alloc_mw(b.pd, IBV_MW_TYPE_2)));
	key = bind(mw);
	wr = wr_of(&a, &sge, IBV_WR_RDMA_WRITE, 1, 0, 64);
	wr.wr.rdma.remote_addr = (uintptr_t)b.mem + 128;
	wr.wr.rdma.rkey = key;
	check(!ibv_post_send(a.qp, &wr, &bad));
	run_all();
	took(&a, 1, IBV_WC_SUCCESS);
	invalidate(key);
	wc = took(&b, 51, IBV_WC_SUCCESS);
	check(wc.wc_flags == IBV_WC_WITH_INV && wc.invalidated_rkey == key);
	check(!ibv_post_send(a.qp, &wr, &bad));
	run_all();
	took(&a, 1, IBV_WC_REM_ACCESS_ERR);
	event(&b, IBV_EVENT_QP_ACCESS_ERR);
	check(!ibv_dealloc_mw(mw));
	end();
}

static void invalidating_plain_memory_ends_the_receiver(void)
{
	begin(&plain);
	invalidate(b.mr->rkey);
	took(&b, 51, IBV_WC_REM_INV_REQ_ERR);
	check(b.qp->state == IBV_QPS_ERR && a.qp->state == IBV_QPS_RTS);
	end();
}

static void atomics_return_what_was_there(void)
{
	struct ibv_send_wr wr, *bad;
	uint64_t *there, *here;
	struct ibv_sge sge;

	begin(&plain);
	there = (void *)b.mem;
	here = (void *)a.mem;
	*there = 5;
	wr = wr_of(&a, &sge, IBV_WR_ATOMIC_FETCH_AND_ADD, 1, 0, 8);
	wr.wr.atomic.remote_addr = (uintptr_t)there;
	wr.wr.atomic.rkey = b.mr->rkey;
	wr.wr.atomic.compare_add = 3;
	check(!ibv_post_send(a.qp, &wr, &bad));
	step(&a, FABRIC_SEND, NULL);
	drop(&a, FABRIC_ACK, NULL);
	run_all();
	took(&a, 1, IBV_WC_SUCCESS);
	check(*here == 5 && *there == 8);
	wr.opcode = IBV_WR_ATOMIC_CMP_AND_SWP;
	wr.wr.atomic.compare_add = 8;
	wr.wr.atomic.swap = 1;
	check(!ibv_post_send(a.qp, &wr, &bad));
	run_all();
	took(&a, 1, IBV_WC_SUCCESS);
	check(*here == 8 && *there == 1);
	end();
}

/* ---- calls that fail ---- */

static void the_nth_call_fails_and_leaves_no_trace(void)
{
	struct ibv_send_wr *bad = NULL, wr[2];
	struct ibv_sge sge[2];
	struct ibv_wc wc;

	begin(&plain);
	wr[0] = wr_of(&a, &sge[0], IBV_WR_SEND, 1, 0, 64);
	wr[1] = wr_of(&a, &sge[1], IBV_WR_SEND, 2, 0, 64);
	wr[0].next = &wr[1];
	fabric_fail_call(0, 2, ENOMEM);
	nothing(&a);
	check(ibv_post_send(a.qp, wr, &bad) == ENOMEM && bad == &wr[0]);
	check(!strcmp(fabric_failed_call(), "ibv_post_send"));
	check(!fabric_ready() && !fabric_memory_owner(a.mem, LEN, false));
	fabric_fail_call(0, 1, ENOMEM);
	check(!ibv_alloc_pd(a.context) && errno == ENOMEM);
	fabric_fail_call(0, 1, EIO);
	check(ibv_poll_cq(a.cq, 1, &wc) == -1);
	fabric_fail_call(0, 1, EIO);
	check(!ibv_create_cq(a.context, 1, NULL, NULL, 0) && errno == EIO);
	end();
}

#define TEST(name)          \
	{                   \
#name, name \
	}
const struct test error_tests[] = {
	TEST(a_broken_queue_pair_flushes_one_by_one),
	TEST(a_broken_queue_pair_without_work_fails_the_next_wr),
	TEST(a_bad_remote_key_ends_both),
	TEST(a_receive_that_is_too_short_ends_both),
	TEST(a_shared_queue_keeps_its_receives),
	TEST(the_first_message_is_told_before_rts),
	TEST(some_devices_never_flush),
	TEST(a_removed_device_answers_nothing),
	TEST(completions_of_a_destroyed_queue_pair_stay),
	TEST(completions_of_a_destroyed_queue_pair_are_swept),
	TEST(a_window_opens_and_is_invalidated),
	TEST(invalidating_plain_memory_ends_the_receiver),
	TEST(atomics_return_what_was_there),
	TEST(the_nth_call_fails_and_leaves_no_trace),
	{0},
};
