/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-target: a complete NVMe over RDMA target on the library. This is its main thread: it
 * starts everything, then polls the target and the signals until a drain has reported. It never
 * does I/O; that is the workers'.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "log.h"
#include "ready.h"
#include "report.h"
#include "server.h"
#include "stats.h"

/* The exit status; see the man page. */
enum {
	EXIT_CLEAN = 0,
	EXIT_START = 1,
	EXIT_OPTION = 2,
	EXIT_FORCED = 3,
	EXIT_UNBALANCED = 4,
};

struct run {
	struct server server;
	struct stats stats;
	int signal_fd;
	bool draining;
	bool drained;
	bool balanced;
};

static void drain_done(void *ctx, const struct wrasse_drain_report *report)
{
	struct run *run = ctx;

	run->balanced = report_print(stdout, report);
	run->drained = true;
	fflush(stdout);
}

static void drain_start(struct run *run)
{
	int result;

	if (run->draining) {
		log_line(WRASSE_LOG_ERROR, "second signal: exiting without waiting for the drain");
		_exit(EXIT_FORCED);
	}
	run->draining = true;
	result = wrasse_target_drain(run->server.target, run->server.options->drain_timeout_ms,
				     drain_done, run);
	if (result) {
		log_line(WRASSE_LOG_ERROR, "cannot drain: %s", strerror(-result));
		_exit(EXIT_UNBALANCED);
	}
}

static void signals_read(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGUSR1) {
			drain_start(run);
			continue;
		}
		for (unsigned i = 0; i < run->server.worker_count; i++)
			worker_print_books(run->server.workers[i]);
	}
}

/* Takes the signals that the program acts on out of all threads that are made from now on. */
static int signals_open(void)
{
	sigset_t set;

	/* A reader of our output that goes must not take the hosts' I/O with it. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The shorter of two times, of which -1 means for ever. */
static int shorter(int a, int b)
{
	return (unsigned)a < (unsigned)b ? a : b;
}

static void run_loop(struct run *run)
{
	struct server *server = &run->server;
	struct pollfd fds[] = {
		{.fd = wrasse_target_fd(server->target), .events = POLLIN},
		{.fd = run->signal_fd, .events = POLLIN},
	};

	while (!run->drained) {
		int worked = wrasse_target_poll(server->target);
		int timeout_ms = shorter(wrasse_target_timeout_ms(server->target),
					 stats_print(&run->stats, server->workers,
						     server->worker_count, stdout));

		if (worked > 0)
			timeout_ms = 0; /* signals are looked for all the same */
		if (!run->drained && poll(fds, 2, timeout_ms) > 0 && fds[1].revents)
			signals_read(run);
	}
}

static int run_server(struct run *run)
{
	const struct options *options = run->server.options;

	if (ready_tell(options)) {
		server_fini(&run->server);
		return EXIT_START;
	}
	server_print(&run->server, stdout);
	stats_init(&run->stats, options->stats_s);
	run_loop(run);
	if (server_fini(&run->server)) {
		log_line(WRASSE_LOG_ERROR, "I/O is still held after the drain: exiting with it");
		fflush(stdout);
		_exit(EXIT_UNBALANCED);
	}
	return run->balanced ? EXIT_CLEAN : EXIT_UNBALANCED;
}

static int start(const struct options *options)
{
	struct run run = {.signal_fd = signals_open()};
	int status = EXIT_START;

	if (run.signal_fd < 0)
		log_line(WRASSE_LOG_ERROR, "cannot make a signalfd: %s", strerror(errno));
	else if (ready_begin(options) == 0 && server_init(&run.server, options) == 0)
		status = run_server(&run);
	if (run.signal_fd >= 0)
		close(run.signal_fd);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	int status = EXIT_CLEAN;

	/* Its lines and those of standard error stay in order. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	switch (options_init(&options, argc, argv, stderr)) {
	case OPTIONS_RUN:
		status = start(&options);
		break;
	case OPTIONS_HELP:
		options_print_help(stdout);
		break;
	case OPTIONS_VERSION:
		printf("wrasse-target %s\n", wrasse_version());
		break;
	case OPTIONS_BAD:
		status = EXIT_OPTION;
		break;
	}
	options_fini(&options);
	return status;
}
