/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/unsignaled.c: posts that ask for no completion, and what brings back what they have.
 */
#include "fake_verbs.h"
#include "transport/flow.h"
#include "transport/unsignaled.h"
#include "transport/resources.h"

static void begin(struct fake *fake)
{
	fake_init(fake);
	fake->qp->sq_unsignaled_max = 6;
	fake->qp->posted_ns = fake->now_ns = 1000 * RDMAT_NS_PER_MS;
	fake->group->now_ns = 0;
}

static void time_passes(struct fake *fake, uint64_t ms)
{
	fake->now_ns += ms * RDMAT_NS_PER_MS;
	fake->group->now_ns = 0;
}

static struct rdmat_request *response_waits(struct fake *fake)
{
	struct rdmat_request *request = fake_request(fake);

	rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
	rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESPOND);
	return request;
}

/* A response goes out in a post of its own. Return: whether that asks for a completion. */
static bool answers(struct fake *fake)
{
	response_waits(fake);
	rdmat_sendq_fill(fake->qp);
	rdmat_sendq_post(fake->qp);
	return fake->posted[fake->posted_count - 1]->send_flags & IBV_SEND_SIGNALED;
}

/* The poll loop's look at the timer, which is due at @at. */
static void timer(struct fake *fake, uint64_t at)
{
	assert_int_equal(fake->group->unsignaled_until, at);
	rdmat_unsignaled_timer(fake->group);
}

static void expect_mark(const struct fake *fake)
{
	const struct ibv_send_wr *wr = fake->posted[fake->posted_count - 1];

	assert_ptr_equal(wr, &fake->qp->mark.wr);
	assert_int_equal(wr->opcode, IBV_WR_RDMA_WRITE);
	assert_int_equal(wr->num_sge, 0);
	assert_int_equal(wr->send_flags, IBV_SEND_SIGNALED);
}

static void end(struct fake *fake)
{
	fake_complete(fake);
	fake_expect_balance(fake);
	assert_false(fake->qp->marked);
	fake_fini(fake);
}

static void a_few_wrs_are_posted_without_a_completion(void **state)
{
	struct fake fake;

	begin(&fake);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 6; i++)
			assert_false(answers(&fake));
		assert_true(answers(&fake));
		assert_int_equal(fake.qp->requests_out, 7);
		fake_complete(&fake);
		assert_int_equal(fake.qp->requests_out, 0);
	}
	assert_int_equal(fake.group->stats.signaled_wrs, 2);
	end(&fake);
}

static void who_posts_seldom_asks_for_a_completion(void **state)
{
	struct fake fake;

	begin(&fake);
	time_passes(&fake, 4);
	assert_false(answers(&fake));
	time_passes(&fake, 6);
	assert_true(answers(&fake));
	end(&fake);
}

static void after_a_moment_a_mark_brings_back_what_is_unsignaled(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	begin(&fake);
	assert_false(answers(&fake));
	request = fake.qp->sq_newest->request;
	time_passes(&fake, 5);
	timer(&fake, fake.now_ns);
	assert_int_equal(fake.group->unsignaled_until, UINT64_MAX);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, 2);
	expect_mark(&fake);
	assert_int_equal(request->sq_out, 2);
	assert_int_equal(fake.qp->sq_free, FAKE_SQ_DEPTH - 2);
	fake_complete(&fake);
	assert_int_equal(request->state, RDMAT_REQUEST_FREE);
	assert_true(pool_list_is_empty(&fake.group->unsignaled));
	end(&fake);
}

static void a_group_does_not_sleep_longer_than_that(void **state)
{
	struct fake fake;
	int timeout = -1;

	begin(&fake);
	fake_open(&fake);
	fake.group->next_timer_ns = UINT64_MAX;
	assert_false(answers(&fake));
	while (wrasse_poll_group_arm(fake.group, &timeout))
		;
	assert_int_equal(timeout, 6);
	time_passes(&fake, 5);
	wrasse_poll_group_poll(fake.group);
	expect_mark(&fake);
	end(&fake);
}

/* It has posted since the timer began to run: it will again, and that post brings all back. */
static void who_goes_on_posting_needs_no_mark(void **state)
{
	struct fake fake;

	begin(&fake);
	assert_false(answers(&fake));
	time_passes(&fake, 3);
	assert_false(answers(&fake));
	time_passes(&fake, 2);
	timer(&fake, fake.now_ns);
	assert_int_equal(fake.group->unsignaled_until, fake.now_ns + 5 * RDMAT_NS_PER_MS);
	assert_null(fake.qp->sq_unposted);
	assert_true(answers(&fake));
	/* Or it does not after all. */
	assert_false(answers(&fake));
	time_passes(&fake, 5);
	timer(&fake, fake.now_ns);
	assert_int_equal(fake.group->unsignaled_until, UINT64_MAX);
	rdmat_sendq_post(fake.qp);
	expect_mark(&fake);
	end(&fake);
}

/* The mark is on its way, and another post behind it: that gets the mark when it is back. */
static void there_is_one_mark_at_a_time(void **state)
{
	struct fake fake;

	begin(&fake);
	assert_false(answers(&fake));
	time_passes(&fake, 5);
	timer(&fake, fake.now_ns);
	rdmat_sendq_post(fake.qp);
	expect_mark(&fake);
	assert_false(answers(&fake));
	time_passes(&fake, 5);
	timer(&fake, fake.now_ns);
	assert_int_equal(fake.group->unsignaled_until, fake.now_ns + 5 * RDMAT_NS_PER_MS);
	assert_null(fake.qp->sq_unposted);
	rdmat_sendq_retire(fake.qp, &fake.qp->mark);
	assert_int_equal(fake.qp->requests_out, 1);
	time_passes(&fake, 5);
	timer(&fake, fake.now_ns);
	assert_int_equal(fake.group->unsignaled_until, UINT64_MAX);
	rdmat_sendq_post(fake.qp);
	expect_mark(&fake);
	end(&fake);
}

/* While somebody waits each post is signaled, and those that were not are marked in the same poll. */
static void who_waits_for_requests_or_buffers_gets_what_is_unsignaled(void **state)
{
	for (unsigned what = 0; what < 2; what++) {
		struct rdmat_slot *slot;
		struct fake fake;

		begin(&fake);
		assert_false(answers(&fake));
		if (what) {
			struct rdmat_request *request = fake_request(&fake);

			rdmat_flow_wait_resources(request);
			rdmat_unsignaled_settle(fake.group);
			assert_true(fake.group->settling);
			rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
			rdmat_request_settle(request);
		} else {
			slot = fake_slot(&fake);
			fake.qp->class->free_count = 0;
			fake.qp->outstanding = 0;
			rdmat_flow_capsule(fake.qp, slot, 64);
			fake.qp->class->free_count = FAKE_REQUESTS - 1;
			rdmat_unsignaled_settle(fake.group);
			assert_true(fake.group->settling);
			rdmat_rx_unpark_all(fake.qp);
			fake.qp->outstanding = 0;
		}
		rdmat_sendq_post(fake.qp);
		expect_mark(&fake);
		/* The wait is over. */
		rdmat_unsignaled_settle(fake.group);
		assert_false(fake.group->settling);
		end(&fake);
	}
}

static void what_is_not_posted_yet_needs_no_mark(void **state)
{
	struct fake fake;

	begin(&fake);
	assert_false(answers(&fake));
	response_waits(&fake);
	rdmat_sendq_fill(fake.qp);
	rdmat_unsignaled_settle(fake.group);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, 2);
	assert_int_equal(fake.posted[1]->opcode, IBV_WR_SEND);
	assert_int_equal(fake.posted[1]->send_flags, IBV_SEND_SIGNALED);
	end(&fake);
}

/* Each of these makes somebody wait for the end of the post, or may soon. */
static void a_post_that_somebody_waits_for_asks_for_a_completion(void **state)
{
	for (unsigned what = 0; what < 7; what++) {
		struct pool *pools[3];
		struct pool_item *items = NULL;
		struct rdmat_request *request;
		static int other;
		struct fake fake;

		begin(&fake);
		pools[0] = fake.group->small;
		pools[1] = fake.group->large;
		pools[2] = fake.group->wr_pool;
		request = response_waits(&fake);
		if (what < 3)
			items = pool_take(pools[what], pool_capacity(pools[what]) / 2, 0, &other);
		else if (what == 3)
			fake.group->settling = true;
		else if (what == 4)
			request->disconnect_after = true;
		else if (what == 5)
			fake.qp->class->free_count -= FAKE_REQUESTS / 2;
		else
			fake.qp->sq_unsignaled_max = 0;
		rdmat_sendq_fill(fake.qp);
		rdmat_sendq_post(fake.qp);
		assert_int_equal(fake.posted[0]->send_flags, IBV_SEND_SIGNALED);
		if (items)
			pool_give(pools[what], items);
		fake.group->settling = false;
		request->disconnect_after = false;
		if (what == 5)
			fake.qp->class->free_count += FAKE_REQUESTS / 2;
		end(&fake);
	}
}

/* There may be less than plenty when the others are posted: they are few, and come back when somebody waits. */
static void whether_there_is_plenty_is_asked_before_the_first(void **state)
{
	struct fake fake;

	begin(&fake);
	assert_false(answers(&fake));
	fake.qp->class->free_count -= FAKE_REQUESTS / 2;
	assert_false(answers(&fake));
	fake.group->settling = true;
	assert_true(answers(&fake));
	fake.group->settling = false;
	assert_true(answers(&fake));
	fake.qp->class->free_count += FAKE_REQUESTS / 2;
	assert_false(answers(&fake));
	assert_false(answers(&fake));
	end(&fake);
}

/* A response that found no slots, or half of them, and a fetch: they go on when the post is through. */
static void a_post_that_its_queue_pair_waits_for_asks_for_a_completion(void **state)
{
	for (unsigned what = 0; what < 2; what++) {
		struct rdmat_request *request;
		struct fake fake;

		begin(&fake);
		fake.qp->sq_free = 2;
		fake.qp->sq_unsignaled_max = 2;
		response_waits(&fake);
		response_waits(&fake);
		request = response_waits(&fake);
		if (what) {
			fake_data(request, NVME_XFER_H2C, 1, 4096);
			rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
			rdmat_request_settle(request);
			request = fake_request(&fake);
			fake_data(request, NVME_XFER_H2C, 1, 4096);
			assert_true(rdmat_request_take_resources(request));
			rdmat_request_move(request, RDMAT_REQUEST_WAIT_FETCH);
			fake.qp->sq_free = 3;
			fake.qp->sq_unsignaled_max = 3;
		}
		rdmat_sendq_fill(fake.qp);
		rdmat_sendq_post(fake.qp);
		assert_true(fake.posted[fake.posted_count - 1]->send_flags & IBV_SEND_SIGNALED);
		rdmat_qp_disconnect(fake.qp, NULL);
		fake.qp->sq_free += FAKE_SQ_DEPTH - (what ? 3 : 2);
		fake_complete(&fake);
		fake_reap(&fake);
		fake_fini(&fake);
	}
}

/* In the error state the device flushes the mark behind what it has, be that through or not. */
static void the_end_of_a_queue_pair_brings_back_what_is_unsignaled(void **state)
{
	struct fake fake;

	begin(&fake);
	assert_false(answers(&fake));
	assert_false(answers(&fake));
	rdmat_qp_disconnect(fake.qp, NULL);
	assert_int_equal(fake.posted_count, 3);
	expect_mark(&fake);
	assert_false(pool_link_is_on_list(&fake.qp->unsignaled_link));
	assert_false(pool_link_is_on_list(&fake.qp->dirty_link));
	assert_int_equal(fake.qp->requests_out, 2);
	fake_complete(&fake);
	assert_int_equal(fake.qp->requests_out, 0);
	fake_reap(&fake);
	fake_fini(&fake);
}

/* The mark was on its way when the queue pair ended, and came back; behind it was more. */
static void the_end_of_a_queue_pair_marks_again(void **state)
{
	struct fake fake;

	begin(&fake);
	assert_false(answers(&fake));
	assert_true(rdmat_sendq_mark(fake.qp));
	rdmat_sendq_post(fake.qp);
	assert_false(answers(&fake));
	rdmat_qp_disconnect(fake.qp, NULL);
	assert_int_equal(fake.posted_count, 3);
	rdmat_sendq_retire(fake.qp, &fake.qp->mark);
	assert_int_equal(fake.qp->requests_out, 1);
	assert_false(rdmat_qp_reap(fake.qp));
	assert_int_equal(fake.posted_count, 4);
	expect_mark(&fake);
	fake_complete(&fake);
	assert_int_equal(fake.qp->requests_out, 0);
	fake_reap(&fake);
	fake_fini(&fake);
}

static void without_a_slot_there_is_no_mark(void **state)
{
	struct fake fake;

	begin(&fake);
	assert_false(answers(&fake));
	fake.qp->sq_free = 0;
	assert_false(rdmat_sendq_mark(fake.qp));
	assert_int_equal(fake.posted_count, 1);
	fake.qp->sq_free = FAKE_SQ_DEPTH - 1;
	end(&fake);
}

static void only_io_queues_post_unsignaled(void **state)
{
	struct rdmat_qp *qp;
	struct fake fake;

	fake_init(&fake);
	qp = fake_connect(&fake, 1, 4);
	assert_int_equal(qp->sq_unsignaled_max, 13); /* half of its slots */
	fake_end(&fake, qp);
	fake_fini(&fake);
	fake_init(&fake);
	qp = fake_connect(&fake, 1, FAKE_SLOTS);
	assert_int_equal(qp->sq_unsignaled_max, 16);
	fake_end(&fake, qp);
	fake_fini(&fake);
	fake_init(&fake);
	qp = fake_connect(&fake, 0, 4);
	assert_int_equal(qp->sq_unsignaled_max, 0);
	fake_end(&fake, qp);
	fake_fini(&fake);
	fake_init(&fake);
	fake.device.iwarp = true;
	qp = fake_connect(&fake, 1, 4);
	assert_int_equal(qp->sq_unsignaled_max, 0);
	fake_end(&fake, qp);
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few_wrs_are_posted_without_a_completion),
		cmocka_unit_test(who_posts_seldom_asks_for_a_completion),
		cmocka_unit_test(after_a_moment_a_mark_brings_back_what_is_unsignaled),
		cmocka_unit_test(a_group_does_not_sleep_longer_than_that),
		cmocka_unit_test(who_goes_on_posting_needs_no_mark),
		cmocka_unit_test(there_is_one_mark_at_a_time),
		cmocka_unit_test(who_waits_for_requests_or_buffers_gets_what_is_unsignaled),
		cmocka_unit_test(what_is_not_posted_yet_needs_no_mark),
		cmocka_unit_test(a_post_that_somebody_waits_for_asks_for_a_completion),
		cmocka_unit_test(a_post_that_its_queue_pair_waits_for_asks_for_a_completion),
		cmocka_unit_test(whether_there_is_plenty_is_asked_before_the_first),
		cmocka_unit_test(the_end_of_a_queue_pair_brings_back_what_is_unsignaled),
		cmocka_unit_test(the_end_of_a_queue_pair_marks_again),
		cmocka_unit_test(without_a_slot_there_is_no_mark),
		cmocka_unit_test(only_io_queues_post_unsignaled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
