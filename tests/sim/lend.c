/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the backends lend. Each loan is a place of its own, cut into pieces of any length, of which nobody
 * else knows: it is lent to one I/O at a time, is with that I/O when it is submitted, and comes back
 * once, when neither the backend nor the hardware has it. Then it is overwritten: a device that still
 * used it would show as wrong data. The memory is taken back and made ready again at any time.
 */
#include "sim.h"

#include <errno.h>
#include <string.h>

#include "control.h"

#define LOANS 8
#define GAP   64

static struct loan {
	const struct wrasse_io *io; /* NULL: it is free */
	struct media *media;
	unsigned group;
	uint8_t *at;
	struct iovec iov[WRASSE_MAX_PIECES];
	uint32_t count;
} loans[LOANS];

static struct wrasse_memory *memory;
static uint8_t *base;
static size_t len;

static void memory_create(void)
{
	int rc = wrasse_memory_create(target.target, base, len, &memory);

	if (rc && rc != -ENOMEM)
		sim_fail("wrasse_memory_create: %s", strerror(-rc));
	if (rc)
		memory = NULL;
}

void lend_start(void)
{
	size_t room = plan.max_len + (WRASSE_MAX_PIECES + 1) * GAP;

	memset(loans, 0, sizeof(loans));
	memory = NULL;
	if (!plan.lend)
		return;
	len = (LOANS * room + 4095) & ~(size_t)4095;
	base = arena_take_any(len);
	for (unsigned i = 0; i < LOANS; i++)
		loans[i].at = base + i * room;
	memory_create();
}

unsigned lend_count(const struct media *m)
{
	unsigned count = 0;

	for (unsigned i = 0; i < LOANS; i++)
		count += loans[i].io && loans[i].media == m;
	return count;
}

static unsigned all_count(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < LOANS; i++)
		count += loans[i].io != NULL;
	return count;
}

void lend_step(void)
{
	int rc;

	act_as(SIM_MAX_GROUPS);
	if (memory) {
		rc = wrasse_memory_destroy(memory);
		if (rc != (all_count() ? -EBUSY : 0))
			sim_fail("wrasse_memory_destroy with %u loans: %d", all_count(), rc);
		if (!rc)
			memory = NULL;
		trace_mix("memory is taken back", !rc, 0);
	} else {
		memory_create();
		trace_mix("memory is made ready", memory != NULL, 0);
	}
	act_as_host();
}

/* ---- loans ---- */

static void pieces_cut(struct loan *loan, uint32_t left)
{
	uint32_t most = rng_between(1, WRASSE_MAX_PIECES), part;
	uint8_t *at = loan->at;

	for (loan->count = 0; left; left -= part) {
		part = loan->count + 1 == most ? left : rng_between(1, left);
		at += rng_below(GAP);
		loan->iov[loan->count++] = (struct iovec){at, part};
		at += part;
	}
}

static void check_call(const struct wrasse_io *io, const char *what)
{
	const struct media *m = io->backend;

	if (in_library < 0 || in_library >= SIM_MAX_GROUPS)
		sim_fail("%s was called outside wrasse_poll_group_poll()", what);
	if (io->opcode != WRASSE_IO_READ && io->opcode != WRASSE_IO_WRITE)
		sim_fail("%s for an I/O with opcode %u", what, io->opcode);
	if (m->gone || !m->attached[in_library])
		sim_fail("%s for a namespace that is detached", what);
	if (pause_is_complete(m))
		sim_fail("%s for a namespace whose pause is complete", what);
}

uint32_t lend_map(struct wrasse_io *io, struct iovec *iov, struct wrasse_memory **from)
{
	struct media *m = io->backend;
	struct loan *loan = loans;

	check_call(io, "map()");
	if (!io->length || io->length > plan.max_len ||
	    io->offset + io->length > (uint64_t)m->blocks * SIM_BLOCK)
		sim_fail("map() for %llu bytes at %llu of %u blocks",
			 (unsigned long long)io->length, (unsigned long long)io->offset, m->blocks);
	while (loan < loans + LOANS && loan->io)
		loan++;
	if (!memory || loan == loans + LOANS || rng_one_in(4))
		return 0;
	loan->io = io;
	loan->media = m;
	loan->group = (unsigned)in_library;
	pieces_cut(loan, (uint32_t)io->length);
	memcpy(iov, loan->iov, loan->count * sizeof(*iov));
	*from = memory;
	io->scratch[3] = (uintptr_t)(loan - loans);
	trace_mix("backend lends", io->opcode, loan->count);
	return loan->count;
}

static struct loan *loan_of(const struct wrasse_io *io, const char *what)
{
	if (io->scratch[3] >= LOANS || loans[io->scratch[3]].io != io)
		sim_fail("%s for an I/O without a loan", what);
	return &loans[io->scratch[3]];
}

void lend_unmap(struct wrasse_io *io)
{
	struct loan *loan = loan_of(io, "unmap()");

	check_call(io, "unmap()");
	if (loan->group != (unsigned)in_library)
		sim_fail("unmap() of group %u for a loan to group %u", in_library, loan->group);
	if (backend_has_it(io))
		sim_fail("unmap() while the backend has the I/O");
	for (uint32_t i = 0; i < loan->count; i++) {
		const char *owner =
			fabric_memory_owner(loan->iov[i].iov_base, loan->iov[i].iov_len, true);

		if (owner)
			sim_fail("unmap(): the hardware has what was lent: %s", owner);
		memset(loan->iov[i].iov_base, 0xa5, loan->iov[i].iov_len);
	}
	loan->io = NULL;
	trace_mix("backend has back what it lent", io->opcode, loan->count);
}

void lend_check_submit(const struct wrasse_io *io)
{
	const struct loan *loan;

	if (!io->memory) {
		for (unsigned i = 0; i < LOANS; i++)
			if (loans[i].io == io)
				sim_fail("an I/O is submitted without what was lent to it");
		return;
	}
	loan = loan_of(io, "submit()");
	if (io->iov_count != loan->count ||
	    memcmp(io->iov, loan->iov, loan->count * sizeof(*io->iov)) != 0)
		sim_fail("an I/O is submitted with other memory than was lent to it");
}

void lend_check_detach(const struct media *m, unsigned group)
{
	for (unsigned i = 0; i < LOANS; i++)
		if (loans[i].io && loans[i].media == m && loans[i].group == group)
			sim_fail("detach() while a loan of the group is out");
}

void lend_check_end(void)
{
	if (all_count())
		sim_fail("at the end %u loans have not come back", all_count());
}
