/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What optional I/O commands put on the wire, by the rules of wire.h.
 */
#ifndef WRASSE_NVME_WIRE_IO_H
#define WRASSE_NVME_WIRE_IO_H

#include "nvme/wire.h"

/* Dataset Management (NVM Command Set 1.0 3.2.3): CDW10, CDW11, and one of its ranges. */
#define NVME_DSM_NR(cdw10)  (((cdw10)&0xff) + 1)
#define NVME_DSM_DEALLOCATE 0x04u

struct nvme_dsm_range {
	nvme_le32 attributes;
	nvme_le32 nlb; /* 1-based */
	nvme_le64 slba;
};
NVME_WIRE_SIZE(struct nvme_dsm_range, 16);

/* Copy (NVM Command Set 1.0 3.2.2): CDW12, and what its source ranges of either format begin with. */
#define NVME_COPY_NR(cdw12)     (((cdw12)&0xff) + 1)
#define NVME_COPY_FORMAT(cdw12) ((cdw12) >> 8 & 0xf)
#define NVME_COPY_RANGE_0       32 /* bytes of a source range of format 0 */
#define NVME_COPY_RANGE_1       40

struct nvme_copy_range {
	uint8_t rsvd0[8];
	nvme_le64 slba;
	nvme_le16 nlb; /* 0-based */
	uint8_t rsvd18[6];
};
NVME_WIRE_SIZE(struct nvme_copy_range, 24);

#define NVME_LEAST_WZSL 8192u /* WZSL counts 4096 * 2^n bytes, and n is not 0 */

/* NSFEAT of Identify Namespace. */
#define NVME_NSFEAT_NSABP   0x02 /* NAWUN, NAWUPF and NACWU are of the namespace */
#define NVME_NSFEAT_OPTPERF 0x10 /* NPWG, NPWA, NPDG, NPDA and NOWS are valid */

#endif
