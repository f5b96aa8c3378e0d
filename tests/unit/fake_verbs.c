/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device that does not exist.
 */
#include "fake_verbs.h"
#include "transport/resources.h"

#include <errno.h>

#include "pool/panic.h"

struct fake *the_fake;

/* ---- in the place of libibverbs and librdmacm ---- */

#undef ibv_reg_mr

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access);

static struct ibv_mr *mr_make(void *addr, size_t length)
{
	struct ibv_mr *mr;

	if (fake_fails("ibv_reg_mr"))
		return NULL;
	mr = calloc(1, sizeof(*mr));
	mr->addr = addr;
	mr->length = length;
	mr->lkey = 0x55;
	return mr;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	return mr_make(addr, length);
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access)
{
	return mr_make(addr, length);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	free(mr);
	return 0;
}

int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int attr_mask)
{
	if (attr_mask == IBV_QP_MIN_RNR_TIMER) {
		assert_ptr_equal(qp, &the_fake->coming.ibv_qp);
		return fake_fails(__func__) ? -1 : 0;
	}
	assert_int_equal(attr_mask, IBV_QP_STATE);
	assert_int_equal(attr->qp_state, IBV_QPS_ERR);
	if (qp != &the_fake->coming.ibv_qp) {
		assert_ptr_equal(qp, &the_fake->ibv_qp);
		the_fake->errored++;
	}
	return 0;
}

/* Whether it is the connection that came, or else the fixture's. */
static bool is_coming(const struct rdma_cm_id *id)
{
	if (id == &the_fake->coming.id)
		return true;
	assert_ptr_equal(id, &the_fake->id);
	return false;
}

int rdma_disconnect(struct rdma_cm_id *id)
{
	is_coming(id);
	return 0;
}

void rdma_destroy_qp(struct rdma_cm_id *id)
{
	if (is_coming(id))
		the_fake->coming.destroyed++;
	else
		the_fake->destroyed++;
}

int rdma_destroy_id(struct rdma_cm_id *id)
{
	if (id->ps == RDMA_PS_TCP) {
		the_fake->listeners--;
		free(id);
		return 0;
	}
	if (is_coming(id))
		the_fake->coming.ids_destroyed++;
	else
		the_fake->ids_destroyed++;
	return 0;
}

static int post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	assert_ptr_equal(qp, &the_fake->ibv_qp);
	the_fake->post_calls++;
	the_fake->recv_posted_before = the_fake->recv_posted;
	for (int i = 0; wr; wr = wr->next, i++) {
		if (i == the_fake->post_fail_at) {
			*bad = wr;
			return ENOMEM;
		}
		assert_true(the_fake->posted_count < 256);
		the_fake->posted[the_fake->posted_count++] = wr;
	}
	return 0;
}

int fake_post_recv(struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	for (int i = 0; wr; wr = wr->next, i++) {
		if (i == the_fake->recv_fail_at) {
			*bad = wr;
			return ENOMEM;
		}
		the_fake->recv_posted++;
	}
	return 0;
}

static int post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	if (qp != &the_fake->coming.ibv_qp)
		assert_ptr_equal(qp, &the_fake->ibv_qp);
	return fake_post_recv(wr, bad);
}

/* ---- the fixture ---- */

static uint64_t fake_clock(void *ctx)
{
	struct fake *fake = ctx;

	return fake->now_ns;
}

static void fake_rdmat(struct fake *fake)
{
	struct rdmat *rdmat = &fake->rdmat;

	pthread_mutex_init(&rdmat->lock, NULL);
	fake->now_ns = 1000 * RDMAT_NS_PER_MS;
	rdmat->opts.clock = fake_clock;
	rdmat->opts.clock_ctx = fake;
	rdmat->opts.connect_timeout_ms = 10000;
	rdmat->opts.flush_timeout_ms = 2000;
	rdmat->limits = (struct nvme_limits){
		.max_queue_depth = 128,
		.max_admin_depth = 32,
		.max_io_queues = 4,
		.max_data_len = 1 << 20,
		.icd_len = 4096,
		.admin_icd_len = 1024,
		.group_count = 1,
	};
	rdmat->wake_fd = -1;
	rdmat->epoll_fd = -1;
	assert_int_equal(nvme_registry_create(&rdmat->limits, &rdmat->registry), 0);
}

static void fake_group(struct fake *fake)
{
	struct wrasse_poll_group_opts opts = {
		.io_requests = FAKE_REQUESTS,
		.admin_requests = FAKE_REQUESTS,
		.wrs = FAKE_WRS,
		.small_buffers = FAKE_SMALL,
		.large_buffers = FAKE_LARGE,
		.io_slots = FAKE_SLOTS,
		.admin_slots = FAKE_SLOTS,
		.poll_budget = 64,
		.numa_node = -1,
	};

	assert_int_equal(rdmat_group_create(&fake->rdmat, &opts, 0, &fake->group), 0);
	atomic_store(&fake->group->attention, false);
	pool_payload_slab(fake->group->small)->lkey[0] = 0x51;
	pool_payload_slab(fake->group->large)->lkey[0] = 0x1a;
	fake->device.context = &fake->context;
	fake->device.numa_node = -1;
	fake->device.attr.max_cqe = 4096;
	fake->group_device.group = fake->group;
	fake->group_device.device = &fake->device;
	strcpy(fake->ibv_device.name, "fake0");
	fake->context.device = &fake->ibv_device;
	fake->context.ops.post_send = post_send;
	fake->context.ops.post_recv = post_recv;
	fake->ibv_qp.context = &fake->context;
	fake->coming.ibv_qp.context = &fake->context;
}

static void fake_qp(struct fake *fake)
{
	const struct nvme_conn conn = {.qid = 1, .depth = FAKE_REQUESTS, .peer = "192.0.2.1"};
	struct rdmat_qp *qp = calloc(1, sizeof(*qp));

	for (unsigned i = 0; i < RDMAT_REQUEST_STATE_COUNT; i++)
		pool_list_init(&qp->lists[i]);
	qp->retry_tail = &qp->retry;
	qp->group = fake->group;
	qp->device = &fake->group_device;
	qp->class = &fake->group->classes[0];
	qp->id = &fake->id;
	qp->qp = &fake->ibv_qp;
	qp->qpn = 17;
	qp->state = RDMAT_QP_ACTIVE;
	qp->sq_free = FAKE_SQ_DEPTH;
	qp->sq_part = FAKE_SQ_DEPTH;
	qp->sq_signal_at = FAKE_SQ_DEPTH;
	qp->reads_free = FAKE_READS;
	qp->max_sge = 2;
	qp->response_lkey = qp->class->slab.lkey[0];
	qp->small_lkey = pool_payload_slab(fake->group->small)->lkey[0];
	qp->large_lkey = pool_payload_slab(fake->group->large)->lkey[0];
	nvme_queue_init(&qp->nvme, fake->rdmat.registry, &fake->rdmat.limits, &conn);
	qp->nvme.state = NVME_QUEUE_CONNECTED;
	qp->nvme.on = NVME_ON_IO;
	assert_int_equal(rdmat_rx_create(fake->group, qp->class, &fake->device, FAKE_SLOTS, false,
					 &qp->rx),
			 0);
	qp->rx->qp = qp->qp;
	fake->rx = qp->rx;
	fake->qp = qp;
	atomic_fetch_add(&fake->group->load[qp->class->admin], 1);
	rdmat_group_qp_add(fake->group, qp);
}

void fake_init(struct fake *fake)
{
	memset(fake, 0, sizeof(*fake));
	the_fake = fake;
	fake->post_fail_at = -1;
	fake->recv_fail_at = -1;
	memset(fake->option, -1, sizeof(fake->option));
	fake->link_layer = IBV_LINK_LAYER_ETHERNET;
	fake_rdmat(fake);
	fake_device_init(fake);
	fake_group(fake);
	fake_qp(fake);
}

static void reap(struct fake *fake, struct rdmat_qp *qp)
{
	struct rdmat_group_device *device = qp->device;
	bool gone = false;

	for (unsigned i = 0; !gone; i++) {
		assert_in_range(i, 0, 4);
		fake->now_ns += 3000 * RDMAT_NS_PER_MS;
		fake->group->now_ns = 0;
		gone = rdmat_qp_reap(qp);
		device->sweeps++;
	}
}

void fake_end(struct fake *fake, struct rdmat_qp *qp)
{
	rdmat_qp_disconnect(qp, NULL);
	reap(fake, qp);
	assert_int_equal(fake->coming.destroyed, 1);
	assert_int_equal(fake->coming.ids_destroyed, 1);
}

void fake_reap(struct fake *fake)
{
	reap(fake, fake->qp);
	fake_expect_gone(fake);
}

void fake_expect_gone(struct fake *fake)
{
	fake->qp = NULL;
	fake->rx = NULL;
	assert_int_equal(fake->destroyed, 1);
	assert_int_equal(fake->ids_destroyed, 1);
	assert_int_equal(fake->errored, 1);
	assert_true(pool_list_is_empty(&fake->group->dying));
	assert_int_equal(atomic_load(&fake->group->load[0]), 0);
}

void fake_expect_balance(struct fake *fake)
{
	struct wrasse_poll_group *group = fake->group;
	struct wrasse_pool_line lines[16];
	unsigned count = wrasse_poll_group_get_pools(group, lines, 16);

	for (unsigned i = 0; i < count; i++)
		if (lines[i].free != lines[i].capacity)
			fail_msg("%s: %u of %u are back", lines[i].name, (unsigned)lines[i].free,
				 (unsigned)lines[i].capacity);
	pool_check(group->wr_pool);
	pool_check(group->small);
	pool_check(group->large);
	if (!fake->qp)
		return;
	assert_int_equal(fake->qp->requests_out, 0);
	assert_int_equal(fake->qp->sq_free, FAKE_SQ_DEPTH);
	assert_int_equal(fake->qp->reads_free, FAKE_READS);
	assert_null(fake->qp->sq_oldest);
	assert_null(fake->qp->sq_newest);
	assert_null(fake->qp->sq_unposted);
}

void fake_fini(struct fake *fake)
{
	if (fake->qp) {
		rdmat_qp_disconnect(fake->qp, NULL);
		fake_reap(fake);
	}
	fake_expect_balance(fake);
	assert_false(rdmat_group_is_busy(fake->group));
	rdmat_group_destroy(fake->group);
	nvme_registry_destroy(fake->rdmat.registry);
	pthread_mutex_destroy(&fake->rdmat.lock);
}

static enum nvme_next fake_execute(struct nvme_request *request, uint64_t now_ns,
				   struct nvme_actions *actions)
{
	the_fake->executed++;
	return nvme_succeed(request, 0);
}

struct rdmat_slot *fake_posted_slot(struct fake *fake)
{
	struct rdmat_slot *slot = NULL;

	assert_int_equal(rdmat_rx_post(fake->rx), 0);
	for (uint32_t i = 0; i < fake->rx->slot_count && !slot; i++)
		if (fake->rx->slots[i].state == RDMAT_SLOT_POSTED)
			slot = &fake->rx->slots[i];
	assert_non_null(slot);
	memset(slot->capsule, 0, sizeof(struct nvme_cmd));
	return slot;
}

struct rdmat_slot *fake_slot(struct fake *fake)
{
	struct rdmat_slot *slot = fake_posted_slot(fake);

	rdmat_rx_taken(slot);
	return slot;
}

struct rdmat_request *fake_request(struct fake *fake)
{
	static const struct nvme_op op = {
		.name = "fake", .on = NVME_ON_IO, .execute = fake_execute};
	struct rdmat_slot *slot = fake_slot(fake);
	struct rdmat_request *request = rdmat_request_take(fake->qp, slot);

	fake->qp->outstanding++;
	memset(&request->nvme.cmd, 0, sizeof(request->nvme.cmd));
	memset(&request->nvme.data, 0, sizeof(request->nvme.data));
	request->nvme.op = &op;
	request->nvme.cmd.opcode = 0x7e;
	return request;
}

void fake_data(struct rdmat_request *request, enum nvme_xfer xfer, uint32_t descs,
	       uint32_t desc_len)
{
	static const struct nvme_op op = {.name = "any"};
	struct nvme_data *data = &request->nvme.data;

	if (!request->nvme.op)
		request->nvme.op = &op;
	memset(data, 0, sizeof(*data));
	data->xfer = xfer;
	data->desc_count = descs;
	data->len = descs * desc_len;
	for (uint32_t i = 0; i < descs; i++)
		data->desc[i] = (struct nvme_keyed){0x1000000ull * (i + 1), desc_len, 0x900 + i};
}

bool fake_take_small(struct rdmat_request *request)
{
	static int other;
	struct pool *large = request->class->group->large;
	struct pool_item *hog = pool_take(large, FAKE_LARGE / 2, 0, &other);
	bool taken = rdmat_request_take_resources(request);

	pool_give(large, hog);
	return taken;
}

uint32_t fake_holds(const struct rdmat_request *request)
{
	uint32_t noted =
		(request->slot ? RDMAT_HOLD_SLOT : 0u) |
		(request->buffers || request->scratch || request->nvme.lender ? RDMAT_HOLD_BUFFERS :
										0u) |
		(request->first || request->chain ? RDMAT_HOLD_CHAIN : 0u);

	assert_int_equal(request->holds, noted);
	return noted | (request->sq_out ? RDMAT_HOLD_SQ : 0u) |
	       (request->reads_out ? RDMAT_HOLD_READS : 0u) |
	       (request->backend ? RDMAT_HOLD_BACKEND : 0u) |
	       (request->nvme.turn ? RDMAT_HOLD_TURN : 0u);
}

unsigned fake_count(const struct fake *fake, enum rdmat_request_state state)
{
	const struct rdmat_request *request;
	unsigned count = 0;

	rdmat_request_for_each(request, fake->qp->class)
		count += request->qp == fake->qp && request->state == state;
	return count;
}

void fake_complete(struct fake *fake)
{
	struct ibv_send_wr *wr;

	if (!fake->posted_count)
		return;
	wr = fake->posted[fake->posted_count - 1];
	fake->posted_count = 0;
	rdmat_sendq_retire(fake->qp, pool_container(wr, struct rdmat_wr, wr));
}
