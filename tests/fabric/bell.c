/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors of channels. The count is the truth; the descriptor follows it in the threaded mode, and
 * in the simulated one if somebody sleeps on it there.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core.h"

static bool in_simulation;

void fabric_use_descriptors(bool on)
{
	in_simulation = on;
}

static bool followed(void)
{
	return fab_mode == FABRIC_THREADED || in_simulation;
}

int fab_bell_init(struct fab_bell *bell)
{
	bell->count = 0;
	bell->fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	return bell->fd < 0 ? errno : 0;
}

void fab_bell_fini(struct fab_bell *bell)
{
	close(bell->fd);
	bell->fd = -1;
}

void fab_bell_ring(struct fab_bell *bell)
{
	uint64_t one = 1;

	bell->count++;
	if (followed() && write(bell->fd, &one, sizeof(one)) < 0)
		fab_misuse("a channel's descriptor was closed by the program");
}

void fab_bell_clear(struct fab_bell *bell)
{
	uint64_t one;

	bell->count--;
	if (followed() && read(bell->fd, &one, sizeof(one)) < 0)
		fab_misuse("a channel's descriptor was read or closed by the program");
}

bool fab_bell_blocks(const struct fab_bell *bell)
{
	return fab_mode == FABRIC_THREADED && !(fcntl(bell->fd, F_GETFL) & O_NONBLOCK);
}

void fab_bell_wait(const struct fab_bell *bell)
{
	struct pollfd fd = {.fd = bell->fd, .events = POLLIN};

	poll(&fd, 1, -1);
}
