/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners: an address and port where hosts connect, on one RDMA device or on all of them.
 */
#ifndef WRASSE_LISTENER_H
#define WRASSE_LISTENER_H

#include <wrasse/base.h>

WRASSE_BEGIN_DECLS

/* Where to listen. Strings are copied. */
struct wrasse_listener_opts {
	size_t size;         /* sizeof(struct wrasse_listener_opts) */
	const char *address; /* IPv4 or IPv6, numeric; NULL or "0.0.0.0" or "::": every address */
	uint16_t port;       /* 0: 4420, the port that IANA assigned to NVMe over RDMA */
	uint8_t tos; /* type of service of accepted connections, shifted as in the IP header; 0: the
			host's */
	uint8_t ack_timeout; /* InfiniBand local ACK timeout code, 1 to 31 (4.096 us * 2^n); 0: the
				CM's */
	int backlog;         /* connection requests that may wait; 0: 128 */
};

static inline void wrasse_listener_opts_init(struct wrasse_listener_opts *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->size = sizeof(*opts);
}

/*
 * Starts to listen. Every subsystem of the target is reached through every listener, but for those
 * that were made with no_auto_listener.
 *
 * @target: the target; not NULL.
 * @opts: where; copied.
 * @listener: where to store the listener, or NULL. The target owns it.
 *
 * Context: any thread, also a callback. It allocates and makes system calls.
 * Return: 0; -EINVAL for a malformed address; -EADDRINUSE; -EADDRNOTAVAIL or -ENODEV if no RDMA
 * device has the address; -E2BIG for an unknown tail of opts; -ESHUTDOWN if the target drains; any
 * other negative errno value of the RDMA CM.
 */
WRASSE_API int wrasse_listener_create(struct wrasse_target *target,
				      const struct wrasse_listener_opts *opts,
				      struct wrasse_listener **listener);

/*
 * Stops to listen and ends the connections that came in through this listener.
 *
 * @listener: not to be used again after this call.
 *
 * Context: any thread, also a callback.
 */
WRASSE_API void wrasse_listener_destroy(struct wrasse_listener *listener);

WRASSE_END_DECLS

#endif
