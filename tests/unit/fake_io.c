/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_io.h. */
#include "fake_io.h"

#include <string.h>

#include "transport/flow.h"
#include "transport/straight.h"

struct wrasse_io *fake_ios[16];
unsigned fake_io_count;
struct nvme_ctrl fake_ctrl;

static uint64_t qids[1];

void fake_submit(struct wrasse_io *io)
{
	assert_true(fake_io_count < sizeof(fake_ios) / sizeof(fake_ios[0]));
	fake_ios[fake_io_count++] = io;
}

void fake_ctrl_set(struct fake *fake, struct wrasse_subsystem *subsystem, uint32_t ana_groups)
{
	static struct nvme_ctrl_ns lines[8];
	static struct nvme_path *path;

	free(path);
	path = calloc(1, sizeof(*path) + ana_groups * sizeof(path->ana[0]));
	for (uint32_t i = 0; i < ana_groups; i++)
		path->ana[i].state = WRASSE_ANA_OPTIMIZED;
	memset(&fake_ctrl, 0, sizeof(fake_ctrl));
	fake_ctrl.subsystem = subsystem;
	fake_ctrl.qids = qids;
	memset(lines, 0, sizeof(lines));
	fake_ctrl.ns = lines;
	fake_ctrl.ns_count = sizeof(lines) / sizeof(lines[0]);
	fake_ctrl.refs = 2; /* it is not the queue pair's to free */
	fake->qp->nvme.path = path;
	fake->qp->nvme.ctrl = &fake_ctrl;
	fake_io_count = 0;
}

struct wrasse_namespace *fake_namespace(struct fake *fake)
{
	static struct wrasse_subsystem subsystem = {.nqn = "nqn.2026-01.org.example:sub"};
	static struct wrasse_namespace *ns;
	static struct nvme_view *view;

	free(ns);
	free(view);
	ns = object_alloc(sizeof(*ns) + sizeof(ns->port[0]));
	view = calloc(1, sizeof(*view) + sizeof(view->port[0]));
	ns->nsid = 1;
	ns->block_shift = 9;
	ns->block_count = 4096;
	ns->ops.submit = fake_submit;
	ns->port[0].ns = ns;
	ns->port[0].state = NVME_NS_PORT_ATTACHED;
	ns->port[0].ana_group = 1;
	view->count = 1;
	view->port[0] = &ns->port[0];
	fake_ctrl_set(fake, &subsystem, 1);
	fake->qp->nvme.view = view;
	return ns;
}

void fake_sgl(struct nvme_cmd *cmd, uint64_t addr, uint32_t len)
{
	cmd->sgl.id = NVME_SGL_KEYED;
	nvme_put64(&cmd->sgl.addr, addr);
	cmd->sgl.keyed.len[0] = (uint8_t)len;
	cmd->sgl.keyed.len[1] = (uint8_t)(len >> 8);
	cmd->sgl.keyed.len[2] = (uint8_t)(len >> 16);
}

void fake_command_comes(struct fake *fake, uint8_t opcode, uint32_t nsid, uint16_t cid,
			uint64_t slba, uint32_t blocks)
{
	struct rdmat_slot *slot = fake_posted_slot(fake);
	struct nvme_cmd *cmd = (struct nvme_cmd *)slot->capsule;

	cmd->opcode = opcode;
	cmd->flags = NVME_PSDT_SGL;
	nvme_put16(&cmd->cid, cid);
	nvme_put32(&cmd->nsid, nsid);
	nvme_put64(&cmd->rw.slba, slba);
	nvme_put16(&cmd->rw.nlb, (uint16_t)(blocks - 1));
	fake_sgl(cmd, FAKE_HOST_ADDR, blocks * 512);
	rdmat_group_now(fake->group);
	rdmat_straight_capsule(fake->qp, slot, sizeof(*cmd));
}

void fake_read_comes(struct fake *fake, uint16_t cid, uint32_t blocks)
{
	fake_command_comes(fake, NVME_OPC_READ, 1, cid, 0, blocks);
}

struct rdmat_request *fake_io_request(unsigned which)
{
	assert_true(which < fake_io_count);
	return rdmat_request_of_nvme(pool_container(fake_ios[which], struct nvme_request, io));
}

void fake_io_ends(unsigned which, struct wrasse_status status)
{
	struct rdmat_request *request = fake_io_request(which);

	request->io_status = status;
	rdmat_flow_io_done(request);
}

uint8_t fake_last_status(const struct fake *fake)
{
	const struct nvme_cqe *cqe =
		(void *)(uintptr_t)fake->posted[fake->posted_count - 1]->sg_list->addr;

	return (uint8_t)(nvme_get16(cqe->status) >> NVME_STATUS_SC_SHIFT);
}
