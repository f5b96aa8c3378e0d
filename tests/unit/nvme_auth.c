/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/auth.c: whole transactions of every hash and group with a host that is written apart
 * from it, every message in every state, and every way in which a message is wrong. Randomness is
 * the test's where it wants that: the linker wraps nvme_crypto_random().
 */
#include "auth_host.h"

#include "nvme/auth.h"

#define HOSTNQN "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555"
#define SUBNQN  "nqn.2026-01.org.example:one"

enum { PAYLOAD = 6, MESSAGE = 7 };

/* ---- randomness ---- */

static int random_good = -1; /* how many more calls succeed; -1: all */
static int random_byte = -1; /* what they give; -1: random bytes */

bool __real_nvme_crypto_random(void *buf, size_t len);
bool __wrap_nvme_crypto_random(void *buf, size_t len);

bool __wrap_nvme_crypto_random(void *buf, size_t len)
{
	if (random_good == 0)
		return false;
	random_good -= random_good > 0;
	if (random_byte < 0)
		return __real_nvme_crypto_random(buf, len);
	memset(buf, random_byte, len);
	return true;
}

/* ---- a transaction ---- */

static struct nvme_auth auth;
static struct dhchap host;
static struct nvme_auth_sides sides;
static struct nvme_auth_secrets secrets;
static uint8_t msg[4096];
static uint8_t answer[NVME_AUTH_MESSAGE_MAX];

static int setup(void **state)
{
	(void)state;
	random_good = -1;
	random_byte = -1;
	memset(&auth, 0, sizeof(auth));
	host = (struct dhchap){.hostnqn = HOSTNQN,
			       .subnqn = SUBNQN,
			       .secret = DHCHAP_SECRET_01,
			       .hashes = 7,
			       .groups = DHCHAP_ALL,
			       .tid = 0xabcd};
	sides = (struct nvme_auth_sides){.hostnqn = HOSTNQN, .subnqn = SUBNQN};
	secrets = (struct nvme_auth_secrets){.host = DHCHAP_SECRET_01};
	return 0;
}

/* Bytes that look like it tell nothing any more. */
static void assert_wiped(void)
{
	static const uint8_t zero[64];

	assert_memory_equal(auth.challenge, zero, sizeof(auth.challenge));
	assert_memory_equal(auth.exponent, zero, sizeof(auth.exponent));
	assert_memory_equal(auth.response, zero, sizeof(auth.response));
}

static enum nvme_auth_result send_msg(size_t len)
{
	return nvme_auth_send(&auth, &sides, &secrets, msg, len);
}

/* Asks for a message; its bytes are stale before. */
static enum nvme_auth_result receive(size_t *len)
{
	size_t most = nvme_auth_receive_len(&auth);
	enum nvme_auth_result result;

	memset(answer, 0xa5, sizeof(answer));
	result = nvme_auth_receive(&auth, answer, len);
	assert_true(*len <= most);
	for (size_t i = *len; i < sizeof(answer) && result != NVME_AUTH_FAILED; i++)
		assert_int_equal(answer[i], 0xa5);
	return result;
}

/* The Failure1 that the host gets says this. */
static void expect_failure(unsigned rce)
{
	size_t len;

	assert_int_equal(auth.state, NVME_AUTH_FAILURE1);
	assert_wiped();
	assert_int_equal(nvme_auth_receive_len(&auth), 8);
	assert_int_equal(receive(&len), NVME_AUTH_FAILED);
	assert_int_equal(len, 8);
	assert_int_equal(answer[0], 0);
	assert_int_equal(answer[1], 0xf1);
	assert_int_equal(ah_get(answer + 4, 2), host.tid);
	assert_int_equal(answer[6], 1);
	assert_int_equal(answer[7], rce);
	assert_non_null(auth.why);
	assert_int_equal(auth.state, NVME_AUTH_OVER);
	assert_false(auth.passed);
}

/* ---- up to a state ---- */

static void to_challenge(void)
{
	assert_int_equal(send_msg(dhchap_negotiate(&host, msg)), NVME_AUTH_GOES_ON);
	assert_int_equal(auth.state, NVME_AUTH_CHALLENGE);
}

static void to_reply(void)
{
	size_t len;

	to_challenge();
	assert_true(nvme_auth_receive_is_heavy(&auth));
	assert_int_equal(receive(&len), NVME_AUTH_GOES_ON);
	assert_int_equal(auth.state, NVME_AUTH_REPLY);
	/* What the host would send lies in msg. */
	assert_true(ah_reply(&host, answer, len, msg) > 16);
}

static size_t reply_len(void)
{
	return 16 + 2 * host.hash_len + host.dh_len;
}

static void to_success1(void)
{
	to_reply();
	assert_true(nvme_auth_send_is_heavy(&auth, msg, reply_len()));
	assert_int_equal(send_msg(reply_len()), NVME_AUTH_GOES_ON);
	assert_int_equal(auth.state, NVME_AUTH_SUCCESS1);
}

static void to_success2(void)
{
	size_t len;

	host.ctrl_secret = DHCHAP_SECRET_03;
	secrets.controller = DHCHAP_SECRET_03;
	to_success1();
	assert_false(nvme_auth_receive_is_heavy(&auth));
	assert_int_equal(receive(&len), NVME_AUTH_GOES_ON);
	ah_check_success1(&host, answer, len);
	assert_int_equal(auth.state, NVME_AUTH_SUCCESS2);
	assert_false(auth.passed);
}

static void to_failure1(void)
{
	assert_int_equal(send_msg(0), NVME_AUTH_GOES_ON);
	assert_int_equal(auth.state, NVME_AUTH_FAILURE1);
}

static void to_over(void)
{
	size_t len;

	to_failure1();
	assert_int_equal(receive(&len), NVME_AUTH_FAILED);
}

static void to_idle(void)
{
}

static void (*const to_state[NVME_AUTH_STATE_COUNT])(void) = {
	to_idle, to_challenge, to_reply, to_success1, to_success2, to_failure1, to_over};

/* ---- transactions that succeed ---- */

static void transact(bool mutual)
{
	size_t len;

	host.ctrl_secret = mutual ? DHCHAP_SECRET_02 : NULL;
	secrets.controller = DHCHAP_SECRET_02;
	host.tid++;
	to_success1();
	if (!mutual) {
		assert_int_equal(receive(&len), NVME_AUTH_PASSED);
		ah_check_success1(&host, answer, len);
	} else {
		assert_int_equal(receive(&len), NVME_AUTH_GOES_ON);
		ah_check_success1(&host, answer, len);
		assert_int_equal(send_msg(dhchap_success2(&host, msg)), NVME_AUTH_PASSED);
	}
	assert_true(auth.passed);
	assert_int_equal(auth.state, NVME_AUTH_IDLE);
	assert_wiped();
}

static void every_hash_and_group_authenticates_one_side_and_both(void **state)
{
	(void)state;
	for (unsigned hash = 0; hash < 3; hash++) {
		for (unsigned group = 0; group < 6; group++) {
			setup(NULL);
			host.hashes = 1u << hash;
			host.groups = 1u << group;
			transact(false);
			transact(true);
			assert_int_equal(host.hash, hash + 1);
			assert_int_equal(host.group, group);
		}
	}
}

static void every_kind_of_secret_is_used_as_its_hash_says(void **state)
{
	static const char *const kinds[] = {DHCHAP_SECRET_00, DHCHAP_SECRET_01, DHCHAP_SECRET_02,
					    DHCHAP_SECRET_03};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		setup(NULL);
		host.groups = 1;
		host.secret = kinds[i];
		secrets.host = kinds[i];
		transact(true);
	}
}

static void strongest_hash_and_cheapest_strong_group_are_taken(void **state)
{
	static const uint8_t groups[] = {2, 3, 4, 5, 1, 0}; /* in the order of preference */

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		setup(NULL);
		host.groups = DHCHAP_ALL;
		for (unsigned j = 0; j < i; j++)
			host.groups &= ~(1u << groups[j]);
		host.hashes = 7 >> i % 3;
		to_challenge();
		assert_int_equal(auth.group, groups[i]);
		assert_int_equal(auth.hash, 3 - i % 3);
	}
}

static void masks_of_the_operator_are_kept(void **state)
{
	(void)state;
	for (unsigned hash = 0; hash < 3; hash++) {
		for (unsigned group = 0; group < 6; group++) {
			setup(NULL);
			sides.hashes = 1u << hash;
			sides.groups = 1u << group;
			to_challenge();
			assert_int_equal(auth.hash, hash + 1);
			assert_int_equal(auth.group, group);
		}
	}
	setup(NULL);
	sides.hashes = 1;
	host.hashes = 6;
	send_msg(dhchap_negotiate(&host, msg));
	expect_failure(4);
	setup(NULL);
	sides.groups = 1 << 3;
	host.groups = DHCHAP_ALL & ~(1u << 3);
	send_msg(dhchap_negotiate(&host, msg));
	expect_failure(5);
}

static void sequence_numbers_count_up_and_are_never_0(void **state)
{
	uint32_t seqnum;

	(void)state;
	host.groups = 1;
	transact(false);
	seqnum = auth.seqnum;
	assert_int_not_equal(seqnum, 0);
	transact(false);
	assert_int_equal(auth.seqnum, seqnum + 1 ? seqnum + 1 : 1);
	auth.seqnum = UINT32_MAX;
	transact(false);
	assert_int_equal(auth.seqnum, 1);
	/* The first one is random, whatever that gives. */
	setup(NULL);
	host.groups = 1;
	random_byte = 0xff;
	transact(false);
	assert_int_equal(auth.seqnum, 1);
	setup(NULL);
	host.groups = 1;
	random_byte = 0;
	transact(false);
	assert_int_equal(auth.seqnum, 1);
}

static void challenges_differ(void **state)
{
	uint8_t first[sizeof(answer)];
	size_t len;

	(void)state;
	to_challenge();
	receive(&len);
	memcpy(first, answer, len);
	setup(NULL);
	to_challenge();
	receive(&len);
	assert_memory_not_equal(first + 16, answer + 16, 64);
	assert_memory_not_equal(first + 80, answer + 80, 384);
}

static void host_can_authenticate_again_and_stays_who_it_was_meanwhile(void **state)
{
	(void)state;
	transact(false);
	for (unsigned i = 0; i < 3; i++) {
		host.tid++;
		to_reply();
		assert_true(auth.passed);
		assert_int_equal(send_msg(reply_len()), NVME_AUTH_GOES_ON);
		setup(NULL);
		transact(i & 1);
	}
}

static void challenge_without_a_sequence_number_asks_for_no_proof(void **state)
{
	size_t len;

	(void)state;
	host.ctrl_secret = DHCHAP_SECRET_02;
	to_reply();
	ah_put(msg + 12, 4, 0);
	assert_int_equal(send_msg(reply_len()), NVME_AUTH_GOES_ON);
	assert_int_equal(receive(&len), NVME_AUTH_PASSED);
	assert_int_equal(answer[8], 0);
}

/* ---- secrets that do not match ---- */

static void reply_refused(const char *why)
{
	assert_int_equal(send_msg(reply_len()), NVME_AUTH_GOES_ON);
	assert_string_equal(auth.why, why);
	expect_failure(1);
}

static void wrong_secret_is_refused(void **state)
{
	(void)state;
	host.secret = DHCHAP_SECRET_00;
	to_reply();
	reply_refused("the host's response is wrong");
}

static void each_bit_of_the_response_counts(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 512; bit++) {
		setup(NULL);
		host.groups = 1;
		to_reply();
		msg[16 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		reply_refused("the host's response is wrong");
	}
}

static void response_is_of_this_host_subsystem_and_transaction(void **state)
{
	(void)state;
	host.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555556";
	to_reply();
	reply_refused("the host's response is wrong");
	setup(NULL);
	host.subnqn = "nqn.2026-01.org.example:two";
	to_reply();
	reply_refused("the host's response is wrong");
	/* A Reply to an earlier challenge. */
	setup(NULL);
	host.groups = 1;
	to_reply();
	memset(auth.challenge, 0x11, sizeof(auth.challenge));
	reply_refused("the host's response is wrong");
	setup(NULL);
	to_reply();
	auth.seqnum++;
	reply_refused("the host's response is wrong");
}

static void host_without_a_good_secret_is_refused(void **state)
{
	(void)state;
	secrets.host = NULL;
	to_reply();
	reply_refused("there is no secret");
	setup(NULL);
	secrets.host = "";
	to_reply();
	reply_refused("there is no secret");
	setup(NULL);
	secrets.host = "DHHC-1:00:AAAA:";
	to_reply();
	reply_refused("the secret is malformed");
}

static void controller_that_cannot_prove_itself_refuses(void **state)
{
	static const char why[] =
		"the host wants the controller's proof, for which there is no good secret";
	static const char *const bad[] = {NULL, "", "DHHC-1:00:AAAA:"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		setup(NULL);
		host.ctrl_secret = DHCHAP_SECRET_02;
		secrets.controller = bad[i];
		to_reply();
		reply_refused(why);
	}
}

static void host_that_refuses_the_controller_ends_it(void **state)
{
	(void)state;
	to_success2();
	assert_int_equal(send_msg(dhchap_failure2(&host, msg)), NVME_AUTH_FAILED);
	assert_int_equal(auth.state, NVME_AUTH_OVER);
	assert_non_null(auth.why);
	assert_false(auth.passed);
	assert_wiped();
	/* Or its challenge. */
	setup(NULL);
	to_reply();
	assert_int_equal(send_msg(dhchap_failure2(&host, msg)), NVME_AUTH_FAILED);
	assert_wiped();
}

/* ---- messages that are wrong ---- */

static void negotiate_refused(size_t len, unsigned rce)
{
	assert_false(nvme_auth_send_is_heavy(&auth, msg, len));
	assert_int_equal(send_msg(len), NVME_AUTH_GOES_ON);
	expect_failure(rce);
	setup(NULL);
	dhchap_negotiate(&host, msg);
}

static void negotiate_that_is_wrong_is_refused(void **state)
{
	(void)state;
	dhchap_negotiate(&host, msg);
	for (unsigned sc_c = 1; sc_c < 256; sc_c++) {
		msg[6] = (uint8_t)sc_c;
		negotiate_refused(72, 3);
	}
	for (size_t len = 6; len < 72; len++)
		negotiate_refused(len, PAYLOAD);
	msg[7] = 0;
	negotiate_refused(72, 2);
	msg[7] = 2;
	negotiate_refused(135, PAYLOAD);
	msg[7] = 255;
	negotiate_refused(sizeof(msg), PAYLOAD);
	msg[8] = 2;
	negotiate_refused(72, 2);
	msg[10] = 31;
	negotiate_refused(72, PAYLOAD);
	msg[11] = 31;
	negotiate_refused(72, PAYLOAD);
	msg[10] = 0;
	negotiate_refused(72, 4);
	msg[11] = 0;
	negotiate_refused(72, 5);
	memset(msg + 12, 0, 30); /* 0 is no hash */
	negotiate_refused(72, 4);
	memset(msg + 12, 4, 30);
	negotiate_refused(72, 4);
	memset(msg + 42, 6, 30);
	negotiate_refused(72, 5);
}

static void offer_of_this_protocol_may_follow_others(void **state)
{
	(void)state;
	dhchap_negotiate(&host, msg);
	memcpy(msg + 72, msg + 8, 64);
	msg[7] = 2;
	memset(msg + 8, 0xff, 64);
	assert_int_equal(send_msg(136), NVME_AUTH_GOES_ON);
	assert_int_equal(auth.state, NVME_AUTH_CHALLENGE);
}

static void thirty_ids_are_taken(void **state)
{
	(void)state;
	dhchap_negotiate(&host, msg);
	msg[10] = 30;
	msg[11] = 30;
	memset(msg + 12, 0xee, 60);
	msg[41] = 1;
	msg[71] = 1;
	assert_int_equal(send_msg(72), NVME_AUTH_GOES_ON);
	assert_int_equal(auth.state, NVME_AUTH_CHALLENGE);
	assert_int_equal(auth.hash, 1);
	assert_int_equal(auth.group, 1);
}

static void bytes_after_a_message_are_ignored(void **state)
{
	size_t len;

	(void)state;
	dhchap_negotiate(&host, msg);
	assert_int_equal(send_msg(sizeof(msg)), NVME_AUTH_GOES_ON);
	receive(&len);
	ah_reply(&host, answer, len, msg);
	assert_int_equal(send_msg(sizeof(msg)), NVME_AUTH_GOES_ON);
	assert_int_equal(receive(&len), NVME_AUTH_PASSED);
}

/* Sets a byte of a good Reply, or cuts it. */
static void reply_changed(size_t at, uint8_t value, size_t len)
{
	setup(NULL);
	host.groups = 1u << 1;
	to_reply();
	if (at < len) {
		assert_int_not_equal(msg[at], value);
		msg[at] = value;
	}
	assert_int_equal(nvme_auth_send_is_heavy(&auth, msg, len), len >= 16);
	assert_int_equal(send_msg(len), NVME_AUTH_GOES_ON);
	expect_failure(PAYLOAD);
}

static void reply_that_is_wrong_is_refused(void **state)
{
	size_t full = 16 + 2 * 64 + 256;

	(void)state;
	for (size_t len = 0; len < full; len += len < 32 ? 1 : 37)
		reply_changed(full, 0, len);
	reply_changed(full, 0, full - 1);
	reply_changed(4, 0, full);  /* T_ID */
	reply_changed(6, 48, full); /* HL */
	reply_changed(6, 0, full);
	reply_changed(8, 2, full); /* CVALID */
	reply_changed(8, 255, full);
	reply_changed(10, 1, full); /* DHVLEN */
	reply_changed(11, 0, full);
	reply_changed(11, 255, full);
}

/* Sets the public value of a Reply; ffdhe2048's prime begins and ends with eight bytes of 1s. */
static void value_refused(uint8_t fill, uint8_t last)
{
	setup(NULL);
	host.groups = 1u << 1;
	to_reply();
	memset(msg + 16 + 128, fill, 256);
	msg[16 + 128 + 255] = last;
	assert_int_equal(send_msg(reply_len()), NVME_AUTH_GOES_ON);
	expect_failure(PAYLOAD);
}

static void value_outside_its_group_is_refused(void **state)
{
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("group", (char *)"ffdhe2048", 0),
			       OSSL_PARAM_construct_end()};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	EVP_PKEY *key = NULL;
	BIGNUM *prime = NULL;

	(void)state;
	value_refused(0, 0);
	value_refused(0, 1);
	value_refused(0xff, 0xff);
	EVP_PKEY_paramgen_init(ctx);
	EVP_PKEY_CTX_set_params(ctx, params);
	EVP_PKEY_paramgen(ctx, &key);
	assert_int_equal(EVP_PKEY_get_bn_param(key, "p", &prime), 1);
	for (unsigned minus = 0; minus < 3; minus++) {
		setup(NULL);
		host.groups = 1u << 1;
		to_reply();
		BN_bn2binpad(prime, msg + 16 + 128, 256);
		msg[16 + 128 + 255] -= (uint8_t)minus;
		assert_int_equal(send_msg(reply_len()), NVME_AUTH_GOES_ON);
		/* p - 2 is a value of the group, and the response is wrong for it. */
		expect_failure(minus < 2 ? PAYLOAD : 1);
	}
	BN_free(prime);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(ctx);
}

static void success2_of_another_transaction_is_refused(void **state)
{
	size_t len;

	(void)state;
	to_success2();
	len = dhchap_success2(&host, msg);
	msg[4] ^= 1;
	assert_int_equal(send_msg(len), NVME_AUTH_GOES_ON);
	expect_failure(PAYLOAD);
	for (len = 0; len < 16; len++) {
		setup(NULL);
		to_success2();
		dhchap_success2(&host, msg);
		assert_int_equal(send_msg(len), NVME_AUTH_GOES_ON);
		expect_failure(PAYLOAD);
	}
}

static void shortest_failure2_has_8_bytes(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 8; len++) {
		setup(NULL);
		to_success2();
		dhchap_failure2(&host, msg);
		assert_int_equal(send_msg(len), len < 8 ? NVME_AUTH_GOES_ON : NVME_AUTH_FAILED);
		if (len < 8)
			expect_failure(PAYLOAD);
	}
}

/* ---- the order of messages ---- */

/* Which message is in order in which state; all others of the 65536 are not. */
static bool in_order(unsigned state, unsigned type, unsigned id)
{
	switch (state) {
	case NVME_AUTH_IDLE:
		return type == 0 && id == 0;
	case NVME_AUTH_REPLY:
		return (type == 1 && id == 2) || (type == 0 && id == 0xf0);
	case NVME_AUTH_SUCCESS2:
		return (type == 1 && id == 4) || (type == 0 && id == 0xf0);
	default:
		return false;
	}
}

static void sent_out_of_order(unsigned state, unsigned type, unsigned id)
{
	struct nvme_auth before = auth;

	msg[0] = (uint8_t)type;
	msg[1] = (uint8_t)id;
	ah_put(msg + 4, 2, host.tid);
	assert_false(nvme_auth_send_is_heavy(&auth, msg, 72));
	if (state == NVME_AUTH_OVER) {
		assert_int_equal(send_msg(72), NVME_AUTH_OUT_OF_ORDER);
		assert_int_equal(auth.state, NVME_AUTH_OVER);
		return;
	}
	assert_int_equal(send_msg(72), NVME_AUTH_GOES_ON);
	assert_int_equal(auth.state, NVME_AUTH_FAILURE1);
	assert_int_equal(auth.failure, state == NVME_AUTH_FAILURE1 ? PAYLOAD : MESSAGE);
	assert_false(auth.passed);
	auth = before;
}

static void message_out_of_order_is_refused_in_every_state(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NVME_AUTH_STATE_COUNT; i++) {
		setup(NULL);
		host.groups = 1;
		to_state[i]();
		for (unsigned type = 0; type < 256; type++) {
			for (unsigned id = 0; id < 256; id++) {
				if (!in_order(i, type, id))
					sent_out_of_order(i, type, id);
			}
		}
	}
}

static void question_out_of_order_is_refused_in_every_state(void **state)
{
	size_t len;

	(void)state;
	for (unsigned i = 0; i < NVME_AUTH_STATE_COUNT; i++) {
		setup(NULL);
		host.groups = 1;
		to_state[i]();
		if (i == NVME_AUTH_IDLE || i == NVME_AUTH_OVER) {
			assert_int_equal(nvme_auth_receive_len(&auth), 0);
			assert_int_equal(receive(&len), NVME_AUTH_OUT_OF_ORDER);
			assert_int_equal(len, 0);
			assert_int_equal(auth.state, i);
		} else if (i == NVME_AUTH_REPLY || i == NVME_AUTH_SUCCESS2) {
			assert_int_equal(nvme_auth_receive_len(&auth), 8);
			assert_false(nvme_auth_receive_is_heavy(&auth));
			assert_int_equal(receive(&len), NVME_AUTH_FAILED);
			assert_int_equal(len, 8);
			assert_int_equal(answer[1], 0xf1);
			assert_int_equal(answer[7], MESSAGE);
			assert_int_equal(auth.state, NVME_AUTH_OVER);
			assert_wiped();
		}
	}
}

static void first_reason_of_a_failure_is_the_one_that_is_told(void **state)
{
	(void)state;
	dhchap_negotiate(&host, msg);
	msg[6] = 1;
	send_msg(72);
	send_msg(0);
	dhchap_negotiate(&host, msg);
	send_msg(72);
	expect_failure(3);
}

static void failure_while_authenticating_again_is_told_as_well(void **state)
{
	size_t len;

	(void)state;
	transact(false);
	host.secret = DHCHAP_SECRET_00;
	to_reply();
	send_msg(reply_len());
	assert_int_equal(auth.state, NVME_AUTH_FAILURE1);
	assert_int_equal(receive(&len), NVME_AUTH_FAILED);
	assert_int_equal(answer[7], 1);
	assert_true(auth.passed);
}

/* ---- no randomness ---- */

static void challenge_that_cannot_be_made_fails(void **state)
{
	size_t len;

	(void)state;
	for (int good = 0; good < 3; good++) {
		setup(NULL);
		to_challenge();
		random_good = good;
		assert_int_equal(receive(&len), NVME_AUTH_FAILED);
		assert_int_equal(len, 8);
		assert_int_equal(answer[1], 0xf1);
		assert_int_equal(ah_get(answer + 4, 2), host.tid);
		assert_int_equal(answer[7], 1);
		assert_wiped();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_hash_and_group_authenticates_one_side_and_both, setup),
		cmocka_unit_test_setup(every_kind_of_secret_is_used_as_its_hash_says, setup),
		cmocka_unit_test_setup(strongest_hash_and_cheapest_strong_group_are_taken, setup),
		cmocka_unit_test_setup(masks_of_the_operator_are_kept, setup),
		cmocka_unit_test_setup(sequence_numbers_count_up_and_are_never_0, setup),
		cmocka_unit_test_setup(challenges_differ, setup),
		cmocka_unit_test_setup(host_can_authenticate_again_and_stays_who_it_was_meanwhile,
				       setup),
		cmocka_unit_test_setup(challenge_without_a_sequence_number_asks_for_no_proof,
				       setup),
		cmocka_unit_test_setup(wrong_secret_is_refused, setup),
		cmocka_unit_test_setup(each_bit_of_the_response_counts, setup),
		cmocka_unit_test_setup(response_is_of_this_host_subsystem_and_transaction, setup),
		cmocka_unit_test_setup(host_without_a_good_secret_is_refused, setup),
		cmocka_unit_test_setup(controller_that_cannot_prove_itself_refuses, setup),
		cmocka_unit_test_setup(host_that_refuses_the_controller_ends_it, setup),
		cmocka_unit_test_setup(negotiate_that_is_wrong_is_refused, setup),
		cmocka_unit_test_setup(offer_of_this_protocol_may_follow_others, setup),
		cmocka_unit_test_setup(thirty_ids_are_taken, setup),
		cmocka_unit_test_setup(bytes_after_a_message_are_ignored, setup),
		cmocka_unit_test_setup(reply_that_is_wrong_is_refused, setup),
		cmocka_unit_test_setup(value_outside_its_group_is_refused, setup),
		cmocka_unit_test_setup(success2_of_another_transaction_is_refused, setup),
		cmocka_unit_test_setup(shortest_failure2_has_8_bytes, setup),
		cmocka_unit_test_setup(message_out_of_order_is_refused_in_every_state, setup),
		cmocka_unit_test_setup(question_out_of_order_is_refused_in_every_state, setup),
		cmocka_unit_test_setup(first_reason_of_a_failure_is_the_one_that_is_told, setup),
		cmocka_unit_test_setup(failure_while_authenticating_again_is_told_as_well, setup),
		cmocka_unit_test_setup(challenge_that_cannot_be_made_fails, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
