// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "qmp.h"
#include "slot.h"
#include "util.h"

/* The slot takes some time to power up. */
#define SLOT_MS (30000 * patience())

/* In configuration space. */
#define FIRST_CAPABILITY	0x34
#define EXPRESS_CAPABILITY	0x10
#define SLOT_CONTROL		0x18	/* of that capability */
#define POWER_OFF		0x0700	/* and its indicator */

int slot_port(const struct controller *controller, char *port, size_t size)
{
	char path[64], target[256];
	ssize_t length;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", controller->address);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return -errno;
	target[length] = '\0';
	/* .../<port>/<controller> */
	snprintf(port, size, "%s", basename(dirname(target)));
	return 0;
}

/* Where the PCI Express capability is in a configuration space; 0: nowhere. */
static unsigned char express_capability(int config)
{
	unsigned char at = 0, header[2];

	pread(config, &at, 1, FIRST_CAPABILITY);
	while (at && pread(config, header, sizeof(header), at) == sizeof(header)) {
		if (header[0] == EXPRESS_CAPABILITY)
			return at;
		at = header[1];
	}
	return 0;
}

int slot_power_off(const char *port)
{
	unsigned short control = 0;
	unsigned char at;
	char path[64];
	int config, error = 0;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", port);
	config = open(path, O_RDWR | O_CLOEXEC);
	if (config < 0)
		return -errno;
	at = express_capability(config);
	if (!at || pread(config, &control, sizeof(control), at + SLOT_CONTROL) != sizeof(control))
		error = -EIO;
	control |= POWER_OFF;
	if (!error && pwrite(config, &control, sizeof(control), at + SLOT_CONTROL) != sizeof(control))
		error = -errno;
	close(config);
	return error;
}

int slot_pull(const struct controller *controller, const char *port)
{
	char path[96];

	if (slot_power_off(port))
		return -EIO;
	/* The driver notices by itself; only then is Linux told. */
	usleep(1500000);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", controller->address);
	return path_exists(path) ? write_file(path, "1") : 0;
}

/* Its namespace has stayed in the subsystem. QEMU unplugs what has no power any more. */
static int plug_in(void)
{
	char reply[1024];

	return qmp_ask(reply, sizeof(reply), "device_add", "'driver': 'nvme', 'id': 'nvme0', "
		       "'bus': 'rp0', 'serial': 'NVMERS0', 'subsys': 'subsys0'");
}

int slot_await(struct controller *controller)
{
	long long end_ms = now_ms() + SLOT_MS;
	unsigned long long posted;

	while (now_ms() < end_ms) {
		controller_refresh(controller);
		/* Its file in debugfs is the last of what probe makes. */
		if (controller->path[0] && !controller_value(controller, "posted", &posted))
			return 0;
		usleep(50000);
	}
	return -ETIMEDOUT;
}

int slot_plug(struct controller *controller)
{
	return wait_until(plug_in() == 0) ? slot_await(controller) : -ETIMEDOUT;
}
