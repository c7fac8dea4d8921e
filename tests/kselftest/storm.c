// SPDX-License-Identifier: GPL-2.0-only
/*
 * A class that fires all the time. Doorbells of queues that do not exist make
 * QEMU report an error each time they are written; the machine must be booted
 * with iomem=relaxed for a program to reach them.
 */
#include "kselftest_harness.h"

#include <sys/mman.h>

#include "lib/event.h"
#include "lib/util.h"

#define EVENT_INVALID_DOORBELL	0x00010000
#define CLASS_ERROR		0x00010000
#define EVENT_CLASS_MASKED	(NVME_EVENT_CLASS_MASKED << 8)
#define EVENT_CLASS_UNMASKED	(NVME_EVENT_CLASS_UNMASKED << 8)

/* The submission doorbell of queue 100. */
#define NO_DOORBELL	(0x1000 + 8 * 100)
#define BAR_SIZE	0x4000

FIXTURE(storm)
{
	struct controller controller;
	volatile __u32 *doorbell;
	void *bar;
	int fd;
};

FIXTURE_SETUP(storm)
{
	char path[80];
	int bar;

	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0",
		 self->controller.address);
	bar = open(path, O_RDWR);
	ASSERT_LE(0, bar);
	self->bar = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, bar, 0);
	ASSERT_NE(MAP_FAILED, self->bar);
	close(bar);
	self->doorbell = self->bar + NO_DOORBELL;
	self->fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(storm)
{
	munmap(self->bar, BAR_SIZE);
	close(self->fd);
	/* Longer than the pause of a class that the test left masked. */
	EXPECT_EQ(0, event_clear(&self->controller));
}

/* Writes to the doorbell every few milliseconds. */
static void knock(volatile __u32 *doorbell, unsigned int duration_ms)
{
	long long end_ms = now_ms() + duration_ms;

	while (now_ms() < end_ms) {
		*doorbell = 1;
		usleep(3000);
	}
}

TEST_F(storm, an_error_now_and_then_is_only_reported)
{
	struct nvme_event event;
	int i;

	for (i = 0; i < 10; i++) {
		*self->doorbell = 1;
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(EVENT_INVALID_DOORBELL, event.dw0);
		EXPECT_EQ(NVME_EVENT_DW3_PAYLOAD, event.dw3);
		usleep(120000);
	}
	EXPECT_TRUE(event_quiet(self->fd));
}

TEST_F(storm, is_masked_announced_and_ended)
{
	struct nvme_event event = {};
	bool reliability = false;
	unsigned long long masked;
	int i, errors = 0;
	long long masked_ms;

	/*
	 * No further than to the mask: QEMU keeps what it cannot report, and
	 * drops other events when it has kept enough.
	 */
	for (i = 0; i < 200 && event.dw0 != EVENT_CLASS_MASKED; i++) {
		*self->doorbell = 1;
		usleep(3000);
		while (event.dw0 != EVENT_CLASS_MASKED &&
		       read(self->fd, &event, sizeof(event)) > 0)
			errors += event.dw0 == EVENT_INVALID_DOORBELL;
	}
	EXPECT_EQ(17, errors);
	EXPECT_EQ(EVENT_CLASS_MASKED, event.dw0);
	EXPECT_EQ(CLASS_ERROR, event.dw1);
	EXPECT_EQ(DW3_LIFECYCLE, event.dw3);
	masked_ms = now_ms();
	ASSERT_EQ(0, controller_value(&self->controller, "classes_masked", &masked));
	EXPECT_EQ(1, masked);

	/* Other classes are not concerned. */
	ASSERT_EQ(0, event_warn(&self->controller, WARNING_RELIABILITY));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, event_read(self->fd, &event));
		if (event.dw0 == EVENT_RELIABILITY) {
			reliability = true;
			continue;
		}
		EXPECT_EQ(EVENT_CLASS_UNMASKED, event.dw0);
		EXPECT_EQ(CLASS_ERROR, event.dw1);
		/* It was masked a little before we read of it. */
		EXPECT_LT(300, now_ms() - masked_ms);
	}
	EXPECT_TRUE(reliability);

	/* What happened meanwhile is not reported, what happens now is. */
	usleep(QUIET_MS * 1000);
	while (read(self->fd, &event, sizeof(event)) > 0)
		;
	*self->doorbell = 1;
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_INVALID_DOORBELL, event.dw0);
}

/* A storm that goes on is masked for 1 s, 2 s and so on. */
TEST_F_TIMEOUT(storm, pauses_get_longer, 60)
{
	unsigned int masks = 0, events = 0;
	struct nvme_event event;

	knock(self->doorbell, 8000);
	while (read(self->fd, &event, sizeof(event)) > 0) {
		masks += event.dw0 == EVENT_CLASS_MASKED;
		events += event.dw0 == EVENT_INVALID_DOORBELL;
	}
	/* At 0, 1 + 1 and 1 + 1 + 2 + 1 s, give or take; never once a second. */
	EXPECT_LE(2, masks);
	EXPECT_GE(4, masks);
	EXPECT_GE(17 * (masks + 1), events);
}

TEST_HARNESS_MAIN
