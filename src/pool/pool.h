/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pool of equal items (WRs, data buffers) that belongs to one thread. The owner takes and gives
 * through a plain LIFO without atomics; any other thread gives through an inbox that the owner
 * empties when it next needs items or counts them. Items are taken all or nothing. Every item knows
 * its pool and its holder; giving an item twice, to another pool, or writing to it after it was
 * given, stops the program (the last one in debug builds).
 */
#ifndef WRASSE_POOL_POOL_H
#define WRASSE_POOL_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/list.h"
#include "pool/slab.h"

struct pool;

/* The head of every item. A chain is linked through next and ends with NULL. */
struct pool_item {
	struct pool_item *next;
	struct pool *pool;
	void *payload; /* item_size bytes, aligned to 64 */
	void *holder;  /* who has it; NULL while free */
};

struct pool_opts {
	const char *name;   /* constant string */
	uint32_t capacity;  /* items; at least 1 */
	uint32_t item_size; /* bytes of payload; a multiple of 64 */
	int node;           /* NUMA node, -1: the calling thread's */
	bool registered;    /* payloads lie in a slab of their own, apart from the heads, to be
			       registered with devices */
	void *lent;         /* registered only: page-aligned memory for the payloads, or NULL */
};

/* Return: 0; -EINVAL; -ENOMEM. */
int pool_create(const struct pool_opts *opts, struct pool **pool);

/* Stops the program if an item is out: the books must balance first. NULL is legal. */
void pool_destroy(struct pool *pool);

/* Bytes of payload memory (page-rounded) that a registered pool of this shape needs. */
size_t pool_payload_len(const struct pool_opts *opts);

/* The slab that the payloads of a registered pool lie in. */
struct pool_slab *pool_payload_slab(struct pool *pool);

/* The key of the payloads with a device, of an item whose payload is registered. @index: the device's. */
uint32_t pool_lkey(const struct pool_item *item, unsigned index);

/*
 * The owner. Takes @count items as one chain if at least @count + @reserve are free, else none.
 *
 * @holder: not NULL; noted in each item.
 * Return: the chain; NULL if there are too few (counted as a wait unless @count could never be met,
 * which is the caller's to rule out first). @count is at least 1.
 */
struct pool_item *pool_take(struct pool *pool, uint32_t count, uint32_t reserve, void *holder);

/* The owner: whether more than so many are free, without a look at remote returns. */
bool pool_has_more(const struct pool *pool, uint32_t count);

/* The owner. Takes one where there is one. @holder: not NULL. */
struct pool_item *pool_take_one(struct pool *pool, void *holder);

/* The owner. Gives back a whole chain. Return: how many items it had. */
uint32_t pool_give(struct pool *pool, struct pool_item *chain);

/* The same of an item with none behind it. */
void pool_give_one(struct pool_item *item);

/* Any thread but the owner's. Gives back a whole chain. */
void pool_give_remote(struct pool *pool, struct pool_item *chain);

const char *pool_name(const struct pool *pool);
uint32_t pool_capacity(const struct pool *pool);

/* The owner: what is free now, remote returns included. */
uint32_t pool_free_count(struct pool *pool);

/* The owner: whether more than half is free, without a look at remote returns. */
bool pool_has_plenty(const struct pool *pool);

/* The books; any thread. */
struct pool_books {
	const char *name;
	uint64_t capacity;
	uint64_t free;
	uint64_t peak;
	uint64_t waits;
};

void pool_get_books(const struct pool *pool, struct pool_books *books);

/* The owner: calls @each for every item that is out. Return: how many are. */
uint32_t pool_for_each_out(struct pool *pool, void (*each)(void *ctx, const struct pool_item *item),
			   void *ctx);

/*
 * The owner, debug builds and tests: checks the whole pool: the LIFO is a chain of free items
 * without a loop, its length is the count, every other item has a holder. Stops the program with a
 * message if not.
 */
void pool_check(struct pool *pool);

#endif
