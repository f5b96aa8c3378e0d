/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests: from a capsule to a line of a command table, from its handler to a response. Owns the
 * response (cqe) of every command. The thread of the request's queue.
 */
#include "inline.h"
#include "nvme/ctrl.h"
#include "nvme/hook.h"
#include "nvme/io.h"
#include "nvme/sgl.h"
#include "nvme/straight.h"

/* ---- answers ---- */

/* How long to wait before another try: only for hosts that asked to be told (ACRE). */
static uint16_t request_retry_delay(const struct nvme_request *request, struct wrasse_status status)
{
	const struct nvme_ctrl *ctrl = request->queue->ctrl;

	if (status.crd == 0 || status.crd > 3 || !ctrl || !relaxed_load(&ctrl->retry_delays) ||
	    ctrl->subsystem->retry_delay_100ms[status.crd - 1] == 0)
		return 0;
	return (uint16_t)(status.crd << NVME_STATUS_CRD_SHIFT);
}

static void request_put_status(struct nvme_request *request, struct wrasse_status status, bool more)
{
	uint16_t value = (uint16_t)(status.sc << NVME_STATUS_SC_SHIFT |
				    (status.sct & 7) << NVME_STATUS_SCT_SHIFT);

	if (status.dnr)
		value |= NVME_STATUS_DNR;
	value |= request_retry_delay(request, status);
	if (more)
		value |= NVME_STATUS_MORE;
	nvme_put16(&request->cqe.status, value);
}

/* What was asked to end is no error, and a Compare that finds a difference has done its work. */
static bool status_is_error(struct wrasse_status status)
{
	if (status.sct == WRASSE_SCT_MEDIA && status.sc == WRASSE_SC_COMPARE_FAILURE)
		return false;
	return status.sct != WRASSE_SCT_GENERIC ||
	       (status.sc != WRASSE_SC_ABORTED && status.sc != NVME_SC_SQ_DELETED);
}

enum nvme_next nvme_refuse(struct nvme_request *request, struct wrasse_status status,
			   uint16_t location, const char *why)
{
	struct nvme_ctrl *ctrl = request->queue->ctrl;
	/* What a hook decides on is no error yet. */
	bool record = ctrl && status_is_error(status) && !request->hook;

	request->why = why;
	request_put_status(request, status, record);
	if (record)
		nvme_error_log_add(ctrl, request, location);
	return NVME_RESPOND;
}

enum nvme_next nvme_refuse_quietly(struct nvme_request *request, struct wrasse_status status,
				   const char *why)
{
	request->why = why;
	request_put_status(request, status, false);
	return NVME_RESPOND;
}

enum nvme_next nvme_succeed(struct nvme_request *request, uint32_t dw0)
{
	nvme_put32(&request->cqe.dw0, dw0);
	return NVME_RESPOND;
}

enum nvme_next nvme_succeed_page(struct nvme_request *request, const void *page, uint32_t len)
{
	struct nvme_out out;

	nvme_out_init(&out, request, 0);
	nvme_out_put(&out, page, len);
	nvme_out_end(&out);
	return nvme_succeed(request, 0);
}

void nvme_request_fail(struct nvme_request *request, struct wrasse_status status)
{
	if (wrasse_status_is_ok(status))
		request_put_status(request, status, false);
	else
		nvme_refuse(request, status, NVME_AT_NONE, request->why);
}

static bool is_connect(const struct nvme_request *request)
{
	return nvme_request_is_fabrics(request) && request->cmd.fctype == NVME_FCTYPE_CONNECT;
}

ALWAYS_INLINE void nvme_request_stamp(struct nvme_request *request)
{
	const struct nvme_queue *queue = request->queue;

	if (!queue->sqflow_off)
		nvme_put16(&request->cqe.sqhd, queue->sqhd);
	else
		nvme_put16(&request->cqe.sqhd, is_connect(request) ? NVME_SQHD_NO_FLOW : 0);
}

/* ---- capsules ---- */

static const struct nvme_op *request_find_op(const struct nvme_request *request)
{
	const struct nvme_queue *queue = request->queue;

	if (nvme_request_is_fabrics(request))
		return nvme_op_find(&nvme_fabrics_ops, request->cmd.fctype);
	if (!queue->ctrl)
		return nvme_op_find(&nvme_admin_ops, request->cmd.opcode);
	return nvme_hook_op(queue, queue->on != NVME_ON_IO, request->cmd.opcode);
}

static bool op_is_connect(const struct nvme_op *op)
{
	return op && op->on == NVME_ON_NEW;
}

/* The queue has no such command, or not yet. */
static void refuse_op(struct nvme_request *request)
{
	if (request->queue->on == NVME_ON_AUTH)
		nvme_refuse(request, NVME_COMMAND(NVME_SC_AUTH_REQUIRED), NVME_AT_NONE,
			    "the host has not authenticated itself");
	else
		nvme_refuse(request, NVME_GENERIC(WRASSE_SC_INVALID_OPCODE), 0, "unknown opcode");
}

/* Says why a queue does not take a command. */
static __attribute__((noinline, cold)) void refuse_by_queue(struct nvme_request *request,
							    const struct nvme_op *op)
{
	const struct nvme_queue *queue = request->queue;

	if (queue->state == NVME_QUEUE_ENDED)
		nvme_refuse(request, wrasse_status_make(0, NVME_SC_SQ_DELETED, false), NVME_AT_NONE,
			    "the queue has ended");
	else if (queue->state == NVME_QUEUE_NEW && !op_is_connect(op))
		nvme_refuse(request, NVME_GENERIC(NVME_SC_SEQUENCE), NVME_AT_NONE,
			    "a command before Connect");
	else if (queue->state == NVME_QUEUE_CONNECTED && op_is_connect(op))
		nvme_refuse(request, NVME_GENERIC(NVME_SC_SEQUENCE), NVME_AT_NONE,
			    "Connect on a connected queue");
	else if (!op || !(op->on & queue->on))
		refuse_op(request);
	else if (queue->on == NVME_ON_IO && nvme_io_queue_must_end(queue))
		nvme_refuse(request, wrasse_status_make(0, NVME_SC_SQ_DELETED, false), NVME_AT_NONE,
			    "the controller was reset");
	else
		nvme_refuse(request, NVME_GENERIC(NVME_SC_SEQUENCE), NVME_AT_NONE,
			    "the controller is not enabled");
}

/* Whether a queue takes a command now. One that is new takes nothing but Connect, which no other does:
 * op->on says so. */
static ALWAYS_INLINE bool request_check_queue(struct nvme_request *request,
					      const struct nvme_op *op)
{
	const struct nvme_queue *queue = request->queue;

	if (op && (op->on & queue->on) && queue->state != NVME_QUEUE_ENDED &&
	    !(queue->on == NVME_ON_IO && nvme_io_queue_must_end(queue)) &&
	    !(op->ready && !nvme_ctrl_is_ready(queue->ctrl)))
		return true;
	refuse_by_queue(request, op);
	return false;
}

/* The namespace is there for this host, takes the command, and can be used on this path. */
static ALWAYS_INLINE bool request_check_ns(struct nvme_request *request, const struct nvme_op *op)
{
	struct nvme_ns_port *port = nvme_request_port(request);

	if (op->all && nvme_get32(request->cmd.nsid) == NVME_NSID_ALL)
		return true;
	request->at = port;
	if (!port)
		nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
			    "no such namespace");
	else if ((op->required && !(port->ns->io_opcodes & op->native)) ||
		 (op->no_pi && port->ns->pi_type))
		nvme_refuse(request, NVME_GENERIC(WRASSE_SC_INVALID_OPCODE), 0,
			    "not of this namespace");
	else
		return nvme_ana_check(request, port);
	return false;
}

/* A request may have waited for resources while its controller was reset or shut down, or its
 * namespace made inaccessible. If the namespace has gone its handler says so. */
static __attribute__((noinline)) bool request_check_again(struct nvme_request *request)
{
	request->at = request->op->ns ? nvme_request_port(request) : NULL;
	return request_check_queue(request, request->op) &&
	       (!request->at || nvme_ana_check(request, request->at));
}

static ALWAYS_INLINE bool request_check_flags(struct nvme_request *request,
					      const struct nvme_op *op)
{
	const struct nvme_cmd *cmd = &request->cmd;
	uint8_t fuse = cmd->flags & NVME_CMD_FUSE;

	if ((cmd->flags & NVME_CMD_PSDT) != NVME_PSDT_SGL || (fuse && fuse != op->fuse)) {
		nvme_refuse_field(request, NVME_AT_FLAGS, "FUSE or PSDT is not supported");
		return false;
	}
	return true;
}

/* Finds where the data is. @need: bytes that the command moves. */
static ALWAYS_INLINE bool request_parse_data(struct nvme_request *request, const struct nvme_op *op,
					     const uint8_t *capsule, uint32_t len, int64_t need)
{
	struct nvme_data *data = &request->data;
	uint8_t sc;

	data->xfer = op->xfer;
	sc = nvme_sgl_parse(data, capsule, len);
	if (op->any_len)
		need = data->len;
	if (need > request->queue->limits->max_data_len) {
		nvme_refuse_field(request, NVME_AT_CDW10, "more data than MDTS");
		return false;
	}
	if (!sc && (data->len < need || (op->exact && data->len != need)))
		sc = NVME_SC_SGL_LENGTH;
	if (sc) {
		nvme_refuse(request, NVME_GENERIC(sc), NVME_AT_SGL, "invalid SGL");
		return false;
	}
	if (data->len > need)
		nvme_data_truncate(data, (uint32_t)need);
	return true;
}

static bool request_parse(struct nvme_request *request, const uint8_t *capsule, uint32_t len)
{
	const struct nvme_op *op = request_find_op(request);
	int64_t need;

	request->op = op;
	if (!request_check_queue(request, op) || !request_check_flags(request, op) ||
	    (op->ns && !request_check_ns(request, op)))
		return false;
	if (op->any_len && op->xfer != NVME_XFER_NONE)
		return request_parse_data(request, op, capsule, len, 0);
	if (!op->data_len)
		return true;
	need = op->data_len(request);
	if (need <= 0)
		return need == 0;
	return request_parse_data(request, op, capsule, len, need);
}

/* A constant length. In two halves, of which gcc makes stores; of the whole a string instruction, which is slow. */
static inline void zero(uint8_t *at, size_t len)
{
	memset(at, 0, len / 2);
	memset(at + len / 2, 0, len - len / 2);
}

void nvme_request_clean(struct nvme_request *request)
{
	zero((uint8_t *)&request->at,
	     offsetof(struct nvme_request, data.desc) - offsetof(struct nvme_request, at));
	request->steps.next = NULL;
	request->used = false;
}

bool nvme_request_parse(struct nvme_request *request, const uint8_t *capsule, uint32_t len)
{
	struct nvme_queue *queue = request->queue;

	memcpy(&request->cmd, capsule, sizeof(request->cmd));
	memset(&request->cqe, 0, sizeof(request->cqe));
	request->cqe.cid = request->cmd.cid;
	nvme_request_clean(request);
	request->used = true;

	nvme_queue_advance(queue);
	if (queue->state == NVME_QUEUE_CONNECTED && queue->on != NVME_ON_AUTH)
		nvme_queue_show_activity(queue);
	if (request_parse(request, capsule, len))
		return true;
	memset(&request->data, 0, offsetof(struct nvme_data, desc));
	return false;
}

bool nvme_request_may_go_on(struct nvme_request *request)
{
	if (!request_check_queue(request, request->op))
		return false;
	if (!request->preempted)
		return true;
	nvme_request_deny(request);
	return false;
}

/* Whether its host may not do that. Asked last, not when the capsule came: the reservation may be younger. */
static bool request_is_denied(const struct nvme_request *request)
{
	const struct nvme_ctrl *ctrl = request->queue->ctrl;
	uint32_t nsid = nvme_get32(request->cmd.nsid);

	return request->op->access &&
	       (request->preempted ||
		(nsid - 1 < ctrl->ns_count && nvme_ctrl_denies(ctrl, nsid, request->op->access)));
}

/* Whether it may still be executed; else it is refused. */
static bool request_may_be_executed(struct nvme_request *request)
{
	if (!request->straight && !request_check_again(request))
		return false;
	if (!request_is_denied(request))
		return true;
	nvme_request_deny(request);
	return false;
}

bool nvme_request_is_io(const struct nvme_request *request)
{
	return request->op->io;
}

ALWAYS_INLINE enum nvme_next nvme_request_execute_io(struct nvme_request *request)
{
	return request_may_be_executed(request) ? nvme_io_execute(request) : NVME_RESPOND;
}

enum nvme_next nvme_request_execute(struct nvme_request *request, uint64_t now_ns,
				    struct nvme_actions *actions)
{
	enum nvme_next next;

	if (request->op->io)
		return nvme_request_execute_io(request);
	if (!request_may_be_executed(request))
		return NVME_RESPOND;
	if (request->op->filtered)
		request->hook = nvme_hook_find(request->queue, request->cmd.opcode);
	next = request->op->execute(request, now_ns, actions);
	return next == NVME_RESPOND && request->hook ? nvme_hook_filter(request) : next;
}

enum nvme_next nvme_request_execute_registry(struct nvme_request *request, uint64_t now_ns,
					     struct nvme_actions *actions)
{
	enum nvme_next next;

	if (!request_check_queue(request, request->op))
		return NVME_RESPOND;
	next = request->op->execute_registry(request, now_ns, actions);
	return next == NVME_RESPOND && request->hook ? nvme_hook_filter(request) : next;
}

enum nvme_next nvme_request_execute_auth(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	request->queue->auth_turn = false;
	if (!request_check_queue(request, request->op))
		return NVME_RESPOND;
	return request->op->execute_auth(request, now_ns, actions);
}
