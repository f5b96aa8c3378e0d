/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The messages of in-band authentication, byte for byte (NVMe Base 2.0 8.13.4, 8.13.5): wire.h's
 * part for Authentication Send and Receive. What follows a message's fixed part has lengths that
 * the message tells.
 */
#ifndef WRASSE_NVME_WIRE_AUTH_H
#define WRASSE_NVME_WIRE_AUTH_H

#include "nvme/wire.h"

/* What both kinds of messages begin with. */
struct nvme_auth_head {
	uint8_t type; /* enum nvme_auth_type */
	uint8_t id;   /* enum nvme_auth_id */
	uint8_t rsvd2[2];
	nvme_le16 tid;
};
NVME_WIRE_SIZE(struct nvme_auth_head, 6);

enum nvme_auth_type {
	NVME_AUTH_COMMON = 0x00,
	NVME_AUTH_DHCHAP = 0x01,
};

enum nvme_auth_id {
	NVME_AUTH_ID_NEGOTIATE = 0x00, /* common */
	NVME_AUTH_ID_CHALLENGE = 0x01,
	NVME_AUTH_ID_REPLY = 0x02,
	NVME_AUTH_ID_SUCCESS1 = 0x03,
	NVME_AUTH_ID_SUCCESS2 = 0x04,
	NVME_AUTH_ID_FAILURE2 = 0xf0, /* common */
	NVME_AUTH_ID_FAILURE1 = 0xf1, /* common */
};

/* Why an authentication failed: rce of a Failure message, whose rc is 1. */
enum nvme_auth_rce {
	NVME_AUTH_RCE_FAILED = 1,
	NVME_AUTH_RCE_PROTOCOL = 2,
	NVME_AUTH_RCE_CONCAT = 3,
	NVME_AUTH_RCE_HASH = 4,
	NVME_AUTH_RCE_GROUP = 5,
	NVME_AUTH_RCE_PAYLOAD = 6,
	NVME_AUTH_RCE_MESSAGE = 7,
};

struct nvme_auth_negotiate {
	struct nvme_auth_head head;
	uint8_t sc_c;
	uint8_t napd; /* descriptors that follow */
};
NVME_WIRE_SIZE(struct nvme_auth_negotiate, 8);

#define NVME_AUTH_PROTOCOL_DHCHAP 0x01
#define NVME_AUTH_IDS             30

struct nvme_auth_descriptor {
	uint8_t protocol;
	uint8_t rsvd1;
	uint8_t hash_count;
	uint8_t group_count;
	uint8_t hash[NVME_AUTH_IDS];
	uint8_t group[NVME_AUTH_IDS];
};
NVME_WIRE_SIZE(struct nvme_auth_descriptor, 64);

/* Followed by the challenge and the public value. */
struct nvme_auth_challenge {
	struct nvme_auth_head head;
	uint8_t hash_len;
	uint8_t rsvd7;
	uint8_t hash;
	uint8_t group;
	nvme_le16 dh_len;
	nvme_le32 seqnum;
};
NVME_WIRE_SIZE(struct nvme_auth_challenge, 16);

/* Followed by the response, the host's challenge and the public value. */
struct nvme_auth_reply {
	struct nvme_auth_head head;
	uint8_t hash_len;
	uint8_t rsvd7;
	uint8_t challenge_valid;
	uint8_t rsvd9;
	nvme_le16 dh_len;
	nvme_le32 seqnum;
};
NVME_WIRE_SIZE(struct nvme_auth_reply, 16);

/* Followed by the controller's response. */
struct nvme_auth_success1 {
	struct nvme_auth_head head;
	uint8_t hash_len;
	uint8_t rsvd7;
	uint8_t response_valid;
	uint8_t rsvd9[7];
};
NVME_WIRE_SIZE(struct nvme_auth_success1, 16);

struct nvme_auth_success2 {
	struct nvme_auth_head head;
	uint8_t rsvd6[10];
};
NVME_WIRE_SIZE(struct nvme_auth_success2, 16);

struct nvme_auth_failure {
	struct nvme_auth_head head;
	uint8_t rc;
	uint8_t rce; /* enum nvme_auth_rce */
};
NVME_WIRE_SIZE(struct nvme_auth_failure, 8);

#endif
