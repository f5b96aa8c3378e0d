/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server: builds the library's target from the options. Everything that can fail without RDMA
 * comes first, the listeners come last: a host that can connect finds all there is. Runs on the
 * main thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "secrets.h"
#include "server.h"

static int fail(int result, const char *what, const char *name)
{
	log_line(WRASSE_LOG_ERROR, "cannot %s%s: %s", what, name, strerror(-result));
	return result;
}

static int backend_create(struct server *server, const struct ns_spec *spec,
			  struct backend **backend)
{
	switch (spec->kind) {
	case NS_RAM:
		return backend_ram_create(server->target, spec, backend);
	case NS_FILE:
		return backend_file_create(spec, backend);
	case NS_NULL:
		return backend_null_create(server->target, spec, backend);
	}
	return -EINVAL;
}

/* The backend of a namespace, and the file for its reservations if it has one. */
static int namespace_open(struct server *server, const struct ns_spec *spec)
{
	unsigned index = server->backend_count;
	int result = backend_create(server, spec, &server->backends[index]);

	if (result)
		return result;
	server->backend_count++;
	if (!spec->reservations)
		return 0;
	result = reservation_file_create(spec->reservations, &server->reservations[index]);
	return result ? fail(result, "keep reservations in ", spec->reservations) : 0;
}

/* Opens the backends in the order of the namespaces. */
static int backends_create(struct server *server)
{
	const struct options *options = server->options;
	unsigned count = 0;
	int result;

	for (unsigned i = 0; i < options->subsystem_count; i++)
		count += options->subsystems[i].namespace_count;
	server->backends = calloc(count + 1, sizeof(struct backend *));
	server->reservations = calloc(count + 1, sizeof(struct reservation_file *));
	if (!server->backends || !server->reservations)
		return fail(-ENOMEM, "make namespaces", "");
	for (unsigned i = 0; i < options->subsystem_count; i++) {
		const struct subsystem_spec *subsystem = &options->subsystems[i];

		for (unsigned j = 0; j < subsystem->namespace_count; j++) {
			result = namespace_open(server, &subsystem->namespaces[j]);
			if (result)
				return result;
		}
	}
	return 0;
}

static int target_create(struct server *server)
{
	const struct options *options = server->options;
	struct wrasse_target_opts opts;
	int result;

	wrasse_target_opts_init(&opts);
	opts.max_poll_groups = options->groups;
	opts.max_queue_depth = options->queue_depth;
	opts.max_data_len = options->max_data;
	opts.no_srq = options->no_srq;
	opts.discovery_of_all = options->discovery_of_all;
	opts.connect_timeout_ms = options->connect_timeout_ms;
	if (options->in_capsule == 0)
		opts.no_in_capsule_data = true;
	else if (options->in_capsule != OPTION_UNSET)
		opts.in_capsule_data_len = options->in_capsule;
	server->log_level = options->verbose > 1  ? WRASSE_LOG_DEBUG :
			    options->verbose == 1 ? WRASSE_LOG_INFO :
						    WRASSE_LOG_WARN;
	opts.log = log_library;
	opts.log_ctx = &server->log_level;
	result = wrasse_target_create(&opts, &server->target);
	return result ? fail(result, "make the target", "") : 0;
}

static int workers_create(struct server *server)
{
	const struct options *options = server->options;
	struct wrasse_poll_group_opts opts;
	int result;

	wrasse_poll_group_opts_init(&opts);
	opts.io_requests = options->io_requests;
	opts.wrs = options->wrs;
	opts.small_buffers = options->small_buffers;
	opts.large_buffers = options->large_buffers;
	server->workers = calloc(options->groups, sizeof(struct worker *));
	if (!server->workers)
		return fail(-ENOMEM, "make poll groups", "");
	for (unsigned i = 0; i < options->groups; i++) {
		uint32_t cpu = options->cpu == OPTION_UNSET ? OPTION_UNSET : options->cpu + i;

		result = worker_create(server->target, &opts, options->poll, cpu, i,
				       &server->workers[i]);
		if (result)
			return result;
		server->worker_count++;
	}
	return 0;
}

static int namespace_add(struct wrasse_subsystem *subsystem, const struct subsystem_spec *spec,
			 const struct ns_spec *ns_spec, struct backend *backend,
			 struct reservation_file *reservations)
{
	struct wrasse_ns_opts opts;
	int result;

	wrasse_ns_opts_init(&opts);
	opts.block_size = ns_spec->block_size;
	opts.block_count = backend->size / ns_spec->block_size;
	opts.ana_group = ns_spec->ana_group;
	opts.pi_type = ns_spec->pi_type;
	opts.read_only = ns_spec->read_only;
	opts.volatile_cache = backend->volatile_cache;
	opts.io_opcodes = backend->io_opcodes;
	opts.discard_zeroes = backend->discard_zeroes;
	opts.io_timeout_ms = ns_spec->io_timeout_ms;
	opts.ops = backend->ops;
	opts.backend = backend;
	if (reservations) {
		opts.save_reservation = reservation_file_save;
		opts.reservation_ctx = reservations;
		opts.reservation = reservation_file_state(reservations);
	}
	result = wrasse_subsystem_add_ns(subsystem, &opts, NULL);
	return result < 0 ? fail(result, "add a namespace to ", spec->nqn) : 0;
}

static void auth_fill(struct wrasse_auth_opts *auth, const struct subsystem_spec *spec)
{
	wrasse_auth_opts_init(auth);
	auth->hashes = spec->hashes;
	auth->groups = spec->groups;
	auth->get_key = secrets_get;
	auth->ctx = (void *)(uintptr_t)spec->secrets; /* only read */
}

/* @first: number of its first namespace among all of the server's. */
static int subsystem_create(struct server *server, const struct subsystem_spec *spec,
			    unsigned first, struct wrasse_subsystem **out)
{
	struct wrasse_subsystem *subsystem;
	struct wrasse_subsystem_opts opts;
	struct wrasse_auth_opts auth;
	int result;

	if (spec->namespace_count == 0)
		log_line(WRASSE_LOG_WARN, "subsystem %s has no namespace", spec->nqn);
	wrasse_subsystem_opts_init(&opts);
	opts.nqn = spec->nqn;
	opts.serial = spec->serial;
	opts.model = spec->model;
	opts.label = spec->label;
	opts.allow_any_host = spec->host_count == 0;
	opts.duplicates = spec->duplicates;
	if (spec->secrets) {
		result = secrets_check(spec->secrets);
		if (result)
			return result;
		auth_fill(&auth, spec);
		opts.auth = &auth;
	}
	if (spec->namespace_count > 256) /* the library's default */
		opts.max_namespaces = spec->namespace_count;
	result = wrasse_subsystem_create(server->target, &opts, &subsystem);
	if (result)
		return fail(result, "make subsystem ", spec->nqn);
	*out = subsystem;
	for (unsigned i = 0; i < spec->host_count; i++) {
		result = wrasse_subsystem_add_host(subsystem, spec->hosts[i]);
		if (result)
			return fail(result, "allow host ", spec->hosts[i]);
	}
	for (unsigned i = 0; i < spec->namespace_count; i++) {
		result =
			namespace_add(subsystem, spec, &spec->namespaces[i],
				      server->backends[first + i], server->reservations[first + i]);
		if (result)
			return result;
	}
	return 0;
}

static int subsystems_create(struct server *server)
{
	unsigned count = server->options->subsystem_count;
	unsigned first = 0;
	int result;

	server->subsystems = calloc(count, sizeof(struct wrasse_subsystem *));
	if (!server->subsystems)
		return fail(-ENOMEM, "make subsystems", "");
	for (unsigned i = 0; i < count; i++) {
		const struct subsystem_spec *spec = &server->options->subsystems[i];

		result = subsystem_create(server, spec, first, &server->subsystems[i]);
		if (result)
			return result;
		first += spec->namespace_count;
	}
	return 0;
}

static int referrals_add(struct server *server)
{
	for (unsigned i = 0; i < server->options->referral_count; i++) {
		const struct listen_spec *spec = &server->options->referrals[i];
		struct wrasse_referral_opts opts;
		int result;

		wrasse_referral_opts_init(&opts);
		opts.address = spec->address;
		opts.port = spec->port;
		result = wrasse_target_add_referral(server->target, &opts);
		if (result)
			return fail(result, "refer hosts to ", spec->address);
	}
	return 0;
}

/* States of listeners that nobody can come through yet: the target is not polled. */
static int anas_set(struct server *server)
{
	for (unsigned i = 0; i < server->options->subsystem_count; i++) {
		const struct subsystem_spec *subsystem = &server->options->subsystems[i];

		for (unsigned j = 0; j < subsystem->ana_count; j++) {
			const struct ana_spec *spec = &subsystem->anas[j];
			int result = wrasse_subsystem_set_ana_state(
				server->subsystems[i],
				spec->listener ? server->listeners[spec->listener - 1] : NULL,
				spec->group, spec->state);

			if (result)
				return fail(result, "set an ANA state of ", subsystem->nqn);
		}
	}
	return 0;
}

static int listeners_create(struct server *server)
{
	int result;

	server->listeners = calloc(server->options->listen_count, sizeof(struct wrasse_listener *));
	if (!server->listeners)
		return fail(-ENOMEM, "make listeners", "");
	for (unsigned i = 0; i < server->options->listen_count; i++) {
		const struct listen_spec *spec = &server->options->listens[i];
		struct wrasse_listener_opts opts;

		wrasse_listener_opts_init(&opts);
		opts.address = spec->address;
		opts.port = spec->port;
		result = wrasse_listener_create(server->target, &opts, &server->listeners[i]);
		if (result) {
			log_line(WRASSE_LOG_ERROR, "cannot listen on %s port %u: %s%s",
				 spec->address, spec->port, strerror(-result),
				 result == -ENODEV || result == -EADDRNOTAVAIL ?
					 " (is there an RDMA device with this address?)" :
					 "");
			return result;
		}
	}
	return anas_set(server);
}

int server_init(struct server *server, const struct options *options)
{
	int result;

	*server = (struct server){.options = options};
	result = target_create(server);
	if (result == 0)
		result = backends_create(server);
	if (result == 0)
		result = workers_create(server);
	if (result == 0)
		result = subsystems_create(server);
	if (result == 0)
		result = referrals_add(server);
	if (result == 0)
		result = listeners_create(server);
	if (result)
		server_fini(server);
	return result;
}

int server_fini(struct server *server)
{
	int result = 0;

	for (unsigned i = 0; i < server->worker_count; i++) {
		int ended = worker_destroy(server->workers[i]);

		if (ended)
			result = ended;
	}
	if (result)
		return result; /* the target and the backends are in use, too */
	result = wrasse_target_destroy(server->target);
	if (result)
		return result;
	for (unsigned i = 0; i < server->backend_count; i++) {
		reservation_file_destroy(server->reservations[i]);
		server->backends[i]->destroy(server->backends[i]);
	}
	free(server->workers);
	free(server->reservations);
	free(server->subsystems);
	free(server->listeners);
	free(server->backends);
	return 0;
}

void server_print(const struct server *server, FILE *out)
{
	const struct options *options = server->options;

	fprintf(out, "wrasse-target: ready: subsystems %u, namespaces %u, poll groups %u;",
		options->subsystem_count, server->backend_count, server->worker_count);
	for (unsigned i = 0; i < options->listen_count; i++) {
		const struct listen_spec *spec = &options->listens[i];
		bool v6 = strchr(spec->address, ':');

		fprintf(out, "%s %s%s%s:%u", i ? "," : " listening on", v6 ? "[" : "",
			spec->address, v6 ? "]" : "", spec->port);
	}
	fputs("\n", out);
	fflush(out);
}
