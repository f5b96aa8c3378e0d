/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport instance: clock, log, wake-up, devices and memory registration. Any thread.
 */
#include "transport/rdmat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "transport/group.h"

uint64_t rdmat_now(const struct rdmat *rdmat)
{
	struct timespec now;

	if (rdmat->opts.clock)
		return rdmat->opts.clock(rdmat->opts.clock_ctx);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * RDMAT_NS_PER_S + (uint64_t)now.tv_nsec;
}

void rdmat_log(const struct rdmat *rdmat, enum wrasse_log_level level, const char *fmt, ...)
{
	char line[512];
	va_list args;

	if (!rdmat->opts.log)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	rdmat->opts.log(rdmat->opts.log_ctx, level, line);
}

void rdmat_wake(struct rdmat *rdmat)
{
	uint64_t one = 1;
	/* A full counter (EAGAIN) is as good as a write: the descriptor is readable. */
	ssize_t ignored = write(rdmat->wake_fd, &one, sizeof(one));

	(void)ignored;
}

void rdmat_attention(struct rdmat *rdmat)
{
	for (uint32_t i = 0; i < rdmat->opts.max_poll_groups; i++)
		if (rdmat->groups[i])
			rdmat_group_attention(rdmat->groups[i]);
	rdmat_wake(rdmat);
}

/* The NUMA node as sysfs has it; soft devices have none. */
static int device_numa_node(const struct ibv_context *context)
{
	char path[IBV_SYSFS_PATH_MAX + 32];
	FILE *file;
	int node = -1;

	snprintf(path, sizeof(path), "%s/device/numa_node", context->device->ibdev_path);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &node) != 1)
		node = -1;
	fclose(file);
	return node;
}

/* The lock is held. */
static struct rdmat_device *device_open(struct rdmat *rdmat, struct ibv_context *context)
{
	const char *name = ibv_get_device_name(context->device);
	struct epoll_event event = {.events = EPOLLIN};
	struct rdmat_device *device;

	if (rdmat->device_count == POOL_MAX_DEVICES) {
		rdmat_log(rdmat, WRASSE_LOG_ERROR, "device %s: refused, the limit is %d devices",
			  name, POOL_MAX_DEVICES);
		return NULL;
	}
	device = calloc(1, sizeof(*device));
	if (!device)
		return NULL;
	device->context = context;
	device->index = rdmat->device_count;
	device->iwarp = context->device->transport_type == IBV_TRANSPORT_IWARP;
	device->numa_node = device_numa_node(context);
	device->pd = ibv_alloc_pd(context);
	/* ibv_get_async_event() blocks unless it is told not to. */
	/* The last step is the one that would have to be undone. */
	if (!device->pd || ibv_query_device(context, &device->attr) ||
	    fcntl(context->async_fd, F_SETFL, fcntl(context->async_fd, F_GETFL) | O_NONBLOCK) < 0 ||
	    epoll_ctl(rdmat->epoll_fd, EPOLL_CTL_ADD, context->async_fd, &event)) {
		rdmat_log(rdmat, WRASSE_LOG_ERROR, "device %s: cannot be opened: %s", name,
			  strerror(errno));
		if (device->pd)
			ibv_dealloc_pd(device->pd);
		free(device);
		return NULL;
	}
	device->next = rdmat->devices;
	rdmat->devices = device;
	rdmat->device_count++;
	return device;
}

struct rdmat_device *rdmat_device_get(struct rdmat *rdmat, struct ibv_context *context)
{
	struct rdmat_device *device;

	rdmat_lock(rdmat);
	for (device = rdmat->devices; device; device = device->next)
		if (device->context == context)
			break;
	if (!device)
		device = device_open(rdmat, context);
	rdmat_unlock(rdmat);
	return device;
}

void rdmat_devices_free(struct rdmat *rdmat)
{
	struct rdmat_device *device;

	while ((device = rdmat->devices)) {
		rdmat->devices = device->next;
		ibv_dealloc_pd(device->pd);
		free(device);
	}
	rdmat->device_count = 0;
}

int rdmat_device_register(void *ctx, void *base, size_t len, void **region, uint32_t *lkey)
{
	struct rdmat_device *device = ctx;
	int access = IBV_ACCESS_LOCAL_WRITE;
	struct ibv_mr *mr;

	/* iWARP carries an RDMA READ's data as a write to the reader's memory. */
	if (device->iwarp)
		access |= IBV_ACCESS_REMOTE_WRITE;
	mr = ibv_reg_mr(device->pd, base, len, access);
	if (!mr)
		return -errno;
	*region = mr;
	*lkey = mr->lkey;
	return 0;
}

void rdmat_device_unregister(void *region)
{
	ibv_dereg_mr(region);
}
