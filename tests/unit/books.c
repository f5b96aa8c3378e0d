/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/books.c: the ledger names whoever has something of a pool, and who has forgotten
 * it.
 */
#include "fake_verbs.h"
#include "transport/resources.h"

#include <stdbool.h>
#include <string.h>

#include "nvme/ctrl.h"

/* ---- the ledger ---- */

static struct wrasse_subsystem subsystem = {.nqn = "nqn.2026-01.org.example:sub"};
static struct nvme_ctrl ctrl = {
	.subsystem = &subsystem, .cntlid = 7, .hostnqn = "nqn.2026-01.org.example:host"};

static struct wrasse_holder noted;
static unsigned noted_count;

static void note(void *ctx, const struct wrasse_holder *holder)
{
	noted = *holder;
	noted_count++;
}

static void the_ledger_names_who_holds_what(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	noted_count = 0;
	assert_int_equal(wrasse_poll_group_ledger(fake.group, note, NULL), 0);
	request = fake_request(&fake);
	fake_data(request, NVME_XFER_H2C, 4, 16384);
	nvme_put16(&request->nvme.cmd.cid, 0x1234);
	assert_true(fake_take_small(request));
	rdmat_request_move(request, RDMAT_REQUEST_WAIT_FETCH);
	rdmat_sendq_fill(fake.qp);
	rdmat_sendq_post(fake.qp);
	fake.qp->nvme.ctrl = &ctrl;
	fake.now_ns += 5;
	assert_int_equal(wrasse_poll_group_ledger(fake.group, note, NULL), 1);
	assert_int_equal(noted_count, 1);
	assert_string_equal(noted.state, "FETCHING");
	assert_string_equal(noted.hostnqn, "nqn.2026-01.org.example:host");
	assert_string_equal(noted.subnqn, "nqn.2026-01.org.example:sub");
	assert_int_equal(noted.cntlid, 7);
	assert_int_equal(noted.qid, 1);
	assert_int_equal(noted.cid, 0x1234);
	assert_int_equal(noted.opcode, 0x7e);
	assert_false(noted.admin);
	assert_int_equal(noted.age_ns, 5);
	assert_int_equal(noted.wrs, 4);
	assert_int_equal(noted.small_buffers, 8);
	assert_int_equal(noted.large_buffers, 0);
	assert_int_equal(noted.queue_slots, 4);
	assert_int_equal(noted.read_credits, 4);
	assert_false(noted.receive_slot);
	assert_false(noted.backend);
	fake.qp->nvme.ctrl = NULL;
	fake_fini(&fake);
}

/* A write with identifier @cid, a chain of 8 WRs and 8 buffers. */
static struct rdmat_request *chain_request(struct fake *fake, uint16_t cid)
{
	struct rdmat_request *request = fake_request(fake);

	fake_data(request, NVME_XFER_H2C, 8, 8192);
	nvme_put16(&request->nvme.cmd.cid, cid);
	assert_true(fake_take_small(request));
	return request;
}

/* The fault: the request forgets what comes after the first @keep items of a chain. */
static struct pool_item *forget(struct pool_item *chain, unsigned keep)
{
	struct pool_item *rest;

	while (--keep)
		chain = chain->next;
	rest = chain->next;
	chain->next = NULL;
	return rest;
}

static void finish(struct rdmat_request *request)
{
	rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
	assert_true(rdmat_request_settle(request));
}

static void log_note(void *ctx, enum wrasse_log_level level, const char *line)
{
	if (level == WRASSE_LOG_ERROR)
		snprintf(ctx, 512, "%s", line);
}

static void expect_lost(struct fake *fake, unsigned wrs, unsigned small, const char *hostnqn)
{
	noted_count = 0;
	assert_int_equal(wrasse_poll_group_ledger(fake->group, note, NULL), 1);
	assert_int_equal(noted_count, 1);
	assert_string_equal(noted.state, "FREE");
	assert_string_equal(noted.hostnqn, hostnqn);
	assert_string_equal(noted.subnqn, *hostnqn ? subsystem.nqn : "");
	assert_int_equal(noted.cntlid, 7);
	assert_int_equal(noted.qid, 1);
	assert_int_equal(noted.cid, 0x1234);
	assert_int_equal(noted.opcode, 0x7e);
	assert_int_equal(noted.age_ns, 5);
	assert_int_equal(noted.wrs, wrs);
	assert_int_equal(noted.small_buffers, small);
	assert_int_equal(noted.large_buffers, 0);
	assert_int_equal(noted.queue_slots, 0);
	assert_false(noted.receive_slot);
	assert_false(noted.backend);
}

static void what_a_free_request_lost_is_told_with_its_last_command(void **state)
{
	struct pool_item *wrs, *small;
	struct rdmat_request *request;
	char said[512] = "";
	struct fake fake;

	fake_init(&fake);
	fake.rdmat.opts.log = log_note;
	fake.rdmat.opts.log_ctx = said;
	fake.qp->nvme.ctrl = &ctrl;
	request = chain_request(&fake, 0x1234);
	wrs = forget(request->chain, 3);
	small = forget(request->buffers, 6);
	finish(request);
	assert_non_null(strstr(said, "command 0x7e with identifier 4660 ended, and 7 WRs"));
	assert_non_null(strstr(said, ctrl.hostnqn));
	fake.now_ns += 5;
	expect_lost(&fake, 5, 2, ctrl.hostnqn);

	/* What else goes on does not cover it: other requests are taken first. */
	said[0] = '\0';
	for (unsigned i = 0; i < 2 * FAKE_REQUESTS; i++)
		finish(chain_request(&fake, (uint16_t)i));
	assert_string_equal(said, "");
	expect_lost(&fake, 5, 2, ctrl.hostnqn);

	pool_give(fake.group->wr_pool, wrs);
	expect_lost(&fake, 0, 2, ctrl.hostnqn);
	pool_give(fake.group->small, small);
	assert_int_equal(wrasse_poll_group_ledger(fake.group, note, NULL), 0);
	fake.qp->nvme.ctrl = NULL;
	fake_fini(&fake);
}

static void what_was_lost_is_told_with_the_wrs_of_a_command_in_work(void **state)
{
	struct rdmat_request *request;
	struct pool_item *wrs;
	struct fake fake;

	fake_init(&fake);
	request = chain_request(&fake, 1);
	wrs = forget(request->chain, 3);
	assert_int_equal(wrasse_poll_group_ledger(fake.group, note, NULL), 1);
	assert_string_equal(noted.state, "RECEIVED");
	assert_int_equal(noted.wrs, 8);
	assert_int_equal(noted.small_buffers, 8);
	finish(request);
	pool_give(fake.group->wr_pool, wrs);
	fake_fini(&fake);
}

/* Ends the queue pair and polls the group, which drains, until it says that it is through. */
static void drain(struct fake *fake)
{
	rdmat_qp_disconnect(fake->qp, NULL);
	fake->qp->nvme.ctrl = &ctrl;
	ctrl.refs = 2; /* it is not the queue pair's to free */
	fake_reap(fake);
	atomic_store(&fake->group->drain, RDMAT_DRAIN_GRACEFUL);
	assert_true(wrasse_poll_group_poll(fake->group) > 0);
	assert_true(atomic_load(&fake->group->drained));
}

/* With check_books the first poll that finds WRs lost ends the program: there is no report then. */
#ifdef WRASSE_CHECK_BOOKS
#define SKIP_IF_CHECKED() skip()
#else
#define SKIP_IF_CHECKED() (void)0
#endif

#ifdef WRASSE_CHECK_BOOKS
static void lose(void *arg)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	request = chain_request(&fake, 1);
	forget(request->chain, 3);
	finish(request);
	/* A poll that finds nothing to do checks nothing. */
	rdmat_group_attention(fake.group);
	wrasse_poll_group_poll(fake.group);
}

static void a_build_that_checks_its_books_stops_when_a_wr_is_lost(void **state)
{
	assert_dies(lose, NULL, "wr pool: 59 free and 0 held do not make 64");
}
#endif

static void after_a_drain_the_host_of_lost_wrs_is_still_known(void **state)
{
	SKIP_IF_CHECKED();
	struct pool_item *wrs;
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	fake.qp->nvme.ctrl = &ctrl;
	request = chain_request(&fake, 0x1234);
	wrs = forget(request->chain, 1);
	finish(request);
	fake.qp->nvme.ctrl = NULL;
	drain(&fake);
	assert_int_equal(fake.group->holder_count, 1);
	assert_string_equal(fake.group->holders[0].line.state, "FREE");
	assert_string_equal(fake.group->holders[0].line.hostnqn, ctrl.hostnqn);
	assert_string_equal(fake.group->holders[0].line.subnqn, subsystem.nqn);
	assert_int_equal(fake.group->holders[0].line.wrs, 7);
	/* As many queue pairs go as names are kept. */
	fake.now_ns = request->received_ns + 5;
	expect_lost(&fake, 7, 0, ctrl.hostnqn);
	for (unsigned i = 0; i < RDMAT_DEPARTED; i++) {
		const struct rdmat_qp other = {.number = 1000 + i};

		rdmat_group_note_departed(fake.group, &other);
	}
	expect_lost(&fake, 7, 0, "");
	pool_give(fake.group->wr_pool, wrs);
	fake_fini(&fake);
}

static struct wrasse_holder reported;
static char reported_host[NVME_NQN_LEN + 1];

static void drained(void *ctx, const struct wrasse_drain_report *report)
{
	struct wrasse_poll_group **group = ctx;
	struct rdmat_request *request = &(*group)->classes[0].requests[3];
	struct pool_item *lost = request->chain;

	/* The names are the report's own: the group may go before it is read. */
	assert_false(report->clean);
	assert_int_equal(report->holder_count, 1);
	assert_int_equal(report->holders_omitted, 0);
	request->chain = NULL;
	pool_give(lost->pool, lost);
	assert_int_equal(wrasse_poll_group_destroy(*group), 0);
	*group = NULL;
	reported = report->holders[0];
	snprintf(reported_host, sizeof(reported_host), "%s", reported.hostnqn);
}

static void the_drain_report_lists_a_free_request_that_lost_wrs(void **state)
{
	SKIP_IF_CHECKED();
	const struct rdmat_qp gone = {.number = 9, .nvme = {.ctrl = &ctrl}};
	struct wrasse_poll_group *group;
	struct rdmat_request *request;
	struct wrasse_target *target;

	assert_int_equal(wrasse_target_create(NULL, &target), 0);
	assert_int_equal(wrasse_poll_group_create(target, NULL, &group), 0);
	rdmat_class_touch(&group->classes[0]);
	request = &group->classes[0].requests[3];
	request->chain = pool_take(group->wr_pool, 5, 0, request);
	request->last_queue = 9;
	request->last_qid = 2;
	request->last_cntlid = 7;
	nvme_put16(&request->nvme.cmd.cid, 77);
	rdmat_group_note_departed(group, &gone);
	assert_int_equal(wrasse_target_drain(target, 1000, drained, &group), 0);
	while (group) {
		wrasse_poll_group_poll(group);
		wrasse_target_poll(target);
	}
	assert_string_equal(reported.state, "FREE");
	assert_string_equal(reported_host, ctrl.hostnqn);
	assert_int_equal(reported.cntlid, 7);
	assert_int_equal(reported.qid, 2);
	assert_int_equal(reported.cid, 77);
	assert_int_equal(reported.wrs, 5);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

static void a_drain_that_lost_nothing_lists_nobody(void **state)
{
	struct fake fake;

	fake_init(&fake);
	finish(chain_request(&fake, 1));
	drain(&fake);
	assert_int_equal(fake.group->holder_count, 0);
	assert_int_equal(fake.group->holders_omitted, 0);
	fake_fini(&fake);
}

static void expect_names(struct fake *fake, uint32_t number, const char *host, const char *sub)
{
	const char *hostnqn = NULL, *subnqn = NULL;

	rdmat_group_queue_names(fake->group, number, &hostnqn, &subnqn);
	assert_string_equal(hostnqn, host);
	assert_string_equal(subnqn, sub);
}

static void a_queue_pairs_names_are_known_while_it_ends_and_after(void **state)
{
	struct fake fake;
	uint32_t number;

	fake_init(&fake);
	number = fake.qp->number;
	fake.qp->nvme.ctrl = &ctrl;
	expect_names(&fake, number, ctrl.hostnqn, subsystem.nqn);
	fake.qp->nvme.ctrl = NULL;
	rdmat_qp_disconnect(fake.qp, NULL);
	fake.qp->nvme.ctrl = &ctrl;
	ctrl.refs = 2;
	expect_names(&fake, number, ctrl.hostnqn, subsystem.nqn);
	fake_reap(&fake);
	expect_names(&fake, number, ctrl.hostnqn, subsystem.nqn);
	expect_names(&fake, number + 1, "", "");
	fake_fini(&fake);
}

static void a_large_buffer_alone_is_told(void **state)
{
	struct rdmat_request *request;
	struct pool_item *large;
	struct fake fake;

	fake_init(&fake);
	rdmat_class_touch(&fake.group->classes[0]);
	request = &fake.group->classes[0].requests[2];
	large = pool_take(fake.group->large, 1, 0, request);
	assert_int_equal(wrasse_poll_group_ledger(fake.group, note, NULL), 1);
	assert_int_equal(noted.large_buffers, 1);
	assert_int_equal(noted.small_buffers, 0);
	assert_int_equal(noted.wrs, 0);
	pool_give(fake.group->large, large);
	fake_fini(&fake);
}

static void holders_beyond_what_a_report_has_room_for_are_counted(void **state)
{
	const uint32_t too_many = 6;
	struct wrasse_poll_group *group;
	struct pool_item *chain = NULL;
	struct wrasse_target *target;

	assert_int_equal(wrasse_target_create(NULL, &target), 0);
	assert_int_equal(wrasse_poll_group_create(target, NULL, &group), 0);
	rdmat_class_touch(&group->classes[0]);
	for (uint32_t i = 0; i < RDMAT_MAX_HOLDERS + too_many; i++) {
		struct pool_item *item =
			pool_take(group->wr_pool, 1, 0, &group->classes[0].requests[i]);

		item->next = chain;
		chain = item;
	}
	rdmat_group_fill_ledger(group);
	assert_int_equal(group->holder_count, RDMAT_MAX_HOLDERS);
	assert_int_equal(group->holders_omitted, too_many);
	pool_give(group->wr_pool, chain);
	rdmat_group_fill_ledger(group);
	assert_int_equal(group->holder_count, 0);
	assert_int_equal(group->holders_omitted, 0);
	assert_int_equal(wrasse_poll_group_destroy(group), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

/* ---- the flight recorder ---- */

static struct wrasse_move moves[RDMAT_RECORDS];
static unsigned move_count;

static void note_move(void *ctx, const struct wrasse_move *move)
{
	assert_ptr_equal(ctx, moves);
	assert_true(move_count < RDMAT_RECORDS);
	moves[move_count++] = *move;
}

static unsigned read_moves(struct fake *fake, unsigned max)
{
	unsigned told;

	move_count = 0;
	told = wrasse_poll_group_moves(fake->group, max, note_move, moves);
	assert_int_equal(told, move_count);
	return told;
}

static void expect_move(const struct wrasse_move *move, uint64_t number, const char *from,
			const char *to)
{
	assert_int_equal(move->number, number);
	assert_string_equal(move->from, from);
	assert_string_equal(move->to, to);
}

static void the_last_moves_are_told_oldest_first(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	assert_int_equal(read_moves(&fake, 10), 0);
	finish(fake_request(&fake));
	request = fake_request(&fake);
	rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
	assert_int_equal(read_moves(&fake, 10), 3);
	expect_move(&moves[0], 0, "RECEIVED", "FLUSHING");
	expect_move(&moves[1], 1, "FLUSHING", "FREE");
	expect_move(&moves[2], 2, "RECEIVED", "EXECUTING");
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(moves[i].request, request - request->class->requests);
		assert_int_equal(moves[i].qid, 1);
		assert_false(moves[i].admin);
	}
	assert_int_equal(read_moves(&fake, 2), 2);
	expect_move(&moves[0], 1, "FLUSHING", "FREE");
	expect_move(&moves[1], 2, "RECEIVED", "EXECUTING");
	assert_int_equal(read_moves(&fake, 0), 0);
	fake_fini(&fake);
}

static void the_recorder_forgets_the_oldest_moves(void **state)
{
	struct fake fake;

	fake_init(&fake);
	for (unsigned i = 0; i < RDMAT_RECORDS; i++)
		finish(fake_request(&fake));
	assert_int_equal(read_moves(&fake, UINT32_MAX), RDMAT_RECORDS);
	for (unsigned i = 0; i < RDMAT_RECORDS; i++)
		assert_int_equal(moves[i].number, RDMAT_RECORDS + i);
	expect_move(&moves[RDMAT_RECORDS - 1], 2 * RDMAT_RECORDS - 1, "FLUSHING", "FREE");
	fake_fini(&fake);
}

static void moves_are_told_of_admin_queues_as_such(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	fake.qp->nvme.qid = 0;
	request = fake_request(&fake);
	rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
	assert_int_equal(read_moves(&fake, 1), 1);
	assert_int_equal(moves[0].qid, 0);
	assert_true(moves[0].admin);
	fake_fini(&fake);
}

static void moves_are_counted_by_state(void **state)
{
	struct wrasse_state_line lines[16] = {{NULL, 0}};
	struct fake fake;

	fake_init(&fake);
	for (unsigned i = 0; i < 3; i++)
		finish(fake_request(&fake));
	fake_request(&fake);
	assert_int_equal(wrasse_poll_group_get_states(fake.group, lines, 2),
			 RDMAT_REQUEST_STATE_COUNT);
	assert_null(lines[2].name);
	assert_int_equal(wrasse_poll_group_get_states(fake.group, lines, 16),
			 RDMAT_REQUEST_STATE_COUNT);
	for (unsigned i = 0; i < RDMAT_REQUEST_STATE_COUNT; i++) {
		assert_string_equal(lines[i].name, rdmat_request_states[i].name);
		assert_int_equal(lines[i].moves, i == RDMAT_REQUEST_RECEIVED ? 4 :
						 i == RDMAT_REQUEST_FLUSHING ? 3 :
						 i == RDMAT_REQUEST_FREE     ? 3 :
									       0);
	}
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ledger_names_who_holds_what),
		cmocka_unit_test(what_a_free_request_lost_is_told_with_its_last_command),
		cmocka_unit_test(what_was_lost_is_told_with_the_wrs_of_a_command_in_work),
#ifdef WRASSE_CHECK_BOOKS
		cmocka_unit_test(a_build_that_checks_its_books_stops_when_a_wr_is_lost),
#endif
		cmocka_unit_test(after_a_drain_the_host_of_lost_wrs_is_still_known),
		cmocka_unit_test(the_drain_report_lists_a_free_request_that_lost_wrs),
		cmocka_unit_test(a_drain_that_lost_nothing_lists_nobody),
		cmocka_unit_test(a_queue_pairs_names_are_known_while_it_ends_and_after),
		cmocka_unit_test(a_large_buffer_alone_is_told),
		cmocka_unit_test(holders_beyond_what_a_report_has_room_for_are_counted),
		cmocka_unit_test(the_last_moves_are_told_oldest_first),
		cmocka_unit_test(the_recorder_forgets_the_oldest_moves),
		cmocka_unit_test(moves_are_told_of_admin_queues_as_such),
		cmocka_unit_test(moves_are_counted_by_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
