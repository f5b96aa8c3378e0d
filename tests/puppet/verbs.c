/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a line may say: a verb, then its words. Numbers are decimal; a listener has the number of its
 * "listen" line, from 1; 0 means all of them.
 *
 *   subsystem NQN [WORD...]      begin a subsystem; any: every host may connect; replace, refuse:
 *                                hosts that connect twice; apart: not on every listener; labelled: its
 *                                label is "puppet"
 *   drop                         remove the last subsystem, with its namespaces
 *   attach N, detach N           a listener of an apart subsystem, and no more
 *   refer ADDRESS, unrefer ADDRESS  another discovery service
 *   host NQN, unhost NQN         let a host connect, and no more
 *   listen ADDRESS PORT          listen there; unlisten N
 *   ns NSID MIB [GROUP [hidden]] add a namespace; remove NSID; resize NSID MIB
 *   raise EVENT                  tell hosts of a critical warning or an internal error: enum wrasse_event
 *   show NSID NQN, hide NSID NQN let a host see a hidden namespace, and no more
 *   ana LISTENER GROUP STATE     set an ANA state, by its name in the specification
 *   pause NSID, resume NSID      hold I/O back, and no more; 0: of the whole subsystem; prints "paused"
 *                                when the pause is complete
 *   manage [NQN]                 let hosts manage namespaces of the last subsystem, but for the one named;
 *                                prints "seen NSID NQN..." when they attach or detach
 *   limit MS                     the I/O timeout of namespaces that are added from now on
 *   stick NSID, free NSID        the namespace completes no I/O, and all of it
 *   reads NSID                   print how many reads the namespace has had, then ok
 */
#include <errno.h>
#include <stdlib.h>

#include "puppet.h"

static char *words[MAX_WORDS];
static unsigned word_count;

static uint32_t number(unsigned index)
{
	return index < word_count ? (uint32_t)strtoul(words[index], NULL, 10) : 0;
}

static bool word_is(unsigned index, const char *text)
{
	return index < word_count && strcmp(words[index], text) == 0;
}

static int subsystem_verb(void)
{
	struct wrasse_subsystem_opts opts;

	wrasse_subsystem_opts_init(&opts);
	opts.nqn = words[1];
	for (unsigned i = 2; i < word_count; i++) {
		opts.allow_any_host |= word_is(i, "any");
		opts.no_auto_listener |= word_is(i, "apart");
		if (word_is(i, "labelled"))
			opts.label = "puppet";
		if (word_is(i, "replace"))
			opts.duplicates = WRASSE_DUPLICATE_REPLACE;
		else if (word_is(i, "refuse"))
			opts.duplicates = WRASSE_DUPLICATE_REFUSE;
	}
	return wrasse_subsystem_create(puppet.target, &opts, &puppet.subsystem);
}

static int drop_verb(void)
{
	struct wrasse_subsystem *subsystem = puppet.subsystem;

	if (!subsystem)
		return -ENOENT;
	puppet.subsystem = NULL;
	disk_forget(subsystem);
	return wrasse_subsystem_remove(subsystem, NULL, NULL);
}

static int host_verb(void)
{
	return wrasse_subsystem_add_host(puppet.subsystem, words[1]);
}

static int unhost_verb(void)
{
	return wrasse_subsystem_remove_host(puppet.subsystem, words[1]);
}

static int listen_verb(void)
{
	struct wrasse_listener_opts opts;
	unsigned i = 0;

	while (i < MAX_LISTENERS && puppet.listeners[i])
		i++;
	if (i == MAX_LISTENERS)
		return -ENOSPC;
	wrasse_listener_opts_init(&opts);
	opts.address = words[1];
	opts.port = (uint16_t)number(2);
	return wrasse_listener_create(puppet.target, &opts, &puppet.listeners[i]);
}

/* Return: the listener that a word names; NULL with *all: each of them. */
static struct wrasse_listener *listener_of(unsigned index, bool *all)
{
	uint32_t n = number(index);

	*all = n == 0;
	return n >= 1 && n <= MAX_LISTENERS ? puppet.listeners[n - 1] : NULL;
}

static int unlisten_verb(void)
{
	bool all;
	struct wrasse_listener *listener = listener_of(1, &all);

	if (!listener)
		return -ENOENT;
	puppet.listeners[number(1) - 1] = NULL;
	wrasse_listener_destroy(listener);
	return 0;
}

static int attach_verb(void)
{
	bool all;
	struct wrasse_listener *listener = listener_of(1, &all);

	return listener ? wrasse_subsystem_add_listener(puppet.subsystem, listener) : -ENOENT;
}

static int detach_verb(void)
{
	bool all;
	struct wrasse_listener *listener = listener_of(1, &all);

	return listener ? wrasse_subsystem_remove_listener(puppet.subsystem, listener) : -ENOENT;
}

static struct wrasse_referral_opts referral(void)
{
	struct wrasse_referral_opts opts;

	wrasse_referral_opts_init(&opts);
	opts.address = words[1];
	return opts;
}

static int refer_verb(void)
{
	struct wrasse_referral_opts opts = referral();

	return wrasse_target_add_referral(puppet.target, &opts);
}

static int unrefer_verb(void)
{
	struct wrasse_referral_opts opts = referral();

	return wrasse_target_remove_referral(puppet.target, &opts);
}

static int ns_verb(void)
{
	return disk_add(number(1), number(2), number(3), word_is(4, "hidden"));
}

static int remove_verb(void)
{
	return disk_remove(number(1), NULL, NULL);
}

static int manage_verb(void)
{
	return manage_begin(word_count > 1 ? words[1] : NULL);
}

static int resize_verb(void)
{
	return disk_resize(number(1), number(2));
}

static int show_verb(void)
{
	struct disk *disk = disk_find(number(1));

	return disk ? wrasse_namespace_allow_host(disk->ns, words[2]) : -ENOENT;
}

static int hide_verb(void)
{
	struct disk *disk = disk_find(number(1));

	return disk ? wrasse_namespace_disallow_host(disk->ns, words[2]) : -ENOENT;
}

static int ana_verb(void)
{
	static const struct {
		const char *name;
		enum wrasse_ana_state state;
	} states[] = {
		{"optimized", WRASSE_ANA_OPTIMIZED},
		{"non-optimized", WRASSE_ANA_NON_OPTIMIZED},
		{"inaccessible", WRASSE_ANA_INACCESSIBLE},
		{"persistent-loss", WRASSE_ANA_PERSISTENT_LOSS},
		{"change", WRASSE_ANA_CHANGE},
	};
	bool all;
	struct wrasse_listener *listener = listener_of(1, &all);

	if (!listener && !all)
		return -ENOENT;
	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (word_is(3, states[i].name))
			return wrasse_subsystem_set_ana_state(puppet.subsystem, listener, number(2),
							      states[i].state);
	}
	return -EINVAL;
}

static int limit_verb(void)
{
	puppet.io_timeout_ms = number(1);
	return 0;
}

static int stick_verb(void)
{
	return disk_stick(number(1));
}

static int free_verb(void)
{
	return disk_free(number(1));
}

static int reads_verb(void)
{
	struct disk *disk = disk_find(number(1));

	if (!disk)
		return -ENOENT;
	printf("reads %lu\n", disk->reads);
	return 0;
}

static void on_pause(void *ctx, const struct wrasse_pause_report *report)
{
	if (report->outcome == WRASSE_PAUSE_COMPLETE)
		printf("paused\n");
	else
		printf("not paused, %u blockers\n", report->blocker_count);
	fflush(stdout);
}

static int pause_verb(void)
{
	struct disk *disk = disk_find(number(1));
	struct wrasse_pause_opts opts;

	wrasse_pause_opts_init(&opts);
	opts.deadline_ms = 5000;
	opts.done = on_pause;
	if (number(1) == 0)
		return wrasse_subsystem_pause(puppet.subsystem, &opts);
	return disk ? wrasse_namespace_pause(disk->ns, &opts) : -ENOENT;
}

static int resume_verb(void)
{
	struct disk *disk = disk_find(number(1));

	if (number(1) == 0)
		return wrasse_subsystem_resume(puppet.subsystem);
	return disk ? wrasse_namespace_resume(disk->ns) : -ENOENT;
}

static int raise_verb(void)
{
	return wrasse_subsystem_raise(puppet.subsystem, (enum wrasse_event)number(1));
}

static const struct verb {
	const char *name;
	unsigned words; /* at least, with the verb */
	int (*run)(void);
} verbs[] = {
	{"attach", 2, attach_verb},
	{"detach", 2, detach_verb},
	{"refer", 2, refer_verb},
	{"unrefer", 2, unrefer_verb},
	{"subsystem", 2, subsystem_verb},
	{"drop", 1, drop_verb},
	{"host", 2, host_verb},
	{"unhost", 2, unhost_verb},
	{"listen", 3, listen_verb},
	{"unlisten", 2, unlisten_verb},
	{"ns", 3, ns_verb},
	{"remove", 2, remove_verb},
	{"manage", 1, manage_verb},
	{"resize", 3, resize_verb},
	{"raise", 2, raise_verb},
	{"show", 3, show_verb},
	{"hide", 3, hide_verb},
	{"ana", 4, ana_verb},
	{"pause", 2, pause_verb},
	{"resume", 2, resume_verb},
	{"limit", 2, limit_verb},
	{"stick", 2, stick_verb},
	{"free", 2, free_verb},
	{"reads", 2, reads_verb},
};

int verb_run(char *line)
{
	char *rest = line;

	for (word_count = 0; word_count < MAX_WORDS; word_count++) {
		words[word_count] = strtok_r(rest, " ", &rest);
		if (!words[word_count])
			break;
	}
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!word_is(0, verbs[i].name))
			continue;
		return word_count >= verbs[i].words ? verbs[i].run() : -EINVAL;
	}
	return -ENOSYS;
}
