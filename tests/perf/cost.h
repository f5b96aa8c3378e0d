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

#define COST_CAPSULE        8320u /* bytes between two capsules */
#define COST_QUEUES_OF_CTRL 1023u

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
	uint32_t len;  /* bytes; 0: no data */
	uint32_t nsid; /* 0: the first namespace */
};

/* What runs while the host waits: a turn of the target and of the fabric. */
typedef void (*cost_turn_fn)(void);

void cost_host_open(cost_turn_fn turn);
/* Another turn from now on. */
void cost_host_turn(cost_turn_fn turn);

/* A connected, and for qid 0 enabled, queue of the last controller; qid 0 makes one. */
struct cost_queue *cost_queue_open(uint16_t qid, uint32_t depth, uint32_t data_len);

/* The same in two steps: all that the target hears nothing of, and the rest. */
struct cost_queue *cost_queue_prepare(uint16_t qid, uint32_t depth, uint32_t data_len);
void cost_queue_connect(struct cost_queue *queue);

/* Sends one command; there is an idle slot. */
void cost_submit(struct cost_queue *queue, const struct cost_io *io);

/* Takes answers; each must be a success. Return: how many. */
uint32_t cost_collect(struct cost_queue *queue);

/* Ends the connection; the target sees it in some of its next turns. */
void cost_queue_disconnect(struct cost_queue *queue);
void cost_queue_free(struct cost_queue *queue);
/* Takes the events of connections that have ended, which nobody waits for. */
void cost_host_forget_events(void);
void cost_host_close(void);

/* One more I/O queue, with an admin queue before it where one is due. It lives until all are closed. */
struct cost_queue *cost_queues_add(uint32_t depth, uint32_t data_len);
/* Ends and frees all of them. */
void cost_queues_close(void);

/* From now on the library's memory is counted: what it has allocated and not freed since, in bytes. */
void cost_memory_begin(void);
int64_t cost_memory(void);

/* Where the library's code is. */
void cost_library(uintptr_t *begin, uintptr_t *end);

/* What an argument says, or the end of the program. */
uint32_t cost_number(const char *text);

/* Ends the program. */
void cost_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
