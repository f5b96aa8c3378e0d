/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readiness: the word "ready" to a descriptor (then closed, so that a reader sees its end) and to
 * a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "ready.h"

static const char word[] = "ready\n";

static int fail(const char *option, const char *name, int error)
{
	log_line(WRASSE_LOG_ERROR, "%s '%s' cannot be written: %s", option, name, strerror(error));
	return -error;
}

static int word_write(const char *option, const char *name, int fd)
{
	if (write(fd, word, sizeof(word) - 1) != (ssize_t)sizeof(word) - 1)
		return fail(option, name, errno ? errno : EIO);
	return 0;
}

static int file_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int result;

	if (fd < 0)
		return fail("--ready-file", path, errno);
	result = word_write("--ready-file", path, fd);
	close(fd);
	return result;
}

int ready_begin(const struct options *options)
{
	struct stat stat;
	int fd = (int)options->ready_fd;

	if (options->ready_file && lstat(options->ready_file, &stat) == 0 && S_ISREG(stat.st_mode))
		unlink(options->ready_file);
	if (options->ready_fd == OPTION_UNSET)
		return 0;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC)) {
		log_line(WRASSE_LOG_ERROR, "--ready-fd '%d' is not an open descriptor", fd);
		return -EBADF;
	}
	return 0;
}

int ready_tell(const struct options *options)
{
	int result = 0;

	if (options->ready_fd != OPTION_UNSET) {
		int fd = (int)options->ready_fd;

		result = word_write("--ready-fd", "its descriptor", fd);
		if (fd > STDERR_FILENO)
			close(fd);
	}
	if (result == 0 && options->ready_file)
		result = file_write(options->ready_file);
	return result;
}
