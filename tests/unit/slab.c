/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/pool/slab.c: memory that is mapped or lent, and its registration.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/dies.h"
#include "pool/slab.h"

#define MIB ((size_t)1 << 20)

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Resident bytes of the mapping, by the kernel's word. */
static size_t resident(void *base, size_t len)
{
	size_t i, pages = len / page_size(), count = 0;
	unsigned char *in_core = malloc(pages);

	assert_int_equal(mincore(base, len, in_core), 0);
	for (i = 0; i < pages; i++)
		count += in_core[i] & 1;
	free(in_core);
	return count * page_size();
}

/* A device to register with: counts, and says what it was given. */
struct device {
	int refusal; /* what to return instead */
	unsigned registered, unregistered;
	void *base;
	size_t len;
	int region; /* its address is the handle */
};

static int device_register(void *device, void *base, size_t len, void **region, uint32_t *lkey)
{
	struct device *d = device;

	if (d->refusal)
		return d->refusal;
	d->registered++;
	d->base = base;
	d->len = len;
	*region = &d->region;
	*lkey = 0x1000 + d->registered;
	return 0;
}

static void device_unregister(void *region)
{
	struct device *d = (void *)((char *)region - offsetof(struct device, region));

	d->unregistered++;
}

static void slab_is_zeroed(void **state)
{
	const size_t lens[] = {1, page_size(), page_size() + 1, 2 * MIB, 5 * MIB - 1};
	struct pool_slab slab;
	const char *base;
	size_t i, j;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		assert_int_equal(pool_slab_init(&slab, lens[i], -1, NULL), 0);
		base = slab.base;
		for (j = 0; j < slab.len; j++)
			if (base[j])
				fail_msg("byte %zu is not zero", j);
		memset(slab.base, 0xff, slab.len);
		pool_slab_fini(&slab);
	}
}

static void slab_is_whole_pages_and_a_large_one_begins_on_a_huge_page(void **state)
{
	const struct {
		size_t asked, align;
	} t[] = {{1, page_size()},
		 {page_size(), page_size()},
		 {2 * MIB, 2 * MIB},
		 {3 * MIB + 1, 2 * MIB}};
	struct pool_slab slab;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(pool_slab_init(&slab, t[i].asked, -1, NULL), 0);
		assert_true(slab.len >= t[i].asked && slab.len - t[i].asked < page_size());
		assert_int_equal(slab.len % page_size(), 0);
		assert_int_equal((uintptr_t)slab.base % t[i].align, 0);
		assert_false(slab.lent);
		pool_slab_fini(&slab);
		assert_null(slab.base);
	}
}

/* Bytes that the process has mapped. */
static size_t mapped(void)
{
	int fd = open("/proc/self/statm", O_RDONLY);
	char line[128] = "";

	assert_true(fd >= 0);
	assert_true(read(fd, line, sizeof(line) - 1) > 0);
	close(fd);
	return strtoul(line, NULL, 10) * page_size();
}

static void freed_slab_is_unmapped(void **state)
{
	const size_t lens[] = {page_size(), 2 * MIB, 5 * MIB};
	struct pool_slab slab;
	unsigned char in_core;
	size_t i, len;
	char *base;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		assert_int_equal(pool_slab_init(&slab, lens[i], -1, NULL), 0);
		base = slab.base;
		len = slab.len;
		pool_slab_fini(&slab);
		assert_int_equal(mincore(base, page_size(), &in_core), -1);
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(mincore(base + len - page_size(), page_size(), &in_core), -1);
	}
}

/* Many, so that what valgrind and sanitizers map meanwhile does not count. */
static void aligned_slabs_leave_nothing_mapped_around_them(void **state)
{
	struct pool_slab slab[64];
	size_t before = mapped(), i, round;

	for (round = 0; round < 4; round++) {
		for (i = 0; i < 64; i++)
			assert_int_equal(pool_slab_init(&slab[i], 3 * MIB, -1, NULL), 0);
		for (i = 0; i < 64; i++)
			pool_slab_fini(&slab[i]);
	}
	assert_true(mapped() < before + 32 * MIB);
}

static void any_node_will_do_where_the_one_asked_for_is_not(void **state)
{
	const int nodes[] = {-1, 0, 1, 63, 64, 1023, 1024, 1 << 30};
	struct pool_slab slab;
	size_t i;

	for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		assert_int_equal(pool_slab_init(&slab, 1, nodes[i], NULL), 0);
		*(char *)slab.base = 1;
		pool_slab_fini(&slab);
	}
}

static void impossible_lengths_are_refused(void **state)
{
	struct pool_slab slab;

	assert_int_equal(pool_slab_init(&slab, 0, -1, NULL), -EINVAL);
	assert_int_equal(pool_slab_init(&slab, SIZE_MAX, -1, NULL), -ENOMEM);
	assert_int_equal(pool_slab_init(&slab, SIZE_MAX - 2 * MIB, -1, NULL), -ENOMEM);
	assert_int_equal(pool_slab_init(&slab, SIZE_MAX - page_size() + 1, -1, NULL), -ENOMEM);
	pool_slab_fini(&slab);
}

static void lent_memory_is_used_and_not_freed(void **state)
{
	size_t len = 2 * page_size();
	char *lent = aligned_alloc(page_size(), len);
	struct pool_slab slab;

	memset(lent, 'x', len);
	assert_int_equal(pool_slab_init(&slab, len - 1, -1, lent), 0);
	assert_ptr_equal(slab.base, lent);
	assert_int_equal(slab.len, len);
	assert_true(slab.lent);
	pool_slab_fini(&slab);
	assert_int_equal(lent[0], 'x');
	assert_int_equal(lent[len - 1], 'x');
	free(lent);
}

static void unaligned_lent_memory_is_refused(void **state)
{
	char *lent = aligned_alloc(page_size(), 2 * page_size());
	struct pool_slab slab;

	assert_int_equal(pool_slab_init(&slab, page_size(), -1, lent + 1), -EINVAL);
	assert_int_equal(pool_slab_init(&slab, page_size(), -1, lent + 64), -EINVAL);
	assert_int_equal(pool_slab_init(&slab, page_size(), -1, lent + page_size() - 1), -EINVAL);
	free(lent);
}

static void slab_registers_with_each_device_once(void **state)
{
	struct device device[POOL_MAX_DEVICES] = {0};
	struct pool_slab slab;
	unsigned i;

	assert_int_equal(pool_slab_init(&slab, 3 * MIB, -1, NULL), 0);
	for (i = 0; i < POOL_MAX_DEVICES; i++) {
		assert_int_equal(pool_slab_register(&slab, i, &device[i], device_register), 0);
		assert_int_equal(pool_slab_register(&slab, i, &device[i], device_register),
				 -EEXIST);
		assert_int_equal(device[i].registered, 1);
		assert_ptr_equal(device[i].base, slab.base);
		assert_int_equal(device[i].len, slab.len);
		assert_ptr_equal(slab.region[i], &device[i].region);
		assert_int_equal(slab.lkey[i], 0x1001);
	}
	assert_int_equal(pool_slab_register(&slab, i, &device[0], device_register), -EINVAL);
	assert_int_equal(pool_slab_register(&slab, UINT32_MAX, &device[0], device_register),
			 -EINVAL);
	for (i = 0; i < POOL_MAX_DEVICES; i++) {
		pool_slab_unregister(&slab, i, device_unregister);
		pool_slab_unregister(&slab, i, device_unregister);
		assert_int_equal(device[i].unregistered, 1);
		assert_null(slab.region[i]);
	}
	pool_slab_unregister(&slab, i, device_unregister);
	assert_int_equal(pool_slab_register(&slab, 3, &device[3], device_register), 0);
	assert_int_equal(slab.lkey[3], 0x1002);
	pool_slab_unregister(&slab, 3, device_unregister);
	pool_slab_fini(&slab);
}

static void device_that_refuses_is_not_registered(void **state)
{
	struct device device = {.refusal = -ENOMEM};
	struct pool_slab slab;

	assert_int_equal(pool_slab_init(&slab, 1, -1, NULL), 0);
	assert_int_equal(pool_slab_register(&slab, 0, &device, device_register), -ENOMEM);
	assert_null(slab.region[0]);
	pool_slab_unregister(&slab, 0, device_unregister);
	assert_int_equal(device.unregistered, 0);
	device.refusal = 0;
	assert_int_equal(pool_slab_register(&slab, 0, &device, device_register), 0);
	pool_slab_unregister(&slab, 0, device_unregister);
	pool_slab_fini(&slab);
}

static void free_while_registered(void *arg)
{
	struct device device = {0};
	struct pool_slab slab;

	if (pool_slab_init(&slab, 1, -1, NULL) ||
	    pool_slab_register(&slab, 5, &device, device_register))
		return;
	pool_slab_fini(&slab);
}

static void slab_freed_while_registered_stops_the_program(void **state)
{
	assert_dies(free_while_registered, NULL, "freed while registered with device 5");
}

static int register_nothing(void *device, void *base, size_t len, void **region, uint32_t *lkey)
{
	return 0;
}

static void register_without_region(void *arg)
{
	struct pool_slab slab;

	if (!pool_slab_init(&slab, 1, -1, NULL))
		pool_slab_register(&slab, 0, NULL, register_nothing);
}

static void registration_without_a_region_stops_the_program(void **state)
{
	assert_dies(register_without_region, NULL, "without a region");
}

static void unused_slab_costs_no_memory_before_it_is_registered(void **state)
{
	struct pool_slab slab;

	assert_int_equal(pool_slab_init(&slab, 14 * MIB, -1, NULL), 0);
	assert_int_equal(resident(slab.base, slab.len), 0);
	((char *)slab.base)[5 * MIB] = 1;
	assert_true(resident(slab.base, slab.len) < 2 * MIB);
	pool_slab_fini(&slab);
}

static void write_first_byte(void *arg)
{
	*(volatile char *)arg = 1;
}

static void child_of_fork_has_all_but_registered_and_lent_memory(void **state)
{
	char said[1024], *lent = aligned_alloc(page_size(), page_size());
	struct pool_slab slab, lent_slab;
	struct device device = {0};
	int status;

	assert_int_equal(pool_slab_init(&slab, 1, -1, NULL), 0);
	assert_int_equal(pool_slab_init(&lent_slab, 1, -1, lent), 0);
	status = dies_run(write_first_byte, slab.base, said, sizeof(said));
	assert_int_equal(WEXITSTATUS(status), DIES_SURVIVED);

	assert_int_equal(pool_slab_register(&slab, 0, &device, device_register), 0);
	status = dies_run(write_first_byte, slab.base, said, sizeof(said));
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == DIES_SURVIVED);

	assert_int_equal(pool_slab_register(&lent_slab, 1, &device, device_register), 0);
	status = dies_run(write_first_byte, lent, said, sizeof(said));
	assert_int_equal(WEXITSTATUS(status), DIES_SURVIVED);

	pool_slab_unregister(&slab, 0, device_unregister);
	pool_slab_unregister(&lent_slab, 1, device_unregister);
	pool_slab_fini(&slab);
	pool_slab_fini(&lent_slab);
	free(lent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slab_is_zeroed),
		cmocka_unit_test(slab_is_whole_pages_and_a_large_one_begins_on_a_huge_page),
		cmocka_unit_test(freed_slab_is_unmapped),
		cmocka_unit_test(aligned_slabs_leave_nothing_mapped_around_them),
		cmocka_unit_test(any_node_will_do_where_the_one_asked_for_is_not),
		cmocka_unit_test(impossible_lengths_are_refused),
		cmocka_unit_test(lent_memory_is_used_and_not_freed),
		cmocka_unit_test(unaligned_lent_memory_is_refused),
		cmocka_unit_test(slab_registers_with_each_device_once),
		cmocka_unit_test(device_that_refuses_is_not_registered),
		cmocka_unit_test(slab_freed_while_registered_stops_the_program),
		cmocka_unit_test(registration_without_a_region_stops_the_program),
		cmocka_unit_test(unused_slab_costs_no_memory_before_it_is_registered),
		cmocka_unit_test(child_of_fork_has_all_but_registered_and_lent_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
