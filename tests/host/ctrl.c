/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A controller seen from the host: Connect, properties, enabling, what Identify says, I/O queues.
 *
 * This is the good path that every test starts from; the parts are also there one by one, for tests that
 * leave it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "host.h"

/* A Connect that a target should accept, for the queue as it was opened; change what you like. */
void host_connect_init(struct host_connect *c, const struct host_queue *q, uint16_t cntlid)
{
	const struct host_target *to = q->params.to;

	memset(c, 0, sizeof(*c));
	host_cmd_init(&c->cmd, OPC_FABRICS, 0);
	c->cmd.sqe.b[SQE_FCTYPE] = FCTYPE_CONNECT;
	wire_put16(c->cmd.sqe.b, CONNECT_QID, q->params.qid);
	wire_put16(c->cmd.sqe.b, CONNECT_SQSIZE, q->params.hsqsize);
	memcpy(c->data + CONNECT_DATA_HOSTID, to->hostid, 16);
	wire_put16(c->data, CONNECT_DATA_CNTLID, cntlid);
	snprintf((char *)c->data + CONNECT_DATA_SUBNQN, NQN_FIELD_LEN, "%s", to->nqn);
	snprintf((char *)c->data + CONNECT_DATA_HOSTNQN, NQN_FIELD_LEN, "%s", to->hostnqn);
	c->data_len = CONNECT_DATA_LEN;
}

/* Sends it, with its data at the start of the queue's memory or in the capsule. */
int host_connect(struct host_queue *q, struct host_connect *c, struct wire_cqe *cqe)
{
	if (q->state != HOST_CONNECTED)
		return -ENOTCONN;
	if (c->inline_data) {
		host_sgl_inline(&c->cmd, c->data, c->data_len);
	} else {
		memcpy(q->data, c->data, CONNECT_DATA_LEN);
		host_sgl_keyed(&c->cmd, q, 0, c->data_len);
	}
	return host_exec(q, &c->cmd, cqe);
}

int host_prop_get(struct host_queue *q, uint32_t off, uint8_t attrib, struct wire_cqe *cqe)
{
	struct host_cmd cmd;

	host_cmd_init(&cmd, OPC_FABRICS, 0);
	cmd.sqe.b[SQE_FCTYPE] = FCTYPE_PROP_GET;
	cmd.sqe.b[SQE_CDW10] = attrib;
	wire_put32(cmd.sqe.b, SQE_CDW11, off);
	return host_exec(q, &cmd, cqe);
}

int host_prop_set(struct host_queue *q, uint32_t off, uint8_t attrib, uint64_t v,
		  struct wire_cqe *cqe)
{
	struct host_cmd cmd;

	host_cmd_init(&cmd, OPC_FABRICS, 0);
	cmd.sqe.b[SQE_FCTYPE] = FCTYPE_PROP_SET;
	cmd.sqe.b[SQE_CDW10] = attrib;
	wire_put32(cmd.sqe.b, SQE_CDW11, off);
	wire_put64(cmd.sqe.b, SQE_CDW12, v);
	return host_exec(q, &cmd, cqe);
}

/* Writes CC, then asks until CSTS under the mask is as wanted. -EPROTO when the target refuses. */
int host_ctrl_enable(struct host_queue *admin, uint32_t cc, uint32_t mask, uint32_t csts)
{
	uint64_t deadline = host_deadline(admin);
	struct wire_cqe cqe;
	int err = host_prop_set(admin, PROP_CC, 0, cc, &cqe);

	if (err)
		return err;
	if (wire_status(&cqe))
		return -EPROTO;
	do {
		err = host_prop_get(admin, PROP_CSTS, 0, &cqe);
		if (err)
			return err;
		if (wire_status(&cqe))
			return -EPROTO;
		if ((wire_get32(cqe.b, CQE_DW0) & mask) == csts)
			return 0;
	} while (host_now_ns() < deadline);
	return -ETIMEDOUT;
}

static int identify(struct host_ctrl *c, uint8_t cns, uint32_t nsid)
{
	struct host_cmd cmd;
	struct wire_cqe cqe;
	int err;

	host_cmd_init(&cmd, OPC_IDENTIFY, nsid);
	wire_put32(cmd.sqe.b, SQE_CDW10, cns);
	host_sgl_keyed(&cmd, c->admin, 0, 4096);
	err = host_exec(c->admin, &cmd, &cqe);
	if (err)
		return err;
	return wire_status(&cqe) ? -EPROTO : 0;
}

static int identify_all(struct host_ctrl *c)
{
	const uint8_t *id = c->admin->data;
	uint32_t ioccsz;
	int err = identify(c, 1, 0);

	if (err)
		return err;
	c->max_transfer = id[77] ? 4096u << id[77] : UINT32_MAX;
	c->aerl = id[259];
	c->max_descs = id[1803];
	ioccsz = wire_get32(id, 1792);
	c->icd_max = ioccsz > 4 ? ioccsz * 16 - 64 : 0;
	err = identify(c, 2, 0);
	if (err)
		return err;
	c->nsid = wire_get32(id, 0);
	if (!c->nsid)
		return 0;
	err = identify(c, 0, c->nsid);
	c->lba_count = wire_get64(id, 0);
	c->lba_size = 1u << id[128 + 4 * (id[26] & 0xf) + 2];
	return err;
}

static int admin_up(struct host_ctrl *c, const char **step)
{
	struct host_params p;
	struct host_connect *connect;
	struct wire_cqe cqe;
	int err;

	host_params_init(&p, &c->to, 0, 32);
	*step = "CM connect";
	err = host_queue_open(&c->admin, &p);
	if (err)
		return err;
	*step = "Connect";
	connect = malloc(sizeof(*connect));
	if (!connect)
		return -ENOMEM;
	host_connect_init(connect, c->admin, 0xffff);
	wire_put32(connect->cmd.sqe.b, CONNECT_KATO, c->kato_ms);
	err = host_connect(c->admin, connect, &cqe);
	free(connect);
	if (err)
		return err;
	if (wire_status(&cqe)) {
		snprintf(c->admin->why, sizeof(c->admin->why), "status 0x%03x dw0 0x%08x",
			 wire_status(&cqe), wire_get32(cqe.b, CQE_DW0));
		return -EPROTO;
	}
	c->cntlid = wire_get16(cqe.b, CQE_DW0);
	*step = "reading CAP";
	err = host_prop_get(c->admin, PROP_CAP, 1, &cqe);
	c->cap = wire_get64(cqe.b, CQE_DW0);
	return err;
}

/* Connects, enables and identifies a controller. Take it down in any case; why says what went wrong. */
int host_ctrl_up(struct host_ctrl *c, const struct host_target *to, char *why, size_t why_len)
{
	const char *step = "";
	int err;

	c->to = *to;
	err = admin_up(c, &step);
	if (!err) {
		step = "enabling";
		err = host_ctrl_enable(c->admin, CC_ENABLE, CSTS_RDY, CSTS_RDY);
	}
	if (!err) {
		step = "Identify";
		err = identify_all(c);
	}
	if (err)
		snprintf(why, why_len, "%s: %s (%s)", step, strerror(-err),
			 c->admin && c->admin->why[0] ? c->admin->why : "no reason given");
	return err;
}

/* Opens and connects an I/O queue of the controller with the parameters given. Close *q in any case. */
int host_ctrl_io(struct host_ctrl *c, struct host_params *p, struct host_queue **q)
{
	struct host_connect connect;
	struct wire_cqe cqe;
	int err;

	p->to = &c->to;
	p->cntlid = c->cntlid;
	err = host_queue_open(q, p);
	if (err)
		return err;
	host_connect_init(&connect, *q, c->cntlid);
	err = host_connect(*q, &connect, &cqe);
	if (err)
		return err;
	if (wire_status(&cqe)) {
		snprintf((*q)->why, sizeof((*q)->why), "Connect: status 0x%03x dw0 0x%08x",
			 wire_status(&cqe), wire_get32(cqe.b, CQE_DW0));
		return -EPROTO;
	}
	return 0;
}

void host_ctrl_down(struct host_ctrl *c)
{
	host_queue_close(c->io);
	host_queue_close(c->admin);
	c->io = NULL;
	c->admin = NULL;
}
