/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the fabric's librdmacm share: a target and a host, and the choosing of actions. */
#ifndef TESTS_FABRIC_CM_SELFTEST_H
#define TESTS_FABRIC_CM_SELFTEST_H

#include <errno.h>
#include <rdma/rdma_cma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.h"

#define MS 1000000ull

#define check(cond)                                      \
	do {                                             \
		if (!(cond))                             \
			fail(__FILE__, __LINE__, #cond); \
	} while (0)

void fail(const char *file, int line, const char *what);

struct side {
	struct rdma_event_channel *channel;
	struct rdma_cm_id *id;
	struct ibv_cq *cq;
	struct rdma_cm_id *listener; /* the target's */
};

extern struct side target, host;

/* A strict world with the devices t0 (10.0.0.1) and h0 (10.0.0.2), a target that listens on t0, and
 * a host that has a route to it. */
void begin(void);
/* Destroys what is left of both, lets it all happen, and looks for leftovers. */
void end(void);

/* Makes the action of that name happen, or be lost. */
void step(const char *what);
void drop(const char *what);
bool can(const char *what);
/* All that can happen, the first first, timers not. */
void settle(void);
/* As long as there is a timer, at most @ns. */
void pass(uint64_t ns);

/* The next event, which must be of this type; acknowledged, with its private data in a static
 * buffer. */
struct rdma_cm_event took(struct side *side, enum rdma_cm_event_type type, int status);
void nothing(struct side *side);

void make_qp(struct side *side);
void drop_qp(struct side *side);
void host_connect(void);
/* REQ arrives and is taken. */
void target_take(void);
void target_accept(void);
/* All of it, and to the end. */
void connected(void);
enum ibv_qp_state state_of(const struct side *side);

/* Runs @fn, which must be misuse whose line has @words in it. */
void misused(void (*fn)(void), const char *words);

struct test {
	const char *name;
	void (*run)(void);
};
extern const struct test course_tests[], fault_tests[], misuse_tests[];

#endif
