/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model host's commands: what a good host sends, with data that is checked to the byte when the answer
 * comes, and what a hostile one sends.
 */
#include <string.h>

#include "sim.h"

#define POISON 0xee

static uint8_t scratch[1 << 20]; /* data of one command, in one piece */

/* ---- making capsules ---- */

static uint8_t *capsule_init(struct queue *queue, struct slot *slot, uint8_t opcode, uint32_t nsid)
{
	uint8_t *capsule = queue_capsule(queue, slot);
	struct wire_sgl none = wire_sgl_keyed(SGL_KEYED, 0, 0, 0);

	memset(capsule, 0, 64);
	capsule[SQE_OPC] = opcode;
	capsule[SQE_FLAGS] = SQE_PSDT_SGL;
	wire_put32(capsule, SQE_NSID, nsid);
	memcpy(capsule + SQE_SGL, none.b, 16);
	slot->opcode = opcode;
	slot->admin = queue->qid == 0;
	return capsule;
}

static struct slot *fabrics(struct queue *queue, uint8_t fctype)
{
	struct slot *slot = queue_slot(queue);

	if (!slot)
		return NULL;
	capsule_init(queue, slot, OPC_FABRICS, 0)[SQE_FCTYPE] = fctype;
	slot->fctype = fctype;
	slot->expect = ANY_STATUS;
	return slot;
}

/* One keyed descriptor for the slot's data, through a window that the answer invalidates or not. */
static void sgl_keyed(struct queue *queue, struct slot *slot, uint32_t len)
{
	uint8_t *capsule = queue_capsule(queue, slot);
	struct wire_sgl sgl;

	slot->inverted = rng_one_in(3) && len;
	sgl = wire_sgl_keyed(slot->inverted ? SGL_KEYED_INV : SGL_KEYED,
			     (uintptr_t)queue_data(queue, slot), len, queue->data_mr->rkey);
	memcpy(capsule + SQE_SGL, sgl.b, 16);
	slot->piece_count = 1;
	slot->piece[0].off = 0;
	slot->piece[0].len = len;
}

/* A list of keyed descriptors in the capsule. Return: the capsule's length. */
static uint32_t sgl_list(struct queue *queue, struct slot *slot, uint32_t len, uint32_t count)
{
	uint8_t *capsule = queue_capsule(queue, slot);
	struct wire_sgl sgl = wire_sgl_plain(SGL_LAST_OFFSET, 0, 16 * count);
	uint32_t off = rng_below(8), left = len;

	memcpy(capsule + SQE_SGL, sgl.b, 16);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t piece = i == count - 1 ? left : rng_below(2 * left / (count - i) + 1);

		if (piece > left)
			piece = left;
		sgl = wire_sgl_keyed(SGL_KEYED, (uintptr_t)queue_data(queue, slot) + off, piece,
				     queue->data_mr->rkey);
		memcpy(capsule + 64 + 16 * (size_t)i, sgl.b, 16);
		slot->piece[i].off = off;
		slot->piece[i].len = piece;
		off += piece + rng_below(32);
		left -= piece;
	}
	slot->piece_count = count;
	return 64 + 16 * count;
}

/* ---- connection and admin commands ---- */

bool cmd_connect(struct queue *queue)
{
	struct slot *slot = fabrics(queue, FCTYPE_CONNECT);
	struct host *host = queue->ctrl->host;
	uint8_t *capsule, *data;
	struct wire_sgl sgl;

	if (!slot)
		return false;
	capsule = queue_capsule(queue, slot);
	wire_put16(capsule, CONNECT_QID, queue->qid);
	wire_put16(capsule, CONNECT_SQSIZE, (uint16_t)(queue->depth - 1));
	wire_put32(capsule, CONNECT_KATO, plan.kato_ms);
	if (queue->qid == 0 && rng_flip()) {
		data = capsule + 64;
		sgl = wire_sgl_plain(SGL_DATA_OFFSET, 0, CONNECT_DATA_LEN);
	} else {
		data = queue_data(queue, slot);
		sgl = wire_sgl_keyed(SGL_KEYED, (uintptr_t)data, CONNECT_DATA_LEN,
				     queue->data_mr->rkey);
	}
	memcpy(capsule + SQE_SGL, sgl.b, 16);
	memset(data, 0, CONNECT_DATA_LEN);
	memset(data + CONNECT_DATA_HOSTID, (int)host->index + 1, 16);
	wire_put16(data, CONNECT_DATA_CNTLID, queue->qid ? queue->ctrl->cntlid : 0xffff);
	strcpy((char *)data + CONNECT_DATA_SUBNQN, target.subsystem[queue->ctrl->subsystem].nqn);
	strcpy((char *)data + CONNECT_DATA_HOSTNQN, host->nqn);
	return queue_send(queue, slot, data == capsule + 64 ? 64 + CONNECT_DATA_LEN : 64);
}

bool cmd_property_set(struct queue *queue, uint32_t offset, uint64_t value)
{
	struct slot *slot = fabrics(queue, FCTYPE_PROP_SET);

	if (!slot)
		return false;
	wire_put32(queue_capsule(queue, slot), 44, offset);
	wire_put64(queue_capsule(queue, slot), 48, value);
	return queue_send(queue, slot, 64);
}

bool cmd_property_get(struct queue *queue, uint32_t offset)
{
	struct slot *slot = fabrics(queue, FCTYPE_PROP_GET);

	if (!slot)
		return false;
	wire_put32(queue_capsule(queue, slot), 44, offset);
	return queue_send(queue, slot, 64);
}

bool cmd_keep_alive(struct queue *queue)
{
	struct slot *slot = queue_slot(queue);

	if (!slot || queue->state != QUEUE_LIVE)
		return false;
	capsule_init(queue, slot, OPC_KEEP_ALIVE, 0);
	return queue_send(queue, slot, 64);
}

bool cmd_admin(struct queue *queue)
{
	struct slot *slot = queue_slot(queue);
	uint8_t *capsule;

	/* One is kept free for Keep Alive. */
	if (!slot || queue->busy + 2 > queue->depth)
		return false;
	switch (rng_below(8)) {
	case 0:
	case 1:
		capsule = capsule_init(queue, slot, OPC_IDENTIFY, 0);
		wire_put32(capsule, SQE_CDW10, 1);
		sgl_keyed(queue, slot, 4096);
		break;
	case 2:
		capsule = capsule_init(queue, slot, OPC_IDENTIFY, 0);
		wire_put32(capsule, SQE_CDW10, 2);
		sgl_keyed(queue, slot, 4096);
		break;
	case 3:
		capsule = capsule_init(queue, slot, OPC_GET_LOG, 0xffffffff);
		wire_put32(capsule, SQE_CDW10, 4u | (1024 - 1) << 16);
		sgl_keyed(queue, slot, 4096);
		break;
	case 4:
		if (queue->ctrl->events == 4)
			return false;
		capsule_init(queue, slot, OPC_AER, 0);
		slot->expect = ANY_STATUS; /* it may be aborted */
		queue->ctrl->events++;
		break;
	case 5:
		capsule = capsule_init(queue, slot, OPC_ABORT, 0);
		wire_put32(capsule, SQE_CDW10,
			   rng_below(plan.io_queues + 1) | (rng_below(65536) << 16));
		break;
	case 6:
		capsule = capsule_init(queue, slot, OPC_GET_FEATURES, 0);
		wire_put32(capsule, SQE_CDW10, 7);
		break;
	default:
		capsule_init(queue, slot, OPC_KEEP_ALIVE, 0);
		slot->expect = plan.kato_ms ? ST_OK : ST_KATO;
		break;
	}
	return queue_send(queue, slot, 64);
}

/* ---- reads and writes ---- */

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

static void scatter(struct queue *queue, const struct slot *slot, const uint8_t *from)
{
	for (uint32_t i = 0; i < slot->piece_count; i++) {
		memcpy(queue_data(queue, slot) + slot->piece[i].off, from, slot->piece[i].len);
		from += slot->piece[i].len;
	}
}

static uint32_t icd_limit(void)
{
	if (plan.target.no_in_capsule_data)
		return 0;
	return plan.target.in_capsule_data_len ? plan.target.in_capsule_data_len : 4096;
}

static bool list_fits(uint32_t pieces)
{
	if (plan.shape == SHAPE_KEYED || 16 * pieces > icd_limit())
		return false;
	return plan.shape == SHAPE_LIST || rng_one_in(3);
}

static void write_prepare(struct slot *slot, struct media *m)
{
	uint32_t gen = 0;

	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++)
		if (m->block[i].issued > gen)
			gen = m->block[i].issued;
	slot->gen = gen + 1;
	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++) {
		m->block[i].issued = slot->gen;
		m->block[i].writing = true;
	}
}

static bool send_write(struct queue *queue, struct slot *slot, struct media *m, uint32_t len)
{
	uint8_t *capsule = queue_capsule(queue, slot);
	uint32_t capsule_len = 64, pieces = rng_between(2, 16);

	write_prepare(slot, m);
	if (plan.shape == SHAPE_ANY && len <= icd_limit() && rng_flip()) {
		struct wire_sgl sgl = wire_sgl_plain(SGL_DATA_OFFSET, 0, len);

		memcpy(capsule + SQE_SGL, sgl.b, 16);
		pattern_fill(capsule + 64, slot->lba, slot->blocks, media_id(m), slot->gen);
		return queue_send(queue, slot, 64 + len);
	}
	if (list_fits(pieces)) {
		capsule_len = sgl_list(queue, slot, len, pieces);
		pattern_fill(scratch, slot->lba, slot->blocks, media_id(m), slot->gen);
		scatter(queue, slot, scratch);
	} else {
		sgl_keyed(queue, slot, len);
		pattern_fill(queue_data(queue, slot), slot->lba, slot->blocks, media_id(m),
			     slot->gen);
	}
	return queue_send(queue, slot, capsule_len);
}

static bool send_read(struct queue *queue, struct slot *slot, struct media *m, uint32_t len)
{
	uint32_t capsule_len = 64, pieces = rng_between(2, 16), end;

	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++)
		m->block[i].readers++;
	if (list_fits(pieces))
		capsule_len = sgl_list(queue, slot, len, pieces);
	else
		sgl_keyed(queue, slot, len);
	end = slot->piece[slot->piece_count - 1].off + slot->piece[slot->piece_count - 1].len;
	memset(queue_data(queue, slot), POISON, end + 16);
	return queue_send(queue, slot, capsule_len);
}

static bool cmd_rw(struct queue *queue, struct slot *slot, uint8_t opcode)
{
	struct media *m = choose_media(queue->ctrl);
	uint32_t blocks, lba;
	uint8_t *capsule;

	if (!m)
		return false;
	blocks = rng_between(1, rng_one_in(4) ? plan.max_len / SIM_BLOCK :
						(plan.max_len / SIM_BLOCK + 3) / 4);
	lba = rng_below(m->blocks - blocks + 1);
	if (!range_is_free(m, lba, blocks, opcode == OPC_WRITE))
		return false;
	capsule = capsule_init(queue, slot, opcode, m->nsid);
	wire_put64(capsule, SQE_CDW10, lba);
	wire_put32(capsule, SQE_CDW12, (blocks - 1) | (rng_one_in(8) ? 1u << 30 : 0));
	slot->media = m;
	slot->lba = lba;
	slot->blocks = blocks;
	if (opcode == OPC_WRITE)
		return send_write(queue, slot, m, blocks * SIM_BLOCK);
	return send_read(queue, slot, m, blocks * SIM_BLOCK);
}

/* What is refused, and with which status. */
static bool cmd_refused(struct queue *queue, struct slot *slot)
{
	struct media *m = choose_media(queue->ctrl);
	uint8_t *capsule;

	if (!m)
		return false;
	slot->media = NULL;
	switch (rng_below(4)) {
	case 0:
		capsule = capsule_init(queue, slot, OPC_READ, m->nsid);
		wire_put64(capsule, SQE_CDW10, rng_flip() ? m->blocks : UINT64_MAX - rng_below(4));
		slot->expect = ST_LBA_RANGE;
		sgl_keyed(queue, slot, SIM_BLOCK);
		break;
	case 1:
		capsule = capsule_init(queue, slot, OPC_WRITE, SIM_MAX_MEDIA + 1 + rng_below(3));
		slot->expect = ST_NAMESPACE;
		sgl_keyed(queue, slot, SIM_BLOCK);
		break;
	case 2:
		capsule_init(queue, slot, (uint8_t)(0x84 + 4 * rng_below(16)), m->nsid);
		slot->expect = ST_OPCODE;
		break;
	default:
		capsule = capsule_init(queue, slot, OPC_READ, m->nsid);
		wire_put32(capsule, SQE_CDW12, 1);
		slot->expect = ST_SGL_LENGTH;
		sgl_keyed(queue, slot, SIM_BLOCK);
		break;
	}
	return queue_send(queue, slot, 64);
}

bool cmd_io(struct queue *queue)
{
	struct slot *slot = queue_slot(queue);
	uint32_t dice = rng_below(100);
	struct media *m;

	if (!slot)
		return false;
	if (plan.only >= 0)
		return cmd_rw(queue, slot, (uint8_t)plan.only);
	if (dice < 45)
		return cmd_rw(queue, slot, OPC_READ);
	if (dice < 90)
		return cmd_rw(queue, slot, OPC_WRITE);
	if (dice < 95) {
		m = choose_media(queue->ctrl);
		if (!m)
			return false;
		capsule_init(queue, slot, OPC_FLUSH, m->nsid);
		slot->media = m;
		slot->blocks = 0;
		return queue_send(queue, slot, 64);
	}
	return cmd_refused(queue, slot);
}

/* ---- answers ---- */

/* Whether a command that is well-formed may fail so, given what this run does to it. */
static bool may_fail(const struct queue *queue, const struct slot *slot, uint16_t status)
{
	bool going = target.subsystem[queue->ctrl->subsystem].removing ||
		     (slot->media && slot->media->removing);

	if (plan.error && (status == ST(2, 0x80) || status == ST_INTERRUPTED) && slot->media)
		return true;
	if ((going || !plan.calm) && status == ST_NAMESPACE)
		return true;
	/* It was not enabled, because that went wrong. */
	if (!plan.calm && slot->admin && status == ST_SEQUENCE)
		return true;
	/* A group attaches in its next poll, and hosts may be faster. */
	if (slot->media && (status == ST_NAMESPACE || status == ST(0, 0x82)))
		return plan.attach_fails || plan.fault[CONTROL_NS] ||
		       plan.fault[CONTROL_SUBSYSTEM] || !plan.calm;
	return false;
}

static void check_data(struct queue *queue, struct slot *slot)
{
	const uint8_t *data = queue_data(queue, slot), *at = data;
	struct media *m = slot->media;
	uint32_t end = 0;
	uint8_t *to = scratch;

	if (slot->piece_count > 1) {
		for (uint32_t i = 0; i < slot->piece_count; i++) {
			for (; end < slot->piece[i].off; end++)
				if (data[end] != POISON)
					sim_fail("a read wrote to byte %u, outside its pieces",
						 end);
			memcpy(to, data + slot->piece[i].off, slot->piece[i].len);
			to += slot->piece[i].len;
			end = slot->piece[i].off + slot->piece[i].len;
		}
		at = scratch;
	} else {
		end = slot->piece[0].len;
	}
	for (uint32_t i = end; i < end + 16; i++)
		if (data[i] != POISON)
			sim_fail("a read wrote to byte %u, behind its end", i);
	for (uint32_t i = 0; i < slot->blocks; i++, at += SIM_BLOCK) {
		const struct media_block *block = &m->block[slot->lba + i];
		uint32_t gen = pattern_gen(at, slot->lba + i, media_id(m));

		if (gen == UINT32_MAX || gen > block->issued ||
		    (!block->tainted && gen != block->gen))
			sim_fail(
				"read of namespace %u: LBA %u has generation %d, which should be %u%s",
				m->nsid, slot->lba + i, (int)gen, block->gen,
				block->tainted ? " or near" : "");
	}
	host_counts.reads_checked++;
}

static void range_release(struct slot *slot, bool certain)
{
	struct media *m = slot->media;

	if (!m)
		return;
	for (uint32_t i = slot->lba; i < slot->lba + slot->blocks; i++) {
		struct media_block *block = &m->block[i];

		if (slot->opcode == OPC_READ) {
			block->readers--;
			continue;
		}
		block->writing = false;
		if (certain)
			block->gen = slot->gen;
		else
			block->tainted = true;
	}
}

void cmd_cut(struct slot *slot)
{
	if (!slot->junk)
		range_release(slot, false);
}

/* A command that was refused before its SGL was looked at invalidates nothing. */
static void check_invalidated(const struct slot *slot, uint32_t invalidated, uint16_t status)
{
	bool can = !plan.device.no_invalidate;

	if (slot->inverted && can && invalidated != slot->mw_rkey && !(status && !invalidated))
		sim_fail("the response to opcode %#x did not invalidate the key", slot->opcode);
	if (invalidated && !(slot->inverted && can))
		sim_fail("the response to opcode %#x invalidated key %#x", slot->opcode,
			 invalidated);
}

static void check_answer(struct queue *queue, struct slot *slot, uint16_t status)
{
	if (slot->expect != ANY_STATUS && status != slot->expect && !may_fail(queue, slot, status))
		sim_fail("host %u queue %u: opcode %#x was answered with %#x, which should be %#x",
			 queue->ctrl->host->index, queue->qid, slot->opcode, status, slot->expect);
	if (status)
		host_counts.errors++;
	else if (!slot->admin && slot->opcode == OPC_READ && slot->media)
		check_data(queue, slot);
	if (!slot->admin)
		range_release(slot, slot->opcode == OPC_READ || status == 0);
	if (slot->admin && slot->opcode == OPC_AER)
		queue->ctrl->events--;
	if (slot->admin && slot->opcode == OPC_IDENTIFY && !status &&
	    wire_get32(queue_capsule(queue, slot), SQE_CDW10) == 1 &&
	    wire_get16(queue_data(queue, slot), 78) != queue->ctrl->cntlid)
		sim_fail("Identify says controller %u to controller %u",
			 wire_get16(queue_data(queue, slot), 78), queue->ctrl->cntlid);
}

void cmd_answered(struct queue *queue, struct slot *slot, const uint8_t *cqe, uint32_t invalidated)
{
	uint16_t status = (uint16_t)(wire_get16(cqe, CQE_STATUS) >> 1 & 0x7ff);
	struct slot was = *slot;

	if (was.mw && was.inverted && invalidated != was.mw_rkey) {
		/* Still bound: a window serves once. */
		ibv_dealloc_mw(was.mw);
		slot->mw = NULL;
	}
	if (was.junk)
		return;
	check_invalidated(&was, invalidated, status);
	if (was.opcode == OPC_FABRICS && was.fctype == FCTYPE_CONNECT)
		ctrl_connected(queue, status, wire_get32(cqe, CQE_DW0));
	else if (was.opcode == OPC_FABRICS && was.fctype == FCTYPE_PROP_SET)
		cmd_property_get(queue, PROP_CSTS);
	else if (was.opcode == OPC_FABRICS)
		ctrl_property(queue, status, wire_get64(cqe, CQE_DW0));
	else
		check_answer(queue, slot, status);
}

/* ---- hostile commands ---- */

static uint32_t hostile_bytes(uint8_t *capsule)
{
	uint32_t len = rng_between(64, 256);

	for (uint32_t i = 0; i < len; i++)
		capsule[i] = (uint8_t)rng_next();
	/* It must not write to what others check. */
	if (capsule[SQE_OPC] == OPC_WRITE)
		capsule[SQE_OPC] = OPC_READ;
	return len;
}

static uint32_t hostile_sgl(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	static const uint8_t ids[] = {SGL_DATA_ADDRESS, SGL_BIT_BUCKET, SGL_SEGMENT,
				      SGL_LAST_SEGMENT, SGL_TRANSPORT,  SGL_KEYED,
				      SGL_DATA_OFFSET,  SGL_LAST_OFFSET};
	uint8_t id = ids[rng_below(sizeof(ids))];
	uint64_t address = rng_flip() ? UINT64_MAX - rng_below(64) : rng_below(8192);
	struct wire_sgl sgl =
		id == SGL_KEYED ? wire_sgl_keyed(id, (uintptr_t)queue_data(queue, slot), SIM_BLOCK,
						 rng_flip() ? 0xdead : queue->data_mr->rkey ^ 1) :
				  wire_sgl_plain(id, address, rng_flip() ? UINT32_MAX : 4096);

	memcpy(capsule + SQE_SGL, sgl.b, 16);
	memset(capsule + 64, 0xa5, 128);
	return rng_flip() ? 64 : 192;
}

bool cmd_hostile(struct queue *queue)
{
	struct slot *slot = queue_slot(queue);
	uint8_t *capsule;
	uint32_t len = 64;

	if (!slot)
		return false;
	capsule = capsule_init(queue, slot, rng_flip() ? OPC_READ : OPC_WRITE, 1);
	slot->junk = true;
	switch (rng_below(6)) {
	case 0:
		len = hostile_bytes(capsule);
		break;
	case 1:
		len = rng_between(0, 63);
		break;
	case 2:
	case 3:
		len = hostile_sgl(queue, slot, capsule);
		break;
	case 4: /* the data should be in the capsule and is not */
		capsule[SQE_OPC] = OPC_WRITE;
		memcpy(capsule + SQE_SGL, wire_sgl_plain(SGL_DATA_OFFSET, 0, SIM_BLOCK).b, 16);
		len = 64 + rng_below(SIM_BLOCK);
		break;
	default:
		capsule[SQE_OPC] = OPC_FABRICS;
		capsule[SQE_FCTYPE] = (uint8_t)rng_below(12);
		break;
	}
	return queue_send(queue, slot, len);
}
