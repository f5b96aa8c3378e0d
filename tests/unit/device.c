/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/device.c: devices, opened on first sight.
 */
#include "fake_verbs.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
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

static struct rdmat_device *get(struct fake *fake, struct ibv_context *context)
{
	const struct rdma_cm_id id = {.verbs = context, .port_num = 1};

	return rdmat_device_get(&fake->rdmat, &id);
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
		assert_null(get(&fake, &fake.context));
		assert_null(fake.fails);
		device = get(&fake, &fake.context);
		assert_non_null(device);
		assert_ptr_equal(get(&fake, &fake.context), device);
		assert_null(fake.rdmat.devices->next);
		rdmat_devices_free(&fake.rdmat);
		descriptors_close(&fake);
		fake_fini(&fake);
	}
}

static void a_device_whose_events_cannot_be_watched_is_refused(void **state)
{
	struct fake fake;
	int fd;

	fake_init(&fake);
	descriptors_open(&fake);
	fd = fake.context.async_fd;
	fake.context.async_fd = -1;
	assert_null(get(&fake, &fake.context));
	fake.context.async_fd = fd;
	assert_non_null(get(&fake, &fake.context));
	rdmat_devices_free(&fake.rdmat);
	descriptors_close(&fake);
	fake_fini(&fake);
}

static char said[512];

static void log_note(void *ctx, enum wrasse_log_level level, const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static void one_device_too_many_is_refused_with_a_line(void **state)
{
	static struct ibv_context contexts[POOL_MAX_DEVICES];
	struct fake fake;

	fake_init(&fake);
	descriptors_open(&fake);
	fake.rdmat.opts.log = log_note;
	for (unsigned i = 0; i < POOL_MAX_DEVICES; i++) {
		contexts[i] = fake.context;
		contexts[i].async_fd = eventfd(0, EFD_CLOEXEC);
		assert_non_null(get(&fake, &contexts[i]));
	}
	assert_null(get(&fake, &fake.context));
	assert_string_equal(said, "device fake0: refused, the limit is 16 devices");
	rdmat_devices_free(&fake.rdmat);
	for (unsigned i = 0; i < POOL_MAX_DEVICES; i++)
		close(contexts[i].async_fd);
	descriptors_close(&fake);
	fake_fini(&fake);
}

static void node_write(const char *dir, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/device", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/device/numa_node", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void dir_remove(const char *dir)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/device/numa_node", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/device", dir);
	rmdir(path);
	rmdir(dir);
}

static void a_device_is_on_the_node_that_sysfs_says(void **state)
{
	static const struct {
		const char *text;
		int node;
	} t[] = {{"1\n", 1}, {"-1\n", -1}, {"", -1}, {NULL, -1}};
	char dir[] = "/tmp/wrasse-rdmat.XXXXXX";

	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct rdmat_device *device;
		struct fake fake;

		fake_init(&fake);
		descriptors_open(&fake);
		snprintf(fake.ibv_device.ibdev_path, sizeof(fake.ibv_device.ibdev_path), "%s",
			 t[i].text ? dir : "/nowhere");
		if (t[i].text)
			node_write(dir, t[i].text);
		device = get(&fake, &fake.context);
		assert_non_null(device);
		assert_int_equal(device->numa_node, t[i].node);
		rdmat_devices_free(&fake.rdmat);
		descriptors_close(&fake);
		fake_fini(&fake);
	}
	dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_could_not_be_opened_once_can_be_opened_later),
		cmocka_unit_test(a_device_whose_events_cannot_be_watched_is_refused),
		cmocka_unit_test(one_device_too_many_is_refused_with_a_line),
		cmocka_unit_test(a_device_is_on_the_node_that_sysfs_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
