/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Async events, and what all events have in common: an object goes only when those of it that the
 * program took are acknowledged.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "engine.h"

static const void *element_of(const struct ibv_async_event *event)
{
	/* All members of the union that are pointers. */
	return event->element.qp;
}

static bool is_of_port(enum ibv_event_type type)
{
	switch (type) {
	case IBV_EVENT_PORT_ACTIVE:
	case IBV_EVENT_PORT_ERR:
	case IBV_EVENT_DEVICE_FATAL:
	case IBV_EVENT_LID_CHANGE:
	case IBV_EVENT_PKEY_CHANGE:
	case IBV_EVENT_SM_CHANGE:
	case IBV_EVENT_CLIENT_REREGISTER:
	case IBV_EVENT_GID_CHANGE:
		return true;
	default:
		return false;
	}
}

/* The counters of an event's object. NULL: it has none. */
static uint32_t *counters_of(const struct ibv_async_event *event, const struct fab_object **object)
{
	if (is_of_port(event->event_type))
		return NULL;
	if (event->event_type == IBV_EVENT_CQ_ERR) {
		struct fab_cq *cq = FAB_CONTAINER(event->element.cq, struct fab_cq, ibv);

		*object = &cq->object;
		return &cq->async_taken;
	}
	if (event->event_type == IBV_EVENT_SRQ_ERR ||
	    event->event_type == IBV_EVENT_SRQ_LIMIT_REACHED) {
		struct fab_srq *srq = FAB_CONTAINER(event->element.srq, struct fab_srq, ibv);

		*object = &srq->object;
		return &srq->events_taken;
	}
	*object = &FAB_CONTAINER(event->element.qp, struct fab_qp, ibv)->object;
	return &FAB_CONTAINER(event->element.qp, struct fab_qp, ibv)->events_taken;
}

void fab_async_event(struct fab_context *context, enum ibv_event_type type, void *element)
{
	struct fab_async *async = fab_alloc(sizeof(*async));

	async->event.event_type = type;
	if (is_of_port(type))
		async->event.element.port_num = 1;
	else
		async->event.element.qp = element;
	fab_lock(&context->lock);
	fab_list_add(&context->events, &async->link);
	fab_bell_ring(&context->bell);
	fab_unlock(&context->lock);
}

void fab_async_purge(struct fab_context *context, const void *element)
{
	struct fab_link *link, *next;

	fab_lock(&context->lock);
	for (link = context->events.next; link != &context->events; link = next) {
		struct fab_async *async = FAB_CONTAINER(link, struct fab_async, link);

		next = link->next;
		if (is_of_port(async->event.event_type) || element_of(&async->event) != element)
			continue;
		fab_list_del(link);
		fab_bell_clear(&context->bell);
		fab_free(async);
	}
	fab_unlock(&context->lock);
}

static struct fab_async *event_take(struct fab_context *context)
{
	const struct fab_object *object;
	struct fab_async *async = NULL;
	uint32_t *taken;

	fab_lock(&context->lock);
	if (!fab_list_is_empty(&context->events)) {
		async = FAB_CONTAINER(context->events.next, struct fab_async, link);
		fab_list_del(&async->link);
		fab_bell_clear(&context->bell);
		taken = counters_of(&async->event, &object);
		if (taken)
			__atomic_fetch_add(taken, 1, __ATOMIC_RELAXED);
	}
	fab_unlock(&context->lock);
	return async;
}

int ibv_get_async_event(struct ibv_context *ibv, struct ibv_async_event *event)
{
	struct fab_context *context = fab_context_of(ibv);
	struct fab_async *async;

	if (fab_call("ibv_get_async_event"))
		return -1;
	while (!(async = event_take(context))) {
		if (!fab_bell_blocks(&context->bell)) {
			errno = EAGAIN;
			return -1;
		}
		fab_bell_wait(&context->bell);
	}
	*event = async->event;
	fab_free(async);
	return 0;
}

void ibv_ack_async_event(struct ibv_async_event *event)
{
	const struct fab_object *object;
	uint32_t *taken = counters_of(event, &object);

	if (!taken)
		return;
	/* The counter of acknowledged ones follows. */
	if (__atomic_add_fetch(&taken[1], 1, __ATOMIC_RELEASE) >
	    __atomic_load_n(&taken[0], __ATOMIC_RELAXED))
		fab_wrong(0, "ibv_ack_async_event: %s %u has no event that was taken", object->type,
			  object->number);
}

bool fab_events_settled(const struct fab_object *object, const uint32_t *taken,
			const uint32_t *acked, const char *call)
{
	const struct timespec pause = {.tv_nsec = 200000};
	uint32_t open;

	while ((open = *taken - __atomic_load_n(acked, __ATOMIC_ACQUIRE)) && (int32_t)open > 0) {
		if (fab_strict || fab_mode == FABRIC_SIMULATED) {
			fab_misuse("%s: %u events of %s %u were taken and not acknowledged", call,
				   open, object->type, object->number);
			return false;
		}
		nanosleep(&pause, NULL);
	}
	return true;
}
