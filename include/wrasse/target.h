/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The target: listeners, subsystems and admission. It is the control plane; any thread may call it.
 */
#ifndef WRASSE_TARGET_H
#define WRASSE_TARGET_H

#include <wrasse/base.h>
#include <wrasse/rdma_event.h>
#include <wrasse/report.h>

WRASSE_BEGIN_DECLS

/* A connection that asks to come in. */
struct wrasse_conn_info {
	const char *device;  /* name of the RDMA device */
	const char *address; /* the host's address, numeric */
	uint16_t qid;        /* 0: an admin queue */
	uint16_t depth;      /* commands that the host wants to have in flight */
	int numa_node;       /* of the device; -1: unknown */
};

/* What a device may be told not to be used for, although it claims to have it. */
enum wrasse_rdma_feature {
	WRASSE_RDMA_INVALIDATE = 1u << 0, /* SEND with invalidate */
	WRASSE_RDMA_INLINE = 1u << 1,     /* responses that are copied at the post */
	WRASSE_RDMA_SRQ = 1u << 2,        /* shared receive queues */
};

/* How a target behaves. Zero in a member means the default. */
struct wrasse_target_opts {
	size_t size;                  /* sizeof(struct wrasse_target_opts) */
	uint32_t max_poll_groups;     /* 0: 16 */
	uint32_t max_queue_depth;     /* commands in flight per I/O queue, 2 to 1024; 0: 128 */
	uint32_t max_io_queues;       /* I/O queues per controller, 1 to 1024; 0: 128 */
	uint32_t max_data_len;        /* bytes in one command, 4096 * 2^n up to 1 MiB; 0: 1 MiB */
	uint32_t in_capsule_data_len; /* bytes in a capsule of an I/O queue, a multiple of 16 up to
					 16384; 0: 4096 */
	const char *discovery_nqn;    /* a name of its own for the discovery subsystem, beside the
					 well-known one; NULL: none; copied */
	bool no_in_capsule_data;      /* hosts may not send data in I/O capsules */
	bool any_host_name; /* hosts may have names that are no NVMe Qualified Names, or none */
	bool no_srq; /* a receive queue per queue pair even where the device has shared ones */
	uint8_t max_read_depth;      /* RDMA READs outstanding per queue pair; 0: 16 */
	uint8_t min_rnr_timer;       /* RNR NAK timer code, 1 to 31; 0: 12, which is 640 us */
	uint32_t connect_timeout_ms; /* from connection request to Connect command; 0: 10000 */
	uint32_t max_handshakes; /* connections between their request and their Connect command, at
				    once; more are rejected; 0: 1024 */
	uint32_t max_handshakes_per_host; /* the same, of one address; 0: 128 */
	uint32_t max_connections_per_s;   /* connection requests taken in a second, on average, with
					   bursts of as many; more are rejected; 0: no limit */
	uint32_t flush_timeout_ms; /* how long a failed queue pair may take to flush before it is
					destroyed; 0: 2000 */

	/* A monotonic clock in ns; NULL: CLOCK_MONOTONIC. */
	uint64_t (*clock)(void *ctx);
	void *clock_ctx;

	wrasse_log_fn log; /* NULL: no log */
	void *log_ctx;

	/*
	 * Says what not to use on a device: enum wrasse_rdma_feature, or 0. NULL: whatever devices
	 * claim is used; SEND with invalidate only once it was tried (see wrasse_target_poll()).
	 * Called once for each device that a connection comes through, from wrasse_target_poll().
	 */
	uint32_t (*avoid)(void *ctx, const char *device);
	void *avoid_ctx;

	/*
	 * Hears of devices, ports and listeners; NULL: they are only logged. Targets of one process
	 * share what a device says: each event is told to one of them.
	 */
	wrasse_rdma_event_fn rdma_event;
	void *rdma_event_ctx;

	/*
	 * Chooses the poll group of a connection; NULL, or NULL returned: the one with the fewest
	 * queue pairs on the device's NUMA node, if there is one, else on any. Called from
	 * wrasse_target_poll().
	 */
	struct wrasse_poll_group *(*place)(void *ctx, const struct wrasse_conn_info *info);
	void *place_ctx;

	/*
	 * A host that asks for it (ALLSUBE) is told in the discovery log of every subsystem and
	 * referral, also of those that are not for it. For discovery services that gather; false: no
	 * host is told of what it may not use.
	 */
	bool discovery_of_all;
};

static inline void wrasse_target_opts_init(struct wrasse_target_opts *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->size = sizeof(*opts);
}

/*
 * Makes a target. Several can live in one process.
 *
 * @opts: how it behaves; copied. NULL: the defaults.
 * @target: where to store it; not NULL.
 *
 * Context: any thread. It allocates.
 * Return: 0; -EINVAL for a value out of range (the log names it and the limit); -E2BIG for an
 * unknown tail; -ENOMEM; or the negative errno value of a failed system call.
 */
WRASSE_API int wrasse_target_create(const struct wrasse_target_opts *opts,
				    struct wrasse_target **target);

/*
 * Frees a target with its listeners, subsystems and namespaces. Its poll groups must have been
 * destroyed.
 *
 * @target: the target; NULL is legal.
 *
 * Context: any thread while no other uses the target, not a callback.
 * Return: 0; -EBUSY if it has a poll group; -EDEADLK from a callback.
 */
WRASSE_API int wrasse_target_destroy(struct wrasse_target *target);

/*
 * Takes connection requests and device events, and makes drains, pauses and removals go on.
 *
 * The first connection through a device opens it. If it claims SEND with invalidate, and not by iWARP, that
 * is tried, once, between two queue pairs of the library's own on the connection's port: some 20 calls of
 * libibverbs, none of which waits for the network. The polls that follow see it through; until then, and for
 * good if it fails or takes longer than 2 s, responses through the device invalidate nothing, and a warning
 * says so. A device that cannot be tried (no memory windows of type 2, a call that fails, a port that goes
 * down) is taken at its word.
 *
 * @target: the target; not NULL.
 *
 * Context: one thread at a time; it may be one that polls a group. It never blocks.
 * Callbacks: place(), avoid(), rdma_event(), and the done functions of drain, pause and remove calls,
 * from inside.
 * Return: how many events it acted on, 0 for none; -EDEADLK from a callback.
 */
WRASSE_API int wrasse_target_poll(struct wrasse_target *target);

/*
 * A descriptor that is readable when wrasse_target_poll() has something to do. It needs no arming.
 *
 * Return: the descriptor; the target owns it.
 */
WRASSE_API int wrasse_target_fd(const struct wrasse_target *target);

/*
 * How long the caller may sleep on wrasse_target_fd() at most.
 *
 * Return: ms; 0: poll at once; -1: no timer is due.
 */
WRASSE_API int wrasse_target_timeout_ms(struct wrasse_target *target);

/*
 * Stops a target gracefully: no new connections, I/O in flight ends and is answered, then hosts are
 * disconnected and everything is given back. When three quarters of the deadline have passed the
 * rest is forced: queue pairs are broken and destroyed. The report says whether the books balance,
 * and who holds what if a backend still does.
 *
 * @target: the target; not NULL.
 * @deadline_ms: the latest time for the report, from now; 0: force at once and report when the
 * hardware has let go, which takes at most flush_timeout_ms and 1 s more.
 * @done: called exactly once; not NULL. The report is valid during the call.
 * @ctx: given to done.
 *
 * Context: any thread, also a callback. Callbacks: done, from wrasse_target_poll(). The poll groups
 * must be polled until then. If a backend holds I/O at the deadline, poll on until it has answered
 * before destroying the group. Return: 0; -EALREADY if it drains or was drained.
 */
WRASSE_API int
wrasse_target_drain(struct wrasse_target *target, uint32_t deadline_ms,
		    void (*done)(void *ctx, const struct wrasse_drain_report *report), void *ctx);

WRASSE_END_DECLS

#endif
