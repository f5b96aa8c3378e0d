/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The admin command set (NVMe Base 2.0 5): its table, for I/O controllers and discovery
 * controllers, and Keep Alive. The thread of the admin queue's group.
 */
#include "nvme/ctrl.h"

static enum nvme_next keep_alive_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl = request->queue->ctrl;

	if (ctrl->kato_ms == 0)
		return nvme_refuse(request, NVME_GENERIC(NVME_SC_KATO_INVALID), NVME_AT_NONE,
				   "Keep Alive without a Keep Alive Timeout");
	nvme_ctrl_set_timer(ctrl, now_ns, actions);
	return nvme_succeed(request, 0);
}

static const struct nvme_op admin_ops[] = {
	[NVME_OPC_GET_LOG] =
		{
			.name = "Get Log Page",
			.xfer = NVME_XFER_C2H,
			.on = NVME_ON_ADMIN | NVME_ON_DISC,
			.ready = true,
			.data_len = nvme_log_data_len,
			.filtered = true,
			.execute = nvme_log_execute,
			.execute_registry = nvme_log_execute_registry,
		},
	[NVME_OPC_IDENTIFY] =
		{
			.name = "Identify",
			.xfer = NVME_XFER_C2H,
			.on = NVME_ON_ADMIN | NVME_ON_DISC,
			.ready = true,
			.data_len = nvme_identify_data_len,
			.filtered = true,
			.execute = nvme_identify_execute,
			.execute_registry = nvme_identify_execute_registry,
		},
	[NVME_OPC_ABORT] =
		{
			.name = "Abort",
			.xfer = NVME_XFER_NONE,
			.on = NVME_ON_ADMIN,
			.ready = true,
			.execute = nvme_abort_execute,
		},
	[NVME_OPC_SET_FEATURES] =
		{
			.name = "Set Features",
			.xfer = NVME_XFER_H2C,
			.on = NVME_ON_ADMIN | NVME_ON_DISC,
			.ready = true,
			.data_len = nvme_features_set_data_len,
			.execute = nvme_features_set_execute,
			.execute_registry = nvme_features_set_execute_registry,
			.failed = nvme_features_set_failed,
		},
	[NVME_OPC_GET_FEATURES] =
		{
			.name = "Get Features",
			.xfer = NVME_XFER_C2H,
			.on = NVME_ON_ADMIN | NVME_ON_DISC,
			.ready = true,
			.data_len = nvme_features_get_data_len,
			.execute = nvme_features_get_execute,
			.execute_registry = nvme_resv_persistence_get_registry,
		},
	[NVME_OPC_ASYNC_EVENT] =
		{
			.name = "Asynchronous Event Request",
			.xfer = NVME_XFER_NONE,
			.on = NVME_ON_ADMIN | NVME_ON_DISC,
			.ready = true,
			.execute = nvme_aer_execute,
		},
	[NVME_OPC_KEEP_ALIVE] =
		{
			.name = "Keep Alive",
			.xfer = NVME_XFER_NONE,
			.on = NVME_ON_ADMIN | NVME_ON_DISC,
			.ready = true,
			.execute = keep_alive_execute,
		},
};

const struct nvme_op_table nvme_admin_ops = {
	admin_ops,
	sizeof(admin_ops) / sizeof(admin_ops[0]),
};
