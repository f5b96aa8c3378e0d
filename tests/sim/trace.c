/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trace: a hash of everything that happened, and with --trace the lines themselves.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

bool trace_on;
uint64_t trace_hash;
char replay[64];

void trace_init(void)
{
	trace_hash = UINT64_C(0xcbf29ce484222325);
}

static void mix(uint64_t value)
{
	trace_hash = (trace_hash ^ value) * UINT64_C(0x9fb21c651e98df25);
	trace_hash ^= trace_hash >> 29;
}

static void prefix(void)
{
	printf("%12.6f ms  ", (double)(fabric_now_ns() - SIM_S) / 1e6);
}

void trace_mix(const char *what, uint64_t a, uint64_t b)
{
	mix(a << 32 ^ b ^ (uint64_t)(unsigned char)what[0] << 56);
	if (!trace_on)
		return;
	prefix();
	printf("%s %llu %llu\n", what, (unsigned long long)a, (unsigned long long)b);
}

void trace(const char *fmt, ...)
{
	char line[512];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	for (int i = 0; i < len && i < (int)sizeof(line) - 8; i += 8) {
		uint64_t word = 0;

		memcpy(&word, line + i, len - i < 8 ? (size_t)(len - i) : 8);
		mix(word);
	}
	if (!trace_on)
		return;
	prefix();
	printf("%s\n", line);
}

void sim_fail(const char *fmt, ...)
{
	char line[1024], about[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	plan_describe(about, sizeof(about));
	fflush(stdout);
	fprintf(stderr, "FAILED: %s\n  at %.6f ms; %s\n  replay: ./dev sim %s --trace\n", line,
		(double)(fabric_now_ns() - SIM_S) / 1e6, about, replay);
	fflush(stderr);
	/* With a core's worth of state for a debugger, and never through exit handlers. */
	abort();
}
