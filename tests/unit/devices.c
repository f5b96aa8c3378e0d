/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices, listeners and admission as an embedder sees them: a target with one poll group on the simulated
 * fabric, and hosts that connect with chosen private data and send no command.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <wrasse/wrasse.h>

#include "fabric.h"
#include "transport/group.h"

#define MS        1000000ull
#define MAX_CONNS 32

static struct wrasse_target *target;
static struct wrasse_poll_group *group;
static struct rdma_event_channel *channel;
static struct event_text {
	enum wrasse_rdma_event_type type;
	char device[32], listener[72];
	unsigned port;
} events[64];
static unsigned event_count;

/* A connection as a host has it. */
static struct conn {
	struct rdma_cm_id *id;
	struct ibv_cq *cq;
	bool accepted, disconnected, rejected;
	unsigned sts;
} conns[MAX_CONNS];

static uint64_t fabric_clock(void *ctx)
{
	return fabric_now_ns();
}

static void on_event(void *ctx, const struct wrasse_rdma_event *event)
{
	struct event_text *to = &events[event_count++ % 64];

	assert_int_equal(event->size, sizeof(*event));
	assert_true(*event->text);
	to->type = event->type;
	to->port = event->port;
	snprintf(to->device, sizeof(to->device), "%s", event->device);
	snprintf(to->listener, sizeof(to->listener), "%s", event->listener);
}

/* How many events of a type came; the last one is kept in @last. */
static unsigned heard(enum wrasse_rdma_event_type type, struct event_text *last)
{
	unsigned count = 0;

	for (unsigned i = 0; i < event_count; i++) {
		if (events[i].type != type)
			continue;
		count++;
		if (last)
			*last = events[i];
	}
	return count;
}

/* ---- the world ---- */

static const struct fabric_device t0 = {.name = "t0", .address = "10.66.0.1"};
static const struct fabric_device h0 = {.name = "h0", .address = "10.66.0.9"};

static void target_make(const struct wrasse_target_opts *given,
			const struct wrasse_listener_opts *at)
{
	struct wrasse_target_opts opts = *given;

	opts.clock = fabric_clock;
	opts.rdma_event = on_event;
	assert_int_equal(wrasse_target_create(&opts, &target), 0);
	assert_int_equal(wrasse_poll_group_create(target, NULL, &group), 0);
	assert_int_equal(wrasse_listener_create(target, at, NULL), 0);
}

static struct wrasse_listener_opts at_t0(void)
{
	struct wrasse_listener_opts at;

	wrasse_listener_opts_init(&at);
	at.address = t0.address;
	return at;
}

static void begin_with(const struct wrasse_target_opts *opts, const struct wrasse_listener_opts *at)
{
	fabric_init(FABRIC_SIMULATED);
	fabric_device_add(&t0);
	fabric_device_add(&h0);
	fabric_set_strict(true);
	memset(conns, 0, sizeof(conns));
	event_count = 0;
	channel = rdma_create_event_channel();
	assert_non_null(channel);
	assert_int_equal(fcntl(channel->fd, F_SETFL, O_NONBLOCK), 0);
	target_make(opts, at);
}

static void begin(void)
{
	struct wrasse_target_opts opts;
	struct wrasse_listener_opts at = at_t0();

	wrasse_target_opts_init(&opts);
	begin_with(&opts, &at);
}

/* ---- hosts ---- */

static void conn_event(struct conn *conn, const struct rdma_cm_event *event)
{
	const uint8_t *data = event->param.conn.private_data;

	if (event->event == RDMA_CM_EVENT_ESTABLISHED)
		conn->accepted = true;
	else if (event->event == RDMA_CM_EVENT_DISCONNECTED)
		conn->disconnected = true;
	if (event->event == RDMA_CM_EVENT_REJECTED) {
		conn->rejected = true;
		conn->sts = event->param.conn.private_data_len >= 4 ? data[2] : 0;
	}
}

static bool hosts_take(void)
{
	struct rdma_cm_event *event;

	if (rdma_get_cm_event(channel, &event))
		return false;
	if (event->id->context)
		conn_event(event->id->context, event);
	rdma_ack_cm_event(event);
	return true;
}

/* All that can happen without time passing. */
static void pump(void)
{
	bool some = true;

	for (unsigned i = 0; some; i++) {
		assert_true(i < 100000);
		some = wrasse_target_poll(target) > 0;
		/* A group that slept looks at its timers and CM events at once. */
		some |= wrasse_poll_group_poll(group) > 0;
		some |= wrasse_poll_group_arm(group, NULL) > 0;
		some |= hosts_take();
		if (fabric_ready()) {
			fabric_step(0);
			some = true;
		}
	}
}

static void pass(uint64_t ns)
{
	uint64_t end = fabric_now_ns() + ns;

	while (fabric_now_ns() < end) {
		fabric_advance(10 * MS);
		pump();
	}
}

/* The host's own address, in host order: h0's, or t0's for a host that shares the target's device. */
static uint32_t source = 0x0a420009;

static void resolve(struct conn *conn)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(4420),
				 .sin_addr.s_addr = htonl(0x0a420001)};
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};

	assert_int_equal(rdma_create_id(channel, &conn->id, conn, RDMA_PS_TCP), 0);
	assert_int_equal(rdma_resolve_addr(conn->id, (struct sockaddr *)&from,
					   (struct sockaddr *)&to, 1000),
			 0);
	pump();
	assert_int_equal(rdma_resolve_route(conn->id, 1000), 0);
	pump();
}

/* Asks for a queue, of a target that has not heard of it yet. */
static struct conn *conn_ask(uint16_t qid, uint16_t cntlid)
{
	uint8_t data[32] = {0, 0, (uint8_t)qid, 0, 32, 0, 31, 0, (uint8_t)cntlid};
	struct rdma_conn_param param = {.private_data = data,
					.private_data_len = sizeof(data),
					.responder_resources = 4,
					.retry_count = 7,
					.rnr_retry_count = 7};
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1}};
	struct conn *conn = conns;

	while (conn->id)
		conn++;
	assert_true(conn < conns + MAX_CONNS);
	resolve(conn);
	conn->cq = ibv_create_cq(conn->id->verbs, 16, NULL, NULL, 0);
	assert_non_null(conn->cq);
	attr.send_cq = attr.recv_cq = conn->cq;
	assert_int_equal(rdma_create_qp(conn->id, NULL, &attr), 0);
	assert_int_equal(rdma_connect(conn->id, &param), 0);
	return conn;
}

/* Asks for a queue; what came of it is in the connection. */
static struct conn *conn_make(uint16_t qid, uint16_t cntlid)
{
	struct conn *conn = conn_ask(qid, cntlid);

	pump();
	return conn;
}

static void conn_drop(struct conn *conn)
{
	if (!conn->id)
		return;
	rdma_disconnect(conn->id);
	pump();
	rdma_destroy_qp(conn->id);
	rdma_destroy_id(conn->id);
	ibv_destroy_cq(conn->cq);
	memset(conn, 0, sizeof(*conn));
	pump();
}

/* The number of the target's queue pair of a connection: hosts' and targets' have different ones. */
static uint32_t target_qpn(const struct conn *conn)
{
	struct ibv_qp_attr attr;
	struct ibv_qp_init_attr init;

	assert_int_equal(ibv_query_qp(conn->id->qp, &attr, IBV_QP_DEST_QPN, &init), 0);
	return attr.dest_qp_num;
}

static void on_drained(void *ctx, const struct wrasse_drain_report *report)
{
	assert_true(report->clean);
	*(bool *)ctx = true;
}

static void end(void)
{
	bool drained = false;
	char left[256];

	for (unsigned i = 0; i < MAX_CONNS; i++)
		conn_drop(&conns[i]);
	assert_int_equal(wrasse_target_drain(target, 1000, on_drained, &drained), 0);
	for (unsigned i = 0; i < 200 && !drained; i++)
		pass(20 * MS);
	assert_true(drained);
	assert_int_equal(wrasse_poll_group_destroy(group), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
	rdma_destroy_event_channel(channel);
	if (fabric_leftovers(left, sizeof(left)))
		fail_msg("left over: %s", left);
}

/* ---- devices ---- */

static void ports_that_go_and_come_are_told(void **state)
{
	struct event_text last;

	begin();
	conn_make(0, 0);
	fabric_port_set("t0", false);
	pump();
	assert_int_equal(heard(WRASSE_RDMA_PORT_DOWN, &last), 1);
	assert_string_equal(last.device, "t0");
	assert_int_equal(last.port, 1);
	fabric_port_set("t0", true);
	pump();
	assert_int_equal(heard(WRASSE_RDMA_PORT_UP, &last), 1);
	assert_string_equal(last.device, "t0");
	assert_false(conns[0].disconnected);
	end();
}

static void other_changes_of_a_port_are_told(void **state)
{
	begin();
	fabric_async_event(target_qpn(conn_make(0, 0)), IBV_EVENT_GID_CHANGE);
	pump();
	assert_int_equal(heard(WRASSE_RDMA_PORT_CHANGED, NULL), 1);
	assert_false(conns[0].disconnected);
	end();
}

static void what_is_part_of_ordinary_life_is_not_told(void **state)
{
	begin();
	fabric_async_event(target_qpn(conn_make(0, 0)), IBV_EVENT_COMM_EST);
	pump();
	assert_int_equal(event_count, 0);
	end();
}

static void a_queue_pair_that_fails_ends_alone(void **state)
{
	static const enum ibv_event_type types[] = {IBV_EVENT_QP_FATAL, IBV_EVENT_QP_REQ_ERR,
						    IBV_EVENT_QP_ACCESS_ERR};

	begin();
	for (unsigned i = 0; i < 3; i++) {
		struct conn *one = conn_make(0, 0), *other = conn_make(0, 0);

		fabric_async_event(target_qpn(one), types[i]);
		pump();
		assert_int_equal(heard(WRASSE_RDMA_QUEUE_PAIR_LOST, NULL), i + 1);
		assert_true(one->disconnected);
		assert_false(other->disconnected);
		conn_drop(one);
		conn_drop(other);
	}
	end();
}

/* The CM has one context for the whole program: others' queues are on the target's device too. */
static void what_fails_of_others_on_the_device_is_theirs(void **state)
{
	struct conn *conn;

	begin();
	source = 0x0a420001;
	conn = conn_make(0, 0);
	assert_true(conn->accepted);
	fabric_async_event(conn->id->qp->qp_num, IBV_EVENT_QP_FATAL);
	fabric_async_event(conn->id->qp->qp_num, IBV_EVENT_CQ_ERR);
	pump();
	assert_int_equal(heard(WRASSE_RDMA_QUEUE_PAIR_LOST, NULL), 1);
	assert_int_equal(heard(WRASSE_RDMA_QUEUE_LOST, NULL), 1);
	assert_false(conn->disconnected);
	source = 0x0a420009;
	end();
}

/* A queue that all connections of a group share: they end, and the next one finds a new queue. */
static void shared_queue_fails(enum ibv_event_type type)
{
	struct conn *one, *other;

	begin();
	one = conn_make(0, 0);
	other = conn_make(1, 0);
	assert_true(one->accepted && other->accepted);
	fabric_async_event(target_qpn(one), type);
	pump();
	assert_int_equal(heard(WRASSE_RDMA_QUEUE_LOST, NULL), 1);
	assert_true(one->disconnected && other->disconnected);
	conn_drop(one);
	conn_drop(other);
	pass(100 * MS);
	assert_true(conn_make(0, 0)->accepted);
	end();
}

static void a_completion_queue_that_fails_is_made_anew(void **state)
{
	shared_queue_fails(IBV_EVENT_CQ_ERR);
}

static void a_shared_receive_queue_that_fails_is_made_anew(void **state)
{
	shared_queue_fails(IBV_EVENT_SRQ_ERR);
}

static uint32_t avoided;
static char asked[32];

static uint32_t avoid(void *ctx, const char *device)
{
	snprintf(asked, sizeof(asked), "%s", device);
	return avoided;
}

static const struct rdmat_qp *first_qp(void)
{
	return pool_container(pool_list_first(&group->qps), struct rdmat_qp, link);
}

static void what_is_to_be_avoided_on_a_device_is_not_used(void **state)
{
	static const uint32_t all[] = {0, WRASSE_RDMA_INVALIDATE, WRASSE_RDMA_INLINE,
				       WRASSE_RDMA_SRQ};

	for (unsigned i = 0; i < 4; i++) {
		struct wrasse_target_opts opts;
		struct wrasse_listener_opts at = at_t0();
		const struct rdmat_device *device;

		wrasse_target_opts_init(&opts);
		opts.avoid = avoid;
		avoided = all[i];
		begin_with(&opts, &at);
		assert_true(conn_make(0, 0)->accepted);
		assert_string_equal(asked, "t0");
		device = first_qp()->device->device;
		assert_int_equal(!device->invalidates, avoided == WRASSE_RDMA_INVALIDATE);
		assert_int_equal(first_qp()->response_flags,
				 avoided == WRASSE_RDMA_INLINE ? 0 : IBV_SEND_INLINE);
		assert_int_equal(first_qp()->rx != NULL, avoided == WRASSE_RDMA_SRQ);
		end();
	}
}

/* ---- devices are tried ---- */

/* A connection request has reached the target, which has opened its device. */
static struct rdmat_device *device_in_trial(void)
{
	struct rdmat_device *device;

	conn_ask(0, 0);
	while (!(device = group->rdmat->devices)) {
		assert_true(fabric_ready());
		fabric_step(0);
		assert_in_range(wrasse_target_poll(target), 0, 100);
	}
	assert_non_null(device->probe);
	assert_false(device->invalidates);
	return device;
}

static void a_device_is_tried_when_it_is_opened(void **state)
{
	struct rdmat_device *device;

	begin();
	assert_int_equal(wrasse_target_timeout_ms(target), -1);
	device = device_in_trial();
	assert_int_equal(wrasse_target_timeout_ms(target), 1);
	pump();
	assert_true(conns[0].accepted);
	assert_null(device->probe);
	assert_true(device->invalidates);
	assert_int_equal(wrasse_target_timeout_ms(target), -1);
	assert_int_equal(event_count, 0);
	end();
}

static void what_becomes_of_a_trial_is_not_told(void **state)
{
	struct rdmat_device *device;
	uint32_t first;

	begin();
	device = device_in_trial();
	/* The host's queue pair was there before. */
	first = conns[0].id->qp->qp_num + 1;
	fabric_async_event(first, IBV_EVENT_QP_REQ_ERR);
	fabric_async_event(first + 1, IBV_EVENT_QP_ACCESS_ERR);
	assert_int_equal(wrasse_target_poll(target), 2);
	assert_non_null(device->probe);
	pump();
	assert_int_equal(event_count, 0);
	assert_true(device->invalidates);
	end();
}

static void a_device_that_is_removed_is_not_tried_any_more(void **state)
{
	struct rdmat_device *device;

	begin();
	device = device_in_trial();
	fabric_device_remove("t0");
	assert_true(wrasse_target_poll(target) > 0);
	assert_true(device->removed);
	assert_null(device->probe);
	assert_false(device->invalidates);
	pump();
	assert_int_equal(heard(WRASSE_RDMA_DEVICE_LOST, NULL), 1);
	end();
}

/* ---- listeners ---- */

static void a_listener_comes_back_with_its_device(void **state)
{
	struct event_text last;
	struct conn *conn;

	begin();
	assert_int_equal(wrasse_target_timeout_ms(target), -1);
	conn = conn_make(0, 0);
	fabric_device_remove("t0");
	pump();
	assert_int_equal(heard(WRASSE_RDMA_DEVICE_LOST, &last), 1);
	assert_string_equal(last.device, "t0");
	assert_int_equal(heard(WRASSE_RDMA_LISTENER_DOWN, &last), 1);
	assert_string_equal(last.listener, "10.66.0.1:4420");
	assert_in_range(wrasse_target_timeout_ms(target), 1, 1001);
	pass(3000 * MS);
	assert_int_equal(heard(WRASSE_RDMA_LISTENER_UP, NULL), 0);
	conn_drop(conn);
	fabric_device_add(&t0);
	pass(1100 * MS);
	assert_int_equal(heard(WRASSE_RDMA_LISTENER_UP, &last), 1);
	assert_string_equal(last.listener, "10.66.0.1:4420");
	assert_string_equal(last.device, "t0");
	assert_int_equal(wrasse_target_timeout_ms(target), -1);
	assert_true(conn_make(0, 0)->accepted);
	end();
}

static void a_device_may_come_and_go_without_end(void **state)
{
	begin();
	for (unsigned i = 0; i < 40; i++) {
		struct conn *conn = conn_make(0, 0);

		assert_true(conn->accepted);
		fabric_device_remove("t0");
		pump();
		conn_drop(conn);
		fabric_device_add(&t0);
		pass(2500 * MS);
	}
	end();
}

static void a_listener_whose_address_moved_is_made_anew(void **state)
{
	begin();
	fabric_listener_event(RDMA_CM_EVENT_ADDR_CHANGE);
	pump();
	assert_int_equal(heard(WRASSE_RDMA_LISTENER_DOWN, NULL), 1);
	assert_int_equal(heard(WRASSE_RDMA_LISTENER_UP, NULL), 1);
	assert_true(conn_make(0, 0)->accepted);
	end();
}

static void a_listener_that_is_down_can_be_drained(void **state)
{
	begin();
	fabric_device_remove("t0");
	pump();
	assert_int_equal(heard(WRASSE_RDMA_LISTENER_DOWN, NULL), 1);
	end();
	assert_int_equal(heard(WRASSE_RDMA_LISTENER_UP, NULL), 0);
}

static void other_events_of_a_listener_change_nothing(void **state)
{
	begin();
	fabric_listener_event(RDMA_CM_EVENT_TIMEWAIT_EXIT);
	pump();
	assert_int_equal(event_count, 0);
	assert_true(conn_make(0, 0)->accepted);
	end();
}

static void options_of_a_listener_reach_its_connections(void **state)
{
	struct wrasse_target_opts opts;
	struct wrasse_listener_opts at = at_t0();
	int tos, ack_timeout;

	wrasse_target_opts_init(&opts);
	at.tos = 0x68;
	at.ack_timeout = 17;
	begin_with(&opts, &at);
	fabric_cm_options(target_qpn(conn_make(0, 0)), &tos, &ack_timeout);
	assert_int_equal(tos, 0x68);
	assert_int_equal(ack_timeout, 17);
	end();
	begin();
	fabric_cm_options(target_qpn(conn_make(0, 0)), &tos, &ack_timeout);
	assert_int_equal(tos, 0);
	assert_int_equal(ack_timeout, -1);
	end();
}

/* ---- who may come in ---- */

static void an_address_has_so_many_handshakes_at_once(void **state)
{
	struct wrasse_target_opts opts;
	struct wrasse_listener_opts at = at_t0();

	wrasse_target_opts_init(&opts);
	opts.max_handshakes_per_host = 2;
	opts.connect_timeout_ms = 1000;
	begin_with(&opts, &at);
	assert_true(conn_make(0, 0)->accepted);
	assert_true(conn_make(1, 0)->accepted);
	assert_true(conn_make(2, 0)->rejected);
	assert_int_equal(conns[2].sts, 6);
	/* One that is gone makes room; so do those that never sent their Connect command. */
	conn_drop(&conns[0]);
	pass(100 * MS);
	assert_true(conn_make(0, 0)->accepted);
	pass(2000 * MS);
	assert_true(conns[0].disconnected && conns[1].disconnected);
	assert_true(conn_make(3, 0)->accepted);
	end();
}

static void there_are_so_many_handshakes_at_once(void **state)
{
	struct wrasse_target_opts opts;
	struct wrasse_listener_opts at = at_t0();

	wrasse_target_opts_init(&opts);
	opts.max_handshakes = 1;
	begin_with(&opts, &at);
	assert_true(conn_make(0, 0)->accepted);
	assert_true(conn_make(0, 0)->rejected);
	assert_int_equal(conns[1].sts, 6);
	end();
}

static void there_are_so_many_requests_in_a_second(void **state)
{
	struct wrasse_target_opts opts;
	struct wrasse_listener_opts at = at_t0();

	wrasse_target_opts_init(&opts);
	opts.max_connections_per_s = 2;
	begin_with(&opts, &at);
	assert_true(conn_make(0, 0)->accepted);
	assert_true(conn_make(0, 0)->accepted);
	assert_true(conn_make(0, 0)->rejected);
	assert_int_equal(conns[2].sts, 6);
	pass(600 * MS);
	assert_true(conn_make(0, 0)->accepted);
	assert_true(conn_make(0, 0)->rejected);
	end();
}

static void a_controller_that_nobody_knows_is_rejected(void **state)
{
	begin();
	assert_true(conn_make(1, 77)->rejected);
	assert_int_equal(conns[0].sts, 9);
	/* Hosts older than the field, and admin queues, are not asked. */
	assert_true(conn_make(1, 0)->accepted);
	assert_true(conn_make(0, 77)->accepted);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_that_go_and_come_are_told),
		cmocka_unit_test(other_changes_of_a_port_are_told),
		cmocka_unit_test(what_is_part_of_ordinary_life_is_not_told),
		cmocka_unit_test(a_queue_pair_that_fails_ends_alone),
		cmocka_unit_test(what_fails_of_others_on_the_device_is_theirs),
		cmocka_unit_test(a_completion_queue_that_fails_is_made_anew),
		cmocka_unit_test(a_shared_receive_queue_that_fails_is_made_anew),
		cmocka_unit_test(what_is_to_be_avoided_on_a_device_is_not_used),
		cmocka_unit_test(a_device_is_tried_when_it_is_opened),
		cmocka_unit_test(what_becomes_of_a_trial_is_not_told),
		cmocka_unit_test(a_device_that_is_removed_is_not_tried_any_more),
		cmocka_unit_test(a_listener_comes_back_with_its_device),
		cmocka_unit_test(a_device_may_come_and_go_without_end),
		cmocka_unit_test(a_listener_whose_address_moved_is_made_anew),
		cmocka_unit_test(a_listener_that_is_down_can_be_drained),
		cmocka_unit_test(other_events_of_a_listener_change_nothing),
		cmocka_unit_test(options_of_a_listener_reach_its_connections),
		cmocka_unit_test(an_address_has_so_many_handshakes_at_once),
		cmocka_unit_test(there_are_so_many_handshakes_at_once),
		cmocka_unit_test(there_are_so_many_requests_in_a_second),
		cmocka_unit_test(a_controller_that_nobody_knows_is_rejected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
