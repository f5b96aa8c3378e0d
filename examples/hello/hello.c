/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The smallest program that is an NVMe over RDMA target: 64 MiB of RAM, served at the address that
 * is its argument, by one thread that sleeps when there is nothing to do. That one thread polls
 * the target (connections) and its only poll group (I/O); a larger program has a thread for each
 * group. See examples/target for a real one.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <wrasse/wrasse.h>

static uint8_t disk[64 << 20];
static struct wrasse_poll_group *group;
static volatile sig_atomic_t stop;
static bool stopped;

/* The backend. A device that takes its time would complete the I/O later, from any thread. */
static void disk_submit(struct wrasse_io *io)
{
	uint8_t *at = disk + io->offset;

	for (uint32_t i = 0; i < io->iov_count; at += io->iov[i++].iov_len) {
		if (io->opcode == WRASSE_IO_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
	}
	wrasse_io_complete(io, wrasse_status_ok());
}

static const struct wrasse_backend_ops disk_ops = {.size = sizeof(disk_ops), .submit = disk_submit};

static void on_signal(int number)
{
	stop = number;
	wrasse_poll_group_wake(group);
}

static void on_drained(void *ctx, const struct wrasse_drain_report *report)
{
	for (unsigned i = 0; i < report->pool_count; i++)
		printf("%s: %llu of %llu free\n", report->pools[i].name,
		       (unsigned long long)report->pools[i].free,
		       (unsigned long long)report->pools[i].capacity);
	stopped = true;
}

static void check(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "hello: %s: %s\n", what, strerror(-result));
	exit(1);
}

int main(int argc, char **argv)
{
	struct wrasse_target *target;
	struct wrasse_subsystem *subsystem;
	struct wrasse_subsystem_opts name = {
		.size = sizeof(name), .allow_any_host = true, .nqn = "nqn.2026-11.io.wrasse:hello"};
	struct wrasse_ns_opts ns = {
		.size = sizeof(ns), .block_count = sizeof(disk) / 512, .ops = &disk_ops};
	struct wrasse_listener_opts where = {.size = sizeof(where),
					     .address = argc > 1 ? argv[1] : NULL};

	check(wrasse_target_create(NULL, &target), "target");
	check(wrasse_poll_group_create(target, NULL, &group), "poll group");
	check(wrasse_subsystem_create(target, &name, &subsystem), "subsystem");
	check(wrasse_subsystem_add_ns(subsystem, &ns, NULL), "namespace");
	check(wrasse_listener_create(target, &where, NULL), "listener");
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	fprintf(stderr, "hello: ready\n");

	struct pollfd fds[] = {{.fd = wrasse_target_fd(target), .events = POLLIN},
			       {.fd = wrasse_poll_group_fd(group), .events = POLLIN}};
	for (bool draining = false; !stopped;) {
		int group_ms = 0, target_ms;

		if (stop && !draining)
			draining = !wrasse_target_drain(target, 5000, on_drained, NULL);
		if (wrasse_target_poll(target) + wrasse_poll_group_poll(group) > 0)
			continue;
		if (wrasse_poll_group_arm(group, &group_ms) > 0 || (stop && !draining))
			continue; /* a signal from here on wakes poll() */
		target_ms = wrasse_target_timeout_ms(target);
		/* As unsigned numbers, -1 (no timer is due) is the longest time. */
		poll(fds, 2, (unsigned)group_ms < (unsigned)target_ms ? group_ms : target_ms);
	}
	check(wrasse_poll_group_destroy(group), "destroy the poll group");
	check(wrasse_target_destroy(target), "destroy the target");
	return 0;
}
