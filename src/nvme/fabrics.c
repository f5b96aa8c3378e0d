/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Fabrics command set (NVMe-oF 1.1 3): its table, and Disconnect. The thread of the queue's
 * group.
 */
#include "nvme/ctrl.h"

/* NVMe-oF 1.1 3.6. The host has no other command outstanding on the queue. */
static enum nvme_next disconnect_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	(void)now_ns;
	if (request->queue->qid == 0)
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_QUEUE_TYPE), NVME_AT_NONE,
				   "Disconnect on an admin queue");
	if (nvme_get16(request->cmd.connect.recfmt) != 0)
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_CONNECT_FORMAT), NVME_AT_CDW10,
				   "RECFMT is not 0");
	actions->disconnect = true;
	actions->why = "the host sent Disconnect";
	return nvme_succeed(request, 0);
}

static const struct nvme_op fabrics_ops[] = {
	[NVME_FCTYPE_PROPERTY_SET] =
		{
			.name = "Property Set",
			.xfer = NVME_XFER_NONE,
			.on = NVME_ON_ADMIN | NVME_ON_DISC,
			.execute = nvme_property_set_execute,
		},
	[NVME_FCTYPE_CONNECT] =
		{
			.name = "Connect",
			.xfer = NVME_XFER_H2C,
			.on = NVME_ON_NEW,
			.data_len = nvme_connect_data_len,
			.execute = nvme_connect_execute,
			.execute_registry = nvme_connect_execute_registry,
		},
	[NVME_FCTYPE_PROPERTY_GET] =
		{
			.name = "Property Get",
			.xfer = NVME_XFER_NONE,
			.on = NVME_ON_ADMIN | NVME_ON_DISC,
			.execute = nvme_property_get_execute,
		},
	[NVME_FCTYPE_AUTH_SEND] =
		{
			.name = "Authentication Send",
			.xfer = NVME_XFER_H2C,
			.on = NVME_ON_AUTH | NVME_ON_ADMIN | NVME_ON_IO,
			.data_len = nvme_auth_send_data_len,
			.execute = nvme_auth_send_execute,
			.execute_auth = nvme_auth_send_execute_auth,
		},
	[NVME_FCTYPE_AUTH_RECEIVE] =
		{
			.name = "Authentication Receive",
			.xfer = NVME_XFER_C2H,
			.on = NVME_ON_AUTH | NVME_ON_ADMIN | NVME_ON_IO,
			.data_len = nvme_auth_receive_data_len,
			.execute = nvme_auth_receive_execute,
			.execute_auth = nvme_auth_receive_execute_auth,
		},
	[NVME_FCTYPE_DISCONNECT] =
		{
			.name = "Disconnect",
			.xfer = NVME_XFER_NONE,
			.on = NVME_ON_ADMIN | NVME_ON_DISC | NVME_ON_IO,
			.execute = disconnect_execute,
		},
};

const struct nvme_op_table nvme_fabrics_ops = {
	fabrics_ops,
	sizeof(fabrics_ops) / sizeof(fabrics_ops[0]),
};
