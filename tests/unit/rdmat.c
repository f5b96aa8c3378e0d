/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/rdmat.c: devices, opened on first sight.
 */
#include "fake_verbs.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void descriptors_open(struct fake *fake)
{
	fake->rdmat.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	fake->context.async_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(fake->rdmat.epoll_fd >= 0 && fake->context.async_fd >= 0);
}

static void descriptors_close(struct fake *fake)
{
	close(fake->rdmat.epoll_fd);
	close(fake->context.async_fd);
}

static void a_device_that_could_not_be_opened_once_can_be_opened_later(void **state)
{
	static const char *const steps[] = {"ibv_alloc_pd", "ibv_query_device"};

	for (unsigned i = 0; i < 2; i++) {
		struct rdmat_device *device;
		struct fake fake;

		fake_init(&fake);
		descriptors_open(&fake);
		fake.fails = steps[i];
		assert_null(rdmat_device_get(&fake.rdmat, &fake.context));
		assert_null(fake.fails);
		device = rdmat_device_get(&fake.rdmat, &fake.context);
		assert_non_null(device);
		assert_ptr_equal(rdmat_device_get(&fake.rdmat, &fake.context), device);
		assert_int_equal(fake.rdmat.device_count, 1);
		rdmat_devices_free(&fake.rdmat);
		descriptors_close(&fake);
		fake_fini(&fake);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_could_not_be_opened_once_can_be_opened_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
