/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What src/nvme wants to have done beside the answer to a command. Poll group's thread.
 */
#include "transport/flow.h"
#include "transport/group.h"

static void log_news(const struct rdmat_qp *qp, const struct nvme_actions *actions)
{
	char name[256];

	rdmat_log(qp->group->rdmat, actions->bad_news ? WRASSE_LOG_WARN : WRASSE_LOG_INFO, "%s: %s",
		  rdmat_qp_name(qp, name, sizeof(name)), actions->news);
}

void rdmat_flow_act(struct rdmat_qp *qp, struct nvme_actions *actions)
{
	struct nvme_request *next;

	if (actions->news)
		log_news(qp, actions);
	if (actions->timer)
		rdmat_group_tick(qp);
	for (struct nvme_request *done = actions->done; done; done = next) {
		next = done->next;
		rdmat_flow_respond(rdmat_request_of_nvme(done));
	}
	if (actions->attention) {
		rdmat_lock(qp->group->rdmat);
		rdmat_attention(qp->group->rdmat);
		rdmat_unlock(qp->group->rdmat);
	}
	if (actions->disconnect)
		rdmat_qp_disconnect(qp, actions->why);
}
