/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases: authentication in band (NVMe Base 2.0 8.13), on a subsystem that asks for it: what each side proves, what a
 * queue takes before, and commands that are wrong but leave it as it is.
 */
#include "talk.h"

/* ---- who is let in ---- */

static bool auth_of_the_host(struct probe *p)
{
	struct talk admin, io;

	return talk_both_queues(p, &admin, &io, NULL, TALK_NULL_DH);
}

static bool auth_of_both_sides(struct probe *p)
{
	struct talk admin, io;

	return talk_both_queues(p, &admin, &io, p->ctrl_secret, TALK_NULL_DH);
}

static bool auth_with_diffie_hellman(struct probe *p)
{
	struct talk admin, io;

	return talk_both_queues(p, &admin, &io, p->ctrl_secret, DHCHAP_ALL) && admin.dhchap.group;
}

static bool auth_with_each_hash(struct probe *p)
{
	struct talk t;

	for (unsigned i = 0; i < 3; i++) {
		if (!talk_anew(p, &t))
			return false;
		t.dhchap.hashes = 1u << i;
		if (!talk_authenticate(&t) || !talk_enable(&t))
			return false;
	}
	return true;
}

static bool auth_again_on_live_queues(struct probe *p)
{
	struct talk admin, io;

	if (!talk_both_queues(p, &admin, &io, NULL, TALK_NULL_DH))
		return false;
	for (int i = 0; i < 3; i++) {
		/* What a queue is for goes on meanwhile. */
		if (!talk_to_challenge(&io) || !talk_flush(&io, ST_OK))
			return false;
		size_t len = dhchap_reply(&io.dhchap, io.got, io.msg);

		if (!talk_send(&io, len) || !talk_receive(&io, DHCHAP_SUCCESS1) ||
		    !talk_authenticate(&admin) || !talk_flush(&io, ST_OK))
			return false;
	}
	return probe_alive(p, admin.q);
}

/* On one queue, and between queues. */
static bool auth_challenges_differ(struct probe *p)
{
	uint8_t seen[3][32];
	struct talk t;

	for (unsigned i = 0; i < 3; i++) {
		if ((i != 1 && !talk_anew(p, &t)) || !talk_to_challenge(&t))
			return false;
		memcpy(seen[i], t.got + DHCHAP_VALUE, sizeof(seen[i]));
		for (unsigned k = 0; k < i; k++)
			if (!memcmp(seen[i], seen[k], sizeof(seen[i])))
				return probe_fail(p, "expected another challenge, got one again");
		if (!talk_send(&t, dhchap_reply(&t.dhchap, t.got, t.msg)) ||
		    !talk_receive(&t, DHCHAP_SUCCESS1))
			return false;
	}
	return true;
}

/* ---- what a queue takes before ---- */

static bool auth_before_anything_else(struct probe *p)
{
	struct talk t;
	size_t len;

	if (!talk_anew(p, &t) || !talk_nothing_else(&t))
		return false;
	len = talk_to_reply(&t);
	return len && talk_nothing_else(&t) && talk_send(&t, len) && talk_nothing_else(&t) &&
	       talk_receive(&t, DHCHAP_SUCCESS1) && talk_enable(&t);
}

static bool auth_before_anything_else_on_an_io_queue(struct probe *p)
{
	uint16_t cntlid = 0;
	struct talk admin, io;

	return talk_on(p, &admin, talk_queue(p, 0, &cntlid, 0)) && talk_authenticate(&admin) &&
	       talk_enable(&admin) && talk_on(p, &io, talk_queue(p, 1, &cntlid, 0)) &&
	       talk_nothing_else(&io) && talk_authenticate(&io) && talk_flush(&io, ST_OK);
}

/* Success1 is not enough when the host is to believe the controller first. */
static bool auth_of_both_sides_ends_with_success2(struct probe *p)
{
	struct talk t;

	if (!talk_anew(p, &t))
		return false;
	t.dhchap.ctrl_secret = p->ctrl_secret;
	return talk_to_success1(&t) && talk_nothing_else(&t) &&
	       talk_send(&t, dhchap_success2(&t.dhchap, t.msg)) && talk_enable(&t);
}

static bool auth_of_an_io_queue_comes_after_the_controllers(struct probe *p)
{
	uint16_t cntlid = 0;
	struct host_params params;
	struct host_connect connect;
	struct host_queue *q = talk_queue(p, 0, &cntlid, 0);
	struct wire_cqe cqe;

	/* Else the target might refuse for want of CC.EN. */
	if (!q || host_prop_set(q, PROP_CC, 0, CC_ENABLE, &cqe))
		return false;
	host_params_init(&params, &p->auth, 1, 8);
	params.cntlid = cntlid;
	q = probe_open(p, &params);
	/* Refused by the connection manager, or by Connect. */
	if (!q || q->state != HOST_CONNECTED)
		return q;
	host_connect_init(&connect, q, cntlid);
	if (host_connect(q, &connect, &cqe))
		return probe_fail(p, "expected an answer to Connect, got %s", q->why);
	return probe_expect(p, "Connect of an I/O queue", &cqe,
			    ANY(ST_CONNECT_PARAM, ST_AUTH_REQUIRED, ST_SEQUENCE));
}

/* ---- commands that are wrong; the queue goes on ---- */

static bool auth_of_an_unknown_protocol(struct probe *p)
{
	static const uint8_t offsets[] = {AUTH_SPSP0, AUTH_SPSP1, AUTH_SECP};
	struct talk t;

	if (!talk_anew(p, &t))
		return false;
	for (unsigned i = 0; i < 6; i++) {
		struct host_cmd cmd = talk_cmd(t.q, i & 1 ? FCTYPE_AUTH_SEND : FCTYPE_AUTH_RECEIVE,
					       TALK_OFF_IN, 512);

		cmd.sqe.b[offsets[i / 2]] ^= 0x10;
		if (!probe_exec_expect(p, "an unknown protocol", t.q, &cmd, ANY(ST_FIELD)))
			return false;
	}
	return talk_authenticate(&t);
}

static bool auth_of_a_wrong_length(struct probe *p)
{
	static const uint32_t lengths[] = {0, TALK_MAX + 1, 32768, 0xffffff, 0xffffffff};
	struct talk t;

	if (!talk_anew(p, &t))
		return false;
	dhchap_negotiate(&t.dhchap, t.msg);
	memcpy(t.q->data, t.msg, sizeof(t.msg));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct host_cmd cmd = talk_cmd(t.q, FCTYPE_AUTH_SEND, 0, lengths[i]);

		if (!probe_exec_expect(p, "Authentication Send of a wrong length", t.q, &cmd,
				       ANY(ST_FIELD)))
			return false;
	}
	/* The descriptor has less than the command says. */
	for (uint32_t len = 1; len < DHCHAP_NEGOTIATE_LEN; len += 70) {
		struct host_cmd cmd = talk_cmd(t.q, FCTYPE_AUTH_SEND, 0, DHCHAP_NEGOTIATE_LEN);

		host_sgl_keyed(&cmd, t.q, 0, len);
		if (!probe_exec_expect(p, "Authentication Send with a short SGL", t.q, &cmd,
				       ANY(ST_SGL_LENGTH)))
			return false;
	}
	return talk_authenticate(&t);
}

/* The message must fit; none of it comes else, and the next one that is long enough has it. */
static bool auth_of_a_short_receive(struct probe *p)
{
	struct talk t;

	if (!talk_anew(p, &t) || !talk_send(&t, dhchap_negotiate(&t.dhchap, t.msg)))
		return false;
	for (uint32_t len = 0; len < DHCHAP_VALUE + 64; len += len < 9 ? 1 : 7) {
		struct host_cmd cmd = talk_cmd(t.q, FCTYPE_AUTH_RECEIVE, TALK_OFF_IN, len);

		memset(t.q->data + TALK_OFF_IN, 0xa5, TALK_MAX);
		if (!probe_exec_expect(p, "Authentication Receive that is too short", t.q, &cmd,
				       ANY(ST_FIELD)))
			return false;
		for (uint32_t i = 0; i < TALK_MAX; i++)
			if (t.q->data[TALK_OFF_IN + i] != 0xa5)
				return probe_fail(p, "expected nothing of a message, got byte %u",
						  i);
	}
	return talk_receive(&t, DHCHAP_CHALLENGE);
}

static bool auth_receive_before_negotiate(struct probe *p)
{
	struct host_cmd cmd;
	struct talk t;

	if (!talk_anew(p, &t))
		return false;
	cmd = talk_cmd(t.q, FCTYPE_AUTH_RECEIVE, TALK_OFF_IN, TALK_MAX);
	return probe_exec_expect(p, "Authentication Receive before a Send", t.q, &cmd,
				 ANY(ST_SEQUENCE)) &&
	       talk_authenticate(&t);
}

/* Behind a message there may be anything, also other protocols in front. */
static bool auth_of_a_long_message(struct probe *p)
{
	struct talk t;
	size_t len;

	if (!talk_anew(p, &t))
		return false;
	dhchap_negotiate(&t.dhchap, t.msg);
	memcpy(t.msg + 8 + 62 * 64, t.msg + 8, 64);
	memset(t.msg + 8, 0xee, 62 * 64);
	t.msg[DHCHAP_NAPD] = 63;
	if (!talk_send(&t, sizeof(t.msg)) || !talk_receive(&t, DHCHAP_CHALLENGE) ||
	    !talk_is_right(&t, "Challenge", dhchap_take_challenge(&t.dhchap, t.got, sizeof(t.got))))
		return false;
	len = dhchap_reply(&t.dhchap, t.got, t.msg);
	memset(t.msg + len, 0xee, sizeof(t.msg) - len);
	return talk_send(&t, sizeof(t.msg)) && talk_receive(&t, DHCHAP_SUCCESS1) && talk_enable(&t);
}

#define CASE(name)                                        \
	{                                                 \
#name, name, false, .asks_for_auth = true \
	}

static const struct probe_case cases[] = {
	CASE(auth_of_the_host),
	CASE(auth_of_both_sides),
	CASE(auth_with_diffie_hellman),
	CASE(auth_with_each_hash),
	CASE(auth_again_on_live_queues),
	CASE(auth_challenges_differ),
	CASE(auth_before_anything_else),
	CASE(auth_before_anything_else_on_an_io_queue),
	CASE(auth_of_both_sides_ends_with_success2),
	CASE(auth_of_an_io_queue_comes_after_the_controllers),
	CASE(auth_of_an_unknown_protocol),
	CASE(auth_of_a_wrong_length),
	CASE(auth_of_a_short_receive),
	CASE(auth_receive_before_negotiate),
	CASE(auth_of_a_long_message),
};

PROBE_GROUP(probe_auth, cases);
