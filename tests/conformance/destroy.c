/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What cannot be destroyed while something needs it, and what the device says of itself.
 */
#include "conformance.h"

static void a_domain_with_children_stays(void)
{
	struct pair *p = pair_up_default();

	equal(ibv_dealloc_pd(p->client.pd), EBUSY);
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 1, 0, 64, &p->server, 0);
	sent(&p->client, 1, IBV_WC_SUCCESS);
}

static void a_domain_with_memory_alone_stays(void)
{
	struct ibv_pd *pd = ibv_alloc_pd(device());
	static char mem[4096];
	struct ibv_mr *mr;

	must_have(pd);
	mr = ibv_reg_mr(pd, mem, sizeof(mem), IBV_ACCESS_LOCAL_WRITE);
	must_have(mr);
	equal(ibv_dealloc_pd(pd), EBUSY);
	equal(ibv_dereg_mr(mr), 0);
	equal(ibv_dealloc_pd(pd), 0);
}

static void a_completion_queue_with_a_queue_pair_stays(void)
{
	struct pair *p = pair_up_default();

	equal(ibv_destroy_cq(p->client.send_cq), EBUSY);
	equal(ibv_destroy_cq(p->client.recv_cq), EBUSY);
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 1, 0, 64, &p->server, 0);
	sent(&p->client, 1, IBV_WC_SUCCESS);
}

static void a_shared_receive_queue_with_a_queue_pair_stays(void)
{
	struct pair_options o;
	struct pair *p;

	pair_options_init(&o);
	o.server.srq_wrs = 8;
	p = pair_up(&o);
	equal(ibv_destroy_srq(p->server.srq), EBUSY);
	post_recv(&p->server, 100, 0, 64);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	received(&p->server, 100, IBV_WC_SUCCESS);
}

static void a_channel_with_a_completion_queue_stays(void)
{
	struct pair *p = pair_up_default();

	equal(ibv_destroy_comp_channel(p->client.channel), EBUSY);
	post_rdma(&p->client, IBV_WR_RDMA_WRITE, 1, 0, 64, &p->server, 0);
	sent(&p->client, 1, IBV_WC_SUCCESS);
}

static void a_connected_queue_pair_can_be_destroyed(void)
{
	struct pair *p = pair_up_default();

	post_recv(&p->client, 100, 0, 64);
	rdma_destroy_qp(p->client.id);
	p->client.qp = NULL;
	equal_ptr(p->client.id->qp, NULL);
	/* The connection outlives it. */
	cm_quiet(p->server.events, QUIET_MS);
	must(rdma_destroy_id(p->client.id));
	p->client.id = NULL;
	cm_want(p->server.events, RDMA_CM_EVENT_DISCONNECTED);
}

static void the_device_grants_what_was_asked(void)
{
	struct pair *p = pair_up_default();
	struct ibv_device_attr attr;

	must((errno = ibv_query_device(device(), &attr)));
	check(p->client.cap.max_send_wr >= 16 && p->client.cap.max_recv_wr >= 16 &&
		      p->client.cap.max_send_sge >= 4 && p->client.cap.max_recv_sge >= 4 &&
		      p->client.cap.max_inline_data >= 64,
	      "less than was asked for");
	check(p->client.send_cq->cqe >= 64, "the completion queue has %d", p->client.send_cq->cqe);
	check(attr.max_qp_wr >= 1024 && attr.max_sge >= 16 && attr.max_cqe >= 4096 &&
		      attr.max_qp_rd_atom >= 16 && attr.max_qp_init_rd_atom >= 16,
	      "the device says: qp_wr %d, sge %d, cqe %d, qp_rd_atom %d, qp_init_rd_atom %d",
	      attr.max_qp_wr, attr.max_sge, attr.max_cqe, attr.max_qp_rd_atom,
	      attr.max_qp_init_rd_atom);
	check(attr.max_srq > 0 && attr.max_mw > 0, "no shared receive queues or no windows");
	equal(attr.phys_port_cnt, 1);
}

static void more_than_the_device_has_is_refused(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct ibv_device_attr dev;
	struct ibv_qp_init_attr attr = {.qp_type = IBV_QPT_RC, .cap = {1, 1, 1, 1, 0}};

	pair_options_init(&o);
	must((errno = ibv_query_device(device(), &dev)));
	pair_listen(p, 1);
	side_resolve(&p->client, port_of(p->listener));
	side_equip(&p->client, &o.client);
	rdma_destroy_qp(p->client.id);
	p->client.qp = NULL;
	attr.send_cq = p->client.send_cq;
	attr.recv_cq = p->client.recv_cq;
	attr.cap.max_send_wr = (uint32_t)dev.max_qp_wr + 1;
	equal(rdma_create_qp(p->client.id, p->client.pd, &attr), -1);
	equal(errno, EINVAL);
	attr.cap.max_send_wr = 1;
	attr.cap.max_send_sge = (uint32_t)dev.max_sge + 1;
	equal(rdma_create_qp(p->client.id, p->client.pd, &attr), -1);
	equal(errno, EINVAL);
	attr.cap.max_send_sge = 1;
	attr.cap.max_inline_data = 1 << 20;
	equal(rdma_create_qp(p->client.id, p->client.pd, &attr), -1);
	equal(errno, EINVAL);
	check(!ibv_create_cq(device(), dev.max_cqe + 1, NULL, NULL, 0), "too many CQEs were taken");
	equal(errno, EINVAL);
}

static void the_port_says_what_it_is(void)
{
	struct ibv_port_attr attr;

	must((errno = ibv_query_port(device(), 1, &attr)));
	equal(attr.state, IBV_PORT_ACTIVE);
	equal(attr.link_layer, IBV_LINK_LAYER_ETHERNET);
	check(attr.active_mtu <= attr.max_mtu, "the MTU is over its maximum");
	equal(device()->device->transport_type, IBV_TRANSPORT_IB);
	equal(ibv_query_port(device(), 7, &attr), EINVAL);
}

const struct test destroy_tests[] = {
	TEST(a_domain_with_children_stays),
	TEST(a_domain_with_memory_alone_stays),
	TEST(a_completion_queue_with_a_queue_pair_stays),
	TEST(a_shared_receive_queue_with_a_queue_pair_stays),
	TEST(a_channel_with_a_completion_queue_stays),
	TEST(a_connected_queue_pair_can_be_destroyed),
	TEST(the_device_grants_what_was_asked),
	TEST(more_than_the_device_has_is_refused),
	TEST(the_port_says_what_it_is),
	{0},
};
