/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/pause.c: who waits for a pause, until when, and what is reported. Targets and poll groups as an
 * embedder makes them; I/O that the backend has is written into the group by hand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <wrasse/wrasse.h>

#include "target.h"
#include "transport/pause.h"

#define MS 1000000ull

static uint64_t now_ns;
static struct wrasse_target *target;
static struct wrasse_poll_group *groups[2];
static struct wrasse_subsystem *subsystem;
static struct wrasse_namespace *ns;
static unsigned reports, removals;
static struct wrasse_pause_report last;
static uint16_t blocker_cid;

static uint64_t test_clock(void *ctx)
{
	return now_ns;
}

static void submit(struct wrasse_io *io)
{
}

static void poll_all(void)
{
	wrasse_poll_group_poll(groups[0]);
	wrasse_poll_group_poll(groups[1]);
	wrasse_target_poll(target);
}

static struct wrasse_namespace *add_ns(void)
{
	static const struct wrasse_backend_ops ops = {.size = sizeof(ops), .submit = submit};
	struct wrasse_namespace *made = NULL;
	struct wrasse_ns_opts opts;

	wrasse_ns_opts_init(&opts);
	opts.block_count = 8;
	opts.ops = &ops;
	assert_true(wrasse_subsystem_add_ns(subsystem, &opts, &made) > 0);
	return made;
}

static int setup(void **state)
{
	struct wrasse_target_opts opts;
	struct wrasse_subsystem_opts subsystem_opts;

	now_ns = 1000 * MS;
	reports = removals = 0;
	wrasse_target_opts_init(&opts);
	opts.clock = test_clock;
	opts.max_poll_groups = 2;
	assert_int_equal(wrasse_target_create(&opts, &target), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(wrasse_poll_group_create(target, NULL, &groups[i]), 0);
	wrasse_subsystem_opts_init(&subsystem_opts);
	subsystem_opts.nqn = "nqn.2026-01.org.example:one";
	assert_int_equal(wrasse_subsystem_create(target, &subsystem_opts, &subsystem), 0);
	ns = add_ns();
	poll_all();
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(wrasse_poll_group_destroy(groups[i]), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
	return 0;
}

static void done(void *ctx, const struct wrasse_pause_report *report)
{
	assert_ptr_equal(ctx, &reports);
	assert_int_equal(report->size, sizeof(*report));
	reports++;
	last = *report;
	blocker_cid = report->blocker_count ? report->blockers[0].cid : 0;
}

static struct wrasse_pause_opts pause_opts(uint32_t deadline_ms, bool give_up)
{
	struct wrasse_pause_opts opts;

	wrasse_pause_opts_init(&opts);
	opts.deadline_ms = deadline_ms;
	opts.give_up = give_up;
	opts.done = done;
	opts.ctx = &reports;
	return opts;
}

static int pause_ns(uint32_t deadline_ms, bool give_up)
{
	struct wrasse_pause_opts opts = pause_opts(deadline_ms, give_up);

	return wrasse_namespace_pause(ns, &opts);
}

static void removed(void *ctx)
{
	removals++;
}

/* The backend takes an I/O of a group's. */
static void backend_takes(unsigned group, struct wrasse_namespace *of, uint16_t cid)
{
	struct rdmat_class *class = &groups[group]->classes[0];
	struct rdmat_request *request = &class->requests[cid];

	rdmat_class_touch(class);
	request->backend = request->io_out = true;
	request->nvme.port = &of->port[group];
	nvme_put16(&request->nvme.cmd.cid, cid);
	nvme_put32(&request->nvme.cmd.nsid, of->nsid);
	of->port[group].in_flight++;
}

static void backend_gives(unsigned group, uint16_t cid)
{
	struct rdmat_request *request = &groups[group]->classes[0].requests[cid];

	request->backend = false;
	request->nvme.port->in_flight--;
	rdmat_pause_settle(groups[group], request->nvme.port);
}

/* ---- */

static void options_are_checked(void **state)
{
	struct wrasse_pause_opts opts = pause_opts(0, false);
	struct {
		struct wrasse_pause_opts opts;
		uint64_t tail;
	} longer = {opts, 1};

	opts.done = NULL;
	assert_int_equal(wrasse_namespace_pause(ns, &opts), -EINVAL);
	longer.opts.size = sizeof(longer);
	assert_int_equal(wrasse_subsystem_pause(subsystem, &longer.opts), -E2BIG);
	assert_int_equal(wrasse_namespace_resume(ns), -EALREADY);
	assert_int_equal(wrasse_subsystem_resume(subsystem), -EALREADY);
}

static void a_pause_is_complete_when_every_group_says_so(void **state)
{
	assert_int_equal(pause_ns(1000, false), 0);
	assert_int_equal(pause_ns(1000, false), -EALREADY);
	wrasse_target_poll(target);
	wrasse_poll_group_poll(groups[0]);
	wrasse_target_poll(target);
	assert_int_equal(reports, 0);
	now_ns += 5 * MS;
	wrasse_poll_group_poll(groups[1]);
	wrasse_target_poll(target);
	assert_int_equal(reports, 1);
	assert_int_equal(last.outcome, WRASSE_PAUSE_COMPLETE);
	assert_true(last.paused);
	assert_int_equal(last.duration_ns, 5 * MS);
	poll_all();
	assert_int_equal(reports, 1);
	assert_int_equal(wrasse_namespace_resume(ns), 0);
	assert_int_equal(wrasse_namespace_resume(ns), -EALREADY);
}

static void a_pause_waits_for_the_backend(void **state)
{
	backend_takes(1, ns, 3);
	assert_int_equal(pause_ns(0, false), 0);
	poll_all();
	now_ns += 3600 * 1000 * MS;
	poll_all();
	assert_int_equal(wrasse_target_timeout_ms(target), -1);
	assert_int_equal(reports, 0);
	backend_gives(1, 3);
	wrasse_target_poll(target);
	assert_int_equal(reports, 1);
	assert_int_equal(last.outcome, WRASSE_PAUSE_COMPLETE);
}

static void the_deadline_names_the_blockers(void **state)
{
	backend_takes(0, ns, 3);
	backend_takes(1, ns, 4);
	assert_int_equal(pause_ns(100, false), 0);
	poll_all();
	assert_int_equal(wrasse_target_timeout_ms(target), 91);
	now_ns += 90 * MS;
	assert_int_equal(wrasse_target_timeout_ms(target), 0);
	wrasse_target_poll(target);
	assert_int_equal(wrasse_target_timeout_ms(target), 11);
	poll_all();
	/* One of the two ends after it was named. */
	backend_gives(0, 3);
	now_ns += 9 * MS;
	poll_all();
	assert_int_equal(reports, 0);
	now_ns += MS;
	wrasse_target_poll(target);
	assert_int_equal(reports, 1);
	assert_int_equal(last.outcome, WRASSE_PAUSE_LATE);
	assert_true(last.paused);
	assert_int_equal(last.blocker_count, 1);
	assert_int_equal(blocker_cid, 4);
	assert_int_equal(last.groups_silent, 0);
	assert_true(ns->pause.on);
	/* Whoever wants to know when it is complete pauses once more. */
	assert_int_equal(pause_ns(0, false), 0);
	poll_all();
	assert_int_equal(reports, 1);
	backend_gives(1, 4);
	wrasse_target_poll(target);
	assert_int_equal(reports, 2);
	assert_int_equal(last.outcome, WRASSE_PAUSE_COMPLETE);
}

static void a_pause_may_be_given_up_at_its_deadline(void **state)
{
	backend_takes(0, ns, 3);
	assert_int_equal(pause_ns(100, true), 0);
	poll_all();
	now_ns += 100 * MS;
	wrasse_target_poll(target);
	assert_int_equal(reports, 1);
	assert_int_equal(last.outcome, WRASSE_PAUSE_LATE);
	assert_false(last.paused);
	assert_int_equal(wrasse_namespace_resume(ns), -EALREADY);
	poll_all();
	assert_false(ns->port[0].paused);
	backend_gives(0, 3);
}

static void a_group_that_is_not_polled_is_silent(void **state)
{
	assert_int_equal(pause_ns(100, false), 0);
	now_ns += 100 * MS;
	wrasse_poll_group_poll(groups[0]);
	wrasse_target_poll(target);
	assert_int_equal(reports, 1);
	assert_int_equal(last.outcome, WRASSE_PAUSE_LATE);
	assert_int_equal(last.groups_silent, 1);
	assert_int_equal(last.blocker_count, 0);
}

static void a_resume_ends_the_wait(void **state)
{
	backend_takes(0, ns, 3);
	assert_int_equal(pause_ns(100, false), 0);
	poll_all();
	assert_int_equal(wrasse_namespace_resume(ns), 0);
	/* A new pause need not wait for that to be told. */
	assert_int_equal(pause_ns(100, false), 0);
	wrasse_target_poll(target);
	assert_int_equal(reports, 1);
	assert_int_equal(last.outcome, WRASSE_PAUSE_ENDED);
	assert_false(last.paused);
	backend_gives(0, 3);
	poll_all();
	wrasse_target_poll(target);
	assert_int_equal(reports, 2);
	assert_int_equal(last.outcome, WRASSE_PAUSE_COMPLETE);
}

static void a_removal_ends_the_wait_first(void **state)
{
	backend_takes(0, ns, 3);
	assert_int_equal(pause_ns(0, false), 0);
	poll_all();
	assert_int_equal(wrasse_subsystem_remove_ns(subsystem, 1, removed, NULL), 0);
	assert_int_equal(pause_ns(0, false), -ESHUTDOWN);
	poll_all();
	assert_int_equal(reports, 1);
	assert_int_equal(removals, 0);
	assert_int_equal(last.outcome, WRASSE_PAUSE_ENDED);
	backend_gives(0, 3);
	poll_all();
	assert_int_equal(removals, 1);
}

static void a_subsystem_is_paused_when_all_its_namespaces_are(void **state)
{
	struct wrasse_pause_opts opts = pause_opts(100, false);
	struct wrasse_namespace *second = add_ns();

	poll_all();
	backend_takes(1, second, 5);
	assert_int_equal(wrasse_subsystem_pause(subsystem, &opts), 0);
	poll_all();
	assert_int_equal(reports, 0);
	now_ns += 90 * MS;
	wrasse_target_poll(target);
	poll_all();
	now_ns += 10 * MS;
	poll_all();
	assert_int_equal(reports, 1);
	assert_int_equal(last.outcome, WRASSE_PAUSE_LATE);
	assert_int_equal(last.blocker_count, 1);
	assert_int_equal(blocker_cid, 5);
	/* The pauses of a namespace and of its subsystem are two. */
	assert_int_equal(pause_ns(0, false), 0);
	assert_int_equal(wrasse_subsystem_resume(subsystem), 0);
	backend_gives(1, 5);
	poll_all();
	assert_int_equal(reports, 2);
	assert_int_equal(last.outcome, WRASSE_PAUSE_COMPLETE);
	assert_true(ns->port[0].paused);
	assert_false(second->port[0].paused);
}

static void a_removed_subsystem_ends_the_wait(void **state)
{
	struct wrasse_pause_opts opts = pause_opts(0, false);

	backend_takes(1, ns, 5);
	assert_int_equal(wrasse_subsystem_pause(subsystem, &opts), 0);
	poll_all();
	assert_int_equal(wrasse_subsystem_remove(subsystem, removed, NULL), 0);
	poll_all();
	assert_int_equal(reports, 1);
	assert_int_equal(last.outcome, WRASSE_PAUSE_ENDED);
	assert_int_equal(removals, 0);
	backend_gives(1, 5);
	poll_all();
	wrasse_target_poll(target);
	assert_int_equal(removals, 1);
}

static void who_waits_is_forgotten_with_the_target(void **state)
{
	backend_takes(0, ns, 3);
	assert_int_equal(pause_ns(0, false), 0);
	poll_all();
	backend_gives(0, 3);
	/* teardown() frees the target before it is polled again. */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(options_are_checked),
		TEST(a_pause_is_complete_when_every_group_says_so),
		TEST(a_pause_waits_for_the_backend),
		TEST(the_deadline_names_the_blockers),
		TEST(a_pause_may_be_given_up_at_its_deadline),
		TEST(a_group_that_is_not_polled_is_silent),
		TEST(a_resume_ends_the_wait),
		TEST(a_removal_ends_the_wait_first),
		TEST(a_subsystem_is_paused_when_all_its_namespaces_are),
		TEST(a_removed_subsystem_ends_the_wait),
		TEST(who_waits_is_forgotten_with_the_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
