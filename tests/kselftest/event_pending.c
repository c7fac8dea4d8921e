// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events whose log page was not read yet. To be run with event_storm_limit=1:
 * after the second event of a class within a second, its log page is left alone
 * for a second.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/passthru.h"
#include "lib/util.h"

#define SMART_BYTES 512
#define EVENT_CLASS_MASKED (NVME_EVENT_CLASS_MASKED << 8)

FIXTURE(pending)
{
	struct controller controller;
	unsigned char page[SMART_BYTES];
	struct nvme_event_fetch fetch;
	unsigned int number;	/* of the event whose page is not read */
	int fd;
};

FIXTURE_SETUP(pending)
{
	struct nvme_event event = {};
	int i;

	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	/* Two within a second, even if the machine stands still for a while. */
	for (i = 0; i < 10 && event.dw0 != EVENT_CLASS_MASKED; i++) {
		ASSERT_EQ(0, event_clear(&self->controller));
		ASSERT_EQ(0, event_warn(&self->controller, WARNING_SPARE));
		do {
			ASSERT_EQ(0, event_read(self->fd, &event));
		} while (event.dw0 != EVENT_SPARE);
		self->number = event.dw2;
		if (i == 0) {
			self->fetch = (struct nvme_event_fetch){
				.size = sizeof(self->fetch), .number = 1,
			};
			ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_FETCH, &self->fetch));
		} else if (!event_quiet(self->fd)) {
			ASSERT_EQ(0, event_read(self->fd, &event));
		}
	}
	ASSERT_EQ(EVENT_CLASS_MASKED, event.dw0);
	self->fetch = (struct nvme_event_fetch){
		.size = sizeof(self->fetch), .number = self->number,
		.buffer = (uintptr_t)self->page, .buffer_bytes = SMART_BYTES,
	};
}

FIXTURE_TEARDOWN(pending)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

static long call_fetch(void *argument)
{
	FIXTURE_DATA(pending) *self = argument;

	return ioctl(self->fd, NVME_EVENT_IOCTL_FETCH, &self->fetch);
}

TEST_F(pending, a_fetch_waits_for_the_page)
{
	struct nvme_event_info info = { .size = sizeof(info) };
	struct nvme_event_fetch now = self->fetch;

	now.flags = NVME_EVENT_FETCH_NOWAIT;
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_FETCH, &now));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_INFO, &info));
	EXPECT_EQ(1, info.classes_masked);
	EXPECT_EQ(1 << 1, info.types_masked);

	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_FETCH, &self->fetch));
	EXPECT_EQ(SMART_BYTES, self->fetch.copied);
	EXPECT_EQ(WARNING_SPARE, self->page[0]);
	EXPECT_LT(100000000ULL, self->fetch.captured_ns - self->fetch.time_ns);
	EXPECT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_FETCH, &now));
}

static void ignore(int number)
{
	(void)number;
}

TEST_F(pending, a_fetch_that_waits_ends_with_a_signal)
{
	struct sigaction action = { .sa_handler = ignore };
	struct call call;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, call_start(&call, call_fetch, self));
	ASSERT_TRUE(call_blocks_in(&call, SYS_ioctl));
	ASSERT_EQ(0, call_signal(&call, SIGUSR1));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(-1, call.result);
	EXPECT_EQ(EINTR, call.error);
}

TEST_F(pending, a_reset_controller_has_no_page_for_it)
{
	struct call call;

	ASSERT_EQ(0, call_start(&call, call_fetch, self));
	ASSERT_TRUE(call_blocks_in(&call, SYS_ioctl));
	ASSERT_EQ(0, ioctl(self->fd, NVME_IOCTL_RESET));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(-1, call.result);
	EXPECT_EQ(ENODATA, call.error);
}

TEST_F(pending, one_that_is_gone_neither)
{
	struct call call;

	ASSERT_EQ(0, call_start(&call, call_fetch, self));
	ASSERT_TRUE(call_blocks_in(&call, SYS_ioctl));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(-1, call.result);
	EXPECT_EQ(ENODATA, call.error);
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_HARNESS_MAIN
