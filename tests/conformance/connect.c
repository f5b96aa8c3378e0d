/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that come about: the events, what they carry, and what the queue pairs become.
 */
#include "conformance.h"

static void connect_and_accept_establish_both_sides(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	equal(qp_state(&p->client), IBV_QPS_INIT);
	pair_answer(p, &o);
	equal(qp_state(&p->server), IBV_QPS_RTS);
	seen = cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
	equal(seen.status, 0);
	equal_ptr(seen.id, p->client.id);
	equal(qp_state(&p->client), IBV_QPS_RTS);
	seen = cm_want(p->server.events, RDMA_CM_EVENT_ESTABLISHED);
	equal(seen.status, 0);
	equal_ptr(seen.id, p->server.id);
	cm_quiet(p->listen_events, 0);
}

static void a_request_names_its_listener_and_has_its_context(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	seen = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST);
	p->server.id = seen.id;
	check(seen.id != p->listener, "the request is the listener's identifier");
	equal_ptr(seen.listen_id, p->listener);
	equal_ptr(seen.id->context, p);
	equal_ptr(seen.id->channel, p->listen_events);
	equal_ptr(seen.id->verbs, device());
	equal_ptr(seen.id->qp, NULL);
	equal(seen.id->port_num, 1);
	equal(seen.status, 0);
}

static void a_request_knows_both_addresses(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct sockaddr_in peer, local;

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	memcpy(&peer, rdma_get_peer_addr(p->server.id), sizeof(peer));
	memcpy(&local, rdma_get_local_addr(p->server.id), sizeof(local));
	equal(peer.sin_family, AF_INET);
	equal(local.sin_family, AF_INET);
	equal(peer.sin_addr.s_addr, options.addr.sin_addr.s_addr);
	equal(local.sin_addr.s_addr, options.addr.sin_addr.s_addr);
	equal(local.sin_port, port_of(p->listener));
	equal(peer.sin_port, port_of(p->client.id));
	equal(rdma_get_dst_port(p->client.id), port_of(p->listener));
}

static void resolving_gives_the_device_and_a_protection_domain(void)
{
	struct pair *p = pair_new();

	pair_listen(p, 1);
	equal_ptr(p->listener->verbs, device());
	side_resolve(&p->client, port_of(p->listener));
	equal_ptr(p->client.id->verbs, device());
	equal(p->client.id->port_num, 1);
	check(p->client.id->pd, "the identifier has no protection domain");
}

/* RoCE sends the whole field of the message. */
static void request_data_is_padded_to_56_bytes(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	pair_ask(p, &o, "hello", 5);
	seen = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST);
	p->server.id = seen.id;
	equal(seen.data_len, 56);
	check(!memcmp(seen.data, "hello", 5), "other bytes came than went");
	for (int i = 5; i < 56; i++)
		equal(seen.data[i], 0);
}

static void a_request_without_data_brings_56_zero_bytes(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	seen = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST);
	p->server.id = seen.id;
	equal(seen.data_len, 56);
	for (int i = 0; i < 56; i++)
		equal(seen.data[i], 0);
}

static void request_data_longer_than_56_bytes_is_refused(void)
{
	static const uint8_t data[57];
	struct pair_options o;
	struct pair *p = pair_new();
	struct rdma_conn_param conn = {.private_data = data, .private_data_len = 57};

	pair_options_init(&o);
	pair_listen(p, 1);
	side_resolve(&p->client, port_of(p->listener));
	side_equip(&p->client, &o.client);
	equal(rdma_connect(p->client.id, &conn), -1);
	equal(errno, EINVAL);
}

static void accept_data_is_padded_to_196_bytes(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	side_equip(&p->server, &o.server);
	side_accept(&p->server, &o.server, "welcome", 7);
	seen = cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
	equal(seen.data_len, 196);
	check(!memcmp(seen.data, "welcome", 7), "other bytes came than went");
	for (int i = 7; i < 196; i++)
		equal(seen.data[i], 0);
	/* The server's own event comes without. */
	seen = cm_want(p->listen_events, RDMA_CM_EVENT_ESTABLISHED);
	equal(seen.data_len, 0);
}

static void reads_are_seen_swapped_in_the_request(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	o.client.reads_in = 3;
	o.client.reads_out = 5;
	o.client.retry_count = 6;
	o.client.rnr_retry = 2;
	pair_ask(p, &o, NULL, 0);
	seen = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST);
	p->server.id = seen.id;
	equal(seen.reads_in, 5);
	equal(seen.reads_out, 3);
	equal(seen.retry_count, 6);
	equal(seen.rnr_retry, 2);
	equal(seen.qp_num, p->client.qp->qp_num);
}

static void reads_of(struct side *s, struct ibv_qp_attr *attr)
{
	struct ibv_qp_init_attr init;

	must((errno = ibv_query_qp(s->qp, attr,
				   IBV_QP_MAX_QP_RD_ATOMIC | IBV_QP_MAX_DEST_RD_ATOMIC |
					   IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_TIMEOUT,
				   &init)));
}

static void reads_are_seen_swapped_in_the_accept(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	o.client.reads_in = 3;
	o.client.reads_out = 5;
	o.server.reads_in = 4;
	o.server.reads_out = 2;
	pair_ask(p, &o, NULL, 0);
	pair_answer(p, &o);
	seen = cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
	equal(seen.reads_in, 2);
	equal(seen.reads_out, 4);
	equal(seen.qp_num, p->server.qp->qp_num);
}

/* The server has its own numbers, the client those of the accept, swapped. */
static void queue_pairs_get_the_agreed_reads_and_retries(void)
{
	struct pair_options o;
	struct ibv_qp_attr client, server;
	struct pair *p;

	pair_options_init(&o);
	o.client.reads_in = 3;
	o.client.reads_out = 5;
	o.server.reads_in = 4;
	o.server.reads_out = 2;
	o.client.retry_count = 6;
	o.client.rnr_retry = 5;
	o.server.rnr_retry = 3;
	p = pair_up(&o);
	reads_of(&p->client, &client);
	reads_of(&p->server, &server);
	equal(client.max_rd_atomic, 4);
	equal(client.max_dest_rd_atomic, 2);
	equal(server.max_rd_atomic, 2);
	equal(server.max_dest_rd_atomic, 4);
	equal(client.retry_cnt, 6);
	equal(server.retry_cnt, 6);
	equal(client.rnr_retry, 3);
	equal(server.rnr_retry, 5);
}

/* Also more than was asked for (in powers of two, to which rdma_rxe rounds up): who accepts must bound them by what the request says. */
static void the_accept_alone_decides_the_reads(void)
{
	struct ibv_qp_attr client, server;
	struct pair_options o;
	struct pair *p;

	pair_options_init(&o);
	o.client.reads_in = 1;
	o.client.reads_out = 2;
	o.server.reads_in = 8;
	o.server.reads_out = 16;
	p = pair_up(&o);
	reads_of(&p->client, &client);
	reads_of(&p->server, &server);
	equal(client.max_rd_atomic, 8);
	equal(client.max_dest_rd_atomic, 16);
	equal(server.max_rd_atomic, 16);
	equal(server.max_dest_rd_atomic, 8);
}

/* The server's queue pair then has no right to be read at all, whatever the accept says. */
static void a_client_that_asks_for_no_reads_cannot_read(void)
{
	struct pair_options o;
	struct pair *p;

	pair_options_init(&o);
	o.client.reads_out = 0;
	p = pair_up(&o);
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 1, 0, 64, &p->server, 0);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	post_rdma(&p->client, IBV_WR_RDMA_READ, 2, 0, 64, &p->server, 0);
	sent(&p->client, 2, IBV_WC_REM_INV_REQ_ERR);
	qp_state_want(&p->server, IBV_QPS_ERR);
}

/* A client that brings a queue pair of its own must say when it is ready: the server waits. */
static void half_open_client_gets_the_response_and_the_server_nothing(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct rdma_conn_param conn = {.initiator_depth = 1, .responder_resources = 1};
	struct ibv_qp_init_attr attr = {.qp_type = IBV_QPT_RC, .cap = {1, 1, 1, 1, 0}};
	struct side *c = &p->client;
	struct cm_seen seen;

	pair_options_init(&o);
	pair_listen(p, 1);
	side_resolve(c, port_of(p->listener));
	side_equip(c, &o.client);
	rdma_destroy_qp(c->id);
	attr.send_cq = c->send_cq;
	attr.recv_cq = c->recv_cq;
	c->qp = ibv_create_qp(c->pd, &attr);
	must_have(c->qp);
	conn.qp_num = c->qp->qp_num;
	must(rdma_connect(c->id, &conn));
	pair_answer(p, &o);
	seen = cm_want(c->events, RDMA_CM_EVENT_CONNECT_RESPONSE);
	equal(seen.status, 0);
	equal(seen.data_len, 196);
	cm_quiet(p->server.events, QUIET_MS);
	/* The client goes away instead of finishing. */
	ibv_destroy_qp(c->qp);
	c->qp = NULL;
	must(rdma_destroy_id(c->id));
	c->id = NULL;
	seen = cm_want(p->server.events, RDMA_CM_EVENT_REJECTED);
	equal(seen.status, 28);
}

static void a_second_connect_is_refused(void)
{
	struct pair *p = pair_up_default();
	struct rdma_conn_param conn = {.initiator_depth = 1};

	equal(rdma_connect(p->client.id, &conn), -1);
	equal(errno, EINVAL);
}

static void many_connections_live_side_by_side(void)
{
	struct pair *pairs[4];

	for (int i = 0; i < 4; i++)
		pairs[i] = pair_up_default();
	for (int i = 0; i < 4; i++) {
		post_recv(&pairs[i]->server, 1, 0, 64);
		post_send(&pairs[i]->client, 2, 0, 64, IBV_SEND_SIGNALED);
	}
	for (int i = 0; i < 4; i++) {
		equal(received(&pairs[i]->server, 1, IBV_WC_SUCCESS).qp_num,
		      pairs[i]->server.qp->qp_num);
		sent(&pairs[i]->client, 2, IBV_WC_SUCCESS);
		check(i == 0 || pairs[i]->client.qp->qp_num != pairs[0]->client.qp->qp_num,
		      "two queue pairs have one number");
	}
}

const struct test connect_tests[] = {
	TEST(connect_and_accept_establish_both_sides),
	TEST(a_request_names_its_listener_and_has_its_context),
	TEST(a_request_knows_both_addresses),
	TEST(resolving_gives_the_device_and_a_protection_domain),
	TEST(request_data_is_padded_to_56_bytes),
	TEST(a_request_without_data_brings_56_zero_bytes),
	TEST(request_data_longer_than_56_bytes_is_refused),
	TEST(accept_data_is_padded_to_196_bytes),
	TEST(reads_are_seen_swapped_in_the_request),
	TEST(reads_are_seen_swapped_in_the_accept),
	TEST(queue_pairs_get_the_agreed_reads_and_retries),
	TEST(the_accept_alone_decides_the_reads),
	TEST(a_client_that_asks_for_no_reads_cannot_read),
	TEST(half_open_client_gets_the_response_and_the_server_nothing),
	TEST(a_second_connect_is_refused),
	TEST(many_connections_live_side_by_side),
	{0},
};
