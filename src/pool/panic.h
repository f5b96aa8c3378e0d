/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of a program whose books cannot be trusted any more. It is the one place where the
 * library writes to stderr: there is nobody left to whom an error could be returned.
 */
#ifndef WRASSE_POOL_PANIC_H
#define WRASSE_POOL_PANIC_H

/* Any thread. Writes "wrasse: " and one line to stderr, then abort()s. Cut off at 512 bytes. */
void pool_panic(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn, cold, noinline));

#endif
