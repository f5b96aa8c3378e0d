/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/transport/chain.c against a model: a transfer is a row of bytes, each with a place in the
 * host's ranges and one in the local buffers. The chain must visit them all, in order, once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "transport/chain.h"

#define MAX_WRS    64
#define LKEY       0x1234u
#define GUARD      0xdeadbeefu
#define LOCAL_BASE 0x100000u

static struct rdmat_wr wrs[MAX_WRS];
static struct ibv_sge sges[MAX_WRS][RDMAT_WR_SGES + 1];
static uint32_t seed;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % below;
}

static uint32_t rnd_len(void)
{
	switch (rnd(4)) {
	case 0:
		return 1 + rnd(16);
	case 1:
		return 512 * (1 + rnd(8));
	case 2:
		return 8192 * (1 + rnd(2));
	default:
		return 1 + rnd(20000);
	}
}

/* WRs as a pool gives them: dirty, linked, with a guard behind the last SGE that may be used. */
static void wrs_make(uint32_t count, uint32_t max_sge)
{
	memset(wrs, 0xa5, sizeof(wrs));
	memset(sges, 0xa5, sizeof(sges));
	for (uint32_t i = 0; i < count; i++) {
		wrs[i].wr.sg_list = sges[i];
		wrs[i].chain_next = i + 1 < count ? &wrs[i + 1] : NULL;
		sges[i][max_sge].length = GUARD;
	}
}

/* Local memory. */
struct local {
	struct iovec iov[RDMAT_MAX_IOV];
	uint32_t count;
};

/* The pieces lie apart, so that an SGE across two of them cannot go unseen. */
static void local_add(struct local *local, uint32_t len)
{
	assert_in_range(local->count, 0, RDMAT_MAX_IOV - 1);
	local->iov[local->count].iov_base =
		(void *)(LOCAL_BASE + (uintptr_t)local->count * 0x1000000u);
	local->iov[local->count++].iov_len = len;
}

/* As buffers of a pool are: all of one length but the last. */
static void local_buffers(struct local *local, uint32_t len, uint32_t piece_len)
{
	local->count = 0;
	for (uint32_t at = 0; at < len; at += piece_len)
		local_add(local, len - at < piece_len ? len - at : piece_len);
}

/* As a backend may lend them: of any length. */
static void local_pieces(struct local *local, uint32_t len)
{
	local->count = 0;
	while (len) {
		uint32_t part = local->count == RDMAT_MAX_IOV - 1 ? len : 1 + rnd(len);

		local_add(local, part);
		len -= part;
	}
}

struct place {
	const struct nvme_data *data;
	const struct local *local;
	uint32_t desc, in_desc;   /* where in the host's ranges */
	uint32_t piece, in_piece; /* where in the local memory */
	uint32_t byte;            /* of the transfer */
};

static void sge_check(struct place *at, const struct ibv_sge *sge)
{
	const struct nvme_keyed *desc = &at->data->desc[at->desc];
	const struct iovec *piece = &at->local->iov[at->piece];

	assert_true(at->piece < at->local->count);
	assert_int_equal(sge->lkey, LKEY);
	assert_true(sge->length > 0);
	assert_true(sge->addr == (uintptr_t)piece->iov_base + at->in_piece);
	assert_true(at->in_piece + sge->length <= piece->iov_len);
	assert_true(at->in_desc + sge->length <= desc->len);
	at->byte += sge->length;
	at->in_desc += sge->length;
	at->in_piece += sge->length;
	if (at->in_piece == piece->iov_len) {
		at->piece++;
		at->in_piece = 0;
	}
}

static void wr_check(struct place *at, const struct rdmat_wr *wr, uint32_t max_sge)
{
	const struct nvme_keyed *desc;

	while (at->data->desc[at->desc].len == at->in_desc) {
		at->desc++;
		at->in_desc = 0;
	}
	desc = &at->data->desc[at->desc];
	assert_true(at->desc < at->data->desc_count);
	assert_int_equal(wr->wr.opcode, IBV_WR_RDMA_READ);
	assert_int_equal(wr->wr.send_flags, 0);
	assert_in_range(wr->wr.num_sge, 1, max_sge);
	assert_true(wr->wr.wr.rdma.remote_addr == desc->addr + at->in_desc);
	assert_int_equal(wr->wr.wr.rdma.rkey, desc->rkey);
	for (int i = 0; i < wr->wr.num_sge; i++)
		sge_check(at, &wr->wr.sg_list[i]);
	assert_int_equal(wr->wr.sg_list[max_sge].length, GUARD);
}

static struct rdmat_chain_shape count_of(const struct nvme_data *data, const struct local *local,
					 uint32_t max_sge)
{
	return rdmat_chain_count(data, local->iov, local->count, max_sge);
}

static void transfer_check(const struct nvme_data *data, const struct local *local,
			   uint32_t max_sge)
{
	struct rdmat_chain_shape shape = count_of(data, local, max_sge);
	struct place at = {.data = data, .local = local};
	uint32_t count = 0, most = 0;

	assert_in_range(shape.wrs, 1, MAX_WRS - 1);
	wrs_make(shape.wrs, max_sge);
	wrs[shape.wrs].wr.num_sge = -7;
	rdmat_chain_build(wrs, IBV_WR_RDMA_READ, data, local->iov, LKEY, max_sge);
	for (struct rdmat_wr *wr = wrs; wr; wr = wr->chain_next) {
		wr_check(&at, wr, max_sge);
		if ((uint32_t)wr->wr.num_sge > most)
			most = (uint32_t)wr->wr.num_sge;
		count++;
	}
	assert_int_equal(count, shape.wrs);
	assert_int_equal(most, shape.max_sges);
	assert_int_equal(at.byte, data->len);
	assert_int_equal(wrs[shape.wrs].wr.num_sge, -7);
}

/* Ranges of which the data of a request can be made up, with as many local buffers at most. */
static void data_make(struct nvme_data *data, uint32_t desc_count, uint32_t room)
{
	memset(data, 0, sizeof(*data));
	for (uint32_t i = 0; i < desc_count && data->len < room; i++) {
		uint32_t len = rnd_len();

		if (len > room - data->len)
			len = room - data->len;
		data->desc[i] = (struct nvme_keyed){
			.addr = 0x7000000000ull + i * 0x10000000ull + rnd(4096),
			.len = len,
			.rkey = 0x100 + i,
		};
		data->desc_count++;
		data->len += len;
	}
}

static void every_byte_of_random_transfers_is_moved_once_and_in_order(void **state)
{
	static const uint32_t piece_lens[] = {512, 4096, 8192, 131072};

	seed = 0x57a55e;
	for (uint32_t round = 0; round < 100; round++)
		for (uint32_t max_sge = 1; max_sge <= RDMAT_WR_SGES; max_sge++)
			for (uint32_t descs = 1; descs <= NVME_MAX_DESCS; descs++) {
				uint32_t piece_len = piece_lens[rnd(4)];
				struct nvme_data data;
				struct local local;

				data_make(&data, descs, piece_len * RDMAT_MAX_IOV);
				local_buffers(&local, data.len, piece_len);
				transfer_check(&data, &local, max_sge);
				local_pieces(&local, data.len);
				transfer_check(&data, &local, max_sge);
			}
}

/* One range, every length around every buffer's end. */
static void a_range_that_ends_at_a_buffers_end_needs_no_more(void **state)
{
	for (uint32_t max_sge = 1; max_sge <= RDMAT_WR_SGES; max_sge++)
		for (uint32_t len = 1; len <= 64 * RDMAT_MAX_IOV; len++) {
			struct nvme_data data = {
				.len = len, .desc_count = 1, .desc = {{0x1000, len, 7}}};
			uint32_t pieces = (len + 63) / 64;
			struct local local;

			local_buffers(&local, len, 64);
			assert_int_equal(count_of(&data, &local, max_sge).wrs,
					 (pieces + max_sge - 1) / max_sge);
			transfer_check(&data, &local, max_sge);
		}
}

static void an_empty_range_costs_nothing(void **state)
{
	struct nvme_data data = {
		.len = 300,
		.desc_count = 4,
		.desc = {{0x1000, 0, 1}, {0x2000, 100, 2}, {0x3000, 0, 3}, {0x4000, 200, 4}}};

	struct local local;

	local_buffers(&local, 300, 8192);
	assert_int_equal(count_of(&data, &local, 4).wrs, 2);
	transfer_check(&data, &local, 4);
	local_buffers(&local, 300, 100);
	transfer_check(&data, &local, 1);
}

/* The numbers that src/target.c's smallest WR pool stands on. */
static void the_largest_command_needs_no_more_than_the_smallest_pool(void **state)
{
	uint32_t most = 0;

	seed = 77;
	for (uint32_t round = 0; round < 20000; round++) {
		struct nvme_data data;
		struct local local;
		uint32_t count;

		data_make(&data, NVME_MAX_DESCS, 8192 * RDMAT_MAX_IOV);
		if (round & 1)
			local_buffers(&local, data.len, 8192);
		else
			local_pieces(&local, data.len);
		count = count_of(&data, &local, 1).wrs;
		if (count > most)
			most = count;
	}
	assert_in_range(most, NVME_MAX_DESCS, NVME_MAX_DESCS + RDMAT_MAX_IOV - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_of_random_transfers_is_moved_once_and_in_order),
		cmocka_unit_test(a_range_that_ends_at_a_buffers_end_needs_no_more),
		cmocka_unit_test(an_empty_range_costs_nothing),
		cmocka_unit_test(the_largest_command_needs_no_more_than_the_smallest_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
