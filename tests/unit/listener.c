/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/listener.c: addresses, and the way of a connection request to its group.
 */
#include "fake_verbs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "transport/listener.h"

static char said[512];

static void log_note(void *ctx, enum wrasse_log_level level, const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

/* The fixture's target, with its one group. */
static void target_init(struct fake *fake)
{
	static struct wrasse_poll_group *groups[3];

	fake_init(fake);
	memset(groups, 0, sizeof(groups));
	groups[0] = fake->group;
	fake->rdmat.groups = groups;
	fake->rdmat.opts.max_poll_groups = 3;
	fake->rdmat.opts.log = log_note;
	fake->rdmat.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	fake->device.pd = (struct ibv_pd *)&fake->device; /* never looked at */
	fake->rdmat.devices = &fake->device;
	assert_int_equal(rdmat_admission_init(&fake->rdmat.admission, 64, 64, 0), 0);
	said[0] = '\0';
}

static void target_fini(struct fake *fake)
{
	while (fake->rdmat.listeners)
		rdmat_listener_destroy(fake->rdmat.listeners);
	assert_int_equal(fake->listeners, 0);
	if (fake->rdmat.cm_channel)
		rdma_destroy_event_channel(fake->rdmat.cm_channel);
	close(fake->rdmat.epoll_fd);
	rdmat_admission_fini(&fake->rdmat.admission);
	atomic_store(&fake->group->attention, false);
	fake->rdmat.opts.log = NULL;
	fake_fini(fake);
	assert_int_equal(fake->channels, 0);
}

static struct wrasse_listener *listen_on(struct fake *fake, const char *address)
{
	struct wrasse_listener_opts opts = {.size = sizeof(opts), .address = address};
	struct wrasse_listener *listener;

	assert_int_equal(rdmat_listener_create(&fake->rdmat, &opts, &listener), 0);
	return listener;
}

/* ---- addresses ---- */

static void an_address_is_ipv4_or_ipv6_and_known_to_discovery(void **state)
{
	static const struct {
		const char *address, *name;
		uint16_t port;
		uint8_t adrfam;
		bool any;
	} t[] = {
		{"192.0.2.1", "192.0.2.1:4420", 0, 1, false},
		{NULL, "0.0.0.0:4420", 0, 1, true},
		{"2001:db8::1", "[2001:db8::1]:4421", 4421, 2, false},
		{"::", "[::]:4420", 0, 2, true},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct wrasse_listener_opts opts = {
			.size = sizeof(opts), .address = t[i].address, .port = t[i].port};
		const struct nvme_portal *portal;
		struct wrasse_listener *listener;
		struct fake fake;

		target_init(&fake);
		assert_int_equal(rdmat_listener_create(&fake.rdmat, &opts, &listener), 0);
		assert_string_equal(listener->name, t[i].name);
		portal = fake.rdmat.registry->portals;
		assert_non_null(portal);
		assert_int_equal(portal->adrfam, t[i].adrfam);
		assert_int_equal(portal->any_address, t[i].any);
		/* An IPv6 listener leaves IPv4 to others. */
		assert_int_equal(fake.option[RDMA_OPTION_ID_AFONLY], t[i].adrfam == 2 ? 1 : -1);
		assert_int_equal(fake.option[RDMA_OPTION_ID_REUSEADDR], 1);
		rdmat_listener_destroy(listener);
		assert_null(fake.rdmat.registry->portals);
		target_fini(&fake);
	}
}

static void what_is_no_address_is_refused_with_a_line(void **state)
{
	struct wrasse_listener_opts opts = {.size = sizeof(opts), .address = "storage.example"};
	struct wrasse_listener *listener;
	struct fake fake;

	target_init(&fake);
	assert_int_equal(rdmat_listener_create(&fake.rdmat, &opts, &listener), -EINVAL);
	assert_non_null(strstr(said, "storage.example: not a numeric"));
	assert_int_equal(fake.channels, 0);
	target_fini(&fake);
}

static void the_backlog_is_as_asked_for(void **state)
{
	struct wrasse_listener_opts opts = {.size = sizeof(opts), .backlog = 7};
	struct wrasse_listener *listener;
	struct fake fake;

	target_init(&fake);
	listen_on(&fake, NULL);
	assert_int_equal(fake.backlog, 128);
	assert_int_equal(rdmat_listener_create(&fake.rdmat, &opts, &listener), 0);
	assert_int_equal(fake.backlog, 7);
	target_fini(&fake);
}

static void a_listener_that_cannot_be_made_leaves_nothing(void **state)
{
	static const struct {
		const char *step;
		int error, rc;
	} t[] = {
		{"rdma_create_event_channel", ENOENT, -ENODEV}, /* no RDMA in this kernel */
		{"rdma_create_event_channel", EMFILE, -EMFILE},
		{"rdma_create_id", ENODEV, -ENODEV},
		{"rdma_bind_addr", EADDRINUSE, -EADDRINUSE},
		{"rdma_listen", EADDRINUSE, -EADDRINUSE},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct wrasse_listener_opts opts = {.size = sizeof(opts)};
		struct wrasse_listener *listener;
		struct fake fake;

		target_init(&fake);
		fake.fails = t[i].step;
		fake.fails_with = t[i].error;
		assert_int_equal(rdmat_listener_create(&fake.rdmat, &opts, &listener), t[i].rc);
		assert_null(fake.fails);
		assert_int_equal(fake.listeners, 0);
		assert_null(fake.rdmat.listeners);
		assert_null(fake.rdmat.registry->portals);
		listen_on(&fake, NULL);
		target_fini(&fake);
	}
}

static void a_channel_that_cannot_be_watched_is_given_back(void **state)
{
	struct wrasse_listener_opts opts = {.size = sizeof(opts)};
	struct wrasse_listener *listener;
	struct fake fake;
	int fd;

	target_init(&fake);
	fd = fake.rdmat.epoll_fd;
	fake.rdmat.epoll_fd = -1;
	assert_int_equal(rdmat_listener_create(&fake.rdmat, &opts, &listener), -EBADF);
	assert_int_equal(fake.channels, 0);
	fake.rdmat.epoll_fd = fd;
	listen_on(&fake, NULL);
	target_fini(&fake);
}

/* ---- connection requests ---- */

struct arrival {
	struct rdma_cm_id listen_id;
	struct rdma_cm_event event;
	uint8_t data[RDMAT_CM_REQUEST_LEN];
};

/* A host's request comes: an admin queue of 32 entries. @family: of both addresses. */
static void request_comes(struct fake *fake, struct arrival *arrival, int family)
{
	struct rdma_cm_id *id = &fake->coming.id;
	struct wrasse_listener *listener = listen_on(fake, NULL);

	memset(arrival, 0, sizeof(*arrival));
	memset(id, 0, sizeof(*id));
	arrival->data[4] = 32;
	arrival->data[6] = 31;
	arrival->listen_id.context = listener;
	arrival->event.event = RDMA_CM_EVENT_CONNECT_REQUEST;
	arrival->event.id = id;
	arrival->event.listen_id = &arrival->listen_id;
	arrival->event.param.conn.private_data = arrival->data;
	arrival->event.param.conn.private_data_len = sizeof(arrival->data);
	arrival->event.param.conn.initiator_depth = 4;
	id->verbs = &fake->context;
	id->route.addr.src_addr.sa_family = (sa_family_t)family;
	id->route.addr.dst_addr.sa_family = (sa_family_t)family;
	if (family == AF_INET6) {
		inet_pton(family, "2001:db8::1", &id->route.addr.src_sin6.sin6_addr);
		inet_pton(family, "2001:db8::2", &id->route.addr.dst_sin6.sin6_addr);
		id->route.addr.src_sin6.sin6_port = htons(4420);
	} else {
		inet_pton(AF_INET, "192.0.2.1", &id->route.addr.src_sin.sin_addr);
		inet_pton(AF_INET, "192.0.2.2", &id->route.addr.dst_sin.sin_addr);
		id->route.addr.src_sin.sin_port = htons(4420);
	}
	fake->events = &arrival->event;
	fake->event_count = 1;
	fake->events_taken = 0;
	fake->events_acked = 0;
	assert_int_equal(rdmat_listener_events(&fake->rdmat), 1);
	assert_int_equal(fake->events_acked, 1);
}

/* What a group was sent; NULL: nothing. The test frees it. */
static struct rdmat_new_conn *sent_to(struct wrasse_poll_group *group)
{
	struct pool_inbox_link *link = pool_inbox_take(&group->inbox);
	struct rdmat_msg *msg;

	if (!link)
		return NULL;
	assert_null(link->next);
	atomic_store(&group->load[1], 0);
	msg = pool_container(link, struct rdmat_msg, link);
	return pool_container(msg, struct rdmat_new_conn, msg);
}

static void a_request_reaches_its_group_with_all_that_is_known(void **state)
{
	struct rdmat_new_conn *conn;
	struct arrival arrival;
	struct fake fake;

	target_init(&fake);
	request_comes(&fake, &arrival, AF_INET);
	conn = sent_to(fake.group);
	assert_non_null(conn);
	assert_ptr_equal(conn->device, &fake.device);
	assert_int_equal(conn->read_depth, 4);
	assert_int_equal(conn->nvme.depth, 32);
	assert_int_equal(conn->nvme.adrfam, 1);
	assert_string_equal(conn->nvme.traddr, "192.0.2.1");
	assert_string_equal(conn->nvme.trsvcid, "4420");
	assert_string_equal(conn->nvme.peer, "192.0.2.2");
	assert_int_equal(conn->listener, fake.rdmat.listeners->number);
	free(conn);
	target_fini(&fake);
}

static void a_request_over_ipv6_is_known_as_such(void **state)
{
	struct rdmat_new_conn *conn;
	struct arrival arrival;
	struct fake fake;

	target_init(&fake);
	request_comes(&fake, &arrival, AF_INET6);
	conn = sent_to(fake.group);
	assert_non_null(conn);
	assert_int_equal(conn->nvme.adrfam, 2);
	assert_string_equal(conn->nvme.traddr, "2001:db8::1");
	assert_string_equal(conn->nvme.trsvcid, "4420");
	assert_string_equal(conn->nvme.peer, "2001:db8::2");
	free(conn);
	target_fini(&fake);
}

/* InfiniBand has addresses of its own. */
static void a_peer_with_another_kind_of_address_is_unknown(void **state)
{
	struct rdmat_new_conn *conn;
	struct arrival arrival;
	struct fake fake;

	target_init(&fake);
	request_comes(&fake, &arrival, 27);
	conn = sent_to(fake.group);
	assert_non_null(conn);
	assert_string_equal(conn->nvme.peer, "unknown");
	free(conn);
	target_fini(&fake);
}

static void the_provider_type_is_what_the_device_is(void **state)
{
	static const struct {
		enum ibv_transport_type transport;
		uint8_t link_layer;
		const char *fails;
		uint8_t prtype;
	} t[] = {
		{IBV_TRANSPORT_IB, IBV_LINK_LAYER_ETHERNET, NULL, 4},
		{IBV_TRANSPORT_IB, IBV_LINK_LAYER_INFINIBAND, NULL, 2},
		{IBV_TRANSPORT_IWARP, IBV_LINK_LAYER_ETHERNET, NULL, 5},
		{IBV_TRANSPORT_IB, IBV_LINK_LAYER_ETHERNET, "ibv_query_port", 1},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct rdmat_new_conn *conn;
		struct arrival arrival;
		struct fake fake;

		target_init(&fake);
		fake.ibv_device.transport_type = t[i].transport;
		fake.link_layer = t[i].link_layer;
		fake.fails = t[i].fails;
		request_comes(&fake, &arrival, AF_INET);
		conn = sent_to(fake.group);
		assert_non_null(conn);
		assert_int_equal(conn->nvme.prtype, t[i].prtype);
		free(conn);
		target_fini(&fake);
	}
}

static void a_request_that_no_group_can_take_is_rejected(void **state)
{
	struct arrival arrival;
	struct fake fake;

	target_init(&fake);
	fake.rdmat.groups[0] = NULL;
	request_comes(&fake, &arrival, AF_INET);
	assert_int_equal(fake.coming.rejected, 1);
	assert_int_equal(fake.coming.ids_destroyed, 1);
	assert_non_null(strstr(said, "192.0.2.2 rejected: no resources"));
	fake.rdmat.groups[0] = fake.group;
	target_fini(&fake);
}

static void a_request_that_makes_no_sense_is_rejected(void **state)
{
	struct arrival arrival;
	struct fake fake;

	target_init(&fake);
	request_comes(&fake, &arrival, AF_INET);
	free(sent_to(fake.group));
	arrival.event.param.conn.private_data_len = 31;
	fake.events_taken = 0;
	assert_int_equal(rdmat_listener_events(&fake.rdmat), 1);
	assert_null(sent_to(fake.group));
	assert_int_equal(fake.coming.rejected, 1);
	assert_non_null(strstr(said, "private data shorter than 32 bytes"));
	target_fini(&fake);
}

/* ---- placement ---- */

static struct wrasse_poll_group *chosen;
static struct wrasse_conn_info asked;

static struct wrasse_poll_group *place(void *ctx, const struct wrasse_conn_info *info)
{
	asked = *info;
	return chosen;
}

static void the_embedder_may_choose_the_group(void **state)
{
	static struct wrasse_poll_group other;
	struct arrival arrival;
	struct fake fake;

	target_init(&fake);
	memset(&other, 0, sizeof(other));
	other.wake_fd = -1;
	other.index = 1;
	fake.rdmat.groups[1] = &other;
	fake.rdmat.opts.place = place;
	atomic_store(&other.load[1], 9);
	for (unsigned i = 0; i < 2; i++) {
		struct wrasse_poll_group *group = i ? fake.group : &other;
		struct rdmat_new_conn *conn;

		chosen = i ? NULL : &other; /* NULL: it has no wish */
		request_comes(&fake, &arrival, AF_INET);
		assert_int_equal(asked.qid, 0);
		assert_int_equal(asked.depth, 32);
		conn = sent_to(group);
		assert_non_null(conn);
		assert_int_equal(conn->nvme.group, group->index);
		free(conn);
		atomic_store(&other.load[1], 9);
	}
	target_fini(&fake);
}

static void a_near_group_is_better_than_an_idle_one(void **state)
{
	/* Node of the device, node and load of the groups, and which it is. */
	static const struct {
		int device, node[3];
		uint32_t load[3];
		unsigned best;
	} t[] = {
		{-1, {0, 1, 0}, {2, 1, 3}, 1}, /* unknown: the least loaded */
		{1, {0, 1, 0}, {0, 5, 0}, 1},  /* the only near one */
		{1, {1, 0, 1}, {5, 0, 4}, 2},  /* the less loaded of the near ones */
		{2, {0, 1, 0}, {2, 2, 1}, 2},  /* none is near */
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		static struct wrasse_poll_group groups[3];
		struct rdmat_new_conn *conn;
		struct arrival arrival;
		struct fake fake;

		target_init(&fake);
		memset(groups, 0, sizeof(groups));
		fake.device.numa_node = t[i].device;
		for (unsigned k = 0; k < 3; k++) {
			groups[k].wake_fd = -1;
			groups[k].node = t[i].node[k];
			atomic_store(&groups[k].load[1], t[i].load[k]);
			fake.rdmat.groups[k] = &groups[k];
		}
		request_comes(&fake, &arrival, AF_INET);
		conn = sent_to(&groups[t[i].best]);
		assert_non_null(conn);
		free(conn);
		target_fini(&fake);
	}
}

/* ---- events ---- */

static void a_storm_of_events_leaves_time_for_the_rest(void **state)
{
	struct rdma_cm_event events[40];
	struct rdma_cm_id id = {0};
	struct fake fake;

	target_init(&fake);
	assert_int_equal(rdmat_listener_events(&fake.rdmat), 0);
	listen_on(&fake, NULL);
	memset(events, 0, sizeof(events));
	for (unsigned i = 0; i < 40; i++) {
		events[i].event = RDMA_CM_EVENT_TIMEWAIT_EXIT;
		events[i].id = &id;
	}
	fake.events = events;
	fake.event_count = 40;
	assert_int_equal(rdmat_listener_events(&fake.rdmat), 32);
	assert_int_equal(rdmat_listener_events(&fake.rdmat), 8);
	assert_int_equal(fake.events_acked, 40);
	assert_non_null(strstr(said, "listener: RDMA_CM_EVENT_TIMEWAIT_EXIT"));
	target_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_ipv4_or_ipv6_and_known_to_discovery),
		cmocka_unit_test(what_is_no_address_is_refused_with_a_line),
		cmocka_unit_test(the_backlog_is_as_asked_for),
		cmocka_unit_test(a_listener_that_cannot_be_made_leaves_nothing),
		cmocka_unit_test(a_channel_that_cannot_be_watched_is_given_back),
		cmocka_unit_test(a_request_reaches_its_group_with_all_that_is_known),
		cmocka_unit_test(a_request_over_ipv6_is_known_as_such),
		cmocka_unit_test(a_peer_with_another_kind_of_address_is_unknown),
		cmocka_unit_test(the_provider_type_is_what_the_device_is),
		cmocka_unit_test(a_request_that_no_group_can_take_is_rejected),
		cmocka_unit_test(a_request_that_makes_no_sense_is_rejected),
		cmocka_unit_test(the_embedder_may_choose_the_group),
		cmocka_unit_test(a_near_group_is_better_than_an_idle_one),
		cmocka_unit_test(a_storm_of_events_leaves_time_for_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
