/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices: what they are like, how they come and go, and what reaches whom. Opening them is in
 * context.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"

#define MAX_CUTS 32

struct fab_link fab_devices = {&fab_devices, &fab_devices};
static uint32_t device_count;

static struct {
	const struct fab_device *a, *b;
} cuts[MAX_CUTS];
static unsigned cut_count;

/* ---- coming ---- */

static void defaults_set(struct fabric_device *opts)
{
	/* As rdma_rxe has them. */
	const struct {
		uint32_t *member;
		uint32_t value;
	} defaults[] = {
		{&opts->max_qp, 1u << 20},     {&opts->max_qp_wr, 1u << 20},
		{&opts->max_sge, FAB_MAX_SGE}, {&opts->max_cqe, (1u << 15) - 1},
		{&opts->max_srq_wr, 1u << 20}, {&opts->max_reads, 64},
		{&opts->max_inline, 512},
	};

	for (unsigned i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (!*defaults[i].member)
			*defaults[i].member = defaults[i].value;
	if (opts->max_sge > FAB_MAX_SGE)
		opts->max_sge = FAB_MAX_SGE;
	if (opts->max_inline == UINT32_MAX)
		opts->max_inline = 0;
}

static unsigned caps_of(const struct fabric_device *opts)
{
	unsigned caps = IBV_DEVICE_CHANGE_PHY_PORT | IBV_DEVICE_PORT_ACTIVE_EVENT |
			IBV_DEVICE_SYS_IMAGE_GUID | IBV_DEVICE_SRQ_RESIZE;

	if (!opts->iwarp)
		caps |= IBV_DEVICE_RC_RNR_NAK_GEN;
	if (!opts->no_invalidate)
		caps |= IBV_DEVICE_MEM_MGT_EXTENSIONS;
	if (!opts->no_invalidate && !opts->no_windows)
		caps |= IBV_DEVICE_MEM_WINDOW | IBV_DEVICE_MEM_WINDOW_TYPE_2B;
	return caps;
}

static void attr_fill(struct fab_device *device)
{
	const struct fabric_device *opts = &device->opts;

	device->attr = (struct ibv_device_attr){
		.fw_ver = "1",
		.node_guid = htobe64(0x5a5a000000000000u + device->index),
		.sys_image_guid = htobe64(0x5a5a000000000000u + device->index),
		.max_mr_size = UINT64_MAX,
		.page_size_cap = 0xfffff000,
		.vendor_id = 0xffffff,
		.max_qp = (int)opts->max_qp,
		.max_qp_wr = (int)opts->max_qp_wr,
		.device_cap_flags = caps_of(opts),
		.max_sge = (int)opts->max_sge,
		.max_sge_rd = opts->iwarp ? 1 : (int)opts->max_sge,
		.max_cq = 1 << 20,
		.max_cqe = (int)opts->max_cqe,
		.max_mr = 1 << 20,
		.max_pd = 1 << 20,
		.max_qp_rd_atom = (int)opts->max_reads,
		.max_res_rd_atom = (int)(opts->max_reads * 1024),
		.max_qp_init_rd_atom = (int)opts->max_reads,
		.atomic_cap = IBV_ATOMIC_HCA,
		.max_mw = opts->no_invalidate || opts->no_windows ? 0 : 1 << 20,
		.max_ah = 1 << 15,
		.max_srq = opts->no_srq ? 0 : 1 << 15,
		.max_srq_wr = opts->no_srq ? 0 : (int)opts->max_srq_wr,
		.max_srq_sge = opts->no_srq ? 0 : (int)opts->max_sge,
		.max_pkeys = 64,
		.local_ca_ack_delay = 15,
		.phys_port_cnt = 1,
	};
}

static void ibv_fill(struct fab_device *device)
{
	struct ibv_device *ibv = &device->ibv;

	ibv->node_type = device->opts.iwarp ? IBV_NODE_RNIC : IBV_NODE_CA;
	ibv->transport_type = device->opts.iwarp ? IBV_TRANSPORT_IWARP : IBV_TRANSPORT_IB;
	snprintf(ibv->name, sizeof(ibv->name), "%s", device->name);
	snprintf(ibv->dev_name, sizeof(ibv->dev_name), "uverbs%u", device->index);
	snprintf(ibv->dev_path, sizeof(ibv->dev_path), "/sys/class/infiniband_verbs/uverbs%u",
		 device->index);
	snprintf(ibv->ibdev_path, sizeof(ibv->ibdev_path), "/sys/class/infiniband/%s",
		 device->name);
}

void fabric_device_add(const struct fabric_device *opts)
{
	struct fab_device *device = fab_alloc(sizeof(*device));

	snprintf(device->name, sizeof(device->name), "%s", opts->name);
	snprintf(device->address, sizeof(device->address), "%s",
		 opts->address ? opts->address : "");
	device->opts = *opts;
	device->opts.name = device->name;
	device->opts.address = device->address;
	defaults_set(&device->opts);
	device->up = true;
	fab_list_init(&device->contexts);
	fab_lock(&fab_world);
	if (fab_device_by_name(opts->name))
		fab_misuse("fabric_device_add(): there is a device %s", opts->name);
	device->index = device_count++;
	attr_fill(device);
	ibv_fill(device);
	fab_list_add(&fab_devices, &device->link);
	fab_unlock(&fab_world);
}

/* ---- finding ---- */

struct fab_device *fab_device_by_name(const char *name)
{
	for (struct fab_link *link = fab_devices.next; link != &fab_devices; link = link->next) {
		struct fab_device *device = FAB_CONTAINER(link, struct fab_device, link);

		if (!device->removed && !strcmp(device->name, name))
			return device;
	}
	return NULL;
}

struct fab_device *fab_device_by_addr(const struct sockaddr *addr)
{
	struct fab_device *any = NULL;
	char text[64] = "";

	if (addr->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)addr)->sin_addr,
			  text, sizeof(text));
	else if (addr->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr,
			  text, sizeof(text));
	for (struct fab_link *link = fab_devices.next; link != &fab_devices; link = link->next) {
		struct fab_device *device = FAB_CONTAINER(link, struct fab_device, link);

		if (device->removed)
			continue;
		if (!strcmp(device->address, text))
			return device;
		if (!device->address[0] && !any)
			any = device;
	}
	return any;
}

static unsigned cut_find(const struct fab_device *a, const struct fab_device *b)
{
	unsigned i = 0;

	while (i < cut_count &&
	       !((cuts[i].a == a && cuts[i].b == b) || (cuts[i].a == b && cuts[i].b == a)))
		i++;
	return i;
}

static bool is_up(const struct fab_device *device)
{
	return __atomic_load_n(&device->up, __ATOMIC_RELAXED) && !fab_device_is_gone(device);
}

bool fab_reaches(const struct fab_device *from, const struct fab_device *to)
{
	unsigned count = __atomic_load_n(&cut_count, __ATOMIC_ACQUIRE);

	return is_up(from) && is_up(to) && (!count || cut_find(from, to) == count);
}

/* ---- going ---- */

static void device_free(struct fab_device *device)
{
	fab_list_del(&device->link);
	for (unsigned i = 0; i < cut_count;) {
		if (cuts[i].a == device || cuts[i].b == device)
			cuts[i] = cuts[--cut_count];
		else
			i++;
	}
	fab_free(device);
}

void fab_device_let_go(struct fab_device *device)
{
	if (--device->refs == 0 && device->removed)
		device_free(device);
}

void fab_devices_fini(void)
{
	while (!fab_list_is_empty(&fab_devices))
		device_free(FAB_CONTAINER(fab_devices.next, struct fab_device, link));
	device_count = 0;
	cut_count = 0;
}

/* ---- faults ---- */

static struct fab_device *device_named(const char *name, const char *call)
{
	struct fab_device *device = fab_device_by_name(name);

	if (!device)
		fab_misuse("%s: there is no device %s", call, name);
	return device;
}

static void tell_contexts(struct fab_device *device, enum ibv_event_type type)
{
	struct fab_link *link;

	for (link = device->contexts.next; link != &device->contexts; link = link->next)
		fab_async_event(FAB_CONTAINER(link, struct fab_context, link), type, NULL);
}

void fabric_port_set(const char *name, bool up)
{
	struct fab_device *device;

	fab_lock(&fab_world);
	device = device_named(name, "fabric_port_set");
	if (device && device->up != up) {
		__atomic_store_n(&device->up, up, __ATOMIC_RELAXED);
		tell_contexts(device, up ? IBV_EVENT_PORT_ACTIVE : IBV_EVENT_PORT_ERR);
	}
	fab_unlock(&fab_world);
}

void fabric_link_set(const char *a, const char *b, bool up)
{
	struct fab_device *from, *to;
	unsigned i;

	fab_lock(&fab_world);
	from = device_named(a, "fabric_link_set");
	to = device_named(b, "fabric_link_set");
	if (!from || !to) {
		fab_unlock(&fab_world);
		return;
	}
	i = cut_find(from, to);
	if (up && i < cut_count) {
		cuts[i] = cuts[--cut_count];
	} else if (!up && i == cut_count) {
		if (cut_count == MAX_CUTS)
			fab_misuse("fabric_link_set(): more than %u links cut", MAX_CUTS);
		cuts[cut_count].a = from;
		cuts[cut_count].b = to;
		__atomic_store_n(&cut_count, cut_count + 1, __ATOMIC_RELEASE);
	}
	fab_unlock(&fab_world);
}

void fabric_device_remove(const char *name)
{
	struct fab_device *device;

	fab_lock(&fab_world);
	device = device_named(name, "fabric_device_remove");
	if (!device) {
		fab_unlock(&fab_world);
		return;
	}
	device->refs++;
	__atomic_store_n(&device->removed, true, __ATOMIC_RELEASE);
	fab_qps_remove(device);
	tell_contexts(device, IBV_EVENT_DEVICE_FATAL);
	if (fab_on_device_removed)
		fab_on_device_removed(device);
	fab_device_let_go(device);
	fab_unlock(&fab_world);
}

void fabric_cm_event(uint32_t qpn, int type)
{
	fab_lock(&fab_world);
	if (fab_on_cm_event)
		fab_on_cm_event(qpn, type);
	fab_unlock(&fab_world);
}
