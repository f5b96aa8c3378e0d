/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which listeners lead to a subsystem, what becomes of a host that connects twice, and what the
 * discovery log says of both, and of other services: src/nvme/path.c, connect.c, referral.c.
 */
#include <errno.h>

#include "nvme_fixture.h"

#define OTHER_HOST "nqn.2026-01.org.example:other-host"
#define OWN_NQN    "nqn.2026-01.org.example:discovery"

static uint8_t page[16 * 1024];
static uint16_t portal[2];

static int setup(void **state)
{
	static const char *const addresses[2] = {"192.0.2.7", "192.0.2.8"};

	fx_setup(state);
	for (unsigned i = 0; i < 2; i++)
		portal[i] = (uint16_t)nvme_registry_add_portal(fx_registry, 1, false, addresses[i],
							       "4420", 4);
	return 0;
}

static struct wrasse_subsystem *add_subsystem(const char *nqn, bool no_auto_listener,
					      enum wrasse_duplicate_policy duplicates)
{
	struct wrasse_subsystem_opts opts;
	struct wrasse_subsystem *subsystem;
	const char *why = NULL;

	wrasse_subsystem_opts_init(&opts);
	opts.nqn = nqn;
	opts.allow_any_host = true;
	opts.no_auto_listener = no_auto_listener;
	opts.duplicates = duplicates;
	assert_int_equal(nvme_subsystem_create(fx_registry, &opts, &subsystem, &why), 0);
	return subsystem;
}

/* Who connects, and how. */
struct way {
	uint16_t portal;
	const char *traddr, *peer, *hostnqn;
	uint8_t hostid;
};

static struct way way_of(uint16_t number)
{
	return (struct way){number, "192.0.2.7", "192.0.2.99", FX_HOSTNQN, 0x42};
}

static struct fx_run connect_by(struct nvme_queue *queue, const char *subnqn, struct way way)
{
	struct nvme_connect_data data = fx_connect_data(0xffff);
	struct nvme_cmd cmd = fx_connect_cmd(0, &data);

	queue->conn.portal = way.portal;
	strcpy(queue->conn.traddr, way.traddr);
	strcpy(queue->conn.peer, way.peer);
	strcpy(data.subnqn, subnqn);
	strcpy(data.hostnqn, way.hostnqn);
	memset(data.hostid, way.hostid, sizeof(data.hostid));
	return fx_run(queue, &cmd);
}

static struct nvme_queue *discovery_by(struct way way)
{
	struct nvme_queue *queue = fx_queue(0);

	assert_int_equal(connect_by(queue, NVME_DISCOVERY_NQN, way).status, 0);
	fx_write_cc(queue, 1);
	return queue;
}

/* Entries of a subsystem in the log; *last: the last of them. */
static unsigned log_entries(struct nvme_queue *queue, const char *subnqn, const uint8_t **last)
{
	unsigned found = 0;

	assert_int_equal(fx_log(queue, NVME_LID_DISCOVERY, page, sizeof(page), 0).status, 0);
	for (unsigned i = 0; i < page[8]; i++) {
		const uint8_t *entry = page + 1024 * (i + 1);

		if (strcmp((const char *)entry + 256, subnqn) != 0)
			continue;
		found++;
		*last = entry;
	}
	return found;
}

/* ---- listeners of a subsystem ---- */

static void subsystem_is_reached_through_its_listeners_only(void **state)
{
	struct wrasse_subsystem *subsystem =
		add_subsystem("nqn.2026-01.org.example:two", true, WRASSE_DUPLICATE_ALLOW);
	struct nvme_queue *queue = fx_queue(0), *discovery = discovery_by(way_of(portal[1]));
	const uint8_t *entry = NULL;
	struct fx_run run;

	run = connect_by(queue, subsystem->nqn, way_of(portal[0]));
	assert_int_equal(run.status, 0x182 | FX_DNR);
	assert_int_equal(run.dw0, 0x10100);
	assert_int_equal(log_entries(discovery, subsystem->nqn, &entry), 0);
	assert_int_equal(nvme_subsystem_add_portal(subsystem, portal[0]), 0);
	assert_int_equal(nvme_subsystem_add_portal(subsystem, portal[0]), -EEXIST);
	assert_int_equal(log_entries(discovery, subsystem->nqn, &entry), 1);
	assert_string_equal((const char *)entry + 512, "192.0.2.7");
	assert_int_equal(connect_by(queue, subsystem->nqn, way_of(portal[1])).status,
			 0x182 | FX_DNR);
	assert_int_equal(connect_by(queue, subsystem->nqn, way_of(portal[0])).status, 0);
	assert_false(nvme_queue_must_end(queue));
	assert_int_equal(nvme_subsystem_remove_portal(subsystem, portal[1]), -ENOENT);
	assert_int_equal(nvme_subsystem_remove_portal(subsystem, portal[0]), 0);
	assert_true(nvme_queue_must_end(queue));
	assert_int_equal(nvme_subsystem_remove_portal(subsystem, portal[0]), -ENOENT);
	assert_int_equal(log_entries(discovery, subsystem->nqn, &entry), 0);
	fx_queue_gone(queue);
	fx_queue_gone(discovery);
}

static void removed_listener_ends_what_came_through_it_only(void **state)
{
	struct wrasse_subsystem *subsystem =
		add_subsystem("nqn.2026-01.org.example:two", true, WRASSE_DUPLICATE_ALLOW);
	struct nvme_queue *queue[2];

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(nvme_subsystem_add_portal(subsystem, portal[i]), 0);
		queue[i] = fx_queue(0);
		assert_int_equal(connect_by(queue[i], subsystem->nqn, way_of(portal[i])).status, 0);
	}
	assert_int_equal(nvme_subsystem_remove_portal(subsystem, portal[0]), 0);
	assert_true(nvme_queue_must_end(queue[0]));
	assert_false(nvme_queue_must_end(queue[1]));
	fx_queue_gone(queue[0]);
	fx_queue_gone(queue[1]);
}

static void listener_that_is_gone_is_one_of_the_subsystem_no_more(void **state)
{
	struct wrasse_subsystem *subsystem =
		add_subsystem("nqn.2026-01.org.example:two", true, WRASSE_DUPLICATE_ALLOW);

	assert_int_equal(nvme_subsystem_add_portal(subsystem, portal[0]), 0);
	nvme_registry_remove_portal(fx_registry, portal[0]);
	assert_false(nvme_subsystem_is_on(subsystem, portal[0]));
	assert_int_equal(nvme_subsystem_add_portal(fx_subsystem, portal[1]), -EINVAL);
	assert_true(nvme_subsystem_is_on(fx_subsystem, portal[1]));
}

static void listener_changes_move_the_generation_counter(void **state)
{
	struct wrasse_subsystem *subsystem =
		add_subsystem("nqn.2026-01.org.example:two", true, WRASSE_DUPLICATE_ALLOW);
	uint64_t genctr = fx_registry->genctr;

	nvme_subsystem_add_portal(subsystem, portal[0]);
	assert_int_equal(fx_registry->genctr, genctr + 1);
	nvme_subsystem_remove_portal(subsystem, portal[0]);
	assert_int_equal(fx_registry->genctr, genctr + 2);
}

/* ---- hosts that connect twice ---- */

static void second_controller_of_a_host_is_allowed_by_default(void **state)
{
	struct nvme_queue *queue[2] = {fx_queue(0), fx_queue(0)};

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(connect_by(queue[i], FX_SUBNQN, way_of(portal[0])).status, 0);
	assert_false(nvme_queue_must_end(queue[0]));
	fx_queue_gone(queue[0]);
	fx_queue_gone(queue[1]);
}

static void host_that_is_back_replaces_its_older_controllers(void **state)
{
	struct wrasse_subsystem *subsystem =
		add_subsystem("nqn.2026-01.org.example:two", false, WRASSE_DUPLICATE_REPLACE);
	struct nvme_queue *queue[2] = {fx_queue(0), fx_queue(0)};
	struct fx_run run;

	assert_false(connect_by(queue[0], subsystem->nqn, way_of(portal[0])).actions.attention);
	run = connect_by(queue[1], subsystem->nqn, way_of(portal[0]));
	assert_int_equal(run.status, 0);
	assert_true(run.actions.attention);
	assert_true(nvme_queue_must_end(queue[0]));
	assert_false(nvme_queue_must_end(queue[1]));
	assert_int_not_equal(nvme_queue_cntlid(queue[0]), nvme_queue_cntlid(queue[1]));
	fx_queue_gone(queue[0]);
	fx_queue_gone(queue[1]);
}

static void host_that_is_there_is_refused_until_its_controller_ends(void **state)
{
	struct wrasse_subsystem *subsystem =
		add_subsystem("nqn.2026-01.org.example:two", false, WRASSE_DUPLICATE_REFUSE);
	struct nvme_queue *first = fx_queue(0), *second = fx_queue(0);
	struct nvme_actions actions = {0};

	assert_int_equal(connect_by(first, subsystem->nqn, way_of(portal[0])).status, 0);
	/* Connect Controller Busy, to be tried again. */
	assert_int_equal(connect_by(second, subsystem->nqn, way_of(portal[0])).status, 0x181);
	assert_false(nvme_queue_must_end(first));
	nvme_queue_end(first, &actions);
	assert_int_equal(connect_by(second, subsystem->nqn, way_of(portal[0])).status, 0);
	fx_queue_gone(first);
	fx_queue_gone(second);
}

static void other_ways_and_other_hosts_are_no_duplicates(void **state)
{
	struct wrasse_subsystem *subsystem =
		add_subsystem("nqn.2026-01.org.example:two", false, WRASSE_DUPLICATE_REFUSE);
	struct way ways[6];
	struct nvme_queue *queue[6];

	for (unsigned i = 0; i < 6; i++)
		ways[i] = way_of(portal[0]);
	ways[1].portal = portal[1];
	ways[2].traddr = "192.0.2.77";
	ways[3].peer = "192.0.2.100";
	ways[4].hostnqn = OTHER_HOST;
	ways[5].hostid = 0x43;
	for (unsigned i = 0; i < 6; i++) {
		queue[i] = fx_queue(0);
		assert_int_equal(connect_by(queue[i], subsystem->nqn, ways[i]).status, 0);
	}
	for (unsigned i = 0; i < 6; i++)
		fx_queue_gone(queue[i]);
}

static int no_key(void *ctx, const char *hostnqn, const char *subnqn, struct wrasse_auth_keys *keys)
{
	return -ENOENT;
}

/* The host of a queue has authenticated itself. */
static void prove(struct nvme_queue *queue)
{
	queue->on = NVME_ON_ADMIN;
	queue->ctrl->proven = true;
}

static void who_must_authenticate_replaces_nobody_before_he_has(void **state)
{
	struct wrasse_subsystem *subsystem =
		add_subsystem("nqn.2026-01.org.example:two", false, WRASSE_DUPLICATE_REPLACE);
	struct nvme_queue *queue[3] = {fx_queue(0), fx_queue(0), fx_queue_of(1, 32, 0)};
	struct nvme_connect_data data;
	struct nvme_cmd cmd;

	subsystem->auth.get_key = no_key;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(connect_by(queue[i], subsystem->nqn, way_of(portal[0])).status, 0);
		assert_false(queue[i]->ctrl->proven);
		assert_false(nvme_queue_must_end(queue[0]));
		if (i == 0)
			prove(queue[i]);
	}
	prove(queue[1]);
	fx_write_cc(queue[1], FX_CC_ENABLE);
	assert_false(nvme_queue_must_end(queue[0]));
	data = fx_connect_data(nvme_queue_cntlid(queue[1]));
	strcpy(data.subnqn, subsystem->nqn);
	cmd = fx_connect_cmd(1, &data);
	queue[2]->conn = queue[1]->conn;
	queue[2]->conn.qid = 1;
	assert_true(fx_run(queue[2], &cmd).actions.attention);
	assert_true(nvme_queue_must_end(queue[0]));
	assert_false(nvme_queue_must_end(queue[1]));
	for (unsigned i = 3; i-- > 0;)
		fx_queue_gone(queue[i]);
}

static void who_has_not_authenticated_himself_keeps_nobody_out(void **state)
{
	struct wrasse_subsystem *subsystem =
		add_subsystem("nqn.2026-01.org.example:two", false, WRASSE_DUPLICATE_REFUSE);
	struct nvme_queue *queue[3] = {fx_queue(0), fx_queue(0), fx_queue(0)};

	subsystem->auth.get_key = no_key;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(connect_by(queue[i], subsystem->nqn, way_of(portal[0])).status, 0);
	prove(queue[1]);
	assert_int_equal(connect_by(queue[2], subsystem->nqn, way_of(portal[0])).status, 0x181);
	for (unsigned i = 0; i < 3; i++)
		fx_queue_gone(queue[i]);
}

static void policy_that_is_none_is_refused(void **state)
{
	struct wrasse_subsystem_opts opts;
	struct wrasse_subsystem *subsystem;
	const char *why = NULL;

	wrasse_subsystem_opts_init(&opts);
	opts.nqn = "nqn.2026-01.org.example:two";
	opts.duplicates = (enum wrasse_duplicate_policy)3;
	assert_int_equal(nvme_subsystem_create(fx_registry, &opts, &subsystem, &why), -EINVAL);
	assert_string_equal(why, "duplicates is not a policy");
}

/* ---- controller ids ---- */

static void nodes_with_ranges_of_their_own_never_give_the_same_id(void **state)
{
	struct wrasse_subsystem_opts opts;
	struct wrasse_subsystem *subsystem;
	struct nvme_queue *queue[5];
	const char *why = NULL;

	wrasse_subsystem_opts_init(&opts);
	opts.nqn = "nqn.2026-01.org.example:two";
	opts.allow_any_host = true;
	opts.cntlid_min = 1000;
	opts.cntlid_max = 1003;
	assert_int_equal(nvme_subsystem_create(fx_registry, &opts, &subsystem, &why), 0);
	for (unsigned i = 0; i < 5; i++) {
		struct fx_run run;

		queue[i] = fx_queue(0);
		run = connect_by(queue[i], opts.nqn, way_of(portal[0]));
		assert_int_equal(run.status, i < 4 ? 0 : 0x181);
		if (i < 4)
			assert_int_equal(run.dw0, 1000 + i);
	}
	fx_queue_gone(queue[1]);
	assert_int_equal(connect_by(queue[4], opts.nqn, way_of(portal[0])).dw0, 1001);
	for (unsigned i = 0; i < 5; i++) {
		if (i != 1)
			fx_queue_gone(queue[i]);
	}
}

/* ---- referrals ---- */

static struct nvme_referral referral_to(const char *traddr, const char *hostnqn)
{
	struct nvme_referral referral = {.adrfam = 1, .nqn = NVME_DISCOVERY_NQN};

	strcpy(referral.traddr, traddr);
	strcpy(referral.trsvcid, "8009");
	strcpy(referral.hostnqn, hostnqn);
	return referral;
}

static void referral_is_told_to_every_host_or_to_one(void **state)
{
	struct nvme_referral open = referral_to("192.0.2.50", "");
	struct nvme_referral closed = referral_to("192.0.2.51", OTHER_HOST);
	struct way other = way_of(portal[0]);
	struct nvme_queue *mine = discovery_by(other), *theirs;
	const uint8_t *entry = NULL;
	uint64_t genctr;

	other.hostnqn = OTHER_HOST;
	theirs = discovery_by(other);
	assert_int_equal(log_entries(mine, NVME_DISCOVERY_NQN, &entry), 1);
	assert_int_equal(entry[2], 3);
	assert_int_equal(entry[10] | entry[11] << 8, 2); /* EFLAGS: EPCSD */
	genctr = fx_registry->genctr;
	assert_int_equal(nvme_referral_add(fx_registry, &open), 0);
	assert_int_equal(nvme_referral_add(fx_registry, &closed), 0);
	assert_int_equal(fx_registry->genctr, genctr + 2);
	assert_int_equal(log_entries(mine, NVME_DISCOVERY_NQN, &entry), 2);
	assert_int_equal(entry[0], 1);
	assert_int_equal(entry[1], 1);
	assert_int_equal(entry[2], 1); /* SUBTYPE: referral */
	assert_int_equal(entry[3], 0);
	assert_int_equal(entry[6] | entry[7] << 8, 0xffff);
	assert_int_equal(entry[8] | entry[9] << 8, 32);
	assert_string_equal((const char *)entry + 32, "8009");
	assert_string_equal((const char *)entry + 512, "192.0.2.50");
	assert_int_equal(entry[768], 1);
	assert_int_equal(entry[769], 1);
	assert_int_equal(log_entries(theirs, NVME_DISCOVERY_NQN, &entry), 3);
	assert_string_equal((const char *)entry + 512, "192.0.2.51");
	assert_int_equal(nvme_referral_remove(fx_registry, &open), 0);
	assert_int_equal(log_entries(mine, NVME_DISCOVERY_NQN, &entry), 1);
	assert_int_equal(fx_registry->genctr, genctr + 3);
	fx_queue_gone(mine);
	fx_queue_gone(theirs);
}

static void referrals_are_known_by_all_they_say(void **state)
{
	struct nvme_referral a = referral_to("192.0.2.50", ""), b = a;

	assert_int_equal(nvme_referral_add(fx_registry, &a), 0);
	assert_int_equal(nvme_referral_add(fx_registry, &a), -EEXIST);
	strcpy(b.trsvcid, "8010");
	assert_int_equal(nvme_referral_remove(fx_registry, &b), -ENOENT);
	b = a;
	strcpy(b.hostnqn, OTHER_HOST);
	assert_int_equal(nvme_referral_remove(fx_registry, &b), -ENOENT);
	b = a;
	strcpy(b.nqn, OWN_NQN);
	assert_int_equal(nvme_referral_remove(fx_registry, &b), -ENOENT);
	strcpy(b.nqn, "discovery");
	assert_int_equal(nvme_referral_add(fx_registry, &b), -EINVAL);
	b = referral_to("192.0.2.52", "host");
	assert_int_equal(nvme_referral_add(fx_registry, &b), -EINVAL);
	assert_int_equal(nvme_referral_remove(fx_registry, &a), 0);
}

/* ---- the discovery subsystem's own name ---- */

static void discovery_is_found_by_its_own_name_and_by_the_well_known_one(void **state)
{
	struct nvme_limits limits = fx_limits;
	struct nvme_registry *common = fx_registry;
	struct nvme_queue *queue[2];
	const uint8_t *entry = NULL;
	struct wrasse_subsystem *subsystem;
	struct wrasse_subsystem_opts opts;
	const char *why;

	limits.discovery_nqn = OWN_NQN;
	assert_int_equal(nvme_registry_create(&limits, &fx_registry), 0);
	for (unsigned i = 0; i < 2; i++) {
		queue[i] = fx_queue(0);
		assert_int_equal(
			connect_by(queue[i], i ? OWN_NQN : NVME_DISCOVERY_NQN, way_of(1)).status,
			0);
		fx_write_cc(queue[i], 1);
		assert_string_equal(nvme_queue_subnqn(queue[i]), OWN_NQN);
		assert_int_equal(log_entries(queue[i], OWN_NQN, &entry), 1);
		assert_int_equal(entry[2], 3);
	}
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = NVME_DISCOVERY_NQN;
	assert_int_equal(nvme_subsystem_create(fx_registry, &opts, &subsystem, &why), -EEXIST);
	fx_queue_gone(queue[0]);
	fx_queue_gone(queue[1]);
	nvme_registry_destroy(fx_registry);
	fx_registry = common;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(subsystem_is_reached_through_its_listeners_only),
		TEST(removed_listener_ends_what_came_through_it_only),
		TEST(listener_that_is_gone_is_one_of_the_subsystem_no_more),
		TEST(listener_changes_move_the_generation_counter),
		TEST(second_controller_of_a_host_is_allowed_by_default),
		TEST(host_that_is_back_replaces_its_older_controllers),
		TEST(host_that_is_there_is_refused_until_its_controller_ends),
		TEST(other_ways_and_other_hosts_are_no_duplicates),
		TEST(who_must_authenticate_replaces_nobody_before_he_has),
		TEST(who_has_not_authenticated_himself_keeps_nobody_out),
		TEST(policy_that_is_none_is_refused),
		TEST(nodes_with_ranges_of_their_own_never_give_the_same_id),
		TEST(referral_is_told_to_every_host_or_to_one),
		TEST(referrals_are_known_by_all_they_say),
		TEST(discovery_is_found_by_its_own_name_and_by_the_well_known_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
