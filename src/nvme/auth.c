/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Authentication: what each message means and what answers it. Two tables say it: which message of
 * the host is in order in which state, and which message a state has for the host. Whatever is
 * wrong ends in FAILURE1 with a reason; only OVER tells the caller to end the queue. The thread of
 * the queue's group.
 */
#include "nvme/auth_proof.h"
#include "nvme/wire_auth.h"

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Which are preferred. The first group is the smallest one of 128 bits of strength: larger ones
 * cost more than they give, smaller ones are for hosts that have no other.
 */
static const uint8_t hash_order[] = {NVME_HASH_SHA512, NVME_HASH_SHA384, NVME_HASH_SHA256};
static const uint8_t group_order[] = {NVME_DH_3072, NVME_DH_4096, NVME_DH_6144,
				      NVME_DH_8192, NVME_DH_2048, NVME_DH_NULL};

/* ---- ends ---- */

void nvme_auth_wipe(struct nvme_auth *auth)
{
	nvme_crypto_wipe(auth->challenge, sizeof(auth->challenge));
	nvme_crypto_wipe(auth->exponent, sizeof(auth->exponent));
	nvme_crypto_wipe(auth->response, sizeof(auth->response));
}

/* The first reason stays. */
static enum nvme_auth_result auth_fail(struct nvme_auth *auth, enum nvme_auth_rce rce,
				       const char *why)
{
	nvme_auth_wipe(auth);
	if (auth->state != NVME_AUTH_FAILURE1) {
		auth->state = NVME_AUTH_FAILURE1;
		auth->failure = (uint8_t)rce;
		auth->why = why;
	}
	return NVME_AUTH_GOES_ON;
}

static enum nvme_auth_result auth_pass(struct nvme_auth *auth)
{
	nvme_auth_wipe(auth);
	auth->state = NVME_AUTH_IDLE;
	auth->passed = true;
	return NVME_AUTH_PASSED;
}

/* ---- Negotiate (NVMe Base 2.0 8.13.5.2) ---- */

static bool is_listed(const uint8_t *ids, uint8_t count, uint8_t id)
{
	return memchr(ids, id, count) != NULL;
}

static bool negotiate_hash(struct nvme_auth *auth, const struct nvme_auth_sides *sides,
			   const struct nvme_auth_descriptor *offer)
{
	for (size_t i = 0; i < ARRAY_COUNT(hash_order); i++) {
		auth->hash = hash_order[i];
		if ((!sides->hashes || (sides->hashes & 1u << (auth->hash - 1))) &&
		    is_listed(offer->hash, offer->hash_count, auth->hash))
			return true;
	}
	return false;
}

static bool negotiate_group(struct nvme_auth *auth, const struct nvme_auth_sides *sides,
			    const struct nvme_auth_descriptor *offer)
{
	for (size_t i = 0; i < ARRAY_COUNT(group_order); i++) {
		auth->group = group_order[i];
		if ((!sides->groups || (sides->groups & 1u << auth->group)) &&
		    is_listed(offer->group, offer->group_count, auth->group))
			return true;
	}
	return false;
}

/* The host's offer of this protocol; NULL: there is none. */
static const struct nvme_auth_descriptor *offer_find(const struct nvme_auth_negotiate *negotiate)
{
	const struct nvme_auth_descriptor *offers =
		(const struct nvme_auth_descriptor *)(negotiate + 1);

	for (unsigned i = 0; i < negotiate->napd; i++) {
		if (offers[i].protocol == NVME_AUTH_PROTOCOL_DHCHAP)
			return &offers[i];
	}
	return NULL;
}

static enum nvme_auth_result negotiate_take(struct nvme_auth *auth,
					    const struct nvme_auth_sides *sides,
					    const struct nvme_auth_secrets *secrets,
					    const uint8_t *msg, size_t len)
{
	const struct nvme_auth_negotiate *negotiate = (const void *)msg;
	const struct nvme_auth_descriptor *offer;

	(void)secrets;
	auth->tid = nvme_get16(negotiate->head.tid);
	auth->mutual = false;
	if (negotiate->sc_c != 0)
		return auth_fail(auth, NVME_AUTH_RCE_CONCAT,
				 "the host wants a secure channel, which RDMA has not");
	if (len < sizeof(*negotiate) + negotiate->napd * sizeof(*offer))
		return auth_fail(auth, NVME_AUTH_RCE_PAYLOAD,
				 "Negotiate is shorter than its descriptors");
	offer = offer_find(negotiate);
	if (!offer)
		return auth_fail(auth, NVME_AUTH_RCE_PROTOCOL,
				 "the host does not offer DH-HMAC-CHAP");
	if (offer->hash_count > NVME_AUTH_IDS || offer->group_count > NVME_AUTH_IDS)
		return auth_fail(auth, NVME_AUTH_RCE_PAYLOAD,
				 "Negotiate lists more ids than a descriptor holds");
	if (!negotiate_hash(auth, sides, offer))
		return auth_fail(auth, NVME_AUTH_RCE_HASH, "no hash that both sides allow");
	if (!negotiate_group(auth, sides, offer))
		return auth_fail(auth, NVME_AUTH_RCE_GROUP, "no DH group that both sides allow");
	auth->state = NVME_AUTH_CHALLENGE;
	return NVME_AUTH_GOES_ON;
}

/* ---- Challenge (8.13.5.3) ---- */

static bool challenge_draw(struct nvme_auth *auth)
{
	if (auth->seqnum == 0 && !nvme_crypto_random(&auth->seqnum, sizeof(auth->seqnum)))
		return false;
	if (++auth->seqnum == 0)
		auth->seqnum = 1;
	return nvme_crypto_random(auth->challenge, nvme_hash_len(auth->hash)) &&
	       (auth->group == NVME_DH_NULL ||
		nvme_crypto_random(auth->exponent, nvme_dh_secret_len(auth->group)));
}

static size_t challenge_len(const struct nvme_auth *auth)
{
	return sizeof(struct nvme_auth_challenge) + nvme_hash_len(auth->hash) +
	       nvme_dh_len(auth->group);
}

static enum nvme_auth_result challenge_give(struct nvme_auth *auth, uint8_t *msg)
{
	struct nvme_auth_challenge *challenge = (void *)msg;
	uint32_t hash_len = nvme_hash_len(auth->hash);
	uint32_t dh_len = nvme_dh_len(auth->group);
	uint8_t *value = msg + sizeof(*challenge);

	if (!challenge_draw(auth) ||
	    (dh_len && !nvme_crypto_dh_public(auth->group, auth->exponent, value + hash_len)))
		return auth_fail(auth, NVME_AUTH_RCE_FAILED, "OpenSSL could not make a challenge");
	challenge->head.type = NVME_AUTH_DHCHAP;
	challenge->head.id = NVME_AUTH_ID_CHALLENGE;
	challenge->hash_len = (uint8_t)hash_len;
	challenge->hash = auth->hash;
	challenge->group = auth->group;
	nvme_put16(&challenge->dh_len, (uint16_t)dh_len);
	nvme_put32(&challenge->seqnum, auth->seqnum);
	memcpy(value, auth->challenge, hash_len);
	auth->state = NVME_AUTH_REPLY;
	return NVME_AUTH_GOES_ON;
}

/* ---- Reply (8.13.5.4) ---- */

/* The host's proof. Return: NULL, or what is wrong. */
static const char *host_verify(const struct nvme_auth *auth, const struct nvme_auth_sides *sides,
			       const struct nvme_session *session, const char *secret,
			       const uint8_t *response)
{
	const struct nvme_proof proof = {"HostHost", sides->hostnqn, sides->subnqn, auth->challenge,
					 auth->seqnum};
	uint8_t expected[NVME_HASH_MAX];
	const char *why = nvme_proof_make(auth, session, &proof, secret, expected);

	if (!why && !nvme_crypto_equal(response, expected, nvme_hash_len(auth->hash)))
		why = "the host's response is wrong";
	nvme_crypto_wipe(expected, sizeof(expected));
	return why;
}

/* NVMe Base 2.0 8.13.5.4: S2 of 0 says that the challenge is not for the controller to answer. */
static bool reply_is_mutual(const struct nvme_auth_reply *reply)
{
	return reply->challenge_valid && nvme_get32(reply->seqnum) != 0;
}

/* Its lengths are right. Return: NULL, or what is wrong. */
static const char *reply_verify(struct nvme_auth *auth, const struct nvme_auth_sides *sides,
				const struct nvme_auth_secrets *secrets,
				const struct nvme_auth_reply *reply,
				const struct nvme_session *session)
{
	const uint8_t *response = (const uint8_t *)(reply + 1);
	const struct nvme_proof own = {"Controller", sides->subnqn, sides->hostnqn,
				       response + nvme_hash_len(auth->hash),
				       nvme_get32(reply->seqnum)};
	const char *why;

	why = host_verify(auth, sides, session, secrets->host, response);
	if (why || !reply_is_mutual(reply))
		return why;
	auth->mutual = true;
	return nvme_proof_make(auth, session, &own, secrets->controller, auth->response) ?
		       "the host wants the controller's proof, for which there is no good secret" :
		       NULL;
}

static enum nvme_auth_result reply_take(struct nvme_auth *auth, const struct nvme_auth_sides *sides,
					const struct nvme_auth_secrets *secrets, const uint8_t *msg,
					size_t len)
{
	const struct nvme_auth_reply *reply = (const void *)msg;
	uint32_t hash_len = nvme_hash_len(auth->hash);
	uint32_t dh_len = nvme_dh_len(auth->group);
	const uint8_t *peer = msg + sizeof(*reply) + 2 * hash_len;
	struct nvme_session session;
	const char *why;

	if (nvme_get16(reply->head.tid) != auth->tid || reply->hash_len != hash_len ||
	    reply->challenge_valid > 1 || nvme_get16(reply->dh_len) != dh_len ||
	    len < sizeof(*reply) + 2 * hash_len + dh_len)
		return auth_fail(auth, NVME_AUTH_RCE_PAYLOAD,
				 "Reply does not fit what was negotiated");
	if (!nvme_session_make(&session, auth, peer)) {
		nvme_crypto_wipe(&session, sizeof(session));
		return auth_fail(auth, NVME_AUTH_RCE_PAYLOAD,
				 "Reply has a DH value that is none of its group");
	}
	why = reply_verify(auth, sides, secrets, reply, &session);
	nvme_crypto_wipe(&session, sizeof(session));
	nvme_crypto_wipe(auth->exponent, sizeof(auth->exponent));
	if (why)
		return auth_fail(auth, NVME_AUTH_RCE_FAILED, why);
	auth->state = NVME_AUTH_SUCCESS1;
	return NVME_AUTH_GOES_ON;
}

/* ---- Success1, Success2, Failure1, Failure2 (8.13.5.5, 8.13.5.6, 8.13.4.2) ---- */

static size_t success1_len(const struct nvme_auth *auth)
{
	return sizeof(struct nvme_auth_success1) + nvme_hash_len(auth->hash);
}

static enum nvme_auth_result success1_give(struct nvme_auth *auth, uint8_t *msg)
{
	struct nvme_auth_success1 *success = (void *)msg;

	success->head.type = NVME_AUTH_DHCHAP;
	success->head.id = NVME_AUTH_ID_SUCCESS1;
	success->hash_len = (uint8_t)nvme_hash_len(auth->hash);
	if (!auth->mutual)
		return auth_pass(auth);
	success->response_valid = 1;
	memcpy(msg + sizeof(*success), auth->response, success->hash_len);
	auth->state = NVME_AUTH_SUCCESS2;
	return NVME_AUTH_GOES_ON;
}

static enum nvme_auth_result success2_take(struct nvme_auth *auth,
					   const struct nvme_auth_sides *sides,
					   const struct nvme_auth_secrets *secrets,
					   const uint8_t *msg, size_t len)
{
	const struct nvme_auth_success2 *success = (const void *)msg;

	(void)sides;
	(void)secrets;
	(void)len;
	if (nvme_get16(success->head.tid) != auth->tid)
		return auth_fail(auth, NVME_AUTH_RCE_PAYLOAD, "Success2 is of another transaction");
	return auth_pass(auth);
}

static size_t failure1_len(const struct nvme_auth *auth)
{
	(void)auth;
	return sizeof(struct nvme_auth_failure);
}

static enum nvme_auth_result failure1_give(struct nvme_auth *auth, uint8_t *msg)
{
	struct nvme_auth_failure *failure = (void *)msg;

	failure->head.type = NVME_AUTH_COMMON;
	failure->head.id = NVME_AUTH_ID_FAILURE1;
	failure->rc = 1;
	failure->rce = auth->failure;
	auth->state = NVME_AUTH_OVER;
	return NVME_AUTH_FAILED;
}

/* The host does not believe the controller, or could not use its challenge. */
static enum nvme_auth_result failure2_take(struct nvme_auth *auth,
					   const struct nvme_auth_sides *sides,
					   const struct nvme_auth_secrets *secrets,
					   const uint8_t *msg, size_t len)
{
	const struct nvme_auth_failure *failure = (const void *)msg;

	(void)sides;
	(void)secrets;
	(void)len;
	nvme_auth_wipe(auth);
	auth->state = NVME_AUTH_OVER;
	auth->failure = failure->rce;
	auth->why = "the host refused the controller";
	return NVME_AUTH_FAILED;
}

/* ---- the order of messages ---- */

#define IN(state) (1u << NVME_AUTH_##state)

static const struct message {
	uint8_t type, id;
	uint8_t states; /* in which it is in order */
	bool heavy;
	size_t len; /* of its fixed part */
	enum nvme_auth_result (*take)(struct nvme_auth *auth, const struct nvme_auth_sides *sides,
				      const struct nvme_auth_secrets *secrets, const uint8_t *msg,
				      size_t len);
} messages[] = {
	{NVME_AUTH_COMMON, NVME_AUTH_ID_NEGOTIATE, IN(IDLE), false,
	 sizeof(struct nvme_auth_negotiate), negotiate_take},
	{NVME_AUTH_DHCHAP, NVME_AUTH_ID_REPLY, IN(REPLY), true, sizeof(struct nvme_auth_reply),
	 reply_take},
	{NVME_AUTH_DHCHAP, NVME_AUTH_ID_SUCCESS2, IN(SUCCESS2), false,
	 sizeof(struct nvme_auth_success2), success2_take},
	{NVME_AUTH_COMMON, NVME_AUTH_ID_FAILURE2, IN(REPLY) | IN(SUCCESS2), false,
	 sizeof(struct nvme_auth_failure), failure2_take},
};

/* What a state has for the host; a state without a line is one in which the host is to send. */
static const struct {
	bool heavy;
	size_t (*len)(const struct nvme_auth *auth);
	enum nvme_auth_result (*give)(struct nvme_auth *auth, uint8_t *msg);
} answers[NVME_AUTH_STATE_COUNT] = {
	[NVME_AUTH_CHALLENGE] = {true, challenge_len, challenge_give},
	[NVME_AUTH_SUCCESS1] = {false, success1_len, success1_give},
	[NVME_AUTH_FAILURE1] = {false, failure1_len, failure1_give},
};

/* The message that this is, if it is in order; NULL: it is not. */
static const struct message *message_find(const struct nvme_auth *auth, const uint8_t *msg,
					  size_t len)
{
	const struct nvme_auth_head *head = (const void *)msg;

	if (len < sizeof(*head))
		return NULL;
	for (size_t i = 0; i < ARRAY_COUNT(messages); i++) {
		if (messages[i].type == head->type && messages[i].id == head->id &&
		    (messages[i].states & 1u << auth->state))
			return &messages[i];
	}
	return NULL;
}

bool nvme_auth_send_is_heavy(const struct nvme_auth *auth, const uint8_t *msg, size_t len)
{
	const struct message *message = message_find(auth, msg, len);

	return message && message->heavy && len >= message->len;
}

enum nvme_auth_result nvme_auth_send(struct nvme_auth *auth, const struct nvme_auth_sides *sides,
				     const struct nvme_auth_secrets *secrets, const uint8_t *msg,
				     size_t len)
{
	const struct nvme_auth_head *head = (const void *)msg;
	const struct message *message = message_find(auth, msg, len);

	if (auth->state == NVME_AUTH_OVER)
		return NVME_AUTH_OUT_OF_ORDER;
	if (auth->state == NVME_AUTH_IDLE && len >= sizeof(*head))
		auth->tid = nvme_get16(head->tid);
	if (len < sizeof(*head) || (message && len < message->len))
		return auth_fail(auth, NVME_AUTH_RCE_PAYLOAD, "a message is shorter than its kind");
	if (!message)
		return auth_fail(auth, NVME_AUTH_RCE_MESSAGE, "a message is out of order");
	return message->take(auth, sides, secrets, msg, len);
}

bool nvme_auth_receive_is_heavy(const struct nvme_auth *auth)
{
	return answers[auth->state].heavy;
}

size_t nvme_auth_receive_len(const struct nvme_auth *auth)
{
	if (auth->state == NVME_AUTH_IDLE || auth->state == NVME_AUTH_OVER)
		return 0;
	return answers[auth->state].len ? answers[auth->state].len(auth) : failure1_len(auth);
}

enum nvme_auth_result nvme_auth_receive(struct nvme_auth *auth, uint8_t *msg, size_t *len)
{
	struct nvme_auth_head *head = (void *)msg;
	enum nvme_auth_result result;

	*len = nvme_auth_receive_len(auth);
	if (*len == 0)
		return NVME_AUTH_OUT_OF_ORDER;
	memset(msg, 0, *len);
	nvme_put16(&head->tid, auth->tid);
	if (!answers[auth->state].give)
		auth_fail(auth, NVME_AUTH_RCE_MESSAGE,
			  "the host asked for a message when it was to send one");
	result = answers[auth->state].give(auth, msg);
	if (auth->state != NVME_AUTH_FAILURE1)
		return result;
	/* The message could not be made. */
	memset(msg, 0, *len);
	nvme_put16(&head->tid, auth->tid);
	*len = failure1_len(auth);
	return failure1_give(auth, msg);
}
