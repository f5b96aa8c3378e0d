/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry: a target's subsystems, hosts, namespaces, controllers and portals (addresses for
 * the discovery log). Every function is called with the target's lock held, by any thread. Nothing
 * here calls the embedder.
 */
#ifndef WRASSE_NVME_REGISTRY_H
#define WRASSE_NVME_REGISTRY_H

#include <wrasse/ana.h>
#include <wrasse/auth.h>
#include <wrasse/namespace.h>
#include <wrasse/ns_management.h>
#include <wrasse/subsystem.h>

#include "nvme/nvme.h"
#include "relaxed.h"

#define NVME_DISCOVERY_NQN "nqn.2014-08.org.nvmexpress.discovery"

/* nqn.c: whether it is an NVMe Qualified Name (NVMe Base 2.0 4.5) without control characters. */
bool nvme_nqn_is_valid(const char *nqn);

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

/* Who waits until a pause is complete; the composition root's. */
struct rdmat_pause;

/* A pause of a namespace or of a subsystem; guarded by the lock. */
struct nvme_pause {
	bool on;                  /* groups hold new I/O back */
	struct rdmat_pause *wait; /* NULL: nobody waits */
};

/* Another discovery service. */
struct nvme_referral {
	struct nvme_referral *next;
	uint8_t adrfam;
	char traddr[64];
	char trsvcid[8];
	char nqn[NVME_NQN_LEN + 1];
	char hostnqn[NVME_NQN_LEN + 1]; /* "": for every host */
};

/* A global identifier of a namespace; all zero: it has none. */
enum nvme_ns_id_kind { NVME_NS_NGUID, NVME_NS_EUI64, NVME_NS_UUID, NVME_NS_ID_KINDS };

struct nvme_ns_id {
	struct nvme_ns_id *next; /* registry->ns_ids[] */
	uint8_t kind;
	uint8_t bytes[16]; /* an EUI64 has 8 */
};

#define NVME_NS_ID_BUCKETS 1024

/* One ANA group on one path. */
struct nvme_ana_group {
	_Atomic(uint8_t) state;       /* enum wrasse_ana_state */
	_Atomic(uint64_t) changes;    /* how often the state changed */
	_Atomic(uint64_t) changed_at; /* path->changes when it last did */
};

/*
 * How a subsystem is reached through one portal. What may change is written with the target's lock
 * held and read by any thread without it.
 */
struct nvme_path {
	struct nvme_path *next; /* subsystem->paths */
	struct wrasse_subsystem *subsystem;
	uint16_t portal;
	bool added;                /* the portal is one of a subsystem with no_auto_listener */
	uint32_t refs;             /* controllers, and one while it is in the list */
	_Atomic(uint64_t) changes; /* of the states of all groups; stored after them */
	/* Groups in a state that refuses commands: never fewer than who reads their states after it can find. */
	_Atomic(uint32_t) closed;
	struct nvme_ana_group ana[]; /* by ANAGRPID - 1, subsystem->ana_groups of them */
};

/*
 * A namespace: constant after create, but for block_count, hosts, what hosts set, pause,
 * removing and the ports.
 */
struct wrasse_namespace {
	struct wrasse_subsystem *subsystem;
	struct wrasse_namespace *next;     /* subsystem->namespaces, ascending nsid */
	struct wrasse_namespace *ana_next; /* subsystem->ana_first[], ascending nsid */
	uint32_t nsid;
	uint32_t ana_group;
	uint32_t block_shift;          /* log2 of the block size */
	_Atomic(uint64_t) block_count; /* written with the lock: see nvme_ns_blocks() */
	bool restricted;               /* seen by these hosts only */
	bool one_host;                 /* hosts may attach one of them at a time */
	struct nvme_host *hosts;
	struct nvme_ns_id id[NVME_NS_ID_KINDS];
	bool read_only;
	bool volatile_cache;
	uint8_t pi_type;     /* 1 to 3; 0: no protection information */
	uint32_t io_opcodes; /* WRASSE_IO_BIT() of what the backend takes */
	uint64_t max_write_zeroes_len, max_discard_len; /* bytes; 0: no limit */
	bool discard_zeroes;
	struct wrasse_ns_hints hints;
	uint64_t io_timeout_ns; /* for the backend to complete an I/O; 0: as long as it takes */
	_Atomic(bool) write_protected; /* by a host; any thread, as the next */
	_Atomic(bool) cache_off;       /* by a host */
	struct wrasse_backend_ops
		ops; /* a copy of as much as the embedder's size says; the rest zero */
	void *backend;
	_Atomic(bool) pair_turn; /* a fused pair has its turn */
	wrasse_reservation_save_fn save_reservation;
	void *reservation_ctx;
	struct nvme_ns_resv *resv;  /* guarded by the lock; or &nvme_no_resv */
	struct nvme_pause pause;    /* of this namespace alone */
	bool removing;              /* guarded by the lock: groups let go of it */
	void (*removed)(void *ctx); /* called by the composition root when it is gone */
	void *removed_ctx;
	struct nvme_ns_port port[]; /* limits->group_count */
};

/* Whether hosts may not write, by the embedder's will or by that of a host. */
static inline bool nvme_ns_is_read_only(const struct wrasse_namespace *ns)
{
	return ns->read_only || relaxed_load(&ns->write_protected);
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
	uint16_t cntlid_next;                /* ids are used again as late as possible */
	uint32_t ana_groups;                 /* ANAGRPMAX */
	uint8_t ana_transition_s;            /* ANATT */
	uint8_t *ana_initial;                /* states of paths to come */
	uint64_t *ana_members;               /* how often a group's namespaces changed */
	uint64_t ana_members_changes;        /* the same of all groups */
	struct wrasse_namespace **ana_first; /* a group's namespaces */
	struct wrasse_namespace **ns_at;     /* by nsid - 1; max_namespaces of them */
	uint32_t nsid_free;                  /* no id below it is free */
	struct nvme_path *paths;
	enum wrasse_duplicate_policy duplicates;
	bool no_auto_listener;
	bool allow_any_host;
	struct wrasse_auth_opts auth; /* constant; get_key NULL: hosts need not authenticate */
	struct nvme_pause pause;      /* of all its namespaces */
	bool removing;
	bool is_discovery; /* the well-known discovery subsystem; always there */
	void (*removed)(void *ctx);
	void *removed_ctx;
	struct wrasse_namespace *namespaces;
	struct nvme_host *hosts; /* allowed by name */
	struct nvme_ctrl *ctrls;
	_Atomic(struct nvme_hook *) hooks[2][256]; /* [admin][opcode]: set once; any thread */
	struct wrasse_ns_management management;    /* constant once its hooks are there */
	struct nvme_view **view; /* limits->group_count of them, allocated with the subsystem */
	char label[257];         /* empty: none */
};

struct nvme_registry {
	const struct nvme_limits *limits;
	struct wrasse_subsystem *subsystems; /* the discovery subsystem among them */
	struct nvme_portal *portals;
	struct nvme_referral *referrals;
	struct nvme_ns_id *ns_ids[NVME_NS_ID_BUCKETS];
	uint64_t genctr;      /* of the discovery log: changes whenever its content would */
	uint64_t fence;       /* Preempt and Abort commands ever */
	uint64_t ctrls_made;  /* controllers ever */
	uint32_t removals;    /* namespaces and subsystems that are being removed */
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
/* Where a host is in a list, or the list's end. */
struct nvme_host **nvme_host_find(struct nvme_host *const *hosts, const char *hostnqn);

int nvme_subsystem_add_host(struct wrasse_subsystem *subsystem, const char *hostnqn);

/* Also ends the controllers of that host, unless any host is allowed. */
int nvme_subsystem_remove_host(struct wrasse_subsystem *subsystem, const char *hostnqn);

/* Return: the nsid, or a negative errno value. */
int nvme_ns_create(struct wrasse_subsystem *subsystem, const struct wrasse_ns_opts *opts,
		   struct wrasse_namespace **ns, const char **why);

/* ns_index.c: by id; NULL: there is none. */
struct wrasse_namespace *nvme_ns_find(struct wrasse_subsystem *subsystem, uint32_t nsid);

/* The lowest id that no namespace has; above max_namespaces: there is none. */
uint32_t nvme_ns_lowest_free(struct wrasse_subsystem *subsystem);

/* Whether an identifier of a new namespace is in use in the target. Return: NULL, or which. */
const char *nvme_ns_find_duplicate(const struct wrasse_namespace *ns);

/* Puts a namespace whose nsid, ANA group and identifiers are set where it belongs, and takes it away. */
void nvme_ns_index_add(struct wrasse_namespace *ns);
void nvme_ns_index_remove(struct wrasse_namespace *ns);

/* Blocks of a namespace now. A check reads it once: it may be resized meanwhile. Any thread. */
static inline uint64_t nvme_ns_blocks(const struct wrasse_namespace *ns)
{
	return relaxed_load(&ns->block_count);
}

/* Return: 0, or -EINVAL with @why. */
int nvme_ns_resize(struct wrasse_namespace *ns, uint64_t block_count, const char **why);

/* Tells every controller that sees it. */
void nvme_ns_note(struct wrasse_namespace *ns);

/* Who sees a restricted namespace. */
int nvme_ns_allow_host(struct wrasse_namespace *ns, const char *hostnqn);
int nvme_ns_disallow_host(struct wrasse_namespace *ns, const char *hostnqn);

/* The same for the name of a connected host, which need not be an NVMe Qualified Name. Return: 0,
 * -EEXIST, -ENOMEM. */
int nvme_ns_attach_host(struct wrasse_namespace *ns, const char *hostnqn);

/* Whether new I/O waits, because of its own pause or its subsystem's. */
static inline bool nvme_ns_is_paused(const struct wrasse_namespace *ns)
{
	return ns->pause.on || ns->subsystem->pause.on;
}

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
bool nvme_registry_has_portal(const struct nvme_registry *registry, uint16_t portal);

/* ---- referral.c ---- */

/* Return: 0, -EINVAL, -EEXIST, -ENOMEM; 0, -ENOENT. @referral: copied, compared. */
int nvme_referral_add(struct nvme_registry *registry, const struct nvme_referral *referral);
int nvme_referral_remove(struct nvme_registry *registry, const struct nvme_referral *referral);

/* ---- path.c ---- */

/* The path of a new controller: a reference, or NULL: no memory. */
struct nvme_path *nvme_path_get(struct wrasse_subsystem *subsystem, uint16_t portal);
void nvme_path_put(struct nvme_path *path);

/* Whether it is reached through a portal. */
bool nvme_subsystem_is_on(const struct wrasse_subsystem *subsystem, uint16_t portal);

/* Of a subsystem with no_auto_listener. Return: 0, -EINVAL, -EEXIST, -ENOMEM; 0, -ENOENT. */
int nvme_subsystem_add_portal(struct wrasse_subsystem *subsystem, uint16_t portal);
int nvme_subsystem_remove_portal(struct wrasse_subsystem *subsystem, uint16_t portal);

/* The portal is gone, 0: every one is. Controllers keep what they have until they end. */
void nvme_paths_forget(struct wrasse_subsystem *subsystem, uint16_t portal);

/*
 * Sets the ANA state of a group on a path.
 *
 * @portal: 0: on every path, also those to come. @group: 0: every group.
 * Return: 0, -EINVAL, -ENOMEM.
 */
int nvme_path_set_ana(struct wrasse_subsystem *subsystem, uint16_t portal, uint32_t group,
		      enum wrasse_ana_state state);

/* Return: the state, or -EINVAL. */
int nvme_path_get_ana(struct wrasse_subsystem *subsystem, uint16_t portal, uint32_t group);

/* Whether commands are taken in an ANA state. */
static inline bool nvme_ana_is_open(uint8_t state)
{
	return __builtin_expect(state == WRASSE_ANA_OPTIMIZED || state == WRASSE_ANA_NON_OPTIMIZED,
				true);
}

/* The state of a group now. Any thread. */
static inline uint8_t nvme_path_state(const struct nvme_path *path, uint32_t group)
{
	return atomic_load_explicit(&path->ana[(size_t)group - 1].state, memory_order_acquire);
}

/* Whether a controller sees a restricted namespace. Any thread. */
bool nvme_ctrl_sees(const struct nvme_ctrl *ctrl, uint32_t nsid);

/* How many controllers there are; for the end of drains and for tests. */
unsigned nvme_registry_ctrl_count(const struct nvme_registry *registry);

#endif
