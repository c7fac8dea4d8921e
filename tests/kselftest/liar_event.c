// SPDX-License-Identifier: GPL-2.0-only
/* Events, and log pages, which QEMU's controller does not have. */
#include "kselftest_harness.h"

#include <linux/nvme_event.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/liar.h"
#include "lib/uevent.h"
#include "lib/util.h"

#define EVENT_ACTIVATION	0x00030102
#define EVENT_TELEMETRY		0x00080202
#define PAGE_SMART		0x02
#define PAGE_TELEMETRY		0x08
#define MANY_EVENTS		300

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

static void expect_event(struct __test_metadata *_metadata, int fd, __u32 dw0)
{
	struct nvme_event event;

	ASSERT_EQ(0, event_read(fd, &event));
	EXPECT_EQ(dw0, event.dw0);
}

static unsigned long long value(const struct liar *liar, const char *name)
{
	unsigned long long number = -1;

	controller_value(&liar->controller, name, &number);
	return number;
}

static unsigned int log_pages_read(const struct liar *liar)
{
	return liar_answer(liar, QUESTION_ADMIN_COMMANDS + ADMIN_GET_LOG_PAGE);
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

/* What is kept of its log page, in bytes; negative: errno. */
static long fetch_event(int fd, unsigned long long number, unsigned int flags)
{
	struct nvme_event_fetch fetch = { .size = sizeof(fetch), .flags = flags, .number = number };

	return ioctl(fd, NVME_EVENT_IOCTL_FETCH, &fetch) ? -errno : (long)fetch.kept;
}

/*
 * While firmware is activated the controller processes nothing. The driver
 * waits, then reads the log page of the event.
 */
TEST_F(event, firmware_activation_is_waited_for)
{
	struct liar *liar = &self->liar;
	long long start_ms = now_ms();
	unsigned int before = log_pages_read(liar);

	ASSERT_EQ(0, lie(liar, LIE_ACTIVATES, 1500));
	expect_event(_metadata, self->fd, EVENT_ACTIVATION);
	EXPECT_TRUE(liar_is(liar, "live"));
	EXPECT_EQ(-EAGAIN, fetch_event(self->fd, 1, NVME_EVENT_FETCH_NOWAIT));
	EXPECT_GT(1500, now_ms() - start_ms);
	EXPECT_EQ(512, fetch_event(self->fd, 1, 0));
	EXPECT_LE(1500, now_ms() - start_ms);
	/* Whoever sends a command now has to wait as well. */
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_LE(1500, now_ms() - start_ms);
	EXPECT_TRUE(wait_until(controller_captured(&liar->controller) == 1));
	EXPECT_LT(before, log_pages_read(liar));
	EXPECT_FALSE(liar_stream_has(liar, NVME_EVENT_RESET_STARTED));
	EXPECT_FALSE(liar_stream_has(liar, NVME_EVENT_COMMAND_TIMED_OUT));
	EXPECT_EQ(0, liar_informs(liar));

	/* The class is armed again. */
	ASSERT_EQ(0, lie(liar, LIE_ACTIVATES, 1));
	expect_event(_metadata, self->fd, EVENT_TEMPERATURE);
	expect_event(_metadata, self->fd, EVENT_ACTIVATION);
}

/* It names two seconds, MTFA, and takes longer. */
TEST_F(event, firmware_activation_that_does_not_end_is_reset)
{
	struct liar *liar = &self->liar;
	long long start_ms = now_ms();

	ASSERT_EQ(0, lie(liar, LIE_ACTIVATES, 0));
	expect_event(_metadata, self->fd, EVENT_ACTIVATION);
	expect_event(_metadata, self->fd, NVME_EVENT_RESET_STARTED << 8);
	EXPECT_LE(1900, now_ms() - start_ms);
	expect_event(_metadata, self->fd, NVME_EVENT_RESET_SUCCEEDED << 8);
	EXPECT_TRUE(log_has(&liar->log, "firmware activation did not end"));
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

/* The controller says from now on that the activation takes so long, in units of 100 ms: MTFA. */
static void set_activation_time(struct __test_metadata *_metadata, FIXTURE_DATA(event) *self, unsigned int time)
{
	ASSERT_EQ(0, lie(&self->liar, LIE_ACTIVATION_TIME, time));
	ASSERT_EQ(0, liar_reset(&self->liar));
	expect_event(_metadata, self->fd, NVME_EVENT_RESET_STARTED << 8);
	expect_event(_metadata, self->fd, NVME_EVENT_RESET_SUCCEEDED << 8);
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
	expect_event(_metadata, self->fd, EVENT_ACTIVATION);
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
#define LET_GO_LIMIT_MS		(30000 * patience())

TEST_F_TIMEOUT(event, firmware_activation_does_not_keep_a_controller_bound, 60)
{
	struct liar *liar = &self->liar;
	long long start_ms;

	set_activation_time(_metadata, self, ACTIVATION_TIME_LONG);
	ASSERT_EQ(0, lie(liar, LIE_ACTIVATES, 0));
	expect_event(_metadata, self->fd, EVENT_ACTIVATION);
	/* The driver waits. */
	usleep(QUIET_MS * 1000);
	start_ms = now_ms();
	EXPECT_EQ(0, liar_unbind(liar));
	EXPECT_GT(LET_GO_LIMIT_MS, now_ms() - start_ms);
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
	expect_event(_metadata, self->fd, NVME_EVENT_RESET_STARTED << 8);
	expect_event(_metadata, self->fd, NVME_EVENT_RESET_SUCCEEDED << 8);
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
	expect_event(_metadata, self->fd, EVENT_NAMESPACE);
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
		EXPECT_EQ(5 * i, value(liar, "unknown_completions"));
		EXPECT_EQ(4, value(liar, "aers_outstanding"));
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
		EXPECT_TRUE(wait_until(value(liar, "captures_failed") == 1));
	EXPECT_EQ(0, liar_informs(liar));
	EXPECT_EQ(variant->page_fails, log_has(&liar->log, "could not be read"));
	EXPECT_TRUE(wait_until(value(liar, "aers_outstanding") == 4));
	EXPECT_TRUE(liar_is(liar, "live"));
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
TEST_F(event, pages_are_kept_as_long_as_their_records)
{
	struct liar *liar = &self->liar;
	unsigned int i;

	for (i = 1; i <= MANY_EVENTS; i++) {
		ASSERT_EQ(0, liar_report(liar, EVENT_TEMPERATURE));
		ASSERT_TRUE(wait_until(controller_captured(&liar->controller) == i));
	}
	ASSERT_EQ(MANY_EVENTS * 512, value(liar, "snapshot_bytes"));
	for (i = 1; i <= MANY_EVENTS; i++)
		ASSERT_EQ(512, fetch_event(self->fd, i, NVME_EVENT_FETCH_NOWAIT));
}

TEST_F(event, telemetry_is_kept_whole)
{
	struct liar *liar = &self->liar;

	ASSERT_EQ(0, liar_report(liar, EVENT_TELEMETRY));
	expect_event(_metadata, self->fd, EVENT_TELEMETRY);
	EXPECT_TRUE(wait_until(controller_captured(&liar->controller) == 1));
	EXPECT_EQ(5 * 512, value(liar, "snapshot_bytes"));
	/* And released. */
	ASSERT_EQ(0, liar_report(liar, EVENT_TELEMETRY));
	expect_event(_metadata, self->fd, EVENT_TELEMETRY);
}

/* 32 MiB, it says: more than event_snapshot_bytes. It stays latched until a client has read it. */
TEST_F(event, telemetry_of_absurd_length_stays_latched)
{
	struct liar *liar = &self->liar;
	unsigned int before = log_pages_read(liar);

	ASSERT_EQ(0, lie(liar, LIE_TELEMETRY_BLOCKS, 0xffff));
	ASSERT_EQ(0, liar_report(liar, EVENT_TELEMETRY));
	expect_event(_metadata, self->fd, EVENT_TELEMETRY);
	EXPECT_TRUE(wait_until(controller_captured(&liar->controller) == 1));
	EXPECT_EQ(512, value(liar, "snapshot_bytes"));
	EXPECT_EQ(before + 1, log_pages_read(liar));
	EXPECT_TRUE(log_has(&liar->log, "left latched"));

	ASSERT_EQ(0, liar_report(liar, EVENT_TELEMETRY));
	EXPECT_TRUE(event_quiet(self->fd));
	EXPECT_EQ(0, read_log_page(self->fd, PAGE_TELEMETRY));
	expect_event(_metadata, self->fd, EVENT_TELEMETRY);
}

TEST_F(event, a_log_page_that_fails_is_counted)
{
	struct liar *liar = &self->liar;

	ASSERT_EQ(0, lie(liar, LIE_LOG_FAILS, 2));
	ASSERT_EQ(0, liar_report(liar, EVENT_TEMPERATURE));
	expect_event(_metadata, self->fd, EVENT_TEMPERATURE);
	EXPECT_TRUE(wait_until(value(liar, "captures_failed") == 1));
	EXPECT_TRUE(log_has(&liar->log, "log page 0x02 could not be read"));
	EXPECT_EQ(-ENODATA, fetch_event(self->fd, 1, 0));
	EXPECT_EQ(0, liar_serves(liar));
}

static long call_fetch(void *argument)
{
	struct liar *liar = argument;
	long kept = fetch_event(liar->node, 1, 0);

	errno = kept < 0 ? -kept : 0;
	return kept;
}

/* The very moments between the Get Log Page of an event and its completion. */
TEST_F(event, a_fetch_waits_while_the_page_is_read)
{
	struct liar *liar = &self->liar;
	unsigned int before = log_pages_read(liar);
	struct call call;
	int status;
	pid_t child;

	ASSERT_EQ(0, lie(liar, LIE_LOG_WAITS, PAGE_SMART));
	ASSERT_EQ(0, liar_report(liar, EVENT_TEMPERATURE));
	expect_event(_metadata, self->fd, EVENT_TEMPERATURE);
	ASSERT_TRUE(wait_until(liar_answer(liar, QUESTION_WAITING) == 1));
	EXPECT_EQ(-EAGAIN, fetch_event(self->fd, 1, NVME_EVENT_FETCH_NOWAIT));

	/* One who waits can be killed. */
	child = fork();
	ASSERT_LE(0, child);
	if (child == 0)
		_exit(fetch_event(self->fd, 1, 0) < 0);
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
	EXPECT_EQ(before + 1, log_pages_read(liar));
	EXPECT_EQ(-EAGAIN, fetch_event(self->fd, 1, NVME_EVENT_FETCH_NOWAIT));

	ASSERT_EQ(0, lie(liar, LIE_LOG_WAITS, 0));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(512, call.result);
	EXPECT_EQ(512, fetch_event(self->fd, 1, NVME_EVENT_FETCH_NOWAIT));
	EXPECT_EQ(before + 1, log_pages_read(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

/* It is reset instead. */
TEST_F(event, a_fetch_ends_when_the_page_cannot_be_read_any_more)
{
	struct liar *liar = &self->liar;
	struct call call;

	ASSERT_EQ(0, lie(liar, LIE_LOG_WAITS, PAGE_SMART));
	ASSERT_EQ(0, liar_report(liar, EVENT_TEMPERATURE));
	expect_event(_metadata, self->fd, EVENT_TEMPERATURE);
	ASSERT_TRUE(wait_until(liar_answer(liar, QUESTION_WAITING) == 1));
	ASSERT_EQ(0, call_start(&call, call_fetch, liar));
	ASSERT_TRUE(call_blocks_in(&call, SYS_ioctl));
	EXPECT_EQ(0, liar_reset(liar));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(-ENODATA, call.result);
	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_informs(liar));
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
		expect_event(_metadata, self->fd, 0x00000101);
	}
	EXPECT_TRUE(wait_until(liar_stream_has(liar, NVME_EVENT_AER_STOPPED)));
	/* An event shows that requests are taken, so that the next one is tried anew. */
	EXPECT_GE(before + 4 * (1 + 3),
		  liar_answer(liar, QUESTION_ADMIN_COMMANDS + ADMIN_EVENT_REQUEST));
	EXPECT_EQ(0, value(liar, "aers_outstanding"));
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
	EXPECT_EQ(4, value(liar, "aers_outstanding"));
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
	EXPECT_EQ(512, fetch_event(liar->node, 1, 0));
	EXPECT_EQ(0, value(liar, "captures_failed"));
	EXPECT_EQ(0, liar_informs(liar));
}

/* A persistent internal error needs a reset. */
TEST_F(event, internal_error_is_reset)
{
	ASSERT_EQ(0, liar_report(&self->liar, 0x00010300));
	expect_event(_metadata, self->fd, 0x00010300);
	expect_event(_metadata, self->fd, NVME_EVENT_RESET_STARTED << 8);
	expect_event(_metadata, self->fd, NVME_EVENT_RESET_SUCCEEDED << 8);
	EXPECT_EQ(0, liar_serves(&self->liar));
}

TEST_HARNESS_MAIN
