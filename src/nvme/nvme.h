/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam between what NVMe-oF means (src/nvme) and how it moves (src/transport). src/nvme is a
 * set of functions from (state, capsule or event, now) to (state, what to do next). It has no
 * clock, no thread, no lock, no verb; it allocates only where an object is created (subsystem,
 * namespace, controller).
 *
 * Who calls: a queue and its requests belong to the thread of one poll group; a controller belongs
 * to the thread of its admin queue's group. Functions marked REGISTRY are called with the target's
 * lock held, by any thread.
 */
#ifndef WRASSE_NVME_NVME_H
#define WRASSE_NVME_NVME_H

#include <stdalign.h>
#include <stdatomic.h>
#include <wrasse/backend.h>
#include <wrasse/hook.h>

#include "nvme/auth.h"
#include "nvme/wire.h"
#include "object.h"

struct nvme_ctrl;
struct nvme_registry;

#define NVME_MAX_DESCS 16 /* SGL descriptors in a command, MSDBD at most */
#define NVME_NQN_LEN   223

#define NVME_PAIR_MAX    8192u /* bytes in each half of a fused pair, or one block if that is more */
#define NVME_SCRATCH_MAX 131072u /* bytes of nvme_data.scratch_len at most */

/* What the target allows; constant after create. */
struct nvme_limits {
	uint32_t max_queue_depth; /* entries of an I/O queue */
	uint32_t max_admin_depth; /* entries of an admin queue; 32 at least */
	uint32_t max_io_queues;
	uint32_t max_data_len;  /* bytes, 4096 * 2^n */
	uint32_t icd_len;       /* in-capsule data of I/O queues, 0: none */
	uint32_t admin_icd_len; /* in-capsule data that an admin queue's receive slots have room for
				 */
	bool any_host_name;     /* hosts' names need not be NVMe Qualified Names */
	uint32_t group_count;   /* poll groups at most: length of per-group arrays */
	const char *version;    /* default firmware revision; NULL: blank */
	const char *discovery_nqn; /* of the discovery subsystem; NULL: the well-known one only */
	bool discovery_of_all;     /* hosts may ask for what the log tells every host */
};

/* Which way data goes, as the host sees it. */
enum nvme_xfer {
	NVME_XFER_NONE,
	NVME_XFER_H2C, /* host to controller: fetched by RDMA READ, or in the capsule */
	NVME_XFER_C2H, /* controller to host: RDMA WRITE */
};

/* One range of the host's memory. */
struct nvme_keyed {
	uint64_t addr;
	uint32_t len;
	uint32_t rkey;
};

/* What a command needs to move; computed once, from its capsule. */
struct nvme_data {
	enum nvme_xfer xfer;
	uint32_t len;     /* bytes; NVME_XFER_NONE has 0 */
	bool in_capsule;  /* H2C only: the data lies at capsule + icd_off */
	uint32_t icd_off; /* bytes from the start of the capsule */
	/* Bytes of memory, in one piece and the target's own, that the command needs besides. */
	uint32_t scratch_len;
	bool invalidate; /* the response is a SEND with invalidate of inv_rkey */
	uint32_t inv_rkey;
	uint32_t desc_count;                    /* ranges in desc; 0 if in_capsule or no data */
	struct nvme_keyed desc[NVME_MAX_DESCS]; /* their lengths add up to len exactly */
};

/* Connect state of a queue. */
enum nvme_queue_state {
	NVME_QUEUE_NEW, /* nothing but Connect is legal */
	NVME_QUEUE_CONNECTED,
	NVME_QUEUE_ENDED, /* nvme_queue_end() was called */
};

/*
 * One poll group's way to a namespace. Belongs to the group's thread, but for state, which the
 * control plane reads.
 */
enum nvme_ns_port_state {
	NVME_NS_PORT_NONE,     /* the group has not seen the namespace (or has let go of it: see
				  wrasse_namespace.removing) */
	NVME_NS_PORT_ATTACHED, /* in the group's view */
	NVME_NS_PORT_FAILED,   /* attach() failed: in the view, answers Namespace Not Ready */
	NVME_NS_PORT_LEAVING,  /* out of the view; in_flight goes to 0, then detach(), then NONE */
};

struct nvme_ns_port {
	alignas(CACHE_LINE) struct wrasse_namespace *ns;
	void *group_ctx;    /* from attach() */
	uint32_t ana_group; /* constant: ANAGRPID */
	union {
		struct {
			_Atomic(uint8_t) state; /* enum nvme_ns_port_state */
			bool restricted;        /* constant: only hosts that were allowed see it */
			bool paused;            /* new I/O waits: see nvme_request_must_wait() */
			bool protected;         /* constant: it has protection information */
		};
		uint32_t conditions; /* all four: see nvme_port_is_plain() */
	};
	bool attach_failed;  /* while LEAVING: attach() had failed, so no detach() */
	_Atomic(bool) quiet; /* paused and nothing in flight, which stays so until a resume; read
				by the control plane */
	uint32_t in_flight;  /* I/Os that the backend has: counted by src/nvme from NVME_SUBMIT to
				nvme_request_complete_io(); and those that it lends memory to */
	struct nvme_ns_port *next_work; /* for the group's use while it attaches and detaches */
	/* Preempt and Abort: the last that the group looked at, how many commands it waits for, and
	 * the last that has none left (read by any thread). */
	uint64_t fence_seen;
	uint32_t fenced;
	_Atomic(uint64_t) fence_done;
	/* counters for the SMART log; written by the group's thread with relaxed stores */
	_Atomic(uint64_t) reads, writes, read_bytes, written_bytes;
};

/* What one poll group sees of one subsystem's namespaces: port[nsid - 1], NULL where there is none.
 */
struct nvme_view {
	uint32_t count; /* the subsystem's max_namespaces */
	struct nvme_ns_port *port[];
};

/* What is known of a connection before its Connect command. */
struct nvme_conn {
	uint16_t qid;    /* from the CM private data */
	uint32_t depth;  /* capsules that the host may have outstanding: HSQSIZE + 1 */
	unsigned group;  /* number of the poll group */
	uint8_t adrfam;  /* of the local address: 1 IPv4, 2 IPv6 */
	uint8_t prtype;  /* RDMA provider type for discovery: 4 RoCEv2, 5 iWARP, 2 IB, 1 none */
	uint16_t portal; /* number of the listener: see nvme_registry_add_portal() */
	char traddr[64]; /* the local address that the host came to, numeric */
	char trsvcid[8]; /* the port, decimal */
	char peer[64];   /* the host's address, for log lines */
};

/* The NVMe side of a queue pair. Embedded in the transport's. Fields are src/nvme's; the transport
 * reads them. */
struct nvme_queue {
	enum nvme_queue_state state;
	uint8_t on;      /* which commands may come: enum nvme_on; src/nvme's own */
	bool sqflow_off; /* SQ flow control disabled: SQHD is reserved */
	uint16_t qid;
	uint16_t sqsize; /* 0-based; before Connect: depth - 1 */
	uint16_t sqhd;
	uint32_t io_epoch;      /* ctrl->io_epoch at Connect (I/O queues) */
	struct nvme_ctrl *ctrl; /* NULL before Connect; a reference */
	struct nvme_view *view; /* this group's view of the subsystem; NULL before Connect and for
				   discovery: see nvme_queue_port() */
	const struct nvme_path *path; /* how the host came to the subsystem; NULL likewise */
	struct nvme_registry *registry;
	const struct nvme_limits *limits;
	struct nvme_conn conn;
	struct nvme_auth auth;     /* of the queue's host */
	bool auth_turn;            /* a request waits for its turn: see NVME_AUTH */
	uint64_t auth_timeout_ns;  /* how long the host may take for a step; 0 before Connect */
	uint64_t auth_deadline_ns; /* of the step that is awaited; 0: none is */
};

struct nvme_op;
struct nvme_hook;

struct nvme_request;

/* What the transport does next with a request. */
enum nvme_next {
	NVME_RESPOND,  /* cqe is complete: send it (with data if xfer is C2H and the status is
			  success) */
	NVME_SUBMIT,   /* call port->ns->ops->submit(&io); later nvme_request_complete_io() */
	NVME_HOOK,     /* call nvme_hook_submit(); later nvme_request_complete_io() */
	NVME_SAVE,     /* call nvme_request_save(); later nvme_request_complete_save() */
	NVME_HOLD,     /* the controller keeps it (Asynchronous Event Request); it comes back in
			  nvme_actions.done */
	NVME_REGISTRY, /* call nvme_request_execute_registry() with the target's lock held */
	NVME_WAIT,     /* its namespace is paused: execute it anew after a resume */
	NVME_ABORT,    /* find the command that an Abort names, end it if that can be, then call
		       nvme_abort_answer() */
	NVME_RETRY, /* something is on its way out (a queue id still in use, commands of a preempted
		       host): call nvme_request_execute_registry() in some ms */
	NVME_AUTH,  /* takes much time and may call the embedder: call nvme_request_execute_auth()
		       in its turn, one in each poll of a group, without the lock */
};

/*
 * A command that is several I/Os, one after the other: what comes after each of them. src/nvme's
 * own.
 */
struct nvme_steps {
	/* After an I/O of the port that succeeded: the next one (NVME_SUBMIT), or the answer. NULL:
	 * the I/O was all. */
	enum nvme_next (*next)(struct nvme_request *request, struct nvme_ns_port *port);
	uint64_t done;           /* bytes, or what the command counts in */
	uint64_t offset, length; /* of the command's range, in bytes */
	uint64_t to;             /* where the next I/O of a Copy writes */
	struct iovec piece;      /* of scratch: what the I/O uses */
};

/* The NVMe side of a request. Embedded in the transport's. */
struct nvme_request {
	struct nvme_cmd cmd; /* copied out of the receive slot */
	struct nvme_cqe cqe; /* the response, complete when a function says NVME_RESPOND */
	struct nvme_queue *queue;
	const struct nvme_op *op; /* the command's line in its table; src/nvme's own */
	bool used; /* nvme_request_clean() is due before the next command: from here to data.desc may not be zero */
	struct nvme_ns_port *at;      /* the namespace that it names, as nvme_request_parse() or
				      nvme_request_execute() found it; src/nvme's own */
	struct nvme_ns_port *port;    /* set from NVME_SUBMIT (NVME_SAVE) until
				      nvme_request_complete_io() (save) */
	struct nvme_ns_port *lender;  /* whose backend lends the memory for the data; NULL: none */
	struct wrasse_memory *lent;   /* what that memory lies in; NULL likewise */
	const struct nvme_hook *hook; /* who decides what it is answered; NULL: the library does */
	struct nvme_request *next;    /* while in nvme_actions.done, or held by a controller */
	struct wrasse_namespace
		*turn;   /* the namespace whose turn for fused pairs it has, or NULL */
	const char *why; /* a constant phrase that says what was wrong, or NULL; for log lines */
	uint64_t retry_until_ns; /* for NVME_RETRY; 0 at first */
	uint64_t fence; /* Preempt and Abort: what it waits for; 0: it was not carried out yet */
	bool straight; /* set by the transport before execute: it has not waited since it was parsed
			    */
	bool fenced;   /* a Preempt and Abort waits for it; set while port is */
	bool preempted; /* its host was: it must not be executed any more */
	bool manages;   /* an Identify of a host that may manage namespaces */
	bool saving;    /* from NVME_SAVE to nvme_request_complete_save() */
	bool single; /* a Read or Write that was found for the straight way: one I/O is all of it */
	bool overdue;     /* set by the transport: the backend has had an I/O of it for too long */
	bool interrupted; /* and it was answered so, while the backend had it */
	struct nvme_data data;
	/* The data, set by the transport before execute: the buffers (C2H, fetched H2C) or the
	 * capsule's own bytes. Their lengths add up to data.len. NULL when there is no data. */
	const struct iovec *iov;
	uint32_t iov_count;
	struct iovec scratch; /* data.scratch_len bytes or more, set by the transport before execute
				 if that is not 0 */
	struct nvme_steps steps;
	union {
		struct wrasse_io io;           /* filled for NVME_SUBMIT */
		struct wrasse_command command; /* filled for NVME_HOOK */
	};
};

/* Effects on other requests and queues. Initialise to all zero before each call. */
struct nvme_actions {
	struct nvme_request *done; /* held requests of this queue's group, answered: cqe complete;
				      linked by next */
	bool disconnect; /* this queue's connection must end (after the response, if there is one)
			  */
	bool attention; /* the flags that nvme_queue_must_end() reads have changed: every group must
			   look */
	bool timer; /* nvme_ctrl_tick() wants to be called: its deadline may have become earlier */
	const char
		*why; /* with disconnect or attention: a constant phrase that says why, or NULL */
	const char *news; /* a constant phrase about the queue for the log, or NULL */
	bool bad_news;    /* it is a warning */
};

/* ---- queues: the thread of the queue's group ---- */

/* Starts a queue in NVME_QUEUE_NEW. @queue: caller's memory. @conn: copied. */
void nvme_queue_init(struct nvme_queue *queue, struct nvme_registry *registry,
		     const struct nvme_limits *limits, const struct nvme_conn *conn);

/*
 * REGISTRY. The connection has begun to end: its queue id is free for a new Connect, no held
 * request is remembered (the transport flushes its own requests: none comes back), an admin queue
 * takes its controller with it (actions->attention). Does nothing the second time.
 */
void nvme_queue_end(struct nvme_queue *queue, struct nvme_actions *actions);

/* REGISTRY. The last request of an ended queue is gone: gives up the reference to the controller,
 * which may free it. */
void nvme_queue_fini(struct nvme_queue *queue);

/*
 * Whether the connection must be ended: its controller ended (keep-alive expired, admin queue lost,
 * host or subsystem removed), or it is an I/O queue from before a controller reset or shutdown.
 * Lock-free; cheap.
 */
bool nvme_queue_must_end(const struct nvme_queue *queue);

/*
 * Runs a connected queue's timers: the host's authentication, and on an admin queue its
 * controller's.
 *
 * Return: when to call next, in ns of the same clock; UINT64_MAX: no timer.
 */
uint64_t nvme_queue_tick(struct nvme_queue *queue, uint64_t now_ns, struct nvme_actions *actions);

/* Whether I/O queues depend on it: it is an admin queue, and takes them with it. Any thread. */
bool nvme_queue_has_others(const struct nvme_queue *queue);

/* NQNs for logs and ledgers; "" before Connect. Valid while the queue is. */
const char *nvme_queue_hostnqn(const struct nvme_queue *queue);
const char *nvme_queue_subnqn(const struct nvme_queue *queue);
uint16_t nvme_queue_cntlid(const struct nvme_queue *queue);

/*
 * A command of this queue begins (ends) to wait for a resume. A host whose I/O waits owes no sign of
 * life: the keep-alive timer of its controller does not expire meanwhile.
 */
void nvme_queue_wait_begin(struct nvme_queue *queue);
void nvme_queue_wait_end(struct nvme_queue *queue);

/* ---- requests ---- */

/*
 * Whether nothing but its ANA state and a reservation can be in the way of a command of a namespace: its group has
 * attached to it, every host sees it, it is not paused, and it has no protection information.
 */
static inline bool nvme_port_is_plain(const struct nvme_ns_port *port)
{
	static const struct nvme_ns_port plain = {.state = NVME_NS_PORT_ATTACHED};

	return port->conditions == plain.conditions;
}

/*
 * Takes a capsule: copies the command, advances SQHD, checks everything that needs only the capsule
 * (opcode known and its direction, PSDT, SGL against the bytes that really came, data length
 * against the limit and, for Read and Write, against NLB), fills request->data.
 *
 * @request: queue set by the caller.
 * @capsule, @len: what was received; at least 64 bytes (the transport ends connections that send
 * less). Return: true: go on with data and nvme_request_execute(); false: cqe is complete, respond
 * without data.
 */
bool nvme_request_parse(struct nvme_request *request, const uint8_t *capsule, uint32_t len);

/* Whether the request is I/O of a namespace that is paused, in its group's view: it must not be
 * executed before a resume. Admin and Fabrics commands never are. */
bool nvme_request_must_wait(const struct nvme_request *request);

/* The same for one that was parsed just now. */
bool nvme_request_must_wait_at_once(const struct nvme_request *request);

/*
 * Asks the backend to lend the memory for a parsed request's data. What is lent goes back with
 * nvme_request_unmap().
 *
 * @iov: WRASSE_MAX_PIECES, to be filled.
 * Return: how many pieces the backend says that it lent, of request->lent; 0: none.
 */
uint32_t nvme_request_map(struct nvme_request *request, struct iovec *iov);

/* Hardware and backend are through with what request->lender has lent. */
void nvme_request_unmap(struct nvme_request *request);

/* Executes a parsed request whose data is in place. What was checked of its queue and its namespace is
 * checked again, unless it went straight. */
enum nvme_next nvme_request_execute(struct nvme_request *request, uint64_t now_ns,
				    struct nvme_actions *actions);

/* The same for one that is I/O: it has no effect on others, and says NVME_RESPOND, NVME_SUBMIT or
 * NVME_WAIT. */
bool nvme_request_is_io(const struct nvme_request *request);
enum nvme_next nvme_request_execute_io(struct nvme_request *request);

/* REGISTRY. As above, for those that said NVME_REGISTRY (Connect, discovery log, reservations). Never
 * says NVME_REGISTRY. */
enum nvme_next nvme_request_execute_registry(struct nvme_request *request, uint64_t now_ns,
					     struct nvme_actions *actions);

/* Gives a request that said NVME_HOOK to the embedder. */
void nvme_hook_submit(struct nvme_request *request);

/* The turn of one that said NVME_AUTH. Says NVME_RESPOND. */
enum nvme_next nvme_request_execute_auth(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions);

/*
 * The backend, or the embedder, answered.
 *
 * Return: NVME_RESPOND: cqe is complete, port is NULL; NVME_SUBMIT: the command is several I/Os and
 * this is the next one, which never happens once the queue has ended.
 */
enum nvme_next nvme_request_complete_io(struct nvme_request *request, struct wrasse_status status);

/*
 * The backend has had an I/O of a command for too long. Return: true: the command is answered with Command
 * Interrupted, cqe is complete, and when the backend answers after all nvme_request_let_go() takes the
 * place of nvme_request_complete_io(); false: it must wait for the backend, since it may change the media
 * or has data of the host's.
 */
bool nvme_request_interrupt_overdue(struct nvme_request *request);

/* The backend has ended the I/O of one that was answered without it: port is NULL, cqe is as it was. */
void nvme_request_let_go(struct nvme_request *request);

/* For NVME_SAVE: calls the embedder. */
void nvme_request_save(struct nvme_request *request);

/*
 * REGISTRY. The embedder has saved a reservation, or has not: the change takes effect, or does not,
 * also when the queue has ended meanwhile. port is NULL afterwards.
 *
 * Return: what next, as from nvme_request_execute_registry(); of no use for an ended queue.
 */
enum nvme_next nvme_request_complete_save(struct nvme_request *request, struct wrasse_status status,
					  uint64_t now_ns, struct nvme_actions *actions);

/* Answers a request with a status, whatever it was (out of resources, internal error). */
void nvme_request_fail(struct nvme_request *request, struct wrasse_status status);

/* Ends a request that an Abort named: answers it with Command Abort Requested. */
void nvme_request_abort(struct nvme_request *request);

/* Answers a request with Command Interrupted: it may be sent again. */
void nvme_request_interrupt(struct nvme_request *request);

/* What an Abort command names. */
struct nvme_abort {
	uint64_t ctrl; /* the controller's number */
	uint16_t qid, cid;
	unsigned group; /* the poll group of the queue */
};

/* REGISTRY. @request: an Abort that said NVME_ABORT. Return: whether there is such a queue. */
bool nvme_abort_find(const struct nvme_request *request, struct nvme_abort *what);

/* Whether it is the queue that an Abort names. The thread of the queue's group. */
bool nvme_abort_names(const struct nvme_abort *what, const struct nvme_queue *queue);

/* The outcome is known, or not known in time (then it is false): completes cqe. */
void nvme_abort_answer(struct nvme_request *request, bool aborted);

/* Last moment before a response is sent: puts the current SQHD into cqe. */
void nvme_request_stamp(struct nvme_request *request);

/* Whether the status in cqe is success, which it is until something is refused. */
static inline bool nvme_request_succeeded(const struct nvme_request *request)
{
	return nvme_get16(request->cqe.status) == 0;
}

/* The status in cqe. */
static inline struct wrasse_status nvme_request_status(const struct nvme_request *request)
{
	uint16_t raw = nvme_get16(request->cqe.status);

	return (struct wrasse_status){.sct = raw >> NVME_STATUS_SCT_SHIFT & 7,
				      .sc = (uint8_t)(raw >> NVME_STATUS_SC_SHIFT)};
}

static inline bool nvme_request_is_fabrics(const struct nvme_request *request)
{
	return request->cmd.opcode == NVME_OPC_FABRICS;
}

/* Of a command of an I/O queue. */
static inline bool nvme_request_is_read(const struct nvme_request *request)
{
	return request->cmd.opcode == NVME_OPC_READ;
}

static inline bool nvme_request_is_write(const struct nvme_request *request)
{
	return request->cmd.opcode == NVME_OPC_WRITE;
}

/* ---- fused.c: Compare and Write as one (NVMe Base 2.0 3.4.2, NVM Command Set 1.0 2.1.4) ---- */

/*
 * Two commands that follow each other on a queue. The transport brings them together, has the data
 * of both in place before the first is executed, and executes the second if that succeeded.
 *
 * What is promised: between the two halves no half of another fused pair of the same namespace is
 * executed, whatever its host, queue and poll group. Other commands on the same blocks are not held
 * up: whether a Write that is no half of a pair can come between the two is up to who uses the
 * blocks.
 */
enum nvme_half {
	NVME_HALF_NONE,
	NVME_HALF_FIRST,
	NVME_HALF_SECOND,
};

/* Which half a parsed command wants to be, also if it was refused. */
enum nvme_half nvme_request_half(const struct nvme_request *request);

/* Both halves are there. Return: whether they make a pair; if not both are refused. */
bool nvme_pair_check(struct nvme_request *first, struct nvme_request *second);

/* The other half did not come, or failed: refuses what is left, if it is not refused already. */
void nvme_half_miss(struct nvme_request *request);
void nvme_half_fail(struct nvme_request *request);

/* There are too many first halves that wait for their second. */
void nvme_half_reject(struct nvme_request *request);

/*
 * The turn of a namespace for fused pairs: one pair in the whole target has it. Taken before the
 * first half is executed, passed on to the second, given back when that was.
 *
 * Return: whether it was taken; else try again soon. A namespace that is gone needs no turn.
 */
bool nvme_turn_take(struct nvme_request *first);
void nvme_turn_pass(struct nvme_request *first, struct nvme_request *second);
void nvme_turn_give(struct nvme_request *request);

/* ---- fences: the thread of the group ---- */

/*
 * REGISTRY. A Preempt and Abort that this group has not looked at yet: call nvme_fence_request() for
 * every request of every queue of the group, then nvme_fence_set().
 *
 * Return: whether there is one. (@port: any of the group's that is not NVME_NS_PORT_NONE.)
 */
bool nvme_fence_is_new(const struct nvme_ns_port *port);

/*
 * REGISTRY. Makes a command of a preempted host end before the Preempt and Abort does: one that the
 * backend has is waited for, any other will be answered with Command Aborted due to Preempt and
 * Abort when it would be executed. Leaves all others alone.
 */
void nvme_fence_request(struct nvme_ns_port *port, struct nvme_request *request);

/* REGISTRY. Every request of the group was shown. */
void nvme_fence_set(struct nvme_ns_port *port);

/* ---- controllers: the thread of the admin queue's group ---- */

/*
 * Runs a controller's timers (keep-alive).
 *
 * Return: when to call next, in ns of the same clock; UINT64_MAX: no timer. (@queue: the admin
 * queue.)
 */
uint64_t nvme_ctrl_tick(struct nvme_queue *queue, uint64_t now_ns, struct nvme_actions *actions);

/*
 * Tells the host what the control plane did meanwhile: masks, sizes, ANA states, events. To be
 * called for every admin queue when the group was told to look.
 */
void nvme_ctrl_sync(struct nvme_queue *queue, struct nvme_actions *actions);

/* A namespace of this controller's subsystem came, went or changed: event and changed-namespace
 * list. */
void nvme_ctrl_ns_changed(struct nvme_queue *queue, uint32_t nsid, struct nvme_actions *actions);

/* The discovery log changed: an event for discovery controllers that asked for it. */
void nvme_ctrl_discovery_changed(struct nvme_queue *queue, struct nvme_actions *actions);

#endif
