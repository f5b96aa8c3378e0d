/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases: fused Compare and Write, which no command-line tool sends: with the data of each half in every
 * place, with halves that are missing, and from two queues that add to one number.
 */
#include <stdlib.h>

#include "probe.h"

#define COMPARE_OFF 0u
#define WRITE_OFF   8192u

/* Where the data of a half is. */
enum place { KEYED, IN_CAPSULE };

/* One block in the queue's memory at off; the answer is waited for later. */
static bool half_send(struct probe *p, struct host_ctrl *c, struct host_queue *q, bool first,
		      uint32_t off, enum place place, struct host_slot **slot)
{
	struct host_cmd cmd;

	host_cmd_rw(&cmd, first ? OPC_COMPARE : OPC_WRITE, c->nsid, 0, 1);
	cmd.sqe.b[SQE_FLAGS] |= first ? 1 : 2;
	if (place == IN_CAPSULE)
		host_sgl_inline(&cmd, q->data + off, c->lba_size);
	else
		host_sgl_keyed(&cmd, q, off, c->lba_size);
	if (host_submit(q, &cmd, slot))
		return probe_fail(p, "expected to send half of a pair, got %s", q->why);
	return true;
}

static bool half_wait(struct probe *p, const char *what, struct host_queue *q,
		      struct host_slot *slot, uint16_t status)
{
	struct wire_cqe cqe;

	if (host_wait(q, slot, &cqe))
		return probe_fail(p, "%s: expected an answer, got %s", what, q->why);
	return probe_expect(p, what, &cqe, ANY(status));
}

/* Both halves with what the queue's memory has; their answers must be these. */
static bool pair_exec(struct probe *p, struct host_ctrl *c, const enum place places[2],
		      uint16_t first, uint16_t second)
{
	struct host_slot *slots[2];

	return half_send(p, c, c->io, true, COMPARE_OFF, places[0], &slots[0]) &&
	       half_send(p, c, c->io, false, WRITE_OFF, places[1], &slots[1]) &&
	       half_wait(p, "fused Compare", c->io, slots[0], first) &&
	       half_wait(p, "fused Write", c->io, slots[1], second);
}

static bool fused_with_data_in_every_place(struct probe *p)
{
	static const enum place places[][2] = {
		{KEYED, KEYED}, {KEYED, IN_CAPSULE}, {IN_CAPSULE, KEYED}, {IN_CAPSULE, IN_CAPSULE}};
	struct host_ctrl *c = probe_ctrl_io(p, 8, 1);

	if (!c || !probe_write_pattern(p, c, 0, 1, 80))
		return false;
	for (unsigned i = 0; i < 4; i++) {
		host_pattern(c->io->data + COMPARE_OFF, c->lba_size, 0, 80 + i);
		host_pattern(c->io->data + WRITE_OFF, c->lba_size, 0, 81 + i);
		if (!pair_exec(p, c, places[i], ST_OK, ST_OK) ||
		    !probe_read_pattern(p, c, 0, 1, 81 + i))
			return false;
	}
	return true;
}

static bool fused_write_is_aborted_when_the_compare_fails(struct probe *p)
{
	static const enum place places[][2] = {{KEYED, IN_CAPSULE}, {IN_CAPSULE, KEYED}};
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);

	if (!c || !probe_write_pattern(p, c, 0, 1, 90))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		host_pattern(c->io->data + COMPARE_OFF, c->lba_size, 0, 90);
		c->io->data[COMPARE_OFF + c->lba_size - 1] ^= 1;
		host_pattern(c->io->data + WRITE_OFF, c->lba_size, 0, 91);
		if (!pair_exec(p, c, places[i], ST_COMPARE, ST_FAILED_FUSED) ||
		    !probe_read_pattern(p, c, 0, 1, 90))
			return false;
	}
	return true;
}

static bool fused_half_alone_is_aborted(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);
	struct host_slot *slot;
	struct host_cmd cmd;

	if (!c || !probe_write_pattern(p, c, 0, 1, 95))
		return false;
	host_cmd_init(&cmd, OPC_FLUSH, c->nsid);
	if (!half_send(p, c, c->io, true, COMPARE_OFF, IN_CAPSULE, &slot) ||
	    !probe_exec_expect(p, "Flush after a first half", c->io, &cmd, ANY(ST_OK)) ||
	    !half_wait(p, "first half alone", c->io, slot, ST_MISSING_FUSED))
		return false;
	if (!half_send(p, c, c->io, false, WRITE_OFF, KEYED, &slot) ||
	    !half_wait(p, "second half alone", c->io, slot, ST_MISSING_FUSED))
		return false;
	return probe_read_pattern(p, c, 0, 1, 95);
}

static bool fused_first_half_ends_with_its_connection(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);
	struct host_slot *slot;

	if (!c || !half_send(p, c, c->io, true, COMPARE_OFF, IN_CAPSULE, &slot))
		return false;
	/* The probe closes it all; the target must let go of the half, and another queue must work. */
	return probe_ctrl_io(p, 8, 16) != NULL && probe_alive(p, c->admin);
}

/* ---- one number, two queues ---- */

#define ADDS 100

/* What a queue does to add one: it reads, and then sends the pair. */
static bool add_begin(struct probe *p, struct host_ctrl *c, struct host_slot *slots[2])
{
	uint64_t value;

	if (!probe_rw(p, c, OPC_READ, 0, 1))
		return false;
	memcpy(c->io->data + WRITE_OFF, c->io->data, c->lba_size);
	memcpy(&value, c->io->data, sizeof(value));
	value++;
	memcpy(c->io->data + WRITE_OFF, &value, sizeof(value));
	return half_send(p, c, c->io, true, COMPARE_OFF, KEYED, &slots[0]) &&
	       half_send(p, c, c->io, false, WRITE_OFF, IN_CAPSULE, &slots[1]);
}

/* Return: how much was added; -1: the case has failed. */
static int add_end(struct probe *p, struct host_ctrl *c, struct host_slot *slots[2])
{
	struct wire_cqe cqe[2];
	uint16_t first, second;

	for (unsigned i = 0; i < 2; i++) {
		if (host_wait(c->io, slots[i], &cqe[i])) {
			probe_fail(p, "expected two answers, got %s", c->io->why);
			return -1;
		}
	}
	first = wire_status(&cqe[0]) & 0x7ff;
	second = wire_status(&cqe[1]) & 0x7ff;
	if (first == ST_OK && second == ST_OK)
		return 1;
	if (first == ST_COMPARE && second == ST_FAILED_FUSED)
		return 0;
	probe_fail(p, "expected a pair that adds or fails, got 0x%03x and 0x%03x", first, second);
	return -1;
}

/* As many as were told that they added have added: no pair came between the halves of another. */
static bool fused_pairs_of_two_controllers_never_lose_an_addition(struct probe *p)
{
	struct host_ctrl *c[2] = {probe_ctrl_io(p, 8, 16), probe_ctrl_io(p, 8, 16)};
	struct host_slot *slots[2][2];
	uint64_t sum = 0, value;

	if (!c[0] || !c[1])
		return false;
	memset(c[0]->io->data, 0, c[0]->lba_size);
	if (!probe_rw(p, c[0], OPC_WRITE, 0, 1))
		return false;
	for (unsigned i = 0; i < ADDS; i++) {
		for (unsigned k = 0; k < 2; k++)
			if (!add_begin(p, c[k], slots[k]))
				return false;
		for (unsigned k = 0; k < 2; k++) {
			int added = add_end(p, c[k], slots[k]);

			if (added < 0)
				return false;
			sum += (uint64_t)added;
		}
	}
	if (!probe_rw(p, c[0], OPC_READ, 0, 1))
		return false;
	memcpy(&value, c[0]->io->data, sizeof(value));
	if (value != sum || sum < ADDS)
		return probe_fail(p, "expected %llu additions (%u at least), got %llu",
				  (unsigned long long)sum, ADDS, (unsigned long long)value);
	return true;
}

#define CASE(name)                 \
	{                          \
#name, name, false \
	}

static const struct probe_case cases[] = {
	CASE(fused_with_data_in_every_place),
	CASE(fused_write_is_aborted_when_the_compare_fails),
	CASE(fused_half_alone_is_aborted),
	CASE(fused_first_half_ends_with_its_connection),
	CASE(fused_pairs_of_two_controllers_never_lose_an_addition),
};

PROBE_GROUP(probe_fused, cases);
