/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/connect.c: every way in which a Connect is wrong, what its answer says, and who may have
 * what.
 */
#include "nvme_fixture.h"

#define PARAM        (0x182 | FX_DNR)
#define DATA(offset) (0x10000u | (offset))

/* A Connect to change before it is sent. */
struct attempt {
	struct nvme_queue *queue;
	struct nvme_cmd cmd;
	struct nvme_connect_data data;
};

static void attempt_init(struct attempt *a, uint16_t qid, uint16_t cntlid)
{
	a->queue = fx_queue(qid);
	a->data = fx_connect_data(cntlid);
	a->cmd = fx_connect_cmd(qid, &a->data);
}

/* Sends it and says what must come back; a refused queue stays new. */
static void attempt_refused(struct attempt *a, uint16_t status, uint32_t dw0)
{
	struct fx_run run = fx_run(a->queue, &a->cmd);

	assert_int_equal(run.next, NVME_RESPOND);
	assert_int_equal(run.status, status);
	assert_int_equal(run.dw0, dw0);
	assert_false(run.actions.disconnect);
	assert_int_equal(a->queue->state, NVME_QUEUE_NEW);
	assert_null(a->queue->ctrl);
	fx_queue_gone(a->queue);
}

static void attempt_accepted(struct attempt *a)
{
	struct fx_run run = fx_run(a->queue, &a->cmd);

	assert_int_equal(run.next, NVME_RESPOND);
	assert_int_equal(run.status, 0);
	assert_int_equal(a->queue->state, NVME_QUEUE_CONNECTED);
}

/* ---- the command and its data ---- */

static void recfmt_is_0(void **state)
{
	struct attempt a;

	(void)state;
	attempt_init(&a, 0, 0xffff);
	nvme_put16(&a.cmd.connect.recfmt, 1);
	attempt_refused(&a, 0x180 | FX_DNR, 0);
}

static void data_is_1024_bytes(void **state)
{
	struct attempt a;

	(void)state;
	attempt_init(&a, 0, 0xffff);
	fx_data(&a.cmd, &a.data, 1023);
	attempt_refused(&a, 0x0f | FX_DNR, 0);
	attempt_init(&a, 0, 0xffff);
	fx_data(&a.cmd, &a.data, 0);
	attempt_refused(&a, 0x0f | FX_DNR, 0);
}

static void data_may_come_in_the_capsule(void **state)
{
	uint8_t capsule[64 + 1024];
	struct nvme_request request;
	struct attempt a;
	struct fx_run run;

	(void)state;
	attempt_init(&a, 0, 0xffff);
	fx_plain(&a.cmd.sgl, NVME_SGL_OFFSET, 0, 1024);
	memcpy(capsule, &a.cmd, 64);
	memcpy(capsule + 64, &a.data, 1024);
	run = fx_run_request(&request, a.queue, capsule, sizeof(capsule));
	assert_int_equal(run.status, 0);
	fx_queue_gone(a.queue);

	attempt_init(&a, 0, 0xffff);
	run = fx_run_request(&request, a.queue, capsule, sizeof(capsule) - 1);
	assert_int_equal(run.status, 0x0f | FX_DNR);
	fx_queue_gone(a.queue);
}

static void subnqn_is_known(void **state)
{
	struct attempt a;

	(void)state;
	attempt_init(&a, 0, 0xffff);
	strcpy(a.data.subnqn, "nqn.2026-01.org.example:two");
	attempt_refused(&a, PARAM, DATA(256));
	attempt_init(&a, 0, 0xffff);
	a.data.subnqn[0] = 0;
	attempt_refused(&a, PARAM, DATA(256));
	attempt_init(&a, 0, 0xffff);
	memset(a.data.subnqn, 'n', sizeof(a.data.subnqn));
	attempt_refused(&a, PARAM, DATA(256));
	attempt_init(&a, 0, 0xffff);
	memset(a.data.subnqn, 'n', 255);
	attempt_refused(&a, PARAM, DATA(256));
}

static void subsystem_that_is_removed_is_unknown(void **state)
{
	struct attempt a;

	(void)state;
	nvme_subsystem_remove(fx_subsystem);
	attempt_init(&a, 0, 0xffff);
	attempt_refused(&a, PARAM, DATA(256));
}

static void hostnqn_is_well_formed(void **state)
{
	static const char *const bad[] = {
		"",
		"nqn",
		"host",
		"nqn.2014-08.",
		"nqn.2014-13.org.example:host",
		"nqn.2014-00.org.example:host",
		"nqn.2014-8.org.example:host",
		"nqn.201x-08.org.example:host",
		"NQN.2014-08.org.example:host",
		"nqn.2014-08.org.example:\nhost",
		"nqn.2014-08.org.example:\x7fhost",
	};
	struct attempt a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		attempt_init(&a, 0, 0xffff);
		memset(a.data.hostnqn, 0, sizeof(a.data.hostnqn));
		strcpy(a.data.hostnqn, bad[i]);
		attempt_refused(&a, PARAM, DATA(512));
	}
	attempt_init(&a, 0, 0xffff);
	memset(a.data.hostnqn + 40, 'x', sizeof(a.data.hostnqn) - 40);
	attempt_refused(&a, PARAM, DATA(512));
	attempt_init(&a, 0, 0xffff);
	memset(a.data.hostnqn + 40, 'x', 224 - 40);
	a.data.hostnqn[224] = 0;
	attempt_refused(&a, PARAM, DATA(512));
	attempt_init(&a, 0, 0xffff);
	memset(a.data.hostnqn + 40, 'x', 223 - 40);
	a.data.hostnqn[223] = 0;
	attempt_accepted(&a);
	assert_int_equal(strlen(nvme_queue_hostnqn(a.queue)), 223);
	fx_queue_gone(a.queue);
}

static void any_hostnqn_will_do_where_the_embedder_says_so(void **state)
{
	static const char *const odd[] = {"", "host", "NQN.2014-08.org.example:host"};
	struct attempt a;

	(void)state;
	fx_limits.any_host_name = true;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		attempt_init(&a, 0, 0xffff);
		memset(a.data.hostnqn, 0, sizeof(a.data.hostnqn));
		strcpy(a.data.hostnqn, odd[i]);
		assert_int_equal(fx_run(a.queue, &a.cmd).status, 0);
		assert_string_equal(nvme_queue_hostnqn(a.queue), odd[i]);
		fx_queue_gone(a.queue);
	}
	/* What would harm a terminal, or has no end, will not. */
	attempt_init(&a, 0, 0xffff);
	strcpy(a.data.hostnqn, "host\n");
	attempt_refused(&a, PARAM, DATA(512));
	attempt_init(&a, 0, 0xffff);
	memset(a.data.hostnqn, 'x', sizeof(a.data.hostnqn));
	attempt_refused(&a, PARAM, DATA(512));
	attempt_init(&a, 0, 0xffff);
	memset(a.data.hostnqn, 0, sizeof(a.data.hostnqn));
	memset(a.data.hostnqn, 'x', 224);
	attempt_refused(&a, PARAM, DATA(512));
	fx_limits.any_host_name = false;
}

static void host_is_on_the_list(void **state)
{
	struct attempt a;

	(void)state;
	fx_subsystem->allow_any_host = false;
	attempt_init(&a, 0, 0xffff);
	attempt_refused(&a, 0x184 | FX_DNR, DATA(512));
	assert_int_equal(nvme_subsystem_add_host(fx_subsystem, FX_HOSTNQN), 0);
	attempt_init(&a, 0, 0xffff);
	attempt_accepted(&a);
	fx_queue_gone(a.queue);
	assert_int_equal(nvme_subsystem_remove_host(fx_subsystem, FX_HOSTNQN), 0);
	attempt_init(&a, 0, 0xffff);
	attempt_refused(&a, 0x184 | FX_DNR, DATA(512));
}

static void admin_queue_asks_for_any_cntlid(void **state)
{
	static const uint16_t bad[] = {0, 1, 77, 0xffef, 0xfff0, 0xfffe};
	struct attempt a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		attempt_init(&a, 0, bad[i]);
		attempt_refused(&a, PARAM, DATA(16));
	}
}

static void admin_sqsize_is_within_limits(void **state)
{
	static const struct {
		uint16_t sqsize;
		uint32_t depth;
		bool good;
	} cases[] = {
		{0, 32, false},   {1, 32, true},  {31, 32, true},  {32, 32, false},
		{31, 31, false},  {31, 64, true}, {32, 64, false}, {0xffff, 32, false},
		{127, 32, false}, {0, 1, false},  {1, 1, false},   {0xffff, 65536, false},
	};
	struct attempt a;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		attempt_init(&a, 0, 0xffff);
		fx_queue_gone(a.queue);
		a.queue = fx_queue_of(0, cases[i].depth, 0);
		nvme_put16(&a.cmd.connect.sqsize, cases[i].sqsize);
		if (!cases[i].good) {
			attempt_refused(&a, PARAM, 44);
			continue;
		}
		attempt_accepted(&a);
		assert_int_equal(a.queue->sqsize, cases[i].sqsize);
		fx_queue_gone(a.queue);
	}
}

static void qid_is_the_queue_pairs(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct attempt a;

	(void)state;
	attempt_init(&a, 0, 0xffff);
	nvme_put16(&a.cmd.connect.qid, 1);
	attempt_refused(&a, PARAM, 42);
	attempt_init(&a, 1, nvme_queue_cntlid(admin));
	nvme_put16(&a.cmd.connect.qid, 2);
	attempt_refused(&a, PARAM, 42);
	attempt_init(&a, 1, 0xffff);
	nvme_put16(&a.cmd.connect.qid, 0);
	attempt_refused(&a, PARAM, 42);
	fx_queue_gone(admin);
}

static void ids_of_io_queues_end_at_the_limit(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct attempt a;

	(void)state;
	attempt_init(&a, 70, nvme_queue_cntlid(admin));
	attempt_accepted(&a);
	fx_queue_gone(a.queue);
	attempt_init(&a, 71, nvme_queue_cntlid(admin));
	attempt_refused(&a, PARAM, 42);
	attempt_init(&a, 0xffff, nvme_queue_cntlid(admin));
	attempt_refused(&a, PARAM, 42);
	fx_queue_gone(admin);
}

/* ---- I/O queues ---- */

static void io_sqsize_is_within_limits(void **state)
{
	static const struct {
		uint16_t sqsize;
		uint32_t depth;
		bool good;
	} cases[] = {
		{0, 128, false}, {1, 128, true}, {127, 128, true},     {128, 1024, false},
		{63, 63, false}, {63, 64, true}, {0xffff, 128, false},
	};
	struct nvme_queue *admin = fx_ready();
	struct attempt a;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		attempt_init(&a, 1, nvme_queue_cntlid(admin));
		fx_queue_gone(a.queue);
		a.queue = fx_queue_of(1, cases[i].depth, 0);
		nvme_put16(&a.cmd.connect.sqsize, cases[i].sqsize);
		if (!cases[i].good) {
			attempt_refused(&a, PARAM, 44);
			continue;
		}
		attempt_accepted(&a);
		fx_queue_gone(a.queue);
	}
	fx_queue_gone(admin);
}

static void io_queue_needs_its_own_controller(void **state)
{
	static const uint16_t bad[] = {0, 77, 0xffff, 0xfffe};
	struct nvme_queue *admin = fx_ready();
	struct attempt a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		attempt_init(&a, 1, bad[i]);
		attempt_refused(&a, PARAM, DATA(16));
	}
	fx_queue_gone(admin);
}

static void io_queue_of_another_host_is_refused(void **state)
{
	struct nvme_queue *admin = fx_ready();
	uint16_t cntlid = nvme_queue_cntlid(admin);
	struct attempt a;

	(void)state;
	attempt_init(&a, 1, cntlid);
	strcpy(a.data.hostnqn, "nqn.2014-08.org.example:other");
	attempt_refused(&a, PARAM, DATA(16));
	attempt_init(&a, 1, cntlid);
	a.data.hostid[15] ^= 1;
	attempt_refused(&a, PARAM, DATA(16));
	fx_add_subsystem("nqn.2026-01.org.example:two", true);
	attempt_init(&a, 1, cntlid);
	strcpy(a.data.subnqn, "nqn.2026-01.org.example:two");
	attempt_refused(&a, PARAM, DATA(16));
	attempt_init(&a, 1, cntlid);
	a.queue->conn.portal = 2;
	attempt_refused(&a, PARAM, DATA(16));
	attempt_init(&a, 1, cntlid);
	attempt_accepted(&a);
	fx_queue_gone(a.queue);
	fx_queue_gone(admin);
}

static void io_queue_of_an_ended_controller_is_refused(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	uint16_t cntlid = nvme_queue_cntlid(admin);
	struct attempt a;

	(void)state;
	fx_queue_gone(admin);
	assert_true(nvme_queue_must_end(io));
	attempt_init(&a, 2, cntlid);
	attempt_refused(&a, PARAM, DATA(16));
	fx_queue_gone(io);
}

static void io_queue_needs_an_enabled_controller(void **state)
{
	static const struct {
		uint32_t cc;
		bool good;
	} cases[] = {
		{0x00460000, false},                      /* EN 0 */
		{0x00460001, true},  {0x00464001, false}, /* shut down, normal */
		{0x00468001, false},                      /* shut down, abrupt */
		{0x00460081, false},                      /* MPS 1: CFS */
		{0x00060001, false},                      /* IOCQES not set yet */
		{0x00400001, false},                      /* IOSQES not set yet */
	};
	struct attempt a;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nvme_queue *admin = fx_admin();

		fx_write_cc(admin, cases[i].cc);
		attempt_init(&a, 1, nvme_queue_cntlid(admin));
		if (cases[i].good) {
			attempt_accepted(&a);
			fx_queue_gone(a.queue);
		} else {
			attempt_refused(&a, PARAM, 42);
		}
		fx_queue_gone(admin);
	}
}

static void discovery_controller_has_no_io_queues(void **state)
{
	struct nvme_queue *admin = fx_ready_discovery();
	struct attempt a;

	(void)state;
	attempt_init(&a, 1, nvme_queue_cntlid(admin));
	strcpy(a.data.subnqn, NVME_DISCOVERY_NQN);
	attempt_refused(&a, PARAM, 42);
	fx_queue_gone(admin);
}

static void queue_id_is_free_at_once_after_its_queue_ended(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *first = fx_io_queue(admin, 3);
	struct nvme_actions actions = {0};
	struct nvme_queue *second;

	(void)state;
	nvme_queue_end(first, &actions);
	second = fx_io_queue(admin, 3);
	nvme_queue_end(first, &actions); /* a second time: must not free the id of the other */
	{
		struct attempt a;
		struct fx_run run;

		attempt_init(&a, 3, nvme_queue_cntlid(admin));
		run = fx_run(a.queue, &a.cmd);
		assert_int_equal(run.next, NVME_RETRY);
		fx_queue_gone(a.queue);
	}
	assert_false(actions.attention);
	fx_queue_gone(first);
	fx_queue_gone(second);
	fx_queue_gone(admin);
}

/* Calls again for what said NVME_RETRY. */
static enum nvme_next again(struct nvme_request *request)
{
	struct nvme_actions actions = {0};
	struct iovec iov;
	struct nvme_connect_data data;
	enum nvme_next next;

	fx_move(request, (uint8_t *)&data, false);
	iov = (struct iovec){&data, sizeof(data)};
	request->iov = &iov;
	request->iov_count = 1;
	next = nvme_request_execute_registry(request, fx_now, &actions);
	request->iov = NULL;
	return next;
}

static void duplicate_queue_id_waits_one_second_and_is_refused(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *first = fx_io_queue(admin, 1);
	struct nvme_request request;
	struct attempt a;
	struct fx_run run;

	(void)state;
	attempt_init(&a, 1, nvme_queue_cntlid(admin));
	run = fx_run_request(&request, a.queue, (const uint8_t *)&a.cmd, 64);
	assert_int_equal(run.next, NVME_RETRY);
	fx_now += FX_SECOND - 1;
	assert_int_equal(again(&request), NVME_RETRY);
	fx_now += 1;
	assert_int_equal(again(&request), NVME_RESPOND);
	fx_result(&run, &request);
	assert_int_equal(run.status, 0x0c | FX_DNR);
	assert_int_equal(a.queue->state, NVME_QUEUE_NEW);
	fx_queue_gone(a.queue);
	fx_queue_gone(first);
	fx_queue_gone(admin);
}

static void a_connect_to_a_paused_subsystem_waits_and_is_told_to_come_again(void **state)
{
	struct nvme_queue *admin = fx_ready();

	(void)state;
	fx_subsystem->pause.on = true;
	for (uint16_t qid = 0; qid < 2; qid++) {
		struct nvme_request request;
		struct attempt a;
		struct fx_run run;

		attempt_init(&a, qid, qid ? nvme_queue_cntlid(admin) : 0xffff);
		run = fx_run_request(&request, a.queue, (const uint8_t *)&a.cmd, 64);
		assert_int_equal(run.next, NVME_RETRY);
		fx_now += 5 * FX_SECOND - 1;
		assert_int_equal(again(&request), NVME_RETRY);
		fx_now += 1;
		assert_int_equal(again(&request), NVME_RESPOND);
		fx_result(&run, &request);
		assert_int_equal(run.status, 0x181);
		assert_int_equal(a.queue->state, NVME_QUEUE_NEW);
		fx_queue_gone(a.queue);
	}
	assert_int_equal(nvme_registry_ctrl_count(fx_registry), 1);
	fx_subsystem->pause.on = false;
	fx_queue_gone(admin);
}

static void a_connect_goes_on_when_its_subsystem_does(void **state)
{
	struct nvme_request request;
	struct attempt a;
	struct fx_run run;

	(void)state;
	fx_subsystem->pause.on = true;
	attempt_init(&a, 0, 0xffff);
	run = fx_run_request(&request, a.queue, (const uint8_t *)&a.cmd, 64);
	assert_int_equal(run.next, NVME_RETRY);
	fx_subsystem->pause.on = false;
	assert_int_equal(again(&request), NVME_RESPOND);
	fx_result(&run, &request);
	assert_int_equal(run.status, 0);
	assert_int_equal(a.queue->state, NVME_QUEUE_CONNECTED);
	fx_queue_gone(a.queue);
}

static void duplicate_queue_id_that_ends_in_time_is_taken(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *first = fx_io_queue(admin, 64);
	struct nvme_request request;
	struct attempt a;
	struct fx_run run;

	(void)state;
	attempt_init(&a, 64, nvme_queue_cntlid(admin));
	run = fx_run_request(&request, a.queue, (const uint8_t *)&a.cmd, 64);
	assert_int_equal(run.next, NVME_RETRY);
	fx_queue_gone(first);
	fx_now += FX_SECOND / 2;
	assert_int_equal(again(&request), NVME_RESPOND);
	fx_result(&run, &request);
	assert_int_equal(run.status, 0);
	assert_int_equal(run.dw0, nvme_queue_cntlid(admin));
	fx_queue_gone(a.queue);
	fx_queue_gone(admin);
}

static void duplicate_queue_id_gives_up_when_the_controller_ends(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *first = fx_io_queue(admin, 1);
	struct nvme_request request;
	struct attempt a;
	struct fx_run run;

	(void)state;
	attempt_init(&a, 1, nvme_queue_cntlid(admin));
	run = fx_run_request(&request, a.queue, (const uint8_t *)&a.cmd, 64);
	assert_int_equal(run.next, NVME_RETRY);
	fx_queue_gone(admin);
	assert_int_equal(again(&request), NVME_RESPOND);
	fx_result(&run, &request);
	assert_int_equal(run.status, PARAM);
	assert_int_equal(run.dw0, DATA(16));
	fx_queue_gone(a.queue);
	fx_queue_gone(first);
}

/* ---- controllers ---- */

static void admin_connect_always_makes_a_new_controller(void **state)
{
	struct nvme_queue *one = fx_admin();
	struct nvme_queue *two = fx_admin();

	(void)state;
	assert_int_equal(nvme_queue_cntlid(one), 1);
	assert_int_equal(nvme_queue_cntlid(two), 2);
	assert_int_equal(nvme_registry_ctrl_count(fx_registry), 2);
	assert_string_equal(nvme_queue_subnqn(one), FX_SUBNQN);
	assert_string_equal(nvme_queue_hostnqn(one), FX_HOSTNQN);
	fx_queue_gone(one);
	fx_queue_gone(two);
}

static void controller_ids_are_used_again_as_late_as_possible(void **state)
{
	struct nvme_queue *kept;

	(void)state;
	fx_subsystem->cntlid_min = fx_subsystem->cntlid_next = 10;
	fx_subsystem->cntlid_max = 13;
	kept = fx_admin();
	assert_int_equal(nvme_queue_cntlid(kept), 10);
	for (unsigned i = 0; i < 9; i++) {
		struct nvme_queue *queue = fx_admin();

		assert_int_equal(nvme_queue_cntlid(queue), 11 + i % 3);
		fx_queue_gone(queue);
	}
	fx_queue_gone(kept);
}

static void no_controller_id_left_is_busy_and_may_be_retried(void **state)
{
	struct nvme_queue *one, *two;
	struct attempt a;

	(void)state;
	fx_subsystem->cntlid_min = fx_subsystem->cntlid_next = 0xffee;
	fx_subsystem->cntlid_max = 0xffef;
	one = fx_admin();
	two = fx_admin();
	assert_int_equal(nvme_queue_cntlid(two), 0xffef);
	attempt_init(&a, 0, 0xffff);
	attempt_refused(&a, 0x181, 0);
	fx_queue_gone(two);
	attempt_init(&a, 0, 0xffff);
	attempt_accepted(&a);
	assert_int_equal(nvme_queue_cntlid(a.queue), 0xffef);
	fx_queue_gone(a.queue);
	fx_queue_gone(one);
}

/* ---- flow control ---- */

static void sqhd_counts_commands_modulo_the_queue_size(void **state)
{
	struct nvme_queue *queue = fx_queue(0);
	struct nvme_connect_data data = fx_connect_data(0xffff);
	struct nvme_cmd cmd = fx_connect_cmd(0, &data);
	struct nvme_request request;

	(void)state;
	nvme_put16(&cmd.connect.sqsize, 3);
	fx_run_request(&request, queue, (const uint8_t *)&cmd, 64);
	assert_int_equal(nvme_get16(request.cqe.sqhd), 1);
	cmd = fx_cmd(0x55, 0);
	for (unsigned i = 2; i < 20; i++) {
		fx_run_request(&request, queue, (const uint8_t *)&cmd, 64);
		assert_int_equal(nvme_get16(request.cqe.sqhd), i % 4);
	}
	fx_queue_gone(queue);
}

static void sqhd_is_ffff_in_a_connect_that_disables_flow_control(void **state)
{
	struct nvme_queue *queue = fx_queue(0);
	struct nvme_connect_data data = fx_connect_data(0xffff);
	struct nvme_cmd cmd = fx_connect_cmd(0, &data);
	struct nvme_request request;

	(void)state;
	cmd.connect.cattr = NVME_CATTR_NO_SQ_FLOW;
	fx_run_request(&request, queue, (const uint8_t *)&cmd, 64);
	assert_true(queue->sqflow_off);
	assert_int_equal(nvme_get16(request.cqe.sqhd), 0xffff);
	cmd = fx_cmd(0x55, 0);
	fx_run_request(&request, queue, (const uint8_t *)&cmd, 64);
	assert_int_equal(nvme_get16(request.cqe.sqhd), 0);
	fx_queue_gone(queue);
}

/* ---- order ---- */

static void second_connect_on_a_queue_is_a_sequence_error(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	struct nvme_connect_data data = fx_connect_data(0xffff);
	struct nvme_cmd cmd = fx_connect_cmd(0, &data);

	(void)state;
	assert_int_equal(fx_run(admin, &cmd).status, 0x0c | FX_DNR);
	assert_int_equal(fx_run(io, &cmd).status, 0x0c | FX_DNR);
	assert_int_equal(nvme_registry_ctrl_count(fx_registry), 1);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void connect_succeeds_after_a_refused_one(void **state)
{
	struct attempt a;

	(void)state;
	attempt_init(&a, 0, 77);
	assert_int_equal(fx_run(a.queue, &a.cmd).status, PARAM);
	nvme_put16(&a.data.cntlid, 0xffff);
	attempt_accepted(&a);
	fx_queue_gone(a.queue);
}

static void names_are_empty_before_connect(void **state)
{
	struct nvme_queue *queue = fx_queue(0);

	(void)state;
	assert_string_equal(nvme_queue_hostnqn(queue), "");
	assert_string_equal(nvme_queue_subnqn(queue), "");
	assert_int_equal(nvme_queue_cntlid(queue), 0);
	assert_false(nvme_queue_must_end(queue));
	fx_queue_gone(queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(recfmt_is_0),
		TEST(data_is_1024_bytes),
		TEST(data_may_come_in_the_capsule),
		TEST(subnqn_is_known),
		TEST(subsystem_that_is_removed_is_unknown),
		TEST(hostnqn_is_well_formed),
		TEST(any_hostnqn_will_do_where_the_embedder_says_so),
		TEST(host_is_on_the_list),
		TEST(admin_queue_asks_for_any_cntlid),
		TEST(admin_sqsize_is_within_limits),
		TEST(qid_is_the_queue_pairs),
		TEST(ids_of_io_queues_end_at_the_limit),
		TEST(io_sqsize_is_within_limits),
		TEST(io_queue_needs_its_own_controller),
		TEST(io_queue_of_another_host_is_refused),
		TEST(io_queue_of_an_ended_controller_is_refused),
		TEST(io_queue_needs_an_enabled_controller),
		TEST(discovery_controller_has_no_io_queues),
		TEST(queue_id_is_free_at_once_after_its_queue_ended),
		TEST(duplicate_queue_id_waits_one_second_and_is_refused),
		TEST(a_connect_to_a_paused_subsystem_waits_and_is_told_to_come_again),
		TEST(a_connect_goes_on_when_its_subsystem_does),
		TEST(duplicate_queue_id_that_ends_in_time_is_taken),
		TEST(duplicate_queue_id_gives_up_when_the_controller_ends),
		TEST(admin_connect_always_makes_a_new_controller),
		TEST(controller_ids_are_used_again_as_late_as_possible),
		TEST(no_controller_id_left_is_busy_and_may_be_retried),
		TEST(sqhd_counts_commands_modulo_the_queue_size),
		TEST(sqhd_is_ffff_in_a_connect_that_disables_flow_control),
		TEST(second_connect_on_a_queue_is_a_sequence_error),
		TEST(connect_succeeds_after_a_refused_one),
		TEST(names_are_empty_before_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
