/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/pair.c: fused pairs from their capsules to their answers, with halves that are
 * missing, fail, must be fetched, lack buffers, wait for their turn, or lose their connection.
 */
#include "transport/pair.h"

#include <string.h>

#include "fake_io.h"

#include "transport/flow.h"

static struct wrasse_namespace *ns;

/* The backend compares. */
static void setup(struct fake *fake)
{
	fake_init(fake);
	ns = fake_namespace(fake);
	ns->io_opcodes = WRASSE_IO_BIT(WRASSE_IO_COMPARE);
	fake->group->io_slots = FAKE_SLOTS;
}

static void teardown(struct fake *fake)
{
	assert_false(ns->pair_turn);
	if (!fake->qp->tearing)
		rdmat_qp_disconnect(fake->qp, NULL);
	assert_int_equal(fake->group->halves, 0);
	assert_false(ns->pair_turn);
	assert_true(pool_list_is_empty(&fake->group->pairs));
	assert_int_equal(ns->port[0].in_flight, 0);
	fake_fini(fake);
}

enum data { IN_CAPSULE, KEYED };

/* A command of one block comes; its identifier is its number. */
static void comes(struct fake *fake, uint16_t cid, uint8_t opcode, uint8_t fuse, enum data data)
{
	struct rdmat_slot *slot = fake_slot(fake);
	struct nvme_cmd *cmd = (struct nvme_cmd *)slot->capsule;

	memset(slot->capsule + sizeof(*cmd), 0, 512);
	cmd->opcode = opcode;
	cmd->flags = NVME_PSDT_SGL | fuse;
	nvme_put16(&cmd->cid, cid);
	nvme_put32(&cmd->nsid, 1);
	if (data == IN_CAPSULE) {
		cmd->sgl.id = NVME_SGL_OFFSET;
		nvme_put32(&cmd->sgl.plain.len, 512);
	} else {
		fake_sgl(cmd, 0x1000000, 512);
	}
	rdmat_flow_capsule(fake->qp, slot, sizeof(*cmd) + (data == IN_CAPSULE ? 512 : 0));
}

static void compare_comes(struct fake *fake, uint16_t cid, enum data data)
{
	comes(fake, cid, NVME_OPC_COMPARE, NVME_FUSE_FIRST, data);
}

static void write_comes(struct fake *fake, uint16_t cid, enum data data)
{
	comes(fake, cid, NVME_OPC_WRITE, NVME_FUSE_SECOND, data);
}

/* The answer to a command: SCT << 8 | SC. */
static uint16_t answer_to(const struct fake *fake, uint16_t cid)
{
	const struct rdmat_request *request;

	rdmat_request_for_each(request, fake->qp->class) {
		if (request->state == RDMAT_REQUEST_RESPONDING &&
		    nvme_get16(request->nvme.cqe.cid) == cid)
			return nvme_get16(request->nvme.cqe.status) >> 1 & 0x7ff;
	}
	fail_msg("command %u has not been answered", cid);
	return 0;
}

static const struct wrasse_status differs = {WRASSE_SCT_MEDIA, WRASSE_SC_COMPARE_FAILURE, true, 0};

static void the_write_comes_after_the_compare(void **state)
{
	struct fake fake;

	setup(&fake);
	compare_comes(&fake, 1, IN_CAPSULE);
	assert_int_equal(fake_io_count, 0);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_PAIR), 1);
	write_comes(&fake, 2, IN_CAPSULE);
	assert_int_equal(fake_io_count, 1);
	assert_int_equal(fake_ios[0]->opcode, WRASSE_IO_COMPARE);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_TURN), 1);
	assert_int_equal(fake_holds(fake_io_request(0)),
			 RDMAT_HOLD_SLOT | RDMAT_HOLD_BACKEND | RDMAT_HOLD_TURN);
	fake_io_ends(0, wrasse_status_ok());
	assert_int_equal(answer_to(&fake, 1), 0);
	assert_int_equal(fake_io_count, 2);
	assert_int_equal(fake_ios[1]->opcode, WRASSE_IO_WRITE);
	assert_true(ns->pair_turn);
	fake_io_ends(1, wrasse_status_ok());
	assert_int_equal(answer_to(&fake, 2), 0);
	teardown(&fake);
}

static void a_compare_that_fails_keeps_the_write_away(void **state)
{
	struct fake fake;

	setup(&fake);
	compare_comes(&fake, 1, IN_CAPSULE);
	write_comes(&fake, 2, IN_CAPSULE);
	fake_io_ends(0, differs);
	assert_int_equal(answer_to(&fake, 1), 0x285);
	assert_int_equal(answer_to(&fake, 2), 0x09);
	assert_int_equal(fake_io_count, 1);
	teardown(&fake);
}

static void a_first_half_without_its_second_is_aborted(void **state)
{
	struct fake fake;

	setup(&fake);
	compare_comes(&fake, 1, IN_CAPSULE);
	comes(&fake, 2, NVME_OPC_WRITE, 0, IN_CAPSULE);
	assert_int_equal(answer_to(&fake, 1), 0x0a);
	assert_int_equal(fake_io_count, 1);
	compare_comes(&fake, 3, IN_CAPSULE);
	compare_comes(&fake, 4, IN_CAPSULE);
	assert_int_equal(answer_to(&fake, 3), 0x0a);
	write_comes(&fake, 5, IN_CAPSULE);
	assert_int_equal(fake_io_count, 2);
	fake_io_ends(0, wrasse_status_ok());
	fake_io_ends(1, differs);
	assert_int_equal(answer_to(&fake, 5), 0x09);
	teardown(&fake);
}

/* Although nothing else is in its way. */
static void what_follows_a_first_half_does_not_go_straight(void **state)
{
	struct fake fake;

	setup(&fake);
	rdmat_class_touch(fake.qp->class);
	compare_comes(&fake, 1, IN_CAPSULE);
	fake_read_comes(&fake, 2, 1);
	assert_null(fake.qp->half);
	assert_int_equal(answer_to(&fake, 1), 0x0a);
	fake_io_ends(0, wrasse_status_ok());
	assert_int_equal(answer_to(&fake, 2), 0);
	teardown(&fake);
}

static void a_second_half_without_its_first_is_aborted(void **state)
{
	struct fake fake;

	setup(&fake);
	write_comes(&fake, 1, IN_CAPSULE);
	assert_int_equal(answer_to(&fake, 1), 0x0a);
	assert_int_equal(fake_io_count, 0);
	teardown(&fake);
}

static void a_half_that_is_refused_takes_the_other_along(void **state)
{
	struct fake fake;

	setup(&fake);
	comes(&fake, 1, NVME_OPC_READ, NVME_FUSE_FIRST, KEYED); /* Read is no first half */
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_RESPONDING), 0);
	write_comes(&fake, 2, IN_CAPSULE);
	assert_int_equal(answer_to(&fake, 1), 0x02);
	assert_int_equal(answer_to(&fake, 2), 0x09);
	compare_comes(&fake, 3, IN_CAPSULE);
	comes(&fake, 4, NVME_OPC_FLUSH, NVME_FUSE_SECOND, KEYED);
	assert_int_equal(answer_to(&fake, 3), 0x09);
	assert_int_equal(answer_to(&fake, 4), 0x02);
	/* What follows a refused one that was left alone is not of its pair. */
	comes(&fake, 5, NVME_OPC_READ, NVME_FUSE_FIRST, KEYED);
	comes(&fake, 6, NVME_OPC_FLUSH, 0, KEYED);
	assert_int_equal(answer_to(&fake, 5), 0x02);
	assert_int_equal(fake_io_count, 1);
	fake_io_ends(0, wrasse_status_ok());
	assert_int_equal(answer_to(&fake, 6), 0);
	teardown(&fake);
}

static void the_second_waits_while_the_first_is_fetched(void **state)
{
	static const enum data kinds[][2] = {
		{KEYED, IN_CAPSULE}, {IN_CAPSULE, KEYED}, {KEYED, KEYED}};

	for (unsigned i = 0; i < 3; i++) {
		struct fake fake;

		setup(&fake);
		compare_comes(&fake, 1, kinds[i][0]);
		write_comes(&fake, 2, kinds[i][1]);
		assert_int_equal(fake_io_count, 0);
		rdmat_sendq_post(fake.qp);
		assert_int_equal(fake.posted_count, i == 2 ? 2 : 1);
		fake_complete(&fake);
		assert_int_equal(fake_io_count, 1);
		assert_int_equal(fake_ios[0]->opcode, WRASSE_IO_COMPARE);
		fake_io_ends(0, wrasse_status_ok());
		fake_io_ends(1, wrasse_status_ok());
		assert_int_equal(answer_to(&fake, 1), 0);
		assert_int_equal(answer_to(&fake, 2), 0);
		teardown(&fake);
	}
}

static void a_pair_that_lacks_buffers_holds_none(void **state)
{
	static int other;
	struct pool_item *hog;
	struct fake fake;

	setup(&fake);
	/* One buffer is left, which is enough for one half. */
	hog = pool_take(fake.group->small, FAKE_SMALL - fake.qp->class->small_reserve - 1, 0,
			&other);
	compare_comes(&fake, 1, KEYED);
	write_comes(&fake, 2, KEYED);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_RESOURCES), 1);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_PAIR), 1);
	assert_int_equal(pool_free_count(fake.group->small), fake.qp->class->small_reserve + 1);
	rdmat_flow_resume(fake.group);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_RESOURCES), 1);
	pool_give(fake.group->small, hog);
	rdmat_flow_resume(fake.group);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_FETCHING), 2);
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	fake_io_ends(0, wrasse_status_ok());
	fake_io_ends(1, wrasse_status_ok());
	assert_int_equal(answer_to(&fake, 2), 0);
	teardown(&fake);
}

static void pairs_of_a_namespace_take_turns(void **state)
{
	struct fake fake;

	setup(&fake);
	for (uint16_t cid = 1; cid < 6; cid += 2) {
		compare_comes(&fake, cid, IN_CAPSULE);
		write_comes(&fake, cid + 1, IN_CAPSULE);
	}
	assert_int_equal(fake_io_count, 1);
	assert_int_equal(rdmat_pair_resume(fake.group), 0);
	assert_false(pool_list_is_empty(&fake.group->pairs));
	for (unsigned i = 0; i < 3; i++) {
		fake_io_ends(2 * i, i == 1 ? differs : wrasse_status_ok());
		if (i == 1) {
			fake_ios[fake_io_count++] = NULL; /* the Write that never was */
		} else {
			assert_int_equal(rdmat_pair_resume(fake.group), 0);
			fake_io_ends(2 * i + 1, wrasse_status_ok());
		}
		assert_int_equal(rdmat_pair_resume(fake.group), i < 2);
	}
	assert_int_equal(fake_io_count, 6);
	assert_int_equal(answer_to(&fake, 4), 0x09);
	assert_int_equal(answer_to(&fake, 6), 0);
	assert_int_equal(rdmat_pair_resume(fake.group), 0);
	assert_true(pool_list_is_empty(&fake.group->pairs));
	teardown(&fake);
}

static void a_turn_that_another_group_has_is_waited_for(void **state)
{
	struct fake fake;

	setup(&fake);
	ns->pair_turn = true;
	compare_comes(&fake, 1, IN_CAPSULE);
	write_comes(&fake, 2, IN_CAPSULE);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_TURN), 2);
	assert_int_equal(rdmat_pair_resume(fake.group), 0);
	ns->pair_turn = false;
	assert_int_equal(rdmat_pair_resume(fake.group), 1);
	assert_int_equal(fake_io_count, 1);
	fake_io_ends(0, differs);
	teardown(&fake);
}

static void a_namespace_that_goes_fails_both_halves(void **state)
{
	struct fake fake;

	setup(&fake);
	compare_comes(&fake, 1, IN_CAPSULE);
	fake.qp->nvme.view->port[0] = NULL;
	write_comes(&fake, 2, IN_CAPSULE);
	assert_int_equal(answer_to(&fake, 1), 0x09);
	assert_int_equal(answer_to(&fake, 2), 0x0b);
	fake.qp->nvme.view->port[0] = &ns->port[0];
	compare_comes(&fake, 3, IN_CAPSULE);
	write_comes(&fake, 4, KEYED);
	fake.qp->nvme.view->port[0] = NULL;
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	assert_int_equal(answer_to(&fake, 3), 0x0b);
	assert_int_equal(answer_to(&fake, 4), 0x09);
	teardown(&fake);
}

/* Brings a pair as far as the number says, then the connection ends. */
static void a_connection_may_end_at_any_point_of_a_pair(void **state)
{
	for (unsigned point = 0; point < 8; point++) {
		struct fake fake;

		setup(&fake);
		compare_comes(&fake, 1, KEYED);
		if (point >= 1)
			write_comes(&fake, 2, KEYED);
		if (point >= 2)
			rdmat_sendq_post(fake.qp);
		if (point >= 3)
			ns->pair_turn = point == 3;
		if (point >= 3)
			fake_complete(&fake);
		if (point == 5)
			fake_io_ends(0, wrasse_status_ok());
		if (point == 6)
			fake_io_ends(0, differs);
		if (point == 7) {
			fake_io_ends(0, wrasse_status_ok());
			fake_io_ends(1, wrasse_status_ok());
		}
		rdmat_qp_disconnect(fake.qp, "a test");
		if (point == 3)
			ns->pair_turn = false;
		if (point == 4)
			fake_io_ends(0, wrasse_status_ok());
		if (point == 5)
			fake_io_ends(1, wrasse_status_ok());
		/* The Write never comes after its connection. */
		assert_int_equal(fake_io_count, point < 4 ? 0 : point == 4 || point == 6 ? 1 : 2);
		teardown(&fake);
	}
}

static void so_many_first_halves_may_wait_that_seconds_can_come(void **state)
{
	struct fake fake;

	setup(&fake);
	fake.group->halves = FAKE_SLOTS / 2;
	compare_comes(&fake, 1, IN_CAPSULE);
	assert_int_equal(answer_to(&fake, 1), 0x21);
	write_comes(&fake, 2, IN_CAPSULE);
	assert_int_equal(answer_to(&fake, 2), 0x0a);
	fake.group->halves--;
	compare_comes(&fake, 3, IN_CAPSULE);
	assert_int_equal(fake.group->halves, FAKE_SLOTS / 2);
	write_comes(&fake, 4, IN_CAPSULE);
	assert_int_equal(fake.group->halves, FAKE_SLOTS / 2 - 1);
	fake_io_ends(0, differs);
	fake.group->halves = 0;
	teardown(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_write_comes_after_the_compare),
		cmocka_unit_test(a_compare_that_fails_keeps_the_write_away),
		cmocka_unit_test(a_first_half_without_its_second_is_aborted),
		cmocka_unit_test(what_follows_a_first_half_does_not_go_straight),
		cmocka_unit_test(a_second_half_without_its_first_is_aborted),
		cmocka_unit_test(a_half_that_is_refused_takes_the_other_along),
		cmocka_unit_test(the_second_waits_while_the_first_is_fetched),
		cmocka_unit_test(a_pair_that_lacks_buffers_holds_none),
		cmocka_unit_test(pairs_of_a_namespace_take_turns),
		cmocka_unit_test(a_turn_that_another_group_has_is_waited_for),
		cmocka_unit_test(a_namespace_that_goes_fails_both_halves),
		cmocka_unit_test(a_connection_may_end_at_any_point_of_a_pair),
		cmocka_unit_test(so_many_first_halves_may_wait_that_seconds_can_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
