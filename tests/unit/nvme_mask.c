/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/mask.c and the size of namespaces: who sees a namespace, what it is for everybody else,
 * and what hosts are told.
 */
#include <errno.h>

#include "nvme_fixture.h"

#define OTHER_HOST "nqn.2026-01.org.example:other-host"

static uint8_t page[NVME_PAGE_LEN];

static uint32_t entry(unsigned index)
{
	return page[4 * index] | (uint32_t)page[4 * index + 1] << 8;
}

static struct nvme_queue *ready_as(const char *hostnqn, uint16_t qid, uint16_t cntlid)
{
	struct nvme_queue *queue = fx_queue_of(qid, 32, qid ? 1 : 0);
	struct nvme_connect_data data = fx_connect_data(cntlid);
	struct nvme_cmd cmd = fx_connect_cmd(qid, &data);

	strcpy(data.hostnqn, hostnqn);
	assert_int_equal(fx_run(queue, &cmd).status, 0);
	if (qid == 0)
		fx_write_cc(queue, FX_CC_ENABLE);
	return queue;
}

static uint16_t identify(struct nvme_queue *admin, uint8_t cns, uint32_t nsid)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, nsid);

	nvme_put32(&cmd.cdw10, cns);
	fx_data(&cmd, page, sizeof(page));
	return fx_run(admin, &cmd).status;
}

static uint16_t read_status(struct nvme_queue *io, uint32_t nsid, uint64_t slba, uint16_t nlb)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_READ, nsid);
	struct nvme_request request;
	struct fx_run run;

	nvme_put64(&cmd.rw.slba, slba);
	nvme_put16(&cmd.rw.nlb, nlb);
	fx_data(&cmd, page, (nlb + 1u) * 512);
	run = fx_run_request(&request, io, (const uint8_t *)&cmd, sizeof(cmd));
	if (run.next != NVME_SUBMIT)
		return run.status;
	nvme_request_complete_io(&request, wrasse_status_ok());
	return 0;
}

static void changed_list_is(struct nvme_queue *admin, uint32_t first, uint32_t second)
{
	struct nvme_actions actions = {0};

	nvme_ctrl_sync(admin, &actions);
	assert_int_equal(fx_log(admin, NVME_LID_CHANGED_NS, page, sizeof(page), 0).status, 0);
	assert_int_equal(entry(0), first);
	assert_int_equal(entry(1), second);
}

/* ---- masks ---- */

static void restricted_namespace_is_not_there_for_other_hosts(void **state)
{
	struct wrasse_namespace *ns = fx_add_ns_with(fx_subsystem, 2, 1000, 1, true);
	struct nvme_queue *admin, *io;

	fx_add_ns(fx_subsystem, 1, 1000);
	fx_add_ns(fx_subsystem, 3, 1000);
	assert_int_equal(nvme_ns_allow_host(ns, OTHER_HOST), 0);
	admin = fx_ready();
	io = fx_io_queue(admin, 1);
	assert_int_equal(identify(admin, NVME_CNS_NS_LIST, 0), 0);
	assert_int_equal(entry(0), 1);
	assert_int_equal(entry(1), 3);
	assert_int_equal(identify(admin, NVME_CNS_NS, 2), 0);
	for (unsigned i = 0; i < sizeof(page); i++)
		assert_int_equal(page[i], 0);
	assert_int_equal(identify(admin, NVME_CNS_NS_DESCS, 2), 0x0b | FX_DNR);
	assert_int_equal(read_status(io, 2, 0, 0), 0x0b | FX_DNR);
	assert_int_equal(read_status(io, 3, 0, 0), 0);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void controllers_of_a_namespace_are_those_that_see_it(void **state)
{
	struct wrasse_namespace *ns = fx_add_ns_with(fx_subsystem, 2, 1000, 1, true);
	struct nvme_queue *admin = fx_ready(), *other = ready_as(OTHER_HOST, 0, 0xffff);

	assert_int_equal(nvme_ns_allow_host(ns, OTHER_HOST), 0);
	assert_int_equal(identify(other, NVME_CNS_NS_CTRLS, 2), 0);
	assert_int_equal(page[0], 1);
	assert_int_equal(page[2], nvme_queue_cntlid(other));
	assert_int_equal(identify(admin, NVME_CNS_NS_CTRLS, 2), 0);
	assert_int_equal(page[0], 0);
	assert_int_equal(identify(admin, NVME_CNS_CTRLS, 0), 0);
	assert_int_equal(page[0], 2);
	fx_queue_gone(admin);
	fx_queue_gone(other);
}

static void named_host_sees_it_before_and_after_it_connects(void **state)
{
	struct wrasse_namespace *ns = fx_add_ns_with(fx_subsystem, 70, 1000, 1, true);
	struct nvme_queue *other, *late, *io, *late_io;

	other = ready_as(OTHER_HOST, 0, 0xffff);
	io = ready_as(OTHER_HOST, 1, nvme_queue_cntlid(other));
	assert_int_equal(read_status(io, 70, 0, 0), 0x0b | FX_DNR);
	assert_int_equal(nvme_ns_allow_host(ns, OTHER_HOST), 0);
	assert_int_equal(read_status(io, 70, 0, 0), 0);
	late = ready_as(OTHER_HOST, 0, 0xffff);
	late_io = ready_as(OTHER_HOST, 1, nvme_queue_cntlid(late));
	assert_int_equal(read_status(late_io, 70, 0, 0), 0);
	assert_int_equal(nvme_ns_disallow_host(ns, OTHER_HOST), 0);
	assert_int_equal(read_status(io, 70, 0, 0), 0x0b | FX_DNR);
	assert_int_equal(read_status(late_io, 70, 0, 0), 0x0b | FX_DNR);
	fx_queue_gone(io);
	fx_queue_gone(late_io);
	fx_queue_gone(other);
	fx_queue_gone(late);
}

static void mask_changes_are_told_to_their_host_only(void **state)
{
	struct wrasse_namespace *ns = fx_add_ns_with(fx_subsystem, 5, 1000, 1, true);
	struct nvme_queue *admin = fx_ready(), *other = ready_as(OTHER_HOST, 0, 0xffff);

	changed_list_is(other, 0, 0);
	assert_int_equal(nvme_ns_allow_host(ns, OTHER_HOST), 0);
	changed_list_is(other, 5, 0);
	changed_list_is(other, 0, 0);
	changed_list_is(admin, 0, 0);
	assert_int_equal(nvme_ns_disallow_host(ns, OTHER_HOST), 0);
	changed_list_is(other, 5, 0);
	changed_list_is(admin, 0, 0);
	fx_queue_gone(admin);
	fx_queue_gone(other);
}

static void next_namespace_with_the_id_is_hidden_again(void **state)
{
	struct wrasse_namespace *ns = fx_add_ns_with(fx_subsystem, 5, 1000, 1, true);
	struct nvme_queue *admin, *io;

	assert_int_equal(nvme_ns_allow_host(ns, FX_HOSTNQN), 0);
	admin = fx_ready();
	io = fx_io_queue(admin, 1);
	assert_int_equal(read_status(io, 5, 0, 0), 0);
	nvme_ns_remove(ns);
	for (unsigned group = 0; group < FX_GROUPS; group++)
		fx_subsystem->view[group]->port[4] = NULL;
	nvme_ns_free(ns);
	fx_add_ns_with(fx_subsystem, 5, 1000, 1, true);
	assert_int_equal(read_status(io, 5, 0, 0), 0x0b | FX_DNR);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void hosts_of_a_namespace_are_checked(void **state)
{
	struct wrasse_namespace *ns = fx_add_ns_with(fx_subsystem, 5, 1000, 1, true);
	struct wrasse_namespace *open = fx_add_ns(fx_subsystem, 6, 1000);

	assert_int_equal(nvme_ns_allow_host(open, FX_HOSTNQN), -EINVAL);
	assert_int_equal(nvme_ns_allow_host(ns, "host"), -EINVAL);
	assert_int_equal(nvme_ns_disallow_host(ns, FX_HOSTNQN), -ENOENT);
	assert_int_equal(nvme_ns_allow_host(ns, FX_HOSTNQN), 0);
	assert_int_equal(nvme_ns_allow_host(ns, FX_HOSTNQN), -EEXIST);
	assert_int_equal(nvme_ns_allow_host(ns, OTHER_HOST), 0);
	assert_int_equal(nvme_ns_disallow_host(ns, FX_HOSTNQN), 0);
	assert_int_equal(nvme_ns_disallow_host(ns, FX_HOSTNQN), -ENOENT);
}

/* ---- sizes ---- */

static void resized_namespace_has_its_new_size_at_once(void **state)
{
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 1000);
	struct nvme_queue *admin = fx_ready(), *io = fx_io_queue(admin, 1);
	const char *why;

	assert_int_equal(read_status(io, 1, 1000, 0), 0x80 | FX_DNR);
	assert_int_equal(nvme_ns_resize(ns, 1002, &why), 0);
	assert_int_equal(read_status(io, 1, 1000, 1), 0);
	assert_int_equal(identify(admin, NVME_CNS_NS, 1), 0);
	assert_int_equal(page[0] | page[1] << 8, 1002);
	assert_int_equal(page[8] | page[9] << 8, 1002);
	assert_int_equal(nvme_ns_resize(ns, 10, &why), 0);
	assert_int_equal(read_status(io, 1, 9, 0), 0);
	assert_int_equal(read_status(io, 1, 9, 1), 0x80 | FX_DNR);
	assert_int_equal(read_status(io, 1, 10, 0), 0x80 | FX_DNR);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void write_that_waited_while_the_namespace_shrank_is_out_of_range(void **state)
{
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 1000);
	struct nvme_queue *admin = fx_ready(), *io = fx_io_queue(admin, 1);
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_WRITE, 1);
	struct nvme_request request = {.queue = io};
	struct nvme_actions actions = {0};
	const char *why;

	nvme_put64(&cmd.rw.slba, 999);
	fx_data(&cmd, page, 512);
	assert_true(nvme_request_parse(&request, (const uint8_t *)&cmd, sizeof(cmd)));
	assert_int_equal(nvme_ns_resize(ns, 999, &why), 0);
	assert_int_equal(nvme_request_execute(&request, fx_now, &actions), NVME_RESPOND);
	assert_int_equal(nvme_request_status(&request).sc, WRASSE_SC_LBA_RANGE);
	assert_int_equal(ns->port[1].in_flight, 0);
	fx_queue_gone(io);
	fx_queue_gone(admin);
}

static void resize_is_told_to_every_host_that_sees_it(void **state)
{
	struct wrasse_namespace *ns[2] = {fx_add_ns(fx_subsystem, 1, 1000),
					  fx_add_ns_with(fx_subsystem, 65, 1000, 1, true)};
	struct nvme_queue *admin = fx_ready(), *other;
	const char *why;

	assert_int_equal(nvme_ns_allow_host(ns[1], OTHER_HOST), 0);
	other = ready_as(OTHER_HOST, 0, 0xffff);
	assert_int_equal(nvme_ns_resize(ns[0], 1000, &why), 0); /* no change */
	changed_list_is(admin, 0, 0);
	assert_int_equal(nvme_ns_resize(ns[0], 2000, &why), 0);
	assert_int_equal(nvme_ns_resize(ns[1], 2000, &why), 0);
	changed_list_is(admin, 1, 0);
	changed_list_is(other, 1, 65);
	changed_list_is(other, 0, 0);
	fx_queue_gone(admin);
	fx_queue_gone(other);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 1000);
	const char *why = NULL;

	assert_int_equal(nvme_ns_resize(ns, 0, &why), -EINVAL);
	assert_string_equal(why, "block_count is 0");
	assert_int_equal(nvme_ns_resize(ns, UINT64_MAX / 512, &why), -EINVAL);
	assert_string_equal(why, "block_count times block_size is above 2^63 - 1 bytes");
	assert_int_equal(nvme_ns_blocks(ns), 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(restricted_namespace_is_not_there_for_other_hosts),
		TEST(controllers_of_a_namespace_are_those_that_see_it),
		TEST(named_host_sees_it_before_and_after_it_connects),
		TEST(mask_changes_are_told_to_their_host_only),
		TEST(next_namespace_with_the_id_is_hidden_again),
		TEST(hosts_of_a_namespace_are_checked),
		TEST(resized_namespace_has_its_new_size_at_once),
		TEST(write_that_waited_while_the_namespace_shrank_is_out_of_range),
		TEST(resize_is_told_to_every_host_that_sees_it),
		TEST(sizes_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
