// SPDX-License-Identifier: GPL-2.0-only
/*
 * A controller that reported an event says no more of that class until its log
 * page was read with Retain Asynchronous Event clear. The driver does that,
 * nobody else here.
 */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/trace.h"
#include "lib/util.h"

#define EVENTS 10

#define ANY_LOG_PAGE "pci_nvme_get_log *"
/* Read when the controller starts, without releasing anything. */
#define EFFECTS_LOG_RETAINED "pci_nvme_get_log * lid 0x5 * rae 0x1 *"
#define SMART_LOG_RELEASED "pci_nvme_get_log * lid 0x2 * rae 0x0 *"
#define NAMESPACE_LOG_RELEASED "pci_nvme_get_log * lid 0x4 * rae 0x0 *"
#define EVENT_CONFIGURATION "pci_nvme_setfeat * fid 0xb *"

FIXTURE(rearm)
{
	struct controller controller;
	struct trace trace;
	int fd;
};

FIXTURE_SETUP(rearm)
{
	ASSERT_EQ(0, namespaces_restore());
	ASSERT_EQ(0, trace_enable("pci_nvme_get_log"));
	ASSERT_EQ(0, trace_enable("pci_nvme_setfeat"));
	ASSERT_EQ(0, trace_start(&self->trace));
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(rearm)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
	EXPECT_EQ(0, namespaces_restore());
}

static int pages_read_for_events(struct trace *trace)
{
	return trace_count(trace, ANY_LOG_PAGE) - trace_count(trace, EFFECTS_LOG_RETAINED);
}

TEST_F(rearm, lets_every_event_of_a_class_arrive)
{
	struct nvme_event event;
	unsigned int number;

	for (number = 1; number <= EVENTS; number++) {
		ASSERT_EQ(0, event_raise_many(&self->controller, 1));
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
		EXPECT_EQ(number, event.dw2);
	}
	EXPECT_EQ(EVENTS, trace_count(&self->trace, SMART_LOG_RELEASED));
	EXPECT_EQ(EVENTS, pages_read_for_events(&self->trace));
}

TEST_F(rearm, works_with_no_file_open)
{
	struct nvme_event event;

	close(self->fd);
	ASSERT_EQ(0, event_raise_many(&self->controller, 3));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(4, event.dw2);
	EXPECT_EQ(4, trace_count(&self->trace, SMART_LOG_RELEASED));
}

TEST_F(rearm, lets_every_namespace_notice_arrive)
{
	struct nvme_event event;
	unsigned int number;

	for (number = 1; number <= 4; number++) {
		bool there = number % 2 == 0;

		ASSERT_EQ(0, (there ? namespace_add : namespace_remove)(&self->controller, 2));
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(EVENT_NAMESPACE, event.dw0);
		EXPECT_EQ(number, event.dw2);
	}
	EXPECT_EQ(4, trace_count(&self->trace, NAMESPACE_LOG_RELEASED));
	EXPECT_EQ(4, pages_read_for_events(&self->trace));
}

/* A log page read without need would take an event from somebody. */
TEST_F(rearm, reads_no_log_page_without_an_event)
{
	usleep(QUIET_MS * 1000);
	EXPECT_EQ(0, pages_read_for_events(&self->trace));
}

/*
 * All that this controller has: the five critical warnings, and the changed
 * namespace attribute, which Identify Controller advertises.
 */
TEST_F(rearm, follows_the_enabling_of_all_classes)
{
	EXPECT_EQ(1, trace_count(&self->trace, EVENT_CONFIGURATION));
	EXPECT_EQ(1, trace_count(&self->trace, EVENT_CONFIGURATION "cdw11 0x11f"));
}

TEST_HARNESS_MAIN
