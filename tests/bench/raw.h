/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The roof: the least that a target can do on verbs and still serve Linux's host. A Read is an RDMA WRITE of
 * whatever memory there is and a SEND, a Write an RDMA READ to nowhere and a SEND, prebuilt and posted once
 * for each queue and round. Nothing is checked, stored, counted or given back: what a target takes more than
 * this is what it does for its users. One thread.
 */
#ifndef RAW_H
#define RAW_H

#include <netinet/in.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/wire.h"

#define RAW_CAPSULE_LEN (64 + 4096)
#define RAW_PAGE_LEN    4096u

struct raw_queue;

/* A command that may be outstanding: where its capsule comes, and the WRs that answer it. */
struct raw_slot {
	struct raw_queue *queue;
	struct ibv_recv_wr recv;
	struct ibv_sge recv_sge;
	struct ibv_send_wr data; /* RDMA WRITE or READ */
	struct ibv_sge data_sge;
	struct ibv_send_wr send;
	struct ibv_sge send_sge;
	uint8_t cqe[16];
	uint8_t capsule[RAW_CAPSULE_LEN];
	uint8_t page[RAW_PAGE_LEN]; /* what an admin command is answered with */
};

/* A connection. It is forgotten when its host goes, and never freed. */
struct raw_queue {
	struct rdma_cm_id *id;
	struct ibv_mr *mr; /* of the slots */
	struct raw_slot *slots;
	struct ibv_send_wr *first, **link; /* to be posted in this round */
	struct ibv_recv_wr *recv_first, **recv_link;
	struct raw_queue *dirty_next;
	uint32_t depth;
	uint32_t unsignaled; /* WRs posted behind the last signaled one */
	uint16_t qid;
	uint16_t sqhd;
	bool dirty;
};

/* What it serves. */
struct raw_ns {
	const char *nqn;
	uint64_t blocks; /* of 512 bytes */
};

/* Serves it, which stays the caller's, at an address from now on. */
void raw_listen(const struct sockaddr_in *address, const struct raw_ns *ns);

/* Takes the connections that come and go. */
void raw_cm_events(void);

/* Takes completions, answers commands, and posts. Return: how many completions there were. */
int raw_poll(void);

/* Sleeps until there is something to do, and looks at who comes and goes. */
void raw_sleep(void);

#define RAW_HELD (-1)

/*
 * Answers an admin or Fabrics command: fills the slot's cqe but for SQHD and the command's identifier, and
 * its page. Return: bytes of the page that the host gets; RAW_HELD: it is not answered.
 */
int raw_admin(struct raw_slot *slot, const struct raw_ns *ns);

#endif
