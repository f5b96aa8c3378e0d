/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces: a range of logical blocks that hosts see, and the backend that stores them.
 */
#ifndef WRASSE_NAMESPACE_H
#define WRASSE_NAMESPACE_H

#include <wrasse/backend.h>
#include <wrasse/base.h>
#include <wrasse/reservation.h>

WRASSE_BEGIN_DECLS

/*
 * What hosts should know to use a namespace well (NVM Command Set 1.0 5.8.2), in logical blocks, at
 * most 65536 and 65535 for the first; 0: not told. The library checks no command against them.
 */
struct wrasse_ns_hints {
	uint32_t io_boundary;  /* NOIOB: I/O that crosses a multiple of it is slow */
	uint32_t atomic_write; /* NAWUN: so long a write is seen whole or not at all */
	uint32_t
		atomic_write_power; /* NAWUPF: also after a power failure; not above atomic_write */
	uint32_t write_granularity; /* NPWG */
	uint32_t write_alignment;   /* NPWA */
	uint32_t discard_granularity; /* NPDG */
	uint32_t discard_alignment;   /* NPDA */
	uint32_t write_size;          /* NOWS: the best length of a write */
};

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
	uint32_t ana_group;   /* ANA group, 1 to the subsystem's max_ana_groups; 0: 1 */
	bool no_auto_visible; /* only hosts see it that wrasse_namespace_allow_host() named, or that
				 were attached by hosts that manage namespaces */
	bool read_only;       /* writes are answered with Namespace is Write Protected */
	bool volatile_cache;  /* completed writes may be lost until a flush: hosts are told to flush
			      */

	/*
	 * Protection information type, 1 to 3; 0: none. With it each block has 8 bytes of metadata,
	 * which hosts see after its data or leave to the library (PRACT); the backend has them in
	 * struct wrasse_io.pi. Such a namespace takes no Compare and no fused pair; Write Zeroes
	 * and Verify are the library's.
	 */
	uint8_t pi_type;

	/* What the backend takes beside reads, writes and flushes: WRASSE_IO_BIT() of each. */
	uint32_t io_opcodes;
	/* Bytes in one WRASSE_IO_WRITE_ZEROES, at least 8192, and in one WRASSE_IO_DISCARD, at least
	 * a block; 0: no limit. Hosts are told. Longer Write Zeroes are refused with Invalid Field,
	 * longer ranges to discard come as several I/Os. */
	uint64_t max_write_zeroes_len, max_discard_len;
	bool discard_zeroes; /* what was discarded reads as zeroes: hosts are told */
	struct wrasse_ns_hints hints;

	const struct wrasse_backend_ops
		*ops;  /* required; must stay valid while the namespace exists */
	void *backend; /* given to each of ops, owned by the embedder */

	/* Keeps reservations through a power loss; NULL: hosts are told that they do not persist. */
	wrasse_reservation_save_fn save_reservation;
	void *reservation_ctx; /* given to save_reservation, owned by the embedder; valid until the
				  namespace was removed */
	const struct wrasse_reservation
		*reservation; /* what was saved last; copied. NULL: nothing was, or ptpl is false */

	/*
	 * How long the backend may take for one I/O, in ms, 100 at least; 0: as long as it takes. It is
	 * told at most a quarter late. Then its abort() is asked, if it has one. If the I/O does not end
	 * at once and its command changes nothing and has brought no data (Read, Verify, Flush), the host
	 * is answered with Command Interrupted, which says that it may be sent again; the backend may go
	 * on to use the memory until it completes the I/O. What changes the media is answered when the
	 * backend completes it and not before: a host that was told otherwise could write the same blocks
	 * anew, and find them overwritten by what it wrote first.
	 */
	uint32_t io_timeout_ms;

	/* With no_auto_visible, where hosts manage namespaces (<wrasse/ns_management.h>): a second host
	 * that is to be attached is refused with Namespace Is Private. wrasse_namespace_allow_host() is
	 * not bound by it. */
	bool one_host;
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
 * count, nsid, io_opcodes, limit, hint, reservation or missing submit; -EEXIST if the nsid, NGUID, EUI64 or UUID is in use in the target;
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

/*
 * Changes how many blocks a namespace has. Connected hosts are told (Namespace Attribute Changed).
 *
 * @ns: the namespace; not NULL, not being removed.
 * @block_count: its logical blocks from now on; not 0.
 *
 * Context: any thread, also a callback. A command that a poll group takes after this call, or whose
 * data arrives after it, is judged by the new size: LBA Out of Range beyond it. I/O that the
 * backend has already may reach beyond a size that became smaller.
 * Return: 0; -EINVAL if block_count is 0 or too large (the log names the limit).
 */
WRASSE_API int wrasse_namespace_resize(struct wrasse_namespace *ns, uint64_t block_count);

/*
 * Lets a host see a namespace that was added with no_auto_visible. For every other host of the
 * subsystem it does not exist. Connected controllers of that host are told (Namespace Attribute
 * Changed).
 *
 * @ns: the namespace; not NULL, not being removed.
 * @hostnqn: the host's NQN, at most 223 bytes; copied. It need not be allowed to connect yet.
 *
 * Context: any thread, also a callback. It allocates.
 * Return: 0; -EINVAL for a malformed NQN, or if every host sees the namespace; -EEXIST if that host
 * sees it already; -ENOMEM.
 */
WRASSE_API int wrasse_namespace_allow_host(struct wrasse_namespace *ns, const char *hostnqn);

/*
 * Hides a namespace again from a host, which is told. Commands that a poll group takes after this
 * call get Invalid Namespace; I/O that the backend has already is answered.
 *
 * Context: any thread, also a callback.
 * Return: 0; -ENOENT if the host was not named.
 */
WRASSE_API int wrasse_namespace_disallow_host(struct wrasse_namespace *ns, const char *hostnqn);

WRASSE_END_DECLS

#endif
