/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operator (subsystems, namespaces, hosts, listeners come and go) and fate (ports, links, devices,
 * calls, allocations, the clock).
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

static bool port_down[SIM_MAX_DEVICES + SIM_MAX_HOSTS];
static bool link_down[SIM_MAX_DEVICES][SIM_MAX_HOSTS];
static bool device_gone[SIM_MAX_DEVICES];
static bool subsystem_gone[SIM_MAX_SUBSYSTEMS];
static bool any_address;

static const char *target_device(unsigned index)
{
	static const char *const names[SIM_MAX_DEVICES] = {"t0", "t1"};

	return names[index];
}

static const char *device_name(unsigned index)
{
	return index < plan.devices ? target_device(index) : hosts[index - plan.devices].device;
}

static void device_add(unsigned index)
{
	static const char *const addresses[SIM_MAX_DEVICES] = {"10.0.0.1", "10.0.1.1"};
	struct fabric_device device = plan.device;

	device.name = target_device(index);
	device.address = addresses[index];
	fabric_device_add(&device);
}

/* ---- as the target's operator ---- */

static void listener_create(unsigned index)
{
	struct wrasse_listener_opts opts;
	char address[32];
	int rc;

	if (target.listener[index] || device_gone[index] || target.draining)
		return;
	wrasse_listener_opts_init(&opts);
	snprintf(address, sizeof(address), "10.0.%u.1", index);
	opts.address = any_address ? NULL : address;
	act_as(SIM_MAX_GROUPS);
	rc = wrasse_listener_create(target.target, &opts, &target.listener[index]);
	if (rc && plan.retry)
		rc = wrasse_listener_create(target.target, &opts, &target.listener[index]);
	act_as_host();
	trace_mix("listener created", index, (uint64_t)-rc);
	if (rc)
		target.listener[index] = NULL;
	if (rc && (plan.calm || plan.retry))
		sim_fail("wrasse_listener_create: %s", strerror(-rc));
}

static void listener_destroy(unsigned index)
{
	if (!target.listener[index])
		return;
	act_as(SIM_MAX_GROUPS);
	wrasse_listener_destroy(target.listener[index]);
	act_as_host();
	target.listener[index] = NULL;
	trace_mix("listener destroyed", index, 0);
}

/* @masked: it is for named hosts only. Return: NULL: there was no room or, as may be, no memory. */
static struct media *ns_make(unsigned index, bool masked)
{
	struct wrasse_ns_opts opts;
	int was = in_library, nsid;
	struct media *m;

	m = backend_media(index, &opts);
	if (!m)
		return NULL;
	m->masked = masked;
	opts.no_auto_visible = m->masked;
	opts.ana_group = plan.fault[CONTROL_ANA] ? rng_between(1, 2) : 0;
	if (was < 0)
		act_as(SIM_MAX_GROUPS);
	nsid = wrasse_subsystem_add_ns(target.subsystem[index].subsystem, &opts, &m->ns);
	if (nsid < 0 && plan.retry)
		nsid = wrasse_subsystem_add_ns(target.subsystem[index].subsystem, &opts, &m->ns);
	if (was < 0)
		act_as_host();
	trace_mix("namespace added", index, (uint64_t)(unsigned)nsid);
	if (nsid < 0) {
		if (plan.calm || plan.retry)
			sim_fail("wrasse_subsystem_add_ns: %s", strerror(-nsid));
		media_count--;
		return NULL;
	}
	m->nsid = (uint32_t)nsid;
	return m;
}

static void ns_add(unsigned index)
{
	ns_make(index, (plan.fault[CONTROL_MASK] || plan.manages) && rng_flip());
}

struct media *control_ns_add(unsigned subsystem)
{
	return ns_make(subsystem, true);
}

static void media_is_gone(struct media *m)
{
	if (m->in_flight)
		sim_fail("a namespace was removed while the backend has %u I/Os of it",
			 m->in_flight);
	for (unsigned i = 0; plan.attach && i < SIM_MAX_GROUPS; i++)
		if (m->attached[i])
			sim_fail("a namespace was removed and is attached to group %u", i);
	m->gone = true;
}

static void ns_removed(void *ctx)
{
	if (in_library != SIM_MAX_GROUPS)
		sim_fail("remove_ns's done() was called outside wrasse_target_poll()");
	media_is_gone(ctx);
	trace_mix("namespace gone", 0, 0);
}

static void ns_remove(struct media *m)
{
	int was = in_library, rc;

	if (was < 0)
		act_as(SIM_MAX_GROUPS);
	rc = wrasse_subsystem_remove_ns(target.subsystem[m->subsystem].subsystem, m->nsid,
					ns_removed, m);
	if (was < 0)
		act_as_host();
	if (rc)
		sim_fail("wrasse_subsystem_remove_ns: %s", strerror(-rc));
	m->removing = true;
	pause_removed(m->subsystem, m);
	trace_mix("namespace removed", m->subsystem, m->nsid);
}

void control_ns_remove(struct media *m)
{
	ns_remove(m);
}

static void allow(unsigned index, unsigned host)
{
	struct subsystem *subsystem = &target.subsystem[index];
	int rc;

	act_as(SIM_MAX_GROUPS);
	rc = subsystem->allowed[host] ?
		     wrasse_subsystem_remove_host(subsystem->subsystem, hosts[host].nqn) :
		     wrasse_subsystem_add_host(subsystem->subsystem, hosts[host].nqn);
	act_as_host();
	trace_mix("host allowed or forbidden", index, host);
	if (rc && rc != -ENOMEM)
		sim_fail("a host was not allowed or forbidden: %s", strerror(-rc));
	if (!rc)
		subsystem->allowed[host] = !subsystem->allowed[host];
}

static void subsystem_create(unsigned index)
{
	struct subsystem *subsystem = &target.subsystem[index];
	struct wrasse_subsystem_opts opts;
	int rc;

	wrasse_subsystem_opts_init(&opts);
	snprintf(subsystem->nqn, sizeof(subsystem->nqn), "nqn.2026-11.io.wrasse:sub%u", index);
	opts.nqn = subsystem->nqn;
	opts.max_namespaces = SIM_MAX_MEDIA;
	opts.allow_any_host = !plan.fault[CONTROL_HOST];
	opts.auth = auth_opts(index);
	act_as(SIM_MAX_GROUPS);
	rc = wrasse_subsystem_create(target.target, &opts, &subsystem->subsystem);
	if (rc && plan.retry)
		rc = wrasse_subsystem_create(target.target, &opts, &subsystem->subsystem);
	if (!rc) {
		hook_add(index);
		manage_add(index);
	}
	act_as_host();
	trace_mix("subsystem created", index, (uint64_t)-rc);
	subsystem_gone[index] = rc != 0;
	if (rc && rc != -ENOMEM)
		sim_fail("wrasse_subsystem_create: %s", strerror(-rc));
	subsystem->removing = false;
	memset(subsystem->allowed, 0, sizeof(subsystem->allowed));
	if (rc)
		return;
	for (unsigned i = 0; plan.fault[CONTROL_HOST] && i < plan.hosts; i++)
		allow(index, i);
	ns_add(index);
}

static void subsystem_removed(void *ctx)
{
	unsigned index = (unsigned)(uintptr_t)ctx;

	if (in_library != SIM_MAX_GROUPS)
		sim_fail("subsystem_remove's done() was called outside wrasse_target_poll()");
	for (unsigned i = 0; i < media_count; i++)
		if (media[i].subsystem == index && !media[i].gone)
			media_is_gone(&media[i]);
	subsystem_gone[index] = true;
	trace_mix("subsystem gone", index, 0);
}

static void subsystem_remove(unsigned index)
{
	int rc;

	act_as(SIM_MAX_GROUPS);
	rc = wrasse_subsystem_remove(target.subsystem[index].subsystem, subsystem_removed,
				     (void *)(uintptr_t)index);
	act_as_host();
	if (rc)
		sim_fail("wrasse_subsystem_remove: %s", strerror(-rc));
	target.subsystem[index].removing = true;
	pause_removed(index, NULL);
	for (unsigned i = 0; i < media_count; i++) {
		if (media[i].subsystem != index || media[i].removing)
			continue;
		media[i].removing = true;
		pause_removed(index, &media[i]);
	}
	trace_mix("subsystem removed", index, 0);
}

uint64_t control_jumped_ns;

void control_start(void)
{
	control_jumped_ns = 0;
	memset(port_down, 0, sizeof(port_down));
	memset(link_down, 0, sizeof(link_down));
	memset(device_gone, 0, sizeof(device_gone));
	memset(subsystem_gone, 0, sizeof(subsystem_gone));
	pause_start();
	any_address = plan.devices == 1 && rng_one_in(4);
	for (unsigned i = 0; i < plan.devices; i++)
		device_add(i);
	for (unsigned i = 0; i < plan.subsystems; i++)
		subsystem_create(i);
	for (unsigned i = 0; i < plan.devices; i++)
		listener_create(i);
}

/* ---- steps ---- */

static void step_namespaces(void)
{
	unsigned index = rng_below(plan.subsystems), count = 0;
	struct media *some = NULL;

	if (target.subsystem[index].removing || subsystem_gone[index] || target.draining)
		return;
	for (unsigned i = 0; i < media_count; i++) {
		if (media[i].subsystem != index || media[i].gone)
			continue;
		count++;
		if (!media[i].removing && (!some || rng_flip()))
			some = &media[i];
	}
	if (some && (count == SIM_MAX_NS || rng_flip()))
		ns_remove(some);
	else if (count < SIM_MAX_NS)
		ns_add(index);
}

static void step_subsystem(void)
{
	unsigned index = rng_below(plan.subsystems);

	if (target.draining)
		return;
	if (subsystem_gone[index])
		subsystem_create(index);
	else if (!target.subsystem[index].removing)
		subsystem_remove(index);
}

static void device_return(unsigned index)
{
	device_gone[index] = false;
	device_add(index);
	listener_destroy(index);
	listener_create(index);
}

static void step_device(void)
{
	unsigned index = rng_below(plan.devices);

	if (device_gone[index]) {
		device_return(index);
	} else {
		fabric_device_remove(target_device(index));
		device_gone[index] = true;
		/* What comes back is a new device, with its port up and its ways mended. */
		port_down[index] = false;
		memset(link_down[index], 0, sizeof(link_down[index]));
	}
	trace_mix("device", index, device_gone[index]);
}

static void step_port(void)
{
	unsigned index = rng_below(plan.devices + plan.hosts);

	if (index < plan.devices && device_gone[index])
		return;
	port_down[index] = !port_down[index];
	fabric_port_set(device_name(index), !port_down[index]);
	trace_mix("port", index, port_down[index]);
}

static void step_link(void)
{
	unsigned device = rng_below(plan.devices), host = rng_below(plan.hosts);
	bool *down = &link_down[device][host];

	if (device_gone[device])
		return;
	*down = !*down;
	fabric_link_set(target_device(device), hosts[host].device, !*down);
	trace_mix("link", device << 8 | host, *down);
}

/* A queue pair that something could happen to right now. */
static uint32_t some_qpn(void)
{
	struct fabric_action action;

	if (!fabric_ready())
		return 0;
	fabric_describe(rng_below(fabric_ready()), &action);
	return action.kind == FABRIC_SEND || action.kind == FABRIC_ACK ? action.qpn : 0;
}

static void step_qp(void)
{
	static const enum ibv_wc_status statuses[] = {IBV_WC_RETRY_EXC_ERR, IBV_WC_REM_ACCESS_ERR,
						      IBV_WC_LOC_PROT_ERR, IBV_WC_FATAL_ERR,
						      IBV_WC_RNR_RETRY_EXC_ERR};
	uint32_t qpn = some_qpn();

	if (!qpn)
		return;
	fabric_qp_break(qpn, (int)statuses[rng_below(5)]);
	trace_mix("queue pair breaks", qpn, 0);
}

static void step_cm_event(void)
{
	static const enum rdma_cm_event_type types[] = {
		RDMA_CM_EVENT_UNREACHABLE, RDMA_CM_EVENT_CONNECT_ERROR, RDMA_CM_EVENT_DISCONNECTED,
		RDMA_CM_EVENT_ADDR_CHANGE, RDMA_CM_EVENT_TIMEWAIT_EXIT, RDMA_CM_EVENT_REJECTED};
	uint32_t qpn = some_qpn();
	int type = (int)types[rng_below(6)];

	if (!qpn)
		return;
	fabric_cm_event(qpn, type);
	trace_mix("CM event", qpn, (uint64_t)type);
}

static void step_call(void)
{
	static const int errors[] = {ENOMEM, EINVAL, EIO, EAGAIN};

	fabric_fail_call(PARTY_TARGET, rng_between(1, 12), errors[rng_below(4)]);
}

static void step_clock(void)
{
	uint64_t ns = rng_flip() ? rng_between(1, 2000) * SIM_MS : rng_between(1, 30) * SIM_S;

	fabric_advance(ns);
	control_jumped_ns += ns;
	trace_mix("clock jumps", ns, 0);
}

static void step_listener(void)
{
	unsigned index = rng_below(plan.devices);

	if (target.listener[index])
		listener_destroy(index);
	else
		listener_create(index);
}

static void step_host(void)
{
	unsigned index = rng_below(plan.subsystems);

	if (!subsystem_gone[index] && !target.subsystem[index].removing && !target.draining)
		allow(index, rng_below(plan.hosts));
}

static void step_ana(void)
{
	static const enum wrasse_ana_state states[] = {
		WRASSE_ANA_OPTIMIZED,       WRASSE_ANA_OPTIMIZED,    WRASSE_ANA_OPTIMIZED,
		WRASSE_ANA_NON_OPTIMIZED,   WRASSE_ANA_INACCESSIBLE, WRASSE_ANA_CHANGE,
		WRASSE_ANA_PERSISTENT_LOSS,
	};
	unsigned index = rng_below(plan.subsystems);
	struct wrasse_listener *listener = target.listener[rng_below(plan.devices)];
	enum wrasse_ana_state state = states[rng_below(7)];
	uint32_t group = rng_below(3);
	int rc;

	if (target.subsystem[index].removing || subsystem_gone[index])
		return;
	if (rng_flip())
		listener = NULL;
	act_as(SIM_MAX_GROUPS);
	rc = wrasse_subsystem_set_ana_state(target.subsystem[index].subsystem, listener, group,
					    state);
	act_as_host();
	trace_mix("ANA state", group, state);
	if (rc && rc != -ENOMEM)
		sim_fail("wrasse_subsystem_set_ana_state: %s", strerror(-rc));
}

static void step_mask(void)
{
	struct media *m = media_count ? &media[rng_below(media_count)] : NULL;
	unsigned host = rng_below(plan.hosts);
	int rc;

	if (!m || !m->masked || m->removing)
		return;
	act_as(SIM_MAX_GROUPS);
	rc = m->shown[host] ? wrasse_namespace_disallow_host(m->ns, hosts[host].nqn) :
			      wrasse_namespace_allow_host(m->ns, hosts[host].nqn);
	act_as_host();
	trace_mix("namespace shown or hidden", m->nsid, host);
	if (rc && rc != -ENOMEM)
		sim_fail("a namespace was not shown or hidden: %s", strerror(-rc));
	if (!rc)
		m->shown[host] = !m->shown[host];
}

static void step_pause(void)
{
	unsigned index = rng_below(plan.subsystems);

	if (!subsystem_gone[index] && !target.subsystem[index].removing)
		pause_step(index);
}

void control_step(enum fault which)
{
	switch (which) {
	case FAULT_PORT:
		step_port();
		break;
	case FAULT_LINK:
		step_link();
		break;
	case FAULT_QP:
		step_qp();
		break;
	case FAULT_DEVICE:
		step_device();
		break;
	case FAULT_CM_EVENT:
		step_cm_event();
		break;
	case FAULT_CALL:
		step_call();
		break;
	case FAULT_ALLOC:
		alloc_fail(rng_between(1, 6));
		break;
	case FAULT_CLOCK:
		step_clock();
		break;
	case CONTROL_NS:
		step_namespaces();
		break;
	case CONTROL_SUBSYSTEM:
		step_subsystem();
		break;
	case CONTROL_HOST:
		step_host();
		break;
	case CONTROL_LISTENER:
		step_listener();
		break;
	case CONTROL_ANA:
		step_ana();
		break;
	case CONTROL_MASK:
		step_mask();
		break;
	case CONTROL_PAUSE:
		step_pause();
		break;
	default:
		break;
	}
}

void control_mend(void)
{
	plan.allocs_failed = plan.fault[FAULT_ALLOC];
	memset(plan.fault, 0, sizeof(plan.fault));
	plan.auth_denied = plan.auth_rotate = 0;
	fabric_fail_call(PARTY_TARGET, 0, 0);
	alloc_fail(0);
	pause_mend();
	for (unsigned i = 0; i < plan.devices; i++)
		if (device_gone[i])
			device_return(i);
	for (unsigned i = 0; i < plan.devices + plan.hosts; i++)
		if (port_down[i])
			fabric_port_set(device_name(i), true);
	for (unsigned i = 0; i < plan.devices; i++)
		for (unsigned k = 0; k < plan.hosts; k++)
			if (link_down[i][k])
				fabric_link_set(target_device(i), hosts[k].device, true);
	memset(port_down, 0, sizeof(port_down));
	memset(link_down, 0, sizeof(link_down));
	for (unsigned i = 0; i < plan.devices; i++)
		listener_create(i);
}
