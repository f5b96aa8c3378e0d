/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of secrets for in-band authentication. One is read anew whenever a host authenticates
 * itself, so that nothing is kept and a changed secret counts at once.
 */
#ifndef TARGET_SECRETS_H
#define TARGET_SECRETS_H

#include <wrasse/auth.h>

/*
 * Checks every line. Errors are logged, with the number of the line and never with a secret.
 *
 * Return: 0 or a negative errno value.
 */
int secrets_check(const char *path);

/* wrasse_auth_opts.get_key; ctx is the path. */
int secrets_get(void *ctx, const char *hostnqn, const char *subnqn, struct wrasse_auth_keys *keys);

#endif
