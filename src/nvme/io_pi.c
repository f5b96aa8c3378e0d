/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read, Write, Write Zeroes and Verify of namespaces with protection information (NVM Command Set
 * 1.0 5.2). The backend has data and tuples apart. A host has them one after the other in each
 * block, or, with PRACT, no tuples at all: then the command is one I/O. Otherwise it goes piece by
 * piece through scratch, and each byte is copied and checked in one pass. The thread of the queue's
 * group.
 */
#include "nvme/io.h"
#include "nvme/pi.h"

#define CONTROL_PRACT 0x2000
#define CONTROL_GUARD 0x1000
#define CONTROL_APP   0x0800
#define CONTROL_REF   0x0400

static uint16_t control_of(const struct nvme_request *request)
{
	return nvme_get16(request->cmd.rw.control);
}

static struct nvme_pi pi_of(const struct nvme_request *request, const struct wrasse_namespace *ns)
{
	uint16_t control = control_of(request);

	return (struct nvme_pi){
		.type = ns->pi_type,
		.check_guard = control & CONTROL_GUARD,
		.check_app = control & CONTROL_APP,
		.check_ref = control & CONTROL_REF,
		.app = nvme_get16(request->cmd.rw.lbat),
		.app_mask = nvme_get16(request->cmd.rw.lbatm),
		.ref = nvme_get32(request->cmd.rw.ilbrt),
	};
}

/* Whether the host has tuples between its blocks. */
static bool has_tuples(const struct nvme_request *request)
{
	return request->op->xfer != NVME_XFER_NONE && !(control_of(request) & CONTROL_PRACT);
}

/* Whether nothing of it goes through scratch but tuples. */
static bool is_one_io(const struct nvme_request *request)
{
	return request->op->xfer != NVME_XFER_NONE && !has_tuples(request);
}

/* Type 1 binds the reference tag to the block's address, type 3 has none to check (5.2.1.4). */
static bool check_tags(struct nvme_request *request, const struct wrasse_namespace *ns)
{
	struct nvme_pi pi = pi_of(request, ns);

	if (!pi.check_ref || ns->pi_type == 2)
		return true;
	if (ns->pi_type == 1 && pi.ref == (uint32_t)nvme_get64(request->cmd.rw.slba))
		return true;
	nvme_refuse(request, NVME_COMMAND(NVME_SC_INVALID_PI), NVME_AT_CDW14,
		    "a reference tag that the namespace's type does not know");
	return false;
}

int64_t nvme_pi_data_len(struct nvme_request *request, const struct wrasse_namespace *ns,
			 int64_t len)
{
	uint64_t tuples = ((uint64_t)len >> ns->block_shift) * NVME_PI_LEN;
	uint64_t scratch = is_one_io(request) ? tuples : (uint64_t)len + tuples;

	if (!check_tags(request, ns))
		return NVME_REFUSED;
	/* What a command without data moves is of no size that matters. */
	request->data.scratch_len =
		scratch < NVME_SCRATCH_MAX ? (uint32_t)scratch : NVME_SCRATCH_MAX;
	return has_tuples(request) ? (int64_t)((uint64_t)len + tuples) : len;
}

/* ---- the host's memory ---- */

/* A place in the pieces of a command's data. */
struct place {
	const struct iovec *iov;
	size_t done; /* bytes of it */
};

static void place_find(struct place *place, const struct nvme_request *request, uint64_t offset)
{
	place->iov = request->iov;
	while (offset && offset >= place->iov->iov_len)
		offset -= place->iov++->iov_len;
	place->done = (size_t)offset;
}

/* The next bytes, @len at most. */
static uint8_t *place_next(struct place *place, size_t *len)
{
	uint8_t *at = (uint8_t *)place->iov->iov_base + place->done;
	size_t left = place->iov->iov_len - place->done;

	if (*len < left) {
		place->done += *len;
		return at;
	}
	*len = left;
	place->iov++;
	place->done = 0;
	return at;
}

/* Each returns the CRC of the bytes. */
static uint16_t place_crc(struct place *place, size_t len)
{
	uint16_t crc = 0;

	for (size_t part; len; len -= part) {
		const uint8_t *at;

		part = len;
		at = place_next(place, &part);
		crc = nvme_pi_crc(crc, at, part);
	}
	return crc;
}

static uint16_t place_get(struct place *place, uint8_t *to, size_t len)
{
	uint16_t crc = 0;

	for (size_t part; len; len -= part, to += part) {
		const uint8_t *at;

		part = len;
		at = place_next(place, &part);
		crc = nvme_pi_crc_copy(crc, to, at, part);
	}
	return crc;
}

static uint16_t place_put(struct place *place, const uint8_t *from, size_t len)
{
	uint16_t crc = 0;

	for (size_t part; len; len -= part, from += part) {
		uint8_t *at;

		part = len;
		at = place_next(place, &part);
		crc = nvme_pi_crc_copy(crc, at, from, part);
	}
	return crc;
}

/* ---- pieces ---- */

static uint8_t *data_at(const struct nvme_request *request)
{
	return request->scratch.iov_base;
}

static uint8_t *tuples_at(const struct nvme_request *request)
{
	return data_at(request) + (is_one_io(request) ? 0 : request->steps.piece.iov_len);
}

/* Return: whether the tuple is good; refuses the command if it is not. */
static bool tuple_check(struct nvme_request *request, const struct nvme_pi *pi, uint64_t block,
			uint16_t guard, const uint8_t *tuple)
{
	static const uint8_t sc[] = {[NVME_PI_GUARD] = WRASSE_SC_GUARD_CHECK,
				     [NVME_PI_APP] = WRASSE_SC_APP_TAG_CHECK,
				     [NVME_PI_REF] = WRASSE_SC_REF_TAG_CHECK};
	enum nvme_pi_fault fault = nvme_pi_check(pi, block, guard, tuple);

	if (fault == NVME_PI_GOOD)
		return true;
	nvme_refuse(request, wrasse_status_make(WRASSE_SCT_MEDIA, sc[fault], true), NVME_AT_NONE,
		    "protection information is not as it should be");
	return false;
}

/* What is to be written: from the host, or of zeroes. Return: false: refused. */
static bool piece_fill(struct nvme_request *request, const struct wrasse_namespace *ns,
		       uint64_t first, uint64_t count)
{
	struct nvme_pi pi = pi_of(request, ns);
	size_t block_len = (size_t)1 << ns->block_shift;
	uint8_t *data = data_at(request), *tuple = tuples_at(request);
	struct place place = {NULL, 0};

	if (request->op->xfer != NVME_XFER_NONE)
		place_find(&place, request,
			   first * (block_len + (has_tuples(request) ? NVME_PI_LEN : 0)));
	for (uint64_t i = first; i < first + count; i++, data += block_len, tuple += NVME_PI_LEN) {
		if (request->op->xfer == NVME_XFER_NONE) {
			memset(data, 0, block_len);
			nvme_pi_make(&pi, i, 0, tuple);
		} else if (!has_tuples(request)) {
			nvme_pi_make(&pi, i, place_crc(&place, block_len), tuple);
		} else {
			uint16_t guard = place_get(&place, data, block_len);

			place_get(&place, tuple, NVME_PI_LEN);
			if (!tuple_check(request, &pi, i, guard, tuple))
				return false;
		}
	}
	return true;
}

/* What was read: checked, and for the host. Return: false: refused. */
static bool piece_take(struct nvme_request *request, const struct wrasse_namespace *ns,
		       uint64_t first, uint64_t count)
{
	struct nvme_pi pi = pi_of(request, ns);
	size_t block_len = (size_t)1 << ns->block_shift;
	const uint8_t *data = data_at(request), *tuple = tuples_at(request);
	struct place place = {NULL, 0};

	if (request->op->xfer != NVME_XFER_NONE)
		place_find(&place, request,
			   first * (block_len + (has_tuples(request) ? NVME_PI_LEN : 0)));
	for (uint64_t i = first; i < first + count; i++, data += block_len, tuple += NVME_PI_LEN) {
		uint16_t guard = is_one_io(request)  ? place_crc(&place, block_len) :
				 has_tuples(request) ? place_put(&place, data, block_len) :
						       nvme_pi_crc(0, data, block_len);

		if (has_tuples(request))
			place_put(&place, tuple, NVME_PI_LEN);
		if (!tuple_check(request, &pi, i, guard, tuple))
			return false;
	}
	return true;
}

/* Blocks of the next piece. */
static uint64_t piece_count(const struct nvme_request *request, const struct wrasse_namespace *ns)
{
	uint64_t left = (request->steps.length - request->steps.done) >> ns->block_shift;
	uint64_t room = request->scratch.iov_len / ((1ull << ns->block_shift) + NVME_PI_LEN);

	return is_one_io(request) || left < room ? left : room;
}

static enum nvme_next piece_submit(struct nvme_request *request, struct nvme_ns_port *port)
{
	const struct wrasse_namespace *ns = port->ns;
	struct nvme_steps *steps = &request->steps;
	bool reads = !(request->op->effects & NVME_EFFECT_DATA);
	uint64_t count = piece_count(request, ns);
	size_t len = (size_t)(count << ns->block_shift);
	enum nvme_next next;

	steps->piece = (struct iovec){request->scratch.iov_base, len};
	if (!reads && !piece_fill(request, ns, steps->done >> ns->block_shift, count))
		return NVME_RESPOND;
	next = nvme_io_submit(request, port, reads ? WRASSE_IO_READ : WRASSE_IO_WRITE,
			      steps->offset + steps->done, len);
	request->io.iov = is_one_io(request) ? request->iov : &steps->piece;
	request->io.iov_count = is_one_io(request) ? request->iov_count : 1;
	request->io.pi = tuples_at(request);
	return next;
}

static enum nvme_next piece_next(struct nvme_request *request, struct nvme_ns_port *port)
{
	struct nvme_steps *steps = &request->steps;
	uint32_t shift = port->ns->block_shift;
	size_t len = steps->piece.iov_len;

	if (request->io.opcode == WRASSE_IO_READ &&
	    !piece_take(request, port->ns, steps->done >> shift, len >> shift))
		return NVME_RESPOND;
	steps->done += len;
	if (steps->done < steps->length)
		return piece_submit(request, port);
	nvme_io_count(port, request, steps->length);
	return nvme_succeed(request, 0);
}

enum nvme_next nvme_pi_steps(struct nvme_request *request, struct nvme_ns_port *port)
{
	uint32_t shift = port->ns->block_shift;

	request->steps = (struct nvme_steps){
		.next = piece_next,
		.offset = nvme_get64(request->cmd.rw.slba) << shift,
		.length = (nvme_get16(request->cmd.rw.nlb) + 1ull) << shift,
	};
	return piece_submit(request, port);
}
