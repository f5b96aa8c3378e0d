/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device that does not exist: what a poll group makes on it, and connections that come.
 */
#include "fake_verbs.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool fake_fails(const char *function)
{
	if (!the_fake->fails || strcmp(the_fake->fails, function) != 0)
		return false;
	the_fake->fails = NULL;
	errno = the_fake->fails_with ? the_fake->fails_with : EIO;
	return true;
}

/* ---- devices ---- */

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
	return fake_fails(__func__) ? NULL : calloc(1, sizeof(struct ibv_pd));
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	free(pd);
	return 0;
}

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	*attr = the_fake->device.attr;
	return fake_fails(__func__) ? EIO : 0;
}

#undef ibv_query_port

int ibv_query_port(struct ibv_context *context, uint8_t port, struct _compat_ibv_port_attr *attr)
{
	((struct ibv_port_attr *)attr)->link_layer = the_fake->link_layer;
	return fake_fails(__func__) ? EIO : 0;
}

/* ---- completion queues ---- */

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *context)
{
	struct ibv_comp_channel *channel;

	if (fake_fails(__func__))
		return NULL;
	channel = calloc(1, sizeof(*channel));
	channel->context = context;
	channel->fd = fake_fails("fcntl") ? -1 : eventfd(0, EFD_CLOEXEC);
	return channel;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *channel)
{
	if (channel->fd >= 0)
		close(channel->fd);
	free(channel);
	return 0;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *context, int cqe, void *cq_context,
			     struct ibv_comp_channel *channel, int comp_vector)
{
	struct ibv_cq *cq;

	if (fake_fails(__func__))
		return NULL;
	cq = calloc(1, sizeof(*cq));
	cq->context = context;
	cq->cqe = cqe;
	the_fake->cqs_made++;
	return cq;
}

int ibv_destroy_cq(struct ibv_cq *cq)
{
	the_fake->cqs_destroyed++;
	free(cq);
	return 0;
}

int ibv_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq, void **cq_context)
{
	return -1;
}

static int poll_cq(struct ibv_cq *cq, int count, struct ibv_wc *wc)
{
	unsigned taken =
		(unsigned)count < the_fake->wc_count ? (unsigned)count : the_fake->wc_count;

	if (fake_fails("ibv_poll_cq"))
		return -1;
	memcpy(wc, the_fake->wc, taken * sizeof(*wc));
	the_fake->wc_count -= taken;
	memmove(the_fake->wc, &the_fake->wc[taken], the_fake->wc_count * sizeof(*wc));
	return (int)taken;
}

static int req_notify_cq(struct ibv_cq *cq, int solicited_only)
{
	return fake_fails("ibv_req_notify_cq") ? EIO : 0;
}

/* ---- shared receive queues ---- */

struct ibv_srq *ibv_create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *attr)
{
	struct ibv_srq *srq;

	if (fake_fails(__func__))
		return NULL;
	srq = calloc(1, sizeof(*srq));
	srq->context = &the_fake->context;
	return srq;
}

int ibv_destroy_srq(struct ibv_srq *srq)
{
	free(srq);
	return fake_fails(__func__) ? EBUSY : 0;
}

static int post_srq_recv(struct ibv_srq *srq, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	return fake_post_recv(wr, bad);
}

void fake_device_init(struct fake *fake)
{
	fake->context.ops.poll_cq = poll_cq;
	fake->context.ops.req_notify_cq = req_notify_cq;
	fake->context.ops.post_srq_recv = post_srq_recv;
}

void fake_set_device(struct rdmat_qp *qp, struct rdmat_group_device *device)
{
	qp->device->buckets[qp->qpn % RDMAT_QP_BUCKETS] = NULL;
	device->buckets[qp->qpn % RDMAT_QP_BUCKETS] = qp;
	qp->device = device;
}

struct rdmat_group_device *fake_open(struct fake *fake)
{
	struct rdmat_group_device *device = rdmat_group_device_get(fake->group, &fake->device);

	assert_non_null(device);
	fake_set_device(fake->qp, device);
	return device;
}

/* ---- connections ---- */

struct rdma_event_channel *rdma_create_event_channel(void)
{
	struct rdma_event_channel *channel;

	if (fake_fails(__func__))
		return NULL;
	channel = calloc(1, sizeof(*channel));
	channel->fd = eventfd(0, EFD_CLOEXEC);
	the_fake->channels++;
	return channel;
}

void rdma_destroy_event_channel(struct rdma_event_channel *channel)
{
	the_fake->channels--;
	close(channel->fd);
	free(channel);
}

int rdma_get_cm_event(struct rdma_event_channel *channel, struct rdma_cm_event **event)
{
	errno = EAGAIN;
	if (the_fake->events_taken == the_fake->event_count)
		return -1;
	*event = &the_fake->events[the_fake->events_taken++];
	return 0;
}

int rdma_ack_cm_event(struct rdma_cm_event *event)
{
	the_fake->events_acked++;
	return 0;
}

int rdma_set_option(struct rdma_cm_id *id, int level, int name, void *value, size_t len)
{
	assert_int_equal(level, RDMA_OPTION_ID);
	assert_in_range(name, 0, 15);
	the_fake->option[name] = len == 1 ? *(uint8_t *)value : *(int *)value;
	return 0;
}

int rdma_create_id(struct rdma_event_channel *channel, struct rdma_cm_id **id, void *context,
		   enum rdma_port_space ps)
{
	if (fake_fails(__func__))
		return -1;
	assert_int_equal(ps, RDMA_PS_TCP);
	*id = calloc(1, sizeof(**id));
	(*id)->context = context;
	(*id)->ps = ps;
	the_fake->listeners++;
	return 0;
}

int rdma_bind_addr(struct rdma_cm_id *id, struct sockaddr *addr)
{
	return fake_fails(__func__) ? -1 : 0;
}

int rdma_listen(struct rdma_cm_id *id, int backlog)
{
	the_fake->backlog = backlog;
	return fake_fails(__func__) ? -1 : 0;
}

int rdma_migrate_id(struct rdma_cm_id *id, struct rdma_event_channel *channel)
{
	assert_ptr_equal(id, &the_fake->coming.id);
	id->channel = channel;
	return fake_fails(__func__) ? -1 : 0;
}

int rdma_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	assert_ptr_equal(id, &the_fake->coming.id);
	if (fake_fails(__func__))
		return -1;
	the_fake->coming.asked = *attr;
	id->qp = &the_fake->coming.ibv_qp;
	id->qp->qp_num = 18;
	return 0;
}

int rdma_accept(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	assert_ptr_equal(id, &the_fake->coming.id);
	if (fake_fails(__func__))
		return -1;
	the_fake->coming.accepted++;
	return 0;
}

int rdma_reject(struct rdma_cm_id *id, const void *private_data, uint8_t private_data_len)
{
	assert_ptr_equal(id, &the_fake->coming.id);
	the_fake->coming.rejected++;
	return 0;
}

struct rdmat_qp *fake_connect(struct fake *fake, uint16_t qid, uint32_t depth)
{
	struct rdmat_new_conn *conn = calloc(1, sizeof(*conn));

	memset(&fake->coming.id, 0, sizeof(fake->coming.id));
	conn->id = &fake->coming.id;
	conn->device = &fake->device;
	conn->request.qid = qid;
	conn->read_depth = FAKE_READS;
	conn->tos = fake->coming.tos;
	conn->ack_timeout = fake->coming.ack_timeout;
	conn->nvme.qid = qid;
	conn->nvme.depth = depth;
	strcpy(conn->nvme.peer, "192.0.2.2");
	atomic_fetch_add(&fake->group->load[qid == 0], 1);
	rdmat_qp_connect(fake->group, &conn->msg);
	return fake->coming.id.context;
}
