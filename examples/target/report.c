/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The books on paper: one line per pool, one per holder, and a verdict. It does not only repeat
 * the verdict of the library, it adds up the lines itself: a report that calls itself clean and
 * lacks a work request is not.
 */
#include <ctype.h>
#include <inttypes.h>

#include "report.h"

#define MAX_POOLS  16
#define MAX_STATES 16
#define LAST_MOVES 16

static void pool_print(FILE *out, const struct wrasse_pool_line *pool)
{
	fprintf(out,
		"group %u  %s: %" PRIu64 " of %" PRIu64 " free, peak %" PRIu64 ", waits %" PRIu64
		"\n",
		pool->group, pool->name, pool->free, pool->capacity, pool->peak, pool->waits);
}

/* A name that a host chose: no space or control character may break the line. */
static void nqn_print(FILE *out, const char *key, const char *nqn)
{
	fprintf(out, " %s=", key);
	if (!*nqn)
		fputc('-', out);
	for (; *nqn; nqn++)
		fputc(isgraph((unsigned char)*nqn) ? *nqn : '?', out);
}

static void holder_print(FILE *out, const struct wrasse_holder *holder)
{
	fprintf(out, "  holder group=%u state=%s", holder->group, holder->state);
	nqn_print(out, "host", holder->hostnqn);
	nqn_print(out, "subsystem", holder->subnqn);
	fprintf(out, " cntlid=%u qid=%u cid=%u command=%s/0x%02x age_ms=%" PRIu64, holder->cntlid,
		holder->qid, holder->cid, holder->admin ? "admin" : "io", holder->opcode,
		holder->age_ns / 1000000);
	fprintf(out, " wrs=%u small_buffers=%u large_buffers=%u queue_slots=%u read_credits=%u",
		holder->wrs, holder->small_buffers, holder->large_buffers, holder->queue_slots,
		holder->read_credits);
	fprintf(out, " receive_slot=%s backend=%s%s\n", holder->receive_slot ? "yes" : "no",
		holder->backend ? "yes" : "no", holder->lent ? " lent=yes" : "");
}

/* Begins the next reason of the verdict. */
static void reason_begin(FILE *out, unsigned *reasons)
{
	fputs((*reasons)++ ? "; " : "books: NOT balanced: ", out);
}

static void count_print(FILE *out, unsigned *reasons, uint64_t count, const char *what)
{
	if (!count)
		return;
	reason_begin(out, reasons);
	fprintf(out, "%s: %" PRIu64, what, count);
}

/*
 * Adds up the books; prints nothing if they balance. Returns how many reasons there are to say
 * that they do not.
 */
static unsigned reasons_print(FILE *out, const struct wrasse_drain_report *report)
{
	unsigned reasons = 0;

	for (unsigned i = 0; i < report->pool_count; i++) {
		const struct wrasse_pool_line *pool = &report->pools[i];

		if (pool->free == pool->capacity)
			continue;
		reason_begin(out, &reasons);
		fprintf(out, "group %u %s lacks %" PRId64, pool->group, pool->name,
			(int64_t)(pool->capacity - pool->free));
	}
	count_print(out, &reasons, (uint64_t)report->holder_count + report->holders_omitted,
		    "requests that hold something");
	count_print(out, &reasons, report->queue_pairs_left, "queue pairs left");
	count_print(out, &reasons, report->groups_silent, "poll groups that did not answer");
	if (!report->clean && reasons == 0) {
		reason_begin(out, &reasons);
		fputs("the library says so", out);
	}
	return reasons;
}

bool report_print(FILE *out, const struct wrasse_drain_report *report)
{
	unsigned reasons;

	fprintf(out, "drain: %s %.1f ms\n", report->forced ? "forced after" : "complete after",
		(double)report->duration_ns / 1e6);
	for (unsigned i = 0; i < report->pool_count; i++)
		pool_print(out, &report->pools[i]);
	for (unsigned i = 0; i < report->holder_count; i++)
		holder_print(out, &report->holders[i]);
	if (report->holders_omitted)
		fprintf(out, "  and %u holders more\n", report->holders_omitted);
	reasons = reasons_print(out, report);
	fputs(reasons ? "\n" : "books: balanced\n", out);
	return reasons == 0;
}

static void ledger_print(void *ctx, const struct wrasse_holder *holder)
{
	holder_print(ctx, holder);
}

static void states_print(FILE *out, struct wrasse_poll_group *group)
{
	struct wrasse_state_line states[MAX_STATES];
	unsigned count = wrasse_poll_group_get_states(group, states, MAX_STATES);

	fprintf(out, "group %u  moves:", wrasse_poll_group_index(group));
	for (unsigned i = 0; i < count && i < MAX_STATES; i++)
		fprintf(out, "%s %s %" PRIu64, i ? "," : "", states[i].name, states[i].moves);
	fputc('\n', out);
}

static void move_print(void *ctx, const struct wrasse_move *move)
{
	fprintf(ctx, "  move %" PRIu64 " class=%s request=%u qid=%u from=%s to=%s\n", move->number,
		move->admin ? "admin" : "io", move->request, move->qid, move->from, move->to);
}

void report_print_group(FILE *out, struct wrasse_poll_group *group)
{
	struct wrasse_pool_line pools[MAX_POOLS];
	unsigned count = wrasse_poll_group_get_pools(group, pools, MAX_POOLS);
	unsigned holders;

	for (unsigned i = 0; i < count && i < MAX_POOLS; i++)
		pool_print(out, &pools[i]);
	states_print(out, group);
	wrasse_poll_group_moves(group, LAST_MOVES, move_print, out);
	holders = wrasse_poll_group_ledger(group, ledger_print, out);
	fprintf(out, "group %u  holders: %u\n", wrasse_poll_group_index(group), holders);
}
