/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SGLs in capsules: which memory of the host, or which bytes of the capsule, a command's data is.
 * Every bound is checked against the bytes that were received, never against what was advertised,
 * and never by adding first. Pure functions of the capsule; any thread.
 */
#include "nvme/sgl.h"

_Static_assert(NVME_MAX_DESCS * 0xffffffull <= UINT32_MAX, "the lengths of a list fit in 32 bits");

/* A list of keyed data blocks. */
static uint8_t sgl_parse_list(struct nvme_data *data, const struct nvme_sgl *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint8_t type = NVME_SGL_TYPE(list[i].id);
		uint8_t sc;

		if (type == NVME_SGL_SEGMENT || type == NVME_SGL_LAST)
			return NVME_SC_SGL_SEGMENT;
		if (list[i].id != NVME_SGL_KEYED && list[i].id != NVME_SGL_KEYED_INV)
			return NVME_SC_SGL_TYPE;
		sc = nvme_sgl_add(data, &list[i], data->desc_count);
		if (sc)
			return sc;
	}
	return 0;
}

/* A last segment by offset: where in the capsule the list lies. @len: of the in-capsule data. */
static uint8_t sgl_parse_segment(struct nvme_data *data, const struct nvme_sgl *sgl,
				 const uint8_t *icd, uint32_t len)
{
	uint64_t offset = nvme_get64(sgl->addr);
	uint32_t bytes = nvme_get32(sgl->plain.len);
	const struct nvme_sgl *list;

	if (offset > len)
		return NVME_SC_SGL_OFFSET;
	if (bytes == 0 || bytes % sizeof(*list) != 0)
		return NVME_SC_SGL_SEGMENT;
	if (bytes / sizeof(*list) > NVME_MAX_DESCS)
		return NVME_SC_SGL_COUNT;
	if (bytes > len - offset)
		return NVME_SC_SGL_SEGMENT;
	list = (const struct nvme_sgl *)(icd + offset);
	return sgl_parse_list(data, list, bytes / sizeof(*list));
}

/* A data block by offset: the data came in the capsule. @len: of the in-capsule data. */
static uint8_t sgl_parse_offset(struct nvme_data *data, const struct nvme_sgl *sgl, uint32_t len)
{
	uint64_t offset = nvme_get64(sgl->addr);
	uint32_t bytes = nvme_get32(sgl->plain.len);

	if (data->xfer != NVME_XFER_H2C)
		return WRASSE_SC_INVALID_FIELD;
	if (offset > len)
		return NVME_SC_SGL_OFFSET;
	if (bytes > len - offset)
		return NVME_SC_SGL_LENGTH;
	data->in_capsule = true;
	data->icd_off = NVME_CMD_LEN + (uint32_t)offset;
	data->len = bytes;
	return 0;
}

uint8_t nvme_sgl_parse_other(struct nvme_data *data, const uint8_t *capsule, uint32_t len)
{
	const struct nvme_sgl *sgl = &((const struct nvme_cmd *)capsule)->sgl;
	const uint8_t *icd = capsule + NVME_CMD_LEN;
	uint32_t icd_len = len - NVME_CMD_LEN;

	switch (sgl->id) {
	case NVME_SGL_OFFSET:
		return sgl_parse_offset(data, sgl, icd_len);
	case NVME_SGL_LAST_OFFSET:
		return sgl_parse_segment(data, sgl, icd, icd_len);
	default:
		return NVME_SC_SGL_TYPE;
	}
}

void nvme_data_truncate(struct nvme_data *data, uint32_t len)
{
	uint32_t count = 0;
	uint32_t left = len;

	data->len = len;
	if (data->in_capsule)
		return;
	while (left > 0) {
		struct nvme_keyed *desc = &data->desc[count++];

		if (desc->len > left)
			desc->len = left;
		left -= desc->len;
	}
	data->desc_count = count;
}
