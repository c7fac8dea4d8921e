// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "event.h"
#include "qmp.h"
#include "util.h"

/*
 * Between two events of a class. The driver takes more than 16 in a second for
 * a storm. It may see the first of 17 as late as the second is raised: 15 of
 * these are more than a second.
 */
#define PACE_MS 70

/* How many the controller has, in the machines where tests take them away. */
#define NAMESPACES 2

int event_warn(const struct controller *controller, unsigned int warning)
{
	return qmp("qom-set", "'path': '/machine/peripheral/nvme%u', "
		   "'property': 'smart_critical_warning', 'value': %u",
		   controller->index, warning);
}

int event_clear(const struct controller *controller)
{
	return event_warn(controller, 0);
}

static int wait_for_capture(const struct controller *controller, unsigned long long posted)
{
	if (wait_until(controller_captured(controller) > posted))
		return 0;
	complain("%s: no log page of event %llu was read in %d ms", controller->node, posted + 1,
		 LIMIT_MS);
	return -ETIMEDOUT;
}

int event_raise(const struct controller *controller, unsigned int warning)
{
	static long long last_ms;
	unsigned long long posted;
	int error;

	while (now_ms() < last_ms + PACE_MS)
		usleep(1000);
	last_ms = now_ms();
	error = controller_value(controller, "posted", &posted);
	error = error ?: event_clear(controller);
	error = error ?: event_warn(controller, warning);
	return error ?: wait_for_capture(controller, posted);
}

int event_raise_many(const struct controller *controller, unsigned int count)
{
	int error = 0;

	while (!error && count--)
		error = event_raise(controller, WARNING_RELIABILITY);
	return error;
}

int namespace_remove(const struct controller *controller, unsigned int nsid)
{
	unsigned long long posted;
	int error;

	error = controller_value(controller, "posted", &posted);
	error = error ?: qmp("device_del", "'id': 'ns%u'", nsid);
	return error ?: wait_for_capture(controller, posted);
}

static int namespace_plug(unsigned int nsid)
{
	char reply[4096] = "";

	/* QEMU keeps the disk of a device for a while after that is gone. */
	if (wait_until(qmp_ask(reply, sizeof(reply), "device_add",
			       "'driver': 'nvme-ns', 'id': 'ns%u', 'bus': 'nvme0', "
			       "'drive': 'disk-ns%u', 'nsid': %u", nsid, nsid, nsid) == 0))
		return 0;
	complain("namespace %u cannot be given back: %s", nsid, reply);
	return -EREMOTEIO;
}

int namespace_add(const struct controller *controller, unsigned int nsid)
{
	unsigned long long posted;
	int error;

	error = controller_value(controller, "posted", &posted);
	error = error ?: namespace_plug(nsid);
	return error ?: wait_for_capture(controller, posted);
}

int namespaces_restore(void)
{
	char there[4096], name[16];
	unsigned int nsid;
	int error;

	error = qmp_ask(there, sizeof(there), "qom-list", "'path': '/machine/peripheral'");
	for (nsid = 1; nsid <= NAMESPACES && !error; nsid++) {
		snprintf(name, sizeof(name), "\"ns%u\"", nsid);
		if (!strstr(there, name))
			error = namespace_plug(nsid);
	}
	return error;
}

int event_read(int fd, struct nvme_event *event)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	ssize_t length;

	memset(event, 0, sizeof(*event));
	if (poll(&readable, 1, LIMIT_MS) == 0) {
		complain("no event in %d ms", LIMIT_MS);
		return -ETIMEDOUT;
	}
	length = read(fd, event, sizeof(*event));
	if (length < 0)
		return -errno;
	return length == sizeof(*event) ? 0 : -EMSGSIZE;
}

bool event_quiet(int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	return poll(&readable, 1, QUIET_MS) == 0;
}

int event_read_now(int fd, struct nvme_event *event)
{
	int flags = fcntl(fd, F_GETFL);
	ssize_t length;

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	length = read(fd, event, sizeof(*event));
	length = length < 0 ? -errno : length;
	fcntl(fd, F_SETFL, flags);
	return length;
}

int event_poll_now(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) < 0 ? -errno : poll_fd.revents;
}

bool event_is(int fd, unsigned int dw0)
{
	struct nvme_event event;

	if (event_read(fd, &event))
		return false;
	if (event.dw0 == dw0)
		return true;
	complain("dw0 %#x instead of %#x", event.dw0, dw0);
	return false;
}

long event_fetch(int fd, unsigned long long number, unsigned int flags)
{
	struct nvme_event_fetch fetch = { .size = sizeof(fetch), .flags = flags, .number = number };

	return ioctl(fd, NVME_EVENT_IOCTL_FETCH, &fetch) ? -errno : (long)fetch.kept;
}

bool event_says(int fd, unsigned int code)
{
	struct nvme_event event;
	int error = event_read(fd, &event);

	if (error)
		return false;
	if (event.dw0 == code << 8 && event.dw3 == DW3_LIFECYCLE)
		return true;
	complain("dw0 %#x dw3 %#x instead of %#x of the driver", event.dw0, event.dw3, code << 8);
	return false;
}

int event_mode(int fd, unsigned int reading, int other)
{
	struct nvme_event_mode mode = { .size = sizeof(mode), .reading = reading, .fd = other };

	return ioctl(fd, NVME_EVENT_IOCTL_MODE, &mode) ? -errno : 0;
}

int event_claim(int fd)
{
	struct nvme_event_info info = { .size = sizeof(info) };

	return ioctl(fd, NVME_EVENT_IOCTL_INFO, &info) ? -errno : (int)info.claim;
}
