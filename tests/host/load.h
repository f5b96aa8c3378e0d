/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of wrasse-host load share: the job, its connections and queues, the counts. */
#ifndef HOST_LOAD_H
#define HOST_LOAD_H

#include "host.h"

#define LOAD_MAX_DESCS 16
#define LOAD_MAX_CONNS 256
#define LOAD_REGIONS   4 /* that each operation of a verifying load goes round */
#define LOAD_BUCKETS   (64 * 16)

enum load_mode { LOAD_READ, LOAD_WRITE, LOAD_MIX, LOAD_VERIFY };

struct load_job {
	struct host_target to;
	const char *nqns[2 * LOAD_MAX_CONNS];
	char *names; /* those made from a prefix */
	uint32_t nqn_count;
	uint32_t queues;
	uint32_t depth;
	uint32_t size;
	uint32_t descs;
	uint32_t read_credits;
	uint32_t seconds;
	enum load_mode mode;
	int inline_data;
	int invalidate;
	int stop_on_disconnect;
	int expect_disconnect;
};

struct load_counts {
	uint64_t ios;
	uint64_t verified;
	uint64_t wrong;
	uint64_t errors;
	uint64_t aborted; /* with a status that a target on its way down may give */
	uint64_t not_invalidated;
	uint32_t lost;
	uint64_t latency[LOAD_BUCKETS];
};

struct load;

/* One of the commands that a queue keeps in flight. */
struct load_op {
	struct load_queue *lq;
	uint32_t index;
	uint32_t round;
	bool reading;
	uint32_t key;
	uint32_t piece_count;
	struct host_piece pieces[LOAD_MAX_DESCS];
	uint8_t descs[16 * LOAD_MAX_DESCS];
};

struct load_queue {
	struct load *load;
	struct load_conn *conn;
	struct host_queue *q;
	uint32_t index; /* in its connection */
	struct load_op *ops;
	uint8_t *scratch;
};

struct load_conn {
	struct host_ctrl ctrl;
	struct load_queue *queues;
	uint64_t first_lba; /* connections of one subsystem share its namespace */
	bool lost;
};

struct load {
	struct load_job job;
	struct load_conn *conns;
	struct load_counts counts;
	bool stopping;
};

int load_queue_start(struct load_queue *lq);
void load_queue_stop(struct load_queue *lq);
uint64_t load_lbas(const struct load *l, uint32_t lba_size);
int load_bucket(uint64_t ns);
uint64_t load_bucket_ns(int bucket);

#endif
