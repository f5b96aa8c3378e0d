/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queue pairs: set-up, failure, tear-down. A queue pair belongs to its poll group's thread from the
 * first message on. Whatever ends it, it goes one way: rdmat_qp_disconnect(), then rdmat_qp_reap()
 * from the poll loop until it is gone.
 */
#ifndef WRASSE_TRANSPORT_QP_H
#define WRASSE_TRANSPORT_QP_H

#include <rdma/rdma_cma.h>

#include "transport/cm.h"
#include "transport/request.h"

/* The state machine: X(state, what it means, successors). */
#define RDMAT_QP_STATES(X)                                                                \
	X(CONNECTING, "accepted, not established yet",                                    \
	  RDMAT_QP_TO(ACTIVE) | RDMAT_QP_TO(DISCONNECTING))                               \
	X(ACTIVE, "carries capsules", RDMAT_QP_TO(DISCONNECTING))                         \
	X(DISCONNECTING, "in error, flushes", RDMAT_QP_TO(DRAINED))                       \
	X(DRAINED, "destroyed in the hardware; waits for the backend", RDMAT_QP_TO(GONE)) \
	X(GONE, "about to be freed", 0)

#define RDMAT_QP_TO(state) (1u << RDMAT_QP_##state)

enum rdmat_qp_state {
#define RDMAT_X(state, what, successors) RDMAT_QP_##state,
	RDMAT_QP_STATES(RDMAT_X)
#undef RDMAT_X
		RDMAT_QP_STATE_COUNT
};

struct rdmat_qp_state_info {
	const char *name;
	const char *what;
	uint32_t successors;
};

extern const struct rdmat_qp_state_info rdmat_qp_states[RDMAT_QP_STATE_COUNT];

struct rdmat_group_device;

struct rdmat_qp {
	struct pool_link link;       /* group->qps or group->dying */
	struct pool_link dirty_link; /* group->dirty: has WRs to post */
	struct pool_link wait_link;  /* class->waiting: has requests in WAIT_RESOURCES */
	struct pool_link auth_link;  /* group->auths */
	struct pool_link pair_link;  /* group->pairs: has a fused pair that waits for its turn */
	struct rdmat_qp *hash_next;
	struct wrasse_poll_group *group;
	struct rdmat_group_device *device;
	struct rdma_cm_id *id;
	struct ibv_qp *qp;       /* NULL once destroyed */
	struct rdmat_rx *rx;     /* its own receive queue; NULL with a shared one */
	struct rdmat_rx *shared; /* admin queues: the receive queue that they share, or NULL */
	struct rdmat_class *class;
	enum rdmat_qp_state state;
	bool tearing;         /* set once by rdmat_qp_disconnect() */
	_Atomic(bool) broken; /* the device says so; any thread */
	uint32_t ticket;      /* rdmat_admission_leave(); guarded by the lock */
	uint32_t qpn;
	uint32_t number;       /* how manieth queue pair of its group it is */
	uint32_t reserved;     /* of class->reserved */
	uint32_t wanted;       /* of the shared receiver's wanted */
	uint32_t outstanding;  /* commands that the host waits for */
	uint32_t requests_out; /* requests that are not FREE */
	uint32_t held;         /* those that the controller keeps */
	uint32_t paused;       /* those that wait for a resume */
	uint32_t sq_free;      /* send-queue slots */
	uint32_t reads_free;   /* READ credits */
	uint32_t max_sge;
	unsigned response_flags;    /* IBV_SEND_INLINE, or 0 */
	uint32_t response_lkey;     /* of the memory that its class has its responses in */
	uint32_t small_lkey;        /* of its group's small buffers */
	uint32_t large_lkey;        /* and of the large ones */
	unsigned device_index;      /* device->device->index */
	struct rdmat_wr *sq_oldest; /* FIFO of all WRs queued or posted and not retired */
	struct rdmat_wr *sq_newest;
	struct rdmat_wr *sq_unposted;     /* the first that the hardware does not have yet */
	uint32_t sq_unposted_count;       /* it, and those behind it */
	uint32_t sq_signal_at;            /* when they are so many, one more is signaled: */
	uint32_t sq_part;                 /* one of so many */
	uint32_t sq_unsignaled;           /* WRs posted behind the last signaled one */
	uint32_t sq_unsignaled_max;       /* 0: the end of each post is signaled */
	uint64_t posted_ns;               /* when the last post was */
	struct pool_link unsignaled_link; /* group->unsignaled */
	struct rdmat_wr mark;             /* see rdmat_sendq_mark() */
	bool marked;                      /* it is in the FIFO */
	struct rdmat_request *half; /* a first half of a fused pair whose second has not come */
	/* Requests that src/nvme wants to be asked about again, linked by nvme.next. */
	struct nvme_request *retry;
	struct nvme_request **retry_tail;
	struct rdmat_request *auth; /* waits for its turn among group->auths */
	uint64_t deadline_ns;       /* of the connect phase, then of the flush */
	uint64_t swept; /* group->device sweep that must pass after the queue pair was destroyed */
	uint64_t next_tick_ns;         /* admin queues: the controller's next timer */
	uint64_t listener;             /* number of the listener it came through */
	const char *must_end;          /* why, if it must; for rdmat_group_sync() */
	struct rdmat_request *partial; /* RESPONDING, and not all of its WRs are queued */
	struct pool_list lists[RDMAT_REQUEST_STATE_COUNT]; /* see rdmat_request_has_list() */
	struct nvme_queue nvme;
};

/* A connection request on its way to its group. */
struct rdmat_new_conn {
	struct rdmat_msg msg;
	struct rdma_cm_id *id;
	struct rdmat_device *device;
	struct rdmat_cm_request request;
	uint8_t read_depth; /* what the host grants */
	uint8_t ack_timeout;
	uint8_t tos;
	uint64_t listener;
	uint32_t ticket;
	struct nvme_conn nvme;
};

/* Group thread; a message. Sets up the queue pair and accepts, or rejects with a status; frees the
 * message. */
void rdmat_qp_connect(struct wrasse_poll_group *group, struct rdmat_msg *msg);

/* Frees a connection request, whose id has gone elsewhere. NULL is legal. */
void rdmat_conn_free(struct rdmat_new_conn *conn);

/* Rejects a connection request with a status in its private data and destroys the id. */
void rdmat_cm_reject(struct rdma_cm_id *id, enum rdmat_cm_status status);

/* The connection stands: by event, or because a capsule came first. */
void rdmat_qp_established(struct rdmat_qp *qp);

/*
 * Begins the end: every request goes to FLUSHING, the queue pair to the error state, the host is
 * told. Does nothing the second time. Takes the lock.
 *
 * @why: for the log, a warning; NULL: an ordinary end.
 */
void rdmat_qp_disconnect(struct rdmat_qp *qp, const char *why);

/* The same for an end that follows from another, which was told already: its @why is no warning. */
void rdmat_qp_end(struct rdmat_qp *qp, const char *why);

/* Empties the list of requests to ask about again. Return: its first. */
struct nvme_request *rdmat_qp_take_retries(struct rdmat_qp *qp);

/* Goes on with the end of a queue pair as far as possible. Return: whether it is gone (and freed).
 */
bool rdmat_qp_reap(struct rdmat_qp *qp);

/* Moves the state; an illegal move stops the program. */
void rdmat_qp_move(struct rdmat_qp *qp, enum rdmat_qp_state to);

/* For log lines: "admin queue of nqn... (10.0.0.1)" in a buffer of the caller's. */
const char *rdmat_qp_name(const struct rdmat_qp *qp, char *buf, size_t len);

#endif
