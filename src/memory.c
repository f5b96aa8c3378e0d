/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that backends lend, as the embedder makes it.
 */
#include "transport/memory.h"

#include "target.h"

int wrasse_memory_create(struct wrasse_target *target, void *base, size_t len,
			 struct wrasse_memory **memory)
{
	return rdmat_memory_create(&target->rdmat, base, len, memory);
}
