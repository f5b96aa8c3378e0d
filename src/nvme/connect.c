/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connect (NVMe-oF 1.1 3.3): who may have a controller, and which queue belongs to it. Runs under
 * the target's lock on the thread of the queue's group. Whatever is wrong is named by a status, by
 * IATTR and IPO in dw0, and by a phrase for the log.
 */
#include "nvme/ctrl.h"

/* NVMe Base 2.0 8.13.2: two minutes for a host that has no Keep Alive Timeout. */
#define AUTH_TIMEOUT_MS 120000
#define DUPLICATE_QID_NS \
	1000000000ull /* a queue that is being ended frees its id within this time */
#define PAUSED_SUBSYSTEM_NS 5000000000ull /* how long a Connect waits for a resume */

static enum nvme_next connect_refuse(struct nvme_request *request, uint8_t sc, bool dnr,
				     uint32_t dw0, const char *why)
{
	nvme_put32(&request->cqe.dw0, dw0);
	return nvme_refuse(request, wrasse_status_make(WRASSE_SCT_COMMAND, sc, dnr), NVME_AT_NONE,
			   why);
}

static enum nvme_next connect_refuse_param(struct nvme_request *request, enum nvme_connect_ipo ipo,
					   const char *why)
{
	return connect_refuse(request, NVME_SC_CONNECT_PARAM, true, ipo, why);
}

int64_t nvme_connect_data_len(struct nvme_request *request)
{
	(void)request;
	return sizeof(struct nvme_connect_data);
}

enum nvme_next nvme_connect_execute(struct nvme_request *request, uint64_t now_ns,
				    struct nvme_actions *actions)
{
	(void)request;
	(void)now_ns;
	(void)actions;
	return NVME_REGISTRY;
}

/* The command itself. Sets the response and returns false if it is wrong. */
static bool connect_check_cmd(struct nvme_request *request)
{
	const struct nvme_connect_cmd *cmd = &request->cmd.connect;
	const struct nvme_queue *queue = request->queue;
	uint16_t qid = nvme_get16(cmd->qid);
	uint32_t entries = nvme_get16(cmd->sqsize) + 1u;
	uint32_t most = qid == 0 ? queue->limits->max_admin_depth : queue->limits->max_queue_depth;

	if (nvme_get16(cmd->recfmt) != 0)
		connect_refuse(request, NVME_SC_CONNECT_FORMAT, true, 0, "RECFMT is not 0");
	else if (qid != queue->conn.qid)
		connect_refuse_param(request, NVME_IPO_QID, "QID is not the queue pair's");
	else if (qid > queue->limits->max_io_queues)
		connect_refuse_param(request, NVME_IPO_QID, "QID is above max_io_queues");
	else if (entries < 2)
		connect_refuse_param(request, NVME_IPO_SQSIZE, "SQSIZE is 0");
	else if (entries > queue->conn.depth)
		connect_refuse_param(request, NVME_IPO_SQSIZE,
				     "SQSIZE is above the queue pair's depth");
	else if (entries > most)
		connect_refuse_param(request, NVME_IPO_SQSIZE, "SQSIZE is above the queue's limit");
	else
		return true;
	return false;
}

static bool nqn_is_terminated(const char *field)
{
	return memchr(field, 0, NVME_NQN_FIELD) != NULL;
}

static bool hostnqn_is_good(const struct nvme_queue *queue, const char *name)
{
	return queue->limits->any_host_name ? nvme_nqn_is_harmless(name) : nvme_nqn_is_valid(name);
}

/* Names and admission. Returns the subsystem, or NULL after setting the response. */
static struct wrasse_subsystem *connect_admit(struct nvme_request *request,
					      const struct nvme_connect_data *data)
{
	struct wrasse_subsystem *subsystem = NULL;

	if (!nqn_is_terminated(data->subnqn)) {
		connect_refuse_param(request, NVME_IPO_SUBNQN, "SUBNQN is not terminated");
		return NULL;
	}
	if (!hostnqn_is_good(request->queue, data->hostnqn)) {
		connect_refuse_param(request, NVME_IPO_HOSTNQN, "HOSTNQN is malformed");
		return NULL;
	}
	subsystem = nvme_subsystem_find(request->queue->registry, data->subnqn);
	if (!subsystem || subsystem->removing) {
		connect_refuse_param(request, NVME_IPO_SUBNQN, "SUBNQN is unknown");
		return NULL;
	}
	if (!nvme_subsystem_is_on(subsystem, request->queue->conn.portal)) {
		connect_refuse_param(request, NVME_IPO_SUBNQN,
				     "the subsystem is not reached through this listener");
		return NULL;
	}
	if (!nvme_subsystem_allows(subsystem, data->hostnqn)) {
		connect_refuse(request, NVME_SC_CONNECT_HOST, true, NVME_IPO_HOSTNQN,
			       "the host is not allowed to use the subsystem");
		return NULL;
	}
	return subsystem;
}

/* A host that comes while its subsystem is paused waits a little, then is told to come again. */
static enum nvme_next connect_wait_for_resume(struct nvme_request *request, uint64_t now_ns)
{
	if (request->retry_until_ns == 0)
		request->retry_until_ns = now_ns + PAUSED_SUBSYSTEM_NS;
	if (now_ns < request->retry_until_ns)
		return NVME_RETRY;
	return connect_refuse(request, NVME_SC_CONNECT_BUSY, false, 0, "the subsystem is paused");
}

/* The queue is part of the controller from now on. */
static enum nvme_next connect_succeed(struct nvme_request *request, struct nvme_ctrl *ctrl,
				      uint64_t now_ns, struct nvme_actions *actions)
{
	const struct nvme_connect_cmd *cmd = &request->cmd.connect;
	struct nvme_queue *queue = request->queue;

	queue->ctrl = ctrl;
	queue->state = NVME_QUEUE_CONNECTED;
	queue->sqsize = nvme_get16(cmd->sqsize);
	queue->sqhd %= queue->sqsize + 1u;
	queue->sqflow_off = cmd->cattr & NVME_CATTR_NO_SQ_FLOW;
	if (!ctrl->discovery) {
		queue->view = ctrl->subsystem->view[queue->conn.group];
		queue->path = ctrl->path;
	}
	if (nvme_auth_start(queue, now_ns, actions))
		return nvme_succeed(request, ctrl->cntlid | NVME_CONNECT_ATR);
	return nvme_succeed(request, ctrl->cntlid);
}

/* ---- admin queues ---- */

static bool cntlid_is_used(const struct wrasse_subsystem *subsystem, uint16_t cntlid)
{
	for (const struct nvme_ctrl *ctrl = subsystem->ctrls; ctrl; ctrl = ctrl->next) {
		if (ctrl->cntlid == cntlid)
			return true;
	}
	return false;
}

/* Return: an id, 0: none is left. */
static uint16_t cntlid_take(struct wrasse_subsystem *subsystem)
{
	uint32_t count = subsystem->cntlid_max - subsystem->cntlid_min + 1u;

	while (count-- > 0) {
		uint16_t cntlid = subsystem->cntlid_next;

		subsystem->cntlid_next =
			cntlid == subsystem->cntlid_max ? subsystem->cntlid_min : cntlid + 1;
		if (!cntlid_is_used(subsystem, cntlid))
			return cntlid;
	}
	return 0;
}

/* Whether a controller is one that this host has by the same way, and it is that host. */
static bool ctrl_is_duplicate(const struct nvme_ctrl *ctrl, const struct nvme_connect_data *data,
			      const struct nvme_conn *conn)
{
	return !atomic_load_explicit(&ctrl->ended, memory_order_acquire) &&
	       atomic_load_explicit(&ctrl->proven, memory_order_relaxed) &&
	       ctrl->path->portal == conn->portal && strcmp(ctrl->hostnqn, data->hostnqn) == 0 &&
	       memcmp(ctrl->hostid, data->hostid, sizeof(ctrl->hostid)) == 0 &&
	       strcmp(ctrl->traddr, conn->traddr) == 0 && strcmp(ctrl->peer, conn->peer) == 0;
}

static struct nvme_ctrl *find_duplicate(const struct nvme_request *request,
					const struct wrasse_subsystem *subsystem,
					const struct nvme_connect_data *data)
{
	struct nvme_ctrl *ctrl = subsystem->ctrls;

	while (ctrl && !ctrl_is_duplicate(ctrl, data, &request->queue->conn))
		ctrl = ctrl->next;
	return ctrl;
}

/*
 * A host that is back before this target knows that it was gone ends what it had. If it must
 * authenticate, it does so first: this is called again when it connects its I/O queues.
 */
static void connect_settle(const struct nvme_request *request, struct nvme_ctrl *ctrl,
			   const struct nvme_connect_data *data, struct nvme_actions *actions)
{
	if (ctrl->settled || !atomic_load_explicit(&ctrl->proven, memory_order_relaxed))
		return;
	ctrl->settled = true;
	if (ctrl->subsystem->duplicates != WRASSE_DUPLICATE_REPLACE)
		return;
	for (struct nvme_ctrl *other = ctrl->subsystem->ctrls; other; other = other->next) {
		if (other == ctrl || !ctrl_is_duplicate(other, data, &request->queue->conn))
			continue;
		nvme_ctrl_end(other);
		actions->attention = true;
	}
}

/* Return: a controller, NULL: no memory. */
static struct nvme_ctrl *connect_make_ctrl(const struct nvme_request *request,
					   struct wrasse_subsystem *subsystem, uint16_t cntlid,
					   const struct nvme_connect_data *data, uint64_t now_ns)
{
	const struct nvme_conn *conn = &request->queue->conn;
	struct nvme_path *path = nvme_path_get(subsystem, conn->portal);
	struct nvme_ctrl *ctrl = path ? nvme_ctrl_create(path, cntlid, data) : NULL;

	if (!ctrl)
		return NULL;
	nvme_features_init(&ctrl->features, now_ns);
	memcpy(ctrl->traddr, conn->traddr, sizeof(ctrl->traddr));
	memcpy(ctrl->peer, conn->peer, sizeof(ctrl->peer));
	nvme_ctrl_set_kato(ctrl, nvme_get32(request->cmd.connect.kato_ms));
	ctrl->auth_timeout_ms = ctrl->kato_ms ? ctrl->kato_ms : AUTH_TIMEOUT_MS;
	ctrl->kato_deadline_ns = UINT64_MAX;
	return ctrl;
}

static enum nvme_next connect_admin(struct nvme_request *request,
				    struct wrasse_subsystem *subsystem,
				    const struct nvme_connect_data *data, uint64_t now_ns,
				    struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl;
	enum nvme_next next;
	uint16_t cntlid;

	if (nvme_get16(data->cntlid) != NVME_CNTLID_DYNAMIC)
		return connect_refuse_param(request, NVME_IPO_CNTLID,
					    "CNTLID of an admin queue is not FFFFh");
	/* It may try again: the older controller may be about to end. */
	if (subsystem->duplicates == WRASSE_DUPLICATE_REFUSE &&
	    find_duplicate(request, subsystem, data))
		return connect_refuse(request, NVME_SC_CONNECT_BUSY, false, 0,
				      "the host has a controller already");
	cntlid = cntlid_take(subsystem);
	if (cntlid == 0)
		return connect_refuse(request, NVME_SC_CONNECT_BUSY, false, 0,
				      "every controller id of the subsystem is in use");
	ctrl = connect_make_ctrl(request, subsystem, cntlid, data, now_ns);
	if (!ctrl)
		return nvme_refuse(request, wrasse_status_make(0, WRASSE_SC_INTERNAL, false),
				   NVME_AT_NONE, "no memory for a controller");
	nvme_ctrl_set_timer(ctrl, now_ns, actions);
	next = connect_succeed(request, ctrl, now_ns, actions);
	connect_settle(request, ctrl, data, actions);
	return next;
}

/* ---- I/O queues ---- */

/* The controller is the one of the admin queue of the same host, subsystem and portal. */
static struct nvme_ctrl *connect_find_ctrl(const struct wrasse_subsystem *subsystem,
					   const struct nvme_connect_data *data, uint16_t portal)
{
	uint16_t cntlid = nvme_get16(data->cntlid);

	for (struct nvme_ctrl *ctrl = subsystem->ctrls; ctrl; ctrl = ctrl->next) {
		if (ctrl->cntlid != cntlid)
			continue;
		if (atomic_load_explicit(&ctrl->ended, memory_order_acquire) ||
		    ctrl->path->portal != portal || strcmp(ctrl->hostnqn, data->hostnqn) != 0 ||
		    memcmp(ctrl->hostid, data->hostid, sizeof(ctrl->hostid)) != 0)
			return NULL;
		return ctrl;
	}
	return NULL;
}

static bool ctrl_takes_io_queues(const struct nvme_ctrl *ctrl)
{
	uint32_t cc = atomic_load_explicit(&ctrl->cc, memory_order_relaxed);

	return !ctrl->discovery && nvme_ctrl_is_ready(ctrl) && NVME_CC_IOSQES(cc) == 6 &&
	       NVME_CC_IOCQES(cc) == 4;
}

/*
 * The queue that has the id may just be ending: the host learned of its end before this target did.
 */
static enum nvme_next connect_wait_for_qid(struct nvme_request *request, uint64_t now_ns)
{
	if (request->retry_until_ns == 0)
		request->retry_until_ns = now_ns + DUPLICATE_QID_NS;
	if (now_ns < request->retry_until_ns)
		return NVME_RETRY;
	nvme_put32(&request->cqe.dw0, 0);
	return nvme_refuse(request, NVME_GENERIC(NVME_SC_SEQUENCE), NVME_AT_NONE, "QID is in use");
}

static enum nvme_next connect_io(struct nvme_request *request, struct wrasse_subsystem *subsystem,
				 const struct nvme_connect_data *data, uint64_t now_ns,
				 struct nvme_actions *actions)
{
	struct nvme_queue *queue = request->queue;
	struct nvme_ctrl *ctrl = connect_find_ctrl(subsystem, data, queue->conn.portal);
	uint64_t bit = 1ull << queue->qid % 64;
	uint32_t epoch;

	if (!ctrl)
		return connect_refuse_param(request, NVME_IPO_CNTLID,
					    "CNTLID is not a controller of this host");
	/* Before the state: see ctrl_set_state(). */
	epoch = atomic_load_explicit(&ctrl->io_epoch, memory_order_acquire);
	if (!ctrl_takes_io_queues(ctrl))
		return connect_refuse_param(request, NVME_IPO_QID,
					    "the controller is not enabled for I/O queues");
	if (ctrl->qids[queue->qid / 64] & bit)
		return connect_wait_for_qid(request, now_ns);
	ctrl->qids[queue->qid / 64] |= bit;
	ctrl->queue_group[queue->qid] = (uint8_t)queue->conn.group;
	nvme_ctrl_get(ctrl);
	atomic_fetch_add_explicit(&ctrl->io_queues, 1, memory_order_relaxed);
	queue->io_epoch = epoch;
	connect_settle(request, ctrl, data, actions);
	return connect_succeed(request, ctrl, now_ns, actions);
}

enum nvme_next nvme_connect_execute_registry(struct nvme_request *request, uint64_t now_ns,
					     struct nvme_actions *actions)
{
	struct wrasse_subsystem *subsystem;
	struct nvme_connect_data data;

	if (!connect_check_cmd(request))
		return NVME_RESPOND;
	nvme_in_get(request, &data, sizeof(data));
	subsystem = connect_admit(request, &data);
	if (!subsystem)
		return NVME_RESPOND;
	if (subsystem->pause.on)
		return connect_wait_for_resume(request, now_ns);
	if (request->queue->qid == 0)
		return connect_admin(request, subsystem, &data, now_ns, actions);
	return connect_io(request, subsystem, &data, now_ns, actions);
}
