/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservations through a power loss (Persist Through Power Loss, NVMe Base 2.0 8.19): what was saved
 * is taken over with the namespace, and a change takes effect when the embedder has saved it. One
 * change of a namespace is on its way at a time. With the target's lock, but for
 * nvme_request_save().
 */
#include "nvme/features.h"
#include "nvme/reservation.h"

/* ---- saving ---- */

/* Also when it shall persist no more: then what was saved must go. */
static bool must_save(const struct wrasse_namespace *ns)
{
	const struct nvme_ns_resv *resv = ns->resv;

	return ns->save_reservation && (resv->state.ptpl || resv->next.ptpl) &&
	       !nvme_resv_equals(&resv->state, &resv->next);
}

enum nvme_next nvme_resv_settle(struct nvme_request *request, struct nvme_ns_port *port,
				struct nvme_actions *actions)
{
	struct nvme_ns_resv *resv = port->ns->resv;

	if (!must_save(port->ns))
		return nvme_resv_commit(request, port->ns, actions);
	/* Nothing is in flight in a pause. */
	if (port->paused)
		return NVME_RETRY;
	resv->saving = true;
	resv->saved = (struct wrasse_reservation){
		.size = sizeof(resv->saved),
		.ptpl = resv->next.ptpl,
		.type = resv->next.type,
		.generation = resv->next.generation,
		.registrant_count = resv->next.count,
		.registrants = resv->next.registrant,
	};
	memset(&request->io, 0, sizeof(request->io));
	request->saving = true;
	/* Counted as an I/O, so that the namespace stays. */
	request->port = port;
	port->in_flight++;
	return NVME_SAVE;
}

void nvme_request_save(struct nvme_request *request)
{
	struct wrasse_namespace *ns = request->port->ns;

	ns->save_reservation(ns->reservation_ctx, &ns->resv->saved, &request->io);
}

enum nvme_next nvme_request_complete_save(struct nvme_request *request, struct wrasse_status status,
					  uint64_t now_ns, struct nvme_actions *actions)
{
	struct nvme_ns_port *port = request->port;
	enum nvme_next next = NVME_RESPOND;

	request->saving = false;
	request->port = NULL;
	port->in_flight--;
	if (request->fenced)
		nvme_fence_leave(request, port);
	port->ns->resv->saving = false;
	if (wrasse_status_is_ok(status))
		next = nvme_resv_commit(request, port->ns, actions);
	else
		nvme_refuse(request, status, NVME_AT_NONE, "the reservation could not be saved");
	/* Reservation Persistence of all namespaces goes on with the next. */
	if (wrasse_status_is_ok(status) && request->queue->on == NVME_ON_ADMIN)
		return nvme_request_execute_registry(request, now_ns, actions);
	return next;
}

/* ---- loading ---- */

static const char *holders_check(const struct wrasse_reservation *saved)
{
	uint32_t holders = 0, want = 1;

	for (uint32_t i = 0; i < saved->registrant_count; i++)
		holders += saved->registrants[i].holder;
	if (saved->type == WRASSE_RESERVATION_NONE)
		want = 0;
	else if (saved->type >= WRASSE_RESERVATION_WRITE_EXCLUSIVE_ALL)
		want = saved->registrant_count;
	if (holders != want || (saved->type != WRASSE_RESERVATION_NONE && holders == 0))
		return "reservation: the holders are not those of its type";
	return NULL;
}

static const char *registrant_check(const struct nvme_resv *resv,
				    const struct wrasse_registrant *registrant)
{
	static const uint8_t none[NVME_HOSTID_LEN];

	if (registrant->key == 0)
		return "reservation: a registrant's key is 0";
	if (memcmp(registrant->hostid, none, sizeof(none)) == 0)
		return "reservation: a registrant has no host identifier";
	if (nvme_resv_find(resv, registrant->hostid))
		return "reservation: a host is registered twice";
	if (strnlen(registrant->hostnqn, sizeof(registrant->hostnqn)) > NVME_NQN_LEN)
		return "reservation: a registrant's hostnqn is not terminated";
	return NULL;
}

static const char *saved_check(const struct wrasse_reservation *saved)
{
	if (saved->size < sizeof(*saved))
		return "reservation: its size is too small";
	if (saved->type >= NVME_RESV_TYPES)
		return "reservation: there is no such type";
	if (saved->registrant_count > WRASSE_MAX_REGISTRANTS)
		return "reservation: more registrants than WRASSE_MAX_REGISTRANTS";
	return holders_check(saved);
}

const char *nvme_resv_load(struct wrasse_namespace *ns, const struct wrasse_ns_opts *opts)
{
	const struct wrasse_reservation *saved = opts->reservation;
	struct nvme_resv *resv = &ns->resv->state;
	const char *wrong;

	if (!saved)
		return NULL;
	if (!opts->save_reservation)
		return "reservation is given, and save_reservation is not";
	wrong = saved_check(saved);
	if (wrong || !saved->ptpl)
		return wrong;
	for (uint32_t i = 0; i < saved->registrant_count; i++) {
		struct wrasse_registrant *to = &resv->registrant[resv->count];

		wrong = registrant_check(resv, &saved->registrants[i]);
		if (wrong)
			return wrong;
		*to = saved->registrants[i];
		memset(to->reserved, 0, sizeof(to->reserved));
		resv->count++;
	}
	resv->ptpl = true;
	resv->type = saved->type;
	resv->generation = saved->generation;
	return NULL;
}

/* ---- Reservation Persistence (NVMe Base 2.0 5.27.1.27) ---- */

#define PERSIST 1u /* CDW11: PTPL */

NVME_FEATURE_GET(nvme_resv_persistence_get)
{
	if (f != &request->queue->ctrl->features)
		return nvme_succeed(request, 0);
	return NVME_REGISTRY;
}

static enum nvme_next refuse_nsid(struct nvme_request *request)
{
	return nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
			   "no such namespace");
}

enum nvme_next nvme_resv_persistence_get_registry(struct nvme_request *request, uint64_t now_ns,
						  struct nvme_actions *actions)
{
	const struct nvme_ns_port *port = nvme_request_port(request);

	(void)now_ns;
	(void)actions;
	if (nvme_get32(request->cmd.nsid) == NVME_NSID_ALL)
		return nvme_refuse_field(request, NVME_AT_NSID, "each namespace has its own state");
	if (!port)
		return refuse_nsid(request);
	return nvme_succeed(request, port->ns->resv->state.ptpl);
}

static enum nvme_next persist(struct nvme_request *request, struct nvme_ns_port *port, bool ptpl,
			      struct nvme_actions *actions)
{
	struct nvme_ns_resv *resv = nvme_resv_own(port->ns);

	if (!resv)
		return nvme_resv_no_memory(request);
	if (resv->saving)
		return NVME_RETRY;
	nvme_resv_copy(&resv->next, &resv->state);
	resv->next.ptpl = ptpl;
	memset(&resv->change, 0, sizeof(resv->change));
	return nvme_resv_settle(request, port, actions);
}

/* One namespace after the other: each comes here again when it was saved. */
NVME_FEATURE_SET(nvme_resv_persistence_set)
{
	const struct nvme_queue *queue = request->queue;
	bool ptpl = value & PERSIST;
	uint32_t nsid = nvme_get32(request->cmd.nsid);
	bool able = false;

	if (nsid != NVME_NSID_ALL && !nvme_request_port(request))
		return refuse_nsid(request);
	for (uint32_t i = 1; i <= queue->view->count; i++) {
		struct nvme_ns_port *port = nvme_queue_port(queue, i);

		if (!port || (nsid != NVME_NSID_ALL && nsid != i) || !port->ns->save_reservation)
			continue;
		able = true;
		if (port->ns->resv->state.ptpl != ptpl)
			return persist(request, port, ptpl, actions);
	}
	if (ptpl && !able)
		return nvme_refuse_field(request, NVME_AT_CDW11,
					 "reservations cannot be kept through a power loss");
	return nvme_succeed(request, 0);
}
