/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Secrets: "DHHC-1:HH:BASE64:" (NVMe Base 2.0 8.13.5.8), of which BASE64 is the key and its CRC-32,
 * and HH the hash that ties the key to an NQN. Pure functions; any thread.
 */
#include "nvme/auth_secret.h"

#include <stdio.h>
#include <string.h>
#include <wrasse/auth.h>

#define PREFIX     "DHHC-1:"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define CRC_LEN    4
#define RAW_MAX    (64 + CRC_LEN)
#define PURPOSE    "NVMe-over-Fabrics"

static uint32_t crc32_of(const uint8_t *data, size_t len)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

/* Return: 0 to 63, -1: no digit of base64. */
static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* With padding. Return: how many bytes it is, 0: it is not base64, or more than fits. */
static size_t base64_decode(const char *text, size_t len, uint8_t *out, size_t room)
{
	uint32_t bits = 0;
	size_t count = 0, pad = 0;

	if (len == 0 || len % 4 != 0)
		return 0;
	while (pad < 2 && text[len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < len - pad; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			return 0;
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 == 0)
			continue;
		if (count == room)
			return 0;
		out[count++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	return count;
}

/* @raw: the key and its CRC. */
static const char *raw_check(const uint8_t *raw, size_t len)
{
	size_t key_len = len - CRC_LEN;
	uint32_t crc;

	if (len <= CRC_LEN || (key_len != 32 && key_len != 48 && key_len != 64))
		return "is not base64 of a key of 32, 48 or 64 bytes and its CRC-32";
	crc = raw[key_len] | (uint32_t)raw[key_len + 1] << 8 | (uint32_t)raw[key_len + 2] << 16 |
	      (uint32_t)raw[key_len + 3] << 24;
	return crc == crc32_of(raw, key_len) ? NULL : "has a wrong CRC-32: it was mistyped";
}

const char *nvme_secret_parse(struct nvme_secret *secret, const char *text, size_t len)
{
	const char *digits = text + PREFIX_LEN;
	uint8_t raw[RAW_MAX];
	const char *wrong;
	size_t raw_len;

	if (len < PREFIX_LEN || memcmp(text, PREFIX, PREFIX_LEN) != 0)
		return "does not begin with " PREFIX;
	if (len < PREFIX_LEN + 3 || digits[0] != '0' || digits[1] < '0' || digits[1] > '3' ||
	    digits[2] != ':')
		return "does not name its hash as 00, 01, 02 or 03";
	if (len < PREFIX_LEN + 4 || text[len - 1] != ':')
		return "does not end with a colon";
	raw_len = base64_decode(digits + 3, len - PREFIX_LEN - 4, raw, sizeof(raw));
	wrong = raw_check(raw, raw_len);
	if (!wrong) {
		secret->hash = (uint8_t)(digits[1] - '0');
		secret->len = (uint32_t)(raw_len - CRC_LEN);
		memcpy(secret->bytes, raw, secret->len);
	}
	nvme_crypto_wipe(raw, sizeof(raw));
	return wrong;
}

bool nvme_secret_make_key(const struct nvme_secret *secret, const char *nqn, struct nvme_key *key)
{
	char text[256 + sizeof(PURPOSE)];
	int len;

	if (secret->hash == 0) {
		key->len = secret->len;
		memcpy(key->bytes, secret->bytes, secret->len);
		return true;
	}
	len = snprintf(text, sizeof(text), "%s%s", nqn, PURPOSE);
	key->len = nvme_hash_len((enum nvme_hash)secret->hash);
	return nvme_crypto_hmac((enum nvme_hash)secret->hash, secret->bytes, secret->len, text,
				(size_t)len, key->bytes);
}

const char *wrasse_auth_check_secret(const char *text)
{
	struct nvme_secret secret;
	const char *wrong = nvme_secret_parse(&secret, text, strlen(text));

	nvme_crypto_wipe(&secret, sizeof(secret));
	return wrong;
}
