/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A target's NVMe side without a transport, for the tests of src/nvme: a registry, queues, and a
 * small stand-in for what the transport does with a request. Host memory is the test's own: the
 * address in a keyed descriptor is a pointer. Data buffers are in two pieces and filled with stale
 * bytes beforehand.
 */
#ifndef NVME_FIXTURE_H
#define NVME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nvme/ctrl.h"

#define FX_UNUSED __attribute__((unused))

#define FX_STALE   0xa5
#define FX_SUBNQN  "nqn.2026-01.org.example:one"
#define FX_HOSTNQN "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555"
#define FX_SECOND  1000000000ull
#define FX_GROUPS  2
#define FX_DNR     0x8000 /* in fx_run.status, with SCT << 8 | SC */

static struct nvme_limits fx_limits = {
	.max_queue_depth = 128,
	.max_admin_depth = 32,
	.max_io_queues = 70,
	.max_data_len = 1 << 20,
	.icd_len = 4096,
	.admin_icd_len = 8192,
	.group_count = FX_GROUPS,
	.version = "9.8.7",
};

static struct nvme_registry *fx_registry;
static struct wrasse_subsystem *fx_subsystem;
static uint64_t fx_now;
static bool fx_turns_wait; /* what says NVME_AUTH stays with the caller */

/* What a command did. */
struct fx_run {
	enum nvme_next next;
	bool parsed;
	uint16_t status; /* SCT << 8 | SC, with FX_DNR */
	bool more;       /* M */
	uint32_t dw0, dw1;
	struct nvme_actions actions;
};

/* ---- registry ---- */

static FX_UNUSED void fx_submit(struct wrasse_io *io)
{
	(void)io;
}

static FX_UNUSED struct wrasse_backend_ops fx_ops = {
	.size = sizeof(fx_ops),
	.submit = fx_submit,
};

static FX_UNUSED struct wrasse_subsystem *fx_add_subsystem(const char *nqn, bool any_host)
{
	struct wrasse_subsystem_opts opts;
	struct wrasse_subsystem *subsystem = NULL;
	const char *why = NULL;

	wrasse_subsystem_opts_init(&opts);
	opts.nqn = nqn;
	opts.serial = "SERIAL";
	opts.model = "MODEL";
	opts.allow_any_host = any_host;
	assert_int_equal(nvme_subsystem_create(fx_registry, &opts, &subsystem, &why), 0);
	return subsystem;
}

static FX_UNUSED int fx_setup(void **state)
{
	(void)state;
	fx_now = 1000 * FX_SECOND;
	assert_int_equal(nvme_registry_create(&fx_limits, &fx_registry), 0);
	fx_subsystem = fx_add_subsystem(FX_SUBNQN, true);
	return 0;
}

static void fx_check_path(const struct nvme_path *path)
{
	uint32_t closed = 0;

	for (uint32_t i = 0; i < path->subsystem->ana_groups; i++)
		closed += !nvme_ana_is_open(path->ana[i].state);
	assert_int_equal(closed, path->closed);
}

/* What is counted of ANA states and reservations. */
static FX_UNUSED void fx_check_counts(void)
{
	for (const struct wrasse_subsystem *subsystem = fx_registry->subsystems; subsystem;
	     subsystem = subsystem->next) {
		for (const struct nvme_path *path = subsystem->paths; path; path = path->next)
			fx_check_path(path);
		for (const struct nvme_ctrl *ctrl = subsystem->ctrls; ctrl; ctrl = ctrl->next) {
			uint32_t denials = 0;

			for (uint32_t i = 0; i < ctrl->ns_count; i++)
				denials += ctrl->ns[i].denied != 0;
			assert_int_equal(denials, ctrl->denials);
			if (ctrl->path)
				fx_check_path(ctrl->path);
		}
	}
}

static FX_UNUSED int fx_teardown(void **state)
{
	(void)state;
	fx_check_counts();
	assert_int_equal(nvme_registry_ctrl_count(fx_registry), 0);
	nvme_registry_destroy(fx_registry);
	return 0;
}

/* A namespace of 512-byte blocks that both groups see. */
static FX_UNUSED struct wrasse_namespace *fx_add_ns_with(struct wrasse_subsystem *subsystem,
							 uint32_t nsid, uint64_t blocks,
							 uint32_t ana_group, bool restricted)
{
	struct wrasse_namespace *ns = NULL;
	struct wrasse_ns_opts opts;
	const char *why = NULL;

	wrasse_ns_opts_init(&opts);
	opts.nsid = nsid;
	opts.block_count = blocks;
	opts.ana_group = ana_group;
	opts.no_auto_visible = restricted;
	opts.ops = &fx_ops;
	assert_int_equal(nvme_ns_create(subsystem, &opts, &ns, &why), nsid);
	for (unsigned group = 0; group < FX_GROUPS; group++) {
		ns->port[group].state = NVME_NS_PORT_ATTACHED;
		subsystem->view[group]->port[nsid - 1] = &ns->port[group];
	}
	return ns;
}

static FX_UNUSED struct wrasse_namespace *fx_add_ns(struct wrasse_subsystem *subsystem,
						    uint32_t nsid, uint64_t blocks)
{
	return fx_add_ns_with(subsystem, nsid, blocks, 0, false);
}

/* An identifier of @len times @byte. */
static FX_UNUSED void fx_set_ns_id(struct wrasse_namespace *ns, enum nvme_ns_id_kind kind,
				   uint8_t byte, size_t len)
{
	nvme_ns_index_remove(ns);
	memset(ns->id[kind].bytes, byte, len);
	nvme_ns_index_add(ns);
}

/* ---- queues ---- */

static FX_UNUSED struct nvme_queue *fx_queue_of(uint16_t qid, uint32_t depth, unsigned group)
{
	struct nvme_conn conn = {
		.qid = qid,
		.depth = depth,
		.group = group,
		.adrfam = 1,
		.prtype = 4,
		.portal = 1,
		.traddr = "192.0.2.7",
		.trsvcid = "4420",
		.peer = "192.0.2.99",
	};
	struct nvme_queue *queue = malloc(sizeof(*queue));

	nvme_queue_init(queue, fx_registry, &fx_limits, &conn);
	return queue;
}

static FX_UNUSED struct nvme_queue *fx_queue(uint16_t qid)
{
	return fx_queue_of(qid, 32, 0);
}

/* Ends a queue as the transport does. */
static FX_UNUSED void fx_queue_gone(struct nvme_queue *queue)
{
	struct nvme_actions actions = {0};

	nvme_queue_end(queue, &actions);
	assert_null(actions.done);
	nvme_queue_fini(queue);
	free(queue);
}

/* ---- commands ---- */

static FX_UNUSED struct nvme_cmd fx_cmd(uint8_t opcode, uint32_t nsid)
{
	struct nvme_cmd cmd;

	memset(&cmd, 0, sizeof(cmd));
	cmd.opcode = opcode;
	cmd.flags = NVME_PSDT_SGL;
	nvme_put16(&cmd.cid, 0x1234);
	nvme_put32(&cmd.nsid, nsid);
	return cmd;
}

static FX_UNUSED struct nvme_cmd fx_fabrics(uint8_t fctype)
{
	return fx_cmd(NVME_OPC_FABRICS, fctype);
}

static FX_UNUSED void fx_keyed(struct nvme_sgl *sgl, uint8_t id, uint64_t addr, uint32_t len,
			       uint32_t key)
{
	memset(sgl, 0, sizeof(*sgl));
	nvme_put64(&sgl->addr, addr);
	sgl->keyed.len[0] = (uint8_t)len;
	sgl->keyed.len[1] = (uint8_t)(len >> 8);
	sgl->keyed.len[2] = (uint8_t)(len >> 16);
	nvme_put32(&sgl->keyed.key, key);
	sgl->id = id;
}

static FX_UNUSED void fx_plain(struct nvme_sgl *sgl, uint8_t id, uint64_t addr, uint32_t len)
{
	memset(sgl, 0, sizeof(*sgl));
	nvme_put64(&sgl->addr, addr);
	nvme_put32(&sgl->plain.len, len);
	sgl->id = id;
}

static FX_UNUSED void fx_data(struct nvme_cmd *cmd, void *data, uint32_t len)
{
	fx_keyed(&cmd->sgl, NVME_SGL_KEYED, (uintptr_t)data, len, 7);
}

/* ---- the transport's part ---- */

static FX_UNUSED void fx_move(struct nvme_request *request, uint8_t *buffer, bool to_host)
{
	for (uint32_t i = 0; i < request->data.desc_count; i++) {
		struct nvme_keyed *desc = &request->data.desc[i];
		void *host = (void *)(uintptr_t)desc->addr;

		memcpy(to_host ? host : buffer, to_host ? buffer : host, desc->len);
		buffer += desc->len;
	}
}

static FX_UNUSED void fx_result(struct fx_run *run, const struct nvme_request *request)
{
	uint16_t status = nvme_get16(request->cqe.status);

	run->status = (status >> 1 & 0x7ff) | (status & NVME_STATUS_DNR);
	run->more = status & NVME_STATUS_MORE;
	run->dw0 = nvme_get32(request->cqe.dw0);
	run->dw1 = nvme_get32(request->cqe.dw1);
	assert_int_equal(status & 1, 0);
}

static FX_UNUSED void fx_execute(struct fx_run *run, struct nvme_request *request, uint8_t *buffer,
				 struct iovec iov[2])
{
	uint32_t len = request->data.len;
	uint32_t first = len > 1000 ? 1000 : len / 2;
	static uint8_t scratch[NVME_SCRATCH_MAX];

	memset(scratch, FX_STALE, sizeof(scratch));
	request->scratch.iov_base = request->data.scratch_len ? scratch : NULL;
	request->scratch.iov_len = request->data.scratch_len > 8192 ? NVME_SCRATCH_MAX : 8192;
	iov[0] = (struct iovec){buffer, first};
	iov[1] = (struct iovec){buffer + first, len - first};
	request->iov = len ? iov : NULL;
	request->iov_count = len ? 2 : 0;
	run->next = nvme_request_execute(request, fx_now, &run->actions);
	if (run->next == NVME_REGISTRY) {
		run->next = nvme_request_execute_registry(request, fx_now, &run->actions);
		assert_int_not_equal(run->next, NVME_REGISTRY);
	}
	if (run->next == NVME_AUTH && !fx_turns_wait)
		run->next = nvme_request_execute_auth(request, fx_now, &run->actions);
}

/*
 * Runs a request whose capsule is given; NVME_SUBMIT, NVME_HOLD and NVME_RETRY stay with the
 * caller, NVME_AUTH if fx_turns_wait.
 */
static FX_UNUSED struct fx_run fx_run_request(struct nvme_request *request,
					      struct nvme_queue *queue, const uint8_t *capsule,
					      uint32_t len)
{
	struct fx_run run = {.next = NVME_RESPOND};
	static uint8_t stale[1 << 20];
	static struct iovec iov[2];
	uint8_t *buffer = stale;

	memset(request, 0x5a, sizeof(*request));
	request->queue = queue;
	run.parsed = nvme_request_parse(request, capsule, len);
	assert_true(request->data.len <= sizeof(stale));
	if (run.parsed) {
		memset(stale, FX_STALE, request->data.len);
		if (request->data.in_capsule)
			buffer = (uint8_t *)capsule + request->data.icd_off;
		else if (request->data.xfer == NVME_XFER_H2C)
			fx_move(request, stale, false);
		fx_execute(&run, request, buffer, iov);
	} else {
		assert_int_equal(request->data.len, 0);
		assert_int_equal(request->data.xfer, NVME_XFER_NONE);
		assert_false(request->data.invalidate);
	}
	fx_result(&run, request);
	if (run.next == NVME_RESPOND && run.status == 0 && request->data.xfer == NVME_XFER_C2H)
		fx_move(request, stale, true);
	if (run.next == NVME_RESPOND && run.status != 0)
		assert_non_null(request->why);
	nvme_request_stamp(request);
	if (run.next != NVME_SUBMIT)
		request->iov = NULL;
	fx_check_counts();
	return run;
}

static FX_UNUSED struct fx_run fx_run(struct nvme_queue *queue, const struct nvme_cmd *cmd)
{
	struct nvme_request request;

	return fx_run_request(&request, queue, (const uint8_t *)cmd, sizeof(*cmd));
}

/* ---- Connect ---- */

static FX_UNUSED struct nvme_connect_data fx_connect_data(uint16_t cntlid)
{
	struct nvme_connect_data data;

	memset(&data, 0, sizeof(data));
	memset(data.hostid, 0x42, sizeof(data.hostid));
	nvme_put16(&data.cntlid, cntlid);
	strcpy(data.subnqn, FX_SUBNQN);
	strcpy(data.hostnqn, FX_HOSTNQN);
	return data;
}

static FX_UNUSED struct nvme_cmd fx_connect_cmd(uint16_t qid, struct nvme_connect_data *data)
{
	struct nvme_cmd cmd = fx_fabrics(NVME_FCTYPE_CONNECT);

	nvme_put16(&cmd.connect.qid, qid);
	nvme_put16(&cmd.connect.sqsize, 31);
	fx_data(&cmd, data, sizeof(*data));
	return cmd;
}

static FX_UNUSED struct nvme_queue *fx_connect_with(struct nvme_queue *queue, uint16_t cntlid,
						    const char *subnqn, uint32_t kato_ms)
{
	struct nvme_connect_data data = fx_connect_data(cntlid);
	struct nvme_cmd cmd = fx_connect_cmd(queue->conn.qid, &data);
	struct fx_run run;

	strcpy(data.subnqn, subnqn);
	nvme_put32(&cmd.connect.kato_ms, kato_ms);
	run = fx_run(queue, &cmd);
	assert_int_equal(run.next, NVME_RESPOND);
	assert_int_equal(run.status, 0);
	assert_int_equal(run.dw0, nvme_queue_cntlid(queue));
	return queue;
}

static FX_UNUSED struct nvme_queue *fx_admin_kato(uint32_t kato_ms)
{
	return fx_connect_with(fx_queue(0), 0xffff, FX_SUBNQN, kato_ms);
}

static FX_UNUSED struct nvme_queue *fx_admin(void)
{
	return fx_admin_kato(0);
}

/* ---- properties ---- */

static FX_UNUSED struct fx_run fx_property_set(struct nvme_queue *queue, uint32_t offset,
					       uint8_t size, uint64_t value)
{
	struct nvme_cmd cmd = fx_fabrics(NVME_FCTYPE_PROPERTY_SET);

	cmd.property.attrib = size;
	nvme_put32(&cmd.property.offset, offset);
	nvme_put64(&cmd.property.value, value);
	return fx_run(queue, &cmd);
}

static FX_UNUSED struct fx_run fx_property_get(struct nvme_queue *queue, uint32_t offset,
					       uint8_t size)
{
	struct nvme_cmd cmd = fx_fabrics(NVME_FCTYPE_PROPERTY_GET);

	cmd.property.attrib = size;
	nvme_put32(&cmd.property.offset, offset);
	return fx_run(queue, &cmd);
}

#define FX_CC_ENABLE 0x00460001u

static FX_UNUSED struct fx_run fx_write_cc(struct nvme_queue *queue, uint32_t cc)
{
	struct fx_run run = fx_property_set(queue, NVME_PROP_CC, 0, cc);

	assert_int_equal(run.status, 0);
	return run;
}

static FX_UNUSED uint32_t fx_csts(struct nvme_queue *queue)
{
	struct fx_run run = fx_property_get(queue, NVME_PROP_CSTS, 0);

	assert_int_equal(run.status, 0);
	return run.dw0;
}

/* An admin queue whose controller is enabled. */
static FX_UNUSED struct nvme_queue *fx_ready(void)
{
	struct nvme_queue *queue = fx_admin();

	fx_write_cc(queue, FX_CC_ENABLE);
	return queue;
}

static FX_UNUSED struct nvme_queue *fx_ready_discovery(void)
{
	struct nvme_queue *queue = fx_connect_with(fx_queue(0), 0xffff, NVME_DISCOVERY_NQN, 0);

	fx_write_cc(queue, 1);
	return queue;
}

static FX_UNUSED struct nvme_queue *fx_io_queue(const struct nvme_queue *admin, uint16_t qid)
{
	return fx_connect_with(fx_queue_of(qid, 32, 1), nvme_queue_cntlid(admin), FX_SUBNQN, 0);
}

/* A Get Log Page. */
static FX_UNUSED struct nvme_cmd fx_log_cmd(uint8_t lid, void *data, uint32_t len, uint64_t offset)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_GET_LOG, 0);
	uint32_t numd = len / 4 - 1;

	nvme_put32(&cmd.cdw10, lid | (numd & 0xffff) << 16);
	nvme_put32(&cmd.cdw11, numd >> 16);
	nvme_put32(&cmd.cdw12, (uint32_t)offset);
	nvme_put32(&cmd.cdw13, (uint32_t)(offset >> 32));
	fx_data(&cmd, data, len);
	return cmd;
}

static FX_UNUSED struct fx_run fx_log(struct nvme_queue *queue, uint8_t lid, void *data,
				      uint32_t len, uint64_t offset)
{
	struct nvme_cmd cmd = fx_log_cmd(lid, data, len, offset);

	return fx_run(queue, &cmd);
}

static FX_UNUSED struct fx_run fx_features(struct nvme_queue *queue, uint8_t opcode, uint32_t cdw10,
					   uint32_t cdw11)
{
	struct nvme_cmd cmd = fx_cmd(opcode, 0);

	nvme_put32(&cmd.cdw10, cdw10);
	nvme_put32(&cmd.cdw11, cdw11);
	return fx_run(queue, &cmd);
}

#endif
