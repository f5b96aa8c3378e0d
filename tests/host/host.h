/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small NVMe-oF host on librdmacm and libibverbs, for what Linux's host never sends.
 *
 * It owns queues (one connection each), their command slots and their registered memory. Every byte that
 * goes out can be chosen; nothing is checked for sense on the way out. One thread owns a queue. No call
 * waits without a deadline, and none sleeps: they wait on the queue's two file descriptors.
 *
 * Functions return 0 or a positive count, or -errno; -ENOTCONN says that the connection has ended.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "wire.h"

#define HOST_MAX_SLOTS  1024
#define HOST_MAX_PIECES 256
#define RESPONSE_SIZE   64

/* Whom to connect to, and as whom. */
struct host_target {
	const char *addr;
	const char *port;
	const char *source; /* NULL: any */
	const char *nqn;
	const char *hostnqn;
	uint8_t hostid[16];
	uint32_t timeout_ms;
};

/* One connection. The claims in the private data and what this side really has are apart. */
struct host_params {
	const struct host_target *to;
	uint16_t recfmt;
	uint16_t qid;
	uint16_t hrqsize; /* 1-based */
	uint16_t hsqsize; /* 0-based */
	uint16_t cntlid;
	const void *private_data; /* instead of the five above */
	uint8_t private_len;
	uint8_t read_credits; /* RDMA READs that the target may have outstanding to us */
	uint8_t retry_count;
	uint8_t rnr_retry;
	bool half_open;        /* never answer the accept: the target waits for the third message */
	uint32_t slots;        /* commands that this side can have in flight */
	uint32_t capsule_size; /* the longest capsule that can be sent */
	uint32_t data_len;     /* registered memory of the queue */
};

enum host_state { HOST_IDLE, HOST_REJECTED, HOST_FAILED, HOST_CONNECTED, HOST_LOST };

/* A type 2 memory window: the key that a target may invalidate. */
struct host_window {
	struct ibv_mw *mw;
	uint32_t rkey;
};

struct host_slot {
	uint16_t cid;
	bool busy;
	bool sent;
	bool answered;
	uint8_t generation;
	uint32_t invalidated; /* key that the response invalidated, 0: none */
	uint64_t started_ns;
	void *user; /* whatever its taker wants to find again */
	struct wire_cqe cqe;
	struct ibv_send_wr wr;
	struct ibv_sge sge;
	struct ibv_send_wr bind;
	struct host_window window;
};

struct host_queue {
	struct host_params params;
	enum host_state state;
	char why[160]; /* what ended it, or why it never was */
	int reject_reason;
	uint16_t reject_sts;
	uint8_t accept_data[56];
	size_t accept_len;

	struct rdma_event_channel *events;
	struct rdma_cm_id *id;
	struct ibv_qp *half_open_qp;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_mr *capsule_mr;
	uint8_t *capsules; /* slots * capsule_size */
	struct ibv_mr *response_mr;
	uint8_t *responses; /* slots * RESPONSE_SIZE */
	struct ibv_mr *data_mr;
	uint8_t *data; /* params.data_len */

	struct host_slot *slots;
	uint32_t in_flight;
	uint32_t unanswered;
	uint32_t strays; /* responses that no command waited for */
	uint16_t sqhd;
	bool corked;
	struct ibv_send_wr *chain;
	struct ibv_send_wr *chain_last;
	/* For who wants to see each response as it comes; the slot stays taken until host_give(). */
	void (*on_response)(struct host_queue *q, struct host_slot *slot, void *arg);
	void *arg;
};

/* A command as it shall leave. */
struct host_cmd {
	struct wire_sqe sqe;
	const void *icd; /* bytes that follow it in the capsule */
	uint32_t icd_len;
	uint32_t raw_len;         /* not 0: the capsule is so many bytes, whatever the above say */
	struct ibv_mr *window_mr; /* not NULL: bind the slot's window to the range below first, */
	uint64_t window_addr; /* and put its key into the descriptor at key_off of the capsule */
	uint32_t window_len;
	uint32_t key_off;
};

/* conn.c */
void host_params_init(struct host_params *p, const struct host_target *to, uint16_t qid,
		      uint16_t depth);
int host_queue_open(struct host_queue **q, const struct host_params *p);
void host_queue_close(struct host_queue *q);
void host_events_poll(struct host_queue *q);
void host_lost(struct host_queue *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int host_fds(const struct host_queue *q, int fds[2]);

/* cmd.c */
int host_recvs_post(struct host_queue *q);
struct host_slot *host_take(struct host_queue *q);
void host_give(struct host_queue *q, struct host_slot *slot);
int host_send(struct host_queue *q, struct host_slot *slot, const struct host_cmd *cmd);
void host_cork(struct host_queue *q);
int host_uncork(struct host_queue *q);
int host_poll(struct host_queue *q);
void host_arm(struct host_queue *q);
int host_pump(struct host_queue *q, uint64_t deadline_ns);
int host_submit(struct host_queue *q, const struct host_cmd *cmd, struct host_slot **slot);
int host_wait(struct host_queue *q, struct host_slot *slot, struct wire_cqe *cqe);
int host_exec(struct host_queue *q, const struct host_cmd *cmd, struct wire_cqe *cqe);
bool host_ended_within(struct host_queue *q, uint32_t timeout_ms);

/* sgl.c */
struct host_piece {
	uint32_t off; /* in the queue's data memory */
	uint32_t len;
};
void host_cmd_init(struct host_cmd *cmd, uint8_t opc, uint32_t nsid);
void host_cmd_rw(struct host_cmd *cmd, uint8_t opc, uint32_t nsid, uint64_t slba, uint32_t blocks);
void host_sgl_keyed(struct host_cmd *cmd, const struct host_queue *q, uint32_t off, uint32_t len);
void host_sgl_invalidate(struct host_cmd *cmd, struct host_queue *q, uint32_t off, uint32_t len);
void host_sgl_inline(struct host_cmd *cmd, const void *data, uint32_t len);
uint32_t host_split(struct host_piece *p, uint32_t n, uint32_t off, uint32_t len, uint32_t gap);
void host_sgl_list(struct host_cmd *cmd, const struct host_queue *q, const struct host_piece *p,
		   uint32_t n, uint8_t *list);
void host_scatter(struct host_queue *q, const struct host_piece *p, uint32_t n, const void *data);
void host_gather(const struct host_queue *q, const struct host_piece *p, uint32_t n, void *data);
void host_pattern(void *data, size_t len, uint64_t lba, uint64_t generation);
int64_t host_pattern_check(const void *data, size_t len, uint64_t lba, uint64_t generation);

/* ctrl.c */
struct host_connect {
	struct host_cmd cmd;
	uint8_t data[CONNECT_DATA_LEN];
	uint32_t data_len;
	bool inline_data;
};

struct host_ctrl {
	struct host_target to;
	struct host_queue *admin;
	struct host_queue *io;
	uint16_t cntlid;
	uint32_t kato_ms;
	uint64_t cap;
	uint32_t nsid;
	uint64_t lba_count;
	uint32_t lba_size;
	uint32_t max_transfer; /* bytes, UINT32_MAX: no limit */
	uint32_t icd_max;      /* bytes */
	uint8_t max_descs;
	uint8_t aerl;
};

void host_connect_init(struct host_connect *c, const struct host_queue *q, uint16_t cntlid);
int host_connect(struct host_queue *q, struct host_connect *c, struct wire_cqe *cqe);
int host_prop_get(struct host_queue *q, uint32_t off, uint8_t attrib, struct wire_cqe *cqe);
int host_prop_set(struct host_queue *q, uint32_t off, uint8_t attrib, uint64_t v,
		  struct wire_cqe *cqe);
int host_ctrl_enable(struct host_queue *admin, uint32_t cc, uint32_t mask, uint32_t csts);
int host_ctrl_up(struct host_ctrl *c, const struct host_target *to, char *why, size_t why_len);
int host_ctrl_io(struct host_ctrl *c, struct host_params *p, struct host_queue **q);
void host_ctrl_down(struct host_ctrl *c);

static inline uint64_t host_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t host_deadline(const struct host_queue *q)
{
	return host_now_ns() + (uint64_t)q->params.to->timeout_ms * 1000000u;
}

static inline uint8_t *host_capsule(const struct host_queue *q, const struct host_slot *slot)
{
	return q->capsules + (size_t)(slot - q->slots) * q->params.capsule_size;
}

#endif
