/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parsers for the values of options. They print nothing and know no option by name: the caller
 * says which option and value it was, these say what is wrong with it and where the limit is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spec.h"

#define DISCOVERY_PORT     8009
#define MAX_ANA_GROUP      16 /* the library's default */
#define DEFAULT_PORT       4420
#define DEFAULT_BLOCK_SIZE 512
#define MAX_BYTES          (UINT64_C(1) << 60)
#define MAX_NQN            223

/* The power of two of a size suffix, or -1. */
static int suffix_shift(char suffix)
{
	switch (suffix) {
	case 'K':
	case 'k':
		return 10;
	case 'M':
	case 'm':
		return 20;
	case 'G':
	case 'g':
		return 30;
	case 'T':
	case 't':
		return 40;
	default:
		return -1;
	}
}

const char *number_parse(const char *text, bool suffix, uint64_t *number)
{
	unsigned long long value;
	char *end;
	int shift = 0;

	/* strtoull() takes signs and white space, which no option means. */
	if (*text < '0' || *text > '9')
		return suffix ? "is not a number of bytes (digits, then K, M, G or T if wanted)" :
				"is not a number";
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return "is too large for any number: the limit is 2^64 - 1";
	if (*end && suffix) {
		shift = suffix_shift(*end);
		if (shift >= 0)
			end++;
	}
	if (*end)
		return suffix ? "is not a number of bytes (digits, then K, M, G or T if wanted)" :
				"is not a number";
	if (value > UINT64_MAX >> shift)
		return "is too large for any number: the limit is 2^64 - 1";
	*number = (uint64_t)value << shift;
	return NULL;
}

static const char *port_parse(const char *text, uint16_t *port)
{
	uint64_t number;

	if (number_parse(text, false, &number) || number < 1 || number > UINT16_MAX)
		return "has a bad port: it must be a number from 1 to 65535";
	*port = (uint16_t)number;
	return NULL;
}

/* Takes an IPv6 address with its scope ("fe80::1%eth0"), which inet_pton() does not know. */
static bool is_ipv6(const char *address)
{
	char bare[INET6_ADDRSTRLEN];
	size_t len = strcspn(address, "%");
	struct in6_addr in6;

	if (len >= sizeof(bare) || (address[len] && !address[len + 1]))
		return false;
	memcpy(bare, address, len);
	bare[len] = '\0';
	return inet_pton(AF_INET6, bare, &in6) == 1;
}

static const char *address_parse(const char *text, uint16_t port, struct listen_spec *spec)
{
	const char *address = text, *end, *rest;
	bool bracket = *text == '[';
	struct in_addr in;
	bool v6;

	spec->port = port;
	if (bracket) {
		address = text + 1;
		end = strchr(address, ']');
		if (!end)
			return "lacks the ']' of an IPv6 address";
		rest = end + 1;
		v6 = true;
	} else {
		end = strchr(address, ':');
		/* More than one colon and no bracket: an IPv6 address without a port. */
		v6 = end && strchr(end + 1, ':');
		if (!end || v6)
			end = address + strlen(address);
		rest = end;
	}
	if ((size_t)(end - address) >= sizeof(spec->address))
		return "has an address that is too long: the limit is 63 characters";
	memcpy(spec->address, address, (size_t)(end - address));
	spec->address[end - address] = '\0';
	if (v6 ? !is_ipv6(spec->address) : inet_pton(AF_INET, spec->address, &in) != 1)
		return "has a bad address: it must be a numeric IPv4 or [IPv6] address";
	if (!*rest)
		return NULL;
	return *rest == ':' ? port_parse(rest + 1, &spec->port) :
			      "has text after the address that is not :PORT";
}

const char *listen_spec_parse(const char *text, struct listen_spec *spec)
{
	return address_parse(text, DEFAULT_PORT, spec);
}

const char *referral_spec_parse(const char *text, struct listen_spec *spec)
{
	return address_parse(text, DISCOVERY_PORT, spec);
}

static const char *ana_state_parse(const char *text, enum wrasse_ana_state *state)
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

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(text, states[i].name) == 0) {
			*state = states[i].state;
			return NULL;
		}
	}
	return "has a bad state: it must be optimized, non-optimized, inaccessible, "
	       "persistent-loss or change";
}

/* Takes a number off the front, up to a character. */
static const char *ana_number_parse(const char **text, char end, uint32_t max, uint32_t *number)
{
	static const char wrong[] = "must be LISTENER:GROUP=STATE, with the number of a --listen "
				    "and an ANA group from 1 to 16, or 0 for every one";
	char digits[12];
	uint64_t value;
	size_t len = strcspn(*text, (char[]){end, '\0'});

	if (len >= sizeof(digits) || (*text)[len] != end)
		return wrong;
	memcpy(digits, *text, len);
	digits[len] = '\0';
	if (number_parse(digits, false, &value) || value > max)
		return wrong;
	*number = (uint32_t)value;
	*text += len + 1;
	return NULL;
}

const char *ana_spec_parse(const char *text, struct ana_spec *spec)
{
	const char *wrong = ana_number_parse(&text, ':', UINT16_MAX, &spec->listener);

	if (!wrong)
		wrong = ana_number_parse(&text, '=', MAX_ANA_GROUP, &spec->group);
	return wrong ? wrong : ana_state_parse(text, &spec->state);
}

/* Takes one ",word" off a namespace's end, if it is one that is known. */
static const char *ns_suffix_parse(const char *word, struct ns_spec *spec, bool *known)
{
	uint64_t size;

	*known = true;
	if (strcmp(word, "ro") == 0) {
		spec->read_only = true;
	} else if (strncmp(word, "bs=", 3) == 0) {
		if (number_parse(word + 3, true, &size) || size < 512 || size > 65536 ||
		    (size & (size - 1)))
			return "has a bad block size: bs must be a power of two from 512 to 65536";
		spec->block_size = (uint32_t)size;
	} else if (strncmp(word, "ana=", 4) == 0) {
		if (number_parse(word + 4, false, &size) || size < 1 || size > MAX_ANA_GROUP)
			return "has a bad ANA group: ana must be from 1 to 16";
		spec->ana_group = (uint32_t)size;
	} else if (strncmp(word, "resv=", 5) == 0) {
		if (!word[5] || spec->reservations)
			return "needs one file name after resv=";
		spec->reservations = strdup(word + 5);
		if (!spec->reservations)
			return "does not fit into memory";
	} else if (strncmp(word, "pi=", 3) == 0) {
		if (number_parse(word + 3, false, &size) || size < 1 || size > 3)
			return "has a bad protection information type: pi must be 1, 2 or 3";
		spec->pi_type = (uint8_t)size;
	} else if (strncmp(word, "timeout=", 8) == 0) {
		if (number_parse(word + 8, false, &size) || size < 100 || size > UINT32_MAX)
			return "has a bad timeout: it must be from 100 to 4294967295 milliseconds";
		spec->io_timeout_ms = (uint32_t)size;
	} else if (strcmp(word, "lend") == 0) {
		spec->lend = true;
	} else {
		*known = false;
	}
	return NULL;
}

/*
 * Takes all known suffixes off; other commas belong to what precedes them, such as a file's name.
 */
static const char *ns_suffixes_parse(char *text, struct ns_spec *spec)
{
	const char *wrong = NULL;
	bool known = true;

	while (known && !wrong) {
		char *comma = strrchr(text, ',');

		if (!comma)
			break;
		wrong = ns_suffix_parse(comma + 1, spec, &known);
		if (known)
			*comma = '\0';
	}
	return wrong;
}

static const char *ns_size_parse(const char *text, struct ns_spec *spec)
{
	if (strchr(text, ','))
		return "has an unknown suffix: only ,bs=BYTES, ,ana=GROUP, ,pi=TYPE, ,lend, ,ro, ,timeout=MS and "
		       ",resv=PATH may follow the size";
	if (number_parse(text, true, &spec->size))
		return "has a bad size: it must be a number of bytes (digits, then K, M, G or T if "
		       "wanted)";
	if (spec->size == 0 || spec->size > MAX_BYTES)
		return "has a bad size: it must be from one block to 1 EiB";
	if (spec->size % spec->block_size)
		return "has a bad size: it must be a multiple of the block size";
	return NULL;
}

static const char *ns_text_parse(char *text, struct ns_spec *spec)
{
	char *value = strchr(text, ':');
	const char *wrong;

	if (!value)
		return "is not a namespace: it must be ram:SIZE, null:SIZE or file:PATH";
	*value++ = '\0';
	wrong = ns_suffixes_parse(value, spec);
	if (wrong)
		return wrong;
	if (spec->pi_type && strcmp(text, "ram") != 0)
		return "has protection information, which only a ram namespace can keep";
	if (spec->lend && (spec->pi_type || strcmp(text, "ram") != 0))
		return "is to lend its memory, which only a ram namespace without protection information can";
	if (strcmp(text, "file") == 0) {
		spec->kind = NS_FILE;
		spec->path = *value ? strdup(value) : NULL;
		return spec->path ? NULL : "names no file";
	}
	if (strcmp(text, "ram") == 0)
		spec->kind = NS_RAM;
	else if (strcmp(text, "null") == 0)
		spec->kind = NS_NULL;
	else
		return "is of an unknown kind: it must be ram:SIZE, null:SIZE or file:PATH";
	return ns_size_parse(value, spec);
}

const char *ns_spec_parse(const char *text, struct ns_spec *spec)
{
	char *copy = strdup(text);
	const char *wrong;

	*spec = (struct ns_spec){.block_size = DEFAULT_BLOCK_SIZE};
	wrong = copy ? ns_text_parse(copy, spec) : "does not fit into memory";
	free(copy);
	return wrong;
}

void ns_spec_fini(struct ns_spec *spec)
{
	free(spec->path);
	free(spec->reservations);
	spec->path = NULL;
	spec->reservations = NULL;
}

const char *nqn_check(const char *text)
{
	static const char shape[] = "nqn.dddd-dd."; /* d: a digit */
	size_t len = strlen(text);

	if (len > MAX_NQN)
		return "is too long: the limit of an NVMe Qualified Name is 223 bytes";
	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return "is not an NVMe Qualified Name: it must begin with 'nqn.yyyy-mm.'";
	}
	if (len < sizeof(shape))
		return "is not an NVMe Qualified Name: nothing follows 'nqn.yyyy-mm.'";
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return "is not an NVMe Qualified Name: it has a control character";
	}
	return NULL;
}

/* Whether a name is the first len characters of a text. */
static bool is_name(const char *name, const char *text, size_t len)
{
	return strlen(name) == len && memcmp(name, text, len) == 0;
}

/* Return: whether every name is known, and there is one at least. */
static bool list_parse(const char *text, const char *const *names, unsigned count, uint32_t *bits)
{
	*bits = 0;
	for (;;) {
		size_t len = strcspn(text, ",");
		unsigned i = 0;

		while (i < count && !is_name(names[i], text, len))
			i++;
		if (i == count)
			return false;
		*bits |= 1u << i;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

const char *hash_list_parse(const char *text, uint32_t *bits)
{
	static const char *const names[] = {"sha256", "sha384", "sha512"};

	return list_parse(text, names, 3, bits) ? NULL : "is not a list of sha256, sha384, sha512";
}

const char *group_list_parse(const char *text, uint32_t *bits)
{
	static const char *const names[] = {"null",      "ffdhe2048", "ffdhe3072",
					    "ffdhe4096", "ffdhe6144", "ffdhe8192"};

	return list_parse(text, names, 6, bits) ? NULL :
						  "is not a list of null, ffdhe2048, ffdhe3072, "
						  "ffdhe4096, ffdhe6144, ffdhe8192";
}
