/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The embedder's own commands: hooks that answer at once, late or from what looks like another
 * thread, and hosts that send such commands, with data both ways that is checked to the byte.
 */
#include <errno.h>
#include <string.h>

#include "cmd.h"

#define OPC_TAKE 0xc1        /* data for the target */
#define OPC_GIVE 0xc2        /* data for the host */
#define MAGIC    0x77726173u /* CDW11: a good host has sent it */

static struct held {
	struct wrasse_command *command;
	unsigned group;
	bool remote;
	bool decided; /* what is answered is known: manage.c */
	struct wrasse_status status;
} held[SIM_MAX_IO];
static unsigned held_count;
static bool hooked[SIM_MAX_SUBSYSTEMS];

static uint8_t byte_of(uint32_t token, uint64_t at)
{
	return (uint8_t)((token + at) * 31 + (at >> 8));
}

/* ---- as the embedder ---- */

/* Fills the data, or finds what the host has sent. */
static void data_pass(const struct wrasse_command *command)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < command->iov_count; i++) {
		uint8_t *bytes = command->iov[i].iov_base;

		for (size_t k = 0; k < command->iov[i].iov_len; k++, at++) {
			uint8_t want = byte_of(command->cdw10, at);

			if (command->opcode == OPC_TAKE && bytes[k] != want)
				sim_fail("byte %llu of a hooked command is %#x, not %#x",
					 (unsigned long long)at, bytes[k], want);
			if (command->opcode == OPC_GIVE && bytes[k])
				sim_fail("a hooked command brings a stale byte");
			if (command->opcode == OPC_GIVE)
				bytes[k] = want;
		}
	}
	if (at != command->length)
		sim_fail("a hooked command of %llu bytes has %llu",
			 (unsigned long long)command->length, (unsigned long long)at);
}

static void memory_check(const struct wrasse_command *command)
{
	for (uint32_t i = 0; i < command->iov_count; i++) {
		const char *owner =
			fabric_memory_owner(command->iov[i].iov_base, command->iov[i].iov_len,
					    command->opcode != OPC_GIVE);

		if (owner)
			sim_fail("the hardware has a hooked command's memory: %s", owner);
	}
}

/* Return: what the host is told. */
static struct wrasse_status decide(const struct held *done)
{
	struct wrasse_command *command = done->command;

	if (done->decided)
		return done->status;
	if (command->opcode == OPC_IDENTIFY)
		return command->status;
	if (command->cdw11 == MAGIC)
		data_pass(command);
	command->result = ~command->cdw10;
	return wrasse_status_ok();
}

static void finish(unsigned index)
{
	struct held done = held[index];
	int was = in_library;
	struct wrasse_status status;

	memory_check(done.command);
	status = decide(&done);
	held[index] = held[--held_count];
	trace_mix("hook answers", done.group, done.remote);
	if (was < 0 || done.remote)
		act_as(done.remote ? SIM_MAX_GROUPS + 1 : (int)done.group);
	wrasse_command_complete(done.command, status);
	if (was < 0)
		act_as_host();
	else if (done.remote)
		act_as(was);
}

static void hold(struct wrasse_command *command, bool decided, struct wrasse_status status)
{
	if (in_library < 0 || in_library >= SIM_MAX_GROUPS)
		sim_fail("a hook was called outside wrasse_poll_group_poll()");
	if (held_count == SIM_MAX_IO)
		sim_fail("more than %u commands with hooks", SIM_MAX_IO);
	memory_check(command);
	held[held_count++] = (struct held){command, (unsigned)in_library, rng_one_in(plan.remote),
					   decided, status};
	trace_mix("hook takes", command->opcode, command->length);
	if (!rng_one_in(plan.late))
		finish(held_count - 1);
}

static void submit(struct wrasse_command *command)
{
	hold(command, false, wrasse_status_ok());
}

void hook_answer(struct wrasse_command *command, struct wrasse_status status)
{
	hold(command, true, status);
}

void hook_init(void)
{
	held_count = 0;
	memset(hooked, 0, sizeof(hooked));
}

void hook_add(unsigned subsystem)
{
	static const struct wrasse_hook hooks[] = {
		{sizeof(hooks[0]), true, OPC_TAKE, 0, submit, NULL},
		{sizeof(hooks[0]), true, OPC_GIVE, 0, submit, NULL},
		{sizeof(hooks[0]), false, OPC_TAKE, 2, submit, NULL},
		{sizeof(hooks[0]), false, OPC_GIVE, 0, submit, NULL},
		{sizeof(hooks[0]), true, OPC_IDENTIFY, 0, submit, NULL},
	};
	struct wrasse_subsystem *to = target.subsystem[subsystem].subsystem;

	hooked[subsystem] = true;
	for (unsigned i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		int rc = wrasse_subsystem_add_hook(to, &hooks[i]);

		if (rc && plan.retry)
			rc = wrasse_subsystem_add_hook(to, &hooks[i]);
		if (rc && rc != -ENOMEM)
			sim_fail("wrasse_subsystem_add_hook: %s", strerror(-rc));
		hooked[subsystem] &= !rc;
	}
}

bool hook_step(void)
{
	if (!held_count)
		return false;
	finish(rng_below(held_count));
	return true;
}

unsigned hook_held(unsigned group)
{
	unsigned count = 0;

	for (unsigned i = 0; i < held_count; i++)
		count += held[i].group == group;
	return count;
}

/* ---- as a host ---- */

static struct media *any_media(const struct ctrl *ctrl)
{
	for (unsigned i = 0; i < media_count; i++)
		if (media[i].subsystem == ctrl->subsystem && !media[i].removing)
			return &media[i];
	return NULL;
}

/* Return: how much data it has; 0: it cannot be sent now. */
static uint32_t hooked_begin(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	struct media *m = any_media(queue->ctrl);

	if (!m || !hooked[queue->ctrl->subsystem])
		return 0;
	slot->media = queue->qid ? m : NULL;
	slot->gen = (uint32_t)rng_next();
	wire_put32(capsule, SQE_NSID, queue->qid ? m->nsid : 0);
	wire_put32(capsule, SQE_CDW10, slot->gen);
	wire_put32(capsule, SQE_CDW11, MAGIC);
	return rng_between(1, plan.max_len < 4096 ? plan.max_len : 4096);
}

static uint32_t take_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t len = hooked_begin(queue, slot, capsule), capsule_len;
	uint8_t *bytes = data_scratch();

	if (!len)
		return 0;
	capsule_len =
		data_describe(queue, slot, len,
			      queue->qid ? DATA_KEYED | DATA_LIST | DATA_IN_CAPSULE : DATA_KEYED);
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = byte_of(slot->gen, i);
	data_put(queue, slot, bytes);
	return capsule_len;
}

static uint32_t give_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t len = hooked_begin(queue, slot, capsule);

	slot->blocks = len;
	return len ? data_describe(queue, slot, len,
				   queue->qid ? DATA_KEYED | DATA_LIST : DATA_KEYED) :
		     0;
}

static void hooked_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	if (!answer->status && (uint32_t)answer->value != ~slot->gen)
		sim_fail("a hooked command of host %u has another's result",
			 queue->ctrl->host->index);
	host_counts.hooks_checked += !answer->status;
}

static void give_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	const uint8_t *bytes = data_get(queue, slot);

	for (uint32_t i = 0; !answer->status && i < slot->blocks; i++)
		if (bytes[i] != byte_of(slot->gen, i))
			sim_fail("byte %u of a hooked command's data is %#x", i, bytes[i]);
	hooked_answered(queue, slot, answer);
}

bool hook_cmd(struct queue *queue)
{
	static const struct cmd cmds[] = {
		{.name = "hooked, with data",
		 .opcode = OPC_TAKE,
		 .weight = 1,
		 .make = take_make,
		 .answered = hooked_answered},
		{.name = "hooked, answered with data",
		 .opcode = OPC_GIVE,
		 .weight = 1,
		 .reads = true,
		 .make = give_make,
		 .answered = give_answered},
	};

	return cmd_send_some(queue, cmds, 2);
}
