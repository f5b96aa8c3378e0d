/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ANA states as the embedder sets them: the lock taken, poll groups told to look. What they mean is
 * in src/nvme. Any thread.
 */
#include "target.h"
#include "transport/listener.h"

int wrasse_subsystem_set_ana_state(struct wrasse_subsystem *subsystem,
				   struct wrasse_listener *listener, uint32_t group,
				   enum wrasse_ana_state state)
{
	struct rdmat *rdmat = subsystem_rdmat(subsystem);
	int rc;

	rdmat_lock(rdmat);
	rc = nvme_path_set_ana(subsystem, listener ? listener->portal : 0, group, state);
	if (!rc)
		rdmat_attention(rdmat);
	rdmat_unlock(rdmat);
	return rc;
}

int wrasse_subsystem_get_ana_state(struct wrasse_subsystem *subsystem,
				   struct wrasse_listener *listener, uint32_t group)
{
	struct rdmat *rdmat = subsystem_rdmat(subsystem);
	int rc;

	rdmat_lock(rdmat);
	rc = nvme_path_get_ana(subsystem, listener ? listener->portal : 0, group);
	rdmat_unlock(rdmat);
	return rc;
}
