/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/fused.c: which commands can be half of a fused pair, what makes two of them a pair, how
 * the halves of a broken one are answered, and whose turn it is.
 */
#include "nvme_fixture.h"

#include "nvme/io.h"

#define FIELD  (0x02 | FX_DNR)
#define BLOCKS 1000

static struct nvme_queue *admin, *io;
static struct wrasse_namespace *ns;
static uint8_t data[1 << 20];

static int setup(void **state)
{
	fx_setup(state);
	admin = fx_ready();
	io = fx_io_queue(admin, 1);
	ns = fx_add_ns(fx_subsystem, 2, BLOCKS);
	fx_add_ns(fx_subsystem, 3, BLOCKS);
	return 0;
}

static int teardown(void **state)
{
	fx_queue_gone(io);
	fx_queue_gone(admin);
	return fx_teardown(state);
}

static struct nvme_cmd rw(uint8_t opcode, uint8_t fuse, uint64_t slba, uint32_t blocks)
{
	struct nvme_cmd cmd = fx_cmd(opcode, 2);

	cmd.flags |= fuse;
	nvme_put64(&cmd.rw.slba, slba);
	nvme_put16(&cmd.rw.nlb, (uint16_t)(blocks - 1));
	fx_data(&cmd, data, blocks << ns->block_shift);
	return cmd;
}

static bool parse(struct nvme_request *request, const struct nvme_cmd *cmd)
{
	request->queue = io;
	return nvme_request_parse(request, (const uint8_t *)cmd, sizeof(*cmd));
}

static uint16_t status_of(const struct nvme_request *request)
{
	struct fx_run run;

	fx_result(&run, request);
	return run.status;
}

static void only_compare_comes_first_and_only_write_second(void **state)
{
	static const uint8_t opcodes[] = {0x00, 0x01, 0x02, 0x04, 0x05, 0x08, 0x09, 0x0c};

	(void)state;
	ns->io_opcodes = UINT32_MAX;
	for (unsigned o = 0; o < sizeof(opcodes); o++) {
		for (uint8_t fuse = 1; fuse < 4; fuse++) {
			struct nvme_cmd cmd = rw(opcodes[o], fuse, 0, 1);
			bool good = (opcodes[o] == NVME_OPC_COMPARE && fuse == 1) ||
				    (opcodes[o] == NVME_OPC_WRITE && fuse == 2);
			struct nvme_request request;

			assert_int_equal(parse(&request, &cmd), good);
			assert_int_equal(status_of(&request), good ? 0 : FIELD);
			/* Which half it wants to be does not depend on that. */
			assert_int_equal(nvme_request_half(&request), fuse == 1 ? NVME_HALF_FIRST :
								      fuse == 2 ? NVME_HALF_SECOND :
										  NVME_HALF_NONE);
		}
	}
}

static void other_queues_have_no_halves(void **state)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, 0);
	struct nvme_cmd fabrics = fx_fabrics(NVME_FCTYPE_DISCONNECT);
	struct nvme_request request = {.queue = admin};

	(void)state;
	cmd.flags |= NVME_FUSE_FIRST;
	nvme_request_parse(&request, (const uint8_t *)&cmd, 64);
	assert_int_equal(nvme_request_half(&request), NVME_HALF_NONE);
	fabrics.flags |= NVME_FUSE_SECOND;
	parse(&request, &fabrics);
	assert_int_equal(nvme_request_half(&request), NVME_HALF_NONE);
}

/* Changes one half of a pair that is good. */
struct change {
	void (*change)(struct nvme_cmd *first, struct nvme_cmd *second);
	uint16_t first, second; /* statuses */
};

static void nothing(struct nvme_cmd *first, struct nvme_cmd *second)
{
}

static void other_slba(struct nvme_cmd *first, struct nvme_cmd *second)
{
	nvme_put64(&second->rw.slba, 8);
}

static void other_nlb(struct nvme_cmd *first, struct nvme_cmd *second)
{
	nvme_put16(&first->rw.nlb, 0);
	fx_data(first, data, 512);
}

static void other_nsid(struct nvme_cmd *first, struct nvme_cmd *second)
{
	nvme_put32(&second->nsid, 3);
}

static void first_bad(struct nvme_cmd *first, struct nvme_cmd *second)
{
	nvme_put64(&first->rw.slba, BLOCKS);
}

static void second_bad(struct nvme_cmd *first, struct nvme_cmd *second)
{
	fx_data(second, data, 1);
}

static void both_bad(struct nvme_cmd *first, struct nvme_cmd *second)
{
	first_bad(first, second);
	second_bad(first, second);
}

static void too_long(struct nvme_cmd *first, struct nvme_cmd *second)
{
	*first = rw(NVME_OPC_COMPARE, NVME_FUSE_FIRST, 7, 17);
	*second = rw(NVME_OPC_WRITE, NVME_FUSE_SECOND, 7, 17);
}

static void as_long_as_can_be(struct nvme_cmd *first, struct nvme_cmd *second)
{
	*first = rw(NVME_OPC_COMPARE, NVME_FUSE_FIRST, 7, 16);
	*second = rw(NVME_OPC_WRITE, NVME_FUSE_SECOND, 7, 16);
}

static void halves_of_a_broken_pair_are_both_refused(void **state)
{
	static const struct change changes[] = {
		{nothing, 0, 0},
		{as_long_as_can_be, 0, 0},
		{other_slba, FIELD, FIELD},
		{other_nlb, FIELD, FIELD},
		{other_nsid, FIELD, FIELD},
		{too_long, FIELD, FIELD},
		{first_bad, 0x80 | FX_DNR, 0x09},
		{second_bad, 0x09, 0x0f | FX_DNR},
		{both_bad, 0x80 | FX_DNR, 0x0f | FX_DNR},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct nvme_cmd cmds[2] = {rw(NVME_OPC_COMPARE, NVME_FUSE_FIRST, 7, 2),
					   rw(NVME_OPC_WRITE, NVME_FUSE_SECOND, 7, 2)};
		struct nvme_request first, second;

		changes[i].change(&cmds[0], &cmds[1]);
		parse(&first, &cmds[0]);
		parse(&second, &cmds[1]);
		assert_int_equal(nvme_pair_check(&first, &second), changes[i].first == 0);
		assert_int_equal(status_of(&first), changes[i].first);
		assert_int_equal(status_of(&second), changes[i].second);
	}
}

static void half_that_was_refused_keeps_its_status(void **state)
{
	struct nvme_cmd good = rw(NVME_OPC_COMPARE, NVME_FUSE_FIRST, 0, 1);
	struct nvme_cmd bad = rw(NVME_OPC_COMPARE, NVME_FUSE_FIRST, BLOCKS, 1);
	static const struct {
		void (*act)(struct nvme_request *request);
		uint16_t status;
	} cases[] = {
		{nvme_half_miss, 0x0a | FX_DNR}, {nvme_half_fail, 0x09}, {nvme_half_reject, 0x21}};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct nvme_request request;

		parse(&request, &good);
		cases[i].act(&request);
		assert_int_equal(status_of(&request), cases[i].status);
		parse(&request, &bad);
		cases[i].act(&request);
		assert_int_equal(status_of(&request), 0x80 | FX_DNR);
	}
}

static void one_pair_has_the_turn_of_a_namespace(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_COMPARE, NVME_FUSE_FIRST, 0, 1);
	struct nvme_cmd elsewhere = cmd;
	struct nvme_request a, b, c, second = {0};

	(void)state;
	nvme_put32(&elsewhere.nsid, 3);
	parse(&a, &cmd);
	parse(&b, &cmd);
	parse(&c, &elsewhere);
	assert_true(nvme_turn_take(&a));
	assert_false(nvme_turn_take(&b));
	assert_null(b.turn);
	assert_true(nvme_turn_take(&c));
	nvme_turn_give(&c);
	nvme_turn_pass(&a, &second);
	assert_null(a.turn);
	assert_ptr_equal(second.turn, ns);
	assert_false(nvme_turn_take(&b));
	nvme_turn_give(&second);
	assert_null(second.turn);
	assert_true(nvme_turn_take(&b));
	nvme_turn_give(&b);
	/* Of a namespace that has gone: executing it will tell. */
	fx_subsystem->view[1]->port[1] = NULL;
	assert_true(nvme_turn_take(&a));
	assert_null(a.turn);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_compare_comes_first_and_only_write_second),
		TEST(other_queues_have_no_halves),
		TEST(halves_of_a_broken_pair_are_both_refused),
		TEST(half_that_was_refused_keeps_its_status),
		TEST(one_pair_has_the_turn_of_a_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
