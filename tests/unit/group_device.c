/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/group_device.c: what a group has on a device, and when it has it no more.
 */
#include "fake_verbs.h"

#include <string.h>

static void a_failed_device_takes_no_connection(void **state)
{
	struct fake fake;

	fake_init(&fake);
	pool_list_add_tail(&fake.group->devices, &fake.group_device.link);
	assert_ptr_equal(rdmat_group_device_get(fake.group, &fake.device), &fake.group_device);
	fake.group_device.failed = true;
	assert_null(rdmat_group_device_get(fake.group, &fake.device));
	pool_list_del(&fake.group_device.link);
	fake_fini(&fake);
}

static void a_completion_queue_that_failed_once_is_made_anew(void **state)
{
	struct rdmat_qp *qp;
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	fake.fails = "ibv_poll_cq";
	wrasse_poll_group_poll(fake.group);
	assert_null(fake.fails);
	fake_expect_gone(&fake);
	assert_int_equal(fake.cqs_destroyed, 1);
	assert_true(pool_list_is_empty(&fake.group->devices));
	qp = fake_connect(&fake, 2, 4);
	assert_non_null(qp);
	assert_int_equal(fake.cqs_made, 2);
	assert_int_equal(wrasse_poll_group_poll(fake.group), 0);
	assert_false(qp->tearing);
	fake_end(&fake, qp);
	fake_fini(&fake);
}

static void a_device_that_failed_takes_no_other_along(void **state)
{
	struct rdmat_group_device *healthy;
	struct rdmat_device second;
	struct fake fake;

	fake_init(&fake);
	fake.device.attr.max_srq = 2;
	fake.device.attr.max_srq_wr = FAKE_SLOTS;
	second = fake.device;
	second.index = 1;
	healthy = rdmat_group_device_get(fake.group, &second);
	assert_non_null(healthy);
	fake_open(&fake);
	/* What failed is one receiver of the first device. */
	rdmat_rx_taken(&fake.qp->device->rx[1]->slots[0]);
	rdmat_rx_give(&fake.qp->device->rx[1]->slots[0]);
	fake.recv_fail_at = 0;
	wrasse_poll_group_poll(fake.group);
	fake.recv_fail_at = -1;
	fake_expect_gone(&fake);
	assert_int_equal(fake.cqs_destroyed, 1);
	assert_false(healthy->failed);
	assert_ptr_equal(rdmat_group_device_get(fake.group, &second), healthy);
	fake_fini(&fake);
}

/* There a capsule that finds no receive ends the connection: nobody may take another's. */
static void queue_pairs_on_iwarp_share_no_receives(void **state)
{
	for (unsigned iwarp = 0; iwarp < 2; iwarp++) {
		struct rdmat_group_device *device;
		struct fake fake;

		fake_init(&fake);
		fake.device.attr.max_srq = 16;
		fake.device.attr.max_srq_wr = FAKE_SLOTS;
		fake.device.iwarp = iwarp;
		device = fake_open(&fake);
		assert_int_equal(device->rx[0] == NULL, iwarp);
		assert_int_equal(device->rx[1] == NULL, iwarp);
		fake_fini(&fake);
	}
}

static char said[512];

static void log_note(void *ctx, enum wrasse_log_level level, const char *line)
{
	if (level == WRASSE_LOG_ERROR && !*said)
		snprintf(said, sizeof(said), "%s", line);
}

static void a_device_with_small_completion_queues_is_refused_with_a_line(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake.rdmat.opts.log = log_note;
	fake.device.attr.max_cqe = 100;
	said[0] = '\0';
	assert_null(rdmat_group_device_get(fake.group, &fake.device));
	assert_string_equal(said, "device fake0: its completion queues hold 100 entries, this "
				  "group's sizes need 208");
	assert_true(pool_list_is_empty(&fake.group->devices));
	fake.rdmat.opts.log = NULL;
	fake_fini(&fake);
}

static void what_cannot_be_made_on_a_device_leaves_nothing(void **state)
{
	static const char *const steps[] = {"ibv_create_comp_channel", "fcntl", "ibv_create_cq",
					    "ibv_create_srq"};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct fake fake;

		fake_init(&fake);
		fake.device.attr.max_srq = 2;
		fake.device.attr.max_srq_wr = FAKE_SLOTS;
		fake.fails = steps[i];
		assert_null(rdmat_group_device_get(fake.group, &fake.device));
		assert_null(fake.fails);
		assert_true(pool_list_is_empty(&fake.group->devices));
		assert_int_equal(fake.cqs_made, fake.cqs_destroyed);
		fake_open(&fake);
		fake_fini(&fake);
	}
}

static void shared_receivers_are_as_large_as_the_device_can(void **state)
{
	/* What the device can, and how many slots the two receivers have then. */
	static const struct {
		int max_srq, max_srq_wr;
		uint32_t slots;
	} t[] = {
		{2, FAKE_SLOTS, FAKE_SLOTS}, {2, 5, 5}, {2, 100, FAKE_SLOTS},
		{1, FAKE_SLOTS, 0},          {2, 0, 0},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct rdmat_group_device *device;
		struct fake fake;

		fake_init(&fake);
		fake.device.attr.max_srq = t[i].max_srq;
		fake.device.attr.max_srq_wr = t[i].max_srq_wr;
		device = fake_open(&fake);
		for (unsigned k = 0; k < 2; k++)
			assert_int_equal(device->rx[k] ? device->rx[k]->slot_count : 0, t[i].slots);
		fake_fini(&fake);
	}
}

/* ---- completions ---- */

static void receive_completes(struct fake *fake, uint32_t qpn, enum ibv_wc_status status)
{
	struct rdmat_slot *slot = fake->rx->slots;

	while (slot->state != RDMAT_SLOT_POSTED)
		slot++;
	fake->wc[fake->wc_count++] =
		(struct ibv_wc){.wr_id = slot->wr.wr_id, .qp_num = qpn, .status = status};
	assert_int_equal(rdmat_group_device_poll(fake->qp->device), 1);
	assert_int_equal(fake->rx->held, 0);
}

/* Its queue pair was destroyed, and the completion lay in the queue. */
static void a_receive_of_nobody_only_gives_its_slot_back(void **state)
{
	struct fake fake;

	fake_init(&fake);
	fake_open(&fake);
	assert_int_equal(rdmat_rx_post(fake.rx), 0);
	receive_completes(&fake, 99, IBV_WC_SUCCESS);
	receive_completes(&fake, 99, IBV_WC_WR_FLUSH_ERR);
	assert_false(fake.qp->tearing);
	assert_int_equal(fake.group->stats.capsules, 0);
	receive_completes(&fake, fake.qp->qpn, IBV_WC_LOC_PROT_ERR);
	assert_true(fake.qp->tearing);
	fake_reap(&fake);
	fake_fini(&fake);
}

static void one_poll_takes_no_more_than_its_budget(void **state)
{
	struct rdmat_group_device *device;
	struct fake fake;

	fake_init(&fake);
	fake.group->budget = 2;
	device = fake_open(&fake);
	assert_int_equal(rdmat_rx_post(fake.rx), 0);
	for (unsigned i = 0; i < 3; i++)
		fake.wc[fake.wc_count++] =
			(struct ibv_wc){.wr_id = fake.rx->slots[i].wr.wr_id, .qp_num = 99};
	assert_int_equal(rdmat_group_device_poll(device), 2);
	assert_int_equal(device->sweeps, 0); /* not seen empty */
	assert_int_equal(rdmat_group_device_poll(device), 1);
	assert_int_equal(device->sweeps, 1);
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_device_takes_no_connection),
		cmocka_unit_test(a_completion_queue_that_failed_once_is_made_anew),
		cmocka_unit_test(a_device_that_failed_takes_no_other_along),
		cmocka_unit_test(queue_pairs_on_iwarp_share_no_receives),
		cmocka_unit_test(a_device_with_small_completion_queues_is_refused_with_a_line),
		cmocka_unit_test(what_cannot_be_made_on_a_device_leaves_nothing),
		cmocka_unit_test(shared_receivers_are_as_large_as_the_device_can),
		cmocka_unit_test(a_receive_of_nobody_only_gives_its_slot_back),
		cmocka_unit_test(one_poll_takes_no_more_than_its_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
