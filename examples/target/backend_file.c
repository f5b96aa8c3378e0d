/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A namespace in a file or block device, through io_uring: one ring per (poll group, namespace),
 * made by attach() and used by the group's thread alone. What submit() prepares, poll() submits at
 * once, and the ring's descriptor wakes the worker. An I/O goes in steps: usually one, more after
 * a short transfer or when it must be copied. With O_DIRECT, memory that is not aligned
 * (in-capsule data) goes through a bounce buffer; mixing in buffered I/O instead would let the
 * page cache write back stale neighbours. Write Zeroes and discards are fallocate(2). An I/O that finds no ring entry or bounce buffer waits
 * in a FIFO.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <wrasse/wrasse.h>

#include "backend_file.h"
#include "log.h"
#include "worker.h"

#define RING_ENTRIES 256
#define BOUNCE_COUNT 64
#define BOUNCE_LEN   16384
#define MAX_RETRIES  16

/* What the library's scratch words of an I/O are for. */
enum {
	SCRATCH_NEXT,    /* the next I/O that waits */
	SCRATCH_DONE,    /* bytes transferred; enum space_step where none are */
	SCRATCH_BOUNCE,  /* its bounce buffer, or NULL */
	SCRATCH_RETRIES, /* how often the kernel asked to try again */
};

/*
 * How far an I/O is that gives back or zeroes space. File systems and devices do not all know both
 * ways to do it: where the better one is refused the other is tried.
 */
enum space_step {
	SPACE_FIRST, /* punch a hole to deallocate, else zero the range */
	SPACE_OTHER,
	SPACE_SYNC, /* Force Unit Access: zeroes are durable */
};

/* One namespace. */
struct file {
	struct backend base;
	struct file_info info;
	_Atomic(bool) write_through; /* a host has turned the cache off: every write is durable */
};

/* One namespace in one poll group. */
struct file_ring {
	struct file *file;
	struct worker *worker;
	struct io_uring ring;
	unsigned in_ring; /* prepared or submitted, and not completed */
	bool prepared;    /* whether something waits for io_uring_submit() */
	struct wrasse_io *wait_first;
	struct wrasse_io *wait_last;
	uint8_t *bounces;
	uint8_t bounce_free[BOUNCE_COUNT]; /* a stack of indexes */
	unsigned bounce_free_count;
};

struct wrasse_status file_status(enum wrasse_io_opcode opcode, int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return wrasse_status_make(WRASSE_SCT_GENERIC, WRASSE_SC_CAPACITY_EXCEEDED, false);
	case EROFS:
		return wrasse_status_make(WRASSE_SCT_GENERIC, WRASSE_SC_NS_WRITE_PROTECTED, true);
	case EACCES:
	case EPERM:
		return wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_ACCESS_DENIED, true);
	case ENOMEM:
	case EAGAIN:
	case EINTR:
	case ECANCELED:
		return wrasse_status_make(WRASSE_SCT_GENERIC, WRASSE_SC_INTERNAL, false);
	default:
		if (opcode == WRASSE_IO_READ)
			return wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_UNRECOVERED_READ,
						  false);
		return wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT, false);
	}
}

/* Copies between an I/O's memory from byte @at on and a bounce buffer. */
static void bounce_copy(const struct wrasse_io *io, size_t at, uint8_t *bounce, size_t len)
{
	for (uint32_t i = 0; i < io->iov_count && len > 0; i++) {
		const struct iovec *iov = &io->iov[i];
		size_t part;

		if (at >= iov->iov_len) {
			at -= iov->iov_len;
			continue;
		}
		part = iov->iov_len - at < len ? iov->iov_len - at : len;
		if (io->opcode == WRASSE_IO_READ)
			memcpy((uint8_t *)iov->iov_base + at, bounce, part);
		else
			memcpy(bounce, (uint8_t *)iov->iov_base + at, part);
		bounce += part;
		len -= part;
		at = 0;
	}
}

static uint8_t *bounce_take(struct file_ring *ring)
{
	if (ring->bounce_free_count == 0)
		return NULL;
	return ring->bounces + (size_t)ring->bounce_free[--ring->bounce_free_count] * BOUNCE_LEN;
}

static void bounce_give(struct file_ring *ring, struct wrasse_io *io)
{
	const uint8_t *bounce = (uint8_t *)io->scratch[SCRATCH_BOUNCE];

	if (!bounce)
		return;
	ring->bounce_free[ring->bounce_free_count++] =
		(uint8_t)((size_t)(bounce - ring->bounces) / BOUNCE_LEN);
	io->scratch[SCRATCH_BOUNCE] = 0;
}

/* Whether the device can reach the I/O's memory as it is. */
static bool is_aligned(const struct file *file, const struct wrasse_io *io)
{
	uintptr_t bits = 0;

	if (!file->info.direct)
		return true;
	for (uint32_t i = 0; i < io->iov_count; i++) {
		if (io->iov[i].iov_len & (file->info.offset_align - 1))
			return false;
		bits |= (uintptr_t)io->iov[i].iov_base;
	}
	return !(bits & (file->info.memory_align - 1));
}

/* Prepares a transfer of one piece of memory that begins at byte @done of the I/O. */
static void prepare_piece(struct file_ring *ring, struct io_uring_sqe *sqe, struct wrasse_io *io,
			  void *memory, size_t len, size_t done)
{
	if (io->opcode == WRASSE_IO_READ) {
		io_uring_prep_read(sqe, ring->file->info.fd, memory, (unsigned)len,
				   io->offset + done);
	} else {
		io_uring_prep_write(sqe, ring->file->info.fd, memory, (unsigned)len,
				    io->offset + done);
	}
}

static void prepare_bounced(struct file_ring *ring, struct io_uring_sqe *sqe, struct wrasse_io *io)
{
	uint8_t *bounce = (uint8_t *)io->scratch[SCRATCH_BOUNCE];
	size_t done = io->scratch[SCRATCH_DONE];
	size_t len = io->length - done < BOUNCE_LEN ? io->length - done : BOUNCE_LEN;

	if (io->opcode == WRASSE_IO_WRITE)
		bounce_copy(io, done, bounce, len);
	prepare_piece(ring, sqe, io, bounce, len, done);
}

/*
 * Transfers one iovec element, or goes on after a short transfer with what is left of the one
 * where it stopped.
 */
static void prepare_rest(struct file_ring *ring, struct io_uring_sqe *sqe, struct wrasse_io *io)
{
	size_t done = io->scratch[SCRATCH_DONE], at = done;
	const struct iovec *iov = io->iov;

	for (; at >= iov->iov_len; iov++)
		at -= iov->iov_len;
	prepare_piece(ring, sqe, io, (uint8_t *)iov->iov_base + at, iov->iov_len - at, done);
}

static void prepare_vector(struct file_ring *ring, struct io_uring_sqe *sqe, struct wrasse_io *io)
{
	if (io->opcode == WRASSE_IO_READ)
		io_uring_prep_readv(sqe, ring->file->info.fd, io->iov, io->iov_count, io->offset);
	else
		io_uring_prep_writev(sqe, ring->file->info.fd, io->iov, io->iov_count, io->offset);
}

static bool is_durable(const struct file *file, const struct wrasse_io *io)
{
	return (io->opcode == WRASSE_IO_WRITE || io->opcode == WRASSE_IO_WRITE_ZEROES) &&
	       ((io->flags & WRASSE_IO_FUA) || atomic_load(&file->write_through));
}

static void prepare_space(struct file_ring *ring, struct io_uring_sqe *sqe,
			  const struct wrasse_io *io)
{
	enum space_step step = (enum space_step)io->scratch[SCRATCH_DONE];
	bool punch = io->opcode == WRASSE_IO_DISCARD || (io->flags & WRASSE_IO_DEALLOCATE);
	int mode = punch == (step == SPACE_FIRST) ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

	if (step == SPACE_SYNC)
		io_uring_prep_fsync(sqe, ring->file->info.fd, IORING_FSYNC_DATASYNC);
	else
		io_uring_prep_fallocate(sqe, ring->file->info.fd, mode | FALLOC_FL_KEEP_SIZE,
					(off_t)io->offset, (off_t)io->length);
}

/* Puts the next step of an I/O into the ring, where there is an entry for it. */
static void step_prepare(struct file_ring *ring, struct wrasse_io *io)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring);

	if (io->opcode == WRASSE_IO_FLUSH)
		io_uring_prep_fsync(sqe, ring->file->info.fd, IORING_FSYNC_DATASYNC);
	else if (!io->iov_count)
		prepare_space(ring, sqe, io);
	else if (io->scratch[SCRATCH_BOUNCE])
		prepare_bounced(ring, sqe, io);
	else if (io->scratch[SCRATCH_DONE] || io->iov_count == 1)
		prepare_rest(ring, sqe, io);
	else
		prepare_vector(ring, sqe, io);
	if (io->iov_count && is_durable(ring->file, io))
		sqe->rw_flags = RWF_DSYNC;
	io_uring_sqe_set_data(sqe, io);
	ring->prepared = true;
}

/* Starts an I/O, if there is a ring entry, and a bounce buffer where it needs one. */
static bool io_start(struct file_ring *ring, struct wrasse_io *io)
{
	/* No more than the submission ring has entries, so that neither ring can be full. */
	if (ring->in_ring == RING_ENTRIES)
		return false;
	if (!is_aligned(ring->file, io)) {
		io->scratch[SCRATCH_BOUNCE] = (uintptr_t)bounce_take(ring);
		if (!io->scratch[SCRATCH_BOUNCE])
			return false;
	}
	ring->in_ring++;
	step_prepare(ring, io);
	return true;
}

static void waiting_start(struct file_ring *ring)
{
	while (ring->wait_first && io_start(ring, ring->wait_first))
		ring->wait_first = (struct wrasse_io *)ring->wait_first->scratch[SCRATCH_NEXT];
}

static void file_submit(struct wrasse_io *io)
{
	struct file_ring *ring = io->group_ctx;

	memset(io->scratch, 0, sizeof(io->scratch));
	if (!ring->wait_first && io_start(ring, io))
		return;
	if (ring->wait_first)
		ring->wait_last->scratch[SCRATCH_NEXT] = (uintptr_t)io;
	else
		ring->wait_first = io;
	ring->wait_last = io;
}

/*
 * Counts the bytes of a step. O_DIRECT can go on only at a block, so the rest of a block that was
 * cut is done again. Returns whether there was progress.
 */
static bool step_count(struct file_ring *ring, struct wrasse_io *io, size_t len)
{
	size_t done = io->scratch[SCRATCH_DONE];

	if (done + len < io->length && ring->file->info.direct)
		len -= len % ring->file->info.offset_align;
	if (io->scratch[SCRATCH_BOUNCE] && io->opcode == WRASSE_IO_READ)
		bounce_copy(io, done, (uint8_t *)io->scratch[SCRATCH_BOUNCE], len);
	io->scratch[SCRATCH_DONE] += len;
	return len > 0;
}

/*
 * After a step of an I/O for space. A device that cannot discard is left as it is, which a discard
 * allows. Returns whether the I/O has ended.
 */
static bool space_end(const struct file *file, struct wrasse_io *io, int result,
		      struct wrasse_status *status)
{
	uintptr_t *step = &io->scratch[SCRATCH_DONE];

	if (result == -EOPNOTSUPP && io->opcode == WRASSE_IO_DISCARD)
		return true;
	if (result == -EOPNOTSUPP && *step == SPACE_FIRST) {
		*step = SPACE_OTHER;
		return false;
	}
	if (result < 0) {
		*status = file_status(io->opcode, -result);
		return true;
	}
	if (!is_durable(file, io) || *step == SPACE_SYNC)
		return true;
	*step = SPACE_SYNC;
	return false;
}

/* Acts on the result of a step. Returns whether the I/O has ended, with its status. */
static bool step_end(struct file_ring *ring, struct wrasse_io *io, int result,
		     struct wrasse_status *status)
{
	*status = wrasse_status_ok();
	if (result == -EINTR || result == -EAGAIN) {
		if (io->scratch[SCRATCH_RETRIES]++ < MAX_RETRIES)
			return false;
	}
	if (io->opcode == WRASSE_IO_WRITE_ZEROES || io->opcode == WRASSE_IO_DISCARD)
		return space_end(ring->file, io, result, status);
	if (result < 0) {
		*status = file_status(io->opcode, -result);
	} else if (io->opcode != WRASSE_IO_FLUSH) {
		/* No progress: the file has shrunk under us. */
		if (!step_count(ring, io, (size_t)result))
			*status = file_status(io->opcode, EIO);
		else if (io->scratch[SCRATCH_DONE] < io->length)
			return false;
	}
	return true;
}

static int file_poll(void *backend, void *group_ctx)
{
	struct file_ring *ring = group_ctx;
	struct wrasse_status status;
	struct io_uring_cqe *cqe;
	int completed = 0;

	while (io_uring_peek_cqe(&ring->ring, &cqe) == 0) {
		struct wrasse_io *io = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&ring->ring, cqe);
		if (!step_end(ring, io, result, &status)) {
			step_prepare(ring, io);
			continue;
		}
		bounce_give(ring, io);
		ring->in_ring--;
		wrasse_io_complete(io, status);
		completed++;
	}
	waiting_start(ring);
	if (!ring->prepared)
		return completed;
	/*
	 * A kernel that is short of memory takes none or some of them: the rest is for the next
	 * poll, which must come.
	 */
	io_uring_submit(&ring->ring);
	ring->prepared = io_uring_sq_ready(&ring->ring) > 0;
	return completed + ring->prepared;
}

static int file_attach(void *backend, struct wrasse_poll_group *group, void **group_ctx)
{
	struct file_ring *ring = calloc(1, sizeof(*ring));
	int result;

	if (!ring)
		return -ENOMEM;
	ring->file = backend;
	ring->worker = wrasse_poll_group_ctx(group);
	ring->bounces = mmap(NULL, BOUNCE_COUNT * BOUNCE_LEN, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring->bounces == MAP_FAILED) {
		result = -errno;
		goto no_bounces;
	}
	while (ring->bounce_free_count < BOUNCE_COUNT) {
		ring->bounce_free[ring->bounce_free_count] = (uint8_t)ring->bounce_free_count;
		ring->bounce_free_count++;
	}
	result = io_uring_queue_init(RING_ENTRIES, &ring->ring, 0);
	if (result)
		goto no_ring;
	result = worker_watch(ring->worker, ring->ring.ring_fd);
	if (result)
		goto no_watch;
	*group_ctx = ring;
	return 0;

no_watch:
	io_uring_queue_exit(&ring->ring);
no_ring:
	munmap(ring->bounces, BOUNCE_COUNT * BOUNCE_LEN);
no_bounces:
	log_line(WRASSE_LOG_ERROR, "group %u: no io_uring for '%s': %s",
		 wrasse_poll_group_index(group), ring->file->info.path, strerror(-result));
	free(ring);
	return result;
}

static void file_detach(void *backend, void *group_ctx)
{
	struct file_ring *ring = group_ctx;

	worker_unwatch(ring->worker, ring->ring.ring_fd);
	io_uring_queue_exit(&ring->ring);
	munmap(ring->bounces, BOUNCE_COUNT * BOUNCE_LEN);
	free(ring);
}

static int file_set_write_cache(void *backend, bool on)
{
	atomic_store(&((struct file *)backend)->write_through, !on);
	return 0;
}

static const struct wrasse_backend_ops file_ops = {
	.size = sizeof(file_ops),
	.submit = file_submit,
	.attach = file_attach,
	.detach = file_detach,
	.poll = file_poll,
	.set_write_cache = file_set_write_cache,
};

static void file_destroy(struct backend *backend)
{
	struct file *file = (struct file *)backend;

	file_info_fini(&file->info);
	free(file);
}

int backend_file_create(const struct ns_spec *spec, struct backend **backend)
{
	struct file *file = calloc(1, sizeof(*file));
	int result;

	if (!file)
		return -ENOMEM;
	result = file_info_init(&file->info, spec);
	if (result) {
		free(file);
		return result;
	}
	file->base = (struct backend){
		.ops = &file_ops,
		.destroy = file_destroy,
		.size = file->info.size,
		.volatile_cache = !spec->read_only,
		.io_opcodes = file->info.punches ? WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES) |
							   WRASSE_IO_BIT(WRASSE_IO_DISCARD) :
						   0,
		.discard_zeroes = file->info.punches && !file->info.device,
	};
	*backend = &file->base;
	return 0;
}
