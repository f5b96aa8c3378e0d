/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a controller: enable, reset, shutdown, failure, keep alive, end. Creation, references
 * and freeing happen under the target's lock; everything else on the thread of the admin queue's
 * group.
 */
#include <stdlib.h>

#include "nvme/reservation.h"

/*
 * NVMe Base 2.0 5.27.1.12: a discovery controller without a Keep Alive Timeout lives for two
 * minutes.
 */
#define DISCOVERY_KATO_MS 120000
/*
 * A controller that is not enabled owes no Keep Alive (NVMe Base 2.0 3.9); its host may still be
 * dead.
 */
#define DISABLED_KATO_MS  120000

#define NS_PER_MS 1000000ull

/* ---- life ---- */

static size_t bitmap_words(uint32_t bits)
{
	return (bits + 63) / 64;
}

struct nvme_ctrl *nvme_ctrl_create(struct nvme_path *path, uint16_t cntlid,
				   const struct nvme_connect_data *data)
{
	struct wrasse_subsystem *subsystem = path->subsystem;
	const struct nvme_limits *limits = subsystem->registry->limits;
	size_t qid_words = bitmap_words(limits->max_io_queues + 1);
	size_t ns_words = bitmap_words(subsystem->max_namespaces);
	/* A group's number is a byte. */
	size_t group_words = limits->max_io_queues / sizeof(uint64_t) + 1;
	size_t words = qid_words + 3 * ns_words + group_words;
	struct nvme_ctrl *ctrl =
		calloc(1, sizeof(*ctrl) + words * sizeof(uint64_t) +
				  subsystem->max_namespaces * sizeof(struct nvme_ctrl_ns));

	if (!ctrl) {
		nvme_path_put(path);
		return NULL;
	}
	ctrl->subsystem = subsystem;
	ctrl->ns_count = subsystem->max_namespaces;
	ctrl->ns = (struct nvme_ctrl_ns *)(void *)(ctrl->bits + words);
	ctrl->limits = limits;
	ctrl->discovery = subsystem->is_discovery;
	ctrl->cntlid = cntlid;
	ctrl->path = path;
	ctrl->ana_seen = atomic_load_explicit(&path->changes, memory_order_relaxed);
	memcpy(ctrl->hostid, data->hostid, sizeof(ctrl->hostid));
	memcpy(ctrl->hostnqn, data->hostnqn, sizeof(ctrl->hostnqn) - 1);
	ctrl->refs = 1;
	ctrl->qids = ctrl->bits;
	ctrl->changed = ctrl->bits + qid_words;
	ctrl->sees = (void *)(ctrl->changed + ns_words);
	ctrl->notes = ctrl->sees + ns_words;
	ctrl->queue_group = (void *)(ctrl->notes + ns_words);
	ctrl->number = subsystem->registry->ctrls_made++;
	nvme_mask_init(ctrl);
	nvme_resv_admit(ctrl);
	ctrl->next = subsystem->ctrls;
	subsystem->ctrls = ctrl;
	return ctrl;
}

void nvme_ctrl_get(struct nvme_ctrl *ctrl)
{
	ctrl->refs++;
}

void nvme_ctrl_put(struct nvme_ctrl *ctrl)
{
	struct nvme_ctrl **link = &ctrl->subsystem->ctrls;

	if (--ctrl->refs > 0)
		return;
	while (*link != ctrl)
		link = &(*link)->next;
	*link = ctrl->next;
	nvme_path_put(ctrl->path);
	free(ctrl);
}

void nvme_ctrl_end(struct nvme_ctrl *ctrl)
{
	atomic_store_explicit(&ctrl->ended, true, memory_order_release);
	atomic_fetch_add_explicit(&ctrl->io_epoch, 1, memory_order_release);
}

/* ---- CC and CSTS ---- */

/*
 * Enters a state. I/O queues do not outlive READY: state is stored before the epoch, so that a
 * Connect on another thread that read the new epoch also sees the new state.
 */
static void ctrl_set_state(struct nvme_ctrl *ctrl, enum nvme_ctrl_state state,
			   struct nvme_actions *actions)
{
	bool was_ready = nvme_ctrl_is_ready(ctrl);

	atomic_store_explicit(&ctrl->state, state, memory_order_release);
	if (!was_ready || state == NVME_CTRL_READY)
		return;
	atomic_fetch_add_explicit(&ctrl->io_epoch, 1, memory_order_release);
	actions->attention = true;
}

/*
 * NVMe Base 2.0 3.7.2: controller level reset of everything but the admin queue and the properties.
 */
static void ctrl_reset(struct nvme_ctrl *ctrl, uint64_t now_ns, struct nvme_actions *actions)
{
	ctrl_set_state(ctrl, NVME_CTRL_DISABLED, actions);
	ctrl->cfs = false;
	nvme_features_init(&ctrl->features, now_ns);
	atomic_store_explicit(&ctrl->retry_delays, false, memory_order_relaxed);
	nvme_aer_reset(ctrl, actions);
	nvme_resv_notices_reset(ctrl);
	memset(ctrl->changed, 0,
	       bitmap_words(ctrl->subsystem->max_namespaces) * sizeof(*ctrl->changed));
}

static void ctrl_fail(struct nvme_ctrl *ctrl, struct nvme_actions *actions)
{
	ctrl->cfs = true;
	ctrl_set_state(ctrl, NVME_CTRL_FAILED, actions);
}

/* Entry sizes may be set as late as the first I/O queue (NVMe Base 2.0 3.1.3.5); see Connect. */
static bool cc_can_enable(const struct nvme_ctrl *ctrl, uint32_t cc)
{
	uint32_t sq = NVME_CC_IOSQES(cc);
	uint32_t cq = NVME_CC_IOCQES(cc);

	if (cc & (NVME_CC_CSS | NVME_CC_MPS | NVME_CC_AMS))
		return false;
	return ctrl->discovery || ((sq == 0 || sq == 6) && (cq == 0 || cq == 4));
}

void nvme_ctrl_write_cc(struct nvme_ctrl *ctrl, uint32_t value, uint64_t now_ns,
			struct nvme_actions *actions)
{
	uint32_t old = atomic_load_explicit(&ctrl->cc, memory_order_relaxed);
	uint32_t cc = value & NVME_CC_MASK;
	enum nvme_ctrl_state state = atomic_load_explicit(&ctrl->state, memory_order_relaxed);

	atomic_store_explicit(&ctrl->cc, cc, memory_order_relaxed);
	if (!(cc & NVME_CC_EN)) {
		if (state != NVME_CTRL_DISABLED || (old & NVME_CC_EN))
			ctrl_reset(ctrl, now_ns, actions);
	} else if (!(old & NVME_CC_EN)) {
		if (state != NVME_CTRL_DISABLED)
			ctrl_reset(ctrl, now_ns, actions);
		if (cc_can_enable(ctrl, cc))
			ctrl_set_state(ctrl, NVME_CTRL_READY, actions);
		else
			ctrl_fail(ctrl, actions);
	} else if (state == NVME_CTRL_READY && !cc_can_enable(ctrl, cc)) {
		ctrl_fail(ctrl, actions);
	}
	if (cc & NVME_CC_SHN)
		ctrl_set_state(ctrl, NVME_CTRL_SHUT, actions);
}

/*
 * A reset or shutdown is over when the last request of the last I/O queue is gone: then no write
 * from before it can still reach the media.
 */
uint32_t nvme_ctrl_csts(const struct nvme_ctrl *ctrl)
{
	enum nvme_ctrl_state state = atomic_load_explicit(&ctrl->state, memory_order_relaxed);
	bool busy = atomic_load_explicit(&ctrl->io_queues, memory_order_acquire) > 0;
	bool enabled = atomic_load_explicit(&ctrl->cc, memory_order_relaxed) & NVME_CC_EN;
	uint32_t csts = ctrl->cfs ? NVME_CSTS_CFS : 0;

	switch (state) {
	case NVME_CTRL_DISABLED:
		return csts | (busy ? NVME_CSTS_RDY : 0);
	case NVME_CTRL_READY:
		return csts | NVME_CSTS_RDY;
	case NVME_CTRL_SHUT:
		if (enabled && !ctrl->cfs)
			csts |= NVME_CSTS_RDY;
		return csts | (busy ? NVME_CSTS_SHST_NOW : NVME_CSTS_SHST_END);
	case NVME_CTRL_FAILED:
		break;
	}
	return csts;
}

/* ---- keep alive (NVMe Base 2.0 3.9) ---- */

void nvme_ctrl_set_kato(struct nvme_ctrl *ctrl, uint32_t kato_ms)
{
	uint64_t units = ((uint64_t)kato_ms + NVME_KAS_MS - 1) / NVME_KAS_MS;
	uint64_t rounded = units * NVME_KAS_MS;

	if (kato_ms == 0 && ctrl->discovery)
		rounded = DISCOVERY_KATO_MS;
	ctrl->kato_ms = rounded > UINT32_MAX ? UINT32_MAX : (uint32_t)rounded;
}

static uint64_t ctrl_patience_ns(const struct nvme_ctrl *ctrl)
{
	uint64_t ms = ctrl->kato_ms;

	if (!nvme_ctrl_is_ready(ctrl) && ms < DISABLED_KATO_MS)
		ms = DISABLED_KATO_MS;
	return ms * NS_PER_MS;
}

void nvme_ctrl_set_timer(struct nvme_ctrl *ctrl, uint64_t now_ns, struct nvme_actions *actions)
{
	uint64_t old = ctrl->kato_deadline_ns;

	atomic_store_explicit(&ctrl->active, false, memory_order_relaxed);
	ctrl->kato_deadline_ns = now_ns + ctrl_patience_ns(ctrl);
	if (ctrl->kato_ms == 0)
		ctrl->kato_deadline_ns = UINT64_MAX;
	if (ctrl->kato_deadline_ns < old)
		actions->timer = true;
}

/* Not later than one timeout from now: the deadline moves when the controller is enabled. */
static uint64_t ctrl_next_tick_ns(const struct nvme_ctrl *ctrl, uint64_t now_ns)
{
	uint64_t next = now_ns + ctrl->kato_ms * NS_PER_MS;

	return next < ctrl->kato_deadline_ns ? next : ctrl->kato_deadline_ns;
}

uint64_t nvme_ctrl_tick(struct nvme_queue *queue, uint64_t now_ns, struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl = queue->ctrl;

	if (!ctrl || queue->qid != 0 || queue->state != NVME_QUEUE_CONNECTED ||
	    ctrl->kato_ms == 0 || atomic_load_explicit(&ctrl->ended, memory_order_relaxed))
		return UINT64_MAX;
	if (atomic_load_explicit(&ctrl->active, memory_order_relaxed) ||
	    atomic_load_explicit(&ctrl->io_waiting, memory_order_relaxed) > 0)
		nvme_ctrl_set_timer(ctrl, now_ns, actions);
	if (now_ns < ctrl->kato_deadline_ns)
		return ctrl_next_tick_ns(ctrl, now_ns);
	ctrl_fail(ctrl, actions);
	nvme_ctrl_end(ctrl);
	actions->attention = true;
	actions->why = "the keep-alive timer expired";
	return UINT64_MAX;
}

/* ---- events from the control plane ---- */

void nvme_ctrl_ns_changed(struct nvme_queue *queue, uint32_t nsid, struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl = queue->ctrl;

	if (!ctrl || queue->qid != 0 || queue->state != NVME_QUEUE_CONNECTED || ctrl->discovery ||
	    nsid == 0 || nsid > ctrl->subsystem->max_namespaces)
		return;
	ctrl->changed[(nsid - 1) / 64] |= 1ull << (nsid - 1) % 64;
	nvme_aer_raise(ctrl, NVME_EV_NS_ATTR, actions);
}

/* What the embedder has raised; each kind once, however often it was. */
static void ctrl_take_raised(struct nvme_ctrl *ctrl, struct nvme_actions *actions)
{
	if (atomic_load_explicit(&ctrl->raised, memory_order_relaxed))
		nvme_aer_raise(ctrl,
			       atomic_exchange_explicit(&ctrl->raised, 0, memory_order_acquire),
			       actions);
}

static void ctrl_take_notes(struct nvme_queue *queue, struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl = queue->ctrl;

	if (!atomic_load_explicit(&ctrl->noted, memory_order_relaxed) ||
	    !atomic_exchange_explicit(&ctrl->noted, false, memory_order_acquire))
		return;
	for (size_t i = 0; i < bitmap_words(ctrl->subsystem->max_namespaces); i++) {
		uint64_t bits = atomic_exchange_explicit(&ctrl->notes[i], 0, memory_order_relaxed);

		for (; bits != 0; bits &= bits - 1)
			nvme_ctrl_ns_changed(
				queue, (uint32_t)(i * 64) + 1 + (uint32_t)__builtin_ctzll(bits),
				actions);
	}
}

void nvme_ctrl_sync(struct nvme_queue *queue, struct nvme_actions *actions)
{
	if (queue->qid != 0 || queue->state != NVME_QUEUE_CONNECTED)
		return;
	ctrl_take_raised(queue->ctrl, actions);
	if (!queue->path)
		return;
	ctrl_take_notes(queue, actions);
	nvme_ana_sync(queue, actions);
	nvme_resv_notices_tell(queue->ctrl, actions);
}

void nvme_ctrl_discovery_changed(struct nvme_queue *queue, struct nvme_actions *actions)
{
	struct nvme_ctrl *ctrl = queue->ctrl;

	if (!ctrl || queue->qid != 0 || queue->state != NVME_QUEUE_CONNECTED || !ctrl->discovery)
		return;
	nvme_aer_raise(ctrl, NVME_EV_DISCOVERY, actions);
}
