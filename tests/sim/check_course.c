/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's inside, compared with how it was: what a queue pair was granted stays what it was, whoever
 * waits longest is served next, a connection that must end does so in time, and a drain leaves nobody.
 */
#include <string.h>

#include "sim.h"

#include "transport/group.h"

#define SEEN 1024u /* queue pairs of a group that are remembered */

/* A queue pair's limits, as they were when it was new. */
struct seen {
	uint32_t number; /* rdmat_qp.number; 0: none */
	uint32_t slots, reads;
	bool destroyed;
	uint64_t busy; /* the poll of its group after which it was, or completions were left */
};

/* The request whose turn is next, of those that wait for resources. */
struct head {
	const struct rdmat_request *request;
	uint32_t queue; /* rdmat_qp.number */
	uint64_t received_ns;
	uint64_t since_ns; /* it has been the next since */
	bool could_go;     /* everything that it could need was free */
};

static struct course {
	struct seen seen[SEEN];
	struct head heads[2]; /* by class */
	uint32_t until_slow;
	uint64_t next_timer_ns;
} courses[SIM_MAX_GROUPS];

void check_course_reset(void)
{
	memset(courses, 0, sizeof(courses));
}

static uint32_t sum_out(const struct rdmat_qp *qp, bool reads)
{
	const struct rdmat_request *request;
	uint32_t sum = 0;

	if (!qp->requests_out)
		return 0;
	rdmat_request_for_each(request, qp->class) {
		if (request->qp == qp)
			sum += reads ? request->reads_out : request->sq_out;
	}
	return sum;
}

/* What the library believes to have is no more than what the hardware and the host gave. */
static void note_limits(const struct rdmat_qp *qp, struct seen *seen)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	*seen = (struct seen){qp->number, qp->sq_free + sum_out(qp, false),
			      qp->reads_free + sum_out(qp, true)};
	if (qp->tearing || !qp->qp ||
	    ibv_query_qp(qp->qp, &attr, IBV_QP_MAX_QP_RD_ATOMIC | IBV_QP_CAP, &init))
		return;
	if (seen->slots > init.cap.max_send_wr || seen->reads > attr.max_rd_atomic)
		sim_fail(
			"queue pair %u counts %u queue slots and %u READ credits, it has %u and %u",
			qp->qpn, seen->slots, seen->reads, init.cap.max_send_wr,
			attr.max_rd_atomic);
}

static void check_limits(unsigned index, const struct rdmat_qp *qp)
{
	struct seen *seen = &courses[index].seen[qp->number % SEEN];
	uint32_t slots, reads;

	if (seen->number != qp->number) {
		note_limits(qp, seen);
		return;
	}
	if (!qp->qp && (!seen->destroyed || fabric_cq_count(qp->device->cq))) {
		seen->destroyed = true;
		seen->busy = target.group[index].polls;
	}
	slots = qp->sq_free + sum_out(qp, false);
	reads = qp->reads_free + sum_out(qp, true);
	if (slots != seen->slots || reads != seen->reads)
		sim_fail("queue pair %u had %u queue slots and %u READ credits, and now %u and %u",
			 qp->qpn, seen->slots, seen->reads, slots, reads);
}

/* ---- who waits for resources ---- */

static const struct rdmat_request *next_of(const struct pool_list *waiting)
{
	const struct pool_link *link = pool_list_first(waiting);
	const struct rdmat_qp *qp;

	if (!link)
		return NULL;
	qp = pool_container(link, const struct rdmat_qp, wait_link);
	link = pool_list_first(&qp->lists[RDMAT_REQUEST_WAIT_RESOURCES]);
	return link ? pool_container(link, const struct rdmat_request, link) : NULL;
}

static bool all_is_free(const struct wrasse_poll_group *group)
{
	struct wrasse_pool_line lines[3];

	wrasse_poll_group_get_pools(group, lines, 3);
	return lines[0].free == lines[0].capacity && lines[1].free == lines[1].capacity &&
	       lines[2].free == lines[2].capacity;
}

/* Nobody that came after @head was the next has what it waits for. */
static void check_overtaken(const struct head *head)
{
	const struct rdmat_request *request;

	rdmat_request_for_each(request, head->request->class) {
		if (request->state >= RDMAT_REQUEST_WAIT_FETCH &&
		    request->state < RDMAT_REQUEST_FLUSHING && request->buffers &&
		    request->received_ns > head->since_ns)
			sim_fail(
				"queue pair %u was served, and queue pair %u waits for resources since before",
				request->qp->qpn, head->request->qp->qpn);
	}
}

static void check_waiting(const struct wrasse_poll_group *group, unsigned class, struct head *head)
{
	const struct rdmat_request *request = next_of(&group->classes[class].waiting);
	bool could_go;

	if (!request) {
		head->request = NULL;
		return;
	}
	could_go = all_is_free(group);
	if (request != head->request || request->qp->number != head->queue ||
	    request->received_ns != head->received_ns) {
		*head = (struct head){request, request->qp->number, request->received_ns,
				      fabric_now_ns(), could_go};
		return;
	}
	if (could_go && head->could_go)
		sim_fail("queue pair %u waits for resources, and all are free", request->qp->qpn);
	head->could_go = could_go;
	check_overtaken(head);
}

/* ---- time ---- */

/* The group looks at its timers now and then; afterwards nobody's time is up. */
static void check_deadlines(unsigned index, const struct wrasse_poll_group *group,
			    struct course *course)
{
	struct pool_link *link, *tmp;
	bool looked = group->until_slow >= course->until_slow;
	bool due = fabric_now_ns() >= course->next_timer_ns;

	course->until_slow = group->until_slow;
	course->next_timer_ns = group->next_timer_ns;
	if (!looked)
		return;
	if (fabric_now_ns() >= group->unsignaled_until)
		sim_fail("group %u looked at its timers, and not at who asked for no completion",
			 index);
	if (due)
		backend_check_timers(index);
	pool_list_for_each(link, tmp, &group->qps) {
		const struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

		/* One that is tried again has come, and waits for the target. */
		if (qp->nvme.state == NVME_QUEUE_NEW && fabric_now_ns() >= qp->deadline_ns &&
		    !qp->retry)
			sim_fail("queue pair %u sent no Connect in time, and is still there",
				 qp->qpn);
		if (due && qp->nvme.auth_deadline_ns &&
		    fabric_now_ns() >= qp->nvme.auth_deadline_ns)
			sim_fail(
				"queue pair %u's host took too long to authenticate itself, and is still there",
				qp->qpn);
	}
}

/*
 * What must end a connection has arrived; as many completions may be before it as the group has receives and
 * WRs.
 */
void check_doomed(uint32_t qpn, const uint64_t polls[SIM_MAX_GROUPS])
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;
	struct pool_link *link, *tmp;

	for (unsigned i = 0; i < target.groups && !target.draining; i++) {
		const struct wrasse_poll_group *group = target.group[i].group;

		if (target.group[i].polls < polls[i] + 16 + 512 / plan.group.poll_budget)
			continue;
		pool_list_for_each(link, tmp, &group->qps) {
			const struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

			if (!ibv_query_qp(qp->qp, &attr, IBV_QP_DEST_QPN, &init) &&
			    attr.dest_qp_num == qpn)
				sim_fail("queue pair %u was sent what must end it, and carries on",
					 qp->qpn);
		}
	}
}

void check_course(unsigned index)
{
	const struct wrasse_poll_group *group = target.group[index].group;
	const struct pool_list *lists[] = {&group->qps, &group->dying};
	struct course *course = &courses[index];
	struct pool_link *link, *tmp;

	for (unsigned i = 0; i < 2; i++)
		pool_list_for_each(link, tmp, lists[i])
			check_limits(index, pool_container(link, struct rdmat_qp, link));
	for (unsigned class = 0; class < 2; class ++)
		check_waiting(group, class, &course->heads[class]);
	check_deadlines(index, group, course);
}

/* ---- the drain ---- */

static bool backend_has(const struct rdmat_qp *qp)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &qp->lists[RDMAT_REQUEST_FLUSHING])
		if (pool_container(link, struct rdmat_request, link)->backend)
			return true;
	return false;
}

/*
 * Its last completions come behind others, of which a poll takes few: the last that took some need not have
 * been the one that found no more. And the poll that destroys it, perhaps the first for long, is not the one
 * that sweeps.
 */
static bool is_being_swept(unsigned index, const struct rdmat_qp *qp)
{
	const struct seen *seen = &courses[index].seen[qp->number % SEEN];

	return !qp->qp &&
	       (seen->number != qp->number || target.group[index].polls <= seen->busy + 2);
}

void check_drained(void)
{
	struct pool_link *link, *tmp;

	for (unsigned i = 0; i < target.groups; i++) {
		const struct wrasse_poll_group *group = target.group[i].group;

		if (!pool_list_is_empty(&group->qps))
			sim_fail("the drain is over, and group %u has queue pairs that carry on",
				 i);
		pool_list_for_each(link, tmp, &group->dying) {
			const struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

			if (!backend_has(qp) && !is_being_swept(i, qp) &&
			    fabric_now_ns() > qp->deadline_ns + 20 * SIM_MS)
				sim_fail(
					"the drain is over, and queue pair %u is left for no reason",
					qp->qpn);
		}
	}
}
