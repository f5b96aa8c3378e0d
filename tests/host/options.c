/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options that all subcommands of wrasse-host share.
 */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>

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
