/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/ns_management.c: who may manage namespaces, what the embedder is asked, what attaching
 * does, each status, and what Identify says of namespaces that are not attached.
 */
#include <errno.h>

#include "nvme_fixture.h"

#include "nvme/ns_management.h"
#include "nvme/wire_admin.h"

#define OTHER_HOST "nqn.2026-01.org.example:other-host"
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

#define OPCODE         (0x01 | FX_DNR)
#define FIELD          (0x02 | FX_DNR)
#define NO_NS          (0x0b | FX_DNR)
#define DENIED         (0x15 | FX_DNR)
#define SGL_LEN        (0x0f | FX_DNR)
#define FORMAT         (0x10a | FX_DNR)
#define NO_CAPACITY    (0x115 | FX_DNR)
#define NO_ID          (0x116 | FX_DNR)
#define ATTACHED       (0x118 | FX_DNR)
#define PRIVATE        (0x119 | FX_DNR)
#define NOT_ATTACHED   (0x11a | FX_DNR)
#define NO_THIN        (0x11b | FX_DNR)
#define BAD_LIST       (0x11c | FX_DNR)
#define NO_ANA_GROUP   (0x124 | FX_DNR)
#define NO_COMMAND_SET (0x129 | FX_DNR)

static uint8_t page[NVME_PAGE_LEN];
static struct nvme_request request; /* the last that was sent */
static struct wrasse_command *asked;
static struct wrasse_ns_create wanted;
static unsigned creates, removes, attaches;
static const char *stranger; /* who may not manage */
static unsigned until_no_memory = UINT32_MAX;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	return until_no_memory-- == 0 ? NULL : __real_calloc(count, size);
}

/* ---- the embedder ---- */

static void on_create(struct wrasse_command *command, const struct wrasse_ns_create *what)
{
	asked = command;
	wanted = *what;
	creates++;
}

static void on_remove(struct wrasse_command *command)
{
	asked = command;
	removes++;
}

static void on_attached(struct wrasse_command *command)
{
	asked = command;
	attaches++;
}

static bool may_manage(void *ctx, const char *hostnqn)
{
	assert_ptr_equal(ctx, page);
	return !stranger || strcmp(hostnqn, stranger) != 0;
}

static void capacity(void *ctx, struct wrasse_ns_capacity *told)
{
	assert_ptr_equal(ctx, page);
	assert_int_equal(told->total, 0);
	told->total = 0x123456789a;
	told->unallocated = 0x3456;
}

static struct wrasse_ns_management management(void)
{
	struct wrasse_ns_management opts;

	wrasse_ns_management_init(&opts);
	opts.block_sizes = 512 | 4096;
	opts.may_manage = may_manage;
	opts.create = on_create;
	opts.remove = on_remove;
	opts.ctx = page;
	return opts;
}

static int set(const struct wrasse_ns_management *opts)
{
	const char *why = NULL;
	int rc = nvme_management_set(fx_subsystem, opts, &why);

	assert_int_equal(why != NULL, rc == -EINVAL || rc == -EEXIST);
	return rc;
}

static int setup(void **state)
{
	struct wrasse_ns_management opts = management();

	fx_setup(state);
	creates = removes = attaches = 0;
	asked = NULL;
	stranger = NULL;
	return set(&opts);
}

/* ---- hosts ---- */

static struct nvme_queue *ready_as(const char *hostnqn)
{
	struct nvme_queue *queue = fx_queue(0);
	struct nvme_connect_data data = fx_connect_data(0xffff);
	struct nvme_cmd cmd = fx_connect_cmd(0, &data);

	strcpy(data.hostnqn, hostnqn);
	assert_int_equal(fx_run(queue, &cmd).status, 0);
	fx_write_cc(queue, FX_CC_ENABLE);
	return queue;
}

static uint16_t identify(struct nvme_queue *queue, uint8_t cns, uint32_t nsid)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_IDENTIFY, nsid);

	nvme_put32(&cmd.cdw10, cns);
	fx_data(&cmd, page, sizeof(page));
	return fx_run(queue, &cmd).status;
}

static uint32_t dword(unsigned at)
{
	return page[at] | (uint32_t)page[at + 1] << 8 | (uint32_t)page[at + 2] << 16 |
	       (uint32_t)page[at + 3] << 24;
}

static struct fx_run send(struct nvme_queue *queue, const struct nvme_cmd *cmd)
{
	struct fx_run run = fx_run_request(&request, queue, (const uint8_t *)cmd, sizeof(*cmd));

	asked = NULL;
	if (run.next == NVME_HOOK) {
		request.iov = request.command.iov;
		nvme_hook_submit(&request);
	}
	return run;
}

/* The embedder answers. Return: what the host sees. */
static uint16_t answer(struct wrasse_status status)
{
	assert_ptr_equal(asked, &request.command);
	assert_int_equal(nvme_request_complete_io(&request, status), NVME_RESPOND);
	return (nvme_get16(request.cqe.status) >> 1 & 0x7ff) |
	       (nvme_get16(request.cqe.status) & FX_DNR);
}

static struct nvme_id_ns create_data(uint64_t blocks)
{
	struct nvme_id_ns id = {.nmic = 1};

	nvme_put64(&id.nsze, blocks);
	nvme_put64(&id.ncap, blocks);
	return id;
}

static struct nvme_cmd create_cmd(struct nvme_id_ns *id)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_NS_MANAGEMENT, 0);

	fx_data(&cmd, id, sizeof(*id));
	return cmd;
}

static struct nvme_cmd delete_cmd(uint32_t nsid)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_NS_MANAGEMENT, nsid);

	nvme_put32(&cmd.cdw10, NVME_SEL_DELETE);
	return cmd;
}

static struct nvme_ctrl_list list;

static struct nvme_cmd attachment_cmd(uint32_t sel, uint32_t nsid, uint16_t count,
				      const uint16_t *ids)
{
	struct nvme_cmd cmd = fx_cmd(NVME_OPC_NS_ATTACHMENT, nsid);

	memset(&list, 0, sizeof(list));
	nvme_put16(&list.count, count);
	for (unsigned i = 0; i < count && i < NVME_CTRL_LIST_MAX; i++)
		nvme_put16(&list.id[i], ids[i]);
	nvme_put32(&cmd.cdw10, sel);
	fx_data(&cmd, &list, sizeof(list));
	return cmd;
}

/* Attaches or detaches one or two controllers. */
static uint16_t attachment(struct nvme_queue *queue, uint32_t sel, uint32_t nsid,
			   const struct nvme_queue *one, const struct nvme_queue *two)
{
	uint16_t ids[2] = {nvme_queue_cntlid(one), two ? nvme_queue_cntlid(two) : 0};
	struct nvme_cmd cmd = attachment_cmd(sel, nsid, two ? 2 : 1, ids);
	struct fx_run run = send(queue, &cmd);

	assert_int_equal(run.next, NVME_RESPOND);
	assert_int_equal(run.actions.attention, run.status == 0);
	return run.status;
}

static uint16_t attach(struct nvme_queue *queue, uint32_t nsid, const struct nvme_queue *who)
{
	return attachment(queue, NVME_SEL_ATTACH, nsid, who, NULL);
}

static uint16_t detach(struct nvme_queue *queue, uint32_t nsid, const struct nvme_queue *who)
{
	return attachment(queue, NVME_SEL_DETACH, nsid, who, NULL);
}

static bool sees(const struct nvme_queue *queue, uint32_t nsid)
{
	return nvme_queue_port(queue, nsid) != NULL;
}

static struct wrasse_namespace *add_hidden(uint32_t nsid)
{
	return fx_add_ns_with(fx_subsystem, nsid, 1000, 1, true);
}

/* ---- who may ---- */

static void management_needs_functions_and_sizes_that_can_be(void **state)
{
	struct wrasse_ns_management opts = management();
	static const uint32_t bad[] = {1, 256, 512 | 300, 131072, 1u << 31};
	static struct nvme_limits small;

	(void)state;
	small = fx_limits;
	opts.create = NULL;
	assert_int_equal(set(&opts), -EINVAL);
	opts = management();
	opts.remove = NULL;
	assert_int_equal(set(&opts), -EINVAL);
	for (size_t i = 0; i < COUNT(bad); i++) {
		opts = management();
		opts.block_sizes = bad[i];
		assert_int_equal(set(&opts), -EINVAL);
	}
	small.max_data_len = 4096;
	fx_registry->limits = &small;
	opts.block_sizes = 512 | 8192;
	assert_int_equal(set(&opts), -EINVAL);
	opts.block_sizes = 512 | 4096;
	assert_int_equal(set(&opts), 0);
	assert_int_equal(set(&opts), -EEXIST);
	fx_registry->limits = &fx_limits;
}

static void hook_of_either_opcode_excludes_management(void **state)
{
	static const uint8_t opcodes[] = {NVME_OPC_NS_MANAGEMENT, NVME_OPC_NS_ATTACHMENT};
	struct wrasse_subsystem *mine = fx_subsystem;
	struct wrasse_ns_management opts = management();
	struct wrasse_hook hook;
	const char *why = NULL;

	(void)state;
	wrasse_hook_init(&hook);
	hook.admin = true;
	hook.submit = on_remove;
	for (size_t i = 0; i < COUNT(opcodes); i++) {
		hook.opcode = opcodes[i];
		assert_int_equal(nvme_hook_add(fx_subsystem, &hook, &why), -EEXIST);
	}
	for (size_t i = 0; i < COUNT(opcodes); i++) {
		hook.opcode = opcodes[i];
		fx_subsystem = fx_add_subsystem(
			i ? "nqn.2026-01.org.example:b" : "nqn.2026-01.org.example:a", true);
		assert_int_equal(nvme_hook_add(fx_subsystem, &hook, &why), 0);
		assert_int_equal(set(&opts), -EEXIST);
	}
	nvme_subsystem_remove(fx_subsystem);
	assert_int_equal(set(&opts), -ESHUTDOWN);
	fx_subsystem = mine;
}

static void hosts_are_told_that_they_may_manage_namespaces(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	assert_int_equal(identify(queue, NVME_CNS_CTRL, 0), 0);
	assert_int_equal(dword(256) & 0xffff, 1 << 3); /* OACS */
	assert_int_equal(page[343], 0xdf);             /* ANACAP */
	assert_int_equal(dword(280), 0);               /* TNVMCAP */
	assert_int_equal(fx_log(queue, NVME_LID_EFFECTS, page, sizeof(page), 0).status, 0);
	assert_int_equal(dword(4 * 0x0d), 1 << 0 | 1 << 3); /* CSUPP, NIC */
	assert_int_equal(dword(4 * 0x15), 1 << 0 | 1 << 3);
	fx_queue_gone(queue);
}

static void hosts_are_told_the_capacity_if_the_embedder_tells_it(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	fx_subsystem->management.capacity = capacity;
	assert_int_equal(identify(queue, NVME_CNS_CTRL, 0), 0);
	assert_int_equal(dword(280), 0x3456789a); /* TNVMCAP */
	assert_int_equal(dword(284), 0x12);
	assert_int_equal(dword(288) | dword(292), 0);
	assert_int_equal(dword(296), 0x3456); /* UNVMCAP */
	fx_queue_gone(queue);
}

static void for_who_may_not_manage_there_is_nothing_to_manage(void **state)
{
	struct nvme_queue *queue, *other;
	struct nvme_id_ns id = create_data(10);
	struct nvme_cmd cmds[3];

	(void)state;
	fx_subsystem->management.capacity = capacity;
	stranger = OTHER_HOST;
	queue = fx_ready();
	other = ready_as(OTHER_HOST);
	fx_add_ns(fx_subsystem, 1, 1000);
	add_hidden(2);
	cmds[0] = create_cmd(&id);
	cmds[1] = delete_cmd(1);
	cmds[2] = attachment_cmd(NVME_SEL_ATTACH, 2, 1, (uint16_t[]){nvme_queue_cntlid(other)});
	for (size_t i = 0; i < COUNT(cmds); i++)
		assert_int_equal(send(other, &cmds[i]).status, OPCODE);
	assert_false(sees(other, 2));
	assert_int_equal(creates + removes, 0);
	assert_int_equal(identify(other, NVME_CNS_CTRL, 0), 0);
	assert_int_equal(dword(256) & 0xffff, 0);
	assert_int_equal(page[343], 0x5f);
	assert_int_equal(dword(280), 0);
	assert_int_equal(fx_log(other, NVME_LID_EFFECTS, page, sizeof(page), 0).status, 0);
	assert_int_equal(dword(4 * 0x0d) | dword(4 * 0x15), 0);
	assert_int_equal(identify(other, NVME_CNS_NS, NVME_NSID_ALL), NO_NS);
	assert_int_equal(identify(other, NVME_CNS_ALLOCATED_LIST, 0), 0);
	assert_int_equal(dword(0), 1);
	assert_int_equal(dword(4), 0);
	assert_int_equal(identify(other, NVME_CNS_ALLOCATED_NS, 2), 0);
	assert_int_equal(dword(0), 0);
	assert_int_equal(identify(queue, NVME_CNS_ALLOCATED_NS, 2), 0);
	assert_int_equal(dword(0), 1000);
	fx_queue_gone(queue);
	fx_queue_gone(other);
}

static bool may_not_be_asked(void *ctx, const char *hostnqn)
{
	(void)ctx;
	(void)hostnqn;
	fail();
	return true;
}

static void nobody_is_asked_about_who_has_not_authenticated_himself(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd = delete_cmd(1);

	(void)state;
	fx_subsystem->management.may_manage = may_not_be_asked;
	queue->on = NVME_ON_AUTH;
	assert_int_equal(send(queue, &cmd).status, 0x191 | FX_DNR);
	queue->on = NVME_ON_ADMIN;
	fx_queue_gone(queue);
}

/* ---- create and delete ---- */

static void embedder_is_asked_to_create_what_is_wanted(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_id_ns id = create_data(0x12345678);
	struct nvme_cmd cmd = create_cmd(&id);

	(void)state;
	id.flbas = 1;
	id.nmic = 0;
	nvme_put32(&id.anagrpid, 7);
	assert_int_equal(send(queue, &cmd).next, NVME_HOOK);
	assert_int_equal(creates, 1);
	assert_ptr_equal(asked->ctx, page);
	assert_string_equal(asked->hostnqn, FX_HOSTNQN);
	assert_int_equal(asked->cntlid, nvme_queue_cntlid(queue));
	assert_int_equal(asked->length, NVME_PAGE_LEN);
	assert_int_equal(wanted.block_count, 0x12345678);
	assert_int_equal(wanted.block_size, 4096);
	assert_int_equal(wanted.ana_group, 7);
	assert_false(wanted.shared);
	asked->result = 42;
	assert_int_equal(answer(wrasse_status_ok()), 0);
	assert_int_equal(nvme_get32(request.cqe.dw0), 42);
	id = create_data(1);
	assert_int_equal(send(queue, &cmd).next, NVME_HOOK);
	assert_int_equal(wanted.block_size, 512);
	assert_int_equal(wanted.ana_group, 0);
	assert_true(wanted.shared);
	assert_int_equal(
		answer(wrasse_status_make(WRASSE_SCT_COMMAND, WRASSE_SC_NS_CAPACITY, true)),
		NO_CAPACITY);
	fx_queue_gone(queue);
}

static void only_block_size_without_a_choice_is_512(void **state)
{
	struct wrasse_ns_management opts = management();
	struct nvme_queue *queue;
	struct nvme_id_ns id = create_data(1);
	struct nvme_cmd cmd = create_cmd(&id);

	(void)state;
	opts.block_sizes = 0;
	assert_int_equal(set(&opts), 0);
	queue = fx_ready();
	assert_int_equal(send(queue, &cmd).next, NVME_HOOK);
	assert_int_equal(wanted.block_size, 512);
	assert_int_equal(answer(wrasse_status_ok()), 0);
	id.flbas = 1;
	assert_int_equal(send(queue, &cmd).status, FORMAT);
	fx_queue_gone(queue);
}

struct bad_create {
	uint64_t nsze, ncap;
	uint32_t nsid, sel, cdw11;
	uint8_t flbas, dps;
	uint32_t ana_group;
	uint16_t nvmsetid, endgid, status;
};

static void namespaces_that_cannot_be_created_are_refused(void **state)
{
	static const struct bad_create bad[] = {
		{.nsze = 0, .ncap = 0, .status = FIELD},
		{.nsze = 10, .ncap = 11, .status = FIELD},
		{.nsze = 10, .ncap = 9, .status = NO_THIN},
		{.nsze = 10, .ncap = 10, .nsid = 1, .status = FIELD},
		{.nsze = 10, .ncap = 10, .sel = 2, .status = FIELD},
		{.nsze = 10, .ncap = 10, .sel = 15, .status = FIELD},
		{.nsze = 10, .ncap = 10, .cdw11 = 2u << 24, .status = NO_COMMAND_SET},
		{.nsze = 10, .ncap = 10, .flbas = 2, .status = FORMAT},
		{.nsze = 10, .ncap = 10, .flbas = 1 << 5, .status = FORMAT},
		{.nsze = 10, .ncap = 10, .flbas = 1 << 6, .status = FORMAT},
		{.nsze = 10, .ncap = 10, .dps = 1, .status = FIELD},
		{.nsze = 10, .ncap = 10, .nvmsetid = 1, .status = FIELD},
		{.nsze = 10, .ncap = 10, .endgid = 1, .status = FIELD},
		{.nsze = 10, .ncap = 10, .ana_group = 17, .status = NO_ANA_GROUP},
		{.nsze = 1ull << 54, .ncap = 1ull << 54, .status = NO_CAPACITY},
		{.nsze = UINT64_MAX, .ncap = UINT64_MAX, .status = NO_CAPACITY},
	};
	struct nvme_queue *queue = fx_ready();

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct nvme_id_ns id = create_data(bad[i].nsze);
		struct nvme_cmd cmd = create_cmd(&id);
		struct fx_run run;

		nvme_put64(&id.ncap, bad[i].ncap);
		id.flbas = bad[i].flbas;
		id.dps = bad[i].dps;
		nvme_put32(&id.anagrpid, bad[i].ana_group);
		nvme_put16(&id.nvmsetid, bad[i].nvmsetid);
		nvme_put16(&id.endgid, bad[i].endgid);
		nvme_put32(&cmd.nsid, bad[i].nsid);
		nvme_put32(&cmd.cdw10, bad[i].sel);
		nvme_put32(&cmd.cdw11, bad[i].cdw11);
		run = send(queue, &cmd);
		if (run.next != NVME_RESPOND || run.status != bad[i].status)
			fail_msg("line %zu: status 0x%x", i, run.status);
		assert_true(run.more);
	}
	assert_int_equal(creates, 0);
	fx_queue_gone(queue);
}

static void largest_namespace_may_be_wanted(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_id_ns id = create_data((1ull << 54) - 1);
	struct nvme_cmd cmd = create_cmd(&id);

	(void)state;
	nvme_put32(&id.anagrpid, 16);
	assert_int_equal(send(queue, &cmd).next, NVME_HOOK);
	assert_int_equal(wanted.block_count, (1ull << 54) - 1);
	assert_int_equal(answer(wrasse_status_ok()), 0);
	fx_data(&cmd, &id, 4092);
	assert_int_equal(send(queue, &cmd).status, SGL_LEN);
	fx_queue_gone(queue);
}

static void no_more_namespaces_than_ids(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_id_ns id = create_data(10);
	struct nvme_cmd cmd = create_cmd(&id);
	uint32_t max = fx_subsystem->max_namespaces;

	(void)state;
	for (uint32_t nsid = 1; nsid < max; nsid++)
		fx_add_ns(fx_subsystem, nsid, 10);
	assert_int_equal(send(queue, &cmd).next, NVME_HOOK);
	assert_int_equal(answer(wrasse_status_ok()), 0);
	fx_add_ns(fx_subsystem, max, 10);
	assert_int_equal(send(queue, &cmd).status, NO_ID);
	assert_int_equal(creates, 1);
	fx_queue_gone(queue);
}

static void embedder_is_asked_to_delete_what_there_is(void **state)
{
	static const struct {
		uint32_t nsid;
		uint16_t status;
	} bad[] = {{0, NO_NS}, {257, NO_NS}, {0xfffffffe, NO_NS}, {4, FIELD}, {5, FIELD}};
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd;

	(void)state;
	fx_add_ns(fx_subsystem, 2, 1000);
	add_hidden(3);
	nvme_ns_remove(add_hidden(5));
	for (size_t i = 0; i < COUNT(bad); i++) {
		cmd = delete_cmd(bad[i].nsid);
		assert_int_equal(send(queue, &cmd).status, bad[i].status);
	}
	assert_int_equal(removes, 0);
	for (uint32_t nsid = 2; nsid <= 3; nsid++) {
		cmd = delete_cmd(nsid);
		assert_int_equal(send(queue, &cmd).next, NVME_HOOK);
		assert_int_equal(asked->nsid, nsid);
		assert_int_equal(asked->length, 0);
		assert_int_equal(answer(wrasse_status_ok()), 0);
	}
	cmd = delete_cmd(NVME_NSID_ALL);
	assert_int_equal(send(queue, &cmd).next, NVME_HOOK);
	assert_int_equal(asked->nsid, NVME_NSID_ALL);
	assert_int_equal(answer(wrasse_status_make(WRASSE_SCT_GENERIC, 0x15, true)), DENIED);
	assert_int_equal(removes, 3);
	fx_queue_gone(queue);
}

/* ---- attach and detach ---- */

static void attached_namespace_is_there_for_every_controller_of_the_host(void **state)
{
	struct nvme_queue *queue = fx_ready(), *second = fx_ready(), *other = ready_as(OTHER_HOST);
	struct nvme_queue *late;

	(void)state;
	add_hidden(2);
	assert_false(sees(other, 2));
	assert_int_equal(attach(other, 2, second), 0);
	assert_true(sees(queue, 2));
	assert_true(sees(second, 2));
	assert_false(sees(other, 2));
	late = fx_ready();
	assert_true(sees(late, 2));
	assert_int_equal(attach(queue, 2, other), 0);
	assert_true(sees(other, 2));
	assert_int_equal(detach(other, 2, late), 0);
	assert_false(sees(queue, 2));
	assert_false(sees(late, 2));
	assert_true(sees(other, 2));
	fx_queue_gone(queue);
	fx_queue_gone(second);
	fx_queue_gone(late);
	fx_queue_gone(other);
}

static void changed_list_is(struct nvme_queue *admin, uint32_t first)
{
	struct nvme_actions actions = {0};

	nvme_ctrl_sync(admin, &actions);
	assert_int_equal(fx_log(admin, NVME_LID_CHANGED_NS, page, sizeof(page), 0).status, 0);
	assert_int_equal(dword(0), first);
}

static void attachment_is_told_to_the_host_that_it_is_of(void **state)
{
	struct nvme_queue *queue = fx_ready(), *other = ready_as(OTHER_HOST);

	(void)state;
	add_hidden(2);
	assert_int_equal(attach(queue, 2, other), 0);
	changed_list_is(other, 2);
	changed_list_is(other, 0);
	changed_list_is(queue, 0);
	assert_int_equal(detach(queue, 2, other), 0);
	changed_list_is(other, 2);
	changed_list_is(queue, 0);
	fx_queue_gone(queue);
	fx_queue_gone(other);
}

static void controllers_of_one_host_are_one(void **state)
{
	struct nvme_queue *queue = fx_ready(), *second = fx_ready(), *other = ready_as(OTHER_HOST);

	(void)state;
	add_hidden(2);
	assert_int_equal(attachment(other, NVME_SEL_ATTACH, 2, second, queue), 0);
	assert_true(sees(queue, 2));
	assert_int_equal(attach(other, 2, queue), ATTACHED);
	assert_int_equal(attachment(other, NVME_SEL_DETACH, 2, queue, second), 0);
	assert_int_equal(detach(other, 2, second), NOT_ATTACHED);
	fx_queue_gone(queue);
	fx_queue_gone(second);
	fx_queue_gone(other);
}

static void list_is_carried_out_as_a_whole_or_not_at_all(void **state)
{
	struct nvme_queue *queue = fx_ready(), *other = ready_as(OTHER_HOST);

	(void)state;
	add_hidden(2);
	assert_int_equal(attach(queue, 2, other), 0);
	assert_int_equal(attachment(queue, NVME_SEL_ATTACH, 2, queue, other), ATTACHED);
	assert_false(sees(queue, 2));
	assert_int_equal(attachment(queue, NVME_SEL_DETACH, 2, other, queue), NOT_ATTACHED);
	assert_true(sees(other, 2));
	fx_queue_gone(queue);
	fx_queue_gone(other);
}

static void list_names_controllers_of_the_subsystem(void **state)
{
	struct nvme_queue *queue = fx_ready(), *ended = ready_as(OTHER_HOST);
	struct nvme_queue *discovery = fx_ready_discovery();
	uint16_t own = nvme_queue_cntlid(queue);
	uint16_t gone = nvme_queue_cntlid(ended);
	const struct {
		uint16_t count, ids[2];
	} bad[] = {{0, {own, 0}},         {1, {0, 0}},      {1, {own + 100, 0}}, {1, {0xffff, 0}},
		   {2, {own, own + 100}}, {2, {own, gone}}, {2048, {own, own}}};

	(void)state;
	assert_int_not_equal(own, gone);
	add_hidden(2);
	nvme_ctrl_end(ended->ctrl);
	for (uint32_t sel = NVME_SEL_ATTACH; sel <= NVME_SEL_DETACH; sel++) {
		for (size_t i = 0; i < COUNT(bad); i++) {
			struct nvme_cmd cmd = attachment_cmd(
				sel, 2, bad[i].count > 2 ? 0 : bad[i].count, bad[i].ids);

			nvme_put16(&list.count, bad[i].count);
			if (sel == NVME_SEL_DETACH && bad[i].count)
				nvme_put16(&list.id[0], own + 100);
			if (send(queue, &cmd).status != BAD_LIST)
				fail_msg("SEL %u, list %zu", sel, i);
			assert_false(sees(queue, 2));
		}
	}
	fx_queue_gone(queue);
	fx_queue_gone(ended);
	fx_queue_gone(discovery);
}

static void list_may_be_full_and_no_fuller(void **state)
{
	static uint16_t ids[NVME_CTRL_LIST_MAX];
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd;

	(void)state;
	add_hidden(2);
	for (size_t i = 0; i < COUNT(ids); i++)
		ids[i] = nvme_queue_cntlid(queue);
	cmd = attachment_cmd(NVME_SEL_ATTACH, 2, NVME_CTRL_LIST_MAX, ids);
	assert_int_equal(send(queue, &cmd).status, 0);
	assert_true(sees(queue, 2));
	nvme_put16(&list.count, NVME_CTRL_LIST_MAX + 1);
	assert_int_equal(send(queue, &cmd).status, BAD_LIST);
	fx_queue_gone(queue);
}

static void namespace_to_attach_must_be_allocated(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	nvme_ns_remove(add_hidden(5));
	for (uint32_t sel = NVME_SEL_ATTACH; sel <= NVME_SEL_DETACH; sel++) {
		assert_int_equal(attachment(queue, sel, 0, queue, NULL), NO_NS);
		assert_int_equal(attachment(queue, sel, 257, queue, NULL), NO_NS);
		assert_int_equal(attachment(queue, sel, NVME_NSID_ALL, queue, NULL), NO_NS);
		assert_int_equal(attachment(queue, sel, 4, queue, NULL), FIELD);
		assert_int_equal(attachment(queue, sel, 5, queue, NULL), FIELD);
	}
	fx_queue_gone(queue);
}

static void there_is_attach_and_detach_and_nothing_else(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	add_hidden(2);
	for (uint32_t sel = 2; sel < 16; sel++)
		assert_int_equal(attachment(queue, sel, 2, queue, NULL), FIELD);
	assert_false(sees(queue, 2));
	assert_int_equal(attachment(queue, NVME_SEL_ATTACH | 0x10, 2, queue, NULL), 0);
	fx_queue_gone(queue);
}

static void namespace_of_every_host_stays_attached(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	fx_add_ns(fx_subsystem, 1, 1000);
	assert_int_equal(attach(queue, 1, queue), ATTACHED);
	assert_int_equal(detach(queue, 1, queue), DENIED);
	assert_true(sees(queue, 1));
	fx_queue_gone(queue);
}

static void add_private(uint32_t nsid)
{
	struct wrasse_namespace *ns;
	struct wrasse_ns_opts opts;
	const char *why;

	wrasse_ns_opts_init(&opts);
	opts.nsid = nsid;
	opts.block_count = 1000;
	opts.no_auto_visible = true;
	opts.one_host = true;
	opts.ops = &fx_ops;
	assert_int_equal(nvme_ns_create(fx_subsystem, &opts, &ns, &why), nsid);
	fx_subsystem->view[0]->port[nsid - 1] = &ns->port[0];
}

static void private_namespace_has_one_host(void **state)
{
	struct nvme_queue *queue = fx_ready(), *second = fx_ready(), *other = ready_as(OTHER_HOST);

	(void)state;
	add_private(2);
	assert_int_equal(attachment(queue, NVME_SEL_ATTACH, 2, queue, other), PRIVATE);
	assert_false(sees(queue, 2));
	assert_int_equal(attachment(queue, NVME_SEL_ATTACH, 2, queue, second), 0);
	assert_int_equal(attach(queue, 2, second), ATTACHED);
	assert_int_equal(attach(queue, 2, other), PRIVATE);
	assert_int_equal(detach(queue, 2, queue), 0);
	assert_int_equal(attach(queue, 2, other), 0);
	assert_int_equal(attach(queue, 2, queue), PRIVATE);
	fx_queue_gone(queue);
	fx_queue_gone(second);
	fx_queue_gone(other);
}

static void without_memory_nobody_is_attached(void **state)
{
	struct nvme_queue *queue = fx_ready(), *other = ready_as(OTHER_HOST);
	struct wrasse_namespace *ns = add_hidden(2);

	(void)state;
	until_no_memory = 1;
	assert_int_equal(attachment(queue, NVME_SEL_ATTACH, 2, queue, other), 0x06);
	until_no_memory = UINT32_MAX;
	assert_false(sees(queue, 2));
	assert_null(ns->hosts);
	assert_int_equal(attachment(queue, NVME_SEL_ATTACH, 2, queue, other), 0);
	fx_queue_gone(queue);
	fx_queue_gone(other);
}

static void embedder_is_told_before_the_host_is_answered(void **state)
{
	struct nvme_queue *queue = fx_ready();
	struct nvme_cmd cmd;

	(void)state;
	add_hidden(2);
	fx_subsystem->management.attached = on_attached;
	cmd = attachment_cmd(NVME_SEL_ATTACH, 2, 1, (uint16_t[]){nvme_queue_cntlid(queue)});
	assert_int_equal(send(queue, &cmd).next, NVME_HOOK);
	assert_int_equal(attaches, 1);
	assert_int_equal(asked->nsid, 2);
	assert_true(wrasse_status_is_ok(asked->status));
	assert_true(sees(queue, 2));
	assert_int_equal(answer(asked->status), 0);
	assert_int_equal(send(queue, &cmd).status, ATTACHED);
	assert_int_equal(attaches, 1);
	fx_queue_gone(queue);
}

/* ---- Identify ---- */

static void allocated_namespaces_are_listed_also_if_not_attached(void **state)
{
	static const uint8_t lists[] = {NVME_CNS_ALLOCATED_LIST, NVME_CNS_CSI_ALLOCATED_LIST};
	struct nvme_queue *queue = fx_ready();

	(void)state;
	fx_add_ns(fx_subsystem, 1, 1000);
	add_hidden(2);
	assert_int_equal(identify(queue, NVME_CNS_NS_LIST, 0), 0);
	assert_int_equal(dword(0), 1);
	assert_int_equal(dword(4), 0);
	for (size_t i = 0; i < COUNT(lists); i++) {
		assert_int_equal(identify(queue, lists[i], 0), 0);
		assert_int_equal(dword(0), 1);
		assert_int_equal(dword(4), 2);
		assert_int_equal(dword(8), 0);
	}
	assert_int_equal(identify(queue, NVME_CNS_NS, 2), 0);
	assert_int_equal(dword(0), 0);
	assert_int_equal(identify(queue, NVME_CNS_ALLOCATED_NS, 2), 0);
	assert_int_equal(dword(0), 1000);
	assert_int_equal(identify(queue, NVME_CNS_ALLOCATED_NS, 3), 0);
	assert_int_equal(dword(0), 0);
	assert_int_equal(identify(queue, NVME_CNS_ALLOCATED_NS, NVME_NSID_ALL), NO_NS);
	fx_queue_gone(queue);
}

static void controllers_of_a_namespace_of_others_are_listed(void **state)
{
	struct nvme_queue *queue = fx_ready(), *other = ready_as(OTHER_HOST);

	(void)state;
	add_hidden(2);
	assert_int_equal(identify(queue, NVME_CNS_NS_CTRLS, 2), 0);
	assert_int_equal(dword(0), 0);
	assert_int_equal(attach(queue, 2, other), 0);
	assert_int_equal(identify(queue, NVME_CNS_NS_CTRLS, 2), 0);
	assert_int_equal(dword(0), 1u | (uint32_t)nvme_queue_cntlid(other) << 16);
	stranger = FX_HOSTNQN;
	assert_int_equal(identify(queue, NVME_CNS_NS_CTRLS, 2), 0);
	assert_int_equal(dword(0), 0);
	fx_queue_gone(queue);
	fx_queue_gone(other);
}

static void formats_to_choose_from_are_common_to_all_namespaces(void **state)
{
	struct nvme_queue *queue = fx_ready();

	(void)state;
	assert_int_equal(identify(queue, NVME_CNS_NS, NVME_NSID_ALL), 0);
	assert_int_equal(dword(0), 0);
	assert_int_equal(page[25], 1); /* NLBAF */
	assert_int_equal(page[30], 1); /* NMIC */
	assert_int_equal(dword(128), 9u << 16);
	assert_int_equal(dword(132), 12u << 16);
	assert_int_equal(dword(136), 0);
	fx_queue_gone(queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fx_teardown)
#define BARE(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BARE(management_needs_functions_and_sizes_that_can_be),
		TEST(hook_of_either_opcode_excludes_management),
		TEST(hosts_are_told_that_they_may_manage_namespaces),
		TEST(hosts_are_told_the_capacity_if_the_embedder_tells_it),
		TEST(for_who_may_not_manage_there_is_nothing_to_manage),
		TEST(nobody_is_asked_about_who_has_not_authenticated_himself),
		TEST(embedder_is_asked_to_create_what_is_wanted),
		BARE(only_block_size_without_a_choice_is_512),
		TEST(namespaces_that_cannot_be_created_are_refused),
		TEST(largest_namespace_may_be_wanted),
		TEST(no_more_namespaces_than_ids),
		TEST(embedder_is_asked_to_delete_what_there_is),
		TEST(attached_namespace_is_there_for_every_controller_of_the_host),
		TEST(attachment_is_told_to_the_host_that_it_is_of),
		TEST(controllers_of_one_host_are_one),
		TEST(list_is_carried_out_as_a_whole_or_not_at_all),
		TEST(list_names_controllers_of_the_subsystem),
		TEST(list_may_be_full_and_no_fuller),
		TEST(namespace_to_attach_must_be_allocated),
		TEST(there_is_attach_and_detach_and_nothing_else),
		TEST(namespace_of_every_host_stays_attached),
		TEST(private_namespace_has_one_host),
		TEST(without_memory_nobody_is_attached),
		TEST(embedder_is_told_before_the_host_is_answered),
		TEST(allocated_namespaces_are_listed_also_if_not_attached),
		TEST(controllers_of_a_namespace_of_others_are_listed),
		TEST(formats_to_choose_from_are_common_to_all_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
