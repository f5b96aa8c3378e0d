/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/Os that their backends have for longer than their namespaces allow. Poll group's thread.
 */
#ifndef WRASSE_TRANSPORT_OVERDUE_H
#define WRASSE_TRANSPORT_OVERDUE_H

#include <stdint.h>

struct wrasse_namespace;
struct wrasse_poll_group;

/* The group attaches to a namespace, which may have a limit. */
void rdmat_overdue_begin(struct wrasse_poll_group *group, const struct wrasse_namespace *ns);

/* Ends what is overdue, as far as that can be. Return: when to look again; UINT64_MAX: never. */
uint64_t rdmat_overdue_timers(struct wrasse_poll_group *group, uint64_t now_ns);

#endif
