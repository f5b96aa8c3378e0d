/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-host probe: runs conformance cases, one line each, and the count of both kinds at the end.
 *
 * A bystander controller lives through all cases: after each of them it must still read, and a new
 * connection must still be served. Cases that wait for seconds run in processes of their own meanwhile.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "options.h"
#include "probe.h"

static const struct probe_group *const groups[] = {
	&probe_cm, &probe_connect, &probe_property, &probe_admin, &probe_inline,     &probe_list,
	&probe_io, &probe_fused,   &probe_hostile,  &probe_auth,  &probe_auth_wrong,
};

#define GROUPS       (sizeof(groups) / sizeof(groups[0]))
#define MAX_SLOW     32
#define MAX_EXCEPT   64
#define MAX_REFUSALS 2 /* then it is dead, and nothing more is to be learned */

struct run {
	struct probe probe;
	struct probe bystander;
	struct host_ctrl *witness;
	char **names;
	int name_count;
	const char *except[MAX_EXCEPT];
	int except_count;
	int refusals; /* cases in a row that found the target not serving */
	unsigned int passed;
	unsigned int failed;
	pid_t slow[MAX_SLOW];
	unsigned int slow_count;
	bool listing; /* names only */
};

static bool name_matches(const char *pattern, const char *name)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '*')
		return !strncmp(pattern, name, len - 1);
	return !strcmp(pattern, name);
}

static bool selected(const struct run *r, const struct probe_case *c)
{
	if (c->asks_for_auth && !r->listing && !r->probe.auth.nqn)
		return false;
	for (int i = 0; i < r->except_count; i++) {
		if (name_matches(r->except[i], c->name))
			return false;
	}
	for (int i = 0; i < r->name_count; i++) {
		if (name_matches(r->names[i], c->name))
			return true;
	}
	return !r->name_count;
}

static void close_all(struct probe *p)
{
	while (p->queue_count)
		host_queue_close(p->queues[--p->queue_count]);
	while (p->ctrl_count) {
		host_ctrl_down(p->ctrls[--p->ctrl_count]);
		free(p->ctrls[p->ctrl_count]);
	}
}

static bool case_run(struct probe *p, const struct probe_case *c)
{
	bool ok;

	p->name = c->name;
	p->why[0] = 0;
	ok = c->run(p);
	if (!ok)
		probe_fail(p, "expected the case to hold, got no reason");
	close_all(p);
	return ok;
}

static void say(const struct probe_case *c, bool ok, const char *why)
{
	char line[640];
	int len = ok ? snprintf(line, sizeof(line), "ok %s\n", c->name) :
		       snprintf(line, sizeof(line), "not ok %s: %s\n", c->name, why);

	if (len > (int)sizeof(line) - 1)
		len = (int)sizeof(line) - 1;
	/* One write per line: processes share the output. */
	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		exit(2);
}

static void slow_start(struct run *r, const struct probe_case *c)
{
	pid_t pid = fork();

	if (pid == 0) {
		bool ok = case_run(&r->probe, c);

		say(c, ok, r->probe.why);
		_exit(ok ? 0 : 1);
	}
	r->slow[r->slow_count++] = pid;
}

static void slow_finish(struct run *r)
{
	for (unsigned int i = 0; i < r->slow_count; i++) {
		int status = 1;

		if (r->slow[i] < 0 || waitpid(r->slow[i], &status, 0) < 0 || status)
			r->failed++;
		else
			r->passed++;
	}
}

/* The bystander, for those who come after a case that harmed it: a new one. */
static bool witness_ensure(struct run *r)
{
	struct probe *p = &r->bystander;

	if (r->witness)
		return true;
	p->why[0] = 0;
	r->witness = probe_ctrl_io(p, 8, 16);
	if (!r->witness)
		close_all(p);
	return r->witness;
}

/* What no case may do: harm another host, or the target. */
static bool unharmed(struct run *r, char *why, size_t why_len)
{
	struct probe *p = &r->bystander;
	struct probe fresh = {.to = p->to};
	bool ok;

	p->why[0] = 0;
	if (r->witness &&
	    (!probe_rw(p, r->witness, OPC_READ, 0, 1) || !probe_alive(p, r->witness->admin))) {
		snprintf(why, why_len, "another host was harmed: %.300s", p->why);
		r->witness = NULL;
		close_all(p);
		return false;
	}
	ok = probe_admin_connected(&fresh) && probe_alive(&fresh, fresh.queues[0]);
	close_all(&fresh);
	if (!ok)
		snprintf(why, why_len, "the target no longer serves a good host: %.300s",
			 fresh.why);
	return ok;
}

static void quick_run(struct run *r, const struct probe_case *c)
{
	struct probe *p = &r->probe;
	char harm[400] = "";
	bool ok;

	if (r->refusals == MAX_REFUSALS) {
		say(c, false, "expected a target, got none any more: not run");
		r->failed++;
		return;
	}
	if (!witness_ensure(r)) {
		say(c, false, r->bystander.why);
		r->failed++;
		r->refusals++;
		return;
	}
	r->refusals = 0;
	ok = case_run(p, c);
	if (!unharmed(r, harm, sizeof(harm))) {
		if (ok)
			snprintf(p->why, sizeof(p->why), "%.399s", harm);
		ok = false;
	}
	say(c, ok, p->why);
	if (ok)
		r->passed++;
	else
		r->failed++;
}

static void for_cases(struct run *r, bool slow,
		      void (*visit)(struct run *, const struct probe_case *))
{
	for (size_t g = 0; g < GROUPS; g++) {
		for (uint32_t i = 0; i < groups[g]->count; i++) {
			const struct probe_case *c = &groups[g]->cases[i];

			if (c->slow == slow && selected(r, c))
				visit(r, c);
		}
	}
}

static void name_print(struct run *r, const struct probe_case *c)
{
	(void)r;
	puts(c->name);
}

static const char usage[] =
	"usage: wrasse-host probe --addr A --port P --nqn N [OPTION...] [CASE...]\n"
	"\n"
	"Runs conformance cases (all, or those named; CASE may end with *). It writes to the first\n"
	"namespace of the subsystem: what was there is lost.\n"
	"\n" OPTIONS_HELP
	"  --connect-deadline S  how long a connection without Connect may live (15)\n"
	"  --except CASE         leave it out; repeatable\n"
	"  --auth-nqn N          a subsystem whose hosts must authenticate themselves; without it the\n"
	"                        cases auth_* are left out\n"
	"  --dhchap-secret S, --dhchap-ctrl-secret S  the host's and its own (DHHC-1:...)\n"
	"  --list                print the names of the cases\n";

int probe_main(int argc, char **argv)
{
	static const struct option longs[] = {OPTIONS_LONG,
					      {"connect-deadline", required_argument, NULL, 'd'},
					      {"except", required_argument, NULL, 'e'},
					      {"list", no_argument, NULL, 'l'},
					      {"auth-nqn", required_argument, NULL, 'a'},
					      {"dhchap-secret", required_argument, NULL, 's'},
					      {"dhchap-ctrl-secret", required_argument, NULL, 'c'},
					      {0}};
	static struct run run;
	struct run *r = &run;
	const char *auth_nqn = NULL;
	int opt;

	options_init(&r->probe.to);
	r->probe.connect_deadline_ms = 15000;
	while ((opt = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (opt == 'd')
			r->probe.connect_deadline_ms = options_number(optarg, 1, 3600) * 1000;
		else if (opt == 'e' && r->except_count < MAX_EXCEPT)
			r->except[r->except_count++] = optarg;
		else if (opt == 'l')
			r->listing = true;
		else if (opt == 'a')
			auth_nqn = optarg;
		else if (opt == 's')
			r->probe.secret = optarg;
		else if (opt == 'c')
			r->probe.ctrl_secret = optarg;
		else if (!options_take(&r->probe.to, opt, optarg))
			return options_usage(usage, opt == 'h');
	}
	r->names = argv + optind;
	r->name_count = argc - optind;
	if (r->listing) {
		for_cases(r, false, name_print);
		for_cases(r, true, name_print);
		return 0;
	}
	if (!r->probe.to.addr || !r->probe.to.nqn)
		return options_usage(usage, false);
	if (auth_nqn && (!r->probe.secret || !r->probe.ctrl_secret))
		return options_usage(usage, false);
	r->bystander.to = r->probe.auth = r->probe.to;
	r->probe.auth.nqn = auth_nqn;
	/* First, while this process has no device open. */
	for_cases(r, true, slow_start);
	for_cases(r, false, quick_run);
	close_all(&r->bystander);
	slow_finish(r);
	printf("%u passed, %u failed\n", r->passed, r->failed);
	return r->failed || !r->passed;
}
