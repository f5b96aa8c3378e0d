/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/group.c: the poll loop and sleeping, on a device that does not exist.
 */
#include "fake_verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- sleeping ---- */

/* A notification that was not to be had would be waited for for ever. */
static void a_group_does_not_sleep_without_its_notification(void **state)
{
	struct fake fake;
	int timeout;

	fake_init(&fake);
	fake_open(&fake);
	fake.fails = "ibv_req_notify_cq";
	assert_int_equal(wrasse_poll_group_arm(fake.group, &timeout), 1);
	assert_null(fake.fails);
	assert_int_equal(wrasse_poll_group_arm(fake.group, &timeout), 0);
	assert_int_equal(timeout, -1);
	fake_fini(&fake);
}

/* What failed notifies of nothing, and what is on its way out is looked at again soon. */
static void a_group_sleeps_shortly_while_something_is_on_its_way_out(void **state)
{
	struct rdmat_group_device *device;
	struct rdmat_request *request;
	struct fake fake;
	int timeout;

	fake_init(&fake);
	device = fake_open(&fake);
	request = fake_request(&fake);
	rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
	request->backend = request->io_out = true;
	fake.fails = "ibv_poll_cq";
	wrasse_poll_group_poll(fake.group);
	assert_true(device->failed);
	fake.fails = "ibv_req_notify_cq";
	assert_int_equal(wrasse_poll_group_arm(fake.group, &timeout), 0);
	assert_non_null(fake.fails); /* not even asked for */
	assert_int_equal(timeout, 2);
	request->backend = false;
	assert_true(rdmat_request_settle(request));
	wrasse_poll_group_poll(fake.group);
	fake_expect_gone(&fake);
	assert_int_equal(wrasse_poll_group_arm(fake.group, &timeout), 0);
	assert_int_equal(timeout, -1);
	fake_fini(&fake);
}

/* The end of one queue pair frees a request, but not its last, and a capsule of another one has waited for it. */
static void a_group_does_not_sleep_while_a_capsule_can_have_a_request(void **state)
{
	struct rdmat_qp *other = calloc(1, sizeof(*other));
	struct rdmat_request *stuck, *answered, *request;
	struct rdmat_class *class;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	class = fake.qp->class;
	stuck = fake_request(&fake);
	rdmat_request_move(stuck, RDMAT_REQUEST_EXECUTING);
	stuck->backend = stuck->io_out = true;
	answered = fake_request(&fake);
	rdmat_request_move(answered, RDMAT_REQUEST_EXECUTING);
	rdmat_sendq_respond(answered);
	rdmat_sendq_post(fake.qp);
	other->class = class;
	other->group = fake.group;
	for (unsigned i = 0; i < RDMAT_REQUEST_STATE_COUNT; i++)
		pool_list_init(&other->lists[i]);
	while (class->free_count)
		rdmat_request_take(other, NULL)->holds = 0;
	rdmat_rx_park(fake_slot(&fake), other, 64);
	rdmat_qp_disconnect(fake.qp, NULL);
	fake.now_ns += 100 * RDMAT_NS_PER_S; /* the hardware never flushes */
	assert_int_equal(wrasse_poll_group_arm(fake.group, NULL), 0);
	assert_int_equal(fake.destroyed, 1);
	assert_int_equal(wrasse_poll_group_arm(fake.group, NULL), 1);
	assert_int_equal(answered->state, RDMAT_REQUEST_FREE);
	rdmat_rx_unpark_all(other);
	rdmat_request_for_each(request, class) {
		if (request->qp != other)
			continue;
		rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
		rdmat_request_settle(request);
	}
	stuck->backend = false;
	rdmat_request_settle(stuck);
	fake_fini(&fake);
	free(other);
}

static void a_group_that_drains_looks_again_soon(void **state)
{
	struct fake fake;
	int timeout;

	fake_init(&fake);
	fake_open(&fake);
	fake_request(&fake);
	atomic_store(&fake.group->drain, RDMAT_DRAIN_GRACEFUL);
	wrasse_poll_group_arm(fake.group, &timeout);
	assert_int_equal(timeout, 2);
	atomic_store(&fake.group->drain, RDMAT_DRAIN_NO);
	fake_fini(&fake);
}

static void a_group_sleeps_until_its_next_timer(void **state)
{
	struct fake fake;
	int timeout;

	fake_init(&fake);
	fake_open(&fake);
	fake.qp->nvme.state = NVME_QUEUE_NEW;
	fake.qp->deadline_ns = fake.now_ns + 5 * RDMAT_NS_PER_MS;
	assert_int_equal(wrasse_poll_group_arm(fake.group, &timeout), 0);
	assert_int_equal(timeout, 6);
	/* Due, and not looked at: the slow part of the poll comes in the next one only. */
	fake.now_ns += 5 * RDMAT_NS_PER_MS;
	assert_int_equal(wrasse_poll_group_arm(fake.group, &timeout), 0);
	assert_int_equal(timeout, 0);
	fake_fini(&fake);
}

/* ---- posting ---- */

/* On iWARP a capsule that comes before its receive ends the connection. */
static void receives_are_posted_before_answers(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	request = fake_request(&fake);
	assert_int_equal(fake.recv_posted, FAKE_SLOTS);
	rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESPOND);
	rdmat_sendq_fill(fake.qp);
	wrasse_poll_group_poll(fake.group);
	assert_int_equal(fake.posted_count, 1);
	assert_int_equal(fake.recv_posted_before, FAKE_SLOTS + 1);
	fake_complete(&fake);
	fake_fini(&fake);
}

/* A receive slot is idle, and the device does not take it. */
static void receive_refused(struct fake *fake, struct rdmat_rx *rx)
{
	assert_true(rx->posted);
	for (uint32_t i = 0; rx->posted; i++) {
		rdmat_rx_taken(&rx->slots[i]);
		rdmat_rx_give(&rx->slots[i]);
	}
	fake->recv_fail_at = 0;
	wrasse_poll_group_poll(fake->group);
	fake->recv_fail_at = -1;
}

static void a_shared_receiver_that_failed_is_made_anew(void **state)
{
	struct rdmat_group_device *device;
	struct rdmat_qp *qp;
	struct fake fake;

	fake_init(&fake);
	fake.device.attr.max_srq = 16;
	fake.device.attr.max_srq_wr = FAKE_SLOTS;
	device = fake_open(&fake);
	/* One for the first admin queue; of the others a batch, which is all. */
	assert_int_equal(fake.recv_posted, 1 + FAKE_SLOTS);
	receive_refused(&fake, device->rx[0]);
	/* Its queue pair went at once, and all that the group had on the device. */
	fake_expect_gone(&fake);
	assert_int_equal(fake.cqs_destroyed, 1);
	fake.recv_posted = 0;
	qp = fake_connect(&fake, 2, 4);
	assert_non_null(qp);
	assert_int_equal(fake.recv_posted, 1 + FAKE_SLOTS);
	fake_end(&fake, qp);
	fake_fini(&fake);
}

static void a_receiver_of_one_queue_pair_that_failed_ends_only_that(void **state)
{
	struct rdmat_qp *other;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	other = fake_connect(&fake, 2, 4);
	assert_non_null(other);
	fake.rx->owner = fake.qp;
	fake.qp->reserved = FAKE_SLOTS + 1;
	fake.qp->class->reserved += FAKE_SLOTS + 1;
	assert_int_equal(rdmat_rx_post(fake.rx), 0);
	receive_refused(&fake, fake.rx);
	assert_true(fake.qp->tearing);
	assert_false(other->tearing);
	assert_int_equal(fake.cqs_destroyed, 0);
	fake_end(&fake, other);
	fake_fini(&fake);
}

/* ---- messages ---- */

static unsigned messages_run;

static void message_run(struct wrasse_poll_group *group, struct rdmat_msg *msg)
{
	(void)group;
	(void)msg;
	messages_run++;
}

static bool shows_an_event(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};

	return poll(&pollfd, 1, 0) == 1;
}

/* All that comes from other threads is one: connections, and I/O that they complete. */
static void a_message_wakes_a_group_that_sleeps(void **state)
{
	struct rdmat_msg msg = {.run = message_run};
	struct fake fake;
	int timeout;

	fake_init(&fake);
	messages_run = 0;
	wrasse_poll_group_poll(fake.group);
	rdmat_group_send(fake.group, &msg);
	assert_false(shows_an_event(wrasse_poll_group_fd(fake.group)));
	assert_true(wrasse_poll_group_poll(fake.group) > 0);
	assert_int_equal(messages_run, 1);
	assert_int_equal(wrasse_poll_group_arm(fake.group, &timeout), 0);
	assert_false(shows_an_event(wrasse_poll_group_fd(fake.group)));
	rdmat_group_send(fake.group, &msg);
	assert_true(shows_an_event(wrasse_poll_group_fd(fake.group)));
	assert_true(wrasse_poll_group_poll(fake.group) > 0);
	assert_int_equal(messages_run, 2);
	fake_fini(&fake);
}

static void what_happens_to_a_connection_wakes_a_group_that_sleeps(void **state)
{
	struct rdma_cm_event event = {.event = RDMA_CM_EVENT_TIMEWAIT_EXIT};
	struct rdma_cm_id id = {.context = NULL};
	struct fake fake;
	uint64_t one = 1;
	int timeout;

	fake_init(&fake);
	assert_int_equal(rdmat_group_open_cm(fake.group), 0);
	wrasse_poll_group_poll(fake.group);
	assert_int_equal(wrasse_poll_group_arm(fake.group, &timeout), 0);
	event.id = &id;
	fake.events = &event;
	fake.event_count = 1;
	assert_int_equal(write(fake.group->cm_channel->fd, &one, sizeof(one)), sizeof(one));
	assert_true(shows_an_event(wrasse_poll_group_fd(fake.group)));
	assert_int_equal(wrasse_poll_group_poll(fake.group), 1);
	assert_int_equal(fake.events_acked, 1);
	fake_fini(&fake);
}

/* ---- queue pairs by number ---- */

static void queue_pairs_of_one_bucket_are_told_apart(void **state)
{
	struct rdmat_group_device other = {.device = NULL};
	struct rdmat_qp qps[3] = {{.qpn = 17 + RDMAT_QP_BUCKETS}, {.qpn = 17}, {.qpn = 17}};
	struct fake fake;

	fake_init(&fake);
	for (unsigned i = 0; i < 3; i++) {
		qps[i].device = i == 2 ? &other : &fake.group_device;
		qps[i].class = fake.qp->class;
		qps[i].qpn += i == 1 ? 2 * RDMAT_QP_BUCKETS : 0;
		atomic_fetch_add(&fake.group->load[0], 1);
		rdmat_group_qp_add(fake.group, &qps[i]);
	}
	assert_ptr_equal(rdmat_group_qp_find(&fake.group_device, 17), fake.qp);
	assert_ptr_equal(rdmat_group_qp_find(&other, 17), &qps[2]);
	assert_ptr_equal(rdmat_group_qp_find(&fake.group_device, 17 + RDMAT_QP_BUCKETS), &qps[0]);
	assert_null(rdmat_group_qp_find(&other, 17 + RDMAT_QP_BUCKETS));
	rdmat_group_qp_remove(fake.group, &qps[0]);
	assert_ptr_equal(rdmat_group_qp_find(&fake.group_device, 17), fake.qp);
	assert_null(rdmat_group_qp_find(&fake.group_device, 17 + RDMAT_QP_BUCKETS));
	rdmat_group_qp_remove(fake.group, &qps[1]);
	rdmat_group_qp_remove(fake.group, &qps[2]);
	fake_fini(&fake);
}

/* ---- backends ---- */

static struct rdmat_request *submitted(struct fake *fake)
{
	struct rdmat_request *request;

	fake_init(fake);
	fake->group->owner = rdmat_this_thread();
	request = fake_request(fake);
	rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
	return request;
}

static void complete_twice(void *arg)
{
	struct rdmat_request *request;
	struct fake fake;

	request = submitted(&fake);
	request->backend = request->io_out = true;
	wrasse_io_complete(&request->nvme.io, wrasse_status_ok());
	wrasse_io_complete(&request->nvme.io, wrasse_status_ok());
}

static void complete_what_was_not_submitted(void *arg)
{
	struct rdmat_request *request;
	struct fake fake;

	request = submitted(&fake);
	wrasse_io_complete(&request->nvme.io, wrasse_status_ok());
}

static void a_backend_completes_what_it_has_and_once(void **state)
{
	assert_dies(complete_twice, NULL, "wrasse_io_complete() was called twice");
	assert_dies(complete_what_was_not_submitted, NULL, "for one that was not submitted");
}

/* ---- creation ---- */

/* The process may open @more descriptors and no other. */
static void descriptors_limit(unsigned more, struct rlimit *before)
{
	struct rlimit limit;
	int lowest = fcntl(0, F_DUPFD, 0);

	close(lowest);
	getrlimit(RLIMIT_NOFILE, before);
	limit = *before;
	limit.rlim_cur = (rlim_t)lowest + more;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void a_group_without_descriptors_is_not_made(void **state)
{
	const struct wrasse_poll_group_opts opts = {.io_requests = 16,
						    .admin_requests = 16,
						    .wrs = 32,
						    .small_buffers = 16,
						    .large_buffers = 8,
						    .numa_node = 0};
	struct wrasse_poll_group *group = NULL;
	struct fake fake;

	fake_init(&fake);
	for (unsigned more = 0; more < 3; more++) {
		struct rlimit before;
		int rc;

		descriptors_limit(more, &before);
		rc = rdmat_group_create(&fake.rdmat, &opts, 1, &group);
		setrlimit(RLIMIT_NOFILE, &before);
		assert_int_equal(rc, more < 2 ? -EMFILE : 0);
	}
	assert_int_equal(group->node, 0);
	rdmat_group_destroy(group);
	fake_fini(&fake);
}

static void a_group_is_busy_while_anything_is_left_of_its_connections(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	request = fake_request(&fake);
	rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
	request->backend = request->io_out = true;
	assert_true(rdmat_group_is_busy(fake.group)); /* a queue pair */
	rdmat_qp_disconnect(fake.qp, NULL);
	for (unsigned i = 0; i < 4; i++) {
		fake.now_ns += 3000 * RDMAT_NS_PER_MS;
		wrasse_poll_group_poll(fake.group);
	}
	assert_int_equal(fake.destroyed, 1);
	assert_true(rdmat_group_is_busy(fake.group)); /* what the backend has */
	request->backend = false;
	assert_true(rdmat_request_settle(request));
	fake_reap(&fake);
	assert_false(rdmat_group_is_busy(fake.group));
	atomic_fetch_add(&fake.group->load[1], 1);
	assert_true(rdmat_group_is_busy(fake.group)); /* a connection on its way */
	atomic_fetch_sub(&fake.group->load[1], 1);
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_does_not_sleep_without_its_notification),
		cmocka_unit_test(a_group_sleeps_shortly_while_something_is_on_its_way_out),
		cmocka_unit_test(a_group_does_not_sleep_while_a_capsule_can_have_a_request),
		cmocka_unit_test(a_group_that_drains_looks_again_soon),
		cmocka_unit_test(a_group_sleeps_until_its_next_timer),
		cmocka_unit_test(receives_are_posted_before_answers),
		cmocka_unit_test(a_shared_receiver_that_failed_is_made_anew),
		cmocka_unit_test(a_receiver_of_one_queue_pair_that_failed_ends_only_that),
		cmocka_unit_test(a_message_wakes_a_group_that_sleeps),
		cmocka_unit_test(what_happens_to_a_connection_wakes_a_group_that_sleeps),
		cmocka_unit_test(queue_pairs_of_one_bucket_are_told_apart),
		cmocka_unit_test(a_backend_completes_what_it_has_and_once),
		cmocka_unit_test(a_group_without_descriptors_is_not_made),
		cmocka_unit_test(a_group_is_busy_while_anything_is_left_of_its_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
