/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/reservation_notice.c: which hosts hear of which change, the log page that tells it one by
 * one, its event, and the mask.
 */
#include "nvme_hosts.h"

enum { PREEMPTED = 1, RELEASED, CLEARED };

#define EVENT 0x00800006u /* I/O command specific, log page 80h */

struct page {
	uint64_t count;
	uint8_t type, available;
	uint32_t nsid;
};

static struct page read_page(struct host *host, bool retain)
{
	struct nvme_resv_log log;
	struct nvme_cmd cmd = fx_log_cmd(NVME_LID_RESERVATION, &log, sizeof(log), 0);

	memset(&log, FX_STALE, sizeof(log));
	if (retain)
		nvme_put32(&cmd.cdw10, nvme_get32(cmd.cdw10) | 1 << 15);
	assert_int_equal(fx_run(host->admin, &cmd).status, 0);
	for (unsigned i = 0; i < sizeof(log.rsvd16); i++)
		assert_int_equal(log.rsvd16[i], 0);
	return (struct page){nvme_get64(log.count), log.type, log.available, nvme_get32(log.nsid)};
}

static void assert_page(struct host *host, uint64_t count, uint8_t type, uint8_t available)
{
	struct page page = read_page(host, false);

	assert_int_equal(page.count, count);
	assert_int_equal(page.type, type);
	assert_int_equal(page.available, available);
	assert_int_equal(page.nsid, count ? 2 : 0);
}

static void release(struct host *host, uint64_t crkey, uint32_t type)
{
	assert_int_equal(resv(host, NVME_OPC_RESV_RELEASE, type << 8, crkey, 0).status, 0);
}

static struct fx_run clear(struct host *host, uint64_t crkey)
{
	return resv(host, NVME_OPC_RESV_RELEASE, 1, crkey, 0);
}

/* ---- who hears of what ---- */

static void everybody_registers(void)
{
	assert_int_equal(enlist(&a, 10), 0);
	assert_int_equal(enlist(&b, 11), 0);
	assert_int_equal(enlist(&c, 12), 0);
}

static void who_is_preempted_hears_of_it_and_nobody_else(void **state)
{
	(void)state;
	everybody_registers();
	assert_int_equal(preempt(&a, 10, 11, WE), 0);
	assert_page(&a, 0, 0, 0);
	assert_page(&b, 1, PREEMPTED, 0);
	assert_page(&b, 0, 0, 0);
	assert_page(&c, 0, 0, 0);
}

static void who_has_a_part_in_a_reservation_hears_of_its_release(void **state)
{
	(void)state;
	everybody_registers();
	for (uint32_t type = WE; type <= EAAR; type++) {
		assert_int_equal(acquire(&a, 10, type), 0);
		release(&a, 10, type);
		assert_page(&a, 0, 0, 0);
		if (type < WERO)
			assert_page(&b, 0, 0, 0);
		else
			assert_page(&b, type - 2, RELEASED, 0);
	}
}

static void everybody_hears_of_a_clear_but_who_did_it(void **state)
{
	struct host stranger = host_up('s');

	(void)state;
	everybody_registers();
	assert_true(clear(&a, 10).actions.attention);
	assert_page(&a, 0, 0, 0);
	assert_page(&b, 1, CLEARED, 0);
	assert_page(&c, 1, CLEARED, 0);
	assert_page(&stranger, 0, 0, 0);
	host_down(&stranger);
}

static void a_preempt_that_changes_the_type_tells_those_who_stay(void **state)
{
	(void)state;
	everybody_registers();
	assert_int_equal(acquire(&a, 10, EARO), 0);
	assert_int_equal(preempt(&b, 11, 10, EA), 0);
	assert_page(&a, 1, PREEMPTED, 0);
	assert_page(&b, 0, 0, 0);
	assert_page(&c, 1, RELEASED, 0);
}

static void every_controller_of_a_host_is_told(void **state)
{
	struct host second = host_up('b');

	(void)state;
	everybody_registers();
	clear(&a, 10);
	assert_page(&b, 1, CLEARED, 0);
	assert_page(&second, 1, CLEARED, 0);
	host_down(&second);
}

static void a_host_that_may_not_see_the_namespace_hears_nothing(void **state)
{
	(void)state;
	everybody_registers();
	ns->restricted = true;
	nvme_mask_hide(ns);
	atomic_fetch_or(&c.admin->ctrl->sees[0], 1ull << 1);
	clear(&a, 10);
	assert_page(&b, 0, 0, 0);
	assert_page(&c, 1, CLEARED, 0);
}

static void a_change_that_concerns_nobody_wakes_nobody(void **state)
{
	(void)state;
	enlist(&a, 10);
	assert_false(clear(&a, 10).actions.attention);
}

/* ---- the log page ---- */

static void clears(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		enlist(&a, 10);
		enlist(&b, 11);
		clear(&a, 10);
	}
}

static void pages_are_read_one_by_one(void **state)
{
	(void)state;
	clears(3);
	assert_page(&b, 1, CLEARED, 2);
	assert_page(&b, 2, CLEARED, 1);
	assert_page(&b, 3, CLEARED, 0);
	assert_page(&b, 0, 0, 0);
	clears(1);
	assert_page(&b, 4, CLEARED, 0);
}

static void a_page_that_is_retained_stays(void **state)
{
	(void)state;
	clears(2);
	assert_int_equal(read_page(&b, true).count, 1);
	assert_int_equal(read_page(&b, true).count, 1);
	assert_page(&b, 1, CLEARED, 1);
	assert_int_equal(read_page(&b, true).count, 2);
}

static void too_many_pages_leave_a_gap_in_the_counts(void **state)
{
	(void)state;
	clears(200);
	for (unsigned i = 0; i < NVME_RESV_NOTICES; i++)
		assert_page(&b, 137 + i, CLEARED, (uint8_t)(63 - i));
	assert_page(&b, 0, 0, 0);
}

static void a_reset_begins_anew(void **state)
{
	(void)state;
	clears(2);
	fx_queue_gone(b.io);
	fx_write_cc(b.admin, 0);
	fx_write_cc(b.admin, FX_CC_ENABLE);
	b.io = connect_as('b', 1, nvme_queue_cntlid(b.admin));
	assert_page(&b, 0, 0, 0);
	clears(1);
	assert_page(&b, 1, CLEARED, 0);
}

/* ---- the event ---- */

static struct nvme_request held[3];

static void hold(unsigned i)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_ASYNC_EVENT, 0);
	struct fx_run run = fx_run_request(&held[i], b.admin, (const uint8_t *)&cmd, 64);

	assert_int_equal(run.next, NVME_HOLD);
	assert_null(run.actions.done);
}

static struct nvme_request *told(struct nvme_queue *queue)
{
	struct nvme_actions actions = {0};

	nvme_ctrl_sync(queue, &actions);
	return actions.done;
}

static void the_event_is_told_once_until_the_page_is_read(void **state)
{
	(void)state;
	hold(0);
	hold(1);
	assert_null(told(b.admin));
	clears(1);
	assert_null(told(b.io));
	assert_ptr_equal(told(b.admin), &held[0]);
	assert_int_equal(nvme_get32(held[0].cqe.dw0), EVENT);
	assert_null(told(b.admin));
	clears(1);
	assert_null(told(b.admin));
	/* Both pages are read before a new event would say anything new. */
	assert_int_equal(read_page(&b, true).available, 1);
	assert_page(&b, 1, CLEARED, 1);
	assert_int_equal(b.admin->ctrl->aer_count, 0);
	assert_page(&b, 2, CLEARED, 0);
	hold(2);
	clears(1);
	assert_ptr_equal(told(b.admin), &held[2]);
	b.admin->ctrl->aer_count = 0;
}

static void pages_that_were_all_read_leave_no_event_behind(void **state)
{
	(void)state;
	clears(1);
	assert_null(told(b.admin));
	assert_page(&b, 1, CLEARED, 0);
	hold(0);
	b.admin->ctrl->aer_count = 0;
}

static void a_queue_that_has_ended_is_told_nothing(void **state)
{
	struct nvme_actions actions = {0};
	struct host second = host_up('b');

	(void)state;
	clears(1);
	nvme_queue_end(second.admin, &actions);
	assert_null(told(second.admin));
	assert_int_equal(second.admin->ctrl->events_pending, 0);
	host_down(&second);
}

/* ---- the mask ---- */

static struct fx_run feature(uint8_t opcode, uint32_t cdw10, uint32_t nsid, uint32_t value)
{
	struct nvme_cmd cmd = fx_cmd(opcode, nsid);

	nvme_put32(&cmd.cdw10, cdw10);
	nvme_put32(&cmd.cdw11, value);
	return fx_run(b.admin, &cmd);
}

#define SET(nsid, value) feature(NVME_OPC_SET_FEATURES, 0x82, nsid, value)
#define GET(nsid)        feature(NVME_OPC_GET_FEATURES, 0x82, nsid, 0)

static void each_kind_of_notification_can_be_masked(void **state)
{
	(void)state;
	for (uint32_t type = PREEMPTED; type <= CLEARED; type++) {
		assert_int_equal(SET(2, 1u << type).status, 0);
		assert_int_equal(GET(2).dw0, 1u << type);
		everybody_registers();
		assert_int_equal(acquire(&a, 10, WERO), 0);
		release(&a, 10, WERO);
		assert_int_equal(preempt(&a, 10, 11, WE), 0);
		enlist(&b, 11);
		clear(&a, 10);
		for (uint8_t i = 0; i < 2; i++) {
			uint8_t seen = read_page(&b, false).type;

			assert_int_not_equal(seen, 0);
			assert_int_not_equal(seen, type);
		}
		assert_int_equal(read_page(&b, false).type, 0);
	}
	/* The others have a mask of their own. */
	for (unsigned i = 0; i < 6; i++)
		assert_int_not_equal(read_page(&c, false).type, 0);
}

static void the_mask_is_per_namespace(void **state)
{
	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	assert_int_equal(SET(NVME_NSID_ALL, 0xffffffff).status, 0);
	assert_int_equal(GET(1).dw0, 0xe);
	assert_int_equal(GET(2).dw0, 0xe);
	assert_int_equal(SET(1, 2).status, 0);
	assert_int_equal(GET(1).dw0, 2);
	assert_int_equal(GET(2).dw0, 0xe);
	assert_int_equal(GET(3).status, NO_NS);
	assert_int_equal(SET(3, 2).status, NO_NS);
	assert_int_equal(SET(0, 2).status, NO_NS);
	assert_int_equal(GET(NVME_NSID_ALL).status, FIELD);
	assert_int_equal(feature(NVME_OPC_GET_FEATURES, 0x182, 2, 0).dw0, 0);
	fx_queue_gone(b.io);
	fx_write_cc(b.admin, 0);
	fx_write_cc(b.admin, FX_CC_ENABLE);
	b.io = connect_as('b', 1, nvme_queue_cntlid(b.admin));
	assert_int_equal(GET(2).dw0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_is_preempted_hears_of_it_and_nobody_else),
		TEST(who_has_a_part_in_a_reservation_hears_of_its_release),
		TEST(everybody_hears_of_a_clear_but_who_did_it),
		TEST(a_preempt_that_changes_the_type_tells_those_who_stay),
		TEST(every_controller_of_a_host_is_told),
		TEST(a_host_that_may_not_see_the_namespace_hears_nothing),
		TEST(a_change_that_concerns_nobody_wakes_nobody),
		TEST(pages_are_read_one_by_one),
		TEST(a_page_that_is_retained_stays),
		TEST(too_many_pages_leave_a_gap_in_the_counts),
		TEST(a_reset_begins_anew),
		TEST(the_event_is_told_once_until_the_page_is_read),
		TEST(pages_that_were_all_read_leave_no_event_behind),
		TEST(a_queue_that_has_ended_is_told_nothing),
		TEST(each_kind_of_notification_can_be_masked),
		TEST(the_mask_is_per_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
