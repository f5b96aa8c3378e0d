/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drain: the graceful stop with a deadline, and its report. Each poll group does its own part
 * (transport/group.c); here is the clock and the books. The thread that polls the target.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "target.h"
#include "transport/group.h"
#include "transport/listener.h"

#define GRACE_NS  (1 * RDMAT_NS_PER_S)
#define MAX_LINES 16 /* pools of a group */

/* The lock is held. */
static void groups_set_drain(struct rdmat *rdmat, enum rdmat_drain how)
{
	for (uint32_t i = 0; i < rdmat->opts.max_poll_groups; i++)
		if (rdmat->groups[i])
			atomic_store(&rdmat->groups[i]->drain, how);
	rdmat_attention(rdmat);
}

int wrasse_target_drain(struct wrasse_target *target, uint32_t deadline_ms,
			void (*done)(void *ctx, const struct wrasse_drain_report *report),
			void *ctx)
{
	struct rdmat *rdmat = &target->rdmat;
	struct drain *drain = &target->drain;
	uint64_t span = deadline_ms * RDMAT_NS_PER_MS;
	int rc = 0;

	rdmat_lock(rdmat);
	if (drain->started) {
		rc = -EALREADY;
	} else {
		drain->started = true;
		drain->done = done;
		drain->ctx = ctx;
		drain->start_ns = rdmat_now(rdmat);
		drain->force_ns = drain->start_ns + span / 4 * 3;
		if (!span)
			span = rdmat->opts.flush_timeout_ms * RDMAT_NS_PER_MS + GRACE_NS;
		drain->end_ns = drain->start_ns + span;
		drain->ask_ns = drain->end_ns - span / 10;
		/* The groups learn of the drain before their listeners are missed. */
		groups_set_drain(rdmat, RDMAT_DRAIN_GRACEFUL);
		for (struct wrasse_listener *listener = rdmat->listeners; listener;
		     listener = listener->next)
			rdmat_listener_stop(listener);
	}
	rdmat_unlock(rdmat);
	return rc;
}

/* The lock is held. Whether every group has said that it is through; with @ledgers, that or its
 * ledger. */
static bool groups_answered(const struct rdmat *rdmat, bool ledgers)
{
	for (uint32_t i = 0; i < rdmat->opts.max_poll_groups; i++) {
		struct wrasse_poll_group *group = rdmat->groups[i];

		if (group && !atomic_load(&group->drained) &&
		    !(ledgers && atomic_load(&group->ledger_ready)))
			return false;
	}
	return true;
}

/* ---- the report ---- */

struct books {
	struct wrasse_drain_report report;
	bool full; /* every pool so far */
	struct wrasse_pool_line *pools;
	struct wrasse_holder *holders;
	struct rdmat_names
		*names; /* of the holders, whose groups may be gone before the report is */
};

static bool pools_are_full(const struct wrasse_poll_group *group)
{
	struct wrasse_pool_line lines[MAX_LINES];
	unsigned count = wrasse_poll_group_get_pools(group, lines, MAX_LINES);

	for (unsigned i = 0; i < count; i++)
		if (lines[i].free != lines[i].capacity)
			return false;
	return true;
}

static void holder_add(struct books *books, const struct rdmat_holder *from)
{
	struct wrasse_drain_report *report = &books->report;
	struct wrasse_holder *holder;
	struct rdmat_names *names;

	if (!books->holders || report->holder_count == RDMAT_MAX_HOLDERS) {
		report->holders_omitted++;
		return;
	}
	holder = &books->holders[report->holder_count];
	names = &books->names[report->holder_count++];
	*holder = from->line;
	*names = from->names;
	holder->hostnqn = names->hostnqn;
	holder->subnqn = names->subnqn;
}

/* The lock is held. */
static void group_report(struct wrasse_poll_group *group, struct books *books)
{
	struct wrasse_drain_report *report = &books->report;
	struct wrasse_poll_group_stats stats;

	wrasse_poll_group_get_stats(group, &stats, sizeof(stats));
	report->queue_pairs_left += (unsigned)stats.queue_pairs;
	books->full &= pools_are_full(group);
	if (books->pools)
		report->pool_count += wrasse_poll_group_get_pools(
			group, &books->pools[report->pool_count], MAX_LINES);
	if (!atomic_load(&group->drained) && !atomic_load(&group->ledger_ready)) {
		report->groups_silent++;
		return;
	}
	for (uint32_t i = 0; i < group->holder_count; i++)
		holder_add(books, &group->holders[i]);
	report->holders_omitted += group->holders_omitted;
}

/* The lock is held. Without memory for the lines the report still says whether all is well. */
static void report_fill(struct wrasse_target *target, struct books *books)
{
	struct rdmat *rdmat = &target->rdmat;
	struct wrasse_drain_report *report = &books->report;

	memset(books, 0, sizeof(*books));
	books->full = true;
	books->pools = calloc(rdmat->opts.max_poll_groups, MAX_LINES * sizeof(*books->pools));
	books->names = calloc(RDMAT_MAX_HOLDERS, sizeof(*books->names));
	if (books->names)
		books->holders = calloc(RDMAT_MAX_HOLDERS, sizeof(*books->holders));
	report->size = sizeof(*report);
	report->forced = target->drain.forced;
	report->duration_ns = rdmat_now(rdmat) - target->drain.start_ns;
	for (uint32_t i = 0; i < rdmat->opts.max_poll_groups; i++)
		if (rdmat->groups[i])
			group_report(rdmat->groups[i], books);
	report->pools = books->pools;
	report->holders = books->holders;
	report->clean = books->full && !report->queue_pairs_left && !report->groups_silent &&
			!report->holder_count && !report->holders_omitted;
}

static void ask_ledgers(struct rdmat *rdmat)
{
	for (uint32_t i = 0; i < rdmat->opts.max_poll_groups; i++)
		if (rdmat->groups[i])
			atomic_store(&rdmat->groups[i]->want_ledger, true);
	rdmat_attention(rdmat);
}

int target_drain_poll(struct wrasse_target *target)
{
	struct rdmat *rdmat = &target->rdmat;
	struct drain *drain = &target->drain;
	struct books books;
	uint64_t now = rdmat_now(rdmat);

	rdmat_lock(rdmat);
	if (!drain->started || drain->finished) {
		rdmat_unlock(rdmat);
		return 0;
	}
	if (!groups_answered(rdmat, drain->asked) && now < drain->end_ns) {
		if (now >= drain->force_ns && !drain->forced) {
			drain->forced = true;
			groups_set_drain(rdmat, RDMAT_DRAIN_FORCED);
		}
		if (now >= drain->ask_ns && !drain->asked) {
			drain->asked = true;
			ask_ledgers(rdmat);
		}
		rdmat_unlock(rdmat);
		return 0;
	}
	drain->finished = true;
	report_fill(target, &books);
	rdmat_unlock(rdmat);
	drain->done(drain->ctx, &books.report);
	free(books.pools);
	free(books.holders);
	free(books.names);
	return 1;
}

int target_drain_timeout_ms(struct wrasse_target *target)
{
	struct rdmat *rdmat = &target->rdmat;
	struct drain *drain = &target->drain;
	uint64_t next = UINT64_MAX;

	rdmat_lock(rdmat);
	if (drain->started && !drain->finished)
		next = !drain->forced ? drain->force_ns :
		       !drain->asked  ? drain->ask_ns :
					drain->end_ns;
	rdmat_unlock(rdmat);
	return rdmat_timeout_ms(rdmat, next);
}
