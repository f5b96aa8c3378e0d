/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/registry.c, subsystem.c, namespace.c, nqn.c and status.c: what the control plane may
 * make, what it is told when it may not, and when things are gone.
 */
#include <errno.h>

#include "nvme_fixture.h"

static struct wrasse_subsystem_opts sub_opts(const char *nqn)
{
	struct wrasse_subsystem_opts opts;

	wrasse_subsystem_opts_init(&opts);
	opts.nqn = nqn;
	return opts;
}

static struct wrasse_ns_opts ns_opts(void)
{
	struct wrasse_ns_opts opts;

	wrasse_ns_opts_init(&opts);
	opts.block_count = 1000;
	opts.ops = &fx_ops;
	return opts;
}

static int sub_create(const struct wrasse_subsystem_opts *opts, const char **why)
{
	struct wrasse_subsystem *subsystem = NULL;
	int err;

	*why = NULL;
	err = nvme_subsystem_create(fx_registry, opts, &subsystem, why);
	assert_int_equal(err == 0, subsystem != NULL);
	return err;
}

static int ns_create(const struct wrasse_ns_opts *opts, const char **why)
{
	struct wrasse_namespace *ns = NULL;
	int err;

	*why = NULL;
	err = nvme_ns_create(fx_subsystem, opts, &ns, why);
	assert_int_equal(err > 0, ns != NULL);
	return err;
}

/* ---- subsystems ---- */

static void subsystem_gets_defaults(void **state)
{
	struct wrasse_subsystem_opts opts = sub_opts("nqn.2026-01.org.example:a");
	struct wrasse_subsystem *subsystem;
	const char *why;

	(void)state;
	assert_int_equal(nvme_subsystem_create(fx_registry, &opts, &subsystem, &why), 0);
	assert_int_equal(subsystem->max_namespaces, 256);
	assert_int_equal(subsystem->view[1]->count, 256);
	assert_int_equal(subsystem->cntlid_min, 1);
	assert_int_equal(subsystem->cntlid_max, 0xffef);
	assert_int_equal(strlen(subsystem->serial), 16);
	assert_string_equal(subsystem->model, "wrasse");
	assert_string_equal(subsystem->firmware, "9.8.7");
	assert_false(subsystem->allow_any_host);
}

static void subsystem_options_are_checked(void **state)
{
	static const char *const names[] = {
		NULL, "", "x", "nqn.2026-01", "nqn.2026-01.", "nqn.2026-99.a", "nqn.2026-01.a\tb"};
	struct wrasse_subsystem_opts good = sub_opts("nqn.2026-01.org.example:a");
	struct wrasse_subsystem_opts opts;
	char nqn[226], label[258];
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		opts = sub_opts(names[i]);
		assert_int_equal(sub_create(&opts, &why), -EINVAL);
		assert_non_null(strstr(why, "nqn"));
	}
	memset(nqn, 'x', sizeof(nqn));
	memcpy(nqn, "nqn.2026-01.", 12);
	nqn[224] = 0;
	opts = sub_opts(nqn);
	assert_int_equal(sub_create(&opts, &why), -EINVAL);
	nqn[223] = 0;
	assert_int_equal(sub_create(&opts, &why), 0);
#define BAD(member, value)                                          \
	do {                                                        \
		opts = good;                                        \
		opts.member = (value);                              \
		assert_int_equal(sub_create(&opts, &why), -EINVAL); \
		assert_non_null(strstr(why, #member));              \
	} while (0)
	BAD(serial, "");
	BAD(serial, "123456789012345678901");
	BAD(serial, "tab\t");
	BAD(model, "12345678901234567890123456789012345678901");
	BAD(firmware, "123456789");
	BAD(label, "");
	BAD(label, "tab\t");
	memset(label, 'x', sizeof(label));
	label[257] = 0;
	BAD(label, label);
	BAD(ieee_oui, 0x1000000);
	BAD(max_namespaces, 65537);
	BAD(cntlid_min, 0xfff0);
	BAD(cntlid_max, 0xfff0);
	opts = good;
	opts.cntlid_min = 9;
	opts.cntlid_max = 8;
	assert_int_equal(sub_create(&opts, &why), -EINVAL);
	opts = good;
	opts.serial = "12345678901234567890";
	opts.model = "1234567890123456789012345678901234567890";
	opts.firmware = "12345678";
	opts.max_namespaces = 65536;
	opts.cntlid_min = opts.cntlid_max = 0xffef;
	assert_int_equal(sub_create(&opts, &why), 0);
#undef BAD
}

static void name_of_a_subsystem_is_used_once(void **state)
{
	struct wrasse_subsystem_opts opts = sub_opts(FX_SUBNQN);
	const char *why;

	(void)state;
	assert_int_equal(sub_create(&opts, &why), -EEXIST);
	assert_non_null(why);
	opts = sub_opts(NVME_DISCOVERY_NQN);
	assert_int_equal(sub_create(&opts, &why), -EEXIST);
	nvme_subsystem_remove(fx_subsystem);
	opts = sub_opts(FX_SUBNQN);
	assert_int_equal(sub_create(&opts, &why), -EEXIST);
	nvme_subsystem_free(fx_subsystem);
	assert_int_equal(sub_create(&opts, &why), 0);
}

static void hosts_are_added_and_removed_once(void **state)
{
	(void)state;
	assert_int_equal(nvme_subsystem_add_host(fx_subsystem, "host"), -EINVAL);
	assert_int_equal(nvme_subsystem_add_host(fx_subsystem, FX_HOSTNQN), 0);
	assert_int_equal(nvme_subsystem_add_host(fx_subsystem, FX_HOSTNQN), -EEXIST);
	assert_int_equal(nvme_subsystem_add_host(fx_subsystem, "nqn.2026-01.a"), 0);
	assert_int_equal(nvme_subsystem_remove_host(fx_subsystem, FX_HOSTNQN), 0);
	assert_int_equal(nvme_subsystem_remove_host(fx_subsystem, FX_HOSTNQN), -ENOENT);
	assert_int_equal(nvme_subsystem_remove_host(fx_subsystem, fx_subsystem->hosts->nqn), 0);
	assert_null(fx_subsystem->hosts);
}

/* ---- namespaces ---- */

static void namespace_options_are_checked(void **state)
{
	struct wrasse_backend_ops ops = fx_ops;
	struct wrasse_ns_opts good = ns_opts();
	struct wrasse_ns_opts opts;
	const char *why;

	(void)state;
#define BAD(member, value)                                         \
	do {                                                       \
		opts = good;                                       \
		opts.member = (value);                             \
		assert_int_equal(ns_create(&opts, &why), -EINVAL); \
		assert_non_null(strstr(why, #member));             \
	} while (0)
	BAD(nsid, 257);
	BAD(nsid, UINT32_MAX);
	BAD(block_size, 256);
	BAD(block_size, 513);
	BAD(block_size, 131072);
	BAD(block_count, 0);
	BAD(block_count, (uint64_t)INT64_MAX / 512 + 1);
	BAD(block_count, UINT64_MAX);
	BAD(ops, NULL);
	ops.submit = NULL;
	BAD(ops, &ops);
	ops = fx_ops;
	ops.size = sizeof(size_t);
	BAD(ops, &ops);
#undef BAD
	opts = good;
	opts.block_count = INT64_MAX / 512;
	assert_int_equal(ns_create(&opts, &why), 1);
}

static void block_size_is_within_mdts(void **state)
{
	struct nvme_limits saved = fx_limits;
	struct wrasse_ns_opts opts = ns_opts();
	const char *why;

	(void)state;
	fx_limits.max_data_len = 8192;
	opts.block_size = 16384;
	assert_int_equal(ns_create(&opts, &why), -EINVAL);
	opts.block_size = 8192;
	assert_int_equal(ns_create(&opts, &why), 1);
	fx_limits = saved;
}

static void namespace_ids_are_the_lowest_free(void **state)
{
	struct wrasse_ns_opts opts = ns_opts();
	struct wrasse_namespace *ns;
	const char *why;

	(void)state;
	for (uint32_t nsid = 2; nsid <= 256; nsid += 2) {
		opts.nsid = nsid;
		assert_int_equal(ns_create(&opts, &why), nsid);
	}
	opts.nsid = 0;
	for (uint32_t nsid = 1; nsid <= 255; nsid += 2)
		assert_int_equal(ns_create(&opts, &why), nsid);
	assert_int_equal(ns_create(&opts, &why), -ENOSPC);
	opts.nsid = 7;
	assert_int_equal(ns_create(&opts, &why), -EEXIST);
	ns = nvme_ns_find(fx_subsystem, 7);
	nvme_ns_remove(ns);
	assert_int_equal(ns_create(&opts, &why), -EEXIST);
	nvme_ns_free(ns);
	assert_null(nvme_ns_find(fx_subsystem, 7));
	opts.nsid = 0;
	assert_int_equal(ns_create(&opts, &why), 7);
	assert_null(nvme_ns_find(fx_subsystem, 0));
	assert_null(nvme_ns_find(fx_subsystem, 257));
}

/* Both lists name just these, in this order. */
static void expect_order(const uint32_t *nsids, unsigned count, uint32_t ana_group)
{
	const struct wrasse_namespace *ns =
		ana_group ? fx_subsystem->ana_first[ana_group - 1] : fx_subsystem->namespaces;

	for (unsigned i = 0; i < count; i++, ns = ana_group ? ns->ana_next : ns->next) {
		assert_non_null(ns);
		assert_int_equal(ns->nsid, nsids[i]);
		assert_ptr_equal(nvme_ns_find(fx_subsystem, nsids[i]), ns);
	}
	assert_null(ns);
}

static void namespaces_stay_in_order_however_they_come_and_go(void **state)
{
	static const uint32_t come[] = {5, 256, 2, 9, 1, 7};
	struct wrasse_ns_opts opts = ns_opts();
	const char *why;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		opts.nsid = come[i];
		opts.ana_group = 1 + i % 2;
		assert_int_equal(ns_create(&opts, &why), come[i]);
	}
	expect_order((uint32_t[]){1, 2, 5, 7, 9, 256}, 6, 0);
	expect_order((uint32_t[]){1, 2, 5}, 3, 1);
	expect_order((uint32_t[]){7, 9, 256}, 3, 2);
	nvme_ns_free(nvme_ns_find(fx_subsystem, 1));
	nvme_ns_free(nvme_ns_find(fx_subsystem, 9));
	nvme_ns_free(nvme_ns_find(fx_subsystem, 256));
	expect_order((uint32_t[]){2, 5, 7}, 3, 0);
	expect_order((uint32_t[]){2, 5}, 2, 1);
	expect_order((uint32_t[]){7}, 1, 2);
}

static void identifiers_are_free_when_their_namespace_is(void **state)
{
	struct wrasse_ns_opts opts = ns_opts();
	const char *why;

	(void)state;
	memset(opts.nguid, 1, 16);
	memset(opts.eui64, 2, 8);
	memset(opts.uuid, 3, 16);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ns_create(&opts, &why), 1);
		assert_int_equal(ns_create(&opts, &why), -EEXIST);
		nvme_ns_free(nvme_ns_find(fx_subsystem, 1));
	}
}

static void identifiers_are_unique_in_the_target(void **state)
{
	struct wrasse_subsystem *other = fx_add_subsystem("nqn.2026-01.org.example:two", true);
	struct wrasse_ns_opts first = ns_opts();
	struct wrasse_ns_opts second;
	struct wrasse_namespace *ns;
	const char *why;

	(void)state;
	memset(first.nguid, 1, 16);
	memset(first.eui64, 2, 8);
	memset(first.uuid, 3, 16);
	assert_int_equal(ns_create(&first, &why), 1);
	second = ns_opts();
	memcpy(second.nguid, first.nguid, 16);
	assert_int_equal(nvme_ns_create(other, &second, &ns, &why), -EEXIST);
	assert_non_null(strstr(why, "nguid"));
	second = ns_opts();
	memcpy(second.eui64, first.eui64, 8);
	assert_int_equal(nvme_ns_create(other, &second, &ns, &why), -EEXIST);
	assert_non_null(strstr(why, "eui64"));
	second = ns_opts();
	memcpy(second.uuid, first.uuid, 16);
	assert_int_equal(nvme_ns_create(other, &second, &ns, &why), -EEXIST);
	assert_non_null(strstr(why, "uuid"));
	second = ns_opts();
	assert_int_equal(nvme_ns_create(other, &second, &ns, &why), 1);
}

static void uuid_is_made_from_names_and_stays(void **state)
{
	struct wrasse_namespace *a = fx_add_ns(fx_subsystem, 1, 8);
	struct wrasse_namespace *b = fx_add_ns(fx_subsystem, 2, 8);
	uint8_t uuid[16];

	(void)state;
	assert_memory_not_equal(a->id[NVME_NS_UUID].bytes, b->id[NVME_NS_UUID].bytes, 16);
	memcpy(uuid, a->id[NVME_NS_UUID].bytes, 16);
	nvme_ns_free(a);
	a = fx_add_ns(fx_subsystem, 1, 8);
	assert_memory_equal(uuid, a->id[NVME_NS_UUID].bytes, 16);
}

static void backend_ops_of_another_version_are_read_as_far_as_known(void **state)
{
	struct {
		struct wrasse_backend_ops ops;
		void (*newer)(void);
	} longer = {.ops = {.size = sizeof(longer), .submit = fx_submit}};
	struct wrasse_backend_ops shorter = {.submit = fx_submit, .poll = (void *)fx_submit};
	struct wrasse_ns_opts opts = ns_opts();
	const char *why;

	(void)state;
	opts.ops = &longer.ops;
	assert_int_equal(ns_create(&opts, &why), 1);
	longer.newer = (void (*)(void))fx_submit;
	assert_int_equal(ns_create(&opts, &why), -E2BIG);
	shorter.size = offsetof(struct wrasse_backend_ops, submit) + sizeof(void *);
	opts.ops = &shorter;
	assert_int_equal(ns_create(&opts, &why), 2);
	assert_null(nvme_ns_find(fx_subsystem, 2)->ops.poll);
	assert_true(nvme_ns_find(fx_subsystem, 2)->ops.submit == fx_submit);
}

static void namespace_is_gone_when_every_group_has_let_go(void **state)
{
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 8);

	(void)state;
	assert_false(nvme_ns_is_gone(ns));
	nvme_ns_remove(ns);
	assert_false(nvme_ns_is_gone(ns));
	ns->port[0].state = NVME_NS_PORT_NONE;
	assert_false(nvme_ns_is_gone(ns));
	ns->port[1].state = NVME_NS_PORT_LEAVING;
	assert_false(nvme_ns_is_gone(ns));
	ns->port[1].state = NVME_NS_PORT_NONE;
	assert_true(nvme_ns_is_gone(ns));
}

static void removed_subsystem_removes_its_namespaces(void **state)
{
	struct wrasse_namespace *ns = fx_add_ns(fx_subsystem, 1, 8);
	struct wrasse_ns_opts opts = ns_opts();
	const char *why;

	(void)state;
	nvme_subsystem_remove(fx_subsystem);
	assert_true(ns->removing);
	assert_false(nvme_subsystem_is_gone(fx_subsystem));
	assert_int_equal(ns_create(&opts, &why), -ESHUTDOWN);
	nvme_ns_free(ns);
	assert_true(nvme_subsystem_is_gone(fx_subsystem));
}

/* Or nobody would look for what can be freed. */
static void what_is_removed_counts_until_it_is_freed(void **state)
{
	struct wrasse_namespace *ns[2] = {fx_add_ns(fx_subsystem, 1, 8),
					  fx_add_ns(fx_subsystem, 2, 8)};
	struct nvme_registry *registry = fx_subsystem->registry;

	(void)state;
	assert_int_equal(registry->removals, 0);
	nvme_ns_remove(ns[0]);
	assert_int_equal(registry->removals, 1);
	nvme_subsystem_remove(fx_subsystem);
	assert_int_equal(registry->removals, 3);
	nvme_ns_free(ns[0]);
	nvme_ns_free(ns[1]);
	assert_int_equal(registry->removals, 1);
	nvme_subsystem_free(fx_subsystem);
	assert_int_equal(registry->removals, 0);
}

/* ---- names ---- */

static void nqn_is_checked_as_the_specification_says(void **state)
{
	static const char *const good[] = {
		NVME_DISCOVERY_NQN,
		FX_HOSTNQN,
		"nqn.2026-12.com.example:nvme:a b",
		"nqn.1999-01.x",
		"nqn.2026-01.org.example:\xc3\xa9",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(nvme_nqn_is_valid(good[i]));
	assert_false(nvme_nqn_is_valid("nqn.2026-01x"));
	assert_false(nvme_nqn_is_valid("nqn.2026.01.a"));
	assert_false(nvme_nqn_is_valid("iqn.2026-01.a"));
}

static void statuses_have_names(void **state)
{
	(void)state;
	assert_string_equal(wrasse_status_name(wrasse_status_ok()), "Successful Completion");
	assert_string_equal(wrasse_status_name(wrasse_status_make(0, 0x80, true)),
			    "LBA Out of Range");
	assert_string_equal(wrasse_status_name(wrasse_status_make(2, 0x81, false)),
			    "Unrecovered Read Error");
	assert_string_equal(wrasse_status_name(wrasse_status_make(7, 0xff, false)),
			    "unknown status");
	for (unsigned sct = 0; sct < 256; sct++) {
		for (unsigned sc = 0; sc < 256; sc++)
			assert_non_null(wrasse_status_name(
				wrasse_status_make((uint8_t)sct, (uint8_t)sc, false)));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(subsystem_gets_defaults),
		TEST(subsystem_options_are_checked),
		TEST(name_of_a_subsystem_is_used_once),
		TEST(hosts_are_added_and_removed_once),
		TEST(namespace_options_are_checked),
		TEST(block_size_is_within_mdts),
		TEST(namespace_ids_are_the_lowest_free),
		TEST(namespaces_stay_in_order_however_they_come_and_go),
		TEST(identifiers_are_free_when_their_namespace_is),
		TEST(identifiers_are_unique_in_the_target),
		TEST(uuid_is_made_from_names_and_stays),
		TEST(backend_ops_of_another_version_are_read_as_far_as_known),
		TEST(namespace_is_gone_when_every_group_has_let_go),
		TEST(removed_subsystem_removes_its_namespaces),
		TEST(what_is_removed_counts_until_it_is_freed),
		TEST(nqn_is_checked_as_the_specification_says),
		TEST(statuses_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
