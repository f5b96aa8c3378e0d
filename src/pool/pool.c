/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pools of equal items. The owner's thread runs everything but pool_give_remote() and
 * pool_get_books(), which any thread may call. Nothing here allocates after pool_create().
 *
 * The head comes before the payload: it has a cache line of its own, so the payload (WRs, or memory
 * that a device writes to) never shares one with what other threads touch, and payloads that are a
 * power of two do not all fall into the same cache sets.
 *
 * A head is written when its item is first taken, in address order, and the slab's memory is zero
 * until then: what was never used costs neither memory nor time at start-up.
 *
 * An item that another thread gave back keeps its holder until the owner has emptied the inbox, so
 * that for the owner "free" and "out" always add up to the capacity.
 */
#include "pool/pool.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inline.h"
#include "object.h"
#include "pool/panic.h"
#include "pool/poison.h"

/* Data buffers are large: in those only the beginning is poisoned. */
#define REGISTERED_POISON_LEN 64

#ifdef NDEBUG
#define DEBUG_BUILD false
#else
#define DEBUG_BUILD true
#endif

struct slot {
	alignas(CACHE_LINE) struct pool_item item;
	struct pool_inbox_link inbox; /* the first item of a chain that was given remotely */
	atomic_bool returned;         /* given remotely, and the owner has not seen it */
	bool poisoned;                /* was given back at least once */
};

struct pool {
	/* The owner writes this line; the counters without read-modify-write, for all to read. */
	struct pool_item *lifo; /* the free ones of the first @touched items */
	/* Items whose heads were written: as many as ever were out, since one is written when no other is free. */
	_Atomic uint32_t touched;
	_Atomic uint32_t free;
	_Atomic uint64_t waits;
	uint32_t capacity;
	uint32_t poison_len;

	/* Other threads write this one. */
	alignas(CACHE_LINE) struct pool_inbox inbox;

	/* Nobody writes these. */
	alignas(CACHE_LINE) const char *name;
	size_t stride; /* from slot to slot */
	uint32_t item_size;
	struct pool_slab heads; /* the payloads too unless registered */
	struct pool_slab payloads;
};

/* Only the owner stores them, so that reading its own value back needs no ordering. */
static uint32_t get_free(const struct pool *pool)
{
	return relaxed_load(&pool->free);
}

static uint32_t get_touched(const struct pool *pool)
{
	return relaxed_load(&pool->touched);
}

static struct slot *item_slot(struct pool_item *item)
{
	return pool_container(item, struct slot, item);
}

static struct slot *slot_at(const struct pool *pool, uint32_t index)
{
	return (void *)((char *)pool->heads.base + index * pool->stride);
}

/* Create and destroy */

static bool shape_is_valid(const struct pool_opts *opts)
{
	return opts->name && opts->capacity && opts->item_size && opts->item_size % 64 == 0 &&
	       (opts->registered || !opts->lent);
}

size_t pool_payload_len(const struct pool_opts *opts)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = (size_t)opts->capacity * opts->item_size;

	return (len + page - 1) & ~(page - 1);
}

static int map_slabs(struct pool *pool, const struct pool_opts *opts)
{
	size_t heads_len;
	int rc;

	pool->stride = sizeof(struct slot) + (opts->registered ? 0 : opts->item_size);
	if (__builtin_mul_overflow(pool->stride, (size_t)opts->capacity, &heads_len))
		return -ENOMEM;
	rc = pool_slab_init(&pool->heads, heads_len, opts->node, NULL);
	if (rc || !opts->registered)
		return rc;
	rc = pool_slab_init(&pool->payloads, pool_payload_len(opts), opts->node, opts->lent);
	if (rc)
		pool_slab_fini(&pool->heads);
	return rc;
}

static char *payload_at(const struct pool *pool, uint32_t index)
{
	return pool->payloads.base ? (char *)pool->payloads.base + (size_t)index * pool->item_size :
				     (char *)(slot_at(pool, index) + 1);
}

int pool_create(const struct pool_opts *opts, struct pool **pool)
{
	struct pool *p;
	uint32_t i;
	int rc;

	if (!shape_is_valid(opts))
		return -EINVAL;
	p = object_alloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	rc = map_slabs(p, opts);
	if (rc) {
		free(p);
		return rc;
	}
	p->name = opts->name;
	p->capacity = opts->capacity;
	p->item_size = opts->item_size;
	p->poison_len = opts->registered ? REGISTERED_POISON_LEN : opts->item_size;
	atomic_init(&p->free, opts->capacity);
	atomic_init(&p->waits, 0);
	pool_inbox_init(&p->inbox);
	for (i = 0; i < p->capacity; i++)
		ASAN_POISON_MEMORY_REGION(payload_at(p, i), p->item_size);
	*pool = p;
	return 0;
}

static void check_poison(const struct pool *pool, const struct slot *slot)
{
	uint32_t at;

	if (!slot->poisoned)
		return;
	at = pool_poison_broken_at(slot->item.payload, pool->poison_len);
	if (at < pool->poison_len)
		pool_panic("%s: item %p was written to after it was given back, at byte %u or near",
			   pool->name, (const void *)&slot->item, at);
}

static void stop_at_item_out(void *ctx, const struct pool_item *item)
{
	const struct pool *pool = ctx;

	pool_panic("%s: destroyed while item %p is out, held by %p", pool->name, (const void *)item,
		   item->holder);
}

void pool_destroy(struct pool *pool)
{
	uint32_t i;

	if (!pool)
		return;
	pool_for_each_out(pool, stop_at_item_out, pool);
	for (i = 0; i < pool->capacity; i++)
		ASAN_UNPOISON_MEMORY_REGION(payload_at(pool, i), pool->item_size);
	for (i = 0; DEBUG_BUILD && i < get_touched(pool); i++)
		check_poison(pool, slot_at(pool, i));
	pool_slab_fini(&pool->payloads);
	pool_slab_fini(&pool->heads);
	free(pool);
}

struct pool_slab *pool_payload_slab(struct pool *pool)
{
	return pool->payloads.base ? &pool->payloads : NULL;
}

ALWAYS_INLINE uint32_t pool_lkey(const struct pool_item *item, unsigned index)
{
	return item->pool->payloads.lkey[index];
}

/* Take and give */

static void set_free(struct pool *pool, uint32_t count)
{
	relaxed_store(&pool->free, count);
}

static void count_wait(struct pool *pool)
{
	uint64_t waits = relaxed_load(&pool->waits);

	relaxed_store(&pool->waits, waits + 1);
}

/* Empties the inbox, oldest chain first. Return: what is free now. */
static uint32_t collect(struct pool *pool)
{
	struct pool_inbox_link *link = pool_inbox_take(&pool->inbox), *next;
	uint32_t count = get_free(pool);
	struct pool_item *item, *first;

	for (; link; link = next) {
		next = link->next;
		item = first = &pool_container(link, struct slot, inbox)->item;
		for (;; item = item->next) {
			item->holder = NULL;
			relaxed_store(&item_slot(item)->returned, false);
			count++;
			if (!item->next)
				break;
		}
		item->next = pool->lifo;
		pool->lifo = first;
	}
	set_free(pool, count);
	return count;
}

static __attribute__((noinline)) struct pool_item *touch(struct pool *pool)
{
	uint32_t index = get_touched(pool);
	struct slot *slot = slot_at(pool, index);

	slot->item.pool = pool;
	slot->item.payload = payload_at(pool, index);
	relaxed_store(&pool->touched, index + 1);
	return &slot->item;
}

/* One is free. */
static ALWAYS_INLINE struct pool_item *take_one(struct pool *pool, void *holder)
{
	struct pool_item *item = pool->lifo;

	if (item)
		pool->lifo = item->next;
	else
		item = touch(pool);
	ASAN_UNPOISON_MEMORY_REGION(item->payload, pool->item_size);
	if (DEBUG_BUILD)
		check_poison(pool, item_slot(item));
	item->holder = holder;
	return item;
}

ALWAYS_INLINE bool pool_has_more(const struct pool *pool, uint32_t count)
{
	return get_free(pool) > count;
}

ALWAYS_INLINE struct pool_item *pool_take_one(struct pool *pool, void *holder)
{
	struct pool_item *item = take_one(pool, holder);

	item->next = NULL;
	relaxed_add(&pool->free, -1u);
	return item;
}

ALWAYS_INLINE struct pool_item *pool_take(struct pool *pool, uint32_t count, uint32_t reserve,
					  void *holder)
{
	uint64_t needed = (uint64_t)count + reserve;
	struct pool_item *first, *last;
	uint32_t left = get_free(pool), i;

	if (!count || !holder)
		pool_panic("%s: %u items taken for holder %p", pool->name, count, holder);
	if (__builtin_expect(left < needed, 0)) {
		left = collect(pool);
		if (left < needed) {
			if (needed <= pool->capacity)
				count_wait(pool);
			return NULL;
		}
	}
	first = last = take_one(pool, holder);
	for (i = 1; i < count; i++)
		last = last->next = take_one(pool, holder);
	last->next = NULL;

	set_free(pool, left - count);
	return first;
}

static void refuse(const struct pool *pool, const struct pool_item *item)
{
	if (item->pool != pool)
		pool_panic("%s: item %p given here belongs to another pool, %p", pool->name,
			   (const void *)item, (void *)item->pool);
	pool_panic("%s: item %p was given back twice", pool->name, (const void *)item);
}

static inline void poison(const struct pool *pool, struct pool_item *item)
{
	if (DEBUG_BUILD) {
		pool_poison_write(item->payload, pool->poison_len);
		item_slot(item)->poisoned = true;
	}
	ASAN_POISON_MEMORY_REGION(item->payload, pool->item_size);
}

static ALWAYS_INLINE void give_one(const struct pool *pool, struct pool_item *item)
{
	if (item->pool != pool || !item->holder || relaxed_load(&item_slot(item)->returned))
		refuse(pool, item);
	poison(pool, item);
	item->holder = NULL;
}

static void add_free(struct pool *pool, struct pool_item *first, struct pool_item *last,
		     uint32_t count)
{
	last->next = pool->lifo;
	pool->lifo = first;
	relaxed_add(&pool->free, count);
}

static __attribute__((noinline)) uint32_t give_many(struct pool *pool, struct pool_item *chain)
{
	struct pool_item *item = chain;
	uint32_t count = 1;

	for (give_one(pool, item); item->next; count++) {
		item = item->next;
		give_one(pool, item);
	}
	add_free(pool, chain, item, count);
	return count;
}

ALWAYS_INLINE uint32_t pool_give(struct pool *pool, struct pool_item *chain)
{
	if (!chain)
		return 0;
	if (chain->next)
		return give_many(pool, chain);
	give_one(pool, chain);
	add_free(pool, chain, chain, 1);
	return 1;
}

ALWAYS_INLINE void pool_give_one(struct pool_item *item)
{
	give_one(item->pool, item);
	add_free(item->pool, item, item, 1);
}

void pool_give_remote(struct pool *pool, struct pool_item *chain)
{
	struct pool_item *item;

	if (!chain)
		return;
	/* The exchange finds two threads that give the same item at the same time, too. */
	for (item = chain; item; item = item->next) {
		if (item->pool != pool || !item->holder ||
		    atomic_exchange_explicit(&item_slot(item)->returned, true,
					     memory_order_relaxed))
			refuse(pool, item);
		poison(pool, item);
	}
	pool_inbox_push(&pool->inbox, &item_slot(chain)->inbox);
}

/* The books */

const char *pool_name(const struct pool *pool)
{
	return pool->name;
}

uint32_t pool_capacity(const struct pool *pool)
{
	return pool->capacity;
}

uint32_t pool_free_count(struct pool *pool)
{
	return collect(pool);
}

ALWAYS_INLINE bool pool_has_plenty(const struct pool *pool)
{
	return get_free(pool) > pool->capacity / 2;
}

void pool_get_books(const struct pool *pool, struct pool_books *books)
{
	uint32_t count = get_free(pool);
	uint32_t peak = get_touched(pool);

	/* Another take may have come between the two loads. */
	if (peak < pool->capacity - count)
		peak = pool->capacity - count;
	*books = (struct pool_books){
		.name = pool->name,
		.capacity = pool->capacity,
		.free = count,
		.peak = peak,
		.waits = relaxed_load(&pool->waits),
	};
}

uint32_t pool_for_each_out(struct pool *pool, void (*each)(void *ctx, const struct pool_item *item),
			   void *ctx)
{
	const struct slot *slot;
	uint32_t i, count = 0;

	collect(pool);
	for (i = 0; i < get_touched(pool); i++) {
		slot = slot_at(pool, i);
		if (!slot->item.holder)
			continue;
		count++;
		if (each)
			each(ctx, &slot->item);
	}
	return count;
}

static bool is_own_item(const struct pool *pool, const struct pool_item *item)
{
	uintptr_t offset = (uintptr_t)item - (uintptr_t)pool->heads.base;

	return offset < pool->capacity * pool->stride && offset % pool->stride == 0 &&
	       item->pool == pool;
}

/* A chain that ends where its length says visits no item twice. */
static void check_lifo(const struct pool *pool)
{
	const struct pool_item *item = pool->lifo;
	uint32_t i, count = get_free(pool) - (pool->capacity - get_touched(pool));

	for (i = 0; i < count; i++, item = item->next) {
		if (!item)
			pool_panic("%s: %u items are on the free list, %u are counted", pool->name,
				   i, count);
		if (!is_own_item(pool, item))
			pool_panic("%s: %p on the free list is no item of the pool", pool->name,
				   (const void *)item);
		if (item->holder)
			pool_panic("%s: item %p on the free list is held by %p", pool->name,
				   (const void *)item, item->holder);
	}
	if (item)
		pool_panic("%s: the free list is longer than the %u items counted, or has a loop",
			   pool->name, count);
}

void pool_check(struct pool *pool)
{
	uint32_t i, out = 0, count = get_free(pool);
	const struct slot *slot;

	check_lifo(pool);
	for (i = 0; i < pool->capacity; i++) {
		slot = slot_at(pool, i);
		if (slot->item.pool != (i < get_touched(pool) ? pool : NULL))
			pool_panic("%s: the head of item %p was overwritten", pool->name,
				   (const void *)&slot->item);
		out += slot->item.holder != NULL;
	}
	if (count + out != pool->capacity)
		pool_panic("%s: %u items are free and %u are out of %u", pool->name, count, out,
			   pool->capacity);
}
