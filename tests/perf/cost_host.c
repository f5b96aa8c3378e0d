/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host of the programs here.
 */
#include "cost.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/wire.h"

#define RESPONSE_LEN   64u
#define RANGE_LEN      16u /* of Dataset Management */
#define DEALLOCATE     4u
#define MAX_QUEUES     10000u
#define BLOCKS_NO_DATA 8u /* for a command that has no data and goes to a range */

static struct rdma_event_channel *channel;
static cost_turn_fn take_turn;
static uint16_t cntlid;

void cost_fail(const char *fmt, ...)
{
	va_list args;

	fputs("wrasse-cost: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void must(int rc, const char *what)
{
	if (rc)
		cost_fail("%s: %s", what, strerror(errno));
}

void cost_host_open(cost_turn_fn turn)
{
	take_turn = turn;
	channel = rdma_create_event_channel();
	must(!channel, "rdma_create_event_channel");
	must(fcntl(channel->fd, F_SETFL, O_NONBLOCK), "fcntl");
}

void cost_host_turn(cost_turn_fn turn)
{
	take_turn = turn;
}

void cost_host_close(void)
{
	rdma_destroy_event_channel(channel);
}

/* ---- connections ---- */

static void await(enum rdma_cm_event_type want)
{
	struct rdma_cm_event *event;

	for (unsigned i = 0; rdma_get_cm_event(channel, &event); i++) {
		if (i == 100000)
			cost_fail("no %s came", rdma_event_str(want));
		take_turn();
	}
	if (event->event != want)
		cost_fail("%s came, not %s", rdma_event_str(event->event), rdma_event_str(want));
	rdma_ack_cm_event(event);
}

static uint8_t *capsule_of(const struct cost_queue *queue, uint32_t slot)
{
	return queue->memory + (size_t)slot * COST_CAPSULE;
}

static uint8_t *response_of(const struct cost_queue *queue, uint32_t slot)
{
	return queue->memory + (size_t)queue->depth * COST_CAPSULE + (size_t)slot * RESPONSE_LEN;
}

static uint8_t *data_of(const struct cost_queue *queue, uint32_t slot)
{
	return queue->memory + (size_t)queue->depth * (COST_CAPSULE + RESPONSE_LEN) +
	       (size_t)slot * queue->data_len;
}

static void post_receive(struct cost_queue *queue, uint32_t slot)
{
	struct ibv_sge sge = {.addr = (uintptr_t)response_of(queue, slot),
			      .length = RESPONSE_LEN,
			      .lkey = queue->mr->lkey};
	struct ibv_recv_wr wr = {.wr_id = slot, .sg_list = &sge, .num_sge = 1}, *bad;

	must(ibv_post_recv(queue->id->qp, &wr, &bad), "ibv_post_recv");
}

static void memory_make(struct cost_queue *queue)
{
	size_t len = (size_t)queue->depth * (COST_CAPSULE + RESPONSE_LEN + queue->data_len);
	int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE;

	queue->memory = calloc(1, len);
	queue->idle = calloc(queue->depth, sizeof(*queue->idle));
	if (!queue->memory || !queue->idle)
		cost_fail("no memory");
	queue->mr = ibv_reg_mr(queue->id->pd, queue->memory, len, access);
	must(!queue->mr, "ibv_reg_mr");
	for (uint32_t slot = 0; slot < queue->depth; slot++) {
		queue->idle[queue->idle_count++] = slot;
		post_receive(queue, slot);
	}
}

static void pair_make(struct cost_queue *queue)
{
	struct ibv_qp_init_attr attr = {.qp_type = IBV_QPT_RC,
					.cap = {.max_send_wr = queue->depth,
						.max_recv_wr = queue->depth,
						.max_send_sge = 1,
						.max_recv_sge = 1}};

	queue->cq = ibv_create_cq(queue->id->verbs, (int)(2 * queue->depth), NULL, NULL, 0);
	must(!queue->cq, "ibv_create_cq");
	attr.send_cq = attr.recv_cq = queue->cq;
	attr.sq_sig_all = 1;
	must(rdma_create_qp(queue->id, NULL, &attr), "rdma_create_qp");
	memory_make(queue);
}

static void pair_connect(struct cost_queue *queue)
{
	uint8_t request[REQ_LEN] = {0};
	struct rdma_conn_param param = {.private_data = request,
					.private_data_len = sizeof(request),
					.responder_resources = 16,
					.retry_count = 7,
					.rnr_retry_count = 7};

	wire_put16(request, REQ_QID, queue->qid);
	wire_put16(request, REQ_HRQSIZE, (uint16_t)queue->depth);
	wire_put16(request, REQ_HSQSIZE, (uint16_t)(queue->depth - 1));
	must(rdma_connect(queue->id, &param), "rdma_connect");
	await(RDMA_CM_EVENT_ESTABLISHED);
}

/* ---- commands ---- */

static uint32_t slot_take(struct cost_queue *queue)
{
	if (!queue->idle_count)
		cost_fail("no idle slot on queue %u", queue->qid);
	return queue->idle[--queue->idle_count];
}

static void put_sgl(const struct cost_queue *queue, uint32_t slot, uint8_t *sqe, bool in_capsule,
		    uint32_t len)
{
	if (in_capsule) {
		wire_put32(sqe, SQE_SGL + 8, len);
		sqe[SQE_SGL + 15] = SGL_DATA_OFFSET;
		return;
	}
	wire_put64(sqe, SQE_SGL, (uintptr_t)data_of(queue, slot));
	wire_put32(sqe, SQE_SGL + 8, len); /* 24 bits */
	wire_put32(sqe, SQE_SGL + 11, queue->mr->rkey);
	sqe[SQE_SGL + 15] = SGL_KEYED;
}

static void send_capsule(struct cost_queue *queue, uint32_t slot, uint32_t len)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)capsule_of(queue, slot), .length = len, .lkey = queue->mr->lkey};
	struct ibv_send_wr *bad, wr = {.wr_id = UINT64_MAX,
				       .sg_list = &sge,
				       .num_sge = 1,
				       .opcode = IBV_WR_SEND,
				       .send_flags = IBV_SEND_SIGNALED};

	wire_put16(capsule_of(queue, slot), SQE_CID, (uint16_t)slot);
	must(ibv_post_send(queue->id->qp, &wr, &bad), "ibv_post_send");
}

static uint8_t *command_begin(struct cost_queue *queue, uint32_t slot, uint8_t opcode)
{
	uint8_t *sqe = capsule_of(queue, slot);

	memset(sqe, 0, 64);
	sqe[SQE_OPC] = opcode;
	sqe[SQE_FLAGS] = SQE_PSDT_SGL;
	return sqe;
}

static void put_range(uint8_t *sqe, uint32_t slot, uint32_t blocks)
{
	wire_put64(sqe, SQE_CDW10, (uint64_t)slot * blocks);
	wire_put16(sqe, SQE_CDW12, (uint16_t)(blocks - 1));
}

static void put_discard(struct cost_queue *queue, uint32_t slot, uint8_t *sqe)
{
	uint8_t *range = data_of(queue, slot);

	wire_put32(range, 4, BLOCKS_NO_DATA);
	wire_put64(range, 8, (uint64_t)slot * BLOCKS_NO_DATA);
	put_sgl(queue, slot, sqe, false, RANGE_LEN);
	wire_put32(sqe, SQE_CDW11, DEALLOCATE);
}

void cost_submit(struct cost_queue *queue, const struct cost_io *io)
{
	uint32_t slot = slot_take(queue);
	uint8_t *sqe = command_begin(queue, slot, io->opcode);

	wire_put32(sqe, SQE_NSID, io->nsid ? io->nsid : 1);
	if (io->len) {
		put_sgl(queue, slot, sqe, io->in_capsule, io->len);
		put_range(sqe, slot, io->len / 512);
	} else if (io->opcode == OPC_WRITE_ZEROES) {
		put_range(sqe, slot, BLOCKS_NO_DATA);
	} else if (io->opcode == OPC_DATASET_MANAGEMENT) {
		put_discard(queue, slot, sqe);
	}
	send_capsule(queue, slot, 64 + (io->in_capsule ? io->len : 0));
}

static void take_answer(struct cost_queue *queue, uint32_t receive)
{
	struct wire_cqe cqe;

	memcpy(&cqe, response_of(queue, receive), sizeof(cqe));
	if (wire_status(&cqe))
		cost_fail("queue %u: status 0x%03x", queue->qid, wire_status(&cqe));
	queue->idle[queue->idle_count++] = wire_get16(cqe.b, CQE_CID);
	queue->answers++;
	post_receive(queue, receive);
}

uint32_t cost_collect(struct cost_queue *queue)
{
	struct ibv_wc wc;
	uint32_t count = 0;

	while (ibv_poll_cq(queue->cq, 1, &wc) == 1) {
		if (wc.status != IBV_WC_SUCCESS)
			cost_fail("queue %u: %s", queue->qid, ibv_wc_status_str(wc.status));
		if (wc.wr_id == UINT64_MAX)
			continue;
		take_answer(queue, (uint32_t)wc.wr_id);
		count++;
	}
	return count;
}

/* The one command that is out; returns DW0. */
static uint32_t answer_of(struct cost_queue *queue, uint32_t slot)
{
	/* The slot's own receive need not be the one: they are taken in order. */
	for (unsigned i = 0; i < 100000; i++) {
		struct ibv_wc wc;

		take_turn();
		while (ibv_poll_cq(queue->cq, 1, &wc) == 1) {
			uint32_t dw0;

			if (wc.status != IBV_WC_SUCCESS)
				cost_fail("queue %u: %s", queue->qid, ibv_wc_status_str(wc.status));
			if (wc.wr_id == UINT64_MAX)
				continue;
			dw0 = wire_get32(response_of(queue, (uint32_t)wc.wr_id), CQE_DW0);
			take_answer(queue, (uint32_t)wc.wr_id);
			return dw0;
		}
	}
	cost_fail("queue %u: no answer to command %u", queue->qid, slot);
}

static void fabrics_connect(struct cost_queue *queue)
{
	uint32_t slot = slot_take(queue);
	uint8_t *sqe = command_begin(queue, slot, OPC_FABRICS);
	uint8_t *data = data_of(queue, slot);

	sqe[SQE_FCTYPE] = FCTYPE_CONNECT;
	wire_put16(sqe, CONNECT_QID, queue->qid);
	wire_put16(sqe, CONNECT_SQSIZE, (uint16_t)(queue->depth - 1));
	put_sgl(queue, slot, sqe, false, CONNECT_DATA_LEN);
	memset(data, 0, CONNECT_DATA_LEN);
	data[CONNECT_DATA_HOSTID] = 1;
	wire_put16(data, CONNECT_DATA_CNTLID, queue->qid ? cntlid : 0xffff);
	strcpy((char *)data + CONNECT_DATA_SUBNQN, "nqn.2026-11.io.wrasse:cost");
	strcpy((char *)data + CONNECT_DATA_HOSTNQN, "nqn.2026-11.io.wrasse:cost-host");
	send_capsule(queue, slot, 64);
	if (queue->qid)
		answer_of(queue, slot);
	else
		cntlid = (uint16_t)answer_of(queue, slot);
}

static uint32_t property(struct cost_queue *queue, uint8_t fctype, uint32_t offset, uint32_t value)
{
	uint32_t slot = slot_take(queue);
	uint8_t *sqe = command_begin(queue, slot, OPC_FABRICS);

	sqe[SQE_FCTYPE] = fctype;
	wire_put32(sqe, SQE_CDW11, offset);
	wire_put32(sqe, SQE_CDW12, value);
	send_capsule(queue, slot, 64);
	return answer_of(queue, slot);
}

/* ---- queues ---- */

struct cost_queue *cost_queue_prepare(uint16_t qid, uint32_t depth, uint32_t data_len)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(4420),
				 .sin_addr.s_addr = htonl(0x0a420001)};
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a420009)};
	struct cost_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		cost_fail("no memory");
	queue->qid = qid;
	queue->depth = depth;
	queue->data_len = data_len < 4096 ? 4096 : data_len;
	must(rdma_create_id(channel, &queue->id, queue, RDMA_PS_TCP), "rdma_create_id");
	must(rdma_resolve_addr(queue->id, (struct sockaddr *)&from, (struct sockaddr *)&to, 1000),
	     "rdma_resolve_addr");
	await(RDMA_CM_EVENT_ADDR_RESOLVED);
	must(rdma_resolve_route(queue->id, 1000), "rdma_resolve_route");
	await(RDMA_CM_EVENT_ROUTE_RESOLVED);
	pair_make(queue);
	return queue;
}

void cost_queue_connect(struct cost_queue *queue)
{
	pair_connect(queue);
	fabrics_connect(queue);
	if (queue->qid != 0)
		return;
	property(queue, FCTYPE_PROP_SET, PROP_CC, CC_ENABLE);
	if (!(property(queue, FCTYPE_PROP_GET, PROP_CSTS, 0) & CSTS_RDY))
		cost_fail("the controller is not ready");
}

struct cost_queue *cost_queue_open(uint16_t qid, uint32_t depth, uint32_t data_len)
{
	struct cost_queue *queue = cost_queue_prepare(qid, depth, data_len);

	cost_queue_connect(queue);
	return queue;
}

void cost_queue_disconnect(struct cost_queue *queue)
{
	rdma_disconnect(queue->id);
}

void cost_queue_free(struct cost_queue *queue)
{
	rdma_destroy_qp(queue->id);
	ibv_dereg_mr(queue->mr);
	ibv_destroy_cq(queue->cq);
	rdma_destroy_id(queue->id);
	free(queue->memory);
	free(queue->idle);
	free(queue);
}

void cost_host_forget_events(void)
{
	struct rdma_cm_event *event;

	while (!rdma_get_cm_event(channel, &event))
		rdma_ack_cm_event(event);
}

/* ---- all of them ---- */

static struct cost_queue *all[MAX_QUEUES];
static uint32_t all_count, io_count;

static struct cost_queue *queue_add(uint16_t qid, uint32_t depth, uint32_t data_len)
{
	if (all_count == MAX_QUEUES)
		cost_fail("more than %u queues", MAX_QUEUES);
	all[all_count] = cost_queue_open(qid, depth, data_len);
	return all[all_count++];
}

struct cost_queue *cost_queues_add(uint32_t depth, uint32_t data_len)
{
	uint32_t qid = io_count++ % COST_QUEUES_OF_CTRL + 1;

	if (qid == 1)
		queue_add(0, 32, 4096);
	return queue_add((uint16_t)qid, depth, data_len);
}

void cost_queues_close(void)
{
	for (uint32_t i = all_count; i-- > 0;)
		cost_queue_disconnect(all[i]);
	for (unsigned i = 0; i < 100; i++)
		take_turn();
	cost_host_forget_events();
	while (all_count)
		cost_queue_free(all[--all_count]);
}

uint32_t cost_number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value > UINT32_MAX)
		cost_fail("'%s' is no number", text);
	return (uint32_t)value;
}
