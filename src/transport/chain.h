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
