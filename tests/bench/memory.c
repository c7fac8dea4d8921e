// SPDX-License-Identifier: GPL-2.0-only
/* The memory data is read into, and the data. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "load.h"

enum { PAGE = 4096, HUGE = 2 << 20 };

/* How much of the mapping which begins at @memory is in huge pages; negative: unknown. */
static long huge_bytes(const void *memory)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	unsigned long begin, end;
	char line[256];
	long kib = -1;
	bool inside = false;

	while (maps && kib < 0 && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
			inside = begin <= (uintptr_t)memory && (uintptr_t)memory < end;
		else if (inside)
			sscanf(line, "AnonHugePages: %ld kB", &kib);
	}
	if (maps)
		fclose(maps);
	return kib < 0 ? -1 : kib << 10;
}

/*
 * Gives every page of the arena memory, in an order which keeps neighbours from
 * getting neighbouring page frames, as is the case in a process that has run for
 * a while.
 */
static void populate(unsigned char *memory, size_t bytes)
{
	size_t pages = bytes / PAGE;

	for (size_t first = 0; first < 7; first++)
		for (size_t page = first; page < pages; page += 7)
			memory[page * PAGE] = 1;
}

int arena_create(struct arena *arena, const struct shape *shape)
{
	size_t stride = shape->bytes < PAGE ? PAGE : shape->bytes;
	size_t bytes = (stride * shape->depth + HUGE - 1) / HUGE * HUGE;
	unsigned char *memory = mmap(NULL, bytes + HUGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int each = (shape->bytes + PAGE - 1) / PAGE;
	long huge;

	if (memory == MAP_FAILED)
		return -errno;
	memory += -(uintptr_t)memory & (HUGE - 1);
	if (madvise(memory, bytes, shape->memory == HUGE_PAGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		return -errno;
	populate(memory, bytes);
	huge = huge_bytes(memory);
	if (huge != (shape->memory == HUGE_PAGE ? (long)bytes : 0)) {
		fprintf(stderr, "load: %ld of %zu bytes are in huge pages\n", huge, bytes);
		return -ENOMEM;
	}
	*arena = (struct arena){
		.memory = memory, .bytes = stride * shape->depth, .stride = stride,
		.vectors = calloc(shape->depth * each, sizeof(struct iovec)), .vectors_each = each,
	};
	if (!arena->vectors)
		return -ENOMEM;
	for (unsigned int piece = 0; piece < shape->depth; piece++)
		for (unsigned int i = 0; i < each; i++)
			arena->vectors[piece * each + i] = (struct iovec){
				.iov_base = memory + piece * stride + i * PAGE,
				.iov_len = shape->bytes < PAGE ? shape->bytes : PAGE,
			};
	return 0;
}

void arena_poison(const struct arena *arena)
{
	memset(arena->memory, 0xa5, arena->bytes);
}

static uint64_t word(uint32_t block, unsigned int index)
{
	return ((uint64_t)block << 16 | index) * 0x9e3779b97f4a7c15ULL;
}

void pattern_fill(void *memory, size_t bytes, uint32_t block)
{
	uint64_t *words = memory;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = word(block + i / (BLOCK_BYTES / sizeof(*words)),
				i % (BLOCK_BYTES / sizeof(*words)));
}

bool pattern_is(const void *memory, size_t bytes, uint32_t block)
{
	const uint64_t *words = memory;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		if (words[i] != word(block + i / (BLOCK_BYTES / sizeof(*words)),
				     i % (BLOCK_BYTES / sizeof(*words))))
			return false;
	return true;
}
