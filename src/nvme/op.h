/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command tables: one per command set, one line per command. What Identify, the effects log and
 * the checks before execution say about a command is derived from its line, so that they cannot
 * disagree. Also the few functions with which handlers answer. All of it runs on the thread of the
 * request's queue.
 */
#ifndef WRASSE_NVME_OP_H
#define WRASSE_NVME_OP_H

#include "inline.h"
#include "nvme/registry.h"

/* Kinds of queues, as bits: where a command is legal. */
enum nvme_on {
	NVME_ON_NEW = 1 << 0,   /* not connected yet */
	NVME_ON_ADMIN = 1 << 1, /* admin queue of an I/O controller */
	NVME_ON_DISC = 1 << 2,  /* admin queue of a discovery controller */
	NVME_ON_IO = 1 << 3,    /* I/O queue */
	NVME_ON_AUTH = 1 << 4,  /* connected, but the host has not authenticated itself yet */
};

/* What a command does to a namespace, as bits, as far as reservations care (NVMe Base 2.0 8.19). */
enum nvme_access {
	NVME_ACCESS_READ = 1 << 0,  /* of the Read Command Group */
	NVME_ACCESS_WRITE = 1 << 1, /* of the Write Command Group: Flush is */
	NVME_ACCESS_FREE =
		1 << 2, /* no reservation forbids it; the command may have its own rules */
};

#define NVME_REFUSED (-1)

/* One command. */
struct nvme_op {
	const char *name; /* NULL: there is no such command */
	enum nvme_xfer xfer;
	uint8_t on;       /* enum nvme_on */
	bool ready;       /* only while the controller is enabled and not shut down */
	bool ns;          /* needs an active namespace */
	bool all;         /* NVME_NSID_ALL names all of them */
	bool exact;       /* the SGL's length must be what the command moves; else it may be more */
	bool any_len;     /* it moves what the SGL names; data_len is NULL */
	bool filtered;    /* a hook may change the library's answer */
	bool manages;     /* only of hosts that may manage namespaces */
	bool fua;         /* CDW12 has a FUA bit */
	bool lends;       /* the backend may lend the memory for its data */
	uint8_t fuse;     /* NVME_FUSE_FIRST or SECOND: which half of a fused pair it can be */
	bool required;    /* only where the backend has native; else there is a substitute */
	bool no_pi;       /* not in namespaces with protection information */
	uint32_t native;  /* WRASSE_IO_BIT() of the backend's own opcode for it; 0: any has it */
	uint32_t effects; /* beside NVME_EFFECT_SUPPORTED */
	uint8_t access;   /* enum nvme_access; each I/O command with a namespace has one */

	/* How many bytes the command moves, or NVME_REFUSED after nvme_refuse(). NULL: none. */
	int64_t (*data_len)(struct nvme_request *request);
	enum nvme_next (*execute)(struct nvme_request *request, uint64_t now_ns,
				  struct nvme_actions *actions);
	/* In its place, of commands that are I/Os of the namespace that they name (NULL: of all): what
	 * they are has been checked. They have no effect on other requests. */
	enum nvme_next (*io)(struct nvme_request *request, struct nvme_ns_port *port);
	/* The backend failed the I/O that execute() submitted. NULL: that is all. */
	void (*failed)(struct nvme_request *request, struct nvme_ns_port *port);
	/* With the target's lock; for commands whose execute() says NVME_REGISTRY. */
	enum nvme_next (*execute_registry)(struct nvme_request *request, uint64_t now_ns,
					   struct nvme_actions *actions);
	/* In its turn; for commands whose execute() says NVME_AUTH. */
	enum nvme_next (*execute_auth)(struct nvme_request *request, uint64_t now_ns,
				       struct nvme_actions *actions);
};

/* One command set: op[opcode]; op[fctype] for Fabrics. */
struct nvme_op_table {
	const struct nvme_op *op;
	unsigned count;
};

extern const struct nvme_op_table nvme_fabrics_ops;
extern const struct nvme_op_table nvme_admin_ops;
extern const struct nvme_op_table nvme_io_ops;

static inline const struct nvme_op *nvme_op_find(const struct nvme_op_table *table, unsigned opcode)
{
	if (opcode >= table->count || !table->op[opcode].name)
		return NULL;
	return &table->op[opcode];
}

/* Statuses that say Do Not Retry, as most that blame the host do. */
#define NVME_GENERIC(sc) wrasse_status_make(WRASSE_SCT_GENERIC, (sc), true)
#define NVME_COMMAND(sc) wrasse_status_make(WRASSE_SCT_COMMAND, (sc), true)

/* Byte offsets in a command, as locations of what is wrong. */
enum nvme_location {
	NVME_AT_FLAGS = 1,
	NVME_AT_NSID = 4,
	NVME_AT_SGL = 24,
	NVME_AT_CDW10 = 40,
	NVME_AT_CDW11 = 44,
	NVME_AT_CDW12 = 48,
	NVME_AT_CDW13 = 52,
	NVME_AT_CDW14 = 56,
	NVME_AT_NONE = NVME_ERROR_NO_LOCATION,
};

/*
 * Answers with a failure and records it in the controller's error log.
 *
 * @location: enum nvme_location.
 * @why: a constant phrase for log lines.
 */
enum nvme_next nvme_refuse(struct nvme_request *request, struct wrasse_status status,
			   uint16_t location, const char *why);

/* The same, but not recorded. */
enum nvme_next nvme_refuse_quietly(struct nvme_request *request, struct wrasse_status status,
				   const char *why);

/* Whether its queue still takes the command; if not it is refused. */
bool nvme_request_may_go_on(struct nvme_request *request);

/* Answers with Invalid Field in Command. */
static inline enum nvme_next nvme_refuse_field(struct nvme_request *request, uint16_t location,
					       const char *why)
{
	return nvme_refuse(request, NVME_GENERIC(WRASSE_SC_INVALID_FIELD), location, why);
}

/* Answers with success and dw0. */
enum nvme_next nvme_succeed(struct nvme_request *request, uint32_t dw0);

/* Answers with a page: the command's data is its first bytes, then zeroes. */
enum nvme_next nvme_succeed_page(struct nvme_request *request, const void *page, uint32_t len);

/* The iovec of a controller-to-host command, filled from front to back. */
struct nvme_out {
	const struct iovec *iov;
	uint32_t iov_count;
	size_t done;   /* bytes of iov[0] */
	uint64_t skip; /* bytes of what is put that lie before the host's offset */
	uint32_t left; /* bytes of the command's data */
};

void nvme_out_init(struct nvme_out *out, const struct nvme_request *request, uint64_t skip);
void nvme_out_put(struct nvme_out *out, const void *data, size_t len);

/* Zeroes what is left, so that no stale memory ever goes to a host. */
void nvme_out_end(struct nvme_out *out);

/*
 * Copies the first bytes of a host-to-controller command's data; zeroes what the host did not send.
 */
void nvme_in_get(const struct nvme_request *request, void *data, size_t len);

/* The same from byte @offset of the data on. */
void nvme_in_get_at(const struct nvme_request *request, uint64_t offset, void *data, size_t len);

/* Keeps the first bytes of the host's memory only. @len: not more than data->len. */
void nvme_data_truncate(struct nvme_data *data, uint32_t len);

/*
 * A namespace in a group's view of a subsystem, for some host or not; NULL: there is none. It and the next are the
 * only ways to a namespace: no other code reads view->port.
 */
static ALWAYS_INLINE struct nvme_ns_port *nvme_view_port(const struct nvme_view *view,
							 uint32_t nsid)
{
	return nsid - 1 < view->count ? view->port[nsid - 1] : NULL;
}

/* The same of a queue, which need not have a view. */
static ALWAYS_INLINE struct nvme_ns_port *nvme_queue_allocated(const struct nvme_queue *queue,
							       uint32_t nsid)
{
	return queue->view ? nvme_view_port(queue->view, nsid) : NULL;
}

/* The same if it is active for this host. */
static ALWAYS_INLINE struct nvme_ns_port *nvme_queue_port(const struct nvme_queue *queue,
							  uint32_t nsid)
{
	struct nvme_ns_port *port = nvme_queue_allocated(queue, nsid);

	if (port && __builtin_expect(port->restricted, false) && !nvme_ctrl_sees(queue->ctrl, nsid))
		return NULL;
	return port;
}

/* Whether the group has attached to the namespace's backend: else it must not call it. */
static inline bool nvme_port_is_attached(const struct nvme_ns_port *port)
{
	return relaxed_load(&port->state) == NVME_NS_PORT_ATTACHED;
}

/* The namespace that a command names. */
static ALWAYS_INLINE struct nvme_ns_port *nvme_request_port(const struct nvme_request *request)
{
	return nvme_queue_port(request->queue, nvme_get32(request->cmd.nsid));
}

#endif
