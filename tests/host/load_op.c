/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One operation of a load: what it sends, what it makes of the answer, what it sends next.
 *
 * A verifying operation owns a few regions of the namespace, which nobody else touches: it writes one with a
 * pattern of LBA and round, reads it back, compares, and goes on to the next. An answer is followed at once
 * by the next command, so a queue is never empty.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "load.h"

#define GAP   64
#define SHOWN 5

/* A histogram with 16 steps to each power of two. */
int load_bucket(uint64_t ns)
{
	int log = 63 - __builtin_clzll(ns | 16);

	return log * 16 + (int)(ns >> (log - 4) & 15);
}

uint64_t load_bucket_ns(int bucket)
{
	return (uint64_t)(16 + bucket % 16) << (bucket / 16 - 4);
}

/* How many blocks of the namespace one connection works on. */
uint64_t load_lbas(const struct load *l, uint32_t lba_size)
{
	return (uint64_t)l->job.queues * l->job.depth * LOAD_REGIONS * (l->job.size / lba_size);
}

static uint64_t op_lba(const struct load_op *op)
{
	const struct load_queue *lq = op->lq;
	const struct load_job *job = &lq->load->job;
	uint64_t n = lq->index * job->depth + op->index;

	return lq->conn->first_lba + (n * LOAD_REGIONS + op->round % LOAD_REGIONS) *
					     (job->size / lq->conn->ctrl.lba_size);
}

static void op_sgl(struct load_op *op, struct host_cmd *cmd)
{
	const struct load_job *job = &op->lq->load->job;
	struct host_queue *q = op->lq->q;
	const struct host_piece *last = &op->pieces[op->piece_count - 1];

	if (job->inline_data && !op->reading) {
		host_sgl_inline(cmd, op->lq->scratch, job->size);
		return;
	}
	if (op->piece_count == 1) {
		if (job->invalidate)
			host_sgl_invalidate(cmd, q, last->off, job->size);
		else
			host_sgl_keyed(cmd, q, last->off, job->size);
		return;
	}
	host_sgl_list(cmd, q, op->pieces, op->piece_count, op->descs);
	if (job->invalidate) {
		uint32_t at = 16 * (op->piece_count - 1);

		op->descs[at + 15] = SGL_KEYED_INV;
		cmd->window_mr = q->data_mr;
		cmd->window_addr = (uintptr_t)(q->data + last->off);
		cmd->window_len = last->len;
		cmd->key_off = 64 + at + 11;
	}
}

static int op_send(struct load_op *op)
{
	struct load_queue *lq = op->lq;
	const struct load_job *job = &lq->load->job;
	const struct host_ctrl *c = &lq->conn->ctrl;
	struct host_cmd cmd;
	struct host_slot *slot;
	uint64_t lba = op_lba(op);
	int err;

	host_cmd_rw(&cmd, op->reading ? OPC_READ : OPC_WRITE, c->nsid, lba,
		    job->size / c->lba_size);
	if (!op->reading) {
		host_pattern(lq->scratch, job->size, lba, op->round);
		if (!job->inline_data)
			host_scatter(lq->q, op->pieces, op->piece_count, lq->scratch);
	}
	op_sgl(op, &cmd);
	slot = host_take(lq->q);
	if (!slot)
		return -EBUSY;
	slot->user = op;
	err = host_send(lq->q, slot, &cmd);
	op->key = cmd.window_mr ? slot->window.rkey : 0;
	if (err)
		host_give(lq->q, slot);
	return err;
}

/* With a target that is on its way down these are no fault of anybody. */
static bool is_abort(uint16_t status)
{
	return status == ST_ABORTED || status == ST_SQ_DELETED || status == ST_INTERRUPTED ||
	       status == ST_TRANSIENT || status >> 8 == 3;
}

static void op_verify(struct load_op *op)
{
	struct load_queue *lq = op->lq;
	struct load_counts *counts = &lq->load->counts;
	uint32_t size = lq->load->job.size;
	int64_t bad;

	host_gather(lq->q, op->pieces, op->piece_count, lq->scratch);
	bad = host_pattern_check(lq->scratch, size, op_lba(op), op->round);
	if (bad < 0) {
		counts->verified++;
		return;
	}
	if (counts->wrong++ < SHOWN)
		fprintf(stderr, "%s queue %u: WRONG DATA at LBA %llu, byte %lld, round %u\n",
			lq->conn->ctrl.to.nqn, lq->q->params.qid, (unsigned long long)op_lba(op),
			(long long)bad, op->round);
}

/* Chooses what comes after a command that succeeded. */
static void op_next(struct load_op *op)
{
	switch (op->lq->load->job.mode) {
	case LOAD_READ:
	case LOAD_WRITE:
		op->round++;
		op->reading = op->lq->load->job.mode == LOAD_READ;
		break;
	case LOAD_MIX:
		op->round++;
		op->reading = !op->reading;
		break;
	case LOAD_VERIFY:
		if (op->reading) {
			op_verify(op);
			op->round++;
		} else {
			for (uint32_t i = 0; i < op->piece_count; i++)
				memset(op->lq->q->data + op->pieces[i].off, 0xa5,
				       op->pieces[i].len);
		}
		op->reading = !op->reading;
		break;
	}
}

static void op_failed(struct load_op *op, uint16_t status)
{
	struct load_queue *lq = op->lq;
	struct load_counts *counts = &lq->load->counts;

	if (lq->load->job.expect_disconnect && is_abort(status)) {
		counts->aborted++;
	} else if (counts->errors++ < SHOWN) {
		fprintf(stderr, "%s queue %u: %s at LBA %llu: status 0x%03x\n",
			lq->conn->ctrl.to.nqn, lq->q->params.qid, op->reading ? "read" : "write",
			(unsigned long long)op_lba(op), status);
	}
	/* What the region holds is not known any more. */
	if (lq->load->job.mode == LOAD_VERIFY) {
		op->reading = false;
		op->round++;
	}
}

static void op_response(struct host_queue *q, struct host_slot *slot, void *arg)
{
	struct load_queue *lq = arg;
	struct load_op *op = slot->user;
	struct load *l = lq->load;
	uint16_t status = wire_status(&slot->cqe);

	l->counts.latency[load_bucket(host_now_ns() - slot->started_ns)]++;
	if (op->key && slot->invalidated != op->key)
		l->counts.not_invalidated++;
	host_give(q, slot);
	if (status) {
		op_failed(op, status);
	} else {
		l->counts.ios++;
		op_next(op);
	}
	if (!l->stopping && q->state == HOST_CONNECTED)
		op_send(op);
}

/* Fills the queue. -errno when it could not. */
int load_queue_start(struct load_queue *lq)
{
	const struct load_job *job = &lq->load->job;
	uint32_t stride = job->size + GAP * job->descs;
	int err = 0;

	lq->ops = calloc(job->depth, sizeof(*lq->ops));
	lq->scratch = malloc(job->size);
	if (!lq->ops || !lq->scratch)
		return -ENOMEM;
	lq->q->on_response = op_response;
	lq->q->arg = lq;
	host_cork(lq->q);
	for (uint32_t i = 0; !err && i < job->depth; i++) {
		struct load_op *op = &lq->ops[i];

		op->lq = lq;
		op->index = i;
		op->piece_count = job->descs;
		op->reading = job->mode == LOAD_READ || (job->mode == LOAD_MIX && i & 1);
		host_split(op->pieces, job->descs, i * stride, job->size, GAP);
		err = op_send(op);
	}
	return host_uncork(lq->q) ? -ENOTCONN : err;
}

void load_queue_stop(struct load_queue *lq)
{
	free(lq->ops);
	free(lq->scratch);
	lq->ops = NULL;
	lq->scratch = NULL;
}
