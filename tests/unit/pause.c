/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/pause.c: a poll group's part of a pause. Commands in every state that they can be in
 * when their namespace is paused, resumed or removed.
 */
#include "fake_io.h"

#include <string.h>

#include "nvme/ctrl.h"
#include "transport/flow.h"
#include "transport/listener.h"
#include "transport/pause.h"

static struct wrasse_subsystem *subsystem;
static struct wrasse_namespace *ns[2];

static struct wrasse_namespace *add(struct fake *fake)
{
	static const struct wrasse_backend_ops ops = {.size = sizeof(ops), .submit = fake_submit};
	struct wrasse_namespace *made = NULL;
	struct wrasse_ns_opts opts;
	const char *why;

	wrasse_ns_opts_init(&opts);
	opts.block_count = 4096;
	opts.ops = &ops;
	assert_true(nvme_ns_create(subsystem, &opts, &made, &why) > 0);
	return made;
}

/* The fixture's queue pair is of a controller with two namespaces of 512-byte blocks. */
static void begin(struct fake *fake)
{
	struct wrasse_subsystem_opts opts;
	static struct wrasse_listener listener;
	const char *why;

	fake_init(fake);
	fake->rdmat.listeners = &listener; /* that the queue pair came through */
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = "nqn.2026-01.org.example:sub";
	assert_int_equal(nvme_subsystem_create(fake->rdmat.registry, &opts, &subsystem, &why), 0);
	ns[0] = add(fake);
	ns[1] = add(fake);
	fake_ctrl_set(fake, subsystem, subsystem->ana_groups);
	strcpy(fake_ctrl.hostnqn, "nqn.2026-01.org.example:host");
	fake->qp->nvme.view = subsystem->view[0];
	rdmat_group_sync(fake->group);
}

/* Each command to a place of its own. */
static void comes(struct fake *fake, uint8_t opcode, uint32_t nsid, uint16_t cid, uint32_t blocks)
{
	fake_command_comes(fake, opcode, nsid, cid, cid, blocks);
}

static void write_in_capsule_comes(struct fake *fake, uint16_t cid)
{
	struct rdmat_slot *slot = fake_slot(fake);
	struct nvme_cmd *cmd = (struct nvme_cmd *)slot->capsule;

	cmd->opcode = NVME_OPC_WRITE;
	cmd->flags = NVME_PSDT_SGL;
	nvme_put16(&cmd->cid, cid);
	nvme_put32(&cmd->nsid, 1);
	cmd->sgl.id = NVME_SGL_OFFSET;
	nvme_put32(&cmd->sgl.plain.len, 512);
	rdmat_flow_capsule(fake->qp, slot, sizeof(*cmd) + 512);
}

static void set_pause(struct fake *fake, bool *on, bool value)
{
	*on = value;
	rdmat_group_sync(fake->group);
	rdmat_flow_resume(fake->group);
}

static void all_end(struct fake *fake)
{
	for (unsigned i = 0; i < fake_io_count; i++)
		fake_io_ends(i, wrasse_status_ok());
	rdmat_sendq_post(fake->qp);
	fake_complete(fake);
	fake_expect_balance(fake);
	assert_int_equal(fake->qp->paused, 0);
	assert_int_equal(atomic_load(&fake_ctrl.io_waiting), 0);
}

static uint16_t submitted_cid(unsigned which)
{
	return nvme_get16(pool_container(fake_ios[which], struct nvme_request, io)->cmd.cid);
}

/* ---- what waits ---- */

static void new_io_of_a_paused_namespace_waits_with_nothing_in_hand(void **state)
{
	struct fake fake;

	begin(&fake);
	set_pause(&fake, &ns[0]->pause.on, true);
	comes(&fake, NVME_OPC_READ, 1, 1, 8);
	comes(&fake, NVME_OPC_WRITE, 1, 2, 8);
	comes(&fake, NVME_OPC_FLUSH, 1, 3, 1);
	assert_int_equal(fake_io_count, 0);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_RESUME), 3);
	assert_int_equal(pool_free_count(fake.group->small), FAKE_SMALL);
	assert_int_equal(pool_free_count(fake.group->wr_pool), FAKE_WRS);
	assert_int_equal(fake.rx->held, 0);
	assert_int_equal(fake.qp->paused, 3);
	assert_int_equal(atomic_load(&fake_ctrl.io_waiting), 3);
	fake_fini(&fake);
}

static void data_in_a_capsule_waits_in_its_slot(void **state)
{
	struct fake fake;

	begin(&fake);
	set_pause(&fake, &ns[0]->pause.on, true);
	write_in_capsule_comes(&fake, 1);
	assert_int_equal(fake.rx->held, 1);
	assert_int_equal(fake_io_count, 0);
	set_pause(&fake, &ns[0]->pause.on, false);
	assert_int_equal(fake_io_count, 1);
	assert_int_equal(fake_ios[0]->length, 512);
	all_end(&fake);
	fake_fini(&fake);
}

static void other_namespaces_are_served(void **state)
{
	struct fake fake;

	begin(&fake);
	set_pause(&fake, &ns[0]->pause.on, true);
	comes(&fake, NVME_OPC_READ, 1, 1, 8);
	comes(&fake, NVME_OPC_READ, 2, 2, 8);
	assert_int_equal(fake_io_count, 1);
	assert_int_equal(submitted_cid(0), 2);
	set_pause(&fake, &ns[0]->pause.on, false);
	assert_int_equal(fake_io_count, 2);
	all_end(&fake);
	fake_fini(&fake);
}

static void a_subsystem_pauses_all_of_its_namespaces_also_new_ones(void **state)
{
	struct fake fake;

	begin(&fake);
	set_pause(&fake, &subsystem->pause.on, true);
	add(&fake);
	rdmat_group_sync(fake.group);
	for (uint32_t nsid = 1; nsid <= 3; nsid++)
		comes(&fake, NVME_OPC_READ, nsid, (uint16_t)nsid, 8);
	assert_int_equal(fake_io_count, 0);
	/* Its own pause holds when that of the subsystem ends. */
	ns[1]->pause.on = true;
	set_pause(&fake, &subsystem->pause.on, false);
	assert_int_equal(fake_io_count, 2);
	set_pause(&fake, &ns[1]->pause.on, false);
	assert_int_equal(fake_io_count, 3);
	all_end(&fake);
	fake_fini(&fake);
}

/* ---- states in which a pause finds a command ---- */

static void who_waits_for_buffers_waits_for_the_resume_instead(void **state)
{
	static int other;
	struct pool_item *hog;
	struct fake fake;

	begin(&fake);
	hog = pool_take(fake.group->small, FAKE_SMALL, 0, &other);
	comes(&fake, NVME_OPC_READ, 1, 1, 8);
	comes(&fake, NVME_OPC_READ, 2, 2, 8);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_RESOURCES), 2);
	set_pause(&fake, &ns[0]->pause.on, true);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_RESUME), 1);
	assert_true(pool_link_is_on_list(&fake.qp->wait_link));
	set_pause(&fake, &ns[1]->pause.on, true);
	assert_false(pool_link_is_on_list(&fake.qp->wait_link));
	set_pause(&fake, &ns[1]->pause.on, false);
	pool_give(fake.group->small, hog);
	rdmat_flow_resume(fake.group);
	assert_int_equal(fake_io_count, 1);
	assert_int_equal(submitted_cid(0), 2);
	set_pause(&fake, &ns[0]->pause.on, false);
	assert_int_equal(fake_io_count, 2);
	all_end(&fake);
	fake_fini(&fake);
}

/* A namespace that its host does not see holds nothing up, until it does. */
static void what_was_hidden_when_it_was_paused_waits_once_it_is_shown(void **state)
{
	_Atomic(uint64_t) sees[1] = {1};
	static int other;
	struct pool_item *hog;
	struct fake fake;

	begin(&fake);
	ns[0]->port[0].restricted = true;
	fake_ctrl.sees = sees;
	hog = pool_take(fake.group->small, FAKE_SMALL, 0, &other);
	comes(&fake, NVME_OPC_READ, 1, 1, 8);
	atomic_store(&sees[0], 0);
	set_pause(&fake, &ns[0]->pause.on, true);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_RESOURCES), 1);
	atomic_store(&sees[0], 1);
	pool_give(fake.group->small, hog);
	rdmat_flow_resume(fake.group);
	assert_int_equal(fake_io_count, 0);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_RESUME), 1);
	set_pause(&fake, &ns[0]->pause.on, false);
	assert_int_equal(fake_io_count, 1);
	all_end(&fake);
	ns[0]->port[0].restricted = false;
	fake_ctrl.sees = NULL;
	fake_fini(&fake);
}

static void who_waits_to_fetch_gives_buffers_and_wrs_back(void **state)
{
	struct fake fake;

	begin(&fake);
	fake.qp->reads_free = 0;
	comes(&fake, NVME_OPC_WRITE, 1, 1, 128);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_FETCH), 1);
	assert_true(pool_free_count(fake.group->large) < FAKE_LARGE);
	set_pause(&fake, &ns[0]->pause.on, true);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_RESUME), 1);
	assert_int_equal(pool_free_count(fake.group->large), FAKE_LARGE);
	assert_int_equal(pool_free_count(fake.group->wr_pool), FAKE_WRS);
	fake.qp->reads_free = FAKE_READS;
	set_pause(&fake, &ns[0]->pause.on, false);
	rdmat_sendq_post(fake.qp);
	while (fake.posted_count) {
		fake_complete(&fake);
		rdmat_sendq_post(fake.qp);
	}
	assert_int_equal(fake_io_count, 1);
	all_end(&fake);
	fake_fini(&fake);
}

static void what_was_being_fetched_is_fetched_again(void **state)
{
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_WRITE, 1, 1, 8);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, 1);
	set_pause(&fake, &ns[0]->pause.on, true);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_FETCHING), 1);
	fake_complete(&fake);
	assert_int_equal(fake_io_count, 0);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_RESUME), 1);
	assert_int_equal(pool_free_count(fake.group->small), FAKE_SMALL);
	set_pause(&fake, &ns[0]->pause.on, false);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, 1);
	assert_int_equal(fake.posted[0]->opcode, IBV_WR_RDMA_READ);
	assert_int_equal(fake.posted[0]->wr.rdma.remote_addr, FAKE_HOST_ADDR);
	fake_complete(&fake);
	assert_int_equal(fake_io_count, 1);
	all_end(&fake);
	fake_fini(&fake);
}

static void io_goes_on_in_the_order_of_arrival(void **state)
{
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_WRITE, 1, 1, 8);
	rdmat_sendq_post(fake.qp);
	comes(&fake, NVME_OPC_WRITE, 1, 2, 8);
	set_pause(&fake, &ns[0]->pause.on, true);
	for (uint16_t cid = 3; cid < 6; cid++)
		comes(&fake, NVME_OPC_READ, 1, cid, 8);
	/* The oldest comes last to those that wait. */
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_RESUME), 5);
	for (uint16_t cid = 1; cid < 6; cid++) {
		struct pool_link *link =
			pool_list_first(&fake.qp->lists[RDMAT_REQUEST_WAIT_RESUME]);
		struct rdmat_request *request = pool_container(link, struct rdmat_request, link);

		assert_int_equal(nvme_get16(request->nvme.cmd.cid), cid);
		rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
	}
	fake_fini(&fake);
}

static void what_the_backend_has_is_answered(void **state)
{
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_READ, 1, 1, 8);
	assert_int_equal(fake_io_count, 1);
	set_pause(&fake, &ns[0]->pause.on, true);
	assert_false(atomic_load(&ns[0]->port[0].quiet));
	all_end(&fake);
	assert_true(atomic_load(&ns[0]->port[0].quiet));
	set_pause(&fake, &ns[0]->pause.on, false);
	assert_false(atomic_load(&ns[0]->port[0].quiet));
	fake_fini(&fake);
}

static void a_namespace_without_io_is_quiet_at_once(void **state)
{
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_READ, 2, 1, 8);
	set_pause(&fake, &ns[0]->pause.on, true);
	assert_true(atomic_load(&ns[0]->port[0].quiet));
	assert_false(atomic_load(&ns[1]->port[0].quiet));
	all_end(&fake);
	assert_false(atomic_load(&ns[1]->port[0].quiet));
	fake_fini(&fake);
}

/* ---- ends ---- */

static void the_io_of_a_removed_namespace_waits_no_more(void **state)
{
	struct fake fake;

	begin(&fake);
	set_pause(&fake, &ns[0]->pause.on, true);
	comes(&fake, NVME_OPC_READ, 1, 1, 8);
	nvme_ns_remove(ns[0]);
	rdmat_group_sync(fake.group);
	assert_int_equal(fake_io_count, 0);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, 1);
	assert_int_equal(fake.group->stats.errors, 1);
	all_end(&fake);
	rdmat_group_detach_leaving(fake.group);
	assert_true(nvme_ns_is_gone(ns[0]));
	assert_false(ns[0]->port[0].paused);
	fake_fini(&fake);
}

static void waiting_io_ends_with_its_connection(void **state)
{
	struct fake fake;

	begin(&fake);
	set_pause(&fake, &ns[0]->pause.on, true);
	comes(&fake, NVME_OPC_READ, 1, 1, 8);
	write_in_capsule_comes(&fake, 2);
	rdmat_qp_disconnect(fake.qp, NULL);
	assert_int_equal(fake.qp->requests_out, 0);
	assert_int_equal(fake.qp->paused, 0);
	assert_int_equal(atomic_load(&fake_ctrl.io_waiting), 0);
	fake_fini(&fake);
}

static void a_connect_that_is_tried_again_has_come_in_time(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	request = fake_request(&fake);
	rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
	fake.qp->retry = &request->nvme;
	fake.qp->retry_tail = &request->nvme.next;
	request->nvme.next = NULL;
	fake.qp->nvme.state = NVME_QUEUE_NEW;
	fake.qp->nvme.on = NVME_ON_NEW;
	fake.qp->deadline_ns = fake.now_ns + 100 * RDMAT_NS_PER_MS;
	fake.now_ns += 100 * RDMAT_NS_PER_MS;
	fake.group->now_ns = 0;
	fake.rdmat.opts.connect_timeout_ms = 70;
	rdmat_group_timers(fake.group);
	assert_false(fake.qp->tearing);
	/* It was refused; the answer must get out, and another may follow. */
	assert_null(fake.qp->retry);
	assert_int_equal(fake.qp->nvme.state, NVME_QUEUE_NEW);
	assert_int_equal(fake.group->next_timer_ns, fake.now_ns + 70 * RDMAT_NS_PER_MS);
	fake_fini(&fake);
}

/* ---- blockers ---- */

static void only_the_backends_io_of_what_is_paused_is_named(void **state)
{
	struct rdmat_pause *wait = calloc(1, sizeof(*wait));
	struct fake fake;

	begin(&fake);
	wait->subsystem = subsystem;
	wait->ns = ns[0];
	ns[0]->pause.wait = wait;
	comes(&fake, NVME_OPC_READ, 1, 7, 8);
	comes(&fake, NVME_OPC_READ, 2, 8, 8);
	set_pause(&fake, &ns[0]->pause.on, true);
	comes(&fake, NVME_OPC_READ, 1, 9, 8);
	assert_int_equal(wait->blocker_count, 0);
	wait->asked = true;
	rdmat_group_sync(fake.group);
	rdmat_group_sync(fake.group);
	assert_true(rdmat_pause_has_told(wait, 0));
	assert_false(rdmat_pause_has_told(wait, 1));
	assert_int_equal(wait->blocker_count, 1);
	assert_int_equal(wait->blockers[0].cid, 7);
	assert_int_equal(wait->blockers[0].nsid, 1);
	assert_int_equal(wait->blockers[0].qid, 1);
	assert_true(wait->blockers[0].backend);
	assert_string_equal(wait->blockers[0].hostnqn, "nqn.2026-01.org.example:host");
	assert_string_equal(wait->blockers[0].subnqn, "nqn.2026-01.org.example:sub");
	ns[0]->pause.wait = NULL;
	/* The subsystem has one more. */
	memset(wait, 0, sizeof(*wait));
	wait->subsystem = subsystem;
	wait->asked = true;
	subsystem->pause.wait = wait;
	rdmat_group_sync(fake.group);
	assert_int_equal(wait->blocker_count, 2);
	subsystem->pause.wait = NULL;
	set_pause(&fake, &ns[0]->pause.on, false);
	all_end(&fake);
	fake_fini(&fake);
	free(wait);
}

static void what_does_not_fit_is_counted(void **state)
{
	struct rdmat_pause *wait = calloc(1, sizeof(*wait));
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_READ, 1, 7, 8);
	comes(&fake, NVME_OPC_READ, 1, 8, 8);
	wait->subsystem = subsystem;
	wait->ns = ns[0];
	wait->asked = true;
	wait->blocker_count = RDMAT_MAX_BLOCKERS - 1;
	ns[0]->pause.wait = wait;
	rdmat_group_sync(fake.group);
	assert_int_equal(wait->blocker_count, RDMAT_MAX_BLOCKERS);
	assert_int_equal(wait->blockers_omitted, 1);
	ns[0]->pause.wait = NULL;
	all_end(&fake);
	fake_fini(&fake);
	free(wait);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_io_of_a_paused_namespace_waits_with_nothing_in_hand),
		cmocka_unit_test(data_in_a_capsule_waits_in_its_slot),
		cmocka_unit_test(other_namespaces_are_served),
		cmocka_unit_test(a_subsystem_pauses_all_of_its_namespaces_also_new_ones),
		cmocka_unit_test(who_waits_for_buffers_waits_for_the_resume_instead),
		cmocka_unit_test(what_was_hidden_when_it_was_paused_waits_once_it_is_shown),
		cmocka_unit_test(who_waits_to_fetch_gives_buffers_and_wrs_back),
		cmocka_unit_test(what_was_being_fetched_is_fetched_again),
		cmocka_unit_test(io_goes_on_in_the_order_of_arrival),
		cmocka_unit_test(what_the_backend_has_is_answered),
		cmocka_unit_test(a_namespace_without_io_is_quiet_at_once),
		cmocka_unit_test(the_io_of_a_removed_namespace_waits_no_more),
		cmocka_unit_test(waiting_io_ends_with_its_connection),
		cmocka_unit_test(a_connect_that_is_tried_again_has_come_in_time),
		cmocka_unit_test(only_the_backends_io_of_what_is_paused_is_named),
		cmocka_unit_test(what_does_not_fit_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
