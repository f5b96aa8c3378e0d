/* SPDX-License-Identifier: BSD-3-Clause */
/* Event channels and ids: how they come, move, and go. */
#include "cm.h"

#define MAGIC         0x1d1d1d00u
#define CHANNEL_MAGIC 0xc4a77e10u

struct fab_link cm_ids = {&cm_ids, &cm_ids};
struct fab_link cm_channels = {&cm_channels, &cm_channels};

/* Where ids are whose channel was destroyed. */
static struct cm_channel nowhere = {
	.magic = CHANNEL_MAGIC, .bell = {.fd = -1}, .events = {&nowhere.events, &nowhere.events}};

/* ---- channels ---- */

/* It may look at memory that was freed, and is poisoned then. */
__attribute__((no_sanitize("address"))) static bool lives(const struct cm_channel *channel)
{
	return channel->magic == CHANNEL_MAGIC;
}

struct cm_channel *cm_channel_create(void)
{
	struct cm_channel *channel = fab_alloc(sizeof(*channel));
	int err = fab_bell_init(&channel->bell);

	if (err) {
		fab_free(channel);
		errno = err;
		return NULL;
	}
	channel->ibv.fd = channel->bell.fd;
	channel->magic = CHANNEL_MAGIC;
	fab_list_init(&channel->events);
	fab_lock(&fab_world);
	fab_list_add(&cm_channels, &channel->link);
	fab_unlock(&fab_world);
	return channel;
}

struct rdma_event_channel *rdma_create_event_channel(void)
{
	struct cm_channel *channel;
	bool none;

	if (fab_call("rdma_create_event_channel"))
		return NULL;
	fab_lock(&fab_world);
	none = fab_list_is_empty(&fab_devices);
	fab_unlock(&fab_world);
	if (none) {
		errno = ENODEV;
		return NULL;
	}
	channel = cm_channel_create();
	return channel ? &channel->ibv : NULL;
}

/* Closing the descriptor is what ends the kernel's part of all ids in it. */
void cm_channel_close(struct cm_channel *channel)
{
	fab_lock(&fab_world);
	for (struct fab_link *link = cm_ids.next; link != &cm_ids; link = link->next) {
		struct cm_id *id = FAB_CONTAINER(link, struct cm_id, link);

		if (!id->known || cm_channel_of(id) != channel)
			continue;
		cm_id_kill(id);
		id->ibv.channel = &nowhere.ibv;
		nowhere.ids++;
	}
	fab_list_del(&channel->link);
	fab_unlock(&fab_world);
	channel->magic = 0;
	fab_bell_fini(&channel->bell);
	fab_free(channel);
}

void rdma_destroy_event_channel(struct rdma_event_channel *ibv)
{
	struct cm_channel *channel = cm_channel_at(ibv);

	if (!lives(channel)) {
		fab_misuse("rdma_destroy_event_channel: not a channel, or destroyed before");
		return;
	}
	if (fab_strict && channel->ids) {
		fab_misuse("rdma_destroy_event_channel: %u id(s) are still in it", channel->ids);
		return;
	}
	cm_channel_close(channel);
}

/* ---- checks ---- */

/* It may look at memory that was freed, and is poisoned then. */
__attribute__((no_sanitize("address"))) struct cm_id *cm_id_check(struct rdma_cm_id *ibv,
								  const char *call)
{
	struct cm_id *id = (struct cm_id *)ibv;

	if (id && id->magic == MAGIC)
		return id;
	fab_misuse("%s: not an rdma_cm_id, or destroyed before", call);
	errno = EINVAL;
	return NULL;
}

struct cm_id *cm_id_call(struct rdma_cm_id *ibv, const char *call)
{
	struct cm_id *id = cm_id_check(ibv, call);

	return id && !fab_call(call) ? id : NULL;
}

/* ---- coming ---- */

struct cm_id *cm_id_alloc(struct cm_channel *channel, void *context, enum rdma_port_space ps,
			  enum ibv_qp_type qp_type)
{
	struct cm_id *id = fab_alloc(sizeof(*id));

	id->ibv.channel = &channel->ibv;
	id->ibv.context = context;
	id->ibv.ps = ps;
	id->ibv.qp_type = qp_type;
	id->magic = MAGIC;
	fab_action_init(&id->timer, FABRIC_EVENT, "CM timer", cm_timer_run, NULL);
	fab_action_init(&id->resolver, FABRIC_EVENT, "resolved", cm_resolver_run, NULL);
	channel->ids++;
	fab_list_add(&cm_ids, &id->link);
	return id;
}

static int id_create(struct rdma_event_channel *ibv, struct rdma_cm_id **out, void *context,
		     enum rdma_port_space ps)
{
	struct cm_channel *channel = ibv ? cm_channel_at(ibv) : cm_channel_create();
	struct cm_id *id;

	if (!channel)
		return -1;
	if (!lives(channel)) {
		fab_misuse("rdma_create_id: the channel was destroyed");
		return cm_fail(EBADF);
	}
	fab_lock(&fab_world);
	id = cm_id_alloc(channel, context, ps, IBV_QPT_RC);
	id->sync = !ibv;
	id->known = true;
	id->hears = true;
	fab_unlock(&fab_world);
	*out = &id->ibv;
	return 0;
}

int rdma_create_id(struct rdma_event_channel *channel, struct rdma_cm_id **id, void *context,
		   enum rdma_port_space ps)
{
	if (fab_call("rdma_create_id"))
		return -1;
	if (ps != RDMA_PS_TCP && ps != RDMA_PS_IB)
		return cm_fail(EPROTONOSUPPORT);
	return id_create(channel, id, context, ps);
}

int cm_id_attach(struct cm_id *id)
{
	struct ibv_pd *pd;

	if (id->attached || !id->device)
		return 0;
	pd = cm_device_pd_get(id->device);
	if (!pd)
		return -1;
	id->attached = true;
	id->ibv.verbs = &id->device->context->ibv;
	id->ibv.pd = pd;
	id->ibv.port_num = 1;
	return 0;
}

/* ---- going ---- */

void cm_id_kill(struct cm_id *id)
{
	cm_wire_destroy(id);
	cm_conn_leave(id);
	fab_action_clear(&id->timer);
	fab_action_clear(&id->resolver);
	cm_events_forget(id);
	id->closed = true;
	id->hears = false;
	id->state = CM_IDLE;
}

/* Without the library's share in a device: that of an id that the program has not seen. */
void cm_id_free(struct cm_id *id)
{
	fab_list_del(&id->link);
	cm_port_give(id);
	cm_channel_of(id)->ids--;
	if (id->device)
		cm_device_release(id->device);
	fab_free(id->ibv.route.path_rec);
	fab_free(id->qp_init_attr);
	id->magic = 0;
	fab_free(id);
}

static void id_end(struct cm_id *id)
{
	struct cm_channel *own = id->sync ? cm_channel_of(id) : NULL;

	if (id->attached)
		cm_device_pd_put(id->device);
	fab_lock(&fab_world);
	cm_id_free(id);
	fab_unlock(&fab_world);
	if (own)
		cm_channel_close(own);
}

void cm_id_drop(struct cm_id *id)
{
	fab_lock(&fab_world);
	cm_id_kill(id);
	fab_unlock(&fab_world);
	id_end(id);
}

int rdma_destroy_id(struct rdma_cm_id *ibv)
{
	struct cm_id *id = cm_id_check(ibv, "rdma_destroy_id");
	bool settled;

	if (!id)
		return -1;
	if (fab_strict && ibv->qp) {
		fab_misuse("rdma_destroy_id: queue pair %u of it exists", ibv->qp->qp_num);
		return cm_fail(EINVAL);
	}
	if (ibv->event)
		cm_ack_event((struct cm_event *)ibv->event);
	ibv->event = NULL;
	fab_lock(&fab_world);
	/* First: a misuse that is survived must leave the id as it was. */
	settled = fab_mode == FABRIC_THREADED || cm_events_settle(id, "rdma_destroy_id");
	if (settled) {
		cm_id_kill(id);
		cm_events_settle(id, "rdma_destroy_id");
	}
	fab_unlock(&fab_world);
	if (!settled)
		return cm_fail(EINVAL);
	id_end(id);
	return 0;
}

/* ---- moving ---- */

int cm_migrate(struct cm_id *id, struct cm_channel *to, bool sync)
{
	struct cm_channel *from = cm_channel_of(id);
	bool own;

	if (id->sync && id->ibv.event)
		cm_ack_event((struct cm_event *)id->ibv.event);
	id->ibv.event = NULL;
	fab_lock(&fab_world);
	if (id->closed)
		return cm_done(ENXIO);
	if (fab_mode == FABRIC_SIMULATED && !cm_events_settle(id, "rdma_migrate_id"))
		return cm_done(EINVAL);
	cm_events_move(id, to);
	from->ids--;
	to->ids++;
	own = id->sync;
	id->ibv.channel = &to->ibv;
	id->sync = sync;
	cm_events_settle(id, "rdma_migrate_id");
	fab_unlock(&fab_world);
	if (own)
		cm_channel_close(from);
	return 0;
}

int rdma_migrate_id(struct rdma_cm_id *ibv, struct rdma_event_channel *channel)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_migrate_id");
	struct cm_channel *to = cm_channel_at(channel);

	if (!id)
		return -1;
	if (!to && id->sync)
		return cm_fail(EINVAL);
	if (!to)
		to = cm_channel_create();
	if (!to)
		return -1;
	if (!lives(to)) {
		fab_misuse("rdma_migrate_id: the channel was destroyed");
		return cm_fail(EBADF);
	}
	if (!cm_migrate(id, to, !channel))
		return 0;
	if (!channel)
		cm_channel_close(to);
	return -1;
}

/* ---- options ---- */

static int option_set(struct cm_id *id, int name, const void *value, size_t len)
{
	size_t want = name == RDMA_OPTION_ID_TOS || name == RDMA_OPTION_ID_ACK_TIMEOUT ?
			      sizeof(uint8_t) :
			      sizeof(int);
	int flag = 0;

	if (len != want)
		return EINVAL;
	if (want == sizeof(int))
		memcpy(&flag, value, sizeof(flag));
	switch (name) {
	case RDMA_OPTION_ID_TOS:
		id->tos = *(const uint8_t *)value;
		return 0;
	case RDMA_OPTION_ID_REUSEADDR:
		if (id->state != CM_IDLE && !(id->state != CM_LISTEN && flag))
			return EINVAL;
		id->reuseaddr = flag != 0;
		return 0;
	case RDMA_OPTION_ID_AFONLY:
		if (id->state != CM_IDLE && id->state != CM_BOUND)
			return EINVAL;
		id->afonly = flag != 0;
		id->afonly_set = true;
		return 0;
	case RDMA_OPTION_ID_ACK_TIMEOUT:
		id->timeout_set = true;
		id->timeout = *(const uint8_t *)value & 31;
		return 0;
	default:
		return ENOSYS;
	}
}

int rdma_set_option(struct rdma_cm_id *ibv, int level, int name, void *value, size_t len)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_set_option");

	if (!id)
		return -1;
	if (level != RDMA_OPTION_ID)
		return cm_fail(level == RDMA_OPTION_IB ? EINVAL : ENOSYS);
	fab_lock(&fab_world);
	return cm_done(id->closed ? ENXIO : option_set(id, name, value, len));
}
