/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What conformance cases share: a case's context, the queues it opened, its verdict.
 *
 * A case is a function that returns true when it holds. What it opens through this header is closed for it.
 * Every expectation that fails says in words what was expected and what came instead.
 */
#ifndef HOST_PROBE_H
#define HOST_PROBE_H

#include "host.h"

#define PROBE_MAX_OPEN 80

struct probe {
	struct host_target to;
	uint32_t connect_deadline_ms;
	struct host_target auth; /* the same with a subsystem that asks for authentication */
	const char *secret;      /* for that: the host's and the controller's */
	const char *ctrl_secret;
	const char *name;
	char why[400];
	uint32_t queue_count;
	uint32_t ctrl_count;
	struct host_queue *queues[PROBE_MAX_OPEN];
	struct host_ctrl *ctrls[PROBE_MAX_OPEN];
};

struct probe_case {
	const char *name;
	bool (*run)(struct probe *p);
	bool slow;          /* waits for seconds: gets a process of its own, beside the others */
	bool asks_for_auth; /* needs a subsystem that does */
};

struct probe_group {
	const struct probe_case *cases;
	uint32_t count;
};

extern const struct probe_group probe_cm;
extern const struct probe_group probe_connect;
extern const struct probe_group probe_property;
extern const struct probe_group probe_admin;
extern const struct probe_group probe_inline;
extern const struct probe_group probe_list;
extern const struct probe_group probe_io;
extern const struct probe_group probe_fused;
extern const struct probe_group probe_hostile;
extern const struct probe_group probe_auth;
extern const struct probe_group probe_auth_wrong;

#define PROBE_GROUP(group, table) \
	const struct probe_group group = {table, sizeof(table) / sizeof((table)[0])}

bool probe_fail(struct probe *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Things that work. NULL, and the case has failed, when they do not. */
struct host_queue *probe_open(struct probe *p, const struct host_params *params);
struct host_queue *probe_admin_connected(struct probe *p);
struct host_ctrl *probe_ctrl(struct probe *p);
struct host_ctrl *probe_ctrl_io(struct probe *p, uint16_t depth, uint8_t read_credits);
struct host_queue *probe_io_queue(struct probe *p, struct host_ctrl *c, uint16_t qid,
				  uint16_t depth);

/* A command that must be answered with one of the statuses; the list ends with PROBE_END. */
#define PROBE_END 0xffff
#define PROBE_DNR 0x8000 /* or-ed to a status: DNR must be set */
bool probe_exec(struct probe *p, struct host_queue *q, const struct host_cmd *cmd,
		struct wire_cqe *cqe);
bool probe_expect(struct probe *p, const char *what, const struct wire_cqe *cqe,
		  const uint16_t *any);
bool probe_exec_expect(struct probe *p, const char *what, struct host_queue *q,
		       const struct host_cmd *cmd, const uint16_t *any);
#define ANY(...) ((const uint16_t[]){__VA_ARGS__, PROBE_END})

/* Still alive: a round trip on an admin or I/O queue; a read on the controller's first I/O queue. */
bool probe_alive(struct probe *p, struct host_queue *admin);
bool probe_ends(struct probe *p, const char *what, struct host_queue *q);

/* Reads or writes blocks as one plain keyed transfer at the start of the queue's memory. */
bool probe_rw(struct probe *p, struct host_ctrl *c, uint8_t opc, uint64_t slba, uint32_t blocks);
bool probe_write_pattern(struct probe *p, struct host_ctrl *c, uint64_t slba, uint32_t blocks,
			 uint64_t generation);
bool probe_read_pattern(struct probe *p, struct host_ctrl *c, uint64_t slba, uint32_t blocks,
			uint64_t generation);

#endif
