/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies between pages and the data buffers of a request, which may be in several pieces. What goes
 * to a host is filled to its last byte. The thread of the request's queue.
 */
#include "nvme/op.h"

void nvme_out_init(struct nvme_out *out, const struct nvme_request *request, uint64_t skip)
{
	out->iov = request->iov;
	out->iov_count = request->iov_count;
	out->done = 0;
	out->skip = skip;
	out->left = request->data.len;
}

/* Writes bytes, or zeroes if data is NULL. */
static void out_write(struct nvme_out *out, const uint8_t *data, size_t len)
{
	while (len > 0 && out->iov_count > 0) {
		size_t room = out->iov->iov_len - out->done;
		size_t part = len < room ? len : room;
		uint8_t *to = (uint8_t *)out->iov->iov_base + out->done;

		if (data) {
			memcpy(to, data, part);
			data += part;
		} else {
			memset(to, 0, part);
		}
		len -= part;
		out->left -= (uint32_t)part;
		out->done += part;
		if (out->done == out->iov->iov_len) {
			out->iov++;
			out->iov_count--;
			out->done = 0;
		}
	}
}

void nvme_out_put(struct nvme_out *out, const void *data, size_t len)
{
	if (out->skip >= len) {
		out->skip -= len;
		return;
	}
	data = (const uint8_t *)data + out->skip;
	len -= (size_t)out->skip;
	out->skip = 0;
	out_write(out, data, len < out->left ? len : out->left);
}

void nvme_out_end(struct nvme_out *out)
{
	out_write(out, NULL, out->left);
}

void nvme_in_get_at(const struct nvme_request *request, uint64_t offset, void *data, size_t len)
{
	uint8_t *to = data;

	memset(data, 0, len);
	for (uint32_t i = 0; i < request->iov_count && len > 0; i++) {
		const struct iovec *iov = &request->iov[i];
		size_t part;

		if (offset >= iov->iov_len) {
			offset -= iov->iov_len;
			continue;
		}
		part = iov->iov_len - (size_t)offset;
		if (part > len)
			part = len;
		memcpy(to, (const uint8_t *)iov->iov_base + offset, part);
		offset = 0;
		to += part;
		len -= part;
	}
}

void nvme_in_get(const struct nvme_request *request, void *data, size_t len)
{
	nvme_in_get_at(request, 0, data, len);
}
