/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The discovery log (NVMe-oF 1.1 5.3, NVMe Base 2.1 5.1.12.3.1): the subsystems that the asking host
 * may use, at each portal where it finds them, the discovery controller itself, and other discovery
 * services. Made anew at each read, under the target's lock: the generation counter tells a host that
 * pages it read apart do not belong together.
 */
#include "nvme/ctrl.h"
#include "nvme/wire_path.h"

#define LOG_LSP_SHIFT 8 /* CDW10, Log Specific Field */
#define ATTR_ALIGN    4 /* an attribute's value is as long as a multiple of it */

/* One walk over the entries: they are counted, or they are counted and put. */
struct walk {
	const struct nvme_queue *queue;
	uint8_t heeded; /* what of NVME_DISC_* the log is made by */
	uint64_t count, len;
	struct nvme_out *out; /* NULL: counted only */
};

uint16_t nvme_discovery_supported(const struct nvme_queue *queue)
{
	uint16_t all = queue->limits->discovery_of_all ? NVME_DISC_ALL : 0;

	return NVME_DISC_EXTENDED | NVME_DISC_PORT_LOCAL | all;
}

/* ---- one entry ---- */

static size_t label_len(const char *label)
{
	size_t len = label ? strlen(label) : 0;

	return (len + ATTR_ALIGN - 1) / ATTR_ALIGN * ATTR_ALIGN;
}

static size_t tail_len(const char *label)
{
	size_t len = label_len(label);

	return sizeof(struct nvme_disc_tail) + (len ? sizeof(struct nvme_disc_attr) + len : 0);
}

static void tail_put(struct nvme_out *out, const char *label)
{
	struct nvme_disc_tail tail = {0};
	struct nvme_disc_attr attr = {0};
	char value[NVME_EXAT_LABEL_MAX] = {0};
	size_t len = label_len(label);

	nvme_put32(&tail.tel, (uint32_t)(sizeof(struct nvme_disc_entry) + tail_len(label)));
	nvme_put16(&tail.numexat, len > 0);
	nvme_out_put(out, &tail, sizeof(tail));
	if (len == 0)
		return;
	nvme_put16(&attr.type, NVME_EXAT_LABEL);
	nvme_put16(&attr.len, (uint16_t)len);
	memcpy(value, label, strlen(label));
	nvme_out_put(out, &attr, sizeof(attr));
	nvme_out_put(out, value, len);
}

/* @label: of the subsystem; NULL or empty: it has none. */
static void walk_add(struct walk *walk, const struct nvme_disc_entry *entry, const char *label)
{
	bool extended = walk->heeded & NVME_DISC_EXTENDED;

	walk->count++;
	walk->len += sizeof(*entry) + (extended ? tail_len(label) : 0);
	if (!walk->out)
		return;
	nvme_out_put(walk->out, entry, sizeof(*entry));
	if (extended)
		tail_put(walk->out, label);
}

static void entry_init(struct nvme_disc_entry *entry, const struct nvme_limits *limits,
		       const char *subnqn, uint8_t subtype)
{
	memset(entry, 0, sizeof(*entry));
	entry->trtype = NVME_TRTYPE_RDMA;
	entry->subtype = subtype;
	entry->treq = NVME_TREQ_NO_SQ_FLOW;
	nvme_put16(&entry->cntlid, NVME_CNTLID_DYNAMIC);
	nvme_put16(&entry->asqsz, (uint16_t)limits->max_admin_depth);
	memcpy(entry->subnqn, subnqn, strlen(subnqn));
	entry->qptype = NVME_RDMA_QPTYPE_RC;
	entry->cms = NVME_RDMA_CMS_CM;
}

static void entry_put_address(struct nvme_disc_entry *entry, uint8_t adrfam, uint8_t prtype,
			      const char *traddr, const char *trsvcid)
{
	entry->adrfam = adrfam;
	entry->prtype = prtype;
	memcpy(entry->traddr, traddr, strlen(traddr));
	memcpy(entry->trsvcid, trsvcid, strlen(trsvcid));
}

/* The address that this host came to, which it can reach for certain. */
static void entry_put_conn(struct nvme_disc_entry *entry, const struct nvme_conn *conn)
{
	nvme_put16(&entry->portid, conn->portal);
	entry_put_address(entry, conn->adrfam, conn->prtype, conn->traddr, conn->trsvcid);
}

/* ---- which entries ---- */

static bool portal_is_told(const struct walk *walk, const struct wrasse_subsystem *subsystem,
			   const struct nvme_portal *portal)
{
	bool came = portal->number == walk->queue->conn.portal;

	if (!came && (portal->any_address || (walk->heeded & NVME_DISC_PORT_LOCAL)))
		return false;
	return nvme_subsystem_is_on(subsystem, portal->number);
}

static void walk_portals(struct walk *walk, const struct wrasse_subsystem *subsystem)
{
	const struct nvme_queue *queue = walk->queue;
	const struct nvme_portal *portal = queue->registry->portals;
	struct nvme_disc_entry entry;

	for (; portal; portal = portal->next) {
		if (!portal_is_told(walk, subsystem, portal))
			continue;
		entry_init(&entry, queue->limits, subsystem->nqn, NVME_SUBTYPE_NVM);
		if (portal->any_address) {
			entry_put_conn(&entry, &queue->conn);
		} else {
			nvme_put16(&entry.portid, portal->number);
			entry_put_address(&entry, portal->adrfam, portal->prtype, portal->traddr,
					  portal->trsvcid);
		}
		walk_add(walk, &entry, subsystem->label);
	}
}

/* What is known of another service: where it is. That is no port of this one. */
static void walk_referrals(struct walk *walk)
{
	const struct nvme_queue *queue = walk->queue;
	const struct nvme_referral *referral = queue->registry->referrals;
	struct nvme_disc_entry entry;

	if (walk->heeded & NVME_DISC_PORT_LOCAL)
		return;
	for (; referral; referral = referral->next) {
		if (!(walk->heeded & NVME_DISC_ALL) && *referral->hostnqn &&
		    strcmp(referral->hostnqn, queue->ctrl->hostnqn) != 0)
			continue;
		entry_init(&entry, queue->limits, referral->nqn, NVME_SUBTYPE_REFERRAL);
		entry.treq = 0;
		nvme_put16(&entry.asqsz, NVME_ASQSZ_MIN);
		entry_put_address(&entry, referral->adrfam, NVME_RDMA_PRTYPE_NONE, referral->traddr,
				  referral->trsvcid);
		walk_add(walk, &entry, NULL);
	}
}

static bool subsystem_is_told(const struct walk *walk, const struct wrasse_subsystem *subsystem)
{
	return !subsystem->removing &&
	       ((walk->heeded & NVME_DISC_ALL) ||
		nvme_subsystem_allows(subsystem, walk->queue->ctrl->hostnqn));
}

static void walk_entries(struct walk *walk)
{
	const struct nvme_queue *queue = walk->queue;
	const struct wrasse_subsystem *subsystem = queue->registry->subsystems;
	struct nvme_disc_entry entry;

	for (; subsystem; subsystem = subsystem->next) {
		if (subsystem->is_discovery) {
			entry_init(&entry, queue->limits, subsystem->nqn, NVME_SUBTYPE_CURRENT);
			nvme_put16(&entry.eflags, NVME_EFLAGS_EPCSD);
			entry_put_conn(&entry, &queue->conn);
			walk_add(walk, &entry, NULL);
		} else if (subsystem_is_told(walk, subsystem)) {
			walk_portals(walk, subsystem);
		}
	}
	walk_referrals(walk);
}

/* ---- the log ---- */

/* Bits of the Log Specific Field that mean nothing here are not looked at. */
static uint8_t request_heeded(const struct nvme_request *request)
{
	uint32_t lsp = nvme_get32(request->cmd.cdw10) >> LOG_LSP_SHIFT;

	return (uint8_t)(lsp & nvme_discovery_supported(request->queue));
}

enum nvme_next nvme_discovery_log(struct nvme_request *request)
{
	struct walk walk = {.queue = request->queue, .heeded = request_heeded(request)};
	uint64_t offset = nvme_log_offset(request);
	struct nvme_disc_header header = {0};
	struct nvme_out out;

	walk.len = sizeof(header);
	walk_entries(&walk);
	if (offset > walk.len)
		return nvme_refuse_field(request, NVME_AT_CDW12, "the log page offset is wrong");
	nvme_put64(&header.genctr, request->queue->registry->genctr);
	nvme_put64(&header.numrec, walk.count);
	header.dlpf = walk.heeded;
	if (walk.heeded & NVME_DISC_EXTENDED)
		nvme_put32(&header.tdlpl, (uint32_t)walk.len);
	nvme_out_init(&out, request, offset);
	nvme_out_put(&out, &header, sizeof(header));
	walk.out = &out;
	walk_entries(&walk);
	nvme_out_end(&out);
	return nvme_succeed(request, 0);
}
