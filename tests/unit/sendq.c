/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/sendq.c: the order, the limits and the books of a send queue.
 */
#include "fake_verbs.h"
#include "transport/resources.h"

#include <string.h>

static struct rdmat_request *fetch_start(struct fake *fake, uint32_t descs)
{
	struct rdmat_request *request = fake_request(fake);

	fake_data(request, NVME_XFER_H2C, descs, 8192);
	assert_true(rdmat_request_take_resources(request));
	rdmat_request_move(request, RDMAT_REQUEST_WAIT_FETCH);
	return request;
}

static struct rdmat_request *read_start(struct fake *fake, uint32_t descs)
{
	struct rdmat_request *request = fake_request(fake);

	if (descs) {
		fake_data(request, NVME_XFER_C2H, descs, 4096);
		assert_true(rdmat_request_take_resources(request));
		request->with_data = true;
	}
	rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
	rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESPOND);
	return request;
}

static void fill_and_post(struct fake *fake)
{
	rdmat_sendq_fill(fake->qp);
	rdmat_sendq_post(fake->qp);
}

/* FIFO, counters and requests say the same. */
static void expect_consistent(struct fake *fake)
{
	unsigned queued = 0, reads = 0;

	for (struct rdmat_wr *wr = fake->qp->sq_oldest; wr;
	     wr = wr->wr.next ? pool_container(wr->wr.next, struct rdmat_wr, wr) : NULL) {
		queued++;
		reads += wr->wr.opcode == IBV_WR_RDMA_READ;
		if (!wr->wr.next)
			assert_ptr_equal(wr, fake->qp->sq_newest);
	}
	assert_int_equal(fake->qp->sq_free + queued, FAKE_SQ_DEPTH);
	assert_int_equal(fake->qp->reads_free + reads, FAKE_READS);
}

static void reads_never_exceed_the_credits(void **state)
{
	struct rdmat_request *a, *b;
	struct fake fake;

	fake_init(&fake);
	a = fetch_start(&fake, 6);
	b = fetch_start(&fake, 3);
	fill_and_post(&fake);
	assert_int_equal(fake.posted_count, FAKE_READS);
	assert_int_equal(fake.qp->reads_free, 0);
	assert_int_equal(a->reads_out, FAKE_READS);
	assert_int_equal(a->state, RDMAT_REQUEST_FETCHING);
	assert_non_null(a->cursor);
	assert_int_equal(b->state, RDMAT_REQUEST_WAIT_FETCH);
	expect_consistent(&fake);

	/* Two left of a, then b may start. */
	fake_complete(&fake);
	assert_int_equal(fake.executed, 0);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, FAKE_READS);
	assert_null(a->cursor);
	assert_int_equal(a->reads_out, 2);
	assert_int_equal(b->reads_out, 2);
	expect_consistent(&fake);
	fake_complete(&fake);
	assert_int_equal(fake.executed, 1);
	for (unsigned i = 0; fake.qp->requests_out; i++) {
		assert_in_range(i, 0, 10);
		rdmat_sendq_post(fake.qp);
		expect_consistent(&fake);
		fake_complete(&fake);
	}
	assert_int_equal(fake.executed, 2);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

/* Slots have come back, and what waits has not been looked at yet: a completion was just being acted on. */
static void a_response_does_not_go_before_one_that_is_queued_in_part(void **state)
{
	struct rdmat_request *part, *next;
	struct fake fake;

	fake_init(&fake);
	fake.qp->sq_free = 2;
	part = read_start(&fake, 9);
	rdmat_sendq_fill(fake.qp);
	assert_int_equal(part->state, RDMAT_REQUEST_RESPONDING);
	assert_non_null(part->cursor);
	next = fake_request(&fake);
	rdmat_request_move(next, RDMAT_REQUEST_EXECUTING);
	fake.qp->sq_free = FAKE_SQ_DEPTH - 2;
	rdmat_sendq_respond(next);
	assert_true(part->responded);
	assert_true(next->responded);
	assert_ptr_equal(fake.qp->sq_newest, &next->response_wr);
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

static void a_response_does_not_go_before_one_that_waits(void **state)
{
	struct rdmat_request *first, *next;
	struct fake fake;

	fake_init(&fake);
	fake.qp->sq_free = 0;
	first = read_start(&fake, 0);
	rdmat_sendq_fill(fake.qp);
	assert_int_equal(first->state, RDMAT_REQUEST_WAIT_RESPOND);
	next = fake_request(&fake);
	rdmat_request_move(next, RDMAT_REQUEST_EXECUTING);
	fake.qp->sq_free = FAKE_SQ_DEPTH;
	rdmat_sendq_respond(next);
	assert_ptr_equal(fake.qp->sq_oldest, &first->response_wr);
	assert_ptr_equal(fake.qp->sq_newest, &next->response_wr);
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

/* Whatever number of slots there is, what comes out is the same WRs in the same order. */
static void a_chain_goes_on_where_slots_ran_out(void **state)
{
	for (unsigned slots = 1; slots <= 12; slots++) {
		struct rdmat_request *request;
		unsigned sent = 0, sends = 0;
		struct fake fake;

		fake_init(&fake);
		fake.qp->sq_free = slots;
		request = read_start(&fake, 9);
		rdmat_sendq_fill(fake.qp);
		for (unsigned round = 0; fake.qp->requests_out; round++) {
			assert_in_range(round, 0, 20);
			rdmat_sendq_post(fake.qp);
			assert_in_range(fake.posted_count, 1, slots);
			for (unsigned i = 0; i < fake.posted_count; i++) {
				struct ibv_send_wr *wr = fake.posted[i];

				sends += wr->opcode == IBV_WR_SEND;
				if (wr->opcode == IBV_WR_SEND)
					continue;
				assert_int_equal(sends, 0);
				assert_int_equal(wr->wr.rdma.rkey, 0x900 + sent);
				sent++;
			}
			fake_complete(&fake);
		}
		assert_int_equal(sent, 9);
		assert_int_equal(sends, 1);
		assert_int_equal(request->state, RDMAT_REQUEST_FREE);
		assert_int_equal(fake.qp->outstanding, 0);
		fake.qp->sq_free += FAKE_SQ_DEPTH - slots;
		fake_fini(&fake);
	}
}

static void responses_go_before_fetches(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fetch_start(&fake, 1);
	read_start(&fake, 0);
	fill_and_post(&fake);
	assert_int_equal(fake.posted_count, 2);
	assert_int_equal(fake.posted[0]->opcode, IBV_WR_SEND);
	assert_int_equal(fake.posted[1]->opcode, IBV_WR_RDMA_READ);
	fake_fini(&fake);
}

static void the_last_wr_of_each_post_is_signaled(void **state)
{
	struct fake fake;

	fake_init(&fake);
	for (unsigned i = 0; i < 3; i++)
		read_start(&fake, 2);
	fill_and_post(&fake);
	assert_int_equal(fake.post_calls, 1);
	assert_int_equal(fake.posted_count, 9);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(!!(fake.posted[i]->send_flags & IBV_SEND_SIGNALED), i == 8);
	assert_int_equal(fake.group->stats.send_posts, 1);
	assert_int_equal(fake.group->stats.send_wrs, 9);
	assert_int_equal(fake.group->stats.signaled_wrs, 1);
	/* Nothing new: no post. */
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.post_calls, 1);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

/* So that what its first answers had comes back while the rest of it is still going out. */
static void a_long_post_is_signaled_in_parts(void **state)
{
	struct rdmat_request *requests[3];
	struct fake fake;

	fake_init(&fake);
	fake.qp->sq_part = fake.qp->sq_signal_at = 4;
	for (unsigned post = 0; post < 2; post++) {
		for (unsigned i = 0; i < 3; i++)
			requests[i] = read_start(&fake, 2);
		fill_and_post(&fake);
		assert_int_equal(fake.posted_count, 9);
		for (unsigned i = 0; i < 9; i++)
			assert_int_equal(!!(fake.posted[i]->send_flags & IBV_SEND_SIGNALED),
					 i == 5 || i == 8);
		assert_int_equal(fake.group->stats.signaled_wrs, 2 * (post + 1));
		assert_int_equal(fake.qp->sq_signal_at, 4);
		rdmat_sendq_retire(fake.qp, &requests[1]->response_wr);
		assert_int_equal(requests[1]->state, RDMAT_REQUEST_FREE);
		assert_int_equal(requests[2]->state, RDMAT_REQUEST_RESPONDING);
		rdmat_sendq_retire(fake.qp, &requests[2]->response_wr);
		expect_consistent(&fake);
		fake.posted_count = 0;
	}
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

static void the_last_read_of_a_fetch_is_signaled(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fetch_start(&fake, 2);
	fetch_start(&fake, 2);
	fill_and_post(&fake);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(!!(fake.posted[i]->send_flags & IBV_SEND_SIGNALED), i & 1);
	fake_fini(&fake);
}

static void a_completion_retires_all_up_to_its_own_and_no_more(void **state)
{
	for (unsigned last = 0; last < 9; last++) {
		struct rdmat_request *requests[3];
		struct fake fake;

		fake_init(&fake);
		for (unsigned i = 0; i < 3; i++)
			requests[i] = read_start(&fake, 2);
		fill_and_post(&fake);
		rdmat_sendq_retire(fake.qp, pool_container(fake.posted[last], struct rdmat_wr, wr));
		assert_int_equal(fake.qp->sq_free, FAKE_SQ_DEPTH - 9 + last + 1);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(requests[i]->state == RDMAT_REQUEST_FREE,
					 last >= 3 * i + 2);
		expect_consistent(&fake);
		fake_fini(&fake);
	}
}

static void retire_twice(void *arg)
{
	struct fake fake;
	struct rdmat_wr *wr;

	fake_init(&fake);
	read_start(&fake, 0);
	fill_and_post(&fake);
	wr = pool_container(fake.posted[0], struct rdmat_wr, wr);
	rdmat_sendq_retire(fake.qp, wr);
	rdmat_sendq_retire(fake.qp, wr);
}

static void retire_unposted(void *arg)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	request = read_start(&fake, 0);
	rdmat_sendq_fill(fake.qp);
	rdmat_sendq_retire(fake.qp, &request->response_wr);
}

static void a_completion_for_what_was_not_posted_stops_the_program(void **state)
{
	assert_dies(retire_twice, NULL, "for a WR that was not posted");
	assert_dies(retire_unposted, NULL, "for a WR that was not posted");
}

/* Two posts; the device refuses WR @bad of the second. */
static void post_fails_at(int bad)
{
	unsigned marks = bad > 0; /* what it has of the second is followed by one */
	struct fake fake;

	fake_init(&fake);
	read_start(&fake, 2);
	fill_and_post(&fake);
	fetch_start(&fake, 4);
	read_start(&fake, 3);
	fake.post_fail_at = bad;
	fill_and_post(&fake);
	assert_int_equal(fake.posted_count, 3 + bad + marks);
	assert_int_equal(fake.qp->state, RDMAT_QP_DISCONNECTING);
	assert_int_equal(fake.errored, 1);
	/* What the device has is out, what it refused is not. */
	assert_int_equal(fake.qp->sq_free, FAKE_SQ_DEPTH - 3 - (unsigned)bad - marks);
	assert_null(fake.qp->sq_unposted);
	assert_false(pool_link_is_on_list(&fake.qp->dirty_link));
	expect_consistent(&fake);
	/* The hardware flushes what it had. */
	fake_complete(&fake);
	assert_int_equal(fake.qp->requests_out, 0);
	fake_expect_balance(&fake);
	fake_reap(&fake);
	fake_fini(&fake);
}

static void a_post_that_fails_at_any_wr_leaves_balanced_books(void **state)
{
	for (int bad = 0; bad < 8; bad++)
		post_fails_at(bad);
}

static void what_was_queued_and_not_posted_is_taken_back(void **state)
{
	struct fake fake;

	fake_init(&fake);
	read_start(&fake, 2);
	fill_and_post(&fake);
	read_start(&fake, 3);
	fetch_start(&fake, 2);
	rdmat_sendq_fill(fake.qp);
	assert_int_equal(fake.qp->sq_free, FAKE_SQ_DEPTH - 9);
	rdmat_qp_disconnect(fake.qp, "a test");
	assert_int_equal(fake.qp->sq_free, FAKE_SQ_DEPTH - 3);
	assert_int_equal(fake.qp->requests_out, 1);
	rdmat_sendq_fill(fake.qp);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.post_calls, 1);
	fake_fini(&fake);
}

static void the_response_invalidates_only_where_the_device_can(void **state)
{
	for (unsigned can = 0; can < 2; can++) {
		struct rdmat_request *request;
		struct fake fake;

		fake_init(&fake);
		atomic_store(&fake.device.invalidates, can);
		fake.qp->response_flags = can ? 0 : IBV_SEND_INLINE;
		request = read_start(&fake, 0);
		request->nvme.data.invalidate = true;
		request->nvme.data.inv_rkey = 0x77;
		fill_and_post(&fake);
		assert_int_equal(fake.posted[0]->opcode, can ? IBV_WR_SEND_WITH_INV : IBV_WR_SEND);
		if (can)
			assert_int_equal(fake.posted[0]->invalidate_rkey, 0x77);
		assert_int_equal(!!(fake.posted[0]->send_flags & IBV_SEND_INLINE), !can);
		assert_int_equal(fake.posted[0]->sg_list[0].length, 16);
		fake_fini(&fake);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_never_exceed_the_credits),
		cmocka_unit_test(a_chain_goes_on_where_slots_ran_out),
		cmocka_unit_test(a_response_does_not_go_before_one_that_is_queued_in_part),
		cmocka_unit_test(a_response_does_not_go_before_one_that_waits),
		cmocka_unit_test(responses_go_before_fetches),
		cmocka_unit_test(the_last_wr_of_each_post_is_signaled),
		cmocka_unit_test(a_long_post_is_signaled_in_parts),
		cmocka_unit_test(the_last_read_of_a_fetch_is_signaled),
		cmocka_unit_test(a_completion_retires_all_up_to_its_own_and_no_more),
		cmocka_unit_test(a_completion_for_what_was_not_posted_stops_the_program),
		cmocka_unit_test(a_post_that_fails_at_any_wr_leaves_balanced_books),
		cmocka_unit_test(what_was_queued_and_not_posted_is_taken_back),
		cmocka_unit_test(the_response_invalidates_only_where_the_device_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
