/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrasse: an NVMe over Fabrics target on RDMA as a library.
 *
 * This header includes the whole public API, one header per noun. Everything here follows the same
 * rules:
 * - Functions return 0 (or a count) or a negative errno value. What an NVMe host sees is a struct
 * wrasse_status.
 * - Options are structs that begin with their own size, set by an inline _init() function. Zero in
 * a member means "the default". A struct that is longer than the library knows is accepted while
 * its tail is all zero, else -E2BIG.
 * - The library has no threads and no global state. It calls the embedder only from inside
 * wrasse_target_poll(), wrasse_poll_group_poll() and wrasse_poll_group_arm(), except for the log
 * callback.
 */
#ifndef WRASSE_WRASSE_H
#define WRASSE_WRASSE_H

#include <wrasse/ana.h>
#include <wrasse/auth.h>
#include <wrasse/backend.h>
#include <wrasse/base.h>
#include <wrasse/health.h>
#include <wrasse/hook.h>
#include <wrasse/listener.h>
#include <wrasse/memory.h>
#include <wrasse/namespace.h>
#include <wrasse/ns_management.h>
#include <wrasse/pause.h>
#include <wrasse/poll_group.h>
#include <wrasse/rdma_event.h>
#include <wrasse/referral.h>
#include <wrasse/report.h>
#include <wrasse/reservation.h>
#include <wrasse/status.h>
#include <wrasse/subsystem.h>
#include <wrasse/target.h>

#endif
