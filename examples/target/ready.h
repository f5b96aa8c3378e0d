/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readiness: how whoever started the program learns that hosts can connect.
 */
#ifndef TARGET_READY_H
#define TARGET_READY_H

#include "options.h"

/*
 * Checks the descriptor and removes an old file, so that nobody takes it for this run's. Errors
 * are logged.
 *
 * Return: 0 or a negative errno value.
 */
int ready_begin(const struct options *options);

/*
 * Writes "ready\n" to the descriptor and the file that the options name. Errors are logged.
 *
 * Return: 0 or a negative errno value.
 */
int ready_tell(const struct options *options);

#endif
