/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values that one thread writes and others read: whole, and in no order with anything else. gcc takes an atomic access
 * for one that may change any memory, and reads anew after each counter what it had in registers. A volatile access of
 * a word is one instruction just as well and changes nothing else. The thread sanitizer is told the truth, and machines
 * whose words are smaller than a counter.
 */
#ifndef WRASSE_RELAXED_H
#define WRASSE_RELAXED_H

#include <stdatomic.h>

#if defined(__SANITIZE_THREAD__) || __SIZEOF_POINTER__ < 8
#define RELAXED_ATOMIC 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RELAXED_ATOMIC 1
#endif
#endif

/* The type of what @at points to, without qualifiers. */
#define RELAXED_TYPE(at) __typeof__((void)0, *(at))

#ifdef RELAXED_ATOMIC
#define relaxed_load(at) __atomic_load_n((const RELAXED_TYPE(at) *)(at), __ATOMIC_RELAXED)
#define relaxed_store(at, value) \
	__atomic_store_n((RELAXED_TYPE(at) *)(at), (value), __ATOMIC_RELAXED)
#define relaxed_add(at, more) relaxed_store(at, relaxed_load(at) + (more))
#else
#define relaxed_load(at)         (*(const volatile RELAXED_TYPE(at) *)(at))
#define relaxed_store(at, value) ((void)(*(volatile RELAXED_TYPE(at) *)(at) = (value)))
/* The one thread that writes it. In memory behind it, as one instruction where there is one. */
#define relaxed_add(at, more)                                \
	do {                                                 \
		RELAXED_TYPE(at) *relaxed_at = (void *)(at); \
		*relaxed_at += (more);                       \
		__asm__ volatile("" : : "m"(*relaxed_at));   \
	} while (0)
#endif

#endif
