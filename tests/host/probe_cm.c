/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases: RDMA-CM. What the private data of a connection request may say (RDMA 1.0 3.2), what the accept must
 * say, and connections that come and go.
 */
#include <stdio.h>
#include <sys/poll.h>

#include "probe.h"

#define REJECT_CONSUMER 28

static bool rejected(struct probe *p, const struct host_params *params, uint16_t sts)
{
	struct host_queue *q = probe_open(p, params);

	if (!q)
		return false;
	if (q->state == HOST_REJECTED && q->reject_reason == REJECT_CONSUMER &&
	    q->reject_sts == sts)
		return true;
	return probe_fail(p, "expected CM reject reason 28 with sts %u, got %s", sts,
			  q->state == HOST_CONNECTED ? "a connection" : q->why);
}

static bool cm_recfmt_1_is_rejected(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 0, 32);
	params.recfmt = 1;
	return rejected(p, &params, 2);
}

static bool cm_zero_private_data_is_rejected(struct probe *p)
{
	static const uint8_t zero[REQ_LEN];
	struct host_params params;

	host_params_init(&params, &p->to, 0, 32);
	params.private_data = zero;
	params.private_len = sizeof(zero);
	return rejected(p, &params, 4);
}

/* Over InfiniBand and RoCE nobody can tell this from zeroes. */
static bool cm_no_private_data_is_rejected(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 0, 32);
	params.private_data = "";
	return rejected(p, &params, 4);
}

static bool cm_hsqsize_0_is_rejected(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 0, 32);
	params.hsqsize = 0;
	return rejected(p, &params, 4);
}

static bool cm_hsqsize_too_big_is_rejected(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 0, 32);
	params.hsqsize = 65535;
	params.hrqsize = 65535;
	return rejected(p, &params, 4);
}

static bool cm_io_hsqsize_too_big_is_rejected(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 1, 32);
	params.hsqsize = 65534;
	params.hrqsize = 65535;
	return rejected(p, &params, 4);
}

static bool cm_hrqsize_0_is_rejected(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 0, 32);
	params.hrqsize = 0;
	return rejected(p, &params, 5);
}

static bool cm_qid_9999_is_rejected(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 9999, 32);
	return rejected(p, &params, 3);
}

static bool cm_unknown_cntlid_is_rejected(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 1, 32);
	params.cntlid = 0xff00;
	return rejected(p, &params, 9);
}

static bool cm_read_credits_0_is_rejected(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 1, 32);
	params.read_credits = 0;
	return rejected(p, &params, 7);
}

static bool cm_accept_private_data_is_zeroed(struct probe *p)
{
	struct host_params params;
	struct host_queue *q;

	host_params_init(&params, &p->to, 0, 32);
	q = probe_open(p, &params);
	if (!q || q->state != HOST_CONNECTED)
		return probe_fail(p, "expected a connection, got %s", q ? q->why : "no memory");
	if (q->accept_len < 32)
		return probe_fail(p, "expected 32 bytes with the accept, got %zu", q->accept_len);
	if (wire_get16(q->accept_data, 0))
		return probe_fail(p, "expected recfmt 0, got %u", wire_get16(q->accept_data, 0));
	if (!wire_get16(q->accept_data, 2))
		return probe_fail(p, "expected crqsize not 0, got 0");
	for (int i = 4; i < 32; i++) {
		if (q->accept_data[i])
			return probe_fail(p, "expected byte %d to be 0, got 0x%02x", i,
					  q->accept_data[i]);
	}
	return true;
}

static bool cm_storm_of_rejected_connections(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 0, 32);
	params.recfmt = 1;
	for (int i = 0; i < 50; i++) {
		if (!rejected(p, &params, 2))
			return false;
		host_queue_close(p->queues[--p->queue_count]);
	}
	return true;
}

static bool cm_connections_without_connect_harm_nobody(struct probe *p)
{
	struct host_params params;

	host_params_init(&params, &p->to, 0, 32);
	for (int i = 0; i < 8; i++) {
		struct host_queue *q = probe_open(p, &params);

		if (!q || q->state != HOST_CONNECTED)
			return probe_fail(p, "expected connection %d, got %s", i, q ? q->why : "");
	}
	return probe_admin_connected(p);
}

/* The accept is never answered: half of a handshake, given up. */
static bool cm_half_handshake_harms_nobody(struct probe *p)
{
	struct host_params params;
	struct host_queue *q;

	host_params_init(&params, &p->to, 0, 32);
	params.half_open = true;
	q = probe_open(p, &params);
	if (!q || q->state != HOST_CONNECTED)
		return probe_fail(p, "expected an accept, got %s", q ? q->why : "no memory");
	return probe_admin_connected(p);
}

static bool cm_queue_id_is_free_again_after_disconnect(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);

	for (int i = 0; c && i < 10; i++) {
		if (!probe_io_queue(p, c, 1, 8))
			return false;
		host_queue_close(p->queues[--p->queue_count]);
	}
	return c;
}

static bool cm_connect_and_disconnect_100_times(struct probe *p)
{
	for (int i = 0; i < 100; i++) {
		if (!probe_admin_connected(p))
			return false;
		host_queue_close(p->queues[--p->queue_count]);
	}
	return true;
}

static bool cm_connection_without_connect_is_ended(struct probe *p)
{
	struct host_params params;
	struct host_queue *q;

	host_params_init(&params, &p->to, 0, 32);
	q = probe_open(p, &params);
	if (!q || q->state != HOST_CONNECTED)
		return probe_fail(p, "expected a connection, got %s", q ? q->why : "no memory");
	if (host_ended_within(q, p->connect_deadline_ms))
		return true;
	return probe_fail(p, "expected the end of the connection in %u ms, got none",
			  p->connect_deadline_ms);
}

/* A half-open queue sees nothing of its end but the event. */
static bool cm_half_handshake_is_ended(struct probe *p)
{
	struct host_params params;
	struct host_queue *q;
	uint64_t deadline = host_now_ns() + (uint64_t)p->connect_deadline_ms * 1000000u;

	host_params_init(&params, &p->to, 0, 32);
	params.half_open = true;
	q = probe_open(p, &params);
	if (!q || q->state != HOST_CONNECTED)
		return probe_fail(p, "expected an accept, got %s", q ? q->why : "no memory");
	while (q->state == HOST_CONNECTED && host_now_ns() < deadline) {
		struct pollfd fd = {.fd = q->events->fd, .events = POLLIN};

		poll(&fd, 1, 200);
		host_events_poll(q);
	}
	if (q->state != HOST_CONNECTED)
		return true;
	return probe_fail(p, "expected the end of the handshake in %u ms, got none",
			  p->connect_deadline_ms);
}

static const struct probe_case cases[] = {
	{"cm_recfmt_1_is_rejected", cm_recfmt_1_is_rejected, false},
	{"cm_zero_private_data_is_rejected", cm_zero_private_data_is_rejected, false},
	{"cm_no_private_data_is_rejected", cm_no_private_data_is_rejected, false},
	{"cm_hsqsize_0_is_rejected", cm_hsqsize_0_is_rejected, false},
	{"cm_hsqsize_too_big_is_rejected", cm_hsqsize_too_big_is_rejected, false},
	{"cm_io_hsqsize_too_big_is_rejected", cm_io_hsqsize_too_big_is_rejected, false},
	{"cm_hrqsize_0_is_rejected", cm_hrqsize_0_is_rejected, false},
	{"cm_qid_9999_is_rejected", cm_qid_9999_is_rejected, false},
	{"cm_unknown_cntlid_is_rejected", cm_unknown_cntlid_is_rejected, false},
	{"cm_read_credits_0_is_rejected", cm_read_credits_0_is_rejected, false},
	{"cm_accept_private_data_is_zeroed", cm_accept_private_data_is_zeroed, false},
	{"cm_storm_of_rejected_connections", cm_storm_of_rejected_connections, false},
	{"cm_connections_without_connect_harm_nobody", cm_connections_without_connect_harm_nobody,
	 false},
	{"cm_half_handshake_harms_nobody", cm_half_handshake_harms_nobody, false},
	{"cm_queue_id_is_free_again_after_disconnect", cm_queue_id_is_free_again_after_disconnect,
	 false},
	{"cm_connect_and_disconnect_100_times", cm_connect_and_disconnect_100_times, false},
	{"cm_connection_without_connect_is_ended", cm_connection_without_connect_is_ended, true},
	{"cm_half_handshake_is_ended", cm_half_handshake_is_ended, true},
};

PROBE_GROUP(probe_cm, cases);
