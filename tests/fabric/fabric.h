/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulated fabric, as a test steers it. The fabric is libibverbs.so.1 and librdmacm.so.1: a
 * program that links them talks verbs to devices that exist in this process only. Without any call
 * of this header there is one device, sim0, with the address 10.66.0.1, and real time passes: that is
 * the threaded mode.
 *
 * In the simulated mode there is one thread and a virtual clock, and nothing happens by itself:
 * what the hardware, the network and the connection managers could do next is a list of actions,
 * of which the test chooses one at a time (fabric_step), or lets it be lost (fabric_drop).
 * The same choices give the same course, to the byte.
 *
 * Every function here may be called from any thread in the threaded mode, unless said otherwise.
 */
#ifndef TESTS_FABRIC_FABRIC_H
#define TESTS_FABRIC_FABRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A constant string. A program finds out through a weak reference whether it runs on this fabric. */
const char *fabric_version(void);

/* ---- set-up ---- */

enum fabric_mode {
	FABRIC_THREADED,
	FABRIC_SIMULATED,
};

/*
 * Begins anew: no devices (add some), virtual time 1 s, no faults, not strict. No verbs object of
 * the time before may be left: each one that is stops the program with its name (fabric_leftovers()
 * looks without stopping).
 */
void fabric_init(enum fabric_mode mode);

/* What becomes of a SEND with invalidate on a device that claims it. */
enum fabric_invalidate {
	FABRIC_INVALIDATE_WORKS,
	FABRIC_INVALIDATE_REFUSED, /* it cannot be posted: EOPNOTSUPP */
	FABRIC_INVALIDATE_FAILS,   /* it ends with an error at its sender */
	FABRIC_INVALIDATE_UNTOLD,  /* the receive says nothing of it */
	FABRIC_INVALIDATE_AMISS,   /* the receive names another key */
};

/* What a device is like. Zero in a member: what rdma_rxe has. */
struct fabric_device {
	const char *name;    /* at most 15 characters */
	const char *address; /* the IPv4 or IPv6 address that it has; NULL: every address */
	uint32_t max_qp;
	uint32_t max_qp_wr;
	uint32_t max_sge;
	uint32_t max_cqe;
	uint32_t max_srq_wr;
	uint32_t max_reads;  /* RDMA READs outstanding per queue pair, either way */
	uint32_t max_inline; /* bytes; UINT32_MAX: no inline data */
	bool no_srq;         /* max_srq is 0 */
	bool no_invalidate;  /* no memory-management extensions: no SEND with invalidate */
	bool no_windows;     /* only no memory windows of type 2 */
	enum fabric_invalidate invalidate;
	bool infiniband; /* the link layer, with a LID; the CM cannot do without GIDs all the same */
	bool iwarp;      /* node and transport type; no RNR timer; READ needs REMOTE_WRITE */
	bool sweeps_on_destroy; /* completions of a destroyed queue pair are taken out of the CQ,
				   as some drivers do; else they stay, as with rdma_rxe */
	bool never_flushes;     /* a failed queue pair's WRs never come back as completions */
	bool no_last_wqe;       /* never says LAST_WQE_REACHED */
	uint64_t
		ack_timeout_ns; /* from a lost packet to its next try; 0: 10 ms, in the threaded mode
				    what the queue pair's attributes say */
};

/* Adds a device; its port is up. The struct is copied. */
void fabric_device_add(const struct fabric_device *device);

/* Whether misuse of verbs stops the program (see fabric_on_misuse()). Off: errors as the kernel
 * gives them. */
void fabric_set_strict(bool strict);

/*
 * Who hears of misuse, of a broken buffer, or of an object left over; NULL: a line on stderr and
 * abort(). @fn may longjmp or exit; if it returns, the call that was wrong fails with EINVAL where
 * it can.
 */
void fabric_on_misuse(void (*fn)(void *ctx, const char *line), void *ctx);

/* How many verbs and CM objects exist, contexts of librdmacm not counted; names them in @buf. */
unsigned fabric_leftovers(char *buf, size_t len);

/* ---- simulated mode ---- */

enum fabric_kind {
	FABRIC_SEND,  /* the next WR of a send queue reaches the peer */
	FABRIC_ACK,   /* the answer to the oldest one reaches the sender: it completes */
	FABRIC_CM,    /* a message of the connection manager arrives */
	FABRIC_EVENT, /* something local: a timer, a flush, an event that is delivered */
};

struct fabric_action {
	enum fabric_kind kind;
	bool can_drop;
	uint32_t qpn;       /* the queue pair that it is about; 0: none */
	const char *what;   /* constant string: "RDMA_READ", "REQ", "RNR timer", ... */
	const char *device; /* that it leaves from */
};

/*
 * Whether the descriptors of channels and contexts are readable when they should be, for programs that look
 * at them with poll(). Off at first: it costs a system call for each event. Set it before any is made.
 */
void fabric_use_descriptors(bool on);

/* How many actions could happen now. */
unsigned fabric_ready(void);

/* Describes action @which < fabric_ready(). */
void fabric_describe(unsigned which, struct fabric_action *action);

/* Makes action @which happen. The numbers of all actions are new afterwards. */
void fabric_step(unsigned which);

/* Action @which, which can_drop, is lost on the wire: the sender will try again, or give up. */
void fabric_drop(unsigned which);

/* Virtual time in ns. In the threaded mode: CLOCK_MONOTONIC. */
uint64_t fabric_now_ns(void);

/* Lets virtual time pass; timers that become due are ready afterwards. */
void fabric_advance(uint64_t ns);

/* When the next timer is due; UINT64_MAX: none is set. */
uint64_t fabric_next_due(void);

/* ---- faults ---- */

/* Takes a port down or up. While it is down everything to and from the device is lost. The device
 * says PORT_ERR and PORT_ACTIVE. */
void fabric_port_set(const char *device, bool up);

/* Cuts (or mends) the way between two devices: both ports stay up, nothing arrives. */
void fabric_link_set(const char *a, const char *b, bool up);

/*
 * Takes a device away as a hot unplug does: DEVICE_REMOVAL to each CM id, DEVICE_FATAL to its
 * contexts, queue pairs break without a completion, every call fails with EIO (destroying works,
 * and polling and taking events find what was there before).
 * fabric_device_add() of the same name brings back a new one.
 */
void fabric_device_remove(const char *device);

/* Breaks a queue pair: its next WR completes with @status (enum ibv_wc_status), the rest flushes. */
void fabric_qp_break(uint32_t qpn, int status);

/*
 * The device says of a queue pair (QP_FATAL, QP_ACCESS_ERR...), of its completion queue (CQ_ERR) or
 * of its shared receive queue (SRQ_ERR) that it has failed: @type is an enum ibv_event_type. It says
 * so only: what it is about works on.
 */
void fabric_async_event(uint32_t qpn, int type);

/* Each listening CM id sees an event (enum rdma_cm_event_type), as ADDR_CHANGE. */
void fabric_listener_event(int type);

/* The options of a queue pair's CM id; -1: it has no ACK timeout of its own. */
void fabric_cm_options(uint32_t qpn, int *tos, int *ack_timeout);

/*
 * The connection of a queue pair's CM id sees an event that its peer never caused, as a stack under
 * duress delivers it: UNREACHABLE, CONNECT_ERROR, DISCONNECTED... (enum rdma_cm_event_type).
 */
void fabric_cm_event(uint32_t qpn, int type);

/* ---- calls ---- */

/* Which party the calling thread acts for: calls are counted, and made to fail, by party. 0 at
 * first. */
#define FABRIC_PARTIES 8
void fabric_party_set(unsigned party);

/* How many calls that can fail a party has made. */
uint64_t fabric_calls(unsigned party);

/* The @nth (from 1) of the next calls of a party fails with @err; 0: none does. */
void fabric_fail_call(unsigned party, uint64_t nth, int err);

/* The name of the call that was made to fail last; NULL: none was. */
const char *fabric_failed_call(void);

/* ---- memory ---- */

/*
 * What the hardware has: a WR or receive that was posted, whose completion nobody has taken yet and
 * whose queue pair (or SRQ) exists, and that touches [addr, addr + len).
 *
 * @writing: only such that the hardware may write to.
 * Return: a description in a static buffer of the calling thread; NULL: none.
 */
const char *fabric_memory_owner(const void *addr, size_t len, bool writing);

struct ibv_cq;
/* Completions that lie in a completion queue and were not taken. */
unsigned fabric_cq_count(const struct ibv_cq *cq);

/*
 * Whether the fabric watches memory that it has (off at first): bytes to be sent must not change
 * between the post and the sending, bytes to be received into must not change before the hardware
 * writes. A change is misuse. Where it costs too much for large buffers, samples are compared.
 */
void fabric_watch_memory(bool on);

/*
 * Whether it is misuse to post more RDMA READs and atomics to a queue pair than its max_rd_atomic while those
 * before them are not answered (off at first). The hardware lets them wait in the send queue, so it is legal;
 * a program that counts its credits promises not to.
 */
void fabric_limit_reads(bool on);

/* ---- counters, for benchmarks and assertions ---- */

struct fabric_stats {
	uint64_t post_send_calls, send_wrs, signaled_wrs;
	uint64_t post_recv_calls, recv_wrs;
	uint64_t poll_calls, empty_polls, completions;
	uint64_t notify_calls, cq_events;
	uint64_t qps_created, qps_destroyed;
	uint64_t rnr_naks;
} __attribute__((aligned(64))); /* parties share no cache line */

/* Of a party. */
void fabric_get_stats(unsigned party, struct fabric_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
