/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners: addresses where connection requests come in, and their way to a poll group. Control
 * plane: the target's lock guards the list; events are taken by the thread that polls the target.
 */
#ifndef WRASSE_TRANSPORT_LISTENER_H
#define WRASSE_TRANSPORT_LISTENER_H

#include <wrasse/listener.h>

#include "transport/rdmat.h"

struct wrasse_listener {
	struct wrasse_listener *next;
	struct rdmat *rdmat;
	struct rdma_cm_id *id; /* NULL: down, or stopped */
	struct sockaddr_storage addr;
	int backlog;
	uint64_t next_try_ns; /* while down; UINT64_MAX: it is up, or stopped */
	uint64_t number;      /* never used twice in a target */
	uint16_t portal;
	uint8_t tos, ack_timeout;
	char name[72]; /* "10.0.0.1:4420" */
};

/* The lock is held; @opts complete. Return: as wrasse_listener_create(). */
int rdmat_listener_create(struct rdmat *rdmat, const struct wrasse_listener_opts *opts,
			  struct wrasse_listener **out);

/* The lock is held. Connections that came through it are ended by their groups. */
void rdmat_listener_destroy(struct wrasse_listener *listener);

/* The lock is held. Takes no connection requests any more; those that came in stay. */
void rdmat_listener_stop(struct wrasse_listener *listener);

/* The lock is held. */
bool rdmat_listener_exists(const struct rdmat *rdmat, uint64_t number);

/*
 * The thread that polls the target; takes the lock itself. Takes connection requests, and tries
 * anew to listen where a device or an address was lost. Return: how much it did.
 */
int rdmat_listener_events(struct rdmat *rdmat);

/* conn.c: the thread that polls the target. Takes a connection request; acknowledges the event. */
void rdmat_conn_request(struct rdmat *rdmat, struct wrasse_listener *listener,
			struct rdma_cm_event *event);

/* Any thread. In how many ms rdmat_listener_events() wants to try; -1: no listener is down. */
int rdmat_listener_timeout_ms(struct rdmat *rdmat);

#endif
