/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The target of wrasse-cost and wrasse-scale, on the simulated fabric and in the host's thread. What is to be counted
 * is between two marks: callgrind collects there and nowhere else; and if cost_trace is set they are lines in valgrind's
 * log, where lackey writes every access to memory.
 */
#ifndef PERF_COST_TARGET_H
#define PERF_COST_TARGET_H

#include <wrasse/wrasse.h>

#include "cost.h"

#ifdef HAVE_CALLGRIND
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS_AT(name) (void)(name)
#define VALGRIND_PRINTF(...)
#endif

struct cost_target_opts {
	uint32_t io_queues;      /* per controller */
	uint32_t depth;          /* of an I/O queue */
	uint32_t max_namespaces; /* of which one is made; 0: the library's default */
	uint32_t io_opcodes;     /* that the backend takes besides */
	bool lends;              /* the backend lends the memory for the data */
	bool polled;             /* it completes in poll() what it got in submit() */
};

extern struct wrasse_poll_group *cost_group; /* the only one */
extern bool cost_trace;

/* A target with one poll group, a subsystem, and the listener to which cost_host.c connects. */
void cost_target_open(const struct cost_target_opts *opts);
/* One more. */
void cost_target_add_ns(void);
/* Drains it; hosts have gone. */
void cost_target_close(void);

/* Ends the program if @rc is a negative errno value. */
void cost_check(int rc, const char *what);

/* What is done between the two is the target's, and counts. */
void cost_count_begin(void);
void cost_count_end(void);

/* Everything that is on its way arrives. */
void cost_fabric_run(void);

/* A turn of target and fabric: all of them poll, the group goes to sleep and looks at its CM events in the next. */
void cost_turn(void);
/* The same; the target's part counts. */
void cost_turn_counted(void);

/* One poll of the group, which counts; then a turn of the fabric. */
void cost_poll_counted(void);

/* Tells the trace's reader where the library is. */
void cost_trace_begin(void);

#endif
