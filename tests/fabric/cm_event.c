/* SPDX-License-Identifier: BSD-3-Clause */
/* Events: queued in the channel of the id that they are about, taken, acknowledged. */
#include "cm.h"

#define MAGIC 0xe7e47000u

static pthread_cond_t acked = PTHREAD_COND_INITIALIZER;

static struct cm_event *event_at(struct fab_link *link)
{
	return FAB_CONTAINER(link, struct cm_event, link);
}

/* ---- queueing ---- */

struct cm_event *cm_event_alloc(struct cm_id *owner, enum rdma_cm_event_type type, int status)
{
	struct cm_event *event = fab_alloc(sizeof(*event));

	fab_list_init(&event->link);
	event->magic = MAGIC;
	event->owner = owner;
	event->ibv.id = &owner->ibv;
	event->ibv.event = type;
	event->ibv.status = status;
	return event;
}

void cm_event_set_param(struct cm_event *event, const struct rdma_conn_param *param,
			const void *data, uint8_t data_len)
{
	event->ibv.param.conn = *param;
	memcpy(event->data, data, data_len);
	event->ibv.param.conn.private_data = data_len ? event->data : NULL;
	event->ibv.param.conn.private_data_len = data_len;
}

void cm_event_queue(struct cm_event *event)
{
	struct cm_channel *channel = cm_channel_of(event->owner);

	if (!event->owner->hears) {
		fab_free(event);
		return;
	}
	fab_list_add(&channel->events, &event->link);
	fab_bell_ring(&channel->bell);
}

void cm_event_post(struct cm_id *id, enum rdma_cm_event_type type, int status)
{
	cm_event_queue(cm_event_alloc(id, type, status));
}

static void forget(struct cm_channel *channel, struct cm_event *event)
{
	fab_list_del(&event->link);
	fab_bell_clear(&channel->bell);
	event->magic = 0;
	if (event->ibv.event == RDMA_CM_EVENT_CONNECT_REQUEST) {
		struct cm_id *id = (struct cm_id *)event->ibv.id;

		cm_id_kill(id);
		cm_id_free(id);
	}
	fab_free(event);
}

void cm_events_forget(struct cm_id *id)
{
	struct cm_channel *channel = cm_channel_of(id);
	struct fab_link *link, *next;

	for (link = channel->events.next; link != &channel->events; link = next) {
		next = link->next;
		if (event_at(link)->owner == id)
			forget(channel, event_at(link));
	}
}

void cm_events_move(struct cm_id *id, struct cm_channel *to)
{
	struct cm_channel *channel = cm_channel_of(id);
	struct fab_link *link, *next;

	for (link = channel->events.next; link != &channel->events; link = next) {
		next = link->next;
		if (event_at(link)->owner != id)
			continue;
		fab_list_del(link);
		fab_bell_clear(&channel->bell);
		fab_list_add(&to->events, link);
		fab_bell_ring(&to->bell);
	}
}

bool cm_events_settle(struct cm_id *id, const char *call)
{
	if (id->events_out && fab_mode == FABRIC_SIMULATED) {
		fab_misuse("%s: %u event(s) of the id are not acknowledged: this never returns",
			   call, id->events_out);
		return false;
	}
	while (id->events_out)
		pthread_cond_wait(&acked, &fab_world);
	return true;
}

/* ---- taking ---- */

/* Return: 0 or an errno value. */
static int take(struct cm_channel *channel, struct cm_event **out)
{
	struct cm_event *event;

	fab_lock(&fab_world);
	if (fab_list_is_empty(&channel->events)) {
		fab_unlock(&fab_world);
		return EAGAIN;
	}
	event = event_at(channel->events.next);
	fab_list_del(&event->link);
	fab_bell_clear(&channel->bell);
	event->owner->events_out++;
	if (event->ibv.event == RDMA_CM_EVENT_CONNECT_REQUEST) {
		event->owner->backlog++;
		((struct cm_id *)event->ibv.id)->known = true;
	}
	fab_unlock(&fab_world);
	*out = event;
	return 0;
}

/* Return: whether the program gets the event. */
static bool finish_request(struct cm_event *event)
{
	struct cm_id *id = (struct cm_id *)event->ibv.id, *listener = event->owner;

	event->ibv.listen_id = &listener->ibv;
	id->ibv.context = listener->ibv.context;
	fab_lock(&fab_world);
	if (cm_channel_of(id) != cm_channel_of(listener)) {
		cm_channel_of(id)->ids--;
		id->ibv.channel = listener->ibv.channel;
		cm_channel_of(id)->ids++;
	}
	fab_unlock(&fab_world);
	id->user_initiator_depth = event->ibv.param.conn.initiator_depth;
	id->user_responder_resources = event->ibv.param.conn.responder_resources;
	if (listener->sync) {
		struct cm_channel *channel = cm_channel_create();

		if (!channel || cm_migrate(id, channel, true))
			return false;
	}
	if (id->closed || cm_id_attach(id))
		return false;
	fab_lock(&fab_world);
	cm_route_fill(id);
	fab_unlock(&fab_world);
	return true;
}

/* What the library does in the program's thread. Return: whether the program gets the event. */
static bool finish(struct cm_event *event)
{
	struct cm_id *id = event->owner;

	switch (event->ibv.event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		event->ibv.status = cm_id_attach(id);
		if (event->ibv.status)
			event->ibv.event = RDMA_CM_EVENT_ADDR_ERROR;
		/* fall through */
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		fab_lock(&fab_world);
		cm_route_fill(id);
		fab_unlock(&fab_world);
		return true;
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		if (finish_request(event))
			return true;
		cm_id_drop((struct cm_id *)event->ibv.id);
		return false;
	case RDMA_CM_EVENT_CONNECT_RESPONSE:
		if (!id->ibv.qp)
			return true;
		event->ibv.status = cm_qp_answered(id);
		id->connect_error = event->ibv.status != 0;
		event->ibv.event =
			event->ibv.status ? RDMA_CM_EVENT_CONNECT_ERROR : RDMA_CM_EVENT_ESTABLISHED;
		return true;
	case RDMA_CM_EVENT_REJECTED:
		if (!id->connect_error)
			cm_qp_err(id);
		return !id->connect_error;
	case RDMA_CM_EVENT_DISCONNECTED:
		return !id->connect_error;
	default:
		return true;
	}
}

int cm_get_event(struct cm_channel *channel, struct cm_event **out)
{
	for (;;) {
		int err = take(channel, out);

		if (!err && finish(*out))
			return 0;
		if (!err)
			cm_ack_event(*out);
		else if (!fab_bell_blocks(&channel->bell))
			return cm_fail(err);
		else
			fab_bell_wait(&channel->bell);
	}
}

void cm_ack_event(struct cm_event *event)
{
	fab_lock(&fab_world);
	event->magic = 0;
	event->owner->events_out--;
	if (fab_mode == FABRIC_THREADED)
		pthread_cond_broadcast(&acked);
	fab_unlock(&fab_world);
	fab_free(event);
}

int cm_complete(struct cm_id *id)
{
	struct cm_event *event;

	if (!id->sync)
		return 0;
	if (id->ibv.event)
		cm_ack_event((struct cm_event *)id->ibv.event);
	id->ibv.event = NULL;
	if (cm_get_event(cm_channel_of(id), &event))
		return -1;
	id->ibv.event = &event->ibv;
	if (!event->ibv.status)
		return 0;
	if (event->ibv.event == RDMA_CM_EVENT_REJECTED)
		return cm_fail(ECONNREFUSED);
	return cm_fail(event->ibv.status < 0 ? -event->ibv.status : event->ibv.status);
}

/* ---- calls ---- */

int rdma_get_cm_event(struct rdma_event_channel *channel, struct rdma_cm_event **event)
{
	struct cm_channel *from = cm_channel_at(channel);
	struct cm_event *got;
	bool any;

	if (!event)
		return cm_fail(EINVAL);
	fab_lock(&fab_world);
	any = !fab_list_is_empty(&from->events);
	fab_unlock(&fab_world);
	/* A poll that finds nothing is not a call that could fail otherwise. */
	if (any && fab_call("rdma_get_cm_event"))
		return -1;
	if (cm_get_event(from, &got))
		return -1;
	*event = &got->ibv;
	return 0;
}

/* It may look at memory that was freed, and is poisoned then. */
__attribute__((no_sanitize("address"))) int rdma_ack_cm_event(struct rdma_cm_event *event)
{
	struct cm_event *acknowledged = (struct cm_event *)event;

	if (!event)
		return cm_fail(EINVAL);
	if (acknowledged->magic != MAGIC) {
		fab_misuse("rdma_ack_cm_event: not an event, or acknowledged before");
		return cm_fail(EINVAL);
	}
	cm_ack_event(acknowledged);
	return 0;
}

const char *rdma_event_str(enum rdma_cm_event_type event)
{
#define NAME(x) [RDMA_CM_EVENT_##x] = "RDMA_CM_EVENT_" #x
	static const char *const names[] = {
		NAME(ADDR_RESOLVED),  NAME(ADDR_ERROR),      NAME(ROUTE_RESOLVED),
		NAME(ROUTE_ERROR),    NAME(CONNECT_REQUEST), NAME(CONNECT_RESPONSE),
		NAME(CONNECT_ERROR),  NAME(UNREACHABLE),     NAME(REJECTED),
		NAME(ESTABLISHED),    NAME(DISCONNECTED),    NAME(DEVICE_REMOVAL),
		NAME(MULTICAST_JOIN), NAME(MULTICAST_ERROR), NAME(ADDR_CHANGE),
		NAME(TIMEWAIT_EXIT),
	};
#undef NAME

	return (size_t)event < sizeof(names) / sizeof(names[0]) ? names[event] : "UNKNOWN EVENT";
}
