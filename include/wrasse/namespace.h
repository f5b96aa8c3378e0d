/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces: a range of logical blocks that hosts see, and the backend that stores them.
 */
#ifndef WRASSE_NAMESPACE_H
#define WRASSE_NAMESPACE_H

#include <wrasse/backend.h>
#include <wrasse/base.h>

WRASSE_BEGIN_DECLS

/*
 * What a namespace is. Fused Compare and Write needs nothing of it: the library executes the two
 * one after the other, and no other fused pair of the namespace between them, on whatever queue and
 * poll group. A Write that is no half of a pair, to the same blocks at the same time, may come
 * between them.
 */
struct wrasse_ns_opts {
	size_t size;   /* sizeof(struct wrasse_ns_opts) */
	uint32_t nsid; /* 1 to the subsystem's max_namespaces; 0: the lowest that is free */
	uint32_t
		block_size; /* bytes in a logical block, a power of two from 512 to 65536; 0: 512 */
	uint64_t block_count; /* logical blocks; must not be 0 */
	uint8_t nguid[16];    /* Namespace Globally Unique Identifier; all zero: none */
	uint8_t eui64[8];     /* IEEE Extended Unique Identifier; all zero: none */
	uint8_t uuid[16]; /* namespace UUID (RFC 4122 byte order); all zero: made from subsystem NQN
			     and nsid */
	bool read_only;   /* writes are answered with Namespace is Write Protected */
	bool volatile_cache; /* completed writes may be lost until a flush: hosts are told to flush
			      */

	/* What the backend takes beside reads, writes and flushes: WRASSE_IO_BIT() of each. */
	uint32_t io_opcodes;
	/* Bytes in one WRASSE_IO_WRITE_ZEROES, at least 8192, and in one WRASSE_IO_DISCARD, at least
	 * a block; 0: no limit. Hosts are told. Longer Write Zeroes are refused with Invalid Field,
	 * longer ranges to discard come as several I/Os. */
	uint64_t max_write_zeroes_len, max_discard_len;
	bool discard_zeroes; /* what was discarded reads as zeroes: hosts are told */

	const struct wrasse_backend_ops
		*ops;  /* required; must stay valid while the namespace exists */
	void *backend; /* given to each of ops, owned by the embedder */
};

static inline void wrasse_ns_opts_init(struct wrasse_ns_opts *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->size = sizeof(*opts);
}

/*
 * Adds a namespace to a subsystem. Connected hosts are told (Namespace Attribute Changed).
 *
 * @subsystem: the subsystem; not NULL.
 * @opts: what the namespace is; copied, the backend context and ops stay the embedder's.
 * @ns: where to store the namespace, or NULL. The subsystem owns it.
 *
 * Context: any thread, also a callback. It allocates. Poll groups attach to the backend when they
 * are polled next. Return: the namespace's id (1 or more); -EINVAL for a bad block size, block
 * count, nsid, io_opcodes, limit or missing submit; -EEXIST if the nsid, NGUID, EUI64 or UUID is in use in the target;
 * -ENOSPC if the subsystem is full; -E2BIG for an unknown tail of opts; -ENOMEM; -ESHUTDOWN if the
 * subsystem is being removed.
 */
WRASSE_API int wrasse_subsystem_add_ns(struct wrasse_subsystem *subsystem,
				       const struct wrasse_ns_opts *opts,
				       struct wrasse_namespace **ns);

/*
 * Removes a namespace: hosts are told, new commands get Invalid Namespace, and when the last I/O in
 * flight has been answered every poll group detaches from the backend.
 *
 * @subsystem: the subsystem; not NULL.
 * @nsid: the namespace.
 * @done: called once when the library will not use the backend again; may be NULL.
 * @ctx: given to done.
 *
 * Context: any thread, also a callback. Callbacks: done, from wrasse_target_poll(), after this
 * function has returned. Return: 0; -ENOENT if there is no such namespace.
 */
WRASSE_API int wrasse_subsystem_remove_ns(struct wrasse_subsystem *subsystem, uint32_t nsid,
					  void (*done)(void *ctx), void *ctx);

WRASSE_END_DECLS

#endif
