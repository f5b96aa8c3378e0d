/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects that one thread writes all the time: they begin and end with a cache line, so that none of theirs is also that of
 * another thread's object.
 */
#ifndef WRASSE_OBJECT_H
#define WRASSE_OBJECT_H

#include <stdlib.h>
#include <string.h>

#define CACHE_LINE 64 /* bytes */

/* Return: zeroed memory, for free(); NULL: there is none. */
static inline void *object_alloc(size_t size)
{
	void *object;

	size = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	object = aligned_alloc(CACHE_LINE, size);
	if (object)
		memset(object, 0, size);
	return object;
}

#endif
