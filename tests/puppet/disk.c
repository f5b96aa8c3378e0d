/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces in memory. Each has room for the largest size that it may grow to.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "puppet.h"

#define BLOCK   512
#define MAX_MIB 64

static void carry_out(struct disk *disk, struct wrasse_io *io)
{
	uint8_t *at = disk->bytes + io->offset;

	if (io->opcode == WRASSE_IO_READ)
		disk->reads++;
	else if (io->opcode == WRASSE_IO_WRITE)
		disk->writes++;
	for (uint32_t i = 0; i < io->iov_count; at += io->iov[i++].iov_len) {
		if (io->opcode == WRASSE_IO_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
	}
	wrasse_io_complete(io, wrasse_status_ok());
}

static void disk_submit(struct wrasse_io *io)
{
	struct disk *disk = io->backend;

	if (disk->sticks && disk->stuck_count < MAX_STUCK)
		disk->stuck[disk->stuck_count++] = io;
	else
		carry_out(disk, io);
}

static const struct wrasse_backend_ops disk_ops = {
	.size = sizeof(disk_ops),
	.submit = disk_submit,
};

struct disk *disk_find(uint32_t nsid)
{
	return nsid >= 1 && nsid <= MAX_DISKS && puppet.disks[nsid - 1].ns ?
		       &puppet.disks[nsid - 1] :
		       NULL;
}

/* @opts: nsid, size, group and who sees it. Return: 0 or a negative errno value. */
static int add(struct wrasse_ns_opts *opts)
{
	struct disk *disk = &puppet.disks[opts->nsid - 1];
	int rc;

	if (!disk->bytes) {
		disk->bytes = mmap(NULL, MAX_MIB << 20, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (disk->bytes == MAP_FAILED)
			abort();
	}
	opts->io_timeout_ms = puppet.io_timeout_ms;
	opts->ops = &disk_ops;
	opts->backend = disk;
	disk->subsystem = puppet.subsystem;
	rc = wrasse_subsystem_add_ns(puppet.subsystem, opts, &disk->ns);
	return rc > 0 ? 0 : rc;
}

int disk_add(uint32_t nsid, uint32_t mib, uint32_t ana_group, bool hidden)
{
	struct wrasse_ns_opts opts;

	if (nsid < 1 || nsid > MAX_DISKS || mib > MAX_MIB)
		return -EINVAL;
	wrasse_ns_opts_init(&opts);
	opts.nsid = nsid;
	opts.block_count = ((uint64_t)mib << 20) / BLOCK;
	opts.ana_group = ana_group;
	opts.no_auto_visible = hidden;
	return add(&opts);
}

int disk_create(const struct wrasse_ns_create *wanted)
{
	struct wrasse_ns_opts opts;
	int rc = -EEXIST;

	if (wanted->block_count > ((uint64_t)MAX_MIB << 20) / wanted->block_size)
		return -EFBIG;
	wrasse_ns_opts_init(&opts);
	opts.block_count = wanted->block_count;
	opts.block_size = wanted->block_size;
	opts.ana_group = wanted->ana_group;
	opts.no_auto_visible = true;
	opts.one_host = !wanted->shared;
	/* One that was removed may not have gone yet. */
	for (uint32_t nsid = 1; nsid <= MAX_DISKS && rc == -EEXIST; nsid++) {
		if (disk_find(nsid))
			continue;
		opts.nsid = nsid;
		rc = add(&opts);
	}
	if (rc)
		return rc == -EEXIST ? -ENOSPC : rc;
	memset(puppet.disks[opts.nsid - 1].bytes, 0, wanted->block_count * wanted->block_size);
	return (int)opts.nsid;
}

void disk_capacity(struct wrasse_ns_capacity *capacity)
{
	capacity->total = (uint64_t)MAX_DISKS * MAX_MIB << 20;
	for (uint32_t nsid = 1; nsid <= MAX_DISKS; nsid++)
		capacity->unallocated += disk_find(nsid) ? 0 : (uint64_t)MAX_MIB << 20;
}

int disk_remove(uint32_t nsid, void (*done)(void *ctx), void *ctx)
{
	struct disk *disk = disk_find(nsid);

	if (!disk)
		return -ENOENT;
	disk->ns = NULL;
	return wrasse_subsystem_remove_ns(puppet.subsystem, nsid, done, ctx);
}

void disk_forget(const struct wrasse_subsystem *subsystem)
{
	for (unsigned i = 0; i < MAX_DISKS; i++)
		if (puppet.disks[i].subsystem == subsystem)
			puppet.disks[i].ns = NULL;
}

int disk_resize(uint32_t nsid, uint32_t mib)
{
	struct disk *disk = disk_find(nsid);

	if (!disk || mib > MAX_MIB)
		return -ENOENT;
	return wrasse_namespace_resize(disk->ns, ((uint64_t)mib << 20) / BLOCK);
}

int disk_stick(uint32_t nsid)
{
	struct disk *disk = disk_find(nsid);

	if (!disk)
		return -ENOENT;
	disk->sticks = true;
	return 0;
}

int disk_free(uint32_t nsid)
{
	struct disk *disk = disk_find(nsid);

	if (!disk)
		return -ENOENT;
	disk->sticks = false;
	for (unsigned i = 0; i < disk->stuck_count; i++)
		carry_out(disk, disk->stuck[i]);
	disk->stuck_count = 0;
	return 0;
}
