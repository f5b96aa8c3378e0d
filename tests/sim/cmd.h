/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands of model hosts. A command is a line in a table (host_io.c, host_admin.c): how its capsule is made,
 * and what its answer must be. host_cmd.c sends them and holds each answer against what every command must
 * keep to, host_sgl.c says where their data is.
 */
#ifndef SIM_CMD_H
#define SIM_CMD_H

#include "sim.h"

#define CAPSULE_EMPTY UINT32_MAX

struct answer {
	uint16_t status;      /* ST() */
	uint64_t value;       /* dw0, and dw1 above it */
	uint32_t invalidated; /* the key; 0: none */
};

struct cmd {
	const char *name;
	uint8_t opcode;
	uint32_t weight; /* how often it is chosen, compared with the others of its table */
	bool reads;      /* its data goes to the host: if it fails, none does */
	bool junk;       /* of a hostile host: any answer will do */
	/*
	 * Completes the capsule of a slot that is new: all zero but for opcode, PSDT and an SGL of no length,
	 * and an answer of success expected. Return: bytes of the capsule, or CAPSULE_EMPTY; 0: it cannot be sent
	 * now.
	 */
	uint32_t (*make)(struct queue *queue, struct slot *slot, uint8_t *capsule);
	/* It was answered as it may be. NULL: nothing else to look at. */
	void (*answered)(struct queue *queue, struct slot *slot, const struct answer *answer);
	/* It will never be answered. NULL: nothing to do. */
	void (*cut)(struct slot *slot);
};

/* ---- host_cmd.c ---- */

/* A slot with a capsule for @cmd that make() would be given; NULL: none is free. */
struct slot *cmd_begin(struct queue *queue, const struct cmd *cmd);
/* Makes and sends it. Return: whether it was sent. */
bool cmd_send(struct queue *queue, const struct cmd *cmd);
/* The same, one of a table as chance has it. */
bool cmd_send_some(struct queue *queue, const struct cmd *table, size_t count);

/* ---- host_sgl.c: where the data of a command is ---- */

enum {
	DATA_KEYED = 1,      /* one keyed descriptor */
	DATA_LIST = 2,       /* a list of them in the capsule */
	DATA_IN_CAPSULE = 4, /* H2C */
};

/*
 * Describes @len bytes in one of the ways of @ways (DATA_*) that the run allows, keys through memory windows
 * and such that the answer must invalidate among them. Return: the capsule's length.
 */
uint32_t data_describe(struct queue *queue, struct slot *slot, uint32_t len, unsigned ways);
/* Puts the bytes of a command there. */
void data_put(struct queue *queue, const struct slot *slot, const uint8_t *from);
/* The bytes that are there, in one piece: valid until the next call. */
const uint8_t *data_get(struct queue *queue, const struct slot *slot);
/* Fills all that is the command's, and what is between and behind it. */
void data_poison(struct queue *queue, const struct slot *slot);
/* Nothing but the command's own bytes was written; with @none not even those. */
void data_check(struct queue *queue, const struct slot *slot, bool none);
/* Memory for the bytes of one command. */
uint8_t *data_scratch(void);

/* The answer came and has invalidated @key: it must be the one that was asked for, if any may. */
void windows_check(const struct slot *slot, const struct answer *answer);
/* What is still bound is not used again. */
void windows_answered(struct slot *slot, uint32_t key);
/* The @index-th window of a slot, to be bound before its capsule is sent. */
struct ibv_send_wr window_bind(const struct queue *queue, const struct slot *slot, uint32_t index);
void windows_free(struct slot *slot);

/* ---- host_admin.c: aborts ---- */

/* A command was answered (or will never be: @status ANY_STATUS): does that fit to the Aborts for it? */
void abort_victim_ended(struct queue *queue, const struct slot *slot, uint16_t status);

#endif
