/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copy (NVM Command Set 1.0 3.2.2), descriptor formats 0 and 1: range by range, by the backend
 * itself, or piece by piece with a read and a write. All ranges are checked before anything is
 * written; one that overlaps with the destination is refused. The thread of the queue's group.
 */
#include "nvme/io.h"

static uint32_t copy_cdw12(const struct nvme_request *request)
{
	return nvme_get32(request->cmd.cdw12);
}

static uint32_t copy_count(const struct nvme_request *request)
{
	return NVME_COPY_NR(copy_cdw12(request));
}

static uint32_t entry_len(const struct nvme_request *request)
{
	return NVME_COPY_FORMAT(copy_cdw12(request)) == 0 ? NVME_COPY_RANGE_0 : NVME_COPY_RANGE_1;
}

/* A source range, in blocks. */
static void copy_get(const struct nvme_request *request, uint64_t index, uint64_t *slba,
		     uint64_t *count)
{
	struct nvme_copy_range range;

	nvme_in_get_at(request, index * entry_len(request), &range, sizeof(range));
	*slba = nvme_get64(range.slba);
	*count = nvme_get16(range.nlb) + 1ull;
}

uint32_t nvme_copy_range_max(const struct wrasse_namespace *ns)
{
	uint32_t blocks = NVME_COPY_RANGE_MAX >> ns->block_shift;

	return blocks < UINT16_MAX ? blocks : UINT16_MAX;
}

/* ---- what it asks for ---- */

static bool refuse_size(struct nvme_request *request, uint16_t location, const char *why)
{
	nvme_refuse(request, NVME_COMMAND(NVME_SC_SIZE_LIMIT), location, why);
	return false;
}

int64_t nvme_copy_data_len(struct nvme_request *request)
{
	if (NVME_COPY_FORMAT(copy_cdw12(request)) > 1) {
		nvme_refuse_field(request, NVME_AT_CDW12, "the descriptor format is not supported");
		return NVME_REFUSED;
	}
	if (copy_count(request) > NVME_COPY_RANGES) {
		refuse_size(request, NVME_AT_CDW12, "more source ranges than MSRC");
		return NVME_REFUSED;
	}
	if (!nvme_io_is_native(request, request->at->ns))
		request->data.scratch_len = NVME_SCRATCH_MAX;
	return copy_count(request) * (int64_t)entry_len(request);
}

/* Blocks in all source ranges; 0: one of them is refused. */
static uint64_t sources_check(struct nvme_request *request, const struct wrasse_namespace *ns)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < copy_count(request); i++) {
		uint64_t slba, count;

		copy_get(request, i, &slba, &count);
		if (count > nvme_copy_range_max(ns))
			return refuse_size(request, NVME_AT_NONE, "a source range is above MSSRL");
		if (!nvme_io_check_range(request, ns, slba, count))
			return 0;
		total += count;
	}
	if (total > NVME_COPY_MAX >> ns->block_shift)
		return refuse_size(request, NVME_AT_NONE, "more blocks than MCL");
	return total;
}

/* What is copied would depend on the order of the ranges' pieces. */
static bool overlap_check(struct nvme_request *request, uint64_t to, uint64_t total)
{
	for (uint32_t i = 0; i < copy_count(request); i++) {
		uint64_t slba, count;

		copy_get(request, i, &slba, &count);
		if (slba < to + total && to < slba + count) {
			nvme_refuse(request, NVME_COMMAND(NVME_SC_OVERLAPPING), NVME_AT_CDW10,
				    "a source range overlaps with the destination");
			return false;
		}
	}
	return true;
}

static bool copy_check(struct nvme_request *request, const struct wrasse_namespace *ns)
{
	uint64_t to = nvme_get64(request->cmd.rw.slba);
	uint64_t total = sources_check(request, ns);

	return total && nvme_io_check_range(request, ns, to, total) &&
	       nvme_io_check_writable(request, ns) && overlap_check(request, to, total);
}

/* ---- the I/Os: steps.done ranges are begun, of the last one offset and length are left ---- */

static enum nvme_next copy_read(struct nvme_request *request, struct nvme_ns_port *port)
{
	struct nvme_steps *steps = &request->steps;
	uint64_t len = steps->length;
	enum nvme_next next;

	if (len > request->scratch.iov_len)
		len = request->scratch.iov_len;
	next = nvme_io_submit(request, port, WRASSE_IO_READ, steps->offset, len);
	steps->piece = (struct iovec){request->scratch.iov_base, (size_t)len};
	request->io.iov = &steps->piece;
	request->io.iov_count = 1;
	return next;
}

static enum nvme_next copy_write(struct nvme_request *request, struct nvme_ns_port *port)
{
	struct nvme_steps *steps = &request->steps;
	enum nvme_next next =
		nvme_io_submit(request, port, WRASSE_IO_WRITE, steps->to, steps->piece.iov_len);

	request->io.iov = &steps->piece;
	request->io.iov_count = 1;
	return next;
}

static enum nvme_next copy_native(struct nvme_request *request, struct nvme_ns_port *port)
{
	struct nvme_steps *steps = &request->steps;
	enum nvme_next next =
		nvme_io_submit(request, port, WRASSE_IO_COPY, steps->to, steps->length);

	request->io.source = steps->offset;
	return next;
}

/* dw0 names the range that is being copied: if the command fails, it was not. */
static enum nvme_next range_begin(struct nvme_request *request, struct nvme_ns_port *port)
{
	struct nvme_steps *steps = &request->steps;
	uint64_t slba, count;

	if (steps->done == copy_count(request))
		return nvme_succeed(request, 0);
	copy_get(request, steps->done, &slba, &count);
	nvme_succeed(request, (uint32_t)steps->done++);
	steps->offset = slba << port->ns->block_shift;
	steps->length = count << port->ns->block_shift;
	return nvme_io_is_native(request, port->ns) ? copy_native(request, port) :
						      copy_read(request, port);
}

static enum nvme_next copy_next(struct nvme_request *request, struct nvme_ns_port *port)
{
	struct nvme_steps *steps = &request->steps;

	if (request->io.opcode == WRASSE_IO_READ)
		return copy_write(request, port);
	steps->to += request->io.length;
	steps->offset += request->io.length;
	steps->length -= request->io.length;
	return steps->length ? copy_read(request, port) : range_begin(request, port);
}

enum nvme_next nvme_copy_io(struct nvme_request *request, struct nvme_ns_port *port)
{
	if (!copy_check(request, port->ns))
		return NVME_RESPOND;
	request->steps = (struct nvme_steps){
		.next = copy_next,
		.to = nvme_get64(request->cmd.rw.slba) << port->ns->block_shift,
	};
	return range_begin(request, port);
}
