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

int slot_pull(const struct controller *controller, const char *port)
{
	char command[96], output[96], path[96];
	int status;

	snprintf(command, sizeof(command), "setpci -s %s CAP_EXP+18.w=0700:0700", port);
	status = run(command, output, sizeof(output));
	if (status)
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

int slot_plug(struct controller *controller)
{
	long long end_ms = now_ms() + SLOT_MS;
	unsigned long long posted;

	if (!wait_until(plug_in() == 0))
		return -ETIMEDOUT;
	while (now_ms() < end_ms) {
		controller_refresh(controller);
		/* Its file in debugfs is the last of what probe makes. */
		if (controller->path[0] && !controller_value(controller, "posted", &posted))
			return 0;
		usleep(50000);
	}
	return -ETIMEDOUT;
}
