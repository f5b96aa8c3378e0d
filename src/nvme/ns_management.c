/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespace Management and Namespace Attachment (NVMe Base 2.0 5.22, 5.23): lines of the admin
 * command table that a subsystem has once the embedder wants them, in the place of hooks. What is
 * created and deleted is the embedder's; who is attached is decided here, with the target's lock.
 * The thread of the admin queue's group.
 */
#include "nvme/ns_management.h"

#include <errno.h>
#include <stdlib.h>

#include "nvme/ctrl.h"
#include "nvme/wire_admin.h"

#define LEAST_BLOCK_SIZE 512u
#define MOST_BLOCK_SIZE  65536u
#define CSI_SHIFT        24 /* CDW11 */

/* FLBAS: which format, bits 3:0 and 6:5 (NVM Command Set 1.0 figure 97). */
#define FLBAS_FORMAT(flbas) (((flbas)&0xf) | ((flbas) >> 1 & 0x30))

#define NMIC_SHARED 1u

static const struct wrasse_ns_management *management_of(const struct nvme_queue *queue)
{
	return &queue->ctrl->subsystem->management;
}

/* ---- who may, and what there is ---- */

static bool is_there(const struct wrasse_subsystem *subsystem)
{
	return atomic_load_explicit(&subsystem->hooks[true][NVME_OPC_NS_ATTACHMENT],
				    memory_order_acquire) &&
	       subsystem->management.create;
}

bool nvme_management_allows(const struct nvme_queue *queue)
{
	const struct wrasse_ns_management *management = management_of(queue);

	if (queue->on != NVME_ON_ADMIN || !is_there(queue->ctrl->subsystem))
		return false;
	return !management->may_manage ||
	       management->may_manage(management->ctx, queue->ctrl->hostnqn);
}

struct wrasse_ns_capacity nvme_management_capacity(const struct nvme_queue *queue)
{
	const struct wrasse_ns_management *management = management_of(queue);
	struct wrasse_ns_capacity capacity = {0};

	if (management->capacity)
		management->capacity(management->ctx, &capacity);
	return capacity;
}

/* Return: the size of blocks in a format, 0: there is no such format. */
static uint32_t format_size(const struct wrasse_subsystem *subsystem, uint32_t format)
{
	for (uint32_t size = LEAST_BLOCK_SIZE; size <= MOST_BLOCK_SIZE; size *= 2) {
		if ((subsystem->management.block_sizes & size) && format-- == 0)
			return size;
	}
	return 0;
}

void nvme_management_formats_put(const struct wrasse_subsystem *subsystem, struct nvme_id_ns *id)
{
	uint32_t count = 0, size;

	while ((size = format_size(subsystem, count)) != 0)
		id->lbaf[count++].lbads = (uint8_t)__builtin_ctz(size);
	id->nlbaf = (uint8_t)(count - 1);
}

/* ---- both commands ---- */

static uint32_t command_sel(const struct nvme_request *request)
{
	return nvme_get32(request->cmd.cdw10) & NVME_SEL;
}

static int64_t refuse_sel(struct nvme_request *request)
{
	nvme_refuse_field(request, NVME_AT_CDW10, "SEL is no operation");
	return NVME_REFUSED;
}

/* What there is to be checked wants the lock. */
static enum nvme_next management_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	(void)request;
	(void)now_ns;
	(void)actions;
	return NVME_REGISTRY;
}

/* REGISTRY. Return: the namespace that a command names, attached or not; NULL: it is refused. */
static struct wrasse_namespace *command_ns(struct nvme_request *request)
{
	uint32_t nsid = nvme_get32(request->cmd.nsid);
	struct wrasse_namespace *ns;

	if (!nvme_identify_nsid_is_valid(request)) {
		nvme_identify_refuse_nsid(request);
		return NULL;
	}
	ns = nvme_ns_find(request->queue->ctrl->subsystem, nsid);
	if (ns && !ns->removing)
		return ns;
	nvme_refuse_field(request, NVME_AT_NSID, "the namespace is not allocated");
	return NULL;
}

static struct nvme_request *request_of(struct wrasse_command *command)
{
	return (struct nvme_request *)((uintptr_t)command - offsetof(struct nvme_request, command));
}

/* ---- create and delete ---- */

static int64_t management_data_len(struct nvme_request *request)
{
	switch (command_sel(request)) {
	case NVME_SEL_CREATE:
		return NVME_PAGE_LEN;
	case NVME_SEL_DELETE:
		return 0;
	default:
		return refuse_sel(request);
	}
}

static bool refuse_create(struct nvme_request *request, uint8_t sc, const char *why)
{
	nvme_refuse(request, NVME_COMMAND(sc), NVME_AT_NONE, why);
	return false;
}

/* What a host's structure says. Return: whether it can be; else the request is refused. */
static bool create_parse(struct nvme_request *request, struct wrasse_ns_create *wanted)
{
	const struct wrasse_subsystem *subsystem = request->queue->ctrl->subsystem;
	struct nvme_id_ns id;

	nvme_in_get(request, &id, sizeof(id));
	*wanted = (struct wrasse_ns_create){
		.block_count = nvme_get64(id.nsze),
		.block_size = format_size(subsystem, FLBAS_FORMAT(id.flbas)),
		.ana_group = nvme_get32(id.anagrpid),
		.shared = id.nmic & NMIC_SHARED,
	};
	if (nvme_get32(request->cmd.cdw11) >> CSI_SHIFT != NVME_CSI_NVM)
		return refuse_create(request, NVME_SC_COMMAND_SET,
				     "CSI is not the NVM Command Set");
	if (!wanted->block_size)
		return refuse_create(request, NVME_SC_INVALID_FORMAT, "FLBAS is no format");
	if (wanted->block_count == 0 || nvme_get64(id.ncap) > wanted->block_count || id.dps ||
	    nvme_get16(id.nvmsetid) || nvme_get16(id.endgid)) {
		nvme_refuse_field(request, NVME_AT_NONE,
				  "NSZE, NCAP, DPS, NVMSETID or ENDGID cannot be");
		return false;
	}
	if (nvme_get64(id.ncap) < wanted->block_count)
		return refuse_create(request, NVME_SC_THIN_PROVISIONING, "NCAP is less than NSZE");
	if (wanted->block_count > (uint64_t)INT64_MAX / wanted->block_size)
		return refuse_create(request, WRASSE_SC_NS_CAPACITY,
				     "NSZE is above 2^63 - 1 bytes");
	if (wanted->ana_group > subsystem->ana_groups)
		return refuse_create(request, NVME_SC_ANA_GROUP, "ANAGRPID is above ANAGRPMAX");
	return true;
}

/* REGISTRY. Namespaces that are on their way out have their ids still. */
static bool has_free_nsid(struct wrasse_subsystem *subsystem)
{
	return nvme_ns_lowest_free(subsystem) <= subsystem->max_namespaces;
}

static bool create_check(struct nvme_request *request)
{
	struct wrasse_ns_create wanted;

	if (nvme_get32(request->cmd.nsid) != 0) {
		nvme_refuse_field(request, NVME_AT_NSID, "NSID of a namespace to be created");
		return false;
	}
	if (!create_parse(request, &wanted))
		return false;
	if (has_free_nsid(request->queue->ctrl->subsystem))
		return true;
	return refuse_create(request, WRASSE_SC_NS_ID_UNAVAILABLE, "max_namespaces is reached");
}

static bool delete_check(struct nvme_request *request)
{
	return nvme_get32(request->cmd.nsid) == NVME_NSID_ALL || command_ns(request);
}

static enum nvme_next management_execute_registry(struct nvme_request *request, uint64_t now_ns,
						  struct nvme_actions *actions)
{
	bool create = command_sel(request) == NVME_SEL_CREATE;

	(void)now_ns;
	(void)actions;
	if (!(create ? create_check(request) : delete_check(request)))
		return NVME_RESPOND;
	return nvme_hook_ask(request);
}

static void management_submit(struct wrasse_command *command)
{
	struct nvme_request *request = request_of(command);
	const struct wrasse_ns_management *management = management_of(request->queue);
	struct wrasse_ns_create wanted;

	if (command_sel(request) == NVME_SEL_DELETE)
		management->remove(command);
	else if (create_parse(request, &wanted)) /* as it did before */
		management->create(command, &wanted);
}

/* ---- attach and detach ---- */

static int64_t attachment_data_len(struct nvme_request *request)
{
	return command_sel(request) > NVME_SEL_DETACH ? refuse_sel(request) : NVME_PAGE_LEN;
}

/* A host's list, in the order that it gave. */
struct list {
	struct wrasse_namespace *ns;
	uint32_t count;
	struct nvme_ctrl_list wire;
};

/* REGISTRY. The host of an entry; NULL: no controller of the subsystem has that id. */
static const char *list_host(const struct list *list, uint32_t index)
{
	const struct nvme_ctrl *ctrl = list->ns->subsystem->ctrls;
	uint16_t id = nvme_get16(list->wire.id[index]);

	while (ctrl &&
	       (ctrl->cntlid != id || atomic_load_explicit(&ctrl->ended, memory_order_relaxed)))
		ctrl = ctrl->next;
	return ctrl ? ctrl->hostnqn : NULL;
}

static bool is_attached(const struct wrasse_namespace *ns, const char *hostnqn)
{
	return !ns->restricted || *nvme_host_find(&ns->hosts, hostnqn);
}

/* Whether a host would be the second of a namespace that may have one. */
static bool is_second(const struct list *list, const char *hostnqn)
{
	return list->ns->one_host && (list->ns->hosts || strcmp(hostnqn, list_host(list, 0)) != 0);
}

/* Return: success, or what is wrong with an entry. */
static struct wrasse_status entry_check(const struct list *list, uint32_t index, bool attach)
{
	const char *hostnqn = list_host(list, index);

	if (!hostnqn)
		return NVME_COMMAND(NVME_SC_CTRL_LIST);
	if (attach && is_attached(list->ns, hostnqn))
		return NVME_COMMAND(NVME_SC_ALREADY_ATTACHED);
	if (attach && is_second(list, hostnqn))
		return NVME_COMMAND(NVME_SC_NS_PRIVATE);
	if (!attach && !is_attached(list->ns, hostnqn))
		return NVME_COMMAND(NVME_SC_NOT_ATTACHED);
	if (!list->ns->restricted)
		return NVME_GENERIC(NVME_SC_OPERATION_DENIED);
	return wrasse_status_ok();
}

/* REGISTRY. Nothing is changed yet. */
static struct wrasse_status list_check(const struct list *list, bool attach)
{
	struct wrasse_status status = wrasse_status_ok();

	if (list->count == 0 || list->count > NVME_CTRL_LIST_MAX)
		return NVME_COMMAND(NVME_SC_CTRL_LIST);
	for (uint32_t i = 0; i < list->count && wrasse_status_is_ok(status); i++)
		status = entry_check(list, i, attach);
	return status;
}

/* REGISTRY. Several controllers may be one host's. */
static void list_detach(const struct list *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		nvme_ns_disallow_host(list->ns, list_host(list, i));
}

/* REGISTRY. Without memory nobody stays attached. */
static struct wrasse_status list_attach(const struct list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (nvme_ns_attach_host(list->ns, list_host(list, i)) != -ENOMEM)
			continue;
		list_detach(list, i);
		return wrasse_status_make(WRASSE_SCT_GENERIC, WRASSE_SC_INTERNAL, false);
	}
	return wrasse_status_ok();
}

static enum nvme_next attachment_execute_registry(struct nvme_request *request, uint64_t now_ns,
						  struct nvme_actions *actions)
{
	bool attach = command_sel(request) == NVME_SEL_ATTACH;
	struct list list = {.ns = command_ns(request)};
	struct wrasse_status status;

	(void)now_ns;
	if (!list.ns)
		return NVME_RESPOND;
	nvme_in_get(request, &list.wire, sizeof(list.wire));
	list.count = nvme_get16(list.wire.count);
	status = list_check(&list, attach);
	if (wrasse_status_is_ok(status) && attach)
		status = list_attach(&list);
	else if (wrasse_status_is_ok(status))
		list_detach(&list, list.count);
	if (!wrasse_status_is_ok(status))
		return nvme_refuse(request, status, NVME_AT_NONE, "the controller list");
	actions->attention = true;
	actions->news = attach ? "has attached a namespace" : "has detached a namespace";
	if (!management_of(request->queue)->attached)
		return nvme_succeed(request, 0);
	nvme_hook_ask(request);
	request->command.status = wrasse_status_ok();
	return NVME_HOOK;
}

static void attachment_submit(struct wrasse_command *command)
{
	management_of(request_of(command)->queue)->attached(command);
}

/* ---- life ---- */

static const struct nvme_op management_op = {
	.name = "Namespace Management",
	.xfer = NVME_XFER_H2C,
	.on = NVME_ON_ADMIN,
	.ready = true,
	.manages = true,
	.effects = NVME_EFFECT_INVENTORY,
	.data_len = management_data_len,
	.execute = management_execute,
	.execute_registry = management_execute_registry,
};

static const struct nvme_op attachment_op = {
	.name = "Namespace Attachment",
	.xfer = NVME_XFER_H2C,
	.on = NVME_ON_ADMIN,
	.ready = true,
	.manages = true,
	.effects = NVME_EFFECT_INVENTORY,
	.data_len = attachment_data_len,
	.execute = management_execute,
	.execute_registry = attachment_execute_registry,
};

/* Return: NULL, or what is wrong. */
static const char *opts_check(const struct wrasse_subsystem *subsystem,
			      const struct wrasse_ns_management *opts)
{
	if (!opts->create || !opts->remove)
		return "create or remove is NULL";
	if (opts->block_sizes & ~(MOST_BLOCK_SIZE * 2 - LEAST_BLOCK_SIZE))
		return "block_sizes has a bit that is no power of two from 512 to 65536";
	if (opts->block_sizes >= subsystem->registry->limits->max_data_len * 2)
		return "block_sizes has a size above the target's max_data_len";
	return NULL;
}

static void publish(struct wrasse_subsystem *subsystem, uint8_t opcode, struct nvme_hook *hook)
{
	atomic_store_explicit(&subsystem->hooks[true][opcode], hook, memory_order_release);
}

int nvme_management_set(struct wrasse_subsystem *subsystem, const struct wrasse_ns_management *opts,
			const char **why)
{
	struct nvme_hook *management, *attachment;

	if (subsystem->removing)
		return -ESHUTDOWN;
	*why = opts_check(subsystem, opts);
	if (*why)
		return -EINVAL;
	if (subsystem->hooks[true][NVME_OPC_NS_MANAGEMENT] ||
	    subsystem->hooks[true][NVME_OPC_NS_ATTACHMENT]) {
		*why = "Namespace Management or Attachment has a hook, or is set";
		return -EEXIST;
	}
	management = malloc(sizeof(*management));
	attachment = malloc(sizeof(*attachment));
	if (!management || !attachment) {
		free(management);
		free(attachment);
		return -ENOMEM;
	}
	subsystem->management = *opts;
	if (!opts->block_sizes)
		subsystem->management.block_sizes = LEAST_BLOCK_SIZE;
	*management = (struct nvme_hook){management_submit, opts->ctx, management_op};
	*attachment = (struct nvme_hook){attachment_submit, opts->ctx, attachment_op};
	publish(subsystem, NVME_OPC_NS_MANAGEMENT, management);
	publish(subsystem, NVME_OPC_NS_ATTACHMENT, attachment);
	return 0;
}
