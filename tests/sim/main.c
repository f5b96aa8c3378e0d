/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-sim: runs seeds, in as many processes as there are cores, and says which failed and how to see it
 * again. A seed that crashes or hangs takes its process with it; the others go on.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

#define MAX_JOBS     64
#define HANG_SECONDS 15  /* of a core's time, in one seed */
#define WAIT_SECONDS 600 /* of anybody's */

struct options {
	uint64_t from, count;
	unsigned jobs, failures;
	bool trace, twice, quiet;
};

/* Written by its worker, read by all. */
struct worker {
	pid_t pid;
	volatile uint64_t seed; /* that it is at */
	volatile uint64_t next; /* that it begins with */
	volatile uint64_t done, steps, polls, busy, hash, virtual_ns, cpu_ns;
	volatile struct host_counts counts;
	uint64_t cpu_before_ns; /* of its processes before this one */
	double seen_cpu;
	uint64_t seen_seed; /* the parent's: to find one that hangs */
	time_t seen_at;
	bool finished;
};

static struct options options = {.count = 1000, .failures = 1};
static struct worker *workers;
static unsigned failed;

static double seconds_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double now(void)
{
	return seconds_of(CLOCK_MONOTONIC);
}

static void add_counts(struct worker *worker, const struct host_counts *counts)
{
	worker->counts.commands += counts->commands;
	worker->counts.answers += counts->answers;
	worker->counts.errors += counts->errors;
	worker->counts.reads_checked += counts->reads_checked;
	worker->counts.hooks_checked += counts->hooks_checked;
	worker->counts.connects += counts->connects;
	worker->counts.refusals += counts->refusals;
	worker->counts.losses += counts->losses;
	worker->counts.resets += counts->resets;
	worker->counts.proofs += counts->proofs;
	worker->counts.unproven += counts->unproven;
}

static void run_one(struct worker *worker, uint64_t seed)
{
	struct run_result result, again;

	worker->seed = seed;
	run_seed(seed, &result);
	if (options.twice) {
		run_seed(seed, &again);
		if (again.hash != result.hash)
			sim_fail("the second run of the seed differs: hash %016" PRIx64
				 " and then %016" PRIx64,
				 result.hash, again.hash);
	}
	worker->steps += result.steps;
	worker->polls += result.checks.polls;
	worker->busy += result.checks.busy;
	worker->virtual_ns += result.virtual_ns;
	worker->cpu_ns =
		(uint64_t)(seconds_of(CLOCK_PROCESS_CPUTIME_ID) * 1e9) + worker->cpu_before_ns;
	/* Independent of the order in which workers come to it. */
	worker->hash += result.hash ^ seed * UINT64_C(0x9e3779b97f4a7c15);
	add_counts(worker, &result.counts);
	worker->done++;
}

static void work(unsigned index)
{
	struct worker *worker = &workers[index];

	for (uint64_t seed = worker->next; seed < options.from + options.count;
	     seed += options.jobs) {
		worker->next = seed + options.jobs;
		run_one(worker, seed);
	}
}

static void worker_start(unsigned index)
{
	struct worker *worker = &workers[index];
	pid_t pid;

	fflush(NULL);
	worker->cpu_before_ns = worker->cpu_ns;
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid == 0) {
		work(index);
		exit(0);
	}
	worker->pid = pid;
	worker->seen_at = time(NULL);
}

static struct worker totals(void)
{
	struct worker all = {0};

	for (unsigned i = 0; i < options.jobs; i++) {
		struct host_counts counts;

		memcpy(&counts, (const void *)&workers[i].counts, sizeof(counts));
		all.done += workers[i].done;
		all.steps += workers[i].steps;
		all.polls += workers[i].polls;
		all.busy += workers[i].busy;
		all.hash += workers[i].hash;
		all.virtual_ns += workers[i].virtual_ns;
		all.cpu_ns += workers[i].cpu_ns;
		add_counts(&all, &counts);
	}
	return all;
}

static void progress(double began, bool last)
{
	struct worker all = totals();
	double seconds = now() - began;
	double left =
		all.done ? seconds * (double)(options.count - all.done) / (double)all.done : 0;

	double core_ms = (double)all.cpu_ns / 1e6 + 1e-9; /* of one core that does nothing else */

	if (last)
		printf("%s%" PRIu64 " seeds, %" PRIu64
		       " steps (%.0f per ms and core), %.1f s; virtual time %.0f s\n"
		       "polls with checks %" PRIu64 " (%.0f per ms and core), %" PRIu64
		       " of them did something\n",
		       isatty(1) ? "\r\033[K" : "", all.done, all.steps,
		       (double)all.steps / core_ms, seconds, (double)all.virtual_ns / 1e9,
		       all.polls, (double)all.polls / core_ms, all.busy);
	else
		printf("%s%" PRIu64 " of %" PRIu64
		       " seeds, %.0f a second, %u failed, %.0f s left%s",
		       isatty(1) ? "\r\033[K" : "", all.done, options.count,
		       (double)all.done / seconds, failed, left, isatty(1) ? "" : "\n");
	fflush(stdout);
}

static void worker_failed(unsigned index, int status)
{
	struct worker *worker = &workers[index];

	failed++;
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGABRT)
		fprintf(stderr,
			"seed %" PRIu64 ": %s\n  replay: ./dev sim --seed %" PRIu64 " --trace\n",
			worker->seed,
			WTERMSIG(status) == SIGKILL ? "hangs" : strsignal(WTERMSIG(status)),
			worker->seed);
	else
		fprintf(stderr,
			"  (seed %" PRIu64 "; replay: ./dev sim --seed %" PRIu64 " --trace)\n",
			worker->seed, worker->seed);
	if (failed < options.failures)
		worker_start(index);
	else
		worker->finished = true;
}

/* Return: whether one ended. */
static bool reap_one(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);

	if (pid <= 0)
		return false;
	for (unsigned i = 0; i < options.jobs; i++) {
		if (workers[i].pid != pid)
			continue;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			workers[i].finished = true;
		else
			worker_failed(i, status);
	}
	return true;
}

static bool all_finished(void)
{
	for (unsigned i = 0; i < options.jobs; i++)
		if (!workers[i].finished)
			return false;
	return true;
}

static double cpu_of(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) ? 0 : seconds_of(clock);
}

static void kill_hanging(void)
{
	for (unsigned i = 0; i < options.jobs; i++) {
		struct worker *worker = &workers[i];
		double cpu = worker->finished ? 0 : cpu_of(worker->pid);

		if (worker->seen_seed != worker->seed || cpu < worker->seen_cpu) {
			worker->seen_seed = worker->seed;
			worker->seen_at = time(NULL);
			worker->seen_cpu = cpu;
		} else if (!worker->finished && (cpu - worker->seen_cpu > HANG_SECONDS ||
						 time(NULL) - worker->seen_at > WAIT_SECONDS)) {
			kill(worker->pid, SIGKILL);
			worker->seen_at = time(NULL);
			worker->seen_cpu = cpu;
		}
	}
}

static int run_all(void)
{
	double began = now(), shown = began;
	struct worker all;

	for (unsigned i = 0; i < options.jobs; i++) {
		workers[i].next = options.from + i;
		worker_start(i);
	}
	while (!all_finished() && failed < options.failures) {
		struct timespec nap = {0, 20000000};

		if (reap_one())
			continue;
		nanosleep(&nap, NULL);
		kill_hanging();
		if (!options.quiet && now() - shown > (isatty(1) ? 0.5 : 10)) {
			progress(began, false);
			shown = now();
		}
	}
	for (unsigned i = 0; i < options.jobs; i++)
		if (!workers[i].finished)
			kill(workers[i].pid, SIGKILL);
	progress(began, true);
	all = totals();
	printf("commands %" PRIu64 ", answers %" PRIu64 ", errors %" PRIu64
	       ", reads checked %" PRIu64 ", hooked %" PRIu64 ", queues connected %" PRIu64
	       ", refused %" PRIu64 ", controllers lost %" PRIu64 ", reset %" PRIu64
	       ", authenticated %" PRIu64 ", not %" PRIu64 "\n",
	       all.counts.commands, all.counts.answers, all.counts.errors, all.counts.reads_checked,
	       all.counts.hooks_checked, all.counts.connects, all.counts.refusals,
	       all.counts.losses, all.counts.resets, all.counts.proofs, all.counts.unproven);
	printf("seeds %" PRIu64 " to %" PRIu64 ", hash of all %016" PRIx64 "\n", options.from,
	       options.from + options.count - 1, all.hash);
	printf("%" PRIu64 " passed, %u failed\n", all.done, failed);
	return failed ? 1 : 0;
}

static int run_again(uint64_t seed)
{
	struct run_result result;
	char about[512];

	rng_seed(seed);
	plan_make(seed);
	plan_describe(about, sizeof(about));
	printf("seed %" PRIu64 ": %s\n", seed, about);
	trace_on = options.trace;
	run_seed(seed, &result);
	printf("seed %" PRIu64 ": passed, %" PRIu64 " steps, hash %016" PRIx64 "\n", seed,
	       result.steps, result.hash);
	return 0;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (end == text || *end) {
		fprintf(stderr, "wrasse-sim: '%s' is not a number\n", text);
		exit(2);
	}
	return value;
}

/* NULL: every N; else "17". A run without a failure is the last. */
static int run_nths(enum nth_kind kind, const char *only)
{
	uint64_t nth = only ? number(only) : 1;
	const char *what, *name = kind == NTH_CALL ? "call" : "allocation";

	trace_on = options.trace;
	for (; run_nth(kind, nth, &what) && !only; nth++)
		if (!options.quiet)
			printf("ok %s %" PRIu64 " fails: %s\n", name, nth, what);
	if (!only)
		printf("%" PRIu64 " passed, 0 failed\n", nth);
	return 0;
}

static int nth_option(char *text)
{
	char *only = strchr(text, '=');

	if (only)
		*only++ = '\0';
	if (!strcmp(text, "call"))
		return run_nths(NTH_CALL, only);
	if (!strcmp(text, "alloc"))
		return run_nths(NTH_ALLOC, only);
	fprintf(stderr, "wrasse-sim: --nth is call or alloc, with =N or without\n");
	return 2;
}

static void usage(FILE *file)
{
	fprintf(file,
		"usage: wrasse-sim [--seeds N] [--from S] [--jobs J] [--twice] [--failures F] [--quiet]\n"
		"       wrasse-sim --seed X [--trace]\n"
		"       wrasse-sim --nth call|alloc[=N] [--trace]\n"
		"       wrasse-sim --museum [NAME] [--trace] | --museum-list\n\n"
		"  --seeds N     run N seeds (1000)\n"
		"  --from S      beginning with S (0)\n"
		"  --jobs J      in J processes (one a core)\n"
		"  --twice       run each seed twice and compare the traces' hashes\n"
		"  --failures F  go on until F seeds have failed (1)\n"
		"  --quiet       no progress\n"
		"  --seed X      run one seed in this process\n"
		"  --museum      past failures of targets, each as a scenario\n"
		"  --nth WHAT    connect, I/O and drain with the Nth call or allocation failing, for every N\n"
		"  --trace       and print its steps\n");
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"seeds", 1, NULL, 'n'},  {"from", 1, NULL, 'f'},        {"jobs", 1, NULL, 'j'},
		{"twice", 0, NULL, '2'},  {"failures", 1, NULL, 'F'},    {"quiet", 0, NULL, 'q'},
		{"seed", 1, NULL, 's'},   {"trace", 0, NULL, 't'},       {"nth", 1, NULL, 'N'},
		{"museum", 2, NULL, 'm'}, {"museum-list", 0, NULL, 'M'}, {"help", 0, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	char *nth = NULL;
	uint64_t seed = 0;
	bool one = false, museum = false, list = false;
	const char *exhibit = NULL;
	int option;

	options.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'n':
			options.count = number(optarg);
			break;
		case 'f':
			options.from = number(optarg);
			break;
		case 'j':
			options.jobs = (unsigned)number(optarg);
			break;
		case '2':
			options.twice = true;
			break;
		case 'F':
			options.failures = (unsigned)number(optarg);
			break;
		case 'q':
			options.quiet = true;
			break;
		case 's':
			seed = number(optarg);
			one = true;
			break;
		case 'm':
			museum = true;
			exhibit = optarg                                  ? optarg :
				  optind < argc && argv[optind][0] != '-' ? argv[optind++] :
									    NULL;
			break;
		case 'M':
			list = true;
			break;
		case 'N':
			nth = optarg;
			break;
		case 't':
			options.trace = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	if (options.jobs < 1 || options.jobs > MAX_JOBS) {
		fprintf(stderr, "wrasse-sim: --jobs is 1 to %d\n", MAX_JOBS);
		return 2;
	}
	trace_on = options.trace;
	if (museum || list)
		return museum_run(exhibit, list);
	if (nth)
		return nth_option(nth);
	if (one)
		return run_again(seed);
	workers = mmap(NULL, MAX_JOBS * sizeof(*workers), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (workers == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	return run_all();
}
