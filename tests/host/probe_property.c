/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases: properties (NVMe Base 2.0 3.1.3), enabling, reset, shutdown.
 */
#include <errno.h>
#include <stdio.h>

#include "probe.h"

static bool get_expect(struct probe *p, struct host_queue *q, uint32_t off, uint8_t attrib,
		       const uint16_t *any, uint64_t *value)
{
	struct wire_cqe cqe;
	char what[40];
	int err = host_prop_get(q, off, attrib, &cqe);

	snprintf(what, sizeof(what), "Property Get 0x%x size %u", off, attrib);
	if (err)
		return probe_fail(p, "%s: expected a response, got %s (%s)", what, strerror(-err),
				  q->why);
	if (value)
		*value = wire_get64(cqe.b, CQE_DW0);
	return probe_expect(p, what, &cqe, any);
}

static bool set_expect(struct probe *p, struct host_queue *q, uint32_t off, uint8_t attrib,
		       uint64_t value, const uint16_t *any)
{
	struct wire_cqe cqe;
	char what[40];
	int err = host_prop_set(q, off, attrib, value, &cqe);

	snprintf(what, sizeof(what), "Property Set 0x%x size %u", off, attrib);
	if (err)
		return probe_fail(p, "%s: expected a response, got %s (%s)", what, strerror(-err),
				  q->why);
	return probe_expect(p, what, &cqe, any);
}

static bool property_get_table(struct probe *p)
{
	/* Bare, as nvme-cli's show-regs wants it. */
	static const struct {
		uint32_t off;
		uint8_t attrib;
		uint16_t status;
	} table[] = {
		{PROP_CAP, 1, ST_OK},   {PROP_VS, 0, ST_OK},      {PROP_CC, 0, ST_OK},
		{PROP_CSTS, 0, ST_OK},  {PROP_CAP, 0, ST_FIELD},  {PROP_VS, 1, ST_FIELD},
		{PROP_CC, 1, ST_FIELD}, {PROP_CSTS, 1, ST_FIELD}, {PROP_CAP, 2, ST_FIELD},
		{PROP_VS, 2, ST_FIELD}, {PROP_VS, 7, ST_FIELD},   {PROP_INTMS, 0, ST_FIELD},
		{0x10, 0, ST_FIELD},    {0x18, 0, ST_FIELD},      {0x04, 0, ST_FIELD},
		{0x15, 0, ST_FIELD},    {0x1300, 0, ST_FIELD},    {0xfffffffc, 0, ST_FIELD},
	};
	struct host_queue *q = probe_admin_connected(p);

	for (size_t i = 0; q && i < sizeof(table) / sizeof(table[0]); i++) {
		if (!get_expect(p, q, table[i].off, table[i].attrib, ANY(table[i].status), NULL))
			return false;
	}
	return q && probe_alive(p, q);
}

static bool property_set_table(struct probe *p)
{
	static const struct {
		uint32_t off;
		uint8_t attrib;
	} table[] = {
		{PROP_CAP, 1}, {PROP_VS, 0}, {PROP_CSTS, 0}, {PROP_INTMS, 0}, {PROP_CC, 1},
		{PROP_CC, 2},  {0x18, 0},    {0x1300, 0},    {0x16, 0},       {0xfffffffc, 0},
	};
	struct host_queue *q = probe_admin_connected(p);

	for (size_t i = 0; q && i < sizeof(table) / sizeof(table[0]); i++) {
		if (!set_expect(p, q, table[i].off, table[i].attrib, 1, ANY(ST_FIELD | PROBE_DNR)))
			return false;
	}
	return q && probe_alive(p, q);
}

static bool property_values_make_sense(struct probe *p)
{
	struct host_queue *q = probe_admin_connected(p);
	uint64_t cap = 0;
	uint64_t vs = 0;
	uint64_t csts = 0;

	if (!q || !get_expect(p, q, PROP_CAP, 1, ANY(ST_OK), &cap) ||
	    !get_expect(p, q, PROP_VS, 0, ANY(ST_OK), &vs) ||
	    !get_expect(p, q, PROP_CSTS, 0, ANY(ST_OK), &csts))
		return false;
	if ((cap & 0xffff) < 1)
		return probe_fail(p, "expected CAP.MQES of 1 or more, got %u",
				  (unsigned int)(cap & 0xffff));
	if (!(cap >> 16 & 1))
		return probe_fail(p, "expected CAP.CQR 1, got 0");
	if (!(cap >> 24 & 0xff))
		return probe_fail(p, "expected CAP.TO not 0, got 0");
	if (!(cap >> 37 & 0xff))
		return probe_fail(p, "expected CAP.CSS not 0, got 0");
	if (vs < 0x10200)
		return probe_fail(p, "expected VS of 1.2 or later, got 0x%08x", (unsigned int)vs);
	if (csts & CSTS_RDY)
		return probe_fail(p, "expected CSTS.RDY 0 before enabling, got 1");
	return true;
}

static bool property_on_an_io_queue(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl(p);
	struct host_queue *q = c ? probe_io_queue(p, c, 1, 8) : NULL;

	/* Property commands belong to the admin queue; the codes differ in how they say so. */
	return q && get_expect(p, q, PROP_VS, 0, ANY(ST_OPCODE, ST_FIELD, ST_SEQUENCE), NULL);
}

static bool enable(struct probe *p, struct host_queue *q, uint32_t cc, uint32_t mask, uint32_t csts)
{
	int err = host_ctrl_enable(q, cc, mask, csts);

	if (err)
		return probe_fail(p, "CC 0x%08x: expected CSTS & 0x%x to be 0x%x, got %s", cc, mask,
				  csts, strerror(-err));
	return true;
}

static bool property_enable_and_reset(struct probe *p)
{
	struct host_queue *q = probe_admin_connected(p);
	uint64_t cc = 0;

	for (int i = 0; q && i < 5; i++) {
		if (!enable(p, q, CC_ENABLE, CSTS_RDY | CSTS_CFS, CSTS_RDY) ||
		    !get_expect(p, q, PROP_CC, 0, ANY(ST_OK), &cc))
			return false;
		if ((uint32_t)cc != CC_ENABLE)
			return probe_fail(p, "expected CC 0x%08x, got 0x%08x", CC_ENABLE,
					  (uint32_t)cc);
		if (!enable(p, q, CC_ENABLE & ~1u, CSTS_RDY, 0))
			return false;
	}
	return q && enable(p, q, CC_ENABLE, CSTS_RDY, CSTS_RDY) && probe_alive(p, q);
}

static bool property_shutdown(struct probe *p, uint32_t shn)
{
	struct host_queue *q = probe_admin_connected(p);

	return q && enable(p, q, CC_ENABLE, CSTS_RDY, CSTS_RDY) &&
	       enable(p, q, CC_ENABLE | shn, CSTS_SHST, CSTS_SHST_DONE);
}

static bool property_normal_shutdown(struct probe *p)
{
	return property_shutdown(p, CC_SHN_NORMAL);
}

static bool property_abrupt_shutdown(struct probe *p)
{
	return property_shutdown(p, 0x8000);
}

/* A page size that CAP does not offer: refused, fatal or not ready, but never ready. */
static bool property_bad_cc_is_not_accepted(struct probe *p)
{
	struct host_queue *q = probe_admin_connected(p);
	struct wire_cqe cqe;
	uint64_t csts = 0;

	if (!q)
		return false;
	if (host_prop_set(q, PROP_CC, 0, CC_ENABLE | 0xf << 7, &cqe))
		return probe_fail(p, "expected a response to CC with MPS 15, got none");
	if (wire_status(&cqe))
		return probe_alive(p, q);
	if (!get_expect(p, q, PROP_CSTS, 0, ANY(ST_OK), &csts))
		return false;
	if ((csts & CSTS_RDY) && !(csts & CSTS_CFS))
		return probe_fail(p, "expected CC.MPS 15 not to become ready, got CSTS 0x%x",
				  (unsigned int)csts);
	return true;
}

static bool property_commands_before_enable(struct probe *p)
{
	struct host_queue *q = probe_admin_connected(p);
	struct host_cmd cmd;

	if (!q)
		return false;
	host_cmd_init(&cmd, OPC_IDENTIFY, 0);
	wire_put32(cmd.sqe.b, SQE_CDW10, 1);
	host_sgl_keyed(&cmd, q, 0, 4096);
	return probe_exec_expect(p, "Identify before CC.EN", q, &cmd, ANY(ST_SEQUENCE)) &&
	       enable(p, q, CC_ENABLE, CSTS_RDY, CSTS_RDY) &&
	       probe_exec_expect(p, "Identify", q, &cmd, ANY(ST_OK));
}

static bool property_reset_ends_io_queues(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);

	return c && probe_rw(p, c, OPC_READ, 0, 1) &&
	       enable(p, c->admin, CC_ENABLE & ~1u, CSTS_RDY, 0) &&
	       probe_ends(p, "I/O queue after reset", c->io) && probe_alive(p, c->admin) &&
	       enable(p, c->admin, CC_ENABLE, CSTS_RDY, CSTS_RDY) && probe_io_queue(p, c, 1, 8);
}

static bool property_loss_of_admin_queue_ends_io_queues(struct probe *p)
{
	struct host_ctrl *c = probe_ctrl_io(p, 8, 16);

	if (!c || !probe_rw(p, c, OPC_READ, 0, 1))
		return false;
	host_queue_close(c->admin);
	c->admin = NULL;
	return probe_ends(p, "I/O queue without its admin queue", c->io);
}

#define CASE(name)                 \
	{                          \
#name, name, false \
	}

static const struct probe_case cases[] = {
	CASE(property_get_table),
	CASE(property_set_table),
	CASE(property_values_make_sense),
	CASE(property_on_an_io_queue),
	CASE(property_enable_and_reset),
	CASE(property_normal_shutdown),
	CASE(property_abrupt_shutdown),
	CASE(property_bad_cc_is_not_accepted),
	CASE(property_commands_before_enable),
	CASE(property_reset_ends_io_queues),
	CASE(property_loss_of_admin_queue_ends_io_queues),
};

PROBE_GROUP(probe_property, cases);
