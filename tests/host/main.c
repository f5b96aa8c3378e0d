/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-host: the command line of the test host.
 */
#include <stdio.h>
#include <stdlib.h>

#include "options.h"

void options_init(struct host_target *to)
{
	static const uint8_t hostid[16] = {0x77, 0x72, 0x61, 0x73, 0x73, 0x65, 0x4d, 0x68,
					   0x8f, 0x73, 0x74, 0x2d, 0x74, 0x65, 0x73, 0x74};

	*to = (struct host_target){
		.port = "4420",
		.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:77726173-7365-4d68-8f73-742d74657374",
		.timeout_ms = 10000,
	};
	memcpy(to->hostid, hostid, sizeof(hostid));
}

/* Takes a shared option. False when it is none of them. */
bool options_take(struct host_target *to, int opt, const char *arg)
{
	switch (opt) {
	case 'A':
		to->addr = arg;
		return true;
	case 'P':
		to->port = arg;
		return true;
	case 'N':
		to->nqn = arg;
		return true;
	case 'H':
		to->hostnqn = arg;
		return true;
	case 'S':
		to->source = arg;
		return true;
	case 'T':
		to->timeout_ms = options_number(arg, 1, 3600) * 1000;
		return true;
	default:
		return false;
	}
}

uint32_t options_number(const char *text, uint32_t min, uint32_t max)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 0);

	if (end == text || *end || v < min || v > max) {
		fprintf(stderr, "wrasse-host: '%s': a number from %u to %u is wanted\n", text, min,
			max);
		exit(2);
	}
	return (uint32_t)v;
}

int options_usage(const char *text, bool asked)
{
	fputs(text, asked ? stdout : stderr);
	return asked ? 0 : 2;
}

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
