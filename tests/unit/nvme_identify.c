/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/identify.c: what each page says, at offsets that are written down here and not taken
 * from the code's own structs.
 */
#include "nvme_fixture.h"

static uint8_t page[4096];

static uint16_t get16(size_t at)
{
	return (uint16_t)(page[at] | page[at + 1] << 8);
}

static uint32_t get32(size_t at)
{
	return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static uint64_t get64(size_t at)
{
	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static struct fx_run identify(struct nvme_queue *queue, uint8_t cns, uint32_t nsid)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, nsid);

	memset(page, 0x77, sizeof(page));
	nvme_put32(&cmd.cdw10, cns);
	fx_data(&cmd, page, sizeof(page));
	return fx_run(queue, &cmd);
}

static void assert_zero(size_t from, size_t to)
{
	for (size_t at = from; at < to; at++) {
		if (page[at] != 0)
			fail_msg("byte %zu is 0x%02x", at, page[at]);
	}
}

#define REFUSED_NS    (0x0b | FX_DNR)
#define REFUSED_FIELD (0x02 | FX_DNR)

static void controller_page_has_what_linux_needs(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	assert_int_equal(identify(queue, 1, 0).status, 0);
	assert_memory_equal(page + 4, "SERIAL              ", 20);
	assert_memory_equal(page + 24, "MODEL                                   ", 40);
	assert_memory_equal(page + 64, "9.8.7   ", 8);
	assert_int_equal(page[76], 3); /* CMIC */
	assert_int_equal(page[77], 8); /* MDTS: 1 MiB */
	assert_int_equal(get16(78), nvme_queue_cntlid(queue));
	assert_int_equal(get32(80), 0x00020000); /* VER */
	assert_int_equal(get32(92), 0x100);      /* OAES */
	assert_int_equal(get32(96), 0x41);       /* CTRATT */
	assert_int_equal(page[111], 1);          /* CNTRLTYPE */
	assert_int_equal(get16(256), 0);         /* OACS */
	assert_int_equal(page[258], 3);          /* ACL */
	assert_int_equal(page[259], 3);          /* AERL */
	assert_int_equal(page[260], 3);          /* FRMW */
	assert_int_equal(page[261], 7);          /* LPA */
	assert_int_equal(page[262], 63);         /* ELPE */
	assert_int_equal(get16(320), 10);        /* KAS */
	assert_int_equal(page[512], 0x66);       /* SQES */
	assert_int_equal(page[513], 0x44);       /* CQES */
	assert_int_equal(get16(514), 128);       /* MAXCMD */
	assert_int_equal(get32(516), 256);       /* NN */
	assert_int_equal(get16(520), 0x10);      /* ONCS */
	assert_int_equal(get16(522), 0);         /* FUSES */
	assert_int_equal(page[525], 4);          /* VWC: none */
	assert_int_equal(get32(536), 0x100005);  /* SGLS */
	assert_int_equal(get32(540), 256);       /* MNAN */
	assert_string_equal((char *)page + 768, FX_SUBNQN);
	assert_zero(768 + strlen(FX_SUBNQN), 1024);
	assert_int_equal(get32(1792), 4 + 4096 / 16); /* IOCCSZ */
	assert_int_equal(get32(1796), 1);             /* IORCSZ */
	assert_int_equal(get16(1800), 0);             /* ICDOFF */
	assert_int_equal(page[1802], 0);              /* FCATT */
	assert_int_equal(page[1803], 16);             /* MSDBD */
	assert_int_equal(get16(1804), 1);             /* OFCS */
	assert_zero(1806, 4096);
	fx_queue_gone(queue);
}

static void controller_page_follows_the_limits(void **state)
{
	struct nvme_limits saved = fx_limits;
	struct nvme_queue *queue = fx_ready();

	(void)state;
	fx_limits.icd_len = 16384;
	fx_limits.max_data_len = 131072;
	fx_limits.max_queue_depth = 1024;
	identify(queue, 1, 0);
	assert_int_equal(page[77], 5);
	assert_int_equal(get16(514), 1024);
	assert_int_equal(get32(1792), 4 + 1024);
	assert_int_equal(page[1803], 1);
	fx_limits.icd_len = 0;
	identify(queue, 1, 0);
	assert_int_equal(get32(1792), 4);
	assert_int_equal(page[1803], 16);
	fx_limits = saved;
	fx_queue_gone(queue);
}

static void controller_page_tells_of_a_volatile_cache(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 5, 100);

	(void)state;
	identify(queue, 1, 0);
	assert_int_equal(page[525], 4);
	ns->volatile_cache = true;
	identify(queue, 1, 0);
	assert_int_equal(page[525], 5);
	fx_queue_gone(queue);
}

static void discovery_controller_has_the_controller_page_only(void **state)
{
	struct nvme_queue *queue = fx_ready_discovery();

	(void)state;
	assert_int_equal(identify(queue, 1, 0).status, 0);
	assert_int_equal(page[77], 8);
	assert_int_equal(get16(78), nvme_queue_cntlid(queue));
	assert_int_equal(get32(92), 0x80000000);
	assert_int_equal(page[111], 2);
	assert_int_equal(get16(320), 10);
	assert_int_equal(get16(514), 128);
	assert_zero(516, 536);
	assert_int_equal(get32(536), 0x100005);
	assert_string_equal((char *)page + 768, "nqn.2014-08.org.nvmexpress.discovery");
	assert_int_equal(get32(1792), 4);
	for (unsigned cns = 0; cns < 256; cns++) {
		if (cns != 1)
			assert_int_equal(identify(queue, (uint8_t)cns, 0).status, REFUSED_FIELD);
	}
	fx_queue_gone(queue);
}

static void unknown_cns_is_an_invalid_field(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	for (unsigned cns = 4; cns < 256; cns++) {
		struct fx_run run = identify(queue, (uint8_t)cns, 1);

		assert_int_equal(run.status, REFUSED_FIELD);
		assert_true(run.more);
	}
	fx_queue_gone(queue);
}

static void namespace_page_tells_size_and_names(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 3, 0x123456789a);

	(void)state;
	memset(ns->nguid, 0x11, sizeof(ns->nguid));
	memset(ns->eui64, 0x22, sizeof(ns->eui64));
	ns->block_shift = 12;
	assert_int_equal(identify(queue, 0, 3).status, 0);
	assert_int_equal(get64(0), 0x123456789a);
	assert_int_equal(get64(8), 0x123456789a);
	assert_int_equal(get64(16), 0x123456789a);
	assert_zero(24, 30);
	assert_int_equal(page[30], 1); /* NMIC */
	assert_zero(31, 104);
	assert_memory_equal(page + 104, ns->nguid, 16);
	assert_memory_equal(page + 120, ns->eui64, 8);
	assert_int_equal(get32(128), 12 << 16); /* LBAF 0 */
	assert_zero(132, 4096);
	ns->read_only = true;
	identify(queue, 0, 3);
	assert_int_equal(page[99], 1); /* NSATTR */
	fx_queue_gone(queue);
}

static void namespace_page_of_an_inactive_id_is_zero(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	fx_add_ns(fx_subsystem, 3, 100);
	assert_int_equal(identify(queue, 0, 2).status, 0);
	assert_zero(0, 4096);
	assert_int_equal(identify(queue, 0, 256).status, 0);
	assert_zero(0, 4096);
	assert_int_equal(identify(queue, 0, 0).status, REFUSED_NS);
	assert_int_equal(identify(queue, 0, 257).status, REFUSED_NS);
	assert_int_equal(identify(queue, 0, 0xffffffff).status, REFUSED_NS);
	fx_queue_gone(queue);
}

static void namespace_list_is_ascending_and_above_nsid(void **state)
{
	struct nvme_queue *queue = fx_ready();
	static const uint32_t ids[] = {1, 2, 7, 200, 256};

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		fx_add_ns(fx_subsystem, ids[i], 100);
	for (uint32_t above = 0; above < 300; above++) {
		unsigned at = 0;

		assert_int_equal(identify(queue, 2, above).status, 0);
		for (unsigned i = 0; i < 5; i++) {
			if (ids[i] > above)
				assert_int_equal(get32(4 * at++), ids[i]);
		}
		assert_zero(4 * at, 4096);
	}
	assert_int_equal(identify(queue, 2, 0xfffffffd).status, 0);
	assert_zero(0, 4096);
	assert_int_equal(identify(queue, 2, 0xfffffffe).status, REFUSED_NS);
	assert_int_equal(identify(queue, 2, 0xffffffff).status, REFUSED_NS);
	fx_queue_gone(queue);
}

static void namespace_list_ends_at_1024_entries(void **state)
{
	struct wrasse_subsystem_opts opts;
	struct wrasse_subsystem *big;
	struct nvme_queue *queue;
	const char *why;

	(void)state;
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = "nqn.2026-01.org.example:big";
	opts.allow_any_host = true;
	opts.max_namespaces = 1100;
	assert_int_equal(nvme_subsystem_create(fx_registry, &opts, &big, &why), 0);
	for (uint32_t nsid = 1; nsid <= 1100; nsid++)
		fx_add_ns(big, nsid, 8);
	queue = fx_connect_with(fx_queue(0), 0xffff, opts.nqn, 0);
	fx_write_cc(queue, FX_CC_ENABLE);
	identify(queue, 2, 0);
	for (uint32_t i = 0; i < 1024; i++)
		assert_int_equal(get32(4 * i), i + 1);
	identify(queue, 2, 1024);
	assert_int_equal(get32(0), 1025);
	assert_int_equal(get32(4 * 75), 1100);
	assert_zero(4 * 76, 4096);
	fx_queue_gone(queue);
}

static void namespace_descriptors_hold_the_ids_that_there_are(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 100);

	(void)state;
	assert_int_equal(identify(queue, 3, 1).status, 0);
	assert_int_equal(page[0], 3); /* a UUID is always there */
	assert_int_equal(page[1], 16);
	assert_memory_equal(page + 4, ns->uuid, 16);
	assert_int_equal(ns->uuid[6] >> 4, 8);
	assert_int_equal(ns->uuid[8] >> 6, 2);
	assert_zero(20, 4096);

	ns->eui64[7] = 1;
	ns->nguid[0] = 1;
	identify(queue, 3, 1);
	assert_int_equal(get32(0), 0x0801);
	assert_memory_equal(page + 4, ns->eui64, 8);
	assert_int_equal(get32(12), 0x1002);
	assert_memory_equal(page + 16, ns->nguid, 16);
	assert_int_equal(get32(32), 0x1003);
	assert_zero(52, 4096);
	assert_int_equal(identify(queue, 3, 2).status, REFUSED_NS);
	assert_int_equal(identify(queue, 3, 0).status, REFUSED_NS);
	assert_int_equal(identify(queue, 3, 0xffffffff).status, REFUSED_NS);
	fx_queue_gone(queue);
}

static void namespaces_are_those_that_the_own_group_sees(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	fx_subsystem->view[0]->port[0] = NULL; /* the queue is in group 0 */
	identify(queue, 2, 0);
	assert_zero(0, 4096);
	identify(queue, 0, 1);
	assert_zero(0, 4096);
	fx_queue_gone(queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(controller_page_has_what_linux_needs),
		TEST(controller_page_follows_the_limits),
		TEST(controller_page_tells_of_a_volatile_cache),
		TEST(discovery_controller_has_the_controller_page_only),
		TEST(unknown_cns_is_an_invalid_field),
		TEST(namespace_page_tells_size_and_names),
		TEST(namespace_page_of_an_inactive_id_is_zero),
		TEST(namespace_list_is_ascending_and_above_nsid),
		TEST(namespace_list_ends_at_1024_entries),
		TEST(namespace_descriptors_hold_the_ids_that_there_are),
		TEST(namespaces_are_those_that_the_own_group_sees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
