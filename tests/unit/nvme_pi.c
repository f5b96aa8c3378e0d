/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/pi.c, io_pi.c: protection information, of tuples alone and of commands, on a namespace
 * in the test's memory. The CRC here is bit by bit, and shares nothing with the library's.
 */
#include <limits.h>

#include "nvme_fixture.h"

#include "nvme/io.h"
#include "nvme/pi.h"

#define BLOCKS 4096u
#define BLOCK  512u
#define WIRE   (BLOCK + NVME_PI_LEN)
#define LBA    0x700u

#define PRACT 0x2000
#define GUARD 0x1000
#define APP   0x0800
#define REF   0x0400

static struct nvme_queue *admin, *io;
static struct wrasse_namespace *ns;
static uint8_t media[BLOCKS * BLOCK], tuples[BLOCKS * NVME_PI_LEN];
static uint8_t wire[1 << 20]; /* the host's */
static unsigned ios, fail_at;

static uint16_t crc_by_bits(const uint8_t *bytes, size_t len)
{
	uint16_t crc = 0;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint16_t)(bytes[i] << 8);
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x8bb7 : crc << 1);
	}
	return crc;
}

static void tuple_put(uint8_t *at, uint16_t guard, uint16_t app, uint32_t ref)
{
	const uint8_t bytes[NVME_PI_LEN] = {(uint8_t)(guard >> 8), (uint8_t)guard,
					    (uint8_t)(app >> 8),   (uint8_t)app,
					    (uint8_t)(ref >> 24),  (uint8_t)(ref >> 16),
					    (uint8_t)(ref >> 8),   (uint8_t)ref};

	memcpy(at, bytes, sizeof(bytes));
}

static void fill(uint8_t *at, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
}

/* ---- tuples ---- */

static void crc_is_that_of_t10(void **state)
{
	static uint8_t bytes[4096], copy[4096];

	(void)state;
	assert_int_equal(nvme_pi_crc(0, "123456789", 9), 0xd0db);
	fill(bytes, sizeof(bytes), 1);
	for (size_t len = 0; len <= sizeof(bytes); len += len < 300 ? 1 : 373) {
		uint16_t crc = crc_by_bits(bytes, len);
		size_t half = len / 3;

		assert_int_equal(nvme_pi_crc(0, bytes, len), crc);
		assert_int_equal(nvme_pi_crc(nvme_pi_crc(0, bytes, half), bytes + half, len - half),
				 crc);
		memset(copy, 0, sizeof(copy));
		assert_int_equal(nvme_pi_crc_copy(0, copy, bytes, len), crc);
		assert_memory_equal(copy, bytes, len);
		assert_true(len == sizeof(copy) || copy[len] == 0);
	}
}

static void tuples_are_made_as_their_type_wants(void **state)
{
	uint8_t made[NVME_PI_LEN], expected[NVME_PI_LEN];

	(void)state;
	for (uint8_t type = 1; type <= 3; type++) {
		const struct nvme_pi pi = {.type = type, .app = 0xabcd, .ref = 0xfffffffe};

		nvme_pi_make(&pi, 5, 0x1234, made);
		tuple_put(expected, 0x1234, 0xabcd, type == 3 ? 0xfffffffe : 3);
		assert_memory_equal(made, expected, sizeof(made));
	}
}

static void tuples_are_checked_as_far_as_they_shall_be(void **state)
{
	static const struct {
		uint8_t type;
		uint16_t checks, guard, app;
		uint32_t ref;
		enum nvme_pi_fault fault;
	} t[] = {
		{1, GUARD | APP | REF, 0x1111, 0x2222, 7, NVME_PI_GOOD},
		{1, GUARD | APP | REF, 0x1112, 0x2222, 7, NVME_PI_GUARD},
		{1, APP | REF, 0x1112, 0x2222, 7, NVME_PI_GOOD},
		{1, GUARD | APP | REF, 0x1111, 0x2022, 7, NVME_PI_APP},
		{1, GUARD | REF, 0x1111, 0x2022, 7, NVME_PI_GOOD},
		{1, GUARD | APP | REF, 0x1111, 0x222f, 7, NVME_PI_GOOD}, /* not in the mask */
		{1, GUARD | APP | REF, 0x1111, 0x2222, 8, NVME_PI_REF},
		{2, GUARD | APP | REF, 0x1111, 0x2222, 8, NVME_PI_REF},
		{1, GUARD | APP, 0x1111, 0x2222, 8, NVME_PI_GOOD},
		/* all ones: not to be checked */
		{1, GUARD | APP | REF, 0, 0xffff, 99, NVME_PI_GOOD},
		{2, GUARD | APP | REF, 0, 0xffff, 99, NVME_PI_GOOD},
		{3, GUARD | APP, 0, 0xffff, 99, NVME_PI_GUARD},
		{3, GUARD | APP, 0, 0xffff, 0xffffffff, NVME_PI_GOOD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const struct nvme_pi pi = {.type = t[i].type,
					   .check_guard = t[i].checks & GUARD,
					   .check_app = t[i].checks & APP,
					   .check_ref = t[i].checks & REF,
					   .app = 0x2222,
					   .app_mask = 0xfff0,
					   .ref = 4};
		uint8_t tuple[NVME_PI_LEN];

		tuple_put(tuple, t[i].guard, t[i].app, t[i].ref);
		assert_int_equal(nvme_pi_check(&pi, 3, 0x1111, tuple), t[i].fault);
	}
}

/* ---- commands ---- */

static int setup(void **state)
{
	fx_setup(state);
	admin = fx_ready();
	io = fx_io_queue(admin, 1);
	ns = fx_add_ns(fx_subsystem, 2, BLOCKS);
	ns->pi_type = 1;
	fill(media, sizeof(media), 9);
	memset(tuples, 0xff, sizeof(tuples));
	fail_at = UINT_MAX;
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
	uint8_t *kept = tuples + request->offset / BLOCK * NVME_PI_LEN;
	size_t kept_len = request->length / BLOCK * NVME_PI_LEN;
	uint64_t len = 0;

	if (ios++ == fail_at)
		return wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT, false);
	assert_non_null(request->pi);
	for (uint32_t i = 0; i < request->iov_count; i++, at += request->iov[i - 1].iov_len) {
		const struct iovec *iov = &request->iov[i];

		len += iov->iov_len;
		if (request->opcode == WRASSE_IO_READ)
			memcpy(iov->iov_base, at, iov->iov_len);
		else
			memcpy(at, iov->iov_base, iov->iov_len);
	}
	assert_int_equal(len, request->length);
	if (request->opcode == WRASSE_IO_READ)
		memcpy(request->pi, kept, kept_len);
	else
		memcpy(kept, request->pi, kept_len);
	return wrasse_status_ok();
}

static uint16_t run(const struct nvme_cmd *cmd)
{
	struct nvme_request request;
	struct fx_run run;

	ios = 0;
	run = fx_run_request(&request, io, (const uint8_t *)cmd, 64);
	while (run.next == NVME_SUBMIT)
		run.next = nvme_request_complete_io(&request, backend(&request.io));
	fx_result(&run, &request);
	if (run.status == 0 && request.data.xfer == NVME_XFER_C2H && request.iov_count)
		for (uint32_t i = 0, at = 0; i < request.iov_count; at += request.iov[i++].iov_len)
			memcpy(wire + at, request.iov[i].iov_base, request.iov[i].iov_len);
	return run.status;
}

static struct nvme_cmd rw(uint8_t opcode, uint16_t control, uint32_t blocks)
{
	struct nvme_cmd cmd = fx_cmd(opcode, 2);

	nvme_put64(&cmd.rw.slba, LBA);
	nvme_put16(&cmd.rw.nlb, (uint16_t)(blocks - 1));
	nvme_put16(&cmd.rw.control, control);
	nvme_put32(&cmd.rw.ilbrt, LBA);
	nvme_put16(&cmd.rw.lbat, 0xbeef);
	nvme_put16(&cmd.rw.lbatm, 0xffff);
	if (opcode == NVME_OPC_READ || opcode == NVME_OPC_WRITE || opcode == NVME_OPC_COMPARE)
		fx_data(&cmd, wire, blocks * (control & PRACT ? BLOCK : WIRE));
	return cmd;
}

/* The host's blocks with their tuples. */
static void wire_make(uint32_t blocks, unsigned seed)
{
	for (uint32_t i = 0; i < blocks; i++) {
		uint8_t *at = wire + (size_t)i * WIRE;

		fill(at, BLOCK, seed + i);
		tuple_put(at + BLOCK, crc_by_bits(at, BLOCK), 0xbeef,
			  ns->pi_type == 3 ? LBA : LBA + i);
	}
}

static void media_matches(uint32_t blocks, unsigned seed)
{
	static uint8_t expected[BLOCK], tuple[NVME_PI_LEN];

	for (uint32_t i = 0; i < blocks; i++) {
		fill(expected, BLOCK, seed + i);
		tuple_put(tuple, crc_by_bits(expected, BLOCK), 0xbeef,
			  ns->pi_type == 3 ? LBA : LBA + i);
		assert_memory_equal(media + (LBA + i) * BLOCK, expected, BLOCK);
		assert_memory_equal(tuples + (size_t)(LBA + i) * NVME_PI_LEN, tuple, NVME_PI_LEN);
	}
}

static uint16_t checks_of(uint8_t type)
{
	return type == 3 ? GUARD | APP : GUARD | APP | REF;
}

static void hosts_tuples_are_checked_and_kept_apart(void **state)
{
	static const uint32_t counts[] = {1, 2, 3, 251, 252, 253, 1000};

	(void)state;
	for (uint8_t type = 1; type <= 3; type++) {
		for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
			struct nvme_cmd cmd = rw(NVME_OPC_WRITE, checks_of(type), counts[c]);
			static uint8_t sent[sizeof(wire)];

			ns->pi_type = type;
			wire_make(counts[c], c);
			memcpy(sent, wire, sizeof(sent));
			assert_int_equal(run(&cmd), 0);
			assert_int_equal(ios, (counts[c] + 251) / 252);
			media_matches(counts[c], c);
			memset(wire, 0, sizeof(wire));
			cmd = rw(NVME_OPC_READ, checks_of(type), counts[c]);
			assert_int_equal(run(&cmd), 0);
			assert_memory_equal(wire, sent, counts[c] * WIRE);
		}
	}
	assert_int_equal(ns->port[1].writes, 21);
	assert_int_equal(ns->port[1].read_bytes, 3 * (1 + 2 + 3 + 251 + 252 + 253 + 1000) * BLOCK);
}

static void pract_makes_tuples_and_takes_them_away(void **state)
{
	(void)state;
	for (uint8_t type = 1; type <= 3; type++) {
		struct nvme_cmd cmd = rw(NVME_OPC_WRITE, PRACT, 700);

		ns->pi_type = type;
		for (unsigned i = 0; i < 700; i++)
			fill(wire + i * BLOCK, BLOCK, type + i);
		assert_int_equal(run(&cmd), 0);
		assert_int_equal(ios, 1);
		media_matches(700, type);
		memset(wire, 0, sizeof(wire));
		cmd = rw(NVME_OPC_READ, PRACT | checks_of(type), 700);
		assert_int_equal(run(&cmd), 0);
		assert_int_equal(ios, 1);
		assert_memory_equal(wire, media + LBA * BLOCK, 700 * BLOCK);
	}
}

static void each_fault_has_its_status(void **state)
{
	static const struct {
		unsigned byte; /* of the tuple, or 512 before it: of the data */
		uint16_t check, status;
	} t[] = {
		{0, GUARD, 0x282}, {1, GUARD, 0x282}, {2, APP, 0x283},
		{3, APP, 0x283},   {4, REF, 0x284},   {7, REF, 0x284},
	};
	static const uint16_t modes[] = {0, PRACT};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		/* Of a write: the media is not touched. */
		struct nvme_cmd cmd = rw(NVME_OPC_WRITE, GUARD | APP | REF, 3);

		wire_make(3, 1);
		wire[WIRE * 2 + BLOCK + t[i].byte] ^= 0x10;
		assert_int_equal(run(&cmd), t[i].status | FX_DNR);
		assert_int_equal(ios, 0);
		/* Not checked where the host does not want it to be. */
		cmd = rw(NVME_OPC_WRITE, (GUARD | APP | REF) & ~t[i].check, 3);
		assert_int_equal(run(&cmd), 0);
		/* It was stored as it came: reads find it, with tuples and without. */
		for (unsigned m = 0; m < 2; m++) {
			cmd = rw(NVME_OPC_READ, modes[m] | GUARD | APP | REF, 3);
			assert_int_equal(run(&cmd), t[i].status | FX_DNR);
			cmd = rw(NVME_OPC_READ, modes[m] | ((GUARD | APP | REF) & ~t[i].check), 3);
			assert_int_equal(run(&cmd), 0);
		}
		cmd = rw(NVME_OPC_VERIFY, GUARD | APP | REF, 3);
		assert_int_equal(run(&cmd), t[i].status | FX_DNR);
	}
}

static void a_flipped_bit_of_the_media_is_found(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_WRITE, GUARD, 600);

	(void)state;
	wire_make(600, 3);
	assert_int_equal(run(&cmd), 0);
	media[(LBA + 599) * BLOCK + 17] ^= 4;
	cmd = rw(NVME_OPC_READ, GUARD, 600);
	assert_int_equal(run(&cmd), 0x282 | FX_DNR);
	cmd = rw(NVME_OPC_READ, PRACT | GUARD, 600);
	assert_int_equal(run(&cmd), 0x282 | FX_DNR);
	cmd = rw(NVME_OPC_VERIFY, GUARD, 600);
	assert_int_equal(run(&cmd), 0x282 | FX_DNR);
	cmd = rw(NVME_OPC_VERIFY, GUARD, 599);
	assert_int_equal(run(&cmd), 0);
	assert_int_equal(ios, 3);
}

static void blocks_that_were_never_written_are_not_checked(void **state)
{
	(void)state;
	for (uint8_t type = 1; type <= 3; type++) {
		struct nvme_cmd cmd = rw(NVME_OPC_READ, PRACT | checks_of(type), 8);

		ns->pi_type = type;
		assert_int_equal(run(&cmd), 0);
		cmd = rw(NVME_OPC_READ, checks_of(type), 8);
		assert_int_equal(run(&cmd), 0);
	}
}

static void type_1_binds_the_reference_tag_to_the_address(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_READ, PRACT | REF, 1);

	(void)state;
	nvme_put32(&cmd.rw.ilbrt, LBA + 1);
	assert_int_equal(run(&cmd), 0x181 | FX_DNR);
	nvme_put16(&cmd.rw.control, PRACT | GUARD);
	assert_int_equal(run(&cmd), 0);
	nvme_put16(&cmd.rw.control, PRACT | REF);
	ns->pi_type = 2;
	assert_int_equal(run(&cmd), 0);
	ns->pi_type = 3;
	nvme_put32(&cmd.rw.ilbrt, LBA);
	assert_int_equal(run(&cmd), 0x181 | FX_DNR);
	cmd = rw(NVME_OPC_VERIFY, REF, 1);
	assert_int_equal(run(&cmd), 0x181 | FX_DNR);
}

static void write_zeroes_makes_tuples(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_WRITE_ZEROES, 0, 300);
	uint8_t tuple[NVME_PI_LEN];

	(void)state;
	assert_int_equal(run(&cmd), 0);
	assert_int_equal(ios, 2);
	for (unsigned i = 0; i < 300; i++) {
		tuple_put(tuple, 0, 0xbeef, LBA + i);
		assert_memory_equal(tuples + (size_t)(LBA + i) * NVME_PI_LEN, tuple, NVME_PI_LEN);
		for (unsigned k = 0; k < BLOCK; k++)
			assert_int_equal(media[(LBA + i) * BLOCK + k], 0);
	}
	cmd = rw(NVME_OPC_READ, PRACT | GUARD | APP | REF, 300);
	assert_int_equal(run(&cmd), 0);
}

static void length_counts_tuples_where_the_host_has_them(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_READ, 0, 4);

	(void)state;
	fx_data(&cmd, wire, 4 * BLOCK);
	assert_int_equal(run(&cmd), 0x0f | FX_DNR);
	cmd = rw(NVME_OPC_READ, PRACT, 4);
	fx_data(&cmd, wire, 4 * WIRE);
	assert_int_equal(run(&cmd), 0x0f | FX_DNR);
	/* 2016 blocks with tuples are 1,048,320 bytes, one more is above MDTS. */
	nvme_put64(&cmd.rw.slba, 0);
	nvme_put32(&cmd.rw.ilbrt, 0);
	nvme_put16(&cmd.rw.control, 0);
	nvme_put16(&cmd.rw.nlb, 2015);
	fx_data(&cmd, wire, 2016 * WIRE);
	assert_int_equal(run(&cmd), 0);
	nvme_put16(&cmd.rw.nlb, 2016);
	fx_data(&cmd, wire, 2017 * WIRE);
	assert_int_equal(run(&cmd), 0x02 | FX_DNR);
}

static void a_piece_that_the_backend_fails_is_the_last(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_WRITE, GUARD, 600);

	(void)state;
	wire_make(600, 3);
	fail_at = 1;
	assert_int_equal(run(&cmd), 0x280);
	assert_int_equal(ios, 2);
	assert_int_equal(ns->port[1].writes, 0);
}

static void such_a_namespace_has_no_compare(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_COMPARE, 0, 1);

	(void)state;
	assert_int_equal(run(&cmd), 0x01 | FX_DNR);
}

static void options_and_identify_tell_of_it(void **state)
{
	struct wrasse_namespace *made = NULL;
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, 3);
	struct wrasse_ns_opts opts;
	struct nvme_id_ns id;
	const char *why = NULL;

	(void)state;
	wrasse_ns_opts_init(&opts);
	opts.nsid = 3;
	opts.block_count = 8;
	opts.ops = &fx_ops;
	opts.pi_type = 4;
	assert_int_equal(nvme_ns_create(fx_subsystem, &opts, &made, &why), -22);
	assert_string_equal(why, "pi_type is above 3");
	opts.pi_type = 2;
	opts.io_opcodes = WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES) | WRASSE_IO_BIT(WRASSE_IO_VERIFY) |
			  WRASSE_IO_BIT(WRASSE_IO_COMPARE) | WRASSE_IO_BIT(WRASSE_IO_DISCARD);
	assert_int_equal(nvme_ns_create(fx_subsystem, &opts, &made, &why), 3);
	/* What the backend would do without a look at tuples is the library's. */
	assert_int_equal(made->io_opcodes, WRASSE_IO_BIT(WRASSE_IO_DISCARD));
	made->port[0].state = NVME_NS_PORT_ATTACHED;
	fx_subsystem->view[0]->port[2] = &made->port[0];
	fx_data(&cmd, &id, sizeof(id));
	assert_int_equal(fx_run(admin, &cmd).status, 0);
	assert_int_equal(nvme_get16(id.lbaf[0].ms), 8);
	assert_int_equal(id.flbas, 0x10);
	assert_int_equal(id.mc, 1);
	assert_int_equal(id.dpc, 0x12);
	assert_int_equal(id.dps, 2);
	nvme_put32(&cmd.nsid, 2);
	ns->pi_type = 0;
	assert_int_equal(fx_run(admin, &cmd).status, 0);
	assert_int_equal(nvme_get16(id.lbaf[0].ms) + id.flbas + id.mc + id.dpc + id.dps, 0);
	fx_subsystem->view[0]->port[2] = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_that_of_t10),
		cmocka_unit_test(tuples_are_made_as_their_type_wants),
		cmocka_unit_test(tuples_are_checked_as_far_as_they_shall_be),
		TEST(hosts_tuples_are_checked_and_kept_apart),
		TEST(pract_makes_tuples_and_takes_them_away),
		TEST(each_fault_has_its_status),
		TEST(a_flipped_bit_of_the_media_is_found),
		TEST(blocks_that_were_never_written_are_not_checked),
		TEST(type_1_binds_the_reference_tag_to_the_address),
		TEST(write_zeroes_makes_tuples),
		TEST(length_counts_tuples_where_the_host_has_them),
		TEST(a_piece_that_the_backend_fails_is_the_last),
		TEST(such_a_namespace_has_no_compare),
		TEST(options_and_identify_tell_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
