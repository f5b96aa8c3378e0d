/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport instance: clock, log, wake-up. Any thread.
 */
#include "transport/rdmat.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "transport/group.h"

uint64_t rdmat_now(const struct rdmat *rdmat)
{
	struct timespec now;

	if (rdmat->opts.clock)
		return rdmat->opts.clock(rdmat->opts.clock_ctx);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * RDMAT_NS_PER_S + (uint64_t)now.tv_nsec;
}

int rdmat_timeout_ms(const struct rdmat *rdmat, uint64_t due_ns)
{
	uint64_t now;

	if (due_ns == UINT64_MAX)
		return -1;
	now = rdmat_now(rdmat);
	return due_ns <= now ? 0 : (int)((due_ns - now) / RDMAT_NS_PER_MS) + 1;
}

void rdmat_log(const struct rdmat *rdmat, enum wrasse_log_level level, const char *fmt, ...)
{
	char line[512];
	va_list args;

	if (!rdmat->opts.log)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	rdmat->opts.log(rdmat->opts.log_ctx, level, line);
}

void rdmat_wake(struct rdmat *rdmat)
{
	uint64_t one = 1;
	/* A full counter (EAGAIN) is as good as a write: the descriptor is readable. */
	ssize_t ignored = write(rdmat->wake_fd, &one, sizeof(one));

	(void)ignored;
}

void rdmat_attention(struct rdmat *rdmat)
{
	for (uint32_t i = 0; i < rdmat->opts.max_poll_groups; i++)
		if (rdmat->groups[i])
			rdmat_group_attention(rdmat->groups[i]);
	rdmat_wake(rdmat);
}
