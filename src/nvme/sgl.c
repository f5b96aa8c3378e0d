/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SGLs in capsules: which memory of the host, or which bytes of the capsule, a command's data is.
 * Every bound is checked against the bytes that were received, never against what was advertised,
 * and never by adding first. Pure functions of the capsule; any thread.
 */
#include "nvme/inline.h"
#include "nvme/op.h"

_Static_assert(NVME_MAX_DESCS * 0xffffffull <= UINT32_MAX, "the lengths of a list fit in 32 bits");

static struct wrasse_status sgl_bad(uint8_t sc)
{
	return NVME_GENERIC(sc);
}

/*
 * Adds one keyed data block. Blocks of no length are legal and name nothing. Of several keys to
 * invalidate the last one wins: a response can carry one.
 */
static ALWAYS_INLINE struct wrasse_status sgl_add(struct nvme_data *data,
						  const struct nvme_sgl *sgl)
{
	uint64_t addr = nvme_get64(sgl->addr);
	uint32_t len = nvme_sgl_keyed_len(sgl);
	struct nvme_keyed *desc;

	if (len == 0)
		return wrasse_status_ok();
	if (addr > UINT64_MAX - (len - 1))
		return sgl_bad(NVME_SC_SGL_LENGTH);
	if (sgl->id == NVME_SGL_KEYED_INV) {
		data->invalidate = true;
		data->inv_rkey = nvme_get32(sgl->keyed.key);
	}
	desc = &data->desc[data->desc_count++];
	desc->addr = addr;
	desc->len = len;
	desc->rkey = nvme_get32(sgl->keyed.key);
	data->len += len;
	return wrasse_status_ok();
}

/* A list of keyed data blocks. */
static struct wrasse_status sgl_parse_list(struct nvme_data *data, const struct nvme_sgl *list,
					   uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint8_t type = NVME_SGL_TYPE(list[i].id);
		struct wrasse_status status;

		if (type == NVME_SGL_SEGMENT || type == NVME_SGL_LAST)
			return sgl_bad(NVME_SC_SGL_SEGMENT);
		if (list[i].id != NVME_SGL_KEYED && list[i].id != NVME_SGL_KEYED_INV)
			return sgl_bad(NVME_SC_SGL_TYPE);
		status = sgl_add(data, &list[i]);
		if (!wrasse_status_is_ok(status))
			return status;
	}
	return wrasse_status_ok();
}

/* A last segment by offset: where in the capsule the list lies. @len: of the in-capsule data. */
static struct wrasse_status sgl_parse_segment(struct nvme_data *data, const struct nvme_sgl *sgl,
					      const uint8_t *icd, uint32_t len)
{
	uint64_t offset = nvme_get64(sgl->addr);
	uint32_t bytes = nvme_get32(sgl->plain.len);
	const struct nvme_sgl *list;

	if (offset > len)
		return sgl_bad(NVME_SC_SGL_OFFSET);
	if (bytes == 0 || bytes % sizeof(*list) != 0)
		return sgl_bad(NVME_SC_SGL_SEGMENT);
	if (bytes / sizeof(*list) > NVME_MAX_DESCS)
		return sgl_bad(NVME_SC_SGL_COUNT);
	if (bytes > len - offset)
		return sgl_bad(NVME_SC_SGL_SEGMENT);
	list = (const struct nvme_sgl *)(icd + offset);
	return sgl_parse_list(data, list, bytes / sizeof(*list));
}

/* A data block by offset: the data came in the capsule. @len: of the in-capsule data. */
static struct wrasse_status sgl_parse_offset(struct nvme_data *data, const struct nvme_sgl *sgl,
					     uint32_t len)
{
	uint64_t offset = nvme_get64(sgl->addr);
	uint32_t bytes = nvme_get32(sgl->plain.len);

	if (data->xfer != NVME_XFER_H2C)
		return sgl_bad(WRASSE_SC_INVALID_FIELD);
	if (offset > len)
		return sgl_bad(NVME_SC_SGL_OFFSET);
	if (bytes > len - offset)
		return sgl_bad(NVME_SC_SGL_LENGTH);
	data->in_capsule = true;
	data->icd_off = NVME_CMD_LEN + (uint32_t)offset;
	data->len = bytes;
	return wrasse_status_ok();
}

struct wrasse_status nvme_sgl_parse(struct nvme_data *data, const uint8_t *capsule, uint32_t len)
{
	const struct nvme_sgl *sgl = &((const struct nvme_cmd *)capsule)->sgl;
	const uint8_t *icd = capsule + NVME_CMD_LEN;
	uint32_t icd_len = len - NVME_CMD_LEN;

	switch (sgl->id) {
	case NVME_SGL_KEYED:
	case NVME_SGL_KEYED_INV:
		return sgl_add(data, sgl);
	case NVME_SGL_OFFSET:
		return sgl_parse_offset(data, sgl, icd_len);
	case NVME_SGL_LAST_OFFSET:
		return sgl_parse_segment(data, sgl, icd, icd_len);
	default:
		return sgl_bad(NVME_SC_SGL_TYPE);
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
