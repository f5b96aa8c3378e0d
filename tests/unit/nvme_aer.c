/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/aer.c: which events are told, when, how often, and what Abort does to held requests.
 */
#include "nvme_fixture.h"

#define NS_EVENT   0x00040002u /* notice, NS attribute changed, log page 04h */
#define DISC_EVENT 0x0070f002u /* notice, discovery log changed, log page 70h */

static uint8_t page[4096];
static struct nvme_request held[5];

static struct fx_run hold(struct nvme_queue *queue, unsigned i)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_ASYNC_EVENT, 0);

	nvme_put16(&cmd.cid, (uint16_t)(100 + i));
	return fx_run_request(&held[i], queue, (const uint8_t *)&cmd, 64);
}

static struct nvme_actions ns_changed(struct nvme_queue *queue, uint32_t nsid)
{
	struct nvme_actions actions = {0};

	nvme_ctrl_ns_changed(queue, nsid, &actions);
	return actions;
}

static void want_events(struct nvme_queue *queue, uint32_t value)
{
	assert_int_equal(fx_features(queue, NVME_OPC_SET_FEATURES, NVME_FID_EVENTS, value).status,
			 0);
}

static struct nvme_actions read_log(struct nvme_queue *queue, uint8_t lid, bool retain)
{
	struct nvme_cmd cmd = fx_log_cmd(lid, page, 1024, 0);
	struct fx_run run;

	if (retain)
		nvme_put32(&cmd.cdw10, nvme_get32(cmd.cdw10) | 1 << 15);
	run = fx_run(queue, &cmd);
	assert_int_equal(run.status, 0);
	return run.actions;
}

/* Exactly one request was answered, with this in dw0. */
static void assert_told(struct nvme_actions actions, unsigned i, uint32_t dw0)
{
	assert_ptr_equal(actions.done, &held[i]);
	assert_null(actions.done->next);
	assert_int_equal(nvme_get32(held[i].cqe.dw0), dw0);
	assert_int_equal(nvme_get16(held[i].cqe.status), 0);
	assert_int_equal(nvme_get16(held[i].cqe.cid), 100 + i);
}

static void four_requests_are_held_and_the_fifth_refused(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct fx_run run;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		run = hold(queue, i);
		assert_int_equal(run.next, NVME_HOLD);
		assert_null(run.actions.done);
	}
	run = hold(queue, 4);
	assert_int_equal(run.next, NVME_RESPOND);
	assert_int_equal(run.status, 0x105 | FX_DNR);
	fx_queue_gone(queue);
}

static void event_that_is_not_wanted_is_not_told(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	hold(queue, 0);
	assert_null(ns_changed(queue, 1).done);
	want_events(queue, 0xff);
	assert_null(ns_changed(queue, 1).done);
	fx_queue_gone(queue);
}

static void event_is_told_once_until_its_log_page_is_read(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	want_events(queue, 0x100);
	hold(queue, 0);
	hold(queue, 1);
	assert_told(ns_changed(queue, 1), 0, NS_EVENT);
	assert_null(ns_changed(queue, 2).done);
	assert_null(read_log(queue, NVME_LID_CHANGED_NS, true).done);
	assert_null(read_log(queue, NVME_LID_SMART, false).done);
	assert_told(read_log(queue, NVME_LID_CHANGED_NS, false), 1, NS_EVENT);
	assert_null(read_log(queue, NVME_LID_CHANGED_NS, false).done);
	hold(queue, 2);
	assert_null(read_log(queue, NVME_LID_CHANGED_NS, false).done);
	assert_told(ns_changed(queue, 3), 2, NS_EVENT);
	fx_queue_gone(queue);
}

/* ---- events of the embedder ---- */

/* dw0 of each event of the API, and the bit of Asynchronous Event Configuration that asks for it. */
static const struct {
	uint32_t dw0, wanted;
} raised[] = {
	[WRASSE_EVENT_SPARE] = {0x00020201, 1 << 0},
	[WRASSE_EVENT_TEMPERATURE] = {0x00020101, 1 << 1},
	[WRASSE_EVENT_RELIABILITY] = {0x00020001, 1 << 2},
	[WRASSE_EVENT_READ_ONLY] = {0x00020001, 1 << 3},
	[WRASSE_EVENT_BACKUP] = {0x00020001, 1 << 4},
	[WRASSE_EVENT_DIAGNOSTIC_FAILURE] = {0x00010200, 0},
	[WRASSE_EVENT_PERSISTENT_ERROR] = {0x00010300, 0},
	[WRASSE_EVENT_TRANSIENT_ERROR] = {0x00010400, 0},
};

#define RAISED (sizeof(raised) / sizeof(raised[0]))

static struct nvme_actions sync_ctrl(struct nvme_queue *queue)
{
	struct nvme_actions actions = {0};

	nvme_ctrl_sync(queue, &actions);
	return actions;
}

static void embedder_s_events_are_told_to_who_wants_them(void **state)
{
	(void)state;
	for (unsigned event = 0; event < RAISED; event++) {
		struct nvme_queue *queue = fx_ready();

		hold(queue, 0);
		want_events(queue, ~raised[event].wanted & 0x1ff);
		nvme_subsystem_raise(fx_subsystem, event);
		if (raised[event].wanted) {
			assert_null(sync_ctrl(queue).done);
			want_events(queue, raised[event].wanted);
			nvme_subsystem_raise(fx_subsystem, event);
		}
		assert_told(sync_ctrl(queue), 0, raised[event].dw0);
		assert_null(sync_ctrl(queue).done);
		fx_queue_gone(queue);
	}
}

static void one_event_of_a_log_page_is_told_at_a_time(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_queue *other = fx_ready();
	struct nvme_queue *io = fx_io_queue(queue, 1);
	struct nvme_actions actions;

	(void)state;
	want_events(queue, 0x1ff);
	for (unsigned i = 0; i < 4; i++)
		hold(queue, i);
	nvme_subsystem_raise(fx_subsystem, WRASSE_EVENT_SPARE);
	nvme_subsystem_raise(fx_subsystem, WRASSE_EVENT_TEMPERATURE);
	nvme_subsystem_raise(fx_subsystem, WRASSE_EVENT_TRANSIENT_ERROR);
	nvme_subsystem_raise(fx_subsystem, WRASSE_EVENT_TRANSIENT_ERROR);
	assert_null(sync_ctrl(io).done);
	assert_null(sync_ctrl(other).done); /* it holds no request */
	/* The error first, then one of the two of the SMART log. */
	actions = sync_ctrl(queue);
	assert_int_equal(nvme_get32(held[0].cqe.dw0), raised[WRASSE_EVENT_TRANSIENT_ERROR].dw0);
	assert_int_equal(nvme_get32(held[1].cqe.dw0), raised[WRASSE_EVENT_TEMPERATURE].dw0);
	assert_ptr_equal(actions.done, &held[1]);
	assert_ptr_equal(actions.done->next, &held[0]);
	assert_null(actions.done->next->next);
	assert_null(read_log(queue, NVME_LID_SMART, true).done);
	assert_told(read_log(queue, NVME_LID_SMART, false), 2, raised[WRASSE_EVENT_SPARE].dw0);
	assert_null(read_log(queue, NVME_LID_ERROR, false).done);
	assert_null(read_log(queue, NVME_LID_SMART, false).done);
	fx_queue_gone(io);
	fx_queue_gone(other);
	fx_queue_gone(queue);
}

static void event_waits_for_a_request(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct fx_run run;

	(void)state;
	want_events(queue, 0x100);
	assert_null(ns_changed(queue, 1).done);
	run = hold(queue, 0);
	assert_int_equal(run.next, NVME_HOLD);
	assert_told(run.actions, 0, NS_EVENT);
	run = hold(queue, 1);
	assert_null(run.actions.done);
	fx_queue_gone(queue);
}

static void requests_are_answered_in_the_order_they_came(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	want_events(queue, 0x100);
	for (unsigned i = 0; i < 4; i++)
		hold(queue, i);
	for (unsigned i = 0; i < 4; i++) {
		assert_told(ns_changed(queue, 1), i, NS_EVENT);
		read_log(queue, NVME_LID_CHANGED_NS, false);
	}
	fx_queue_gone(queue);
}

static void discovery_change_is_told_to_discovery_controllers(void **state)
{
	struct nvme_queue *disc = fx_ready_discovery();
	struct nvme_queue *admin = fx_ready();
	struct nvme_actions actions = {0};

	(void)state;
	want_events(disc, 1u << 31);
	want_events(admin, 0x100);
	hold(admin, 1);
	nvme_ctrl_discovery_changed(admin, &actions);
	assert_null(actions.done);
	hold(disc, 0);
	assert_null(ns_changed(disc, 1).done);
	nvme_ctrl_discovery_changed(disc, &actions);
	assert_told(actions, 0, DISC_EVENT);
	memset(&actions, 0, sizeof(actions));
	hold(disc, 2);
	nvme_ctrl_discovery_changed(disc, &actions);
	assert_null(actions.done);
	assert_told(read_log(disc, NVME_LID_DISCOVERY, false), 2, DISC_EVENT);
	fx_queue_gone(admin);
	fx_queue_gone(disc);
}

static void reset_answers_every_held_request_with_sq_deletion(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_request *request;
	struct fx_run run;
	unsigned count = 0;

	(void)state;
	want_events(queue, 0x100);
	for (unsigned i = 0; i < 4; i++)
		hold(queue, i);
	run = fx_write_cc(queue, 0);
	for (request = run.actions.done; request; request = request->next) {
		assert_ptr_equal(request, &held[count]);
		assert_int_equal(nvme_get16(request->cqe.status), 0x08 << 1);
		count++;
	}
	assert_int_equal(count, 4);
	fx_write_cc(queue, FX_CC_ENABLE);
	hold(queue, 0);
	assert_null(ns_changed(queue, 1).done);
	fx_queue_gone(queue);
}

static void pending_event_does_not_survive_a_reset(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	want_events(queue, 0x100);
	ns_changed(queue, 1);
	fx_write_cc(queue, 0);
	fx_write_cc(queue, FX_CC_ENABLE);
	want_events(queue, 0x100);
	assert_null(hold(queue, 0).actions.done);
	fx_queue_gone(queue);
}

static void nothing_is_told_after_a_shutdown(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	want_events(queue, 0x100);
	hold(queue, 0);
	assert_null(fx_write_cc(queue, FX_CC_ENABLE | 0x4000).actions.done);
	assert_null(ns_changed(queue, 1).done);
	fx_queue_gone(queue);
}

static void queue_that_ends_forgets_its_held_requests(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_actions actions = {0};

	(void)state;
	want_events(queue, 0x100);
	hold(queue, 0);
	nvme_queue_end(queue, &actions);
	assert_null(actions.done);
	assert_int_equal(queue->ctrl->aer_count, 0);
	assert_null(ns_changed(queue, 1).done);
	nvme_queue_fini(queue);
	free(queue);
}

static struct fx_run abort_cmd(struct nvme_queue *queue, uint16_t sqid, uint16_t cid)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_ABORT, 0);

	nvme_put32(&cmd.cdw10, sqid | (uint32_t)cid << 16);
	return fx_run(queue, &cmd);
}

static void abort_ends_the_held_request_that_it_names(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct fx_run run;

	(void)state;
	want_events(queue, 0x100);
	for (unsigned i = 0; i < 4; i++)
		hold(queue, i);
	run = abort_cmd(queue, 0, 102);
	assert_int_equal(run.status, 0);
	assert_int_equal(run.dw0, 0);
	assert_ptr_equal(run.actions.done, &held[2]);
	assert_null(held[2].next);
	assert_int_equal(nvme_get16(held[2].cqe.status), 0x07 << 1);
	/* A second time it is for the transport to look for it. */
	run = abort_cmd(queue, 0, 102);
	assert_int_equal(run.next, NVME_ABORT);
	assert_null(run.actions.done);
	assert_told(ns_changed(queue, 1), 0, NS_EVENT);
	read_log(queue, NVME_LID_CHANGED_NS, false);
	assert_told(ns_changed(queue, 1), 1, NS_EVENT);
	read_log(queue, NVME_LID_CHANGED_NS, false);
	assert_told(ns_changed(queue, 1), 3, NS_EVENT);
	fx_queue_gone(queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(four_requests_are_held_and_the_fifth_refused),
		TEST(event_that_is_not_wanted_is_not_told),
		TEST(event_is_told_once_until_its_log_page_is_read),
		TEST(embedder_s_events_are_told_to_who_wants_them),
		TEST(one_event_of_a_log_page_is_told_at_a_time),
		TEST(event_waits_for_a_request),
		TEST(requests_are_answered_in_the_order_they_came),
		TEST(discovery_change_is_told_to_discovery_controllers),
		TEST(reset_answers_every_held_request_with_sq_deletion),
		TEST(pending_event_does_not_survive_a_reset),
		TEST(nothing_is_told_after_a_shutdown),
		TEST(queue_that_ends_forgets_its_held_requests),
		TEST(abort_ends_the_held_request_that_it_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
