/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Get Features and Set Features (NVMe Base 2.0 5.15, 5.27): one line per feature. Nothing can be
 * saved; values live until a reset. The thread of the admin queue's group.
 */
#include "nvme/features.h"

#define SET_SAVE    (1u << 31) /* CDW10: SV */
#define GET_EXHID   1u         /* CDW11 of Host Identifier: 128 bits */
#define NS_SPECIFIC (1u << 1)  /* Select 3: capabilities */
#define CHANGEABLE  (1u << 2)

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
	enum nvme_next (*get)(struct nvme_request *request, const struct nvme_features *features,
			      uint64_t now_ns);
	enum nvme_next (*set)(struct nvme_request *request, uint32_t value, uint64_t now_ns,
			      struct nvme_actions *actions);
	uint32_t len;  /* bytes of data; 0: the value is in a dword */
	uint32_t bits; /* what Features Identifiers Supported and Effects says besides */
	bool locked;   /* set() wants the target's lock */
	bool held;     /* the namespace has it: not to be had where that is inaccessible */
};

static struct nvme_ctrl *request_ctrl(const struct nvme_request *request)
{
	return request->queue->ctrl;
}

static enum nvme_next refuse_value(struct nvme_request *request, const char *why)
{
	return nvme_refuse_field(request, NVME_AT_CDW11, why);
}

void nvme_features_init(struct nvme_features *features, uint64_t now_ns)
{
	memset(features, 0, sizeof(*features));
	features->timestamp_ns = now_ns;
	features->temperature[0] = 0xffff; /* over: never reached */
}

/* ---- values that are only kept ---- */

static enum nvme_next arbitration_get(struct nvme_request *request, const struct nvme_features *f,
				      uint64_t now_ns)
{
	return nvme_succeed(request, f->arbitration);
}

static enum nvme_next arbitration_set(struct nvme_request *request, uint32_t value, uint64_t now_ns,
				      struct nvme_actions *actions)
{
	request_ctrl(request)->features.arbitration = value & 0xffffff07;
	return nvme_succeed(request, 0);
}

static enum nvme_next power_get(struct nvme_request *request, const struct nvme_features *f,
				uint64_t now_ns)
{
	return nvme_succeed(request, f->power);
}

static enum nvme_next power_set(struct nvme_request *request, uint32_t value, uint64_t now_ns,
				struct nvme_actions *actions)
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

static enum nvme_next temperature_get(struct nvme_request *request, const struct nvme_features *f,
				      uint64_t now_ns)
{
	int index = temperature_index(nvme_get32(request->cmd.cdw11));

	if (index < 0)
		return refuse_value(request, "there is no such temperature threshold");
	return nvme_succeed(request, f->temperature[index]);
}

static enum nvme_next temperature_set(struct nvme_request *request, uint32_t value, uint64_t now_ns,
				      struct nvme_actions *actions)
{
	int index = temperature_index(value);

	if (index < 0)
		return refuse_value(request, "there is no such temperature threshold");
	request_ctrl(request)->features.temperature[index] = value & 0xffff;
	return nvme_succeed(request, 0);
}

static enum nvme_next recovery_get(struct nvme_request *request, const struct nvme_features *f,
				   uint64_t now_ns)
{
	return nvme_succeed(request, f->error_recovery);
}

static enum nvme_next recovery_set(struct nvme_request *request, uint32_t value, uint64_t now_ns,
				   struct nvme_actions *actions)
{
	if (value & 1u << 16)
		return refuse_value(request, "DULBE is not supported");
	request_ctrl(request)->features.error_recovery = value & 0xffff;
	return nvme_succeed(request, 0);
}

static enum nvme_next atomicity_get(struct nvme_request *request, const struct nvme_features *f,
				    uint64_t now_ns)
{
	return nvme_succeed(request, f->atomicity);
}

static enum nvme_next atomicity_set(struct nvme_request *request, uint32_t value, uint64_t now_ns,
				    struct nvme_actions *actions)
{
	request_ctrl(request)->features.atomicity = value & 1;
	return nvme_succeed(request, 0);
}

/* ---- values with a meaning ---- */

static uint32_t queue_count(const struct nvme_request *request)
{
	uint32_t last = request_ctrl(request)->limits->max_io_queues - 1;

	return last | last << 16;
}

static enum nvme_next queues_get(struct nvme_request *request, const struct nvme_features *f,
				 uint64_t now_ns)
{
	return nvme_succeed(request, queue_count(request));
}

/* NVMe Base 2.0 5.27.1.5: the host uses fewer if it asked for fewer. */
static enum nvme_next queues_set(struct nvme_request *request, uint32_t value, uint64_t now_ns,
				 struct nvme_actions *actions)
{
	if ((value & 0xffff) == 0xffff || value >> 16 == 0xffff)
		return refuse_value(request, "65536 queues");
	if (atomic_load_explicit(&request_ctrl(request)->io_queues, memory_order_relaxed) > 0)
		return nvme_refuse(request, NVME_GENERIC(NVME_SC_SEQUENCE), NVME_AT_NONE,
				   "Number of Queues after an I/O queue was connected");
	return nvme_succeed(request, queue_count(request));
}

static enum nvme_next events_get(struct nvme_request *request, const struct nvme_features *f,
				 uint64_t now_ns)
{
	return nvme_succeed(request, f->events);
}

static enum nvme_next events_set(struct nvme_request *request, uint32_t value, uint64_t now_ns,
				 struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl = request_ctrl(request);
	uint32_t legal = ctrl->discovery ? NVME_AEC_DISCOVERY :
					   NVME_AEC_SMART | NVME_AEC_NS_ATTR | NVME_AEC_ANA;

	if (value & ~legal)
		return refuse_value(request, "an asynchronous event that is not supported");
	ctrl->features.events = value;
	return nvme_succeed(request, 0);
}

static enum nvme_next kato_get(struct nvme_request *request, const struct nvme_features *f,
			       uint64_t now_ns)
{
	const struct nvme_ctrl *ctrl = request_ctrl(request);

	return nvme_succeed(request, f == &ctrl->features ? ctrl->kato_ms : 0);
}

static enum nvme_next kato_set(struct nvme_request *request, uint32_t value, uint64_t now_ns,
			       struct nvme_actions *actions)
{
	nvme_ctrl_set_kato(request_ctrl(request), value);
	nvme_ctrl_set_timer(request_ctrl(request), now_ns, actions);
	return nvme_succeed(request, 0);
}

/* The one combination that CNS 1Ch tells. */
static enum nvme_next command_sets_get(struct nvme_request *request, const struct nvme_features *f,
				       uint64_t now_ns)
{
	return nvme_succeed(request, 0);
}

static enum nvme_next command_sets_set(struct nvme_request *request, uint32_t value,
				       uint64_t now_ns, struct nvme_actions *actions)
{
	if (value & 0x1ff)
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_COMMAND_SETS), NVME_AT_CDW11,
				   "there is no such combination of command sets");
	return nvme_succeed(request, 0);
}

static enum nvme_next hostid_get(struct nvme_request *request, const struct nvme_features *f,
				 uint64_t now_ns)
{
	const struct nvme_ctrl *ctrl = request_ctrl(request);

	return nvme_succeed_page(request, ctrl->hostid, sizeof(ctrl->hostid));
}

/* It came with Connect and stays. */
static enum nvme_next hostid_set(struct nvme_request *request, uint32_t value, uint64_t now_ns,
				 struct nvme_actions *actions)
{
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
	{NVME_FID_WRITE_CACHE, NVME_ON_ADMIN, false, nvme_cache_get, nvme_cache_set},
	{NVME_FID_QUEUES, NVME_ON_ADMIN, false, queues_get, queues_set},
	{NVME_FID_ATOMICITY, NVME_ON_ADMIN, false, atomicity_get, atomicity_set},
	{NVME_FID_EVENTS, ON_BOTH, false, events_get, events_set},
	{NVME_FID_TIMESTAMP, NVME_ON_ADMIN, false, nvme_timestamp_get, nvme_timestamp_set,
	 sizeof(struct nvme_timestamp)},
	{NVME_FID_KATO, ON_BOTH, false, kato_get, kato_set},
	{NVME_FID_HOST_BEHAVIOR, NVME_ON_ADMIN, false, nvme_host_behavior_get,
	 nvme_host_behavior_set, sizeof(struct nvme_host_behavior)},
	{NVME_FID_COMMAND_SETS, NVME_ON_ADMIN, false, command_sets_get, command_sets_set},
	{NVME_FID_HOSTID, NVME_ON_ADMIN, false, hostid_get, hostid_set, NVME_HOSTID_LEN},
	{NVME_FID_RESERVATION_MASK, NVME_ON_ADMIN, true, nvme_resv_mask_get, nvme_resv_mask_set,
	 .held = true},
	{NVME_FID_RESERVATION_PERSISTENCE, NVME_ON_ADMIN, true, nvme_resv_persistence_get,
	 nvme_resv_persistence_set, .locked = true, .held = true},
	{NVME_FID_WRITE_PROTECT, NVME_ON_ADMIN, true, nvme_write_protect_get,
	 nvme_write_protect_set, .bits = NVME_FIDE_DATA | NVME_FIDE_NS_CAPABILITY, .locked = true,
	 .held = true},
};

static const struct feature *feature_find(uint8_t fid, uint8_t on)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (features[i].fid == fid && (features[i].on & on))
			return &features[i];
	}
	return NULL;
}

static const struct feature *request_feature(const struct nvme_request *request)
{
	return feature_find((uint8_t)nvme_get32(request->cmd.cdw10), request->queue->on);
}

uint32_t nvme_features_effects(uint8_t fid, uint8_t on)
{
	const struct feature *feature = feature_find(fid, on);

	if (!feature)
		return 0;
	return NVME_FIDE_SUPPORTED | feature->bits |
	       (feature->ns ? NVME_FIDE_SCOPE_NS : NVME_FIDE_SCOPE_CTRL);
}

static uint32_t request_select(const struct nvme_request *request)
{
	return nvme_get32(request->cmd.cdw10) >> 8 & 7;
}

/* Most features answer in dw0. */
int64_t nvme_features_get_data_len(struct nvme_request *request)
{
	const struct feature *feature = request_feature(request);

	if (!feature || request_select(request) >= SELECT_CAPABILITIES)
		return 0;
	if (feature->fid == NVME_FID_HOSTID && !(nvme_get32(request->cmd.cdw11) & GET_EXHID)) {
		refuse_value(request, "the host identifier has 128 bits: EXHID is 0");
		return NVME_REFUSED;
	}
	return feature->len;
}

/* The host identifier is refused, whatever data there is. */
int64_t nvme_features_set_data_len(struct nvme_request *request)
{
	const struct feature *feature = request_feature(request);

	return feature && feature->fid != NVME_FID_HOSTID ? feature->len : 0;
}

/* NVMe Base 2.0 8.1.4. A namespace that is none is told by get() and set(). */
static bool feature_check_path(struct nvme_request *request, const struct feature *feature)
{
	const struct nvme_ns_port *port = feature->held ? nvme_request_port(request) : NULL;

	return !port || nvme_ana_check(request, port);
}

enum nvme_next nvme_features_get_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	const struct feature *feature = request_feature(request);
	struct nvme_features defaults;

	(void)actions;
	if (!feature)
		return nvme_refuse_field(request, NVME_AT_CDW10, "the feature is not supported");
	if (!feature_check_path(request, feature))
		return NVME_RESPOND;
	switch (request_select(request)) {
	case SELECT_CURRENT:
		return feature->get(request, &request_ctrl(request)->features, now_ns);
	case SELECT_DEFAULT:
	case SELECT_SAVED:
		nvme_features_init(&defaults, now_ns);
		return feature->get(request, &defaults, now_ns);
	case SELECT_CAPABILITIES:
		return nvme_succeed(request, (feature->fid == NVME_FID_HOSTID ? 0 : CHANGEABLE) |
						     (feature->ns ? NS_SPECIFIC : 0));
	default:
		return nvme_refuse_field(request, NVME_AT_CDW10, "Select is reserved");
	}
}

enum nvme_next nvme_features_set_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	const struct feature *feature = request_feature(request);
	uint32_t nsid = nvme_get32(request->cmd.nsid);

	if (!feature)
		return nvme_refuse_field(request, NVME_AT_CDW10, "the feature is not supported");
	if (nvme_get32(request->cmd.cdw10) & SET_SAVE)
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_NOT_SAVEABLE), NVME_AT_CDW10,
				   "features cannot be saved");
	if (!feature->ns && nsid != 0 && nsid != NVME_NSID_ALL)
		return nvme_refuse(request, NVME_COMMAND(NVME_SC_NOT_NS_SPECIFIC), NVME_AT_NSID,
				   "the feature is not specific to a namespace");
	if (!feature_check_path(request, feature))
		return NVME_RESPOND;
	if (feature->locked)
		return NVME_REGISTRY;
	return feature->set(request, nvme_get32(request->cmd.cdw11), now_ns, actions);
}

enum nvme_next nvme_features_set_execute_registry(struct nvme_request *request, uint64_t now_ns,
						  struct nvme_actions *actions)
{
	return request_feature(request)->set(request, nvme_get32(request->cmd.cdw11), now_ns,
					     actions);
}
