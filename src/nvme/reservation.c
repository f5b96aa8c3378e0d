/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservation state: what Register, Acquire and Release make of it, and the table of what a
 * reservation allows to whom. Pure functions; the caller holds the target's lock.
 */
#include "nvme/reservation.h"

/* ---- who may do what (NVMe Base 2.0 8.19) ---- */

#define R  NVME_ACCESS_READ
#define W  NVME_ACCESS_WRITE
#define RW (R | W)

/* By reservation type: a host that is not registered, a registrant, the holder. */
static const uint8_t allowed[NVME_RESV_TYPES][NVME_ROLE_COUNT] = {
	[WRASSE_RESERVATION_NONE] = {RW, RW, RW},
	[WRASSE_RESERVATION_WRITE_EXCLUSIVE] = {R, R, RW},
	[WRASSE_RESERVATION_EXCLUSIVE_ACCESS] = {0, 0, RW},
	[WRASSE_RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS] = {R, RW, RW},
	[WRASSE_RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS] = {0, RW, RW},
	[WRASSE_RESERVATION_WRITE_EXCLUSIVE_ALL] = {R, RW, RW},
	[WRASSE_RESERVATION_EXCLUSIVE_ACCESS_ALL] = {0, RW, RW},
};

uint8_t nvme_resv_allows(uint8_t type, enum nvme_resv_role role)
{
	return allowed[type][role];
}

uint8_t nvme_resv_denied(const struct nvme_resv *resv, const uint8_t *hostid)
{
	const struct wrasse_registrant *self = nvme_resv_find(resv, hostid);
	enum nvme_resv_role role = NVME_ROLE_NONE;

	if (self)
		role = self->holder ? NVME_ROLE_HOLDER : NVME_ROLE_REGISTRANT;
	return (uint8_t)(RW & ~allowed[resv->type][role]);
}

/* ---- state ---- */

static bool type_is_valid(uint8_t type)
{
	return type != WRASSE_RESERVATION_NONE && type < NVME_RESV_TYPES;
}

/* Registrants have a part in it: they are told when it ends. */
static bool type_is_shared(uint8_t type)
{
	return type >= WRASSE_RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS;
}

/* Every registrant holds it. */
static bool type_is_all(uint8_t type)
{
	return type >= WRASSE_RESERVATION_WRITE_EXCLUSIVE_ALL;
}

static size_t resv_len(const struct nvme_resv *resv)
{
	return offsetof(struct nvme_resv, registrant) + resv->count * sizeof(resv->registrant[0]);
}

void nvme_resv_copy(struct nvme_resv *to, const struct nvme_resv *from)
{
	memcpy(to, from, resv_len(from));
}

bool nvme_resv_equals(const struct nvme_resv *a, const struct nvme_resv *b)
{
	return a->count == b->count && memcmp(a, b, resv_len(a)) == 0;
}

/* Return: an index, -1: the host is not registered. */
static int registrant_index(const struct nvme_resv *resv, const uint8_t *hostid)
{
	for (uint32_t i = 0; i < resv->count; i++) {
		if (memcmp(resv->registrant[i].hostid, hostid, NVME_HOSTID_LEN) == 0)
			return (int)i;
	}
	return -1;
}

const struct wrasse_registrant *nvme_resv_find(const struct nvme_resv *resv, const uint8_t *hostid)
{
	int index = registrant_index(resv, hostid);

	return index < 0 ? NULL : &resv->registrant[index];
}

static void registrant_remove(struct nvme_resv *resv, uint32_t index)
{
	resv->count--;
	memmove(&resv->registrant[index], &resv->registrant[index + 1],
		(resv->count - index) * sizeof(resv->registrant[0]));
}

/* Removes those with a key, or all; never the host itself. Return: how many. */
static uint32_t registrants_preempt(struct nvme_resv *resv, const uint8_t *self, uint64_t key,
				    bool all)
{
	uint32_t before = resv->count;

	for (uint32_t i = resv->count; i-- > 0;) {
		const struct wrasse_registrant *other = &resv->registrant[i];

		if ((all || other->key == key) && memcmp(other->hostid, self, NVME_HOSTID_LEN) != 0)
			registrant_remove(resv, i);
	}
	return before - resv->count;
}

static void reservation_begin(struct nvme_resv *resv, uint8_t type, const uint8_t *hostid)
{
	int self = registrant_index(resv, hostid);

	resv->type = type;
	for (uint32_t i = 0; i < resv->count; i++)
		resv->registrant[i].holder = type_is_all(type) || (int)i == self;
}

static void reservation_end(struct nvme_resv *resv)
{
	resv->type = WRASSE_RESERVATION_NONE;
	for (uint32_t i = 0; i < resv->count; i++)
		resv->registrant[i].holder = false;
}

/* ---- answers ---- */

static struct wrasse_status conflict(const char **why, const char *phrase)
{
	*why = phrase;
	return NVME_GENERIC(WRASSE_SC_RESERVATION_CONFLICT);
}

static struct wrasse_status invalid(const char **why, const char *phrase)
{
	*why = phrase;
	return NVME_GENERIC(WRASSE_SC_INVALID_FIELD);
}

/* ---- Register (NVMe Base 2.0 7.3, 8.19.3) ---- */

static struct wrasse_status registrant_add(struct nvme_resv *resv, const struct nvme_resv_cmd *cmd,
					   const char **why)
{
	struct wrasse_registrant *made = &resv->registrant[resv->count];

	if (resv->count == WRASSE_MAX_REGISTRANTS) {
		*why = "64 hosts are registered with the namespace: WRASSE_MAX_REGISTRANTS";
		return wrasse_status_make(WRASSE_SCT_GENERIC, WRASSE_SC_INTERNAL, false);
	}
	memset(made, 0, sizeof(*made));
	memcpy(made->hostid, cmd->hostid, sizeof(made->hostid));
	memcpy(made->hostnqn, cmd->hostnqn, strnlen(cmd->hostnqn, sizeof(made->hostnqn) - 1));
	made->key = cmd->key;
	made->holder = type_is_all(resv->type);
	resv->count++;
	return wrasse_status_ok();
}

static void registrant_leave(struct nvme_resv *resv, uint32_t index,
			     struct nvme_resv_change *change)
{
	bool holder = resv->registrant[index].holder;

	registrant_remove(resv, index);
	if (!holder || (type_is_all(resv->type) && resv->count > 0))
		return;
	if (type_is_shared(resv->type))
		change->to_others = NVME_NOTICE_RESERVATION_RELEASED;
	reservation_end(resv);
}

enum rrega {
	RREGA_REGISTER,
	RREGA_UNREGISTER,
	RREGA_REPLACE,
};

enum cptpl {
	CPTPL_KEEP,
	CPTPL_RESERVED,
	CPTPL_OFF,
	CPTPL_ON,
};

static const char *register_check(const struct nvme_resv_cmd *cmd)
{
	if (cmd->action > RREGA_REPLACE)
		return "RREGA is reserved";
	if (cmd->cptpl == CPTPL_RESERVED)
		return "CPTPL is reserved";
	if (cmd->cptpl == CPTPL_ON && !cmd->can_persist)
		return "the namespace cannot keep reservations through a power loss";
	if (cmd->action != RREGA_UNREGISTER && cmd->key == 0)
		return "NRKEY is 0";
	return NULL;
}

static struct wrasse_status apply_register(struct nvme_resv *resv, const struct nvme_resv_cmd *cmd,
					   struct nvme_resv_change *change, const char **why)
{
	struct wrasse_status status = wrasse_status_ok();
	int self = registrant_index(resv, cmd->hostid);
	const char *wrong = register_check(cmd);

	if (wrong)
		return invalid(why, wrong);
	if (cmd->action == RREGA_REGISTER) {
		if (self < 0)
			status = registrant_add(resv, cmd, why);
		else if (resv->registrant[self].key != cmd->key)
			return conflict(why, "the host is registered with another key");
	} else if (self < 0) {
		return conflict(why, "the host is not registered");
	} else if (!cmd->iekey && resv->registrant[self].key != cmd->crkey) {
		return conflict(why, "CRKEY is not the host's key");
	} else if (cmd->action == RREGA_REPLACE) {
		resv->registrant[self].key = cmd->key;
	} else {
		registrant_leave(resv, (uint32_t)self, change);
	}
	if (cmd->cptpl != CPTPL_KEEP)
		resv->ptpl = cmd->cptpl == CPTPL_ON;
	resv->generation++;
	return status;
}

/* ---- Acquire (NVMe Base 2.0 7.2, 8.19.5, 8.19.7) ---- */

enum racqa {
	RACQA_ACQUIRE,
	RACQA_PREEMPT,
	RACQA_PREEMPT_AND_ABORT,
};

/* Whether a preempt takes the reservation over, beside unregistering hosts. */
static bool preempt_takes(const struct nvme_resv *resv, uint64_t prkey)
{
	if (resv->type == WRASSE_RESERVATION_NONE)
		return false;
	if (type_is_all(resv->type))
		return prkey == 0;
	for (uint32_t i = 0; i < resv->count; i++) {
		if (resv->registrant[i].holder)
			return resv->registrant[i].key == prkey;
	}
	return false;
}

static struct wrasse_status preempt(struct nvme_resv *resv, const struct nvme_resv_cmd *cmd,
				    struct nvme_resv_change *change, const char **why)
{
	bool takes = preempt_takes(resv, cmd->key);
	uint8_t was = resv->type;
	uint32_t removed;

	if (cmd->key == 0 && !takes)
		return invalid(why, "PRKEY is 0 and not all registrants hold the reservation");
	removed = registrants_preempt(resv, cmd->hostid, cmd->key, takes && cmd->key == 0);
	if (removed == 0 && cmd->key != 0 && cmd->key != cmd->crkey)
		return conflict(why, "PRKEY is no registrant's key");
	change->to_removed = NVME_NOTICE_REGISTRATION_PREEMPTED;
	change->abort = cmd->action == RACQA_PREEMPT_AND_ABORT;
	resv->generation++;
	if (!takes)
		return wrasse_status_ok();
	if (type_is_shared(was) && was != cmd->type)
		change->to_others = NVME_NOTICE_RESERVATION_RELEASED;
	reservation_begin(resv, cmd->type, cmd->hostid);
	return wrasse_status_ok();
}

/* What Acquire and Release ask of a host first. Return: whether it is there. */
static bool key_check(const struct nvme_resv *resv, const struct nvme_resv_cmd *cmd)
{
	const struct wrasse_registrant *self = nvme_resv_find(resv, cmd->hostid);

	return self && self->key == cmd->crkey;
}

static struct wrasse_status apply_acquire(struct nvme_resv *resv, const struct nvme_resv_cmd *cmd,
					  struct nvme_resv_change *change, const char **why)
{
	if (cmd->action > RACQA_PREEMPT_AND_ABORT)
		return invalid(why, "RACQA is reserved");
	if (cmd->iekey)
		return invalid(why, "IEKEY is not for Reservation Acquire");
	if (!type_is_valid(cmd->type))
		return invalid(why, "RTYPE is reserved");
	if (!key_check(resv, cmd))
		return conflict(why, "the host is not registered with CRKEY");
	if (cmd->action != RACQA_ACQUIRE)
		return preempt(resv, cmd, change, why);
	if (resv->type == WRASSE_RESERVATION_NONE)
		reservation_begin(resv, cmd->type, cmd->hostid);
	else if (resv->type != cmd->type)
		return conflict(why, "there is a reservation of another type");
	else if (!nvme_resv_find(resv, cmd->hostid)->holder)
		return conflict(why, "another host holds the reservation");
	return wrasse_status_ok();
}

/* ---- Release (NVMe Base 2.0 7.4, 8.19.6, 8.19.8) ---- */

enum rrela {
	RRELA_RELEASE,
	RRELA_CLEAR,
};

static struct wrasse_status apply_release(struct nvme_resv *resv, const struct nvme_resv_cmd *cmd,
					  struct nvme_resv_change *change, const char **why)
{
	if (cmd->action > RRELA_CLEAR)
		return invalid(why, "RRELA is reserved");
	if (cmd->iekey)
		return invalid(why, "IEKEY is not for Reservation Release");
	if (!key_check(resv, cmd))
		return conflict(why, "the host is not registered with CRKEY");
	if (cmd->action == RRELA_CLEAR) {
		resv->count = 0;
		resv->generation++;
		reservation_end(resv);
		change->to_removed = NVME_NOTICE_RESERVATION_PREEMPTED;
		return wrasse_status_ok();
	}
	/* Not an error, and nothing happens, for a registrant that holds nothing. */
	if (resv->type == WRASSE_RESERVATION_NONE || !nvme_resv_find(resv, cmd->hostid)->holder)
		return wrasse_status_ok();
	if (cmd->type != resv->type)
		return invalid(why, "RTYPE is not the type of the reservation");
	if (type_is_shared(resv->type))
		change->to_others = NVME_NOTICE_RESERVATION_RELEASED;
	reservation_end(resv);
	return wrasse_status_ok();
}

struct wrasse_status nvme_resv_apply(struct nvme_resv *resv, const struct nvme_resv_cmd *cmd,
				     struct nvme_resv_change *change, const char **why)
{
	memset(change, 0, sizeof(*change));
	memcpy(change->hostid, cmd->hostid, sizeof(change->hostid));
	if (cmd->opcode == NVME_OPC_RESV_REGISTER)
		return apply_register(resv, cmd, change, why);
	if (cmd->opcode == NVME_OPC_RESV_ACQUIRE)
		return apply_acquire(resv, cmd, change, why);
	return apply_release(resv, cmd, change, why);
}
