/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What all commands of model hosts have in common: how a capsule begins, and what every answer must keep to.
 */
#include <string.h>

#include "cmd.h"

#include "nvme/wire.h"

struct slot *cmd_begin(struct queue *queue, const struct cmd *cmd)
{
	struct slot *slot = queue_slot(queue);
	struct wire_sgl none = wire_sgl_keyed(SGL_KEYED, 0, 0, 0);
	uint8_t *capsule;

	if (!slot)
		return NULL;
	slot->cmd = cmd;
	capsule = queue_capsule(queue, slot);
	memset(capsule, 0, 64);
	capsule[SQE_OPC] = cmd->opcode;
	capsule[SQE_FLAGS] = SQE_PSDT_SGL;
	memcpy(capsule + SQE_SGL, none.b, 16);
	return slot;
}

bool cmd_send(struct queue *queue, const struct cmd *cmd)
{
	struct slot *slot = cmd_begin(queue, cmd);
	uint32_t len = slot ? cmd->make(queue, slot, queue_capsule(queue, slot)) : 0;

	if (!len)
		return false;
	if (cmd->reads)
		data_poison(queue, slot);
	return queue_send(queue, slot, len == CAPSULE_EMPTY ? 0 : len);
}

bool cmd_send_some(struct queue *queue, const struct cmd *table, size_t count)
{
	uint32_t all = 0, dice;

	for (size_t i = 0; i < count; i++)
		all += table[i].weight;
	dice = rng_below(all);
	for (; dice >= table->weight; table++)
		dice -= table->weight;
	return cmd_send(queue, table);
}

void cmd_cut(struct queue *queue, struct slot *slot)
{
	abort_victim_ended(queue, slot, ANY_STATUS);
	if (slot->cmd->cut)
		slot->cmd->cut(slot);
}

/* ---- answers ---- */

static bool namespace_may_lack(const struct queue *queue, const struct slot *slot)
{
	bool going = target.subsystem[queue->ctrl->subsystem].removing ||
		     (slot->media && slot->media->removing);

	/* A group attaches in its next poll, and hosts may be faster; a host may be detached. */
	return going || !plan.calm || (slot->refused && plan.manages) ||
	       (slot->media && (plan.attach_fails || slot->media->masked));
}

/* Whether a command that is well-formed may fail so, given what this run and its host do to it. */
static bool may_fail(const struct queue *queue, const struct slot *slot, uint16_t status)
{
	bool upset = ctrl_is_upset(queue->ctrl) || !plan.calm;

	switch (status) {
	case ST_WRITE_FAULT:
		return plan.error && slot->media;
	case ST_UNRECOVERED: /* host_io.c looks whether there is such a block */
		return plan.uncorrectable && slot->media;
	case ST_INTERRUPTED:
		/* The backend may end it when its Abort has been answered, or took too long. */
		return ((plan.error || plan.io_timeout_ms) && slot->media) || slot->half ||
		       slot->abort_sent;
	case ST_MISSING_FUSED: /* there were too many first halves */
		return slot->half;
	case ST_FAILED_FUSED: /* the other half may have failed */
		return slot->half && (plan.error || plan.reservations || plan.uncorrectable ||
				      upset || namespace_may_lack(queue, slot));
	case ST_ABORTED:
		return slot->abort_sent;
	case ST_CONFLICT:
	case ST_PREEMPTED:
		return queue->qid && plan.reservations;
	case ST_FIELD: /* RTYPE is another, PRKEY 0, PTPL cannot be */
		return queue->qid && plan.reservations &&
		       slot->cmd->opcode >= NVME_OPC_RESV_REGISTER;
	case ST_INTERNAL: /* no memory for what a host reserves */
		return queue->qid && (plan.fault[FAULT_ALLOC] || plan.allocs_failed) &&
		       slot->cmd->opcode >= NVME_OPC_RESV_REGISTER;
	case ST_SQ_DELETED:
		return (queue->qid || slot->patient) && upset;
	case ST_SEQUENCE:
		return queue->qid == 0 && upset;
	case ST_NAMESPACE:
		return namespace_may_lack(queue, slot);
	case ST_NS_NOT_READY:
		return slot->media && namespace_may_lack(queue, slot);
	case ST_ANA_LOSS:
	case ST_ANA_INACCESSIBLE:
	case ST_ANA_TRANSITION:
		return queue->qid && !plan.calm;
	default:
		return false;
	}
}

void cmd_answered(struct queue *queue, struct slot *slot, const uint8_t *cqe, uint32_t invalidated)
{
	struct answer answer = {(uint16_t)(wire_get16(cqe, CQE_STATUS) >> 1 & 0x7ff),
				wire_get64(cqe, CQE_DW0), invalidated};

	windows_answered(slot, invalidated);
	if (slot->cmd->junk)
		return;
	windows_check(slot, &answer);
	if (slot->expect != ANY_STATUS && answer.status != slot->expect &&
	    !may_fail(queue, slot, answer.status))
		sim_fail("host %u queue %u: %s was answered with %#x, which should be %#x",
			 queue->ctrl->host->index, queue->qid, slot->cmd->name, answer.status,
			 slot->expect);
	if (answer.status)
		host_counts.errors++;
	if (slot->cmd->reads)
		data_check(queue, slot, answer.status != ST_OK);
	abort_victim_ended(queue, slot, answer.status);
	/* Last: it may send something else in the slot. */
	if (slot->cmd->answered)
		slot->cmd->answered(queue, slot, &answer);
}
