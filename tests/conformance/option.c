/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options of an identifier, and attributes of a queue pair that can be changed when it is connected.
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

static int set(struct rdma_cm_id *id, int option, int value)
{
	uint8_t byte = (uint8_t)value;

	if (option == RDMA_OPTION_ID_TOS || option == RDMA_OPTION_ID_ACK_TIMEOUT)
		return rdma_set_option(id, RDMA_OPTION_ID, option, &byte, sizeof(byte));
	return rdma_set_option(id, RDMA_OPTION_ID, option, &value, sizeof(value));
}

static void options_can_be_set_before_binding(void)
{
	struct rdma_cm_id *id = id_new(channel_new());

	must(set(id, RDMA_OPTION_ID_TOS, 106));
	must(set(id, RDMA_OPTION_ID_ACK_TIMEOUT, 14));
	must(set(id, RDMA_OPTION_ID_REUSEADDR, 1));
	must(set(id, RDMA_OPTION_ID_AFONLY, 1));
}

static void an_unknown_option_is_refused(void)
{
	struct rdma_cm_id *id = id_new(channel_new());

	equal(set(id, 77, 1), -1);
	equal(errno, ENOSYS);
}

static void options_can_be_set_on_a_request(void)
{
	struct pair_options o;
	struct pair *p = pair_new();

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	must(set(p->server.id, RDMA_OPTION_ID_TOS, 106));
	must(set(p->server.id, RDMA_OPTION_ID_ACK_TIMEOUT, 14));
	side_equip(&p->server, &o.server);
	side_accept(&p->server, &o.server, NULL, 0);
	cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
}

static int timeout_of(struct side *s)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	must((errno = ibv_query_qp(s->qp, &attr, IBV_QP_TIMEOUT, &init)));
	return attr.timeout;
}

static void ack_timeout_of_the_client_is_its_queue_pairs(void)
{
	struct pair_options o;
	struct pair *p;

	pair_options_init(&o);
	o.client.ack_timeout = 12;
	p = pair_up(&o);
	equal(timeout_of(&p->client), 12);
	check(timeout_of(&p->server) != 12, "the server has the client's timeout");
}

static void ack_timeout_of_the_server_is_its_queue_pairs(void)
{
	struct pair_options o;
	struct pair *p;

	pair_options_init(&o);
	o.server.ack_timeout = 13;
	p = pair_up(&o);
	equal(timeout_of(&p->server), 13);
	check(timeout_of(&p->client) != 13, "the client has the server's timeout");
}

static void min_rnr_timer_can_be_set_when_connected(void)
{
	struct pair *p = pair_up_default();
	struct ibv_qp_attr attr = {.min_rnr_timer = 5};
	struct ibv_qp_init_attr init;

	must((errno = ibv_modify_qp(p->server.qp, &attr, IBV_QP_MIN_RNR_TIMER)));
	memset(&attr, 0, sizeof(attr));
	must((errno = ibv_query_qp(p->server.qp, &attr, IBV_QP_MIN_RNR_TIMER, &init)));
	equal(attr.min_rnr_timer, 5);
	equal(qp_state(&p->server), IBV_QPS_RTS);
}

/* 655 ms. */
static void min_rnr_timer_is_0_unless_set(void)
{
	struct pair *p = pair_up_default();
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr = {.min_rnr_timer = 99};

	must((errno = ibv_query_qp(p->server.qp, &attr, IBV_QP_MIN_RNR_TIMER, &init)));
	equal(attr.min_rnr_timer, 0);
}

/* Between accept and established, as the library does it. */
static void min_rnr_timer_can_be_set_right_after_the_accept(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct ibv_qp_attr attr = {.min_rnr_timer = 5};

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	pair_answer(p, &o);
	must((errno = ibv_modify_qp(p->server.qp, &attr, IBV_QP_MIN_RNR_TIMER)));
	cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
	cm_want(p->server.events, RDMA_CM_EVENT_ESTABLISHED);
}

/* One address family each, so both can have the port. */
static void afonly_leaves_the_port_to_the_other_family(void)
{
	struct rdma_cm_id *v6 = id_new(channel_new()), *v4 = id_new(channel_new());
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6};
	struct sockaddr_in any4 = {.sin_family = AF_INET};

	must(set(v6, RDMA_OPTION_ID_AFONLY, 1));
	must(rdma_bind_addr(v6, (struct sockaddr *)&any6));
	must(rdma_listen(v6, 1));
	any4.sin_port = port_of(v6);
	must(rdma_bind_addr(v4, (struct sockaddr *)&any4));
	must(rdma_listen(v4, 1));
}

static void without_afonly_ipv6_any_takes_both_families(void)
{
	struct rdma_cm_id *v6 = id_new(channel_new()), *v4 = id_new(channel_new());
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6};
	struct sockaddr_in any4 = {.sin_family = AF_INET};

	must(set(v6, RDMA_OPTION_ID_AFONLY, 0));
	must(rdma_bind_addr(v6, (struct sockaddr *)&any6));
	must(rdma_listen(v6, 1));
	any4.sin_port = port_of(v6);
	equal(rdma_bind_addr(v4, (struct sockaddr *)&any4), -1);
	equal(errno, EADDRNOTAVAIL);
}

const struct test option_tests[] = {
	TEST(options_can_be_set_before_binding),
	TEST(an_unknown_option_is_refused),
	TEST(options_can_be_set_on_a_request),
	TEST(ack_timeout_of_the_client_is_its_queue_pairs),
	TEST(ack_timeout_of_the_server_is_its_queue_pairs),
	TEST(min_rnr_timer_is_0_unless_set),
	TEST(min_rnr_timer_can_be_set_when_connected),
	TEST(min_rnr_timer_can_be_set_right_after_the_accept),
	TEST(afonly_leaves_the_port_to_the_other_family),
	TEST(without_afonly_ipv6_any_takes_both_families),
	{0},
};
