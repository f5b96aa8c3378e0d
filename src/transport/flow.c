/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a request flows. Each function takes a request that has reached a point, asks src/nvme what
 * it means, and moves it on; docs/flow.md tells the story. Poll group's thread; it never waits.
 */
#include "transport/flow.h"

#include "inline.h"
#include "nvme/registry.h"
#include "pool/panic.h"
#include "transport/abort.h"
#include "transport/group.h"
#include "transport/pair.h"
#include "transport/pause.h"
#include "transport/resources.h"
#include "transport/sendq.h"
#include "transport/straight.h"
#include "transport/unsignaled.h"

/* The second half of a fused pair, after the first. */
static void go_on(struct rdmat_request *second, bool good)
{
	if (good) {
		rdmat_flow_execute(second);
		return;
	}
	nvme_half_fail(&second->nvme);
	rdmat_flow_respond(second);
}

void rdmat_flow_respond(struct rdmat_request *request)
{
	struct rdmat_request *second = request->pair ? rdmat_pair_part(request) : NULL;
	bool good = nvme_request_succeeded(&request->nvme);

	request->with_data = good && request->nvme.data.xfer == NVME_XFER_C2H;
	if (!good)
		rdmat_count(&request->qp->group->stats.errors, 1);
	rdmat_sendq_respond(request);
	if (second)
		go_on(second, good);
}

static void submit(struct rdmat_request *request)
{
	struct wrasse_poll_group *group = request->qp->group;
	struct nvme_request *nvme = &request->nvme;
	struct nvme_ns_port *port = nvme->port;

	request->backend = true;
	request->io_out = true;
	request->seen_ns = 0;
	/* Commands: those of several I/Os are none of these. */
	if (nvme_request_is_read(nvme)) {
		rdmat_count(&group->stats.reads, 1);
		rdmat_count(&group->stats.read_bytes, nvme->io.length);
	} else if (nvme_request_is_write(nvme)) {
		rdmat_count(&group->stats.writes, 1);
		rdmat_count(&group->stats.write_bytes, nvme->io.length);
	}
	/* One that is completed in there is acted on later: what is several I/Os shall not be a stack of calls. */
	port->ns->ops.submit(&nvme->io);
}

static void save(struct rdmat_request *request)
{
	request->backend = true;
	request->io_out = true;
	nvme_request_save(&request->nvme);
}

static void wait_retry(struct rdmat_request *request)
{
	struct rdmat_qp *qp = request->qp;
	uint64_t at = rdmat_group_now(qp->group) + RDMAT_RETRY_NS;

	request->nvme.next = NULL;
	*qp->retry_tail = &request->nvme;
	qp->retry_tail = &request->nvme.next;
	if (at < qp->group->next_timer_ns)
		qp->group->next_timer_ns = at;
}

/* @request is EXECUTING and src/nvme said @next. */
static void executed(struct rdmat_request *request, enum nvme_next next)
{
	struct rdmat_qp *qp = request->qp;

	switch (next) {
	case NVME_RESPOND:
		rdmat_flow_respond(request);
		break;
	case NVME_SUBMIT:
		submit(request);
		break;
	case NVME_HOOK:
		request->backend = true;
		request->io_out = true;
		nvme_hook_submit(&request->nvme);
		break;
	case NVME_SAVE:
		save(request);
		break;
	case NVME_HOLD:
		request->held = true;
		qp->held++;
		break;
	case NVME_WAIT:
		rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESUME);
		break;
	case NVME_ABORT:
		request->held = true;
		qp->held++;
		rdmat_abort_start(request);
		break;
	case NVME_RETRY:
		wait_retry(request);
		break;
	case NVME_AUTH:
		qp->auth = request;
		pool_list_add_tail(&qp->group->auths, &qp->auth_link);
		qp->group->chores = true;
		break;
	case NVME_REGISTRY:
		pool_panic("a request asked for the registry with the registry at hand");
	}
}

/* How a Connect ended; one that will be tried again has said nothing yet. */
static void log_connect(struct rdmat_request *request)
{
	struct rdmat_qp *qp = request->qp;
	struct wrasse_poll_group *group = qp->group;
	char name[256];

	if (qp->nvme.state == NVME_QUEUE_CONNECTED) {
		rdmat_group_tick(qp);
		rdmat_log(group->rdmat, WRASSE_LOG_INFO,
			  "%s: connected to %s, controller %u, depth %u",
			  rdmat_qp_name(qp, name, sizeof(name)), nvme_queue_subnqn(&qp->nvme),
			  nvme_queue_cntlid(&qp->nvme), qp->nvme.sqsize + 1u);
	} else if (request->nvme.why) {
		rdmat_log(group->rdmat, WRASSE_LOG_WARN, "%s: Connect refused: %s",
			  rdmat_qp_name(qp, name, sizeof(name)), request->nvme.why);
	}
}

/* Which of src/nvme's functions to call for a request that is EXECUTING. */
enum call {
	CALL_EXECUTE,  /* and the next one as well if it asks for it */
	CALL_REGISTRY, /* with the lock */
	CALL_AUTH,
};

static void ask(struct rdmat_request *request, enum call call)
{
	struct rdmat_qp *qp = request->qp;
	struct wrasse_poll_group *group = qp->group;
	struct nvme_actions actions = {0};
	uint64_t now = rdmat_group_now(group);
	bool was_connected = qp->nvme.state == NVME_QUEUE_CONNECTED;
	enum nvme_next next = NVME_REGISTRY;

	if (call == CALL_EXECUTE)
		next = nvme_request_execute(&request->nvme, now, &actions);
	else if (call == CALL_AUTH)
		next = nvme_request_execute_auth(&request->nvme, now, &actions);
	if (next == NVME_REGISTRY) {
		rdmat_lock(group->rdmat);
		next = nvme_request_execute_registry(&request->nvme, now, &actions);
		if (request->qp->nvme.state != NVME_QUEUE_NEW)
			rdmat_admission_leave(&group->rdmat->admission, &request->qp->ticket);
		rdmat_unlock(group->rdmat);
	}
	if (!was_connected)
		log_connect(request);
	if (actions.disconnect && next == NVME_RESPOND) {
		request->disconnect_after = true;
		actions.disconnect = false;
	}
	executed(request, next);
	rdmat_flow_act(qp, &actions);
}

ALWAYS_INLINE void rdmat_flow_execute(struct rdmat_request *request)
{
	enum nvme_next next;

	request->nvme.straight = request->state == RDMAT_REQUEST_RECEIVED;
	rdmat_request_move_to_executing(request);
	if (!nvme_request_is_io(&request->nvme)) {
		ask(request, CALL_EXECUTE);
		return;
	}
	next = nvme_request_execute_io(&request->nvme);
	if (next == NVME_SUBMIT)
		submit(request);
	else
		executed(request, next);
}

/* The host's data is there. It is fetched once more if the namespace was paused meanwhile: who waits
 * for a resume holds no buffers. */
static void fetched(struct rdmat_request *request)
{
	if (rdmat_straight_fetched(request))
		return;
	if (request->pair) {
		rdmat_pair_fetched(request);
	} else if (request->abort_by && rdmat_abort_end(request)) {
		return;
	} else if (nvme_request_must_wait(&request->nvme)) {
		rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESUME);
	} else {
		rdmat_flow_execute(request);
	}
}

/* Buffers and WRs are there. */
static void start_transfer(struct rdmat_request *request)
{
	if (request->nvme.data.xfer == NVME_XFER_H2C && request->first) {
		rdmat_request_move(request, RDMAT_REQUEST_WAIT_FETCH);
		rdmat_sendq_fill(request->qp);
	} else {
		rdmat_flow_execute(request);
	}
}

void rdmat_flow_wait_resources(struct rdmat_request *request)
{
	struct rdmat_qp *qp = request->qp;

	rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESOURCES);
	rdmat_unsignaled_wanted(qp->group);
	if (!pool_link_is_on_list(&qp->wait_link))
		pool_list_add_tail(&qp->class->waiting, &qp->wait_link);
}

ALWAYS_INLINE void rdmat_flow_go(struct rdmat_request *request)
{
	if (!rdmat_request_needs_resources(request))
		rdmat_flow_execute(request);
	else if (pool_list_is_empty(&request->class->waiting) &&
		 rdmat_request_take_resources(request))
		start_transfer(request);
	else
		rdmat_flow_wait_resources(request);
}

void rdmat_flow_start(struct rdmat_request *request)
{
	if (nvme_request_must_wait_at_once(&request->nvme))
		rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESUME);
	else
		rdmat_flow_go(request);
}

/* The data that came with a capsule. */
static void use_capsule(struct rdmat_request *request, uint8_t *capsule)
{
	const struct nvme_data *data = &request->nvme.data;

	request->iov[0].iov_base = capsule + data->icd_off;
	request->iov[0].iov_len = data->len;
	request->nvme.iov = request->iov;
	request->nvme.iov_count = 1;
}

static void hostile(struct rdmat_qp *qp, const char *why)
{
	rdmat_count(&qp->group->stats.hostile, 1);
	rdmat_qp_disconnect(qp, why);
}

static bool is_draining(const struct wrasse_poll_group *group)
{
	return relaxed_load(&group->drain) != RDMAT_DRAIN_NO;
}

/* The first capsule may come before the event that says that the connection stands. */
static bool is_active(struct rdmat_qp *qp)
{
	if (__builtin_expect(qp->state == RDMAT_QP_ACTIVE, true))
		return true;
	rdmat_qp_established(qp);
	return qp->state == RDMAT_QP_ACTIVE;
}

static void begin(struct rdmat_qp *qp, struct rdmat_slot *slot, uint32_t len)
{
	struct rdmat_request *request = rdmat_request_take(qp, slot);
	bool good = nvme_request_parse(&request->nvme, slot->capsule, len);

	if (good && request->nvme.data.in_capsule)
		use_capsule(request, slot->capsule);
	if (qp->half || nvme_request_half(&request->nvme) != NVME_HALF_NONE)
		rdmat_pair_capsule(request, good);
	else if (good)
		rdmat_flow_start(request);
	else
		rdmat_flow_respond(request);
}

static void park(struct rdmat_qp *qp, struct rdmat_slot *slot, uint32_t len)
{
	rdmat_rx_park(slot, qp, len);
	rdmat_unsignaled_wanted(qp->group);
}

void rdmat_flow_capsule(struct rdmat_qp *qp, struct rdmat_slot *slot, uint32_t len)
{
	/* Once a drain has begun, what was not started is for the host to send again elsewhere. */
	if (is_draining(qp->group) || !is_active(qp)) {
		rdmat_rx_give(slot);
		return;
	}
	if (len < sizeof(struct nvme_cmd) || qp->outstanding >= qp->nvme.conn.depth) {
		rdmat_rx_give(slot);
		hostile(qp, len < sizeof(struct nvme_cmd) ? "a capsule shorter than 64 bytes" :
							    "more commands than the queue's depth");
		return;
	}
	rdmat_count(&qp->group->stats.capsules, 1);
	qp->outstanding++;
	if (qp->class->free_count && pool_list_is_empty(&qp->class->parked))
		begin(qp, slot, len);
	else
		park(qp, slot, len);
}

static int unpark(struct rdmat_class *class)
{
	struct rdmat_slot *slot;
	int count = 0;

	while (class->free_count && (slot = rdmat_rx_unpark(class))) {
		if (is_draining(class->group)) {
			slot->qp->outstanding--;
			rdmat_rx_give(slot);
		} else {
			begin(slot->qp, slot, slot->len);
		}
		count++;
	}
	return count;
}

int rdmat_flow_unpark(struct wrasse_poll_group *group)
{
	return unpark(&group->classes[1]) + unpark(&group->classes[0]);
}

/* The response is out. */
static void answered(struct rdmat_request *request)
{
	struct rdmat_qp *qp = request->qp;
	bool disconnect = request->disconnect_after;

	if (request->backend) {
		rdmat_request_move(request, RDMAT_REQUEST_OVERDUE);
		return;
	}
	rdmat_request_move(request, RDMAT_REQUEST_FREE);
	if (disconnect)
		rdmat_qp_disconnect(qp, NULL);
}

void rdmat_flow_retired(struct rdmat_request *request)
{
	if (request->state == RDMAT_REQUEST_RESPONDING) {
		if (!request->responded)
			return;
		answered(request);
	} else if (request->state == RDMAT_REQUEST_FETCHING) {
		if (!request->cursor)
			fetched(request);
	} else {
		rdmat_request_settle(request);
	}
}

static void saved(struct rdmat_request *request)
{
	struct rdmat_qp *qp = request->qp;
	struct nvme_actions actions = {0};
	enum nvme_next next;

	rdmat_lock(qp->group->rdmat);
	next = nvme_request_complete_save(&request->nvme, request->io_status,
					  rdmat_group_now(qp->group), &actions);
	rdmat_unlock(qp->group->rdmat);
	if (request->state == RDMAT_REQUEST_EXECUTING)
		executed(request, next);
	else
		rdmat_request_settle(request);
	rdmat_flow_act(qp, &actions);
}

/* The backend has ended an I/O that came back. */
static ALWAYS_INLINE void done(struct rdmat_request *request)
{
	enum nvme_next next = nvme_request_complete_io(&request->nvme, request->io_status);

	if (request->state != RDMAT_REQUEST_EXECUTING)
		rdmat_request_settle(request);
	else if (next == NVME_RESPOND)
		rdmat_flow_respond(request);
	else
		executed(request, next);
}

void rdmat_flow_io_done(struct rdmat_request *request)
{
	struct wrasse_poll_group *group = request->class->group;
	struct nvme_ns_port *port = request->nvme.port;

	request->backend = false;
	if (rdmat_straight_ended(request))
		return;
	if (request->nvme.saving) {
		saved(request);
	} else if (request->nvme.interrupted) {
		nvme_request_let_go(&request->nvme);
		rdmat_request_settle(request);
	} else {
		done(request);
	}
	/* After what follows from it: that may be the next I/O of the same command or pair. */
	if (port)
		rdmat_pause_settle(group, port);
}

/* Return: false if there is not enough for it. One whose namespace was hidden from its host when that was
 * paused has gone on waiting here, and may see it again now. */
static bool resume(struct rdmat_request *request)
{
	if (request->pair) {
		if (!rdmat_pair_take(request))
			return false;
		rdmat_pair_start(request);
	} else if (nvme_request_must_wait(&request->nvme)) {
		rdmat_request_move(request, RDMAT_REQUEST_WAIT_RESUME);
	} else {
		if (!rdmat_request_take_resources(request))
			return false;
		start_transfer(request);
	}
	return true;
}

/* The head of each queue pair's FIFO in turn; a head that cannot be served stops the round, so that
 * large transfers are not overtaken for ever. */
static void resume_class(struct wrasse_poll_group *group, struct pool_list *waiting)
{
	struct pool_link *link;

	while ((link = pool_list_first(waiting))) {
		struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, wait_link);
		struct pool_list *list = &qp->lists[RDMAT_REQUEST_WAIT_RESOURCES];

		if (!pool_list_is_empty(list) &&
		    !resume(pool_container(pool_list_first(list), struct rdmat_request, link)))
			return;
		if (!pool_link_is_on_list(link))
			continue;
		pool_list_del(link);
		if (!pool_list_is_empty(list))
			pool_list_add_tail(waiting, link);
	}
}

void rdmat_flow_resume(struct wrasse_poll_group *group)
{
	resume_class(group, &group->classes[1].waiting);
	resume_class(group, &group->classes[0].waiting);
}

uint32_t rdmat_flow_not_started(const struct rdmat_qp *qp)
{
	struct pool_link *link, *tmp;
	uint32_t count = qp->paused;

	pool_list_for_each(link, tmp, &qp->lists[RDMAT_REQUEST_WAIT_PAIR])
		count++;
	pool_list_for_each(link, tmp, &qp->lists[RDMAT_REQUEST_WAIT_TURN])
		count += nvme_request_must_wait(
			&pool_container(link, struct rdmat_request, link)->nvme);
	return count;
}

void rdmat_flow_retry(struct rdmat_qp *qp)
{
	struct nvme_request *request = rdmat_qp_take_retries(qp), *next;

	/* What is asked may end the queue pair, and all requests with it. */
	for (; request && !qp->tearing; request = next) {
		next = request->next;
		ask(rdmat_request_of_nvme(request), CALL_REGISTRY);
	}
}

int rdmat_flow_auth(struct wrasse_poll_group *group)
{
	struct rdmat_qp *qp =
		pool_container(pool_list_pop(&group->auths), struct rdmat_qp, auth_link);
	struct rdmat_request *request = qp->auth;

	qp->auth = NULL;
	ask(request, CALL_AUTH);
	return 1;
}
