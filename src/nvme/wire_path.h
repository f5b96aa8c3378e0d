/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What hosts learn of paths: Asymmetric Namespace Access and the discovery log, by the rules of
 * wire.h.
 */
#ifndef WRASSE_NVME_WIRE_PATH_H
#define WRASSE_NVME_WIRE_PATH_H

#include "nvme/wire.h"

/* Asymmetric Namespace Access (NVMe Base 2.0 5.16.1.13): a header, then groups with their nsids. */
struct nvme_ana_header {
	nvme_le64 change_count;
	nvme_le16 group_count;
	uint8_t rsvd10[6];
};
NVME_WIRE_SIZE(struct nvme_ana_header, 16);

struct nvme_ana_desc {
	nvme_le32 group, nsid_count;
	nvme_le64 change_count;
	uint8_t state; /* enum wrasse_ana_state */
	uint8_t rsvd17[15];
};
NVME_WIRE_SIZE(struct nvme_ana_desc, 32);

#define NVME_CMIC_ANA      0x08
#define NVME_ANACAP        0x5f /* all five states; the group of a namespace never changes */
#define NVME_ANACAP_CREATE 0x80 /* hosts that create a namespace may choose its group */

/* The discovery log (NVMe-oF 1.1 5.3; NVMe Base 2.0 5.16.1.23). */
struct nvme_disc_header {
	nvme_le64 genctr, numrec;
	nvme_le16 recfmt;
	uint8_t dlpf; /* NVME_DISC_* that were heeded */
	uint8_t rsvd19;
	nvme_le32 tdlpl; /* of a log with extended entries: bytes of all of it */
	uint8_t rsvd24[1000];
};
NVME_WIRE_SIZE(struct nvme_disc_header, 1024);

/*
 * What can be asked for in the Log Specific Field, is told in the header (DLPF), and, as supported,
 * in the Supported Log Pages log (NVMe Base 2.1 5.1.12.3.1).
 */
#define NVME_DISC_EXTENDED   0x01 /* extended entries */
#define NVME_DISC_PORT_LOCAL 0x02 /* only those of the port that was asked */
#define NVME_DISC_ALL        0x04 /* not only those of the host that asks */

struct nvme_disc_entry {
	uint8_t trtype, adrfam, subtype, treq;
	nvme_le16 portid, cntlid, asqsz, eflags;
	uint8_t rsvd12[20];
	char trsvcid[32]; /* @32 */
	uint8_t rsvd64[192];
	char subnqn[NVME_NQN_FIELD];
	char traddr[256];
	uint8_t qptype, prtype, cms; /* @768: TSAS of RDMA (RDMA 1.0 4) */
	uint8_t rsvd771[5];
	nvme_le16 pkey;
	uint8_t rsvd778[246];
};
NVME_WIRE_SIZE(struct nvme_disc_entry, 1024);
_Static_assert(offsetof(struct nvme_disc_entry, pkey) == 776, "PKEY");

/* What an extended entry has behind an entry; then come its attributes (NVMe Base 2.1 5.1.12.3.1). */
struct nvme_disc_tail {
	nvme_le32 tel; /* bytes of the extended entry, from TRTYPE to its last attribute */
	nvme_le16 numexat;
	uint8_t rsvd6[2];
};
NVME_WIRE_SIZE(struct nvme_disc_tail, 8);

/* An attribute; its value is a multiple of 4 bytes long (NVMe Base 2.1 figure 499). */
struct nvme_disc_attr {
	nvme_le16 type, len;
};
NVME_WIRE_SIZE(struct nvme_disc_attr, 4);

#define NVME_DCTYPE_DIRECT  1 /* Identify Controller: a Direct Discovery controller */
#define NVME_EXAT_LABEL     2 /* Admin label, ASCII */
#define NVME_EXAT_LABEL_MAX 256

#define NVME_SUBTYPE_REFERRAL 1
#define NVME_SUBTYPE_NVM      2
#define NVME_SUBTYPE_CURRENT  3
#define NVME_TREQ_NO_SQ_FLOW  0x04
#define NVME_EFLAGS_EPCSD     0x02 /* a Keep Alive Timeout makes the connection persistent */
#define NVME_ASQSZ_MIN        32
#define NVME_RDMA_QPTYPE_RC   1
#define NVME_RDMA_PRTYPE_NONE 1
#define NVME_RDMA_CMS_CM      1

#endif
