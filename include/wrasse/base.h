/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every other public header needs: visibility, C++ linkage, forward declarations, version,
 * logging.
 */
#ifndef WRASSE_BASE_H
#define WRASSE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
#define WRASSE_BEGIN_DECLS extern "C" {
#define WRASSE_END_DECLS   }
#else
#define WRASSE_BEGIN_DECLS
#define WRASSE_END_DECLS
#endif

#define WRASSE_API __attribute__((visibility("default")))

WRASSE_BEGIN_DECLS

struct wrasse_target;
struct wrasse_listener;
struct wrasse_subsystem;
struct wrasse_namespace;
struct wrasse_poll_group;

/*
 * The version of the library that is linked, for example "0.1.0".
 *
 * Return: a constant string that the library owns.
 */
WRASSE_API const char *wrasse_version(void);

/* How loud a log line is. */
enum wrasse_log_level {
	WRASSE_LOG_ERROR, /* something was lost or refused that an operator must know of */
	WRASSE_LOG_WARN,  /* a host or a device misbehaved; the library coped */
	WRASSE_LOG_INFO,  /* connections, controllers, ports: coming and going */
	WRASSE_LOG_DEBUG, /* for people who debug the library */
};

/*
 * Takes one log line.
 *
 * @ctx: the log_ctx of the target's options.
 * @level: how loud the line is.
 * @line: the text, without a newline; valid during the call only. It names the object (host NQN,
 * queue, device).
 *
 * Context: any thread that is inside a call to the library; never under one of the library's locks
 * that the embedder could wait for. It must not call the library.
 */
typedef void (*wrasse_log_fn)(void *ctx, enum wrasse_log_level level, const char *line);

WRASSE_END_DECLS

#endif
