/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chance: xoshiro256** (Blackman and Vigna), seeded through splitmix64. The same on every machine.
 */
#include "sim.h"

static uint64_t state[4];

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

void rng_seed(uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		state[i] = z ^ z >> 31;
	}
}

uint64_t rng_next(void)
{
	uint64_t result = rotl(state[1] * 5, 7) * 9;
	uint64_t t = state[1] << 17;

	state[2] ^= state[0];
	state[3] ^= state[1];
	state[1] ^= state[2];
	state[0] ^= state[3];
	state[2] ^= t;
	state[3] = rotl(state[3], 45);
	return result;
}

uint32_t rng_below(uint32_t n)
{
	return (uint32_t)((rng_next() >> 32) * n >> 32);
}

uint32_t rng_between(uint32_t min, uint32_t max)
{
	return min + rng_below(max - min + 1);
}

bool rng_one_in(uint32_t n)
{
	return n && rng_below(n) == 0;
}
