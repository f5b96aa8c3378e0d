/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hooks: from a command to a struct wrasse_command and back. The thread of the command's queue, but
 * for adding and freeing.
 */
#include "nvme/hook.h"

#include <errno.h>
#include <stdlib.h>

#include "nvme/ctrl.h"
#include "nvme/ns_management.h"

/* ---- finding ---- */

static struct nvme_hook *subsystem_hook(const struct wrasse_subsystem *subsystem, bool admin,
					unsigned opcode)
{
	return atomic_load_explicit(&subsystem->hooks[admin][opcode], memory_order_acquire);
}

struct nvme_hook *nvme_hook_find(const struct nvme_queue *queue, unsigned opcode)
{
	if (queue->on != NVME_ON_ADMIN && queue->on != NVME_ON_IO)
		return NULL;
	return subsystem_hook(queue->ctrl->subsystem, queue->on == NVME_ON_ADMIN, opcode);
}

const struct nvme_op *nvme_hook_op(const struct nvme_queue *queue, bool admin, unsigned opcode)
{
	const struct nvme_op *op = nvme_op_find(admin ? &nvme_admin_ops : &nvme_io_ops, opcode);
	const struct nvme_hook *hook;

	if (op || queue->on == NVME_ON_DISC)
		return op;
	hook = subsystem_hook(queue->ctrl->subsystem, admin, opcode);
	if (!hook || (hook->op.manages && !nvme_management_allows(queue)))
		return NULL;
	return &hook->op;
}

/* ---- the command ---- */

static void zero_data(struct nvme_request *request)
{
	struct nvme_out out;

	if (request->data.xfer != NVME_XFER_C2H)
		return;
	nvme_out_init(&out, request, 0);
	nvme_out_end(&out);
}

static void command_fill(struct nvme_request *request, const struct nvme_hook *hook)
{
	const struct nvme_cmd *cmd = &request->cmd;
	const struct nvme_ctrl *ctrl = request->queue->ctrl;
	const struct nvme_ns_port *port = request->port;

	request->command = (struct wrasse_command){
		.ctx = hook->ctx,
		.admin = request->queue->on == NVME_ON_ADMIN,
		.opcode = cmd->opcode,
		.cntlid = ctrl->cntlid,
		.nsid = nvme_get32(cmd->nsid),
		.cdw2 = nvme_get32(cmd->cdw2),
		.cdw3 = nvme_get32(cmd->cdw3),
		.cdw10 = nvme_get32(cmd->cdw10),
		.cdw11 = nvme_get32(cmd->cdw11),
		.cdw12 = nvme_get32(cmd->cdw12),
		.cdw13 = nvme_get32(cmd->cdw13),
		.cdw14 = nvme_get32(cmd->cdw14),
		.cdw15 = nvme_get32(cmd->cdw15),
		.hostnqn = ctrl->hostnqn,
		.backend = port ? port->ns->backend : NULL,
		.group_ctx = port ? port->group_ctx : NULL,
		.iov = request->iov,
		.iov_count = request->iov_count,
		.length = request->data.len,
		.result = nvme_get32(request->cqe.dw0),
	};
	request->hook = hook;
}

static struct nvme_hook *op_hook(const struct nvme_op *op)
{
	return (struct nvme_hook *)((uintptr_t)op - offsetof(struct nvme_hook, op));
}

enum nvme_next nvme_hook_ask(struct nvme_request *request)
{
	zero_data(request);
	command_fill(request, op_hook(request->op));
	request->command.status = NVME_GENERIC(WRASSE_SC_INVALID_OPCODE);
	return NVME_HOOK;
}

/* A command that the library does not know. An I/O command keeps its namespace attached. */
static enum nvme_next hook_execute(struct nvme_request *request, uint64_t now_ns,
				   struct nvme_actions *actions)
{
	struct nvme_ns_port *port = NULL;

	(void)now_ns;
	(void)actions;
	if (request->op->ns) {
		port = nvme_request_port(request);
		if (!port)
			return nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE),
					   NVME_AT_NSID, "the namespace was removed");
		if (atomic_load_explicit(&port->state, memory_order_relaxed) == NVME_NS_PORT_FAILED)
			return nvme_refuse(request,
					   wrasse_status_make(0, WRASSE_SC_NS_NOT_READY, false),
					   NVME_AT_NSID, "the backend could not be attached");
		port->in_flight++;
	}
	request->port = port;
	return nvme_hook_ask(request);
}

enum nvme_next nvme_hook_filter(struct nvme_request *request)
{
	struct wrasse_status status = nvme_request_status(request);

	status.dnr = nvme_get16(request->cqe.status) & NVME_STATUS_DNR;
	if (!wrasse_status_is_ok(status))
		zero_data(request);
	command_fill(request, request->hook);
	request->command.status = status;
	return NVME_HOOK;
}

void nvme_hook_submit(struct nvme_request *request)
{
	request->hook->submit(&request->command);
}

enum nvme_next nvme_hook_complete(struct nvme_request *request, struct wrasse_status status)
{
	struct nvme_ns_port *port = request->port;

	request->hook = NULL;
	request->port = NULL;
	if (port)
		port->in_flight--;
	if (request->fenced)
		nvme_fence_leave(request, port);
	nvme_put16(&request->cqe.status, 0);
	nvme_succeed(request, request->command.result);
	if (wrasse_status_is_ok(status))
		return NVME_RESPOND;
	return nvme_refuse(request, status, NVME_AT_NONE, "the embedder refused it");
}

/* ---- life ---- */

/* Return: NULL, or what is wrong. */
static const char *opts_check(const struct wrasse_hook *opts)
{
	const struct nvme_op *op =
		nvme_op_find(opts->admin ? &nvme_admin_ops : &nvme_io_ops, opts->opcode);

	if (!opts->submit)
		return "submit is NULL";
	if ((opts->opcode & 3) == 3)
		return "opcode would move data both ways";
	if (op && !op->filtered)
		return "opcode is one that the library answers itself";
	return NULL;
}

/* What it does nobody knows: what its data's direction says, and a write if there is none. */
static uint8_t io_access(uint8_t opcode)
{
	return (opcode & 3) == NVME_XFER_C2H ? NVME_ACCESS_READ : NVME_ACCESS_WRITE;
}

int nvme_hook_add(struct wrasse_subsystem *subsystem, const struct wrasse_hook *opts,
		  const char **why)
{
	struct nvme_hook *hook;

	if (subsystem->removing)
		return -ESHUTDOWN;
	*why = opts_check(opts);
	if (*why)
		return -EINVAL;
	if (subsystem_hook(subsystem, opts->admin, opts->opcode)) {
		*why = "opcode has a hook, or is namespace management's";
		return -EEXIST;
	}
	hook = malloc(sizeof(*hook));
	if (!hook)
		return -ENOMEM;
	*hook = (struct nvme_hook){
		.submit = opts->submit,
		.ctx = opts->ctx,
		.op = {.name = "a command of the embedder",
		       .xfer = (enum nvme_xfer)(opts->opcode & 3),
		       .on = opts->admin ? NVME_ON_ADMIN : NVME_ON_IO,
		       .ready = opts->admin,
		       .ns = !opts->admin,
		       .access = opts->admin ? 0 : io_access(opts->opcode),
		       .any_len = true,
		       .effects = opts->effects & ~NVME_EFFECT_SUPPORTED,
		       .execute = hook_execute},
	};
	atomic_store_explicit(&subsystem->hooks[opts->admin][opts->opcode], hook,
			      memory_order_release);
	return 0;
}

void nvme_hooks_free(struct wrasse_subsystem *subsystem)
{
	for (unsigned i = 0; i < 512; i++)
		free(subsystem_hook(subsystem, i / 256, i % 256));
}
