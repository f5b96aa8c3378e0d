/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NVM command set (NVM Command Set 1.0 3.2): Read, Write, Flush. From a checked command to a
 * struct wrasse_io and back. This is the data path: the thread of the queue's group, no locks, no
 * division.
 */
#include "nvme/ctrl.h"
#include "nvme/hook.h"

/* Ranges are checked without adding to what the host sent. */
static int64_t rw_data_len(struct nvme_request *request)
{
	const struct wrasse_namespace *ns = nvme_request_port(request)->ns;
	uint64_t slba = nvme_get64(request->cmd.rw.slba);
	uint64_t count = nvme_get16(request->cmd.rw.nlb) + 1ull;

	if (slba >= ns->block_count || count > ns->block_count - slba) {
		nvme_refuse(request, NVME_GENERIC(WRASSE_SC_LBA_RANGE), NVME_AT_CDW10,
			    "LBA range is beyond the namespace");
		return NVME_REFUSED;
	}
	if (nvme_ns_is_read_only(ns) && request->cmd.opcode != NVME_OPC_READ) {
		nvme_refuse(request, NVME_GENERIC(WRASSE_SC_NS_WRITE_PROTECTED), NVME_AT_NONE,
			    "the namespace is read-only");
		return NVME_REFUSED;
	}
	return (int64_t)(count << ns->block_shift);
}

static enum nvme_next io_submit(struct nvme_request *request, struct nvme_ns_port *port,
				enum wrasse_io_opcode opcode)
{
	struct wrasse_io *io = &request->io;

	if (atomic_load_explicit(&port->state, memory_order_relaxed) == NVME_NS_PORT_FAILED)
		return nvme_refuse(request, wrasse_status_make(0, WRASSE_SC_NS_NOT_READY, false),
				   NVME_AT_NSID, "the backend could not be attached");
	io->opcode = opcode;
	io->flags = 0;
	io->offset = 0;
	io->length = request->data.len;
	io->iov = request->iov;
	io->iov_count = request->iov_count;
	io->backend = port->ns->backend;
	io->group_ctx = port->group_ctx;
	request->port = port;
	port->in_flight++;
	return NVME_SUBMIT;
}

enum nvme_next nvme_io_flush(struct nvme_request *request, struct nvme_ns_port *port)
{
	return io_submit(request, port, WRASSE_IO_FLUSH);
}

/* The namespace may have gone, or changed, while the request waited for its data. */
static enum nvme_next rw_submit(struct nvme_request *request, enum wrasse_io_opcode opcode)
{
	struct nvme_ns_port *port = nvme_request_port(request);
	struct wrasse_io *io = &request->io;
	enum nvme_next next;
	int64_t len;

	if (!port)
		return nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
				   "the namespace was removed");
	len = rw_data_len(request);
	if (len < 0)
		return NVME_RESPOND;
	if (len != request->data.len)
		return nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
				   "the namespace was replaced");
	next = io_submit(request, port, opcode);
	io->offset = nvme_get64(request->cmd.rw.slba) << port->ns->block_shift;
	if (nvme_get16(request->cmd.rw.control) & NVME_RW_FUA)
		io->flags = WRASSE_IO_FUA;
	return next;
}

static enum nvme_next read_execute(struct nvme_request *request, uint64_t now_ns,
				   struct nvme_actions *actions)
{
	(void)now_ns;
	(void)actions;
	return rw_submit(request, WRASSE_IO_READ);
}

static enum nvme_next write_execute(struct nvme_request *request, uint64_t now_ns,
				    struct nvme_actions *actions)
{
	(void)now_ns;
	(void)actions;
	return rw_submit(request, WRASSE_IO_WRITE);
}

static enum nvme_next flush_execute(struct nvme_request *request, uint64_t now_ns,
				    struct nvme_actions *actions)
{
	struct nvme_ns_port *port = nvme_request_port(request);

	(void)now_ns;
	(void)actions;
	if (!port)
		return nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
				   "the namespace was removed");
	return io_submit(request, port, WRASSE_IO_FLUSH);
}

static const struct nvme_op io_ops[] = {
	[NVME_OPC_FLUSH] =
		{
			.name = "Flush",
			.xfer = NVME_XFER_NONE,
			.on = NVME_ON_IO,
			.ns = true,
			.execute = flush_execute,
		},
	[NVME_OPC_WRITE] =
		{
			.name = "Write",
			.xfer = NVME_XFER_H2C,
			.on = NVME_ON_IO,
			.ns = true,
			.exact = true,
			.effects = NVME_EFFECT_DATA,
			.data_len = rw_data_len,
			.execute = write_execute,
		},
	[NVME_OPC_READ] =
		{
			.name = "Read",
			.xfer = NVME_XFER_C2H,
			.on = NVME_ON_IO,
			.ns = true,
			.exact = true,
			.data_len = rw_data_len,
			.execute = read_execute,
		},
};

const struct nvme_op_table nvme_io_ops = {
	io_ops,
	sizeof(io_ops) / sizeof(io_ops[0]),
};

/* Only this thread writes a counter; others read it. */
static void counter_add(_Atomic(uint64_t) *counter, uint64_t more)
{
	uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

void nvme_request_complete_io(struct nvme_request *request, struct wrasse_status status)
{
	struct nvme_ns_port *port = request->port;

	if (request->hook) {
		nvme_hook_complete(request, status);
		return;
	}
	request->port = NULL;
	port->in_flight--;
	if (!wrasse_status_is_ok(status)) {
		if (request->op->failed)
			request->op->failed(request, port);
		nvme_refuse(request, status, NVME_AT_NONE, "the backend failed it");
		return;
	}
	if (request->io.opcode == WRASSE_IO_READ) {
		counter_add(&port->reads, 1);
		counter_add(&port->read_bytes, request->io.length);
	} else if (request->io.opcode == WRASSE_IO_WRITE) {
		counter_add(&port->writes, 1);
		counter_add(&port->written_bytes, request->io.length);
	}
}
