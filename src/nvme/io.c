/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NVM command set (NVM Command Set 1.0 3.2): its table, and the commands that are one I/O. From
 * a checked command to a struct wrasse_io and back. This is the data path: the thread of the
 * queue's group, no locks, no division.
 */
#include "nvme/io.h"

#include "inline.h"
#include "nvme/hook.h"

/* ---- ranges ---- */

/* Ranges are checked without adding to what the host sent. */
bool nvme_io_check_range(struct nvme_request *request, const struct wrasse_namespace *ns,
			 uint64_t slba, uint64_t count)
{
	uint64_t blocks = nvme_ns_blocks(ns);

	if (slba < blocks && count <= blocks - slba)
		return true;
	nvme_refuse(request, NVME_GENERIC(WRASSE_SC_LBA_RANGE), NVME_AT_CDW10,
		    "LBA range is beyond the namespace");
	return false;
}

bool nvme_io_check_writable(struct nvme_request *request, const struct wrasse_namespace *ns)
{
	if (!nvme_ns_is_read_only(ns))
		return true;
	nvme_refuse(request, NVME_GENERIC(WRASSE_SC_NS_WRITE_PROTECTED), NVME_AT_NONE,
		    "the namespace is read-only");
	return false;
}

static int64_t range_len(struct nvme_request *request)
{
	const struct wrasse_namespace *ns = request->at->ns;
	uint64_t count = nvme_get16(request->cmd.rw.nlb) + 1ull;

	if (!nvme_io_check_range(request, ns, nvme_get64(request->cmd.rw.slba), count))
		return NVME_REFUSED;
	if ((request->op->effects & NVME_EFFECT_DATA) && !nvme_io_check_writable(request, ns))
		return NVME_REFUSED;
	return (int64_t)(count << ns->block_shift);
}

static int64_t rw_data_len(struct nvme_request *request)
{
	const struct wrasse_namespace *ns = request->at->ns;
	int64_t len = range_len(request);

	return len > 0 && ns->pi_type ? nvme_pi_data_len(request, ns, len) : len;
}

static void need_scratch(struct nvme_request *request, uint64_t len)
{
	request->data.scratch_len = len < NVME_SCRATCH_MAX ? (uint32_t)len : NVME_SCRATCH_MAX;
}

static int64_t compare_data_len(struct nvme_request *request)
{
	int64_t len = range_len(request);

	if (len > 0 && !nvme_io_is_native(request, request->at->ns))
		need_scratch(request, (uint64_t)len);
	return len;
}

/* Of a command that moves nothing, of which the backend or we take so many bytes at once. */
static int64_t check_blank(struct nvme_request *request, uint64_t max)
{
	int64_t len = range_len(request);

	if (len < 0)
		return NVME_REFUSED;
	if (max && (uint64_t)len > max) {
		nvme_refuse_field(request, NVME_AT_CDW12, "more blocks than WZSL or VSL");
		return NVME_REFUSED;
	}
	if (request->at->ns->pi_type)
		return nvme_pi_data_len(request, request->at->ns, len) < 0 ? NVME_REFUSED : 0;
	if (!nvme_io_is_native(request, request->at->ns))
		need_scratch(request, (uint64_t)len);
	return 0;
}

static int64_t write_zeroes_data_len(struct nvme_request *request)
{
	return check_blank(request,
			   nvme_io_write_zeroes_max(request->at->ns, request->queue->limits));
}

static int64_t verify_data_len(struct nvme_request *request)
{
	return check_blank(request, nvme_io_verify_max(request->at->ns, request->queue->limits));
}

static int64_t write_uncorrectable_data_len(struct nvme_request *request)
{
	return check_blank(request, 0);
}

/* ---- I/Os ---- */

/* What the command moves now must be what it was parsed and got its memory for. */
static bool range_is_as_it_was(struct nvme_request *request)
{
	uint32_t scratch_len = request->data.scratch_len;
	int64_t len;

	request->data.scratch_len = 0;
	len = request->op->data_len(request);
	if (len >= 0 && len == request->data.len && request->data.scratch_len == scratch_len &&
	    (!request->lender || request->lender == request->at) &&
	    (!request->op->required || nvme_io_is_native(request, request->at->ns)))
		return true;
	if (len >= 0)
		nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
			    "the namespace was replaced");
	return false;
}

/* The namespace of a command that is about to be executed: it may have gone, or changed, while the
 * request waited for its data. NULL: refused. */
static struct nvme_ns_port *io_port(struct nvme_request *request)
{
	struct nvme_ns_port *port = request->at;

	if (!port) {
		nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
			    "the namespace was removed");
		return NULL;
	}
	return request->straight || !request->op->data_len || range_is_as_it_was(request) ? port :
											    NULL;
}

void nvme_io_fill(struct nvme_request *request, const struct nvme_ns_port *port,
		  enum wrasse_io_opcode opcode, uint64_t offset, uint64_t length)
{
	nvme_io_fill_plain(request, port, opcode, offset, length);
	if (request->op->fua && (nvme_get16(request->cmd.rw.control) & NVME_RW_FUA))
		request->io.flags = WRASSE_IO_FUA;
}

enum nvme_next nvme_io_submit(struct nvme_request *request, struct nvme_ns_port *port,
			      enum wrasse_io_opcode opcode, uint64_t offset, uint64_t length)
{
	switch (relaxed_load(&port->state)) {
	case NVME_NS_PORT_FAILED:
		return nvme_refuse(request, wrasse_status_make(0, WRASSE_SC_NS_NOT_READY, false),
				   NVME_AT_NSID, "the backend could not be attached");
	case NVME_NS_PORT_LEAVING: /* between two I/Os of one command */
		return nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
				   "the namespace was removed");
	default:
		break;
	}
	nvme_io_fill(request, port, opcode, offset, length);
	request->port = port;
	port->in_flight++;
	return NVME_SUBMIT;
}

enum nvme_next nvme_io_flush(struct nvme_request *request, struct nvme_ns_port *port)
{
	return nvme_io_submit(request, port, WRASSE_IO_FLUSH, 0, 0);
}

/* The command's range with the command's data. */
static enum nvme_next data_submit(struct nvme_request *request, struct nvme_ns_port *port,
				  enum wrasse_io_opcode opcode)
{
	uint64_t offset = nvme_get64(request->cmd.rw.slba) << port->ns->block_shift;
	enum nvme_next next = nvme_io_submit(request, port, opcode, offset, request->data.len);

	request->io.iov = request->iov;
	request->io.iov_count = request->iov_count;
	return next;
}

/* The command's range alone. */
static enum nvme_next blank_submit(struct nvme_request *request, struct nvme_ns_port *port,
				   enum wrasse_io_opcode opcode)
{
	uint32_t shift = port->ns->block_shift;

	return nvme_io_submit(request, port, opcode, nvme_get64(request->cmd.rw.slba) << shift,
			      (nvme_get16(request->cmd.rw.nlb) + 1ull) << shift);
}

/* ---- commands ---- */

static enum nvme_next read_io(struct nvme_request *request, struct nvme_ns_port *port)
{
	return port->ns->pi_type ? nvme_pi_steps(request, port) :
				   data_submit(request, port, WRASSE_IO_READ);
}

static enum nvme_next write_io(struct nvme_request *request, struct nvme_ns_port *port)
{
	return port->ns->pi_type ? nvme_pi_steps(request, port) :
				   data_submit(request, port, WRASSE_IO_WRITE);
}

static enum nvme_next compare_io(struct nvme_request *request, struct nvme_ns_port *port)
{
	return nvme_io_is_native(request, port->ns) ?
		       data_submit(request, port, WRASSE_IO_COMPARE) :
		       nvme_compare_steps(request, port);
}

static enum nvme_next write_zeroes_io(struct nvme_request *request, struct nvme_ns_port *port)
{
	enum nvme_next next;

	if (port->ns->pi_type)
		return nvme_pi_steps(request, port);
	if (!nvme_io_is_native(request, port->ns))
		return nvme_write_zeroes_steps(request, port);
	next = blank_submit(request, port, WRASSE_IO_WRITE_ZEROES);
	if (nvme_get16(request->cmd.rw.control) & NVME_RW_DEAC)
		request->io.flags |= WRASSE_IO_DEALLOCATE;
	return next;
}

static enum nvme_next verify_io(struct nvme_request *request, struct nvme_ns_port *port)
{
	if (port->ns->pi_type)
		return nvme_pi_steps(request, port);
	if (!nvme_io_is_native(request, port->ns))
		return nvme_verify_steps(request, port);
	return blank_submit(request, port, WRASSE_IO_VERIFY);
}

static enum nvme_next write_uncorrectable_io(struct nvme_request *request,
					     struct nvme_ns_port *port)
{
	return blank_submit(request, port, WRASSE_IO_WRITE_UNCORRECTABLE);
}

static enum nvme_next flush_io(struct nvme_request *request, struct nvme_ns_port *port)
{
	return port ? nvme_io_flush(request, port) : nvme_flush_steps(request);
}

enum nvme_next nvme_io_execute(struct nvme_request *request)
{
	const struct nvme_op *op = request->op;
	struct nvme_ns_port *port = NULL;

	if (!op->all || nvme_get32(request->cmd.nsid) != NVME_NSID_ALL) {
		port = io_port(request);
		if (!port)
			return NVME_RESPOND;
	}
	return op->io(request, port);
}

static const struct nvme_op io_ops[] = {
	[NVME_OPC_FLUSH] =
		{
			.name = "Flush",
			.xfer = NVME_XFER_NONE,
			.on = NVME_ON_IO,
			.ns = true,
			.all = true,
			.access = NVME_ACCESS_WRITE,
			.io = flush_io,
		},
	[NVME_OPC_WRITE] =
		{
			.name = "Write",
			.xfer = NVME_XFER_H2C,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_WRITE,
			.exact = true,
			.fua = true,
			.lends = true,
			.fuse = NVME_FUSE_SECOND,
			.effects = NVME_EFFECT_DATA,
			.data_len = rw_data_len,
			.io = write_io,
		},
	[NVME_OPC_READ] =
		{
			.name = "Read",
			.xfer = NVME_XFER_C2H,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_READ,
			.exact = true,
			.fua = true,
			.lends = true,
			.data_len = rw_data_len,
			.io = read_io,
		},
	[NVME_OPC_WRITE_UNCORRECTABLE] =
		{
			.name = "Write Uncorrectable",
			.xfer = NVME_XFER_NONE,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_WRITE,
			.required = true,
			.native = WRASSE_IO_BIT(WRASSE_IO_WRITE_UNCORRECTABLE),
			.effects = NVME_EFFECT_DATA,
			.data_len = write_uncorrectable_data_len,
			.io = write_uncorrectable_io,
		},
	[NVME_OPC_COMPARE] =
		{
			.name = "Compare",
			.xfer = NVME_XFER_H2C,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_READ,
			.no_pi = true,
			.exact = true,
			.fua = true,
			.fuse = NVME_FUSE_FIRST,
			.native = WRASSE_IO_BIT(WRASSE_IO_COMPARE),
			.data_len = compare_data_len,
			.io = compare_io,
		},
	[NVME_OPC_WRITE_ZEROES] =
		{
			.name = "Write Zeroes",
			.xfer = NVME_XFER_NONE,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_WRITE,
			.fua = true,
			.native = WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES),
			.effects = NVME_EFFECT_DATA,
			.data_len = write_zeroes_data_len,
			.io = write_zeroes_io,
		},
	[NVME_OPC_DATASET_MANAGEMENT] =
		{
			.name = "Dataset Management",
			.xfer = NVME_XFER_H2C,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_WRITE,
			.required = true,
			.native = WRASSE_IO_BIT(WRASSE_IO_DISCARD),
			.effects = NVME_EFFECT_DATA,
			.data_len = nvme_dsm_data_len,
			.io = nvme_dsm_io,
		},
	[NVME_OPC_VERIFY] =
		{
			.name = "Verify",
			.xfer = NVME_XFER_NONE,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_READ,
			.fua = true,
			.native = WRASSE_IO_BIT(WRASSE_IO_VERIFY),
			.data_len = verify_data_len,
			.io = verify_io,
		},
	[NVME_OPC_RESV_REGISTER] =
		{
			.name = "Reservation Register",
			.xfer = NVME_XFER_H2C,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_FREE,
			.data_len = nvme_resv_keys_len,
			.execute = nvme_resv_execute,
			.execute_registry = nvme_resv_execute_registry,
		},
	[NVME_OPC_RESV_REPORT] =
		{
			.name = "Reservation Report",
			.xfer = NVME_XFER_C2H,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_FREE,
			.data_len = nvme_resv_report_len,
			.execute = nvme_resv_execute,
			.execute_registry = nvme_resv_report_execute_registry,
		},
	[NVME_OPC_RESV_ACQUIRE] =
		{
			.name = "Reservation Acquire",
			.xfer = NVME_XFER_H2C,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_FREE,
			.data_len = nvme_resv_keys_len,
			.execute = nvme_resv_execute,
			.execute_registry = nvme_resv_execute_registry,
		},
	[NVME_OPC_RESV_RELEASE] =
		{
			.name = "Reservation Release",
			.xfer = NVME_XFER_H2C,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_FREE,
			.data_len = nvme_resv_release_len,
			.execute = nvme_resv_execute,
			.execute_registry = nvme_resv_execute_registry,
		},
	[NVME_OPC_COPY] =
		{
			.name = "Copy",
			.xfer = NVME_XFER_H2C,
			.on = NVME_ON_IO,
			.ns = true,
			.access = NVME_ACCESS_READ | NVME_ACCESS_WRITE,
			.no_pi = true,
			.fua = true,
			.native = WRASSE_IO_BIT(WRASSE_IO_COPY),
			.effects = NVME_EFFECT_DATA,
			.data_len = nvme_copy_data_len,
			.io = nvme_copy_io,
		},
};

const struct nvme_op_table nvme_io_ops = {
	io_ops,
	sizeof(io_ops) / sizeof(io_ops[0]),
};

static bool any_is_paused(const struct nvme_queue *queue)
{
	for (uint32_t nsid = 1; nsid <= queue->view->count; nsid++) {
		const struct nvme_ns_port *port = nvme_queue_port(queue, nsid);

		if (port && port->paused)
			return true;
	}
	return false;
}

bool nvme_request_must_wait(const struct nvme_request *request)
{
	const struct nvme_ns_port *port;

	if (request->queue->on != NVME_ON_IO || nvme_request_is_fabrics(request))
		return false;
	if (nvme_get32(request->cmd.nsid) == NVME_NSID_ALL)
		return any_is_paused(request->queue);
	port = nvme_request_port(request);
	return port && port->paused;
}

bool nvme_request_must_wait_at_once(const struct nvme_request *request)
{
	if (request->queue->on != NVME_ON_IO)
		return false;
	return request->at ? request->at->paused : nvme_request_must_wait(request);
}

/* Only this thread writes the counters; others read them. */
void nvme_io_count(struct nvme_ns_port *port, const struct nvme_request *request, uint64_t len)
{
	if (nvme_request_is_read(request)) {
		relaxed_add(&port->reads, 1);
		relaxed_add(&port->read_bytes, len);
	} else if (nvme_request_is_write(request)) {
		relaxed_add(&port->writes, 1);
		relaxed_add(&port->written_bytes, len);
	}
}

/* What the backend gave up because it took too long was not aborted by the host, which may try again. */
static __attribute__((noinline, cold)) enum nvme_next
io_failed(struct nvme_request *request, struct nvme_ns_port *port, struct wrasse_status status)
{
	if (request->op->failed)
		request->op->failed(request, port);
	if (request->overdue && status.sct == WRASSE_SCT_GENERIC && status.sc == WRASSE_SC_ABORTED)
		status = wrasse_status_make(WRASSE_SCT_GENERIC, WRASSE_SC_COMMAND_INTERRUPTED,
					    false);
	return nvme_refuse(request, status, NVME_AT_NONE, "the backend failed it");
}

bool nvme_request_interrupt_overdue(struct nvme_request *request)
{
	const struct nvme_op *op = request->op;

	if ((op->effects & NVME_EFFECT_DATA) || op->xfer == NVME_XFER_H2C)
		return false;
	request->interrupted = true;
	if (request->fenced)
		nvme_fence_leave(request, request->port);
	nvme_request_interrupt(request);
	return true;
}

void nvme_request_let_go(struct nvme_request *request)
{
	struct nvme_ns_port *port = request->port;

	request->port = NULL;
	port->in_flight--;
	if (request->fenced)
		nvme_fence_leave(request, port);
}

ALWAYS_INLINE enum nvme_next nvme_request_complete_io(struct nvme_request *request,
						      struct wrasse_status status)
{
	struct nvme_ns_port *port = request->port;

	if (request->hook)
		return nvme_hook_complete(request, status);
	request->port = NULL;
	port->in_flight--;
	if (request->fenced) {
		nvme_fence_leave(request, port);
		request->preempted = true;
	}
	if (!wrasse_status_is_ok(status))
		return io_failed(request, port, status);
	if (request->steps.next)
		return nvme_request_may_go_on(request) ? request->steps.next(request, port) :
							 NVME_RESPOND;
	nvme_io_count(port, request, request->io.length);
	return NVME_RESPOND;
}
