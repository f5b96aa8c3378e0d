/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses: binding, ports, listening, and the way from an address to a device and a route. */
#include <arpa/inet.h>

#include "cm.h"

#define FIRST_PORT 49152

static uint16_t next_port = FIRST_PORT;
/* Ids that have a port, or had it and are not freed: nobody else is asked about a port with none. */
static uint32_t port_ids[UINT16_MAX + 1];

/* ---- sockaddr ---- */

static const struct sockaddr_in *v4(const struct sockaddr *addr)
{
	return (const struct sockaddr_in *)(const void *)addr;
}

static const struct sockaddr_in6 *v6(const struct sockaddr *addr)
{
	return (const struct sockaddr_in6 *)(const void *)addr;
}

socklen_t cm_addr_len(const struct sockaddr *addr)
{
	if (addr && addr->sa_family == AF_INET)
		return sizeof(struct sockaddr_in);
	return addr && addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : 0;
}

bool cm_addr_is_any(const struct sockaddr *addr)
{
	if (addr->sa_family == AF_INET)
		return v4(addr)->sin_addr.s_addr == htonl(INADDR_ANY);
	return addr->sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6(addr)->sin6_addr);
}

bool cm_addr_is_same(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return v4(a)->sin_addr.s_addr == v4(b)->sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&v6(a)->sin6_addr, &v6(b)->sin6_addr);
}

uint16_t cm_addr_port(const struct sockaddr *addr)
{
	return ntohs(addr->sa_family == AF_INET6 ? v6(addr)->sin6_port : v4(addr)->sin_port);
}

void cm_addr_set_port(struct sockaddr *addr, uint16_t port)
{
	if (addr->sa_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)addr)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)(void *)addr)->sin_port = htons(port);
}

bool cm_addr_parse(const char *text, struct sockaddr_storage *addr)
{
	struct sockaddr_in *in = (struct sockaddr_in *)addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)addr;

	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		in->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		in6->sin6_family = AF_INET6;
	return addr->ss_family != 0;
}

/* ---- ports ---- */

/* Requests' ids have the listener's port without holding it. */
static bool holds_port(const struct cm_id *id, const struct cm_id *asker, uint16_t port)
{
	return id != asker && id->state != CM_IDLE && id->holds_port &&
	       id->ibv.ps == asker->ibv.ps && cm_addr_port(&id->ibv.route.addr.src_addr) == port;
}

static int port_look(const struct cm_id *asker, const struct sockaddr *addr, uint16_t port,
		     bool reuse)
{
	if (!port_ids[port])
		return 0;
	for (struct fab_link *link = cm_ids.next; link != &cm_ids; link = link->next) {
		struct cm_id *id = FAB_CONTAINER(link, struct cm_id, link);
		const struct sockaddr *other = &id->ibv.route.addr.src_addr;

		if (!holds_port(id, asker, port) ||
		    (reuse && id->reuseaddr && id->state != CM_LISTEN) ||
		    (asker->afonly && id->afonly && addr->sa_family != other->sa_family))
			continue;
		if (cm_addr_is_any(addr) || cm_addr_is_any(other))
			return EADDRNOTAVAIL;
		if (cm_addr_is_same(addr, other))
			return EADDRINUSE;
	}
	return 0;
}

static uint16_t port_pick(const struct cm_id *asker, const struct sockaddr *addr)
{
	uint16_t port;

	do {
		port = next_port;
		next_port = next_port == UINT16_MAX ? FIRST_PORT : (uint16_t)(next_port + 1);
	} while (port_look(asker, addr, port, false));
	return port;
}

/* ---- binding ---- */

int cm_bind(struct cm_id *id, const struct sockaddr *addr)
{
	struct fab_device *device = NULL;
	uint16_t port = cm_addr_port(addr);
	int err;

	if (id->state != CM_IDLE)
		return EINVAL;
	if (!cm_addr_is_any(addr)) {
		device = fab_device_by_addr(addr);
		if (!device)
			return EADDRNOTAVAIL;
	}
	if (!id->afonly_set)
		id->afonly = addr->sa_family == AF_INET;
	err = port ? port_look(id, addr, port, id->reuseaddr) : 0;
	if (err)
		return err;
	if (device) {
		id->device = cm_device_hold(device);
		if (!id->device)
			return ENODEV;
	}
	memcpy(&id->ibv.route.addr.src_storage, addr, cm_addr_len(addr));
	cm_addr_set_port(&id->ibv.route.addr.src_addr, port ? port : port_pick(id, addr));
	port_ids[cm_addr_port(&id->ibv.route.addr.src_addr)]++;
	id->holds_port = true;
	id->state = CM_BOUND;
	return 0;
}

void cm_port_give(struct cm_id *id)
{
	if (id->holds_port)
		port_ids[cm_addr_port(&id->ibv.route.addr.src_addr)]--;
	id->holds_port = false;
}

static void unbind(struct cm_id *id)
{
	id->state = CM_IDLE;
	cm_port_give(id);
	if (id->device)
		cm_device_release(id->device);
	id->device = NULL;
	memset(&id->ibv.route.addr, 0, sizeof(id->ibv.route.addr));
}

int rdma_bind_addr(struct rdma_cm_id *ibv, struct sockaddr *addr)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_bind_addr");
	int err;

	if (!id)
		return -1;
	if (!cm_addr_len(addr))
		return cm_fail(EINVAL);
	fab_lock(&fab_world);
	if (cm_done(id->closed ? ENXIO : cm_bind(id, addr)))
		return -1;
	if (!cm_id_attach(id)) {
		fab_lock(&fab_world);
		cm_route_fill(id);
		return cm_done(0);
	}
	err = errno;
	fab_lock(&fab_world);
	unbind(id);
	return cm_done(err);
}

/* ---- listening ---- */

static int listen_start(struct cm_id *id, int backlog)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};
	int err = 0;

	if (id->closed)
		return ENXIO;
	if (id->state == CM_IDLE)
		err = cm_bind(id, (const struct sockaddr *)&any);
	if (err || id->state != CM_BOUND)
		return err ? err : EINVAL;
	if (id->reuseaddr)
		err = port_look(id, &id->ibv.route.addr.src_addr,
				cm_addr_port(&id->ibv.route.addr.src_addr), false);
	if (err)
		return err;
	id->backlog = backlog > 0 && backlog < 1024 ? (uint32_t)backlog : 1024;
	id->state = CM_LISTEN;
	return 0;
}

int rdma_listen(struct rdma_cm_id *ibv, int backlog)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_listen");

	if (!id)
		return -1;
	fab_lock(&fab_world);
	return cm_done(listen_start(id, backlog));
}

struct cm_id *cm_listener_find(enum rdma_port_space ps, const struct fab_device *device,
			       const struct sockaddr *addr)
{
	struct cm_id *any = NULL;

	for (struct fab_link *link = cm_ids.next; link != &cm_ids; link = link->next) {
		struct cm_id *id = FAB_CONTAINER(link, struct cm_id, link);
		const struct sockaddr *bound = &id->ibv.route.addr.src_addr;

		if (id->state != CM_LISTEN || id->closed || id->ibv.ps != ps ||
		    cm_addr_port(bound) != cm_addr_port(addr))
			continue;
		if (id->device && id->device->fab == device && cm_addr_is_same(bound, addr))
			return id;
		if (cm_addr_is_any(bound) && (!id->afonly || bound->sa_family == addr->sa_family))
			any = id;
	}
	return any;
}

/* ---- resolving ---- */

static void address_of(const struct fab_device *device, const struct sockaddr *like,
		       struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out, like, cm_addr_len(like));
	if (device->address[0])
		cm_addr_parse(device->address, out);
	cm_addr_set_port((struct sockaddr *)out, 0);
}

/*
 * The device to go from when none was named. Each device of a simulation is a machine of its own,
 * so it is rather another than the one to go to.
 */
static struct fab_device *source_pick(struct fab_device *to, const struct sockaddr *dst)
{
	for (struct fab_link *link = fab_devices.next; link != &fab_devices; link = link->next) {
		struct fab_device *device = FAB_CONTAINER(link, struct fab_device, link);
		struct sockaddr_storage addr;

		if (device == to || device->removed || !device->address[0] ||
		    !fab_reaches(device, to))
			continue;
		address_of(device, dst, &addr);
		if (addr.ss_family == dst->sa_family)
			return device;
	}
	return to;
}

/* Return: 0 or an errno value, of the event. */
static int resolve(struct cm_id *id)
{
	struct sockaddr *dst = (struct sockaddr *)&id->resolve_dst;
	struct sockaddr *src = &id->ibv.route.addr.src_addr;
	struct fab_device *to = fab_device_by_addr(dst);
	struct sockaddr_storage addr;
	struct fab_device *from;

	if (!to)
		return ETIMEDOUT;
	if (!id->device) {
		from = source_pick(to, dst);
		id->device = cm_device_hold(from);
		if (!id->device)
			return ENODEV;
		address_of(from, dst, &addr);
		cm_addr_set_port((struct sockaddr *)&addr, cm_addr_port(src));
		memcpy(&id->ibv.route.addr.src_storage, &addr, sizeof(addr));
	}
	return fab_reaches(id->device->fab, to) ? 0 : ETIMEDOUT;
}

void cm_resolver_run(struct fab_action *action)
{
	struct cm_id *id = FAB_CONTAINER(action, struct cm_id, resolver);

	if (id->state == CM_ROUTE_QUERY) {
		id->state = CM_ROUTE_RESOLVED;
		cm_event_post(id, RDMA_CM_EVENT_ROUTE_RESOLVED, 0);
		return;
	}
	if (id->resolve_status) {
		id->state = CM_BOUND;
		cm_event_post(id, RDMA_CM_EVENT_ADDR_ERROR, -id->resolve_status);
		return;
	}
	id->state = CM_ADDR_RESOLVED;
	cm_event_post(id, RDMA_CM_EVENT_ADDR_RESOLVED, 0);
}

/* An answer comes soon, silence takes its time. */
static int resolve_start(struct cm_id *id, const struct sockaddr *src, const struct sockaddr *dst,
			 int timeout_ms)
{
	struct sockaddr_storage any = {.ss_family = dst->sa_family};
	int err = 0;

	if (id->closed)
		return ENXIO;
	if (id->state == CM_IDLE)
		err = cm_bind(id, src ? src : (const struct sockaddr *)&any);
	if (err)
		return err;
	if (id->state != CM_BOUND || id->ibv.route.addr.src_addr.sa_family != dst->sa_family)
		return EINVAL;
	memset(&id->resolve_dst, 0, sizeof(id->resolve_dst));
	memcpy(&id->resolve_dst, dst, cm_addr_len(dst));
	memcpy(&id->ibv.route.addr.dst_storage, &id->resolve_dst, sizeof(id->resolve_dst));
	id->state = CM_ADDR_QUERY;
	id->resolve_status = resolve(id);
	id->resolver.what = "address resolved";
	fab_action_set(&id->resolver, id->resolve_status && timeout_ms > 0 ?
					      (uint64_t)timeout_ms * FAB_NS_PER_MS :
					      0);
	return 0;
}

int rdma_resolve_addr(struct rdma_cm_id *ibv, struct sockaddr *src, struct sockaddr *dst,
		      int timeout_ms)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_resolve_addr");

	if (!id)
		return -1;
	if (!cm_addr_len(dst) || (src && !cm_addr_len(src)))
		return cm_fail(EINVAL);
	fab_lock(&fab_world);
	if (cm_done(resolve_start(id, src, dst, timeout_ms)))
		return -1;
	return cm_complete(id);
}

int rdma_resolve_route(struct rdma_cm_id *ibv, int timeout_ms)
{
	struct cm_id *id = cm_id_call(ibv, "rdma_resolve_route");

	(void)timeout_ms;
	if (!id)
		return -1;
	if (fab_strict && !ibv->verbs)
		fab_misuse("rdma_resolve_route: the real library crashes without an address");
	fab_lock(&fab_world);
	if (id->closed || id->state != CM_ADDR_RESOLVED)
		return cm_done(id->closed ? ENXIO : EINVAL);
	id->state = CM_ROUTE_QUERY;
	id->resolver.what = "route resolved";
	fab_action_set(&id->resolver, 0);
	fab_unlock(&fab_world);
	return cm_complete(id);
}

/* ---- what the program sees of it ---- */

static void gid_fill(const struct sockaddr *addr, union ibv_gid *gid)
{
	memset(gid, 0, sizeof(*gid));
	if (addr->sa_family == AF_INET6) {
		memcpy(gid->raw, &v6(addr)->sin6_addr, sizeof(gid->raw));
	} else if (addr->sa_family == AF_INET) {
		memset(gid->raw + 10, 0xff, 2);
		memcpy(gid->raw + 12, &v4(addr)->sin_addr, 4);
	}
}

void cm_route_fill(struct cm_id *id)
{
	struct rdma_route *route = &id->ibv.route;
	struct ibv_sa_path_rec *path;

	gid_fill(&route->addr.src_addr, &route->addr.addr.ibaddr.sgid);
	gid_fill(&route->addr.dst_addr, &route->addr.addr.ibaddr.dgid);
	route->addr.addr.ibaddr.pkey = htobe16(0xffff);
	if (id->state < CM_ROUTE_RESOLVED || route->path_rec)
		return;
	path = fab_alloc(sizeof(*path));
	*path = (struct ibv_sa_path_rec){
		.dgid = route->addr.addr.ibaddr.dgid,
		.sgid = route->addr.addr.ibaddr.sgid,
		.hop_limit = 64,
		.reversible = 1,
		.numb_path = 1,
		.pkey = htobe16(0xffff),
		.mtu_selector = 2,
		.mtu = IBV_MTU_1024,
		.rate_selector = 2,
		.rate = IBV_RATE_10_GBPS,
		.packet_life_time_selector = 2,
		.packet_life_time = 18,
	};
	route->path_rec = path;
	route->num_paths = 1;
}

__be16 rdma_get_src_port(struct rdma_cm_id *ibv)
{
	return htons(cm_addr_port(&ibv->route.addr.src_addr));
}

__be16 rdma_get_dst_port(struct rdma_cm_id *ibv)
{
	return htons(cm_addr_port(&ibv->route.addr.dst_addr));
}

void cm_addr_init(void)
{
	next_port = FIRST_PORT;
}
