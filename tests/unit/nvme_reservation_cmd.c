/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/reservation_cmd.c and fence.c: reservation commands as hosts send them, what they do to
 * the commands of others, the report, and Preempt and Abort with commands in flight.
 */
#include "nvme/hook.h"
#include "nvme_hosts.h"

static uint8_t data[4096];

static struct nvme_cmd rw(uint8_t opcode)
{
	struct nvme_cmd cmd = fx_cmd(opcode, 2);

	fx_data(&cmd, data, 512);
	return cmd;
}

static uint16_t io(struct host *host, uint8_t opcode)
{
	struct nvme_cmd cmd = rw(opcode);
	struct nvme_request request;
	struct fx_run run = fx_run_request(&request, host->io, (const uint8_t *)&cmd, 64);

	if (run.next == NVME_SUBMIT) {
		nvme_request_complete_io(&request, wrasse_status_ok());
		fx_result(&run, &request);
	}
	return run.status;
}

static void assert_access(struct host *host, uint16_t read, uint16_t write)
{
	assert_int_equal(io(host, NVME_OPC_READ), read);
	assert_int_equal(io(host, NVME_OPC_WRITE), write);
	assert_int_equal(io(host, NVME_OPC_FLUSH), write);
}

static void every_type_conflicts_as_it_should_for_every_host(void **state)
{
	/* holder, registrant, stranger: 1 may read, 2 may write */
	static const uint8_t may[7][3] = {{3, 3, 3}, {3, 1, 1}, {3, 0, 0}, {3, 3, 1},
					  {3, 3, 0}, {3, 3, 1}, {3, 3, 0}};
	struct host *hosts[] = {&a, &b, &c};

	(void)state;
	for (uint32_t type = 0; type < COUNT(may); type++) {
		assert_int_equal(enlist(&a, 10), 0);
		assert_int_equal(enlist(&b, 11), 0);
		if (type)
			assert_int_equal(acquire(&a, 10, type), 0);
		for (unsigned i = 0; i < COUNT(hosts); i++)
			assert_access(hosts[i], may[type][i] & 1 ? 0 : CONFLICT,
				      may[type][i] & 2 ? 0 : CONFLICT);
		assert_int_equal(resv(&a, NVME_OPC_RESV_RELEASE, 1, 10, 0).status, 0);
	}
	for (unsigned i = 0; i < COUNT(hosts); i++)
		assert_access(hosts[i], 0, 0);
}

static void other_namespaces_are_not_concerned(void **state)
{
	struct nvme_cmd cmd = rw(NVME_OPC_FLUSH);

	(void)state;
	fx_add_ns(fx_subsystem, 1, 1000);
	fx_add_ns(fx_subsystem, 3, 1000);
	enlist(&a, 10);
	acquire(&a, 10, EA);
	nvme_put32(&cmd.nsid, 1);
	assert_int_equal(fx_run(b.io, &cmd).next, NVME_SUBMIT);
	nvme_put32(&cmd.nsid, 3);
	assert_int_equal(fx_run(b.io, &cmd).next, NVME_SUBMIT);
	nvme_put32(&cmd.nsid, 2);
	assert_int_equal(fx_run(b.io, &cmd).status, CONFLICT);
	ns->port[1].in_flight = 0;
}

static void hook_submit(struct wrasse_command *command)
{
}

/* By the direction of their data: what else could the library know? */
static void commands_of_the_embedder_conflict_as_well(void **state)
{
	static const uint8_t opcodes[] = {0x80, 0x81, 0x82};
	const char *why;

	(void)state;
	enlist(&a, 10);
	acquire(&a, 10, WE);
	for (unsigned i = 0; i < COUNT(opcodes); i++) {
		struct wrasse_hook hook = {
			.size = sizeof(hook), .opcode = opcodes[i], .submit = hook_submit};
		struct nvme_cmd cmd = fx_cmd(opcodes[i], 2);
		struct nvme_request request;
		struct fx_run run;

		assert_int_equal(nvme_hook_add(fx_subsystem, &hook, &why), 0);
		fx_data(&cmd, data, 512);
		assert_int_equal(fx_run(b.io, &cmd).status, i == 2 ? 0 : CONFLICT);
		run = fx_run_request(&request, a.io, (const uint8_t *)&cmd, 64);
		assert_int_equal(run.next, NVME_HOOK);
		nvme_request_complete_io(&request, wrasse_status_ok());
	}
	ns->port[1].in_flight = 0;
}

static void a_conflict_is_not_an_error_of_the_log(void **state)
{
	(void)state;
	enlist(&a, 10);
	acquire(&a, 10, EA);
	assert_access(&b, CONFLICT, CONFLICT);
	assert_int_equal(acquire(&b, 10, EA), CONFLICT);
	assert_int_equal(b.io->ctrl->error_count, 0);
	assert_int_equal(acquire(&a, 10, 9), FIELD);
	assert_int_equal(a.io->ctrl->error_count, 1);
}

static void controllers_of_one_host_share_and_its_state_outlives_them(void **state)
{
	struct host second = host_up('a');

	(void)state;
	enlist(&a, 10);
	acquire(&a, 10, EA);
	assert_access(&second, 0, 0);
	assert_access(&b, CONFLICT, CONFLICT);
	assert_int_equal(resv(&second, NVME_OPC_RESV_REGISTER, 2, 10, 20).status, 0);
	host_down(&second);
	host_down(&a);
	assert_access(&b, CONFLICT, CONFLICT);
	a = host_up('a');
	assert_access(&a, 0, 0);
	assert_int_equal(acquire(&a, 20, EA), 0);
}

static void a_host_that_comes_later_finds_the_reservation(void **state)
{
	struct host stranger;

	(void)state;
	enlist(&a, 10);
	acquire(&a, 10, EA);
	stranger = host_up('s');
	assert_access(&stranger, CONFLICT, CONFLICT);
	host_down(&stranger);
}

static void a_removed_namespace_leaves_nothing_to_its_successor(void **state)
{
	(void)state;
	enlist(&a, 10);
	acquire(&a, 10, EA);
	for (unsigned group = 0; group < FX_GROUPS; group++) {
		fx_subsystem->view[group]->port[1] = NULL;
		ns->port[group].state = NVME_NS_PORT_NONE;
	}
	assert_int_equal(acquire(&a, 10, EA), NO_NS);
	nvme_ns_free(ns);
	ns = fx_add_ns(fx_subsystem, 2, 1000);
	assert_access(&b, 0, 0);
	assert_int_equal(acquire(&a, 10, EA), CONFLICT);
}

static void the_removal_of_a_host_leaves_its_registration(void **state)
{
	(void)state;
	enlist(&a, 10);
	acquire(&a, 10, WE);
	nvme_subsystem_add_host(fx_subsystem, FX_HOSTNQN);
	assert_int_equal(nvme_subsystem_remove_host(fx_subsystem, FX_HOSTNQN), 0);
	assert_int_equal(io(&b, NVME_OPC_WRITE), CONFLICT);
	assert_int_equal(ns->resv->state.count, 1);
}

static void a_host_without_an_identifier_cannot_reserve(void **state)
{
	struct host host = host_up(0);

	(void)state;
	assert_int_equal(enlist(&host, 10), SEQUENCE);
	assert_int_equal(acquire(&host, 10, WE), SEQUENCE);
	assert_access(&host, 0, 0);
	host_down(&host);
}

static void keys_must_come_whole(void **state)
{
	struct nvme_cmd cmd = resv_cmd(NVME_OPC_RESV_REGISTER, 0, 0, 10);

	(void)state;
	fx_data(&cmd, data, 15);
	assert_int_equal(fx_run(a.io, &cmd).status, 0x0f | FX_DNR);
	cmd = resv_cmd(NVME_OPC_RESV_RELEASE, 0, 0, 10);
	fx_data(&cmd, data, 7);
	assert_int_equal(fx_run(a.io, &cmd).status, 0x0f | FX_DNR);
}

/* ---- Report ---- */

static struct fx_run report(struct host *host, void *page, uint32_t len, uint32_t cdw11)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_RESV_REPORT, 2);

	nvme_put32(&cmd.cdw10, len / 4 - 1);
	nvme_put32(&cmd.cdw11, cdw11);
	fx_data(&cmd, page, len);
	return fx_run(host->io, &cmd);
}

static void what_nobody_reserves_takes_no_memory(void **state)
{
	struct wrasse_namespace *other = fx_add_ns(fx_subsystem, 3, 1000);

	(void)state;
	assert_ptr_equal(ns->resv, &nvme_no_resv);
	assert_int_equal(report(&a, data, 1024, 1).status, 0);
	assert_access(&b, 0, 0);
	assert_ptr_equal(ns->resv, &nvme_no_resv);
	enlist(&a, 10);
	assert_ptr_not_equal(ns->resv, &nvme_no_resv);
	assert_ptr_equal(other->resv, &nvme_no_resv);
	assert_int_equal(nvme_no_resv.state.count, 0);
}

static void the_report_names_every_controller_of_every_registrant(void **state)
{
	struct host second = host_up('a');
	uint16_t cntlid;

	(void)state;
	enlist(&a, 0x1122334455667788);
	enlist(&b, 11);
	acquire(&a, 0x1122334455667788, WERO);
	cntlid = nvme_queue_cntlid(a.admin);
	memset(data, FX_STALE, sizeof(data));
	assert_int_equal(report(&c, data, 1024, 1).status, 0);
	assert_memory_equal(data, "\2\0\0\0\3\3\0\0\0\0", 10); /* GEN 2, RTYPE 3, REGCTL 3 */
	for (unsigned i = 10; i < 64; i++)
		assert_int_equal(data[i], 0);
	for (unsigned i = 0; i < 3; i++) {
		const uint8_t *line = &data[64 + 64 * i];

		assert_int_equal(line[2], i < 2);
		assert_memory_equal(
			&line[8], i < 2 ? "\x88\x77\x66\x55\x44\x33\x22\x11" : "\x0b\0\0\0\0\0\0\0",
			8);
		assert_int_equal(line[16], i < 2 ? 'a' : 'b');
		assert_int_equal(line[31], i < 2 ? 'a' : 'b');
		for (unsigned j = 32; j < 64; j++)
			assert_int_equal(line[j], 0);
	}
	assert_int_equal(data[64] | data[65] << 8, nvme_queue_cntlid(second.admin));
	assert_int_equal(data[128] | data[129] << 8, cntlid);
	for (unsigned i = 256; i < 1024; i++)
		assert_int_equal(data[i], 0);
	host_down(&second);
}

static void a_registrant_that_is_not_connected_is_reported(void **state)
{
	(void)state;
	enlist(&a, 10);
	host_down(&a);
	assert_int_equal(report(&c, data, 128, 1).status, 0);
	assert_int_equal(data[5], 1);
	assert_memory_equal(&data[64], "\xff\xff\0", 3);
	a = host_up('a');
	assert_int_equal(report(&c, data, 128, 1).status, 0);
	assert_int_equal(data[64] | data[65] << 8, nvme_queue_cntlid(a.admin));
}

static void a_short_report_is_the_beginning_of_the_whole(void **state)
{
	(void)state;
	enlist(&a, 10);
	enlist(&b, 11);
	memset(data, FX_STALE, sizeof(data));
	assert_int_equal(report(&c, data, 72, 1).status, 0);
	assert_int_equal(data[5], 2);
	assert_int_equal(data[72], FX_STALE);
	assert_int_equal(report(&c, data, 4, 1).status, 0);
}

static void a_report_for_short_host_identifiers_is_refused(void **state)
{
	(void)state;
	assert_int_equal(report(&a, data, 1024, 0).status, 0x18 | FX_DNR);
	assert_int_equal(report(&a, data, 1024, 2).status, 0x18 | FX_DNR);
}

static void identify_tells_what_reservations_there_are(void **state)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, 2);

	(void)state;
	fx_data(&cmd, data, sizeof(data));
	assert_int_equal(fx_run(a.admin, &cmd).status, 0);
	assert_int_equal(data[31], 0xfe);
	nvme_put32(&cmd.cdw10, NVME_CNS_CTRL);
	assert_int_equal(fx_run(a.admin, &cmd).status, 0);
	assert_int_equal(data[520] & 0x20, 0x20);
}

/* ---- Preempt and Abort ---- */

/* The part of a group: it shows its requests. */
static void group_looks(unsigned group, struct nvme_request **requests, unsigned count)
{
	struct nvme_ns_port *port = &ns->port[group];

	assert_true(nvme_fence_is_new(port));
	for (unsigned i = 0; i < count; i++)
		nvme_fence_request(port, requests[i]);
	nvme_fence_set(port);
	assert_false(nvme_fence_is_new(port));
}

static struct fx_run start(struct nvme_request *request, struct host *host, uint8_t opcode)
{
	struct nvme_cmd cmd = rw(opcode);

	return fx_run_request(request, host->io, (const uint8_t *)&cmd, 64);
}

static enum nvme_next again(struct nvme_request *request)
{
	struct nvme_actions actions = {0};

	return nvme_request_execute_registry(request, fx_now, &actions);
}

static struct fx_run preempt_and_abort(struct nvme_request *request, struct host *host,
				       uint64_t crkey, uint64_t prkey)
{
	struct nvme_cmd cmd = resv_cmd(NVME_OPC_RESV_ACQUIRE, EA << 8 | 2, crkey, prkey);

	return fx_run_request(request, host->io, (const uint8_t *)&cmd, 64);
}

static uint16_t status_of(const struct nvme_request *request)
{
	struct fx_run run = {0};

	fx_result(&run, request);
	return run.status;
}

static void preempt_and_abort_waits_for_commands_in_flight(void **state)
{
	struct nvme_request preempt, theirs, mine, retry, later;
	struct nvme_request *all[] = {&theirs, &mine, &later};
	struct nvme_cmd cmd = rw(NVME_OPC_READ);
	struct fx_run run;

	(void)state;
	enlist(&a, 10);
	enlist(&b, 11);
	assert_int_equal(start(&theirs, &b, NVME_OPC_WRITE).next, NVME_SUBMIT);
	assert_int_equal(start(&mine, &a, NVME_OPC_WRITE).next, NVME_SUBMIT);
	memset(&later, 0, sizeof(later));
	later.queue = b.io;
	assert_true(nvme_request_parse(&later, (const uint8_t *)&cmd, 64));

	run = preempt_and_abort(&preempt, &a, 10, 11);
	assert_int_equal(run.next, NVME_RETRY);
	assert_true(run.actions.attention);
	assert_int_equal(again(&preempt), NVME_RETRY);
	group_looks(0, NULL, 0);
	assert_int_equal(again(&preempt), NVME_RETRY);
	group_looks(1, all, 3);
	assert_int_equal(again(&preempt), NVME_RETRY);

	/* A second one waits until the first is through; all else goes on. */
	enlist(&b, 11);
	run = preempt_and_abort(&retry, &a, 10, 11);
	assert_int_equal(run.next, NVME_RETRY);
	assert_int_equal(ns->resv->state.count, 2);

	nvme_request_complete_io(&mine, wrasse_status_ok());
	assert_int_equal(again(&preempt), NVME_RETRY);
	nvme_request_complete_io(&theirs, wrasse_status_ok());
	assert_int_equal(status_of(&theirs), 0);
	assert_int_equal(again(&preempt), NVME_RESPOND);
	assert_int_equal(status_of(&preempt), 0);
	assert_int_equal(nvme_request_execute(&later, fx_now, &run.actions), NVME_RESPOND);
	assert_int_equal(status_of(&later), 0x1b);
}

static void preempt_and_abort_of_nobody_waits_for_nobody(void **state)
{
	struct nvme_request preempt, theirs;
	struct fx_run run;

	(void)state;
	enlist(&a, 10);
	assert_int_equal(start(&theirs, &b, NVME_OPC_READ).next, NVME_SUBMIT);
	run = preempt_and_abort(&preempt, &a, 10, 10);
	assert_int_equal(run.next, NVME_RESPOND);
	assert_int_equal(run.status, 0);
	nvme_request_complete_io(&theirs, wrasse_status_ok());
}

static void commands_on_other_namespaces_are_not_waited_for(void **state)
{
	struct wrasse_namespace *other = fx_add_ns(fx_subsystem, 1, 1000);
	struct nvme_request preempt, theirs, waiting;
	struct nvme_request *all[] = {&theirs, &waiting};
	struct nvme_cmd cmd = rw(NVME_OPC_READ);

	(void)state;
	enlist(&a, 10);
	enlist(&b, 11);
	nvme_put32(&cmd.nsid, 1);
	fx_run_request(&theirs, b.io, (const uint8_t *)&cmd, 64);
	assert_ptr_equal(theirs.port, &other->port[1]);
	memset(&waiting, 0, sizeof(waiting));
	waiting.queue = b.io;
	assert_true(nvme_request_parse(&waiting, (const uint8_t *)&cmd, 64));
	assert_int_equal(preempt_and_abort(&preempt, &a, 10, 11).next, NVME_RETRY);
	group_looks(0, NULL, 0);
	group_looks(1, all, 2);
	assert_int_equal(again(&preempt), NVME_RESPOND);
	assert_false(waiting.preempted);
	nvme_request_complete_io(&theirs, wrasse_status_ok());
}

static void a_reservation_command_that_waits_is_aborted_with_its_host(void **state)
{
	struct nvme_request first, second, third;
	struct nvme_request *all[] = {&second};

	(void)state;
	enlist(&a, 10);
	enlist(&b, 11);
	enlist(&c, 12);
	assert_int_equal(preempt_and_abort(&first, &a, 10, 12).next, NVME_RETRY);
	assert_int_equal(preempt_and_abort(&second, &b, 11, 10).next, NVME_RETRY);
	group_looks(0, NULL, 0);
	group_looks(1, NULL, 0);
	assert_int_equal(preempt_and_abort(&third, &a, 10, 11).next, NVME_RETRY);
	group_looks(0, NULL, 0);
	group_looks(1, all, 1);
	assert_int_equal(again(&second), NVME_RESPOND);
	assert_int_equal(status_of(&second), 0x1b);
	assert_int_equal(again(&first), NVME_RESPOND);
	assert_int_equal(again(&third), NVME_RESPOND);
	assert_int_equal(status_of(&third), 0);
}

static void preempt_and_abort_ends_when_the_namespace_is_gone(void **state)
{
	struct nvme_request first, second;

	(void)state;
	enlist(&a, 10);
	enlist(&b, 11);
	assert_int_equal(preempt_and_abort(&first, &a, 10, 11).next, NVME_RETRY);
	for (unsigned group = 0; group < FX_GROUPS; group++)
		fx_subsystem->view[group]->port[1] = NULL;
	assert_int_equal(again(&first), NVME_RESPOND);
	assert_int_equal(status_of(&first), 0);
	for (unsigned group = 0; group < FX_GROUPS; group++)
		fx_subsystem->view[group]->port[1] = &ns->port[group];
	group_looks(0, NULL, 0);
	group_looks(1, NULL, 0);
	enlist(&b, 11);
	assert_int_equal(preempt_and_abort(&second, &a, 10, 11).next, NVME_RETRY);
	for (unsigned group = 0; group < FX_GROUPS; group++)
		ns->port[group].state = NVME_NS_PORT_NONE;
	assert_int_equal(again(&second), NVME_RESPOND);
}

static void a_command_of_several_ios_ends_with_the_one_in_flight(void **state)
{
	struct wrasse_namespace *other = fx_add_ns(fx_subsystem, 3, 1000);
	struct nvme_request preempt, flush;
	struct nvme_request *all[] = {&flush};
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_FLUSH, NVME_NSID_ALL);

	(void)state;
	enlist(&a, 10);
	enlist(&b, 11);
	assert_int_equal(fx_run_request(&flush, b.io, (const uint8_t *)&cmd, 64).next, NVME_SUBMIT);
	assert_ptr_equal(flush.port, &ns->port[1]);
	assert_int_equal(preempt_and_abort(&preempt, &a, 10, 11).next, NVME_RETRY);
	group_looks(0, NULL, 0);
	group_looks(1, all, 1);
	assert_int_equal(nvme_request_complete_io(&flush, wrasse_status_ok()), NVME_RESPOND);
	assert_int_equal(status_of(&flush), 0x1b);
	assert_int_equal(other->port[1].in_flight, 0);
	assert_int_equal(again(&preempt), NVME_RESPOND);
}

static void a_flush_of_all_namespaces_asks_each_of_them(void **state)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_FLUSH, NVME_NSID_ALL);

	(void)state;
	enlist(&a, 10);
	acquire(&a, 10, WE);
	assert_int_equal(fx_run(b.io, &cmd).status, CONFLICT);
	assert_int_equal(fx_run(a.io, &cmd).next, NVME_SUBMIT);
	ns->port[1].in_flight = 0;
}

static void a_plain_preempt_waits_for_nothing(void **state)
{
	struct nvme_request theirs;

	(void)state;
	enlist(&a, 10);
	enlist(&b, 11);
	assert_int_equal(start(&theirs, &b, NVME_OPC_WRITE).next, NVME_SUBMIT);
	assert_int_equal(preempt(&a, 10, 11, EA), 0);
	nvme_request_complete_io(&theirs, wrasse_status_ok());
	assert_access(&b, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_type_conflicts_as_it_should_for_every_host),
		TEST(other_namespaces_are_not_concerned),
		TEST(commands_of_the_embedder_conflict_as_well),
		TEST(a_conflict_is_not_an_error_of_the_log),
		TEST(controllers_of_one_host_share_and_its_state_outlives_them),
		TEST(a_host_that_comes_later_finds_the_reservation),
		TEST(a_removed_namespace_leaves_nothing_to_its_successor),
		TEST(the_removal_of_a_host_leaves_its_registration),
		TEST(a_host_without_an_identifier_cannot_reserve),
		TEST(keys_must_come_whole),
		TEST(what_nobody_reserves_takes_no_memory),
		TEST(the_report_names_every_controller_of_every_registrant),
		TEST(a_registrant_that_is_not_connected_is_reported),
		TEST(a_short_report_is_the_beginning_of_the_whole),
		TEST(a_report_for_short_host_identifiers_is_refused),
		TEST(identify_tells_what_reservations_there_are),
		TEST(preempt_and_abort_waits_for_commands_in_flight),
		TEST(preempt_and_abort_of_nobody_waits_for_nobody),
		TEST(commands_on_other_namespaces_are_not_waited_for),
		TEST(a_reservation_command_that_waits_is_aborted_with_its_host),
		TEST(preempt_and_abort_ends_when_the_namespace_is_gone),
		TEST(a_command_of_several_ios_ends_with_the_one_in_flight),
		TEST(a_flush_of_all_namespaces_asks_each_of_them),
		TEST(a_plain_preempt_waits_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
