/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The books: what each pool has, what is out, and who holds it.
 */
#ifndef WRASSE_REPORT_H
#define WRASSE_REPORT_H

#include <wrasse/base.h>

WRASSE_BEGIN_DECLS

/* The books of one pool. */
struct wrasse_pool_line {
	const char *name;  /* "wr pool", "small buffers", ...; a constant string */
	unsigned group;    /* the poll group's number */
	uint64_t capacity; /* what there is */
	uint64_t free;     /* what is in the pool now */
	uint64_t peak;     /* the most that was out at once */
	uint64_t waits;    /* how often somebody had to wait for it */
};

/*
 * One request that holds something. A request whose state is "FREE" serves no command and should
 * hold nothing: what is out in its name was lost by a fault in the library. It is described by the
 * command that it served last.
 */
struct wrasse_holder {
	unsigned group;      /* the poll group's number */
	const char *state;   /* the request's state, or PARKED: its capsule waits for a request */
	const char *hostnqn; /* the host's NQN, "" before Connect or if it is long gone */
	const char *subnqn;  /* the subsystem's NQN, likewise */
	uint16_t cntlid;     /* the controller, 0 before Connect */
	uint16_t qid;        /* the queue */
	uint16_t cid;        /* the command's identifier */
	uint8_t opcode;      /* the command */
	uint32_t nsid;       /* the namespace that it names, 0: none */
	bool admin;          /* whether it is an admin or Fabrics command */
	uint64_t age_ns;     /* since its capsule came */
	uint32_t wrs;        /* WRs of the WR pool */
	uint32_t small_buffers;
	uint32_t large_buffers;
	uint32_t queue_slots;  /* WRs that the hardware has */
	uint32_t read_credits; /* those of them that are RDMA READs */
	bool receive_slot;     /* whether it holds its in-capsule data */
	bool backend;          /* whether the backend has not answered */
	bool lent;             /* whether its data is in memory that the backend lends */
};

/* How a drain ended. */
struct wrasse_drain_report {
	size_t size;               /* sizeof(struct wrasse_drain_report) */
	bool clean;                /* nothing is held and every pool is full */
	bool forced;               /* the deadline passed before all I/O in flight had ended */
	uint64_t duration_ns;      /* from wrasse_target_drain() to the report */
	unsigned queue_pairs_left; /* queue pairs that could not be freed */
	unsigned groups_silent; /* poll groups that were not polled and so could not be drained */
	unsigned pool_count;
	unsigned holder_count;
	const struct wrasse_pool_line *pools; /* pool_count of them, every pool of every group */
	const struct wrasse_holder *holders;  /* holder_count of them: at most 1024 are listed */
	unsigned holders_omitted;             /* how many more there are */
};

WRASSE_END_DECLS

#endif
