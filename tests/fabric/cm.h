/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the fabric's librdmacm. Two layers, as in the real one: what the kernel does (ids'
 * states, the wire protocol, queues of events) needs fab_world; what the library does in the
 * program's own thread (queue pair transitions, protection domains) calls verbs, which take
 * fab_world themselves, so it never holds it then.
 */
#ifndef TESTS_FABRIC_CM_H
#define TESTS_FABRIC_CM_H

#include <errno.h>
#include <rdma/rdma_cma.h>
#include <string.h>

#include "core.h"

/* Virtual time; the real ones are seconds. */
#define CM_RETRY_NS    (50 * FAB_NS_PER_MS)
#define CM_TRIES       3
#define CM_MRA_NS      (60000 * FAB_NS_PER_MS) /* a peer that has a message, and thinks about it */
#define CM_TIMEWAIT_NS (100 * FAB_NS_PER_MS)

#define CM_REQ_DATA 56
#define CM_REP_DATA 196
#define CM_REJ_DATA 148

/* Reasons to reject, of the InfiniBand specification. */
#define CM_REJ_TIMEOUT         4
#define CM_REJ_INVALID_SERVICE 8
#define CM_REJ_STALE           10
#define CM_REJ_CONSUMER        28
#define CM_REJ_VENDOR_OPTION   35

/* ---- devices (cm_device.c) ---- */

struct cm_device {
	struct fab_link link;
	struct fab_device *fab;
	struct fab_context *context;
	struct ibv_pd *pd;
	uint32_t pd_users;
	uint32_t holds; /* ids, connections, lists that the program got */
};

/* fab_world is held. NULL: it cannot be opened; errno says why. */
struct cm_device *cm_device_hold(struct fab_device *device);
void cm_device_release(struct cm_device *device);
/* fab_world is not held. The device is held. NULL: errno says why. */
struct ibv_pd *cm_device_pd_get(struct cm_device *device);
void cm_device_pd_put(struct cm_device *device);

/* ---- ids (cm_id.c) ---- */

enum cm_state {
	CM_IDLE,
	CM_BOUND,
	CM_LISTEN,
	CM_ADDR_QUERY,
	CM_ADDR_RESOLVED,
	CM_ROUTE_QUERY,
	CM_ROUTE_RESOLVED,
	CM_CONNECT,
	CM_DISCONNECT,
};

/* Of the wire protocol. */
enum cm_wire {
	CM_WIRE_IDLE,
	CM_REQ_SENT,
	CM_REQ_RCVD,
	CM_REP_SENT,
	CM_REP_RCVD,
	CM_ESTABLISHED,
	CM_DREQ_SENT,
	CM_DREQ_RCVD,
	CM_TIMEWAIT,
};

struct cm_channel {
	struct rdma_event_channel ibv; /* first */
	uint32_t magic;
	struct fab_link link;
	struct fab_bell bell;
	struct fab_link events;
	uint32_t ids;
};

enum cm_kind {
	CM_REQ,
	CM_REP,
	CM_RTU,
	CM_REJ,
	CM_DREQ,
	CM_DREP,
};

struct cm_message {
	struct fab_link link;
	enum cm_kind kind;
	int reason; /* REJ */
	struct rdma_conn_param param;
	uint8_t data[CM_REP_DATA];
};

struct cm_id {
	struct rdma_cm_id ibv; /* first */
	uint32_t magic;
	struct fab_link link; /* cm_ids */
	enum cm_state state;
	enum cm_wire wire;
	struct cm_device *device; /* bound to; held */
	bool attached;            /* has its share in the device's protection domain */
	bool sync;                /* has a channel of its own */
	bool known;               /* the program has it */
	bool hears;               /* gets events: not before a request is accepted */
	bool closed;              /* its device is gone: it can only be destroyed */
	bool connect_error;

	bool holds_port; /* as its source address says */
	bool reuseaddr, afonly, afonly_set, timeout_set;
	uint8_t tos, timeout;
	uint32_t backlog;                      /* requests that may still be queued */
	struct ibv_qp_init_attr *qp_init_attr; /* of rdma_create_ep() */

	uint32_t events_out; /* taken, not acknowledged */

	struct cm_conn *conn;
	unsigned end;
	struct cm_message sent; /* to be sent again */
	unsigned tries;
	struct fab_action timer;

	struct sockaddr_storage resolve_dst;
	int resolve_status;
	struct fab_action resolver;

	/* What this side may do and grants, as negotiated so far; the peer's demands. */
	uint8_t initiator_depth, responder_resources;
	uint8_t retry_count, rnr_retry;
	uint32_t qpn, remote_qpn;
	/* The library's, which the program's arguments override. */
	uint8_t user_initiator_depth, user_responder_resources;
};

extern struct fab_link cm_ids, cm_channels;

/* The id if it is one, and the call may go on; else NULL, errno is set. */
struct cm_id *cm_id_check(struct rdma_cm_id *id, const char *call);
/* ... and counts the call, which may be made to fail. */
struct cm_id *cm_id_call(struct rdma_cm_id *id, const char *call);
/* fab_world is held. */
struct cm_id *cm_id_alloc(struct cm_channel *channel, void *context, enum rdma_port_space ps,
			  enum ibv_qp_type qp_type);
/* Ends what the kernel has of an id: says so to the peer, forgets its events. fab_world is held. */
void cm_id_kill(struct cm_id *id);
/* After cm_id_kill(), and outside of fab_world. */
void cm_id_free(struct cm_id *id);
/* Gives the id what the library fills in once a device is known. fab_world is not held. Return: 0
 * or -1 with errno. */
int cm_id_attach(struct cm_id *id);
/* As rdma_destroy_id(), but waits for nothing, for one that the program has not seen. fab_world is
 * not held. */
void cm_id_drop(struct cm_id *id);

static inline struct cm_channel *cm_channel_at(struct rdma_event_channel *ibv)
{
	return ibv ? FAB_CONTAINER(ibv, struct cm_channel, ibv) : NULL;
}

static inline struct cm_channel *cm_channel_of(const struct cm_id *id)
{
	return cm_channel_at(id->ibv.channel);
}

static inline int cm_fail(int err)
{
	errno = err;
	return -1;
}

/* Unlocks, and 0 or -1 with errno. */
static inline int cm_done(int err)
{
	fab_unlock(&fab_world);
	return err ? cm_fail(err) : 0;
}

struct cm_channel *cm_channel_create(void);
void cm_channel_close(struct cm_channel *channel);
int cm_migrate(struct cm_id *id, struct cm_channel *to, bool sync);

/* ---- events (cm_event.c) ---- */

struct cm_event {
	struct rdma_cm_event ibv; /* first */
	uint32_t magic;
	struct fab_link link;
	struct cm_id *owner; /* that cannot be destroyed before it is acknowledged */
	uint8_t data[CM_REP_DATA];
};

/* All need fab_world. */
struct cm_event *cm_event_alloc(struct cm_id *owner, enum rdma_cm_event_type type, int status);
void cm_event_set_param(struct cm_event *event, const struct rdma_conn_param *param,
			const void *data, uint8_t data_len);
void cm_event_queue(struct cm_event *event);
/* A plain one. */
void cm_event_post(struct cm_id *id, enum rdma_cm_event_type type, int status);
void cm_events_forget(struct cm_id *id);
void cm_events_move(struct cm_id *id, struct cm_channel *to);
/* fab_world is held; waits (or complains) until none is out. Return: whether none is. */
bool cm_events_settle(struct cm_id *id, const char *call);

int cm_get_event(struct cm_channel *channel, struct cm_event **event);
void cm_ack_event(struct cm_event *event);
/* Of a synchronous id: waits for the event of the call that was made. */
int cm_complete(struct cm_id *id);

/* ---- addresses (cm_addr.c) ---- */

bool cm_addr_is_any(const struct sockaddr *addr);
bool cm_addr_is_same(const struct sockaddr *a, const struct sockaddr *b); /* ports aside */
uint16_t cm_addr_port(const struct sockaddr *addr);                       /* host order */
void cm_addr_set_port(struct sockaddr *addr, uint16_t port);
/* Of a number, without its port. */
bool cm_addr_parse(const char *text, struct sockaddr_storage *addr);
socklen_t cm_addr_len(const struct sockaddr *addr); /* 0: not a family that is known */
/* fab_world is held. Errors as errno values. */
int cm_bind(struct cm_id *id, const struct sockaddr *addr);
/* The id is freed, or bound to nothing any more. */
void cm_port_give(struct cm_id *id);
void cm_resolver_run(struct fab_action *action);
void cm_route_fill(struct cm_id *id);
/* Who listens there; NULL: nobody. */
struct cm_id *cm_listener_find(enum rdma_port_space ps, const struct fab_device *device,
			       const struct sockaddr *addr);
/* For fabric_init(). */
void cm_addr_init(void);

/* ---- the wire (cm_wire.c) ---- */

#define CM_ACTIVE  0
#define CM_PASSIVE 1

struct cm_way {
	struct fab_link messages;
	struct fab_action action; /* the first one arrives */
	struct cm_conn *conn;
	unsigned from;
};

struct cm_conn {
	struct fab_link link; /* all */
	uint32_t refs;        /* ends, messages, whoever works on it */
	struct cm_id *end[2];
	struct cm_device *device[2]; /* held; NULL: nothing has that address */
	uint32_t qpn[2];
	struct sockaddr_storage src, dst; /* of the connector */
	enum rdma_port_space ps;
	struct cm_way way[2]; /* by the end it comes from */
};

/* All need fab_world. */
void cm_conn_create(struct cm_id *active);
void cm_conn_leave(struct cm_id *id);
/* Sends id->sent and keeps it for the next try; @wire is the state from now on. */
void cm_send_kept(struct cm_id *id, enum cm_wire wire);
/* Sends something that is not tried again. */
void cm_send(struct cm_id *id, enum cm_kind kind, int reason, const void *data, uint8_t len);
/* Errors as errno values. */
int cm_wire_reject(struct cm_id *id, int reason, const void *data, uint8_t len);
int cm_wire_rtu(struct cm_id *id);
int cm_wire_established(struct cm_id *id);
void cm_wire_disconnect(struct cm_id *id);
void cm_wire_destroy(struct cm_id *id);
void cm_timer_run(struct fab_action *action);
/* For fabric_init(): what is still on its way arrives nowhere. */
void cm_wire_init(void);

/* ---- queue pairs (cm_qp.c) ---- */

/* Outside of fab_world. 0 or -1 with errno. 255: as negotiated. */
int cm_qp_rtr(struct cm_id *id, uint8_t responder_resources);
int cm_qp_rts(struct cm_id *id, uint8_t initiator_depth);
int cm_qp_err(struct cm_id *id);
/* What the library does when the peer has answered. */
int cm_qp_answered(struct cm_id *id);

#endif
