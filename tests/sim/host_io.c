/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model host's I/O commands, and the media as hosts know them: which generation each block holds. The table
 * is at the end.
 */
#include "cmd.h"

#define RW_FUA (1u << 30)

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
		if (done)
			block->gen = slot->gen;
		else
			block->tainted = true;
	}
}

/* ---- Read ---- */

static uint32_t read_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	if (!range_choose(queue, slot, capsule, false))
		return 0;
	range_begin_read(slot);
	return data_describe(queue, slot, slot->blocks * SIM_BLOCK, DATA_KEYED | DATA_LIST);
}

static void check_block(const struct slot *slot, uint32_t index, const uint8_t *data)
{
	const struct media *m = slot->media;
	uint32_t lba = slot->lba + index;
	const struct media_block *block = &m->block[lba];
	uint32_t gen = pattern_gen(data, lba, media_id(m));

	if (gen == UINT32_MAX || gen > block->issued || (!block->tainted && gen != block->gen))
		sim_fail("read of namespace %u: LBA %u has generation %d, which should be %u%s",
			 m->nsid, lba, (int)gen, block->gen, block->tainted ? " or near" : "");
}

static void read_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	const uint8_t *data;

	range_end_read(slot);
	if (answer->status)
		return;
	data = data_get(queue, slot);
	for (uint32_t i = 0; i < slot->blocks; i++)
		check_block(slot, i, data + (size_t)i * SIM_BLOCK);
	host_counts.reads_checked++;
}

/* ---- Write ---- */

static uint32_t write_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t len;

	if (!range_choose(queue, slot, capsule, true))
		return 0;
	range_begin_write(slot);
	len = data_describe(queue, slot, slot->blocks * SIM_BLOCK,
			    DATA_KEYED | DATA_LIST | DATA_IN_CAPSULE);
	pattern_fill(data_scratch(), slot->lba, slot->blocks, media_id(slot->media), slot->gen);
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

/* ---- Flush ---- */

static uint32_t flush_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	slot->media = choose_media(queue->ctrl);
	if (!slot->media)
		return 0;
	wire_put32(capsule, SQE_NSID, slot->media->nsid);
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
	{.name = "Flush", .opcode = OPC_FLUSH, .weight = 5, .make = flush_make},
	{.name = "what is refused",
	 .opcode = OPC_READ,
	 .weight = 5,
	 .reads = true,
	 .make = refused_make},
};

bool cmd_io(struct queue *queue)
{
	for (size_t i = 0; plan.only >= 0 && i < sizeof(io_cmds) / sizeof(io_cmds[0]); i++)
		if (io_cmds[i].opcode == plan.only)
			return cmd_send(queue, &io_cmds[i]);
	if (plan.hooks && rng_one_in(50))
		return hook_cmd(queue);
	return cmd_send_some(queue, io_cmds, sizeof(io_cmds) / sizeof(io_cmds[0]));
}
