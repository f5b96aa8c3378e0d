/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a device does what it claims: SEND with invalidate is tried once, when the device is opened.
 * Everything here is of the thread that polls the target, and nothing waits.
 */
#ifndef WRASSE_TRANSPORT_PROBE_H
#define WRASSE_TRANSPORT_PROBE_H

#include <stdbool.h>

#include "transport/rdmat.h"

/* How long the bind, and then the SEND, may take. */
#define RDMAT_PROBE_MS 1000u

/*
 * Begins a try, over the path that a connection came by. device->invalidates says what is known: no longer
 * than the try goes on (device->probe) it is false for a device that claims it. One that cannot be tried is
 * taken at its word, with a line for debugging.
 *
 * @device: its attributes are known, without what the embedder wants to be avoided.
 * @id: an identifier on it, with its port and addresses.
 */
void rdmat_probe_begin(struct rdmat *rdmat, struct rdmat_device *device,
		       const struct rdma_cm_id *id);

/* Looks how far a try is; one that has failed gives a warning. Return: how much has happened. */
int rdmat_probe_poll(struct rdmat *rdmat, struct rdmat_device *device);

/* Gives up a try, without a verdict; harmless without one. */
void rdmat_probe_stop(struct rdmat_device *device);

/* Whether an event is of a try's own queue pair, which is nobody else's business. */
bool rdmat_probe_owns(const struct rdmat_device *device, const struct ibv_async_event *event);

#endif
