/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/reservation_save.c: reservations that outlive a power loss. When they are saved, what a
 * change is worth before that, what happens when it fails, and what is taken over afterwards.
 */
#include "nvme_hosts.h"

#include <errno.h>

#define CPTPL_OFF   (2u << 30)
#define CPTPL_ON    (3u << 30)
#define WRITE_FAULT 0x280

static struct nvme_request request;
static struct wrasse_reservation kept;
static struct wrasse_registrant kept_registrants[WRASSE_MAX_REGISTRANTS];
static const struct wrasse_io *saving;
static unsigned saves;
static int ctx;

static void save(void *given, const struct wrasse_reservation *state, struct wrasse_io *io)
{
	assert_ptr_equal(given, &ctx);
	assert_int_equal(state->size, sizeof(*state));
	assert_null(saving);
	kept = *state;
	memcpy(kept_registrants, state->registrants,
	       state->registrant_count * sizeof(kept_registrants[0]));
	kept.registrants = kept_registrants;
	saving = io;
	saves++;
}

static int setup_saving(void **state)
{
	setup(state);
	ns->save_reservation = save;
	ns->reservation_ctx = &ctx;
	memset(&kept, 0, sizeof(kept));
	saving = NULL;
	saves = 0;
	return 0;
}

static int teardown_saving(void **state)
{
	assert_null(saving);
	assert_int_equal(ns->port[0].in_flight, 0);
	assert_int_equal(ns->port[1].in_flight, 0);
	return teardown(state);
}

/* A command whose change is to be saved: the embedder is asked, and has not answered. */
static void start(struct nvme_request *which, struct nvme_queue *queue, const struct nvme_cmd *cmd)
{
	struct fx_run run = fx_run_request(which, queue, (const uint8_t *)cmd, 64);
	unsigned group = queue->qid ? 1 : 0;

	assert_int_equal(run.next, NVME_SAVE);
	assert_int_equal(ns->port[group].in_flight, 1);
	nvme_request_save(which);
	assert_ptr_equal(saving, &which->io);
}

static enum nvme_next finish(struct nvme_request *which, uint16_t sct_sc, bool *attention)
{
	struct nvme_actions actions = {0};
	enum nvme_next next;

	saving = NULL;
	next = nvme_request_complete_save(
		which, wrasse_status_make(sct_sc >> 8, (uint8_t)sct_sc, false), fx_now, &actions);
	assert_int_equal(which->port != NULL, next == NVME_SAVE);
	if (attention)
		*attention = actions.attention;
	return next;
}

static uint16_t status_of(const struct nvme_request *which)
{
	struct fx_run run = {0};

	fx_result(&run, which);
	return run.status;
}

/* A command from its start to its answer. Return: its status. */
static uint16_t saved(struct host *host, uint8_t opcode, uint32_t cdw10, uint64_t crkey,
		      uint64_t key)
{
	struct nvme_cmd cmd = resv_cmd(opcode, cdw10, crkey, key);

	start(&request, host->io, &cmd);
	assert_int_equal(finish(&request, 0, NULL), NVME_RESPOND);
	return status_of(&request);
}

static uint16_t enlist_for_good(struct host *host, uint64_t key)
{
	return saved(host, NVME_OPC_RESV_REGISTER, CPTPL_ON, 0, key);
}

/* ---- saving ---- */

static void what_does_not_persist_is_not_saved(void **state)
{
	(void)state;
	assert_int_equal(enlist(&a, 10), 0);
	assert_int_equal(acquire(&a, 10, WE), 0);
	assert_int_equal(saves, 0);
}

static void every_change_is_saved_while_they_persist(void **state)
{
	(void)state;
	assert_int_equal(enlist(&b, 11), 0);
	assert_int_equal(enlist_for_good(&a, 10), 0);
	assert_true(kept.ptpl);
	assert_int_equal(kept.registrant_count, 2);
	assert_int_equal(kept.generation, 2);
	assert_int_equal(kept.type, 0);
	assert_int_equal(saved(&a, NVME_OPC_RESV_ACQUIRE, EA << 8, 10, 0), 0);
	assert_int_equal(kept.type, EA);
	assert_int_equal(kept_registrants[1].key, 10);
	assert_int_equal(kept_registrants[1].hostid[0], 'a');
	assert_string_equal(kept_registrants[1].hostnqn, FX_HOSTNQN);
	assert_true(kept_registrants[1].holder);
	assert_false(kept_registrants[0].holder);
	assert_int_equal(saved(&a, NVME_OPC_RESV_RELEASE, 1, 10, 0), 0);
	assert_int_equal(kept.registrant_count, 0);
	assert_int_equal(saves, 3);
	assert_int_equal(saved(&a, NVME_OPC_RESV_REGISTER, CPTPL_OFF, 0, 10), 0);
	assert_false(kept.ptpl);
	assert_int_equal(acquire(&a, 10, WE), 0);
	assert_int_equal(saves, 4);
}

static void a_command_that_changes_nothing_saves_nothing(void **state)
{
	(void)state;
	assert_int_equal(enlist_for_good(&a, 10), 0);
	assert_int_equal(saved(&a, NVME_OPC_RESV_ACQUIRE, EA << 8, 10, 0), 0);
	assert_int_equal(acquire(&a, 10, EA), 0);
	assert_int_equal(acquire(&a, 10, WE), CONFLICT);
	assert_int_equal(saves, 2);
}

static void a_change_takes_effect_when_it_is_saved(void **state)
{
	struct nvme_cmd cmd;
	struct nvme_cmd flush = fx_cmd(NVME_OPC_FLUSH, 2);

	(void)state;
	assert_int_equal(enlist_for_good(&a, 10), 0);
	cmd = resv_cmd(NVME_OPC_RESV_ACQUIRE, EA << 8, 10, 0);
	start(&request, a.io, &cmd);
	assert_int_equal(fx_run(b.io, &flush).next, NVME_SUBMIT);
	ns->port[1].in_flight--;
	assert_int_equal(finish(&request, 0, NULL), NVME_RESPOND);
	assert_int_equal(fx_run(b.io, &flush).status, CONFLICT);
}

static void a_failed_save_fails_the_command_and_changes_nothing(void **state)
{
	struct nvme_cmd cmd;
	bool attention;

	(void)state;
	assert_int_equal(enlist_for_good(&a, 10), 0);
	assert_int_equal(saved(&b, NVME_OPC_RESV_REGISTER, 0, 0, 11), 0);
	cmd = resv_cmd(NVME_OPC_RESV_RELEASE, 1, 10, 0);
	start(&request, a.io, &cmd);
	assert_int_equal(finish(&request, WRITE_FAULT, &attention), NVME_RESPOND);
	assert_int_equal(status_of(&request), WRITE_FAULT);
	assert_non_null(request.why);
	assert_false(attention);
	assert_int_equal(ns->resv->state.count, 2);
	assert_int_equal(ns->resv->state.generation, 2);
	assert_int_equal(saved(&a, NVME_OPC_RESV_RELEASE, 1, 10, 0), 0);
	assert_int_equal(ns->resv->state.count, 0);
}

static void notifications_come_when_the_change_was_saved(void **state)
{
	struct nvme_cmd cmd;
	bool attention;

	(void)state;
	assert_int_equal(enlist_for_good(&a, 10), 0);
	assert_int_equal(saved(&b, NVME_OPC_RESV_REGISTER, 0, 0, 11), 0);
	cmd = resv_cmd(NVME_OPC_RESV_RELEASE, 1, 10, 0);
	start(&request, a.io, &cmd);
	assert_int_equal(b.admin->ctrl->notices.count, 0);
	assert_int_equal(finish(&request, 0, &attention), NVME_RESPOND);
	assert_true(attention);
	assert_int_equal(b.admin->ctrl->notices.count, 1);
}

static void commands_wait_while_one_is_saved(void **state)
{
	struct nvme_cmd first = resv_cmd(NVME_OPC_RESV_REGISTER, CPTPL_ON, 0, 10);
	struct nvme_cmd second = first;

	(void)state;
	start(&request, a.io, &first);
	assert_int_equal(fx_run(b.io, &second).next, NVME_RETRY);
	assert_int_equal(finish(&request, 0, NULL), NVME_RESPOND);
	assert_int_equal(saved(&b, NVME_OPC_RESV_REGISTER, 0, 0, 11), 0);
}

static void nothing_is_saved_in_a_pause(void **state)
{
	struct nvme_cmd cmd = resv_cmd(NVME_OPC_RESV_REGISTER, CPTPL_ON, 0, 10);

	(void)state;
	ns->port[1].paused = true;
	assert_int_equal(fx_run(a.io, &cmd).next, NVME_RETRY);
	assert_int_equal(saves, 0);
	assert_int_equal(ns->resv->state.count, 0);
	ns->port[1].paused = false;
	assert_int_equal(enlist_for_good(&a, 10), 0);
}

static void what_was_saved_counts_although_the_queue_has_ended(void **state)
{
	struct nvme_cmd cmd = resv_cmd(NVME_OPC_RESV_REGISTER, CPTPL_ON, 0, 10);
	struct nvme_actions actions = {0};

	(void)state;
	start(&request, a.io, &cmd);
	nvme_queue_end(a.io, &actions);
	finish(&request, 0, NULL);
	assert_int_equal(ns->resv->state.count, 1);
}

static void preempt_and_abort_is_saved_and_then_waits(void **state)
{
	struct nvme_cmd cmd;
	struct nvme_actions actions = {0};
	bool attention;

	(void)state;
	assert_int_equal(enlist_for_good(&a, 10), 0);
	assert_int_equal(saved(&b, NVME_OPC_RESV_REGISTER, 0, 0, 11), 0);
	cmd = resv_cmd(NVME_OPC_RESV_ACQUIRE, EA << 8 | 2, 10, 11);
	start(&request, a.io, &cmd);
	assert_int_equal(finish(&request, 0, &attention), NVME_RETRY);
	assert_true(attention);
	nvme_fence_set(&ns->port[0]);
	nvme_fence_set(&ns->port[1]);
	assert_int_equal(nvme_request_execute_registry(&request, fx_now, &actions), NVME_RESPOND);
	assert_int_equal(status_of(&request), 0);
}

static void a_fence_waits_for_a_save_of_a_preempted_host(void **state)
{
	struct nvme_cmd cmd;
	struct nvme_request theirs;
	struct nvme_actions actions = {0};

	(void)state;
	assert_int_equal(enlist_for_good(&a, 10), 0);
	assert_int_equal(saved(&b, NVME_OPC_RESV_REGISTER, 0, 0, 11), 0);
	cmd = resv_cmd(NVME_OPC_RESV_ACQUIRE, EA << 8 | 2, 10, 11);
	start(&request, a.io, &cmd);
	assert_int_equal(finish(&request, 0, NULL), NVME_RETRY);
	nvme_fence_set(&ns->port[0]);
	cmd = resv_cmd(NVME_OPC_RESV_REGISTER, 0, 0, 11);
	start(&theirs, b.io, &cmd);
	nvme_fence_request(&ns->port[1], &theirs);
	nvme_fence_set(&ns->port[1]);
	assert_int_equal(nvme_request_execute_registry(&request, fx_now, &actions), NVME_RETRY);
	assert_int_equal(finish(&theirs, 0, NULL), NVME_RESPOND);
	assert_int_equal(nvme_request_execute_registry(&request, fx_now, &actions), NVME_RESPOND);
}

/* ---- Reservation Persistence ---- */

static struct nvme_cmd feature(uint8_t opcode, uint32_t cdw10, uint32_t nsid, uint32_t value)
{
	struct nvme_cmd cmd = fx_cmd(opcode, nsid);

	nvme_put32(&cmd.cdw10, cdw10);
	nvme_put32(&cmd.cdw11, value);
	return cmd;
}

static struct fx_run get(uint32_t nsid, uint32_t select)
{
	struct nvme_cmd cmd = feature(NVME_OPC_GET_FEATURES, 0x83 | select << 8, nsid, 0);

	return fx_run(a.admin, &cmd);
}

static void persistence_is_a_feature_of_each_namespace(void **state)
{
	struct nvme_cmd cmd = feature(NVME_OPC_SET_FEATURES, 0x83, 2, 1);

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	assert_int_equal(get(2, 0).dw0, 0);
	start(&request, a.admin, &cmd);
	assert_int_equal(get(2, 0).dw0, 0);
	assert_int_equal(finish(&request, 0, NULL), NVME_RESPOND);
	assert_int_equal(status_of(&request), 0);
	assert_int_equal(get(2, 0).dw0, 1);
	assert_int_equal(get(2, 1).dw0, 0);
	assert_int_equal(get(2, 2).dw0, 0);
	assert_int_equal(get(1, 0).dw0, 0);
	assert_int_equal(get(3, 0).status, NO_NS);
	assert_int_equal(get(NVME_NSID_ALL, 0).status, FIELD);
	assert_int_equal(fx_run(a.admin, &cmd).status, 0); /* nothing to do */
	cmd = feature(NVME_OPC_SET_FEATURES, 0x83, 1, 1);
	assert_int_equal(fx_run(a.admin, &cmd).status, FIELD); /* cannot */
	cmd = feature(NVME_OPC_SET_FEATURES, 0x83, 1, 0);
	assert_int_equal(fx_run(a.admin, &cmd).status, 0);
	cmd = feature(NVME_OPC_SET_FEATURES, 0x83, 3, 0);
	assert_int_equal(fx_run(a.admin, &cmd).status, NO_NS);
}

static void persistence_of_all_namespaces_is_set_one_by_one(void **state)
{
	struct nvme_cmd cmd = feature(NVME_OPC_SET_FEATURES, 0x83, NVME_NSID_ALL, 1);
	struct wrasse_namespace *third = fx_add_ns(fx_subsystem, 3, 100);
	struct nvme_actions actions = {0};

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	third->save_reservation = save;
	third->reservation_ctx = &ctx;
	start(&request, a.admin, &cmd);
	assert_int_equal(finish(&request, 0, NULL), NVME_SAVE);
	assert_ptr_equal(request.port, &third->port[0]);
	nvme_request_save(&request);
	assert_int_equal(finish(&request, 0, NULL), NVME_RESPOND);
	assert_int_equal(status_of(&request), 0);
	assert_int_equal(saves, 2);
	assert_int_equal(get(2, 0).dw0 + get(3, 0).dw0 + get(1, 0).dw0, 2);
	cmd = feature(NVME_OPC_SET_FEATURES, 0x83, NVME_NSID_ALL, 0);
	start(&request, a.admin, &cmd);
	assert_int_equal(finish(&request, WRITE_FAULT, NULL), NVME_RESPOND);
	assert_int_equal(status_of(&request), WRITE_FAULT);
	start(&request, a.admin, &cmd);
	nvme_queue_end(a.admin, &actions);
	assert_int_equal(finish(&request, 0, NULL), NVME_RESPOND);
	assert_int_equal(saves, 4);
	assert_int_equal(third->port[0].in_flight, 0);
}

static void persistence_waits_for_a_change_on_its_way(void **state)
{
	struct nvme_cmd first = resv_cmd(NVME_OPC_RESV_REGISTER, CPTPL_ON, 0, 10);
	struct nvme_cmd set = feature(NVME_OPC_SET_FEATURES, 0x83, 2, 1);

	(void)state;
	start(&request, a.io, &first);
	assert_int_equal(fx_run(b.admin, &set).next, NVME_RETRY);
	assert_int_equal(finish(&request, 0, NULL), NVME_RESPOND);
	assert_int_equal(fx_run(b.admin, &set).status, 0);
}

static void identify_tells_that_reservations_persist(void **state)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, 2);
	static uint8_t page[4096];

	(void)state;
	fx_data(&cmd, page, sizeof(page));
	assert_int_equal(fx_run(a.admin, &cmd).status, 0);
	assert_int_equal(page[31], 0xff);
}

/* ---- taking over ---- */

static struct wrasse_registrant two[2];

static struct wrasse_reservation two_hosts(uint8_t type)
{
	memset(two, 0, sizeof(two));
	for (unsigned i = 0; i < 2; i++) {
		memset(two[i].hostid, i ? 'b' : 'a', sizeof(two[i].hostid));
		two[i].key = 10 + i;
		two[i].holder = type >= WEAR || (type && i == 0);
		strcpy(two[i].hostnqn, FX_HOSTNQN);
	}
	return (struct wrasse_reservation){.size = sizeof(struct wrasse_reservation),
					   .ptpl = true,
					   .type = type,
					   .generation = 77,
					   .registrant_count = 2,
					   .registrants = two};
}

static int load(const struct wrasse_reservation *state, wrasse_reservation_save_fn fn,
		const char **why)
{
	struct wrasse_namespace *made;
	struct wrasse_ns_opts opts;

	wrasse_ns_opts_init(&opts);
	opts.nsid = 9;
	opts.block_count = 100;
	opts.ops = &fx_ops;
	opts.save_reservation = fn;
	opts.reservation_ctx = &ctx;
	opts.reservation = state;
	*why = NULL;
	return nvme_ns_create(fx_subsystem, &opts, &made, why);
}

static void what_was_saved_is_in_force_again(void **state)
{
	const char *why;

	(void)state;
	for (uint8_t type = 0; type <= EAAR; type++) {
		struct wrasse_reservation from = two_hosts(type);
		struct wrasse_namespace *made;

		assert_int_equal(load(&from, save, &why), 9);
		made = nvme_ns_find(fx_subsystem, 9);
		assert_int_equal(made->resv->state.count, 2);
		assert_int_equal(made->resv->state.type, type);
		assert_int_equal(made->resv->state.generation, 77);
		assert_true(made->resv->state.ptpl);
		/* Connected controllers know at once. */
		assert_int_equal(c.admin->ctrl->ns[8].denied != 0, type != 0);
		assert_int_equal(a.admin->ctrl->ns[8].denied, 0);
		nvme_ns_free(made);
		assert_int_equal(c.admin->ctrl->ns[8].denied, 0);
	}
}

static void what_shall_not_persist_is_not_taken_over(void **state)
{
	struct wrasse_reservation from = two_hosts(WE);
	const char *why;

	(void)state;
	from.ptpl = false;
	assert_int_equal(load(&from, save, &why), 9);
	assert_int_equal(nvme_ns_find(fx_subsystem, 9)->resv->state.count, 0);
}

static void expect_refused(const struct wrasse_reservation *from)
{
	const char *why;

	assert_int_equal(load(from, save, &why), -EINVAL);
	assert_non_null(why);
	assert_null(nvme_ns_find(fx_subsystem, 9));
}

static void what_cannot_be_is_refused(void **state)
{
	struct wrasse_reservation from = two_hosts(WE);
	const char *why;

	(void)state;
	assert_int_equal(load(&from, NULL, &why), -EINVAL);
	from.size--;
	expect_refused(&from);
	from = two_hosts(7);
	expect_refused(&from);
	from = two_hosts(WE);
	from.registrant_count = WRASSE_MAX_REGISTRANTS + 1;
	expect_refused(&from);
	from = two_hosts(WE);
	two[1].holder = true;
	expect_refused(&from);
	from = two_hosts(WE);
	two[0].holder = false;
	expect_refused(&from);
	from = two_hosts(WEAR);
	two[0].holder = false;
	expect_refused(&from);
	from.registrant_count = 0;
	expect_refused(&from);
	from = two_hosts(0);
	two[0].holder = true;
	expect_refused(&from);
	from = two_hosts(0);
	two[1].key = 0;
	expect_refused(&from);
	from = two_hosts(0);
	memcpy(two[1].hostid, two[0].hostid, sizeof(two[0].hostid));
	expect_refused(&from);
	from = two_hosts(0);
	memset(two[1].hostid, 0, sizeof(two[1].hostid));
	expect_refused(&from);
	from = two_hosts(0);
	memset(two[0].hostnqn, 'x', sizeof(two[0].hostnqn));
	expect_refused(&from);
}

static void what_was_saved_comes_back_whole(void **state)
{
	struct wrasse_namespace *made;
	const char *why;

	(void)state;
	assert_int_equal(enlist_for_good(&a, 10), 0);
	assert_int_equal(saved(&b, NVME_OPC_RESV_REGISTER, 0, 0, 11), 0);
	assert_int_equal(saved(&b, NVME_OPC_RESV_ACQUIRE, WEAR << 8, 11, 0), 0);
	assert_int_equal(load(&kept, save, &why), 9);
	made = nvme_ns_find(fx_subsystem, 9);
	assert_true(nvme_resv_equals(&made->resv->state, &ns->resv->state));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_saving, teardown_saving)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_does_not_persist_is_not_saved),
		TEST(every_change_is_saved_while_they_persist),
		TEST(a_command_that_changes_nothing_saves_nothing),
		TEST(a_change_takes_effect_when_it_is_saved),
		TEST(a_failed_save_fails_the_command_and_changes_nothing),
		TEST(notifications_come_when_the_change_was_saved),
		TEST(commands_wait_while_one_is_saved),
		TEST(nothing_is_saved_in_a_pause),
		TEST(what_was_saved_counts_although_the_queue_has_ended),
		TEST(preempt_and_abort_is_saved_and_then_waits),
		TEST(a_fence_waits_for_a_save_of_a_preempted_host),
		TEST(persistence_is_a_feature_of_each_namespace),
		TEST(persistence_of_all_namespaces_is_set_one_by_one),
		TEST(persistence_waits_for_a_change_on_its_way),
		TEST(identify_tells_that_reservations_persist),
		TEST(what_was_saved_is_in_force_again),
		TEST(what_shall_not_persist_is_not_taken_over),
		TEST(what_cannot_be_is_refused),
		TEST(what_was_saved_comes_back_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
