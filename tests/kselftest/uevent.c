// SPDX-License-Identifier: GPL-2.0-only
/* What udev is told: the same as by the in-tree driver. */
#include "kselftest_harness.h"

#include <linux/netlink.h>
#include <linux/nvme_ioctl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/event.h"
#include "lib/util.h"

FIXTURE(uevent)
{
	struct controller controller;
	int socket;
	int fd;
};

FIXTURE_SETUP(uevent)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };

	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	self->socket = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	ASSERT_LE(0, self->socket);
	ASSERT_EQ(0, bind(self->socket, (struct sockaddr *)&address, sizeof(address)));
}

FIXTURE_TEARDOWN(uevent)
{
	close(self->socket);
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
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

/* Waits for a change uevent of the node that carries @variable. */
static bool arrives(int socket, const char *node, const char *variable)
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

TEST_F(uevent, a_warning_is_told_with_its_dword)
{
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_SPARE));
	EXPECT_TRUE(arrives(self->socket, self->controller.node, "NVME_AEN=0x020201"));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	EXPECT_TRUE(arrives(self->socket, self->controller.node, "NVME_AEN=0x020101"));
}

TEST_F(uevent, a_reset_ends_with_connected)
{
	EXPECT_EQ(0, ioctl(self->fd, NVME_IOCTL_RESET));
	EXPECT_TRUE(arrives(self->socket, self->controller.node, "NVME_EVENT=connected"));
}

TEST_F(uevent, a_new_binding_ends_with_connected)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	EXPECT_TRUE(arrives(self->socket, self->controller.node, "NVME_EVENT=connected"));
}

TEST_HARNESS_MAIN
