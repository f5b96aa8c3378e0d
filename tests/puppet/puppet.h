/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A target on strings: it does what lines on its standard input say, so that a shell script can
 * change a target while Linux's host uses it. One thread. The last line, or SIGTERM, drains it.
 */
#ifndef PUPPET_H
#define PUPPET_H

#include <stdbool.h>
#include <stdio.h>

#include <wrasse/wrasse.h>

#define MAX_LISTENERS 8
#define MAX_DISKS     64
#define MAX_WORDS     8
#define MAX_STUCK     256

/* A namespace in memory. */
struct disk {
	struct wrasse_namespace *ns; /* NULL: free */
	struct wrasse_subsystem *subsystem;
	uint8_t *bytes;
	unsigned long writes, reads;
	bool sticks; /* what is submitted stays here */
	struct wrasse_io *stuck[MAX_STUCK];
	unsigned stuck_count;
};

struct puppet {
	struct wrasse_target *target;
	struct wrasse_poll_group *group;
	struct wrasse_subsystem *subsystem;               /* the last one that was made */
	struct wrasse_listener *listeners[MAX_LISTENERS]; /* by number - 1 */
	struct disk disks[MAX_DISKS];                     /* by nsid - 1 */
	uint32_t io_timeout_ms;                           /* of those that are added */
	bool drained, balanced;
};

extern struct puppet puppet;

/* disk.c. @mib: its size; it may grow up to 64 MiB. Return: 0 or a negative errno value. */
int disk_add(uint32_t nsid, uint32_t mib, uint32_t ana_group, bool hidden);
int disk_remove(uint32_t nsid, void (*done)(void *ctx), void *ctx);
int disk_resize(uint32_t nsid, uint32_t mib);

/* One that a host wants, with the lowest free id. Return: the id or a negative errno value. */
int disk_create(const struct wrasse_ns_create *wanted);

/* How many bytes all disks can have, and those that are left. */
void disk_capacity(struct wrasse_ns_capacity *capacity);

/* Those of a subsystem that is about to go. */
void disk_forget(const struct wrasse_subsystem *subsystem);

/* It completes nothing from now on. And again, with what came meanwhile. */
int disk_stick(uint32_t nsid);
int disk_free(uint32_t nsid);

/* The disk with an id, or NULL. */
struct disk *disk_find(uint32_t nsid);

/* manage.c. Lets hosts manage namespaces, all but the one with this NQN, if it is not NULL. */
int manage_begin(const char *stranger);

/* verbs.c. Does what a line says. Return: 0 or a negative errno value; -ENOSYS: no such verb. */
int verb_run(char *line);

/* loop.c. Until the target is drained. */
void loop_run(void);

#endif
