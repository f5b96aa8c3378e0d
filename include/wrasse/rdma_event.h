/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events: what RDMA devices, their ports and listeners tell an operator. The library has acted on
 * each when it is told; nothing has to be done about one.
 */
#ifndef WRASSE_RDMA_EVENT_H
#define WRASSE_RDMA_EVENT_H

#include <wrasse/base.h>

WRASSE_BEGIN_DECLS

/* What happened. */
enum wrasse_rdma_event_type {
	WRASSE_RDMA_PORT_UP,
	/* A port has lost its link. Connections stay: they live on if it comes back within their
	   retries, else they end one by one. */
	WRASSE_RDMA_PORT_DOWN,
	/* An address, partition key or the like of a port has changed. */
	WRASSE_RDMA_PORT_CHANGED,
	/* A device has failed or was unplugged: its connections end. */
	WRASSE_RDMA_DEVICE_LOST,
	/* A completion queue or shared receive queue has failed: the connections of one poll group
	   on the device end; new ones are taken. */
	WRASSE_RDMA_QUEUE_LOST,
	/* One queue pair has failed: its connection ends. */
	WRASSE_RDMA_QUEUE_PAIR_LOST,
	/* A listener has lost its device or address. It is tried again each second. */
	WRASSE_RDMA_LISTENER_DOWN,
	WRASSE_RDMA_LISTENER_UP,
};

/* One event. Strings are valid during the call. */
struct wrasse_rdma_event {
	size_t size; /* sizeof(struct wrasse_rdma_event) */
	enum wrasse_rdma_event_type type;
	const char *device;   /* name of the RDMA device; "" for a listener that has none */
	const char *listener; /* "10.0.0.1:4420"; "" if it is not about a listener */
	uint8_t port;         /* from 1; 0: it is not about a port */
	const char *text; /* the same in words, in those of the verbs library where it has some */
};

/*
 * Takes an event.
 *
 * @ctx: the rdma_event_ctx of the target's options.
 *
 * Context: from inside wrasse_target_poll(). It may call the library, but not poll or destroy the
 * target.
 */
typedef void (*wrasse_rdma_event_fn)(void *ctx, const struct wrasse_rdma_event *event);

WRASSE_END_DECLS

#endif
