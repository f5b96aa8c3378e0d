/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public API of who reaches what, without an RDMA device: ANA states, masks and sizes of
 * namespaces; and two targets in one program.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <wrasse/wrasse.h>

#define SUBNQN  "nqn.2026-01.org.example:one"
#define HOSTNQN "nqn.2026-01.org.example:host"

static char last_line[512];
static unsigned attached[2], removed;

static void test_log(void *ctx, enum wrasse_log_level level, const char *line)
{
	snprintf(last_line, sizeof(last_line), "%s", line);
}

static void be_submit(struct wrasse_io *io)
{
}

static int be_attach(void *backend, struct wrasse_poll_group *group, void **group_ctx)
{
	++*(unsigned *)backend;
	return 0;
}

static void be_detach(void *backend, void *group_ctx)
{
	--*(unsigned *)backend;
}

static void ns_gone(void *ctx)
{
	removed++;
}

static const struct wrasse_backend_ops be_ops = {
	.size = sizeof(be_ops),
	.submit = be_submit,
	.attach = be_attach,
	.detach = be_detach,
};

struct world {
	struct wrasse_target *target;
	struct wrasse_poll_group *group;
	struct wrasse_subsystem *subsystem;
	struct wrasse_namespace *ns;
};

static void world_make(struct world *world, unsigned which, bool no_auto_visible)
{
	struct wrasse_poll_group_opts group;
	struct wrasse_subsystem_opts sub;
	struct wrasse_target_opts opts;
	struct wrasse_ns_opts ns;

	wrasse_target_opts_init(&opts);
	opts.log = test_log;
	assert_int_equal(wrasse_target_create(&opts, &world->target), 0);
	wrasse_poll_group_opts_init(&group);
	group.io_requests = group.admin_requests = 16;
	group.wrs = 64;
	group.small_buffers = group.large_buffers = 32;
	assert_int_equal(wrasse_poll_group_create(world->target, &group, &world->group), 0);
	wrasse_subsystem_opts_init(&sub);
	sub.nqn = SUBNQN;
	sub.max_ana_groups = 4;
	assert_int_equal(wrasse_subsystem_create(world->target, &sub, &world->subsystem), 0);
	wrasse_ns_opts_init(&ns);
	ns.block_count = 1000;
	ns.no_auto_visible = no_auto_visible;
	ns.ops = &be_ops;
	ns.backend = &attached[which];
	assert_int_equal(wrasse_subsystem_add_ns(world->subsystem, &ns, &world->ns), 1);
}

static void world_destroy(struct world *world)
{
	assert_int_equal(wrasse_poll_group_destroy(world->group), 0);
	assert_int_equal(wrasse_target_destroy(world->target), 0);
}

static void ana_states_are_set_per_group(void **state)
{
	struct world world;

	world_make(&world, 0, false);
	assert_int_equal(wrasse_subsystem_get_ana_state(world.subsystem, NULL, 4),
			 WRASSE_ANA_OPTIMIZED);
	assert_int_equal(wrasse_subsystem_set_ana_state(world.subsystem, NULL, 4,
							WRASSE_ANA_INACCESSIBLE),
			 0);
	assert_int_equal(wrasse_subsystem_get_ana_state(world.subsystem, NULL, 4),
			 WRASSE_ANA_INACCESSIBLE);
	assert_int_equal(wrasse_subsystem_get_ana_state(world.subsystem, NULL, 3),
			 WRASSE_ANA_OPTIMIZED);
	assert_int_equal(wrasse_subsystem_set_ana_state(world.subsystem, NULL, 5,
							WRASSE_ANA_OPTIMIZED),
			 -EINVAL);
	assert_int_equal(wrasse_subsystem_get_ana_state(world.subsystem, NULL, 5), -EINVAL);
	world_destroy(&world);
}

static void group_count_of_ana_has_a_limit(void **state)
{
	struct wrasse_subsystem *subsystem;
	struct wrasse_subsystem_opts opts;
	struct world world;

	world_make(&world, 0, false);
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = "nqn.2026-01.org.example:two";
	opts.max_ana_groups = 1025;
	assert_int_equal(wrasse_subsystem_create(world.target, &opts, &subsystem), -EINVAL);
	assert_non_null(strstr(last_line, "max_ana_groups"));
	opts.max_ana_groups = 1024;
	assert_int_equal(wrasse_subsystem_create(world.target, &opts, &subsystem), 0);
	assert_int_equal(wrasse_subsystem_get_ana_state(subsystem, NULL, 1024),
			 WRASSE_ANA_OPTIMIZED);
	world_destroy(&world);
}

static void namespaces_are_resized_within_limits(void **state)
{
	struct world world;

	world_make(&world, 0, false);
	assert_int_equal(wrasse_namespace_resize(world.ns, 1), 0);
	assert_int_equal(wrasse_namespace_resize(world.ns, 0), -EINVAL);
	assert_string_equal(last_line, SUBNQN " namespace 1: block_count is 0");
	world_destroy(&world);
}

static void hosts_are_let_see_a_namespace_once(void **state)
{
	struct world world;

	world_make(&world, 0, false);
	assert_int_equal(wrasse_namespace_allow_host(world.ns, HOSTNQN), -EINVAL);
	world_destroy(&world);
	world_make(&world, 0, true);
	assert_int_equal(wrasse_namespace_allow_host(world.ns, HOSTNQN), 0);
	assert_int_equal(wrasse_namespace_allow_host(world.ns, HOSTNQN), -EEXIST);
	assert_int_equal(wrasse_namespace_disallow_host(world.ns, HOSTNQN), 0);
	assert_int_equal(wrasse_namespace_disallow_host(world.ns, HOSTNQN), -ENOENT);
	world_destroy(&world);
}

static void hosts_of_a_namespace_are_named(void **state)
{
	struct world world;
	char name[224], small[sizeof(HOSTNQN) - 1];

	world_make(&world, 0, true);
	assert_int_equal(wrasse_namespace_host(world.ns, 0, name, sizeof(name)), -ENOENT);
	assert_int_equal(wrasse_namespace_allow_host(world.ns, HOSTNQN), 0);
	assert_int_equal(wrasse_namespace_allow_host(world.ns, HOSTNQN "2"), 0);
	/* The youngest first, though nothing says so. */
	assert_int_equal(wrasse_namespace_host(world.ns, 0, name, sizeof(name)), 0);
	assert_string_equal(name, HOSTNQN "2");
	assert_int_equal(wrasse_namespace_host(world.ns, 1, name, sizeof(HOSTNQN)), 0);
	assert_string_equal(name, HOSTNQN);
	assert_int_equal(wrasse_namespace_host(world.ns, 1, small, sizeof(small)), -ENOSPC);
	assert_int_equal(wrasse_namespace_host(world.ns, 2, name, sizeof(name)), -ENOENT);
	world_destroy(&world);
}

static void on_create(struct wrasse_command *command, const struct wrasse_ns_create *wanted)
{
}

static void on_remove(struct wrasse_command *command)
{
}

static void namespace_management_is_set_once(void **state)
{
	struct {
		struct wrasse_ns_management own;
		char newer[8];
	} opts = {0};
	struct world world;

	world_make(&world, 0, false);
	wrasse_ns_management_init(&opts.own);
	opts.own.create = on_create;
	assert_int_equal(wrasse_subsystem_set_ns_management(world.subsystem, &opts.own), -EINVAL);
	assert_non_null(strstr(last_line, SUBNQN ": create or remove is NULL"));
	opts.own.remove = on_remove;
	opts.own.size = sizeof(opts);
	opts.newer[7] = 1;
	assert_int_equal(wrasse_subsystem_set_ns_management(world.subsystem, &opts.own), -E2BIG);
	opts.newer[7] = 0;
	assert_int_equal(wrasse_subsystem_set_ns_management(world.subsystem, &opts.own), 0);
	assert_int_equal(wrasse_subsystem_set_ns_management(world.subsystem, &opts.own), -EEXIST);
	world_destroy(&world);
}

static void referrals_are_checked_and_removed_as_they_were_added(void **state)
{
	static const struct {
		const char *address, *nqn, *hostnqn;
		int rc;
	} cases[] = {
		{"192.0.2.1", NULL, NULL, 0},         {"192.0.2.1", NULL, NULL, -EEXIST},
		{"2001:db8:0::1", NULL, NULL, 0},     {"2001:db8::1", NULL, NULL, -EEXIST},
		{"192.0.2.1", SUBNQN, NULL, 0},       {"192.0.2.1", NULL, HOSTNQN, 0},
		{"192.0.2", NULL, NULL, -EINVAL},     {NULL, NULL, NULL, -EINVAL},
		{"192.0.2.2", "name", NULL, -EINVAL}, {"192.0.2.2", NULL, "name", -EINVAL},
	};
	struct wrasse_referral_opts opts;
	struct world world;
	char longest[225];

	world_make(&world, 0, false);
	for (unsigned removes = 0; removes < 2; removes++) {
		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			wrasse_referral_opts_init(&opts);
			opts.address = cases[i].address;
			opts.nqn = cases[i].nqn;
			opts.hostnqn = cases[i].hostnqn;
			if (!removes)
				assert_int_equal(wrasse_target_add_referral(world.target, &opts),
						 cases[i].rc);
			else if (cases[i].rc == 0)
				assert_int_equal(wrasse_target_remove_referral(world.target, &opts),
						 0);
		}
	}
	wrasse_referral_opts_init(&opts);
	opts.address = "192.0.2.1";
	assert_int_equal(wrasse_target_remove_referral(world.target, &opts), -ENOENT);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[224] = '\0';
	opts.nqn = longest;
	assert_int_equal(wrasse_target_add_referral(world.target, &opts), -EINVAL);
	opts.size = 1;
	assert_int_equal(wrasse_target_add_referral(world.target, &opts), -EINVAL);
	world_destroy(&world);
}

static void own_discovery_name_must_be_one(void **state)
{
	struct wrasse_target *target;
	struct wrasse_target_opts opts;

	wrasse_target_opts_init(&opts);
	opts.log = test_log;
	opts.discovery_nqn = "discovery";
	assert_int_equal(wrasse_target_create(&opts, &target), -EINVAL);
	assert_non_null(strstr(last_line, "discovery_nqn"));
	opts.discovery_nqn = SUBNQN;
	assert_int_equal(wrasse_target_create(&opts, &target), 0);
	assert_int_equal(wrasse_target_destroy(target), 0);
}

/* Nothing is shared between them: the same names, one drained and destroyed, the other at work. */
static void two_targets_of_one_program_do_not_know_each_other(void **state)
{
	struct world a, b;

	attached[0] = attached[1] = removed = 0;
	world_make(&a, 0, false);
	world_make(&b, 1, false);
	wrasse_poll_group_poll(a.group);
	assert_int_equal(attached[0], 1);
	assert_int_equal(attached[1], 0);
	wrasse_poll_group_poll(b.group);
	assert_int_equal(attached[1], 1);
	assert_int_equal(wrasse_poll_group_index(a.group), wrasse_poll_group_index(b.group));
	assert_int_equal(wrasse_subsystem_set_ana_state(a.subsystem, NULL, 1, WRASSE_ANA_CHANGE),
			 0);
	assert_int_equal(wrasse_subsystem_get_ana_state(b.subsystem, NULL, 1),
			 WRASSE_ANA_OPTIMIZED);
	world_destroy(&a);
	assert_int_equal(attached[0], 0);
	assert_int_equal(attached[1], 1);
	assert_int_equal(wrasse_subsystem_remove_ns(b.subsystem, 1, ns_gone, NULL), 0);
	wrasse_poll_group_poll(b.group);
	wrasse_target_poll(b.target);
	assert_int_equal(removed, 1);
	assert_int_equal(attached[1], 0);
	world_destroy(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ana_states_are_set_per_group),
		cmocka_unit_test(group_count_of_ana_has_a_limit),
		cmocka_unit_test(namespaces_are_resized_within_limits),
		cmocka_unit_test(hosts_are_let_see_a_namespace_once),
		cmocka_unit_test(hosts_of_a_namespace_are_named),
		cmocka_unit_test(namespace_management_is_set_once),
		cmocka_unit_test(referrals_are_checked_and_removed_as_they_were_added),
		cmocka_unit_test(own_discovery_name_must_be_one),
		cmocka_unit_test(two_targets_of_one_program_do_not_know_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
