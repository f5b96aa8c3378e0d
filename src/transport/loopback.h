/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two queue pairs of the library's own, connected to each other by hand, without the CM, for what is to be
 * tried on a device. Not for iWARP, which has no such thing.
 */
#ifndef WRASSE_TRANSPORT_LOOPBACK_H
#define WRASSE_TRANSPORT_LOOPBACK_H

#include <rdma/rdma_cma.h>
#include <stdbool.h>

/* Either can have one send and one receive posted, of one piece each. */
struct rdmat_loopback {
	struct ibv_context *context;
	struct ibv_pd *pd; /* of its own, so that events of its queue pairs can be told */
	struct ibv_cq *cq; /* of all */
	struct ibv_qp *qp[2];
	struct ibv_qp_attr path;
};

/*
 * Makes the queue pairs and connects them over the path that a connection came by.
 *
 * @loopback: zero, or as rdmat_loopback_close() left it. It is to be closed, also after a failure.
 * @id: the connection, or its request, with its device, port and addresses.
 * Return: NULL; in words what there is not, or which call has failed.
 */
const char *rdmat_loopback_open(struct rdmat_loopback *loopback, const struct rdma_cm_id *id);

/* In two steps, since what was made with the protection domain goes between the queue pairs and it. */
void rdmat_loopback_disconnect(struct rdmat_loopback *loopback);
void rdmat_loopback_close(struct rdmat_loopback *loopback);

/* Whether the port can carry anything now. */
bool rdmat_loopback_is_up(const struct rdmat_loopback *loopback);

#endif
