/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole target simulated: the library as it ships, model hosts, model backends and an operator, on
 * the simulated fabric, in one thread and virtual time. Every choice comes from one seed, so a seed is a
 * test: plan.c draws from it what this run is like, run.c takes one step after the other, and after each
 * step check.c looks at the library's books and lists.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdint.h>
#include <wrasse/wrasse.h>

#include "fabric.h"
#include "host/dhchap.h"
#include "host/wire.h"

#define SIM_MAX_GROUPS     3
#define SIM_MAX_DEVICES    2 /* of the target */
#define SIM_MAX_HOSTS      4
#define SIM_MAX_SUBSYSTEMS 3
#define SIM_MAX_NS         3 /* in a subsystem, at once */
#define SIM_MAX_MEDIA      24
#define SIM_MAX_CTRLS      3 /* of a host */
#define SIM_MAX_QUEUES     4 /* of a controller: one admin queue, the others for I/O */
#define SIM_MAX_DEPTH      32
#define SIM_MAX_IO         1024
#define SIM_MAX_PIECES     16 /* descriptors of a command */
#define SIM_MAX_WINDOWS    3  /* memory windows of a command */
#define SIM_BLOCK          512u
#define SIM_MS             1000000ull
#define SIM_S              1000000000ull

enum { PARTY_HOST, PARTY_TARGET };

/* ---- chance (rng.c) ---- */

void rng_seed(uint64_t seed);
uint64_t rng_next(void);
/* 0 to n - 1; n is not 0. */
uint32_t rng_below(uint32_t n);
/* min to max. */
uint32_t rng_between(uint32_t min, uint32_t max);
/* True once in @n on average; never if @n is 0. */
bool rng_one_in(uint32_t n);
static inline bool rng_flip(void)
{
	return rng_next() & 1;
}

/* ---- what a seed means (plan.c) ---- */

enum fault {
	FAULT_DROP,     /* a packet or CM message is lost */
	FAULT_PORT,     /* a port goes down for a while */
	FAULT_LINK,     /* a way is cut for a while */
	FAULT_QP,       /* a queue pair breaks at its next WR */
	FAULT_DEVICE,   /* a device is removed, and comes back */
	FAULT_CM_EVENT, /* a CM event that no peer caused */
	FAULT_CALL,     /* a verbs or CM call of the target fails */
	FAULT_ALLOC,    /* an allocation of the target fails */
	FAULT_CLOCK,    /* the clock jumps */
	CONTROL_NS,     /* namespaces come and go */
	CONTROL_SUBSYSTEM,
	CONTROL_HOST, /* hosts are allowed and forbidden */
	CONTROL_LISTENER,
	CONTROL_ANA,   /* ANA states change, on one listener or on all */
	CONTROL_MASK,  /* some namespaces are for named hosts only; the names change */
	CONTROL_PAUSE, /* namespaces and subsystems are paused and resumed */
	FAULT_COUNT,
};

enum host_kind {
	HOST_GOOD,
	HOST_SLOW,    /* takes its completions late */
	HOST_GREEDY,  /* keeps its queues full */
	HOST_HOSTILE, /* sends what no host should */
	HOST_DYING,   /* vanishes, and comes back as if nothing had been */
	HOST_KINDS,
};

struct plan {
	uint64_t seed;
	bool calm; /* no faults, no hostile hosts: everything must succeed */
	bool retry; /* what the operator asks for and fails is asked for once more, and must succeed */
	bool sleepy;   /* groups sleep on their descriptors instead of being polled all the time */
	uint32_t arms; /* ... else they are armed after one in so many polls that found nothing */
	unsigned groups, devices, hosts, subsystems;
	unsigned steps;
	uint32_t blocks;  /* of a namespace */
	uint32_t max_len; /* bytes of a transfer */
	uint32_t depth;   /* of I/O queues */
	uint32_t io_queues;
	uint32_t kato_ms;
	uint32_t read_credits;       /* that hosts grant */
	uint32_t fault[FAULT_COUNT]; /* happens once in so many steps; 0: never */
	bool allocs_failed;          /* before the end's calm: answers to that may come later */
	enum host_kind kind[SIM_MAX_HOSTS];
	struct fabric_device device;
	struct wrasse_target_opts target;
	struct wrasse_poll_group_opts group;
	/* The backend: an I/O in so many ... 0: none. */
	uint32_t late, remote, error, never;
	bool attach, detach_slowly;
	uint32_t io_timeout_ms; /* of all namespaces */
	bool lend;              /* some of the memory for Reads and Writes is the backend's */
	uint32_t attach_fails;
	/* The end. */
	/* What good hosts do; zero: anything. */
	int only;              /* opcode of all I/O; -1: any */
	bool hooks;            /* they send the embedder's own commands */
	uint32_t reservations; /* one in so many I/O commands is one; 0: none */
	enum { SHAPE_ANY, SHAPE_KEYED, SHAPE_LIST } shape;
	bool wants_reads;     /* hosts ask for READ credits of their own, as ESXi does */
	bool no_keep_alive;   /* hosts rely on their traffic */
	uint32_t leave;       /* a live controller leaves once in so many of its steps */
	uint32_t upset;       /* ... is reset or shut down */
	bool settle;          /* all I/O in flight ends before the drain */
	uint32_t deadline_ms; /* of the drain */
	/* Authentication. */
	uint8_t pi;           /* protection information of some namespaces, of this type; 0: none */
	bool uncorrectable;   /* hosts make blocks unreadable */
	bool manages;         /* hosts create, attach, detach and delete namespaces */
	uint32_t auth;        /* subsystems that ask for it: a bit for each */
	uint32_t auth_again;  /* a live queue does it again once in so many of its host's steps */
	uint32_t auth_wrong;  /* one in so many is wrong on purpose; 0: none */
	uint32_t auth_denied; /* secrets or randomness are not there, once in so many; 0: never */
	uint32_t auth_rotate; /* the secrets change once in so many steps; 0: never */
	uint32_t auth_groups; /* DH groups that subsystems allow (enum wrasse_auth_group) */
};

extern struct plan plan;

void plan_make(uint64_t seed);
/* One good host, nothing random but the order of steps: for the Nth call that fails. */
void plan_make_plain(void);
/* All hosts must authenticate themselves, and do so. */
void plan_make_auth(void);
/* One line that says what the seed is about. */
void plan_describe(char *buf, size_t len);

/* ---- the trace (trace.c) ---- */

extern bool trace_on;
extern uint64_t trace_hash; /* of all that happened so far */

void trace_init(void);
/* Something happened: goes into the hash, and with --trace to stdout. The arguments must be the same
 * in each run of a seed: no addresses. */
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, cheap: only numbers, hashed; @what is a constant string. */
void trace_mix(const char *what, uint64_t a, uint64_t b);
/* How to see the run again: the options of wrasse-sim. */
extern char replay[64];
/* The end of a failed run: says why, and how to see it again. */
void sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn, cold));

/* ---- media and backend (backend.c) ---- */

struct media_block {
	uint32_t gen;    /* that it holds, as far as is known */
	uint32_t issued; /* the last one that was sent to it */
	int32_t shift;   /* the pattern that it holds is that of another block, this far on */
	bool tainted;    /* writes were cut off: it may hold any that was issued */
	bool foreign;    /* by a Copy, or after one: it may hold another block's pattern */
	bool bad;        /* Write Uncorrectable: it cannot be read */
	bool maybe_bad;  /* that, or a write of what is bad, was cut off */
	bool writing;
	uint8_t readers;
};

struct media {
	unsigned subsystem;
	uint32_t nsid;
	uint32_t blocks;
	uint32_t io_opcodes; /* what the backend takes beside reads, writes and flushes */
	uint8_t *data;
	bool *bad;       /* blocks that the backend cannot read */
	uint8_t pi_type; /* 1 to 3; 0: no protection information */
	uint8_t *pi;     /* 8 bytes for each block, as the backend has them */
	struct media_block *block;
	struct wrasse_namespace *ns;
	/* Its Preempt and Aborts: the last, how many, and backend_order when the last took effect. */
	uint64_t fence, fences, fence_order;
	bool masked, shown[SIM_MAX_HOSTS]; /* the hosts that see a masked one */
	bool removing, gone; /* wrasse_subsystem_remove_ns() was called; its done() was */
	unsigned attached[SIM_MAX_GROUPS]; /* 0, 1 */
	uint32_t in_flight;                /* I/Os that the backend has */
};

extern struct media media[SIM_MAX_MEDIA];
extern unsigned media_count;
extern unsigned io_count;     /* I/Os that the backend has */
extern bool backend_releases; /* what would never be completed is, from now on */

void backend_init(void);
/* A namespace for the library's options. NULL: no room. */
struct media *backend_media(unsigned subsystem, struct wrasse_ns_opts *opts);
/* Completes one I/O, perhaps. Return: whether it did. */
bool backend_step(void);
/* Completes all that may be completed. Return: how many. */
unsigned backend_complete_all(void);
/* How many I/Os of a group the backend has. */
unsigned backend_held(unsigned group);
struct ctrl;
/* How many of a host's controller. */
unsigned backend_held_of(const struct ctrl *ctrl);

/* How many I/Os the backend was given, ever. */
extern uint64_t backend_order;
struct host;
/* Whether it has one of a host for a namespace that is not younger. */
bool backend_has_older(const struct media *m, const struct host *host, uint64_t order);

/* The group has just looked at its timers: nobody waits for longer than its namespace allows. */
void backend_check_timers(unsigned group);

/* Whether it has an I/O. */
bool backend_has_it(const struct wrasse_io *io);

/* ---- what backends lend (lend.c) ---- */

void lend_start(void);
/* The operator takes the memory back, or makes it ready again. */
void lend_step(void);
/* map() and unmap(). */
uint32_t lend_map(struct wrasse_io *io, struct iovec *iov, struct wrasse_memory **from);
void lend_unmap(struct wrasse_io *io);
/* An I/O is submitted: with what was lent to it, if anything was. */
void lend_check_submit(const struct wrasse_io *io);
void lend_check_detach(const struct media *m, unsigned group);
/* Loans of a namespace. */
unsigned lend_count(const struct media *m);
void lend_check_end(void);

/* ---- reservations (resv.c) ---- */

struct nvme_request;
void resv_init(void);
/* After each poll. */
void resv_check_poll(void);
/* An I/O reaches the backend. */
void resv_check_io(const struct nvme_request *request, const struct wrasse_namespace *ns);
/* A wrasse_reservation_save_fn: ctx is the media. */
void resv_save(void *ctx, const struct wrasse_reservation *state, struct wrasse_io *io);
/* Saves one, if one is to be saved. */
bool resv_step(void);
/* How many of a group are being saved. */
unsigned resv_held(unsigned group);
/* A good host sends a reservation command. */
struct queue;
bool resv_cmd(struct queue *queue);

/* ---- the embedder's own commands (hook.c) ---- */

void hook_init(void);
/* Hooks of a subsystem that was made; the caller acts as the target. */
void hook_add(unsigned subsystem);
/* Answers a command of the embedder's as the others are: at once, late or from another thread. */
void hook_answer(struct wrasse_command *command, struct wrasse_status status);
/* Answers one command, if there is one. */
bool hook_step(void);
/* How many commands of a group are with their hooks. */
unsigned hook_held(unsigned group);
/* A good host sends one. */
struct queue;
bool hook_cmd(struct queue *queue);

/* ---- protection information (pi.c) ---- */

#define SIM_PI_LEN 8u

struct slot;
/* What a host has behind block @lba of this content. */
void pi_make(const struct media *m, uint32_t lba, const uint8_t *block, uint8_t *tuple);
/* @tuple: of block @lba, in the media or at a host. Ends the run if it is not what it should be. */
void pi_check(const struct media *m, uint32_t lba, const uint8_t *block, const uint8_t *tuple);
/* Completes the capsule of a command on some blocks. @data: it moves them, and may have tuples. */
void pi_put(struct slot *slot, uint8_t *capsule, bool data);
/* The backend's part of an I/O on a namespace that has it: after its data, but for a discard. */
void pi_carry_out(const struct wrasse_io *io, struct media *m);

/* ---- namespaces that hosts manage (manage.c) ---- */

/* Lets the hosts of a subsystem manage its namespaces, if the run is such. */
void manage_add(unsigned subsystem);
/* A command that does so. Return: whether it was sent. */
bool manage_cmd(struct queue *queue);

/* ---- authentication: secrets, randomness, who may be let in (auth.c) ---- */

void auth_start(void);
/* What the embedder asks of the hosts of a subsystem; NULL: nothing. */
const struct wrasse_auth_opts *auth_opts(unsigned subsystem);
/* The secret of a host for a subsystem, and the subsystem's for the host, as they are now. */
const char *auth_secret(unsigned subsystem, unsigned host);
const char *auth_ctrl_secret(unsigned subsystem, unsigned host);
/* All secrets change. */
void auth_rotate(void);
/* How often something happened for which the target may refuse who does all right. */
extern uint64_t auth_excuses;
/* A host's queue pair has sent all that proves who it is: its queue may be open from now on. */
void auth_admit(uint32_t qpn);
/* After each poll: no other is, and one that failed ends. */
void auth_check_group(unsigned index);

void pattern_fill(void *data, uint32_t lba, uint32_t blocks, uint64_t id, uint32_t gen);
/* Return: the generation that a whole block holds; UINT32_MAX: none. */
uint32_t pattern_gen(const void *data, uint32_t lba, uint64_t id);
static inline uint64_t media_id(const struct media *m)
{
	return (uint64_t)(m - media + 1) << 48;
}

/* ---- the target under test (target.c) ---- */

struct group {
	struct wrasse_poll_group *group;
	bool asleep;
	uint64_t wake_ns;
	uint64_t polls;
};

struct subsystem {
	struct wrasse_subsystem *subsystem;
	char nqn[64];
	bool removing;
	bool allowed[SIM_MAX_HOSTS];
};

struct target {
	struct wrasse_target *target;
	struct group group[SIM_MAX_GROUPS];
	unsigned groups;
	struct subsystem subsystem[SIM_MAX_SUBSYSTEMS];
	struct wrasse_listener *listener[SIM_MAX_DEVICES];
	unsigned warnings; /* log lines */
	bool draining, drained;
	uint64_t drain_ns, report_ns; /* when it was asked for, when the report came */
	bool clean, forced;
	unsigned holders, queue_pairs_left, groups_silent;
};

extern struct target target;

/* Everything that the library calls back is called in one of these. */
extern int
	in_library; /* -1: not in it; else the group that is polled, or SIM_MAX_GROUPS: the target */

void target_start(void);
/* Polls group @index (or arms it, or lets it sleep). Return: how much it did. */
int target_poll_group(unsigned index);
int target_poll(void);
/* Whether the target has tried each of its devices; and whether all can SEND with invalidate. */
bool target_has_tried(void);
bool target_invalidates(void);
void target_drain(void);
/* Destroys all. Nothing may be left. */
void target_stop(void);
/* A step of the operator or of fate. */
void control_step(enum fault which);
/* A host has a namespace made, or all but made away with. Return: NULL: there can be no more. */
struct media *control_ns_add(unsigned subsystem);
void control_ns_remove(struct media *m);
/* How far the clock has jumped in this run: time in which nothing could happen. */
extern uint64_t control_jumped_ns;
/* Everything is mended: ports, links, devices, listeners; no more faults. */
void control_mend(void);
/* Allocations and calls of the library are made by this thread while it acts as the target. */
void act_as(int library); /* in_library, party, simulated thread */
void act_as_host(void);

/* ---- allocations that fail (alloc.c) ---- */

/* The @nth allocation of the target from now fails; 0: none. */
void alloc_fail(uint64_t nth);
uint64_t alloc_count(void); /* of the target, ever */

/* ---- hosts (host*.c) ---- */

enum queue_state {
	QUEUE_NONE,
	QUEUE_RESOLVING,
	QUEUE_ROUTING,
	QUEUE_CONNECTING,
	QUEUE_OPEN,    /* the connection stands; no Connect command yet */
	QUEUE_PROVING, /* Connect has succeeded; the host must authenticate itself */
	QUEUE_LIVE,    /* Connect has succeeded, and what must follow it */
	QUEUE_LOST,    /* to be closed */
};

/* A memory window of type 2: bound when its capsule is sent, for one command. */
struct window {
	struct ibv_mw *mw;
	uint32_t rkey;
};

struct cmd;

struct slot {
	const struct cmd *cmd;
	bool busy, sent, answered;
	bool patient; /* may wait for its answer for ever */
	bool refused; /* the target says no as soon as it sees the capsule */
	bool fatal;   /* the connection must end of it */
	uint8_t generation;
	uint16_t cid;
	uint16_t expect; /* status; or ANY_STATUS */
	uint32_t number; /* how manieth of its queue it is, from 1 */
	uint64_t sent_ns;
	/* Data: in the capsule, or pieces of the slot's memory. */
	uint32_t in_capsule; /* bytes */
	uint32_t piece_count;
	struct {
		uint32_t off, len;
	} piece[SIM_MAX_PIECES];
	struct window window[SIM_MAX_WINDOWS];
	uint32_t windows; /* that this command uses */
	uint32_t inv_key; /* that the answer is to invalidate; 0: none */
	bool inv_must;    /* and has to, since the target knows that its device can */
	bool half;        /* of a fused pair */
	/* Blocks of a namespace. */
	struct media *media;
	uint32_t lba, blocks, gen;
	bool tuples;     /* its data has the blocks' protection information behind each of them */
	uint32_t source; /* the block that a Copy begins with */
	/* Aborts: of this command, and whose this one is. */
	bool abort_sent;
	int abort_said;
	struct {
		bool real; /* such a command was outstanding */
		uint16_t qid, cid;
		uint16_t status; /* that it was answered with; ANY_STATUS: not yet, or never */
	} victim;
};

/* What comes next in an authentication. */
enum auth_step {
	AUTH_NONE, /* none is under way */
	AUTH_NEGOTIATE,
	AUTH_CHALLENGE,
	AUTH_REPLY,
	AUTH_SUCCESS1,
	AUTH_SUCCESS2,
	AUTH_FAILURE1, /* the target has a Failure1, for a reason that the host knows */
	AUTH_OVER,     /* the queue must end */
};

/* How a host goes about it. */
enum auth_manner {
	AUTH_RIGHT,
	AUTH_STRANGER, /* with a wrong secret */
	AUTH_DOUBTER,  /* refuses the controller in the end */
	AUTH_SILENT,   /* says nothing more at some step */
	AUTH_CLUMSY,   /* sends a wrong message at some step, or asks when it should send */
	AUTH_MANNERS,
};

struct auth {
	enum auth_step step;
	enum auth_manner manner;
	enum auth_step odd; /* the step at which the manner shows */
	bool out;           /* its command is not answered yet */
	uint8_t rce;        /* the reason that Failure1 must tell */
	uint64_t excuses;   /* auth_excuses when it began */
	uint16_t tid;       /* the last one */
	struct dhchap dhchap;
	uint8_t challenge[16 + 64 + 256];
	uint8_t last[64]; /* the value of the challenge before it */
};

struct queue {
	struct ctrl *ctrl;
	enum queue_state state;
	uint16_t qid;
	uint32_t depth; /* slots */
	uint32_t told;  /* depth as the target knows it; less: a hostile host lies */
	struct rdma_cm_id *id;
	struct ibv_cq *cq;
	struct ibv_mr *capsule_mr, *response_mr, *data_mr;
	uint8_t *capsules, *responses, *data;
	uint32_t data_len;             /* of a slot */
	uint32_t busy;                 /* slots */
	uint32_t count;                /* commands ever sent */
	uint32_t deaf;                 /* commands from this one on are not answered; 0: all are */
	bool stale;                    /* of before a reset: to be closed */
	bool doomed;                   /* what it must end of has arrived */
	uint64_t doom[SIM_MAX_GROUPS]; /* polls of the groups when it did */
	struct slot slot[SIM_MAX_DEPTH];
	uint64_t deadline_ns; /* of the state it is in */
	const char *why;
	struct auth auth;
};

enum ctrl_state {
	CTRL_IDLE,
	CTRL_ADMIN,    /* its admin queue connects */
	CTRL_ENABLING, /* CC.EN is being set, CSTS.RDY awaited */
	CTRL_QUEUES,   /* its I/O queues connect */
	CTRL_LIVE,
	CTRL_RESETTING, /* CC.EN was cleared; until CSTS.RDY is */
	CTRL_SHUTTING,  /* CC.SHN was set; until CSTS.SHST says that it is over */
	CTRL_LEAVING,   /* ends: nothing new is sent */
};

struct ctrl {
	struct host *host;
	enum ctrl_state state;
	unsigned subsystem, device;
	uint16_t cntlid;
	uint32_t queues; /* with the admin queue */
	struct queue queue[SIM_MAX_QUEUES];
	uint64_t alive_ns; /* when the last Keep Alive was answered */
	uint64_t upset_ns; /* when the last reset or shutdown began; 0: there was none */
	uint64_t ask_ns;   /* when CSTS is read again; 0: nobody waits for it */
	uint32_t events;   /* Asynchronous Event Requests out */
	bool wants_events; /* asked for them */
};

struct host {
	unsigned index;
	enum host_kind kind;
	char device[16], address[16], nqn[64];
	struct rdma_event_channel *channel;
	struct ctrl ctrl[SIM_MAX_CTRLS];
	bool dead;    /* unreachable until it comes back */
	bool leaving; /* the run ends: no new connections or commands */
	uint64_t idle_until_ns;
};

extern struct host hosts[SIM_MAX_HOSTS];

/* What all hosts saw. */
struct host_counts {
	uint64_t commands, answers, errors, reads_checked, hooks_checked, connects, refusals,
		losses, resets, proofs, unproven;
};
extern struct host_counts host_counts;

#define ANY_STATUS 0xffff

void host_init(struct host *host, unsigned index);
/* One step of a host. Return: whether it did something. */
bool host_step(struct host *host);
/* Everything that it has is closed and freed. */
void host_fini(struct host *host);
/* It vanishes without a word, until @ns from now. */
void host_die(struct host *host, uint64_t ns);
/* Commands that no answer has come for, held events not counted. */
unsigned host_waiting(const struct host *host);
const char *host_kind_name(enum host_kind kind);

/* host_queue.c */
bool queue_open(struct queue *queue); /* false: a call failed; it is LOST */
void queue_event(struct queue *queue, struct rdma_cm_event *event);
bool queue_poll(struct queue *queue); /* completions */
void queue_lost(struct queue *queue, const char *why);
void queue_close(struct queue *queue);
struct slot *queue_slot(struct queue *queue); /* a free one, or NULL */
/* Sends the capsule in the slot, @len bytes. */
bool queue_send(struct queue *queue, struct slot *slot, uint32_t len);
static inline uint8_t *queue_capsule(const struct queue *queue, const struct slot *slot);
#define SIM_CAPSULE 8320u
static inline uint8_t *queue_capsule(const struct queue *queue, const struct slot *slot)
{
	return queue->capsules + (size_t)(slot - queue->slot) * SIM_CAPSULE;
}
static inline uint8_t *queue_data(const struct queue *queue, const struct slot *slot)
{
	return queue->data + (size_t)(slot - queue->slot) * queue->data_len;
}

/* host_cmd.c */
bool cmd_connect(struct queue *queue);
bool cmd_property_set(struct queue *queue, uint32_t offset, uint64_t value);
bool cmd_property_get(struct queue *queue, uint32_t offset);
bool cmd_keep_alive(struct queue *queue);
bool cmd_admin(struct queue *queue); /* any that a good host sends */
bool cmd_io(struct queue *queue);
bool cmd_hostile(struct queue *queue);
/* An answer came, and the capsule is gone: checks it, then gives the slot back. */
void cmd_answered(struct queue *queue, struct slot *slot, const uint8_t *cqe, uint32_t invalidated);
/* The connection ended with the command unanswered. */
void cmd_cut(struct queue *queue, struct slot *slot);
/* host.c: a connection or controller step is through. */
void ctrl_connected(struct queue *queue, uint16_t status, uint32_t dw0);
void ctrl_property(struct queue *queue, uint16_t status, uint64_t value);
/* The queue takes its commands from now on. */
void ctrl_admitted(struct queue *queue);

/* host_auth.c: a queue whose Connect has succeeded. Return: whether its host must authenticate itself first. */
bool auth_connected(struct queue *queue, uint32_t dw0);
/* The next message of an authentication, or the first of another. */
bool auth_step(struct queue *queue);
/* Whether it is on its way through a reset or shutdown: its I/O queues end, admin commands may fail. */
bool ctrl_is_upset(const struct ctrl *ctrl);

/* ---- checks (check.c, check_course.c) ---- */

/* Polls of groups, each with a check of the library's inside behind it. */
struct check_counts {
	uint64_t polls, busy; /* busy: that did something */
};
extern struct check_counts check_counts;

/* The library's inside, after a poll of the group. */
void check_group(unsigned index);
/* The same, compared with how it was after earlier polls. */
void check_course(unsigned index);
void check_course_reset(void);
/* A host's queue pair, whose connection must have ended within so many @polls of its group. */
void check_doomed(uint32_t qpn, const uint64_t polls[SIM_MAX_GROUPS]);
/* When the drain's report came: nobody is left without a reason. */
void check_drained(void);

/* ---- memory for hosts and media: freed as one (arena.c) ---- */

void arena_reset(void);
void *arena_take(size_t len);     /* zeroed, page-aligned if a page or more */
void *arena_take_any(size_t len); /* with whatever was in it */

/* ---- one run (run.c) ---- */

/* From a plan to a target with hosts that has not done anything yet. */
void world_begin(void);
/* One step of one actor, as chance has it. */
void world_step(void);
/* Everybody has a turn. Return: whether somebody had something to do. */
bool world_round(void);
/* Time passes, at most to the next timer of the fabric. */
void world_pass(uint64_t most_ns);
/* All commands are answered, or their connections gone. */
void world_settle(void);
/* The target knows what its devices can, and knows it well. */
void world_try_devices(void);
void world_drain(void);
/* What the backend has comes back, everything is destroyed, nothing may be left. */
void world_end(void);

/* ---- past failures of targets (museum.c) ---- */

/* @only: a name, or NULL for all. @list: print the names. Return: exit status. */
int museum_run(const char *only, bool list);

struct run_result {
	uint64_t hash;
	uint64_t steps;
	uint64_t virtual_ns;
	struct host_counts counts;
	struct check_counts checks;
};

void run_seed(uint64_t seed, struct run_result *result);

/* What the Nth of the target's is made to fail. */
enum nth_kind {
	NTH_CALL,  /* ibv_* and rdma_* */
	NTH_ALLOC, /* calloc(), aligned_alloc(), mmap() */
};

/*
 * Connect, I/O and drain, with the @nth call or allocation of the target failing.
 *
 * Return: whether there was an @nth one; @what: its name, NULL for allocations.
 */
bool run_nth(enum nth_kind kind, uint64_t nth, const char **what);

#endif
