/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes over the wire between an NVMe-oF host and a target on RDMA, as this test host understands it.
 *
 * It shares nothing with the library on purpose: two readings of the specification that agree are worth
 * more than one that agrees with itself. Capsules are byte arrays, fields are named by their byte offset,
 * all are little-endian.
 */
#ifndef HOST_WIRE_H
#define HOST_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

struct wire_sqe {
	uint8_t b[64];
};

struct wire_cqe {
	uint8_t b[16];
};

struct wire_sgl {
	uint8_t b[16];
};

_Static_assert(sizeof(struct wire_sqe) == 64, "command capsule");
_Static_assert(sizeof(struct wire_cqe) == 16, "response capsule");

static inline uint16_t wire_get16(const void *p, size_t off)
{
	uint16_t v;

	memcpy(&v, (const uint8_t *)p + off, sizeof(v));
	return le16toh(v);
}

static inline uint32_t wire_get32(const void *p, size_t off)
{
	uint32_t v;

	memcpy(&v, (const uint8_t *)p + off, sizeof(v));
	return le32toh(v);
}

static inline uint64_t wire_get64(const void *p, size_t off)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)p + off, sizeof(v));
	return le64toh(v);
}

static inline void wire_put16(void *p, size_t off, uint16_t v)
{
	v = htole16(v);
	memcpy((uint8_t *)p + off, &v, sizeof(v));
}

static inline void wire_put32(void *p, size_t off, uint32_t v)
{
	v = htole32(v);
	memcpy((uint8_t *)p + off, &v, sizeof(v));
}

static inline void wire_put64(void *p, size_t off, uint64_t v)
{
	v = htole64(v);
	memcpy((uint8_t *)p + off, &v, sizeof(v));
}

/* Offsets in the 64 bytes of a command (NVMe Base 2.0 3.3.3.1, NVMe-oF 1.1 3.3). */
enum {
	SQE_OPC = 0,
	SQE_FLAGS = 1,
	SQE_CID = 2,
	SQE_NSID = 4,
	SQE_FCTYPE = 4,
	SQE_SGL = 24,
	SQE_CDW10 = 40,
	SQE_CDW11 = 44,
	SQE_CDW12 = 48,
	SQE_PSDT_SGL = 0x40,
};

/* Offsets in the 16 bytes of a response. */
enum {
	CQE_DW0 = 0,
	CQE_DW1 = 4,
	CQE_SQHD = 8,
	CQE_CID = 12,
	CQE_STATUS = 14,
};

enum {
	OPC_FLUSH = 0x00,
	OPC_WRITE = 0x01,
	OPC_READ = 0x02,
	OPC_WRITE_UNCORRECTABLE = 0x04,
	OPC_COMPARE = 0x05,
	OPC_WRITE_ZEROES = 0x08,
	OPC_DATASET_MANAGEMENT = 0x09,
	OPC_VERIFY = 0x0c,
	OPC_COPY = 0x19,
	OPC_GET_LOG = 0x02,
	OPC_IDENTIFY = 0x06,
	OPC_ABORT = 0x08,
	OPC_SET_FEATURES = 0x09,
	OPC_GET_FEATURES = 0x0a,
	OPC_AER = 0x0c,
	OPC_KEEP_ALIVE = 0x18,
	OPC_FABRICS = 0x7f,
	FCTYPE_PROP_SET = 0x00,
	FCTYPE_CONNECT = 0x01,
	FCTYPE_PROP_GET = 0x04,
	FCTYPE_AUTH_SEND = 0x05,
	FCTYPE_AUTH_RECEIVE = 0x06,
	FCTYPE_DISCONNECT = 0x08,
};

/* SGL descriptor identifiers: type in the high four bits, subtype in the low four. */
enum {
	SGL_DATA_ADDRESS = 0x00,
	SGL_DATA_OFFSET = 0x01,
	SGL_BIT_BUCKET = 0x10,
	SGL_SEGMENT = 0x20,
	SGL_LAST_SEGMENT = 0x30,
	SGL_LAST_OFFSET = 0x31,
	SGL_KEYED = 0x40,
	SGL_KEYED_INV = 0x4f,
	SGL_TRANSPORT = 0x5a,
};

enum {
	PROP_CAP = 0x00,
	PROP_VS = 0x08,
	PROP_INTMS = 0x0c,
	PROP_CC = 0x14,
	PROP_CSTS = 0x1c,
	CC_ENABLE = 0x00460001,
	CC_SHN_NORMAL = 0x4000,
	CSTS_RDY = 1,
	CSTS_CFS = 2,
	CSTS_SHST = 0xc,
	CSTS_SHST_DONE = 0x8,
};

/* A status without phase, CRD, M and DNR: type in the high byte, code in the low one. */
#define ST(sct, sc) ((uint16_t)((sct) << 8 | (sc)))
#define ST_DNR      0x8000

enum {
	ST_OK = 0x000,
	ST_OPCODE = 0x001,
	ST_FIELD = 0x002,
	ST_INTERNAL = 0x006,
	ST_ABORTED = 0x007,
	ST_SQ_DELETED = 0x008,
	ST_FAILED_FUSED = 0x009,
	ST_MISSING_FUSED = 0x00a,
	ST_NAMESPACE = 0x00b,
	ST_SEQUENCE = 0x00c,
	ST_SGL_SEGMENT = 0x00d,
	ST_SGL_COUNT = 0x00e,
	ST_SGL_LENGTH = 0x00f,
	ST_SGL_TYPE = 0x011,
	ST_SGL_OFFSET = 0x016,
	ST_KATO = 0x01a,
	ST_PREEMPTED = 0x01b,
	ST_INTERRUPTED = 0x021,
	ST_TRANSIENT = 0x022,
	ST_LBA_RANGE = 0x080,
	ST_NS_NOT_READY = 0x082,
	ST_CONFLICT = 0x083,
	ST_AER_LIMIT = 0x105,
	ST_WRITE_FAULT = 0x280,
	ST_UNRECOVERED = 0x281,
	ST_COMPARE = 0x285,
	ST_CONNECT_FORMAT = 0x180,
	ST_CONNECT_BUSY = 0x181,
	ST_CONNECT_PARAM = 0x182,
	ST_CONNECT_HOST = 0x184,
	ST_AUTH_REQUIRED = 0x191,
	ST_ANA_LOSS = 0x301,
	ST_ANA_INACCESSIBLE = 0x302,
	ST_ANA_TRANSITION = 0x303,
};

/* Offsets in the 32 bytes of RDMA-CM private data of a request (RDMA 1.0 3.2). */
enum {
	REQ_RECFMT = 0,
	REQ_QID = 2,
	REQ_HRQSIZE = 4,
	REQ_HSQSIZE = 6,
	REQ_CNTLID = 8,
	REQ_LEN = 32,
	REJ_STS = 2,
};

/* Offsets in Connect data and in Connect itself (NVMe-oF 1.1 3.3). */
enum {
	CONNECT_RECFMT = 40,
	CONNECT_QID = 42,
	CONNECT_SQSIZE = 44,
	CONNECT_CATTR = 46,
	CONNECT_KATO = 48,
	CONNECT_DATA_HOSTID = 0,
	CONNECT_DATA_CNTLID = 16,
	CONNECT_DATA_SUBNQN = 256,
	CONNECT_DATA_HOSTNQN = 512,
	CONNECT_DATA_LEN = 1024,
	CATTR_NO_FLOW = 0x04,
	NQN_FIELD_LEN = 256,
	IATTR_DATA = 0x10000,
};

/* Authentication Send and Receive (NVMe Base 2.0 6.1, 6.2), and what a Connect says of it in dw0. */
enum {
	AUTH_SPSP0 = 41,
	AUTH_SPSP1 = 42,
	AUTH_SECP = 43,
	AUTH_LEN = 44, /* TL or AL */
	AUTH_SECP_NVME = 0xe9,
	CONNECT_ATR = 0x20000,
	CONNECT_ASCR = 0x40000,
};

static inline uint16_t wire_status(const struct wire_cqe *cqe)
{
	return wire_get16(cqe->b, CQE_STATUS) >> 1 & 0x7ff;
}

static inline int wire_dnr(const struct wire_cqe *cqe)
{
	return wire_get16(cqe->b, CQE_STATUS) >> 15;
}

/* A descriptor with a 32-bit length and no key. */
static inline struct wire_sgl wire_sgl_plain(uint8_t id, uint64_t address, uint32_t len)
{
	struct wire_sgl s = {{0}};

	wire_put64(s.b, 0, address);
	wire_put32(s.b, 8, len);
	s.b[15] = id;
	return s;
}

/* A descriptor with a 24-bit length and a key. */
static inline struct wire_sgl wire_sgl_keyed(uint8_t id, uint64_t address, uint32_t len,
					     uint32_t key)
{
	struct wire_sgl s = {{0}};

	wire_put64(s.b, 0, address);
	wire_put32(s.b, 8, len & 0xffffff);
	wire_put32(s.b, 11, key);
	s.b[15] = id;
	return s;
}

static inline void wire_set_sgl(struct wire_sqe *sqe, struct wire_sgl s)
{
	memcpy(sqe->b + SQE_SGL, s.b, sizeof(s.b));
}

#endif
