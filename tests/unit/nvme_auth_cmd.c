/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/auth_cmd.c: authentication as commands on queues: what a queue takes before and after,
 * what ends it, what the embedder is asked, and when time is up.
 */
#include <errno.h>

#include "nvme_fixture.h"

#include "auth_host.h"

#define AUTH_SUBNQN "nqn.2026-01.org.example:secret"
#define OPCODE      (0x01 | FX_DNR)
#define FIELD       (0x02 | FX_DNR)
#define SEQUENCE    (0x0c | FX_DNR)
#define REQUIRED    (0x191 | FX_DNR)

static struct dhchap host;
static struct wrasse_auth_keys known; /* what get_key gives */
static int known_result;
static unsigned asked;
static uint8_t page[4096];

static int get_key(void *ctx, const char *hostnqn, const char *subnqn,
		   struct wrasse_auth_keys *keys)
{
	static const struct wrasse_auth_keys none;

	assert_ptr_equal(ctx, &known);
	assert_string_equal(hostnqn, FX_HOSTNQN);
	assert_string_equal(subnqn, AUTH_SUBNQN);
	assert_memory_equal(keys, &none, sizeof(none));
	asked++;
	*keys = known;
	return known_result;
}

static int create(const struct wrasse_auth_opts *auth, const char **why)
{
	struct wrasse_subsystem *subsystem;
	struct wrasse_subsystem_opts opts;

	wrasse_subsystem_opts_init(&opts);
	opts.nqn = AUTH_SUBNQN;
	opts.allow_any_host = true;
	opts.auth = auth;
	return nvme_subsystem_create(fx_registry, &opts, &subsystem, why);
}

static struct wrasse_auth_opts good_opts(void)
{
	struct wrasse_auth_opts opts;

	wrasse_auth_opts_init(&opts);
	opts.groups = WRASSE_AUTH_DH_NULL | WRASSE_AUTH_FFDHE2048;
	opts.get_key = get_key;
	opts.ctx = &known;
	return opts;
}

static int setup(void **state)
{
	struct wrasse_auth_opts opts = good_opts();
	const char *why;

	fx_setup(state);
	fx_turns_wait = false;
	host = (struct dhchap){.hostnqn = FX_HOSTNQN,
			       .subnqn = AUTH_SUBNQN,
			       .secret = DHCHAP_SECRET_01,
			       .hashes = 7,
			       .groups = 1};
	memset(&known, 0, sizeof(known));
	strcpy(known.host, DHCHAP_SECRET_01);
	known_result = 0;
	asked = 0;
	return create(&opts, &why);
}

/* ---- commands ---- */

static struct nvme_cmd auth_cmd(uint8_t fctype, void *data, uint32_t len)
{
	struct nvme_cmd cmd = fx_fabrics(fctype);

	cmd.auth.spsp0 = 1;
	cmd.auth.spsp1 = 1;
	cmd.auth.secp = 0xe9;
	nvme_put32(&cmd.auth.len, len);
	fx_data(&cmd, data, len);
	return cmd;
}

static struct fx_run auth_send(struct nvme_queue *queue, uint8_t *msg, size_t len)
{
	struct nvme_cmd cmd = auth_cmd(0x05, msg, (uint32_t)len);

	return fx_run(queue, &cmd);
}

static struct fx_run auth_receive(struct nvme_queue *queue, uint8_t *msg, size_t len)
{
	struct nvme_cmd cmd = auth_cmd(0x06, msg, (uint32_t)len);

	return fx_run(queue, &cmd);
}

static struct nvme_queue *connect_queue(uint16_t qid, uint16_t cntlid, uint32_t kato_ms)
{
	struct nvme_connect_data data = fx_connect_data(cntlid);
	struct nvme_cmd cmd = fx_connect_cmd(qid, &data);
	struct nvme_queue *queue = fx_queue(qid);
	struct fx_run run;

	strcpy(data.subnqn, AUTH_SUBNQN);
	nvme_put32(&cmd.connect.kato_ms, kato_ms);
	run = fx_run(queue, &cmd);
	assert_int_equal(run.status, 0);
	assert_int_equal(run.dw0, nvme_queue_cntlid(queue) | 0x20000);
	assert_true(run.actions.timer);
	return queue;
}

static void send_ok(struct nvme_queue *queue, uint8_t *msg, size_t len)
{
	struct fx_run run = auth_send(queue, msg, len);

	assert_int_equal(run.next, NVME_RESPOND);
	assert_int_equal(run.status, 0);
	assert_false(run.actions.disconnect);
}

/* Up to the Reply, which is left in msg. Return: its length. */
static size_t begin(struct nvme_queue *queue, uint8_t *msg)
{
	struct fx_run run;

	host.tid++;
	send_ok(queue, msg, dhchap_negotiate(&host, msg));
	run = auth_receive(queue, page, sizeof(page));
	assert_int_equal(run.status, 0);
	return ah_reply(&host, page, 16 + page[6] + ah_get(page + 10, 2), msg);
}

static struct fx_run authenticate(struct nvme_queue *queue)
{
	static const uint8_t zero[sizeof(page)];
	uint8_t msg[2048];
	struct fx_run run;

	send_ok(queue, msg, begin(queue, msg));
	run = auth_receive(queue, page, sizeof(page));
	assert_int_equal(run.status, 0);
	assert_int_equal(run.dw0, 0);
	ah_check_success1(&host, page, 16 + host.hash_len);
	assert_memory_equal(page + 16 + host.hash_len, zero, sizeof(page) - 16 - host.hash_len);
	if (host.ctrl_secret)
		run = auth_send(queue, msg, dhchap_success2(&host, msg));
	assert_int_equal(run.status, 0);
	assert_false(run.actions.disconnect);
	assert_non_null(run.actions.news);
	assert_false(run.actions.bad_news);
	return run;
}

/* A transaction in which the host's secret is wrong: Failure1, and what that does. */
static struct fx_run fail_with(struct nvme_queue *queue)
{
	uint8_t msg[2048];
	struct fx_run run;

	host.secret = DHCHAP_SECRET_00;
	send_ok(queue, msg, begin(queue, msg));
	run = auth_receive(queue, page, 8);
	assert_int_equal(run.status, 0);
	assert_int_equal(page[1], 0xf1);
	assert_int_equal(page[7], 1);
	assert_true(run.actions.disconnect);
	assert_string_equal(run.actions.news, "the host's response is wrong");
	assert_true(run.actions.bad_news);
	return run;
}

static struct nvme_queue *admin_queue(void)
{
	return connect_queue(0, 0xffff, 0);
}

static struct nvme_queue *ready_queue(void)
{
	struct nvme_queue *queue = admin_queue();

	authenticate(queue);
	fx_write_cc(queue, FX_CC_ENABLE);
	return queue;
}

/* ---- before and after ---- */

static void assert_only_authentication(struct nvme_queue *queue)
{
	for (unsigned i = 0; i < 512; i++) {
		struct nvme_cmd cmd = i < 256 ? fx_cmd((uint8_t)i, 1) : fx_fabrics((uint8_t)i);
		uint16_t expected = REQUIRED;

		fx_data(&cmd, page, sizeof(page));
		if (i == NVME_OPC_FABRICS)
			continue;
		if (i == 256 + NVME_FCTYPE_CONNECT)
			expected = SEQUENCE;
		if (i == 256 + 0x05 || i == 256 + 0x06)
			expected = FIELD; /* no security protocol */
		if (fx_run(queue, &cmd).status != expected)
			fail_msg("command %#x is not refused", i);
	}
}

static void nothing_but_authentication_is_taken_before_it(void **state)
{
	struct nvme_queue *admin = admin_queue();
	uint8_t msg[2048];
	size_t len;

	(void)state;
	assert_only_authentication(admin);
	len = begin(admin, msg);
	assert_only_authentication(admin);
	send_ok(admin, msg, len);
	assert_only_authentication(admin);
	assert_false(admin->ctrl->proven);
	assert_int_equal(auth_receive(admin, page, sizeof(page)).status, 0);
	assert_true(admin->ctrl->proven);
	assert_int_equal(fx_csts(admin), 0);
	fx_queue_gone(admin);
}

static void mutual_authentication_is_complete_with_success2(void **state)
{
	struct nvme_queue *admin = admin_queue();
	uint8_t msg[2048];
	struct fx_run run;

	(void)state;
	strcpy(known.controller, DHCHAP_SECRET_03);
	host.ctrl_secret = DHCHAP_SECRET_03;
	send_ok(admin, msg, begin(admin, msg));
	run = auth_receive(admin, page, sizeof(page));
	assert_null(run.actions.news);
	assert_only_authentication(admin);
	run = auth_send(admin, msg, dhchap_success2(&host, msg));
	assert_string_equal(run.actions.news, "host and controller have authenticated themselves");
	assert_int_equal(fx_csts(admin), 0);
	assert_int_equal(asked, 1);
	fx_queue_gone(admin);
}

static void every_io_queue_authenticates_its_host_as_well(void **state)
{
	struct nvme_queue *admin = ready_queue();

	(void)state;
	for (uint16_t qid = 1; qid < 4; qid++) {
		struct nvme_queue *io = connect_queue(qid, nvme_queue_cntlid(admin), 0);
		struct nvme_cmd flush = fx_cmd(NVME_OPC_FLUSH, 1);

		assert_only_authentication(io);
		authenticate(io);
		assert_int_equal(fx_run(io, &flush).status, 0x0b | FX_DNR); /* no namespace 1 */
		assert_int_equal(asked, qid + 1);
		fx_queue_gone(io);
	}
	fx_queue_gone(admin);
}

static void io_queue_needs_a_controller_whose_host_authenticated_itself(void **state)
{
	struct nvme_connect_data data;
	struct nvme_queue *admin = admin_queue(), *io = fx_queue(1);
	struct nvme_cmd cmd;

	(void)state;
	data = fx_connect_data(nvme_queue_cntlid(admin));
	strcpy(data.subnqn, AUTH_SUBNQN);
	cmd = fx_connect_cmd(1, &data);
	assert_int_equal(fx_property_set(admin, NVME_PROP_CC, 0, FX_CC_ENABLE).status, REQUIRED);
	assert_int_equal(fx_run(io, &cmd).status, 0x182 | FX_DNR);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void queue_that_authenticated_its_host_can_do_so_again(void **state)
{
	struct nvme_queue *admin = ready_queue();
	struct nvme_queue *io = connect_queue(1, nvme_queue_cntlid(admin), 0);
	uint8_t msg[2048];

	(void)state;
	authenticate(io);
	for (unsigned i = 0; i < 3; i++) {
		/* Other commands go on meanwhile. */
		send_ok(admin, msg, begin(admin, msg));
		assert_int_equal(fx_csts(admin), 1);
		assert_int_equal(auth_receive(admin, page, sizeof(page)).status, 0);
		authenticate(io);
	}
	assert_int_equal(asked, 8);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

/* ---- failure ---- */

static void host_that_fails_loses_its_queue(void **state)
{
	struct nvme_queue *admin = admin_queue();
	struct fx_run run = fail_with(admin);

	(void)state;
	assert_false(run.actions.attention);
	assert_false(nvme_queue_must_end(admin));
	assert_int_equal(auth_receive(admin, page, 8).status, SEQUENCE);
	assert_only_authentication(admin);
	fx_queue_gone(admin);
}

static void stranger_on_an_io_queue_does_not_end_the_controller(void **state)
{
	struct nvme_queue *admin = ready_queue();
	struct nvme_queue *io = connect_queue(1, nvme_queue_cntlid(admin), 0);
	struct fx_run run = fail_with(io);

	(void)state;
	assert_false(run.actions.attention);
	assert_false(nvme_queue_must_end(admin));
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void host_that_fails_again_loses_its_controller(void **state)
{
	(void)state;
	for (unsigned on_io = 0; on_io < 2; on_io++) {
		struct nvme_queue *admin = ready_queue();
		struct nvme_queue *io = connect_queue(1, nvme_queue_cntlid(admin), 0);
		struct fx_run run;

		authenticate(io);
		run = fail_with(on_io ? io : admin);
		assert_true(run.actions.attention);
		assert_true(nvme_queue_must_end(admin));
		assert_true(nvme_queue_must_end(io));
		fx_queue_gone(io);
		fx_queue_gone(admin);
		host.secret = DHCHAP_SECRET_01;
	}
}

static void host_that_refuses_the_controller_is_let_go(void **state)
{
	struct nvme_queue *admin = admin_queue();
	uint8_t msg[2048];
	struct fx_run run;

	(void)state;
	begin(admin, msg);
	run = auth_send(admin, msg, dhchap_failure2(&host, msg));
	assert_int_equal(run.status, 0);
	assert_true(run.actions.disconnect);
	assert_true(run.actions.bad_news);
	fx_queue_gone(admin);
}

/* ---- the embedder ---- */

static void secret_that_changes_counts_from_the_next_time_on(void **state)
{
	struct nvme_queue *admin = admin_queue();

	(void)state;
	authenticate(admin);
	strcpy(known.host, DHCHAP_SECRET_02);
	host.secret = DHCHAP_SECRET_02;
	authenticate(admin);
	host.secret = DHCHAP_SECRET_01;
	strcpy(known.host, DHCHAP_SECRET_01);
	authenticate(admin);
	assert_int_equal(asked, 3);
	fx_queue_gone(admin);
}

static void host_that_the_embedder_does_not_know_is_refused(void **state)
{
	struct nvme_queue *admin = admin_queue();
	uint8_t msg[2048];
	struct fx_run run;

	(void)state;
	known_result = -2;
	send_ok(admin, msg, begin(admin, msg));
	run = auth_receive(admin, page, 8);
	assert_int_equal(page[1], 0xf1);
	assert_int_equal(page[7], 1);
	assert_string_equal(run.actions.news, "there is no secret");
	assert_true(run.actions.disconnect);
	fx_queue_gone(admin);
}

static void secret_without_an_end_is_read_no_further_than_its_field(void **state)
{
	struct nvme_queue *admin = admin_queue();
	uint8_t msg[2048];
	struct fx_run run;

	(void)state;
	memset(known.host, 'A', sizeof(known.host));
	memset(known.controller, 'A', sizeof(known.controller));
	send_ok(admin, msg, begin(admin, msg));
	run = auth_receive(admin, page, 8);
	assert_string_equal(run.actions.news, "the secret is malformed");
	fx_queue_gone(admin);
}

static void embedder_is_asked_for_a_reply_in_order_only(void **state)
{
	struct nvme_queue *admin = admin_queue();
	uint8_t msg[2048];
	size_t len;

	(void)state;
	len = begin(admin, msg);
	assert_int_equal(asked, 0);
	send_ok(admin, msg, 15);
	send_ok(admin, msg, len);
	assert_int_equal(asked, 0);
	fx_queue_gone(admin);
}

static void options_that_are_wrong_are_told(void **state)
{
	struct wrasse_auth_opts opts = good_opts();
	const char *why = NULL;

	(void)state;
	opts.hashes = 8;
	assert_int_equal(create(&opts, &why), -EINVAL);
	assert_non_null(strstr(why, "hashes"));
	opts = good_opts();
	opts.groups = 1u << 6;
	assert_int_equal(create(&opts, &why), -EINVAL);
	assert_non_null(strstr(why, "groups"));
	opts = good_opts();
	opts.get_key = NULL;
	assert_int_equal(create(&opts, &why), -EINVAL);
	assert_non_null(strstr(why, "get_key"));
	opts = good_opts();
	opts.hashes = 7;
	opts.groups = 0x3f;
	assert_int_equal(create(&opts, &why), -EEXIST);
}

static void masks_come_from_the_options(void **state)
{
	struct nvme_queue *admin = admin_queue();
	uint8_t msg[2048];

	(void)state;
	host.groups = DHCHAP_ALL & ~1u;
	begin(admin, msg);
	assert_int_equal(host.group, 1);
	fx_queue_gone(admin);
}

static void subsystem_without_secrets_knows_no_authentication(void **state)
{
	struct nvme_queue *admin = fx_ready();
	struct nvme_queue *io = fx_io_queue(admin, 1);
	struct nvme_queue *discovery = fx_ready_discovery();
	uint8_t msg[2048];
	size_t len = dhchap_negotiate(&host, msg);

	(void)state;
	assert_int_equal(auth_send(admin, msg, len).status, OPCODE);
	assert_int_equal(auth_receive(admin, msg, len).status, OPCODE);
	assert_int_equal(auth_send(io, msg, len).status, OPCODE);
	assert_int_equal(auth_receive(io, msg, len).status, OPCODE);
	assert_int_equal(auth_send(discovery, msg, len).status, OPCODE);
	assert_int_equal(auth_receive(discovery, msg, len).status, OPCODE);
	fx_queue_gone(discovery);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

/* ---- fields ---- */

static void security_protocol_is_e9h_with_0101h(void **state)
{
	struct nvme_queue *admin = admin_queue();
	uint8_t msg[2048];
	size_t len = dhchap_negotiate(&host, msg);

	(void)state;
	for (unsigned field = 0; field < 6; field++) {
		for (unsigned value = 0; value < 256; value++) {
			struct nvme_cmd cmd = auth_cmd(field & 1 ? 0x05 : 0x06, msg, (uint32_t)len);
			uint8_t *bytes[] = {&cmd.auth.spsp0, &cmd.auth.spsp1, &cmd.auth.secp};

			if (*bytes[field / 2] == value)
				continue;
			*bytes[field / 2] = (uint8_t)value;
			assert_int_equal(fx_run(admin, &cmd).status, FIELD);
		}
	}
	authenticate(admin);
	fx_queue_gone(admin);
}

static void lengths_have_limits(void **state)
{
	struct nvme_queue *admin = admin_queue();
	uint8_t msg[8192] = {0};
	size_t len = dhchap_negotiate(&host, msg);
	struct nvme_cmd cmd;

	(void)state;
	assert_int_equal(auth_send(admin, msg, 0).status, FIELD);
	assert_int_equal(auth_send(admin, msg, 4097).status, FIELD);
	cmd = auth_cmd(0x05, msg, (uint32_t)len);
	fx_data(&cmd, msg, (uint32_t)len - 1);
	assert_int_equal(fx_run(admin, &cmd).status, 0x0f | FX_DNR);
	send_ok(admin, msg, 4096);
	/* One that does not hold the Challenge changes nothing. */
	for (uint32_t al = 0; al < 16 + 64; al++)
		assert_int_equal(auth_receive(admin, page, al).status, FIELD);
	cmd = auth_cmd(0x06, page, 2 << 20);
	assert_int_equal(fx_run(admin, &cmd).status, FIELD);
	assert_int_equal(auth_receive(admin, page, 16 + 64).status, 0);
	assert_int_equal(page[1], 1);
	fx_queue_gone(admin);
}

static void message_may_come_in_the_capsule(void **state)
{
	struct nvme_queue *admin = admin_queue();
	uint8_t capsule[64 + 72];
	struct nvme_request request;
	struct nvme_cmd cmd = auth_cmd(0x05, NULL, 72);

	(void)state;
	fx_plain(&cmd.sgl, NVME_SGL_OFFSET, 0, 72);
	memcpy(capsule, &cmd, 64);
	dhchap_negotiate(&host, capsule + 64);
	assert_int_equal(fx_run_request(&request, admin, capsule, sizeof(capsule)).status, 0);
	assert_int_equal(auth_receive(admin, page, sizeof(page)).status, 0);
	assert_int_equal(page[1], 1);
	fx_queue_gone(admin);
}

/* ---- turns ---- */

static void others_are_out_of_order_while_one_waits_for_its_turn(void **state)
{
	struct nvme_queue *admin = admin_queue();
	uint8_t msg[2048], more[72];
	struct nvme_request request;
	struct nvme_actions actions = {0};
	struct nvme_cmd cmd;
	struct iovec iov;
	struct fx_run run;
	size_t len = begin(admin, msg);

	(void)state;
	fx_turns_wait = true;
	cmd = auth_cmd(0x05, msg, (uint32_t)len);
	run = fx_run_request(&request, admin, (const uint8_t *)&cmd, sizeof(cmd));
	assert_int_equal(run.next, NVME_AUTH);
	assert_int_equal(asked, 0);
	assert_int_equal(auth_send(admin, more, dhchap_negotiate(&host, more)).status, SEQUENCE);
	assert_int_equal(auth_receive(admin, page, sizeof(page)).status, SEQUENCE);
	iov = (struct iovec){msg, len};
	request.iov = &iov;
	request.iov_count = 1;
	assert_int_equal(nvme_request_execute_auth(&request, fx_now, &actions), NVME_RESPOND);
	assert_int_equal(asked, 1);
	fx_turns_wait = false;
	assert_int_equal(auth_receive(admin, page, sizeof(page)).status, 0);
	ah_check_success1(&host, page, 16 + host.hash_len);
	fx_queue_gone(admin);
}

static void turn_on_a_queue_that_has_ended_does_nothing(void **state)
{
	struct nvme_queue *admin = admin_queue();
	struct nvme_actions actions = {0};
	struct nvme_request request;
	uint8_t msg[2048];
	size_t len = begin(admin, msg);
	struct nvme_cmd cmd = auth_cmd(0x05, msg, (uint32_t)len);

	(void)state;
	fx_turns_wait = true;
	assert_int_equal(fx_run_request(&request, admin, (const uint8_t *)&cmd, sizeof(cmd)).next,
			 NVME_AUTH);
	nvme_queue_end(admin, &actions);
	assert_int_equal(nvme_request_execute_auth(&request, fx_now, &actions), NVME_RESPOND);
	assert_int_equal(nvme_request_status(&request).sc, 0x08);
	assert_int_equal(asked, 0);
	nvme_queue_fini(admin);
	free(admin);
}

/* ---- time ---- */

/* Up to its end nothing happens, then the queue is ended. */
static struct nvme_actions expect_deadline(struct nvme_queue *queue, uint64_t ms)
{
	struct nvme_actions actions = {0};
	uint64_t end = fx_now + ms * 1000000;

	nvme_auth_tick(queue, end - 1, &actions);
	assert_false(actions.disconnect);
	assert_int_equal(nvme_auth_tick(queue, end - 1, &actions), end);
	assert_int_equal(nvme_auth_tick(queue, end, &actions), UINT64_MAX);
	assert_true(actions.disconnect);
	assert_true(actions.bad_news);
	assert_non_null(actions.news);
	return actions;
}

static void host_that_says_nothing_is_let_go_after_its_keep_alive_timeout(void **state)
{
	static const uint32_t kato_ms[][2] = {
		{0, 120000}, {1, 1000}, {5000, 5000}, {300000, 300000}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct nvme_queue *admin = connect_queue(0, 0xffff, kato_ms[i][0]);

		assert_false(expect_deadline(admin, kato_ms[i][1]).attention);
		fx_queue_gone(admin);
	}
}

static void every_step_has_its_own_time(void **state)
{
	struct nvme_queue *admin = connect_queue(0, 0xffff, 5000);
	struct nvme_actions actions = {0};
	uint8_t msg[2048];
	size_t len;

	(void)state;
	fx_now += 4 * FX_SECOND;
	len = begin(admin, msg);
	fx_now += 4 * FX_SECOND;
	assert_int_equal(nvme_auth_tick(admin, fx_now, &actions), fx_now + FX_SECOND);
	send_ok(admin, msg, len);
	assert_int_equal(nvme_auth_tick(admin, fx_now, &actions), fx_now + 5 * FX_SECOND);
	fx_now += 4 * FX_SECOND;
	auth_receive(admin, page, sizeof(page));
	assert_int_equal(nvme_auth_tick(admin, fx_now, &actions), UINT64_MAX);
	assert_false(actions.disconnect);
	fx_queue_gone(admin);
}

static void io_queue_has_its_controllers_time(void **state)
{
	struct nvme_queue *admin = connect_queue(0, 0xffff, 7000);
	struct nvme_queue *io;

	(void)state;
	authenticate(admin);
	fx_write_cc(admin, FX_CC_ENABLE);
	io = connect_queue(1, nvme_queue_cntlid(admin), 0);
	assert_false(expect_deadline(io, 7000).attention);
	assert_false(nvme_queue_must_end(admin));
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void host_that_does_not_finish_again_loses_its_controller(void **state)
{
	struct nvme_queue *admin = ready_queue();
	uint8_t msg[2048];

	(void)state;
	begin(admin, msg);
	assert_true(expect_deadline(admin, 120000).attention);
	assert_true(nvme_queue_must_end(admin));
	fx_queue_gone(admin);
}

static void tick_of_a_queue_is_the_earlier_of_its_timers(void **state)
{
	struct nvme_queue *admin = connect_queue(0, 0xffff, 5000);
	struct nvme_queue *fresh = fx_queue(0);
	struct nvme_actions actions = {0};

	(void)state;
	assert_int_equal(nvme_queue_tick(fresh, fx_now, &actions), UINT64_MAX);
	assert_int_equal(nvme_queue_tick(admin, fx_now, &actions), fx_now + 5 * FX_SECOND);
	authenticate(admin);
	assert_int_equal(nvme_auth_tick(admin, fx_now, &actions), UINT64_MAX);
	assert_int_not_equal(nvme_queue_tick(admin, fx_now, &actions), UINT64_MAX);
	fx_queue_gone(admin);
	fx_queue_gone(fresh);
}

static void stranger_does_not_keep_a_controller_alive(void **state)
{
	struct nvme_queue *admin = connect_queue(0, 0xffff, 5000);
	struct nvme_queue *io;
	uint8_t msg[2048];

	(void)state;
	authenticate(admin);
	fx_write_cc(admin, FX_CC_ENABLE);
	io = connect_queue(1, nvme_queue_cntlid(admin), 0);
	atomic_store(&admin->ctrl->active, false);
	begin(io, msg);
	assert_false(atomic_load(&admin->ctrl->active));
	authenticate(admin);
	assert_true(atomic_load(&admin->ctrl->active));
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void end_of_a_queue_wipes_what_is_secret(void **state)
{
	struct nvme_queue *admin = admin_queue();
	struct nvme_actions actions = {0};
	static const uint8_t zero[64];
	uint8_t msg[2048];

	(void)state;
	host.groups = 2;
	begin(admin, msg);
	assert_memory_not_equal(admin->auth.exponent, zero, 32);
	nvme_queue_end(admin, &actions);
	assert_memory_equal(admin->auth.exponent, zero, sizeof(admin->auth.exponent));
	assert_memory_equal(admin->auth.challenge, zero, sizeof(admin->auth.challenge));
	assert_int_equal(nvme_queue_tick(admin, UINT64_MAX - 1, &actions), UINT64_MAX);
	nvme_queue_fini(admin);
	free(admin);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_but_authentication_is_taken_before_it),
		TEST(mutual_authentication_is_complete_with_success2),
		TEST(every_io_queue_authenticates_its_host_as_well),
		TEST(io_queue_needs_a_controller_whose_host_authenticated_itself),
		TEST(queue_that_authenticated_its_host_can_do_so_again),
		TEST(host_that_fails_loses_its_queue),
		TEST(stranger_on_an_io_queue_does_not_end_the_controller),
		TEST(host_that_fails_again_loses_its_controller),
		TEST(host_that_refuses_the_controller_is_let_go),
		TEST(secret_that_changes_counts_from_the_next_time_on),
		TEST(host_that_the_embedder_does_not_know_is_refused),
		TEST(secret_without_an_end_is_read_no_further_than_its_field),
		TEST(embedder_is_asked_for_a_reply_in_order_only),
		TEST(options_that_are_wrong_are_told),
		TEST(masks_come_from_the_options),
		TEST(subsystem_without_secrets_knows_no_authentication),
		TEST(security_protocol_is_e9h_with_0101h),
		TEST(lengths_have_limits),
		TEST(message_may_come_in_the_capsule),
		TEST(others_are_out_of_order_while_one_waits_for_its_turn),
		TEST(turn_on_a_queue_that_has_ended_does_nothing),
		TEST(host_that_says_nothing_is_let_go_after_its_keep_alive_timeout),
		TEST(every_step_has_its_own_time),
		TEST(io_queue_has_its_controllers_time),
		TEST(host_that_does_not_finish_again_loses_its_controller),
		TEST(tick_of_a_queue_is_the_earlier_of_its_timers),
		TEST(stranger_does_not_keep_a_controller_alive),
		TEST(end_of_a_queue_wipes_what_is_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
