/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public API without an RDMA device: targets, poll groups, subsystems, namespaces, drain. Time
 * is the test's own.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <wrasse/wrasse.h>

#define SUBNQN "nqn.2026-01.org.example:one"
#define MS     1000000ull

static uint64_t now_ns;
static char last_line[512];

static uint64_t test_clock(void *ctx)
{
	return now_ns;
}

static void test_log(void *ctx, enum wrasse_log_level level, const char *line)
{
	snprintf(last_line, sizeof(last_line), "%s", line);
}

static struct wrasse_target_opts target_opts(void)
{
	struct wrasse_target_opts opts;

	wrasse_target_opts_init(&opts);
	opts.clock = test_clock;
	opts.log = test_log;
	opts.max_poll_groups = 3;
	now_ns = 1000 * MS;
	last_line[0] = '\0';
	return opts;
}

static struct wrasse_target *target_make(void)
{
	struct wrasse_target_opts opts = target_opts();
	struct wrasse_target *target = NULL;

	assert_int_equal(wrasse_target_create(&opts, &target), 0);
	return target;
}

static struct wrasse_poll_group_opts group_opts(void)
{
	struct wrasse_poll_group_opts opts;

	wrasse_poll_group_opts_init(&opts);
	opts.io_requests = 16;
	opts.admin_requests = 16;
	opts.wrs = 52;
	opts.small_buffers = 18;
	opts.large_buffers = 9;
	return opts;
}

static struct wrasse_poll_group *group_make(struct wrasse_target *target)
{
	struct wrasse_poll_group_opts opts = group_opts();
	struct wrasse_poll_group *group = NULL;

	opts.ctx = &now_ns;
	assert_int_equal(wrasse_poll_group_create(target, &opts, &group), 0);
	return group;
}

/* ---- a backend that counts ---- */

static struct {
	unsigned attached, detached, polled, removed;
	int attach_rc;
	struct wrasse_target *target;
	struct wrasse_poll_group *group;
	int target_poll_rc, target_destroy_rc, poll_rc, arm_rc, destroy_rc, add_host_rc;
	struct wrasse_subsystem *subsystem;
} seen;

static void be_submit(struct wrasse_io *io)
{
}

static int be_attach(void *backend, struct wrasse_poll_group *group, void **group_ctx)
{
	assert_ptr_equal(backend, &seen);
	if (seen.attach_rc)
		return seen.attach_rc;
	*group_ctx = group;
	seen.attached++;
	/* What the header forbids from a callback. */
	seen.poll_rc = wrasse_poll_group_poll(group);
	seen.arm_rc = wrasse_poll_group_arm(group, NULL);
	seen.destroy_rc = wrasse_poll_group_destroy(group);
	return 0;
}

static void be_detach(void *backend, void *group_ctx)
{
	assert_non_null(group_ctx);
	seen.detached++;
	/* What the header allows from a callback. */
	if (seen.subsystem)
		seen.add_host_rc =
			wrasse_subsystem_add_host(seen.subsystem, "nqn.2026-01.org.example:host");
}

static int be_poll(void *backend, void *group_ctx)
{
	assert_non_null(group_ctx);
	seen.polled++;
	return 0;
}

static const struct wrasse_backend_ops be_ops = {
	.size = sizeof(be_ops),
	.submit = be_submit,
	.attach = be_attach,
	.detach = be_detach,
	.poll = be_poll,
};

static void removed(void *ctx)
{
	seen.removed++;
	if (seen.target) {
		seen.target_poll_rc = wrasse_target_poll(seen.target);
		seen.target_destroy_rc = wrasse_target_destroy(seen.target);
	}
}

static struct wrasse_subsystem *subsystem_make(struct wrasse_target *target)
{
	struct wrasse_subsystem *subsystem = NULL;
	struct wrasse_subsystem_opts opts;

	memset(&seen, 0, sizeof(seen));
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = SUBNQN;
	assert_int_equal(wrasse_subsystem_create(target, &opts, &subsystem), 0);
	return subsystem;
}

static struct wrasse_ns_opts ns_opts(void)
{
	struct wrasse_ns_opts opts;

	wrasse_ns_opts_init(&opts);
	opts.block_count = 1024;
	opts.ops = &be_ops;
	opts.backend = &seen;
	return opts;
}

static bool readable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

/* ---- options ---- */

static void a_target_comes_and_goes(void **state)
{
	struct wrasse_target *target = NULL;

	assert_int_equal(wrasse_target_create(NULL, &target), 0);
	assert_true(wrasse_target_fd(target) >= 0);
	assert_int_equal(wrasse_target_timeout_ms(target), -1);
	assert_int_equal(wrasse_target_poll(target), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
	assert_int_equal(wrasse_target_destroy(NULL), 0);
	assert_int_equal(wrasse_poll_group_destroy(NULL), 0);
}

static void every_target_option_out_of_range_is_refused_by_name(void **state)
{
	static const struct {
		const char *name;
		size_t offset, size;
		uint32_t good_low, good_high, bad_low, bad_high; /* bad 0: there is none */
	} cases[] = {
#define OPT(name)                                         \
#name, offsetof(struct wrasse_target_opts, name), \
		sizeof(((struct wrasse_target_opts *)0)->name)
		{OPT(max_poll_groups), 1, 256, 0, 257},
		{OPT(max_queue_depth), 2, 1024, 1, 1025},
		{OPT(max_io_queues), 1, 1024, 0, 1025},
		{OPT(max_data_len), 4096, 1 << 20, 2048, 1 << 21},
		{OPT(max_data_len), 8192, 65536, 4097, 12288},
		{OPT(in_capsule_data_len), 16, 16384, 8, 16400},
		{OPT(in_capsule_data_len), 32, 4096, 17, 4095},
		{OPT(connect_timeout_ms), 1, 3600000, 0, 3600001},
		{OPT(flush_timeout_ms), 1, 60000, 0, 60001},
		{OPT(min_rnr_timer), 1, 31, 0, 32},
		{OPT(max_read_depth), 1, 255, 0, 0},
#undef OPT
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint32_t values[] = {cases[i].good_low, cases[i].good_high, cases[i].bad_low,
					   cases[i].bad_high};

		for (unsigned v = 0; v < 4; v++) {
			struct wrasse_target_opts opts = target_opts();
			struct wrasse_target *target = NULL;
			uint8_t byte = (uint8_t)values[v];

			if (v >= 2 && !values[v])
				continue;
			memcpy((char *)&opts + cases[i].offset,
			       cases[i].size == 1 ? (void *)&byte : (void *)&values[v],
			       cases[i].size);
			assert_int_equal(wrasse_target_create(&opts, &target), v < 2 ? 0 : -EINVAL);
			if (v < 2)
				assert_int_equal(wrasse_target_destroy(target), 0);
			else
				assert_non_null(strstr(last_line, cases[i].name));
		}
	}
}

static void every_group_option_out_of_range_is_refused_by_name(void **state)
{
	static const struct {
		const char *name;
		size_t offset;
		uint32_t low, high;
	} cases[] = {
#define OPT(name) #name, offsetof(struct wrasse_poll_group_opts, name)
		{OPT(io_requests), 16, 1u << 20},  {OPT(admin_requests), 16, 1u << 20},
		{OPT(io_slots), 8, 1u << 20},      {OPT(admin_slots), 8, 1u << 20},
		{OPT(wrs), 52, 1u << 20},          {OPT(small_buffers), 18, 1u << 20},
		{OPT(large_buffers), 9, 1u << 16}, {OPT(poll_budget), 1, 65536},
#undef OPT
	};
	struct wrasse_target *target = target_make();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint32_t values[] = {cases[i].low, cases[i].low - 1, cases[i].high + 1};

		for (unsigned v = 0; v < 3; v++) {
			struct wrasse_poll_group_opts opts = group_opts();
			struct wrasse_poll_group *group = NULL;

			if (!values[v])
				continue; /* the default */
			memcpy((char *)&opts + cases[i].offset, &values[v], sizeof(uint32_t));
			assert_int_equal(wrasse_poll_group_create(target, &opts, &group),
					 v ? -EINVAL : 0);
			if (v)
				assert_non_null(strstr(last_line, cases[i].name));
			else
				assert_int_equal(wrasse_poll_group_destroy(group), 0);
		}
	}
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void option_structs_of_other_versions_are_understood(void **state)
{
	struct {
		struct wrasse_target_opts opts;
		unsigned char tail[64];
	} longer = {.opts = target_opts()};
	struct wrasse_target *target = NULL;
	const size_t older = offsetof(struct wrasse_target_opts, max_data_len);
	size_t *sized = malloc(older);

	longer.opts.size = sizeof(longer);
	assert_int_equal(wrasse_target_create(&longer.opts, &target), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
	longer.tail[63] = 1;
	assert_int_equal(wrasse_target_create(&longer.opts, &target), -E2BIG);
	longer.opts.size--;
	assert_int_equal(wrasse_target_create(&longer.opts, &target), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);

	/* An older program's, in memory of exactly that size. */
	memset(sized, 0, older);
	*sized = older;
	assert_int_equal(
		wrasse_target_create((const struct wrasse_target_opts *)(void *)sized, &target), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
	for (size_t size = 0; size < sizeof(size_t); size++) {
		*sized = size;
		assert_int_equal(wrasse_target_create(
					 (const struct wrasse_target_opts *)(void *)sized, &target),
				 -EINVAL);
	}
	free(sized);
}

static void lent_memory_must_be_large_enough(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group_opts opts = group_opts();
	struct wrasse_poll_group *group = NULL;
	size_t len = wrasse_poll_group_data_memory_len(&opts);

	assert_int_equal(len, 18 * 8192 + 9 * 131072);
	opts.data_memory = aligned_alloc(4096, len);
	opts.data_memory_len = len - 1;
	assert_int_equal(wrasse_poll_group_create(target, &opts, &group), -EINVAL);
	assert_non_null(strstr(last_line, "data_memory_len"));
	opts.data_memory_len = len;
	assert_int_equal(wrasse_poll_group_create(target, &opts, &group), 0);
	assert_int_equal(wrasse_poll_group_destroy(group), 0);
	free(opts.data_memory);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

/* ---- poll groups ---- */

static void a_target_has_as_many_groups_as_it_was_told(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group_opts opts = group_opts();
	struct wrasse_poll_group *groups[3], *more = NULL;

	for (unsigned i = 0; i < 3; i++) {
		groups[i] = group_make(target);
		assert_int_equal(wrasse_poll_group_index(groups[i]), i);
		assert_ptr_equal(wrasse_poll_group_ctx(groups[i]), &now_ns);
	}
	assert_int_equal(wrasse_poll_group_create(target, &opts, &more), -ENOSPC);
	assert_int_equal(wrasse_target_destroy(target), -EBUSY);
	assert_int_equal(wrasse_poll_group_destroy(groups[1]), 0);
	groups[1] = group_make(target);
	assert_int_equal(wrasse_poll_group_index(groups[1]), 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(wrasse_poll_group_destroy(groups[i]), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void an_armed_group_wakes_and_a_polled_one_sleeps(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group *group = group_make(target);
	int fd = wrasse_poll_group_fd(group), timeout = 7;

	for (unsigned i = 0; wrasse_poll_group_arm(group, &timeout); i++)
		assert_in_range(i, 0, 10);
	assert_int_equal(timeout, -1);
	assert_false(readable(fd));
	subsystem_make(target);
	assert_true(readable(fd));
	assert_true(wrasse_poll_group_poll(group) > 0);
	assert_false(readable(fd));
	/* Not armed: nobody is woken, as nobody sleeps. */
	assert_int_equal(wrasse_poll_group_arm(group, NULL), 0);
	wrasse_poll_group_wake(group);
	assert_true(readable(fd));
	wrasse_poll_group_poll(group);
	assert_false(readable(fd));
	assert_int_equal(wrasse_poll_group_destroy(group), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void the_books_of_an_idle_group_are_full(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group *group = group_make(target);
	struct wrasse_poll_group_stats stats;
	struct wrasse_pool_line lines[16];
	unsigned count = wrasse_poll_group_get_pools(group, lines, 16);

	assert_true(count >= 5);
	for (unsigned i = 0; i < count; i++) {
		assert_true(lines[i].free == lines[i].capacity);
		assert_true(lines[i].peak == 0);
	}
	assert_int_equal(wrasse_poll_group_get_pools(group, NULL, 0), count);
	wrasse_poll_group_poll(group);
	wrasse_poll_group_get_stats(group, &stats, sizeof(stats));
	assert_int_equal(stats.polls, 1);
	assert_int_equal(wrasse_poll_group_destroy(group), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

/* ---- namespaces ---- */

static void a_namespace_is_attached_and_let_go_of_by_every_group(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group *a = group_make(target), *b = group_make(target);
	struct wrasse_subsystem *subsystem = subsystem_make(target);
	struct wrasse_ns_opts opts = ns_opts();

	assert_int_equal(wrasse_subsystem_add_ns(subsystem, &opts, NULL), 1);
	assert_int_equal(seen.attached, 0);
	wrasse_poll_group_poll(a);
	assert_int_equal(seen.attached, 1);
	assert_int_equal(seen.poll_rc, -EDEADLK);
	assert_int_equal(seen.arm_rc, -EDEADLK);
	assert_int_equal(seen.destroy_rc, -EDEADLK);
	wrasse_poll_group_poll(b);
	assert_int_equal(seen.attached, 2);
	assert_true(seen.polled >= 2);

	assert_int_equal(wrasse_subsystem_remove_ns(subsystem, 2, removed, NULL), -ENOENT);
	assert_int_equal(wrasse_subsystem_remove_ns(subsystem, 1, removed, NULL), 0);
	assert_int_equal(wrasse_subsystem_remove_ns(subsystem, 1, removed, NULL), -ENOENT);
	assert_int_equal(seen.detached, 0);
	wrasse_poll_group_poll(a);
	wrasse_target_poll(target);
	assert_int_equal(seen.detached, 1);
	assert_int_equal(seen.removed, 0);
	wrasse_poll_group_poll(b);
	assert_int_equal(seen.detached, 2);
	assert_int_equal(seen.removed, 0);
	seen.target = target;
	assert_true(readable(wrasse_target_fd(target)));
	wrasse_target_poll(target);
	assert_int_equal(seen.removed, 1);
	assert_int_equal(seen.target_poll_rc, -EDEADLK);
	assert_int_equal(seen.target_destroy_rc, -EDEADLK);
	assert_int_equal(wrasse_poll_group_destroy(a), 0);
	assert_int_equal(wrasse_poll_group_destroy(b), 0);
	assert_int_equal(seen.detached, 2);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void a_group_that_never_saw_a_namespace_does_not_detach_it(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group *group = group_make(target);
	struct wrasse_subsystem *subsystem = subsystem_make(target);
	struct wrasse_ns_opts opts = ns_opts();

	assert_int_equal(wrasse_subsystem_add_ns(subsystem, &opts, NULL), 1);
	wrasse_poll_group_poll(group);
	assert_int_equal(wrasse_subsystem_add_ns(subsystem, &opts, NULL), 2);
	assert_int_equal(wrasse_poll_group_destroy(group), 0);
	assert_int_equal(seen.attached, 1);
	assert_int_equal(seen.detached, 1);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void a_backend_that_cannot_attach_is_not_detached(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group *group = group_make(target);
	struct wrasse_subsystem *subsystem = subsystem_make(target);
	struct wrasse_ns_opts opts = ns_opts();

	seen.attach_rc = -EIO;
	assert_int_equal(wrasse_subsystem_add_ns(subsystem, &opts, NULL), 1);
	wrasse_poll_group_poll(group);
	assert_non_null(strstr(last_line, "cannot attach"));
	assert_int_equal(seen.polled, 0);
	assert_int_equal(wrasse_subsystem_remove_ns(subsystem, 1, removed, NULL), 0);
	wrasse_poll_group_poll(group);
	wrasse_target_poll(target);
	assert_int_equal(seen.removed, 1);
	assert_int_equal(seen.detached, 0);
	assert_int_equal(wrasse_subsystem_add_ns(subsystem, &opts, NULL), 1);
	wrasse_poll_group_poll(group);
	assert_int_equal(wrasse_poll_group_destroy(group), 0);
	assert_int_equal(seen.detached, 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void a_removed_subsystem_takes_its_namespaces_along(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group *group = group_make(target);
	struct wrasse_subsystem *subsystem = subsystem_make(target);
	struct wrasse_ns_opts opts = ns_opts();

	assert_int_equal(wrasse_subsystem_add_ns(subsystem, &opts, NULL), 1);
	assert_int_equal(wrasse_subsystem_add_ns(subsystem, &opts, NULL), 2);
	wrasse_poll_group_poll(group);
	assert_int_equal(wrasse_subsystem_remove(subsystem, removed, NULL), 0);
	assert_int_equal(wrasse_subsystem_remove(subsystem, removed, NULL), -EALREADY);
	assert_int_equal(wrasse_subsystem_add_ns(subsystem, &opts, NULL), -ESHUTDOWN);
	wrasse_target_poll(target);
	assert_int_equal(seen.removed, 0);
	wrasse_poll_group_poll(group);
	wrasse_target_poll(target);
	assert_int_equal(seen.detached, 2);
	assert_int_equal(seen.removed, 1);
	subsystem_make(target); /* the name is free again */
	assert_int_equal(wrasse_poll_group_destroy(group), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void hook_submit(struct wrasse_command *command)
{
	wrasse_command_complete(command, command->status);
}

static void a_hook_that_cannot_be_is_refused_by_name(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_subsystem *subsystem = subsystem_make(target);
	struct {
		struct wrasse_hook hook;
		unsigned char tail[8];
	} longer = {.tail = {1}};

	wrasse_hook_init(&longer.hook);
	longer.hook.admin = true;
	longer.hook.opcode = 0xc0;
	longer.hook.submit = hook_submit;
	assert_int_equal(wrasse_subsystem_add_hook(subsystem, &longer.hook), 0);
	assert_int_equal(wrasse_subsystem_add_hook(subsystem, &longer.hook), -EEXIST);
	longer.hook.opcode = 0x0c;
	last_line[0] = '\0';
	assert_int_equal(wrasse_subsystem_add_hook(subsystem, &longer.hook), -EINVAL);
	assert_non_null(
		strstr(last_line, SUBNQN ": opcode is one that the library answers itself"));
	longer.hook.size = sizeof(longer);
	assert_int_equal(wrasse_subsystem_add_hook(subsystem, &longer.hook), -E2BIG);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void an_event_wakes_every_group(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group *group = group_make(target);
	struct wrasse_subsystem *subsystem = subsystem_make(target);
	int timeout_ms;

	wrasse_poll_group_poll(group);
	while (wrasse_poll_group_arm(group, &timeout_ms))
		;
	assert_false(readable(wrasse_poll_group_fd(group)));
	assert_int_equal(wrasse_subsystem_raise(subsystem, WRASSE_EVENT_TRANSIENT_ERROR + 1),
			 -EINVAL);
	assert_false(readable(wrasse_poll_group_fd(group)));
	assert_int_equal(wrasse_subsystem_raise(subsystem, WRASSE_EVENT_TRANSIENT_ERROR), 0);
	assert_true(readable(wrasse_poll_group_fd(group)));
	wrasse_poll_group_poll(group);
	assert_int_equal(wrasse_poll_group_destroy(group), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void a_removal_goes_on_when_the_last_group_is_destroyed(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group *group = group_make(target);
	struct wrasse_subsystem *subsystem = subsystem_make(target);
	struct wrasse_ns_opts opts = ns_opts();

	assert_int_equal(wrasse_subsystem_add_ns(subsystem, &opts, NULL), 1);
	wrasse_poll_group_poll(group);
	assert_int_equal(wrasse_subsystem_remove_ns(subsystem, 1, removed, NULL), 0);
	wrasse_target_poll(target);
	assert_false(readable(wrasse_target_fd(target)));
	/* detach() calls the library, which a callback may. */
	seen.subsystem = subsystem;
	seen.add_host_rc = 1;
	assert_int_equal(wrasse_poll_group_destroy(group), 0);
	assert_int_equal(seen.detached, 1);
	assert_int_equal(seen.add_host_rc, 0);
	assert_true(readable(wrasse_target_fd(target)));
	wrasse_target_poll(target);
	assert_int_equal(seen.removed, 1);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

/* ---- drain ---- */

static struct wrasse_drain_report report;
static unsigned reports;

static void drained(void *ctx, const struct wrasse_drain_report *given)
{
	report = *given;
	reports++;
	if (ctx) {
		assert_int_equal(wrasse_target_poll(ctx), -EDEADLK);
		assert_int_equal(wrasse_target_destroy(ctx), -EDEADLK);
	}
}

static void an_idle_target_drains_clean(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group *a = group_make(target), *b = group_make(target), *c = NULL;
	struct wrasse_subsystem_opts opts;
	struct wrasse_subsystem *subsystem;

	reports = 0;
	assert_int_equal(wrasse_target_drain(target, 1000, drained, target), 0);
	assert_int_equal(wrasse_target_drain(target, 1000, drained, target), -EALREADY);
	assert_int_equal(wrasse_poll_group_create(target, NULL, &c), -ESHUTDOWN);
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = SUBNQN;
	assert_int_equal(wrasse_subsystem_create(target, &opts, &subsystem), -ESHUTDOWN);
	assert_int_equal(wrasse_target_poll(target), 0);
	assert_in_range(wrasse_target_timeout_ms(target), 1, 751);
	wrasse_poll_group_poll(a);
	wrasse_target_poll(target);
	assert_int_equal(reports, 0);
	wrasse_poll_group_poll(b);
	assert_true(readable(wrasse_target_fd(target)));
	now_ns += 3 * MS;
	assert_true(wrasse_target_poll(target) > 0);
	assert_int_equal(reports, 1);
	assert_true(report.clean);
	assert_false(report.forced);
	assert_int_equal(report.size, sizeof(report));
	assert_int_equal(report.duration_ns, 3 * MS);
	assert_int_equal(report.groups_silent, 0);
	assert_int_equal(report.queue_pairs_left, 0);
	assert_int_equal(report.holder_count, 0);
	assert_int_equal(report.pool_count, 14);
	assert_int_equal(wrasse_target_timeout_ms(target), -1);
	wrasse_target_poll(target);
	assert_int_equal(reports, 1);
	assert_int_equal(wrasse_poll_group_destroy(a), 0);
	assert_int_equal(wrasse_poll_group_destroy(b), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void a_group_that_nobody_polls_is_called_silent(void **state)
{
	struct wrasse_target *target = target_make();
	struct wrasse_poll_group *a = group_make(target), *b = group_make(target);

	reports = 0;
	assert_int_equal(wrasse_target_drain(target, 1000, drained, NULL), 0);
	wrasse_poll_group_poll(a);
	for (unsigned ms = 0; ms < 999; ms += 37) {
		assert_in_range(wrasse_target_timeout_ms(target), 0, 751);
		wrasse_target_poll(target);
		wrasse_poll_group_poll(a);
		now_ns += 37 * MS;
	}
	assert_int_equal(reports, 0);
	now_ns += MS;
	wrasse_target_poll(target);
	assert_int_equal(reports, 1);
	assert_false(report.clean);
	assert_true(report.forced);
	assert_int_equal(report.groups_silent, 1);
	assert_int_equal(wrasse_poll_group_destroy(a), 0);
	assert_int_equal(wrasse_poll_group_destroy(b), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void a_drain_without_groups_is_over_at_once(void **state)
{
	struct wrasse_target *target = target_make();

	reports = 0;
	assert_int_equal(wrasse_target_drain(target, 0, drained, NULL), 0);
	wrasse_target_poll(target);
	assert_int_equal(reports, 1);
	assert_true(report.clean);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_comes_and_goes),
		cmocka_unit_test(every_target_option_out_of_range_is_refused_by_name),
		cmocka_unit_test(every_group_option_out_of_range_is_refused_by_name),
		cmocka_unit_test(option_structs_of_other_versions_are_understood),
		cmocka_unit_test(lent_memory_must_be_large_enough),
		cmocka_unit_test(a_target_has_as_many_groups_as_it_was_told),
		cmocka_unit_test(an_armed_group_wakes_and_a_polled_one_sleeps),
		cmocka_unit_test(the_books_of_an_idle_group_are_full),
		cmocka_unit_test(a_namespace_is_attached_and_let_go_of_by_every_group),
		cmocka_unit_test(a_group_that_never_saw_a_namespace_does_not_detach_it),
		cmocka_unit_test(a_backend_that_cannot_attach_is_not_detached),
		cmocka_unit_test(a_removed_subsystem_takes_its_namespaces_along),
		cmocka_unit_test(a_hook_that_cannot_be_is_refused_by_name),
		cmocka_unit_test(an_event_wakes_every_group),
		cmocka_unit_test(a_removal_goes_on_when_the_last_group_is_destroyed),
		cmocka_unit_test(an_idle_target_drains_clean),
		cmocka_unit_test(a_group_that_nobody_polls_is_called_silent),
		cmocka_unit_test(a_drain_without_groups_is_over_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
