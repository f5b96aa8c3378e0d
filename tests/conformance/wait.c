/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for events and completions: look, and when there is nothing, poll the descriptor until the deadline.
 *
 * Nothing here blocks for longer than a slice, because a fabric that lives in this process may move only
 * when it is called.
 */
#include <poll.h>
#include <time.h>

#include "conformance.h"

#define SLICE_MS 10u

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

/* Until the descriptor is readable, a slice is over, or the deadline is there. fd -1: only the time. */
void wait_on(int fd, uint64_t until_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t now = now_ms();
	uint64_t left = until_ms > now ? until_ms - now : 0;

	poll(&p, 1, (int)(left < SLICE_MS ? left : SLICE_MS));
}

void await_readable(int fd)
{
	uint64_t until = now_ms() + DEADLINE_MS;

	while (!readable(fd)) {
		check(now_ms() < until, "a descriptor does not become readable");
		wait_on(fd, until);
	}
}

static void cm_copy(struct cm_seen *seen, const struct rdma_cm_event *event)
{
	const struct rdma_conn_param *conn = &event->param.conn;

	*seen = (struct cm_seen){
		.type = event->event,
		.status = event->status,
		.id = event->id,
		.listen_id = event->listen_id,
		.data_len = conn->private_data_len,
		.reads_in = conn->responder_resources,
		.reads_out = conn->initiator_depth,
		.retry_count = conn->retry_count,
		.rnr_retry = conn->rnr_retry_count,
		.qp_num = conn->qp_num,
	};
	if (conn->private_data)
		memcpy(seen->data, conn->private_data, conn->private_data_len);
}

/* Takes and acknowledges one event. */
bool cm_take(struct rdma_event_channel *events, struct cm_seen *seen, uint32_t within_ms)
{
	uint64_t until = now_ms() + within_ms;
	struct rdma_cm_event *event;

	for (;;) {
		if (!rdma_get_cm_event(events, &event)) {
			cm_copy(seen, event);
			must(rdma_ack_cm_event(event));
			return true;
		}
		check(errno == EAGAIN, "rdma_get_cm_event: %s", strerror(errno));
		if (now_ms() >= until)
			return false;
		wait_on(events->fd, until);
	}
}

struct cm_seen cm_want_within(struct rdma_event_channel *events, enum rdma_cm_event_type type,
			      uint32_t within_ms)
{
	struct cm_seen seen;

	if (!cm_take(events, &seen, within_ms))
		fail("no %s within %u ms", rdma_event_str(type), within_ms);
	check(seen.type == type, "%s (status %d) came, not %s", rdma_event_str(seen.type),
	      seen.status, rdma_event_str(type));
	return seen;
}

struct cm_seen cm_want(struct rdma_event_channel *events, enum rdma_cm_event_type type)
{
	return cm_want_within(events, type, DEADLINE_MS);
}

void cm_quiet(struct rdma_event_channel *events, uint32_t ms)
{
	struct cm_seen seen;

	if (cm_take(events, &seen, ms))
		fail("%s (status %d) came, where nothing should", rdma_event_str(seen.type),
		     seen.status);
}

static void channel_empty(struct ibv_comp_channel *channel)
{
	struct ibv_cq *cq;
	void *context;

	while (!ibv_get_cq_event(channel, &cq, &context))
		ibv_ack_cq_events(cq, 1);
}

bool wc_take(struct side *s, struct ibv_cq *cq, struct ibv_wc *wc, uint32_t within_ms)
{
	uint64_t until = now_ms() + within_ms;

	for (;;) {
		int n = ibv_poll_cq(cq, 1, wc);

		check(n >= 0, "ibv_poll_cq says %d", n);
		if (n)
			return true;
		channel_empty(s->channel);
		must(ibv_req_notify_cq(cq, 0));
		n = ibv_poll_cq(cq, 1, wc);
		if (n)
			return true;
		if (now_ms() >= until)
			return false;
		wait_on(s->channel->fd, until);
	}
}

struct ibv_wc wc_want(struct side *s, struct ibv_cq *cq, uint64_t wr_id, enum ibv_wc_status status)
{
	const char *queue = cq == s->recv_cq ? "receive" : "send";
	struct ibv_wc wc;

	check(wc_take(s, cq, &wc, DEADLINE_MS), "%s: %s %llu does not complete", s->name, queue,
	      (unsigned long long)wr_id);
	check(wc.wr_id == wr_id && wc.status == status,
	      "%s: %s %llu completed with '%s', not %llu with '%s'", s->name, queue,
	      (unsigned long long)wc.wr_id, ibv_wc_status_str(wc.status), (unsigned long long)wr_id,
	      ibv_wc_status_str(status));
	return wc;
}

struct ibv_wc sent(struct side *s, uint64_t wr_id, enum ibv_wc_status status)
{
	return wc_want(s, s->send_cq, wr_id, status);
}

struct ibv_wc received(struct side *s, uint64_t wr_id, enum ibv_wc_status status)
{
	return wc_want(s, s->recv_cq, wr_id, status);
}

static void cq_quiet(struct side *s, struct ibv_cq *cq, uint32_t ms)
{
	struct ibv_wc wc;

	if (wc_take(s, cq, &wc, ms))
		fail("%s: %llu completed with '%s', where nothing should", s->name,
		     (unsigned long long)wc.wr_id, ibv_wc_status_str(wc.status));
}

void wc_quiet(struct side *s, uint32_t ms)
{
	cq_quiet(s, s->send_cq, ms);
	cq_quiet(s, s->recv_cq, 0);
}

/* Takes and acknowledges one event of the device, without regard to whom it belongs. */
bool async_take(struct ibv_async_event *event, uint32_t within_ms)
{
	uint64_t until = now_ms() + within_ms;

	for (;;) {
		if (!ibv_get_async_event(device(), event)) {
			ibv_ack_async_event(event);
			return true;
		}
		if (now_ms() >= until)
			return false;
		wait_on(device()->async_fd, until);
	}
}

static const void *async_object(const struct ibv_async_event *event)
{
	switch (event->event_type) {
	case IBV_EVENT_CQ_ERR:
		return event->element.cq;
	case IBV_EVENT_SRQ_ERR:
	case IBV_EVENT_SRQ_LIMIT_REACHED:
		return event->element.srq;
	case IBV_EVENT_DEVICE_FATAL:
	case IBV_EVENT_PORT_ACTIVE:
	case IBV_EVENT_PORT_ERR:
	case IBV_EVENT_LID_CHANGE:
	case IBV_EVENT_PKEY_CHANGE:
	case IBV_EVENT_SM_CHANGE:
	case IBV_EVENT_CLIENT_REREGISTER:
	case IBV_EVENT_GID_CHANGE:
		return NULL;
	default:
		return event->element.qp;
	}
}

/* Events of other objects, which a test before may have left, are passed over. */
void async_want(enum ibv_event_type type, const void *object)
{
	uint64_t until = now_ms() + DEADLINE_MS;
	struct ibv_async_event event;

	do {
		if (!async_take(&event, DEADLINE_MS))
			break;
		if (async_object(&event) == object && event.event_type == type)
			return;
		note("passed over: %s", ibv_event_type_str(event.event_type));
	} while (now_ms() < until);
	fail("no event '%s'", ibv_event_type_str(type));
}

void async_quiet(const void *object, uint32_t ms)
{
	uint64_t until = now_ms() + ms;
	struct ibv_async_event event;

	do {
		if (async_take(&event, ms) && async_object(&event) == object)
			fail("event '%s', where nothing should be",
			     ibv_event_type_str(event.event_type));
	} while (now_ms() < until);
}

enum ibv_qp_state qp_state(struct side *s)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	must(ibv_query_qp(s->qp, &attr, IBV_QP_STATE, &init));
	return attr.qp_state;
}

void qp_state_want(struct side *s, enum ibv_qp_state want)
{
	uint64_t until = now_ms() + DEADLINE_MS;

	while (qp_state(s) != want) {
		if (now_ms() >= until)
			fail("%s: QP is in state %d, not %d", s->name, qp_state(s), want);
		wait_on(-1, until);
	}
}
