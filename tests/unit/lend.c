/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that backends lend: src/nvme/lend.c, src/transport/memory.c and resources.c. What is lent carries
 * the data, and goes back once, when nobody uses it any more, whatever becomes of the command.
 */
#include "fake_io.h"

#include <errno.h>
#include <string.h>

#include "transport/flow.h"
#include "transport/listener.h"
#include "transport/memory.h"
#include "transport/pause.h"

#define LENT_LEN (64u << 10)

static struct wrasse_subsystem *subsystem;
static struct wrasse_namespace *ns;
static struct wrasse_memory *memory;
static _Alignas(4096) uint8_t bytes[LENT_LEN];

/* What the backend lends. */
static struct iovec pieces[WRASSE_MAX_PIECES + 1];
static uint32_t piece_count;
static struct wrasse_memory *from;
static unsigned maps, unmaps;
static struct wrasse_io *mapped;

static uint32_t map(struct wrasse_io *io, struct iovec *iov, struct wrasse_memory **out)
{
	maps++;
	mapped = io;
	memcpy(iov, pieces,
	       (piece_count > WRASSE_MAX_PIECES ? WRASSE_MAX_PIECES : piece_count) * sizeof(*iov));
	*out = from;
	return piece_count;
}

static void unmap(struct wrasse_io *io)
{
	assert_ptr_equal(io, mapped);
	unmaps++;
}

static const struct wrasse_backend_ops ops = {
	.size = sizeof(ops), .submit = fake_submit, .map = map, .unmap = unmap};

static void lends(uint32_t count, uint32_t len)
{
	piece_count = count;
	for (uint32_t i = 0; i < count; i++)
		pieces[i] = (struct iovec){bytes + i * 8192u, len};
}

static int add(const struct wrasse_backend_ops *with, struct wrasse_namespace **made)
{
	struct wrasse_ns_opts opts;
	const char *why;

	wrasse_ns_opts_init(&opts);
	opts.block_count = 4096;
	opts.ops = with;
	return nvme_ns_create(subsystem, &opts, made, &why);
}

/* A namespace whose backend lends, of memory that the fixture's device knows. */
static void begin(struct fake *fake)
{
	static struct wrasse_listener listener;
	struct wrasse_subsystem_opts opts;
	const char *why;

	fake_init(fake);
	fake->rdmat.listeners = &listener;
	fake->rdmat.opts.max_poll_groups = 1;
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = "nqn.2026-01.org.example:sub";
	assert_int_equal(nvme_subsystem_create(fake->rdmat.registry, &opts, &subsystem, &why), 0);
	assert_true(add(&ops, &ns) > 0);
	fake_ctrl_set(fake, subsystem, subsystem->ana_groups);
	strcpy(fake_ctrl.hostnqn, "nqn.2026-01.org.example:host");
	fake->qp->nvme.view = subsystem->view[0];
	rdmat_group_sync(fake->group);
	assert_int_equal(rdmat_memory_create(&fake->rdmat, bytes, sizeof(bytes), &memory), 0);
	memory->slab.lkey[fake->device.index] = 0x77;
	atomic_store(&memory->ready, 1u << fake->device.index);
	from = memory;
	lends(1, 4096);
	maps = unmaps = 0;
	/* What can goes straight. */
	rdmat_class_touch(fake->qp->class);
	fake->group->chores = false;
}

static void end(struct fake *fake)
{
	fake_expect_balance(fake);
	assert_int_equal(ns->port[0].in_flight, 0);
	assert_int_equal(atomic_load(&memory->uses[0].out), 0);
	assert_int_equal(wrasse_memory_destroy(memory), 0);
	fake_fini(fake);
}

static void comes(struct fake *fake, uint8_t opcode, uint32_t blocks)
{
	fake_command_comes(fake, opcode, 1, 7, 0, blocks);
}

static void fetch(struct fake *fake)
{
	rdmat_sendq_post(fake->qp);
	fake_complete(fake);
}

/* ---- what is lent ---- */

static void a_read_goes_to_the_host_from_where_it_is(void **state)
{
	const struct ibv_send_wr *wr;
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_READ, 8);
	assert_int_equal(fake_io_count, 1);
	assert_ptr_equal(fake_ios[0]->memory, memory);
	assert_int_equal(fake_ios[0]->iov_count, 1);
	assert_ptr_equal(fake_ios[0]->iov[0].iov_base, bytes);
	assert_int_equal(pool_free_count(fake.group->small), FAKE_SMALL);
	assert_int_equal(fake.group->stats.lent, 1);
	fake_io_ends(0, wrasse_status_ok());
	rdmat_sendq_post(fake.qp);
	wr = fake.posted[0];
	assert_int_equal(wr->opcode, IBV_WR_RDMA_WRITE);
	assert_true(wr->sg_list[0].addr == (uintptr_t)bytes);
	assert_int_equal(wr->sg_list[0].length, 4096);
	assert_int_equal(wr->sg_list[0].lkey, 0x77);
	/* The hardware has it. */
	assert_int_equal(unmaps, 0);
	assert_int_equal(wrasse_memory_destroy(memory), -EBUSY);
	fake_complete(&fake);
	assert_int_equal(unmaps, 1);
	end(&fake);
}

static void what_lies_in_pieces_goes_in_pieces(void **state)
{
	struct fake fake;

	begin(&fake);
	lends(8, 512);
	comes(&fake, NVME_OPC_READ, 8);
	assert_int_equal(fake_ios[0]->iov_count, 8);
	fake_io_ends(0, wrasse_status_ok());
	fetch(&fake);
	/* That they are too many for the straight way is known when they are lent. */
	assert_int_equal(maps, 2);
	assert_int_equal(unmaps, 2);
	end(&fake);
}

/* Two pieces are what a request's own WR has room for; the next command is not in pieces. */
static void what_lies_in_two_pieces_goes_straight(void **state)
{
	struct fake fake;

	begin(&fake);
	for (unsigned i = 0; i < 4; i++) {
		unsigned count = i % 2 ? 0 : 2;

		lends(count, 2048);
		comes(&fake, NVME_OPC_READ, 8);
		assert_int_equal(maps, i + 1);
		fake_io_ends(i, wrasse_status_ok());
		rdmat_sendq_post(fake.qp);
		assert_int_equal(fake.posted[0]->num_sge, count ? 2 : 1);
		assert_int_equal(fake.posted[0]->sg_list[0].length, count ? 2048 : 4096);
		fake_complete(&fake);
		if (pool_link_is_on_list(&fake.qp->dirty_link))
			pool_list_del(&fake.qp->dirty_link);
	}
	assert_int_equal(unmaps, 2);
	end(&fake);
}

static void a_write_is_fetched_to_what_is_lent(void **state)
{
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_WRITE, 8);
	assert_int_equal(fake_io_count, 0);
	rdmat_sendq_post(fake.qp);
	assert_int_equal(fake.posted[0]->opcode, IBV_WR_RDMA_READ);
	assert_true(fake.posted[0]->sg_list[0].addr == (uintptr_t)bytes);
	fake_complete(&fake);
	assert_int_equal(fake_io_count, 1);
	assert_int_equal(fake_ios[0]->opcode, WRASSE_IO_WRITE);
	assert_ptr_equal(fake_ios[0]->memory, memory);
	assert_int_equal(unmaps, 0);
	fake_io_ends(0, wrasse_status_ok());
	fetch(&fake);
	assert_int_equal(unmaps, 1);
	end(&fake);
}

static void data_goes_through_buffers(struct fake *fake)
{
	comes(fake, NVME_OPC_READ, 8);
	assert_int_equal(fake_io_count, 1);
	assert_null(fake_ios[0]->memory);
	assert_int_equal(pool_free_count(fake->group->small), FAKE_SMALL - 1);
	assert_int_equal(fake->group->stats.lent, 0);
	assert_int_equal(maps, unmaps);
	fake_io_ends(0, wrasse_status_ok());
	fetch(fake);
}

static void memory_that_the_device_does_not_know_is_not_used(void **state)
{
	struct fake fake;

	begin(&fake);
	atomic_store(&memory->ready, 0);
	data_goes_through_buffers(&fake);
	assert_int_equal(maps, 1);
	end(&fake);
}

static void a_backend_that_lends_nothing_gets_buffers(void **state)
{
	struct fake fake;

	begin(&fake);
	lends(0, 0);
	comes(&fake, NVME_OPC_READ, 8);
	assert_null(fake_ios[0]->memory);
	assert_int_equal(unmaps, 0);
	fake_io_ends(0, wrasse_status_ok());
	fetch(&fake);
	end(&fake);
}

/* Its host would be told the key of all of the memory. */
static void on_iwarp_only_reads_are_lent_to(void **state)
{
	struct fake fake;

	begin(&fake);
	fake.device.iwarp = true;
	comes(&fake, NVME_OPC_WRITE, 8);
	fetch(&fake);
	assert_int_equal(maps, 0);
	fake_io_ends(0, wrasse_status_ok());
	fetch(&fake);
	comes(&fake, NVME_OPC_READ, 8);
	assert_int_equal(maps, 1);
	fake_io_ends(1, wrasse_status_ok());
	fetch(&fake);
	fake.device.iwarp = false;
	end(&fake);
}

static void other_commands_are_not_lent_to(void **state)
{
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_VERIFY, 8);
	fake_io_ends(0, wrasse_status_ok());
	fetch(&fake);
	comes(&fake, NVME_OPC_COMPARE, 8);
	fetch(&fake);
	fake_io_ends(1, wrasse_status_make(0, WRASSE_SC_ABORTED, false));
	fetch(&fake);
	assert_int_equal(fake_io_count, 2);
	assert_int_equal(maps, 0);
	end(&fake);
}

/* ---- what becomes of it ---- */

static void who_waits_for_wrs_holds_nothing_that_is_lent(void **state)
{
	static int other;
	struct pool_item *wrs;
	struct fake fake;

	begin(&fake);
	fake.qp->max_sge = 2;
	lends(8, 512);
	wrs = pool_take(fake.group->wr_pool, FAKE_WRS - 4, 0, &other);
	comes(&fake, NVME_OPC_READ, 8);
	assert_int_equal(fake_io_count, 0);
	assert_int_equal(maps, 2);
	assert_int_equal(unmaps, 2);
	assert_int_equal(ns->port[0].in_flight, 0);
	pool_give(fake.group->wr_pool, wrs);
	rdmat_flow_resume(fake.group);
	assert_int_equal(maps, 3);
	assert_int_equal(fake_io_count, 1);
	fake_io_ends(0, wrasse_status_ok());
	fetch(&fake);
	assert_int_equal(unmaps, 3);
	end(&fake);
}

static void a_pause_is_not_complete_while_the_hardware_has_what_is_lent(void **state)
{
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_READ, 8);
	ns->pause.on = true;
	rdmat_group_sync(fake.group);
	fake_io_ends(0, wrasse_status_ok());
	rdmat_sendq_post(fake.qp);
	assert_false(atomic_load(&ns->port[0].quiet));
	fake_complete(&fake);
	assert_true(atomic_load(&ns->port[0].quiet));
	ns->pause.on = false;
	rdmat_group_sync(fake.group);
	end(&fake);
}

static void a_fetch_that_lands_in_a_pause_is_made_anew_in_other_memory(void **state)
{
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_WRITE, 8);
	rdmat_sendq_post(fake.qp);
	ns->pause.on = true;
	rdmat_group_sync(fake.group);
	assert_false(atomic_load(&ns->port[0].quiet));
	fake_complete(&fake);
	assert_int_equal(unmaps, 1);
	assert_true(atomic_load(&ns->port[0].quiet));
	assert_int_equal(fake_io_count, 0);
	pieces[0].iov_base = bytes + 4096;
	ns->pause.on = false;
	rdmat_group_sync(fake.group);
	assert_int_equal(maps, 2);
	fetch(&fake);
	assert_ptr_equal(fake_ios[0]->iov[0].iov_base, bytes + 4096);
	fake_io_ends(0, wrasse_status_ok());
	fetch(&fake);
	end(&fake);
}

static void what_was_fetched_for_a_namespace_that_is_gone_is_not_written(void **state)
{
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_WRITE, 8);
	rdmat_sendq_post(fake.qp);
	subsystem->view[0]->port[0] = NULL;
	fake_complete(&fake);
	assert_int_equal(fake_io_count, 0);
	fetch(&fake);
	assert_int_equal(unmaps, 1);
	subsystem->view[0]->port[0] = &ns->port[0];
	end(&fake);
}

/* Its number is another's now. What was lent is not that one's. */
static void what_was_fetched_for_a_namespace_that_was_replaced_is_not_written(void **state)
{
	struct wrasse_namespace *other;
	struct fake fake;

	begin(&fake);
	assert_true(add(&ops, &other) > 0);
	rdmat_group_sync(fake.group);
	comes(&fake, NVME_OPC_WRITE, 8);
	rdmat_sendq_post(fake.qp);
	subsystem->view[0]->port[0] = &other->port[0];
	fake_complete(&fake);
	assert_int_equal(fake_io_count, 0);
	fetch(&fake);
	assert_int_equal(unmaps, 1);
	subsystem->view[0]->port[0] = &ns->port[0];
	end(&fake);
}

static void a_lost_connection_gives_back_what_is_lent_when_the_hardware_has_let_go(void **state)
{
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_WRITE, 8);
	rdmat_sendq_post(fake.qp);
	rdmat_qp_disconnect(fake.qp, "a test");
	assert_int_equal(unmaps, 0);
	fake_reap(&fake);
	assert_int_equal(unmaps, 1);
	assert_int_equal(ns->port[0].in_flight, 0);
	assert_int_equal(wrasse_memory_destroy(memory), 0);
	fake_fini(&fake);
}

static struct wrasse_holder noted;

static void note(void *ctx, const struct wrasse_holder *holder)
{
	noted = *holder;
}

static void the_ledger_tells_of_it(void **state)
{
	struct fake fake;

	begin(&fake);
	comes(&fake, NVME_OPC_READ, 8);
	assert_int_equal(wrasse_poll_group_ledger(fake.group, note, NULL), 1);
	assert_true(noted.lent);
	assert_int_equal(noted.small_buffers, 0);
	fake_io_ends(0, wrasse_status_ok());
	rdmat_sendq_post(fake.qp);
	assert_int_equal(wrasse_poll_group_ledger(fake.group, note, NULL), 1);
	assert_true(noted.lent);
	assert_false(noted.backend);
	fake_complete(&fake);
	end(&fake);
}

/* ---- what cannot be ---- */

static void the_read_goes_on(void *arg)
{
	struct fake *fake = arg;

	rdmat_flow_resume(fake->group);
}

static void senseless_loans_stop_the_program(void **state)
{
	struct wrasse_memory elsewhere = {.rdmat = NULL};
	struct pool_item *small;
	static int other;
	struct fake fake;

	/* It waits for buffers. */
	begin(&fake);
	lends(0, 0);
	small = pool_take(fake.group->small, FAKE_SMALL, 0, &other);
	comes(&fake, NVME_OPC_READ, 8);
	assert_int_equal(fake_io_count, 0);
	lends(1, 4096);
	pieces[0].iov_base = bytes + LENT_LEN - 2048;
	assert_dies(the_read_goes_on, &fake, "outside its memory");
	pieces[0].iov_base = (void *)((uintptr_t)bytes - 1);
	assert_dies(the_read_goes_on, &fake, "outside its memory");
	lends(1, 4095);
	assert_dies(the_read_goes_on, &fake, "lent 4095 bytes for an I/O of 4096");
	lends(2, 4096);
	assert_dies(the_read_goes_on, &fake, "lent 8192 bytes for an I/O of 4096");
	lends(8, 512);
	pieces[3].iov_len = 0;
	assert_dies(the_read_goes_on, &fake, "outside its memory");
	lends(1, 4096);
	piece_count = WRASSE_MAX_PIECES + 1;
	assert_dies(the_read_goes_on, &fake, "lent 9 pieces");
	lends(1, 4096);
	from = NULL;
	assert_dies(the_read_goes_on, &fake, "of memory (nil)");
	from = &elsewhere;
	assert_dies(the_read_goes_on, &fake, "memory of another target");
	lends(0, 0);
	pool_give(fake.group->small, small);
	rdmat_flow_resume(fake.group);
	fake_io_ends(0, wrasse_status_ok());
	fetch(&fake);
	end(&fake);
}

static void map_without_unmap_is_refused(void **state)
{
	static const struct wrasse_backend_ops half[2] = {
		{.size = sizeof(half[0]), .submit = fake_submit, .map = map},
		{.size = sizeof(half[0]), .submit = fake_submit, .unmap = unmap}};
	struct fake fake;

	begin(&fake);
	assert_int_equal(add(&half[0], NULL), -EINVAL);
	assert_int_equal(add(&half[1], NULL), -EINVAL);
	end(&fake);
}

/* ---- the memory itself ---- */

static void memory_is_made_of_whole_pages(void **state)
{
	struct wrasse_memory *made;
	struct fake fake;

	begin(&fake);
	assert_int_equal(rdmat_memory_create(&fake.rdmat, NULL, 4096, &made), -EINVAL);
	assert_int_equal(rdmat_memory_create(&fake.rdmat, bytes + 64, 4096, &made), -EINVAL);
	assert_int_equal(rdmat_memory_create(&fake.rdmat, bytes, 0, &made), -EINVAL);
	assert_int_equal(wrasse_memory_destroy(NULL), 0);
	end(&fake);
}

static void memory_is_registered_with_every_device_by_the_targets_thread(void **state)
{
	struct wrasse_memory *made;
	struct fake fake;

	begin(&fake);
	fake.rdmat.devices = &fake.device;
	rdmat_memories_register(&fake.rdmat);
	assert_int_equal(rdmat_memory_create(&fake.rdmat, bytes, 4096, &made), 0);
	assert_false(rdmat_memory_is_ready(made, fake.device.index));
	assert_int_equal(rdmat_memories_register(&fake.rdmat), 1);
	assert_true(rdmat_memory_is_ready(made, fake.device.index));
	assert_int_equal(made->slab.lkey[fake.device.index], 0x55);
	assert_int_equal(rdmat_memories_register(&fake.rdmat), 0);
	rdmat_memories_leave(&fake.rdmat, &fake.device);
	assert_false(rdmat_memory_is_ready(made, fake.device.index));
	assert_null(made->slab.region[fake.device.index]);
	assert_int_equal(wrasse_memory_destroy(made), 0);
	fake.rdmat.devices = NULL;
	end(&fake);
}

static void a_device_that_refuses_it_is_asked_once(void **state)
{
	struct wrasse_memory *made;
	struct fake fake;

	begin(&fake);
	fake.rdmat.devices = &fake.device;
	rdmat_memories_register(&fake.rdmat);
	assert_int_equal(rdmat_memory_create(&fake.rdmat, bytes, 4096, &made), 0);
	fake.fails = "ibv_reg_mr";
	assert_int_equal(rdmat_memories_register(&fake.rdmat), 1);
	assert_false(rdmat_memory_is_ready(made, fake.device.index));
	atomic_store(&fake.rdmat.memories_changed, true);
	assert_int_equal(rdmat_memories_register(&fake.rdmat), 0);
	assert_int_equal(wrasse_memory_destroy(made), 0);
	rdmat_memories_leave(&fake.rdmat, &fake.device);
	fake.rdmat.devices = NULL;
	end(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_goes_to_the_host_from_where_it_is),
		cmocka_unit_test(what_lies_in_pieces_goes_in_pieces),
		cmocka_unit_test(what_lies_in_two_pieces_goes_straight),
		cmocka_unit_test(a_write_is_fetched_to_what_is_lent),
		cmocka_unit_test(memory_that_the_device_does_not_know_is_not_used),
		cmocka_unit_test(a_backend_that_lends_nothing_gets_buffers),
		cmocka_unit_test(on_iwarp_only_reads_are_lent_to),
		cmocka_unit_test(other_commands_are_not_lent_to),
		cmocka_unit_test(who_waits_for_wrs_holds_nothing_that_is_lent),
		cmocka_unit_test(a_pause_is_not_complete_while_the_hardware_has_what_is_lent),
		cmocka_unit_test(a_fetch_that_lands_in_a_pause_is_made_anew_in_other_memory),
		cmocka_unit_test(what_was_fetched_for_a_namespace_that_is_gone_is_not_written),
		cmocka_unit_test(what_was_fetched_for_a_namespace_that_was_replaced_is_not_written),
		cmocka_unit_test(
			a_lost_connection_gives_back_what_is_lent_when_the_hardware_has_let_go),
		cmocka_unit_test(the_ledger_tells_of_it),
		cmocka_unit_test(senseless_loans_stop_the_program),
		cmocka_unit_test(map_without_unmap_is_refused),
		cmocka_unit_test(memory_is_made_of_whole_pages),
		cmocka_unit_test(memory_is_registered_with_every_device_by_the_targets_thread),
		cmocka_unit_test(a_device_that_refuses_it_is_asked_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
