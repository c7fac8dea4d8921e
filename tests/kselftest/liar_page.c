// SPDX-License-Identifier: GPL-2.0-only
/* Log pages of events that QEMU's controller does not have, or answers at once. */
#include "kselftest_harness.h"

#include <linux/nvme_event.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/liar.h"
#include "lib/util.h"

#define EVENT_TELEMETRY		0x00080202
#define PAGE_SMART		0x02
#define PAGE_TELEMETRY		0x08
#define MANY_EVENTS		300

FIXTURE(page)
{
	struct liar liar;
	int fd;
};

FIXTURE_SETUP(page)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
	ASSERT_EQ(0, liar_bind(&self->liar));
	self->fd = self->liar.node;
}

FIXTURE_TEARDOWN(page)
{
	EXPECT_EQ(0, liar_end(&self->liar));
}

static int read_log_page(int fd, unsigned char page)
{
	unsigned char *data = pages_new(4096, 0);
	struct nvme_passthru_cmd64 command = {
		.opcode = ADMIN_GET_LOG_PAGE, .nsid = 0xffffffff, DATA(data, 512),
		.cdw10 = (512 / 4 - 1) << 16 | page,
	};
	int result = passthru(fd, NVME_IOCTL_ADMIN64_CMD, &command);

	pages_free(data, 4096);
	return result;
}

/* With event_storm_limit=1000000, and all else as it is by default: a page for each event. */
TEST_F(page, pages_are_kept_as_long_as_their_records)
{
	struct liar *liar = &self->liar;
	unsigned int i;

	for (i = 1; i <= MANY_EVENTS; i++) {
		ASSERT_EQ(0, liar_report(liar, EVENT_TEMPERATURE));
		ASSERT_TRUE(wait_until(controller_captured(&liar->controller) == i));
	}
	ASSERT_EQ(MANY_EVENTS * 512, liar_value(liar, "snapshot_bytes"));
	for (i = 1; i <= MANY_EVENTS; i++)
		ASSERT_EQ(512, event_fetch(self->fd, i, NVME_EVENT_FETCH_NOWAIT));
}

TEST_F(page, telemetry_is_kept_whole)
{
	struct liar *liar = &self->liar;

	ASSERT_EQ(0, liar_report(liar, EVENT_TELEMETRY));
	EXPECT_TRUE(event_is(self->fd, EVENT_TELEMETRY));
	EXPECT_TRUE(wait_until(controller_captured(&liar->controller) == 1));
	EXPECT_EQ(5 * 512, liar_value(liar, "snapshot_bytes"));
	/* And released. */
	ASSERT_EQ(0, liar_report(liar, EVENT_TELEMETRY));
	EXPECT_TRUE(event_is(self->fd, EVENT_TELEMETRY));
}

/* 32 MiB, it says: more than event_snapshot_bytes. It stays latched until a client has read it. */
TEST_F(page, telemetry_of_absurd_length_stays_latched)
{
	struct liar *liar = &self->liar;
	unsigned int before = liar_log_pages_read(liar);

	ASSERT_EQ(0, lie(liar, LIE_TELEMETRY_BLOCKS, 0xffff));
	ASSERT_EQ(0, liar_report(liar, EVENT_TELEMETRY));
	EXPECT_TRUE(event_is(self->fd, EVENT_TELEMETRY));
	EXPECT_TRUE(wait_until(controller_captured(&liar->controller) == 1));
	EXPECT_EQ(512, liar_value(liar, "snapshot_bytes"));
	EXPECT_EQ(before + 1, liar_log_pages_read(liar));
	EXPECT_TRUE(log_has(&liar->log, "left latched"));

	ASSERT_EQ(0, liar_report(liar, EVENT_TELEMETRY));
	EXPECT_TRUE(event_quiet(self->fd));
	EXPECT_EQ(0, read_log_page(self->fd, PAGE_TELEMETRY));
	EXPECT_TRUE(event_is(self->fd, EVENT_TELEMETRY));
}

TEST_F(page, a_log_page_that_fails_is_counted)
{
	struct liar *liar = &self->liar;

	ASSERT_EQ(0, lie(liar, LIE_LOG_FAILS, 2));
	ASSERT_EQ(0, liar_report(liar, EVENT_TEMPERATURE));
	EXPECT_TRUE(event_is(self->fd, EVENT_TEMPERATURE));
	EXPECT_TRUE(wait_until(liar_value(liar, "captures_failed") == 1));
	EXPECT_TRUE(log_has(&liar->log, "log page 0x02 could not be read"));
	EXPECT_EQ(-ENODATA, event_fetch(self->fd, 1, 0));
	EXPECT_EQ(0, liar_serves(liar));
}

static long call_fetch(void *argument)
{
	struct liar *liar = argument;
	long kept = event_fetch(liar->node, 1, 0);

	errno = kept < 0 ? -kept : 0;
	return kept;
}

/* The very moments between the Get Log Page of an event and its completion. */
TEST_F(page, a_fetch_waits_while_the_page_is_read)
{
	struct liar *liar = &self->liar;
	unsigned int before = liar_log_pages_read(liar);
	struct call call;
	int status;
	pid_t child;

	ASSERT_EQ(0, lie(liar, LIE_LOG_WAITS, PAGE_SMART));
	ASSERT_EQ(0, liar_report(liar, EVENT_TEMPERATURE));
	EXPECT_TRUE(event_is(self->fd, EVENT_TEMPERATURE));
	ASSERT_TRUE(wait_until(liar_answer(liar, QUESTION_WAITING) == 1));
	EXPECT_EQ(-EAGAIN, event_fetch(self->fd, 1, NVME_EVENT_FETCH_NOWAIT));

	/* One who waits can be killed. */
	child = fork();
	ASSERT_LE(0, child);
	if (child == 0)
		_exit(event_fetch(self->fd, 1, 0) < 0);
	ASSERT_EQ(0, call_start(&call, call_fetch, liar));
	ASSERT_TRUE(call_blocks_in(&call, SYS_ioctl));
	usleep(QUIET_MS * 1000);
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_TRUE(wait_until(waitpid(child, &status, WNOHANG) == child));
	EXPECT_TRUE(WIFSIGNALED(status));

	/* Nobody has read the page in their place. */
	EXPECT_FALSE(call.returned);
	EXPECT_EQ(1, liar_answer(liar, QUESTION_WAITING));
	EXPECT_EQ(before + 1, liar_log_pages_read(liar));
	EXPECT_EQ(-EAGAIN, event_fetch(self->fd, 1, NVME_EVENT_FETCH_NOWAIT));

	ASSERT_EQ(0, lie(liar, LIE_LOG_WAITS, 0));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(512, call.result);
	EXPECT_EQ(512, event_fetch(self->fd, 1, NVME_EVENT_FETCH_NOWAIT));
	EXPECT_EQ(before + 1, liar_log_pages_read(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

/* It is reset instead. */
TEST_F(page, a_fetch_ends_when_the_page_cannot_be_read_any_more)
{
	struct liar *liar = &self->liar;
	struct call call;

	ASSERT_EQ(0, lie(liar, LIE_LOG_WAITS, PAGE_SMART));
	ASSERT_EQ(0, liar_report(liar, EVENT_TEMPERATURE));
	EXPECT_TRUE(event_is(self->fd, EVENT_TEMPERATURE));
	ASSERT_TRUE(wait_until(liar_answer(liar, QUESTION_WAITING) == 1));
	ASSERT_EQ(0, call_start(&call, call_fetch, liar));
	ASSERT_TRUE(call_blocks_in(&call, SYS_ioctl));
	EXPECT_EQ(0, liar_reset(liar));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(-ENODATA, call.result);
	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

TEST_HARNESS_MAIN
