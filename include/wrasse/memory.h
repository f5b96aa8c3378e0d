/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that backends lend: registered with the RDMA devices, so that data goes between it and the
 * hosts without a copy. No host gets a key to it. See map() in struct wrasse_backend_ops.
 */
#ifndef WRASSE_MEMORY_H
#define WRASSE_MEMORY_H

#include <wrasse/base.h>

WRASSE_BEGIN_DECLS

struct wrasse_memory;

/*
 * Makes memory ready to be lent. wrasse_target_poll() registers it with every RDMA device that the
 * target uses, now and later: all of its pages are allocated and pinned then, which takes time in
 * proportion. Until that was done, and on a device that refuses it (the log says so), data goes
 * through the library's buffers.
 *
 * @target: the target; not NULL.
 * @base: the memory, page-aligned and writable; the embedder's. It must stay mapped, and its pages in
 * their places (no MADV_DONTNEED, no remapping), until wrasse_memory_destroy().
 * @len: bytes, more than 0; rounded up to whole pages.
 * @memory: where to store the object; not NULL.
 *
 * Context: any thread, also a callback. It allocates. Return: 0; -EINVAL if base is not page-aligned or
 * len is 0; -ENOMEM.
 */
WRASSE_API int wrasse_memory_create(struct wrasse_target *target, void *base, size_t len,
				    struct wrasse_memory **memory);

/*
 * Takes memory back from the devices. No backend may lend it any more; wrasse_target_destroy() does it
 * for what is left.
 *
 * @memory: the object; NULL is legal.
 *
 * Context: any thread, also a callback. It makes system calls. Return: 0; -EBUSY if something is lent
 * of it, or it is being registered at this moment: poll on and try again.
 */
WRASSE_API int wrasse_memory_destroy(struct wrasse_memory *memory);

WRASSE_END_DECLS

#endif
