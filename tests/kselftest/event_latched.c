// SPDX-License-Identifier: GPL-2.0-only
/*
 * A log page which is longer than may be kept: the controller says no more of
 * that class until somebody is done with the page. With event_snapshot_bytes=256
 * that is the SMART log.
 */
#include "kselftest_harness.h"

#include <sys/ioctl.h>

#include "lib/event.h"
#include "lib/passthru.h"
#include "lib/util.h"

#define SMART_BYTES 512

FIXTURE(latched)
{
	struct controller controller;
	int fd;
};

FIXTURE_SETUP(latched)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(latched)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

static int warn_again(const struct controller *controller)
{
	return event_clear(controller) ?: event_warn(controller, WARNING_RELIABILITY);
}

TEST_F(latched, a_class_stays_so_until_it_is_acknowledged)
{
	struct nvme_event_fetch fetch = { .size = sizeof(fetch), .number = 1 };
	struct nvme_event_ack ack = { .size = sizeof(ack), .number = 1 };
	unsigned char page[SMART_BYTES];
	struct nvme_event event;

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, event_read(self->fd, &event));
	fetch.buffer = (uintptr_t)page;
	fetch.buffer_bytes = sizeof(page);
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_FETCH, &fetch));
	EXPECT_EQ(0x02, fetch.log_page);
	EXPECT_EQ(SMART_BYTES, fetch.length);
	EXPECT_EQ(0, fetch.kept);
	EXPECT_EQ(0, fetch.copied);

	ASSERT_EQ(0, warn_again(&self->controller));
	EXPECT_TRUE(event_quiet(self->fd));
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_ACK, &ack));
	/* QEMU drops what came meanwhile. */
	if (event_quiet(self->fd))
		ASSERT_EQ(0, warn_again(&self->controller));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
	EXPECT_EQ(2, event.dw2);
}

TEST_F(latched, a_client_that_reads_the_page_ends_it_as_well)
{
	unsigned char *page = pages_new(4096, 0);
	struct nvme_passthru_cmd64 get = {
		.opcode = ADMIN_GET_LOG_PAGE, .nsid = 0xffffffff, .cdw10 = 0x02 | 127 << 16,
		DATA(page, SMART_BYTES),
	};
	struct nvme_event event;

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(0, passthru(self->fd, NVME_IOCTL_ADMIN64_CMD, &get));
	EXPECT_EQ(WARNING_RELIABILITY, page[0]);
	ASSERT_EQ(0, warn_again(&self->controller));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(2, event.dw2);
	pages_free(page, 4096);
}

TEST_HARNESS_MAIN
