/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the fixture of fake_verbs.h does I/O with: a namespace whose backend keeps what it is given, and
 * capsules that come.
 */
#ifndef FAKE_IO_H
#define FAKE_IO_H

#include "fake_verbs.h"

#include "nvme/ctrl.h"

/* What the backend was given, in order, since fake_ctrl_set(). */
extern struct wrasse_io *fake_ios[16];
extern unsigned fake_io_count;

/* The controller that the queue pair is of. */
extern struct nvme_ctrl fake_ctrl;

/* The backend. */
void fake_submit(struct wrasse_io *io);

/* The queue pair is of fake_ctrl from now on, with a way that is open to so many ANA groups of a subsystem. */
void fake_ctrl_set(struct fake *fake, struct wrasse_subsystem *subsystem, uint32_t ana_groups);

/* The same, with a namespace 1 of 4096 blocks of 512 bytes. Valid until the next one. */
struct wrasse_namespace *fake_namespace(struct fake *fake);

/* Where the host's memory is. */
#define FAKE_HOST_ADDR 0x1000000

/* A command of so many blocks comes, with one range of the host's memory for them. */
void fake_command_comes(struct fake *fake, uint8_t opcode, uint32_t nsid, uint16_t cid,
			uint64_t slba, uint32_t blocks);

/* A Read of namespace 1 comes, from its first block on. */
void fake_read_comes(struct fake *fake, uint16_t cid, uint32_t blocks);

/* @cmd asks for so many bytes, in one range of the host's memory. */
void fake_sgl(struct nvme_cmd *cmd, uint64_t addr, uint32_t len);

/* The request that the backend has an I/O of, and its answer to one. */
struct rdmat_request *fake_io_request(unsigned which);
void fake_io_ends(unsigned which, struct wrasse_status status);

/* The status code of the response that was posted last. */
uint8_t fake_last_status(const struct fake *fake);

#endif
