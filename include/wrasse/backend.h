/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The backend: how the embedder's block device is reached. A namespace has one; wrasse calls it
 * from the poll group's thread, and gets its answers from any thread.
 */
#ifndef WRASSE_BACKEND_H
#define WRASSE_BACKEND_H

#include <sys/uio.h>

#include <wrasse/base.h>
#include <wrasse/health.h>
#include <wrasse/status.h>

WRASSE_BEGIN_DECLS

/* What an I/O asks for. */
enum wrasse_io_opcode {
	WRASSE_IO_READ,  /* fill iov from the media */
	WRASSE_IO_WRITE, /* store iov to the media; with WRASSE_IO_FUA it is durable when completed
			  */
	WRASSE_IO_FLUSH, /* all writes that were completed before are durable when this completes;
			    no data */
};

/* struct wrasse_io.flags */
enum wrasse_io_flags {
	WRASSE_IO_FUA = 1u << 0, /* Force Unit Access (NVM Command Set 1.0 3.2.6) */
};

/*
 * One I/O. The library owns it; the backend may use it, and the memory that iov names, from
 * submit() until it calls wrasse_io_complete(), on any thread. The range has been checked against
 * the namespace: offset + length never exceeds its size, both are multiples of its block size, and
 * the iov's lengths add up to length.
 */
struct wrasse_io {
	enum wrasse_io_opcode opcode;
	uint32_t flags;  /* enum wrasse_io_flags */
	uint64_t offset; /* bytes from the start of the namespace */
	uint64_t length; /* bytes; 0 for a flush */
	const struct iovec
		*iov; /* page-aligned only if the transfer is larger than a small data buffer */
	uint32_t iov_count;
	void *backend;        /* the namespace's backend context */
	void *group_ctx;      /* what attach() made for this poll group */
	uintptr_t scratch[4]; /* for the backend, undefined on submit */
};

/*
 * The backend's functions. Set size to sizeof(struct wrasse_backend_ops).
 */
struct wrasse_backend_ops {
	size_t size;

	/*
	 * Starts one I/O. Required. It must end in exactly one wrasse_io_complete(), which may be
	 * called before submit() returns: it is recorded, and acted on after submit() has returned.
	 *
	 * Context: the poll group's thread, inside wrasse_poll_group_poll(). It must not block.
	 */
	void (*submit)(struct wrasse_io *io);

	/*
	 * Makes the backend's per-thread state for a poll group (an io_uring, a connection).
	 * Optional.
	 *
	 * @backend: the namespace's backend context.
	 * @group: the poll group.
	 * @group_ctx: where to store the state; it comes back in struct wrasse_io and in poll() and
	 * detach().
	 *
	 * Return: 0, or a negative errno value: then the group answers this namespace's I/O with
	 * Namespace Not Ready. Context: the poll group's thread, inside wrasse_poll_group_poll().
	 * It may block and allocate.
	 */
	int (*attach)(void *backend, struct wrasse_poll_group *group, void **group_ctx);

	/*
	 * Ends what attach() made. Optional. No I/O of this group and namespace is in flight.
	 *
	 * Context: the poll group's thread, inside wrasse_poll_group_poll() or
	 * wrasse_poll_group_destroy().
	 */
	void (*detach)(void *backend, void *group_ctx);

	/*
	 * Looks for completions; called once in each wrasse_poll_group_poll(). Optional.
	 *
	 * Return: how many I/Os it completed.
	 */
	int (*poll)(void *backend, void *group_ctx);

	/*
	 * Turns the volatile write cache on or off, as a host asks for all namespaces of a
	 * subsystem. Optional; without it a cache is always on. It is called only if the namespace
	 * has volatile_cache. While the cache is off a write that is completed is durable; what was
	 * written before is so after the next flush.
	 *
	 * @backend: the namespace's backend context.
	 * @on: whether the cache may be used.
	 *
	 * Return: 0, or a negative errno value: the host gets Internal Error and the caches are as
	 * they were. Context: any poll group's thread, inside wrasse_poll_group_poll(), two at once
	 * too. It must not block.
	 */
	int (*set_write_cache)(void *backend, bool on);

	/*
	 * Says how the media is. Optional.
	 *
	 * @backend: the namespace's backend context.
	 * @health: filled with what the library knows: its own counters, and a spare of 100 %. The
	 * backend changes what it knows better.
	 *
	 * Context: any poll group's thread, inside wrasse_poll_group_poll(), two at once too. It
	 * must not block.
	 */
	void (*get_health)(void *backend, struct wrasse_health *health);
};

/*
 * Gives an I/O back with its status.
 *
 * @io: the I/O; the backend must not touch it, or its memory, after this call.
 * @status: what the host will see.
 *
 * Context: any thread, also inside submit() and poll(). It never blocks, allocates or calls back.
 * From a thread other than the group's it wakes the group if it sleeps. Completing an I/O twice
 * stops the program with a message.
 */
WRASSE_API void wrasse_io_complete(struct wrasse_io *io, struct wrasse_status status);

WRASSE_END_DECLS

#endif
