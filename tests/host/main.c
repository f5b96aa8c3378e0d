/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-host: the command line of the test host.
 */
#include <stdio.h>

#include "options.h"

static const char usage[] =
	"usage: wrasse-host COMMAND [OPTION...]\n"
	"\n"
	"An NVMe-oF host on RDMA for tests: it sends what Linux's host never sends.\n"
	"\n"
	"  probe   run conformance cases against a target\n"
	"  load    keep queues full, with verification if wanted\n"
	"  hold    connect half-way and stay there\n"
	"\n"
	"wrasse-host COMMAND --help says more. Status: 0 all well, 1 not, 2 wrong usage.\n";

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{"probe", probe_main},
		{"load", load_main},
		{"hold", hold_main},
	};

	if (argc < 2)
		return options_usage(usage, false);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	}
	return options_usage(usage, !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
}
