/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the simulated fabric: what libibverbs.so.1 (which holds everything but the
 * connection manager) and librdmacm.so.1 share. Symbols here begin with fab_.
 *
 * Locks (threaded mode only; fab_lock() and its kin do nothing in the simulated mode, which has one
 * thread): fab_world (devices, contexts, objects, CM; taken first), then queue pairs (two together
 * in the order of their numbers), then one of: SRQ, CQ, memory key; then the leaves: async events of
 * a context, channel, timers, table of queue pairs. Nothing calls user code with a lock held, but
 * for the misuse function.
 */
#ifndef TESTS_FABRIC_CORE_H
#define TESTS_FABRIC_CORE_H

#include <infiniband/verbs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "fabric.h"

#define FAB_NS_PER_MS                    1000000ull
#define FAB_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* ---- lists ---- */

struct fab_link {
	struct fab_link *prev, *next;
};

static inline void fab_list_init(struct fab_link *head)
{
	head->prev = head;
	head->next = head;
}

static inline bool fab_list_is_empty(const struct fab_link *head)
{
	return head->next == head;
}

static inline void fab_list_add(struct fab_link *head, struct fab_link *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

/* A link that is on no list points to itself: taking it off again is harmless. */
static inline void fab_list_del(struct fab_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	fab_list_init(link);
}

/* ---- world ---- */

extern enum fabric_mode fab_mode;
extern bool fab_strict;
extern bool fab_watch;
extern bool fab_limit_reads;
extern pthread_mutex_t fab_world;

static inline void fab_lock(pthread_mutex_t *lock)
{
	if (fab_mode == FABRIC_THREADED)
		pthread_mutex_lock(lock);
}

static inline void fab_unlock(pthread_mutex_t *lock)
{
	if (fab_mode == FABRIC_THREADED)
		pthread_mutex_unlock(lock);
}

/* Tells the misuse function, or writes a line and aborts. */
void fab_misuse(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));

/* Counts a call that can fail for the calling thread's party. Return: 0, or the error to fail with
 * (also set in errno). @name: of the function, a constant string. */
int fab_call(const char *name);

extern _Thread_local unsigned fab_party;
extern struct fabric_stats fab_stats[FABRIC_PARTIES]; /* written with fab_count() */

static inline void fab_count(uint64_t *counter, uint64_t n)
{
	if (fab_mode == FABRIC_THREADED)
		__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
	else
		*counter += n;
}

/* ---- memory (alloc.c) ---- */

/* Never malloc(), which tests make fail. Zeroed, for any type; there is always some, or abort(). Any
 * lock may be held. */
void *fab_alloc(size_t size);
/* NULL is legal. */
void fab_free(void *mem);

/* ---- actions and timers (sched.c) ---- */

/*
 * Something that can happen. In the simulated mode it is on the list that the test chooses from
 * from its due time on; in the threaded mode the fabric's own thread does it then. An action is
 * embedded in what it is about; it is either set or not, and setting a set one only moves its time.
 */
struct fab_action {
	struct fab_link link;
	enum fabric_kind kind;
	const char *what;
	/* Called with fab_world held; the action is not set any more. It may set it again. */
	void (*run)(struct fab_action *action);
	void (*drop)(struct fab_action *action); /* NULL: cannot be lost */
	uint64_t due_ns;
	uint32_t qpn;
	const char *device;
	unsigned index; /* in the ready list, while it is there */
	enum { FAB_ACTION_IDLE, FAB_ACTION_READY, FAB_ACTION_TIMED } state;
};

void fab_action_init(struct fab_action *action, enum fabric_kind kind, const char *what,
		     void (*run)(struct fab_action *), void (*drop)(struct fab_action *));
/* Any lock may be held. @delay_ns from now; 0: it is ready at once. */
void fab_action_set(struct fab_action *action, uint64_t delay_ns);
/* Harmless if it is not set. Only who holds fab_world can be sure that it is not just about to run. */
void fab_action_clear(struct fab_action *action);

static inline bool fab_action_is_set(const struct fab_action *action)
{
	return action->state != FAB_ACTION_IDLE;
}

/* ---- descriptors of channels ---- */

/*
 * A real descriptor that is readable while a count is not zero: one end of an eventfd in semaphore
 * mode. In the simulated mode the descriptor is real but is written only while somebody could
 * look, that is never: the count alone is kept.
 */
struct fab_bell {
	int fd;
	uint32_t count;
};

int fab_bell_init(struct fab_bell *bell); /* 0 or an errno value */
void fab_bell_fini(struct fab_bell *bell);
void fab_bell_ring(struct fab_bell *bell);  /* one more; under the lock of what it belongs to */
void fab_bell_clear(struct fab_bell *bell); /* one less */
/* Whether the descriptor is in blocking mode (threaded mode; the simulated one never blocks). */
bool fab_bell_blocks(const struct fab_bell *bell);
/* Waits in poll() until it may be readable; no lock held. */
void fab_bell_wait(const struct fab_bell *bell);

/* ---- devices ---- */

struct fab_device {
	struct ibv_device ibv;     /* first */
	struct fab_link link;      /* fab_devices */
	struct fabric_device opts; /* completed with defaults; its strings are those below */
	char name[16];
	char address[64]; /* "": every address */
	struct ibv_device_attr attr;
	bool up;
	bool removed; /* stays on the list, nameless to new users, until the last hold ends */
	struct fab_link contexts;
	uint32_t refs;  /* contexts, and librdmacm's hold */
	uint32_t index; /* in the order of adding */
	uint32_t qps;
};

extern struct fab_link fab_devices;

/* fab_world is held. By name or by address (a struct sockaddr_in or _in6); not removed ones. NULL:
 * none. */
struct fab_device *fab_device_by_name(const char *name);
struct fab_device *fab_device_by_addr(const struct sockaddr *addr);
/* Whether something that leaves @from now arrives at @to: ports up, neither removed, link not cut. */
bool fab_reaches(const struct fab_device *from, const struct fab_device *to);

/* librdmacm listens here for removals. fab_world is held. */
extern void (*fab_on_device_removed)(struct fab_device *device);
/* ... and for fabric_cm_event(). */
extern void (*fab_on_cm_event)(uint32_t qpn, int type);
/* ... and for fabric_init(), which ends the hold that it has on devices, and for
 * fabric_leftovers(): counts its objects, appends their names. */
extern void (*fab_on_init)(void);
extern unsigned (*fab_on_leftovers)(char *buf, size_t len);

/* ---- objects ---- */

/* What every verbs object has. */
struct fab_object {
	struct fab_link link; /* fab_objects */
	const char *type; /* one of the constants below: alive. Anything else: destroyed, or never
				 one of ours */
	uint32_t number;  /* of its type, from 1; a queue pair: its QPN */
};

extern const char fab_type_context[], fab_type_pd[], fab_type_mr[], fab_type_mw[],
	fab_type_channel[], fab_type_cq[], fab_type_srq[], fab_type_qp[], fab_type_ah[];
extern struct fab_link fab_objects;

/* fab_world is held. @number 0: the next one of the type. */
void fab_object_init(struct fab_object *object, const char *type, uint32_t number);
void fab_object_fini(struct fab_object *object);
/* Whether @object lives; if not, it is misuse by @call. */
bool fab_object_lives(const struct fab_object *object, const char *type, const char *call);

struct fab_async {
	struct fab_link link;
	struct ibv_async_event event;
	uint32_t *taken; /* the counter of its object; NULL: it has none */
};

struct fab_context {
	struct ibv_context ibv; /* first */
	struct fab_object object;
	pthread_mutex_t lock; /* a leaf: events, and the counters of taken ones */
	struct fab_link link; /* device->contexts */
	struct fab_device *device;
	bool of_cm;           /* librdmacm's: not a leftover */
	struct fab_bell bell; /* async events */
	struct fab_link events;
	uint32_t objects; /* PDs, CQs, channels */
};

struct fab_pd {
	struct ibv_pd ibv; /* first */
	struct fab_object object;
	uint32_t children;
};

/* A memory region or window, in a table by key that never moves and is never freed. */
struct fab_key {
	pthread_mutex_t lock;
	bool valid; /* may be used */
	bool taken; /* the slot is in use */
	bool is_window;
	uint32_t key; /* slot number << 8 | variant: rkey and lkey are the same */
	unsigned access;
	uint64_t addr,
		len; /* that it gives access to; base of remote addresses as well (no zero-based) */
	struct ibv_pd *pd;
	struct fab_key *parent; /* of a bound window */
	uint32_t windows;       /* bound to this region; atomic */
	uint32_t qpn;           /* a type 2 window is for this queue pair alone */
	uint32_t busy;          /* copies that go on (threaded mode); atomic */
	uint64_t shift;         /* from an address as the wire has it to one of this process */
	struct fab_key *next;   /* free slots */
};

struct fab_mr {
	struct ibv_mr ibv; /* first */
	struct fab_object object;
	struct fab_key *key;
};

struct fab_mw {
	struct ibv_mw ibv; /* first */
	struct fab_object object;
	struct fab_key *key;
};

struct fab_channel {
	struct ibv_comp_channel ibv; /* first */
	struct fab_object object;
	struct fab_bell bell;
	struct fab_link cqs;  /* with events pending, by fab_cq.event_link */
	pthread_mutex_t lock; /* a leaf */
};

/* A completion in a CQ. It keeps what must happen when somebody takes it. */
struct fab_cqe {
	struct ibv_wc wc;
	bool solicited;
	bool send;         /* of a send queue */
	uint32_t retires;  /* send: sq_head becomes this when taken; receive: its slot is free */
	struct fab_qp *qp; /* a reference */
};

struct fab_cq {
	struct ibv_cq ibv; /* first */
	struct fab_object object;
	pthread_mutex_t lock;
	struct fab_cqe *ring;
	uint32_t size, head, count; /* size is a power of two, at least cqe */
	enum { FAB_CQ_QUIET, FAB_CQ_ARMED, FAB_CQ_ARMED_SOLICITED } armed;
	struct fab_link event_link;
	uint32_t events_pending; /* not taken by ibv_get_cq_event() */
	uint32_t events_taken, events_acked;
	uint32_t async_taken, async_acked;
	uint32_t users; /* queue pairs */
	bool overrun;
};

/* A receive's slot. It is the hardware's from the post until its completion is taken. */
struct fab_rwqe {
	uint64_t wr_id;
	uint32_t num_sge;
	uint32_t next_free;  /* slot */
	struct ibv_sge *sge; /* max_sge of the queue */
	uint64_t print;      /* of the memory, if it is watched */
	bool used;
};

/* A receive queue, of a queue pair or shared. */
struct fab_rq {
	struct fab_rwqe *slots; /* depth */
	struct ibv_sge *sges;
	uint32_t *ring; /* slots posted, in order; size is a power of two */
	uint32_t size, depth, max_sge;
	uint32_t head; /* next to be consumed by a message */
	uint32_t tail; /* next free */
	uint32_t free; /* a stack of slots; who polls pushes without a lock */
};

struct fab_srq {
	struct ibv_srq ibv; /* first */
	struct fab_object object;
	pthread_mutex_t lock;
	atomic_uint refs; /* the program's, queue pairs in memory */
	struct fab_rq rq;
	uint32_t limit; /* 0: not armed */
	uint32_t users; /* queue pairs */
	uint32_t events_taken, events_acked;
};

/* A posted send WR. */
struct fab_swqe {
	uint64_t wr_id;
	enum ibv_wr_opcode opcode;
	unsigned flags;       /* enum ibv_send_flags */
	uint32_t imm_or_rkey; /* imm_data (network order) or invalidate_rkey */
	uint64_t remote_addr;
	uint32_t rkey;
	uint64_t swap, compare_add; /* atomics */
	struct fab_key *window;     /* bind: what, and to what; rkey is its new key */
	uint32_t bind_lkey;
	unsigned bind_access;
	uint64_t bind_addr, bind_len;
	uint32_t num_sge;
	struct ibv_sge *sge;       /* max_send_sge */
	uint8_t *inline_data;      /* max_inline bytes */
	uint32_t len;              /* in all */
	uint64_t print;            /* of the memory, if it is watched */
	enum ibv_wc_status status; /* as the peer answered; valid once executed */
	bool local;                /* no answer is on the wire */
};

/*
 * A queue pair. Send queue: ring indices run freely, masked by sq_size - 1:
 * head <= una <= next <= tail: [head, una) completed, completion not taken yet; [una, next) reached
 * the peer, not answered; [next, tail) not sent yet.
 */
struct fab_qp {
	struct ibv_qp ibv; /* first; ibv.state is the state */
	struct fab_object object;
	pthread_mutex_t lock;
	atomic_uint refs; /* the program's, CQEs, peers */
	bool destroyed;
	unsigned party; /* that made it */
	struct fab_device *device;
	struct fab_cq *send_cq, *recv_cq;
	struct fab_srq *srq; /* a reference */
	struct fab_qp *peer; /* a reference, once it was found; may be destroyed */
	struct ibv_qp_cap cap;
	bool sig_all;
	struct ibv_qp_attr attr; /* as modified */

	struct fab_swqe *sq;
	struct ibv_sge *sq_sges;
	uint8_t *sq_inline;
	uint32_t sq_size, sq_head, sq_una, sq_next, sq_tail;
	uint32_t reads_out; /* executed, not answered: RDMA READs and atomics */

	struct fab_rq rq;

	uint32_t tries;     /* packets lost in a row */
	uint32_t rnr_tries; /* RNR NAKs in a row */
	bool waits;         /* for a timer: RNR or ACK timeout */
	bool waits_rnr;     /* the former */
	bool resend; /* the answer to sq_una was lost: the peer must still be there to give it again */
	bool broken; /* fabric_qp_break() */
	enum ibv_wc_status break_status;
	bool last_wqe_said;
	bool comm_est_said;

	struct fab_action send_action;  /* FABRIC_SEND: executes sq_next at the peer */
	struct fab_action ack_action;   /* FABRIC_ACK: completes sq_una */
	struct fab_action timer_action; /* FABRIC_EVENT: RNR timer or ACK timeout ends */
	struct fab_action flush_action; /* FABRIC_EVENT: one more WR is flushed */
	struct fab_action drain_action; /* FABRIC_EVENT: one more receive is flushed, or the last
					   WQE is reached */
	uint32_t events_taken, events_acked;
	void *cm_id; /* librdmacm's, if the queue pair was made through it */
};

/* By number; fab_world or not: the table holds a reference while the queue pair exists.
 * NULL: there is none. The caller gets a reference. */
struct fab_qp *fab_qp_get(uint32_t qpn);
void fab_qp_put(struct fab_qp *qp);

/* Puts an async event into a context's queue. Any lock but those of leaves may be held. @element: the
 * QP, CQ or SRQ; NULL: the port or device. */
void fab_async_event(struct fab_context *context, enum ibv_event_type type, void *element);

/* For librdmacm. Opens the device for it (of_cm), as ibv_open_device() does; fab_world is held. */
struct fab_context *fab_context_open(struct fab_device *device, bool of_cm);
/* fab_world is held. */
void fab_context_close(struct fab_context *context);

#endif
