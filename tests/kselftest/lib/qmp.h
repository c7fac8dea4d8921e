/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands to the QEMU around this machine, over the virtio port which
 * scripts/vm offers for them: one JSON object a line each way.
 */
#ifndef QMP_H
#define QMP_H

#include <stddef.h>

/*
 * Executes @command; the rest formats the members of its arguments object,
 * for example "'id': '%s'", with ' for ". EREMOTEIO if QEMU refuses.
 */
int qmp(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As above, and gives QEMU's whole reply. */
int qmp_ask(char *reply, size_t size, const char *command, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif /* QMP_H */
