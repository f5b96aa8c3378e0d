/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases: data in the capsule. What the descriptor claims against what the capsule really carried.
 */
#include <stdio.h>

#include "probe.h"

#define DEPTH 8

/* A controller whose LBA 0 holds a known pattern of generation 1. */
static struct host_ctrl *inline_ctrl(struct probe *p, uint32_t *blocks)
{
	struct host_ctrl *c = probe_ctrl_io(p, DEPTH, 16);

	if (!c)
		return NULL;
	*blocks = 4096 / c->lba_size;
	if (c->icd_max < 4096 || !*blocks) {
		probe_fail(p, "expected IOCCSZ with 4096 bytes of data, got %u", c->icd_max);
		return NULL;
	}
	return probe_write_pattern(p, c, 0, *blocks, 1) ? c : NULL;
}

static bool inline_write_and_read_back(struct probe *p)
{
	uint8_t data[4096];
	struct host_ctrl *c;
	struct host_cmd cmd;
	uint32_t blocks;

	c = inline_ctrl(p, &blocks);
	for (uint64_t i = 0; c && i < 20; i++) {
		uint32_t n = i & 1 ? blocks : 1;

		host_pattern(data, n * c->lba_size, i * blocks, 2);
		host_cmd_rw(&cmd, OPC_WRITE, c->nsid, i * blocks, n);
		host_sgl_inline(&cmd, data, n * c->lba_size);
		if (!probe_exec_expect(p, "Write", c->io, &cmd, ANY(ST_OK)) ||
		    !probe_read_pattern(p, c, i * blocks, n, 2))
			return false;
	}
	return c;
}

static bool inline_write_at_an_offset(struct probe *p)
{
	uint8_t capsule[4096];
	struct host_ctrl *c;
	struct host_cmd cmd;
	uint32_t blocks;

	c = inline_ctrl(p, &blocks);
	if (!c)
		return false;
	if (c->lba_size > 2048)
		return true; /* no room for an offset */
	memset(capsule, 0xee, sizeof(capsule));
	host_pattern(capsule + 1000, c->lba_size, 3, 7);
	host_cmd_rw(&cmd, OPC_WRITE, c->nsid, 3, 1);
	host_sgl_inline(&cmd, capsule, 1000 + c->lba_size);
	wire_set_sgl(&cmd.sqe, wire_sgl_plain(SGL_DATA_OFFSET, 1000, c->lba_size));
	return probe_exec_expect(p, "Write at offset 1000", c->io, &cmd, ANY(ST_OK)) &&
	       probe_read_pattern(p, c, 3, 1, 7);
}

/*
 * A write of 4 KiB whose descriptor is given, with so many bytes in the capsule. It must get one of the
 * statuses, and LBA 0 must hold what it held.
 */
static bool bad_inline(struct probe *p, struct wire_sgl sgl, uint32_t sent, const uint16_t *any)
{
	uint8_t data[4096];
	struct host_ctrl *c;
	struct host_cmd cmd;
	uint32_t blocks;

	c = inline_ctrl(p, &blocks);
	if (!c)
		return false;
	/* Fill receive memory with bytes that must not come back, once per slot and more. */
	for (uint64_t i = 0; i < 2 * DEPTH; i++) {
		memset(data, 0xbd, sizeof(data));
		host_cmd_rw(&cmd, OPC_WRITE, c->nsid, 64 + i * blocks, blocks);
		host_sgl_inline(&cmd, data, sizeof(data));
		if (!probe_exec_expect(p, "Write", c->io, &cmd, ANY(ST_OK)))
			return false;
	}
	host_cmd_rw(&cmd, OPC_WRITE, c->nsid, 0, blocks);
	host_sgl_inline(&cmd, data, sent);
	wire_set_sgl(&cmd.sqe, sgl);
	return probe_exec_expect(p, "bad Write", c->io, &cmd, any) &&
	       probe_read_pattern(p, c, 0, blocks, 1);
}

static bool inline_longer_than_the_capsule(struct probe *p)
{
	return bad_inline(p, wire_sgl_plain(SGL_DATA_OFFSET, 0, 4096), 0,
			  ANY(ST_SGL_LENGTH | PROBE_DNR));
}

static bool inline_one_byte_longer_than_the_capsule(struct probe *p)
{
	return bad_inline(p, wire_sgl_plain(SGL_DATA_OFFSET, 0, 4096), 4095,
			  ANY(ST_SGL_LENGTH | PROBE_DNR));
}

/* Beyond the end it may be called a bad offset or a bad length. */
#define BAD_PLACE ANY(ST_SGL_OFFSET | PROBE_DNR, ST_SGL_LENGTH | PROBE_DNR)

static bool inline_offset_beyond_the_capsule(struct probe *p)
{
	return bad_inline(p, wire_sgl_plain(SGL_DATA_OFFSET, 4096, 4096), 4096, BAD_PLACE);
}

static bool inline_offset_1_past_the_end(struct probe *p)
{
	return bad_inline(p, wire_sgl_plain(SGL_DATA_OFFSET, 1, 4096), 4096, BAD_PLACE);
}

static bool inline_offset_that_wraps(struct probe *p)
{
	return bad_inline(p, wire_sgl_plain(SGL_DATA_OFFSET, UINT64_MAX - 4095, 4096), 4096,
			  BAD_PLACE);
}

static bool inline_offset_2_to_the_64_minus_1(struct probe *p)
{
	return bad_inline(p, wire_sgl_plain(SGL_DATA_OFFSET, UINT64_MAX, 4096), 4096, BAD_PLACE);
}

static bool inline_offset_of_minus_64(struct probe *p)
{
	return bad_inline(p, wire_sgl_plain(SGL_DATA_OFFSET, (uint64_t)-64, 4096), 4096, BAD_PLACE);
}

static bool inline_offset_2_to_the_32(struct probe *p)
{
	return bad_inline(p, wire_sgl_plain(SGL_DATA_OFFSET, 1ull << 32, 4096), 4096, BAD_PLACE);
}

static bool inline_length_of_4_gib(struct probe *p)
{
	return bad_inline(p, wire_sgl_plain(SGL_DATA_OFFSET, 0, UINT32_MAX), 4096, BAD_PLACE);
}

static bool inline_length_less_than_the_blocks(struct probe *p)
{
	return bad_inline(p, wire_sgl_plain(SGL_DATA_OFFSET, 0, 2048), 4096,
			  ANY(ST_SGL_LENGTH | PROBE_DNR));
}

static bool inline_length_0(struct probe *p)
{
	return bad_inline(p, wire_sgl_plain(SGL_DATA_OFFSET, 0, 0), 4096,
			  ANY(ST_SGL_LENGTH | PROBE_DNR));
}

static bool inline_descriptor_on_a_read(struct probe *p)
{
	uint8_t data[4096] = {0};
	struct host_ctrl *c;
	struct host_cmd cmd;
	uint32_t blocks;

	c = inline_ctrl(p, &blocks);
	if (!c)
		return false;
	host_cmd_rw(&cmd, OPC_READ, c->nsid, 0, blocks);
	host_sgl_inline(&cmd, data, sizeof(data));
	return probe_exec_expect(p, "Read into the capsule", c->io, &cmd,
				 ANY(ST_FIELD | PROBE_DNR)) &&
	       probe_read_pattern(p, c, 0, blocks, 1);
}

#define CASE(name)                 \
	{                          \
#name, name, false \
	}

static const struct probe_case cases[] = {
	CASE(inline_write_and_read_back),
	CASE(inline_write_at_an_offset),
	CASE(inline_longer_than_the_capsule),
	CASE(inline_one_byte_longer_than_the_capsule),
	CASE(inline_offset_beyond_the_capsule),
	CASE(inline_offset_1_past_the_end),
	CASE(inline_offset_that_wraps),
	CASE(inline_offset_2_to_the_64_minus_1),
	CASE(inline_offset_of_minus_64),
	CASE(inline_offset_2_to_the_32),
	CASE(inline_length_of_4_gib),
	CASE(inline_length_less_than_the_blocks),
	CASE(inline_length_0),
	CASE(inline_descriptor_on_a_read),
};

PROBE_GROUP(probe_inline, cases);
