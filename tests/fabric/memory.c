/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What memory the hardware has: looks through all that is posted. For tests, not for speed.
 */
#include <stdio.h>
#include <string.h>

#include "engine.h"

/* What is looked for: memory, or a key. */
struct search {
	const void *addr;
	size_t len;
	uint32_t key;
	bool writing;
	char *found; /* where to describe it */
	size_t size;
};

static bool piece_fits(const struct search *search, const struct ibv_sge *sge)
{
	const struct fab_key *key;
	uint64_t addr = sge->addr, from = (uintptr_t)search->addr;

	if (search->key)
		return sge->length && sge->lkey == search->key;
	key = fab_key_find(sge->lkey);
	if (key)
		addr += key->shift;
	return addr < from + search->len && from < addr + sge->length;
}

static bool pieces_fit(const struct search *search, const struct ibv_sge *sge, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (piece_fits(search, &sge[i]))
			return true;
	return false;
}

static bool send_fits(const struct search *search, const struct fab_swqe *wqe)
{
	if (search->writing && !fab_is_read(wqe->opcode))
		return false;
	if (wqe->opcode == IBV_WR_BIND_MW && search->key)
		return wqe->bind_lkey == search->key;
	return !(wqe->flags & IBV_SEND_INLINE) && pieces_fit(search, wqe->sge, wqe->num_sge);
}

static bool rq_search(const struct search *search, const struct fab_rq *rq,
		      const struct fab_object *who)
{
	for (uint32_t i = 0; i < rq->depth; i++) {
		const struct fab_rwqe *slot = &rq->slots[i];

		if (!__atomic_load_n(&slot->used, __ATOMIC_RELAXED) ||
		    !pieces_fit(search, slot->sge, slot->num_sge))
			continue;
		snprintf(search->found, search->size, "receive 0x%llx of %s %u",
			 (unsigned long long)slot->wr_id, who->type, who->number);
		return true;
	}
	return false;
}

static bool sq_search(const struct search *search, const struct fab_qp *qp)
{
	uint32_t head = __atomic_load_n(&qp->sq_head, __ATOMIC_RELAXED);

	for (uint32_t i = head; i != qp->sq_tail; i++) {
		const struct fab_swqe *wqe = fab_swqe_at(qp, i);

		if (!send_fits(search, wqe))
			continue;
		snprintf(search->found, search->size, "WR 0x%llx of QP %u",
			 (unsigned long long)wqe->wr_id, qp->ibv.qp_num);
		return true;
	}
	return false;
}

static bool object_search(const struct search *search, struct fab_object *object)
{
	struct fab_srq *srq = FAB_CONTAINER(object, struct fab_srq, object);
	struct fab_qp *qp = FAB_CONTAINER(object, struct fab_qp, object);
	bool found = false;

	if (object->type == fab_type_srq) {
		fab_lock(&srq->lock);
		found = rq_search(search, &srq->rq, object);
		fab_unlock(&srq->lock);
	} else if (object->type == fab_type_qp && !qp->destroyed) {
		fab_lock(&qp->lock);
		found = sq_search(search, qp) || rq_search(search, &qp->rq, object);
		fab_unlock(&qp->lock);
	}
	return found;
}

static const char *all_search(const struct search *search)
{
	bool found = false;

	fab_lock(&fab_world);
	for (struct fab_link *link = fab_objects.next; !found && link != &fab_objects;
	     link = link->next)
		found = object_search(search, FAB_CONTAINER(link, struct fab_object, link));
	fab_unlock(&fab_world);
	return found ? search->found : NULL;
}

const char *fabric_memory_owner(const void *addr, size_t len, bool writing)
{
	static _Thread_local char line[96];
	struct search search = {
		.addr = addr, .len = len, .writing = writing, .found = line, .size = sizeof(line)};

	return all_search(&search);
}

const char *fab_key_user(uint32_t key)
{
	static _Thread_local char line[96];
	struct search search = {.key = key, .found = line, .size = sizeof(line)};

	return all_search(&search);
}
