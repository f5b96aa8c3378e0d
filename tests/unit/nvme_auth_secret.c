/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/auth_secret.c: which texts are secrets, and what is said of those that are not.
 */
#include "auth_host.h"

#include <wrasse/auth.h>

#include "nvme/auth_secret.h"

static void secrets_of_every_length_and_hash_are_read(void **state)
{
	static const struct {
		const char *text;
		uint32_t len;
		uint8_t first;
	} good[] = {{DHCHAP_SECRET_00, 32, 0},
		    {DHCHAP_SECRET_01, 32, 0},
		    {DHCHAP_SECRET_02, 48, 1},
		    {DHCHAP_SECRET_03, 64, 2}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct nvme_secret secret;

		assert_null(wrasse_auth_check_secret(good[i].text));
		assert_true(strlen(good[i].text) < WRASSE_SECRET_SIZE);
		assert_null(nvme_secret_parse(&secret, good[i].text, strlen(good[i].text)));
		assert_int_equal(secret.hash, i);
		assert_int_equal(secret.len, good[i].len);
		for (uint32_t j = 0; j < secret.len; j++)
			assert_int_equal(secret.bytes[j], good[i].first + j);
	}
}

static void texts_that_are_no_secrets_are_told_why(void **state)
{
	static const struct {
		const char *text;
		const char *part;
	} bad[] = {
		{"", "begin"},
		{"DHHC-1", "begin"},
		{"DHHC-2:00:AAAA:", "begin"},
		{"dhhc-1:00:AAAA:", "begin"},
		{"DHHC-1:", "hash"},
		{"DHHC-1:0:AAAA:", "hash"},
		{"DHHC-1:04:AAAA:", "hash"},
		{"DHHC-1:10:AAAA:", "hash"},
		{"DHHC-1:0/:AAAA:", "hash"},
		{"DHHC-1:000AAAA:", "hash"},
		{"DHHC-1:00:", "colon"},
		{"DHHC-1:00:AAAA", "colon"},
		{"DHHC-1:00::", "base64"},
		{"DHHC-1:00:AAAA:", "base64"},
		{"DHHC-1:00:AAA:", "base64"},
		{"DHHC-1:00:====:", "base64"},
		/* a key of 32 bytes with a letter that is none of base64, or with padding inside */
		{"DHHC-1:00:AA*CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:", "base64"},
		{"DHHC-1:00:AA=CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:", "base64"},
		{"DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR\n:", "base64"},
		/* 33 bytes; and one byte changed */
		{"DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaRAA==:", "base64"},
		{"DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHx+KfiaR:", "CRC"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *wrong = wrasse_auth_check_secret(bad[i].text);

		if (!wrong || !strstr(wrong, bad[i].part))
			fail_msg("'%s' is said to be: %s", bad[i].text, wrong ? wrong : "good");
	}
}

static void any_changed_character_of_a_secret_is_found(void **state)
{
	static const char *const good[] = {DHCHAP_SECRET_00, DHCHAP_SECRET_02, DHCHAP_SECRET_03};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t len = strlen(good[i]);

		for (size_t at = 10; at < len - 1 && good[i][at] != '='; at++) {
			char text[WRASSE_SECRET_SIZE];

			strcpy(text, good[i]);
			text[at] = text[at] == 'A' ? 'B' : 'A';
			/* Of the last digit before padding not every bit counts. */
			if (good[i][at + 1] != '=')
				assert_non_null(wrasse_auth_check_secret(text));
		}
	}
}

static void text_of_any_length_is_no_secret(void **state)
{
	char text[2048];

	(void)state;
	memset(text, 'A', sizeof(text));
	memcpy(text, "DHHC-1:00:", 10);
	for (size_t len = 10; len < sizeof(text) - 2; len++) {
		text[len] = ':';
		text[len + 1] = 0;
		assert_non_null(wrasse_auth_check_secret(text));
		text[len] = 'A';
		text[len + 1] = 'A';
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_of_every_length_and_hash_are_read),
		cmocka_unit_test(texts_that_are_no_secrets_are_told_why),
		cmocka_unit_test(any_changed_character_of_a_secret_is_found),
		cmocka_unit_test(text_of_any_length_is_no_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
