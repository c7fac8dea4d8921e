// SPDX-License-Identifier: GPL-2.0-only
/*
 * A class that fires all the time. Doorbells of queues that do not exist make
 * QEMU report an error each time they are written; the machine must be booted
 * with iomem=relaxed for a program to reach them.
 */
#include "kselftest_harness.h"

#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/event.h"
#include "lib/util.h"

#define EVENT_INVALID_DOORBELL	0x00010000
#define CLASS_ERROR		0x00010000
#define STORM_EVENTS		17	/* within a second */
#define KNOCKS			200	/* enough for that on a machine that stands still now and then */
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
	bool reliability = false, unmasked = false;
	struct nvme_event event = {};
	unsigned long long masked;
	long long knocked_ms[KNOCKS], at_once_ms;
	int i, errors = 0;

	/*
	 * No further than to the mask: QEMU keeps what it cannot report, and
	 * drops other events when it has kept enough.
	 */
	for (i = 0; i < KNOCKS && event.dw0 != EVENT_CLASS_MASKED; i++) {
		knocked_ms[i] = now_ms();
		*self->doorbell = 1;
		usleep(3000);
		while (event.dw0 != EVENT_CLASS_MASKED &&
		       read(self->fd, &event, sizeof(event)) > 0)
			errors += event.dw0 == EVENT_INVALID_DOORBELL;
	}
	ASSERT_EQ(EVENT_CLASS_MASKED, event.dw0);
	EXPECT_EQ(CLASS_ERROR, event.dw1);
	EXPECT_EQ(DW3_LIFECYCLE, event.dw3);
	/* More only if they took longer than a second. */
	ASSERT_LE(STORM_EVENTS, errors);
	EXPECT_TRUE(errors == STORM_EVENTS || now_ms() - knocked_ms[0] > 1000) {
		TH_LOG("%d errors", errors);
	}
	/* As many knocks were needed for that, so it was not masked before this one. */
	at_once_ms = knocked_ms[errors - 1];
	ASSERT_EQ(0, controller_value(&self->controller, "classes_masked", &masked));
	EXPECT_TRUE(masked == 1 || now_ms() - at_once_ms >= 1000);

	/* Other classes are not concerned. */
	ASSERT_EQ(0, event_warn(&self->controller, WARNING_RELIABILITY));
	while (!reliability || !unmasked) {
		ASSERT_EQ(0, event_read(self->fd, &event));
		switch (event.dw0) {
		case EVENT_RELIABILITY:
			reliability = true;
			break;
		case EVENT_CLASS_UNMASKED:
			unmasked = true;
			EXPECT_EQ(CLASS_ERROR, event.dw1);
			EXPECT_LE(1000, now_ms() - at_once_ms);
			break;
		default:
			/* What was kept comes after that. */
			EXPECT_EQ(EVENT_INVALID_DOORBELL, event.dw0);
			EXPECT_TRUE(unmasked);
		}
	}

	/* What happened meanwhile is not reported, what happens now is. */
	usleep(QUIET_MS * 1000);
	while (read(self->fd, &event, sizeof(event)) > 0)
		;
	*self->doorbell = 1;
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_INVALID_DOORBELL, event.dw0);
}

#define SECOND_NS	1000000000ULL

/* When an event happened, by the driver's clock; 0: it does not say. */
static unsigned long long time_of(int fd, const struct nvme_event *event)
{
	struct nvme_event_fetch fetch = { .size = sizeof(fetch), .number = event->dw2 };

	return ioctl(fd, NVME_EVENT_IOCTL_FETCH, &fetch) ? 0 : fetch.time_ns;
}

/* Records are a little younger than what they tell of. */
#define ABOUT(ns) ((ns) - (ns) / 8)

/* How long a pause was to be: a second, two, four, .... It ends a little late. */
static unsigned long long meant(unsigned long long pause_ns)
{
	unsigned long long ns = SECOND_NS;

	while (ABOUT(2 * ns) <= pause_ns)
		ns *= 2;
	return ns;
}

/* A storm that goes on is masked for 1 s, 2 s, 4 s, by the driver's clock; how soon we see it does not matter. */
TEST_F_TIMEOUT(storm, pauses_get_longer, 60)
{
	unsigned long long masked_ns = 0, pause_ns = 0, pause_end_ns = 0, unmasked_ns;
	long long end_ms = now_ms() + 2 * LIMIT_MS;
	unsigned int longer = 0;
	struct nvme_event event;

	/* Twice in succession: a machine that stands still in between has to begin anew. */
	while (longer < 2 && now_ms() < end_ms) {
		*self->doorbell = 1;
		usleep(3000);
		while (read(self->fd, &event, sizeof(event)) > 0) {
			if (event.dw0 == EVENT_CLASS_MASKED) {
				masked_ns = time_of(self->fd, &event);
				/* Right after the last pause: within as long a time. */
				longer = pause_ns && masked_ns - pause_end_ns < ABOUT(pause_ns) ? longer + 1 : 0;
			} else if (event.dw0 == EVENT_CLASS_UNMASKED) {
				unmasked_ns = time_of(self->fd, &event);
				EXPECT_LE(ABOUT(longer ? 2 * pause_ns : SECOND_NS), unmasked_ns - masked_ns);
				pause_ns = meant(unmasked_ns - masked_ns);
				pause_end_ns = masked_ns + pause_ns;
			}
		}
	}
	EXPECT_EQ(2, longer);
}

TEST_HARNESS_MAIN
