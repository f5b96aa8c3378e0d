/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The books of a poll group: pools for any thread, the ledger of who holds what for the owner.
 */
#include <stdio.h>

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
	uint32_t free = relaxed_load(&class->free_count), out = relaxed_load(&class->lost_out);

	if (!out)
		out = relaxed_load(&class->touched);
	*line = (struct wrasse_pool_line){
		.name = class->name,
		.group = class->group->index,
		.capacity = class->capacity,
		.free = free,
		.peak = out > class->capacity - free ? out : class->capacity - free,
		.waits = __atomic_load_n(&class->waits, __ATOMIC_RELAXED),
	};
}

static void line_of_slots(struct wrasse_pool_line *line, const struct wrasse_poll_group *group,
			  bool admin)
{
	const struct rdmat_class *class = &group->classes[admin];
	uint32_t capacity = __atomic_load_n(&class->slots, __ATOMIC_RELAXED);
	uint32_t held = __atomic_load_n(&class->slots_held, __ATOMIC_RELAXED);

	*line = (struct wrasse_pool_line){
		.name = admin ? "admin receive slots" : "I/O receive slots",
		.group = group->index,
		.capacity = capacity,
		.free = capacity - held,
		.peak = __atomic_load_n(&class->slots_peak, __ATOMIC_RELAXED),
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

/* ---- the ledger ---- */

void rdmat_group_note_departed(struct wrasse_poll_group *group, const struct rdmat_qp *qp)
{
	struct rdmat_departed *entry = &group->departed[group->departed_count++ % RDMAT_DEPARTED];

	entry->number = qp->number;
	snprintf(entry->names.hostnqn, sizeof(entry->names.hostnqn), "%s",
		 nvme_queue_hostnqn(&qp->nvme));
	snprintf(entry->names.subnqn, sizeof(entry->names.subnqn), "%s",
		 nvme_queue_subnqn(&qp->nvme));
}

static const struct rdmat_qp *find_number(const struct pool_list *list, uint32_t number)
{
	struct pool_link *link, *tmp;

	pool_list_for_each(link, tmp, list) {
		const struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

		if (qp->number == number)
			return qp;
	}
	return NULL;
}

void rdmat_group_queue_names(const struct wrasse_poll_group *group, uint32_t number,
			     const char **hostnqn, const char **subnqn)
{
	const struct rdmat_qp *qp = find_number(&group->qps, number);

	if (!qp)
		qp = find_number(&group->dying, number);
	if (qp) {
		*hostnqn = nvme_queue_hostnqn(&qp->nvme);
		*subnqn = nvme_queue_subnqn(&qp->nvme);
		return;
	}
	*hostnqn = *subnqn = "";
	for (unsigned i = 0; i < RDMAT_DEPARTED && i < group->departed_count; i++) {
		if (group->departed[i].number != number)
			continue;
		*hostnqn = group->departed[i].names.hostnqn;
		*subnqn = group->departed[i].names.subnqn;
	}
}

/* An item's holder is the request that took it, whatever that request believes. */
static void count_item(void *ctx, const struct pool_item *item)
{
	const enum rdmat_ledger_column *column = ctx;
	struct rdmat_request *request = item->holder;

	request->ledger[*column]++;
}

static void count_items(struct wrasse_poll_group *group)
{
	struct pool *pools[] = {[RDMAT_LEDGER_WRS] = group->wr_pool,
				[RDMAT_LEDGER_SMALL] = group->small,
				[RDMAT_LEDGER_LARGE] = group->large};

	for (enum rdmat_ledger_column column = 0; column < RDMAT_LEDGER_COLUMNS; column++)
		pool_for_each_out(pools[column], count_item, &column);
}

static void describe_queue(const struct rdmat_request *request, struct wrasse_holder *holder)
{
	if (request->qp) {
		holder->hostnqn = nvme_queue_hostnqn(&request->qp->nvme);
		holder->subnqn = nvme_queue_subnqn(&request->qp->nvme);
		holder->cntlid = nvme_queue_cntlid(&request->qp->nvme);
		holder->qid = request->qp->nvme.qid;
		return;
	}
	rdmat_group_queue_names(request->class->group, request->last_queue, &holder->hostnqn,
				&holder->subnqn);
	holder->cntlid = request->last_cntlid;
	holder->qid = request->last_qid;
}

static void describe_buffers(const struct rdmat_request *request, const struct pool_item *item,
			     struct wrasse_holder *holder)
{
	for (; item; item = item->next) {
		if (item->pool == request->class->group->small)
			holder->small_buffers++;
		else
			holder->large_buffers++;
	}
}

void rdmat_request_describe(const struct rdmat_request *request, uint64_t now_ns,
			    struct wrasse_holder *holder)
{
	memset(holder, 0, sizeof(*holder));
	holder->group = request->class->group->index;
	holder->state = rdmat_request_states[request->state].name;
	describe_queue(request, holder);
	holder->cid = nvme_get16(request->nvme.cmd.cid);
	holder->opcode = request->nvme.cmd.opcode;
	if (!nvme_request_is_fabrics(&request->nvme))
		holder->nsid = nvme_get32(request->nvme.cmd.nsid);
	holder->admin = request->class->admin || nvme_request_is_fabrics(&request->nvme);
	holder->age_ns = now_ns - request->received_ns;
	holder->wrs = request->chain ? request->chain_count : 0;
	describe_buffers(request, request->buffers, holder);
	describe_buffers(request, request->scratch, holder);
	holder->queue_slots = request->sq_out;
	holder->read_credits = request->reads_out;
	holder->receive_slot = request->slot != NULL;
	holder->backend = request->backend;
	holder->lent = request->nvme.lender;
}

/* Takes what was counted for a request. Return: whether there is anything to tell of it. */
static bool take_line(struct rdmat_request *request, uint64_t now, struct wrasse_holder *holder)
{
	uint32_t *out = request->ledger;
	bool holds = out[RDMAT_LEDGER_WRS] || out[RDMAT_LEDGER_SMALL] || out[RDMAT_LEDGER_LARGE];

	if (request->state == RDMAT_REQUEST_FREE && !holds)
		return false;
	rdmat_request_describe(request, now, holder);
	holder->wrs = out[RDMAT_LEDGER_WRS];
	holder->small_buffers = out[RDMAT_LEDGER_SMALL];
	holder->large_buffers = out[RDMAT_LEDGER_LARGE];
	memset(out, 0, sizeof(request->ledger));
	return true;
}

/* A command that has not begun: it is known from its capsule. */
static void describe_parked(const struct rdmat_slot *slot, uint64_t now_ns,
			    struct wrasse_holder *holder)
{
	const struct nvme_cmd *cmd = (const struct nvme_cmd *)slot->capsule;
	const struct nvme_queue *queue = &slot->qp->nvme;

	*holder = (struct wrasse_holder){
		.group = slot->rx->class->group->index,
		.state = "PARKED",
		.hostnqn = nvme_queue_hostnqn(queue),
		.subnqn = nvme_queue_subnqn(queue),
		.cntlid = nvme_queue_cntlid(queue),
		.qid = queue->qid,
		.cid = nvme_get16(cmd->cid),
		.opcode = cmd->opcode,
		.nsid = cmd->opcode == NVME_OPC_FABRICS ? 0 : nvme_get32(cmd->nsid),
		.admin = slot->rx->class->admin || cmd->opcode == NVME_OPC_FABRICS,
		.age_ns = now_ns - slot->parked_ns,
		.receive_slot = true,
	};
}

static unsigned tell_parked(const struct rdmat_class *class, uint64_t now_ns,
			    void (*each)(void *ctx, const struct wrasse_holder *holder), void *ctx)
{
	struct pool_link *link, *tmp;
	unsigned count = 0;

	pool_list_for_each(link, tmp, &class->parked) {
		struct wrasse_holder holder;

		describe_parked(pool_container(link, struct rdmat_slot, parked), now_ns, &holder);
		each(ctx, &holder);
		count++;
	}
	return count;
}

/* The pools are asked and not the requests, so that what a request has forgotten is told, too. */
unsigned wrasse_poll_group_ledger(struct wrasse_poll_group *group,
				  void (*each)(void *ctx, const struct wrasse_holder *holder),
				  void *ctx)
{
	uint64_t now = rdmat_now(group->rdmat);
	unsigned count = 0;

	count_items(group);
	for (unsigned c = 0; c < 2; c++) {
		struct rdmat_class *class = &group->classes[c];

		for (uint32_t i = 0; i < class->touched; i++) {
			struct wrasse_holder holder;

			if (!take_line(&class->requests[i], now, &holder))
				continue;
			each(ctx, &holder);
			count++;
		}
		count += tell_parked(class, now, each, ctx);
	}
	return count;
}

void rdmat_holder_copy(struct rdmat_holder *to, const struct wrasse_holder *from)
{
	to->line = *from;
	snprintf(to->names.hostnqn, sizeof(to->names.hostnqn), "%s", from->hostnqn);
	snprintf(to->names.subnqn, sizeof(to->names.subnqn), "%s", from->subnqn);
	to->line.hostnqn = to->names.hostnqn;
	to->line.subnqn = to->names.subnqn;
}

static void note_holder(void *ctx, const struct wrasse_holder *holder)
{
	struct wrasse_poll_group *group = ctx;

	if (group->holder_count < RDMAT_MAX_HOLDERS)
		rdmat_holder_copy(&group->holders[group->holder_count++], holder);
	else
		group->holders_omitted++;
}

void rdmat_group_fill_ledger(struct wrasse_poll_group *group)
{
	group->holder_count = 0;
	group->holders_omitted = 0;
	wrasse_poll_group_ledger(group, note_holder, group);
}

/* ---- the flight recorder ---- */

unsigned wrasse_poll_group_get_states(const struct wrasse_poll_group *group,
				      struct wrasse_state_line *states, unsigned count)
{
	for (unsigned i = 0; i < RDMAT_REQUEST_STATE_COUNT && i < count; i++)
		states[i] = (struct wrasse_state_line){
			.name = rdmat_request_states[i].name,
			.moves = __atomic_load_n(&group->state_count[i], __ATOMIC_RELAXED),
		};
	return RDMAT_REQUEST_STATE_COUNT;
}

unsigned wrasse_poll_group_moves(struct wrasse_poll_group *group, unsigned max,
				 void (*each)(void *ctx, const struct wrasse_move *move), void *ctx)
{
	uint64_t end = group->record_count;
	uint64_t count = end < RDMAT_RECORDS ? end : RDMAT_RECORDS;

	if (count > max)
		count = max;
	for (uint64_t i = end - count; i < end; i++) {
		const struct rdmat_record *record = &group->records[i % RDMAT_RECORDS];
		const struct wrasse_move move = {
			.number = i,
			.request = record->request,
			.admin = record->qid == 0,
			.qid = record->qid,
			.from = rdmat_request_states[record->from].name,
			.to = rdmat_request_states[record->to].name,
		};

		each(ctx, &move);
	}
	return (unsigned)count;
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
		struct pool_link *link, *tmp;

		for (uint32_t i = 0; i < class->touched; i++) {
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
		pool_list_for_each(link, tmp, &class->parked)
			slots++;
		if (class->free_count + out != class->capacity || slots != class->slots_held)
			pool_panic("%s: %u free and %u out of %u; %u receive slots held, %u noted",
				   class->name, class->free_count, out, class->capacity, slots,
				   class->slots_held);
	}
	check_pool(group->wr_pool, wrs);
	check_pool(group->small, small);
	check_pool(group->large, large);
}
#endif
