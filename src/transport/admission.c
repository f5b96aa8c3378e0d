/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Admission of connections. The table has an entry for as many addresses as there may be
 * connections on their way, so it cannot be full. Guarded by the target's lock.
 */
#include "transport/admission.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000ull

int rdmat_admission_init(struct rdmat_admission *admission, uint32_t max, uint32_t max_per_source,
			 uint32_t per_s)
{
	admission->max = max;
	admission->max_per_source = max_per_source;
	admission->interval_ns = per_s ? NS_PER_S / per_s : 0;
	admission->sources = calloc(max, sizeof(*admission->sources));
	return admission->sources ? 0 : -ENOMEM;
}

void rdmat_admission_fini(struct rdmat_admission *admission)
{
	free(admission->sources);
}

/* The entry of an address, or a free one. */
static struct rdmat_source *source_find(struct rdmat_admission *admission, const char *address)
{
	struct rdmat_source *free_one = NULL;

	for (uint32_t i = 0; i < admission->used; i++) {
		struct rdmat_source *source = &admission->sources[i];

		if (source->count == 0)
			free_one = source;
		else if (strcmp(source->address, address) == 0)
			return source;
	}
	return free_one ? free_one : &admission->sources[admission->used++];
}

/* A bucket that holds what a second may bring: requests may be ahead of their time by that much. */
static bool too_soon(struct rdmat_admission *admission, uint64_t now_ns)
{
	if (admission->due_ns < now_ns)
		admission->due_ns = now_ns;
	if (admission->due_ns + admission->interval_ns > now_ns + NS_PER_S)
		return true;
	admission->due_ns += admission->interval_ns;
	return false;
}

const char *rdmat_admission_enter(struct rdmat_admission *admission, const char *address,
				  uint64_t now_ns, uint32_t *ticket)
{
	struct rdmat_source *source;

	if (admission->count == admission->max)
		return "max_handshakes connections are on their way";
	source = source_find(admission, address);
	if (source->count == admission->max_per_source)
		return "max_handshakes_per_host connections of its address are on their way";
	if (admission->interval_ns && too_soon(admission, now_ns))
		return "more than max_connections_per_s requests";
	if (source->count == 0)
		snprintf(source->address, sizeof(source->address), "%s", address);
	source->count++;
	admission->count++;
	*ticket = (uint32_t)(source - admission->sources) + 1;
	return NULL;
}

void rdmat_admission_leave(struct rdmat_admission *admission, uint32_t *ticket)
{
	if (!*ticket)
		return;
	admission->sources[*ticket - 1].count--;
	admission->count--;
	*ticket = 0;
}
