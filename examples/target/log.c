/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines for the operator. Each is written at once, so that those of several threads do not mix.
 */
#include <stdarg.h>
#include <stdio.h>

#include "log.h"

static const char *const names[] = {
	[WRASSE_LOG_ERROR] = "error",
	[WRASSE_LOG_WARN] = "warning",
	[WRASSE_LOG_INFO] = "info",
	[WRASSE_LOG_DEBUG] = "debug",
};

void log_line(enum wrasse_log_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "wrasse-target: %s: %s\n", names[level], text);
}

void log_library(void *ctx, enum wrasse_log_level level, const char *line)
{
	const enum wrasse_log_level *highest = ctx;

	if (level <= *highest)
		fprintf(stderr, "wrasse-target: %s: %s\n", names[level], line);
}
