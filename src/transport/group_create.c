/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Poll groups come and go: descriptors, pools, requests. The control plane's thread; the group is not
 * polled yet, or not any more.
 */
#include "transport/group.h"

#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int descriptors_open(struct wrasse_poll_group *group)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &group->wake_fd};

	group->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	group->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (group->epoll_fd < 0 || group->wake_fd < 0)
		return -errno;
	return epoll_ctl(group->epoll_fd, EPOLL_CTL_ADD, group->wake_fd, &event) ? -errno : 0;
}

int rdmat_group_open_cm(struct wrasse_poll_group *group)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &group->cm_channel};
	int flags;

	if (group->cm_channel)
		return 0;
	group->cm_channel = rdma_create_event_channel();
	if (!group->cm_channel)
		return -errno;
	flags = fcntl(group->cm_channel->fd, F_GETFL);
	if (fcntl(group->cm_channel->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    epoll_ctl(group->epoll_fd, EPOLL_CTL_ADD, group->cm_channel->fd, &event))
		return -errno;
	return 0;
}

static int pools_create(struct wrasse_poll_group *group, const struct wrasse_poll_group_opts *opts)
{
	struct pool_opts wrs = {"wr pool",   opts->wrs, (sizeof(struct rdmat_pool_wr) + 63u) & ~63u,
				group->node, false,     NULL};
	struct pool_opts small = {
		"small buffers",  opts->small_buffers, RDMAT_SMALL_LEN, group->node, true,
		opts->data_memory};
	struct pool_opts large = {
		"large buffers", opts->large_buffers, RDMAT_LARGE_LEN, group->node, true, NULL};
	int rc;

	if (opts->data_memory)
		large.lent = (char *)opts->data_memory + pool_payload_len(&small);
	rc = pool_create(&wrs, &group->wr_pool);
	if (!rc)
		rc = pool_create(&small, &group->small);
	if (!rc)
		rc = pool_create(&large, &group->large);
	if (!rc)
		rc = rdmat_class_init(&group->classes[0], group, "I/O requests", opts->io_requests,
				      group->node, false);
	if (!rc)
		rc = rdmat_class_init(&group->classes[1], group, "admin requests",
				      opts->admin_requests, group->node, true);
	group->classes[0].wr_reserve = opts->wrs / 16;
	group->classes[0].small_reserve = opts->small_buffers / 16;
	return rc;
}

static void lists_init(struct wrasse_poll_group *group)
{
	struct pool_list *lists[] = {&group->devices, &group->receivers, &group->qps,
				     &group->dying,   &group->dirty,     &group->unsignaled,
				     &group->auths,   &group->pairs};

	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		pool_list_init(lists[i]);
	group->unsignaled_until = UINT64_MAX;
	pool_inbox_init(&group->inbox);
	group->local_done_tail = &group->local_done;
}

static int near_node(int node)
{
	if (node >= 0 || numa_available() < 0)
		return node < 0 ? 0 : node;
	/* -1 if it is not known where this runs. */
	node = numa_node_of_cpu(sched_getcpu());
	return node < 0 ? 0 : node;
}

static void group_free(struct wrasse_poll_group *group)
{
	struct pool_link *link;

	while ((link = pool_list_first(&group->devices)))
		rdmat_group_device_free(pool_container(link, struct rdmat_group_device, link));
	if (group->cm_channel)
		rdma_destroy_event_channel(group->cm_channel);
	rdmat_class_fini(&group->classes[0]);
	rdmat_class_fini(&group->classes[1]);
	pool_destroy(group->wr_pool);
	pool_destroy(group->small);
	pool_destroy(group->large);
	if (group->epoll_fd >= 0)
		close(group->epoll_fd);
	if (group->wake_fd >= 0)
		close(group->wake_fd);
	free(group->holders);
	free(group->departed);
	free(group);
}

int rdmat_group_create(struct rdmat *rdmat, const struct wrasse_poll_group_opts *opts,
		       unsigned index, struct wrasse_poll_group **out)
{
	struct wrasse_poll_group *group = object_alloc(sizeof(*group));
	int rc;

	if (!group)
		return -ENOMEM;
	group->rdmat = rdmat;
	group->index = index;
	group->ctx = opts->ctx;
	group->node = near_node(opts->numa_node);
	group->budget = opts->poll_budget;
	group->io_slots = opts->io_slots;
	group->admin_slots = opts->admin_slots;
	group->straight_max = rdmat->limits.max_data_len < RDMAT_SMALL_LEN ?
				      rdmat->limits.max_data_len :
				      RDMAT_SMALL_LEN;
	group->wake_fd = -1;
	group->epoll_fd = -1;
	atomic_init(&group->attention, true);
	lists_init(group);
	rc = descriptors_open(group);
	if (!rc)
		rc = pools_create(group, opts);
	if (!rc && (!(group->holders = calloc(RDMAT_MAX_HOLDERS, sizeof(*group->holders))) ||
		    !(group->departed = calloc(RDMAT_DEPARTED, sizeof(*group->departed)))))
		rc = -ENOMEM;
	if (rc) {
		group_free(group);
		return rc;
	}
	*out = group;
	return 0;
}

/* A queue pair is counted from before its message is sent until it is freed, after its last request. */
bool rdmat_group_is_busy(const struct wrasse_poll_group *group)
{
	return rdmat_group_load(group) != 0 || group->aborts_out;
}

void rdmat_group_destroy(struct wrasse_poll_group *group)
{
	/* Aborts of other groups that came too late; nobody sends any more. */
	rdmat_group_inbox(group);
	rdmat_group_detach_all(group);
	group_free(group);
}
