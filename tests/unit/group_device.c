/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/group_device.c: what a group has on a device, and when it has it no more.
 */
#include "fake_verbs.h"

static void a_failed_device_takes_no_connection(void **state)
{
	struct fake fake;

	fake_init(&fake);
	pool_list_add_tail(&fake.group->devices, &fake.group_device.link);
	assert_ptr_equal(rdmat_group_device_get(fake.group, &fake.device), &fake.group_device);
	fake.group_device.failed = true;
	assert_null(rdmat_group_device_get(fake.group, &fake.device));
	pool_list_del(&fake.group_device.link);
	fake_fini(&fake);
}

static void a_completion_queue_that_failed_once_is_made_anew(void **state)
{
	struct rdmat_qp *qp;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	fake.fails = "ibv_poll_cq";
	wrasse_poll_group_poll(fake.group);
	assert_null(fake.fails);
	fake_expect_gone(&fake);
	assert_int_equal(fake.cqs_destroyed, 1);
	assert_true(pool_list_is_empty(&fake.group->devices));
	qp = fake_connect(&fake, 2, 4);
	assert_non_null(qp);
	assert_int_equal(fake.cqs_made, 2);
	assert_int_equal(wrasse_poll_group_poll(fake.group), 0);
	assert_false(qp->tearing);
	fake_end(&fake, qp);
	fake_fini(&fake);
}

/* There a capsule that finds no receive ends the connection: nobody may take another's. */
static void queue_pairs_on_iwarp_share_no_receives(void **state)
{
	for (unsigned iwarp = 0; iwarp < 2; iwarp++) {
		struct rdmat_group_device *device;
		struct fake fake;

		fake_init(&fake);
		fake.device.attr.max_srq = 16;
		fake.device.attr.max_srq_wr = FAKE_SLOTS;
		fake.device.iwarp = iwarp;
		device = fake_open(&fake);
		assert_int_equal(device->rx[0] == NULL, iwarp);
		assert_int_equal(device->rx[1] == NULL, iwarp);
		fake_fini(&fake);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_device_takes_no_connection),
		cmocka_unit_test(a_completion_queue_that_failed_once_is_made_anew),
		cmocka_unit_test(queue_pairs_on_iwarp_share_no_receives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
