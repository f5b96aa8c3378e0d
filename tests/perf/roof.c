/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-roof OP SIZE DEPTH BATCH ROUNDS: what wrasse-cost measures, of the least that a target can do (tests/bench/raw.h). OP:
 * read, or write-in-capsule. What counts is this program's own.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "bench/raw.h"
#include "cost_target.h"
#include "fabric.h"
#include "host/wire.h"

static void turn(void)
{
	fabric_party_set(PARTY_TARGET);
	raw_cm_events();
	raw_poll();
	fabric_party_set(PARTY_HOST);
	cost_fabric_run();
	fabric_advance(1000000);
}

static void poll_counted(void)
{
	cost_count_begin();
	raw_poll();
	cost_count_end();
	cost_fabric_run();
}

static void rounds(struct cost_queue *queue, const struct cost_io *io, uint32_t batch,
		   uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < batch && queue->idle_count; k++)
			cost_submit(queue, io);
		cost_fabric_run();
		poll_counted();
		cost_collect(queue);
	}
}

int main(int argc, char **argv)
{
	static const struct fabric_device t0 = {
		.name = "t0", .address = "10.66.0.1", .max_cqe = 1u << 20};
	static const struct fabric_device h0 = {.name = "h0", .address = "10.66.0.9"};
	static const struct raw_ns ns = {.nqn = "nqn.2026-11.io.wrasse:cost", .blocks = 1u << 20};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(4420)};
	struct cost_queue *queue;
	struct cost_io io;
	uint64_t answers;
	bool is_write;

	if (argc != 6)
		cost_fail("usage: wrasse-roof OP SIZE DEPTH BATCH ROUNDS");
	is_write = strcmp(argv[1], "write-in-capsule") == 0;
	if (!is_write && strcmp(argv[1], "read") != 0)
		cost_fail("no operation '%s'", argv[1]);
	io = (struct cost_io){.opcode = is_write ? OPC_WRITE : OPC_READ,
			      .in_capsule = is_write,
			      .len = cost_number(argv[2])};
	fabric_init(FABRIC_SIMULATED);
	fabric_device_add(&t0);
	fabric_device_add(&h0);
	fabric_party_set(PARTY_TARGET);
	inet_pton(AF_INET, t0.address, &address.sin_addr);
	raw_listen(&address, &ns);
	fabric_party_set(PARTY_HOST);
	cost_host_open(turn);
	queue = cost_queues_add(cost_number(argv[3]), io.len);
	CALLGRIND_START_INSTRUMENTATION;
	rounds(queue, &io, cost_number(argv[4]), 16);
	CALLGRIND_ZERO_STATS;
	answers = queue->answers;
	rounds(queue, &io, cost_number(argv[4]), cost_number(argv[5]));
	printf("ios %llu\n", (unsigned long long)(queue->answers - answers));
	return 0;
}
