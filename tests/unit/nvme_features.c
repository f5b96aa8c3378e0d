/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/features.c, features_data.c and features_ns.c: what every feature id answers to Get and Set.
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
	static const uint8_t admin[] = {1,  2,  4,  5,  6,    7,    10,   11,
					14, 15, 22, 25, 0x81, 0x82, 0x83, 0x84};
	static const uint8_t with_data[] = {14, 22, 0x81};
	static const uint8_t disc[] = {11, 15};
	struct nvme_queue *queues[2] = {fx_ready(), fx_ready_discovery()};

	(void)state;
	for (unsigned q = 0; q < 2; q++) {
		for (unsigned fid = 0; fid < 256; fid++) {
			bool known = memchr(q ? disc : admin, (int)fid,
					    q ? sizeof(disc) : sizeof(admin));
			bool data = memchr(with_data, (int)fid, sizeof(with_data)) || fid > 0x81;

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
		/* Changeable; error recovery also belongs to namespaces. */
		assert_int_equal(get(queue, cases[i].fid | 3 << 8).dw0, cases[i].fid == 5 ? 6 : 4);
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

static void only_some_features_may_name_a_namespace(void **state)
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

/* ---- the cache that a backend lets hosts switch ---- */

static struct {
	unsigned calls;
	bool on;
	void *refuses; /* the backend that does */
} cache;

static int set_write_cache(void *backend, bool on)
{
	cache.calls++;
	if (cache.refuses && backend == cache.refuses)
		return -5;
	cache.on = on;
	return 0;
}

static void write_cache_can_be_switched_where_every_backend_can(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_queue *other = fx_ready();
	struct wrasse_namespace *one = fx_add_ns(fx_subsystem, 1, 100);
	struct wrasse_namespace *two = fx_add_ns(fx_subsystem, 2, 100);

	(void)state;
	memset(&cache, 0, sizeof(cache));
	fx_add_ns(fx_subsystem, 3, 100); /* without a cache: nobody asks it */
	one->volatile_cache = true;
	two->volatile_cache = true;
	one->ops.set_write_cache = set_write_cache;
	assert_int_equal(set(queue, 6, 0).status, 0x10e | FX_DNR);
	assert_int_equal(cache.calls, 0);
	two->ops.set_write_cache = set_write_cache;
	/* One that could not be attached is not asked, and keeps nobody from it. */
	one->port[0].state = NVME_NS_PORT_FAILED;
	assert_int_equal(set(queue, 6, 0).status, 0);
	assert_int_equal(cache.calls, 1);
	assert_int_equal(get(queue, 6).dw0, 1);
	assert_int_equal(set(queue, 6, 1).status, 0);
	one->port[0].state = NVME_NS_PORT_ATTACHED;
	cache.calls = 0;
	assert_int_equal(set(queue, 6, 0).status, 0);
	assert_int_equal(cache.calls, 2);
	assert_false(cache.on);
	assert_int_equal(get(queue, 6).dw0, 0);
	assert_int_equal(get(other, 6).dw0, 0);
	assert_int_equal(get(queue, 6 | 1 << 8).dw0, 1);
	assert_int_equal(set(queue, 6, 0).status, 0);
	assert_int_equal(cache.calls, 2);
	assert_int_equal(set(other, 6, 1).status, 0);
	assert_int_equal(cache.calls, 4);
	assert_true(cache.on);
	assert_int_equal(get(queue, 6).dw0, 1);
	fx_queue_gone(other);
	fx_queue_gone(queue);
}

static void write_caches_stay_as_they_were_when_one_backend_fails(void **state)
{
	struct nvme_queue *queue = fx_ready();
	static int backend;

	(void)state;
	memset(&cache, 0, sizeof(cache));
	for (uint32_t nsid = 1; nsid <= 3; nsid++) {
		struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, nsid, 100);

		ns->volatile_cache = true;
		ns->ops.set_write_cache = set_write_cache;
		ns->backend = nsid == 2 ? &backend : NULL;
	}
	cache.refuses = &backend;
	assert_int_equal(set(queue, 6, 0).status, 0x06);
	assert_int_equal(cache.calls, 3); /* off, refused, on again */
	assert_true(cache.on);
	assert_int_equal(get(queue, 6).dw0, 1);
	fx_queue_gone(queue);
}

/* ---- features with data ---- */

static struct fx_run set_data(struct nvme_queue *queue, uint8_t fid, void *data, uint32_t len)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_SET_FEATURES, 0);

	nvme_put32(&cmd.cdw10, fid);
	fx_data(&cmd, data, len);
	return fx_run(queue, &cmd);
}

static struct fx_run get_data(struct nvme_queue *queue, uint32_t cdw10, void *data, uint32_t len)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_GET_FEATURES, 0);

	nvme_put32(&cmd.cdw10, cdw10);
	fx_data(&cmd, data, len);
	return fx_run(queue, &cmd);
}

/* Return: the time that the controller tells; its attributes in bits 48 and up. */
static uint64_t timestamp(struct nvme_queue *queue, uint32_t cdw10)
{
	nvme_le64 data;

	assert_int_equal(get_data(queue, cdw10, &data, sizeof(data)).status, 0);
	return nvme_get64(data);
}

#define BY_HOST (2ull << 48)

static void timestamp_counts_on_from_what_the_host_set(void **state)
{
	struct nvme_queue *queue = fx_ready();
	nvme_le64 data;

	(void)state;
	assert_int_equal(timestamp(queue, 0x0e), 0);
	fx_now += 5 * FX_SECOND + 999999;
	assert_int_equal(timestamp(queue, 0x0e), 5000);
	nvme_put64(&data, 0xffff01234567890aull); /* the high bytes mean nothing */
	assert_int_equal(set_data(queue, 0x0e, &data, 8).status, 0);
	assert_int_equal(timestamp(queue, 0x0e), 0x01234567890a | BY_HOST);
	fx_now += 7 * FX_SECOND;
	assert_int_equal(timestamp(queue, 0x0e), (0x01234567890a + 7000) | BY_HOST);
	assert_int_equal(timestamp(queue, 0x0e | 1 << 8), 0);
	nvme_put64(&data, 0xffffffffffff);
	set_data(queue, 0x0e, &data, 8);
	fx_now += FX_SECOND;
	assert_int_equal(timestamp(queue, 0x0e), 999 | BY_HOST);
	fx_write_cc(queue, 0);
	fx_write_cc(queue, FX_CC_ENABLE);
	fx_now += 2 * FX_SECOND;
	assert_int_equal(timestamp(queue, 0x0e), 2000);
	assert_int_equal(set_data(queue, 0x0e, &data, 7).status, 0x0f | FX_DNR);
	assert_int_equal(get_data(queue, 0x0e, &data, 7).status, 0x0f | FX_DNR);
	assert_int_equal(get(queue, 0x0e | 3 << 8).dw0, 4);
	fx_queue_gone(queue);
}

static void host_behavior_is_kept_until_a_reset(void **state)
{
	struct nvme_queue *queue = fx_ready();
	uint8_t behavior[512], back[512];

	(void)state;
	memset(behavior, 0xee, sizeof(behavior)); /* reserved bytes mean nothing */
	memset(behavior, 1, 3);
	assert_int_equal(set_data(queue, 0x16, behavior, 512).status, 0);
	assert_int_equal(get_data(queue, 0x16, back, 512).status, 0);
	assert_memory_equal(back, behavior, 3);
	for (unsigned i = 3; i < 512; i++)
		assert_int_equal(back[i], 0);
	for (unsigned i = 0; i < 3; i++) {
		behavior[i] = 2;
		assert_int_equal(set_data(queue, 0x16, behavior, 512).status, FIELD);
		behavior[i] = 1;
	}
	get_data(queue, 0x16 | 1 << 8, back, 512);
	assert_int_equal(back[0], 0);
	fx_write_cc(queue, 0);
	fx_write_cc(queue, FX_CC_ENABLE);
	get_data(queue, 0x16, back, 512);
	assert_int_equal(back[0], 0);
	fx_queue_gone(queue);
}

/* What CRD of a status says to a host, as the backend gives it. */
static unsigned retry_delay(struct nvme_queue *io, uint8_t crd)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_FLUSH, 1);
	struct wrasse_status status = wrasse_status_make(0, WRASSE_SC_COMMAND_INTERRUPTED, false);
	struct nvme_request request;

	status.crd = crd;
	assert_int_equal(fx_run_request(&request, io, (const uint8_t *)&cmd, 64).next, NVME_SUBMIT);
	nvme_request_complete_io(&request, status);
	assert_int_equal(nvme_get16(request.cqe.status) >> 1 & 0x7ff, 0x21);
	return nvme_get16(request.cqe.status) >> 12 & 3;
}

static void retry_delay_is_told_to_a_host_that_asked_for_it(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	uint8_t behavior[512] = {1};

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	fx_subsystem->retry_delay_100ms[0] = 10;
	fx_subsystem->retry_delay_100ms[2] = 30;
	assert_int_equal(retry_delay(io, 1), 0);
	assert_int_equal(set_data(admin, 0x16, behavior, 512).status, 0);
	assert_int_equal(retry_delay(io, 0), 0);
	assert_int_equal(retry_delay(io, 1), 1);
	assert_int_equal(retry_delay(io, 2), 0); /* CRDT2 is 0 */
	assert_int_equal(retry_delay(io, 3), 3);
	assert_int_equal(retry_delay(io, 4), 0);
	behavior[0] = 0;
	set_data(admin, 0x16, behavior, 512);
	assert_int_equal(retry_delay(io, 1), 0);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void command_sets_have_one_combination(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	assert_int_equal(get(queue, 0x19).dw0, 0);
	assert_int_equal(set(queue, 0x19, 0).status, 0);
	assert_int_equal(set(queue, 0x19, 1).status, 0x12b | FX_DNR);
	assert_int_equal(set(queue, 0x19, 0x1ff).status, 0x12b | FX_DNR);
	fx_queue_gone(queue);
}

/* ---- write protection ---- */

static struct fx_run protect_request(struct nvme_request *request, struct nvme_queue *queue,
				     uint32_t nsid, uint32_t value)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_SET_FEATURES, nsid);

	nvme_put32(&cmd.cdw10, 0x84);
	nvme_put32(&cmd.cdw11, value);
	return fx_run_request(request, queue, (const uint8_t *)&cmd, 64);
}

/* Protects, with an answer of the backend to the flush. Return: the status. */
static uint16_t protect(struct nvme_queue *queue, uint32_t nsid, struct wrasse_status status)
{
	struct nvme_request request;
	struct fx_run run = protect_request(&request, queue, nsid, 1);

	assert_int_equal(run.next, NVME_SUBMIT);
	assert_int_equal(request.io.opcode, WRASSE_IO_FLUSH);
	assert_int_equal(request.io.length, 0);
	nvme_request_complete_io(&request, status);
	return nvme_get16(request.cqe.status) >> 1 & 0x7ff;
}

static uint32_t protection(struct nvme_queue *queue, uint32_t nsid, unsigned select)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_GET_FEATURES, nsid);
	struct fx_run run;

	nvme_put32(&cmd.cdw10, 0x84 | select << 8);
	run = fx_run(queue, &cmd);
	assert_int_equal(run.status, 0);
	return run.dw0;
}

static uint16_t write_block(struct nvme_queue *io, uint32_t nsid)
{
	static uint8_t block[512];
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_WRITE, nsid);
	struct nvme_request request;
	struct fx_run run;

	fx_data(&cmd, block, sizeof(block));
	run = fx_run_request(&request, io, (const uint8_t *)&cmd, 64);
	if (run.next == NVME_SUBMIT)
		nvme_request_complete_io(&request, wrasse_status_ok());
	return run.status;
}

static void protected_namespace_is_flushed_and_refuses_writes(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *other = fx_ready();
	struct nvme_queue *io = fx_io_queue(other, 1);
	struct nvme_request request;

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	fx_add_ns(fx_subsystem, 2, 100);
	assert_int_equal(protection(admin, 1, 0), 0);
	assert_int_equal(write_block(io, 1), 0);
	assert_int_equal(protect(admin, 1, wrasse_status_ok()), 0);
	assert_int_equal(protection(admin, 1, 0), 1);
	assert_int_equal(protection(other, 1, 0), 1);
	assert_int_equal(protection(admin, 1, 1), 0); /* by default */
	assert_int_equal(protection(admin, 2, 0), 0);
	assert_int_equal(protection(admin, 1, 3), 6); /* changeable, of a namespace */
	assert_int_equal(write_block(io, 1), 0x20 | FX_DNR);
	assert_int_equal(write_block(io, 2), 0);
	/* Not the controller's: a reset leaves it. */
	fx_write_cc(admin, 0);
	fx_write_cc(admin, FX_CC_ENABLE);
	assert_int_equal(protection(admin, 1, 0), 1);
	assert_int_equal(protect_request(&request, admin, 1, 0).status, 0);
	assert_int_equal(protection(admin, 1, 0), 0);
	assert_int_equal(write_block(io, 1), 0);
	fx_queue_gone(io);
	fx_queue_gone(other);
	fx_queue_gone(admin);
}

static void every_host_is_told_of_protection(void **state)
{
	struct nvme_queue *queues[2] = {fx_ready(), fx_ready()};
	struct nvme_request request, held[2];
	struct nvme_cmd aer = fx_cmd(NVME_OPC_ASYNC_EVENT, 0);
	struct fx_run run;

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	for (unsigned i = 0; i < 2; i++) {
		set(queues[i], 0x0b, 0x100);
		run = fx_run_request(&held[i], queues[i], (const uint8_t *)&aer, 64);
		assert_int_equal(run.next, NVME_HOLD);
	}
	run = protect_request(&request, queues[0], 1, 1);
	assert_true(run.actions.attention);
	nvme_request_complete_io(&request, wrasse_status_ok());
	for (unsigned i = 0; i < 2; i++) {
		struct nvme_actions actions = {0};

		nvme_ctrl_sync(queues[i], &actions);
		assert_ptr_equal(actions.done, &held[i]);
		assert_int_equal(nvme_get32(held[i].cqe.dw0), 0x00040002);
	}
	/* The same once more changes nothing: no flush, no event. */
	run = protect_request(&request, queues[1], 1, 1);
	assert_int_equal(run.next, NVME_RESPOND);
	assert_false(run.actions.attention);
	assert_true(protect_request(&request, queues[1], 1, 0).actions.attention);
	fx_queue_gone(queues[1]);
	fx_queue_gone(queues[0]);
}

static void namespace_whose_flush_fails_is_not_protected(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 100);
	struct nvme_request request;

	(void)state;
	assert_int_equal(protect(admin, 1, wrasse_status_make(2, 0x80, false)), 0x280);
	assert_int_equal(protection(admin, 1, 0), 0);
	ns->port[0].state = NVME_NS_PORT_FAILED;
	assert_int_equal(protect_request(&request, admin, 1, 1).status, 0x82);
	assert_int_equal(protection(admin, 1, 0), 0);
	ns->port[0].state = NVME_NS_PORT_ATTACHED;
	ns->port[0].paused = true;
	assert_int_equal(protect_request(&request, admin, 1, 1).status, 0x82);
	assert_int_equal(protection(admin, 1, 0), 0);
	ns->port[0].paused = false;
	fx_queue_gone(admin);
}

static void protection_that_cannot_be_is_refused(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 100);
	static const uint32_t bad[] = {0, 2, 257, 0xffffffff};
	struct nvme_request request;

	(void)state;
	for (uint32_t value = 2; value < 8; value++)
		assert_int_equal(protect_request(&request, admin, 1, value).status, FIELD);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct nvme_cmd cmd = fx_cmd(NVME_OPC_GET_FEATURES, bad[i]);

		assert_int_equal(protect_request(&request, admin, bad[i], 1).status, 0x0b | FX_DNR);
		nvme_put32(&cmd.cdw10, 0x84);
		assert_int_equal(fx_run(admin, &cmd).status, 0x0b | FX_DNR);
	}
	ns->read_only = true;
	assert_int_equal(protection(admin, 1, 0), 1);
	assert_int_equal(protect_request(&request, admin, 1, 0).status, 0x10e | FX_DNR);
	/* What is so already needs no flush. */
	assert_int_equal(protect_request(&request, admin, 1, 1).next, NVME_RESPOND);
	assert_int_equal(nvme_get16(request.cqe.status), 0);
	fx_queue_gone(admin);
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
		TEST(only_some_features_may_name_a_namespace),
		TEST(number_of_queues_is_settled_before_the_first_io_queue),
		TEST(write_cache_is_the_backends),
		TEST(write_cache_can_be_switched_where_every_backend_can),
		TEST(write_caches_stay_as_they_were_when_one_backend_fails),
		TEST(timestamp_counts_on_from_what_the_host_set),
		TEST(host_behavior_is_kept_until_a_reset),
		TEST(retry_delay_is_told_to_a_host_that_asked_for_it),
		TEST(command_sets_have_one_combination),
		TEST(protected_namespace_is_flushed_and_refuses_writes),
		TEST(every_host_is_told_of_protection),
		TEST(namespace_whose_flush_fails_is_not_protected),
		TEST(protection_that_cannot_be_is_refused),
		TEST(keep_alive_timeout_is_set_and_rounded),
		TEST(host_identifier_is_read_with_128_bits_and_never_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
