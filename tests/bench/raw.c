/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The target of raw.h. The program ends with a message by anything that it did not expect.
 */
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define AREA_LEN       (1u << 20)
#define MAX_DEPTH      128u
#define CQ_DEPTH       16384
#define BATCH          64
#define UNSIGNALED_MAX 16 /* WRs of a queue that ask for no completion, in a row */
#define SGL_LEN        8
#define SGL_KEY        11
#define SGL_ID         15

static const struct raw_ns *ns;
static struct rdma_event_channel *events;
static struct ibv_comp_channel *channel;
static struct ibv_pd *pd;
static struct ibv_cq *cq;
static struct ibv_mr *area;
static struct raw_queue *dirty;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "wrasse-raw: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *pages(size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

/* ---- a round's posts ---- */

static void queue_touch(struct raw_queue *queue)
{
	if (queue->dirty)
		return;
	queue->dirty = true;
	queue->dirty_next = dirty;
	dirty = queue;
}

static void send_add(struct raw_queue *queue, struct ibv_send_wr *wr)
{
	wr->next = NULL;
	*queue->link = wr;
	queue->link = &wr->next;
	queue_touch(queue);
}

static void recv_add(struct raw_slot *slot)
{
	struct raw_queue *queue = slot->queue;

	slot->recv.next = NULL;
	*queue->recv_link = &slot->recv;
	queue->recv_link = &slot->recv.next;
	queue_touch(queue);
}

static void queue_post(struct raw_queue *queue)
{
	struct ibv_send_wr *bad_send, *last = queue->first;
	struct ibv_recv_wr *bad_recv;

	queue->dirty = false;
	if (!queue->id)
		return;
	if (queue->recv_first && ibv_post_recv(queue->id->qp, queue->recv_first, &bad_recv))
		die("ibv_post_recv");
	queue->recv_first = NULL;
	queue->recv_link = &queue->recv_first;
	if (!last)
		return;
	for (queue->unsignaled++; last->next; last = last->next)
		queue->unsignaled++;
	/* Nothing is given back: a completion only tells that there is room for more. */
	if (queue->unsignaled > UNSIGNALED_MAX) {
		last->send_flags |= IBV_SEND_SIGNALED;
		queue->unsignaled = 0;
	}
	if (ibv_post_send(queue->id->qp, queue->first, &bad_send))
		die("ibv_post_send");
	queue->first = NULL;
	queue->link = &queue->first;
}

static void post_all(void)
{
	while (dirty) {
		struct raw_queue *queue = dirty;

		dirty = queue->dirty_next;
		queue_post(queue);
	}
}

/* ---- commands ---- */

static void respond(struct raw_slot *slot)
{
	struct raw_queue *queue = slot->queue;
	const uint8_t *sgl = slot->capsule + SQE_SGL;

	wire_put16(slot->cqe, CQE_SQHD, queue->sqhd);
	memcpy(slot->cqe + CQE_CID, slot->capsule + SQE_CID, 2);
	slot->send.send_flags = IBV_SEND_INLINE;
	slot->send.opcode = IBV_WR_SEND;
	if (sgl[SGL_ID] == SGL_KEYED_INV) {
		slot->send.opcode = IBV_WR_SEND_WITH_INV;
		slot->send.invalidate_rkey = wire_get32(sgl, SGL_KEY);
	}
	send_add(queue, &slot->send);
	recv_add(slot);
}

/* Moves @len bytes between @at and what the command's descriptor names. */
static void move(struct raw_slot *slot, enum ibv_wr_opcode opcode, void *at, uint32_t lkey,
		 uint32_t len)
{
	const uint8_t *sgl = slot->capsule + SQE_SGL;

	slot->data_sge = (struct ibv_sge){(uintptr_t)at, len, lkey};
	slot->data.opcode = opcode;
	slot->data.send_flags = opcode == IBV_WR_RDMA_READ ? IBV_SEND_SIGNALED : 0;
	slot->data.wr.rdma.remote_addr = wire_get64(sgl, 0);
	slot->data.wr.rdma.rkey = wire_get32(sgl, SGL_KEY);
	send_add(slot->queue, &slot->data);
}

static uint32_t keyed_len(const struct raw_slot *slot)
{
	return wire_get32(slot->capsule + SQE_SGL, SGL_LEN) & 0xffffff;
}

static void io(struct raw_slot *slot)
{
	uint8_t opcode = slot->capsule[SQE_OPC];
	bool in_capsule = slot->capsule[SQE_SGL + SGL_ID] == SGL_DATA_OFFSET;

	if (opcode == OPC_WRITE && !in_capsule) {
		move(slot, IBV_WR_RDMA_READ, area->addr, area->lkey, keyed_len(slot));
		return;
	}
	if (opcode == OPC_READ)
		move(slot, IBV_WR_RDMA_WRITE, area->addr, area->lkey, keyed_len(slot));
	respond(slot);
}

static void command(struct raw_slot *slot)
{
	struct raw_queue *queue = slot->queue;
	uint8_t opcode = slot->capsule[SQE_OPC];
	uint32_t room;
	int len;

	queue->sqhd = queue->sqhd + 1u == queue->depth ? 0 : queue->sqhd + 1;
	if (queue->qid && opcode != OPC_FABRICS) {
		io(slot);
		return;
	}
	len = raw_admin(slot, ns);
	if (len == RAW_HELD)
		return;
	room = keyed_len(slot);
	if (len > 0 && room)
		move(slot, IBV_WR_RDMA_WRITE, slot->page, queue->mr->lkey,
		     room < (uint32_t)len ? room : (uint32_t)len);
	respond(slot);
}

int raw_poll(void)
{
	struct ibv_wc wc[BATCH];
	int count = cq ? ibv_poll_cq(cq, BATCH, wc) : 0;

	if (count < 0)
		die("ibv_poll_cq");
	for (int i = 0; i < count; i++) {
		struct raw_slot *slot = (struct raw_slot *)(uintptr_t)wc[i].wr_id;

		if (wc[i].status != IBV_WC_SUCCESS || !slot->queue->id)
			continue;
		if (wc[i].opcode == IBV_WC_RECV)
			command(slot);
		else if (wc[i].opcode == IBV_WC_RDMA_READ)
			respond(slot);
	}
	post_all();
	return count;
}

/* ---- connections ---- */

static void slot_init(struct raw_queue *queue, struct raw_slot *slot)
{
	uint32_t lkey = queue->mr->lkey;

	slot->queue = queue;
	slot->recv.wr_id = slot->send.wr_id = slot->data.wr_id = (uintptr_t)slot;
	slot->recv_sge = (struct ibv_sge){(uintptr_t)slot->capsule, RAW_CAPSULE_LEN, lkey};
	slot->recv.sg_list = &slot->recv_sge;
	slot->recv.num_sge = 1;
	slot->send_sge = (struct ibv_sge){(uintptr_t)slot->cqe, sizeof(slot->cqe), lkey};
	slot->send.sg_list = &slot->send_sge;
	slot->send.num_sge = 1;
	slot->data.sg_list = &slot->data_sge;
	slot->data.num_sge = 1;
	recv_add(slot);
}

static void device_open(struct ibv_context *verbs)
{
	int flags;

	pd = ibv_alloc_pd(verbs);
	channel = pd ? ibv_create_comp_channel(verbs) : NULL;
	cq = channel ? ibv_create_cq(verbs, CQ_DEPTH, NULL, channel, 0) : NULL;
	area = cq ? ibv_reg_mr(pd, pages(AREA_LEN), AREA_LEN, IBV_ACCESS_LOCAL_WRITE) : NULL;
	if (!area)
		die("cannot use the device");
	flags = fcntl(channel->fd, F_GETFL);
	fcntl(channel->fd, F_SETFL, flags | O_NONBLOCK);
}

static void queue_accept(struct raw_queue *queue, const struct rdma_conn_param *asked)
{
	uint8_t reply[32] = {0};
	struct ibv_device_attr attr;
	struct rdma_conn_param param = {
		.private_data = reply,
		.private_data_len = sizeof(reply),
		.rnr_retry_count = 7,
	};

	if (ibv_query_device(queue->id->verbs, &attr))
		die("ibv_query_device");
	param.initiator_depth = asked->initiator_depth < attr.max_qp_init_rd_atom ?
					asked->initiator_depth :
					(uint8_t)attr.max_qp_init_rd_atom;
	wire_put16(reply, 2, (uint16_t)queue->depth);
	if (rdma_accept(queue->id, &param))
		die("rdma_accept");
}

static void connection_comes(struct rdma_cm_id *id, const struct rdma_conn_param *asked)
{
	struct raw_queue *queue = calloc(1, sizeof(*queue));
	struct ibv_qp_init_attr init = {.qp_type = IBV_QPT_RC};
	size_t len;

	if (!cq)
		device_open(id->verbs);
	if (!queue)
		die("no memory");
	queue->id = id;
	id->context = queue;
	queue->link = &queue->first;
	queue->recv_link = &queue->recv_first;
	queue->qid = wire_get16(asked->private_data, REQ_QID);
	queue->depth = wire_get16(asked->private_data, REQ_HSQSIZE) + 1u;
	if (queue->depth > MAX_DEPTH)
		queue->depth = MAX_DEPTH;
	init.send_cq = init.recv_cq = cq;
	init.cap = (struct ibv_qp_cap){8 * queue->depth + UNSIGNALED_MAX, queue->depth, 1, 1, 16};
	len = queue->depth * sizeof(struct raw_slot);
	queue->slots = pages(len);
	queue->mr = ibv_reg_mr(pd, queue->slots, len, IBV_ACCESS_LOCAL_WRITE);
	if (!queue->mr || rdma_create_qp(id, pd, &init))
		die("cannot make a queue pair");
	for (uint32_t i = 0; i < queue->depth; i++)
		slot_init(queue, &queue->slots[i]);
	post_all();
	queue_accept(queue, asked);
}

/* Its completions may still come, so its memory stays. */
static void connection_goes(struct rdma_cm_id *id)
{
	struct raw_queue *queue = id->context;

	rdma_disconnect(id);
	queue->id = NULL;
	rdma_destroy_qp(id);
}

void raw_cm_events(void)
{
	struct rdma_cm_event *event;

	while (!rdma_get_cm_event(events, &event)) {
		struct rdma_cm_id *id = event->id, *gone = NULL;
		struct raw_queue *queue = id->context;

		if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST) {
			connection_comes(id, &event->param.conn);
		} else if (queue && queue->id && event->event != RDMA_CM_EVENT_ESTABLISHED) {
			connection_goes(id);
			gone = id;
		}
		rdma_ack_cm_event(event);
		if (gone)
			rdma_destroy_id(gone);
	}
}

/* ---- its caller's ---- */

void raw_listen(const struct sockaddr_in *address, const struct raw_ns *serve)
{
	struct rdma_cm_id *listener;

	ns = serve;
	events = rdma_create_event_channel();
	if (!events || rdma_create_id(events, &listener, NULL, RDMA_PS_TCP) ||
	    rdma_bind_addr(listener, (struct sockaddr *)(uintptr_t)address) ||
	    rdma_listen(listener, 64))
		die("cannot listen");
	fcntl(events->fd, F_SETFL, fcntl(events->fd, F_GETFL) | O_NONBLOCK);
}

void raw_sleep(void)
{
	struct pollfd fds[] = {{.fd = events->fd, .events = POLLIN},
			       {.fd = channel ? channel->fd : -1, .events = POLLIN}};
	struct ibv_cq *from;
	void *ctx;

	if (cq && ibv_req_notify_cq(cq, 0))
		die("ibv_req_notify_cq");
	if (raw_poll() == 0)
		poll(fds, 2, -1);
	if (channel && fds[1].revents && !ibv_get_cq_event(channel, &from, &ctx))
		ibv_ack_cq_events(from, 1);
	if (fds[0].revents)
		raw_cm_events();
}
