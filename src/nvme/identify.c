/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identify (NVMe Base 2.0 5.17): one line per CNS value. What a controller can do is read off the
 * command tables and limits; namespaces are those of the view of the admin queue's group, on whose
 * thread it runs.
 */
#include "nvme/hook.h"
#include "nvme/io.h"
#include "nvme/ns_management.h"
#include "nvme/pi.h"
#include "nvme/reservation.h"
#include "nvme/wire_path.h"

#define CSI_SHIFT 24 /* CDW11: I/O command set */
#define MSDBD_BIG_ICD \
	4096 /* Linux hosts 5.4 to 5.12 corrupt lists when in-capsule data is larger */

static void put_text(char *field, size_t len, const char *text)
{
	size_t text_len = strnlen(text, len);

	memset(field, ' ', len);
	memcpy(field, text, text_len);
}

/* ---- controllers ---- */

/*
 * Bits of optional commands, in the order of their opcodes (NVMe Base 2.0 figure 275: ONCS, OACS).
 */
static uint16_t optional_commands(const struct nvme_queue *queue, bool admin,
				  const int16_t *opcodes, unsigned count)
{
	uint16_t bits = 0;

	for (unsigned bit = 0; bit < count; bit++) {
		if (opcodes[bit] < 0)
			continue;
		if (admin ? nvme_hook_op(queue, true, (unsigned)opcodes[bit]) != NULL :
			    nvme_io_is_supported(queue, (unsigned)opcodes[bit]))
			bits |= (uint16_t)(1u << bit);
	}
	return bits;
}

static uint16_t id_oncs(const struct nvme_queue *queue)
{
	/* Compare, Write Uncorrectable, Dataset Management, Write Zeroes, (bit 4 below),
	 * Reservation Register, (Timestamp), Verify, Copy */
	static const int16_t opcodes[] = {0x05, 0x04, 0x09, 0x08, -1, 0x0d, -1, 0x0c, 0x19};
	uint16_t select = 1u << 4; /* Save and Select fields of the features commands */

	if (nvme_features_effects(NVME_FID_TIMESTAMP, NVME_ON_ADMIN))
		select |= 1u << 6;
	return select |
	       optional_commands(queue, false, opcodes, sizeof(opcodes) / sizeof(opcodes[0]));
}

static uint16_t id_oacs(const struct nvme_queue *queue)
{
	/* Security Receive, Format, Firmware Commit, Namespace Management, Device Self-test, Directive
	 * Send, NVMe-MI Send, Virtualization Management, Doorbell Buffer Config, Get LBA Status */
	static const int16_t opcodes[] = {0x82, 0x80, 0x10, 0x0d, 0x14,
					  0x19, 0x1d, 0x1c, 0x7c, 0x86};

	return optional_commands(queue, true, opcodes, sizeof(opcodes) / sizeof(opcodes[0]));
}

/* Who made it. */
static void id_ctrl_identity(const struct wrasse_subsystem *subsystem, struct nvme_id_ctrl *id)
{
	nvme_put16(&id->vid, subsystem->pci_vid);
	nvme_put16(&id->ssvid, subsystem->pci_ssvid);
	put_text(id->sn, sizeof(id->sn), subsystem->serial);
	put_text(id->mn, sizeof(id->mn), subsystem->model);
	put_text(id->fr, sizeof(id->fr), subsystem->firmware);
	for (unsigned i = 0; i < sizeof(id->ieee); i++)
		id->ieee[i] = (uint8_t)(subsystem->ieee_oui >> 8 * i);
	memcpy(id->fguid, subsystem->fru_guid, sizeof(id->fguid));
}

/* Capsules and SGLs: the part that Linux's host checks before it goes on. */
static void id_ctrl_fabrics(const struct nvme_ctrl *ctrl, struct nvme_id_ctrl *id)
{
	const struct nvme_limits *limits = ctrl->limits;
	uint32_t icd_len = ctrl->discovery ? 0 : limits->icd_len;

	/* SGLs supported, keyed, and offsets instead of addresses. */
	nvme_put32(&id->sgls, 1u << 0 | 1u << 2 | 1u << 20);
	nvme_put32(&id->ioccsz, (NVME_CMD_LEN + icd_len) / 16);
	nvme_put32(&id->iorcsz, sizeof(struct nvme_cqe) / 16);
	id->msdbd = icd_len > MSDBD_BIG_ICD ? 1 : NVME_MAX_DESCS;
	nvme_put16(&id->maxcmd, (uint16_t)limits->max_queue_depth);
	if (nvme_op_find(&nvme_fabrics_ops, NVME_FCTYPE_DISCONNECT))
		nvme_put16(&id->ofcs, 1u << 0);
	memcpy(id->subnqn, ctrl->subsystem->nqn, strlen(ctrl->subsystem->nqn));
}

/* What only an I/O controller has. */
static void id_ctrl_io(const struct nvme_queue *queue, struct nvme_id_ctrl *id)
{
	const struct wrasse_subsystem *subsystem = queue->ctrl->subsystem;
	uint8_t vwc = 3u << 1; /* Flush of all namespaces at once is supported */

	id->cmic = 1u << 0 | 1u << 1 | NVME_CMIC_ANA; /* several ports, several controllers */
	nvme_put32(&id->oaes, NVME_AEC_NS_ATTR | NVME_AEC_ANA);
	id->anatt = subsystem->ana_transition_s;
	id->anacap = NVME_ANACAP;
	nvme_put32(&id->anagrpmax, subsystem->ana_groups);
	nvme_put32(&id->nanagrpid, subsystem->ana_groups);
	for (unsigned i = 0; i < sizeof(id->crdt) / sizeof(id->crdt[0]); i++)
		nvme_put16(&id->crdt[i], subsystem->retry_delay_100ms[i]);
	nvme_put16(&id->oacs, id_oacs(queue));
	id->acl = NVME_ABORT_LIMIT - 1;
	id->frmw = 1u << 0 | 1u << 1; /* one slot, read-only */
	nvme_put32(&id->nn, subsystem->max_namespaces);
	nvme_put32(&id->mnan, subsystem->max_namespaces);
	nvme_put16(&id->oncs, id_oncs(queue));
	nvme_put16(&id->ocfs, 1u << 0 | 1u << 1); /* Copy descriptor formats 0 and 1 */
	nvme_put16(&id->fuses, 1u << 0); /* Compare and Write, of one block at least (ACWU 0) */
	id->sqes = 0x66;
	id->cqes = 0x44;
	if (nvme_features_has_cache(queue))
		vwc |= 1;
	id->vwc = vwc;
	id->nwpc = 1u << 0; /* no write protect, write protect */
}

/* What only a host that may manage namespaces is told. */
static void id_ctrl_management(const struct nvme_queue *queue, struct nvme_id_ctrl *id)
{
	struct wrasse_ns_capacity capacity = nvme_management_capacity(queue);

	id->anacap |= NVME_ANACAP_CREATE;
	nvme_put64(&id->tnvmcap[0], capacity.total);
	nvme_put64(&id->unvmcap[0], capacity.unallocated);
}

static enum nvme_next identify_ctrl(struct nvme_request *request)
{
	const struct nvme_ctrl *ctrl = request->queue->ctrl;
	struct nvme_id_ctrl id = {0};

	id_ctrl_identity(ctrl->subsystem, &id);
	id.mdts = (uint8_t)__builtin_ctz(ctrl->limits->max_data_len / 4096);
	nvme_put16(&id.cntlid, ctrl->cntlid);
	nvme_put32(&id.ver, NVME_VS_2_0);
	nvme_put32(&id.ctratt, 1u << 0 | 1u << 6); /* 128-bit host identifiers, TBKAS */
	id.cntrltype = ctrl->discovery ? 2 : 1;
	id.aerl = NVME_AER_LIMIT - 1;
	id.lpa = 1u << 0 | 1u << 1 | 1u << 2; /* SMART per namespace, effects, offsets */
	id.elpe = NVME_ERROR_ENTRIES - 1;
	nvme_put16(&id.kas, NVME_KAS_MS / 100);
	id_ctrl_fabrics(ctrl, &id);
	if (ctrl->discovery) {
		nvme_put32(&id.oaes, NVME_AEC_DISCOVERY);
		id.dctype = NVME_DCTYPE_DIRECT;
	} else {
		id_ctrl_io(request->queue, &id);
	}
	if (request->manages)
		id_ctrl_management(request->queue, &id);
	return nvme_succeed_page(request, &id, sizeof(id));
}

/* ---- namespaces ---- */

bool nvme_identify_nsid_is_valid(const struct nvme_request *request)
{
	uint32_t nsid = nvme_get32(request->cmd.nsid);

	return nsid != 0 && nsid <= request->queue->ctrl->subsystem->max_namespaces;
}

enum nvme_next nvme_identify_refuse_nsid(struct nvme_request *request)
{
	return nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
			   "no such namespace");
}

/* Metadata is part of the extended block and holds nothing but a tuple. */
static void id_ns_pi(const struct wrasse_namespace *ns, struct nvme_id_ns *id)
{
	nvme_put16(&id->lbaf[0].ms, NVME_PI_LEN);
	id->flbas = 1u << 4;
	id->mc = 1u << 0;
	id->dpc = (uint8_t)(1u << (ns->pi_type - 1) | 1u << 4); /* the last bytes, as the first */
	id->dps = ns->pi_type;
}

/*
 * An id that a namespace could have but has not is answered with zeroes (NVMe Base 2.0 5.17.2.1).
 */
static enum nvme_next identify_port(struct nvme_request *request, const struct nvme_ns_port *port)
{
	struct nvme_id_ns id = {0};

	if (!nvme_identify_nsid_is_valid(request))
		return nvme_identify_refuse_nsid(request);
	if (port) {
		const struct wrasse_namespace *ns = port->ns;

		uint64_t blocks = nvme_ns_blocks(ns);

		nvme_put64(&id.nsze, blocks);
		nvme_put64(&id.ncap, blocks);
		nvme_put64(&id.nuse, nvme_ana_hides_use(request->queue, port) ? 0 : blocks);
		nvme_put32(&id.anagrpid, ns->ana_group);
		id.nmic = 1; /* may be attached to several controllers */
		id.rescap = nvme_resv_capabilities(ns);
		id.nsattr = nvme_ns_is_read_only(ns) ? 1 : 0;
		nvme_io_id_put(ns, &id);
		memcpy(id.nguid, ns->id[NVME_NS_NGUID].bytes, sizeof(id.nguid));
		memcpy(id.eui64, ns->id[NVME_NS_EUI64].bytes, sizeof(id.eui64));
		id.lbaf[0].lbads = (uint8_t)ns->block_shift;
		if (ns->pi_type)
			id_ns_pi(ns, &id);
	}
	return nvme_succeed_page(request, &id, sizeof(id));
}

/* What namespaces have in common that are created (NVM Command Set 1.0 4.1.5.1). */
static enum nvme_next identify_common(struct nvme_request *request)
{
	struct nvme_id_ns id = {.nmic = 1};

	nvme_management_formats_put(request->queue->ctrl->subsystem, &id);
	return nvme_succeed_page(request, &id, sizeof(id));
}

static enum nvme_next identify_ns(struct nvme_request *request)
{
	if (request->manages && nvme_get32(request->cmd.nsid) == NVME_NSID_ALL)
		return identify_common(request);
	return identify_port(request, nvme_request_port(request));
}

/* What is allocated is attached, for a host that may not manage namespaces. */
struct nvme_ns_port *nvme_identify_allocated(const struct nvme_request *request, uint32_t nsid)
{
	return request->manages ? nvme_queue_allocated(request->queue, nsid) :
				  nvme_queue_port(request->queue, nsid);
}

static enum nvme_next identify_allocated_ns(struct nvme_request *request)
{
	uint32_t nsid = nvme_get32(request->cmd.nsid);

	return identify_port(request, nvme_identify_allocated(request, nsid));
}

/* @find: which there are. */
static enum nvme_next list_ns(struct nvme_request *request,
			      struct nvme_ns_port *(*find)(const struct nvme_request *request,
							   uint32_t nsid))
{
	const struct nvme_view *view = request->queue->view;
	uint32_t above = nvme_get32(request->cmd.nsid);
	nvme_le32 list[NVME_PAGE_LEN / sizeof(nvme_le32)] = {0};
	uint32_t count = 0;

	if (above >= NVME_NSID_ALL - 1)
		return nvme_identify_refuse_nsid(request);
	for (uint32_t i = above; i < view->count && count < NVME_PAGE_LEN / sizeof(list[0]); i++) {
		if (find(request, i + 1))
			nvme_put32(&list[count++], i + 1);
	}
	return nvme_succeed_page(request, list, sizeof(list));
}

static struct nvme_ns_port *find_attached(const struct nvme_request *request, uint32_t nsid)
{
	return nvme_queue_port(request->queue, nsid);
}

static enum nvme_next identify_ns_list(struct nvme_request *request)
{
	return list_ns(request, find_attached);
}

static enum nvme_next identify_allocated_list(struct nvme_request *request)
{
	return list_ns(request, nvme_identify_allocated);
}

static uint8_t *put_desc(uint8_t *to, enum nvme_ns_desc_type type, const uint8_t *id, uint8_t len)
{
	struct nvme_ns_desc desc = {.type = (uint8_t)type, .len = len};

	memcpy(to, &desc, sizeof(desc));
	memcpy(to + sizeof(desc), id, len);
	return to + sizeof(desc) + len;
}

/* An identifier of zeroes is one that the namespace has not. */
static uint8_t *put_id_desc(uint8_t *to, enum nvme_ns_desc_type type, const uint8_t *id,
			    uint8_t len)
{
	for (uint8_t i = 0; i < len; i++) {
		if (id[i] != 0)
			return put_desc(to, type, id, len);
	}
	return to;
}

static enum nvme_next identify_ns_descs(struct nvme_request *request)
{
	static const uint8_t csi = NVME_CSI_NVM;
	const struct nvme_ns_port *port = nvme_request_port(request);
	uint8_t page[NVME_PAGE_LEN] = {0};
	uint8_t *to = page;

	if (!port)
		return nvme_identify_refuse_nsid(request);
	to = put_id_desc(to, NVME_NS_DESC_EUI64, port->ns->id[NVME_NS_EUI64].bytes, 8);
	to = put_id_desc(to, NVME_NS_DESC_NGUID, port->ns->id[NVME_NS_NGUID].bytes, 16);
	to = put_id_desc(to, NVME_NS_DESC_UUID, port->ns->id[NVME_NS_UUID].bytes, 16);
	put_desc(to, NVME_NS_DESC_CSI, &csi, sizeof(csi));
	return nvme_succeed_page(request, page, sizeof(page));
}

/* ---- the command ---- */

#define ON_BOTH (NVME_ON_ADMIN | NVME_ON_DISC)

static const struct cns {
	uint8_t cns;
	uint8_t on;    /* enum nvme_on */
	bool csi;      /* names a command set */
	bool registry; /* execute() wants the target's lock */
	enum nvme_next (*execute)(struct nvme_request *request);
} pages[] = {
	{NVME_CNS_NS, NVME_ON_ADMIN, false, false, identify_ns},
	{NVME_CNS_CTRL, ON_BOTH, false, false, identify_ctrl},
	{NVME_CNS_NS_LIST, NVME_ON_ADMIN, false, false, identify_ns_list},
	{NVME_CNS_NS_DESCS, NVME_ON_ADMIN, false, false, identify_ns_descs},
	{NVME_CNS_CSI_NS, NVME_ON_ADMIN, true, false, nvme_identify_csi_ns},
	{NVME_CNS_CSI_CTRL, NVME_ON_ADMIN, true, false, nvme_identify_csi_ctrl},
	{NVME_CNS_CSI_NS_LIST, NVME_ON_ADMIN, true, false, identify_ns_list},
	{NVME_CNS_NS_INDEPENDENT, NVME_ON_ADMIN, false, false, nvme_identify_ns_independent},
	{NVME_CNS_ALLOCATED_LIST, NVME_ON_ADMIN, false, false, identify_allocated_list},
	{NVME_CNS_ALLOCATED_NS, NVME_ON_ADMIN, false, false, identify_allocated_ns},
	{NVME_CNS_NS_CTRLS, NVME_ON_ADMIN, false, true, nvme_identify_ns_ctrls},
	{NVME_CNS_CTRLS, NVME_ON_ADMIN, false, true, nvme_identify_ctrls},
	{NVME_CNS_CSI_ALLOCATED_LIST, NVME_ON_ADMIN, true, false, identify_allocated_list},
	{NVME_CNS_CSI_ALLOCATED_NS, NVME_ON_ADMIN, true, false, nvme_identify_csi_ns},
	{NVME_CNS_COMMAND_SETS, NVME_ON_ADMIN, false, false, nvme_identify_command_sets},
};

static const struct cns *request_cns(const struct nvme_request *request)
{
	uint8_t cns = (uint8_t)nvme_get32(request->cmd.cdw10);

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (pages[i].cns == cns && (pages[i].on & request->queue->on))
			return &pages[i];
	}
	return NULL;
}

int64_t nvme_identify_data_len(struct nvme_request *request)
{
	(void)request;
	return NVME_PAGE_LEN;
}

enum nvme_next nvme_identify_execute(struct nvme_request *request, uint64_t now_ns,
				     struct nvme_actions *actions)
{
	const struct cns *page = request_cns(request);

	(void)now_ns;
	(void)actions;
	if (!page)
		return nvme_refuse_field(request, NVME_AT_CDW10, "CNS is not supported");
	if (page->csi && nvme_get32(request->cmd.cdw11) >> CSI_SHIFT != NVME_CSI_NVM)
		return nvme_refuse_field(request, NVME_AT_CDW11,
					 "the command set is not supported");
	request->manages = nvme_management_allows(request->queue); /* before the lock is taken */
	return page->registry ? NVME_REGISTRY : page->execute(request);
}

enum nvme_next nvme_identify_execute_registry(struct nvme_request *request, uint64_t now_ns,
					      struct nvme_actions *actions)
{
	(void)now_ns;
	(void)actions;
	return request_cns(request)->execute(request);
}
