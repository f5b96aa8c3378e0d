/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's side of DH-HMAC-CHAP (NVMe Base 2.0 8.13), message by message, on OpenSSL's high-level
 * functions: written from the specification, it shares no line with the library. For wrasse-host, the
 * simulation and the unit tests.
 */
#ifndef HOST_DHCHAP_H
#define HOST_DHCHAP_H

#include <stddef.h>
#include <stdint.h>

/* Keys of 32, 48 and 64 bytes, counting up from 0, 1, 2 and 9; made with Python's base64 and zlib. */
#define DHCHAP_SECRET_00 "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"
#define DHCHAP_SECRET_01 "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"
#define DHCHAP_SECRET_02 \
	"DHHC-1:02:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wyg3Bcw==:"
#define DHCHAP_SECRET_03 \
	"DHHC-1:03:AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9AQTfziLI=:"
/* One that no target knows. */
#define DHCHAP_SECRET_OTHER "DHHC-1:01:CQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJyg+WyJc:"

#define DHCHAP_ALL 0x3fu /* hashes or groups */

/* Offsets in messages. */
enum {
	DHCHAP_TYPE = 0,
	DHCHAP_ID = 1,
	DHCHAP_TID = 4,
	DHCHAP_SC_C = 6, /* Negotiate */
	DHCHAP_NAPD = 7,
	DHCHAP_PROTOCOL = 8,
	DHCHAP_HASHES = 10,
	DHCHAP_GROUPS = 11,
	DHCHAP_HL = 6, /* Challenge, Reply, Success1 */
	DHCHAP_VALID = 8,
	DHCHAP_DHVLEN = 10,
	DHCHAP_SEQNUM = 12,
	DHCHAP_VALUE = 16,
	DHCHAP_RCE = 7, /* Failure1, Failure2 */
};

/* Types and ids of messages, the type in the high byte. */
enum {
	DHCHAP_NEGOTIATE = 0x0000,
	DHCHAP_CHALLENGE = 0x0101,
	DHCHAP_REPLY = 0x0102,
	DHCHAP_SUCCESS1 = 0x0103,
	DHCHAP_SUCCESS2 = 0x0104,
	DHCHAP_FAILURE2 = 0x00f0,
	DHCHAP_FAILURE1 = 0x00f1,
};

enum {
	DHCHAP_NEGOTIATE_LEN = 72, /* of one protocol */
	DHCHAP_SUCCESS2_LEN = 16,
	DHCHAP_FAILURE_LEN = 8,
	DHCHAP_MESSAGE_MAX = 16 + 2 * 64 + 1024,
};

/* Reasons of a failure. */
enum {
	DHCHAP_RCE_FAILED = 1,
	DHCHAP_RCE_PROTOCOL = 2,
	DHCHAP_RCE_CONCAT = 3,
	DHCHAP_RCE_HASH = 4,
	DHCHAP_RCE_GROUP = 5,
	DHCHAP_RCE_PAYLOAD = 6,
	DHCHAP_RCE_MESSAGE = 7,
};

struct dhchap {
	const char *hostnqn, *subnqn;
	const char *secret;      /* the host's */
	const char *ctrl_secret; /* NULL: the controller need not prove anything */
	uint32_t hashes, groups; /* that it offers: bit 0 is SHA-256, bit 0 is no group */
	uint16_t tid;
	/* what came out */
	uint8_t hash, group;
	uint32_t hash_len, dh_len;
	uint8_t own[64]; /* its challenge */
	uint8_t expected[64];
};

static inline unsigned dhchap_kind(const uint8_t *msg)
{
	return (unsigned)msg[DHCHAP_TYPE] << 8 | msg[DHCHAP_ID];
}

/* Messages to send, into DHCHAP_MESSAGE_MAX bytes. Return: their length. */
size_t dhchap_negotiate(const struct dhchap *host, uint8_t *msg);
size_t dhchap_success2(const struct dhchap *host, uint8_t *msg);
size_t dhchap_failure2(const struct dhchap *host, uint8_t *msg);
/* @challenge: that dhchap_take_challenge() took. Return: 0 if OpenSSL does not do it, or not the secret. */
size_t dhchap_reply(struct dhchap *host, const uint8_t *challenge, uint8_t *msg);

/* Messages that came, to the last byte; @len may be more than theirs. Return: NULL, or what is wrong. */
const char *dhchap_take_challenge(struct dhchap *host, const uint8_t *msg, size_t len);
const char *dhchap_take_success1(const struct dhchap *host, const uint8_t *msg, size_t len);

#endif
