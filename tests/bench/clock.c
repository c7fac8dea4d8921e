// SPDX-License-Identifier: GPL-2.0-only
#include "clock.h"

#include <time.h>
#include <x86intrin.h>

enum { CALIBRATION = 1000000, ATTEMPTS = 8 };

uint64_t thread_instructions(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

uint64_t all_instructions(void)
{
	return __rdtsc();
}

void spin(uint64_t instructions)
{
	uint64_t left = instructions / 2;

	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(left) : : "cc");
}

/* The least of several attempts: ticks of the system's clock come in between now and then. */
static uint64_t calibrate(uint64_t (*clock)(void))
{
	uint64_t least = UINT64_MAX, start, took;

	for (int i = 0; i < ATTEMPTS; i++) {
		start = clock();
		spin(CALIBRATION);
		took = clock() - start;
		if (took < least)
			least = took;
	}
	return least;
}

uint64_t clock_of_thread(void)
{
	return calibrate(thread_instructions);
}

uint64_t clock_of_processor(void)
{
	return calibrate(all_instructions);
}
