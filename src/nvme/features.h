/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Features whose values are data, or belong to namespaces: what features.c needs of the files that
 * have them. The thread of the admin queue's group.
 */
#ifndef WRASSE_NVME_FEATURES_H
#define WRASSE_NVME_FEATURES_H

#include "nvme/ctrl.h"
#include "nvme/wire_admin.h"

/* What Get and Set Features do for one feature id. */
#define NVME_FEATURE_GET(name)                                                           \
	enum nvme_next name(struct nvme_request *request, const struct nvme_features *f, \
			    uint64_t now_ns)
#define NVME_FEATURE_SET(name)                                                             \
	enum nvme_next name(struct nvme_request *request, uint32_t value, uint64_t now_ns, \
			    struct nvme_actions *actions)

/* features_data.c */
NVME_FEATURE_GET(nvme_timestamp_get);
NVME_FEATURE_SET(nvme_timestamp_set);
NVME_FEATURE_GET(nvme_host_behavior_get);
NVME_FEATURE_SET(nvme_host_behavior_set);

/* features_ns.c */
NVME_FEATURE_GET(nvme_cache_get);
NVME_FEATURE_SET(nvme_cache_set);
NVME_FEATURE_GET(nvme_write_protect_get);
NVME_FEATURE_SET(nvme_write_protect_set);

/* reservation_notice.c */
NVME_FEATURE_GET(nvme_resv_mask_get);
NVME_FEATURE_SET(nvme_resv_mask_set);

/* reservation_save.c */
NVME_FEATURE_GET(nvme_resv_persistence_get);
NVME_FEATURE_SET(nvme_resv_persistence_set); /* REGISTRY */

#endif
