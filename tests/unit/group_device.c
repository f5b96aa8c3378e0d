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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_device_takes_no_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
