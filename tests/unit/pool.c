/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/pool/pool.c and panic.c: pools of items, their books and their always-on checks.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/dies.h"
#include "pool/panic.h"
#include "pool/poison.h"
#include "pool/pool.h"

#define ITEM_SIZE 192

static int holder_a, holder_b;

static struct pool *make(uint32_t capacity)
{
	struct pool_opts opts = {
		.name = "wr pool", .capacity = capacity, .item_size = ITEM_SIZE, .node = -1};
	struct pool *pool;

	assert_int_equal(pool_create(&opts, &pool), 0);
	return pool;
}

static struct pool *make_registered(uint32_t capacity, uint32_t item_size, void *lent)
{
	struct pool_opts opts = {.name = "small buffers",
				 .capacity = capacity,
				 .item_size = item_size,
				 .node = -1,
				 .registered = true,
				 .lent = lent};
	struct pool *pool;

	assert_int_equal(pool_create(&opts, &pool), 0);
	return pool;
}

static uint32_t length(const struct pool_item *chain)
{
	uint32_t count = 0;

	for (; chain; chain = chain->next)
		count++;
	return count;
}

static struct pool_books books_of(const struct pool *pool)
{
	struct pool_books books;

	pool_get_books(pool, &books);
	return books;
}

static void impossible_shapes_are_refused(void **state)
{
	const struct pool_opts good = {.name = "p", .capacity = 4, .item_size = 64, .node = -1};
	struct pool_opts opts[6] = {good, good, good, good, good, good};
	struct pool *pool = NULL;
	size_t i;

	opts[0].capacity = 0;
	opts[1].item_size = 0;
	opts[2].item_size = 96;
	opts[3].name = NULL;
	opts[4].lent = &opts; /* only registered pools have payloads that can lie there */
	opts[5].registered = true;
	opts[5].lent = (void *)((uintptr_t)&opts | 1);
	for (i = 0; i < 6; i++)
		assert_int_equal(pool_create(&opts[i], &pool), -EINVAL);
	opts[0] = good;
	opts[0].capacity = UINT32_MAX;
	opts[0].item_size = UINT32_MAX & ~63u;
	assert_int_equal(pool_create(&opts[0], &pool), -ENOMEM);
	opts[0].registered = true;
	assert_int_equal(pool_create(&opts[0], &pool), -ENOMEM);
	assert_null(pool);
	pool_destroy(NULL);
}

static void payloads_are_aligned_apart_and_as_large_as_asked_for(void **state)
{
	struct pool *pools[2] = {make(5), make_registered(5, 8192, NULL)};
	const uint32_t sizes[2] = {ITEM_SIZE, 8192};
	struct pool_item *chain, *item;
	size_t i;

	for (i = 0; i < 2; i++) {
		chain = pool_take(pools[i], 5, 0, &holder_a);
		for (item = chain; item; item = item->next) {
			assert_int_equal((uintptr_t)item->payload % 64, 0);
			assert_ptr_equal(item->pool, pools[i]);
			memset(item->payload, 0xff, sizes[i]);
			if (item->next)
				assert_true(labs((char *)item->next->payload -
						 (char *)item->payload) >= (long)sizes[i]);
		}
		/* Had a payload run into a head, the books would be broken now. */
		pool_check(pools[i]);
		assert_int_equal(pool_give(pools[i], chain), 5);
		pool_destroy(pools[i]);
	}
}

static void take_all_then_none_is_left(void **state)
{
	struct pool *pool = make(8);
	struct pool_item *chain;

	assert_int_equal(pool_capacity(pool), 8);
	assert_string_equal(pool_name(pool), "wr pool");
	assert_int_equal(pool_free_count(pool), 8);
	chain = pool_take(pool, 8, 0, &holder_a);
	assert_int_equal(length(chain), 8);
	assert_int_equal(pool_free_count(pool), 0);
	assert_null(pool_take(pool, 1, 0, &holder_a));
	pool_check(pool);
	assert_int_equal(pool_give(pool, chain), 8);
	assert_int_equal(pool_free_count(pool), 8);
	pool_check(pool);
	pool_destroy(pool);
}

static void chain_is_all_or_nothing(void **state)
{
	struct pool *pool = make(8);
	struct pool_item *five = pool_take(pool, 5, 0, &holder_a), *three;

	assert_int_equal(length(five), 5);
	assert_null(pool_take(pool, 4, 0, &holder_b));
	assert_int_equal(pool_free_count(pool), 3);
	assert_int_equal(pool_for_each_out(pool, NULL, NULL), 5);
	pool_check(pool);
	three = pool_take(pool, 3, 0, &holder_b);
	assert_int_equal(length(three), 3);
	pool_give(pool, five);
	pool_give(pool, three);
	pool_destroy(pool);
}

static void reserve_is_left_for_others(void **state)
{
	struct pool *pool = make(8);
	struct pool_item *six, *admin;

	assert_null(pool_take(pool, 7, 2, &holder_a));
	six = pool_take(pool, 6, 2, &holder_a);
	assert_int_equal(length(six), 6);
	assert_null(pool_take(pool, 1, 2, &holder_a));
	assert_null(pool_take(pool, 1, UINT32_MAX, &holder_a));
	admin = pool_take(pool, 2, 0, &holder_b);
	assert_int_equal(length(admin), 2);
	pool_give(pool, admin);
	assert_null(pool_take(pool, 1, 2, &holder_a));
	pool_give(pool, six);
	pool_destroy(pool);
}

static void order_is_lifo(void **state)
{
	struct pool *pool = make(8);
	struct pool_item *a = pool_take(pool, 1, 0, &holder_a),
			 *b = pool_take(pool, 1, 0, &holder_a);
	struct pool_item *pair, *x, *y;

	pool_give(pool, a);
	pool_give(pool, b);
	assert_ptr_equal(pool_take(pool, 1, 0, &holder_a), b);
	assert_ptr_equal(pool_take(pool, 1, 0, &holder_a), a);
	pool_give(pool, b);
	pool_give(pool, a);

	/* A chain comes back in its own order: its first item is the warmest. */
	pair = pool_take(pool, 2, 0, &holder_a);
	x = pair;
	y = pair->next;
	assert_ptr_equal(x, a);
	assert_ptr_equal(y, b);
	pool_give(pool, pair);
	assert_ptr_equal(pool_take(pool, 1, 0, &holder_a), x);
	assert_ptr_equal(pool_take(pool, 1, 0, &holder_a), y);
	pool_give(pool, x);
	pool_give(pool, y);
	pool_destroy(pool);
}

static void buffers_are_first_handed_out_in_address_order(void **state)
{
	struct pool *pool = make_registered(4, 4096, NULL);
	struct pool_item *chain = pool_take(pool, 4, 0, &holder_a), *item;
	const char *expected = pool_payload_slab(pool)->base;

	for (item = chain; item; item = item->next, expected += 4096)
		assert_ptr_equal(item->payload, expected);
	pool_give(pool, chain);
	pool_destroy(pool);
}

static long page_faults(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_minflt;
}

static void what_is_never_used_takes_no_memory(void **state)
{
	const uint32_t capacity = 16384; /* 1024 pages of heads and payloads */
	long before = page_faults();
	struct pool *pool = make(capacity);

	pool_give(pool, pool_take(pool, 10, 0, &holder_a));
	assert_in_range(page_faults() - before, 1, 400);
	pool_check(pool);
	pool_destroy(pool);
}

static void give_returns_whole_chain(void **state)
{
	struct pool *pool = make(8);
	uint32_t count;

	for (count = 1; count <= 8; count++) {
		assert_int_equal(pool_give(pool, pool_take(pool, count, 0, &holder_a)), count);
		assert_int_equal(books_of(pool).free, 8);
		assert_int_equal(pool_for_each_out(pool, NULL, NULL), 0);
		pool_check(pool);
	}
	assert_int_equal(pool_give(pool, NULL), 0);
	pool_destroy(pool);
}

static void remote_give_returns_whole_chain(void **state)
{
	struct pool *pool = make(8);
	uint32_t count;

	for (count = 1; count <= 8; count++) {
		pool_give_remote(pool, pool_take(pool, count, 0, &holder_a));
		assert_int_equal(pool_free_count(pool), 8);
		assert_int_equal(pool_for_each_out(pool, NULL, NULL), 0);
		pool_check(pool);
	}
	pool_give_remote(pool, NULL);
	pool_destroy(pool);
}

static void remote_returns_are_seen_by_take_and_count(void **state)
{
	struct pool *pool = make(4);
	struct pool_item *chain = pool_take(pool, 3, 0, &holder_a), *all;

	pool_give_remote(pool, chain);
	/* Not yet seen: the owner has no reason to look while it has enough. */
	assert_int_equal(books_of(pool).free, 1);
	pool_check(pool);
	all = pool_take(pool, 4, 0, &holder_b);
	assert_int_equal(length(all), 4);
	assert_int_equal(books_of(pool).waits, 0);

	pool_give_remote(pool, all);
	assert_int_equal(books_of(pool).free, 0);
	assert_int_equal(pool_free_count(pool), 4);
	assert_int_equal(books_of(pool).free, 4);

	pool_give_remote(pool, pool_take(pool, 4, 0, &holder_a));
	assert_int_equal(pool_for_each_out(pool, NULL, NULL), 0);
	pool_give_remote(pool, pool_take(pool, 4, 0, &holder_a));
	pool_destroy(pool);
}

static void waits_and_peak_are_counted(void **state)
{
	struct pool *pool = make(8);
	struct pool_books books = books_of(pool);
	struct pool_item *five, *two;

	assert_string_equal(books.name, "wr pool");
	assert_int_equal(books.capacity, 8);
	assert_int_equal(books.free, 8);
	assert_int_equal(books.peak, 0);
	assert_int_equal(books.waits, 0);

	five = pool_take(pool, 5, 0, &holder_a);
	two = pool_take(pool, 2, 0, &holder_a);
	assert_null(pool_take(pool, 2, 0, &holder_b));
	assert_null(pool_take(pool, 1, 1, &holder_b));
	/* These could never be met: nobody waits for them. */
	assert_null(pool_take(pool, 9, 0, &holder_b));
	assert_null(pool_take(pool, 1, 8, &holder_b));
	pool_give(pool, five);
	books = books_of(pool);
	assert_int_equal(books.free, 6);
	assert_int_equal(books.peak, 7);
	assert_int_equal(books.waits, 2);
	pool_give(pool, two);
	assert_int_equal(books_of(pool).peak, 7);
	pool_destroy(pool);
}

struct ledger {
	const struct pool_item *item[8];
	uint32_t count;
};

static void note(void *ctx, const struct pool_item *item)
{
	struct ledger *ledger = ctx;

	assert_true(ledger->count < 8);
	ledger->item[ledger->count++] = item;
}

static uint32_t held_by(const struct ledger *ledger, const void *holder)
{
	uint32_t i, count = 0;

	for (i = 0; i < ledger->count; i++)
		count += ledger->item[i]->holder == holder;
	return count;
}

static bool names(const struct ledger *ledger, const struct pool_item *item)
{
	uint32_t i;

	for (i = 0; i < ledger->count; i++)
		if (ledger->item[i] == item)
			return true;
	return false;
}

static void ledger_names_every_item_that_is_out_and_its_holder(void **state)
{
	struct pool *pool = make(8);
	struct pool_item *a = pool_take(pool, 3, 0, &holder_a),
			 *b = pool_take(pool, 2, 0, &holder_b);
	struct pool_item *item;
	struct ledger ledger = {0};

	assert_int_equal(pool_for_each_out(pool, note, &ledger), 5);
	assert_int_equal(ledger.count, 5);
	assert_int_equal(held_by(&ledger, &holder_a), 3);
	assert_int_equal(held_by(&ledger, &holder_b), 2);
	for (item = a; item; item = item->next)
		assert_true(names(&ledger, item) && item->holder == &holder_a);
	for (item = b; item; item = item->next)
		assert_true(names(&ledger, item) && item->holder == &holder_b);

	pool_give(pool, a);
	ledger.count = 0;
	assert_int_equal(pool_for_each_out(pool, note, &ledger), 2);
	assert_int_equal(held_by(&ledger, &holder_b), 2);
	pool_give_remote(pool, b);
	ledger.count = 0;
	assert_int_equal(pool_for_each_out(pool, note, &ledger), 0);
	assert_int_equal(ledger.count, 0);
	pool_destroy(pool);
}

static void lent_memory_is_used_and_not_freed(void **state)
{
	struct pool_opts opts = {.capacity = 3, .item_size = 8192};
	size_t page = (size_t)sysconf(_SC_PAGESIZE), len = pool_payload_len(&opts);
	char *lent = aligned_alloc(page, len);
	struct pool *pool = make_registered(3, 8192, lent);
	struct pool_item *chain = pool_take(pool, 3, 0, &holder_a), *item;

	assert_ptr_equal(pool_payload_slab(pool)->base, lent);
	for (item = chain; item; item = item->next) {
		assert_true((char *)item->payload >= lent);
		assert_true((char *)item->payload + 8192 <= lent + len);
		/* Heads elsewhere: what a device writes never reaches them. */
		assert_false((char *)item >= lent && (char *)item < lent + len);
	}
	pool_give(pool, chain);
	pool_destroy(pool);
	memset(lent, 'x', len);
	free(lent);
}

static void payload_len_is_whole_pages(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct pool_opts opts = {.capacity = 1, .item_size = 64};
	struct pool *pool = make(1);

	assert_int_equal(pool_payload_len(&opts), page);
	opts.item_size = (uint32_t)page;
	assert_int_equal(pool_payload_len(&opts), page);
	opts.capacity = 3;
	opts.item_size = (uint32_t)page + 64;
	assert_int_equal(pool_payload_len(&opts), 4 * page);
	assert_null(pool_payload_slab(pool));
	pool_destroy(pool);
}

/* What stops the program. Each makes its own pool, in a child. */

static void give_twice(void *arg)
{
	struct pool *pool = make(4);
	struct pool_item *chain = pool_take(pool, 2, 0, &holder_a);

	pool_give(pool, chain);
	pool_give(pool, chain);
}

static void give_tail_twice(void *arg)
{
	struct pool *pool = make(4);
	struct pool_item *chain = pool_take(pool, 2, 0, &holder_a), *tail = chain->next;

	chain->next = NULL;
	pool_give(pool, tail);
	chain->next = tail;
	pool_give(pool, chain);
}

static void give_remotely_twice(void *arg)
{
	struct pool *pool = make(4);
	struct pool_item *chain = pool_take(pool, 2, 0, &holder_a);

	pool_give_remote(pool, chain);
	pool_give_remote(pool, chain);
}

static void give_remotely_then_here(void *arg)
{
	struct pool *pool = make(4);
	struct pool_item *chain = pool_take(pool, 2, 0, &holder_a);

	pool_give_remote(pool, chain);
	pool_give(pool, chain);
}

static void give_here_then_remotely(void *arg)
{
	struct pool *pool = make(4);
	struct pool_item *chain = pool_take(pool, 2, 0, &holder_a);

	pool_give(pool, chain);
	pool_give_remote(pool, chain);
}

static void give_chain_with_a_loop(void *arg)
{
	struct pool *pool = make(4);
	struct pool_item *chain = pool_take(pool, 2, 0, &holder_a);

	chain->next->next = chain;
	pool_give(pool, chain);
}

static void double_give_stops_the_program(void **state)
{
	assert_dies(give_twice, NULL, "wr pool: item 0x");
	assert_dies(give_twice, NULL, "was given back twice");
	assert_dies(give_tail_twice, NULL, "was given back twice");
	assert_dies(give_remotely_twice, NULL, "was given back twice");
	assert_dies(give_remotely_then_here, NULL, "was given back twice");
	assert_dies(give_here_then_remotely, NULL, "was given back twice");
	assert_dies(give_chain_with_a_loop, NULL, "was given back twice");
}

static void give_to_wrong_pool(void *remote)
{
	struct pool *pool = make(4), *other = make_registered(4, 64, NULL);
	struct pool_item *chain = pool_take(pool, 2, 0, &holder_a);

	/* The first item is in the right place: the whole chain must be. */
	chain->next->next = pool_take(other, 1, 0, &holder_a);
	if (remote)
		pool_give_remote(pool, chain);
	else
		pool_give(pool, chain);
}

static void give_to_wrong_pool_stops_the_program(void **state)
{
	assert_dies(give_to_wrong_pool, NULL, "belongs to another pool");
	assert_dies(give_to_wrong_pool, &holder_a, "belongs to another pool");
}

struct late_write {
	bool registered, remote, destroy;
	uint32_t offset;
};

static void write_after_give(void *arg)
{
	const struct late_write *w = arg;
	struct pool *pool = w->registered ? make_registered(2, 4096, NULL) : make(2);
	struct pool_item *item = pool_take(pool, 1, 0, &holder_a);

	if (w->remote) {
		pool_give_remote(pool, item);
		((char *)item->payload)[w->offset] = 1;
		pool_free_count(pool);
	} else {
		pool_give(pool, item);
		((char *)item->payload)[w->offset] = 1;
	}
	if (w->destroy)
		pool_destroy(pool);
	else
		pool_take(pool, 1, 0, &holder_a);
}

static void write_after_give_is_caught(void **state)
{
	struct late_write w[] = {
		{.offset = 0},
		{.offset = ITEM_SIZE - 1},
		{.offset = 3, .destroy = true},
		{.offset = ITEM_SIZE - 1, .remote = true},
		{.offset = 63, .registered = true},
		{.offset = 0, .registered = true, .remote = true},
	};
	size_t i;

#ifdef NDEBUG
	skip();
#endif
	for (i = 0; i < sizeof(w) / sizeof(w[0]); i++) {
#ifdef POOL_ASAN
		char said[4096];
		int status = dies_run(write_after_give, &w[i], said, sizeof(said));

		assert_false(WIFEXITED(status) && WEXITSTATUS(status) == DIES_SURVIVED);
		assert_non_null(strstr(said, "use-after-poison"));
#else
		assert_dies(write_after_give, &w[i], "was written to after it was given back");
#endif
	}
}

static void write_while_held_is_no_write_after_give(void **state)
{
	struct pool *pools[2] = {make(2), make_registered(2, 4096, NULL)};
	struct pool_item *chain, *item;
	int i, round;

	for (i = 0; i < 2; i++) {
		for (round = 0; round < 3; round++) {
			chain = pool_take(pools[i], 2, 0, &holder_a);
			for (item = chain; item; item = item->next)
				memset(item->payload, round, ITEM_SIZE);
			pool_give(pools[i], chain);
		}
		pool_destroy(pools[i]);
	}
}

static void destroy_with_item_out(void *arg)
{
	struct pool *pool = make(4);

	pool_take(pool, 1, 0, &holder_a);
	pool_destroy(pool);
}

static void destroy_with_item_out_stops_the_program(void **state)
{
	char message[64];

	assert_dies(destroy_with_item_out, NULL, "wr pool: destroyed while item 0x");
	snprintf(message, sizeof(message), "is out, held by %p", (void *)&holder_a);
	assert_dies(destroy_with_item_out, NULL, message);
}

static void take_none(void *arg)
{
	pool_take(make(4), 0, 0, &holder_a);
}

static void take_for_nobody(void *arg)
{
	pool_take(make(4), 1, 0, NULL);
}

static void senseless_take_stops_the_program(void **state)
{
	assert_dies(take_none, NULL, "0 items taken");
	assert_dies(take_for_nobody, NULL, "1 items taken for holder (nil)");
}

/* What pool_check() must find. The pool has 4 items; the second to fourth are free. */

struct damage {
	void (*break_it)(struct pool_item *held, struct pool_item *first_free);
	const char *message;
};

static void break_head(struct pool_item *held, struct pool_item *first_free)
{
	held->pool = NULL;
}

static void break_holder(struct pool_item *held, struct pool_item *first_free)
{
	held->holder = NULL;
}

static void hold_a_free_item(struct pool_item *held, struct pool_item *first_free)
{
	first_free->holder = &holder_a;
}

static void make_a_loop(struct pool_item *held, struct pool_item *first_free)
{
	first_free->next->next = first_free;
}

static void cut_the_list(struct pool_item *held, struct pool_item *first_free)
{
	first_free->next = NULL;
}

static void append_to_the_list(struct pool_item *held, struct pool_item *first_free)
{
	first_free->next->next->next = held;
}

static void link_to_the_middle_of_an_item(struct pool_item *held, struct pool_item *first_free)
{
	struct pool_item *middle = held->payload;

	*middle = *first_free;
	first_free->next = middle;
}

/* Where a fifth item would be: the memory is whole pages. */
static void link_behind_the_last_item(struct pool_item *held, struct pool_item *first_free)
{
	ptrdiff_t stride = (char *)first_free - (char *)held;
	struct pool_item *behind = (void *)((char *)held + 4 * stride);

	*behind = *first_free;
	first_free->next = behind;
}

static void break_a_free_head(struct pool_item *held, struct pool_item *first_free)
{
	first_free->pool = NULL;
}

static void check_after_damage(void *arg)
{
	const struct damage *damage = arg;
	struct pool *pool = make(4);
	struct pool_item *held = pool_take(pool, 1, 0, &holder_a);
	struct pool_item *first_free = pool_take(pool, 3, 0, &holder_a);

	pool_give(pool, first_free);
	pool_check(pool);
	damage->break_it(held, first_free);
	pool_check(pool);
}

static void check_finds_broken_books(void **state)
{
	struct damage t[] = {
		{break_head, "was overwritten"},
		{break_holder, "3 items are free and 0 are out of 4"},
		{hold_a_free_item, "on the free list is held by"},
		{make_a_loop, "has a loop"},
		{cut_the_list, "1 items are on the free list, 3 are counted"},
		{append_to_the_list, "longer than the 3 items counted"},
		{link_to_the_middle_of_an_item, "is no item of the pool"},
		{link_behind_the_last_item, "is no item of the pool"},
		{break_a_free_head, "is no item of the pool"},
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_dies(check_after_damage, &t[i], t[i].message);
}

static void panic_with_long_message(void *arg)
{
	pool_panic("%0600d", 0);
}

static void long_last_words_are_cut_off_but_end_the_line(void **state)
{
	char said[1024];
	int status = dies_run(panic_with_long_message, NULL, said, sizeof(said));

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_int_equal(strlen(said), 512 - 1);
	assert_int_equal(said[strlen(said) - 1], '\n');
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

static void panic_without_stderr(void *arg)
{
	close(STDERR_FILENO);
	pool_panic("nobody hears this");
}

static void last_words_that_nobody_hears_are_no_reason_to_stay(void **state)
{
	char said[64];
	int status = dies_run(panic_without_stderr, NULL, said, sizeof(said));

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_string_equal(said, "");
}

/* Four threads that give back what the owner took. */

#define GIVERS    4
#define ROUNDS    50
#define CHAINS    64 /* per thread and round */
#define CHAIN_LEN 3
#define OWN       8

struct giver {
	pthread_t thread;
	struct pool *pool;
	pthread_barrier_t *start;
	struct pool_item *chain[CHAINS];
};

static void *give_all(void *arg)
{
	struct giver *giver = arg;
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(giver->start);
		for (i = 0; i < CHAINS; i++)
			pool_give_remote(giver->pool, giver->chain[i]);
	}
	return NULL;
}

/* The owner works on while the others give. */
static void wait_until_full(struct pool *pool)
{
	time_t deadline = time(NULL) + 60;
	struct pool_item *chain;
	uint32_t count;

	for (;;) {
		chain = pool_take(pool, OWN, 0, &holder_b);
		if (chain) {
			memset(chain->payload, 0x11, ITEM_SIZE);
			pool_give(pool, chain);
		}
		pool_check(pool);
		count = pool_free_count(pool);
		if (count == pool_capacity(pool))
			return;
		if (time(NULL) > deadline)
			fail_msg("%u items never came back", pool_capacity(pool) - count);
		sched_yield();
	}
}

static void remote_gives_from_four_threads_all_come_back(void **state)
{
	struct pool *pool = make(GIVERS * CHAINS * CHAIN_LEN + OWN);
	static struct giver giver[GIVERS];
	pthread_barrier_t start;
	int round, i, j;

	pthread_barrier_init(&start, NULL, GIVERS + 1);
	for (i = 0; i < GIVERS; i++) {
		giver[i].pool = pool;
		giver[i].start = &start;
		assert_int_equal(pthread_create(&giver[i].thread, NULL, give_all, &giver[i]), 0);
	}
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < GIVERS; i++) {
			for (j = 0; j < CHAINS; j++) {
				giver[i].chain[j] = pool_take(pool, CHAIN_LEN, 0, &holder_a);
				assert_non_null(giver[i].chain[j]);
				memset(giver[i].chain[j]->payload, i, ITEM_SIZE);
			}
		}
		assert_int_equal(books_of(pool).free, OWN);
		pthread_barrier_wait(&start);
		wait_until_full(pool);
	}
	for (i = 0; i < GIVERS; i++)
		pthread_join(giver[i].thread, NULL);
	assert_int_equal(pool_for_each_out(pool, NULL, NULL), 0);
	pthread_barrier_destroy(&start);
	pool_destroy(pool);
}

#define READ_CAPACITY 20000

struct reader {
	struct pool *pool;
	pthread_barrier_t start;
	atomic_bool stop;
};

static void *read_books(void *arg)
{
	static char complaint[128];
	struct reader *reader = arg;
	struct pool_books books, last = {0};

	pthread_barrier_wait(&reader->start);
	while (!atomic_load(&reader->stop)) {
		pool_get_books(reader->pool, &books);
		if (books.free > READ_CAPACITY || books.peak > READ_CAPACITY ||
		    books.free + books.peak < READ_CAPACITY || books.peak < last.peak ||
		    books.waits < last.waits) {
			snprintf(complaint, sizeof(complaint), "free %lu, peak %lu, waits %lu",
				 (unsigned long)books.free, (unsigned long)books.peak,
				 (unsigned long)books.waits);
			return complaint;
		}
		last = books;
	}
	return NULL;
}

static void work_while_books_are_read(void)
{
	struct reader reader = {.pool = make(READ_CAPACITY)};
	struct pool_item *out = NULL, *item;
	pthread_t thread;
	void *complaint;
	uint32_t i;

	pthread_barrier_init(&reader.start, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, read_books, &reader), 0);
	pthread_barrier_wait(&reader.start);
	/* One by one, so that each is a new peak: a reader may come between count and peak. */
	for (i = 0; i < READ_CAPACITY; i++) {
		item = pool_take(reader.pool, 1, 0, &holder_a);
		item->next = out;
		out = item;
		assert_null(pool_take(reader.pool, READ_CAPACITY, 0, &holder_b));
	}
	assert_int_equal(pool_give(reader.pool, out), READ_CAPACITY);
	atomic_store(&reader.stop, true);
	pthread_join(thread, &complaint);
	if (complaint)
		fail_msg("the books make no sense: %s", (const char *)complaint);
	assert_int_equal(books_of(reader.pool).waits, READ_CAPACITY);
	assert_int_equal(books_of(reader.pool).peak, READ_CAPACITY);
	pthread_barrier_destroy(&reader.start);
	pool_destroy(reader.pool);
}

static void books_can_be_read_by_any_thread_while_the_owner_works(void **state)
{
	int round;

	for (round = 0; round < 10; round++)
		work_while_books_are_read();
}

/*
 * The model: which items are free, in which order, which chains are out, and which were given back
 * remotely but not yet seen.
 */

#define MODEL_CAPACITY 24
#define MODEL_STEPS    60000

struct model_chain {
	struct pool_item *item[MODEL_CAPACITY];
	uint32_t count;
	void *holder;
};

struct model {
	struct pool *pool;
	struct pool_item *free[MODEL_CAPACITY]; /* the last is on top */
	uint32_t free_count, peak;
	uint64_t waits;
	struct model_chain out[MODEL_CAPACITY], inbox[MODEL_CAPACITY];
	uint32_t out_count, inbox_count;
	uint64_t seed;
};

static uint32_t draw(struct model *m, uint32_t below)
{
	m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(m->seed >> 33) % below;
}

static void model_put_back(struct model *m, const struct model_chain *chain)
{
	uint32_t i;

	for (i = chain->count; i-- > 0;)
		m->free[m->free_count++] = chain->item[i];
}

static void model_collect(struct model *m)
{
	uint32_t i;

	for (i = 0; i < m->inbox_count; i++)
		model_put_back(m, &m->inbox[i]);
	m->inbox_count = 0;
}

static void step_take(struct model *m)
{
	uint32_t count = 1 + draw(m, 9), reserve = draw(m, 3) ? 0 : draw(m, MODEL_CAPACITY), i;
	void *holder = &m->out[draw(m, MODEL_CAPACITY)];
	struct pool_item *item = pool_take(m->pool, count, reserve, holder);
	struct model_chain *chain;

	if (m->free_count < count + reserve)
		model_collect(m);
	if (m->free_count < count + reserve) {
		assert_null(item);
		m->waits += count + reserve <= MODEL_CAPACITY;
		return;
	}
	chain = &m->out[m->out_count++];
	chain->count = count;
	chain->holder = holder;
	for (i = 0; i < count; i++, item = item->next) {
		chain->item[i] = m->free[--m->free_count];
		assert_ptr_equal(item, chain->item[i]);
		assert_ptr_equal(item->holder, holder);
		memset(item->payload, (int)i, ITEM_SIZE);
	}
	assert_null(item);
	if (MODEL_CAPACITY - m->free_count > m->peak)
		m->peak = MODEL_CAPACITY - m->free_count;
}

static void step_give(struct model *m, bool remote)
{
	struct model_chain *chain;
	uint32_t which;

	if (!m->out_count)
		return;
	which = draw(m, m->out_count);
	chain = &m->out[which];
	if (remote) {
		pool_give_remote(m->pool, chain->item[0]);
		m->inbox[m->inbox_count++] = *chain;
	} else {
		assert_int_equal(pool_give(m->pool, chain->item[0]), chain->count);
		model_put_back(m, chain);
	}
	*chain = m->out[--m->out_count];
}

static void step_count(struct model *m)
{
	model_collect(m);
	if (draw(m, 2))
		assert_int_equal(pool_free_count(m->pool), m->free_count);
	else
		assert_int_equal(pool_for_each_out(m->pool, NULL, NULL),
				 MODEL_CAPACITY - m->free_count);
}

static void model_compare(struct model *m)
{
	struct pool_books books = books_of(m->pool);
	uint32_t i, j;

	pool_check(m->pool);
	assert_int_equal(books.free, m->free_count);
	assert_int_equal(books.peak, m->peak);
	assert_int_equal(books.waits, m->waits);
	for (i = 0; i < m->out_count; i++)
		for (j = 0; j < m->out[i].count; j++)
			assert_ptr_equal(m->out[i].item[j]->holder, m->out[i].holder);
	for (i = 0; i < m->free_count; i++)
		assert_null(m->free[i]->holder);
}

static void random_takes_and_gives_agree_with_the_model(void **state)
{
	struct model m = {.pool = make(MODEL_CAPACITY), .seed = 20261123};
	struct pool_item *item = pool_take(m.pool, MODEL_CAPACITY, 0, &m), *first = item;
	uint32_t i;

	for (i = 0; i < MODEL_CAPACITY; i++, item = item->next)
		m.free[MODEL_CAPACITY - 1 - i] = item;
	pool_give(m.pool, first);
	m.free_count = m.peak = MODEL_CAPACITY;

	for (i = 0; i < MODEL_STEPS; i++) {
		switch (draw(&m, 16)) {
		case 0:
			step_count(&m);
			break;
		case 1 ... 7:
			step_take(&m);
			break;
		case 8 ... 12:
			step_give(&m, false);
			break;
		default:
			step_give(&m, true);
		}
		model_compare(&m);
	}
	assert_true(m.waits > MODEL_STEPS / 100);
	while (m.out_count)
		step_give(&m, draw(&m, 2));
	model_collect(&m);
	assert_int_equal(pool_free_count(m.pool), MODEL_CAPACITY);
	pool_destroy(m.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(impossible_shapes_are_refused),
		cmocka_unit_test(payloads_are_aligned_apart_and_as_large_as_asked_for),
		cmocka_unit_test(take_all_then_none_is_left),
		cmocka_unit_test(chain_is_all_or_nothing),
		cmocka_unit_test(reserve_is_left_for_others),
		cmocka_unit_test(order_is_lifo),
		cmocka_unit_test(buffers_are_first_handed_out_in_address_order),
		cmocka_unit_test(what_is_never_used_takes_no_memory),
		cmocka_unit_test(give_returns_whole_chain),
		cmocka_unit_test(remote_give_returns_whole_chain),
		cmocka_unit_test(remote_returns_are_seen_by_take_and_count),
		cmocka_unit_test(waits_and_peak_are_counted),
		cmocka_unit_test(ledger_names_every_item_that_is_out_and_its_holder),
		cmocka_unit_test(lent_memory_is_used_and_not_freed),
		cmocka_unit_test(payload_len_is_whole_pages),
		cmocka_unit_test(double_give_stops_the_program),
		cmocka_unit_test(give_to_wrong_pool_stops_the_program),
		cmocka_unit_test(write_after_give_is_caught),
		cmocka_unit_test(write_while_held_is_no_write_after_give),
		cmocka_unit_test(destroy_with_item_out_stops_the_program),
		cmocka_unit_test(senseless_take_stops_the_program),
		cmocka_unit_test(check_finds_broken_books),
		cmocka_unit_test(long_last_words_are_cut_off_but_end_the_line),
		cmocka_unit_test(last_words_that_nobody_hears_are_no_reason_to_stay),
		cmocka_unit_test(remote_gives_from_four_threads_all_come_back),
		cmocka_unit_test(books_can_be_read_by_any_thread_while_the_owner_works),
		cmocka_unit_test(random_takes_and_gives_agree_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
