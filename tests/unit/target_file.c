/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file backend of wrasse-target without RDMA: its functions are called as the library would,
 * on real files. The .c file is included, so that a test can put another descriptor in the place
 * of the file. What the library and the worker would do is small and stands here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend_file.c"

#define FILE_SIZE (1 << 20)

/* One backend, attached once. */
struct bench {
	char path[64];
	struct ns_spec spec;
	struct backend *backend;
	void *group_ctx;
	uint8_t *memory; /* page-aligned, twice FILE_SIZE */
};

static int watched = -1;
static unsigned completed;
static struct wrasse_status last;

void wrasse_io_complete(struct wrasse_io *io, struct wrasse_status status)
{
	completed++;
	last = status;
	io->scratch[SCRATCH_NEXT] = (uintptr_t)-1; /* the backend must not look at it again */
}

void *wrasse_poll_group_ctx(const struct wrasse_poll_group *group)
{
	return (void *)(uintptr_t)group;
}

unsigned wrasse_poll_group_index(const struct wrasse_poll_group *group)
{
	return 0;
}

int worker_watch(struct worker *worker, int fd)
{
	watched = fd;
	return 0;
}

void worker_unwatch(struct worker *worker, int fd)
{
	assert_int_equal(fd, watched);
	watched = -1;
}

/* Polls as a worker that sleeps would, until so many I/Os have ended; fails after 10 s. */
static void wait_for(struct bench *bench, unsigned count)
{
	struct pollfd fd = {.fd = watched, .events = POLLIN};

	while (completed < count) {
		if (bench->backend->ops->poll(bench->backend, bench->group_ctx) > 0)
			continue;
		if (poll(&fd, 1, 10000) == 0)
			fail_msg("%u of %u I/Os have ended", completed, count);
	}
	assert_int_equal(bench->backend->ops->poll(bench->backend, bench->group_ctx), 0);
	assert_int_equal(completed, count);
}

static struct wrasse_io make_io(struct bench *bench, enum wrasse_io_opcode opcode, uint64_t offset,
				struct iovec *iov, uint32_t iov_count)
{
	struct wrasse_io io = {.opcode = opcode,
			       .offset = offset,
			       .iov = iov,
			       .iov_count = iov_count,
			       .backend = bench->backend,
			       .group_ctx = bench->group_ctx};

	memset(io.scratch, 0xa5, sizeof(io.scratch));
	for (uint32_t i = 0; i < iov_count; i++)
		io.length += iov[i].iov_len;
	return io;
}

/* Runs one I/O to its end. */
static struct wrasse_status run(struct bench *bench, enum wrasse_io_opcode opcode, uint32_t flags,
				uint64_t offset, struct iovec *iov, uint32_t iov_count)
{
	struct wrasse_io io = make_io(bench, opcode, offset, iov, iov_count);

	io.flags = flags;
	completed = 0;
	bench->backend->ops->submit(&io);
	wait_for(bench, 1);
	return last;
}

static struct wrasse_status run_one(struct bench *bench, enum wrasse_io_opcode opcode,
				    uint64_t offset, void *memory, size_t len)
{
	struct iovec iov = {memory, len};

	return run(bench, opcode, 0, offset, &iov, 1);
}

/* A pattern that tells every 8 bytes of the file apart. */
static void fill(void *memory, size_t len, uint64_t seed)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word = (seed + i) * UINT64_C(0x9e3779b97f4a7c15);

		memcpy((uint8_t *)memory + i, &word, 8);
	}
}

/* Compares a range of the file, read by itself, with memory. */
static void file_has(struct bench *bench, uint64_t offset, const void *memory, size_t len)
{
	uint8_t *bytes = malloc(len);
	int fd = open(bench->path, O_RDONLY);

	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, len, (off_t)offset), len);
	assert_memory_equal(bytes, memory, len);
	close(fd);
	free(bytes);
}

static void bench_attach(struct bench *bench)
{
	struct wrasse_poll_group *group = (struct wrasse_poll_group *)bench;

	assert_int_equal(backend_file_create(&bench->spec, &bench->backend), 0);
	assert_int_equal(bench->backend->ops->attach(bench->backend, group, &bench->group_ctx), 0);
	assert_int_not_equal(watched, -1);
}

static void bench_detach(struct bench *bench)
{
	bench->backend->ops->detach(bench->backend, bench->group_ctx);
	assert_int_equal(watched, -1);
	bench->backend->destroy(bench->backend);
}

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	int fd;

	assert_non_null(bench);
	strcpy(bench->path, "./target_file.XXXXXX"); /* not /tmp, which may lack O_DIRECT */
	fd = mkstemp(bench->path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, FILE_SIZE), 0);
	close(fd);
	bench->spec = (struct ns_spec){.kind = NS_FILE, .path = bench->path, .block_size = 512};
	bench->memory = mmap(NULL, 2 * FILE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(bench->memory, MAP_FAILED);
	fill(bench->memory, FILE_SIZE, 1);
	*state = bench;
	return 0;
}

/* The same with 4096-byte blocks, attached; buffered if the file system has no O_DIRECT. */
static int setup_attached(void **state)
{
	struct bench *bench;

	setup(state);
	bench = *state;
	bench->spec.block_size = 4096;
	bench_attach(bench);
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	unlink(bench->path);
	munmap(bench->memory, 2 * FILE_SIZE);
	free(bench);
	return 0;
}

static int teardown_attached(void **state)
{
	bench_detach(*state);
	return teardown(state);
}

static void what_is_written_can_be_read(void **state)
{
	struct bench *bench = *state;
	uint8_t *back = bench->memory + FILE_SIZE;
	struct iovec out[3] = {{bench->memory, 4096},
			       {bench->memory + 65536, 131072},
			       {bench->memory + 8192, 8192}};
	struct iovec in[2] = {{back, 131072}, {back + 131072, 12288}};

	assert_int_equal(bench->backend->size, FILE_SIZE);
	assert_true(bench->backend->volatile_cache);
	assert_true(wrasse_status_is_ok(run(bench, WRASSE_IO_WRITE, 0, 12288, out, 3)));
	file_has(bench, 12288, bench->memory, 4096);
	file_has(bench, 16384, bench->memory + 65536, 131072);
	file_has(bench, 147456, bench->memory + 8192, 8192);
	assert_true(wrasse_status_is_ok(run(bench, WRASSE_IO_READ, 0, 12288, in, 2)));
	assert_memory_equal(back, bench->memory, 4096);
	assert_memory_equal(back + 4096, bench->memory + 65536, 131072);
	assert_memory_equal(back + 135168, bench->memory + 8192, 8192);
}

static void flush_and_fua_succeed(void **state)
{
	struct bench *bench = *state;
	struct iovec iov = {bench->memory, 8192};

	assert_true(wrasse_status_is_ok(run(bench, WRASSE_IO_FLUSH, 0, 0, NULL, 0)));
	assert_true(wrasse_status_is_ok(run(bench, WRASSE_IO_WRITE, WRASSE_IO_FUA, 4096, &iov, 1)));
	file_has(bench, 4096, bench->memory, 8192);
	assert_true(wrasse_status_is_ok(run(bench, WRASSE_IO_FLUSH, 0, 0, NULL, 0)));
}

/* What submit() has put into the ring, by looking at it. */
static const struct io_uring_sqe *last_sqe(struct bench *bench)
{
	const struct io_uring_sq *sq = &((struct file_ring *)bench->group_ctx)->ring.sq;

	return &sq->sqes[(sq->sqe_tail - 1) & *sq->kring_mask];
}

static void fua_is_dsync_and_flush_is_fdatasync(void **state)
{
	struct bench *bench = *state;
	struct iovec iov = {bench->memory, 4096};
	struct wrasse_io fua = make_io(bench, WRASSE_IO_WRITE, 0, &iov, 1);
	struct wrasse_io plain = make_io(bench, WRASSE_IO_WRITE, 4096, &iov, 1);
	struct wrasse_io flush = make_io(bench, WRASSE_IO_FLUSH, 0, NULL, 0);

	completed = 0;
	fua.flags = WRASSE_IO_FUA;
	bench->backend->ops->submit(&fua);
	assert_int_equal(last_sqe(bench)->rw_flags, RWF_DSYNC);
	bench->backend->ops->submit(&plain);
	assert_int_equal(last_sqe(bench)->rw_flags, 0);
	bench->backend->ops->submit(&flush);
	assert_int_equal(last_sqe(bench)->opcode, IORING_OP_FSYNC);
	assert_int_equal(last_sqe(bench)->fsync_flags, IORING_FSYNC_DATASYNC);
	assert_int_equal(completed, 0);
	wait_for(bench, 3);
}

static void every_write_is_dsync_while_the_cache_is_off(void **state)
{
	struct bench *bench = *state;
	const struct wrasse_backend_ops *ops = bench->backend->ops;
	struct iovec iov = {bench->memory, 4096};

	completed = 0;
	for (unsigned i = 0; i < 3; i++) {
		struct wrasse_io io = make_io(bench, WRASSE_IO_WRITE, 0, &iov, 1);
		bool off = i == 1;

		assert_int_equal(ops->set_write_cache(bench->backend, !off), 0);
		ops->submit(&io);
		assert_int_equal(last_sqe(bench)->rw_flags, off ? RWF_DSYNC : 0);
		wait_for(bench, i + 1);
	}
}

/* ---- space ---- */

static struct wrasse_status run_space(struct bench *bench, enum wrasse_io_opcode opcode,
				      uint32_t flags, uint64_t offset, uint64_t length)
{
	struct wrasse_io io = make_io(bench, opcode, offset, NULL, 0);

	io.flags = flags;
	io.length = length;
	completed = 0;
	bench->backend->ops->submit(&io);
	wait_for(bench, 1);
	return last;
}

static blkcnt_t file_blocks(const struct bench *bench)
{
	struct stat stat;

	assert_int_equal(fsync(((struct file *)bench->backend)->info.fd), 0);
	assert_int_equal(lstat(bench->path, &stat), 0);
	assert_int_equal(stat.st_size, FILE_SIZE);
	return stat.st_blocks;
}

static void zeroed_and_discarded_ranges_read_as_zeroes(void **state)
{
	static const struct {
		enum wrasse_io_opcode opcode;
		uint32_t flags;
	} cases[] = {
		{WRASSE_IO_WRITE_ZEROES, 0},
		{WRASSE_IO_WRITE_ZEROES, WRASSE_IO_FUA},
		{WRASSE_IO_WRITE_ZEROES, WRASSE_IO_DEALLOCATE},
		{WRASSE_IO_WRITE_ZEROES, WRASSE_IO_DEALLOCATE | WRASSE_IO_FUA},
		{WRASSE_IO_DISCARD, 0},
	};
	struct bench *bench = *state;

	if (!bench->backend->io_opcodes)
		skip(); /* a file system without holes: the library writes zeroes */
	assert_true(bench->backend->discard_zeroes);
	for (unsigned i = 0; i < 5; i++) {
		fill(bench->memory, FILE_SIZE, i);
		assert_true(wrasse_status_is_ok(
			run_one(bench, WRASSE_IO_WRITE, 0, bench->memory, FILE_SIZE)));
		assert_true(wrasse_status_is_ok(run_space(bench, cases[i].opcode, cases[i].flags,
							  65536 + 4096, 3 * 65536)));
		memset(bench->memory + 65536 + 4096, 0, 3 * 65536);
		file_has(bench, 0, bench->memory, FILE_SIZE);
		assert_true(wrasse_status_is_ok(
			run_one(bench, WRASSE_IO_READ, 0, bench->memory + FILE_SIZE, FILE_SIZE)));
		assert_memory_equal(bench->memory, bench->memory + FILE_SIZE, FILE_SIZE);
	}
}

static void discard_gives_space_back(void **state)
{
	struct bench *bench = *state;
	blkcnt_t before;

	if (!bench->backend->io_opcodes)
		skip();
	fill(bench->memory, FILE_SIZE, 9);
	assert_true(
		wrasse_status_is_ok(run_one(bench, WRASSE_IO_WRITE, 0, bench->memory, FILE_SIZE)));
	before = file_blocks(bench);
	assert_true(wrasse_status_is_ok(run_space(bench, WRASSE_IO_DISCARD, 0, 0, FILE_SIZE / 2)));
	assert_true(file_blocks(bench) < before);
}

static void what_the_file_cannot_do_is_tried_another_way(void **state)
{
	struct wrasse_status status = wrasse_status_ok();
	struct wrasse_io io = {.opcode = WRASSE_IO_WRITE_ZEROES};
	struct file file = {.write_through = false};

	assert_false(space_end(&file, &io, -EOPNOTSUPP, &status));
	assert_int_equal(io.scratch[SCRATCH_DONE], SPACE_OTHER);
	assert_true(space_end(&file, &io, -EOPNOTSUPP, &status));
	assert_int_equal(status.sc, WRASSE_SC_WRITE_FAULT);
	/* Durable, as asked for or because the cache is off. */
	status = wrasse_status_ok();
	assert_true(space_end(&file, &io, 0, &status));
	io.flags = WRASSE_IO_FUA;
	assert_false(space_end(&file, &io, 0, &status));
	assert_int_equal(io.scratch[SCRATCH_DONE], SPACE_SYNC);
	assert_true(space_end(&file, &io, 0, &status));
	io.flags = 0;
	io.scratch[SCRATCH_DONE] = SPACE_FIRST;
	file.write_through = true;
	assert_false(space_end(&file, &io, 0, &status));
	io.opcode = WRASSE_IO_DISCARD;
	io.scratch[SCRATCH_DONE] = SPACE_FIRST;
	assert_true(space_end(&file, &io, -EOPNOTSUPP, &status));
	assert_true(wrasse_status_is_ok(status));
	assert_true(space_end(&file, &io, -ENOSPC, &status));
	assert_int_equal(status.sc, WRASSE_SC_CAPACITY_EXCEEDED);
}

static void memory_at_odd_addresses_is_served(void **state)
{
	struct bench *bench = *state;
	uint8_t *odd = bench->memory + FILE_SIZE + 72; /* as in-capsule data is */

	fill(odd, 16384, 77);
	assert_true(wrasse_status_is_ok(run_one(bench, WRASSE_IO_WRITE, 8192, odd, 16384)));
	file_has(bench, 8192, odd, 16384);
	memset(odd - 8, 0xee, 16384 + 16);
	assert_true(wrasse_status_is_ok(run_one(bench, WRASSE_IO_READ, 8192, odd, 16384)));
	file_has(bench, 8192, odd, 16384);
	assert_int_equal(odd[-1], 0xee);
	assert_int_equal(odd[16384], 0xee);
}

static void odd_memory_longer_than_a_bounce_buffer_goes_in_steps(void **state)
{
	struct bench *bench = *state;
	uint8_t *odd = bench->memory + FILE_SIZE + 3;
	/* Elements of lengths that no device takes, which add up to blocks. */
	struct iovec iov[4] = {
		{odd, 1}, {odd + 1, 99999}, {odd + 100000, 0}, {odd + 100000, 31072}};

	fill(odd, 131072, 78);
	assert_true(wrasse_status_is_ok(run(bench, WRASSE_IO_WRITE, 0, 65536, iov, 4)));
	file_has(bench, 65536, odd, 131072);
	memset(odd, 0, 131072);
	assert_true(wrasse_status_is_ok(run(bench, WRASSE_IO_READ, 0, 65536, iov, 4)));
	file_has(bench, 65536, odd, 131072);
}

/* More I/Os at once than the ring has entries and the backend has bounce buffers. */
static void more_ios_than_the_ring_holds_all_end(void **state)
{
	enum { COUNT = 2000 };
	struct bench *bench = *state;
	struct wrasse_io *ios = calloc(COUNT, sizeof(*ios));
	struct iovec *iovs = calloc(COUNT, sizeof(*iovs));
	unsigned skew;

	assert_non_null(ios);
	assert_non_null(iovs);
	for (unsigned round = 0; round < 2; round++) {
		completed = 0;
		for (unsigned i = 0; i < COUNT; i++) {
			skew = round && i % 3 == 0 ? 40 : 0; /* some of them bounced */
			iovs[i] = (struct iovec){bench->memory + (i % 100) * 4096 + skew, 4096};
			ios[i] = make_io(bench, WRASSE_IO_WRITE, (i % 200) * 4096, &iovs[i], 1);
			if (i % 50 == 0)
				ios[i] = make_io(bench, WRASSE_IO_FLUSH, 0, NULL, 0);
			bench->backend->ops->submit(&ios[i]);
		}
		wait_for(bench, COUNT);
		assert_true(wrasse_status_is_ok(last));
	}
	assert_int_equal(((struct file_ring *)bench->group_ctx)->bounce_free_count, BOUNCE_COUNT);
	assert_int_equal(((struct file_ring *)bench->group_ctx)->in_ring, 0);
	free(ios);
	free(iovs);
}

/* Puts another descriptor in the place of the file, as it is. */
static void file_becomes(struct bench *bench, const char *path, int flags)
{
	struct file *file = (struct file *)bench->backend;
	int fd = open(path, flags);

	assert_true(fd >= 0);
	assert_true(dup2(fd, file->info.fd) >= 0);
	close(fd);
}

static void status_is(struct wrasse_status status, uint8_t sct, uint8_t sc)
{
	assert_int_equal(status.sct, sct);
	assert_int_equal(status.sc, sc);
}

static void io_errors_become_media_errors(void **state)
{
	struct bench *bench = *state;
	struct wrasse_status status;

	/* Address 0 is not mapped: reading and writing there is EIO. */
	file_becomes(bench, "/proc/self/mem", O_RDWR);
	status = run_one(bench, WRASSE_IO_READ, 0, bench->memory, 4096);
	status_is(status, WRASSE_SCT_MEDIA, WRASSE_SC_UNRECOVERED_READ);
	status = run_one(bench, WRASSE_IO_WRITE, 0, bench->memory, 4096);
	status_is(status, WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT);
	status = run_one(bench, WRASSE_IO_WRITE, 0, bench->memory + 1, 4096);
	status_is(status, WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT);
	/* fdatasync() of such a file is EINVAL: whatever it is, the flush has failed. */
	status = run(bench, WRASSE_IO_FLUSH, 0, 0, NULL, 0);
	status_is(status, WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT);
	assert_int_equal(((struct file_ring *)bench->group_ctx)->bounce_free_count, BOUNCE_COUNT);
}

static void full_file_system_is_capacity_exceeded(void **state)
{
	struct bench *bench = *state;

	file_becomes(bench, "/dev/full", O_RDWR);
	status_is(run_one(bench, WRASSE_IO_WRITE, 0, bench->memory, 4096), WRASSE_SCT_GENERIC,
		  WRASSE_SC_CAPACITY_EXCEEDED);
}

static void errno_values_become_statuses(void **state)
{
	status_is(file_status(WRASSE_IO_WRITE, EROFS), 0, WRASSE_SC_NS_WRITE_PROTECTED);
	status_is(file_status(WRASSE_IO_WRITE, EDQUOT), 0, WRASSE_SC_CAPACITY_EXCEEDED);
	status_is(file_status(WRASSE_IO_READ, EACCES), WRASSE_SCT_MEDIA, WRASSE_SC_ACCESS_DENIED);
	status_is(file_status(WRASSE_IO_READ, EIO), WRASSE_SCT_MEDIA, WRASSE_SC_UNRECOVERED_READ);
	status_is(file_status(WRASSE_IO_FLUSH, EIO), WRASSE_SCT_MEDIA, WRASSE_SC_WRITE_FAULT);
	status_is(file_status(WRASSE_IO_READ, ENOMEM), 0, WRASSE_SC_INTERNAL);
	assert_false(file_status(WRASSE_IO_READ, EIO).dnr);
}

static void file_that_has_shrunk_is_a_media_error(void **state)
{
	struct bench *bench = *state;
	struct wrasse_status status;

	assert_int_equal(truncate(bench->path, 8192 + 100), 0);
	status = run_one(bench, WRASSE_IO_READ, 65536, bench->memory, 4096);
	status_is(status, WRASSE_SCT_MEDIA, WRASSE_SC_UNRECOVERED_READ);
	/* The end is in the middle of the transfer, and of a block. */
	status = run_one(bench, WRASSE_IO_READ, 4096, bench->memory, 16384);
	status_is(status, WRASSE_SCT_MEDIA, WRASSE_SC_UNRECOVERED_READ);
	status = run_one(bench, WRASSE_IO_READ, 4096, bench->memory + 8, 16384);
	status_is(status, WRASSE_SCT_MEDIA, WRASSE_SC_UNRECOVERED_READ);
	status = run_one(bench, WRASSE_IO_READ, 4096, bench->memory, 4096);
	assert_true(wrasse_status_is_ok(status));
}

/* A pipe of packets in the file's place: each read gives one of them, however much it asks for. */
static void short_transfers_go_on_where_they_stopped(void **state)
{
	struct bench *bench = *state;
	struct file *file = (struct file *)bench->backend;
	uint8_t *back = bench->memory + FILE_SIZE;
	struct iovec iov[4] = {
		{back, 4096}, {back + 4096, 0}, {back + 4096, 3072}, {back + 7168, 5120}};
	int ends[2];

	file->info.direct = false; /* a pipe has no blocks */
	assert_int_equal(pipe2(ends, O_DIRECT), 0);
	assert_true(dup2(ends[0], file->info.fd) >= 0);
	for (size_t done = 0; done < 12288; done += 1024)
		assert_int_equal(write(ends[1], bench->memory + done, 1024), 1024);
	assert_true(wrasse_status_is_ok(run(bench, WRASSE_IO_READ, 0, 0, iov, 4)));
	assert_memory_equal(back, bench->memory, 12288);
	close(ends[0]);
	close(ends[1]);
}

/* O_DIRECT cannot begin inside a block: what was cut is transferred again, from the block on. */
static void direct_transfer_goes_on_at_a_block(void **state)
{
	struct bench *bench = *state;
	struct file *file = (struct file *)bench->backend;
	uint8_t *back = bench->memory + FILE_SIZE;
	int ends[2];

	file->info.direct = true;
	file->info.memory_align = file->info.offset_align = 512;
	assert_int_equal(pipe2(ends, O_DIRECT), 0);
	assert_true(dup2(ends[0], file->info.fd) >= 0);
	assert_int_equal(write(ends[1], bench->memory, 1124), 1124);
	assert_int_equal(write(ends[1], bench->memory + 1024, 3072), 3072);
	assert_true(wrasse_status_is_ok(run_one(bench, WRASSE_IO_READ, 0, back, 4096)));
	assert_memory_equal(back, bench->memory, 4096);
	close(ends[0]);
	close(ends[1]);
}

static void direct_where_blocks_allow_it(void **state)
{
	struct bench *bench = *state;
	const struct file_info *info;

	bench_attach(bench);
	info = &((struct file *)bench->backend)->info;
	print_message("512-byte blocks: %s, memory %u, offset %u\n",
		      info->direct ? "direct" : "buffered", info->memory_align, info->offset_align);
	assert_int_equal(!!(fcntl(info->fd, F_GETFL) & O_DIRECT), info->direct);
	bench_detach(bench);
}

static void last_bytes_that_are_no_block_are_not_served(void **state)
{
	struct bench *bench = *state;

	bench->spec.block_size = 4096;
	assert_int_equal(truncate(bench->path, 3 * 4096 + 512), 0);
	bench_attach(bench);
	assert_int_equal(bench->backend->size, 3 * 4096);
	bench_detach(bench);
}

static void files_that_cannot_be_served_are_refused(void **state)
{
	struct bench *bench = *state, other = *bench;
	char path[80];

	other.spec.path = path;
	snprintf(path, sizeof(path), "%s.none", bench->path);
	assert_int_equal(backend_file_create(&other.spec, &other.backend), -ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(backend_file_create(&other.spec, &other.backend), -EINVAL);
	unlink(path);
	strcpy(path, ".");
	assert_int_equal(backend_file_create(&other.spec, &other.backend), -EISDIR);
	other.spec.read_only = true;
	assert_int_equal(backend_file_create(&other.spec, &other.backend), -EINVAL);
	strcpy(path, "/dev/null");
	assert_int_equal(backend_file_create(&other.spec, &other.backend), -EINVAL);
	assert_int_equal(truncate(bench->path, 511), 0);
	assert_int_equal(backend_file_create(&bench->spec, &bench->backend), -EINVAL);
}

static void file_is_served_once_or_read_only(void **state)
{
	struct bench *bench = *state, other = *bench;

	bench_attach(bench);
	assert_int_equal(backend_file_create(&other.spec, &other.backend), -EBUSY);
	other.spec.read_only = true;
	assert_int_equal(backend_file_create(&other.spec, &other.backend), -EBUSY);
	bench_detach(bench);
	bench->spec.read_only = true;
	bench_attach(bench);
	assert_false(bench->backend->volatile_cache);
	assert_int_equal(backend_file_create(&other.spec, &other.backend), 0);
	other.backend->destroy(other.backend);
	bench_detach(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ATTACHED(name) cmocka_unit_test_setup_teardown(name, setup_attached, teardown_attached)
#define PLAIN(name)    cmocka_unit_test_setup_teardown(name, setup, teardown)
		ATTACHED(what_is_written_can_be_read),
		ATTACHED(flush_and_fua_succeed),
		ATTACHED(fua_is_dsync_and_flush_is_fdatasync),
		ATTACHED(every_write_is_dsync_while_the_cache_is_off),
		ATTACHED(zeroed_and_discarded_ranges_read_as_zeroes),
		ATTACHED(discard_gives_space_back),
		ATTACHED(memory_at_odd_addresses_is_served),
		ATTACHED(odd_memory_longer_than_a_bounce_buffer_goes_in_steps),
		ATTACHED(more_ios_than_the_ring_holds_all_end),
		ATTACHED(io_errors_become_media_errors),
		ATTACHED(full_file_system_is_capacity_exceeded),
		ATTACHED(file_that_has_shrunk_is_a_media_error),
		ATTACHED(short_transfers_go_on_where_they_stopped),
		ATTACHED(direct_transfer_goes_on_at_a_block),
		PLAIN(direct_where_blocks_allow_it),
		PLAIN(last_bytes_that_are_no_block_are_not_served),
		PLAIN(files_that_cannot_be_served_are_refused),
		PLAIN(file_is_served_once_or_read_only),
		cmocka_unit_test(errno_values_become_statuses),
		cmocka_unit_test(what_the_file_cannot_do_is_tried_another_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
