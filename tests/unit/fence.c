/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/fence.c, and what waits for other commands or for the embedder in src/transport/flow.c.
 */
#include "fake_io.h"

#include <string.h>

#include "nvme/reservation.h"
#include "transport/flow.h"

/* ---- waiting for other commands ---- */

static struct nvme_ns_resv resv;
static struct nvme_registry registry;

static void group_looks(struct fake *fake)
{
	struct nvme_registry *own = fake->rdmat.registry;

	fake->rdmat.registry = &registry;
	rdmat_group_fence(fake->group);
	fake->rdmat.registry = own;
}

/* A Preempt and Abort of the controller's host, in state of the namespace only. */
static struct nvme_ns_port *preempt(struct fake *fake)
{
	struct nvme_ns_port *port = fake->qp->nvme.view->port[0];

	memset(&resv, 0, sizeof(resv));
	resv.fence = ++registry.fence;
	resv.fenced_count = 1;
	memset(fake_ctrl.hostid, 7, sizeof(fake_ctrl.hostid));
	memset(resv.fenced[0], 7, sizeof(fake_ctrl.hostid));
	port->ns->resv = &resv;
	port->ns->subsystem = fake_ctrl.subsystem;
	fake_ctrl.subsystem->namespaces = port->ns;
	registry.subsystems = fake_ctrl.subsystem;
	group_looks(fake);
	return port;
}

static void a_fence_waits_for_what_the_backend_has_and_aborts_the_rest(void **state)
{
	static int other;
	struct nvme_ns_port *port;
	struct pool_item *hog;
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	fake_read_comes(&fake, 1, 8);
	hog = pool_take(fake.group->large, FAKE_LARGE, 0, &other);
	fake_read_comes(&fake, 2, 512);
	assert_int_equal(fake_io_count, 1);
	port = preempt(&fake);
	assert_int_equal(port->fenced, 1);
	assert_int_not_equal(port->fence_done, registry.fence);
	fake.group->fence = 0;
	group_looks(&fake);
	assert_int_equal(port->fenced, 1);
	fake_io_ends(0, wrasse_status_ok());
	assert_int_equal(port->fence_done, registry.fence);
	pool_give(fake.group->large, hog);
	rdmat_flow_resume(fake.group);
	assert_int_equal(fake_io_count, 1);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake_last_status(&fake), NVME_SC_PREEMPTED);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

static void a_fence_waits_for_the_backend_after_the_queue_pair_has_ended(void **state)
{
	struct nvme_ns_port *port;
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	fake_read_comes(&fake, 1, 8);
	rdmat_qp_disconnect(fake.qp, NULL);
	port = preempt(&fake);
	assert_int_equal(port->fenced, 1);
	fake_io_ends(0, wrasse_status_ok());
	assert_int_equal(port->fence_done, registry.fence);
	fake_fini(&fake);
}

/* Although nothing is in its way when its data is there: it could go straight. */
static void a_write_that_is_fetched_meanwhile_does_not_reach_the_backend(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	rdmat_class_touch(fake.qp->class);
	fake_command_comes(&fake, NVME_OPC_WRITE, 1, 1, 0, 8);
	rdmat_sendq_post(fake.qp);
	preempt(&fake);
	fake_complete(&fake);
	assert_int_equal(fake_io_count, 0);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake_last_status(&fake), NVME_SC_PREEMPTED);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

static void a_group_without_the_namespace_has_nothing_to_fence(void **state)
{
	struct nvme_ns_port *port;
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	fake.qp->nvme.view->port[0]->state = NVME_NS_PORT_NONE;
	port = preempt(&fake);
	assert_int_equal(port->fence_seen, 0);
	assert_int_equal(fake.group->fence, registry.fence);
	fake_fini(&fake);
}

static enum nvme_next waits(struct nvme_request *request, uint64_t now_ns,
			    struct nvme_actions *actions)
{
	(void)now_ns;
	(void)actions;
	return request->fence-- ? NVME_RETRY : nvme_succeed(request, 0);
}

/* It is EXECUTING, and src/nvme wants to be asked about it again. */
static struct rdmat_request *waiting_request(struct fake *fake, const struct nvme_op *op)
{
	struct rdmat_request *request = fake_request(fake);

	request->nvme.op = op;
	rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
	request->nvme.next = NULL;
	*fake->qp->retry_tail = &request->nvme;
	fake->qp->retry_tail = &request->nvme.next;
	return request;
}

static void every_request_that_waits_is_asked_about_again(void **state)
{
	static const struct nvme_op op = {
		.name = "waits", .on = NVME_ON_IO, .execute = waits, .execute_registry = waits};
	struct rdmat_request *requests[3];
	struct fake fake;

	fake_init(&fake);
	fake_namespace(&fake);
	fake.qp->nvme.on = NVME_ON_IO;
	for (unsigned i = 0; i < 3; i++) {
		requests[i] = waiting_request(&fake, &op);
		requests[i]->nvme.fence = i; /* how often it waits */
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(requests[i]->state, RDMAT_REQUEST_EXECUTING);
		rdmat_flow_retry(fake.qp);
		assert_int_equal(requests[i]->state, RDMAT_REQUEST_RESPONDING);
	}
	assert_null(fake.qp->retry);
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

/* ---- reservations on their way to the embedder ---- */

static struct wrasse_io *saving;

static void save(void *ctx, const struct wrasse_reservation *state, struct wrasse_io *io)
{
	saving = io;
}

static enum nvme_next saves(struct nvme_request *request, uint64_t now_ns,
			    struct nvme_actions *actions)
{
	request->port = request->queue->view->port[0];
	request->port->in_flight++;
	request->saving = true;
	return NVME_SAVE;
}

static const struct nvme_op saves_op = {
	.name = "saves", .on = NVME_ON_IO, .execute = saves, .execute_registry = saves};

/* A change to one registrant more is with the embedder. */
static struct rdmat_request *save_begins(struct fake *fake)
{
	struct rdmat_request *request;
	struct nvme_ns_port *port;

	fake_namespace(fake);
	port = fake->qp->nvme.view->port[0];
	memset(&resv, 0, sizeof(resv));
	resv.next.count = 1;
	port->ns->resv = &resv;
	port->ns->subsystem = fake_ctrl.subsystem;
	port->ns->save_reservation = save;
	request = waiting_request(fake, &saves_op);
	rdmat_flow_retry(fake->qp);
	assert_true(request->backend);
	assert_ptr_equal(saving, &request->nvme.io);
	assert_int_equal(resv.state.count, 0);
	return request;
}

static void a_change_that_was_saved_is_answered(void **state)
{
	for (unsigned fails = 0; fails < 2; fails++) {
		struct rdmat_request *request;
		struct fake fake;

		fake_init(&fake);
		request = save_begins(&fake);
		request->io_status = wrasse_status_make(0, fails ? WRASSE_SC_INTERNAL : 0, false);
		rdmat_flow_io_done(request);
		assert_int_equal(resv.state.count, !fails);
		rdmat_sendq_post(fake.qp);
		assert_int_equal(fake_last_status(&fake), fails ? WRASSE_SC_INTERNAL : 0);
		fake_complete(&fake);
		fake_expect_balance(&fake);
		fake_fini(&fake);
	}
}

static void a_change_that_was_saved_counts_without_its_queue_pair(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	request = save_begins(&fake);
	rdmat_qp_disconnect(fake.qp, NULL);
	assert_int_equal(fake.qp->requests_out, 1);
	request->io_status = wrasse_status_ok();
	rdmat_flow_io_done(request);
	assert_int_equal(resv.state.count, 1);
	assert_int_equal(fake.qp->requests_out, 0);
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fence_waits_for_what_the_backend_has_and_aborts_the_rest),
		cmocka_unit_test(a_fence_waits_for_the_backend_after_the_queue_pair_has_ended),
		cmocka_unit_test(a_write_that_is_fetched_meanwhile_does_not_reach_the_backend),
		cmocka_unit_test(a_group_without_the_namespace_has_nothing_to_fence),
		cmocka_unit_test(every_request_that_waits_is_asked_about_again),
		cmocka_unit_test(a_change_that_was_saved_is_answered),
		cmocka_unit_test(a_change_that_was_saved_counts_without_its_queue_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
