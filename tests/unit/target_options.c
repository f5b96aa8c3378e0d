/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of wrasse-target: what is taken, what is refused, and that an error names the
 * option, the value and the limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "options.h"

#define PARSE(options, ...) \
	parse(options, (const char *[]){"wrasse-target", __VA_ARGS__, NULL}, NULL)

/* Parses; the caller owns options. On an error, text gets what was printed, to be freed. */
static enum options_result parse(struct options *options, const char *const *words, char **text)
{
	enum options_result result;
	char *printed = NULL;
	size_t len = 0;
	FILE *errors = open_memstream(&printed, &len);
	char *argv[32] = {0};
	int argc = 0;

	assert_non_null(errors);
	for (; words[argc]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc];
	result = options_init(options, argc, argv, errors);
	fclose(errors);
	/* One line, and only for an error. */
	assert_int_equal(result == OPTIONS_BAD, len > 0);
	if (len > 0)
		assert_ptr_equal(strchr(printed, '\n'), printed + len - 1);
	if (text)
		*text = printed;
	else
		free(printed);
	return result;
}

/* Expects that a command line is refused, with an error that has each of the parts. */
static void refused(const char *const *words, const char *const *parts)
{
	struct options options;
	char *text;

	assert_int_equal(parse(&options, words, &text), OPTIONS_BAD);
	options_fini(&options);
	for (; *parts; parts++) {
		if (!strstr(text, *parts))
			fail_msg("'%s' is not in: %s", *parts, text);
	}
	free(text);
}

#define REFUSED(option, value, ...)                                     \
	refused((const char *[]){"wrasse-target", option, value, NULL}, \
		(const char *[]){option, value, __VA_ARGS__, NULL})

static void defaults_are_those_of_the_manual(void **state)
{
	struct options options;

	assert_int_equal(PARSE(&options, "--namespace", "ram:1G"), OPTIONS_RUN);
	assert_int_equal(options.listen_count, 1);
	assert_string_equal(options.listens[0].address, "0.0.0.0");
	assert_int_equal(options.listens[0].port, 4420);
	assert_int_equal(options.subsystem_count, 1);
	assert_string_equal(options.subsystems[0].nqn, "nqn.2026-11.io.wrasse:target");
	assert_int_equal(options.subsystems[0].host_count, 0);
	assert_int_equal(options.groups, 1);
	assert_int_equal(options.drain_timeout_ms, 5000);
	assert_int_equal(options.in_capsule, OPTION_UNSET);
	assert_int_equal(options.cpu, OPTION_UNSET);
	assert_int_equal(options.ready_fd, OPTION_UNSET);
	assert_int_equal(options.poll, POLL_ADAPTIVE);
	options_fini(&options);
}

static void nothing_to_serve_is_refused(void **state)
{
	refused((const char *[]){"wrasse-target", NULL},
		(const char *[]){"nothing to serve", "--namespace", NULL});
}

static void every_number_lands_in_its_place(void **state)
{
	struct options options;

	assert_int_equal(PARSE(&options, "--namespace", "null:1T", "--groups=2", "--queue-depth=3",
			       "--in-capsule=8K", "--max-data=64K", "--small-buffers=5",
			       "--large-buffers=6", "--wrs=7", "--io-requests=8",
			       "--connect-timeout=9", "--drain-timeout=0", "--stats=11", "--cpu=12",
			       "--ready-fd=13", "--ready-file=f", "--poll=busy", "--no-srq",
			       "--discovery-of-all", "-vv"),
			 OPTIONS_RUN);
	assert_int_equal(options.groups, 2);
	assert_int_equal(options.queue_depth, 3);
	assert_int_equal(options.in_capsule, 8192);
	assert_int_equal(options.max_data, 65536);
	assert_int_equal(options.small_buffers, 5);
	assert_int_equal(options.large_buffers, 6);
	assert_int_equal(options.wrs, 7);
	assert_int_equal(options.io_requests, 8);
	assert_int_equal(options.connect_timeout_ms, 9);
	assert_int_equal(options.drain_timeout_ms, 0);
	assert_int_equal(options.stats_s, 11);
	assert_int_equal(options.cpu, 12);
	assert_int_equal(options.ready_fd, 13);
	assert_string_equal(options.ready_file, "f");
	assert_int_equal(options.poll, POLL_BUSY);
	assert_true(options.no_srq);
	assert_true(options.discovery_of_all);
	assert_int_equal(options.verbose, 2);
	options_fini(&options);
}

static void numbers_out_of_range_name_the_limit(void **state)
{
	REFUSED("--groups", "0", "1 to 256");
	REFUSED("--groups", "257", "1 to 256");
	REFUSED("--groups", "4294967297", "1 to 256");
	REFUSED("--queue-depth", "1", "2 to 1024");
	REFUSED("--queue-depth", "1025", "2 to 1024");
	REFUSED("--in-capsule", "16K1", "number of bytes");
	REFUSED("--in-capsule", "32K", "0 to 16384");
	REFUSED("--in-capsule", "4095", "multiple of 16");
	REFUSED("--max-data", "2M", "4096 to 1048576");
	REFUSED("--max-data", "5000", "power of two");
	REFUSED("--wrs", "0", "1 to 1048576");
	REFUSED("--drain-timeout", "3600001", "0 to 3600000");
	REFUSED("--ready-fd", "2147483648", "0 to 2147483647");
	REFUSED("--cpu", "1024", "0 to 1023");
	REFUSED("--groups", "18446744073709551616", "2^64 - 1");
}

static void numbers_that_are_none_are_refused(void **state)
{
	REFUSED("--groups", "", "not a number");
	REFUSED("--groups", "-1", "not a number");
	REFUSED("--groups", "+1", "not a number");
	REFUSED("--groups", " 1", "not a number");
	REFUSED("--groups", "1x", "not a number");
	REFUSED("--groups", "0x10", "not a number");
	REFUSED("--groups", "1K", "not a number");
	REFUSED("--max-data", "4KiB", "number of bytes");
	REFUSED("--poll", "lazy", "adaptive, busy or event");
}

static void ana_states_belong_to_the_subsystem_before_them(void **state)
{
	struct options options;

	assert_int_equal(PARSE(&options, "--listen", "192.0.2.1", "--listen", "192.0.2.2",
			       "--subsystem", "nqn.2026-01.org.example:a", "--namespace",
			       "ram:1M,ana=16,ro", "--ana", "2:16=non-optimized", "--ana",
			       "0:0=change", "--duplicates", "refuse", "--subsystem",
			       "nqn.2026-01.org.example:b", "--namespace", "ram:1M", "--ana",
			       "1:1=persistent-loss"),
			 OPTIONS_RUN);
	assert_int_equal(options.subsystems[0].namespaces[0].ana_group, 16);
	assert_true(options.subsystems[0].namespaces[0].read_only);
	assert_int_equal(options.subsystems[0].ana_count, 2);
	assert_int_equal(options.subsystems[0].anas[0].listener, 2);
	assert_int_equal(options.subsystems[0].anas[0].group, 16);
	assert_int_equal(options.subsystems[0].anas[0].state, WRASSE_ANA_NON_OPTIMIZED);
	assert_int_equal(options.subsystems[0].anas[1].listener, 0);
	assert_int_equal(options.subsystems[0].anas[1].state, WRASSE_ANA_CHANGE);
	assert_int_equal(options.subsystems[0].duplicates, WRASSE_DUPLICATE_REFUSE);
	assert_int_equal(options.subsystems[1].namespaces[0].ana_group, 0);
	assert_int_equal(options.subsystems[1].anas[0].state, WRASSE_ANA_PERSISTENT_LOSS);
	assert_int_equal(options.subsystems[1].duplicates, WRASSE_DUPLICATE_ALLOW);
	options_fini(&options);
}

static void bad_ana_states_and_policies_are_refused(void **state)
{
	REFUSED("--ana", "1:1", "LISTENER:GROUP=STATE");
	REFUSED("--ana", "1=optimized", "LISTENER:GROUP=STATE");
	REFUSED("--ana", "x:1=optimized", "LISTENER:GROUP=STATE");
	REFUSED("--ana", "1:17=optimized", "1 to 16");
	REFUSED("--ana", "123456789012:1=optimized", "LISTENER:GROUP=STATE");
	REFUSED("--ana", "1:1=good", "persistent-loss");
	REFUSED("--namespace", "ram:1G,ana=0", "from 1 to 16");
	REFUSED("--namespace", "ram:1G,ana=17", "from 1 to 16");
	REFUSED("--duplicates", "both", "allow, replace or refuse");
	refused((const char *[]){"wrasse-target", "--namespace", "ram:1M", "--ana", "2:1=optimized",
				 NULL},
		(const char *[]){"--ana", "listener 2", "there are 1", NULL});
}

static void referrals_have_the_port_of_discovery(void **state)
{
	struct options options;

	assert_int_equal(PARSE(&options, "--namespace", "ram:1M", "--referral", "192.0.2.1",
			       "--referral", "[2001:db8::1]:4420"),
			 OPTIONS_RUN);
	assert_int_equal(options.referral_count, 2);
	assert_string_equal(options.referrals[0].address, "192.0.2.1");
	assert_int_equal(options.referrals[0].port, 8009);
	assert_string_equal(options.referrals[1].address, "2001:db8::1");
	assert_int_equal(options.referrals[1].port, 4420);
	options_fini(&options);
	REFUSED("--referral", "host", "numeric");
}

static void sizes_have_suffixes_and_do_not_overflow(void **state)
{
	uint64_t size = 0;

	assert_null(number_parse("0", true, &size));
	assert_int_equal(size, 0);
	assert_null(number_parse("3K", true, &size));
	assert_int_equal(size, 3072);
	assert_null(number_parse("2m", true, &size));
	assert_int_equal(size, 2097152);
	assert_null(number_parse("5G", true, &size));
	assert_int_equal(size, 5368709120);
	assert_null(number_parse("16777215T", true, &size));
	assert_true(size == UINT64_C(16777215) << 40);
	assert_null(number_parse("18446744073709551615", true, &size));
	assert_true(size == UINT64_MAX);
	size = 42;
	assert_non_null(number_parse("16777216T", true, &size));
	assert_non_null(number_parse("18446744073709551616", true, &size));
	assert_non_null(number_parse("18014398509481984K", true, &size));
	assert_non_null(number_parse("1.5G", true, &size));
	assert_non_null(number_parse("G", true, &size));
	assert_non_null(number_parse("1GG", true, &size));
	assert_int_equal(size, 42);
}

static void namespace_is(const char *text, struct ns_spec want)
{
	struct ns_spec spec;

	assert_null(ns_spec_parse(text, &spec));
	assert_int_equal(spec.kind, want.kind);
	assert_true(spec.size == want.size);
	assert_int_equal(spec.block_size, want.block_size);
	assert_int_equal(spec.read_only, want.read_only);
	assert_int_equal(spec.pi_type, want.pi_type);
	assert_int_equal(spec.lend, want.lend);
	assert_int_equal(spec.io_timeout_ms, want.io_timeout_ms);
	if (want.path)
		assert_string_equal(spec.path, want.path);
	else
		assert_null(spec.path);
	if (want.reservations)
		assert_string_equal(spec.reservations, want.reservations);
	else
		assert_null(spec.reservations);
	ns_spec_fini(&spec);
}

static void namespaces_of_every_kind_are_taken(void **state)
{
	static char disk[] = "/srv/disk", odd[] = "/srv/a,b:c,rw", colon[] = ":ram:1G";
	static char kept[] = "/srv/kept";

	namespace_is("ram:64M", (struct ns_spec){NS_RAM, NULL, 64 << 20, 512, false});
	namespace_is("null:1T,bs=4096", (struct ns_spec){NS_NULL, NULL, 1LL << 40, 4096, false});
	namespace_is("ram:8K,ro,bs=4K", (struct ns_spec){NS_RAM, NULL, 8192, 4096, true});
	namespace_is("file:/srv/disk", (struct ns_spec){NS_FILE, disk, 0, 512, false});
	namespace_is("file:/srv/disk,bs=65536,ro", (struct ns_spec){NS_FILE, disk, 0, 65536, true});
	namespace_is("file:/srv/a,b:c,rw", (struct ns_spec){NS_FILE, odd, 0, 512, false});
	namespace_is("ram:8M,pi=3",
		     (struct ns_spec){NS_RAM, NULL, 8 << 20, 512, false, .pi_type = 3});
	namespace_is("ram:8M,lend", (struct ns_spec){NS_RAM, NULL, 8 << 20, 512, .lend = true});
	namespace_is("file:/srv/disk,timeout=100",
		     (struct ns_spec){NS_FILE, disk, 0, 512, .io_timeout_ms = 100});
	namespace_is("file::ram:1G,ro", (struct ns_spec){NS_FILE, colon, 0, 512, true});
	namespace_is("ram:8K,resv=/srv/kept,ro",
		     (struct ns_spec){NS_RAM, NULL, 8192, 512, true, .reservations = kept});
	namespace_is("file:/srv/disk,resv=/srv/kept",
		     (struct ns_spec){NS_FILE, disk, 0, 512, .reservations = kept});
}

static void bad_namespaces_name_what_is_wrong(void **state)
{
	REFUSED("--namespace", "ram", "ram:SIZE, null:SIZE or file:PATH");
	REFUSED("--namespace", "disk:1G", "unknown kind");
	REFUSED("--namespace", "ram:", "bad size");
	REFUSED("--namespace", "ram:0", "one block to 1 EiB");
	REFUSED("--namespace", "null:2097152T", "one block to 1 EiB");
	REFUSED("--namespace", "ram:1Q", "K, M, G or T");
	REFUSED("--namespace", "ram:99999999999999999999", "bad size");
	REFUSED("--namespace", "ram:1G,resv=", "one file name");
	REFUSED("--namespace", "ram:1G,resv=a,resv=b", "one file name");
	REFUSED("--namespace", "ram:1000", "multiple of the block size");
	REFUSED("--namespace", "ram:1K,bs=4096", "multiple of the block size");
	REFUSED("--namespace", "ram:1G,bs=500", "power of two from 512 to 65536");
	REFUSED("--namespace", "ram:1G,bs=131072", "power of two from 512 to 65536");
	REFUSED("--namespace", "ram:1G,bs=0", "power of two from 512 to 65536");
	REFUSED("--namespace", "ram:1G,rw", "unknown suffix");
	REFUSED("--namespace", "ram:1G,rw,ro", "unknown suffix");
	REFUSED("--namespace", "ram:1G,timeout=99", "from 100 to 4294967295 milliseconds");
	REFUSED("--namespace", "ram:1G,timeout=4294967296", "from 100 to 4294967295 milliseconds");
	REFUSED("--namespace", "ram:1G,timeout=", "from 100 to 4294967295 milliseconds");
	REFUSED("--namespace", "null:1G,lend", "only a ram namespace");
	REFUSED("--namespace", "ram:1G,pi=0", "must be 1, 2 or 3");
	REFUSED("--namespace", "ram:1G,pi=4", "must be 1, 2 or 3");
	REFUSED("--namespace", "null:1G,pi=1", "only a ram namespace");
	REFUSED("--namespace", "file:/srv/disk,pi=1", "only a ram namespace");
	REFUSED("--namespace", "file:", "names no file");
	REFUSED("--namespace", "file:,ro", "names no file");
}

static void listen_is(const char *text, const char *address, uint16_t port)
{
	struct listen_spec spec;

	assert_null(listen_spec_parse(text, &spec));
	assert_string_equal(spec.address, address);
	assert_int_equal(spec.port, port);
}

static void addresses_of_both_families_are_taken(void **state)
{
	listen_is("10.0.0.1", "10.0.0.1", 4420);
	listen_is("10.0.0.1:1", "10.0.0.1", 1);
	listen_is("0.0.0.0:65535", "0.0.0.0", 65535);
	listen_is("::", "::", 4420);
	listen_is("fe80::1", "fe80::1", 4420);
	listen_is("[fe80::1]", "fe80::1", 4420);
	listen_is("[fe80::1]:8009", "fe80::1", 8009);
	listen_is("[fe80::1%eth0]:8009", "fe80::1%eth0", 8009);
	listen_is("::ffff:10.0.0.1", "::ffff:10.0.0.1", 4420);
}

static void bad_addresses_name_what_is_wrong(void **state)
{
	REFUSED("--listen", "", "bad address");
	REFUSED("--listen", "localhost", "bad address");
	REFUSED("--listen", "10.0.0", "bad address");
	REFUSED("--listen", "10.0.0.256:4420", "bad address");
	REFUSED("--listen", ":4420", "bad address");
	REFUSED("--listen", "10.0.0.1:", "1 to 65535");
	REFUSED("--listen", "10.0.0.1:0", "1 to 65535");
	REFUSED("--listen", "10.0.0.1:65536", "1 to 65535");
	REFUSED("--listen", "10.0.0.1:44x", "1 to 65535");
	REFUSED("--listen", "[fe80::1", "']'");
	REFUSED("--listen", "[fe80::1]4420", "not :PORT");
	REFUSED("--listen", "[10.0.0.1]:4420", "bad address");
	REFUSED("--listen", "fe80::1%", "bad address");
	REFUSED("--listen", "1:2:3", "bad address");
	REFUSED("--listen",
		"1111111111111111111111111111111111111111111111111111111111111111111111111111",
		"63 characters");
}

static void namespaces_and_hosts_belong_to_the_subsystem_before_them(void **state)
{
	struct options options;
	const struct subsystem_spec *one, *two, *three;

	assert_int_equal(PARSE(&options, "--subsystem", "nqn.2026-11.x:a", "--namespace", "ram:1M",
			       "--namespace", "ram:2M", "--subsystem", "nqn.2026-11.x:b",
			       "--subsystem", "nqn.2026-11.x:c", "--allow-host", "nqn.2026-11.x:h",
			       "--namespace", "null:3M", "--allow-host", "nqn.2026-11.x:i",
			       "--listen", "10.0.0.1", "--listen", "::"),
			 OPTIONS_RUN);
	assert_int_equal(options.subsystem_count, 3);
	one = &options.subsystems[0];
	two = &options.subsystems[1];
	three = &options.subsystems[2];
	assert_string_equal(one->nqn, "nqn.2026-11.x:a");
	assert_int_equal(one->namespace_count, 2);
	assert_int_equal(one->namespaces[0].size, 1 << 20);
	assert_int_equal(one->namespaces[1].size, 2 << 20);
	assert_int_equal(one->host_count, 0);
	assert_string_equal(two->nqn, "nqn.2026-11.x:b");
	assert_int_equal(two->namespace_count, 0);
	assert_string_equal(three->nqn, "nqn.2026-11.x:c");
	assert_int_equal(three->namespace_count, 1);
	assert_int_equal(three->namespaces[0].kind, NS_NULL);
	assert_int_equal(three->host_count, 2);
	assert_string_equal(three->hosts[1], "nqn.2026-11.x:i");
	assert_int_equal(options.listen_count, 2);
	options_fini(&options);
}

static void serial_model_and_label_belong_to_the_subsystem_before_them(void **state)
{
	struct options options;

	assert_int_equal(PARSE(&options, "--subsystem", "nqn.2026-11.x:a", "--serial", "S 1",
			       "--label", "L", "--subsystem", "nqn.2026-11.x:b", "--model", "M",
			       "--namespace", "ram:1M"),
			 OPTIONS_RUN);
	assert_string_equal(options.subsystems[0].serial, "S 1");
	assert_null(options.subsystems[0].model);
	assert_string_equal(options.subsystems[0].label, "L");
	assert_null(options.subsystems[1].label);
	assert_null(options.subsystems[1].serial);
	assert_string_equal(options.subsystems[1].model, "M");
	options_fini(&options);
	REFUSED("--serial", "", "1 to 20 characters");
	REFUSED("--serial", "123456789012345678901", "1 to 20 characters");
	REFUSED("--label", "", "1 to 256 characters");
	REFUSED("--model", "\x7f", "printable");
	REFUSED("--model", "12345678901234567890123456789012345678901", "1 to 40 characters");
}

static void subsystem_after_a_namespace_without_one_is_refused(void **state)
{
	refused((const char *[]){"wrasse-target", "--namespace", "ram:1M", "--subsystem",
				 "nqn.2026-11.x:a", NULL},
		(const char *[]){"--subsystem", "nqn.2026-11.x:a", "--namespace", NULL});
	refused((const char *[]){"wrasse-target", "--allow-host", "nqn.2026-11.x:h", "--subsystem",
				 "nqn.2026-11.x:a", NULL},
		(const char *[]){"--subsystem", "nqn.2026-11.x:a", "--allow-host", NULL});
}

static void bad_names_are_refused(void **state)
{
	char nqn[225];

	REFUSED("--subsystem", "iqn.2026-11.io.wrasse:x", "begin with 'nqn.yyyy-mm.'");
	REFUSED("--subsystem", "", "begin with 'nqn.yyyy-mm.'");
	REFUSED("--subsystem", "nqn.2026-1", "begin with 'nqn.yyyy-mm.'");
	REFUSED("--subsystem", "nqn.2026-11.", "nothing follows");
	REFUSED("--subsystem", "nqn.2026-11.x:a\tb", "control character");
	REFUSED("--allow-host", "host", "begin with 'nqn.yyyy-mm.'");
	memset(nqn, 'x', sizeof(nqn) - 1);
	memcpy(nqn, "nqn.2026-11.", 12);
	nqn[224] = '\0';
	REFUSED("--subsystem", nqn, "223 bytes");
	nqn[223] = '\0';
	assert_null(nqn_check(nqn));
	refused((const char *[]){"wrasse-target", "--subsystem", "nqn.2026-11.x:a", "--subsystem",
				 "nqn.2026-11.x:a", NULL},
		(const char *[]){"--subsystem", "nqn.2026-11.x:a", "twice", NULL});
	refused((const char *[]){"wrasse-target", "--allow-host", "nqn.2026-11.x:h", "--allow-host",
				 "nqn.2026-11.x:h", NULL},
		(const char *[]){"--allow-host", "nqn.2026-11.x:h", "twice", NULL});
}

static void unknown_words_are_named(void **state)
{
	refused((const char *[]){"wrasse-target", "--no-such", NULL},
		(const char *[]){"--no-such is not an option", NULL});
	refused((const char *[]){"wrasse-target", "-x", NULL},
		(const char *[]){"-x is not an option", NULL});
	refused((const char *[]){"wrasse-target", "--namespace", NULL},
		(const char *[]){"--namespace needs a value", NULL});
	refused((const char *[]){"wrasse-target", "--no-srq=1", NULL},
		(const char *[]){"--no-srq=1", "without a value", NULL});
	refused((const char *[]){"wrasse-target", "ram:1G", NULL},
		(const char *[]){"'ram:1G' is not an option", NULL});
}

static void last_cpu_is_a_limit_for_all_groups(void **state)
{
	struct options options;

	assert_int_equal(PARSE(&options, "--namespace=ram:1M", "--cpu=1020", "--groups=4"),
			 OPTIONS_RUN);
	options_fini(&options);
	refused((const char *[]){"wrasse-target", "--namespace=ram:1M", "--cpu=1020", "--groups=5",
				 NULL},
		(const char *[]){"--cpu", "'1020'", "--groups", "'5'", "1023", NULL});
}

static void help_and_version_win_over_what_follows(void **state)
{
	struct options options;

	assert_int_equal(PARSE(&options, "--help", "--no-such"), OPTIONS_HELP);
	options_fini(&options);
	assert_int_equal(PARSE(&options, "-V"), OPTIONS_VERSION);
	options_fini(&options);
}

static void authentication_belongs_to_the_subsystem_before_it(void **state)
{
	struct options options;

	assert_int_equal(PARSE(&options, "--subsystem", "nqn.2026-11.x:a", "--dhchap-secrets",
			       "one", "--dhchap-hashes", "sha256,sha512", "--dhchap-groups",
			       "ffdhe8192,null", "--subsystem", "nqn.2026-11.x:b",
			       "--dhchap-secrets", "two", "--subsystem", "nqn.2026-11.x:c"),
			 OPTIONS_RUN);
	assert_string_equal(options.subsystems[0].secrets, "one");
	assert_int_equal(options.subsystems[0].hashes, 1 | 4);
	assert_int_equal(options.subsystems[0].groups, 1 | 1 << 5);
	assert_string_equal(options.subsystems[1].secrets, "two");
	assert_int_equal(options.subsystems[1].hashes, 0);
	assert_int_equal(options.subsystems[1].groups, 0);
	assert_null(options.subsystems[2].secrets);
	options_fini(&options);
}

static void bad_authentication_options_name_what_is_wrong(void **state)
{
	REFUSED("--dhchap-hashes", "sha1", "sha256, sha384, sha512");
	REFUSED("--dhchap-hashes", "", "sha256, sha384, sha512");
	REFUSED("--dhchap-hashes", "sha256,", "sha256, sha384, sha512");
	REFUSED("--dhchap-hashes", "sha2567", "sha256, sha384, sha512");
	REFUSED("--dhchap-groups", "ffdhe1024", "ffdhe8192");
	REFUSED("--dhchap-groups", "null ffdhe2048", "ffdhe8192");
	refused((const char *[]){"wrasse-target", "--dhchap-secrets", "a", "--dhchap-secrets", "b",
				 NULL},
		(const char *[]){"--dhchap-secrets 'b'", "twice", NULL});
	refused((const char *[]){"wrasse-target", "--namespace", "ram:1G", "--dhchap-groups",
				 "null", NULL},
		(const char *[]){"--dhchap-groups", "without --dhchap-secrets", NULL});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(nothing_to_serve_is_refused),
		cmocka_unit_test(every_number_lands_in_its_place),
		cmocka_unit_test(numbers_out_of_range_name_the_limit),
		cmocka_unit_test(numbers_that_are_none_are_refused),
		cmocka_unit_test(ana_states_belong_to_the_subsystem_before_them),
		cmocka_unit_test(bad_ana_states_and_policies_are_refused),
		cmocka_unit_test(referrals_have_the_port_of_discovery),
		cmocka_unit_test(sizes_have_suffixes_and_do_not_overflow),
		cmocka_unit_test(namespaces_of_every_kind_are_taken),
		cmocka_unit_test(bad_namespaces_name_what_is_wrong),
		cmocka_unit_test(addresses_of_both_families_are_taken),
		cmocka_unit_test(bad_addresses_name_what_is_wrong),
		cmocka_unit_test(namespaces_and_hosts_belong_to_the_subsystem_before_them),
		cmocka_unit_test(serial_model_and_label_belong_to_the_subsystem_before_them),
		cmocka_unit_test(subsystem_after_a_namespace_without_one_is_refused),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(unknown_words_are_named),
		cmocka_unit_test(last_cpu_is_a_limit_for_all_groups),
		cmocka_unit_test(help_and_version_win_over_what_follows),
		cmocka_unit_test(authentication_belongs_to_the_subsystem_before_it),
		cmocka_unit_test(bad_authentication_options_name_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
