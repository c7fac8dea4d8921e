// SPDX-License-Identifier: GPL-2.0-only
/* Several controllers at once: they have nothing to do with each other. */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/util.h"

#define CONTROLLERS 3

FIXTURE(controllers)
{
	struct controller each[CONTROLLERS];
	int fds[CONTROLLERS];
};

FIXTURE_SETUP(controllers)
{
	unsigned int i;

	for (i = 0; i < CONTROLLERS; i++) {
		ASSERT_EQ(0, controller_renew(&self->each[i], i));
		self->fds[i] = controller_open(&self->each[i], O_RDONLY);
		ASSERT_LE(0, self->fds[i]);
	}
}

FIXTURE_TEARDOWN(controllers)
{
	unsigned int i;

	for (i = 0; i < CONTROLLERS; i++) {
		close(self->fds[i]);
		EXPECT_EQ(0, event_clear(&self->each[i]));
	}
}

TEST_F(controllers, have_nodes_of_their_own)
{
	static const char *const names[CONTROLLERS] = { "nvme0", "nvme1", "nvme2" };
	unsigned int i;

	for (i = 0; i < CONTROLLERS; i++)
		EXPECT_STREQ(names[i], self->each[i].node);
}

TEST_F(controllers, have_events_of_their_own)
{
	struct nvme_event event;
	unsigned int i, number;

	/* Controller i has i + 1 events, numbered from 1 on. */
	for (i = 0; i < CONTROLLERS; i++)
		ASSERT_EQ(0, event_raise_many(&self->each[i], i + 1));
	for (i = 0; i < CONTROLLERS; i++) {
		for (number = 1; number <= i + 1; number++) {
			ASSERT_EQ(0, event_read(self->fds[i], &event));
			EXPECT_EQ(number, event.dw2);
		}
		EXPECT_TRUE(event_quiet(self->fds[i]));
	}
}

TEST_F(controllers, stay_when_another_is_let_go)
{
	struct nvme_event event;
	unsigned int i;

	ASSERT_EQ(0, controller_unbind(&self->each[0]));
	ASSERT_EQ(0, event_read(self->fds[0], &event));
	EXPECT_EQ(EVENT_REMOVED, event.dw0);
	for (i = 1; i < CONTROLLERS; i++) {
		EXPECT_TRUE(event_quiet(self->fds[i]));
		ASSERT_EQ(0, event_raise_many(&self->each[i], 1));
		ASSERT_EQ(0, event_read(self->fds[i], &event));
		EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
		EXPECT_EQ(1, event.dw2);
	}
	ASSERT_EQ(0, controller_bind(&self->each[0]));
	EXPECT_STREQ("nvme0", self->each[0].node);
}

TEST_F(controllers, get_the_lowest_number_that_is_free)
{
	ASSERT_EQ(0, controller_unbind(&self->each[0]));
	ASSERT_EQ(0, controller_unbind(&self->each[1]));
	ASSERT_EQ(0, controller_bind(&self->each[1]));
	EXPECT_STREQ("nvme0", self->each[1].node);
	ASSERT_EQ(0, controller_bind(&self->each[0]));
	EXPECT_STREQ("nvme1", self->each[0].node);
	EXPECT_STREQ("nvme2", self->each[2].node);

	/* For the other tests. */
	ASSERT_EQ(0, controller_unbind(&self->each[0]));
	ASSERT_EQ(0, controller_unbind(&self->each[1]));
	ASSERT_EQ(0, controller_bind(&self->each[0]));
	ASSERT_EQ(0, controller_bind(&self->each[1]));
	EXPECT_STREQ("nvme0", self->each[0].node);
}

TEST_HARNESS_MAIN
