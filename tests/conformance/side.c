/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two sides of a connection: what each consists of, and the steps from an address to a connection.
 *
 * pair_up() takes all the steps; the tests of the connection manager take them one by one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "conformance.h"

static struct rdma_event_channel *device_events;
static struct rdma_cm_id *device_id;

static void unblock(int fd)
{
	must(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
}

struct ibv_context *device(void)
{
	return device_id->verbs;
}

/* Holds the device for the whole run, so that each test finds the same context. */
void device_open(void)
{
	struct sockaddr_in sin;

	device_events = rdma_create_event_channel();
	if (!device_events || rdma_create_id(device_events, &device_id, NULL, RDMA_PS_TCP) ||
	    rdma_bind_addr(device_id, address(0, &sin)) || !device_id->verbs ||
	    fcntl(device()->async_fd, F_SETFL, fcntl(device()->async_fd, F_GETFL) | O_NONBLOCK)) {
		perror("wrasse-conformance: no device has the address");
		exit(2);
	}
}

struct sockaddr *address(uint16_t port_be, struct sockaddr_in *sin)
{
	*sin = options.addr;
	sin->sin_port = port_be;
	return (struct sockaddr *)sin;
}

static void channel_undo(void *arg)
{
	rdma_destroy_event_channel(arg);
}

/* Non-blocking; destroyed when the test ends. */
struct rdma_event_channel *channel_new(void)
{
	struct rdma_event_channel *events = rdma_create_event_channel();

	must_have(events);
	undo(channel_undo, events);
	unblock(events->fd);
	return events;
}

void pair_options_init(struct pair_options *o)
{
	struct side_options side = {
		.send_wrs = 16,
		.recv_wrs = 16,
		.send_sges = 4,
		.recv_sges = 4,
		.inline_data = 64,
		.reads_in = 4,
		.reads_out = 4,
		.retry_count = 7,
		.rnr_retry = 7,
	};

	o->client = side;
	o->server = side;
}

/* The next two free what is there, and are safe to call again. */
void side_fini(struct side *s)
{
	if (s->id && s->id->qp)
		rdma_destroy_qp(s->id);
	else if (s->qp)
		ibv_destroy_qp(s->qp);
	s->qp = NULL;
	if (s->srq && !s->lent_srq)
		ibv_destroy_srq(s->srq);
	s->srq = NULL;
	if (s->send_cq)
		must((errno = ibv_destroy_cq(s->send_cq)));
	s->send_cq = NULL;
	if (s->recv_cq && !s->lent_recv_cq)
		must((errno = ibv_destroy_cq(s->recv_cq)));
	s->recv_cq = NULL;
	if (s->channel)
		must((errno = ibv_destroy_comp_channel(s->channel)));
	s->channel = NULL;
	if (s->mr)
		must((errno = ibv_dereg_mr(s->mr)));
	s->mr = NULL;
	if (s->mem)
		munmap(s->mem, MEM_LEN);
	s->mem = NULL;
	if (s->pd && !s->lent_pd)
		must((errno = ibv_dealloc_pd(s->pd)));
	s->pd = NULL;
	if (s->id)
		must(rdma_destroy_id(s->id));
	s->id = NULL;
}

static void pair_undo(void *arg)
{
	struct pair *p = arg;

	if (p->listener)
		rdma_destroy_id(p->listener);
	p->listener = NULL;
	side_fini(&p->client);
	side_fini(&p->server);
	free(p);
}

/* Each side has an event channel of its own, the listener a third. */
struct pair *pair_new(void)
{
	struct rdma_event_channel *listen_events = channel_new();
	struct rdma_event_channel *client_events = channel_new();
	struct rdma_event_channel *server_events = channel_new();
	struct pair *p = calloc(1, sizeof(*p));

	must_have(p);
	p->listen_events = listen_events;
	p->client.events = client_events;
	p->server.events = server_events;
	p->client.name = "client";
	p->server.name = "server";
	undo(pair_undo, p);
	return p;
}

uint16_t port_of(struct rdma_cm_id *id)
{
	uint16_t port_be = rdma_get_src_port(id);

	check(port_be, "the identifier has no port");
	return port_be;
}

void pair_listen(struct pair *p, int backlog)
{
	struct sockaddr_in sin;

	must(rdma_create_id(p->listen_events, &p->listener, p, RDMA_PS_TCP));
	must(rdma_bind_addr(p->listener, address(0, &sin)));
	must(rdma_listen(p->listener, backlog));
}

void side_resolve(struct side *s, uint16_t port_be)
{
	struct sockaddr_in sin;

	must(rdma_create_id(s->events, &s->id, s, RDMA_PS_TCP));
	must(rdma_resolve_addr(s->id, NULL, address(port_be, &sin), 2000));
	cm_want(s->events, RDMA_CM_EVENT_ADDR_RESOLVED);
	must(rdma_resolve_route(s->id, 2000));
	cm_want(s->events, RDMA_CM_EVENT_ROUTE_RESOLVED);
}

static struct ibv_srq *srq_of(struct side *s, const struct side_options *o)
{
	struct ibv_srq_init_attr attr = {.attr = {.max_wr = o->srq_wrs, .max_sge = 1}};

	s->lent_srq = o->srq;
	if (o->srq || !o->srq_wrs)
		return o->srq;
	s->srq = ibv_create_srq(s->pd, &attr);
	must_have(s->srq);
	return s->srq;
}

void side_qp(struct side *s, const struct side_options *o)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = o->sq_sig_all,
		.send_cq = s->send_cq,
		.recv_cq = s->recv_cq,
		.srq = s->srq,
		.cap = {.max_send_wr = o->send_wrs,
			.max_recv_wr = s->srq ? 0 : o->recv_wrs,
			.max_send_sge = o->send_sges,
			.max_recv_sge = s->srq ? 0 : o->recv_sges,
			.max_inline_data = o->inline_data},
	};

	if (o->ack_timeout)
		must(rdma_set_option(s->id, RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT,
				     (void *)(uintptr_t)&o->ack_timeout, sizeof(o->ack_timeout)));
	must(rdma_create_qp(s->id, s->pd, &attr));
	s->qp = s->id->qp;
	s->cap = attr.cap;
}

/* All that a side needs besides its identifier: memory, queues, a queue pair. */
void side_equip(struct side *s, const struct side_options *o)
{
	const int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
			   IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_MW_BIND;
	struct ibv_context *context = s->id->verbs;

	equal_ptr(context, device());
	s->lent_pd = o->pd;
	s->pd = o->pd ? o->pd : ibv_alloc_pd(context);
	must_have(s->pd);
	s->mem = mmap(NULL, MEM_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must_have(s->mem != MAP_FAILED);
	s->mr = ibv_reg_mr(s->pd, s->mem, MEM_LEN, access);
	must_have(s->mr);
	s->channel = ibv_create_comp_channel(context);
	must_have(s->channel);
	unblock(s->channel->fd);
	s->send_cq = ibv_create_cq(context, 64, s, s->channel, 0);
	must_have(s->send_cq);
	s->lent_recv_cq = o->recv_cq;
	s->recv_cq = o->recv_cq ? o->recv_cq : ibv_create_cq(context, 64, s, s->channel, 0);
	must_have(s->recv_cq);
	s->srq = srq_of(s, o);
	side_qp(s, o);
}

static struct rdma_conn_param conn_of(const struct side_options *o, const void *data, uint8_t len)
{
	return (struct rdma_conn_param){
		.private_data = data,
		.private_data_len = len,
		.responder_resources = o->reads_in,
		.initiator_depth = o->reads_out,
		.flow_control = 1,
		.retry_count = o->retry_count,
		.rnr_retry_count = o->rnr_retry,
	};
}

void side_connect(struct side *s, const struct side_options *o, const void *data, uint8_t len)
{
	struct rdma_conn_param conn = conn_of(o, data, len);

	must(rdma_connect(s->id, &conn));
}

void side_accept(struct side *s, const struct side_options *o, const void *data, uint8_t len)
{
	struct rdma_conn_param conn = conn_of(o, data, len);

	must(rdma_accept(s->id, &conn));
}

/* Up to the request, which the caller takes from the listener's channel. */
void pair_ask(struct pair *p, const struct pair_options *o, const void *data, uint8_t len)
{
	if (!p->listener)
		pair_listen(p, 4);
	side_resolve(&p->client, port_of(p->listener));
	side_equip(&p->client, &o->client);
	side_connect(&p->client, &o->client, data, len);
}

/* From the request to the accept. */
void pair_answer(struct pair *p, const struct pair_options *o)
{
	struct cm_seen seen = cm_want(p->listen_events, RDMA_CM_EVENT_CONNECT_REQUEST);

	p->server.id = seen.id;
	must(rdma_migrate_id(p->server.id, p->server.events));
	side_equip(&p->server, &o->server);
	side_accept(&p->server, &o->server, NULL, 0);
}

struct pair *pair_up(const struct pair_options *o)
{
	struct pair *p = pair_new();

	pair_ask(p, o, NULL, 0);
	pair_answer(p, o);
	cm_want(p->client.events, RDMA_CM_EVENT_ESTABLISHED);
	cm_want(p->server.events, RDMA_CM_EVENT_ESTABLISHED);
	return p;
}

struct pair *pair_up_default(void)
{
	struct pair_options o;

	pair_options_init(&o);
	return pair_up(&o);
}
