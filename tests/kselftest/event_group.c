// SPDX-License-Identifier: GPL-2.0-only
/* Openers that are one reader: each record goes to one of them. */
#include "kselftest_harness.h"

#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/util.h"

#define MEMBERS 8
#define EVENTS 24
#define ENTRIES 16	/* of the ring: event_ring_entries=16 */
#define SOME 15		/* events that fit, with the record of the removal */

FIXTURE(group)
{
	struct controller controller;
	int a, b;
};

FIXTURE_SETUP(group)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->a = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->a);
	self->b = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->b);
}

FIXTURE_TEARDOWN(group)
{
	close(self->a);
	close(self->b);
	EXPECT_EQ(0, event_clear(&self->controller));
}

struct tally {
	int fd;
	atomic_uint *times;
	atomic_uint *lost, *overruns;
};

static long read_to_the_end(void *argument)
{
	struct tally *tally = argument;
	struct nvme_event event;

	while (read(tally->fd, &event, sizeof(event)) == sizeof(event)) {
		unsigned int lost = NVME_EVENT_LOST(event.dw3);

		if (lost) {
			*tally->lost += lost;
			*tally->overruns += 1;
		}
		if (event.dw2 <= EVENTS + 1)
			tally->times[event.dw2]++;
	}
	return -errno;
}

TEST_F(group, of_eight_members_gets_each_record_exactly_once)
{
	atomic_uint times[EVENTS + 2] = {}, lost = 0, overruns = 0;
	struct tally tallies[MEMBERS];
	struct call calls[MEMBERS];
	unsigned int i;

	for (i = 0; i < MEMBERS; i++) {
		int fd = i ? controller_open(&self->controller, O_RDONLY) : self->a;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, event_mode(fd, NVME_EVENT_SHARED, self->a));
		tallies[i] = (struct tally){ fd, times, &lost, &overruns };
		ASSERT_EQ(0, call_start(&calls[i], read_to_the_end, &tallies[i]));
		ASSERT_TRUE(call_blocks_in(&calls[i], SYS_read));
	}
	ASSERT_EQ(0, event_raise_many(&self->controller, SOME));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	for (i = 0; i < MEMBERS; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(-ENODEV, calls[i].result);
		if (i)
			close(tallies[i].fd);
	}
	for (i = 1; i <= SOME + 1; i++)
		EXPECT_EQ(1, times[i]);
	EXPECT_EQ(0, lost);
	EXPECT_EQ(0, overruns);
	/* Who is not in the group has got all of them. */
	for (i = 1; i <= SOME + 1; i++) {
		struct nvme_event event;

		ASSERT_EQ(0, event_read(self->b, &event));
		EXPECT_EQ(i, event.dw2);
	}
	ASSERT_EQ(0, controller_bind(&self->controller));
}

/* With event_ring_entries=16 a group of readers that all sleep is overrun. */
TEST_F(group, exactly_one_member_learns_of_an_overrun)
{
	atomic_uint times[EVENTS + 2] = {}, lost = 0, overruns = 0;
	struct nvme_event_info info = { .size = sizeof(info) };
	struct tally tallies[MEMBERS];
	struct call calls[MEMBERS];
	unsigned int i, got = 0;

	for (i = 0; i < MEMBERS; i++) {
		int fd = i ? controller_open(&self->controller, O_RDONLY) : self->a;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, event_mode(fd, NVME_EVENT_SHARED, self->a));
		tallies[i] = (struct tally){ fd, times, &lost, &overruns };
	}
	ASSERT_EQ(0, event_raise_many(&self->controller, EVENTS));
	ASSERT_EQ(0, ioctl(self->a, NVME_EVENT_IOCTL_INFO, &info));
	ASSERT_EQ(EVENTS - ENTRIES + 1, info.oldest) {
		TH_LOG("to be run with event_ring_entries=16");
	}
	for (i = 0; i < MEMBERS; i++)
		ASSERT_EQ(0, call_start(&calls[i], read_to_the_end, &tallies[i]));
	/* When they have read all they sleep; the last record ends them. */
	for (i = 0; i < MEMBERS; i++)
		ASSERT_TRUE(call_blocks_in(&calls[i], SYS_read));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	for (i = 0; i < MEMBERS; i++)
		ASSERT_EQ(0, call_finish(&calls[i]));
	EXPECT_EQ(1, overruns);
	EXPECT_EQ(EVENTS - ENTRIES, lost);
	for (i = 1; i <= EVENTS + 1; i++)
		got += times[i];
	EXPECT_EQ(ENTRIES + 1, got);
	ASSERT_EQ(0, controller_bind(&self->controller));
	for (i = 1; i < MEMBERS; i++)
		close(tallies[i].fd);
}

TEST_F(group, who_joins_stands_where_the_group_does_and_who_leaves_goes_on_there)
{
	struct nvme_event event, blocked;
	struct read_call parameters = { self->b, &blocked, sizeof(blocked) };
	struct call call;

	ASSERT_EQ(0, event_raise_many(&self->controller, 3));
	ASSERT_EQ(0, event_read(self->a, &event));
	ASSERT_EQ(0, event_mode(self->b, NVME_EVENT_SHARED, self->a));
	ASSERT_EQ(0, event_read(self->b, &event));
	EXPECT_EQ(2, event.dw2);
	ASSERT_EQ(0, event_mode(self->b, NVME_EVENT_BROADCAST, 0));
	ASSERT_EQ(0, event_read(self->b, &event));
	EXPECT_EQ(3, event.dw2);
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(3, event.dw2);

	/* A read that waits goes on as a member. */
	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	ASSERT_EQ(32, lseek(self->a, 32, SEEK_SET));
	ASSERT_EQ(0, event_mode(self->b, NVME_EVENT_SHARED, self->a));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(sizeof(blocked), call.result);
	EXPECT_EQ(2, blocked.dw2);
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(3, event.dw2);
}

TEST_F(group, reads_alone_as_one)
{
	struct nvme_event event;
	int other = controller_open(&self->controller, O_RDONLY);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, event_mode(self->b, NVME_EVENT_SHARED, self->a));
	ASSERT_EQ(0, event_mode(self->b, NVME_EVENT_EXCLUSIVE, 0));
	EXPECT_EQ(NVME_EVENT_CLAIM_HOLDER, event_claim(self->a));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(-EBUSY, event_read_now(other, &event));
	/* Who leaves has no part in it. */
	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_BROADCAST, 0));
	EXPECT_EQ(-EBUSY, event_read_now(self->a, &event));
	close(self->b);
	EXPECT_EQ(-EAGAIN, event_read_now(self->a, &event));
	self->b = other;
}

/* Two controllers' files have nothing in common. */
TEST_F(group, a_file_of_an_earlier_binding_cannot_be_joined)
{
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(0, controller_bind(&self->controller));
	close(self->a);
	self->a = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->a);
	EXPECT_EQ(-EINVAL, event_mode(self->a, NVME_EVENT_SHARED, self->b));
}

TEST_HARNESS_MAIN
