/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The request: the unit of ownership. Everything that a command takes (receive slot, data buffers,
 * WR chain, send-queue slots, READ credits, the backend's hold) hangs on its request, and
 * request.c is the only file that writes the state or gives any of it back. Belongs to
 * the poll group's thread.
 */
#ifndef WRASSE_TRANSPORT_REQUEST_H
#define WRASSE_TRANSPORT_REQUEST_H

#include <infiniband/verbs.h>
#include <sys/uio.h>

#include "nvme/nvme.h"
#include "pool/list.h"
#include "pool/pool.h"

struct rdmat_qp;
struct rdmat_slot;
struct rdmat_class;
struct rdmat_abort;
struct wrasse_holder;
struct wrasse_poll_group;

/* What a request can hold. */
enum rdmat_hold {
	RDMAT_HOLD_SLOT = 1u << 0, /* the receive slot with its in-capsule data */
	RDMAT_HOLD_BUFFERS =
		1u << 1, /* data buffers, scratch among them, or what the backend lends */
	RDMAT_HOLD_CHAIN = 1u << 2,   /* WRs of the pool */
	RDMAT_HOLD_SQ = 1u << 3,      /* send-queue slots: WRs that the hardware has */
	RDMAT_HOLD_READS = 1u << 4,   /* those of them that are RDMA READs */
	RDMAT_HOLD_BACKEND = 1u << 5, /* the backend has the I/O */
	RDMAT_HOLD_TURN = 1u << 6,    /* the namespace's turn for fused pairs */
};

#define RDMAT_HOLD_ALL                                                             \
	(RDMAT_HOLD_SLOT | RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN | RDMAT_HOLD_SQ | \
	 RDMAT_HOLD_READS | RDMAT_HOLD_BACKEND | RDMAT_HOLD_TURN)

/*
 * The state machine: X(state, what happens, may hold, successors). A request is on its queue pair's
 * list of its state (see rdmat_request_has_list()), FREE ones on their class's free list. docs/flow.md
 * shows this table as a graph, made by tests/unit/flow_graph.c.
 */
#define RDMAT_REQUEST_STATES(X)                                                                 \
	X(FREE, "in the pool", 0, RDMAT_TO(RECEIVED))                                           \
	X(RECEIVED, "capsule came", RDMAT_HOLD_SLOT,                                            \
	  RDMAT_TO(WAIT_RESUME) | RDMAT_TO(WAIT_PAIR) | RDMAT_TO(WAIT_RESOURCES) |              \
		  RDMAT_TO(WAIT_FETCH) | RDMAT_TO(EXECUTING) | RDMAT_TO_ANSWER |                \
		  RDMAT_TO(FLUSHING))                                                           \
	X(WAIT_RESUME, "its namespace is paused", RDMAT_HOLD_SLOT,                              \
	  RDMAT_TO(WAIT_RESOURCES) | RDMAT_TO(WAIT_FETCH) | RDMAT_TO(EXECUTING) |               \
		  RDMAT_TO_ANSWER | RDMAT_TO(FLUSHING))                                         \
	X(WAIT_PAIR, "half of a fused pair; waits for the other, then for what both need",      \
	  RDMAT_HOLD_SLOT,                                                                      \
	  RDMAT_TO(WAIT_RESOURCES) | RDMAT_TO(WAIT_FETCH) | RDMAT_TO(WAIT_TURN) |               \
		  RDMAT_TO_ANSWER | RDMAT_TO(FLUSHING))                                         \
	X(WAIT_RESOURCES, "waits for buffers and WRs", RDMAT_HOLD_SLOT,                         \
	  RDMAT_TO(WAIT_RESUME) | RDMAT_TO(WAIT_FETCH) | RDMAT_TO(WAIT_TURN) |                  \
		  RDMAT_TO(EXECUTING) | RDMAT_TO_ANSWER | RDMAT_TO(FLUSHING))                   \
	X(WAIT_FETCH, "waits for READ credits and queue slots",                                 \
	  RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN,                                                \
	  RDMAT_TO(WAIT_RESUME) | RDMAT_TO(FETCHING) | RDMAT_TO_ANSWER | RDMAT_TO(FLUSHING))    \
	X(FETCHING, "RDMA READ",                                                                \
	  RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN | RDMAT_HOLD_SQ | RDMAT_HOLD_READS,             \
	  RDMAT_TO(WAIT_RESUME) | RDMAT_TO(WAIT_TURN) | RDMAT_TO(EXECUTING) | RDMAT_TO_ANSWER | \
		  RDMAT_TO(FLUSHING))                                                           \
	X(WAIT_TURN, "half of a fused pair, has its data; waits for its turn",                  \
	  RDMAT_HOLD_SLOT | RDMAT_HOLD_BUFFERS | RDMAT_HOLD_TURN,                               \
	  RDMAT_TO(EXECUTING) | RDMAT_TO_ANSWER | RDMAT_TO(FLUSHING))                           \
	X(EXECUTING, "in the controller or the backend",                                        \
	  RDMAT_HOLD_SLOT | RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN | RDMAT_HOLD_BACKEND |        \
		  RDMAT_HOLD_TURN,                                                              \
	  RDMAT_TO(WAIT_RESUME) | RDMAT_TO_ANSWER | RDMAT_TO(FLUSHING))                         \
	X(WAIT_RESPOND, "waits for queue slots",                                                \
	  RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN | RDMAT_HOLD_BACKEND,                           \
	  RDMAT_TO(RESPONDING) | RDMAT_TO(FLUSHING))                                            \
	X(RESPONDING, "RDMA WRITE, SEND",                                                       \
	  RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN | RDMAT_HOLD_SQ | RDMAT_HOLD_BACKEND,           \
	  RDMAT_TO(FREE) | RDMAT_TO(OVERDUE) | RDMAT_TO(FLUSHING))                              \
	X(OVERDUE, "was answered without the backend, which still has it",                      \
	  RDMAT_HOLD_BUFFERS | RDMAT_HOLD_BACKEND, RDMAT_TO(FREE) | RDMAT_TO(FLUSHING))         \
	X(FLUSHING, "queue pair failed; hardware or backend still holds something",             \
	  RDMAT_HOLD_ALL, RDMAT_TO(FREE))

#define RDMAT_TO(state) (1u << RDMAT_REQUEST_##state)
/* At once where there are queue slots, and nobody waits for them. */
#define RDMAT_TO_ANSWER (RDMAT_TO(WAIT_RESPOND) | RDMAT_TO(RESPONDING))

enum rdmat_request_state {
#define RDMAT_X(state, what, holds, successors) RDMAT_REQUEST_##state,
	RDMAT_REQUEST_STATES(RDMAT_X)
#undef RDMAT_X
		RDMAT_REQUEST_STATE_COUNT
};

struct rdmat_request_state_info {
	const char *name;
	const char *what;
	uint32_t holds;      /* enum rdmat_hold */
	uint32_t successors; /* RDMAT_TO() */
};

extern const struct rdmat_request_state_info rdmat_request_states[RDMAT_REQUEST_STATE_COUNT];

/* Whether a request of a state is on its queue pair's list of it. What every command goes through has none: that
 * would be for nobody but those who look for all requests, see rdmat_request_next(). */
static inline bool rdmat_request_has_list(enum rdmat_request_state state)
{
	return state != RDMAT_REQUEST_FREE && state != RDMAT_REQUEST_RECEIVED &&
	       state != RDMAT_REQUEST_EXECUTING && state != RDMAT_REQUEST_RESPONDING;
}

/* One WR. Those of the pool have RDMAT_WR_SGES SGEs behind them; wr.sg_list is set once. */
struct rdmat_wr {
	struct ibv_send_wr wr; /* wr.next links the send queue's FIFO, in the order of posting */
	struct rdmat_wr *chain_next; /* next in the request's chain */
	struct rdmat_request *request;
};

#define RDMAT_WR_SGES    8 /* in a WR of the pool */
#define RDMAT_EMBED_SGES 2 /* in a request's own WR */
#define RDMAT_MAX_IOV    8 /* data buffers of a request */

/* The pools whose items a ledger counts. */
enum rdmat_ledger_column {
	RDMAT_LEDGER_WRS,
	RDMAT_LEDGER_SMALL,
	RDMAT_LEDGER_LARGE,
	RDMAT_LEDGER_COLUMNS
};

struct rdmat_pool_wr {
	struct rdmat_wr wr;
	struct ibv_sge sge[RDMAT_WR_SGES];
};

/* A message to a poll group, or an I/O that comes back from another thread. */
struct rdmat_msg {
	struct pool_inbox_link link;
	void (*run)(struct wrasse_poll_group *group, struct rdmat_msg *msg);
};

/* A move of a request. */
struct rdmat_record {
	uint32_t request; /* its index in its class */
	uint16_t qid;
	uint16_t from : 8, to : 8; /* enum rdmat_request_state */
};

struct rdmat_request {
	struct pool_link link; /* the list of its state, if that has one */
	struct rdmat_qp *qp;   /* NULL while FREE */
	struct rdmat_class *class;
	/* The other half of a fused pair, from when both are there until the first is answered. */
	struct rdmat_request *pair;
	enum rdmat_request_state state; /* written by request.c only */
	uint32_t holds;                 /* of enum rdmat_hold: SLOT, BUFFERS (scratch), CHAIN */
	uint32_t chain_count;           /* WRs in the chain, the embedded one included */
	bool with_data;                 /* the response carries data */
	bool responded;                 /* the SEND is queued */
	bool whole; /* with all WRs of the response at once, one behind the other; it is RESPONDING */
	/* Submitted, and wrasse_io_complete() was not called. Any thread may call that: so it is not in others. */
	bool io_out;
	union {
		struct {
			bool backend; /* submitted and not acted on yet */
			bool held;    /* the controller keeps it (NVME_HOLD) */
			bool special; /* an Abort or a fused pair has to do with it, or had */
			bool disconnect_after; /* the connection ends when the response is out */
			bool shares;           /* a receiver counts it: see rdmat_rx.out */
			uint16_t sq_out;       /* WRs posted and not retired */
		};
		uint64_t others; /* 0: nobody else has to do with it, and nothing is left to do */
	};
	uint16_t reads_out;     /* those of them that are RDMA READs */
	uint32_t items_out;     /* items of the pools that it took and has not given back */
	struct rdmat_wr *first; /* the chain of data WRs */
	/* Of one that is FETCHING, or RESPONDING in parts: the next of it to queue; NULL: all are. */
	struct rdmat_wr *cursor;
	struct pool_item *chain; /* the WRs of the pool in it; NULL: the embedded one serves */
	struct pool_item *buffers;
	struct pool_item *scratch; /* one more buffer, for src/nvme's own use */
	struct rdmat_slot *slot;
	struct rdmat_abort *abort;    /* this is an Abort command, and its outcome is not known */
	struct rdmat_abort *abort_by; /* an Abort waits for what becomes of this command */
	uint64_t received_ns;
	uint64_t seen_ns; /* when overdue.c first saw the I/O that the backend has; 0: not yet */
	struct rdmat_record label; /* of its moves, without the states; request is constant */
	uint64_t arrival;          /* how manieth request of its group it is */
	/* While FREE and something is lost, whom it served: */
	uint32_t last_queue;                   /* rdmat_qp.number of the queue pair, */
	uint16_t last_qid;                     /* its queue id */
	uint16_t last_cntlid;                  /* and its controller */
	uint32_t ledger[RDMAT_LEDGER_COLUMNS]; /* for wrasse_poll_group_ledger() to count in */
	struct wrasse_status io_status;
	struct rdmat_msg msg;
	struct iovec iov[RDMAT_MAX_IOV];
	struct rdmat_wr data_wr;
	struct ibv_sge data_sge[RDMAT_EMBED_SGES];
	struct rdmat_wr response_wr;
	struct ibv_sge response_sge;
	struct nvme_request nvme;
};

static inline struct rdmat_request *rdmat_request_of_nvme(struct nvme_request *nvme)
{
	return pool_container(nvme, struct rdmat_request, nvme);
}

/*
 * One class of requests (admin, I/O) of a poll group. A capsule that finds none free waits in its
 * receive slot. Every command ends but for events that a controller holds, of which each admin queue
 * has so many: requests are promised to it at admission.
 */
struct rdmat_class {
	const char *name;
	struct wrasse_poll_group *group;
	struct pool_slab slab;
	struct rdmat_request *requests;
	/* Those of the first @touched, linked by next. The others are zero, and were never used. */
	struct pool_link *free;
	uint32_t touched;  /* as many as ever were out: one is touched when no other is free */
	uint32_t lost_out; /* that, when all were touched because one had lost something; or 0 */
	uint32_t capacity;
	uint32_t free_count;
	struct pool_list parked; /* receive slots whose capsules wait for a request, oldest first */
	struct pool_list waiting; /* queue pairs with requests in WAIT_RESOURCES */
	uint32_t wr_reserve;      /* of the WR pool: for others */
	uint32_t small_reserve;   /* and of the small buffers */
	uint32_t reserved;        /* requests promised to queue pairs at admission */
	uint32_t slots; /* receive slots that exist now; like the next two read by any thread */
	uint32_t slots_held; /* by requests, or parked */
	uint32_t slots_peak;
	uint64_t waits; /* capsules that had to wait for a request */
	bool admin;
};

/* @count: requests. Return: 0 or -ENOMEM. */
int rdmat_class_init(struct rdmat_class *class, struct wrasse_poll_group *group, const char *name,
		     uint32_t count, int node, bool admin);
/* Puts the requests that were never used onto the free list, in which they are last. */
void rdmat_class_touch(struct rdmat_class *class);
/* Every request must be free. */
void rdmat_class_fini(struct rdmat_class *class);

/* The requests of a class that are not FREE. @after: one of them; NULL: begin. Return: the next; NULL: that is all. */
static inline struct rdmat_request *rdmat_request_next(const struct rdmat_class *class,
						       const struct rdmat_request *after)
{
	uint32_t i = after ? after->label.request + 1 : 0;

	while (i < class->touched && class->requests[i].state == RDMAT_REQUEST_FREE)
		i++;
	return i < class->touched ? &class->requests[i] : NULL;
}

#define rdmat_request_for_each(request, class)                                 \
	for ((request) = rdmat_request_next((class), NULL); (request) != NULL; \
	     (request) = rdmat_request_next((class), (request)))

/* Takes a free request, of which there is one, for a capsule on a queue pair and moves it to
 * RECEIVED. @slot: that it holds from now on; NULL: none. */
struct rdmat_request *rdmat_request_take(struct rdmat_qp *qp, struct rdmat_slot *slot);

/* The one that is taken next for a command that goes straight, prepared for that: nothing was done since that such
 * commands do not. The class has it in class->free. */
struct rdmat_request *rdmat_request_prepare(struct rdmat_class *class);

/*
 * The same as rdmat_request_take(), of an I/O queue and the one that is prepared; in this poll the time was read. It
 * is EXECUTING, and what is noted of a response that is queued is.
 *
 * @holds: the memory that it has, or gets from the caller: RDMAT_HOLD_BUFFERS: one buffer, and no chain but its own WR.
 */
void rdmat_request_take_prepared(struct rdmat_request *request, struct rdmat_qp *qp,
				 uint32_t holds);

/* The same for a Write with its memory, and its own WR for the RDMA READ. @now: it is FETCHING; else in WAIT_FETCH. */
void rdmat_request_take_to_fetch(struct rdmat_request *request, struct rdmat_qp *qp, bool now);

/*
 * Moves a request: checks the move against the table, gives back what the next state does not hold,
 * changes lists, counts and records. An illegal move, or one that would give back what hardware or
 * backend has, stops the program.
 */
void rdmat_request_move(struct rdmat_request *request, enum rdmat_request_state to);

/* The same, for the moves of every command. */
void rdmat_request_move_to_executing(struct rdmat_request *request);
void rdmat_request_move_to_responding(struct rdmat_request *request);
/* Of one that goes straight: to RESPONDING. */
void rdmat_request_answers(struct rdmat_request *request, struct wrasse_poll_group *group);
/*
 * It goes straight no more, and stays EXECUTING: the backend has it, or has failed it. What a request passes at once,
 * RECEIVED too, the recorder is told by the move that follows, which is from there.
 *
 * @slot: that it holds from now on; NULL: none.
 */
void rdmat_request_stays(struct rdmat_request *request, struct rdmat_slot *slot);
/* It goes straight again, from EXECUTING: nobody else has to do with it. @with_data: it is a Read. */
void rdmat_request_goes_on(struct rdmat_request *request, bool with_data);
/* One that is RESPONDING, and others is 0. The recorder is not told. */
void rdmat_request_move_to_free(struct rdmat_request *request, struct rdmat_qp *qp);
/* Tells the recorder that it has, and with it those whose responses were before its own in the same send queue. */
void rdmat_request_was_freed(const struct rdmat_request *request, const struct rdmat_qp *qp);

/* Whether a request that is FLUSHING or OVERDUE may go: then it is FREE. */
bool rdmat_request_settle(struct rdmat_request *request);

/*
 * Fills what wrasse_poll_group_ledger() says of a request, with what the request knows of itself.
 * For one that is FREE: the command that it served last.
 */
void rdmat_request_describe(const struct rdmat_request *request, uint64_t now_ns,
			    struct wrasse_holder *holder);

#endif
