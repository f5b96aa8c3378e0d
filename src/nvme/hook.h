/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hooks: opcodes that the embedder answers. They are published once and stay as long as their
 * subsystem, so that any thread may look them up without a lock.
 */
#ifndef WRASSE_NVME_HOOK_H
#define WRASSE_NVME_HOOK_H

#include "nvme/op.h"
#include "nvme/registry.h"

/* One hook. */
struct nvme_hook {
	void (*submit)(struct wrasse_command *command);
	void *ctx;
	struct nvme_op op; /* the line of an opcode that the tables have not */
};

/* REGISTRY. @why: as for nvme_subsystem_create(). */
int nvme_hook_add(struct wrasse_subsystem *subsystem, const struct wrasse_hook *opts,
		  const char **why);
void nvme_hooks_free(struct wrasse_subsystem *subsystem);

/* The hook of an opcode on a queue; NULL: there is none. */
struct nvme_hook *nvme_hook_find(const struct nvme_queue *queue, unsigned opcode);

/* The line of an opcode, the tables' or a hook's; NULL: a controller does not have it. */
const struct nvme_op *nvme_hook_op(const struct nvme_queue *queue, bool admin, unsigned opcode);

/* The library has answered a command that a hook may answer otherwise. Return: NVME_HOOK. */
enum nvme_next nvme_hook_filter(struct nvme_request *request);

/*
 * Gives a command of a hook's own line to its submit().
 *
 * Return: NVME_HOOK.
 */
enum nvme_next nvme_hook_ask(struct nvme_request *request);

/* The embedder has answered. */
enum nvme_next nvme_hook_complete(struct nvme_request *request, struct wrasse_status status);

#endif
