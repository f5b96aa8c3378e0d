/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: the options that all subcommands share, and the subcommands. */
#ifndef HOST_OPTIONS_H
#define HOST_OPTIONS_H

#include <getopt.h>

#include "host.h"

/* clang-format off */
#define OPTIONS_LONG \
	{ "addr", required_argument, NULL, 'A' }, \
	{ "port", required_argument, NULL, 'P' }, \
	{ "nqn", required_argument, NULL, 'N' }, \
	{ "hostnqn", required_argument, NULL, 'H' }, \
	{ "source", required_argument, NULL, 'S' }, \
	{ "timeout", required_argument, NULL, 'T' }, \
	{ "help", no_argument, NULL, 'h' }
/* clang-format on */

#define OPTIONS_HELP                                                      \
	"  --addr A, --port P    where the target listens (port: 4420)\n" \
	"  --nqn N               the subsystem\n"                         \
	"  --hostnqn H           the host NQN to use\n"                   \
	"  --source A            the address to come from\n"              \
	"  --timeout S           how long to wait for an answer (10)\n"

void options_init(struct host_target *to);
bool options_take(struct host_target *to, int opt, const char *arg);
uint32_t options_number(const char *text, uint32_t min, uint32_t max);
int options_usage(const char *text, bool asked);

/* The subcommands, each in a file of its own. They return the exit status. */
int probe_main(int argc, char **argv);
int load_main(int argc, char **argv);
int hold_main(int argc, char **argv);

#endif
