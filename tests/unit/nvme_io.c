/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/io.c: Read, Write and Flush, from capsule to backend and back.
 */
#include "nvme_fixture.h"

#define BLOCKS 1000

static struct nvme_queue *admin, *io;
static struct wrasse_namespace *ns;
static uint8_t data[1 << 20];

static int setup(void **state)
{
	fx_setup(state);
	admin = fx_ready();
	io = fx_io_queue(admin, 1);
	ns = fx_add_ns(fx_subsystem, 2, BLOCKS);
	ns->backend = &admin;
	ns->port[1].group_ctx = &io;
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(ns->port[1].in_flight, 0);
	fx_queue_gone(io);
	fx_queue_gone(admin);
	return fx_teardown(state);
}

static struct nvme_cmd rw(uint8_t opcode, uint64_t slba, uint32_t blocks)
{
	struct nvme_cmd cmd = fx_cmd(opcode, 2);

	nvme_put64(&cmd.rw.slba, slba);
	nvme_put16(&cmd.rw.nlb, (uint16_t)(blocks - 1));
	fx_data(&cmd, data, blocks << ns->block_shift);
	return cmd;
}

/* Runs a command; what reaches the backend is completed with success. */
static uint16_t status_of(const struct nvme_cmd *cmd)
{
	struct nvme_request request;
	struct fx_run run = fx_run_request(&request, io, (const uint8_t *)cmd, 64);

	if (run.next == NVME_SUBMIT) {
		assert_ptr_equal(request.port, &ns->port[1]);
		assert_int_equal(ns->port[1].in_flight, 1);
		nvme_request_complete_io(&request, wrasse_status_ok());
		fx_result(&run, &request);
	}
	assert_null(request.port);
	return run.status;
}

static void read_becomes_a_byte_range(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_READ, 7, 3);
	struct nvme_request request;
	struct fx_run run = fx_run_request(&request, io, (const uint8_t *)&cmd, 64);

	(void)state;
	assert_int_equal(run.next, NVME_SUBMIT);
	assert_int_equal(request.data.xfer, NVME_XFER_C2H);
	assert_int_equal(request.io.opcode, WRASSE_IO_READ);
	assert_int_equal(request.io.offset, 7 * 512);
	assert_int_equal(request.io.length, 3 * 512);
	assert_int_equal(request.io.flags, 0);
	assert_int_equal(request.io.iov_count, 2);
	assert_ptr_equal(request.io.backend, &admin);
	assert_ptr_equal(request.io.group_ctx, &io);
	nvme_request_complete_io(&request, wrasse_status_ok());
	assert_int_equal(nvme_get16(request.cqe.status), 0);
	assert_int_equal(ns->port[1].reads, 1);
	assert_int_equal(ns->port[1].read_bytes, 3 * 512);
	assert_int_equal(ns->port[1].writes, 0);
}

static void write_with_fua_says_so(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_WRITE, BLOCKS - 8, 8);
	struct nvme_request request;

	(void)state;
	nvme_put16(&cmd.rw.control, NVME_RW_FUA);
	fx_run_request(&request, io, (const uint8_t *)&cmd, 64);
	assert_int_equal(request.io.opcode, WRASSE_IO_WRITE);
	assert_int_equal(request.io.flags, WRASSE_IO_FUA);
	assert_int_equal(request.io.offset, (BLOCKS - 8) * 512);
	nvme_request_complete_io(&request, wrasse_status_ok());
	assert_int_equal(ns->port[1].writes, 1);
	assert_int_equal(ns->port[1].written_bytes, 8 * 512);
	nvme_put16(&cmd.rw.control, 0xbfff);
	fx_run_request(&request, io, (const uint8_t *)&cmd, 64);
	assert_int_equal(request.io.flags, 0);
	nvme_request_complete_io(&request, wrasse_status_ok());
}

static void flush_has_no_range_and_no_data(void **state)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_FLUSH, 2);
	struct nvme_request request;

	(void)state;
	memset(&cmd.rw, 0xff, sizeof(cmd.rw));
	assert_int_equal(fx_run_request(&request, io, (const uint8_t *)&cmd, 64).next, NVME_SUBMIT);
	assert_int_equal(request.io.opcode, WRASSE_IO_FLUSH);
	assert_int_equal(request.io.offset, 0);
	assert_int_equal(request.io.length, 0);
	assert_int_equal(request.io.iov_count, 0);
	assert_int_equal(request.io.flags, 0);
	nvme_request_complete_io(&request, wrasse_status_ok());
	assert_int_equal(ns->port[1].reads + ns->port[1].writes, 0);
}

static void range_lies_within_the_namespace(void **state)
{
	static const uint64_t slbas[] = {0,
					 1,
					 BLOCKS - 2,
					 BLOCKS - 1,
					 BLOCKS,
					 BLOCKS + 1,
					 0x7fffff,
					 0x80000000000000,
					 0x7fffffffffffffff,
					 0x8000000000000000,
					 UINT64_MAX - BLOCKS,
					 UINT64_MAX - 1,
					 UINT64_MAX};
	static const uint32_t counts[] = {1, 2, 3, BLOCKS - 1, BLOCKS, BLOCKS + 1, 2048, 65536};
	static const uint8_t opcodes[] = {NVME_OPC_READ, NVME_OPC_WRITE};

	(void)state;
	for (unsigned o = 0; o < 2; o++) {
		for (unsigned s = 0; s < sizeof(slbas) / sizeof(slbas[0]); s++) {
			for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
				unsigned __int128 end = (unsigned __int128)slbas[s] + counts[c];
				struct nvme_cmd cmd = rw(opcodes[o], slbas[s], counts[c]);

				assert_int_equal(status_of(&cmd), end > BLOCKS ? 0x80 | FX_DNR : 0);
			}
		}
	}
}

static void range_of_the_largest_namespace_does_not_wrap(void **state)
{
	struct nvme_cmd cmd;
	struct nvme_request request;

	(void)state;
	ns->block_shift = 16;
	ns->block_count = INT64_MAX >> 16;
	cmd = rw(NVME_OPC_READ, ns->block_count - 1, 1);
	assert_int_equal(fx_run_request(&request, io, (const uint8_t *)&cmd, 64).next, NVME_SUBMIT);
	assert_int_equal(request.io.offset, (ns->block_count - 1) << 16);
	nvme_request_complete_io(&request, wrasse_status_ok());
	cmd = rw(NVME_OPC_READ, 1ull << 48, 1);
	assert_int_equal(status_of(&cmd), 0x80 | FX_DNR);
}

static void more_than_mdts_is_an_invalid_field(void **state)
{
	struct nvme_cmd cmd;

	(void)state;
	ns->block_count = 1 << 20;
	cmd = rw(NVME_OPC_READ, 0, 2048);
	assert_int_equal(status_of(&cmd), 0);
	cmd = rw(NVME_OPC_READ, 0, 2049);
	assert_int_equal(status_of(&cmd), 0x02 | FX_DNR);
	ns->block_shift = 16;
	cmd = rw(NVME_OPC_WRITE, 0, 65536); /* 4 GiB: 0 in 32 bits */
	assert_int_equal(status_of(&cmd), 0x02 | FX_DNR);
}

static void sgl_has_exactly_the_bytes_of_the_blocks(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_WRITE, 0, 8);

	(void)state;
	fx_data(&cmd, data, 4095);
	assert_int_equal(status_of(&cmd), 0x0f | FX_DNR);
	fx_data(&cmd, data, 4097);
	assert_int_equal(status_of(&cmd), 0x0f | FX_DNR);
	fx_data(&cmd, data, 0);
	assert_int_equal(status_of(&cmd), 0x0f | FX_DNR);
	cmd.opcode = NVME_OPC_READ;
	fx_data(&cmd, data, 8192);
	assert_int_equal(status_of(&cmd), 0x0f | FX_DNR);
}

static void in_capsule_write_uses_the_bytes_that_came(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_WRITE, 0, 8);
	uint8_t capsule[64 + 4096] = {0};
	struct nvme_request request;
	struct fx_run run;

	(void)state;
	fx_plain(&cmd.sgl, NVME_SGL_OFFSET, 0, 4096);
	memcpy(capsule, &cmd, 64);
	run = fx_run_request(&request, io, capsule, sizeof(capsule));
	assert_int_equal(run.next, NVME_SUBMIT);
	assert_true(request.data.in_capsule);
	assert_int_equal(request.data.icd_off, 64);
	assert_int_equal(request.data.desc_count, 0);
	nvme_request_complete_io(&request, wrasse_status_ok());
	run = fx_run_request(&request, io, capsule, sizeof(capsule) - 1);
	assert_int_equal(run.status, 0x0f | FX_DNR);
	run = fx_run_request(&request, io, capsule, 64);
	assert_int_equal(run.status, 0x0f | FX_DNR);
}

static void namespace_must_be_active(void **state)
{
	static const uint32_t bad[] = {0xffffffff, 0, 1, 3, 256, 257, 0x80000000, 0xfffffffe};
	static const uint8_t opcodes[] = {
		NVME_OPC_READ,    NVME_OPC_WRITE,        NVME_OPC_WRITE_UNCORRECTABLE,
		NVME_OPC_COMPARE, NVME_OPC_WRITE_ZEROES, NVME_OPC_DATASET_MANAGEMENT,
		NVME_OPC_VERIFY,  NVME_OPC_FLUSH};

	(void)state;
	for (unsigned o = 0; o < sizeof(opcodes); o++) {
		for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			struct nvme_cmd cmd = rw(opcodes[o], 0, 1);

			if (i == 0 && opcodes[o] == NVME_OPC_FLUSH)
				continue; /* all namespaces */
			nvme_put32(&cmd.nsid, bad[i]);
			assert_int_equal(status_of(&cmd), 0x0b | FX_DNR);
		}
	}
}

static void read_only_namespace_refuses_writes(void **state)
{
	struct nvme_cmd read = rw(NVME_OPC_READ, 0, 1);
	struct nvme_cmd write = rw(NVME_OPC_WRITE, 0, 1);
	struct nvme_cmd flush = fx_cmd(NVME_OPC_FLUSH, 2);

	(void)state;
	ns->read_only = true;
	assert_int_equal(status_of(&read), 0);
	assert_int_equal(status_of(&write), 0x20 | FX_DNR);
	assert_int_equal(status_of(&flush), 0);
}

static void port_that_failed_to_attach_is_not_ready(void **state)
{
	struct nvme_cmd read = rw(NVME_OPC_READ, 0, 1);
	struct nvme_cmd flush = fx_cmd(NVME_OPC_FLUSH, 2);

	(void)state;
	ns->port[1].state = NVME_NS_PORT_FAILED;
	assert_int_equal(status_of(&read), 0x82);
	assert_int_equal(status_of(&flush), 0x82);
	assert_int_equal(ns->port[1].in_flight, 0);
}

static void namespace_that_goes_while_a_request_waits_is_invalid(void **state)
{
	struct nvme_cmd cmds[2] = {rw(NVME_OPC_WRITE, 0, 1), fx_cmd(NVME_OPC_FLUSH, 2)};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct nvme_request request = {.queue = io};
		struct nvme_actions actions = {0};

		assert_true(nvme_request_parse(&request, (const uint8_t *)&cmds[i], 64));
		fx_subsystem->view[1]->port[1] = NULL;
		assert_int_equal(nvme_request_execute(&request, fx_now, &actions), NVME_RESPOND);
		assert_int_equal(nvme_get16(request.cqe.status), 0x0b << 1 | 0xc000);
		fx_subsystem->view[1]->port[1] = &ns->port[1];
	}
}

static void namespace_that_changes_while_a_request_waits_is_checked_again(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_WRITE, 500, 8);
	struct nvme_request request = {.queue = io};
	struct nvme_actions actions = {0};

	(void)state;
	assert_true(nvme_request_parse(&request, (const uint8_t *)&cmd, 64));
	ns->block_shift = 12;
	assert_int_equal(nvme_request_execute(&request, fx_now, &actions), NVME_RESPOND);
	assert_int_equal(nvme_get16(request.cqe.status), 0x0b << 1 | 0xc000);
	ns->block_shift = 9;
	ns->block_count = 507;
	request.cqe.status.b[0] = request.cqe.status.b[1] = 0;
	assert_int_equal(nvme_request_execute(&request, fx_now, &actions), NVME_RESPOND);
	assert_int_equal(nvme_get16(request.cqe.status), 0x80 << 1 | 0xc000);
	assert_int_equal(ns->port[1].in_flight, 0);
}

static void only_io_of_a_paused_namespace_must_wait(void **state)
{
	const struct {
		struct nvme_queue *queue;
		uint8_t opcode;
		uint32_t nsid;
		bool waits;
	} cases[] = {
		{io, NVME_OPC_READ, 2, true},         {io, NVME_OPC_FLUSH, 2, true},
		{io, NVME_OPC_FLUSH, 3, false},       {io, NVME_OPC_FABRICS, 2, false},
		{admin, NVME_OPC_IDENTIFY, 2, false}, {admin, NVME_OPC_KEEP_ALIVE, 0, false},
	};

	(void)state;
	for (unsigned paused = 0; paused < 2; paused++) {
		ns->port[0].paused = ns->port[1].paused = paused;
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct nvme_cmd cmd = fx_cmd(cases[i].opcode, cases[i].nsid);
			struct nvme_request request = {.queue = cases[i].queue};

			memcpy(&request.cmd, &cmd, sizeof(cmd));
			assert_int_equal(nvme_request_must_wait(&request),
					 paused && cases[i].waits);
		}
	}
	ns->port[0].paused = ns->port[1].paused = false;
}

static void status_of_the_backend_reaches_the_host(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_READ, 0, 1);

	(void)state;
	for (unsigned sct = 0; sct < 8; sct++) {
		for (unsigned sc = 0; sc < 256; sc++) {
			bool quiet = (sct == 0 && (sc == 7 || sc == 8)) || (sct == 2 && sc == 0x85);
			struct nvme_request request;
			uint16_t want = (uint16_t)(sct << 9 | sc << 1 | (sc & 1) << 15);

			if (sct == 0 && sc == 0)
				continue;
			fx_run_request(&request, io, (const uint8_t *)&cmd, 64);
			nvme_request_complete_io(&request, wrasse_status_make((uint8_t)sct,
									      (uint8_t)sc, sc & 1));
			assert_int_equal(nvme_get16(request.cqe.status),
					 want | (quiet ? 0 : NVME_STATUS_MORE));
		}
	}
	assert_int_equal(ns->port[1].reads, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(read_becomes_a_byte_range),
		TEST(write_with_fua_says_so),
		TEST(flush_has_no_range_and_no_data),
		TEST(range_lies_within_the_namespace),
		TEST(range_of_the_largest_namespace_does_not_wrap),
		TEST(more_than_mdts_is_an_invalid_field),
		TEST(sgl_has_exactly_the_bytes_of_the_blocks),
		TEST(in_capsule_write_uses_the_bytes_that_came),
		TEST(namespace_must_be_active),
		TEST(read_only_namespace_refuses_writes),
		TEST(port_that_failed_to_attach_is_not_ready),
		TEST(namespace_that_goes_while_a_request_waits_is_invalid),
		TEST(namespace_that_changes_while_a_request_waits_is_checked_again),
		TEST(only_io_of_a_paused_namespace_must_wait),
		TEST(status_of_the_backend_reaches_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
