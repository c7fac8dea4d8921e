// SPDX-License-Identifier: GPL-2.0-only
/* Controllers that do not start, or are not what they say when they have. */
#include "kselftest_harness.h"

#include <poll.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/liar.h"
#include "lib/sysfs.h"
#include "lib/util.h"

/* The longest that an attempt to start may take: the controller asks for a second. */
#define START_LIMIT_MS (6000 * patience())

static int identify(int fd)
{
	unsigned char *page = pages_new(IDENTIFY_BYTES, 0);
	struct nvme_passthru_cmd64 command = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(page, IDENTIFY_BYTES),
	};
	int result = passthru(fd, NVME_IOCTL_ADMIN64_CMD, &command);

	pages_free(page, IDENTIFY_BYTES);
	return result;
}

/* It does not start. The node is there nevertheless, and a reset revives it. */
FIXTURE(dead)
{
	struct liar liar;
};

FIXTURE_VARIANT(dead)
{
	enum lie lie;
	unsigned int argument;
	const char *log;
};

FIXTURE_VARIANT_ADD(dead, never_ready) { LIE_NEVER_READY, 0, "did not start: ETIMEDOUT" };
FIXTURE_VARIANT_ADD(dead, fatal) { LIE_FATAL_AT_START, 0, "did not start: EIO" };
FIXTURE_VARIANT_ADD(dead, vanished) { LIE_VANISHED, 0, "did not start: ENODEV" };
FIXTURE_VARIANT_ADD(dead, without_4_kib_pages) { LIE_PAGE_SIZE, 1, "did not start: ENODEV" };
/* The specification wants two entries at least. */
FIXTURE_VARIANT_ADD(dead, with_queues_of_one_entry) {
	LIE_QUEUE_ENTRIES, 0, "did not start: ENODEV" };
FIXTURE_VARIANT_ADD(dead, without_room_for_doorbells) {
	LIE_DOORBELL_STRIDE, 15, "did not start: ENODEV" };

FIXTURE_SETUP(dead)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
}

FIXTURE_TEARDOWN(dead)
{
	EXPECT_EQ(0, liar_end(&self->liar));
}

TEST_F(dead, but_readable_and_revived)
{
	struct liar *liar = &self->liar;
	struct pollfd file = { .events = POLLIN };
	long long start_ms = now_ms();

	ASSERT_EQ(0, lie(liar, variant->lie, variant->argument));
	ASSERT_EQ(0, liar_bind(liar));
	EXPECT_GT(START_LIMIT_MS, now_ms() - start_ms);
	EXPECT_TRUE(liar_is(liar, "dead"));
	EXPECT_TRUE(log_has(&liar->log, variant->log));
	EXPECT_TRUE(liar_stream_has(liar, NVME_EVENT_RESET_FAILED) ||
		    liar_stream_has(liar, NVME_EVENT_FATAL_STATUS));
	EXPECT_EQ(-ENODEV, identify(liar->node));

	file.fd = liar->node;
	EXPECT_EQ(0, poll(&file, 1, 0));
	start_ms = now_ms();
	EXPECT_EQ(-ENETRESET, liar_reset(liar));
	EXPECT_GT(START_LIMIT_MS, now_ms() - start_ms);
	EXPECT_EQ(1, poll(&file, 1, LIMIT_MS));
	EXPECT_EQ(POLLIN, file.revents);
	EXPECT_TRUE(liar_stream_has(liar, NVME_EVENT_RESET_STARTED));
	EXPECT_TRUE(liar_stream_has(liar, NVME_EVENT_RESET_FAILED));
	EXPECT_TRUE(liar_is(liar, "dead"));

	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_TRUE(liar_stream_has(liar, NVME_EVENT_RESET_SUCCEEDED));
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

TEST_F(dead, and_let_go_without_delay)
{
	struct liar *liar = &self->liar;
	long long start_ms;

	ASSERT_EQ(0, lie(liar, variant->lie, variant->argument));
	ASSERT_EQ(0, liar_bind(liar));
	start_ms = now_ms();
	EXPECT_EQ(0, liar_unbind(liar));
	EXPECT_GT(START_LIMIT_MS, now_ms() - start_ms);
}

/* It starts, strange as it is. */
FIXTURE(odd)
{
	struct liar liar;
};

FIXTURE_VARIANT(odd)
{
	enum lie lie;
	unsigned int argument;
	unsigned int queues;	/* of both processors of the machine */
};

FIXTURE_VARIANT_ADD(odd, queues_of_two_entries) { LIE_QUEUE_ENTRIES, 1, 2 };
FIXTURE_VARIANT_ADD(odd, queues_of_three_entries) { LIE_QUEUE_ENTRIES, 2, 2 };
FIXTURE_VARIANT_ADD(odd, queues_of_65536_entries) { LIE_QUEUE_ENTRIES, 0xffff, 2 };
FIXTURE_VARIANT_ADD(odd, doorbells_64_bytes_apart) { LIE_DOORBELL_STRIDE, 4, 2 };
FIXTURE_VARIANT_ADD(odd, doorbells_1024_bytes_apart) { LIE_DOORBELL_STRIDE, 8, 1 };
FIXTURE_VARIANT_ADD(odd, no_limit_to_transfers) { LIE_TRANSFER_SIZE, 0, 2 };
FIXTURE_VARIANT_ADD(odd, transfers_of_two_pages) { LIE_TRANSFER_SIZE, 1, 2 };
FIXTURE_VARIANT_ADD(odd, transfers_of_2_to_the_255_pages) { LIE_TRANSFER_SIZE, 255, 2 };
FIXTURE_VARIANT_ADD(odd, sgls) { LIE_SGLS, 1, 2 };
FIXTURE_VARIANT_ADD(odd, one_queue_granted) { LIE_GRANTS_FEWER, 1, 1 };
FIXTURE_VARIANT_ADD(odd, more_queues_granted_than_created) { LIE_GRANTS_TOO_MANY, 1, 1 };
FIXTURE_VARIANT_ADD(odd, controller_of_zeros) { LIE_IDENTIFY_ZEROS, 1, 2 };
FIXTURE_VARIANT_ADD(odd, controller_of_ones) { LIE_IDENTIFY_ONES, 1, 2 };
FIXTURE_VARIANT_ADD(odd, descriptors_of_zeros) { LIE_IDENTIFY_ZEROS, 3, 2 };
FIXTURE_VARIANT_ADD(odd, descriptors_of_ones) { LIE_IDENTIFY_ONES, 3, 2 };
FIXTURE_VARIANT_ADD(odd, set_specific_data_of_ones) { LIE_IDENTIFY_ONES, 5, 2 };
FIXTURE_VARIANT_ADD(odd, no_effects_log) { LIE_LOG_FAILS, 5, 2 };
FIXTURE_VARIANT_ADD(odd, unknown_command_set) { LIE_COMMAND_SET, 9, 2 };
FIXTURE_VARIANT_ADD(odd, idle_interrupts) { LIE_IDLE_INTERRUPTS, 100, 2 };

FIXTURE_SETUP(odd)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
}

FIXTURE_TEARDOWN(odd)
{
	EXPECT_EQ(0, liar_end(&self->liar));
}

TEST_F(odd, but_it_works)
{
	struct liar *liar = &self->liar;
	unsigned int i;

	ASSERT_EQ(0, lie(liar, variant->lie, variant->argument));
	ASSERT_EQ(0, liar_bind(liar));
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(liar_is(liar, "live"));
		EXPECT_EQ(variant->queues, liar_answer(liar, QUESTION_IO_QUEUES));
		EXPECT_EQ(0, liar_serves(liar));
		EXPECT_EQ(0, liar_informs(liar));
		EXPECT_EQ(0, liar_reset(liar));
	}
}

/* It changes between one start and the next. */
TEST_F(odd, and_so_it_is_after_a_reset)
{
	struct liar *liar = &self->liar;

	ASSERT_EQ(0, liar_bind(liar));
	EXPECT_EQ(0, liar_serves(liar));
	ASSERT_EQ(0, lie(liar, variant->lie, variant->argument));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_EQ(0, liar_informs(liar));
	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_EQ(2, liar_answer(liar, QUESTION_IO_QUEUES));
	EXPECT_EQ(0, liar_serves(liar));
}

/* It starts, but has no use for data. */
FIXTURE(bare)
{
	struct liar liar;
};

FIXTURE_VARIANT(bare)
{
	enum lie lie;
	unsigned int argument;
	const char *log;
};

FIXTURE_VARIANT_ADD(bare, administrative) { LIE_ADMINISTRATIVE, 0, "0 I/O queues" };
FIXTURE_VARIANT_ADD(bare, queues_fail) { LIE_CREATE_FAILS, 0x4101, "no I/O queues, status" };
FIXTURE_VARIANT_ADD(bare, no_room_for_doorbells) { LIE_DOORBELL_STRIDE, 9, "0 I/O queues" };
FIXTURE_VARIANT_ADD(bare, no_queue_exists) { LIE_GRANTS_FEWER, 0, "no I/O queues, status" };

FIXTURE_SETUP(bare)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
}

FIXTURE_TEARDOWN(bare)
{
	EXPECT_EQ(0, liar_end(&self->liar));
}

TEST_F(bare, takes_admin_commands_and_reports_events)
{
	struct liar *liar = &self->liar;
	struct nvme_passthru_cmd64 flush = { .opcode = IO_FLUSH, .nsid = 1 };

	ASSERT_EQ(0, lie(liar, variant->lie, variant->argument));
	ASSERT_EQ(0, liar_bind(liar));
	EXPECT_TRUE(liar_is(liar, "live"));
	EXPECT_TRUE(log_has(&liar->log, variant->log));
	EXPECT_EQ(0, liar_answer(liar, QUESTION_IO_QUEUES));
	EXPECT_EQ(0, identify(liar->node));
	EXPECT_EQ(0, liar_informs(liar));
	/* Nothing that could carry it out; and nobody waits for ever. */
	EXPECT_GT(0, passthru(liar->node, NVME_IOCTL_IO64_CMD, &flush));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_EQ(0, identify(liar->node));

	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_EQ(0, liar_serves(liar));
}

/* It answers what it has to, but leaves out one of the commands after that, which it need not carry out. */
FIXTURE(mute)
{
	struct liar liar;
};

FIXTURE_VARIANT(mute)
{
	unsigned int command;	/* its opcode, and the low byte of dword 10 */
};

FIXTURE_VARIANT_ADD(mute, about_the_second_queue) { ADMIN_CREATE_CQ | 2 << 8 };
FIXTURE_VARIANT_ADD(mute, about_the_list_of_namespaces) { ADMIN_IDENTIFY | 2 << 8 };
FIXTURE_VARIANT_ADD(mute, about_a_namespace) { ADMIN_IDENTIFY | 3 << 8 };
FIXTURE_VARIANT_ADD(mute, about_effects) { ADMIN_GET_LOG_PAGE | 5 << 8 };

FIXTURE_SETUP(mute)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
}

FIXTURE_TEARDOWN(mute)
{
	EXPECT_EQ(0, liar_end(&self->liar));
}

static long bind_it(void *liar)
{
	return liar_bind(liar);
}

static long reset_it(void *liar)
{
	return liar_reset(liar);
}

/*
 * The driver does not go on without the answer, and with a queue that it has
 * closed. That it does so at once, and not after a minute, needs a controller
 * that seems to have lost its state for a moment.
 */
static void not_start(struct __test_metadata *_metadata, struct liar *liar, unsigned int command,
		      long (*start)(void *liar), long result)
{
	struct call call;

	ASSERT_EQ(0, lie(liar, LIE_HANGS_AT, command));
	ASSERT_EQ(0, call_start(&call, start, liar));
	ASSERT_TRUE(wait_until(liar_answer(liar, QUESTION_HANGING) == 1));
	ASSERT_EQ(0, lie(liar, LIE_UNREADY_ONCE, 0));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(result, call.result);
	EXPECT_EQ(2, liar_told(liar));
	EXPECT_TRUE(liar_is(liar, "dead"));
	EXPECT_TRUE(log_has(&liar->log, "did not start: ENODEV"));
	EXPECT_TRUE(liar_stream_has(liar, NVME_EVENT_RESET_FAILED));
	EXPECT_EQ(-ENODEV, identify(liar->node));
}

TEST_F(mute, and_dead_until_a_reset)
{
	struct liar *liar = &self->liar;

	not_start(_metadata, liar, variant->command, bind_it, 0);
	ASSERT_EQ(0, truth(liar));
	not_start(_metadata, liar, variant->command, reset_it, -ENETRESET);
	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

/* Lists of namespaces that lead nowhere. */
FIXTURE(lost)
{
	struct liar liar;
};

FIXTURE_VARIANT(lost)
{
	enum lie lie;
	unsigned int argument;
	const char *log;
};

FIXTURE_VARIANT_ADD(lost, list_of_zeros) { LIE_IDENTIFY_ZEROS, 2, "0 active namespaces" };
FIXTURE_VARIANT_ADD(lost, list_of_ones) { LIE_IDENTIFY_ONES, 2, "no list of namespaces: EIO" };
FIXTURE_VARIANT_ADD(lost, endless_list) { LIE_ENDLESS_LIST, 0, "no list of namespaces: E" };
FIXTURE_VARIANT_ADD(lost, descending_list) { LIE_DESCENDING_LIST, 0, "no list of namespaces: EIO" };
FIXTURE_VARIANT_ADD(lost, all_of_zeros) { LIE_IDENTIFY_ZEROS, 0x100, "0 active namespaces" };
FIXTURE_VARIANT_ADD(lost, all_of_ones) { LIE_IDENTIFY_ONES, 0x100, "no list of namespaces: EIO" };

FIXTURE_SETUP(lost)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
}

FIXTURE_TEARDOWN(lost)
{
	EXPECT_EQ(0, liar_end(&self->liar));
}

TEST_F(lost, but_admin_commands_and_events_work)
{
	struct liar *liar = &self->liar;
	long long start_ms = now_ms();

	ASSERT_EQ(0, lie(liar, variant->lie, variant->argument));
	ASSERT_EQ(0, liar_bind(liar));
	EXPECT_GT(START_LIMIT_MS, now_ms() - start_ms);
	EXPECT_TRUE(liar_is(liar, "live"));
	EXPECT_TRUE(log_has(&liar->log, variant->log));
	EXPECT_FALSE(controller_has_namespace(&liar->controller, 1));
	EXPECT_EQ(0, identify(liar->node));
	EXPECT_EQ(0, liar_informs(liar));
	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_EQ(0, liar_serves(liar));
}

FIXTURE(single)
{
	struct liar liar;
};

FIXTURE_SETUP(single)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
}

FIXTURE_TEARDOWN(single)
{
	EXPECT_EQ(0, liar_end(&self->liar));
}

/* Its node is there, for whoever knows the set. */
TEST_F(single, namespace_of_an_unknown_command_set)
{
	struct liar *liar = &self->liar;
	struct nvme_passthru_cmd64 echo = { .opcode = 0x81, .nsid = 2, .cdw10 = 0x600df00d };
	char path[64];
	int fd;

	ASSERT_EQ(0, lie(liar, LIE_COMMAND_SET, 9));
	ASSERT_EQ(0, liar_bind(liar));
	ASSERT_TRUE(wait_until((fd = namespace_open(&liar->controller, 2, path, sizeof(path))) >= 0));
	EXPECT_EQ(2, ioctl(fd, NVME_IOCTL_ID));
	EXPECT_EQ(0, passthru(fd, NVME_IOCTL_IO64_CMD, &echo));
	EXPECT_EQ(0x600df00d, echo.result);
	close(fd);
}

TEST_F(single, an_administrative_controller_says_so)
{
	struct liar *liar = &self->liar;
	struct folder folder;

	ASSERT_EQ(0, lie(liar, LIE_ADMINISTRATIVE, 0));
	ASSERT_EQ(0, liar_bind(liar));
	folder = folder_of(&liar->controller);
	EXPECT_STREQ("admin", folder_read(&folder, "cntrltype"));
	/* Not even asked for. */
	EXPECT_EQ(0, liar_answer(liar, QUESTION_ADMIN_COMMANDS + ADMIN_CREATE_CQ));
}

TEST_F(single, no_event_request_is_accepted)
{
	struct liar *liar = &self->liar;

	ASSERT_EQ(0, lie(liar, LIE_EVENT_STATUS, 2));
	ASSERT_EQ(0, liar_bind(liar));
	EXPECT_TRUE(liar_stream_has(liar, NVME_EVENT_AER_STOPPED));
	EXPECT_TRUE(log_has(&liar->log, "no more asynchronous events"));
	/* As many as were wanted at most, and three. */
	EXPECT_GE(8 + 3, liar_answer(liar, QUESTION_ADMIN_COMMANDS + ADMIN_EVENT_REQUEST));
	EXPECT_EQ(0, liar_serves(liar));

	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_TRUE(liar_stream_has(liar, NVME_EVENT_AER_RESUMED));
	EXPECT_EQ(0, liar_informs(liar));
}

/* The time for a shutdown is limited; then it is disabled. */
TEST_F_TIMEOUT(single, never_shut_down, 60)
{
	struct liar *liar = &self->liar;
	unsigned int resets;
	long long start_ms;

	ASSERT_EQ(0, liar_bind(liar));
	resets = liar_answer(liar, QUESTION_RESETS);
	ASSERT_EQ(0, lie(liar, LIE_NEVER_SHUT_DOWN, 0));
	start_ms = now_ms();
	EXPECT_EQ(0, liar_unbind(liar));
	EXPECT_GT(10000 * patience(), now_ms() - start_ms);
	EXPECT_EQ(resets + 1, liar_answer(liar, QUESTION_RESETS));
	ASSERT_EQ(0, truth(liar));
	ASSERT_EQ(0, liar_bind(liar));
	EXPECT_EQ(0, liar_serves(liar));
}

/* What cannot be stopped cannot be started again, but is kept from the bus. */
TEST_F(single, never_stops)
{
	struct liar *liar = &self->liar;

	ASSERT_EQ(0, liar_bind(liar));
	ASSERT_EQ(0, lie(liar, LIE_NEVER_STOPS, 0));
	EXPECT_EQ(-ENETRESET, liar_reset(liar));
	EXPECT_TRUE(liar_is(liar, "dead"));
	EXPECT_TRUE(liar_stream_has(liar, NVME_EVENT_RESET_FAILED));
	EXPECT_EQ(-ENODEV, identify(liar->node));
	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

/* In units of 500 ms; so long the driver waits for a controller, but not when it is to let go of it. */
#define READY_TIMEOUT_MAX	0xff

/* Nobody who lets go of it waits for the time that it asks for. */
TEST_F_TIMEOUT(single, let_go_in_the_middle_of_a_start, 60)
{
	struct liar *liar = &self->liar;
	unsigned int resets;
	struct call call;
	long long start_ms;

	ASSERT_EQ(0, liar_bind(liar));
	resets = liar_answer(liar, QUESTION_RESETS);
	ASSERT_EQ(0, lie(liar, LIE_READY_TIMEOUT, READY_TIMEOUT_MAX));
	ASSERT_EQ(0, lie(liar, LIE_NEVER_READY, 0));
	ASSERT_EQ(0, call_start(&call, reset_it, liar));
	ASSERT_TRUE(wait_until(liar_answer(liar, QUESTION_RESETS) > resets));
	EXPECT_TRUE(liar_is(liar, "resetting"));
	start_ms = now_ms();
	EXPECT_EQ(0, controller_unbind(&liar->controller));
	EXPECT_GT(LIAR_LET_GO_MS, now_ms() - start_ms);
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_GT(0, call.result);
	close(liar->node);

	ASSERT_EQ(0, truth(liar));
	ASSERT_EQ(0, liar_bind(liar));
	EXPECT_EQ(0, liar_serves(liar));
}

/* The driver gives admin commands a minute. */
TEST_F_TIMEOUT(single, answers_nothing, 150)
{
	struct liar *liar = &self->liar;
	long long start_ms = now_ms();

	ASSERT_EQ(0, lie(liar, LIE_DEAF, 0));
	ASSERT_EQ(0, liar_bind(liar));
	EXPECT_GT(75000, now_ms() - start_ms);
	/* And so it stays until somebody wants it reset: that takes as long. */
	usleep(QUIET_MS * 1000);
	EXPECT_TRUE(liar_is(liar, "dead"));
	EXPECT_FALSE(liar_stream_has(liar, NVME_EVENT_RESET_STARTED));
	EXPECT_TRUE(log_has(&liar->log, "admin command 0x06 timed out"));
	EXPECT_TRUE(liar_stream_has(liar, NVME_EVENT_COMMAND_TIMED_OUT));
	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_reset(liar));
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

TEST_HARNESS_MAIN
