// SPDX-License-Identifier: GPL-2.0-only
/* Events that QEMU's controller does not have. */
#include "kselftest_harness.h"

#include <linux/nvme_event.h>

#include "lib/event.h"
#include "lib/liar.h"
#include "lib/uevent.h"
#include "lib/util.h"

#define EVENT_ACTIVATION	0x00030102

FIXTURE(event)
{
	struct liar liar;
	int fd;
};

FIXTURE_SETUP(event)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
	ASSERT_EQ(0, liar_bind(&self->liar));
	self->fd = self->liar.node;
}

FIXTURE_TEARDOWN(event)
{
	EXPECT_EQ(0, liar_end(&self->liar));
}

/* How many such lifecycle records the stream has, from its beginning on. */
static unsigned int stream_count(const struct liar *liar, unsigned int lifecycle)
{
	int fd = controller_open(&liar->controller, O_RDONLY | O_NONBLOCK);
	struct nvme_event event;
	unsigned int count = 0;

	if (fd < 0)
		return -1;
	lseek(fd, 0, SEEK_SET);
	while (read(fd, &event, sizeof(event)) == sizeof(event))
		count += NVME_EVENT_SOURCE(event.dw3) == NVME_EVENT_SOURCE_LIFECYCLE &&
			 event.dw0 == lifecycle << 8;
	close(fd);
	return count;
}

/*
 * While firmware is activated the controller processes nothing. The driver
 * waits, then reads the log page of the event.
 */
TEST_F(event, firmware_activation_is_waited_for)
{
	struct liar *liar = &self->liar;
	long long start_ms = now_ms();
	unsigned int before = liar_log_pages_read(liar);

	ASSERT_EQ(0, lie(liar, LIE_ACTIVATES, 1500));
	EXPECT_TRUE(event_is(self->fd, EVENT_ACTIVATION));
	EXPECT_TRUE(liar_is(liar, "live"));
	EXPECT_EQ(-EAGAIN, event_fetch(self->fd, 1, NVME_EVENT_FETCH_NOWAIT));
	EXPECT_GT(1500, now_ms() - start_ms);
	EXPECT_EQ(512, event_fetch(self->fd, 1, 0));
	EXPECT_LE(1500, now_ms() - start_ms);
	/* Whoever sends a command now has to wait as well. */
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_LE(1500, now_ms() - start_ms);
	EXPECT_TRUE(wait_until(controller_captured(&liar->controller) == 1));
	EXPECT_LT(before, liar_log_pages_read(liar));
	EXPECT_FALSE(liar_stream_has(liar, NVME_EVENT_RESET_STARTED));
	EXPECT_FALSE(liar_stream_has(liar, NVME_EVENT_COMMAND_TIMED_OUT));
	EXPECT_EQ(0, liar_informs(liar));

	/* The class is armed again. */
	ASSERT_EQ(0, lie(liar, LIE_ACTIVATES, 1));
	EXPECT_TRUE(event_is(self->fd, EVENT_TEMPERATURE));
	EXPECT_TRUE(event_is(self->fd, EVENT_ACTIVATION));
}

/* It names two seconds, MTFA, and takes longer. */
TEST_F(event, firmware_activation_that_does_not_end_is_reset)
{
	struct liar *liar = &self->liar;
	long long start_ms = now_ms();

	ASSERT_EQ(0, lie(liar, LIE_ACTIVATES, 0));
	EXPECT_TRUE(event_is(self->fd, EVENT_ACTIVATION));
	EXPECT_TRUE(event_is(self->fd, NVME_EVENT_RESET_STARTED << 8));
	EXPECT_LE(1900, now_ms() - start_ms);
	EXPECT_TRUE(event_is(self->fd, NVME_EVENT_RESET_SUCCEEDED << 8));
	EXPECT_TRUE(log_has(&liar->log, "firmware activation did not end"));
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

/* The controller says from now on that the activation takes so long, in units of 100 ms: MTFA. */
static void set_activation_time(struct __test_metadata *_metadata, FIXTURE_DATA(event) *self, unsigned int time)
{
	ASSERT_EQ(0, lie(&self->liar, LIE_ACTIVATION_TIME, time));
	ASSERT_EQ(0, liar_reset(&self->liar));
	EXPECT_TRUE(event_says(self->fd, NVME_EVENT_RESET_STARTED));
	EXPECT_TRUE(event_says(self->fd, NVME_EVENT_RESET_SUCCEEDED));
}

/* What the controller has not begun is not aborted, late as it is, and nothing is reset. */
TEST_F_TIMEOUT(event, firmware_activation_delays_commands, 60)
{
	struct liar *liar = &self->liar;
	unsigned char block[512];
	struct nvme_passthru_cmd64 read = {
		.opcode = IO_READ, .nsid = 1, BLOCKS(0, 1), DATA(block, sizeof(block)), .timeout_ms = 500,
	};
	struct passthru nodes;
	unsigned int resets;

	set_activation_time(_metadata, self, 600);
	ASSERT_EQ(0, passthru_open(&nodes, 1));
	resets = liar_answer(liar, QUESTION_RESETS);
	/* The driver looks for late commands once a second, and resets five seconds after an Abort. */
	ASSERT_EQ(0, lie(liar, LIE_ACTIVATES, 8000));
	EXPECT_TRUE(event_is(self->fd, EVENT_ACTIVATION));
	EXPECT_EQ(0, passthru(nodes.ns, NVME_IOCTL_IO64_CMD, &read));
	EXPECT_EQ(0, liar_answer(liar, QUESTION_ADMIN_COMMANDS + ADMIN_ABORT));
	EXPECT_EQ(resets, liar_answer(liar, QUESTION_RESETS));
	EXPECT_TRUE(event_quiet(self->fd));
	passthru_close(&nodes);
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

/* Longer than a test may take. */
#define ACTIVATION_TIME_LONG	6000

TEST_F_TIMEOUT(event, firmware_activation_does_not_keep_a_controller_bound, 60)
{
	struct liar *liar = &self->liar;
	long long start_ms;

	set_activation_time(_metadata, self, ACTIVATION_TIME_LONG);
	ASSERT_EQ(0, lie(liar, LIE_ACTIVATES, 0));
	EXPECT_TRUE(event_is(self->fd, EVENT_ACTIVATION));
	/* The driver waits. */
	usleep(QUIET_MS * 1000);
	start_ms = now_ms();
	EXPECT_EQ(0, liar_unbind(liar));
	EXPECT_GT(LIAR_LET_GO_MS, now_ms() - start_ms);
	EXPECT_FALSE(log_has(&liar->log, "firmware activation did not end"));

	ASSERT_EQ(0, truth(liar));
	ASSERT_EQ(0, liar_bind(liar));
	EXPECT_EQ(0, liar_serves(liar));
}

/* What the record says the driver acts on it acts on, whatever log page the event names. */
TEST_F(event, firmware_activation_without_a_log_page_is_waited_for)
{
	struct liar *liar = &self->liar;
	struct nvme_event event;

	ASSERT_EQ(0, lie(liar, LIE_ACTIVATES, NO_LOG_PAGE));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_ACTIVATION & 0xffff, event.dw0);
	EXPECT_TRUE(event.dw3 & NVME_EVENT_DW3_HANDLED);
	EXPECT_TRUE(event_is(self->fd, NVME_EVENT_RESET_STARTED << 8));
	EXPECT_TRUE(event_is(self->fd, NVME_EVENT_RESET_SUCCEEDED << 8));
	EXPECT_TRUE(log_has(&liar->log, "firmware activation did not end"));
	EXPECT_EQ(0, liar_informs(liar));
}

TEST_F(event, namespaces_that_change_without_a_log_page_are_looked_for)
{
	struct liar *liar = &self->liar;
	struct nvme_event event;

	EXPECT_FALSE(controller_has_namespace(&liar->controller, 2));
	ASSERT_EQ(0, lie(liar, LIE_COMMAND_SET, 9));
	ASSERT_EQ(0, liar_report(liar, EVENT_NAMESPACE & 0xffff));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_NAMESPACE & 0xffff, event.dw0);
	EXPECT_TRUE(event.dw3 & NVME_EVENT_DW3_HANDLED);
	EXPECT_TRUE(wait_until(controller_has_namespace(&liar->controller, 2)));

	/* And with one. */
	ASSERT_EQ(0, truth(liar));
	ASSERT_EQ(0, liar_report(liar, EVENT_NAMESPACE));
	EXPECT_TRUE(event_is(self->fd, EVENT_NAMESPACE));
	EXPECT_TRUE(wait_until(!controller_has_namespace(&liar->controller, 2)));
	EXPECT_EQ(0, liar_informs(liar));
}

TEST_F(event, more_completions_than_requests)
{
	struct liar *liar = &self->liar;
	struct nvme_event event;
	unsigned int i;

	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, lie(liar, LIE_EVENT_AGAIN, 5));
		ASSERT_EQ(0, liar_report(liar, EVENT_TEMPERATURE));
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(EVENT_TEMPERATURE, event.dw0);
		EXPECT_EQ(i, event.dw2);
		EXPECT_TRUE(wait_until(controller_captured(&liar->controller) == i));
		EXPECT_EQ(5 * i, liar_value(liar, "unknown_completions"));
		EXPECT_EQ(4, liar_value(liar, "aers_outstanding"));
	}
	EXPECT_EQ(4, liar_answer(liar, QUESTION_EVENT_REQUESTS));
	EXPECT_TRUE(event_quiet(self->fd));
	EXPECT_TRUE(log_has(&liar->log, "that is not outstanding"));
	EXPECT_EQ(0, liar_serves(liar));
}

/* A record of whatever it is. */
FIXTURE(kind)
{
	struct liar liar;
};

FIXTURE_VARIANT(kind)
{
	__u32 dw0;
	bool page_fails;
};

FIXTURE_VARIANT_ADD(kind, of_a_reserved_type) { 0x00000005, false };
FIXTURE_VARIANT_ADD(kind, of_an_immediate_type) { 0x00000003, false };
FIXTURE_VARIANT_ADD(kind, of_a_one_shot_type) { 0x00000004, false };
FIXTURE_VARIANT_ADD(kind, with_reserved_information) { 0x0000ff00, false };
FIXTURE_VARIANT_ADD(kind, with_reserved_bits) { 0xff0000f8, false };
FIXTURE_VARIANT_ADD(kind, with_a_page_nobody_has) { 0x00ee0102, true };
FIXTURE_VARIANT_ADD(kind, of_ones) { 0xffffffff, true };
FIXTURE_VARIANT_ADD(kind, of_zeros) { 0x00000000, false };

FIXTURE_SETUP(kind)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
	ASSERT_EQ(0, liar_bind(&self->liar));
}

FIXTURE_TEARDOWN(kind)
{
	EXPECT_EQ(0, liar_end(&self->liar));
}

TEST_F(kind, is_a_record)
{
	struct liar *liar = &self->liar;
	struct nvme_event event;

	ASSERT_EQ(0, liar_report(liar, variant->dw0));
	ASSERT_EQ(0, event_read(liar->node, &event));
	EXPECT_EQ(variant->dw0, event.dw0);
	EXPECT_EQ(NVME_EVENT_SOURCE_CONTROLLER, NVME_EVENT_SOURCE(event.dw3));
	if (variant->page_fails)
		EXPECT_TRUE(wait_until(liar_value(liar, "captures_failed") == 1));
	EXPECT_EQ(0, liar_informs(liar));
	EXPECT_EQ(variant->page_fails, log_has(&liar->log, "could not be read"));
	EXPECT_TRUE(wait_until(liar_value(liar, "aers_outstanding") == 4));
	EXPECT_TRUE(liar_is(liar, "live"));
}

/* Requests that fail as soon as they are sent again. */
TEST_F(event, requests_that_fail_are_given_up)
{
	struct liar *liar = &self->liar;
	unsigned int before = liar_answer(liar, QUESTION_ADMIN_COMMANDS + ADMIN_EVENT_REQUEST);
	unsigned int i;

	ASSERT_EQ(0, lie(liar, LIE_EVENT_STATUS, 6));
	for (i = 0; i < 4; i++) {
		/* Of no page, so that the next is not masked. */
		ASSERT_EQ(0, liar_report(liar, 0x00000101));
		EXPECT_TRUE(event_is(self->fd, 0x00000101));
	}
	EXPECT_TRUE(wait_until(liar_stream_has(liar, NVME_EVENT_AER_STOPPED)));
	/* An event shows that requests are taken, so that the next one is tried anew. */
	EXPECT_GE(before + 4 * (1 + 3),
		  liar_answer(liar, QUESTION_ADMIN_COMMANDS + ADMIN_EVENT_REQUEST));
	EXPECT_EQ(0, liar_value(liar, "aers_outstanding"));
	EXPECT_EQ(0, liar_serves(liar));

	/* They do not resume with a reset that fails, nor with one after which they fail again. */
	ASSERT_EQ(0, lie(liar, LIE_FATAL_AT_START, 0));
	EXPECT_EQ(-ENETRESET, liar_reset(liar));
	EXPECT_EQ(0, stream_count(liar, NVME_EVENT_AER_RESUMED));
	ASSERT_EQ(0, truth(liar));
	ASSERT_EQ(0, lie(liar, LIE_EVENT_STATUS, 6));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_EQ(0, stream_count(liar, NVME_EVENT_AER_RESUMED));
	EXPECT_EQ(1, stream_count(liar, NVME_EVENT_AER_STOPPED));

	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_EQ(1, stream_count(liar, NVME_EVENT_AER_RESUMED));
	EXPECT_EQ(4, liar_value(liar, "aers_outstanding"));
	EXPECT_EQ(0, liar_informs(liar));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_EQ(1, stream_count(liar, NVME_EVENT_AER_RESUMED));
	EXPECT_EQ(1, stream_count(liar, NVME_EVENT_AER_STOPPED));
}

/* What is reported before the node is there udev is told when it is. */
FIXTURE(early)
{
	struct liar liar;
	int socket;
};

FIXTURE_SETUP(early)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
	self->socket = uevents_open();
	ASSERT_LE(0, self->socket);
}

FIXTURE_TEARDOWN(early)
{
	close(self->socket);
	EXPECT_EQ(0, liar_end(&self->liar));
}

TEST_F(early, event_is_announced)
{
	struct liar *liar = &self->liar;

	ASSERT_EQ(0, lie(liar, LIE_EARLY_EVENT, EVENT_TEMPERATURE));
	ASSERT_EQ(0, liar_bind(liar));
	EXPECT_EQ(1, liar_told(liar));
	EXPECT_TRUE(uevent_arrives(self->socket, liar->controller.node, "NVME_AEN=0x020101"));
}

/* And before Identify has said how long log pages are. */
TEST_F(early, log_page_is_read)
{
	struct liar *liar = &self->liar;

	ASSERT_EQ(0, lie(liar, LIE_EARLY_EVENT, EVENT_TEMPERATURE));
	ASSERT_EQ(0, liar_bind(liar));
	EXPECT_EQ(512, event_fetch(liar->node, 1, 0));
	EXPECT_EQ(0, liar_value(liar, "captures_failed"));
	EXPECT_EQ(0, liar_informs(liar));
}

/* A persistent internal error needs a reset. */
TEST_F(event, internal_error_is_reset)
{
	ASSERT_EQ(0, liar_report(&self->liar, 0x00010300));
	EXPECT_TRUE(event_is(self->fd, 0x00010300));
	EXPECT_TRUE(event_is(self->fd, NVME_EVENT_RESET_STARTED << 8));
	EXPECT_TRUE(event_is(self->fd, NVME_EVENT_RESET_SUCCEEDED << 8));
	EXPECT_EQ(0, liar_serves(&self->liar));
}

TEST_HARNESS_MAIN
