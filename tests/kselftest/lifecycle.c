// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load, unload, bind, unbind: what appears, what goes, and what an open file has
 * to do with it: nothing but keeping the module.
 */
#include "kselftest_harness.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/module.h"
#include "lib/trace.h"
#include "lib/util.h"

/* Fewer on the debug kernel, where each takes seconds. */
#define CYCLES (50 / patience())

FIXTURE(lifecycle)
{
	struct controller controller;
};

FIXTURE_SETUP(lifecycle)
{
	ASSERT_EQ(0, module_ensure_unloaded());
	ASSERT_EQ(0, module_load(""));
	ASSERT_EQ(0, controller_find(&self->controller, 0));
	ASSERT_EQ(0, event_clear(&self->controller));
}

FIXTURE_TEARDOWN(lifecycle)
{
	EXPECT_EQ(0, event_clear(&self->controller));
	EXPECT_EQ(0, module_ensure_unloaded());
}

/* Whether anything in /dev, sysfs, debugfs or /proc tells of a bound controller. */
static bool traces_are_left(void)
{
	char interrupts[16384];

	return path_exists("/dev/nvme0") || path_exists("/sys/class/nvme/nvme0") ||
	       path_exists("/sys/kernel/debug/" MODULE "/nvme0") ||
	       read_file("/proc/interrupts", interrupts, sizeof(interrupts)) ||
	       strstr(interrupts, MODULE);
}

/* Whether the function may access memory, by its Command register. */
static bool is_bus_master(const struct controller *controller)
{
	unsigned char command = 0;
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", controller->address);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &command, 1, 4) != 1)
		complain("%s cannot be read", path);
	close(fd);
	return command & 0x4;
}

TEST_F(lifecycle, node_is_where_clients_look_for_it)
{
	char link[256], place[128], number[32], expected[32];
	ssize_t length;
	struct stat node;

	EXPECT_STREQ("nvme0", self->controller.node);
	EXPECT_STREQ("nvme", self->controller.class);
	ASSERT_EQ(0, stat("/dev/nvme0", &node));
	EXPECT_EQ(S_IFCHR | 0600, node.st_mode);
	EXPECT_EQ(0, node.st_uid);

	ASSERT_EQ(0, read_file("/sys/class/nvme/nvme0/dev", number, sizeof(number)));
	snprintf(expected, sizeof(expected), "%u:%u\n", major(node.st_rdev), minor(node.st_rdev));
	EXPECT_STREQ(expected, number);

	length = readlink("/sys/class/nvme/nvme0", link, sizeof(link) - 1);
	ASSERT_LT(0, length);
	link[length] = '\0';
	snprintf(place, sizeof(place), "/%s/nvme/nvme0", self->controller.address);
	ASSERT_LE(strlen(place), strlen(link));
	EXPECT_STREQ(place, link + length - strlen(place));
}

TEST_F(lifecycle, open_file_keeps_the_module)
{
	struct nvme_event event;
	char output[256];
	int fd;

	fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, fd);
	/* delete_module() says so with EWOULDBLOCK, rmmod does not even ask. */
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	EXPECT_NE(0, run("rmmod " MODULE " 2>&1", output, sizeof(output)));
	EXPECT_NE(NULL, strstr(output, "in use"));

	/* The attempt has done no harm. */
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, event_read(fd, &event));
	EXPECT_EQ(1, event.dw2);

	close(fd);
	EXPECT_EQ(0, module_unload());
	EXPECT_FALSE(module_is_loaded());
}

TEST_F(lifecycle, unload_leaves_nothing)
{
	char devices[8192];

	EXPECT_TRUE(is_bus_master(&self->controller));
	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	ASSERT_EQ(0, module_unload());
	EXPECT_FALSE(traces_are_left());
	EXPECT_FALSE(path_exists("/sys/class/nvme"));
	EXPECT_FALSE(path_exists("/sys/kernel/debug/" MODULE));
	EXPECT_FALSE(path_exists("/sys/bus/pci/drivers/" MODULE));
	ASSERT_EQ(0, read_file("/proc/devices", devices, sizeof(devices)));
	EXPECT_EQ(NULL, strstr(devices, "nvme"));
	/* And the controller is kept from memory. */
	EXPECT_FALSE(is_bus_master(&self->controller));
}

TEST_F_TIMEOUT(lifecycle, loads_again_and_again, 300)
{
	struct nvme_event event;
	int i;
	int fd;

	for (i = 0; i < CYCLES; i++) {
		ASSERT_EQ(0, module_unload());
		ASSERT_EQ(0, module_load(""));
	}
	controller_refresh(&self->controller);
	EXPECT_STREQ("nvme0", self->controller.node);
	fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, event_read(fd, &event));
	EXPECT_EQ(1, event.dw2);
	close(fd);
}

TEST_F_TIMEOUT(lifecycle, binds_again_and_again, 300)
{
	struct nvme_event event;
	int i;
	int fd;

	for (i = 0; i < CYCLES; i++) {
		ASSERT_EQ(0, controller_unbind(&self->controller));
		EXPECT_FALSE(traces_are_left());
		ASSERT_EQ(0, controller_bind(&self->controller));
		EXPECT_STREQ("nvme0", self->controller.node);
		fd = controller_open(&self->controller, O_RDONLY);
		ASSERT_LE(0, fd);
		/* In the middle of whatever it does about an event, every other time. */
		if (i % 2)
			ASSERT_EQ(0, event_warn(&self->controller, i % 4 < 2 ? 4 : 0));
		close(fd);
	}
	ASSERT_EQ(0, event_clear(&self->controller));
	fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, event_read(fd, &event));
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
	close(fd);
}

/* So that the drive loses nothing when power goes next. */
TEST_F(lifecycle, unbinding_shuts_the_controller_down)
{
	struct trace trace;

	ASSERT_EQ(0, trace_enable("pci_nvme_mmio_shutdown_set"));
	ASSERT_EQ(0, trace_start(&trace));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	EXPECT_EQ(1, trace_count(&trace, "*pci_nvme_mmio_shutdown_set*"));
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_F(lifecycle, open_file_outlives_its_controller)
{
	struct pollfd pollfd = { .events = POLLIN };
	struct nvme_event event;
	unsigned int number;
	int fd, successor;

	fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(0, controller_bind(&self->controller));
	EXPECT_STREQ("nvme0", self->controller.node);
	successor = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, successor);
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));

	/* The old file has what came before, and the end, and nothing of the new one. */
	for (number = 1; number <= 3; number++) {
		ASSERT_EQ(0, event_read(fd, &event));
		EXPECT_EQ(number, event.dw2);
		EXPECT_EQ(number == 3 ? EVENT_REMOVED : EVENT_RELIABILITY, event.dw0);
	}
	EXPECT_EQ(-ENODEV, event_read(fd, &event));
	pollfd.fd = fd;
	EXPECT_EQ(1, poll(&pollfd, 1, 0));
	EXPECT_EQ(POLLHUP | POLLERR, pollfd.revents);
	EXPECT_EQ(0, close(fd));

	ASSERT_EQ(0, event_read(successor, &event));
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
	EXPECT_EQ(1, event.dw2);
	EXPECT_EQ(0, close(successor));
	EXPECT_EQ(0, module_unload());
}

TEST_F(lifecycle, unbind_waits_for_nobody)
{
	struct nvme_event event;
	struct read_call parameters = { -1, &event, sizeof(event) };
	struct call call;
	int fd;

	fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, fd);
	parameters.fd = fd;
	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(sizeof(event), call.result);
	EXPECT_EQ(EVENT_REMOVED, event.dw0);
	EXPECT_EQ(-ENODEV, event_read(fd, &event));
	close(fd);
}

/* devtmpfs takes /dev/nvme0 away; somebody else may still have such a node. */
TEST_F(lifecycle, stale_node_opens_nothing)
{
	struct stat node;
	int fd;

	ASSERT_EQ(0, stat("/dev/nvme0", &node));
	unlink("/tmp/stale");
	ASSERT_EQ(0, mknod("/tmp/stale", S_IFCHR | 0600, node.st_rdev));
	fd = open("/tmp/stale", O_RDONLY);
	EXPECT_LE(0, fd);
	close(fd);

	ASSERT_EQ(0, controller_unbind(&self->controller));
	EXPECT_EQ(-1, open("/tmp/stale", O_RDONLY));
	EXPECT_EQ(ENXIO, errno);
	unlink("/tmp/stale");
}

TEST_HARNESS_MAIN
