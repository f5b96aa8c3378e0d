/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Admission: how many connections may be on their way from a connection request to a Connect
 * command, at once, from one address and in a second. Guarded by the target's lock.
 */
#ifndef WRASSE_TRANSPORT_ADMISSION_H
#define WRASSE_TRANSPORT_ADMISSION_H

#include <stdint.h>

/* An address with connections on their way. */
struct rdmat_source {
	char address[64];
	uint32_t count; /* 0: the entry is free */
};

struct rdmat_admission {
	uint32_t max, max_per_source;
	uint64_t interval_ns; /* between two requests, on average; 0: no limit */
	uint64_t due_ns;      /* when the next request would be on time */
	uint32_t count;
	uint32_t used; /* entries of sources that were ever used */
	struct rdmat_source *sources;
};

/* @per_s: requests in a second; 0: no limit. Return: 0 or -ENOMEM. */
int rdmat_admission_init(struct rdmat_admission *admission, uint32_t max, uint32_t max_per_source,
			 uint32_t per_s);
void rdmat_admission_fini(struct rdmat_admission *admission);

/*
 * Lets a connection request in.
 *
 * @ticket: where to store what rdmat_admission_leave() wants; not 0 if it was let in.
 * Return: NULL, or which limit keeps it out.
 */
const char *rdmat_admission_enter(struct rdmat_admission *admission, const char *address,
				  uint64_t now_ns, uint32_t *ticket);

/* It has sent its Connect command, or is gone. Does nothing for a ticket of 0, and makes it 0. */
void rdmat_admission_leave(struct rdmat_admission *admission, uint32_t *ticket);

#endif
