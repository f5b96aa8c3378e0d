/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reservation commands (NVMe Base 2.0 7.2 to 7.5), and what every controller of a subsystem is
 * told of the outcome, so that the data path needs neither lock nor state. The thread of the queue's
 * group, with the target's lock.
 */
#include <stdlib.h>

#include "nvme/reservation.h"

#define CNTLID_NONE 0xffff

struct nvme_ns_resv nvme_no_resv;

struct nvme_ns_resv *nvme_resv_own(struct wrasse_namespace *ns)
{
	struct nvme_ns_resv *own = ns->resv == &nvme_no_resv ? calloc(1, sizeof(*own)) : ns->resv;

	if (own)
		ns->resv = own;
	return own;
}

/* ---- what controllers are told ---- */

static void publish(struct nvme_ctrl *ctrl, const struct wrasse_namespace *ns, uint8_t denied)
{
	_Atomic(uint8_t) *now = &ctrl->ns[ns->nsid - 1].denied;
	uint8_t before = atomic_load_explicit(now, memory_order_relaxed);

	if (denied && !before)
		atomic_fetch_add(&ctrl->denials, 1);
	atomic_store_explicit(now, denied, memory_order_release);
	if (before && !denied)
		atomic_fetch_sub(&ctrl->denials, 1);
}

void nvme_resv_publish(const struct wrasse_namespace *ns)
{
	for (struct nvme_ctrl *ctrl = ns->subsystem->ctrls; ctrl; ctrl = ctrl->next)
		publish(ctrl, ns, nvme_resv_denied(&ns->resv->state, ctrl->hostid));
}

void nvme_resv_admit(struct nvme_ctrl *ctrl)
{
	for (struct wrasse_namespace *ns = ctrl->subsystem->namespaces; ns; ns = ns->next)
		publish(ctrl, ns, nvme_resv_denied(&ns->resv->state, ctrl->hostid));
}

void nvme_resv_forget(struct wrasse_namespace *ns)
{
	for (struct nvme_ctrl *ctrl = ns->subsystem->ctrls; ctrl; ctrl = ctrl->next)
		publish(ctrl, ns, 0);
	if (ns->resv != &nvme_no_resv)
		free(ns->resv);
}

uint8_t nvme_resv_capabilities(const struct wrasse_namespace *ns)
{
	return NVME_RESCAP_TYPES | NVME_RESCAP_IEKEY |
	       (ns->save_reservation ? NVME_RESCAP_PTPL : 0);
}

enum nvme_next nvme_request_deny(struct nvme_request *request)
{
	if (request->preempted)
		return nvme_refuse_quietly(
			request, wrasse_status_make(WRASSE_SCT_GENERIC, NVME_SC_PREEMPTED, false),
			"its host was preempted");
	return nvme_refuse_quietly(request, NVME_GENERIC(WRASSE_SC_RESERVATION_CONFLICT),
				   "a reservation of another host forbids it");
}

/* ---- Register, Acquire, Release ---- */

int64_t nvme_resv_keys_len(struct nvme_request *request)
{
	(void)request;
	return sizeof(struct nvme_resv_keys);
}

int64_t nvme_resv_release_len(struct nvme_request *request)
{
	(void)request;
	return sizeof(nvme_le64);
}

enum nvme_next nvme_resv_execute(struct nvme_request *request, uint64_t now_ns,
				 struct nvme_actions *actions)
{
	(void)request;
	(void)now_ns;
	(void)actions;
	return NVME_REGISTRY;
}

static struct nvme_resv_cmd cmd_take_apart(const struct nvme_request *request,
					   const struct wrasse_namespace *ns)
{
	const struct nvme_ctrl *ctrl = request->queue->ctrl;
	uint32_t cdw10 = nvme_get32(request->cmd.cdw10);
	struct nvme_resv_keys keys;

	nvme_in_get(request, &keys, sizeof(keys));
	return (struct nvme_resv_cmd){
		.opcode = request->cmd.opcode,
		.action = NVME_RESV_ACTION(cdw10),
		.type = NVME_RESV_TYPE(cdw10),
		.cptpl = NVME_RESV_CPTPL(cdw10),
		.iekey = cdw10 & NVME_RESV_IEKEY,
		.can_persist = ns->save_reservation,
		.crkey = nvme_get64(keys.crkey),
		.key = nvme_get64(keys.key),
		.hostid = ctrl->hostid,
		.hostnqn = ctrl->hostnqn,
	};
}

/* Conflicts are what reservations are for: they are no errors that a log should fill up with. */
static enum nvme_next refuse(struct nvme_request *request, struct wrasse_status status,
			     const char *why)
{
	if (status.sc == WRASSE_SC_RESERVATION_CONFLICT)
		return nvme_refuse_quietly(request, status, why);
	return nvme_refuse(request, status, NVME_AT_CDW10, why);
}

/* Whose commands a Preempt and Abort waits for. Return: whether there may be any. */
static bool fence_begin(struct wrasse_namespace *ns, struct nvme_actions *actions)
{
	struct nvme_ns_resv *resv = ns->resv;

	resv->fenced_count = 0;
	for (uint32_t i = 0; i < resv->state.count; i++) {
		const uint8_t *hostid = resv->state.registrant[i].hostid;

		if (!nvme_resv_find(&resv->next, hostid))
			memcpy(resv->fenced[resv->fenced_count++], hostid, NVME_HOSTID_LEN);
	}
	if (resv->fenced_count == 0)
		return false;
	resv->fence = ++ns->subsystem->registry->fence;
	actions->attention = true;
	return true;
}

enum nvme_next nvme_resv_commit(struct nvme_request *request, struct wrasse_namespace *ns,
				struct nvme_actions *actions)
{
	struct nvme_ns_resv *resv = ns->resv;
	bool waits = resv->change.abort && fence_begin(ns, actions);

	nvme_resv_notify(ns, &resv->change, actions);
	nvme_resv_copy(&resv->state, &resv->next);
	nvme_resv_publish(ns);
	if (!waits)
		return nvme_succeed(request, 0);
	request->fence = resv->fence;
	return NVME_RETRY;
}

/* Whether every group is through with the commands that a Preempt and Abort waits for. */
static bool fence_is_done(const struct wrasse_namespace *ns)
{
	for (uint32_t i = 0; i < ns->subsystem->registry->limits->group_count; i++) {
		const struct nvme_ns_port *port = &ns->port[i];

		if (atomic_load_explicit(&port->state, memory_order_acquire) != NVME_NS_PORT_NONE &&
		    atomic_load_explicit(&port->fence_done, memory_order_acquire) < ns->resv->fence)
			return false;
	}
	return true;
}

/* A Preempt and Abort that was carried out, and waits. */
static enum nvme_next fence_wait(struct nvme_request *request, const struct nvme_ns_port *port)
{
	/* Another number: the namespace was replaced, or a later one was let in because this is done. */
	if (port && port->ns->resv->fence == request->fence && !fence_is_done(port->ns))
		return NVME_RETRY;
	return nvme_succeed(request, 0);
}

/* Hosts with identifier 0 are different hosts (NVMe Base 2.0 5.27.1.25). */
static bool has_hostid(const struct nvme_ctrl *ctrl)
{
	static const uint8_t none[NVME_HOSTID_LEN];

	return memcmp(ctrl->hostid, none, sizeof(none)) != 0;
}

enum nvme_next nvme_resv_no_memory(struct nvme_request *request)
{
	return nvme_refuse(request,
			   wrasse_status_make(WRASSE_SCT_GENERIC, WRASSE_SC_INTERNAL, false),
			   NVME_AT_NONE, "no memory for a reservation");
}

static enum nvme_next change_state(struct nvme_request *request, struct nvme_ns_port *port,
				   struct nvme_actions *actions)
{
	struct nvme_ns_resv *resv = nvme_resv_own(port->ns);
	struct nvme_resv_cmd cmd = cmd_take_apart(request, port->ns);
	struct wrasse_status status;
	const char *why = NULL;

	if (!resv)
		return nvme_resv_no_memory(request);
	if (resv->saving)
		return NVME_RETRY;
	nvme_resv_copy(&resv->next, &resv->state);
	status = nvme_resv_apply(&resv->next, &cmd, &resv->change, &why);
	if (!wrasse_status_is_ok(status))
		return refuse(request, status, why);
	/* One fence at a time. */
	if (resv->change.abort && !fence_is_done(port->ns))
		return NVME_RETRY;
	return nvme_resv_settle(request, port, actions);
}

enum nvme_next nvme_resv_execute_registry(struct nvme_request *request, uint64_t now_ns,
					  struct nvme_actions *actions)
{
	struct nvme_ns_port *port = nvme_request_port(request);

	(void)now_ns;
	if (request->preempted)
		return nvme_request_deny(request);
	if (request->fence != 0)
		return fence_wait(request, port);
	if (!port)
		return nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
				   "the namespace was removed");
	if (!has_hostid(request->queue->ctrl))
		return nvme_refuse(request, NVME_GENERIC(NVME_SC_SEQUENCE), NVME_AT_NONE,
				   "a reservation without a host identifier");
	return change_state(request, port, actions);
}

/* ---- Report ---- */

/*
 * Hosts of fabrics have identifiers of 128 bits: the structure for those of 64 cannot tell them (NVMe
 * Base 2.0 7.5).
 */
int64_t nvme_resv_report_len(struct nvme_request *request)
{
	if (!(nvme_get32(request->cmd.cdw11) & NVME_RESV_EDS)) {
		nvme_refuse(request, NVME_GENERIC(NVME_SC_HOSTID_FORMAT), NVME_AT_CDW11,
			    "EDS is 0, and host identifiers have 128 bits");
		return NVME_REFUSED;
	}
	return (nvme_get32(request->cmd.cdw10) + 1ll) * 4;
}

static bool ctrl_is_of(const struct nvme_ctrl *ctrl, const struct wrasse_registrant *registrant)
{
	return !atomic_load_explicit(&ctrl->ended, memory_order_acquire) &&
	       memcmp(ctrl->hostid, registrant->hostid, NVME_HOSTID_LEN) == 0;
}

/*
 * One line per controller of a registrant; one for a registrant without any.
 *
 * @out: NULL: only count.
 */
static uint16_t registrant_put(const struct wrasse_subsystem *subsystem,
			       const struct wrasse_registrant *registrant, struct nvme_out *out)
{
	struct nvme_resv_ctrl line = {.rcsts = registrant->holder};
	const struct nvme_ctrl *ctrl = subsystem->ctrls;
	uint16_t count = 0;

	nvme_put64(&line.rkey, registrant->key);
	memcpy(line.hostid, registrant->hostid, sizeof(line.hostid));
	for (; ctrl; ctrl = ctrl->next) {
		if (!ctrl_is_of(ctrl, registrant))
			continue;
		nvme_put16(&line.cntlid, ctrl->cntlid);
		if (out)
			nvme_out_put(out, &line, sizeof(line));
		count++;
	}
	if (count > 0)
		return count;
	nvme_put16(&line.cntlid, CNTLID_NONE);
	if (out)
		nvme_out_put(out, &line, sizeof(line));
	return 1;
}

enum nvme_next nvme_resv_report_execute_registry(struct nvme_request *request, uint64_t now_ns,
						 struct nvme_actions *actions)
{
	const struct nvme_ns_port *port = nvme_request_port(request);
	const struct wrasse_subsystem *subsystem = request->queue->ctrl->subsystem;
	struct nvme_resv_status status = {0};
	const struct nvme_resv *resv;
	struct nvme_out out;
	uint16_t count = 0;

	(void)now_ns;
	(void)actions;
	if (!port)
		return nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
				   "the namespace was removed");
	resv = &port->ns->resv->state;
	for (uint32_t i = 0; i < resv->count; i++)
		count += registrant_put(subsystem, &resv->registrant[i], NULL);
	nvme_put32(&status.gen, resv->generation);
	status.rtype = resv->type;
	nvme_put16(&status.regctl, count);
	status.ptpls = resv->ptpl;
	nvme_out_init(&out, request, 0);
	nvme_out_put(&out, &status, sizeof(status));
	for (uint32_t i = 0; i < resv->count; i++)
		registrant_put(subsystem, &resv->registrant[i], &out);
	nvme_out_end(&out);
	return nvme_succeed(request, 0);
}
