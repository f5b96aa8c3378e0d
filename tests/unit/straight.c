/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands that go straight from their capsule to their answer: those that are known before they are parsed, and I/O
 * that the backend completes while it is given it.
 */
#include "fake_io.h"

#include <pthread.h>
#include <string.h>
#include <stdio.h>
#include <wrasse/backend.h>

#include "nvme/op.h"
#include "transport/flow.h"

static struct wrasse_status answer;
static unsigned inside; /* calls of submit() that have not returned */

static void *complete(void *io)
{
	wrasse_io_complete(io, answer);
	return NULL;
}

static void submit_at_once(struct wrasse_io *io)
{
	assert_int_equal(inside++, 0);
	fake_submit(io);
	complete(io);
	inside--;
}

static void submit_twice(struct wrasse_io *io)
{
	submit_at_once(io);
	complete(io);
}

static void submit_elsewhere(struct wrasse_io *io)
{
	pthread_t thread;

	fake_submit(io);
	assert_int_equal(pthread_create(&thread, NULL, complete, io), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static struct nvme_ns_port *begin(struct fake *fake, void (*submit)(struct wrasse_io *io))
{
	struct wrasse_namespace *ns;

	fake_init(fake);
	fake->group->owner = rdmat_this_thread();
	ns = fake_namespace(fake);
	ns->ops.submit = submit;
	answer = wrasse_status_ok();
	inside = 0;
	return &ns->port[0];
}

/* ---- kinds ---- */

static enum nvme_kind kind_of(const struct nvme_queue *queue, uint8_t opcode, uint8_t flags,
			      uint32_t nsid)
{
	struct nvme_cmd cmd = {.opcode = opcode, .flags = flags};
	struct nvme_ns_port *port = NULL;
	enum nvme_kind kind;

	nvme_put32(&cmd.nsid, nsid);
	kind = nvme_capsule_kind(queue, (const uint8_t *)&cmd, &port);
	if (kind != NVME_KIND_ANY)
		assert_ptr_equal(port, queue->view->port[0]);
	return kind;
}

static void only_reads_and_writes_without_flags_are_known(void **state)
{
	static const uint8_t flags[] = {NVME_PSDT_SGL,
					0,
					NVME_PSDT_SGL | NVME_FUSE_FIRST,
					NVME_PSDT_SGL | NVME_FUSE_SECOND,
					0x80,
					NVME_PSDT_SGL | 0x04};
	static const uint8_t on[] = {NVME_ON_IO, NVME_ON_NEW, NVME_ON_ADMIN, NVME_ON_DISC,
				     NVME_ON_AUTH};
	struct nvme_queue queue;
	struct fake fake;

	begin(&fake, fake_submit);
	queue = fake.qp->nvme;
	for (unsigned opcode = 0; opcode < 256; opcode++)
		for (unsigned f = 0; f < sizeof(flags); f++)
			for (unsigned o = 0; o < sizeof(on); o++) {
				enum nvme_kind kind = NVME_KIND_ANY;

				if (!f && !o && opcode == NVME_OPC_READ)
					kind = NVME_KIND_READ;
				if (!f && !o && opcode == NVME_OPC_WRITE)
					kind = NVME_KIND_WRITE;
				queue.on = on[o];
				assert_int_equal(kind_of(&queue, (uint8_t)opcode, flags[f], 1),
						 kind);
			}
	fake_fini(&fake);
}

static void only_commands_of_plain_namespaces_are_known(void **state)
{
	const struct nvme_queue *queue;
	struct nvme_ns_port *port;
	struct fake fake;

	begin(&fake, fake_submit);
	queue = &fake.qp->nvme;
	port = queue->view->port[0];
	for (unsigned i = 0; i < 32; i++) {
		bool plain = i == NVME_NS_PORT_ATTACHED;

		port->state = i & 3;
		port->restricted = i & 4;
		port->paused = i & 8;
		port->protected = i & 16;
		assert_int_equal(nvme_port_is_plain(port), plain);
		assert_int_equal(kind_of(queue, NVME_OPC_READ, NVME_PSDT_SGL, 1),
				 plain ? NVME_KIND_READ : NVME_KIND_ANY);
		assert_int_equal(kind_of(queue, NVME_OPC_WRITE, NVME_PSDT_SGL, 1),
				 plain ? NVME_KIND_WRITE : NVME_KIND_ANY);
	}
	port->conditions = 0;
	port->state = NVME_NS_PORT_ATTACHED;
	assert_int_equal(kind_of(queue, NVME_OPC_READ, NVME_PSDT_SGL, 0), NVME_KIND_ANY);
	assert_int_equal(kind_of(queue, NVME_OPC_READ, NVME_PSDT_SGL, 2), NVME_KIND_ANY);
	assert_int_equal(kind_of(queue, NVME_OPC_READ, NVME_PSDT_SGL, NVME_NSID_ALL),
			 NVME_KIND_ANY);
	assert_int_equal(kind_of(queue, NVME_OPC_READ, NVME_PSDT_SGL, queue->view->count + 1),
			 NVME_KIND_ANY);
	fake_fini(&fake);
}

/* A function that is told says what one says that finds out, of good commands and bad ones. */
static void what_is_known_changes_nothing(void **state)
{
	struct nvme_request as_any, as_known;
	uint32_t refused = 0, denied = 0, epoch;
	struct nvme_path *path = calloc(1, sizeof(*path) + sizeof(path->ana[0]));
	struct nvme_ns_port *port;
	struct fake fake;

	begin(&fake, fake_submit);
	port = fake.qp->nvme.view->port[0];
	epoch = fake.qp->nvme.io_epoch;
	for (unsigned i = 0; i < 128; i++) {
		uint8_t opcode = i & 1 ? NVME_OPC_READ : NVME_OPC_WRITE;
		struct nvme_cmd cmd = {.opcode = opcode, .flags = NVME_PSDT_SGL};
		enum nvme_kind kind = opcode == NVME_OPC_READ ? NVME_KIND_READ : NVME_KIND_WRITE;
		bool any, known;

		nvme_put32(&cmd.nsid, 1);
		nvme_put64(&cmd.rw.slba, i & 4 ? 4096 : 8);
		nvme_put16(&cmd.rw.nlb, 7);
		nvme_put16(&cmd.rw.control, i & 8 ? NVME_RW_FUA : 0);
		fake_sgl(&cmd, FAKE_HOST_ADDR, i & 16 ? 4096 : 2048);
		fake.qp->nvme.io_epoch = epoch + (i & 32 ? 0 : 1); /* reset since, or not */
		fake.qp->nvme.path = path;
		path->ana[0].state = i & 2 ? WRASSE_ANA_INACCESSIBLE : WRASSE_ANA_OPTIMIZED;
		fake.qp->nvme.ctrl->ns[0].denied = i & 64 ? NVME_ACCESS_READ : 0;
		memset(&as_any, 0, sizeof(as_any));
		memset(&as_known, 0, sizeof(as_known));
		as_any.queue = as_known.queue = &fake.qp->nvme;
		any = nvme_request_parse(&as_any, (const uint8_t *)&cmd, sizeof(cmd));
		known = nvme_request_parse_as(&as_known, kind, port, (const uint8_t *)&cmd,
					      sizeof(cmd));
		assert_int_equal(any, known);
		if (any) {
			enum nvme_next next;

			as_any.straight = as_known.straight = true;
			assert_int_equal(nvme_request_must_wait_at_once(&as_any, NVME_KIND_ANY),
					 nvme_request_must_wait_at_once(&as_known, kind));
			next = nvme_request_execute_io(&as_any, NVME_KIND_ANY);
			assert_int_equal(next, nvme_request_execute_io(&as_known, kind));
			denied += next == NVME_RESPOND;
		}
		refused += !any;
		assert_memory_equal(&as_known, &as_any, sizeof(as_any));
	}
	fake.qp->nvme.io_epoch = epoch;
	port->in_flight = 0;
	assert_int_equal(refused, 128 - 8);
	assert_int_equal(denied, 2);
	free(path);
	fake_fini(&fake);
}

/* ---- answers ---- */

static void what_is_completed_in_submit_is_answered_at_once(void **state)
{
	for (unsigned fails = 0; fails < 2; fails++) {
		struct nvme_ns_port *port;
		struct fake fake;

		port = begin(&fake, submit_at_once);
		if (fails)
			answer = wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT, false);
		fake_read_comes(&fake, 1, 8);
		assert_int_equal(fake_count(&fake, RDMAT_REQUEST_RESPONDING), 1);
		assert_int_equal(fake.qp->sq_unposted_count, fails ? 1 : 2);
		assert_null(fake.group->local_done);
		assert_null(fake.group->submitting);
		assert_int_equal(port->in_flight, 0);
		assert_int_equal(port->reads, !fails);
		assert_int_equal(port->read_bytes, fails ? 0 : 4096);
		assert_int_equal(fake.group->stats.reads, 1);
		assert_int_equal(fake.group->stats.errors, fails);
		rdmat_sendq_post(fake.qp);
		fake_complete(&fake);
		fake_expect_balance(&fake);
		fake_fini(&fake);
	}
}

static void what_is_completed_later_is_answered_later(void **state)
{
	struct nvme_ns_port *port;
	struct fake fake;

	port = begin(&fake, fake_submit);
	fake_read_comes(&fake, 1, 8);
	assert_null(fake.group->submitting);
	assert_int_equal(port->in_flight, 1);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_EXECUTING), 1);
	complete(fake_ios[0]);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_EXECUTING), 1);
	wrasse_poll_group_poll(fake.group);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_RESPONDING), 1);
	assert_int_equal(port->in_flight, 0);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

/* Also before submit() returns. */
static void what_another_thread_completes_comes_through_the_inbox(void **state)
{
	struct fake fake;

	begin(&fake, submit_elsewhere);
	fake_read_comes(&fake, 1, 8);
	assert_null(fake.group->submitting);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_EXECUTING), 1);
	assert_int_equal(rdmat_group_inbox(fake.group), 1);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_RESPONDING), 1);
	rdmat_sendq_post(fake.qp);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

static char told[256];

static void tell(void *ctx, const struct wrasse_move *move)
{
	size_t len = strlen(told);

	snprintf(told + len, sizeof(told) - len, "%s-%s ", move->from, move->to);
}

/* What a request passes at once is told by the move that follows. */
static void the_recorder_tells_where_a_request_stays(void **state)
{
	for (unsigned later = 0; later < 2; later++) {
		struct fake fake;

		begin(&fake, later ? fake_submit : submit_at_once);
		fake_read_comes(&fake, 1, 8);
		if (later) {
			complete(fake_ios[0]);
			wrasse_poll_group_poll(fake.group);
		} else {
			rdmat_sendq_post(fake.qp);
		}
		fake_complete(&fake);
		told[0] = 0;
		wrasse_poll_group_moves(fake.group, UINT32_MAX, tell, NULL);
		assert_string_equal(
			told, later ? "RECEIVED-EXECUTING EXECUTING-RESPONDING RESPONDING-FREE " :
				      "EXECUTING-RESPONDING RESPONDING-FREE ");
		assert_int_equal(fake.group->state_count[RDMAT_REQUEST_RECEIVED], 1);
		assert_int_equal(fake.group->state_count[RDMAT_REQUEST_EXECUTING], 1);
		assert_int_equal(fake.group->state_count[RDMAT_REQUEST_RESPONDING], 1);
		assert_int_equal(fake.group->state_count[RDMAT_REQUEST_FREE], 1);
		fake_fini(&fake);
	}
}

/* Each I/O of a command is submitted when the one before it has returned: submit_at_once() looks. */
static void a_command_of_several_ios_is_no_stack_of_calls(void **state)
{
	struct rdmat_slot *slot;
	struct nvme_cmd *cmd;
	struct fake fake;

	begin(&fake, submit_at_once);
	slot = fake_slot(&fake);
	cmd = (struct nvme_cmd *)slot->capsule;
	cmd->opcode = NVME_OPC_VERIFY;
	cmd->flags = NVME_PSDT_SGL;
	nvme_put32(&cmd->nsid, 1);
	nvme_put16(&cmd->rw.nlb, 599);
	rdmat_flow_capsule(fake.qp, slot, sizeof(*cmd));
	assert_int_equal(fake_io_count, 1);
	assert_non_null(fake.group->local_done);
	wrasse_poll_group_poll(fake.group);
	assert_int_equal(fake_io_count, 3);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_RESPONDING), 1);
	fake_complete(&fake);
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

static void complete_twice(void *arg)
{
	struct fake fake;

	begin(&fake, submit_twice);
	fake_read_comes(&fake, 1, 8);
}

static void a_backend_completes_once_in_submit(void **state)
{
	assert_dies(complete_twice, NULL, "wrasse_io_complete() was called twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_reads_and_writes_without_flags_are_known),
		cmocka_unit_test(only_commands_of_plain_namespaces_are_known),
		cmocka_unit_test(what_is_known_changes_nothing),
		cmocka_unit_test(what_is_completed_in_submit_is_answered_at_once),
		cmocka_unit_test(what_is_completed_later_is_answered_later),
		cmocka_unit_test(what_another_thread_completes_comes_through_the_inbox),
		cmocka_unit_test(the_recorder_tells_where_a_request_stays),
		cmocka_unit_test(a_command_of_several_ios_is_no_stack_of_calls),
		cmocka_unit_test(a_backend_completes_once_in_submit),
	};

	return cmocka_run_group_tests_name("straight", tests, NULL, NULL);
}
