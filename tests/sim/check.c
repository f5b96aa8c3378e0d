/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's inside, looked at from outside: structures as its own headers describe them, nothing
 * called, nothing changed. After each poll of a group: every request is on the list of its state, holds
 * what its state may hold and no more, the pools' books agree with the requests' holdings, send queues
 * and credits add up, and nobody waits for what is there.
 */
#include "sim.h"

#include "nvme/ctrl.h"
#include "transport/group.h"

struct check_counts check_counts;

#define NAME(state) (rows[state].name)

static const struct rdmat_request_state_info rows[RDMAT_REQUEST_STATE_COUNT] = {
#define RDMAT_X(state, what, holds, successors) \
	[RDMAT_REQUEST_##state] = {#state, what, holds, successors},
	RDMAT_REQUEST_STATES(RDMAT_X)
#undef RDMAT_X
};

/* What the group's requests hold, in all. */
struct sums {
	uint32_t requests[2]; /* not FREE, by class */
	uint32_t slots[2];
	uint32_t wrs, small, large;
	uint32_t backend;
};

static uint32_t holds(const struct rdmat_request *request)
{
	return (request->slot ? RDMAT_HOLD_SLOT : 0u) |
	       (request->buffers || request->scratch || request->nvme.lender ? RDMAT_HOLD_BUFFERS :
									       0u) |
	       (request->first ? RDMAT_HOLD_CHAIN : 0u) | (request->sq_out ? RDMAT_HOLD_SQ : 0u) |
	       (request->reads_out ? RDMAT_HOLD_READS : 0u) |
	       (request->backend ? RDMAT_HOLD_BACKEND : 0u) |
	       (request->nvme.turn ? RDMAT_HOLD_TURN : 0u);
}

#define NOTED (RDMAT_HOLD_SLOT | RDMAT_HOLD_BUFFERS | RDMAT_HOLD_CHAIN)

static void sum_buffers(const struct rdmat_request *request, const struct pool_item *item,
			struct sums *sums)
{
	for (; item; item = item->next) {
		if (item->holder != request)
			sim_fail("a buffer's holder is another request");
		if (item->pool == request->class->group->small)
			sums->small++;
		else
			sums->large++;
	}
}

static void check_request(const struct rdmat_qp *qp, const struct rdmat_request *request,
			  struct sums *sums)
{
	enum rdmat_request_state state = request->state;
	uint32_t extra = holds(request) & ~rows[state].holds;
	unsigned class = request->class->admin;

	if (state == RDMAT_REQUEST_RECEIVED)
		sim_fail("queue pair %u: a request was left in RECEIVED", qp->qpn);
	if (state == RDMAT_REQUEST_RESPONDING && !request->responded && request != qp->partial)
		sim_fail("queue pair %u: a response is queued in part and nobody knows", qp->qpn);
	if (extra)
		sim_fail("a request in state %s holds %#x, which it must not", NAME(state), extra);
	if (request->holds != (holds(request) & NOTED))
		sim_fail("a request in state %s has noted that it holds %#x, and holds %#x",
			 NAME(state), request->holds, holds(request) & NOTED);
	if (request->reads_out > request->sq_out)
		sim_fail("a request has %u RDMA READs among %u WRs", request->reads_out,
			 request->sq_out);
	sums->requests[class]++;
	sums->slots[class] += request->slot != NULL;
	sums->wrs += request->chain ? request->chain_count : 0;
	sums->backend += request->backend;
	sum_buffers(request, request->buffers, sums);
	sum_buffers(request, request->scratch, sums);
}

static void check_sendq(const struct rdmat_qp *qp, uint32_t sq_out, uint32_t reads_out)
{
	uint32_t count = 0, reads = 0;

	for (const struct rdmat_wr *wr = qp->sq_oldest; wr;
	     wr = wr->wr.next ? pool_container(wr->wr.next, struct rdmat_wr, wr) : NULL) {
		count++;
		reads += wr->wr.opcode == IBV_WR_RDMA_READ;
		if (wr->request->qp != qp)
			sim_fail("queue pair %u's send queue has a WR of another", qp->qpn);
	}
	if (count != sq_out || reads != reads_out)
		sim_fail(
			"queue pair %u: %u WRs (%u READs) in the send queue, the requests have %u (%u)",
			qp->qpn, count, reads, sq_out, reads_out);
	if (qp->sq_unposted && !qp->tearing)
		sim_fail("queue pair %u was left with WRs that are not posted", qp->qpn);
}

static bool any(const struct rdmat_qp *qp, enum rdmat_request_state state)
{
	return !pool_list_is_empty(&qp->lists[state]);
}

/* Capsules of a queue pair that wait for a request. */
static uint32_t parked_of(const struct rdmat_qp *qp)
{
	struct pool_link *link, *tmp;
	uint32_t count = 0;

	pool_list_for_each(link, tmp, &qp->class->parked)
		count += pool_container(link, struct rdmat_slot, parked)->qp == qp;
	return count;
}

static void check_parked(const struct wrasse_poll_group *group, bool asleep, struct sums *sums)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct rdmat_class *class = &group->classes[i];
		struct pool_link *link, *tmp;

		pool_list_for_each(link, tmp, &class->parked) {
			const struct rdmat_slot *slot =
				pool_container(link, struct rdmat_slot, parked);

			if (slot->state != RDMAT_SLOT_HELD || slot->qp->tearing ||
			    slot->qp->class != class)
				sim_fail(
					"%s: a slot is parked that is with the hardware or of a queue pair that ends",
					class->name);
			sums->slots[i]++;
		}
		if (!pool_list_is_empty(&class->parked) && class->free_count &&
		    (asleep || !group->chores))
			sim_fail("%s: %u are free, a capsule waits for one, and nobody looks",
				 class->name, class->free_count);
	}
}

/* Nobody waits for what is there. */
static void check_progress(const struct rdmat_qp *qp)
{
	bool half = false;

	if ((qp->partial || any(qp, RDMAT_REQUEST_WAIT_RESPOND)) && qp->sq_free)
		sim_fail("queue pair %u: a response waits, and %u queue slots are free", qp->qpn,
			 qp->sq_free);
	if (any(qp, RDMAT_REQUEST_FETCHING))
		half = pool_container(pool_list_last(&qp->lists[RDMAT_REQUEST_FETCHING]),
				      struct rdmat_request, link)
			       ->cursor != NULL;
	if ((half || any(qp, RDMAT_REQUEST_WAIT_FETCH)) && qp->sq_free && qp->reads_free)
		sim_fail(
			"queue pair %u: a fetch waits, and %u queue slots and %u READ credits are free",
			qp->qpn, qp->sq_free, qp->reads_free);
	if (any(qp, RDMAT_REQUEST_WAIT_RESOURCES) != pool_link_is_on_list(&qp->wait_link))
		sim_fail("queue pair %u %s", qp->qpn,
			 any(qp, RDMAT_REQUEST_WAIT_RESOURCES) ?
				 "waits for resources and nobody knows" :
				 "is on the list of those that wait, and does not");
	if (qp->half && qp->half->state != RDMAT_REQUEST_WAIT_PAIR)
		sim_fail("queue pair %u: a first half is in state %s", qp->qpn,
			 NAME(qp->half->state));
	if (qp->partial && (qp->partial->state != RDMAT_REQUEST_RESPONDING ||
			    qp->partial->responded || qp->partial->qp != qp))
		sim_fail("queue pair %u goes on with a response that is not its own, or whole",
			 qp->qpn);
}

/* What asked for no completion gets a mark in time. */
static void check_unsignaled(const struct rdmat_qp *qp)
{
	const struct wrasse_poll_group *group = qp->group;
	bool is_unsignaled = qp->sq_newest && !(qp->sq_newest->wr.send_flags & IBV_SEND_SIGNALED);

	if (qp->sq_unsignaled > qp->sq_unsignaled_max)
		sim_fail("queue pair %u has %u unsignaled WRs, more than %u", qp->qpn,
			 qp->sq_unsignaled, qp->sq_unsignaled_max);
	if (is_unsignaled && !pool_link_is_on_list(&qp->unsignaled_link))
		sim_fail("queue pair %u asked for no completion, and nobody knows", qp->qpn);
	if (is_unsignaled && group->unsignaled_until == UINT64_MAX)
		sim_fail("queue pair %u asked for no completion, and no timer runs", qp->qpn);
	if (is_unsignaled && (!group->settling || !group->chores) &&
	    (!pool_list_is_empty(&group->classes[0].waiting) ||
	     !pool_list_is_empty(&group->classes[1].waiting) ||
	     !pool_list_is_empty(&qp->class->parked)))
		sim_fail("queue pair %u asked for no completion, and others wait for what it has",
			 qp->qpn);
}

/* One that ends is nobody's to go on with. */
static void check_tearing(const struct rdmat_qp *qp)
{
	if (pool_link_is_on_list(&qp->wait_link) || pool_link_is_on_list(&qp->dirty_link) ||
	    pool_link_is_on_list(&qp->unsignaled_link) || qp->retry)
		sim_fail("queue pair %u ends and is on a list of those that %s", qp->qpn,
			 pool_link_is_on_list(&qp->wait_link)       ? "wait for resources" :
			 pool_link_is_on_list(&qp->dirty_link)      ? "post" :
			 pool_link_is_on_list(&qp->unsignaled_link) ? "are to be marked" :
								      "try again");
}

/* @count: requests whose states have lists. */
static void check_lists(const struct rdmat_qp *qp, uint32_t count)
{
	struct pool_link *link, *tmp;

	for (unsigned list = RDMAT_REQUEST_FREE; list < RDMAT_REQUEST_STATE_COUNT; list++) {
		pool_list_for_each(link, tmp, &qp->lists[list]) {
			const struct rdmat_request *request =
				pool_container(link, struct rdmat_request, link);

			if (request->state != list || request->qp != qp ||
			    !rdmat_request_has_list(list))
				sim_fail("a request in state %s is on queue pair %u's list of %s",
					 NAME(request->state), qp->qpn, NAME(list));
			count--;
		}
	}
	if (count)
		sim_fail("queue pair %u: %d requests are on no list", qp->qpn, (int)count);
}

/* What the straight way asks in place of each namespace and each ANA group. */
static void check_sums(const struct nvme_queue *queue)
{
	const struct nvme_ctrl *ctrl = queue->ctrl;
	const struct nvme_path *path = queue->path;
	uint32_t denials = 0, closed = 0;

	for (uint32_t i = 0; ctrl && i < ctrl->ns_count; i++)
		denials += ctrl->ns[i].denied != 0;
	for (uint32_t i = 0; path && i < path->subsystem->ana_groups; i++)
		closed += !nvme_ana_is_open(path->ana[i].state);
	if (ctrl && denials != ctrl->denials)
		sim_fail("controller %u: reservations deny %u namespaces, and %u are counted",
			 ctrl->cntlid, denials, ctrl->denials);
	if (path && closed != path->closed)
		sim_fail("a path: %u ANA groups refuse commands, and %u are counted", closed,
			 path->closed);
}

static void check_qp(struct rdmat_qp *qp, struct sums *sums)
{
	uint32_t out = 0, sq_out = 0, reads_out = 0, held = 0, unanswered = 0, listed = 0;
	const struct rdmat_request *request;

	rdmat_request_for_each(request, qp->class) {
		if (request->qp != qp)
			continue;
		check_request(qp, request, sums);
		out++;
		sq_out += request->sq_out;
		reads_out += request->reads_out;
		held += request->held;
		unanswered += !request->responded;
		listed += rdmat_request_has_list(request->state);
	}
	check_lists(qp, listed);
	if (out != qp->requests_out)
		sim_fail("queue pair %u has %u requests and counts %u", qp->qpn, out,
			 qp->requests_out);
	if (held != qp->held)
		sim_fail("queue pair %u holds %u requests and counts %u", qp->qpn, held, qp->held);
	check_sendq(qp, sq_out, reads_out);
	check_sums(&qp->nvme);
	if (qp->tearing) {
		check_tearing(qp);
		return;
	}
	unanswered += parked_of(qp);
	if (unanswered != qp->outstanding || unanswered > qp->nvme.conn.depth)
		sim_fail("queue pair %u has %u commands to answer, counts %u and may have %u",
			 qp->qpn, unanswered, qp->outstanding, qp->nvme.conn.depth);
	check_progress(qp);
	check_unsignaled(qp);
}

static void check_pool(const struct wrasse_pool_line *line, uint32_t held)
{
	if (line->free + held != line->capacity)
		sim_fail("%s of group %u: %llu free and %u held do not make %llu", line->name,
			 line->group, (unsigned long long)line->free, held,
			 (unsigned long long)line->capacity);
}

/* @held: by class; the slots of the receiver are added. */
static void check_receiver(const struct rdmat_rx *rx, uint32_t held[2])
{
	uint32_t count[3] = {0, 0, 0}, idle = 0;

	for (uint32_t i = 0; i < rx->slot_count; i++)
		count[rx->slots[i].state]++;
	for (const struct ibv_recv_wr *wr = rx->idle; wr; wr = wr->next)
		idle++;
	if (idle != count[RDMAT_SLOT_IDLE] || rx->posted != count[RDMAT_SLOT_POSTED] ||
	    rx->held != count[RDMAT_SLOT_HELD])
		sim_fail(
			"a receiver has %u slots: %u idle (on its list %u), %u posted (noted %u), %u held (noted %u)",
			rx->slot_count, count[RDMAT_SLOT_IDLE], idle, count[RDMAT_SLOT_POSTED],
			rx->posted, count[RDMAT_SLOT_HELD], rx->held);
	if (idle && !rx->stopped && !pool_link_is_on_list(&rx->link) &&
	    (!rx->srq || !rx->posted ||
	     (rx->posted + (rx->class->admin ? rx->out : 0) < rx->wanted &&
	      (rx->class->admin || rx->wanted <= rx->slot_count || idle > rx->slot_count / 32))))
		sim_fail("%u receive slots are idle, and nobody posts them", idle);
	held[rx->class->admin] += count[RDMAT_SLOT_HELD];
}

/* What the queue pairs want that share a receiver, and what it has noted. */
static void check_wanted(struct wrasse_poll_group *group, const struct rdmat_rx *rx)
{
	const struct pool_list *lists[] = {&group->qps, &group->dying};
	struct pool_link *link, *tmp;
	uint32_t wanted = 0;

	for (unsigned i = 0; i < 2; i++)
		pool_list_for_each(link, tmp, lists[i]) {
			const struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

			if (qp->device->rx[qp->class->admin] == rx)
				wanted += qp->class->admin ? qp->reserved : qp->nvme.conn.depth;
		}
	if (wanted != rx->wanted)
		sim_fail("queue pairs want %u slots of a shared receiver, noted are %u", wanted,
			 rx->wanted);
}

static void check_receivers(struct wrasse_poll_group *group)
{
	struct pool_list *lists[] = {&group->qps, &group->dying};
	uint32_t held[2] = {0, 0};
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &group->devices) {
		const struct rdmat_group_device *device =
			pool_container(link, struct rdmat_group_device, link);

		for (unsigned i = 0; i < 2; i++)
			if (device->rx[i]) {
				check_receiver(device->rx[i], held);
				check_wanted(group, device->rx[i]);
			}
	}
	for (unsigned i = 0; i < 2; i++)
		pool_list_for_each(link, tmp, lists[i]) {
			const struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

			if (qp->rx)
				check_receiver(qp->rx, held);
		}
	for (unsigned i = 0; i < 2; i++)
		if (held[i] != group->classes[i].slots_held)
			sim_fail("%s: %u slots are held, noted are %u", group->classes[i].name,
				 held[i], group->classes[i].slots_held);
}

void check_group(unsigned index)
{
	struct wrasse_poll_group *group = target.group[index].group;
	struct wrasse_pool_line lines[16];
	struct pool_list *lists[] = {&group->qps, &group->dying};
	struct pool_link *link, *tmp;
	struct sums sums = {0};

	resv_check_poll();
	for (unsigned i = 0; i < 2; i++)
		pool_list_for_each(link, tmp, lists[i])
			check_qp(pool_container(link, struct rdmat_qp, link), &sums);
	check_parked(group, target.group[index].asleep, &sums);
	wrasse_poll_group_get_pools(group, lines, 16);
	check_pool(&lines[0], sums.wrs);
	check_pool(&lines[1], sums.small);
	check_pool(&lines[2], sums.large);
	check_pool(&lines[3], sums.requests[0]);
	check_pool(&lines[4], sums.requests[1]);
	check_pool(&lines[5], sums.slots[0]);
	check_pool(&lines[6], sums.slots[1]);
	check_receivers(group);
	if (rdmat_group_has_chores(group) && !group->chores)
		sim_fail("group %u has more to do than to post, and does not know", index);
	if (!pool_list_is_empty(&group->auths) && (target.group[index].asleep || !group->chores))
		sim_fail("group %u: an authentication waits for its turn, and nobody looks", index);
	auth_check_group(index);
	/* What is on its way out is looked at again in 2 ms, and the slots with it. */
	if (target.group[index].asleep && !pool_list_is_empty(&group->receivers) &&
	    pool_list_is_empty(&group->dying))
		sim_fail("group %u sleeps and has receive slots to post", index);
	if (backend_held(index) > sums.backend)
		sim_fail("the backend has %u I/Os of group %u, its requests say %u",
			 backend_held(index), index, sums.backend);
	check_course(index);
}
