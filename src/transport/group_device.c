/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a poll group has on one device: completion queue, shared receivers, registrations. Poll
 * group's thread. The completion queue cannot overrun: it is as deep as all WRs and receive slots
 * that the group can ever have posted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "inline.h"
#include "transport/flow.h"
#include "transport/group.h"
#include "transport/sendq.h"
#include "transport/straight.h"

#define BATCH 32 /* completions that are taken at once */

static uint32_t cq_depth(const struct wrasse_poll_group *group)
{
	/* Each request has a WR of its own for data and one for the response, and may have a mark. A receive
	 * queue of a queue pair posts at most as many slots as requests were reserved for it. */
	uint32_t requests = group->classes[0].capacity + group->classes[1].capacity;

	return 4 * requests + pool_capacity(group->wr_pool) + group->io_slots + group->admin_slots;
}

static int cq_create(struct rdmat_group_device *device)
{
	struct wrasse_poll_group *group = device->group;
	struct ibv_context *context = device->device->context;
	uint32_t depth = cq_depth(group);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = device};

	if ((uint32_t)device->device->attr.max_cqe < depth) {
		rdmat_log(
			group->rdmat, WRASSE_LOG_ERROR,
			"device %s: its completion queues hold %d entries, this group's sizes need %u",
			ibv_get_device_name(context->device), device->device->attr.max_cqe, depth);
		return -EINVAL;
	}
	device->channel = ibv_create_comp_channel(context);
	if (!device->channel)
		return -errno;
	if (fcntl(device->channel->fd, F_SETFL, fcntl(device->channel->fd, F_GETFL) | O_NONBLOCK) <
		    0 ||
	    epoll_ctl(group->epoll_fd, EPOLL_CTL_ADD, device->channel->fd, &event))
		return -errno;
	device->cq = ibv_create_cq(context, (int)depth, device, device->channel, 0);
	return device->cq ? 0 : -errno;
}

static int slabs_register(struct rdmat_group_device *device)
{
	struct wrasse_poll_group *group = device->group;
	struct pool_slab *slabs[] = {pool_payload_slab(group->small),
				     pool_payload_slab(group->large), &group->classes[0].slab,
				     &group->classes[1].slab};

	for (unsigned i = 0; i < sizeof(slabs) / sizeof(slabs[0]); i++) {
		int rc = pool_slab_register(slabs[i], device->device->index, device->device,
					    rdmat_device_register);

		if (rc)
			return rc;
	}
	return 0;
}

static void slabs_unregister(struct rdmat_group_device *device)
{
	struct wrasse_poll_group *group = device->group;
	unsigned index = device->device->index;

	pool_slab_unregister(pool_payload_slab(group->small), index, rdmat_device_unregister);
	pool_slab_unregister(pool_payload_slab(group->large), index, rdmat_device_unregister);
	pool_slab_unregister(&group->classes[0].slab, index, rdmat_device_unregister);
	pool_slab_unregister(&group->classes[1].slab, index, rdmat_device_unregister);
}

static uint32_t at_most(uint32_t want, int limit)
{
	return (uint32_t)limit < want ? (uint32_t)limit : want;
}

static int receivers_create(struct rdmat_group_device *device)
{
	struct wrasse_poll_group *group = device->group;
	const struct ibv_device_attr *attr = &device->device->attr;
	int rc;

	/* iWARP has no way to say "not ready": a capsule that finds no receive there ends the
	 * connection, so each queue pair has as many of its own as its host may send. */
	if (group->rdmat->opts.no_srq || device->device->iwarp || attr->max_srq < 2 ||
	    attr->max_srq_wr < 1)
		return 0;
	rc = rdmat_rx_create(group, &group->classes[0], device->device,
			     at_most(group->io_slots, attr->max_srq_wr), true, &device->rx[0]);
	if (!rc)
		rc = rdmat_rx_create(group, &group->classes[1], device->device,
				     at_most(group->admin_slots, attr->max_srq_wr), true,
				     &device->rx[1]);
	if (!rc)
		rc = rdmat_rx_post(device->rx[0]);
	return rc ? rc : rdmat_rx_post(device->rx[1]);
}

struct rdmat_group_device *rdmat_group_device_get(struct wrasse_poll_group *group,
						  struct rdmat_device *device)
{
	struct rdmat_group_device *mine;
	struct pool_link *link, *tmp;
	int rc;

	pool_list_for_each(link, tmp, &group->devices) {
		mine = pool_container(link, struct rdmat_group_device, link);
		if (mine->device == device)
			return mine->failed ? NULL : mine;
	}
	mine = calloc(1, sizeof(*mine));
	if (!mine)
		return NULL;
	mine->group = group;
	mine->device = device;
	mine->batch = (int)at_most(group->budget, BATCH);
	atomic_fetch_add(&device->users, 1);
	pool_list_add_tail(&group->devices, &mine->link);
	rc = slabs_register(mine);
	if (!rc)
		rc = cq_create(mine);
	if (!rc)
		rc = receivers_create(mine);
	if (!rc)
		return mine;
	rdmat_log(group->rdmat, WRASSE_LOG_ERROR, "device %s: poll group %u cannot use it: %s",
		  ibv_get_device_name(device->context->device), group->index, strerror(-rc));
	rdmat_group_device_free(mine);
	return NULL;
}

void rdmat_group_device_free(struct rdmat_group_device *device)
{
	for (unsigned i = 0; i < 2; i++)
		if (device->rx[i])
			rdmat_rx_destroy(device->rx[i]);
	if (device->cq) {
		while (rdmat_group_device_ack(device))
			;
		ibv_destroy_cq(device->cq);
	}
	if (device->channel)
		ibv_destroy_comp_channel(device->channel);
	slabs_unregister(device);
	rdmat_device_put(device->device);
	pool_list_del(&device->link);
	free(device);
}

bool rdmat_group_device_ack(struct rdmat_group_device *device)
{
	struct ibv_cq *cq;
	void *ctx;

	if (ibv_get_cq_event(device->channel, &cq, &ctx))
		return false;
	ibv_ack_cq_events(device->cq, 1);
	device->armed = false;
	return true;
}

/* A receive that brought nothing. @qp: NULL: it is gone. */
static __attribute__((noinline)) void receive_failed(struct rdmat_qp *qp, struct rdmat_slot *slot,
						     enum ibv_wc_status status)
{
	rdmat_rx_pass(slot);
	if (qp)
		rdmat_qp_disconnect(qp, status == IBV_WC_WR_FLUSH_ERR ? NULL :
									ibv_wc_status_str(status));
}

static void take_receive(struct rdmat_group_device *device, const struct ibv_wc *wc)
{
	struct rdmat_slot *slot = (struct rdmat_slot *)(uintptr_t)(wc->wr_id & ~RDMAT_WR_ID_RECV);
	struct rdmat_qp *qp = rdmat_group_qp_find(device, wc->qp_num);

	if (qp && wc->status == IBV_WC_SUCCESS)
		rdmat_straight_capsule(qp, slot, wc->byte_len);
	else
		receive_failed(qp, slot, wc->status);
}

static void take_send(const struct ibv_wc *wc)
{
	struct rdmat_wr *wr = (struct rdmat_wr *)(uintptr_t)wc->wr_id;
	struct rdmat_qp *qp = wr->request->qp;

	if (wc->status != IBV_WC_SUCCESS)
		rdmat_qp_disconnect(qp, wc->status == IBV_WC_WR_FLUSH_ERR ?
						NULL :
						ibv_wc_status_str(wc->status));
	rdmat_sendq_retire(qp, wr);
}

void rdmat_group_device_fail(struct rdmat_group_device *device, const char *why)
{
	struct wrasse_poll_group *group = device->group;
	struct pool_link *link, *tmp;

	if (device->failed)
		return;
	rdmat_log(group->rdmat, WRASSE_LOG_ERROR,
		  "device %s: poll group %u ends the connections that use it: %s",
		  ibv_get_device_name(device->device->context->device), group->index, why);
	device->failed = true;
	group->device_failed = true;
	group->chores = true;
	pool_list_for_each(link, tmp, &group->qps) {
		struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

		if (qp->device == device)
			rdmat_qp_disconnect(qp, why);
	}
}

static bool is_used(const struct rdmat_group_device *device)
{
	const struct pool_list *lists[] = {&device->group->qps, &device->group->dying};
	struct pool_link *link, *tmp;

	for (unsigned i = 0; i < 2; i++)
		pool_list_for_each(link, tmp, lists[i])
			if (pool_container(link, struct rdmat_qp, link)->device == device)
				return true;
	return false;
}

int rdmat_group_devices_renew(struct wrasse_poll_group *group)
{
	struct pool_link *link, *tmp;
	int count = 0;

	group->device_failed = false;
	pool_list_for_each(link, tmp, &group->devices) {
		struct rdmat_group_device *device =
			pool_container(link, struct rdmat_group_device, link);

		if (!device->failed)
			continue;
		if (is_used(device)) {
			group->device_failed = true;
			continue;
		}
		rdmat_group_device_free(device);
		count++;
	}
	return count;
}

/* @count: what @wc has, of @want that were asked for. Return: how many completions there were in all, one more if the
 * queue failed. */
static __attribute__((noinline)) int take_all(struct rdmat_group_device *device, struct ibv_wc *wc,
					      int want, int count)
{
	int left = (int)device->group->budget, total = 0, failed = 0;

	rdmat_group_now(device->group); /* see rdmat_straight_capsule() */
	for (;;) {
		if (count < 0) {
			rdmat_group_device_fail(device, "its completion queue cannot be polled");
			failed = 1;
			break;
		}
		for (int i = 0; i < count; i++) {
			if (wc[i].wr_id & RDMAT_WR_ID_RECV)
				take_receive(device, &wc[i]);
			else
				take_send(&wc[i]);
		}
		total += count;
		left -= count;
		if (count < want) {
			device->sweeps++;
			break;
		}
		if (left <= 0)
			break;
		want = left < BATCH ? left : BATCH;
		count = ibv_poll_cq(device->cq, want, wc);
	}
	rdmat_count(&device->group->stats.completions, (uint64_t)total);
	return total + failed;
}

/* Mostly there is nothing: that must cost little. */
ALWAYS_INLINE int rdmat_group_device_poll(struct rdmat_group_device *device)
{
	struct ibv_wc wc[BATCH];
	int count;

	if (device->failed)
		return 0;
	count = ibv_poll_cq(device->cq, device->batch, wc);
	if (count)
		return take_all(device, wc, device->batch, count);
	device->sweeps++;
	return 0;
}
