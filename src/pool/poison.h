/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a free item's payload looks like in debug builds: a pattern, so that a write to it is found
 * when it is taken again; under AddressSanitizer also out of bounds, so that any use is found at
 * once and where it happens. Release builds do nothing.
 */
#ifndef WRASSE_POOL_POISON_H
#define WRASSE_POOL_POISON_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif

#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(base, len)   ((void)(base), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(base, len) ((void)(base), (void)(len))
#endif

/* As a pointer it is not canonical on x86-64 and aarch64: following it faults. */
#define POOL_POISON UINT64_C(0xa5a5a5a5a5a5a5a5)

static inline void pool_poison_write(void *payload, uint32_t len)
{
	memset(payload, (int)(POOL_POISON & 0xff), len);
}

/* Return: where the pattern is broken, to 8 bytes; @len if it is whole. Both multiples of 64. */
static inline uint32_t pool_poison_broken_at(const void *payload, uint32_t len)
{
	const uint64_t *word = payload;
	uint32_t i;

	for (i = 0; i < len / 8; i++)
		if (word[i] != POOL_POISON)
			return i * 8;
	return len;
}

#endif
