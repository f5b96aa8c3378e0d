/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of a connection: who is told, when, and what it does to the queue pairs.
 */
#include "conformance.h"

#define TIMEWAIT_MS 30000u

static void the_peer_sees_a_disconnect(void)
{
	struct pair *p = pair_up_default();
	struct cm_seen seen;

	must(rdma_disconnect(p->client.id));
	seen = cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
	equal(seen.status, 0);
	equal(seen.data_len, 0);
	equal_ptr(seen.id, p->server.id);
}

/* The side that asked is told when the other has answered with its own disconnect. */
static void the_asker_is_told_when_the_peer_answers(void)
{
	struct pair *p = pair_up_default();
	struct cm_seen seen;

	must(rdma_disconnect(p->client.id));
	cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
	cm_quiet(p->client.events, QUIET_MS);
	must(rdma_disconnect(p->server.id));
	seen = cm_want(p->client.events, RDMA_CM_EVENT_DISCONNECTED);
	equal(seen.status, 0);
}

/* rdma_disconnect() moves the caller's queue pair to the error state; the peer's waits for its own call. */
static void disconnect_stops_the_queue_pair_of_the_caller_only(void)
{
	struct pair *p = pair_up_default();

	post_recv(&p->client, 1, 0, 64);
	post_recv(&p->server, 2, 0, 64);
	must(rdma_disconnect(p->client.id));
	equal(qp_state(&p->client), IBV_QPS_ERR);
	received(&p->client, 1, IBV_WC_WR_FLUSH_ERR);
	cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
	equal(qp_state(&p->server), IBV_QPS_RTS);
	wc_quiet(&p->server, 0);
	must(rdma_disconnect(p->server.id));
	equal(qp_state(&p->server), IBV_QPS_ERR);
	received(&p->server, 2, IBV_WC_WR_FLUSH_ERR);
}

static void both_sides_may_disconnect_at_once(void)
{
	struct pair *p = pair_up_default();

	must(rdma_disconnect(p->client.id));
	must(rdma_disconnect(p->server.id));
	cm_want(p->client.events, RDMA_CM_EVENT_DISCONNECTED);
	cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
}

static void disconnecting_again_is_no_error(void)
{
	struct pair *p = pair_up_default();

	must(rdma_disconnect(p->client.id));
	must(rdma_disconnect(p->client.id));
	cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
	must(rdma_disconnect(p->server.id));
	must(rdma_disconnect(p->server.id));
	cm_want(p->client.events, RDMA_CM_EVENT_DISCONNECTED);
	must(rdma_disconnect(p->client.id));
	cm_quiet(p->server.events, 0);
}

static void disconnect_of_what_was_never_connected_is_refused(void)
{
	struct pair *p = pair_new();
	struct pair_options o;

	pair_options_init(&o);
	pair_listen(p, 1);
	side_resolve(&p->client, port_of(p->listener));
	equal(rdma_disconnect(p->client.id), -1);
	equal(errno, EINVAL);
	side_equip(&p->client, &o.client);
	equal(rdma_disconnect(p->client.id), -1);
	equal(errno, EINVAL);
}

static void timewait_exit_follows_on_both_sides(void)
{
	struct pair *p = pair_up_default();

	must(rdma_disconnect(p->client.id));
	cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
	must(rdma_disconnect(p->server.id));
	cm_want(p->client.events, RDMA_CM_EVENT_DISCONNECTED);
	cm_want_within(p->client.events, RDMA_CM_EVENT_TIMEWAIT_EXIT, TIMEWAIT_MS);
	cm_want_within(p->server.events, RDMA_CM_EVENT_TIMEWAIT_EXIT, TIMEWAIT_MS);
	cm_quiet(p->client.events, 0);
	cm_quiet(p->server.events, 0);
}

static void destroying_a_connected_identifier_disconnects_the_peer(void)
{
	struct pair *p = pair_up_default();
	struct cm_seen seen;

	side_fini(&p->client);
	seen = cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
	equal(seen.status, 0);
	equal(qp_state(&p->server), IBV_QPS_RTS);
}

/* The library destroys queue pairs whose peer has not answered yet. */
static void destroying_after_an_unanswered_disconnect(void)
{
	struct pair *p = pair_up_default();

	must(rdma_disconnect(p->client.id));
	side_fini(&p->client);
	cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
	must(rdma_disconnect(p->server.id));
}

static void the_server_may_disconnect_first(void)
{
	struct pair *p = pair_up_default();

	must(rdma_disconnect(p->server.id));
	cm_want(p->client.events, RDMA_CM_EVENT_DISCONNECTED);
	must(rdma_disconnect(p->client.id));
	cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
}

/* The client's library has the answer, but finds the connection gone when it acts on it. */
static void a_server_that_leaves_before_it_is_established_is_a_connect_error(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct cm_seen seen;

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	pair_answer(p, &o);
	await_readable(p->client.events->fd);
	side_fini(&p->server);
	wait_on(-1, now_ms() + QUIET_MS);
	seen = cm_want(p->client.events, RDMA_CM_EVENT_CONNECT_ERROR);
	equal(seen.status, -1);
	cm_quiet(p->client.events, QUIET_MS);
}

const struct test disconnect_tests[] = {
	TEST(the_peer_sees_a_disconnect),
	TEST(the_asker_is_told_when_the_peer_answers),
	TEST(disconnect_stops_the_queue_pair_of_the_caller_only),
	TEST(both_sides_may_disconnect_at_once),
	TEST(disconnecting_again_is_no_error),
	TEST(disconnect_of_what_was_never_connected_is_refused),
	TEST(timewait_exit_follows_on_both_sides),
	TEST(destroying_a_connected_identifier_disconnects_the_peer),
	TEST(destroying_after_an_unanswered_disconnect),
	TEST(the_server_may_disconnect_first),
	TEST(a_server_that_leaves_before_it_is_established_is_a_connect_error),
	{0},
};
