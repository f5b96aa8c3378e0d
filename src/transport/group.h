/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The poll group's inside. Everything belongs to the thread that polls, but for what is marked
 * otherwise.
 */
#ifndef WRASSE_TRANSPORT_GROUP_H
#define WRASSE_TRANSPORT_GROUP_H

#include <stdatomic.h>
#include <wrasse/pause.h>
#include <wrasse/poll_group.h>

#include "transport/abort.h"
#include "transport/qp.h"
#include "transport/rdmat.h"
#include "transport/rx.h"

#define RDMAT_QP_BUCKETS 8192

/* What a poll group has on one device. */
struct rdmat_group_device {
	struct pool_link link; /* group->devices */
	struct wrasse_poll_group *group;
	struct rdmat_device *device;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct rdmat_rx *rx[2]; /* shared receivers, [0] I/O, [1] admin; NULL without SRQ */
	int batch;              /* completions that are asked for at once */
	bool armed;             /* a notification is asked for */
	bool failed;            /* the completion queue cannot be polled */
	uint64_t sweeps;        /* times the completion queue was seen empty */
	/* Its queue pairs by number: see rdmat_group_qp_find(). */
	struct rdmat_qp *buckets[RDMAT_QP_BUCKETS];
};

/* How far a drain is, written by the target. */
enum rdmat_drain {
	RDMAT_DRAIN_NO,
	RDMAT_DRAIN_GRACEFUL,
	RDMAT_DRAIN_FORCED,
};

/* Flight recorder: the last moves of requests. */
#define RDMAT_RECORDS 1024

/* The names behind queue pairs that are gone, the last ones: for the ledger. */
#define RDMAT_DEPARTED 256

struct rdmat_names {
	char hostnqn[NVME_NQN_LEN + 1];
	char subnqn[NVME_NQN_LEN + 1];
};

struct rdmat_departed {
	uint32_t number; /* rdmat_qp.number */
	struct rdmat_names names;
};

/* A line of the drain report, with names of its own: it outlives what it tells of. */
struct rdmat_holder {
	struct wrasse_holder line;
	struct rdmat_names names;
};

/* Abort commands of a group whose outcome is not known. */
#define RDMAT_MAX_ABORTS 32

struct wrasse_poll_group {
	struct rdmat *rdmat;
	unsigned index;
	int node;
	void *ctx;
	uint32_t budget;

	/* any thread */
	_Atomic(bool) attention;   /* look at flags and views */
	_Atomic(bool) armed;       /* asleep, or about to be: wake through wake_fd */
	_Atomic(int) drain;        /* enum rdmat_drain */
	_Atomic(bool) drained;     /* no queue pair is left after a drain began */
	_Atomic(bool) want_ledger; /* the target wants holders[] filled */
	_Atomic(bool) ledger_ready;
	/* Queue pairs, those on their way included, for placement: [0] I/O, [1] admin. */
	_Atomic(uint32_t) load[2];
	struct pool_inbox inbox; /* struct rdmat_msg */
	int wake_fd;
	int epoll_fd;

	/* the owner's */
	bool polling;        /* inside poll: calls back now */
	bool owned;          /* since its first poll, by: */
	const void *owner;   /* rdmat_this_thread() */
	uint64_t now_ns;     /* read once per poll, 0: not yet */
	uint32_t until_slow; /* polls until the next look at timers and CM events */
	uint64_t next_timer_ns;
	struct rdma_event_channel *cm_channel; /* NULL before the first connection */
	struct pool_list devices;
	struct pool_list
		receivers; /* those of which slots were taken or given back, or are wanted */
	struct pool_list qps;
	struct pool_list dying;
	struct pool_list dirty;
	struct pool_list unsignaled; /* queue pairs whose last post is not signaled, or was not */
	uint64_t unsignaled_until;   /* when those are looked at; UINT64_MAX: there are none */
	bool settling;               /* somebody waits for what they have: they are marked now */
	struct pool_list auths;      /* queue pairs whose authentication waits for its turn */
	struct pool_list pairs;      /* queue pairs with a fused pair that waits for its turn */
	uint32_t halves;             /* queue pairs with a first half whose second has not come */
	struct rdmat_abort aborts[RDMAT_MAX_ABORTS];
	uint32_t aborts_out;          /* of them in use */
	struct nvme_ns_port *ports;   /* attached and with a poll function: linked by next_work */
	struct nvme_ns_port *leaving; /* wait for their last I/O */
	uint64_t genctr;              /* of the discovery log, as last seen */
	uint64_t fence;               /* of the registry, as last seen */
	struct pool_inbox_link *local_done,
		**local_done_tail; /* completions recorded on this thread */
	/* A poll has more to do than to post: see rdmat_group_has_chores(). */
	bool chores;
	uint64_t io_timeout_ns; /* the shortest of its namespaces; 0: none has one */
	bool lenders;           /* of the backends that it has attached to, one has map() */
	/* Bytes that a Read gets a small buffer for as it is, without a question to its backend: 0: none does. */
	uint32_t straight_max;
	bool device_failed;            /* of devices, one or more have failed */
	struct rdmat_class classes[2]; /* [0] I/O, [1] admin */
	struct pool *wr_pool;
	struct pool *small;
	struct pool *large;
	uint32_t io_slots, admin_slots;
	uint64_t state_count[RDMAT_REQUEST_STATE_COUNT]; /* moves into each state */
	/* Written with rdmat_count(). Of polls those are counted here that found something. */
	struct wrasse_poll_group_stats stats;
	struct rdmat_holder *holders;    /* RDMAT_MAX_HOLDERS for the drain report */
	struct rdmat_departed *departed; /* a ring of RDMAT_DEPARTED */
	uint32_t holder_count, holders_omitted;
	uint64_t departed_count;
	struct rdmat_record records[RDMAT_RECORDS];
	uint64_t record_count;
};

#define RDMAT_MAX_HOLDERS 1024
#define RDMAT_SMALL_LEN   8192u
#define RDMAT_LARGE_LEN   131072u

/* A counter that other threads read. */
static inline void rdmat_count(uint64_t *counter, uint64_t n)
{
	relaxed_add(counter, n);
}

static inline void rdmat_set(uint32_t *value, uint32_t to)
{
	relaxed_store(value, to);
}

/* Any thread. Queue pairs, those on their way included. */
static inline uint32_t rdmat_group_load(const struct wrasse_poll_group *group)
{
	return atomic_load(&group->load[0]) + atomic_load(&group->load[1]);
}

/* The calling thread: no two that live have the same. */
const void *rdmat_this_thread(void);

/* Time of this poll. */
static inline uint64_t rdmat_group_now(struct wrasse_poll_group *group)
{
	if (!group->now_ns)
		group->now_ns = rdmat_now(group->rdmat);
	return group->now_ns;
}

/* @opts: complete. Return: 0 or a negative errno value. The control plane's thread. */
int rdmat_group_create(struct rdmat *rdmat, const struct wrasse_poll_group_opts *opts,
		       unsigned index, struct wrasse_poll_group **out);
/* Whether it has connections or requests. */
bool rdmat_group_is_busy(const struct wrasse_poll_group *group);
/* It is not busy. */
void rdmat_group_destroy(struct wrasse_poll_group *group);

/* Runs the messages that came. Return: how many. */
int rdmat_group_inbox(struct wrasse_poll_group *group);

/* Makes the group's CM event channel, once. */
int rdmat_group_open_cm(struct wrasse_poll_group *group);

/* Any thread. Makes the group look at flags and views in its next poll, and wakes it. */
void rdmat_group_attention(struct wrasse_poll_group *group);

/* The backend has completed a request's I/O on this thread: the group acts on it in this poll, or the next. */
void rdmat_group_done(struct wrasse_poll_group *group, struct rdmat_request *request);

/* Any thread. Sends a message. */
void rdmat_group_send(struct wrasse_poll_group *group, struct rdmat_msg *msg);

/* What the group has on a device; made on first use. NULL and a log line if it cannot be. */
struct rdmat_group_device *rdmat_group_device_get(struct wrasse_poll_group *group,
						  struct rdmat_device *device);
void rdmat_group_device_free(struct rdmat_group_device *device);

/* Polls a device's completion queue once. Return: completions taken. */
int rdmat_group_device_poll(struct rdmat_group_device *device);

/* What the group has on a device is of no use any more: ends its connections, so that no host waits for
 * answers that cannot come. Once nothing uses it, it is freed (see below). */
void rdmat_group_device_fail(struct rdmat_group_device *device, const char *why);

/* Frees what failed and is not used any more: the next connection makes it anew. Return: how much. */
int rdmat_group_devices_renew(struct wrasse_poll_group *group);

/* Takes a notification off the completion channel. Return: whether there was one. */
bool rdmat_group_device_ack(struct rdmat_group_device *device);

/* Finds a queue pair by its number; NULL if there is none. */
struct rdmat_qp *rdmat_group_qp_find(struct rdmat_group_device *device, uint32_t qpn);
void rdmat_group_qp_add(struct wrasse_poll_group *group, struct rdmat_qp *qp);
void rdmat_group_qp_remove(struct wrasse_poll_group *group, struct rdmat_qp *qp);

/* sync.c: after the attention flag, and for what it left to do. Return: how much was done. */
int rdmat_group_sync(struct wrasse_poll_group *group);
int rdmat_group_detach_leaving(struct wrasse_poll_group *group);
int rdmat_group_timers(struct wrasse_poll_group *group);
/* Looks at the timers of one queue pair's controller and authentication, which may be due earlier
 * from now on, and not at those of all the others. */
void rdmat_group_tick(struct rdmat_qp *qp);
/* Detaches every backend; no I/O is in flight. */
void rdmat_group_detach_all(struct wrasse_poll_group *group);

/* fence.c: shows src/nvme the group's requests for each Preempt and Abort that it has not seen. */
void rdmat_group_fence(struct wrasse_poll_group *group);

/*
 * Whether group->chores must be set after a poll. Whoever adds to one of these lists, or sets one of these flags, sets that as
 * well; but for receivers and dirty, which each poll that finds something empties, and for leaving, which grows only
 * while the control plane's changes are looked at, in a poll that has it set.
 */
static inline bool rdmat_group_has_chores(const struct wrasse_poll_group *group)
{
	return group->settling || group->device_failed || group->leaving ||
	       !pool_list_is_empty(&group->classes[0].parked) ||
	       !pool_list_is_empty(&group->classes[1].parked) ||
	       !pool_list_is_empty(&group->classes[0].waiting) ||
	       !pool_list_is_empty(&group->classes[1].waiting) ||
	       !pool_list_is_empty(&group->pairs) || !pool_list_is_empty(&group->auths) ||
	       !pool_list_is_empty(&group->receivers) || !pool_list_is_empty(&group->dirty) ||
	       !pool_list_is_empty(&group->dying);
}

/* cm_events.c: takes the group's CM events. Return: how many. */
int rdmat_group_cm_events(struct wrasse_poll_group *group);

/*
 * Stops the program if free + held is not the capacity, in any pool. Called at the end of every
 * poll that did something, in builds with -Dcheck_books=true; does nothing in others.
 */
#ifdef WRASSE_CHECK_BOOKS
void rdmat_group_check_books(struct wrasse_poll_group *group);
#else
static inline void rdmat_group_check_books(struct wrasse_poll_group *group)
{
}
#endif

/* A queue pair goes: its names stay known for a while. */
void rdmat_group_note_departed(struct wrasse_poll_group *group, const struct rdmat_qp *qp);

/*
 * The names behind a queue pair, which may be gone; "" where they are not known any more. Valid
 * until the next poll.
 *
 * @number: rdmat_qp.number.
 */
void rdmat_group_queue_names(const struct wrasse_poll_group *group, uint32_t number,
			     const char **hostnqn, const char **subnqn);

/* Copies a holder with its names. */
void rdmat_holder_copy(struct rdmat_holder *to, const struct wrasse_holder *from);

/* Fills holders[] for the drain report. */
void rdmat_group_fill_ledger(struct wrasse_poll_group *group);

#endif
