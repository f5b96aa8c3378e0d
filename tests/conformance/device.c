/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the device reports of itself: its port goes down and comes back, and last it is taken away.
 */
#include "conformance.h"

static void port_state_want(enum ibv_port_state want)
{
	uint64_t until = now_ms() + DEADLINE_MS;
	struct ibv_port_attr attr;

	for (;;) {
		must((errno = ibv_query_port(device(), 1, &attr)));
		if (attr.state == want)
			return;
		check(now_ms() < until, "the port is in state %d, not %d", attr.state, want);
		wait_on(-1, until);
	}
}

static void port_up(void *arg)
{
	fault_port(true);
	port_state_want(IBV_PORT_ACTIVE);
}

static void a_port_reports_that_it_goes_and_comes(void)
{
	struct ibv_async_event event;

	while (async_take(&event, 0))
		;
	undo(port_up, &options);
	fault_port(false);
	async_want(IBV_EVENT_PORT_ERR, NULL);
	port_state_want(IBV_PORT_DOWN);
	fault_port(true);
	async_want(IBV_EVENT_PORT_ACTIVE, NULL);
	port_state_want(IBV_PORT_ACTIVE);
}

/* A port that goes down ends no connection by itself. */
static void a_connection_survives_that_its_port_was_down(void)
{
	struct pair *p = pair_up_default();

	undo(port_up, &options);
	fault_port(false);
	async_want(IBV_EVENT_PORT_ERR, NULL);
	cm_quiet(p->client.events, QUIET_MS);
	equal(qp_state(&p->client), IBV_QPS_RTS);
	equal(qp_state(&p->server), IBV_QPS_RTS);
	fault_port(true);
	async_want(IBV_EVENT_PORT_ACTIVE, NULL);
	post_recv(&p->server, 100, 0, 64);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 100, IBV_WC_SUCCESS);
	sent(&p->client, 1, IBV_WC_SUCCESS);
}

/* The peer, which is on the same device, may be told first, and its end be seen here. */
static void removal_want(struct rdma_event_channel *events, const struct rdma_cm_id *id)
{
	struct cm_seen seen;

	check(cm_take(events, &seen, DEADLINE_MS), "nothing comes");
	if (seen.type == RDMA_CM_EVENT_DISCONNECTED)
		seen = cm_want(events, RDMA_CM_EVENT_DEVICE_REMOVAL);
	equal(seen.type, RDMA_CM_EVENT_DEVICE_REMOVAL);
	equal(seen.status, 0);
	equal_ptr(seen.id, id);
}

/* Nothing can be used after this one. */
static void removal_is_told_to_every_identifier_and_to_the_device(void)
{
	struct pair *p = pair_up_default();

	fault_device_remove();
	removal_want(p->client.events, p->client.id);
	removal_want(p->server.events, p->server.id);
	removal_want(p->listen_events, p->listener);
	if (differs(false, true))
		async_want(IBV_EVENT_DEVICE_FATAL, NULL);
	/* It is all that they are told. */
	cm_quiet(p->client.events, QUIET_MS);
	cm_quiet(p->server.events, 0);
	cm_quiet(p->listen_events, 0);
}

const struct test device_tests[] = {
	TEST(a_port_reports_that_it_goes_and_comes),
	TEST(a_connection_survives_that_its_port_was_down),
	TEST(removal_is_told_to_every_identifier_and_to_the_device),
	{0},
};
