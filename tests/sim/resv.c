/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservations: what model hosts do with them, the embedder that keeps them, and what must hold. No I/O reaches
 * a backend that the reservation of that moment forbids, by a table of this file's own; and when a Preempt and
 * Abort was answered, the backend has nothing of the preempted host that is older.
 */
#include <string.h>

#include "cmd.h"

#include "nvme/reservation.h"

#define KEY(host)  (0x1000u + (host))
#define TYPES      7
#define MAX_REPORT 5 /* lines that a host has room for */

/* ---- who may do what ---- */

/* By type: what a stranger, a registrant and the holder may: r reads, w writes. */
static const char *const may[TYPES][3] = {
	{"rw", "rw", "rw"}, {"r", "r", "rw"},  {"", "", "rw"},   {"r", "rw", "rw"},
	{"", "rw", "rw"},   {"r", "rw", "rw"}, {"", "rw", "rw"},
};

static char access_of(enum wrasse_io_opcode opcode)
{
	return opcode == WRASSE_IO_READ || opcode == WRASSE_IO_COMPARE ||
			       opcode == WRASSE_IO_VERIFY ?
		       'r' :
		       'w';
}

/* A command of several I/Os may have begun before the reservation. */
void resv_check_io(const struct nvme_request *request, const struct wrasse_namespace *ns)
{
	const struct nvme_ctrl *ctrl = request->queue->ctrl;
	const struct nvme_resv *resv = &ns->resv->state;
	unsigned role = 0;

	if (!request->queue->qid || (request->steps.next && request->steps.done))
		return;
	for (uint32_t i = 0; i < resv->count; i++)
		if (!memcmp(resv->registrant[i].hostid, ctrl->hostid, sizeof(ctrl->hostid)))
			role = resv->registrant[i].holder ? 2 : 1;
	if (!strchr(may[resv->type][role], access_of(request->io.opcode)))
		sim_fail("%s reaches the backend with opcode %u, against a reservation of type %u",
			 ctrl->hostnqn, request->io.opcode, resv->type);
}

void resv_check_poll(void)
{
	for (unsigned i = 0; plan.reservations && i < media_count; i++) {
		struct media *m = &media[i];

		if (!m->ns || m->removing || target.subsystem[m->subsystem].removing ||
		    m->ns->resv->fence == m->fence)
			continue;
		m->fence = m->ns->resv->fence;
		m->fences++;
		m->fence_order = backend_order;
	}
}

/* ---- the embedder that keeps them ---- */

static struct save {
	struct wrasse_io *io;
	struct media *media;
	unsigned group;
} saves[SIM_MAX_MEDIA];
static unsigned save_count;

void resv_init(void)
{
	save_count = 0;
}

static void finish(unsigned which)
{
	struct save done = saves[which];
	struct wrasse_status status = wrasse_status_ok();
	bool outside = in_library < 0;

	saves[which] = saves[--save_count];
	if (rng_one_in(plan.error))
		status = wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT, false);
	trace_mix("reservation saved", done.group, status.sc);
	if (outside)
		act_as((int)done.group);
	wrasse_io_complete(done.io, status);
	if (outside)
		act_as_host();
}

void resv_save(void *ctx, const struct wrasse_reservation *state, struct wrasse_io *io)
{
	struct media *m = ctx;

	if (in_library < 0 || in_library >= SIM_MAX_GROUPS)
		sim_fail("save_reservation() was called outside wrasse_poll_group_poll()");
	if (m->gone)
		sim_fail("a reservation of a namespace that is gone is saved");
	for (unsigned i = 0; i < save_count; i++)
		if (saves[i].media == m)
			sim_fail("two reservations of one namespace are saved at once");
	if (state->registrant_count > SIM_MAX_HOSTS || state->type >= TYPES)
		sim_fail("a reservation of type %u and %u hosts is saved", state->type,
			 state->registrant_count);
	saves[save_count++] = (struct save){io, m, (unsigned)in_library};
	if (!rng_one_in(plan.late))
		finish(save_count - 1);
}

bool resv_step(void)
{
	if (!save_count)
		return false;
	finish(rng_below(save_count));
	return true;
}

unsigned resv_held(unsigned group)
{
	unsigned count = 0;

	for (unsigned i = 0; i < save_count; i++)
		count += saves[i].group == group;
	return count;
}

/* ---- what hosts do ---- */

static struct media *some_media(const struct ctrl *ctrl)
{
	struct media *some = NULL;
	unsigned seen = 0;

	for (unsigned i = 0; i < media_count; i++)
		if (media[i].subsystem == ctrl->subsystem && !media[i].removing &&
		    rng_below(++seen) == 0)
			some = &media[i];
	return some;
}

static uint32_t keys_make(struct queue *queue, struct slot *slot, uint8_t *capsule, uint32_t cdw10,
			  uint32_t key)
{
	bool release = capsule[SQE_OPC] == NVME_OPC_RESV_RELEASE;
	uint8_t *keys = data_scratch();
	uint32_t len;

	slot->media = some_media(queue->ctrl);
	if (!slot->media)
		return 0;
	wire_put32(capsule, SQE_NSID, slot->media->nsid);
	wire_put32(capsule, SQE_CDW10, cdw10);
	len = data_describe(queue, slot, release ? 8 : 16,
			    DATA_KEYED | DATA_LIST | DATA_IN_CAPSULE);
	wire_put64(keys, 0, rng_one_in(40) ? 1 : KEY(queue->ctrl->host->index));
	wire_put64(keys, 8, key);
	data_put(queue, slot, keys);
	return len;
}

static uint32_t register_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	static const uint32_t cptpl[] = {0, 0, 0, 2, 3};
	uint32_t action = rng_one_in(8) ? 1 + rng_below(2) : 0;

	return keys_make(queue, slot, capsule, action | cptpl[rng_below(5)] << 30,
			 KEY(queue->ctrl->host->index));
}

static uint32_t acquire_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	return keys_make(queue, slot, capsule, rng_between(1, 6) << 8, 0);
}

static uint32_t preempt_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t victim = rng_below(plan.hosts);

	return keys_make(queue, slot, capsule, rng_between(1, 6) << 8 | 1,
			 rng_one_in(8) ? 0 : KEY(victim));
}

/* Of one host by its key, which nobody else has. */
static uint32_t abort_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t len;

	slot->lba = rng_below(plan.hosts);
	len = keys_make(queue, slot, capsule, rng_between(1, 6) << 8 | 2, KEY(slot->lba));
	slot->gen = len ? (uint32_t)slot->media->fences : 0;
	return len;
}

/* If there was one since it was sent, that was this one. */
static void abort_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	const struct media *m = slot->media;

	if (answer->status || slot->lba == queue->ctrl->host->index || m->fences != slot->gen + 1u)
		return;
	if (backend_has_older(m, &hosts[slot->lba], m->fence_order))
		sim_fail("host %u was preempted, and the backend has older I/O of it", slot->lba);
}

static uint32_t release_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t clear = rng_one_in(8);

	return keys_make(queue, slot, capsule, rng_between(1, 6) << 8 | clear, 0);
}

static uint32_t report_make(struct queue *queue, struct slot *slot, uint8_t *capsule)
{
	uint32_t len = sizeof(struct nvme_resv_status) + MAX_REPORT * sizeof(struct nvme_resv_ctrl);

	slot->media = some_media(queue->ctrl);
	if (!slot->media)
		return 0;
	wire_put32(capsule, SQE_NSID, slot->media->nsid);
	wire_put32(capsule, SQE_CDW10, len / 4 - 1);
	wire_put32(capsule, SQE_CDW10 + 4, 1);
	return data_describe(queue, slot, len, DATA_KEYED | DATA_LIST);
}

static void report_answered(struct queue *queue, struct slot *slot, const struct answer *answer)
{
	const struct nvme_resv_status *status = (const void *)data_get(queue, slot);
	const struct nvme_resv_ctrl *line = (const void *)(status + 1);
	uint32_t count = nvme_get16(status->regctl);

	if (answer->status)
		return;
	if (status->rtype >= TYPES || (status->rtype && !count))
		sim_fail("a report tells of type %u and %u controllers", status->rtype, count);
	for (uint32_t i = 0; i < count && i < MAX_REPORT; i++, line++)
		if (nvme_get64(line->rkey) != KEY(line->hostid[0] - 1u) ||
		    line->hostid[0] != line->hostid[15] || (line->rcsts && !status->rtype))
			sim_fail("a report has key %#llx for host %u",
				 (unsigned long long)nvme_get64(line->rkey), line->hostid[0] - 1u);
}

bool resv_cmd(struct queue *queue)
{
	static const struct cmd cmds[] = {
		{.name = "Reservation Register",
		 .opcode = NVME_OPC_RESV_REGISTER,
		 .weight = 10,
		 .make = register_make},
		{.name = "Reservation Acquire",
		 .opcode = NVME_OPC_RESV_ACQUIRE,
		 .weight = 6,
		 .make = acquire_make},
		{.name = "Preempt",
		 .opcode = NVME_OPC_RESV_ACQUIRE,
		 .weight = 3,
		 .make = preempt_make},
		{.name = "Preempt and Abort",
		 .opcode = NVME_OPC_RESV_ACQUIRE,
		 .weight = 4,
		 .make = abort_make,
		 .answered = abort_answered},
		{.name = "Reservation Release",
		 .opcode = NVME_OPC_RESV_RELEASE,
		 .weight = 5,
		 .make = release_make},
		{.name = "Reservation Report",
		 .opcode = NVME_OPC_RESV_REPORT,
		 .weight = 3,
		 .reads = true,
		 .make = report_make,
		 .answered = report_answered},
	};

	return cmd_send_some(queue, cmds, sizeof(cmds) / sizeof(cmds[0]));
}
