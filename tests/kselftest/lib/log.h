/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel logs from some moment on. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>

struct log {
	int fd;
	size_t length;
	char text[64 << 10];
};

/* Begins at this moment. */
int log_open(struct log *log);
void log_close(struct log *log);

/* Whether there is @text in it. */
bool log_has(struct log *log, const char *text);

#endif /* LOG_H */
