/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's side of DH-HMAC-CHAP (tests/host/dhchap.h) for unit tests: what is wrong fails the test.
 */
#ifndef AUTH_HOST_H
#define AUTH_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "host/dhchap.h"

#define AH_UNUSED __attribute__((unused))

static AH_UNUSED void ah_put(uint8_t *at, unsigned bytes, uint32_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static AH_UNUSED uint32_t ah_get(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint32_t)at[i] << 8 * i;
	return value;
}

static AH_UNUSED void ah_expect_right(const char *why)
{
	if (why)
		fail_msg("%s", why);
}

/* Checks a Challenge to the last byte and answers it. @msg: the Reply. */
static AH_UNUSED size_t ah_reply(struct dhchap *host, const uint8_t *challenge, size_t len,
				 uint8_t *msg)
{
	size_t reply_len;

	ah_expect_right(dhchap_take_challenge(host, challenge, len));
	assert_int_equal(len, 16 + host->hash_len + host->dh_len);
	reply_len = dhchap_reply(host, challenge, msg);
	assert_int_not_equal(reply_len, 0);
	return reply_len;
}

/* Checks a Success1 to the last byte. */
static AH_UNUSED void ah_check_success1(const struct dhchap *host, const uint8_t *msg, size_t len)
{
	assert_int_equal(len, 16 + host->hash_len);
	ah_expect_right(dhchap_take_success1(host, msg, len));
}

#endif
