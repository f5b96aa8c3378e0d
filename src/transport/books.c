/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The books of a poll group: pools for any thread, the ledger of who holds what for the owner.
 */
#include "pool/panic.h"
#include "transport/group.h"

static void line_of_pool(struct wrasse_pool_line *line, const struct wrasse_poll_group *group,
			 const struct pool *pool)
{
	struct pool_books books;

	pool_get_books(pool, &books);
	*line = (struct wrasse_pool_line){books.name, group->index, books.capacity,
					  books.free, books.peak,   books.waits};
}

static void line_of_class(struct wrasse_pool_line *line, const struct rdmat_class *class)
{
	*line = (struct wrasse_pool_line){
		.name = class->name,
		.group = class->group->index,
		.capacity = class->capacity,
		.free = __atomic_load_n(&class->free_count, __ATOMIC_RELAXED),
		.peak = __atomic_load_n(&class->peak, __ATOMIC_RELAXED),
		.waits = __atomic_load_n(&class->waits, __ATOMIC_RELAXED),
	};
}

static void line_of_slots(struct wrasse_pool_line *line, const struct wrasse_poll_group *group,
			  bool admin)
{
	uint32_t capacity = __atomic_load_n(&group->slot_count[admin], __ATOMIC_RELAXED);
	uint32_t held = __atomic_load_n(&group->slots_held[admin], __ATOMIC_RELAXED);

	*line = (struct wrasse_pool_line){
		.name = admin ? "admin receive slots" : "I/O receive slots",
		.group = group->index,
		.capacity = capacity,
		.free = capacity - held,
		.peak = __atomic_load_n(&group->slots_peak[admin], __ATOMIC_RELAXED),
	};
}

unsigned wrasse_poll_group_get_pools(const struct wrasse_poll_group *group,
				     struct wrasse_pool_line *pools, unsigned count)
{
	struct wrasse_pool_line lines[7];
	const unsigned all = sizeof(lines) / sizeof(lines[0]);

	line_of_pool(&lines[0], group, group->wr_pool);
	line_of_pool(&lines[1], group, group->small);
	line_of_pool(&lines[2], group, group->large);
	line_of_class(&lines[3], &group->classes[0]);
	line_of_class(&lines[4], &group->classes[1]);
	line_of_slots(&lines[5], group, false);
	line_of_slots(&lines[6], group, true);
	for (unsigned i = 0; i < all && i < count; i++)
		pools[i] = lines[i];
	return all;
}

unsigned wrasse_poll_group_ledger(struct wrasse_poll_group *group,
				  void (*each)(void *ctx, const struct wrasse_holder *holder),
				  void *ctx)
{
	uint64_t now = rdmat_now(group->rdmat);
	unsigned count = 0;

	for (unsigned c = 0; c < 2; c++) {
		struct rdmat_class *class = &group->classes[c];

		for (uint32_t i = 0; i < class->capacity; i++) {
			struct wrasse_holder holder;

			if (class->requests[i].state == RDMAT_REQUEST_FREE)
				continue;
			rdmat_request_describe(&class->requests[i], now, &holder);
			each(ctx, &holder);
			count++;
		}
	}
	return count;
}

static void note_holder(void *ctx, const struct wrasse_holder *holder)
{
	struct wrasse_poll_group *group = ctx;

	if (group->holder_count < RDMAT_MAX_HOLDERS)
		group->holders[group->holder_count++] = *holder;
	else
		group->holders_omitted++;
}

void rdmat_group_fill_ledger(struct wrasse_poll_group *group)
{
	group->holder_count = 0;
	group->holders_omitted = 0;
	wrasse_poll_group_ledger(group, note_holder, group);
}

#ifdef WRASSE_CHECK_BOOKS
static void check_pool(struct pool *pool, uint32_t held)
{
	if (pool_free_count(pool) + held != pool_capacity(pool))
		pool_panic("%s: %u free and %u held do not make %u", pool_name(pool),
			   pool_free_count(pool), held, pool_capacity(pool));
}

void rdmat_group_check_books(struct wrasse_poll_group *group)
{
	uint32_t wrs = 0, small = 0, large = 0;

	for (unsigned c = 0; c < 2; c++) {
		struct rdmat_class *class = &group->classes[c];
		uint32_t out = 0, slots = 0;

		for (uint32_t i = 0; i < class->capacity; i++) {
			struct wrasse_holder holder;

			if (class->requests[i].state == RDMAT_REQUEST_FREE)
				continue;
			rdmat_request_describe(&class->requests[i], 0, &holder);
			wrs += holder.wrs;
			small += holder.small_buffers;
			large += holder.large_buffers;
			slots += holder.receive_slot;
			out++;
		}
		if (class->free_count + out != class->capacity || slots != group->slots_held[c])
			pool_panic("%s: %u free and %u out of %u; %u receive slots held, %u noted",
				   class->name, class->free_count, out, class->capacity, slots,
				   group->slots_held[c]);
	}
	check_pool(group->wr_pool, wrs);
	check_pool(group->small, small);
	check_pool(group->large, large);
}
#endif
