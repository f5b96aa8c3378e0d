/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/features.c: what every feature id answers to Get and Set.
 */
#include "nvme_fixture.h"

#define FIELD    (0x02 | FX_DNR)
#define SEQUENCE (0x0c | FX_DNR)

static struct fx_run get(struct nvme_queue *queue, uint32_t cdw10)
{
	return fx_features(queue, NVME_OPC_GET_FEATURES, cdw10, 0);
}

static struct fx_run set(struct nvme_queue *queue, uint8_t fid, uint32_t value)
{
	return fx_features(queue, NVME_OPC_SET_FEATURES, fid, value);
}

static void unknown_features_are_invalid_fields(void **state)
{
	static const uint8_t admin[] = {1, 2, 4, 5, 6, 7, 10, 11, 15, 0x81};
	static const uint8_t disc[] = {11, 15};
	struct nvme_queue *queues[2] = {fx_ready(), fx_ready_discovery()};

	(void)state;
	for (unsigned q = 0; q < 2; q++) {
		for (unsigned fid = 0; fid < 256; fid++) {
			bool known = memchr(q ? disc : admin, (int)fid,
					    q ? sizeof(disc) : sizeof(admin));
			bool data = fid == 0x81;

			if (!known || !data)
				assert_int_equal(get(queues[q], fid).status, known ? 0 : FIELD);
			assert_int_equal(get(queues[q], fid | 3 << 8).status, known ? 0 : FIELD);
			if (!known)
				assert_int_equal(set(queues[q], (uint8_t)fid, 0).status, FIELD);
		}
		fx_queue_gone(queues[q]);
	}
}

static void kept_values_come_back_and_end_with_a_reset(void **state)
{
	static const struct {
		uint8_t fid;
		uint32_t set, get, fresh;
	} cases[] = {
		{0x01, 0xffffffff, 0xffffff07, 0}, {0x02, 0x00000060, 0x60, 0},
		{0x04, 0x00000123, 0x123, 0xffff}, {0x05, 0x00000456, 0x456, 0},
		{0x0a, 0x00000001, 1, 0},          {0x0b, 0x000001ff, 0x1ff, 0},
	};
	struct nvme_queue *queue = fx_ready();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(get(queue, cases[i].fid).dw0, cases[i].fresh);
		assert_int_equal(set(queue, cases[i].fid, cases[i].set).status, 0);
		assert_int_equal(get(queue, cases[i].fid).dw0, cases[i].get);
		assert_int_equal(get(queue, cases[i].fid | 1 << 8).dw0, cases[i].fresh);
		assert_int_equal(get(queue, cases[i].fid | 2 << 8).dw0, cases[i].fresh);
		assert_int_equal(get(queue, cases[i].fid | 3 << 8).dw0, 4);
		for (uint32_t select = 4; select < 8; select++)
			assert_int_equal(get(queue, cases[i].fid | select << 8).status, FIELD);
	}
	fx_write_cc(queue, 0);
	fx_write_cc(queue, FX_CC_ENABLE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(get(queue, cases[i].fid).dw0, cases[i].fresh);
	fx_queue_gone(queue);
}

static void values_that_cannot_be_are_invalid_fields(void **state)
{
	static const struct {
		uint8_t fid;
		uint32_t value;
	} cases[] = {
		{0x02, 1},          /* power state 1 */
		{0x04, 1 << 16},    /* sensor 1 */
		{0x04, 2 << 20},    /* threshold type 2 */
		{0x05, 1 << 16},    /* DULBE */
		{0x07, 0xffff},     /* 65536 submission queues */
		{0x07, 0xffff0000}, /* 65536 completion queues */
		{0x0b, 1 << 9},     /* firmware activation events */
		{0x0b, 1u << 31},   /* discovery events */
	};
	struct nvme_queue *queue = fx_ready();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(set(queue, cases[i].fid, cases[i].value).status, FIELD);
	assert_int_equal(fx_features(queue, NVME_OPC_GET_FEATURES, 4, 1 << 16).status, FIELD);
	fx_queue_gone(queue);
}

static void both_temperature_thresholds_are_kept(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	assert_int_equal(set(queue, 4, 0x150).status, 0);
	assert_int_equal(set(queue, 4, 1 << 20 | 0x110).status, 0);
	assert_int_equal(fx_features(queue, NVME_OPC_GET_FEATURES, 4, 0).dw0, 0x150);
	assert_int_equal(fx_features(queue, NVME_OPC_GET_FEATURES, 4, 1 << 20).dw0, 0x110);
	fx_queue_gone(queue);
}

static void saving_is_refused(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	assert_int_equal(fx_features(queue, NVME_OPC_SET_FEATURES, 0x0b | 1u << 31, 0x100).status,
			 0x10d | FX_DNR);
	assert_int_equal(get(queue, 0x0b).dw0, 0);
	fx_queue_gone(queue);
}

static void only_error_recovery_may_name_a_namespace(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_SET_FEATURES, 1);

	(void)state;
	nvme_put32(&cmd.cdw10, 0x0b);
	assert_int_equal(fx_run(queue, &cmd).status, 0x10f | FX_DNR);
	nvme_put32(&cmd.cdw10, 0x05);
	assert_int_equal(fx_run(queue, &cmd).status, 0);
	nvme_put32(&cmd.nsid, 0xffffffff);
	nvme_put32(&cmd.cdw10, 0x0b);
	assert_int_equal(fx_run(queue, &cmd).status, 0);
	fx_queue_gone(queue);
}

static void number_of_queues_is_settled_before_the_first_io_queue(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io;

	(void)state;
	assert_int_equal(set(admin, 7, 0).status, 0);
	assert_int_equal(set(admin, 7, 0).dw0, 0x00450045);
	assert_int_equal(set(admin, 7, 0xfffefffe).dw0, 0x00450045);
	assert_int_equal(get(admin, 7).dw0, 0x00450045);
	io = fx_io_queue(admin, 1);
	assert_int_equal(set(admin, 7, 0).status, SEQUENCE);
	assert_int_equal(get(admin, 7).dw0, 0x00450045);
	fx_queue_gone(io);
	assert_int_equal(set(admin, 7, 0).status, 0);
	fx_queue_gone(admin);
}

static void write_cache_is_the_backends(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 100);

	(void)state;
	assert_int_equal(get(queue, 6).status, 0);
	assert_int_equal(get(queue, 6).dw0, 0);
	assert_int_equal(set(queue, 6, 1).status, FIELD);
	ns->volatile_cache = true;
	assert_int_equal(get(queue, 6).dw0, 1);
	assert_int_equal(set(queue, 6, 1).status, 0);
	assert_int_equal(set(queue, 6, 0).status, 0x10e | FX_DNR);
	fx_queue_gone(queue);
}

static void keep_alive_timeout_is_set_and_rounded(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_queue *disc = fx_ready_discovery();

	(void)state;
	assert_int_equal(get(queue, 15).dw0, 0);
	assert_int_equal(set(queue, 15, 2500).status, 0);
	assert_int_equal(get(queue, 15).dw0, 3000);
	assert_int_equal(set(queue, 15, 0).status, 0);
	assert_int_equal(get(queue, 15).dw0, 0);
	assert_int_equal(get(disc, 15).dw0, 120000);
	assert_int_equal(set(disc, 15, 7000).status, 0);
	assert_int_equal(get(disc, 15).dw0, 7000);
	assert_int_equal(set(disc, 11, 1u << 31).status, 0);
	assert_int_equal(set(disc, 11, 1u << 8).status, FIELD);
	fx_queue_gone(disc);
	fx_queue_gone(queue);
}

static void host_identifier_is_read_with_128_bits_and_never_set(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_GET_FEATURES, 0);
	uint8_t hostid[24], want[16];

	(void)state;
	memset(want, 0x42, sizeof(want));
	memset(hostid, 0, sizeof(hostid));
	nvme_put32(&cmd.cdw10, 0x81);
	nvme_put32(&cmd.cdw11, 1);
	fx_data(&cmd, hostid, sizeof(hostid));
	assert_int_equal(fx_run(queue, &cmd).status, 0);
	assert_memory_equal(hostid, want, 16);
	assert_int_equal(hostid[16], 0);
	fx_data(&cmd, hostid, 15);
	assert_int_equal(fx_run(queue, &cmd).status, 0x0f | FX_DNR);
	nvme_put32(&cmd.cdw11, 0);
	assert_int_equal(fx_run(queue, &cmd).status, FIELD);
	assert_int_equal(set(queue, 0x81, 1).status, SEQUENCE);
	assert_int_equal(get(queue, 0x81 | 3 << 8).dw0, 0);
	fx_queue_gone(queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unknown_features_are_invalid_fields),
		TEST(kept_values_come_back_and_end_with_a_reset),
		TEST(values_that_cannot_be_are_invalid_fields),
		TEST(both_temperature_thresholds_are_kept),
		TEST(saving_is_refused),
		TEST(only_error_recovery_may_name_a_namespace),
		TEST(number_of_queues_is_settled_before_the_first_io_queue),
		TEST(write_cache_is_the_backends),
		TEST(keep_alive_timeout_is_set_and_rounded),
		TEST(host_identifier_is_read_with_128_bits_and_never_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
