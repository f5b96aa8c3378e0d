/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry: a target's subsystems, hosts, namespaces, controllers and portals (addresses for
 * the discovery log). Every function is called with the target's lock held, by any thread. Nothing
 * here calls the embedder.
 */
#ifndef WRASSE_NVME_REGISTRY_H
#define WRASSE_NVME_REGISTRY_H

#include <wrasse/auth.h>
#include <wrasse/namespace.h>
#include <wrasse/subsystem.h>

#include "nvme/nvme.h"

/* A host that may connect to a subsystem. */
struct nvme_host {
	struct nvme_host *next;
	char nqn[NVME_NQN_LEN + 1];
};

/* An address where hosts can connect. */
struct nvme_portal {
	struct nvme_portal *next; /* ascending number */
	uint16_t number;
	uint8_t adrfam;
	uint8_t prtype;
	bool any_address;
	char traddr[64];
	char trsvcid[8];
};

/* A namespace: constant after create, but for what hosts set, removing and the ports. */
struct wrasse_namespace {
	struct wrasse_subsystem *subsystem;
	struct wrasse_namespace *next; /* subsystem->namespaces, ascending nsid */
	uint32_t nsid;
	uint32_t block_shift; /* log2 of the block size */
	uint64_t block_count;
	uint8_t nguid[16], eui64[8], uuid[16];
	bool read_only;
	bool volatile_cache;
	uint32_t io_opcodes; /* WRASSE_IO_BIT() of what the backend takes */
	uint64_t max_write_zeroes_len, max_discard_len; /* bytes; 0: no limit */
	bool discard_zeroes;
	_Atomic(bool) write_protected; /* by a host; any thread, as the next */
	_Atomic(bool) cache_off;       /* by a host */
	struct wrasse_backend_ops
		ops; /* a copy of as much as the embedder's size says; the rest zero */
	void *backend;
	_Atomic(bool) pair_turn;    /* a fused pair has its turn */
	bool removing;              /* guarded by the lock: groups let go of it */
	void (*removed)(void *ctx); /* called by the composition root when it is gone */
	void *removed_ctx;
	struct nvme_ns_port port[]; /* limits->group_count */
};

/* Whether hosts may not write, by the embedder's will or by that of a host. */
static inline bool nvme_ns_is_read_only(const struct wrasse_namespace *ns)
{
	return ns->read_only || atomic_load_explicit(&ns->write_protected, memory_order_relaxed);
}

/* A subsystem. */
struct wrasse_subsystem {
	struct nvme_registry *registry;
	void *owner;                   /* the composition root's (struct wrasse_target) */
	struct wrasse_subsystem *next; /* registry->subsystems */
	char nqn[NVME_NQN_LEN + 1];
	char serial[21], model[41], firmware[9];
	uint16_t pci_vid, pci_ssvid;
	uint32_t ieee_oui;
	uint8_t fru_guid[16];
	uint16_t retry_delay_100ms[3];
	uint32_t max_namespaces;
	uint16_t cntlid_min, cntlid_max;
	uint16_t cntlid_next; /* ids are used again as late as possible */
	bool allow_any_host;
	struct wrasse_auth_opts auth; /* constant; get_key NULL: hosts need not authenticate */
	bool removing;
	bool is_discovery; /* the well-known discovery subsystem; always there */
	void (*removed)(void *ctx);
	void *removed_ctx;
	struct wrasse_namespace *namespaces;
	struct nvme_host *hosts; /* allowed by name */
	struct nvme_ctrl *ctrls;
	_Atomic(struct nvme_hook *) hooks[2][256]; /* [admin][opcode]: set once; any thread */
	struct nvme_view **view; /* limits->group_count of them, allocated with the subsystem */
};

struct nvme_registry {
	const struct nvme_limits *limits;
	struct wrasse_subsystem *subsystems; /* the discovery subsystem among them */
	struct nvme_portal *portals;
	uint64_t genctr;      /* of the discovery log: changes whenever its content would */
	uint16_t portal_next; /* number of the next portal */
};

int nvme_registry_create(const struct nvme_limits *limits, struct nvme_registry **registry);

/* Frees everything in it; no controller and no attached port may be left. */
void nvme_registry_destroy(struct nvme_registry *registry);

/*
 * Option structs here have been brought to the library's own size by the caller (zero-filled).
 * @why: set to a constant English phrase that names the member and the limit when -EINVAL or
 * -EEXIST is returned.
 */
int nvme_subsystem_create(struct nvme_registry *registry, const struct wrasse_subsystem_opts *opts,
			  struct wrasse_subsystem **subsystem, const char **why);

/* Ends its controllers (nvme_queue_must_end becomes true), marks it and its namespaces as removing.
 */
void nvme_subsystem_remove(struct wrasse_subsystem *subsystem);

/* Whether no controller and no namespace is left, so that nvme_subsystem_free() may be called. */
bool nvme_subsystem_is_gone(const struct wrasse_subsystem *subsystem);
void nvme_subsystem_free(struct wrasse_subsystem *subsystem);

/* An event for every controller of the subsystem. Attention must follow. */
void nvme_subsystem_raise(struct wrasse_subsystem *subsystem, enum wrasse_event event);

int nvme_subsystem_add_host(struct wrasse_subsystem *subsystem, const char *hostnqn);

/* Also ends the controllers of that host, unless any host is allowed. */
int nvme_subsystem_remove_host(struct wrasse_subsystem *subsystem, const char *hostnqn);

/* Return: the nsid, or a negative errno value. */
int nvme_ns_create(struct wrasse_subsystem *subsystem, const struct wrasse_ns_opts *opts,
		   struct wrasse_namespace **ns, const char **why);
struct wrasse_namespace *nvme_ns_find(struct wrasse_subsystem *subsystem, uint32_t nsid);

/* Marks it as removing. */
void nvme_ns_remove(struct wrasse_namespace *ns);

/* Whether it is removing and every port is NVME_NS_PORT_NONE. */
bool nvme_ns_is_gone(const struct wrasse_namespace *ns);
void nvme_ns_free(struct wrasse_namespace *ns);

/*
 * An address where hosts can connect, for the discovery log. An any-address portal is shown as the
 * address that the asking host came to, if that connection came through it, else left out.
 *
 * Return: the portal's number (from 1), or -ENOMEM.
 */
int nvme_registry_add_portal(struct nvme_registry *registry, uint8_t adrfam, bool any_address,
			     const char *traddr, const char *trsvcid, uint8_t prtype);
void nvme_registry_remove_portal(struct nvme_registry *registry, uint16_t portal);

/* Whether a controller with this id lives, in any subsystem. */
bool nvme_registry_has_ctrl(const struct nvme_registry *registry, uint16_t cntlid);

/* How many controllers there are; for the end of drains and for tests. */
unsigned nvme_registry_ctrl_count(const struct nvme_registry *registry);

#endif
