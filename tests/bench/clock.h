/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting instructions: under QEMU's -icount shift=0 each takes a nanosecond, and
 * the time stamp counter has as many ticks.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Executed by this thread, interrupts that hit it included. */
uint64_t thread_instructions(void);

/* Executed by the processor; what it rests counts as well. */
uint64_t all_instructions(void);

/* Executes @instructions, an even number, and hardly any more. */
void spin(uint64_t instructions);

/* What the clocks make of 1,000,000 instructions. */
uint64_t clock_of_thread(void);
uint64_t clock_of_processor(void);

#endif /* CLOCK_H */
