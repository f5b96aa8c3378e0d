/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces: made from the embedder's options, found by id, and freed when every poll group has
 * let go. Every function is called with the target's lock held.
 */
#include <errno.h>
#include <stdlib.h>

#include "nvme/reservation.h"
#include "nvme/wire_io.h"

#define MIN_BLOCK_SIZE     512
#define MAX_BLOCK_SIZE     65536
#define DEFAULT_BLOCK_SIZE 512

#define LEAST_IO_TIMEOUT_MS 100
#define NS_PER_MS           1000000ull

#define IO_REQUIRED                                                       \
	(WRASSE_IO_BIT(WRASSE_IO_READ) | WRASSE_IO_BIT(WRASSE_IO_WRITE) | \
	 WRASSE_IO_BIT(WRASSE_IO_FLUSH))
#define IO_OPTIONAL                                                                 \
	(WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES) | WRASSE_IO_BIT(WRASSE_IO_DISCARD) | \
	 WRASSE_IO_BIT(WRASSE_IO_VERIFY) | WRASSE_IO_BIT(WRASSE_IO_COMPARE) |       \
	 WRASSE_IO_BIT(WRASSE_IO_WRITE_UNCORRECTABLE) | WRASSE_IO_BIT(WRASSE_IO_COPY))

/* What cannot be left to a backend where blocks have protection information. */
#define IO_WITHOUT_PI                                                              \
	(WRASSE_IO_BIT(WRASSE_IO_WRITE_ZEROES) | WRASSE_IO_BIT(WRASSE_IO_VERIFY) | \
	 WRASSE_IO_BIT(WRASSE_IO_COMPARE))

static bool is_zero(const uint8_t *id, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (id[i] != 0)
			return false;
	}
	return true;
}

/* ---- options ---- */

/* What an older embedder does not know is NULL. */
static void ops_copy(struct wrasse_backend_ops *copy, const struct wrasse_backend_ops *ops)
{
	memset(copy, 0, sizeof(*copy));
	memcpy(copy, ops, ops->size < sizeof(*copy) ? ops->size : sizeof(*copy));
}

static const char *ops_check(const struct wrasse_backend_ops *ops)
{
	size_t least = offsetof(struct wrasse_backend_ops, submit) + sizeof(ops->submit);
	struct wrasse_backend_ops copy;

	if (!ops)
		return "ops is NULL";
	if (ops->size < least || !ops->submit)
		return "ops has no submit";
	ops_copy(&copy, ops);
	return !copy.map == !copy.unmap ? NULL : "ops has one of map and unmap, and not the other";
}

/* Functions of a newer library that this one would never call. */
static bool ops_have_unknown_tail(const struct wrasse_backend_ops *ops)
{
	const uint8_t *bytes = (const uint8_t *)ops;

	return ops->size > sizeof(*ops) && !is_zero(bytes + sizeof(*ops), ops->size - sizeof(*ops));
}

static const char *size_check(uint64_t block_count, uint32_t block_size)
{
	if (block_count == 0)
		return "block_count is 0";
	if (block_count > (uint64_t)INT64_MAX / block_size)
		return "block_count times block_size is above 2^63 - 1 bytes";
	return NULL;
}

static bool hints_are_good(const struct wrasse_ns_hints *hints)
{
	const uint32_t blocks[] = {hints->atomic_write,        hints->atomic_write_power,
				   hints->write_granularity,   hints->write_alignment,
				   hints->discard_granularity, hints->discard_alignment,
				   hints->write_size};

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		if (blocks[i] > UINT16_MAX + 1u)
			return false;
	}
	return hints->io_boundary <= UINT16_MAX && hints->atomic_write_power <= hints->atomic_write;
}

static const char *io_opts_check(const struct wrasse_ns_opts *opts, uint32_t block_size)
{
	if (opts->pi_type > 3)
		return "pi_type is above 3";
	if (opts->io_opcodes & ~(IO_REQUIRED | IO_OPTIONAL))
		return "io_opcodes has a bit that no opcode has";
	if (opts->max_write_zeroes_len && opts->max_write_zeroes_len < NVME_LEAST_WZSL)
		return "max_write_zeroes_len is below 8192";
	if (opts->max_discard_len && opts->max_discard_len < block_size)
		return "max_discard_len is below block_size";
	if (opts->io_timeout_ms && opts->io_timeout_ms < LEAST_IO_TIMEOUT_MS)
		return "io_timeout_ms is below 100";
	if (!hints_are_good(&opts->hints))
		return "hints has a length above 65536 blocks, or atomic_write_power above atomic_write";
	return NULL;
}

/* Return: NULL, or what is wrong. */
static const char *opts_check(const struct wrasse_subsystem *subsystem,
			      const struct wrasse_ns_opts *opts, uint32_t block_size)
{
	const char *why;

	if (opts->nsid > subsystem->max_namespaces)
		return "nsid is above the subsystem's max_namespaces";
	if (block_size < MIN_BLOCK_SIZE || block_size > MAX_BLOCK_SIZE ||
	    (block_size & (block_size - 1)) != 0)
		return "block_size is not a power of two from 512 to 65536";
	if (block_size > subsystem->registry->limits->max_data_len)
		return "block_size is above the target's max_data_len";
	if (opts->ana_group > subsystem->ana_groups)
		return "ana_group is above the subsystem's max_ana_groups";
	why = size_check(opts->block_count, block_size);
	if (!why)
		why = io_opts_check(opts, block_size);
	return why ? why : ops_check(opts->ops);
}

/* ---- identifiers ---- */

/* A UUID of version 8: the same for the same names in every run. */
static void make_uuid(uint8_t uuid[16], const char *nqn, uint32_t nsid)
{
	uint64_t half[2];

	half[0] = nvme_nqn_digest(nqn, nsid);
	half[1] = nvme_nqn_digest(nqn, nsid + 0x100000000ull);
	for (unsigned i = 0; i < 16; i++)
		uuid[i] = (uint8_t)(half[i / 8] >> (56 - i % 8 * 8));
	uuid[6] = (uuid[6] & 0x0f) | 0x80;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

static void ns_fill(struct wrasse_namespace *ns, struct wrasse_subsystem *subsystem,
		    const struct wrasse_ns_opts *opts, uint32_t nsid, uint32_t block_size)
{
	uint8_t *uuid = ns->id[NVME_NS_UUID].bytes;

	ns->subsystem = subsystem;
	ns->nsid = nsid;
	ns->ana_group = opts->ana_group ? opts->ana_group : 1;
	ns->restricted = opts->no_auto_visible;
	ns->one_host = opts->one_host;
	ns->block_shift = (uint32_t)__builtin_ctz(block_size);
	ns->block_count = opts->block_count;
	memcpy(ns->id[NVME_NS_NGUID].bytes, opts->nguid, sizeof(opts->nguid));
	memcpy(ns->id[NVME_NS_EUI64].bytes, opts->eui64, sizeof(opts->eui64));
	memcpy(uuid, opts->uuid, sizeof(opts->uuid));
	if (is_zero(uuid, sizeof(opts->uuid)))
		make_uuid(uuid, subsystem->nqn, nsid);
	ns->read_only = opts->read_only;
	ns->volatile_cache = opts->volatile_cache;
	ns->pi_type = opts->pi_type;
	/* What writes or checks a block has to see its tuple. */
	ns->io_opcodes = opts->io_opcodes & (ns->pi_type ? ~IO_WITHOUT_PI : ~0u);
	ns->max_write_zeroes_len = opts->max_write_zeroes_len;
	ns->max_discard_len = opts->max_discard_len & ~(uint64_t)(block_size - 1);
	ns->discard_zeroes = opts->discard_zeroes;
	ns->hints = opts->hints;
	ns->io_timeout_ns = opts->io_timeout_ms * NS_PER_MS;
	ops_copy(&ns->ops, opts->ops);
	ns->backend = opts->backend;
	ns->save_reservation = opts->save_reservation;
	ns->reservation_ctx = opts->reservation_ctx;
	for (uint32_t i = 0; i < subsystem->registry->limits->group_count; i++) {
		ns->port[i].ns = ns;
		ns->port[i].ana_group = ns->ana_group;
		ns->port[i].restricted = ns->restricted;
		ns->port[i].protected = ns->pi_type != 0;
	}
}

static void ana_count_change(const struct wrasse_namespace *ns)
{
	ns->subsystem->ana_members[ns->ana_group - 1]++;
	ns->subsystem->ana_members_changes++;
}

/* ---- life ---- */

int nvme_ns_create(struct wrasse_subsystem *subsystem, const struct wrasse_ns_opts *opts,
		   struct wrasse_namespace **ns, const char **why)
{
	uint32_t block_size = opts->block_size ? opts->block_size : DEFAULT_BLOCK_SIZE;
	uint32_t nsid = opts->nsid ? opts->nsid : nvme_ns_lowest_free(subsystem);
	size_t groups = subsystem->registry->limits->group_count;
	struct wrasse_namespace *made;
	int rc;

	if (subsystem->removing)
		return -ESHUTDOWN;
	*why = opts_check(subsystem, opts, block_size);
	if (*why)
		return -EINVAL;
	if (ops_have_unknown_tail(opts->ops))
		return -E2BIG;
	if (nsid > subsystem->max_namespaces)
		return -ENOSPC;
	if (nvme_ns_find(subsystem, nsid)) {
		*why = "nsid is in use in the subsystem";
		return -EEXIST;
	}
	made = object_alloc(sizeof(*made) + groups * sizeof(made->port[0]));
	if (!made)
		return -ENOMEM;
	made->resv = &nvme_no_resv;
	if (opts->reservation && !nvme_resv_own(made)) {
		free(made);
		return -ENOMEM;
	}
	ns_fill(made, subsystem, opts, nsid, block_size);
	rc = -EINVAL;
	*why = nvme_resv_load(made, opts);
	if (!*why) {
		rc = -EEXIST;
		*why = nvme_ns_find_duplicate(made);
	}
	if (*why) {
		nvme_resv_forget(made);
		free(made);
		return rc;
	}
	nvme_resv_publish(made);
	nvme_ns_index_add(made);
	ana_count_change(made);
	nvme_mask_hide(made);
	*ns = made;
	return (int)nsid;
}

void nvme_ns_remove(struct wrasse_namespace *ns)
{
	ns->subsystem->registry->removals += !ns->removing;
	ns->removing = true;
	ana_count_change(ns);
}

int nvme_ns_resize(struct wrasse_namespace *ns, uint64_t block_count, const char **why)
{
	*why = size_check(block_count, 1u << ns->block_shift);
	if (*why)
		return -EINVAL;
	if (nvme_ns_blocks(ns) == block_count)
		return 0;
	atomic_store_explicit(&ns->block_count, block_count, memory_order_relaxed);
	nvme_ns_note(ns);
	return 0;
}

bool nvme_ns_is_gone(const struct wrasse_namespace *ns)
{
	uint32_t groups = ns->subsystem->registry->limits->group_count;

	if (!ns->removing)
		return false;
	for (uint32_t i = 0; i < groups; i++) {
		/* Acquire: what the group did with the namespace happened before it is freed. */
		if (atomic_load_explicit(&ns->port[i].state, memory_order_acquire) !=
		    NVME_NS_PORT_NONE)
			return false;
	}
	return true;
}

void nvme_ns_free(struct wrasse_namespace *ns)
{
	ns->subsystem->registry->removals -= ns->removing;
	nvme_ns_index_remove(ns);
	while (ns->hosts) {
		struct nvme_host *host = ns->hosts;

		ns->hosts = host->next;
		free(host);
	}
	nvme_resv_forget(ns);
	free(ns);
}
