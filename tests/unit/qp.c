/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/qp.c and rx.c: the states of a queue pair, its one way out, its receive slots.
 */
#include "fake_verbs.h"

#include <errno.h>
#include <string.h>

#include "nvme/ctrl.h"
#include "transport/listener.h"

static bool is_legal(unsigned from, unsigned to)
{
	return (from == RDMAT_QP_CONNECTING && to == RDMAT_QP_ACTIVE) ||
	       (from == RDMAT_QP_CONNECTING && to == RDMAT_QP_DISCONNECTING) ||
	       (from == RDMAT_QP_ACTIVE && to == RDMAT_QP_DISCONNECTING) ||
	       (from == RDMAT_QP_DISCONNECTING && to == RDMAT_QP_DRAINED) ||
	       (from == RDMAT_QP_DRAINED && to == RDMAT_QP_GONE);
}

static void move_act(void *arg)
{
	const enum rdmat_qp_state *move = arg;
	struct rdmat_qp qp = {.state = move[0]};

	rdmat_qp_move(&qp, move[1]);
}

static void only_the_tables_moves_are_legal(void **state)
{
	for (unsigned from = 0; from < RDMAT_QP_STATE_COUNT; from++)
		for (unsigned to = 0; to < RDMAT_QP_STATE_COUNT; to++) {
			enum rdmat_qp_state move[] = {from, to};
			struct rdmat_qp qp = {.state = from};
			char message[128];

			snprintf(message, sizeof(message), "a queue pair cannot go from %s to %s",
				 rdmat_qp_states[from].name, rdmat_qp_states[to].name);
			if (!is_legal(from, to)) {
				assert_dies(move_act, move, message);
				continue;
			}
			rdmat_qp_move(&qp, to);
			assert_int_equal(qp.state, to);
		}
}

static void a_second_disconnect_does_nothing(void **state)
{
	struct fake fake;

	fake_init(&fake);
	rdmat_qp_disconnect(fake.qp, "first");
	rdmat_qp_disconnect(fake.qp, "second");
	assert_int_equal(fake.errored, 1);
	assert_int_equal(fake.qp->state, RDMAT_QP_DISCONNECTING);
	fake_fini(&fake);
}

static void a_queue_pair_waits_for_its_flush_and_then_no_longer(void **state)
{
	struct fake fake;

	fake_init(&fake);
	assert_int_equal(rdmat_rx_post(fake.rx), 0);
	assert_int_equal(fake.rx->posted, FAKE_SLOTS);
	rdmat_qp_disconnect(fake.qp, NULL);
	assert_false(rdmat_qp_reap(fake.qp));
	assert_int_equal(fake.destroyed, 0);
	fake.now_ns += 1999 * RDMAT_NS_PER_MS;
	fake.group->now_ns = 0;
	assert_false(rdmat_qp_reap(fake.qp));
	assert_int_equal(fake.destroyed, 0);
	fake.now_ns += 2 * RDMAT_NS_PER_MS;
	fake.group->now_ns = 0;
	assert_false(rdmat_qp_reap(fake.qp));
	/* Destroyed, but stale completions are not swept yet. */
	assert_int_equal(fake.destroyed, 1);
	assert_false(rdmat_qp_reap(fake.qp));
	assert_int_equal(fake.rx->posted, FAKE_SLOTS);
	assert_int_equal(fake.ids_destroyed, 0);
	fake_fini(&fake);
}

static void a_queue_pair_outlives_the_backends_hold(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	request = fake_request(&fake);
	rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
	request->backend = request->io_out = true;
	rdmat_qp_disconnect(fake.qp, NULL);
	for (unsigned i = 0; i < 5; i++) {
		fake.now_ns += 3000 * RDMAT_NS_PER_MS;
		fake.group->now_ns = 0;
		fake.group_device.sweeps++;
		assert_false(rdmat_qp_reap(fake.qp));
	}
	assert_int_equal(fake.qp->state, RDMAT_QP_DRAINED);
	assert_int_equal(fake.destroyed, 1);
	assert_int_equal(fake.ids_destroyed, 0);
	request->backend = false;
	assert_true(rdmat_request_settle(request));
	fake_fini(&fake);
}

static void a_removed_device_is_not_waited_for(void **state)
{
	struct fake fake;

	fake_init(&fake);
	assert_int_equal(rdmat_rx_post(fake.rx), 0);
	atomic_store(&fake.device.removed, true);
	rdmat_qp_disconnect(fake.qp, "the device is gone");
	rdmat_qp_reap(fake.qp);
	assert_int_equal(fake.destroyed, 1);
	fake_fini(&fake);
}

/* ---- ends that the control plane wants ---- */

struct said {
	enum wrasse_log_level level;
	char line[512];
};

static void log_note(void *ctx, enum wrasse_log_level level, const char *line)
{
	struct said *said = ctx;

	said->level = level;
	snprintf(said->line, sizeof(said->line), "%s", line);
}

/* The group looks at what the control plane says; the queue pair must go for a reason. */
static void expect_end(struct fake *fake, enum wrasse_log_level level, const char *why)
{
	struct said said = {.line = ""};

	fake->rdmat.opts.log = log_note;
	fake->rdmat.opts.log_ctx = &said;
	rdmat_group_sync(fake->group);
	fake->rdmat.opts.log = NULL;
	assert_int_equal(fake->qp->tearing, why != NULL);
	if (!why) {
		assert_string_equal(said.line, "");
		return;
	}
	assert_int_equal(said.level, level);
	assert_non_null(strstr(said.line, why));
}

static void only_an_end_that_nobody_wanted_is_a_warning(void **state)
{
	static struct wrasse_subsystem subsystem = {.nqn = "nqn.2026-01.org.example:sub"};
	static struct nvme_ctrl ctrl = {.subsystem = &subsystem,
					.hostnqn = "nqn.2026-01.org.example:host"};
	static uint64_t qids[1];
	struct wrasse_listener listener = {.number = 3};
	struct fake fake;

	fake_init(&fake);
	fake.rdmat.listeners = &listener;
	fake.qp->listener = 3;
	expect_end(&fake, 0, NULL);
	fake.qp->listener = 2;
	expect_end(&fake, WRASSE_LOG_INFO, "its listener was stopped");
	fake_fini(&fake);

	fake_init(&fake);
	fake_open(&fake);
	atomic_store(&fake.device.removed, true);
	expect_end(&fake, WRASSE_LOG_WARN, "the device is gone");
	fake_fini(&fake);

	fake_init(&fake);
	fake.rdmat.listeners = &listener;
	fake.qp->listener = 3;
	fake.qp->nvme.ctrl = &ctrl;
	ctrl.qids = qids;
	ctrl.refs = 2;
	expect_end(&fake, 0, NULL);
	nvme_ctrl_end(&ctrl);
	expect_end(&fake, WRASSE_LOG_INFO, "its controller ended");
	fake_fini(&fake);
}

/* ---- set-up ---- */

static struct said heard;

static void heard_init(struct fake *fake)
{
	memset(&heard, 0, sizeof(heard));
	fake->rdmat.opts.log = log_note;
	fake->rdmat.opts.log_ctx = &heard;
}

static void a_queue_pair_asks_for_no_more_than_its_device_can(void **state)
{
	static const struct {
		bool iwarp;
		struct ibv_device_attr can;
		uint32_t reads, sges, slots;
	} t[] = {
		{false, {.max_sge = 30, .max_qp_wr = 1000, .max_qp_init_rd_atom = 128}, 4, 8, 21},
		{false, {.max_sge = 3, .max_qp_wr = 10, .max_qp_init_rd_atom = 2}, 2, 3, 10},
		/* A device that does not say is believed to have enough. */
		{false, {.max_sge = 30}, 4, 8, 21},
		/* There an RDMA READ may have a limit of its own. */
		{true, {.max_sge = 30, .max_sge_rd = 1}, 4, 1, 21},
		{true, {.max_sge = 30, .max_sge_rd = 9}, 4, 8, 21},
		{true, {.max_sge = 30}, 4, 8, 21},
		{false, {.max_sge = 30, .max_sge_rd = 1}, 4, 8, 21},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct rdmat_qp *qp;
		struct fake fake;

		fake_init(&fake);
		fake.rdmat.opts.max_read_depth = 16;
		fake.device.attr = t[i].can;
		fake.device.attr.max_cqe = 4096;
		fake.device.iwarp = t[i].iwarp;
		fake_open(&fake);
		qp = fake_connect(&fake, 0, 2);
		assert_non_null(qp);
		assert_int_equal(fake.coming.accepted, 1);
		assert_int_equal(qp->reads_free, t[i].reads);
		assert_int_equal(qp->max_sge, t[i].sges);
		assert_int_equal(qp->sq_free, t[i].slots);
		assert_int_equal(fake.coming.asked.cap.max_send_wr, t[i].slots);
		assert_int_equal(fake.coming.asked.cap.max_send_sge, t[i].sges);
		fake_end(&fake, qp);
		fake_fini(&fake);
	}
}

static void a_listeners_wishes_go_with_its_connections(void **state)
{
	struct rdmat_qp *qp;
	struct fake fake;

	for (unsigned wishes = 0; wishes < 2; wishes++) {
		fake_init(&fake);
		fake_open(&fake);
		fake.coming.tos = wishes ? 104 : 0;
		fake.coming.ack_timeout = wishes ? 14 : 0;
		qp = fake_connect(&fake, 1, 4);
		assert_non_null(qp);
		assert_int_equal(fake.option[RDMA_OPTION_ID_TOS], wishes ? 104 : -1);
		assert_int_equal(fake.option[RDMA_OPTION_ID_ACK_TIMEOUT], wishes ? 14 : -1);
		fake_end(&fake, qp);
		fake_fini(&fake);
	}
}

/* The timers of all others are not looked at for it: there may be thousands. */
static void a_connection_adds_its_own_deadline_to_the_groups(void **state)
{
	static const uint64_t due_ms[] = {99, 101};

	for (size_t i = 0; i < sizeof(due_ms) / sizeof(due_ms[0]); i++) {
		struct rdmat_qp *qp;
		struct fake fake;

		fake_init(&fake);
		fake.rdmat.opts.connect_timeout_ms = 100;
		fake_open(&fake);
		fake.group->next_timer_ns = fake.now_ns + due_ms[i] * RDMAT_NS_PER_MS;
		qp = fake_connect(&fake, 1, 4);
		assert_non_null(qp);
		assert_int_equal(qp->deadline_ns, fake.now_ns + 100 * RDMAT_NS_PER_MS);
		assert_int_equal(fake.group->next_timer_ns,
				 fake.now_ns + (i ? 100 : 99) * RDMAT_NS_PER_MS);
		fake_end(&fake, qp);
		fake_fini(&fake);
	}
}

static void a_connection_that_cannot_be_set_up_is_rejected(void **state)
{
	static const char *const steps[] = {"rdma_create_event_channel", "rdma_migrate_id"};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct fake fake;

		fake_init(&fake);
		fake_open(&fake);
		heard_init(&fake);
		fake.fails = steps[i];
		assert_null(fake_connect(&fake, 1, 4));
		assert_int_equal(fake.coming.rejected, 1);
		assert_int_equal(fake.coming.ids_destroyed, 1);
		assert_int_equal(rdmat_group_load(fake.group), 1); /* the fixture's */
		assert_non_null(strstr(heard.line, "rejected: no resources"));
		fake_fini(&fake);
	}
}

static void a_queue_pair_without_its_receives_is_not_accepted(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	fake.recv_fail_at = 2;
	assert_null(fake_connect(&fake, 1, 4));
	assert_int_equal(fake.coming.accepted, 0);
	assert_int_equal(fake.coming.rejected, 1);
	assert_int_equal(fake.coming.destroyed, 1);
	assert_int_equal(fake.coming.ids_destroyed, 1);
	assert_int_equal(fake.group->classes[0].reserved, 0);
	assert_int_equal(fake.group->classes[0].slots, FAKE_SLOTS); /* the fixture's */
	fake_fini(&fake);
}

static void a_connection_that_cannot_be_accepted_goes_the_way_of_all(void **state)
{
	struct rdmat_qp *qp;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	fake.fails = "rdma_accept";
	qp = fake_connect(&fake, 1, 4);
	assert_non_null(qp);
	assert_true(qp->tearing);
	assert_int_equal(fake.coming.rejected, 0);
	fake_end(&fake, qp);
	fake_fini(&fake);
}

static void an_rnr_timer_that_cannot_be_set_is_a_warning(void **state)
{
	struct rdmat_qp *qp;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	heard_init(&fake);
	fake.fails = "ibv_modify_qp";
	qp = fake_connect(&fake, 1, 4);
	assert_non_null(qp);
	assert_false(qp->tearing);
	assert_int_equal(heard.level, WRASSE_LOG_WARN);
	assert_non_null(strstr(heard.line, "RNR timer not set"));
	fake_end(&fake, qp);
	fake_fini(&fake);
}

/* ---- receive slots ---- */

static int idle_count(const struct rdmat_rx *rx)
{
	int count = 0;

	for (const struct ibv_recv_wr *wr = rx->idle; wr; wr = wr->next)
		count++;
	return count;
}

static void slots_that_the_device_refuses_are_idle_again(void **state)
{
	for (int bad = 0; bad < FAKE_SLOTS; bad++) {
		struct fake fake;

		fake_init(&fake);
		fake.recv_fail_at = bad;
		assert_int_equal(rdmat_rx_post(fake.rx), -ENOMEM);
		assert_int_equal(fake.rx->posted, bad);
		assert_int_equal(idle_count(fake.rx), FAKE_SLOTS - bad);
		assert_int_equal(fake.rx->held, 0);
		fake.recv_fail_at = -1;
		assert_int_equal(rdmat_rx_post(fake.rx), 0);
		assert_int_equal(fake.rx->posted, FAKE_SLOTS);
		assert_int_equal(fake.recv_posted, FAKE_SLOTS);
		fake_fini(&fake);
	}
}

static void a_stopped_receiver_posts_no_more(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake.rx->stopped = true;
	assert_int_equal(rdmat_rx_post(fake.rx), 0);
	assert_int_equal(fake.recv_posted, 0);
	fake_fini(&fake);
}

static int post_srq_recv(struct ibv_srq *srq, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	(void)srq;
	(void)wr;
	(void)bad;
	return 0;
}

/* A receiver with a shared receive queue, of so many slots. */
static struct rdmat_rx *shared_receiver(struct fake *fake, struct ibv_srq *srq, unsigned class,
					uint32_t slots)
{
	struct rdmat_rx *rx;

	fake->context.ops.post_srq_recv = post_srq_recv;
	*srq = (struct ibv_srq){.context = &fake->context};
	assert_int_equal(rdmat_rx_create(fake->group, &fake->group->classes[class], &fake->device,
					 slots, false, &rx),
			 0);
	rx->srq = srq;
	rdmat_rx_want(rx, 0);
	return rx;
}

/* What a poll does. @looked_at: whether it finds the receiver on its list. */
static void poll_posts(struct rdmat_rx *rx, bool looked_at, uint32_t posted)
{
	assert_int_equal(pool_link_is_on_list(&rx->link), looked_at);
	if (looked_at) {
		pool_list_del(&rx->link);
		assert_int_equal(rdmat_rx_post(rx), 0);
	}
	assert_int_equal(rx->posted, posted);
}

/* Admin commands come first wherever something is scarce: who floods them must not have all of it. */
static void admin_queues_that_share_receives_have_what_was_promised_posted(void **state)
{
	struct ibv_srq srq;
	struct rdmat_rx *rx;
	struct fake fake;

	fake_init(&fake);
	rx = shared_receiver(&fake, &srq, 1, 64);
	poll_posts(rx, true, 1); /* for the first */
	rdmat_rx_want(rx, 8);
	rdmat_rx_out(rx, 3);
	poll_posts(rx, true, 5);
	/* A slot that gave its capsule makes room for another, whatever becomes of that. */
	rdmat_rx_taken(&rx->slots[0]);
	poll_posts(rx, true, 5);
	rdmat_rx_give(&rx->slots[0]);
	poll_posts(rx, true, 5);
	/* One that nobody took is missed as long as no request is out for it. */
	rdmat_rx_pass(&rx->slots[1]);
	poll_posts(rx, true, 5);
	rdmat_rx_out(rx, 1);
	rdmat_rx_pass(&rx->slots[2]);
	poll_posts(rx, false, 4);
	rdmat_rx_out(rx, -1);
	poll_posts(rx, true, 5);
	/* They may need more than there are: all are posted. */
	rdmat_rx_want(rx, 57);
	rdmat_rx_out(rx, -3);
	poll_posts(rx, true, 64);
	rdmat_rx_reclaim(rx);
	rx->srq = NULL;
	rdmat_rx_destroy(rx);
	fake_fini(&fake);
}

/* Hosts have as many as they may use, and the device is told in batches. */
static void shared_receives_of_io_are_posted_in_batches(void **state)
{
	struct ibv_srq srq;
	struct rdmat_rx *rx;
	struct fake fake;

	fake_init(&fake);
	rx = shared_receiver(&fake, &srq, 0, 64);
	poll_posts(rx, true, 17);
	rdmat_rx_want(rx, 4);
	poll_posts(rx, false, 17);
	rdmat_rx_want(rx, 14);
	poll_posts(rx, true, 34);
	for (unsigned i = 0; i < 16; i++) {
		rdmat_rx_pass(&rx->slots[i]);
		poll_posts(rx, false, 33 - i);
	}
	rdmat_rx_pass(&rx->slots[16]);
	poll_posts(rx, true, 34);
	/* All that there are may be needed, and then more. */
	rdmat_rx_want(rx, 46);
	poll_posts(rx, true, 64);
	rdmat_rx_taken(&rx->slots[20]);
	rdmat_rx_give(&rx->slots[20]);
	poll_posts(rx, true, 64);
	rdmat_rx_want(rx, 1);
	for (unsigned i = 21; i < 23; i++) {
		rdmat_rx_pass(&rx->slots[i]);
		poll_posts(rx, false, 84 - i);
	}
	rdmat_rx_pass(&rx->slots[23]);
	poll_posts(rx, true, 64);
	rdmat_rx_reclaim(rx);
	rx->srq = NULL;
	rdmat_rx_destroy(rx);
	fake_fini(&fake);
}

static void give_twice(void *arg)
{
	struct fake fake;

	fake_init(&fake);
	assert_int_equal(rdmat_rx_post(fake.rx), 0);
	rdmat_rx_taken(&fake.rx->slots[0]);
	rdmat_rx_give(&fake.rx->slots[0]);
	rdmat_rx_give(&fake.rx->slots[0]);
}

static void take_twice(void *arg)
{
	struct fake fake;

	fake_init(&fake);
	assert_int_equal(rdmat_rx_post(fake.rx), 0);
	rdmat_rx_taken(&fake.rx->slots[0]);
	rdmat_rx_taken(&fake.rx->slots[0]);
}

static void give_what_the_hardware_has(void *arg)
{
	struct fake fake;

	fake_init(&fake);
	assert_int_equal(rdmat_rx_post(fake.rx), 0);
	rdmat_rx_taken(&fake.rx->slots[0]);
	rdmat_rx_give(&fake.rx->slots[1]);
}

static void destroy_with_a_slot_held(void *arg)
{
	struct fake fake;

	fake_init(&fake);
	fake_request(&fake);
	rdmat_rx_destroy(fake.rx);
}

static void a_slot_is_in_one_place_only(void **state)
{
	assert_dies(give_what_the_hardware_has, NULL, "that nobody held");
	assert_dies(destroy_with_a_slot_held, NULL, "while requests hold 1 of its slots");
	assert_dies(give_twice, NULL, "that nobody held");
	assert_dies(take_twice, NULL, "that was not posted");
}

static void a_shared_receive_queue_that_stays_is_told(void **state)
{
	struct rdmat_group_device *device;
	struct fake fake;

	fake_init(&fake);
	fake.device.attr.max_srq = 2;
	fake.device.attr.max_srq_wr = FAKE_SLOTS;
	device = fake_open(&fake);
	fake_set_device(fake.qp, &fake.group_device);
	heard_init(&fake);
	fake.fails = "ibv_destroy_srq";
	rdmat_group_device_free(device);
	assert_int_equal(heard.level, WRASSE_LOG_ERROR);
	assert_non_null(strstr(heard.line, "shared receive queue not destroyed: errno 16"));
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_tables_moves_are_legal),
		cmocka_unit_test(a_second_disconnect_does_nothing),
		cmocka_unit_test(a_queue_pair_waits_for_its_flush_and_then_no_longer),
		cmocka_unit_test(a_queue_pair_outlives_the_backends_hold),
		cmocka_unit_test(a_removed_device_is_not_waited_for),
		cmocka_unit_test(only_an_end_that_nobody_wanted_is_a_warning),
		cmocka_unit_test(a_queue_pair_asks_for_no_more_than_its_device_can),
		cmocka_unit_test(a_listeners_wishes_go_with_its_connections),
		cmocka_unit_test(a_connection_adds_its_own_deadline_to_the_groups),
		cmocka_unit_test(a_connection_that_cannot_be_set_up_is_rejected),
		cmocka_unit_test(a_queue_pair_without_its_receives_is_not_accepted),
		cmocka_unit_test(a_connection_that_cannot_be_accepted_goes_the_way_of_all),
		cmocka_unit_test(an_rnr_timer_that_cannot_be_set_is_a_warning),
		cmocka_unit_test(slots_that_the_device_refuses_are_idle_again),
		cmocka_unit_test(a_stopped_receiver_posts_no_more),
		cmocka_unit_test(shared_receives_of_io_are_posted_in_batches),
		cmocka_unit_test(admin_queues_that_share_receives_have_what_was_promised_posted),
		cmocka_unit_test(a_slot_is_in_one_place_only),
		cmocka_unit_test(a_shared_receive_queue_that_stays_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
