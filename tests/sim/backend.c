/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Model media and backends. Each block of a namespace holds a pattern made of its namespace, its LBA
 * and a generation, so that a block from a wrong place or time shows. The backend answers at once,
 * late, out of order, with an error, from what looks like another thread, or not before the end.
 */
#include <errno.h>
#include <string.h>

#include "control.h"
#include "sim.h"

#include "nvme/ctrl.h"

/* What a namespace's backend does itself, or leaves to the library. */
#define IO_OPCODES                                                                  \
	(WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES) | WRASSE_IO_BIT(WRASSE_IO_DISCARD) | \
	 WRASSE_IO_BIT(WRASSE_IO_VERIFY) | WRASSE_IO_BIT(WRASSE_IO_COMPARE) |       \
	 WRASSE_IO_BIT(WRASSE_IO_COPY))

struct media media[SIM_MAX_MEDIA];
unsigned media_count;
unsigned io_count;
bool backend_releases;
uint64_t backend_order;

/* What the backend has, in no order. */
static struct pending {
	struct wrasse_io *io;
	struct media *media;
	unsigned group;
	bool remote, error, never, aborted;
	uint64_t order;
	uint64_t print;   /* of the ends of the memory, at submit */
	uint64_t poll;    /* of its group, that submitted it */
	uint64_t seen_ns; /* when its group first looked at its timers since; 0: not yet */
} pending[SIM_MAX_IO];

/* ---- patterns ---- */

static uint64_t block_key(uint64_t id, uint32_t lba, uint32_t gen)
{
	uint64_t z = (id ^ lba) * UINT64_C(0x9e3779b97f4a7c15) + gen * UINT64_C(0xd1b54a32d192ed03);

	return z ^ z >> 31;
}

void pattern_fill(void *data, uint32_t lba, uint32_t blocks, uint64_t id, uint32_t gen)
{
	uint64_t *word = data;

	for (uint32_t i = 0; i < blocks; i++, word += SIM_BLOCK / 8) {
		uint64_t key = block_key(id, lba + i, gen);

		word[0] = gen;
		for (uint32_t k = 1; k < SIM_BLOCK / 8; k++)
			word[k] = gen ? key + k : 0;
	}
}

uint32_t pattern_gen(const void *data, uint32_t lba, uint64_t id)
{
	uint64_t word[SIM_BLOCK / 8], key;

	memcpy(word, data, sizeof(word));
	if (word[0] >= UINT32_MAX)
		return UINT32_MAX;
	key = block_key(id, lba, (uint32_t)word[0]);
	for (uint32_t k = 1; k < SIM_BLOCK / 8; k++)
		if (word[k] != (word[0] ? key + k : 0))
			return UINT32_MAX;
	return (uint32_t)word[0];
}

/* ---- memory that somebody has ---- */

static uint64_t print_ends(const struct wrasse_io *io)
{
	uint64_t print = io->length;

	for (uint32_t i = 0; i < io->iov_count; i++) {
		const uint8_t *base = io->iov[i].iov_base;
		size_t len = io->iov[i].iov_len;
		uint64_t first = 0, last = 0;

		memcpy(&first, base, len < 8 ? len : 8);
		memcpy(&last, base + len - (len < 8 ? len : 8), len < 8 ? len : 8);
		print = (print ^ first) * UINT64_C(0x9fb21c651e98df25) ^ last;
	}
	return print;
}

static bool has_memory(const struct wrasse_io *io)
{
	return io->opcode == WRASSE_IO_READ || io->opcode == WRASSE_IO_WRITE ||
	       io->opcode == WRASSE_IO_COMPARE;
}

static void check_memory(const struct wrasse_io *io, const char *when)
{
	uint64_t len = 0;

	for (uint32_t i = 0; i < io->iov_count; i++) {
		const char *owner = fabric_memory_owner(io->iov[i].iov_base, io->iov[i].iov_len,
							io->opcode != WRASSE_IO_READ);

		if (owner)
			sim_fail("%s: the hardware has the backend's memory: %s", when, owner);
		len += io->iov[i].iov_len;
	}
	if (len != (has_memory(io) ? io->length : 0))
		sim_fail("%s: %u pieces of %llu bytes in all for an I/O of %llu", when,
			 io->iov_count, (unsigned long long)len, (unsigned long long)io->length);
}

/* ---- the I/O itself ---- */

static bool copy(const struct wrasse_io *io, uint8_t *at)
{
	bool equal = true;

	for (uint32_t i = 0; i < io->iov_count; at += io->iov[i++].iov_len) {
		if (io->opcode == WRASSE_IO_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else if (io->opcode == WRASSE_IO_WRITE)
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
		else
			equal &= !memcmp(at, io->iov[i].iov_base, io->iov[i].iov_len);
	}
	return equal;
}

/* Whether the backend can read all that an I/O needs. */
static bool is_readable(const struct wrasse_io *io, const struct media *m)
{
	uint64_t from = io->opcode == WRASSE_IO_COPY ? io->source : io->offset;
	bool reads = io->opcode == WRASSE_IO_READ || io->opcode == WRASSE_IO_VERIFY ||
		     io->opcode == WRASSE_IO_COMPARE || io->opcode == WRASSE_IO_COPY;

	return !reads || !memchr(m->bad + from / SIM_BLOCK, true, io->length / SIM_BLOCK);
}

/* What is written can be read again. */
static void mark(const struct wrasse_io *io, struct media *m)
{
	bool bad = io->opcode == WRASSE_IO_WRITE_UNCORRECTABLE;
	bool writes = io->opcode == WRASSE_IO_WRITE || io->opcode == WRASSE_IO_WRITE_ZEROES ||
		      io->opcode == WRASSE_IO_DISCARD || io->opcode == WRASSE_IO_COPY;

	if (bad || writes)
		memset(m->bad + io->offset / SIM_BLOCK, bad, io->length / SIM_BLOCK);
}

static struct wrasse_status carry_out(const struct wrasse_io *io, struct media *m)
{
	if (io->opcode != WRASSE_IO_FLUSH && has_memory(io) != (io->iov_count > 0))
		sim_fail("an I/O with opcode %u and %u pieces of memory", io->opcode,
			 io->iov_count);
	if (!is_readable(io, m))
		return wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_UNRECOVERED_READ, false);
	mark(io, m);
	if (io->opcode == WRASSE_IO_WRITE_ZEROES || io->opcode == WRASSE_IO_DISCARD)
		memset(m->data + io->offset, 0, io->length);
	if (io->opcode == WRASSE_IO_COPY)
		memcpy(m->data + io->offset, m->data + io->source, io->length);
	if (!copy(io, m->data + io->offset))
		return wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_COMPARE_FAILURE, true);
	pi_carry_out(io, m);
	return wrasse_status_ok();
}

static void finish(struct pending *p)
{
	struct pending done = *p;
	struct wrasse_status status = wrasse_status_ok();
	int was = in_library;

	check_memory(done.io, "completion");
	if (print_ends(done.io) != done.print)
		sim_fail("memory of an I/O changed while the backend had it");
	if (done.aborted)
		status = wrasse_status_make(WRASSE_SCT_GENERIC, WRASSE_SC_ABORTED, false);
	else if (done.error)
		status = rng_flip() ? wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT,
							 false) :
				      wrasse_status_make(WRASSE_SCT_GENERIC,
							 WRASSE_SC_COMMAND_INTERRUPTED, false);
	else
		status = carry_out(done.io, done.media);
	*p = pending[--io_count];
	done.media->in_flight--;
	trace_mix("backend completes", done.group, done.error);
	/* Inside poll the simulated thread stays what it is, unless this is another's answer. */
	if (was < 0 || done.remote)
		act_as(done.remote ? SIM_MAX_GROUPS + 1 : (int)done.group);
	wrasse_io_complete(done.io, status);
	if (was < 0)
		act_as_host();
	else if (done.remote)
		act_as(was);
}

/* Whose I/O it is, as the library's request says. */
static const struct nvme_request *request_of(const struct wrasse_io *io)
{
	const char *request = (const char *)io - offsetof(struct nvme_request, io);

	return (const struct nvme_request *)(const void *)request;
}

static void submit(struct wrasse_io *io)
{
	struct media *m = io->backend;
	struct pending *p;

	if (in_library < 0 || in_library >= SIM_MAX_GROUPS)
		sim_fail("submit() was called outside wrasse_poll_group_poll()");
	if (io_count == SIM_MAX_IO)
		sim_fail("more than %u I/Os in the backend", SIM_MAX_IO);
	if (io->offset + io->length > (uint64_t)m->blocks * SIM_BLOCK || io->offset % SIM_BLOCK ||
	    io->length % SIM_BLOCK)
		sim_fail("an I/O of %llu bytes at %llu, of a namespace of %u blocks",
			 (unsigned long long)io->length, (unsigned long long)io->offset, m->blocks);
	if (io->opcode > WRASSE_IO_FLUSH && !(m->io_opcodes & WRASSE_IO_BIT(io->opcode)))
		sim_fail("an I/O with opcode %u, which the backend does not take", io->opcode);
	if (m->gone || !m->attached[in_library])
		sim_fail("an I/O for a namespace that is detached");
	if (pause_is_complete(m))
		sim_fail("an I/O for a namespace whose pause is complete");
	check_memory(io, "submit");
	lend_check_submit(io);
	resv_check_io(request_of(io), m->ns);
	p = &pending[io_count++];
	*p = (struct pending){
		.io = io, .media = m, .group = (unsigned)in_library, .order = ++backend_order};
	p->remote = rng_one_in(plan.remote);
	p->error = rng_one_in(plan.error);
	p->never = rng_one_in(plan.never) && !backend_releases;
	p->print = print_ends(io);
	p->poll = target.group[in_library].polls;
	m->in_flight++;
	trace_mix("backend takes", (uint64_t)io->opcode << 16 | io->length / SIM_BLOCK,
		  io->offset / SIM_BLOCK);
	if (!p->never && !rng_one_in(plan.late))
		finish(p);
}

/* A host wants it ended: at once, later, or it is too late for that. */
static void end_early(struct wrasse_io *io)
{
	if (in_library < 0 || in_library >= SIM_MAX_GROUPS)
		sim_fail("abort() was called outside wrasse_poll_group_poll()");
	for (unsigned i = 0; i < io_count; i++) {
		if (pending[i].io != io)
			continue;
		trace_mix("backend is asked to abort", pending[i].group, i);
		pending[i].aborted = rng_flip();
		if (rng_flip())
			finish(&pending[i]);
		return;
	}
	sim_fail("abort() of an I/O that the backend does not have");
}

static int attach(void *backend, struct wrasse_poll_group *group, void **group_ctx)
{
	struct media *m = backend;

	if (in_library < 0 || in_library >= SIM_MAX_GROUPS)
		sim_fail("attach() was called outside wrasse_poll_group_poll()");
	if (m->attached[in_library])
		sim_fail("a namespace was attached twice to group %d", in_library);
	if (rng_one_in(plan.attach_fails))
		return -EIO;
	m->attached[in_library] = 1;
	*group_ctx = &m->attached[in_library];
	return 0;
}

static void detach(void *backend, void *group_ctx)
{
	struct media *m = backend;

	if (in_library < 0 || group_ctx != &m->attached[in_library] || !m->attached[in_library])
		sim_fail("detach() of group %d without its attach()", in_library);
	for (unsigned i = 0; i < io_count; i++)
		if (pending[i].media == m && pending[i].group == (unsigned)in_library)
			sim_fail("detach() while the backend has I/O of the group");
	lend_check_detach(m, (unsigned)in_library);
	m->attached[in_library] = 0;
}

static int poll_backend(void *backend, void *group_ctx)
{
	struct media *m = backend;

	if (in_library < 0 || group_ctx != &m->attached[in_library])
		sim_fail("poll() with another group's state");
	for (unsigned i = 0; i < io_count; i++) {
		if (pending[i].media != m || pending[i].group != (unsigned)in_library ||
		    pending[i].never || !rng_one_in(4))
			continue;
		finish(&pending[i]);
		return 1;
	}
	return 0;
}

/* What is asked of a backend that is no I/O. */
static void check_asked(const struct media *m, const char *what)
{
	if (in_library < 0 || in_library >= SIM_MAX_GROUPS)
		sim_fail("%s was called outside wrasse_poll_group_poll()", what);
	if (m->gone || !m->attached[in_library])
		sim_fail("%s was called for a namespace that is detached", what);
}

static void get_health(void *backend, struct wrasse_health *health)
{
	struct media *m = backend;

	check_asked(m, "get_health()");
	if (health->available_spare != 100)
		sim_fail("get_health() is given a spare of %u %%", health->available_spare);
	health->temperature_k = (uint16_t)(300 + m->nsid);
}

static int set_write_cache(void *backend, bool on)
{
	check_asked(backend, "set_write_cache()");
	trace_mix("write cache", on, 0);
	return plan.error && rng_one_in(4) ? -EIO : 0;
}

void backend_init(void)
{
	media_count = 0;
	io_count = 0;
	backend_releases = false;
	backend_order = 0;
	hook_init();
	resv_init();
}

struct media *backend_media(unsigned subsystem, struct wrasse_ns_opts *opts)
{
	static const struct wrasse_backend_ops bare = {.size = sizeof(bare), .submit = submit};
	static const struct wrasse_backend_ops full = {.size = sizeof(full),
						       .submit = submit,
						       .attach = attach,
						       .detach = detach,
						       .poll = poll_backend,
						       .abort = end_early,
						       .set_write_cache = set_write_cache,
						       .get_health = get_health};
	static struct wrasse_backend_ops lending;
	struct media *m = &media[media_count];

	if (media_count == SIM_MAX_MEDIA)
		return NULL;
	memset(m, 0, sizeof(*m));
	m->subsystem = subsystem;
	m->blocks = plan.blocks;
	m->data = arena_take((size_t)m->blocks * SIM_BLOCK);
	m->pi_type = plan.pi && rng_flip() ? plan.pi : 0;
	m->pi = m->pi_type ? arena_take((size_t)m->blocks * SIM_PI_LEN) : NULL;
	if (m->pi)
		memset(m->pi, 0xff, (size_t)m->blocks * SIM_PI_LEN);
	m->bad = arena_take(m->blocks * sizeof(*m->bad));
	m->block = arena_take(m->blocks * sizeof(*m->block));
	for (unsigned i = 0; i < SIM_MAX_GROUPS && !plan.attach; i++)
		m->attached[i] = 1;
	wrasse_ns_opts_init(opts);
	opts->block_size = SIM_BLOCK;
	opts->block_count = m->blocks;
	opts->pi_type = m->pi_type;
	opts->volatile_cache = true;
	m->io_opcodes = (uint32_t)rng_next() & IO_OPCODES;
	if (plan.uncorrectable)
		m->io_opcodes |= WRASSE_IO_BIT(WRASSE_IO_WRITE_UNCORRECTABLE);
	opts->io_opcodes = m->io_opcodes;
	opts->discard_zeroes = true;
	opts->io_timeout_ms = plan.io_timeout_ms;
	/* Never one that was in use: a late command must not reach another namespace. */
	opts->nsid = (uint32_t)(m - media) + 1;
	lending = full;
	lending.map = lend_map;
	lending.unmap = lend_unmap;
	opts->ops = plan.lend ? &lending : plan.attach ? &full : &bare;
	opts->backend = m;
	if (plan.reservations && rng_flip()) {
		opts->save_reservation = resv_save;
		opts->reservation_ctx = m;
	}
	media_count++;
	return m;
}

/* ---- completions outside submit() ---- */

bool backend_step(void)
{
	struct pending *p;

	if (!io_count || rng_one_in(4))
		return rng_flip() ? hook_step() : resv_step();
	p = &pending[rng_below(io_count)];
	if (p->never && !backend_releases)
		return false;
	finish(p);
	return true;
}

unsigned backend_complete_all(void)
{
	unsigned count = 0;

	while (hook_step() || resv_step())
		count++;
	for (unsigned i = 0; i < io_count;) {
		if (pending[i].never && !backend_releases) {
			i++;
			continue;
		}
		finish(&pending[i]);
		count++;
	}
	return count;
}

bool backend_has_older(const struct media *m, const struct host *host, uint64_t order)
{
	for (unsigned i = 0; i < io_count; i++)
		if (pending[i].media == m && pending[i].order <= order &&
		    !strcmp(request_of(pending[i].io)->queue->ctrl->hostnqn, host->nqn))
			return true;
	return false;
}

unsigned backend_held_of(const struct ctrl *ctrl)
{
	const char *nqn = target.subsystem[ctrl->subsystem].nqn;
	unsigned count = 0;

	for (unsigned i = 0; i < io_count; i++) {
		const struct nvme_ctrl *of = request_of(pending[i].io)->queue->ctrl;

		count += of->cntlid == ctrl->cntlid && !strcmp(of->hostnqn, ctrl->host->nqn) &&
			 !strcmp(of->subsystem->nqn, nqn);
	}
	return count;
}

/* What changes nothing and brings nothing. */
static bool only_reads(const struct nvme_request *request)
{
	return request->cmd.opcode == NVME_OPC_READ || request->cmd.opcode == NVME_OPC_VERIFY ||
	       request->cmd.opcode == NVME_OPC_FLUSH;
}

void backend_check_timers(unsigned group)
{
	uint64_t now = fabric_now_ns(), timeout = plan.io_timeout_ms * SIM_MS;

	for (unsigned i = 0; timeout && i < io_count; i++) {
		struct pending *p = &pending[i];
		const struct nvme_request *request = request_of(p->io);

		/* Timers come first in a poll: they have not seen what it submitted. */
		if (p->group != group || p->poll == target.group[group].polls)
			continue;
		if (!p->seen_ns)
			p->seen_ns = now;
		if (now >= p->seen_ns + timeout && only_reads(request) &&
		    request->queue->state == NVME_QUEUE_CONNECTED && !request->interrupted)
			sim_fail(
				"a command with opcode %#x waits for a backend that takes too long",
				request->cmd.opcode);
		if (request->interrupted && !only_reads(request))
			sim_fail("a command with opcode %#x is answered, and the backend has it",
				 request->cmd.opcode);
	}
}

bool backend_has_it(const struct wrasse_io *io)
{
	for (unsigned i = 0; i < io_count; i++)
		if (pending[i].io == io)
			return true;
	return false;
}

unsigned backend_held(unsigned group)
{
	unsigned count = hook_held(group) + resv_held(group);

	for (unsigned i = 0; i < io_count; i++)
		count += pending[i].group == group;
	return count;
}
