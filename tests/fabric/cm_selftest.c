/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the fabric's librdmacm: how they begin and end. The tests are in cm_selftest_course.c (what
 * goes well, in chosen order), cm_selftest_fault.c (losses, removals, calls that fail) and
 * cm_selftest_misuse.c.
 */
#include "cm_selftest.h"

#include <arpa/inet.h>
#include <setjmp.h>

struct side target, host;
static jmp_buf misuse_at;
static bool misuse_wanted;
static char misuse_line[512];

void fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", file, line, what, errno);
	for (unsigned i = 0; i < fabric_ready(); i++) {
		struct fabric_action action;

		fabric_describe(i, &action);
		fprintf(stderr, "  ready: %s of %s\n", action.what, action.device);
	}
	abort();
}

static void on_misuse(void *ctx, const char *line)
{
	(void)ctx;
	snprintf(misuse_line, sizeof(misuse_line), "%s", line);
	if (misuse_wanted)
		longjmp(misuse_at, 1);
	fail(__FILE__, __LINE__, misuse_line);
}

void misused(void (*fn)(void), const char *words)
{
	misuse_wanted = true;
	if (!setjmp(misuse_at)) {
		fn();
		fail(__FILE__, __LINE__, words);
	}
	misuse_wanted = false;
	if (!strstr(misuse_line, words))
		fail(__FILE__, __LINE__, misuse_line);
}

/* ---- choosing ---- */

static int find(const char *what)
{
	struct fabric_action action;

	for (unsigned i = 0; i < fabric_ready(); i++) {
		fabric_describe(i, &action);
		if (!strcmp(action.what, what))
			return (int)i;
	}
	return -1;
}

bool can(const char *what)
{
	return find(what) >= 0;
}

void step(const char *what)
{
	if (!can(what))
		fail(__FILE__, __LINE__, what);
	fabric_step((unsigned)find(what));
}

void drop(const char *what)
{
	if (!can(what))
		fail(__FILE__, __LINE__, what);
	fabric_drop((unsigned)find(what));
}

void settle(void)
{
	while (fabric_ready())
		fabric_step(0);
}

void pass(uint64_t ns)
{
	uint64_t until = fabric_now_ns() + ns;

	while (fabric_next_due() <= until) {
		fabric_advance(fabric_next_due() - fabric_now_ns());
		settle();
	}
}

/* ---- events ---- */

struct rdma_cm_event took(struct side *side, enum rdma_cm_event_type type, int status)
{
	static uint8_t data[256];
	struct rdma_cm_event *event, copy;

	check(!rdma_get_cm_event(side->channel, &event));
	copy = *event;
	if (event->param.conn.private_data_len) {
		memcpy(data, event->param.conn.private_data, event->param.conn.private_data_len);
		copy.param.conn.private_data = data;
	}
	if (copy.event != type || copy.status != status)
		fprintf(stderr, "%s (%d) came\n", rdma_event_str(copy.event), copy.status);
	check(copy.event == type);
	check(copy.status == status);
	check(!rdma_ack_cm_event(event));
	return copy;
}

void nothing(struct side *side)
{
	struct rdma_cm_event *event;

	check(rdma_get_cm_event(side->channel, &event) == -1);
	check(errno == EAGAIN);
}

/* ---- sides ---- */

static struct sockaddr *address(const char *text, uint16_t port)
{
	static struct sockaddr_in in;

	in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	check(inet_pton(AF_INET, text, &in.sin_addr) == 1);
	return (struct sockaddr *)&in;
}

static void host_route(void)
{
	check(!rdma_create_id(host.channel, &host.id, &host, RDMA_PS_TCP));
	check(!rdma_resolve_addr(host.id, NULL, address("10.0.0.1", 4420), 1000));
	nothing(&host);
	step("address resolved");
	took(&host, RDMA_CM_EVENT_ADDR_RESOLVED, 0);
	check(host.id->verbs && host.id->pd && host.id->port_num == 1);
	check(!rdma_resolve_route(host.id, 1000));
	step("route resolved");
	took(&host, RDMA_CM_EVENT_ROUTE_RESOLVED, 0);
	check(host.id->route.num_paths == 1 && host.id->route.path_rec);
}

void begin(void)
{
	const struct fabric_device t0 = {.name = "t0", .address = "10.0.0.1"};
	const struct fabric_device h0 = {.name = "h0", .address = "10.0.0.2"};

	fabric_init(FABRIC_SIMULATED);
	fabric_set_strict(true);
	fabric_device_add(&t0);
	fabric_device_add(&h0);
	memset(&target, 0, sizeof(target));
	memset(&host, 0, sizeof(host));
	check((target.channel = rdma_create_event_channel()));
	check((host.channel = rdma_create_event_channel()));
	check(!rdma_create_id(target.channel, &target.listener, &target, RDMA_PS_TCP));
	check(!rdma_bind_addr(target.listener, address("10.0.0.1", 4420)));
	check(!rdma_listen(target.listener, 2));
	host_route();
}

static void side_end(struct side *side)
{
	if (side->id && side->id->qp)
		drop_qp(side);
	if (side->id)
		check(!rdma_destroy_id(side->id));
	if (side->listener)
		check(!rdma_destroy_id(side->listener));
	if (side->channel)
		rdma_destroy_event_channel(side->channel);
	memset(side, 0, sizeof(*side));
}

void end(void)
{
	char names[200];

	side_end(&host);
	side_end(&target);
	settle();
	check(fabric_next_due() == UINT64_MAX);
	if (fabric_leftovers(names, sizeof(names)))
		fail(__FILE__, __LINE__, names);
}

void make_qp(struct side *side)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1},
	};

	check((side->cq = ibv_create_cq(side->id->verbs, 16, NULL, NULL, 0)));
	attr.send_cq = side->cq;
	attr.recv_cq = side->cq;
	check(!rdma_create_qp(side->id, NULL, &attr));
	check(state_of(side) == IBV_QPS_INIT);
}

void drop_qp(struct side *side)
{
	rdma_destroy_qp(side->id);
	check(!ibv_destroy_cq(side->cq));
	side->cq = NULL;
}

enum ibv_qp_state state_of(const struct side *side)
{
	return side->id->qp->state;
}

/* ---- the usual course ---- */

void host_connect(void)
{
	struct rdma_conn_param param = {
		.private_data = "hello",
		.private_data_len = 5,
		.responder_resources = 9,
		.initiator_depth = 3,
		.retry_count = 5,
		.rnr_retry_count = 6,
	};

	check(!rdma_connect(host.id, &param));
}

void target_take(void)
{
	struct rdma_cm_event event;

	step("REQ");
	event = took(&target, RDMA_CM_EVENT_CONNECT_REQUEST, 0);
	check(event.listen_id == target.listener);
	target.id = event.id;
	check(target.id->context == &target && target.id->verbs && !target.id->qp);
	check(event.param.conn.private_data_len == 56);
	check(!memcmp(event.param.conn.private_data, "hello\0", 6));
	check(event.param.conn.initiator_depth == 9 && event.param.conn.responder_resources == 3);
	check(event.param.conn.retry_count == 5 && event.param.conn.rnr_retry_count == 6);
	check(ntohs(rdma_get_src_port(target.id)) == 4420);
	if (host.id)
		check(rdma_get_dst_port(target.id) == rdma_get_src_port(host.id));
}

void target_accept(void)
{
	struct rdma_conn_param param = {
		.private_data = "welcome",
		.private_data_len = 7,
		.responder_resources = 2,
		.initiator_depth = 8,
		.rnr_retry_count = 4,
	};

	make_qp(&target);
	check(!rdma_accept(target.id, &param));
	check(state_of(&target) == IBV_QPS_RTS);
}

void connected(void)
{
	make_qp(&host);
	host_connect();
	target_take();
	target_accept();
	step("REP");
	took(&host, RDMA_CM_EVENT_ESTABLISHED, 0);
	step("RTU");
	took(&target, RDMA_CM_EVENT_ESTABLISHED, 0);
	check(!fabric_ready() && fabric_next_due() == UINT64_MAX);
}

int main(int argc, char **argv)
{
	const struct test *const topics[] = {course_tests, fault_tests, misuse_tests};
	unsigned count = 0;

	fabric_on_misuse(on_misuse, NULL);
	for (unsigned i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		for (const struct test *test = topics[i]; test->name; test++) {
			if (argc > 1 && strcmp(argv[1], test->name))
				continue;
			printf("%s\n", test->name);
			fflush(stdout);
			test->run();
			count++;
		}
	}
	printf("%u tests\n", count);
	return count ? 0 : 1;
}
