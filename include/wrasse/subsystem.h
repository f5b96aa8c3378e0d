/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Subsystems: what a host connects to by name, and the hosts that may.
 */
#ifndef WRASSE_SUBSYSTEM_H
#define WRASSE_SUBSYSTEM_H

#include <wrasse/auth.h>

WRASSE_BEGIN_DECLS

/*
 * What happens when a host that has a controller connects again: the same host NQN and identifier,
 * from the same address to the same address of the same listener. A host that uses several
 * addresses (multipath) is no such case. Who must authenticate himself counts once he has.
 */
enum wrasse_duplicate_policy {
	WRASSE_DUPLICATE_ALLOW,   /* it gets another controller */
	WRASSE_DUPLICATE_REPLACE, /* it gets another controller, and its older ones end */
	WRASSE_DUPLICATE_REFUSE,  /* Connect Controller Busy while it has one */
};

/* What a subsystem is. Strings are copied. */
struct wrasse_subsystem_opts {
	size_t size;          /* sizeof(struct wrasse_subsystem_opts) */
	const char *nqn;      /* NVMe Qualified Name, at most 223 bytes; required */
	const char *serial;   /* 1 to 20 printable ASCII characters; NULL: made from the NQN */
	const char *model;    /* at most 40 characters; NULL: "wrasse" */
	const char *firmware; /* at most 8 characters; NULL: the library's version */
	uint16_t pci_vid;     /* PCI vendor id of the maker; 0: none */
	uint16_t pci_ssvid;   /* PCI subsystem vendor id; 0: none */
	uint32_t ieee_oui;    /* the maker's IEEE OUI, 24 bits, as in 0xAABBCC; 0: none */
	uint8_t fru_guid[16]; /* FRU Globally Unique Identifier; all zero: none */
	uint16_t retry_delay_100ms[3]; /* what Command Retry Delay 1 to 3 mean, in 100 ms (CRDT1-3);
					  0: that one is not used */
	uint32_t max_namespaces;       /* highest nsid, 1 to 65536; 0: 256 */
	uint16_t cntlid_min;           /* controller ids to use, 1 to 0xFFEF; 0: 1 */
	uint16_t cntlid_max;           /* 0: 0xFFEF */
	uint32_t max_ana_groups;       /* highest ana_group of its namespaces, 1 to 1024; 0: 16 */
	uint8_t ana_transition_s;      /* how long WRASSE_ANA_CHANGE may last, in s; 0: 10 */
	bool allow_any_host; /* any host NQN may connect; else only those that were added */
	/* Hosts must authenticate themselves on every queue; copied. NULL: they need not and cannot. */
	const struct wrasse_auth_opts *auth;
	bool no_auto_listener; /* reached only through listeners that were added */
	enum wrasse_duplicate_policy duplicates; /* hosts that connect twice */
	const char
		*label; /* 1 to 256 printable ASCII characters for who reads extended entries of the
			      discovery log (Admin label); NULL: none */
};

static inline void wrasse_subsystem_opts_init(struct wrasse_subsystem_opts *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->size = sizeof(*opts);
}

/*
 * Adds a subsystem to a target. Hosts may connect as soon as it exists.
 *
 * @target: the target; not NULL.
 * @opts: what the subsystem is; copied.
 * @subsystem: where to store it; not NULL. The target owns it.
 *
 * Context: any thread, also a callback. It allocates.
 * Return: 0; -EINVAL for a malformed NQN, string, range or auth (the log names it); -EEXIST if the
 * NQN is in use; -E2BIG for an unknown tail of opts or auth; -ENOMEM; -ESHUTDOWN if the target
 * drains.
 */
WRASSE_API int wrasse_subsystem_create(struct wrasse_target *target,
				       const struct wrasse_subsystem_opts *opts,
				       struct wrasse_subsystem **subsystem);

/*
 * Removes a subsystem: its controllers' connections are ended, its namespaces removed, then it is
 * freed.
 *
 * @subsystem: the subsystem; not to be used again after this call.
 * @done: called once when nothing of it is left; may be NULL.
 * @ctx: given to done.
 *
 * Context: any thread, also a callback. Callbacks: done, from wrasse_target_poll(), after this
 * function has returned. Return: 0; -EALREADY if it is being removed.
 */
WRASSE_API int wrasse_subsystem_remove(struct wrasse_subsystem *subsystem, void (*done)(void *ctx),
				       void *ctx);

/*
 * Lets a host connect.
 *
 * @hostnqn: the host's NQN, at most 223 bytes; copied.
 *
 * Context: any thread, also a callback. It allocates.
 * Return: 0; -EINVAL for a malformed NQN; -EEXIST if it is allowed already; -ENOMEM.
 */
WRASSE_API int wrasse_subsystem_add_host(struct wrasse_subsystem *subsystem, const char *hostnqn);

/*
 * Forbids a host to connect and ends the connections that it has. Reservations and registrations of
 * the host stay: they are the namespaces', and other hosts can preempt or clear them.
 *
 * Context: any thread, also a callback.
 * Return: 0; -ENOENT if it was not allowed by name.
 */
WRASSE_API int wrasse_subsystem_remove_host(struct wrasse_subsystem *subsystem,
					    const char *hostnqn);

/*
 * Makes a subsystem that has no_auto_listener reachable through a listener. Its discovery log
 * entries follow.
 *
 * @listener: the listener; it is forgotten when it is destroyed.
 *
 * Context: any thread, also a callback. It may allocate.
 * Return: 0; -EEXIST if it is reachable there already; -EINVAL if it has not no_auto_listener;
 * -ENOMEM.
 */
WRASSE_API int wrasse_subsystem_add_listener(struct wrasse_subsystem *subsystem,
					     struct wrasse_listener *listener);

/*
 * The reverse: connections to the subsystem that came in through the listener are ended.
 *
 * Context: any thread, also a callback.
 * Return: 0; -ENOENT if it was not added.
 */
WRASSE_API int wrasse_subsystem_remove_listener(struct wrasse_subsystem *subsystem,
						struct wrasse_listener *listener);

WRASSE_END_DECLS

#endif
