/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory keys. A slot that was given back is used again as late as possible, with another variant, so
 * that an old key is found out. In the threaded mode a region is held while bytes are copied: who
 * makes it invalid waits for the copy.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "engine.h"

#define CHUNK_SHIFT 10
#define CHUNK       (1u << CHUNK_SHIFT)
#define CHUNKS      (1u << (24 - CHUNK_SHIFT))

static struct fab_key *chunks[CHUNKS];
static uint32_t slot_count; /* the first is never used: key 0 is none */
static struct fab_key *oldest_free, *newest_free;

static struct fab_key *slot_at(uint32_t slot)
{
	struct fab_key *chunk = __atomic_load_n(&chunks[slot >> CHUNK_SHIFT], __ATOMIC_ACQUIRE);

	return chunk ? &chunk[slot & (CHUNK - 1)] : NULL;
}

static struct fab_key *slot_new(void)
{
	uint32_t slot = slot_count;
	struct fab_key *key = slot_at(slot);

	if (!key) {
		if (slot >> CHUNK_SHIFT >= CHUNKS)
			return NULL;
		key = fab_alloc(CHUNK * sizeof(*key));
		for (uint32_t i = 0; i < CHUNK; i++)
			pthread_mutex_init(&key[i].lock, NULL);
		__atomic_store_n(&chunks[slot >> CHUNK_SHIFT], key, __ATOMIC_RELEASE);
		key = slot_at(slot);
	}
	slot_count++;
	key->key = slot << 8;
	return key;
}

void fab_keys_init(void)
{
	slot_count = 1;
	oldest_free = NULL;
	newest_free = NULL;
	for (uint32_t i = 0; i < CHUNKS && chunks[i]; i++)
		for (uint32_t j = 0; j < CHUNK; j++)
			chunks[i][j].valid = false;
}

/* fab_world is held. */
struct fab_key *fab_key_take(void)
{
	struct fab_key *key = oldest_free;

	if (key)
		oldest_free = key->next;
	else
		key = slot_new();
	if (!key)
		return NULL;
	fab_lock(&key->lock);
	key->key = (key->key & ~0xffu) | ((key->key + 1) & 0xff);
	key->taken = true;
	key->valid = false;
	key->is_window = false;
	key->parent = NULL;
	key->windows = 0;
	key->qpn = 0;
	key->shift = 0;
	fab_unlock(&key->lock);
	return key;
}

/* The lock of the key is held. */
static void wait_for_copies(struct fab_key *key)
{
	while (__atomic_load_n(&key->busy, __ATOMIC_ACQUIRE))
		sched_yield();
}

/* fab_world is held. */
void fab_key_give(struct fab_key *key)
{
	fab_lock(&key->lock);
	key->valid = false;
	key->taken = false;
	wait_for_copies(key);
	fab_unlock(&key->lock);
	key->next = NULL;
	if (oldest_free)
		newest_free->next = key;
	else
		oldest_free = key;
	newest_free = key;
}

struct fab_key *fab_key_find(uint32_t key)
{
	return key >> 8 ? slot_at(key >> 8) : NULL;
}

static enum fab_fault check(const struct fab_key *key, uint32_t value, uint64_t addr, uint64_t len,
			    unsigned access, const struct ibv_pd *pd, uint32_t qpn)
{
	if (!key->valid || key->key != value)
		return FAB_FAULT_KEY;
	if (key->pd != pd || (key->qpn && key->qpn != qpn))
		return FAB_FAULT_PD;
	if (addr < key->addr || len > key->len || addr - key->addr > key->len - len)
		return FAB_FAULT_RANGE;
	return (key->access & access) == access ? FAB_FAULT_NONE : FAB_FAULT_RIGHTS;
}

enum fab_fault fab_key_hold(uint32_t value, uint64_t addr, uint64_t len, unsigned access,
			    const struct ibv_pd *pd, uint32_t qpn, struct fab_key **held)
{
	struct fab_key *key = fab_key_find(value);
	enum fab_fault fault;

	*held = NULL;
	if (!key)
		return FAB_FAULT_KEY;
	fab_lock(&key->lock);
	fault = check(key, value, addr, len, access, pd, qpn);
	if (!fault) {
		*held = key;
		if (fab_mode == FABRIC_THREADED) {
			__atomic_fetch_add(&key->busy, 1, __ATOMIC_ACQUIRE);
			/* The region of a window stays: it cannot go while the window is bound,
			 * and unbinding waits for us. */
		}
	}
	fab_unlock(&key->lock);
	return fault;
}

void fab_key_release(struct fab_key *held)
{
	if (held && fab_mode == FABRIC_THREADED)
		__atomic_fetch_sub(&held->busy, 1, __ATOMIC_RELEASE);
}

const char *fab_fault_str(enum fab_fault fault)
{
	static const char *const names[] = {
		[FAB_FAULT_NONE] = "nothing",
		[FAB_FAULT_KEY] = "an invalid key",
		[FAB_FAULT_PD] = "a key of another protection domain or queue pair",
		[FAB_FAULT_RANGE] = "addresses outside its region",
		[FAB_FAULT_RIGHTS] = "a key without the right to it",
	};

	return names[fault];
}

/* ---- windows ---- */

void fab_window_unbind(struct fab_key *window)
{
	struct fab_key *parent;

	fab_lock(&window->lock);
	parent = window->parent;
	window->parent = NULL;
	window->valid = false;
	wait_for_copies(window);
	fab_unlock(&window->lock);
	if (parent)
		__atomic_fetch_sub(&parent->windows, 1, __ATOMIC_RELEASE);
}

/* Whether the region allows it. Counts the window in, so that the region cannot go. */
static struct fab_key *region_bind(const struct fab_qp *qp, const struct fab_swqe *wqe)
{
	const unsigned writes = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC;
	unsigned need = IBV_ACCESS_MW_BIND;
	struct fab_key *region;
	enum fab_fault fault;

	if (wqe->bind_access & writes)
		need |= IBV_ACCESS_LOCAL_WRITE;
	fault = fab_key_hold(wqe->bind_lkey, wqe->bind_addr, wqe->bind_len, need, qp->ibv.pd, 0,
			     &region);
	if (fault || region->is_window) {
		fab_key_release(region);
		return NULL;
	}
	__atomic_fetch_add(&region->windows, 1, __ATOMIC_ACQUIRE);
	fab_key_release(region);
	return region;
}

enum ibv_wc_status fab_window_bind(struct fab_qp *qp, const struct fab_swqe *wqe)
{
	struct fab_key *window = wqe->window, *region;
	bool ok;

	region = region_bind(qp, wqe);
	if (!region)
		return IBV_WC_MW_BIND_ERR;
	fab_lock(&window->lock);
	ok = window->taken && window->is_window && !window->valid && window->pd == qp->ibv.pd &&
	     window->key >> 8 == wqe->rkey >> 8 && window->key != wqe->rkey;
	if (ok) {
		window->key = wqe->rkey;
		window->addr = wqe->bind_addr;
		window->len = wqe->bind_len;
		window->access = wqe->bind_access;
		window->qpn = qp->ibv.qp_num;
		window->shift = region->shift;
		window->parent = region;
		window->valid = true;
	}
	fab_unlock(&window->lock);
	if (ok)
		return IBV_WC_SUCCESS;
	__atomic_fetch_sub(&region->windows, 1, __ATOMIC_RELEASE);
	return IBV_WC_MW_BIND_ERR;
}

bool fab_key_invalidate(struct fab_qp *qp, uint32_t value)
{
	struct fab_key *key = fab_key_find(value);
	bool ok;

	if (!key)
		return false;
	fab_lock(&key->lock);
	ok = key->valid && key->is_window && key->key == value && key->qpn == qp->ibv.qp_num;
	fab_unlock(&key->lock);
	if (ok)
		fab_window_unbind(key);
	return ok;
}
