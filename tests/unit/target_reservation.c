/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse-target's file of reservations: what is saved comes back, a failure is told, and what is not
 * such a file is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "reservation_file.h"

static sem_t completed;
static struct wrasse_status last;
static char directory[32], path[64];

void wrasse_io_complete(struct wrasse_io *io, struct wrasse_status status)
{
	last = status;
	sem_post(&completed);
}

static int setup(void **state)
{
	strcpy(directory, "/tmp/wrasse-resv-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/state", directory);
	sem_init(&completed, 0, 0);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

static struct wrasse_reservation two_hosts(struct wrasse_registrant registrants[2])
{
	memset(registrants, 0, 2 * sizeof(registrants[0]));
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned j = 0; j < 16; j++)
			registrants[i].hostid[j] = (uint8_t)(0x77 * (i + 1) + j);
		snprintf(registrants[i].hostnqn, sizeof(registrants[i].hostnqn), "nqn.\"%u", i);
		registrants[i].key = UINT64_MAX - i;
	}
	registrants[1].holder = true;
	return (struct wrasse_reservation){.size = sizeof(struct wrasse_reservation),
					   .ptpl = true,
					   .type = WRASSE_RESERVATION_EXCLUSIVE_ACCESS,
					   .generation = UINT32_MAX,
					   .registrant_count = 2,
					   .registrants = registrants};
}

static struct wrasse_status save(struct reservation_file *file,
				 const struct wrasse_reservation *from)
{
	struct wrasse_io io = {0};

	reservation_file_save(file, from, &io);
	sem_wait(&completed);
	return last;
}

static void what_was_saved_comes_back(void **state)
{
	struct wrasse_registrant registrants[2];
	struct wrasse_reservation from = two_hosts(registrants);
	const struct wrasse_reservation *back;
	struct reservation_file *file;

	assert_int_equal(reservation_file_create(path, &file), 0);
	assert_null(reservation_file_state(file));
	assert_true(wrasse_status_is_ok(save(file, &from)));
	reservation_file_destroy(file);

	assert_int_equal(reservation_file_create(path, &file), 0);
	back = reservation_file_state(file);
	assert_non_null(back);
	assert_int_equal(back->size, sizeof(*back));
	assert_true(back->ptpl);
	assert_int_equal(back->type, from.type);
	assert_int_equal(back->generation, from.generation);
	assert_int_equal(back->registrant_count, 2);
	assert_memory_equal(back->registrants, registrants, sizeof(registrants));
	reservation_file_destroy(file);
}

static void the_last_save_counts(void **state)
{
	struct wrasse_registrant registrants[2];
	struct wrasse_reservation from = two_hosts(registrants);
	struct reservation_file *file;

	assert_int_equal(reservation_file_create(path, &file), 0);
	assert_true(wrasse_status_is_ok(save(file, &from)));
	from = (struct wrasse_reservation){.size = sizeof(from)};
	assert_true(wrasse_status_is_ok(save(file, &from)));
	reservation_file_destroy(file);
	assert_int_equal(reservation_file_create(path, &file), 0);
	assert_false(reservation_file_state(file)->ptpl);
	assert_int_equal(reservation_file_state(file)->registrant_count, 0);
	reservation_file_destroy(file);
}

static void a_save_that_fails_is_told_and_leaves_the_old_file(void **state)
{
	struct wrasse_registrant registrants[2];
	struct wrasse_reservation from = two_hosts(registrants);
	struct reservation_file *file;
	char blocked[80];

	assert_int_equal(reservation_file_create(path, &file), 0);
	assert_true(wrasse_status_is_ok(save(file, &from)));
	/* A directory has the name of the new file: it cannot be written. */
	snprintf(blocked, sizeof(blocked), "%s.new", path);
	assert_int_equal(mkdir(blocked, 0700), 0);
	from.registrant_count = 0;
	assert_int_equal(save(file, &from).sc, WRASSE_SC_INTERNAL);
	reservation_file_destroy(file);
	assert_int_equal(rmdir(blocked), 0);
	assert_int_equal(reservation_file_create(path, &file), 0);
	assert_int_equal(reservation_file_state(file)->registrant_count, 2);
	reservation_file_destroy(file);
}

static void expect_refused(const char *text)
{
	struct reservation_file *file;
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	if (reservation_file_create(path, &file) != -EINVAL)
		fail_msg("taken: %s", text);
}

#define HEAD(version, ptpl, type, generation)                            \
	"{\"version\": " version ", \"ptpl\": " ptpl ", \"type\": " type \
	", \"generation\": " generation ", \"registrants\": "
#define GOOD HEAD("1", "true", "1", "5")
#define HOST "0123456789abcdef0123456789abcdef"
#define ONE(hostid, key, holder)                                                 \
	GOOD "[{\"hostid\": \"" hostid "\", \"hostnqn\": \"nqn\", \"key\": " key \
	     ", \"holder\": " holder "}]}"

static void what_is_not_such_a_file_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{",
		"{}",
		HEAD("2", "true", "1", "5") "[]}",
		HEAD("1", "1", "1", "5") "[]}",
		HEAD("1", "true", "\"1\"", "5") "[]}",
		HEAD("1", "true", "1", "null") "[]}",
		GOOD "7}",
		GOOD "[7]}",
		GOOD "[{}]}",
		ONE("0123", "\"0x1\"", "true"),
		ONE("0123456789abcdeg0123456789abcdef", "\"0x1\"", "true"),
		ONE(HOST, "1", "true"),
		ONE(HOST, "\"0x1x\"", "true"),
		ONE(HOST, "\"0x1\"", "1"),
	};
	struct reservation_file *file;
	FILE *out;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		expect_refused(texts[i]);
	/* The one that all of them are near to. */
	out = fopen(path, "w");
	fputs(ONE(HOST, "\"0x1\"", "true"), out);
	fclose(out);
	assert_int_equal(reservation_file_create(path, &file), 0);
	assert_int_equal(reservation_file_state(file)->registrants[0].hostid[15], 0xef);
	reservation_file_destroy(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_saved_comes_back),
		TEST(the_last_save_counts),
		TEST(a_save_that_fails_is_told_and_leaves_the_old_file),
		TEST(what_is_not_such_a_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
