/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/probe.c and loopback.c: a device of the simulated fabric is tried, one that keeps its word or
 * one that does not. Whatever becomes of a try, nothing of it is left.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fabric.h"
#include "transport/group.h"
#include "transport/probe.h"

#define MS 1000000ull

static struct rdmat rdmat;
static struct rdmat_device device;
static struct rdma_cm_id id;
static char warned[256], noted[256];
static unsigned warnings;

static void log_note(void *ctx, enum wrasse_log_level level, const char *line)
{
	(void)ctx;
	snprintf(level == WRASSE_LOG_WARN ? warned : noted, sizeof(warned), "%s", line);
	warnings += level == WRASSE_LOG_WARN;
}

static uint64_t fabric_clock(void *ctx)
{
	(void)ctx;
	return fabric_now_ns();
}

/* ---- the device, and the connection that came by 10.66.0.1 ---- */

static void begin(const struct fabric_device *like)
{
	struct fabric_device with = *like;
	struct ibv_device **list;

	with.name = "d0";
	with.address = "10.66.0.1";
	fabric_init(FABRIC_SIMULATED);
	fabric_set_strict(true);
	fabric_device_add(&with);
	memset(&rdmat, 0, sizeof(rdmat));
	rdmat.opts.clock = fabric_clock;
	rdmat.opts.log = log_note;
	memset(&device, 0, sizeof(device));
	list = ibv_get_device_list(NULL);
	device.context = ibv_open_device(list[0]);
	ibv_free_device_list(list);
	assert_non_null(device.context);
	device.iwarp = with.iwarp;
	assert_int_equal(ibv_query_device(device.context, &device.attr), 0);
	id = (struct rdma_cm_id){.verbs = device.context, .port_num = 1};
	memset(&id.route.addr.addr.ibaddr.sgid.raw[10], 0xff, 2);
	assert_int_equal(inet_pton(AF_INET, with.address, &id.route.addr.addr.ibaddr.sgid.raw[12]),
			 1);
	warnings = 0;
	warned[0] = 0;
	noted[0] = 0;
}

static void end(void)
{
	struct ibv_context *context = device.context;
	char left[256];

	assert_null(device.probe);
	assert_int_equal(ibv_close_device(context), 0);
	if (fabric_leftovers(left, sizeof(left)))
		fail_msg("left: %s", left);
}

static void step_all(void)
{
	while (fabric_ready())
		fabric_step(0);
}

/* Until the verdict, or as long as it may take. Return: how much happened. */
static int see_through(void)
{
	int count = 0;

	for (unsigned i = 0; device.probe; i++) {
		assert_in_range(i, 0, 250);
		step_all();
		count += rdmat_probe_poll(&rdmat, &device);
		if (device.probe && !fabric_ready())
			fabric_advance(10 * MS);
	}
	return count;
}

static void try_it(const struct fabric_device *like)
{
	begin(like);
	rdmat_probe_begin(&rdmat, &device, &id);
	see_through();
}

static void expect(bool works, const char *line)
{
	assert_int_equal(atomic_load(&device.invalidates), works);
	assert_int_equal(warnings, !works);
	assert_string_equal(works ? noted : warned, line);
	end();
}

#define UNTRIED(why)                                            \
	"device d0: SEND with invalidate cannot be tried (" why \
	"): it is used, as the device claims it"
#define FAILED(why)                                                  \
	"device d0: claims SEND with invalidate, and fails it (" why \
	"): responses through it invalidate nothing"

/* ---- verdicts ---- */

static void a_device_that_keeps_its_word_is_used_once_it_was_tried(void **state)
{
	begin(&(struct fabric_device){0});
	rdmat_probe_begin(&rdmat, &device, &id);
	assert_non_null(device.probe);
	assert_false(atomic_load(&device.invalidates));
	assert_int_equal(rdmat_probe_poll(&rdmat, &device), 0);
	/* The bind, and the SEND on either side with the verdict. */
	assert_int_equal(see_through(), 4);
	assert_int_equal(fabric_now_ns(), 1000 * MS);
	assert_int_equal(rdmat_probe_poll(&rdmat, &device), 0);
	expect(true, "device d0: SEND with invalidate works");
}

static void infiniband_is_tried_over_its_lid(void **state)
{
	struct fabric_device like = {.infiniband = true};

	begin(&like);
	/* No GID is looked for. */
	memset(&id.route.addr.addr, 0, sizeof(id.route.addr.addr));
	rdmat_probe_begin(&rdmat, &device, &id);
	see_through();
	expect(true, "device d0: SEND with invalidate works");
}

static void a_device_that_does_not_keep_its_word_is_used_without(void **state)
{
	static const struct {
		enum fabric_invalidate invalidate;
		const char *line;
	} lies[] = {
		{FABRIC_INVALIDATE_REFUSED, FAILED("it cannot be posted")},
		{FABRIC_INVALIDATE_FAILS, FAILED("local QP operation error")},
		{FABRIC_INVALIDATE_UNTOLD, FAILED("the receive does not tell of it")},
		{FABRIC_INVALIDATE_AMISS, FAILED("the receive names another key")},
	};

	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		try_it(&(struct fabric_device){.invalidate = lies[i].invalidate});
		expect(false, lies[i].line);
	}
}

static void what_arrived_may_have_failed_at_its_sender(void **state)
{
	begin(&(struct fabric_device){0});
	rdmat_probe_begin(&rdmat, &device, &id);
	step_all();
	assert_int_equal(rdmat_probe_poll(&rdmat, &device), 1);
	fabric_step(0);
	assert_int_equal(rdmat_probe_poll(&rdmat, &device), 1);
	assert_non_null(device.probe);
	fabric_qp_break(17, IBV_WC_REM_OP_ERR);
	assert_int_equal(see_through(), 2);
	expect(false, FAILED("remote operation error"));
}

/* All that happens but what is dropped; the next try of a lost packet would come after the verdict. */
static void nothing_arrives(void)
{
	struct fabric_action action;

	for (unsigned i = 0; device.probe; i++) {
		assert_in_range(i, 0, 250);
		while (fabric_ready()) {
			fabric_describe(0, &action);
			if (!strcmp(action.what, "SEND_WITH_INV"))
				fabric_drop(0);
			else
				fabric_step(0);
		}
		rdmat_probe_poll(&rdmat, &device);
		fabric_advance(10 * MS);
	}
}

static void what_is_not_answered_in_time_has_failed(void **state)
{
	begin(&(struct fabric_device){.ack_timeout_ns = 5000 * MS});
	rdmat_probe_begin(&rdmat, &device, &id);
	nothing_arrives();
	assert_in_range(fabric_now_ns(), 2000 * MS, 2030 * MS);
	expect(false, FAILED("it is not answered"));
}

static void what_comes_late_because_nobody_looked_is_in_time(void **state)
{
	begin(&(struct fabric_device){0});
	rdmat_probe_begin(&rdmat, &device, &id);
	for (unsigned i = 0; device.probe; i++) {
		assert_in_range(i, 0, 4);
		step_all();
		fabric_advance(3000 * MS);
		rdmat_probe_poll(&rdmat, &device);
		rdmat_probe_poll(&rdmat, &device);
	}
	expect(true, "device d0: SEND with invalidate works");
}

static void a_port_that_goes_down_is_no_failure(void **state)
{
	begin(&(struct fabric_device){0});
	rdmat_probe_begin(&rdmat, &device, &id);
	step_all();
	assert_int_equal(rdmat_probe_poll(&rdmat, &device), 1);
	fabric_port_set("d0", false);
	see_through();
	expect(true, UNTRIED("its port went down"));
}

static void a_window_that_is_never_bound_is_no_failure(void **state)
{
	begin(&(struct fabric_device){0});
	rdmat_probe_begin(&rdmat, &device, &id);
	fabric_advance((RDMAT_PROBE_MS - 1) * MS);
	assert_int_equal(rdmat_probe_poll(&rdmat, &device), 0);
	assert_non_null(device.probe);
	fabric_advance(1 * MS);
	assert_int_equal(rdmat_probe_poll(&rdmat, &device), 1);
	expect(true, UNTRIED("a memory window is not bound"));
}

/* ---- what cannot be tried ---- */

static void a_device_that_claims_nothing_is_not_tried(void **state)
{
	begin(&(struct fabric_device){.no_invalidate = true});
	rdmat_probe_begin(&rdmat, &device, &id);
	assert_null(device.probe);
	assert_false(atomic_load(&device.invalidates));
	assert_string_equal(noted, "");
	assert_int_equal(warnings, 0);
	end();
}

static void what_cannot_be_tried_is_believed(void **state)
{
	static const struct {
		struct fabric_device like;
		const char *line;
	} t[] = {
		{{.iwarp = true}, UNTRIED("iWARP has no connection by hand")},
		{{.no_windows = true}, UNTRIED("it has no memory windows of type 2")},
	};
	uint64_t calls;

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		begin(&t[i].like);
		calls = fabric_calls(0);
		rdmat_probe_begin(&rdmat, &device, &id);
		assert_int_equal(fabric_calls(0), calls);
		expect(true, t[i].line);
	}
}

static void a_port_without_a_path_is_believed(void **state)
{
	begin(&(struct fabric_device){0});
	fabric_port_set("d0", false);
	rdmat_probe_begin(&rdmat, &device, &id);
	expect(true, UNTRIED("its port is not active"));

	begin(&(struct fabric_device){0});
	id.route.addr.addr.ibaddr.sgid.raw[15]++;
	rdmat_probe_begin(&rdmat, &device, &id);
	expect(true, UNTRIED("its port has no GID of the connection's address"));
}

/* Each call of the set-up and of the polls, the first, the second, and so on. */
static void a_call_that_fails_is_no_verdict(void **state)
{
	char seen[512] = "";
	unsigned calls = 0;

	for (;; calls++) {
		const char *failed;
		char line[256];

		begin(&(struct fabric_device){0});
		fabric_fail_call(0, calls + 1, ENOMEM);
		rdmat_probe_begin(&rdmat, &device, &id);
		see_through();
		failed = fabric_failed_call();
		fabric_fail_call(0, 0, 0);
		if (!failed)
			break;
		if (!strstr(seen, failed))
			snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s ", failed);
		/* What is posted second is the SEND with invalidate. */
		if (!strcmp(failed, "ibv_post_send") && warnings) {
			expect(false, FAILED("it cannot be posted"));
			continue;
		}
		assert_int_equal(warnings, 0);
		assert_true(atomic_load(&device.invalidates));
		snprintf(line, sizeof(line), "(%s failed)", failed);
		if (!strstr(noted, line) && strcmp(failed, "ibv_query_port") != 0 &&
		    strcmp(failed, "ibv_query_gid_ex") != 0 && strcmp(failed, "ibv_post_send") != 0)
			fail_msg("%s failed, and the log says: %s", failed, noted);
		end();
	}
	expect(true, "device d0: SEND with invalidate works");
	assert_string_equal(seen, "ibv_query_port ibv_query_gid_ex ibv_alloc_pd ibv_create_cq "
				  "ibv_create_qp ibv_modify_qp ibv_reg_mr ibv_alloc_mw "
				  "ibv_post_recv ibv_post_send ibv_poll_cq ");
}

static void a_try_can_be_given_up_at_any_time(void **state)
{
	for (unsigned steps = 0;; steps++) {
		bool ended;

		begin(&(struct fabric_device){0});
		rdmat_probe_begin(&rdmat, &device, &id);
		for (unsigned i = 0; i < steps && device.probe; i++) {
			if (fabric_ready())
				fabric_step(0);
			else
				rdmat_probe_poll(&rdmat, &device);
		}
		ended = !device.probe;
		rdmat_probe_stop(&device);
		rdmat_probe_stop(&device);
		assert_int_equal(atomic_load(&device.invalidates), ended);
		end();
		if (ended)
			break;
	}
}

static void events_of_a_tries_queue_pairs_are_known(void **state)
{
	struct ibv_async_event event = {.event_type = IBV_EVENT_PORT_ERR};
	struct ibv_pd others;
	struct ibv_qp qp = {.pd = &others};

	begin(&(struct fabric_device){0});
	rdmat_probe_begin(&rdmat, &device, &id);
	assert_false(rdmat_probe_owns(&device, &event));
	event.event_type = IBV_EVENT_QP_ACCESS_ERR;
	event.element.qp = &qp;
	assert_false(rdmat_probe_owns(&device, &event));
	fabric_async_event(17, IBV_EVENT_QP_FATAL);
	step_all();
	assert_int_equal(ibv_get_async_event(device.context, &event), 0);
	assert_true(rdmat_probe_owns(&device, &event));
	ibv_ack_async_event(&event);
	see_through();
	assert_false(rdmat_probe_owns(&device, &event));
	expect(true, "device d0: SEND with invalidate works");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_keeps_its_word_is_used_once_it_was_tried),
		cmocka_unit_test(infiniband_is_tried_over_its_lid),
		cmocka_unit_test(a_device_that_does_not_keep_its_word_is_used_without),
		cmocka_unit_test(what_arrived_may_have_failed_at_its_sender),
		cmocka_unit_test(what_is_not_answered_in_time_has_failed),
		cmocka_unit_test(what_comes_late_because_nobody_looked_is_in_time),
		cmocka_unit_test(a_port_that_goes_down_is_no_failure),
		cmocka_unit_test(a_window_that_is_never_bound_is_no_failure),
		cmocka_unit_test(a_device_that_claims_nothing_is_not_tried),
		cmocka_unit_test(what_cannot_be_tried_is_believed),
		cmocka_unit_test(a_port_without_a_path_is_believed),
		cmocka_unit_test(a_call_that_fails_is_no_verdict),
		cmocka_unit_test(a_try_can_be_given_up_at_any_time),
		cmocka_unit_test(events_of_a_tries_queue_pairs_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
