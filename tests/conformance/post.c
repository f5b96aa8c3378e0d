/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work requests: short ways to make and post the common ones.
 */
#include "conformance.h"

struct ibv_sge piece(const struct side *s, uint32_t off, uint32_t len)
{
	return (struct ibv_sge){(uintptr_t)(s->mem + off), len, s->mr->lkey};
}

struct ibv_send_wr send_wr(struct ibv_sge *sge, int sges, uint64_t wr_id, unsigned flags)
{
	return (struct ibv_send_wr){
		.wr_id = wr_id,
		.sg_list = sge,
		.num_sge = sges,
		.opcode = IBV_WR_SEND,
		.send_flags = flags,
	};
}

struct ibv_send_wr rdma_wr(enum ibv_wr_opcode op, struct ibv_sge *sge, uint64_t wr_id,
			   const struct side *peer, uint32_t peer_off)
{
	return (struct ibv_send_wr){
		.wr_id = wr_id,
		.sg_list = sge,
		.num_sge = 1,
		.opcode = op,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = {(uintptr_t)(peer->mem + peer_off), peer->mr->rkey},
	};
}

void post(struct side *s, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad = NULL;
	int err = ibv_post_send(s->qp, wr, &bad);

	check(!err, "%s: ibv_post_send: %s at %llu", s->name, strerror(err),
	      (unsigned long long)(bad ? bad->wr_id : 0));
}

void post_send(struct side *s, uint64_t wr_id, uint32_t off, uint32_t len, unsigned flags)
{
	struct ibv_sge sge = piece(s, off, len);
	struct ibv_send_wr wr = send_wr(&sge, 1, wr_id, flags);

	post(s, &wr);
}

void post_rdma(struct side *s, enum ibv_wr_opcode op, uint64_t wr_id, uint32_t off, uint32_t len,
	       const struct side *peer, uint32_t peer_off)
{
	struct ibv_sge sge = piece(s, off, len);
	struct ibv_send_wr wr = rdma_wr(op, &sge, wr_id, peer, peer_off);

	post(s, &wr);
}

/* To the shared receive queue where the side has one. Returns what the device says. */
int try_recv(struct side *s, uint64_t wr_id, uint32_t off, uint32_t len)
{
	struct ibv_sge sge = piece(s, off, len);
	struct ibv_recv_wr wr = {.wr_id = wr_id, .sg_list = &sge, .num_sge = 1};
	struct ibv_recv_wr *bad;

	return s->srq ? ibv_post_srq_recv(s->srq, &wr, &bad) : ibv_post_recv(s->qp, &wr, &bad);
}

void post_recv(struct side *s, uint64_t wr_id, uint32_t off, uint32_t len)
{
	int err = try_recv(s, wr_id, off, len);

	check(!err, "%s: ibv_post_recv: %s", s->name, strerror(err));
}

void to_error(struct side *s)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};

	must(ibv_modify_qp(s->qp, &attr, IBV_QP_STATE));
}

void fill(struct side *s, uint32_t off, uint32_t len, uint8_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		s->mem[off + i] = (uint8_t)(seed + i * 7);
}

void filled(struct side *s, uint32_t off, uint32_t len, uint8_t seed)
{
	for (uint32_t i = 0; i < len; i++) {
		if (s->mem[off + i] != (uint8_t)(seed + i * 7))
			fail("%s: byte %u of %u at %u is wrong", s->name, i, len, off);
	}
}
