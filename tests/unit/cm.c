/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/cm.c: the private data of RDMA CM messages, byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "transport/cm.h"

static const struct rdmat_cm_limits limits = {
	.max_qid = 4, .max_depth = 128, .max_admin_depth = 32};

/* Private data as it lies on the wire, in as many bytes as the longest that the CM carries. */
static uint8_t wire[256];

static void wire_make(uint16_t recfmt, uint16_t qid, uint16_t hrqsize, uint16_t hsqsize,
		      uint16_t cntlid)
{
	const uint16_t words[] = {recfmt, qid, hrqsize, hsqsize, cntlid};

	memset(wire, 0, sizeof(wire));
	for (unsigned i = 0; i < 5; i++) {
		wire[2 * i] = (uint8_t)(words[i] & 0xff);
		wire[2 * i + 1] = (uint8_t)(words[i] >> 8);
	}
}

static void expect(uint32_t len, uint8_t read_depth, enum rdmat_cm_status status)
{
	struct rdmat_cm_request request;

	memset(&request, 0xa5, sizeof(request));
	assert_int_equal(rdmat_cm_parse(wire, len, read_depth, &limits, &request), status);
}

static void a_good_request_is_read_little_endian(void **state)
{
	struct rdmat_cm_request request;

	wire_make(0, 3, 0x0102, 0x0047, 0x0506);
	assert_int_equal(rdmat_cm_parse(wire, 32, 1, &limits, &request), RDMAT_CM_OK);
	assert_int_equal(request.qid, 3);
	assert_int_equal(request.hrqsize, 0x0102);
	assert_int_equal(request.hsqsize, 0x47);
	assert_int_equal(request.cntlid, 0x0506);
}

static void private_data_shorter_than_32_bytes_is_rejected(void **state)
{
	struct rdmat_cm_request request;

	wire_make(0, 1, 32, 31, 0);
	assert_int_equal(rdmat_cm_parse(NULL, 0, 1, &limits, &request), RDMAT_CM_INVALID_LEN);
	assert_int_equal(rdmat_cm_parse(NULL, 56, 1, &limits, &request), RDMAT_CM_INVALID_LEN);
	for (uint32_t len = 0; len < 32; len++)
		expect(len, 1, RDMAT_CM_INVALID_LEN);
	expect(32, 1, RDMAT_CM_OK);
}

static void private_data_that_the_cm_padded_is_accepted(void **state)
{
	wire_make(0, 1, 32, 31, 0);
	for (uint32_t len = 32; len <= 196; len++)
		expect(len, 1, RDMAT_CM_OK);
	/* Whatever it was padded with, and the reserved bytes, are nobody's affair. */
	memset(wire + 10, 0xff, sizeof(wire) - 10);
	expect(56, 1, RDMAT_CM_OK);
	expect(196, 1, RDMAT_CM_OK);
}

static void a_short_request_is_read_no_further_than_it_goes(void **state)
{
	uint8_t *exact = test_malloc(31);
	struct rdmat_cm_request request;

	memset(exact, 0, 31);
	assert_int_equal(rdmat_cm_parse(exact, 31, 1, &limits, &request), RDMAT_CM_INVALID_LEN);
	test_free(exact);
}

static void every_other_record_format_is_rejected(void **state)
{
	for (uint32_t recfmt = 1; recfmt <= 0xffff; recfmt++) {
		wire_make((uint16_t)recfmt, 1, 32, 31, 0);
		expect(32, 1, RDMAT_CM_INVALID_RECFMT);
	}
}

static void a_queue_id_above_the_limit_is_rejected(void **state)
{
	wire_make(0, 4, 32, 31, 0);
	expect(32, 1, RDMAT_CM_OK);
	wire_make(0, 5, 32, 31, 0);
	expect(32, 1, RDMAT_CM_INVALID_QID);
	wire_make(0, 0xffff, 32, 31, 0);
	expect(32, 1, RDMAT_CM_INVALID_QID);
}

static void a_depth_of_one_or_above_the_limit_is_rejected(void **state)
{
	static const struct {
		uint16_t qid, hsqsize;
		enum rdmat_cm_status status;
	} cases[] = {
		{1, 0, RDMAT_CM_INVALID_HSQSIZE},
		{0, 0, RDMAT_CM_INVALID_HSQSIZE},
		{1, 1, RDMAT_CM_OK},
		{0, 1, RDMAT_CM_OK},
		{1, 127, RDMAT_CM_OK},
		{0, 31, RDMAT_CM_OK},
		{1, 128, RDMAT_CM_INVALID_HSQSIZE},
		{0, 32, RDMAT_CM_INVALID_HSQSIZE},
		{1, 0xffff, RDMAT_CM_INVALID_HSQSIZE},
		{0, 0xffff, RDMAT_CM_INVALID_HSQSIZE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wire_make(0, cases[i].qid, 32, cases[i].hsqsize, 0);
		expect(32, 1, cases[i].status);
	}
}

static void a_host_without_a_receive_queue_is_rejected(void **state)
{
	wire_make(0, 1, 0, 31, 0);
	expect(32, 1, RDMAT_CM_INVALID_HRQSIZE);
	/* Smaller than its send queue: old hosts do that. */
	wire_make(0, 1, 1, 31, 0);
	expect(32, 1, RDMAT_CM_OK);
	wire_make(0, 1, 0xffff, 31, 0);
	expect(32, 1, RDMAT_CM_OK);
}

static void a_host_that_grants_no_read_is_rejected(void **state)
{
	wire_make(0, 1, 32, 31, 0);
	expect(32, 0, RDMAT_CM_INVALID_IRD);
	expect(32, 255, RDMAT_CM_OK);
}

static void the_accept_is_exact_to_the_byte(void **state)
{
	uint8_t data[RDMAT_CM_ACCEPT_LEN], want[RDMAT_CM_ACCEPT_LEN] = {0, 0, 0x34, 0x12};

	memset(data, 0xa5, sizeof(data));
	rdmat_cm_build_accept(data, 0x1234);
	assert_memory_equal(data, want, sizeof(want));
	assert_int_equal(sizeof(data), 32);
}

static void the_reject_is_exact_to_the_byte_for_every_status(void **state)
{
	for (uint8_t status = 1; status <= 9; status++) {
		uint8_t data[RDMAT_CM_REJECT_LEN], want[4] = {0, 0, status, 0};

		memset(data, 0xa5, sizeof(data));
		rdmat_cm_build_reject(data, (enum rdmat_cm_status)status);
		assert_int_equal(sizeof(data), 4);
		assert_memory_equal(data, want, sizeof(want));
	}
}

static void status_values_are_those_of_the_specification(void **state)
{
	/* RDMA Transport 1.0, "RDMA_CM_REJECT private data", sts. */
	assert_int_equal(RDMAT_CM_INVALID_LEN, 1);
	assert_int_equal(RDMAT_CM_INVALID_RECFMT, 2);
	assert_int_equal(RDMAT_CM_INVALID_QID, 3);
	assert_int_equal(RDMAT_CM_INVALID_HSQSIZE, 4);
	assert_int_equal(RDMAT_CM_INVALID_HRQSIZE, 5);
	assert_int_equal(RDMAT_CM_NO_RESOURCES, 6);
	assert_int_equal(RDMAT_CM_INVALID_IRD, 7);
	assert_int_equal(RDMAT_CM_INVALID_ORD, 8);
	assert_int_equal(RDMAT_CM_INVALID_CNTLID, 9);
}

static void every_status_has_a_name_of_its_own(void **state)
{
	for (unsigned a = 0; a <= 9; a++) {
		assert_string_not_equal(rdmat_cm_status_name(a), "unknown");
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(rdmat_cm_status_name(a), rdmat_cm_status_name(b));
	}
	assert_string_equal(rdmat_cm_status_name(10), "unknown");
	assert_string_equal(rdmat_cm_status_name(0xffffu), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_request_is_read_little_endian),
		cmocka_unit_test(private_data_shorter_than_32_bytes_is_rejected),
		cmocka_unit_test(private_data_that_the_cm_padded_is_accepted),
		cmocka_unit_test(a_short_request_is_read_no_further_than_it_goes),
		cmocka_unit_test(every_other_record_format_is_rejected),
		cmocka_unit_test(a_queue_id_above_the_limit_is_rejected),
		cmocka_unit_test(a_depth_of_one_or_above_the_limit_is_rejected),
		cmocka_unit_test(a_host_without_a_receive_queue_is_rejected),
		cmocka_unit_test(a_host_that_grants_no_read_is_rejected),
		cmocka_unit_test(the_accept_is_exact_to_the_byte),
		cmocka_unit_test(the_reject_is_exact_to_the_byte_for_every_status),
		cmocka_unit_test(status_values_are_those_of_the_specification),
		cmocka_unit_test(every_status_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
