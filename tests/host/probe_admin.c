/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases: the admin queue once a controller runs. Keep Alive, asynchronous events, Abort, SQHD.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

#define SQ_SIZE  8
#define MAX_AERS 16

static bool admin_keep_alive(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_cmd cmd;

	host_cmd_init(&cmd, OPC_KEEP_ALIVE, 0);
	/* Without a timeout there is nothing to keep alive: saying so is as right as success. */
	return c && probe_exec_expect(p, "Keep Alive, KATO 0", c->admin, &cmd, ANY(ST_OK, ST_KATO));
}

static bool admin_unknown_opcode(struct probe *p)
{
	static const uint8_t known[] = {0x02, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x18, OPC_FABRICS};
	struct host_ctrl *c = probe_ctrl(p);
	struct host_cmd cmd;

	for (unsigned int opcode = 0; c && opcode < 256; opcode++) {
		if (memchr(known, (int)opcode, sizeof(known)))
			continue;
		host_cmd_init(&cmd, (uint8_t)opcode, 0);
		if (!probe_exec_expect(p, "unknown opcode", c->admin, &cmd,
				       ANY(ST_OPCODE | PROBE_DNR)))
			return false;
	}
	return c && probe_alive(p, c->admin);
}

/* A CNS is answered with a page or with what is wrong with it, and the queue lives. */
static bool admin_identify_of_every_cns(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_cmd cmd;

	for (uint32_t cns = 0; c && cns < 256; cns++) {
		host_cmd_init(&cmd, OPC_IDENTIFY, c->nsid);
		wire_put32(cmd.sqe.b, SQE_CDW10, cns | 0xffff0000u);
		host_sgl_keyed(&cmd, c->admin, 0, 4096);
		if (!probe_exec_expect(p, "Identify", c->admin, &cmd,
				       cns <= 8 && cns != 4 ? ANY(ST_OK) :
							      ANY(ST_OK, ST_FIELD | PROBE_DNR)))
			return false;
	}
	return c && probe_alive(p, c->admin);
}

static bool admin_unknown_fctype(struct probe *p)
{
	static const uint8_t types[] = {0x02, 0x03, 0x07, 0x0b, 0xc0, 0xff};
	struct host_ctrl *c = probe_ctrl(p);
	struct host_cmd cmd;

	for (size_t i = 0; c && i < sizeof(types); i++) {
		host_cmd_init(&cmd, OPC_FABRICS, 0);
		cmd.sqe.b[SQE_FCTYPE] = types[i];
		if (!probe_exec_expect(p, "unknown fctype", c->admin, &cmd,
				       ANY(ST_OPCODE | PROBE_DNR, ST_FIELD | PROBE_DNR)))
			return false;
	}
	return c && probe_alive(p, c->admin);
}

static bool admin_psdt_0_is_refused(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_cmd cmd;

	host_cmd_init(&cmd, OPC_IDENTIFY, 0);
	wire_put32(cmd.sqe.b, SQE_CDW10, 1);
	cmd.sqe.b[SQE_FLAGS] = 0;
	if (c)
		host_sgl_keyed(&cmd, c->admin, 0, 4096);
	return c && probe_exec_expect(p, "Identify with PSDT 00", c->admin, &cmd,
				      ANY(ST_FIELD | PROBE_DNR));
}

/* Sends n AERs; they must stay without answer while a command behind them gets one. */
static bool aers_send(struct probe *p, struct host_ctrl *c, uint32_t n, struct host_slot **slots)
{
	struct host_cmd cmd;

	host_cmd_init(&cmd, OPC_AER, 0);
	for (uint32_t i = 0; i < n; i++) {
		if (host_submit(c->admin, &cmd, &slots[i]))
			return probe_fail(p, "expected to send AER %u, got %s", i, c->admin->why);
	}
	if (!probe_alive(p, c->admin))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (slots[i]->answered)
			return probe_fail(p, "expected AER %u to be held, got status 0x%03x", i,
					  wire_status(&slots[i]->cqe));
	}
	return true;
}

static bool admin_aer_limit(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_slot *slots[MAX_AERS];
	struct host_cmd cmd;

	if (!c)
		return false;
	if (c->aerl != 3)
		return probe_fail(p, "expected AERL 3, got %u", c->aerl);
	host_cmd_init(&cmd, OPC_AER, 0);
	return aers_send(p, c, 4, slots) &&
	       probe_exec_expect(p, "fifth AER", c->admin, &cmd, ANY(ST_AER_LIMIT)) &&
	       probe_alive(p, c->admin);
}

static bool admin_aers_complete_on_reset(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_slot *slots[MAX_AERS];
	struct wire_cqe cqe;

	if (!c || !aers_send(p, c, 4, slots))
		return false;
	if (host_ctrl_enable(c->admin, CC_ENABLE & ~1u, CSTS_RDY, 0))
		return probe_fail(p, "expected RDY 0 after reset, got none");
	for (int i = 0; i < 4; i++) {
		int err = host_wait(c->admin, slots[i], &cqe);

		if (err)
			return probe_fail(p, "expected AER %d to complete on reset, got %s", i,
					  strerror(-err));
		if (!wire_status(&cqe))
			return probe_fail(p, "expected AER %d to be aborted, got success", i);
	}
	/* And the limit starts again. */
	return host_ctrl_enable(c->admin, CC_ENABLE, CSTS_RDY, CSTS_RDY) == 0 &&
	       aers_send(p, c, 4, slots);
}

/* The connection goes with AERs held: their requests must not go with it. */
static bool admin_aers_held_at_disconnect(struct probe *p)
{
	for (int i = 0; i < 10; i++) {
		struct host_ctrl *c = probe_ctrl(p);
		struct host_slot *slots[MAX_AERS];

		if (!c || !aers_send(p, c, 4, slots))
			return false;
		host_ctrl_down(c);
	}
	return true;
}

static bool admin_abort_of_an_aer_answers(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_slot *slots[MAX_AERS];
	struct host_cmd cmd;
	struct wire_cqe cqe;

	if (!c || !aers_send(p, c, 1, slots))
		return false;
	host_cmd_init(&cmd, OPC_ABORT, 0);
	wire_put32(cmd.sqe.b, SQE_CDW10, (uint32_t)slots[0]->cid << 16);
	if (!probe_exec(p, c->admin, &cmd, &cqe) || !probe_expect(p, "Abort", &cqe, ANY(ST_OK)))
		return false;
	if (wire_get32(cqe.b, CQE_DW0) & 1)
		return probe_alive(p, c->admin);
	if (host_wait(c->admin, slots[0], &cqe))
		return probe_fail(p, "expected the AER that was aborted to complete, got none");
	return probe_expect(p, "AER", &cqe, ANY(ST_ABORTED));
}

static bool admin_abort_of_nothing(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_cmd cmd;
	struct wire_cqe cqe;

	host_cmd_init(&cmd, OPC_ABORT, 0);
	wire_put32(cmd.sqe.b, SQE_CDW10, 0xeeee0063);
	if (!c || !probe_exec(p, c->admin, &cmd, &cqe))
		return false;
	if (!wire_status(&cqe) && !(wire_get32(cqe.b, CQE_DW0) & 1))
		return probe_fail(p, "expected dw0 bit 0 to say that nothing was aborted, got 0");
	return probe_expect(p, "Abort of nothing", &cqe, ANY(ST_OK, ST_FIELD, 0x101));
}

/* SQHD moves by one with each command, modulo the size of the queue. */
static bool admin_sqhd_follows_the_queue(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_queue *q = c ? probe_io_queue(p, c, 1, SQ_SIZE) : NULL;
	struct host_cmd cmd;

	if (!q)
		return false;
	host_cmd_init(&cmd, OPC_FLUSH, c->nsid);
	for (int i = 0; i < 3 * SQ_SIZE; i++) {
		uint16_t want = (uint16_t)((q->sqhd + 1) % SQ_SIZE);

		if (!probe_exec_expect(p, "Flush", q, &cmd, ANY(ST_OK)))
			return false;
		if (q->sqhd != want)
			return probe_fail(p, "expected SQHD %u after command %d, got %u", want, i,
					  q->sqhd);
	}
	return true;
}

static bool admin_keep_alive_expiry_ends_all(struct probe *p)
{
	struct host_ctrl *c = calloc(1, sizeof(*c));
	uint64_t start = host_now_ns();
	char why[256] = "";

	if (!c)
		return false;
	p->ctrls[p->ctrl_count++] = c;
	c->kato_ms = 2000;
	if (host_ctrl_up(c, &p->to, why, sizeof(why)) || !probe_io_queue(p, c, 1, 8))
		return probe_fail(p, "expected a controller with KATO 2 s, got %s", why);
	if (!host_ended_within(c->admin, 8000))
		return probe_fail(p, "expected the end of the admin queue, got none in 8 s");
	if (host_now_ns() - start < 1900000000u)
		return probe_fail(p, "expected the end after 2 s or more, got it after %u ms",
				  (unsigned int)((host_now_ns() - start) / 1000000u));
	return probe_ends(p, "I/O queue after KATO", p->queues[0]);
}

static bool admin_keep_alive_keeps_alive(struct probe *p)
{
	struct host_ctrl *c = calloc(1, sizeof(*c));
	struct host_cmd cmd;
	char why[256] = "";

	if (!c)
		return false;
	p->ctrls[p->ctrl_count++] = c;
	c->kato_ms = 2000;
	if (host_ctrl_up(c, &p->to, why, sizeof(why)))
		return probe_fail(p, "expected a controller with KATO 2 s, got %s", why);
	host_cmd_init(&cmd, OPC_KEEP_ALIVE, 0);
	for (int i = 0; i < 8; i++) {
		if (!probe_exec_expect(p, "Keep Alive", c->admin, &cmd, ANY(ST_OK)))
			return false;
		if (host_ended_within(c->admin, 900))
			return probe_fail(p, "expected life with a Keep Alive each 0.9 s, got %s",
					  c->admin->why);
	}
	return true;
}

#define CASE(name)                 \
	{                          \
#name, name, false \
	}

static const struct probe_case cases[] = {
	CASE(admin_keep_alive),
	CASE(admin_unknown_opcode),
	CASE(admin_identify_of_every_cns),
	CASE(admin_unknown_fctype),
	CASE(admin_psdt_0_is_refused),
	CASE(admin_aer_limit),
	CASE(admin_aers_complete_on_reset),
	CASE(admin_aers_held_at_disconnect),
	CASE(admin_abort_of_an_aer_answers),
	CASE(admin_abort_of_nothing),
	CASE(admin_sqhd_follows_the_queue),
	{"admin_keep_alive_expiry_ends_all", admin_keep_alive_expiry_ends_all, true},
	{"admin_keep_alive_keeps_alive", admin_keep_alive_keeps_alive, true},
};

PROBE_GROUP(probe_admin, cases);
