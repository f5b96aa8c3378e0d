/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A namespace in memory. Pages come when they are first written: a large namespace that is empty
 * costs nothing. Every I/O ends inside submit(). Overlapping I/Os that several groups run at once
 * may mix, which NVMe allows. Protection information is kept inverted, because what was never
 * written must read as ones.
 *
 * One that lends sends reads from where the blocks are. All of its pages are pinned then, and stay:
 * what is discarded is written. Writes are copied, because their data may come and not be used.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <wrasse/wrasse.h>

#include "backend.h"
#include "log.h"

struct ram {
	struct backend base;
	uint8_t *bytes;
	uint64_t *tuples;     /* of protection information, one for each block; NULL: none */
	uint32_t block_shift; /* log2 of bytes in a block */
	struct wrasse_memory *memory; /* what is lent; NULL: nothing is. The target frees it. */
};

static void ram_copy(const struct wrasse_io *io, uint8_t *at)
{
	if (io->memory)
		return;
	for (uint32_t i = 0; i < io->iov_count; i++) {
		const struct iovec *iov = &io->iov[i];

		if (io->opcode == WRASSE_IO_READ)
			memcpy(iov->iov_base, at, iov->iov_len);
		else
			memcpy(at, iov->iov_base, iov->iov_len);
		at += iov->iov_len;
	}
}

static void ram_copy_tuples(const struct ram *ram, const struct wrasse_io *io)
{
	uint64_t *kept = ram->tuples + (io->offset >> ram->block_shift);
	uint64_t *given = io->pi;
	uint64_t count = io->length >> ram->block_shift;

	for (uint64_t i = 0; i < count; i++) {
		if (io->opcode == WRASSE_IO_READ)
			given[i] = ~kept[i];
		else
			kept[i] = ~given[i];
	}
}

static struct wrasse_status ram_compare(const struct wrasse_io *io, const uint8_t *at)
{
	for (uint32_t i = 0; i < io->iov_count; i++) {
		if (memcmp(at, io->iov[i].iov_base, io->iov[i].iov_len) != 0)
			return wrasse_status_make(WRASSE_SCT_MEDIA, WRASSE_SC_COMPARE_FAILURE,
						  true);
		at += io->iov[i].iov_len;
	}
	return wrasse_status_ok();
}

/* Whole pages go back to the kernel; what is left at the ends is written. */
static void ram_discard(const struct ram *ram, uint8_t *at, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t head = -(uintptr_t)at & (page - 1);
	size_t pages;

	if (head > len)
		head = len;
	memset(at, 0, head);
	at += head;
	len -= head;
	pages = len & ~(page - 1);
	if (pages && (ram->memory || madvise(at, pages, MADV_DONTNEED)))
		memset(at, 0, pages);
	memset(at + pages, 0, len - pages);
}

static void ram_submit(struct wrasse_io *io)
{
	const struct ram *ram = io->backend;
	uint8_t *at = ram->bytes + io->offset;
	struct wrasse_status status = wrasse_status_ok();

	switch (io->opcode) {
	case WRASSE_IO_READ:
	case WRASSE_IO_WRITE:
		ram_copy(io, at);
		if (io->pi)
			ram_copy_tuples(ram, io);
		break;
	case WRASSE_IO_COMPARE:
		status = ram_compare(io, at);
		break;
	case WRASSE_IO_WRITE_ZEROES:
		if (io->flags & WRASSE_IO_DEALLOCATE)
			ram_discard(ram, at, io->length);
		else
			memset(at, 0, io->length);
		break;
	case WRASSE_IO_COPY:
		memcpy(at, ram->bytes + io->source, io->length);
		break;
	case WRASSE_IO_DISCARD:
		ram_discard(ram, at, io->length);
		if (ram->tuples)
			ram_discard(ram,
				    (uint8_t *)(ram->tuples + (io->offset >> ram->block_shift)),
				    (io->length >> ram->block_shift) * sizeof(*ram->tuples));
		break;
	default: /* a flush or a verify has nothing to do */
		break;
	}
	wrasse_io_complete(io, status);
}

/* A read is where it is. */
static uint32_t ram_map(struct wrasse_io *io, struct iovec *iov, struct wrasse_memory **memory)
{
	const struct ram *ram = io->backend;

	if (io->opcode != WRASSE_IO_READ)
		return 0;
	*iov = (struct iovec){ram->bytes + io->offset, io->length};
	*memory = ram->memory;
	return 1;
}

static void ram_unmap(struct wrasse_io *io)
{
	(void)io;
}

static const struct wrasse_backend_ops ram_ops = {
	.size = sizeof(ram_ops),
	.submit = ram_submit,
};

static const struct wrasse_backend_ops ram_lending_ops = {
	.size = sizeof(ram_lending_ops),
	.submit = ram_submit,
	.map = ram_map,
	.unmap = ram_unmap,
};

/* Bytes of tuples. */
static size_t tuples_len(const struct ram *ram)
{
	return (size_t)(ram->base.size >> ram->block_shift) * sizeof(*ram->tuples);
}

static void ram_destroy(struct backend *backend)
{
	struct ram *ram = (struct ram *)backend;

	if (ram->bytes)
		munmap(ram->bytes, backend->size);
	if (ram->tuples)
		munmap(ram->tuples, tuples_len(ram));
	free(ram);
}

/* Return: NULL and a log line if there is no room. */
static void *memory_map(size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at != MAP_FAILED)
		return at;
	log_line(WRASSE_LOG_ERROR, "cannot map %zu bytes for a RAM namespace: %s", len,
		 strerror(errno));
	return NULL;
}

/* Return: 0 or a negative errno value. */
static int ram_lend(struct ram *ram, struct wrasse_target *target)
{
	ram->base.ops = &ram_lending_ops;
	return wrasse_memory_create(target, ram->bytes, ram->base.size, &ram->memory);
}

int backend_ram_create(struct wrasse_target *target, const struct ns_spec *spec,
		       struct backend **backend)
{
	struct ram *ram = calloc(1, sizeof(*ram));

	if (!ram)
		return -ENOMEM;
	ram->base = (struct backend){
		.ops = &ram_ops,
		.destroy = ram_destroy,
		.size = spec->size,
		.io_opcodes = WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES) |
			      WRASSE_IO_BIT(WRASSE_IO_DISCARD) | WRASSE_IO_BIT(WRASSE_IO_VERIFY) |
			      WRASSE_IO_BIT(WRASSE_IO_COMPARE) | WRASSE_IO_BIT(WRASSE_IO_COPY),
		.discard_zeroes = true,
	};
	ram->block_shift = (uint32_t)__builtin_ctz(spec->block_size);
	ram->bytes = memory_map(spec->size);
	if (ram->bytes && spec->pi_type)
		ram->tuples = memory_map(tuples_len(ram));
	if (!ram->bytes || (spec->pi_type && !ram->tuples) ||
	    (spec->lend && ram_lend(ram, target))) {
		ram_destroy(&ram->base);
		return -ENOMEM;
	}
	*backend = &ram->base;
	return 0;
}
