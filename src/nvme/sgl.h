/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A command's SGL (NVMe Base 2.0 4.1.2, RDMA 1.0 3.4). Most name one range of the host's memory: here;
 * the others are in sgl.c. Pure functions of the capsule; any thread.
 */
#ifndef WRASSE_NVME_SGL_H
#define WRASSE_NVME_SGL_H

#include "nvme/op.h"

/*
 * Adds one keyed data block behind @count others. Blocks of no length are legal and name nothing. Of
 * several keys to invalidate the last one wins: a response can carry one.
 *
 * Return: like nvme_sgl_parse().
 */
static inline uint8_t nvme_sgl_add(struct nvme_data *data, const struct nvme_sgl *sgl,
				   uint32_t count)
{
	uint64_t addr = nvme_get64(sgl->addr);
	uint32_t len = nvme_sgl_keyed_len(sgl);

	if (len == 0)
		return 0;
	if (addr > UINT64_MAX - (len - 1))
		return NVME_SC_SGL_LENGTH;
	if (sgl->id == NVME_SGL_KEYED_INV) {
		data->invalidate = true;
		data->inv_rkey = nvme_get32(sgl->keyed.key);
	}
	data->desc[count].addr = addr;
	data->desc[count].len = len;
	data->desc[count].rkey = nvme_get32(sgl->keyed.key);
	data->desc_count = count + 1;
	data->len = count ? data->len + len : len;
	return 0;
}

/* What is not a keyed data block. */
uint8_t nvme_sgl_parse_other(struct nvme_data *data, const uint8_t *capsule, uint32_t len);

/*
 * Parses a command's SGL.
 *
 * @data: zero but for xfer, and desc, which may be anything.
 * @capsule, @len: what was received, 64 bytes at least.
 * Return: 0, or a generic status code that says what is wrong.
 */
static inline uint8_t nvme_sgl_parse(struct nvme_data *data, const uint8_t *capsule, uint32_t len)
{
	const struct nvme_sgl *sgl = &((const struct nvme_cmd *)capsule)->sgl;

	if (sgl->id == NVME_SGL_KEYED || sgl->id == NVME_SGL_KEYED_INV)
		return nvme_sgl_add(data, sgl, 0);
	return nvme_sgl_parse_other(data, capsule, len);
}

#endif
