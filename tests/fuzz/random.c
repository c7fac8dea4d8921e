// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "random.h"

/* A Weyl sequence, mixed by multiplications: every state is followed by another one. */
uint64_t random_bits(struct random *random)
{
	uint64_t mixed = random->state += 0x9e3779b97f4a7c15;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
	return mixed ^ mixed >> 31;
}

unsigned int random_below(struct random *random, unsigned int limit)
{
	return (random_bits(random) >> 32) * limit >> 32;
}

bool random_once_in(struct random *random, unsigned int times)
{
	return random_below(random, times) == 0;
}

uint64_t random_edge(struct random *random)
{
	switch (random_below(random, 5)) {
	case 0:
		return random_below(random, 16);
	case 1:
		return 1ULL << random_below(random, 64);
	case 2:
		return (1ULL << random_below(random, 64)) - 1;
	case 3:
		return -(uint64_t)random_below(random, 4096);
	default:
		return random_bits(random);
	}
}

void random_fill(struct random *random, void *memory, size_t bytes)
{
	unsigned char *at = memory;
	uint64_t bits;

	for (; bytes; bytes -= bytes < sizeof(bits) ? bytes : sizeof(bits), at += sizeof(bits)) {
		bits = random_bits(random);
		memcpy(at, &bits, bytes < sizeof(bits) ? bytes : sizeof(bits));
	}
}
