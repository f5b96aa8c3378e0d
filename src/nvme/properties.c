/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Properties (NVMe Base 2.0 3.1.3, NVMe-oF 1.1 3.4, 3.5): the registers that fabrics have. The
 * thread of the admin queue's group.
 */
#include "nvme/ctrl.h"

static uint64_t cap_get(const struct nvme_ctrl *ctrl)
{
	/*
	 * Contiguous queues are all that fabrics know: CQR is 1. There is no command set but the
	 * NVM one: CSS sends nobody to CNS 1Ch, although it is there.
	 */
	return (ctrl->limits->max_queue_depth - 1) | NVME_CAP_CQR |
	       (uint64_t)NVME_CAP_TO << NVME_CAP_TO_SHIFT | NVME_CAP_CSS_NVM | NVME_CAP_CRWMS;
}

static uint64_t vs_get(const struct nvme_ctrl *ctrl)
{
	(void)ctrl;
	return NVME_VS_2_0;
}

static uint64_t cc_get(const struct nvme_ctrl *ctrl)
{
	return atomic_load_explicit(&ctrl->cc, memory_order_relaxed);
}

static uint64_t csts_get(const struct nvme_ctrl *ctrl)
{
	return nvme_ctrl_csts(ctrl);
}

/* Ready With Media Timeout, in 500 ms. */
static uint64_t crto_get(const struct nvme_ctrl *ctrl)
{
	(void)ctrl;
	return NVME_CAP_TO;
}

static const struct property {
	uint32_t offset;
	uint8_t size; /* as ATTRIB has it: 0 is 4 bytes, 1 is 8 */
	uint64_t (*get)(const struct nvme_ctrl *ctrl);
	void (*set)(struct nvme_ctrl *ctrl, uint32_t value, uint64_t now_ns,
		    struct nvme_actions *actions);
} properties[] = {
	{NVME_PROP_CAP, 1, cap_get, NULL},
	{NVME_PROP_VS, 0, vs_get, NULL},
	{NVME_PROP_CC, 0, cc_get, nvme_ctrl_write_cc},
	{NVME_PROP_CSTS, 0, csts_get, NULL},
	{NVME_PROP_CRTO, 0, crto_get, NULL},
};

/* The property that a command names with the right size; NULL: there is none. */
static const struct property *property_find(const struct nvme_property_cmd *cmd)
{
	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
		if (properties[i].offset == nvme_get32(cmd->offset))
			return (cmd->attrib & 7) == properties[i].size ? &properties[i] : NULL;
	}
	return NULL;
}

enum nvme_next nvme_property_get_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	const struct property *property = property_find(&request->cmd.property);
	uint64_t value;

	(void)now_ns;
	(void)actions;
	/*
	 * Without DNR and M: nvme-cli reads every offset there is, and takes only a bare Invalid
	 * Field for "not here". It is no error that belongs in a log either.
	 */
	if (!property)
		return nvme_refuse_quietly(request,
					   wrasse_status_make(0, WRASSE_SC_INVALID_FIELD, false),
					   "no such property");
	value = property->get(request->queue->ctrl);
	nvme_put32(&request->cqe.dw1, (uint32_t)(value >> 32));
	return nvme_succeed(request, (uint32_t)value);
}

enum nvme_next nvme_property_set_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	const struct property *property = property_find(&request->cmd.property);
	struct nvme_ctrl *ctrl = request->queue->ctrl;

	if (!property || !property->set)
		return nvme_refuse_field(request, NVME_AT_CDW11, "no such property to set");
	property->set(ctrl, (uint32_t)nvme_get64(request->cmd.property.value), now_ns, actions);
	nvme_ctrl_set_timer(ctrl, now_ns, actions);
	return nvme_succeed(request, 0);
}
