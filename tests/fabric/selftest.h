/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the fabric's own tests share: two queue pairs that are connected by hand, each with its memory,
 * and the choosing of actions by name.
 */
#ifndef TESTS_FABRIC_SELFTEST_H
#define TESTS_FABRIC_SELFTEST_H

#include <infiniband/verbs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.h"

#define LEN 8192u

struct side {
	struct ibv_context *context;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_srq *srq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	uint8_t *mem; /* LEN bytes */
};

/* How the sides of a test are made. 0 in a member: the default. */
struct config {
	struct fabric_device device;
	uint32_t send_wrs, recv_wrs, srq_wrs, cqes;
	uint8_t reads, rnr_retry, retry_cnt; /* the last two: 0 is 7; 8 is 0 */
	bool threaded;
};

extern struct side a, b;

#define check(cond)                                      \
	do {                                             \
		if (!(cond))                             \
			fail(__FILE__, __LINE__, #cond); \
	} while (0)

void fail(const char *file, int line, const char *what);

/* Begins a world with two connected queue pairs; strict. */
void begin(const struct config *config);
void end(void);
void to_rtr(struct side *s, uint32_t qpn, const struct config *config);
void connect_to(struct side *s, uint32_t qpn, const struct config *config);
int to_state(struct side *s, enum ibv_qp_state state);

struct ibv_send_wr wr_of(struct side *s, struct ibv_sge *sge, enum ibv_wr_opcode op, uint64_t id,
			 uint32_t off, uint32_t len);
/* One WR; for RDMA to or from @peer_off of the other side. Signaled. */
int post(struct side *s, enum ibv_wr_opcode op, uint64_t id, uint32_t off, uint32_t len,
	 uint32_t peer_off);
int receive(struct side *s, uint64_t id, uint32_t off, uint32_t len);
/* The next completion must be this one. */
struct ibv_wc took(struct side *s, uint64_t id, enum ibv_wc_status status);
void nothing(struct side *s);
void event(struct side *s, enum ibv_event_type type);
void no_event(struct side *s);

/* The action of @s by kind; what: NULL: any. */
bool can(const struct side *s, enum fabric_kind kind, const char *what);
void step(const struct side *s, enum fabric_kind kind, const char *what);
void drop(const struct side *s, enum fabric_kind kind, const char *what);
/* All that can happen, the first first, and timers. */
void run_all(void);

/* Runs @fn, which must be misuse whose line has @words in it. */
void misused(void (*fn)(void), const char *words);

/* Each fails by itself. */
struct test {
	const char *name;
	void (*run)(void);
};
extern const struct test course_tests[], error_tests[], misuse_tests[];

#endif
