/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Controllers. One belongs to the thread of its admin queue's group; I/O queues on other threads
 * read only its atomic fields. Its life is counted by the queues that refer to it, under the
 * target's lock.
 */
#ifndef WRASSE_NVME_CTRL_H
#define WRASSE_NVME_CTRL_H

#include "nvme/op.h"
#include "nvme/registry.h"

#define NVME_AER_LIMIT     4  /* Asynchronous Event Requests held, AERL + 1 */
#define NVME_ABORT_LIMIT   4  /* Abort commands outstanding, ACL + 1 */
#define NVME_ERROR_ENTRIES 64 /* a power of two, ELPE + 1 */
#define NVME_CAP_TO        30 /* 500 ms: how long a reset may wait for I/O queues to end */

/* CC, CSTS and the events between them (NVMe Base 2.0 3.5). */
enum nvme_ctrl_state {
	NVME_CTRL_DISABLED, /* CC.EN 0 */
	NVME_CTRL_READY,
	NVME_CTRL_FAILED, /* CSTS.CFS: enabled with values that cannot work */
	NVME_CTRL_SHUT,   /* CC.SHN was set; waits for a reset */
};

/*
 * One entry of the error log, written by the thread of any queue: count is 0 while it changes, and
 * the reader takes an entry only if count was the same before and after.
 */
struct nvme_error {
	_Atomic(uint64_t) count;
	_Atomic(uint64_t) queue; /* sqid, cid << 16, status << 32, location << 48 */
	_Atomic(uint64_t) lba;
	_Atomic(uint32_t) nsid;
};

/* Asynchronous events, as bits. */
enum nvme_event {
	NVME_EV_NS_ATTR = 1 << 0,
	NVME_EV_DISCOVERY = 1 << 1,
	NVME_EV_ANA = 1 << 2,
	NVME_EV_RESERVATION = 1 << 3,
	/* Raised by the embedder: 1 << (8 + enum wrasse_event). */
	NVME_EV_SPARE = 1 << 8,
	NVME_EV_TEMPERATURE = 1 << 9,
	NVME_EV_RELIABILITY = 1 << 10,
	NVME_EV_READ_ONLY = 1 << 11,
	NVME_EV_BACKUP = 1 << 12,
	NVME_EV_DIAGNOSTIC = 1 << 13,
	NVME_EV_PERSISTENT = 1 << 14,
	NVME_EV_TRANSIENT = 1 << 15,
};

/* Feature values that end with a reset. */
struct nvme_features {
	uint32_t arbitration, power, temperature[2], error_recovery, atomicity;
	uint32_t events;                     /* Asynchronous Event Configuration */
	uint64_t timestamp_ms, timestamp_ns; /* what it was, and when */
	bool timestamp_set;                  /* by the host; else it counts from the reset */
	struct nvme_host_behavior behavior;
};

/* What a controller has of each namespace of its subsystem. */
struct nvme_ctrl_ns {
	/* Bits of enum nvme_access that a reservation forbids its host. The data path reads it without a
	 * lock; nvme_resv_publish() writes it. */
	_Atomic(uint8_t) denied;
	/* Reservation Notification Mask: 1 << enum nvme_resv_notice. The admin queue's thread writes it. */
	_Atomic(uint8_t) notices_masked;
};

#define NVME_RESV_NOTICES 64 /* reservation notifications kept; older ones are lost */

/*
 * Reservation notifications of a controller. Whoever changes a reservation adds at the end, with the
 * target's lock; the admin queue's thread takes from the front, without it. The ring is twice as long
 * as what is kept, so that what is read is not what is written.
 */
struct nvme_resv_notices {
	_Atomic(uint64_t) count;                         /* ever */
	_Atomic(uint64_t) notice[2 * NVME_RESV_NOTICES]; /* nsid, type << 32 */
	uint64_t told, read, shown,
		base; /* the reader's: counts seen by the event, read, shown by the
					     last Get Log Page, and at the last reset */
};

struct nvme_ctrl {
	/* Any thread, without a lock. */
	_Atomic(bool) ended;  /* every queue must end */
	_Atomic(bool) proven; /* its host has authenticated itself, or need not */
	_Atomic(bool) active; /* a command came since the timer looked: TBKAS */
	_Atomic(enum nvme_ctrl_state) state;
	/* Changes when state is READY no more, and when the controller has ended: after that was stored. */
	_Atomic(uint32_t) io_epoch;
	/* Namespaces of which a reservation forbids its host something: see nvme_ctrl_denies(), which is never ahead of it. */
	_Atomic(uint32_t) denials;
	_Atomic(uint32_t) io_queues;  /* from Connect to nvme_queue_fini() */
	_Atomic(uint32_t) io_waiting; /* commands that wait for a resume */
	_Atomic(uint32_t) cc;
	_Atomic(uint32_t) raised;   /* enum nvme_event: by the control plane, not seen yet */
	_Atomic(bool) retry_delays; /* the host has set ACRE: CRD may say how long to wait */
	_Atomic(uint64_t) error_count;
	struct nvme_error errors[NVME_ERROR_ENTRIES];
	_Atomic(uint64_t) *sees;  /* bitmap: restricted namespaces that it sees; see mask.c */
	_Atomic(uint64_t) *notes; /* bitmap: namespaces that the control plane changed */
	_Atomic(bool) noted;      /* there are notes; stored after them */

	/* Constant. */
	struct wrasse_subsystem *subsystem;
	const struct nvme_limits *limits;
	bool discovery;
	uint32_t ns_count; /* the subsystem's max_namespaces */
	uint64_t number;   /* of the controller in its target: never used twice */
	uint16_t cntlid;
	struct nvme_path *path;   /* a reference */
	uint32_t auth_timeout_ms; /* for each step of an authentication, on every queue */
	uint8_t hostid[NVME_HOSTID_LEN];
	char hostnqn[NVME_NQN_LEN + 1];
	char traddr[64]; /* the address that the host came to */
	char peer[64];   /* and the one that it came from */

	/* Guarded by the target's lock. */
	struct nvme_ctrl *next; /* subsystem->ctrls */
	bool settled;           /* what the subsystem's policy says of duplicates was done */
	uint32_t refs;
	uint64_t *qids;       /* bitmap: queue ids in use */
	uint8_t *queue_group; /* poll groups of the queues in use */

	/* The admin queue's thread. */
	bool cfs;
	uint32_t kato_ms; /* 0: none */
	uint64_t kato_deadline_ns;
	struct nvme_features features;
	struct nvme_request *aer[NVME_AER_LIMIT];
	uint32_t aer_count;
	uint32_t aborts;         /* Abort commands that are not answered yet */
	uint32_t events_pending; /* happened, not told yet */
	uint32_t events_told;    /* told, log page not read yet */
	uint64_t ana_seen;       /* path->changes when it was looked at last */
	uint64_t *changed;       /* bitmap: nsid - 1 */

	struct nvme_ctrl_ns *ns; /* [nsid - 1]: see there */
	struct nvme_resv_notices notices;
	uint64_t bits[];
};

/* ---- ctrl.c ---- */

/*
 * REGISTRY. A controller with one reference, in its subsystem's list; NULL: no memory.
 *
 * @path: taken over, also without memory.
 */
struct nvme_ctrl *nvme_ctrl_create(struct nvme_path *path, uint16_t cntlid,
				   const struct nvme_connect_data *data);
void nvme_ctrl_get(struct nvme_ctrl *ctrl);
void nvme_ctrl_put(struct nvme_ctrl *ctrl);

/* Any thread. Makes nvme_queue_must_end() true for each of its queues. */
void nvme_ctrl_end(struct nvme_ctrl *ctrl);

/* CC was written, CSTS is read. */
void nvme_ctrl_write_cc(struct nvme_ctrl *ctrl, uint32_t value, uint64_t now_ns,
			struct nvme_actions *actions);
uint32_t nvme_ctrl_csts(const struct nvme_ctrl *ctrl);

/* Starts the keep-alive timer anew, with kato_ms and the controller's state as they are. */
void nvme_ctrl_set_timer(struct nvme_ctrl *ctrl, uint64_t now_ns, struct nvme_actions *actions);

/* Sets the Keep Alive Timeout, rounded up to the granularity that Identify tells. */
void nvme_ctrl_set_kato(struct nvme_ctrl *ctrl, uint32_t kato_ms);

static inline bool nvme_ctrl_is_ready(const struct nvme_ctrl *ctrl)
{
	return atomic_load_explicit(&ctrl->state, memory_order_acquire) == NVME_CTRL_READY;
}

#define NVME_KAS_MS 1000 /* granularity of the keep-alive timer; KAS tells it in 100 ms */

/* ---- aer.c ---- */

enum nvme_next nvme_aer_execute(struct nvme_request *request, uint64_t now_ns,
				struct nvme_actions *actions);

/* Answers the held request with this command identifier. Return: whether there is one. */
bool nvme_aer_abort(struct nvme_ctrl *ctrl, uint16_t cid, struct nvme_actions *actions);

/* Answers every held request with a failure, and forgets every event. */
void nvme_aer_reset(struct nvme_ctrl *ctrl, struct nvme_actions *actions);

/* Events happened (enum nvme_event): told now, later, or never, as the host has configured. */
void nvme_aer_raise(struct nvme_ctrl *ctrl, uint32_t raised, struct nvme_actions *actions);

/* The log page of an event was read: the event may be told again. */
void nvme_aer_log_read(struct nvme_ctrl *ctrl, uint8_t lid, struct nvme_actions *actions);

/* ---- ana.c ---- */

/* Whether the namespace can be used on this path; if not, answers the request. */
bool nvme_ana_check(struct nvme_request *request, const struct nvme_ns_port *port);

/* Whether the path's state hides how much of the namespace is in use. */
bool nvme_ana_hides_use(const struct nvme_queue *queue, const struct nvme_ns_port *port);

/* Raises an event if a group of a namespace that the host sees has changed. */
void nvme_ana_sync(struct nvme_queue *queue, struct nvme_actions *actions);

uint64_t nvme_ana_log_size(const struct nvme_queue *queue);
/* REGISTRY. */
void nvme_ana_log_put(struct nvme_request *request, struct nvme_out *out);

/* ---- mask.c: REGISTRY ---- */

/* What a new controller sees. */
void nvme_mask_init(struct nvme_ctrl *ctrl);

/* A new restricted namespace: nobody sees it yet. */
void nvme_mask_hide(struct wrasse_namespace *ns);

/* Makes the thread of the controller tell its host. Attention must follow. */
void nvme_ctrl_note(struct nvme_ctrl *ctrl, uint32_t nsid);

/* ---- error_log.c: any thread ---- */

void nvme_error_log_add(struct nvme_ctrl *ctrl, const struct nvme_request *request,
			uint16_t location);

/* Stores the entry that is age entries old (0: the newest); zeroes if there is none. */
void nvme_error_log_get(const struct nvme_ctrl *ctrl, uint32_t age, struct nvme_error_entry *entry);

static inline void nvme_queue_advance(struct nvme_queue *queue)
{
	queue->sqhd = queue->sqhd >= queue->sqsize ? 0 : queue->sqhd + 1;
}

/* The timer on the admin queue's thread clears the flag; load first, so that the line stays shared. */
static inline void nvme_queue_show_activity(struct nvme_queue *queue)
{
	struct nvme_ctrl *ctrl = queue->ctrl;

	if (!relaxed_load(&ctrl->active))
		relaxed_store(&ctrl->active, true);
}

/* nvme_queue_must_end() of an I/O queue. */
static inline bool nvme_io_queue_must_end(const struct nvme_queue *queue)
{
	const struct nvme_ctrl *ctrl = queue->ctrl;

	return ctrl &&
	       queue->io_epoch != atomic_load_explicit(&ctrl->io_epoch, memory_order_acquire);
}

/* Whether a reservation forbids a controller's host an access. @nsid: up to ctrl->ns_count. */
static inline bool nvme_ctrl_denies(const struct nvme_ctrl *ctrl, uint32_t nsid, uint8_t access)
{
	return relaxed_load(&ctrl->ns[(size_t)nsid - 1].denied) & access;
}

/* Answers it. */
enum nvme_next nvme_request_deny(struct nvme_request *request);

/* ---- one handler per command, in the file that has its name ---- */

enum nvme_next nvme_abort_execute(struct nvme_request *request, uint64_t now_ns,
				  struct nvme_actions *actions);

int64_t nvme_identify_data_len(struct nvme_request *request);
enum nvme_next nvme_identify_execute(struct nvme_request *request, uint64_t now_ns,
				     struct nvme_actions *actions);
enum nvme_next nvme_identify_execute_registry(struct nvme_request *request, uint64_t now_ns,
					      struct nvme_actions *actions);

/* Answers with Invalid Namespace or Format. */
enum nvme_next nvme_identify_refuse_nsid(struct nvme_request *request);

/* The namespace of an id that is allocated, as the host of an Identify may know; NULL: none is. */
struct nvme_ns_port *nvme_identify_allocated(const struct nvme_request *request, uint32_t nsid);

/* Whether an id is one that a namespace of the controller's subsystem could have. */
bool nvme_identify_nsid_is_valid(const struct nvme_request *request);

/* Pages that name command sets and controllers: identify_list.c. */
enum nvme_next nvme_identify_csi_ns(struct nvme_request *request);
enum nvme_next nvme_identify_csi_ctrl(struct nvme_request *request);
enum nvme_next nvme_identify_ns_independent(struct nvme_request *request);
enum nvme_next nvme_identify_command_sets(struct nvme_request *request);
enum nvme_next nvme_identify_ns_ctrls(struct nvme_request *request); /* REGISTRY */
enum nvme_next nvme_identify_ctrls(struct nvme_request *request);    /* REGISTRY */

int64_t nvme_log_data_len(struct nvme_request *request);
enum nvme_next nvme_log_execute(struct nvme_request *request, uint64_t now_ns,
				struct nvme_actions *actions);
enum nvme_next nvme_log_execute_registry(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions);

/* health.c: the SMART / Health Information log. */
void nvme_health_put(struct nvme_request *request, struct nvme_out *out);

/* The window that a Get Log Page names. */
uint64_t nvme_log_offset(const struct nvme_request *request);

int64_t nvme_features_get_data_len(struct nvme_request *request);
enum nvme_next nvme_features_get_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions);
enum nvme_next nvme_features_set_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions);
enum nvme_next nvme_features_set_execute_registry(struct nvme_request *request, uint64_t now_ns,
						  struct nvme_actions *actions);
void nvme_features_init(struct nvme_features *features, uint64_t now_ns);
int64_t nvme_features_set_data_len(struct nvme_request *request);

/* What a Set Features with a flush of the backend leaves when the flush has failed. */
void nvme_features_set_failed(struct nvme_request *request, struct nvme_ns_port *port);

/* The feature's line of Feature Identifiers Supported and Effects; 0: there is no such feature. */
uint32_t nvme_features_effects(uint8_t fid, uint8_t on);

/* io.c: a Flush for the backend on behalf of any command. */
enum nvme_next nvme_io_flush(struct nvme_request *request, struct nvme_ns_port *port);

/* Whether a namespace that this queue sees has a volatile write cache. */
bool nvme_features_has_cache(const struct nvme_queue *queue);

int64_t nvme_connect_data_len(struct nvme_request *request);
enum nvme_next nvme_connect_execute(struct nvme_request *request, uint64_t now_ns,
				    struct nvme_actions *actions);
enum nvme_next nvme_connect_execute_registry(struct nvme_request *request, uint64_t now_ns,
					     struct nvme_actions *actions);

enum nvme_next nvme_property_get_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions);
enum nvme_next nvme_property_set_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions);

int64_t nvme_auth_send_data_len(struct nvme_request *request);
enum nvme_next nvme_auth_send_execute(struct nvme_request *request, uint64_t now_ns,
				      struct nvme_actions *actions);
enum nvme_next nvme_auth_send_execute_auth(struct nvme_request *request, uint64_t now_ns,
					   struct nvme_actions *actions);
int64_t nvme_auth_receive_data_len(struct nvme_request *request);
enum nvme_next nvme_auth_receive_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions);
enum nvme_next nvme_auth_receive_execute_auth(struct nvme_request *request, uint64_t now_ns,
					      struct nvme_actions *actions);

/* A queue was connected: it takes its commands, or authentication first. Return: whether it does. */
bool nvme_auth_start(struct nvme_queue *queue, uint64_t now_ns, struct nvme_actions *actions);

/* Return: when to call next; ends the queue of a host that took too long. */
uint64_t nvme_auth_tick(struct nvme_queue *queue, uint64_t now_ns, struct nvme_actions *actions);

/* reservation_cmd.c */
int64_t nvme_resv_keys_len(struct nvme_request *request);
int64_t nvme_resv_release_len(struct nvme_request *request);
int64_t nvme_resv_report_len(struct nvme_request *request);
enum nvme_next nvme_resv_execute(struct nvme_request *request, uint64_t now_ns,
				 struct nvme_actions *actions);
enum nvme_next nvme_resv_execute_registry(struct nvme_request *request, uint64_t now_ns,
					  struct nvme_actions *actions);
enum nvme_next nvme_resv_report_execute_registry(struct nvme_request *request, uint64_t now_ns,
						 struct nvme_actions *actions);

/* reservation_notice.c: the admin queue's thread but for nvme_resv_notify() */

/* The notifications since then, as a log page and its end. */
void nvme_resv_log_put(struct nvme_request *request, struct nvme_out *out);
void nvme_resv_log_read(struct nvme_ctrl *ctrl);

/* Controller reset: no notification and no mask is left. */
void nvme_resv_notices_reset(struct nvme_ctrl *ctrl);

/* An event if there are new ones. */
void nvme_resv_notices_tell(struct nvme_ctrl *ctrl, struct nvme_actions *actions);

/* reservation_save.c: Reservation Persistence, whose handler asks for the registry */
enum nvme_next nvme_resv_persistence_get_registry(struct nvme_request *request, uint64_t now_ns,
						  struct nvme_actions *actions);

/* fence.c: a fenced command has left the backend. */
void nvme_fence_leave(struct nvme_request *request, struct nvme_ns_port *port);

/* REGISTRY. The discovery log as the host of this request sees it. */
enum nvme_next nvme_discovery_log(struct nvme_request *request);

/* What of the log a host may ask for: the bits of its Log Specific Field, NVME_DISC_*. */
uint16_t nvme_discovery_supported(const struct nvme_queue *queue);

/* Whether a host may see and use a subsystem. REGISTRY. */
bool nvme_subsystem_allows(const struct wrasse_subsystem *subsystem, const char *hostnqn);
struct wrasse_subsystem *nvme_subsystem_find(const struct nvme_registry *registry, const char *nqn);
int nvme_subsystem_create_discovery(struct nvme_registry *registry);

/* Whether it ends, is not too long and has no control characters: log lines and terminals see it. */
bool nvme_nqn_is_harmless(const char *name);

/* A 64-bit digest of a string, for names that must be stable; not a secret. */
uint64_t nvme_nqn_digest(const char *nqn, uint64_t seed);

#endif
