/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads and Writes that nothing is in the way of. Their capsule, and what is known of their queue and their namespace,
 * say so before anything is written; then what follows is known as well, and is not found out step by step, as request.c
 * and io.c do it for all commands. Who asks these functions names the opcode, and where the data is, as constants. The
 * thread of the queue's group.
 */
#ifndef WRASSE_NVME_STRAIGHT_H
#define WRASSE_NVME_STRAIGHT_H

#include "nvme/io.h"

struct nvme_straight {
	uint8_t opcode;             /* NVME_OPC_READ or NVME_OPC_WRITE */
	bool in_capsule;            /* the data is; else it is one range of the host's memory */
	const struct nvme_cmd *cmd; /* in the capsule, with the data behind it */
	/* Found by nvme_straight_find(): */
	struct nvme_ns_port *port;
	uint64_t offset;  /* bytes, in the namespace */
	uint32_t len;     /* bytes */
	uint32_t icd_off; /* of the data: bytes from the start of the capsule */
};

/* Whether a command has an opcode, and no other flags than it should. */
static inline bool nvme_straight_is(const struct nvme_cmd *cmd, uint8_t opcode)
{
	const uint8_t head[] = {opcode, NVME_PSDT_SGL};

	_Static_assert(offsetof(struct nvme_cmd, flags) == 1, "head");
	return memcmp(cmd, head, sizeof(head)) == 0;
}

/* Whether no command of an I/O queue is refused because of its controller, its path or a reservation. */
static ALWAYS_INLINE bool nvme_straight_may(const struct nvme_queue *queue)
{
	const struct nvme_ctrl *ctrl = queue->ctrl;

	return queue->io_epoch == atomic_load_explicit(&ctrl->io_epoch, memory_order_acquire) &&
	       !relaxed_load(&ctrl->denials) && !relaxed_load(&queue->path->closed);
}

/* Whether the namespace is there, and is plain. */
static ALWAYS_INLINE bool nvme_straight_find_port(const struct nvme_queue *queue,
						  struct nvme_straight *straight)
{
	straight->port = nvme_view_port(queue->view, nvme_get32(straight->cmd->nsid));
	return straight->port && nvme_port_is_plain(straight->port);
}

/* Whether the range is one of the namespace's, and can be written if it is to be. */
static ALWAYS_INLINE bool nvme_straight_find_range(struct nvme_straight *straight, uint32_t max_len)
{
	const struct wrasse_namespace *ns = straight->port->ns;
	uint64_t slba = nvme_get64(straight->cmd->rw.slba), blocks = nvme_ns_blocks(ns);
	uint64_t count = nvme_get16(straight->cmd->rw.nlb) + 1ull, len = count << ns->block_shift;

	straight->offset = slba << ns->block_shift;
	straight->len = (uint32_t)len;
	return slba < blocks && count <= blocks - slba && len <= max_len &&
	       (straight->opcode == NVME_OPC_READ || !nvme_ns_is_read_only(ns));
}

/* Whether the SGL names as much data as the range has, where it is said to be. @icd_len: bytes behind the command. */
static ALWAYS_INLINE bool nvme_straight_find_data(struct nvme_straight *straight, uint32_t icd_len)
{
	const struct nvme_sgl *sgl = &straight->cmd->sgl;
	uint64_t addr = nvme_get64(sgl->addr);
	uint32_t len = straight->len;

	if (!straight->in_capsule)
		return (sgl->id == NVME_SGL_KEYED || sgl->id == NVME_SGL_KEYED_INV) &&
		       nvme_sgl_keyed_len(sgl) == len && addr <= UINT64_MAX - (len - 1);
	straight->icd_off = NVME_CMD_LEN + (uint32_t)addr;
	return sgl->id == NVME_SGL_OFFSET && nvme_get32(sgl->plain.len) == len && len <= icd_len &&
	       addr <= icd_len - len;
}

/*
 * Whether a command goes straight; nothing but @straight is written.
 *
 * @queue: it has not ended.
 * @straight: a command with its opcode: see nvme_straight_is().
 * @capsule_len: bytes that were received, 64 at least. @max_len: bytes that it may move.
 */
static ALWAYS_INLINE bool nvme_straight_find(const struct nvme_queue *queue,
					     struct nvme_straight *straight, uint32_t capsule_len,
					     uint32_t max_len)
{
	return queue->on == NVME_ON_IO && nvme_straight_may(queue) &&
	       nvme_straight_find_port(queue, straight) &&
	       nvme_straight_find_range(straight, max_len) &&
	       nvme_straight_find_data(straight, capsule_len - NVME_CMD_LEN);
}

/* Zeroes what earlier commands may have left in a request, and what parsing and executing take for zero: request.c. */
void nvme_request_clean(struct nvme_request *request);

/* Takes the command: what is known of it, and its answer, if it succeeds now. @request: clean, and queue set by the
 * caller. */
static ALWAYS_INLINE void nvme_straight_take(struct nvme_request *request, struct nvme_queue *queue,
					     const struct nvme_straight *straight)
{
	/* More than that of it is for who stays. */
	memcpy(&request->cmd, straight->cmd, offsetof(struct nvme_cmd, mptr));
	memset(&request->cqe, 0, sizeof(request->cqe));
	request->cqe.cid = straight->cmd->cid;
	nvme_queue_advance(queue);
	nvme_queue_show_activity(queue);
	if (!queue->sqflow_off)
		nvme_put16(&request->cqe.sqhd, queue->sqhd);
}

/* The I/O for the backend. @iov: as long as the command's data; it stays. */
static ALWAYS_INLINE void nvme_straight_fill(struct nvme_request *request,
					     const struct nvme_straight *straight,
					     const struct iovec *iov, uint32_t iov_count)
{
	nvme_io_fill_plain(request, straight->port,
			   straight->opcode == NVME_OPC_READ ? WRASSE_IO_READ : WRASSE_IO_WRITE,
			   straight->offset, straight->len);
	if (nvme_get16(straight->cmd->rw.control) & NVME_RW_FUA)
		request->io.flags = WRASSE_IO_FUA;
	request->io.iov = iov;
	request->io.iov_count = iov_count;
}

/* The backend has completed it, with success. */
static ALWAYS_INLINE void nvme_straight_done(const struct nvme_straight *straight)
{
	struct nvme_ns_port *port = straight->port;

	if (straight->opcode == NVME_OPC_READ) {
		relaxed_add(&port->reads, 1);
		relaxed_add(&port->read_bytes, straight->len);
	} else {
		relaxed_add(&port->writes, 1);
		relaxed_add(&port->written_bytes, straight->len);
	}
}

/*
 * What nvme_request_parse() leaves, of a command that nvme_straight_find() has found: it goes straight no more. The capsule
 * is needed no more, but for data that is in it.
 *
 * @cmd, @port, @opcode, @in_capsule, @len: as in struct nvme_straight.
 */
void nvme_straight_parsed(struct nvme_request *request, const struct nvme_cmd *cmd,
			  struct nvme_ns_port *port, uint8_t opcode, bool in_capsule, uint32_t len);

/* Its I/O was submitted, and the backend has it, or has failed it: what follows is nvme_request_complete_io(). */
void nvme_straight_submitted(struct nvme_request *request, struct nvme_ns_port *port);

/* Whether that is all that there is to do: the backend has ended the I/O with success, and nothing was asked of it
 * meanwhile. */
static ALWAYS_INLINE bool nvme_straight_is_over(const struct nvme_request *request)
{
	return request->single && !request->fenced && !request->overdue && !request->interrupted;
}

/* nvme_request_complete_io() of such a one. */
static ALWAYS_INLINE void nvme_straight_end(struct nvme_request *request)
{
	struct nvme_ns_port *port = request->port;
	const struct nvme_straight straight = {
		.opcode = request->cmd.opcode, .port = port, .len = request->data.len};

	request->port = NULL;
	port->in_flight--;
	nvme_straight_done(&straight);
	nvme_request_stamp(request);
}

/* Of a command whose backend has map(): see nvme_request_map(). @request: clean. */
uint32_t nvme_straight_map(struct nvme_request *request, const struct nvme_straight *straight,
			   struct iovec *iov);

/* Whether the response invalidates the key in the command's SGL. */
static ALWAYS_INLINE bool nvme_straight_invalidates(const struct nvme_straight *straight)
{
	return !straight->in_capsule && straight->cmd->sgl.id == NVME_SGL_KEYED_INV;
}

#endif
