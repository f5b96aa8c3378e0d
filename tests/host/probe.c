/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What conformance cases stand on: queues and controllers that are opened for a case and closed after it,
 * and expectations that explain themselves.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "probe.h"

bool probe_fail(struct probe *p, const char *fmt, ...)
{
	va_list ap;

	if (p->why[0])
		return false;
	va_start(ap, fmt);
	vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
	return false;
}

static struct host_queue *keep(struct probe *p, struct host_queue *q)
{
	if (q && p->queue_count == PROBE_MAX_OPEN) {
		host_queue_close(q);
		probe_fail(p, "too many queues in one case");
		return NULL;
	}
	if (q)
		p->queues[p->queue_count++] = q;
	return q;
}

/* Opens a queue whatever comes of it: look at its state. NULL only without memory. */
struct host_queue *probe_open(struct probe *p, const struct host_params *params)
{
	struct host_queue *q;

	host_queue_open(&q, params);
	return keep(p, q);
}

struct host_queue *probe_admin_connected(struct probe *p)
{
	struct host_params params;
	struct host_connect connect;
	struct host_queue *q;
	struct wire_cqe cqe;
	int err;

	host_params_init(&params, &p->to, 0, 32);
	q = probe_open(p, &params);
	if (!q || q->state != HOST_CONNECTED) {
		probe_fail(p, "expected a connection, got %s", q ? q->why : "no memory");
		return NULL;
	}
	host_connect_init(&connect, q, 0xffff);
	err = host_connect(q, &connect, &cqe);
	if (err || wire_status(&cqe)) {
		probe_fail(p, "expected a good Connect to succeed, got %s, status 0x%03x",
			   err ? strerror(-err) : "an answer", err ? 0 : wire_status(&cqe));
		return NULL;
	}
	return q;
}

struct host_ctrl *probe_ctrl(struct probe *p)
{
	struct host_ctrl *c = calloc(1, sizeof(*c));
	char why[256] = "";

	if (!c || p->ctrl_count == PROBE_MAX_OPEN) {
		free(c);
		return NULL;
	}
	p->ctrls[p->ctrl_count++] = c;
	if (host_ctrl_up(c, &p->to, why, sizeof(why))) {
		probe_fail(p, "expected a controller, got %s", why);
		return NULL;
	}
	return c;
}

static struct host_queue *io_open(struct probe *p, struct host_ctrl *c, struct host_params *params)
{
	struct host_queue *q;
	int err = host_ctrl_io(c, params, &q);

	q = keep(p, q);
	if (err)
		probe_fail(p, "expected I/O queue %u, got %s (%s)", params->qid, strerror(-err),
			   q ? q->why : "");
	return err ? NULL : q;
}

struct host_queue *probe_io_queue(struct probe *p, struct host_ctrl *c, uint16_t qid,
				  uint16_t depth)
{
	struct host_params params;

	host_params_init(&params, &c->to, qid, depth);
	return io_open(p, c, &params);
}

/* A controller with I/O queue 1, which is closed with the controller. */
struct host_ctrl *probe_ctrl_io(struct probe *p, uint16_t depth, uint8_t read_credits)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_params params;
	struct host_queue *q;

	if (!c)
		return NULL;
	if (!c->nsid || !c->lba_size) {
		probe_fail(p, "expected a namespace, got none");
		return NULL;
	}
	host_params_init(&params, &c->to, 1, depth);
	params.read_credits = read_credits;
	params.data_len = (1u << 20) + 65536;
	if (read_credits == 1 && params.hrqsize < 32)
		params.slots = 32;
	q = io_open(p, c, &params);
	if (!q)
		return NULL;
	p->queue_count--;
	c->io = q;
	return c;
}

bool probe_exec(struct probe *p, struct host_queue *q, const struct host_cmd *cmd,
		struct wire_cqe *cqe)
{
	int err = host_exec(q, cmd, cqe);

	if (err)
		return probe_fail(p, "expected a response to opcode 0x%02x, got %s (%s)",
				  cmd->sqe.b[SQE_OPC], strerror(-err), q->why);
	return true;
}

static bool status_is(const struct wire_cqe *cqe, uint16_t want)
{
	if (wire_status(cqe) != (want & 0x7ff))
		return false;
	return !(want & PROBE_DNR) || wire_dnr(cqe);
}

bool probe_expect(struct probe *p, const char *what, const struct wire_cqe *cqe,
		  const uint16_t *any)
{
	char list[160] = "";
	size_t len = 0;

	for (; *any != PROBE_END; any++) {
		if (status_is(cqe, *any))
			return true;
		if (len < sizeof(list))
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s0x%03x%s",
						len ? " or " : "", *any & 0x7ff,
						*any & PROBE_DNR ? "+DNR" : "");
	}
	return probe_fail(p, "%s: expected status %s, got 0x%03x%s dw0 0x%08x", what, list,
			  wire_status(cqe), wire_dnr(cqe) ? "+DNR" : "",
			  wire_get32(cqe->b, CQE_DW0));
}

bool probe_exec_expect(struct probe *p, const char *what, struct host_queue *q,
		       const struct host_cmd *cmd, const uint16_t *any)
{
	struct wire_cqe cqe;
	int err = host_exec(q, cmd, &cqe);

	if (err)
		return probe_fail(p, "%s: expected status 0x%03x, got %s (%s)", what,
				  any[0] & 0x7ff, strerror(-err), q->why);
	return probe_expect(p, what, &cqe, any);
}

bool probe_alive(struct probe *p, struct host_queue *admin)
{
	struct wire_cqe cqe;
	int err = host_prop_get(admin, PROP_VS, 0, &cqe);

	if (err)
		return probe_fail(p, "expected a live queue, got %s (%s)", strerror(-err),
				  admin->why);
	return probe_expect(p, "Property Get VS", &cqe, ANY(ST_OK));
}

/* The target must end this connection soon. */
bool probe_ends(struct probe *p, const char *what, struct host_queue *q)
{
	if (host_ended_within(q, p->to.timeout_ms))
		return true;
	return probe_fail(p, "%s: expected the target to end the connection, got nothing in %u ms",
			  what, p->to.timeout_ms);
}

bool probe_rw(struct probe *p, struct host_ctrl *c, uint8_t opc, uint64_t slba, uint32_t blocks)
{
	struct host_cmd cmd;

	host_cmd_rw(&cmd, opc, c->nsid, slba, blocks);
	host_sgl_keyed(&cmd, c->io, 0, blocks * c->lba_size);
	return probe_exec_expect(p, opc == OPC_READ ? "Read" : "Write", c->io, &cmd, ANY(ST_OK));
}

bool probe_write_pattern(struct probe *p, struct host_ctrl *c, uint64_t slba, uint32_t blocks,
			 uint64_t generation)
{
	host_pattern(c->io->data, blocks * c->lba_size, slba, generation);
	return probe_rw(p, c, OPC_WRITE, slba, blocks);
}

bool probe_read_pattern(struct probe *p, struct host_ctrl *c, uint64_t slba, uint32_t blocks,
			uint64_t generation)
{
	uint32_t len = blocks * c->lba_size;
	int64_t bad;

	memset(c->io->data, 0xa5, len);
	if (!probe_rw(p, c, OPC_READ, slba, blocks))
		return false;
	bad = host_pattern_check(c->io->data, len, slba, generation);
	if (bad < 0)
		return true;
	return probe_fail(p, "expected what was written at LBA %llu, got other data at byte %lld",
			  (unsigned long long)slba, (long long)bad);
}
