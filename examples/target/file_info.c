/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening the file of a namespace: its size, its lock, and whether O_DIRECT can be used. The
 * kernel is asked (statx); one that does not tell yet is tried with reads. Runs once, at start.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend_file.h"
#include "log.h"

#define MAX_ALIGN 4096

/* Whether O_DIRECT takes reads of this length, at aligned memory. */
static bool direct_probe(int fd, void *memory, uint32_t len)
{
	return pread(fd, memory, len, 0) == (ssize_t)len && pread(fd, memory, len, len) >= 0;
}

/* Finds the alignments of O_DIRECT by trying; 0 if there are none. */
static uint32_t direct_align_try(int fd)
{
	void *memory;
	uint32_t align;

	if (posix_memalign(&memory, MAX_ALIGN, MAX_ALIGN))
		return 0;
	for (align = 512; align <= MAX_ALIGN; align *= 2) {
		if (direct_probe(fd, memory, align))
			break;
	}
	free(memory);
	return align <= MAX_ALIGN ? align : 0;
}

static void direct_align(struct file_info *info, int fd)
{
	info->memory_align = info->offset_align = 0;
#ifdef STATX_DIOALIGN
	struct statx stat;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stat) == 0 &&
	    (stat.stx_mask & STATX_DIOALIGN)) {
		info->memory_align = stat.stx_dio_mem_align;
		info->offset_align = stat.stx_dio_offset_align;
		return;
	}
#endif
	info->memory_align = info->offset_align = direct_align_try(fd);
}

/* Goes over to O_DIRECT if the namespace's blocks fit its alignment. */
static void direct_open(struct file_info *info, const struct ns_spec *spec, int flags)
{
	int fd = open(spec->path, flags | O_DIRECT);

	if (fd < 0)
		return;
	direct_align(info, fd);
	info->direct = info->memory_align && info->offset_align &&
		       info->memory_align <= MAX_ALIGN && info->offset_align <= spec->block_size;
	if (!info->direct) {
		close(fd);
		return;
	}
	close(info->fd);
	info->fd = fd;
}

static int fail(const struct ns_spec *spec, const char *what, int error)
{
	log_line(WRASSE_LOG_ERROR, "cannot %s '%s': %s", what, spec->path, strerror(error));
	return -error;
}

static int device_size(const struct file_info *info, const struct ns_spec *spec, uint64_t *size)
{
	int sector;

	if (ioctl(info->fd, BLKGETSIZE64, size) || ioctl(info->fd, BLKSSZGET, &sector))
		return fail(spec, "get the size of", errno);
	if (spec->block_size < (uint32_t)sector) {
		log_line(WRASSE_LOG_ERROR,
			 "'%s' has sectors of %d bytes: the namespace's bs must be at least that",
			 spec->path, sector);
		return -EINVAL;
	}
	return 0;
}

/* Behind the end there is nothing that could be lost. */
static bool punch_probe(int fd, off_t end)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, end, MAX_ALIGN) == 0;
}

static int size_get(struct file_info *info, const struct ns_spec *spec)
{
	struct stat stat;
	uint64_t size;
	int result;

	if (fstat(info->fd, &stat))
		return fail(spec, "get the size of", errno);
	size = (uint64_t)stat.st_size;
	info->device = S_ISBLK(stat.st_mode);
	info->punches = info->device || (!spec->read_only && punch_probe(info->fd, stat.st_size));
	if (info->device) {
		result = device_size(info, spec, &size);
		if (result)
			return result;
	} else if (!S_ISREG(stat.st_mode)) {
		log_line(WRASSE_LOG_ERROR, "'%s' is neither a file nor a block device", spec->path);
		return -EINVAL;
	}
	info->size = size - size % spec->block_size;
	if (info->size == 0) {
		log_line(WRASSE_LOG_ERROR, "'%s' has %llu bytes: a block of the namespace has %u",
			 spec->path, (unsigned long long)size, spec->block_size);
		return -EINVAL;
	}
	if (info->size != size)
		log_line(WRASSE_LOG_WARN, "the last %llu bytes of '%s' are not a block, not served",
			 (unsigned long long)(size - info->size), spec->path);
	return 0;
}

/*
 * Two programs on one file would destroy it. Block devices are left alone: udev locks them for a
 * moment, too.
 */
static int lock(const struct file_info *info, const struct ns_spec *spec)
{
	struct stat stat;

	if (fstat(info->fd, &stat) || !S_ISREG(stat.st_mode))
		return 0;
	if (flock(info->fd, (spec->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return 0; /* a file system without locks */
	log_line(WRASSE_LOG_ERROR, "'%s' is in use: another program, or another namespace, has it",
		 spec->path);
	return -EBUSY;
}

static int ring_probe(const struct ns_spec *spec)
{
	struct io_uring ring;
	int result = io_uring_queue_init(1, &ring, 0);

	if (result)
		return fail(spec, "make an io_uring for", -result);
	io_uring_queue_exit(&ring);
	return 0;
}

int file_info_init(struct file_info *info, const struct ns_spec *spec)
{
	int flags = (spec->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	int result;

	*info = (struct file_info){.path = spec->path};
	/* O_NONBLOCK, so that a FIFO is refused instead of waited for. */
	info->fd = open(spec->path, flags | O_NONBLOCK);
	if (info->fd < 0)
		return fail(spec, "open", errno);
	/* But not for I/O: io_uring would answer -EAGAIN where it must wait. */
	fcntl(info->fd, F_SETFL, flags);
	result = size_get(info, spec);
	if (result == 0) {
		direct_open(info, spec, flags);
		result = lock(info, spec);
	}
	if (result == 0)
		result = ring_probe(spec);
	if (result)
		close(info->fd);
	return result;
}

void file_info_fini(struct file_info *info)
{
	close(info->fd);
}
