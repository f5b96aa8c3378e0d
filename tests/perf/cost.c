/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-cost: what one I/O costs the target, counted and not timed. Target and host take turns in
 * one thread on the simulated fabric, so each run is the same to the instruction. Under callgrind
 * only the target's polls are counted.
 *
 *   wrasse-cost OP SIZE DEPTH BATCH QUEUES ROUNDS
 *
 * In each round the host sends BATCH commands, the fabric carries everything to its end, and the
 * target polls once. OP: read, write, write-in-capsule, flush, or idle (polls that find nothing).
 * QUEUES I/O queues are connected, one is used. What each of the others takes of the library's memory is
 * counted too, with an admin queue for every 1023 of them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <wrasse/wrasse.h>

#include "cost.h"
#include "fabric.h"
#include "host/wire.h"

#ifdef HAVE_CALLGRIND
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_START_INSTRUMENTATION
#endif

#define QUEUES_OF_CTRL 1023u

static struct wrasse_target *target;
static struct wrasse_poll_group *group;
static bool drained;

static void check(int rc, const char *what)
{
	if (rc < 0)
		cost_fail("%s: %s", what, strerror(-rc));
}

/* ---- the target ---- */

static uint64_t fabric_clock(void *ctx)
{
	(void)ctx;
	return fabric_now_ns();
}

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

static const struct wrasse_backend_ops medium = {.size = sizeof(medium), .submit = submit};
static const struct wrasse_backend_ops lender = {
	.size = sizeof(lender), .submit = submit, .map = map, .unmap = unmap};

static void target_make(uint32_t queues, uint32_t depth, bool lends)
{
	struct wrasse_subsystem *subsystem;
	struct wrasse_target_opts opts;
	struct wrasse_poll_group_opts group_opts;
	struct wrasse_subsystem_opts name;
	struct wrasse_ns_opts ns;
	struct wrasse_listener_opts where;

	wrasse_target_opts_init(&opts);
	wrasse_poll_group_opts_init(&group_opts);
	wrasse_subsystem_opts_init(&name);
	wrasse_ns_opts_init(&ns);
	wrasse_listener_opts_init(&where);
	opts.clock = fabric_clock;
	opts.max_io_queues = queues < QUEUES_OF_CTRL ? queues : QUEUES_OF_CTRL;
	opts.max_queue_depth = depth;
	group_opts.poll_budget = 4096;
	name.nqn = "nqn.2026-11.io.wrasse:cost";
	name.allow_any_host = true;
	ns.block_count = 1u << 20;
	ns.ops = lends ? &lender : &medium;
	where.address = "10.66.0.1";
	check(wrasse_target_create(&opts, &target), "target");
	check(wrasse_poll_group_create(target, &group_opts, &group), "poll group");
	check(wrasse_memory_create(target, place, sizeof(place), &memory), "memory");
	check(wrasse_subsystem_create(target, &name, &subsystem), "subsystem");
	check(wrasse_subsystem_add_ns(subsystem, &ns, NULL), "namespace");
	check(wrasse_listener_create(target, &where, NULL), "listener");
}

static void on_drained(void *ctx, const struct wrasse_drain_report *report)
{
	(void)ctx;
	if (!report->clean)
		cost_fail("the drain was not clean");
	drained = true;
}

/* ---- turns ---- */

static void fabric_run(void)
{
	while (fabric_ready())
		fabric_step(0);
}

static void turn(void)
{
	fabric_party_set(PARTY_TARGET);
	check(wrasse_target_poll(target), "wrasse_target_poll");
	/* A group that slept looks at its CM events at once. */
	check(wrasse_poll_group_poll(group), "wrasse_poll_group_poll");
	check(wrasse_poll_group_arm(group, NULL), "wrasse_poll_group_arm");
	fabric_party_set(PARTY_HOST);
	fabric_run();
	fabric_advance(1000000);
}

/* What is measured. */
static void poll_counted(void)
{
	fabric_party_set(PARTY_TARGET);
	CALLGRIND_TOGGLE_COLLECT;
	wrasse_poll_group_poll(group);
	CALLGRIND_TOGGLE_COLLECT;
	fabric_party_set(PARTY_HOST);
	fabric_run();
}

static void rounds(struct cost_queue *queue, const struct cost_io *io, uint32_t batch,
		   uint32_t count, bool counted)
{
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; io && k < batch && queue->idle_count; k++)
			cost_submit(queue, io);
		fabric_run();
		if (counted)
			poll_counted();
		else
			turn();
		cost_collect(queue);
	}
}

/* ---- the program ---- */

static const struct op {
	const char *name;
	struct cost_io io;
	bool has_data;
	bool lends; /* the backend lends the memory for it */
} ops[] = {
	{"read", {OPC_READ, false, 0}, true, false},
	{"read-lent", {OPC_READ, false, 0}, true, true},
	{"write", {OPC_WRITE, false, 0}, true, false},
	{"write-lent", {OPC_WRITE, false, 0}, true, true},
	{"write-in-capsule", {OPC_WRITE, true, 0}, true, false},
	{"flush", {OPC_FLUSH, false, 0}, false, false},
	{"idle", {0, false, 0}, false, false},
};

/* Whether the memory was used that was to be measured. */
static void check_lent(const struct op *op)
{
	struct wrasse_poll_group_stats stats;

	wrasse_poll_group_get_stats(group, &stats, sizeof(stats));
	/* The last Writes are still being fetched. */
	if (op->lends ? stats.lent < stats.reads + stats.writes : stats.lent > 0)
		cost_fail("of %llu commands %llu were lent memory",
			  (unsigned long long)(stats.reads + stats.writes),
			  (unsigned long long)stats.lent);
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value > UINT32_MAX)
		cost_fail("'%s' is no number", text);
	return (uint32_t)value;
}

static void print(const char *what, uint64_t value, uint64_t ios)
{
	printf("%s %.4f\n", what, (double)value / (double)ios);
}

static void measure(const struct op *op, uint32_t len, uint32_t batch, uint32_t count,
		    struct cost_queue *queue)
{
	struct cost_io io = op->io;
	struct fabric_stats before, after;
	bool idle = !op->has_data && op->io.opcode == 0 && op->name[0] == 'i';
	uint64_t answers, ios;

	/* Not before: it is slow, and thousands of queues take long to connect. */
	CALLGRIND_START_INSTRUMENTATION;
	io.len = op->has_data ? len : 0;
	rounds(queue, idle ? NULL : &io, batch, 300, false);
	/* Awake from here on, as a group that never sleeps is. */
	rounds(queue, idle ? NULL : &io, batch, 16, true);
	fabric_get_stats(PARTY_TARGET, &before);
	answers = queue->answers;
	rounds(queue, idle ? NULL : &io, batch, count, true);
	fabric_get_stats(PARTY_TARGET, &after);
	ios = idle ? count : queue->answers - answers;
	printf("ios %llu\n", (unsigned long long)ios);
	print("completions", after.completions - before.completions, ios);
	print("send_posts", after.post_send_calls - before.post_send_calls, ios);
	print("send_wrs", after.send_wrs - before.send_wrs, ios);
	print("receive_posts", after.post_recv_calls - before.post_recv_calls, ios);
}

/* All queues that are connected: the admin queue of each controller before its I/O queues. */
static struct cost_queue **all;
static uint32_t all_count;

/* Return: the one that is used. */
static struct cost_queue *queues_open(uint32_t count, uint32_t depth, uint32_t len)
{
	int64_t one = 0;

	all = calloc(count + count / QUEUES_OF_CTRL + 1, sizeof(struct cost_queue *));
	if (!all)
		cost_fail("no memory");
	cost_memory_begin();
	for (uint32_t i = 0; i < count; i++) {
		if (i % QUEUES_OF_CTRL == 0)
			all[all_count++] = cost_queue_open(0, 32, 4096);
		all[all_count++] = cost_queue_open((uint16_t)(i % QUEUES_OF_CTRL + 1),
						   i ? 2 : depth, i ? 4096 : len);
		if (i == 0)
			one = cost_memory();
	}
	if (count > 1)
		printf("memory %.1f\n", (double)(cost_memory() - one) / (count - 1));
	return all[1];
}

static void queues_close(void)
{
	for (uint32_t i = all_count; i-- > 0;)
		cost_queue_disconnect(all[i]);
	for (unsigned i = 0; i < 100; i++)
		turn();
	while (all_count)
		cost_queue_free(all[--all_count]);
	free(all);
}

int main(int argc, char **argv)
{
	static const struct fabric_device t0 = {
		.name = "t0", .address = "10.66.0.1", .max_cqe = 1u << 20};
	static const struct fabric_device h0 = {.name = "h0", .address = "10.66.0.9"};
	const struct op *op = ops;
	struct cost_queue *queue;
	uint32_t len, depth, batch, count;

	if (argc != 7)
		cost_fail("usage: wrasse-cost OP SIZE DEPTH BATCH QUEUES ROUNDS");
	while (op < ops + sizeof(ops) / sizeof(ops[0]) && strcmp(op->name, argv[1]) != 0)
		op++;
	if (op == ops + sizeof(ops) / sizeof(ops[0]))
		cost_fail("no operation '%s'", argv[1]);
	len = number(argv[2]);
	depth = number(argv[3]);
	batch = number(argv[4]);
	count = number(argv[5]);
	fabric_init(FABRIC_SIMULATED);
	fabric_device_add(&t0);
	fabric_device_add(&h0);
	target_make(count, depth < 32 ? 32 : depth, op->lends);
	cost_host_open(turn);
	queue = queues_open(count, depth, len);
	measure(op, len, batch, number(argv[6]), queue);
	check_lent(op);
	queues_close();
	cost_host_close();
	check(wrasse_target_drain(target, 1000, on_drained, NULL), "drain");
	for (unsigned i = 0; i < 2000 && !drained; i++)
		turn();
	if (!drained)
		cost_fail("no drain report");
	check(wrasse_poll_group_destroy(group), "wrasse_poll_group_destroy");
	check(wrasse_target_destroy(target), "wrasse_target_destroy");
	return 0;
}
