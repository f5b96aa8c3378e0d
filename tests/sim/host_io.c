/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model host's I/O commands, and the media as hosts know them: which generation each block holds. The table
 * is at the end.
 */
#include <string.h>

#include "cmd.h"

#define RW_FUA   (1u << 30)
#define RW_DEAC  (1u << 25)
#define COPY_MAX 4u  /* source ranges */
#define DSM_MAX  8u  /* ranges */
#define PAIR_MAX 16u /* blocks: 8 KiB, NACWU */
#define FUSE_1ST 0x01
#define FUSE_2ND 0x02
#define DSM_AD   0x04u

/* ---- the media ---- */

/* A namespace of the controller that is not on its way out; NULL: there is none. */
static struct media *choose_media(const struct ctrl *ctrl)
{
	struct media *some = NULL;
	unsigned seen = 0;

	for (unsigned i = 0; i < media_count; i++) {
		struct media *m = &media[i];

		if (m->subsystem == ctrl->subsystem && !m->removing && rng_below(++seen) == 0)
			some = m;
	}
	return some;
}

/* Whether a command may touch the range, so that what is read is certain. */
static bool range_is_free(const struct media *m, uint32_t lba, uint32_t blocks, bool writing)
{
	for (uint32_t i = lba; i < lba + blocks; i++)
		if (m->block[i].writing || (writing && m->block[i].readers) ||
		    m->block[i].readers == 255)
			return false;
	return true;
}

/* Some range of some namespace, into the slot and its capsule; range_begin() must follow. */
static bool range_choose(struct queue *queue, struct slot *slot, uint8_t *capsule, bool writing)
{
	struct media *m = choose_media(queue->ctrl);
	uint32_t most = plan.max_len / SIM_BLOCK, blocks, lba;

	if (!m)
		return false;
	blocks = rng_between(1, rng_one_in(4) ? most : (most + 3) / 4);
	lba = rng_below(m->blocks - blocks + 1);
	if (!range_is_free(m, lba, blocks, writing))
		return false;
	slot->media = m;
	slot->lba = lba;
	slot->blocks = blocks;
	wire_put32(capsule, SQE_NSID, m->nsid);
	wire_put64(capsule, SQE_CDW10, lba);
	wire_put32(capsule, SQE_CDW12, (blocks - 1) | (rng_one_in(8) ? RW_FUA : 0));
	return true;
}

/* Bytes that a Read or Write of it moves. */
static uint32_t range_len(const struct slot *slot)
{
	return slot->blocks * (SIM_BLOCK + (slot->tuples ? SIM_PI_LEN : 0));
}

static void range_begin_read(const struct slot *slot)
{
	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++)
		slot->media->block[i].readers++;
}

static void range_end_read(struct slot *slot)
{
	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++)
		slot->media->block[i].readers--;
}

/* The blocks will hold a generation that none of them has held. */
static void range_begin_write(struct slot *slot)
{
	struct media_block *block = slot->media->block;
	uint32_t gen = 0;

	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++)
		if (block[i].issued > gen)
			gen = block[i].issued;
	slot->gen = gen + 1;
	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++) {
		block[i].issued = slot->gen;
		block[i].writing = true;
	}
}

/* @done: they hold slot->gen now; else they may, or may not. */
static void range_end_write(struct slot *slot, bool done)
{
	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++) {
		struct media_block *block = &slot->media->block[i];

		block->writing = false;
		block->maybe_bad |= block->bad && !done;
		block->bad = false;
		if (done) {
			block->gen = slot->gen;
			block->shift = 0;
		} else {
			block->tainted = true;
			block->foreign |= block->shift != 0;
		}
	}
}

/* ---- Read ---- */

static uint32_t read_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	if (!range_choose(queue, slot, capsule, false))
		return 0;
	pi_put(slot, capsule, true);
	range_begin_read(slot);
	return data_describe(queue, slot, range_len(slot), DATA_KEYED | DATA_LIST);
}

static void check_block(const struct slot *slot, uint32_t index, const uint8_t *data)
{
	const struct media *m = slot->media;
	uint32_t lba = slot->lba + index;
	const struct media_block *block = &m->block[lba];
	uint32_t gen = pattern_gen(data, lba + (uint32_t)block->shift, media_id(m));

	if (block->foreign)
		return;
	if (gen == UINT32_MAX || gen > block->issued || (!block->tainted && gen != block->gen))
		sim_fail("read of namespace %u: LBA %u has generation %d, which should be %u%s",
			 m->nsid, lba, (int)gen, block->gen, block->tainted ? " or near" : "");
}

/* What cannot be read is not, and the rest is. */
static void check_readable(const struct slot *slot, uint16_t status)
{
	bool may_fail = false;

	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++) {
		const struct media_block *block = &slot->media->block[i];

		if (status == ST_OK && block->bad && !block->tainted)
			sim_fail("LBA %u was read, which was made uncorrectable", i);
		may_fail |= block->bad || block->maybe_bad;
	}
	if (status == ST_UNRECOVERED && !may_fail)
		sim_fail("LBA %u and %u more are said to be unreadable", slot->lba,
			 slot->blocks - 1);
}

static void read_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	const uint8_t *data;

	range_end_read(slot);
	check_readable(slot, answer->status);
	if (answer->status)
		return;
	data = data_get(queue, slot);
	for (uint32_t i = 0; i < slot->blocks; i++, data += range_len(slot) / slot->blocks) {
		check_block(slot, i, data);
		if (slot->tuples)
			pi_check(slot->media, slot->lba + i, data, data + SIM_BLOCK);
	}
	host_counts.reads_checked++;
}

/* ---- Write ---- */

static uint32_t write_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint8_t *data = data_scratch();
	uint32_t len;

	if (!range_choose(queue, slot, capsule, true))
		return 0;
	pi_put(slot, capsule, true);
	range_begin_write(slot);
	len = data_describe(queue, slot, range_len(slot), DATA_KEYED | DATA_LIST | DATA_IN_CAPSULE);
	for (uint32_t i = 0; i < slot->blocks; i++, data += range_len(slot) / slot->blocks) {
		pattern_fill(data, slot->lba + i, 1, media_id(slot->media), slot->gen);
		if (slot->tuples)
			pi_make(slot->media, slot->lba + i, data, data + SIM_BLOCK);
	}
	data_put(queue, slot, data_scratch());
	return len;
}

static void write_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	(void)queue;
	range_end_write(slot, answer->status == ST_OK);
}

static void write_cut(struct slot *slot)
{
	range_end_write(slot, false);
}

/* ---- Write Zeroes, Dataset Management ---- */

/* The blocks will hold generation 0, which is zeroes. */
static void range_begin_zero(struct slot *slot)
{
	range_begin_write(slot);
	slot->gen = 0;
}

static uint32_t zeroes_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	if (!range_choose(queue, slot, capsule, true))
		return 0;
	range_begin_zero(slot);
	pi_put(slot, capsule, false);
	if (rng_flip())
		wire_put32(capsule, SQE_CDW12, wire_get32(capsule, SQE_CDW12) | RW_DEAC);
	return 64;
}

/* The range as several, some of no length. Return: how many. */
static uint32_t dsm_split(const struct slot *slot, uint8_t *ranges)
{
	uint32_t count = rng_between(1, DSM_MAX), lba = slot->lba, left = slot->blocks;

	for (uint32_t i = 0; i < count; i++, ranges += 16) {
		uint32_t blocks = i == count - 1 ? left : rng_below(left + 1);

		wire_put32(ranges, 0, (uint32_t)rng_next());
		wire_put32(ranges, 4, blocks);
		wire_put64(ranges, 8, lba);
		lba += blocks;
		left -= blocks;
	}
	return count;
}

static uint32_t dsm_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t count, len;

	if (!range_choose(queue, slot, capsule, true))
		return 0;
	count = dsm_split(slot, data_scratch());
	wire_put64(capsule, SQE_CDW10, (count - 1) | (uint64_t)DSM_AD << 32);
	wire_put32(capsule, SQE_CDW12, 0);
	if (slot->media->io_opcodes & WRASSE_IO_BIT(WRASSE_IO_DISCARD)) {
		range_begin_zero(slot);
	} else {
		slot->blocks = 0;
		slot->refused = true;
		slot->expect = ST_OPCODE;
	}
	len = data_describe(queue, slot, 16 * count, DATA_KEYED | DATA_LIST | DATA_IN_CAPSULE);
	data_put(queue, slot, data_scratch());
	return len;
}

/* ---- Compare, Verify ---- */

/* What the blocks hold, as far as is certain; with one bit changed if it shall differ. */
static bool compare_fill(const struct slot *slot, bool differ)
{
	uint8_t *data = data_scratch();

	for (uint32_t i = 0; i < slot->blocks; i++) {
		const struct media_block *block = &slot->media->block[slot->lba + i];

		if (block->tainted)
			return false;
		pattern_fill(data + (size_t)i * SIM_BLOCK, slot->lba + i + (uint32_t)block->shift,
			     1, media_id(slot->media), block->gen);
	}
	if (differ)
		data[rng_below(slot->blocks * SIM_BLOCK)] ^= 0x40;
	return true;
}

static uint32_t compare_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	bool differ = rng_flip();
	uint32_t len;

	if (!range_choose(queue, slot, capsule, false) || slot->media->pi_type ||
	    !compare_fill(slot, differ))
		return 0;
	range_begin_read(slot);
	slot->expect = differ ? ST_COMPARE : ST_OK;
	len = data_describe(queue, slot, slot->blocks * SIM_BLOCK,
			    DATA_KEYED | DATA_LIST | DATA_IN_CAPSULE);
	data_put(queue, slot, data_scratch());
	return len;
}

static uint32_t verify_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	if (!range_choose(queue, slot, capsule, false))
		return 0;
	pi_put(slot, capsule, false);
	range_begin_read(slot);
	return 64;
}

/* Of Compare and Verify. */
static void range_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	(void)queue;
	range_end_read(slot);
	check_readable(slot, answer->status == ST_COMPARE ? ST_OK : answer->status);
}

/* ---- Write Uncorrectable ---- */

static uint32_t uncorrectable_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	if (!range_choose(queue, slot, capsule, true))
		return 0;
	wire_put32(capsule, SQE_CDW12, slot->blocks - 1); /* it has no FUA */
	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++)
		slot->media->block[i].writing = true;
	return 64;
}

static void uncorrectable_end(struct slot *slot, bool done)
{
	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++) {
		struct media_block *block = &slot->media->block[i];

		block->writing = false;
		block->bad |= done;
		block->maybe_bad |= !done;
	}
}

static void uncorrectable_answered(struct queue *queue, struct slot *slot,
				   const struct answer *answer)
{
	(void)queue;
	uncorrectable_end(slot, answer->status == ST_OK);
}

static void uncorrectable_cut(struct slot *slot)
{
	uncorrectable_end(slot, false);
}

/* ---- Copy ---- */

/* Some blocks that are not those of the slot, and whose content is certain. */
static bool source_choose(struct slot *slot)
{
	const struct media *m = slot->media;
	uint32_t at = rng_below(m->blocks - slot->blocks + 1);

	if (at < slot->lba + slot->blocks && slot->lba < at + slot->blocks)
		return false;
	for (uint32_t i = at; i < at + slot->blocks; i++)
		if (m->block[i].tainted)
			return false;
	slot->source = at;
	return range_is_free(m, at, slot->blocks, false);
}

/* The source as some ranges, one behind the other. Return: how many. */
static uint32_t copy_split(const struct slot *slot, uint8_t *ranges, uint32_t len)
{
	uint32_t at = slot->source, left = slot->blocks, count = 0;

	while (left) {
		uint32_t blocks = count == COPY_MAX - 1 ? left : rng_between(1, left);

		memset(ranges, 0xa5, len);
		wire_put64(ranges, 8, at);
		wire_put16(ranges, 16, (uint16_t)(blocks - 1));
		at += blocks;
		left -= blocks;
		ranges += len;
		count++;
	}
	return count;
}

static uint32_t copy_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t format = rng_below(2), entry = format ? 40 : 32, count, len;

	if (!range_choose(queue, slot, capsule, true) || slot->media->pi_type ||
	    !source_choose(slot))
		return 0;
	range_begin_write(slot);
	for (uint32_t i = 0; i < slot->blocks; i++)
		slot->media->block[slot->source + i].readers++;
	count = copy_split(slot, data_scratch(), entry);
	wire_put32(capsule, SQE_CDW12, (count - 1) | format << 8 | (rng_flip() ? RW_FUA : 0));
	len = data_describe(queue, slot, entry * count, DATA_KEYED | DATA_LIST | DATA_IN_CAPSULE);
	data_put(queue, slot, data_scratch());
	return len;
}

static void copy_end(struct slot *slot, bool done)
{
	for (uint32_t i = 0; i < slot->blocks; i++) {
		struct media_block *to = &slot->media->block[slot->lba + i];
		struct media_block *from = &slot->media->block[slot->source + i];

		from->readers--;
		to->writing = false;
		to->maybe_bad |= to->bad && !done;
		to->bad = false;
		if (done && from->bad && !from->tainted)
			sim_fail("LBA %u was copied, which was made uncorrectable",
				 slot->source + i);
		if (!done) {
			to->tainted = to->foreign = true;
			continue;
		}
		to->gen = from->gen;
		to->shift = from->shift + (int32_t)(slot->source - slot->lba);
		to->foreign |= to->tainted && to->shift;
		if (to->issued < to->gen)
			to->issued = to->gen;
	}
}

static void copy_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	(void)queue;
	copy_end(slot, answer->status == ST_OK);
}

static void copy_cut(struct slot *slot)
{
	copy_end(slot, false);
}

/* ---- fused Compare and Write ---- */

static const struct slot *first_half; /* of the pair that is being made */

/* The range belongs to the second half. */
static uint32_t first_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	bool differ = rng_flip();
	uint32_t len;

	if (!range_choose(queue, slot, capsule, true) || slot->media->pi_type)
		return 0;
	if (slot->blocks > PAIR_MAX)
		slot->blocks = PAIR_MAX;
	if (!compare_fill(slot, differ))
		return 0;
	slot->half = true;
	slot->expect = differ ? ST_COMPARE : ST_OK;
	capsule[SQE_FLAGS] |= FUSE_1ST;
	wire_put32(capsule, SQE_CDW12, slot->blocks - 1);
	len = data_describe(queue, slot, slot->blocks * SIM_BLOCK,
			    DATA_KEYED | DATA_LIST | DATA_IN_CAPSULE);
	data_put(queue, slot, data_scratch());
	first_half = slot;
	return len;
}

static uint32_t second_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t len;

	slot->half = true;
	slot->media = first_half->media;
	slot->lba = first_half->lba;
	slot->blocks = first_half->blocks;
	slot->expect = first_half->expect == ST_OK ? ST_OK : ST_FAILED_FUSED;
	range_begin_write(slot);
	capsule[SQE_FLAGS] |= FUSE_2ND;
	wire_put32(capsule, SQE_NSID, slot->media->nsid);
	wire_put64(capsule, SQE_CDW10, slot->lba);
	wire_put32(capsule, SQE_CDW12, slot->blocks - 1);
	len = data_describe(queue, slot, slot->blocks * SIM_BLOCK,
			    DATA_KEYED | DATA_LIST | DATA_IN_CAPSULE);
	pattern_fill(data_scratch(), slot->lba, slot->blocks, media_id(slot->media), slot->gen);
	data_put(queue, slot, data_scratch());
	return len;
}

/* A second half that was aborted has written nothing: reads will tell. */
static void second_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	if (answer->status != ST_FAILED_FUSED && answer->status != ST_MISSING_FUSED) {
		write_answered(queue, slot, answer);
		return;
	}
	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++)
		slot->media->block[i].writing = false;
}

static const struct cmd first_cmd = {
	.name = "first half Compare", .opcode = OPC_COMPARE, .make = first_make};
static const struct cmd second_cmd = {.name = "second half Write",
				      .opcode = OPC_WRITE,
				      .make = second_make,
				      .answered = second_answered,
				      .cut = write_cut};

/* One after the other: there is room for both, so that no half is left alone. */
static bool pair_send(struct queue *queue)
{
	return queue->busy + 2 <= queue->depth && cmd_send(queue, &first_cmd) &&
	       cmd_send(queue, &second_cmd);
}

/* ---- Flush ---- */

static uint32_t flush_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	slot->media = choose_media(queue->ctrl);
	if (!slot->media)
		return 0;
	wire_put32(capsule, SQE_NSID, slot->media->nsid);
	return 64;
}

static uint32_t flush_all_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	slot->media = choose_media(queue->ctrl);
	if (!slot->media)
		return 0;
	wire_put32(capsule, SQE_NSID, UINT32_MAX);
	return 64;
}

/* ---- what is refused, from the capsule alone ---- */

static uint32_t refused_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	struct media *m = choose_media(queue->ctrl);

	if (!m)
		return 0;
	slot->refused = true;
	wire_put32(capsule, SQE_NSID, m->nsid);
	switch (rng_below(4)) {
	case 0:
		wire_put64(capsule, SQE_CDW10, rng_flip() ? m->blocks : UINT64_MAX - rng_below(4));
		slot->expect = ST_LBA_RANGE;
		break;
	case 1:
		capsule[SQE_OPC] = rng_flip() ? OPC_WRITE : OPC_READ;
		wire_put32(capsule, SQE_NSID, SIM_MAX_MEDIA + 1 + rng_below(3));
		slot->expect = ST_NAMESPACE;
		break;
	case 2:
		capsule[SQE_OPC] = (uint8_t)(0x84 + 4 * rng_below(16));
		slot->expect = ST_OPCODE;
		return 64;
	default:
		wire_put32(capsule, SQE_CDW12, 1);
		slot->expect = ST_SGL_LENGTH;
		break;
	}
	return data_describe(queue, slot, SIM_BLOCK, DATA_KEYED | DATA_LIST);
}

/* ---- all of them ---- */

static const struct cmd io_cmds[] = {
	{.name = "Read",
	 .opcode = OPC_READ,
	 .weight = 45,
	 .reads = true,
	 .make = read_make,
	 .answered = read_answered,
	 .cut = range_end_read},
	{.name = "Write",
	 .opcode = OPC_WRITE,
	 .weight = 45,
	 .make = write_make,
	 .answered = write_answered,
	 .cut = write_cut},
	{.name = "Flush", .opcode = OPC_FLUSH, .weight = 4, .make = flush_make},
	{.name = "Flush of all", .opcode = OPC_FLUSH, .weight = 1, .make = flush_all_make},
	{.name = "Write Zeroes",
	 .opcode = OPC_WRITE_ZEROES,
	 .weight = 4,
	 .make = zeroes_make,
	 .answered = write_answered,
	 .cut = write_cut},
	{.name = "Dataset Management",
	 .opcode = OPC_DATASET_MANAGEMENT,
	 .weight = 4,
	 .make = dsm_make,
	 .answered = write_answered,
	 .cut = write_cut},
	{.name = "Copy",
	 .opcode = OPC_COPY,
	 .weight = 4,
	 .make = copy_make,
	 .answered = copy_answered,
	 .cut = copy_cut},
	{.name = "Compare",
	 .opcode = OPC_COMPARE,
	 .weight = 4,
	 .make = compare_make,
	 .answered = range_answered,
	 .cut = range_end_read},
	{.name = "Verify",
	 .opcode = OPC_VERIFY,
	 .weight = 3,
	 .make = verify_make,
	 .answered = range_answered,
	 .cut = range_end_read},
	{.name = "what is refused",
	 .opcode = OPC_READ,
	 .weight = 5,
	 .reads = true,
	 .make = refused_make},
};

static const struct cmd write_uncorrectable = {.name = "Write Uncorrectable",
					       .opcode = OPC_WRITE_UNCORRECTABLE,
					       .make = uncorrectable_make,
					       .answered = uncorrectable_answered,
					       .cut = uncorrectable_cut};

bool cmd_io(struct queue *queue)
{
	for (size_t i = 0; plan.only >= 0 && i < sizeof(io_cmds) / sizeof(io_cmds[0]); i++)
		if (io_cmds[i].opcode == plan.only)
			return cmd_send(queue, &io_cmds[i]);
	if (plan.hooks && rng_one_in(50))
		return hook_cmd(queue);
	if (rng_one_in(plan.reservations))
		return resv_cmd(queue);
	if (rng_one_in(20))
		return pair_send(queue);
	if (plan.uncorrectable && rng_one_in(12))
		return cmd_send(queue, &write_uncorrectable);
	return cmd_send_some(queue, io_cmds, sizeof(io_cmds) / sizeof(io_cmds[0]));
}
