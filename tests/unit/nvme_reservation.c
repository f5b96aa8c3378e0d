/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/reservation.c: what each reservation allows to whom, against a table that this file writes
 * down by itself, and what each command makes of each state.
 */
#include "nvme/reservation.h"
#include "nvme_fixture.h"

#define CONFLICT 0x83
#define FIELD    0x02
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { WE = 1, EA, WERO, EARO, WEAR, EAAR };

static const uint8_t hosts[3][16] = {"host number one", "host number two", "host number thr"};
static struct nvme_resv resv;
static struct nvme_resv_change change;
static const char *why;

static int setup(void **state)
{
	(void)state;
	memset(&resv, 0, sizeof(resv));
	return 0;
}

/* Return: the status code; the state is as before if it is not 0. */
static uint8_t apply(unsigned host, struct nvme_resv_cmd cmd)
{
	struct nvme_resv next;
	struct wrasse_status status;

	cmd.hostid = hosts[host];
	cmd.hostnqn = FX_HOSTNQN;
	memset(&next, 0, sizeof(next));
	nvme_resv_copy(&next, &resv);
	why = NULL;
	status = nvme_resv_apply(&next, &cmd, &change, &why);
	assert_int_equal(status.sct, 0);
	if (status.sc == 0)
		resv = next;
	else
		assert_non_null(why);
	return status.sc;
}

static uint8_t enlist(unsigned host, uint64_t key)
{
	return apply(host, (struct nvme_resv_cmd){.opcode = 0x0d, .key = key});
}

static uint8_t leave(unsigned host, uint64_t crkey)
{
	return apply(host, (struct nvme_resv_cmd){.opcode = 0x0d, .action = 1, .crkey = crkey});
}

static uint8_t acquire(unsigned host, uint64_t crkey, uint8_t type)
{
	return apply(host, (struct nvme_resv_cmd){.opcode = 0x11, .crkey = crkey, .type = type});
}

static uint8_t preempt(unsigned host, uint64_t crkey, uint64_t prkey, uint8_t type)
{
	return apply(
		host,
		(struct nvme_resv_cmd){
			.opcode = 0x11, .action = 1, .crkey = crkey, .key = prkey, .type = type});
}

static uint8_t release(unsigned host, uint64_t crkey, uint8_t type)
{
	return apply(host, (struct nvme_resv_cmd){.opcode = 0x15, .crkey = crkey, .type = type});
}

static uint8_t clear(unsigned host, uint64_t crkey)
{
	return apply(host, (struct nvme_resv_cmd){.opcode = 0x15, .action = 1, .crkey = crkey});
}

static bool holds(unsigned host)
{
	const struct wrasse_registrant *registrant = nvme_resv_find(&resv, hosts[host]);

	return registrant && registrant->holder;
}

static bool is_registered(unsigned host)
{
	return nvme_resv_find(&resv, hosts[host]);
}

/* Hosts 0 and 1 with keys 10 and 11, and a reservation of host 0. */
static void reserve(uint8_t type)
{
	setup(NULL);
	assert_int_equal(enlist(0, 10), 0);
	assert_int_equal(enlist(1, 11), 0);
	if (type)
		assert_int_equal(acquire(0, 10, type), 0);
}

/* ---- the matrix ---- */

/* Host 0 holds, host 1 is registered, host 2 is a stranger. C: conflict; A: allowed. */
static const struct verdict {
	uint8_t type;
	const char *read, *write; /* by host */
} verdicts[] = {
	{0, "AAA", "AAA"},    {WE, "AAA", "ACC"},   {EA, "ACC", "ACC"},   {WERO, "AAA", "AAC"},
	{EARO, "AAC", "AAC"}, {WEAR, "AAA", "AAC"}, {EAAR, "AAC", "AAC"},
};

/* Every I/O command that may ever be: R reads, W writes, B does both, - is not for reservations. */
static char kind_of(unsigned opcode)
{
	static const struct {
		uint8_t opcode;
		char kind;
	} kinds[] = {
		{0x00, 'W'}, {0x01, 'W'}, {0x02, 'R'}, {0x04, 'W'}, {0x05, 'R'},
		{0x08, 'W'}, {0x09, 'W'}, {0x0c, 'R'}, {0x0d, '-'}, {0x0e, '-'},
		{0x11, '-'}, {0x15, '-'}, {0x19, 'B'},
	};

	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (kinds[i].opcode == opcode)
			return kinds[i].kind;
	}
	return '?';
}

static bool expect_denied(const struct verdict *verdict, unsigned host, char kind)
{
	bool read = verdict->read[host] == 'C', write = verdict->write[host] == 'C';

	return (read && (kind == 'R' || kind == 'B')) || (write && (kind == 'W' || kind == 'B'));
}

static void every_io_command_says_what_it_does_to_a_namespace(void **state)
{
	static const uint8_t access[128] = {['R'] = NVME_ACCESS_READ,
					    ['W'] = NVME_ACCESS_WRITE,
					    ['B'] = NVME_ACCESS_READ | NVME_ACCESS_WRITE,
					    ['-'] = NVME_ACCESS_FREE};

	(void)state;
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		const struct nvme_op *op = nvme_op_find(&nvme_io_ops, opcode);

		if (!op)
			continue;
		if (kind_of(opcode) == '?' || op->access != access[(int)kind_of(opcode)])
			fail_msg("%s (0x%02x) has access %u", op->name, opcode, op->access);
	}
}

static void every_type_allows_to_every_host_what_the_specification_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(verdicts); i++) {
		reserve(verdicts[i].type);
		for (unsigned host = 0; host < 3; host++) {
			uint8_t denied = nvme_resv_denied(&resv, hosts[host]);

			for (unsigned opcode = 0; opcode < 256; opcode++) {
				const struct nvme_op *op = nvme_op_find(&nvme_io_ops, opcode);

				if (op &&
				    !!(op->access & denied) !=
					    expect_denied(&verdicts[i], host, kind_of(opcode)))
					fail_msg("type %u, host %u, %s", verdicts[i].type, host,
						 op->name);
			}
		}
	}
}

/* ---- Register ---- */

static void registering_twice_needs_the_same_key(void **state)
{
	(void)state;
	assert_int_equal(enlist(0, 10), 0);
	assert_int_equal(enlist(0, 10), 0);
	assert_int_equal(resv.count, 1);
	assert_int_equal(resv.generation, 2);
	assert_int_equal(enlist(0, 20), CONFLICT);
	assert_int_equal(resv.registrant[0].key, 10);
	assert_int_equal(resv.generation, 2);
	assert_string_equal(resv.registrant[0].hostnqn, FX_HOSTNQN);
}

static void two_hosts_may_have_one_key(void **state)
{
	(void)state;
	assert_int_equal(enlist(0, 10), 0);
	assert_int_equal(enlist(1, 10), 0);
	assert_int_equal(resv.count, 2);
}

static void a_key_is_replaced_by_who_knows_it_or_ignores_it(void **state)
{
	struct nvme_resv_cmd cmd = {.opcode = 0x0d, .action = 2, .crkey = 10, .key = 30};

	(void)state;
	assert_int_equal(apply(0, cmd), CONFLICT);
	cmd.iekey = true;
	assert_int_equal(apply(0, cmd), CONFLICT);
	reserve(0);
	cmd.iekey = false;
	assert_int_equal(apply(0, cmd), 0);
	assert_int_equal(resv.registrant[0].key, 30);
	assert_int_equal(apply(0, cmd), CONFLICT);
	cmd.iekey = true;
	cmd.key = 40;
	assert_int_equal(apply(0, cmd), 0);
	assert_int_equal(resv.registrant[0].key, 40);
	cmd.key = 0;
	assert_int_equal(apply(0, cmd), FIELD);
	assert_int_equal(resv.generation, 4);
}

static void unregistering_needs_the_key(void **state)
{
	struct nvme_resv_cmd cmd = {.opcode = 0x0d, .action = 1, .crkey = 99};

	(void)state;
	reserve(0);
	assert_int_equal(leave(2, 10), CONFLICT);
	assert_int_equal(leave(0, 11), CONFLICT);
	assert_int_equal(leave(0, 10), 0);
	assert_false(is_registered(0));
	cmd.iekey = true;
	assert_int_equal(apply(1, cmd), 0);
	assert_int_equal(resv.count, 0);
	assert_int_equal(resv.generation, 4);
}

static void fields_of_register_that_are_reserved_are_refused(void **state)
{
	struct nvme_resv_cmd cmd = {.opcode = 0x0d, .key = 10};

	(void)state;
	for (cmd.action = 3; cmd.action < 8; cmd.action++)
		assert_int_equal(apply(0, cmd), FIELD);
	cmd.action = 0;
	cmd.cptpl = 1;
	assert_int_equal(apply(0, cmd), FIELD);
	cmd.cptpl = 3;
	assert_int_equal(apply(0, cmd), FIELD);
	cmd.cptpl = 0;
	cmd.key = 0;
	assert_int_equal(apply(0, cmd), FIELD);
	assert_int_equal(resv.count, 0);
	assert_int_equal(resv.generation, 0);
}

static void ptpl_is_changed_by_register_where_it_can_be(void **state)
{
	struct nvme_resv_cmd cmd = {.opcode = 0x0d, .key = 10, .can_persist = true};

	(void)state;
	assert_int_equal(apply(0, cmd), 0);
	assert_false(resv.ptpl);
	cmd.cptpl = 3;
	assert_int_equal(apply(0, cmd), 0);
	assert_true(resv.ptpl);
	cmd.cptpl = 0;
	assert_int_equal(apply(0, cmd), 0);
	assert_true(resv.ptpl);
	cmd.cptpl = 2;
	assert_int_equal(apply(0, cmd), 0);
	assert_false(resv.ptpl);
}

static void one_host_more_than_the_limit_is_refused(void **state)
{
	struct nvme_resv_cmd cmd = {.opcode = 0x0d, .key = 10, .hostnqn = ""};
	uint8_t hostid[16] = "host 00";

	(void)state;
	cmd.hostid = hostid;
	for (unsigned i = 0; i < WRASSE_MAX_REGISTRANTS; i++) {
		hostid[5] = (uint8_t)i;
		assert_int_equal(nvme_resv_apply(&resv, &cmd, &change, &why).sc, 0);
	}
	assert_int_equal(resv.count, 64);
	assert_int_equal(enlist(0, 10), 0x06);
	assert_int_equal(resv.count, 64);
	assert_int_equal(nvme_resv_apply(&resv, &cmd, &change, &why).sc, 0);
}

/* Who unregisters and holds, releases; registrants are told where they had a part in it. */
static void a_holder_that_leaves_releases(void **state)
{
	(void)state;
	for (uint8_t type = WE; type <= EAAR; type++) {
		bool shared = type == WERO || type == EARO;

		reserve(type);
		assert_int_equal(leave(1, 11), 0);
		assert_int_equal(resv.type, type);
		assert_int_equal(change.to_others, 0);
		assert_int_equal(change.to_removed, 0);
		assert_int_equal(enlist(1, 11), 0);
		assert_int_equal(leave(0, 10), 0);
		assert_int_equal(resv.type, type >= WEAR ? type : 0);
		assert_int_equal(change.to_others, shared ? NVME_NOTICE_RESERVATION_RELEASED : 0);
		assert_int_equal(change.to_removed, 0);
		assert_int_equal(leave(1, 11), 0);
		assert_int_equal(resv.type, 0);
	}
}

/* ---- Acquire ---- */

static void acquire_checks_host_key_and_fields(void **state)
{
	struct nvme_resv_cmd cmd = {.opcode = 0x11, .crkey = 10, .type = WE};

	(void)state;
	reserve(0);
	assert_int_equal(acquire(2, 10, WE), CONFLICT);
	assert_int_equal(acquire(0, 11, WE), CONFLICT);
	assert_int_equal(acquire(0, 10, 0), FIELD);
	for (unsigned type = 7; type < 256; type++)
		assert_int_equal(acquire(0, 10, (uint8_t)type), FIELD);
	for (cmd.action = 3; cmd.action < 8; cmd.action++)
		assert_int_equal(apply(0, cmd), FIELD);
	cmd.action = 0;
	cmd.iekey = true;
	assert_int_equal(apply(0, cmd), FIELD);
	assert_int_equal(resv.type, 0);
}

static void one_host_acquires_and_no_other(void **state)
{
	(void)state;
	for (uint8_t type = WE; type <= EAAR; type++) {
		reserve(type);
		assert_int_equal(resv.type, type);
		assert_int_equal(resv.generation, 2);
		assert_true(holds(0));
		assert_int_equal(holds(1), type >= WEAR);
		for (uint8_t other = WE; other <= EAAR; other++) {
			assert_int_equal(acquire(0, 10, other), other == type ? 0 : CONFLICT);
			assert_int_equal(acquire(1, 11, other),
					 other == type && type >= WEAR ? 0 : CONFLICT);
		}
		assert_int_equal(resv.generation, 2);
	}
}

static void who_registers_later_holds_what_all_registrants_hold(void **state)
{
	(void)state;
	for (uint8_t type = WE; type <= EAAR; type++) {
		reserve(type);
		assert_int_equal(enlist(2, 12), 0);
		assert_int_equal(holds(2), type >= WEAR);
	}
}

/* ---- Preempt ---- */

static void preempt_of_the_holder_s_key_takes_the_reservation(void **state)
{
	(void)state;
	for (uint8_t type = WE; type <= EARO; type++) {
		for (uint8_t next = WE; next <= EAAR; next++) {
			reserve(type);
			assert_int_equal(enlist(2, 12), 0);
			assert_int_equal(preempt(1, 11, 10, next), 0);
			assert_int_equal(resv.type, next);
			assert_int_equal(resv.generation, 4);
			assert_false(is_registered(0));
			assert_true(holds(1));
			assert_int_equal(holds(2), next >= WEAR);
			assert_int_equal(change.to_removed, NVME_NOTICE_REGISTRATION_PREEMPTED);
			assert_int_equal(change.to_others,
					 type >= WERO && next != type ?
						 NVME_NOTICE_RESERVATION_RELEASED :
						 0);
			assert_false(change.abort);
		}
	}
}

static void preempt_of_another_key_only_unregisters(void **state)
{
	(void)state;
	for (uint8_t type = 0; type <= EAAR; type++) {
		reserve(type);
		assert_int_equal(enlist(2, 12), 0);
		assert_int_equal(preempt(1, 11, 12, WE), 0);
		assert_int_equal(resv.type, type);
		assert_true(is_registered(0));
		assert_false(is_registered(2));
		assert_int_equal(holds(0), type != 0);
		assert_int_equal(change.to_removed, NVME_NOTICE_REGISTRATION_PREEMPTED);
		assert_int_equal(change.to_others, 0);
		assert_int_equal(preempt(1, 11, 12, WE), CONFLICT);
		assert_int_equal(resv.generation, 4);
	}
}

static void preempt_of_key_0_is_for_all_registrants_types(void **state)
{
	(void)state;
	for (uint8_t type = 0; type <= EAAR; type++) {
		reserve(type);
		assert_int_equal(enlist(2, 12), 0);
		if (type < WEAR) {
			assert_int_equal(preempt(1, 11, 0, WE), FIELD);
			assert_int_equal(resv.count, 3);
			continue;
		}
		assert_int_equal(preempt(1, 11, 0, WE), 0);
		assert_int_equal(resv.type, WE);
		assert_int_equal(resv.count, 1);
		assert_true(holds(1));
	}
}

static void a_host_preempts_itself_to_change_the_type(void **state)
{
	(void)state;
	reserve(WERO);
	assert_int_equal(preempt(0, 10, 10, EA), 0);
	assert_int_equal(resv.type, EA);
	assert_int_equal(resv.count, 2);
	assert_true(holds(0));
	assert_int_equal(change.to_others, NVME_NOTICE_RESERVATION_RELEASED);
}

static void preempt_needs_a_registered_host_and_a_type(void **state)
{
	(void)state;
	reserve(WE);
	assert_int_equal(preempt(2, 12, 10, WE), CONFLICT);
	assert_int_equal(preempt(1, 10, 10, WE), CONFLICT);
	assert_int_equal(preempt(1, 11, 10, 0), FIELD);
	assert_int_equal(preempt(1, 11, 10, 7), FIELD);
	assert_true(holds(0));
}

static void hosts_with_the_preempted_key_all_go(void **state)
{
	(void)state;
	reserve(WE);
	assert_int_equal(enlist(2, 10), 0);
	assert_int_equal(
		apply(1,
		      (struct nvme_resv_cmd){
			      .opcode = 0x11, .action = 2, .crkey = 11, .key = 10, .type = EA}),
		0);
	assert_int_equal(resv.count, 1);
	assert_true(holds(1));
	assert_true(change.abort);
}

/* ---- Release ---- */

static void the_holder_releases_with_the_right_type(void **state)
{
	(void)state;
	for (uint8_t type = WE; type <= EAAR; type++) {
		reserve(type);
		for (uint8_t other = 0; other < 10; other++) {
			if (other != type)
				assert_int_equal(release(0, 10, other), FIELD);
		}
		assert_int_equal(release(0, 11, type), CONFLICT);
		assert_int_equal(release(2, 10, type), CONFLICT);
		assert_int_equal(resv.type, type);
		assert_int_equal(release(0, 10, type), 0);
		assert_int_equal(resv.type, 0);
		assert_false(holds(0) || holds(1));
		assert_int_equal(resv.count, 2);
		assert_int_equal(resv.generation, 2);
		assert_int_equal(change.to_others,
				 type >= WERO ? NVME_NOTICE_RESERVATION_RELEASED : 0);
		assert_int_equal(change.to_removed, 0);
	}
}

static void release_by_who_holds_nothing_does_nothing(void **state)
{
	(void)state;
	reserve(WE);
	assert_int_equal(release(1, 11, WE), 0);
	assert_int_equal(release(1, 11, EA), 0);
	assert_int_equal(resv.type, WE);
	assert_int_equal(release(0, 10, WE), 0);
	assert_int_equal(release(0, 10, WE), 0);
	assert_int_equal(change.to_others, 0);
	reserve(WEAR);
	assert_int_equal(release(1, 11, WEAR), 0);
	assert_int_equal(resv.type, 0);
}

static void clear_removes_everybody(void **state)
{
	(void)state;
	for (uint8_t type = 0; type <= EAAR; type++) {
		reserve(type);
		assert_int_equal(clear(2, 11), CONFLICT);
		assert_int_equal(clear(1, 10), CONFLICT);
		assert_int_equal(clear(1, 11), 0);
		assert_int_equal(resv.count, 0);
		assert_int_equal(resv.type, 0);
		assert_int_equal(resv.generation, 3);
		assert_int_equal(change.to_removed, NVME_NOTICE_RESERVATION_PREEMPTED);
	}
}

static void fields_of_release_that_are_reserved_are_refused(void **state)
{
	struct nvme_resv_cmd cmd = {.opcode = 0x15, .crkey = 10, .type = WE};

	(void)state;
	reserve(WE);
	for (cmd.action = 2; cmd.action < 8; cmd.action++)
		assert_int_equal(apply(0, cmd), FIELD);
	cmd.action = 0;
	cmd.iekey = true;
	assert_int_equal(apply(0, cmd), FIELD);
	assert_int_equal(resv.type, WE);
}

static void the_generation_wraps(void **state)
{
	(void)state;
	resv.generation = UINT32_MAX;
	assert_int_equal(enlist(0, 10), 0);
	assert_int_equal(resv.generation, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_io_command_says_what_it_does_to_a_namespace),
		TEST(every_type_allows_to_every_host_what_the_specification_says),
		TEST(registering_twice_needs_the_same_key),
		TEST(two_hosts_may_have_one_key),
		TEST(a_key_is_replaced_by_who_knows_it_or_ignores_it),
		TEST(unregistering_needs_the_key),
		TEST(fields_of_register_that_are_reserved_are_refused),
		TEST(ptpl_is_changed_by_register_where_it_can_be),
		TEST(one_host_more_than_the_limit_is_refused),
		TEST(a_holder_that_leaves_releases),
		TEST(acquire_checks_host_key_and_fields),
		TEST(one_host_acquires_and_no_other),
		TEST(who_registers_later_holds_what_all_registrants_hold),
		TEST(preempt_of_the_holder_s_key_takes_the_reservation),
		TEST(preempt_of_another_key_only_unregisters),
		TEST(preempt_of_key_0_is_for_all_registrants_types),
		TEST(a_host_preempts_itself_to_change_the_type),
		TEST(preempt_needs_a_registered_host_and_a_type),
		TEST(hosts_with_the_preempted_key_all_go),
		TEST(the_holder_releases_with_the_right_type),
		TEST(release_by_who_holds_nothing_does_nothing),
		TEST(clear_removes_everybody),
		TEST(fields_of_release_that_are_reserved_are_refused),
		TEST(the_generation_wraps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
