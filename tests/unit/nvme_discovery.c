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

static uint32_t get32(size_t at)
{
	return (uint32_t)get64(at);
}

static unsigned get16(size_t at)
{
	return (uint16_t)get64(at);
}

/* @lsp: the Log Specific Field. */
static struct fx_run read_part(struct nvme_queue *queue, uint8_t lsp, void *data, uint32_t len,
			       uint64_t offset)
{
	struct nvme_cmd cmd = fx_log_cmd(NVME_LID_DISCOVERY, data, len, offset);

	nvme_put32(&cmd.cdw10, nvme_get32(cmd.cdw10) | (uint32_t)lsp << 8);
	return fx_run(queue, &cmd);
}

static uint64_t read_by(struct nvme_queue *queue, uint8_t lsp)
{
	memset(page, 0x77, sizeof(page));
	assert_int_equal(read_part(queue, lsp, page, sizeof(page), 0).status, 0);
	return get64(8);
}

static uint64_t read_whole(struct nvme_queue *queue)
{
	return read_by(queue, 0);
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

static struct wrasse_subsystem *add_labelled(const char *nqn, const char *label)
{
	struct wrasse_subsystem *subsystem = NULL;
	struct wrasse_subsystem_opts opts;
	const char *why;

	wrasse_subsystem_opts_init(&opts);
	opts.nqn = nqn;
	opts.allow_any_host = true;
	opts.label = label;
	assert_int_equal(nvme_subsystem_create(fx_registry, &opts, &subsystem, &why), 0);
	return subsystem;
}

/* Every way to read the log, also those that cut an entry, its tail and its attributes. */
static void assert_parts_are_the_whole(struct nvme_queue *queue, uint8_t lsp, uint32_t size)
{
	static const uint32_t steps[] = {4, 60, 1020, 1024, 1028, 1032, 1036, 4096};
	static uint8_t whole[32 * 1024], part[4096];

	memcpy(whole, page, sizeof(whole));
	for (unsigned s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		for (uint32_t offset = 0; offset <= size; offset += steps[s]) {
			assert_int_equal(read_part(queue, lsp, part, steps[s], offset).status, 0);
			assert_memory_equal(part, whole + offset, steps[s]);
		}
	}
	for (uint32_t i = size; i < sizeof(whole); i++)
		assert_int_equal(whole[i], 0);
	assert_int_equal(read_part(queue, lsp, part, 64, size).status, 0);
	assert_int_equal(read_part(queue, lsp, part, 64, size + 4).status, 0x02 | FX_DNR);
	assert_int_equal(read_part(queue, lsp, part, 64, UINT64_MAX - 3).status, 0x02 | FX_DNR);
	assert_int_equal(read_part(queue, lsp, part, 64, 2).status, 0x02 | FX_DNR);
}

static void log_read_in_parts_is_the_whole_log(void **state)
{
	struct nvme_queue *queue = fx_ready_discovery();
	uint32_t size;

	(void)state;
	add_portal(false, "192.0.2.7");
	add_portal(false, "192.0.2.8");
	add_labelled("nqn.2026-01.org.example:two", "rack 7");
	size = 1024 * (1 + (uint32_t)read_whole(queue));
	assert_int_equal(size, 1024 * 6);
	assert_parts_are_the_whole(queue, 0, size);
	fx_queue_gone(queue);
}

/* ---- what can be asked for ---- */

#define EXTENDED   1
#define PORT_LOCAL 2
#define ALL        4

static void extended_log_read_in_parts_is_the_whole_log(void **state)
{
	struct nvme_queue *queue = fx_ready_discovery();
	uint32_t size;

	(void)state;
	add_portal(false, "192.0.2.7");
	add_portal(false, "192.0.2.8");
	add_labelled("nqn.2026-01.org.example:two", "rack 7");
	assert_int_equal(read_by(queue, EXTENDED), 5);
	size = get32(20); /* TDLPL */
	assert_int_equal(size, 1024 + 5 * 1032 + 2 * 12);
	assert_parts_are_the_whole(queue, EXTENDED, size);
	fx_queue_gone(queue);
}

/* Of the entry at a place, but for its tail: it is the same as in the plain log. Return: its TEL. */
static uint32_t assert_extended(size_t at, const uint8_t *plain, const char *label,
				size_t label_len)
{
	size_t tel = 1032 + (label_len ? 4 + label_len : 0);
	char value[256] = {0};

	assert_memory_equal(page + at, plain, 1024);
	assert_int_equal(get32(at + 1024), tel);
	assert_int_equal(get16(at + 1028), label_len ? 1 : 0); /* NUMEXAT */
	assert_int_equal(get16(at + 1030), 0);
	if (label_len == 0)
		return (uint32_t)tel;
	memcpy(value, label, strlen(label));
	assert_int_equal(get16(at + 1032), 2); /* EXATTYPE: Admin label ASCII */
	assert_int_equal(get16(at + 1034), label_len);
	assert_memory_equal(page + at + 1036, value, label_len);
	return (uint32_t)tel;
}

static void extended_entry_tells_its_length_and_its_label(void **state)
{
	/* What a label of so many characters is as an attribute: a multiple of 4. */
	static const struct {
		size_t chars, len;
	} labels[] = {{1, 4}, {3, 4}, {4, 4}, {5, 8}, {255, 256}, {256, 256}};
	struct nvme_queue *queue = fx_ready_discovery();
	struct nvme_referral referral = {.adrfam = 1, .nqn = NVME_DISCOVERY_NQN};
	static uint8_t plain[32 * 1024];
	char label[sizeof(labels) / sizeof(labels[0])][257], nqn[64];
	size_t at = 1024, count = sizeof(labels) / sizeof(labels[0]);

	(void)state;
	add_portal(false, "192.0.2.7");
	strcpy(referral.traddr, "192.0.2.50");
	strcpy(referral.trsvcid, "8009");
	assert_int_equal(nvme_referral_add(fx_registry, &referral), 0);
	for (size_t i = 0; i < count; i++) {
		snprintf(nqn, sizeof(nqn), "nqn.2026-01.org.example:label-%zu", i);
		memset(label[i], 'a' + (int)i, labels[i].chars);
		label[i][labels[i].chars] = 0;
		add_labelled(nqn, label[i]);
	}
	assert_int_equal(read_whole(queue), 3 + count);
	memcpy(plain, page, sizeof(plain));
	assert_int_equal(read_by(queue, EXTENDED), 3 + count);
	assert_int_equal(get64(0), fx_registry->genctr);
	assert_int_equal(get16(16), 0);        /* RECFMT */
	assert_int_equal(get16(18), EXTENDED); /* DLPF */
	for (size_t i = 24; i < 1024; i++)
		assert_int_equal(page[i], 0);
	for (size_t i = 0; i < 3 + count; i++) {
		bool labelled = i >= 2 && i < 2 + count;

		at += assert_extended(at, plain + 1024 * (1 + i), labelled ? label[i - 2] : "",
				      labelled ? labels[i - 2].len : 0);
	}
	assert_int_equal(get32(20), at);
	fx_queue_gone(queue);
}

/* The one that the host came to has the number 1. */
static void port_local_log_has_what_its_port_has_and_no_referral(void **state)
{
	struct wrasse_subsystem *two = fx_add_subsystem("nqn.2026-01.org.example:two", true);
	struct nvme_referral referral = {.adrfam = 1, .nqn = NVME_DISCOVERY_NQN};
	struct nvme_queue *queue = fx_ready_discovery();
	const char *traddr = "";

	(void)state;
	add_portal(false, "192.0.2.7");
	add_portal(false, "192.0.2.8");
	add_portal(true, "0.0.0.0");
	strcpy(referral.traddr, "192.0.2.50");
	assert_int_equal(nvme_referral_add(fx_registry, &referral), 0);
	assert_int_equal(read_whole(queue), 1 + 2 * 2 + 1);
	assert_int_equal(get16(18), 0);
	assert_int_equal(read_by(queue, PORT_LOCAL), 1 + 2);
	assert_int_equal(get16(18), PORT_LOCAL);
	assert_int_equal(get32(20), 0);
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(get16(1024 * i + 4), 1); /* PORTID */
	assert_int_equal(entries_of(two->nqn, &traddr), 1);
	assert_string_equal(traddr, "192.0.2.7");
	assert_int_equal(entries_of(NVME_DISCOVERY_NQN, &traddr), 1);
	two->no_auto_listener = true; /* and on none yet */
	assert_int_equal(read_by(queue, PORT_LOCAL), 1 + 1);
	assert_int_equal(entries_of(two->nqn, &traddr), 0);
	assert_int_equal(read_by(queue, PORT_LOCAL | EXTENDED), 1 + 1);
	assert_int_equal(get16(18), PORT_LOCAL | EXTENDED);
	assert_int_equal(get32(20), 1024 + 2 * 1032);
	fx_queue_gone(queue);
}

static void log_of_all_hosts_is_for_who_may_have_it(void **state)
{
	struct wrasse_subsystem *closed = fx_add_subsystem("nqn.2026-01.org.example:two", false);
	struct wrasse_subsystem *gone = fx_add_subsystem("nqn.2026-01.org.example:gone", true);
	struct nvme_referral referral = {.adrfam = 1, .nqn = NVME_DISCOVERY_NQN};
	struct nvme_queue *queue = fx_ready_discovery();
	const char *traddr = "";

	(void)state;
	add_portal(false, "192.0.2.7");
	strcpy(referral.traddr, "192.0.2.50");
	strcpy(referral.hostnqn, "nqn.2026-01.org.example:another-host");
	assert_int_equal(nvme_referral_add(fx_registry, &referral), 0);
	nvme_subsystem_remove(gone);
	assert_int_equal(read_by(queue, ALL), 2);
	assert_int_equal(get16(18), 0); /* the host can tell that it was not heeded */
	assert_int_equal(entries_of(closed->nqn, &traddr), 0);
	fx_limits.discovery_of_all = true;
	assert_int_equal(read_whole(queue), 2);
	assert_int_equal(read_by(queue, ALL), 4);
	assert_int_equal(get16(18), ALL);
	assert_int_equal(entries_of(closed->nqn, &traddr), 1);
	assert_int_equal(entries_of(NVME_DISCOVERY_NQN, &traddr), 2);
	assert_string_equal(traddr, "192.0.2.50");
	assert_int_equal(read_by(queue, ALL | PORT_LOCAL), 3);
	assert_int_equal(get16(18), ALL | PORT_LOCAL);
	fx_queue_gone(queue);
	nvme_subsystem_free(gone);
}

static void unknown_bits_of_what_is_asked_for_are_not_looked_at(void **state)
{
	struct nvme_queue *queue = fx_ready_discovery();
	static uint8_t plain[32 * 1024];

	(void)state;
	add_portal(false, "192.0.2.7");
	add_portal(false, "192.0.2.8");
	for (uint8_t known = 0; known < 4; known++) {
		read_by(queue, known);
		memcpy(plain, page, sizeof(plain));
		for (uint8_t bit = ALL; bit < 0x80; bit = (uint8_t)(bit << 1)) {
			read_by(queue, known | bit);
			assert_memory_equal(page, plain, sizeof(plain));
		}
	}
	fx_queue_gone(queue);
}

static void supported_log_pages_tell_what_can_be_asked_for(void **state)
{
	struct nvme_queue *queue = fx_ready_discovery();

	(void)state;
	assert_int_equal(fx_log(queue, NVME_LID_SUPPORTED, page, 1024, 0).status, 0);
	assert_int_equal(get32(4 * 0x70), 0x00030001);
	assert_int_equal(get32(4 * 0x12), 0x00000001);
	fx_limits.discovery_of_all = true;
	assert_int_equal(fx_log(queue, NVME_LID_SUPPORTED, page, 1024, 0).status, 0);
	assert_int_equal(get32(4 * 0x70), 0x00070001);
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

static int setup(void **state)
{
	fx_limits.discovery_of_all = false;
	return fx_setup(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(entry_has_every_field_at_its_offset),
		TEST(log_names_its_own_controller_at_the_address_the_host_came_to),
		TEST(any_address_is_shown_as_the_one_the_host_came_to),
		TEST(host_sees_what_it_may_use_only),
		TEST(generation_counter_moves_with_every_change),
		TEST(log_read_in_parts_is_the_whole_log),
		TEST(extended_log_read_in_parts_is_the_whole_log),
		TEST(extended_entry_tells_its_length_and_its_label),
		TEST(port_local_log_has_what_its_port_has_and_no_referral),
		TEST(log_of_all_hosts_is_for_who_may_have_it),
		TEST(unknown_bits_of_what_is_asked_for_are_not_looked_at),
		TEST(supported_log_pages_tell_what_can_be_asked_for),
		TEST(portal_numbers_are_used_again_as_late_as_possible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
