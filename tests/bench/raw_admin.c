/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Linux's host wants to know before it does I/O, as constants as far as that goes. One controller, of
 * whoever came last.
 */
#include <stdio.h>
#include <string.h>

#include "raw.h"

#define CAP (127 | 1ull << 16 | 20ull << 24 | 1ull << 37) /* MQES, CQR, TO, NVM */
#define VS  0x00010300

static uint32_t cc, csts;

/* ---- Identify ---- */

static void put_text(uint8_t *at, size_t len, const char *text)
{
	memset(at, ' ', len);
	memcpy(at, text, strlen(text));
}

static void controller_page(uint8_t *page, const struct raw_ns *ns)
{
	put_text(page + 4, 20, "RAW");
	put_text(page + 24, 40, "the least that a target can do");
	put_text(page + 64, 8, "1");
	page[77] = 5; /* MDTS: 128 KiB */
	wire_put16(page, 78, 1);
	wire_put32(page, 80, VS);
	page[111] = 1; /* an I/O controller */
	page[259] = 3;
	wire_put16(page, 320, 10); /* Keep Alive in units of 1 s */
	page[512] = 0x66;
	page[513] = 0x44;
	wire_put16(page, 514, 128);
	wire_put32(page, 516, 1);
	wire_put32(page, 536, 0x100005); /* keyed, and in the capsule by offset */
	snprintf((char *)page + 768, 256, "%s", ns->nqn);
	wire_put32(page, 1792, RAW_CAPSULE_LEN / 16);
	wire_put32(page, 1796, 1);
	page[1803] = 1;
}

static void namespace_page(uint8_t *page, const struct raw_ns *ns)
{
	wire_put64(page, 0, ns->blocks);
	wire_put64(page, 8, ns->blocks);
	wire_put64(page, 16, ns->blocks);
	page[130] = 9; /* LBA format 0: 512 bytes */
}

static void descriptor_list(uint8_t *page)
{
	page[0] = 3; /* a UUID */
	page[1] = 16;
	memset(page + 4, 0x5a, 16);
}

static int identify(struct raw_slot *slot, const struct raw_ns *ns)
{
	memset(slot->page, 0, sizeof(slot->page));
	switch (slot->capsule[SQE_CDW10]) {
	case 0:
		namespace_page(slot->page, ns);
		break;
	case 1:
		controller_page(slot->page, ns);
		break;
	case 2:
		if (wire_get32(slot->capsule, SQE_NSID) < 1)
			wire_put32(slot->page, 0, 1);
		break;
	case 3:
		descriptor_list(slot->page);
		break;
	default:
		wire_put16(slot->cqe, CQE_STATUS, ST_FIELD << 1 | ST_DNR);
		return 0;
	}
	return RAW_PAGE_LEN;
}

/* ---- Fabrics ---- */

static void property_get(struct raw_slot *slot)
{
	switch (wire_get32(slot->capsule, SQE_CDW11)) {
	case PROP_CAP:
		wire_put64(slot->cqe, CQE_DW0, CAP);
		break;
	case PROP_VS:
		wire_put32(slot->cqe, CQE_DW0, VS);
		break;
	case PROP_CC:
		wire_put32(slot->cqe, CQE_DW0, cc);
		break;
	case PROP_CSTS:
		wire_put32(slot->cqe, CQE_DW0, csts);
		break;
	default:
		wire_put16(slot->cqe, CQE_STATUS, ST_FIELD << 1 | ST_DNR);
	}
}

/* CC is the only one that a host sets. */
static void property_set(const struct raw_slot *slot)
{
	cc = wire_get32(slot->capsule, SQE_CDW12);
	csts = (cc & 1) | (cc & 0xc000 ? CSTS_SHST_DONE : 0);
}

static void fabrics(struct raw_slot *slot)
{
	switch (slot->capsule[SQE_FCTYPE]) {
	case FCTYPE_CONNECT:
		if (slot->queue->qid == 0)
			cc = csts = 0;
		wire_put32(slot->cqe, CQE_DW0, 1);
		break;
	case FCTYPE_PROP_GET:
		property_get(slot);
		break;
	case FCTYPE_PROP_SET:
		property_set(slot);
		break;
	default:
		wire_put16(slot->cqe, CQE_STATUS, ST_OPCODE << 1 | ST_DNR);
	}
}

/* ---- all ---- */

int raw_admin(struct raw_slot *slot, const struct raw_ns *ns)
{
	memset(slot->cqe, 0, sizeof(slot->cqe));
	switch (slot->capsule[SQE_OPC]) {
	case OPC_FABRICS:
		fabrics(slot);
		return 0;
	case OPC_IDENTIFY:
		return identify(slot, ns);
	case OPC_GET_LOG:
		memset(slot->page, 0, sizeof(slot->page));
		return RAW_PAGE_LEN;
	case OPC_SET_FEATURES:
		/* The number of queues is as many as it asks for. */
		wire_put32(slot->cqe, CQE_DW0, wire_get32(slot->capsule, SQE_CDW11));
		return 0;
	case OPC_KEEP_ALIVE:
		return 0;
	case OPC_AER:
		return RAW_HELD;
	default:
		wire_put16(slot->cqe, CQE_STATUS, ST_OPCODE << 1 | ST_DNR);
		return 0;
	}
}
