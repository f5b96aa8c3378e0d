/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model host's Fabrics and admin commands. The table of those that are sent by chance is at the end.
 */
#include <string.h>

#include "cmd.h"

#define ABORTS_MOST  4           /* that a controller takes at once, its ACL and one */
#define EVENTS_MOST  4           /* Asynchronous Event Requests that a controller takes */
#define NOTICE_NS    0x00040002u /* Changed Namespace List, an event of type notice */
#define FID_CACHE    0x06
#define RESERVATION  0x00800006u /* Reservation Notification, of type I/O command specific */
#define FID_QUEUES   0x07
#define FID_EVENTS   0x0b
#define CDW10_CNS_NS 2u

/* ---- Fabrics ---- */

static void connect_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	(void)slot;
	ctrl_connected(queue, answer->status, (uint32_t)answer->value);
}

static void property_was_set(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	(void)slot;
	(void)answer;
	cmd_property_get(queue, PROP_CSTS);
}

static void property_was_read(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	(void)slot;
	ctrl_property(queue, answer->status, answer->value);
}

static struct slot *fabrics(struct queue *queue, const struct cmd *cmd, uint8_t fctype)
{
	struct slot *slot = cmd_begin(queue, cmd);

	if (!slot)
		return NULL;
	queue_capsule(queue, slot)[SQE_FCTYPE] = fctype;
	slot->expect = ANY_STATUS;
	return slot;
}

bool cmd_connect(struct queue *queue)
{
	static const struct cmd cmd = {
		.name = "Connect", .opcode = OPC_FABRICS, .answered = connect_answered};
	struct slot *slot = fabrics(queue, &cmd, FCTYPE_CONNECT);
	struct host *host = queue->ctrl->host;
	uint8_t *capsule, *data;
	struct wire_sgl sgl;

	if (!slot)
		return false;
	capsule = queue_capsule(queue, slot);
	wire_put16(capsule, CONNECT_QID, queue->qid);
	wire_put16(capsule, CONNECT_SQSIZE, (uint16_t)(queue->told - 1));
	wire_put32(capsule, CONNECT_KATO, plan.kato_ms);
	if (queue->qid == 0 && rng_flip()) {
		data = capsule + 64;
		sgl = wire_sgl_plain(SGL_DATA_OFFSET, 0, CONNECT_DATA_LEN);
	} else {
		data = queue_data(queue, slot);
		sgl = wire_sgl_keyed(SGL_KEYED, (uintptr_t)data, CONNECT_DATA_LEN,
				     queue->data_mr->rkey);
	}
	memcpy(capsule + SQE_SGL, sgl.b, 16);
	memset(data, 0, CONNECT_DATA_LEN);
	memset(data + CONNECT_DATA_HOSTID, (int)host->index + 1, 16);
	wire_put16(data, CONNECT_DATA_CNTLID, queue->qid ? queue->ctrl->cntlid : 0xffff);
	strcpy((char *)data + CONNECT_DATA_SUBNQN, target.subsystem[queue->ctrl->subsystem].nqn);
	strcpy((char *)data + CONNECT_DATA_HOSTNQN, host->nqn);
	return queue_send(queue, slot, data == capsule + 64 ? 64 + CONNECT_DATA_LEN : 64);
}

bool cmd_property_set(struct queue *queue, uint32_t offset, uint64_t value)
{
	static const struct cmd cmd = {
		.name = "Property Set", .opcode = OPC_FABRICS, .answered = property_was_set};
	struct slot *slot = fabrics(queue, &cmd, FCTYPE_PROP_SET);

	if (!slot)
		return false;
	wire_put32(queue_capsule(queue, slot), 44, offset);
	wire_put64(queue_capsule(queue, slot), 48, value);
	return queue_send(queue, slot, 64);
}

bool cmd_property_get(struct queue *queue, uint32_t offset)
{
	static const struct cmd cmd = {
		.name = "Property Get", .opcode = OPC_FABRICS, .answered = property_was_read};
	struct slot *slot = fabrics(queue, &cmd, FCTYPE_PROP_GET);

	if (!slot)
		return false;
	wire_put32(queue_capsule(queue, slot), 44, offset);
	return queue_send(queue, slot, 64);
}

/* ---- Identify, log pages, features ---- */

static uint32_t identify_ctrl_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	wire_put32(capsule, SQE_CDW10, 1);
	return data_describe(queue, slot, 4096, DATA_KEYED);
}

static void identify_ctrl_answered(struct queue *queue, struct slot *slot,
				   const struct answer *answer)
{
	uint16_t cntlid = wire_get16(data_get(queue, slot), 78);

	if (!answer->status && cntlid != queue->ctrl->cntlid)
		sim_fail("Identify says controller %u to controller %u", cntlid,
			 queue->ctrl->cntlid);
}

static uint32_t identify_list_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	wire_put32(capsule, SQE_CDW10, CDW10_CNS_NS);
	return data_describe(queue, slot, 4096, DATA_KEYED);
}

/* Namespaces that there were at some time, each once, in order. */
static void identify_list_answered(struct queue *queue, struct slot *slot,
				   const struct answer *answer)
{
	const uint8_t *list = data_get(queue, slot);
	uint32_t last = 0, nsid;

	for (uint32_t i = 0; !answer->status && i < 1024; i++, last = nsid) {
		nsid = wire_get32(list, 4 * (size_t)i);
		if (nsid == 0)
			break;
		if (nsid <= last || nsid > media_count ||
		    media[nsid - 1].subsystem != queue->ctrl->subsystem)
			sim_fail("the list of namespaces has %u behind %u", nsid, last);
	}
}

static uint32_t log_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	wire_put32(capsule, SQE_NSID, 0xffffffff);
	if (plan.reservations && rng_flip()) {
		wire_put32(capsule, SQE_CDW10, 0x80u | (16 - 1) << 16);
		return data_describe(queue, slot, 64, DATA_KEYED);
	}
	wire_put32(capsule, SQE_CDW10, 4u | (1024 - 1) << 16);
	return data_describe(queue, slot, 4096, DATA_KEYED);
}

static uint32_t health_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	wire_put32(capsule, SQE_NSID, 0xffffffff);
	wire_put32(capsule, SQE_CDW10, 2u | (512 / 4 - 1) << 16);
	return data_describe(queue, slot, 512, DATA_KEYED);
}

/* The hottest of the namespaces, whichever there are. */
static void health_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	uint16_t temperature = wire_get16(data_get(queue, slot), 1);

	if (!answer->status && temperature &&
	    (temperature <= 300 || temperature > 300 + media_count))
		sim_fail("the health log tells %u K", temperature);
}

static uint32_t set_cache_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	(void)queue;
	wire_put32(capsule, SQE_CDW10, FID_CACHE);
	wire_put32(capsule, SQE_CDW11, rng_below(2));
	slot->expect = ANY_STATUS; /* backends that cannot, or there are none */
	return 64;
}

static uint32_t get_features_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	(void)queue;
	(void)slot;
	wire_put32(capsule, SQE_CDW10, FID_QUEUES);
	return 64;
}

static uint32_t set_events_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	(void)slot;
	wire_put32(capsule, SQE_CDW10, FID_EVENTS);
	wire_put32(capsule, SQE_CDW11, 1u << 8);
	queue->ctrl->wants_events = true;
	return 64;
}

/* ---- events and Keep Alive ---- */

static uint32_t aer_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	(void)capsule;
	if (queue->ctrl->events == EVENTS_MOST)
		return 0;
	queue->ctrl->events++;
	slot->patient = true;
	return 64;
}

static void aer_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	struct ctrl *ctrl = queue->ctrl;

	(void)slot;
	ctrl->events--;
	if (plan.reservations && (uint32_t)answer->value == RESERVATION)
		return;
	if (!answer->status && (!ctrl->wants_events || (uint32_t)answer->value != NOTICE_NS))
		sim_fail("host %u hears of event %#x, which it %s", ctrl->host->index,
			 (uint32_t)answer->value,
			 ctrl->wants_events ? "does not know" : "did not ask for");
}

static uint32_t keep_alive_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	(void)queue;
	(void)capsule;
	slot->expect = plan.kato_ms ? ST_OK : ST_KATO;
	return 64;
}

static const struct cmd keep_alive = {
	.name = "Keep Alive", .opcode = OPC_KEEP_ALIVE, .make = keep_alive_make};

bool cmd_keep_alive(struct queue *queue)
{
	return queue->state == QUEUE_LIVE && cmd_send(queue, &keep_alive);
}

/* ---- Abort ---- */

enum { SAID_NOTHING, SAID_ABORTED, SAID_NOT_ABORTED };

/* A command that may be aborted, of some queue; NULL: there is none. */
static struct slot *choose_victim(struct ctrl *ctrl, uint16_t *qid)
{
	struct slot *some = NULL;
	unsigned seen = 0;

	for (uint16_t q = 0; q < ctrl->queues; q++) {
		struct queue *queue = &ctrl->queue[q];

		for (uint32_t i = 0; queue->state == QUEUE_LIVE && i < queue->depth; i++) {
			struct slot *slot = &queue->slot[i];

			if (!slot->busy || slot->abort_sent || slot->cmd->junk ||
			    slot->cmd->opcode == OPC_FABRICS || slot->victim.real ||
			    rng_below(++seen))
				continue;
			some = slot;
			*qid = q;
		}
	}
	return some;
}

static unsigned aborts_out(const struct queue *queue)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < queue->depth; i++)
		count += queue->slot[i].busy && queue->slot[i].cmd->opcode == OPC_ABORT;
	return count;
}

static uint32_t abort_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint16_t qid = (uint16_t)rng_below(plan.io_queues + 1);
	struct slot *victim = rng_one_in(4) ? NULL : choose_victim(queue->ctrl, &qid);

	if (aborts_out(queue) == ABORTS_MOST)
		return 0;
	/* Nobody's: no command has such an identifier. */
	slot->victim.cid = (uint16_t)(0xff | rng_below(256) << 8);
	slot->victim.status = ANY_STATUS;
	if (victim) {
		slot->victim.real = true;
		slot->victim.cid = victim->cid;
		victim->abort_sent = true;
	}
	slot->victim.qid = qid;
	wire_put32(capsule, SQE_CDW10, qid | (uint32_t)slot->victim.cid << 16);
	return 64;
}

/* What the Abort said must be what the command was answered with. */
static void check_abort(int said, uint16_t status)
{
	if (status == ANY_STATUS || said == SAID_NOTHING)
		return;
	if ((said == SAID_ABORTED) != (status == ST_ABORTED))
		sim_fail("Abort says that the command was %saborted, which was answered with %#x",
			 said == SAID_ABORTED ? "" : "not ", status);
}

static void abort_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	int said = answer->value & 1 ? SAID_NOT_ABORTED : SAID_ABORTED;
	struct queue *of = &queue->ctrl->queue[slot->victim.qid];

	if (answer->status)
		return;
	if (!slot->victim.real && said == SAID_ABORTED)
		sim_fail("Abort says that it aborted a command that nobody sent");
	check_abort(said, slot->victim.status);
	for (uint32_t i = 0; slot->victim.real && i < of->depth; i++)
		if (of->slot[i].busy && of->slot[i].abort_sent &&
		    of->slot[i].cid == slot->victim.cid)
			of->slot[i].abort_said = said;
}

void abort_victim_ended(struct queue *queue, const struct slot *victim, uint16_t status)
{
	struct queue *admin = &queue->ctrl->queue[0];

	if (!victim->abort_sent)
		return;
	check_abort(victim->abort_said, status);
	for (uint32_t i = 0; i < admin->depth; i++) {
		struct slot *slot = &admin->slot[i];

		if (slot->busy && slot->victim.real && slot->victim.qid == queue->qid &&
		    slot->victim.cid == victim->cid)
			slot->victim.status = status;
	}
}

/* ---- all of them ---- */

static const struct cmd admin_cmds[] = {
	{.name = "Identify Controller",
	 .opcode = OPC_IDENTIFY,
	 .weight = 2,
	 .reads = true,
	 .make = identify_ctrl_make,
	 .answered = identify_ctrl_answered},
	{.name = "Identify, active namespaces",
	 .opcode = OPC_IDENTIFY,
	 .weight = 1,
	 .reads = true,
	 .make = identify_list_make,
	 .answered = identify_list_answered},
	{.name = "Get Log Page",
	 .opcode = OPC_GET_LOG,
	 .weight = 1,
	 .reads = true,
	 .make = log_make},
	{.name = "Get Log Page, health",
	 .opcode = OPC_GET_LOG,
	 .weight = 1,
	 .reads = true,
	 .make = health_make,
	 .answered = health_answered},
	{.name = "Set Features, write cache",
	 .opcode = OPC_SET_FEATURES,
	 .weight = 1,
	 .make = set_cache_make},
	{.name = "Asynchronous Event Request",
	 .opcode = OPC_AER,
	 .weight = 2,
	 .make = aer_make,
	 .answered = aer_answered},
	{.name = "Abort",
	 .opcode = OPC_ABORT,
	 .weight = 3,
	 .make = abort_make,
	 .answered = abort_answered},
	{.name = "Get Features",
	 .opcode = OPC_GET_FEATURES,
	 .weight = 1,
	 .make = get_features_make},
	{.name = "Set Features", .opcode = OPC_SET_FEATURES, .weight = 1, .make = set_events_make},
	{.name = "Keep Alive", .opcode = OPC_KEEP_ALIVE, .weight = 1, .make = keep_alive_make},
};

bool cmd_admin(struct queue *queue)
{
	/* One is kept free for Keep Alive, one for a property. */
	if (queue->busy + 3 > queue->depth)
		return false;
	if (plan.hooks && rng_one_in(8))
		return hook_cmd(queue);
	if (plan.manages && rng_flip())
		return manage_cmd(queue);
	return cmd_send_some(queue, admin_cmds, sizeof(admin_cmds) / sizeof(admin_cmds[0]));
}
