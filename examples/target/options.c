/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line. It is only read here: nothing is opened, so that a mistake in the last word
 * costs nothing. Order matters in one way: --allow-host, --serial, --model, --label, --namespace,
 * --ana, --duplicates and --dhchap-... belong to the --subsystem before them.
 */
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

#define MAX_COUNT (1u << 20)

/* Known by its address: the subsystem that nobody asked for by name. */
static const char default_nqn[] = DEFAULT_NQN;

enum {
	OPT_LISTEN = 256,
	OPT_SUBSYSTEM,
	OPT_NAMESPACE,
	OPT_ALLOW_HOST,
	OPT_SERIAL,
	OPT_MODEL,
	OPT_LABEL,
	OPT_SECRETS,
	OPT_HASHES,
	OPT_GROUPS,
	OPT_ANA,
	OPT_DUPLICATES,
	OPT_REFERRAL,
	OPT_POLL,
	OPT_NO_SRQ,
	OPT_DISCOVERY_OF_ALL,
	OPT_READY_FILE,
	OPT_NUMBER, /* OPT_NUMBER + n is numbers[n] */
};

enum number_rule {
	RULE_NONE,
	RULE_MULTIPLE_OF_16,
	RULE_POWER_OF_TWO,
};

static const struct number {
	const char *name;
	size_t offset; /* of a uint32_t in struct options */
	uint32_t min;
	uint32_t max;
	bool suffix;
	enum number_rule rule;
} numbers[] = {
	{"groups", offsetof(struct options, groups), 1, 256},
	{"queue-depth", offsetof(struct options, queue_depth), 2, 1024},
	{"in-capsule", offsetof(struct options, in_capsule), 0, 16384, true, RULE_MULTIPLE_OF_16},
	{"max-data", offsetof(struct options, max_data), 4096, 1 << 20, true, RULE_POWER_OF_TWO},
	{"small-buffers", offsetof(struct options, small_buffers), 1, MAX_COUNT},
	{"large-buffers", offsetof(struct options, large_buffers), 1, MAX_COUNT},
	{"wrs", offsetof(struct options, wrs), 1, MAX_COUNT},
	{"io-requests", offsetof(struct options, io_requests), 1, MAX_COUNT},
	{"connect-timeout", offsetof(struct options, connect_timeout_ms), 1, 3600000},
	{"drain-timeout", offsetof(struct options, drain_timeout_ms), 0, 3600000},
	{"stats", offsetof(struct options, stats_s), 1, 86400},
	{"cpu", offsetof(struct options, cpu), 0, CPU_SETSIZE - 1},
	{"ready-fd", offsetof(struct options, ready_fd), 0, INT_MAX},
};

#define NUMBER_COUNT (sizeof(numbers) / sizeof(numbers[0]))

static const struct option words[] = {
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"subsystem", required_argument, NULL, OPT_SUBSYSTEM},
	{"namespace", required_argument, NULL, OPT_NAMESPACE},
	{"allow-host", required_argument, NULL, OPT_ALLOW_HOST},
	{"serial", required_argument, NULL, OPT_SERIAL},
	{"model", required_argument, NULL, OPT_MODEL},
	{"label", required_argument, NULL, OPT_LABEL},
	{"dhchap-secrets", required_argument, NULL, OPT_SECRETS},
	{"dhchap-hashes", required_argument, NULL, OPT_HASHES},
	{"dhchap-groups", required_argument, NULL, OPT_GROUPS},
	{"ana", required_argument, NULL, OPT_ANA},
	{"duplicates", required_argument, NULL, OPT_DUPLICATES},
	{"referral", required_argument, NULL, OPT_REFERRAL},
	{"poll", required_argument, NULL, OPT_POLL},
	{"no-srq", no_argument, NULL, OPT_NO_SRQ},
	{"discovery-of-all", no_argument, NULL, OPT_DISCOVERY_OF_ALL},
	{"ready-file", required_argument, NULL, OPT_READY_FILE},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
};

#define WORD_COUNT (sizeof(words) / sizeof(words[0]))

static const char help[] =
	"usage: wrasse-target [OPTION...] --namespace KIND:VALUE...\n"
	"\n"
	"Serves namespaces to NVMe hosts over RDMA until SIGTERM or SIGINT; then drains and\n"
	"accounts for every work request and buffer.\n"
	"\n"
	"What is served:\n"
	"  --listen ADDR[:PORT]    listen here; repeatable; [ADDR]:PORT for IPv6 (0.0.0.0:4420)\n"
	"  --subsystem NQN         begin a subsystem; repeatable (" DEFAULT_NQN ")\n"
	"  --allow-host NQN        let this host connect to the subsystem; repeatable (any host)\n"
	"  --serial TEXT           its serial number, 20 characters at most (made from its NQN)\n"
	"  --model TEXT            its model, 40 characters at most (wrasse)\n"
	"  --label TEXT            its label in the discovery log, 256 characters at most (none)\n"
	"  --dhchap-secrets FILE   its hosts must authenticate themselves (they need not); a line\n"
	"                          has NQN SECRET [CONTROLLER'S SECRET]\n"
	"  --dhchap-hashes LIST    of sha256, sha384, sha512 (all)\n"
	"  --dhchap-groups LIST    of null, ffdhe2048, 3072, 4096, 6144, 8192 (all)\n"
	"  --namespace KIND:VALUE  add a namespace to the subsystem; repeatable:\n"
	"                            ram:SIZE    memory, lost at exit\n"
	"                            file:PATH   a file or block device, through io_uring\n"
	"                            null:SIZE   reads zeroes, forgets writes\n"
	"                          and after it, if wanted, ,bs=BYTES (512), ,ana=GROUP (1)\n"
	"                          ,ro (read only), ,resv=PATH (a file for reservations)\n"
	"                          ,timeout=MS (reads that take longer end; from 100)\n"
	"                          and, for ram, ,pi=TYPE (protection information, 1 to 3)\n"
	"                          and ,lend (reads are not copied; all of it is pinned)\n"
	"  --ana L:G=STATE         ANA state of group G on the Lth --listen, 0 for every one:\n"
	"                          optimized, non-optimized, inaccessible, persistent-loss,\n"
	"                          change; repeatable (optimized)\n"
	"  --duplicates POLICY     hosts that connect twice: allow, replace, refuse (allow)\n"
	"  --referral ADDR[:PORT]  tell hosts of another discovery service; repeatable (8009)\n"
	"\n"
	"How it runs:\n"
	"  --groups N              poll groups, each with its own thread; 1 to 256 (1)\n"
	"  --cpu N                 pin the threads to CPU N, N+1, ... (not pinned)\n"
	"  --poll MODE             adaptive: spin while work comes often, else sleep;\n"
	"                          busy: never sleep; event: sleep at once (adaptive)\n"
	"  --drain-timeout MS      how long a drain may take, 0 to force at once (5000)\n"
	"  --connect-timeout MS    from a host's connection to its Connect command (10000)\n"
	"\n"
	"Limits towards hosts:\n"
	"  --queue-depth N         commands in flight per I/O queue; 2 to 1024 (128)\n"
	"  --in-capsule BYTES      data in a command capsule; 16n up to 16K, 0: none (4096)\n"
	"  --max-data BYTES        data in one command; a power of two from 4K to 1M (1M)\n"
	"  --discovery-of-all      hosts may ask what the discovery log tells every host\n"
	"  --no-srq                a receive queue per queue pair even where they could share one\n"
	"\n"
	"Resources of each poll group:\n"
	"  --io-requests N         I/O commands in work at once (3072)\n"
	"  --wrs N                 work requests in the WR pool (4096)\n"
	"  --small-buffers N       data buffers of 8 KiB (768)\n"
	"  --large-buffers N       data buffers of 128 KiB (32)\n"
	"\n"
	"What it tells:\n"
	"  --ready-fd FD           write \"ready\\n\" to this descriptor when hosts can connect\n"
	"  --ready-file PATH       the same, to a file\n"
	"  --stats SECONDS         print a line of statistics again and again\n"
	"  -v, --verbose           log connections and controllers; twice: everything\n"
	"  -h, --help              print this\n"
	"  -V, --version           print the version\n"
	"\n"
	"SIZE and BYTES take K, M, G and T, powers of 1024. Signals: SIGTERM and SIGINT drain, a\n"
	"second one exits at once; SIGUSR1 prints the books and who holds what.\n"
	"Exit status: 0 everything was given back, 1 could not start, 2 bad option, 3 forced by a\n"
	"second signal, 4 the books do not balance. See wrasse-target(1).\n";

void options_print_help(FILE *out)
{
	fputs(help, out);
}

__attribute__((format(printf, 2, 3))) static enum options_result bad(FILE *errors,
								     const char *format, ...)
{
	va_list args;

	fputs("wrasse-target: ", errors);
	va_start(args, format);
	vfprintf(errors, format, args);
	va_end(args);
	fputs("\n", errors);
	return OPTIONS_BAD;
}

/* Makes room for one more: an array of count elements grows by one. */
static void *grow(void *array, unsigned count, size_t size)
{
	void *grown = reallocarray(array, count + 1, size);

	if (!grown) {
		fputs("wrasse-target: out of memory\n", stderr);
		exit(1);
	}
	memset((char *)grown + count * size, 0, size);
	return grown;
}

static enum options_result listen_add(struct options *options, const char *text, FILE *errors)
{
	struct listen_spec *spec;
	const char *wrong;

	options->listens = grow(options->listens, options->listen_count, sizeof(*spec));
	spec = &options->listens[options->listen_count++];
	wrong = listen_spec_parse(text, spec);
	return wrong ? bad(errors, "--listen '%s' %s", text, wrong) : OPTIONS_RUN;
}

static enum options_result subsystem_add(struct options *options, const char *nqn, FILE *errors)
{
	const char *wrong = nqn_check(nqn);

	if (wrong)
		return bad(errors, "--subsystem '%s' %s", nqn, wrong);
	if (options->subsystem_count > 0 && options->subsystems[0].nqn == default_nqn)
		return bad(errors,
			   "--subsystem '%s' comes too late: a --namespace or --allow-host "
			   "belongs to the --subsystem before it, and one has none",
			   nqn);
	for (unsigned i = 0; i < options->subsystem_count; i++) {
		if (strcmp(options->subsystems[i].nqn, nqn) == 0)
			return bad(errors, "--subsystem '%s' is given twice", nqn);
	}
	options->subsystems =
		grow(options->subsystems, options->subsystem_count, sizeof(*options->subsystems));
	options->subsystems[options->subsystem_count++].nqn = nqn;
	return OPTIONS_RUN;
}

/* The subsystem that hosts and namespaces now go to: the last one, or the default one. */
static struct subsystem_spec *subsystem_last(struct options *options, FILE *errors)
{
	if (options->subsystem_count == 0)
		subsystem_add(options, default_nqn, errors);
	return &options->subsystems[options->subsystem_count - 1];
}

static enum options_result namespace_add(struct options *options, const char *text, FILE *errors)
{
	struct subsystem_spec *subsystem = subsystem_last(options, errors);
	struct ns_spec *spec;
	const char *wrong;

	subsystem->namespaces =
		grow(subsystem->namespaces, subsystem->namespace_count, sizeof(*spec));
	spec = &subsystem->namespaces[subsystem->namespace_count++];
	wrong = ns_spec_parse(text, spec);
	return wrong ? bad(errors, "--namespace '%s' %s", text, wrong) : OPTIONS_RUN;
}

static enum options_result host_add(struct options *options, const char *nqn, FILE *errors)
{
	struct subsystem_spec *subsystem = subsystem_last(options, errors);
	const char *wrong = nqn_check(nqn);

	if (wrong)
		return bad(errors, "--allow-host '%s' %s", nqn, wrong);
	for (unsigned i = 0; i < subsystem->host_count; i++) {
		if (strcmp(subsystem->hosts[i], nqn) == 0)
			return bad(errors, "--allow-host '%s' is given twice for subsystem %s", nqn,
				   subsystem->nqn);
	}
	subsystem->hosts = grow(subsystem->hosts, subsystem->host_count, sizeof(char *));
	subsystem->hosts[subsystem->host_count++] = nqn;
	return OPTIONS_RUN;
}

/* A text that hosts find in Identify Controller. */
static enum options_result text_set(const char *name, size_t most, const char *text,
				    const char **to, FILE *errors)
{
	size_t len = strlen(text);

	if (len == 0 || len > most)
		return bad(errors, "--%s '%s' is not 1 to %zu characters long", name, text, most);
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			return bad(errors, "--%s '%s' is not printable ASCII", name, text);
	}
	*to = text;
	return OPTIONS_RUN;
}

static enum options_result dhchap_set(struct options *options, int opt, const char *text,
				      FILE *errors)
{
	struct subsystem_spec *subsystem = subsystem_last(options, errors);
	const char *wrong = NULL, *name = "secrets";

	switch (opt) {
	case OPT_HASHES:
		name = "hashes";
		wrong = hash_list_parse(text, &subsystem->hashes);
		break;
	case OPT_GROUPS:
		name = "groups";
		wrong = group_list_parse(text, &subsystem->groups);
		break;
	default:
		if (subsystem->secrets)
			wrong = "is given twice for one subsystem";
		subsystem->secrets = text;
		break;
	}
	return wrong ? bad(errors, "--dhchap-%s '%s' %s", name, text, wrong) : OPTIONS_RUN;
}

static enum options_result ana_add(struct options *options, const char *text, FILE *errors)
{
	struct subsystem_spec *subsystem = subsystem_last(options, errors);
	struct ana_spec *spec;
	const char *wrong;

	subsystem->anas = grow(subsystem->anas, subsystem->ana_count, sizeof(*spec));
	spec = &subsystem->anas[subsystem->ana_count++];
	wrong = ana_spec_parse(text, spec);
	return wrong ? bad(errors, "--ana '%s' %s", text, wrong) : OPTIONS_RUN;
}

static enum options_result duplicates_set(struct options *options, const char *text, FILE *errors)
{
	static const char *const names[] = {"allow", "replace", "refuse"};
	struct subsystem_spec *subsystem = subsystem_last(options, errors);

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			subsystem->duplicates = (enum wrasse_duplicate_policy)i;
			return OPTIONS_RUN;
		}
	}
	return bad(errors, "--duplicates '%s' is not a policy: it must be allow, replace or refuse",
		   text);
}

static enum options_result referral_add(struct options *options, const char *text, FILE *errors)
{
	struct listen_spec *spec;
	const char *wrong;

	options->referrals = grow(options->referrals, options->referral_count, sizeof(*spec));
	spec = &options->referrals[options->referral_count++];
	wrong = referral_spec_parse(text, spec);
	return wrong ? bad(errors, "--referral '%s' %s", text, wrong) : OPTIONS_RUN;
}

static enum options_result number_set(struct options *options, const struct number *number,
				      const char *text, FILE *errors)
{
	const char *wrong;
	uint64_t value;

	wrong = number_parse(text, number->suffix, &value);
	if (wrong)
		return bad(errors, "--%s '%s' %s", number->name, text, wrong);
	if (value < number->min || value > number->max)
		return bad(errors, "--%s '%s' is out of range: %" PRIu32 " to %" PRIu32,
			   number->name, text, number->min, number->max);
	if (number->rule == RULE_MULTIPLE_OF_16 && value % 16)
		return bad(errors, "--%s '%s' is not a multiple of 16", number->name, text);
	if (number->rule == RULE_POWER_OF_TWO && (value & (value - 1)))
		return bad(errors, "--%s '%s' is not a power of two", number->name, text);
	memcpy((char *)options + number->offset, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
	return OPTIONS_RUN;
}

static enum options_result poll_set(struct options *options, const char *text, FILE *errors)
{
	static const char *const names[] = {"adaptive", "busy", "event"};

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			options->poll = (enum poll_mode)i;
			return OPTIONS_RUN;
		}
	}
	return bad(errors, "--poll '%s' is not a mode: it must be adaptive, busy or event", text);
}

/* Acts on one option that getopt_long() has found. */
static enum options_result option_set(struct options *options, int opt, char **argv, FILE *errors)
{
	switch (opt) {
	case OPT_LISTEN:
		return listen_add(options, optarg, errors);
	case OPT_SUBSYSTEM:
		return subsystem_add(options, optarg, errors);
	case OPT_NAMESPACE:
		return namespace_add(options, optarg, errors);
	case OPT_ALLOW_HOST:
		return host_add(options, optarg, errors);
	case OPT_SERIAL:
		return text_set("serial", 20, optarg, &subsystem_last(options, errors)->serial,
				errors);
	case OPT_MODEL:
		return text_set("model", 40, optarg, &subsystem_last(options, errors)->model,
				errors);
	case OPT_LABEL:
		return text_set("label", 256, optarg, &subsystem_last(options, errors)->label,
				errors);
	case OPT_SECRETS:
	case OPT_HASHES:
	case OPT_GROUPS:
		return dhchap_set(options, opt, optarg, errors);
	case OPT_ANA:
		return ana_add(options, optarg, errors);
	case OPT_DUPLICATES:
		return duplicates_set(options, optarg, errors);
	case OPT_REFERRAL:
		return referral_add(options, optarg, errors);
	case OPT_POLL:
		return poll_set(options, optarg, errors);
	case OPT_NO_SRQ:
		options->no_srq = true;
		return OPTIONS_RUN;
	case OPT_DISCOVERY_OF_ALL:
		options->discovery_of_all = true;
		return OPTIONS_RUN;
	case OPT_READY_FILE:
		options->ready_file = optarg;
		return OPTIONS_RUN;
	case 'v':
		options->verbose++;
		return OPTIONS_RUN;
	case 'h':
		return OPTIONS_HELP;
	case 'V':
		return OPTIONS_VERSION;
	case ':':
		return bad(errors, "%s needs a value; see --help", argv[optind - 1]);
	case '?':
		if (optopt > 0 && optopt < 256)
			return bad(errors, "-%c is not an option; see --help", optopt);
		return bad(errors, "%s is %s; see --help", argv[optind - 1],
			   optopt ? "an option without a value" : "not an option");
	default:
		return number_set(options, &numbers[opt - OPT_NUMBER], optarg, errors);
	}
}

static enum options_result anas_check(const struct options *options, FILE *errors)
{
	for (unsigned i = 0; i < options->subsystem_count; i++) {
		const struct subsystem_spec *subsystem = &options->subsystems[i];

		for (unsigned j = 0; j < subsystem->ana_count; j++) {
			if (subsystem->anas[j].listener > options->listen_count)
				return bad(errors,
					   "--ana names listener %" PRIu32 ", but there are %u",
					   subsystem->anas[j].listener, options->listen_count);
		}
	}
	return OPTIONS_RUN;
}

/* What can be said only when all options are known. */
static enum options_result options_finish(struct options *options, FILE *errors)
{
	if (options->subsystem_count == 0)
		return bad(errors, "there is nothing to serve: give a --namespace, for example "
				   "--namespace ram:1G; see --help");
	for (unsigned i = 0; i < options->subsystem_count; i++) {
		const struct subsystem_spec *subsystem = &options->subsystems[i];

		if (!subsystem->secrets && (subsystem->hashes || subsystem->groups))
			return bad(
				errors,
				"--dhchap-hashes and --dhchap-groups for subsystem '%s' say how, "
				"but without --dhchap-secrets its hosts need not authenticate",
				subsystem->nqn);
	}
	if (options->cpu != OPTION_UNSET && options->cpu + options->groups > CPU_SETSIZE)
		return bad(errors,
			   "--cpu '%" PRIu32 "' with --groups '%" PRIu32
			   "' goes past the last CPU: %d",
			   options->cpu, options->groups, CPU_SETSIZE - 1);
	if (options->listen_count == 0 && listen_add(options, "0.0.0.0", errors))
		return OPTIONS_BAD;
	return anas_check(options, errors);
}

enum options_result options_init(struct options *options, int argc, char **argv, FILE *errors)
{
	struct option table[WORD_COUNT + NUMBER_COUNT + 1] = {0};
	enum options_result result = OPTIONS_RUN;
	int opt;

	*options = (struct options){.groups = 1,
				    .drain_timeout_ms = 5000,
				    .in_capsule = OPTION_UNSET,
				    .cpu = OPTION_UNSET,
				    .ready_fd = OPTION_UNSET};
	memcpy(table, words, sizeof(words));
	for (unsigned i = 0; i < NUMBER_COUNT; i++)
		table[WORD_COUNT + i] = (struct option){numbers[i].name, required_argument, NULL,
							OPT_NUMBER + (int)i};
	optind = 0; /* start afresh, also when this is not the first command line */
	while (result == OPTIONS_RUN && (opt = getopt_long(argc, argv, "+:hvV", table, NULL)) != -1)
		result = option_set(options, opt, argv, errors);
	if (result != OPTIONS_RUN)
		return result;
	if (optind < argc)
		return bad(errors, "'%s' is not an option; see --help", argv[optind]);
	return options_finish(options, errors);
}

void options_fini(struct options *options)
{
	for (unsigned i = 0; i < options->subsystem_count; i++) {
		struct subsystem_spec *subsystem = &options->subsystems[i];

		for (unsigned j = 0; j < subsystem->namespace_count; j++)
			ns_spec_fini(&subsystem->namespaces[j]);
		free(subsystem->namespaces);
		free(subsystem->hosts);
		free(subsystem->anas);
	}
	free(options->subsystems);
	free(options->listens);
	free(options->referrals);
}
