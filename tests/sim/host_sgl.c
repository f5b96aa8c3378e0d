/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the data of a model host's command is: in the capsule, or in ranges of the slot's memory, behind keys
 * of the region or of memory windows. And what the target did there: to every byte and every key.
 */
#include <string.h>

#include "cmd.h"

#define POISON 0xee
#define BEHIND 16u /* bytes behind the last range that are looked at, too */

static uint8_t scratch[1 << 20];

uint8_t *data_scratch(void)
{
	return scratch;
}

/* ---- keys ---- */

/* A window for the whole memory of the slot, bound when the capsule is sent. Return: its key; 0: none. */
static uint32_t window_take(const struct queue *queue, struct slot *slot)
{
	struct window *window = &slot->window[slot->windows];

	if (slot->windows == SIM_MAX_WINDOWS)
		return 0;
	if (!window->mw) {
		window->mw = ibv_alloc_mw(queue->id->pd, IBV_MW_TYPE_2);
		if (!window->mw)
			return 0;
		window->rkey = window->mw->rkey;
	}
	window->rkey = ibv_inc_rkey(window->rkey);
	slot->windows++;
	return window->rkey;
}

struct ibv_send_wr window_bind(const struct queue *queue, const struct slot *slot, uint32_t index)
{
	return (struct ibv_send_wr){
		.opcode = IBV_WR_BIND_MW,
		.bind_mw = {.mw = slot->window[index].mw,
			    .rkey = slot->window[index].rkey,
			    .bind_info = {.mr = queue->data_mr,
					  .addr = (uintptr_t)queue_data(queue, slot),
					  .length = queue->data_len,
					  .mw_access_flags = IBV_ACCESS_REMOTE_READ |
							     IBV_ACCESS_REMOTE_WRITE}},
	};
}

void windows_answered(struct slot *slot, uint32_t key)
{
	for (uint32_t i = 0; i < slot->windows; i++) {
		if (slot->window[i].rkey == key)
			continue;
		ibv_dealloc_mw(slot->window[i].mw);
		slot->window[i].mw = NULL;
	}
}

void windows_free(struct slot *slot)
{
	for (uint32_t i = 0; i < SIM_MAX_WINDOWS; i++)
		if (slot->window[i].mw)
			ibv_dealloc_mw(slot->window[i].mw);
	memset(slot->window, 0, sizeof(slot->window));
}

/*
 * One that fails may or may not invalidate, but what was refused from its capsule alone does not. Of several
 * keys the last one is meant.
 */
void windows_check(const struct slot *slot, const struct answer *answer)
{
	bool can = !plan.device.no_invalidate && !plan.device.invalidate;
	uint32_t key = answer->invalidated;

	if (key && (!can || key != slot->inv_key || slot->refused))
		sim_fail("the response to %s invalidated key %#x, and should %#x", slot->cmd->name,
			 key, slot->refused ? 0 : slot->inv_key);
	if (!key && slot->inv_must && slot->inv_key && !answer->status)
		sim_fail("the response to %s did not invalidate key %#x", slot->cmd->name,
			 slot->inv_key);
}

/* ---- descriptors ---- */

static struct wire_sgl descriptor(struct queue *queue, struct slot *slot, uint32_t off,
				  uint32_t len)
{
	uint32_t key = rng_one_in(3) && len ? window_take(queue, slot) : 0;
	uint8_t id = key && !rng_one_in(4) ? SGL_KEYED_INV : SGL_KEYED;

	if (id == SGL_KEYED_INV) {
		slot->inv_key = key;
		slot->inv_must = target_invalidates();
	}
	return wire_sgl_keyed(id, (uintptr_t)queue_data(queue, slot) + off, len,
			      key ? key : queue->data_mr->rkey);
}

static void add_piece(struct slot *slot, uint32_t off, uint32_t len)
{
	slot->piece[slot->piece_count].off = off;
	slot->piece[slot->piece_count++].len = len;
}

static uint32_t describe_keyed(struct queue *queue, struct slot *slot, uint32_t len)
{
	struct wire_sgl sgl = descriptor(queue, slot, 0, len);

	memcpy(queue_capsule(queue, slot) + SQE_SGL, sgl.b, 16);
	add_piece(slot, 0, len);
	return 64;
}

static uint32_t describe_list(struct queue *queue, struct slot *slot, uint32_t len, uint32_t count)
{
	uint8_t *capsule = queue_capsule(queue, slot);
	struct wire_sgl sgl = wire_sgl_plain(SGL_LAST_OFFSET, 0, 16 * count);
	uint32_t off = rng_below(8), left = len;

	memcpy(capsule + SQE_SGL, sgl.b, 16);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t piece = i == count - 1 ? left : rng_below(2 * left / (count - i) + 1);

		if (piece > left)
			piece = left;
		sgl = descriptor(queue, slot, off, piece);
		memcpy(capsule + 64 + 16 * (size_t)i, sgl.b, 16);
		add_piece(slot, off, piece);
		off += piece + rng_below(32);
		left -= piece;
	}
	return 64 + 16 * count;
}

static uint32_t describe_in_capsule(struct queue *queue, struct slot *slot, uint32_t len)
{
	struct wire_sgl sgl = wire_sgl_plain(SGL_DATA_OFFSET, 0, len);

	memcpy(queue_capsule(queue, slot) + SQE_SGL, sgl.b, 16);
	slot->in_capsule = len;
	return 64 + len;
}

static uint32_t icd_limit(void)
{
	if (plan.target.no_in_capsule_data)
		return 0;
	return plan.target.in_capsule_data_len ? plan.target.in_capsule_data_len : 4096;
}

uint32_t data_describe(struct queue *queue, struct slot *slot, uint32_t len, unsigned ways)
{
	uint32_t pieces = rng_between(2, SIM_MAX_PIECES);

	if ((ways & DATA_IN_CAPSULE) && plan.shape == SHAPE_ANY && len <= icd_limit() && rng_flip())
		return describe_in_capsule(queue, slot, len);
	if ((ways & DATA_LIST) && plan.shape != SHAPE_KEYED && 16 * pieces <= icd_limit() &&
	    (plan.shape == SHAPE_LIST || rng_one_in(3)))
		return describe_list(queue, slot, len, pieces);
	return describe_keyed(queue, slot, len);
}

/* ---- bytes ---- */

void data_put(struct queue *queue, const struct slot *slot, const uint8_t *from)
{
	memcpy(queue_capsule(queue, slot) + 64, from, slot->in_capsule);
	for (uint32_t i = 0; i < slot->piece_count; i++) {
		memcpy(queue_data(queue, slot) + slot->piece[i].off, from, slot->piece[i].len);
		from += slot->piece[i].len;
	}
}

const uint8_t *data_get(struct queue *queue, const struct slot *slot)
{
	const uint8_t *data = queue_data(queue, slot);
	uint8_t *to = scratch;

	if (slot->piece_count == 1)
		return data + slot->piece[0].off;
	for (uint32_t i = 0; i < slot->piece_count; i++) {
		memcpy(to, data + slot->piece[i].off, slot->piece[i].len);
		to += slot->piece[i].len;
	}
	return scratch;
}

static uint32_t data_end(const struct slot *slot)
{
	uint32_t last = slot->piece_count;

	return last ? slot->piece[last - 1].off + slot->piece[last - 1].len : 0;
}

void data_poison(struct queue *queue, const struct slot *slot)
{
	memset(queue_data(queue, slot), POISON, data_end(slot) + BEHIND);
}

static void expect_poison(const struct slot *slot, const uint8_t *data, uint32_t from, uint32_t to)
{
	/* Equal to itself, shifted by one: all are the same. */
	if (from == to ||
	    (data[from] == POISON && !memcmp(data + from, data + from + 1, to - from - 1)))
		return;
	while (data[from] == POISON)
		from++;
	sim_fail("%s wrote to byte %u of the host's memory, which is not its to write",
		 slot->cmd->name, from);
}

void data_check(struct queue *queue, const struct slot *slot, bool none)
{
	const uint8_t *data = queue_data(queue, slot);
	uint32_t from = 0;

	for (uint32_t i = 0; i < slot->piece_count && !none; i++) {
		expect_poison(slot, data, from, slot->piece[i].off);
		from = slot->piece[i].off + slot->piece[i].len;
	}
	expect_poison(slot, data, from, data_end(slot) + BEHIND);
}
