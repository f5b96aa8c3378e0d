/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive slots: memory for capsules, posted to a shared receive queue (one per group, device and
 * class) or to one queue pair's own receive queue. A slot is with the hardware, with a request
 * (in-capsule data), idle here, or parked: its capsule has come and waits for a free request. Belongs to
 * the poll group's thread.
 */
#ifndef WRASSE_TRANSPORT_RX_H
#define WRASSE_TRANSPORT_RX_H

#include "transport/request.h"

struct rdmat_device;

enum rdmat_slot_state {
	RDMAT_SLOT_IDLE,
	RDMAT_SLOT_POSTED, /* the hardware has it */
	RDMAT_SLOT_HELD,   /* by a request, or parked */
};

struct rdmat_slot {
	struct ibv_recv_wr wr; /* wr.next: idle list and post list */
	struct ibv_sge sge;
	struct rdmat_rx *rx;
	uint8_t *capsule;
	enum rdmat_slot_state state;
	/* While it is parked: */
	struct pool_link parked; /* class->parked */
	struct rdmat_qp *qp;     /* that the capsule came to */
	uint32_t len;            /* bytes of it */
	uint64_t parked_ns;      /* since when */
};

struct rdmat_rx {
	struct pool_link link; /* group->receivers, or no list */
	struct rdmat_class *class;
	struct wrasse_poll_group *group;
	struct rdmat_device *device;
	struct ibv_srq *srq; /* one of srq and qp */
	struct ibv_qp *qp;
	struct rdmat_qp *owner; /* of qp; NULL with srq */
	struct rdmat_slot *slots;
	struct pool_slab slab; /* capsules */
	struct ibv_recv_wr *idle;
	uint32_t slot_count;
	uint32_t posted;
	uint32_t least;       /* of posted: when fewer are, some more are posted */
	uint32_t held;        /* by requests, or parked; the others are idle */
	uint32_t noted;       /* of class->slots_held */
	uint32_t wanted;      /* slots that the queue pairs which share it may need at a time */
	uint32_t out;         /* requests that those have, of admin queues */
	bool stopped;         /* post no more */
	_Atomic(bool) broken; /* the device says so of srq; any thread */
};

/* wr_id of a receive has this bit, that of a send has not. */
#define RDMAT_WR_ID_RECV 1ull

/*
 * Makes a receiver with a shared receive queue, or (@shared false) one whose qp the caller sets
 * before the first post.
 *
 * Return: 0, -ENOMEM or what verbs said.
 */
int rdmat_rx_create(struct wrasse_poll_group *group, struct rdmat_class *class,
		    struct rdmat_device *device, uint32_t slot_count, bool shared,
		    struct rdmat_rx **rx);

/* The queue that it posts to is gone or goes with it; no request holds a slot. */
void rdmat_rx_destroy(struct rdmat_rx *rx);

/* The hardware gave a slot back (with a capsule or flushed). */
void rdmat_rx_taken(struct rdmat_slot *slot);

/* The same of a slot that nobody takes: it is idle. */
void rdmat_rx_pass(struct rdmat_slot *slot);

/* A request took, or gives back, a slot for its in-capsule data; a slot that nobody takes is given
 * back as well. */
void rdmat_rx_give(struct rdmat_slot *slot);

/* Queue pairs that share it may need so many more slots at a time, or fewer. */
void rdmat_rx_want(struct rdmat_rx *rx, int32_t more);

/* Admin queues that share it have so many more requests, or fewer: of the slots that they may need, as many fewer must be
 * posted. */
void rdmat_rx_out(struct rdmat_rx *rx, int32_t more);

/* The queue pair that had them is destroyed: every slot that the hardware had is idle. */
void rdmat_rx_reclaim(struct rdmat_rx *rx);

/* Its capsule came to a queue pair and waits for a request, behind those that do already. */
void rdmat_rx_park(struct rdmat_slot *slot, struct rdmat_qp *qp, uint32_t len);

/* The one that has waited longest is parked no more. NULL: there is none. */
struct rdmat_slot *rdmat_rx_unpark(struct rdmat_class *class);

/* A queue pair has begun to end: gives back the slots whose capsules came to it and wait. */
void rdmat_rx_unpark_all(struct rdmat_qp *qp);

/* Notes what is held, and posts idle slots: of a queue pair's own all of them; of shared ones, when fewer are posted
 * than hosts may need, so many and a batch more for I/O. Return: 0 or what verbs said. */
int rdmat_rx_post(struct rdmat_rx *rx);

#endif
