/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A poll group with one queue pair on a device that does not exist, for tests of the transport's
 * books. What is posted is written down; the test says what completes. fake_verbs.c also stands in
 * for the functions of libibverbs and librdmacm that the end of a queue pair calls.
 */
#ifndef FAKE_VERBS_H
#define FAKE_VERBS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "harness/dies.h"
#include "nvme/op.h"
#include "transport/group.h"
#include "transport/sendq.h"

#define FAKE_REQUESTS 16
#define FAKE_SLOTS    8
#define FAKE_SQ_DEPTH 24
#define FAKE_READS    4
#define FAKE_WRS      64
#define FAKE_SMALL    32
#define FAKE_LARGE    16

struct fake {
	struct rdmat rdmat;
	struct wrasse_poll_group *group;
	struct rdmat_device device;
	struct rdmat_group_device group_device;
	struct ibv_context context;
	struct ibv_qp ibv_qp;
	struct rdma_cm_id id;
	struct rdmat_qp *qp; /* on the heap, since its end frees it */
	struct rdmat_rx *rx; /* the queue pair's own */
	uint64_t now_ns;

	/* What the device was told. */
	struct ibv_send_wr *posted[256];
	unsigned posted_count;
	unsigned post_calls;
	int post_fail_at; /* WR of the next post that the device refuses; -1: none */
	unsigned recv_posted;
	int recv_fail_at;
	unsigned errored;   /* times the queue pair was put into the error state */
	unsigned destroyed; /* queue pairs */
	unsigned ids_destroyed;
	unsigned executed; /* commands */
};

void fake_init(struct fake *fake);

/* The queue pair ends, if it has not, and everything must be where it was. */
void fake_fini(struct fake *fake);

/* Every pool is full, nobody holds a slot, all credits and queue slots are back. */
void fake_expect_balance(struct fake *fake);

/* Posts one receive slot, lets a capsule come in it and takes a request for that. */
struct rdmat_request *fake_request(struct fake *fake);

/* Says what a request moves: @descs ranges of @desc_len bytes each. */
void fake_data(struct rdmat_request *request, enum nvme_xfer xfer, uint32_t descs,
	       uint32_t desc_len);

/* What a request holds: enum rdmat_hold. */
uint32_t fake_holds(const struct rdmat_request *request);

/* The last WR that was posted completes, and with it all before. */
void fake_complete(struct fake *fake);

/* What the poll loop does after rdmat_qp_disconnect(): until the queue pair is gone. */
void fake_reap(struct fake *fake);

#endif
