// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

int log_open(struct log *log)
{
	log->length = 0;
	log->text[0] = '\0';
	log->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log->fd < 0)
		return -errno;
	return lseek(log->fd, 0, SEEK_END) < 0 ? -errno : 0;
}

void log_close(struct log *log)
{
	close(log->fd);
}

bool log_has(struct log *log, const char *text)
{
	size_t room = sizeof(log->text) - 1 - log->length;
	ssize_t length;

	/* A record each; EPIPE: some were overwritten. */
	while ((length = read(log->fd, log->text + log->length, room)) > 0 ||
	       (length < 0 && errno == EPIPE)) {
		if (length > 0) {
			log->length += length;
			room -= length;
		}
	}
	log->text[log->length] = '\0';
	return strstr(log->text, text);
}
