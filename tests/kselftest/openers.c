// SPDX-License-Identifier: GPL-2.0-only
/* Several readers: each open file has a cursor of its own, and only that. */
#include "kselftest_harness.h"

#include <sys/syscall.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/util.h"

#define OPENERS 64
#define THREADS 4
#define EVENTS 8

FIXTURE(openers)
{
	struct controller controller;
	int fds[OPENERS];
};

FIXTURE_SETUP(openers)
{
	unsigned int i;

	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	for (i = 0; i < OPENERS; i++) {
		self->fds[i] = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
		ASSERT_LE(0, self->fds[i]);
	}
}

FIXTURE_TEARDOWN(openers)
{
	unsigned int i;

	for (i = 0; i < OPENERS; i++)
		close(self->fds[i]);
	EXPECT_EQ(0, event_clear(&self->controller));
}

/* Reads until there is nothing more, @at_once records in a call; how many came. */
static unsigned int drain(int fd, struct nvme_event *events, unsigned int space,
			  unsigned int at_once)
{
	unsigned int count = 0;
	ssize_t length;

	while (count + at_once <= space) {
		length = read(fd, events + count, at_once * sizeof(*events));
		if (length <= 0)
			break;
		count += length / sizeof(*events);
	}
	return count;
}

TEST_F(openers, each_see_every_event_once_and_in_order)
{
	struct nvme_event first[2 * EVENTS], events[2 * EVENTS];
	unsigned int i, number;

	ASSERT_EQ(0, event_raise_many(&self->controller, EVENTS));
	ASSERT_EQ(EVENTS, drain(self->fds[0], first, 2 * EVENTS, 1));
	for (number = 1; number <= EVENTS; number++) {
		EXPECT_EQ(number, first[number - 1].dw2);
		EXPECT_EQ(0, NVME_EVENT_LOST(first[number - 1].dw3));
	}
	for (i = 1; i < OPENERS; i++) {
		memset(events, 0, sizeof(events));
		ASSERT_EQ(EVENTS, drain(self->fds[i], events, 2 * EVENTS, 1 + i % 5));
		EXPECT_EQ(0, memcmp(first, events, EVENTS * sizeof(*events)));
	}
}

TEST_F(openers, come_and_go_without_the_others_noticing)
{
	struct nvme_event events[EVENTS];
	unsigned int i;

	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	for (i = 0; i < OPENERS; i += 2) {
		close(self->fds[i]);
		self->fds[i] = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
		ASSERT_LE(0, self->fds[i]);
	}
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	for (i = 0; i < OPENERS; i++) {
		/* Those that came later have missed the first one. */
		ASSERT_EQ(i % 2 ? 2 : 1, drain(self->fds[i], events, EVENTS, 1));
		EXPECT_EQ(i % 2 ? 1 : 2, events[0].dw2);
		EXPECT_EQ(0, NVME_EVENT_LOST(events[0].dw3));
	}
}

TEST_F(openers, all_blocked_in_read_get_the_same_event)
{
	struct nvme_event events[THREADS];
	struct read_call parameters[THREADS];
	struct call calls[THREADS];
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		parameters[i] = (struct read_call){ self->fds[i], &events[i], sizeof(*events) };
		ASSERT_EQ(0, fcntl(self->fds[i], F_SETFL, 0));
		ASSERT_EQ(0, call_start(&calls[i], call_read, &parameters[i]));
		ASSERT_TRUE(call_blocks_in(&calls[i], SYS_read));
	}
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(sizeof(*events), calls[i].result);
		EXPECT_EQ(1, events[i].dw2);
	}
}

/* A file which is shared, in whatever way, has one cursor. */
FIXTURE(shared_file)
{
	struct controller controller;
	int fd;
};

FIXTURE_SETUP(shared_file)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(shared_file)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

/* How often each record was read, by all threads together. */
struct tally {
	int fd;
	atomic_uint times[EVENTS + 2];
	atomic_uint others;
};

/* Reads records one by one until the controller is gone. */
static long read_to_the_end(void *argument)
{
	struct tally *tally = argument;
	struct nvme_event event;

	while (read(tally->fd, &event, sizeof(event)) == sizeof(event)) {
		if (event.dw2 < ARRAY_LENGTH(tally->times) && NVME_EVENT_LOST(event.dw3) == 0)
			tally->times[event.dw2]++;
		else
			tally->others++;
	}
	return -errno;
}

TEST_F(shared_file, gives_each_record_to_one_of_its_threads)
{
	struct tally tally = { .fd = self->fd };
	struct call calls[THREADS];
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, call_start(&calls[i], read_to_the_end, &tally));
		ASSERT_TRUE(call_blocks_in(&calls[i], SYS_read));
	}
	ASSERT_EQ(0, event_raise_many(&self->controller, EVENTS));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(-ENODEV, calls[i].result);
	}
	/* The events, and the record of the removal after them. */
	for (i = 1; i <= EVENTS + 1; i++)
		EXPECT_EQ(1, tally.times[i]);
	EXPECT_EQ(0, tally.times[0]);
	EXPECT_EQ(0, tally.others);
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_F(shared_file, has_one_cursor_for_duplicates)
{
	struct nvme_event event;
	int duplicate = dup(self->fd);

	ASSERT_LE(0, duplicate);
	ASSERT_EQ(0, event_raise_many(&self->controller, 3));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(1, event.dw2);
	ASSERT_EQ(0, event_read(duplicate, &event));
	EXPECT_EQ(2, event.dw2);
	close(duplicate);
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(3, event.dw2);
	EXPECT_TRUE(event_quiet(self->fd));
}

TEST_F(shared_file, has_one_cursor_for_parent_and_child)
{
	struct nvme_event event;
	int status;
	pid_t child;

	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	child = fork();
	ASSERT_LE(0, child);
	if (child == 0)
		_exit(event_read(self->fd, &event) ? 255 : event.dw2);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(1, WEXITSTATUS(status));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(2, event.dw2);
	EXPECT_TRUE(event_quiet(self->fd));
}

TEST_F(shared_file, opened_for_writing_cannot_be_read)
{
	struct nvme_event event;
	int fd;

	fd = controller_open(&self->controller, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, &event, sizeof(event)));
	EXPECT_EQ(EBADF, errno);
	close(fd);
}

TEST_HARNESS_MAIN
