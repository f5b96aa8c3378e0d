/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The straight way. All that could be in the way of a command is asked before anything is changed: its queue pair, its
 * group, its namespace, its range, its data, and what it takes. Then there is a request for it, which is EXECUTING at
 * once, and the backend gets the I/O. If that has completed it when submit() returns the answer is queued; else, and if
 * it failed, the request is made what it would be had it come through flow.c, and goes on there.
 */
#include "transport/straight.h"

#include "inline.h"
#include "nvme/straight.h"
#include "transport/flow.h"
#include "transport/group.h"
#include "transport/pause.h"
#include "transport/resources.h"
#include "transport/sendq.h"

/* Whose I/O this thread gives to a backend just now, until it is completed: then NULL. A backend may poll another group
 * in there. */
static __thread struct rdmat_request *submitting __attribute__((tls_model("initial-exec")));

ALWAYS_INLINE bool rdmat_straight_completed(struct rdmat_request *request,
					    struct wrasse_status status)
{
	if (submitting != request)
		return false;
	submitting = NULL;
	relaxed_store(&request->io_out, false);
	request->io_status = status;
	return true;
}

/* Return: whether the backend has completed it, here and now. */
static ALWAYS_INLINE bool submit(struct rdmat_request *request, const struct nvme_ns_port *port)
{
	struct rdmat_request *outer = submitting;
	bool completed;

	submitting = request;
	port->ns->ops.submit(&request->nvme.io);
	completed = submitting != request;
	submitting = outer;
	return completed;
}

/*
 * Whether nothing of the queue pair or its group is in the way. That a group has no chores says that nobody waits for requests,
 * buffers or WRs, that it does not drain, and that none of its queue pairs ends (of one that is not connected yet no namespace is
 * found). Where there is room in the send queue nobody waits for that: who does is looked for whenever there is some more.
 */
static ALWAYS_INLINE bool is_clear(const struct rdmat_qp *qp, uint32_t len, uint32_t wrs)
{
	return !qp->group->chores && !qp->half && len >= sizeof(struct nvme_cmd) &&
	       qp->outstanding < qp->nvme.conn.depth && qp->sq_free >= wrs && qp->class->free;
}

static ALWAYS_INLINE void count(struct wrasse_poll_group *group,
				const struct nvme_straight *straight)
{
	if (straight->opcode == NVME_OPC_READ) {
		rdmat_count(&group->stats.reads, 1);
		rdmat_count(&group->stats.read_bytes, straight->len);
	} else {
		rdmat_count(&group->stats.writes, 1);
		rdmat_count(&group->stats.write_bytes, straight->len);
	}
}

/* The backend has it, or has failed it. */
static ALWAYS_INLINE void stay(struct rdmat_request *request, struct rdmat_slot *slot,
			       struct nvme_ns_port *port, uint8_t opcode, bool in_capsule)
{
	nvme_straight_parsed(&request->nvme, (const struct nvme_cmd *)slot->capsule, port, opcode,
			     in_capsule, (uint32_t)request->nvme.io.length);
	nvme_straight_submitted(&request->nvme, port);
	if (in_capsule)
		rdmat_rx_taken(slot);
	else
		rdmat_rx_pass(slot);
	rdmat_request_stays(request, in_capsule ? slot : NULL);
}

static __attribute__((noinline)) void stay_read(struct rdmat_request *request,
						struct rdmat_slot *slot, struct nvme_ns_port *port)
{
	stay(request, slot, port, NVME_OPC_READ, false);
}

static __attribute__((noinline)) void stay_write(struct rdmat_request *request,
						 struct rdmat_slot *slot, struct nvme_ns_port *port)
{
	stay(request, slot, port, NVME_OPC_WRITE, true);
}

/* The request is taken, and has its memory. */
static ALWAYS_INLINE void go(struct rdmat_request *request, struct rdmat_qp *qp,
			     struct rdmat_slot *slot, const struct nvme_straight *straight,
			     uint32_t iov_count)
{
	void (*stays)(struct rdmat_request *, struct rdmat_slot *, struct nvme_ns_port *) =
		straight->in_capsule ? stay_write : stay_read;

	nvme_straight_take(&request->nvme, &qp->nvme, straight);
	nvme_straight_fill(&request->nvme, straight, request->iov, iov_count);
	rdmat_count(&qp->group->stats.capsules, 1);
	count(qp->group, straight);
	if (!submit(request, straight->port)) {
		stays(request, slot, straight->port);
	} else if (wrasse_status_is_ok(request->io_status)) {
		nvme_straight_done(straight);
		rdmat_sendq_answer(qp, request, !straight->in_capsule,
				   nvme_straight_invalidates(straight),
				   nvme_get32(straight->cmd->sgl.keyed.key));
		rdmat_rx_pass(slot);
	} else {
		stays(request, slot, straight->port);
		rdmat_flow_io_done(request);
	}
}

/* A Read that a small buffer is for, and no question to a backend. Return: false: it goes another way. */
static ALWAYS_INLINE bool read_small(struct rdmat_qp *qp, struct rdmat_slot *slot, uint32_t len)
{
	const struct wrasse_poll_group *group = qp->group;
	struct nvme_straight read = {.cmd = (const struct nvme_cmd *)slot->capsule,
				     .opcode = NVME_OPC_READ};
	struct rdmat_request *request;

	if (!is_clear(qp, len, 2) ||
	    !nvme_straight_find(&qp->nvme, &read, len, group->straight_max) ||
	    !rdmat_pool_of_one(qp, RDMAT_SMALL_LEN))
		return false;
	request = rdmat_request_prepare(qp->class);
	rdmat_request_take_prepared(request, qp, RDMAT_HOLD_BUFFERS);
	rdmat_request_take_one(request, group->small, qp->small_lkey, read.len, &read.cmd->sgl);
	go(request, qp, slot, &read, 1);
	return true;
}

/* What the backend lends, which has map(). @straight: a copy, so that who goes on needs none in memory. */
static __attribute__((noinline)) int borrow(struct rdmat_request *request, struct rdmat_qp *qp,
					    struct nvme_straight straight)
{
	return rdmat_request_borrow(request, qp, &straight);
}

/* Takes one buffer of a pool, where there is one. @request: prepared. */
static ALWAYS_INLINE bool take_one(struct rdmat_request *request, const struct rdmat_qp *qp,
				   const struct nvme_straight *straight)
{
	struct pool *pool = rdmat_pool_of_one(qp, straight->len);

	if (pool)
		rdmat_request_take_one(request, pool,
				       straight->len <= RDMAT_SMALL_LEN ? qp->small_lkey :
									  qp->large_lkey,
				       straight->len, &straight->cmd->sgl);
	return pool;
}

/* Other Reads: with what the backend lends, or one buffer. */
static __attribute__((noinline)) bool read_any(struct rdmat_qp *qp, struct rdmat_slot *slot,
					       uint32_t len)
{
	struct nvme_straight read = {.cmd = (const struct nvme_cmd *)slot->capsule,
				     .opcode = NVME_OPC_READ};
	struct rdmat_request *request;
	int pieces = 0;

	if (!is_clear(qp, len, 2) ||
	    !nvme_straight_find(&qp->nvme, &read, len, qp->nvme.limits->max_data_len))
		return false;
	request = rdmat_request_prepare(qp->class);
	if (read.port->ns->ops.map)
		pieces = borrow(request, qp, read);
	if (pieces > 0) {
		rdmat_request_take_prepared(request, qp, RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN);
	} else if (pieces == 0 && take_one(request, qp, &read)) {
		rdmat_request_take_prepared(request, qp, RDMAT_HOLD_BUFFERS);
		pieces = 1;
	} else {
		return false;
	}
	go(request, qp, slot, &read, (uint32_t)pieces);
	return true;
}

/* A Write with its data in the capsule. */
static ALWAYS_INLINE bool write_capsule(struct rdmat_qp *qp, struct rdmat_slot *slot, uint32_t len)
{
	struct nvme_straight write = {.cmd = (const struct nvme_cmd *)slot->capsule,
				      .opcode = NVME_OPC_WRITE,
				      .in_capsule = true};
	struct rdmat_request *request;

	if (!is_clear(qp, len, 1) ||
	    !nvme_straight_find(&qp->nvme, &write, len, qp->nvme.limits->max_data_len))
		return false;
	request = rdmat_request_prepare(qp->class);
	rdmat_request_take_prepared(request, qp, 0);
	request->iov[0] = (struct iovec){slot->capsule + write.icd_off, write.len};
	go(request, qp, slot, &write, 1);
	return true;
}

/* A Write whose data is fetched: until the RDMA READ is queued, or waits for others' to be through. */
static __attribute__((noinline)) bool write_fetch(struct rdmat_qp *qp, struct rdmat_slot *slot,
						  uint32_t len)
{
	struct nvme_straight write = {.cmd = (const struct nvme_cmd *)slot->capsule,
				      .opcode = NVME_OPC_WRITE};
	bool now = rdmat_sendq_may_fetch(qp);
	struct rdmat_request *request;
	int pieces = 0;

	if (!is_clear(qp, len, 1) ||
	    !nvme_straight_find(&qp->nvme, &write, len, qp->nvme.limits->max_data_len))
		return false;
	request = rdmat_request_prepare(qp->class);
	/* On iWARP the data of a Write is not lent to: see lent_take(). */
	if (write.port->ns->ops.map && !qp->device->device->iwarp)
		pieces = borrow(request, qp, write);
	if (pieces < 0 || (pieces == 0 && !take_one(request, qp, &write)))
		return false;
	rdmat_request_take_to_fetch(request, qp, now);
	request->nvme.iov = request->iov;
	request->nvme.iov_count = pieces ? (uint32_t)pieces : 1;
	rdmat_count(&qp->group->stats.capsules, 1);
	nvme_straight_take(&request->nvme, &qp->nvme, &write);
	nvme_straight_parsed(&request->nvme, write.cmd, write.port, NVME_OPC_WRITE, false,
			     write.len);
	rdmat_rx_pass(slot);
	if (now)
		rdmat_sendq_fetch(request);
	return true;
}

bool rdmat_straight_fetched(struct rdmat_request *request)
{
	struct nvme_request *nvme = &request->nvme;
	struct rdmat_qp *qp = request->qp;
	struct nvme_straight write = {.cmd = &nvme->cmd, .opcode = NVME_OPC_WRITE};
	bool completed;

	if (request->others || nvme->preempted || !nvme_straight_is(&nvme->cmd, NVME_OPC_WRITE) ||
	    !nvme_straight_find(&qp->nvme, &write, NVME_CMD_LEN, qp->nvme.limits->max_data_len) ||
	    (nvme->lender && nvme->lender != write.port))
		return false;
	rdmat_request_move_to_executing(request);
	nvme_straight_fill(nvme, &write, nvme->iov, nvme->iov_count);
	count(qp->group, &write);
	request->io_out = true;
	completed = submit(request, write.port);
	if (completed && wrasse_status_is_ok(request->io_status)) {
		nvme_straight_done(&write);
		rdmat_sendq_respond(request);
		return true;
	}
	nvme_straight_submitted(nvme, write.port);
	request->seen_ns = 0;
	request->backend = true;
	if (completed)
		rdmat_flow_io_done(request);
	return true;
}

bool rdmat_straight_ended(struct rdmat_request *request)
{
	const struct nvme_data *data = &request->nvme.data;
	struct nvme_ns_port *port = request->nvme.port;
	struct rdmat_qp *qp = request->qp;
	bool with_data = data->xfer == NVME_XFER_C2H;

	if (request->others || request->state != RDMAT_REQUEST_EXECUTING ||
	    !wrasse_status_is_ok(request->io_status) || !nvme_straight_is_over(&request->nvme) ||
	    !rdmat_sendq_has_room(qp, with_data))
		return false;
	nvme_straight_end(&request->nvme);
	rdmat_request_goes_on(request, with_data);
	rdmat_sendq_answer(qp, request, with_data, data->invalidate, data->inv_rkey);
	qp->outstanding--;
	rdmat_pause_settle(qp->group, port);
	return true;
}

ALWAYS_INLINE void rdmat_straight_capsule(struct rdmat_qp *qp, struct rdmat_slot *slot,
					  uint32_t len)
{
	const struct nvme_cmd *cmd = (const struct nvme_cmd *)slot->capsule;

	if (nvme_straight_is(cmd, NVME_OPC_READ)) {
		if (read_small(qp, slot, len) || read_any(qp, slot, len))
			return;
	} else if (nvme_straight_is(cmd, NVME_OPC_WRITE)) {
		if (write_capsule(qp, slot, len) || write_fetch(qp, slot, len))
			return;
	}
	rdmat_rx_taken(slot);
	rdmat_flow_capsule(qp, slot, len);
}
