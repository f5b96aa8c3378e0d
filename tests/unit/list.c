/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/pool/list.h: the doubly linked list and the inbox.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

/*
 * What the inbox does with its one variable, with a chance for another thread to come before each:
 * so the tests decide who comes when.
 */
#include <stdatomic.h>

static void step(void);

#undef atomic_load
#undef atomic_store
#undef atomic_exchange
#undef atomic_compare_exchange_weak
#define atomic_load(object) (step(), atomic_load_explicit(object, memory_order_seq_cst))
#define atomic_store(object, value) \
	(step(), atomic_store_explicit(object, value, memory_order_seq_cst))
#define atomic_exchange(object, value) \
	(step(), atomic_exchange_explicit(object, value, memory_order_seq_cst))
#define atomic_compare_exchange_weak(object, expected, value) \
	(step(), atomic_compare_exchange_strong_explicit(     \
			 object, expected, value, memory_order_seq_cst, memory_order_seq_cst))

#include "pool/list.h"

struct entry {
	int number;
	struct pool_link link;
};

static int number_of(struct pool_link *link)
{
	return pool_container(link, struct entry, link)->number;
}

/* The list holds exactly these numbers, seen from both ends. */
static void expect(const struct pool_list *list, const int *numbers, size_t count)
{
	struct pool_link *link;
	size_t i;

	for (i = 0, link = list->head.next; link != &list->head; link = link->next, i++) {
		assert_true(i < count);
		assert_int_equal(number_of(link), numbers[i]);
	}
	assert_int_equal(i, count);
	for (link = list->head.prev; link != &list->head; link = link->prev) {
		assert_true(i > 0);
		assert_int_equal(number_of(link), numbers[--i]);
	}
	assert_int_equal(i, 0);
	assert_true(pool_list_is_empty(list) == (count == 0));
}

#define EXPECT(list, ...) \
	expect(list, (const int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

struct lists {
	struct pool_list list;
	struct entry e[4];
};

static void init(struct lists *l)
{
	int i;

	*l = (struct lists){0};
	pool_list_init(&l->list);
	for (i = 0; i < 4; i++)
		l->e[i].number = i;
}

static void empty_list_has_no_first_and_no_last(void **state)
{
	struct lists l;

	init(&l);
	expect(&l.list, NULL, 0);
	assert_null(pool_list_first(&l.list));
	assert_null(pool_list_last(&l.list));
	assert_null(pool_list_pop(&l.list));
}

static void add_tail_keeps_order_and_add_head_reverses_it(void **state)
{
	struct lists l;

	init(&l);
	pool_list_add_tail(&l.list, &l.e[0].link);
	EXPECT(&l.list, 0);
	pool_list_add_tail(&l.list, &l.e[1].link);
	EXPECT(&l.list, 0, 1);
	pool_list_add_head(&l.list, &l.e[2].link);
	pool_list_add_head(&l.list, &l.e[3].link);
	EXPECT(&l.list, 3, 2, 0, 1);
	assert_int_equal(number_of(pool_list_first(&l.list)), 3);
	assert_int_equal(number_of(pool_list_last(&l.list)), 1);
}

static void deleted_link_is_on_no_list(void **state)
{
	struct lists l;
	int i;

	init(&l);
	assert_false(pool_link_is_on_list(&l.e[0].link));
	for (i = 0; i < 4; i++)
		pool_list_add_tail(&l.list, &l.e[i].link);
	pool_list_del(&l.e[1].link);
	EXPECT(&l.list, 0, 2, 3);
	pool_list_del(&l.e[0].link);
	EXPECT(&l.list, 2, 3);
	pool_list_del(&l.e[3].link);
	EXPECT(&l.list, 2);
	assert_true(pool_link_is_on_list(&l.e[2].link));
	pool_list_del(&l.e[2].link);
	expect(&l.list, NULL, 0);
	for (i = 0; i < 4; i++) {
		assert_false(pool_link_is_on_list(&l.e[i].link));
		assert_null(l.e[i].link.prev);
	}
}

static void pop_takes_the_oldest_off_the_list(void **state)
{
	struct lists l;
	int i;

	init(&l);
	for (i = 0; i < 4; i++)
		pool_list_add_tail(&l.list, &l.e[i].link);
	for (i = 0; i < 4; i++) {
		assert_ptr_equal(pool_list_pop(&l.list), &l.e[i].link);
		assert_false(pool_link_is_on_list(&l.e[i].link));
	}
	assert_null(pool_list_pop(&l.list));
}

static void walk_may_take_off_each_entry_that_it_visits(void **state)
{
	struct pool_link *pos, *tmp;
	int i, visited = 0;
	struct lists l;

	init(&l);
	for (i = 0; i < 4; i++)
		pool_list_add_tail(&l.list, &l.e[i].link);
	pool_list_for_each(pos, tmp, &l.list) {
		assert_int_equal(number_of(pos), visited++);
		if (number_of(pos) != 2)
			pool_list_del(pos);
	}
	assert_int_equal(visited, 4);
	EXPECT(&l.list, 2);
	pool_list_del(&l.e[2].link);
	pool_list_for_each(pos, tmp, &l.list)
		fail_msg("an empty list was walked");
}

static void inbox_keeps_order_and_reports_first_push(void **state)
{
	struct pool_inbox_link link[3], *got;
	struct pool_inbox inbox;
	int round;

	pool_inbox_init(&inbox);
	for (round = 0; round < 2; round++) {
		assert_true(pool_inbox_is_empty(&inbox));
		assert_null(pool_inbox_take(&inbox));
		assert_true(pool_inbox_push(&inbox, &link[0]));
		assert_false(pool_inbox_is_empty(&inbox));
		assert_false(pool_inbox_push(&inbox, &link[1]));
		assert_false(pool_inbox_push(&inbox, &link[2]));

		got = pool_inbox_take(&inbox);
		assert_ptr_equal(got, &link[0]);
		assert_ptr_equal(got->next, &link[1]);
		assert_ptr_equal(got->next->next, &link[2]);
		assert_null(got->next->next->next);
	}
	assert_true(pool_inbox_is_empty(&inbox));
}

/* The other thread: comes before step number other_at of what it interrupts, once. */
static void (*other)(void);
static unsigned other_at;
static struct pool_inbox shared;
static struct pool_inbox_link links[3], *other_took;
static bool other_was_first;

static void step(void)
{
	void (*act)(void) = other;

	if (!act || other_at-- > 0)
		return;
	other = NULL;
	act();
}

static void other_pushes(void)
{
	other_was_first = pool_inbox_push(&shared, &links[2]);
}

static void other_takes(void)
{
	other_took = pool_inbox_take(&shared);
}

/* An inbox with links[0], and somebody who will come before step @at. */
static void interrupt(void (*act)(void), unsigned at)
{
	other = NULL;
	pool_inbox_init(&shared);
	pool_inbox_push(&shared, &links[0]);
	other_took = NULL;
	other_at = at;
	other = act;
}

static void expect_links(struct pool_inbox_link *got, const int *numbers, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++, got = got->next)
		assert_ptr_equal(got, &links[numbers[i]]);
	assert_null(got);
}

#define EXPECT_LINKS(got, ...) \
	expect_links(got, (const int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

static void push_between_the_steps_of_a_push_loses_neither(void **state)
{
	unsigned at;

	for (at = 0;; at++) {
		interrupt(other_pushes, at);
		assert_false(pool_inbox_push(&shared, &links[1]));
		if (other)
			break;
		assert_false(other_was_first);
		EXPECT_LINKS(pool_inbox_take(&shared), 0, 2, 1);
	}
	assert_true(at > 0);
	other = NULL;
}

static void take_between_the_steps_of_a_push_makes_it_the_first(void **state)
{
	unsigned at;

	for (at = 0;; at++) {
		interrupt(other_takes, at);
		if (!pool_inbox_push(&shared, &links[1]))
			break;
		EXPECT_LINKS(other_took, 0);
		EXPECT_LINKS(pool_inbox_take(&shared), 1);
	}
	assert_true(at > 0 && other);
	other = NULL;
}

static void push_between_the_steps_of_a_take_is_not_lost(void **state)
{
	struct pool_inbox_link *first;
	unsigned at;

	for (at = 0;; at++) {
		interrupt(other_pushes, at);
		first = pool_inbox_take(&shared);
		if (other)
			break;
		if (other_was_first) {
			EXPECT_LINKS(first, 0);
			EXPECT_LINKS(pool_inbox_take(&shared), 2);
		} else {
			EXPECT_LINKS(first, 0, 2);
			assert_true(pool_inbox_is_empty(&shared));
		}
	}
	assert_true(at > 0);
	other = NULL;
}

#define PUSHERS  4
#define MESSAGES 20000

struct message {
	struct pool_inbox_link link;
	int pusher, number;
};

struct pusher {
	pthread_t thread;
	pthread_barrier_t *start;
	struct pool_inbox *inbox;
	unsigned firsts; /* how often it found the inbox empty */
	struct message message[MESSAGES];
};

static void *push_all(void *arg)
{
	struct pusher *p = arg;
	int i;

	pthread_barrier_wait(p->start);
	for (i = 0; i < MESSAGES; i++) {
		p->firsts += pool_inbox_push(p->inbox, &p->message[i].link);
		/* On few cores, so that all of them and the owner are at it at the same time. */
		if (i % 16 == 0)
			sched_yield();
	}
	return NULL;
}

/* Takes until all came or 60 s have passed. Return: how often there was something. */
static unsigned take_all(struct pool_inbox *inbox, int next[PUSHERS])
{
	time_t deadline = time(NULL) + 60;
	struct pool_inbox_link *link;
	unsigned batches = 0, idle = 0;
	struct message *m;
	int left = PUSHERS * MESSAGES;

	while (left) {
		link = pool_inbox_take(inbox);
		if (!link) {
			if (++idle % 4096 == 0) {
				if (time(NULL) > deadline)
					fail_msg("%d messages never came", left);
				sched_yield();
			}
			continue;
		}
		batches++;
		for (; link; link = link->next, left--) {
			m = pool_container(link, struct message, link);
			assert_int_equal(m->number, next[m->pusher]);
			next[m->pusher]++;
		}
	}
	return batches;
}

static void inbox_under_four_pushers_loses_nothing(void **state)
{
	static struct pusher pusher[PUSHERS];
	unsigned batches, firsts = 0;
	int i, j, next[PUSHERS] = {0};
	static pthread_barrier_t start;
	static struct pool_inbox inbox;

	pool_inbox_init(&inbox);
	pthread_barrier_init(&start, NULL, PUSHERS + 1);
	for (i = 0; i < PUSHERS; i++) {
		for (j = 0; j < MESSAGES; j++)
			pusher[i].message[j] = (struct message){.pusher = i, .number = j};
		pusher[i].start = &start;
		pusher[i].inbox = &inbox;
		assert_int_equal(pthread_create(&pusher[i].thread, NULL, push_all, &pusher[i]), 0);
	}
	pthread_barrier_wait(&start);
	batches = take_all(&inbox, next);
	for (i = 0; i < PUSHERS; i++) {
		pthread_join(pusher[i].thread, NULL);
		assert_int_equal(next[i], MESSAGES);
		firsts += pusher[i].firsts;
	}
	/* Whoever fills an empty inbox is told so, and nobody else: else a wake-up is lost. */
	assert_int_equal(firsts, batches);
	assert_true(pool_inbox_is_empty(&inbox));
	pthread_barrier_destroy(&start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_list_has_no_first_and_no_last),
		cmocka_unit_test(add_tail_keeps_order_and_add_head_reverses_it),
		cmocka_unit_test(deleted_link_is_on_no_list),
		cmocka_unit_test(pop_takes_the_oldest_off_the_list),
		cmocka_unit_test(walk_may_take_off_each_entry_that_it_visits),
		cmocka_unit_test(inbox_keeps_order_and_reports_first_push),
		cmocka_unit_test(push_between_the_steps_of_a_push_loses_neither),
		cmocka_unit_test(take_between_the_steps_of_a_push_makes_it_the_first),
		cmocka_unit_test(push_between_the_steps_of_a_take_is_not_lost),
		cmocka_unit_test(inbox_under_four_pushers_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
