/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of libibverbs.so.1 share among themselves and librdmacm.so.1 does not need.
 */
#ifndef TESTS_FABRIC_ENGINE_H
#define TESTS_FABRIC_ENGINE_H

#include "core.h"

#define FAB_MAX_SGE 32

/* ---- world, devices ---- */

void fab_sched_init(enum fabric_mode mode);
void fab_devices_fini(void);
/* One hold less. fab_world is held. */
void fab_device_let_go(struct fab_device *device);
/* Breaks all queue pairs of a device that went away. fab_world is held. */
void fab_qps_remove(struct fab_device *device);
void fab_keys_init(void);
void fab_qps_init(void);

static inline bool fab_device_is_gone(const struct fab_device *device)
{
	return __atomic_load_n(&device->removed, __ATOMIC_ACQUIRE);
}

/* Of its port; 0: none. */
uint16_t fab_lid_of(const struct fab_device *device);
/* Return: whether there is one; else *gid is zero. */
bool fab_gid_of(const struct fab_device *device, int index, union ibv_gid *gid);

/* fab_call(), and EIO if the device is gone. Sets errno. */
int fab_enter(const char *name, const struct fab_device *device);

static inline struct fab_context *fab_context_of(struct ibv_context *context)
{
	return FAB_CONTAINER(context, struct fab_context, ibv);
}

static inline struct fab_device *fab_device_of(struct ibv_context *context)
{
	return fab_context_of(context)->device;
}

/* Misuse, if strict. Return: @err, also in errno. */
int fab_wrong(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

void fab_context_ops(struct ibv_context_ops *ops);
void fab_memory_ops(struct ibv_context_ops *ops);
void fab_cq_ops(struct ibv_context_ops *ops);
void fab_receive_ops(struct ibv_context_ops *ops);
void fab_send_ops(struct ibv_context_ops *ops);

/* ---- events ---- */

/* Forgets the events of @element that nobody has taken. */
void fab_async_purge(struct fab_context *context, const void *element);
/* At the end of an object: all events taken must be acknowledged. Return: whether it may go. */
bool fab_events_settled(const struct fab_object *object, const uint32_t *taken,
			const uint32_t *acked, const char *call);

/* ---- keys ---- */

struct fab_key *fab_key_take(void);
void fab_key_give(struct fab_key *key);
/* NULL: there never was such a key. */
struct fab_key *fab_key_find(uint32_t key);

/* What is wrong with an access. */
enum fab_fault {
	FAB_FAULT_NONE,
	FAB_FAULT_KEY,    /* none such, not valid (any more) */
	FAB_FAULT_PD,     /* of another protection domain or queue pair */
	FAB_FAULT_RANGE,  /* goes beyond the region */
	FAB_FAULT_RIGHTS, /* without the right */
};

/* Checks, and holds the memory in place until fab_key_release() if there is no fault. @qpn: whose type 2
 * window it may be. */
enum fab_fault fab_key_hold(uint32_t key, uint64_t addr, uint64_t len, unsigned access,
			    const struct ibv_pd *pd, uint32_t qpn, struct fab_key **held);
void fab_key_release(struct fab_key *held);
const char *fab_fault_str(enum fab_fault fault);
/* Binds a window as a WR says. Return: how it completes. */
enum ibv_wc_status fab_window_bind(struct fab_qp *qp, const struct fab_swqe *wqe);
/* Return: whether @key was a window that could be made invalid. */
bool fab_key_invalidate(struct fab_qp *qp, uint32_t key);
/* The name of a WR or receive with the hardware that uses a key, in a static buffer; NULL: none does. */
const char *fab_key_user(uint32_t key);
/* A window no longer gives access to anything. */
void fab_window_unbind(struct fab_key *window);

/* ---- receive queues ---- */

void fab_rq_init(struct fab_rq *rq, uint32_t depth, uint32_t max_sge);
void fab_rq_fini(struct fab_rq *rq);
/* All slots are free. */
void fab_rq_reset(struct fab_rq *rq);
/* The lock of the queue is held. Return: 0, or what ibv_post_recv() returns. @who: for messages. */
int fab_rq_post(struct fab_rq *rq, const struct ibv_recv_wr *wr, const struct ibv_pd *pd,
		const struct fab_object *who);
/* The lock of the queue is held. Return: a slot; UINT32_MAX: there is none. */
uint32_t fab_rq_pop(struct fab_rq *rq);
/* No lock is needed. */
void fab_rq_free(struct fab_rq *rq, uint32_t slot);

static inline bool fab_rq_is_empty(const struct fab_rq *rq)
{
	return rq->head == rq->tail;
}

static inline struct fab_rq *fab_qp_rq(struct fab_qp *qp)
{
	return qp->srq ? &qp->srq->rq : &qp->rq;
}

/* The next receive for a message to @qp. Says SRQ_LIMIT_REACHED. */
uint32_t fab_receive_pop(struct fab_qp *qp);
void fab_srq_put(struct fab_srq *srq);

/* ---- completion queues ---- */

/* Return: false: the queue is overrun. */
bool fab_cq_push(struct fab_cq *cq, const struct fab_cqe *cqe);
/* Takes the completions of @qp out. */
void fab_cq_sweep(struct fab_cq *cq, const struct fab_qp *qp);

/* ---- queue pairs ---- */

/* The queue pair's lock, and its peer's if it has one. */
struct fab_qp *fab_pair_lock(struct fab_qp *qp);
void fab_pair_unlock(struct fab_qp *qp, struct fab_qp *peer);
/* After anything about @qp has changed. Simulated mode: its actions are what could happen now. Threaded mode:
 * nothing. */
void fab_refresh(struct fab_qp *qp);
/* No lock of a queue pair is held. Threaded mode: what can happen happens. */
void fab_pump(struct fab_qp *qp);
/* Under its lock. */
void fab_qp_fail(struct fab_qp *qp);
void fab_qp_event(struct fab_qp *qp, enum ibv_event_type type);
void fab_qp_actions_init(struct fab_qp *qp);
void fab_qp_actions_clear(struct fab_qp *qp);
const char *fab_state_str(enum ibv_qp_state state);
/* Completes the oldest WR of the send queue. */
void fab_send_complete(struct fab_qp *qp, enum ibv_wc_status status);
/* Return: false: the completion queue is overrun, and the queue pair failed. */
bool fab_receive_complete(struct fab_qp *qp, uint32_t slot, struct fab_cqe *cqe);
bool fab_flush_can(const struct fab_qp *qp);
bool fab_drain_can(const struct fab_qp *qp);
void fab_flush_step(struct fab_qp *qp);
void fab_drain_step(struct fab_qp *qp);

static inline struct fab_swqe *fab_swqe_at(const struct fab_qp *qp, uint32_t index)
{
	return &qp->sq[index & (qp->sq_size - 1)];
}

/* ---- what a WR does ---- */

enum fab_outcome {
	FAB_EXECUTED, /* wqe->status says how */
	FAB_LOST,     /* nobody answers */
	FAB_NOT_READY,
};

/* At the peer, whose lock is held as well (it may be NULL). */
enum fab_outcome fab_respond(struct fab_qp *qp, struct fab_qp *peer, struct fab_swqe *wqe);
/* Whether the answer to something executed comes again. An RDMA READ is executed again. */
enum fab_outcome fab_respond_again(struct fab_qp *qp, struct fab_qp *peer, struct fab_swqe *wqe);

static inline bool fab_is_read(enum ibv_wr_opcode opcode)
{
	return opcode == IBV_WR_RDMA_READ || opcode == IBV_WR_ATOMIC_CMP_AND_SWP ||
	       opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
}

static inline bool fab_is_local(enum ibv_wr_opcode opcode)
{
	return opcode == IBV_WR_BIND_MW || opcode == IBV_WR_LOCAL_INV;
}

/* ---- memory ---- */

struct fab_pieces {
	const struct ibv_sge *sge;
	uint32_t count;
	const uint8_t *bytes; /* instead: inline data */
	struct fab_key *held[FAB_MAX_SGE];
};

/* Checks and holds each piece. A fault: nothing is held. @access: that its memory must give. @qpn: whose type
 * 2 windows they may be. */
enum fab_fault fab_pieces_hold(struct fab_pieces *pieces, unsigned access, const struct ibv_pd *pd,
			       uint32_t qpn);
void fab_pieces_release(struct fab_pieces *pieces);
/* @len bytes, each in pieces that are held and have as many. */
void fab_copy(const struct fab_pieces *to, const struct fab_pieces *from, uint32_t len);
/* Of the first @len bytes of pieces that are held. */
uint64_t fab_print(const struct fab_pieces *pieces, uint32_t len);

#endif
