/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Authentications that go well, step by step, on a subsystem that asks for them: what its cases stand on.
 */
#include "talk.h"

#include <errno.h>
#include <stdio.h>

/* ---- queues ---- */

struct host_queue *talk_queue(struct probe *p, uint16_t qid, uint16_t *cntlid, uint32_t kato_ms)
{
	struct host_params params;
	struct host_connect connect;
	struct host_queue *q;
	struct wire_cqe cqe;

	host_params_init(&params, &p->auth, qid, qid ? 8 : 32);
	params.cntlid = qid ? *cntlid : 0;
	q = probe_open(p, &params);
	if (!q || q->state != HOST_CONNECTED) {
		probe_fail(p, "expected a connection, got %s", q ? q->why : "no memory");
		return NULL;
	}
	host_connect_init(&connect, q, qid ? *cntlid : 0xffff);
	wire_put32(connect.cmd.sqe.b, CONNECT_KATO, kato_ms);
	if (host_connect(q, &connect, &cqe) || wire_status(&cqe)) {
		probe_fail(p, "expected Connect of queue %u to succeed, got status 0x%03x", qid,
			   wire_status(&cqe));
		return NULL;
	}
	if (!(wire_get32(cqe.b, CQE_DW0) & CONNECT_ATR)) {
		probe_fail(p, "expected Connect of queue %u to say ATR, got dw0 0x%08x", qid,
			   wire_get32(cqe.b, CQE_DW0));
		return NULL;
	}
	if (wire_get32(cqe.b, CQE_DW0) & CONNECT_ASCR) {
		probe_fail(p, "expected no ASCR on RDMA, got dw0 0x%08x",
			   wire_get32(cqe.b, CQE_DW0));
		return NULL;
	}
	*cntlid = wire_get16(cqe.b, CQE_DW0);
	return q;
}

bool talk_on(struct probe *p, struct talk *t, struct host_queue *q)
{
	if (!q)
		return false;
	memset(t, 0, sizeof(*t));
	t->p = p;
	t->q = q;
	t->what = "authentication";
	t->dhchap = (struct dhchap){.hostnqn = p->auth.hostnqn,
				    .subnqn = p->auth.nqn,
				    .secret = p->secret,
				    .hashes = 7,
				    .groups = TALK_NULL_DH,
				    .tid = 0x1234};
	return true;
}

/* A new admin queue. */
bool talk_anew(struct probe *p, struct talk *t)
{
	uint16_t cntlid = 0;

	return talk_on(p, t, talk_queue(p, 0, &cntlid, 0));
}

/* ---- messages ---- */

struct host_cmd talk_cmd(const struct host_queue *q, uint8_t fctype, uint32_t off, uint32_t len)
{
	struct host_cmd cmd;

	host_cmd_init(&cmd, OPC_FABRICS, 0);
	cmd.sqe.b[SQE_FCTYPE] = fctype;
	cmd.sqe.b[AUTH_SPSP0] = 1;
	cmd.sqe.b[AUTH_SPSP1] = 1;
	cmd.sqe.b[AUTH_SECP] = AUTH_SECP_NVME;
	wire_put32(cmd.sqe.b, AUTH_LEN, len);
	host_sgl_keyed(&cmd, q, off, len);
	return cmd;
}

bool talk_send(struct talk *t, size_t len)
{
	struct host_cmd cmd = talk_cmd(t->q, FCTYPE_AUTH_SEND, 0, (uint32_t)len);

	memcpy(t->q->data, t->msg, len);
	return probe_exec_expect(t->p, t->what, t->q, &cmd, ANY(ST_OK));
}

/* Asks for the next message, which must be of a kind and alone. */
bool talk_receive(struct talk *t, unsigned kind)
{
	struct host_cmd cmd = talk_cmd(t->q, FCTYPE_AUTH_RECEIVE, TALK_OFF_IN, sizeof(t->got));

	memset(t->q->data + TALK_OFF_IN, 0xa5, sizeof(t->got));
	if (!probe_exec_expect(t->p, t->what, t->q, &cmd, ANY(ST_OK)))
		return false;
	memcpy(t->got, t->q->data + TALK_OFF_IN, sizeof(t->got));
	if (dhchap_kind(t->got) != kind)
		return probe_fail(t->p, "%s: expected message 0x%04x, got 0x%04x (reason %u)",
				  t->what, kind, dhchap_kind(t->got), t->got[DHCHAP_RCE]);
	return true;
}

bool talk_is_right(struct talk *t, const char *message, const char *why)
{
	if (why)
		return probe_fail(t->p, "expected a good %s, got one that is not: %s", message,
				  why);
	return true;
}

/* Failure1 for this reason, and the end of the connection. */
bool talk_fails(struct talk *t, uint8_t rce)
{
	if (!talk_receive(t, DHCHAP_FAILURE1))
		return false;
	if (wire_get16(t->got, DHCHAP_TID) != t->dhchap.tid || t->got[6] != 1 ||
	    t->got[DHCHAP_RCE] != rce)
		return probe_fail(
			t->p,
			"%s: expected Failure1 of T_ID 0x%x, code 1 and reason %u, got 0x%x, %u and %u",
			t->what, t->dhchap.tid, rce, wire_get16(t->got, DHCHAP_TID), t->got[6],
			t->got[DHCHAP_RCE]);
	return probe_ends(t->p, t->what, t->q);
}

/* ---- the course of one ---- */

bool talk_to_challenge(struct talk *t)
{
	return talk_send(t, dhchap_negotiate(&t->dhchap, t->msg)) &&
	       talk_receive(t, DHCHAP_CHALLENGE) &&
	       talk_is_right(t, "Challenge",
			     dhchap_take_challenge(&t->dhchap, t->got, sizeof(t->got)));
}

/* The Reply is in msg. Return: its length, 0: it did not come so far. */
size_t talk_to_reply(struct talk *t)
{
	size_t len = talk_to_challenge(t) ? dhchap_reply(&t->dhchap, t->got, t->msg) : 0;

	if (!len)
		probe_fail(t->p, "expected to make a Reply, got nothing from OpenSSL");
	return len;
}

bool talk_to_success1(struct talk *t)
{
	size_t len = talk_to_reply(t);

	return len && talk_send(t, len) && talk_receive(t, DHCHAP_SUCCESS1) &&
	       talk_is_right(t, "Success1",
			     dhchap_take_success1(&t->dhchap, t->got, sizeof(t->got)));
}

bool talk_authenticate(struct talk *t)
{
	t->dhchap.tid++;
	if (!talk_to_success1(t))
		return false;
	return !t->dhchap.ctrl_secret || talk_send(t, dhchap_success2(&t->dhchap, t->msg));
}

/* ---- what stands on that ---- */

bool talk_enable(struct talk *t)
{
	int err = host_ctrl_enable(t->q, CC_ENABLE, CSTS_RDY, CSTS_RDY);

	return err ? probe_fail(t->p, "expected CSTS.RDY, got %s", strerror(-err)) : true;
}

bool talk_flush(struct talk *t, uint16_t status)
{
	struct host_cmd cmd;

	host_cmd_init(&cmd, OPC_FLUSH, 1);
	return probe_exec_expect(t->p, "Flush", t->q, &cmd, ANY(status));
}

/* A controller with an I/O queue, both open. */
bool talk_both_queues(struct probe *p, struct talk *admin, struct talk *io, const char *ctrl_secret,
		      uint32_t groups)
{
	uint16_t cntlid = 0;

	if (!talk_on(p, admin, talk_queue(p, 0, &cntlid, 0)))
		return false;
	admin->dhchap.ctrl_secret = ctrl_secret;
	admin->dhchap.groups = groups;
	if (!talk_authenticate(admin) || !talk_enable(admin) ||
	    !talk_on(p, io, talk_queue(p, 1, &cntlid, 0)))
		return false;
	io->dhchap.ctrl_secret = ctrl_secret;
	io->dhchap.groups = groups;
	return talk_flush(io, ST_AUTH_REQUIRED) && talk_authenticate(io) && talk_flush(io, ST_OK) &&
	       probe_alive(p, admin->q);
}

bool talk_is_closed(struct talk *t)
{
	struct wire_cqe cqe;

	if (host_prop_get(t->q, PROP_CSTS, 0, &cqe))
		return probe_fail(t->p, "%s: expected an answer, got %s", t->what, t->q->why);
	return probe_expect(t->p, t->what, &cqe, ANY(ST_AUTH_REQUIRED));
}

/* Every opcode, and every Fabrics command. */
bool talk_nothing_else(struct talk *t)
{
	const uint16_t *required = ANY(ST_AUTH_REQUIRED);
	const uint16_t *connected = ANY(ST_SEQUENCE, ST_AUTH_REQUIRED);
	const uint16_t *no_protocol = ANY(ST_FIELD);

	for (unsigned i = 0; i < 512; i++) {
		const uint16_t *any = required;
		struct host_cmd cmd;
		char what[64];

		if (i == OPC_FABRICS)
			continue;
		host_cmd_init(&cmd, i < 256 ? (uint8_t)i : OPC_FABRICS, 1);
		if (i >= 256)
			cmd.sqe.b[SQE_FCTYPE] = (uint8_t)i;
		host_sgl_keyed(&cmd, t->q, TALK_OFF_IN, 4096);
		if (i == 256 + FCTYPE_CONNECT)
			any = connected;
		if (i == 256 + FCTYPE_AUTH_SEND || i == 256 + FCTYPE_AUTH_RECEIVE)
			any = no_protocol;
		snprintf(what, sizeof(what), "%s 0x%02x before authentication",
			 i < 256 ? "opcode" : "Fabrics command", i & 0xff);
		if (!probe_exec_expect(t->p, what, t->q, &cmd, any))
			return false;
	}
	return true;
}
