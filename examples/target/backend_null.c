/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A namespace that stores nothing: it reads as zeroes and forgets writes. For measuring what lies
 * before it. Reads are zeroed because a data buffer still holds what another host read or wrote.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wrasse/wrasse.h>

#include "backend.h"

static void null_submit(struct wrasse_io *io)
{
	if (io->opcode == WRASSE_IO_READ) {
		for (uint32_t i = 0; i < io->iov_count; i++)
			memset(io->iov[i].iov_base, 0, io->iov[i].iov_len);
	}
	wrasse_io_complete(io, wrasse_status_ok());
}

static const struct wrasse_backend_ops null_ops = {
	.size = sizeof(null_ops),
	.submit = null_submit,
};

static void null_destroy(struct backend *backend)
{
	free(backend);
}

int backend_null_create(const struct ns_spec *spec, struct backend **backend)
{
	struct backend *null = calloc(1, sizeof(*null));

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
