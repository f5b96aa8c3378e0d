/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/io_copy.c: Copy by the backend itself and by the library in its place, on a namespace in
 * the test's memory; every limit, and what is told when it fails half-way.
 */
#include "nvme_fixture.h"

#include "nvme/io.h"

#define BLOCKS     65536u
#define BLOCK      512u
#define SIZE_LIMIT (0x183 | FX_DNR)
#define OVERLAP    (0x187 | FX_DNR)
#define LBA_RANGE  (0x80 | FX_DNR)

static struct nvme_queue *admin, *io;
static struct wrasse_namespace *ns;
static uint8_t media[BLOCKS * BLOCK], before[BLOCKS * BLOCK], data[8192];

static struct wrasse_io seen[1024];
static unsigned seen_count;
static unsigned fail_at;

static int setup(void **state)
{
	fx_setup(state);
	admin = fx_ready();
	io = fx_io_queue(admin, 1);
	ns = fx_add_ns(fx_subsystem, 2, BLOCKS);
	for (unsigned i = 0; i < sizeof(media); i += 4)
		memcpy(media + i, &i, 4);
	memcpy(before, media, sizeof(media));
	memset(data, 0xff, sizeof(data));
	fail_at = 10000;
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(ns->port[1].in_flight, 0);
	fx_queue_gone(io);
	fx_queue_gone(admin);
	return fx_teardown(state);
}

static struct wrasse_status backend(const struct wrasse_io *request)
{
	uint8_t *at = media + request->offset;

	assert_true(seen_count < 1024);
	seen[seen_count] = *request;
	if (seen_count++ == fail_at)
		return wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT, false);
	assert_true(request->offset + request->length <= sizeof(media));
	switch (request->opcode) {
	case WRASSE_IO_READ:
		assert_int_equal(request->iov[0].iov_len, request->length);
		memcpy(request->iov[0].iov_base, at, request->length);
		break;
	case WRASSE_IO_WRITE:
		assert_int_equal(request->iov[0].iov_len, request->length);
		memcpy(at, request->iov[0].iov_base, request->length);
		break;
	default:
		assert_int_equal(request->opcode, WRASSE_IO_COPY);
		assert_int_equal(request->iov_count, 0);
		memcpy(at, media + request->source, request->length);
	}
	return wrasse_status_ok();
}

static struct fx_run run(const struct nvme_cmd *cmd)
{
	struct nvme_request request;
	struct fx_run run;

	seen_count = 0;
	run = fx_run_request(&request, io, (const uint8_t *)cmd, 64);
	while (run.next == NVME_SUBMIT)
		run.next = nvme_request_complete_io(&request, backend(&request.io));
	fx_result(&run, &request);
	return run;
}

static void range_set(unsigned format, unsigned index, uint64_t slba, uint32_t blocks)
{
	uint8_t *entry = data + (size_t)index * (format ? 40 : 32);
	nvme_le64 wire_slba;
	nvme_le16 wire_nlb;

	nvme_put64(&wire_slba, slba);
	nvme_put16(&wire_nlb, (uint16_t)(blocks - 1));
	memcpy(entry + 8, &wire_slba, 8);
	memcpy(entry + 16, &wire_nlb, 2);
}

static struct nvme_cmd copy(unsigned format, unsigned count, uint64_t to)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_COPY, 2);

	nvme_put64(&cmd.rw.slba, to);
	nvme_put32(&cmd.cdw12, (count - 1) | format << 8);
	fx_data(&cmd, data, count * (format ? 40 : 32));
	return cmd;
}

static void both_formats_copy_their_ranges_one_behind_the_other(void **state)
{
	(void)state;
	for (unsigned native = 0; native < 2; native++)
		for (unsigned format = 0; format < 2; format++) {
			struct nvme_cmd cmd = copy(format, 3, 10000);

			ns->io_opcodes = native ? WRASSE_IO_BIT(WRASSE_IO_COPY) : 0;
			memcpy(media, before, sizeof(media));
			range_set(format, 0, 5, 300);
			range_set(format, 1, 5000, 1);
			range_set(format, 2, 0, 17);
			assert_int_equal(run(&cmd).status, 0);
			assert_int_equal(seen_count, native ? 3 : 8);
			assert_memory_equal(media, before, 10000 * BLOCK);
			assert_memory_equal(media + 10000 * BLOCK, before + 5 * BLOCK, 300 * BLOCK);
			assert_memory_equal(media + 10300 * BLOCK, before + 5000 * BLOCK, BLOCK);
			assert_memory_equal(media + 10301 * BLOCK, before, 17 * BLOCK);
			assert_memory_equal(media + 10318 * BLOCK, before + 10318 * BLOCK,
					    1000 * BLOCK);
		}
}

static void copy_of_the_backend_is_one_io_for_each_range(void **state)
{
	struct nvme_cmd cmd = copy(0, 2, 20000);

	(void)state;
	ns->io_opcodes = WRASSE_IO_BIT(WRASSE_IO_COPY);
	range_set(0, 0, 7, 8192);
	range_set(0, 1, 9000, 2);
	nvme_put32(&cmd.cdw12, nvme_get32(cmd.cdw12) | 1u << 30);
	assert_int_equal(run(&cmd).status, 0);
	assert_int_equal(seen_count, 2);
	assert_int_equal(seen[0].source, 7 * BLOCK);
	assert_int_equal(seen[0].offset, 20000 * BLOCK);
	assert_int_equal(seen[0].length, 8192 * BLOCK);
	assert_int_equal(seen[0].flags, WRASSE_IO_FUA);
	assert_int_equal(seen[1].source, 9000 * BLOCK);
	assert_int_equal(seen[1].offset, 28192 * BLOCK);
}

static void library_reads_and_writes_in_turn(void **state)
{
	struct nvme_cmd cmd = copy(0, 1, 20000);

	(void)state;
	range_set(0, 0, 0, 600);
	nvme_put32(&cmd.cdw12, nvme_get32(cmd.cdw12) | 1u << 30);
	assert_int_equal(run(&cmd).status, 0);
	assert_int_equal(seen_count, 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(seen[i].opcode, i % 2 ? WRASSE_IO_WRITE : WRASSE_IO_READ);
		assert_int_equal(seen[i].flags, WRASSE_IO_FUA);
		assert_int_equal(seen[i].offset,
				 i / 2 * NVME_SCRATCH_MAX + (i % 2 ? 20000 * BLOCK : 0));
		assert_int_equal(seen[i].source, 0);
	}
	assert_int_equal(ns->port[1].reads + ns->port[1].writes, 0);
}

static void limits_are_those_that_identify_tells(void **state)
{
	struct nvme_cmd cmd = copy(0, 129, 0);

	(void)state;
	assert_int_equal(run(&cmd).status, SIZE_LIMIT);
	cmd = copy(0, 128, 60000);
	for (unsigned i = 0; i < 128; i++)
		range_set(0, i, i, 1);
	assert_int_equal(run(&cmd).status, 0);
	/* MSSRL */
	cmd = copy(0, 1, 30000);
	range_set(0, 0, 0, 8192);
	assert_int_equal(run(&cmd).status, 0);
	range_set(0, 0, 0, 8193);
	assert_int_equal(run(&cmd).status, SIZE_LIMIT);
	/* MCL: 32768 blocks */
	cmd = copy(0, 5, 32768);
	for (unsigned i = 0; i < 4; i++)
		range_set(0, i, 0, 8192);
	range_set(0, 4, 0, 1);
	assert_int_equal(run(&cmd).status, SIZE_LIMIT);
	cmd = copy(0, 4, 32768);
	assert_int_equal(run(&cmd).status, 0);
	ns->block_shift = 16;
	assert_int_equal(nvme_copy_range_max(ns), 64);
	ns->block_shift = 9;
}

static void ranges_are_checked_before_anything_is_written(void **state)
{
	struct nvme_cmd cmd = copy(0, 2, 1000);

	(void)state;
	range_set(0, 0, 0, 8);
	range_set(0, 1, BLOCKS - 1, 2);
	assert_int_equal(run(&cmd).status, LBA_RANGE);
	range_set(0, 1, UINT64_MAX, 2);
	assert_int_equal(run(&cmd).status, LBA_RANGE);
	range_set(0, 1, 8, 8);
	cmd = copy(0, 2, BLOCKS - 15);
	assert_int_equal(run(&cmd).status, LBA_RANGE);
	cmd = copy(0, 2, UINT64_MAX - 3);
	assert_int_equal(run(&cmd).status, LBA_RANGE);
	assert_int_equal(seen_count, 0);
	cmd = copy(0, 2, BLOCKS - 16);
	assert_int_equal(run(&cmd).status, 0);
	ns->read_only = true;
	assert_int_equal(run(&cmd).status, 0x20 | FX_DNR);
}

static void range_that_overlaps_with_the_destination_is_refused(void **state)
{
	static const struct {
		uint64_t slba;
		uint32_t blocks;
		bool overlaps;
	} cases[] = {{90, 10, false}, {90, 11, true}, {100, 1, true}, {119, 1, true},
		     {120, 5, false}, {0, 200, true}, {110, 1, true}};

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		struct nvme_cmd cmd = copy(0, 2, 100);

		/* 20 blocks in all, from 100 on, unless the range is longer. */
		range_set(0, 0, cases[i].slba, cases[i].blocks);
		range_set(0, 1, 1000, cases[i].blocks < 20 ? 20 - cases[i].blocks : 1);
		assert_int_equal(run(&cmd).status, cases[i].overlaps ? OVERLAP : 0);
	}
}

static void failure_names_the_range_that_was_not_copied(void **state)
{
	struct nvme_cmd cmd = copy(0, 3, 1000);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		range_set(0, i, i, 1);
	for (fail_at = 0; fail_at < 7; fail_at++) {
		struct fx_run failed = run(&cmd);

		assert_int_equal(failed.status, fail_at < 6 ? 0x280 : 0);
		assert_int_equal(failed.dw0, fail_at < 6 ? fail_at / 2 : 0);
	}
}

static void descriptors_must_be_there_and_of_a_format_that_is_known(void **state)
{
	struct nvme_cmd cmd = copy(0, 2, 1000);

	(void)state;
	fx_data(&cmd, data, 63);
	assert_int_equal(run(&cmd).status, 0x0f | FX_DNR);
	cmd = copy(1, 2, 1000);
	fx_data(&cmd, data, 79);
	assert_int_equal(run(&cmd).status, 0x0f | FX_DNR);
	for (unsigned format = 2; format < 16; format++) {
		cmd = copy(format, 1, 1000);
		assert_int_equal(run(&cmd).status, 0x02 | FX_DNR);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_formats_copy_their_ranges_one_behind_the_other),
		TEST(copy_of_the_backend_is_one_io_for_each_range),
		TEST(library_reads_and_writes_in_turn),
		TEST(limits_are_those_that_identify_tells),
		TEST(ranges_are_checked_before_anything_is_written),
		TEST(range_that_overlaps_with_the_destination_is_refused),
		TEST(failure_names_the_range_that_was_not_copied),
		TEST(descriptors_must_be_there_and_of_a_format_that_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
