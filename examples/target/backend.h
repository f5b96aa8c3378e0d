/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the three kinds of backend have in common. Each makes a struct that begins with a struct
 * backend; that is the context of the library's struct wrasse_backend_ops.
 */
#ifndef TARGET_BACKEND_H
#define TARGET_BACKEND_H

#include <wrasse/backend.h>

#include "spec.h"

struct backend {
	const struct wrasse_backend_ops *ops;
	void (*destroy)(struct backend *backend); /* when the library uses it no more */
	uint64_t size;                            /* bytes, a multiple of the block size */
	bool volatile_cache;                      /* whether hosts must flush */
	uint32_t io_opcodes;                      /* what it takes, as in struct wrasse_ns_opts */
	bool discard_zeroes;                      /* what was discarded reads as zeroes */
};

/*
 * Each makes a backend for a namespace. Errors are logged. @target: for memory that it lends; the
 * target must be destroyed before the backend is.
 *
 * Return: 0 or a negative errno value.
 */
int backend_ram_create(struct wrasse_target *target, const struct ns_spec *spec,
		       struct backend **backend);
int backend_null_create(struct wrasse_target *target, const struct ns_spec *spec,
			struct backend **backend);
int backend_file_create(const struct ns_spec *spec, struct backend **backend);

#endif
