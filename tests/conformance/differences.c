/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which library is in use, and the tests whose expectation depends on it.
 */
#include "conformance.h"

/* Only the simulated fabric has it. */
extern const char fabric_version[] __attribute__((weak));

bool fabric_is_simulated(void)
{
	return fabric_version != NULL;
}

/*
 * Elsewhere: the simulated fabric, which does what the specification and the devices in use do. A test asks with
 * differs(), and only a test that is listed may.
 */
const struct difference differences[] = {
	{"last_wqe_event_of_a_queue_pair_in_error",
	 "rdma_rxe of Linux 6.1 never reports the last receive of a shared queue"},
	{"last_wqe_event_of_a_disconnected_queue_pair",
	 "rdma_rxe of Linux 6.1 never reports the last receive of a shared queue"},
	{"receives_posted_in_the_error_state_are_flushed",
	 "rdma_rxe learns of a receive only when a packet comes, so it flushes none of these"},
	{"a_receive_that_is_too_short_ends_both_queue_pairs",
	 "rdma_rxe reports an operation error on both sides where a length error is due"},
	{"a_long_send_into_a_short_receive_ends_both_queue_pairs",
	 "rdma_rxe reports an operation error on both sides where a length error is due"},
	{"a_short_shared_receive_ends_the_queue_pair_that_took_it",
	 "rdma_rxe reports an operation error on both sides where a length error is due"},
	{"send_from_a_bad_local_key_fails_here",
	 "rdma_rxe reports an operation error for a local key that it does not know"},
	{"write_from_another_domain_fails_here",
	 "rdma_rxe reports an operation error for a local key that it does not know"},
	{"receive_into_a_bad_local_key_ends_both",
	 "rdma_rxe reports an operation error for a local key that it does not know"},
	{"receive_into_memory_that_is_no_longer_registered_ends_both",
	 "rdma_rxe reports an operation error for a local key that it does not know"},
	{"a_window_ends_where_it_was_bound_to",
	 "rdma_rxe checks an access through a window against the memory region, not the window"},
	{"removal_is_told_to_every_identifier_and_to_the_device",
	 "rdma_rxe cannot let go of a context in use, so it waits and reports no fatal error"},
	{0},
};

static const char *asked;

/* Why the test's expectation depends on the library, or NULL. */
const char *difference_of(const char *test)
{
	for (const struct difference *d = differences; d->test; d++) {
		if (!strcmp(d->test, test))
			return d->why;
	}
	return NULL;
}

/* The expectation of the test that runs: one of the two. */
int differs(int on_rxe, int elsewhere)
{
	check(difference_of(test_name()), "the test is not in the table of differences");
	asked = test_name();
	return fabric_is_simulated() ? elsewhere : on_rxe;
}

/* A test that holds, and is in the table, must have asked. */
void difference_used(void)
{
	check(!difference_of(test_name()) || asked == test_name(),
	      "the test is in the table of differences, but has none");
}
