/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive slots. One ibv_post_srq_recv() or ibv_post_recv() per call of rdmat_rx_post(), whatever
 * the number of slots.
 */
#include "transport/rx.h"

#include <errno.h>
#include <stdlib.h>

#include "inline.h"
#include "pool/panic.h"
#include "transport/group.h"

/* Shared receives of I/O are posted so many at a time, where there are so many more than must be, or this part of all. */
#define RX_BATCH       16
#define RX_BATCH_SHARE 32

/*
 * How many slots must be posted: as many as hosts may send. If there are not so many, some for I/O may stay idle. Admin commands
 * come before I/O wherever something is scarce: hosts that send as many of them as their queues have room
 * for must not have all of it.
 */
static uint32_t posted_least(const struct rdmat_rx *rx)
{
	uint32_t out = rx->class->admin ? rx->out : 0, least;

	if (!rx->srq)
		return rx->slot_count;
	/* One for the first queue pair. */
	least = rx->wanted > out ? rx->wanted - out : 1;
	if (least <= rx->slot_count)
		return least;
	return rx->class->admin ? rx->slot_count : rx->slot_count - rx->slot_count / RX_BATCH_SHARE;
}

static ALWAYS_INLINE void slot_to_idle(struct rdmat_slot *slot)
{
	struct rdmat_rx *rx = slot->rx;

	slot->state = RDMAT_SLOT_IDLE;
	slot->wr.next = rx->idle;
	rx->idle = &slot->wr;
}

/* There may be something to post, or what is held has changed. */
static ALWAYS_INLINE void look_at(struct rdmat_rx *rx)
{
	if (!pool_link_is_on_list(&rx->link))
		pool_list_add_tail(&rx->group->receivers, &rx->link);
}

static void set_least(struct rdmat_rx *rx)
{
	rx->least = posted_least(rx);
	if (rx->posted < rx->least)
		look_at(rx);
}

static void note_held(struct rdmat_rx *rx)
{
	struct rdmat_class *class = rx->class;

	if (rx->held == rx->noted)
		return;
	rdmat_set(&class->slots_held, class->slots_held + rx->held - rx->noted);
	rx->noted = rx->held;
	if (class->slots_held > class->slots_peak)
		rdmat_set(&class->slots_peak, class->slots_held);
}

static int srq_create(struct rdmat_rx *rx, uint32_t slot_count)
{
	struct ibv_srq_init_attr attr = {.srq_context = rx,
					 .attr = {.max_wr = slot_count, .max_sge = 1}};

	rx->srq = ibv_create_srq(rx->device->pd, &attr);
	return rx->srq ? 0 : -errno;
}

static int slots_init(struct rdmat_rx *rx, uint32_t slot_count, uint32_t slot_len, int node)
{
	int rc;

	rx->slots = calloc(slot_count, sizeof(*rx->slots));
	if (!rx->slots)
		return -ENOMEM;
	rc = pool_slab_init(&rx->slab, (size_t)slot_count * slot_len, node, NULL);
	if (rc)
		return rc;
	rc = pool_slab_register(&rx->slab, rx->device->index, rx->device, rdmat_device_register);
	if (rc)
		return rc;
	for (uint32_t i = slot_count; i-- > 0;) {
		struct rdmat_slot *slot = &rx->slots[i];

		slot->rx = rx;
		slot->capsule = (uint8_t *)rx->slab.base + (size_t)i * slot_len;
		slot->sge.addr = (uintptr_t)slot->capsule;
		slot->sge.length = slot_len;
		slot->sge.lkey = rx->slab.lkey[rx->device->index];
		slot->wr.wr_id = (uintptr_t)slot | RDMAT_WR_ID_RECV;
		slot->wr.sg_list = &slot->sge;
		slot->wr.num_sge = 1;
		slot_to_idle(slot);
	}
	rx->slot_count = slot_count;
	rdmat_set(&rx->class->slots, rx->class->slots + slot_count);
	return 0;
}

int rdmat_rx_create(struct wrasse_poll_group *group, struct rdmat_class *class,
		    struct rdmat_device *device, uint32_t slot_count, bool shared,
		    struct rdmat_rx **out)
{
	const struct nvme_limits *limits = &group->rdmat->limits;
	uint32_t slot_len = (uint32_t)sizeof(struct nvme_cmd) +
			    (class->admin ? limits->admin_icd_len : limits->icd_len);
	struct rdmat_rx *rx = object_alloc(sizeof(*rx));
	int rc = 0;

	if (!rx)
		return -ENOMEM;
	rx->class = class;
	rx->group = group;
	rx->device = device;
	if (shared)
		rc = srq_create(rx, slot_count);
	if (!rc)
		rc = slots_init(rx, slot_count, (slot_len + 63u) & ~63u, group->node);
	if (rc) {
		rdmat_rx_destroy(rx);
		return rc;
	}
	rx->least = posted_least(rx);
	*out = rx;
	return 0;
}

void rdmat_rx_destroy(struct rdmat_rx *rx)
{
	if (rx->held)
		pool_panic("receiver destroyed while requests hold %u of its slots", rx->held);
	if (rx->srq) {
		int rc = ibv_destroy_srq(rx->srq);

		if (rc)
			rdmat_log(rx->group->rdmat, WRASSE_LOG_ERROR,
				  "shared receive queue not destroyed: errno %d", rc);
	}
	rdmat_rx_reclaim(rx);
	pool_slab_unregister(&rx->slab, rx->device->index, rdmat_device_unregister);
	if (rx->slab.base)
		pool_slab_fini(&rx->slab);
	rdmat_set(&rx->class->slots, rx->class->slots - rx->slot_count);
	note_held(rx);
	if (pool_link_is_on_list(&rx->link))
		pool_list_del(&rx->link);
	free(rx->slots);
	free(rx);
}

static ALWAYS_INLINE void check_posted(const struct rdmat_slot *slot)
{
	if (slot->state != RDMAT_SLOT_POSTED)
		pool_panic("a receive slot completed that was not posted");
}

void rdmat_rx_taken(struct rdmat_slot *slot)
{
	check_posted(slot);
	slot->state = RDMAT_SLOT_HELD;
	slot->rx->posted--;
	slot->rx->held++;
	look_at(slot->rx);
}

ALWAYS_INLINE void rdmat_rx_pass(struct rdmat_slot *slot)
{
	check_posted(slot);
	slot_to_idle(slot);
	if (--slot->rx->posted < slot->rx->least)
		look_at(slot->rx);
}

void rdmat_rx_give(struct rdmat_slot *slot)
{
	if (slot->state != RDMAT_SLOT_HELD)
		pool_panic("a receive slot was given back that nobody held");
	slot_to_idle(slot);
	slot->rx->held--;
	look_at(slot->rx);
}

void rdmat_rx_want(struct rdmat_rx *rx, int32_t more)
{
	rx->wanted += (uint32_t)more;
	set_least(rx);
}

void rdmat_rx_out(struct rdmat_rx *rx, int32_t more)
{
	rx->out += (uint32_t)more;
	set_least(rx);
}

void rdmat_rx_reclaim(struct rdmat_rx *rx)
{
	for (uint32_t i = 0; rx->posted; i++) {
		struct rdmat_slot *slot = &rx->slots[i];

		if (slot->state != RDMAT_SLOT_POSTED)
			continue;
		rdmat_rx_pass(slot);
	}
}

void rdmat_rx_park(struct rdmat_slot *slot, struct rdmat_qp *qp, uint32_t len)
{
	slot->qp = qp;
	slot->len = len;
	slot->parked_ns = rdmat_group_now(qp->group);
	pool_list_add_tail(&qp->class->parked, &slot->parked);
	rdmat_count(&qp->class->waits, 1);
}

struct rdmat_slot *rdmat_rx_unpark(struct rdmat_class *class)
{
	struct pool_link *link = pool_list_pop(&class->parked);

	return link ? pool_container(link, struct rdmat_slot, parked) : NULL;
}

void rdmat_rx_unpark_all(struct rdmat_qp *qp)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, &qp->class->parked) {
		struct rdmat_slot *slot = pool_container(link, struct rdmat_slot, parked);

		if (slot->qp != qp)
			continue;
		pool_list_del(link);
		rdmat_rx_give(slot);
	}
}

/*
 * How many may be posted: some more for I/O, so that they go in batches and not each with its command. Not all that there
 * are: the device takes them in their order, and with few of them it comes back soon to memory that it has used.
 */
static uint32_t posted_most(const struct rdmat_rx *rx)
{
	uint32_t most = rx->srq && !rx->class->admin ? rx->least + RX_BATCH : rx->least;

	return most < rx->slot_count ? most : rx->slot_count;
}

int rdmat_rx_post(struct rdmat_rx *rx)
{
	struct ibv_recv_wr *first = rx->idle, *next = first, *last = NULL, *bad = NULL;
	uint32_t count, idle;
	int rc;

	note_held(rx);
	if (rx->stopped || !first || rx->posted >= rx->least)
		return 0;
	count = posted_most(rx) - rx->posted;
	idle = rx->slot_count - rx->posted - rx->held;
	if (count > idle)
		count = idle;
	rx->posted += count;
	for (; count; count--) {
		last = next;
		next = last->next;
		pool_container(last, struct rdmat_slot, wr)->state = RDMAT_SLOT_POSTED;
	}
	rx->idle = next;
	last->next = NULL;
	rdmat_count(&rx->group->stats.recv_posts, 1);
	rc = rx->srq ? ibv_post_srq_recv(rx->srq, first, &bad) : ibv_post_recv(rx->qp, first, &bad);
	for (struct ibv_recv_wr *wr = rc ? bad : NULL; wr; wr = next) {
		struct rdmat_slot *slot = pool_container(wr, struct rdmat_slot, wr);

		next = wr->next;
		rx->posted--;
		slot_to_idle(slot);
	}
	return -rc;
}
