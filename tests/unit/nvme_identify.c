/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/identify.c and identify_list.c: what each page says, at offsets that are written down here and not taken
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
	assert_int_equal(page[76], 0x0b); /* CMIC */
	assert_int_equal(page[77], 8);    /* MDTS: 1 MiB */
	assert_int_equal(get16(78), nvme_queue_cntlid(queue));
	assert_int_equal(get32(80), 0x00020000); /* VER */
	assert_int_equal(get32(92), 0x900);      /* OAES */
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
	assert_int_equal(get16(520), 0x1f9);     /* ONCS: what needs no backend for it */
	assert_int_equal(get16(534), 3);         /* OCFS: Copy formats 0 and 1 */
	assert_int_equal(get16(522), 1);         /* FUSES: Compare and Write */
	assert_int_equal(page[525], 6);          /* VWC: none; Flush of all */
	assert_int_equal(page[531], 1);          /* NWPC */
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
	assert_int_equal(page[525], 6);
	ns->volatile_cache = true;
	identify(queue, 1, 0);
	assert_int_equal(page[525], 7);
	fx_queue_gone(queue);
}

static void controller_page_tells_of_what_backends_take(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 5, 100);

	(void)state;
	identify(queue, 1, 0);
	assert_int_equal(get16(520), 0x1f9);
	ns->io_opcodes = WRASSE_IO_BIT(WRASSE_IO_DISCARD);
	identify(queue, 1, 0);
	assert_int_equal(get16(520), 0x1fd);
	ns->io_opcodes = WRASSE_IO_BIT(WRASSE_IO_WRITE_UNCORRECTABLE);
	identify(queue, 1, 0);
	assert_int_equal(get16(520), 0x1fb);
	fx_queue_gone(queue);
}

static void namespace_page_tells_hints(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 5, 100);

	(void)state;
	ns->hints = (struct wrasse_ns_hints){.io_boundary = 256, .atomic_write = 65536};
	identify(queue, 0, 5);
	assert_int_equal(page[24], 2); /* NSFEAT: no preferences */
	assert_int_equal(get16(34), 65535);
	assert_int_equal(get16(36), 0);
	assert_int_equal(get16(46), 256);
	assert_zero(64, 74);
	ns->hints = (struct wrasse_ns_hints){.atomic_write = 9,
					     .atomic_write_power = 8,
					     .write_granularity = 16,
					     .write_alignment = 15,
					     .discard_granularity = 2048,
					     .discard_alignment = 1,
					     .write_size = 64};
	identify(queue, 0, 5);
	assert_int_equal(page[24], 0x12); /* NSFEAT: NSABP, OPTPERF */
	assert_int_equal(get16(34), 8);
	assert_int_equal(get16(36), 7);
	assert_int_equal(get16(46), 0);
	assert_int_equal(get16(64), 15);
	assert_int_equal(get16(66), 14);
	assert_int_equal(get16(68), 2047);
	assert_int_equal(get16(70), 0);
	assert_int_equal(get16(72), 63);
	fx_queue_gone(queue);
}

static void command_set_page_tells_limits(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 5, 100);

	(void)state;
	ns->max_discard_len = 1 << 20;
	identify(queue, 6, 0);
	assert_int_equal(page[0], 8); /* VSL: 1 MiB */
	assert_int_equal(page[1], 8); /* WZSL */
	assert_int_equal(page[3], 0); /* DMRL */
	assert_int_equal(get32(4), 2048);
	assert_zero(8, 4096);
	fx_queue_gone(queue);
}

static void namespace_page_tells_how_large_a_fused_pair_may_be(void **state)
{
	static const struct {
		uint32_t shift, nacwu;
	} cases[] = {{9, 15}, {12, 1}, {13, 0}, {16, 0}};
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 5, 100);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		ns->block_shift = cases[i].shift;
		identify(queue, 0, 5);
		assert_int_equal(page[24], 2); /* NSFEAT: NSABP */
		assert_int_equal(get16(38), cases[i].nacwu);
	}
	fx_queue_gone(queue);
}

static void namespace_page_tells_what_is_read_after_a_discard(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 5, 100);

	(void)state;
	identify(queue, 0, 5);
	assert_int_equal(page[33], 0);
	ns->discard_zeroes = true;
	identify(queue, 0, 5);
	assert_int_equal(page[33], 1);
	ns->io_opcodes = WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES);
	identify(queue, 0, 5);
	assert_int_equal(page[33], 9);
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
	assert_int_equal(page[1806], 1); /* DCTYPE: Direct Discovery controller */
	assert_zero(1807, 2048);
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
		static const uint8_t known[] = {5,    6,    7,    8,    0x10, 0x11,
						0x12, 0x13, 0x1a, 0x1b, 0x1c};
		struct fx_run run = identify(queue, (uint8_t)cns, 1);

		if (memchr(known, (int)cns, sizeof(known)))
			continue;
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
	fx_set_ns_id(ns, NVME_NS_NGUID, 0x11, 16);
	fx_set_ns_id(ns, NVME_NS_EUI64, 0x22, 8);
	ns->block_shift = 12;
	assert_int_equal(identify(queue, 0, 3).status, 0);
	assert_int_equal(get64(0), 0x123456789a);
	assert_int_equal(get64(8), 0x123456789a);
	assert_int_equal(get64(16), 0x123456789a);
	assert_int_equal(page[24], 2); /* NSFEAT */
	assert_zero(25, 30);
	assert_int_equal(page[30], 1);    /* NMIC */
	assert_int_equal(page[31], 0xfe); /* RESCAP */
	assert_zero(32, 38);
	assert_int_equal(get16(38), 1); /* NACWU */
	assert_zero(40, 74);
	assert_int_equal(get16(74), 1024); /* MSSRL */
	assert_int_equal(get32(76), 4096); /* MCL */
	assert_int_equal(page[80], 127);   /* MSRC */
	assert_zero(81, 92);
	assert_int_equal(get32(92), 1); /* ANAGRPID */
	assert_zero(96, 104);
	assert_memory_equal(page + 104, ns->id[NVME_NS_NGUID].bytes, 16);
	assert_memory_equal(page + 120, ns->id[NVME_NS_EUI64].bytes, 8);
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

static struct nvme_queue *ready_with(const struct wrasse_subsystem_opts *opts,
				     struct wrasse_subsystem **subsystem)
{
	struct nvme_queue *queue;
	const char *why;

	assert_int_equal(nvme_subsystem_create(fx_registry, opts, subsystem, &why), 0);
	queue = fx_connect_with(fx_queue(0), 0xffff, opts->nqn, 0);
	fx_write_cc(queue, FX_CC_ENABLE);
	return queue;
}

static void lists_of_8192_namespaces_go_on_from_page_to_page(void **state)
{
	static const uint8_t lists[] = {2, 7, 0x10};
	struct wrasse_subsystem_opts opts;
	struct wrasse_subsystem *big;
	struct wrasse_namespace *ns;
	struct nvme_queue *queue;

	(void)state;
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = "nqn.2026-01.org.example:big";
	opts.allow_any_host = true;
	opts.max_namespaces = 8192;
	queue = ready_with(&opts, &big);
	/* One namespace stands for all: only whether there is one matters to a list. */
	ns = fx_add_ns(big, 1, 8);
	for (uint32_t nsid = 2; nsid <= 8192; nsid++)
		big->view[0]->port[nsid - 1] = &ns->port[0];
	identify(queue, 1, 0);
	assert_int_equal(get32(516), 8192); /* NN */
	assert_int_equal(get32(540), 8192); /* MNAN */
	for (unsigned l = 0; l < sizeof(lists); l++) {
		for (uint32_t above = 0; above < 8192; above += 1024) {
			assert_int_equal(identify(queue, lists[l], above).status, 0);
			for (uint32_t i = 0; i < 1024; i++)
				assert_int_equal(get32(4 * i), above + i + 1);
		}
		identify(queue, lists[l], 7169);
		assert_int_equal(get32(0), 7170);
		assert_int_equal(get32(4088), 8192);
		assert_zero(4092, 4096);
		assert_int_equal(identify(queue, lists[l], 8192).status, 0);
		assert_zero(0, 4096);
	}
	identify(queue, 0, 8192);
	assert_int_equal(get64(0), 8);
	fx_queue_gone(queue);
}

static void maker_is_the_embedders(void **state)
{
	struct wrasse_subsystem_opts opts;
	struct wrasse_subsystem *subsystem;
	struct nvme_queue *queue;

	(void)state;
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = "nqn.2026-01.org.example:made";
	opts.allow_any_host = true;
	opts.serial = "S1";
	opts.model = "M2";
	opts.firmware = "F3";
	opts.pci_vid = 0x1234;
	opts.pci_ssvid = 0x5678;
	opts.ieee_oui = 0xaabbcc;
	memset(opts.fru_guid, 0x5e, sizeof(opts.fru_guid));
	for (unsigned i = 0; i < 3; i++)
		opts.retry_delay_100ms[i] = (uint16_t)(0x101 * (i + 1));
	queue = ready_with(&opts, &subsystem);
	assert_int_equal(identify(queue, 1, 0).status, 0);
	assert_int_equal(get16(0), 0x1234);
	assert_int_equal(get16(2), 0x5678);
	assert_memory_equal(page + 4, "S1                  ", 20);
	assert_memory_equal(page + 24, "M2                                      ", 40);
	assert_memory_equal(page + 64, "F3      ", 8);
	assert_memory_equal(page + 73, "\xcc\xbb\xaa", 3);
	assert_memory_equal(page + 112, opts.fru_guid, 16);
	assert_int_equal(get16(128), 0x101); /* CRDT1-3 */
	assert_int_equal(get16(130), 0x202);
	assert_int_equal(get16(132), 0x303);
	fx_queue_gone(queue);
}

/* ---- command sets, allocated namespaces, controllers ---- */

static struct fx_run identify_more(struct nvme_queue *queue, uint8_t cns, uint32_t nsid,
				   uint16_t cntid, uint32_t cdw11)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, nsid);

	memset(page, 0x77, sizeof(page));
	nvme_put32(&cmd.cdw10, cns | (uint32_t)cntid << 16);
	nvme_put32(&cmd.cdw11, cdw11);
	fx_data(&cmd, page, sizeof(page));
	return fx_run(queue, &cmd);
}

static void command_sets_are_nvm_alone(void **state)
{
	static const uint8_t pages[] = {5, 6, 7};
	struct nvme_queue *queue = fx_ready();
	uint16_t own = nvme_queue_cntlid(queue);

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	assert_int_equal(identify_more(queue, 0x1c, 0, 0xffff, 0).status, 0);
	assert_int_equal(get64(0), 1);
	assert_zero(8, 4096);
	assert_int_equal(identify_more(queue, 0x1c, 0, own, 0).status, 0);
	assert_int_equal(get64(0), 1);
	assert_int_equal(identify_more(queue, 0x1c, 0, own + 1, 0).status, REFUSED_FIELD);
	for (unsigned i = 0; i < sizeof(pages); i++) {
		assert_int_equal(identify_more(queue, pages[i], 1, 0, 0x00ffffff).status, 0);
		for (uint32_t csi = 1; csi < 256; csi++)
			assert_int_equal(identify_more(queue, pages[i], 1, 0, csi << 24).status,
					 REFUSED_FIELD);
	}
	/* Elsewhere the field means nothing. */
	assert_int_equal(identify_more(queue, 1, 0, 0, 5u << 24).status, 0);
	fx_queue_gone(queue);
}

static void independent_page_tells_whether_a_namespace_is_ready(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 3, 100);

	(void)state;
	assert_int_equal(identify(queue, 8, 3).status, 0);
	assert_int_equal(page[0], 0);
	assert_int_equal(page[1], 1);    /* NMIC */
	assert_int_equal(page[2], 0xfe); /* RESCAP */
	assert_int_equal(page[3], 0);
	assert_int_equal(get32(4), 1); /* ANAGRPID */
	assert_zero(8, 14);
	assert_int_equal(page[14], 1); /* NSTAT */
	assert_zero(15, 4096);
	ns->read_only = true;
	ns->port[0].state = NVME_NS_PORT_FAILED;
	identify(queue, 8, 3);
	assert_int_equal(page[8], 1); /* NSATTR */
	assert_int_equal(page[14], 0);
	ns->port[0].state = NVME_NS_PORT_ATTACHED;
	fx_queue_gone(queue);
}

/* What each page says to an id that is active, could be, is 0, is too high, and is all ones. */
static void each_page_has_its_own_rule_for_namespace_ids(void **state)
{
	static const uint32_t ids[] = {3, 2, 0, 257, 0xfffffffd, 0xffffffff};
	enum { FULL, EMPTY, FIELD, NS };
	static const struct {
		uint8_t cns, says[6];
	} rules[] = {
		{0x00, {FULL, EMPTY, NS, NS, NS, NS}},
		{0x01, {FULL, FULL, FULL, FULL, FULL, FULL}},
		{0x02, {EMPTY, FULL, FULL, EMPTY, EMPTY, NS}},
		{0x03, {FULL, NS, NS, NS, NS, NS}},
		{0x05, {EMPTY, EMPTY, NS, NS, NS, NS}},
		{0x06, {FULL, FULL, FULL, FULL, FULL, FULL}},
		{0x07, {EMPTY, FULL, FULL, EMPTY, EMPTY, NS}},
		{0x08, {FULL, EMPTY, NS, NS, NS, NS}},
		{0x10, {EMPTY, FULL, FULL, EMPTY, EMPTY, NS}},
		{0x11, {FULL, EMPTY, NS, NS, NS, NS}},
		{0x12, {FULL, EMPTY, NS, NS, NS, FIELD}},
		{0x13, {FULL, FULL, FULL, FULL, FULL, FULL}},
		{0x1a, {EMPTY, FULL, FULL, EMPTY, EMPTY, NS}},
		{0x1b, {EMPTY, EMPTY, NS, NS, NS, NS}},
		{0x1c, {FIELD, FIELD, FIELD, FIELD, FIELD, FIELD}}, /* of controller 0 */
	};
	static const uint16_t status[] = {0, 0, REFUSED_FIELD, REFUSED_NS};
	struct nvme_queue *queue = fx_ready();

	(void)state;
	fx_add_ns(fx_subsystem, 3, 100);
	for (size_t r = 0; r < sizeof(rules) / sizeof(rules[0]); r++) {
		for (unsigned i = 0; i < 6; i++) {
			uint8_t says = rules[r].says[i];
			struct fx_run run = identify(queue, rules[r].cns, ids[i]);
			bool any = false;

			if (run.status != status[says])
				fail_msg("CNS 0x%02x, NSID 0x%x: status 0x%x", rules[r].cns, ids[i],
					 run.status);
			if (run.status != 0)
				continue;
			for (size_t at = 0; at < sizeof(page); at++)
				any |= page[at] != 0;
			if (any != (says == FULL))
				fail_msg("CNS 0x%02x, NSID 0x%x: %s", rules[r].cns, ids[i],
					 any ? "not empty" : "empty");
		}
	}
	fx_queue_gone(queue);
}

static void controllers_are_listed_by_id(void **state)
{
	struct nvme_queue *queues[5];
	static const uint8_t pages[] = {0x12, 0x13};
	uint16_t base;

	(void)state;
	fx_add_ns(fx_subsystem, 1, 100);
	for (unsigned i = 0; i < 5; i++)
		queues[i] = fx_ready();
	base = nvme_queue_cntlid(queues[0]);
	nvme_ctrl_end(queues[3]->ctrl);
	for (unsigned p = 0; p < 2; p++) {
		for (uint16_t from = 0; from <= base + 6; from++) {
			unsigned at = 0;

			assert_int_equal(identify_more(queues[0], pages[p], 1, from, 0).status, 0);
			for (uint16_t i = 0; i < 5; i++) {
				if (i != 3 && base + i >= from)
					assert_int_equal(get16(2 + 2 * at++), base + i);
			}
			assert_int_equal(get16(0), at);
			assert_zero(2 + 2 * at, 4096);
		}
	}
	for (unsigned i = 0; i < 5; i++)
		fx_queue_gone(queues[i]);
}

/* Newest first, or oldest first: ids go around, so the registry may have any order. */
static void ctrls_turn_around(struct wrasse_subsystem *subsystem)
{
	struct nvme_ctrl *turned = NULL;

	while (subsystem->ctrls) {
		struct nvme_ctrl *ctrl = subsystem->ctrls;

		subsystem->ctrls = ctrl->next;
		ctrl->next = turned;
		turned = ctrl;
	}
	subsystem->ctrls = turned;
}

static void list_of_controllers_has_the_2047_lowest(void **state)
{
	static struct nvme_queue *queues[2100];
	struct nvme_queue *asks = fx_ready();
	uint16_t base = nvme_queue_cntlid(asks);

	(void)state;
	for (unsigned i = 0; i < 2100; i++)
		queues[i] = fx_admin();
	for (unsigned order = 0; order < 2; order++) {
		assert_int_equal(identify_more(asks, 0x13, 0, 0, 0).status, 0);
		assert_int_equal(get16(0), 2047);
		for (unsigned i = 0; i < 2047; i++)
			assert_int_equal(get16(2 + 2 * i), base + i);
		ctrls_turn_around(fx_subsystem);
	}
	identify_more(asks, 0x13, 0, base + 2047, 0);
	assert_int_equal(get16(0), 54);
	assert_int_equal(get16(2), base + 2047);
	assert_int_equal(get16(2 + 2 * 53), base + 2100);
	assert_zero(2 + 2 * 54, 4096);
	for (unsigned i = 0; i < 2100; i++)
		fx_queue_gone(queues[i]);
	fx_queue_gone(asks);
}

static void namespace_descriptors_hold_the_ids_that_there_are(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 100);

	(void)state;
	assert_int_equal(identify(queue, 3, 1).status, 0);
	assert_int_equal(page[0], 3); /* a UUID is always there */
	assert_int_equal(page[1], 16);
	assert_memory_equal(page + 4, ns->id[NVME_NS_UUID].bytes, 16);
	assert_int_equal(ns->id[NVME_NS_UUID].bytes[6] >> 4, 8);
	assert_int_equal(ns->id[NVME_NS_UUID].bytes[8] >> 6, 2);
	assert_int_equal(get32(20), 0x0104); /* command set 0 */
	assert_zero(24, 4096);

	fx_set_ns_id(ns, NVME_NS_EUI64, 1, 8);
	fx_set_ns_id(ns, NVME_NS_NGUID, 2, 16);
	identify(queue, 3, 1);
	assert_int_equal(get32(0), 0x0801);
	assert_memory_equal(page + 4, ns->id[NVME_NS_EUI64].bytes, 8);
	assert_int_equal(get32(12), 0x1002);
	assert_memory_equal(page + 16, ns->id[NVME_NS_NGUID].bytes, 16);
	assert_int_equal(get32(32), 0x1003);
	assert_int_equal(get32(52), 0x0104);
	assert_zero(56, 4096);
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
		TEST(controller_page_tells_of_what_backends_take),
		TEST(namespace_page_tells_what_is_read_after_a_discard),
		TEST(namespace_page_tells_how_large_a_fused_pair_may_be),
		TEST(namespace_page_tells_hints),
		TEST(command_set_page_tells_limits),
		TEST(discovery_controller_has_the_controller_page_only),
		TEST(unknown_cns_is_an_invalid_field),
		TEST(namespace_page_tells_size_and_names),
		TEST(namespace_page_of_an_inactive_id_is_zero),
		TEST(namespace_list_is_ascending_and_above_nsid),
		TEST(lists_of_8192_namespaces_go_on_from_page_to_page),
		TEST(maker_is_the_embedders),
		TEST(command_sets_are_nvm_alone),
		TEST(independent_page_tells_whether_a_namespace_is_ready),
		TEST(each_page_has_its_own_rule_for_namespace_ids),
		TEST(controllers_are_listed_by_id),
		TEST(list_of_controllers_has_the_2047_lowest),
		TEST(namespace_descriptors_hold_the_ids_that_there_are),
		TEST(namespaces_are_those_that_the_own_group_sees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
