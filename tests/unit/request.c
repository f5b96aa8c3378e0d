/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/request.c: the state machine and the books. Whatever happens to a request, what it
 * took is in the pools again when it is free.
 */
#include "fake_verbs.h"
#include "transport/resources.h"

#include <stdbool.h>
#include <string.h>

#define STATES RDMAT_REQUEST_STATE_COUNT

/* The moves that the design allows, written down a second time, in other words. */
static const struct {
	enum rdmat_request_state from, to;
} legal_moves[] = {
	{RDMAT_REQUEST_FREE, RDMAT_REQUEST_RECEIVED},
	{RDMAT_REQUEST_RECEIVED, RDMAT_REQUEST_WAIT_RESUME},
	{RDMAT_REQUEST_RECEIVED, RDMAT_REQUEST_WAIT_PAIR},
	{RDMAT_REQUEST_RECEIVED, RDMAT_REQUEST_WAIT_RESOURCES},
	{RDMAT_REQUEST_RECEIVED, RDMAT_REQUEST_WAIT_FETCH},
	{RDMAT_REQUEST_RECEIVED, RDMAT_REQUEST_EXECUTING},
	{RDMAT_REQUEST_RECEIVED, RDMAT_REQUEST_WAIT_RESPOND},
	{RDMAT_REQUEST_RECEIVED, RDMAT_REQUEST_RESPONDING},
	{RDMAT_REQUEST_RECEIVED, RDMAT_REQUEST_FLUSHING},
	{RDMAT_REQUEST_WAIT_RESUME, RDMAT_REQUEST_WAIT_RESOURCES},
	{RDMAT_REQUEST_WAIT_RESUME, RDMAT_REQUEST_WAIT_FETCH},
	{RDMAT_REQUEST_WAIT_RESUME, RDMAT_REQUEST_EXECUTING},
	{RDMAT_REQUEST_WAIT_RESUME, RDMAT_REQUEST_WAIT_RESPOND},
	{RDMAT_REQUEST_WAIT_RESUME, RDMAT_REQUEST_RESPONDING},
	{RDMAT_REQUEST_WAIT_RESUME, RDMAT_REQUEST_FLUSHING},
	{RDMAT_REQUEST_WAIT_RESOURCES, RDMAT_REQUEST_WAIT_RESUME},
	{RDMAT_REQUEST_WAIT_PAIR, RDMAT_REQUEST_WAIT_RESOURCES},
	{RDMAT_REQUEST_WAIT_PAIR, RDMAT_REQUEST_WAIT_FETCH},
	{RDMAT_REQUEST_WAIT_PAIR, RDMAT_REQUEST_WAIT_TURN},
	{RDMAT_REQUEST_WAIT_PAIR, RDMAT_REQUEST_WAIT_RESPOND},
	{RDMAT_REQUEST_WAIT_PAIR, RDMAT_REQUEST_RESPONDING},
	{RDMAT_REQUEST_WAIT_PAIR, RDMAT_REQUEST_FLUSHING},
	{RDMAT_REQUEST_WAIT_RESOURCES, RDMAT_REQUEST_WAIT_FETCH},
	{RDMAT_REQUEST_WAIT_RESOURCES, RDMAT_REQUEST_WAIT_TURN},
	{RDMAT_REQUEST_WAIT_RESOURCES, RDMAT_REQUEST_EXECUTING},
	{RDMAT_REQUEST_WAIT_RESOURCES, RDMAT_REQUEST_WAIT_RESPOND},
	{RDMAT_REQUEST_WAIT_RESOURCES, RDMAT_REQUEST_RESPONDING},
	{RDMAT_REQUEST_WAIT_RESOURCES, RDMAT_REQUEST_FLUSHING},
	{RDMAT_REQUEST_WAIT_FETCH, RDMAT_REQUEST_WAIT_RESUME},
	{RDMAT_REQUEST_WAIT_FETCH, RDMAT_REQUEST_FETCHING},
	{RDMAT_REQUEST_WAIT_FETCH, RDMAT_REQUEST_WAIT_RESPOND},
	{RDMAT_REQUEST_WAIT_FETCH, RDMAT_REQUEST_RESPONDING},
	{RDMAT_REQUEST_WAIT_FETCH, RDMAT_REQUEST_FLUSHING},
	{RDMAT_REQUEST_FETCHING, RDMAT_REQUEST_WAIT_RESUME},
	{RDMAT_REQUEST_FETCHING, RDMAT_REQUEST_WAIT_TURN},
	{RDMAT_REQUEST_FETCHING, RDMAT_REQUEST_EXECUTING},
	{RDMAT_REQUEST_FETCHING, RDMAT_REQUEST_WAIT_RESPOND},
	{RDMAT_REQUEST_FETCHING, RDMAT_REQUEST_RESPONDING},
	{RDMAT_REQUEST_FETCHING, RDMAT_REQUEST_FLUSHING},
	{RDMAT_REQUEST_WAIT_TURN, RDMAT_REQUEST_EXECUTING},
	{RDMAT_REQUEST_WAIT_TURN, RDMAT_REQUEST_WAIT_RESPOND},
	{RDMAT_REQUEST_WAIT_TURN, RDMAT_REQUEST_RESPONDING},
	{RDMAT_REQUEST_WAIT_TURN, RDMAT_REQUEST_FLUSHING},
	{RDMAT_REQUEST_EXECUTING, RDMAT_REQUEST_WAIT_RESUME},
	{RDMAT_REQUEST_EXECUTING, RDMAT_REQUEST_WAIT_RESPOND},
	{RDMAT_REQUEST_EXECUTING, RDMAT_REQUEST_RESPONDING},
	{RDMAT_REQUEST_EXECUTING, RDMAT_REQUEST_FLUSHING},
	{RDMAT_REQUEST_WAIT_RESPOND, RDMAT_REQUEST_RESPONDING},
	{RDMAT_REQUEST_WAIT_RESPOND, RDMAT_REQUEST_FLUSHING},
	{RDMAT_REQUEST_RESPONDING, RDMAT_REQUEST_FREE},
	{RDMAT_REQUEST_RESPONDING, RDMAT_REQUEST_OVERDUE},
	{RDMAT_REQUEST_RESPONDING, RDMAT_REQUEST_FLUSHING},
	{RDMAT_REQUEST_OVERDUE, RDMAT_REQUEST_FREE},
	{RDMAT_REQUEST_OVERDUE, RDMAT_REQUEST_FLUSHING},
	{RDMAT_REQUEST_FLUSHING, RDMAT_REQUEST_FREE},
};

static bool is_legal(unsigned from, unsigned to)
{
	for (size_t i = 0; i < sizeof(legal_moves) / sizeof(legal_moves[0]); i++)
		if (legal_moves[i].from == from && legal_moves[i].to == to)
			return true;
	return false;
}

/* Commands of every shape. */
enum shape {
	NO_DATA,
	IN_CAPSULE,
	FETCH_EMBEDDED, /* the request's own WR serves */
	FETCH_CHAIN,
	FETCH_LARGE,
	READ_EMBEDDED,
	READ_CHAIN,
	READ_FAILED, /* the answer carries no data */
	SCRATCH,     /* no data, but memory of its own */
	SCRATCH_IN_CAPSULE,
	SCRATCH_FETCH,
	SHAPES
};

static void shape_set(struct rdmat_request *request, enum shape shape)
{
	switch (shape) {
	case NO_DATA:
		break;
	case IN_CAPSULE:
		request->nvme.data = (struct nvme_data){
			.xfer = NVME_XFER_H2C, .len = 512, .in_capsule = true, .icd_off = 64};
		break;
	case FETCH_EMBEDDED:
		fake_data(request, NVME_XFER_H2C, 1, 4096);
		break;
	case FETCH_CHAIN:
		fake_data(request, NVME_XFER_H2C, 4, 10000);
		break;
	case FETCH_LARGE:
		fake_data(request, NVME_XFER_H2C, 2, 262144);
		break;
	case READ_EMBEDDED:
		fake_data(request, NVME_XFER_C2H, 1, 8192);
		break;
	case READ_CHAIN:
	case READ_FAILED:
		fake_data(request, NVME_XFER_C2H, 16, 4096);
		break;
	case SCRATCH:
		request->nvme.data = (struct nvme_data){.scratch_len = NVME_SCRATCH_MAX};
		break;
	case SCRATCH_IN_CAPSULE:
		request->nvme.data = (struct nvme_data){.xfer = NVME_XFER_H2C,
							.len = 512,
							.in_capsule = true,
							.icd_off = 64,
							.scratch_len = 512};
		break;
	case SCRATCH_FETCH:
		fake_data(request, NVME_XFER_H2C, 4, 10000);
		request->nvme.data.scratch_len = 40000;
		break;
	default:
		fail();
	}
}

/* Moves on one step as the library's own code would: resources are taken where it takes them. */
static void step(struct rdmat_request *request, enum rdmat_request_state to, enum shape shape)
{
	if ((to == RDMAT_REQUEST_WAIT_FETCH || to == RDMAT_REQUEST_WAIT_TURN ||
	     to == RDMAT_REQUEST_EXECUTING) &&
	    !request->first && !request->scratch &&
	    request->state <= RDMAT_REQUEST_WAIT_RESOURCES &&
	    rdmat_request_needs_resources(request))
		assert_true(rdmat_request_take_resources(request));
	if ((RDMAT_TO_ANSWER & 1u << to) && request->state != RDMAT_REQUEST_WAIT_RESPOND)
		request->with_data = request->nvme.data.xfer == NVME_XFER_C2H && request->first &&
				     shape != READ_FAILED;
	rdmat_request_move(request, to);
}

struct path {
	enum rdmat_request_state state[2 * STATES + 1];
	unsigned len;
};

static unsigned visits(const struct path *path, unsigned state)
{
	unsigned count = 0;

	for (unsigned i = 0; i < path->len; i++)
		count += path->state[i] == state;
	return count;
}

/* Every way from FREE to FREE that waits for a resume at most once, or the first way to @stop. Return: how
 * many ways there were. */
static unsigned walk(struct path *path, unsigned stop, void (*each)(const struct path *path))
{
	unsigned from = path->state[path->len - 1], count = 0;

	for (unsigned to = 0; to < STATES; to++) {
		if (!(rdmat_request_states[from].successors & 1u << to))
			continue;
		if (to != stop &&
		    visits(path, to) == (each && to != RDMAT_REQUEST_WAIT_RESUME ? 2 : 1))
			continue;
		assert_true(path->len <= 2 * STATES);
		path->state[path->len++] = to;
		if (to == stop) {
			count++;
			if (!each)
				return count;
			each(path);
		} else if (to != RDMAT_REQUEST_FREE) {
			count += walk(path, stop, each);
			if (count && !each)
				return count;
		}
		path->len--;
	}
	return count;
}

static struct rdmat_request *request_in(struct fake *fake, unsigned state, enum shape shape)
{
	struct path path = {.state = {RDMAT_REQUEST_FREE, RDMAT_REQUEST_RECEIVED}, .len = 2};
	struct rdmat_request *request = fake_request(fake);

	shape_set(request, shape);
	if (state == RDMAT_REQUEST_RECEIVED)
		return request;
	assert_int_equal(walk(&path, state, NULL), 1);
	for (unsigned i = 2; i < path.len; i++)
		step(request, path.state[i], shape);
	assert_int_equal(request->state, state);
	return request;
}

/* ---- the table ---- */

struct move {
	unsigned from, to;
};

static void move_act(void *arg)
{
	const struct move *move = arg;
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	request = request_in(&fake, move->from, NO_DATA);
	rdmat_request_move(request, move->to);
}

static void only_the_tables_moves_are_legal(void **state)
{
	unsigned legal = 0;

	for (unsigned from = 0; from < STATES; from++)
		for (unsigned to = 0; to < STATES; to++) {
			struct move move = {from, to};
			char message[128];
			struct fake fake;

			assert_int_equal(is_legal(from, to),
					 rdmat_request_states[from].successors >> to & 1);
			snprintf(message, sizeof(message), "a request cannot go from %s to %s",
				 rdmat_request_states[from].name, rdmat_request_states[to].name);
			if (from == RDMAT_REQUEST_FREE && to == RDMAT_REQUEST_RECEIVED)
				continue; /* rdmat_request_take() */
			if (!is_legal(from, to)) {
				assert_dies(move_act, &move, message);
				continue;
			}
			fake_init(&fake);
			rdmat_request_move(request_in(&fake, from, NO_DATA), to);
			fake_fini(&fake);
			legal++;
		}
	assert_int_equal(legal + 1, sizeof(legal_moves) / sizeof(legal_moves[0]));
}

static void no_state_is_a_dead_end(void **state)
{
	for (unsigned s = 0; s < STATES; s++) {
		assert_non_null(rdmat_request_states[s].name);
		assert_true(rdmat_request_states[s].successors != 0);
		if (s != RDMAT_REQUEST_FREE && s != RDMAT_REQUEST_FLUSHING)
			assert_true(rdmat_request_states[s].successors & RDMAT_TO(FLUSHING));
	}
}

/* ---- what is held ---- */

static void a_move_leaves_nothing_that_the_states_row_does_not_hold(void **state)
{
	for (unsigned from = RDMAT_REQUEST_RECEIVED; from < STATES; from++)
		for (unsigned to = 0; to < STATES; to++)
			for (unsigned shape = 0; shape < SHAPES && is_legal(from, to); shape++) {
				struct rdmat_request *request;
				struct fake fake;

				fake_init(&fake);
				request = request_in(&fake, from, shape);
				/* The most that it could have at this point. */
				if (from == RDMAT_REQUEST_RECEIVED &&
				    rdmat_request_needs_resources(request))
					assert_true(rdmat_request_take_resources(request));
				step(request, to, shape);
				assert_int_equal(
					fake_holds(request) & ~rdmat_request_states[to].holds, 0);
				if (rdmat_request_has_list(to))
					assert_ptr_equal(pool_list_last(&fake.qp->lists[to]),
							 &request->link);
				fake_fini(&fake);
			}
}

static void what_is_needed_later_is_kept(void **state)
{
	static const struct {
		enum shape shape;
		enum rdmat_request_state in;
		uint32_t holds;
	} cases[] = {
		{IN_CAPSULE, RDMAT_REQUEST_EXECUTING, RDMAT_HOLD_SLOT},
		{NO_DATA, RDMAT_REQUEST_EXECUTING, 0},
		{NO_DATA, RDMAT_REQUEST_WAIT_RESOURCES, 0},
		{IN_CAPSULE, RDMAT_REQUEST_WAIT_RESUME, RDMAT_HOLD_SLOT},
		{FETCH_CHAIN, RDMAT_REQUEST_WAIT_RESUME, 0},
		{FETCH_CHAIN, RDMAT_REQUEST_WAIT_FETCH, RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN},
		{FETCH_CHAIN, RDMAT_REQUEST_FETCHING, RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN},
		{FETCH_CHAIN, RDMAT_REQUEST_EXECUTING, RDMAT_HOLD_BUFFERS},
		{FETCH_EMBEDDED, RDMAT_REQUEST_EXECUTING, RDMAT_HOLD_BUFFERS},
		{FETCH_CHAIN, RDMAT_REQUEST_WAIT_RESPOND, 0},
		{READ_CHAIN, RDMAT_REQUEST_EXECUTING, RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN},
		{READ_CHAIN, RDMAT_REQUEST_RESPONDING, RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN},
		{READ_EMBEDDED, RDMAT_REQUEST_RESPONDING, RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN},
		{READ_FAILED, RDMAT_REQUEST_WAIT_RESPOND, 0},
		{SCRATCH, RDMAT_REQUEST_EXECUTING, RDMAT_HOLD_BUFFERS},
		{SCRATCH, RDMAT_REQUEST_WAIT_RESPOND, 0},
		{SCRATCH_IN_CAPSULE, RDMAT_REQUEST_WAIT_RESOURCES, RDMAT_HOLD_SLOT},
		{SCRATCH_IN_CAPSULE, RDMAT_REQUEST_EXECUTING, RDMAT_HOLD_SLOT | RDMAT_HOLD_BUFFERS},
		{SCRATCH_FETCH, RDMAT_REQUEST_EXECUTING, RDMAT_HOLD_BUFFERS},
		{FETCH_CHAIN, RDMAT_REQUEST_WAIT_PAIR, 0},
		{IN_CAPSULE, RDMAT_REQUEST_WAIT_PAIR, RDMAT_HOLD_SLOT},
		{FETCH_CHAIN, RDMAT_REQUEST_WAIT_TURN, RDMAT_HOLD_BUFFERS},
		{SCRATCH_IN_CAPSULE, RDMAT_REQUEST_WAIT_TURN, RDMAT_HOLD_SLOT | RDMAT_HOLD_BUFFERS},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rdmat_request *request;
		struct fake fake;

		fake_init(&fake);
		request = fake_request(&fake);
		shape_set(request, cases[i].shape);
		if (cases[i].in == RDMAT_REQUEST_WAIT_TURN)
			step(request, RDMAT_REQUEST_WAIT_PAIR, cases[i].shape);
		if (cases[i].in == RDMAT_REQUEST_WAIT_RESOURCES ||
		    cases[i].in == RDMAT_REQUEST_WAIT_RESUME ||
		    cases[i].in == RDMAT_REQUEST_WAIT_PAIR) {
			step(request, cases[i].in, cases[i].shape);
		} else if (request->nvme.data.xfer == NVME_XFER_H2C &&
			   !request->nvme.data.in_capsule &&
			   rdmat_request_needs_resources(request)) {
			step(request, RDMAT_REQUEST_WAIT_FETCH, cases[i].shape);
			if (cases[i].in > RDMAT_REQUEST_WAIT_FETCH)
				step(request, RDMAT_REQUEST_FETCHING, cases[i].shape);
			if (cases[i].in == RDMAT_REQUEST_WAIT_TURN)
				step(request, RDMAT_REQUEST_WAIT_TURN, cases[i].shape);
			else if (cases[i].in > RDMAT_REQUEST_FETCHING)
				step(request, RDMAT_REQUEST_EXECUTING, cases[i].shape);
		} else if (cases[i].in == RDMAT_REQUEST_WAIT_TURN) {
			step(request, RDMAT_REQUEST_WAIT_TURN, cases[i].shape);
		} else {
			step(request, RDMAT_REQUEST_EXECUTING, cases[i].shape);
		}
		if (cases[i].in >= RDMAT_REQUEST_WAIT_RESPOND)
			step(request, RDMAT_REQUEST_WAIT_RESPOND, cases[i].shape);
		if (cases[i].in >= RDMAT_REQUEST_RESPONDING)
			step(request, RDMAT_REQUEST_RESPONDING, cases[i].shape);
		assert_int_equal(request->state, cases[i].in);
		assert_int_equal(fake_holds(request), cases[i].holds);
		fake_fini(&fake);
	}
}

/* ---- every path ---- */

static unsigned paths_walked;

static void path_walk(const struct path *path)
{
	for (unsigned shape = 0; shape < SHAPES; shape++) {
		struct rdmat_request *request;
		struct fake fake;

		fake_init(&fake);
		for (unsigned round = 0; round < 3; round++) {
			request = fake_request(&fake);
			shape_set(request, shape);
			for (unsigned i = 2; i < path->len; i++)
				step(request, path->state[i], shape);
			assert_int_equal(request->state, RDMAT_REQUEST_FREE);
			assert_null(request->qp);
			fake_expect_balance(&fake);
		}
		fake_fini(&fake);
		paths_walked++;
	}
}

static void every_path_back_to_free_gives_everything_back(void **state)
{
	struct path path = {.state = {RDMAT_REQUEST_FREE}, .len = 1};

	paths_walked = 0;
	assert_true(walk(&path, RDMAT_REQUEST_FREE, path_walk) > 20);
	assert_true(paths_walked > 20 * SHAPES);
}

/* ---- what cannot be let go of ---- */

enum busy {
	BUSY_BACKEND,
	BUSY_SQ_EXECUTING,
	BUSY_READS_RESPONDING,
	BUSY_SQ_FREE,
	BUSY_FLUSHING_SQ,
	BUSY_FLUSHING_BACKEND,
};

static void busy_act(void *arg)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	switch (*(enum busy *)arg) {
	case BUSY_BACKEND:
		request = request_in(&fake, RDMAT_REQUEST_EXECUTING, NO_DATA);
		request->backend = request->io_out = true;
		rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESPOND);
		break;
	case BUSY_SQ_EXECUTING:
		request = request_in(&fake, RDMAT_REQUEST_FETCHING, FETCH_CHAIN);
		request->sq_out = 1;
		rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
		break;
	case BUSY_READS_RESPONDING:
		request = request_in(&fake, RDMAT_REQUEST_WAIT_RESPOND, NO_DATA);
		request->sq_out = 1;
		request->reads_out = 1;
		rdmat_request_move(request, RDMAT_REQUEST_RESPONDING);
		break;
	case BUSY_SQ_FREE:
		request = request_in(&fake, RDMAT_REQUEST_RESPONDING, NO_DATA);
		request->sq_out = 1;
		rdmat_request_move(request, RDMAT_REQUEST_FREE);
		break;
	case BUSY_FLUSHING_SQ:
		request = request_in(&fake, RDMAT_REQUEST_FLUSHING, NO_DATA);
		request->sq_out = 1;
		rdmat_request_move(request, RDMAT_REQUEST_FREE);
		break;
	case BUSY_FLUSHING_BACKEND:
		request = request_in(&fake, RDMAT_REQUEST_FLUSHING, NO_DATA);
		request->backend = request->io_out = true;
		rdmat_request_move(request, RDMAT_REQUEST_FREE);
		break;
	}
}

static void what_hardware_or_backend_has_is_never_let_go_of(void **state)
{
	static const char *const messages[] = {
		"that the backend has cannot move on", "1 WRs in the hardware cannot let go",
		"1 RDMA READs in the hardware",        "1 WRs in the hardware cannot let go",
		"1 WRs in the hardware cannot let go", "that the backend has cannot move on",
	};

	for (enum busy busy = BUSY_BACKEND; busy <= BUSY_FLUSHING_BACKEND; busy++)
		assert_dies(busy_act, &busy, messages[busy]);
}

static void a_flushing_request_leaves_only_when_nobody_has_anything_of_it(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	request = request_in(&fake, RDMAT_REQUEST_FLUSHING, READ_CHAIN);
	request->backend = request->io_out = true;
	assert_false(rdmat_request_settle(request));
	request->backend = false;
	request->sq_out = 1;
	assert_false(rdmat_request_settle(request));
	assert_int_equal(request->state, RDMAT_REQUEST_FLUSHING);
	request->sq_out = 0;
	assert_true(rdmat_request_settle(request));
	assert_int_equal(request->state, RDMAT_REQUEST_FREE);
	assert_false(rdmat_request_settle(request));
	fake_expect_balance(&fake);
	fake_fini(&fake);
}

/* ---- the failed transfer ---- */

/* The chain is posted up to WR number @posted; then the queue pair fails. */
static void chain_fails_at(enum nvme_xfer xfer, unsigned posted)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	request = fake_request(&fake);
	fake_data(request, xfer, 8, 8192);
	assert_true(rdmat_request_take_resources(request));
	assert_int_equal(request->chain_count, 8);
	assert_int_equal(pool_free_count(fake.group->wr_pool), FAKE_WRS - 8);
	fake.qp->sq_free = posted;
	fake.qp->reads_free = posted;
	if (xfer == NVME_XFER_H2C) {
		rdmat_request_move(request, RDMAT_REQUEST_WAIT_FETCH);
	} else {
		rdmat_request_move(request, RDMAT_REQUEST_EXECUTING);
		request->with_data = true;
		rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESPOND);
	}
	rdmat_sendq_fill(fake.qp);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted_count, posted);
	rdmat_qp_disconnect(fake.qp, "a test");
	if (posted) {
		assert_int_equal(request->state, RDMAT_REQUEST_FLUSHING);
		assert_int_equal(pool_free_count(fake.group->wr_pool), FAKE_WRS - 8);
		assert_int_equal(request->sq_out, posted);
		rdmat_sendq_retire_all(fake.qp);
	}
	assert_int_equal(request->state, RDMAT_REQUEST_FREE);
	assert_int_equal(pool_free_count(fake.group->wr_pool), FAKE_WRS);
	fake_fini(&fake);
}

static void failed_request_gives_back_its_whole_chain_posted_or_not(void **state)
{
	for (unsigned posted = 0; posted <= 8; posted++) {
		chain_fails_at(NVME_XFER_H2C, posted);
		chain_fails_at(NVME_XFER_C2H, posted);
	}
}

/* ---- taking ---- */

static void resources_are_taken_all_or_not_at_all(void **state)
{
	static int other;
	struct wrasse_poll_group *group;
	struct rdmat_request *request;
	struct pool_item *hog;
	struct fake fake;

	fake_init(&fake);
	group = fake.group;
	request = fake_request(&fake);
	fake_data(request, NVME_XFER_C2H, 8, 8192);

	/* One WR too few: the reserve for admin commands is not for it. */
	hog = pool_take(group->wr_pool, FAKE_WRS - fake.qp->class->wr_reserve - 7, 0, &other);
	assert_false(fake_take_small(request));
	assert_int_equal(fake_holds(request), RDMAT_HOLD_SLOT);
	assert_null(request->cursor);
	assert_int_equal(request->chain_count, 0);
	assert_int_equal(pool_free_count(group->small), FAKE_SMALL);
	pool_give(group->wr_pool, hog);

	/* One buffer too few. */
	hog = pool_take(group->small, FAKE_SMALL - fake.qp->class->small_reserve - 7, 0, &other);
	assert_false(fake_take_small(request));
	assert_int_equal(fake_holds(request), RDMAT_HOLD_SLOT);
	assert_int_equal(pool_free_count(group->wr_pool), FAKE_WRS);
	pool_give(group->small, hog);

	/* Exactly enough of both. */
	hog = pool_take(group->small, FAKE_SMALL - fake.qp->class->small_reserve - 8, 0, &other);
	assert_true(fake_take_small(request));
	assert_int_equal(request->chain_count, 8);
	assert_int_equal(request->nvme.iov_count, 8);
	pool_give(group->small, hog);
	fake_fini(&fake);
}

static void scratch_is_one_buffer_taken_with_the_rest(void **state)
{
	static const uint32_t lens[] = {512, 8192, 8193, NVME_SCRATCH_MAX};
	static int other;
	struct wrasse_poll_group *group;
	struct rdmat_request *request;
	struct wrasse_holder holder;
	struct pool_item *hog;
	struct fake fake;

	for (unsigned i = 0; i < 4; i++) {
		bool small = lens[i] <= RDMAT_SMALL_LEN;

		fake_init(&fake);
		group = fake.group;
		request = fake_request(&fake);
		fake_data(request, NVME_XFER_H2C, 4, 10000);
		request->nvme.data.scratch_len = lens[i];
		assert_true(rdmat_request_take_resources(request));
		assert_ptr_equal(request->nvme.scratch.iov_base, request->scratch->payload);
		assert_int_equal(request->nvme.scratch.iov_len,
				 small ? RDMAT_SMALL_LEN : RDMAT_LARGE_LEN);
		rdmat_request_describe(request, 0, &holder);
		assert_int_equal(holder.small_buffers, small ? 1 : 0);
		assert_int_equal(holder.large_buffers, small ? 1 : 2);
		fake_fini(&fake);
	}

	/* Without the scratch nothing is taken; nor is the scratch without the rest. */
	fake_init(&fake);
	group = fake.group;
	request = fake_request(&fake);
	fake_data(request, NVME_XFER_H2C, 4, 10000);
	request->nvme.data.scratch_len = NVME_SCRATCH_MAX;
	hog = pool_take(group->large, FAKE_LARGE, 0, &other);
	assert_false(rdmat_request_take_resources(request));
	assert_int_equal(pool_free_count(group->small), FAKE_SMALL);
	pool_give(group->large, hog);
	hog = pool_take(group->wr_pool, FAKE_WRS, 0, &other);
	assert_false(rdmat_request_take_resources(request));
	assert_int_equal(fake_holds(request), RDMAT_HOLD_SLOT);
	assert_int_equal(pool_free_count(group->small), FAKE_SMALL);
	assert_int_equal(pool_free_count(group->large), FAKE_LARGE);
	pool_give(group->wr_pool, hog);
	fake_fini(&fake);
}

static void a_pair_takes_what_both_halves_need_or_nothing(void **state)
{
	static int other;
	struct wrasse_poll_group *group;
	struct rdmat_request *first, *second;
	struct pool_item *hog;
	struct fake fake;

	for (uint32_t missing = 0; missing <= 2; missing++) {
		fake_init(&fake);
		group = fake.group;
		first = fake_request(&fake);
		second = fake_request(&fake);
		fake_data(first, NVME_XFER_H2C, 4, 2048);
		fake_data(second, NVME_XFER_H2C, 4, 2048);
		first->nvme.data.scratch_len = 8192;
		hog = pool_take(group->small,
				FAKE_SMALL - fake.qp->class->small_reserve - 3 + missing, 0,
				&other);
		assert_int_equal(rdmat_request_take_pair(first, second), missing == 0);
		if (missing) {
			assert_int_equal(fake_holds(first), RDMAT_HOLD_SLOT);
			assert_int_equal(fake_holds(second), RDMAT_HOLD_SLOT);
			assert_int_equal(pool_free_count(group->wr_pool), FAKE_WRS);
		}
		pool_give(group->small, hog);
		fake_fini(&fake);
	}
}

static void the_common_command_takes_no_wr_of_the_pool(void **state)
{
	static const uint32_t lens[] = {512, 8192, 16384, 65536, 131072};
	struct rdmat_request *request;
	struct fake fake;

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		fake_init(&fake);
		request = fake_request(&fake);
		fake_data(request, NVME_XFER_C2H, 1, lens[i]);
		assert_true(rdmat_request_take_resources(request));
		assert_null(request->chain);
		assert_ptr_equal(request->first, &request->data_wr);
		assert_int_equal(request->data_wr.wr.num_sge, 1);
		assert_int_equal(pool_free_count(fake.group->wr_pool), FAKE_WRS);
		fake_fini(&fake);
	}

	/* Of two buffers neither. */
	fake_init(&fake);
	request = fake_request(&fake);
	fake_data(request, NVME_XFER_C2H, 1, 16384);
	assert_true(fake_take_small(request));
	assert_null(request->chain);
	assert_ptr_equal(request->first, &request->data_wr);
	assert_int_equal(request->data_wr.wr.num_sge, 2);
	assert_int_equal(pool_free_count(fake.group->wr_pool), FAKE_WRS);
	assert_int_equal(pool_free_count(fake.group->small), FAKE_SMALL - 2);
	fake_fini(&fake);
}

/* How many buffers some data takes while so many large ones are free. */
static void expect_buffers(uint32_t len, uint32_t large_free, uint32_t small, uint32_t large)
{
	static int other;
	struct rdmat_request *request;
	struct wrasse_holder holder;
	struct pool_item *hog;
	struct fake fake;

	fake_init(&fake);
	request = fake_request(&fake);
	hog = pool_take(fake.group->large, FAKE_LARGE - large_free, 0, &other);
	fake_data(request, NVME_XFER_C2H, 1, len);
	assert_true(rdmat_request_take_resources(request));
	rdmat_request_describe(request, 0, &holder);
	assert_int_equal(holder.small_buffers, small);
	assert_int_equal(holder.large_buffers, large);
	pool_give(fake.group->large, hog);
	fake_fini(&fake);
}

static void a_large_buffer_is_for_what_fits_into_small_ones_while_half_are_free(void **state)
{
	expect_buffers(8192, FAKE_LARGE - 1, 1, 0);
	expect_buffers(8193, FAKE_LARGE / 2 + 1, 0, 1);
	expect_buffers(65536, FAKE_LARGE / 2 + 1, 0, 1);
	expect_buffers(8193, FAKE_LARGE / 2, 2, 0);
	expect_buffers(65536, FAKE_LARGE / 2, 8, 0);
	expect_buffers(65536, 0, 8, 0);
	expect_buffers(65537, 1, 0, 1);
}

static void expect_cover(uint32_t len, bool many)
{
	static int other;
	uint32_t piece = len <= 8192 || (len <= 65536 && !many) ? RDMAT_SMALL_LEN : RDMAT_LARGE_LEN;
	struct rdmat_request *request;
	struct pool_item *hog = NULL;
	struct fake fake;
	size_t sum = 0;

	fake_init(&fake);
	request = fake_request(&fake);
	if (!many)
		hog = pool_take(fake.group->large, FAKE_LARGE / 2, 0, &other);
	fake_data(request, NVME_XFER_H2C, 1, len);
	assert_true(rdmat_request_take_resources(request));
	for (uint32_t v = 0; v < request->nvme.iov_count; v++) {
		assert_in_range(request->iov[v].iov_len, 1, piece);
		sum += request->iov[v].iov_len;
	}
	assert_int_equal(sum, len);
	assert_int_equal(request->nvme.iov_count, (len + piece - 1) / piece);
	assert_int_equal(request->first->wr.opcode, IBV_WR_RDMA_READ);
	assert_int_equal(request->first->wr.sg_list[0].lkey,
			 piece == RDMAT_SMALL_LEN ? 0x51 : 0x1a);
	pool_give(fake.group->large, hog);
	fake_fini(&fake);
}

static void buffers_cover_exactly_the_data(void **state)
{
	static const uint32_t lens[] = {1,       4096,          8191,   8192,   8193,
					65535,   65536,         65537,  131072, 131073,
					1 << 19, (1 << 20) - 1, 1 << 20};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		expect_cover(lens[i], true);
		expect_cover(lens[i], false);
	}
}

/* A Flush would hand them to the backend. */
static void the_next_command_has_no_buffers_of_the_one_before(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	request = fake_request(&fake);
	fake_data(request, NVME_XFER_H2C, 1, 512);
	assert_true(rdmat_request_take_resources(request));
	assert_int_equal(request->nvme.iov_count, 1);
	rdmat_request_move(request, RDMAT_REQUEST_FLUSHING);
	rdmat_request_move(request, RDMAT_REQUEST_FREE);
	assert_ptr_equal(fake_request(&fake), request);
	assert_null(request->nvme.iov);
	assert_int_equal(request->nvme.iov_count, 0);
	fake_fini(&fake);
}

/* ---- the class ---- */

static void a_held_request_is_counted_while_the_controller_keeps_it(void **state)
{
	struct rdmat_request *request;
	struct fake fake;

	fake_init(&fake);
	request = request_in(&fake, RDMAT_REQUEST_EXECUTING, NO_DATA);
	request->held = true;
	fake.qp->held++;
	rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESPOND);
	assert_int_equal(fake.qp->held, 0);
	assert_false(request->held);
	fake_fini(&fake);
}

static void take_without_a_free_one(void *arg)
{
	struct fake fake;

	fake_init(&fake);
	for (unsigned i = 0; i <= FAKE_REQUESTS; i++)
		rdmat_request_take(fake.qp, NULL);
}

static void class_end_with_a_request_out(void *arg)
{
	struct fake fake;

	fake_init(&fake);
	fake_request(&fake);
	rdmat_class_fini(fake.qp->class);
}

static void requests_that_are_out_or_not_there_stop_the_program(void **state)
{
	assert_dies(take_without_a_free_one, NULL, "a command is begun and no request is free");
	assert_dies(class_end_with_a_request_out, NULL, "I/O requests: freed with 15 of 16 free");
}

/* A sixteenth of each: Connect and Keep Alive never starve behind I/O. */
static void the_last_wrs_and_small_buffers_are_for_admin_commands(void **state)
{
	static int other;
	struct rdmat_request *request, *admin_request;
	struct pool_item *wrs, *small;
	struct rdmat_qp *admin;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	admin = fake_connect(&fake, 0, 4);
	assert_non_null(admin);
	admin->max_sge = 2;
	rdmat_rx_taken(&admin->rx->slots[0]);
	admin_request = rdmat_request_take(admin, &admin->rx->slots[0]);
	request = fake_request(&fake);
	wrs = pool_take(fake.group->wr_pool, FAKE_WRS - 4, 0, &other);
	fake_data(request, NVME_XFER_C2H, 4, 1024);
	fake_data(admin_request, NVME_XFER_C2H, 4, 1024);
	assert_false(rdmat_request_take_resources(request));
	assert_true(rdmat_request_take_resources(admin_request));
	rdmat_request_move(admin_request, RDMAT_REQUEST_FLUSHING);
	assert_true(rdmat_request_settle(admin_request));
	pool_give(fake.group->wr_pool, wrs);

	rdmat_rx_post(admin->rx);
	rdmat_rx_taken(&admin->rx->slots[0]);
	admin_request = rdmat_request_take(admin, &admin->rx->slots[0]);
	small = pool_take(fake.group->small, FAKE_SMALL - 1, 0, &other);
	fake_data(admin_request, NVME_XFER_C2H, 1, 1024);
	fake_data(request, NVME_XFER_C2H, 1, 1024);
	assert_false(rdmat_request_take_resources(request));
	assert_true(rdmat_request_take_resources(admin_request));
	pool_give(fake.group->small, small);
	fake_end(&fake, admin);
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_tables_moves_are_legal),
		cmocka_unit_test(no_state_is_a_dead_end),
		cmocka_unit_test(a_move_leaves_nothing_that_the_states_row_does_not_hold),
		cmocka_unit_test(what_is_needed_later_is_kept),
		cmocka_unit_test(every_path_back_to_free_gives_everything_back),
		cmocka_unit_test(what_hardware_or_backend_has_is_never_let_go_of),
		cmocka_unit_test(a_flushing_request_leaves_only_when_nobody_has_anything_of_it),
		cmocka_unit_test(failed_request_gives_back_its_whole_chain_posted_or_not),
		cmocka_unit_test(resources_are_taken_all_or_not_at_all),
		cmocka_unit_test(the_common_command_takes_no_wr_of_the_pool),
		cmocka_unit_test(scratch_is_one_buffer_taken_with_the_rest),
		cmocka_unit_test(a_pair_takes_what_both_halves_need_or_nothing),
		cmocka_unit_test(
			a_large_buffer_is_for_what_fits_into_small_ones_while_half_are_free),
		cmocka_unit_test(buffers_cover_exactly_the_data),
		cmocka_unit_test(the_next_command_has_no_buffers_of_the_one_before),
		cmocka_unit_test(a_held_request_is_counted_while_the_controller_keeps_it),
		cmocka_unit_test(requests_that_are_out_or_not_there_stop_the_program),
		cmocka_unit_test(the_last_wrs_and_small_buffers_are_for_admin_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
