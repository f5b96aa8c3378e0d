/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slabs: zeroed memory on one NUMA node, or memory that was lent, and where it is registered.
 * Control plane only: everything here makes system calls. One thread at a time per slab.
 *
 * Huge pages: a large slab begins on a 2 MiB boundary, but the kernel is asked for huge pages only
 * when the slab is registered. Registration pins every page, so that huge ones cost no memory then;
 * before, or in a slab that is never registered, the first byte used would bring 2 MiB, and
 * khugepaged would later fill the holes. The slab is never longer than whole small pages, so huge
 * pages cannot make it larger. Keeping the slab from children of fork() is for registered memory
 * too: a copy-on-write there would leave the device writing to pages that nobody reads.
 */
#include "pool/slab.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool/panic.h"

#define HUGE_PAGE     ((size_t)2 << 20)
#define MAX_NODES     1024
#define BITS_PER_LONG (8 * (int)sizeof(unsigned long))

/* Whole pages that hold @len bytes; 0 if there is no such number. */
static size_t page_round(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) & ~(page - 1);
}

static void *map_pages(size_t len)
{
	void *base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return base == MAP_FAILED ? NULL : base;
}

/* Maps @len bytes that begin on a huge page: maps more and unmaps what sticks out. */
static void *map_on_huge_page(size_t len)
{
	size_t before, after;
	char *mapped;

	if (len > SIZE_MAX - HUGE_PAGE)
		return NULL;
	mapped = map_pages(len + HUGE_PAGE);
	if (!mapped)
		return NULL;
	before = -(uintptr_t)mapped & (HUGE_PAGE - 1);
	after = HUGE_PAGE - before;
	if (before)
		munmap(mapped, before);
	munmap(mapped + before + len, after);
	return mapped + before;
}

/*
 * Best effort: preferred, so that a full node means remote memory and not none, and a kernel or a
 * container without NUMA means any memory. libnuma's own calls would print when they fail.
 */
static void prefer_node(void *base, size_t len, int node)
{
	unsigned long mask[MAX_NODES / BITS_PER_LONG] = {0};
	unsigned here;

	if (numa_available() < 0)
		return;
	if (node < 0) {
		if (getcpu(NULL, &here))
			return;
		node = (int)here;
	}
	if (node >= MAX_NODES)
		return;
	mask[node / BITS_PER_LONG] = 1ul << (node % BITS_PER_LONG);
	/* The kernel takes one bit less than it is told. */
	(void)mbind(base, len, MPOL_PREFERRED, mask, MAX_NODES + 1, 0);
}

int pool_slab_init(struct pool_slab *slab, size_t len, int node, void *lent)
{
	memset(slab, 0, sizeof(*slab));
	if (!len || page_round((uintptr_t)lent) != (uintptr_t)lent)
		return -EINVAL;
	len = page_round(len);
	if (!len)
		return -ENOMEM;
	if (lent) {
		slab->base = lent;
		slab->lent = true;
	} else {
		slab->base = len < HUGE_PAGE ? map_pages(len) : map_on_huge_page(len);
		if (!slab->base)
			return -ENOMEM;
		prefer_node(slab->base, len, node);
	}
	slab->len = len;
	return 0;
}

void pool_slab_fini(struct pool_slab *slab)
{
	unsigned i;

	for (i = 0; i < POOL_MAX_DEVICES; i++)
		if (slab->region[i])
			pool_panic("slab %p: freed while registered with device %u", slab->base, i);
	if (slab->base && !slab->lent)
		munmap(slab->base, slab->len);
	memset(slab, 0, sizeof(*slab));
}

/* Best effort, and again each time: libibverbs undoes the second when a region goes. */
static void advise_registered(struct pool_slab *slab)
{
	if (slab->lent)
		return;
	if (slab->len >= HUGE_PAGE)
		(void)madvise(slab->base, slab->len, MADV_HUGEPAGE);
	(void)madvise(slab->base, slab->len, MADV_DONTFORK);
}

int pool_slab_register(struct pool_slab *slab, unsigned index, void *device, pool_register_fn reg)
{
	void *region = NULL;
	uint32_t lkey = 0;
	int rc;

	if (index >= POOL_MAX_DEVICES)
		return -EINVAL;
	if (slab->region[index])
		return -EEXIST;
	advise_registered(slab);
	rc = reg(device, slab->base, slab->len, &region, &lkey);
	if (rc)
		return rc;
	if (!region)
		pool_panic("slab %p: registered with device %u without a region", slab->base,
			   index);
	slab->region[index] = region;
	slab->lkey[index] = lkey;
	return 0;
}

void pool_slab_unregister(struct pool_slab *slab, unsigned index, pool_unregister_fn unreg)
{
	void *region;

	if (index >= POOL_MAX_DEVICES || !slab->region[index])
		return;
	region = slab->region[index];
	slab->region[index] = NULL;
	slab->lkey[index] = 0;
	unreg(region);
}
