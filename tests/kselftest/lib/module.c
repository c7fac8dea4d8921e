// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "module.h"
#include "util.h"

bool module_is_loaded(void)
{
	return path_exists("/sys/module/" MODULE);
}

/* From <checkout>/tests/kselftest/<program> to <checkout>. */
int module_path(char *path, size_t size)
{
	char program[256];
	ssize_t length;
	int up;

	length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (length < 0)
		return -errno;
	program[length] = '\0';
	for (up = 0; up < 3; up++) {
		char *slash = strrchr(program, '/');

		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	snprintf(path, size, "%s/" MODULE ".ko", program);
	return 0;
}

int module_insert(const char *path, const char *parameters)
{
	int error = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		error = -errno;
		complain("%s: %s", path, strerror(-error));
		return error;
	}
	if (syscall(SYS_finit_module, fd, parameters, 0))
		error = -errno;
	close(fd);
	return error;
}

int module_load(const char *parameters)
{
	char path[300];
	int error;

	error = module_path(path, sizeof(path));
	return error ? error : module_insert(path, parameters);
}

int module_unload(void)
{
	return syscall(SYS_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

int module_ensure_unloaded(void)
{
	return module_is_loaded() ? module_unload() : 0;
}

int module_users(void)
{
	char text[16] = "-1";

	read_file("/sys/module/" MODULE "/refcnt", text, sizeof(text));
	return atoi(text);
}
