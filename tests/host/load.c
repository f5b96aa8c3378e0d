/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-host load: keeps every queue of every connection full, in one thread, and counts.
 *
 * It polls while there is something to do and sleeps on all descriptors when there is not. It never connects
 * again: what a target loses, stays lost, and decides the exit status.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "load.h"
#include "load_options.h"
#include "options.h"

static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t turned;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		turned = 1;
	else
		interrupted = 1;
}

static int conn_start(struct load *l, uint32_t index)
{
	struct load_conn *conn = &l->conns[index];
	struct host_target to = l->job.to;
	struct host_params params;
	char why[256] = "";
	int err;

	to.nqn = l->job.nqns[index];
	err = host_ctrl_up(&conn->ctrl, &to, why, sizeof(why));
	if (!err && load_check(l, index, why, sizeof(why)))
		err = -EINVAL;
	if (err) {
		fprintf(stderr, "%s: %s\n", to.nqn, why);
		return err;
	}
	conn->queues = calloc(l->job.queues, sizeof(*conn->queues));
	for (uint32_t i = 0; conn->queues && i < l->job.queues; i++) {
		struct load_queue *lq = &conn->queues[i];

		lq->load = l;
		lq->conn = conn;
		lq->index = i;
		host_params_init(&params, &conn->ctrl.to, (uint16_t)(i + 1),
				 (uint16_t)(l->job.depth + 1));
		params.read_credits = (uint8_t)l->job.read_credits;
		params.capsule_size = 64 + 16 * LOAD_MAX_DESCS;
		if (l->job.inline_data && l->job.size > 16 * LOAD_MAX_DESCS)
			params.capsule_size = 64 + l->job.size;
		params.data_len = l->job.depth * (l->job.size + 64 * l->job.descs);
		err = host_ctrl_io(&conn->ctrl, &params, &lq->q);
		if (err) {
			fprintf(stderr, "%s queue %u: %s (%s)\n", to.nqn, i + 1, strerror(-err),
				lq->q ? lq->q->why : "no memory");
			return err;
		}
	}
	return conn->queues ? 0 : -ENOMEM;
}

static void conn_lost(struct load *l, struct load_conn *conn, const struct host_queue *q)
{
	if (conn->lost)
		return;
	conn->lost = true;
	l->counts.lost++;
	if (l->counts.lost <= 3)
		fprintf(stderr, "%s queue %u: connection lost: %s\n", conn->ctrl.to.nqn,
			q->params.qid, q->why);
	if (l->job.stop_on_disconnect)
		l->stopping = true;
}

/* One look at every I/O queue. Returns whether anything came. */
static bool queues_poll(struct load *l)
{
	bool any = false;

	for (uint32_t i = 0; i < l->job.nqn_count; i++) {
		struct load_conn *conn = &l->conns[i];

		for (uint32_t k = 0; conn->queues && k < l->job.queues; k++) {
			struct host_queue *q = conn->queues[k].q;

			if (!q)
				continue;
			host_cork(q);
			any |= host_poll(q) > 0;
			host_uncork(q);
			if (q->state == HOST_LOST)
				conn_lost(l, conn, q);
		}
	}
	return any;
}

static void events_poll(struct load *l)
{
	for (uint32_t i = 0; i < l->job.nqn_count; i++) {
		struct load_conn *conn = &l->conns[i];

		host_events_poll(conn->ctrl.admin);
		host_poll(conn->ctrl.admin);
		if (conn->ctrl.admin->state == HOST_LOST)
			conn_lost(l, conn, conn->ctrl.admin);
		for (uint32_t k = 0; k < l->job.queues; k++)
			host_events_poll(conn->queues[k].q);
	}
}

/* Sleeps until something comes, for some tenths of a second at most. */
static void queues_wait(struct load *l, struct pollfd *fds)
{
	nfds_t n = 0;

	for (uint32_t i = 0; i < l->job.nqn_count; i++) {
		struct load_conn *conn = &l->conns[i];

		fds[n++] = (struct pollfd){conn->ctrl.admin->events->fd, POLLIN, 0};
		for (uint32_t k = 0; k < l->job.queues; k++) {
			int two[2];

			if (conn->queues[k].q->state != HOST_CONNECTED)
				continue;
			host_arm(conn->queues[k].q);
			host_fds(conn->queues[k].q, two);
			fds[n++] = (struct pollfd){two[0], POLLIN, 0};
			fds[n++] = (struct pollfd){two[1], POLLIN, 0};
		}
	}
	if (queues_poll(l))
		return;
	poll(fds, n, 200);
	events_poll(l);
}

static uint64_t in_flight(const struct load *l)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < l->job.nqn_count; i++) {
		for (uint32_t k = 0; k < l->job.queues; k++) {
			const struct host_queue *q = l->conns[i].queues[k].q;

			if (q->state == HOST_CONNECTED)
				n += q->in_flight;
		}
	}
	return n;
}

static void second_print(const struct load *l, uint32_t second, uint64_t ios)
{
	printf("%4u s: %llu IOPS, %.1f MiB/s, %u of %u connected, %llu errors, %llu wrong\n",
	       second, (unsigned long long)ios, (double)ios * l->job.size / 1048576.0,
	       l->job.nqn_count - l->counts.lost, l->job.nqn_count,
	       (unsigned long long)l->counts.errors, (unsigned long long)l->counts.wrong);
	fflush(stdout);
}

/* Until the time is over or all is lost; then until the last answer. Returns the nanoseconds under load. */
static uint64_t load_run(struct load *l, struct pollfd *fds)
{
	uint64_t start = host_now_ns();
	uint64_t end = start + l->job.seconds * 1000000000ull;
	uint64_t next = start + 1000000000u;
	uint64_t ios = 0;
	uint64_t stopped = 0;

	for (;;) {
		uint64_t now;

		if (turned)
			l->job.mode = LOAD_WRITE;
		if (!queues_poll(l))
			queues_wait(l, fds);
		now = host_now_ns();
		if (now >= next) {
			second_print(l, (uint32_t)((next - start) / 1000000000u),
				     l->counts.ios - ios);
			ios = l->counts.ios;
			next += 1000000000u;
			events_poll(l);
		}
		if (now >= end || interrupted || l->counts.lost == l->job.nqn_count)
			l->stopping = true;
		if (!l->stopping)
			continue;
		if (!stopped)
			stopped = now;
		if (!in_flight(l) || now > stopped + l->job.to.timeout_ms * 1000000ull)
			return stopped - start;
	}
}

static uint64_t percentile(const struct load_counts *counts, double share)
{
	uint64_t total = 0;
	uint64_t seen = 0;

	for (int i = 0; i < LOAD_BUCKETS; i++)
		total += counts->latency[i];
	for (int i = 0; i < LOAD_BUCKETS; i++) {
		seen += counts->latency[i];
		if (seen && (double)seen >= share * (double)total)
			return load_bucket_ns(i);
	}
	return 0;
}

static int load_report(const struct load *l, uint64_t ns)
{
	const struct load_counts *c = &l->counts;
	double seconds = (double)ns / 1e9;
	uint64_t unanswered = in_flight(l);

	printf("summary: %llu I/Os in %.1f s, %.0f IOPS, %.1f MiB/s, p50 %.0f us, p99 %.0f us\n",
	       (unsigned long long)c->ios, seconds, seconds > 0 ? (double)c->ios / seconds : 0,
	       seconds > 0 ? (double)c->ios * l->job.size / 1048576.0 / seconds : 0,
	       (double)percentile(c, 0.5) / 1e3, (double)percentile(c, 0.99) / 1e3);
	printf("summary: %llu verified, %llu wrong, %llu errors, %llu aborted, %llu unanswered, "
	       "%u of %u connections lost\n",
	       (unsigned long long)c->verified, (unsigned long long)c->wrong,
	       (unsigned long long)c->errors, (unsigned long long)c->aborted,
	       (unsigned long long)unanswered, c->lost, l->job.nqn_count);
	if (l->job.invalidate)
		printf("summary: %llu keys not invalidated by the target\n",
		       (unsigned long long)c->not_invalidated);
	if (c->wrong || c->errors || unanswered || !c->ios)
		return 1;
	return c->lost && !l->job.expect_disconnect;
}

static void load_close(struct load *l)
{
	for (uint32_t i = 0; i < l->job.nqn_count; i++) {
		struct load_conn *conn = &l->conns[i];

		for (uint32_t k = 0; conn->queues && k < l->job.queues; k++) {
			host_queue_close(conn->queues[k].q);
			load_queue_stop(&conn->queues[k]);
		}
		host_ctrl_down(&conn->ctrl);
		free(conn->queues);
	}
}

static int queues_start(struct load *l)
{
	for (uint32_t i = 0; i < l->job.nqn_count; i++) {
		for (uint32_t k = 0; k < l->job.queues; k++) {
			int err = load_queue_start(&l->conns[i].queues[k]);

			if (err) {
				fprintf(stderr, "%s queue %u: %s (%s)\n", l->conns[i].ctrl.to.nqn,
					k + 1, strerror(-err), l->conns[i].queues[k].q->why);
				return err;
			}
		}
	}
	return 0;
}

int load_main(int argc, char **argv)
{
	static struct load l;
	struct sigaction act = {.sa_handler = on_signal};
	struct pollfd *fds;
	int status = load_options(&l.job, argc, argv);
	int err = 0;

	if (status)
		return status < 0 ? 0 : status;
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	l.conns = calloc(l.job.nqn_count, sizeof(*l.conns));
	fds = calloc(l.job.nqn_count, (1 + 2 * (size_t)l.job.queues) * sizeof(*fds));
	if (!l.conns || !fds)
		return 2;
	for (uint32_t i = 0; !err && !interrupted && i < l.job.nqn_count; i++)
		err = conn_start(&l, i);
	if (!err && !interrupted) {
		printf("%u connections of %u queues, depth %u\n", l.job.nqn_count, l.job.queues,
		       l.job.depth);
		fflush(stdout);
		err = queues_start(&l);
	}
	status = 1;
	if (!err && !interrupted)
		status = load_report(&l, load_run(&l, fds));
	load_close(&l);
	free(l.conns);
	free(fds);
	free(l.job.names);
	return status;
}
