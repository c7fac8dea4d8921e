// SPDX-License-Identifier: GPL-2.0-only
/* Which events a file shows. */
#include "kselftest_harness.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/util.h"

#define ENTRIES 16	/* of the ring in the test of losses */
#define SMART 1
#define NOTICE 2
#define RELIABILITY (1U << 0)
#define TEMPERATURE (1U << 1)

FIXTURE(filter)
{
	struct controller controller;
	int fd;
};

FIXTURE_SETUP(filter)
{
	ASSERT_EQ(0, namespaces_restore());
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(filter)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
	EXPECT_EQ(0, namespaces_restore());
}

static struct nvme_event_filter everything(void)
{
	struct nvme_event_filter filter;

	memset(&filter, 0xff, sizeof(filter));
	filter.size = sizeof(filter);
	filter.flags = filter.reserved = 0;
	return filter;
}

static int show(int fd, struct nvme_event_filter filter)
{
	return ioctl(fd, NVME_EVENT_IOCTL_FILTER, &filter) ? -errno : 0;
}

/* Only SMART events with this information. */
static int show_smart(int fd, unsigned int information)
{
	struct nvme_event_filter filter = { .size = sizeof(filter) };

	filter.controller[SMART] = information;
	return show(fd, filter);
}

static bool readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLIN;
}

TEST_F(filter, structs_are_checked_and_nothing_is_changed)
{
	struct nvme_event_filter bad = { .size = sizeof(bad), .reserved = 1 };

	EXPECT_EQ(-EINVAL, show(self->fd, bad));
	bad.reserved = 0;
	bad.flags = 1;
	EXPECT_EQ(-EINVAL, show(self->fd, bad));
	bad.flags = 0;
	bad.size++;
	EXPECT_EQ(-EINVAL, show(self->fd, bad));
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_FILTER, bad_address()));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_SPARE));
	EXPECT_TRUE(readable(self->fd));
}

TEST_F(filter, by_type_information_and_source)
{
	struct nvme_event_filter filter = everything();
	struct nvme_event event;

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	ASSERT_EQ(0, namespace_remove(&self->controller, 2));
	ASSERT_EQ(0, controller_unbind(&self->controller));

	/* By information. */
	ASSERT_EQ(0, show_smart(self->fd, TEMPERATURE));
	ASSERT_EQ(16, lseek(self->fd, 16, SEEK_SET));
	ASSERT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EVENT_TEMPERATURE, event.dw0);
	EXPECT_EQ(2, event.dw2);
	EXPECT_EQ(0, NVME_EVENT_LOST(event.dw3));
	EXPECT_EQ(-1, read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(ENODEV, errno);

	/* By type. */
	filter.controller[SMART] = 0;
	ASSERT_EQ(0, show(self->fd, filter));
	ASSERT_EQ(16, lseek(self->fd, 16, SEEK_SET));
	ASSERT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EVENT_NAMESPACE, event.dw0);
	ASSERT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EVENT_REMOVED, event.dw0);

	/* By source: only what the driver says. */
	memset(filter.controller, 0, sizeof(filter.controller));
	ASSERT_EQ(0, show(self->fd, filter));
	ASSERT_EQ(16, lseek(self->fd, 16, SEEK_SET));
	ASSERT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EVENT_REMOVED, event.dw0);
	filter.lifecycle = 1U << NVME_EVENT_RESET_STARTED;
	ASSERT_EQ(0, show(self->fd, filter));
	ASSERT_EQ(16, lseek(self->fd, 16, SEEK_SET));
	EXPECT_EQ(-1, read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_F(filter, polls_and_positional_reads_pass_over_what_is_hidden)
{
	struct nvme_event events[4];

	ASSERT_EQ(0, show_smart(self->fd, TEMPERATURE));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_FALSE(readable(self->fd));
	EXPECT_EQ(-1, read(self->fd, events, sizeof(events)));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-1, pread(self->fd, events, sizeof(events), 16));
	EXPECT_EQ(EAGAIN, errno);

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	EXPECT_TRUE(readable(self->fd));
	ASSERT_EQ(2 * sizeof(*events), pread(self->fd, events, sizeof(events), 16));
	EXPECT_EQ(2, events[0].dw2);
	EXPECT_EQ(4, events[1].dw2);
	memset(events, 0, sizeof(events));
	ASSERT_EQ(2 * sizeof(*events), read(self->fd, events, sizeof(events)));
	EXPECT_EQ(2, events[0].dw2);
	EXPECT_EQ(4, events[1].dw2);
	EXPECT_FALSE(readable(self->fd));
}

TEST_F(filter, a_read_sleeps_through_what_is_hidden)
{
	struct nvme_event event;
	struct read_call parameters = { self->fd, &event, sizeof(event) };
	struct call call;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, 0));
	ASSERT_EQ(0, show_smart(self->fd, TEMPERATURE));
	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	ASSERT_EQ(0, event_raise_many(&self->controller, 3));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	EXPECT_FALSE(call.returned);
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(sizeof(event), call.result);
	EXPECT_EQ(4, event.dw2);
}

TEST_F(filter, changed_in_the_middle_it_counts_from_there)
{
	struct nvme_event event;

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(1, event.dw2);
	ASSERT_EQ(0, show_smart(self->fd, RELIABILITY));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(3, event.dw2);
	/* What was not passed over yet is shown again. */
	ASSERT_EQ(0, show(self->fd, everything()));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(4, event.dw2);
	/* What was is not, unless the reader goes back. */
	ASSERT_EQ(32, lseek(self->fd, 32, SEEK_SET));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(2, event.dw2);
}

TEST_F(filter, widening_it_wakes_who_waits)
{
	struct pollfd wait = { .fd = self->fd, .events = POLLIN };

	ASSERT_EQ(0, show_smart(self->fd, TEMPERATURE));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_EQ(0, poll(&wait, 1, QUIET_MS));
	ASSERT_EQ(0, show(self->fd, everything()));
	EXPECT_EQ(1, poll(&wait, 1, LIMIT_MS));
}

TEST_F(filter, is_one_for_each_file)
{
	int other = controller_open(&self->controller, O_RDONLY);
	struct nvme_event event;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, show_smart(self->fd, TEMPERATURE));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_FALSE(readable(self->fd));
	ASSERT_EQ(0, event_read(other, &event));
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
	close(other);
}

/* Run with event_ring_entries=16: what is overwritten counts, hidden or not. */
TEST_F(filter, losses_are_counted_whatever_it_hides)
{
	struct nvme_event_info info = { .size = sizeof(info) };
	struct nvme_event event;
	unsigned int i;

	ASSERT_EQ(0, show_smart(self->fd, TEMPERATURE));
	for (i = 0; i < ENTRIES + 8; i++)
		ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_INFO, &info));
	ASSERT_EQ(9, info.oldest) {
		TH_LOG("to be run with event_ring_entries=16");
	}
	/*
	 * All that is left is hidden. The loss is told with the next that is not, and that
	 * somebody asks where the file stands changes nothing.
	 */
	EXPECT_FALSE(readable(self->fd));
	EXPECT_EQ(-1, read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ((ENTRIES + 9) * sizeof(event), lseek(self->fd, 0, SEEK_CUR));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_TEMPERATURE, event.dw0);
	EXPECT_EQ(ENTRIES + 9, event.dw2);
	EXPECT_EQ(8, NVME_EVENT_LOST(event.dw3));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(0, NVME_EVENT_LOST(event.dw3));
}

TEST_HARNESS_MAIN
