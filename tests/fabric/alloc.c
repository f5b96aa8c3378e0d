/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fabric's own memory. A test that makes the program's allocations fail, or counts them, must
 * not touch the fabric, so none of it comes from malloc(). Blocks of a power of two, cut from large
 * mappings, kept by size when they are free and used again oldest first: what is used after it was
 * freed stays recognizable as long as possible.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core.h"

#define SMALLEST_SHIFT 6
#define LARGEST_SHIFT  16 /* larger blocks are mappings of their own */
#define CHUNK          (1u << 20)

/* In front of each block. */
struct block {
	struct block *next;
	size_t size; /* of all, this header included */
};

struct shelf {
	struct block *oldest, *newest;
};

static struct shelf shelves[LARGEST_SHIFT + 1];
static char *chunk;
static size_t chunk_left;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Present when the program is built with AddressSanitizer. */
void __asan_poison_memory_region(void const volatile *addr, size_t size) __attribute__((weak));
void __asan_unpoison_memory_region(void const volatile *addr, size_t size) __attribute__((weak));

static void *map(size_t size)
{
	/* Not mmap(), which tests make fail too. */
	void *mem = (void *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, (off_t)0);

	if (mem == MAP_FAILED)
		abort();
	return mem;
}

static struct block *cut(size_t size)
{
	struct block *block;

	if (chunk_left < size) {
		chunk = map(CHUNK);
		chunk_left = CHUNK;
	}
	block = (void *)chunk;
	chunk += size;
	chunk_left -= size;
	return block;
}

static struct block *take(unsigned shift)
{
	struct shelf *shelf = &shelves[shift];
	struct block *block;

	pthread_mutex_lock(&lock);
	block = shelf->oldest;
	if (block)
		shelf->oldest = block->next;
	else
		block = cut((size_t)1 << shift);
	pthread_mutex_unlock(&lock);
	block->size = (size_t)1 << shift;
	return block;
}

static unsigned shift_of(size_t size)
{
	unsigned shift = SMALLEST_SHIFT;

	while ((size_t)1 << shift < size)
		shift++;
	return shift;
}

void *fab_alloc(size_t size)
{
	size_t all = size + sizeof(struct block);
	struct block *block;

	if (all > (size_t)1 << LARGEST_SHIFT) {
		block = map(all);
		block->size = all;
		return block + 1;
	}
	block = take(shift_of(all));
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(block + 1, size);
	return memset(block + 1, 0, size);
}

void fab_free(void *mem)
{
	struct block *block = mem;
	struct shelf *shelf;

	if (!mem)
		return;
	block--;
	if (block->size > (size_t)1 << LARGEST_SHIFT) {
		munmap(block, block->size);
		return;
	}
	if (__asan_poison_memory_region)
		__asan_poison_memory_region(mem, block->size - sizeof(*block));
	shelf = &shelves[shift_of(block->size)];
	block->next = NULL;
	pthread_mutex_lock(&lock);
	if (shelf->oldest)
		shelf->newest->next = block;
	else
		shelf->oldest = block;
	shelf->newest = block;
	pthread_mutex_unlock(&lock);
}
