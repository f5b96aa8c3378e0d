/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operator pauses and resumes namespaces and subsystems, with and without deadlines. Each report is
 * held against what the backends know: a complete pause has nothing in flight, a late one names at least
 * what is, and from a complete pause to the resume no I/O comes (backend.c asks pause_is_complete()).
 */
#include "control.h"

#include <errno.h>
#include <string.h>

#include "sim.h"

struct pause {
	bool on;       /* in force, as far as the operator knows */
	bool awaited;  /* done() has not been called for the last call */
	bool complete; /* nothing may reach the backend */
	bool give_up;
	uint64_t deadline_ns;
	unsigned subsystem;
	struct media *media; /* NULL: the whole subsystem */
};

static struct pause of_media[SIM_MAX_MEDIA], of_subsystem[SIM_MAX_SUBSYSTEMS];
/* Reports that a resume or a removal has made due. */
static unsigned due_ends;

void pause_start(void)
{
	memset(of_media, 0, sizeof(of_media));
	memset(of_subsystem, 0, sizeof(of_subsystem));
	due_ends = 0;
}

bool pause_is_complete(const struct media *m)
{
	return of_media[m - media].complete || of_subsystem[m->subsystem].complete;
}

static uint32_t in_flight(const struct pause *pause)
{
	uint32_t count = 0;

	if (pause->media)
		return pause->media->in_flight;
	for (unsigned i = 0; i < media_count; i++)
		if (media[i].subsystem == pause->subsystem)
			count += media[i].in_flight;
	return count;
}

static uint32_t lent(const struct pause *pause)
{
	uint32_t count = 0;

	if (pause->media)
		return lend_count(pause->media);
	for (unsigned i = 0; i < media_count; i++)
		if (media[i].subsystem == pause->subsystem)
			count += lend_count(&media[i]);
	return count;
}

/* ---- reports ---- */

static void check_late(struct pause *pause, const struct wrasse_pause_report *report)
{
	uint32_t named = report->blocker_count + report->blockers_omitted;

	if (fabric_now_ns() < pause->deadline_ns)
		sim_fail("a pause is late before its deadline");
	if (!named && !report->groups_silent)
		sim_fail("a pause is late and nobody is to blame");
	if (!report->groups_silent && named < in_flight(pause))
		sim_fail("a late pause names %u I/Os, and the backend has %u", named,
			 in_flight(pause));
	for (unsigned i = 0; i < report->blocker_count; i++)
		if ((!report->blockers[i].backend && !report->blockers[i].lent) ||
		    report->blockers[i].admin)
			sim_fail("a late pause names what the backend does not have");
	if (report->paused == pause->give_up)
		sim_fail("a late pause is %s", report->paused ? "in force" : "given up");
	pause->on = report->paused;
}

static void on_report(void *ctx, const struct wrasse_pause_report *report)
{
	struct pause *pause = ctx;

	if (in_library != SIM_MAX_GROUPS)
		sim_fail("a pause's done() was called outside wrasse_target_poll()");
	trace_mix("pause reported", (uint64_t)report->outcome, report->blocker_count);
	/* The end of an earlier call may be told after the next call. */
	if (report->outcome == WRASSE_PAUSE_ENDED) {
		if (!due_ends)
			sim_fail("a pause ended that nobody has ended");
		due_ends--;
		return;
	}
	if (!pause->awaited)
		sim_fail("a pause was reported that nobody waits for");
	pause->awaited = false;
	if (report->outcome == WRASSE_PAUSE_LATE) {
		check_late(pause, report);
		return;
	}
	if (!report->paused || in_flight(pause) || lent(pause))
		sim_fail("a pause is complete, and the backend has %u I/Os of it and %u loans",
			 in_flight(pause), lent(pause));
	pause->complete = true;
}

/* ---- calls ---- */

static void end_wait(struct pause *pause)
{
	due_ends += pause->awaited;
	pause->awaited = false;
	pause->on = false;
	pause->complete = false;
}

void pause_removed(unsigned subsystem, struct media *m)
{
	if (m)
		end_wait(&of_media[m - media]);
	else
		end_wait(&of_subsystem[subsystem]);
}

static void begin(struct pause *pause)
{
	struct wrasse_pause_opts opts;
	static const uint32_t deadlines[] = {0, 5, 100, 3000};
	int rc;

	wrasse_pause_opts_init(&opts);
	opts.deadline_ms = deadlines[rng_below(4)];
	opts.give_up = rng_flip();
	opts.done = on_report;
	opts.ctx = pause;
	act_as(SIM_MAX_GROUPS);
	rc = pause->media ?
		     wrasse_namespace_pause(pause->media->ns, &opts) :
		     wrasse_subsystem_pause(target.subsystem[pause->subsystem].subsystem, &opts);
	act_as_host();
	trace_mix("paused", pause->subsystem, (uint64_t)-rc);
	if (rc == -ENOMEM)
		return;
	if (rc != (pause->awaited ? -EALREADY : 0))
		sim_fail("a pause: %s", strerror(-rc));
	if (rc)
		return;
	pause->on = true;
	pause->awaited = true;
	pause->give_up = opts.give_up;
	pause->deadline_ns =
		opts.deadline_ms ? fabric_now_ns() + opts.deadline_ms * SIM_MS : UINT64_MAX;
}

static void end(struct pause *pause)
{
	int rc;

	act_as(SIM_MAX_GROUPS);
	rc = pause->media ? wrasse_namespace_resume(pause->media->ns) :
			    wrasse_subsystem_resume(target.subsystem[pause->subsystem].subsystem);
	act_as_host();
	trace_mix("resumed", pause->subsystem, (uint64_t)-rc);
	if (rc != (pause->on ? 0 : -EALREADY))
		sim_fail("a resume: %s", strerror(-rc));
	end_wait(pause);
}

static struct pause *some(unsigned subsystem)
{
	struct pause *pause = &of_subsystem[subsystem];
	unsigned which = media_count ? rng_below(media_count) : 0;

	pause->subsystem = subsystem;
	if (rng_one_in(3) || !media_count || media[which].removing ||
	    media[which].subsystem != subsystem)
		return pause;
	pause = &of_media[which];
	pause->subsystem = subsystem;
	pause->media = &media[which];
	return pause;
}

void pause_step(unsigned subsystem)
{
	struct pause *pause = some(subsystem);

	if (pause->on && !rng_one_in(4))
		end(pause);
	else
		begin(pause);
}

void pause_mend(void)
{
	for (unsigned i = 0; i < media_count; i++)
		if (of_media[i].on)
			end(&of_media[i]);
	for (unsigned i = 0; i < plan.subsystems; i++)
		if (of_subsystem[i].on)
			end(&of_subsystem[i]);
}

void pause_check_end(void)
{
	if (due_ends)
		sim_fail("%u pauses that ended were not reported", due_ends);
	for (unsigned i = 0; i < SIM_MAX_MEDIA; i++)
		if (of_media[i].awaited)
			sim_fail("a pause of namespace %u was never reported", media[i].nsid);
	for (unsigned i = 0; i < SIM_MAX_SUBSYSTEMS; i++)
		if (of_subsystem[i].awaited)
			sim_fail("a pause of subsystem %u was never reported", i);
}
