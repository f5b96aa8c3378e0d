/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests: the table and the mover. Poll group's thread. Nothing else in the library writes a
 * request's state, or has a WR, a buffer or a receive slot given back that a command has used.
 */
#include "transport/request.h"

#include <errno.h>
#include <stdlib.h>

#include "inline.h"
#include "nvme/straight.h"
#include "pool/panic.h"
#include "transport/abort.h"
#include "transport/chain.h"
#include "transport/group.h"
#include "transport/pair.h"
#include "transport/resources.h"

const struct rdmat_request_state_info rdmat_request_states[RDMAT_REQUEST_STATE_COUNT] = {
#define RDMAT_X(state, what, holds, successors) \
	[RDMAT_REQUEST_##state] = {#state, what, holds, successors},
	RDMAT_REQUEST_STATES(RDMAT_X)
#undef RDMAT_X
};

/* The next one that was never used. */
static __attribute__((noinline)) struct rdmat_request *touch(struct rdmat_class *class)
{
	struct rdmat_request *request = &class->requests[class->touched];

	request->class = class;
	request->nvme.used = true; /* it is not prepared to go straight */
	request->label.request = class->touched;
	rdmat_set(&class->touched, class->touched + 1);
	request->data_wr.request = request;
	request->data_wr.wr.wr_id = (uintptr_t)&request->data_wr;
	request->data_wr.wr.sg_list = request->data_sge;
	request->response_wr.request = request;
	request->response_wr.wr.wr_id = (uintptr_t)&request->response_wr;
	request->response_wr.wr.sg_list = &request->response_sge;
	request->response_wr.wr.num_sge = 1;
	request->response_sge.addr = (uintptr_t)&request->nvme.cqe;
	request->response_sge.length = sizeof(request->nvme.cqe);
	return request;
}

static struct pool_link **free_end(struct rdmat_class *class)
{
	struct pool_link **end = &class->free;

	while (*end)
		end = &(*end)->next;
	return end;
}

void rdmat_class_touch(struct rdmat_class *class)
{
	struct pool_link **end = free_end(class);

	if (!class->lost_out)
		rdmat_set(&class->lost_out, class->touched);
	while (class->touched < class->capacity) {
		*end = &touch(class)->link;
		end = &(*end)->next;
	}
}

int rdmat_class_init(struct rdmat_class *class, struct wrasse_poll_group *group, const char *name,
		     uint32_t count, int node, bool admin)
{
	int rc;

	memset(class, 0, sizeof(*class));
	class->name = name;
	class->group = group;
	class->capacity = count;
	class->free_count = count;
	class->admin = admin;
	pool_list_init(&class->parked);
	pool_list_init(&class->waiting);
	rc = pool_slab_init(&class->slab, (size_t)count * sizeof(struct rdmat_request), node, NULL);
	if (rc)
		return rc;
	class->requests = class->slab.base;
	return 0;
}

void rdmat_class_fini(struct rdmat_class *class)
{
	if (class->free_count != class->capacity)
		pool_panic("%s: freed with %u of %u free", class->name, class->free_count,
			   class->capacity);
	if (class->slab.base)
		pool_slab_fini(&class->slab);
}

static void record(const struct rdmat_request *request, struct wrasse_poll_group *group,
		   enum rdmat_request_state from, enum rdmat_request_state to)
{
	struct rdmat_record *record = &group->records[group->record_count++ % RDMAT_RECORDS];

	*record = request->label;
	record->from = from;
	record->to = to;
}

/* What this request keeps in a state: the table's row, less what this command has no more use for.
 */
static ALWAYS_INLINE uint32_t request_keeps(const struct rdmat_request *request,
					    enum rdmat_request_state state)
{
	uint32_t keeps = rdmat_request_states[state].holds;

	switch (state) {
	case RDMAT_REQUEST_WAIT_RESUME:
	case RDMAT_REQUEST_WAIT_PAIR:
	case RDMAT_REQUEST_WAIT_TURN:
	case RDMAT_REQUEST_WAIT_RESOURCES:
		if (!request->nvme.data.in_capsule)
			keeps &= ~(uint32_t)RDMAT_HOLD_SLOT;
		break;
	case RDMAT_REQUEST_EXECUTING:
		if (!request->nvme.data.in_capsule)
			keeps &= ~(uint32_t)RDMAT_HOLD_SLOT;
		if (request->nvme.data.xfer != NVME_XFER_C2H)
			keeps &= ~(uint32_t)RDMAT_HOLD_CHAIN;
		break;
	case RDMAT_REQUEST_WAIT_RESPOND:
	case RDMAT_REQUEST_RESPONDING:
		if (request->nvme.interrupted)
			keeps &= ~(uint32_t)RDMAT_HOLD_CHAIN;
		else if (request->with_data)
			keeps &= ~(uint32_t)RDMAT_HOLD_BACKEND;
		else
			keeps &= ~(uint32_t)(RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN |
					     RDMAT_HOLD_BACKEND);
		break;
	default:
		break;
	}
	return keeps;
}

/* What hardware and backend have cannot be let go of. */
static __attribute__((noinline)) void check_out(const struct rdmat_request *request, uint32_t keeps)
{
	if (request->sq_out && !(keeps & RDMAT_HOLD_SQ))
		pool_panic("a request with %u WRs in the hardware cannot let go of them",
			   request->sq_out);
	if (request->reads_out && !(keeps & RDMAT_HOLD_READS))
		pool_panic("a request with %u RDMA READs in the hardware cannot let go of them",
			   request->reads_out);
	if (request->backend && !(keeps & RDMAT_HOLD_BACKEND))
		pool_panic("a request that the backend has cannot move on");
}

/* Gives back what it holds of slot, buffers and chain. */
static ALWAYS_INLINE void give(struct rdmat_request *request, uint32_t holds)
{
	if (holds & RDMAT_HOLD_SLOT) {
		rdmat_rx_give(request->slot);
		request->slot = NULL;
	}
	if (holds & RDMAT_HOLD_BUFFERS)
		rdmat_buffers_give(request);
	if (holds & RDMAT_HOLD_CHAIN)
		rdmat_chain_give(request);
}

/* All but what it keeps. */
static ALWAYS_INLINE void keep(struct rdmat_request *request, uint32_t keeps)
{
	give(request, request->holds & ~keeps);
	request->holds &= keeps;
}

static void release(struct rdmat_request *request, uint32_t keeps)
{
	keep(request, keeps);
	if (request->nvme.turn && !(keeps & RDMAT_HOLD_TURN))
		nvme_turn_give(&request->nvme);
	if (request->sq_out || request->backend)
		check_out(request, keeps);
}

/* Never, unless there is a fault in here. The command is still known: the log names it now, the
 * ledger from now on. */
static __attribute__((noinline, cold)) void items_lost(struct rdmat_request *request)
{
	char name[256];

	request->last_queue = request->qp->number;
	request->last_qid = request->qp->nvme.qid;
	request->last_cntlid = nvme_queue_cntlid(&request->qp->nvme);
	rdmat_log(
		request->class->group->rdmat, WRASSE_LOG_ERROR,
		"%s: command 0x%02x with identifier %u ended, and %u WRs or buffers did not come back",
		rdmat_qp_name(request->qp, name, sizeof(name)), request->nvme.cmd.opcode,
		nvme_get16(request->nvme.cmd.cid), request->items_out);
	request->items_out = 0;
}

static ALWAYS_INLINE void came_free(struct rdmat_request *request, struct rdmat_qp *qp)
{
	struct rdmat_class *class = qp->class;

	/* One that lost something is taken again last, so that its command stays known. */
	if (request->items_out) {
		rdmat_class_touch(class);
		*free_end(class) = &request->link;
		items_lost(request);
	} else {
		request->link.next = class->free;
		class->free = &request->link;
	}
	relaxed_add(&class->free_count, 1);
	qp->requests_out--;
	request->qp = NULL;
}

static void wait_begin(struct rdmat_request *request)
{
	request->qp->paused++;
	nvme_queue_wait_begin(&request->qp->nvme);
}

static void wait_end(struct rdmat_request *request)
{
	request->qp->paused--;
	nvme_queue_wait_end(&request->qp->nvme);
}

/* Whoever had the last turn, or waits for something else now, leaves those that wait for resources. */
static void stop_waiting(struct rdmat_qp *qp)
{
	if (pool_list_is_empty(&qp->lists[RDMAT_REQUEST_WAIT_RESOURCES]) &&
	    pool_link_is_on_list(&qp->wait_link))
		pool_list_del(&qp->wait_link);
}

/* Who waits for a resume goes on in the order of arrival, also one that was just being fetched. */
static void add_by_arrival(struct rdmat_request *request)
{
	struct pool_list *list = &request->qp->lists[RDMAT_REQUEST_WAIT_RESUME];
	struct pool_link *after = list->head.prev;

	while (after != &list->head &&
	       pool_container(after, struct rdmat_request, link)->arrival > request->arrival)
		after = after->prev;
	pool_list_add_between(&request->link, after, after->next);
}

static void before_move(struct rdmat_request *request, enum rdmat_request_state to)
{
	if (request->state == RDMAT_REQUEST_RESPONDING) {
		request->whole = false;
		request->nvme.used = true; /* its WRs may have been parted */
	}
	if (to == RDMAT_REQUEST_FREE && request->shares)
		rdmat_rx_out(request->qp->shared, -1);
	if (request->held) {
		request->held = false;
		request->qp->held--;
	}
	if (to == RDMAT_REQUEST_FLUSHING)
		rdmat_pair_break(request);
	if (request->abort || request->abort_by)
		rdmat_abort_moves(request, to);
	if (request->state == RDMAT_REQUEST_WAIT_RESUME)
		wait_end(request);
	if (to == RDMAT_REQUEST_WAIT_RESUME)
		wait_begin(request);
}

/* It is off its old list, and on its new one unless it is FREE. */
static void after_move(struct rdmat_request *request, enum rdmat_request_state from)
{
	if (from == RDMAT_REQUEST_WAIT_RESOURCES)
		stop_waiting(request->qp);
	if (request->state == RDMAT_REQUEST_WAIT_RESUME) {
		pool_list_del(&request->link);
		add_by_arrival(request);
	}
}

static __attribute__((noreturn, noinline, cold)) void move_is_illegal(enum rdmat_request_state from,
								      enum rdmat_request_state to)
{
	pool_panic("a request cannot go from %s to %s", rdmat_request_states[from].name,
		   rdmat_request_states[to].name);
}

/* Off the list of its old state, onto that of its new one if that is another. */
static ALWAYS_INLINE void enter(struct rdmat_request *request, enum rdmat_request_state from,
				enum rdmat_request_state to)
{
	struct rdmat_qp *qp = request->qp;

	if (rdmat_request_has_list(from))
		pool_list_del(&request->link);
	rdmat_count(&qp->group->state_count[to], 1);
	request->state = to;
	if (rdmat_request_has_list(to))
		pool_list_add_tail(&qp->lists[to], &request->link);
}

/* The mover. */
static __attribute__((noinline)) void move(struct rdmat_request *request,
					   enum rdmat_request_state to)
{
	enum rdmat_request_state from = request->state;

	if (!(rdmat_request_states[from].successors & 1u << to))
		move_is_illegal(from, to);
	release(request, request_keeps(request, to));
	before_move(request, to);
	record(request, request->qp->group, from, to);
	enter(request, from, to);
	after_move(request, from);
	if (to == RDMAT_REQUEST_FREE) {
		came_free(request, request->qp);
		request->others = 0;
	}
}

/* What every command goes through: from each of some states to one. */
#define TO_EXECUTING  (RDMAT_TO(RECEIVED) | RDMAT_TO(FETCHING))
#define TO_RESPONDING RDMAT_TO(EXECUTING)

enum {
#define RDMAT_X(state, what, holds, successors) AFTER_##state = (successors),
	RDMAT_REQUEST_STATES(RDMAT_X)
#undef RDMAT_X
};
_Static_assert((AFTER_FREE & RDMAT_TO(RECEIVED)) != 0, "rdmat_request_take()");
_Static_assert((AFTER_RECEIVED & AFTER_FETCHING & RDMAT_TO(EXECUTING)) != 0, "TO_EXECUTING");
_Static_assert((AFTER_EXECUTING & RDMAT_TO(RESPONDING)) != 0, "TO_RESPONDING");
_Static_assert((AFTER_RESPONDING & RDMAT_TO(FREE)) != 0, "TO_FREE");

/* The mover for these: of a request that nobody else has to do with, and whose holds are all that it can
 * have to give back. */
static ALWAYS_INLINE void move_plain(struct rdmat_request *request, uint32_t plain,
				     enum rdmat_request_state to)
{
	enum rdmat_request_state from = request->state;

	if (!(plain & 1u << from) || request->others) {
		move(request, to);
		return;
	}
	keep(request, request_keeps(request, to));
	record(request, request->qp->group, from, to);
	enter(request, from, to);
}

void rdmat_request_move(struct rdmat_request *request, enum rdmat_request_state to)
{
	move(request, to);
}

/* What the caller promises. */
static void check_straight(const struct rdmat_request *request, enum rdmat_request_state state)
{
#ifndef NDEBUG
	if (request->state != state || request->others)
		pool_panic("a request in state %s, not %s, was to go straight",
			   rdmat_request_states[request->state].name,
			   rdmat_request_states[state].name);
#else
	(void)request;
	(void)state;
#endif
}

ALWAYS_INLINE void rdmat_request_move_to_executing(struct rdmat_request *request)
{
	move_plain(request, TO_EXECUTING, RDMAT_REQUEST_EXECUTING);
}

ALWAYS_INLINE void rdmat_request_move_to_responding(struct rdmat_request *request)
{
	move_plain(request, TO_RESPONDING, RDMAT_REQUEST_RESPONDING);
}

ALWAYS_INLINE void rdmat_request_answers(struct rdmat_request *request,
					 struct wrasse_poll_group *group)
{
	check_straight(request, RDMAT_REQUEST_EXECUTING);
	record(request, group, RDMAT_REQUEST_EXECUTING, RDMAT_REQUEST_RESPONDING);
	rdmat_count(&group->state_count[RDMAT_REQUEST_RESPONDING], 1);
	request->state = RDMAT_REQUEST_RESPONDING;
}

ALWAYS_INLINE void rdmat_request_move_to_free(struct rdmat_request *request, struct rdmat_qp *qp)
{
	check_straight(request, RDMAT_REQUEST_RESPONDING);
	/* Buffers and no chain: one, of a Read that went straight. */
	if (__builtin_expect(request->holds == RDMAT_HOLD_BUFFERS, true)) {
		pool_give_one(request->buffers);
		request->buffers = NULL;
		request->items_out = 0;
	} else if (request->holds) {
		rdmat_data_give(request);
	}
	rdmat_count(&qp->group->state_count[RDMAT_REQUEST_FREE], 1);
	request->state = RDMAT_REQUEST_FREE;
	request->holds = 0;
	came_free(request, qp);
}

ALWAYS_INLINE void rdmat_request_was_freed(const struct rdmat_request *request,
					   const struct rdmat_qp *qp)
{
	record(request, qp->group, RDMAT_REQUEST_RESPONDING, RDMAT_REQUEST_FREE);
}

static inline struct rdmat_request *free_pop(struct rdmat_class *class)
{
	struct pool_link *link = class->free;

	relaxed_add(&class->free_count, -1u);
	class->free = link->next;
	return pool_container(link, struct rdmat_request, link);
}

/* For a command of a queue pair. */
static ALWAYS_INLINE void begin(struct rdmat_request *request, struct rdmat_qp *qp)
{
	request->qp = qp;
	request->label.qid = qp->nvme.qid;
	request->nvme.queue = &qp->nvme;
	qp->requests_out++;
	rdmat_count(&qp->group->state_count[RDMAT_REQUEST_RECEIVED], 1);
}

struct rdmat_request *rdmat_request_take(struct rdmat_qp *qp, struct rdmat_slot *slot)
{
	struct rdmat_class *class = qp->class;
	struct rdmat_request *request;

	if (!class->free_count)
		pool_panic("%s: a command is begun and no request is free", class->name);
	if (class->free) {
		request = free_pop(class);
	} else {
		rdmat_set(&class->free_count, class->free_count - 1);
		request = touch(class);
	}
	begin(request, qp);
	request->state = RDMAT_REQUEST_RECEIVED;
	request->holds = slot ? RDMAT_HOLD_SLOT : 0;
	request->slot = slot;
	request->with_data = false;
	request->responded = false;
	request->whole = false;
	request->io_out = false;
	request->received_ns = rdmat_group_now(qp->group);
	request->arrival = qp->group->state_count[RDMAT_REQUEST_RECEIVED];
	request->nvme.iov = NULL;
	request->nvme.iov_count = 0;
	if (qp->shared) {
		request->shares = true;
		rdmat_rx_out(qp->shared, 1);
	}
	return request;
}

/* One that was used otherwise is prepared to go straight. */
static __attribute__((noinline)) void straighten(struct rdmat_request *request)
{
	nvme_request_clean(&request->nvme);
	rdmat_wr_begin(&request->data_wr, IBV_WR_RDMA_WRITE, 0, 0);
	request->data_wr.wr.num_sge = 1;
	request->data_wr.wr.next = &request->response_wr.wr;
	request->data_wr.chain_next = NULL;
}

ALWAYS_INLINE struct rdmat_request *rdmat_request_prepare(struct rdmat_class *class)
{
	struct rdmat_request *request = pool_container(class->free, struct rdmat_request, link);

	if (__builtin_expect(request->nvme.used, false))
		straighten(request);
	return request;
}

/* Its own WR is its chain. */
static void chain_own(struct rdmat_request *request)
{
	request->first = &request->data_wr;
	request->chain_count = 1;
	request->holds |= RDMAT_HOLD_CHAIN;
}

ALWAYS_INLINE void rdmat_request_take_prepared(struct rdmat_request *request, struct rdmat_qp *qp,
					       uint32_t holds)
{
	struct wrasse_poll_group *group = qp->group;

	free_pop(qp->class);
	begin(request, qp);
	rdmat_count(&group->state_count[RDMAT_REQUEST_EXECUTING], 1);
	request->state = RDMAT_REQUEST_EXECUTING;
	request->holds = holds;
	request->with_data = holds != 0;
	request->responded = true;
	request->whole = true;
	request->io_out = true;
	request->received_ns = group->now_ns;
	if (holds & RDMAT_HOLD_CHAIN)
		chain_own(request);
}

void rdmat_request_take_to_fetch(struct rdmat_request *request, struct rdmat_qp *qp, bool now)
{
	struct wrasse_poll_group *group = qp->group;

	free_pop(qp->class);
	begin(request, qp);
	if (now) {
		rdmat_count(&group->state_count[RDMAT_REQUEST_WAIT_FETCH], 1);
		record(request, group, RDMAT_REQUEST_WAIT_FETCH, RDMAT_REQUEST_FETCHING);
	} else {
		record(request, group, RDMAT_REQUEST_RECEIVED, RDMAT_REQUEST_WAIT_FETCH);
	}
	request->holds = RDMAT_HOLD_BUFFERS;
	chain_own(request);
	request->data_wr.wr.opcode = IBV_WR_RDMA_READ;
	request->with_data = false;
	request->responded = false;
	request->whole = false;
	request->io_out = false;
	request->received_ns = group->now_ns;
	request->arrival = group->state_count[RDMAT_REQUEST_RECEIVED];
	enter(request, RDMAT_REQUEST_RECEIVED,
	      now ? RDMAT_REQUEST_FETCHING : RDMAT_REQUEST_WAIT_FETCH);
	qp->outstanding++;
}

void rdmat_request_goes_on(struct rdmat_request *request, bool with_data)
{
	uint32_t keeps = with_data ? RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN : 0;

	keep(request, keeps);
	if (with_data && !request->nvme.lender) {
		request->holds = RDMAT_HOLD_BUFFERS;
		request->first = NULL;
		request->chain_count = 0;
	}
	request->with_data = with_data;
	request->responded = true;
	request->whole = true;
}

void rdmat_request_stays(struct rdmat_request *request, struct rdmat_slot *slot)
{
	struct rdmat_qp *qp = request->qp;

	record(request, qp->group, RDMAT_REQUEST_RECEIVED, RDMAT_REQUEST_EXECUTING);
	request->arrival = qp->group->state_count[RDMAT_REQUEST_RECEIVED];
	request->seen_ns = 0;
	request->backend = true;
	if (request->with_data)
		chain_own(request);
	request->slot = slot;
	if (slot)
		request->holds |= RDMAT_HOLD_SLOT;
	request->with_data = false;
	request->responded = false;
	request->whole = false;
	qp->outstanding++;
}

bool rdmat_request_settle(struct rdmat_request *request)
{
	if ((request->state != RDMAT_REQUEST_FLUSHING && request->state != RDMAT_REQUEST_OVERDUE) ||
	    request->sq_out || request->backend)
		return false;
	move(request, RDMAT_REQUEST_FREE);
	return true;
}
