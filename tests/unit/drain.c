/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/drain.c: when a drain stops being graceful, and what it reports.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "target.h"
#include "transport/group.h"

static uint64_t now_ns;
static unsigned reports;
static bool forced, clean;
static unsigned lines, omitted;
static bool no_memory;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	return no_memory ? NULL : __real_calloc(count, size);
}

static uint64_t test_clock(void *ctx)
{
	return now_ns;
}

static void drained(void *ctx, const struct wrasse_drain_report *report)
{
	reports++;
	forced = report->forced;
	clean = report->clean;
	lines = report->pool_count + report->holder_count;
	omitted = report->holders_omitted;
}

static void a_drain_forces_what_is_left_after_three_quarters_of_its_time(void **state)
{
	struct wrasse_target_opts opts;
	struct wrasse_poll_group *group;
	struct wrasse_target *target;

	wrasse_target_opts_init(&opts);
	opts.clock = test_clock;
	assert_int_equal(wrasse_target_create(&opts, &target), 0);
	assert_int_equal(wrasse_poll_group_create(target, NULL, &group), 0);
	/* A connection on its way keeps the group from being through. */
	atomic_fetch_add(&group->load[0], 1);
	assert_int_equal(wrasse_target_drain(target, 1000, drained, NULL), 0);
	now_ns += 749 * RDMAT_NS_PER_MS;
	wrasse_target_poll(target);
	wrasse_poll_group_poll(group);
	assert_int_equal(atomic_load(&group->drain), RDMAT_DRAIN_GRACEFUL);
	now_ns += RDMAT_NS_PER_MS;
	wrasse_target_poll(target);
	assert_int_equal(atomic_load(&group->drain), RDMAT_DRAIN_FORCED);
	wrasse_poll_group_poll(group);
	assert_int_equal(reports, 0);
	atomic_fetch_sub(&group->load[0], 1);
	wrasse_poll_group_poll(group);
	wrasse_target_poll(target);
	assert_int_equal(reports, 1);
	assert_true(forced);
	assert_true(clean);
	assert_int_equal(wrasse_poll_group_destroy(group), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void a_report_without_memory_for_its_lines_still_says_whether_all_is_well(void **state)
{
	for (unsigned holders = 0; holders < 2; holders++) {
		struct wrasse_poll_group *group;
		struct wrasse_target *target;

		assert_int_equal(wrasse_target_create(NULL, &target), 0);
		assert_int_equal(wrasse_poll_group_create(target, NULL, &group), 0);
		reports = 0;
		assert_int_equal(wrasse_target_drain(target, 1000, drained, NULL), 0);
		wrasse_poll_group_poll(group);
		group->holder_count = holders; /* so many lines would be told */
		no_memory = true;
		wrasse_target_poll(target);
		no_memory = false;
		assert_int_equal(reports, 1);
		assert_int_equal(clean, !holders);
		assert_int_equal(lines, 0);
		assert_int_equal(omitted, holders);
		assert_int_equal(wrasse_poll_group_destroy(group), 0);
		assert_int_equal(wrasse_target_destroy(target), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drain_forces_what_is_left_after_three_quarters_of_its_time),
		cmocka_unit_test(
			a_report_without_memory_for_its_lines_still_says_whether_all_is_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
