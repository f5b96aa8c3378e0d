/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/auth_crypto.c and auth_proof.c when OpenSSL has no memory: its first allocation fails, its
 * second, and so on until all succeed. Whatever fails, a function says that it failed or has done
 * its work right, and leaves no error behind in the thread.
 */
#include "auth_host.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "nvme/auth_proof.h"

#define MOST 2000 /* allocations of one call */

static unsigned until_failure; /* 0: none fails */
static bool failed;

static bool fails(void)
{
	if (until_failure == 0 || --until_failure > 0)
		return false;
	failed = true;
	return true;
}

static void *take(size_t len, const char *file, int line)
{
	return fails() ? NULL : malloc(len);
}

static void *take_again(void *memory, size_t len, const char *file, int line)
{
	return fails() ? NULL : realloc(memory, len);
}

static void give(void *memory, const char *file, int line)
{
	free(memory);
}

/* ---- what is called; each gives its result in out ---- */

static const uint8_t key[64] = {1, 2, 3};
static const uint8_t text[100] = {4, 5, 6};
static uint8_t peer[NVME_DH_MAX] = {0x7f};
static uint8_t out[NVME_DH_MAX];

static bool calls_digest(void)
{
	return nvme_crypto_digest(NVME_HASH_SHA384, text, sizeof(text), out);
}

static bool calls_hmac(void)
{
	return nvme_crypto_hmac(NVME_HASH_SHA512, key, sizeof(key), text, sizeof(text), out);
}

static bool calls_public(void)
{
	return nvme_crypto_dh_public(NVME_DH_2048, key, out);
}

static bool calls_shared(void)
{
	return nvme_crypto_dh_shared(NVME_DH_2048, key, peer, out);
}

static bool calls_proof(void)
{
	struct nvme_auth auth = {.hash = NVME_HASH_SHA256, .group = NVME_DH_2048};
	const struct nvme_proof proof = {"HostHost", "host", "subsystem", text, 1};
	struct nvme_session session;

	memcpy(auth.exponent, key, sizeof(auth.exponent));
	return nvme_session_make(&session, &auth, peer) &&
	       !nvme_proof_make(&auth, &session, &proof, DHCHAP_SECRET_03, out);
}

static void every_allocation_may_fail(bool (*calls)(void))
{
	uint8_t right[NVME_DH_MAX];
	unsigned refused = 0;

	memset(out, 0, sizeof(out));
	assert_true(calls());
	memcpy(right, out, sizeof(right));
	for (unsigned n = 1; n < MOST; n++) {
		bool good;

		memset(out, 0, sizeof(out));
		failed = false;
		until_failure = n;
		good = calls();
		until_failure = 0;
		assert_int_equal(ERR_peek_error(), 0);
		if (good)
			assert_memory_equal(out, right, NVME_HASH_MAX);
		refused += !good;
		if (!failed) {
			assert_true(good);
			assert_true(refused > 0);
			return;
		}
	}
	fail_msg("more than %u allocations", MOST);
}

static void digest_fails_cleanly(void **state)
{
	every_allocation_may_fail(calls_digest);
}

static void hmac_fails_cleanly(void **state)
{
	every_allocation_may_fail(calls_hmac);
}

static void public_value_fails_cleanly(void **state)
{
	every_allocation_may_fail(calls_public);
}

static void shared_secret_fails_cleanly(void **state)
{
	every_allocation_may_fail(calls_shared);
}

static void proof_fails_cleanly(void **state)
{
	every_allocation_may_fail(calls_proof);
}

/* The embedder may have errors of its own there. */
static void errors_of_others_stay_where_they_were(void **state)
{
	unsigned long before;

	ERR_raise(ERR_LIB_USER, 42);
	before = ERR_peek_last_error();
	memset(peer, 0, sizeof(peer));
	assert_false(calls_shared());
	peer[0] = 0x7f;
	assert_int_equal(ERR_peek_last_error(), before);
	ERR_clear_error();
}

static void comparison_sees_every_bit(void **state)
{
	uint8_t a[64] = {0}, b[64] = {0};

	assert_true(nvme_crypto_equal(a, b, sizeof(a)));
	for (unsigned bit = 0; bit < 512; bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(nvme_crypto_equal(a, b, sizeof(a)));
		b[bit / 8] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_fails_cleanly),
		cmocka_unit_test(hmac_fails_cleanly),
		cmocka_unit_test(public_value_fails_cleanly),
		cmocka_unit_test(shared_secret_fails_cleanly),
		cmocka_unit_test(proof_fails_cleanly),
		cmocka_unit_test(errors_of_others_stay_where_they_were),
		cmocka_unit_test(comparison_sees_every_bit),
	};

	if (CRYPTO_set_mem_functions(take, take_again, give) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
