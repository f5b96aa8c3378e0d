/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Get Log Page (NVMe Base 2.0 5.16): one line per page. Pages are put through a window (offset and
 * length), so that each is written as if it were read whole. The thread of the admin queue's group;
 * the discovery log also holds the target's lock.
 */
#include "nvme/hook.h"
#include "nvme/io.h"
#include "nvme/wire_resv.h"

#define LOG_RAE       (1u << 15) /* CDW10: Retain Asynchronous Event */
#define LOG_OT        (1u << 23) /* CDW14: the offset is an index */
#define LOG_CSI_SHIFT 24         /* CDW14 */

struct log_page {
	uint8_t lid;
	uint8_t on;    /* enum nvme_on */
	uint32_t size; /* bytes; 0: see execute_registry */
	void (*put)(struct nvme_request *request, struct nvme_out *out);
};

static const struct log_page *log_find(uint8_t lid, uint8_t on);

/* ---- pages ---- */

static void supported_put(struct nvme_request *request, struct nvme_out *out)
{
	nvme_le32 pages[256] = {0};

	for (unsigned lid = 0; lid < 256; lid++) {
		uint32_t specific = 0;

		if (!log_find((uint8_t)lid, request->queue->on))
			continue;
		if (lid == NVME_LID_DISCOVERY)
			specific = nvme_discovery_supported(request->queue);
		nvme_put32(&pages[lid], 1 | specific << 16); /* LSUPP, LID Specific Parameter */
	}
	nvme_out_put(out, pages, sizeof(pages));
}

static void error_put(struct nvme_request *request, struct nvme_out *out)
{
	for (uint32_t age = 0; age < NVME_ERROR_ENTRIES; age++) {
		struct nvme_error_entry entry;

		nvme_error_log_get(request->queue->ctrl, age, &entry);
		nvme_out_put(out, &entry, sizeof(entry));
	}
}

static void firmware_put(struct nvme_request *request, struct nvme_out *out)
{
	const char *revision = request->queue->ctrl->subsystem->firmware;
	struct nvme_firmware_log log = {.afi = 1}; /* slot 1 is active */

	memset(log.frs[0], ' ', sizeof(log.frs[0]));
	memcpy(log.frs[0], revision, strnlen(revision, sizeof(log.frs[0])));
	nvme_out_put(out, &log, sizeof(log));
}

/* More changes than fit are told as one: look at everything (NVMe Base 2.0 5.16.1.5). */
static void changed_ns_put(struct nvme_request *request, struct nvme_out *out)
{
	const struct nvme_ctrl *ctrl = request->queue->ctrl;
	nvme_le32 list[NVME_PAGE_LEN / sizeof(nvme_le32)] = {0};
	uint32_t count = 0;

	for (uint32_t i = 0; i < ctrl->subsystem->max_namespaces; i++) {
		if (!(ctrl->changed[i / 64] & 1ull << i % 64))
			continue;
		if (count == sizeof(list) / sizeof(list[0])) {
			memset(list, 0, sizeof(list));
			nvme_put32(&list[0], NVME_NSID_ALL);
			break;
		}
		nvme_put32(&list[count++], i + 1);
	}
	nvme_out_put(out, list, sizeof(list));
}

static void effects_put_set(const struct nvme_queue *queue, bool admin, nvme_le32 *effects)
{
	uint8_t on = admin ? queue->on : NVME_ON_IO;

	for (unsigned opcode = 0; opcode < 256; opcode++) {
		const struct nvme_op *op = nvme_hook_op(queue, admin, opcode);

		if (op && (op->on & on) && (admin || nvme_io_is_supported(queue, opcode)))
			nvme_put32(&effects[opcode], NVME_EFFECT_SUPPORTED | op->effects);
	}
}

static void effects_put(struct nvme_request *request, struct nvme_out *out)
{
	struct nvme_effects_log log = {0};

	effects_put_set(request->queue, true, log.acs);
	effects_put_set(request->queue, false, log.iocs);
	nvme_out_put(out, &log, sizeof(log));
}

static void features_put(struct nvme_request *request, struct nvme_out *out)
{
	nvme_le32 effects[256];

	for (unsigned fid = 0; fid < 256; fid++)
		nvme_put32(&effects[fid], nvme_features_effects((uint8_t)fid, request->queue->on));
	nvme_out_put(out, effects, sizeof(effects));
}

/* ---- the command ---- */

#define ON_BOTH (NVME_ON_ADMIN | NVME_ON_DISC)

static const struct log_page pages[] = {
	{NVME_LID_SUPPORTED, ON_BOTH, 1024, supported_put},
	{NVME_LID_ERROR, ON_BOTH, NVME_ERROR_ENTRIES * sizeof(struct nvme_error_entry), error_put},
	{NVME_LID_SMART, NVME_ON_ADMIN, sizeof(struct nvme_smart_log), nvme_health_put},
	{NVME_LID_FIRMWARE, NVME_ON_ADMIN, sizeof(struct nvme_firmware_log), firmware_put},
	{NVME_LID_CHANGED_NS, NVME_ON_ADMIN, NVME_PAGE_LEN, changed_ns_put},
	{NVME_LID_EFFECTS, NVME_ON_ADMIN, sizeof(struct nvme_effects_log), effects_put},
	{NVME_LID_ANA, NVME_ON_ADMIN, 0, NULL},
	{NVME_LID_FEATURES, ON_BOTH, 1024, features_put},
	{NVME_LID_DISCOVERY, NVME_ON_DISC, 0, NULL},
	{NVME_LID_RESERVATION, NVME_ON_ADMIN, sizeof(struct nvme_resv_log), nvme_resv_log_put},
};

static const struct log_page *log_find(uint8_t lid, uint8_t on)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (pages[i].lid == lid && (pages[i].on & on))
			return &pages[i];
	}
	return NULL;
}

static const struct log_page *request_page(const struct nvme_request *request)
{
	return log_find((uint8_t)nvme_get32(request->cmd.cdw10), request->queue->on);
}

uint64_t nvme_log_offset(const struct nvme_request *request)
{
	return nvme_get32(request->cmd.cdw12) | (uint64_t)nvme_get32(request->cmd.cdw13) << 32;
}

/* Namespaces have a SMART log of their own; every other page is the controller's. */
static bool log_check_nsid(struct nvme_request *request, const struct log_page *page)
{
	uint32_t nsid = nvme_get32(request->cmd.nsid);

	if (page->lid != NVME_LID_SMART || nsid == 0 || nsid == NVME_NSID_ALL ||
	    nvme_request_port(request))
		return true;
	nvme_refuse(request, NVME_GENERIC(NVME_SC_INVALID_NAMESPACE), NVME_AT_NSID,
		    "no such namespace");
	return false;
}

static enum nvme_next log_refuse(struct nvme_request *request)
{
	return nvme_refuse(request, NVME_COMMAND(NVME_SC_LOG_PAGE), NVME_AT_CDW10,
			   "the log page is not supported");
}

int64_t nvme_log_data_len(struct nvme_request *request)
{
	const struct log_page *page = request_page(request);
	uint32_t cdw14 = nvme_get32(request->cmd.cdw14);
	uint64_t offset = nvme_log_offset(request);
	uint64_t dwords = (nvme_get32(request->cmd.cdw10) >> 16 |
			   (uint64_t)(uint16_t)nvme_get32(request->cmd.cdw11) << 16) +
			  1;

	if (!page && nvme_hook_find(request->queue, request->cmd.opcode))
		return (int64_t)(dwords * 4);
	if (!page)
		log_refuse(request);
	else if (offset % 4 != 0 || (page->size != 0 && offset > page->size))
		nvme_refuse_field(request, NVME_AT_CDW12, "the log page offset is wrong");
	else if ((cdw14 & LOG_OT) || (page->lid == NVME_LID_EFFECTS && cdw14 >> LOG_CSI_SHIFT != 0))
		nvme_refuse_field(request, NVME_AT_CDW14, "OT or CSI is not supported");
	else if (log_check_nsid(request, page))
		return (int64_t)(dwords * 4);
	return NVME_REFUSED;
}

/* The page was read: its event may come again, and a list of changes begins anew. */
static void log_read(struct nvme_request *request, struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl = request->queue->ctrl;
	uint32_t cdw10 = nvme_get32(request->cmd.cdw10);

	if (cdw10 & LOG_RAE)
		return;
	if ((uint8_t)cdw10 == NVME_LID_CHANGED_NS)
		memset(ctrl->changed, 0, (ctrl->subsystem->max_namespaces + 63) / 64 * 8);
	if ((uint8_t)cdw10 == NVME_LID_RESERVATION)
		nvme_resv_log_read(ctrl);
	nvme_aer_log_read(ctrl, (uint8_t)cdw10, actions);
}

enum nvme_next nvme_log_execute(struct nvme_request *request, uint64_t now_ns,
				struct nvme_actions *actions)
{
	const struct log_page *page = request_page(request);
	struct nvme_out out;

	(void)now_ns;
	if (!page)
		return log_refuse(request);
	if (!page->put)
		return NVME_REGISTRY;
	nvme_out_init(&out, request, nvme_log_offset(request));
	page->put(request, &out);
	nvme_out_end(&out);
	log_read(request, actions);
	return nvme_succeed(request, 0);
}

static enum nvme_next ana_log(struct nvme_request *request)
{
	uint64_t offset = nvme_log_offset(request);
	struct nvme_out out;

	if (offset > nvme_ana_log_size(request->queue))
		return nvme_refuse_field(request, NVME_AT_CDW12, "the log page offset is wrong");
	nvme_out_init(&out, request, offset);
	nvme_ana_log_put(request, &out);
	nvme_out_end(&out);
	return nvme_succeed(request, 0);
}

enum nvme_next nvme_log_execute_registry(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	bool ana = (uint8_t)nvme_get32(request->cmd.cdw10) == NVME_LID_ANA;
	enum nvme_next next = ana ? ana_log(request) : nvme_discovery_log(request);

	(void)now_ns;
	if (nvme_get16(request->cqe.status) == 0)
		log_read(request, actions);
	return next;
}
