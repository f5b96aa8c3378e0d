/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/overdue.c: a backend that takes too long. Who only reads is answered without it, everybody
 * else when it is through; and whatever the backend still has stays where it is until then.
 */
#include "fake_io.h"

#include "nvme/reservation.h"
#include "transport/flow.h"
#include "transport/listener.h"
#include "transport/overdue.h"

#define TIMEOUT_NS (8 * RDMAT_NS_PER_S)

static struct wrasse_namespace *ns;
static unsigned abort_calls;
static bool abort_ends; /* an I/O, in there */

static void backend_abort(struct wrasse_io *io)
{
	abort_calls++;
	if (abort_ends)
		wrasse_io_complete(io, wrasse_status_make(0, WRASSE_SC_ABORTED, false));
}

/* A namespace with a timeout, on a group that has just looked. */
static void begin(struct fake *fake)
{
	fake_init(fake);
	ns = fake_namespace(fake);
	ns->subsystem = fake_ctrl.subsystem;
	ns->io_timeout_ns = TIMEOUT_NS;
	ns->ops.abort = backend_abort;
	rdmat_overdue_begin(fake->group, ns);
	abort_calls = 0;
	abort_ends = false;
	fake->group->owner = rdmat_this_thread();
}

static void looks(struct fake *fake)
{
	rdmat_overdue_timers(fake->group, fake->now_ns);
	rdmat_sendq_post(fake->qp);
}

/* What the backend has is seen, and a timeout later it is seen again. */
static void time_is_up(struct fake *fake)
{
	looks(fake);
	fake->now_ns += TIMEOUT_NS;
	looks(fake);
}

static void a_read_that_takes_too_long_is_interrupted(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	begin(&fake);
	fake_read_comes(&fake, 1, 64);
	request = fake_io_request(0);
	fake.now_ns += 100 * TIMEOUT_NS; /* nobody looked */
	looks(&fake);
	fake.now_ns += TIMEOUT_NS - 1;
	looks(&fake);
	assert_int_equal(fake.posted_count, 0);
	fake.now_ns++;
	looks(&fake);
	/* One SEND and no data. */
	assert_int_equal(fake.posted_count, 1);
	assert_int_equal(fake_last_status(&fake), WRASSE_SC_COMMAND_INTERRUPTED);
	assert_int_equal(abort_calls, 1);
	assert_int_equal(fake.group->stats.interrupted, 1);
	assert_int_equal(fake_holds(request),
			 RDMAT_HOLD_BUFFERS | RDMAT_HOLD_SQ | RDMAT_HOLD_BACKEND);
	fake_complete(&fake);
	assert_int_equal(request->state, RDMAT_REQUEST_OVERDUE);
	assert_int_equal(fake_holds(request), RDMAT_HOLD_BUFFERS | RDMAT_HOLD_BACKEND);
	assert_int_equal(ns->port[0].in_flight, 1);
	/* The host may send as many commands as ever. */
	assert_int_equal(fake.qp->outstanding, 0);
	fake_io_ends(0, wrasse_status_ok());
	assert_int_equal(request->state, RDMAT_REQUEST_FREE);
	assert_int_equal(ns->port[0].in_flight, 0);
	assert_int_equal(fake.posted_count, 0); /* since then */
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

/* The poll loop looks eight times in the shortest timeout, and not at all where there is none. */
static void the_group_looks_eight_times_in_a_timeout(void **state)
{
	struct wrasse_namespace longer = {.io_timeout_ns = 2 * TIMEOUT_NS}, none = {0};
	struct fake fake;

	begin(&fake);
	rdmat_overdue_begin(fake.group, &longer);
	rdmat_overdue_begin(fake.group, &none);
	assert_int_equal(rdmat_overdue_timers(fake.group, fake.now_ns),
			 fake.now_ns + TIMEOUT_NS / 8);
	fake_read_comes(&fake, 1, 8);
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(fake.posted_count, 0);
		fake.now_ns += TIMEOUT_NS / 8;
		fake.group->until_slow = 0;
		wrasse_poll_group_poll(fake.group);
		assert_true(fake.group->next_timer_ns <= fake.now_ns + TIMEOUT_NS / 8);
	}
	assert_int_equal(fake.posted_count, 1);
	fake_complete(&fake);
	fake_io_ends(0, wrasse_status_ok());
	fake.group->io_timeout_ns = 0;
	assert_true(rdmat_overdue_timers(fake.group, fake.now_ns) == UINT64_MAX);
	fake_fini(&fake);
}

static void a_namespace_with_a_limit_starts_the_timer(void **state)
{
	static struct wrasse_listener listener;
	const struct wrasse_backend_ops ops = {.size = sizeof(ops), .submit = fake_submit};
	struct wrasse_subsystem_opts opts;
	struct wrasse_ns_opts ns_opts;
	struct wrasse_subsystem *subsystem;
	struct wrasse_namespace *made;
	const char *why;
	struct fake fake;

	fake_init(&fake);
	fake.rdmat.listeners = &listener;
	fake.rdmat.opts.max_poll_groups = 1;
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = "nqn.2026-01.org.example:sub";
	assert_int_equal(nvme_subsystem_create(fake.rdmat.registry, &opts, &subsystem, &why), 0);
	wrasse_ns_opts_init(&ns_opts);
	ns_opts.block_count = 4096;
	ns_opts.ops = &ops;
	ns_opts.io_timeout_ms = 800;
	assert_int_equal(nvme_ns_create(subsystem, &ns_opts, &made, &why), 1);
	fake.group->next_timer_ns = UINT64_MAX;
	rdmat_group_sync(fake.group);
	fake.group->until_slow = 0;
	wrasse_poll_group_poll(fake.group);
	assert_int_equal(fake.group->next_timer_ns, fake.now_ns + 100 * RDMAT_NS_PER_MS);
	fake_fini(&fake);
}

static void a_backend_that_answers_meanwhile_changes_no_answer(void **state)
{
	for (unsigned posted = 0; posted < 2; posted++) {
		struct rdmat_request *request;
		uint32_t slots;
		struct fake fake;

		begin(&fake);
		fake_read_comes(&fake, 1, 8);
		request = fake_io_request(0);
		slots = fake.qp->sq_free;
		if (!posted)
			fake.qp->sq_free = 0;
		time_is_up(&fake);
		assert_int_equal(request->state,
				 posted ? RDMAT_REQUEST_RESPONDING : RDMAT_REQUEST_WAIT_RESPOND);
		fake_io_ends(0, wrasse_status_make(WRASSE_SCT_MEDIA, 0x81, true));
		assert_int_equal(fake_holds(request) & RDMAT_HOLD_BACKEND, 0);
		if (!posted) {
			fake.qp->sq_free = slots;
			rdmat_sendq_fill(fake.qp);
			rdmat_sendq_post(fake.qp);
		}
		assert_int_equal(fake_last_status(&fake), WRASSE_SC_COMMAND_INTERRUPTED);
		fake_complete(&fake);
		assert_int_equal(request->state, RDMAT_REQUEST_FREE);
		fake_expect_balance(&fake);
		fake_fini(&fake);
	}
}

/* Its backend is asked to end it, once, and decides. */
static void a_write_is_answered_when_the_backend_is_through(void **state)
{
	static const struct {
		uint8_t ends, told;
	} cases[] = {{0, 0}, {WRASSE_SC_ABORTED, WRASSE_SC_COMMAND_INTERRUPTED}};

	for (unsigned i = 0; i < 2; i++) {
		struct rdmat_request *request;
		struct fake fake;

		begin(&fake);
		fake_command_comes(&fake, NVME_OPC_WRITE, 1, 1, 0, 8);
		rdmat_sendq_post(fake.qp);
		fake_complete(&fake);
		request = fake_io_request(0);
		time_is_up(&fake);
		time_is_up(&fake);
		assert_int_equal(abort_calls, 1);
		assert_int_equal(request->state, RDMAT_REQUEST_EXECUTING);
		assert_int_equal(fake.posted_count, 0);
		fake_io_ends(0, wrasse_status_make(0, cases[i].ends, false));
		rdmat_sendq_post(fake.qp);
		assert_int_equal(fake_last_status(&fake), cases[i].told);
		assert_int_equal(fake.group->stats.interrupted, 0);
		fake_complete(&fake);
		fake_expect_balance(&fake);
		fake_fini(&fake);
	}
}

/* What the host asked to have aborted is told so; here it did not. */
static void a_backend_that_gives_up_at_once_is_believed(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	begin(&fake);
	abort_ends = true;
	fake_read_comes(&fake, 1, 8);
	request = fake_io_request(0);
	time_is_up(&fake);
	assert_int_equal(request->state, RDMAT_REQUEST_EXECUTING);
	assert_int_equal(fake.group->stats.interrupted, 0);
	wrasse_poll_group_poll(fake.group);
	assert_int_equal(fake_last_status(&fake), WRASSE_SC_COMMAND_INTERRUPTED);
	assert_int_equal(request->state, RDMAT_REQUEST_RESPONDING);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

static void what_is_on_its_way_back_is_not_overdue(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	begin(&fake);
	fake_read_comes(&fake, 1, 8);
	request = fake_io_request(0);
	request->io_out = false;
	time_is_up(&fake);
	assert_int_equal(abort_calls, 0);
	assert_int_equal(request->state, RDMAT_REQUEST_EXECUTING);
	fake_io_ends(0, wrasse_status_ok());
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake_last_status(&fake), 0);
	fake_complete(&fake);
	fake_fini(&fake);
}

/* Neither the time of the one before, nor that of the namespace with a timeout. */
static void each_io_has_its_own_time(void **state)
{
	struct fake fake;

	begin(&fake);
	fake_read_comes(&fake, 1, 8);
	looks(&fake);
	fake_io_ends(0, wrasse_status_ok());
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	fake_read_comes(&fake, 2, 8);
	assert_ptr_equal(fake_ios[0], fake_ios[1]); /* the same request */
	fake.now_ns += TIMEOUT_NS;
	looks(&fake);
	assert_int_equal(abort_calls, 0);
	ns->io_timeout_ns = 0;
	time_is_up(&fake);
	assert_int_equal(abort_calls, 0);
	fake_io_ends(1, wrasse_status_ok());
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	fake_fini(&fake);
}

/* The first two go straight; each is seen once. */
static void a_command_has_not_the_time_of_the_one_before_in_its_request(void **state)
{
	static const uint8_t opcodes[] = {NVME_OPC_READ, NVME_OPC_WRITE, NVME_OPC_VERIFY};

	for (unsigned i = 0; i < 9; i++) {
		struct rdmat_request *request = NULL;
		struct fake fake;

		begin(&fake);
		rdmat_class_touch(fake.qp->class);
		for (unsigned k = 0; k < 2; k++) {
			uint8_t opcode = opcodes[k ? i / 3 : i % 3];

			fake_command_comes(&fake, opcode, 1, 1, 0, 8);
			if (opcode == NVME_OPC_WRITE) {
				rdmat_sendq_post(fake.qp);
				fake_complete(&fake);
			}
			assert_int_equal(fake_io_count, k + 1);
			assert_true(!request || request == fake_io_request(k));
			request = fake_io_request(k);
			looks(&fake);
			assert_int_equal(abort_calls, 0);
			fake_io_ends(k, wrasse_status_ok());
			rdmat_sendq_post(fake.qp);
			assert_int_equal(fake_last_status(&fake), 0);
			fake_complete(&fake);
			fake.now_ns += TIMEOUT_NS;
			fake.group->now_ns = 0;
		}
		fake_fini(&fake);
	}
}

static void an_overdue_request_is_flushed_with_its_queue_pair(void **state)
{
	for (unsigned sent = 0; sent < 2; sent++) {
		struct rdmat_request *request;
		struct fake fake;

		begin(&fake);
		fake_read_comes(&fake, 1, 8);
		request = fake_io_request(0);
		time_is_up(&fake);
		if (sent)
			fake_complete(&fake);
		rdmat_qp_disconnect(fake.qp, NULL);
		assert_int_equal(request->state, RDMAT_REQUEST_FLUSHING);
		assert_true(fake_holds(request) & RDMAT_HOLD_BUFFERS);
		fake_io_ends(0, wrasse_status_ok());
		/* The hardware may be reading it. */
		assert_int_equal(nvme_request_status(&request->nvme).sc,
				 WRASSE_SC_COMMAND_INTERRUPTED);
		assert_int_equal(request->state,
				 sent ? RDMAT_REQUEST_FREE : RDMAT_REQUEST_FLUSHING);
		if (!sent)
			fake_complete(&fake);
		assert_int_equal(request->state, RDMAT_REQUEST_FREE);
		fake_fini(&fake);
	}
}

/* A Preempt and Abort waits for what could still be answered. */
static void a_fence_does_not_wait_for_it(void **state)
{
	static struct nvme_ns_resv resv;
	struct nvme_ns_port *port;
	struct fake fake;

	begin(&fake);
	port = &ns->port[0];
	ns->resv = &resv;
	resv.fenced_count = 1;
	resv.fence = 1;
	fake_read_comes(&fake, 1, 8);
	nvme_fence_request(port, &fake_io_request(0)->nvme);
	nvme_fence_set(port);
	assert_int_equal(port->fence_done, 0);
	time_is_up(&fake);
	assert_int_equal(port->fence_done, 1);
	assert_int_equal(port->fenced, 0);
	fake_complete(&fake);
	fake_io_ends(0, wrasse_status_ok());
	assert_int_equal(port->fenced, 0);
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_that_takes_too_long_is_interrupted),
		cmocka_unit_test(the_group_looks_eight_times_in_a_timeout),
		cmocka_unit_test(a_namespace_with_a_limit_starts_the_timer),
		cmocka_unit_test(a_backend_that_answers_meanwhile_changes_no_answer),
		cmocka_unit_test(a_write_is_answered_when_the_backend_is_through),
		cmocka_unit_test(a_backend_that_gives_up_at_once_is_believed),
		cmocka_unit_test(what_is_on_its_way_back_is_not_overdue),
		cmocka_unit_test(each_io_has_its_own_time),
		cmocka_unit_test(a_command_has_not_the_time_of_the_one_before_in_its_request),
		cmocka_unit_test(an_overdue_request_is_flushed_with_its_queue_pair),
		cmocka_unit_test(a_fence_does_not_wait_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
