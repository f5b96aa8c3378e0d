/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The target under test, through its public API only: created, polled, drained, destroyed. Each of its
 * poll groups is polled by a thread of its own, as far as the library can tell.
 */
#include "sim.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "transport/group.h"

struct target target;
int in_library = -1;

/* ---- who acts ---- */

static uintptr_t thread_now;

/* In front of the C library's: the library asks it who polls and who completes. */
pthread_t pthread_self(void)
{
	return (pthread_t)(thread_now ? thread_now : 1);
}

void act_as(int library)
{
	in_library = library;
	thread_now = 0x1000u + (unsigned)library;
	fabric_party_set(PARTY_TARGET);
}

void act_as_host(void)
{
	in_library = -1;
	thread_now = 0;
	fabric_party_set(PARTY_HOST);
}

/* ---- start ---- */

static uint64_t clock_of_fabric(void *ctx)
{
	(void)ctx;
	return fabric_now_ns();
}

static void log_line(void *ctx, enum wrasse_log_level level, const char *line)
{
	(void)ctx;
	trace("log %d: %s", (int)level, line);
	target.warnings += level == WRASSE_LOG_WARN;
}

static struct wrasse_poll_group *place(void *ctx, const struct wrasse_conn_info *info)
{
	(void)ctx;
	(void)info;
	if (in_library != SIM_MAX_GROUPS)
		sim_fail("place() was called outside wrasse_target_poll()");
	return rng_one_in(3) ? NULL : target.group[rng_below(target.groups)].group;
}

static void expect(int rc, const char *what)
{
	if (rc < 0)
		sim_fail("%s: %s", what, strerror(-rc));
}

/* Once more if it failed, where the plan says so. */
#define ASK(call, what)                    \
	do {                               \
		int rc_ = (call);          \
		if (rc_ < 0 && plan.retry) \
			rc_ = (call);      \
		expect(rc_, what);         \
	} while (0)

void target_start(void)
{
	struct wrasse_target_opts opts = plan.target;

	memset(&target, 0, sizeof(target));
	opts.clock = clock_of_fabric;
	opts.log = log_line;
	opts.place = place;
	act_as(SIM_MAX_GROUPS);
	ASK(wrasse_target_create(&opts, &target.target), "wrasse_target_create");
	for (unsigned i = 0; i < plan.groups; i++) {
		ASK(wrasse_poll_group_create(target.target, &plan.group, &target.group[i].group),
		    "wrasse_poll_group_create");
		target.groups++;
	}
	lend_start();
	act_as_host();
	control_start();
}

/* ---- polling ---- */

static bool readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

static bool sleeps_on(struct group *group)
{
	if (group->asleep &&
	    (fabric_now_ns() >= group->wake_ns || readable(wrasse_poll_group_fd(group->group))))
		group->asleep = false;
	return group->asleep;
}

/* A group that does not sleep may be armed all the same: it then looks at what it else looks at rarely. */
static int poll_or_arm(struct group *group)
{
	int timeout_ms, count = wrasse_poll_group_poll(group->group);

	if (count || !(plan.sleepy || rng_one_in(plan.arms)))
		return count;
	count = wrasse_poll_group_arm(group->group, &timeout_ms);
	if (!count && plan.sleepy) {
		group->asleep = true;
		group->wake_ns = timeout_ms < 0 ? UINT64_MAX :
						  fabric_now_ns() + (uint64_t)timeout_ms * SIM_MS;
	}
	return count;
}

int target_poll_group(unsigned index)
{
	struct group *group = &target.group[index];
	int count;

	if (sleeps_on(group))
		return 0;
	act_as((int)index);
	count = poll_or_arm(group);
	act_as_host();
	if (count < 0)
		sim_fail("wrasse_poll_group_poll: %d", count);
	trace_mix("group polls", index, (uint64_t)count);
	check_group(index);
	group->polls++;
	check_counts.polls++;
	check_counts.busy += count > 0;
	return count;
}

int target_poll(void)
{
	int count;

	act_as(SIM_MAX_GROUPS);
	count = wrasse_target_poll(target.target);
	act_as_host();
	if (count < 0)
		sim_fail("wrasse_target_poll: %d", count);
	trace_mix("target polls", (uint64_t)count, 0);
	return count;
}

/* ---- what it knows of its devices ---- */

static const struct rdmat_device *first_device(void)
{
	return target.group[0].group->rdmat->devices;
}

bool target_has_tried(void)
{
	for (const struct rdmat_device *device = first_device(); device; device = device->next)
		if (device->probe)
			return false;
	return true;
}

bool target_invalidates(void)
{
	for (const struct rdmat_device *device = first_device(); device; device = device->next)
		if (!atomic_load(&device->invalidates))
			return false;
	return first_device() != NULL;
}

/* ---- the end ---- */

/* The report is held against what the model knows: it must tell the truth. */
static void on_drained(void *ctx, const struct wrasse_drain_report *report)
{
	bool full = true;
	unsigned with_backend = 0;

	(void)ctx;
	if (in_library != SIM_MAX_GROUPS || target.drained)
		sim_fail("the drain's done() was called %s",
			 target.drained ? "twice" : "outside wrasse_target_poll()");
	target.drained = true;
	target.report_ns = fabric_now_ns();
	target.clean = report->clean;
	target.forced = report->forced;
	target.holders = report->holder_count + report->holders_omitted;
	target.queue_pairs_left = report->queue_pairs_left;
	target.groups_silent = report->groups_silent;
	for (unsigned i = 0; i < report->pool_count; i++)
		full = full && report->pools[i].free == report->pools[i].capacity;
	for (unsigned i = 0; i < report->holder_count; i++)
		with_backend += report->holders[i].backend;
	trace("drain report: %s, %u holders, %u queue pairs, %u groups silent",
	      report->clean ? "clean" : "not clean", target.holders, report->queue_pairs_left,
	      report->groups_silent);
	if (report->clean && (!full || target.holders || report->queue_pairs_left || io_count))
		sim_fail(
			"the report says clean: pools %s, %u holders, %u queue pairs, %u I/Os in the backend",
			full ? "full" : "not full", target.holders, report->queue_pairs_left,
			io_count);
	if (!report->clean && !target.holders && !report->queue_pairs_left &&
	    !report->groups_silent)
		sim_fail("the report is not clean and names nobody (pools %s)",
			 full ? "full" : "not full");
	if (io_count && !report->groups_silent && with_backend == 0 && !report->holders_omitted)
		sim_fail("the backend has %u I/Os and the report names none", io_count);
	if (!report->groups_silent)
		check_drained();
}

void target_drain(void)
{
	act_as(SIM_MAX_GROUPS);
	expect(wrasse_target_drain(target.target, plan.deadline_ms, on_drained, NULL),
	       "wrasse_target_drain");
	target.draining = true;
	target.drain_ns = fabric_now_ns();
	if (wrasse_target_drain(target.target, 0, on_drained, NULL) != -EALREADY)
		sim_fail("a second drain was accepted");
	act_as_host();
	trace("drain, deadline %u ms", plan.deadline_ms);
}

static void expect_full_pools(struct wrasse_poll_group *group)
{
	struct wrasse_pool_line lines[16];
	unsigned count = wrasse_poll_group_get_pools(group, lines, 16);

	for (unsigned i = 0; i < count; i++)
		if (lines[i].free != lines[i].capacity)
			sim_fail("at the end %s of group %u has %llu of %llu free", lines[i].name,
				 lines[i].group, (unsigned long long)lines[i].free,
				 (unsigned long long)lines[i].capacity);
}

void target_stop(void)
{
	pause_check_end();
	lend_check_end();
	for (unsigned i = 0; i < target.groups; i++) {
		int rc;

		expect_full_pools(target.group[i].group);
		act_as((int)i);
		rc = wrasse_poll_group_destroy(target.group[i].group);
		act_as_host();
		if (rc)
			sim_fail("wrasse_poll_group_destroy: %s", strerror(-rc));
	}
	act_as(SIM_MAX_GROUPS);
	expect(wrasse_target_destroy(target.target), "wrasse_target_destroy");
	act_as_host();
	for (unsigned i = 0; i < media_count; i++)
		for (unsigned k = 0; plan.attach && k < SIM_MAX_GROUPS; k++)
			if (media[i].attached[k])
				sim_fail(
					"namespace %u of subsystem %u was not detached from group %u",
					media[i].nsid, media[i].subsystem, k);
}
