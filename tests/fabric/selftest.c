/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fabric's own tests: how they begin and end. The tests are in selftest_course.c (what verbs do,
 * with chosen interleavings), selftest_error.c (how it ends) and selftest_misuse.c (what a strict
 * fabric says no to).
 */
#include "selftest.h"

#include <errno.h>
#include <setjmp.h>
#include <sys/mman.h>

struct side a, b;
static jmp_buf misuse_at;
static bool misuse_wanted;
static char misuse_line[512];

void fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	for (unsigned i = 0; i < fabric_ready(); i++) {
		struct fabric_action action;

		fabric_describe(i, &action);
		fprintf(stderr, "  ready: QP %u of %s: %s\n", action.qpn, action.device,
			action.what);
	}
	abort();
}

/* ---- sides ---- */

static struct ibv_context *device_open(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;

	for (unsigned i = 0; list[i]; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			context = ibv_open_device(list[i]);
	ibv_free_device_list(list);
	return context;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

static void side_make(struct side *s, const char *device, const struct config *config)
{
	const int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
			   IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC | IBV_ACCESS_MW_BIND;
	struct ibv_srq_init_attr srq = {.attr = {.max_wr = config->srq_wrs, .max_sge = 1}};
	struct ibv_qp_init_attr init = {.qp_type = IBV_QPT_RC};

	check((s->context = device_open(device)));
	check((s->pd = ibv_alloc_pd(s->context)));
	check((s->channel = ibv_create_comp_channel(s->context)));
	check((s->cq = ibv_create_cq(s->context, (int)or_default(config->cqes, 64), s, s->channel,
				     0)));
	if (config->srq_wrs)
		check((s->srq = ibv_create_srq(s->pd, &srq)));
	init.send_cq = s->cq;
	init.recv_cq = s->cq;
	init.srq = s->srq;
	init.cap.max_send_wr = or_default(config->send_wrs, 8);
	init.cap.max_recv_wr = or_default(config->recv_wrs, 8);
	init.cap.max_send_sge = 2;
	init.cap.max_recv_sge = 2;
	init.cap.max_inline_data = 32;
	check((s->qp = ibv_create_qp(s->pd, &init)));
	s->mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check((s->mr = ibv_reg_mr(s->pd, s->mem, LEN, access)));
}

static void side_end(struct side *s)
{
	if (s->qp)
		check(!ibv_destroy_qp(s->qp));
	if (s->srq)
		check(!ibv_destroy_srq(s->srq));
	check(!ibv_destroy_cq(s->cq));
	check(!ibv_destroy_comp_channel(s->channel));
	check(!ibv_dereg_mr(s->mr));
	check(!ibv_dealloc_pd(s->pd));
	check(!ibv_close_device(s->context));
	munmap(s->mem, LEN);
	memset(s, 0, sizeof(*s));
}

void to_rtr(struct side *s, uint32_t qpn, const struct config *config)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_INIT,
				   .port_num = 1,
				   .qp_access_flags = IBV_ACCESS_REMOTE_READ |
						      IBV_ACCESS_REMOTE_WRITE |
						      IBV_ACCESS_REMOTE_ATOMIC,
				   .ah_attr = {.is_global = 1, .port_num = 1}};

	check(!ibv_modify_qp(s->qp, &attr,
			     IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS));
	attr.qp_state = IBV_QPS_RTR;
	attr.path_mtu = IBV_MTU_1024;
	attr.dest_qp_num = qpn;
	attr.max_dest_rd_atomic = (uint8_t)or_default(config->reads, 4);
	attr.min_rnr_timer = 1;
	check(!ibv_modify_qp(s->qp, &attr,
			     IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
				     IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
				     IBV_QP_MIN_RNR_TIMER));
}

void connect_to(struct side *s, uint32_t qpn, const struct config *config)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RTS};

	to_rtr(s, qpn, config);
	attr.timeout = 14;
	attr.retry_cnt = (uint8_t)or_default(config->retry_cnt, 7) & 7;
	attr.rnr_retry = (uint8_t)or_default(config->rnr_retry, 7) & 7;
	attr.max_rd_atomic = (uint8_t)or_default(config->reads, 4);
	check(!ibv_modify_qp(s->qp, &attr,
			     IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				     IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC));
}

int to_state(struct side *s, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = {.qp_state = state};

	return ibv_modify_qp(s->qp, &attr, IBV_QP_STATE);
}

void begin(const struct config *config)
{
	struct fabric_device device = config->device;

	fabric_init(config->threaded ? FABRIC_THREADED : FABRIC_SIMULATED);
	device.name = "dev-a";
	fabric_device_add(&device);
	device.name = "dev-b";
	fabric_device_add(&device);
	fabric_set_strict(true);
	side_make(&a, "dev-a", config);
	side_make(&b, "dev-b", config);
	connect_to(&a, b.qp->qp_num, config);
	connect_to(&b, a.qp->qp_num, config);
}

void end(void)
{
	char names[200];

	side_end(&a);
	side_end(&b);
	if (fabric_leftovers(names, sizeof(names)))
		fail(__FILE__, __LINE__, names);
	check(fabric_ready() == 0);
	check(fabric_next_due() == UINT64_MAX);
}

/* ---- verbs ---- */

struct ibv_send_wr wr_of(struct side *s, struct ibv_sge *sge, enum ibv_wr_opcode op, uint64_t id,
			 uint32_t off, uint32_t len)
{
	*sge = (struct ibv_sge){(uintptr_t)(s->mem + off), len, s->mr->lkey};
	return (struct ibv_send_wr){.wr_id = id,
				    .sg_list = sge,
				    .num_sge = 1,
				    .opcode = op,
				    .send_flags = IBV_SEND_SIGNALED};
}

int post(struct side *s, enum ibv_wr_opcode op, uint64_t id, uint32_t off, uint32_t len,
	 uint32_t peer_off)
{
	struct side *peer = s == &a ? &b : &a;
	struct ibv_send_wr *bad, wr;
	struct ibv_sge sge;

	wr = wr_of(s, &sge, op, id, off, len);
	if (op == IBV_WR_RDMA_READ || op == IBV_WR_RDMA_WRITE) {
		wr.wr.rdma.remote_addr = (uintptr_t)(peer->mem + peer_off);
		wr.wr.rdma.rkey = peer->mr->rkey;
	}
	return ibv_post_send(s->qp, &wr, &bad);
}

int receive(struct side *s, uint64_t id, uint32_t off, uint32_t len)
{
	struct ibv_sge sge = {(uintptr_t)(s->mem + off), len, s->mr->lkey};
	struct ibv_recv_wr *bad, wr = {.wr_id = id, .sg_list = &sge, .num_sge = 1};

	return s->srq ? ibv_post_srq_recv(s->srq, &wr, &bad) : ibv_post_recv(s->qp, &wr, &bad);
}

struct ibv_wc took(struct side *s, uint64_t id, enum ibv_wc_status status)
{
	struct ibv_wc wc;

	check(ibv_poll_cq(s->cq, 1, &wc) == 1);
	if (wc.wr_id != id || wc.status != status) {
		fprintf(stderr, "completion %llu: %s\n", (unsigned long long)wc.wr_id,
			ibv_wc_status_str(wc.status));
		check(wc.wr_id == id && wc.status == status);
	}
	return wc;
}

void nothing(struct side *s)
{
	struct ibv_wc wc;

	check(ibv_poll_cq(s->cq, 1, &wc) == 0);
}

void event(struct side *s, enum ibv_event_type type)
{
	struct ibv_async_event event;

	check(!ibv_get_async_event(s->context, &event));
	check(event.event_type == type);
	ibv_ack_async_event(&event);
}

void no_event(struct side *s)
{
	struct ibv_async_event event;

	check(ibv_get_async_event(s->context, &event) == -1 && errno == EAGAIN);
}

/* ---- actions ---- */

static unsigned find(const struct side *s, enum fabric_kind kind, const char *what)
{
	for (unsigned i = 0; i < fabric_ready(); i++) {
		struct fabric_action action;

		fabric_describe(i, &action);
		if (action.qpn == s->qp->qp_num && action.kind == kind &&
		    (!what || !strcmp(action.what, what)))
			return i;
	}
	return UINT32_MAX;
}

bool can(const struct side *s, enum fabric_kind kind, const char *what)
{
	return find(s, kind, what) != UINT32_MAX;
}

void step(const struct side *s, enum fabric_kind kind, const char *what)
{
	check(can(s, kind, what));
	fabric_step(find(s, kind, what));
}

void drop(const struct side *s, enum fabric_kind kind, const char *what)
{
	check(can(s, kind, what));
	fabric_drop(find(s, kind, what));
}

void run_all(void)
{
	for (;;) {
		while (fabric_ready())
			fabric_step(0);
		if (fabric_next_due() == UINT64_MAX)
			return;
		fabric_advance(fabric_next_due() - fabric_now_ns());
	}
}

/* ---- misuse ---- */

static void on_misuse(void *ctx, const char *line)
{
	snprintf(misuse_line, sizeof(misuse_line), "%s", line);
	if (misuse_wanted)
		longjmp(misuse_at, 1);
	fprintf(stderr, "misuse: %s\n", line);
	abort();
}

void misused(void (*fn)(void), const char *words)
{
	misuse_line[0] = 0;
	misuse_wanted = true;
	if (!setjmp(misuse_at))
		fn();
	misuse_wanted = false;
	if (!strstr(misuse_line, words)) {
		fprintf(stderr, "misuse said '%s', not '%s'\n", misuse_line, words);
		abort();
	}
}

int main(int argc, char **argv)
{
	const struct test *const topics[] = {course_tests, error_tests, misuse_tests};
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
