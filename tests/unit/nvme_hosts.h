/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Three hosts with a controller each, and namespace 2 that they share, for the tests of reservations.
 */
#ifndef NVME_HOSTS_H
#define NVME_HOSTS_H

#include "nvme/reservation.h"
#include "nvme_fixture.h"

#define CONFLICT (0x83 | FX_DNR)
#define FIELD    (0x02 | FX_DNR)
#define SEQUENCE (0x0c | FX_DNR)
#define NO_NS    (0x0b | FX_DNR)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { WE = 1, EA, WERO, EARO, WEAR, EAAR };

/* A host with one controller: an admin queue and an I/O queue of group 1. */
struct host {
	struct nvme_queue *admin, *io;
};

static struct host a, b, c;
static struct wrasse_namespace *ns;
static FX_UNUSED struct nvme_queue *connect_as(uint8_t id, uint16_t qid, uint16_t cntlid)
{
	struct nvme_connect_data connect = fx_connect_data(cntlid);
	struct nvme_cmd cmd = fx_connect_cmd(qid, &connect);
	struct nvme_queue *queue = fx_queue_of(qid, 32, qid ? 1 : 0);

	memset(connect.hostid, id, sizeof(connect.hostid));
	assert_int_equal(fx_run(queue, &cmd).status, 0);
	return queue;
}

static FX_UNUSED struct host host_up(uint8_t id)
{
	struct host host = {.admin = connect_as(id, 0, 0xffff)};

	fx_write_cc(host.admin, FX_CC_ENABLE);
	host.io = connect_as(id, 1, nvme_queue_cntlid(host.admin));
	return host;
}

static FX_UNUSED void host_down(struct host *host)
{
	fx_queue_gone(host->io);
	fx_queue_gone(host->admin);
}

static FX_UNUSED int setup(void **state)
{
	fx_setup(state);
	ns = fx_add_ns(fx_subsystem, 2, 1000);
	a = host_up('a');
	b = host_up('b');
	c = host_up('c');
	return 0;
}

static FX_UNUSED int teardown(void **state)
{
	host_down(&a);
	host_down(&b);
	host_down(&c);
	return fx_teardown(state);
}

static FX_UNUSED struct nvme_cmd resv_cmd(uint8_t opcode, uint32_t cdw10, uint64_t crkey,
					  uint64_t key)
{
	static struct nvme_resv_keys keys;
	struct nvme_cmd cmd = fx_cmd(opcode, 2);

	nvme_put64(&keys.crkey, crkey);
	nvme_put64(&keys.key, key);
	nvme_put32(&cmd.cdw10, cdw10);
	fx_data(&cmd, &keys, opcode == NVME_OPC_RESV_RELEASE ? 8 : 16);
	return cmd;
}

static FX_UNUSED struct fx_run resv(struct host *host, uint8_t opcode, uint32_t cdw10,
				    uint64_t crkey, uint64_t key)
{
	struct nvme_cmd cmd = resv_cmd(opcode, cdw10, crkey, key);

	return fx_run(host->io, &cmd);
}

static FX_UNUSED uint16_t enlist(struct host *host, uint64_t key)
{
	return resv(host, NVME_OPC_RESV_REGISTER, 0, 0, key).status;
}

static FX_UNUSED uint16_t acquire(struct host *host, uint64_t crkey, uint32_t type)
{
	return resv(host, NVME_OPC_RESV_ACQUIRE, type << 8, crkey, 0).status;
}

static FX_UNUSED uint16_t preempt(struct host *host, uint64_t crkey, uint64_t prkey, uint32_t type)
{
	return resv(host, NVME_OPC_RESV_ACQUIRE, type << 8 | 1, crkey, prkey).status;
}

#endif
