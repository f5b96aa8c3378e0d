/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Some devices claim SEND with invalidate and fail it, which would end every connection whose host asks for
 * it. So it is tried: of two queue pairs connected to each other, by hand and in loopback, one sends to the
 * other and invalidates a memory window of its. Made when a device is opened, looked at in the polls that
 * follow, and gone with the verdict. A failure to make it is no verdict: the device's word is taken then.
 */
#include "transport/probe.h"

#include <stdlib.h>

#include "transport/loopback.h"

#define MESSAGE_LEN 16
#define WINDOW_LEN  64

/* rdma_rxe of Linux 6.1 stores the kernel's flag, whose bit means something else here. */
#define WITH_INV ((unsigned)IBV_WC_WITH_INV | (unsigned)IBV_WC_IP_CSUM_OK)

enum wr_id {
	WORK_BIND,
	WORK_SEND,
	WORK_RECEIVE,
};

enum outcome {
	OUTCOME_OPEN,
	OUTCOME_WORKS,
	OUTCOME_FAILS,
	OUTCOME_UNKNOWN, /* nothing was seen of SEND with invalidate */
};

struct rdmat_probe {
	struct rdmat_loopback loopback; /* from the first queue pair to the second */
	struct ibv_mr *mr;
	struct ibv_mw *mw;
	uint32_t key; /* of the window, bound */
	uint64_t deadline_ns;
	const char *why; /* what an end would be told as */
	bool bound, sent, received;
	uint8_t memory[WINDOW_LEN] __attribute__((aligned(WINDOW_LEN)));
};

/* ---- what is posted ---- */

static struct ibv_sge piece(struct rdmat_probe *probe, unsigned index)
{
	return (struct ibv_sge){(uintptr_t)&probe->memory[index * MESSAGE_LEN], MESSAGE_LEN,
				probe->mr->lkey};
}

static bool receive_post(struct rdmat_probe *probe)
{
	struct ibv_sge sge = piece(probe, 0);
	struct ibv_recv_wr wr = {.wr_id = WORK_RECEIVE, .sg_list = &sge, .num_sge = 1}, *bad;

	return !ibv_post_recv(probe->loopback.qp[1], &wr, &bad);
}

static bool bind_post(struct rdmat_probe *probe)
{
	struct ibv_send_wr wr = {
		.wr_id = WORK_BIND,
		.opcode = IBV_WR_BIND_MW,
		.send_flags = IBV_SEND_SIGNALED,
		.bind_mw = {.mw = probe->mw,
			    .rkey = probe->key,
			    .bind_info = {.mr = probe->mr,
					  .addr = (uintptr_t)probe->memory,
					  .length = WINDOW_LEN,
					  .mw_access_flags = IBV_ACCESS_REMOTE_WRITE}},
	};
	struct ibv_send_wr *bad;

	return !ibv_post_send(probe->loopback.qp[1], &wr, &bad);
}

static bool send_post(struct rdmat_probe *probe)
{
	struct ibv_sge sge = piece(probe, 1);
	struct ibv_send_wr wr = {
		.wr_id = WORK_SEND,
		.opcode = IBV_WR_SEND_WITH_INV,
		.send_flags = IBV_SEND_SIGNALED,
		.invalidate_rkey = probe->key,
		.sg_list = &sge,
		.num_sge = 1,
	};
	struct ibv_send_wr *bad;

	return !ibv_post_send(probe->loopback.qp[0], &wr, &bad);
}

/* ---- begin and end ---- */

/* The window goes before the queue pair that it is bound to, and the memory when no receive is on it. */
static void probe_free(struct rdmat_probe *probe)
{
	if (probe->mw)
		ibv_dealloc_mw(probe->mw);
	rdmat_loopback_disconnect(&probe->loopback);
	if (probe->mr)
		ibv_dereg_mr(probe->mr);
	rdmat_loopback_close(&probe->loopback);
	free(probe);
}

/* Return: NULL; what has failed. */
static const char *probe_start(struct rdmat_probe *probe, const struct rdma_cm_id *id)
{
	const char *why = rdmat_loopback_open(&probe->loopback, id);

	if (why)
		return why;
	if (!(probe->mr = ibv_reg_mr(probe->loopback.pd, probe->memory, sizeof(probe->memory),
				     IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND)))
		return "ibv_reg_mr failed";
	if (!(probe->mw = ibv_alloc_mw(probe->loopback.pd, IBV_MW_TYPE_2)))
		return "ibv_alloc_mw failed";
	probe->key = ibv_inc_rkey(probe->mw->rkey);
	if (!receive_post(probe))
		return "ibv_post_recv failed";
	return bind_post(probe) ? NULL : "a memory window cannot be bound";
}

static void verdict(struct rdmat *rdmat, struct rdmat_device *device, enum outcome outcome,
		    const char *why)
{
	const char *name = ibv_get_device_name(device->context->device);

	atomic_store(&device->invalidates, outcome != OUTCOME_FAILS);
	if (outcome == OUTCOME_FAILS)
		rdmat_log(rdmat, WRASSE_LOG_WARN,
			  "device %s: claims SEND with invalidate, and fails it (%s): responses "
			  "through it invalidate nothing",
			  name, why);
	else if (outcome == OUTCOME_WORKS)
		rdmat_log(rdmat, WRASSE_LOG_DEBUG, "device %s: SEND with invalidate works", name);
	else
		rdmat_log(rdmat, WRASSE_LOG_DEBUG,
			  "device %s: SEND with invalidate cannot be tried (%s): it is used, as "
			  "the device claims it",
			  name, why);
}

void rdmat_probe_begin(struct rdmat *rdmat, struct rdmat_device *device,
		       const struct rdma_cm_id *id)
{
	const unsigned windows = IBV_DEVICE_MEM_WINDOW_TYPE_2A | IBV_DEVICE_MEM_WINDOW_TYPE_2B;
	unsigned caps = device->attr.device_cap_flags;
	struct rdmat_probe *probe = NULL;
	const char *why = NULL;

	if (!(caps & IBV_DEVICE_MEM_MGT_EXTENSIONS))
		return;
	if (device->iwarp)
		why = "iWARP has no connection by hand";
	else if (!(caps & windows))
		why = "it has no memory windows of type 2";
	else if (!(probe = calloc(1, sizeof(*probe))))
		why = "out of memory";
	if (!why)
		why = probe_start(probe, id);
	if (why) {
		if (probe)
			probe_free(probe);
		verdict(rdmat, device, OUTCOME_UNKNOWN, why);
		return;
	}
	probe->deadline_ns = rdmat_now(rdmat) + RDMAT_PROBE_MS * RDMAT_NS_PER_MS;
	probe->why = "a memory window is not bound";
	device->probe = probe;
}

void rdmat_probe_stop(struct rdmat_device *device)
{
	if (device->probe)
		probe_free(device->probe);
	device->probe = NULL;
}

bool rdmat_probe_owns(const struct rdmat_device *device, const struct ibv_async_event *event)
{
	switch (event->event_type) {
	case IBV_EVENT_QP_FATAL:
	case IBV_EVENT_QP_REQ_ERR:
	case IBV_EVENT_QP_ACCESS_ERR:
		return device->probe && event->element.qp->pd == device->probe->loopback.pd;
	default:
		return false;
	}
}

/* ---- what is seen ---- */

static enum outcome ends(struct rdmat_probe *probe, enum outcome outcome, const char *why)
{
	probe->why = why;
	return outcome;
}

static enum outcome look(struct rdmat_probe *probe, const struct ibv_wc *wc, uint64_t now_ns)
{
	if (wc->status != IBV_WC_SUCCESS)
		return ends(probe, probe->bound ? OUTCOME_FAILS : OUTCOME_UNKNOWN,
			    ibv_wc_status_str(wc->status));
	switch (wc->wr_id) {
	case WORK_BIND:
		probe->bound = true;
		probe->deadline_ns = now_ns + RDMAT_PROBE_MS * RDMAT_NS_PER_MS;
		if (!send_post(probe))
			return ends(probe, OUTCOME_FAILS, "it cannot be posted");
		return ends(probe, OUTCOME_OPEN, "it is not answered");
	case WORK_RECEIVE:
		if (!(wc->wc_flags & WITH_INV))
			return ends(probe, OUTCOME_FAILS, "the receive does not tell of it");
		if (wc->invalidated_rkey != probe->key)
			return ends(probe, OUTCOME_FAILS, "the receive names another key");
		probe->received = true;
		break;
	default:
		probe->sent = true;
		break;
	}
	return probe->sent && probe->received ? OUTCOME_WORKS : OUTCOME_OPEN;
}

/* What came is looked at before the clock is: a program that polls seldom is no device that fails. */
static enum outcome look_at_all(struct rdmat_probe *probe, uint64_t now_ns, int *count)
{
	enum outcome outcome = OUTCOME_OPEN;
	struct ibv_wc wc[4];
	int taken = ibv_poll_cq(probe->loopback.cq, 4, wc);

	if (taken < 0)
		return ends(probe, OUTCOME_UNKNOWN, "ibv_poll_cq failed");
	for (int i = 0; i < taken && outcome == OUTCOME_OPEN; i++)
		outcome = look(probe, &wc[i], now_ns);
	*count = taken;
	if (outcome != OUTCOME_OPEN || taken || now_ns < probe->deadline_ns)
		return outcome;
	return probe->bound ? OUTCOME_FAILS : OUTCOME_UNKNOWN;
}

int rdmat_probe_poll(struct rdmat *rdmat, struct rdmat_device *device)
{
	struct rdmat_probe *probe = device->probe;
	enum outcome outcome;
	const char *why;
	int count = 0;

	if (!probe)
		return 0;
	outcome = look_at_all(probe, rdmat_now(rdmat), &count);
	if (outcome == OUTCOME_OPEN)
		return count;
	why = probe->why;
	if (outcome == OUTCOME_FAILS && !rdmat_loopback_is_up(&probe->loopback)) {
		outcome = OUTCOME_UNKNOWN;
		why = "its port went down";
	}
	rdmat_probe_stop(device);
	verdict(rdmat, device, outcome, why);
	return count + 1;
}
