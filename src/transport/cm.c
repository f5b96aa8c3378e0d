/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The private data of RDMA CM messages. Pure functions over bytes; any thread.
 */
#include "transport/cm.h"

#include <stddef.h>
#include <string.h>

static uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void put_le16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

enum rdmat_cm_status rdmat_cm_parse(const uint8_t *data, uint32_t len, uint8_t read_depth,
				    const struct rdmat_cm_limits *limits,
				    struct rdmat_cm_request *request)
{
	uint32_t max_depth;

	memset(request, 0, sizeof(*request));
	if (!data || len < RDMAT_CM_REQUEST_LEN)
		return RDMAT_CM_INVALID_LEN;
	if (get_le16(data) != 0)
		return RDMAT_CM_INVALID_RECFMT;
	request->qid = get_le16(data + 2);
	request->hrqsize = get_le16(data + 4);
	request->hsqsize = get_le16(data + 6);
	request->cntlid = get_le16(data + 8);
	if (request->qid > limits->max_qid)
		return RDMAT_CM_INVALID_QID;
	max_depth = request->qid ? limits->max_depth : limits->max_admin_depth;
	if (request->hsqsize == 0 || request->hsqsize + 1u > max_depth)
		return RDMAT_CM_INVALID_HSQSIZE;
	/* Old hosts give less than their send queue's depth here; only none at all cannot work. */
	if (request->hrqsize == 0)
		return RDMAT_CM_INVALID_HRQSIZE;
	if (read_depth == 0)
		return RDMAT_CM_INVALID_IRD;
	return RDMAT_CM_OK;
}

void rdmat_cm_build_accept(uint8_t data[RDMAT_CM_ACCEPT_LEN], uint16_t crqsize)
{
	memset(data, 0, RDMAT_CM_ACCEPT_LEN);
	put_le16(data + 2, crqsize);
}

void rdmat_cm_build_reject(uint8_t data[RDMAT_CM_REJECT_LEN], enum rdmat_cm_status status)
{
	memset(data, 0, RDMAT_CM_REJECT_LEN);
	put_le16(data + 2, (uint16_t)status);
}

const char *rdmat_cm_status_name(enum rdmat_cm_status status)
{
	static const char *const names[] = {
		[RDMAT_CM_OK] = "ok",
		[RDMAT_CM_INVALID_LEN] = "private data shorter than 32 bytes",
		[RDMAT_CM_INVALID_RECFMT] = "invalid RECFMT",
		[RDMAT_CM_INVALID_QID] = "invalid QID",
		[RDMAT_CM_INVALID_HSQSIZE] = "invalid HSQSIZE",
		[RDMAT_CM_INVALID_HRQSIZE] = "invalid HRQSIZE",
		[RDMAT_CM_NO_RESOURCES] = "no resources",
		[RDMAT_CM_INVALID_IRD] = "the host grants no RDMA READ",
		[RDMAT_CM_INVALID_ORD] = "invalid ORD",
		[RDMAT_CM_INVALID_CNTLID] = "invalid CNTLID",
	};

	return (size_t)status < sizeof(names) / sizeof(names[0]) ? names[status] : "unknown";
}
