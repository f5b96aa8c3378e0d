/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of one run, for hosts and media. Reset as a whole: a run begins with the same addresses, and
 * what it used is zeroed when it is taken again, unless whoever takes it writes before it reads.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim.h"

#define ARENA_LEN (256u << 20)

static uint8_t *base;
static size_t used, dirty;

void arena_reset(void)
{
	if (!base) {
		base = mmap(NULL, ARENA_LEN, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (base == MAP_FAILED)
			abort();
	}
	if (used > dirty)
		dirty = used;
	used = 0;
}

void *arena_take_any(size_t len)
{
	size_t align = len >= 4096 ? 4096 : 64;
	size_t at = (used + align - 1) & ~(align - 1);

	if (at + len > ARENA_LEN)
		sim_fail("the arena of %u bytes is too small", ARENA_LEN);
	used = at + len;
	return base + at;
}

void *arena_take(size_t len)
{
	uint8_t *at = arena_take_any(len);
	size_t off = (size_t)(at - base);

	if (off < dirty)
		memset(at, 0, off + len < dirty ? len : dirty - off);
	return at;
}
