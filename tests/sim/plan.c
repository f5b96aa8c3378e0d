/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a seed means. Swarm style: each seed turns most things off and some on, so that rare
 * combinations are as likely as common ones, and what is on happens often.
 */
#include <stdio.h>
#include <string.h>

#include "sim.h"

struct plan plan;

static const char *const fault_names[FAULT_COUNT] = {
	"drop",  "port",       "link",       "qp",    "device",    "cm-event", "call",  "alloc",
	"clock", "namespaces", "subsystems", "hosts", "listeners", "ana",      "masks", "pauses",
};

/* One of a list of numbers. */
#define ONE_OF(...) \
	one_of((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static uint32_t one_of(const uint32_t *values, size_t count)
{
	return values[rng_below((uint32_t)count)];
}

static void plan_device(void)
{
	struct fabric_device *device = &plan.device;

	device->max_sge = ONE_OF(1, 2, 4, 32);
	device->max_reads = ONE_OF(1, 2, 4, 128);
	device->max_inline = rng_one_in(4) ? UINT32_MAX : 0;
	device->no_srq = rng_one_in(3);
	device->no_invalidate = rng_one_in(4);
	device->iwarp = rng_one_in(8);
	/* One that is not tried is believed; what that leads to must be a status of the fabric's. */
	if (!device->iwarp && rng_one_in(6))
		device->invalidate =
			(enum fabric_invalidate)(plan.calm ? ONE_OF(1, 2, 3, 4) : ONE_OF(1, 2));
	device->no_windows = !device->invalidate && rng_one_in(8);
	device->sweeps_on_destroy = rng_flip();
	device->never_flushes = rng_one_in(8);
	device->no_last_wqe = rng_one_in(4);
	if (rng_one_in(4))
		device->max_qp_wr = rng_between(12, 40);
}

static void plan_sizes(void)
{
	bool large = rng_one_in(12);

	plan.groups = rng_one_in(3) ? rng_between(2, SIM_MAX_GROUPS) : 1;
	plan.devices = rng_one_in(4) ? SIM_MAX_DEVICES : 1;
	plan.hosts = rng_between(1, rng_flip() ? 2 : SIM_MAX_HOSTS);
	plan.subsystems = rng_between(1, rng_flip() ? 1 : SIM_MAX_SUBSYSTEMS);
	plan.max_len = large ? ONE_OF(65536, 131072, 262144) : ONE_OF(512, 4096, 8192, 16384);
	plan.blocks = large ? 1024 : ONE_OF(64, 128, 256);
	if (plan.max_len / SIM_BLOCK > plan.blocks / 2)
		plan.max_len = plan.blocks / 2 * SIM_BLOCK;
	plan.depth = large ? ONE_OF(2, 4) : ONE_OF(2, 3, 8, 16, SIM_MAX_DEPTH);
	plan.io_queues = rng_between(1, SIM_MAX_QUEUES - 1);
	plan.read_credits = ONE_OF(1, 1, 2, 4, 16);
	plan.kato_ms = ONE_OF(0, 1000, 5000, 120000);
	plan.steps = rng_between(200, rng_one_in(8) ? 12000 : 3000);
}

static void plan_target(void)
{
	struct wrasse_target_opts *opts = &plan.target;

	wrasse_target_opts_init(opts);
	opts->max_poll_groups = SIM_MAX_GROUPS;
	opts->max_queue_depth = SIM_MAX_DEPTH;
	opts->max_io_queues = SIM_MAX_QUEUES - 1;
	opts->in_capsule_data_len = ONE_OF(0, 512, 4096, 8192);
	opts->no_in_capsule_data = rng_one_in(6);
	opts->no_srq = rng_one_in(4);
	opts->max_read_depth = (uint8_t)ONE_OF(0, 1, 2, 16);
	opts->connect_timeout_ms = ONE_OF(0, 500);
	opts->flush_timeout_ms = ONE_OF(0, 1, 50);
}

static void plan_group(void)
{
	struct wrasse_poll_group_opts *opts = &plan.group;

	wrasse_poll_group_opts_init(opts);
	opts->numa_node = 0;
	opts->io_requests = ONE_OF(16, 32, 64);
	opts->admin_requests = ONE_OF(32, 64);
	opts->io_slots = ONE_OF(8, 16, 64);
	opts->admin_slots = ONE_OF(8, 32);
	opts->wrs = ONE_OF(52, 64, 128);
	opts->small_buffers = ONE_OF(18, 32);
	opts->large_buffers = 9;
	opts->poll_budget = ONE_OF(1, 4, 64);
}

static void plan_backend(void)
{
	plan.late = rng_one_in(4) ? 0 : ONE_OF(1, 2, 8);
	plan.remote = rng_one_in(3) ? ONE_OF(1, 3) : 0;
	plan.error = !plan.calm && rng_one_in(4) ? 16 : 0;
	plan.never = !plan.calm && rng_one_in(6) ? 24 : 0;
	plan.attach = rng_flip();
	plan.attach_fails = !plan.calm && rng_one_in(10) ? 3 : 0;
}

static void plan_faults(void)
{
	/* Once in how many steps, when it is on at all. */
	static const uint32_t often[FAULT_COUNT] = {
		[FAULT_DROP] = 30,        [FAULT_PORT] = 200,        [FAULT_LINK] = 200,
		[FAULT_QP] = 150,         [FAULT_DEVICE] = 400,      [FAULT_CM_EVENT] = 200,
		[FAULT_CALL] = 100,       [FAULT_ALLOC] = 100,       [FAULT_CLOCK] = 150,
		[CONTROL_NS] = 80,        [CONTROL_SUBSYSTEM] = 200, [CONTROL_HOST] = 150,
		[CONTROL_LISTENER] = 250, [CONTROL_ANA] = 60,        [CONTROL_MASK] = 60,
		[CONTROL_PAUSE] = 80,
	};

	/* A pause harms nobody. */
	if (plan.calm && rng_one_in(4))
		plan.fault[CONTROL_PAUSE] = 40 + rng_below(80);
	for (unsigned i = 0; i < FAULT_COUNT && !plan.calm; i++)
		if (rng_one_in(4))
			plan.fault[i] = often[i] / 2 + rng_below(often[i]);
}

/* Hosts that fight need something to fight about, and I/O that takes its time. */
static void plan_reservations(void)
{
	if (!rng_one_in(4))
		return;
	plan.reservations = ONE_OF(3, 6, 20);
	plan.subsystems = 1;
	if (plan.hosts < 2)
		plan.hosts = 2;
	if (!plan.late)
		plan.late = 2;
}

/* Most do without a DH group, which costs real milliseconds. */
static void plan_auth(void)
{
	plan.auth = rng_flip() ? UINT32_MAX : 1u << rng_below(plan.subsystems);
	plan.auth_again = ONE_OF(5, 20, 100);
	plan.steps += 1000; /* it takes some until all are in */
	plan.auth_groups = WRASSE_AUTH_DH_NULL;
	if (rng_one_in(16))
		plan.auth_groups |= WRASSE_AUTH_FFDHE2048;
	if (plan.calm) {
		/* Queue pairs that end there keep requests from others until the flush timeout, and
		 * that is longer than a host may take to authenticate itself. */
		plan.device.never_flushes = false;
		return;
	}
	plan.auth_wrong = rng_one_in(3) ? 0 : ONE_OF(1, 2, 4);
	/* Who is lost to faults is not refused. */
	if (plan.auth_wrong && !rng_one_in(3))
		memset(plan.fault, 0, sizeof(plan.fault));
	plan.auth_denied = rng_one_in(3) ? 10 : 0;
	plan.auth_rotate = rng_one_in(3) ? 200 : 0;
}

void plan_make_auth(void)
{
	plan.auth = UINT32_MAX;
	plan.auth_again = 50;
	plan.auth_groups = WRASSE_AUTH_DH_NULL;
}

void plan_make(uint64_t seed)
{
	memset(&plan, 0, sizeof(plan));
	plan.seed = seed;
	plan.only = -1;
	plan.leave = 300;
	plan.upset = rng_flip() ? ONE_OF(20, 100) : 0;
	plan.calm = rng_one_in(4);
	plan.sleepy = rng_one_in(4);
	plan.arms = rng_flip() ? ONE_OF(2, 16) : 0;
	plan.hooks = !rng_one_in(3);
	plan_sizes();
	plan_device();
	plan_target();
	plan_group();
	plan_backend();
	plan_faults();
	plan_reservations();
	for (unsigned i = 0; i < plan.hosts; i++)
		plan.kind[i] = (enum host_kind)rng_below(plan.calm ? HOST_HOSTILE : HOST_KINDS);
	plan.settle = plan.calm || rng_flip();
	plan.deadline_ms = plan.calm ? 5000 : ONE_OF(0, 10, 200, 5000);
	plan.lend = plan.attach && rng_flip();
	plan.io_timeout_ms = !plan.calm && rng_one_in(3) ? ONE_OF(100, 300, 2000) : 0;
	/* Without a draw, so that the others mean what they always did. */
	if (seed % 8 == 5)
		plan_auth();
	plan.manages = seed % 8 == 3;
	plan.uncorrectable = seed % 8 == 6;
	plan.pi = seed % 8 == 7 ? (uint8_t)(1 + seed / 8 % 3) : 0;
}

void plan_make_plain(void)
{
	memset(&plan, 0, sizeof(plan));
	rng_seed(0);
	plan.retry = true;
	plan.only = -1;
	plan.leave = 300;
	plan.groups = plan.devices = plan.hosts = plan.subsystems = 1;
	plan.max_len = 16384;
	plan.blocks = 64;
	plan.depth = 8;
	plan.io_queues = 2;
	plan.kato_ms = 5000;
	plan.read_credits = 1;
	plan_target();
	plan_group();
	plan.target.no_srq = false;
	plan.target.no_in_capsule_data = false;
	plan.attach = true;
	plan.lend = true;
	plan.late = 2;
	plan.settle = true;
	plan.deadline_ms = 5000;
}

const char *host_kind_name(enum host_kind kind)
{
	static const char *const names[HOST_KINDS] = {"good", "slow", "greedy", "hostile", "dying"};

	return names[kind];
}

void plan_describe(char *buf, size_t len)
{
	size_t at = 0;

	at += (size_t)snprintf(buf, len,
			       "%s%u groups%s, %u devices, %u subsystems, depth %u, hosts:",
			       plan.calm ? "calm, " : "", plan.groups,
			       plan.sleepy ? " that sleep" : "", plan.devices, plan.subsystems,
			       plan.depth);
	for (unsigned i = 0; i < plan.hosts && at < len; i++)
		at += (size_t)snprintf(buf + at, len - at, " %s", host_kind_name(plan.kind[i]));
	if (plan.reservations && at < len)
		at += (size_t)snprintf(buf + at, len - at, ", reservations");
	if (plan.io_timeout_ms && at < len)
		at += (size_t)snprintf(buf + at, len - at, ", I/O timeout %u ms",
				       plan.io_timeout_ms);
	if (plan.auth && at < len)
		at += (size_t)snprintf(buf + at, len - at, ", authentication%s%s%s%s",
				       plan.auth_groups & WRASSE_AUTH_FFDHE2048 ? " ffdhe" : "",
				       plan.auth_wrong ? " wrong" : "",
				       plan.auth_denied ? " denied" : "",
				       plan.auth_rotate ? " rotated" : "");
	if (plan.pi && at < len)
		at += (size_t)snprintf(buf + at, len - at, ", protection type %u", plan.pi);
	if (plan.uncorrectable && at < len)
		at += (size_t)snprintf(buf + at, len - at, ", uncorrectable");
	if (plan.manages && at < len)
		at += (size_t)snprintf(buf + at, len - at, ", management");
	if (plan.lend && at < len)
		at += (size_t)snprintf(buf + at, len - at, ", lent memory");
	at += (size_t)snprintf(buf + at, len - at, "%s%s%s%s", plan.device.iwarp ? " iwarp" : "",
			       plan.device.no_srq || plan.target.no_srq ? " no-srq" : "",
			       plan.device.never_flushes ? " never-flushes" : "",
			       plan.device.no_invalidate ? " no-invalidate" : "");
	if (plan.device.invalidate && at < len)
		at += (size_t)snprintf(buf + at, len - at, " false-invalidate %d",
				       (int)plan.device.invalidate);
	for (unsigned i = 0; i < FAULT_COUNT && at < len; i++)
		if (plan.fault[i])
			at += (size_t)snprintf(buf + at, len - at, " +%s", fault_names[i]);
}
