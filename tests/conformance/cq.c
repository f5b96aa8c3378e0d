/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completion queues and their channels: arming, events, overrun.
 */
#include "conformance.h"

static bool event_within(struct side *s, uint32_t ms)
{
	uint64_t until = now_ms() + ms;
	struct ibv_cq *cq;
	void *context;

	while (ibv_get_cq_event(s->channel, &cq, &context)) {
		check(errno == EAGAIN, "ibv_get_cq_event: %s", strerror(errno));
		if (now_ms() >= until)
			return false;
		wait_on(s->channel->fd, until);
	}
	equal_ptr(context, s);
	ibv_ack_cq_events(cq, 1);
	return true;
}

static void arm(struct ibv_cq *cq, int solicited)
{
	must((errno = ibv_req_notify_cq(cq, solicited)));
}

/* Posts a SEND of the client's that the server receives; returns when it has been received. */
static void exchange(struct pair *p, uint64_t id, unsigned flags)
{
	struct ibv_wc wc;

	post_recv(&p->server, id, 0, 64);
	post_send(&p->client, id, 0, 64, flags | IBV_SEND_SIGNALED);
	/* Without arming anything. */
	for (uint64_t until = now_ms() + DEADLINE_MS; !ibv_poll_cq(p->client.send_cq, 1, &wc);) {
		check(now_ms() < until, "the SEND does not complete");
		wait_on(-1, now_ms() + 1);
	}
	equal(wc.status, IBV_WC_SUCCESS);
}

static void an_armed_queue_reports_the_next_completion(void)
{
	struct pair *p = pair_up_default();
	struct ibv_wc wc;

	arm(p->server.recv_cq, 0);
	check(!event_within(&p->server, 0), "an event before anything completed");
	exchange(p, 1, 0);
	check(event_within(&p->server, DEADLINE_MS), "no event");
	equal(ibv_poll_cq(p->server.recv_cq, 1, &wc), 1);
}

static void a_queue_that_is_not_armed_reports_nothing(void)
{
	struct pair *p = pair_up_default();

	exchange(p, 1, 0);
	check(!event_within(&p->server, QUIET_MS), "an event, though nobody armed");
	check(!readable(p->server.channel->fd), "the descriptor is readable");
}

/* The lost wake-up: who arms must look once more before sleeping. */
static void what_completed_before_arming_is_not_reported(void)
{
	struct pair *p = pair_up_default();
	struct ibv_wc wc;

	exchange(p, 1, 0);
	/* The receive is there: the SEND is acknowledged. */
	wait_on(-1, now_ms() + 10);
	arm(p->server.recv_cq, 0);
	check(!event_within(&p->server, QUIET_MS), "an event of what was there before");
	equal(ibv_poll_cq(p->server.recv_cq, 1, &wc), 1);
	exchange(p, 2, 0);
	check(event_within(&p->server, DEADLINE_MS), "the arming is lost");
}

static void one_arming_gives_one_event(void)
{
	struct pair *p = pair_up_default();

	arm(p->server.recv_cq, 0);
	for (uint64_t i = 0; i < 3; i++)
		exchange(p, i, 0);
	check(event_within(&p->server, DEADLINE_MS), "no event");
	check(!event_within(&p->server, QUIET_MS), "a second event of one arming");
}

static void arming_twice_gives_one_event(void)
{
	struct pair *p = pair_up_default();

	arm(p->server.recv_cq, 0);
	arm(p->server.recv_cq, 0);
	exchange(p, 1, 0);
	check(event_within(&p->server, DEADLINE_MS), "no event");
	check(!event_within(&p->server, QUIET_MS), "two events");
}

static void each_queue_of_a_channel_reports_by_name(void)
{
	struct pair *p = pair_up_default();
	struct side *c = &p->client;
	struct ibv_cq *cq = NULL;
	void *context;

	arm(c->send_cq, 0);
	arm(c->recv_cq, 0);
	post_rdma(c, IBV_WR_RDMA_WRITE, 1, 0, 64, &p->server, 0);
	for (uint64_t until = now_ms() + DEADLINE_MS;
	     ibv_get_cq_event(c->channel, &cq, &context);) {
		check(now_ms() < until, "no event");
		wait_on(c->channel->fd, until);
	}
	ibv_ack_cq_events(cq, 1);
	equal_ptr(cq, c->send_cq);
	check(!event_within(c, QUIET_MS), "an event of the other queue");
}

static void solicited_only_waits_for_a_solicited_send(void)
{
	struct pair *p = pair_up_default();

	arm(p->server.recv_cq, 1);
	exchange(p, 1, 0);
	check(!event_within(&p->server, QUIET_MS), "an event of what was not solicited");
	exchange(p, 2, IBV_SEND_SOLICITED);
	check(event_within(&p->server, DEADLINE_MS), "no event");
}

static void arming_for_all_overrides_solicited_only(void)
{
	struct pair *p = pair_up_default();

	arm(p->server.recv_cq, 1);
	arm(p->server.recv_cq, 0);
	exchange(p, 1, 0);
	check(event_within(&p->server, DEADLINE_MS), "no event");
}

static void arming_for_solicited_does_not_narrow(void)
{
	struct pair *p = pair_up_default();

	arm(p->server.recv_cq, 0);
	arm(p->server.recv_cq, 1);
	exchange(p, 1, 0);
	check(event_within(&p->server, DEADLINE_MS), "no event");
}

static void an_error_counts_as_solicited(void)
{
	struct pair *p = pair_up_default();

	post_recv(&p->server, 1, 0, 64);
	arm(p->server.recv_cq, 1);
	to_error(&p->server);
	check(event_within(&p->server, 500), "no event of a flushed receive");
}

static void events_are_acknowledged_together(void)
{
	struct pair *p = pair_up_default();
	struct side *s = &p->server;
	struct ibv_cq *cq;
	void *context;

	for (uint64_t i = 0; i < 3; i++) {
		uint64_t until = now_ms() + DEADLINE_MS;

		arm(s->recv_cq, 0);
		exchange(p, i, 0);
		while (ibv_get_cq_event(s->channel, &cq, &context)) {
			check(now_ms() < until, "no event %llu", (unsigned long long)i);
			wait_on(s->channel->fd, until);
		}
	}
	/* The queue cannot go before they are; side_fini() would hang. */
	ibv_ack_cq_events(s->recv_cq, 3);
}

static void the_descriptor_is_readable_until_the_event_is_taken(void)
{
	struct pair *p = pair_up_default();
	struct side *s = &p->server;

	arm(s->recv_cq, 0);
	check(!readable(s->channel->fd), "readable before");
	exchange(p, 1, 0);
	await_readable(s->channel->fd);
	check(event_within(s, 0), "readable without an event");
	check(!readable(s->channel->fd), "readable after");
}

/* Another event of the same queue is pending when the queue goes: the channel forgets it. */
static void destroying_a_queue_drops_its_pending_event(void)
{
	struct pair *p = pair_up_default();
	struct side *s = &p->server;

	arm(s->recv_cq, 0);
	exchange(p, 1, 0);
	await_readable(s->channel->fd);
	rdma_destroy_qp(s->id);
	s->qp = NULL;
	must((errno = ibv_destroy_cq(s->recv_cq)));
	s->recv_cq = NULL;
	check(!readable(s->channel->fd), "the event is still there");
}

static void cq_undo(void *arg)
{
	must((errno = ibv_destroy_cq(arg)));
}

/* One more completion than the queue holds: an event, and the queue pair that had it ends without a word. */
static void an_overrun_queue_reports_an_error(void)
{
	struct ibv_cq *cq = ibv_create_cq(device(), 4, NULL, NULL, 0);
	struct pair_options o;
	struct pair *p;

	must_have(cq);
	undo(cq_undo, cq);
	check(cq->cqe < 16, "the queue is too long for this test: %d", cq->cqe);
	pair_options_init(&o);
	o.client.ack_timeout = 14;
	o.client.retry_count = 1;
	o.server.recv_cq = cq;
	p = pair_up(&o);
	for (int i = 0; i < cq->cqe + 1; i++)
		post_recv(&p->server, (uint64_t)i, 0, 64);
	for (int i = 0; i < cq->cqe; i++) {
		post_send(&p->client, (uint64_t)i, 0, 64, IBV_SEND_SIGNALED);
		sent(&p->client, (uint64_t)i, IBV_WC_SUCCESS);
	}
	async_quiet(cq, QUIET_MS);
	post_send(&p->client, 99, 0, 64, IBV_SEND_SIGNALED);
	async_want(IBV_EVENT_CQ_ERR, cq);
	sent(&p->client, 99, IBV_WC_RETRY_EXC_ERR);
	qp_state_want(&p->server, IBV_QPS_ERR);
}

const struct test cq_tests[] = {
	TEST(an_armed_queue_reports_the_next_completion),
	TEST(a_queue_that_is_not_armed_reports_nothing),
	TEST(what_completed_before_arming_is_not_reported),
	TEST(one_arming_gives_one_event),
	TEST(arming_twice_gives_one_event),
	TEST(each_queue_of_a_channel_reports_by_name),
	TEST(solicited_only_waits_for_a_solicited_send),
	TEST(arming_for_all_overrides_solicited_only),
	TEST(arming_for_solicited_does_not_narrow),
	TEST(an_error_counts_as_solicited),
	TEST(events_are_acknowledged_together),
	TEST(the_descriptor_is_readable_until_the_event_is_taken),
	TEST(destroying_a_queue_drops_its_pending_event),
	TEST(an_overrun_queue_reports_an_error),
	{0},
};
