/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the two files of the file backend share: the opened file (file_info.c) and its I/O
 * (backend_file.c).
 */
#ifndef TARGET_BACKEND_FILE_H
#define TARGET_BACKEND_FILE_H

#include "backend.h"

/* An opened file or block device. */
struct file_info {
	const char *path; /* the spec's */
	int fd;
	uint64_t size;         /* bytes, a multiple of the namespace's block size */
	bool direct;           /* O_DIRECT: then the alignments hold, both powers of two */
	uint32_t memory_align; /* of each iovec's address */
	uint32_t offset_align; /* of offsets and lengths */
	bool device;           /* a block device */
	bool punches; /* a hole can be made: a file's reads as zeroes, a device may refuse */
};

/*
 * Opens the file of a namespace, with O_DIRECT where its alignment allows the namespace's blocks,
 * and locks it against a second program. Proves that io_uring is there, so that its absence is an
 * error now and not at the first I/O. Errors are logged.
 *
 * Return: 0 or a negative errno value.
 */
int file_info_init(struct file_info *info, const struct ns_spec *spec);
void file_info_fini(struct file_info *info);

/* The NVMe status for an errno value that an I/O ended with. */
struct wrasse_status file_status(enum wrasse_io_opcode opcode, int error);

#endif
