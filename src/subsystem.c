/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Subsystems, hosts and namespaces as the embedder sees them: option structs brought to size, the
 * lock taken, poll groups told to look. What they mean is in src/nvme. Any thread.
 */
#include <errno.h>

#include "nvme/ns_management.h"
#include "target.h"
#include "transport/group.h"
#include "transport/listener.h"

static void log_refusal(const struct rdmat *rdmat, const char *what, const char *name,
			const char *why)
{
	if (why)
		rdmat_log(rdmat, WRASSE_LOG_ERROR, "%s %s: %s", what, name ? name : "(null)", why);
}

int wrasse_subsystem_create(struct wrasse_target *target, const struct wrasse_subsystem_opts *given,
			    struct wrasse_subsystem **subsystem)
{
	struct rdmat *rdmat = &target->rdmat;
	struct wrasse_subsystem_opts opts;
	struct wrasse_auth_opts auth;
	const char *why = NULL;
	int rc = options_copy(&opts, sizeof(opts), given, given->size);

	if (!rc && opts.auth) {
		rc = options_copy(&auth, sizeof(auth), opts.auth, opts.auth->size);
		opts.auth = &auth;
	}
	if (rc)
		return rc;
	if (!opts.firmware)
		opts.firmware = wrasse_version();
	rdmat_lock(rdmat);
	rc = target->drain.started ? -ESHUTDOWN :
				     nvme_subsystem_create(rdmat->registry, &opts, subsystem, &why);
	if (!rc) {
		(*subsystem)->owner = target;
		rdmat_attention(rdmat);
	}
	rdmat_unlock(rdmat);
	log_refusal(rdmat, "subsystem", opts.nqn, why);
	return rc;
}

int wrasse_subsystem_remove(struct wrasse_subsystem *subsystem, void (*done)(void *ctx), void *ctx)
{
	struct rdmat *rdmat = subsystem_rdmat(subsystem);
	int rc = 0;

	rdmat_lock(rdmat);
	if (subsystem->removing) {
		rc = -EALREADY;
	} else {
		subsystem->removed = done;
		subsystem->removed_ctx = ctx;
		nvme_subsystem_remove(subsystem);
		rdmat_attention(rdmat);
	}
	rdmat_unlock(rdmat);
	return rc;
}

int wrasse_subsystem_add_host(struct wrasse_subsystem *subsystem, const char *hostnqn)
{
	struct rdmat *rdmat = subsystem_rdmat(subsystem);
	int rc;

	rdmat_lock(rdmat);
	rc = nvme_subsystem_add_host(subsystem, hostnqn);
	if (!rc)
		rdmat_attention(rdmat);
	rdmat_unlock(rdmat);
	return rc;
}

int wrasse_subsystem_remove_host(struct wrasse_subsystem *subsystem, const char *hostnqn)
{
	struct rdmat *rdmat = subsystem_rdmat(subsystem);
	int rc;

	rdmat_lock(rdmat);
	rc = nvme_subsystem_remove_host(subsystem, hostnqn);
	if (!rc)
		rdmat_attention(rdmat);
	rdmat_unlock(rdmat);
	return rc;
}

int wrasse_subsystem_raise(struct wrasse_subsystem *subsystem, enum wrasse_event event)
{
	struct rdmat *rdmat = subsystem_rdmat(subsystem);

	if ((unsigned)event > WRASSE_EVENT_TRANSIENT_ERROR)
		return -EINVAL;
	rdmat_lock(rdmat);
	nvme_subsystem_raise(subsystem, event);
	rdmat_attention(rdmat);
	rdmat_unlock(rdmat);
	return 0;
}

int wrasse_subsystem_add_hook(struct wrasse_subsystem *subsystem, const struct wrasse_hook *given)
{
	struct rdmat *rdmat = subsystem_rdmat(subsystem);
	struct wrasse_hook hook;
	const char *why = NULL;
	int rc = options_copy(&hook, sizeof(hook), given, given->size);

	if (rc)
		return rc;
	rdmat_lock(rdmat);
	rc = nvme_hook_add(subsystem, &hook, &why);
	rdmat_unlock(rdmat);
	log_refusal(rdmat, "hook of subsystem", subsystem->nqn, why);
	return rc;
}

int wrasse_subsystem_set_ns_management(struct wrasse_subsystem *subsystem,
				       const struct wrasse_ns_management *given)
{
	struct rdmat *rdmat = subsystem_rdmat(subsystem);
	struct wrasse_ns_management management;
	const char *why = NULL;
	int rc = options_copy(&management, sizeof(management), given, given->size);

	if (rc)
		return rc;
	rdmat_lock(rdmat);
	rc = nvme_management_set(subsystem, &management, &why);
	rdmat_unlock(rdmat);
	log_refusal(rdmat, "namespace management of subsystem", subsystem->nqn, why);
	return rc;
}

static int listener_change(struct wrasse_subsystem *subsystem,
			   const struct wrasse_listener *listener,
			   int (*change)(struct wrasse_subsystem *subsystem, uint16_t portal))
{
	struct rdmat *rdmat = subsystem_rdmat(subsystem);
	int rc;

	rdmat_lock(rdmat);
	rc = change(subsystem, listener->portal);
	if (!rc)
		rdmat_attention(rdmat);
	rdmat_unlock(rdmat);
	return rc;
}

int wrasse_subsystem_add_listener(struct wrasse_subsystem *subsystem,
				  struct wrasse_listener *listener)
{
	return listener_change(subsystem, listener, nvme_subsystem_add_portal);
}

int wrasse_subsystem_remove_listener(struct wrasse_subsystem *subsystem,
				     struct wrasse_listener *listener)
{
	return listener_change(subsystem, listener, nvme_subsystem_remove_portal);
}

int wrasse_subsystem_add_ns(struct wrasse_subsystem *subsystem, const struct wrasse_ns_opts *given,
			    struct wrasse_namespace **out)
{
	struct rdmat *rdmat = subsystem_rdmat(subsystem);
	struct wrasse_namespace *ns = NULL;
	struct wrasse_ns_opts opts;
	const char *why = NULL;
	int rc = options_copy(&opts, sizeof(opts), given, given->size);

	if (rc)
		return rc;
	rdmat_lock(rdmat);
	rc = subsystem->removing ? -ESHUTDOWN : nvme_ns_create(subsystem, &opts, &ns, &why);
	if (rc > 0)
		rdmat_attention(rdmat);
	rdmat_unlock(rdmat);
	if (rc > 0 && out)
		*out = ns;
	log_refusal(rdmat, "namespace of subsystem", subsystem->nqn, why);
	return rc;
}

int wrasse_subsystem_remove_ns(struct wrasse_subsystem *subsystem, uint32_t nsid,
			       void (*done)(void *ctx), void *ctx)
{
	struct rdmat *rdmat = subsystem_rdmat(subsystem);
	struct wrasse_namespace *ns;
	int rc = 0;

	rdmat_lock(rdmat);
	ns = nvme_ns_find(subsystem, nsid);
	if (!ns || ns->removing) {
		rc = -ENOENT;
	} else {
		ns->removed = done;
		ns->removed_ctx = ctx;
		nvme_ns_remove(ns);
		rdmat_attention(rdmat);
	}
	rdmat_unlock(rdmat);
	return rc;
}

/* ---- what has been let go of ---- */

struct removed {
	void (*done)(void *ctx);
	void *ctx;
};

/* The lock is held. Frees one thing that is gone. Return: whether there was one. */
static bool free_one(struct rdmat *rdmat, struct removed *removed)
{
	/* Nothing is looked for in each poll while there are thousands, and none of them goes. */
	if (!rdmat->registry->removals)
		return false;
	for (struct wrasse_subsystem *subsystem = rdmat->registry->subsystems; subsystem;
	     subsystem = subsystem->next) {
		for (struct wrasse_namespace *ns = subsystem->namespaces; ns; ns = ns->next) {
			/* Who waits for its pause is told first. */
			if (!nvme_ns_is_gone(ns) || ns->pause.wait)
				continue;
			*removed = (struct removed){ns->removed, ns->removed_ctx};
			nvme_ns_free(ns);
			return true;
		}
		if (!subsystem->removing || !nvme_subsystem_is_gone(subsystem) ||
		    subsystem->pause.wait)
			continue;
		*removed = (struct removed){subsystem->removed, subsystem->removed_ctx};
		nvme_subsystem_free(subsystem);
		return true;
	}
	return false;
}

int target_removals_poll(struct wrasse_target *target)
{
	struct rdmat *rdmat = &target->rdmat;
	struct removed removed;
	int count = 0;

	for (;;) {
		bool any;

		rdmat_lock(rdmat);
		any = free_one(rdmat, &removed);
		rdmat_unlock(rdmat);
		if (!any)
			return count;
		if (removed.done)
			removed.done(removed.ctx);
		count++;
	}
}
