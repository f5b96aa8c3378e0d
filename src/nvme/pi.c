/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tuples of protection information and their CRC: with ISA-L where the library is built with it,
 * by table otherwise. Pure functions; any thread.
 */
#include "nvme/pi.h"

#include <string.h>

#ifdef HAVE_ISAL
#include <isa-l/crc.h>
#else
/* x^16 + x^15 + x^11 + x^9 + x^8 + x^7 + x^5 + x^4 + x^2 + x + 1, four bits at a time. */
static const uint16_t table[16] = {0x0000, 0x8bb7, 0x9cd9, 0x176e, 0xb205, 0x39b2, 0x2edc, 0xa56b,
				   0xefbd, 0x640a, 0x7364, 0xf8d3, 0x5db8, 0xd60f, 0xc161, 0x4ad6};
#endif

/* Each function once: who counts coverage adds up those of all builds by name and line. */

uint16_t nvme_pi_crc(uint16_t crc, const void *data, size_t len)
{
#ifdef HAVE_ISAL
	return crc16_t10dif(crc, data, len);
#else
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++) {
		crc = (uint16_t)(crc << 4) ^ table[(crc >> 12) ^ (bytes[i] >> 4)];
		crc = (uint16_t)(crc << 4) ^ table[(crc >> 12) ^ (bytes[i] & 15)];
	}
	return crc;
#endif
}

uint16_t nvme_pi_crc_copy(uint16_t crc, void *to, const void *from, size_t len)
{
#ifdef HAVE_ISAL
	/* ISA-L does not write to what it copies from. */
	return crc16_t10dif_copy(crc, to, (uint8_t *)(uintptr_t)from, len);
#else
	memcpy(to, from, len);
	return nvme_pi_crc(crc, to, len);
#endif
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* The reference tag counts blocks, but for type 3, where it is the host's own. */
static uint32_t ref_of(const struct nvme_pi *pi, uint64_t block)
{
	return pi->type == 3 ? pi->ref : pi->ref + (uint32_t)block;
}

void nvme_pi_make(const struct nvme_pi *pi, uint64_t block, uint16_t guard, uint8_t *tuple)
{
	uint32_t ref = ref_of(pi, block);

	put16(tuple, guard);
	put16(tuple + 2, pi->app);
	put16(tuple + 4, (uint16_t)(ref >> 16));
	put16(tuple + 6, (uint16_t)ref);
}

/* NVM Command Set 1.0 5.2.3: tags of all ones say that the block is not to be checked. */
static bool is_escaped(const struct nvme_pi *pi, const uint8_t *tuple)
{
	return get16(tuple + 2) == 0xffff && (pi->type != 3 || get32(tuple + 4) == 0xffffffff);
}

enum nvme_pi_fault nvme_pi_check(const struct nvme_pi *pi, uint64_t block, uint16_t guard,
				 const uint8_t *tuple)
{
	if (is_escaped(pi, tuple))
		return NVME_PI_GOOD;
	if (pi->check_guard && get16(tuple) != guard)
		return NVME_PI_GUARD;
	if (pi->check_app && ((get16(tuple + 2) ^ pi->app) & pi->app_mask))
		return NVME_PI_APP;
	if (pi->check_ref && get32(tuple + 4) != ref_of(pi, block))
		return NVME_PI_REF;
	return NVME_PI_GOOD;
}
