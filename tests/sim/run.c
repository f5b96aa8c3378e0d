/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One run: chaos, then perhaps quiet, then the drain, then the end. In chaos each step is one actor's: the
 * fabric does one thing, a group is polled once, a host does something, time passes, something breaks. In
 * the other phases everybody has a turn in each round, and time passes when nobody has anything to do.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

static uint64_t steps;

/* ---- actors ---- */

static bool fabric_turn(void)
{
	unsigned ready = fabric_ready(), which;
	struct fabric_action action;

	if (!ready)
		return false;
	which = rng_below(ready);
	fabric_describe(which, &action);
	if (action.can_drop && rng_one_in(plan.fault[FAULT_DROP])) {
		trace("lost: %s of queue pair %u", action.what, action.qpn);
		fabric_drop(which);
	} else {
		trace_mix(action.what, action.qpn, ready);
		fabric_step(which);
	}
	return true;
}

/* Time passes: mostly little, sometimes to the next thing that is due. */
static void time_turn(void)
{
	uint64_t due = fabric_next_due(), now = fabric_now_ns();

	/* In a calm run nothing that could happen is so late that a timer runs out. */
	if (plan.calm)
		fabric_advance(fabric_ready() ? rng_below(20000) : rng_below(500000));
	else if (due != UINT64_MAX && rng_one_in(4))
		fabric_advance(due - now < 2 * SIM_S ? due - now : SIM_MS);
	else
		fabric_advance(rng_below(rng_one_in(8) ? 2000000 : 50000));
}

static void fate_turn(void)
{
	for (unsigned i = FAULT_PORT; i < FAULT_COUNT; i++)
		if (rng_one_in(plan.fault[i]))
			control_step((enum fault)i);
	if (plan.lend && rng_one_in(400))
		lend_step();
	if (rng_one_in(plan.auth_rotate))
		auth_rotate();
}

void world_step(void)
{
	uint32_t dice = rng_below(100);

	steps++;
	if (dice < 42)
		fabric_turn();
	else if (dice < 64)
		target_poll_group(rng_below(target.groups));
	else if (dice < 86)
		host_step(&hosts[rng_below(plan.hosts)]);
	else if (dice < 92)
		backend_step();
	else if (dice < 95)
		target_poll();
	else
		time_turn();
	fate_turn();
}

/* ---- rounds ---- */

/* Everybody has a turn. Return: whether somebody had something to do. */
bool world_round(void)
{
	unsigned limit = fabric_ready() + 1;
	bool did = target_poll() > 0;

	for (unsigned i = 0; i < target.groups; i++)
		did |= target_poll_group(i) > 0;
	for (unsigned i = 0; i < plan.hosts; i++)
		did |= host_step(&hosts[i]);
	did |= rng_flip() ? backend_complete_all() > 0 : backend_step();
	for (unsigned i = 0; i < limit; i++)
		did |= fabric_turn();
	steps += limit + target.groups + plan.hosts + 2;
	return did;
}

void world_pass(uint64_t most)
{
	uint64_t due = fabric_next_due(), now = fabric_now_ns();

	if (due != UINT64_MAX && due - now < most)
		most = due - now;
	fabric_advance(most ? most : 1);
}

/* All commands are answered, or their connections gone, within a minute of calm. */
void world_settle(void)
{
	uint64_t end = fabric_now_ns() + 60 * SIM_S;
	unsigned waiting = 0, idle = 0;

	for (unsigned i = 0; i < plan.hosts; i++)
		hosts[i].leaving = true;
	for (;;) {
		bool did = world_round();

		waiting = 0;
		for (unsigned i = 0; i < plan.hosts; i++)
			waiting += host_waiting(&hosts[i]);
		if (!waiting && !io_count)
			break;
		/* A host looks at one of its controllers in a turn. */
		idle = did ? 0 : idle + 1;
		if (idle > 8)
			world_pass(20 * SIM_MS);
		if (fabric_now_ns() > end)
			sim_fail(
				"%u commands are not answered and %u I/Os not completed after a minute without faults",
				waiting, io_count);
	}
	trace("settled");
}

/* In a calm run a device is found out, whatever it claims. */
void world_try_devices(void)
{
	uint64_t end = fabric_now_ns() + 60 * SIM_S;
	bool can = !plan.device.no_invalidate && !plan.device.invalidate;

	while (!target_has_tried()) {
		if (!world_round())
			world_pass(SIM_MS);
		if (fabric_now_ns() > end)
			sim_fail("a device is still tried after a minute");
	}
	if (host_counts.connects && target_invalidates() != can)
		sim_fail("SEND with invalidate is %sused, on devices that %s", can ? "not " : "",
			 can ? "can" : "cannot");
}

void world_drain(void)
{
	uint64_t limit =
		plan.deadline_ms ?
			plan.deadline_ms :
			(plan.target.flush_timeout_ms ? plan.target.flush_timeout_ms : 2000) + 1000;

	target_drain();
	while (!target.drained) {
		if (!world_round() || rng_one_in(3))
			world_pass(rng_below(3 + (uint32_t)limit / 100) * SIM_MS / 2);
		if (fabric_now_ns() > target.drain_ns + (limit + 20) * SIM_MS)
			sim_fail(
				"a drain with a deadline of %llu ms has not ended after %llu ms",
				(unsigned long long)limit,
				(unsigned long long)((fabric_now_ns() - target.drain_ns) / SIM_MS));
	}
	if (plan.calm && !target.clean)
		sim_fail("the drain of a calm run was not clean");
}

/* What the backend still has comes back; the groups must then be at rest. */
static void wind_up(void)
{
	uint64_t end = fabric_now_ns() + 60 * SIM_S;
	unsigned idle = 0;
	bool busy = true;

	backend_releases = true;
	while (busy) {
		struct wrasse_poll_group_stats stats;

		/* What nobody does anything about is waited for, in ever larger steps. */
		idle = world_round() ? 0 : idle + 1;
		if (idle)
			world_pass((idle < 8 ? 2 : 40) * SIM_MS);
		busy = io_count > 0;
		for (unsigned i = 0; i < target.groups; i++) {
			wrasse_poll_group_get_stats(target.group[i].group, &stats, sizeof(stats));
			busy |= stats.queue_pairs > 0;
		}
		for (unsigned i = 0; i < media_count; i++)
			busy |= media[i].removing && !media[i].gone;
		if (busy && fabric_now_ns() > end)
			sim_fail(
				"queue pairs or removed namespaces are left a minute after the drain");
	}
}

static void nothing_is_left(void)
{
	char names[512] = "";
	struct fabric_stats stats;
	unsigned left = fabric_leftovers(names, sizeof(names));

	if (left)
		sim_fail("%u objects are left: %s", left, names);
	fabric_get_stats(PARTY_TARGET, &stats);
	if (stats.qps_created != stats.qps_destroyed)
		sim_fail("%llu queue pairs were created and %llu destroyed",
			 (unsigned long long)stats.qps_created,
			 (unsigned long long)stats.qps_destroyed);
}

static void on_misuse(void *ctx, const char *line)
{
	(void)ctx;
	sim_fail("misuse of verbs: %s", line);
}

void world_begin(void)
{
	trace_init();
	arena_reset();
	steps = 0;
	memset(&host_counts, 0, sizeof(host_counts));
	memset(&check_counts, 0, sizeof(check_counts));
	act_as_host();
	fabric_on_misuse(on_misuse, NULL);
	fabric_init(FABRIC_SIMULATED);
	fabric_set_strict(true);
	fabric_watch_memory(true);
	fabric_limit_reads(true);
	fabric_use_descriptors(plan.sleepy);
	backend_init();
	check_course_reset();
	auth_start();
	for (unsigned i = 0; i < plan.hosts; i++)
		host_init(&hosts[i], i);
}

void world_end(void)
{
	control_mend();
	wind_up();
	for (unsigned i = 0; i < plan.hosts; i++)
		host_fini(&hosts[i]);
	target_stop();
	nothing_is_left();
}

void run_seed(uint64_t seed, struct run_result *result)
{
	snprintf(replay, sizeof(replay), "--seed %llu", (unsigned long long)seed);
	rng_seed(seed);
	plan_make(seed);
	world_begin();
	target_start();
	while (steps < plan.steps)
		world_step();
	if (plan.settle) {
		backend_releases = true;
		control_mend();
		world_settle();
		if (plan.calm)
			world_try_devices();
	}
	world_drain();
	world_end();
	result->hash = trace_hash;
	result->steps = steps;
	result->virtual_ns = fabric_now_ns() - SIM_S;
	result->counts = host_counts;
	result->checks = check_counts;
}

bool run_nth(enum nth_kind kind, uint64_t nth, const char **what)
{
	uint64_t allocs = alloc_count();
	bool hit;

	snprintf(replay, sizeof(replay), "--nth %s=%llu", kind == NTH_CALL ? "call" : "alloc",
		 (unsigned long long)nth);
	plan_make_plain();
	plan_make_auth();
	world_begin();
	if (kind == NTH_CALL)
		fabric_fail_call(PARTY_TARGET, nth, ENOMEM);
	else
		alloc_fail(nth);
	target_start();
	/* One failure is no reason for the host not to come through in the end. */
	while (host_counts.reads_checked < 40) {
		world_step();
		if (steps > 200000)
			sim_fail("the host has done %llu reads in %llu steps",
				 (unsigned long long)host_counts.reads_checked,
				 (unsigned long long)steps);
	}
	world_settle();
	world_drain();
	*what = kind == NTH_CALL ? fabric_failed_call() : "allocation";
	hit = kind == NTH_CALL ? *what != NULL : alloc_count() - allocs >= nth;
	world_end();
	return hit;
}
