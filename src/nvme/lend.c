/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that a backend lends for the data of a Read or Write. The thread of the queue's group.
 */
#include "nvme/io.h"

/* It may have waited, and its namespace may have been resized, replaced or protected meanwhile. If the
 * command cannot be executed any more, that is for its execution to say. */
static bool fits(const struct nvme_request *request, const struct nvme_ns_port *port)
{
	const struct wrasse_namespace *ns = port->ns;
	uint64_t slba = nvme_get64(request->cmd.rw.slba), blocks = nvme_ns_blocks(ns);
	uint64_t count = nvme_get16(request->cmd.rw.nlb) + 1ull;

	return nvme_port_is_attached(port) && !port->paused && !ns->pi_type && slba < blocks &&
	       count <= blocks - slba && count << ns->block_shift == request->data.len;
}

void nvme_request_lent(struct nvme_request *request, struct nvme_ns_port *port,
		       struct wrasse_memory *memory)
{
	request->io.memory = memory;
	request->lent = memory;
	request->lender = port;
	port->in_flight++;
}

uint32_t nvme_request_map(struct nvme_request *request, struct iovec *iov)
{
	bool read = request->data.xfer == NVME_XFER_C2H;
	struct wrasse_memory *memory = NULL;
	struct nvme_ns_port *port;
	uint32_t count;

	if (!request->op->lends)
		return 0;
	port = nvme_request_port(request);
	if (!port || !port->ns->ops.map || !fits(request, port))
		return 0;
	nvme_io_fill(request, port, read ? WRASSE_IO_READ : WRASSE_IO_WRITE,
		     nvme_get64(request->cmd.rw.slba) << port->ns->block_shift, request->data.len);
	count = port->ns->ops.map(&request->io, iov, &memory);
	if (count)
		nvme_request_lent(request, port, memory);
	return count;
}

void nvme_request_unmap(struct nvme_request *request)
{
	struct nvme_ns_port *port = request->lender;

	port->ns->ops.unmap(&request->io);
	request->lender = NULL;
	request->lent = NULL;
	port->in_flight--;
}
