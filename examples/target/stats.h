/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics: one line per interval, all poll groups together.
 */
#ifndef TARGET_STATS_H
#define TARGET_STATS_H

#include <stdint.h>
#include <stdio.h>

#include <wrasse/poll_group.h>

#include "worker.h"

struct stats {
	uint64_t interval_ms; /* 0: no statistics */
	uint64_t due_ms;
	uint64_t last_ms;
	struct wrasse_poll_group_stats last;
};

void stats_init(struct stats *stats, uint32_t interval_s);

/*
 * Prints a line if one is due.
 *
 * Return: how many ms there are until the next one; -1: there is none.
 */
int stats_print(struct stats *stats, struct worker *const *workers, unsigned count, FILE *out);

#endif
