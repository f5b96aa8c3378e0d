/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/hook.c: commands that the embedder answers, and what it may say after the library.
 */
#include <errno.h>

#include "nvme_fixture.h"

#include "nvme/hook.h"

#define OPCODE (0x01 | FX_DNR)
#define FIELD  (0x02 | FX_DNR)

static uint8_t page[8192];
static struct wrasse_command *got; /* the last that came */

static void submit(struct wrasse_command *command)
{
	got = command;
}

static int add(bool admin, uint8_t opcode, uint32_t effects)
{
	struct wrasse_hook hook;
	const char *why = NULL;
	int err;

	wrasse_hook_init(&hook);
	hook.admin = admin;
	hook.opcode = opcode;
	hook.effects = effects;
	hook.submit = submit;
	hook.ctx = page;
	err = nvme_hook_add(fx_subsystem, &hook, &why);
	assert_int_equal(!why, err == 0);
	return err;
}

/* ---- which ---- */

static void every_opcode_has_a_hook_or_a_reason(void **state)
{
	static const uint8_t admin[] = {8, 9, 10, 12, 24};

	(void)state;
	for (unsigned side = 0; side < 2; side++) {
		for (unsigned opcode = 0; opcode < 256; opcode++) {
			bool own = side ? memchr(admin, (int)opcode, sizeof(admin)) != NULL :
					  nvme_op_find(&nvme_io_ops, opcode) != NULL;
			bool bad = own || (opcode & 3) == 3;

			assert_int_equal(add(side, (uint8_t)opcode, 0), bad ? -EINVAL : 0);
			if (!bad)
				assert_int_equal(add(side, (uint8_t)opcode, 0), -EEXIST);
		}
	}
}

static void hook_needs_a_function_and_a_subsystem_that_stays(void **state)
{
	struct wrasse_subsystem *gone = fx_add_subsystem("nqn.2026-01.org.example:gone", true);
	struct wrasse_hook hook;
	const char *why = NULL;

	(void)state;
	wrasse_hook_init(&hook);
	hook.opcode = 0xc0;
	assert_int_equal(nvme_hook_add(fx_subsystem, &hook, &why), -EINVAL);
	assert_string_equal(why, "submit is NULL");
	hook.submit = submit;
	nvme_subsystem_remove(gone);
	assert_int_equal(nvme_hook_add(gone, &hook, &why), -ESHUTDOWN);
	nvme_subsystem_free(gone);
}

static uint32_t effects(struct nvme_queue *queue, unsigned index)
{
	assert_int_equal(fx_log(queue, NVME_LID_EFFECTS, page, 4096, 0).status, 0);
	return page[4 * index] | (uint32_t)page[4 * index + 2] << 16;
}

static unsigned oacs(struct nvme_queue *queue)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, 0);

	nvme_put32(&cmd.cdw10, NVME_CNS_CTRL);
	fx_data(&cmd, page, 4096);
	assert_int_equal(fx_run(queue, &cmd).status, 0);
	return page[256] | (unsigned)page[257] << 8;
}

static void hosts_are_told_of_hooked_opcodes(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	assert_int_equal(effects(queue, 0xc1), 0);
	assert_int_equal(add(true, 0xc1, 0x10000 | 2), 0);
	assert_int_equal(add(true, 0x0d, 0), 0); /* Namespace Management */
	assert_int_equal(add(true, 0x80, 0), 0); /* Format */
	assert_int_equal(add(false, 0xc2, 2), 0);
	assert_int_equal(effects(queue, 0xc1), 0x10003);
	assert_int_equal(effects(queue, 0x0d), 1);
	assert_int_equal(effects(queue, 256 + 0xc2), 3);
	assert_int_equal(effects(queue, 256 + 0xc1), 0);
	assert_int_equal(oacs(queue), 1 << 1 | 1 << 3);
	fx_queue_gone(queue);
}

/* ---- commands that the library does not know ---- */

static struct nvme_cmd vendor(uint8_t opcode, uint32_t nsid)
{
	struct nvme_cmd cmd = fx_cmd(opcode, nsid);

	nvme_put32(&cmd.cdw2, 2);
	nvme_put32(&cmd.cdw3, 3);
	nvme_put32(&cmd.cdw10, 10);
	nvme_put32(&cmd.cdw11, 11);
	nvme_put32(&cmd.cdw12, 12);
	nvme_put32(&cmd.cdw13, 13);
	nvme_put32(&cmd.cdw14, 14);
	nvme_put32(&cmd.cdw15, 15);
	return cmd;
}

/* What the transport does with NVME_HOOK. */
static struct fx_run send(struct nvme_request *request, struct nvme_queue *queue,
			  const struct nvme_cmd *cmd)
{
	struct fx_run run;

	got = NULL;
	run = fx_run_request(request, queue, (const uint8_t *)cmd, 64);
	if (run.next == NVME_HOOK)
		nvme_hook_submit(request);
	return run;
}

static uint16_t answer(struct nvme_request *request, struct wrasse_status status)
{
	nvme_request_complete_io(request, status);
	assert_null(request->hook);
	return (nvme_get16(request->cqe.status) >> 1 & 0x7ff) |
	       (nvme_get16(request->cqe.status) & FX_DNR);
}

static void hook_gets_the_command_as_it_came(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = vendor(0xc0, 77);
	struct nvme_request request;

	(void)state;
	assert_int_equal(send(&request, queue, &cmd).status, OPCODE);
	assert_null(got);
	assert_int_equal(add(true, 0xc0, 0), 0);
	assert_int_equal(send(&request, queue, &cmd).next, NVME_HOOK);
	assert_ptr_equal(got, &request.command);
	assert_ptr_equal(got->ctx, page);
	assert_true(got->admin);
	assert_int_equal(got->opcode, 0xc0);
	assert_int_equal(got->cntlid, nvme_queue_cntlid(queue));
	assert_int_equal(got->nsid, 77);
	assert_int_equal(got->cdw2, 2);
	assert_int_equal(got->cdw3, 3);
	assert_int_equal(got->cdw10, 10);
	assert_int_equal(got->cdw11, 11);
	assert_int_equal(got->cdw12, 12);
	assert_int_equal(got->cdw13, 13);
	assert_int_equal(got->cdw14, 14);
	assert_int_equal(got->cdw15, 15);
	assert_string_equal(got->hostnqn, FX_HOSTNQN);
	assert_null(got->backend);
	assert_int_equal(got->length, 0);
	assert_int_equal(got->status.sc, WRASSE_SC_INVALID_OPCODE);
	got->result = 0xabcd;
	assert_int_equal(answer(&request, wrasse_status_ok()), 0);
	assert_int_equal(nvme_get32(request.cqe.dw0), 0xabcd);
	/* And a failure is recorded like any other. */
	send(&request, queue, &cmd);
	assert_int_equal(answer(&request, got->status), OPCODE);
	fx_log(queue, NVME_LID_ERROR, page, 64, 0);
	assert_int_equal(page[0], 2);
	fx_queue_gone(queue);
}

/* Which way the data goes, and what a host is told in OACS. */
static void format_sanitize_self_test_firmware_and_security_are_the_embedder_s(void **state)
{
	static const struct {
		uint8_t opcode;
		enum nvme_xfer xfer;
		unsigned oacs;
	} cases[] = {
		{0x80, NVME_XFER_NONE, 1 << 1}, /* Format NVM */
		{0x84, NVME_XFER_NONE, 0},      /* Sanitize: SANICAP tells of it */
		{0x14, NVME_XFER_NONE, 1 << 4}, /* Device Self-test */
		{0x10, NVME_XFER_NONE, 1 << 2}, /* Firmware Commit */
		{0x11, NVME_XFER_H2C, 0},       /* Firmware Image Download: with Commit */
		{0x81, NVME_XFER_H2C, 0},       /* Security Send: with Receive */
		{0x82, NVME_XFER_C2H, 1 << 0},  /* Security Receive */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nvme_queue *queue = fx_ready();
		struct nvme_cmd cmd = vendor(cases[i].opcode, 1);
		struct nvme_request request;

		fx_data(&cmd, page, 512);
		assert_int_equal(send(&request, queue, &cmd).status, OPCODE);
		assert_null(got);
		assert_int_equal(effects(queue, cases[i].opcode), 0);
		assert_int_equal(oacs(queue), 0);
		assert_int_equal(add(true, cases[i].opcode, 0), 0);
		assert_int_equal(effects(queue, cases[i].opcode), 1);
		assert_int_equal(oacs(queue), cases[i].oacs);
		assert_int_equal(send(&request, queue, &cmd).next, NVME_HOOK);
		assert_int_equal(got->opcode, cases[i].opcode);
		assert_int_equal(got->nsid, 1);
		assert_int_equal(got->cdw10, 10);
		assert_int_equal(request.data.xfer, cases[i].xfer);
		assert_int_equal(got->length, cases[i].xfer == NVME_XFER_NONE ? 0 : 512);
		/* Format: Invalid Format; a self-test: one is in progress; and the like. */
		assert_int_equal(answer(&request, wrasse_status_make(1, 0x0a, true)),
				 0x10a | FX_DNR);
		send(&request, queue, &cmd);
		assert_int_equal(answer(&request, wrasse_status_ok()), 0);
		fx_queue_gone(queue);
		fx_teardown(state);
		fx_setup(state);
	}
}

static void data_goes_both_ways_as_long_as_the_host_says(void **state)
{
	struct nvme_queue *queue = fx_ready();
	static const uint32_t lengths[] = {1, 512, 4096, 8192};
	struct nvme_request request;
	struct fx_run run;

	(void)state;
	add(true, 0xc1, 0);
	add(true, 0xc2, 0);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct nvme_cmd in = vendor(0xc1, 0), out = vendor(0xc2, 0);

		memset(page, 0x3c, sizeof(page));
		fx_data(&in, page, lengths[i]);
		assert_int_equal(send(&request, queue, &in).next, NVME_HOOK);
		assert_int_equal(got->length, lengths[i]);
		assert_int_equal(request.data.xfer, NVME_XFER_H2C);
		answer(&request, wrasse_status_ok());
		fx_data(&out, page, lengths[i]);
		run = send(&request, queue, &out);
		assert_int_equal(run.next, NVME_HOOK);
		assert_int_equal(got->length, lengths[i]);
		answer(&request, wrasse_status_ok());
	}
	fx_queue_gone(queue);
}

/* The memory of a command that answers with data has no byte of another command. */
static void data_for_the_host_is_zeroes_at_first(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = vendor(0xc2, 0);
	struct nvme_request request = {.queue = queue};
	struct nvme_actions actions = {0};
	uint8_t buffer[100];
	struct iovec iov[2] = {{buffer, 33}, {buffer + 33, 67}};

	(void)state;
	add(true, 0xc2, 0);
	fx_data(&cmd, page, sizeof(buffer));
	assert_true(nvme_request_parse(&request, (const uint8_t *)&cmd, 64));
	memset(buffer, FX_STALE, sizeof(buffer));
	request.iov = iov;
	request.iov_count = 2;
	assert_int_equal(nvme_request_execute(&request, fx_now, &actions), NVME_HOOK);
	for (size_t i = 0; i < sizeof(buffer); i++)
		assert_int_equal(buffer[i], 0);
	nvme_hook_submit(&request);
	assert_ptr_equal(got->iov, iov);
	assert_int_equal(got->iov_count, 2);
	answer(&request, wrasse_status_ok());
	fx_queue_gone(queue);
}

static void data_is_limited_and_its_sgl_checked(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = vendor(0xc2, 0);
	struct nvme_request request;

	(void)state;
	add(true, 0xc2, 0);
	fx_data(&cmd, page, (1 << 20) + 1);
	assert_int_equal(send(&request, queue, &cmd).status, FIELD);
	fx_plain(&cmd.sgl, 0x5a, 0, 512);
	assert_int_equal(send(&request, queue, &cmd).status, 0x11 | FX_DNR);
	assert_null(got);
	fx_data(&cmd, page, 0);
	assert_int_equal(send(&request, queue, &cmd).next, NVME_HOOK);
	assert_int_equal(got->length, 0);
	answer(&request, wrasse_status_ok());
	fx_queue_gone(queue);
}

static void io_command_holds_its_namespace(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 100);
	struct nvme_cmd cmd = vendor(0xc0, 1);
	struct nvme_request request;

	(void)state;
	ns->backend = &ns;
	ns->port[1].group_ctx = page;
	assert_int_equal(send(&request, io, &cmd).status, OPCODE);
	add(false, 0xc0, 0);
	assert_int_equal(send(&request, io, &cmd).next, NVME_HOOK);
	assert_false(got->admin);
	assert_ptr_equal(got->backend, &ns);
	assert_ptr_equal(got->group_ctx, page);
	assert_int_equal(ns->port[1].in_flight, 1);
	assert_int_equal(answer(&request, wrasse_status_make(2, 0x81, false)), 0x281);
	assert_int_equal(ns->port[1].in_flight, 0);
	assert_int_equal(ns->port[1].reads, 0);
	nvme_put32(&cmd.nsid, 2);
	assert_int_equal(send(&request, io, &cmd).status, 0x0b | FX_DNR);
	nvme_put32(&cmd.nsid, 1);
	ns->port[1].state = NVME_NS_PORT_FAILED;
	assert_int_equal(send(&request, io, &cmd).status, 0x82);
	ns->port[1].state = NVME_NS_PORT_ATTACHED;
	assert_null(got);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void io_command_finds_its_namespace_removed(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	struct nvme_cmd cmd = vendor(0xc0, 1);
	struct nvme_request request = {.queue = io};
	struct nvme_actions actions = {0};

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	add(false, 0xc0, 0);
	assert_true(nvme_request_parse(&request, (const uint8_t *)&cmd, 64));
	fx_subsystem->view[1]->port[0] = NULL;
	assert_int_equal(nvme_request_execute(&request, fx_now, &actions), NVME_RESPOND);
	assert_int_equal(nvme_get16(request.cqe.status) >> 1 & 0x7ff, 0x0b);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void hook_is_not_called_where_the_queue_takes_nothing(void **state)
{
	struct nvme_queue *queue = fx_admin();
	struct nvme_queue *disc = fx_ready_discovery();
	struct nvme_queue *fresh = fx_queue(0);
	struct nvme_cmd cmd = vendor(0xc0, 0);
	struct nvme_request request;

	(void)state;
	add(true, 0xc0, 0);
	assert_int_equal(send(&request, queue, &cmd).status, 0x0c | FX_DNR);
	assert_int_equal(send(&request, disc, &cmd).status, OPCODE);
	assert_int_equal(send(&request, fresh, &cmd).status, 0x0c | FX_DNR);
	fx_write_cc(queue, FX_CC_ENABLE);
	fx_write_cc(queue, FX_CC_ENABLE | 0x4000);
	assert_int_equal(send(&request, queue, &cmd).status, 0x0c | FX_DNR);
	assert_null(got);
	fx_queue_gone(fresh);
	fx_queue_gone(disc);
	fx_queue_gone(queue);
}

/* ---- after the library's answer ---- */

static struct nvme_cmd identify(uint8_t cns)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, 0);

	nvme_put32(&cmd.cdw10, cns);
	fx_data(&cmd, page, 4096);
	return cmd;
}

static void hook_sees_what_the_library_answered(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd known = identify(1), list = identify(0x13), unknown = identify(0xee);
	struct nvme_request request;

	(void)state;
	assert_int_equal(add(true, NVME_OPC_IDENTIFY, 0), 0);
	assert_int_equal(send(&request, queue, &known).next, NVME_HOOK);
	assert_true(wrasse_status_is_ok(got->status));
	assert_int_equal(got->length, 4096);
	assert_int_equal(answer(&request, wrasse_status_ok()), 0);
	/* Under the lock too. */
	assert_int_equal(send(&request, queue, &list).next, NVME_HOOK);
	assert_int_equal(answer(&request, got->status), 0);
	assert_int_equal(send(&request, queue, &unknown).next, NVME_HOOK);
	assert_int_equal(got->status.sc, WRASSE_SC_INVALID_FIELD);
	assert_true(got->status.dnr);
	assert_int_equal(queue->ctrl->error_count, 0);
	assert_int_equal(answer(&request, wrasse_status_ok()), 0);
	assert_int_equal(queue->ctrl->error_count, 0);
	send(&request, queue, &unknown);
	assert_int_equal(answer(&request, got->status), FIELD);
	assert_int_equal(queue->ctrl->error_count, 1);
	fx_queue_gone(queue);
}

static void hook_may_change_the_library_s_data(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = identify(1);
	struct nvme_request request = {.queue = queue};
	struct nvme_actions actions = {0};
	static uint8_t buffer[4096];
	struct iovec iov = {buffer, sizeof(buffer)};

	(void)state;
	add(true, NVME_OPC_IDENTIFY, 0);
	assert_true(nvme_request_parse(&request, (const uint8_t *)&cmd, 64));
	request.iov = &iov;
	request.iov_count = 1;
	memset(buffer, FX_STALE, sizeof(buffer));
	assert_int_equal(nvme_request_execute(&request, fx_now, &actions), NVME_HOOK);
	nvme_hook_submit(&request);
	assert_memory_equal((uint8_t *)got->iov->iov_base + 24, "MODEL", 5);
	memcpy((uint8_t *)got->iov->iov_base + 24, "OTHER", 5);
	assert_int_equal(answer(&request, wrasse_status_ok()), 0);
	assert_memory_equal(buffer + 24, "OTHER", 5);
	/* What the library refuses leaves no stale byte. */
	cmd = identify(0xee);
	assert_true(nvme_request_parse(&request, (const uint8_t *)&cmd, 64));
	request.iov = &iov;
	request.iov_count = 1;
	memset(buffer, FX_STALE, sizeof(buffer));
	assert_int_equal(nvme_request_execute(&request, fx_now, &actions), NVME_HOOK);
	for (size_t i = 0; i < sizeof(buffer); i++)
		assert_int_equal(buffer[i], 0);
	nvme_hook_submit(&request);
	answer(&request, wrasse_status_ok());
	fx_queue_gone(queue);
}

static void hook_of_get_log_page_has_every_page(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd known = fx_log_cmd(NVME_LID_SMART, page, 512, 0);
	struct nvme_cmd vendor_page = fx_log_cmd(0xc0, page, 512, 1 << 20);
	struct nvme_request request;

	(void)state;
	assert_int_equal(send(&request, queue, &vendor_page).status, 0x109 | FX_DNR);
	add(true, NVME_OPC_GET_LOG, 0);
	assert_int_equal(send(&request, queue, &known).next, NVME_HOOK);
	assert_true(wrasse_status_is_ok(got->status));
	answer(&request, wrasse_status_ok());
	assert_int_equal(send(&request, queue, &vendor_page).next, NVME_HOOK);
	assert_int_equal(got->status.sct, WRASSE_SCT_COMMAND);
	assert_int_equal(got->status.sc, 0x09);
	assert_int_equal(got->length, 512);
	assert_int_equal(answer(&request, wrasse_status_ok()), 0);
	fx_queue_gone(queue);
}

/* NVMe-MI is the embedder's, and so is the page that tells of its commands (LPA bit 5 promises none). */
static void effects_of_mi_are_told_by_who_has_mi(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = fx_log_cmd(0x13, page, 4096, 0);
	struct nvme_request request;

	(void)state;
	assert_int_equal(oacs(queue), 0);
	assert_int_equal(page[261] & 1 << 5, 0);
	assert_int_equal(send(&request, queue, &cmd).status, 0x109 | FX_DNR);
	assert_int_equal(add(true, 0x1d, 0), 0);
	assert_int_equal(add(true, 0x1e, 0), 0);
	assert_int_equal(oacs(queue), 1 << 6);
	assert_int_equal(add(true, NVME_OPC_GET_LOG, 0), 0);
	assert_int_equal(send(&request, queue, &cmd).next, NVME_HOOK);
	assert_int_equal(got->status.sc, 0x09);
	assert_int_equal(got->length, 4096);
	assert_int_equal(answer(&request, wrasse_status_ok()), 0);
	fx_queue_gone(queue);
}

static void late_answer_of_a_queue_that_has_ended_is_taken(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = vendor(0xc0, 0);
	struct nvme_actions actions = {0};
	struct nvme_request request;

	(void)state;
	add(true, 0xc0, 0);
	send(&request, queue, &cmd);
	nvme_queue_end(queue, &actions);
	answer(&request, wrasse_status_make(0, WRASSE_SC_ABORTED, false));
	nvme_queue_fini(queue);
	free(queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_opcode_has_a_hook_or_a_reason),
		TEST(hook_needs_a_function_and_a_subsystem_that_stays),
		TEST(hosts_are_told_of_hooked_opcodes),
		TEST(hook_gets_the_command_as_it_came),
		TEST(format_sanitize_self_test_firmware_and_security_are_the_embedder_s),
		TEST(data_goes_both_ways_as_long_as_the_host_says),
		TEST(data_for_the_host_is_zeroes_at_first),
		TEST(data_is_limited_and_its_sgl_checked),
		TEST(io_command_holds_its_namespace),
		TEST(io_command_finds_its_namespace_removed),
		TEST(hook_is_not_called_where_the_queue_takes_nothing),
		TEST(hook_sees_what_the_library_answered),
		TEST(hook_may_change_the_library_s_data),
		TEST(hook_of_get_log_page_has_every_page),
		TEST(effects_of_mi_are_told_by_who_has_mi),
		TEST(late_answer_of_a_queue_that_has_ended_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
