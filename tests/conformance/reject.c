/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that do not come about: who says no, in which event, with which reason.
 */
#include "conformance.h"

#define REJ_INVALID_SERVICE_ID 8
#define REJ_CONSUMER_DEFINED   28

static void reject_carries_reason_28_and_148_bytes(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	must(rdma_reject(p->server.id, "no way", 6));
	seen = cm_want(p->client.events, RDMA_CM_EVENT_REJECTED);
	equal_ptr(seen.id, p->client.id);
	equal(seen.status, REJ_CONSUMER_DEFINED);
	equal(seen.data_len, 148);
	check(!memcmp(seen.data, "no way", 6), "other bytes came than went");
	for (int i = 6; i < 148; i++)
		equal(seen.data[i], 0);
	cm_quiet(p->listen_events, QUIET_MS);
}

/* librdmacm moves the queue pair to the error state when it is told of the rejection. */
static void rejected_queue_pair_flushes_its_receives(void)
{
	struct pair_options o;
	struct pair *p = pair_new();

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	post_recv(&p->client, 1, 0, 64);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	must(rdma_reject(p->server.id, NULL, 0));
	cm_want(p->client.events, RDMA_CM_EVENT_REJECTED);
	qp_state_want(&p->client, IBV_QPS_ERR);
	received(&p->client, 1, IBV_WC_WR_FLUSH_ERR);
}

static void destroying_a_request_rejects_it(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	seen = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST);
	must(rdma_destroy_id(seen.id));
	seen = cm_want(p->client.events, RDMA_CM_EVENT_REJECTED);
	equal(seen.status, REJ_CONSUMER_DEFINED);
}

static void a_port_where_nobody_listens_rejects_with_reason_8(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	uint16_t port;
	struct cm_seen seen;

	pair_options_init(&o);
	pair_listen(p, 1);
	port = port_of(p->listener);
	must(rdma_destroy_id(p->listener));
	p->listener = NULL;
	side_resolve(&p->client, port);
	side_equip(&p->client, &o.client);
	side_connect(&p->client, &o.client, NULL, 0);
	seen = cm_want(p->client.events, RDMA_CM_EVENT_REJECTED);
	equal(seen.status, REJ_INVALID_SERVICE_ID);
	equal(seen.data_len, 148);
}

static void a_listener_that_goes_rejects_what_it_was_asked(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	await_readable(p->listen_events->fd);
	must(rdma_destroy_id(p->listener));
	p->listener = NULL;
	seen = cm_want(p->client.events, RDMA_CM_EVENT_REJECTED);
	equal(seen.status, REJ_CONSUMER_DEFINED);
	cm_quiet(p->listen_events, 0);
}

static void an_address_that_nobody_has_is_an_address_error(void)
{
	struct pair *p = pair_new();
	struct sockaddr_in sin;
	struct cm_seen seen;

	address(htons(4420), &sin);
	sin.sin_addr.s_addr ^= htonl(0x60);
	must(rdma_create_id(p->client.events, &p->client.id, NULL, RDMA_PS_TCP));
	must(rdma_resolve_addr(p->client.id, NULL, (struct sockaddr *)&sin, 300));
	seen = cm_want(p->client.events, RDMA_CM_EVENT_ADDR_ERROR);
	equal(seen.status, -ETIMEDOUT);
}

static void connect_before_the_route_is_refused(void)
{
	struct pair *p = pair_new();
	struct rdma_conn_param conn = {.initiator_depth = 1};
	struct sockaddr_in sin;

	must(rdma_create_id(p->client.events, &p->client.id, NULL, RDMA_PS_TCP));
	must(rdma_resolve_addr(p->client.id, NULL, address(htons(4420), &sin), 300));
	cm_want(p->client.events, RDMA_CM_EVENT_ADDR_RESOLVED);
	equal(rdma_connect(p->client.id, &conn), -1);
	equal(errno, EINVAL);
}

/* Until the device has heard that the client has gone, a queue pair can be made for its request. */
static void wait_until_gone(struct side *s, const struct side_options *o)
{
	struct ibv_qp_init_attr attr = {.qp_type = IBV_QPT_RC, .cap = {1, 1, 1, 1, 0}};
	uint64_t until = now_ms() + DEADLINE_MS;

	attr.send_cq = s->send_cq;
	attr.recv_cq = s->recv_cq;
	while (!rdma_create_qp(s->id, s->pd, &attr)) {
		rdma_destroy_qp(s->id);
		check(now_ms() < until, "a queue pair can still be made");
		wait_on(-1, until);
	}
	equal(errno, EINVAL);
}

static void a_request_whose_client_has_gone_gets_no_queue_pair(void)
{
	struct pair_options o;
	struct pair *p = pair_new();

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	side_equip(&p->server, &o.server);
	rdma_destroy_qp(p->server.id);
	p->server.qp = NULL;
	side_fini(&p->client);
	wait_until_gone(&p->server, &o.server);
	cm_quiet(p->listen_events, QUIET_MS);
}

static void accept_after_the_client_has_gone_fails(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct rdma_conn_param conn = {.initiator_depth = 1, .responder_resources = 1};

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	side_equip(&p->server, &o.server);
	side_fini(&p->client);
	cm_quiet(p->listen_events, QUIET_MS);
	equal(rdma_accept(p->server.id, &conn), -1);
	equal(errno, EINVAL);
	cm_quiet(p->listen_events, QUIET_MS);
}

static void a_pending_request_is_delivered_though_its_client_has_gone(void)
{
	struct pair_options o;
	struct pair *p = pair_new();

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	await_readable(p->listen_events->fd);
	side_fini(&p->client);
	wait_on(-1, now_ms() + QUIET_MS);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	cm_quiet(p->listen_events, QUIET_MS);
	must(rdma_destroy_id(p->server.id));
	p->server.id = NULL;
}

const struct test reject_tests[] = {
	TEST(reject_carries_reason_28_and_148_bytes),
	TEST(rejected_queue_pair_flushes_its_receives),
	TEST(destroying_a_request_rejects_it),
	TEST(a_port_where_nobody_listens_rejects_with_reason_8),
	TEST(a_listener_that_goes_rejects_what_it_was_asked),
	TEST(an_address_that_nobody_has_is_an_address_error),
	TEST(connect_before_the_route_is_refused),
	TEST(a_request_whose_client_has_gone_gets_no_queue_pair),
	TEST(accept_after_the_client_has_gone_fails),
	TEST(a_pending_request_is_delivered_though_its_client_has_gone),
	{0},
};
