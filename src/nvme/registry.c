/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry of a target: it owns subsystems, the discovery subsystem among them, and portals.
 * Every function is called with the target's lock held.
 */
#include <errno.h>
#include <stdlib.h>

#include "nvme/ctrl.h"

int nvme_registry_create(const struct nvme_limits *limits, struct nvme_registry **registry)
{
	struct nvme_registry *made = calloc(1, sizeof(*made));
	int err;

	if (!made)
		return -ENOMEM;
	made->limits = limits;
	made->portal_next = 1;
	err = nvme_subsystem_create_discovery(made);
	if (err) {
		free(made);
		return err;
	}
	*registry = made;
	return 0;
}

void nvme_registry_destroy(struct nvme_registry *registry)
{
	if (!registry)
		return;
	while (registry->subsystems) {
		while (registry->subsystems->namespaces)
			nvme_ns_free(registry->subsystems->namespaces);
		nvme_subsystem_free(registry->subsystems);
	}
	while (registry->portals)
		nvme_registry_remove_portal(registry, registry->portals->number);
	while (registry->referrals)
		nvme_referral_remove(registry, registry->referrals);
	free(registry);
}

unsigned nvme_registry_ctrl_count(const struct nvme_registry *registry)
{
	unsigned count = 0;

	for (const struct wrasse_subsystem *s = registry->subsystems; s; s = s->next) {
		for (const struct nvme_ctrl *ctrl = s->ctrls; ctrl; ctrl = ctrl->next)
			count++;
	}
	return count;
}

bool nvme_registry_has_ctrl(const struct nvme_registry *registry, uint16_t cntlid)
{
	for (const struct wrasse_subsystem *s = registry->subsystems; s; s = s->next) {
		for (const struct nvme_ctrl *ctrl = s->ctrls; ctrl; ctrl = ctrl->next)
			if (ctrl->cntlid == cntlid)
				return true;
	}
	return false;
}

/* ---- portals ---- */

static struct nvme_portal **portal_find(struct nvme_registry *registry, uint16_t number)
{
	struct nvme_portal **link = &registry->portals;

	while (*link && (*link)->number != number)
		link = &(*link)->next;
	return link;
}

bool nvme_registry_has_portal(const struct nvme_registry *registry, uint16_t number)
{
	const struct nvme_portal *portal = registry->portals;

	while (portal && portal->number != number)
		portal = portal->next;
	return portal != NULL;
}

/* Numbers go around, past those in use. Return: a number, 0: none is left. */
static uint16_t portal_take_number(struct nvme_registry *registry)
{
	for (uint32_t tries = 0; tries < UINT16_MAX; tries++) {
		uint16_t number = registry->portal_next;

		registry->portal_next = number == UINT16_MAX ? 1 : number + 1;
		if (!*portal_find(registry, number))
			return number;
	}
	return 0;
}

int nvme_registry_add_portal(struct nvme_registry *registry, uint8_t adrfam, bool any_address,
			     const char *traddr, const char *trsvcid, uint8_t prtype)
{
	struct nvme_portal *portal = calloc(1, sizeof(*portal));
	struct nvme_portal **link = portal_find(registry, 0);
	uint16_t number = portal_take_number(registry);

	if (!portal || number == 0) {
		free(portal);
		return -ENOMEM;
	}
	portal->number = number;
	portal->adrfam = adrfam;
	portal->prtype = prtype;
	portal->any_address = any_address;
	memcpy(portal->traddr, traddr, strnlen(traddr, sizeof(portal->traddr) - 1));
	memcpy(portal->trsvcid, trsvcid, strnlen(trsvcid, sizeof(portal->trsvcid) - 1));
	*link = portal;
	registry->genctr++;
	return number;
}

void nvme_registry_remove_portal(struct nvme_registry *registry, uint16_t number)
{
	struct nvme_portal **link = portal_find(registry, number);
	struct nvme_portal *portal = *link;

	if (!portal)
		return;
	*link = portal->next;
	free(portal);
	for (struct wrasse_subsystem *s = registry->subsystems; s; s = s->next)
		nvme_paths_forget(s, number);
	registry->genctr++;
}
