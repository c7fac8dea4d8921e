// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "module.h"
#include "provider.h"
#include "util.h"

/* Where `make install-provider-kit` puts what authors of providers need. */
#define KIT "/usr/src/nvme_rs-provider"

#define FILES "/sys/kernel/debug/" PROVIDER_C "/"

/* Where `make kselftest` and `make debug-module` leave them. */
int provider_load(const char *name, const char *parameters)
{
	const char *kernel = patience() > 1 ? "debug-providers" : "providers";
	char top[300], path[400];
	int error;

	error = module_path(top, sizeof(top));
	if (error)
		return error;
	*strrchr(top, '/') = '\0';
	snprintf(path, sizeof(path), "%s/build/%s" KIT "/tests/providers/%s.ko", top, kernel, name);
	return module_insert(path, parameters);
}

int provider_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

int provider_set(const char *file, unsigned int value)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), FILES "%s", file);
	snprintf(text, sizeof(text), "%u", value);
	return write_file(path, text);
}

int provider_get(const char *file)
{
	char path[128], text[32];
	int error;

	snprintf(path, sizeof(path), FILES "%s", file);
	error = read_file(path, text, sizeof(text));
	return error < 0 ? error : atoi(text);
}

int provider_fetch(int fd, unsigned long long number, char *payload, unsigned int size)
{
	struct nvme_event_fetch fetch = {
		.size = sizeof(fetch), .flags = NVME_EVENT_FETCH_PROVIDER, .number = number,
		.buffer = (uintptr_t)payload, .buffer_bytes = size,
	};

	memset(payload, 0, size);
	if (ioctl(fd, NVME_EVENT_IOCTL_FETCH, &fetch))
		return -errno;
	if (fetch.log_page || fetch.nsid || fetch.kept != fetch.length || !fetch.time_ns)
		return -EBADMSG;
	return fetch.length;
}

bool provider_said(const struct nvme_event *event, unsigned int number, unsigned int dw1)
{
	bool it_is = NVME_EVENT_SOURCE(event->dw3) == NVME_EVENT_SOURCE_PROVIDER &&
		     (event->dw0 == EVENT_PROVIDER_C || event->dw0 == EVENT_PROVIDER_RUST) &&
		     event->dw1 == dw1 && event->dw2 == number;

	if (!it_is)
		complain("dw0 %#x dw1 %u dw2 %u dw3 %#x instead of a provider's %u, number %u",
			 event->dw0, event->dw1, event->dw2, event->dw3, dw1, number);
	return it_is;
}

unsigned long long provider_newest(int fd)
{
	struct nvme_event_info info = { .size = sizeof(info) };

	return ioctl(fd, NVME_EVENT_IOCTL_INFO, &info) ? ~0ULL : info.provider_newest;
}

int provider_offer(int fd, unsigned int count, unsigned int number)
{
	int error = provider_set("post", count);

	return error ?: wait_until(provider_newest(fd) == number) ? 0 : -ETIMEDOUT;
}

bool provider_stays(const char *file, int value)
{
	usleep(QUIET_MS * 1000);
	return provider_get(file) == value;
}
