/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can happen next, and the clock. The simulated mode keeps the ready actions in an array, so
 * that a choice is a number, and an action that goes away is replaced by the last: the same course
 * gives the same numbers. The threaded mode has one thread that sleeps until the next action is
 * due.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"

static struct fab_action **ready;
static unsigned ready_count, ready_size;
static struct fab_link timed = {&timed, &timed}; /* by due time, earliest first */
static uint64_t virtual_ns;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf: the list by time */
static pthread_cond_t changed;
static bool thread_runs;

/* ---- the clock ---- */

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t fabric_now_ns(void)
{
	return fab_mode == FABRIC_SIMULATED ? virtual_ns : monotonic_ns();
}

static uint64_t first_due(void)
{
	return FAB_CONTAINER(timed.next, struct fab_action, link)->due_ns;
}

/* ---- the threaded mode's thread ---- */

/* Sleeps until something is due. Nothing ever is in the simulated mode. */
static void wait_due(void)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		uint64_t due = fab_list_is_empty(&timed) ? UINT64_MAX : first_due();
		struct timespec until = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};

		if (due == UINT64_MAX || fab_mode != FABRIC_THREADED)
			pthread_cond_wait(&changed, &lock);
		else if (due > monotonic_ns())
			pthread_cond_timedwait(&changed, &lock, &until);
		else
			break;
	}
	pthread_mutex_unlock(&lock);
}

static struct fab_action *take_due(void)
{
	struct fab_action *action = NULL;

	pthread_mutex_lock(&lock);
	if (!fab_list_is_empty(&timed) && first_due() <= monotonic_ns()) {
		action = FAB_CONTAINER(timed.next, struct fab_action, link);
		fab_list_del(&action->link);
		action->state = FAB_ACTION_IDLE;
	}
	pthread_mutex_unlock(&lock);
	return action;
}

static void *service(void *arg)
{
	(void)arg;
	for (;;) {
		struct fab_action *action;

		wait_due();
		pthread_mutex_lock(&fab_world);
		action = take_due();
		if (action)
			action->run(action);
		pthread_mutex_unlock(&fab_world);
	}
	return NULL;
}

/* Started when it is first needed, so that a program that only simulates has one thread. */
static void service_start(void)
{
	pthread_condattr_t attr;
	pthread_t thread;

	if (thread_runs)
		return;
	thread_runs = true;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&thread, NULL, service, NULL))
		abort();
	pthread_detach(thread);
}

/* ---- setting and clearing ---- */

void fab_action_init(struct fab_action *action, enum fabric_kind kind, const char *what,
		     void (*run)(struct fab_action *), void (*drop)(struct fab_action *))
{
	memset(action, 0, sizeof(*action));
	fab_list_init(&action->link);
	action->kind = kind;
	action->what = what;
	action->run = run;
	action->drop = drop;
}

static void ready_grow(void)
{
	unsigned size = ready_size ? 2 * ready_size : 64;
	struct fab_action **larger = fab_alloc(size * sizeof(*larger));

	if (ready)
		memcpy(larger, ready, ready_count * sizeof(*larger));
	fab_free(ready);
	ready = larger;
	ready_size = size;
}

static void ready_add(struct fab_action *action)
{
	if (ready_count == ready_size)
		ready_grow();
	action->state = FAB_ACTION_READY;
	action->index = ready_count;
	ready[ready_count++] = action;
}

static void ready_remove(struct fab_action *action)
{
	struct fab_action *last = ready[--ready_count];

	ready[action->index] = last;
	last->index = action->index;
	action->state = FAB_ACTION_IDLE;
}

static void timed_add(struct fab_action *action)
{
	struct fab_link *before = timed.prev;

	/* From the back: what is set last is mostly due last. Equal times keep their order. */
	while (before != &timed &&
	       FAB_CONTAINER(before, struct fab_action, link)->due_ns > action->due_ns)
		before = before->prev;
	action->link.prev = before;
	action->link.next = before->next;
	before->next->prev = &action->link;
	before->next = &action->link;
	action->state = FAB_ACTION_TIMED;
}

static void clear(struct fab_action *action)
{
	if (action->state == FAB_ACTION_READY)
		ready_remove(action);
	else if (action->state == FAB_ACTION_TIMED)
		fab_list_del(&action->link);
	action->state = FAB_ACTION_IDLE;
}

void fab_action_clear(struct fab_action *action)
{
	fab_lock(&lock);
	clear(action);
	fab_unlock(&lock);
}

void fab_action_set(struct fab_action *action, uint64_t delay_ns)
{
	if (action->state == FAB_ACTION_READY && !delay_ns && fab_mode == FABRIC_SIMULATED)
		return;
	fab_lock(&lock);
	clear(action);
	action->due_ns = fabric_now_ns() + delay_ns;
	if (fab_mode == FABRIC_SIMULATED && !delay_ns) {
		ready_add(action);
	} else {
		timed_add(action);
	}
	if (fab_mode == FABRIC_THREADED) {
		service_start();
		pthread_cond_signal(&changed);
	}
	fab_unlock(&lock);
}

/* ---- the test's side ---- */

unsigned fabric_ready(void)
{
	return ready_count;
}

void fabric_describe(unsigned which, struct fabric_action *action)
{
	const struct fab_action *from = ready[which];

	*action = (struct fabric_action){from->kind, from->drop != NULL, from->qpn, from->what,
					 from->device};
}

void fabric_step(unsigned which)
{
	struct fab_action *action = ready[which];

	ready_remove(action);
	action->run(action);
}

void fabric_drop(unsigned which)
{
	struct fab_action *action = ready[which];

	if (!action->drop) {
		fab_misuse("fabric_drop() of '%s', which cannot be lost", action->what);
		return;
	}
	ready_remove(action);
	action->drop(action);
}

uint64_t fabric_next_due(void)
{
	if (fab_list_is_empty(&timed))
		return UINT64_MAX;
	return first_due();
}

void fabric_advance(uint64_t ns)
{
	virtual_ns += ns;
	while (fabric_next_due() <= virtual_ns) {
		struct fab_action *action = FAB_CONTAINER(timed.next, struct fab_action, link);

		fab_list_del(&action->link);
		ready_add(action);
	}
}

void fab_sched_init(enum fabric_mode mode)
{
	if (ready_count || !fab_list_is_empty(&timed))
		fab_misuse("fabric_init() while '%s' is pending",
			   ready_count ? ready[0]->what :
					 FAB_CONTAINER(timed.next, struct fab_action, link)->what);
	pthread_mutex_lock(&lock);
	fab_mode = mode;
	pthread_mutex_unlock(&lock);
	virtual_ns = 1000000000u;
}
