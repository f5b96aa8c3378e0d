/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that backends lend. The devices belong to the thread that polls the target, so it is this
 * thread that registers; since that takes long it does so without the lock, and what it works on is
 * marked as busy.
 */
#include "transport/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int rdmat_memory_create(struct rdmat *rdmat, void *base, size_t len, struct wrasse_memory **out)
{
	uint32_t groups = rdmat->opts.max_poll_groups;
	struct wrasse_memory *memory;
	int rc;

	if (!base)
		return -EINVAL;
	memory = aligned_alloc(alignof(struct wrasse_memory),
			       sizeof(*memory) + groups * sizeof(memory->uses[0]));
	if (!memory)
		return -ENOMEM;
	memset(memory, 0, sizeof(*memory) + groups * sizeof(memory->uses[0]));
	memory->rdmat = rdmat;
	rc = pool_slab_init(&memory->slab, len, -1, base);
	if (rc) {
		free(memory);
		return rc;
	}
	rdmat_lock(rdmat);
	memory->next = rdmat->memories;
	rdmat->memories = memory;
	rdmat_unlock(rdmat);
	atomic_store(&rdmat->memories_changed, true);
	rdmat_wake(rdmat);
	*out = memory;
	return 0;
}

static void memory_free(struct wrasse_memory *memory)
{
	for (unsigned i = 0; i < POOL_MAX_DEVICES; i++)
		pool_slab_unregister(&memory->slab, i, rdmat_device_unregister);
	pool_slab_fini(&memory->slab);
	free(memory);
}

static bool is_lent(const struct wrasse_memory *memory)
{
	for (uint32_t i = 0; i < memory->rdmat->opts.max_poll_groups; i++)
		if (atomic_load_explicit(&memory->uses[i].out, memory_order_acquire))
			return true;
	return false;
}

int wrasse_memory_destroy(struct wrasse_memory *memory)
{
	struct wrasse_memory **link;
	struct rdmat *rdmat;
	int rc = 0;

	if (!memory)
		return 0;
	rdmat = memory->rdmat;
	rdmat_lock(rdmat);
	if (memory->busy || is_lent(memory)) {
		rc = -EBUSY;
	} else {
		for (link = &rdmat->memories; *link != memory; link = &(*link)->next)
			;
		*link = memory->next;
		memory_free(memory);
	}
	rdmat_unlock(rdmat);
	return rc;
}

/* The lock is held, and is let go of meanwhile: @memory stays, being busy. */
static void register_one(struct wrasse_memory *memory, struct rdmat_device *device)
{
	struct rdmat *rdmat = memory->rdmat;
	const char *name = ibv_get_device_name(device->context->device);
	int rc;

	memory->busy = true;
	rdmat_unlock(rdmat);
	rc = pool_slab_register(&memory->slab, device->index, device, rdmat_device_register_local);
	if (rc)
		rdmat_log(
			rdmat, WRASSE_LOG_ERROR,
			"device %s: %zu bytes of a backend's memory cannot be registered: %s; their data is copied",
			name, memory->slab.len, strerror(-rc));
	else
		rdmat_log(rdmat, WRASSE_LOG_INFO,
			  "device %s: %zu bytes of a backend's memory are registered", name,
			  memory->slab.len);
	rdmat_lock(rdmat);
	memory->busy = false;
	if (rc)
		memory->refused |= 1u << device->index;
	else
		atomic_fetch_or_explicit(&memory->ready, 1u << device->index, memory_order_release);
}

int rdmat_memories_register(struct rdmat *rdmat)
{
	int count = 0;

	if (!atomic_exchange(&rdmat->memories_changed, false))
		return 0;
	rdmat_lock(rdmat);
	for (struct wrasse_memory *memory = rdmat->memories; memory; memory = memory->next) {
		for (struct rdmat_device *device = rdmat->devices; device; device = device->next) {
			if (((memory->refused | atomic_load(&memory->ready)) >> device->index &
			     1) ||
			    atomic_load(&device->removed))
				continue;
			register_one(memory, device);
			count++;
		}
	}
	rdmat_unlock(rdmat);
	return count;
}

void rdmat_memories_leave(struct rdmat *rdmat, const struct rdmat_device *device)
{
	uint32_t bit = 1u << device->index;

	rdmat_lock(rdmat);
	for (struct wrasse_memory *memory = rdmat->memories; memory; memory = memory->next) {
		atomic_fetch_and(&memory->ready, ~bit);
		memory->refused &= ~bit;
		pool_slab_unregister(&memory->slab, device->index, rdmat_device_unregister);
	}
	rdmat_unlock(rdmat);
}

void rdmat_memories_free(struct rdmat *rdmat)
{
	struct wrasse_memory *memory;

	while ((memory = rdmat->memories)) {
		rdmat->memories = memory->next;
		memory_free(memory);
	}
}
