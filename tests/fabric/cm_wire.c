/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection manager's messages, as the kernel's ib_cm handles them: what is sent, lost, sent
 * again, and what a message does in each state. fab_world is held throughout.
 *
 * A message that says "I have it, wait" (MRA) is not simulated: whoever gets a REQ or REP that its
 * program must think about makes the sender's timer longer, unless nothing reaches the sender.
 */
#include "cm.h"

static const char *const kind_names[] = {
	[CM_REQ] = "REQ", [CM_REP] = "REP",   [CM_RTU] = "RTU",
	[CM_REJ] = "REJ", [CM_DREQ] = "DREQ", [CM_DREP] = "DREP",
};

static struct fab_link conns = {&conns, &conns};

/* ---- connections ---- */

static void conn_free(struct cm_conn *conn)
{
	for (unsigned end = 0; end < 2; end++) {
		struct cm_way *way = &conn->way[end];

		fab_action_clear(&way->action);
		while (!fab_list_is_empty(&way->messages)) {
			struct fab_link *link = way->messages.next;

			fab_list_del(link);
			fab_free(FAB_CONTAINER(link, struct cm_message, link));
		}
		if (conn->device[end])
			cm_device_release(conn->device[end]);
	}
	fab_list_del(&conn->link);
	fab_free(conn);
}

static void conn_put(struct cm_conn *conn)
{
	if (!--conn->refs)
		conn_free(conn);
}

void cm_conn_leave(struct cm_id *id)
{
	struct cm_conn *conn = id->conn;

	if (!conn)
		return;
	id->conn = NULL;
	conn->end[id->end] = NULL;
	conn_put(conn);
}

void cm_wire_init(void)
{
	while (!fab_list_is_empty(&conns))
		conn_free(FAB_CONTAINER(conns.next, struct cm_conn, link));
}

/* ---- sending ---- */

static void way_set(struct cm_way *way)
{
	const struct cm_message *first;

	if (fab_list_is_empty(&way->messages) || fab_action_is_set(&way->action))
		return;
	first = FAB_CONTAINER(way->messages.next, struct cm_message, link);
	way->action.what = kind_names[first->kind];
	way->action.qpn = way->conn->qpn[way->from];
	way->action.device =
		way->conn->device[way->from] ? way->conn->device[way->from]->fab->name : NULL;
	fab_action_set(&way->action, 0);
}

/* One of the same kind that is still on its way makes another pointless. */
static void way_push(struct cm_way *way, const struct cm_message *message)
{
	struct cm_message *copy;

	for (struct fab_link *link = way->messages.next; link != &way->messages; link = link->next)
		if (FAB_CONTAINER(link, struct cm_message, link)->kind == message->kind)
			return;
	copy = fab_alloc(sizeof(*copy));
	*copy = *message;
	fab_list_init(&copy->link);
	fab_list_add(&way->messages, &copy->link);
	way->conn->refs++;
	way_set(way);
}

static void conn_answer(struct cm_conn *conn, unsigned from, enum cm_kind kind, int reason)
{
	const struct cm_message message = {.kind = kind, .reason = reason};

	way_push(&conn->way[from], &message);
}

void cm_send(struct cm_id *id, enum cm_kind kind, int reason, const void *data, uint8_t len)
{
	struct cm_message message = {.kind = kind, .reason = reason};

	if (!id->conn)
		return;
	if (len)
		memcpy(message.data, data, len);
	way_push(&id->conn->way[id->end], &message);
}

static void timer_set(struct cm_id *id, const char *what, uint64_t ns)
{
	id->timer.what = what;
	id->timer.qpn = id->qpn;
	id->timer.device = id->device ? id->device->fab->name : NULL;
	fab_action_set(&id->timer, ns);
}

static void send_try(struct cm_id *id)
{
	static const char *const names[] = {
		[CM_REQ] = "REQ timeout", [CM_REP] = "REP timeout", [CM_DREQ] = "DREQ timeout"};

	id->tries++;
	way_push(&id->conn->way[id->end], &id->sent);
	timer_set(id, names[id->sent.kind], CM_RETRY_NS);
}

void cm_send_kept(struct cm_id *id, enum cm_wire wire)
{
	id->wire = wire;
	id->tries = 0;
	send_try(id);
}

/* ---- states ---- */

static void enter_idle(struct cm_id *id)
{
	fab_action_clear(&id->timer);
	id->wire = CM_WIRE_IDLE;
}

static void enter_timewait(struct cm_id *id)
{
	id->wire = CM_TIMEWAIT;
	timer_set(id, "TIMEWAIT", CM_TIMEWAIT_NS);
}

/* Only a connection that comes about, or is, can fail or be disconnected. */
static void post_if_connecting(struct cm_id *id, enum rdma_cm_event_type type, int status)
{
	if (id->state == CM_CONNECT)
		cm_event_post(id, type, status);
}

static void post_disconnected(struct cm_id *id, int status)
{
	if (id->state != CM_CONNECT)
		return;
	id->state = CM_DISCONNECT;
	cm_event_post(id, RDMA_CM_EVENT_DISCONNECTED, status);
}

static void give_up(struct cm_id *id)
{
	if (id->wire == CM_DREQ_SENT) {
		enter_timewait(id);
		post_disconnected(id, -ETIMEDOUT);
		return;
	}
	enter_idle(id);
	post_if_connecting(id, RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT);
}

void cm_timer_run(struct fab_action *action)
{
	struct cm_id *id = FAB_CONTAINER(action, struct cm_id, timer);

	if (id->wire == CM_TIMEWAIT) {
		enter_idle(id);
		if (id->state == CM_DISCONNECT)
			cm_event_post(id, RDMA_CM_EVENT_TIMEWAIT_EXIT, 0);
	} else if (id->tries < CM_TRIES) {
		send_try(id);
	} else {
		give_up(id);
	}
}

/* ---- receiving ---- */

/* What came to @end is thought about: the other one need not repeat it for a while. */
static void think(struct cm_conn *conn, unsigned end)
{
	struct cm_id *peer = conn->end[!end];

	if (peer && (peer->wire == CM_REQ_SENT || peer->wire == CM_REP_SENT) &&
	    fab_reaches(conn->device[end]->fab, conn->device[!end]->fab))
		fab_action_set(&peer->timer, CM_MRA_NS);
}

static struct cm_id *passive_create(struct cm_conn *conn, struct cm_id *listener,
				    const struct cm_message *req)
{
	struct cm_id *id = cm_id_alloc(cm_channel_of(listener), listener->ibv.context,
				       listener->ibv.ps, listener->ibv.qp_type);

	id->state = CM_CONNECT;
	id->wire = CM_REQ_RCVD;
	id->device = cm_device_hold(conn->device[CM_PASSIVE]->fab);
	id->tos = listener->tos;
	id->ibv.route.addr.src_storage = conn->dst;
	id->ibv.route.addr.dst_storage = conn->src;
	id->conn = conn;
	id->end = CM_PASSIVE;
	conn->end[CM_PASSIVE] = id;
	conn->refs++;
	id->initiator_depth = req->param.responder_resources;
	id->responder_resources = req->param.initiator_depth;
	id->retry_count = req->param.retry_count;
	id->rnr_retry = req->param.rnr_retry_count;
	id->remote_qpn = req->param.qp_num;
	return id;
}

/* What one side grants is what the other may do. */
static void post_param(struct cm_id *owner, struct cm_id *about, enum rdma_cm_event_type type,
		       const struct cm_message *message, uint8_t data_len)
{
	struct cm_event *event = cm_event_alloc(owner, type, 0);
	struct rdma_conn_param param = message->param;

	param.initiator_depth = message->param.responder_resources;
	param.responder_resources = message->param.initiator_depth;
	event->ibv.id = &about->ibv;
	cm_event_set_param(event, &param, message->data, data_len);
	cm_event_queue(event);
}

static void req_again(struct cm_conn *conn, const struct cm_id *id)
{
	if (id->wire == CM_REQ_RCVD)
		think(conn, CM_PASSIVE);
	else if (id->wire == CM_TIMEWAIT)
		conn_answer(conn, CM_PASSIVE, CM_REJ, CM_REJ_STALE);
}

static void req_arrives(struct cm_conn *conn, const struct cm_message *message)
{
	const struct sockaddr *dst = (const struct sockaddr *)&conn->dst;
	struct cm_id *listener = cm_listener_find(conn->ps, conn->device[CM_PASSIVE]->fab, dst);

	if (conn->end[CM_PASSIVE]) {
		req_again(conn, conn->end[CM_PASSIVE]);
		return;
	}
	if (!listener) {
		conn_answer(conn, CM_PASSIVE, CM_REJ, CM_REJ_INVALID_SERVICE);
		return;
	}
	/* No answer: it will be asked again. */
	if (!listener->backlog)
		return;
	listener->backlog--;
	post_param(listener, passive_create(conn, listener, message), RDMA_CM_EVENT_CONNECT_REQUEST,
		   message, CM_REQ_DATA);
	think(conn, CM_PASSIVE);
}

static void rep_arrives(struct cm_id *id, const struct cm_message *message)
{
	if (id->wire == CM_ESTABLISHED)
		cm_send(id, CM_RTU, 0, NULL, 0);
	if (id->wire == CM_REP_RCVD)
		think(id->conn, CM_ACTIVE);
	if (id->wire != CM_REQ_SENT)
		return;
	fab_action_clear(&id->timer);
	id->wire = CM_REP_RCVD;
	id->initiator_depth = message->param.responder_resources;
	id->responder_resources = message->param.initiator_depth;
	id->rnr_retry = message->param.rnr_retry_count;
	id->remote_qpn = message->param.qp_num;
	if (id->state == CM_CONNECT)
		post_param(id, id, RDMA_CM_EVENT_CONNECT_RESPONSE, message, CM_REP_DATA);
	think(id->conn, CM_ACTIVE);
}

static void rtu_arrives(struct cm_id *id, const struct cm_message *message)
{
	(void)message;
	if (id->wire == CM_REP_SENT)
		cm_wire_established(id);
}

static void rej_arrives(struct cm_id *id, const struct cm_message *message)
{
	struct cm_event *event;

	switch (id->wire) {
	case CM_REQ_SENT:
	case CM_REP_SENT:
	case CM_REQ_RCVD:
		if (message->reason == CM_REJ_STALE)
			enter_timewait(id);
		else
			enter_idle(id);
		break;
	case CM_DREQ_SENT:
	case CM_REP_RCVD:
	case CM_ESTABLISHED:
		enter_timewait(id);
		break;
	default:
		return;
	}
	if (id->state != CM_CONNECT)
		return;
	event = cm_event_alloc(id, RDMA_CM_EVENT_REJECTED, message->reason);
	cm_event_set_param(event, &message->param, message->data, CM_REJ_DATA);
	cm_event_queue(event);
}

static void dreq_arrives(struct cm_id *id, const struct cm_message *message)
{
	(void)message;
	switch (id->wire) {
	case CM_TIMEWAIT:
		cm_send(id, CM_DREP, 0, NULL, 0);
		return;
	case CM_REP_SENT:
	case CM_DREQ_SENT:
	case CM_ESTABLISHED:
		break;
	default:
		return;
	}
	fab_action_clear(&id->timer);
	id->wire = CM_DREQ_RCVD;
	post_disconnected(id, 0);
}

static void drep_arrives(struct cm_id *id, const struct cm_message *message)
{
	(void)message;
	if (id->wire != CM_DREQ_SENT && id->wire != CM_DREQ_RCVD)
		return;
	enter_timewait(id);
	post_disconnected(id, 0);
}

static void arrive(struct cm_conn *conn, unsigned to, const struct cm_message *message)
{
	static void (*const handlers[])(struct cm_id *, const struct cm_message *) = {
		[CM_REP] = rep_arrives,   [CM_RTU] = rtu_arrives,   [CM_REJ] = rej_arrives,
		[CM_DREQ] = dreq_arrives, [CM_DREP] = drep_arrives,
	};

	if (message->kind == CM_REQ)
		req_arrives(conn, message);
	else if (conn->end[to])
		handlers[message->kind](conn->end[to], message);
	else if (message->kind == CM_DREQ)
		conn_answer(conn, to, CM_DREP, 0);
}

/* Before there is somebody, whatever device has the address now is asked. */
static bool reaches(struct cm_conn *conn, unsigned to)
{
	if (to == CM_PASSIVE && !conn->end[to]) {
		struct fab_device *fab = fab_device_by_addr((const struct sockaddr *)&conn->dst);

		if (conn->device[to] && fab != conn->device[to]->fab) {
			cm_device_release(conn->device[to]);
			conn->device[to] = NULL;
		}
		if (fab && !conn->device[to])
			conn->device[to] = cm_device_hold(fab);
	}
	/* A request that was refused may have been for a device that is gone since. */
	return conn->device[to] && conn->device[!to] &&
	       fab_reaches(conn->device[!to]->fab, conn->device[to]->fab);
}

static void way_advance(struct cm_way *way, bool lost)
{
	struct cm_message *message = FAB_CONTAINER(way->messages.next, struct cm_message, link);
	struct cm_conn *conn = way->conn;

	fab_list_del(&message->link);
	way_set(way);
	if (!lost && reaches(conn, !way->from))
		arrive(conn, !way->from, message);
	fab_free(message);
	conn_put(conn);
}

static void way_run(struct fab_action *action)
{
	way_advance(FAB_CONTAINER(action, struct cm_way, action), false);
}

static void way_drop(struct fab_action *action)
{
	way_advance(FAB_CONTAINER(action, struct cm_way, action), true);
}

void cm_conn_create(struct cm_id *active)
{
	struct cm_conn *conn = fab_alloc(sizeof(*conn));

	for (unsigned end = 0; end < 2; end++) {
		struct cm_way *way = &conn->way[end];

		way->conn = conn;
		way->from = end;
		fab_list_init(&way->messages);
		fab_action_init(&way->action, FABRIC_CM, "", way_run, way_drop);
	}
	fab_list_add(&conns, &conn->link);
	conn->refs = 1;
	conn->end[CM_ACTIVE] = active;
	conn->device[CM_ACTIVE] = cm_device_hold(active->device->fab);
	conn->qpn[CM_ACTIVE] = active->qpn;
	conn->src = active->ibv.route.addr.src_storage;
	conn->dst = active->ibv.route.addr.dst_storage;
	conn->ps = active->ibv.ps;
	active->conn = conn;
	active->end = CM_ACTIVE;
}

/* ---- what a program asks for ---- */

int cm_wire_reject(struct cm_id *id, int reason, const void *data, uint8_t len)
{
	switch (id->wire) {
	case CM_REQ_SENT:
	case CM_REQ_RCVD:
	case CM_REP_RCVD:
		enter_idle(id);
		break;
	case CM_REP_SENT:
		enter_timewait(id);
		break;
	default:
		return EINVAL;
	}
	cm_send(id, CM_REJ, reason, data, len);
	return 0;
}

int cm_wire_rtu(struct cm_id *id)
{
	if (id->wire != CM_REP_RCVD)
		return EINVAL;
	id->wire = CM_ESTABLISHED;
	cm_send(id, CM_RTU, 0, NULL, 0);
	return 0;
}

int cm_wire_established(struct cm_id *id)
{
	if (id->wire == CM_ESTABLISHED)
		return 0;
	if (id->wire != CM_REP_SENT)
		return EINVAL;
	fab_action_clear(&id->timer);
	id->wire = CM_ESTABLISHED;
	post_if_connecting(id, RDMA_CM_EVENT_ESTABLISHED, 0);
	return 0;
}

/* Begins a disconnect, or answers one. In other states neither is needed. */
void cm_wire_disconnect(struct cm_id *id)
{
	if (id->wire == CM_ESTABLISHED) {
		id->sent = (struct cm_message){.kind = CM_DREQ};
		cm_send_kept(id, CM_DREQ_SENT);
	} else if (id->wire == CM_DREQ_RCVD) {
		cm_send(id, CM_DREP, 0, NULL, 0);
		enter_timewait(id);
	}
}

void cm_wire_destroy(struct cm_id *id)
{
	switch (id->wire) {
	case CM_REQ_SENT:
		cm_send(id, CM_REJ, CM_REJ_TIMEOUT, NULL, 0);
		break;
	case CM_REQ_RCVD:
	case CM_REP_SENT:
	case CM_REP_RCVD:
		cm_send(id, CM_REJ, CM_REJ_CONSUMER, NULL, 0);
		break;
	case CM_ESTABLISHED:
		cm_send(id, CM_DREQ, 0, NULL, 0);
		break;
	case CM_DREQ_RCVD:
		cm_send(id, CM_DREP, 0, NULL, 0);
		break;
	default:
		break;
	}
	enter_idle(id);
}
