/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespace management by hosts: they create and delete namespaces, which the embedder makes and
 * destroys, and attach and detach them, which the library does (NVMe Base 2.0 5.22, 5.23, 8.11).
 */
#ifndef WRASSE_NS_MANAGEMENT_H
#define WRASSE_NS_MANAGEMENT_H

#include <wrasse/hook.h>
#include <wrasse/namespace.h>

WRASSE_BEGIN_DECLS

/* The namespace that a host wants. Only the library makes one; it may grow at its end. */
struct wrasse_ns_create {
	uint64_t block_count; /* logical blocks, not 0 */
	uint32_t block_size;  /* bytes in a logical block, one of block_sizes */
	uint32_t ana_group;   /* 1 to the subsystem's max_ana_groups; 0: the embedder chooses */
	bool shared; /* several hosts may be attached; else the namespace is to have one_host */
};

/* How much there is to make namespaces of, in bytes. */
struct wrasse_ns_capacity {
	uint64_t total;       /* TNVMCAP, with what namespaces have; 0: not told */
	uint64_t unallocated; /* UNVMCAP, what is left */
};

/*
 * Namespace management of one subsystem.
 *
 * create(), remove() and attached() start a command as a hook's submit() does (<wrasse/hook.h>):
 * each must end in exactly one wrasse_command_complete(), from any thread, also before it returns.
 * They are called from any poll group's thread, inside wrasse_poll_group_poll(), and must not block.
 * So are may_manage() and capacity(), which answer at once. None is called with a lock held.
 *
 * Attaching is by host, since controllers come and go with connections: a controller in a host's
 * list stands for its host, and a namespace is attached to every controller that the host has or
 * will have, as by wrasse_namespace_allow_host(). All of a list or nothing is carried out.
 * Namespaces without no_auto_visible are attached to every host, and cannot be detached (Operation
 * Denied).
 */
struct wrasse_ns_management {
	size_t size; /* sizeof(struct wrasse_ns_management) */

	/* The block sizes that hosts may choose from, or-ed together: 512 | 4096. Each is a power of
	 * two from 512 to 65536 and not above the target's max_data_len; 0: 512. */
	uint32_t block_sizes;

	/*
	 * Whether a host may manage namespaces: all of the subsystem's, also those that it does not
	 * see. For who may not, the commands and the namespaces are not there. It must say the same
	 * of a host each time, and may be asked often. NULL: every host may.
	 */
	bool (*may_manage)(void *ctx, const char *hostnqn);

	/*
	 * A host wants a namespace. Required. The embedder makes the backend, calls
	 * wrasse_subsystem_add_ns() with what is wanted and with no_auto_visible, so that no host is
	 * attached yet, puts the nsid into command->result and completes the command. If it cannot:
	 * WRASSE_SC_NS_CAPACITY, WRASSE_SC_NS_ID_UNAVAILABLE (-ENOSPC of wrasse_subsystem_add_ns())
	 * of WRASSE_SCT_COMMAND, or any other status. What was wanted has been checked against
	 * block_sizes, max_ana_groups and max_namespaces.
	 *
	 * @command: nsid is 0; its data is the host's structure.
	 * @wanted: valid until create() returns.
	 */
	void (*create)(struct wrasse_command *command, const struct wrasse_ns_create *wanted);

	/*
	 * A host wants namespace command->nsid, which there is, to be deleted; FFFFFFFFh: every one of
	 * the subsystem. Required. The embedder calls wrasse_subsystem_remove_ns() and completes the
	 * command; if it does so in the done callback, the host may use the nsid anew at once.
	 */
	void (*remove)(struct wrasse_command *command);

	/*
	 * A host has attached or detached namespace command->nsid: who sees it has changed, and
	 * wrasse_namespace_host() tells. It is not answered before the command is completed, so that
	 * an embedder can save what must outlive its program. NULL: nobody is told.
	 */
	void (*attached)(struct wrasse_command *command);

	/*
	 * Tells the capacity. NULL: hosts are not told.
	 *
	 * @capacity: all zero, to be filled.
	 */
	void (*capacity)(void *ctx, struct wrasse_ns_capacity *capacity);

	void *ctx; /* given to each of them; commands have it as command->ctx */
};

static inline void wrasse_ns_management_init(struct wrasse_ns_management *management)
{
	memset(management, 0, sizeof(*management));
	management->size = sizeof(*management);
}

/*
 * Lets hosts manage the namespaces of a subsystem, for as long as it exists. They find Namespace
 * Management (0Dh) and Namespace Attachment (15h) in Identify Controller and in the effects log;
 * without this call both are Invalid Opcode, or a hook's.
 *
 * @subsystem: the subsystem; not NULL.
 * @management: copied; its ctx stays the embedder's, and must be valid until the subsystem is gone.
 *
 * Context: any thread, also a callback. It allocates. Hosts that are connected may use it at once.
 * Return: 0; -EINVAL without create or remove, or for a bad block_sizes (the log names it); -EEXIST
 * if it was called before or one of the opcodes has a hook; -E2BIG for an unknown tail; -ENOMEM;
 * -ESHUTDOWN if the subsystem is being removed.
 */
WRASSE_API int wrasse_subsystem_set_ns_management(struct wrasse_subsystem *subsystem,
						  const struct wrasse_ns_management *management);

/*
 * Names the hosts that see a namespace that was added with no_auto_visible, whoever let them.
 *
 * @ns: the namespace; not NULL, not being removed.
 * @index: which of them, from 0; those that are added or removed meanwhile move the others.
 * @hostnqn: where to store the name, zero-terminated; not NULL.
 * @size: bytes of it; 224 are always enough.
 *
 * Context: any thread, also a callback.
 * Return: 0; -ENOENT if index is not below their number; -ENOSPC if size is too small.
 */
WRASSE_API int wrasse_namespace_host(struct wrasse_namespace *ns, uint32_t index, char *hostnqn,
				     size_t size);

WRASSE_END_DECLS

#endif
