/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/discovery.c: who sees which subsystem at which address, and how the log is read in
 * parts.
 */
#include "nvme_fixture.h"

static uint8_t page[32 * 1024];

static uint64_t get64(size_t at)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)page[at + i] << (8 * i);
	return value;
}

static uint64_t read_whole(struct nvme_queue *queue)
{
	memset(page, 0x77, sizeof(page));
	assert_int_equal(fx_log(queue, NVME_LID_DISCOVERY, page, sizeof(page), 0).status, 0);
	return get64(8);
}

/* The entries of a subsystem, and the address of the last of them. */
static unsigned entries_of(const char *subnqn, const char **traddr)
{
	unsigned count = 0;

	for (uint64_t i = 0; i < get64(8); i++) {
		const char *entry = (const char *)page + 1024 * (i + 1);

		if (strcmp(entry + 256, subnqn) != 0)
			continue;
		count++;
		*traddr = entry + 512;
	}
	return count;
}

static int add_portal(bool any, const char *traddr)
{
	return nvme_registry_add_portal(fx_registry, 1, any, traddr, "4420", 4);
}

static void entry_has_every_field_at_its_offset(void **state)
{
	struct nvme_queue *queue = fx_ready_discovery();
	const uint8_t *entry = page + 2048;

	(void)state;
	assert_int_equal(nvme_registry_add_portal(fx_registry, 2, false, "2001:db8::1", "4421", 5),
			 1);
	assert_int_equal(read_whole(queue), 2);
	assert_int_equal(get64(0), fx_registry->genctr);
	for (unsigned i = 16; i < 1024; i++)
		assert_int_equal(page[i], 0);
	assert_int_equal(entry[0], 1);                 /* TRTYPE: RDMA */
	assert_int_equal(entry[1], 2);                 /* ADRFAM: IPv6 */
	assert_int_equal(entry[2], 2);                 /* SUBTYPE: NVM subsystem */
	assert_int_equal(entry[3], 4);                 /* TREQ: SQ flow control may be disabled */
	assert_int_equal(entry[4] | entry[5] << 8, 1); /* PORTID */
	assert_int_equal(entry[6] | entry[7] << 8, 0xffff); /* CNTLID */
	assert_int_equal(entry[8] | entry[9] << 8, 32);     /* ASQSZ */
	assert_string_equal((const char *)entry + 32, "4421");
	assert_string_equal((const char *)entry + 256, FX_SUBNQN);
	assert_string_equal((const char *)entry + 512, "2001:db8::1");
	assert_int_equal(entry[768], 1); /* QPTYPE: reliable connected */
	assert_int_equal(entry[769], 5); /* PRTYPE: iWARP */
	assert_int_equal(entry[770], 1); /* CMS: RDMA CM */
	for (unsigned i = 3072; i < sizeof(page); i++)
		assert_int_equal(page[i], 0);
	fx_queue_gone(queue);
}

static void log_names_its_own_controller_at_the_address_the_host_came_to(void **state)
{
	struct nvme_queue *queue = fx_ready_discovery();
	const uint8_t *entry = page + 1024;

	(void)state;
	assert_int_equal(read_whole(queue), 1);
	assert_int_equal(entry[1], 1);
	assert_int_equal(entry[2], 3); /* current discovery subsystem */
	assert_string_equal((const char *)entry + 256, NVME_DISCOVERY_NQN);
	assert_string_equal((const char *)entry + 512, "192.0.2.7");
	assert_string_equal((const char *)entry + 32, "4420");
	assert_int_equal(entry[769], 4);
	fx_queue_gone(queue);
}

static void any_address_is_shown_as_the_one_the_host_came_to(void **state)
{
	struct nvme_queue *queue = fx_ready_discovery(); /* came through portal 1 */
	const char *traddr = "";

	(void)state;
	assert_int_equal(add_portal(true, "0.0.0.0"), 1);
	assert_int_equal(read_whole(queue), 2);
	assert_int_equal(entries_of(FX_SUBNQN, &traddr), 1);
	assert_string_equal(traddr, "192.0.2.7");
	assert_int_equal(add_portal(true, "::"), 2);
	assert_int_equal(read_whole(queue), 2);
	assert_int_equal(add_portal(false, "192.0.2.8"), 3);
	assert_int_equal(read_whole(queue), 3);
	assert_int_equal(entries_of(FX_SUBNQN, &traddr), 2);
	assert_string_equal(traddr, "192.0.2.8");
	nvme_registry_remove_portal(fx_registry, 1);
	assert_int_equal(read_whole(queue), 2);
	fx_queue_gone(queue);
}

static void host_sees_what_it_may_use_only(void **state)
{
	struct wrasse_subsystem *closed = fx_add_subsystem("nqn.2026-01.org.example:two", false);
	struct nvme_queue *queue = fx_ready_discovery();
	const char *traddr;

	(void)state;
	add_portal(false, "192.0.2.7");
	assert_int_equal(read_whole(queue), 2);
	assert_int_equal(entries_of(closed->nqn, &traddr), 0);
	nvme_subsystem_add_host(closed, "nqn.2026-01.org.example:another-host");
	assert_int_equal(read_whole(queue), 2);
	nvme_subsystem_add_host(closed, FX_HOSTNQN);
	assert_int_equal(read_whole(queue), 3);
	assert_int_equal(entries_of(closed->nqn, &traddr), 1);
	nvme_subsystem_remove_host(closed, FX_HOSTNQN);
	assert_int_equal(read_whole(queue), 2);
	nvme_subsystem_remove(fx_subsystem);
	assert_int_equal(read_whole(queue), 1);
	fx_queue_gone(queue);
}

static void generation_counter_moves_with_every_change(void **state)
{
	struct nvme_queue *queue = fx_ready_discovery();
	struct wrasse_subsystem *subsystem;
	uint64_t last;
	int portal;

	(void)state;
	read_whole(queue);
	last = get64(0);
	read_whole(queue);
	assert_int_equal(get64(0), last);
#define ASSERT_MOVED()                        \
	do {                                  \
		read_whole(queue);            \
		assert_true(get64(0) > last); \
		last = get64(0);              \
	} while (0)
	portal = add_portal(false, "192.0.2.7");
	ASSERT_MOVED();
	subsystem = fx_add_subsystem("nqn.2026-01.org.example:two", false);
	ASSERT_MOVED();
	nvme_subsystem_add_host(subsystem, FX_HOSTNQN);
	ASSERT_MOVED();
	nvme_subsystem_remove_host(subsystem, FX_HOSTNQN);
	ASSERT_MOVED();
	nvme_subsystem_remove(subsystem);
	ASSERT_MOVED();
	nvme_registry_remove_portal(fx_registry, (uint16_t)portal);
	ASSERT_MOVED();
	fx_queue_gone(queue);
}

static void log_read_in_parts_is_the_whole_log(void **state)
{
	static const uint32_t steps[] = {4, 60, 1020, 1024, 1028, 4096};
	static uint8_t whole[32 * 1024], part[4096];
	struct nvme_queue *queue = fx_ready_discovery();
	uint32_t size;

	(void)state;
	add_portal(false, "192.0.2.7");
	add_portal(false, "192.0.2.8");
	fx_add_subsystem("nqn.2026-01.org.example:two", true);
	size = 1024 * (1 + (uint32_t)read_whole(queue));
	assert_int_equal(size, 1024 * 6);
	memcpy(whole, page, sizeof(whole));
	for (unsigned s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		for (uint32_t offset = 0; offset <= size; offset += steps[s]) {
			assert_int_equal(
				fx_log(queue, NVME_LID_DISCOVERY, part, steps[s], offset).status,
				0);
			assert_memory_equal(part, whole + offset, steps[s]);
		}
	}
	assert_int_equal(fx_log(queue, NVME_LID_DISCOVERY, part, 64, size + 4).status,
			 0x02 | FX_DNR);
	assert_int_equal(fx_log(queue, NVME_LID_DISCOVERY, part, 64, UINT64_MAX - 3).status,
			 0x02 | FX_DNR);
	assert_int_equal(fx_log(queue, NVME_LID_DISCOVERY, part, 64, 2).status, 0x02 | FX_DNR);
	fx_queue_gone(queue);
}

static void portal_numbers_are_used_again_as_late_as_possible(void **state)
{
	(void)state;
	fx_registry->portal_next = 65534;
	assert_int_equal(add_portal(false, "a"), 65534);
	assert_int_equal(add_portal(false, "b"), 65535);
	assert_int_equal(add_portal(false, "c"), 1);
	nvme_registry_remove_portal(fx_registry, 65534);
	assert_int_equal(add_portal(false, "d"), 2);
	nvme_registry_remove_portal(fx_registry, 12345);
	fx_registry->portal_next = 65535;
	assert_int_equal(add_portal(false, "e"), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(entry_has_every_field_at_its_offset),
		TEST(log_names_its_own_controller_at_the_address_the_host_came_to),
		TEST(any_address_is_shown_as_the_one_the_host_came_to),
		TEST(host_sees_what_it_may_use_only),
		TEST(generation_counter_moves_with_every_change),
		TEST(log_read_in_parts_is_the_whole_log),
		TEST(portal_numbers_are_used_again_as_late_as_possible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
