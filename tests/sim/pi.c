/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protection information as backends and hosts know it, written apart from the library: the guard by its polynomial,
 * one application tag, and the block's address as its reference tag.
 */
#include <string.h>

#include "cmd.h"

#define APP   0x7477u
#define PRACT (0x2000u << 16) /* CDW12 */
#define GUARD (0x1000u << 16)
#define APPS  (0x0800u << 16)
#define REF   (0x0400u << 16)
#define CDW14 56
#define CDW15 60

/* CRC-16 T10-DIF, bit by bit. */
static uint16_t guard_of(const uint8_t *block)
{
	uint32_t crc = 0;

	for (uint32_t i = 0; i < SIM_BLOCK; i++) {
		crc ^= (uint32_t)block[i] << 8;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc & 0x8000 ? 0x18bb7 : 0);
	}
	return (uint16_t)crc;
}

static void put_big(uint8_t *at, unsigned bytes, uint32_t value)
{
	for (unsigned i = bytes; i-- > 0; value >>= 8)
		at[i] = (uint8_t)value;
}

static uint32_t get_big(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

void pi_make(const struct media *m, uint32_t lba, const uint8_t *block, uint8_t *tuple)
{
	(void)m;
	put_big(tuple, 2, guard_of(block));
	put_big(tuple + 2, 2, APP);
	put_big(tuple + 4, 4, lba);
}

/* Never written, or discarded. */
static bool is_blank(const uint8_t *tuple)
{
	static const uint8_t blank[SIM_PI_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	return memcmp(tuple, blank, sizeof(blank)) == 0;
}

void pi_check(const struct media *m, uint32_t lba, const uint8_t *block, const uint8_t *tuple)
{
	uint32_t guard = get_big(tuple, 2), app = get_big(tuple + 2, 2),
		 ref = get_big(tuple + 4, 4);

	if (is_blank(tuple))
		return;
	if (guard != guard_of(block))
		sim_fail("LBA %u of namespace %u has guard %#x, which should be %#x", lba, m->nsid,
			 guard, guard_of(block));
	if (app != APP)
		sim_fail("LBA %u of namespace %u has application tag %#x", lba, m->nsid, app);
	/* Of type 3 the library counts no blocks: all that it makes of a command have the first one's. */
	if (m->pi_type != 3 && ref != lba)
		sim_fail("LBA %u of namespace %u has reference tag %u", lba, m->nsid, ref);
}

/* ---- hosts ---- */

void pi_put(struct slot *slot, uint8_t *capsule, bool data)
{
	uint32_t checks;

	slot->tuples = false;
	if (!slot->media->pi_type)
		return;
	checks = (uint32_t)rng_next() & (GUARD | APPS);
	slot->tuples =
		data && rng_flip() && slot->blocks * (SIM_BLOCK + SIM_PI_LEN) <= plan.max_len;
	if (slot->media->pi_type != 3 && rng_flip())
		checks |= REF;
	if (data && !slot->tuples)
		checks |= PRACT;
	wire_put32(capsule, SQE_CDW12, wire_get32(capsule, SQE_CDW12) | checks);
	wire_put32(capsule, CDW14, slot->lba);
	wire_put32(capsule, CDW15, APP | 0xffffu << 16);
}

/* ---- backends ---- */

void pi_carry_out(const struct wrasse_io *io, struct media *m)
{
	uint32_t lba = (uint32_t)(io->offset / SIM_BLOCK);
	size_t len = (size_t)(io->length / SIM_BLOCK) * SIM_PI_LEN;
	bool moves = io->opcode == WRASSE_IO_READ || io->opcode == WRASSE_IO_WRITE;
	const char *owner;

	if (!io->pi != !(m->pi_type && moves))
		sim_fail("an I/O with opcode %u and %s protection information", io->opcode,
			 io->pi ? "with" : "no");
	if (!m->pi_type)
		return;
	if (io->opcode == WRASSE_IO_DISCARD)
		memset(m->pi + (size_t)lba * SIM_PI_LEN, 0xff, len);
	if (!moves)
		return;
	owner = fabric_memory_owner(io->pi, len, io->opcode == WRASSE_IO_WRITE);
	if (owner)
		sim_fail("the hardware has the backend's protection information: %s", owner);
	if (io->opcode == WRASSE_IO_READ) {
		memcpy(io->pi, m->pi + (size_t)lba * SIM_PI_LEN, len);
		return;
	}
	memcpy(m->pi + (size_t)lba * SIM_PI_LEN, io->pi, len);
	for (uint32_t i = lba; i < lba + io->length / SIM_BLOCK; i++)
		pi_check(m, i, m->data + (size_t)i * SIM_BLOCK, m->pi + (size_t)i * SIM_PI_LEN);
}
