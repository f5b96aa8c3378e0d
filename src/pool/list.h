/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intrusive lists. struct pool_list is doubly linked, for one thread. struct pool_inbox is the
 * lock-free way in from other threads: anybody pushes, the owner takes all with one exchange and
 * gets them in the order of pushing.
 */
#ifndef WRASSE_POOL_LIST_H
#define WRASSE_POOL_LIST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "relaxed.h"

#define pool_container(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct pool_link {
	struct pool_link *prev, *next; /* NULL while on no list */
};

struct pool_list {
	struct pool_link head;
};

static inline void pool_list_init(struct pool_list *list)
{
	list->head.prev = &list->head;
	list->head.next = &list->head;
}

static inline bool pool_list_is_empty(const struct pool_list *list)
{
	return list->head.next == &list->head;
}

static inline bool pool_link_is_on_list(const struct pool_link *link)
{
	return link->next != NULL;
}

static inline void pool_list_add_between(struct pool_link *link, struct pool_link *prev,
					 struct pool_link *next)
{
	link->prev = prev;
	link->next = next;
	prev->next = link;
	next->prev = link;
}

static inline void pool_list_add_tail(struct pool_list *list, struct pool_link *link)
{
	pool_list_add_between(link, list->head.prev, &list->head);
}

static inline void pool_list_add_head(struct pool_list *list, struct pool_link *link)
{
	pool_list_add_between(link, &list->head, list->head.next);
}

static inline void pool_list_del(struct pool_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = NULL;
	link->next = NULL;
}

/* The first link, NULL if there is none. */
static inline struct pool_link *pool_list_first(const struct pool_list *list)
{
	return list->head.next == &list->head ? NULL : list->head.next;
}

/* The last link, NULL if there is none. */
static inline struct pool_link *pool_list_last(const struct pool_list *list)
{
	return list->head.prev == &list->head ? NULL : list->head.prev;
}

/* Takes the first link off the list; NULL if there is none. */
static inline struct pool_link *pool_list_pop(struct pool_list *list)
{
	struct pool_link *link = pool_list_first(list);

	if (link)
		pool_list_del(link);
	return link;
}

/* Walks a list; the current entry may be taken off, no other. */
#define pool_list_for_each(pos, tmp, list)                                           \
	for ((pos) = (list)->head.next, (tmp) = (pos)->next; (pos) != &(list)->head; \
	     (pos) = (tmp), (tmp) = (pos)->next)

struct pool_inbox_link {
	struct pool_inbox_link *next;
};

struct pool_inbox {
	_Atomic(struct pool_inbox_link *) newest;
};

static inline void pool_inbox_init(struct pool_inbox *inbox)
{
	atomic_init(&inbox->newest, NULL);
}

/*
 * Any thread. Return: whether the inbox was empty, so that the owner may have to be woken.
 * Sequentially consistent: pairs with the owner's store of "asleep" followed by
 * pool_inbox_is_empty().
 */
static inline bool pool_inbox_push(struct pool_inbox *inbox, struct pool_inbox_link *link)
{
	struct pool_inbox_link *newest = relaxed_load(&inbox->newest);

	do
		link->next = newest;
	while (!atomic_compare_exchange_weak(&inbox->newest, &newest, link));
	return newest == NULL;
}

static inline bool pool_inbox_is_empty(struct pool_inbox *inbox)
{
	return atomic_load(&inbox->newest) == NULL;
}

/* The owner. Takes everything; oldest first. NULL if there is nothing. */
static inline struct pool_inbox_link *pool_inbox_take(struct pool_inbox *inbox)
{
	struct pool_inbox_link *oldest = NULL, *link, *next;

	if (!relaxed_load(&inbox->newest))
		return NULL;
	for (link = atomic_exchange(&inbox->newest, NULL); link; link = next) {
		next = link->next;
		link->next = oldest;
		oldest = link;
	}
	return oldest;
}

#endif
