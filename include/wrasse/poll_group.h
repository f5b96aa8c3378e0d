/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Poll groups: the data path. A poll group belongs to the thread that polls it, and so does
 * everything in it.
 */
#ifndef WRASSE_POLL_GROUP_H
#define WRASSE_POLL_GROUP_H

#include <wrasse/base.h>
#include <wrasse/report.h>

WRASSE_BEGIN_DECLS

/* What a poll group may use. All of it is allocated by wrasse_poll_group_create(), on one NUMA
 * node. */
struct wrasse_poll_group_opts {
	size_t size;             /* sizeof(struct wrasse_poll_group_opts) */
	uint32_t io_requests;    /* I/O commands in work at once; 0: 3072 */
	uint32_t admin_requests; /* admin commands in work at once, held events included; 0: 1024 */
	uint32_t io_slots;       /* receive slots for I/O queues, per device; 0: 1024 */
	uint32_t admin_slots;    /* receive slots for admin queues, per device; 0: 128 */
	uint32_t wrs;            /* WRs in the WR pool, 52 at least; 0: 4096 */
	uint32_t small_buffers;  /* data buffers of 8 KiB, 18 at least; 0: 768 */
	uint32_t large_buffers;  /* data buffers of 128 KiB, 9 at least; 0: 32 */
	uint32_t poll_budget;    /* completions taken per device and poll; 0: 64 */
	int numa_node;           /* -1: the node of the calling thread; else the node */
	void *data_memory;      /* memory for the data buffers, page-aligned, owned by the embedder;
				   NULL: allocated */
	size_t data_memory_len; /* bytes; at least wrasse_poll_group_data_memory_len() */
	void *ctx;              /* for the embedder: see wrasse_poll_group_ctx() */
};

static inline void wrasse_poll_group_opts_init(struct wrasse_poll_group_opts *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->size = sizeof(*opts);
	opts->numa_node = -1;
}

/*
 * Makes a poll group. From then on it must be polled: control-plane calls complete only when every
 * group was polled.
 *
 * @target: the target; not NULL.
 * @opts: sizes; NULL: the defaults.
 * @group: where to store the group; not NULL.
 *
 * Context: any thread, not a callback. It allocates. The first thread that polls the group owns it.
 * Return: 0; -EINVAL for sizes that cannot work (the log names the limit); -ENOSPC if the target
 * has max_poll_groups; -E2BIG for an unknown tail of opts; -ENOMEM; -ESHUTDOWN if the target drains
 * or was drained.
 */
WRASSE_API int wrasse_poll_group_create(struct wrasse_target *target,
					const struct wrasse_poll_group_opts *opts,
					struct wrasse_poll_group **group);

/* Bytes of data_memory that a group with these options needs; NULL: with the defaults. */
WRASSE_API size_t wrasse_poll_group_data_memory_len(const struct wrasse_poll_group_opts *opts);

/*
 * Frees a poll group that has no connections, which a drain sees to.
 *
 * @group: the group; NULL is legal.
 *
 * Context: the thread that owns the group, or any thread once that one polls no more. Backends are
 * detached here. Return: 0; -EBUSY if it has connections or a backend holds I/O: drain and poll on;
 * -EDEADLK from a callback.
 */
WRASSE_API int wrasse_poll_group_destroy(struct wrasse_poll_group *group);

/* The ctx of the group's options. */
WRASSE_API void *wrasse_poll_group_ctx(const struct wrasse_poll_group *group);

/* The number of the group in its target, from 0. */
WRASSE_API unsigned wrasse_poll_group_index(const struct wrasse_poll_group *group);

/*
 * Does what there is to do: takes completions, moves requests, posts work, runs timers, polls
 * backends.
 *
 * @group: the group; not NULL.
 *
 * Context: the owning thread. It never blocks. Work per call is bounded (poll_budget).
 * Callbacks: the backends' functions and get_key of subsystems, from inside.
 * Return: how many events it acted on, 0 for none; -EDEADLK from a callback.
 */
WRASSE_API int wrasse_poll_group_poll(struct wrasse_poll_group *group);

/*
 * A descriptor that becomes readable when an armed group has something to do. For epoll or poll;
 * never read it.
 *
 * Return: the descriptor; the group owns it.
 */
WRASSE_API int wrasse_poll_group_fd(const struct wrasse_poll_group *group);

/*
 * Prepares to sleep on wrasse_poll_group_fd(). It arms the completion queues and then polls once,
 * so that nothing that came in between is missed.
 *
 * @group: the group; not NULL.
 * @timeout_ms: where to store how long the caller may sleep at most, in ms; -1: no timer is due.
 * May be NULL.
 *
 * Context: as wrasse_poll_group_poll(), which it calls. A backend with completions of its own to
 * look for must have its own descriptor in the embedder's epoll set. Return: 0: sleep until the
 * descriptor is readable or the time is over, then poll; more than 0: there was work, poll on
 * before arming again; -EDEADLK from a callback.
 */
WRASSE_API int wrasse_poll_group_arm(struct wrasse_poll_group *group, int *timeout_ms);

/*
 * Makes an armed group's descriptor readable.
 *
 * Context: any thread; also a signal handler.
 */
WRASSE_API void wrasse_poll_group_wake(struct wrasse_poll_group *group);

/* Counters of a poll group, since it was made. */
struct wrasse_poll_group_stats {
	uint64_t polls;        /* calls of wrasse_poll_group_poll() */
	uint64_t idle_polls;   /* those that found nothing */
	uint64_t completions;  /* work completions taken */
	uint64_t capsules;     /* command capsules received */
	uint64_t send_posts;   /* calls of ibv_post_send() */
	uint64_t send_wrs;     /* WRs in them */
	uint64_t signaled_wrs; /* those that asked for a completion */
	uint64_t recv_posts;   /* calls of ibv_post_srq_recv() or ibv_post_recv() */
	uint64_t reads;        /* NVMe Read commands completed */
	uint64_t writes;       /* NVMe Write commands completed */
	uint64_t read_bytes;   /* data sent to hosts for them */
	uint64_t write_bytes;  /* data fetched from hosts for them */
	uint64_t errors;       /* commands answered with a status other than success */
	uint64_t queue_pairs;  /* queue pairs that exist now */
	uint64_t connects;     /* queue pairs that came */
	uint64_t disconnects;  /* queue pairs that went */
	uint64_t hostile;      /* connections ended because a host broke the protocol */
	uint64_t lent;         /* times that a backend lent the memory for a command's data */
	uint64_t
		interrupted; /* commands that were answered while their backend had them: io_timeout_ms */
};

/*
 * Reads the counters.
 *
 * @stats: where to store them.
 * @size: sizeof(*stats) as the caller knows it; members that it does not know are left out.
 *
 * Context: any thread. Each counter is exact; counters of one snapshot may be some commands apart.
 */
WRASSE_API void wrasse_poll_group_get_stats(const struct wrasse_poll_group *group,
					    struct wrasse_poll_group_stats *stats, size_t size);

/*
 * Reads the books of the group's pools.
 *
 * @pools: where to store them.
 * @count: how many fit.
 *
 * Context: any thread.
 * Return: how many pools there are; at most count were stored.
 */
WRASSE_API unsigned wrasse_poll_group_get_pools(const struct wrasse_poll_group *group,
						struct wrasse_pool_line *pools, unsigned count);

/*
 * Names everything that is out of the group's pools: calls back for each request that is not free,
 * and for each that is although WRs or buffers are still out in its name.
 *
 * @each: called for each holder; the struct is valid during the call.
 * @ctx: given to each.
 *
 * Context: the owning thread. Callbacks: each, before return; it must not call poll or destroy.
 * Return: how many holders there are.
 */
WRASSE_API unsigned
wrasse_poll_group_ledger(struct wrasse_poll_group *group,
			 void (*each)(void *ctx, const struct wrasse_holder *holder), void *ctx);

/* A state of requests. docs/flow.md has the graph of them. */
struct wrasse_state_line {
	const char *name; /* a constant string */
	uint64_t moves;   /* how often a request came into it since the group was made */
};

/*
 * Reads how often requests came into each state: WAIT_RESOURCES, say, counts the commands that had
 * to wait for buffers or WRs.
 *
 * @states: where to store them.
 * @count: how many fit.
 *
 * Context: any thread.
 * Return: how many states there are; at most count were stored.
 */
WRASSE_API unsigned wrasse_poll_group_get_states(const struct wrasse_poll_group *group,
						 struct wrasse_state_line *states, unsigned count);

/* One move of a request from a state to the next. */
struct wrasse_move {
	uint64_t number;  /* of the move, from 0: those of the group before it */
	uint32_t request; /* the number of the request in its class */
	bool admin;       /* the class: requests of admin queues, or of I/O queues */
	uint16_t qid;     /* the queue */
	const char *from; /* constant strings */
	const char *to;
};

/*
 * The flight recorder: tells the group's last moves, oldest first. It remembers 1024. A move to a state that the
 * request passes at once is not among them: the next move, which is from there, says so. So it is with RECEIVED, and
 * with EXECUTING for a Read or Write that the backend completes in submit(). One completion may make several requests
 * FREE: the last of them is told, and those are whose responses were before its own on the same queue.
 *
 * @max: tell at most so many, the last ones.
 * @each: called for each move; the struct is valid during the call.
 * @ctx: given to each.
 *
 * Context: the owning thread. It takes no lock and allocates nothing.
 * Callbacks: each, before return; it must not call poll or destroy.
 * Return: how many it told.
 */
WRASSE_API unsigned wrasse_poll_group_moves(struct wrasse_poll_group *group, unsigned max,
					    void (*each)(void *ctx, const struct wrasse_move *move),
					    void *ctx);

WRASSE_END_DECLS

#endif
