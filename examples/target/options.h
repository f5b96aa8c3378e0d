/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the command line of wrasse-target asks for.
 */
#ifndef TARGET_OPTIONS_H
#define TARGET_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <wrasse/subsystem.h>

#include "spec.h"

#define DEFAULT_NQN "nqn.2026-11.io.wrasse:target"

/* A number that was not given, where 0 means something. */
#define OPTION_UNSET UINT32_MAX

enum poll_mode {
	POLL_ADAPTIVE, /* spin while there is work and a little longer, then sleep */
	POLL_BUSY,     /* always spin */
	POLL_EVENT,    /* sleep whenever there is no work */
};

/* One subsystem: the hosts and namespaces that came after its --subsystem. */
struct subsystem_spec {
	const char *nqn;
	const char **hosts; /* none: any host may connect */
	unsigned host_count;
	const char *serial; /* NULL: the library's default, as the next */
	const char *model;
	const char *label;   /* NULL: none */
	const char *secrets; /* the file of --dhchap-secrets, or NULL */
	uint32_t hashes;     /* as bits, in the order of the specification; 0: all */
	uint32_t groups;
	struct ns_spec *namespaces;
	unsigned namespace_count;
	struct ana_spec *anas;
	unsigned ana_count;
	enum wrasse_duplicate_policy duplicates;
};

/* Zero in a number means the library's default. Strings that are not in a spec live in argv. */
struct options {
	struct listen_spec *listens;
	unsigned listen_count;
	struct listen_spec *referrals;
	unsigned referral_count;
	struct subsystem_spec *subsystems;
	unsigned subsystem_count;

	uint32_t groups;
	uint32_t queue_depth;
	uint32_t in_capsule; /* OPTION_UNSET: the library's default; 0: none */
	uint32_t max_data;
	uint32_t small_buffers;
	uint32_t large_buffers;
	uint32_t wrs;
	uint32_t io_requests;
	uint32_t connect_timeout_ms;
	uint32_t drain_timeout_ms;
	uint32_t stats_s;  /* 0: no statistics */
	uint32_t cpu;      /* first CPU to pin to, or OPTION_UNSET */
	uint32_t ready_fd; /* or OPTION_UNSET */
	const char *ready_file;
	enum poll_mode poll;
	bool no_srq;
	bool discovery_of_all;
	unsigned verbose;
};

/* What the program shall do with its command line. */
enum options_result {
	OPTIONS_RUN,
	OPTIONS_HELP,    /* print the help and exit with 0 */
	OPTIONS_VERSION, /* print the version and exit with 0 */
	OPTIONS_BAD,     /* the error was printed; exit with 2 */
};

/*
 * Parses a command line.
 *
 * @options: where to store it; to be given to options_fini() whatever the result is.
 * @errors: where an error is printed: one line that names the option, the value and the limit.
 */
enum options_result options_init(struct options *options, int argc, char **argv, FILE *errors);
void options_fini(struct options *options);

/* Prints what --help says. */
void options_print_help(FILE *out);

#endif
