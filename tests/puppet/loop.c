/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop of the one thread: it sleeps until the target, its group or standard input has something
 * for it. Hosts that keep it busy do not keep it from its input. Each line is answered with one:
 * "ok", or "error" and why.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "puppet.h"
#include "report.h"

static volatile sig_atomic_t stop;
static bool draining, end_of_input;
static char input[4096];
static size_t input_len;

static void on_signal(int number)
{
	stop = number;
	wrasse_poll_group_wake(puppet.group);
}

static void line_run(char *line)
{
	int rc = verb_run(line);

	if (rc)
		printf("error %s\n", strerror(-rc));
	else
		printf("ok\n");
	fflush(stdout);
}

static void input_read(void)
{
	ssize_t got = read(STDIN_FILENO, input + input_len, sizeof(input) - 1 - input_len);
	char *end;

	if (got <= 0) {
		end_of_input = true;
		return;
	}
	input_len += (size_t)got;
	input[input_len] = '\0';
	while ((end = strchr(input, '\n'))) {
		*end++ = '\0';
		line_run(input);
		input_len -= (size_t)(end - input);
		memmove(input, end, input_len + 1);
	}
	if (input_len == sizeof(input) - 1)
		end_of_input = true;
}

static void on_drained(void *ctx, const struct wrasse_drain_report *report)
{
	puppet.balanced = report_print(stdout, report);
	puppet.drained = true;
}

static int least(int a, int b)
{
	return (unsigned)a < (unsigned)b ? a : b; /* -1 is for ever */
}

/* @busy: there may be more work, and only what lies in standard input already is wanted. */
static void wait_for_more(bool busy)
{
	struct pollfd fds[] = {
		{.fd = wrasse_target_fd(puppet.target), .events = POLLIN},
		{.fd = wrasse_poll_group_fd(puppet.group), .events = POLLIN},
		{.fd = end_of_input ? -1 : STDIN_FILENO, .events = POLLIN},
	};
	int group_ms = 0;

	/* A signal that comes after the group was armed finds its descriptor readable. */
	if (busy || wrasse_poll_group_arm(puppet.group, &group_ms) > 0)
		poll(fds, 3, 0);
	else
		poll(fds, 3, least(group_ms, wrasse_target_timeout_ms(puppet.target)));
	if (fds[2].revents)
		input_read();
}

void loop_run(void)
{
	int found;

	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	while (!puppet.drained) {
		if ((stop || end_of_input) && !draining)
			draining = !wrasse_target_drain(puppet.target, 5000, on_drained, NULL);
		found = wrasse_target_poll(puppet.target) + wrasse_poll_group_poll(puppet.group);
		wait_for_more(found > 0);
	}
}
