/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NVMe completion status, as a backend gives it and as a host sees it (NVMe Base 2.0 3.3.3.2.1).
 */
#ifndef WRASSE_STATUS_H
#define WRASSE_STATUS_H

#include <wrasse/base.h>

WRASSE_BEGIN_DECLS

/* The status of one command. All zero is success. */
struct wrasse_status {
	uint8_t sct; /* Status Code Type, 0-7 */
	uint8_t sc;  /* Status Code */
	bool dnr;    /* Do Not Retry: the same command will fail again */
	uint8_t crd; /* Command Retry Delay, 1 to 3: retry_delay_100ms of the subsystem's options says
			how long; 0: none. Only hosts that asked for it are told. */
};

/* Status Code Types (NVMe Base 2.0 figure 95). */
enum wrasse_sct {
	WRASSE_SCT_GENERIC = 0,
	WRASSE_SCT_COMMAND = 1,
	WRASSE_SCT_MEDIA = 2,
	WRASSE_SCT_PATH = 3,
};

/* The Status Codes that a backend most often needs; any other value of the specification is as
 * good. */
enum wrasse_sc {
	/* WRASSE_SCT_GENERIC */
	WRASSE_SC_SUCCESS = 0x00,
	WRASSE_SC_INVALID_OPCODE = 0x01,
	WRASSE_SC_INVALID_FIELD = 0x02,
	WRASSE_SC_DATA_TRANSFER = 0x04,
	WRASSE_SC_INTERNAL = 0x06,
	WRASSE_SC_ABORTED = 0x07,
	WRASSE_SC_NS_WRITE_PROTECTED = 0x20,
	WRASSE_SC_COMMAND_INTERRUPTED = 0x21,
	WRASSE_SC_LBA_RANGE = 0x80,
	WRASSE_SC_CAPACITY_EXCEEDED = 0x81,
	WRASSE_SC_NS_NOT_READY = 0x82,
	WRASSE_SC_RESERVATION_CONFLICT = 0x83,
	/* WRASSE_SCT_COMMAND, of Namespace Management */
	WRASSE_SC_NS_CAPACITY = 0x15,
	WRASSE_SC_NS_ID_UNAVAILABLE = 0x16,
	/* WRASSE_SCT_MEDIA */
	WRASSE_SC_WRITE_FAULT = 0x80,
	WRASSE_SC_UNRECOVERED_READ = 0x81,
	WRASSE_SC_GUARD_CHECK = 0x82,
	WRASSE_SC_APP_TAG_CHECK = 0x83,
	WRASSE_SC_REF_TAG_CHECK = 0x84,
	WRASSE_SC_COMPARE_FAILURE = 0x85,
	WRASSE_SC_ACCESS_DENIED = 0x86,
};

/* Success. */
static inline struct wrasse_status wrasse_status_ok(void)
{
	struct wrasse_status status = {0, 0, false, 0};

	return status;
}

/*
 * A failure.
 *
 * @sct: Status Code Type, one of enum wrasse_sct or any other value of the specification.
 * @sc: Status Code.
 * @dnr: whether the host must not retry the same command.
 */
static inline struct wrasse_status wrasse_status_make(uint8_t sct, uint8_t sc, bool dnr)
{
	struct wrasse_status status = {sct, sc, dnr, 0};

	return status;
}

/* Whether @status is success. */
static inline bool wrasse_status_is_ok(struct wrasse_status status)
{
	return status.sct == 0 && status.sc == 0;
}

/*
 * A short English name of a status, for log lines ("LBA Out of Range").
 *
 * Return: a constant string that the library owns; "unknown status" for values without a name.
 */
WRASSE_API const char *wrasse_status_name(struct wrasse_status status);

WRASSE_END_DECLS

#endif
