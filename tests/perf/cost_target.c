/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The target of wrasse-cost and wrasse-scale.
 */
#include "cost_target.h"

#include <errno.h>
#include <string.h>

#include "fabric.h"

struct wrasse_poll_group *cost_group;
bool cost_trace;

static struct wrasse_target *target;
static struct wrasse_subsystem *subsystem;
static struct wrasse_ns_opts ns_opts;
static bool drained;

void cost_check(int rc, const char *what)
{
	if (rc < 0)
		cost_fail("%s: %s", what, strerror(-rc));
}

static uint64_t fabric_clock(void *ctx)
{
	(void)ctx;
	return fabric_now_ns();
}

/* ---- the backend ---- */

/* A medium without a cost of its own. */
static void submit(struct wrasse_io *io)
{
	wrasse_io_complete(io, wrasse_status_ok());
}

/* All of it in one place. */
static _Alignas(4096) uint8_t place[131072];
static struct wrasse_memory *memory;

static uint32_t map(struct wrasse_io *io, struct iovec *iov, struct wrasse_memory **from)
{
	*iov = (struct iovec){place, io->length};
	*from = memory;
	return 1;
}

static void unmap(struct wrasse_io *io)
{
	(void)io;
}

/* The same, but it completes all that it has when it is polled. */
static struct wrasse_io *later[4096];
static unsigned later_count;

static void submit_for_later(struct wrasse_io *io)
{
	later[later_count++] = io;
}

static int complete_what_is_there(void *backend, void *group_ctx)
{
	unsigned count = later_count;

	(void)backend;
	(void)group_ctx;
	for (unsigned i = 0; i < count; i++)
		wrasse_io_complete(later[i], wrasse_status_ok());
	later_count = 0;
	return (int)count;
}

static const struct wrasse_backend_ops medium = {.size = sizeof(medium), .submit = submit};
static const struct wrasse_backend_ops polled = {
	.size = sizeof(polled), .submit = submit_for_later, .poll = complete_what_is_there};
static const struct wrasse_backend_ops lender = {
	.size = sizeof(lender), .submit = submit, .map = map, .unmap = unmap};

/* ---- the target ---- */

void cost_target_open(const struct cost_target_opts *given)
{
	struct wrasse_target_opts opts;
	struct wrasse_poll_group_opts group_opts;
	struct wrasse_subsystem_opts name;
	struct wrasse_listener_opts where;

	wrasse_target_opts_init(&opts);
	wrasse_poll_group_opts_init(&group_opts);
	wrasse_subsystem_opts_init(&name);
	wrasse_ns_opts_init(&ns_opts);
	wrasse_listener_opts_init(&where);
	opts.clock = fabric_clock;
	opts.max_io_queues = given->io_queues;
	opts.max_queue_depth = given->depth;
	group_opts.poll_budget = 4096;
	name.nqn = "nqn.2026-11.io.wrasse:cost";
	name.allow_any_host = true;
	name.max_namespaces = given->max_namespaces;
	ns_opts.block_count = 1u << 20;
	ns_opts.io_opcodes = given->io_opcodes;
	ns_opts.ops = given->lends ? &lender : given->polled ? &polled : &medium;
	where.address = "10.66.0.1";
	cost_check(wrasse_target_create(&opts, &target), "target");
	cost_check(wrasse_poll_group_create(target, &group_opts, &cost_group), "poll group");
	cost_check(wrasse_memory_create(target, place, sizeof(place), &memory), "memory");
	cost_check(wrasse_subsystem_create(target, &name, &subsystem), "subsystem");
	cost_target_add_ns();
	cost_check(wrasse_listener_create(target, &where, NULL), "listener");
}

void cost_target_add_ns(void)
{
	cost_check(wrasse_subsystem_add_ns(subsystem, &ns_opts, NULL), "namespace");
}

static void on_drained(void *ctx, const struct wrasse_drain_report *report)
{
	(void)ctx;
	if (!report->clean)
		cost_fail("the drain was not clean");
	drained = true;
}

void cost_target_close(void)
{
	cost_check(wrasse_target_drain(target, 1000, on_drained, NULL), "drain");
	for (unsigned i = 0; i < 2000 && !drained; i++)
		cost_turn();
	if (!drained)
		cost_fail("no drain report");
	cost_check(wrasse_poll_group_destroy(cost_group), "wrasse_poll_group_destroy");
	cost_check(wrasse_target_destroy(target), "wrasse_target_destroy");
}

/* ---- turns ---- */

void cost_count_begin(void)
{
	fabric_party_set(PARTY_TARGET);
	if (cost_trace)
		VALGRIND_PRINTF("counted\n");
	CALLGRIND_TOGGLE_COLLECT;
}

void cost_count_end(void)
{
	CALLGRIND_TOGGLE_COLLECT;
	if (cost_trace)
		VALGRIND_PRINTF("over\n");
	fabric_party_set(PARTY_HOST);
}

void cost_trace_begin(void)
{
	uintptr_t begin, end;

	cost_library(&begin, &end);
	cost_trace = true;
	VALGRIND_PRINTF("library %lx %lx\n", (unsigned long)begin, (unsigned long)end);
}

void cost_fabric_run(void)
{
	while (fabric_ready())
		fabric_step(0);
}

static void target_turn(void)
{
	cost_check(wrasse_target_poll(target), "wrasse_target_poll");
	/* A group that slept looks at its CM events at once. */
	cost_check(wrasse_poll_group_poll(cost_group), "wrasse_poll_group_poll");
	cost_check(wrasse_poll_group_arm(cost_group, NULL), "wrasse_poll_group_arm");
}

static void fabric_turn(void)
{
	cost_fabric_run();
	fabric_advance(1000000);
}

void cost_turn(void)
{
	fabric_party_set(PARTY_TARGET);
	target_turn();
	fabric_party_set(PARTY_HOST);
	fabric_turn();
}

void cost_turn_counted(void)
{
	cost_count_begin();
	target_turn();
	cost_count_end();
	fabric_turn();
}

void cost_poll_counted(void)
{
	cost_count_begin();
	wrasse_poll_group_poll(cost_group);
	cost_count_end();
	cost_fabric_run();
}
