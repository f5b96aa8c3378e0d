/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the verbs tests share: a runner, two sides of a connection in one thread, and waiting with a deadline.
 *
 * A test is a function without arguments that returns when it holds. The first check that fails ends it (a long
 * jump to the runner), and what it made is destroyed in reverse order either way. What a test destroys by itself
 * it says with forget() or by setting the side's field to NULL.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <errno.h>
#include <infiniband/verbs.h>
#include <netinet/in.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MEM_LEN     65536u
#define DEADLINE_MS 10000u
/* How long something that must not happen is given to happen. */
#define QUIET_MS    60u

/* runner.c */
struct test {
	const char *name;
	void (*run)(void);
};

struct options {
	const char *only;
	struct sockaddr_in addr;
};
extern struct options options;

void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void undo(void (*fn)(void *), void *arg);
void forget(const void *arg);
const char *test_name(void);
void equal_at(int line, const char *what, long long got, long long want);
bool run_tests(const struct test *const *topics, unsigned *passed, unsigned *failed);

#define check(cond, ...)                   \
	do {                               \
		if (!(cond))               \
			fail(__VA_ARGS__); \
	} while (0)
#define equal(got, want)  equal_at(__LINE__, #got, (long long)(got), (long long)(want))
#define equal_ptr(a, b)   check((const void *)(a) == (const void *)(b), "%s is not %s", #a, #b)
#define must(call)        check(!(call), "line %d: %s: %s", __LINE__, #call, strerror(errno))
#define must_have(object) check(object, "line %d: %s: %s", __LINE__, #object, strerror(errno))

/* Each topic is a table that ends with an empty entry. */
#define TEST(name)          \
	{                   \
#name, name \
	}
extern const struct test connect_tests[], reject_tests[], listen_tests[], channel_tests[],
	disconnect_tests[], option_tests[], send_tests[], completion_tests[], rdma_tests[],
	receive_tests[], srq_tests[], access_tests[], flush_tests[], window_tests[], cq_tests[],
	retry_tests[], hand_tests[], destroy_tests[], device_tests[];

/* differences.c */
struct difference {
	const char *test;
	const char *why;
};
extern const struct difference differences[];
bool fabric_is_simulated(void);
int differs(int on_rxe, int elsewhere);
const char *difference_of(const char *test);
void difference_used(void);

/* side.c */
struct side {
	const char *name;
	struct rdma_event_channel *events;
	struct rdma_cm_id *id;
	struct ibv_qp *qp;
	struct ibv_comp_channel *channel;
	struct ibv_cq *send_cq;
	struct ibv_cq *recv_cq;
	struct ibv_srq *srq;
	struct ibv_pd *pd;
	struct ibv_mr *mr;
	uint8_t *mem; /* MEM_LEN bytes */
	struct ibv_qp_cap cap;
	bool lent_pd, lent_recv_cq, lent_srq;
};

struct side_options {
	uint32_t send_wrs, recv_wrs, send_sges, recv_sges, inline_data;
	bool sq_sig_all;
	uint32_t srq_wrs;  /* not 0: a shared receive queue of the side's own */
	struct ibv_pd *pd; /* lent by the test, as the next two */
	struct ibv_srq *srq;
	struct ibv_cq *recv_cq;
	uint8_t ack_timeout; /* 0: the device's default */
	uint8_t reads_in, reads_out;
	uint8_t retry_count, rnr_retry;
};

struct pair_options {
	struct side_options client, server;
};

struct pair {
	struct rdma_event_channel *listen_events;
	struct rdma_cm_id *listener;
	struct side client, server;
};

void pair_options_init(struct pair_options *o);
struct pair *pair_new(void);
void pair_listen(struct pair *p, int backlog);
void side_resolve(struct side *s, uint16_t port_be);
void side_equip(struct side *s, const struct side_options *o);
void side_qp(struct side *s, const struct side_options *o);
void side_connect(struct side *s, const struct side_options *o, const void *data, uint8_t len);
void side_accept(struct side *s, const struct side_options *o, const void *data, uint8_t len);
void side_fini(struct side *s);
void pair_ask(struct pair *p, const struct pair_options *o, const void *data, uint8_t len);
void pair_answer(struct pair *p, const struct pair_options *o);
struct pair *pair_up(const struct pair_options *o);
struct pair *pair_up_default(void);
struct sockaddr *address(uint16_t port_be, struct sockaddr_in *sin);
uint16_t port_of(struct rdma_cm_id *id);
struct rdma_event_channel *channel_new(void);
struct ibv_context *device(void);
void device_open(void);

/* wait.c */
struct cm_seen {
	enum rdma_cm_event_type type;
	int status;
	struct rdma_cm_id *id, *listen_id;
	uint8_t data[256];
	uint8_t data_len;
	uint8_t reads_in, reads_out; /* responder_resources, initiator_depth */
	uint8_t retry_count, rnr_retry;
	uint32_t qp_num;
};

uint64_t now_ms(void);
bool readable(int fd);
void wait_on(int fd, uint64_t until_ms);
void await_readable(int fd);
bool cm_take(struct rdma_event_channel *events, struct cm_seen *seen, uint32_t within_ms);
struct cm_seen cm_want(struct rdma_event_channel *events, enum rdma_cm_event_type type);
struct cm_seen cm_want_within(struct rdma_event_channel *events, enum rdma_cm_event_type type,
			      uint32_t within_ms);
void cm_quiet(struct rdma_event_channel *events, uint32_t ms);
bool wc_take(struct side *s, struct ibv_cq *cq, struct ibv_wc *wc, uint32_t within_ms);
struct ibv_wc wc_want(struct side *s, struct ibv_cq *cq, uint64_t wr_id, enum ibv_wc_status status);
struct ibv_wc sent(struct side *s, uint64_t wr_id, enum ibv_wc_status status);
struct ibv_wc received(struct side *s, uint64_t wr_id, enum ibv_wc_status status);
void wc_quiet(struct side *s, uint32_t ms);
bool async_take(struct ibv_async_event *event, uint32_t within_ms);
void async_want(enum ibv_event_type type, const void *object);
void async_quiet(const void *object, uint32_t ms);
enum ibv_qp_state qp_state(struct side *s);
void qp_state_want(struct side *s, enum ibv_qp_state want);

/* post.c */
struct ibv_sge piece(const struct side *s, uint32_t off, uint32_t len);
struct ibv_send_wr send_wr(struct ibv_sge *sge, int sges, uint64_t wr_id, unsigned flags);
struct ibv_send_wr rdma_wr(enum ibv_wr_opcode op, struct ibv_sge *sge, uint64_t wr_id,
			   const struct side *peer, uint32_t peer_off);
void post(struct side *s, struct ibv_send_wr *wr);
void post_send(struct side *s, uint64_t wr_id, uint32_t off, uint32_t len, unsigned flags);
void post_rdma(struct side *s, enum ibv_wr_opcode op, uint64_t wr_id, uint32_t off, uint32_t len,
	       const struct side *peer, uint32_t peer_off);
int try_recv(struct side *s, uint64_t wr_id, uint32_t off, uint32_t len);
void post_recv(struct side *s, uint64_t wr_id, uint32_t off, uint32_t len);
void to_error(struct side *s);
void fill(struct side *s, uint32_t off, uint32_t len, uint8_t seed);
void filled(struct side *s, uint32_t off, uint32_t len, uint8_t seed);

/* hand.c */
struct pair *pair_by_hand(void);

/* fault.c */
void fault_port(bool up);
void fault_device_remove(void);

#endif
