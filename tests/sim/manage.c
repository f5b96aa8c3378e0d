/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces that hosts manage: an embedder that makes and destroys them, and is told who is attached; hosts that
 * create, attach, detach and delete them while the operator does the same. Who sees a namespace is held against the
 * model after each change.
 */
#include <errno.h>
#include <string.h>

#include "cmd.h"

#define OPC_MANAGEMENT 0x0d
#define OPC_ATTACHMENT 0x15
#define SEL_CREATE     0u
#define SEL_DELETE     1u
#define SEL_ATTACH     0u
#define SEL_DETACH     1u
#define CREATE_NSZE    0
#define CREATE_NCAP    8
#define CREATE_NMIC    30

#define ST_CAPACITY     0x115
#define ST_NO_NSID      0x116
#define ST_ATTACHED     0x118
#define ST_NOT_ATTACHED 0x11a
#define ST_CTRL_LIST    0x11c

static bool managed[SIM_MAX_SUBSYSTEMS];

/* ---- as the embedder ---- */

static struct media *media_of(uint32_t nsid)
{
	struct media *m = nsid - 1 < media_count ? &media[nsid - 1] : NULL;

	return m && !m->removing ? m : NULL;
}

static void check_call(const struct wrasse_command *command, uint8_t opcode)
{
	if (in_library < 0 || in_library >= SIM_MAX_GROUPS)
		sim_fail("namespace management was asked outside wrasse_poll_group_poll()");
	if (!command->admin || command->opcode != opcode)
		sim_fail("namespace management was given opcode %#x", command->opcode);
}

static void create(struct wrasse_command *command, const struct wrasse_ns_create *wanted)
{
	unsigned subsystem = (unsigned)(uintptr_t)command->ctx;
	struct media *m;

	check_call(command, OPC_MANAGEMENT);
	if (wanted->block_size != SIM_BLOCK || !wanted->shared)
		sim_fail("a host wants another namespace than it said");
	m = target.subsystem[subsystem].removing ? NULL : control_ns_add(subsystem);
	if (m)
		command->result = m->nsid;
	hook_answer(command,
		    m ? wrasse_status_ok() :
			wrasse_status_make(WRASSE_SCT_COMMAND, WRASSE_SC_NS_CAPACITY, false));
}

static void delete (struct wrasse_command *command)
{
	struct media *m = media_of(command->nsid);

	check_call(command, OPC_MANAGEMENT);
	/* It was there when the library looked. */
	if (!m)
		sim_fail("a host has namespace %u deleted, which is not there", command->nsid);
	control_ns_remove(m);
	hook_answer(command, wrasse_status_ok());
}

static bool is_named(const struct media *m, const char *hostnqn)
{
	char name[224];

	for (uint32_t i = 0; !wrasse_namespace_host(m->ns, i, name, sizeof(name)); i++)
		if (strcmp(name, hostnqn) == 0)
			return true;
	return false;
}

static void attached(struct wrasse_command *command)
{
	struct media *m = media_of(command->nsid);
	bool attach = (command->cdw10 & 0xf) == SEL_ATTACH;

	check_call(command, OPC_ATTACHMENT);
	if (!m || !m->masked)
		sim_fail("a host was attached to namespace %u, which is not there, or for all",
			 command->nsid);
	for (unsigned i = 0; i < plan.hosts; i++) {
		if (strcmp(hosts[i].nqn, command->hostnqn) == 0) {
			if (m->shown[i] == attach)
				sim_fail("host %u was attached or detached a second time", i);
			m->shown[i] = attach;
		}
		if (is_named(m, hosts[i].nqn) != m->shown[i])
			sim_fail("host %u %s namespace %u", i,
				 m->shown[i] ? "does not see" : "sees", m->nsid);
	}
	trace_mix("host attached or detached", m->nsid, attach);
	hook_answer(command, wrasse_status_ok());
}

void manage_add(unsigned subsystem)
{
	struct wrasse_subsystem *to = target.subsystem[subsystem].subsystem;
	struct wrasse_ns_management management;
	int rc;

	managed[subsystem] = false;
	if (!plan.manages)
		return;
	wrasse_ns_management_init(&management);
	management.block_sizes = SIM_BLOCK;
	management.create = create;
	management.remove = delete;
	management.attached = attached;
	management.ctx = (void *)(uintptr_t)subsystem;
	rc = wrasse_subsystem_set_ns_management(to, &management);
	if (rc && plan.retry)
		rc = wrasse_subsystem_set_ns_management(to, &management);
	if (rc && rc != -ENOMEM)
		sim_fail("wrasse_subsystem_set_ns_management: %s", strerror(-rc));
	managed[subsystem] = !rc;
}

/* ---- as a host ---- */

/* One that only named hosts see: others cannot be detached. */
static struct media *masked_media(const struct ctrl *ctrl)
{
	struct media *some = NULL;
	unsigned seen = 0;

	for (unsigned i = 0; i < media_count; i++)
		if (media[i].subsystem == ctrl->subsystem && media[i].masked &&
		    !media[i].removing && !rng_below(++seen))
			some = &media[i];
	return some;
}

/* A command that is well-formed succeeds, or fails in one way, or because its namespace goes, or as any admin
 * command of a host or run that is upset may. */
static void manage_check(const struct queue *queue, const struct slot *slot, uint16_t status,
			 uint16_t refusal)
{
	bool upset = ctrl_is_upset(queue->ctrl) || !plan.calm;

	switch (status) {
	case ST_OK:
		return;
	case ST_FIELD:
		if (slot->media && slot->media->removing)
			return;
		break;
	case ST_ABORTED:
		if (slot->abort_sent)
			return;
		break;
	case ST_SEQUENCE:
	case ST_CTRL_LIST:
	case ST_INTERNAL:
		if (upset)
			return;
		break;
	default:
		if (status == refusal)
			return;
		break;
	}
	sim_fail("host %u: %s was answered with %#x", queue->ctrl->host->index, slot->cmd->name,
		 status);
}

static uint32_t create_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint8_t *bytes = data_scratch();
	uint32_t capsule_len = data_describe(queue, slot, 4096, DATA_KEYED);

	wire_put32(capsule, SQE_CDW10, SEL_CREATE);
	memset(bytes, 0, 4096);
	wire_put64(bytes, CREATE_NSZE, plan.blocks);
	wire_put64(bytes, CREATE_NCAP, plan.blocks);
	bytes[CREATE_NMIC] = 1;
	data_put(queue, slot, bytes);
	slot->expect = ANY_STATUS;
	return capsule_len;
}

static void create_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	uint32_t nsid = (uint32_t)answer->value;

	/* As many as the model and the subsystem have room for: whoever looks first says so. */
	bool full = media_count == SIM_MAX_MEDIA && answer->status == ST_NO_NSID;

	if (!answer->status &&
	    (nsid - 1 >= media_count || media[nsid - 1].subsystem != queue->ctrl->subsystem))
		sim_fail("a host created namespace %u, which is not there", nsid);
	manage_check(queue, slot, answer->status, full ? ST_NO_NSID : ST_CAPACITY);
}

static uint32_t delete_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	struct media *m = rng_one_in(4) ? masked_media(queue->ctrl) : NULL;

	if (!m)
		return 0;
	slot->media = m;
	slot->expect = ANY_STATUS;
	wire_put32(capsule, SQE_NSID, m->nsid);
	wire_put32(capsule, SQE_CDW10, SEL_DELETE);
	return 64;
}

static void delete_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	if (!answer->status && !slot->media->removing)
		sim_fail("namespace %u was deleted and is there", slot->media->nsid);
	manage_check(queue, slot, answer->status, ST_OK);
}

static uint32_t attachment_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	struct media *m = masked_media(queue->ctrl);
	uint8_t *bytes = data_scratch();
	uint32_t capsule_len;

	if (!m)
		return 0;
	slot->media = m;
	slot->expect = ANY_STATUS;
	slot->gen = rng_flip() ? SEL_ATTACH : SEL_DETACH;
	wire_put32(capsule, SQE_NSID, m->nsid);
	wire_put32(capsule, SQE_CDW10, slot->gen);
	capsule_len = data_describe(queue, slot, 4096, DATA_KEYED);
	memset(bytes, 0, 4096);
	wire_put16(bytes, 0, 1);
	wire_put16(bytes, 2, queue->ctrl->cntlid);
	data_put(queue, slot, bytes);
	return capsule_len;
}

static void attachment_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	manage_check(queue, slot, answer->status,
		     slot->gen == SEL_ATTACH ? ST_ATTACHED : ST_NOT_ATTACHED);
}

bool manage_cmd(struct queue *queue)
{
	static const struct cmd cmds[] = {
		{.name = "Namespace Management, create",
		 .opcode = OPC_MANAGEMENT,
		 .weight = 1,
		 .make = create_make,
		 .answered = create_answered},
		{.name = "Namespace Management, delete",
		 .opcode = OPC_MANAGEMENT,
		 .weight = 1,
		 .make = delete_make,
		 .answered = delete_answered},
		{.name = "Namespace Attachment",
		 .opcode = OPC_ATTACHMENT,
		 .weight = 4,
		 .make = attachment_make,
		 .answered = attachment_answered},
	};

	return managed[queue->ctrl->subsystem] && cmd_send_some(queue, cmds, 3);
}
