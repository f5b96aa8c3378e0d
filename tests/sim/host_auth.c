/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How model hosts authenticate themselves: after each Connect, and again while a queue is live. Most do it
 * right; the others have a wrong secret, do not believe the controller, fall silent, or send what is wrong or out
 * of order. Each knows what must come of it.
 */
#include <string.h>

#include "cmd.h"

#define OWN_PATIENCE_NS (10 * SIM_S) /* beyond the target's */

static uint8_t message[DHCHAP_MESSAGE_MAX];

static bool is_asked_for(const struct queue *queue)
{
	return plan.auth & 1u << queue->ctrl->subsystem;
}

static bool is_odd(const struct auth *auth, enum auth_manner manner)
{
	return auth->manner == manner && auth->step == auth->odd;
}

/* ---- the beginning and the ends ---- */

static void auth_begin(struct queue *queue)
{
	static const enum auth_step odd[] = {AUTH_NEGOTIATE, AUTH_CHALLENGE, AUTH_REPLY,
					     AUTH_SUCCESS1, AUTH_SUCCESS2};
	unsigned subsystem = queue->ctrl->subsystem, host = queue->ctrl->host->index;
	struct auth *auth = &queue->auth;

	auth->step = AUTH_NEGOTIATE;
	auth->out = false;
	auth->manner = rng_one_in(plan.auth_wrong) ? rng_below(AUTH_MANNERS) : AUTH_RIGHT;
	auth->odd = odd[rng_below(5)];
	auth->rce = 0;
	auth->excuses = auth_excuses;
	auth->dhchap = (struct dhchap){
		.hostnqn = queue->ctrl->host->nqn,
		.subnqn = target.subsystem[subsystem].nqn,
		.ctrl_secret = rng_flip() ? auth_ctrl_secret(subsystem, host) : NULL,
		.hashes = rng_between(1, 7),
		.groups = 1,
		.tid = ++auth->tid,
	};
	if (plan.auth_groups & WRASSE_AUTH_FFDHE2048 && rng_one_in(6))
		auth->dhchap.groups |= 2;
	if (auth->manner == AUTH_STRANGER)
		auth->rce = DHCHAP_RCE_FAILED;
	trace_mix("host authenticates itself", queue->qid, auth->manner);
}

bool auth_connected(struct queue *queue, uint32_t dw0)
{
	bool asks = is_asked_for(queue);
	uint64_t patience = plan.kato_ms ? plan.kato_ms * SIM_MS : 120 * SIM_S;

	if ((dw0 & (CONNECT_ATR | CONNECT_ASCR)) != (asks ? CONNECT_ATR : 0))
		sim_fail("Connect says %#x, and authentication is %srequired", dw0,
			 asks ? "" : "not ");
	if (!asks)
		return false;
	queue->state = QUEUE_PROVING;
	if (!plan.calm)
		queue->deadline_ns = fabric_now_ns() + patience + OWN_PATIENCE_NS;
	auth_begin(queue);
	return true;
}

/* It is over, and the queue must end. */
static void auth_over(struct queue *queue)
{
	queue->auth.step = AUTH_OVER;
	host_counts.unproven++;
}

static void auth_passed(struct queue *queue)
{
	queue->auth.step = AUTH_NONE;
	host_counts.proofs++;
	trace_mix("host has authenticated itself", queue->qid, 0);
	if (queue->state == QUEUE_PROVING)
		ctrl_admitted(queue);
}

/* Failure1 came. */
static void auth_failed(struct queue *queue, uint8_t rce)
{
	struct auth *auth = &queue->auth;
	bool excused = auth->excuses != auth_excuses && rce == DHCHAP_RCE_FAILED;

	trace_mix("host is refused", queue->qid, rce);
	if (rce != auth->rce && !excused)
		sim_fail(
			"host %u queue %u: its authentication failed for reason %u, which should be %u",
			queue->ctrl->host->index, queue->qid, rce, auth->rce);
	auth_over(queue);
}

/* ---- messages to send ---- */

/* A Negotiate, or one in which something is wrong. */
static size_t negotiate_make(struct auth *auth)
{
	static const struct {
		uint8_t at, value, rce;
	} wrongs[] = {
		{DHCHAP_SC_C, 1, DHCHAP_RCE_CONCAT},     {DHCHAP_NAPD, 0, DHCHAP_RCE_PROTOCOL},
		{DHCHAP_NAPD, 9, DHCHAP_RCE_PAYLOAD},    {DHCHAP_PROTOCOL, 2, DHCHAP_RCE_PROTOCOL},
		{DHCHAP_HASHES, 0, DHCHAP_RCE_HASH},     {DHCHAP_GROUPS, 0, DHCHAP_RCE_GROUP},
		{DHCHAP_HASHES, 31, DHCHAP_RCE_PAYLOAD}, {DHCHAP_ID, 0xf1, DHCHAP_RCE_MESSAGE},
		{DHCHAP_TYPE, 1, DHCHAP_RCE_MESSAGE},
	};
	size_t len = dhchap_negotiate(&auth->dhchap, message);
	uint32_t wrong = rng_below(sizeof(wrongs) / sizeof(wrongs[0]));

	if (!is_odd(auth, AUTH_CLUMSY))
		return len;
	message[wrongs[wrong].at] = wrongs[wrong].value;
	auth->rce = wrongs[wrong].rce;
	return len;
}

/* Of a Reply or Success2: its kind, its transaction or its length are wrong. */
static size_t spoil(struct auth *auth, size_t len)
{
	auth->rce = DHCHAP_RCE_PAYLOAD;
	switch (rng_below(3)) {
	case 0:
		message[DHCHAP_TID] ^= 1;
		return len;
	case 1:
		return rng_between(1, (uint32_t)len - 1);
	default:
		message[DHCHAP_ID] ^= 0x80;
		auth->rce = DHCHAP_RCE_MESSAGE;
		return len;
	}
}

static size_t reply_make(struct queue *queue)
{
	unsigned subsystem = queue->ctrl->subsystem, host = queue->ctrl->host->index;
	struct auth *auth = &queue->auth;
	size_t len;

	auth->dhchap.secret =
		auth->manner == AUTH_STRANGER ? DHCHAP_SECRET_OTHER : auth_secret(subsystem, host);
	if (auth->dhchap.ctrl_secret)
		auth->dhchap.ctrl_secret = auth_ctrl_secret(subsystem, host);
	len = dhchap_reply(&auth->dhchap, auth->challenge, message);
	if (!len)
		sim_fail("OpenSSL does not make a Reply");
	if (is_odd(auth, AUTH_CLUMSY))
		return spoil(auth, len);
	if (auth->manner != AUTH_STRANGER && !auth->dhchap.ctrl_secret)
		auth_admit(queue->id->qp->qp_num);
	return len;
}

static size_t success2_make(struct queue *queue)
{
	size_t len = dhchap_success2(&queue->auth.dhchap, message);

	if (is_odd(&queue->auth, AUTH_CLUMSY))
		return spoil(&queue->auth, len);
	auth_admit(queue->id->qp->qp_num);
	return len;
}

/* The host does not believe the controller: instead of its Reply, or of Success2. */
static bool doubts(const struct auth *auth)
{
	if (auth->manner != AUTH_DOUBTER)
		return false;
	return auth->step == AUTH_SUCCESS2 ||
	       (auth->step == AUTH_REPLY && (!auth->dhchap.ctrl_secret || auth->odd == AUTH_REPLY));
}

static size_t message_make(struct queue *queue)
{
	struct auth *auth = &queue->auth;

	if (doubts(auth))
		return dhchap_failure2(&auth->dhchap, message);
	switch (auth->step) {
	case AUTH_NEGOTIATE:
		return negotiate_make(auth);
	case AUTH_REPLY:
		return reply_make(queue);
	case AUTH_SUCCESS2:
		return success2_make(queue);
	default: /* it should ask */
		auth->rce = DHCHAP_RCE_MESSAGE;
		return dhchap_negotiate(&auth->dhchap, message);
	}
}

static void protocol_put(uint8_t *capsule, uint8_t fctype, uint32_t len)
{
	capsule[SQE_FCTYPE] = fctype;
	capsule[AUTH_SPSP0] = capsule[AUTH_SPSP1] = 1;
	capsule[AUTH_SECP] = AUTH_SECP_NVME;
	wire_put32(capsule, AUTH_LEN, len);
}

static uint32_t send_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t len = (uint32_t)message_make(queue), result;

	protocol_put(capsule, FCTYPE_AUTH_SEND, len);
	result = data_describe(queue, slot, len, DATA_KEYED | DATA_LIST | DATA_IN_CAPSULE);
	data_put(queue, slot, message);
	return result;
}

static void send_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	struct auth *auth = &queue->auth;

	(void)slot;
	auth->out = false;
	if (answer->status)
		queue_lost(queue, "Authentication Send failed");
	else if (doubts(auth))
		auth_over(queue);
	else if (is_odd(auth, AUTH_CLUMSY))
		auth->step = AUTH_FAILURE1;
	else if (auth->step == AUTH_NEGOTIATE)
		auth->step = AUTH_CHALLENGE;
	else if (auth->step == AUTH_REPLY)
		auth->step = AUTH_SUCCESS1;
	else
		auth_passed(queue);
	if (rng_flip())
		auth_step(queue);
}

/* ---- messages that come ---- */

static bool sends(const struct auth *auth)
{
	return auth->step == AUTH_NEGOTIATE || auth->step == AUTH_REPLY ||
	       auth->step == AUTH_SUCCESS2;
}

static uint32_t receive_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t len = rng_between(16 + 64 + 256, 1024);

	/* Nothing comes of one that is too short, or that comes when there is nothing yet. */
	if (queue->auth.step == AUTH_NEGOTIATE)
		slot->expect = ST_SEQUENCE;
	else if (!sends(&queue->auth) && rng_one_in(8)) {
		len = rng_between(1, 7);
		slot->expect = ST_FIELD;
	}
	if (sends(&queue->auth) && slot->expect == ST_OK)
		queue->auth.rce = DHCHAP_RCE_MESSAGE;
	protocol_put(capsule, FCTYPE_AUTH_RECEIVE, len);
	return data_describe(queue, slot, len, DATA_KEYED | DATA_LIST);
}

static void expect_right(struct queue *queue, const char *what, const char *why)
{
	if (why)
		sim_fail("host %u queue %u: %s is not as it should be: %s",
			 queue->ctrl->host->index, queue->qid, what, why);
}

static void challenge_take(struct queue *queue, const uint8_t *msg, uint32_t len)
{
	struct auth *auth = &queue->auth;

	expect_right(queue, "Challenge", dhchap_take_challenge(&auth->dhchap, msg, len));
	memcpy(auth->challenge, msg, DHCHAP_VALUE + auth->dhchap.hash_len + auth->dhchap.dh_len);
	if (!memcmp(auth->last, msg + DHCHAP_VALUE, 32))
		expect_right(queue, "Challenge", "it has come before");
	memcpy(auth->last, msg + DHCHAP_VALUE, 32);
	auth->step = AUTH_REPLY;
}

static void success1_take(struct queue *queue, const uint8_t *msg, uint32_t len)
{
	struct auth *auth = &queue->auth;

	if (auth->manner == AUTH_STRANGER)
		expect_right(queue, "Success1", "the secret was wrong");
	/* It changed between the Reply and its turn: the proof is of the new one. */
	if (auth->excuses == auth_excuses || !auth->dhchap.ctrl_secret)
		expect_right(queue, "Success1", dhchap_take_success1(&auth->dhchap, msg, len));
	if (auth->dhchap.ctrl_secret)
		auth->step = AUTH_SUCCESS2;
	else
		auth_passed(queue);
}

static void rest_is_zero(const uint8_t *msg, uint32_t from, uint32_t len)
{
	for (; from < len; from++)
		if (msg[from])
			sim_fail("byte %u behind an authentication message is %#x", from,
				 msg[from]);
}

static void receive_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	struct auth *auth = &queue->auth;
	const uint8_t *msg = data_get(queue, slot);
	uint32_t len =
		slot->piece[slot->piece_count - 1].off + slot->piece[slot->piece_count - 1].len;

	auth->out = false;
	if (slot->piece_count > 1) {
		len = 0;
		for (uint32_t i = 0; i < slot->piece_count; i++)
			len += slot->piece[i].len;
	}
	if (answer->status && answer->status != slot->expect)
		queue_lost(queue, "Authentication Receive failed");
	else if (answer->status && sends(auth))
		auth->manner = AUTH_RIGHT; /* it has learned that it was too early */
	if (answer->status)
		return;
	if (dhchap_kind(msg) == DHCHAP_FAILURE1) {
		rest_is_zero(msg, DHCHAP_FAILURE_LEN, len);
		auth_failed(queue, msg[DHCHAP_RCE]);
	} else if (auth->step == AUTH_CHALLENGE) {
		challenge_take(queue, msg, len);
	} else if (auth->step == AUTH_SUCCESS1) {
		success1_take(queue, msg, len);
	} else {
		expect_right(queue, "Failure1", "it is another message");
	}
	if (rng_flip())
		auth_step(queue);
}

/* ---- other commands before it is through ---- */

static uint32_t early_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	static const struct {
		uint8_t opcode, fctype;
	} earlies[] = {
		{OPC_FABRICS, FCTYPE_PROP_GET},
		{OPC_FABRICS, FCTYPE_PROP_SET},
		{OPC_FABRICS, FCTYPE_CONNECT},
		{OPC_FABRICS, FCTYPE_DISCONNECT},
		{OPC_FABRICS, 0xc0},
		{OPC_FABRICS, 0x33},
		{OPC_FLUSH, 0},
		{OPC_WRITE, 0},
		{OPC_READ, 0},
		{OPC_WRITE_ZEROES, 0},
		{OPC_IDENTIFY, 0},
		{OPC_ABORT, 0},
		{OPC_SET_FEATURES, 0},
		{OPC_AER, 0},
		{OPC_KEEP_ALIVE, 0},
		{0xc1, 0},
	};
	uint32_t which = rng_below(sizeof(earlies) / sizeof(earlies[0]));

	slot->refused = true;
	slot->expect = ST_AUTH_REQUIRED;
	capsule[SQE_OPC] = earlies[which].opcode;
	wire_put32(capsule, SQE_NSID, 1);
	if (earlies[which].opcode != OPC_FABRICS)
		return data_describe(queue, slot, SIM_BLOCK, DATA_KEYED | DATA_LIST);
	capsule[SQE_FCTYPE] = earlies[which].fctype;
	wire_put32(capsule, SQE_CDW11, PROP_CC);
	wire_put32(capsule, SQE_CDW12, CC_ENABLE);
	if (earlies[which].fctype == FCTYPE_CONNECT)
		slot->expect = ST_SEQUENCE;
	return 64;
}

static void early_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	if (answer->status != slot->expect)
		sim_fail("host %u queue %u: a command before authentication is answered with %#x",
			 queue->ctrl->host->index, queue->qid, answer->status);
}

/* ---- steps ---- */

static const struct cmd auth_send = {.name = "Authentication Send",
				     .opcode = OPC_FABRICS,
				     .make = send_make,
				     .answered = send_answered};
static const struct cmd auth_receive = {.name = "Authentication Receive",
					.opcode = OPC_FABRICS,
					.reads = true,
					.make = receive_make,
					.answered = receive_answered};
static const struct cmd early = {.name = "a command before authentication",
				 .opcode = OPC_FABRICS,
				 .make = early_make,
				 .answered = early_answered};

static bool wants_again(const struct queue *queue)
{
	return queue->state == QUEUE_LIVE && queue->ctrl->state == CTRL_LIVE &&
	       !queue->ctrl->host->leaving && is_asked_for(queue) && rng_one_in(plan.auth_again);
}

static const struct cmd *next_command(const struct auth *auth)
{
	bool other = is_odd(auth, AUTH_CLUMSY) && (!sends(auth) || rng_one_in(4));

	return sends(auth) != other ? &auth_send : &auth_receive;
}

bool auth_step(struct queue *queue)
{
	struct auth *auth = &queue->auth;

	if (!plan.auth || (queue->state != QUEUE_PROVING && queue->state != QUEUE_LIVE))
		return false;
	if (auth->step == AUTH_NONE && wants_again(queue))
		auth_begin(queue);
	if (auth->step == AUTH_NONE || auth->step == AUTH_OVER || auth->out ||
	    queue->busy + (queue->qid ? 0 : 2) >= queue->depth)
		return false;
	if (queue->state == QUEUE_PROVING && rng_one_in(6))
		return cmd_send(queue, &early);
	if (is_odd(auth, AUTH_SILENT))
		return false;
	auth->out = cmd_send(queue, next_command(auth));
	return auth->out;
}
