/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/ctrl.c, queue.c and properties.c: every state of a controller under every event, the
 * properties, keep alive, and who keeps a controller alive.
 */
#include "nvme_fixture.h"

#define FIELD  (0x02 | FX_DNR)
#define ABSENT 0x02
#define EN     FX_CC_ENABLE

/* ---- states ---- */

/* How a fresh controller gets into each state, and what CSTS then says. */
static const struct state {
	const char *name;
	uint32_t cc[2];
	unsigned writes;
	enum nvme_ctrl_state state;
	uint32_t csts;
} states[] = {
	{"disabled", {0}, 0, NVME_CTRL_DISABLED, 0},
	{"ready", {EN}, 1, NVME_CTRL_READY, 0x1},
	{"failed", {EN | 1 << 7}, 1, NVME_CTRL_FAILED, 0x2},
	{"shut down", {EN, EN | 0x4000}, 2, NVME_CTRL_SHUT, 0x9},
	{"shut down when disabled", {0x00464000}, 1, NVME_CTRL_SHUT, 0x8},
	{"failed and shut down", {EN | 1 << 7, EN | 1 << 7 | 0x8000}, 2, NVME_CTRL_SHUT, 0xa},
};

/* What is written to CC in each state, and what CSTS says after it. */
static const struct event {
	const char *name;
	uint32_t cc;
	uint32_t csts[6]; /* in the order of states */
} events[] = {
	{"enable", EN, {0x1, 0x1, 0x2, 0x9, 0x1, 0xa}},
	{"enable without entry sizes", 0x1, {0x1, 0x1, 0x2, 0x9, 0x1, 0xa}},
	{"enable with MPS 1", EN | 1 << 7, {0x2, 0x2, 0x2, 0x9, 0x2, 0xa}},
	{"enable with AMS 1", EN | 1 << 11, {0x2, 0x2, 0x2, 0x9, 0x2, 0xa}},
	{"enable with CSS 6", EN | 6 << 4, {0x2, 0x2, 0x2, 0x9, 0x2, 0xa}},
	{"enable with CSS 1", EN | 1 << 4, {0x2, 0x2, 0x2, 0x9, 0x2, 0xa}},
	{"enable with CSS 7", EN | 7 << 4, {0x2, 0x2, 0x2, 0x9, 0x2, 0xa}},
	{"enable with IOSQES 7", 0x00470001, {0x2, 0x2, 0x2, 0x9, 0x2, 0xa}},
	{"enable with IOCQES 5", 0x00560001, {0x2, 0x2, 0x2, 0x9, 0x2, 0xa}},
	{"disable", 0x00460000, {0x0, 0x0, 0x0, 0x0, 0x0, 0x0}},
	{"clear", 0, {0x0, 0x0, 0x0, 0x0, 0x0, 0x0}},
	{"shut down", EN | 0x4000, {0x9, 0x9, 0xa, 0x9, 0x9, 0xa}},
	{"shut down abruptly", EN | 0x8000, {0x9, 0x9, 0xa, 0x9, 0x9, 0xa}},
	{"shut down and disable", 0x00464000, {0x8, 0x8, 0x8, 0x8, 0x8, 0x8}},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct nvme_queue *enter(const struct state *s)
{
	struct nvme_queue *queue = fx_admin();

	for (unsigned i = 0; i < s->writes; i++)
		fx_write_cc(queue, s->cc[i]);
	assert_int_equal(queue->ctrl->state, s->state);
	assert_int_equal(fx_csts(queue), s->csts);
	return queue;
}

static void every_write_to_cc_in_every_state_gives_the_right_csts(void **state)
{
	(void)state;
	for (size_t s = 0; s < COUNT(states); s++) {
		for (size_t e = 0; e < COUNT(events); e++) {
			struct nvme_queue *queue = enter(&states[s]);
			uint32_t csts;

			fx_write_cc(queue, events[e].cc);
			csts = fx_csts(queue);
			if (csts != events[e].csts[s])
				fail_msg("%s, %s: CSTS 0x%x, expected 0x%x", states[s].name,
					 events[e].name, csts, events[e].csts[s]);
			assert_int_equal(fx_property_get(queue, NVME_PROP_CC, 0).dw0, events[e].cc);
			assert_false(nvme_queue_must_end(queue));
			fx_queue_gone(queue);
		}
	}
}

static void every_state_can_be_left_by_a_reset(void **state)
{
	(void)state;
	for (size_t s = 0; s < COUNT(states); s++) {
		struct nvme_queue *queue = enter(&states[s]);

		fx_write_cc(queue, 0);
		assert_int_equal(fx_csts(queue), 0);
		fx_write_cc(queue, EN);
		assert_int_equal(fx_csts(queue), 1);
		fx_queue_gone(queue);
	}
}

static void io_queues_end_with_every_way_out_of_ready(void **state)
{
	static const uint32_t ends[] = {0, EN | 0x4000, EN | 0x8000, EN | 1 << 7, 0x00464000};

	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct nvme_queue *admin = fx_ready();
		struct nvme_queue *io = fx_io_queue(admin, 1);

		assert_false(nvme_queue_must_end(io));
		assert_false(fx_write_cc(admin, EN).actions.attention);
		assert_false(nvme_queue_must_end(io));
		assert_true(fx_write_cc(admin, ends[i]).actions.attention);
		assert_true(nvme_queue_must_end(io));
		assert_false(nvme_queue_must_end(admin));
		fx_queue_gone(io);
		fx_queue_gone(admin);
	}
}

static void reset_is_over_when_the_last_io_queue_is_gone(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *one = fx_io_queue(admin, 1);
	struct nvme_queue *two = fx_io_queue(admin, 2);
	struct nvme_actions actions = {0};

	(void)state;
	fx_write_cc(admin, 0);
	assert_int_equal(fx_csts(admin), 0x1);
	nvme_queue_end(one, &actions);
	fx_queue_gone(two);
	assert_int_equal(fx_csts(admin), 0x1);
	fx_queue_gone(one);
	assert_int_equal(fx_csts(admin), 0x0);
	fx_queue_gone(admin);
}

static void shutdown_is_over_when_the_last_io_queue_is_gone(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);

	(void)state;
	fx_write_cc(admin, EN | 0x4000);
	assert_int_equal(fx_csts(admin), 0x5);
	fx_queue_gone(io);
	assert_int_equal(fx_csts(admin), 0x9);
	fx_queue_gone(admin);
}

static void queue_ids_are_taken_again_after_a_reset(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *old = fx_io_queue(admin, 1);
	struct nvme_actions actions = {0};
	struct nvme_queue *fresh;

	(void)state;
	fx_write_cc(admin, 0);
	fx_write_cc(admin, EN);
	nvme_queue_end(old, &actions);
	fresh = fx_io_queue(admin, 1);
	assert_false(nvme_queue_must_end(fresh));
	assert_true(nvme_queue_must_end(old));
	fx_queue_gone(old);
	assert_false(nvme_queue_must_end(fresh));
	fx_queue_gone(fresh);
	fx_queue_gone(admin);
}

/* ---- properties ---- */

static void properties_are_read_with_their_own_size(void **state)
{
	static const struct {
		uint32_t offset;
		uint8_t size;
	} good[] = {{0x00, 1}, {0x08, 0}, {0x14, 0}, {0x1c, 0}, {0x68, 0}};
	struct nvme_queue *queue = fx_admin();

	(void)state;
	for (uint32_t offset = 0; offset < 0x2000; offset++) {
		for (uint8_t size = 0; size < 8; size++) {
			bool ok = false;

			for (size_t i = 0; i < COUNT(good); i++)
				ok |= good[i].offset == offset && good[i].size == size;
			assert_int_equal(fx_property_get(queue, offset, size).status,
					 ok ? 0 : ABSENT);
			ok = offset == 0x14 && size == 0;
			assert_int_equal(fx_property_set(queue, offset, size, 0).status,
					 ok ? 0 : FIELD);
		}
	}
	assert_int_equal(fx_property_get(queue, 0xfffffffc, 0).status, ABSENT);
	fx_queue_gone(queue);
}

static void absent_property_is_answered_as_nvme_cli_needs_it(void **state)
{
	struct nvme_queue *queue = fx_admin();
	struct fx_run run = fx_property_get(queue, 0x20, 0);

	(void)state;
	assert_int_equal(run.status, ABSENT);
	assert_false(run.more);
	assert_int_equal(queue->ctrl->error_count, 0);
	fx_queue_gone(queue);
}

static void cap_tells_the_limits(void **state)
{
	struct nvme_queue *queue = fx_admin();
	struct fx_run run = fx_property_get(queue, NVME_PROP_CAP, 1);
	uint64_t cap = run.dw0 | (uint64_t)run.dw1 << 32;

	(void)state;
	assert_int_equal(cap & 0xffff, 127);    /* MQES */
	assert_int_equal(cap >> 16 & 1, 1);     /* CQR */
	assert_int_equal(cap >> 17 & 3, 0);     /* AMS */
	assert_int_equal(cap >> 24 & 0xff, 30); /* TO */
	assert_int_equal(cap >> 32 & 0x1f, 0);  /* DSTRD, NSSRS */
	assert_int_equal(cap >> 37 & 0xff, 1);  /* CSS */
	assert_int_equal(cap >> 48 & 0xff, 0);  /* MPSMIN, MPSMAX */
	assert_int_equal(cap >> 59 & 3, 1);     /* CRWMS, not CRIMS */
	assert_int_equal(fx_property_get(queue, NVME_PROP_VS, 0).dw0, 0x00020000);
	assert_int_equal(fx_property_get(queue, NVME_PROP_CRTO, 0).dw0, 30);
	fx_queue_gone(queue);
}

/* ---- keep alive ---- */

static uint64_t tick(struct nvme_queue *queue, struct nvme_actions *actions)
{
	memset(actions, 0, sizeof(*actions));
	return nvme_ctrl_tick(queue, fx_now, actions);
}

static struct fx_run keep_alive(struct nvme_queue *queue)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_KEEP_ALIVE, 0);

	return fx_run(queue, &cmd);
}

static void keep_alive_expiry_fails_and_ends_the_controller(void **state)
{
	struct nvme_queue *queue = fx_admin_kato(5000);
	struct nvme_queue *io;
	struct nvme_actions actions;
	uint64_t due;

	(void)state;
	fx_write_cc(queue, EN);
	io = fx_io_queue(queue, 1);
	tick(queue, &actions); /* takes note of what was sent until now */
	due = tick(queue, &actions);
	assert_int_equal(due, fx_now + 5 * FX_SECOND);
	fx_now = due - 1;
	assert_int_equal(tick(queue, &actions), due);
	assert_false(actions.attention);
	assert_false(nvme_queue_must_end(queue));
	fx_now = due;
	assert_int_equal(tick(queue, &actions), UINT64_MAX);
	assert_true(actions.attention);
	assert_non_null(actions.why);
	assert_true(nvme_queue_must_end(queue));
	assert_true(nvme_queue_must_end(io));
	assert_int_equal(fx_csts(queue), NVME_CSTS_CFS);
	assert_int_equal(tick(queue, &actions), UINT64_MAX);
	assert_false(actions.attention);
	fx_queue_gone(queue);
	fx_queue_gone(io);
}

static void keep_alive_command_starts_the_time_anew(void **state)
{
	struct nvme_queue *queue = fx_admin_kato(5000);
	struct nvme_actions actions;

	(void)state;
	fx_write_cc(queue, EN);
	for (unsigned i = 0; i < 5; i++) {
		fx_now += 4 * FX_SECOND;
		assert_int_equal(keep_alive(queue).status, 0);
		assert_int_equal(tick(queue, &actions), fx_now + 5 * FX_SECOND);
	}
	fx_now += 5 * FX_SECOND;
	assert_int_equal(tick(queue, &actions), UINT64_MAX);
	assert_true(nvme_queue_must_end(queue));
	fx_queue_gone(queue);
}

static void any_command_of_any_queue_keeps_the_controller_alive(void **state)
{
	struct nvme_queue *admin = fx_admin_kato(2000);
	struct nvme_cmd flush = fx_cmd(NVME_OPC_FLUSH, 1);
	struct nvme_cmd unknown = fx_cmd(0x55, 0);
	struct nvme_actions actions;
	struct nvme_queue *io;

	(void)state;
	fx_write_cc(admin, EN);
	io = fx_io_queue(admin, 1);
	tick(admin, &actions);
	for (unsigned i = 0; i < 20; i++) {
		fx_now += 3 * FX_SECOND / 2;
		fx_run(i % 2 ? io : admin, i % 3 ? &flush : &unknown);
		assert_int_equal(tick(admin, &actions), fx_now + 2 * FX_SECOND);
	}
	fx_now += 2 * FX_SECOND;
	assert_int_equal(tick(admin, &actions), UINT64_MAX);
	assert_true(nvme_queue_must_end(io));
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void a_host_whose_io_waits_for_a_resume_is_kept_alive(void **state)
{
	struct nvme_queue *admin = fx_admin_kato(2000);
	struct nvme_actions actions;
	struct nvme_queue *io;

	(void)state;
	fx_write_cc(admin, EN);
	io = fx_io_queue(admin, 1);
	nvme_queue_wait_begin(io);
	nvme_queue_wait_begin(io);
	nvme_queue_wait_end(io);
	for (unsigned i = 0; i < 20; i++) {
		fx_now += 3 * FX_SECOND;
		assert_int_equal(tick(admin, &actions), fx_now + 2 * FX_SECOND);
	}
	nvme_queue_wait_end(io);
	fx_now += 2 * FX_SECOND;
	assert_int_equal(tick(admin, &actions), UINT64_MAX);
	assert_true(nvme_queue_must_end(io));
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void kato_0_means_no_timer(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_actions actions;

	(void)state;
	assert_int_equal(tick(queue, &actions), UINT64_MAX);
	fx_now += 1000000 * FX_SECOND;
	assert_int_equal(tick(queue, &actions), UINT64_MAX);
	assert_false(nvme_queue_must_end(queue));
	assert_int_equal(keep_alive(queue).status, 0x1a | FX_DNR);
	fx_queue_gone(queue);
}

static void kato_is_rounded_up_to_the_granularity(void **state)
{
	static const struct {
		uint32_t asked, got;
	} cases[] = {{1, 1000},
		     {999, 1000},
		     {1000, 1000},
		     {1001, 2000},
		     {120000, 120000},
		     {UINT32_MAX, UINT32_MAX},
		     {4294967000u, 4294967000u}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct nvme_queue *queue = fx_admin_kato(cases[i].asked);

		fx_write_cc(queue, EN);
		assert_int_equal(fx_features(queue, NVME_OPC_GET_FEATURES, NVME_FID_KATO, 0).dw0,
				 cases[i].got);
		fx_queue_gone(queue);
	}
}

static void discovery_controller_without_kato_lives_two_minutes(void **state)
{
	struct nvme_queue *queue = fx_ready_discovery();
	struct nvme_actions actions;

	(void)state;
	assert_int_equal(tick(queue, &actions), fx_now + 120 * FX_SECOND);
	fx_now += 120 * FX_SECOND;
	tick(queue, &actions);
	assert_true(nvme_queue_must_end(queue));
	fx_queue_gone(queue);
}

static void controller_that_is_not_enabled_is_given_two_minutes(void **state)
{
	struct nvme_queue *queue = fx_admin_kato(5000);
	uint64_t start = fx_now;
	struct nvme_actions actions;

	(void)state;
	assert_int_equal(tick(queue, &actions), fx_now + 5 * FX_SECOND);
	fx_now += 119 * FX_SECOND;
	assert_int_equal(tick(queue, &actions), start + 120 * FX_SECOND);
	fx_write_cc(queue, EN);
	tick(queue, &actions);
	assert_int_equal(tick(queue, &actions), fx_now + 5 * FX_SECOND);
	fx_write_cc(queue, 0);
	tick(queue, &actions);
	fx_now += 6 * FX_SECOND;
	tick(queue, &actions);
	assert_false(nvme_queue_must_end(queue));
	fx_now += 114 * FX_SECOND;
	tick(queue, &actions);
	assert_true(nvme_queue_must_end(queue));
	fx_queue_gone(queue);
}

static void timer_that_becomes_earlier_is_told_to_the_transport(void **state)
{
	struct nvme_connect_data data = fx_connect_data(0xffff);
	struct nvme_cmd cmd = fx_connect_cmd(0, &data);
	struct nvme_queue *queue = fx_queue(0);
	struct nvme_actions actions;

	(void)state;
	nvme_put32(&cmd.connect.kato_ms, 200000);
	assert_true(fx_run(queue, &cmd).actions.timer);
	fx_write_cc(queue, EN);
	assert_false(keep_alive(queue).actions.timer);
	assert_true(fx_features(queue, NVME_OPC_SET_FEATURES, NVME_FID_KATO, 3000).actions.timer);
	assert_int_equal(tick(queue, &actions), fx_now + 3 * FX_SECOND);
	fx_features(queue, NVME_OPC_SET_FEATURES, NVME_FID_KATO, 0);
	assert_int_equal(tick(queue, &actions), UINT64_MAX);
	assert_true(fx_features(queue, NVME_OPC_SET_FEATURES, NVME_FID_KATO, 9000).actions.timer);
	assert_int_equal(tick(queue, &actions), fx_now + 9 * FX_SECOND);
	fx_queue_gone(queue);
}

static void tick_of_a_queue_without_a_timer_never_comes_again(void **state)
{
	struct nvme_queue *queue = fx_queue(0);
	struct nvme_queue *admin = fx_admin_kato(5000);
	struct nvme_actions actions;
	struct nvme_queue *io;

	(void)state;
	assert_int_equal(tick(queue, &actions), UINT64_MAX);
	fx_write_cc(admin, EN);
	io = fx_io_queue(admin, 1);
	assert_int_equal(tick(io, &actions), UINT64_MAX);
	nvme_queue_end(admin, &actions);
	assert_int_equal(tick(admin, &actions), UINT64_MAX);
	fx_queue_gone(io);
	fx_queue_gone(admin);
	fx_queue_gone(queue);
}

/* ---- references ---- */

static void admin_queue_takes_its_controller_with_it(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	struct nvme_actions actions = {0};

	(void)state;
	nvme_queue_end(admin, &actions);
	assert_true(actions.attention);
	assert_true(nvme_queue_must_end(io));
	actions.attention = false;
	nvme_queue_end(admin, &actions);
	assert_false(actions.attention);
	nvme_queue_fini(admin);
	assert_int_equal(nvme_registry_ctrl_count(fx_registry), 1);
	assert_string_equal(nvme_queue_hostnqn(io), FX_HOSTNQN);
	fx_queue_gone(io);
	assert_int_equal(nvme_registry_ctrl_count(fx_registry), 0);
	free(admin);
}

static void an_admin_queue_has_others_until_they_are_gone(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io;

	(void)state;
	assert_false(nvme_queue_has_others(admin));
	io = fx_io_queue(admin, 1);
	assert_true(nvme_queue_has_others(admin));
	assert_false(nvme_queue_has_others(io));
	fx_queue_gone(io);
	assert_false(nvme_queue_has_others(admin));
	fx_queue_gone(admin);
}

static void io_queue_ends_alone(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	struct nvme_actions actions = {0};

	(void)state;
	nvme_queue_end(io, &actions);
	assert_false(actions.attention);
	assert_false(nvme_queue_must_end(admin));
	fx_queue_gone(io);
	assert_int_equal(nvme_registry_ctrl_count(fx_registry), 1);
	fx_queue_gone(admin);
}

/* Four queues, each ended and then finished: all orders of eight steps in which end comes first. */
static unsigned orders;

static void run_order(const uint8_t *steps)
{
	struct nvme_queue *queues[4];
	struct nvme_actions actions = {0};
	bool ended[4] = {false};

	queues[0] = fx_ready();
	for (uint16_t qid = 1; qid < 4; qid++)
		queues[qid] = fx_io_queue(queues[0], qid);
	for (unsigned i = 0; i < 8; i++) {
		uint8_t at = steps[i];

		assert_int_equal(nvme_registry_ctrl_count(fx_registry), 1);
		if (!ended[at]) {
			nvme_queue_end(queues[at], &actions);
			ended[at] = true;
		} else {
			nvme_queue_fini(queues[at]);
			nvme_queue_fini(queues[at]); /* does nothing */
		}
	}
	assert_int_equal(nvme_registry_ctrl_count(fx_registry), 0);
	for (unsigned i = 0; i < 4; i++)
		free(queues[i]);
	orders++;
}

static void each_order(uint8_t *steps, unsigned depth, unsigned *left)
{
	if (depth == 8) {
		run_order(steps);
		return;
	}
	for (uint8_t at = 0; at < 4; at++) {
		if (left[at] == 0)
			continue;
		left[at]--;
		steps[depth] = at;
		each_order(steps, depth + 1, left);
		left[at]++;
	}
}

static void controller_is_freed_once_in_any_order(void **state)
{
	unsigned left[4] = {2, 2, 2, 2};
	uint8_t steps[8];

	(void)state;
	orders = 0;
	each_order(steps, 0, left);
	assert_int_equal(orders, 2520);
}

static void removed_subsystem_ends_its_controllers_and_waits_for_them(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);

	(void)state;
	nvme_subsystem_remove(fx_subsystem);
	assert_true(nvme_queue_must_end(admin));
	assert_true(nvme_queue_must_end(io));
	assert_false(nvme_subsystem_is_gone(fx_subsystem));
	fx_queue_gone(admin);
	assert_false(nvme_subsystem_is_gone(fx_subsystem));
	fx_queue_gone(io);
	assert_true(nvme_subsystem_is_gone(fx_subsystem));
	nvme_subsystem_free(fx_subsystem);
}

static void removed_host_loses_its_controllers_only(void **state)
{
	struct nvme_connect_data data = fx_connect_data(0xffff);
	struct nvme_cmd cmd = fx_connect_cmd(0, &data);
	struct nvme_queue *other = fx_queue(0);
	struct nvme_queue *mine;

	(void)state;
	fx_subsystem->allow_any_host = false;
	assert_int_equal(nvme_subsystem_add_host(fx_subsystem, FX_HOSTNQN), 0);
	assert_int_equal(nvme_subsystem_add_host(fx_subsystem, "nqn.2026-01.org.example:b"), 0);
	mine = fx_admin();
	strcpy(data.hostnqn, "nqn.2026-01.org.example:b");
	assert_int_equal(fx_run(other, &cmd).status, 0);
	assert_int_equal(nvme_subsystem_remove_host(fx_subsystem, FX_HOSTNQN), 0);
	assert_true(nvme_queue_must_end(mine));
	assert_false(nvme_queue_must_end(other));
	fx_queue_gone(mine);
	fx_queue_gone(other);
}

static void removed_host_stays_where_any_host_may_be(void **state)
{
	struct nvme_queue *queue = fx_admin();

	(void)state;
	assert_int_equal(nvme_subsystem_add_host(fx_subsystem, FX_HOSTNQN), 0);
	assert_int_equal(nvme_subsystem_remove_host(fx_subsystem, FX_HOSTNQN), 0);
	assert_false(nvme_queue_must_end(queue));
	fx_queue_gone(queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_write_to_cc_in_every_state_gives_the_right_csts),
		TEST(every_state_can_be_left_by_a_reset),
		TEST(io_queues_end_with_every_way_out_of_ready),
		TEST(reset_is_over_when_the_last_io_queue_is_gone),
		TEST(shutdown_is_over_when_the_last_io_queue_is_gone),
		TEST(queue_ids_are_taken_again_after_a_reset),
		TEST(properties_are_read_with_their_own_size),
		TEST(absent_property_is_answered_as_nvme_cli_needs_it),
		TEST(cap_tells_the_limits),
		TEST(keep_alive_expiry_fails_and_ends_the_controller),
		TEST(keep_alive_command_starts_the_time_anew),
		TEST(any_command_of_any_queue_keeps_the_controller_alive),
		TEST(a_host_whose_io_waits_for_a_resume_is_kept_alive),
		TEST(kato_0_means_no_timer),
		TEST(kato_is_rounded_up_to_the_granularity),
		TEST(discovery_controller_without_kato_lives_two_minutes),
		TEST(controller_that_is_not_enabled_is_given_two_minutes),
		TEST(timer_that_becomes_earlier_is_told_to_the_transport),
		TEST(tick_of_a_queue_without_a_timer_never_comes_again),
		TEST(admin_queue_takes_its_controller_with_it),
		TEST(an_admin_queue_has_others_until_they_are_gone),
		TEST(io_queue_ends_alone),
		TEST(controller_is_freed_once_in_any_order),
		TEST(removed_subsystem_ends_its_controllers_and_waits_for_them),
		TEST(removed_host_loses_its_controllers_only),
		TEST(removed_host_stays_where_any_host_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
