/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/ana.c and path.c: which commands a state refuses on which path, the event, the log page.
 */
#include <errno.h>

#include "nvme_fixture.h"

static uint8_t page[8192];
static uint16_t portal[2];

static uint64_t get(size_t at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)page[at + i] << (8 * i);
	return value;
}

static int setup(void **state)
{
	fx_setup(state);
	for (unsigned i = 0; i < 2; i++)
		portal[i] = (uint16_t)nvme_registry_add_portal(fx_registry, 1, false, "192.0.2.7",
							       i ? "4421" : "4420", 4);
	return 0;
}

static struct nvme_queue *ready_on(uint16_t number)
{
	struct nvme_queue *queue = fx_queue(0);

	queue->conn.portal = number;
	fx_connect_with(queue, 0xffff, FX_SUBNQN, 0);
	fx_write_cc(queue, FX_CC_ENABLE);
	return queue;
}

static struct nvme_queue *io_on(const struct nvme_queue *admin)
{
	struct nvme_queue *queue = fx_queue_of(1, 32, 1);

	queue->conn.portal = admin->conn.portal;
	return fx_connect_with(queue, nvme_queue_cntlid(admin), FX_SUBNQN, 0);
}

static struct wrasse_namespace *add_ns(uint32_t nsid, uint32_t group)
{
	return fx_add_ns_with(fx_subsystem, nsid, 1000, group, false);
}

static void set(uint16_t number, uint32_t group, enum wrasse_ana_state state)
{
	assert_int_equal(nvme_path_set_ana(fx_subsystem, number, group, state), 0);
	fx_check_counts();
}

static uint16_t flush_status(struct nvme_queue *io, uint32_t nsid)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_FLUSH, nsid);
	struct nvme_request request;
	struct fx_run run = fx_run_request(&request, io, (const uint8_t *)&cmd, sizeof(cmd));

	if (run.next != NVME_SUBMIT)
		return run.status;
	nvme_request_complete_io(&request, wrasse_status_ok());
	return 0;
}

/* ---- commands ---- */

static void every_state_has_its_status_on_its_path_only(void **state)
{
	static const struct {
		enum wrasse_ana_state state;
		uint16_t status;
	} cases[] = {
		{WRASSE_ANA_OPTIMIZED, 0},           {WRASSE_ANA_INACCESSIBLE, 0x302},
		{WRASSE_ANA_PERSISTENT_LOSS, 0x301}, {WRASSE_ANA_CHANGE, 0x303},
		{WRASSE_ANA_NON_OPTIMIZED, 0},
	};
	struct nvme_queue *admin[2], *io[2];

	add_ns(1, 1);
	add_ns(2, 2);
	for (unsigned i = 0; i < 2; i++) {
		admin[i] = ready_on(portal[i]);
		io[i] = io_on(admin[i]);
	}
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set(portal[0], 1, cases[i].state);
		assert_int_equal(flush_status(io[0], 1), cases[i].status);
		assert_int_equal(flush_status(io[0], 2), 0);
		assert_int_equal(flush_status(io[1], 1), 0);
		assert_int_equal(nvme_path_get_ana(fx_subsystem, portal[0], 1), cases[i].state);
		assert_int_equal(nvme_path_get_ana(fx_subsystem, portal[1], 1),
				 WRASSE_ANA_OPTIMIZED);
	}
	/* None of that was an error of the host. */
	assert_int_equal(admin[0]->ctrl->error_count, 0);
	for (unsigned i = 0; i < 2; i++) {
		fx_queue_gone(io[i]);
		fx_queue_gone(admin[i]);
	}
}

static void command_that_waited_is_judged_again_before_it_is_submitted(void **state)
{
	struct wrasse_namespace *ns = add_ns(1, 1);
	struct nvme_queue *admin = ready_on(portal[0]), *io = io_on(admin);
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_FLUSH, 1);
	struct nvme_request request = {.queue = io};
	struct nvme_actions actions = {0};

	assert_true(nvme_request_parse(&request, (const uint8_t *)&cmd, sizeof(cmd)));
	set(portal[0], 1, WRASSE_ANA_INACCESSIBLE);
	assert_int_equal(nvme_request_execute(&request, fx_now, &actions), NVME_RESPOND);
	assert_int_equal(nvme_request_status(&request).sct, WRASSE_SCT_PATH);
	assert_int_equal(nvme_request_status(&request).sc, NVME_SC_ANA_INACCESSIBLE);
	assert_int_equal(ns->port[1].in_flight, 0);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void portal_0_is_every_path_and_those_to_come(void **state)
{
	struct nvme_queue *before, *after;

	add_ns(1, 1);
	before = ready_on(portal[0]);
	set(0, 1, WRASSE_ANA_NON_OPTIMIZED);
	set(0, 0, WRASSE_ANA_INACCESSIBLE);
	set(0, 2, WRASSE_ANA_CHANGE);
	after = ready_on(portal[1]);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(nvme_path_get_ana(fx_subsystem, portal[i], 1),
				 WRASSE_ANA_INACCESSIBLE);
		assert_int_equal(nvme_path_get_ana(fx_subsystem, portal[i], 2), WRASSE_ANA_CHANGE);
	}
	assert_int_equal(nvme_path_state(before->path, 16), WRASSE_ANA_INACCESSIBLE);
	assert_int_equal(nvme_path_state(after->path, 1), WRASSE_ANA_INACCESSIBLE);
	fx_queue_gone(before);
	fx_queue_gone(after);
}

static void states_and_groups_that_are_none_are_refused(void **state)
{
	static const int states[] = {0, 5, 14, 16, -1};

	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		assert_int_equal(nvme_path_set_ana(fx_subsystem, 0, 1,
						   (enum wrasse_ana_state)states[i]),
				 -EINVAL);
	assert_int_equal(nvme_path_set_ana(fx_subsystem, 0, 17, WRASSE_ANA_OPTIMIZED), -EINVAL);
	assert_int_equal(nvme_path_get_ana(fx_subsystem, 0, 17), -EINVAL);
	assert_int_equal(nvme_path_get_ana(fx_subsystem, 0, 0), -EINVAL);
	assert_int_equal(nvme_path_get_ana(fx_subsystem, 0, 16), WRASSE_ANA_OPTIMIZED);
}

static void states_of_a_portal_end_with_it(void **state)
{
	struct nvme_queue *admin = ready_on(portal[0]);

	set(portal[0], 1, WRASSE_ANA_INACCESSIBLE);
	nvme_registry_remove_portal(fx_registry, portal[0]);
	/* What the controller has stays until it ends; a connection that came late has its own. */
	assert_int_equal(nvme_path_state(admin->path, 1), WRASSE_ANA_INACCESSIBLE);
	assert_int_equal(nvme_path_get_ana(fx_subsystem, portal[0], 1), WRASSE_ANA_OPTIMIZED);
	fx_queue_gone(admin);
	admin = ready_on(portal[0]);
	assert_int_equal(nvme_path_state(admin->path, 1), WRASSE_ANA_OPTIMIZED);
	assert_null(fx_subsystem->paths);
	fx_queue_gone(admin);
}

static void features_of_what_cannot_be_reached_are_not_to_be_had(void **state)
{
	static const uint8_t held[] = {NVME_FID_RESERVATION_MASK, NVME_FID_RESERVATION_PERSISTENCE,
				       NVME_FID_WRITE_PROTECT};
	struct nvme_queue *admin = ready_on(portal[0]);

	add_ns(1, 1);
	add_ns(2, 2);
	for (unsigned i = 0; i < sizeof(held); i++) {
		for (unsigned set_it = 0; set_it < 2; set_it++) {
			struct nvme_cmd cmd =
				fx_cmd(set_it ? NVME_OPC_SET_FEATURES : NVME_OPC_GET_FEATURES, 1);

			nvme_put32(&cmd.cdw10, held[i]);
			set(portal[0], 1, WRASSE_ANA_PERSISTENT_LOSS);
			assert_int_equal(fx_run(admin, &cmd).status, 0x301);
			nvme_put32(&cmd.nsid, 3);
			assert_int_equal(fx_run(admin, &cmd).status, 0x0b | FX_DNR);
		}
	}
	/* What the controller has is there all the same. */
	assert_int_equal(
		fx_features(admin, NVME_OPC_GET_FEATURES, NVME_FID_ERROR_RECOVERY, 0).status, 0);
	fx_queue_gone(admin);
}

/* ---- Identify ---- */

static void identify_tells_groups_and_states(void **state)
{
	struct nvme_queue *admin = ready_on(portal[0]);
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, 0);

	add_ns(1, 7);
	nvme_put32(&cmd.cdw10, NVME_CNS_CTRL);
	fx_data(&cmd, page, NVME_PAGE_LEN);
	assert_int_equal(fx_run(admin, &cmd).status, 0);
	assert_int_equal(page[76] & 8, 8);                 /* CMIC */
	assert_int_equal(get(92, 4) & 1u << 11, 1u << 11); /* OAES */
	assert_int_equal(page[342], 10);                   /* ANATT */
	assert_int_equal(page[343], 0x5f);                 /* ANACAP */
	assert_int_equal(get(344, 4), 16);                 /* ANAGRPMAX */
	assert_int_equal(get(348, 4), 16);                 /* NANAGRPID */
	cmd = fx_cmd(NVME_OPC_IDENTIFY, 1);
	fx_data(&cmd, page, NVME_PAGE_LEN);
	assert_int_equal(fx_run(admin, &cmd).status, 0);
	assert_int_equal(get(92, 4), 7);
	assert_int_equal(get(16, 8), 1000);
	set(portal[0], 7, WRASSE_ANA_CHANGE);
	assert_int_equal(fx_run(admin, &cmd).status, 0);
	assert_int_equal(get(16, 8), 1000);
	/* NVM Command Set 1.0 figure 97: NUSE of what cannot be reached is 0. */
	set(portal[0], 7, WRASSE_ANA_PERSISTENT_LOSS);
	assert_int_equal(fx_run(admin, &cmd).status, 0);
	assert_int_equal(get(16, 8), 0);
	assert_int_equal(get(8, 8), 1000);
	set(portal[0], 7, WRASSE_ANA_INACCESSIBLE);
	assert_int_equal(fx_run(admin, &cmd).status, 0);
	assert_int_equal(get(16, 8), 0);
	fx_queue_gone(admin);
}

/* ---- the event ---- */

static bool sync_tells(struct nvme_queue *admin, struct nvme_request *held)
{
	struct nvme_actions actions = {0};

	nvme_ctrl_sync(admin, &actions);
	if (!actions.done)
		return false;
	assert_ptr_equal(actions.done, held);
	assert_null(held->next);
	/* Notice, Asymmetric Namespace Access Change, log page 0Ch. */
	assert_int_equal(nvme_get32(held->cqe.dw0), 0x0c0302);
	return true;
}

static void hold_event(struct nvme_queue *admin, struct nvme_request *request)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_ASYNC_EVENT, 0);

	assert_int_equal(fx_run_request(request, admin, (const uint8_t *)&cmd, sizeof(cmd)).next,
			 NVME_HOLD);
}

static void change_is_told_to_hosts_that_asked_on_that_path(void **state)
{
	struct nvme_request held, other;
	struct nvme_queue *admin, *elsewhere;

	add_ns(1, 1);
	admin = ready_on(portal[0]);
	elsewhere = ready_on(portal[1]);
	hold_event(admin, &held);
	hold_event(elsewhere, &other);
	set(portal[0], 1, WRASSE_ANA_INACCESSIBLE);
	assert_false(sync_tells(admin, &held)); /* nobody asked */
	fx_features(admin, NVME_OPC_SET_FEATURES, NVME_FID_EVENTS, NVME_AEC_ANA);
	fx_features(elsewhere, NVME_OPC_SET_FEATURES, NVME_FID_EVENTS, NVME_AEC_ANA);
	assert_false(sync_tells(admin, &held));
	set(portal[0], 1, WRASSE_ANA_INACCESSIBLE); /* no change */
	assert_false(sync_tells(admin, &held));
	set(portal[0], 2, WRASSE_ANA_INACCESSIBLE); /* a group without a namespace */
	assert_false(sync_tells(admin, &held));
	set(portal[0], 1, WRASSE_ANA_OPTIMIZED);
	assert_true(sync_tells(admin, &held));
	assert_false(sync_tells(elsewhere, &other));
	/* The next one is told when the log page was read. */
	hold_event(admin, &held);
	set(portal[0], 1, WRASSE_ANA_CHANGE);
	assert_false(sync_tells(admin, &held));
	assert_ptr_equal(fx_log(admin, NVME_LID_ANA, page, 64, 0).actions.done, &held);
	fx_queue_gone(admin);
	fx_queue_gone(elsewhere);
}

/* ---- the log ---- */

static void log_lists_groups_of_namespaces_that_the_host_sees(void **state)
{
	struct wrasse_namespace *hidden = fx_add_ns_with(fx_subsystem, 3, 1000, 2, true);
	struct nvme_queue *admin = ready_on(portal[0]);
	uint64_t total, group;

	add_ns(9, 2);
	add_ns(4, 2);
	add_ns(1, 5);
	fx_add_ns_with(fx_subsystem, 6, 1000, 8, true);
	set(portal[0], 5, WRASSE_ANA_NON_OPTIMIZED);
	set(portal[1], 5, WRASSE_ANA_INACCESSIBLE);
	assert_int_equal(fx_log(admin, NVME_LID_ANA, page, sizeof(page), 0).status, 0);
	assert_int_equal(get(8, 2), 2);
	assert_int_equal(get(16, 4), 2); /* group 2: namespaces 4 and 9 */
	assert_int_equal(get(20, 4), 2);
	assert_int_equal(page[32], WRASSE_ANA_OPTIMIZED);
	assert_int_equal(get(48, 4), 4);
	assert_int_equal(get(52, 4), 9);
	assert_int_equal(get(56, 4), 5); /* group 5: namespace 1 */
	assert_int_equal(get(60, 4), 1);
	assert_int_equal(page[72], WRASSE_ANA_NON_OPTIMIZED);
	assert_int_equal(get(88, 4), 1);
	for (size_t i = 92; i < sizeof(page); i++)
		assert_int_equal(page[i], 0);
	total = get(0, 8);
	group = get(24, 8);
	assert_true(total > 0 && group > 0);
	assert_int_equal(nvme_ns_allow_host(hidden, FX_HOSTNQN), 0);
	assert_int_equal(fx_log(admin, NVME_LID_ANA, page, sizeof(page), 0).status, 0);
	assert_int_equal(get(20, 4), 3);
	assert_int_equal(get(48, 4), 3);
	assert_int_equal(get(0, 8), total + 1);
	assert_int_equal(get(24, 8), group + 1);
	set(portal[0], 2, WRASSE_ANA_CHANGE);
	assert_int_equal(fx_log(admin, NVME_LID_ANA, page, sizeof(page), 0).status, 0);
	assert_int_equal(page[32], WRASSE_ANA_CHANGE);
	assert_int_equal(get(0, 8), total + 2);
	assert_int_equal(get(24, 8), group + 2);
	fx_queue_gone(admin);
}

static void log_of_groups_only_has_no_namespaces(void **state)
{
	struct nvme_queue *admin = ready_on(portal[0]);
	struct nvme_cmd cmd = fx_log_cmd(NVME_LID_ANA, page, 96, 0);

	add_ns(9, 2);
	add_ns(1, 5);
	nvme_put32(&cmd.cdw10, nvme_get32(cmd.cdw10) | 1u << 8);
	assert_int_equal(fx_run(admin, &cmd).status, 0);
	assert_int_equal(get(8, 2), 2);
	assert_int_equal(get(16, 4), 2);
	assert_int_equal(get(20, 4), 0);
	assert_int_equal(get(48, 4), 5);
	assert_int_equal(get(52, 4), 0);
	assert_int_equal(get(80, 4), 0);
	fx_queue_gone(admin);
}

static void log_is_read_in_parts(void **state)
{
	static uint8_t whole[256];
	struct nvme_queue *admin = ready_on(portal[0]), *discovery;
	uint32_t most = 16 + 16 * 32 + 256 * 4;

	for (uint32_t nsid = 1; nsid <= 20; nsid++)
		add_ns(nsid, 1 + nsid % 3);
	assert_int_equal(fx_log(admin, NVME_LID_ANA, whole, sizeof(whole), 0).status, 0);
	for (uint32_t offset = 0; offset < sizeof(whole); offset += 4) {
		assert_int_equal(fx_log(admin, NVME_LID_ANA, page, 4, offset).status, 0);
		assert_memory_equal(page, whole + offset, 4);
	}
	assert_int_equal(fx_log(admin, NVME_LID_ANA, page, 4, most).status, 0);
	assert_int_equal(fx_log(admin, NVME_LID_ANA, page, 4, most + 4).status, 0x02 | FX_DNR);
	discovery = fx_ready_discovery();
	assert_int_equal(fx_log(discovery, NVME_LID_ANA, page, 4, 0).status, 0x109 | FX_DNR);
	fx_queue_gone(discovery);
	fx_queue_gone(admin);
}

static void removed_namespace_leaves_its_group(void **state)
{
	struct wrasse_namespace *ns[3];
	struct nvme_queue *admin = ready_on(portal[0]);
	uint64_t total;

	for (uint32_t i = 0; i < 3; i++)
		ns[i] = add_ns(i + 1, 1);
	assert_int_equal(fx_log(admin, NVME_LID_ANA, page, sizeof(page), 0).status, 0);
	total = get(0, 8);
	nvme_ns_remove(ns[1]);
	for (unsigned group = 0; group < FX_GROUPS; group++)
		fx_subsystem->view[group]->port[1] = NULL;
	assert_int_equal(fx_log(admin, NVME_LID_ANA, page, sizeof(page), 0).status, 0);
	assert_int_equal(get(0, 8), total + 1);
	assert_int_equal(get(20, 4), 2);
	assert_int_equal(get(52, 4), 3);
	nvme_ns_free(ns[1]);
	assert_ptr_equal(fx_subsystem->ana_first[0]->ana_next, ns[2]);
	fx_queue_gone(admin);
}

static void namespace_of_a_group_that_cannot_be_is_refused(void **state)
{
	struct wrasse_namespace *ns;
	struct wrasse_ns_opts opts;
	const char *why = NULL;

	wrasse_ns_opts_init(&opts);
	opts.block_count = 1;
	opts.ops = &fx_ops;
	opts.ana_group = 17;
	assert_int_equal(nvme_ns_create(fx_subsystem, &opts, &ns, &why), -EINVAL);
	assert_string_equal(why, "ana_group is above the subsystem's max_ana_groups");
	opts.ana_group = 16;
	assert_int_equal(nvme_ns_create(fx_subsystem, &opts, &ns, &why), 1);
	assert_int_equal(ns->ana_group, 16);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_state_has_its_status_on_its_path_only),
		TEST(command_that_waited_is_judged_again_before_it_is_submitted),
		TEST(portal_0_is_every_path_and_those_to_come),
		TEST(states_and_groups_that_are_none_are_refused),
		TEST(states_of_a_portal_end_with_it),
		TEST(features_of_what_cannot_be_reached_are_not_to_be_had),
		TEST(identify_tells_groups_and_states),
		TEST(change_is_told_to_hosts_that_asked_on_that_path),
		TEST(log_lists_groups_of_namespaces_that_the_host_sees),
		TEST(log_of_groups_only_has_no_namespaces),
		TEST(log_is_read_in_parts),
		TEST(removed_namespace_leaves_its_group),
		TEST(namespace_of_a_group_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
