/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paths: how a subsystem is reached through a portal, and the ANA states there. A path is made when
 * it is first needed and lives as long as its portal, or longer, while controllers have it. Called
 * with the target's lock held; the states are read by any thread without it.
 */
#include <errno.h>
#include <stdlib.h>

#include "nvme/ctrl.h"

/* ---- life ---- */

static struct nvme_path *path_find(const struct wrasse_subsystem *subsystem, uint16_t portal)
{
	struct nvme_path *path = subsystem->paths;

	while (path && path->portal != portal)
		path = path->next;
	return path;
}

static struct nvme_path *path_create(struct wrasse_subsystem *subsystem, uint16_t portal)
{
	uint32_t groups = subsystem->ana_groups;
	struct nvme_path *path = calloc(1, sizeof(*path) + groups * sizeof(path->ana[0]));

	if (!path)
		return NULL;
	path->subsystem = subsystem;
	path->portal = portal;
	for (uint32_t i = 0; i < groups; i++) {
		path->ana[i].state = subsystem->ana_initial[i];
		path->closed += !nvme_ana_is_open(subsystem->ana_initial[i]);
	}
	/* A connection may still come in through a portal that was removed: only its own. */
	if (nvme_registry_has_portal(subsystem->registry, portal)) {
		path->refs = 1;
		path->next = subsystem->paths;
		subsystem->paths = path;
	}
	return path;
}

struct nvme_path *nvme_path_get(struct wrasse_subsystem *subsystem, uint16_t portal)
{
	struct nvme_path *path = path_find(subsystem, portal);

	if (!path)
		path = path_create(subsystem, portal);
	if (path)
		path->refs++;
	return path;
}

void nvme_path_put(struct nvme_path *path)
{
	if (--path->refs == 0)
		free(path);
}

void nvme_paths_forget(struct wrasse_subsystem *subsystem, uint16_t portal)
{
	struct nvme_path **link = &subsystem->paths;

	while (*link) {
		struct nvme_path *path = *link;

		if (portal != 0 && path->portal != portal) {
			link = &path->next;
			continue;
		}
		*link = path->next;
		nvme_path_put(path);
	}
}

/* ---- which portals ---- */

bool nvme_subsystem_is_on(const struct wrasse_subsystem *subsystem, uint16_t portal)
{
	const struct nvme_path *path;

	if (!subsystem->no_auto_listener)
		return true;
	path = path_find(subsystem, portal);
	return path && path->added;
}

int nvme_subsystem_add_portal(struct wrasse_subsystem *subsystem, uint16_t portal)
{
	struct nvme_path *path;

	if (!subsystem->no_auto_listener)
		return -EINVAL;
	if (nvme_subsystem_is_on(subsystem, portal))
		return -EEXIST;
	path = nvme_path_get(subsystem, portal);
	if (!path)
		return -ENOMEM;
	path->added = true;
	nvme_path_put(path);
	subsystem->registry->genctr++;
	return 0;
}

int nvme_subsystem_remove_portal(struct wrasse_subsystem *subsystem, uint16_t portal)
{
	struct nvme_path *path = path_find(subsystem, portal);

	if (!path || !path->added)
		return -ENOENT;
	path->added = false;
	for (struct nvme_ctrl *ctrl = subsystem->ctrls; ctrl; ctrl = ctrl->next) {
		if (ctrl->path == path)
			nvme_ctrl_end(ctrl);
	}
	subsystem->registry->genctr++;
	return 0;
}

/* ---- states ---- */

static bool state_is_valid(enum wrasse_ana_state state)
{
	return (state >= WRASSE_ANA_OPTIMIZED && state <= WRASSE_ANA_PERSISTENT_LOSS) ||
	       state == WRASSE_ANA_CHANGE;
}

/* State, then counts: who sees a new count also sees its state. */
static void group_set(struct nvme_path *path, struct nvme_ana_group *group, uint8_t state)
{
	uint64_t changes = atomic_load_explicit(&path->changes, memory_order_relaxed) + 1;
	uint8_t before = atomic_load_explicit(&group->state, memory_order_relaxed);

	if (before == state)
		return;
	if (!nvme_ana_is_open(state))
		atomic_fetch_add(&path->closed, 1);
	atomic_store_explicit(&group->state, state, memory_order_release);
	if (!nvme_ana_is_open(before))
		atomic_fetch_sub(&path->closed, 1);
	atomic_fetch_add_explicit(&group->changes, 1, memory_order_release);
	atomic_store_explicit(&group->changed_at, changes, memory_order_relaxed);
	atomic_store_explicit(&path->changes, changes, memory_order_release);
}

static void path_set(struct nvme_path *path, uint32_t group, uint8_t state)
{
	for (uint32_t i = 0; i < path->subsystem->ana_groups; i++) {
		if (group == 0 || group == i + 1)
			group_set(path, &path->ana[i], state);
	}
}

static void initial_set(struct wrasse_subsystem *subsystem, uint32_t group, uint8_t state)
{
	for (uint32_t i = 0; i < subsystem->ana_groups; i++) {
		if (group == 0 || group == i + 1)
			subsystem->ana_initial[i] = state;
	}
}

int nvme_path_set_ana(struct wrasse_subsystem *subsystem, uint16_t portal, uint32_t group,
		      enum wrasse_ana_state state)
{
	struct nvme_path *path;

	if (!state_is_valid(state) || group > subsystem->ana_groups)
		return -EINVAL;
	if (portal == 0) {
		initial_set(subsystem, group, (uint8_t)state);
		for (path = subsystem->paths; path; path = path->next)
			path_set(path, group, (uint8_t)state);
		return 0;
	}
	path = nvme_path_get(subsystem, portal);
	if (!path)
		return -ENOMEM;
	path_set(path, group, (uint8_t)state);
	nvme_path_put(path);
	return 0;
}

int nvme_path_get_ana(struct wrasse_subsystem *subsystem, uint16_t portal, uint32_t group)
{
	const struct nvme_path *path = path_find(subsystem, portal);

	if (group == 0 || group > subsystem->ana_groups)
		return -EINVAL;
	return path ? nvme_path_state(path, group) : subsystem->ana_initial[group - 1];
}
