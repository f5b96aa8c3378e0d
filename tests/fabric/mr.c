/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protection domains, memory regions and windows, address handles.
 */
#include <errno.h>
#include <string.h>

#include "engine.h"

#undef ibv_reg_mr
#undef ibv_reg_mr_iova

static struct fab_pd *pd_of(struct ibv_pd *pd)
{
	return FAB_CONTAINER(pd, struct fab_pd, ibv);
}

/* ---- protection domains ---- */

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
	struct fab_context *mine = fab_context_of(context);
	struct fab_pd *pd;

	if (!fab_object_lives(&mine->object, fab_type_context, "ibv_alloc_pd") ||
	    fab_enter("ibv_alloc_pd", mine->device))
		return NULL;
	pd = fab_alloc(sizeof(*pd));
	pd->ibv.context = context;
	fab_lock(&fab_world);
	fab_object_init(&pd->object, fab_type_pd, 0);
	pd->ibv.handle = pd->object.number;
	mine->objects++;
	fab_unlock(&fab_world);
	return &pd->ibv;
}

int ibv_dealloc_pd(struct ibv_pd *ibv)
{
	struct fab_pd *pd = pd_of(ibv);

	if (!fab_object_lives(&pd->object, fab_type_pd, "ibv_dealloc_pd"))
		return EINVAL;
	if (pd->children)
		return fab_wrong(EBUSY, "ibv_dealloc_pd: PD %u has %u objects", pd->object.number,
				 pd->children);
	fab_lock(&fab_world);
	fab_context_of(ibv->context)->objects--;
	fab_object_fini(&pd->object);
	fab_unlock(&fab_world);
	fab_free(pd);
	return 0;
}

/* ---- memory regions ---- */

static bool access_is_legal(unsigned access)
{
	const unsigned remote_writes = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC;

	return !(access & remote_writes) || (access & IBV_ACCESS_LOCAL_WRITE);
}

static struct fab_mr *mr_create(struct ibv_pd *pd, void *addr, size_t len, uint64_t iova,
				unsigned access)
{
	struct fab_mr *mr = fab_alloc(sizeof(*mr));
	struct fab_key *key;

	fab_lock(&fab_world);
	key = fab_key_take();
	if (!key) {
		fab_unlock(&fab_world);
		fab_free(mr);
		errno = ENOMEM;
		return NULL;
	}
	fab_lock(&key->lock);
	key->pd = pd;
	key->addr = iova;
	key->len = len;
	key->shift = (uint64_t)(uintptr_t)addr - iova;
	key->access = access;
	key->valid = true;
	fab_unlock(&key->lock);
	mr->key = key;
	mr->ibv = (struct ibv_mr){.context = pd->context,
				  .pd = pd,
				  .addr = addr,
				  .length = len,
				  .lkey = key->key,
				  .rkey = key->key};
	fab_object_init(&mr->object, fab_type_mr, 0);
	mr->ibv.handle = mr->object.number;
	pd_of(pd)->children++;
	fab_unlock(&fab_world);
	return mr;
}

static struct ibv_mr *reg(const char *call, struct ibv_pd *pd, void *addr, size_t len,
			  uint64_t iova, unsigned access)
{
	struct fab_mr *mr;

	if (!fab_object_lives(&pd_of(pd)->object, fab_type_pd, call) ||
	    fab_enter(call, fab_device_of(pd->context)))
		return NULL;
	if (!len || !access_is_legal(access) || (access & IBV_ACCESS_ZERO_BASED)) {
		errno = EINVAL;
		return NULL;
	}
	mr = mr_create(pd, addr, len, iova, access);
	return mr ? &mr->ibv : NULL;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t len, int access)
{
	return reg("ibv_reg_mr", pd, addr, len, (uintptr_t)addr, (unsigned)access);
}

struct ibv_mr *ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t len, uint64_t iova, int access)
{
	return reg("ibv_reg_mr_iova", pd, addr, len, iova, (unsigned)access);
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t len, uint64_t iova,
				unsigned access)
{
	return reg("ibv_reg_mr_iova2", pd, addr, len, iova, access);
}

int ibv_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr, size_t len,
		 int access)
{
	errno = EOPNOTSUPP;
	return IBV_REREG_MR_ERR_INPUT;
}

struct ibv_mr *ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t len, uint64_t iova,
				 int fd, int access)
{
	errno = EOPNOTSUPP;
	return NULL;
}

int ibv_dereg_mr(struct ibv_mr *ibv)
{
	struct fab_mr *mr = FAB_CONTAINER(ibv, struct fab_mr, ibv);
	const char *user;

	if (!fab_object_lives(&mr->object, fab_type_mr, "ibv_dereg_mr"))
		return EINVAL;
	if (__atomic_load_n(&mr->key->windows, __ATOMIC_ACQUIRE))
		return fab_wrong(EBUSY, "ibv_dereg_mr: MR %u has %u windows bound to it",
				 mr->object.number, mr->key->windows);
	user = fab_strict ? fab_key_user(mr->key->key) : NULL;
	if (user)
		fab_misuse("ibv_dereg_mr: MR %u is used by %s", mr->object.number, user);
	fab_lock(&fab_world);
	fab_key_give(mr->key);
	pd_of(ibv->pd)->children--;
	fab_object_fini(&mr->object);
	fab_unlock(&fab_world);
	fab_free(mr);
	return 0;
}

/* ---- memory windows ---- */

static struct ibv_mw *mw_alloc(struct ibv_pd *pd, enum ibv_mw_type type)
{
	struct fab_mw *mw;

	if (!fab_object_lives(&pd_of(pd)->object, fab_type_pd, "ibv_alloc_mw") ||
	    fab_enter("ibv_alloc_mw", fab_device_of(pd->context)))
		return NULL;
	if (!fab_device_of(pd->context)->attr.max_mw) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	mw = fab_alloc(sizeof(*mw));
	fab_lock(&fab_world);
	mw->key = fab_key_take();
	if (!mw->key) {
		fab_unlock(&fab_world);
		fab_free(mw);
		errno = ENOMEM;
		return NULL;
	}
	mw->key->is_window = true;
	mw->key->pd = pd;
	mw->ibv = (struct ibv_mw){
		.context = pd->context, .pd = pd, .rkey = mw->key->key, .type = type};
	fab_object_init(&mw->object, fab_type_mw, 0);
	mw->ibv.handle = mw->object.number;
	pd_of(pd)->children++;
	fab_unlock(&fab_world);
	return &mw->ibv;
}

static int mw_dealloc(struct ibv_mw *ibv)
{
	struct fab_mw *mw = FAB_CONTAINER(ibv, struct fab_mw, ibv);

	if (!fab_object_lives(&mw->object, fab_type_mw, "ibv_dealloc_mw"))
		return EINVAL;
	fab_lock(&fab_world);
	fab_window_unbind(mw->key);
	fab_key_give(mw->key);
	pd_of(ibv->pd)->children--;
	fab_object_fini(&mw->object);
	fab_unlock(&fab_world);
	fab_free(mw);
	return 0;
}

/* Type 1: a WR of the library's own making, whose new key is in the window at once. */
static int mw_bind(struct ibv_qp *qp, struct ibv_mw *mw, struct ibv_mw_bind *bind)
{
	struct ibv_send_wr wr = {.wr_id = bind->wr_id,
				 .opcode = IBV_WR_BIND_MW,
				 .send_flags = bind->send_flags,
				 .bind_mw = {.mw = mw,
					     .rkey = ibv_inc_rkey(mw->rkey),
					     .bind_info = bind->bind_info}};
	struct ibv_send_wr *bad;
	int err = ibv_post_send(qp, &wr, &bad);

	if (!err)
		mw->rkey = wr.bind_mw.rkey;
	return err;
}

/* ---- address handles: RC needs none, some programs make them ---- */

struct fab_ah {
	struct ibv_ah ibv; /* first */
	struct fab_object object;
};

struct ibv_ah *ibv_create_ah(struct ibv_pd *pd, struct ibv_ah_attr *attr)
{
	struct fab_ah *ah;

	if (fab_enter("ibv_create_ah", fab_device_of(pd->context)))
		return NULL;
	ah = fab_alloc(sizeof(*ah));
	ah->ibv.context = pd->context;
	ah->ibv.pd = pd;
	fab_lock(&fab_world);
	fab_object_init(&ah->object, fab_type_ah, 0);
	pd_of(pd)->children++;
	fab_unlock(&fab_world);
	return &ah->ibv;
}

int ibv_destroy_ah(struct ibv_ah *ibv)
{
	struct fab_ah *ah = FAB_CONTAINER(ibv, struct fab_ah, ibv);

	if (!fab_object_lives(&ah->object, fab_type_ah, "ibv_destroy_ah"))
		return EINVAL;
	fab_lock(&fab_world);
	pd_of(ibv->pd)->children--;
	fab_object_fini(&ah->object);
	fab_unlock(&fab_world);
	fab_free(ah);
	return 0;
}

void fab_memory_ops(struct ibv_context_ops *ops)
{
	ops->alloc_mw = mw_alloc;
	ops->bind_mw = mw_bind;
	ops->dealloc_mw = mw_dealloc;
}
