/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-host hold: connections that stop half-way, and stay.
 */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "options.h"

#define MAX_HELD 1024

static const char usage[] =
	"usage: wrasse-host hold --addr A --port P [OPTION...]\n"
	"\n"
	"Opens connections without the Connect command, holds them, and says what became of them.\n"
	"\n" OPTIONS_HELP "  --count N             how many (1)\n"
	"  --seconds S           how long (10)\n"
	"  --no-rtu              stop earlier: never answer the accept\n"
	"  --expect-ended        fail unless the target has ended all of them by then\n";

struct hold {
	struct host_target to;
	struct host_queue *queues[MAX_HELD];
	uint32_t count;
	uint32_t seconds;
	int half_open;
	int expect_ended;
};

static void held_wait(struct hold *h)
{
	uint64_t deadline = host_now_ns() + h->seconds * 1000000000ull;
	uint32_t live = h->count;

	while (live && host_now_ns() < deadline) {
		struct pollfd fds[MAX_HELD];

		for (uint32_t i = 0; i < h->count; i++) {
			bool on = h->queues[i]->state == HOST_CONNECTED;

			fds[i] = (struct pollfd){on ? h->queues[i]->events->fd : -1, POLLIN, 0};
		}
		poll(fds, h->count, (int)((deadline - host_now_ns()) / 1000000u) + 1);
		live = 0;
		for (uint32_t i = 0; i < h->count; i++) {
			host_events_poll(h->queues[i]);
			live += h->queues[i]->state == HOST_CONNECTED;
		}
	}
}

static int hold_run(struct hold *h)
{
	struct host_params params;
	uint32_t accepted = 0;
	uint32_t ended = 0;

	host_params_init(&params, &h->to, 0, 32);
	params.half_open = h->half_open;
	for (uint32_t i = 0; i < h->count; i++) {
		if (host_queue_open(&h->queues[i], &params) == 0)
			accepted++;
		else if (!h->queues[i])
			return 2;
		else
			fprintf(stderr, "connection %u: %s\n", i, h->queues[i]->why);
	}
	printf("%u of %u accepted\n", accepted, h->count);
	fflush(stdout);
	held_wait(h);
	for (uint32_t i = 0; i < h->count; i++) {
		ended += h->queues[i]->state == HOST_LOST;
		host_queue_close(h->queues[i]);
	}
	printf("%u of %u ended by the target\n", ended, accepted);
	return h->expect_ended && ended != accepted;
}

int hold_main(int argc, char **argv)
{
	static struct hold h = {.count = 1, .seconds = 10};
	static const struct option longs[] = {OPTIONS_LONG,
					      {"count", required_argument, NULL, 'c'},
					      {"seconds", required_argument, NULL, 's'},
					      {"no-rtu", no_argument, &h.half_open, 1},
					      {"expect-ended", no_argument, &h.expect_ended, 1},
					      {0}};
	int opt;

	options_init(&h.to);
	h.to.nqn = "";
	while ((opt = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (opt == 'c')
			h.count = options_number(optarg, 1, MAX_HELD);
		else if (opt == 's')
			h.seconds = options_number(optarg, 0, 86400);
		else if (opt && !options_take(&h.to, opt, optarg))
			return options_usage(usage, opt == 'h');
	}
	if (!h.to.addr || optind != argc)
		return options_usage(usage, false);
	return hold_run(&h);
}
