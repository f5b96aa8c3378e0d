/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queue pairs that are connected by hand, without the connection manager: two of one process, to each other.
 */
#include "conformance.h"

#define RTR                                                                             \
	(IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | \
	 IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER)
#define RTS                                                                                    \
	(IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | \
	 IBV_QP_MAX_QP_RD_ATOMIC)

/* Where the identifier's own GID is in the table of its port; -1: nowhere. */
static int gid_index_of(const struct rdma_cm_id *id)
{
	struct ibv_port_attr port;
	struct ibv_gid_entry entry;

	must((errno = ibv_query_port(id->verbs, id->port_num, &port)));
	for (int i = 0; i < port.gid_tbl_len; i++)
		if (!ibv_query_gid_ex(id->verbs, id->port_num, (uint32_t)i, &entry, 0) &&
		    !memcmp(&entry.gid, &id->route.addr.addr.ibaddr.sgid, sizeof(entry.gid)))
			return i;
	return -1;
}

static int modify(struct side *s, struct ibv_qp_attr *attr, enum ibv_qp_state state, int mask)
{
	attr->qp_state = state;
	return ibv_modify_qp(s->qp, attr, IBV_QP_STATE | mask);
}

/* In INIT, and what comes next: loopback over the path of the side's own identifier. */
static struct ibv_qp_attr to_init(struct side *s, const struct side *peer)
{
	struct ibv_qp_attr attr = {
		.port_num = s->id->port_num,
		.qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE,
		.path_mtu = IBV_MTU_1024,
		.dest_qp_num = peer->qp->qp_num,
		.max_rd_atomic = 1,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.timeout = 14,
		.retry_cnt = 7,
		.rnr_retry = 7,
		.ah_attr = {.is_global = 1,
			    .port_num = s->id->port_num,
			    .grh = {.dgid = s->id->route.addr.addr.ibaddr.sgid,
				    .sgid_index = (uint8_t)gid_index_of(s->id),
				    .hop_limit = 64}},
	};

	must((errno = modify(s, &attr, IBV_QPS_RESET, 0)));
	must((errno = modify(s, &attr, IBV_QPS_INIT,
			     IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS)));
	return attr;
}

static void to_rts(struct side *s, const struct side *peer)
{
	struct ibv_qp_attr attr = to_init(s, peer);

	must((errno = modify(s, &attr, IBV_QPS_RTR, RTR)));
	must((errno = modify(s, &attr, IBV_QPS_RTS, RTS)));
}

/* Two sides that never connect: the identifiers only make the queue pairs. */
static struct pair *pair_apart(void)
{
	struct pair_options o;
	struct pair *p = pair_new();
	struct side *sides[] = {&p->client, &p->server};

	pair_options_init(&o);
	pair_listen(p, 4);
	for (unsigned i = 0; i < 2; i++) {
		side_resolve(sides[i], port_of(p->listener));
		side_equip(sides[i], &o.client);
	}
	return p;
}

struct pair *pair_by_hand(void)
{
	struct pair *p = pair_apart();

	to_rts(&p->client, &p->server);
	to_rts(&p->server, &p->client);
	return p;
}

static void two_queue_pairs_of_one_process_can_be_connected_by_hand(void)
{
	struct pair *p = pair_by_hand();

	fill(&p->client, 0, 64, 5);
	post_recv(&p->server, 100, 128, 64);
	post_send(&p->client, 1, 0, 64, IBV_SEND_SIGNALED);
	sent(&p->client, 1, IBV_WC_SUCCESS);
	equal(received(&p->server, 100, IBV_WC_SUCCESS).byte_len, 64);
	filled(&p->server, 128, 64, 5);
	/* The CM knows nothing of it. */
	cm_quiet(p->listen_events, 0);
	cm_quiet(p->server.events, QUIET_MS);
}

/* Ethernet has no path without a GID. */
static void a_path_without_a_gid_is_refused(void)
{
	struct pair *p = pair_apart();
	struct ibv_qp_attr attr = to_init(&p->client, &p->server);

	attr.ah_attr.is_global = 0;
	equal(modify(&p->client, &attr, IBV_QPS_RTR, RTR), EINVAL);
	equal(qp_state(&p->client), IBV_QPS_INIT);
}

static void a_path_from_a_gid_that_does_not_exist_is_refused(void)
{
	struct pair *p = pair_apart();
	struct ibv_qp_attr attr = to_init(&p->client, &p->server);

	attr.ah_attr.grh.sgid_index = 255;
	equal(modify(&p->client, &attr, IBV_QPS_RTR, RTR), ENODATA);
	equal(qp_state(&p->client), IBV_QPS_INIT);
	attr.ah_attr.grh.sgid_index = (uint8_t)gid_index_of(p->client.id);
	must((errno = modify(&p->client, &attr, IBV_QPS_RTR, RTR)));
}

/* So who listens can find the path that a connection came by. */
static void a_request_knows_its_port_and_a_gid_of_it(void)
{
	struct pair_options o;
	struct pair *p = pair_new();

	pair_options_init(&o);
	pair_ask(p, &o, NULL, 0);
	p->server.id = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST).id;
	equal(p->server.id->port_num, 1);
	check(gid_index_of(p->server.id) >= 0, "the port has no such GID");
}

const struct test hand_tests[] = {
	TEST(two_queue_pairs_of_one_process_can_be_connected_by_hand),
	TEST(a_path_without_a_gid_is_refused),
	TEST(a_path_from_a_gid_that_does_not_exist_is_refused),
	TEST(a_request_knows_its_port_and_a_gid_of_it),
	{0},
};
