/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that backends lend, and the devices that it is registered with. The list is guarded by
 * rdmat.lock; what a poll group does here is lock-free.
 */
#ifndef WRASSE_TRANSPORT_MEMORY_H
#define WRASSE_TRANSPORT_MEMORY_H

#include <stdalign.h>
#include <stdatomic.h>
#include <wrasse/memory.h>

#include "pool/slab.h"
#include "transport/rdmat.h"

/* What one poll group has of it; written by the group's thread, on a line of its own. */
struct rdmat_memory_use {
	alignas(64) _Atomic(uint32_t) out; /* requests whose data is in it */
};

struct wrasse_memory {
	struct wrasse_memory *next; /* rdmat->memories */
	struct rdmat *rdmat;
	struct pool_slab slab;
	/* Devices that it is registered with, a bit for each index: set after slab.lkey. Any thread. */
	_Atomic(uint32_t) ready;
	uint32_t refused;               /* devices that do not take it, likewise */
	bool busy;                      /* it is being registered, without the lock */
	struct rdmat_memory_use uses[]; /* of each poll group */
};

/* A poll group's thread. Whether it can be used on a device. */
static inline bool rdmat_memory_is_ready(const struct wrasse_memory *memory, unsigned device)
{
	return atomic_load_explicit(&memory->ready, memory_order_acquire) >> device & 1;
}

/* A poll group's thread. One request more (less) whose data is in it. */
static inline void rdmat_memory_use(struct wrasse_memory *memory, unsigned group, int more)
{
	_Atomic(uint32_t) *out = &memory->uses[group].out;

	atomic_store_explicit(out, atomic_load_explicit(out, memory_order_relaxed) + (uint32_t)more,
			      memory_order_release);
}

/* Any thread, without the lock: wrasse_memory_create(). */
int rdmat_memory_create(struct rdmat *rdmat, void *base, size_t len, struct wrasse_memory **memory);

/* The thread that polls the target, without the lock. Registers what is not yet, with every device that is
 * open. Return: how many registrations were tried. */
int rdmat_memories_register(struct rdmat *rdmat);

/* The same thread. The device is about to be freed. */
void rdmat_memories_leave(struct rdmat *rdmat, const struct rdmat_device *device);

/* No queue pair is left. Frees all, before the devices. */
void rdmat_memories_free(struct rdmat *rdmat);

#endif
