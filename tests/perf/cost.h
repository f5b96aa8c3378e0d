/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host for measurements: queues on the simulated fabric, in the same thread as the target, and
 * nothing left to chance. Every function ends the program with a line if something is not as it
 * should be.
 */
#ifndef PERF_COST_H
#define PERF_COST_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdint.h>

enum { PARTY_HOST, PARTY_TARGET };

#define COST_CAPSULE 8320u /* bytes between two capsules */

struct cost_queue {
	struct rdma_cm_id *id;
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	uint8_t *memory; /* capsules, then responses, then data */
	uint16_t qid;
	uint32_t depth;
	uint32_t data_len; /* bytes for each command */
	uint32_t *idle;    /* a stack of slots */
	uint32_t idle_count;
	uint64_t answers;
};

/* What one command does. */
struct cost_io {
	uint8_t opcode;
	bool in_capsule;
	uint32_t len; /* bytes; 0: no data */
};

/* What runs while the host waits: a turn of the target and of the fabric. */
typedef void (*cost_turn_fn)(void);

void cost_host_open(cost_turn_fn turn);

/* A connected, and for qid 0 enabled, queue of the one controller. */
struct cost_queue *cost_queue_open(uint16_t qid, uint32_t depth, uint32_t data_len);

/* Sends one command; there is an idle slot. */
void cost_submit(struct cost_queue *queue, const struct cost_io *io);

/* Takes answers; each must be a success. Return: how many. */
uint32_t cost_collect(struct cost_queue *queue);

/* Ends the connection; the target sees it in some of its next turns. */
void cost_queue_disconnect(struct cost_queue *queue);
void cost_queue_free(struct cost_queue *queue);
void cost_host_close(void);

/* From now on the library's memory is counted: what it has allocated and not freed since, in bytes. */
void cost_memory_begin(void);
int64_t cost_memory(void);

/* Ends the program. */
void cost_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
