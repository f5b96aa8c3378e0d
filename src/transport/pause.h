/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A poll group's part of a pause. The control plane says what is paused, the group compares (see
 * sync.c), holds I/O back, and says when the backend has nothing of it any more.
 */
#ifndef WRASSE_TRANSPORT_PAUSE_H
#define WRASSE_TRANSPORT_PAUSE_H

#include "transport/group.h"

#define RDMAT_MAX_BLOCKERS 64
#define RDMAT_TOLD_WORDS   4 /* bits for 256 poll groups */

/*
 * Who waits until a pause is complete. Belongs to the composition root, is guarded by the lock, and
 * is found through struct nvme_pause.
 */
struct rdmat_pause {
	struct rdmat_pause *next; /* the target's list */
	struct nvme_pause *pause; /* NULL: it was resumed */
	struct wrasse_subsystem *subsystem;
	struct wrasse_namespace *ns; /* NULL: every namespace of the subsystem */
	struct wrasse_pause_opts opts;
	uint64_t start_ns;
	uint64_t ask_ns; /* ask the groups for blockers from here on; UINT64_MAX: never */
	uint64_t end_ns; /* report with what there is */
	bool asked;
	uint64_t told[RDMAT_TOLD_WORDS]; /* groups that have named their blockers */
	uint32_t blocker_count, blockers_omitted;
	struct wrasse_holder blockers[RDMAT_MAX_BLOCKERS];
	struct rdmat_names names[RDMAT_MAX_BLOCKERS];
};

/* Group thread; the lock is held. Makes a port as paused as its namespace is. Return: whether that
 * changed anything: then rdmat_pause_requests() must follow before the next I/O is submitted. */
bool rdmat_pause_match(struct wrasse_poll_group *group, struct nvme_ns_port *port);

/* Group thread. Namespaces were paused, resumed or removed: I/O that must wait does, other I/O that waited goes on. */
void rdmat_pause_requests(struct wrasse_poll_group *group);

/* Group thread. I/O of a port ended: says so if it was the last one of a paused port. */
void rdmat_pause_settle(struct wrasse_poll_group *group, struct nvme_ns_port *port);

/* Group thread; the lock is held. Names what the backend still has, to those who wait for a pause of
 * the subsystem or of its namespaces and have asked. */
void rdmat_pause_tell(struct wrasse_poll_group *group, struct wrasse_subsystem *subsystem);

static inline bool rdmat_pause_has_told(const struct rdmat_pause *wait, unsigned group)
{
	return wait->told[group / 64] >> group % 64 & 1;
}

#endif
