/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The private data of RDMA CM messages (RDMA Transport 1.0 "RDMA_CM private data"): parsing and
 * building, nothing else.
 */
#ifndef WRASSE_TRANSPORT_CM_H
#define WRASSE_TRANSPORT_CM_H

#include <stdint.h>

/* sts of a reject. */
enum rdmat_cm_status {
	RDMAT_CM_OK = 0,
	RDMAT_CM_INVALID_LEN = 1,
	RDMAT_CM_INVALID_RECFMT = 2,
	RDMAT_CM_INVALID_QID = 3,
	RDMAT_CM_INVALID_HSQSIZE = 4,
	RDMAT_CM_INVALID_HRQSIZE = 5,
	RDMAT_CM_NO_RESOURCES = 6,
	RDMAT_CM_INVALID_IRD = 7,
	RDMAT_CM_INVALID_ORD = 8,
	RDMAT_CM_INVALID_CNTLID = 9,
};

/* What the host asks for. */
struct rdmat_cm_request {
	uint16_t qid;
	uint16_t hrqsize; /* entries of the host's receive queue */
	uint16_t hsqsize; /* 0-based depth of the host's send queue */
	uint16_t cntlid;  /* 0 from hosts older than the field */
};

struct rdmat_cm_limits {
	uint32_t max_qid;
	uint32_t max_depth;       /* I/O queues, entries */
	uint32_t max_admin_depth; /* admin queues, entries */
};

/* Wire sizes. The CM pads with zeroes: a message may be longer, never shorter. */
#define RDMAT_CM_REQUEST_LEN 32
#define RDMAT_CM_ACCEPT_LEN  32
#define RDMAT_CM_REJECT_LEN  4

/*
 * Checks a request's private data.
 *
 * @data: NULL if there was none.
 * @read_depth: RDMA READs that the host lets us have outstanding.
 * @request: filled as far as the checks came.
 * Return: RDMAT_CM_OK, or the status to reject with.
 */
enum rdmat_cm_status rdmat_cm_parse(const uint8_t *data, uint32_t len, uint8_t read_depth,
				    const struct rdmat_cm_limits *limits,
				    struct rdmat_cm_request *request);

void rdmat_cm_build_accept(uint8_t data[RDMAT_CM_ACCEPT_LEN], uint16_t crqsize);
void rdmat_cm_build_reject(uint8_t data[RDMAT_CM_REJECT_LEN], enum rdmat_cm_status status);

/* "invalid HSQSIZE" and the like. */
const char *rdmat_cm_status_name(enum rdmat_cm_status status);

#endif
