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
#include <wrasse/memory.h>
#include <wrasse/status.h>

WRASSE_BEGIN_DECLS

/*
 * What an I/O asks for. Every backend takes the first three. The others come only to a namespace
 * whose io_opcodes (struct wrasse_ns_opts) has their bit; for what a backend does not take the
 * library does what its line says.
 */
enum wrasse_io_opcode {
	/* Fill iov from the media. */
	WRASSE_IO_READ,
	/* Store iov to the media; with WRASSE_IO_FUA it is durable when completed. */
	WRASSE_IO_WRITE,
	/* All writes that were completed before are durable when this completes. */
	WRASSE_IO_FLUSH,
	/* The range reads as zeroes from now on. Else: writes of zeroes. */
	WRASSE_IO_WRITE_ZEROES,
	/* The content of the range is not needed any more; it may be ignored, and what the range
	 * reads as afterwards is the backend's choice: its old content, zeroes or ones. Else: hosts
	 * are told that there is no Dataset Management, and get Invalid Opcode. */
	WRASSE_IO_DISCARD,
	/* Find out whether the range can be read. Else: reads. */
	WRASSE_IO_VERIFY,
	/* Find out whether the media has what iov has; if not, complete with WRASSE_SCT_MEDIA,
	 * WRASSE_SC_COMPARE_FAILURE. Else: reads, and the library compares. */
	WRASSE_IO_COMPARE,
	/* Reads of the range fail with Unrecovered Read Error until it is written. Else: hosts are
	 * told that there is no Write Uncorrectable, and get Invalid Opcode. */
	WRASSE_IO_WRITE_UNCORRECTABLE,
	/* The range has what the one of the same length at source has, which is apart from it. Else:
	 * reads and writes. */
	WRASSE_IO_COPY,
};

/* A bit of struct wrasse_ns_opts.io_opcodes. */
#define WRASSE_IO_BIT(opcode) (1u << (opcode))

/* struct wrasse_io.flags */
enum wrasse_io_flags {
	/* Force Unit Access (NVM Command Set 1.0 3.2.6): what is written is durable, what is read
	 * or compared comes from the media and not from a volatile cache. */
	WRASSE_IO_FUA = 1u << 0,
	/* With WRASSE_IO_WRITE_ZEROES: the space may be given back, as by a discard. */
	WRASSE_IO_DEALLOCATE = 1u << 1,
};

/*
 * One I/O. The library owns it; the backend may use it, and the memory that iov names, from
 * submit() until it calls wrasse_io_complete(), on any thread. The range has been checked against
 * the namespace: offset + length never exceeds its size, both are multiples of its block size, and
 * the iov's lengths add up to length where there is an iov: READ, WRITE, COMPARE. One command of a
 * host may be several I/Os, one after the other; the first that fails is the last.
 */
struct wrasse_io {
	enum wrasse_io_opcode opcode;
	uint32_t flags;  /* enum wrasse_io_flags */
	uint64_t offset; /* bytes from the start of the namespace */
	uint64_t length; /* bytes; 0 for a flush */
	uint64_t source; /* WRASSE_IO_COPY: where to copy from, as offset; else 0 */
	const struct iovec
		*iov; /* page-aligned only if the transfer is larger than a small data buffer */
	uint32_t iov_count;           /* 0 for an opcode without an iov */
	struct wrasse_memory *memory; /* NULL: iov is the library's; else it is what map() lent */
	/*
	 * Protection information of the blocks, 8 bytes for each, of namespaces that have it: a
	 * WRITE stores it, a READ fetches it. As hosts write it: guard, application tag and
	 * reference tag, big-endian (NVM Command Set 1.0 5.2). The library makes and checks it.
	 * Blocks that were never written, or discarded, have 8 bytes of all ones. NULL: none.
	 */
	void *pi;
	void *backend;        /* the namespace's backend context */
	void *group_ctx;      /* what attach() made for this poll group */
	uintptr_t scratch[4]; /* for the backend; undefined on submit, unless map() has lent */
};

/* Pieces of memory in the iov of an I/O, at most. */
#define WRASSE_MAX_PIECES 8

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
	 * they were. Context: the thread of any poll group that has attached, inside
	 * wrasse_poll_group_poll(), two at once too. It must not block.
	 */
	int (*set_write_cache)(void *backend, bool on);

	/*
	 * Says how the media is. Optional.
	 *
	 * @backend: the namespace's backend context.
	 * @health: filled with what the library knows: its own counters, and a spare of 100 %. The
	 * backend changes what it knows better.
	 *
	 * Context: the thread of any poll group that has attached, inside wrasse_poll_group_poll(),
	 * two at once too. It must not block.
	 */
	void (*get_health)(void *backend, struct wrasse_health *health);

	/*
	 * A host wants an I/O ended that submit() was called for, or it has taken longer than the
	 * namespace's io_timeout_ms: of one I/O it may be called twice, once for either. Optional; best
	 * effort. The backend completes it soon, in here or later: with WRASSE_SC_ABORTED if it was not
	 * carried out, else with what came of it. That is also what the host is told, but that an I/O
	 * which took too long is told as interrupted, not as aborted. If the I/O is being completed on
	 * another thread at this moment, or cannot be ended, it does nothing.
	 *
	 * Context: the poll group's thread, inside wrasse_poll_group_poll(). It must not block.
	 */
	void (*abort)(struct wrasse_io *io);

	/*
	 * Lends memory for the data of a READ or a WRITE, so that it goes from there to the host, or
	 * from the host to there, and is not copied. Optional: without it, and whenever it lends
	 * nothing, the data goes through the library's buffers.
	 *
	 * It is called before submit(), and more than once if the I/O has to wait for WRs or for the
	 * end of a pause: each time unmap() has come before. Perhaps submit() never comes: a host that
	 * goes, or is preempted meanwhile, has written nothing. So what is lent to a WRITE cannot be
	 * the place of its blocks. What is lent to a READ can: of a block that is written while a host
	 * reads it, the host may then see some bytes from before and some from after.
	 *
	 * @io: as in submit(), but without iov; its scratch keeps what is stored in it until unmap().
	 * @iov: to be filled with the pieces, at most WRASSE_MAX_PIECES, that add up to io->length.
	 * @memory: where to store what they all lie in; the embedder's.
	 *
	 * Return: how many pieces; 0: nothing is lent. Pieces outside memory, or of another length in
	 * all, stop the program with a message. Context: the poll group's thread, inside
	 * wrasse_poll_group_poll(). It must not block, nor call the library.
	 */
	uint32_t (*map)(struct wrasse_io *io, struct iovec *iov, struct wrasse_memory **memory);

	/*
	 * Takes back what map() has lent: neither the library nor a device uses it any more. Required
	 * with map. It comes once for each map() that has lent, and of a READ not before the host has
	 * its data. A namespace is not detached, nor its pause complete, before.
	 *
	 * @io: as in map(), with its scratch.
	 *
	 * Context: the poll group's thread, inside wrasse_poll_group_poll(). It must not block, nor call
	 * the library.
	 */
	void (*unmap)(struct wrasse_io *io);
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
