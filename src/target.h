/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The composition root's own: the public target object, which joins the NVMe side and the
 * transport.
 */
#ifndef WRASSE_SRC_TARGET_H
#define WRASSE_SRC_TARGET_H

#include "transport/rdmat.h"

/* A drain that goes on. */
struct drain {
	bool started;
	bool finished;
	bool forced;
	bool asked; /* groups were asked for their ledgers */
	uint64_t start_ns;
	uint64_t force_ns; /* force from here on */
	uint64_t ask_ns;   /* ask for the ledgers from here on */
	uint64_t end_ns;   /* report with what there is */
	void (*done)(void *ctx, const struct wrasse_drain_report *report);
	void *ctx;
};

struct wrasse_target {
	struct rdmat rdmat;
	struct drain drain;         /* guarded by rdmat.lock */
	struct rdmat_pause *pauses; /* that somebody waits for; guarded by rdmat.lock */
	bool polling;
};

static inline struct rdmat *subsystem_rdmat(const struct wrasse_subsystem *subsystem)
{
	return &((struct wrasse_target *)subsystem->owner)->rdmat;
}

/* Brings an option struct to the library's size. Return: 0, -EINVAL for a size that cannot be,
 * -E2BIG. */
int options_copy(void *to, size_t to_size, const void *from, size_t from_size);

/* The thread that polls the target. Makes a drain go on. Return: how much was done. */
int target_drain_poll(struct wrasse_target *target);

/* How long the drain may sleep, in ms; -1 without end. */
int target_drain_timeout_ms(struct wrasse_target *target);

/* The thread that polls the target. Reports pauses that are waited for no more. Return: how many. */
int target_pauses_poll(struct wrasse_target *target);

/* How long pauses may sleep, in ms; -1 without end. */
int target_pauses_timeout_ms(struct wrasse_target *target);

/* The target is freed; nobody is told. */
void target_pauses_free(struct wrasse_target *target);

/* Frees subsystems and namespaces that every group has let go of, and says so. Return: how many. */
int target_removals_poll(struct wrasse_target *target);

#endif
