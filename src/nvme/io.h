/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the I/O command set share: ranges of logical blocks, I/Os for the backend, and
 * what each namespace, and so each controller, takes. The thread of the queue's group, but for what
 * is constant.
 */
#ifndef WRASSE_NVME_IO_H
#define WRASSE_NVME_IO_H

#include "nvme/ctrl.h"
#include "nvme/wire_io.h"

/* Refuses a range that is beyond the namespace. @count: not 0. */
bool nvme_io_check_range(struct nvme_request *request, const struct wrasse_namespace *ns,
			 uint64_t slba, uint64_t count);

/* Refuses a command that writes to a namespace that is read-only. */
bool nvme_io_check_writable(struct nvme_request *request, const struct wrasse_namespace *ns);

/* Executes a command whose line has io. */
enum nvme_next nvme_io_execute(struct nvme_request *request);

/* Fills request->io, without flags and iov. Bytes. */
static ALWAYS_INLINE void nvme_io_fill_plain(struct nvme_request *request,
					     const struct nvme_ns_port *port,
					     enum wrasse_io_opcode opcode, uint64_t offset,
					     uint64_t length)
{
	struct wrasse_io *io = &request->io;

	io->opcode = opcode;
	io->flags = 0;
	io->offset = offset;
	io->length = length;
	io->source = 0;
	io->iov = NULL;
	io->iov_count = 0;
	io->memory = request->lent;
	io->pi = NULL;
	io->backend = port->ns->backend;
	io->group_ctx = port->group_ctx;
}

/* The same, with the flags that the command has. */
void nvme_io_fill(struct nvme_request *request, const struct nvme_ns_port *port,
		  enum wrasse_io_opcode opcode, uint64_t offset, uint64_t length);

/* The same for an I/O that the backend gets now. Return: NVME_SUBMIT, or the answer. */
enum nvme_next nvme_io_submit(struct nvme_request *request, struct nvme_ns_port *port,
			      enum wrasse_io_opcode opcode, uint64_t offset, uint64_t length);

/* lend.c: the backend of a namespace has lent the memory for a request's data. */
void nvme_request_lent(struct nvme_request *request, struct nvme_ns_port *port,
		       struct wrasse_memory *memory);

/* Whether the backend itself does what the command asks for. */
static inline bool nvme_io_is_native(const struct nvme_request *request,
				     const struct wrasse_namespace *ns)
{
	return ns->io_opcodes & request->op->native;
}

/* Bytes of one command that moves no data, in a namespace; 0: no limit. */
uint64_t nvme_io_write_zeroes_max(const struct wrasse_namespace *ns,
				  const struct nvme_limits *limits);
uint64_t nvme_io_verify_max(const struct wrasse_namespace *ns, const struct nvme_limits *limits);

/* A Read or Write is through: counted, whatever I/Os it was made of. */
void nvme_io_count(struct nvme_ns_port *port, const struct nvme_request *request, uint64_t len);

/* ---- io_pi.c: namespaces with protection information ---- */

/*
 * Checks what a command with SLBA and NLB says of protection information, and sets what scratch it
 * needs.
 *
 * @len: bytes of its blocks without tuples.
 * Return: how many bytes the host moves, or NVME_REFUSED.
 */
int64_t nvme_pi_data_len(struct nvme_request *request, const struct wrasse_namespace *ns,
			 int64_t len);
enum nvme_next nvme_pi_steps(struct nvme_request *request, struct nvme_ns_port *port);

/* fused.c: bytes in each half of a fused pair. */
uint64_t nvme_io_pair_max(const struct wrasse_namespace *ns);

/* ---- io_steps.c: commands of several I/Os ---- */

enum nvme_next nvme_compare_steps(struct nvme_request *request, struct nvme_ns_port *port);
enum nvme_next nvme_verify_steps(struct nvme_request *request, struct nvme_ns_port *port);
enum nvme_next nvme_write_zeroes_steps(struct nvme_request *request, struct nvme_ns_port *port);
enum nvme_next nvme_flush_steps(struct nvme_request *request);

int64_t nvme_dsm_data_len(struct nvme_request *request);
enum nvme_next nvme_dsm_io(struct nvme_request *request, struct nvme_ns_port *port);

/* ---- io_copy.c ---- */

#define NVME_COPY_RANGES    128u        /* MSRC + 1 */
#define NVME_COPY_RANGE_MAX (4u << 20)  /* MSSRL, in bytes */
#define NVME_COPY_MAX       (16u << 20) /* MCL, in bytes */

/* Blocks in one source range: a field of 16 bits. */
uint32_t nvme_copy_range_max(const struct wrasse_namespace *ns);

int64_t nvme_copy_data_len(struct nvme_request *request);
enum nvme_next nvme_copy_io(struct nvme_request *request, struct nvme_ns_port *port);

/* ---- io_limits.c: what a controller tells of its namespaces ---- */

/* Whether a namespace that the queue sees takes an opcode of the I/O command set. */
bool nvme_io_is_supported(const struct nvme_queue *queue, unsigned opcode);

/* The limits of Identify Controller, CNS 06h (NVM Command Set 1.0 4.1.5.4), as they are there. */
struct nvme_io_limits {
	uint8_t vsl, wzsl; /* 4096 * 2^n bytes; 0: no limit */
	uint8_t dmrl;      /* ranges; 0: no limit, which is 256 */
	uint32_t dmrsl;    /* blocks in a range; 0: no limit */
	uint64_t dmsl;     /* blocks in all; 0: no limit */
};

/* What Identify Namespace says of I/O commands. */
void nvme_io_id_put(const struct wrasse_namespace *ns, struct nvme_id_ns *id);

void nvme_io_limits_get(const struct nvme_queue *queue, struct nvme_io_limits *limits);

#endif
