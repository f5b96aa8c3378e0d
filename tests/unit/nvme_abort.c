/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/abort.c: what an Abort names, how many there may be, and the answer.
 */
#include "nvme_fixture.h"

#define ABORT_LIMIT 0x103

static struct nvme_queue *admin, *io;

static int setup(void **state)
{
	fx_setup(state);
	admin = fx_ready();
	io = fx_io_queue(admin, 3);
	return 0;
}

static int teardown(void **state)
{
	fx_queue_gone(io);
	fx_queue_gone(admin);
	return fx_teardown(state);
}

static struct fx_run abort_cmd(struct nvme_request *request, uint16_t sqid, uint16_t cid)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_ABORT, 0);

	nvme_put32(&cmd.cdw10, sqid | (uint32_t)cid << 16);
	return fx_run_request(request, admin, (const uint8_t *)&cmd, 64);
}

static void the_command_is_named_by_controller_queue_and_identifier(void **state)
{
	struct nvme_queue *other = fx_ready();
	struct nvme_request request;
	struct nvme_abort what;

	(void)state;
	assert_int_equal(abort_cmd(&request, 3, 0x77).next, NVME_ABORT);
	assert_true(nvme_abort_find(&request, &what));
	assert_int_equal(what.qid, 3);
	assert_int_equal(what.cid, 0x77);
	assert_int_equal(what.group, 1); /* where fx_io_queue() puts them */
	assert_true(nvme_abort_names(&what, io));
	assert_false(nvme_abort_names(&what, admin));
	assert_false(nvme_abort_names(&what, other));
	assert_int_equal(abort_cmd(&request, 0, 0x78).next, NVME_ABORT);
	assert_true(nvme_abort_find(&request, &what));
	assert_int_equal(what.group, 0);
	assert_true(nvme_abort_names(&what, admin));
	assert_false(nvme_abort_names(&what, other));
	fx_queue_gone(other);
}

static void a_queue_that_does_not_exist_is_not_found(void **state)
{
	static const uint16_t qids[] = {1, 2, 4, 70, 71, 0xffff};

	(void)state;
	for (size_t i = 0; i < sizeof(qids) / sizeof(qids[0]); i++) {
		struct nvme_request request;
		struct nvme_abort what;

		assert_int_equal(abort_cmd(&request, qids[i], 1).next, NVME_ABORT);
		assert_false(nvme_abort_find(&request, &what));
		nvme_abort_answer(&request, false);
	}
}

static void bit_0_says_that_the_command_was_not_aborted(void **state)
{
	(void)state;
	for (unsigned aborted = 0; aborted < 2; aborted++) {
		struct nvme_request request;
		struct fx_run run = abort_cmd(&request, 3, 1);

		nvme_abort_answer(&request, aborted);
		fx_result(&run, &request);
		assert_int_equal(run.status, 0);
		assert_int_equal(run.dw0, !aborted);
	}
}

static void one_more_than_acl_is_refused(void **state)
{
	struct nvme_request requests[NVME_ABORT_LIMIT], more;
	uint8_t page[NVME_PAGE_LEN];
	struct nvme_cmd identify = fx_cmd(NVME_OPC_IDENTIFY, 0);

	(void)state;
	nvme_put32(&identify.cdw10, NVME_CNS_CTRL);
	fx_data(&identify, page, sizeof(page));
	assert_int_equal(fx_run(admin, &identify).status, 0);
	assert_int_equal(page[258] + 1, NVME_ABORT_LIMIT);
	for (unsigned i = 0; i < NVME_ABORT_LIMIT; i++)
		assert_int_equal(abort_cmd(&requests[i], 3, (uint16_t)i).next, NVME_ABORT);
	assert_int_equal(abort_cmd(&more, 3, 9).status, ABORT_LIMIT | FX_DNR);
	nvme_abort_answer(&requests[1], true);
	assert_int_equal(abort_cmd(&more, 3, 9).next, NVME_ABORT);
	assert_int_equal(abort_cmd(&more, 3, 10).status, ABORT_LIMIT | FX_DNR);
}

static void an_aborted_command_is_no_error_of_the_controller(void **state)
{
	struct nvme_cmd flush = fx_cmd(NVME_OPC_FLUSH, 1);
	struct nvme_request request;
	struct fx_run run;

	(void)state;
	fx_add_ns(fx_subsystem, 1, 8);
	run = fx_run_request(&request, io, (const uint8_t *)&flush, 64);
	assert_int_equal(run.next, NVME_SUBMIT);
	nvme_request_complete_io(&request, wrasse_status_ok());
	nvme_request_abort(&request);
	fx_result(&run, &request);
	assert_int_equal(run.status, 0x07);
	assert_false(run.more);
	assert_int_equal(admin->ctrl->error_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_command_is_named_by_controller_queue_and_identifier),
		TEST(a_queue_that_does_not_exist_is_not_found),
		TEST(bit_0_says_that_the_command_was_not_aborted),
		TEST(one_more_than_acl_is_refused),
		TEST(an_aborted_command_is_no_error_of_the_controller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
