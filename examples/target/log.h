/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines for the operator, on standard error.
 */
#ifndef TARGET_LOG_H
#define TARGET_LOG_H

#include <wrasse/base.h>

/* Prints "wrasse-target: error: ..." or another level; any thread. */
__attribute__((format(printf, 2, 3))) void log_line(enum wrasse_log_level level, const char *format,
						    ...);

/* A wrasse_log_fn: ctx points to the highest enum wrasse_log_level to print. */
void log_library(void *ctx, enum wrasse_log_level level, const char *line);

#endif
