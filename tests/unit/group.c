/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/group.c: the poll loop and sleeping, on a device that does not exist.
 */
#include "fake_verbs.h"

/* A notification that was not to be had would be waited for for ever. */
static void a_group_does_not_sleep_without_its_notification(void **state)
{
	struct fake fake;
	int timeout;

	fake_init(&fake);
	fake_open(&fake);
	fake.fails = "ibv_req_notify_cq";
	assert_int_equal(wrasse_poll_group_arm(fake.group, &timeout), 1);
	assert_null(fake.fails);
	assert_int_equal(wrasse_poll_group_arm(fake.group, &timeout), 0);
	assert_int_equal(timeout, -1);
	fake_fini(&fake);
}

/* On iWARP a capsule that comes before its receive ends the connection. */
static void receives_are_posted_before_answers(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	request = fake_request(&fake);
	assert_int_equal(fake.recv_posted, FAKE_SLOTS);
	rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESPOND);
	rdmat_sendq_fill(fake.qp);
	wrasse_poll_group_poll(fake.group);
	assert_int_equal(fake.posted_count, 1);
	assert_int_equal(fake.recv_posted_before, FAKE_SLOTS + 1);
	fake_complete(&fake);
	fake_fini(&fake);
}

/* A receive slot is idle, and the device does not take it. */
static void receive_refused(struct fake *fake, struct rdmat_rx *rx)
{
	struct rdmat_slot *slot = &rx->slots[0];

	assert_true(slot->with_hardware);
	rdmat_rx_taken(slot);
	rdmat_rx_give(slot);
	fake->recv_fail_at = 0;
	wrasse_poll_group_poll(fake->group);
	fake->recv_fail_at = -1;
}

static void a_shared_receiver_that_failed_is_made_anew(void **state)
{
	struct rdmat_group_device *device;
	struct rdmat_qp *qp;
	struct fake fake;

	fake_init(&fake);
	fake.device.attr.max_srq = 16;
	fake.device.attr.max_srq_wr = FAKE_SLOTS;
	device = fake_open(&fake);
	assert_int_equal(fake.recv_posted, 2 * FAKE_SLOTS);
	receive_refused(&fake, device->rx[0]);
	/* Its queue pair went at once, and all that the group had on the device. */
	fake_expect_gone(&fake);
	assert_int_equal(fake.cqs_destroyed, 1);
	fake.recv_posted = 0;
	qp = fake_connect(&fake, 2, 4);
	assert_non_null(qp);
	assert_int_equal(fake.recv_posted, 2 * FAKE_SLOTS);
	fake_end(&fake, qp);
	fake_fini(&fake);
}

static void a_receiver_of_one_queue_pair_that_failed_ends_only_that(void **state)
{
	struct rdmat_qp *other;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	other = fake_connect(&fake, 2, 4);
	assert_non_null(other);
	fake.rx->owner = fake.qp;
	fake.qp->reserved = FAKE_SLOTS + 1;
	fake.qp->class->reserved += FAKE_SLOTS + 1;
	assert_int_equal(rdmat_rx_post(fake.rx), 0);
	receive_refused(&fake, fake.rx);
	assert_true(fake.qp->tearing);
	assert_false(other->tearing);
	assert_int_equal(fake.cqs_destroyed, 0);
	fake_end(&fake, other);
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_does_not_sleep_without_its_notification),
		cmocka_unit_test(receives_are_posted_before_answers),
		cmocka_unit_test(a_shared_receiver_that_failed_is_made_anew),
		cmocka_unit_test(a_receiver_of_one_queue_pair_that_failed_ends_only_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
