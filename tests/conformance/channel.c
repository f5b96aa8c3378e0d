/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Event channels: the descriptor, taking events one by one, moving an identifier from one to another.
 */
#include "conformance.h"

static void an_empty_channel_says_eagain(void)
{
	struct rdma_event_channel *events = channel_new();
	struct rdma_cm_event *event;

	check(!readable(events->fd), "the descriptor of an empty channel is readable");
	equal(rdma_get_cm_event(events, &event), -1);
	equal(errno, EAGAIN);
}

static void the_descriptor_is_readable_while_an_event_is_pending(void)
{
	struct pair *p = pair_new();
	struct side *c = &p->client;
	struct sockaddr_in sin;

	must(rdma_create_id(c->events, &c->id, c, RDMA_PS_TCP));
	check(!readable(c->events->fd), "readable before anything was asked");
	must(rdma_resolve_addr(c->id, NULL, address(htons(4420), &sin), 2000));
	await_readable(c->events->fd);
	check(readable(c->events->fd), "polling made the event go away");
	cm_want(c->events, RDMA_CM_EVENT_ADDR_RESOLVED);
	check(!readable(c->events->fd), "readable though the event was taken");
}

static void each_call_takes_one_event(void)
{
	struct pair_options o;
	struct pair *p = pair_new(), *q = pair_new();

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	side_resolve(&q->client, port_of(p->listener));
	side_equip(&q->client, &o.client);
	side_connect(&q->client, &o.client, NULL, 0);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	await_readable(p->listen_events->fd);
	q->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	check(!readable(p->listen_events->fd), "readable though both were taken");
}

static void an_event_waits_until_it_is_acknowledged(void)
{
	struct pair *p = pair_new();
	struct side *c = &p->client;
	struct rdma_cm_event *event;
	struct sockaddr_in sin;

	must(rdma_create_id(c->events, &c->id, c, RDMA_PS_TCP));
	must(rdma_resolve_addr(c->id, NULL, address(htons(4420), &sin), 2000));
	await_readable(c->events->fd);
	must(rdma_get_cm_event(c->events, &event));
	equal(event->event, RDMA_CM_EVENT_ADDR_RESOLVED);
	equal_ptr(event->id, c->id);
	equal_ptr(event->id->context, c);
	must(rdma_ack_cm_event(event));
}

/* As the library does with each request: nothing has happened to it yet. */
static void a_migrated_request_reports_to_its_new_channel(void)
{
	struct pair_options o;
	struct pair *p = pair_new();

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	must(rdma_migrate_id(p->server.id, p->server.events));
	equal_ptr(p->server.id->channel, p->server.events);
	side_equip(&p->server, &o.server);
	side_accept(&p->server, &o.server, NULL, 0);
	cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
	cm_want(p->server.events, RDMA_CM_EVENT_ESTABLISHED);
	must(rdma_disconnect(p->client.id));
	cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
	cm_quiet(p->listen_events, 0);
}

static void pending_events_migrate_with_the_identifier(void)
{
	struct rdma_event_channel *other = channel_new();
	struct pair *p = pair_up_default();
	struct cm_seen seen;

	must(rdma_disconnect(p->client.id));
	await_readable(p->server.events->fd);
	must(rdma_migrate_id(p->server.id, other));
	check(!readable(p->server.events->fd), "the old channel is still readable");
	check(readable(other->fd), "the new channel is not readable");
	seen = cm_want(other, RDMA_CM_EVENT_DISCONNECTED);
	equal_ptr(seen.id, p->server.id);
	cm_quiet(p->server.events, 0);
}

static void migrating_leaves_other_identifiers_events_behind(void)
{
	struct pair *p = pair_up_default();
	struct rdma_event_channel *other = channel_new();
	struct rdma_cm_id *id;

	must(rdma_create_id(p->server.events, &id, NULL, RDMA_PS_TCP));
	must(rdma_disconnect(p->client.id));
	await_readable(p->server.events->fd);
	must(rdma_migrate_id(id, other));
	check(!readable(other->fd), "an event of another identifier came along");
	must(rdma_destroy_id(id));
	cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
}

static void destroying_an_identifier_drops_its_pending_events(void)
{
	struct pair *p = pair_up_default();

	must(rdma_disconnect(p->client.id));
	await_readable(p->server.events->fd);
	side_fini(&p->server);
	check(!readable(p->server.events->fd), "readable though nobody can have an event");
	cm_quiet(p->server.events, 0);
}

static void a_channel_with_an_event_can_go_when_its_identifier_has(void)
{
	struct pair *p = pair_up_default();
	struct rdma_event_channel *other = channel_new();

	must(rdma_disconnect(p->client.id));
	await_readable(p->server.events->fd);
	must(rdma_migrate_id(p->server.id, other));
	cm_want(other, RDMA_CM_EVENT_DISCONNECTED);
	must(rdma_migrate_id(p->server.id, p->server.events));
	forget(other);
	rdma_destroy_event_channel(other);
	must(rdma_disconnect(p->server.id));
	cm_want(p->client.events, RDMA_CM_EVENT_DISCONNECTED);
}

const struct test channel_tests[] = {
	TEST(an_empty_channel_says_eagain),
	TEST(the_descriptor_is_readable_while_an_event_is_pending),
	TEST(each_call_takes_one_event),
	TEST(an_event_waits_until_it_is_acknowledged),
	TEST(a_migrated_request_reports_to_its_new_channel),
	TEST(pending_events_migrate_with_the_identifier),
	TEST(migrating_leaves_other_identifiers_events_behind),
	TEST(destroying_an_identifier_drops_its_pending_events),
	TEST(a_channel_with_an_event_can_go_when_its_identifier_has),
	{0},
};
