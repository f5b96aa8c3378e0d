/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases: authentications that fail, because a message is wrong, out of order or late, or a secret is. Each of them
 * ends its connection.
 */
#include "talk.h"

/* ---- messages that are wrong; the queue ends ---- */

/* A byte of a message, and how many bytes of it are sent; 0: all. */
struct change {
	uint16_t at;
	uint8_t value;
	uint16_t len;
	uint8_t rce;
};

static bool negotiate_fails(struct probe *p, const struct change *change)
{
	struct talk t;
	size_t len;

	if (!talk_anew(p, &t))
		return false;
	t.what = "a wrong Negotiate";
	len = dhchap_negotiate(&t.dhchap, t.msg);
	t.msg[change->at] = change->value;
	/* Without a T_ID there is none to be told. */
	if (change->len && change->len < 6)
		t.dhchap.tid = 0;
	return talk_send(&t, change->len ? change->len : len) && talk_fails(&t, change->rce);
}

static bool auth_negotiate_that_is_wrong(struct probe *p)
{
	static const struct change changes[] = {
		{DHCHAP_SC_C, 1, 0, DHCHAP_RCE_CONCAT},
		{DHCHAP_SC_C, 0xff, 0, DHCHAP_RCE_CONCAT},
		{DHCHAP_NAPD, 0, 0, DHCHAP_RCE_PROTOCOL},
		{DHCHAP_NAPD, 2, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_NAPD, 64, TALK_MAX, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_NAPD, 255, TALK_MAX, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_PROTOCOL, 2, 0, DHCHAP_RCE_PROTOCOL},
		{DHCHAP_HASHES, 0, 0, DHCHAP_RCE_HASH},
		{DHCHAP_HASHES, 31, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_HASHES, 255, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_GROUPS, 0, 0, DHCHAP_RCE_GROUP},
		{DHCHAP_GROUPS, 31, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_ID, 1, 0, DHCHAP_RCE_MESSAGE},
		{DHCHAP_ID, 0xf0, 0, DHCHAP_RCE_MESSAGE},
		{DHCHAP_TYPE, 1, 0, DHCHAP_RCE_MESSAGE},
		{DHCHAP_TYPE, 0xff, 0, DHCHAP_RCE_MESSAGE},
		{DHCHAP_NAPD, 1, 1, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_NAPD, 1, 7, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_NAPD, 1, 71, DHCHAP_RCE_PAYLOAD},
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (!negotiate_fails(p, &changes[i]))
			return false;
	return true;
}

static bool reply_fails(struct probe *p, const struct change *change)
{
	struct talk t;
	size_t len;

	if (!talk_anew(p, &t))
		return false;
	t.what = "a wrong Reply";
	t.dhchap.hashes = 1;
	len = talk_to_reply(&t);
	if (!len)
		return false;
	t.msg[change->at] = change->value;
	return talk_send(&t, change->len ? change->len : len) && talk_fails(&t, change->rce);
}

static bool auth_reply_that_is_wrong(struct probe *p)
{
	static const struct change changes[] = {
		{DHCHAP_TID, 0x35, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_TID + 1, 0, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_HL, 0, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_HL, 48, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_HL, 255, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_VALID, 2, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_DHVLEN, 1, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_DHVLEN + 1, 0xff, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_ID, 4, 0, DHCHAP_RCE_MESSAGE},
		{DHCHAP_TYPE, 0, 0, DHCHAP_RCE_MESSAGE},
		{DHCHAP_VALID, 0, 2, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_VALID, 0, 15, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_VALID, 0, 16 + 63, DHCHAP_RCE_PAYLOAD},
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (!reply_fails(p, &changes[i]))
			return false;
	return true;
}

/* 0, 1 and p - 1 are in no group that proves anything; p - 1 and p begin with eight bytes of 1s. */
static bool auth_diffie_hellman_value_that_is_none(struct probe *p)
{
	static const uint8_t fills[][2] = {{0, 0}, {0, 1}, {0xff, 0xff}};
	struct talk t;

	for (size_t i = 0; i < 3; i++) {
		size_t len;

		if (!talk_anew(p, &t))
			return false;
		t.what = "a wrong Diffie-Hellman value";
		t.dhchap.groups = 2;
		len = talk_to_reply(&t);
		if (!len)
			return false;
		memset(t.msg + len - t.dhchap.dh_len, fills[i][0], t.dhchap.dh_len);
		t.msg[len - 1] = fills[i][1];
		if (!talk_send(&t, len) || !talk_fails(&t, DHCHAP_RCE_PAYLOAD))
			return false;
	}
	return true;
}

static bool auth_success2_that_is_wrong(struct probe *p)
{
	static const struct change changes[] = {
		{DHCHAP_TID, 0x35, 0, DHCHAP_RCE_PAYLOAD},
		{DHCHAP_ID, 3, 0, DHCHAP_RCE_MESSAGE},
		{DHCHAP_ID, 4, 15, DHCHAP_RCE_PAYLOAD},
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct talk t;
		size_t len;

		if (!talk_anew(p, &t))
			return false;
		t.dhchap.ctrl_secret = p->ctrl_secret;
		if (!talk_to_success1(&t))
			return false;
		t.what = "a wrong Success2";
		len = dhchap_success2(&t.dhchap, t.msg);
		t.msg[changes[i].at] = changes[i].value;
		if (!talk_send(&t, changes[i].len ? changes[i].len : len) ||
		    !talk_fails(&t, changes[i].rce))
			return false;
	}
	return true;
}

static bool auth_receive_when_it_is_the_hosts_turn(struct probe *p)
{
	struct talk t;

	if (!talk_anew(p, &t) || !talk_to_challenge(&t))
		return false;
	t.what = "Receive instead of a Reply";
	return talk_fails(&t, DHCHAP_RCE_MESSAGE);
}

static bool auth_send_when_it_is_not_the_hosts_turn(struct probe *p)
{
	struct talk t;

	if (!talk_anew(p, &t))
		return false;
	t.what = "Negotiate twice";
	return talk_send(&t, dhchap_negotiate(&t.dhchap, t.msg)) &&
	       talk_send(&t, dhchap_negotiate(&t.dhchap, t.msg)) &&
	       talk_fails(&t, DHCHAP_RCE_MESSAGE);
}

static bool auth_with_a_wrong_secret(struct probe *p)
{
	struct talk t;
	size_t len;

	if (!talk_anew(p, &t))
		return false;
	t.what = "a wrong secret";
	t.dhchap.secret = DHCHAP_SECRET_OTHER;
	len = talk_to_reply(&t);
	return len && talk_send(&t, len) && talk_nothing_else(&t) &&
	       talk_fails(&t, DHCHAP_RCE_FAILED);
}

static bool auth_of_another_host(struct probe *p)
{
	struct talk t;
	size_t len;

	if (!talk_anew(p, &t))
		return false;
	t.what = "the secret of another host";
	t.dhchap.hostnqn = "nqn.2026-11.test.wrasse:another-host";
	len = talk_to_reply(&t);
	return len && talk_send(&t, len) && talk_fails(&t, DHCHAP_RCE_FAILED);
}

/* Who was somebody and is so no longer loses all queues. */
static bool auth_with_a_wrong_secret_again(struct probe *p)
{
	struct talk admin, io;
	size_t len;

	if (!talk_both_queues(p, &admin, &io, NULL, TALK_NULL_DH))
		return false;
	io.what = "a wrong secret on a live queue";
	io.dhchap.secret = DHCHAP_SECRET_OTHER;
	len = talk_to_reply(&io);
	return len && talk_send(&io, len) && talk_fails(&io, DHCHAP_RCE_FAILED) &&
	       probe_ends(p, "the admin queue of a host that failed", admin.q);
}

static bool auth_refused_by_the_host(struct probe *p)
{
	struct talk t;

	if (!talk_anew(p, &t))
		return false;
	t.dhchap.ctrl_secret = p->ctrl_secret;
	return talk_to_success1(&t) && talk_send(&t, dhchap_failure2(&t.dhchap, t.msg)) &&
	       probe_ends(p, "Failure2", t.q);
}

/* Whatever it is, there is an answer, and it is not to come in. */
static bool auth_of_random_messages(struct probe *p)
{
	uint64_t dice = 88172645463325252u;

	for (unsigned i = 0; i < 40; i++) {
		struct talk t;
		size_t len = i % 2 ? 1 + i * 97 % (TALK_MAX - 1) : 72;

		if (!talk_anew(p, &t) || (i % 4 > 1 && !talk_to_challenge(&t)))
			return false;
		t.what = "a random message";
		for (size_t k = 0; k < len; k++) {
			dice ^= dice << 13;
			dice ^= dice >> 7;
			dice ^= dice << 17;
			t.msg[k] = (uint8_t)(dice >> 32);
		}
		t.msg[DHCHAP_TYPE] &= 1;
		t.msg[DHCHAP_ID] &= 7;
		if (!talk_send(&t, len) || !talk_is_closed(&t))
			return false;
	}
	return true;
}

/* ---- time ---- */

/* Each step may take as long as the keep-alive timeout. @began: when the last step had not been made yet. */
static bool ends_in_time(struct talk *t, uint64_t began, uint32_t kato_ms)
{
	if (!host_ended_within(t->q, kato_ms + t->p->auth.timeout_ms))
		return probe_fail(t->p, "%s: expected the end of the connection, got none",
				  t->what);
	if (host_now_ns() - began < (uint64_t)kato_ms * 1000000)
		return probe_fail(t->p, "%s: expected the end after %u ms, got it after %u",
				  t->what, kato_ms, (unsigned)((host_now_ns() - began) / 1000000));
	return true;
}

static bool auth_that_does_not_begin(struct probe *p)
{
	uint64_t began = host_now_ns();
	uint16_t cntlid = 0;
	struct talk t;

	if (!talk_on(p, &t, talk_queue(p, 0, &cntlid, 2000)))
		return false;
	t.what = "no Negotiate";
	return ends_in_time(&t, began, 2000);
}

static bool auth_that_stops(struct probe *p)
{
	uint16_t cntlid = 0;
	uint64_t began;
	struct talk t;

	if (!talk_on(p, &t, talk_queue(p, 0, &cntlid, 2000)))
		return false;
	began = host_now_ns();
	t.what = "no Reply";
	return talk_to_challenge(&t) && ends_in_time(&t, began, 2000);
}

#define CASE(name)                                        \
	{                                                 \
#name, name, false, .asks_for_auth = true \
	}
#define SLOW(name)                                       \
	{                                                \
#name, name, true, .asks_for_auth = true \
	}

static const struct probe_case cases[] = {
	CASE(auth_negotiate_that_is_wrong),
	CASE(auth_reply_that_is_wrong),
	CASE(auth_diffie_hellman_value_that_is_none),
	CASE(auth_success2_that_is_wrong),
	CASE(auth_receive_when_it_is_the_hosts_turn),
	CASE(auth_send_when_it_is_not_the_hosts_turn),
	CASE(auth_with_a_wrong_secret),
	CASE(auth_of_another_host),
	CASE(auth_with_a_wrong_secret_again),
	CASE(auth_refused_by_the_host),
	CASE(auth_of_random_messages),
	SLOW(auth_that_does_not_begin),
	SLOW(auth_that_stops),
};

PROBE_GROUP(probe_auth_wrong, cases);
