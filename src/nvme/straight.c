/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads and Writes that do not go straight to the end: they are as if request.c and io.c had brought them there.
 */
#include "nvme/straight.h"

#include "nvme/sgl.h"

void nvme_straight_parsed(struct nvme_request *request, const struct nvme_cmd *cmd,
			  struct nvme_ns_port *port, uint8_t opcode, bool in_capsule, uint32_t len)
{
	struct nvme_data *data = &request->data;

	request->op = &nvme_io_ops.op[opcode];
	request->used = true;
	request->cmd = *cmd;
	request->at = port;
	data->xfer = opcode == NVME_OPC_READ ? NVME_XFER_C2H : NVME_XFER_H2C;
	data->len = len;
	if (in_capsule) {
		data->in_capsule = true;
		data->icd_off = NVME_CMD_LEN + (uint32_t)nvme_get64(cmd->sgl.addr);
	} else {
		nvme_sgl_add(data, &cmd->sgl, 0);
	}
}

void nvme_straight_submitted(struct nvme_request *request, struct nvme_ns_port *port)
{
	request->straight = true;
	request->single = true;
	request->iov = request->io.iov;
	request->iov_count = request->io.iov_count;
	request->at = port;
	request->port = port;
	port->in_flight++;
}

uint32_t nvme_straight_map(struct nvme_request *request, const struct nvme_straight *straight,
			   struct iovec *iov)
{
	struct wrasse_memory *memory = NULL;
	struct nvme_ns_port *port = straight->port;
	uint32_t count;

	nvme_straight_fill(request, straight, NULL, 0);
	count = port->ns->ops.map(&request->io, iov, &memory);
	if (count)
		nvme_request_lent(request, port, memory);
	return count;
}
