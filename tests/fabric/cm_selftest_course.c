/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes well, and how it ends, in chosen order. */
#include "cm_selftest.h"

static void a_connection_comes_and_goes(void)
{
	struct rdma_cm_event event;
	struct ibv_qp_attr attr;
	struct ibv_qp_init_attr init;
	struct fabric_action action;

	begin();
	make_qp(&host);
	host_connect();
	fabric_describe(0, &action);
	check(action.kind == FABRIC_CM && action.can_drop && !strcmp(action.what, "REQ"));
	check(action.qpn == host.id->qp->qp_num && !strcmp(action.device, "h0"));
	target_take();
	target_accept();
	nothing(&host);
	step("REP");
	/* The library moves the queue pair when the program takes the event. */
	check(state_of(&host) == IBV_QPS_INIT && !can("RTU"));
	event = took(&host, RDMA_CM_EVENT_ESTABLISHED, 0);
	check(state_of(&host) == IBV_QPS_RTS);
	check(event.param.conn.private_data_len == 196);
	check(!memcmp(event.param.conn.private_data, "welcome\0", 8));
	check(event.param.conn.responder_resources == 8 && event.param.conn.initiator_depth == 2);
	nothing(&target);
	step("RTU");
	event = took(&target, RDMA_CM_EVENT_ESTABLISHED, 0);
	check(event.param.conn.private_data_len == 0);

	check(!ibv_query_qp(target.id->qp, &attr, ~0, &init));
	check(attr.max_dest_rd_atomic == 2 && attr.max_rd_atomic == 8 && attr.timeout == 19);
	check(attr.retry_cnt == 5 && attr.rnr_retry == 6 && attr.min_rnr_timer == 0);
	check(attr.dest_qp_num == host.id->qp->qp_num);
	check(attr.qp_access_flags & IBV_ACCESS_REMOTE_READ);
	check(!ibv_query_qp(host.id->qp, &attr, ~0, &init));
	check(attr.max_dest_rd_atomic == 8 && attr.max_rd_atomic == 2);
	/* It was made before anything was asked for, without rights. */
	check(attr.qp_access_flags & IBV_ACCESS_REMOTE_READ);
	check(attr.retry_cnt == 5 && attr.rnr_retry == 4);

	check(!rdma_disconnect(host.id));
	check(state_of(&host) == IBV_QPS_ERR);
	step("DREQ");
	took(&target, RDMA_CM_EVENT_DISCONNECTED, 0);
	check(state_of(&target) == IBV_QPS_RTS);
	nothing(&host);
	check(!rdma_disconnect(target.id));
	check(state_of(&target) == IBV_QPS_ERR);
	step("DREP");
	took(&host, RDMA_CM_EVENT_DISCONNECTED, 0);
	pass(1000 * MS);
	took(&host, RDMA_CM_EVENT_TIMEWAIT_EXIT, 0);
	took(&target, RDMA_CM_EVENT_TIMEWAIT_EXIT, 0);
	nothing(&host);
	nothing(&target);
	end();
}

static void a_rejection_has_a_reason_and_data(void)
{
	struct rdma_cm_event event;

	begin();
	make_qp(&host);
	host_connect();
	target_take();
	check(rdma_reject(target.id, "no", 149) == -1 && errno == EINVAL);
	check(!rdma_reject(target.id, "no", 2));
	check(rdma_reject(target.id, "no", 2) == -1 && errno == EINVAL);
	step("REJ");
	event = took(&host, RDMA_CM_EVENT_REJECTED, 28);
	check(event.param.conn.private_data_len == 148);
	check(!memcmp(event.param.conn.private_data, "no\0", 3));
	check(state_of(&host) == IBV_QPS_ERR);
	end();
}

static void nobody_listens_there(void)
{
	begin();
	check(!rdma_destroy_id(target.listener));
	target.listener = NULL;
	host_connect();
	step("REQ");
	step("REJ");
	took(&host, RDMA_CM_EVENT_REJECTED, 8);
	end();
}

static void the_any_address_listens_on_every_device(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(4420)};

	begin();
	check(!rdma_destroy_id(target.listener));
	check(!rdma_create_id(target.channel, &target.listener, &target, RDMA_PS_TCP));
	check(!rdma_bind_addr(target.listener, (struct sockaddr *)&any));
	check(!target.listener->verbs);
	check(!rdma_listen(target.listener, 0));
	host_connect();
	target_take();
	end();
}

static void ports_are_picked_and_taken_once(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001)};
	struct rdma_cm_id *a, *b;

	begin();
	check(!rdma_create_id(target.channel, &a, NULL, RDMA_PS_TCP));
	check(!rdma_create_id(target.channel, &b, NULL, RDMA_PS_TCP));
	check(!rdma_bind_addr(a, (struct sockaddr *)&in));
	check(rdma_get_src_port(a) != 0);
	in.sin_port = rdma_get_src_port(a);
	check(rdma_bind_addr(b, (struct sockaddr *)&in) == -1 && errno == EADDRINUSE);
	check(rdma_bind_addr(a, (struct sockaddr *)&in) == -1 && errno == EINVAL);
	in.sin_addr.s_addr = htonl(0x0a000063);
	check(rdma_bind_addr(b, (struct sockaddr *)&in) == -1 && errno == EADDRNOTAVAIL);
	check(!rdma_destroy_id(a));
	check(!rdma_destroy_id(b));
	end();
}

static void one_request_more_than_the_backlog_waits_for_room(void)
{
	struct rdma_cm_id *ids[3];
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(4420),
				 .sin_addr.s_addr = htonl(0x0a000001)};
	struct rdma_conn_param param = {.qp_num = 99};
	unsigned i;

	begin();
	for (i = 0; i < 3; i++) {
		check(!rdma_create_id(host.channel, &ids[i], NULL, RDMA_PS_TCP));
		check(!rdma_resolve_addr(ids[i], NULL, (struct sockaddr *)&in, 1000));
		settle();
		took(&host, RDMA_CM_EVENT_ADDR_RESOLVED, 0);
		check(!rdma_resolve_route(ids[i], 1000));
		settle();
		took(&host, RDMA_CM_EVENT_ROUTE_RESOLVED, 0);
		check(!rdma_connect(ids[i], &param));
		step("REQ");
	}
	check(!rdma_destroy_id(took(&target, RDMA_CM_EVENT_CONNECT_REQUEST, 0).id));
	check(!rdma_destroy_id(took(&target, RDMA_CM_EVENT_CONNECT_REQUEST, 0).id));
	nothing(&target);
	pass(60 * MS);
	check(!rdma_destroy_id(took(&target, RDMA_CM_EVENT_CONNECT_REQUEST, 0).id));
	settle();
	for (i = 0; i < 3; i++) {
		took(&host, RDMA_CM_EVENT_REJECTED, 28);
		check(!rdma_destroy_id(ids[i]));
	}
	end();
}

static void data_is_a_reason_to_be_established(void)
{
	begin();
	make_qp(&host);
	host_connect();
	target_take();
	check(rdma_notify(target.id, IBV_EVENT_COMM_EST) == -1 && errno == EINVAL);
	target_accept();
	step("REP");
	took(&host, RDMA_CM_EVENT_ESTABLISHED, 0);
	check(!rdma_notify(target.id, IBV_EVENT_COMM_EST));
	took(&target, RDMA_CM_EVENT_ESTABLISHED, 0);
	step("RTU");
	nothing(&target);
	check(!rdma_notify(target.id, IBV_EVENT_COMM_EST));
	nothing(&target);
	end();
}

static void a_host_with_its_own_queue_pair_must_establish(void)
{
	begin();
	host_connect();
	target_take();
	target_accept();
	step("REP");
	took(&host, RDMA_CM_EVENT_CONNECT_RESPONSE, 0);
	check(!can("RTU"));
	nothing(&target);
	check(!rdma_establish(host.id));
	step("RTU");
	took(&target, RDMA_CM_EVENT_ESTABLISHED, 0);
	check(rdma_establish(host.id) == -1 && errno == EINVAL);
	end();
}

static void a_half_open_host_that_goes_away_rejects(void)
{
	begin();
	host_connect();
	target_take();
	target_accept();
	step("REP");
	took(&host, RDMA_CM_EVENT_CONNECT_RESPONSE, 0);
	check(!rdma_destroy_id(host.id));
	host.id = NULL;
	step("REJ");
	took(&target, RDMA_CM_EVENT_REJECTED, 28);
	end();
}

static void pending_events_move_with_their_id(void)
{
	struct side other = {0};

	begin();
	check((other.channel = rdma_create_event_channel()));
	make_qp(&host);
	host_connect();
	target_take();
	check(!rdma_migrate_id(target.id, other.channel));
	check(target.id->channel == other.channel);
	target_accept();
	step("REP");
	took(&host, RDMA_CM_EVENT_ESTABLISHED, 0);
	step("RTU");
	/* There it is pending; back again. */
	check(!rdma_migrate_id(target.id, target.channel));
	nothing(&other);
	took(&target, RDMA_CM_EVENT_ESTABLISHED, 0);
	rdma_destroy_event_channel(other.channel);
	end();
}

static void both_disconnect_at_once(void)
{
	begin();
	connected();
	check(!rdma_disconnect(host.id));
	check(!rdma_disconnect(target.id));
	step("DREQ");
	step("DREQ");
	took(&host, RDMA_CM_EVENT_DISCONNECTED, 0);
	took(&target, RDMA_CM_EVENT_DISCONNECTED, 0);
	check(!rdma_disconnect(host.id));
	step("DREP");
	nothing(&host);
	nothing(&target);
	end();
}

static void a_connected_id_that_is_destroyed_disconnects(void)
{
	begin();
	connected();
	drop_qp(&host);
	check(!rdma_destroy_id(host.id));
	host.id = NULL;
	step("DREQ");
	took(&target, RDMA_CM_EVENT_DISCONNECTED, 0);
	check(!rdma_disconnect(target.id));
	end();
}

static void a_host_that_goes_while_its_request_waits(void)
{
	struct rdma_conn_param param = {.qp_num = 7};

	begin();
	host_connect();
	check(!rdma_destroy_id(host.id));
	host.id = NULL;
	target_take();
	step("REJ");
	nothing(&target);
	check(rdma_accept(target.id, &param) == -1 && errno == EINVAL);
	end();
}

static void a_host_that_goes_after_the_accept(void)
{
	begin();
	host_connect();
	target_take();
	target_accept();
	check(!rdma_destroy_id(host.id));
	host.id = NULL;
	step("REP");
	step("REJ");
	took(&target, RDMA_CM_EVENT_REJECTED, 4);
	end();
}

static void a_request_that_is_destroyed_is_rejected(void)
{
	begin();
	host_connect();
	target_take();
	check(!rdma_destroy_id(target.id));
	target.id = NULL;
	step("REJ");
	took(&host, RDMA_CM_EVENT_REJECTED, 28);
	end();
}

static void a_listener_that_goes_rejects_what_waits(void)
{
	begin();
	host_connect();
	step("REQ");
	check(!rdma_destroy_id(target.listener));
	target.listener = NULL;
	nothing(&target);
	step("REJ");
	took(&host, RDMA_CM_EVENT_REJECTED, 28);
	end();
}

static void a_target_that_goes_before_its_answer_is_taken(void)
{
	begin();
	make_qp(&host);
	host_connect();
	target_take();
	target_accept();
	step("REP");
	drop_qp(&target);
	check(!rdma_destroy_id(target.id));
	target.id = NULL;
	step("REJ");
	took(&host, RDMA_CM_EVENT_CONNECT_ERROR, -1);
	nothing(&host);
	end();
}

#define TEST(name)          \
	{                   \
#name, name \
	}

const struct test course_tests[] = {
	TEST(a_connection_comes_and_goes),
	TEST(a_rejection_has_a_reason_and_data),
	TEST(nobody_listens_there),
	TEST(the_any_address_listens_on_every_device),
	TEST(ports_are_picked_and_taken_once),
	TEST(one_request_more_than_the_backlog_waits_for_room),
	TEST(data_is_a_reason_to_be_established),
	TEST(a_host_with_its_own_queue_pair_must_establish),
	TEST(a_half_open_host_that_goes_away_rejects),
	TEST(pending_events_move_with_their_id),
	TEST(both_disconnect_at_once),
	TEST(a_connected_id_that_is_destroyed_disconnects),
	TEST(a_host_that_goes_while_its_request_waits),
	TEST(a_host_that_goes_after_the_accept),
	TEST(a_request_that_is_destroyed_is_rejected),
	TEST(a_listener_that_goes_rejects_what_waits),
	TEST(a_target_that_goes_before_its_answer_is_taken),
	{NULL, NULL},
};
