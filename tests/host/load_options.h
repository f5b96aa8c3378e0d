/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of a load, and whether it fits what a controller can do. */
#ifndef HOST_LOAD_OPTIONS_H
#define HOST_LOAD_OPTIONS_H

#include "load.h"

int load_options(struct load_job *job, int argc, char **argv);
int load_check(struct load *l, uint32_t index, char *why, size_t why_len);

#endif
