/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WR chains: how many WRs a transfer needs, and building them. One side is the host's ranges (at
 * most 16), the other the local iovec (at most RDMAT_MAX_IOV); every WR serves one remote range
 * with as many local pieces as the device's SGE limit allows.
 */
#ifndef WRASSE_TRANSPORT_CHAIN_H
#define WRASSE_TRANSPORT_CHAIN_H

#include "transport/request.h"

/* The shape of a transfer. */
struct rdmat_chain_shape {
	uint32_t wrs;
	uint32_t max_sges; /* the most SGEs that one of them has */
};

/*
 * Counts without building.
 *
 * @iov: local memory, as long as the data in all.
 * @max_sge: SGEs per WR, at least 1.
 */
struct rdmat_chain_shape rdmat_chain_count(const struct nvme_data *data, const struct iovec *iov,
					   uint32_t iov_count, uint32_t max_sge);

/* Begins a WR of a chain: it has no local memory yet. */
static inline void rdmat_wr_begin(struct rdmat_wr *wr, enum ibv_wr_opcode opcode,
				  uint64_t remote_addr, uint32_t rkey)
{
	wr->wr.opcode = opcode;
	wr->wr.send_flags = 0;
	wr->wr.num_sge = 0;
	wr->wr.wr.rdma.remote_addr = remote_addr;
	wr->wr.wr.rdma.rkey = rkey;
}

/* Adds local memory to it. */
static inline void rdmat_wr_add(struct rdmat_wr *wr, const void *base, uint32_t len, uint32_t lkey)
{
	struct ibv_sge *sge = &wr->wr.sg_list[wr->wr.num_sge++];

	sge->addr = (uintptr_t)base;
	sge->length = len;
	sge->lkey = lkey;
}

/*
 * Builds the chain into the WRs that start at @first, linked by chain_next, exactly as many as
 * counted.
 *
 * @lkey: of all of the iovec's memory.
 */
void rdmat_chain_build(struct rdmat_wr *first, enum ibv_wr_opcode opcode,
		       const struct nvme_data *data, const struct iovec *iov, uint32_t lkey,
		       uint32_t max_sge);

#endif
