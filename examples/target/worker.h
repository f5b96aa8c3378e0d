/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: one thread, the poll group that it owns, and the descriptors that wake it.
 */
#ifndef TARGET_WORKER_H
#define TARGET_WORKER_H

#include <wrasse/poll_group.h>

#include "options.h"

struct worker;

/*
 * Starts a thread and makes its poll group, whose ctx is the worker. Errors are logged.
 *
 * @cpu: the CPU to pin the thread to, or OPTION_UNSET.
 *
 * Return: 0 when the group exists, or a negative errno value.
 */
int worker_create(struct wrasse_target *target, const struct wrasse_poll_group_opts *opts,
		  enum poll_mode mode, uint32_t cpu, unsigned index, struct worker **worker);

/*
 * Ends the thread; it destroys the group before.
 *
 * Return: 0; -EBUSY if the group still holds I/O after a second: then the worker is left as it is,
 * its thread polls on.
 */
int worker_destroy(struct worker *worker);

/* The worker's poll group, for calls that any thread may make. */
struct wrasse_poll_group *worker_group(const struct worker *worker);

/* Lets the worker print its books and ledger to standard output, soon. Any thread. */
void worker_print_books(struct worker *worker);

/*
 * Adds or removes a descriptor that wakes the worker when it is readable. Only on the worker's
 * thread.
 *
 * Return: 0 or a negative errno value.
 */
int worker_watch(struct worker *worker, int fd);
void worker_unwatch(struct worker *worker, int fd);

#endif
