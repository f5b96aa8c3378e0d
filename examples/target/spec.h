/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The values of options: numbers and sizes, addresses, namespaces. Each parser returns NULL, or
 * says what is wrong as the end of a sentence that begins with the option and its value.
 */
#ifndef TARGET_SPEC_H
#define TARGET_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include <wrasse/ana.h>

enum ns_kind {
	NS_RAM,
	NS_FILE,
	NS_NULL,
};

/* One namespace. */
struct ns_spec {
	enum ns_kind kind;
	char *path;    /* NS_FILE; owned by the spec */
	uint64_t size; /* bytes; 0 for NS_FILE: the file's size */
	uint32_t block_size;
	bool read_only;
	uint8_t pi_type;        /* protection information; 0: none */
	bool lend;              /* reads go to hosts without a copy */
	uint32_t ana_group;     /* 0: the library's default */
	uint32_t io_timeout_ms; /* 0: none */
	char *reservations;     /* the file that keeps them; NULL: none; owned by the spec */
};

/* The state of an ANA group on a listener. */
struct ana_spec {
	uint32_t listener; /* number of the --listen, from 1; 0: every one */
	uint32_t group;    /* 0: every one */
	enum wrasse_ana_state state;
};

/* One address to listen on. */
struct listen_spec {
	char address[64];
	uint16_t port;
};

/*
 * Parses a decimal number.
 *
 * @suffix: whether K, M, G or T may follow: powers of 1024.
 */
const char *number_parse(const char *text, bool suffix, uint64_t *number);

/* Parses LISTENER:GROUP=STATE. */
const char *ana_spec_parse(const char *text, struct ana_spec *spec);

/* Parses ADDR[:PORT] with an IPv4 address, or [ADDR][:PORT] or ADDR with an IPv6 one. */
const char *listen_spec_parse(const char *text, struct listen_spec *spec);

/* The same, of another discovery service. */
const char *referral_spec_parse(const char *text, struct listen_spec *spec);

/*
 * Parses ram:SIZE, null:SIZE or file:PATH, each with ,bs=BYTES, ,ro and the other suffixes if wanted. On success call
 * ns_spec_fini().
 */
const char *ns_spec_parse(const char *text, struct ns_spec *spec);
void ns_spec_fini(struct ns_spec *spec);

/* Parse lists such as sha256,sha512 or null,ffdhe2048. @bits: a bit for each, in their order. */
const char *hash_list_parse(const char *text, uint32_t *bits);
const char *group_list_parse(const char *text, uint32_t *bits);

/* Whether it can be an NVMe Qualified Name (NVMe Base 2.0 4.5). */
const char *nqn_check(const char *text);

#endif
