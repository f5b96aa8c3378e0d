/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unsignaled posts: which there may be, and the marks that bring back what they have. The list of queue pairs
 * with such posts, and its timer, belong to this file. Poll group's thread.
 */
#include "transport/unsignaled.h"

#include "transport/group.h"
#include "transport/sendq.h"

/* Who posts less often than that gains nothing by it, and others could do with what it has. */
#define UNSIGNALED_NS (5 * RDMAT_NS_PER_MS)

/* There are enough requests, buffers and WRs that nobody will soon wait for those of some posts. */
static bool has_plenty(const struct wrasse_poll_group *group, const struct rdmat_class *class)
{
	return class->free_count > class->capacity / 2 && pool_has_plenty(group->small) &&
	       pool_has_plenty(group->large) && pool_has_plenty(group->wr_pool);
}

/* Nobody waits for what the queue pair's posts have: its own commands not for queue slots or READ credits, others
 * not for requests, buffers or WRs; and nor will they soon, which is asked before the first of the posts. */
static bool is_nobodys(const struct rdmat_qp *qp)
{
	return !qp->group->settling && !qp->partial &&
	       pool_list_is_empty(&qp->lists[RDMAT_REQUEST_FETCHING]) &&
	       pool_list_is_empty(&qp->lists[RDMAT_REQUEST_WAIT_RESPOND]) &&
	       (qp->sq_unsignaled || has_plenty(qp->group, qp->class));
}

bool rdmat_unsignaled_post(struct rdmat_qp *qp)
{
	struct wrasse_poll_group *group = qp->group;
	uint64_t now = rdmat_group_now(group), last = qp->posted_ns;

	qp->posted_ns = now;
	if (qp->sq_unsignaled + qp->sq_unposted_count > qp->sq_unsignaled_max ||
	    now - last > UNSIGNALED_NS || qp->sq_newest->request->disconnect_after ||
	    !is_nobodys(qp))
		return false;
	qp->sq_unsignaled += qp->sq_unposted_count;
	if (!pool_link_is_on_list(&qp->unsignaled_link))
		pool_list_add_tail(&group->unsignaled, &qp->unsignaled_link);
	if (group->unsignaled_until == UINT64_MAX)
		group->unsignaled_until = now + UNSIGNALED_NS;
	return true;
}

void rdmat_unsignaled_wanted(struct wrasse_poll_group *group)
{
	group->settling = true;
	group->chores = true;
}

/* Who will post again soon tells with that of what is before it. Return: whether no more need be done. */
static bool mark(struct rdmat_qp *qp, bool busy)
{
	if (!busy && !qp->sq_unposted)
		return rdmat_sendq_mark(qp);
	qp->sq_unsignaled = qp->sq_unsignaled_max;
	return !busy;
}

/* @since: who has posted after that is busy. */
static void mark_all(struct wrasse_poll_group *group, uint64_t since)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &group->unsignaled) {
		struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, unsignaled_link);

		if (mark(qp, qp->posted_ns > since))
			pool_list_del(link);
	}
	if (pool_list_is_empty(&group->unsignaled))
		group->unsignaled_until = UINT64_MAX;
}

void rdmat_unsignaled_settle(struct wrasse_poll_group *group)
{
	mark_all(group, UINT64_MAX);
	group->settling = atomic_load(&group->drain) != RDMAT_DRAIN_NO ||
			  !pool_list_is_empty(&group->classes[0].waiting) ||
			  !pool_list_is_empty(&group->classes[1].waiting) ||
			  !pool_list_is_empty(&group->classes[0].parked) ||
			  !pool_list_is_empty(&group->classes[1].parked);
}

void rdmat_unsignaled_timer(struct wrasse_poll_group *group)
{
	uint64_t now = rdmat_group_now(group);

	group->unsignaled_until = now + UNSIGNALED_NS;
	mark_all(group, now - UNSIGNALED_NS);
}

void rdmat_unsignaled_end(struct rdmat_qp *qp)
{
	if (pool_link_is_on_list(&qp->unsignaled_link))
		pool_list_del(&qp->unsignaled_link);
	if (!rdmat_sendq_mark(qp))
		return;
	rdmat_sendq_post(qp);
	if (pool_link_is_on_list(&qp->dirty_link))
		pool_list_del(&qp->dirty_link);
}
