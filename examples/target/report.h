/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The books on paper. The format of each line is in wrasse-target(1): people and tests read it.
 */
#ifndef TARGET_REPORT_H
#define TARGET_REPORT_H

#include <stdio.h>

#include <wrasse/poll_group.h>
#include <wrasse/report.h>

/*
 * Prints how a drain ended.
 *
 * Return: whether the books balance.
 */
bool report_print(FILE *out, const struct wrasse_drain_report *report);

/* Prints the books, the last moves and the ledger of a group as they are now. The owning thread.
 */
void report_print_group(FILE *out, struct wrasse_poll_group *group);

#endif
