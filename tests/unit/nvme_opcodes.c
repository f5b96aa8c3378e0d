/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/request.c and the command tables: every opcode and every Fabrics command type on every
 * kind of queue in every state, against a table that this file writes down by itself.
 */
#include "nvme/hook.h"
#include "nvme/ns_management.h"
#include "nvme_fixture.h"

#define OPCODE   (0x01 | FX_DNR)
#define FIELD    (0x02 | FX_DNR)
#define SEQUENCE (0x0c | FX_DNR)
#define LOG_PAGE (0x109 | FX_DNR)
#define FORMAT   (0x180 | FX_DNR)
#define SGL_TYPE (0x11 | FX_DNR)
#define OVERLAP  (0x187 | FX_DNR)
#define LIST     (0x11c | FX_DNR)
#define SGL_LEN  (0x0f | FX_DNR)

static uint8_t page[4096];

/*
 * What a command with all of its fields 0, but nsid 1 and 4096 bytes of host memory, is answered.
 */
struct expectation {
	uint8_t opcode;
	uint16_t status;
	enum nvme_next next;
};

static void sweep(struct nvme_queue *queue, const struct expectation *good, unsigned count,
		  uint16_t others)
{
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		struct nvme_cmd cmd = fx_cmd((uint8_t)opcode, 1);
		struct nvme_request request;
		enum nvme_next next = NVME_RESPOND;
		uint16_t status = others;
		struct fx_run run;

		if (opcode == NVME_OPC_FABRICS)
			continue;
		memset(page, 0, sizeof(page));
		fx_data(&cmd, page, sizeof(page));
		for (unsigned i = 0; i < count; i++) {
			if (good[i].opcode != opcode)
				continue;
			status = good[i].status;
			next = good[i].next;
		}
		run = fx_run_request(&request, queue, (const uint8_t *)&cmd, 64);
		if (run.status != status || run.next != next)
			fail_msg("opcode 0x%02x: status 0x%04x, expected 0x%04x", opcode,
				 run.status, status);
		assert_int_equal(nvme_get16(request.cqe.cid), 0x1234);
		if (run.next == NVME_SUBMIT || run.next == NVME_HOOK)
			assert_int_equal(nvme_request_complete_io(&request, wrasse_status_ok()),
					 NVME_RESPOND);
	}
}

static void sweep_fabrics(struct nvme_queue *queue, const struct expectation *good, unsigned count,
			  uint16_t others)
{
	for (unsigned fctype = 0; fctype < 256; fctype++) {
		struct nvme_cmd cmd = fx_fabrics((uint8_t)fctype);
		uint16_t status = others;
		struct fx_run run;

		fx_data(&cmd, page, 1024);
		nvme_put16(&cmd.connect.recfmt, fctype == NVME_FCTYPE_PROPERTY_GET ||
								fctype == NVME_FCTYPE_PROPERTY_SET ?
							0 :
							1);
		for (unsigned i = 0; i < count; i++) {
			if (good[i].opcode == fctype)
				status = good[i].status;
		}
		run = fx_run(queue, &cmd);
		if (run.status != status)
			fail_msg("fctype 0x%02x: status 0x%04x, expected 0x%04x", fctype,
				 run.status, status);
		assert_false(run.actions.disconnect);
	}
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct expectation admin_ready[] = {
	{0x02, 0, NVME_RESPOND},             /* Get Log Page 00h, 4 bytes */
	{0x06, 0, NVME_RESPOND},             /* Identify */
	{0x08, 0, NVME_ABORT},               /* Abort of nothing */
	{0x09, FIELD, NVME_RESPOND},         /* Set Features 00h */
	{0x0a, FIELD, NVME_RESPOND},         /* Get Features 00h */
	{0x0c, 0, NVME_HOLD},                /* Asynchronous Event Request */
	{0x18, 0x1a | FX_DNR, NVME_RESPOND}, /* Keep Alive without KATO */
};

static const struct expectation admin_known[] = {
	{0x02, SEQUENCE, NVME_RESPOND}, {0x06, SEQUENCE, NVME_RESPOND},
	{0x08, SEQUENCE, NVME_RESPOND}, {0x09, SEQUENCE, NVME_RESPOND},
	{0x0a, SEQUENCE, NVME_RESPOND}, {0x0c, SEQUENCE, NVME_RESPOND},
	{0x18, SEQUENCE, NVME_RESPOND},
};

static const struct expectation discovery_ready[] = {
	{0x02, 0, NVME_RESPOND},     {0x06, FIELD, NVME_RESPOND}, /* CNS 00h */
	{0x09, FIELD, NVME_RESPOND}, {0x0a, FIELD, NVME_RESPOND},
	{0x0c, 0, NVME_HOLD},        {0x18, 0, NVME_RESPOND},
};

static const struct expectation discovery_known[] = {
	{0x02, SEQUENCE, NVME_RESPOND}, {0x06, SEQUENCE, NVME_RESPOND},
	{0x09, SEQUENCE, NVME_RESPOND}, {0x0a, SEQUENCE, NVME_RESPOND},
	{0x0c, SEQUENCE, NVME_RESPOND}, {0x18, SEQUENCE, NVME_RESPOND},
};

/* Register with key 0, Report without EDS, Acquire of type 0, Release by a stranger. */
#define RESERVATIONS                                                      \
	{0x0d, FIELD, NVME_RESPOND}, {0x0e, 0x18 | FX_DNR, NVME_RESPOND}, \
		{0x11, FIELD, NVME_RESPOND}, {0x15, 0x83 | FX_DNR, NVME_RESPOND},

static const struct expectation io_ready[] = {
	{0x00, 0, NVME_SUBMIT},        /* Flush */
	{0x01, SGL_LEN, NVME_RESPOND}, /* Write of one block with 4096 bytes */
	{0x02, SGL_LEN, NVME_RESPOND},
	{0x05, SGL_LEN, NVME_RESPOND}, /* Compare */
	{0x08, 0, NVME_SUBMIT},        /* Write Zeroes */
	{0x0c, 0, NVME_SUBMIT},        /* Verify */
	{0x19, OVERLAP, NVME_RESPOND}, /* Copy of block 0 to itself */
	RESERVATIONS};

/* Those that only some backends have. */
static const struct expectation io_ready_native[] = {
	{0x00, 0, NVME_SUBMIT},
	{0x01, SGL_LEN, NVME_RESPOND},
	{0x02, SGL_LEN, NVME_RESPOND},
	{0x04, 0, NVME_SUBMIT}, /* Write Uncorrectable */
	{0x05, SGL_LEN, NVME_RESPOND},
	{0x08, 0, NVME_SUBMIT},
	{0x09, 0, NVME_RESPOND}, /* Dataset Management without an attribute */
	{0x0c, 0, NVME_SUBMIT},
	{0x19, OVERLAP, NVME_RESPOND}, /* Copy of block 0 to itself */
	RESERVATIONS};

static const struct expectation fabrics_admin[] = {
	{0x00, FIELD, NVME_RESPOND},          /* Property Set of CAP */
	{0x01, SEQUENCE, NVME_RESPOND},       /* Connect again */
	{0x04, 0x02, NVME_RESPOND},           /* Property Get of CAP with 4 bytes */
	{0x08, 0x185 | FX_DNR, NVME_RESPOND}, /* Disconnect of an admin queue */
};

static const struct expectation fabrics_io[] = {
	{0x01, SEQUENCE, NVME_RESPOND},
	{0x08, FORMAT, NVME_RESPOND},
};

static const struct expectation fabrics_new[] = {
	{0x01, FORMAT, NVME_RESPOND},
};

/* Held requests live on the stack of the sweep. */
static void forget_held(struct nvme_queue *queue)
{
	queue->ctrl->aer_count = 0;
}

static void queue_that_is_not_connected_takes_connect_only(void **state)
{
	struct nvme_queue *admin = fx_queue(0);
	struct nvme_queue *io = fx_queue(1);

	(void)state;
	sweep(admin, NULL, 0, SEQUENCE);
	sweep(io, NULL, 0, SEQUENCE);
	sweep_fabrics(admin, fabrics_new, COUNT(fabrics_new), SEQUENCE);
	sweep_fabrics(io, fabrics_new, COUNT(fabrics_new), SEQUENCE);
	fx_queue_gone(admin);
	fx_queue_gone(io);
}

static void admin_queue_that_is_enabled_takes_its_table(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	sweep(queue, admin_ready, COUNT(admin_ready), OPCODE);
	forget_held(queue);
	sweep_fabrics(queue, fabrics_admin, COUNT(fabrics_admin), OPCODE);
	fx_queue_gone(queue);
}

static void create(struct wrasse_command *command, const struct wrasse_ns_create *wanted)
{
	(void)command;
	(void)wanted;
}

static void remove_ns(struct wrasse_command *command)
{
	(void)command;
}

static void namespace_management_is_two_opcodes_of_enabled_admin_queues(void **state)
{
	static const struct expectation managed[] = {
		{0x0d, FIELD, NVME_RESPOND}, /* Namespace Management: create namespace 1 */
		{0x15, LIST, NVME_RESPOND},  /* Namespace Attachment of no controller */
	};
	struct nvme_queue *queue = fx_ready(), *off = fx_admin();
	struct nvme_queue *discovery = fx_ready_discovery(), *io = fx_io_queue(queue, 1);
	struct expectation ready[COUNT(admin_ready) + COUNT(managed)];
	struct expectation known[COUNT(admin_known) + COUNT(managed)];
	struct wrasse_ns_management opts;
	const char *why = NULL;

	(void)state;
	wrasse_ns_management_init(&opts);
	opts.create = create;
	opts.remove = remove_ns;
	assert_int_equal(nvme_management_set(fx_subsystem, &opts, &why), 0);
	memcpy(ready, admin_ready, sizeof(admin_ready));
	memcpy(known, admin_known, sizeof(admin_known));
	for (size_t i = 0; i < COUNT(managed); i++) {
		ready[COUNT(admin_ready) + i] = managed[i];
		known[COUNT(admin_known) + i] = managed[i];
		known[COUNT(admin_known) + i].status = SEQUENCE;
	}
	fx_add_ns(fx_subsystem, 1, 100);
	sweep(queue, ready, COUNT(ready), OPCODE);
	forget_held(queue);
	sweep(off, known, COUNT(known), OPCODE);
	sweep(discovery, discovery_ready, COUNT(discovery_ready), OPCODE);
	forget_held(discovery);
	sweep(io, io_ready, COUNT(io_ready), OPCODE);
	fx_queue_gone(io);
	fx_queue_gone(queue);
	fx_queue_gone(off);
	fx_queue_gone(discovery);
}

static void admin_queue_that_is_not_enabled_takes_fabrics_only(void **state)
{
	struct nvme_queue *queue = fx_admin();

	(void)state;
	sweep(queue, admin_known, COUNT(admin_known), OPCODE);
	sweep_fabrics(queue, fabrics_admin, COUNT(fabrics_admin), OPCODE);
	fx_queue_gone(queue);
}

static void admin_queue_that_is_shut_down_takes_fabrics_only(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	fx_write_cc(queue, FX_CC_ENABLE | 0x4000);
	sweep(queue, admin_known, COUNT(admin_known), OPCODE);
	sweep_fabrics(queue, fabrics_admin, COUNT(fabrics_admin), OPCODE);
	fx_queue_gone(queue);
}

static void admin_queue_that_has_failed_takes_fabrics_only(void **state)
{
	struct nvme_queue *queue = fx_admin();

	(void)state;
	fx_write_cc(queue, FX_CC_ENABLE | 1 << 7);
	sweep(queue, admin_known, COUNT(admin_known), OPCODE);
	sweep_fabrics(queue, fabrics_admin, COUNT(fabrics_admin), OPCODE);
	fx_queue_gone(queue);
}

static void discovery_controller_takes_its_few_commands_only(void **state)
{
	struct nvme_queue *queue = fx_ready_discovery();

	(void)state;
	sweep(queue, discovery_ready, COUNT(discovery_ready), OPCODE);
	forget_held(queue);
	sweep_fabrics(queue, fabrics_admin, COUNT(fabrics_admin), OPCODE);
	fx_write_cc(queue, 0);
	sweep(queue, discovery_known, COUNT(discovery_known), OPCODE);
	fx_write_cc(queue, 1);
	fx_write_cc(queue, 1 | 0x4000);
	sweep(queue, discovery_known, COUNT(discovery_known), OPCODE);
	fx_queue_gone(queue);
}

static void io_queue_takes_its_table(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	struct wrasse_namespace *ns;

	(void)state;
	memset(page, 0, sizeof(page));
	ns = fx_add_ns(fx_subsystem, 1, 100);
	sweep(io, io_ready, COUNT(io_ready), OPCODE);
	ns->io_opcodes = UINT32_MAX;
	sweep(io, io_ready_native, COUNT(io_ready_native), OPCODE);
	sweep_fabrics(io, fabrics_io, COUNT(fabrics_io), OPCODE);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

/* Commands that the queue knows; the others are still unknown opcodes. */
static const struct expectation io_ended[] = {
	{0x00, 0x08, NVME_RESPOND}, {0x01, 0x08, NVME_RESPOND}, {0x02, 0x08, NVME_RESPOND},
	{0x04, 0x08, NVME_RESPOND}, {0x05, 0x08, NVME_RESPOND}, {0x08, 0x08, NVME_RESPOND},
	{0x09, 0x08, NVME_RESPOND}, {0x0c, 0x08, NVME_RESPOND}, {0x0d, 0x08, NVME_RESPOND},
	{0x0e, 0x08, NVME_RESPOND}, {0x11, 0x08, NVME_RESPOND}, {0x15, 0x08, NVME_RESPOND},
	{0x19, 0x08, NVME_RESPOND},
};

static void io_queue_does_nothing_after_a_reset_or_shutdown(void **state)
{
	static const uint32_t ends[] = {0, FX_CC_ENABLE | 0x4000, FX_CC_ENABLE | 0x8000,
					FX_CC_ENABLE | 1 << 7};

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct nvme_queue *admin = fx_ready();
		struct nvme_queue *io = fx_io_queue(admin, 1);

		fx_write_cc(admin, ends[i]);
		sweep(io, io_ended, COUNT(io_ended), OPCODE);
		fx_write_cc(admin, 0);
		fx_write_cc(admin, FX_CC_ENABLE);
		sweep(io, io_ended, COUNT(io_ended), OPCODE);
		fx_queue_gone(io);
		fx_queue_gone(admin);
	}
}

static void queue_that_has_ended_does_nothing(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_actions actions = {0};

	(void)state;
	nvme_queue_end(admin, &actions);
	sweep(admin, NULL, 0, 0x08);
	sweep_fabrics(admin, NULL, 0, 0x08);
	nvme_queue_fini(admin);
	free(admin);
}

static void hook_submit(struct wrasse_command *command)
{
	(void)command;
}

/* Hooks every opcode that can be. What is expected: a hooked one comes to its hook, any other as
 * before. Return: how many expectations. */
static unsigned hook_all(bool admin, const struct expectation *good, unsigned count,
			 struct expectation *all)
{
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		struct wrasse_hook hook = {
			.admin = admin, .opcode = (uint8_t)opcode, .submit = hook_submit};
		const char *why = NULL;

		all[opcode] = (struct expectation){(uint8_t)opcode, OPCODE, NVME_RESPOND};
		for (unsigned i = 0; i < count; i++) {
			if (good[i].opcode == opcode)
				all[opcode] = good[i];
		}
		if (nvme_hook_add(fx_subsystem, &hook, &why) == 0)
			all[opcode] = (struct expectation){(uint8_t)opcode, 0, NVME_HOOK};
	}
	return 256;
}

static void hooked_opcodes_come_to_their_hooks_and_no_others(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	struct nvme_queue *off = fx_admin();
	struct expectation all[256];

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	sweep(admin, all, hook_all(true, admin_ready, COUNT(admin_ready), all), OPCODE);
	forget_held(admin);
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		if (all[opcode].status != OPCODE)
			all[opcode] = (struct expectation){(uint8_t)opcode, SEQUENCE, NVME_RESPOND};
	}
	sweep(off, all, 256, OPCODE);
	sweep(io, all, hook_all(false, io_ready, COUNT(io_ready), all), OPCODE);
	fx_queue_gone(off);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void fuse_and_psdt_are_refused(void **state)
{
	struct nvme_queue *admin = fx_ready();

	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, 0);
		struct nvme_cmd get = fx_fabrics(NVME_FCTYPE_PROPERTY_GET);
		bool good = (flags & 0xc3) == 0x40;

		nvme_put32(&cmd.cdw10, NVME_CNS_CTRL);
		fx_data(&cmd, page, sizeof(page));
		cmd.flags = (uint8_t)flags;
		assert_int_equal(fx_run(admin, &cmd).status, good ? 0 : FIELD);
		nvme_put32(&get.property.offset, NVME_PROP_VS);
		get.flags = (uint8_t)flags;
		assert_int_equal(fx_run(admin, &get).status, good ? 0 : FIELD);
	}
	fx_queue_gone(admin);
}

static void sgl_of_a_command_without_data_is_ignored(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_ABORT, 0);

	(void)state;
	memset(&cmd.sgl, 0xff, sizeof(cmd.sgl));
	assert_int_equal(fx_run(admin, &cmd).status, 0);
	cmd = fx_cmd(NVME_OPC_GET_FEATURES, 0);
	memset(&cmd.sgl, 0xff, sizeof(cmd.sgl));
	nvme_put32(&cmd.cdw10, NVME_FID_KATO);
	assert_int_equal(fx_run(admin, &cmd).status, 0);
	fx_queue_gone(admin);
}

static void refused_sgl_is_answered_with_its_status(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, 0);

	(void)state;
	fx_plain(&cmd.sgl, 0x5a, 0, 4096);
	assert_int_equal(fx_run(admin, &cmd).status, SGL_TYPE);
	fx_plain(&cmd.sgl, NVME_SGL_OFFSET, 0, 4096);
	assert_int_equal(fx_run(admin, &cmd).status, FIELD);
	fx_data(&cmd, page, 4095);
	assert_int_equal(fx_run(admin, &cmd).status, SGL_LEN);
	fx_queue_gone(admin);
}

static void memory_beyond_what_a_command_moves_is_left_alone(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, 0);
	static uint8_t big[8192];

	(void)state;
	memset(big, 0x77, sizeof(big));
	nvme_put32(&cmd.cdw10, NVME_CNS_CTRL);
	fx_data(&cmd, big, sizeof(big));
	assert_int_equal(fx_run(admin, &cmd).status, 0);
	assert_int_equal(big[512], 0x66);
	for (unsigned i = 4096; i < sizeof(big); i++)
		assert_int_equal(big[i], 0x77);
	fx_queue_gone(admin);
}

static void opcode_of_every_line_tells_its_direction(void **state)
{
	static const struct nvme_op_table *const tables[] = {&nvme_admin_ops, &nvme_io_ops,
							     &nvme_fabrics_ops};

	(void)state;
	for (unsigned t = 0; t < COUNT(tables); t++) {
		for (unsigned opcode = 0; opcode < 256; opcode++) {
			const struct nvme_op *op = nvme_op_find(tables[t], opcode);

			if (!op)
				continue;
			assert_int_equal(op->xfer, opcode & 3);
			assert_true(!op->execute != !op->io);
			assert_int_not_equal(op->on, 0);
		}
	}
}

static void disconnect_ends_an_io_queue(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	struct nvme_cmd cmd = fx_fabrics(NVME_FCTYPE_DISCONNECT);
	struct fx_run run = fx_run(io, &cmd);

	(void)state;
	assert_int_equal(run.status, 0);
	assert_true(run.actions.disconnect);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void request_that_waited_through_a_reset_does_nothing(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_FLUSH, 1);
	struct nvme_cmd keep = fx_cmd(NVME_OPC_ABORT, 1);
	struct nvme_actions actions = {0};
	struct nvme_request request = {.queue = io};
	struct nvme_request other = {.queue = admin};

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	assert_true(nvme_request_parse(&request, (const uint8_t *)&cmd, 64));
	assert_true(nvme_request_parse(&other, (const uint8_t *)&keep, 64));
	fx_write_cc(admin, 0);
	assert_int_equal(nvme_request_execute(&request, fx_now, &actions), NVME_RESPOND);
	assert_int_equal(nvme_get16(request.cqe.status), 0x08 << 1);
	assert_int_equal(nvme_request_execute(&other, fx_now, &actions), NVME_RESPOND);
	assert_int_equal(nvme_get16(other.cqe.status), 0x0c << 1 | 0xc000);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void request_can_be_failed_at_any_time(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_ABORT, 0);
	struct nvme_request request = {.queue = admin};

	(void)state;
	assert_true(nvme_request_parse(&request, (const uint8_t *)&cmd, 64));
	nvme_request_fail(&request, wrasse_status_make(3, 0x70, false));
	assert_int_equal(nvme_get16(request.cqe.status), (0x370 << 1) | NVME_STATUS_MORE);
	nvme_request_fail(&request, wrasse_status_ok());
	assert_int_equal(nvme_get16(request.cqe.status), 0);
	fx_queue_gone(admin);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(queue_that_is_not_connected_takes_connect_only),
		TEST(admin_queue_that_is_enabled_takes_its_table),
		TEST(namespace_management_is_two_opcodes_of_enabled_admin_queues),
		TEST(admin_queue_that_is_not_enabled_takes_fabrics_only),
		TEST(admin_queue_that_is_shut_down_takes_fabrics_only),
		TEST(admin_queue_that_has_failed_takes_fabrics_only),
		TEST(discovery_controller_takes_its_few_commands_only),
		TEST(io_queue_takes_its_table),
		TEST(io_queue_does_nothing_after_a_reset_or_shutdown),
		TEST(queue_that_has_ended_does_nothing),
		TEST(hooked_opcodes_come_to_their_hooks_and_no_others),
		TEST(fuse_and_psdt_are_refused),
		TEST(sgl_of_a_command_without_data_is_ignored),
		TEST(refused_sgl_is_answered_with_its_status),
		TEST(memory_beyond_what_a_command_moves_is_left_alone),
		TEST(opcode_of_every_line_tells_its_direction),
		TEST(disconnect_ends_an_io_queue),
		TEST(request_that_waited_through_a_reset_does_nothing),
		TEST(request_can_be_failed_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
