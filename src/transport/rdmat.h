/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport instance of one target: what its poll groups, listeners and devices share. Guarded
 * by lock unless said otherwise. The data path takes the lock only for what is rare: Connect, the
 * discovery log, reservation commands, a queue that ends, and making a group's view match after a
 * control-plane change.
 */
#ifndef WRASSE_TRANSPORT_RDMAT_H
#define WRASSE_TRANSPORT_RDMAT_H

#include <infiniband/verbs.h>
#include <pthread.h>
#include <rdma/rdma_cma.h>
#include <wrasse/target.h>

#include "nvme/registry.h"
#include "pool/list.h"
#include "pool/slab.h"
#include "relaxed.h"
#include "transport/admission.h"

#define RDMAT_NS_PER_MS 1000000ull
#define RDMAT_NS_PER_S  1000000000ull

/* An RDMA device that a connection has come through. Lives as long as the target, or until it was
 * removed and nobody uses it. */
struct rdmat_device {
	struct rdmat_device *next;
	struct ibv_context *context; /* librdmacm's */
	struct ibv_pd *pd;
	struct ibv_device_attr attr;
	unsigned index;          /* of pool_slab.lkey[] */
	_Atomic(unsigned) users; /* connections on their way, and parts of poll groups */
	bool iwarp;
	_Atomic(bool) invalidates; /* SEND with invalidate is used; false while it is tried */
	struct rdmat_probe *probe; /* tries it; NULL: the verdict is there */
	bool no_inline;            /* the embedder does not want it */
	bool deaf;                 /* its events are not waited for any more */
	int numa_node;             /* -1: unknown */
	_Atomic(struct ibv_cq *) broken_cq; /* the last one that it said has failed, perhaps ours */
	_Atomic(bool) removed; /* the device is gone: nothing on it may be used again */
};

/* Any thread: the verdict may come while connections are served. */
static inline bool rdmat_invalidates(const struct rdmat_device *device)
{
	return relaxed_load(&device->invalidates);
}

struct rdmat {
	pthread_mutex_t lock;
	struct wrasse_target_opts opts; /* completed with defaults; constant */
	struct nvme_limits limits;      /* constant */
	struct nvme_registry *registry;
	struct rdmat_device *devices;      /* of the thread that polls the target */
	struct wrasse_poll_group **groups; /* opts.max_poll_groups; NULL where there is none */
	struct wrasse_memory *memories;    /* that backends lend */
	_Atomic(bool) memories_changed;    /* some of them may have to be registered */
	struct wrasse_listener *listeners;
	uint64_t listener_count; /* listeners ever made */
	struct rdmat_admission admission;
	struct rdma_event_channel *cm_channel; /* of the listeners; NULL before the first */
	int epoll_fd;                          /* what wrasse_target_fd() gives */
	int wake_fd; /* eventfd: wrasse_target_poll() has something to look at */
};

static inline void rdmat_lock(struct rdmat *rdmat)
{
	pthread_mutex_lock(&rdmat->lock);
}

static inline void rdmat_unlock(struct rdmat *rdmat)
{
	pthread_mutex_unlock(&rdmat->lock);
}

/* The clock of the options, in ns. Any thread. */
uint64_t rdmat_now(const struct rdmat *rdmat);

/* In how many ms a time is due: 0 at once, -1 never (UINT64_MAX). */
int rdmat_timeout_ms(const struct rdmat *rdmat, uint64_t due_ns);

/* One line to the embedder's log. Any thread; not with the lock held by a caller that the embedder
 * could wait for. */
void rdmat_log(const struct rdmat *rdmat, enum wrasse_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Makes wrasse_target_poll() look. Any thread. */
void rdmat_wake(struct rdmat *rdmat);

/* The lock is held. Makes every group look at its flags (views, queues that must end, drain). */
void rdmat_attention(struct rdmat *rdmat);

/*
 * The thread that polls the target. The device of a CM id; opened on first sight, and its SEND with
 * invalidate is tried then, which the polls that follow see through.
 *
 * Return: the device, with one user more; NULL and a log line if it cannot be used.
 */
struct rdmat_device *rdmat_device_get(struct rdmat *rdmat, const struct rdma_cm_id *id);

/* Any thread. One user less. */
void rdmat_device_put(struct rdmat_device *device);

/* The thread that polls the target. Takes what devices say. Return: events taken. */
int rdmat_device_events(struct rdmat *rdmat);

/* The same thread. How long devices may be left alone, in ms; -1 without end. */
int rdmat_devices_timeout_ms(const struct rdmat *rdmat);

/* The thread that polls the target, without the lock. Logs an event and tells the embedder. @event: size is
 * set here. */
void rdmat_tell(struct rdmat *rdmat, struct wrasse_rdma_event *event);

/* No queue pair and no registration is left. */
void rdmat_devices_free(struct rdmat *rdmat);

/* Provider type for the discovery log (NVMe-oF RDMA: RDMA_PRTYPE). @context: may be NULL. */
uint8_t rdmat_provider_type(const struct ibv_context *context);

/* pool_register_fn and pool_unregister_fn for a struct rdmat_device. */
int rdmat_device_register(void *device, void *base, size_t len, void **region, uint32_t *lkey);
void rdmat_device_unregister(void *region);

/* The same for memory that hosts must not be able to write to by its key: on iWARP it cannot be what an RDMA
 * READ fills, whose key the host is told. */
int rdmat_device_register_local(void *device, void *base, size_t len, void **region,
				uint32_t *lkey);

#endif
