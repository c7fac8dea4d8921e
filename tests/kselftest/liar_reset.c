// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets under the load of all who use a controller, which tells the truth: of
 * the controller, and of its subsystem, which QEMU's has not.
 */
#include "kselftest_harness.h"

#include "lib/balance.h"
#include "lib/event.h"
#include "lib/liar.h"
#include "lib/util.h"

#define TIMES repeats(3)
/* What can be in flight on the I/O queues. */
#define FLYING_MOST (2 * BALANCE_DEPTH)

FIXTURE(reset)
{
	struct liar liar;
	struct balance balance;
};

FIXTURE_VARIANT(reset)
{
	unsigned long request;
	bool disables;	/* the driver has to, each time */
};

FIXTURE_VARIANT_ADD(reset, of_the_controller) { NVME_IOCTL_RESET, true };
FIXTURE_VARIANT_ADD(reset, of_the_subsystem) { NVME_IOCTL_SUBSYS_RESET, false };

FIXTURE_SETUP(reset)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
	ASSERT_EQ(0, liar_bind(&self->liar));
}

FIXTURE_TEARDOWN(reset)
{
	EXPECT_EQ(0, liar_end(&self->liar));
}

TEST_F_TIMEOUT(reset, under_load, 120)
{
	struct balance *balance = &self->balance;
	unsigned int received, prepared, disabled;
	int i;
	struct balance_count reads;

	ASSERT_EQ(0, balance_open(balance));
	prepared = liar_answer(&self->liar, QUESTION_IO_COMMANDS + IO_READ);
	disabled = liar_answer(&self->liar, QUESTION_RESETS);
	ASSERT_EQ(0, balance_start(balance, 0));
	for (i = 0; i < TIMES; i++) {
		ASSERT_TRUE(balance_goes_on(balance));
		ASSERT_EQ(0, liar_report(&self->liar, EVENT_RELIABILITY));
		ASSERT_EQ(0, passthru_ioctl(balance->nodes[0].ctrl, variant->request, NULL));
	}
	ASSERT_TRUE(balance_goes_on(balance));
	ASSERT_EQ(0, balance_finish(balance));
	EXPECT_EQ(0, balance_wrong(balance));

	EXPECT_EQ(disabled + (variant->disables ? TIMES : 0), liar_answer(&self->liar, QUESTION_RESETS));
	/* What was not executed was in flight at a reset, or came in the middle of one. */
	reads = balance_reads(balance);
	received = liar_answer(&self->liar, QUESTION_IO_COMMANDS + IO_READ) - prepared;
	EXPECT_EQ(reads.sent, reads.good + reads.ended);
	EXPECT_LE(reads.good, received);
	EXPECT_LE(received, reads.good + TIMES * FLYING_MOST);
	EXPECT_LE(received, reads.sent);
	for (i = 0; i < BALANCE_READERS; i++) {
		const struct balance_reader *reader = &balance->readers[i];

		EXPECT_EQ(reader->last - reader->first + 1, reader->read);
		EXPECT_EQ(TIMES, reader->controller);
		EXPECT_EQ(0, reader->lost);
	}
	balance_close(balance);
	EXPECT_FALSE(log_has(&self->liar.log, "that is not outstanding"));
	EXPECT_EQ(0, liar_serves(&self->liar));
	EXPECT_EQ(0, liar_informs(&self->liar));
}

TEST_HARNESS_MAIN
