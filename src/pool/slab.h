/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slabs: large zeroed pieces of memory on one NUMA node, or memory that the embedder lent. A slab
 * can be registered with RDMA devices; how is the caller's affair, given as two function pointers,
 * so that this code sees no verb.
 */
#ifndef WRASSE_POOL_SLAB_H
#define WRASSE_POOL_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_MAX_DEVICES 16

struct pool_slab {
	void *base;
	size_t len;                     /* whole pages */
	bool lent;                      /* the embedder's: not unmapped */
	void *region[POOL_MAX_DEVICES]; /* what register_fn made, NULL if not registered */
	uint32_t lkey[POOL_MAX_DEVICES];
};

/* Registers [base, base + len) with a device; stores a handle and the local key. 0 or a negative
 * errno value. */
typedef int (*pool_register_fn)(void *device, void *base, size_t len, void **region,
				uint32_t *lkey);
typedef void (*pool_unregister_fn)(void *region);

/*
 * @len: bytes, rounded up to pages.
 * @node: NUMA node, -1: the calling thread's. Without NUMA support in the kernel any memory is
 * used.
 * @lent: page-aligned memory of at least @len bytes, or NULL to map it.
 * Huge pages are used for a large slab where the kernel gives them by itself (madvise); they are
 * never required.
 *
 * Return: 0; -ENOMEM; -EINVAL if lent memory is not page-aligned.
 */
int pool_slab_init(struct pool_slab *slab, size_t len, int node, void *lent);

/* The slab must not be registered any more. */
void pool_slab_fini(struct pool_slab *slab);

/* Registers the slab as device number @index. Return: 0; -EEXIST if it is; -EINVAL for an index out
 * of range; or what
 * @reg returned. */
int pool_slab_register(struct pool_slab *slab, unsigned index, void *device, pool_register_fn reg);

/* Does nothing if it is not registered there. */
void pool_slab_unregister(struct pool_slab *slab, unsigned index, pool_unregister_fn unreg);

#endif
