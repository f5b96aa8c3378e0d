/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server: the library's target with everything that the options ask for.
 */
#ifndef TARGET_SERVER_H
#define TARGET_SERVER_H

#include <wrasse/wrasse.h>

#include "backend.h"
#include "options.h"
#include "reservation_file.h"
#include "worker.h"

struct server {
	const struct options *options;
	struct wrasse_target *target;
	enum wrasse_log_level log_level;
	struct worker **workers;
	unsigned worker_count;
	struct backend **backends;
	struct reservation_file *
		*reservations; /* of the same namespaces; NULL where there is none */
	unsigned backend_count;
	struct wrasse_subsystem **subsystems; /* in the order of the options */
	struct wrasse_listener **listeners;
};

/*
 * Makes everything; hosts can connect when it returns 0. Errors are logged.
 *
 * Return: 0 or a negative errno value: then there is nothing to be undone.
 */
int server_init(struct server *server, const struct options *options);

/*
 * Ends everything, after a drain or without one.
 *
 * Return: 0; -EBUSY if a backend still holds I/O: then memory is left as it is, and the process
 * should exit.
 */
int server_fini(struct server *server);

/* Prints what is served and where. */
void server_print(const struct server *server, FILE *out);

#endif
