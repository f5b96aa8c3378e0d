/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What optional admin commands put on the wire, by the rules of wire.h.
 */
#ifndef WRASSE_NVME_WIRE_ADMIN_H
#define WRASSE_NVME_WIRE_ADMIN_H

#include "nvme/wire.h"

/* ---- Identify (NVMe Base 2.0 5.17) ---- */

/* I/O Command Set Independent Identify Namespace (NVMe Base 2.0 figure 280). */
struct nvme_id_ns_independent {
	uint8_t nsfeat, nmic, rescap, fpi;
	nvme_le32 anagrpid;
	uint8_t nsattr;
	uint8_t rsvd9;
	nvme_le16 nvmsetid, endgid;
	uint8_t nstat;
	uint8_t rsvd15[4081];
};
NVME_WIRE_SIZE(struct nvme_id_ns_independent, NVME_PAGE_LEN);
_Static_assert(offsetof(struct nvme_id_ns_independent, nstat) == 14, "NSTAT");

#define NVME_NSTAT_READY 0x1u

/* Identify Controller of the NVM command set (NVM Command Set 1.0 figure 102). */
struct nvme_id_ctrl_nvm {
	uint8_t vsl, wzsl, wusl, dmrl;
	nvme_le32 dmrsl;
	nvme_le64 dmsl;
	uint8_t rsvd16[4080];
};
NVME_WIRE_SIZE(struct nvme_id_ctrl_nvm, NVME_PAGE_LEN);

/* A controller list (NVMe Base 2.0 4.4.1): ascending. */
#define NVME_CTRL_LIST_MAX 2047

struct nvme_ctrl_list {
	nvme_le16 count;
	nvme_le16 id[NVME_CTRL_LIST_MAX];
};
NVME_WIRE_SIZE(struct nvme_ctrl_list, NVME_PAGE_LEN);

/* ---- Namespace Management and Attachment (NVMe Base 2.0 5.23, 5.22) ---- */

#define NVME_SEL 0xfu /* CDW10: which operation */

#define NVME_SEL_CREATE 0
#define NVME_SEL_DELETE 1
#define NVME_SEL_ATTACH 0
#define NVME_SEL_DETACH 1

/* Their status codes, of NVME_COMMAND() but for the first. */
enum nvme_management_sc {
	NVME_SC_OPERATION_DENIED = 0x15, /* generic */
	NVME_SC_INVALID_FORMAT = 0x0a,
	NVME_SC_ALREADY_ATTACHED = 0x18,
	NVME_SC_NS_PRIVATE = 0x19,
	NVME_SC_NOT_ATTACHED = 0x1a,
	NVME_SC_THIN_PROVISIONING = 0x1b,
	NVME_SC_CTRL_LIST = 0x1c,
	NVME_SC_ANA_GROUP = 0x24,
	NVME_SC_COMMAND_SET = 0x29, /* I/O Command Set Not Supported */
};

/* ---- features (NVMe Base 2.0 5.27.1) ---- */

struct nvme_timestamp {
	union {
		nvme_le64 ms; /* 48 bits of it, since 1970 */
		struct {
			uint8_t low[6];
			uint8_t attributes;
			uint8_t rsvd7;
		};
	};
};
NVME_WIRE_SIZE(struct nvme_timestamp, 8);

#define NVME_TIMESTAMP_BY_HOST (1u << 1) /* the origin is a Set Features */

/* ---- Feature Identifiers Supported and Effects (NVMe Base 2.0 5.16.1.18) ---- */

#define NVME_FIDE_SUPPORTED     (1u << 0)
#define NVME_FIDE_DATA          (1u << 1) /* UDCC: user data may change */
#define NVME_FIDE_NS_CAPABILITY (1u << 2) /* NCC: a namespace may change */
#define NVME_FIDE_SCOPE_NS      (1u << 20)
#define NVME_FIDE_SCOPE_CTRL    (1u << 21)

#endif
