/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stops the program with a message. For programmer errors only: nothing that a host sends may ever
 * lead here. Runs on any thread, allocates nothing, takes no lock, leaves stdio's streams alone.
 */
#include "pool/panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pool_panic(const char *fmt, ...)
{
	static const char prefix[] = "wrasse: ";
	char line[512];
	size_t len, done;
	ssize_t written;
	va_list args;

	memcpy(line, prefix, sizeof(prefix));
	va_start(args, fmt);
	vsnprintf(line + sizeof(prefix) - 1, sizeof(line) - sizeof(prefix), fmt, args);
	va_end(args);

	/* One byte was kept for the newline, so that a line that was cut off still ends. */
	len = strlen(line);
	line[len++] = '\n';
	for (done = 0; done < len; done += (size_t)written) {
		written = write(STDERR_FILENO, line + done, len - done);
		if (written <= 0)
			break;
	}
	abort();
}
