/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-scale: what many queue pairs and many namespaces change. The program is that of wrasse-cost with so many of
 * both, in one run with a profile of callgrind's for each part of it:
 *
 *   wrasse-scale QUEUES NAMESPACES ROUNDS CONNECTIONS
 *
 * add and attach are one more namespace, the call and then the poll group that finds it; connect and disconnect one more
 * I/O queue, from the request to Connect's answer and to its end; read is saturated reads, of all namespaces by turns;
 * idle polls that find nothing; churn is CONNECTIONS I/O queues that come and go one after the other, with host and fabric
 * collected as well. Without callgrind the last is timed.
 */
#include <stdio.h>
#include <time.h>

#include "cost_target.h"
#include "fabric.h"
#include "host/wire.h"

#define DEPTH 128u
#define BATCH 64u
#define WARM  300u
#define MORE  16u /* namespaces and connections that are counted */

static void namespaces_add(void)
{
	for (uint32_t i = 0; i < MORE; i++) {
		cost_count_begin();
		cost_target_add_ns();
		cost_count_end();
		CALLGRIND_DUMP_STATS_AT("add");
		cost_turn_counted();
		CALLGRIND_DUMP_STATS_AT("attach");
	}
}

static uint64_t queue_pairs(void)
{
	struct wrasse_poll_group_stats stats;

	wrasse_poll_group_get_stats(cost_group, &stats, sizeof(stats));
	return stats.queue_pairs;
}

/* Until the target has let go of one more. */
static void end(struct cost_queue *queue, void (*turn)(void))
{
	uint64_t count = queue_pairs();

	cost_queue_disconnect(queue);
	for (unsigned i = 0; queue_pairs() == count; i++) {
		if (i == 1000)
			cost_fail("a queue pair does not end");
		turn();
	}
}

static void forget(struct cost_queue *queue)
{
	cost_host_forget_events();
	cost_queue_free(queue);
}

/* @qid: of the last controller, and free. */
static void connections_count(uint16_t qid)
{
	for (uint32_t i = 0; i < MORE; i++) {
		struct cost_queue *queue = cost_queue_prepare(qid, 2, 4096);

		cost_host_turn(cost_turn_counted);
		cost_queue_connect(queue);
		cost_host_turn(cost_turn);
		CALLGRIND_DUMP_STATS_AT("connect");
		end(queue, cost_turn_counted);
		CALLGRIND_DUMP_STATS_AT("disconnect");
		forget(queue);
	}
}

static void rounds(struct cost_queue *queue, uint32_t namespaces, uint32_t count)
{
	struct cost_io io = {.opcode = OPC_READ, .len = 4096};

	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < BATCH && queue->idle_count; k++) {
			io.nsid = io.nsid % namespaces + 1;
			cost_submit(queue, &io);
		}
		cost_fabric_run();
		cost_poll_counted();
		cost_collect(queue);
	}
}

static void reads_count(struct cost_queue *queue, uint32_t namespaces, uint32_t count)
{
	uint64_t answers;

	rounds(queue, namespaces, WARM);
	CALLGRIND_ZERO_STATS;
	answers = queue->answers;
	rounds(queue, namespaces, count);
	CALLGRIND_DUMP_STATS_AT("read");
	printf("reads %llu\n", (unsigned long long)(queue->answers - answers));
	/* What the last round left. */
	for (uint32_t i = 0; i < 4; i++)
		cost_poll_counted();
	CALLGRIND_ZERO_STATS;
	for (uint32_t i = 0; i < count; i++)
		cost_poll_counted();
	CALLGRIND_DUMP_STATS_AT("idle");
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void churn(uint16_t qid, uint32_t count)
{
	double began = seconds();

	CALLGRIND_TOGGLE_COLLECT;
	for (uint32_t i = 0; i < count; i++) {
		struct cost_queue *queue = cost_queue_open(qid, 2, 4096);

		end(queue, cost_turn);
		forget(queue);
	}
	CALLGRIND_TOGGLE_COLLECT;
	CALLGRIND_DUMP_STATS_AT("churn");
	printf("connections_per_second %.0f\n", count / (seconds() - began));
}

int main(int argc, char **argv)
{
	static const struct fabric_device t0 = {
		.name = "t0", .address = "10.66.0.1", .max_cqe = 1u << 20};
	static const struct fabric_device h0 = {.name = "h0", .address = "10.66.0.9"};
	struct cost_target_opts opts = {.io_queues = COST_QUEUES_OF_CTRL + 1, .depth = DEPTH};
	struct cost_queue *queue;
	uint32_t queues, namespaces;

	if (argc != 5)
		cost_fail("usage: wrasse-scale QUEUES NAMESPACES ROUNDS CONNECTIONS");
	queues = cost_number(argv[1]);
	namespaces = cost_number(argv[2]);
	fabric_init(FABRIC_SIMULATED);
	fabric_device_add(&t0);
	fabric_device_add(&h0);
	cost_memory_begin();
	opts.max_namespaces = namespaces + MORE;
	cost_target_open(&opts);
	for (uint32_t i = 1; i < namespaces; i++)
		cost_target_add_ns();
	cost_host_open(cost_turn);
	queue = cost_queues_add(DEPTH, 4096);
	for (uint32_t i = 1; i < queues; i++)
		cost_queues_add(2, 4096);
	printf("memory %lld\n", (long long)cost_memory());
	CALLGRIND_START_INSTRUMENTATION;
	reads_count(queue, namespaces, cost_number(argv[3]));
	connections_count(COST_QUEUES_OF_CTRL + 1);
	churn(COST_QUEUES_OF_CTRL + 1, cost_number(argv[4]));
	namespaces_add();
	cost_queues_close();
	cost_host_close();
	cost_target_close();
	return 0;
}
