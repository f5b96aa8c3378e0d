/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of a load, and whether it fits what a controller can do.
 */
#include <stdio.h>
#include <stdlib.h>

#include "load_options.h"
#include "options.h"

static const char usage[] =
	"usage: wrasse-host load --addr A --port P --nqn N [--nqn N...] [OPTION...]\n"
	"\n"
	"Keeps every queue of every connection full. All modes but read overwrite the namespace.\n"
	"After SIGUSR1 each command that ends is followed by a write.\n"
	"\n" OPTIONS_HELP
	"  --nqn-prefix X        instead of --nqn: X1, X2 ... as many as --count says\n"
	"  --count N             (1)\n"
	"  --queues Q            I/O queues of each connection (1)\n"
	"  --depth D             commands in flight on each queue (8)\n"
	"  --size BYTES          of each command (4096)\n"
	"  --descs N             SGL descriptors of each command, 1 to 16 (1)\n"
	"  --mode M              read, write, mix or verify (verify)\n"
	"  --inline              data of writes goes in the capsule\n"
	"  --invalidate          ask the target to invalidate the key\n"
	"  --read-credits R      RDMA READs that the target may have outstanding (16)\n"
	"  --seconds S           how long (10)\n"
	"  --stop-on-disconnect  end with the first connection that is lost\n"
	"  --expect-disconnect   losing connections is all right; wrong data is not\n"
	"\n"
	"Status: 0 when every command succeeded, every byte was right and no connection was lost.\n";

static enum load_mode mode_of(const char *text)
{
	static const char *const names[] = {"read", "write", "mix", "verify"};

	for (int i = 0; i < 4; i++) {
		if (!strcmp(text, names[i]))
			return (enum load_mode)i;
	}
	fprintf(stderr, "wrasse-host: '%s' is no mode: read, write, mix, verify\n", text);
	exit(2);
}

static bool option_take(struct load_job *job, int opt, const char *arg)
{
	switch (opt) {
	case 'q':
		job->queues = options_number(arg, 1, 64);
		return true;
	case 'd':
		job->depth = options_number(arg, 1, HOST_MAX_SLOTS - 1);
		return true;
	case 's':
		job->size = options_number(arg, 512, 8 << 20);
		return true;
	case 'n':
		job->descs = options_number(arg, 1, LOAD_MAX_DESCS);
		return true;
	case 'm':
		job->mode = mode_of(arg);
		return true;
	case 'r':
		job->read_credits = options_number(arg, 0, 255);
		return true;
	case 't':
		job->seconds = options_number(arg, 1, 86400);
		return true;
	default:
		return options_take(&job->to, opt, arg);
	}
}

static void nqns_from_prefix(struct load_job *job, const char *prefix, uint32_t count)
{
	job->names = calloc(count, NQN_FIELD_LEN);
	if (!job->names)
		exit(2);
	for (uint32_t i = 0; i < count; i++) {
		char *name = job->names + (size_t)i * NQN_FIELD_LEN;

		snprintf(name, NQN_FIELD_LEN, "%s%u", prefix, i + 1);
		job->nqns[job->nqn_count++] = name;
	}
}

/* 0: go on; -1: help was asked for; else the exit status. */
int load_options(struct load_job *job, int argc, char **argv)
{
	const struct option longs[] = {
		OPTIONS_LONG,
		{"nqn-prefix", required_argument, NULL, 'X'},
		{"count", required_argument, NULL, 'c'},
		{"queues", required_argument, NULL, 'q'},
		{"depth", required_argument, NULL, 'd'},
		{"size", required_argument, NULL, 's'},
		{"descs", required_argument, NULL, 'n'},
		{"mode", required_argument, NULL, 'm'},
		{"read-credits", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 't'},
		{"inline", no_argument, &job->inline_data, 1},
		{"invalidate", no_argument, &job->invalidate, 1},
		{"stop-on-disconnect", no_argument, &job->stop_on_disconnect, 1},
		{"expect-disconnect", no_argument, &job->expect_disconnect, 1},
		{0},
	};
	const char *prefix = NULL;
	uint32_t count = 1;
	int opt;

	options_init(&job->to);
	job->queues = 1;
	job->depth = 8;
	job->size = 4096;
	job->descs = 1;
	job->read_credits = 16;
	job->seconds = 10;
	job->mode = LOAD_VERIFY;
	while ((opt = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (opt == 'N' && job->nqn_count < LOAD_MAX_CONNS)
			job->nqns[job->nqn_count++] = optarg;
		else if (opt == 'X')
			prefix = optarg;
		else if (opt == 'c')
			count = options_number(optarg, 1, LOAD_MAX_CONNS);
		else if (opt && !option_take(job, opt, optarg))
			return options_usage(usage, opt == 'h') ? 2 : -1;
	}
	if (prefix)
		nqns_from_prefix(job, prefix, count);
	if (!job->to.addr || !job->nqn_count || optind != argc)
		return options_usage(usage, false);
	return 0;
}

static int misfit(char *why, size_t why_len, const char *text)
{
	snprintf(why, why_len, "%s", text);
	return -1;
}

/* Places the connection in its namespace. Not 0, and why, when the job does not fit. */
int load_check(struct load *l, uint32_t index, char *why, size_t why_len)
{
	const struct load_job *job = &l->job;
	struct load_conn *conn = &l->conns[index];
	const struct host_ctrl *c = &conn->ctrl;
	uint64_t lbas;

	if (!c->nsid || !c->lba_size)
		return misfit(why, why_len, "it has no namespace");
	if (job->size % c->lba_size)
		return misfit(why, why_len, "--size is not a multiple of its block size");
	if (job->size > c->max_transfer)
		return misfit(why, why_len, "--size is more than its MDTS");
	if (job->inline_data && job->size > c->icd_max)
		return misfit(why, why_len, "--size is more than its capsules hold");
	if (job->depth > (c->cap & 0xffff))
		return misfit(why, why_len, "--depth is more than its queues hold");
	lbas = load_lbas(l, c->lba_size);
	for (uint32_t i = 0; i < index; i++) {
		if (!strcmp(job->nqns[i], job->nqns[index]))
			conn->first_lba += lbas;
	}
	if (conn->first_lba + lbas > c->lba_count)
		return misfit(why, why_len, "its namespace is too small for that many queues");
	return 0;
}
