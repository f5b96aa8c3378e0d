/* SPDX-License-Identifier: BSD-3-Clause */
/* What a strict fabric says no to. */
#include "cm_selftest.h"

static struct rdma_cm_event *event;
static struct rdma_cm_id *gone;
static struct rdma_event_channel *other;

static void destroy_host(void)
{
	rdma_destroy_id(host.id);
}

static void an_event_must_be_acknowledged_before_its_id_goes(void)
{
	begin();
	fabric_link_set("h0", "t0", false);
	host_connect();
	pass(400 * MS);
	check(!rdma_get_cm_event(host.channel, &event));
	misused(destroy_host, "rdma_destroy_id: 1 event(s) of the id are not acknowledged");
	check(!rdma_ack_cm_event(event));
	end();
}

static void migrate_host(void)
{
	rdma_migrate_id(host.id, other);
}

static void an_event_must_be_acknowledged_before_its_id_moves(void)
{
	begin();
	check((other = rdma_create_event_channel()));
	fabric_device_remove("h0");
	check(!rdma_get_cm_event(host.channel, &event));
	check(rdma_migrate_id(host.id, other) == -1 && errno == ENXIO);
	check(!rdma_ack_cm_event(event));
	rdma_destroy_event_channel(other);
	end();

	begin();
	check((other = rdma_create_event_channel()));
	fabric_link_set("h0", "t0", false);
	host_connect();
	pass(400 * MS);
	check(!rdma_get_cm_event(host.channel, &event));
	misused(migrate_host, "rdma_migrate_id: 1 event(s)");
	check(!rdma_ack_cm_event(event));
	check(!rdma_migrate_id(host.id, other));
	check(host.id->channel == other);
	check(!rdma_destroy_id(host.id));
	host.id = NULL;
	rdma_destroy_event_channel(other);
	end();
}

static void ack(void)
{
	rdma_ack_cm_event(event);
}

static void an_event_is_acknowledged_once(void)
{
	begin();
	fabric_device_remove("h0");
	check(!rdma_get_cm_event(host.channel, &event));
	check(!rdma_ack_cm_event(event));
	misused(ack, "acknowledged before");
	end();
}

static void destroy_gone(void)
{
	rdma_destroy_id(gone);
}

static void accept_gone(void)
{
	rdma_accept(gone, NULL);
}

static void an_id_is_destroyed_once_and_not_used_again(void)
{
	begin();
	gone = host.id;
	check(!rdma_destroy_id(host.id));
	host.id = NULL;
	misused(destroy_gone, "rdma_destroy_id: not an rdma_cm_id, or destroyed before");
	misused(accept_gone, "rdma_accept: not an rdma_cm_id, or destroyed before");
	end();
}

static void a_queue_pair_goes_before_its_id(void)
{
	begin();
	make_qp(&host);
	misused(destroy_host, "rdma_destroy_id: queue pair");
	end();
}

static void destroy_qp(void)
{
	rdma_destroy_qp(host.id);
}

static void a_queue_pair_is_destroyed_once(void)
{
	begin();
	make_qp(&host);
	drop_qp(&host);
	misused(destroy_qp, "rdma_destroy_qp: the id has none");
	end();
}

static void destroy_channel(void)
{
	rdma_destroy_event_channel(host.channel);
}

static void ids_go_before_their_channel(void)
{
	begin();
	misused(destroy_channel, "rdma_destroy_event_channel: 1 id(s) are still in it");
	gone = host.id;
	check(!rdma_destroy_id(host.id));
	rdma_destroy_event_channel(host.channel);
	misused(destroy_channel, "not a channel, or destroyed before");
	memset(&host, 0, sizeof(host));
	end();
}

static void create_on_channel(void)
{
	rdma_create_id(host.channel, &gone, NULL, RDMA_PS_TCP);
}

static void a_channel_that_went_takes_no_ids(void)
{
	begin();
	check(!rdma_destroy_id(host.id));
	rdma_destroy_event_channel(host.channel);
	misused(create_on_channel, "rdma_create_id: the channel was destroyed");
	memset(&host, 0, sizeof(host));
	end();
}

static void qp_on_nothing(void)
{
	struct ibv_qp_init_attr attr = {.qp_type = IBV_QPT_RC};

	rdma_create_qp(gone, NULL, &attr);
}

static void route_to_nothing(void)
{
	rdma_resolve_route(gone, 1000);
}

static void an_id_without_a_device_has_neither_queue_pair_nor_route(void)
{
	begin();
	check(!rdma_create_id(host.channel, &gone, NULL, RDMA_PS_TCP));
	misused(qp_on_nothing, "bound to no device");
	misused(route_to_nothing, "without an address");
	check(!rdma_destroy_id(gone));
	end();
}

static void accept_without_qp(void)
{
	rdma_accept(target.id, NULL);
}

static void an_accept_names_a_queue_pair(void)
{
	begin();
	host_connect();
	target_take();
	misused(accept_without_qp, "rdma_accept: neither a queue pair nor its number");
	end();
}

static void init_again(void)
{
	fabric_init(FABRIC_SIMULATED);
}

static void what_is_left_over_is_named(void)
{
	char names[200];

	begin();
	check(fabric_leftovers(names, sizeof(names)) >= 4);
	check(strstr(names, "rdma_cm_id, listening"));
	check(strstr(names, "rdma_cm_id, route resolved"));
	check(strstr(names, "rdma_event_channel"));
	misused(init_again, "objects left");
	end();
}

#define TEST(name)          \
	{                   \
#name, name \
	}

const struct test misuse_tests[] = {
	TEST(an_event_must_be_acknowledged_before_its_id_goes),
	TEST(an_event_must_be_acknowledged_before_its_id_moves),
	TEST(an_event_is_acknowledged_once),
	TEST(an_id_is_destroyed_once_and_not_used_again),
	TEST(a_queue_pair_goes_before_its_id),
	TEST(a_queue_pair_is_destroyed_once),
	TEST(ids_go_before_their_channel),
	TEST(a_channel_that_went_takes_no_ids),
	TEST(an_id_without_a_device_has_neither_queue_pair_nor_route),
	TEST(an_accept_names_a_queue_pair),
	TEST(what_is_left_over_is_named),
	{NULL, NULL},
};
