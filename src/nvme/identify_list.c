/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identify pages about command sets and controllers (NVMe Base 2.0 5.17.2). The thread of the admin
 * queue's group; lists of controllers also hold the target's lock.
 */
#include "nvme/io.h"
#include "nvme/reservation.h"
#include "nvme/wire_admin.h"

#define CNTID_SHIFT 16     /* CDW10 */
#define CNTID_OWN   0xffff /* the controller that answers */

/* ---- command sets ---- */

/* NVM Command Set 1.0 4.1.5.2: all about protection information, which no namespace has. */
enum nvme_next nvme_identify_csi_ns(struct nvme_request *request)
{
	if (!nvme_identify_nsid_is_valid(request))
		return nvme_identify_refuse_nsid(request);
	return nvme_succeed_page(request, NULL, 0);
}

/* NVM Command Set 1.0 4.1.5.3: the limits of commands that MDTS does not bind. */
enum nvme_next nvme_identify_csi_ctrl(struct nvme_request *request)
{
	struct nvme_io_limits limits;
	struct nvme_id_ctrl_nvm id = {0};

	nvme_io_limits_get(request->queue, &limits);
	id.vsl = limits.vsl;
	id.wzsl = limits.wzsl;
	id.dmrl = limits.dmrl;
	nvme_put32(&id.dmrsl, limits.dmrsl);
	nvme_put64(&id.dmsl, limits.dmsl);
	return nvme_succeed_page(request, &id, sizeof(id));
}

enum nvme_next nvme_identify_ns_independent(struct nvme_request *request)
{
	const struct nvme_ns_port *port = nvme_request_port(request);
	struct nvme_id_ns_independent id = {0};

	if (!nvme_identify_nsid_is_valid(request))
		return nvme_identify_refuse_nsid(request);
	if (port) {
		bool failed = atomic_load_explicit(&port->state, memory_order_relaxed) ==
			      NVME_NS_PORT_FAILED;

		id.nmic = 1;
		nvme_put32(&id.anagrpid, port->ana_group);
		id.rescap = nvme_resv_capabilities(port->ns);
		id.nsattr = nvme_ns_is_read_only(port->ns) ? 1 : 0;
		id.nstat = failed ? 0 : NVME_NSTAT_READY;
	}
	return nvme_succeed_page(request, &id, sizeof(id));
}

/* One combination of command sets: the NVM Command Set alone (NVMe Base 2.0 5.17.2.21). */
enum nvme_next nvme_identify_command_sets(struct nvme_request *request)
{
	uint16_t cntid = (uint16_t)(nvme_get32(request->cmd.cdw10) >> CNTID_SHIFT);
	nvme_le64 combination;

	if (cntid != CNTID_OWN && cntid != request->queue->ctrl->cntlid)
		return nvme_refuse_field(request, NVME_AT_CDW10, "CNTID is another controller");
	nvme_put64(&combination, 1u << NVME_CSI_NVM);
	return nvme_succeed_page(request, &combination, sizeof(combination));
}

/* ---- controllers ---- */

/* Keeps the lowest ids, in order. */
static void list_add(uint16_t *ids, uint32_t *count, uint16_t id)
{
	uint32_t at = *count;

	while (at > 0 && ids[at - 1] > id)
		at--;
	if (at == NVME_CTRL_LIST_MAX)
		return;
	if (*count < NVME_CTRL_LIST_MAX)
		(*count)++;
	memmove(&ids[at + 1], &ids[at], (*count - at - 1) * sizeof(ids[0]));
	ids[at] = id;
}

/* Controllers that see a namespace; NULL: all. */
static enum nvme_next list_ctrls(struct nvme_request *request, const struct nvme_ns_port *port)
{
	const struct wrasse_subsystem *subsystem = request->queue->ctrl->subsystem;
	uint16_t least = (uint16_t)(nvme_get32(request->cmd.cdw10) >> CNTID_SHIFT);
	uint16_t ids[NVME_CTRL_LIST_MAX];
	struct nvme_ctrl_list list = {0};
	uint32_t count = 0;

	for (const struct nvme_ctrl *ctrl = subsystem->ctrls; ctrl; ctrl = ctrl->next) {
		bool ended = atomic_load_explicit(&ctrl->ended, memory_order_relaxed);

		if (port && port->restricted && !nvme_ctrl_sees(ctrl, port->ns->nsid))
			continue;
		if (!ended && ctrl->cntlid >= least)
			list_add(ids, &count, ctrl->cntlid);
	}
	nvme_put16(&list.count, (uint16_t)count);
	for (uint32_t i = 0; i < count; i++)
		nvme_put16(&list.id[i], ids[i]);
	return nvme_succeed_page(request, &list, sizeof(list));
}

enum nvme_next nvme_identify_ctrls(struct nvme_request *request)
{
	return list_ctrls(request, NULL);
}

/* A namespace is attached to every controller of its subsystem that sees it. */
enum nvme_next nvme_identify_ns_ctrls(struct nvme_request *request)
{
	uint32_t nsid = nvme_get32(request->cmd.nsid);
	const struct nvme_ns_port *port;

	if (nsid == NVME_NSID_ALL)
		return nvme_refuse_field(request, NVME_AT_NSID, "NSID is FFFFFFFFh");
	if (!nvme_identify_nsid_is_valid(request))
		return nvme_identify_refuse_nsid(request);
	port = nvme_identify_allocated(request, nsid);
	return port ? list_ctrls(request, port) : nvme_succeed_page(request, NULL, 0);
}
