/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The allocator's functions in front of the real ones: counts what the library has allocated and not freed.
 * Who calls is known by the address that is returned to.
 */
#include <link.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cost.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static uintptr_t begin, end; /* of the library */
static int64_t bytes;

static int find_library(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	if (!strstr(info->dlpi_name, "libwrasse.so"))
		return 0;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type == PT_LOAD && (part->p_flags & PF_X)) {
			begin = info->dlpi_addr + part->p_vaddr;
			end = begin + part->p_memsz;
		}
	}
	return 1;
}

void cost_memory_begin(void)
{
	dl_iterate_phdr(find_library, NULL);
	if (!begin)
		cost_fail("the library is not there");
}

void cost_library(uintptr_t *from, uintptr_t *to)
{
	cost_memory_begin();
	*from = begin;
	*to = end;
}

int64_t cost_memory(void)
{
	return bytes;
}

static bool is_library(const void *caller)
{
	return (uintptr_t)caller >= begin && (uintptr_t)caller < end;
}

static void *took(void *p, const void *caller)
{
	if (is_library(caller))
		bytes += (int64_t)malloc_usable_size(p);
	return p;
}

void *malloc(size_t size)
{
	return took(__libc_malloc(size), __builtin_return_address(0));
}

void *calloc(size_t count, size_t size)
{
	return took(__libc_calloc(count, size), __builtin_return_address(0));
}

void *aligned_alloc(size_t align, size_t size)
{
	return took(__libc_memalign(align, size), __builtin_return_address(0));
}

void *realloc(void *old, size_t size)
{
	const void *caller = __builtin_return_address(0);

	if (is_library(caller))
		bytes -= (int64_t)malloc_usable_size(old);
	return took(__libc_realloc(old, size), caller);
}

void free(void *p)
{
	if (is_library(__builtin_return_address(0)))
		bytes -= (int64_t)malloc_usable_size(p);
	__libc_free(p);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (is_library(__builtin_return_address(0)))
		bytes += (int64_t)len;
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

int munmap(void *addr, size_t len)
{
	if (is_library(__builtin_return_address(0)))
		bytes -= (int64_t)len;
	return (int)syscall(SYS_munmap, addr, len);
}
