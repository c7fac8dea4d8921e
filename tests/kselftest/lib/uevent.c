// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uevent.h"
#include "util.h"

int uevents_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	int error;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

/* Whether a uevent message, strings one after the other, has this one. */
static bool has(const char *message, size_t length, const char *string)
{
	const char *end = message + length;

	for (; message < end; message += strlen(message) + 1)
		if (!strcmp(message, string))
			return true;
	return false;
}

bool uevent_arrives(int socket, const char *node, const char *variable)
{
	struct pollfd readable = { .fd = socket, .events = POLLIN };
	char message[8192], name[32];
	long long end_ms = now_ms() + LIMIT_MS;
	ssize_t length;

	snprintf(name, sizeof(name), "DEVNAME=%s", node);
	while (now_ms() < end_ms && poll(&readable, 1, end_ms - now_ms()) == 1) {
		length = recv(socket, message, sizeof(message) - 1, 0);
		if (length <= 0)
			return false;
		message[length] = '\0';
		if (has(message, length, "ACTION=change") && has(message, length, name) &&
		    has(message, length, "NVME_TRTYPE=pcie") && has(message, length, variable))
			return true;
	}
	complain("no uevent with %s", variable);
	return false;
}
