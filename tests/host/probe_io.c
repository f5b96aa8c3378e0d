/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases: reads and writes that shall work, with every kind of descriptor and few READ credits, and those
 * that shall get a certain status.
 */
#include <stdio.h>
#include <stdlib.h>

#include "probe.h"

static bool io_keyed_write_and_read_back(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);
	static const uint32_t counts[] = {1, 2, 7, 8, 9, 64, 128};

	for (size_t i = 0; c && i < sizeof(counts) / sizeof(counts[0]); i++) {
		if ((uint64_t)counts[i] * c->lba_size > c->max_transfer)
			continue;
		if (!probe_write_pattern(p, c, i * 128, counts[i], 11) ||
		    !probe_read_pattern(p, c, i * 128, counts[i], 11))
			return false;
	}
	return c;
}

static bool invalidate_once(struct probe *p, struct host_ctrl *c, uint8_t opc, uint64_t slba)
{
	struct host_queue *q = c->io;
	struct host_slot *slot;
	struct wire_cqe cqe;
	struct host_cmd cmd;
	uint32_t key;

	host_cmd_rw(&cmd, opc, c->nsid, slba, 1);
	host_sgl_invalidate(&cmd, q, 0, c->lba_size);
	if (host_submit(q, &cmd, &slot))
		return probe_fail(p, "expected to send through a window, got %s", q->why);
	key = slot->window.rkey;
	if (host_wait(q, slot, &cqe))
		return probe_fail(p, "expected a response, got %s", q->why);
	if (!probe_expect(p, "transfer through a window", &cqe, ANY(ST_OK)))
		return false;
	if (slot->invalidated != key)
		return probe_fail(p, "expected key 0x%08x to be invalidated, got 0x%08x", key,
				  slot->invalidated);
	return true;
}

static bool io_send_with_invalidate(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);

	for (uint64_t i = 0; c && i < 10; i++) {
		host_pattern(c->io->data, c->lba_size, i, 21);
		if (!invalidate_once(p, c, OPC_WRITE, i))
			return false;
		memset(c->io->data, 0, c->lba_size);
		if (!invalidate_once(p, c, OPC_READ, i))
			return false;
		if (host_pattern_check(c->io->data, c->lba_size, i, 21) >= 0)
			return probe_fail(p, "expected what was written, got other data");
	}
	return c;
}

/* What must be answered so, and leave the queue in use. */
struct bad_io {
	const char *what;
	uint8_t opc;
	uint8_t flags;
	uint8_t sgl_id;
	uint32_t nsid_xor;
	uint64_t slba;
	uint32_t blocks; /* 0: one more than MDTS */
	int32_t len_change;
	uint16_t status[2];
};

static const struct bad_io bad_ios[] = {
	{"PSDT 00", OPC_READ, 0x00, SGL_KEYED, 0, 0, 1, 0, {ST_FIELD | PROBE_DNR}},
	{"PSDT 11", OPC_READ, 0xc0, SGL_KEYED, 0, 0, 1, 0, {ST_FIELD | PROBE_DNR}},
	{"transport SGL", OPC_READ, 0x40, SGL_TRANSPORT, 0, 0, 1, 0, {ST_SGL_TYPE | PROBE_DNR}},
	{"bit bucket", OPC_READ, 0x40, SGL_BIT_BUCKET, 0, 0, 1, 0, {ST_SGL_TYPE | PROBE_DNR}},
	{"segment", OPC_READ, 0x40, SGL_SEGMENT, 0, 0, 1, 0, {ST_SGL_TYPE | PROBE_DNR}},
	{"last segment", OPC_WRITE, 0x40, SGL_LAST_SEGMENT, 0, 0, 1, 0, {ST_SGL_TYPE | PROBE_DNR}},
	{"keyed subtype 7", OPC_READ, 0x40, 0x47, 0, 0, 1, 0, {ST_SGL_TYPE | PROBE_DNR, ST_FIELD}},
	{"plain address",
	 OPC_READ,
	 0x40,
	 SGL_DATA_ADDRESS,
	 0,
	 0,
	 1,
	 0,
	 {ST_FIELD | PROBE_DNR, ST_SGL_TYPE}},
	{"SGL type F", OPC_WRITE, 0x40, 0xf0, 0, 0, 1, 0, {ST_SGL_TYPE | PROBE_DNR}},
	{"unknown opcode", 0x55, 0x40, SGL_KEYED, 0, 0, 1, 0, {ST_OPCODE | PROBE_DNR}},
	{"bidirectional opcode", 0x83, 0x40, SGL_KEYED, 0, 0, 1, 0, {ST_OPCODE | PROBE_DNR}},
	{"vendor opcode", 0xff, 0x40, SGL_KEYED, 0, 0, 1, 0, {ST_OPCODE | PROBE_DNR}},
	{"bad NSID", OPC_READ, 0x40, SGL_KEYED, 0x7f00, 0, 1, 0, {ST_NAMESPACE | PROBE_DNR}},
	{"NSID 0", OPC_WRITE, 0x40, SGL_KEYED, UINT32_MAX, 0, 1, 0, {ST_NAMESPACE | PROBE_DNR}},
	{"length under", OPC_WRITE, 0x40, SGL_KEYED, 0, 0, 8, -512, {ST_SGL_LENGTH | PROBE_DNR}},
	{"length over", OPC_WRITE, 0x40, SGL_KEYED, 0, 0, 8, 512, {ST_SGL_LENGTH | PROBE_DNR}},
	{"read length under", OPC_READ, 0x40, SGL_KEYED, 0, 0, 8, -1, {ST_SGL_LENGTH | PROBE_DNR}},
	{"read length over", OPC_READ, 0x40, SGL_KEYED, 0, 0, 8, 1, {ST_SGL_LENGTH | PROBE_DNR}},
	{"SLBA -1", OPC_READ, 0x40, SGL_KEYED, 0, UINT64_MAX, 1, 0, {ST_LBA_RANGE | PROBE_DNR}},
	{"SLBA -7, 8 blocks",
	 OPC_WRITE,
	 0x40,
	 SGL_KEYED,
	 0,
	 UINT64_MAX - 6,
	 8,
	 0,
	 {ST_LBA_RANGE | PROBE_DNR}},
	{"SLBA 2^63", OPC_WRITE, 0x40, SGL_KEYED, 0, 1ull << 63, 8, 0, {ST_LBA_RANGE | PROBE_DNR}},
	{"SLBA 2^55", OPC_READ, 0x40, SGL_KEYED, 0, 1ull << 55, 8, 0, {ST_LBA_RANGE | PROBE_DNR}},
	{"beyond MDTS", OPC_READ, 0x40, SGL_KEYED, 0, 0, 0, 0, {ST_FIELD | PROBE_DNR}},
	{"beyond MDTS", OPC_WRITE, 0x40, SGL_KEYED, 0, 0, 0, 0, {ST_FIELD | PROBE_DNR}},
};

static bool bad_io_one(struct probe *p, struct host_ctrl *c, const struct bad_io *bad)
{
	uint32_t blocks = bad->blocks ? bad->blocks : c->max_transfer / c->lba_size + 1;
	uint32_t nsid = bad->nsid_xor == UINT32_MAX ? 0 : c->nsid ^ bad->nsid_xor;
	uint32_t len = blocks * c->lba_size + (uint32_t)bad->len_change;
	struct host_cmd cmd;

	if (blocks > 65536)
		return true; /* no limit that a command could pass */
	host_cmd_rw(&cmd, bad->opc, nsid, bad->slba, blocks);
	host_sgl_keyed(&cmd, c->io, 0, len);
	cmd.sqe.b[SQE_FLAGS] = bad->flags;
	cmd.sqe.b[SQE_SGL + 15] = bad->sgl_id;
	return probe_exec_expect(p, bad->what, c->io, &cmd,
				 bad->status[1] ? ANY(bad->status[0], bad->status[1]) :
						  ANY(bad->status[0]));
}

/* All of them, so that one run shows every one that is wrong. */
static bool io_table_of_bad_commands(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);
	char all[sizeof(p->why)] = "";
	size_t len = 0;

	if (!c || !probe_write_pattern(p, c, 0, 8, 31))
		return false;
	for (size_t i = 0; i < sizeof(bad_ios) / sizeof(bad_ios[0]); i++) {
		if (!bad_io_one(p, c, &bad_ios[i]) && len < sizeof(all))
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s",
						len ? "; " : "", p->why);
		p->why[0] = 0;
		if (c->io->state != HOST_CONNECTED)
			break;
	}
	if (len)
		return probe_fail(p, "%s", all);
	return probe_read_pattern(p, c, 0, 8, 31);
}

static bool io_last_lba_and_beyond(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);
	struct host_cmd cmd;

	if (!c || !probe_write_pattern(p, c, c->lba_count - 1, 1, 41) ||
	    !probe_read_pattern(p, c, c->lba_count - 1, 1, 41))
		return false;
	for (uint64_t i = 0; i < 2; i++) {
		host_cmd_rw(&cmd, i ? OPC_READ : OPC_WRITE, c->nsid, c->lba_count - i, 2);
		host_sgl_keyed(&cmd, c->io, 0, 2 * c->lba_size);
		if (!probe_exec_expect(p, "beyond the last LBA", c->io, &cmd,
				       ANY(ST_LBA_RANGE | PROBE_DNR)))
			return false;
	}
	return probe_read_pattern(p, c, c->lba_count - 1, 1, 41);
}

static bool io_flush_ignores_its_sgl(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);
	struct host_cmd cmd;

	if (!c)
		return false;
	host_cmd_init(&cmd, OPC_FLUSH, c->nsid);
	if (!probe_exec_expect(p, "Flush", c->io, &cmd, ANY(ST_OK)))
		return false;
	memset(cmd.sqe.b + SQE_SGL, 0, 16);
	if (!probe_exec_expect(p, "Flush, SGL all zero", c->io, &cmd, ANY(ST_OK)))
		return false;
	memset(cmd.sqe.b + SQE_SGL, 0xdb, 16);
	if (!probe_exec_expect(p, "Flush, SGL of garbage", c->io, &cmd, ANY(ST_OK)))
		return false;
	wire_set_sgl(&cmd.sqe, wire_sgl_plain(SGL_LAST_OFFSET, 1 << 20, 4096));
	if (!probe_exec_expect(p, "Flush, SGL a list", c->io, &cmd, ANY(ST_OK)))
		return false;
	host_cmd_init(&cmd, OPC_KEEP_ALIVE, 0);
	memset(cmd.sqe.b + SQE_SGL, 0xdb, 16);
	return probe_exec_expect(p, "Keep Alive, SGL of garbage", c->admin, &cmd,
				 ANY(ST_OK, ST_KATO));
}

static bool io_big_write_with_one_read_credit(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 1);
	uint32_t blocks;

	if (!c)
		return false;
	blocks = (c->max_transfer < 1u << 20 ? c->max_transfer : 1u << 20) / c->lba_size;
	return probe_write_pattern(p, c, 0, blocks, 51) && probe_read_pattern(p, c, 0, blocks, 51);
}

#define MIX     8
#define MIX_LEN 65536u

struct mix {
	struct host_piece pieces[MIX][16];
	uint8_t descs[MIX][256];
	uint8_t small[MIX][4096];
	uint8_t data[MIX_LEN];
};

static bool mix_submit(struct probe *p, struct host_ctrl *c, struct mix *m,
		       struct host_slot **slots)
{
	uint32_t big = MIX_LEN / c->lba_size;
	uint32_t small = 4096 / c->lba_size;
	struct host_cmd cmd;

	host_cork(c->io);
	for (uint32_t i = 0; i < MIX; i++) {
		host_split(m->pieces[i], 16, i * 2 * MIX_LEN, MIX_LEN, 64);
		host_pattern(m->data, MIX_LEN, i * big, 61);
		host_scatter(c->io, m->pieces[i], 16, m->data);
		host_cmd_rw(&cmd, OPC_WRITE, c->nsid, i * big, big);
		host_sgl_list(&cmd, c->io, m->pieces[i], 16, m->descs[i]);
		if (host_submit(c->io, &cmd, &slots[2 * i]))
			return probe_fail(p, "expected to send, got %s", c->io->why);
		host_pattern(m->small[i], 4096, 1024 + i * small, 62);
		host_cmd_rw(&cmd, OPC_WRITE, c->nsid, 1024 + i * small, small);
		host_sgl_inline(&cmd, m->small[i], 4096);
		if (host_submit(c->io, &cmd, &slots[2 * i + 1]))
			return probe_fail(p, "expected to send, got %s", c->io->why);
	}
	return host_uncork(c->io) == 0;
}

static bool mix_verify(struct probe *p, struct host_ctrl *c)
{
	uint32_t big = MIX_LEN / c->lba_size;
	uint32_t small = 4096 / c->lba_size;

	for (uint32_t i = 0; i < MIX; i++) {
		if (!probe_read_pattern(p, c, i * big, big, 61) ||
		    !probe_read_pattern(p, c, 1024 + i * small, small, 62))
			return false;
	}
	return true;
}

/* Big writes of 16 READs each with one READ credit, and small ones between them that need none. */
static bool io_small_writes_among_big_ones_with_one_read_credit(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 32, 1);
	struct host_slot *slots[2 * MIX];
	struct mix *m = calloc(1, sizeof(*m));
	bool ok = c && m;
	uint64_t deadline;

	for (int round = 0; ok && round < 4; round++) {
		uint32_t big = 0;
		uint32_t small = 0;

		ok = mix_submit(p, c, m, slots);
		deadline = ok ? host_deadline(c->io) : 0;
		while (ok && c->io->unanswered) {
			if (host_pump(c->io, deadline))
				ok = probe_fail(p, "expected %u more responses, got %s",
						c->io->unanswered, c->io->why);
			small = 0;
			big = 0;
			for (int i = 0; i < MIX; i++) {
				big += slots[2 * i]->answered;
				small += slots[2 * i + 1]->answered;
			}
			if (ok && big == MIX && !small)
				ok = probe_fail(p, "expected small writes to pass, got none first");
		}
		for (int i = 0; ok && i < 2 * MIX; i++) {
			struct wire_cqe cqe;

			ok = host_wait(c->io, slots[i], &cqe) == 0 &&
			     probe_expect(p, i & 1 ? "small Write" : "big Write", &cqe, ANY(ST_OK));
		}
		ok = ok && mix_verify(p, c);
	}
	free(m);
	return ok;
}

#define CASE(name)                 \
	{                          \
#name, name, false \
	}

static const struct probe_case cases[] = {
	CASE(io_keyed_write_and_read_back),
	CASE(io_send_with_invalidate),
	CASE(io_table_of_bad_commands),
	CASE(io_last_lba_and_beyond),
	CASE(io_flush_ignores_its_sgl),
	CASE(io_big_write_with_one_read_credit),
	CASE(io_small_writes_among_big_ones_with_one_read_credit),
};

PROBE_GROUP(probe_io, cases);
