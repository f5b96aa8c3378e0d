/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections: from an address to a queue pair that the target accepted, or to the reason why not, and back.
 *
 * Each queue has its own CM event channel and its own completion channel, so nothing that happens to one can
 * hold up another. The protection domain is librdmacm's, shared by all queues of a device.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host.h"

void host_params_init(struct host_params *p, const struct host_target *to, uint16_t qid,
		      uint16_t depth)
{
	*p = (struct host_params){
		.to = to,
		.qid = qid,
		.hrqsize = depth,
		.hsqsize = depth - 1,
		.read_credits = 16,
		.retry_count = 7,
		.rnr_retry = 7,
		.slots = depth,
		.capsule_size = 64 + 8192,
		.data_len = 64 << 10,
	};
}

void host_lost(struct host_queue *q, const char *fmt, ...)
{
	va_list ap;

	if (q->state == HOST_LOST)
		return;
	q->state = HOST_LOST;
	va_start(ap, fmt);
	vsnprintf(q->why, sizeof(q->why), fmt, ap);
	va_end(ap);
}

static int failed(struct host_queue *q, const char *what, int err)
{
	q->state = HOST_FAILED;
	snprintf(q->why, sizeof(q->why), "%s: %s", what, strerror(err));
	return -err;
}

static void event_keep(struct host_queue *q, const struct rdma_cm_event *event)
{
	const struct rdma_conn_param *conn = &event->param.conn;
	size_t len = conn->private_data_len;

	switch (event->event) {
	case RDMA_CM_EVENT_REJECTED:
		q->state = HOST_REJECTED;
		q->reject_reason = event->status;
		if (conn->private_data && len >= 4)
			q->reject_sts = wire_get16(conn->private_data, REJ_STS);
		snprintf(q->why, sizeof(q->why), "rejected: reason %d, sts %u", event->status,
			 q->reject_sts);
		break;
	case RDMA_CM_EVENT_CONNECT_RESPONSE:
	case RDMA_CM_EVENT_ESTABLISHED:
		q->state = HOST_CONNECTED;
		q->accept_len = len < sizeof(q->accept_data) ? len : sizeof(q->accept_data);
		if (conn->private_data)
			memcpy(q->accept_data, conn->private_data, q->accept_len);
		break;
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		break;
	default:
		if (q->state == HOST_CONNECTED)
			host_lost(q, "%s", rdma_event_str(event->event));
		else if (q->state == HOST_IDLE)
			failed(q, rdma_event_str(event->event),
			       event->status ? abs(event->status) : EPROTO);
		break;
	}
}

/* Takes what has happened to the connection, without waiting. */
void host_events_poll(struct host_queue *q)
{
	struct rdma_cm_event *event;

	while (rdma_get_cm_event(q->events, &event) == 0) {
		bool gone = event->event == RDMA_CM_EVENT_DISCONNECTED;

		event_keep(q, event);
		rdma_ack_cm_event(event);
		/* Answers the peer, and moves our queue pair to the error state. */
		if (gone)
			rdma_disconnect(q->id);
	}
}

static int event_await(struct host_queue *q, enum rdma_cm_event_type want)
{
	uint64_t deadline = host_deadline(q);

	for (;;) {
		struct pollfd fd = {.fd = q->events->fd, .events = POLLIN};
		struct rdma_cm_event *event;
		enum rdma_cm_event_type type;
		uint64_t now = host_now_ns();

		if (rdma_get_cm_event(q->events, &event) == 0) {
			type = event->event;
			event_keep(q, event);
			rdma_ack_cm_event(event);
			if (type == want)
				return 0;
			if (q->state == HOST_REJECTED)
				return -ECONNREFUSED;
			if (q->state == HOST_FAILED || q->state == HOST_LOST)
				return -ENOTCONN;
			continue;
		}
		if (now >= deadline)
			return failed(q, rdma_event_str(want), ETIMEDOUT);
		poll(&fd, 1, (int)((deadline - now) / 1000000u) + 1);
	}
}

static int address_of(const char *addr, const char *port, struct addrinfo **ai)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};

	return getaddrinfo(addr, port, &hints, ai) ? -EINVAL : 0;
}

static int resolve(struct host_queue *q)
{
	const struct host_target *to = q->params.to;
	struct addrinfo *dst = NULL;
	struct addrinfo *src = NULL;
	int err = -EINVAL;

	if (address_of(to->addr, to->port, &dst) ||
	    (to->source && address_of(to->source, NULL, &src)))
		failed(q, "address", EINVAL);
	else if (rdma_resolve_addr(q->id, src ? src->ai_addr : NULL, dst->ai_addr,
				   (int)to->timeout_ms))
		err = failed(q, "rdma_resolve_addr", errno);
	else
		err = event_await(q, RDMA_CM_EVENT_ADDR_RESOLVED);
	if (dst)
		freeaddrinfo(dst);
	if (src)
		freeaddrinfo(src);
	if (err)
		return err;
	if (rdma_resolve_route(q->id, (int)to->timeout_ms))
		return failed(q, "rdma_resolve_route", errno);
	return event_await(q, RDMA_CM_EVENT_ROUTE_RESOLVED);
}

static struct ibv_mr *memory_register(struct host_queue *q, uint8_t **mem, size_t len, int access)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ibv_mr *mr;

	if (map == MAP_FAILED)
		return NULL;
	mr = ibv_reg_mr(q->id->pd, map, len, access);
	if (!mr) {
		munmap(map, len);
		return NULL;
	}
	*mem = map;
	return mr;
}

static int memory_create(struct host_queue *q)
{
	const struct host_params *p = &q->params;
	const int data_access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
				IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_MW_BIND;

	q->slots = calloc(p->slots, sizeof(*q->slots));
	if (!q->slots)
		return failed(q, "slots", ENOMEM);
	q->capsule_mr = memory_register(q, &q->capsules, (size_t)p->slots * p->capsule_size,
					IBV_ACCESS_LOCAL_WRITE);
	q->response_mr = memory_register(q, &q->responses, (size_t)p->slots * RESPONSE_SIZE,
					 IBV_ACCESS_LOCAL_WRITE);
	q->data_mr = memory_register(q, &q->data, p->data_len, data_access);
	if (!q->capsule_mr || !q->response_mr || !q->data_mr)
		return failed(q, "memory registration", ENOMEM);
	return 0;
}

static int pair_create(struct host_queue *q)
{
	uint32_t slots = q->params.slots;
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = 3 * slots + 4,
			.max_recv_wr = slots + 4,
			.max_send_sge = 1,
			.max_recv_sge = 1,
			.max_inline_data = 0},
	};

	q->channel = ibv_create_comp_channel(q->id->verbs);
	if (!q->channel)
		return failed(q, "ibv_create_comp_channel", errno);
	fcntl(q->channel->fd, F_SETFL, fcntl(q->channel->fd, F_GETFL) | O_NONBLOCK);
	q->cq = ibv_create_cq(q->id->verbs, (int)(4 * slots + 16), q, q->channel, 0);
	if (!q->cq)
		return failed(q, "ibv_create_cq", errno);
	attr.send_cq = q->cq;
	attr.recv_cq = q->cq;
	if (q->params.half_open) {
		q->half_open_qp = ibv_create_qp(q->id->pd, &attr);
		return q->half_open_qp ? 0 : failed(q, "ibv_create_qp", errno);
	}
	if (rdma_create_qp(q->id, q->id->pd, &attr))
		return failed(q, "rdma_create_qp", errno);
	return host_recvs_post(q) ? failed(q, "ibv_post_recv", errno) : 0;
}

static int pair_connect(struct host_queue *q)
{
	const struct host_params *p = &q->params;
	uint8_t req[REQ_LEN] = {0};
	struct rdma_conn_param conn = {
		.private_data = req,
		.private_data_len = sizeof(req),
		.responder_resources = p->read_credits,
		.initiator_depth = 0,
		.flow_control = 1,
		.retry_count = p->retry_count,
		.rnr_retry_count = p->rnr_retry,
		.qp_num = q->half_open_qp ? q->half_open_qp->qp_num : 0,
	};

	wire_put16(req, REQ_RECFMT, p->recfmt);
	wire_put16(req, REQ_QID, p->qid);
	wire_put16(req, REQ_HRQSIZE, p->hrqsize);
	wire_put16(req, REQ_HSQSIZE, p->hsqsize);
	wire_put16(req, REQ_CNTLID, p->cntlid);
	if (p->private_data) {
		conn.private_data = p->private_len ? p->private_data : NULL;
		conn.private_data_len = p->private_len;
	}
	if (rdma_connect(q->id, &conn))
		return failed(q, "rdma_connect", errno);
	return event_await(q, p->half_open ? RDMA_CM_EVENT_CONNECT_RESPONSE :
					     RDMA_CM_EVENT_ESTABLISHED);
}

/*
 * Connects. *q is there whatever the result (NULL only without memory), with the reason in its state, why,
 * reject_reason and reject_sts; close it in any case. -ECONNREFUSED: the target said no.
 */
int host_queue_open(struct host_queue **out, const struct host_params *p)
{
	struct host_queue *q = calloc(1, sizeof(*q));
	int err;

	*out = q;
	if (!q)
		return -ENOMEM;
	q->params = *p;
	if (!p->slots || p->slots > HOST_MAX_SLOTS)
		return failed(q, "slots", EINVAL);
	q->events = rdma_create_event_channel();
	if (!q->events)
		return failed(q, "rdma_create_event_channel", errno);
	fcntl(q->events->fd, F_SETFL, fcntl(q->events->fd, F_GETFL) | O_NONBLOCK);
	if (rdma_create_id(q->events, &q->id, q, RDMA_PS_TCP))
		return failed(q, "rdma_create_id", errno);
	err = resolve(q);
	if (!err)
		err = memory_create(q);
	if (!err)
		err = pair_create(q);
	return err ? err : pair_connect(q);
}

static void memory_destroy(struct ibv_mr *mr, uint8_t *mem)
{
	if (!mr)
		return;
	size_t len = mr->length;

	ibv_dereg_mr(mr);
	munmap(mem, len);
}

/* Disconnects and frees. NULL is legal. */
void host_queue_close(struct host_queue *q)
{
	if (!q)
		return;
	if (q->state == HOST_CONNECTED && !q->half_open_qp)
		rdma_disconnect(q->id);
	if (q->id && q->id->qp)
		rdma_destroy_qp(q->id);
	if (q->half_open_qp)
		ibv_destroy_qp(q->half_open_qp);
	for (uint32_t i = 0; q->slots && i < q->params.slots; i++) {
		if (q->slots[i].window.mw)
			ibv_dealloc_mw(q->slots[i].window.mw);
	}
	if (q->cq)
		ibv_destroy_cq(q->cq);
	if (q->channel)
		ibv_destroy_comp_channel(q->channel);
	memory_destroy(q->capsule_mr, q->capsules);
	memory_destroy(q->response_mr, q->responses);
	memory_destroy(q->data_mr, q->data);
	if (q->id)
		rdma_destroy_id(q->id);
	if (q->events)
		rdma_destroy_event_channel(q->events);
	free(q->slots);
	free(q);
}

/* The two descriptors to sleep on after host_arm(). Returns 2. */
int host_fds(const struct host_queue *q, int fds[2])
{
	fds[0] = q->channel->fd;
	fds[1] = q->events->fd;
	return 2;
}
