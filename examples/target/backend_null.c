/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A namespace that stores nothing: it reads as zeroes and forgets writes. For measuring what lies
 * before it. All such namespaces lend the same zeroes to what is read. Where that is not possible a
 * read is zeroed, because a data buffer still holds what another host read or wrote.
 */
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include <wrasse/wrasse.h>

#include "backend.h"

#define ZEROES_LEN (1u << 20) /* the largest that a command reads */

static alignas(65536) uint8_t zeroes[ZEROES_LEN];
static struct wrasse_memory *memory; /* what they are for the library; the target frees it */

static void null_submit(struct wrasse_io *io)
{
	if (io->opcode == WRASSE_IO_READ && !io->memory) {
		for (uint32_t i = 0; i < io->iov_count; i++)
			memset(io->iov[i].iov_base, 0, io->iov[i].iov_len);
	}
	wrasse_io_complete(io, wrasse_status_ok());
}

static uint32_t null_map(struct wrasse_io *io, struct iovec *iov, struct wrasse_memory **lent)
{
	if (io->opcode != WRASSE_IO_READ || io->length > ZEROES_LEN)
		return 0;
	*iov = (struct iovec){zeroes, io->length};
	*lent = memory;
	return 1;
}

static void null_unmap(struct wrasse_io *io)
{
	(void)io;
}

static const struct wrasse_backend_ops null_ops = {
	.size = sizeof(null_ops),
	.submit = null_submit,
	.map = null_map,
	.unmap = null_unmap,
};

static void null_destroy(struct backend *backend)
{
	free(backend);
}

int backend_null_create(struct wrasse_target *target, const struct ns_spec *spec,
			struct backend **backend)
{
	int result = memory ? 0 : wrasse_memory_create(target, zeroes, ZEROES_LEN, &memory);
	struct backend *null;

	if (result)
		return result;
	null = calloc(1, sizeof(*null));
	if (!null)
		return -ENOMEM;
	*null = (struct backend){
		.ops = &null_ops,
		.destroy = null_destroy,
		.size = spec->size,
		.io_opcodes = WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES) |
			      WRASSE_IO_BIT(WRASSE_IO_DISCARD) | WRASSE_IO_BIT(WRASSE_IO_VERIFY) |
			      WRASSE_IO_BIT(WRASSE_IO_COPY),
		.discard_zeroes = true,
	};
	*backend = null;
	return 0;
}
