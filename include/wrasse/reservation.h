/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservations (NVMe Base 2.0 8.19): which hosts may read and write a namespace. The library does
 * all of it; the embedder only keeps the state through a power loss, if it can.
 */
#ifndef WRASSE_RESERVATION_H
#define WRASSE_RESERVATION_H

#include <wrasse/backend.h>
#include <wrasse/base.h>

WRASSE_BEGIN_DECLS

/* Hosts that can be registered with one namespace. One more is answered with Internal Error. */
#define WRASSE_MAX_REGISTRANTS 64

/* Reservation types (NVMe Base 2.0 8.19). */
enum wrasse_reservation_type {
	WRASSE_RESERVATION_NONE = 0,
	WRASSE_RESERVATION_WRITE_EXCLUSIVE = 1,
	WRASSE_RESERVATION_EXCLUSIVE_ACCESS = 2,
	WRASSE_RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS = 3,
	WRASSE_RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS = 4,
	WRASSE_RESERVATION_WRITE_EXCLUSIVE_ALL = 5,
	WRASSE_RESERVATION_EXCLUSIVE_ACCESS_ALL = 6,
};

/* A host that is registered with a namespace. It is known by its identifier alone. */
struct wrasse_registrant {
	uint8_t hostid[16];
	uint64_t key; /* never 0 */
	bool holder;  /* of the reservation; with the types for all registrants each of them is */
	uint8_t reserved[7]; /* zero */
	char hostnqn[224];   /* the name that it registered under, for people to read; terminated */
};

/*
 * The reservation state of a namespace, as it is saved and given back. Set size to sizeof(struct
 * wrasse_reservation).
 */
struct wrasse_reservation {
	size_t size;
	bool ptpl;                 /* Persist Through Power Loss: false: forget what was saved */
	uint8_t type;              /* enum wrasse_reservation_type */
	uint32_t generation;       /* counts registrations, preempts and clears */
	uint32_t registrant_count; /* WRASSE_MAX_REGISTRANTS at most */
	const struct wrasse_registrant *registrants;
};

/*
 * Saves the reservation state of a namespace in place of what was saved before: all of it or
 * nothing. It must end in exactly one wrasse_io_complete(), with success when the state is durable.
 * The command that changes the state is answered, and the change takes effect, only then; with a
 * failure the command fails with that status, and the state stays as it was. Called for one change
 * of a namespace at a time; those that come meanwhile wait.
 *
 * @ctx: the namespace's reservation_ctx.
 * @state: what to save; valid until wrasse_io_complete().
 * @io: names this call in wrasse_io_complete(). Of its members only scratch may be used.
 *
 * Context: the poll group's thread, inside wrasse_poll_group_poll(). It must not block: whoever
 * writes a file does it on another thread, and completes from there.
 */
typedef void (*wrasse_reservation_save_fn)(void *ctx, const struct wrasse_reservation *state,
					   struct wrasse_io *io);

WRASSE_END_DECLS

#endif
