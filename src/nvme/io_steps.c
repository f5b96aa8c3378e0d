/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O commands that are several I/Os, one after the other: what the library does for a backend that
 * cannot (Compare, Verify, Write Zeroes), through a piece of memory that the request has for it;
 * Dataset Management, range by range; Flush of all namespaces. The first I/O that fails ends the
 * command. The thread of the queue's group.
 */
#include "nvme/io.h"

/* ---- a range through scratch ---- */

static void range_begin(struct nvme_request *request, const struct nvme_ns_port *port,
			enum nvme_next (*next)(struct nvme_request *, struct nvme_ns_port *))
{
	uint32_t shift = port->ns->block_shift;

	request->steps = (struct nvme_steps){
		.next = next,
		.offset = nvme_get64(request->cmd.rw.slba) << shift,
		.length = (nvme_get16(request->cmd.rw.nlb) + 1ull) << shift,
	};
}

/* As much of the range as scratch has room for: whole blocks, because it has a power of two. */
static enum nvme_next piece_submit(struct nvme_request *request, struct nvme_ns_port *port,
				   enum wrasse_io_opcode opcode)
{
	struct nvme_steps *steps = &request->steps;
	uint64_t len = steps->length - steps->done;
	enum nvme_next next;

	if (len > request->scratch.iov_len)
		len = request->scratch.iov_len;
	next = nvme_io_submit(request, port, opcode, steps->offset + steps->done, len);
	steps->piece = (struct iovec){request->scratch.iov_base, (size_t)len};
	request->io.iov = &steps->piece;
	request->io.iov_count = 1;
	return next;
}

/* A piece is done. */
static enum nvme_next piece_next(struct nvme_request *request, struct nvme_ns_port *port,
				 enum wrasse_io_opcode opcode)
{
	struct nvme_steps *steps = &request->steps;

	steps->done += steps->piece.iov_len;
	if (steps->done == steps->length)
		return nvme_succeed(request, 0);
	return piece_submit(request, port, opcode);
}

/* ---- Compare, Verify, Write Zeroes ---- */

/* Whether the host's data from byte @offset on is that of the piece. */
static bool piece_equals(const struct nvme_request *request)
{
	const struct iovec *piece = &request->steps.piece;
	uint64_t offset = request->steps.done;
	const uint8_t *at = piece->iov_base;
	size_t left = piece->iov_len;

	for (uint32_t i = 0; i < request->iov_count && left > 0; i++) {
		const struct iovec *iov = &request->iov[i];
		size_t part;

		if (offset >= iov->iov_len) {
			offset -= iov->iov_len;
			continue;
		}
		part = iov->iov_len - (size_t)offset;
		if (part > left)
			part = left;
		if (memcmp((const uint8_t *)iov->iov_base + offset, at, part) != 0)
			return false;
		offset = 0;
		at += part;
		left -= part;
	}
	return true;
}

static enum nvme_next compare_next(struct nvme_request *request, struct nvme_ns_port *port)
{
	if (!piece_equals(request))
		return nvme_refuse(request,
				   wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_COMPARE_FAILURE,
						      true),
				   NVME_AT_NONE, "the media has other data");
	return piece_next(request, port, WRASSE_IO_READ);
}

enum nvme_next nvme_compare_steps(struct nvme_request *request, struct nvme_ns_port *port)
{
	range_begin(request, port, compare_next);
	return piece_submit(request, port, WRASSE_IO_READ);
}

static enum nvme_next verify_next(struct nvme_request *request, struct nvme_ns_port *port)
{
	return piece_next(request, port, WRASSE_IO_READ);
}

enum nvme_next nvme_verify_steps(struct nvme_request *request, struct nvme_ns_port *port)
{
	range_begin(request, port, verify_next);
	return piece_submit(request, port, WRASSE_IO_READ);
}

static enum nvme_next write_zeroes_next(struct nvme_request *request, struct nvme_ns_port *port)
{
	return piece_next(request, port, WRASSE_IO_WRITE);
}

enum nvme_next nvme_write_zeroes_steps(struct nvme_request *request, struct nvme_ns_port *port)
{
	memset(request->scratch.iov_base, 0, request->data.scratch_len);
	range_begin(request, port, write_zeroes_next);
	return piece_submit(request, port, WRASSE_IO_WRITE);
}

/* ---- Dataset Management (NVM Command Set 1.0 3.2.3) ---- */

static uint32_t dsm_count(const struct nvme_request *request)
{
	return NVME_DSM_NR(nvme_get32(request->cmd.cdw10));
}

static void dsm_get(const struct nvme_request *request, uint64_t index,
		    struct nvme_dsm_range *range)
{
	nvme_in_get_at(request, index * sizeof(*range), range, sizeof(*range));
}

int64_t nvme_dsm_data_len(struct nvme_request *request)
{
	return dsm_count(request) * (int64_t)sizeof(struct nvme_dsm_range);
}

/* steps.done ranges are begun; of the last one steps.offset and length say what is left. */
static enum nvme_next dsm_next(struct nvme_request *request, struct nvme_ns_port *port)
{
	const struct wrasse_namespace *ns = port->ns;
	struct nvme_steps *steps = &request->steps;
	enum nvme_next next;
	uint64_t len;

	while (steps->length == 0) {
		struct nvme_dsm_range range;

		if (steps->done == dsm_count(request))
			return nvme_succeed(request, 0);
		dsm_get(request, steps->done++, &range);
		steps->offset = nvme_get64(range.slba) << ns->block_shift;
		steps->length = (uint64_t)nvme_get32(range.nlb) << ns->block_shift;
	}
	len = steps->length;
	if (ns->max_discard_len && len > ns->max_discard_len)
		len = ns->max_discard_len;
	next = nvme_io_submit(request, port, WRASSE_IO_DISCARD, steps->offset, len);
	steps->offset += len;
	steps->length -= len;
	return next;
}

/* All ranges are checked before the first is discarded. */
static bool dsm_check(struct nvme_request *request, const struct wrasse_namespace *ns)
{
	for (uint32_t i = 0; i < dsm_count(request); i++) {
		struct nvme_dsm_range range;
		uint32_t count;

		dsm_get(request, i, &range);
		count = nvme_get32(range.nlb);
		if (count && !nvme_io_check_range(request, ns, nvme_get64(range.slba), count))
			return false;
	}
	return true;
}

/* The other attributes (Integral Dataset for Read, for Write) are hints that nobody needs here. */
enum nvme_next nvme_dsm_io(struct nvme_request *request, struct nvme_ns_port *port)
{
	if (!dsm_check(request, port->ns))
		return NVME_RESPOND;
	if (!(nvme_get32(request->cmd.cdw11) & NVME_DSM_DEALLOCATE))
		return nvme_succeed(request, 0);
	if (!nvme_io_check_writable(request, port->ns))
		return NVME_RESPOND;
	request->steps = (struct nvme_steps){.next = dsm_next};
	return dsm_next(request, port);
}

/* ---- Flush of all namespaces (NVMe Base 2.0 7.1) ---- */

/* One that this group could not attach has nothing of this group to flush. */
static enum nvme_next flush_next(struct nvme_request *request, struct nvme_ns_port *port)
{
	const struct nvme_view *view = request->queue->view;

	(void)port;
	while (request->steps.done < view->count) {
		uint32_t nsid = (uint32_t)++request->steps.done;
		struct nvme_ns_port *next = nvme_queue_port(request->queue, nsid);

		if (!next)
			continue;
		if (!nvme_ana_check(request, next))
			return NVME_RESPOND;
		if (nvme_ctrl_denies(request->queue->ctrl, next->ns->nsid, request->op->access))
			return nvme_request_deny(request);
		/* Paused since the flush began: all of it once more. */
		if (next->paused)
			return NVME_WAIT;
		if (atomic_load_explicit(&next->state, memory_order_relaxed) ==
		    NVME_NS_PORT_ATTACHED)
			return nvme_io_submit(request, next, WRASSE_IO_FLUSH, 0, 0);
	}
	return nvme_succeed(request, 0);
}

enum nvme_next nvme_flush_steps(struct nvme_request *request)
{
	request->steps = (struct nvme_steps){.next = flush_next};
	return flush_next(request, NULL);
}
