/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asymmetric Namespace Access (NVMe Base 2.0 8.1): how well each group of a subsystem's namespaces
 * can be used through each listener. Hosts with several paths follow it: they use the optimized
 * ones, and turn to others when a path becomes inaccessible, without an I/O error.
 */
#ifndef WRASSE_ANA_H
#define WRASSE_ANA_H

#include <wrasse/base.h>

WRASSE_BEGIN_DECLS

/* What a path is good for; the values are those of the specification. */
enum wrasse_ana_state {
	WRASSE_ANA_OPTIMIZED = 0x1,
	WRASSE_ANA_NON_OPTIMIZED = 0x2,   /* works, but another path is better */
	WRASSE_ANA_INACCESSIBLE = 0x3,    /* I/O is refused; hosts turn to other paths */
	WRASSE_ANA_PERSISTENT_LOSS = 0x4, /* as inaccessible, and it will not come back */
	WRASSE_ANA_CHANGE = 0xf,          /* I/O is refused; hosts wait for the next state */
};

/*
 * Sets the state of a group of namespaces as it is reached through a listener. Connected hosts are
 * told (Asymmetric Namespace Access Change).
 *
 * @subsystem: the subsystem; not NULL. A group is optimized until it is set.
 * @listener: the path; NULL: every listener that the target has, and those to come.
 * @group: the ana_group of namespaces, 1 to the subsystem's max_ana_groups; 0: every group.
 * @state: one of the five. WRASSE_ANA_CHANGE must be left within ana_transition_s: hosts give the
 * path up when it takes longer.
 *
 * Context: any thread, also a callback. It may allocate. A command that a poll group takes after
 * this call is judged by the new state; I/O that a backend has already is not called back.
 * Return: 0; -EINVAL for a state or group that is none; -ENOMEM.
 */
WRASSE_API int wrasse_subsystem_set_ana_state(struct wrasse_subsystem *subsystem,
					      struct wrasse_listener *listener, uint32_t group,
					      enum wrasse_ana_state state);

/*
 * The state of a group as it is reached through a listener.
 *
 * @listener: NULL: the state that listeners to come will have.
 *
 * Context: any thread, also a callback.
 * Return: an enum wrasse_ana_state; -EINVAL for a group that is none.
 */
WRASSE_API int wrasse_subsystem_get_ana_state(struct wrasse_subsystem *subsystem,
					      struct wrasse_listener *listener, uint32_t group);

WRASSE_END_DECLS

#endif
