/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Binding and listening: addresses, ports, backlog.
 */
#include "conformance.h"

static void id_undo(void *arg)
{
	rdma_destroy_id(arg);
}

static struct rdma_cm_id *id_new(struct rdma_event_channel *events)
{
	struct rdma_cm_id *id;

	must(rdma_create_id(events, &id, NULL, RDMA_PS_TCP));
	undo(id_undo, id);
	return id;
}

static void listen_on_any_address_takes_connections(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct sockaddr_in any = {.sin_family = AF_INET};

	pair_options_init(&o);
	must(rdma_create_id(p->listen_events, &p->listener, NULL, RDMA_PS_TCP));
	must(rdma_bind_addr(p->listener, (struct sockaddr *)&any));
	must(rdma_listen(p->listener, 4));
	equal_ptr(p->listener->verbs, NULL);
	check(port_of(p->listener), "no port");
	pair_ask(p, &o, NULL, 0);
	pair_answer(p, &o);
	cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
	cm_want(p->server.events, RDMA_CM_EVENT_ESTABLISHED);
	equal_ptr(p->listener->verbs, NULL);
	equal_ptr(p->server.id->verbs, device());
}

static void port_0_becomes_a_port(void)
{
	struct rdma_cm_id *a = id_new(channel_new()), *b = id_new(channel_new());
	struct sockaddr_in sin;

	equal(rdma_get_src_port(a), 0);
	must(rdma_bind_addr(a, address(0, &sin)));
	must(rdma_bind_addr(b, address(0, &sin)));
	check(port_of(a) != port_of(b), "two identifiers have port %u", ntohs(port_of(a)));
}

static void binding_a_port_in_use_is_refused(void)
{
	struct rdma_cm_id *a = id_new(channel_new()), *b = id_new(channel_new());
	struct sockaddr_in sin;

	must(rdma_bind_addr(a, address(0, &sin)));
	equal(rdma_bind_addr(b, address(port_of(a), &sin)), -1);
	equal(errno, EADDRINUSE);
}

static void an_address_of_no_device_cannot_be_bound(void)
{
	struct rdma_cm_id *id = id_new(channel_new());
	struct sockaddr_in sin;

	address(0, &sin);
	sin.sin_addr.s_addr ^= htonl(0x60);
	equal(rdma_bind_addr(id, (struct sockaddr *)&sin), -1);
	equal(errno, EADDRNOTAVAIL);
}

static void reuse(struct rdma_cm_id *id)
{
	int on = 1;

	must(rdma_set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_REUSEADDR, &on, sizeof(on)));
}

/* With the option on both, both may bind; but who listens must have the port alone. */
static void reuseaddr_shares_a_port_but_not_with_a_listener(void)
{
	struct rdma_cm_id *a = id_new(channel_new()), *b = id_new(channel_new());
	struct rdma_cm_id *c = id_new(channel_new());
	struct sockaddr_in sin;

	reuse(a);
	reuse(b);
	reuse(c);
	must(rdma_bind_addr(a, address(0, &sin)));
	must(rdma_bind_addr(b, address(port_of(a), &sin)));
	equal(rdma_listen(a, 1), -1);
	equal(errno, EADDRINUSE);
	forget(b);
	must(rdma_destroy_id(b));
	must(rdma_listen(a, 1));
	equal(rdma_bind_addr(c, address(port_of(a), &sin)), -1);
	equal(errno, EADDRINUSE);
}

static void a_port_is_free_again_when_its_listener_is_gone(void)
{
	struct rdma_event_channel *events = channel_new();
	struct rdma_cm_id *a = id_new(events), *b = id_new(events);
	struct sockaddr_in sin;
	uint16_t port;

	must(rdma_bind_addr(a, address(0, &sin)));
	must(rdma_listen(a, 1));
	port = port_of(a);
	forget(a);
	must(rdma_destroy_id(a));
	must(rdma_bind_addr(b, address(port, &sin)));
	must(rdma_listen(b, 1));
}

/* Also while a connection that came through it lives. */
static void a_port_is_free_again_though_a_connection_lives(void)
{
	struct pair *p = pair_up_default();
	struct rdma_cm_id *id = id_new(channel_new());
	struct sockaddr_in sin;
	uint16_t port = port_of(p->listener);

	must(rdma_destroy_id(p->listener));
	p->listener = NULL;
	must(rdma_bind_addr(id, address(port, &sin)));
	must(rdma_listen(id, 1));
	post_recv(&p->server, 1, 0, 64);
	post_send(&p->client, 2, 0, 64, IBV_SEND_SIGNALED);
	sent(&p->client, 2, IBV_WC_SUCCESS);
}

static void listen_without_bind_takes_any_address(void)
{
	struct rdma_cm_id *id = id_new(channel_new());

	must(rdma_listen(id, 1));
	check(port_of(id), "no port");
}

static void listening_twice_is_refused(void)
{
	struct rdma_cm_id *id = id_new(channel_new());
	struct sockaddr_in sin;

	must(rdma_bind_addr(id, address(0, &sin)));
	must(rdma_listen(id, 1));
	equal(rdma_listen(id, 1), -1);
	equal(errno, EINVAL);
}

static void any_address_conflicts_with_each_address(void)
{
	struct rdma_cm_id *a = id_new(channel_new()), *b = id_new(channel_new());
	struct sockaddr_in sin, any = {.sin_family = AF_INET};

	must(rdma_bind_addr(a, address(0, &sin)));
	any.sin_port = port_of(a);
	equal(rdma_bind_addr(b, (struct sockaddr *)&any), -1);
	equal(errno, EADDRNOTAVAIL);
}

/* A request that finds no room is dropped without an answer; the client asks again, and may find some. */
static void a_request_past_the_backlog_waits_for_room(void)
{
	struct pair_options o;
	struct pair *p = pair_new(), *q = pair_new();

	pair_options_init(&o);
	pair_listen(p, 1);
	pair_ask(p, &o, "1", 1);
	await_readable(p->listen_events->fd);
	side_resolve(&q->client, port_of(p->listener));
	side_equip(&q->client, &o.client);
	side_connect(&q->client, &o.client, "2", 1);
	cm_quiet(q->client.events, QUIET_MS);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	q->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	side_equip(&q->server, &o.server);
	side_accept(&q->server, &o.server, NULL, 0);
	cm_want(q->client.events, RDMA_CM_EVENT_ESTABLISHED);
}

/* Taking the event is enough, an answer is not needed. */
static void a_request_that_was_taken_leaves_room(void)
{
	struct pair_options o;
	struct pair *p = pair_new(), *q = pair_new();

	pair_options_init(&o);
	pair_listen(p, 1);
	pair_ask(p, &o, NULL, 0);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	side_resolve(&q->client, port_of(p->listener));
	side_equip(&q->client, &o.client);
	side_connect(&q->client, &o.client, NULL, 0);
	q->server.id = cm_want_within(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST, 1000).id;
}

static void requests_come_in_the_order_of_their_asking(void)
{
	struct pair_options o;
	struct pair *p = pair_new(), *q = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	pair_ask(p, &o, "1", 1);
	side_resolve(&q->client, port_of(p->listener));
	side_equip(&q->client, &o.client);
	side_connect(&q->client, &o.client, "2", 1);
	seen = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST);
	p->server.id = seen.id;
	equal(seen.data[0], '1');
	seen = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST);
	q->server.id = seen.id;
	equal(seen.data[0], '2');
}

const struct test listen_tests[] = {
	TEST(listen_on_any_address_takes_connections),
	TEST(port_0_becomes_a_port),
	TEST(binding_a_port_in_use_is_refused),
	TEST(any_address_conflicts_with_each_address),
	TEST(an_address_of_no_device_cannot_be_bound),
	TEST(reuseaddr_shares_a_port_but_not_with_a_listener),
	TEST(a_port_is_free_again_when_its_listener_is_gone),
	TEST(a_port_is_free_again_though_a_connection_lives),
	TEST(listen_without_bind_takes_any_address),
	TEST(listening_twice_is_refused),
	TEST(a_request_past_the_backlog_waits_for_room),
	TEST(a_request_that_was_taken_leaves_room),
	TEST(requests_come_in_the_order_of_their_asking),
	{0},
};
