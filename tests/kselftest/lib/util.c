// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "util.h"

/* Before a release it is worth 200. */
#define REPEATS_MOST 20

/* A child that hangs would keep the module in use after its parent was killed. */
static void end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void __attribute__((constructor)) let_children_end(void)
{
	pthread_atfork(NULL, NULL, end_with_parent);
}

long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int patience(void)
{
	const char *debug = getenv("NVME_RS_DEBUG");

	return debug && *debug ? 5 : 1;
}

void complain(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "# %s\n", text);
}

bool path_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

int read_file(const char *path, char *text, size_t size)
{
	size_t length = 0;
	ssize_t part;
	int error = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		part = read(fd, text + length, size - 1 - length);
		if (part > 0)
			length += part;
	} while (part > 0 && length < size - 1);
	if (part < 0)
		error = -errno;
	close(fd);
	text[length] = '\0';
	return error;
}

int write_file(const char *path, const char *text)
{
	int error = 0;
	int fd;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		error = -errno;
	close(fd);
	return error;
}

unsigned int scale(void)
{
	const char *text = getenv("SCALE");
	unsigned int number = text ? strtoul(text, NULL, 10) : 1;

	return number ?: 1;
}

void *bad_address(void)
{
	return mmap(NULL, sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int run(const char *command, char *output, size_t size)
{
	char rest[512];
	size_t length;
	int status;
	FILE *pipe;

	pipe = popen(command, "re");
	if (!pipe)
		return -errno;
	length = fread(output, 1, size - 1, pipe);
	output[length] = '\0';
	/* Who is cut short fails. */
	while (fread(rest, 1, sizeof(rest), pipe) > 0)
		;
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

unsigned int scale_up_to(unsigned int most)
{
	return scale() < most ? scale() : most;
}

int repeats(int at_least)
{
	int times = at_least * scale();

	return times < REPEATS_MOST ? times : REPEATS_MOST;
}

long locked_kb(void)
{
	char text[8192] = "";
	char *line;

	read_file("/proc/self/status", text, sizeof(text));
	line = strstr(text, "VmLck:");
	return line ? strtol(line + strlen("VmLck:"), NULL, 10) : -1;
}
