/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/io_steps.c, io_limits.c: Compare, Verify, Write Zeroes, Dataset Management, Write
 * Uncorrectable and Flush of all, by the backend itself and by the library in its place, on a
 * namespace in the test's memory.
 */
#include <errno.h>
#include <limits.h>

#include "nvme_fixture.h"

#include "nvme/io.h"

#define BLOCKS 4096u
#define BLOCK  512u
#define ALL    UINT32_MAX
#define COPIES 600

static struct nvme_queue *admin, *io;
static struct wrasse_namespace *ns;
static uint8_t media[BLOCKS * BLOCK], data[1 << 20];

/* What the backend was asked for by the last command. */
static struct {
	struct wrasse_io io;
	const void *base;
} seen[COPIES];
static unsigned seen_count;

/* The backend's answer to the I/O with this number; success to the others. */
static unsigned fail_at;
static struct wrasse_status fail_with;

/* What happens while the backend has the first I/O. */
static void (*meanwhile)(void);

static int setup(void **state)
{
	fx_setup(state);
	admin = fx_ready();
	io = fx_io_queue(admin, 1);
	ns = fx_add_ns(fx_subsystem, 2, BLOCKS);
	for (unsigned i = 0; i < sizeof(media); i++)
		media[i] = (uint8_t)(i / BLOCK + i);
	fail_at = UINT_MAX;
	meanwhile = NULL;
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
	uint64_t len = 0;

	assert_true(seen_count < COPIES);
	seen[seen_count].io = *request;
	seen[seen_count].base = request->iov_count ? request->iov[0].iov_base : NULL;
	if (seen_count++ == fail_at)
		return fail_with;
	assert_true(request->offset + request->length <= sizeof(media));
	for (uint32_t i = 0; i < request->iov_count; i++) {
		const struct iovec *iov = &request->iov[i];

		if (request->opcode == WRASSE_IO_READ)
			memcpy(iov->iov_base, at, iov->iov_len);
		else if (request->opcode == WRASSE_IO_WRITE)
			memcpy(at, iov->iov_base, iov->iov_len);
		at += iov->iov_len;
		len += iov->iov_len;
	}
	assert_int_equal(len, request->iov_count ? request->length : 0);
	return wrasse_status_ok();
}

/* Runs a command with its I/Os to the end. Return: SCT << 8 | SC, with FX_DNR. */
static uint16_t status_of(const struct nvme_cmd *cmd)
{
	struct nvme_request request;
	struct fx_run run;

	seen_count = 0;
	run = fx_run_request(&request, io, (const uint8_t *)cmd, 64);
	while (run.next == NVME_SUBMIT) {
		struct wrasse_status status = backend(&request.io);

		assert_int_equal(request.port->in_flight, 1);
		if (meanwhile)
			meanwhile();
		run.next = nvme_request_complete_io(&request, status);
	}
	fx_result(&run, &request);
	assert_null(request.port);
	return run.status;
}

static struct nvme_cmd range(uint8_t opcode, uint64_t slba, uint32_t blocks)
{
	struct nvme_cmd cmd = fx_cmd(opcode, 2);

	nvme_put64(&cmd.rw.slba, slba);
	nvme_put16(&cmd.rw.nlb, (uint16_t)(blocks - 1));
	if (opcode == NVME_OPC_COMPARE)
		fx_data(&cmd, data, blocks << ns->block_shift);
	return cmd;
}

static void native(enum wrasse_io_opcode opcode)
{
	ns->io_opcodes |= WRASSE_IO_BIT(opcode);
}

static struct nvme_dsm_range *dsm_ranges(void)
{
	return (struct nvme_dsm_range *)data;
}

static void dsm_set(unsigned index, uint64_t slba, uint32_t blocks)
{
	nvme_put32(&dsm_ranges()[index].attributes, 0xffffffff);
	nvme_put64(&dsm_ranges()[index].slba, slba);
	nvme_put32(&dsm_ranges()[index].nlb, blocks);
}

static struct nvme_cmd dsm(unsigned count, uint32_t attributes)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_DATASET_MANAGEMENT, 2);

	nvme_put32(&cmd.cdw10, 0xffffff00 | (count - 1));
	nvme_put32(&cmd.cdw11, attributes);
	fx_data(&cmd, data, count * (uint32_t)sizeof(struct nvme_dsm_range));
	return cmd;
}

/* ---- every command with a range ---- */

static const uint8_t range_opcodes[] = {NVME_OPC_COMPARE, NVME_OPC_WRITE_ZEROES, NVME_OPC_VERIFY,
					NVME_OPC_WRITE_UNCORRECTABLE};

static void range_beyond_the_namespace_is_refused(void **state)
{
	static const uint64_t slbas[] = {0, BLOCKS - 2, BLOCKS - 1, BLOCKS, 1ull << 55, UINT64_MAX};
	static const uint32_t counts[] = {1, 2, 3, 2048};

	(void)state;
	native(WRASSE_IO_WRITE_UNCORRECTABLE);
	native(WRASSE_IO_COMPARE);
	for (unsigned o = 0; o < sizeof(range_opcodes); o++)
		for (unsigned s = 0; s < 6; s++)
			for (unsigned c = 0; c < 4; c++) {
				struct nvme_cmd cmd = range(range_opcodes[o], slbas[s], counts[c]);
				bool bad = slbas[s] >= BLOCKS || counts[c] > BLOCKS - slbas[s];

				assert_int_equal(status_of(&cmd), bad ? 0x80 | FX_DNR : 0);
				assert_int_equal(seen_count == 0, bad);
			}
}

static void read_only_namespace_is_read_only(void **state)
{
	(void)state;
	native(WRASSE_IO_WRITE_UNCORRECTABLE);
	native(WRASSE_IO_DISCARD);
	native(WRASSE_IO_COMPARE);
	ns->read_only = true;
	for (unsigned o = 0; o < sizeof(range_opcodes); o++) {
		struct nvme_cmd cmd = range(range_opcodes[o], 0, 1);
		bool writes = range_opcodes[o] == NVME_OPC_WRITE_ZEROES ||
			      range_opcodes[o] == NVME_OPC_WRITE_UNCORRECTABLE;

		assert_int_equal(status_of(&cmd), writes ? 0x20 | FX_DNR : 0);
	}
	dsm_set(0, 0, 1);
	struct nvme_cmd cmd = dsm(1, NVME_DSM_DEALLOCATE);
	assert_int_equal(status_of(&cmd), 0x20 | FX_DNR);
	cmd = dsm(1, 3);
	assert_int_equal(status_of(&cmd), 0);
}

/* ---- Write Zeroes ---- */

static void write_zeroes_of_the_backend_is_one_io_without_memory(void **state)
{
	struct nvme_cmd cmd = range(NVME_OPC_WRITE_ZEROES, 7, 3000);

	(void)state;
	native(WRASSE_IO_WRITE_ZEROES);
	memset(&cmd.sgl, 0xff, sizeof(cmd.sgl));
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].io.opcode, WRASSE_IO_WRITE_ZEROES);
	assert_int_equal(seen[0].io.flags, 0);
	assert_int_equal(seen[0].io.offset, 7 * BLOCK);
	assert_int_equal(seen[0].io.length, 3000 * BLOCK);
	assert_int_equal(seen[0].io.iov_count, 0);
	assert_null(seen[0].io.iov);
}

static void write_zeroes_passes_on_fua_and_deallocate(void **state)
{
	static const struct {
		uint16_t control;
		uint32_t flags;
	} cases[] = {
		{NVME_RW_FUA, WRASSE_IO_FUA},
		{NVME_RW_DEAC, WRASSE_IO_DEALLOCATE},
		{NVME_RW_FUA | NVME_RW_DEAC, WRASSE_IO_FUA | WRASSE_IO_DEALLOCATE},
		{0xbdff, 0},
	};

	(void)state;
	native(WRASSE_IO_WRITE_ZEROES);
	for (unsigned i = 0; i < 4; i++) {
		struct nvme_cmd cmd = range(NVME_OPC_WRITE_ZEROES, 0, 1);

		nvme_put16(&cmd.rw.control, cases[i].control);
		assert_int_equal(status_of(&cmd), 0);
		assert_int_equal(seen[0].io.flags, cases[i].flags);
	}
}

static void write_zeroes_above_the_limit_is_an_invalid_field(void **state)
{
	struct nvme_cmd least = range(NVME_OPC_WRITE_ZEROES, 0, 64);
	struct nvme_cmd more = range(NVME_OPC_WRITE_ZEROES, 0, 65);
	struct nvme_cmd most = range(NVME_OPC_WRITE_ZEROES, 0, 2048);
	struct nvme_cmd beyond = range(NVME_OPC_WRITE_ZEROES, 0, 2049);

	(void)state;
	/* By the library: MDTS. */
	assert_int_equal(status_of(&most), 0);
	assert_int_equal(status_of(&beyond), 0x02 | FX_DNR);
	native(WRASSE_IO_WRITE_ZEROES);
	assert_int_equal(status_of(&beyond), 0);
	ns->max_write_zeroes_len = 64 * BLOCK;
	assert_int_equal(status_of(&least), 0);
	assert_int_equal(status_of(&more), 0x02 | FX_DNR);
	assert_int_equal(seen_count, 0);
}

static void library_writes_zeroes_piece_by_piece(void **state)
{
	struct nvme_cmd cmd = range(NVME_OPC_WRITE_ZEROES, 3, 600);

	(void)state;
	nvme_put16(&cmd.rw.control, NVME_RW_FUA | NVME_RW_DEAC);
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(seen[i].io.opcode, WRASSE_IO_WRITE);
		assert_int_equal(seen[i].io.flags, WRASSE_IO_FUA);
		assert_int_equal(seen[i].io.offset, 3 * BLOCK + i * NVME_SCRATCH_MAX);
	}
	assert_int_equal(seen[2].io.length, 88 * BLOCK);
	for (unsigned i = 0; i < sizeof(media); i++)
		assert_int_equal(media[i],
				 i / BLOCK >= 3 && i / BLOCK < 603 ? 0 : (uint8_t)(i / BLOCK + i));
	/* It is not a Write to the SMART log, and what it wrote did not come from a host. */
	assert_int_equal(ns->port[1].writes, 0);
	cmd = range(NVME_OPC_WRITE_ZEROES, 700, 1);
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 1);
	assert_int_equal(media[700 * BLOCK], 0);
	assert_int_equal(media[701 * BLOCK], (uint8_t)701);
}

/* ---- Compare ---- */

static void compare_of_the_backend_gets_the_hosts_data(void **state)
{
	struct nvme_cmd cmd = range(NVME_OPC_COMPARE, 9, 8);
	const struct wrasse_status differs =
		wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_COMPARE_FAILURE, true);

	(void)state;
	native(WRASSE_IO_COMPARE);
	nvme_put16(&cmd.rw.control, NVME_RW_FUA);
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].io.opcode, WRASSE_IO_COMPARE);
	assert_int_equal(seen[0].io.flags, WRASSE_IO_FUA);
	assert_int_equal(seen[0].io.offset, 9 * BLOCK);
	assert_int_equal(seen[0].io.length, 8 * BLOCK);
	assert_int_equal(seen[0].io.iov_count, 2);
	fail_at = 0;
	fail_with = differs;
	assert_int_equal(status_of(&cmd), 0x285 | FX_DNR);
}

static void library_compares_every_byte(void **state)
{
	static const uint32_t counts[] = {1, 16, 17, 256, 257, 2048};

	(void)state;
	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		struct nvme_cmd cmd = range(NVME_OPC_COMPARE, 11, counts[c]);
		uint32_t len = counts[c] * BLOCK;
		const uint32_t places[] = {0, 999, 1000, len / 2, len - 1};

		memcpy(data, media + 11 * BLOCK, len);
		assert_int_equal(status_of(&cmd), 0);
		assert_int_equal(seen_count, (len + NVME_SCRATCH_MAX - 1) / NVME_SCRATCH_MAX);
		assert_int_equal(seen[0].io.opcode, WRASSE_IO_READ);
		for (unsigned i = 0; i < 5; i++) {
			uint8_t *byte = &data[places[i] < len ? places[i] : 0];

			*byte ^= 0x10;
			assert_int_equal(status_of(&cmd), 0x285 | FX_DNR);
			assert_int_equal(seen_count,
					 (unsigned)(byte - data) / NVME_SCRATCH_MAX + 1);
			*byte ^= 0x10;
		}
	}
	assert_int_equal(ns->port[1].reads, 0);
	/* A difference is an answer and no error. */
	assert_int_equal(admin->ctrl->error_count, 0);
}

static void compare_has_exactly_the_bytes_of_the_blocks(void **state)
{
	struct nvme_cmd cmd = range(NVME_OPC_COMPARE, 0, 2);

	(void)state;
	fx_data(&cmd, data, 1023);
	assert_int_equal(status_of(&cmd), 0x0f | FX_DNR);
	fx_data(&cmd, data, 1025);
	assert_int_equal(status_of(&cmd), 0x0f | FX_DNR);
	cmd = range(NVME_OPC_COMPARE, 0, 2049);
	assert_int_equal(status_of(&cmd), 0x02 | FX_DNR);
}

/* ---- Verify ---- */

static void verify_of_the_backend_is_one_io(void **state)
{
	struct nvme_cmd cmd = range(NVME_OPC_VERIFY, 5, 4000);

	(void)state;
	assert_int_equal(status_of(&cmd), 0x02 | FX_DNR); /* by the library: up to MDTS */
	native(WRASSE_IO_VERIFY);
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].io.opcode, WRASSE_IO_VERIFY);
	assert_int_equal(seen[0].io.length, 4000 * BLOCK);
}

static void library_verifies_by_reading(void **state)
{
	struct nvme_cmd cmd = range(NVME_OPC_VERIFY, 5, 2048);

	(void)state;
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(seen[i].io.opcode, WRASSE_IO_READ);
		assert_int_equal(seen[i].io.offset, 5 * BLOCK + i * NVME_SCRATCH_MAX);
	}
	fail_at = 6;
	fail_with = wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_UNRECOVERED_READ, true);
	assert_int_equal(status_of(&cmd), 0x281 | FX_DNR);
	assert_int_equal(seen_count, 7);
}

/* ---- Write Uncorrectable ---- */

static void write_uncorrectable_is_the_backends_or_nobodys(void **state)
{
	struct nvme_cmd cmd = range(NVME_OPC_WRITE_UNCORRECTABLE, 5, 70);
	struct nvme_queue *other = fx_queue(0); /* it sees no namespace */

	(void)state;
	assert_int_equal(status_of(&cmd), 0x01 | FX_DNR);
	assert_false(nvme_io_is_supported(admin, NVME_OPC_WRITE_UNCORRECTABLE));
	native(WRASSE_IO_WRITE_UNCORRECTABLE);
	assert_false(nvme_io_is_supported(other, NVME_OPC_WRITE_UNCORRECTABLE));
	fx_queue_gone(other);
	assert_true(nvme_io_is_supported(admin, NVME_OPC_WRITE_UNCORRECTABLE));
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen[0].io.opcode, WRASSE_IO_WRITE_UNCORRECTABLE);
	assert_int_equal(seen[0].io.offset, 5 * BLOCK);
	assert_int_equal(seen[0].io.length, 70 * BLOCK);
}

/* ---- Dataset Management ---- */

static void dsm_discards_each_range_in_turn(void **state)
{
	struct nvme_cmd cmd = dsm(256, NVME_DSM_DEALLOCATE);

	(void)state;
	native(WRASSE_IO_DISCARD);
	for (unsigned i = 0; i < 256; i++)
		dsm_set(i, i * 7, i % 5);
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 256 - 52); /* those of no length are nothing */
	for (unsigned i = 0, n = 0; i < 256; i++) {
		if (i % 5 == 0)
			continue;
		assert_int_equal(seen[n].io.opcode, WRASSE_IO_DISCARD);
		assert_int_equal(seen[n].io.flags, 0);
		assert_int_equal(seen[n].io.offset, i * 7 * BLOCK);
		assert_int_equal(seen[n].io.length, i % 5 * BLOCK);
		assert_null(seen[n].io.iov);
		n++;
	}
}

static void dsm_range_above_the_limit_is_several_ios(void **state)
{
	struct nvme_cmd cmd = dsm(2, NVME_DSM_DEALLOCATE);

	(void)state;
	native(WRASSE_IO_DISCARD);
	ns->max_discard_len = 100 * BLOCK;
	dsm_set(0, 8, 250);
	dsm_set(1, 1000, 100);
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 4);
	assert_int_equal(seen[1].io.offset, 108 * BLOCK);
	assert_int_equal(seen[1].io.length, 100 * BLOCK);
	assert_int_equal(seen[2].io.offset, 208 * BLOCK);
	assert_int_equal(seen[2].io.length, 50 * BLOCK);
	assert_int_equal(seen[3].io.offset, 1000 * BLOCK);
}

static void dsm_with_one_bad_range_discards_nothing(void **state)
{
	struct nvme_cmd cmd = dsm(3, NVME_DSM_DEALLOCATE);

	(void)state;
	native(WRASSE_IO_DISCARD);
	dsm_set(0, 0, 1);
	dsm_set(1, 0, BLOCKS);
	dsm_set(2, BLOCKS - 1, 2);
	assert_int_equal(status_of(&cmd), 0x80 | FX_DNR);
	assert_int_equal(seen_count, 0);
	dsm_set(2, UINT64_MAX, UINT32_MAX);
	assert_int_equal(status_of(&cmd), 0x80 | FX_DNR);
	dsm_set(2, UINT64_MAX, 0);
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 2);
}

static void dsm_without_deallocate_is_a_hint(void **state)
{
	struct nvme_cmd cmd = dsm(1, 0xfffffffb);

	(void)state;
	native(WRASSE_IO_DISCARD);
	dsm_set(0, 0, 1);
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 0);
	dsm_set(0, BLOCKS, 1);
	assert_int_equal(status_of(&cmd), 0x80 | FX_DNR);
}

static void dsm_needs_a_backend_that_discards(void **state)
{
	struct nvme_cmd cmd = dsm(1, NVME_DSM_DEALLOCATE);

	(void)state;
	dsm_set(0, 0, 1);
	assert_int_equal(status_of(&cmd), 0x01 | FX_DNR);
}

static void dsm_with_fewer_bytes_than_ranges_is_refused(void **state)
{
	struct nvme_cmd cmd = dsm(2, NVME_DSM_DEALLOCATE);

	(void)state;
	native(WRASSE_IO_DISCARD);
	fx_data(&cmd, data, 31);
	assert_int_equal(status_of(&cmd), 0x0f | FX_DNR);
	/* Linux sends a page, whatever the number of ranges. */
	dsm_set(0, 1, 1);
	dsm_set(1, 2, 1);
	dsm_set(2, 3, 1);
	fx_data(&cmd, data, 4096);
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 2);
}

/* ---- Flush of all namespaces ---- */

static void flush_of_all_reaches_every_namespace(void **state)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_FLUSH, ALL);
	struct wrasse_namespace *other[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		other[i] = fx_add_ns(fx_subsystem, 10 + i, 100);
		other[i]->backend = &other[i];
	}
	other[1]->port[1].state = NVME_NS_PORT_FAILED;
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 3);
	assert_int_equal(seen[0].io.opcode, WRASSE_IO_FLUSH);
	assert_int_equal(seen[0].io.length, 0);
	assert_ptr_equal(seen[0].io.backend, ns->backend);
	assert_ptr_equal(seen[1].io.backend, &other[0]);
	assert_ptr_equal(seen[2].io.backend, &other[2]);
	assert_int_equal(other[0]->port[1].in_flight + other[2]->port[1].in_flight, 0);
	fail_at = 1;
	fail_with = wrasse_status_make(0, WRASSE_SC_INTERNAL, false);
	assert_int_equal(status_of(&cmd), 0x06);
	assert_int_equal(seen_count, 2);
}

static void flush_of_all_of_none_succeeds(void **state)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_FLUSH, ALL);

	(void)state;
	fx_subsystem->view[1]->port[1] = NULL;
	assert_int_equal(status_of(&cmd), 0);
	assert_int_equal(seen_count, 0);
}

/* ---- what happens between two I/Os of one command ---- */

static void leave_namespace(void)
{
	fx_subsystem->view[1]->port[1] = NULL;
	ns->port[1].state = NVME_NS_PORT_LEAVING;
}

static void end_queue(void)
{
	struct nvme_actions actions = {0};

	nvme_queue_end(io, &actions);
}

static void reset_controller(void)
{
	fx_write_cc(admin, 0);
}

static void command_ends_at_the_next_io_when_its_world_has_gone(void **state)
{
	static const struct {
		void (*meanwhile)(void);
		uint16_t status;
	} cases[] = {{leave_namespace, 0x0b | FX_DNR}, {end_queue, 0x08}, {reset_controller, 0x08}};
	struct nvme_cmd cmd = range(NVME_OPC_VERIFY, 0, 1000);

	for (unsigned i = 0; i < 3; i++) {
		meanwhile = cases[i].meanwhile;
		assert_int_equal(status_of(&cmd), cases[i].status);
		assert_int_equal(seen_count, 1);
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

/* The memory that it would need was not asked for when its capsule came. */
static void namespace_that_loses_an_opcode_while_a_request_waits_is_another(void **state)
{
	struct nvme_cmd cmds[4] = {range(NVME_OPC_WRITE_ZEROES, 0, 1),
				   range(NVME_OPC_COMPARE, 0, 1), dsm(1, NVME_DSM_DEALLOCATE),
				   range(NVME_OPC_WRITE_UNCORRECTABLE, 0, 1)};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct nvme_request request = {.queue = io};
		struct nvme_actions actions = {0};

		ns->io_opcodes = UINT32_MAX;
		assert_true(nvme_request_parse(&request, (const uint8_t *)&cmds[i], 64));
		assert_int_equal(request.data.scratch_len, 0);
		ns->io_opcodes = 0;
		assert_int_equal(nvme_request_execute(&request, fx_now, &actions), NVME_RESPOND);
		assert_int_equal(nvme_get16(request.cqe.status), 0x0b << 1 | 0xc000);
	}
}

static void scratch_is_asked_for_where_the_library_stands_in(void **state)
{
	struct nvme_cmd small = range(NVME_OPC_COMPARE, 0, 16);
	struct nvme_cmd large = range(NVME_OPC_WRITE_ZEROES, 0, 2000);
	struct nvme_request request = {.queue = io};

	(void)state;
	assert_true(nvme_request_parse(&request, (const uint8_t *)&small, 64));
	assert_int_equal(request.data.scratch_len, 8192);
	assert_int_equal(request.data.len, 8192);
	assert_true(nvme_request_parse(&request, (const uint8_t *)&large, 64));
	assert_int_equal(request.data.scratch_len, NVME_SCRATCH_MAX);
	assert_int_equal(request.data.len, 0);
	fx_data(&small, data, 1);
	assert_false(nvme_request_parse(&request, (const uint8_t *)&small, 64));
	assert_int_equal(request.data.scratch_len, 0);
}

/* ---- limits ---- */

static void limits_are_the_lowest_of_the_namespaces(void **state)
{
	struct wrasse_namespace *other = fx_add_ns(fx_subsystem, 7, 100);
	struct nvme_io_limits limits;

	(void)state;
	/* What the library does itself goes up to MDTS, 1 MiB. */
	nvme_io_limits_get(admin, &limits);
	assert_int_equal(limits.vsl, 8);
	assert_int_equal(limits.wzsl, 8);
	assert_int_equal(limits.dmrl, 0);
	assert_int_equal(limits.dmrsl, 0);
	assert_int_equal(limits.dmsl, 0);
	ns->io_opcodes = other->io_opcodes = UINT32_MAX;
	nvme_io_limits_get(admin, &limits);
	assert_int_equal(limits.vsl, 0);
	assert_int_equal(limits.wzsl, 0);
	ns->max_write_zeroes_len = 8191 * 4096;
	other->max_write_zeroes_len = 8192;
	ns->max_discard_len = 1 << 20;
	nvme_io_limits_get(admin, &limits);
	assert_int_equal(limits.wzsl, 1);
	assert_int_equal(limits.dmrsl, 2048);
	other->block_shift = 12;
	other->max_write_zeroes_len = 0;
	other->max_discard_len = 1 << 20;
	nvme_io_limits_get(admin, &limits);
	assert_int_equal(limits.wzsl, 12);
	assert_int_equal(limits.dmrsl, 256);
	ns->max_discard_len = 0;
	other->max_discard_len = 1ull << 50;
	nvme_io_limits_get(admin, &limits);
	assert_int_equal(limits.dmrsl, 0);
}

static void options_out_of_range_are_refused(void **state)
{
	static const struct {
		uint32_t io_opcodes;
		uint64_t max_write_zeroes_len, max_discard_len;
		uint32_t io_timeout_ms;
		int result;
	} cases[] = {
		{WRASSE_IO_BIT(WRASSE_IO_COPY) << 1, 0, 0, 0, -EINVAL},
		{1u << 31, 0, 0, 0, -EINVAL},
		{0, 8191, 0, 0, -EINVAL},
		{0, 0, 4095, 0, -EINVAL},
		{0, 0, 0, 99, -EINVAL},
		{0x1ff, 8192, 4096, 100, 50},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wrasse_namespace *made = NULL;
		struct wrasse_ns_opts opts;
		const char *why = NULL;

		wrasse_ns_opts_init(&opts);
		opts.nsid = 50;
		opts.block_size = 4096;
		opts.block_count = 10;
		opts.ops = &fx_ops;
		opts.io_opcodes = cases[i].io_opcodes;
		opts.max_write_zeroes_len = cases[i].max_write_zeroes_len;
		opts.max_discard_len = cases[i].max_discard_len;
		opts.io_timeout_ms = cases[i].io_timeout_ms;
		assert_int_equal(nvme_ns_create(fx_subsystem, &opts, &made, &why), cases[i].result);
		assert_int_equal(why != NULL, cases[i].result < 0);
	}
}

static void hints_out_of_range_are_refused(void **state)
{
	static const struct {
		struct wrasse_ns_hints hints;
		int result;
	} cases[] = {
		{{.io_boundary = 65536}, -EINVAL},
		{{.atomic_write = 65537}, -EINVAL},
		{{.atomic_write_power = 1}, -EINVAL},
		{{.write_granularity = 65537}, -EINVAL},
		{{.write_alignment = 65537}, -EINVAL},
		{{.discard_granularity = 65537}, -EINVAL},
		{{.discard_alignment = UINT32_MAX}, -EINVAL},
		{{.write_size = 65537}, -EINVAL},
		{{65535, 65536, 65536, 65536, 65536, 65536, 65536, 65536}, 50},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wrasse_namespace *made = NULL;
		struct wrasse_ns_opts opts;
		const char *why = NULL;

		wrasse_ns_opts_init(&opts);
		opts.nsid = 50;
		opts.block_count = 10;
		opts.ops = &fx_ops;
		opts.hints = cases[i].hints;
		assert_int_equal(nvme_ns_create(fx_subsystem, &opts, &made, &why), cases[i].result);
		assert_int_equal(why != NULL, cases[i].result < 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(range_beyond_the_namespace_is_refused),
		TEST(read_only_namespace_is_read_only),
		TEST(write_zeroes_of_the_backend_is_one_io_without_memory),
		TEST(write_zeroes_passes_on_fua_and_deallocate),
		TEST(write_zeroes_above_the_limit_is_an_invalid_field),
		TEST(library_writes_zeroes_piece_by_piece),
		TEST(compare_of_the_backend_gets_the_hosts_data),
		TEST(library_compares_every_byte),
		TEST(compare_has_exactly_the_bytes_of_the_blocks),
		TEST(verify_of_the_backend_is_one_io),
		TEST(library_verifies_by_reading),
		TEST(write_uncorrectable_is_the_backends_or_nobodys),
		TEST(dsm_discards_each_range_in_turn),
		TEST(dsm_range_above_the_limit_is_several_ios),
		TEST(dsm_with_one_bad_range_discards_nothing),
		TEST(dsm_without_deallocate_is_a_hint),
		TEST(dsm_needs_a_backend_that_discards),
		TEST(dsm_with_fewer_bytes_than_ranges_is_refused),
		TEST(flush_of_all_reaches_every_namespace),
		TEST(flush_of_all_of_none_succeeds),
		TEST(command_ends_at_the_next_io_when_its_world_has_gone),
		TEST(namespace_that_loses_an_opcode_while_a_request_waits_is_another),
		TEST(scratch_is_asked_for_where_the_library_stands_in),
		TEST(limits_are_the_lowest_of_the_namespaces),
		TEST(options_out_of_range_are_refused),
		TEST(hints_out_of_range_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
