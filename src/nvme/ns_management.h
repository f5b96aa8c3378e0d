/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespace management: what the embedder has set, and who may use it.
 */
#ifndef WRASSE_NVME_NS_MANAGEMENT_H
#define WRASSE_NVME_NS_MANAGEMENT_H

#include "nvme/hook.h"

/* REGISTRY. @why: as for nvme_subsystem_create(). */
int nvme_management_set(struct wrasse_subsystem *subsystem, const struct wrasse_ns_management *opts,
			const char **why);

/*
 * Whether the host of a queue may manage namespaces. It asks the embedder: not with the target's
 * lock held.
 */
bool nvme_management_allows(const struct nvme_queue *queue);

/* The embedder's; zero if it does not tell. Not with the target's lock held. */
struct wrasse_ns_capacity nvme_management_capacity(const struct nvme_queue *queue);

/* The block sizes of namespaces to be created, as LBA formats in ascending order: fills lbaf and
 * nlbaf. */
void nvme_management_formats_put(const struct wrasse_subsystem *subsystem, struct nvme_id_ns *id);

#endif
