/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases: hosts that break the rules of the connection itself. They may lose it; nobody else may notice. (The
 * runner looks after each case whether the bystander and a new host are still served.)
 */
#include <errno.h>
#include <stdio.h>

#include "probe.h"

static bool short_capsule(struct probe *p, struct host_queue *q, uint32_t len)
{
	struct host_slot *slot;
	struct host_cmd cmd;

	if (!q)
		return false;
	host_cmd_init(&cmd, OPC_FLUSH, 1);
	cmd.raw_len = len;
	if (host_submit(q, &cmd, &slot))
		return probe_fail(p, "expected to send %u bytes, got %s", len, q->why);
	return probe_ends(p, "short capsule", q);
}

static bool hostile_short_capsule_on_admin(struct probe *p)
{
	return short_capsule(p, probe_admin_connected(p), 63);
}

static bool hostile_capsule_of_1_byte(struct probe *p)
{
	return short_capsule(p, probe_admin_connected(p), 1);
}

static bool hostile_short_capsule_on_io(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);

	return c && short_capsule(p, probe_io_queue(p, c, 1, 8), 40) && probe_alive(p, c->admin) &&
	       probe_io_queue(p, c, 1, 8);
}

static bool hostile_short_capsule_before_connect(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 0, 32);
	return short_capsule(p, probe_open(p, &params), 8);
}

/* More than the target said that a capsule may have: an answer or the end. */
static bool hostile_long_capsule(struct probe *p)
{
	static const uint8_t data[64 << 10];
	struct host_ctrl *c = probe_ctrl(p);
	struct host_params params;
	struct host_queue *q;
	struct host_cmd cmd;
	struct wire_cqe cqe;
	int err;

	if (!c)
		return false;
	host_params_init(&params, &c->to, 1, 8);
	params.capsule_size = 64 + sizeof(data);
	if (host_ctrl_io(c, &params, &q))
		return probe_fail(p, "expected I/O queue 1, got %s", q ? q->why : "no memory");
	p->queues[p->queue_count++] = q;
	host_cmd_init(&cmd, OPC_FLUSH, c->nsid);
	cmd.icd = data;
	cmd.icd_len = c->icd_max + 4096 < sizeof(data) ? c->icd_max + 4096 : sizeof(data);
	err = host_exec(q, &cmd, &cqe);
	if (err && err != -ENOTCONN)
		return probe_fail(p, "expected an answer or the end, got %s", strerror(-err));
	return probe_alive(p, c->admin);
}

static bool bad_key(struct probe *p, uint8_t opc, bool list)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);
	struct host_piece pieces[4];
	uint8_t descs[64];
	struct host_cmd cmd;
	struct wire_cqe cqe;
	int err;

	if (!c)
		return false;
	host_cmd_rw(&cmd, opc, c->nsid, 0, 4096 / c->lba_size);
	if (list) {
		host_split(pieces, 4, 0, 4096, 16);
		host_sgl_list(&cmd, c->io, pieces, 4, descs);
		wire_put32(descs, 2 * 16 + 11, ~c->io->data_mr->rkey);
	} else {
		host_sgl_keyed(&cmd, c->io, 0, 4096);
		wire_put32(cmd.sqe.b, SQE_SGL + 11, ~c->io->data_mr->rkey);
	}
	err = host_exec(c->io, &cmd, &cqe);
	/* An error status may still pass before the queue pair breaks; success may not. */
	if (!err && !wire_status(&cqe))
		return probe_fail(p, "bad key: expected an error or the end, got success");
	return (err == -ENOTCONN || probe_ends(p, "bad key", c->io)) && probe_alive(p, c->admin);
}

static bool hostile_read_with_a_bad_key(struct probe *p)
{
	return bad_key(p, OPC_READ, false);
}

static bool hostile_write_with_a_bad_key(struct probe *p)
{
	return bad_key(p, OPC_WRITE, false);
}

static bool hostile_read_list_with_a_bad_key(struct probe *p)
{
	return bad_key(p, OPC_READ, true);
}

static bool hostile_write_list_with_a_bad_key(struct probe *p)
{
	return bad_key(p, OPC_WRITE, true);
}

/* To invalidate what no invalidation may touch breaks the queue pair, and only that. */
static bool hostile_invalidate_of_a_plain_region(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);
	struct host_cmd cmd;
	struct wire_cqe cqe;

	if (!c)
		return false;
	host_cmd_rw(&cmd, OPC_READ, c->nsid, 0, 1);
	host_sgl_keyed(&cmd, c->io, 0, c->lba_size);
	cmd.sqe.b[SQE_SGL + 15] = SGL_KEYED_INV;
	if (host_exec(c->io, &cmd, &cqe) == 0)
		return probe_fail(p, "expected the end of the connection, got status 0x%03x",
				  wire_status(&cqe));
	return probe_alive(p, c->admin);
}

#define OVERRUN 64

/* A queue of 4 with 64 writes at once, each of which takes the target many READs with one credit. */
static bool hostile_queue_overrun(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_piece pieces[16];
	struct host_slot *slots[OVERRUN];
	struct host_params params;
	uint8_t descs[256];
	struct host_queue *q;
	struct host_cmd cmd;

	if (!c)
		return false;
	host_params_init(&params, &c->to, 1, 4);
	params.slots = OVERRUN;
	params.read_credits = 1;
	params.data_len = 1 << 20;
	if (host_ctrl_io(c, &params, &q))
		return probe_fail(p, "expected I/O queue 1, got %s", q ? q->why : "no memory");
	p->queues[p->queue_count++] = q;
	host_split(pieces, 16, 0, 65536, 64);
	host_cork(q);
	for (int i = 0; i < OVERRUN; i++) {
		host_cmd_rw(&cmd, OPC_WRITE, c->nsid, 0, 65536 / c->lba_size);
		host_sgl_list(&cmd, q, pieces, 16, descs);
		if (host_submit(q, &cmd, &slots[i]))
			return probe_fail(p, "expected to send %d, got %s", i, q->why);
	}
	host_uncork(q);
	return probe_ends(p, "64 commands on a queue of 4", q) && probe_alive(p, c->admin);
}

/* Connections that go away with commands in every state. */
static bool hostile_disconnect_under_load(struct probe *p)
{
	for (int round = 0; round < 10; round++) {
		struct host_ctrl *c = probe_ctrl_io(p, 32, 1);
		struct host_piece pieces[16];
		struct host_slot *slot;
		uint8_t descs[256];
		struct host_cmd cmd;

		if (!c)
			return false;
		host_split(pieces, 16, 0, 65536, 64);
		host_cork(c->io);
		for (uint32_t i = 0; i < 31; i++) {
			host_cmd_rw(&cmd, i & 1 ? OPC_READ : OPC_WRITE, c->nsid, 0,
				    65536 / c->lba_size);
			host_sgl_list(&cmd, c->io, pieces, 16, descs);
			if (host_submit(c->io, &cmd, &slot))
				return probe_fail(p, "expected to send, got %s", c->io->why);
		}
		host_uncork(c->io);
		host_ctrl_down(c);
	}
	return true;
}

static bool hostile_admin_commands_of_garbage(struct probe *p)
{
	uint32_t seed = 1;

	for (int round = 0; round < 20; round++) {
		struct host_queue *q = probe_admin_connected(p);
		struct host_cmd cmd;
		struct wire_cqe cqe;
		int err = 0;

		for (int i = 0; q && !err && i < 20; i++) {
			memset(&cmd, 0, sizeof(cmd));
			for (int k = 0; k < 64; k++) {
				seed = seed * 1664525u + 1013904223u;
				cmd.sqe.b[k] = (uint8_t)(seed >> 24);
			}
			/* AERs wait for ever. */
			if (cmd.sqe.b[SQE_OPC] == OPC_AER)
				continue;
			err = host_exec(q, &cmd, &cqe);
		}
		if (!q)
			return false;
		if (err && err != -ENOTCONN)
			return probe_fail(p, "garbage: expected an answer or the end, got %s",
					  strerror(-err));
		host_queue_close(p->queues[--p->queue_count]);
	}
	return true;
}

#define CASE(name)                 \
	{                          \
#name, name, false \
	}

static const struct probe_case cases[] = {
	CASE(hostile_short_capsule_on_admin),
	CASE(hostile_capsule_of_1_byte),
	CASE(hostile_short_capsule_on_io),
	CASE(hostile_short_capsule_before_connect),
	CASE(hostile_long_capsule),
	CASE(hostile_read_with_a_bad_key),
	CASE(hostile_write_with_a_bad_key),
	CASE(hostile_read_list_with_a_bad_key),
	CASE(hostile_write_list_with_a_bad_key),
	CASE(hostile_invalidate_of_a_plain_region),
	CASE(hostile_queue_overrun),
	CASE(hostile_disconnect_under_load),
	CASE(hostile_admin_commands_of_garbage),
};

PROBE_GROUP(probe_hostile, cases);
