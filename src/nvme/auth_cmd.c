/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Authentication Send and Receive (NVMe Base 2.0 6.1, 6.2): between commands and the transaction of
 * their queue. Owns when a queue may take other commands, and asks the embedder for secrets, which
 * live here for the time of one call. The thread of the queue's group.
 */
#include "nvme/ctrl.h"
#include "nvme/wire_auth.h"

/* The longest that is looked at: a Negotiate of 63 protocols, more than three times a Reply. */
#define MESSAGE_MAX 4096
#define NS_PER_MS   1000000ull

static const struct wrasse_auth_opts *queue_opts(const struct nvme_queue *queue)
{
	return &queue->ctrl->subsystem->auth;
}

/* Takes the commands of its kind from now on. */
static void queue_open(struct nvme_queue *queue)
{
	if (queue->qid != 0)
		queue->on = NVME_ON_IO;
	else
		queue->on = queue->ctrl->discovery ? NVME_ON_DISC : NVME_ON_ADMIN;
}

static void queue_await(struct nvme_queue *queue, uint64_t now_ns, struct nvme_actions *actions)
{
	queue->auth_deadline_ns = now_ns + queue->auth_timeout_ns;
	actions->timer = true;
}

bool nvme_auth_start(struct nvme_queue *queue, uint64_t now_ns, struct nvme_actions *actions)
{
	queue->auth_timeout_ns = queue->ctrl->auth_timeout_ms * NS_PER_MS;
	if (!queue_opts(queue)->get_key) {
		queue_open(queue);
		atomic_store_explicit(&queue->ctrl->proven, true, memory_order_relaxed);
		return false;
	}
	queue->on = NVME_ON_AUTH;
	queue_await(queue, now_ns, actions);
	return true;
}

/*
 * NVMe Base 2.0 8.13.2: a host that fails to authenticate itself again loses the association; one
 * that never did had none to lose but this queue.
 */
static void queue_lose(struct nvme_queue *queue, struct nvme_actions *actions, const char *why)
{
	queue->auth_deadline_ns = 0;
	nvme_auth_wipe(&queue->auth);
	if (queue->auth.passed) {
		nvme_ctrl_end(queue->ctrl);
		actions->attention = true;
	}
	actions->disconnect = true;
	actions->news = why;
	actions->bad_news = true;
}

uint64_t nvme_auth_tick(struct nvme_queue *queue, uint64_t now_ns, struct nvme_actions *actions)
{
	if (queue->auth_deadline_ns == 0)
		return UINT64_MAX;
	if (now_ns < queue->auth_deadline_ns)
		return queue->auth_deadline_ns;
	queue_lose(queue, actions, "authentication took the host too long");
	return UINT64_MAX;
}

/* What a step of the transaction means for the queue. */
static enum nvme_next step(struct nvme_request *request, enum nvme_auth_result result,
			   uint64_t now_ns, struct nvme_actions *actions)
{
	struct nvme_queue *queue = request->queue;

	switch (result) {
	case NVME_AUTH_OUT_OF_ORDER:
		return nvme_refuse(request, NVME_GENERIC(NVME_SC_SEQUENCE), NVME_AT_NONE,
				   "no authentication is under way");
	case NVME_AUTH_GOES_ON:
		queue_await(queue, now_ns, actions);
		break;
	case NVME_AUTH_PASSED:
		queue->auth_deadline_ns = 0;
		if (queue->on == NVME_ON_AUTH)
			queue_open(queue);
		if (queue->qid == 0)
			atomic_store_explicit(&queue->ctrl->proven, true, memory_order_relaxed);
		actions->news = queue->auth.mutual ?
					"host and controller have authenticated themselves" :
					"the host has authenticated itself";
		break;
	case NVME_AUTH_FAILED:
		queue_lose(queue, actions, queue->auth.why);
		break;
	}
	return nvme_succeed(request, 0);
}

/* Makes it wait for its turn. */
static enum nvme_next wait_for_turn(struct nvme_request *request)
{
	request->queue->auth_turn = true;
	return NVME_AUTH;
}

/* ---- checks before the data ---- */

/* Return: how many bytes the command moves. */
static int64_t check(struct nvme_request *request)
{
	const struct nvme_auth_cmd *cmd = &request->cmd.auth;

	if (!queue_opts(request->queue)->get_key) {
		nvme_refuse(request, NVME_GENERIC(WRASSE_SC_INVALID_OPCODE), 0,
			    "the subsystem knows no authentication");
		return NVME_REFUSED;
	}
	if (cmd->spsp0 != NVME_AUTH_SPSP || cmd->spsp1 != NVME_AUTH_SPSP ||
	    cmd->secp != NVME_AUTH_SECP) {
		nvme_refuse_field(request, NVME_AT_CDW10, "an unknown security protocol");
		return NVME_REFUSED;
	}
	return nvme_get32(cmd->len);
}

/* One at a time: what comes while another waits for its turn is out of order. */
static bool check_turn(struct nvme_request *request)
{
	if (!request->queue->auth_turn)
		return true;
	nvme_refuse(request, NVME_GENERIC(NVME_SC_SEQUENCE), NVME_AT_NONE,
		    "another authentication command is in progress");
	return false;
}

/* ---- Authentication Send ---- */

int64_t nvme_auth_send_data_len(struct nvme_request *request)
{
	int64_t len = check(request);

	if (len == 0 || len > MESSAGE_MAX) {
		nvme_refuse_field(request, NVME_AT_CDW11, "TL is not 1 to 4096");
		return NVME_REFUSED;
	}
	return len;
}

static struct nvme_auth_sides queue_sides(const struct nvme_queue *queue)
{
	return (struct nvme_auth_sides){
		.hostnqn = queue->ctrl->hostnqn,
		.subnqn = queue->ctrl->subsystem->nqn,
		.hashes = queue_opts(queue)->hashes,
		.groups = queue_opts(queue)->groups,
	};
}

enum nvme_next nvme_auth_send_execute(struct nvme_request *request, uint64_t now_ns,
				      struct nvme_actions *actions)
{
	struct nvme_queue *queue = request->queue;
	struct nvme_auth_sides sides = queue_sides(queue);
	uint8_t msg[MESSAGE_MAX];

	if (!check_turn(request))
		return NVME_RESPOND;
	nvme_in_get(request, msg, sizeof(msg));
	if (nvme_auth_send_is_heavy(&queue->auth, msg, request->data.len))
		return wait_for_turn(request);
	return step(request, nvme_auth_send(&queue->auth, &sides, NULL, msg, request->data.len),
		    now_ns, actions);
}

enum nvme_next nvme_auth_send_execute_auth(struct nvme_request *request, uint64_t now_ns,
					   struct nvme_actions *actions)
{
	struct nvme_queue *queue = request->queue;
	const struct wrasse_auth_opts *opts = queue_opts(queue);
	struct nvme_auth_sides sides = queue_sides(queue);
	struct nvme_auth_secrets secrets = {NULL, NULL};
	struct wrasse_auth_keys keys;
	enum nvme_auth_result result;
	uint8_t msg[MESSAGE_MAX];

	memset(&keys, 0, sizeof(keys));
	nvme_in_get(request, msg, sizeof(msg));
	if (opts->get_key(opts->ctx, sides.hostnqn, sides.subnqn, &keys) == 0)
		secrets = (struct nvme_auth_secrets){keys.host, keys.controller};
	result = nvme_auth_send(&queue->auth, &sides, &secrets, msg, request->data.len);
	nvme_crypto_wipe(&keys, sizeof(keys));
	return step(request, result, now_ns, actions);
}

/* ---- Authentication Receive ---- */

int64_t nvme_auth_receive_data_len(struct nvme_request *request)
{
	return check(request);
}

static enum nvme_next receive(struct nvme_request *request, uint64_t now_ns,
			      struct nvme_actions *actions)
{
	struct nvme_queue *queue = request->queue;
	uint8_t msg[NVME_AUTH_MESSAGE_MAX];
	enum nvme_auth_result result;
	enum nvme_next next;
	size_t len;

	result = nvme_auth_receive(&queue->auth, msg, &len);
	next = step(request, result, now_ns, actions);
	if (len > 0)
		nvme_succeed_page(request, msg, (uint32_t)len);
	return next;
}

enum nvme_next nvme_auth_receive_execute(struct nvme_request *request, uint64_t now_ns,
					 struct nvme_actions *actions)
{
	struct nvme_auth *auth = &request->queue->auth;

	if (!check_turn(request))
		return NVME_RESPOND;
	if (request->data.len < nvme_auth_receive_len(auth))
		return nvme_refuse_field(request, NVME_AT_CDW11, "AL is less than the message");
	if (nvme_auth_receive_is_heavy(auth))
		return wait_for_turn(request);
	return receive(request, now_ns, actions);
}

enum nvme_next nvme_auth_receive_execute_auth(struct nvme_request *request, uint64_t now_ns,
					      struct nvme_actions *actions)
{
	return receive(request, now_ns, actions);
}
