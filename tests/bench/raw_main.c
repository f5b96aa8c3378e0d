/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-raw ADDRESS PORT MIB [SPIN_MS]: see raw.h. It polls, and sleeps only after SPIN_MS (100) without work. It ends by a
 * signal.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "raw.h"

#define SLOW_ROUNDS 256 /* between two looks at CM events while there is work */
#define LOOK_ROUNDS 16  /* between two looks at the clock while there is none */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static _Noreturn void run(uint64_t spin_ns)
{
	uint64_t spin_end = 0;
	unsigned rounds = 0;

	for (;;) {
		if (++rounds % SLOW_ROUNDS == 0)
			raw_cm_events();
		if (raw_poll() > 0)
			spin_end = 0;
		else if (spin_ns && rounds % LOOK_ROUNDS)
			continue;
		else if (spin_ns && spin_end == 0)
			spin_end = now_ns() + spin_ns;
		else if (!spin_ns || now_ns() >= spin_end)
			raw_sleep();
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct raw_ns ns = {.nqn = "nqn.2026-11.io.wrasse:limit"};

	if (argc < 4 || argc > 5 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
		fprintf(stderr, "usage: wrasse-raw ADDRESS PORT MIB [SPIN_MS]\n");
		return 2;
	}
	address.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	ns.blocks = strtoull(argv[3], NULL, 10) << 11;
	raw_listen(&address, &ns);
	printf("ready\n");
	fflush(stdout);
	run(argc == 5 ? strtoull(argv[4], NULL, 10) * 1000000 : 100000000);
}
