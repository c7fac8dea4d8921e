// SPDX-License-Identifier: GPL-2.0-only
/* What udev is told: the same as by the in-tree driver. */
#include "kselftest_harness.h"

#include <linux/nvme_ioctl.h>
#include <sys/ioctl.h>

#include "lib/event.h"
#include "lib/uevent.h"
#include "lib/util.h"

FIXTURE(uevent)
{
	struct controller controller;
	int socket;
	int fd;
};

FIXTURE_SETUP(uevent)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	self->socket = uevents_open();
	ASSERT_LE(0, self->socket);
}

FIXTURE_TEARDOWN(uevent)
{
	close(self->socket);
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_F(uevent, a_warning_is_told_with_its_dword)
{
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_SPARE));
	EXPECT_TRUE(uevent_arrives(self->socket, self->controller.node, "NVME_AEN=0x020201"));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	EXPECT_TRUE(uevent_arrives(self->socket, self->controller.node, "NVME_AEN=0x020101"));
}

TEST_F(uevent, a_reset_ends_with_connected)
{
	EXPECT_EQ(0, ioctl(self->fd, NVME_IOCTL_RESET));
	EXPECT_TRUE(uevent_arrives(self->socket, self->controller.node, "NVME_EVENT=connected"));
}

TEST_F(uevent, a_new_binding_ends_with_connected)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	EXPECT_TRUE(uevent_arrives(self->socket, self->controller.node, "NVME_EVENT=connected"));
}

TEST_HARNESS_MAIN
