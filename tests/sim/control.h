/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operator and fate: what happens to a target from outside.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include <stdbool.h>

struct media;

/* Devices, listeners, subsystems, namespaces. */
void control_start(void);

/* ---- pause.c ---- */

void pause_start(void);
/* A namespace or the whole of a subsystem is paused or resumed. @subsystem: exists. */
void pause_step(unsigned subsystem);
/* Everything is resumed. */
void pause_mend(void);
/* wrasse_subsystem_remove_ns() was called; @m NULL: wrasse_subsystem_remove(). */
void pause_removed(unsigned subsystem, struct media *m);
/* Whether no I/O of the namespace may reach the backend. */
bool pause_is_complete(const struct media *m);
/* Every report has come. */
void pause_check_end(void);

#endif
