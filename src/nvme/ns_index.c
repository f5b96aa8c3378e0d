/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where namespaces are: by id and in order in their subsystem, in order in their ANA group, and by their
 * global identifiers in the target. To add one behind the others takes no longer when there are thousands; the
 * first of an ANA group looks at all ids below its own. Every function is called with the target's lock held.
 */
#include "nvme/registry.h"

/* ---- in the subsystem ---- */

struct wrasse_namespace *nvme_ns_find(struct wrasse_subsystem *subsystem, uint32_t nsid)
{
	return nsid - 1 < subsystem->max_namespaces ? subsystem->ns_at[nsid - 1] : NULL;
}

uint32_t nvme_ns_lowest_free(struct wrasse_subsystem *subsystem)
{
	while (nvme_ns_find(subsystem, subsystem->nsid_free))
		subsystem->nsid_free++;
	return subsystem->nsid_free;
}

/* The namespace that comes before an id, of an ANA group or (0) of any. */
static struct wrasse_namespace *ns_before(const struct wrasse_subsystem *subsystem, uint32_t nsid,
					  uint32_t ana_group)
{
	for (uint32_t i = nsid - 1; i-- > 0;) {
		struct wrasse_namespace *ns = subsystem->ns_at[i];

		if (ns && (!ana_group || ns->ana_group == ana_group))
			return ns;
	}
	return NULL;
}

/* Where a namespace is in its subsystem's list, or belongs. */
static struct wrasse_namespace **ns_link(const struct wrasse_namespace *ns)
{
	struct wrasse_subsystem *subsystem = ns->subsystem;
	struct wrasse_namespace *before =
		subsystem->namespaces == ns ? NULL : ns_before(subsystem, ns->nsid, 0);

	return before ? &before->next : &subsystem->namespaces;
}

/* The same in its ANA group. */
static struct wrasse_namespace **ana_link(const struct wrasse_namespace *ns)
{
	struct wrasse_namespace **first = &ns->subsystem->ana_first[ns->ana_group - 1];
	struct wrasse_namespace *before =
		*first == ns ? NULL : ns_before(ns->subsystem, ns->nsid, ns->ana_group);

	return before ? &before->ana_next : first;
}

/* ---- in the target ---- */

static struct nvme_ns_id **bucket(struct nvme_registry *registry, const uint8_t bytes[16],
				  enum nvme_ns_id_kind kind)
{
	uint64_t digest = 0xcbf29ce484222325ull ^ kind;

	for (unsigned i = 0; i < 16; i++)
		digest = (digest ^ bytes[i]) * 0x100000001b3ull;
	return &registry->ns_ids[(digest ^ digest >> 32) % NVME_NS_ID_BUCKETS];
}

static struct nvme_ns_id *id_find(struct nvme_registry *registry, const struct nvme_ns_id *id,
				  enum nvme_ns_id_kind kind)
{
	struct nvme_ns_id *other = *bucket(registry, id->bytes, kind);

	while (other && (other->kind != kind || memcmp(other->bytes, id->bytes, 16) != 0))
		other = other->next;
	return other;
}

static bool id_is_none(const struct nvme_ns_id *id)
{
	static const uint8_t none[16];

	return memcmp(id->bytes, none, sizeof(none)) == 0;
}

/* Hosts take namespaces with one identifier for one namespace: it must be unique in the target. */
const char *nvme_ns_find_duplicate(const struct wrasse_namespace *ns)
{
	static const char *const why[NVME_NS_ID_KINDS] = {
		[NVME_NS_NGUID] = "nguid is in use in the target",
		[NVME_NS_EUI64] = "eui64 is in use in the target",
		[NVME_NS_UUID] = "uuid is in use in the target",
	};

	for (unsigned kind = 0; kind < NVME_NS_ID_KINDS; kind++)
		if (!id_is_none(&ns->id[kind]) &&
		    id_find(ns->subsystem->registry, &ns->id[kind], kind))
			return why[kind];
	return NULL;
}

/* ---- both ---- */

void nvme_ns_index_add(struct wrasse_namespace *ns)
{
	struct wrasse_namespace **link = ns_link(ns);

	ns->next = *link;
	*link = ns;
	link = ana_link(ns);
	ns->ana_next = *link;
	*link = ns;
	ns->subsystem->ns_at[ns->nsid - 1] = ns;
	for (unsigned kind = 0; kind < NVME_NS_ID_KINDS; kind++) {
		struct nvme_ns_id *id = &ns->id[kind], **first;

		if (id_is_none(id))
			continue;
		first = bucket(ns->subsystem->registry, id->bytes, kind);
		id->kind = (uint8_t)kind;
		id->next = *first;
		*first = id;
	}
}

void nvme_ns_index_remove(struct wrasse_namespace *ns)
{
	struct wrasse_subsystem *subsystem = ns->subsystem;

	*ns_link(ns) = ns->next;
	*ana_link(ns) = ns->ana_next;
	subsystem->ns_at[ns->nsid - 1] = NULL;
	if (ns->nsid < subsystem->nsid_free)
		subsystem->nsid_free = ns->nsid;
	for (unsigned kind = 0; kind < NVME_NS_ID_KINDS; kind++) {
		struct nvme_ns_id *id = &ns->id[kind], **link;

		if (id_is_none(id))
			continue;
		link = bucket(subsystem->registry, id->bytes, kind);
		while (*link != id)
			link = &(*link)->next;
		*link = id->next;
	}
}
