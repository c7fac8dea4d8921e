/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two instructions which do nothing, but which plugin.c, if QEMU runs with it,
 * takes for "count from here on" and "tell what was counted".
 */
#ifndef MARK_H
#define MARK_H

/* The displacements of a nop with a memory operand; nobody else uses them. */
#define MARK_START 0x4e565201
#define MARK_STOP 0x4e565202

#define MARK_TEXT_(value) #value
#define MARK_TEXT(value) MARK_TEXT_(value)
#define MARK(value) __asm__ volatile("nopl " MARK_TEXT(value) "(%%rax)" ::: "memory")

/* How such an instruction begins; the displacement follows. */
#define MARK_OPCODE "\x0f\x1f\x80"
#define MARK_OPCODE_BYTES 3
#define MARK_BYTES 7

#endif /* MARK_H */
