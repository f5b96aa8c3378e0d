/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands and the SGLs they carry, and the data that they move.
 *
 * A transfer can be split into pieces of uneven lengths that lie apart in the queue's data memory; the
 * pattern written into it depends on LBA and generation, so data from a wrong place or time shows.
 */
#include "host.h"

/* A command with no data: the null keyed descriptor that Linux's host sends. */
void host_cmd_init(struct host_cmd *cmd, uint8_t opc, uint32_t nsid)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->sqe.b[SQE_OPC] = opc;
	cmd->sqe.b[SQE_FLAGS] = SQE_PSDT_SGL;
	wire_put32(cmd->sqe.b, SQE_NSID, nsid);
	wire_set_sgl(&cmd->sqe, wire_sgl_keyed(SGL_KEYED, 0, 0, 0));
}

void host_cmd_rw(struct host_cmd *cmd, uint8_t opc, uint32_t nsid, uint64_t slba, uint32_t blocks)
{
	host_cmd_init(cmd, opc, nsid);
	wire_put64(cmd->sqe.b, SQE_CDW10, slba);
	wire_put16(cmd->sqe.b, SQE_CDW12, (uint16_t)(blocks - 1));
}

/* One keyed descriptor over a range of the queue's data memory. */
void host_sgl_keyed(struct host_cmd *cmd, const struct host_queue *q, uint32_t off, uint32_t len)
{
	wire_set_sgl(&cmd->sqe,
		     wire_sgl_keyed(SGL_KEYED, (uintptr_t)(q->data + off), len, q->data_mr->rkey));
}

/* The same through a memory window, whose key the target shall invalidate. */
void host_sgl_invalidate(struct host_cmd *cmd, struct host_queue *q, uint32_t off, uint32_t len)
{
	uint64_t address = (uintptr_t)(q->data + off);

	wire_set_sgl(&cmd->sqe, wire_sgl_keyed(SGL_KEYED_INV, address, len, 0));
	cmd->window_mr = q->data_mr;
	cmd->window_addr = address;
	cmd->window_len = len;
	cmd->key_off = SQE_SGL + 11;
}

/* Data in the capsule, behind the command. data must stay until the command is sent. */
void host_sgl_inline(struct host_cmd *cmd, const void *data, uint32_t len)
{
	wire_set_sgl(&cmd->sqe, wire_sgl_plain(SGL_DATA_OFFSET, 0, len));
	cmd->icd = data;
	cmd->icd_len = len;
}

/*
 * Splits len bytes into n pieces of uneven, odd lengths, with gap bytes between them, from off on.
 * Returns the length of memory that they span.
 */
uint32_t host_split(struct host_piece *p, uint32_t n, uint32_t off, uint32_t len, uint32_t gap)
{
	uint32_t start = off;
	uint32_t share = len / n;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t skew = share > 8 ? (i * 37 % (share / 4 + 1)) : 0;

		p[i].off = off;
		/* Odd ones give what even ones take; the last takes what is left. */
		p[i].len = i == n - 1 ? len : i & 1 ? share - skew : share + skew / 2;
		len -= p[i].len;
		off += p[i].len + gap;
	}
	return off - start;
}

/* A list of keyed descriptors in the capsule; list has room for 16 * n bytes, until the command is sent. */
void host_sgl_list(struct host_cmd *cmd, const struct host_queue *q, const struct host_piece *p,
		   uint32_t n, uint8_t *list)
{
	for (uint32_t i = 0; i < n; i++) {
		struct wire_sgl s = wire_sgl_keyed(SGL_KEYED, (uintptr_t)(q->data + p[i].off),
						   p[i].len, q->data_mr->rkey);

		memcpy(list + 16 * (size_t)i, s.b, 16);
	}
	wire_set_sgl(&cmd->sqe, wire_sgl_plain(SGL_LAST_OFFSET, 0, 16 * n));
	cmd->icd = list;
	cmd->icd_len = 16 * n;
}

void host_scatter(struct host_queue *q, const struct host_piece *p, uint32_t n, const void *data)
{
	const uint8_t *from = data;

	for (uint32_t i = 0; i < n; i++) {
		memcpy(q->data + p[i].off, from, p[i].len);
		from += p[i].len;
	}
}

void host_gather(const struct host_queue *q, const struct host_piece *p, uint32_t n, void *data)
{
	uint8_t *to = data;

	for (uint32_t i = 0; i < n; i++) {
		memcpy(to, q->data + p[i].off, p[i].len);
		to += p[i].len;
	}
}

static uint64_t pattern_seed(uint64_t lba, uint64_t generation)
{
	uint64_t x = lba * 0x9e3779b97f4a7c15u ^ (generation + 1) * 0xc2b2ae3d27d4eb4fu;

	x ^= x >> 29;
	return x * 0xbf58476d1ce4e5b9u | 1;
}

void host_pattern(void *data, size_t len, uint64_t lba, uint64_t generation)
{
	uint64_t seed = pattern_seed(lba, generation);
	uint64_t v = seed;

	for (size_t i = 0; i + 8 <= len; i += 8, v += seed)
		memcpy((uint8_t *)data + i, &v, 8);
}

/* The offset of the first wrong word, or -1 when all is right. */
int64_t host_pattern_check(const void *data, size_t len, uint64_t lba, uint64_t generation)
{
	uint64_t seed = pattern_seed(lba, generation);
	uint64_t v = seed;

	for (size_t i = 0; i + 8 <= len; i += 8, v += seed) {
		if (memcmp((const uint8_t *)data + i, &v, 8))
			return (int64_t)i;
	}
	return -1;
}
