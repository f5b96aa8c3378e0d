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
