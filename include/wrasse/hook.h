/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hooks: commands of hosts that the embedder answers. Vendor commands, Format, security and
 * whatever else the library does not know; and Identify and Get Log Page, after the library's own
 * answer. (Namespace Management and Attachment: <wrasse/ns_management.h>.)
 */
#ifndef WRASSE_HOOK_H
#define WRASSE_HOOK_H

#include <sys/uio.h>

#include <wrasse/base.h>
#include <wrasse/status.h>

WRASSE_BEGIN_DECLS

/*
 * One command of a host. The library owns it; the embedder may use it, and the memory that iov
 * names, from the hook's submit() until it calls wrasse_command_complete(), on any thread. Dwords
 * are as the host sent them, in the byte order of this machine; nothing in them has been checked,
 * but that an I/O command names a namespace that there is.
 */
struct wrasse_command {
	void *ctx; /* the hook's */
	bool admin;
	uint8_t opcode;
	uint16_t cntlid;
	uint32_t nsid;
	uint32_t cdw2, cdw3, cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
	const char *hostnqn; /* whose it is; valid until it is completed */
	void *backend;       /* I/O: the namespace's backend context, else NULL */
	void *group_ctx;     /* I/O: what attach() made for this poll group, else NULL */

	/*
	 * The data: bits 1:0 of the opcode say which way it goes. 01b: it came from the host, and
	 * must not be changed. 10b: it goes to the host if the command succeeds; it is zeroes, or
	 * the library's answer.
	 */
	const struct iovec *iov;
	uint32_t iov_count;
	uint64_t length; /* bytes, as much as the host's SGL names; 0: no data */

	/* The library's own answer; of an opcode that it does not know, Invalid Opcode. */
	struct wrasse_status status;
	uint32_t result;      /* dword 0 of the response, for the embedder to set */
	uintptr_t scratch[4]; /* for the embedder, undefined at first */
};

/* One hook. */
struct wrasse_hook {
	size_t size; /* sizeof(struct wrasse_hook) */
	bool admin;  /* a command of admin queues; else of I/O queues */
	uint8_t opcode;
	uint32_t effects; /* what Commands Supported and Effects says of it (NVMe Base 2.0 figure
			     211), but for CSUPP, which is set */
	/*
	 * Starts one command. Required. It must end in exactly one wrasse_command_complete(), which
	 * may be called before submit() returns: it is recorded, and acted on after submit() has
	 * returned.
	 *
	 * Context: any poll group's thread, inside wrasse_poll_group_poll(), two at once too. It
	 * must not block.
	 */
	void (*submit)(struct wrasse_command *command);
	void *ctx; /* given to submit() in the command */
};

static inline void wrasse_hook_init(struct wrasse_hook *hook)
{
	memset(hook, 0, sizeof(*hook));
	hook->size = sizeof(*hook);
}

/*
 * Gives the commands with one opcode to the embedder, for as long as the subsystem exists. They
 * must be commands that the library does not know, or Identify (06h) or Get Log Page (02h) of the
 * admin command set: those the library answers first, and the hook sees its data and status, and
 * may change both. Then it gets Get Log Page of any log page. Hosts find the opcode in the effects
 * log and in Identify Controller.
 *
 * @subsystem: the subsystem; not NULL.
 * @hook: copied; its ctx stays the embedder's, and must be valid until the subsystem is gone.
 *
 * Context: any thread, also a callback. It allocates. Commands that are being executed already are
 * answered by the library.
 * Return: 0; -EINVAL without a submit, for an opcode that the library answers itself or that would
 * move data both ways (11b in bits 1:0; the log names it); -EEXIST if it has a hook, or is one of
 * namespace management that was set; -E2BIG for an unknown tail; -ENOMEM; -ESHUTDOWN if the
 * subsystem is being removed.
 */
WRASSE_API int wrasse_subsystem_add_hook(struct wrasse_subsystem *subsystem,
					 const struct wrasse_hook *hook);

/*
 * Answers a command.
 *
 * @command: the command; the embedder must not touch it, or its memory, after this call.
 * @status: what the host will see.
 *
 * Context: any thread, also inside submit(). It never blocks, allocates or calls back. Completing a
 * command twice stops the program with a message.
 */
WRASSE_API void wrasse_command_complete(struct wrasse_command *command,
					struct wrasse_status status);

WRASSE_END_DECLS

#endif
