/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/quiet.h"

#include "transport/group.h"
#include "transport/sendq.h"

/* Who posts less often than that gains nothing by it, and others could do with what it has. */
#define QUIET_NS (5 * RDMAT_NS_PER_MS)

/* Nobody waits for what the queue pair's posts have: its own commands not for queue slots or READ credits, others
 * not for requests, buffers or WRs, and nor will they soon. */
static bool is_nobodys(const struct rdmat_qp *qp)
{
	const struct wrasse_poll_group *group = qp->group;

	return !group->settling && !qp->partial &&
	       pool_list_is_empty(&qp->lists[RDMAT_REQUEST_FETCHING]) &&
	       pool_list_is_empty(&qp->lists[RDMAT_REQUEST_WAIT_RESPOND]) &&
	       qp->class->free_count > qp->class->capacity / 2 && pool_has_plenty(group->small) &&
	       pool_has_plenty(group->large) && pool_has_plenty(group->wr_pool);
}

bool rdmat_quiet_post(struct rdmat_qp *qp)
{
	struct wrasse_poll_group *group = qp->group;
	uint64_t now = rdmat_group_now(group), last = qp->posted_ns;

	qp->posted_ns = now;
	if (qp->sq_quiet + qp->sq_unposted_count > qp->sq_quiet_max || now - last > QUIET_NS ||
	    qp->sq_newest->request->disconnect_after || !is_nobodys(qp))
		return false;
	qp->sq_quiet += qp->sq_unposted_count;
	if (!pool_link_is_on_list(&qp->quiet_link))
		pool_list_add_tail(&group->quiet, &qp->quiet_link);
	if (!group->quiet_until) {
		group->quiet_until = now + QUIET_NS;
		if (group->quiet_until < group->next_timer_ns)
			group->next_timer_ns = group->quiet_until;
	}
	return true;
}

void rdmat_quiet_wanted(struct wrasse_poll_group *group)
{
	group->settling = true;
}

/* What is not posted yet tells of what is before it. */
static bool mark(struct rdmat_qp *qp)
{
	if (!qp->sq_unposted)
		return rdmat_sendq_mark(qp);
	qp->sq_quiet = qp->sq_quiet_max;
	return true;
}

static void mark_all(struct wrasse_poll_group *group)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &group->quiet)
		if (mark(pool_container(link, struct rdmat_qp, quiet_link)))
			pool_list_del(link);
	if (pool_list_is_empty(&group->quiet))
		group->quiet_until = 0;
}

void rdmat_quiet_settle(struct wrasse_poll_group *group)
{
	mark_all(group);
	group->settling = atomic_load(&group->drain) != RDMAT_DRAIN_NO ||
			  !pool_list_is_empty(&group->waiting[0]) ||
			  !pool_list_is_empty(&group->waiting[1]) ||
			  !pool_list_is_empty(&group->classes[0].parked) ||
			  !pool_list_is_empty(&group->classes[1].parked);
}

uint64_t rdmat_quiet_timers(struct wrasse_poll_group *group, uint64_t now_ns)
{
	if (group->quiet_until && now_ns >= group->quiet_until) {
		mark_all(group);
		if (group->quiet_until)
			group->quiet_until = now_ns + QUIET_NS;
	}
	return group->quiet_until ? group->quiet_until : UINT64_MAX;
}

void rdmat_quiet_end(struct rdmat_qp *qp)
{
	if (pool_link_is_on_list(&qp->quiet_link))
		pool_list_del(&qp->quiet_link);
	if (!rdmat_sendq_mark(qp))
		return;
	rdmat_sendq_post(qp);
	if (pool_link_is_on_list(&qp->dirty_link))
		pool_list_del(&qp->dirty_link);
}
