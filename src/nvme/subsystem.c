/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Subsystems and the hosts that may use them. Every function is called with the target's lock held.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "nvme/ctrl.h"
#include "nvme/hook.h"
#include "nvme/wire_path.h"

#define MAX_NAMESPACES     65536
#define DEFAULT_NAMESPACES 256
#define MAX_ANA_GROUPS     1024
#define DEFAULT_ANA_GROUPS 16 /* with 256 namespaces their log still fits one page */
#define DEFAULT_ANATT_S    10
#define CNTLID_MAX         0xffef
#define DEFAULT_MODEL      "wrasse"
#define AUTH_HASHES        ((1u << (NVME_HASH_COUNT - 1)) - 1)
#define AUTH_GROUPS        ((1u << NVME_DH_COUNT) - 1)

/* ---- create ---- */

static bool text_fits(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);

	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	}
	return len <= max;
}

/* Return: NULL, or what is wrong. */
static const char *auth_check(const struct wrasse_auth_opts *auth)
{
	if (!auth->get_key)
		return "auth has no get_key";
	if (auth->hashes & ~AUTH_HASHES)
		return "auth has a bit in hashes that is none of enum wrasse_auth_hash";
	if (auth->groups & ~AUTH_GROUPS)
		return "auth has a bit in groups that is none of enum wrasse_auth_group";
	return NULL;
}

/* Return: NULL, or what is wrong. */
static const char *opts_check(const struct wrasse_subsystem_opts *opts)
{
	uint32_t min = opts->cntlid_min ? opts->cntlid_min : 1;
	uint32_t max = opts->cntlid_max ? opts->cntlid_max : CNTLID_MAX;

	if (!opts->nqn || !nvme_nqn_is_valid(opts->nqn))
		return "nqn is not an NVMe Qualified Name of at most 223 bytes";
	if (opts->serial && (!text_fits(opts->serial, 20) || !*opts->serial))
		return "serial is not 1 to 20 printable ASCII characters";
	if (opts->model && !text_fits(opts->model, 40))
		return "model is not at most 40 printable ASCII characters";
	if (opts->firmware && !text_fits(opts->firmware, 8))
		return "firmware is not at most 8 printable ASCII characters";
	if (opts->label && (!text_fits(opts->label, NVME_EXAT_LABEL_MAX) || !*opts->label))
		return "label is not 1 to 256 printable ASCII characters";
	if (opts->ieee_oui > 0xffffff)
		return "ieee_oui has more than 24 bits";
	if (opts->max_namespaces > MAX_NAMESPACES)
		return "max_namespaces is above 65536";
	if ((unsigned)opts->duplicates > WRASSE_DUPLICATE_REFUSE)
		return "duplicates is not a policy";
	if (opts->max_ana_groups > MAX_ANA_GROUPS)
		return "max_ana_groups is above 1024";
	if (min > max || max > CNTLID_MAX)
		return "cntlid_min to cntlid_max is not a range from 1 to 0xFFEF";
	return opts->auth ? auth_check(opts->auth) : NULL;
}

static int views_create(struct wrasse_subsystem *subsystem, uint32_t groups)
{
	size_t ports = subsystem->max_namespaces * sizeof(struct nvme_ns_port *);

	subsystem->view = calloc(groups, sizeof(struct nvme_view *));
	if (!subsystem->view)
		return -ENOMEM;
	for (uint32_t i = 0; i < groups; i++) {
		subsystem->view[i] = calloc(1, sizeof(struct nvme_view) + ports);
		if (!subsystem->view[i])
			return -ENOMEM;
		subsystem->view[i]->count = subsystem->max_namespaces;
	}
	return 0;
}

/* Until something else is said every group is optimized on every path. */
static int ana_create(struct wrasse_subsystem *subsystem)
{
	uint32_t groups = subsystem->ana_groups;

	subsystem->ana_initial = malloc(groups);
	subsystem->ana_members = calloc(groups, sizeof(*subsystem->ana_members));
	subsystem->ana_first = calloc(groups, sizeof(struct wrasse_namespace *));
	if (!subsystem->ana_initial || !subsystem->ana_members || !subsystem->ana_first)
		return -ENOMEM;
	memset(subsystem->ana_initial, WRASSE_ANA_OPTIMIZED, groups);
	return 0;
}

static void subsystem_destroy(struct wrasse_subsystem *subsystem, uint32_t groups)
{
	while (subsystem->hosts) {
		struct nvme_host *host = subsystem->hosts;

		subsystem->hosts = host->next;
		free(host);
	}
	nvme_paths_forget(subsystem, 0);
	free(subsystem->ana_initial);
	free(subsystem->ana_members);
	free(subsystem->ana_first);
	free(subsystem->ns_at);
	for (uint32_t i = 0; subsystem->view && i < groups; i++)
		free(subsystem->view[i]);
	free(subsystem->view);
	nvme_hooks_free(subsystem);
	free(subsystem);
}

static void set_identity(struct wrasse_subsystem *subsystem,
			 const struct wrasse_subsystem_opts *opts, const char *version)
{
	const char *firmware = opts->firmware ? opts->firmware : version;

	memcpy(subsystem->nqn, opts->nqn, strlen(opts->nqn));
	if (opts->serial)
		memcpy(subsystem->serial, opts->serial, strlen(opts->serial));
	else
		snprintf(subsystem->serial, sizeof(subsystem->serial), "%016llx",
			 (unsigned long long)nvme_nqn_digest(opts->nqn, 0));
	snprintf(subsystem->model, sizeof(subsystem->model), "%s",
		 opts->model ? opts->model : DEFAULT_MODEL);
	memcpy(subsystem->firmware, firmware ? firmware : "",
	       firmware ? strnlen(firmware, sizeof(subsystem->firmware) - 1) : 0);
	if (opts->label)
		memcpy(subsystem->label, opts->label, strlen(opts->label));
	subsystem->pci_vid = opts->pci_vid;
	subsystem->pci_ssvid = opts->pci_ssvid;
	subsystem->ieee_oui = opts->ieee_oui;
	memcpy(subsystem->fru_guid, opts->fru_guid, sizeof(subsystem->fru_guid));
	memcpy(subsystem->retry_delay_100ms, opts->retry_delay_100ms,
	       sizeof(subsystem->retry_delay_100ms));
}

/* A subsystem at the end of the registry's list. @opts: valid. */
static int subsystem_make(struct nvme_registry *registry, const struct wrasse_subsystem_opts *opts,
			  uint32_t max_namespaces, struct wrasse_subsystem **subsystem)
{
	struct wrasse_subsystem *made = calloc(1, sizeof(*made));
	struct wrasse_subsystem **link = &registry->subsystems;

	if (!made)
		return -ENOMEM;
	made->registry = registry;
	made->max_namespaces = max_namespaces;
	made->nsid_free = 1;
	made->cntlid_min = opts->cntlid_min ? opts->cntlid_min : 1;
	made->cntlid_max = opts->cntlid_max ? opts->cntlid_max : CNTLID_MAX;
	made->cntlid_next = made->cntlid_min;
	made->ana_groups = opts->max_ana_groups ? opts->max_ana_groups : DEFAULT_ANA_GROUPS;
	made->ana_transition_s = opts->ana_transition_s ? opts->ana_transition_s : DEFAULT_ANATT_S;
	made->no_auto_listener = opts->no_auto_listener;
	made->duplicates = opts->duplicates;
	made->allow_any_host = opts->allow_any_host;
	if (opts->auth)
		made->auth = *opts->auth;
	set_identity(made, opts, registry->limits->version);
	/* One more, because none of none would look like no memory. */
	made->ns_at = calloc(max_namespaces + 1ull, sizeof(struct wrasse_namespace *));
	if (!made->ns_at || views_create(made, registry->limits->group_count) || ana_create(made)) {
		subsystem_destroy(made, registry->limits->group_count);
		return -ENOMEM;
	}
	while (*link)
		link = &(*link)->next;
	*link = made;
	registry->genctr++;
	*subsystem = made;
	return 0;
}

int nvme_subsystem_create_discovery(struct nvme_registry *registry)
{
	struct wrasse_subsystem_opts opts;
	struct wrasse_subsystem *subsystem;
	int err;

	wrasse_subsystem_opts_init(&opts);
	opts.nqn = registry->limits->discovery_nqn ? registry->limits->discovery_nqn :
						     NVME_DISCOVERY_NQN;
	opts.allow_any_host = true;
	err = subsystem_make(registry, &opts, 0, &subsystem);
	if (!err)
		subsystem->is_discovery = true;
	return err;
}

int nvme_subsystem_create(struct nvme_registry *registry, const struct wrasse_subsystem_opts *opts,
			  struct wrasse_subsystem **subsystem, const char **why)
{
	uint32_t max = opts->max_namespaces ? opts->max_namespaces : DEFAULT_NAMESPACES;

	*why = opts_check(opts);
	if (*why)
		return -EINVAL;
	if (nvme_subsystem_find(registry, opts->nqn)) {
		*why = "nqn is in use";
		return -EEXIST;
	}
	return subsystem_make(registry, opts, max, subsystem);
}

struct wrasse_subsystem *nvme_subsystem_find(const struct nvme_registry *registry, const char *nqn)
{
	struct wrasse_subsystem *subsystem = registry->subsystems;
	bool discovery = strcmp(nqn, NVME_DISCOVERY_NQN) == 0;

	while (subsystem && strcmp(subsystem->nqn, nqn) != 0 &&
	       !(discovery && subsystem->is_discovery))
		subsystem = subsystem->next;
	return subsystem;
}

/* ---- remove ---- */

void nvme_subsystem_remove(struct wrasse_subsystem *subsystem)
{
	subsystem->registry->removals += !subsystem->removing;
	subsystem->removing = true;
	subsystem->registry->genctr++;
	for (struct nvme_ctrl *ctrl = subsystem->ctrls; ctrl; ctrl = ctrl->next)
		nvme_ctrl_end(ctrl);
	for (struct wrasse_namespace *ns = subsystem->namespaces; ns; ns = ns->next)
		nvme_ns_remove(ns);
}

bool nvme_subsystem_is_gone(const struct wrasse_subsystem *subsystem)
{
	return subsystem->removing && !subsystem->ctrls && !subsystem->namespaces;
}

void nvme_subsystem_free(struct wrasse_subsystem *subsystem)
{
	struct wrasse_subsystem **link = &subsystem->registry->subsystems;

	while (*link != subsystem)
		link = &(*link)->next;
	*link = subsystem->next;
	subsystem->registry->removals -= subsystem->removing;
	subsystem_destroy(subsystem, subsystem->registry->limits->group_count);
}

void nvme_subsystem_raise(struct wrasse_subsystem *subsystem, enum wrasse_event event)
{
	_Static_assert(NVME_EV_SPARE << WRASSE_EVENT_TRANSIENT_ERROR == NVME_EV_TRANSIENT,
		       "events in the order of those of the API");

	for (struct nvme_ctrl *ctrl = subsystem->ctrls; ctrl; ctrl = ctrl->next)
		atomic_fetch_or_explicit(&ctrl->raised, (uint32_t)NVME_EV_SPARE << event,
					 memory_order_release);
}

/* ---- hosts ---- */

struct nvme_host **nvme_host_find(struct nvme_host *const *hosts, const char *hostnqn)
{
	struct nvme_host **link = (struct nvme_host **)(uintptr_t)hosts;

	while (*link && strcmp((*link)->nqn, hostnqn) != 0)
		link = &(*link)->next;
	return link;
}

bool nvme_subsystem_allows(const struct wrasse_subsystem *subsystem, const char *hostnqn)
{
	return subsystem->allow_any_host || *nvme_host_find(&subsystem->hosts, hostnqn);
}

int nvme_subsystem_add_host(struct wrasse_subsystem *subsystem, const char *hostnqn)
{
	struct nvme_host *host;

	if (!nvme_nqn_is_valid(hostnqn))
		return -EINVAL;
	if (*nvme_host_find(&subsystem->hosts, hostnqn))
		return -EEXIST;
	host = calloc(1, sizeof(*host));
	if (!host)
		return -ENOMEM;
	memcpy(host->nqn, hostnqn, strlen(hostnqn));
	host->next = subsystem->hosts;
	subsystem->hosts = host;
	subsystem->registry->genctr++;
	return 0;
}

int nvme_subsystem_remove_host(struct wrasse_subsystem *subsystem, const char *hostnqn)
{
	struct nvme_host **link = nvme_host_find(&subsystem->hosts, hostnqn);
	struct nvme_host *host = *link;

	if (!host)
		return -ENOENT;
	*link = host->next;
	subsystem->registry->genctr++;
	for (struct nvme_ctrl *ctrl = subsystem->ctrls; ctrl; ctrl = ctrl->next) {
		if (!subsystem->allow_any_host && strcmp(ctrl->hostnqn, host->nqn) == 0)
			nvme_ctrl_end(ctrl);
	}
	/* Last: the caller's name may be this one. */
	free(host);
	return 0;
}
