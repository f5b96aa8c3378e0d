/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases: Connect. One table says what is wrong with a Connect and which status, IATTR and IPO must come back
 * (NVMe-oF 1.1 3.3); a few cases are about the order of things.
 */
#include <errno.h>
#include <stdio.h>

#include "probe.h"

struct bad_connect {
	bool io; /* on I/O queue 1 of an enabled controller, else on an admin queue */
	void (*change)(struct host_connect *c);
	uint16_t status;
	uint32_t dw0; /* checked when not 0 */
	bool inline_data;
};

static void change_recfmt(struct host_connect *c)
{
	wire_put16(c->cmd.sqe.b, CONNECT_RECFMT, 1);
}

static void change_length(struct host_connect *c)
{
	c->data_len = 512;
}

static void change_subnqn(struct host_connect *c)
{
	snprintf((char *)c->data + CONNECT_DATA_SUBNQN, NQN_FIELD_LEN,
		 "nqn.2026-11.test.wrasse:nowhere");
}

static void change_subnqn_unterminated(struct host_connect *c)
{
	memset(c->data + CONNECT_DATA_SUBNQN, 'n', NQN_FIELD_LEN);
}

static void change_subnqn_224(struct host_connect *c)
{
	memset(c->data + CONNECT_DATA_SUBNQN, 'n', 224);
}

static void change_subnqn_empty(struct host_connect *c)
{
	memset(c->data + CONNECT_DATA_SUBNQN, 0, NQN_FIELD_LEN);
}

static void change_hostnqn_unterminated(struct host_connect *c)
{
	size_t len = strlen((char *)c->data + CONNECT_DATA_HOSTNQN);

	memset(c->data + CONNECT_DATA_HOSTNQN + len, 'n', NQN_FIELD_LEN - len);
}

static void change_hostnqn_empty(struct host_connect *c)
{
	memset(c->data + CONNECT_DATA_HOSTNQN, 0, NQN_FIELD_LEN);
}

static void change_cntlid_77(struct host_connect *c)
{
	wire_put16(c->data, CONNECT_DATA_CNTLID, 0x77);
}

static void change_cntlid_unknown(struct host_connect *c)
{
	wire_put16(c->data, CONNECT_DATA_CNTLID, 0xff00);
}

static void change_cntlid_dynamic(struct host_connect *c)
{
	wire_put16(c->data, CONNECT_DATA_CNTLID, 0xffff);
}

static void change_hostnqn_other(struct host_connect *c)
{
	snprintf((char *)c->data + CONNECT_DATA_HOSTNQN, NQN_FIELD_LEN,
		 "nqn.2026-11.test.wrasse:another-host");
}

static void change_hostid_other(struct host_connect *c)
{
	c->data[CONNECT_DATA_HOSTID] ^= 0xff;
}

static void change_sqsize_0(struct host_connect *c)
{
	wire_put16(c->cmd.sqe.b, CONNECT_SQSIZE, 0);
}

static void change_sqsize_too_big(struct host_connect *c)
{
	wire_put16(c->cmd.sqe.b, CONNECT_SQSIZE, 0xffff);
}

/* More than this queue was opened with, though the controller could. */
static void change_sqsize_beyond_cm(struct host_connect *c)
{
	wire_put16(c->cmd.sqe.b, CONNECT_SQSIZE, wire_get16(c->cmd.sqe.b, CONNECT_SQSIZE) + 1);
}

static void change_qid_0(struct host_connect *c)
{
	wire_put16(c->cmd.sqe.b, CONNECT_QID, 0);
}

static void change_qid_1(struct host_connect *c)
{
	wire_put16(c->cmd.sqe.b, CONNECT_QID, 1);
}

static void change_qid_2(struct host_connect *c)
{
	wire_put16(c->cmd.sqe.b, CONNECT_QID, 2);
}

#define DATA(off) (IATTR_DATA | (off))

static struct host_queue *queue_for(struct probe *p, bool io, uint16_t *cntlid)
{
	struct host_ctrl *c = io ? probe_ctrl(p) : NULL;
	struct host_params params;
	struct host_queue *q;

	if (io && !c)
		return NULL;
	*cntlid = c ? c->cntlid : 0xffff;
	host_params_init(&params, &p->to, io ? 1 : 0, 32);
	q = probe_open(p, &params);
	if (q && q->state == HOST_CONNECTED)
		return q;
	probe_fail(p, "expected a connection, got %s", q ? q->why : "no memory");
	return NULL;
}

static bool bad_connect(struct probe *p, const struct bad_connect *bad)
{
	struct host_connect c;
	struct wire_cqe cqe;
	struct host_queue *q;
	uint16_t cntlid;
	int err;

	q = queue_for(p, bad->io, &cntlid);
	if (!q)
		return false;
	host_connect_init(&c, q, cntlid);
	c.inline_data = bad->inline_data;
	bad->change(&c);
	err = host_connect(q, &c, &cqe);
	if (err)
		return probe_fail(p, "expected status 0x%03x, got %s (%s)", bad->status,
				  strerror(-err), q->why);
	if (!probe_expect(p, "Connect", &cqe, ANY(bad->status | PROBE_DNR)))
		return false;
	if (bad->dw0 && wire_get32(cqe.b, CQE_DW0) != bad->dw0)
		return probe_fail(p, "expected dw0 0x%08x, got 0x%08x", bad->dw0,
				  wire_get32(cqe.b, CQE_DW0));
	return true;
}

#define BAD(name, ...)                                                     \
	static bool name(struct probe *p)                                  \
	{                                                                  \
		return bad_connect(p, &(struct bad_connect){__VA_ARGS__}); \
	}

BAD(connect_recfmt_1, false, change_recfmt, ST_CONNECT_FORMAT, 0, false)
BAD(connect_data_too_short, false, change_length, ST_SGL_LENGTH, 0, false)
BAD(connect_inline_data_too_short, false, change_length, ST_SGL_LENGTH, 0, true)
BAD(connect_subnqn_unknown, false, change_subnqn, ST_CONNECT_PARAM, DATA(256), false)
BAD(connect_subnqn_unterminated, false, change_subnqn_unterminated, ST_CONNECT_PARAM, DATA(256),
    false)
BAD(connect_subnqn_of_224_bytes, false, change_subnqn_224, ST_CONNECT_PARAM, DATA(256), false)
BAD(connect_subnqn_empty, false, change_subnqn_empty, ST_CONNECT_PARAM, DATA(256), false)
BAD(connect_hostnqn_unterminated, false, change_hostnqn_unterminated, ST_CONNECT_PARAM, DATA(512),
    false)
BAD(connect_hostnqn_empty, false, change_hostnqn_empty, ST_CONNECT_PARAM, DATA(512), false)
BAD(connect_admin_cntlid_not_dynamic, false, change_cntlid_77, ST_CONNECT_PARAM, DATA(16), false)
BAD(connect_io_cntlid_unknown, true, change_cntlid_unknown, ST_CONNECT_PARAM, DATA(16), false)
BAD(connect_io_cntlid_dynamic, true, change_cntlid_dynamic, ST_CONNECT_PARAM, DATA(16), false)
/* Which field is to blame when the host is another one is not said: cntlid, hostnqn or hostid. */
BAD(connect_io_other_hostnqn, true, change_hostnqn_other, ST_CONNECT_PARAM, 0, false)
BAD(connect_io_other_hostid, true, change_hostid_other, ST_CONNECT_PARAM, 0, false)
BAD(connect_io_other_subnqn, true, change_subnqn, ST_CONNECT_PARAM, 0, false)
BAD(connect_admin_sqsize_0, false, change_sqsize_0, ST_CONNECT_PARAM, 44, false)
BAD(connect_admin_sqsize_too_big, false, change_sqsize_too_big, ST_CONNECT_PARAM, 44, false)
BAD(connect_io_sqsize_0, true, change_sqsize_0, ST_CONNECT_PARAM, 44, false)
BAD(connect_io_sqsize_too_big, true, change_sqsize_too_big, ST_CONNECT_PARAM, 44, false)
/* Here the controller id is wrong too, for the queue that the Connect speaks of. */
BAD(connect_admin_qid_on_io_queue_pair, true, change_qid_0, ST_CONNECT_PARAM, 0, false)
BAD(connect_io_qid_on_admin_queue_pair, false, change_qid_1, ST_CONNECT_PARAM, 0, false)
BAD(connect_other_io_qid_than_queue_pair, true, change_qid_2, ST_CONNECT_PARAM, 42, false)

static bool connect_first_command_is_not_connect(struct probe *p)
{
	struct host_cmd cmd;
	struct host_queue *q;
	uint16_t cntlid;

	q = queue_for(p, false, &cntlid);
	if (!q)
		return false;
	host_cmd_init(&cmd, OPC_KEEP_ALIVE, 0);
	if (!probe_exec_expect(p, "Keep Alive first", q, &cmd, ANY(ST_SEQUENCE | PROBE_DNR)))
		return false;
	q = queue_for(p, true, &cntlid);
	if (!q)
		return false;
	host_cmd_rw(&cmd, OPC_READ, 1, 0, 1);
	host_sgl_keyed(&cmd, q, 0, 512);
	return probe_exec_expect(p, "Read first", q, &cmd, ANY(ST_SEQUENCE | PROBE_DNR));
}

static bool connect_property_before_connect(struct probe *p)
{
	struct host_queue *q;
	struct wire_cqe cqe;
	uint16_t cntlid;
	int err;

	q = queue_for(p, false, &cntlid);
	if (!q)
		return false;
	err = host_prop_get(q, PROP_CAP, 1, &cqe);
	if (err)
		return probe_fail(p, "expected a response, got %s (%s)", strerror(-err), q->why);
	return probe_expect(p, "Property Get first", &cqe, ANY(ST_SEQUENCE | PROBE_DNR));
}

static bool connect_after(struct probe *p, struct host_queue *q, uint16_t cntlid, uint16_t status,
			  uint32_t dw0)
{
	struct host_connect c;
	struct wire_cqe cqe;
	int err;

	host_connect_init(&c, q, cntlid);
	err = host_connect(q, &c, &cqe);
	if (err)
		return probe_fail(p, "expected status 0x%03x, got %s (%s)", status, strerror(-err),
				  q->why);
	if (!probe_expect(p, "Connect", &cqe, ANY(status | PROBE_DNR)))
		return false;
	if (dw0 && wire_get32(cqe.b, CQE_DW0) != dw0)
		return probe_fail(p, "expected dw0 0x%08x, got 0x%08x", dw0,
				  wire_get32(cqe.b, CQE_DW0));
	return true;
}

static bool connect_twice_on_one_queue(struct probe *p)
{
	struct host_queue *q = probe_admin_connected(p);

	return q && connect_after(p, q, 0xffff, ST_SEQUENCE, 0) && probe_alive(p, q);
}

static bool connect_duplicate_qid(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_params params;
	struct host_queue *q;

	if (!c || !probe_io_queue(p, c, 1, 32))
		return false;
	host_params_init(&params, &p->to, 1, 32);
	q = probe_open(p, &params);
	if (!q || q->state != HOST_CONNECTED)
		return probe_fail(p, "expected a connection, got %s", q ? q->why : "no memory");
	return connect_after(p, q, c->cntlid, ST_SEQUENCE, 0) && probe_alive(p, c->admin);
}

static struct host_queue *io_pair(struct probe *p)
{
	struct host_params params;
	struct host_queue *q;

	host_params_init(&params, &p->to, 1, 32);
	q = probe_open(p, &params);
	if (q && q->state == HOST_CONNECTED)
		return q;
	probe_fail(p, "expected a connection, got %s", q ? q->why : "no memory");
	return NULL;
}

static bool connect_io_before_enable(struct probe *p)
{
	struct host_connect c;
	struct host_queue *admin;
	struct host_queue *io;
	struct wire_cqe cqe;
	uint16_t cntlid;

	admin = queue_for(p, false, &cntlid);
	if (!admin)
		return false;
	host_connect_init(&c, admin, 0xffff);
	if (host_connect(admin, &c, &cqe) || wire_status(&cqe))
		return probe_fail(p, "expected a good Connect on the admin queue, got none");
	io = io_pair(p);
	return io && connect_after(p, io, wire_get16(cqe.b, CQE_DW0), ST_CONNECT_PARAM, 42);
}

static bool connect_io_after_shutdown(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_queue *io;

	if (!c || host_ctrl_enable(c->admin, CC_ENABLE | CC_SHN_NORMAL, CSTS_SHST, CSTS_SHST_DONE))
		return probe_fail(p, "expected a shut down controller");
	io = io_pair(p);
	return io && connect_after(p, io, c->cntlid, ST_CONNECT_PARAM, 42);
}

static bool connect_with_data_in_the_capsule(struct probe *p)
{
	struct host_connect c;
	struct host_queue *q;
	struct wire_cqe cqe;
	uint16_t cntlid;
	int err;

	q = queue_for(p, false, &cntlid);
	if (!q)
		return false;
	host_connect_init(&c, q, 0xffff);
	c.inline_data = true;
	err = host_connect(q, &c, &cqe);
	if (err)
		return probe_fail(p, "expected success, got %s (%s)", strerror(-err), q->why);
	return probe_expect(p, "Connect", &cqe, ANY(ST_OK)) && probe_alive(p, q);
}

static bool connect_without_flow_control(struct probe *p)
{
	struct host_connect c;
	struct host_queue *q;
	struct wire_cqe cqe;
	uint16_t cntlid;
	int err;

	q = queue_for(p, false, &cntlid);
	if (!q)
		return false;
	host_connect_init(&c, q, 0xffff);
	c.cmd.sqe.b[CONNECT_CATTR] = CATTR_NO_FLOW;
	err = host_connect(q, &c, &cqe);
	if (err)
		return probe_fail(p, "expected success, got %s (%s)", strerror(-err), q->why);
	if (!probe_expect(p, "Connect", &cqe, ANY(ST_OK)))
		return false;
	if (q->sqhd != 0xffff)
		return probe_fail(p, "expected SQHD 0xffff, got 0x%04x", q->sqhd);
	return probe_alive(p, q);
}

/* Refusing and clamping are both right; granting memory that was never negotiated is not seen from here. */
static bool connect_sqsize_beyond_queue_pair(struct probe *p)
{
	struct host_connect c;
	struct host_queue *q;
	struct wire_cqe cqe;
	uint16_t cntlid;
	int err;

	q = queue_for(p, true, &cntlid);
	if (!q)
		return false;
	host_connect_init(&c, q, cntlid);
	change_sqsize_beyond_cm(&c);
	err = host_connect(q, &c, &cqe);
	if (err)
		return probe_fail(p, "expected an answer, got %s (%s)", strerror(-err), q->why);
	return probe_expect(p, "Connect", &cqe, ANY(ST_OK, ST_CONNECT_PARAM | PROBE_DNR));
}

/* A refused Connect leaves a queue that a better one can still use, or ends it; both are right. */
static bool connect_refused_then_good(struct probe *p)
{
	struct host_connect c;
	struct host_queue *q;
	struct wire_cqe cqe;
	uint16_t cntlid;
	int err;

	q = queue_for(p, false, &cntlid);
	if (!q)
		return false;
	host_connect_init(&c, q, 0xffff);
	change_subnqn(&c);
	err = host_connect(q, &c, &cqe);
	if (err)
		return probe_fail(p, "expected a refusal, got %s (%s)", strerror(-err), q->why);
	host_connect_init(&c, q, 0xffff);
	err = host_connect(q, &c, &cqe);
	if (err == -ENOTCONN)
		return true;
	if (err)
		return probe_fail(p, "expected an answer or the end, got %s", strerror(-err));
	return probe_expect(p, "second Connect", &cqe, ANY(ST_OK, ST_SEQUENCE));
}

#define CASE(name)                 \
	{                          \
#name, name, false \
	}

static const struct probe_case cases[] = {
	CASE(connect_with_data_in_the_capsule),
	CASE(connect_without_flow_control),
	CASE(connect_first_command_is_not_connect),
	CASE(connect_property_before_connect),
	CASE(connect_recfmt_1),
	CASE(connect_data_too_short),
	CASE(connect_inline_data_too_short),
	CASE(connect_subnqn_unknown),
	CASE(connect_subnqn_unterminated),
	CASE(connect_subnqn_of_224_bytes),
	CASE(connect_subnqn_empty),
	CASE(connect_hostnqn_unterminated),
	CASE(connect_hostnqn_empty),
	CASE(connect_admin_cntlid_not_dynamic),
	CASE(connect_io_cntlid_unknown),
	CASE(connect_io_cntlid_dynamic),
	CASE(connect_io_other_hostnqn),
	CASE(connect_io_other_hostid),
	CASE(connect_io_other_subnqn),
	CASE(connect_admin_sqsize_0),
	CASE(connect_admin_sqsize_too_big),
	CASE(connect_io_sqsize_0),
	CASE(connect_io_sqsize_too_big),
	CASE(connect_sqsize_beyond_queue_pair),
	CASE(connect_admin_qid_on_io_queue_pair),
	CASE(connect_io_qid_on_admin_queue_pair),
	CASE(connect_other_io_qid_than_queue_pair),
	CASE(connect_duplicate_qid),
	CASE(connect_twice_on_one_queue),
	CASE(connect_io_before_enable),
	CASE(connect_io_after_shutdown),
	CASE(connect_refused_then_good),
};

PROBE_GROUP(probe_connect, cases);
