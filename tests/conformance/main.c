/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-conformance: what verbs and the connection manager do, asked of whatever libraries are loaded.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "conformance.h"

/* The last one takes the device away. */
static const struct test *const topics[] = {
	connect_tests, reject_tests, listen_tests,     channel_tests, disconnect_tests,
	option_tests,  send_tests,   completion_tests, rdma_tests,    receive_tests,
	srq_tests,     access_tests, flush_tests,      window_tests,  cq_tests,
	retry_tests,   hand_tests,   destroy_tests,    device_tests,  NULL,
};

static int list(void)
{
	for (const struct test *const *topic = topics; *topic; topic++) {
		for (const struct test *test = *topic; test->name; test++) {
			const char *why = difference_of(test->name);

			printf("%s%s%s\n", test->name, why ? ": differs: " : "", why ? why : "");
		}
	}
	return 0;
}

static int usage(FILE *out)
{
	fprintf(out, "usage: wrasse-conformance [--addr IPV4] [--only NAME] [--list]\n"
		     "\n"
		     "  --addr IPV4   an address of the device under test (10.66.0.1)\n"
		     "  --only NAME   run one test\n"
		     "  --list        name the tests, and why some differ by fabric\n");
	return out == stderr ? 2 : 0;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"addr", required_argument, NULL, 'a'},
					      {"only", required_argument, NULL, 'o'},
					      {"list", no_argument, NULL, 'l'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	const char *addr = "10.66.0.1";
	unsigned passed = 0, failed = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (opt == 'l')
			return list();
		if (opt == 'h')
			return usage(stdout);
		if (opt == 'a')
			addr = optarg;
		else if (opt == 'o')
			options.only = optarg;
		else
			return usage(stderr);
	}
	options.addr.sin_family = AF_INET;
	if (optind < argc || inet_pton(AF_INET, addr, &options.addr.sin_addr) != 1)
		return usage(stderr);
	device_open();
	if (!run_tests(topics, &passed, &failed)) {
		fprintf(stderr, "wrasse-conformance: no test '%s'\n", options.only);
		return 2;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed ? 1 : 0;
}
