/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * examples/target/secrets.c: which files of secrets are taken, what is said of the others, and whose
 * secrets come out.
 */
#include "auth_host.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "secrets.h"

#define ONE   "nqn.2026-11.x:one"
#define TWO   "nqn.2026-11.x:two"
#define THREE "nqn.2026-11.x:three"

static char path[] = "/tmp/wrasse-secrets.XXXXXX";
static char said[4096];

/* Stands in for the program's log. */
void log_line(enum wrasse_log_level level, const char *format, ...)
{
	size_t len = strlen(said);
	va_list args;

	va_start(args, format);
	vsnprintf(said + len, sizeof(said) - len, format, args);
	va_end(args);
}

static void file_is(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	said[0] = 0;
}

static int setup(void **state)
{
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	return unlink(path);
}

static void host_gets_its_own_secrets_as_the_file_has_them_now(void **state)
{
	struct wrasse_auth_keys keys = {"", ""};

	file_is("# hosts\n\n" ONE " " DHCHAP_SECRET_01 "\n  " TWO "\t" DHCHAP_SECRET_03
		" " DHCHAP_SECRET_02 " # both\r\n");
	assert_int_equal(secrets_check(path), 0);
	assert_string_equal(said, "");
	assert_int_equal(secrets_get(path, ONE, "", &keys), 0);
	assert_string_equal(keys.host, DHCHAP_SECRET_01);
	assert_string_equal(keys.controller, "");
	assert_int_equal(secrets_get(path, TWO, "", &keys), 0);
	assert_string_equal(keys.host, DHCHAP_SECRET_03);
	assert_string_equal(keys.controller, DHCHAP_SECRET_02);
	assert_int_equal(secrets_get(path, THREE, "", &keys), -ENOENT);
	file_is(THREE " " DHCHAP_SECRET_00);
	assert_int_equal(secrets_get(path, THREE, "", &keys), 0);
	assert_string_equal(keys.host, DHCHAP_SECRET_00);
	assert_int_equal(secrets_get(path, ONE, "", &keys), -ENOENT);
}

static void bad(const char *text, const char *first, const char *second)
{
	struct wrasse_auth_keys keys = {"", ""};

	file_is(text);
	assert_int_equal(secrets_check(path), -EINVAL);
	if (!strstr(said, first) || !strstr(said, second))
		fail_msg("'%s' or '%s' is not in: %s", first, second, said);
	/* A secret is not told, not even a wrong one. */
	assert_null(strstr(said, "AAEC"));
	assert_int_not_equal(secrets_get(path, ONE, "", &keys), 0);
	assert_string_equal(keys.host, "");
	assert_string_equal(keys.controller, "");
}

static void line_that_is_wrong_is_named(void **state)
{
	bad(ONE "\n", "line 1", "NQN SECRET");
	bad("#\n" ONE " " DHCHAP_SECRET_00 " " DHCHAP_SECRET_00 " " DHCHAP_SECRET_00 "\n", "line 2",
	    "NQN SECRET");
	bad("one " DHCHAP_SECRET_00 "\n", "line 1", "the NQN");
	bad(ONE " DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaS:", "host's", "CRC");
	bad(ONE " " DHCHAP_SECRET_01 " AAEC", "controller's", "DHHC-1");
}

static void file_that_everybody_can_read_is_warned_of(void **state)
{
	file_is(ONE " " DHCHAP_SECRET_01);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(secrets_check(path), 0);
	assert_non_null(strstr(said, "every user"));
}

static void file_that_is_not_there_is_told(void **state)
{
	struct wrasse_auth_keys keys;
	char none[] = "/nonexistent/secrets";

	said[0] = 0;
	assert_int_equal(secrets_check(none), -ENOENT);
	assert_non_null(strstr(said, none));
	assert_int_equal(secrets_get(none, ONE, "", &keys), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(host_gets_its_own_secrets_as_the_file_has_them_now),
		TEST(line_that_is_wrong_is_named),
		TEST(file_that_everybody_can_read_is_warned_of),
		TEST(file_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
