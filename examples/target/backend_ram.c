/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A namespace in memory. Pages come when they are first written: a large namespace that is empty
 * costs nothing. Every I/O ends inside submit(). Overlapping I/Os that several groups run at once
 * may mix, which NVMe allows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <wrasse/wrasse.h>

#include "backend.h"
#include "log.h"

struct ram {
	struct backend base;
	uint8_t *bytes;
};

static void ram_submit(struct wrasse_io *io)
{
	const struct ram *ram = io->backend;
	uint8_t *at = ram->bytes + io->offset;

	if (io->opcode == WRASSE_IO_FLUSH) {
		wrasse_io_complete(io, wrasse_status_ok());
		return;
	}
	for (uint32_t i = 0; i < io->iov_count; i++) {
		const struct iovec *iov = &io->iov[i];

		if (io->opcode == WRASSE_IO_READ)
			memcpy(iov->iov_base, at, iov->iov_len);
		else
			memcpy(at, iov->iov_base, iov->iov_len);
		at += iov->iov_len;
	}
	wrasse_io_complete(io, wrasse_status_ok());
}

static const struct wrasse_backend_ops ram_ops = {
	.size = sizeof(ram_ops),
	.submit = ram_submit,
};

static void ram_destroy(struct backend *backend)
{
	struct ram *ram = (struct ram *)backend;

	munmap(ram->bytes, backend->size);
	free(ram);
}

int backend_ram_create(const struct ns_spec *spec, struct backend **backend)
{
	struct ram *ram = calloc(1, sizeof(*ram));

	if (!ram)
		return -ENOMEM;
	ram->base = (struct backend){.ops = &ram_ops, .destroy = ram_destroy, .size = spec->size};
	ram->bytes = mmap(NULL, spec->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram->bytes == MAP_FAILED) {
		int error = errno;

		log_line(WRASSE_LOG_ERROR, "cannot map %llu bytes for a RAM namespace: %s",
			 (unsigned long long)spec->size, strerror(error));
		free(ram);
		return -error;
	}
	*backend = &ram->base;
	return 0;
}
