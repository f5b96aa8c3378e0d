/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/flow.c: capsules that come, answers of the backend, and turns in the queue for resources.
 */
#include "fake_io.h"

#include <string.h>

#include "nvme/hook.h"
#include "transport/flow.h"
#include "transport/resources.h"

/* Verify of so many blocks, which the library does by reads of 128 KiB. */
static void verify_comes(struct fake *fake, uint32_t blocks)
{
	struct rdmat_slot *slot = fake_slot(fake);
	struct nvme_cmd *cmd = (struct nvme_cmd *)slot->capsule;

	cmd->opcode = NVME_OPC_VERIFY;
	cmd->flags = NVME_PSDT_SGL;
	nvme_put32(&cmd->nsid, 1);
	nvme_put16(&cmd->rw.nlb, (uint16_t)(blocks - 1));
	rdmat_flow_capsule(fake->qp, slot, sizeof(*cmd));
}

/* ---- capsules that wait for a request ---- */

/* No request is free. */
static void requests_run_out(struct fake *fake, struct rdmat_request **requests)
{
	fake_init(fake);
	fake_namespace(fake);
	fake->qp->nvme.conn.depth = 64;
	for (uint32_t i = 0; fake->qp->class->free_count; i++) {
		requests[i] = fake_request(fake);
		rdmat_request_move(requests[i], RDMAT_REQUEST_EXECUTING);
	}
}

static void ends(struct rdmat_request *request)
{
	rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
	assert_true(rdmat_request_settle(request));
}

static void expect_parked(void *ctx, const struct wrasse_holder *holder)
{
	unsigned *count = ctx;

	if (strcmp(holder->state, "PARKED") != 0)
		return;
	(*count)++;
	assert_true(holder->receive_slot);
	assert_int_equal(holder->cid, 1);
	assert_int_equal(holder->opcode, NVME_OPC_READ);
	assert_int_equal(holder->nsid, 1);
	assert_int_equal(holder->qid, 1);
	assert_int_equal(holder->age_ns, 5 * RDMAT_NS_PER_MS);
	assert_string_equal(holder->subnqn, "nqn.2026-01.org.example:sub");
	assert_false(holder->admin);
}

static void a_capsule_that_finds_no_request_waits_for_one(void **state)
{
	struct rdmat_request *requests[FAKE_REQUESTS];
	unsigned told = 0;
	uint32_t outstanding;
	struct fake fake;

	requests_run_out(&fake, requests);
	outstanding = fake.qp->outstanding;
	fake_read_comes(&fake, 1, 8);
	assert_int_equal(fake_io_count, 0);
	fake.now_ns += 5 * RDMAT_NS_PER_MS;
	wrasse_poll_group_ledger(fake.group, expect_parked, &told);
	assert_int_equal(told, 1);
	assert_int_equal(fake.qp->outstanding, outstanding + 1);
	assert_int_equal(fake.qp->class->waits, 1);
	assert_int_equal(fake.rx->held, 1);
	rdmat_flow_unpark(fake.group);
	assert_int_equal(fake_io_count, 0);
	ends(requests[3]);
	rdmat_flow_unpark(fake.group);
	assert_int_equal(fake_io_count, 1);
	assert_int_equal(fake.rx->held, 0);
	assert_int_equal(nvme_get16(fake_io_request(0)->nvme.cmd.cid), 1);
	fake_io_ends(0, wrasse_status_ok());
	fake_fini(&fake);
}

/* Also when a request has become free meanwhile: nobody is overtaken. */
static void capsules_that_wait_are_begun_in_the_order_in_which_they_came(void **state)
{
	struct rdmat_request *requests[FAKE_REQUESTS];
	struct fake fake;

	requests_run_out(&fake, requests);
	fake_read_comes(&fake, 1, 8);
	fake_read_comes(&fake, 2, 8);
	ends(requests[0]);
	ends(requests[1]);
	fake_read_comes(&fake, 3, 8);
	assert_int_equal(fake_io_count, 0);
	rdmat_flow_unpark(fake.group);
	assert_int_equal(fake_io_count, 2);
	ends(requests[2]);
	rdmat_flow_unpark(fake.group);
	assert_int_equal(fake_io_count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(nvme_get16(fake_io_request(i)->nvme.cmd.cid), i + 1);
		fake_io_ends(i, wrasse_status_ok());
	}
	fake_fini(&fake);
}

static void capsules_that_wait_go_with_their_queue_pair(void **state)
{
	struct rdmat_request *requests[FAKE_REQUESTS];
	struct fake fake;

	requests_run_out(&fake, requests);
	fake_read_comes(&fake, 1, 8);
	fake_read_comes(&fake, 2, 8);
	assert_int_equal(fake.rx->held, 2);
	rdmat_qp_disconnect(fake.qp, NULL);
	assert_int_equal(fake.rx->held, 0);
	assert_true(pool_list_is_empty(&fake.qp->class->parked));
	rdmat_flow_unpark(fake.group);
	assert_int_equal(fake_io_count, 0);
	fake_fini(&fake);
}

/* The host sends them again elsewhere. */
static void capsules_that_wait_are_not_begun_once_a_drain_has(void **state)
{
	struct rdmat_request *requests[FAKE_REQUESTS];
	uint32_t outstanding;
	struct fake fake;

	requests_run_out(&fake, requests);
	outstanding = fake.qp->outstanding;
	fake_read_comes(&fake, 1, 8);
	atomic_store(&fake.group->drain, RDMAT_DRAIN_GRACEFUL);
	ends(requests[0]);
	rdmat_flow_unpark(fake.group);
	assert_int_equal(fake_io_count, 0);
	assert_int_equal(fake.rx->held, 0);
	assert_int_equal(fake.qp->outstanding, outstanding);
	atomic_store(&fake.group->drain, RDMAT_DRAIN_NO);
	fake_fini(&fake);
}

static void a_poll_begins_what_waits(void **state)
{
	struct rdmat_request *requests[FAKE_REQUESTS];
	struct fake fake;

	requests_run_out(&fake, requests);
	fake_read_comes(&fake, 1, 8);
	ends(requests[0]);
	wrasse_poll_group_poll(fake.group);
	assert_int_equal(fake_io_count, 1);
	fake_io_ends(0, wrasse_status_ok());
	fake_fini(&fake);
}

/* ---- capsules ---- */

static void expect_hostile(struct fake *fake)
{
	assert_true(fake->qp->tearing);
	assert_int_equal(fake->group->stats.hostile, 1);
	assert_int_equal(fake->qp->requests_out, 0);
	assert_int_equal(fake->rx->held, 0);
}

static void a_capsule_shorter_than_a_command_ends_the_connection(void **state)
{
	struct fake fake;

	fake_init(&fake);
	rdmat_flow_capsule(fake.qp, fake_slot(&fake), sizeof(struct nvme_cmd) - 1);
	expect_hostile(&fake);
	fake_fini(&fake);
}

static void one_command_more_than_the_depth_ends_the_connection(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	fake.qp->outstanding = fake.qp->nvme.conn.depth - 1;
	fake_read_comes(&fake, 1, 1);
	assert_false(fake.qp->tearing);
	assert_int_equal(fake_io_count, 1);
	fake_io_ends(0, wrasse_status_ok());
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	fake.qp->outstanding = fake.qp->nvme.conn.depth;
	fake_read_comes(&fake, 2, 1);
	expect_hostile(&fake);
	fake_fini(&fake);
}

/* ---- answers of the backend ---- */

static void only_a_read_that_succeeds_sends_data(void **state)
{
	for (unsigned fails = 0; fails < 2; fails++) {
		struct fake fake;

		fake_init(&fake);
		fake_namespace(&fake);
		fake_read_comes(&fake, 1, 8);
		fake_io_ends(0, fails ? wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT,
							   false) :
					wrasse_status_ok());
		rdmat_sendq_post(fake.qp);
		assert_int_equal(fake.posted_count, fails ? 1 : 2);
		assert_int_equal(fake.posted[fake.posted_count - 1]->opcode, IBV_WR_SEND);
		fake_complete(&fake);
		fake_expect_balance(&fake);
		fake_fini(&fake);
	}
}

static void an_answer_after_the_end_is_taken_once_and_not_sent(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	fake_read_comes(&fake, 1, 8);
	rdmat_qp_disconnect(fake.qp, NULL);
	assert_int_equal(fake.qp->requests_out, 1);
	assert_int_equal(pool_free_count(fake.group->small), FAKE_SMALL - 1);
	fake_io_ends(0, wrasse_status_ok());
	assert_int_equal(fake.qp->requests_out, 0);
	assert_int_equal(fake.post_calls, 0);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

/* ---- answers of the embedder ---- */

static struct wrasse_command *hooked;

static void hook_submit(struct wrasse_command *command)
{
	hooked = command;
}

/* A command of the embedder's own with data for the host comes, and is with its hook. */
static void hooked_comes(struct fake *fake, uint16_t cid, uint32_t len)
{
	struct rdmat_slot *slot = fake_slot(fake);
	struct nvme_cmd *cmd = (struct nvme_cmd *)slot->capsule;
	struct wrasse_hook hook = {.size = sizeof(hook), .opcode = 0xc2, .submit = hook_submit};
	const char *why = NULL;

	memset(fake_ctrl.subsystem->hooks, 0, sizeof(fake_ctrl.subsystem->hooks));
	assert_int_equal(nvme_hook_add(fake_ctrl.subsystem, &hook, &why), 0);
	cmd->opcode = 0xc2;
	cmd->flags = NVME_PSDT_SGL;
	nvme_put16(&cmd->cid, cid);
	nvme_put32(&cmd->nsid, 1);
	cmd->sgl.id = NVME_SGL_KEYED;
	nvme_put64(&cmd->sgl.addr, 0x1000000);
	cmd->sgl.keyed.len[0] = (uint8_t)len;
	cmd->sgl.keyed.len[1] = (uint8_t)(len >> 8);
	hooked = NULL;
	rdmat_flow_capsule(fake->qp, slot, sizeof(*cmd));
	assert_non_null(hooked);
	assert_int_equal(hooked->length, len);
}

static void hooked_ends(struct wrasse_status status)
{
	struct nvme_request *nvme = pool_container(hooked, struct nvme_request, command);
	struct rdmat_request *request = rdmat_request_of_nvme(nvme);

	assert_true(request->backend);
	request->io_status = status;
	rdmat_flow_io_done(request);
	nvme_hooks_free(fake_ctrl.subsystem);
}

static void a_hooked_command_is_answered_with_its_data_if_it_succeeds(void **state)
{
	for (unsigned fails = 0; fails < 2; fails++) {
		struct fake fake;

		fake_init(&fake);
		fake_namespace(&fake);
		hooked_comes(&fake, 1, 4096);
		assert_int_equal(fake.post_calls, 0);
		hooked_ends(fails ? hooked->status : wrasse_status_ok());
		rdmat_sendq_post(fake.qp);
		assert_int_equal(fake.posted_count, fails ? 1 : 2);
		assert_int_equal(fake.group->stats.reads, 0);
		assert_int_equal(fake.group->stats.errors, fails);
		fake_complete(&fake);
		fake_expect_balance(&fake);
		fake_fini(&fake);
	}
}

static void a_hook_that_answers_after_the_end_gives_everything_back(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	hooked_comes(&fake, 1, 4096);
	rdmat_qp_disconnect(fake.qp, NULL);
	assert_int_equal(fake.qp->requests_out, 1);
	assert_int_equal(fake.qp->nvme.view->port[0]->in_flight, 1);
	hooked_ends(wrasse_status_ok());
	assert_int_equal(fake.qp->requests_out, 0);
	assert_int_equal(fake.qp->nvme.view->port[0]->in_flight, 0);
	assert_int_equal(fake.post_calls, 0);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

/* ---- turns ---- */

static void nobody_overtakes_who_waits_for_resources(void **state)
{
	static int other;
	struct pool_item *hog;
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	hog = pool_take(fake.group->large, FAKE_LARGE - 1, 0, &other);
	fake_read_comes(&fake, 1, 512); /* two large buffers */
	fake_read_comes(&fake, 2, 8);   /* a small one, of which there are plenty */
	assert_int_equal(fake_io_count, 0);
	rdmat_flow_resume(fake.group);
	assert_int_equal(fake_io_count, 0);
	/* Who waits waits without anything. */
	assert_int_equal(pool_free_count(fake.group->large), 1);
	assert_int_equal(pool_free_count(fake.group->small), FAKE_SMALL);
	assert_int_equal(fake.rx->held, 0);
	pool_give(fake.group->large, hog);
	rdmat_flow_resume(fake.group);
	assert_int_equal(fake_io_count, 2);
	assert_int_equal(fake_ios[0]->length, 512 * 512);
	assert_int_equal(fake_ios[1]->length, 8 * 512);
	fake_io_ends(0, wrasse_status_ok());
	fake_io_ends(1, wrasse_status_ok());
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

static struct rdmat_request *waiting_first(struct fake *fake)
{
	struct pool_link *link = pool_list_first(&fake->qp->lists[RDMAT_REQUEST_WAIT_RESOURCES]);

	assert_non_null(link);
	return pool_container(link, struct rdmat_request, link);
}

static void who_waited_leaves_the_list_with_its_queue_pair(void **state)
{
	static int other;
	struct pool_item *hog;
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	hog = pool_take(fake.group->large, FAKE_LARGE, 0, &other);
	fake_read_comes(&fake, 1, 512);
	assert_false(pool_list_is_empty(&fake.group->classes[0].waiting));
	rdmat_qp_disconnect(fake.qp, NULL);
	assert_true(pool_list_is_empty(&fake.group->classes[0].waiting));
	pool_give(fake.group->large, hog);
	fake_fini(&fake);
}

/* Whatever took it out of the list: its turn is nobody's. */
static void a_turn_whose_command_went_otherwise_is_given_up(void **state)
{
	static int other;
	struct rdmat_request *request;
	struct pool_item *hog;
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	hog = pool_take(fake.group->large, FAKE_LARGE, 0, &other);
	fake_read_comes(&fake, 1, 512);
	request = waiting_first(&fake);
	rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
	assert_true(rdmat_request_settle(request));
	rdmat_flow_resume(fake.group);
	assert_true(pool_list_is_empty(&fake.group->classes[0].waiting));
	pool_give(fake.group->large, hog);
	fake_fini(&fake);
}

/* ---- what src/nvme wants besides its answer ---- */

static unsigned asked;

static enum nvme_next op_hold_and_end(struct nvme_request *request, uint64_t now_ns,
				      struct nvme_actions *actions)
{
	asked++;
	actions->disconnect = true;
	actions->why = "it had to be";
	return NVME_HOLD;
}

static enum nvme_next op_answer_and_end(struct nvme_request *request, uint64_t now_ns,
					struct nvme_actions *actions)
{
	asked++;
	actions->disconnect = true;
	return nvme_succeed(request, 0);
}

static enum nvme_next op_hold(struct nvme_request *request, uint64_t now_ns,
			      struct nvme_actions *actions)
{
	asked++;
	return NVME_HOLD;
}

static enum nvme_next op_ask_the_registry(struct nvme_request *request, uint64_t now_ns,
					  struct nvme_actions *actions)
{
	return NVME_REGISTRY;
}

/* At the third time. */
static enum nvme_next op_succeed_later(struct nvme_request *request, uint64_t now_ns,
				       struct nvme_actions *actions)
{
	return ++asked < 3 ? NVME_RETRY : nvme_succeed(request, 0);
}

static enum nvme_next op_refuse(struct nvme_request *request, uint64_t now_ns,
				struct nvme_actions *actions)
{
	asked++;
	return nvme_refuse(request, NVME_GENERIC(NVME_SC_SEQUENCE), NVME_AT_NONE, "no such host");
}

static enum nvme_next op_connect(struct nvme_request *request, uint64_t now_ns,
				 struct nvme_actions *actions)
{
	asked++;
	request->queue->state = NVME_QUEUE_CONNECTED;
	return nvme_succeed(request, 0);
}

static const struct nvme_op hold_and_end = {
	.name = "hold and end", .on = NVME_ON_IO, .execute = op_hold_and_end};
static const struct nvme_op answer_and_end = {
	.name = "answer and end", .on = NVME_ON_IO, .execute = op_answer_and_end};
static const struct nvme_op hold = {.name = "hold", .on = NVME_ON_IO, .execute = op_hold};
static const struct nvme_op later = {.name = "later",
				     .on = NVME_ON_NEW,
				     .execute = op_ask_the_registry,
				     .execute_registry = op_succeed_later};
static const struct nvme_op refuse = {.name = "refuse",
				      .on = NVME_ON_NEW,
				      .execute = op_ask_the_registry,
				      .execute_registry = op_refuse};
static const struct nvme_op connects = {.name = "connects",
					.on = NVME_ON_NEW,
					.execute = op_ask_the_registry,
					.execute_registry = op_connect};

/* A command whose data has been fetched is executed. */
static struct rdmat_request *op_executes(struct fake *fake, const struct nvme_op *op)
{
	struct rdmat_request *request = fake_request(fake);

	asked = 0;
	request->nvme.op = op;
	memset(&request->nvme.cqe, 0, sizeof(request->nvme.cqe));
	request->nvme.why = NULL;
	fake_data(request, NVME_XFER_H2C, 1, 512);
	assert_true(rdmat_request_take_resources(request));
	rdmat_request_move(request, RDMAT_REQUEST_WAIT_FETCH);
	rdmat_sendq_fill(fake->qp);
	rdmat_sendq_post(fake->qp);
	fake_complete(fake);
	assert_int_equal(asked, 1);
	return request;
}

static void an_end_without_an_answer_is_at_once(void **state)
{
	struct fake fake;

	fake_init(&fake);
	op_executes(&fake, &hold_and_end);
	assert_true(fake.qp->tearing);
	assert_int_equal(fake.qp->requests_out, 0);
	fake_fini(&fake);
}

static void an_end_with_an_answer_waits_until_that_is_out(void **state)
{
	struct fake fake;

	fake_init(&fake);
	op_executes(&fake, &answer_and_end);
	assert_false(fake.qp->tearing);
	rdmat_sendq_post(fake.qp);
	assert_false(fake.qp->tearing);
	assert_int_equal(fake.posted_count, 1);
	fake_complete(&fake);
	assert_true(fake.qp->tearing);
	fake_fini(&fake);
}

static void an_end_in_its_turn_stops_the_turn(void **state)
{
	static int other;
	struct pool_item *hog;
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	hog = pool_take(fake.group->large, FAKE_LARGE, 0, &other);
	fake_read_comes(&fake, 1, 512);
	fake_read_comes(&fake, 2, 512);
	waiting_first(&fake)->nvme.op = &hold_and_end;
	pool_give(fake.group->large, hog);
	asked = 0;
	rdmat_flow_resume(fake.group);
	assert_int_equal(asked, 1);
	assert_true(fake.qp->tearing);
	assert_int_equal(fake_io_count, 0);
	assert_int_equal(fake.qp->requests_out, 0);
	assert_true(pool_list_is_empty(&fake.group->classes[0].waiting));
	fake_fini(&fake);
}

static void held_commands_are_answered_when_their_event_comes(void **state)
{
	struct nvme_actions actions = {0};
	struct rdmat_request *first, *second;
	struct fake fake;

	fake_init(&fake);
	first = op_executes(&fake, &hold);
	second = op_executes(&fake, &hold);
	assert_int_equal(fake.qp->held, 2);
	actions.done = &first->nvme;
	first->nvme.next = &second->nvme;
	second->nvme.next = NULL;
	rdmat_flow_act(fake.qp, &actions);
	assert_int_equal(fake.qp->held, 0);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, 2);
	fake_complete(&fake);
	assert_int_equal(fake.qp->requests_out, 0);
	fake_fini(&fake);
}

/* ---- Connect ---- */

static char said[512];

static void log_note(void *ctx, enum wrasse_log_level level, const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static void connect_init(struct fake *fake)
{
	fake_init(fake);
	fake->rdmat.opts.log = log_note;
	fake->qp->nvme.state = NVME_QUEUE_NEW;
	fake->qp->nvme.on = NVME_ON_NEW;
	fake->qp->deadline_ns = UINT64_MAX;
	said[0] = '\0';
}

static void timers_run(struct fake *fake)
{
	fake->group->now_ns = 0;
	rdmat_group_timers(fake->group);
}

static void a_connect_whose_queue_id_is_in_use_tries_again_every_2_ms(void **state)
{
	struct fake fake;

	connect_init(&fake);
	fake.group->next_timer_ns = UINT64_MAX;
	op_executes(&fake, &later);
	assert_string_equal(said, "");
	assert_int_equal(fake.group->next_timer_ns, fake.now_ns + 2 * RDMAT_NS_PER_MS);
	fake.now_ns += 2 * RDMAT_NS_PER_MS;
	timers_run(&fake);
	assert_int_equal(asked, 2);
	assert_int_equal(fake.group->next_timer_ns, fake.now_ns + 2 * RDMAT_NS_PER_MS);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, 0);
	timers_run(&fake);
	assert_int_equal(asked, 3);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, 1);
	fake_complete(&fake);
	fake_fini(&fake);
}

static void a_connect_that_waits_ends_with_its_queue_pair(void **state)
{
	struct fake fake;

	connect_init(&fake);
	op_executes(&fake, &later);
	rdmat_qp_disconnect(fake.qp, NULL);
	assert_int_equal(fake.qp->requests_out, 0);
	timers_run(&fake);
	assert_int_equal(asked, 1);
	fake_fini(&fake);
}

static void a_refused_connect_is_told_with_its_reason(void **state)
{
	struct fake fake;

	connect_init(&fake);
	op_executes(&fake, &refuse);
	assert_non_null(strstr(said, "Connect refused: no such host"));
	assert_int_equal(fake.group->stats.errors, 1);
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	fake_fini(&fake);
}

/* What connects has its own timers looked at; those of thousands of others are not. */
static void a_connect_leaves_the_timers_of_others_alone(void **state)
{
	struct fake fake;

	connect_init(&fake);
	fake.group->next_timer_ns = fake.now_ns + 7;
	fake.qp->next_tick_ns = 0;
	op_executes(&fake, &connects);
	assert_non_null(strstr(said, "connected to"));
	assert_int_equal(fake.group->next_timer_ns, fake.now_ns + 7);
	assert_int_equal(fake.qp->next_tick_ns, UINT64_MAX);
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	fake_fini(&fake);
}

/* ---- authentication ---- */

static int get_key(void *ctx, const char *hostnqn, const char *subnqn,
		   struct wrasse_auth_keys *keys)
{
	fail_msg("a Challenge needs no secret");
	return 0;
}

static void auth_comes(struct fake *fake, uint8_t fctype, uint8_t sgl, uint32_t len)
{
	struct rdmat_slot *slot = fake_slot(fake);
	struct nvme_cmd *cmd = (struct nvme_cmd *)slot->capsule;
	/* A Negotiate of SHA-256 and no group. */
	static const uint8_t negotiate[72] = {[7] = 1, [8] = 1, [10] = 1, [11] = 1, [12] = 1};

	cmd->opcode = NVME_OPC_FABRICS;
	cmd->flags = NVME_PSDT_SGL;
	cmd->fctype = fctype;
	cmd->auth.spsp0 = 1;
	cmd->auth.spsp1 = 1;
	cmd->auth.secp = 0xe9;
	nvme_put32(&cmd->auth.len, len);
	cmd->sgl.id = sgl;
	cmd->sgl.keyed.len[0] = (uint8_t)len;
	cmd->sgl.keyed.len[1] = (uint8_t)(len >> 8);
	memcpy(slot->capsule + sizeof(*cmd), negotiate, sizeof(negotiate));
	rdmat_flow_capsule(fake->qp, slot, sizeof(*cmd) + sizeof(negotiate));
}

/* The host has sent Negotiate, and asked for the Challenge. */
static void challenge_waits(struct fake *fake)
{
	fake_init(fake);
	fake_namespace(fake);
	fake_ctrl.subsystem->auth.get_key = get_key;
	fake->qp->nvme.auth_timeout_ns = RDMAT_NS_PER_S;
	auth_comes(fake, NVME_FCTYPE_AUTH_SEND, NVME_SGL_OFFSET, 72);
	rdmat_sendq_post(fake->qp);
	fake_complete(fake);
	assert_true(pool_list_is_empty(&fake->group->auths));
	auth_comes(fake, NVME_FCTYPE_AUTH_RECEIVE, NVME_SGL_KEYED, 1024);
	assert_false(pool_list_is_empty(&fake->group->auths));
	assert_int_equal(fake->qp->requests_out, 1);
}

static void an_authentication_is_made_in_its_turn(void **state)
{
	struct fake fake;
	unsigned before;

	challenge_waits(&fake);
	before = fake.posted_count;
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, before);
	assert_int_equal(rdmat_flow_auth(fake.group), 1);
	assert_true(pool_list_is_empty(&fake.group->auths));
	assert_null(fake.qp->auth);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, before + 2);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

static void a_poll_makes_an_authentication_and_posts_its_answer(void **state)
{
	struct fake fake;
	unsigned before;

	challenge_waits(&fake);
	before = fake.posted_count;
	atomic_store(&fake.group->attention, false); /* there is no listener that it could miss */
	assert_true(wrasse_poll_group_poll(fake.group) > 0);
	assert_true(pool_list_is_empty(&fake.group->auths));
	assert_int_equal(fake.posted_count, before + 2);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

static void an_authentication_loses_its_turn_with_its_queue_pair(void **state)
{
	struct fake fake;

	challenge_waits(&fake);
	rdmat_qp_disconnect(fake.qp, NULL);
	assert_true(pool_list_is_empty(&fake.group->auths));
	assert_int_equal(fake.qp->requests_out, 0);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

/* ---- commands of several I/Os ---- */

static void a_command_of_several_ios_is_answered_after_the_last(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	verify_comes(&fake, 600);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fake_io_count, i + 1);
		assert_int_equal(fake_ios[i]->opcode, WRASSE_IO_READ);
		assert_int_equal(fake_ios[i]->offset, i * RDMAT_LARGE_LEN);
		assert_int_equal(pool_free_count(fake.group->large), FAKE_LARGE - 1);
		assert_int_equal(fake_count(&fake, RDMAT_REQUEST_RESPONDING), 0);
		fake_io_ends(i, wrasse_status_ok());
	}
	assert_int_equal(fake_io_count, 3);
	assert_int_equal(pool_free_count(fake.group->large), FAKE_LARGE);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_RESPONDING), 1);
	/* It is no Read, whatever it is made of. */
	assert_int_equal(fake.group->stats.reads, 0);
	assert_int_equal(fake.group->stats.errors, 0);
	fake_fini(&fake);
}

static void a_command_of_several_ios_ends_with_its_connection(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	verify_comes(&fake, 600);
	fake_io_ends(0, wrasse_status_ok());
	rdmat_qp_disconnect(fake.qp, "a test");
	assert_int_equal(pool_free_count(fake.group->large), FAKE_LARGE - 1);
	fake_io_ends(1, wrasse_status_ok());
	assert_int_equal(fake_io_count, 2);
	assert_int_equal(pool_free_count(fake.group->large), FAKE_LARGE);
	fake_fini(&fake);
}

static void a_command_waits_for_its_scratch(void **state)
{
	static int other;
	struct pool_item *hog;
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	hog = pool_take(fake.group->large, FAKE_LARGE, 0, &other);
	verify_comes(&fake, 600);
	assert_int_equal(fake_io_count, 0);
	assert_false(pool_list_is_empty(&fake.qp->lists[RDMAT_REQUEST_WAIT_RESOURCES]));
	rdmat_flow_resume(fake.group);
	assert_int_equal(fake_io_count, 0);
	pool_give(fake.group->large, hog);
	rdmat_flow_resume(fake.group);
	assert_int_equal(fake_io_count, 1);
	fake_io_ends(0, wrasse_status_make(2, 0x81, true));
	assert_int_equal(fake.group->stats.errors, 1);
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_capsule_that_finds_no_request_waits_for_one),
		cmocka_unit_test(capsules_that_wait_are_begun_in_the_order_in_which_they_came),
		cmocka_unit_test(capsules_that_wait_go_with_their_queue_pair),
		cmocka_unit_test(capsules_that_wait_are_not_begun_once_a_drain_has),
		cmocka_unit_test(a_poll_begins_what_waits),
		cmocka_unit_test(a_capsule_shorter_than_a_command_ends_the_connection),
		cmocka_unit_test(one_command_more_than_the_depth_ends_the_connection),
		cmocka_unit_test(only_a_read_that_succeeds_sends_data),
		cmocka_unit_test(an_answer_after_the_end_is_taken_once_and_not_sent),
		cmocka_unit_test(a_hooked_command_is_answered_with_its_data_if_it_succeeds),
		cmocka_unit_test(a_hook_that_answers_after_the_end_gives_everything_back),
		cmocka_unit_test(nobody_overtakes_who_waits_for_resources),
		cmocka_unit_test(who_waited_leaves_the_list_with_its_queue_pair),
		cmocka_unit_test(a_turn_whose_command_went_otherwise_is_given_up),
		cmocka_unit_test(an_end_without_an_answer_is_at_once),
		cmocka_unit_test(an_end_with_an_answer_waits_until_that_is_out),
		cmocka_unit_test(an_end_in_its_turn_stops_the_turn),
		cmocka_unit_test(held_commands_are_answered_when_their_event_comes),
		cmocka_unit_test(a_connect_whose_queue_id_is_in_use_tries_again_every_2_ms),
		cmocka_unit_test(a_connect_that_waits_ends_with_its_queue_pair),
		cmocka_unit_test(a_refused_connect_is_told_with_its_reason),
		cmocka_unit_test(a_connect_leaves_the_timers_of_others_alone),
		cmocka_unit_test(an_authentication_is_made_in_its_turn),
		cmocka_unit_test(a_poll_makes_an_authentication_and_posts_its_answer),
		cmocka_unit_test(an_authentication_loses_its_turn_with_its_queue_pair),
		cmocka_unit_test(a_command_of_several_ios_is_answered_after_the_last),
		cmocka_unit_test(a_command_of_several_ios_ends_with_its_connection),
		cmocka_unit_test(a_command_waits_for_its_scratch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
