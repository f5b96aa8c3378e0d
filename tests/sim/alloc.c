/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The allocator's functions as the library calls them, in front of the real ones: what the target
 * allocates is counted and made to fail. Under a sanitizer, which has its own, allocations do not fail.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim.h"

static uint64_t made, fail_at;

uint64_t alloc_count(void)
{
	return made;
}

void alloc_fail(uint64_t nth)
{
	fail_at = nth ? made + nth : 0;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

void *__libc_calloc(size_t count, size_t size);
void *__libc_memalign(size_t align, size_t size);

static bool fails(void)
{
	if (in_library < 0)
		return false;
	return ++made == fail_at;
}

void *calloc(size_t count, size_t size)
{
	if (fails()) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_calloc(count, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	if (fails()) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_memalign(align, size);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (fails()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

#endif
