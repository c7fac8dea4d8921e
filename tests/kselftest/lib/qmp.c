// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "qmp.h"
#include "util.h"

#define PORT_NAME "nvme_rs.qmp\n"
/* The port takes one opener at a time; all who use it lock this. */
#define LOCK "/run/nvme_rs-qmp.lock"
#define MESSAGE_BYTES 4096

static int find_port(char *path, size_t size)
{
	char name[64];
	int error = -ENOENT;
	glob_t names;
	size_t i;

	if (glob("/sys/class/virtio-ports/*/name", 0, NULL, &names))
		return error;
	for (i = 0; i < names.gl_pathc && error; i++) {
		if (read_file(names.gl_pathv[i], name, sizeof(name)) || strcmp(name, PORT_NAME))
			continue;
		*strrchr(names.gl_pathv[i], '/') = '\0';
		snprintf(path, size, "/dev/%s", strrchr(names.gl_pathv[i], '/') + 1);
		error = 0;
	}
	globfree(&names);
	return error;
}

/* Reads one line. */
static int receive(int port, char *line, size_t size, long long deadline)
{
	struct pollfd readable = { .fd = port, .events = POLLIN };
	size_t length = 0;
	ssize_t part;

	while (length < size - 1) {
		long long left = deadline - now_ms();

		if (left <= 0 || poll(&readable, 1, left) == 0)
			return -ETIMEDOUT;
		part = read(port, line + length, 1);
		if (part < 0)
			return -errno;
		if (part == 0)
			return -EPIPE;
		if (line[length] == '\n')
			break;
		length++;
	}
	line[length] = '\0';
	return 0;
}

/* Sends @message, which has the identification @id, and receives the reply to it. */
static int converse(int port, const char *message, const char *id, char *reply, size_t size)
{
	long long deadline = now_ms() + LIMIT_MS;
	int error;

	if (write(port, message, strlen(message)) != (ssize_t)strlen(message))
		return -EIO;
	/* Somebody who was killed may have left a reply unread. */
	do {
		error = receive(port, reply, size, deadline);
	} while (!error && !strstr(reply, id));
	return error;
}

static int execute(const char *message, const char *id, char *reply, size_t size)
{
	char path[64];
	int lock, port;
	int error;

	error = find_port(path, sizeof(path));
	if (error) {
		complain("no virtio port for QMP: not in a VM of scripts/vm?");
		return error;
	}
	lock = open(LOCK, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX))
		return -errno;
	port = open(path, O_RDWR | O_CLOEXEC);
	if (port < 0) {
		error = -errno;
	} else {
		error = converse(port, message, id, reply, size);
		close(port);
	}
	close(lock);
	if (!error && !strstr(reply, "\"return\":"))
		error = -EREMOTEIO;
	return error;
}

static int vask(char *reply, size_t size, const char *command, const char *format, va_list args)
{
	static unsigned int count;
	char arguments[1024];
	char message[MESSAGE_BYTES];
	char id[48];
	char *c;

	snprintf(id, sizeof(id), "\"test-%d-%u\"", getpid(), count++);
	vsnprintf(arguments, sizeof(arguments), format, args);
	for (c = arguments; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	snprintf(message, sizeof(message), "{\"execute\": \"%s\", \"id\": %s, \"arguments\": {%s}}\n",
		 command, id, arguments);
	return execute(message, id, reply, size);
}

int qmp(const char *command, const char *format, ...)
{
	char reply[MESSAGE_BYTES] = "";
	va_list args;
	int error;

	va_start(args, format);
	error = vask(reply, sizeof(reply), command, format, args);
	va_end(args);
	if (error)
		complain("QMP %s: %s %s", command, strerror(-error), reply);
	return error;
}

int qmp_ask(char *reply, size_t size, const char *command, const char *format, ...)
{
	va_list args;
	int error;

	va_start(args, format);
	error = vask(reply, size, command, format, args);
	va_end(args);
	return error;
}
