/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers that only look random: the same for the same seed. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

/* Any 64 bits. */
uint64_t random_bits(struct random *random);

/* 0 to @limit - 1. */
unsigned int random_below(struct random *random, unsigned int limit);

/* True once in @times. */
bool random_once_in(struct random *random, unsigned int times);

/* A number as interfaces are wrong about them: small, a power of two or next to one, negative, any. */
uint64_t random_edge(struct random *random);

void random_fill(struct random *random, void *memory, size_t bytes);

#endif /* RANDOM_H */
