// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events whose log page was not read yet. To be run with event_storm_limit=1:
 * after the second event of a class within a second, its log page is left alone
 * for a second. If that is over before the test has come to its point, it tries
 * again: each time the pause is twice as long.
 */
#include "kselftest_harness.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/passthru.h"
#include "lib/util.h"

#define SMART_BYTES 512
#define EVENT_CLASS_MASKED (NVME_EVENT_CLASS_MASKED << 8)
#define ATTEMPTS 6

FIXTURE(pending)
{
	struct controller controller;
	unsigned char page[SMART_BYTES];
	struct nvme_event_fetch fetch;
	unsigned int number;	/* of the event whose page is not read */
	int fd;
};

static int fetch_page_of(FIXTURE_DATA(pending) *self, unsigned int number)
{
	self->fetch = (struct nvme_event_fetch){
		.size = sizeof(self->fetch), .number = number,
		.buffer = (uintptr_t)self->page, .buffer_bytes = SMART_BYTES,
	};
	return ioctl(self->fd, NVME_EVENT_IOCTL_FETCH, &self->fetch) ? -errno : 0;
}

/* Events until one of them masks its class, whose log page it was. */
static void mask(struct __test_metadata *_metadata, FIXTURE_DATA(pending) *self)
{
	struct nvme_event event = {};
	int i;

	/* Two within a second, even if the machine stands still for a while. */
	for (i = 0; i < 10 && event.dw0 != EVENT_CLASS_MASKED; i++) {
		/* The class is not reported again before its page was read. */
		ASSERT_TRUE(!self->number || fetch_page_of(self, self->number) == 0);
		ASSERT_EQ(0, event_clear(&self->controller));
		ASSERT_EQ(0, event_warn(&self->controller, WARNING_SPARE));
		do {
			ASSERT_EQ(0, event_read(self->fd, &event));
		} while (event.dw0 != EVENT_SPARE);
		self->number = event.dw2;
		/* Its page is read, or there is a record that says why not. */
		ASSERT_TRUE(wait_until(event_poll_now(self->fd) == POLLIN ||
				       controller_captured(&self->controller) >= self->number));
		if (event_poll_now(self->fd) == POLLIN)
			ASSERT_EQ(0, event_read(self->fd, &event));
	}
	ASSERT_EQ(EVENT_CLASS_MASKED, event.dw0);
}

FIXTURE_SETUP(pending)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	self->number = 0;
}

FIXTURE_TEARDOWN(pending)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

static long call_fetch(void *argument)
{
	FIXTURE_DATA(pending) *self = argument;
	long result = fetch_page_of(self, self->number);

	errno = -result;
	return result;
}

TEST_F_TIMEOUT(pending, a_fetch_waits_for_the_page, 60)
{
	struct nvme_event_info info = {};
	struct nvme_event_fetch now;
	int attempt, result = 0;

	for (attempt = 0; attempt < ATTEMPTS && info.classes_masked == 0; attempt++) {
		mask(_metadata, self);
		now = (struct nvme_event_fetch){
			.size = sizeof(now), .flags = NVME_EVENT_FETCH_NOWAIT, .number = self->number,
		};
		result = ioctl(self->fd, NVME_EVENT_IOCTL_FETCH, &now) ? -errno : 0;
		/* If it still is, it was. */
		info = (struct nvme_event_info){ .size = sizeof(info) };
		ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_INFO, &info));
	}
	EXPECT_EQ(1, info.classes_masked);
	EXPECT_EQ(1 << 1, info.types_masked);
	EXPECT_EQ(-EAGAIN, result);

	ASSERT_EQ(0, fetch_page_of(self, self->number));
	EXPECT_EQ(SMART_BYTES, self->fetch.copied);
	EXPECT_EQ(WARNING_SPARE, self->page[0]);
	/* After the pause. */
	EXPECT_LT(900000000ULL, self->fetch.captured_ns - self->fetch.time_ns);
	EXPECT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_FETCH, &now));
}

/*
 * What a fetch that waits returns if @end happens meanwhile; not 0, unless the
 * page is read instead each time.
 */
static int fetch_until(struct __test_metadata *_metadata, FIXTURE_DATA(pending) *self,
		       int (*end)(FIXTURE_DATA(pending) *self, struct call *call))
{
	struct call call = {};
	int attempt;

	for (attempt = 0; attempt < ATTEMPTS && call.result == 0; attempt++) {
		mask(_metadata, self);
		ASSERT_EQ(0, call_start(&call, call_fetch, self)) {
			return 0;
		}
		if (call_blocks_in(&call, SYS_ioctl))
			EXPECT_EQ(0, end(self, &call));
		ASSERT_EQ(0, call_finish(&call)) {
			return 0;
		}
	}
	return call.result;
}

static void ignore(int number)
{
	(void)number;
}

static int signal_it(FIXTURE_DATA(pending) *self __attribute__((unused)), struct call *call)
{
	return call_signal(call, SIGUSR1);
}

TEST_F_TIMEOUT(pending, a_fetch_that_waits_ends_with_a_signal, 60)
{
	struct sigaction action = { .sa_handler = ignore };

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	EXPECT_EQ(-EINTR, fetch_until(_metadata, self, signal_it));
}

static int reset(FIXTURE_DATA(pending) *self, struct call *call __attribute__((unused)))
{
	return ioctl(self->fd, NVME_IOCTL_RESET) ? -errno : 0;
}

TEST_F_TIMEOUT(pending, a_reset_controller_has_no_page_for_it, 60)
{
	EXPECT_EQ(-ENODATA, fetch_until(_metadata, self, reset));
}

static int unbind(FIXTURE_DATA(pending) *self, struct call *call __attribute__((unused)))
{
	return controller_unbind(&self->controller);
}

TEST_F_TIMEOUT(pending, one_that_is_gone_neither, 60)
{
	EXPECT_EQ(-ENODATA, fetch_until(_metadata, self, unbind));
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_HARNESS_MAIN
