/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: the thread that polls one poll group. It spins or sleeps as --poll says; asleep, it
 * waits in epoll for the group's descriptor and for those of the backends (io_uring). What other
 * threads want of it are bits in one word, read after the group was armed: then either the bit is
 * seen or the group's descriptor wakes the thread.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <wrasse/wrasse.h>

#include "log.h"
#include "report.h"
#include "worker.h"

/* Adaptive: how long to spin for work that is expected within that time. */
#define SPIN_NS    1000000
#define GAP_MAX    (2 * SPIN_NS)
/* Polls without work between two looks at the clock. */
#define LOOK_POLLS 16
#define GRACE_NS   1000000000

enum {
	ASK_STOP = 1u << 0,
	ASK_BOOKS = 1u << 1,
};

struct worker {
	struct wrasse_target *target;
	struct wrasse_poll_group_opts opts;
	struct wrasse_poll_group *group; /* NULL once it is destroyed */
	enum poll_mode mode;
	uint32_t cpu;
	unsigned index;
	int epoll_fd;
	int result;          /* of the start, then of the end */
	unsigned idle_polls; /* adaptive: since there was work */
	uint64_t idle_since; /* when the clock was first looked at since then; 0: not yet */
	uint64_t gap_ns;     /* adaptive: how long work is waited for, on average */
	pthread_t thread;
	sem_t answered; /* posted when result is set */
	atomic_uint asked;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int worker_watch(struct worker *worker, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

void worker_unwatch(struct worker *worker, int fd)
{
	epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* Prints the books as one piece, so that those of several workers do not mix. */
static void books_print(struct worker *worker)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	report_print_group(out, worker->group);
	fclose(out);
	fwrite(text, 1, len, stdout);
	fflush(stdout);
	free(text);
}

/* Sleeps until there is something to do; returns at once if there is already. */
static void worker_sleep(struct worker *worker)
{
	struct epoll_event events[16];
	int timeout_ms = -1;

	if (wrasse_poll_group_arm(worker->group, &timeout_ms) > 0)
		return;
	if (atomic_load(&worker->asked))
		return;
	/* Which descriptor it was does not matter: the next poll looks at all of them. */
	epoll_wait(worker->epoll_fd, events, 16, timeout_ms);
}

/* Work has come. The average follows quickly, and no further up than that a few commands in a row bring
 * it down again. */
static void note_work(struct worker *worker)
{
	uint64_t gap_ns = worker->idle_since ? now_ns() - worker->idle_since : 0;

	if (gap_ns > GAP_MAX)
		gap_ns = GAP_MAX;
	worker->gap_ns = (3 * worker->gap_ns + gap_ns) / 4;
	worker->idle_polls = 0;
	worker->idle_since = 0;
}

/*
 * Spinning pays while the next work is likely to come soon: a sleep and what wakes from it take longer.
 * Where it is not, spinning would only keep a core from others.
 */
static void spin_or_sleep(struct worker *worker)
{
	uint64_t now;

	if (worker->gap_ns <= SPIN_NS && ++worker->idle_polls % LOOK_POLLS)
		return;
	now = now_ns();
	if (!worker->idle_since)
		worker->idle_since = now;
	else if (worker->gap_ns > SPIN_NS || now - worker->idle_since >= SPIN_NS)
		worker_sleep(worker);
}

static void worker_turn(struct worker *worker)
{
	if (wrasse_poll_group_poll(worker->group) > 0) {
		if (worker->mode == POLL_ADAPTIVE)
			note_work(worker);
		return;
	}
	switch (worker->mode) {
	case POLL_BUSY:
		return;
	case POLL_EVENT:
		worker_sleep(worker);
		return;
	case POLL_ADAPTIVE:
		spin_or_sleep(worker);
		return;
	}
}

static int worker_begin(struct worker *worker)
{
	char name[16];
	cpu_set_t cpus;
	int result;

	snprintf(name, sizeof(name), "wrasse-%u", worker->index);
	pthread_setname_np(pthread_self(), name);
	if (worker->cpu != OPTION_UNSET) {
		CPU_ZERO(&cpus);
		CPU_SET(worker->cpu, &cpus);
		result = pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
		if (result) {
			log_line(WRASSE_LOG_ERROR, "--cpu: group %u cannot be pinned to CPU %u: %s",
				 worker->index, worker->cpu, strerror(result));
			return -result;
		}
	}
	/* Made here, after pinning, so that its memory is on this CPU's NUMA node. */
	result = wrasse_poll_group_create(worker->target, &worker->opts, &worker->group);
	if (result) {
		log_line(WRASSE_LOG_ERROR, "cannot make poll group %u: %s", worker->index,
			 strerror(-result));
		return result;
	}
	return worker_watch(worker, wrasse_poll_group_fd(worker->group));
}

/* Destroys the group, which may have to wait for a backend; polls on meanwhile. */
static int worker_end(struct worker *worker)
{
	uint64_t deadline = now_ns() + GRACE_NS;
	int result;

	do {
		result = wrasse_poll_group_destroy(worker->group);
		if (result == 0)
			worker->group = NULL;
		else
			wrasse_poll_group_poll(worker->group);
	} while (result == -EBUSY && now_ns() < deadline);
	return result;
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	unsigned asked;

	worker->result = worker_begin(worker);
	sem_post(&worker->answered);
	if (worker->result && !worker->group)
		return NULL;
	for (;;) {
		asked = atomic_exchange(&worker->asked, 0);
		if (asked & ASK_BOOKS)
			books_print(worker);
		if (asked & ASK_STOP) {
			worker->result = worker_end(worker);
			sem_post(&worker->answered);
			if (!worker->group)
				return NULL;
		}
		worker_turn(worker);
	}
}

static void worker_ask(struct worker *worker, unsigned what)
{
	atomic_fetch_or(&worker->asked, what);
	wrasse_poll_group_wake(worker->group);
}

static void worker_wait(struct worker *worker)
{
	while (sem_wait(&worker->answered) && errno == EINTR)
		;
}

static void worker_free(struct worker *worker)
{
	pthread_join(worker->thread, NULL);
	close(worker->epoll_fd);
	sem_destroy(&worker->answered);
	free(worker);
}

int worker_create(struct wrasse_target *target, const struct wrasse_poll_group_opts *opts,
		  enum poll_mode mode, uint32_t cpu, unsigned index, struct worker **made)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int result;

	if (!worker)
		return -ENOMEM;
	worker->target = target;
	worker->opts = *opts;
	worker->opts.ctx = worker;
	worker->mode = mode;
	worker->gap_ns = GAP_MAX;
	worker->cpu = cpu;
	worker->index = index;
	sem_init(&worker->answered, 0, 0);
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	result = worker->epoll_fd < 0 ? errno :
					pthread_create(&worker->thread, NULL, worker_run, worker);
	if (result) {
		log_line(WRASSE_LOG_ERROR, "cannot start the thread of poll group %u: %s", index,
			 strerror(result));
		if (worker->epoll_fd >= 0)
			close(worker->epoll_fd);
		sem_destroy(&worker->answered);
		free(worker);
		return -result;
	}
	worker_wait(worker);
	result = worker->result;
	if (result == 0)
		*made = worker;
	else if (worker->group)
		worker_destroy(worker);
	else
		worker_free(worker);
	return result;
}

int worker_destroy(struct worker *worker)
{
	int result;

	worker_ask(worker, ASK_STOP);
	worker_wait(worker);
	result = worker->result;
	if (result == 0)
		worker_free(worker);
	return result;
}

struct wrasse_poll_group *worker_group(const struct worker *worker)
{
	return worker->group;
}

void worker_print_books(struct worker *worker)
{
	worker_ask(worker, ASK_BOOKS);
}
