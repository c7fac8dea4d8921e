// SPDX-License-Identifier: GPL-2.0-only
/* O_ASYNC: a signal for each event. */
#include "kselftest_harness.h"

#include <signal.h>

#include "lib/event.h"
#include "lib/util.h"

static volatile sig_atomic_t signals;

static void count(int number)
{
	(void)number;
	signals++;
}

FIXTURE(async)
{
	struct controller controller;
	int fd;
};

FIXTURE_SETUP(async)
{
	struct sigaction action = { .sa_handler = count };

	signals = 0;
	ASSERT_EQ(0, sigaction(SIGIO, &action, NULL));
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fcntl(self->fd, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK | O_ASYNC));
}

FIXTURE_TEARDOWN(async)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_F(async, an_event_is_a_signal_to_the_owner)
{
	struct nvme_event event;

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_TRUE(wait_until(signals > 0));
	EXPECT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
}

TEST_F(async, no_signal_after_it_was_switched_off)
{
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	usleep(QUIET_MS * 1000);
	EXPECT_EQ(0, signals);
}

TEST_F(async, the_last_record_is_a_signal_too)
{
	ASSERT_EQ(0, controller_unbind(&self->controller));
	EXPECT_TRUE(wait_until(signals > 0));
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_HARNESS_MAIN
