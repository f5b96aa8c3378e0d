/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/abort.c: an Abort meets its command in every state, is answered in time whatever
 * happens, and finds its way to other groups and back. The Abort comes on an admin queue, the command
 * is on the fixture's queue pair.
 */
#include "fake_verbs.h"

#include <string.h>

#include "nvme/ctrl.h"
#include "nvme/hook.h"
#include "transport/flow.h"
#include "transport/resources.h"

#define CID 0x42

static struct wrasse_subsystem subsystem = {.nqn = "nqn.2026-01.org.example:sub"};
static struct nvme_ctrl ctrl;
static uint64_t qids[1];
static uint8_t queue_group[8];
static struct wrasse_namespace *ns;
static struct rdmat_qp *admin;
static struct wrasse_poll_group *groups[2];
static unsigned abort_calls;
static struct wrasse_io *abort_io;

static void submit(struct wrasse_io *io)
{
}

static void backend_abort(struct wrasse_io *io)
{
	abort_calls++;
	abort_io = io;
}

static struct rdmat_qp *admin_make(struct fake *fake, struct wrasse_poll_group *group)
{
	const struct nvme_conn conn = {.depth = 8, .peer = "192.0.2.1"};
	struct rdmat_qp *qp = calloc(1, sizeof(*qp));

	for (unsigned i = 0; i < RDMAT_REQUEST_STATE_COUNT; i++)
		pool_list_init(&qp->lists[i]);
	qp->group = group;
	qp->device = &fake->group_device;
	qp->class = &group->classes[1];
	qp->qpn = 18;
	qp->state = RDMAT_QP_ACTIVE;
	nvme_queue_init(&qp->nvme, fake->rdmat.registry, &fake->rdmat.limits, &conn);
	qp->nvme.state = NVME_QUEUE_CONNECTED;
	qp->nvme.on = NVME_ON_ADMIN;
	qp->nvme.ctrl = &ctrl;
	rdmat_group_qp_add(group, qp);
	return qp;
}

/* Responses of the admin queue wait for queue slots, of which there are none: they can be looked at. */
static void begin(struct fake *fake)
{
	fake_init(fake);
	groups[0] = fake->group;
	groups[1] = NULL;
	fake->rdmat.groups = groups;
	memset(&ctrl, 0, sizeof(ctrl));
	ctrl.subsystem = &subsystem;
	ctrl.limits = &fake->rdmat.limits;
	ctrl.number = 7;
	ctrl.refs = 9; /* it is nobody's to free */
	ctrl.qids = qids;
	ctrl.queue_group = queue_group;
	qids[0] = 1 << 1;
	queue_group[1] = 0;
	ns = object_alloc(sizeof(*ns) + sizeof(ns->port[0]));
	ns->subsystem = &subsystem;
	ns->ops.submit = submit;
	ns->port[0].ns = ns;
	fake->qp->nvme.ctrl = &ctrl;
	admin = admin_make(fake, fake->group);
	abort_calls = 0;
}

static void end(struct fake *fake)
{
	struct rdmat_request *request;

	rdmat_request_for_each(request, admin->class) {
		if (request->qp != admin)
			continue;
		if (request->state != RDMAT_REQUEST_FLUSHING)
			rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
		rdmat_request_settle(request);
	}
	wrasse_poll_group_poll(fake->group);
	assert_int_equal(fake->group->aborts_out, 0);
	atomic_fetch_add(&fake->group->load[1], 1);
	rdmat_group_qp_remove(fake->group, admin);
	free(admin);
	fake->qp->nvme.ctrl = NULL;
	fake_fini(fake);
	free(ns);
}

/* A command on the fixture's queue pair. */
static struct rdmat_request *victim(struct fake *fake, enum nvme_xfer xfer)
{
	struct rdmat_request *request = fake_request(fake);

	nvme_put16(&request->nvme.cmd.cid, CID);
	if (xfer != NVME_XFER_NONE)
		fake_data(request, xfer, 4, 10000);
	return request;
}

/* An Abort of @cid on queue @sqid, as the admin queue's thread meets it. */
static struct rdmat_request *abort_comes(uint16_t sqid, uint16_t cid)
{
	struct rdmat_request *request = rdmat_request_take(admin, NULL);

	request->holds = 0;
	memset(&request->nvme.cmd, 0, sizeof(request->nvme.cmd));
	memset(&request->nvme.cqe, 0, sizeof(request->nvme.cqe));
	memset(&request->nvme.data, 0, sizeof(request->nvme.data));
	request->nvme.cmd.opcode = NVME_OPC_ABORT;
	nvme_put16(&request->nvme.cmd.cid, 0x100);
	nvme_put32(&request->nvme.cmd.cdw10, sqid | (uint32_t)cid << 16);
	rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
	ctrl.aborts++;
	request->held = true;
	admin->held++;
	rdmat_abort_start(request);
	return request;
}

static void polls(struct fake *fake, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		wrasse_poll_group_poll(fake->group);
}

static void expect_waits(const struct rdmat_request *request)
{
	assert_int_equal(request->state, RDMAT_REQUEST_EXECUTING);
	assert_true(request->held);
	assert_int_equal(ctrl.aborts, 1);
}

static void expect_result(const struct rdmat_request *request, bool aborted)
{
	assert_int_equal(request->state, RDMAT_REQUEST_WAIT_RESPOND);
	assert_int_equal(nvme_get32(request->nvme.cqe.dw0), !aborted);
	assert_int_equal(nvme_get16(request->nvme.cqe.status), 0);
	assert_int_equal(ctrl.aborts, 0);
	assert_int_equal(admin->held, 0);
	assert_null(request->abort);
}

static uint8_t status_of(const struct rdmat_request *request)
{
	return nvme_request_status(&request->nvme).sc;
}

/* ---- each state ---- */

static void a_command_that_waits_is_ended_at_once(void **state)
{
	static const enum rdmat_request_state states[] = {
		RDMAT_REQUEST_WAIT_RESUME, RDMAT_REQUEST_WAIT_RESOURCES, RDMAT_REQUEST_WAIT_FETCH};

	for (unsigned i = 0; i < 3; i++) {
		struct rdmat_request *command, *request;
		struct fake fake;

		begin(&fake);
		command = victim(&fake, NVME_XFER_H2C);
		fake.qp->reads_free = 0;
		if (states[i] == RDMAT_REQUEST_WAIT_FETCH)
			assert_true(rdmat_request_take_resources(command));
		rdmat_request_move(command, states[i]);
		request = abort_comes(1, CID);
		expect_waits(request);
		polls(&fake, 2);
		expect_result(request, true);
		assert_int_equal(status_of(command), WRASSE_SC_ABORTED);
		assert_int_equal(fake.posted_count, 1);
		assert_int_equal(fake.executed, 0);
		fake.qp->reads_free = FAKE_READS;
		fake_complete(&fake);
		end(&fake);
	}
}

static void a_fetch_ends_when_it_has_landed(void **state)
{
	struct rdmat_request *command, *request;
	struct fake fake;

	begin(&fake);
	command = victim(&fake, NVME_XFER_H2C);
	assert_true(rdmat_request_take_resources(command));
	rdmat_request_move(command, RDMAT_REQUEST_WAIT_FETCH);
	rdmat_sendq_fill(fake.qp);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(command->state, RDMAT_REQUEST_FETCHING);
	request = abort_comes(1, CID);
	polls(&fake, 3);
	expect_waits(request);
	fake_complete(&fake);
	assert_int_equal(status_of(command), WRASSE_SC_ABORTED);
	assert_int_equal(fake.executed, 0);
	assert_null(command->buffers);
	polls(&fake, 1);
	expect_result(request, true);
	fake_complete(&fake);
	end(&fake);
}

static struct rdmat_request *with_backend(struct fake *fake)
{
	struct rdmat_request *command = victim(fake, NVME_XFER_NONE);

	rdmat_request_move(command, RDMAT_REQUEST_EXECUTING);
	command->backend = command->io_out = true;
	command->nvme.port = &ns->port[0];
	ns->port[0].in_flight++;
	return command;
}

static void a_backend_that_cannot_is_not_waited_for(void **state)
{
	struct rdmat_request *command, *request;
	struct fake fake;

	begin(&fake);
	command = with_backend(&fake);
	request = abort_comes(1, CID);
	polls(&fake, 2);
	expect_result(request, false);
	assert_int_equal(command->state, RDMAT_REQUEST_EXECUTING);
	rdmat_flow_io_done(command);
	assert_int_equal(status_of(command), 0);
	polls(&fake, 1);
	fake_complete(&fake);
	end(&fake);
}

/* The embedder has it, and not as an I/O. */
static void a_reservation_that_is_being_saved_is_not_aborted(void **state)
{
	struct rdmat_request *command, *request;
	struct fake fake;

	begin(&fake);
	ns->ops.abort = backend_abort;
	command = with_backend(&fake);
	command->nvme.saving = true;
	request = abort_comes(1, CID);
	polls(&fake, 2);
	expect_result(request, false);
	assert_int_equal(abort_calls, 0);
	command->nvme.saving = false;
	rdmat_flow_io_done(command);
	polls(&fake, 1);
	fake_complete(&fake);
	end(&fake);
}

static void a_command_that_a_hook_has_is_not_aborted(void **state)
{
	static const struct nvme_hook hook;
	struct rdmat_request *command, *request;
	struct fake fake;

	begin(&fake);
	ns->ops.abort = backend_abort;
	command = with_backend(&fake);
	command->nvme.hook = &hook;
	request = abort_comes(1, CID);
	polls(&fake, 2);
	expect_result(request, false);
	assert_int_equal(abort_calls, 0);
	command->nvme.hook = NULL;
	rdmat_flow_io_done(command);
	polls(&fake, 1);
	fake_complete(&fake);
	end(&fake);
}

static void the_backends_answer_decides(void **state)
{
	for (unsigned aborted = 0; aborted < 2; aborted++) {
		struct rdmat_request *command, *request;
		struct fake fake;

		begin(&fake);
		ns->ops.abort = backend_abort;
		command = with_backend(&fake);
		request = abort_comes(1, CID);
		polls(&fake, 1);
		assert_int_equal(abort_calls, 1);
		assert_ptr_equal(abort_io, &command->nvme.io);
		polls(&fake, 1);
		expect_waits(request);
		command->io_status = aborted ? wrasse_status_make(0, WRASSE_SC_ABORTED, false) :
					       wrasse_status_ok();
		rdmat_flow_io_done(command);
		polls(&fake, 1);
		expect_result(request, aborted);
		assert_int_equal(status_of(command), aborted ? WRASSE_SC_ABORTED : 0);
		fake_complete(&fake);
		end(&fake);
	}
}

static void an_io_that_was_completed_is_not_aborted(void **state)
{
	struct rdmat_request *command, *request;
	struct fake fake;

	begin(&fake);
	ns->ops.abort = backend_abort;
	command = with_backend(&fake);
	command->io_out = false;
	request = abort_comes(1, CID);
	polls(&fake, 2);
	assert_int_equal(abort_calls, 0);
	expect_result(request, false);
	rdmat_flow_io_done(command);
	polls(&fake, 1);
	fake_complete(&fake);
	end(&fake);
}

static void what_is_being_answered_is_not_aborted(void **state)
{
	struct rdmat_request *command, *request;
	struct fake fake;

	begin(&fake);
	command = victim(&fake, NVME_XFER_NONE);
	rdmat_request_move(command, RDMAT_REQUEST_EXECUTING);
	rdmat_flow_respond(command);
	request = abort_comes(1, CID);
	polls(&fake, 2);
	expect_result(request, false);
	assert_int_equal(fake.posted_count, 1);
	fake_complete(&fake);
	end(&fake);
}

static void what_is_not_there_is_not_aborted(void **state)
{
	static const struct {
		uint16_t sqid, cid;
	} cases[] = {{1, CID + 1}, {2, CID}, {0, CID}, {0xffff, CID}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rdmat_request *command, *request;
		struct fake fake;

		begin(&fake);
		command = victim(&fake, NVME_XFER_NONE);
		rdmat_request_move(command, RDMAT_REQUEST_WAIT_RESUME);
		request = abort_comes(cases[i].sqid, cases[i].cid);
		polls(&fake, 2);
		expect_result(request, false);
		assert_int_equal(command->state, RDMAT_REQUEST_WAIT_RESUME);
		end(&fake);
	}
}

/* An Abort that names itself, too. */
static void admin_commands_are_found_on_their_own_queue(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	begin(&fake);
	request = abort_comes(0, 0x100);
	polls(&fake, 2);
	expect_result(request, false);
	end(&fake);
}

/* ---- ends ---- */

static void after_a_second_the_host_is_told_that_it_was_not_aborted(void **state)
{
	struct rdmat_request *command, *request;
	struct fake fake;

	begin(&fake);
	ns->ops.abort = backend_abort;
	command = with_backend(&fake);
	request = abort_comes(1, CID);
	polls(&fake, 2);
	fake.now_ns += RDMAT_NS_PER_S - 1;
	fake.group->until_slow = 0;
	polls(&fake, 1);
	expect_waits(request);
	assert_int_equal(fake.group->next_timer_ns, fake.now_ns + 1);
	fake.now_ns++;
	fake.group->until_slow = 0;
	polls(&fake, 1);
	expect_result(request, false);
	assert_int_equal(fake.group->aborts_out, 1);
	/* A second one for the same command does not wait behind the first. */
	rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
	rdmat_request_settle(request);
	request = abort_comes(1, CID);
	polls(&fake, 2);
	expect_result(request, false);
	assert_int_equal(abort_calls, 1);
	/* What comes too late is not told as an abort any more. */
	command->io_status = wrasse_status_make(0, WRASSE_SC_ABORTED, false);
	rdmat_flow_io_done(command);
	assert_int_equal(status_of(command), WRASSE_SC_COMMAND_INTERRUPTED);
	polls(&fake, 1);
	assert_int_equal(fake.group->aborts_out, 0);
	fake_complete(&fake);
	end(&fake);
}

static void a_fetch_that_lands_after_that_is_executed(void **state)
{
	struct rdmat_request *command, *request;
	struct fake fake;

	begin(&fake);
	command = victim(&fake, NVME_XFER_H2C);
	assert_true(rdmat_request_take_resources(command));
	rdmat_request_move(command, RDMAT_REQUEST_WAIT_FETCH);
	rdmat_sendq_fill(fake.qp);
	rdmat_sendq_post(fake.qp);
	request = abort_comes(1, CID);
	polls(&fake, 1);
	fake.now_ns += RDMAT_NS_PER_S;
	fake.group->until_slow = 0;
	polls(&fake, 1);
	expect_result(request, false);
	fake_complete(&fake);
	assert_int_equal(fake.executed, 1);
	assert_int_equal(status_of(command), 0);
	polls(&fake, 1);
	fake_complete(&fake);
	end(&fake);
}

static void the_abort_is_answered_when_its_command_is_flushed(void **state)
{
	struct rdmat_request *command, *request;
	struct fake fake;

	begin(&fake);
	ns->ops.abort = backend_abort;
	command = with_backend(&fake);
	request = abort_comes(1, CID);
	polls(&fake, 1);
	rdmat_request_move(command, RDMAT_REQUEST_FLUSHING);
	polls(&fake, 1);
	expect_result(request, false);
	rdmat_flow_io_done(command);
	end(&fake);
}

static void the_command_goes_on_when_its_abort_is_flushed(void **state)
{
	struct rdmat_request *command, *request;
	struct fake fake;

	begin(&fake);
	ns->ops.abort = backend_abort;
	command = with_backend(&fake);
	request = abort_comes(1, CID);
	polls(&fake, 1);
	rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
	assert_true(rdmat_request_settle(request));
	assert_int_equal(admin->requests_out, 0);
	command->io_status = wrasse_status_make(0, WRASSE_SC_ABORTED, false);
	rdmat_flow_io_done(command);
	assert_int_equal(fake.group->aborts_out, 1);
	assert_true(rdmat_group_is_busy(fake.group));
	polls(&fake, 1);
	assert_int_equal(fake.group->aborts_out, 0);
	fake_complete(&fake);
	end(&fake);
}

static void more_aborts_than_there_is_room_for_are_answered_at_once(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	begin(&fake);
	for (unsigned i = 0; i < RDMAT_MAX_ABORTS; i++)
		fake.group->aborts[i].home = fake.group;
	request = abort_comes(1, CID);
	expect_result(request, false);
	for (unsigned i = 0; i < RDMAT_MAX_ABORTS; i++)
		fake.group->aborts[i].home = NULL;
	end(&fake);
}

/* ---- groups ---- */

static void an_abort_goes_to_another_group_and_comes_back(void **state)
{
	struct wrasse_poll_group_opts opts;
	struct rdmat_request *request;
	struct fake fake;

	begin(&fake);
	wrasse_poll_group_opts_init(&opts);
	opts.io_requests = opts.admin_requests = 16;
	opts.wrs = opts.small_buffers = opts.large_buffers = 32;
	opts.poll_budget = 8;
	assert_int_equal(rdmat_group_create(&fake.rdmat, &opts, 1, &groups[1]), 0);
	queue_group[1] = 1;
	request = abort_comes(1, CID);
	polls(&fake, 3);
	expect_waits(request);
	wrasse_poll_group_poll(groups[1]);
	expect_waits(request);
	polls(&fake, 1);
	expect_result(request, false); /* the queue has just gone from there */
	rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
	rdmat_request_settle(request);
	/* A group that goes sends back what it has. */
	request = abort_comes(1, CID);
	rdmat_group_destroy(groups[1]);
	groups[1] = NULL;
	polls(&fake, 1);
	expect_result(request, false);
	rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
	rdmat_request_settle(request);
	/* One that is gone is not asked. */
	request = abort_comes(1, CID);
	polls(&fake, 1);
	expect_result(request, false);
	end(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_that_waits_is_ended_at_once),
		cmocka_unit_test(a_fetch_ends_when_it_has_landed),
		cmocka_unit_test(a_backend_that_cannot_is_not_waited_for),
		cmocka_unit_test(a_reservation_that_is_being_saved_is_not_aborted),
		cmocka_unit_test(a_command_that_a_hook_has_is_not_aborted),
		cmocka_unit_test(the_backends_answer_decides),
		cmocka_unit_test(an_io_that_was_completed_is_not_aborted),
		cmocka_unit_test(what_is_being_answered_is_not_aborted),
		cmocka_unit_test(what_is_not_there_is_not_aborted),
		cmocka_unit_test(admin_commands_are_found_on_their_own_queue),
		cmocka_unit_test(after_a_second_the_host_is_told_that_it_was_not_aborted),
		cmocka_unit_test(a_fetch_that_lands_after_that_is_executed),
		cmocka_unit_test(the_abort_is_answered_when_its_command_is_flushed),
		cmocka_unit_test(the_command_goes_on_when_its_abort_is_flushed),
		cmocka_unit_test(more_aborts_than_there_is_room_for_are_answered_at_once),
		cmocka_unit_test(an_abort_goes_to_another_group_and_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
