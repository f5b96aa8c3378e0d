/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Poll groups: the poll loop, sleeping, messages. The loop looks at completions in every poll and at
 * timers and CM events now and then, or at once after a sleep that they have ended.
 */
#include "transport/group.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "inline.h"
#include "pool/panic.h"
#include "transport/flow.h"
#include "transport/pair.h"
#include "transport/sendq.h"
#include "transport/straight.h"
#include "transport/unsignaled.h"

/* Polls between two looks at the clock, timers and CM events of a group that never sleeps. */
#define SLOW_POLLS 256

#define READY_MAX 8 /* descriptors that are looked at at once */

/* ---- from any thread ---- */

/* Its address is had for less than pthread_self(). A library that dlopen() loads has it in what libc keeps for such. */
static __thread char this_thread __attribute__((tls_model("initial-exec")));

ALWAYS_INLINE const void *rdmat_this_thread(void)
{
	return &this_thread;
}

void wrasse_poll_group_wake(struct wrasse_poll_group *group)
{
	uint64_t one = 1;
	ssize_t ignored = write(group->wake_fd, &one, sizeof(one));

	(void)ignored;
}

/* Pairs with the store of armed in wrasse_poll_group_arm(), which looks at everything again after
 * it. */
static void wake_if_armed(struct wrasse_poll_group *group)
{
	if (atomic_load(&group->armed))
		wrasse_poll_group_wake(group);
}

void rdmat_group_attention(struct wrasse_poll_group *group)
{
	atomic_store(&group->attention, true);
	wake_if_armed(group);
}

void rdmat_group_send(struct wrasse_poll_group *group, struct rdmat_msg *msg)
{
	pool_inbox_push(&group->inbox, &msg->link);
	wake_if_armed(group);
}

void rdmat_group_done(struct wrasse_poll_group *group, struct rdmat_request *request)
{
	request->msg.link.next = NULL;
	*group->local_done_tail = &request->msg.link;
	group->local_done_tail = &request->msg.link.next;
	wake_if_armed(group);
}

static void io_done(struct wrasse_poll_group *group, struct rdmat_msg *msg)
{
	rdmat_flow_io_done(pool_container(msg, struct rdmat_request, msg));
}

static __attribute__((noreturn, noinline, cold)) void completed_twice(const char *function)
{
	pool_panic("%s() was called twice for one command, or for one that was not submitted",
		   function);
}

static __attribute__((noinline)) void complete_later(struct rdmat_request *request)
{
	struct wrasse_poll_group *group = request->class->group;

	if (group->owner == rdmat_this_thread()) {
		rdmat_group_done(group, request);
		return;
	}
	request->msg.run = io_done;
	rdmat_group_send(group, &request->msg);
}

static ALWAYS_INLINE void complete(struct nvme_request *nvme, struct wrasse_status status,
				   const char *function)
{
	struct rdmat_request *request = rdmat_request_of_nvme(nvme);

	if (rdmat_straight_completed(request, status))
		return;
	if (!request->io_out)
		completed_twice(function);
	relaxed_store(&request->io_out, false); /* see abort.c */
	request->io_status = status;
	complete_later(request);
}

void wrasse_io_complete(struct wrasse_io *io, struct wrasse_status status)
{
	complete(pool_container(io, struct nvme_request, io), status, __func__);
}

void wrasse_command_complete(struct wrasse_command *command, struct wrasse_status status)
{
	complete(pool_container(command, struct nvme_request, command), status, __func__);
}

void *wrasse_poll_group_ctx(const struct wrasse_poll_group *group)
{
	return group->ctx;
}

unsigned wrasse_poll_group_index(const struct wrasse_poll_group *group)
{
	return group->index;
}

int wrasse_poll_group_fd(const struct wrasse_poll_group *group)
{
	return group->epoll_fd;
}

void wrasse_poll_group_get_stats(const struct wrasse_poll_group *group,
				 struct wrasse_poll_group_stats *stats, size_t size)
{
	const uint64_t *from = (const uint64_t *)(const void *)&group->stats;
	size_t words = (size < sizeof(*stats) ? size : sizeof(*stats)) / sizeof(uint64_t);

	memset(stats, 0, size);
	for (size_t i = 0; i < words; i++)
		((uint64_t *)(void *)stats)[i] = relaxed_load(&from[i]);
	if (words)
		stats->polls += relaxed_load(&group->stats.idle_polls);
}

/* ---- queue pairs by number ---- */

static struct rdmat_qp **bucket(struct rdmat_group_device *device, uint32_t qpn)
{
	return &device->buckets[qpn % RDMAT_QP_BUCKETS];
}

struct rdmat_qp *rdmat_group_qp_find(struct rdmat_group_device *device, uint32_t qpn)
{
	struct rdmat_qp *qp = *bucket(device, qpn);

	while (qp && qp->qpn != qpn)
		qp = qp->hash_next;
	return qp;
}

void rdmat_group_qp_add(struct wrasse_poll_group *group, struct rdmat_qp *qp)
{
	struct rdmat_qp **first = bucket(qp->device, qp->qpn);

	qp->hash_next = *first;
	*first = qp;
	pool_list_add_tail(&group->qps, &qp->link);
	rdmat_count(&group->stats.connects, 1);
	qp->number = (uint32_t)group->stats.connects;
	rdmat_count(&group->stats.queue_pairs, 1);
}

void rdmat_group_qp_remove(struct wrasse_poll_group *group, struct rdmat_qp *qp)
{
	struct rdmat_qp **link = bucket(qp->device, qp->qpn);

	while (*link != qp)
		link = &(*link)->hash_next;
	*link = qp->hash_next;
	pool_list_del(&qp->link);
	atomic_fetch_sub(&group->load[qp->class->admin], 1);
	rdmat_count(&group->stats.disconnects, 1);
	rdmat_count(&group->stats.queue_pairs, (uint64_t)-1);
}

/* ---- the poll loop ---- */

int rdmat_group_inbox(struct wrasse_poll_group *group)
{
	struct pool_inbox_link *link = pool_inbox_take(&group->inbox), *next;
	int count = 0;

	for (; link; link = next) {
		struct rdmat_msg *msg = pool_container(link, struct rdmat_msg, link);

		next = link->next;
		msg->run(group, msg);
		count++;
	}
	return count;
}

/* Acts on what backends completed on this thread; what that completes in turn is acted on as well.
 */
static __attribute__((noinline)) int run_all(struct wrasse_poll_group *group)
{
	int count = 0;

	while (group->local_done) {
		struct rdmat_request *request =
			pool_container(group->local_done, struct rdmat_request, msg.link);

		group->local_done = request->msg.link.next;
		if (!group->local_done)
			group->local_done_tail = &group->local_done;
		rdmat_flow_io_done(request);
		count++;
	}
	return count;
}

static inline int run_local(struct wrasse_poll_group *group)
{
	return group->local_done ? run_all(group) : 0;
}

static __attribute__((noinline)) int poll_backends(struct wrasse_poll_group *group)
{
	int count = 0;

	for (struct nvme_ns_port *port = group->ports; port; port = port->next_work)
		count += port->ns->ops.poll(port->ns->backend, port->group_ctx);
	return count;
}

static int poll_devices(struct wrasse_poll_group *group)
{
	struct pool_link *link;
	int count = 0;

	for (link = group->devices.head.next; link != &group->devices.head; link = link->next)
		count += rdmat_group_device_poll(
			pool_container(link, struct rdmat_group_device, link));
	return count;
}

/* Who depends on them must not wait for ever. */
static void receives_failed(struct wrasse_poll_group *group, struct rdmat_rx *rx, int rc)
{
	struct pool_link *link, *tmp;

	rdmat_log(group->rdmat, WRASSE_LOG_ERROR, "poll group %u: receives not posted: %s",
		  group->index, strerror(-rc));
	rx->stopped = true;
	if (rx->owner) {
		rdmat_qp_disconnect(rx->owner, "its receives cannot be posted");
		return;
	}
	pool_list_for_each(link, tmp, &group->devices) {
		struct rdmat_group_device *device =
			pool_container(link, struct rdmat_group_device, link);

		if (device->device == rx->device)
			rdmat_group_device_fail(device, "its receives cannot be posted");
	}
}

static void post_receives(struct wrasse_poll_group *group)
{
	struct pool_link *link;

	while ((link = pool_list_pop(&group->receivers))) {
		struct rdmat_rx *rx = pool_container(link, struct rdmat_rx, link);
		int rc = rdmat_rx_post(rx);

		if (rc)
			receives_failed(group, rx, rc);
	}
}

static void post_all(struct wrasse_poll_group *group)
{
	struct pool_link *link;

	/* Receives first: a host that is answered may send its next command at once. */
	if (!pool_list_is_empty(&group->receivers))
		post_receives(group);
	while ((link = pool_list_pop(&group->dirty)))
		rdmat_sendq_post(pool_container(link, struct rdmat_qp, dirty_link));
}

static bool may_unpark(const struct rdmat_class *class)
{
	return !pool_list_is_empty(&class->parked) && class->free_count;
}

/* A capsule may wait for a request that this has freed: whoever would sleep now has to poll once more. */
static int reap(struct wrasse_poll_group *group)
{
	struct pool_link *link, *tmp;
	int count = 0;

	pool_list_for_each(link, tmp, &group->dying)
		count += rdmat_qp_reap(pool_container(link, struct rdmat_qp, link));
	return count + (may_unpark(&group->classes[0]) || may_unpark(&group->classes[1]));
}

/* What is held, and what was not started, goes with it. An admin queue would take I/O queues with it
 * that have something in flight: it is the last. */
static bool has_ended(const struct rdmat_qp *qp)
{
	return qp->nvme.state == NVME_QUEUE_NEW ||
	       (qp->requests_out == qp->held + rdmat_flow_not_started(qp) &&
		!nvme_queue_has_others(&qp->nvme));
}

/* Ends queue pairs that have nothing in flight, or all of them; says when none is left. */
static int drain_step(struct wrasse_poll_group *group, int drain)
{
	struct pool_link *link, *tmp;
	int count = 0;

	pool_list_for_each(link, tmp, &group->qps) {
		struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

		if (drain == RDMAT_DRAIN_FORCED || has_ended(qp)) {
			rdmat_qp_disconnect(qp, NULL);
			count++;
		}
	}
	if (!atomic_load(&group->drained) && pool_list_is_empty(&group->qps) &&
	    pool_list_is_empty(&group->dying) && !rdmat_group_load(group) && !group->aborts_out) {
		/* Nobody is left, but something may be lost. */
		rdmat_group_fill_ledger(group);
		atomic_store(&group->drained, true);
		rdmat_wake(group->rdmat);
		count++;
	}
	if (atomic_exchange(&group->want_ledger, false)) {
		rdmat_group_fill_ledger(group);
		atomic_store(&group->ledger_ready, true);
		rdmat_wake(group->rdmat);
		count++;
	}
	return count;
}

/* What need not be looked at in every poll. Like act() not inline: an empty poll would save registers for it. */
static __attribute__((noinline)) int slow_poll(struct wrasse_poll_group *group)
{
	uint64_t now = rdmat_group_now(group);
	int count;

	if (!group->owned) {
		group->owner = rdmat_this_thread();
		group->owned = true;
	}
	group->until_slow = SLOW_POLLS;
	count = rdmat_group_cm_events(group);
	if (now >= group->next_timer_ns)
		count += rdmat_group_timers(group);
	if (now >= group->unsignaled_until)
		rdmat_unsignaled_timer(group);
	return count;
}

static void wake_fd_clear(struct wrasse_poll_group *group)
{
	uint64_t count;
	ssize_t ignored = read(group->wake_fd, &count, sizeof(count));

	(void)ignored;
}

/* Whoever slept looks only at what woke it. What is not taken now shows itself again. */
static __attribute__((noinline)) void wake_up(struct wrasse_poll_group *group)
{
	struct epoll_event events[READY_MAX];
	int count;

	atomic_store(&group->armed, false);
	count = epoll_wait(group->epoll_fd, events, READY_MAX, 0);
	for (int i = 0; i < count; i++) {
		void *source = events[i].data.ptr;

		if (source == &group->wake_fd)
			wake_fd_clear(group);
		else if (source == &group->cm_channel)
			group->until_slow = 0;
		else
			rdmat_group_device_ack(source);
	}
	/* A timer, or nothing at all. */
	if (count <= 0)
		group->until_slow = 0;
}

/* What few polls have to do. */
static __attribute__((noinline)) int do_chores(struct wrasse_poll_group *group, int drain)
{
	int count = 0;

	if (!pool_list_is_empty(&group->classes[0].waiting) ||
	    !pool_list_is_empty(&group->classes[1].waiting)) {
		rdmat_flow_resume(group);
		count += run_local(group);
	}
	if (!pool_list_is_empty(&group->pairs)) {
		count += rdmat_pair_resume(group);
		count += run_local(group);
	}
	if (may_unpark(&group->classes[0]) || may_unpark(&group->classes[1])) {
		count += rdmat_flow_unpark(group);
		count += run_local(group);
	}
	if (drain != RDMAT_DRAIN_NO) {
		count += drain_step(group, drain);
		rdmat_unsignaled_wanted(group);
	}
	if (group->settling)
		rdmat_unsignaled_settle(group);
	post_all(group);
	/* Last, and after what others wait for is posted: it takes long. */
	if (!pool_list_is_empty(&group->auths)) {
		count += rdmat_flow_auth(group);
		post_all(group);
	}
	if (!pool_list_is_empty(&group->dying))
		count += reap(group);
	if (group->device_failed)
		count += rdmat_group_devices_renew(group);
	if (group->leaving)
		count += rdmat_group_detach_leaving(group);
	if (!pool_list_is_empty(&group->receivers))
		post_receives(group);
	group->chores = rdmat_group_has_chores(group);
	return count;
}

static __attribute__((noinline)) int act(struct wrasse_poll_group *group, int drain)
{
	int count = run_local(group);

	if (!group->chores && drain == RDMAT_DRAIN_NO)
		post_all(group);
	/* Also what came of posting. */
	if (group->chores || drain != RDMAT_DRAIN_NO)
		count += do_chores(group, drain);
	return count;
}

static ALWAYS_INLINE int poll_once(struct wrasse_poll_group *group)
{
	int drain, count;

	group->now_ns = 0;
	count = pool_inbox_is_empty(&group->inbox) ? 0 : rdmat_group_inbox(group);
	if (relaxed_load(&group->attention)) {
		group->chores = true;
		count += rdmat_group_sync(group);
	}
	if (group->until_slow-- == 0) {
		group->chores = true;
		count += slow_poll(group);
	}
	count += poll_devices(group);
	if (group->ports)
		count += poll_backends(group);
	drain = relaxed_load(&group->drain);
	if (count || group->chores || group->local_done || drain != RDMAT_DRAIN_NO)
		count += act(group, drain);
	if (count)
		rdmat_group_check_books(group);
	return count;
}

int wrasse_poll_group_poll(struct wrasse_poll_group *group)
{
	int count;

	if (group->polling)
		return -EDEADLK;
	group->polling = true;
	if (relaxed_load(&group->armed))
		wake_up(group);
	count = poll_once(group);
	rdmat_count(count ? &group->stats.polls : &group->stats.idle_polls, 1);
	group->polling = false;
	return count;
}

static int timeout_ms(struct wrasse_poll_group *group)
{
	uint64_t now = rdmat_group_now(group), next = group->next_timer_ns;

	if (group->unsignaled_until < next)
		next = group->unsignaled_until;
	/* What is on its way out waits for no event that the descriptor would show. */
	if (!pool_list_is_empty(&group->dying) || group->leaving ||
	    !pool_list_is_empty(&group->pairs) ||
	    atomic_load(&group->drain) == RDMAT_DRAIN_GRACEFUL)
		return 2;
	if (next == UINT64_MAX)
		return -1;
	if (next <= now)
		return 0;
	return (int)((next - now) / RDMAT_NS_PER_MS) + 1;
}

int wrasse_poll_group_arm(struct wrasse_poll_group *group, int *timeout)
{
	struct pool_link *link, *tmp;
	int count, unarmed = 0;

	if (group->polling)
		return -EDEADLK;
	atomic_store(&group->armed, true);
	pool_list_for_each(link, tmp, &group->devices) {
		struct rdmat_group_device *device =
			pool_container(link, struct rdmat_group_device, link);

		if (!device->armed && !device->failed)
			device->armed = !ibv_req_notify_cq(device->cq, 0);
		unarmed += !device->armed && !device->failed;
	}
	group->polling = true;
	/* Without a notification there is nothing to sleep for: poll on. */
	count = poll_once(group) + unarmed;
	group->polling = false;
	if (timeout)
		*timeout = timeout_ms(group);
	return count;
}
