/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a hostile host sends. Any answer will do for most of it, but there must be one, or the connection ends.
 */
#include <string.h>

#include "cmd.h"

static uint32_t bytes_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t len = rng_between(64, 256);

	(void)queue;
	(void)slot;
	for (uint32_t i = 0; i < len; i++)
		capsule[i] = (uint8_t)rng_next();
	/* It must not write to what others check. */
	if (capsule[SQE_OPC] == OPC_WRITE || capsule[SQE_OPC] == OPC_WRITE_ZEROES)
		capsule[SQE_OPC] = OPC_READ;
	return len;
}

/* Too short for a command: the connection must end, and nothing that follows is answered. */
static uint32_t short_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	(void)queue;
	(void)capsule;
	slot->fatal = true;
	return rng_one_in(8) ? CAPSULE_EMPTY : rng_between(1, 63);
}

static uint32_t sgl_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	static const uint8_t ids[] = {SGL_DATA_ADDRESS, SGL_BIT_BUCKET, SGL_SEGMENT,
				      SGL_LAST_SEGMENT, SGL_TRANSPORT,  SGL_KEYED,
				      SGL_DATA_OFFSET,  SGL_LAST_OFFSET};
	uint8_t id = ids[rng_below(sizeof(ids))];
	uint64_t address = rng_flip() ? UINT64_MAX - rng_below(64) : rng_below(8192);
	struct wire_sgl sgl =
		id == SGL_KEYED ? wire_sgl_keyed(id, (uintptr_t)queue_data(queue, slot), SIM_BLOCK,
						 rng_flip() ? 0xdead : queue->data_mr->rkey ^ 1) :
				  wire_sgl_plain(id, address, rng_flip() ? UINT32_MAX : 4096);

	capsule[SQE_OPC] = rng_flip() ? OPC_READ : OPC_WRITE;
	wire_put32(capsule, SQE_NSID, 1);
	memcpy(capsule + SQE_SGL, sgl.b, 16);
	memset(capsule + 64, 0xa5, 128);
	return rng_flip() ? 64 : 192;
}

/* The data should be in the capsule and is not. */
static uint32_t missing_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	(void)queue;
	(void)slot;
	memset(capsule + 64, 0x5a, SIM_BLOCK);
	capsule[SQE_OPC] = OPC_WRITE;
	wire_put32(capsule, SQE_NSID, 1);
	memcpy(capsule + SQE_SGL, wire_sgl_plain(SGL_DATA_OFFSET, 0, SIM_BLOCK).b, 16);
	return 64 + rng_below(SIM_BLOCK);
}

static uint32_t fabrics_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	(void)queue;
	(void)slot;
	capsule[SQE_OPC] = OPC_FABRICS;
	capsule[SQE_FCTYPE] = (uint8_t)rng_below(12);
	return 64;
}

static const struct cmd hostile_cmds[] = {
	{.name = "random bytes", .weight = 1, .junk = true, .make = bytes_make},
	{.name = "a short capsule", .weight = 1, .junk = true, .make = short_make},
	{.name = "a wrong SGL", .weight = 2, .junk = true, .make = sgl_make},
	{.name = "a Write without its data", .weight = 1, .junk = true, .make = missing_make},
	{.name = "some Fabrics command", .weight = 1, .junk = true, .make = fabrics_make},
};

bool cmd_hostile(struct queue *queue)
{
	return cmd_send_some(queue, hostile_cmds, sizeof(hostile_cmds) / sizeof(hostile_cmds[0]));
}
