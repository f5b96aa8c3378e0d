/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of the always-on checks: runs a function in a child and expects it to stop the program
 * with a message. What the child needs it makes itself: registered slabs do not survive fork().
 */
#ifndef WRASSE_TESTS_UNIT_DIES_H
#define WRASSE_TESTS_UNIT_DIES_H

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A function that comes back. */
#define DIES_SURVIVED 77

#ifdef DIES_COVERAGE
void __gcov_dump(void);

/* What led to the end was reached, too; abort() ends the program when this has returned. */
static inline void dies_count(int sig)
{
	__gcov_dump();
}
#endif

static inline void dies_child(int err, void (*act)(void *arg), void *arg)
{
	const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	size_t i;

	/* CMocka's handlers would go on with the next test here. */
	for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		signal(caught[i], SIG_DFL);
#ifdef DIES_COVERAGE
	signal(SIGABRT, dies_count);
#endif
	setrlimit(RLIMIT_CORE, &(struct rlimit){0});
	dup2(err, STDERR_FILENO);
	act(arg);
	_exit(DIES_SURVIVED);
}

/*
 * Runs @act(@arg) in a child.
 *
 * @said: where to store what it wrote to stderr, with a NUL; cut off at @size.
 * Return: its wait status.
 */
static inline int dies_run(void (*act)(void *arg), void *arg, char *said, size_t size)
{
	size_t len = 0;
	char rest[256];
	int fd[2], status;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		dies_child(fd[1], act, arg);
	close(fd[1]);
	for (;;) {
		got = len + 1 < size ? read(fd[0], said + len, size - 1 - len) :
				       read(fd[0], rest, sizeof(rest));
		if (got <= 0)
			break;
		if (len + 1 < size)
			len += (size_t)got;
	}
	said[len] = '\0';
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* @act(@arg) must abort() after a line from wrasse that contains @message. */
static inline void assert_dies(void (*act)(void *arg), void *arg, const char *message)
{
	char said[4096];
	int status = dies_run(act, arg, said, sizeof(said));

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_msg("did not abort: wait status %#x, said \"%s\"", (unsigned)status, said);
	if (!strstr(said, "wrasse: ") || !strstr(said, message))
		fail_msg("aborted, but said \"%s\" and not \"%s\"", said, message);
}

#endif
