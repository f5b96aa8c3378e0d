/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Get Features and Set Features (NVMe Base 2.0 5.15, 5.27): one line per feature. Nothing can be
 * saved; values live until a reset. The thread of the admin queue's group.
 */
#include "nvme/ctrl.h"

#define SET_SAVE   (1u << 31) /* CDW10: SV */
#define GET_EXHID  1u         /* CDW11 of Host Identifier: 128 bits */
#define CHANGEABLE (1u << 2)  /* Select 3: capabilities */

enum select {
	SELECT_CURRENT,
	SELECT_DEFAULT,
	SELECT_SAVED, /* the default where nothing was saved, as here */
	SELECT_CAPABILITIES,
};

struct feature {
	uint8_t fid;
	uint8_t on; /* enum nvme_on */
	bool ns;    /* may name a namespace */
	/* Answers the command; values are those that get finds in features. */
	enum nvme_next (*get)(struct nvme_request *request, const struct nvme_features *features);
	/* NULL: cannot be changed. */
	enum nvme_next (*set)(struct nvme_request *request, uint32_t value);
};

static struct nvme_ctrl *request_ctrl(const struct nvme_request *request)
{
	return request->queue->ctrl;
}

static enum nvme_next refuse_value(struct nvme_request *request, const char *why)
{
	return nvme_refuse_field(request, NVME_AT_CDW11, why);
}

void nvme_features_init(struct nvme_features *features)
{
	memset(features, 0, sizeof(*features));
	features->temperature[0] = 0xffff; /* over: never reached */
}

/* ---- values that are only kept ---- */

static enum nvme_next arbitration_get(struct nvme_request *request, const struct nvme_features *f)
{
	return nvme_succeed(request, f->arbitration);
}

static enum nvme_next arbitration_set(struct nvme_request *request, uint32_t value)
{
	request_ctrl(request)->features.arbitration = value & 0xffffff07;
	return nvme_succeed(request, 0);
}

static enum nvme_next power_get(struct nvme_request *request, const struct nvme_features *f)
{
	return nvme_succeed(request, f->power);
}

static enum nvme_next power_set(struct nvme_request *request, uint32_t value)
{
	if (value & 0x1f)
		return refuse_value(request, "there is only power state 0");
	request_ctrl(request)->features.power = value & 0xe0;
	return nvme_succeed(request, 0);
}

/* Return: the index of the threshold that CDW11 names, -1: there is none. */
static int temperature_index(uint32_t cdw11)
{
	uint32_t sensor = cdw11 >> 16 & 0xf;
	uint32_t threshold = cdw11 >> 20 & 3;

	return sensor == 0 && threshold <= 1 ? (int)threshold : -1;
}

static enum nvme_next temperature_get(struct nvme_request *request, const struct nvme_features *f)
{
	int index = temperature_index(nvme_get32(request->cmd.cdw11));

	if (index < 0)
		return refuse_value(request, "there is no such temperature threshold");
	return nvme_succeed(request, f->temperature[index]);
}

static enum nvme_next temperature_set(struct nvme_request *request, uint32_t value)
{
	int index = temperature_index(value);

	if (index < 0)
		return refuse_value(request, "there is no such temperature threshold");
	request_ctrl(request)->features.temperature[index] = value & 0xffff;
	return nvme_succeed(request, 0);
}

static enum nvme_next recovery_get(struct nvme_request *request, const struct nvme_features *f)
{
	return nvme_succeed(request, f->error_recovery);
}

static enum nvme_next recovery_set(struct nvme_request *request, uint32_t value)
{
	if (value & 1u << 16)
		return refuse_value(request, "DULBE is not supported");
	request_ctrl(request)->features.error_recovery = value & 0xffff;
	return nvme_succeed(request, 0);
}

static enum nvme_next atomicity_get(struct nvme_request *request, const struct nvme_features *f)
{
	return nvme_succeed(request, f->atomicity);
}

static enum nvme_next atomicity_set(struct nvme_request *request, uint32_t value)
{
	request_ctrl(request)->features.atomicity = value & 1;
	return nvme_succeed(request, 0);
}

/* ---- values with a meaning ---- */

bool nvme_features_has_cache(const struct nvme_queue *queue)
{
	const struct nvme_view *view = queue->view;

	for (uint32_t i = 0; view && i < view->count; i++) {
		if (view->port[i] && view->port[i]->ns->volatile_cache)
			return true;
	}
	return false;
}

static enum nvme_next cache_get(struct nvme_request *request, const struct nvme_features *f)
{
	(void)f;
	return nvme_succeed(request, nvme_features_has_cache(request->queue));
}

/* A cache belongs to the backend: it is on where it exists. */
static enum nvme_next cache_set(struct nvme_request *request, uint32_t value)
{
	if (!nvme_features_has_cache(request->queue))
		return refuse_value(request, "there is no volatile write cache");
	if (!(value & 1))
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_NOT_CHANGEABLE), NVME_AT_CDW11,
				   "the volatile write cache cannot be disabled");
	return nvme_succeed(request, 0);
}

static uint32_t queue_count(const struct nvme_request *request)
{
	uint32_t last = request_ctrl(request)->limits->max_io_queues - 1;

	return last | last << 16;
}

static enum nvme_next queues_get(struct nvme_request *request, const struct nvme_features *f)
{
	(void)f;
	return nvme_succeed(request, queue_count(request));
}

/* NVMe Base 2.0 5.27.1.5: the host uses fewer if it asked for fewer. */
static enum nvme_next queues_set(struct nvme_request *request, uint32_t value)
{
	if ((value & 0xffff) == 0xffff || value >> 16 == 0xffff)
		return refuse_value(request, "65536 queues");
	if (atomic_load_explicit(&request_ctrl(request)->io_queues, memory_order_relaxed) > 0)
		return nvme_refuse(request, NVME_GENERIC(NVME_SC_SEQUENCE), NVME_AT_NONE,
				   "Number of Queues after an I/O queue was connected");
	return nvme_succeed(request, queue_count(request));
}

static enum nvme_next events_get(struct nvme_request *request, const struct nvme_features *f)
{
	return nvme_succeed(request, f->events);
}

static enum nvme_next events_set(struct nvme_request *request, uint32_t value)
{
	struct nvme_ctrl *ctrl = request_ctrl(request);
	uint32_t legal = ctrl->discovery ? NVME_AEC_DISCOVERY : NVME_AEC_SMART | NVME_AEC_NS_ATTR;

	if (value & ~legal)
		return refuse_value(request, "an asynchronous event that is not supported");
	ctrl->features.events = value;
	return nvme_succeed(request, 0);
}

static enum nvme_next kato_get(struct nvme_request *request, const struct nvme_features *f)
{
	const struct nvme_ctrl *ctrl = request_ctrl(request);

	return nvme_succeed(request, f == &ctrl->features ? ctrl->kato_ms : 0);
}

static enum nvme_next kato_set(struct nvme_request *request, uint32_t value)
{
	nvme_ctrl_set_kato(request_ctrl(request), value);
	return nvme_succeed(request, 0);
}

static enum nvme_next hostid_get(struct nvme_request *request, const struct nvme_features *f)
{
	const struct nvme_ctrl *ctrl = request_ctrl(request);

	(void)f;
	return nvme_succeed_page(request, ctrl->hostid, sizeof(ctrl->hostid));
}

/* It came with Connect and stays. */
static enum nvme_next hostid_set(struct nvme_request *request, uint32_t value)
{
	(void)value;
	return nvme_refuse(request, NVME_GENERIC(NVME_SC_SEQUENCE), NVME_AT_NONE,
			   "the host identifier is set by Connect");
}

/* ---- the commands ---- */

#define ON_BOTH (NVME_ON_ADMIN | NVME_ON_DISC)

static const struct feature features[] = {
	{NVME_FID_ARBITRATION, NVME_ON_ADMIN, false, arbitration_get, arbitration_set},
	{NVME_FID_POWER, NVME_ON_ADMIN, false, power_get, power_set},
	{NVME_FID_TEMPERATURE, NVME_ON_ADMIN, false, temperature_get, temperature_set},
	{NVME_FID_ERROR_RECOVERY, NVME_ON_ADMIN, true, recovery_get, recovery_set},
	{NVME_FID_WRITE_CACHE, NVME_ON_ADMIN, false, cache_get, cache_set},
	{NVME_FID_QUEUES, NVME_ON_ADMIN, false, queues_get, queues_set},
	{NVME_FID_ATOMICITY, NVME_ON_ADMIN, false, atomicity_get, atomicity_set},
	{NVME_FID_EVENTS, ON_BOTH, false, events_get, events_set},
	{NVME_FID_KATO, ON_BOTH, false, kato_get, kato_set},
	{NVME_FID_HOSTID, NVME_ON_ADMIN, false, hostid_get, hostid_set},
};

static const struct feature *feature_find(const struct nvme_request *request)
{
	uint8_t fid = (uint8_t)nvme_get32(request->cmd.cdw10);

	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (features[i].fid == fid && (features[i].on & request->queue->on))
			return &features[i];
	}
	return NULL;
}

static uint32_t request_select(const struct nvme_request *request)
{
	return nvme_get32(request->cmd.cdw10) >> 8 & 7;
}

/* Most features answer in dw0; only the host identifier is data (NVMe Base 2.0 5.27.1.25). */
int64_t nvme_features_get_data_len(struct nvme_request *request)
{
	const struct feature *feature = feature_find(request);

	if (!feature || feature->fid != NVME_FID_HOSTID ||
	    request_select(request) == SELECT_CAPABILITIES)
		return 0;
	if (nvme_get32(request->cmd.cdw11) & GET_EXHID)
		return NVME_HOSTID_LEN;
	refuse_value(request, "the host identifier has 128 bits: EXHID is 0");
	return NVME_REFUSED;
}

enum nvme_next nvme_features_get_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	const struct feature *feature = feature_find(request);
	struct nvme_features defaults;

	(void)now_ns;
	(void)actions;
	if (!feature)
		return nvme_refuse_field(request, NVME_AT_CDW10, "the feature is not supported");
	switch (request_select(request)) {
	case SELECT_CURRENT:
		return feature->get(request, &request_ctrl(request)->features);
	case SELECT_DEFAULT:
	case SELECT_SAVED:
		nvme_features_init(&defaults);
		return feature->get(request, &defaults);
	case SELECT_CAPABILITIES:
		return nvme_succeed(request, feature->fid == NVME_FID_HOSTID ? 0 : CHANGEABLE);
	default:
		return nvme_refuse_field(request, NVME_AT_CDW10, "Select is reserved");
	}
}

enum nvme_next nvme_features_set_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	const struct feature *feature = feature_find(request);
	uint32_t nsid = nvme_get32(request->cmd.nsid);
	enum nvme_next next;

	if (!feature)
		return nvme_refuse_field(request, NVME_AT_CDW10, "the feature is not supported");
	if (nvme_get32(request->cmd.cdw10) & SET_SAVE)
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_NOT_SAVEABLE), NVME_AT_CDW10,
				   "features cannot be saved");
	if (!feature->ns && nsid != 0 && nsid != NVME_NSID_ALL)
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_NOT_NS_SPECIFIC), NVME_AT_NSID,
				   "the feature is not specific to a namespace");
	next = feature->set(request, nvme_get32(request->cmd.cdw11));
	if (feature->fid == NVME_FID_KATO)
		nvme_ctrl_set_timer(request_ctrl(request), now_ns, actions);
	return next;
}
