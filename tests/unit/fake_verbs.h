/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A poll group with one queue pair on a device that does not exist, for tests of the transport's
 * books. What is posted is written down; the test says what completes. fake_verbs.c also stands in
 * for the functions of libibverbs and librdmacm that the end of a queue pair calls, fake_device.c for
 * those that make what a group has on a device, and a connection.
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

/* A connection besides the fixture's, and what became of it: see fake_connect(). */
struct fake_coming {
	struct rdma_cm_id id;
	struct ibv_qp ibv_qp;
	struct ibv_qp_init_attr asked;
	unsigned accepted, rejected, destroyed, ids_destroyed;
	uint8_t tos, ack_timeout; /* wanted */
};

struct fake {
	struct rdmat rdmat;
	struct wrasse_poll_group *group;
	struct rdmat_device device;
	struct rdmat_group_device group_device;
	struct ibv_device ibv_device;
	struct ibv_context context;
	struct ibv_qp ibv_qp;
	struct rdma_cm_id id;
	struct fake_coming coming;
	struct rdmat_qp *qp; /* on the heap, since its end frees it */
	struct rdmat_rx *rx; /* the queue pair's own */
	uint64_t now_ns;

	/* What the device was told. */
	struct ibv_send_wr *posted[256];
	unsigned posted_count;
	unsigned post_calls;
	int post_fail_at; /* WR of the next post that the device refuses; -1: none */
	unsigned recv_posted;
	unsigned recv_posted_before; /* the last send */
	int recv_fail_at;
	unsigned errored;   /* times the queue pair was put into the error state */
	unsigned destroyed; /* queue pairs */
	unsigned ids_destroyed;
	unsigned executed; /* commands */

	const char *fails;    /* the function that fails the next time; NULL: none */
	int fails_with;       /* errno, 0: EIO */
	struct ibv_wc wc[16]; /* completions to come */
	unsigned wc_count;
	struct rdma_cm_event *events; /* CM events to come: event_count of them */
	unsigned event_count, events_taken;
	unsigned events_acked;
	unsigned cqs_made, cqs_destroyed;
	unsigned channels;  /* of CM events, that exist */
	int option[16];     /* of a CM id, by number: what it was last set to; -1: never */
	unsigned listeners; /* that exist */
	int backlog;
	uint8_t link_layer; /* of the device's port */
};

void fake_init(struct fake *fake);

/* The queue pair ends, if it has not, and everything must be where it was. */
void fake_fini(struct fake *fake);

/* Every pool is full, nobody holds a slot, all credits and queue slots are back. */
void fake_expect_balance(struct fake *fake);

/* Posts receive slots, and one gives up its capsule, whose command is all zero. */
struct rdmat_slot *fake_slot(struct fake *fake);

/* One that is still posted. */
struct rdmat_slot *fake_posted_slot(struct fake *fake);

/* The same, and takes a request for it. */
struct rdmat_request *fake_request(struct fake *fake);

/* Says what a request moves: @descs ranges of @desc_len bytes each. */
void fake_data(struct rdmat_request *request, enum nvme_xfer xfer, uint32_t descs,
	       uint32_t desc_len);

/* rdmat_request_take_resources() while so few large buffers are free that what fits takes small ones. */
bool fake_take_small(struct rdmat_request *request);

/* What a request holds: enum rdmat_hold. */
uint32_t fake_holds(const struct rdmat_request *request);

/* Requests of its queue pair in a state. */
unsigned fake_count(const struct fake *fake, enum rdmat_request_state state);

/* The last WR that was posted completes, and with it all before. */
void fake_complete(struct fake *fake);

/* What the poll loop does after rdmat_qp_disconnect(): until the queue pair is gone. */
void fake_reap(struct fake *fake);

/* The poll loop has done that: the fixture's queue pair is gone. */
void fake_expect_gone(struct fake *fake);

/* The fixture's queue pair lives on what the group makes on its device from now on. */
struct rdmat_group_device *fake_open(struct fake *fake);

/* Has a queue pair on another device of its group. */
void fake_set_device(struct rdmat_qp *qp, struct rdmat_group_device *device);

/* A connection request reaches the group. Return: its queue pair; NULL: it was rejected. */
struct rdmat_qp *fake_connect(struct fake *fake, uint16_t qid, uint32_t depth);

/* It ends and is gone. */
void fake_end(struct fake *fake, struct rdmat_qp *qp);

/* Whether this call of @function is the one to fail. */
bool fake_fails(const char *function);

/* For fake_init(): what the device does with completions and shared receive queues. */
void fake_device_init(struct fake *fake);

/* What receives are posted with, to whatever queue. */
int fake_post_recv(struct ibv_recv_wr *wr, struct ibv_recv_wr **bad);

extern struct fake *the_fake;

#endif
