/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program: a target with one poll group and nothing in it; the rest comes through standard
 * input. Exit status as wrasse-target's: 0 everything was given back, 4 the books do not balance.
 */
#include <stdlib.h>

#include "puppet.h"

struct puppet puppet;

static void log_line(void *ctx, enum wrasse_log_level level, const char *line)
{
	if (level <= WRASSE_LOG_INFO)
		fprintf(stderr, "puppet: %s\n", line);
}

static void check(int rc, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "puppet: %s: %s\n", what, strerror(-rc));
	exit(1);
}

int main(void)
{
	struct wrasse_target_opts opts;

	wrasse_target_opts_init(&opts);
	opts.log = log_line;
	opts.discovery_of_all = true; /* hosts that do not ask see what is theirs */
	check(wrasse_target_create(&opts, &puppet.target), "target");
	check(wrasse_poll_group_create(puppet.target, NULL, &puppet.group), "poll group");
	loop_run();
	check(wrasse_poll_group_destroy(puppet.group), "destroy the poll group");
	check(wrasse_target_destroy(puppet.target), "destroy the target");
	return puppet.balanced ? 0 : 4;
}
