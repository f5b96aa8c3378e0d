/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/fence.c, and what waits for other commands or for the embedder in src/transport/flow.c.
 */
#include "fake_verbs.h"

#include <string.h>

#include "nvme/reservation.h"
#include "transport/flow.h"

static struct wrasse_subsystem subsystem = {.nqn = "nqn.2026-01.org.example:sub"};
static struct nvme_ctrl ctrl;
static uint64_t qids[1];
static struct wrasse_io *submitted[16];
static unsigned submit_count;

static void submit(struct wrasse_io *io)
{
	assert_true(submit_count < 16);
	submitted[submit_count++] = io;
}

/* The fixture's queue pair is of a controller with a namespace of 512-byte blocks. */
static void namespace_add(struct fake *fake)
{
	static struct wrasse_namespace *ns;
	static struct nvme_view *view;
	static struct nvme_path *path;

	free(ns);
	free(view);
	free(path);
	ns = calloc(1, sizeof(*ns) + sizeof(ns->port[0]));
	view = calloc(1, sizeof(*view) + sizeof(view->port[0]));
	ns->nsid = 1;
	ns->block_shift = 9;
	ns->block_count = 4096;
	ns->ops.submit = submit;
	ns->port[0].ns = ns;
	ns->port[0].state = NVME_NS_PORT_ATTACHED;
	ns->port[0].ana_group = 1;
	path = calloc(1, sizeof(*path) + sizeof(path->ana[0]));
	path->ana[0].state = WRASSE_ANA_OPTIMIZED;
	fake->qp->nvme.path = path;
	view->count = 1;
	view->port[0] = &ns->port[0];
	fake->qp->nvme.view = view;
	memset(&ctrl, 0, sizeof(ctrl));
	ctrl.subsystem = &subsystem;
	ctrl.qids = qids;
	ctrl.refs = 2; /* it is not the queue pair's to free */
	fake->qp->nvme.ctrl = &ctrl;
	submit_count = 0;
}

/* A slot that the hardware has gives up its capsule. */
static struct rdmat_slot *slot_take(struct fake *fake)
{
	assert_int_equal(rdmat_rx_post(fake->rx), 0);
	for (uint32_t i = 0; i < fake->rx->slot_count; i++) {
		struct rdmat_slot *slot = &fake->rx->slots[i];

		if (!slot->with_hardware)
			continue;
		rdmat_rx_taken(slot);
		memset(slot->capsule, 0, sizeof(struct nvme_cmd));
		return slot;
	}
	fail_msg("no receive slot is posted");
	return NULL;
}

static void read_comes(struct fake *fake, uint16_t cid, uint32_t blocks)
{
	struct rdmat_slot *slot = slot_take(fake);
	struct nvme_cmd *cmd = (struct nvme_cmd *)slot->capsule;
	uint32_t len = blocks * 512;

	cmd->opcode = NVME_OPC_READ;
	cmd->flags = NVME_PSDT_SGL;
	nvme_put16(&cmd->cid, cid);
	nvme_put32(&cmd->nsid, 1);
	nvme_put16(&cmd->rw.nlb, (uint16_t)(blocks - 1));
	cmd->sgl.id = NVME_SGL_KEYED;
	nvme_put64(&cmd->sgl.addr, 0x1000000);
	cmd->sgl.keyed.len[0] = (uint8_t)len;
	cmd->sgl.keyed.len[1] = (uint8_t)(len >> 8);
	cmd->sgl.keyed.len[2] = (uint8_t)(len >> 16);
	rdmat_flow_capsule(fake->qp, slot, sizeof(*cmd));
}

static void io_ends(struct fake *fake, unsigned which, struct wrasse_status status)
{
	struct nvme_request *nvme = pool_container(submitted[which], struct nvme_request, io);
	struct rdmat_request *request = rdmat_request_of_nvme(nvme);

	request->io_status = status;
	rdmat_flow_io_done(request);
}

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
	memset(ctrl.hostid, 7, sizeof(ctrl.hostid));
	memset(resv.fenced[0], 7, sizeof(ctrl.hostid));
	port->ns->resv = &resv;
	port->ns->subsystem = &subsystem;
	subsystem.namespaces = port->ns;
	registry.subsystems = &subsystem;
	group_looks(fake);
	return port;
}

static uint8_t last_status(const struct fake *fake)
{
	const struct nvme_cqe *cqe =
		(void *)(uintptr_t)fake->posted[fake->posted_count - 1]->sg_list->addr;

	return (uint8_t)(nvme_get16(cqe->status) >> NVME_STATUS_SC_SHIFT);
}

static void a_fence_waits_for_what_the_backend_has_and_aborts_the_rest(void **state)
{
	static int other;
	struct nvme_ns_port *port;
	struct pool_item *hog;
	struct fake fake;

	fake_init(&fake);
	namespace_add(&fake);
	read_comes(&fake, 1, 8);
	hog = pool_take(fake.group->large, FAKE_LARGE, 0, &other);
	read_comes(&fake, 2, 512);
	assert_int_equal(submit_count, 1);
	port = preempt(&fake);
	assert_int_equal(port->fenced, 1);
	assert_int_not_equal(port->fence_done, registry.fence);
	fake.group->fence = 0;
	group_looks(&fake);
	assert_int_equal(port->fenced, 1);
	io_ends(&fake, 0, wrasse_status_ok());
	assert_int_equal(port->fence_done, registry.fence);
	pool_give(fake.group->large, hog);
	rdmat_flow_resume(fake.group);
	assert_int_equal(submit_count, 1);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(last_status(&fake), NVME_SC_PREEMPTED);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

static void a_fence_waits_for_the_backend_after_the_queue_pair_has_ended(void **state)
{
	struct nvme_ns_port *port;
	struct fake fake;

	fake_init(&fake);
	namespace_add(&fake);
	read_comes(&fake, 1, 8);
	rdmat_qp_disconnect(fake.qp, NULL);
	port = preempt(&fake);
	assert_int_equal(port->fenced, 1);
	io_ends(&fake, 0, wrasse_status_ok());
	assert_int_equal(port->fence_done, registry.fence);
	fake_fini(&fake);
}

static void a_group_without_the_namespace_has_nothing_to_fence(void **state)
{
	struct nvme_ns_port *port;
	struct fake fake;

	fake_init(&fake);
	namespace_add(&fake);
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
	namespace_add(&fake);
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

	namespace_add(fake);
	port = fake->qp->nvme.view->port[0];
	memset(&resv, 0, sizeof(resv));
	resv.next.count = 1;
	port->ns->resv = &resv;
	port->ns->subsystem = &subsystem;
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
		assert_int_equal(last_status(&fake), fails ? WRASSE_SC_INTERNAL : 0);
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
		cmocka_unit_test(a_group_without_the_namespace_has_nothing_to_fence),
		cmocka_unit_test(every_request_that_waits_is_asked_about_again),
		cmocka_unit_test(a_change_that_was_saved_is_answered),
		cmocka_unit_test(a_change_that_was_saved_counts_without_its_queue_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
