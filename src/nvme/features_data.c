/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Features whose values are data: Timestamp and Host Behavior Support (NVMe Base 2.0 5.27.1.7,
 * 5.27.1.18). They end with a reset. The thread of the admin queue's group.
 */
#include "nvme/features.h"

#define NS_PER_MS      1000000ull
#define TIMESTAMP_MASK ((1ull << 48) - 1)

/* Counts on from what the host set, or from the reset, and never stops: SYNCH is 0. */
NVME_FEATURE_GET(nvme_timestamp_get)
{
	struct nvme_timestamp timestamp;
	uint64_t ms = f->timestamp_ms + (now_ns - f->timestamp_ns) / NS_PER_MS;

	nvme_put64(&timestamp.ms, ms & TIMESTAMP_MASK);
	if (f->timestamp_set)
		timestamp.attributes = NVME_TIMESTAMP_BY_HOST;
	return nvme_succeed_page(request, &timestamp, sizeof(timestamp));
}

NVME_FEATURE_SET(nvme_timestamp_set)
{
	struct nvme_features *features = &request->queue->ctrl->features;
	struct nvme_timestamp timestamp;

	nvme_in_get(request, &timestamp, sizeof(timestamp));
	features->timestamp_ms = nvme_get64(timestamp.ms) & TIMESTAMP_MASK;
	features->timestamp_ns = now_ns;
	features->timestamp_set = true;
	return nvme_succeed(request, 0);
}

NVME_FEATURE_GET(nvme_host_behavior_get)
{
	return nvme_succeed_page(request, &f->behavior, sizeof(f->behavior));
}

/* Only ACRE changes what this target does; what else a host says of itself is kept. */
NVME_FEATURE_SET(nvme_host_behavior_set)
{
	struct nvme_ctrl *ctrl = request->queue->ctrl;
	struct nvme_host_behavior behavior;

	nvme_in_get(request, &behavior, sizeof(behavior));
	if (behavior.acre > 1 || behavior.etdas > 1 || behavior.lbafee > 1)
		return nvme_refuse_field(request, NVME_AT_NONE, "a host behavior is not 0 or 1");
	ctrl->features.behavior.acre = behavior.acre;
	ctrl->features.behavior.etdas = behavior.etdas;
	ctrl->features.behavior.lbafee = behavior.lbafee;
	atomic_store_explicit(&ctrl->retry_delays, behavior.acre == 1, memory_order_relaxed);
	return nvme_succeed(request, 0);
}
