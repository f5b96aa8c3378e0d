/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NVMe Qualified Names (NVMe Base 2.0 4.5): "nqn.yyyy-mm.reverse.domain" and what its owner
 * appends. Pure functions; any thread.
 */
#include "nvme/ctrl.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool nvme_nqn_is_harmless(const char *name)
{
	size_t len = strnlen(name, NVME_NQN_LEN + 1);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	}
	return len <= NVME_NQN_LEN;
}

bool nvme_nqn_is_valid(const char *nqn)
{
	static const char shape[] = "nqn.dddd-dd."; /* d: a digit */
	size_t len = strnlen(nqn, NVME_NQN_LEN + 1);
	int month;

	if (len < sizeof(shape) || !nvme_nqn_is_harmless(nqn))
		return false;
	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		if (shape[i] == 'd' ? !is_digit(nqn[i]) : nqn[i] != shape[i])
			return false;
	}
	month = (nqn[9] - '0') * 10 + (nqn[10] - '0');
	return month >= 1 && month <= 12;
}

/* FNV-1a, then the finalizer of MurmurHash3, so that similar names differ in every digit. */
uint64_t nvme_nqn_digest(const char *nqn, uint64_t seed)
{
	uint64_t digest = 0xcbf29ce484222325ull ^ seed * 0x9e3779b97f4a7c15ull;

	for (; *nqn; nqn++)
		digest = (digest ^ (unsigned char)*nqn) * 0x100000001b3ull;
	digest = (digest ^ digest >> 33) * 0xff51afd7ed558ccdull;
	digest = (digest ^ digest >> 33) * 0xc4ceb9fe1a85ec53ull;
	return digest ^ digest >> 33;
}
