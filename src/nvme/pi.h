/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protection information (NVM Command Set 1.0 5.2): eight bytes for each logical block, which say
 * what its data and its address are. Pure functions; any thread.
 */
#ifndef WRASSE_NVME_PI_H
#define WRASSE_NVME_PI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NVME_PI_LEN 8 /* bytes of a tuple; big-endian inside, unlike all else */

/* What a command says of the tuples of its blocks. */
struct nvme_pi {
	uint8_t type; /* 1 to 3 */
	bool check_guard, check_app, check_ref;
	uint16_t app, app_mask;
	uint32_t ref; /* of the first block */
};

/* What is wrong with a tuple. */
enum nvme_pi_fault {
	NVME_PI_GOOD,
	NVME_PI_GUARD,
	NVME_PI_APP,
	NVME_PI_REF,
};

/* CRC-16 T10-DIF of more bytes, from that of those before (0 at first). */
uint16_t nvme_pi_crc(uint16_t crc, const void *data, size_t len);

/* The same of bytes that are copied, in one pass. The two do not overlap. */
uint16_t nvme_pi_crc_copy(uint16_t crc, void *to, const void *from, size_t len);

/* Makes the tuple of the command's block number @block. @guard: the CRC of its data. */
void nvme_pi_make(const struct nvme_pi *pi, uint64_t block, uint16_t guard, uint8_t *tuple);

/* Checks it as far as the command wants it to be, and the tuple itself. */
enum nvme_pi_fault nvme_pi_check(const struct nvme_pi *pi, uint64_t block, uint16_t guard,
				 const uint8_t *tuple);

#endif
