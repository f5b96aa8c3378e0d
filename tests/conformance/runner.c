/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs the tests one after the other, counts them, and undoes what each has made.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "conformance.h"

#define MAX_UNDO 64
/* A call that does not come back would say nothing at all. */
#define HANG_S   90

static jmp_buf failed_at;
static char why[300];
static const struct test *running;
static struct {
	void (*fn)(void *);
	void *arg;
} undos[MAX_UNDO];
static unsigned undo_count;

struct options options;

void fail(const char *fmt, ...)
{
	va_list ap;

	/* What goes wrong while undoing comes after the reason, and must not hide it. */
	if (!why[0]) {
		va_start(ap, fmt);
		vsnprintf(why, sizeof(why), fmt, ap);
		va_end(ap);
	}
	longjmp(failed_at, 1);
}

/* Says what was seen, where more than one thing is right. */
void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

void equal_at(int line, const char *what, long long got, long long want)
{
	if (got != want)
		fail("line %d: %s is %lld, not %lld", line, what, got, want);
}

/* The name of the test that runs. */
const char *test_name(void)
{
	return running->name;
}

/* fn(arg) is called when the test has ended, the latest first. */
void undo(void (*fn)(void *), void *arg)
{
	check(undo_count < MAX_UNDO, "a test that makes more than %d things", MAX_UNDO);
	undos[undo_count].fn = fn;
	undos[undo_count++].arg = arg;
}

void forget(const void *arg)
{
	for (unsigned i = undo_count; i-- > 0;) {
		if (undos[i].arg == arg)
			undos[i].fn = NULL;
	}
}

static void undo_all(void)
{
	while (undo_count > 0) {
		undo_count--;
		if (undos[undo_count].fn)
			undos[undo_count].fn(undos[undo_count].arg);
	}
}

static void hangs(int signal)
{
	static const char text[] = ": does not come back\n";

	(void)!write(STDOUT_FILENO, "not ok ", 7);
	(void)!write(STDOUT_FILENO, running->name, strlen(running->name));
	(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

/* Each undo may fail by itself; the others are done all the same. */
static bool run_one(const struct test *test)
{
	why[0] = 0;
	running = test;
	alarm(HANG_S);
	if (setjmp(failed_at) == 0) {
		test->run();
		difference_used();
	}
	while (undo_count > 0) {
		if (setjmp(failed_at) == 0)
			undo_all();
	}
	alarm(0);
	return !why[0];
}

bool run_tests(const struct test *const *topics, unsigned *passed, unsigned *failed)
{
	bool found = false;

	signal(SIGALRM, hangs);

	for (; *topics; topics++) {
		for (const struct test *test = *topics; test->name; test++) {
			uint64_t began = now_ms();
			bool ok;

			if (options.only && strcmp(options.only, test->name))
				continue;
			found = true;
			ok = run_one(test);
			*(ok ? passed : failed) += 1;
			if (ok)
				printf("ok %s (%llu ms)\n", test->name,
				       (unsigned long long)(now_ms() - began));
			else
				printf("not ok %s: %s\n", test->name, why);
			fflush(stdout);
		}
	}
	return found;
}
