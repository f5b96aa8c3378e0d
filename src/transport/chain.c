/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WR chains: counting and building walk both sides of a transfer in the same way. Pure; any thread.
 */
#include "transport/chain.h"

struct rdmat_chain_shape rdmat_chain_count(const struct nvme_data *data, const struct iovec *iov,
					   uint32_t iov_count, uint32_t max_sge)
{
	struct rdmat_chain_shape shape = {0, 0};
	size_t local_left = iov->iov_len;

	/* One range, one piece of memory: most commands. */
	if (data->desc_count == 1 && iov_count == 1)
		return (struct rdmat_chain_shape){1, 1};
	for (uint32_t i = 0; i < data->desc_count; i++) {
		uint32_t left = data->desc[i].len;
		uint32_t sges = 0;

		while (left) {
			uint32_t step = left < local_left ? left : (uint32_t)local_left;

			if (sges == 0)
				shape.wrs++;
			sges++;
			if (sges > shape.max_sges)
				shape.max_sges = sges;
			if (sges == max_sge)
				sges = 0;
			left -= step;
			local_left -= step;
			if (local_left == 0 && --iov_count)
				local_left = (++iov)->iov_len;
		}
	}
	return shape;
}

void rdmat_chain_build(struct rdmat_wr *first, enum ibv_wr_opcode opcode,
		       const struct nvme_data *data, const struct iovec *iov, uint32_t lkey,
		       uint32_t max_sge)
{
	struct rdmat_wr *next = first, *wr = NULL;
	size_t local_used = 0;

	for (uint32_t i = 0; i < data->desc_count; i++) {
		const struct nvme_keyed *desc = &data->desc[i];
		uint32_t done = 0;

		wr = NULL;
		while (done < desc->len) {
			uint32_t step = desc->len - done;

			if (step > iov->iov_len - local_used)
				step = (uint32_t)(iov->iov_len - local_used);
			if (!wr) {
				wr = next;
				next = wr->chain_next;
				rdmat_wr_begin(wr, opcode, desc->addr + done, desc->rkey);
			}
			rdmat_wr_add(wr, (const uint8_t *)iov->iov_base + local_used, step, lkey);
			if ((uint32_t)wr->wr.num_sge == max_sge)
				wr = NULL;
			done += step;
			local_used += step;
			if (local_used == iov->iov_len) {
				iov++;
				local_used = 0;
			}
		}
	}
}
