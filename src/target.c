/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The target: creation with checked options, the control plane's poll, poll groups and listeners as
 * the embedder sees them. Any thread may call; rdmat.lock guards. It must never call the embedder
 * with the lock held.
 */
#include "target.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "transport/group.h"
#include "transport/listener.h"
#include "transport/memory.h"

const char *wrasse_version(void)
{
	return WRASSE_VERSION;
}

int options_copy(void *to, size_t to_size, const void *from, size_t from_size)
{
	const unsigned char *bytes = from;

	if (from_size < sizeof(size_t))
		return -EINVAL;
	for (size_t i = to_size; i < from_size; i++)
		if (bytes[i])
			return -E2BIG;
	memset(to, 0, to_size);
	memcpy(to, from, from_size < to_size ? from_size : to_size);
	return 0;
}

/* ---- options ---- */

struct range {
	const char *name;
	uint32_t *value;
	uint32_t otherwise; /* for 0 */
	uint32_t min, max;
};

static int range_check(const struct rdmat *rdmat, const struct range *range, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!*range[i].value)
			*range[i].value = range[i].otherwise;
		if (*range[i].value < range[i].min || *range[i].value > range[i].max) {
			rdmat_log(rdmat, WRASSE_LOG_ERROR, "option %s: %u is not between %u and %u",
				  range[i].name, *range[i].value, range[i].min, range[i].max);
			return -EINVAL;
		}
	}
	return 0;
}

static int target_opts_complete(struct rdmat *rdmat)
{
	struct wrasse_target_opts *opts = &rdmat->opts;
	uint32_t rnr = opts->min_rnr_timer, reads = opts->max_read_depth;
	const struct range ranges[] = {
		{"max_poll_groups", &opts->max_poll_groups, 16, 1, 256},
		{"max_queue_depth", &opts->max_queue_depth, 128, 2, 1024},
		{"max_io_queues", &opts->max_io_queues, 128, 1, 1024},
		{"max_data_len", &opts->max_data_len, 1u << 20, 4096, 1u << 20},
		{"in_capsule_data_len", &opts->in_capsule_data_len, 4096, 16, 16384},
		{"connect_timeout_ms", &opts->connect_timeout_ms, 10000, 1, 3600000},
		{"max_handshakes", &opts->max_handshakes, 1024, 1, 65536},
		{"max_handshakes_per_host", &opts->max_handshakes_per_host, 128, 1, 65536},
		{"max_connections_per_s", &opts->max_connections_per_s, 0, 0, 1000000},
		{"flush_timeout_ms", &opts->flush_timeout_ms, 2000, 1, 60000},
		{"min_rnr_timer", &rnr, 12, 1, 31},
		{"max_read_depth", &reads, 16, 1, 255},
	};
	int rc = range_check(rdmat, ranges, sizeof(ranges) / sizeof(ranges[0]));

	if (rc)
		return rc;
	opts->min_rnr_timer = (uint8_t)rnr;
	opts->max_read_depth = (uint8_t)reads;
	if (opts->max_data_len & (opts->max_data_len - 1)) {
		rdmat_log(rdmat, WRASSE_LOG_ERROR, "option max_data_len: %u is not a power of two",
			  opts->max_data_len);
		return -EINVAL;
	}
	if (opts->in_capsule_data_len % 16) {
		rdmat_log(rdmat, WRASSE_LOG_ERROR,
			  "option in_capsule_data_len: %u is not a multiple of 16",
			  opts->in_capsule_data_len);
		return -EINVAL;
	}
	if (opts->discovery_nqn && !nvme_nqn_is_valid(opts->discovery_nqn)) {
		rdmat_log(rdmat, WRASSE_LOG_ERROR,
			  "option discovery_nqn: not an NVMe Qualified Name");
		return -EINVAL;
	}
	if (opts->no_in_capsule_data)
		opts->in_capsule_data_len = 0;
	return 0;
}

static void limits_fill(struct rdmat *rdmat)
{
	const struct wrasse_target_opts *opts = &rdmat->opts;

	rdmat->limits = (struct nvme_limits){
		.max_queue_depth = opts->max_queue_depth,
		.max_admin_depth = opts->max_queue_depth < 32 ? 32 : opts->max_queue_depth,
		.max_io_queues = opts->max_io_queues,
		.max_data_len = opts->max_data_len,
		.icd_len = opts->in_capsule_data_len,
		.admin_icd_len = 1024, /* a Connect's data */
		.any_host_name = opts->any_host_name,
		.group_count = opts->max_poll_groups,
		.discovery_nqn = opts->discovery_nqn,
		.discovery_of_all = opts->discovery_of_all,
	};
}

/* ---- create and destroy ---- */

static int descriptors_open(struct rdmat *rdmat)
{
	struct epoll_event event = {.events = EPOLLIN};

	rdmat->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rdmat->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (rdmat->epoll_fd < 0 || rdmat->wake_fd < 0)
		return -errno;
	return epoll_ctl(rdmat->epoll_fd, EPOLL_CTL_ADD, rdmat->wake_fd, &event) ? -errno : 0;
}

static void target_free(struct wrasse_target *target)
{
	struct rdmat *rdmat = &target->rdmat;

	if (rdmat->cm_channel)
		rdma_destroy_event_channel(rdmat->cm_channel);
	rdmat_memories_free(rdmat);
	rdmat_devices_free(rdmat);
	target_pauses_free(target);
	if (rdmat->registry)
		nvme_registry_destroy(rdmat->registry);
	if (rdmat->epoll_fd >= 0)
		close(rdmat->epoll_fd);
	if (rdmat->wake_fd >= 0)
		close(rdmat->wake_fd);
	pthread_mutex_destroy(&rdmat->lock);
	rdmat_admission_fini(&rdmat->admission);
	free(rdmat->groups);
	free(target);
}

int wrasse_target_create(const struct wrasse_target_opts *opts, struct wrasse_target **out)
{
	struct wrasse_target *target = calloc(1, sizeof(*target));
	struct rdmat *rdmat;
	int rc = 0;

	if (!target)
		return -ENOMEM;
	rdmat = &target->rdmat;
	rdmat->epoll_fd = -1;
	rdmat->wake_fd = -1;
	pthread_mutex_init(&rdmat->lock, NULL);
	if (opts)
		rc = options_copy(&rdmat->opts, sizeof(rdmat->opts), opts, opts->size);
	if (!rc)
		rc = target_opts_complete(rdmat);
	if (!rc && !(rdmat->groups = calloc(rdmat->opts.max_poll_groups,
					    sizeof(struct wrasse_poll_group *))))
		rc = -ENOMEM;
	if (!rc)
		rc = descriptors_open(rdmat);
	if (!rc)
		rc = rdmat_admission_init(&rdmat->admission, rdmat->opts.max_handshakes,
					  rdmat->opts.max_handshakes_per_host,
					  rdmat->opts.max_connections_per_s);
	if (!rc) {
		limits_fill(rdmat);
		rc = nvme_registry_create(&rdmat->limits, &rdmat->registry);
	}
	if (rc) {
		target_free(target);
		return rc;
	}
	*out = target;
	return 0;
}

int wrasse_target_destroy(struct wrasse_target *target)
{
	struct rdmat *rdmat;

	if (!target)
		return 0;
	rdmat = &target->rdmat;
	if (target->polling)
		return -EDEADLK;
	for (uint32_t i = 0; i < rdmat->opts.max_poll_groups; i++)
		if (rdmat->groups[i])
			return -EBUSY;
	rdmat_lock(rdmat);
	while (rdmat->listeners)
		rdmat_listener_destroy(rdmat->listeners);
	rdmat_unlock(rdmat);
	target_free(target);
	return 0;
}

/* ---- polling ---- */

int wrasse_target_poll(struct wrasse_target *target)
{
	struct rdmat *rdmat = &target->rdmat;
	uint64_t wakes;
	ssize_t ignored;
	int count;

	if (target->polling)
		return -EDEADLK;
	target->polling = true;
	ignored = read(rdmat->wake_fd, &wakes, sizeof(wakes));
	(void)ignored;
	count = rdmat_listener_events(rdmat);
	count += rdmat_device_events(rdmat);
	count += rdmat_memories_register(rdmat);
	/* Before namespaces are freed: who waits for a pause of one is told that it is removed. */
	count += target_pauses_poll(target);
	count += target_removals_poll(target);
	count += target_drain_poll(target);
	target->polling = false;
	return count;
}

int wrasse_target_fd(const struct wrasse_target *target)
{
	return target->rdmat.epoll_fd;
}

/* -1: never. */
static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

int wrasse_target_timeout_ms(struct wrasse_target *target)
{
	int due = target_drain_timeout_ms(target);

	due = sooner(due, rdmat_listener_timeout_ms(&target->rdmat));
	due = sooner(due, rdmat_devices_timeout_ms(&target->rdmat));
	return sooner(due, target_pauses_timeout_ms(target));
}

/* ---- poll groups ---- */

static int group_opts_complete(struct rdmat *rdmat, const struct wrasse_poll_group_opts *given,
			       struct wrasse_poll_group_opts *opts)
{
	const struct range ranges[] = {
		{"io_requests", &opts->io_requests, 3072, 16, 1u << 20},
		{"admin_requests", &opts->admin_requests, 1024, 16, 1u << 20},
		{"io_slots", &opts->io_slots, 1024, 8, 1u << 20},
		{"admin_slots", &opts->admin_slots, 128, 8, 1u << 20},
		/* The largest fused pair, twice 16 descriptors over 8 buffers on a device with one
		   SGE per WR, besides what is kept for admin queues. */
		{"wrs", &opts->wrs, 4096, 52, 1u << 20},
		{"small_buffers", &opts->small_buffers, 768, 18, 1u << 20},
		/* The largest command, and one to compare its data with. */
		{"large_buffers", &opts->large_buffers, 32, 9, 1u << 16},
		{"poll_budget", &opts->poll_budget, 64, 1, 65536},
	};
	int rc = 0;

	if (given)
		rc = options_copy(opts, sizeof(*opts), given, given->size);
	else
		wrasse_poll_group_opts_init(opts);
	if (!rc)
		rc = range_check(rdmat, ranges, sizeof(ranges) / sizeof(ranges[0]));
	if (!rc && opts->data_memory &&
	    opts->data_memory_len < wrasse_poll_group_data_memory_len(opts)) {
		rdmat_log(rdmat, WRASSE_LOG_ERROR,
			  "option data_memory_len: %zu bytes are too few, %zu are needed",
			  opts->data_memory_len, wrasse_poll_group_data_memory_len(opts));
		rc = -EINVAL;
	}
	return rc;
}

size_t wrasse_poll_group_data_memory_len(const struct wrasse_poll_group_opts *opts)
{
	struct pool_opts small = {.capacity =
					  opts && opts->small_buffers ? opts->small_buffers : 768,
				  .item_size = RDMAT_SMALL_LEN};
	struct pool_opts large = {.capacity =
					  opts && opts->large_buffers ? opts->large_buffers : 32,
				  .item_size = RDMAT_LARGE_LEN};

	return pool_payload_len(&small) + pool_payload_len(&large);
}

int wrasse_poll_group_create(struct wrasse_target *target,
			     const struct wrasse_poll_group_opts *given,
			     struct wrasse_poll_group **out)
{
	struct rdmat *rdmat = &target->rdmat;
	struct wrasse_poll_group_opts opts;
	uint32_t index = 0;
	int rc = group_opts_complete(rdmat, given, &opts);

	if (rc)
		return rc;
	rdmat_lock(rdmat);
	while (index < rdmat->opts.max_poll_groups && rdmat->groups[index])
		index++;
	if (target->drain.started)
		rc = -ESHUTDOWN;
	else if (index == rdmat->opts.max_poll_groups)
		rc = -ENOSPC;
	else
		rc = rdmat_group_create(rdmat, &opts, index, out);
	if (!rc)
		rdmat->groups[index] = *out;
	rdmat_unlock(rdmat);
	return rc;
}

int wrasse_poll_group_destroy(struct wrasse_poll_group *group)
{
	struct rdmat *rdmat;
	bool busy;

	if (!group)
		return 0;
	if (group->polling)
		return -EDEADLK;
	rdmat = group->rdmat;
	rdmat_lock(rdmat);
	busy = rdmat_group_is_busy(group);
	if (!busy)
		rdmat->groups[group->index] = NULL;
	rdmat_unlock(rdmat);
	if (busy)
		return -EBUSY;
	rdmat_group_destroy(group);
	return 0;
}

/* ---- listeners ---- */

int wrasse_listener_create(struct wrasse_target *target, const struct wrasse_listener_opts *given,
			   struct wrasse_listener **listener)
{
	struct wrasse_listener_opts opts;
	struct wrasse_listener *made = NULL;
	int rc = options_copy(&opts, sizeof(opts), given, given->size);

	if (rc)
		return rc;
	rdmat_lock(&target->rdmat);
	rc = target->drain.started ? -ESHUTDOWN :
				     rdmat_listener_create(&target->rdmat, &opts, &made);
	rdmat_unlock(&target->rdmat);
	if (rc)
		return rc;
	rdmat_log(&target->rdmat, WRASSE_LOG_INFO, "listening on %s", made->name);
	if (listener)
		*listener = made;
	return 0;
}

void wrasse_listener_destroy(struct wrasse_listener *listener)
{
	struct rdmat *rdmat = listener->rdmat;

	rdmat_lock(rdmat);
	rdmat_listener_destroy(listener);
	rdmat_unlock(rdmat);
}
