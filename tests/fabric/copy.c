/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes of the program: held in place, copied, and compared with what they were.
 */
#include <string.h>

#include "engine.h"

/* What is longer is compared in samples. */
#define WHOLE   4096u
#define SAMPLE  64u
#define SAMPLES 16u

enum fab_fault fab_pieces_hold(struct fab_pieces *pieces, unsigned access, const struct ibv_pd *pd,
			       uint32_t qpn)
{
	if (pieces->bytes)
		return FAB_FAULT_NONE;
	for (uint32_t i = 0; i < pieces->count; i++) {
		const struct ibv_sge *sge = &pieces->sge[i];
		enum fab_fault fault = FAB_FAULT_NONE;

		/* A piece of no length needs no key. */
		pieces->held[i] = NULL;
		if (sge->length)
			fault = fab_key_hold(sge->lkey, sge->addr, sge->length, access, pd, qpn,
					     &pieces->held[i]);
		if (fault) {
			while (i-- > 0)
				fab_key_release(pieces->held[i]);
			return fault;
		}
	}
	return FAB_FAULT_NONE;
}

void fab_pieces_release(struct fab_pieces *pieces)
{
	if (pieces->bytes || fab_mode == FABRIC_SIMULATED)
		return;
	for (uint32_t i = 0; i < pieces->count; i++)
		fab_key_release(pieces->held[i]);
}

/* Walks pieces. */
struct walk {
	const struct fab_pieces *pieces;
	uint32_t next; /* piece */
	uint8_t *at;
	uint32_t left; /* in this piece */
};

static void walk_begin(struct walk *walk, const struct fab_pieces *pieces)
{
	walk->pieces = pieces;
	walk->next = 0;
	walk->left = 0;
	if (pieces->bytes) {
		walk->at = (uint8_t *)(uintptr_t)pieces->bytes;
		walk->left = UINT32_MAX;
	}
}

static void walk_on(struct walk *walk)
{
	while (!walk->left) {
		const struct ibv_sge *sge = &walk->pieces->sge[walk->next];
		const struct fab_key *key = walk->pieces->held[walk->next++];

		walk->left = sge->length;
		if (key)
			walk->at = (uint8_t *)(uintptr_t)(sge->addr + key->shift);
	}
}

void fab_copy(const struct fab_pieces *to, const struct fab_pieces *from, uint32_t len)
{
	struct walk dst, src;

	walk_begin(&dst, to);
	walk_begin(&src, from);
	while (len) {
		uint32_t n = len;

		walk_on(&dst);
		walk_on(&src);
		if (dst.left < n)
			n = dst.left;
		if (src.left < n)
			n = src.left;
		memmove(dst.at, src.at, n);
		dst.at += n;
		dst.left -= n;
		src.at += n;
		src.left -= n;
		len -= n;
	}
}

static uint64_t mix(uint64_t hash, const uint8_t *bytes, size_t len)
{
	for (; len >= 8; bytes += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, bytes, 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	for (; len; bytes++, len--)
		hash = (hash ^ *bytes) * 0x100000001b3u;
	return hash;
}

static uint64_t mix_piece(uint64_t hash, const uint8_t *bytes, uint32_t len)
{
	if (len <= WHOLE)
		return mix(hash, bytes, len);
	for (uint32_t i = 0; i < SAMPLES; i++)
		hash = mix(hash, bytes + (uint64_t)(len - SAMPLE) * i / (SAMPLES - 1), SAMPLE);
	return hash;
}

uint64_t fab_print(const struct fab_pieces *pieces, uint32_t len)
{
	uint64_t hash = 1;
	struct walk walk;

	walk_begin(&walk, pieces);
	while (len) {
		uint32_t n = len;

		walk_on(&walk);
		if (walk.left < n)
			n = walk.left;
		hash = mix_piece(hash, walk.at, n);
		walk.left -= n;
		len -= n;
	}
	return hash;
}
