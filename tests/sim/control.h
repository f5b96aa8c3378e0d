/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operator and fate: what happens to a target from outside.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

/* Devices, listeners, subsystems, namespaces. */
void control_start(void);

#endif
