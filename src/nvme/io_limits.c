/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a controller tells of the I/O commands that its namespaces take, and of their limits. A
 * controller has one answer for all of its namespaces: what one of them takes is told, and of
 * limits the lowest. The thread of the admin queue's group.
 */
#include "nvme/io.h"

#include "nvme/hook.h"

uint64_t nvme_io_write_zeroes_max(const struct wrasse_namespace *ns,
				  const struct nvme_limits *limits)
{
	if (ns->io_opcodes & WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES))
		return ns->max_write_zeroes_len;
	return limits->max_data_len < NVME_LEAST_WZSL ? NVME_LEAST_WZSL : limits->max_data_len;
}

uint64_t nvme_io_verify_max(const struct wrasse_namespace *ns, const struct nvme_limits *limits)
{
	if (ns->io_opcodes & WRASSE_IO_BIT(WRASSE_IO_VERIFY))
		return 0;
	return limits->max_data_len < NVME_LEAST_WZSL ? NVME_LEAST_WZSL : limits->max_data_len;
}

bool nvme_io_is_supported(const struct nvme_queue *queue, unsigned opcode)
{
	const struct nvme_op *op = nvme_hook_op(queue, false, opcode);
	const struct nvme_view *view = queue->view;

	if (!op || !op->required)
		return op;
	for (uint32_t i = 0; view && i < view->count; i++) {
		const struct nvme_ns_port *port = nvme_queue_port(queue, i + 1);

		if (port && (port->ns->io_opcodes & op->native))
			return true;
	}
	return false;
}

/* The lower of two limits, where 0 is none. */
static uint64_t lower(uint64_t a, uint64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

/* @len: 0, or 8192 at least. Return: n of 4096 * 2^n, rounded down; 0: no limit. */
static uint8_t size_limit(uint64_t len)
{
	return len ? (uint8_t)(63 - __builtin_clzll(len / 4096)) : 0;
}

void nvme_io_limits_get(const struct nvme_queue *queue, struct nvme_io_limits *limits)
{
	const struct nvme_view *view = queue->view;
	uint64_t zeroes = 0, verify = 0, discard = 0;

	for (uint32_t i = 0; view && i < view->count; i++) {
		const struct nvme_ns_port *port = nvme_queue_port(queue, i + 1);
		const struct wrasse_namespace *ns;

		if (!port)
			continue;
		ns = port->ns;
		zeroes = lower(zeroes, nvme_io_write_zeroes_max(ns, queue->limits));
		verify = lower(verify, nvme_io_verify_max(ns, queue->limits));
		discard = lower(discard, ns->max_discard_len >> ns->block_shift);
	}
	*limits = (struct nvme_io_limits){
		.vsl = size_limit(verify),
		.wzsl = size_limit(zeroes),
		.dmrsl = discard > UINT32_MAX ? 0 : (uint32_t)discard,
	};
}

/* ---- of one namespace ---- */

/* A length as a field that is 0-based; 0, which is not told, is one block. */
static void put_blocks(nvme_le16 *field, uint32_t blocks)
{
	nvme_put16(field, (uint16_t)(blocks ? blocks - 1 : 0));
}

/* Whether there is something to say of preferred sizes: OPTPERF makes all of these fields valid. */
static bool has_preferences(const struct wrasse_ns_hints *hints)
{
	return hints->write_granularity || hints->write_alignment || hints->discard_granularity ||
	       hints->discard_alignment || hints->write_size;
}

static void hints_put(const struct wrasse_ns_hints *hints, struct nvme_id_ns *id)
{
	nvme_put16(&id->noiob, (uint16_t)hints->io_boundary);
	put_blocks(&id->nawun, hints->atomic_write);
	put_blocks(&id->nawupf, hints->atomic_write_power);
	if (!has_preferences(hints))
		return;
	id->nsfeat |= NVME_NSFEAT_OPTPERF;
	put_blocks(&id->npwg, hints->write_granularity);
	put_blocks(&id->npwa, hints->write_alignment);
	put_blocks(&id->npdg, hints->discard_granularity);
	put_blocks(&id->npda, hints->discard_alignment);
	put_blocks(&id->nows, hints->write_size);
}

void nvme_io_id_put(const struct wrasse_namespace *ns, struct nvme_id_ns *id)
{
	id->nsfeat = NVME_NSFEAT_NSABP;
	/* What deallocated blocks read as (not said, or zeroes); whether Write Zeroes may do it. */
	id->dlfeat = ns->discard_zeroes ? 1u << 0 : 0;
	if (ns->io_opcodes & WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES))
		id->dlfeat |= 1u << 3;
	put_blocks(&id->nacwu, (uint32_t)(nvme_io_pair_max(ns) >> ns->block_shift));
	nvme_put16(&id->mssrl, (uint16_t)nvme_copy_range_max(ns));
	nvme_put32(&id->mcl, NVME_COPY_MAX >> ns->block_shift);
	id->msrc = NVME_COPY_RANGES - 1;
	hints_put(&ns->hints, id);
}
