// SPDX-License-Identifier: GPL-2.0-only
/* A controller that goes away under its readers, announced or not, and comes back. */
#include "kselftest_harness.h"

#include <poll.h>
#include <sys/syscall.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/qmp.h"
#include "lib/util.h"

#define READERS 4

/* The least that a controller that is there is given to shut down. */
#define SHUTDOWN_MS 5000

/* pciehp gives the user five seconds to think again, and the slot some to power up. */
#define SLOT_MS (20000 * patience())

FIXTURE(hotplug)
{
	struct controller controller;
	char port[16];		/* of the PCI bridge above */
	int fd;
};

static bool is_there(const char *address)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
	return path_exists(path);
}

/* A controller that comes has a node before the driver is done with it; its file in debugfs is last. */
static bool wait_for(struct controller *controller, bool there)
{
	long long end_ms = now_ms() + SLOT_MS;
	unsigned long long posted;

	while (now_ms() < end_ms) {
		controller_refresh(controller);
		if (is_there(controller->address) == there && !!controller->path[0] == there &&
		    (!there || controller_value(controller, "posted", &posted) == 0))
			return true;
		usleep(50000);
	}
	complain("%s is %sthere after %d ms", controller->address, there ? "not " : "", SLOT_MS);
	return false;
}

FIXTURE_SETUP(hotplug)
{
	char path[64], target[256];
	ssize_t length;
	char *end;

	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", self->controller.address);
	length = readlink(path, target, sizeof(target) - 1);
	ASSERT_LT(0, length);
	target[length] = '\0';
	/* .../<port>/<controller> */
	end = strrchr(target, '/');
	ASSERT_NE(NULL, end);
	*end = '\0';
	snprintf(self->port, sizeof(self->port), "%s", strrchr(target, '/') + 1);
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(hotplug)
{
	close(self->fd);
}

static int slot_control(const char *port, const char *value_and_mask)
{
	char command[96], output[96];

	snprintf(command, sizeof(command), "setpci -s %s CAP_EXP+18.w=%s", port, value_and_mask);
	return run(command, output, sizeof(output));
}

/* Reads until the stream has ended; the errno, and in @last what came before. */
static int drain(int fd, struct nvme_event *last)
{
	struct nvme_event event;

	while (read(fd, &event, sizeof(event)) == sizeof(event))
		*last = event;
	return errno;
}

static void expect_end(struct __test_metadata *_metadata, int fd)
{
	struct pollfd file = { .fd = fd, .events = POLLIN };
	struct nvme_event last = {};

	EXPECT_EQ(ENODEV, drain(fd, &last));
	EXPECT_EQ(EVENT_REMOVED, last.dw0);
	EXPECT_EQ(1, poll(&file, 1, 0));
	EXPECT_EQ(POLLHUP | POLLERR, file.revents);
}

TEST_F_TIMEOUT(hotplug, orderly_removal_under_blocked_readers_and_replug, 90)
{
	struct read_call parameters[READERS];
	struct nvme_event events[READERS];
	struct call calls[READERS];
	int i;

	for (i = 0; i < READERS; i++) {
		int fd = controller_open(&self->controller, O_RDONLY);

		ASSERT_LE(0, fd);
		parameters[i] = (struct read_call){ fd, &events[i], sizeof(events[i]) };
		ASSERT_EQ(0, call_start(&calls[i], call_read, &parameters[i]));
		ASSERT_TRUE(call_blocks_in(&calls[i], SYS_read));
	}
	ASSERT_EQ(0, qmp("device_del", "'id': 'nvme0'"));
	ASSERT_TRUE(wait_for(&self->controller, false));
	for (i = 0; i < READERS; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(sizeof(events[i]), calls[i].result);
		EXPECT_EQ(EVENT_REMOVED, events[i].dw0);
		close(parameters[i].fd);
	}
	expect_end(_metadata, self->fd);

	/* The old file is still open: it does not keep the name. */
	ASSERT_TRUE(wait_until(qmp("device_add", "'driver': 'nvme', 'id': 'nvme0', "
				   "'bus': 'rp0', 'serial': 'again'") == 0));
	ASSERT_TRUE(wait_for(&self->controller, true));
	EXPECT_STREQ("nvme0", self->controller.node);
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_EQ(-1, read(self->fd, &events[0], sizeof(events[0])));
	EXPECT_EQ(ENODEV, errno);
}

/*
 * The slot loses power without a word: registers do not answer any more. The
 * driver finds out by itself, says so, and lets go without delay when told.
 */
TEST_F_TIMEOUT(hotplug, surprise_removal_is_noticed_and_survived, 90)
{
	struct nvme_event event;
	char path[64];
	long long start_ms;

	ASSERT_EQ(0, slot_control(self->port, "0700:0700"));
	do {
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(DW3_LIFECYCLE, event.dw3);
	} while (event.dw0 != NVME_EVENT_RESET_FAILED << 8 &&
		 event.dw0 != NVME_EVENT_FATAL_STATUS << 8);

	start_ms = now_ms();
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", self->controller.address);
	ASSERT_EQ(0, write_file(path, "1"));
	EXPECT_GT(SHUTDOWN_MS, now_ms() - start_ms);
	expect_end(_metadata, self->fd);
	EXPECT_FALSE(path_exists("/dev/nvme0"));
}

TEST_HARNESS_MAIN
