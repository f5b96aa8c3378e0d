/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-groups: whether poll groups get in each other's way. On the threaded fabric, each group has a thread of its
 * own, which is also the only user of a host's queue that the group serves: it sends a batch of 4 KiB reads, polls the
 * group and takes the answers. So a group more is a thread more, and all that they share is the target and the fabric.
 *
 *   wrasse-groups GROUPS MILLISECONDS
 *
 * Prints how many reads a second all of them had answered.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <wrasse/wrasse.h>

#include "cost.h"
#include "fabric.h"
#include "host/wire.h"

#define MAX_GROUPS FABRIC_PARTIES /* each is one */
#define DEPTH      128u
#define BATCH      32u
#define LEN        4096u

static struct wrasse_target *target;
static struct worker {
	pthread_t thread;
	struct wrasse_poll_group *group;
	struct cost_queue *queue;
	uint64_t answers;
} workers[MAX_GROUPS];
static unsigned count;
static atomic_bool working, ended;
static atomic_bool drained;

static void check(int rc, const char *what)
{
	if (rc < 0)
		cost_fail("%s: %s", what, strerror(-rc));
}

/* ---- the target ---- */

static void submit(struct wrasse_io *io)
{
	wrasse_io_complete(io, wrasse_status_ok());
}

/* I/O queue n belongs to group n - 1, the admin queue to the first. */
static struct wrasse_poll_group *place(void *ctx, const struct wrasse_conn_info *info)
{
	(void)ctx;
	return workers[info->qid ? (info->qid - 1u) % count : 0].group;
}

static void target_make(void)
{
	static const struct wrasse_backend_ops medium = {.size = sizeof(medium), .submit = submit};
	struct wrasse_poll_group_opts group_opts;
	struct wrasse_listener_opts where;
	struct wrasse_subsystem *subsystem;
	struct wrasse_subsystem_opts name;
	struct wrasse_target_opts opts;
	struct wrasse_ns_opts ns;

	wrasse_target_opts_init(&opts);
	wrasse_poll_group_opts_init(&group_opts);
	wrasse_subsystem_opts_init(&name);
	wrasse_ns_opts_init(&ns);
	wrasse_listener_opts_init(&where);
	opts.place = place;
	name.nqn = "nqn.2026-11.io.wrasse:cost";
	name.allow_any_host = true;
	ns.block_count = 1u << 20;
	ns.ops = &medium;
	where.address = "10.66.0.1";
	check(wrasse_target_create(&opts, &target), "target");
	for (unsigned i = 0; i < count; i++)
		check(wrasse_poll_group_create(target, &group_opts, &workers[i].group), "group");
	check(wrasse_subsystem_create(target, &name, &subsystem), "subsystem");
	check(wrasse_subsystem_add_ns(subsystem, &ns, NULL), "namespace");
	check(wrasse_listener_create(target, &where, NULL), "listener");
}

static void on_drained(void *ctx, const struct wrasse_drain_report *report)
{
	(void)ctx;
	if (!report->clean)
		cost_fail("the drain was not clean");
	atomic_store(&drained, true);
}

/* ---- threads ---- */

static void nap(void)
{
	struct timespec time = {0, 50000};

	nanosleep(&time, NULL);
}

/* The main thread's turn, while hosts connect and go. */
static void turn(void)
{
	check(wrasse_target_poll(target), "wrasse_target_poll");
	nap();
}

static void *work(void *arg)
{
	static const struct cost_io io = {.opcode = OPC_READ, .len = LEN};
	struct worker *worker = arg;

	/* The fabric counts calls by party, and its counters are not to be what groups share. */
	fabric_party_set((unsigned)(worker - workers));
	while (!atomic_load_explicit(&ended, memory_order_relaxed)) {
		bool busy = atomic_load_explicit(&working, memory_order_acquire);

		for (unsigned i = 0; busy && i < BATCH && worker->queue->idle_count; i++)
			cost_submit(worker->queue, &io);
		check(wrasse_poll_group_poll(worker->group), "wrasse_poll_group_poll");
		if (busy)
			__atomic_store_n(&worker->answers,
					 worker->answers + cost_collect(worker->queue),
					 __ATOMIC_RELAXED);
		else
			nap();
	}
	return NULL;
}

static double measure(unsigned ms)
{
	struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000}, began, end;
	uint64_t before = 0, after = 0;

	atomic_store_explicit(&working, true, memory_order_release);
	/* Their pages and caches are warm from here on. */
	nanosleep(&(struct timespec){0, 200000000}, NULL);
	for (unsigned i = 0; i < count; i++)
		before += __atomic_load_n(&workers[i].answers, __ATOMIC_RELAXED);
	clock_gettime(CLOCK_MONOTONIC, &began);
	nanosleep(&time, NULL);
	for (unsigned i = 0; i < count; i++)
		after += __atomic_load_n(&workers[i].answers, __ATOMIC_RELAXED);
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (double)(after - before) /
	       ((double)(end.tv_sec - began.tv_sec) + (double)(end.tv_nsec - began.tv_nsec) / 1e9);
}

/* ---- the program ---- */

static unsigned number(const char *text, unsigned max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value == 0 || value > max)
		cost_fail("'%s' is not 1 to %u", text, max);
	return (unsigned)value;
}

static void fabric_make(void)
{
	static const struct fabric_device t0 = {.name = "t0", .address = "10.66.0.1"};
	static const struct fabric_device h0 = {.name = "h0", .address = "10.66.0.9"};

	fabric_init(FABRIC_THREADED);
	fabric_device_add(&t0);
	fabric_device_add(&h0);
}

int main(int argc, char **argv)
{
	struct cost_queue *admin;
	unsigned ms;

	if (argc != 3)
		cost_fail("usage: wrasse-groups GROUPS MILLISECONDS");
	count = number(argv[1], MAX_GROUPS);
	ms = number(argv[2], 60000);
	fabric_make();
	target_make();
	for (unsigned i = 0; i < count; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			cost_fail("no thread");
	cost_host_open(turn);
	admin = cost_queue_open(0, 32, LEN);
	for (unsigned i = 0; i < count; i++)
		workers[i].queue = cost_queue_open((uint16_t)(i + 1), DEPTH, LEN);
	printf("reads_per_second %.0f\n", measure(ms));
	atomic_store(&working, false);
	/* Until the last batch is answered, which nobody takes. */
	nanosleep(&(struct timespec){0, 100000000}, NULL);
	check(wrasse_target_drain(target, 2000, on_drained, NULL), "drain");
	while (!atomic_load(&drained))
		turn();
	atomic_store(&ended, true);
	for (unsigned i = 0; i < count; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < count; i++)
		cost_queue_free(workers[i].queue);
	cost_queue_free(admin);
	cost_host_close();
	for (unsigned i = 0; i < count; i++)
		check(wrasse_poll_group_destroy(workers[i].group), "wrasse_poll_group_destroy");
	check(wrasse_target_destroy(target), "wrasse_target_destroy");
	return 0;
}
