/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-stress: the target and its hosts in one process, on the simulated fabric in its threaded mode. Real
 * threads at native speed: one for the target, one for each poll group (the first spins, the others sleep on
 * their descriptors), one that completes I/O from outside, several hosts, and an operator who adds and removes
 * namespaces and listeners meanwhile. For ThreadSanitizer above all.
 *
 *   wrasse-stress [SECONDS [HOSTS]]
 *
 * In the end the target drains under load, and its books must balance.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <wrasse/wrasse.h>

#include "fabric.h"
#include "host/options.h"

#define GROUPS    2
#define MAX_HOSTS 16
#define DISK_LEN  (8u << 20)
#define BLOCK     512u
#define QUEUED    4096

static const char nqn[] = "nqn.2026-11.io.wrasse:stress";

static struct wrasse_target *target;
static struct wrasse_poll_group *groups[GROUPS];
static struct wrasse_subsystem *subsystem;
static uint8_t *disk;
static atomic_bool stopping, drained, ended;
static atomic_uint failures;
static atomic_ullong verified, connects, losses;
static bool clean;

static void fail(const char *what, const char *why)
{
	atomic_fetch_add(&failures, 1);
	fprintf(stderr, "not ok: %s: %s\n", what, why);
}

/* ---- the backend: every second I/O is completed by another thread ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct wrasse_io *io[QUEUED];
	unsigned head, tail;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER};

static void io_do(struct wrasse_io *io)
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

static void submit(struct wrasse_io *io)
{
	static _Thread_local unsigned turn;

	if (turn++ % 2) {
		io_do(io);
		return;
	}
	pthread_mutex_lock(&queue.lock);
	queue.io[queue.head++ % QUEUED] = io;
	pthread_cond_signal(&queue.some);
	pthread_mutex_unlock(&queue.lock);
}

static void *complete_elsewhere(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&queue.lock);
	while (!atomic_load(&ended) || queue.head != queue.tail) {
		struct wrasse_io *io;

		if (queue.head == queue.tail) {
			pthread_cond_wait(&queue.some, &queue.lock);
			continue;
		}
		io = queue.io[queue.tail++ % QUEUED];
		pthread_mutex_unlock(&queue.lock);
		io_do(io);
		pthread_mutex_lock(&queue.lock);
	}
	pthread_mutex_unlock(&queue.lock);
	return NULL;
}

/* ---- the target's threads ---- */

static void on_log(void *ctx, enum wrasse_log_level level, const char *line)
{
	(void)ctx;
	if (level == WRASSE_LOG_ERROR || getenv("WRASSE_STRESS_VERBOSE"))
		fprintf(stderr, "log: %s\n", line);
}

static void on_drained(void *ctx, const struct wrasse_drain_report *report)
{
	(void)ctx;
	for (unsigned i = 0; i < report->pool_count; i++)
		printf("group %u  %s: %llu of %llu free, peak %llu, waits %llu\n",
		       report->pools[i].group, report->pools[i].name,
		       (unsigned long long)report->pools[i].free,
		       (unsigned long long)report->pools[i].capacity,
		       (unsigned long long)report->pools[i].peak,
		       (unsigned long long)report->pools[i].waits);
	clean = report->clean;
	atomic_store(&drained, true);
}

static void *poll_target(void *arg)
{
	(void)arg;
	while (!atomic_load(&ended)) {
		struct pollfd fd = {.fd = wrasse_target_fd(target), .events = POLLIN};

		if (wrasse_target_poll(target) > 0)
			continue;
		poll(&fd, 1, 5);
	}
	return NULL;
}

static void *poll_group(void *arg)
{
	struct wrasse_poll_group *group = arg;
	bool sleeps = wrasse_poll_group_index(group) > 0;

	while (!atomic_load(&ended)) {
		struct pollfd fd = {.fd = wrasse_poll_group_fd(group), .events = POLLIN};
		int timeout;

		if (wrasse_poll_group_poll(group) > 0 || !sleeps)
			continue;
		if (wrasse_poll_group_arm(group, &timeout) > 0)
			continue;
		poll(&fd, 1, timeout < 0 || timeout > 100 ? 100 : timeout);
	}
	return NULL;
}

/* ---- the operator ---- */

static void *operate(void *arg)
{
	static const struct wrasse_backend_ops ops = {.size = sizeof(ops), .submit = submit};

	(void)arg;
	while (!atomic_load(&stopping)) {
		struct timespec nap = {0, 2000000};
		struct wrasse_listener_opts where;
		struct wrasse_listener *listener;
		struct wrasse_ns_opts opts;
		int nsid;

		wrasse_ns_opts_init(&opts);
		opts.block_count = DISK_LEN / BLOCK;
		opts.ops = &ops;
		nsid = wrasse_subsystem_add_ns(subsystem, &opts, NULL);
		if (nsid < 0)
			fail("wrasse_subsystem_add_ns", strerror(-nsid));
		wrasse_listener_opts_init(&where);
		where.address = "10.66.0.1";
		where.port = 4421;
		if (wrasse_listener_create(target, &where, &listener))
			fail("wrasse_listener_create", "a second port");
		nanosleep(&nap, NULL);
		for (int i = 0; i < GROUPS; i++) {
			struct wrasse_poll_group_stats stats;
			struct wrasse_pool_line lines[16];

			wrasse_poll_group_get_stats(groups[i], &stats, sizeof(stats));
			wrasse_poll_group_get_pools(groups[i], lines, 16);
		}
		wrasse_listener_destroy(listener);
		if (nsid > 0)
			wrasse_subsystem_remove_ns(subsystem, (uint32_t)nsid, NULL, NULL);
		wrasse_subsystem_add_host(subsystem, "nqn.2026-11.io.wrasse:another");
		wrasse_subsystem_remove_host(subsystem, "nqn.2026-11.io.wrasse:another");
		nanosleep(&nap, NULL);
	}
	return NULL;
}

/* ---- the hosts: each has a part of the namespace to itself ---- */

static bool transfer(struct host_queue *q, struct host_ctrl *c, unsigned host, uint64_t generation)
{
	uint32_t blocks = 1 + (uint32_t)(generation * 7 % 40), len = blocks * BLOCK;
	uint64_t lba = host * (DISK_LEN / BLOCK / MAX_HOSTS) + generation % 100;
	bool list = generation % 3 == 0;
	struct host_piece pieces[8];
	uint8_t descs[16 * 8];

	for (int reading = 0; reading < 2; reading++) {
		struct host_cmd cmd;
		struct wire_cqe cqe;

		host_cmd_rw(&cmd, reading ? OPC_READ : OPC_WRITE, c->nsid, lba, blocks);
		if (list) {
			host_split(pieces, 8, 0, len, 16);
			host_sgl_list(&cmd, q, pieces, 8, descs);
		} else if (generation % 3 == 1) {
			host_sgl_invalidate(&cmd, q, 0, len);
		} else {
			host_sgl_keyed(&cmd, q, 0, len);
		}
		if (!reading) {
			static _Thread_local uint8_t data[64 * BLOCK];

			host_pattern(data, len, lba, generation);
			if (list)
				host_scatter(q, pieces, 8, data);
			else
				memcpy(q->data, data, len);
		} else {
			memset(q->data, 0, len + 8 * 16);
		}
		if (host_exec(q, &cmd, &cqe))
			return false;
		if (wire_status(&cqe)) {
			if (!atomic_load(&stopping))
				fail("a command", "was answered with an error");
			return false;
		}
		if (reading) {
			static _Thread_local uint8_t back[64 * BLOCK];

			if (list)
				host_gather(q, pieces, 8, back);
			else
				memcpy(back, q->data, len);
			if (host_pattern_check(back, len, lba, generation) >= 0)
				fail("a read", "brought other data than was written");
			atomic_fetch_add(&verified, len);
		}
	}
	return true;
}

static void host_session(const struct host_target *to, unsigned host, uint64_t *generation)
{
	struct host_ctrl c = {0};
	struct host_queue *q = NULL;
	struct host_params p;
	char why[256];

	if (host_ctrl_up(&c, to, why, sizeof(why))) {
		if (!atomic_load(&stopping))
			fail("a host connects", why);
		host_ctrl_down(&c);
		return;
	}
	host_params_init(&p, &c.to, 1, 16);
	p.read_credits = (uint8_t)(1 + host % 4);
	if (host_ctrl_io(&c, &p, &q)) {
		if (!atomic_load(&stopping))
			fail("a host opens a queue", q ? q->why : "no memory");
	} else {
		atomic_fetch_add(&connects, 1);
		for (int i = 0; i < 50 && transfer(q, &c, host, ++*generation); i++)
			;
		if (q->state == HOST_LOST) {
			atomic_fetch_add(&losses, 1);
			if (!atomic_load(&stopping))
				fail("a host's connection ended", q->why);
		}
	}
	host_queue_close(q);
	host_ctrl_down(&c);
}

static void *host_thread(void *arg)
{
	unsigned host = (unsigned)(uintptr_t)arg;
	struct host_target to;
	uint64_t generation = 0;
	char name[64];

	options_init(&to);
	snprintf(name, sizeof(name), "nqn.2026-11.io.wrasse:host%u", host);
	to.addr = "10.66.0.1";
	to.nqn = nqn;
	to.hostnqn = name;
	while (!atomic_load(&stopping))
		host_session(&to, host, &generation);
	return NULL;
}

/* ---- all together ---- */

static void must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "wrasse-stress: %s: %s\n", what, strerror(-rc));
	exit(2);
}

static void target_start(void)
{
	static const struct wrasse_backend_ops ops = {.size = sizeof(ops), .submit = submit};
	struct wrasse_subsystem_opts name = {
		.size = sizeof(name), .nqn = nqn, .allow_any_host = true};
	struct wrasse_ns_opts ns = {
		.size = sizeof(ns), .block_count = DISK_LEN / BLOCK, .ops = &ops};
	struct wrasse_listener_opts where = {.size = sizeof(where), .address = "10.66.0.1"};
	struct wrasse_target_opts opts;
	struct wrasse_poll_group_opts sizes;

	wrasse_target_opts_init(&opts);
	opts.log = on_log;
	wrasse_poll_group_opts_init(&sizes);
	sizes.io_requests = 256;
	sizes.admin_requests = 256;
	sizes.small_buffers = 32;
	must(wrasse_target_create(&opts, &target), "wrasse_target_create");
	for (int i = 0; i < GROUPS; i++)
		must(wrasse_poll_group_create(target, &sizes, &groups[i]),
		     "wrasse_poll_group_create");
	must(wrasse_subsystem_create(target, &name, &subsystem), "wrasse_subsystem_create");
	must(wrasse_subsystem_add_ns(subsystem, &ns, NULL), "wrasse_subsystem_add_ns");
	must(wrasse_listener_create(target, &where, NULL), "wrasse_listener_create");
}

static pthread_t start(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg)) {
		perror("pthread_create");
		exit(2);
	}
	return thread;
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? options_number(argv[1], 1, 3600) : 5;
	unsigned hosts = argc > 2 ? options_number(argv[2], 1, MAX_HOSTS) : 4;
	pthread_t host_threads[MAX_HOSTS], mine[GROUPS + 3];
	struct timespec nap = {seconds, 0};

	disk = calloc(1, DISK_LEN);
	target_start();
	mine[0] = start(poll_target, NULL);
	mine[1] = start(complete_elsewhere, NULL);
	mine[2] = start(operate, NULL);
	for (int i = 0; i < GROUPS; i++)
		mine[3 + i] = start(poll_group, groups[i]);
	for (unsigned i = 0; i < hosts; i++)
		host_threads[i] = start(host_thread, (void *)(uintptr_t)i);
	nanosleep(&nap, NULL);
	atomic_store(&stopping, true);
	pthread_join(mine[2], NULL);
	must(wrasse_target_drain(target, 10000, on_drained, NULL), "wrasse_target_drain");
	for (unsigned i = 0; i < hosts; i++)
		pthread_join(host_threads[i], NULL);
	nap = (struct timespec){0, 1000000};
	while (!atomic_load(&drained))
		nanosleep(&nap, NULL);
	atomic_store(&ended, true);
	pthread_mutex_lock(&queue.lock);
	pthread_cond_broadcast(&queue.some);
	pthread_mutex_unlock(&queue.lock);
	for (int i = 0; i < GROUPS + 3; i++)
		if (i != 2)
			pthread_join(mine[i], NULL);
	for (int i = 0; i < GROUPS; i++)
		must(wrasse_poll_group_destroy(groups[i]), "wrasse_poll_group_destroy");
	must(wrasse_target_destroy(target), "wrasse_target_destroy");
	free(disk);
	if (!clean)
		fail("the drain", "its report is not clean");
	if (!atomic_load(&verified))
		fail("the hosts", "verified nothing");
	printf("%llu connections, %llu bytes verified\n",
	       (unsigned long long)atomic_load(&connects),
	       (unsigned long long)atomic_load(&verified));
	printf("%u passed, %u failed\n", atomic_load(&failures) ? 0 : 1, atomic_load(&failures));
	return atomic_load(&failures) != 0;
}
