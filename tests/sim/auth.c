/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Authentication as the embedder and the seed see it: secrets, which change, and randomness, which is the
 * seed's. And who looks whether a queue is open whose host has not proved who it is, or has failed to.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <string.h>

#include "sim.h"

#include "nvme/ctrl.h"
#include "nvme/op.h"
#include "transport/group.h"

#define QPNS   65536u
#define SEEN   1024u        /* queue pairs of a group that are remembered */
#define LIMIT  (10 * SIM_S) /* in which the last response is sent, however often */
#define ENOUGH 64u          /* polls that see it */

uint64_t auth_excuses;

static const char *const secrets[] = {DHCHAP_SECRET_00, DHCHAP_SECRET_01, DHCHAP_SECRET_02,
				      DHCHAP_SECRET_03};
static struct wrasse_auth_opts options;
static uint32_t epoch; /* how often the secrets have changed */
static uint8_t admitted[QPNS / 8];
/* Since when the authentication of a queue pair's host is over. */
static struct over {
	uint32_t number;   /* rdmat_qp.number; 0: none */
	uint64_t since_ns; /* without jumps of the clock */
	uint64_t polls;
} overs[SIM_MAX_GROUPS][SEEN];

/* In front of OpenSSL's, for target and hosts: what is random is the seed's as well. */
int RAND_bytes(unsigned char *buf, int len)
{
	if (in_library >= 0 && rng_one_in(plan.auth_denied)) {
		auth_excuses++;
		trace_mix("no randomness", (uint64_t)len, 0);
		return 0;
	}
	for (int i = 0; i < len; i += 8) {
		uint64_t word = rng_next();

		memcpy(buf + i, &word, len - i < 8 ? (size_t)(len - i) : 8);
	}
	return 1;
}

/* ---- secrets ---- */

const char *auth_secret(unsigned subsystem, unsigned host)
{
	return secrets[(epoch + subsystem + host) % 4];
}

const char *auth_ctrl_secret(unsigned subsystem, unsigned host)
{
	return secrets[(epoch + subsystem + host + 2) % 4];
}

void auth_rotate(void)
{
	epoch++;
	auth_excuses++;
	trace_mix("secrets change", epoch, 0);
}

/* @nqn: ends with a number. */
static unsigned number_of(const char *nqn)
{
	return (unsigned)(nqn[strlen(nqn) - 1] - '0');
}

static int get_key(void *ctx, const char *hostnqn, const char *subnqn,
		   struct wrasse_auth_keys *keys)
{
	static const struct wrasse_auth_keys none;
	unsigned host = number_of(hostnqn), subsystem = number_of(subnqn);

	if (ctx != &options || in_library < 0 || in_library >= SIM_MAX_GROUPS)
		sim_fail("get_key() was called outside wrasse_poll_group_poll()");
	if (host >= plan.hosts || subsystem >= plan.subsystems ||
	    strcmp(hostnqn, hosts[host].nqn) || strcmp(subnqn, target.subsystem[subsystem].nqn))
		sim_fail("get_key() is asked for %s and %s", hostnqn, subnqn);
	if (memcmp(keys, &none, sizeof(none)))
		sim_fail("get_key() is given secrets");
	trace_mix("secrets are asked for", host, subsystem);
	if (rng_one_in(plan.auth_denied)) {
		auth_excuses++;
		return -ENOENT;
	}
	strcpy(keys->host, auth_secret(subsystem, host));
	strcpy(keys->controller, auth_ctrl_secret(subsystem, host));
	return 0;
}

void auth_start(void)
{
	epoch = 0;
	auth_excuses = 0;
	if (!plan.auth)
		return;
	memset(admitted, 0, sizeof(admitted));
	memset(overs, 0, sizeof(overs));
}

const struct wrasse_auth_opts *auth_opts(unsigned subsystem)
{
	if (!(plan.auth & 1u << subsystem))
		return NULL;
	wrasse_auth_opts_init(&options);
	options.groups = plan.auth_groups;
	options.get_key = get_key;
	options.ctx = &options;
	return &options;
}

/* ---- who is let in ---- */

void auth_admit(uint32_t qpn)
{
	if (qpn >= QPNS)
		sim_fail("queue pair %u: too many in one run", qpn);
	admitted[qpn / 8] |= (uint8_t)(1u << qpn % 8);
}

static void check_over(unsigned index, const struct rdmat_qp *qp)
{
	struct over *over = &overs[index][qp->number % SEEN];
	uint64_t now = fabric_now_ns() - control_jumped_ns;

	if (over->number != qp->number)
		*over = (struct over){qp->number, now, target.group[index].polls};
	if (now > over->since_ns + LIMIT && target.group[index].polls > over->polls + ENOUGH)
		sim_fail("queue pair %u's host has failed to authenticate itself, and carries on",
			 qp->qpn);
}

static void check_queue(unsigned index, const struct rdmat_qp *qp)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;
	uint32_t peer;

	if (qp->nvme.auth.state == NVME_AUTH_OVER)
		check_over(index, qp);
	if (qp->nvme.on == NVME_ON_AUTH) {
		if (qp->nvme.auth.state != NVME_AUTH_OVER && !qp->nvme.auth_deadline_ns)
			sim_fail("queue pair %u waits for its host's authentication for ever",
				 qp->qpn);
		return;
	}
	if (ibv_query_qp(qp->qp, &attr, IBV_QP_DEST_QPN, &init))
		return;
	peer = attr.dest_qp_num;
	if (!(admitted[peer / 8 % sizeof(admitted)] & 1u << peer % 8))
		sim_fail("queue pair %u is open, and its host has not authenticated itself",
			 qp->qpn);
}

void auth_check_group(unsigned index)
{
	const struct wrasse_poll_group *group = target.group[index].group;
	struct pool_link *link, *tmp;

	if (!plan.auth)
		return;
	pool_list_for_each(link, tmp, &group->qps) {
		const struct rdmat_qp *qp = pool_container(link, struct rdmat_qp, link);

		if (qp->nvme.state == NVME_QUEUE_CONNECTED && !qp->tearing && qp->qp &&
		    plan.auth & 1u << number_of(qp->nvme.ctrl->subsystem->nqn))
			check_queue(index, qp);
	}
}
