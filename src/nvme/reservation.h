/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservation state of a namespace and what each command makes of it (NVMe Base 2.0 8.19), as
 * functions of (state, command) that know of no controller. Whoever calls holds the target's lock;
 * the data path never comes here, it reads what nvme_resv_publish() has left with each controller.
 */
#ifndef WRASSE_NVME_RESERVATION_H
#define WRASSE_NVME_RESERVATION_H

#include <wrasse/reservation.h>

#include "nvme/ctrl.h"
#include "nvme/wire_resv.h"

/* What a host is to a reservation. */
enum nvme_resv_role {
	NVME_ROLE_NONE,
	NVME_ROLE_REGISTRANT,
	NVME_ROLE_HOLDER,
	NVME_ROLE_COUNT,
};

#define NVME_RESV_TYPES 7 /* enum wrasse_reservation_type, none among them */

struct nvme_resv {
	uint32_t generation;
	uint8_t type; /* enum wrasse_reservation_type */
	bool ptpl;    /* Persist Through Power Loss */
	uint32_t count;
	struct wrasse_registrant registrant[WRASSE_MAX_REGISTRANTS];
};

/* A reservation command, taken apart. */
struct nvme_resv_cmd {
	uint8_t opcode;
	uint8_t action; /* RREGA, RACQA, RRELA */
	uint8_t type;   /* RTYPE */
	uint8_t cptpl;
	bool iekey;
	bool can_persist; /* the namespace has a way to save */
	uint64_t crkey;
	uint64_t key; /* NRKEY, PRKEY */
	const uint8_t *hostid;
	const char *hostnqn;
};

/* Reservation notifications, as log page types (NVMe Base 2.0 5.16.1.24). */
enum nvme_resv_notice {
	NVME_NOTICE_NONE,
	NVME_NOTICE_REGISTRATION_PREEMPTED,
	NVME_NOTICE_RESERVATION_RELEASED,
	NVME_NOTICE_RESERVATION_PREEMPTED,
};

/* What a change means to other hosts than the one that made it. */
struct nvme_resv_change {
	uint8_t hostid[NVME_HOSTID_LEN];  /* who made it */
	enum nvme_resv_notice to_removed; /* for hosts that are registrants no more */
	enum nvme_resv_notice to_others;  /* for those that still are */
	bool abort; /* commands of the removed hosts end before the command does */
};

/*
 * Carries out a command.
 *
 * @resv: the state; undefined after a failure, so give a copy.
 * @why: set to a constant phrase when the command fails.
 * Return: success, or what the host is told.
 */
struct wrasse_status nvme_resv_apply(struct nvme_resv *resv, const struct nvme_resv_cmd *cmd,
				     struct nvme_resv_change *change, const char **why);

/* Copies as much as the state holds. */
void nvme_resv_copy(struct nvme_resv *to, const struct nvme_resv *from);
bool nvme_resv_equals(const struct nvme_resv *a, const struct nvme_resv *b);

/* NULL: the host is not registered. */
const struct wrasse_registrant *nvme_resv_find(const struct nvme_resv *resv, const uint8_t *hostid);

/* What a host may not do: bits of enum nvme_access. */
uint8_t nvme_resv_denied(const struct nvme_resv *resv, const uint8_t *hostid);

/* The table behind it: what is allowed. */
uint8_t nvme_resv_allows(uint8_t type, enum nvme_resv_role role);

/* ---- reservation_cmd.c: the state of a namespace; REGISTRY ---- */

struct nvme_ns_resv {
	struct nvme_resv state;
	struct nvme_resv next;           /* what a command is about to make of it */
	struct nvme_resv_change change;  /* what that means to others */
	struct wrasse_reservation saved; /* next, for the embedder */
	bool saving;                     /* next waits for the embedder; other commands for it */
	/* The last Preempt and Abort: a number of its own in the registry, and whose commands it waits
	 * for. */
	uint64_t fence;
	uint32_t fenced_count;
	uint8_t fenced[WRASSE_MAX_REGISTRANTS][NVME_HOSTID_LEN];
};

/* What all namespaces have that nobody has ever reserved: it is large, and most are such. */
extern struct nvme_ns_resv nvme_no_resv;

/* One of a namespace's own, to be changed. Return: NULL: no memory. */
struct nvme_ns_resv *nvme_resv_own(struct wrasse_namespace *ns);

/* Answers with Internal Error. */
enum nvme_next nvme_resv_no_memory(struct nvme_request *request);

/* Tells every controller of the subsystem what it may not do. */
void nvme_resv_publish(const struct wrasse_namespace *ns);

/* Tells a new controller. */
void nvme_resv_admit(struct nvme_ctrl *ctrl);

/* The namespace is about to be freed. */
void nvme_resv_forget(struct wrasse_namespace *ns);

/* Adds notifications for the controllers whose hosts must hear of a change from state to next. */
void nvme_resv_notify(const struct wrasse_namespace *ns, const struct nvme_resv_change *change,
		      struct nvme_actions *actions);

/* next takes effect. */
enum nvme_next nvme_resv_commit(struct nvme_request *request, struct wrasse_namespace *ns,
				struct nvme_actions *actions);

/* RESCAP of Identify Namespace. */
uint8_t nvme_resv_capabilities(const struct wrasse_namespace *ns);

/* ---- reservation_save.c; REGISTRY ---- */

/* next takes effect now, or when it was saved. (@port: the namespace's, of the request's group.) */
enum nvme_next nvme_resv_settle(struct nvme_request *request, struct nvme_ns_port *port,
				struct nvme_actions *actions);

/*
 * Takes over what was saved of a new namespace, if anything.
 *
 * Return: NULL, or what is wrong with it.
 */
const char *nvme_resv_load(struct wrasse_namespace *ns, const struct wrasse_ns_opts *opts);

#endif
