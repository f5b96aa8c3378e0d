/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices as a program sees them: the list, contexts, and what they say about themselves.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"

#undef ibv_query_port

int fab_wrong(int err, const char *fmt, ...)
{
	char line[400];
	va_list args;

	if (fab_strict) {
		va_start(args, fmt);
		vsnprintf(line, sizeof(line), fmt, args);
		va_end(args);
		fab_misuse("%s", line);
	}
	errno = err;
	return err;
}

/* ---- the list ---- */

struct ibv_device **ibv_get_device_list(int *count)
{
	struct ibv_device **list;
	struct fab_link *link;
	int n = 0;

	if (fab_call("ibv_get_device_list"))
		return NULL;
	fab_lock(&fab_world);
	for (link = fab_devices.next; link != &fab_devices; link = link->next)
		n++;
	list = fab_alloc(((size_t)n + 1) * sizeof(struct ibv_device *));
	n = 0;
	for (link = fab_devices.next; link != &fab_devices; link = link->next) {
		struct fab_device *device = FAB_CONTAINER(link, struct fab_device, link);

		if (!device->removed)
			list[n++] = &device->ibv;
	}
	fab_unlock(&fab_world);
	if (count)
		*count = n;
	return list;
}

void ibv_free_device_list(struct ibv_device **list)
{
	fab_free(list);
}

const char *ibv_get_device_name(struct ibv_device *device)
{
	return device->name;
}

__be64 ibv_get_device_guid(struct ibv_device *device)
{
	return FAB_CONTAINER(device, struct fab_device, ibv)->attr.node_guid;
}

int ibv_get_device_index(struct ibv_device *device)
{
	return (int)FAB_CONTAINER(device, struct fab_device, ibv)->index;
}

/* ---- contexts ---- */

struct fab_context *fab_context_open(struct fab_device *device, bool of_cm)
{
	struct fab_context *context = fab_alloc(sizeof(*context));
	int err = fab_bell_init(&context->bell);

	if (err) {
		fab_free(context);
		errno = err;
		return NULL;
	}
	context->ibv.device = &device->ibv;
	context->ibv.async_fd = context->bell.fd;
	context->ibv.cmd_fd = -1;
	context->ibv.num_comp_vectors = 1;
	pthread_mutex_init(&context->ibv.mutex, NULL);
	pthread_mutex_init(&context->lock, NULL);
	fab_context_ops(&context->ibv.ops);
	context->device = device;
	context->of_cm = of_cm;
	fab_list_init(&context->events);
	fab_list_add(&device->contexts, &context->link);
	fab_object_init(&context->object, fab_type_context, 0);
	device->refs++;
	return context;
}

void fab_context_close(struct fab_context *context)
{
	struct fab_device *device = context->device;

	while (!fab_list_is_empty(&context->events)) {
		struct fab_async *async =
			FAB_CONTAINER(context->events.next, struct fab_async, link);

		fab_list_del(&async->link);
		fab_free(async);
	}
	fab_list_del(&context->link);
	fab_object_fini(&context->object);
	fab_bell_fini(&context->bell);
	pthread_mutex_destroy(&context->lock);
	pthread_mutex_destroy(&context->ibv.mutex);
	fab_free(context);
	fab_device_let_go(device);
}

struct ibv_context *ibv_open_device(struct ibv_device *ibv)
{
	struct fab_device *device = FAB_CONTAINER(ibv, struct fab_device, ibv);
	struct fab_context *context;

	if (fab_enter("ibv_open_device", device))
		return NULL;
	fab_lock(&fab_world);
	context = fab_context_open(device, false);
	fab_unlock(&fab_world);
	return context ? &context->ibv : NULL;
}

int ibv_close_device(struct ibv_context *ibv)
{
	struct fab_context *context = fab_context_of(ibv);

	if (!fab_object_lives(&context->object, fab_type_context, "ibv_close_device"))
		return EINVAL;
	if (context->objects)
		return fab_wrong(EBUSY, "ibv_close_device: context %u has %u objects",
				 context->object.number, context->objects);
	fab_lock(&fab_world);
	fab_context_close(context);
	fab_unlock(&fab_world);
	return 0;
}

/* ---- queries ---- */

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	int err = fab_enter("ibv_query_device", fab_device_of(context));

	if (!err)
		*attr = fab_device_of(context)->attr;
	return err;
}

/* The struct of old ends where port_cap_flags2 begins. */
int ibv_query_port(struct ibv_context *context, uint8_t port, struct _compat_ibv_port_attr *attr)
{
	const struct fab_device *device = fab_device_of(context);
	int err = fab_enter("ibv_query_port", device);
	bool up = __atomic_load_n(&device->up, __ATOMIC_RELAXED);
	struct ibv_port_attr all = {
		.state = up ? IBV_PORT_ACTIVE : IBV_PORT_DOWN,
		.max_mtu = IBV_MTU_4096,
		.active_mtu = IBV_MTU_4096,
		.gid_tbl_len = 1024,
		.port_cap_flags = IBV_PORT_CM_SUP,
		.max_msg_sz = 1u << 31,
		.pkey_tbl_len = 1,
		.max_vl_num = 1,
		.active_width = 1,
		.active_speed = 1,
		.phys_state = up ? 5 : 3,
		.link_layer = device->opts.infiniband ? IBV_LINK_LAYER_INFINIBAND :
							IBV_LINK_LAYER_ETHERNET,
		.lid = fab_lid_of(device),
	};

	if (!err && port != 1)
		err = EINVAL;
	if (!err)
		memcpy(attr, &all, offsetof(struct ibv_port_attr, port_cap_flags2));
	return err;
}

uint16_t fab_lid_of(const struct fab_device *device)
{
	return device->opts.infiniband ? (uint16_t)(device->index + 1) : 0;
}

/* 0 is the link-local one, 1 that of the address, if there is one. */
bool fab_gid_of(const struct fab_device *device, int index, union ibv_gid *gid)
{
	struct in_addr in;

	memset(gid, 0, sizeof(*gid));
	if (index == 0) {
		gid->raw[0] = 0xfe;
		gid->raw[1] = 0x80;
		gid->raw[15] = (uint8_t)(device->index + 1);
		return true;
	}
	if (index != 1 || !device->address[0])
		return false;
	if (inet_pton(AF_INET, device->address, &in) != 1)
		return inet_pton(AF_INET6, device->address, gid->raw) == 1;
	gid->raw[10] = 0xff;
	gid->raw[11] = 0xff;
	memcpy(&gid->raw[12], &in, sizeof(in));
	return true;
}

int ibv_query_gid(struct ibv_context *context, uint8_t port, int index, union ibv_gid *gid)
{
	if (fab_enter("ibv_query_gid", fab_device_of(context)))
		return -1;
	if (port != 1 || index < 0 || index >= 1024) {
		errno = EINVAL;
		return -1;
	}
	fab_gid_of(fab_device_of(context), index, gid);
	return 0;
}

int _ibv_query_gid_ex(struct ibv_context *context, uint32_t port, uint32_t index,
		      struct ibv_gid_entry *entry, uint32_t flags, size_t size)
{
	struct ibv_gid_entry found = {.gid_index = index,
				      .port_num = port,
				      .gid_type = IBV_GID_TYPE_ROCE_V2,
				      .ndev_ifindex = 1};
	int err = fab_enter("ibv_query_gid_ex", fab_device_of(context));

	if (err)
		return err;
	if (flags || port != 1)
		return EINVAL;
	if (!fab_gid_of(fab_device_of(context), (int)index, &found.gid))
		return ENODATA;
	memcpy(entry, &found, size < sizeof(found) ? size : sizeof(found));
	return 0;
}

ssize_t _ibv_query_gid_table(struct ibv_context *context, struct ibv_gid_entry *entries,
			     size_t max_entries, uint32_t flags, size_t size)
{
	size_t n = 0;

	if (size != sizeof(*entries))
		return -EINVAL;
	for (uint32_t i = 0; i < 2 && n < max_entries; i++)
		if (!_ibv_query_gid_ex(context, 1, i, &entries[n], flags, size))
			n++;
	return (ssize_t)n;
}

int ibv_query_pkey(struct ibv_context *context, uint8_t port, int index, __be16 *pkey)
{
	if (fab_enter("ibv_query_pkey", fab_device_of(context)))
		return -1;
	if (port != 1 || index) {
		errno = EINVAL;
		return -1;
	}
	*pkey = 0xffff;
	return 0;
}

int ibv_get_pkey_index(struct ibv_context *context, uint8_t port, __be16 pkey)
{
	if (fab_enter("ibv_get_pkey_index", fab_device_of(context)))
		return -1;
	return port == 1 && pkey == 0xffff ? 0 : -1;
}
