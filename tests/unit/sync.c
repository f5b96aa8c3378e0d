/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/sync.c: the timers of queue pairs, devices that are gone.
 */
#include "fake_verbs.h"

#include "nvme/ctrl.h"
#include "transport/listener.h"

static void time_passes(struct fake *fake, uint64_t ns)
{
	fake->now_ns += ns;
	fake->group->now_ns = 0;
	rdmat_group_timers(fake->group);
}

static void a_connection_without_connect_ends_at_its_deadline(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake.qp->nvme.state = NVME_QUEUE_NEW;
	fake.qp->deadline_ns = fake.now_ns + 100 * RDMAT_NS_PER_MS;
	time_passes(&fake, 99 * RDMAT_NS_PER_MS);
	assert_false(fake.qp->tearing);
	assert_int_equal(fake.group->next_timer_ns, fake.qp->deadline_ns);
	time_passes(&fake, RDMAT_NS_PER_MS);
	assert_true(fake.qp->tearing);
	assert_int_equal(fake.group->stats.hostile, 1);
	fake_fini(&fake);
}

static void a_connected_queue_has_no_connect_deadline(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake.qp->deadline_ns = fake.now_ns + 100 * RDMAT_NS_PER_MS;
	time_passes(&fake, 200 * RDMAT_NS_PER_MS);
	assert_false(fake.qp->tearing);
	assert_int_equal(fake.group->next_timer_ns, UINT64_MAX);
	fake_fini(&fake);
}

/* The timer only marks the controller: its queues, on whatever thread, end when their groups look. */
static void a_host_that_is_silent_too_long_loses_all_its_queues(void **state)
{
	static struct wrasse_subsystem subsystem = {.nqn = "nqn.2026-01.org.example:sub"};
	static uint64_t qids[1];
	struct nvme_ctrl ctrl = {.subsystem = &subsystem, .qids = qids, .kato_ms = 1000, .refs = 2};
	struct wrasse_listener listener = {.number = 0};
	struct wrasse_poll_group *groups[1];
	struct fake fake;

	fake_init(&fake);
	groups[0] = fake.group;
	fake.rdmat.groups = groups;
	fake.rdmat.opts.max_poll_groups = 1;
	fake.rdmat.listeners = &listener;
	fake.qp->nvme.qid = 0;
	fake.qp->nvme.on = NVME_ON_ADMIN;
	fake.qp->nvme.ctrl = &ctrl;
	ctrl.limits = &fake.rdmat.limits;
	ctrl.kato_deadline_ns = fake.now_ns + 1000 * RDMAT_NS_PER_MS;
	time_passes(&fake, 999 * RDMAT_NS_PER_MS);
	assert_int_equal(fake.group->next_timer_ns, ctrl.kato_deadline_ns);
	assert_false(atomic_load(&fake.group->attention));
	time_passes(&fake, RDMAT_NS_PER_MS);
	assert_true(atomic_load(&fake.group->attention));
	assert_false(fake.qp->tearing);
	rdmat_group_sync(fake.group);
	assert_true(fake.qp->tearing);
	fake_reap(&fake);
	atomic_store(&fake.group->attention, false);
	fake_fini(&fake);
}

/* There may be thousands of others. */
static void one_controllers_timer_is_looked_at_alone(void **state)
{
	static struct wrasse_subsystem subsystem = {.nqn = "nqn.2026-01.org.example:sub"};
	static uint64_t qids[1];
	struct nvme_ctrl ctrl = {.subsystem = &subsystem, .qids = qids, .kato_ms = 1000, .refs = 2};
	struct rdmat_qp *other;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	other = fake_connect(&fake, 1, 4);
	assert_non_null(other);
	other->deadline_ns = fake.now_ns;
	fake.qp->nvme.qid = 0;
	fake.qp->nvme.on = NVME_ON_ADMIN;
	fake.qp->nvme.ctrl = &ctrl;
	ctrl.limits = &fake.rdmat.limits;
	ctrl.kato_deadline_ns = fake.now_ns + 1000 * RDMAT_NS_PER_MS;
	fake.group->next_timer_ns = UINT64_MAX;
	rdmat_group_tick(fake.qp);
	assert_int_equal(fake.qp->next_tick_ns, ctrl.kato_deadline_ns);
	assert_int_equal(fake.group->next_timer_ns, ctrl.kato_deadline_ns);
	fake.group->next_timer_ns = fake.now_ns + 1;
	rdmat_group_tick(fake.qp);
	assert_int_equal(fake.group->next_timer_ns, fake.now_ns + 1);
	assert_false(other->tearing);
	fake_end(&fake, other);
	fake.qp->nvme.ctrl = NULL;
	fake_fini(&fake);
}

static void a_removed_device_leaves_a_group_without_connections_on_it(void **state)
{
	struct rdmat_device *device;
	struct fake fake;

	fake_init(&fake);
	device = fake_open(&fake)->device;
	fake_set_device(fake.qp, &fake.group_device); /* and nothing else is on the other */
	assert_int_equal(fake.cqs_made, 1);
	atomic_store(&device->removed, true);
	rdmat_group_attention(fake.group);
	wrasse_poll_group_poll(fake.group);
	assert_int_equal(fake.cqs_destroyed, 1);
	assert_true(pool_list_is_empty(&fake.group->devices));
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_without_connect_ends_at_its_deadline),
		cmocka_unit_test(a_connected_queue_has_no_connect_deadline),
		cmocka_unit_test(a_host_that_is_silent_too_long_loses_all_its_queues),
		cmocka_unit_test(one_controllers_timer_is_looked_at_alone),
		cmocka_unit_test(a_removed_device_leaves_a_group_without_connections_on_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
