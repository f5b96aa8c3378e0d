/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What NVMe-oF puts on the wire, byte for byte. Multi-byte fields have types that can only be read
 * and written through nvme_get*() and nvme_put*(): nothing else in the library swaps bytes. Every
 * struct has alignment 1, so that any byte of a capsule may be looked at through it, and a size
 * that the compiler checks.
 */
#ifndef WRASSE_NVME_WIRE_H
#define WRASSE_NVME_WIRE_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
	uint8_t b[2];
} nvme_le16;

typedef struct {
	uint8_t b[4];
} nvme_le32;

typedef struct {
	uint8_t b[8];
} nvme_le64;

static inline uint16_t nvme_get16(nvme_le16 field)
{
	uint16_t value;

	memcpy(&value, field.b, sizeof(value));
	return le16toh(value);
}

static inline uint32_t nvme_get32(nvme_le32 field)
{
	uint32_t value;

	memcpy(&value, field.b, sizeof(value));
	return le32toh(value);
}

static inline uint64_t nvme_get64(nvme_le64 field)
{
	uint64_t value;

	memcpy(&value, field.b, sizeof(value));
	return le64toh(value);
}

static inline void nvme_put16(nvme_le16 *field, uint16_t value)
{
	value = htole16(value);
	memcpy(field->b, &value, sizeof(value));
}

static inline void nvme_put32(nvme_le32 *field, uint32_t value)
{
	value = htole32(value);
	memcpy(field->b, &value, sizeof(value));
}

static inline void nvme_put64(nvme_le64 *field, uint64_t value)
{
	value = htole64(value);
	memcpy(field->b, &value, sizeof(value));
}

#define NVME_WIRE_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)

/* ---- capsules (NVMe Base 2.0 3.3.3, NVMe-oF 1.1 2.1) ---- */

#define NVME_CMD_LEN     64 /* also where in-capsule data begins: ICDOFF is 0 */
#define NVME_CMD_FUSE    0x03
#define NVME_CMD_PSDT    0xc0
#define NVME_PSDT_SGL    0x40
#define NVME_FUSE_FIRST  0x01
#define NVME_FUSE_SECOND 0x02
#define NVME_NSID_ALL    0xffffffffu

/* SGL descriptor identifiers, type << 4 | subtype (NVMe Base 2.0 4.1.2). */
enum nvme_sgl_id {
	NVME_SGL_OFFSET = 0x01,      /* data block by offset: in-capsule data */
	NVME_SGL_LAST_OFFSET = 0x31, /* last segment by offset: a list in the capsule */
	NVME_SGL_KEYED = 0x40,
	NVME_SGL_KEYED_INV = 0x4f,
};

/* Types, without their subtypes. */
#define NVME_SGL_TYPE(id) ((id) >> 4)
#define NVME_SGL_SEGMENT  0x2
#define NVME_SGL_LAST     0x3

struct nvme_sgl {
	nvme_le64 addr;
	union {
		struct {
			nvme_le32 len;
			uint8_t rsvd[3];
		} plain;
		struct {
			uint8_t len[3];
			nvme_le32 key;
		} keyed;
	};
	uint8_t id; /* enum nvme_sgl_id */
};
NVME_WIRE_SIZE(struct nvme_sgl, 16);

static inline uint32_t nvme_sgl_keyed_len(const struct nvme_sgl *sgl)
{
	/* With the first byte of the key, in one load. */
	return nvme_get32(sgl->plain.len) & 0xffffff;
}

/* CDW10-15 of Connect (NVMe-oF 1.1 3.3). */
struct nvme_connect_cmd {
	nvme_le16 recfmt;
	nvme_le16 qid;
	nvme_le16 sqsize; /* 0-based */
	uint8_t cattr;
	uint8_t rsvd47;
	nvme_le32 kato_ms;
	uint8_t rsvd52[12];
};
NVME_WIRE_SIZE(struct nvme_connect_cmd, 24);

#define NVME_CATTR_NO_SQ_FLOW 0x04

/* CDW10-15 of Property Get and Property Set (NVMe-oF 1.1 3.4, 3.5). */
struct nvme_property_cmd {
	uint8_t attrib;
	uint8_t rsvd41[3];
	nvme_le32 offset;
	nvme_le64 value;
	uint8_t rsvd56[8];
};
NVME_WIRE_SIZE(struct nvme_property_cmd, 24);

/* CDW10-15 of Authentication Send and Receive (NVMe Base 2.0 6.1, 6.2). */
struct nvme_auth_cmd {
	uint8_t rsvd40;
	uint8_t spsp0, spsp1;
	uint8_t secp;
	nvme_le32 len; /* TL, AL */
	uint8_t rsvd48[16];
};
NVME_WIRE_SIZE(struct nvme_auth_cmd, 24);

#define NVME_AUTH_SPSP 0x01
#define NVME_AUTH_SECP 0xe9 /* NVMe */

/* CDW10-15 of Read and Write (NVM Command Set 1.0 3.2.4, 3.2.6). */
struct nvme_rw_cmd {
	nvme_le64 slba;
	nvme_le16 nlb; /* 0-based */
	nvme_le16 control;
	nvme_le32 dsm;
	nvme_le32 ilbrt; /* initial reference tag */
	nvme_le16 lbat, lbatm;
};
NVME_WIRE_SIZE(struct nvme_rw_cmd, 24);

#define NVME_RW_FUA  0x4000
#define NVME_RW_DEAC 0x0200 /* Write Zeroes */

/* A command, without its in-capsule data. */
struct nvme_cmd {
	uint8_t opcode;
	uint8_t flags; /* NVME_CMD_FUSE, NVME_CMD_PSDT */
	nvme_le16 cid;
	union {
		nvme_le32 nsid;
		uint8_t fctype; /* NVME_OPC_FABRICS only */
	};
	nvme_le32 cdw2, cdw3;
	nvme_le64 mptr;
	struct nvme_sgl sgl;
	union {
		struct {
			nvme_le32 cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
		};
		struct nvme_connect_cmd connect;
		struct nvme_property_cmd property;
		struct nvme_auth_cmd auth;
		struct nvme_rw_cmd rw;
	};
};
NVME_WIRE_SIZE(struct nvme_cmd, NVME_CMD_LEN);

/* A response. */
struct nvme_cqe {
	nvme_le32 dw0, dw1;
	nvme_le16 sqhd;
	nvme_le16 sqid; /* reserved in fabrics */
	nvme_le16 cid;
	nvme_le16 status; /* SC 8:1, SCT 11:9, CRD 13:12, M 14, DNR 15 */
};
NVME_WIRE_SIZE(struct nvme_cqe, 16);

#define NVME_STATUS_SC_SHIFT  1
#define NVME_STATUS_SCT_SHIFT 9
#define NVME_STATUS_CRD_SHIFT 12
#define NVME_STATUS_MORE      0x4000
#define NVME_STATUS_DNR       0x8000
#define NVME_SQHD_NO_FLOW     0xffff

/* Opcodes; the low two bits are the direction of the data (NVMe Base 2.0 3.1.2.1.1). */
enum nvme_opcode {
	NVME_OPC_FABRICS = 0x7f,

	NVME_OPC_GET_LOG = 0x02,
	NVME_OPC_IDENTIFY = 0x06,
	NVME_OPC_ABORT = 0x08,
	NVME_OPC_SET_FEATURES = 0x09,
	NVME_OPC_GET_FEATURES = 0x0a,
	NVME_OPC_ASYNC_EVENT = 0x0c,
	NVME_OPC_NS_MANAGEMENT = 0x0d,
	NVME_OPC_NS_ATTACHMENT = 0x15,
	NVME_OPC_KEEP_ALIVE = 0x18,

	NVME_OPC_FLUSH = 0x00,
	NVME_OPC_WRITE = 0x01,
	NVME_OPC_READ = 0x02,
	NVME_OPC_WRITE_UNCORRECTABLE = 0x04,
	NVME_OPC_COMPARE = 0x05,
	NVME_OPC_WRITE_ZEROES = 0x08,
	NVME_OPC_DATASET_MANAGEMENT = 0x09,
	NVME_OPC_VERIFY = 0x0c,
	NVME_OPC_RESV_REGISTER = 0x0d,
	NVME_OPC_RESV_REPORT = 0x0e,
	NVME_OPC_RESV_ACQUIRE = 0x11,
	NVME_OPC_RESV_RELEASE = 0x15,
	NVME_OPC_COPY = 0x19,
};

/* Fabrics command types; their low two bits are a direction too. */
enum nvme_fctype {
	NVME_FCTYPE_PROPERTY_SET = 0x00,
	NVME_FCTYPE_CONNECT = 0x01,
	NVME_FCTYPE_PROPERTY_GET = 0x04,
	NVME_FCTYPE_AUTH_SEND = 0x05,
	NVME_FCTYPE_AUTH_RECEIVE = 0x06,
	NVME_FCTYPE_DISCONNECT = 0x08,
};

/* ---- status codes that are not in wrasse/status.h (NVMe Base 2.0 3.3.3.2.1) ---- */

enum nvme_sc {
	/* generic */
	NVME_SC_SQ_DELETED = 0x08,
	NVME_SC_FAILED_FUSED = 0x09,
	NVME_SC_MISSING_FUSED = 0x0a,
	NVME_SC_INVALID_NAMESPACE = 0x0b,
	NVME_SC_SEQUENCE = 0x0c,
	NVME_SC_SGL_SEGMENT = 0x0d,
	NVME_SC_SGL_COUNT = 0x0e,
	NVME_SC_SGL_LENGTH = 0x0f,
	NVME_SC_SGL_TYPE = 0x11,
	NVME_SC_SGL_OFFSET = 0x16,
	NVME_SC_HOSTID_FORMAT = 0x18,
	NVME_SC_KATO_EXPIRED = 0x19,
	NVME_SC_KATO_INVALID = 0x1a,
	NVME_SC_PREEMPTED = 0x1b,

	/* path related */
	NVME_SC_ANA_PERSISTENT_LOSS = 0x01,
	NVME_SC_ANA_INACCESSIBLE = 0x02,
	NVME_SC_ANA_TRANSITION = 0x03,

	/* command specific */
	NVME_SC_ABORT_LIMIT = 0x03,
	NVME_SC_AER_LIMIT = 0x05,
	NVME_SC_LOG_PAGE = 0x09,
	NVME_SC_NOT_SAVEABLE = 0x0d,
	NVME_SC_NOT_CHANGEABLE = 0x0e,
	NVME_SC_NOT_NS_SPECIFIC = 0x0f,
	NVME_SC_COMMAND_SETS = 0x2b,
	NVME_SC_CONNECT_FORMAT = 0x80,
	NVME_SC_CONNECT_BUSY = 0x81,
	NVME_SC_INVALID_PI = 0x81, /* of I/O commands */
	NVME_SC_CONNECT_PARAM = 0x82,
	NVME_SC_CONNECT_HOST = 0x84,
	NVME_SC_QUEUE_TYPE = 0x85,
	NVME_SC_SIZE_LIMIT = 0x83, /* of I/O commands */
	NVME_SC_OVERLAPPING = 0x87,
	NVME_SC_AUTH_REQUIRED = 0x91,
};

/* ---- Connect data (NVMe-oF 1.1 3.3) ---- */

#define NVME_NQN_FIELD       256
#define NVME_HOSTID_LEN      16
#define NVME_CNTLID_DYNAMIC  0xffff
#define NVME_CONNECT_IN_DATA 0x10000 /* IATTR in dw0 of a refused Connect */
#define NVME_CONNECT_ATR     0x20000 /* authentication required, in dw0 of a Connect that succeeds */

struct nvme_connect_data {
	uint8_t hostid[NVME_HOSTID_LEN];
	nvme_le16 cntlid;
	uint8_t rsvd18[238];
	char subnqn[NVME_NQN_FIELD];
	char hostnqn[NVME_NQN_FIELD];
	uint8_t rsvd768[256];
};
NVME_WIRE_SIZE(struct nvme_connect_data, 1024);

/* Where an invalid parameter lies: IPO of a refused Connect. */
enum nvme_connect_ipo {
	NVME_IPO_QID = 42,
	NVME_IPO_SQSIZE = 44,
	NVME_IPO_CNTLID = NVME_CONNECT_IN_DATA | 16,
	NVME_IPO_SUBNQN = NVME_CONNECT_IN_DATA | 256,
	NVME_IPO_HOSTNQN = NVME_CONNECT_IN_DATA | 512,
};

/* ---- properties (NVMe Base 2.0 3.1.3) ---- */

enum nvme_property_offset {
	NVME_PROP_CAP = 0x00,
	NVME_PROP_VS = 0x08,
	NVME_PROP_CC = 0x14,
	NVME_PROP_CSTS = 0x1c,
	NVME_PROP_CRTO = 0x68,
};

#define NVME_CAP_CQR       (1ull << 16)
#define NVME_CAP_TO_SHIFT  24
#define NVME_CAP_CSS_NVM   (1ull << 37)
#define NVME_CAP_CRWMS     (1ull << 59)
#define NVME_VS_2_0        0x00020000u
#define NVME_CC_EN         0x1u
#define NVME_CC_CSS        0x70u
#define NVME_CC_MPS        0x780u
#define NVME_CC_AMS        0x3800u
#define NVME_CC_SHN        0xc000u
#define NVME_CC_IOSQES(cc) ((cc) >> 16 & 0xf)
#define NVME_CC_IOCQES(cc) ((cc) >> 20 & 0xf)
#define NVME_CC_MASK       0x00fffff1u /* what can be written; CRIME is not supported */
#define NVME_CSTS_RDY      0x1u
#define NVME_CSTS_CFS      0x2u
#define NVME_CSTS_SHST_NOW 0x4u /* shutdown processing occurring */
#define NVME_CSTS_SHST_END 0x8u /* shutdown processing complete */

/* ---- Identify (NVMe Base 2.0 5.17) ---- */

#define NVME_PAGE_LEN 4096 /* every Identify data structure */

enum nvme_cns {
	NVME_CNS_NS = 0x00,
	NVME_CNS_CTRL = 0x01,
	NVME_CNS_NS_LIST = 0x02,
	NVME_CNS_NS_DESCS = 0x03,
	NVME_CNS_CSI_NS = 0x05,
	NVME_CNS_CSI_CTRL = 0x06,
	NVME_CNS_CSI_NS_LIST = 0x07,
	NVME_CNS_NS_INDEPENDENT = 0x08,
	NVME_CNS_ALLOCATED_LIST = 0x10,
	NVME_CNS_ALLOCATED_NS = 0x11,
	NVME_CNS_NS_CTRLS = 0x12,
	NVME_CNS_CTRLS = 0x13,
	NVME_CNS_CSI_ALLOCATED_LIST = 0x1a,
	NVME_CNS_CSI_ALLOCATED_NS = 0x1b,
	NVME_CNS_COMMAND_SETS = 0x1c,
};

#define NVME_CSI_NVM 0 /* the only command set */

/* Identify Controller (NVMe Base 2.0 figure 275). */
struct nvme_id_ctrl {
	nvme_le16 vid, ssvid;
	char sn[20];
	char mn[40];
	char fr[8];
	uint8_t rab, ieee[3], cmic, mdts;
	nvme_le16 cntlid;
	nvme_le32 ver, rtd3r, rtd3e, oaes, ctratt;
	nvme_le16 rrls;
	uint8_t rsvd102[9];
	uint8_t cntrltype;
	uint8_t fguid[16];
	nvme_le16 crdt[3];
	uint8_t rsvd134[122];
	nvme_le16 oacs;
	uint8_t acl, aerl, frmw, lpa, elpe, npss, avscc, apsta;
	nvme_le16 wctemp, cctemp, mtfa;
	uint8_t rsvd272[8];
	nvme_le64 tnvmcap[2], unvmcap[2]; /* @280: bytes, 128 bits each */
	uint8_t rsvd312[8];
	nvme_le16 kas; /* @320 */
	uint8_t rsvd322[20];
	uint8_t anatt, anacap;          /* @342: see NVME_ANACAP */
	nvme_le32 anagrpmax, nanagrpid; /* @344 */
	uint8_t rsvd352[160];
	uint8_t sqes, cqes; /* @512 */
	nvme_le16 maxcmd;
	nvme_le32 nn;
	nvme_le16 oncs, fuses;
	uint8_t fna, vwc;
	nvme_le16 awun, awupf;
	uint8_t icsvscc, nwpc;
	nvme_le16 acwu;
	nvme_le16 ocfs;
	nvme_le32 sgls; /* @536 */
	nvme_le32 mnan;
	uint8_t rsvd544[224];
	char subnqn[NVME_NQN_FIELD]; /* @768 */
	uint8_t rsvd1024[768];
	nvme_le32 ioccsz, iorcsz; /* @1792 */
	nvme_le16 icdoff;
	uint8_t fcatt, msdbd;
	nvme_le16 ofcs;
	uint8_t dctype;
	uint8_t rsvd1807[241];
	uint8_t psd[32][32];
	uint8_t vs[1024];
};
NVME_WIRE_SIZE(struct nvme_id_ctrl, NVME_PAGE_LEN);
_Static_assert(offsetof(struct nvme_id_ctrl, tnvmcap) == 280, "TNVMCAP");
_Static_assert(offsetof(struct nvme_id_ctrl, kas) == 320, "KAS");
_Static_assert(offsetof(struct nvme_id_ctrl, anagrpmax) == 344, "ANAGRPMAX");
_Static_assert(offsetof(struct nvme_id_ctrl, sqes) == 512, "SQES");
_Static_assert(offsetof(struct nvme_id_ctrl, sgls) == 536, "SGLS");
_Static_assert(offsetof(struct nvme_id_ctrl, subnqn) == 768, "SUBNQN");
_Static_assert(offsetof(struct nvme_id_ctrl, ofcs) == 1804, "OFCS");

/* Identify Namespace of the NVM command set (NVM Command Set 1.0 figure 97). */
struct nvme_id_ns {
	nvme_le64 nsze, ncap, nuse;
	uint8_t nsfeat, nlbaf, flbas, mc, dpc, dps, nmic, rescap, fpi, dlfeat;
	nvme_le16 nawun, nawupf, nacwu; /* @34 */
	nvme_le16 nabsn, nabo, nabspf, noiob;
	nvme_le64 nvmcap[2];
	nvme_le16 npwg, npwa, npdg, npda, nows; /* @64 */
	nvme_le16 mssrl;
	nvme_le32 mcl;
	uint8_t msrc;
	uint8_t rsvd81[11];
	nvme_le32 anagrpid; /* @92 */
	uint8_t rsvd96[3];
	uint8_t nsattr; /* @99 */
	nvme_le16 nvmsetid, endgid;
	uint8_t nguid[16];
	uint8_t eui64[8];
	struct {
		nvme_le16 ms;
		uint8_t lbads, rp;
	} lbaf[64]; /* @128 */
	uint8_t vs[3712];
};
NVME_WIRE_SIZE(struct nvme_id_ns, NVME_PAGE_LEN);
_Static_assert(offsetof(struct nvme_id_ns, npwg) == 64, "NPWG");
_Static_assert(offsetof(struct nvme_id_ns, anagrpid) == 92, "ANAGRPID");
_Static_assert(offsetof(struct nvme_id_ns, nsattr) == 99, "NSATTR");

_Static_assert(offsetof(struct nvme_id_ns, lbaf) == 128, "LBAF");

/* One descriptor of CNS 03h (NVMe Base 2.0 figure 277), followed by len bytes. */
struct nvme_ns_desc {
	uint8_t type, len, rsvd[2];
};
NVME_WIRE_SIZE(struct nvme_ns_desc, 4);

enum nvme_ns_desc_type {
	NVME_NS_DESC_EUI64 = 1,
	NVME_NS_DESC_NGUID = 2,
	NVME_NS_DESC_UUID = 3,
	NVME_NS_DESC_CSI = 4,
};

/* ---- log pages (NVMe Base 2.0 5.16.1) ---- */

enum nvme_lid {
	NVME_LID_SUPPORTED = 0x00,
	NVME_LID_ERROR = 0x01,
	NVME_LID_SMART = 0x02,
	NVME_LID_FIRMWARE = 0x03,
	NVME_LID_CHANGED_NS = 0x04,
	NVME_LID_EFFECTS = 0x05,
	NVME_LID_ANA = 0x0c,
	NVME_LID_FEATURES = 0x12,
	NVME_LID_DISCOVERY = 0x70,
	NVME_LID_RESERVATION = 0x80,
};

struct nvme_error_entry {
	nvme_le64 error_count; /* 0: no entry */
	nvme_le16 sqid, cid, status, location;
	nvme_le64 lba;
	nvme_le32 nsid;
	uint8_t vs_info, trtype;
	uint8_t rsvd30[2];
	nvme_le64 cs_info;
	nvme_le16 trtype_info;
	uint8_t rsvd42[22];
};
NVME_WIRE_SIZE(struct nvme_error_entry, 64);

#define NVME_ERROR_NO_LOCATION 0xffff

struct nvme_smart_log {
	uint8_t critical_warning;
	nvme_le16 temperature;
	uint8_t avail_spare, spare_thresh, percent_used, endurance_warning;
	uint8_t rsvd7[25];
	nvme_le64 units_read[2],
		units_written[2]; /* @32: 1000 * 512 bytes, rounded up; 128 bits each */
	nvme_le64 reads[2], writes[2];
	nvme_le64 busy_time[2], power_cycles[2], power_on_hours[2], unsafe_shutdowns[2];
	nvme_le64 media_errors[2], error_entries[2];
	nvme_le32 warning_time, critical_time; /* @192 */
	uint8_t rsvd200[312];
};
NVME_WIRE_SIZE(struct nvme_smart_log, 512);

struct nvme_firmware_log {
	uint8_t afi;
	uint8_t rsvd1[7];
	char frs[7][8];
	uint8_t rsvd64[448];
};
NVME_WIRE_SIZE(struct nvme_firmware_log, 512);

struct nvme_effects_log {
	nvme_le32 acs[256], iocs[256];
	uint8_t rsvd2048[2048];
};
NVME_WIRE_SIZE(struct nvme_effects_log, NVME_PAGE_LEN);

#define NVME_EFFECT_SUPPORTED 0x1u /* CSUPP */
#define NVME_EFFECT_DATA      0x2u /* LBCC: changes logical block content */
#define NVME_EFFECT_INVENTORY 0x8u /* NIC: changes which namespaces there are */

#define NVME_TRTYPE_RDMA 1 /* in log pages */

/* ---- asynchronous events (NVMe Base 2.0 5.2.1) ---- */

#define NVME_EVENT_ERROR       0
#define NVME_EVENT_SMART       1
#define NVME_EVENT_NOTICE      2
#define NVME_EVENT_IO          6 /* I/O Command specific: reservations */
#define NVME_ERROR_DIAGNOSTIC  0x02
#define NVME_ERROR_PERSISTENT  0x03
#define NVME_ERROR_TRANSIENT   0x04
#define NVME_SMART_RELIABILITY 0x00
#define NVME_SMART_TEMPERATURE 0x01
#define NVME_SMART_SPARE       0x02
#define NVME_NOTICE_NS_ATTR    0x00
#define NVME_NOTICE_ANA        0x03
#define NVME_NOTICE_DISCOVERY  0xf0
#define NVME_IO_RESERVATION    0x00
#define NVME_AEC_SMART         0xffu /* of critical warnings, in the order of their bits */
#define NVME_AEC_NS_ATTR       (1u << 8)
#define NVME_AEC_ANA           (1u << 11)
#define NVME_AEC_DISCOVERY     (1u << 31)

/* ---- features (NVMe Base 2.0 5.27.1) ---- */

struct nvme_host_behavior {
	uint8_t acre, etdas, lbafee;
	uint8_t rsvd3[509];
};
NVME_WIRE_SIZE(struct nvme_host_behavior, 512);

enum nvme_fid {
	NVME_FID_ARBITRATION = 0x01,
	NVME_FID_POWER = 0x02,
	NVME_FID_TEMPERATURE = 0x04,
	NVME_FID_ERROR_RECOVERY = 0x05,
	NVME_FID_WRITE_CACHE = 0x06,
	NVME_FID_QUEUES = 0x07,
	NVME_FID_ATOMICITY = 0x0a,
	NVME_FID_EVENTS = 0x0b,
	NVME_FID_TIMESTAMP = 0x0e,
	NVME_FID_KATO = 0x0f,
	NVME_FID_HOST_BEHAVIOR = 0x16,
	NVME_FID_COMMAND_SETS = 0x19,
	NVME_FID_HOSTID = 0x81,
	NVME_FID_RESERVATION_MASK = 0x82,
	NVME_FID_RESERVATION_PERSISTENCE = 0x83,
	NVME_FID_WRITE_PROTECT = 0x84,
};

#endif
