/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pause and resume: a backend is left alone for a while (a snapshot, a failover, an upgrade), and no
 * host sees an error.
 *
 * While a namespace or a subsystem is paused, new I/O of it waits, in order, holding neither data
 * buffers nor WRs: only its request, and the receive slot if its data came in the capsule. I/O that
 * the backend has goes on. Admin and Fabrics commands are served as ever: Keep Alive, Identify, log
 * pages, events. A host whose I/O waits is not ended by its keep-alive timer. Hosts have timeouts of
 * their own (Linux: 30 s for I/O by default), after which they abort or reset.
 *
 * A Connect to a paused subsystem waits for a resume up to 5 s, and is then answered with Controller
 * Busy, without Do Not Retry. The pause of one namespace does not hold up a Connect.
 *
 * Waiting I/O ends with its connection. A drain does not wait for it. A paused namespace may be
 * removed: then its waiting I/O is answered with Invalid Namespace. Pauses of a namespace and of its
 * subsystem are independent of each other; I/O goes on when neither is in force.
 */
#ifndef WRASSE_PAUSE_H
#define WRASSE_PAUSE_H

#include <wrasse/base.h>
#include <wrasse/report.h>

WRASSE_BEGIN_DECLS

/* How the wait for a pause ended. */
enum wrasse_pause_outcome {
	WRASSE_PAUSE_COMPLETE, /* the backend has no I/O, and gets none until a resume */
	WRASSE_PAUSE_LATE,     /* the deadline passed: the blockers are still with the backend */
	WRASSE_PAUSE_ENDED,    /* it was resumed or removed before */
};

struct wrasse_pause_report {
	size_t size; /* sizeof(struct wrasse_pause_report) */
	enum wrasse_pause_outcome outcome;
	bool paused;          /* whether the pause is in force */
	uint64_t duration_ns; /* from the call to the report */
	unsigned
		groups_silent; /* LATE: poll groups that were not polled, so that nothing is known of
				   their I/O */
	unsigned blocker_count;
	const struct wrasse_holder *blockers; /* LATE: I/O that the backend has, or lends memory
						 to; 64 are listed */
	unsigned blockers_omitted;            /* how many more there are */
};

struct wrasse_pause_opts {
	size_t size;          /* sizeof(struct wrasse_pause_opts) */
	uint32_t deadline_ms; /* the latest time for the report, from now; 0: no limit */
	bool give_up; /* at the deadline resume; else the pause stays in force, and whoever wants to
			 know when it is complete pauses once more */

	/*
	 * Called exactly once, unless the target is destroyed before; required. The report is valid
	 * during the call.
	 */
	void (*done)(void *ctx, const struct wrasse_pause_report *report);
	void *ctx;
};

static inline void wrasse_pause_opts_init(struct wrasse_pause_opts *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->size = sizeof(*opts);
}

/*
 * Pauses a namespace, on all poll groups.
 *
 * @ns: the namespace; not NULL.
 * @opts: deadline and whom to tell; copied.
 *
 * Context: any thread, also a callback. It allocates. Callbacks: done, from wrasse_target_poll(),
 * after this function has returned. Return: 0, also for one that is paused already: then done tells
 * of what the backend has now; -EALREADY while an earlier pause of it is waited for; -EINVAL without
 * done; -E2BIG for an unknown tail of opts; -ENOMEM; -ESHUTDOWN if it is being removed.
 */
WRASSE_API int wrasse_namespace_pause(struct wrasse_namespace *ns,
				      const struct wrasse_pause_opts *opts);

/*
 * Lets a namespace's I/O go on, in the order in which it came on each queue.
 *
 * Context: any thread, also a callback. Return: 0; -EALREADY if it is not paused by
 * wrasse_namespace_pause().
 */
WRASSE_API int wrasse_namespace_resume(struct wrasse_namespace *ns);

/* The same for every namespace that a subsystem has or gets; and for hosts that connect. */
WRASSE_API int wrasse_subsystem_pause(struct wrasse_subsystem *subsystem,
				      const struct wrasse_pause_opts *opts);
WRASSE_API int wrasse_subsystem_resume(struct wrasse_subsystem *subsystem);

WRASSE_END_DECLS

#endif
