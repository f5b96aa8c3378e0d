/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-cost: what one I/O costs the target, counted and not timed. Target and host take turns in
 * one thread on the simulated fabric, so each run is the same to the instruction. Under callgrind
 * only the target's polls are counted; under lackey, with trace, they are marked in its log.
 *
 *   wrasse-cost OP SIZE DEPTH BATCH QUEUES ROUNDS [trace]
 *
 * In each round the host sends BATCH commands, the fabric carries everything to its end, and the
 * target polls once. OP: one of the table below; idle is polls that find nothing. QUEUES I/O queues are connected, one
 * is used. What each of the others takes of the library's memory is counted too, with an admin queue for every 1023 of
 * them.
 */
#include <stdio.h>

#include "cost_target.h"
#include "fabric.h"
#include "host/wire.h"

static void rounds(struct cost_queue *queue, const struct cost_io *io, uint32_t batch,
		   uint32_t count, bool counted)
{
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; io && k < batch && queue->idle_count; k++)
			cost_submit(queue, io);
		cost_fabric_run();
		if (counted)
			cost_poll_counted();
		else
			cost_turn();
		cost_collect(queue);
	}
}

/* ---- the program ---- */

static const struct op {
	const char *name;
	struct cost_io io;
	bool has_data;
	bool lends;          /* the backend lends the memory for it */
	bool polled;         /* the backend completes it in poll() */
	uint32_t io_opcodes; /* that the backend takes for it */
} ops[] = {
	{"read", {.opcode = OPC_READ}, .has_data = true},
	{"read-polled", {.opcode = OPC_READ}, .has_data = true, .polled = true},
	{"read-lent", {.opcode = OPC_READ}, .has_data = true, .lends = true},
	{"write", {.opcode = OPC_WRITE}, .has_data = true},
	{"write-lent", {.opcode = OPC_WRITE}, .has_data = true, .lends = true},
	{"write-in-capsule", {.opcode = OPC_WRITE, .in_capsule = true}, .has_data = true},
	{"compare",
	 {.opcode = OPC_COMPARE},
	 .has_data = true,
	 .io_opcodes = WRASSE_IO_BIT(WRASSE_IO_COMPARE)},
	{"write-zeroes",
	 {.opcode = OPC_WRITE_ZEROES},
	 .io_opcodes = WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES)},
	{"discard",
	 {.opcode = OPC_DATASET_MANAGEMENT},
	 .io_opcodes = WRASSE_IO_BIT(WRASSE_IO_DISCARD)},
	{"flush", {.opcode = OPC_FLUSH}, .has_data = false},
	{"idle", {.opcode = 0}, .has_data = false},
};

static bool is_idle(const struct op *op)
{
	return strcmp(op->name, "idle") == 0;
}

/* Whether the memory was used that was to be measured. */
static void check_lent(const struct op *op)
{
	struct wrasse_poll_group_stats stats;

	wrasse_poll_group_get_stats(cost_group, &stats, sizeof(stats));
	/* The last Writes are still being fetched. */
	if (op->lends ? stats.lent < stats.reads + stats.writes : stats.lent > 0)
		cost_fail("of %llu commands %llu were lent memory",
			  (unsigned long long)(stats.reads + stats.writes),
			  (unsigned long long)stats.lent);
}

static void print(const char *what, uint64_t value, uint64_t ios)
{
	printf("%s %.4f\n", what, (double)value / (double)ios);
}

/* @trace: every access to memory is written, so that there are few rounds before what counts. */
static void measure(const struct op *op, uint32_t len, uint32_t batch, uint32_t count,
		    struct cost_queue *queue, bool trace)
{
	struct cost_io io = op->io;
	const struct cost_io *sent = is_idle(op) ? NULL : &io;
	struct fabric_stats before, after;
	uint64_t answers, ios;

	/* Not before: it is slow, and thousands of queues take long to connect. */
	CALLGRIND_START_INSTRUMENTATION;
	io.len = op->has_data ? len : 0;
	rounds(queue, sent, batch, trace ? 4 : 300, false);
	/* Awake from here on, as a group that never sleeps is. */
	rounds(queue, sent, batch, trace ? 4 : 16, true);
	CALLGRIND_ZERO_STATS;
	if (trace)
		cost_trace_begin();
	fabric_get_stats(PARTY_TARGET, &before);
	answers = queue->answers;
	rounds(queue, sent, batch, count, true);
	fabric_get_stats(PARTY_TARGET, &after);
	ios = is_idle(op) ? count : queue->answers - answers;
	printf("ios %llu\n", (unsigned long long)ios);
	print("completions", after.completions - before.completions, ios);
	print("send_posts", after.post_send_calls - before.post_send_calls, ios);
	print("send_wrs", after.send_wrs - before.send_wrs, ios);
	print("receive_posts", after.post_recv_calls - before.post_recv_calls, ios);
}

/* Return: the queue that is used. */
static struct cost_queue *queues_open(uint32_t count, uint32_t depth, uint32_t len)
{
	struct cost_queue *used;
	int64_t one;

	cost_memory_begin();
	used = cost_queues_add(depth, len);
	one = cost_memory();
	for (uint32_t i = 1; i < count; i++)
		cost_queues_add(2, 4096);
	if (count > 1)
		printf("memory %.1f\n", (double)(cost_memory() - one) / (count - 1));
	return used;
}

static const struct op *op_find(const char *name)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (strcmp(ops[i].name, name) == 0)
			return &ops[i];
	cost_fail("no operation '%s'", name);
}

int main(int argc, char **argv)
{
	static const struct fabric_device t0 = {
		.name = "t0", .address = "10.66.0.1", .max_cqe = 1u << 20};
	static const struct fabric_device h0 = {.name = "h0", .address = "10.66.0.9"};
	bool trace = argc == 8 && strcmp(argv[7], "trace") == 0;
	struct cost_target_opts opts;
	struct cost_queue *queue;
	const struct op *op;
	uint32_t len, depth, queues;

	if (argc != 7 && !trace)
		cost_fail("usage: wrasse-cost OP SIZE DEPTH BATCH QUEUES ROUNDS [trace]");
	op = op_find(argv[1]);
	len = cost_number(argv[2]);
	depth = cost_number(argv[3]);
	queues = cost_number(argv[5]);
	fabric_init(FABRIC_SIMULATED);
	fabric_device_add(&t0);
	fabric_device_add(&h0);
	opts = (struct cost_target_opts){
		.io_queues = queues < COST_QUEUES_OF_CTRL ? queues : COST_QUEUES_OF_CTRL,
		.depth = depth < 32 ? 32 : depth,
		.io_opcodes = op->io_opcodes,
		.lends = op->lends,
		.polled = op->polled,
	};
	cost_target_open(&opts);
	cost_host_open(cost_turn);
	queue = queues_open(queues, depth, len);
	measure(op, len, cost_number(argv[4]), cost_number(argv[6]), queue, trace);
	check_lent(op);
	cost_queues_close();
	cost_host_close();
	cost_target_close();
	return 0;
}
