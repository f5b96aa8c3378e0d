/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pause and resume as the embedder sees them: who waits for a pause, its deadline, its report. Poll
 * groups do their part in transport/pause.c. Any thread calls; the thread that polls the target
 * reports.
 */
#include <errno.h>
#include <stdlib.h>

#include "target.h"
#include "transport/pause.h"

static struct wrasse_target *target_of(const struct wrasse_subsystem *subsystem)
{
	return subsystem->owner;
}

/* ---- pause and resume ---- */

static void set_times(struct rdmat_pause *wait, uint64_t now)
{
	uint64_t span = wait->opts.deadline_ms * RDMAT_NS_PER_MS;

	wait->start_ns = now;
	wait->end_ns = span ? now + span : UINT64_MAX;
	wait->ask_ns = span ? wait->end_ns - span / 10 : UINT64_MAX;
}

/* @ns: NULL: the whole subsystem. */
static int pause_begin(struct wrasse_subsystem *subsystem, struct wrasse_namespace *ns,
		       const struct wrasse_pause_opts *given)
{
	struct wrasse_target *target = target_of(subsystem);
	struct rdmat_pause *wait = calloc(1, sizeof(*wait));
	struct nvme_pause *pause = ns ? &ns->pause : &subsystem->pause;
	int rc = -ENOMEM;

	if (wait)
		rc = options_copy(&wait->opts, sizeof(wait->opts), given, given->size);
	if (!rc && !wait->opts.done)
		rc = -EINVAL;
	rdmat_lock(&target->rdmat);
	if (!rc && (ns ? ns->removing : subsystem->removing))
		rc = -ESHUTDOWN;
	if (!rc && pause->wait)
		rc = -EALREADY;
	if (!rc) {
		wait->pause = pause;
		wait->subsystem = subsystem;
		wait->ns = ns;
		set_times(wait, rdmat_now(&target->rdmat));
		wait->next = target->pauses;
		target->pauses = wait;
		pause->on = true;
		pause->wait = wait;
		rdmat_attention(&target->rdmat);
	}
	rdmat_unlock(&target->rdmat);
	if (rc)
		free(wait);
	return rc;
}

/* The lock is held. Nobody finds the wait any more, so that what it was for may be freed. */
static void detach(struct rdmat_pause *wait)
{
	wait->pause->wait = NULL;
	wait->pause = NULL;
}

static int pause_end(struct wrasse_subsystem *subsystem, struct nvme_pause *pause)
{
	struct rdmat *rdmat = &target_of(subsystem)->rdmat;
	int rc = -EALREADY;

	rdmat_lock(rdmat);
	if (pause->on) {
		rc = 0;
		pause->on = false;
		if (pause->wait)
			detach(pause->wait);
		rdmat_attention(rdmat);
	}
	rdmat_unlock(rdmat);
	return rc;
}

int wrasse_namespace_pause(struct wrasse_namespace *ns, const struct wrasse_pause_opts *opts)
{
	return pause_begin(ns->subsystem, ns, opts);
}

int wrasse_namespace_resume(struct wrasse_namespace *ns)
{
	return pause_end(ns->subsystem, &ns->pause);
}

int wrasse_subsystem_pause(struct wrasse_subsystem *subsystem, const struct wrasse_pause_opts *opts)
{
	return pause_begin(subsystem, NULL, opts);
}

int wrasse_subsystem_resume(struct wrasse_subsystem *subsystem)
{
	return pause_end(subsystem, &subsystem->pause);
}

/* ---- the wait; the lock is held ---- */

/* A port that its group has not attached yet will be paused from the start. */
static bool port_is_quiet(const struct nvme_ns_port *port)
{
	return atomic_load_explicit(&port->state, memory_order_acquire) == NVME_NS_PORT_NONE ||
	       atomic_load_explicit(&port->quiet, memory_order_acquire);
}

static bool group_is_quiet(const struct rdmat_pause *wait, unsigned group)
{
	if (wait->ns)
		return port_is_quiet(&wait->ns->port[group]);
	for (struct wrasse_namespace *ns = wait->subsystem->namespaces; ns; ns = ns->next)
		if (!port_is_quiet(&ns->port[group]))
			return false;
	return true;
}

static bool is_removed(const struct rdmat_pause *wait)
{
	return wait->ns ? wait->ns->removing : wait->subsystem->removing;
}

static bool all_are_quiet(const struct rdmat *rdmat, const struct rdmat_pause *wait)
{
	for (uint32_t i = 0; i < rdmat->opts.max_poll_groups; i++)
		if (!group_is_quiet(wait, i))
			return false;
	return true;
}

static bool line_is_past(const struct rdmat_pause *wait, const struct wrasse_holder *line)
{
	const struct wrasse_namespace *ns =
		wait->ns ? wait->ns : nvme_ns_find(wait->subsystem, line->nsid);

	return ns && port_is_quiet(&ns->port[line->group]);
}

/* What has ended since it was named is no blocker. */
static void report_late(struct rdmat *rdmat, struct rdmat_pause *wait,
			struct wrasse_pause_report *report)
{
	uint32_t count = 0;

	report->outcome = WRASSE_PAUSE_LATE;
	for (uint32_t i = 0; i < wait->blocker_count; i++)
		if (!line_is_past(wait, &wait->blockers[i]))
			wait->blockers[count++] = wait->blockers[i];
	report->blocker_count = count;
	report->blockers = wait->blockers;
	report->blockers_omitted = wait->blockers_omitted;
	for (uint32_t i = 0; i < rdmat->opts.max_poll_groups; i++)
		report->groups_silent += !group_is_quiet(wait, i) && !rdmat_pause_has_told(wait, i);
	if (wait->opts.give_up) {
		wait->pause->on = false;
		rdmat_attention(rdmat);
	}
}

/* Return: whether the wait is over: then nobody finds it any more, and the report is complete. */
static bool wait_is_over(struct rdmat *rdmat, struct rdmat_pause *wait,
			 struct wrasse_pause_report *report)
{
	uint64_t now = rdmat_now(rdmat);

	*report = (struct wrasse_pause_report){.size = sizeof(*report),
					       .duration_ns = now - wait->start_ns};
	if (!wait->pause || is_removed(wait)) {
		report->outcome = WRASSE_PAUSE_ENDED;
	} else if (all_are_quiet(rdmat, wait)) {
		report->outcome = WRASSE_PAUSE_COMPLETE;
	} else if (now >= wait->end_ns) {
		report_late(rdmat, wait, report);
	} else {
		if (now >= wait->ask_ns && !wait->asked) {
			wait->asked = true;
			rdmat_attention(rdmat);
		}
		return false;
	}
	if (wait->pause) {
		report->paused = wait->pause->on && !is_removed(wait);
		detach(wait);
	}
	return true;
}

/* Takes one wait that is over off the list; NULL if there is none. */
static struct rdmat_pause *take_one(struct wrasse_target *target,
				    struct wrasse_pause_report *report)
{
	struct rdmat_pause **link = &target->pauses, *wait;

	while ((wait = *link)) {
		if (wait_is_over(&target->rdmat, wait, report)) {
			*link = wait->next;
			return wait;
		}
		link = &wait->next;
	}
	return NULL;
}

int target_pauses_poll(struct wrasse_target *target)
{
	struct wrasse_pause_report report;
	struct rdmat_pause *wait;
	int count = 0;

	for (;; count++) {
		rdmat_lock(&target->rdmat);
		wait = take_one(target, &report);
		rdmat_unlock(&target->rdmat);
		if (!wait)
			return count;
		wait->opts.done(wait->opts.ctx, &report);
		free(wait);
	}
}

int target_pauses_timeout_ms(struct wrasse_target *target)
{
	uint64_t due = UINT64_MAX;

	rdmat_lock(&target->rdmat);
	for (const struct rdmat_pause *wait = target->pauses; wait; wait = wait->next) {
		uint64_t next = wait->asked ? wait->end_ns : wait->ask_ns;

		due = next < due ? next : due;
	}
	rdmat_unlock(&target->rdmat);
	return rdmat_timeout_ms(&target->rdmat, due);
}

void target_pauses_free(struct wrasse_target *target)
{
	struct rdmat_pause *wait;

	while ((wait = target->pauses)) {
		target->pauses = wait->next;
		free(wait);
	}
}
