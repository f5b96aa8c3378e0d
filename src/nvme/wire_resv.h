/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservations on the wire (NVMe Base 2.0 7.2 to 7.5, 5.16.1.24), as wire.h.
 */
#ifndef WRASSE_NVME_WIRE_RESV_H
#define WRASSE_NVME_WIRE_RESV_H

#include "nvme/wire.h"

#define NVME_RESV_ACTION(cdw10) ((cdw10)&7)
#define NVME_RESV_IEKEY         (1u << 3)
#define NVME_RESV_TYPE(cdw10)   ((uint8_t)((cdw10) >> 8))
#define NVME_RESV_CPTPL(cdw10)  ((cdw10) >> 30)
#define NVME_RESV_EDS           1u /* CDW11 of Reservation Report */

/* Data of Reservation Register and Acquire; that of Release is its first half. */
struct nvme_resv_keys {
	nvme_le64 crkey;
	nvme_le64 key; /* NRKEY, PRKEY */
};
NVME_WIRE_SIZE(struct nvme_resv_keys, 16);

/* The extended data structure of Reservation Report, and one controller in it. */
struct nvme_resv_status {
	nvme_le32 gen;
	uint8_t rtype;
	nvme_le16 regctl;
	uint8_t rsvd7[2];
	uint8_t ptpls;
	uint8_t rsvd10[54];
};
NVME_WIRE_SIZE(struct nvme_resv_status, 64);

struct nvme_resv_ctrl {
	nvme_le16 cntlid; /* FFFFh: the host has no controller now */
	uint8_t rcsts;    /* bit 0: the host holds the reservation */
	uint8_t rsvd3[5];
	nvme_le64 rkey;
	uint8_t hostid[NVME_HOSTID_LEN];
	uint8_t rsvd32[32];
};
NVME_WIRE_SIZE(struct nvme_resv_ctrl, 64);

/* The Reservation Notification log page (NVMe Base 2.0 5.16.1.24). */
struct nvme_resv_log {
	nvme_le64 count; /* 0: empty */
	uint8_t type;    /* enum nvme_resv_notice */
	uint8_t available;
	uint8_t rsvd10[2];
	nvme_le32 nsid;
	uint8_t rsvd16[48];
};
NVME_WIRE_SIZE(struct nvme_resv_log, 64);

#define NVME_RESCAP_PTPL  (1u << 0)
#define NVME_RESCAP_TYPES (0x3fu << 1) /* all six */
#define NVME_RESCAP_IEKEY (1u << 7)    /* Ignore Existing Key as in NVMe 1.3 and later */

#endif
