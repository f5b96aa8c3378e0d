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

#include "nvme/straight.h"
#include "transport/flow.h"
#include "transport/straight.h"

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
	rdmat_class_touch(fake->qp->class);
	ns = fake_namespace(fake);
	ns->ops.submit = submit;
	answer = wrasse_status_ok();
	inside = 0;
	return &ns->port[0];
}

/* ---- which commands ---- */

/* The queue of the fixture, and a Read or Write of all that is good. */
struct asked {
	struct nvme_queue queue;
	struct nvme_cmd cmd;
	uint8_t opcode;
	bool in_capsule;
	uint32_t capsule_len;
};

static void ask(struct asked *asked, const struct fake *fake, uint8_t opcode, bool in_capsule)
{
	struct nvme_cmd *cmd = &asked->cmd;

	memset(asked, 0, sizeof(*asked));
	asked->queue = fake->qp->nvme;
	asked->opcode = opcode;
	asked->in_capsule = in_capsule;
	asked->capsule_len = sizeof(*cmd) + (in_capsule ? 4096 : 0);
	cmd->opcode = opcode;
	cmd->flags = NVME_PSDT_SGL;
	nvme_put16(&cmd->cid, 7);
	nvme_put32(&cmd->nsid, 1);
	nvme_put64(&cmd->rw.slba, 8);
	nvme_put16(&cmd->rw.nlb, 7);
	if (in_capsule) {
		cmd->sgl.id = NVME_SGL_OFFSET;
		nvme_put32(&cmd->sgl.plain.len, 4096);
	} else {
		fake_sgl(cmd, FAKE_HOST_ADDR, 4096);
	}
}

static bool is_found(const struct asked *asked)
{
	struct nvme_straight straight = {
		.cmd = &asked->cmd, .opcode = asked->opcode, .in_capsule = asked->in_capsule};

	return nvme_straight_is(&asked->cmd, asked->opcode) &&
	       nvme_straight_find(&asked->queue, &straight, asked->capsule_len,
				  asked->queue.limits->max_data_len);
}

static void only_reads_and_writes_without_flags_go_straight(void **state)
{
	static const uint8_t flags[] = {NVME_PSDT_SGL,
					0,
					NVME_PSDT_SGL | NVME_FUSE_FIRST,
					NVME_PSDT_SGL | NVME_FUSE_SECOND,
					0x80,
					NVME_PSDT_SGL | 0x04};
	static const uint8_t on[] = {NVME_ON_IO, NVME_ON_NEW, NVME_ON_ADMIN, NVME_ON_DISC,
				     NVME_ON_AUTH};
	struct asked asked;
	struct fake fake;

	begin(&fake, fake_submit);
	for (unsigned write = 0; write < 2; write++) {
		ask(&asked, &fake, write ? NVME_OPC_WRITE : NVME_OPC_READ, false);
		for (unsigned opcode = 0; opcode < 256; opcode++)
			for (unsigned f = 0; f < sizeof(flags); f++)
				for (unsigned o = 0; o < sizeof(on); o++) {
					asked.cmd.opcode = (uint8_t)opcode;
					asked.cmd.flags = flags[f];
					asked.queue.on = on[o];
					assert_int_equal(is_found(&asked),
							 !f && !o && opcode == asked.opcode);
				}
	}
	fake_fini(&fake);
}

static void only_commands_of_plain_namespaces_go_straight(void **state)
{
	struct nvme_ns_port *port;
	struct asked asked;
	struct fake fake;

	port = begin(&fake, fake_submit);
	ask(&asked, &fake, NVME_OPC_READ, false);
	for (unsigned i = 0; i < 32; i++) {
		bool plain = i == NVME_NS_PORT_ATTACHED;

		port->state = i & 3;
		port->restricted = i & 4;
		port->paused = i & 8;
		port->protected = i & 16;
		assert_int_equal(nvme_port_is_plain(port), plain);
		assert_int_equal(is_found(&asked), plain);
	}
	port->conditions = 0;
	port->state = NVME_NS_PORT_ATTACHED;
	for (unsigned i = 0; i < 5; i++) {
		static const uint32_t nsids[] = {0, 1, 2, NVME_NSID_ALL, 0x80000001};

		nvme_put32(&asked.cmd.nsid, nsids[i]);
		assert_int_equal(is_found(&asked), nsids[i] == 1);
	}
	fake_fini(&fake);
}

/* Each of these is a way in which a command is not good, or has a queue that is not. */
enum {
	BEYOND_THE_END,
	TOO_LONG,
	SHORT_SGL,
	LONG_SGL,
	OTHER_SGL,
	ADDRESS_WRAPS,
	RESET,
	INACCESSIBLE,
	DENIED,
	READ_ONLY,
	NOTHING_WRONG,
	WAYS
};

static void spoil(struct asked *asked, struct wrasse_namespace *ns, unsigned way)
{
	struct nvme_sgl *sgl = &asked->cmd.sgl;
	uint32_t len = way == SHORT_SGL ? 2048 : 4097;
	struct nvme_path *path = (struct nvme_path *)(uintptr_t)asked->queue.path;
	struct nvme_ctrl *ctrl = asked->queue.ctrl;

	ns->read_only = way == READ_ONLY;
	ctrl->denials = way == DENIED;
	ctrl->ns[0].denied = way == DENIED ? NVME_ACCESS_READ | NVME_ACCESS_WRITE : 0;
	path->closed = way == INACCESSIBLE;
	path->ana[0].state = way == INACCESSIBLE ? WRASSE_ANA_INACCESSIBLE : WRASSE_ANA_OPTIMIZED;
	asked->queue.io_epoch += way == RESET;
	if (way == BEYOND_THE_END)
		nvme_put64(&asked->cmd.rw.slba, 4089);
	if (way == TOO_LONG)
		nvme_put16(&asked->cmd.rw.nlb, 4000);
	if (way == OTHER_SGL)
		sgl->id = 0x20;
	if (way == ADDRESS_WRAPS)
		nvme_put64(&sgl->addr, UINT64_MAX - 4094);
	if ((way == SHORT_SGL || way == LONG_SGL) && asked->in_capsule)
		nvme_put32(&sgl->plain.len, len);
	else if (way == SHORT_SGL || way == LONG_SGL)
		fake_sgl(&asked->cmd, FAKE_HOST_ADDR, len);
}

static struct iovec piece;

/* Return: whether the backend gets the command, by the way of all. */
static bool step_by_step(struct asked *asked, const uint8_t *capsule, struct nvme_request *request)
{
	memset(request, 0, sizeof(*request));
	request->queue = &asked->queue;
	if (!nvme_request_parse(request, capsule, asked->capsule_len))
		return false;
	request->straight = true;
	request->iov = &piece;
	request->iov_count = 1;
	if (nvme_request_execute_io(request) != NVME_SUBMIT)
		return false;
	nvme_request_stamp(request);
	return true;
}

static void straight(struct asked *asked, const uint8_t *capsule, struct nvme_request *request)
{
	struct nvme_straight straight = {.cmd = (const struct nvme_cmd *)capsule,
					 .opcode = asked->opcode,
					 .in_capsule = asked->in_capsule};

	assert_true(nvme_straight_find(&asked->queue, &straight, asked->capsule_len, 8192));
	memset(request, 0, sizeof(*request));
	request->queue = &asked->queue;
	nvme_straight_take(request, &asked->queue, &straight);
	nvme_straight_fill(request, &straight, &piece, 1);
	nvme_straight_parsed(request, straight.cmd, straight.port, asked->opcode, asked->in_capsule,
			     straight.len);
	nvme_straight_submitted(request, straight.port);
}

/* What goes straight is as it would be had it not, in every byte, and what is not good does not. */
static void the_straight_way_is_the_same_way(void **state)
{
	static const uint8_t opcodes[] = {NVME_OPC_READ, NVME_OPC_WRITE, NVME_OPC_WRITE};
	static uint8_t capsule[sizeof(struct nvme_cmd) + 4096];
	struct nvme_request by_steps, at_once;
	unsigned found = 0;
	struct nvme_ns_port *port;
	struct asked asked;
	struct fake fake;

	port = begin(&fake, fake_submit);
	for (unsigned i = 0; i < 3 * WAYS * 8; i++) {
		unsigned kind = i % 3, way = i / 3 % WAYS, more = i / 3 / WAYS;
		bool good;

		ask(&asked, &fake, opcodes[kind], kind == 2);
		nvme_put16(&asked.cmd.rw.control, more & 1 ? NVME_RW_FUA : 0);
		if (more & 2 && kind < 2)
			asked.cmd.sgl.id = NVME_SGL_KEYED_INV;
		asked.queue.sqflow_off = more & 4;
		asked.queue.sqhd = asked.queue.sqsize - (more & 1);
		spoil(&asked, port->ns, way);
		memcpy(capsule, &asked.cmd, sizeof(asked.cmd));
		good = step_by_step(&asked, capsule, &by_steps);
		asked.queue.sqhd = asked.queue.sqsize - (more & 1);
		assert_int_equal(is_found(&asked), good);
		if (!good)
			continue;
		asked.queue.ctrl->active = false;
		straight(&asked, capsule, &at_once);
		assert_true(asked.queue.ctrl->active);
		by_steps.single = true; /* it says so of itself */
		assert_memory_equal(&at_once, &by_steps, sizeof(by_steps));
		found++;
	}
	/* Those with nothing wrong, and Reads where that is a Write's trouble only. */
	assert_int_equal(found, 8 * (3 + 1));
	port->in_flight = 0;
	spoil(&asked, port->ns, NOTHING_WRONG);
	fake_fini(&fake);
}

/* ---- answers ---- */

/* The commands that go straight. */
enum { SMALL_READ, LARGE_READ, WRITE_IN_CAPSULE, WRITE, KINDS };

static bool is_read(unsigned kind)
{
	return kind == SMALL_READ || kind == LARGE_READ;
}

static uint32_t bytes_of(unsigned kind)
{
	return kind == LARGE_READ ? 65536 : 4096;
}

static void write_in_capsule_comes(struct fake *fake)
{
	struct rdmat_slot *slot = fake_posted_slot(fake);
	struct asked asked;

	ask(&asked, fake, NVME_OPC_WRITE, true);
	memcpy(slot->capsule, &asked.cmd, sizeof(asked.cmd));
	rdmat_group_now(fake->group);
	rdmat_straight_capsule(fake->qp, slot, asked.capsule_len);
}

/* A poll that acts on everything, and posts. */
static void turn(struct fake *fake)
{
	fake->group->chores = true;
	wrasse_poll_group_poll(fake->group);
}

/* One comes, and its data is there. */
static void comes(struct fake *fake, unsigned kind)
{
	if (kind == WRITE_IN_CAPSULE) {
		write_in_capsule_comes(fake);
		return;
	}
	fake_command_comes(fake, is_read(kind) ? NVME_OPC_READ : NVME_OPC_WRITE, 1, 1, 0,
			   bytes_of(kind) / 512);
	if (kind != WRITE)
		return;
	assert_int_equal(fake_count(fake, RDMAT_REQUEST_FETCHING), 1);
	turn(fake);
	assert_int_equal(fake->posted[0]->opcode, IBV_WR_RDMA_READ);
	assert_int_equal(fake->posted[0]->send_flags, IBV_SEND_SIGNALED);
	fake_complete(fake);
}

static void ends(struct fake *fake)
{
	turn(fake);
	fake_complete(fake);
	assert_int_equal(fake->qp->outstanding, 0);
	assert_int_equal(fake->recv_posted, FAKE_SLOTS + fake->group->stats.capsules);
	fake_expect_balance(fake);
	fake_fini(fake);
}

static void what_is_completed_in_submit_is_answered_at_once(void **state)
{
	for (unsigned i = 0; i < 2 * KINDS; i++) {
		unsigned fails = i % 2, kind = i / 2, bytes = fails ? 0 : bytes_of(kind);
		struct nvme_ns_port *port;
		struct fake fake;

		port = begin(&fake, submit_at_once);
		if (fails)
			answer = wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT, false);
		comes(&fake, kind);
		/* What fails is for others to tell, later. */
		turn(&fake);
		assert_int_equal(fake_count(&fake, RDMAT_REQUEST_RESPONDING), 1);
		assert_int_equal(fake.posted_count, is_read(kind) && !fails ? 2 : 1);
		assert_int_equal(fake.posted[fake.posted_count - 1]->opcode, IBV_WR_SEND);
		assert_null(fake.posted[fake.posted_count - 1]->next);
		assert_null(fake.group->local_done);
		assert_int_equal(fake_last_status(&fake), fails ? WRASSE_SC_WRITE_FAULT : 0);
		assert_int_equal(port->in_flight, 0);
		assert_int_equal(port->reads, is_read(kind) && !fails);
		assert_int_equal(port->read_bytes, is_read(kind) ? bytes : 0);
		assert_int_equal(port->writes, !is_read(kind) && !fails);
		assert_int_equal(port->written_bytes, is_read(kind) ? 0 : bytes);
		assert_int_equal(fake.group->stats.capsules, 1);
		assert_int_equal(fake.group->stats.reads, is_read(kind));
		assert_int_equal(fake.group->stats.writes, !is_read(kind));
		assert_int_equal(fake.group->stats.errors, fails);
		ends(&fake);
	}
}

static void what_is_completed_later_is_answered_later(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct nvme_ns_port *port;
		struct rdmat_request *request;
		struct fake fake;

		port = begin(&fake, fake_submit);
		comes(&fake, kind);
		assert_int_equal(port->in_flight, 1);
		assert_int_equal(fake.qp->outstanding, 1);
		assert_int_equal(fake_count(&fake, RDMAT_REQUEST_EXECUTING), 1);
		request = fake_io_request(0);
		assert_int_equal(request->arrival, 1);
		assert_int_equal(fake_holds(request) & ~RDMAT_HOLD_BACKEND,
				 is_read(kind)            ? RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN :
				 kind == WRITE_IN_CAPSULE ? RDMAT_HOLD_SLOT :
							    RDMAT_HOLD_BUFFERS);
		complete(fake_ios[0]);
		assert_int_equal(fake_count(&fake, RDMAT_REQUEST_EXECUTING), 1);
		turn(&fake);
		assert_int_equal(fake_count(&fake, RDMAT_REQUEST_RESPONDING), 1);
		assert_int_equal(port->in_flight, 0);
		ends(&fake);
	}
}

/* Also before submit() returns. */
static void what_another_thread_completes_comes_through_the_inbox(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct fake fake;

		begin(&fake, submit_elsewhere);
		comes(&fake, kind);
		assert_int_equal(fake_count(&fake, RDMAT_REQUEST_EXECUTING), 1);
		assert_int_equal(rdmat_group_inbox(fake.group), 1);
		assert_int_equal(fake_count(&fake, RDMAT_REQUEST_RESPONDING), 1);
		ends(&fake);
	}
}

/* Whatever a request was used for, its next command finds it as it should be. */
static void requests_are_used_again_in_any_order(void **state)
{
	static const uint8_t others[] = {NVME_OPC_FLUSH, NVME_OPC_VERIFY, 0x7e};
	struct fake fake;

	begin(&fake, fake_submit);
	for (unsigned i = 0; i < 16 * KINDS * KINDS; i++) {
		unsigned kind = i % KINDS, before = i / KINDS % KINDS,
			 other = i / KINDS / KINDS % 4;
		bool later = i / KINDS / KINDS / 4 & 1;

		fake_io_count = 0;
		fake.qp->nvme.view->port[0]->ns->ops.submit = later ? fake_submit : submit_at_once;
		comes(&fake, before);
		if (later) {
			complete(fake_ios[0]);
			turn(&fake);
		}
		turn(&fake);
		fake_complete(&fake);
		fake_io_count = 0;
		fake.qp->nvme.view->port[0]->ns->ops.submit = submit_at_once;
		if (other < 3) {
			fake_command_comes(&fake, others[other], 1, 2, 0, 8);
			turn(&fake);
			fake_complete(&fake);
		}
		comes(&fake, kind);
		turn(&fake);
		assert_int_equal(fake.posted_count, is_read(kind) ? 2 : 1);
		if (is_read(kind)) {
			assert_int_equal(fake.posted[0]->opcode, IBV_WR_RDMA_WRITE);
			assert_int_equal(fake.posted[0]->send_flags, 0);
			assert_int_equal(fake.posted[0]->num_sge, 1);
			assert_int_equal(fake.posted[0]->sg_list[0].length, bytes_of(kind));
			assert_true(fake.posted[0]->wr.rdma.remote_addr == FAKE_HOST_ADDR);
		}
		assert_int_equal(fake_last_status(&fake), 0);
		fake_complete(&fake);
		fake_expect_balance(&fake);
	}
	fake_fini(&fake);
}

/* The device takes the data and refuses the SEND: they are not linked any more. */
static void a_request_whose_response_was_parted_is_prepared_anew(void **state)
{
	struct rdmat_request *request;
	struct rdmat_class *class;
	struct fake fake;

	begin(&fake, submit_at_once);
	class = fake.qp->class;
	fake.post_fail_at = 1;
	fake_read_comes(&fake, 1, 8);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.qp->state, RDMAT_QP_DISCONNECTING);
	fake_complete(&fake);
	fake_reap(&fake);
	request = rdmat_request_prepare(class);
	assert_ptr_equal(&request->data_wr.wr, fake.posted[0]);
	assert_ptr_equal(request->data_wr.wr.next, &request->response_wr.wr);
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

enum { SEND_QUEUE, BUFFERS, REQUESTS, CHORES, THINGS };

/* What is in the way of a Read that comes: it waits as all commands do, and goes step by step. */
static void what_is_in_the_way_is_seen(void **state)
{
	static const char *const ways[] = {"RECEIVED-EXECUTING EXECUTING-WAIT_RESPOND ",
					   "RECEIVED-WAIT_RESOURCES ", "RECEIVED-EXECUTING ",
					   "RECEIVED-EXECUTING "};

	for (unsigned thing = 0; thing < THINGS; thing++) {
		struct pool_item *hog = NULL;
		struct fake fake;

		begin(&fake, submit_at_once);
		if (thing == SEND_QUEUE)
			fake.qp->sq_free = 1;
		if (thing == BUFFERS)
			hog = pool_take(fake.group->small,
					FAKE_SMALL - fake.qp->class->small_reserve, 0, &fake);
		if (thing == REQUESTS) {
			fake.qp->class->free = NULL;
			fake.qp->class->touched = 0;
		}
		fake.group->chores = thing == CHORES;
		fake_read_comes(&fake, 1, 8);
		wrasse_poll_group_poll(fake.group);
		told[0] = 0;
		wrasse_poll_group_moves(fake.group, UINT32_MAX, tell, NULL);
		assert_int_equal(strncmp(told, ways[thing], strlen(ways[thing])), 0);
		if (thing == SEND_QUEUE)
			fake.qp->sq_free += FAKE_SQ_DEPTH - 1;
		pool_give(fake.group->small, hog);
		fake_fini(&fake);
	}
}

/* RDMA READs are as many as there are credits, in the order of the Writes. */
static void writes_wait_for_credits_on_the_straight_way(void **state)
{
	struct fake fake;

	begin(&fake, submit_at_once);
	for (uint16_t i = 0; i < FAKE_READS + 3; i++)
		fake_command_comes(&fake, NVME_OPC_WRITE, 1, i, 8 * i, 8);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_FETCHING), FAKE_READS);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_FETCH), 3);
	assert_int_equal(fake.qp->reads_free, 0);
	turn(&fake);
	assert_int_equal(fake.posted_count, FAKE_READS);
	fake_complete(&fake);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_WAIT_FETCH), 0);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_FETCHING), 3);
	turn(&fake);
	fake_complete(&fake);
	turn(&fake);
	assert_int_equal(fake_io_count, FAKE_READS + 3);
	for (unsigned i = 0; i < FAKE_READS + 3; i++)
		assert_true(fake_ios[i]->offset == 8 * 512 * i);
	ends(&fake);
}

static void more_commands_than_the_depth_are_not_straight(void **state)
{
	struct fake fake;

	begin(&fake, submit_at_once);
	fake.qp->nvme.conn.depth = 2;
	fake.qp->nvme.view->port[0]->ns->ops.submit = fake_submit;
	fake_read_comes(&fake, 1, 8);
	fake_read_comes(&fake, 2, 8);
	assert_int_equal(fake.group->stats.hostile, 0);
	fake_read_comes(&fake, 3, 8);
	assert_int_equal(fake.group->stats.hostile, 1);
	assert_int_equal(fake_io_count, 2);
	complete(fake_ios[0]);
	complete(fake_ios[1]);
	wrasse_poll_group_poll(fake.group);
	fake_fini(&fake);
}

static void a_capsule_shorter_than_a_command_is_not_straight(void **state)
{
	struct rdmat_slot *slot;
	struct asked asked;
	struct fake fake;

	begin(&fake, submit_at_once);
	ask(&asked, &fake, NVME_OPC_READ, false);
	slot = fake_posted_slot(&fake);
	memcpy(slot->capsule, &asked.cmd, sizeof(asked.cmd));
	rdmat_straight_capsule(fake.qp, slot, sizeof(asked.cmd) - 1);
	assert_int_equal(fake.group->stats.hostile, 1);
	assert_int_equal(fake_io_count, 0);
	fake_fini(&fake);
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

/* In another slot than the one that is with the command before it. */
static void another_read_comes(struct fake *fake)
{
	struct rdmat_slot *slot = &fake->rx->slots[FAKE_SLOTS - 1];
	struct asked asked;

	ask(&asked, fake, NVME_OPC_READ, false);
	memcpy(slot->capsule, &asked.cmd, sizeof(asked.cmd));
	rdmat_straight_capsule(fake->qp, slot, sizeof(asked.cmd));
}

static struct fake *polled; /* by the backend, in the next submit(); or NULL */

static void submit_and_poll(struct wrasse_io *io)
{
	struct fake *fake = polled;

	polled = NULL;
	fake_submit(io);
	if (fake)
		another_read_comes(fake);
	complete(io);
}

/* As if it was another group's: only the thread has to be the same. */
static void a_backend_may_poll_another_group_in_submit(void **state)
{
	struct fake fake;

	begin(&fake, submit_and_poll);
	polled = &fake;
	fake_read_comes(&fake, 1, 8);
	assert_int_equal(fake_io_count, 2);
	assert_null(fake.group->local_done);
	assert_int_equal(fake_count(&fake, RDMAT_REQUEST_RESPONDING), 2);
	ends(&fake);
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
		cmocka_unit_test(only_reads_and_writes_without_flags_go_straight),
		cmocka_unit_test(only_commands_of_plain_namespaces_go_straight),
		cmocka_unit_test(the_straight_way_is_the_same_way),
		cmocka_unit_test(what_is_completed_in_submit_is_answered_at_once),
		cmocka_unit_test(what_is_completed_later_is_answered_later),
		cmocka_unit_test(what_another_thread_completes_comes_through_the_inbox),
		cmocka_unit_test(requests_are_used_again_in_any_order),
		cmocka_unit_test(a_request_whose_response_was_parted_is_prepared_anew),
		cmocka_unit_test(the_recorder_tells_where_a_request_stays),
		cmocka_unit_test(what_is_in_the_way_is_seen),
		cmocka_unit_test(writes_wait_for_credits_on_the_straight_way),
		cmocka_unit_test(more_commands_than_the_depth_are_not_straight),
		cmocka_unit_test(a_capsule_shorter_than_a_command_is_not_straight),
		cmocka_unit_test(a_command_of_several_ios_is_no_stack_of_calls),
		cmocka_unit_test(a_backend_may_poll_another_group_in_submit),
		cmocka_unit_test(a_backend_completes_once_in_submit),
	};

	return cmocka_run_group_tests_name("straight", tests, NULL, NULL);
}
