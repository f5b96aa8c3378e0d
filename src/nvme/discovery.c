/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The discovery log (NVMe-oF 1.1 5.3): the subsystems that the asking host may use, at each portal
 * where it finds them, the discovery controller itself, and other discovery services. Made anew at each read, under the target's lock: the
 * generation counter tells a host that pages it read apart do not belong together.
 */
#include "nvme/ctrl.h"
#include "nvme/wire_path.h"

typedef void (*entry_fn)(void *ctx, const struct nvme_disc_entry *entry);

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

static void each_portal(const struct nvme_queue *queue, const struct wrasse_subsystem *subsystem,
			entry_fn fn, void *ctx)
{
	const struct nvme_portal *portal = queue->registry->portals;
	struct nvme_disc_entry entry;

	for (; portal; portal = portal->next) {
		bool came = portal->number == queue->conn.portal;

		if ((portal->any_address && !came) ||
		    !nvme_subsystem_is_on(subsystem, portal->number))
			continue;
		entry_init(&entry, queue->limits, subsystem->nqn, NVME_SUBTYPE_NVM);
		if (portal->any_address) {
			entry_put_conn(&entry, &queue->conn);
		} else {
			nvme_put16(&entry.portid, portal->number);
			entry_put_address(&entry, portal->adrfam, portal->prtype, portal->traddr,
					  portal->trsvcid);
		}
		fn(ctx, &entry);
	}
}

/* What is known of another service: where it is. */
static void each_referral(const struct nvme_queue *queue, entry_fn fn, void *ctx)
{
	const struct nvme_referral *referral = queue->registry->referrals;
	struct nvme_disc_entry entry;

	for (; referral; referral = referral->next) {
		if (*referral->hostnqn && strcmp(referral->hostnqn, queue->ctrl->hostnqn) != 0)
			continue;
		entry_init(&entry, queue->limits, referral->nqn, NVME_SUBTYPE_REFERRAL);
		entry.treq = 0;
		nvme_put16(&entry.asqsz, NVME_ASQSZ_MIN);
		entry_put_address(&entry, referral->adrfam, NVME_RDMA_PRTYPE_NONE, referral->traddr,
				  referral->trsvcid);
		fn(ctx, &entry);
	}
}

static void each_entry(const struct nvme_queue *queue, entry_fn fn, void *ctx)
{
	const struct wrasse_subsystem *subsystem = queue->registry->subsystems;
	struct nvme_disc_entry entry;

	for (; subsystem; subsystem = subsystem->next) {
		if (subsystem->is_discovery) {
			entry_init(&entry, queue->limits, subsystem->nqn, NVME_SUBTYPE_CURRENT);
			nvme_put16(&entry.eflags, NVME_EFLAGS_EPCSD);
			entry_put_conn(&entry, &queue->conn);
			fn(ctx, &entry);
		} else if (!subsystem->removing &&
			   nvme_subsystem_allows(subsystem, queue->ctrl->hostnqn)) {
			each_portal(queue, subsystem, fn, ctx);
		}
	}
	each_referral(queue, fn, ctx);
}

static void count_entry(void *ctx, const struct nvme_disc_entry *entry)
{
	uint64_t *count = ctx;

	(void)entry;
	(*count)++;
}

static void put_entry(void *ctx, const struct nvme_disc_entry *entry)
{
	nvme_out_put(ctx, entry, sizeof(*entry));
}

enum nvme_next nvme_discovery_log(struct nvme_request *request)
{
	const struct nvme_queue *queue = request->queue;
	uint64_t offset = nvme_log_offset(request);
	struct nvme_disc_header header = {0};
	struct nvme_out out;
	uint64_t count = 0;

	each_entry(queue, count_entry, &count);
	if (offset > sizeof(header) + count * sizeof(struct nvme_disc_entry))
		return nvme_refuse_field(request, NVME_AT_CDW12, "the log page offset is wrong");
	nvme_put64(&header.genctr, queue->registry->genctr);
	nvme_put64(&header.numrec, count);
	nvme_out_init(&out, request, offset);
	nvme_out_put(&out, &header, sizeof(header));
	each_entry(queue, put_entry, &out);
	nvme_out_end(&out);
	return nvme_succeed(request, 0);
}
