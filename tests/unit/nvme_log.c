/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/log.c, health.c, error_log.c and iov.c: what each log page says, which windows of it can be read,
 * and that no byte that was in a buffer before ever goes to a host.
 */
#include "nvme_fixture.h"

static uint8_t page[8192];

static uint16_t get16(size_t at)
{
	return (uint16_t)(page[at] | page[at + 1] << 8);
}

static uint32_t get32(size_t at)
{
	return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static uint64_t get64(size_t at)
{
	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static void assert_zero(size_t from, size_t to)
{
	for (size_t at = from; at < to; at++) {
		if (page[at] != 0)
			fail_msg("byte %zu is 0x%02x", at, page[at]);
	}
}

static struct fx_run read_log(struct nvme_queue *queue, uint8_t lid, uint32_t len)
{
	memset(page, 0x77, sizeof(page));
	return fx_log(queue, lid, page, len, 0);
}

#define FIELD    (0x02 | FX_DNR)
#define LOG_PAGE (0x109 | FX_DNR)

static void unknown_pages_are_refused_and_known_ones_are_listed(void **state)
{
	static const uint8_t admin[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x0c, 0x12, 0x80};
	static const uint8_t disc[] = {0x00, 0x01, 0x12, 0x70};
	struct nvme_queue *queues[2] = {fx_ready(), fx_ready_discovery()};

	(void)state;
	for (unsigned q = 0; q < 2; q++) {
		for (unsigned lid = 0; lid < 256; lid++) {
			const uint8_t *set = q ? disc : admin;
			size_t count = q ? sizeof(disc) : sizeof(admin);
			bool known = memchr(set, (int)lid, count) != NULL;

			assert_int_equal(read_log(queues[q], (uint8_t)lid, 1024).status,
					 known ? 0 : LOG_PAGE);
			read_log(queues[q], 0, 1024);
			assert_int_equal(get16(4 * lid), known ? 1 : 0);
			if (lid != 0x70) /* what it has: nvme_discovery.c */
				assert_int_equal(get16(4 * lid + 2), 0);
		}
		fx_queue_gone(queues[q]);
	}
}

static void length_may_be_any_number_of_dwords_up_to_mdts(void **state)
{
	struct nvme_queue *queue = fx_ready();
	static uint8_t big[1 << 20];
	struct nvme_cmd cmd;

	(void)state;
	for (uint32_t len = 4; len <= 600; len += 4) {
		assert_int_equal(read_log(queue, NVME_LID_SMART, len).status, 0);
		assert_int_equal(page[len], 0x77);
	}
	memset(big, 0x77, sizeof(big));
	assert_int_equal(fx_log(queue, NVME_LID_SMART, big, sizeof(big), 0).status, 0);
	for (size_t at = 512; at < sizeof(big); at++)
		assert_int_equal(big[at], 0);
	cmd = fx_log_cmd(NVME_LID_SMART, big, (1 << 20) + 4, 0);
	assert_int_equal(fx_run(queue, &cmd).status, FIELD);
	nvme_put32(&cmd.cdw10, 0xffff0002);
	nvme_put32(&cmd.cdw11, 0xffff);
	assert_int_equal(fx_run(queue, &cmd).status, FIELD);
	cmd = fx_log_cmd(NVME_LID_SMART, big, 512, 0);
	fx_data(&cmd, big, 508);
	assert_int_equal(fx_run(queue, &cmd).status, 0x0f | FX_DNR);
	fx_queue_gone(queue);
}

/* Every page of 4096 bytes or less, read by windows, is what it is when read whole. */
static void window_is_the_same_bytes_as_the_whole_page(void **state)
{
	static const struct {
		uint8_t lid;
		uint32_t size;
	} cases[] = {{0x00, 1024}, {0x02, 512},  {0x03, 512},
		     {0x04, 4096}, {0x05, 4096}, {0x12, 1024}};
	struct nvme_queue *queue = fx_ready();
	uint8_t whole[4096], part[4096];

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		uint32_t size = cases[c].size;

		assert_int_equal(fx_log(queue, cases[c].lid, whole, size, 0).status, 0);
		for (uint32_t offset = 0; offset < size; offset += 4) {
			uint32_t len = size - offset < 64 ? size - offset : 64;

			assert_int_equal(fx_log(queue, cases[c].lid, part, len, offset).status, 0);
			assert_memory_equal(part, whole + offset, len);
		}
		assert_int_equal(fx_log(queue, cases[c].lid, part, 64, size).status, 0);
		for (unsigned i = 0; i < 64; i++)
			assert_int_equal(part[i], 0);
		assert_int_equal(fx_log(queue, cases[c].lid, part, 64, size + 4).status, FIELD);
	}
	fx_queue_gone(queue);
}

static void offset_is_a_multiple_of_4_within_the_page(void **state)
{
	static const uint64_t bad[] = {
		1, 2, 3, 5, 511, 516, 0x100000000, UINT64_MAX, UINT64_MAX - 3};
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(fx_log(queue, NVME_LID_SMART, page, 64, bad[i]).status, FIELD);
	cmd = fx_log_cmd(NVME_LID_SMART, page, 64, 0);
	nvme_put32(&cmd.cdw14, 1 << 23); /* OT */
	assert_int_equal(fx_run(queue, &cmd).status, FIELD);
	fx_queue_gone(queue);
}

static void error_log_names_command_status_and_place(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 9);
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, 0);
	struct nvme_cmd read = fx_cmd(NVME_OPC_READ, 1);
	struct fx_run run;

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	assert_int_equal(read_log(admin, 1, 4096).status, 0);
	assert_zero(0, 4096);
	nvme_put32(&cmd.cdw10, 0xee);
	nvme_put16(&cmd.cid, 0xbeef);
	fx_data(&cmd, page, 4096);
	run = fx_run(admin, &cmd);
	assert_int_equal(run.status, FIELD);
	assert_true(run.more);
	nvme_put64(&read.rw.slba, 0x1122334455667788);
	run = fx_run(io, &read);
	assert_int_equal(run.status, 0x80 | FX_DNR);
	assert_true(run.more);
	assert_int_equal(read_log(admin, 1, 4096).status, 0);
	assert_int_equal(get64(0), 2); /* the newest is first */
	assert_int_equal(get16(8), 9);
	assert_int_equal(get16(10), 0x1234);
	assert_int_equal(get16(12), 0x80 << 1 | 0xc000);
	assert_int_equal(get16(14), 40);
	assert_int_equal(get64(16), 0x1122334455667788);
	assert_int_equal(get32(24), 1);
	assert_int_equal(page[29], 1); /* RDMA */
	assert_int_equal(get64(64), 1);
	assert_int_equal(get16(64 + 8), 0);
	assert_int_equal(get16(64 + 10), 0xbeef);
	assert_int_equal(get16(64 + 12), 0x02 << 1 | 0xc000);
	assert_int_equal(get16(64 + 14), 40);
	assert_zero(64 + 16, 64 + 29);
	assert_zero(128, 4096);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void error_log_keeps_the_newest_64(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = fx_cmd(0x55, 0);

	(void)state;
	for (uint16_t i = 1; i <= 200; i++) {
		nvme_put16(&cmd.cid, i);
		fx_run(queue, &cmd);
	}
	read_log(queue, 1, 4100);
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(get64(64 * i), 200 - i);
		assert_int_equal(get16(64 * i + 10), 200 - i);
		assert_int_equal(get16(64 * i + 14), 0);
	}
	assert_zero(4096, 4100);
	read_log(queue, 2, 512);
	assert_int_equal(get64(176), 200);
	fx_queue_gone(queue);
}

static void smart_log_counts_what_the_groups_did(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *one = fx_add_ns(fx_subsystem, 1, 100);
	struct wrasse_namespace *two = fx_add_ns(fx_subsystem, 2, 100);
	struct nvme_cmd cmd = fx_log_cmd(NVME_LID_SMART, page, 512, 0);

	(void)state;
	one->port[0].reads = 3;
	one->port[1].reads = 4;
	one->port[0].read_bytes = 512000;
	one->port[1].read_bytes = 1;
	two->port[1].writes = 5;
	two->port[1].written_bytes = 512000 * 7;
	assert_int_equal(read_log(queue, 2, 512).status, 0);
	assert_zero(0, 3);
	assert_int_equal(page[3], 100); /* available spare */
	assert_zero(4, 32);
	assert_int_equal(get64(32), 2);
	assert_int_equal(get64(48), 7);
	assert_int_equal(get64(64), 7);
	assert_int_equal(get64(80), 5);
	assert_zero(96, 512);
	nvme_put32(&cmd.nsid, 0xffffffff);
	assert_int_equal(fx_run(queue, &cmd).status, 0);
	assert_int_equal(get64(64), 7);
	nvme_put32(&cmd.nsid, 2);
	assert_int_equal(fx_run(queue, &cmd).status, 0);
	assert_int_equal(get64(64), 0);
	assert_int_equal(get64(80), 5);
	nvme_put32(&cmd.nsid, 3);
	assert_int_equal(fx_run(queue, &cmd).status, 0x0b | FX_DNR);
	fx_queue_gone(queue);
}

/* Namespace 1 has lost half of its spare, namespace 2 its temper. */
static void get_health(void *backend, struct wrasse_health *health)
{
	if (backend == page) {
		assert_int_equal(health->available_spare, 100);
		assert_int_equal(health->read_commands, 3);
		health->available_spare = 50;
		health->spare_threshold = 60;
		health->warnings = WRASSE_WARNING_SPARE;
		health->temperature_k = 300;
		health->units_written = 0x123456789a;
		health->power_on_hours = 1000;
	} else {
		health->warnings = WRASSE_WARNING_TEMPERATURE;
		health->temperature_k = 400;
		health->percentage_used = 77;
		health->units_written = 1;
		health->busy_minutes = 8;
		health->power_cycles = 9;
		health->power_on_hours = 10;
		health->unsafe_shutdowns = 11;
		health->media_errors = 12;
		health->warning_temperature_minutes = 13;
		health->critical_temperature_minutes = 14;
	}
}

static void smart_log_says_what_the_backend_says(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *one = fx_add_ns(fx_subsystem, 1, 100);
	struct wrasse_namespace *two = fx_add_ns(fx_subsystem, 2, 100);
	struct nvme_cmd cmd = fx_log_cmd(NVME_LID_SMART, page, 512, 0);

	(void)state;
	fx_add_ns(fx_subsystem, 3, 100); /* says nothing */
	one->ops.get_health = get_health;
	one->backend = page;
	one->port[0].reads = 3;
	two->ops.get_health = get_health;
	nvme_put32(&cmd.nsid, 1);
	assert_int_equal(fx_run(queue, &cmd).status, 0);
	assert_int_equal(page[0], 1);
	assert_int_equal(get16(1), 300);
	assert_int_equal(page[3], 50);
	assert_int_equal(page[4], 60);
	assert_int_equal(page[5], 0);
	assert_int_equal(get64(48), 0x123456789a);
	assert_int_equal(get64(64), 3);
	assert_int_equal(get64(128), 1000);
	/* A backend that could not be attached is not asked. */
	one->port[0].state = NVME_NS_PORT_FAILED;
	assert_int_equal(fx_run(queue, &cmd).status, 0);
	assert_int_equal(page[3], 100);
	assert_int_equal(get64(64), 3);
	one->port[0].state = NVME_NS_PORT_ATTACHED;
	/* The subsystem: the worst of each, and the sums. */
	assert_int_equal(read_log(queue, 2, 512).status, 0);
	assert_int_equal(page[0], 3);
	assert_int_equal(get16(1), 400);
	assert_int_equal(page[3], 50);
	assert_int_equal(page[4], 60);
	assert_int_equal(page[5], 77);
	assert_int_equal(get64(48), 0x123456789b);
	assert_int_equal(get64(64), 3);
	assert_int_equal(get64(96), 8);
	assert_int_equal(get64(112), 9);
	assert_int_equal(get64(128), 1000);
	assert_int_equal(get64(144), 11);
	assert_int_equal(get64(160), 12);
	assert_int_equal(get32(192), 13);
	assert_int_equal(get32(196), 14);
	assert_zero(200, 512);
	fx_queue_gone(queue);
}

static void firmware_log_has_one_slot(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	assert_int_equal(read_log(queue, 3, 512).status, 0);
	assert_int_equal(page[0], 1);
	assert_zero(1, 8);
	assert_memory_equal(page + 8, "9.8.7   ", 8);
	assert_zero(16, 512);
	fx_queue_gone(queue);
}

static void effects_log_is_the_command_tables(void **state)
{
	/* Flush, Write, Read, Compare, Write Zeroes, Verify, reservations, Copy */
	static const uint8_t io_effects[] = {1, 3, 1, 0, 0, 1, 0, 0, 3, 0, 0, 0, 1,
					     1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3};
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = fx_log_cmd(NVME_LID_EFFECTS, page, 4096, 0);

	(void)state;
	assert_int_equal(read_log(queue, 5, 4096).status, 0);
	for (unsigned i = 0; i < 256; i++) {
		bool admin = i == 2 || i == 6 || (i >= 8 && i <= 10) || i == 12 || i == 24;

		assert_int_equal(get32(4 * i), admin ? 1 : 0);
		assert_int_equal(get32(1024 + 4 * i), i < sizeof(io_effects) ? io_effects[i] : 0);
	}
	assert_zero(2048, 4096);
	/* Two more that only some backends take. */
	fx_add_ns(fx_subsystem, 1, 100)->io_opcodes = UINT32_MAX;
	assert_int_equal(read_log(queue, 5, 4096).status, 0);
	for (unsigned i = 0; i < 256; i++) {
		uint32_t effects = i < sizeof(io_effects) ? io_effects[i] : 0;

		assert_int_equal(get32(1024 + 4 * i), i == 4 || i == 9 ? 3 : effects);
	}
	nvme_put32(&cmd.cdw14, 1u << 24); /* CSI of another command set */
	assert_int_equal(fx_run(queue, &cmd).status, FIELD);
	fx_queue_gone(queue);
}

/* A feature is in the log exactly if Get Features knows it. */
static void features_log_is_the_feature_table(void **state)
{
	struct nvme_queue *queues[2] = {fx_ready(), fx_ready_discovery()};

	(void)state;
	for (unsigned q = 0; q < 2; q++) {
		assert_int_equal(read_log(queues[q], 0x12, 1024).status, 0);
		for (unsigned fid = 0; fid < 256; fid++) {
			struct fx_run run =
				fx_features(queues[q], NVME_OPC_GET_FEATURES, fid | 3 << 8, 0);
			uint32_t scope = run.dw0 & 2 ? 1u << 20 : 1u << 21;

			if (run.status == FIELD)
				assert_int_equal(get32(4 * fid), 0);
			else
				assert_int_equal(get32(4 * fid), 1 | scope | (fid == 0x84 ? 6 : 0));
		}
		fx_queue_gone(queues[q]);
	}
}

static void changed(struct nvme_queue *queue, uint32_t nsid)
{
	struct nvme_actions actions = {0};

	nvme_ctrl_ns_changed(queue, nsid, &actions);
}

static void changed_namespaces_are_listed_once_and_forgotten_when_read(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = fx_log_cmd(NVME_LID_CHANGED_NS, page, 4096, 0);

	(void)state;
	changed(queue, 256);
	changed(queue, 7);
	changed(queue, 7);
	changed(queue, 1);
	changed(queue, 0);
	changed(queue, 257);
	nvme_put32(&cmd.cdw10, nvme_get32(cmd.cdw10) | 1 << 15); /* RAE */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fx_run(queue, &cmd).status, 0);
		assert_int_equal(get32(0), 1);
		assert_int_equal(get32(4), 7);
		assert_int_equal(get32(8), 256);
		assert_zero(12, 4096);
	}
	assert_int_equal(read_log(queue, 4, 4096).status, 0);
	assert_int_equal(get32(0), 1);
	assert_int_equal(read_log(queue, 4, 4096).status, 0);
	assert_zero(0, 4096);
	changed(queue, 9);
	fx_write_cc(queue, 0);
	fx_write_cc(queue, FX_CC_ENABLE);
	read_log(queue, 4, 4096);
	assert_zero(0, 4096);
	fx_queue_gone(queue);
}

static void more_than_1024_changes_are_told_as_all(void **state)
{
	struct wrasse_subsystem_opts opts;
	struct wrasse_subsystem *big;
	struct nvme_queue *queue;
	const char *why;

	(void)state;
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = "nqn.2026-01.org.example:big";
	opts.allow_any_host = true;
	opts.max_namespaces = 2000;
	assert_int_equal(nvme_subsystem_create(fx_registry, &opts, &big, &why), 0);
	queue = fx_connect_with(fx_queue(0), 0xffff, opts.nqn, 0);
	fx_write_cc(queue, FX_CC_ENABLE);
	for (uint32_t nsid = 1; nsid <= 1024; nsid++)
		changed(queue, nsid);
	read_log(queue, 4, 4096);
	assert_int_equal(get32(0), 1);
	assert_int_equal(get32(4092), 1024);
	for (uint32_t nsid = 1; nsid <= 1025; nsid++)
		changed(queue, nsid);
	read_log(queue, 4, 4096);
	assert_int_equal(get32(0), 0xffffffff);
	assert_zero(4, 4096);
	fx_queue_gone(queue);
}

/* ---- stale memory ---- */

static void assert_no_stale(const uint8_t *data, size_t len)
{
	for (size_t at = 0; at < len; at++) {
		if (data[at] == FX_STALE)
			fail_msg("stale byte at %zu", at);
	}
}

static void no_stale_byte_goes_to_a_host(void **state)
{
	struct nvme_queue *queues[2] = {fx_ready(), fx_ready_discovery()};
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 100);
	static uint8_t big[65536];

	(void)state;
	fx_set_ns_id(ns, NVME_NS_UUID, 0x33, 16);
	nvme_registry_add_portal(fx_registry, 1, true, "0.0.0.0", "4420", 4);
	for (unsigned q = 0; q < 2; q++) {
		for (unsigned lid = 0; lid < 256; lid++) {
			for (uint32_t len = 4; len <= sizeof(big); len = len * 3 / 4 * 4) {
				memset(big, FX_STALE, sizeof(big));
				if (fx_log(queues[q], (uint8_t)lid, big, len, 0).status == 0)
					assert_no_stale(big, len);
				memset(big, FX_STALE, sizeof(big));
				if (fx_log(queues[q], (uint8_t)lid, big, len, 512).status == 0)
					assert_no_stale(big, len);
			}
		}
		for (unsigned cns = 0; cns < 256; cns++) {
			struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, cns == 2 ? 0 : 1);

			memset(big, FX_STALE, sizeof(big));
			nvme_put32(&cmd.cdw10, cns);
			fx_data(&cmd, big, 4096);
			if (fx_run(queues[q], &cmd).status == 0)
				assert_no_stale(big, 4096);
		}
		for (unsigned fid = 0; fid < 256; fid++) {
			struct nvme_cmd cmd = fx_cmd(NVME_OPC_GET_FEATURES, 1);

			memset(big, FX_STALE, sizeof(big));
			nvme_put32(&cmd.cdw10, fid);
			nvme_put32(&cmd.cdw11, 1);
			fx_data(&cmd, big, 4096);
			if (fx_run(queues[q], &cmd).status == 0 && fid == NVME_FID_HOSTID)
				assert_no_stale(big, 16);
		}
		fx_queue_gone(queues[q]);
	}
}

/* ---- iov ---- */

static void pages_are_put_into_any_pieces_through_any_window(void **state)
{
	uint8_t source[40], target[40];

	(void)state;
	for (unsigned i = 0; i < sizeof(source); i++)
		source[i] = (uint8_t)(i + 1);
	for (uint32_t skip = 0; skip <= 45; skip++) {
		for (uint32_t cut = 0; cut <= 32; cut++) {
			struct iovec iov[3] = {
				{target, cut}, {target + cut, 0}, {target + cut, 32 - cut}};
			struct nvme_request request = {.iov = iov, .iov_count = 3};
			struct nvme_out out;

			request.data.len = 32;
			memset(target, FX_STALE, sizeof(target));
			nvme_out_init(&out, &request, skip);
			nvme_out_put(&out, source, 7);
			nvme_out_put(&out, source + 7, 20);
			nvme_out_put(&out, source + 27, 13);
			nvme_out_end(&out);
			for (uint32_t i = 0; i < 32; i++)
				assert_int_equal(target[i], skip + i < 40 ? skip + i + 1 : 0);
			for (uint32_t i = 32; i < 40; i++)
				assert_int_equal(target[i], FX_STALE);
		}
	}
}

static void data_of_a_host_is_got_from_any_pieces(void **state)
{
	uint8_t source[40], target[48];

	(void)state;
	for (unsigned i = 0; i < sizeof(source); i++)
		source[i] = (uint8_t)(i + 1);
	for (uint32_t cut = 0; cut <= 40; cut++) {
		struct iovec iov[2] = {{source, cut}, {source + cut, 40 - cut}};
		struct nvme_request request = {.iov = iov, .iov_count = 2};

		for (uint32_t len = 0; len <= 48; len++) {
			request.data.len = 40;
			memset(target, FX_STALE, sizeof(target));
			nvme_in_get(&request, target, len);
			for (uint32_t i = 0; i < 48; i++)
				assert_int_equal(target[i], i >= len ? FX_STALE :
							    i < 40   ? i + 1 :
								       0);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unknown_pages_are_refused_and_known_ones_are_listed),
		TEST(length_may_be_any_number_of_dwords_up_to_mdts),
		TEST(window_is_the_same_bytes_as_the_whole_page),
		TEST(offset_is_a_multiple_of_4_within_the_page),
		TEST(error_log_names_command_status_and_place),
		TEST(error_log_keeps_the_newest_64),
		TEST(smart_log_counts_what_the_groups_did),
		TEST(smart_log_says_what_the_backend_says),
		TEST(firmware_log_has_one_slot),
		TEST(effects_log_is_the_command_tables),
		TEST(features_log_is_the_feature_table),
		TEST(changed_namespaces_are_listed_once_and_forgotten_when_read),
		TEST(more_than_1024_changes_are_told_as_all),
		TEST(no_stale_byte_goes_to_a_host),
		TEST(pages_are_put_into_any_pieces_through_any_window),
		TEST(data_of_a_host_is_got_from_any_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
