/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fused pairs. A first half that waits for its second holds nothing but its capsule, and only so
 * many may wait, so that there is always a receive slot for the second. Both halves take buffers
 * and WRs in one step. Who waits for a turn holds nothing that the pair which has it could need.
 */
#include "transport/pair.h"

#include "transport/flow.h"
#include "transport/group.h"
#include "transport/resources.h"
#include "transport/sendq.h"

static void half_set(struct rdmat_qp *qp, struct rdmat_request *half)
{
	qp->half = half;
	qp->group->halves++;
}

static struct rdmat_request *half_take(struct rdmat_qp *qp)
{
	struct rdmat_request *half = qp->half;

	qp->half = NULL;
	qp->group->halves -= half != NULL;
	return half;
}

/* Half of the capsules that the group can have at once: the others can bring their seconds. */
static bool halves_are_full(const struct wrasse_poll_group *group, const struct rdmat_class *class)
{
	uint32_t capsules = class->capacity < group->io_slots ? class->capacity : group->io_slots;

	return group->halves >= capsules / 2;
}

static void first_came(struct rdmat_request *request)
{
	struct rdmat_qp *qp = request->qp;

	if (halves_are_full(qp->group, qp->class)) {
		nvme_half_reject(&request->nvme);
		rdmat_flow_respond(request);
		return;
	}
	rdmat_request_move(request, RDMAT_REQUEST_WAIT_PAIR);
	half_set(qp, request);
}

static void pair_begin(struct rdmat_request *first)
{
	if (pool_list_is_empty(&first->class->waiting) && rdmat_pair_take(first))
		rdmat_pair_start(first);
	else
		rdmat_flow_wait_resources(first);
}

static void second_came(struct rdmat_request *first, struct rdmat_request *second)
{
	rdmat_request_move(second, RDMAT_REQUEST_WAIT_PAIR);
	if (!nvme_pair_check(&first->nvme, &second->nvme)) {
		rdmat_flow_respond(first);
		rdmat_flow_respond(second);
		return;
	}
	first->pair = second;
	second->pair = first;
	first->special = second->special = true;
	if (!nvme_request_must_wait(&first->nvme))
		pair_begin(first);
}

void rdmat_pair_capsule(struct rdmat_request *request, bool good)
{
	struct rdmat_request *first = half_take(request->qp);
	enum nvme_half half = nvme_request_half(&request->nvme);

	if (first && half == NVME_HALF_SECOND) {
		second_came(first, request);
		return;
	}
	if (first) {
		nvme_half_miss(&first->nvme);
		rdmat_flow_respond(first);
	}
	if (half == NVME_HALF_FIRST) {
		first_came(request);
		return;
	}
	if (half == NVME_HALF_SECOND)
		nvme_half_miss(&request->nvme);
	if (good && half == NVME_HALF_NONE)
		rdmat_flow_start(request);
	else
		rdmat_flow_respond(request);
}

bool rdmat_pair_take(struct rdmat_request *first)
{
	return rdmat_request_take_pair(first, first->pair);
}

static void try_later(struct rdmat_qp *qp)
{
	if (!pool_link_is_on_list(&qp->pair_link))
		pool_list_add_tail(&qp->group->pairs, &qp->pair_link);
	qp->group->chores = true;
}

/* Executes the first half if both have their data and it is the pair's turn. */
static bool pair_try(struct rdmat_request *first)
{
	struct rdmat_qp *qp = first->qp;

	if (first->state != RDMAT_REQUEST_WAIT_TURN ||
	    first->pair->state != RDMAT_REQUEST_WAIT_TURN)
		return false;
	if (!nvme_request_must_wait(&first->nvme) && nvme_turn_take(&first->nvme)) {
		rdmat_flow_execute(first);
		return true;
	}
	try_later(qp);
	return false;
}

void rdmat_pair_start(struct rdmat_request *first)
{
	struct rdmat_request *halves[] = {first, first->pair};

	for (unsigned i = 0; i < 2; i++)
		rdmat_request_move(halves[i], halves[i]->first ? RDMAT_REQUEST_WAIT_FETCH :
								 RDMAT_REQUEST_WAIT_TURN);
	rdmat_sendq_fill(first->qp);
	pair_try(first);
}

static bool is_first(const struct rdmat_request *half)
{
	return nvme_request_half(&half->nvme) == NVME_HALF_FIRST;
}

void rdmat_pair_fetched(struct rdmat_request *half)
{
	rdmat_request_move(half, RDMAT_REQUEST_WAIT_TURN);
	pair_try(is_first(half) ? half : half->pair);
}

struct rdmat_request *rdmat_pair_part(struct rdmat_request *request)
{
	struct rdmat_request *second = request->pair;

	request->pair = second->pair = NULL;
	nvme_turn_pass(&request->nvme, &second->nvme);
	return second;
}

void rdmat_pair_break(struct rdmat_request *request)
{
	if (request->qp->half == request)
		half_take(request->qp);
	if (request->pair)
		request->pair->pair = NULL;
	request->pair = NULL;
}

/* A pair that waits for its namespace's resume and need not. */
static struct rdmat_request *resumed_pair(const struct rdmat_qp *qp)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &qp->lists[RDMAT_REQUEST_WAIT_PAIR]) {
		struct rdmat_request *request = pool_container(link, struct rdmat_request, link);

		if (request->pair && is_first(request) && !nvme_request_must_wait(&request->nvme))
			return request;
	}
	return NULL;
}

void rdmat_pair_go_on(struct rdmat_qp *qp)
{
	struct rdmat_request *first;

	while ((first = resumed_pair(qp)))
		pair_begin(first);
}

/* One pair at a time: what it does may change the list. Others have their chance in the next poll. */
static int qp_resume(struct rdmat_qp *qp)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &qp->lists[RDMAT_REQUEST_WAIT_TURN]) {
		struct rdmat_request *request = pool_container(link, struct rdmat_request, link);

		if (!request->pair || !is_first(request) || !pair_try(request))
			continue;
		try_later(qp);
		return 1;
	}
	return 0;
}

int rdmat_pair_resume(struct wrasse_poll_group *group)
{
	struct pool_list again;
	struct pool_link *link;
	int count = 0;

	pool_list_init(&again);
	while ((link = pool_list_pop(&group->pairs)))
		pool_list_add_tail(&again, link);
	while ((link = pool_list_pop(&again)))
		count += qp_resume(pool_container(link, struct rdmat_qp, pair_link));
	return count;
}
