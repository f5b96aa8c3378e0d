/* SPDX-License-Identifier: BSD-3-Clause */
/* Losses, removals, events out of nowhere, calls that fail, and two threads. */
#include "cm_selftest.h"

#include <pthread.h>

static void a_lost_request_is_sent_again(void)
{
	begin();
	make_qp(&host);
	host_connect();
	drop("REQ");
	nothing(&target);
	fabric_advance(50 * MS);
	step("REQ timeout");
	target_take();
	target_accept();
	step("REP");
	took(&host, RDMA_CM_EVENT_ESTABLISHED, 0);
	end();
}

static void a_request_that_never_arrives_is_given_up(void)
{
	begin();
	host_connect();
	for (int i = 0; i < 3; i++) {
		drop("REQ");
		fabric_advance(50 * MS);
		step("REQ timeout");
	}
	took(&host, RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT);
	check(!fabric_ready() && fabric_next_due() == UINT64_MAX);
	end();
}

static void a_link_that_is_cut_loses_what_arrives(void)
{
	begin();
	host_connect();
	fabric_link_set("h0", "t0", false);
	step("REQ");
	fabric_link_set("h0", "t0", true);
	pass(60 * MS);
	target.id = took(&target, RDMA_CM_EVENT_CONNECT_REQUEST, 0).id;
	fabric_port_set("t0", false);
	end();
}

static void a_request_that_is_thought_about_is_not_repeated(void)
{
	begin();
	make_qp(&host);
	host_connect();
	target_take();
	pass(10000 * MS);
	nothing(&host);
	target_accept();
	step("REP");
	pass(10000 * MS);
	nothing(&target);
	took(&host, RDMA_CM_EVENT_ESTABLISHED, 0);
	step("RTU");
	took(&target, RDMA_CM_EVENT_ESTABLISHED, 0);
	end();
}

static void a_lost_reply_is_sent_again(void)
{
	begin();
	make_qp(&host);
	host_connect();
	target_take();
	target_accept();
	drop("REP");
	fabric_advance(50 * MS);
	step("REP timeout");
	step("REP");
	took(&host, RDMA_CM_EVENT_ESTABLISHED, 0);
	nothing(&host);
	step("RTU");
	took(&target, RDMA_CM_EVENT_ESTABLISHED, 0);
	end();
}

static void a_reply_that_never_arrives_is_given_up(void)
{
	begin();
	make_qp(&host);
	host_connect();
	target_take();
	target_accept();
	for (int i = 0; i < 3; i++) {
		drop("REP");
		fabric_advance(50 * MS);
		step("REP timeout");
	}
	took(&target, RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT);
	check(!rdma_disconnect(target.id));
	nothing(&host);
	/* The host has been told to wait, and waits long. */
	pass(300000 * MS);
	took(&host, RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT);
	nothing(&target);
	end();
}

static void a_lost_confirmation_is_asked_for_again(void)
{
	begin();
	make_qp(&host);
	host_connect();
	target_take();
	target_accept();
	step("REP");
	took(&host, RDMA_CM_EVENT_ESTABLISHED, 0);
	drop("RTU");
	pass(60000 * MS);
	took(&target, RDMA_CM_EVENT_ESTABLISHED, 0);
	nothing(&host);
	end();
}

static void a_host_whose_confirmation_never_arrives_stays_connected(void)
{
	begin();
	make_qp(&host);
	host_connect();
	target_take();
	target_accept();
	step("REP");
	took(&host, RDMA_CM_EVENT_ESTABLISHED, 0);
	fabric_link_set("h0", "t0", false);
	pass(300000 * MS);
	took(&target, RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT);
	nothing(&host);
	check(state_of(&host) == IBV_QPS_RTS);
	end();
}

static void a_disconnect_without_an_answer_is_given_up(void)
{
	begin();
	connected();
	check(!rdma_disconnect(target.id));
	for (int i = 0; i < 3; i++) {
		drop("DREQ");
		fabric_advance(50 * MS);
		step("DREQ timeout");
	}
	took(&target, RDMA_CM_EVENT_DISCONNECTED, -ETIMEDOUT);
	nothing(&host);
	pass(1000 * MS);
	took(&target, RDMA_CM_EVENT_TIMEWAIT_EXIT, 0);
	end();
}

static void a_lost_answer_to_a_disconnect_is_given_again(void)
{
	begin();
	connected();
	check(!rdma_disconnect(target.id));
	step("DREQ");
	took(&host, RDMA_CM_EVENT_DISCONNECTED, 0);
	check(!rdma_disconnect(host.id));
	drop("DREP");
	fabric_advance(50 * MS);
	step("DREQ timeout");
	step("DREQ");
	step("DREP");
	took(&target, RDMA_CM_EVENT_DISCONNECTED, 0);
	nothing(&host);
	end();
}

static void nobody_there_answers_a_disconnect(void)
{
	begin();
	connected();
	drop_qp(&host);
	check(!rdma_destroy_id(host.id));
	host.id = NULL;
	drop("DREQ");
	check(!rdma_disconnect(target.id));
	step("DREQ");
	step("DREP");
	took(&target, RDMA_CM_EVENT_DISCONNECTED, 0);
	end();
}

static void a_removal_is_told_to_every_id_of_the_device(void)
{
	struct rdma_conn_param param = {.qp_num = 7};
	struct ibv_qp_init_attr attr = {.qp_type = IBV_QPT_RC};

	begin();
	connected();
	fabric_device_remove("t0");
	check(took(&target, RDMA_CM_EVENT_DEVICE_REMOVAL, 0).id == target.listener);
	check(took(&target, RDMA_CM_EVENT_DEVICE_REMOVAL, 0).id == target.id);
	nothing(&target);
	nothing(&host);
	check(rdma_disconnect(target.id) == -1);
	check(rdma_accept(target.id, &param) == -1);
	check(rdma_listen(target.listener, 1) == -1);
	drop_qp(&target);
	check(rdma_create_qp(target.id, NULL, &attr) == -1);
	check(!rdma_disconnect(host.id));
	pass(300 * MS);
	took(&host, RDMA_CM_EVENT_DISCONNECTED, -ETIMEDOUT);
	end();
}

static void a_removal_is_not_told_to_who_was_not_accepted(void)
{
	struct rdma_conn_param param = {.qp_num = 7};

	begin();
	host_connect();
	target_take();
	fabric_device_remove("t0");
	check(took(&target, RDMA_CM_EVENT_DEVICE_REMOVAL, 0).id == target.listener);
	nothing(&target);
	check(rdma_accept(target.id, &param) == -1 && errno == ENXIO);
	end();
}

static void a_device_that_comes_back_is_another(void)
{
	const struct fabric_device t0 = {.name = "t0", .address = "10.0.0.1"};
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(4420),
				 .sin_addr.s_addr = htonl(0x0a000001)};

	begin();
	host_connect();
	fabric_device_remove("t0");
	took(&target, RDMA_CM_EVENT_DEVICE_REMOVAL, 0);
	check(!rdma_destroy_id(target.listener));
	fabric_device_add(&t0);
	check(!rdma_create_id(target.channel, &target.listener, &target, RDMA_PS_TCP));
	check(!rdma_bind_addr(target.listener, (struct sockaddr *)&in));
	check(!rdma_listen(target.listener, 1));
	target_take();
	end();
}

static void events_come_out_of_nowhere(void)
{
	begin();
	connected();
	fabric_cm_event(target.id->qp->qp_num, RDMA_CM_EVENT_UNREACHABLE);
	took(&target, RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT);
	fabric_cm_event(target.id->qp->qp_num, RDMA_CM_EVENT_DISCONNECTED);
	took(&target, RDMA_CM_EVENT_DISCONNECTED, 0);
	check(!rdma_disconnect(target.id));
	step("DREQ");
	took(&host, RDMA_CM_EVENT_DISCONNECTED, 0);
	end();
}

static void nobody_has_that_address(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000063)};

	begin();
	check(!rdma_destroy_id(host.id));
	check(!rdma_create_id(host.channel, &host.id, NULL, RDMA_PS_TCP));
	check(!rdma_resolve_addr(host.id, NULL, (struct sockaddr *)&in, 700));
	check(!fabric_ready());
	fabric_advance(700 * MS);
	settle();
	took(&host, RDMA_CM_EVENT_ADDR_ERROR, -ETIMEDOUT);
	end();
}

/* ---- calls that fail ---- */

/* As far as it goes. */
static void try_everything(struct side *from, struct side *to)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(4420),
				 .sin_addr.s_addr = htonl(0x0a000001)};
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1},
	};
	struct rdma_conn_param param = {.responder_resources = 1, .initiator_depth = 1};
	struct rdma_cm_event *event;
	struct ibv_qp_init_attr again = attr;

	from->channel = rdma_create_event_channel();
	to->channel = rdma_create_event_channel();
	if (!from->channel || !to->channel ||
	    rdma_create_id(to->channel, &to->listener, NULL, RDMA_PS_TCP) ||
	    rdma_bind_addr(to->listener, (struct sockaddr *)&in) || rdma_listen(to->listener, 1) ||
	    rdma_create_id(from->channel, &from->id, NULL, RDMA_PS_TCP) ||
	    rdma_resolve_addr(from->id, NULL, (struct sockaddr *)&in, 100))
		return;
	settle();
	if (rdma_get_cm_event(from->channel, &event))
		return;
	rdma_ack_cm_event(event);
	if (!from->id->verbs || rdma_resolve_route(from->id, 100))
		return;
	settle();
	if (rdma_get_cm_event(from->channel, &event))
		return;
	rdma_ack_cm_event(event);
	if (rdma_create_qp(from->id, NULL, &attr) || rdma_connect(from->id, &param))
		return;
	settle();
	if (rdma_get_cm_event(to->channel, &event))
		return;
	to->id = event->id;
	rdma_ack_cm_event(event);
	if (rdma_create_qp(to->id, NULL, &again) || rdma_accept(to->id, &param))
		return;
	settle();
	if (rdma_get_cm_event(from->channel, &event))
		return;
	rdma_ack_cm_event(event);
	settle();
	if (!rdma_disconnect(to->id))
		settle();
}

static void side_drop(struct side *side)
{
	if (side->id && side->id->qp)
		rdma_destroy_qp(side->id);
	if (side->id)
		check(!rdma_destroy_id(side->id));
	if (side->listener)
		check(!rdma_destroy_id(side->listener));
	if (side->channel)
		rdma_destroy_event_channel(side->channel);
}

static void every_call_that_fails_leaves_nothing_behind(void)
{
	const struct fabric_device t0 = {.name = "t0", .address = "10.0.0.1"};
	unsigned nth = 1;
	char names[200];

	for (;; nth++) {
		struct side from = {0}, to = {0};

		fabric_init(FABRIC_SIMULATED);
		fabric_set_strict(true);
		fabric_device_add(&t0);
		fabric_fail_call(0, nth, ENOMEM);
		try_everything(&from, &to);
		if (!fabric_failed_call())
			check(to.id && to.id->qp && to.id->qp->state == IBV_QPS_ERR);
		fabric_fail_call(0, 0, 0);
		side_drop(&from);
		side_drop(&to);
		settle();
		if (fabric_leftovers(names, sizeof(names)))
			fail(__FILE__, __LINE__, names);
		if (!fabric_failed_call())
			break;
	}
	check(nth > 30);
}

/* ---- threads ---- */

static struct rdma_cm_id *listener;

static void *serve(void *arg)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1},
	};
	struct rdma_conn_param param = {.responder_resources = 1};
	struct rdma_cm_event *event;
	struct rdma_cm_id *id;

	(void)arg;
	check(!rdma_get_cm_event(listener->channel, &event));
	check(event->event == RDMA_CM_EVENT_CONNECT_REQUEST);
	id = event->id;
	rdma_ack_cm_event(event);
	check(!rdma_create_qp(id, NULL, &attr));
	check(!rdma_accept(id, &param));
	check(!rdma_get_cm_event(listener->channel, &event));
	check(event->event == RDMA_CM_EVENT_ESTABLISHED);
	rdma_ack_cm_event(event);
	check(!rdma_get_cm_event(listener->channel, &event));
	check(event->event == RDMA_CM_EVENT_DISCONNECTED);
	rdma_ack_cm_event(event);
	check(!rdma_disconnect(id));
	rdma_destroy_qp(id);
	check(!rdma_destroy_id(id));
	return NULL;
}

static void end_points_wait_in_threads(void)
{
	struct rdma_addrinfo hints = {.ai_flags = RAI_PASSIVE, .ai_port_space = RDMA_PS_TCP};
	const struct fabric_device t0 = {.name = "t0", .address = "10.0.0.1"};
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1},
	};
	struct rdma_conn_param param = {.initiator_depth = 1};
	struct rdma_event_channel *channel;
	struct rdma_addrinfo *res;
	struct rdma_cm_id *ep;
	pthread_t thread;
	char names[200];

	fabric_init(FABRIC_THREADED);
	fabric_set_strict(true);
	fabric_device_add(&t0);
	check(!rdma_getaddrinfo("10.0.0.1", "4420", &hints, &res));
	check((channel = rdma_create_event_channel()));
	check(!rdma_create_id(channel, &listener, NULL, RDMA_PS_TCP));
	check(!rdma_bind_addr(listener, res->ai_src_addr));
	check(!rdma_listen(listener, 4));
	rdma_freeaddrinfo(res);
	check(!pthread_create(&thread, NULL, serve, NULL));
	hints.ai_flags = 0;
	check(!rdma_getaddrinfo("10.0.0.1", "4420", &hints, &res));
	check(!rdma_create_ep(&ep, res, NULL, &attr));
	rdma_freeaddrinfo(res);
	check(!rdma_connect(ep, &param));
	check(ep->qp->state == IBV_QPS_RTS);
	check(!rdma_disconnect(ep));
	check(!pthread_join(thread, NULL));
	rdma_destroy_ep(ep);
	check(!rdma_destroy_id(listener));
	rdma_destroy_event_channel(channel);
	if (fabric_leftovers(names, sizeof(names)))
		fail(__FILE__, __LINE__, names);
}

static struct rdma_cm_event *held;

static void *ack_late(void *arg)
{
	(void)arg;
	rdma_ack_cm_event(held);
	return NULL;
}

static void an_id_waits_for_its_events(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001)};
	const struct fabric_device t0 = {.name = "t0", .address = "10.0.0.1"};
	struct rdma_event_channel *channel;
	struct rdma_cm_id *id;
	pthread_t thread;

	fabric_init(FABRIC_THREADED);
	fabric_device_add(&t0);
	check((channel = rdma_create_event_channel()));
	check(!rdma_create_id(channel, &id, NULL, RDMA_PS_TCP));
	check(!rdma_resolve_addr(id, NULL, (struct sockaddr *)&in, 100));
	check(!rdma_get_cm_event(channel, &held));
	check(!pthread_create(&thread, NULL, ack_late, NULL));
	check(!rdma_destroy_id(id));
	check(!pthread_join(thread, NULL));
	rdma_destroy_event_channel(channel);
}

#define TEST(name)          \
	{                   \
#name, name \
	}

const struct test fault_tests[] = {
	TEST(a_lost_request_is_sent_again),
	TEST(a_request_that_never_arrives_is_given_up),
	TEST(a_link_that_is_cut_loses_what_arrives),
	TEST(a_request_that_is_thought_about_is_not_repeated),
	TEST(a_lost_reply_is_sent_again),
	TEST(a_reply_that_never_arrives_is_given_up),
	TEST(a_lost_confirmation_is_asked_for_again),
	TEST(a_host_whose_confirmation_never_arrives_stays_connected),
	TEST(a_disconnect_without_an_answer_is_given_up),
	TEST(a_lost_answer_to_a_disconnect_is_given_again),
	TEST(nobody_there_answers_a_disconnect),
	TEST(a_removal_is_told_to_every_id_of_the_device),
	TEST(a_removal_is_not_told_to_who_was_not_accepted),
	TEST(a_device_that_comes_back_is_another),
	TEST(events_come_out_of_nowhere),
	TEST(nobody_has_that_address),
	TEST(every_call_that_fails_leaves_nothing_behind),
	TEST(end_points_wait_in_threads),
	TEST(an_id_waits_for_its_events),
	{NULL, NULL},
};
