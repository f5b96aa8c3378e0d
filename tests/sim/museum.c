/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The museum: situations in which targets of this field have lost work requests, hung or crashed, each
 * recreated step by step, with what must hold instead. Beside what a scenario checks itself, each one ends
 * as every run does: drained in time, every pool full, every queue pair destroyed once, no misuse of verbs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim.h"

#include "transport/group.h"

/* ---- what scenarios are made of ---- */

static void stage(void)
{
	plan_make_plain();
	plan.retry = false;
	plan.calm = true; /* until something is broken on purpose */
	plan.late = 0;
}

static void curtain_up(void)
{
	world_begin();
	target_start();
}

static void until(bool (*reached)(void), const char *what)
{
	for (unsigned i = 0; !reached(); i++) {
		world_step();
		/* What only a timer brings about takes too long in such small steps. */
		if (i > 20000 && i % 16 == 0)
			world_pass(SIM_MS);
		if (i == 400000)
			sim_fail("the scene was not reached: %s", what);
	}
}

/* Steps without the target's own poll. */
static void until_without_target(bool (*reached)(void), const char *what)
{
	for (unsigned i = 0; !reached(); i++) {
		target_poll_group(rng_below(target.groups));
		for (unsigned k = 0; k < plan.hosts; k++)
			host_step(&hosts[k]);
		if (fabric_ready())
			fabric_step(rng_below(fabric_ready()));
		else
			world_pass(SIM_MS);
		if (i == 400000)
			sim_fail("the scene was not reached: %s", what);
	}
}

static void run_for(uint64_t ns)
{
	uint64_t end = fabric_now_ns() + ns;

	while (fabric_now_ns() < end)
		if (!world_round() || rng_one_in(8))
			world_pass(5 * SIM_MS);
}

static void curtain(void)
{
	plan.calm = false;
	world_drain();
	world_end();
}

/* Whether some request of some queue pair is as described. */
static struct rdmat_request *some_request(bool (*is)(const struct rdmat_request *request))
{
	for (unsigned g = 0; g < target.groups; g++) {
		struct rdmat_request *request;

		for (unsigned class = 0; class < 2; class ++)
			rdmat_request_for_each(request, &target.group[g].group->classes[class]) {
				if (is(request))
					return request;
			}
	}
	return NULL;
}

static bool is_half_posted(const struct rdmat_request *request)
{
	return request->state == RDMAT_REQUEST_FETCHING && request->chain && request->cursor &&
	       request->sq_out;
}

static bool half_posted(void)
{
	return some_request(is_half_posted) != NULL;
}

static bool is_waiting(const struct rdmat_request *request)
{
	return request->state == RDMAT_REQUEST_WAIT_RESOURCES;
}

static bool waiting(void)
{
	return some_request(is_waiting) != NULL;
}

static bool is_responding(const struct rdmat_request *request)
{
	return request->state == RDMAT_REQUEST_RESPONDING && request->sq_out > 1;
}

static bool responding(void)
{
	return some_request(is_responding) != NULL;
}

static bool backend_has_io(void)
{
	return io_count >= 4;
}

static bool backend_is_full(void)
{
	return target.group[0].group->classes[0].free_count == 0;
}

static bool read_much(void)
{
	return host_counts.reads_checked >= 300;
}

static uint64_t queue_pairs(void)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < target.groups; i++) {
		struct wrasse_poll_group_stats stats;

		wrasse_poll_group_get_stats(target.group[i].group, &stats, sizeof(stats));
		count += stats.queue_pairs;
	}
	return count;
}

static bool no_queue_pairs(void)
{
	return queue_pairs() == 0;
}

static bool many_queue_pairs(void)
{
	return queue_pairs() >= 30;
}

static bool is_live(const struct host *host)
{
	for (unsigned i = 0; i < SIM_MAX_CTRLS; i++)
		if (host->ctrl[i].state == CTRL_LIVE)
			return true;
	return false;
}

static bool first_is_live(void)
{
	return is_live(&hosts[0]);
}

static bool second_is_live(void)
{
	return is_live(&hosts[1]);
}

static bool second_has_admin(void)
{
	for (unsigned i = 0; i < SIM_MAX_CTRLS; i++)
		if (hosts[1].ctrl[i].state >= CTRL_QUEUES)
			return true;
	return false;
}

static void all_hosts_die(void)
{
	plan.calm = false;
	for (unsigned i = 0; i < plan.hosts; i++)
		host_die(&hosts[i], 3600 * SIM_S);
}

/* ---- the exhibits ---- */

static void part_posted_chain(void)
{
	stage();
	plan.only = OPC_WRITE;
	plan.shape = SHAPE_LIST;
	plan.device.max_sge = 1;
	curtain_up();
	until(half_posted, "a chain of RDMA READs is posted in part");
	all_hosts_die();
	until(no_queue_pairs, "the queue pair is gone");
	curtain();
}

static void part_posted_chain_is_drained(void)
{
	stage();
	plan.only = OPC_WRITE;
	plan.shape = SHAPE_LIST;
	plan.device.max_sge = 1;
	plan.deadline_ms = 0;
	curtain_up();
	until(half_posted, "a chain of RDMA READs is posted in part");
	curtain();
}

static void subsystem_deleted(void)
{
	stage();
	plan.shape = SHAPE_LIST;
	plan.device.max_sge = 2;
	curtain_up();
	until(half_posted, "a chain of RDMA READs is posted in part");
	plan.calm = false;
	control_step(CONTROL_SUBSYSTEM);
	until(no_queue_pairs, "its hosts are disconnected");
	curtain();
}

static void starve_buffers(void)
{
	stage();
	plan.hosts = 2;
	plan.kind[0] = plan.kind[1] = HOST_GREEDY;
	plan.blocks = 2048;
	plan.max_len = 524288;
	plan.group.io_requests = 64;
	plan.group.small_buffers = 18;
}

static void waiter_dies(void)
{
	struct rdmat_request *request;

	starve_buffers();
	curtain_up();
	until(waiting, "a request waits for buffers");
	request = some_request(is_waiting);
	plan.calm = false;
	fabric_qp_break(request->qp->qpn, IBV_WC_RETRY_EXC_ERR);
	until(read_much, "the others go on");
	curtain();
}

static void late_last_wqe(void)
{
	stage();
	plan.device.no_srq = false;
	curtain_up();
	until(first_is_live, "a host is there");
	all_hosts_die();
	/* The async event is taken when its queue pair has long been freed. */
	until_without_target(no_queue_pairs, "the queue pair is gone");
	for (unsigned i = 0; i < 8; i++)
		target_poll();
	curtain();
}

static void admin_queue_first(void)
{
	stage();
	plan.never = 1;
	curtain_up();
	until(backend_has_io, "the backend has I/O");
	plan.calm = false;
	for (unsigned i = 0; i < SIM_MAX_CTRLS; i++)
		if (hosts[0].ctrl[i].state == CTRL_LIVE)
			fabric_qp_break(hosts[0].ctrl[i].queue[0].id->qp->qp_num,
					IBV_WC_RETRY_EXC_ERR);
	run_for(3 * SIM_S);
	if (!io_count)
		sim_fail("the backend has no I/O any more");
	backend_releases = true;
	run_for(SIM_S);
	curtain();
}

static void all_at_once(void)
{
	stage();
	plan.hosts = SIM_MAX_HOSTS;
	plan.io_queues = SIM_MAX_QUEUES - 1;
	plan.group.admin_requests = 256;
	plan.leave = 0;
	curtain_up();
	until(many_queue_pairs, "many queue pairs");
	all_hosts_die();
	curtain();
}

static void never_flushes(void)
{
	stage();
	plan.device.never_flushes = true;
	plan.never = 3;
	plan.target.flush_timeout_ms = 50;
	curtain_up();
	until(backend_has_io, "the backend has I/O");
	backend_releases = true;
	all_hosts_die();
	curtain();
	if (!target.clean)
		sim_fail("the drain was not clean");
}

static void no_last_wqe(void)
{
	stage();
	plan.device.iwarp = true;
	plan.device.no_srq = true;
	plan.device.no_last_wqe = true;
	plan.group.admin_requests = 1024;
	plan.group.io_requests = 1024;
	curtain_up();
	until(first_is_live, "a host is there");
	for (int i = 0; i < 5; i++) {
		plan.calm = false;
		host_die(&hosts[0], 20 * SIM_S);
		run_for(15 * SIM_S);
		if (!no_queue_pairs())
			sim_fail("queue pairs are left long after their host died");
		run_for(6 * SIM_S);
		until(first_is_live, "the host is back");
	}
	curtain();
}

static void set_up_fails(void)
{
	stage();
	plan.calm = false;
	plan.leave = 5;
	curtain_up();
	for (unsigned nth = 1; nth < 60; nth++) {
		fabric_fail_call(PARTY_TARGET, nth, ENOMEM);
		for (int i = 0; i < 300; i++)
			world_step();
	}
	fabric_fail_call(PARTY_TARGET, 0, 0);
	until(read_much, "the target serves");
	curtain();
}

static bool connected_often(void)
{
	return host_counts.connects >= 600;
}

static void connect_disconnect_loop(void)
{
	stage();
	plan.hosts = 3;
	plan.leave = 4;
	plan.group.admin_requests = 128;
	curtain_up();
	until(connected_often, "600 queues connected one after the other");
	curtain();
}

static bool storm_passed(void)
{
	return host_counts.connects >= 100 && host_counts.reads_checked >= 50;
}

static void reconnect_storm(void)
{
	stage();
	plan.hosts = 4;
	plan.calm = false;
	for (unsigned i = 1; i < 4; i++)
		plan.kind[i] = HOST_DYING;
	plan.leave = 6;
	plan.group.io_slots = 8;
	curtain_up();
	until(storm_passed, "reads go on while others reconnect");
	curtain();
}

static void slow_io(void)
{
	stage();
	plan.hosts = 2;
	plan.kind[0] = HOST_GREEDY;
	plan.depth = 16;
	plan.never = 1;
	plan.leave = 0;
	plan.group.io_requests = 16;
	plan.group.io_slots = 16;
	curtain_up();
	hosts[1].leaving = true;
	until(backend_is_full, "the backend has all that can be in work");
	hosts[1].leaving = false;
	until(second_has_admin, "another host connects its admin queue and enables its controller");
	backend_releases = true;
	until(second_is_live, "and its I/O queues");
	until(read_much, "I/O goes on");
	curtain();
}

static void rnr(void)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;
	struct pool_link *link, *tmp;

	stage();
	plan.device.no_srq = false;
	curtain_up();
	until(first_is_live, "a host is there");
	pool_list_for_each(link, tmp, &target.group[0].group->qps) {
		struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

		if (ibv_query_qp(qp->qp, &attr, IBV_QP_MIN_RNR_TIMER, &init) ||
		    attr.min_rnr_timer != 12)
			sim_fail("the RNR timer's code is %u", attr.min_rnr_timer);
	}
	for (unsigned i = 0; i < SIM_MAX_CTRLS; i++) {
		struct queue *queue = &hosts[0].ctrl[i].queue[0];

		if (queue->state == QUEUE_LIVE &&
		    (ibv_query_qp(queue->id->qp, &attr, IBV_QP_RNR_RETRY, &init) ||
		     attr.rnr_retry != 7))
			sim_fail("the host may try %u times", attr.rnr_retry);
	}
	curtain();
}

static void buffer_starvation(void)
{
	struct wrasse_pool_line lines[16];

	starve_buffers();
	plan.kato_ms = 1000;
	plan.leave = 0;
	curtain_up();
	until(read_much, "reads and writes of 512 KiB go on");
	wrasse_poll_group_get_pools(target.group[0].group, lines, 16);
	if (!lines[2].waits)
		sim_fail("nobody ever waited for a large buffer");
	curtain();
}

static void least_device(void)
{
	stage();
	plan.only = OPC_WRITE;
	plan.shape = SHAPE_LIST;
	plan.device.max_sge = 1;
	plan.device.max_reads = 1;
	plan.read_credits = 1;
	plan.leave = 0;
	curtain_up();
	until(half_posted, "a chain of RDMA READs is posted in part");
	run_for(2 * SIM_S);
	if (host_counts.answers < 200)
		sim_fail("%" PRIu64 " answers in 2 s", host_counts.answers);
	curtain();
}

static void keep_alive_while_stuck(void)
{
	stage();
	plan.never = 1;
	plan.kato_ms = 1000;
	plan.leave = 0;
	curtain_up();
	until(backend_has_io, "the backend has I/O");
	run_for(10 * SIM_S);
	if (!first_is_live())
		sim_fail("the host was lost");
	backend_releases = true;
	curtain();
}

static void keep_alive_by_traffic(void)
{
	stage();
	plan.kato_ms = 1000;
	plan.no_keep_alive = true;
	plan.leave = 0;
	curtain_up();
	until(first_is_live, "a host is there");
	run_for(10 * SIM_S);
	if (!first_is_live())
		sim_fail("the host was lost");
	curtain();
}

static void management_while_stuck(void)
{
	uint64_t before;

	stage();
	plan.never = 1;
	plan.leave = 0;
	curtain_up();
	until(backend_has_io, "the backend has I/O");
	plan.calm = false;
	before = fabric_now_ns();
	for (int i = 0; i < 12; i++)
		control_step(CONTROL_NS);
	control_step(CONTROL_LISTENER);
	control_step(CONTROL_LISTENER);
	if (fabric_now_ns() != before)
		sim_fail("a management call waited");
	run_for(SIM_S);
	for (unsigned i = 0; i < media_count; i++)
		if (media[i].gone && media[i].in_flight)
			sim_fail("a namespace is gone and the backend has I/O of it");
	backend_releases = true;
	curtain();
}

static void device_removed(void)
{
	stage();
	curtain_up();
	until(first_is_live, "a host is there");
	plan.calm = false;
	control_step(FAULT_DEVICE);
	until(no_queue_pairs, "its queue pairs are gone");
	control_step(FAULT_DEVICE);
	until(first_is_live, "the host is back through the new device");
	curtain();
}

static void vendor_surprises(void)
{
	stage();
	plan.device.no_invalidate = true;
	plan.device.max_inline = UINT32_MAX;
	plan.device.max_qp_wr = 12;
	curtain_up();
	until(read_much, "reads and writes, keys to invalidate among them");
	curtain();
}

/* The first response with a key to invalidate would end its connection, and so on without end. */
static void vendor_lies(void)
{
	stage();
	plan.device.invalidate = FABRIC_INVALIDATE_FAILS;
	plan.upset = 0;
	plan.leave = 0;
	curtain_up();
	until(read_much, "reads and writes, keys to invalidate among them");
	world_try_devices();
	if (target.warnings != 1)
		sim_fail("%u warnings, and one device that does not keep its word",
			 target.warnings);
	if (host_counts.losses)
		sim_fail("a host lost its controller");
	curtain();
}

static void esxi_connects(void)
{
	stage();
	plan.wants_reads = true;
	curtain_up();
	until(read_much, "reads and writes");
	curtain();
}

static void responses_in_flight(void)
{
	stage();
	plan.only = OPC_READ;
	plan.deadline_ms = 0;
	curtain_up();
	until(responding, "a response is with the hardware");
	curtain();
}

/* ---- a pause ---- */

static struct wrasse_pause_report pause_report;
static unsigned pause_reports;

static void on_pause(void *ctx, const struct wrasse_pause_report *report)
{
	(void)ctx;
	pause_report = *report;
	pause_reports++;
}

static void pause_subsystem(uint32_t deadline_ms)
{
	struct wrasse_pause_opts opts;

	wrasse_pause_opts_init(&opts);
	opts.deadline_ms = deadline_ms;
	opts.done = on_pause;
	act_as(SIM_MAX_GROUPS);
	if (wrasse_subsystem_pause(target.subsystem[0].subsystem, &opts))
		sim_fail("the pause was refused");
	act_as_host();
}

static void expect_report(unsigned reports, enum wrasse_pause_outcome outcome, const char *what)
{
	if (pause_reports != reports || pause_report.outcome != outcome)
		sim_fail("%s: report %u, outcome %d", what, pause_reports,
			 (int)pause_report.outcome);
}

/* Buffers have run out, and the backend never answers. */
static void pause_while_starved(void)
{
	uint64_t before;

	starve_buffers();
	plan.never = 1;
	plan.kato_ms = 1000;
	plan.leave = 0;
	curtain_up();
	until(first_is_live, "a host is there");
	until(second_is_live, "another host is there");
	until(waiting, "a request waits for buffers");
	plan.calm = false; /* who connects is told to come again */
	pause_subsystem(500);
	run_for(490 * SIM_MS);
	if (pause_reports)
		sim_fail("the pause was reported before its deadline");
	run_for(30 * SIM_MS);
	expect_report(1, WRASSE_PAUSE_LATE, "the deadline");
	if (pause_report.blocker_count + pause_report.blockers_omitted < io_count)
		sim_fail("%u blockers, and the backend has %u I/Os", pause_report.blocker_count,
			 io_count);
	pause_subsystem(0);
	backend_releases = true;
	run_for(SIM_S);
	expect_report(2, WRASSE_PAUSE_COMPLETE, "the backend has answered");
	before = host_counts.reads_checked;
	run_for(10 * SIM_S);
	if (io_count || host_counts.reads_checked != before)
		sim_fail("I/O went on during the pause");
	if (!first_is_live() || !second_is_live())
		sim_fail("a host was lost");
	act_as(SIM_MAX_GROUPS);
	if (wrasse_subsystem_resume(target.subsystem[0].subsystem))
		sim_fail("the resume was refused");
	act_as_host();
	until(read_much, "I/O goes on");
	curtain();
}

static bool is_paused(const struct rdmat_request *request)
{
	return request->state == RDMAT_REQUEST_WAIT_RESUME;
}

static void drain_while_paused(void)
{
	stage();
	plan.kind[0] = HOST_GREEDY;
	plan.leave = 0;
	curtain_up();
	until(first_is_live, "a host is there");
	pause_subsystem(0);
	run_for(SIM_S);
	expect_report(1, WRASSE_PAUSE_COMPLETE, "nothing is stuck");
	if (!some_request(is_paused))
		sim_fail("no I/O waits for a resume");
	curtain();
	if (!target.clean || target.forced)
		sim_fail("the drain was %s", target.clean ? "forced" : "not clean");
}

static const struct exhibit {
	const char *name, *row;
	void (*run)(void);
} exhibits[] = {
	{"museum_spdk_3290_part_posted_chain_comes_back", "B1", part_posted_chain},
	{"museum_spdk_3290_part_posted_chain_is_drained", "B1", part_posted_chain_is_drained},
	{"museum_spdk_3157_subsystem_deleted_under_multi_descriptor_writes", "B2",
	 subsystem_deleted},
	{"museum_spdk_3463_dead_queue_pair_leaves_the_wait_list", "B3", waiter_dies},
	{"museum_spdk_3541_last_wqe_event_after_its_queue_pair", "B4", late_last_wqe},
	{"museum_spdk_3885_admin_queue_goes_first_with_io_in_the_backend", "B5", admin_queue_first},
	{"museum_spdk_2765_all_queue_pairs_die_at_once", "B6", all_at_once},
	{"museum_spdk_1578_device_that_never_flushes", "B7", never_flushes},
	{"museum_spdk_1697_iwarp_without_last_wqe", "B8", no_last_wqe},
	{"museum_spdk_851_set_up_that_fails_anywhere", "B9", set_up_fails},
	{"museum_spdk_1507_connect_disconnect_loop", "B10", connect_disconnect_loop},
	{"museum_spdk_2937_reconnect_storm_on_a_shared_receive_queue", "B11", reconnect_storm},
	{"museum_spdk_2180_slow_io_does_not_block_connect", "B12", slow_io},
	{"museum_spdk_2429_rnr_retry_and_timer", "B13", rnr},
	{"museum_spdk_3646_buffer_starvation_with_keep_alive", "B14", buffer_starvation},
	{"museum_spdk_3069_one_sge_and_one_read", "B15", least_device},
	{"museum_spdk_3894_keep_alive_while_io_is_stuck", "B16", keep_alive_while_stuck},
	{"museum_spdk_1286_keep_alive_by_traffic_under_load", "B17", keep_alive_by_traffic},
	{"museum_spdk_1451_pause_without_buffers_ends_by_its_deadline", "B18", pause_while_starved},
	{"museum_spdk_1552_drain_of_a_paused_subsystem", "B18", drain_while_paused},
	{"museum_spdk_3673_management_does_not_wait_for_io", "B19", management_while_stuck},
	{"museum_spdk_1184_device_removed_and_back", "B20", device_removed},
	{"museum_spdk_3926_device_without_invalidate_and_inline", "B21", vendor_surprises},
	{"museum_spdk_3926_device_that_claims_invalidate_and_fails_it", "B21", vendor_lies},
	{"museum_spdk_3115_host_that_asks_for_reads_of_its_own", "B22", esxi_connects},
	{"museum_nvmet_responses_in_flight_at_tear_down", "B42", responses_in_flight},
};

/* Each in a process of its own: one that fails takes nothing with it. */
static bool exhibit_run(const struct exhibit *exhibit)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		snprintf(replay, sizeof(replay), "--museum=%.48s", exhibit->name);
		alarm(60);
		exhibit->run();
		fflush(NULL);
		exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int museum_run(const char *only, bool list)
{
	unsigned passed = 0, failed = 0;

	for (size_t i = 0; i < sizeof(exhibits) / sizeof(exhibits[0]); i++) {
		bool ok;

		if (only && strncmp(exhibits[i].name, only, strlen(only)) != 0)
			continue;
		if (list) {
			printf("%-4s %s\n", exhibits[i].row, exhibits[i].name);
			continue;
		}
		ok = exhibit_run(&exhibits[i]);
		printf("%s %s (%s)\n", ok ? "ok" : "not ok", exhibits[i].name, exhibits[i].row);
		passed += ok;
		failed += !ok;
	}
	if (list)
		return 0;
	printf("%u passed, %u failed\n", passed, failed);
	return failed || !passed;
}
