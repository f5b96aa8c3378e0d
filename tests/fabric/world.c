/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The world: its beginning, parties and their calls, misuse, and the list of all objects.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

struct party {
	uint64_t calls;
	uint64_t fail_at; /* calls is this: it fails; 0: none does */
	int err;
} __attribute__((aligned(64)));

enum fabric_mode fab_mode = FABRIC_THREADED;
bool fab_strict, fab_watch, fab_limit_reads;
pthread_mutex_t fab_world = PTHREAD_MUTEX_INITIALIZER;
_Thread_local unsigned fab_party;
struct fabric_stats fab_stats[FABRIC_PARTIES];
void (*fab_on_device_removed)(struct fab_device *device);
void (*fab_on_cm_event)(uint32_t qpn, int type);
void (*fab_on_init)(void);
unsigned (*fab_on_leftovers)(char *buf, size_t len);

const char fab_type_context[] = "context", fab_type_pd[] = "PD", fab_type_mr[] = "MR",
	   fab_type_mw[] = "MW", fab_type_channel[] = "completion channel", fab_type_cq[] = "CQ",
	   fab_type_srq[] = "SRQ", fab_type_qp[] = "QP", fab_type_ah[] = "AH";
static const char dead[] = "destroyed object";
struct fab_link fab_objects = {&fab_objects, &fab_objects};

static struct {
	const char *type;
	uint32_t last;
} numbers[] = {{fab_type_context, 0}, {fab_type_pd, 0},      {fab_type_mr, 0},
	       {fab_type_mw, 0},      {fab_type_channel, 0}, {fab_type_cq, 0},
	       {fab_type_srq, 0},     {fab_type_ah, 0},      {NULL, 0}};

static struct party parties[FABRIC_PARTIES];
static const char *failed_call;
static void (*on_misuse)(void *ctx, const char *line);
static void *on_misuse_ctx;

const char *fabric_version(void)
{
	return "wrasse simulated fabric 1";
}

/* ---- misuse ---- */

void fabric_on_misuse(void (*fn)(void *ctx, const char *line), void *ctx)
{
	on_misuse = fn;
	on_misuse_ctx = ctx;
}

void fab_misuse(const char *fmt, ...)
{
	char line[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (on_misuse) {
		on_misuse(on_misuse_ctx, line);
		return;
	}
	fprintf(stderr, "fabric: %s\n", line);
	abort();
}

void fabric_set_strict(bool strict)
{
	fab_strict = strict;
}

void fabric_watch_memory(bool on)
{
	fab_watch = on;
}

void fabric_limit_reads(bool on)
{
	fab_limit_reads = on;
}

/* ---- objects ---- */

void fab_object_init(struct fab_object *object, const char *type, uint32_t number)
{
	for (unsigned i = 0; !number && numbers[i].type; i++)
		if (numbers[i].type == type)
			number = ++numbers[i].last;
	object->type = type;
	object->number = number;
	fab_list_add(&fab_objects, &object->link);
}

void fab_object_fini(struct fab_object *object)
{
	object->type = dead;
	fab_list_del(&object->link);
}

/* It may look at memory that was freed, and is poisoned then. */
__attribute__((no_sanitize("address"))) bool fab_object_lives(const struct fab_object *object,
							      const char *type, const char *call)
{
	if (__builtin_expect(object->type == type, 1))
		return true;
	if (object->type == dead)
		fab_misuse("%s: %s %u was destroyed before", call, type, object->number);
	else
		fab_misuse("%s: this is no %s", call, type);
	errno = EINVAL;
	return false;
}

static bool is_leftover(const struct fab_object *object)
{
	return object->type != fab_type_context ||
	       !FAB_CONTAINER(object, struct fab_context, object)->of_cm;
}

static size_t append(char *buf, size_t len, size_t used, const struct fab_object *object)
{
	int n;

	if (used >= len)
		return used;
	n = snprintf(buf + used, len - used, "%s%s %u", used ? ", " : "", object->type,
		     object->number);
	return n < 0 ? used : used + (size_t)n;
}

unsigned fabric_leftovers(char *buf, size_t len)
{
	unsigned count = 0;
	size_t used = 0;

	if (len)
		buf[0] = 0;
	fab_lock(&fab_world);
	for (struct fab_link *link = fab_objects.next; link != &fab_objects; link = link->next) {
		struct fab_object *object = FAB_CONTAINER(link, struct fab_object, link);

		if (!is_leftover(object))
			continue;
		count++;
		used = append(buf, len, used, object);
	}
	if (used > len)
		used = len;
	if (fab_on_leftovers)
		count += fab_on_leftovers(buf + used, len - used);
	fab_unlock(&fab_world);
	return count;
}

/* ---- beginning ---- */

void fabric_init(enum fabric_mode mode)
{
	char names[400];

	if (fabric_leftovers(names, sizeof(names)))
		fab_misuse("fabric_init() with objects left: %s", names);
	if (fab_on_init)
		fab_on_init();
	fab_sched_init(mode);
	fab_devices_fini();
	fab_keys_init();
	fab_qps_init();
	for (unsigned i = 0; numbers[i].type; i++)
		numbers[i].last = 0;
	memset(parties, 0, sizeof(parties));
	memset(fab_stats, 0, sizeof(fab_stats));
	failed_call = NULL;
	fab_strict = false;
	fab_watch = false;
	fab_limit_reads = false;
}

__attribute__((constructor)) static void world_begin(void)
{
	const struct fabric_device sim0 = {.name = "sim0", .address = "10.66.0.1"};

	fab_keys_init();
	fab_qps_init();
	fabric_device_add(&sim0);
}

/* ---- parties and calls ---- */

void fabric_party_set(unsigned party)
{
	if (party >= FABRIC_PARTIES)
		fab_misuse("fabric_party_set(%u): there are %u", party, FABRIC_PARTIES);
	else
		fab_party = party;
}

uint64_t fabric_calls(unsigned party)
{
	return __atomic_load_n(&parties[party].calls, __ATOMIC_RELAXED);
}

void fabric_fail_call(unsigned party, uint64_t nth, int err)
{
	if (nth)
		__atomic_store_n(&failed_call, NULL, __ATOMIC_RELAXED);
	parties[party].err = err;
	__atomic_store_n(&parties[party].fail_at, nth ? fabric_calls(party) + nth : 0,
			 __ATOMIC_RELEASE);
}

const char *fabric_failed_call(void)
{
	return __atomic_load_n(&failed_call, __ATOMIC_RELAXED);
}

int fab_call(const char *name)
{
	struct party *party = &parties[fab_party];
	uint64_t fail_at = __atomic_load_n(&party->fail_at, __ATOMIC_ACQUIRE);
	uint64_t count;

	if (fab_mode == FABRIC_THREADED)
		count = __atomic_add_fetch(&party->calls, 1, __ATOMIC_RELAXED);
	else
		count = ++party->calls;
	if (__builtin_expect(count != fail_at, 1))
		return 0;
	__atomic_store_n(&failed_call, name, __ATOMIC_RELAXED);
	errno = party->err;
	return party->err;
}

int fab_enter(const char *name, const struct fab_device *device)
{
	int err = fab_call(name);

	if (!err && __builtin_expect(fab_device_is_gone(device), 0))
		err = EIO;
	if (err)
		errno = err;
	return err;
}

void fabric_get_stats(unsigned party, struct fabric_stats *stats)
{
	const uint64_t *from = (const uint64_t *)&fab_stats[party];
	uint64_t *to = (uint64_t *)stats;

	for (unsigned i = 0; i < sizeof(*stats) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}
