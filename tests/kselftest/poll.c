// SPDX-License-Identifier: GPL-2.0-only
/* poll() and its relatives: what they report, and whom they wake. */
#include "kselftest_harness.h"

#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/util.h"

#define READABLE (POLLIN | POLLRDNORM)
#define GONE (POLLHUP | POLLERR)

/* What is reported at this moment, of all that can be asked for. */
static int reported(int fd)
{
	struct pollfd all = {
		.fd = fd,
		.events = READABLE | POLLPRI | POLLRDBAND | POLLOUT | POLLWRNORM | POLLRDHUP,
	};

	return poll(&all, 1, 0) < 0 ? -errno : all.revents;
}

FIXTURE(poll)
{
	struct controller controller;
	int fd;
};

FIXTURE_SETUP(poll)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(poll)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_F(poll, reports_records_until_they_are_read)
{
	struct nvme_event event;

	EXPECT_EQ(0, reported(self->fd));
	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	EXPECT_EQ(READABLE, reported(self->fd));
	EXPECT_EQ(READABLE, reported(self->fd));

	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(READABLE, reported(self->fd));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(0, reported(self->fd));
}

TEST_F(poll, reports_the_end_together_with_what_is_left)
{
	struct nvme_event event;

	ASSERT_EQ(0, controller_unbind(&self->controller));
	EXPECT_EQ(READABLE | GONE, reported(self->fd));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_REMOVED, event.dw0);
	EXPECT_EQ(GONE, reported(self->fd));

	/* The controller of a later bind is another one. */
	ASSERT_EQ(0, controller_bind(&self->controller));
	EXPECT_EQ(GONE, reported(self->fd));
}

TEST_F(poll, level_triggered_epoll_reports_until_drained)
{
	struct epoll_event interest = { .events = EPOLLIN }, report;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct nvme_event event;

	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd, &interest));
	EXPECT_EQ(0, epoll_wait(epoll, &report, 1, QUIET_MS));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(1, epoll_wait(epoll, &report, 1, LIMIT_MS));
	EXPECT_EQ(EPOLLIN, report.events);
	EXPECT_EQ(1, epoll_wait(epoll, &report, 1, LIMIT_MS));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(0, epoll_wait(epoll, &report, 1, QUIET_MS));
	close(epoll);
}

TEST_F(poll, edge_triggered_epoll_reports_each_event_once)
{
	struct epoll_event interest = { .events = EPOLLIN | EPOLLET }, report;
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd, &interest));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(1, epoll_wait(epoll, &report, 1, LIMIT_MS));
	EXPECT_EQ(0, epoll_wait(epoll, &report, 1, QUIET_MS));
	/* Again, though nothing was read in between. */
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(1, epoll_wait(epoll, &report, 1, LIMIT_MS));
	EXPECT_EQ(0, epoll_wait(epoll, &report, 1, QUIET_MS));
	close(epoll);
}

/*
 * Ways to wait for a file. They look once more when their time is up, so that
 * must not be before the test has given up on them.
 */
#define GIVE_UP_MS (2 * LIMIT_MS)

static long wait_by_poll(void *fd)
{
	struct pollfd pollfd = { .fd = *(int *)fd, .events = POLLIN };

	return poll(&pollfd, 1, GIVE_UP_MS);
}

static long wait_by_ppoll(void *fd)
{
	struct pollfd pollfd = { .fd = *(int *)fd, .events = POLLIN };
	struct timespec limit = { .tv_sec = GIVE_UP_MS / 1000 };

	return ppoll(&pollfd, 1, &limit, NULL);
}

static long wait_by_select(void *fd)
{
	struct timespec limit = { .tv_sec = GIVE_UP_MS / 1000 };
	int number = *(int *)fd;
	fd_set readable;

	FD_ZERO(&readable);
	FD_SET(number, &readable);
	return pselect(number + 1, &readable, NULL, NULL, &limit, NULL);
}

static long wait_by_epoll(void *fd)
{
	struct epoll_event report = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	long count;

	epoll_ctl(epoll, EPOLL_CTL_ADD, *(int *)fd, &report);
	count = epoll_wait(epoll, &report, 1, GIVE_UP_MS);
	close(epoll);
	return count;
}

FIXTURE(waiter)
{
	struct controller controller;
	int fd;
};

FIXTURE_VARIANT(waiter)
{
	long (*function)(void *fd);
	long number;
};

FIXTURE_VARIANT_ADD(waiter, in_poll)
{
	.function = wait_by_poll,
	.number = SYS_poll,
};

FIXTURE_VARIANT_ADD(waiter, in_ppoll)
{
	.function = wait_by_ppoll,
	.number = SYS_ppoll,
};

FIXTURE_VARIANT_ADD(waiter, in_select)
{
	.function = wait_by_select,
	.number = SYS_pselect6,
};

FIXTURE_VARIANT_ADD(waiter, in_epoll)
{
	.function = wait_by_epoll,
	.number = SYS_epoll_wait,
};

FIXTURE_SETUP(waiter)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(waiter)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_F(waiter, is_woken_by_an_event)
{
	struct nvme_event event;
	struct call call;

	ASSERT_EQ(0, call_start(&call, variant->function, &self->fd));
	ASSERT_TRUE(call_blocks_in(&call, variant->number));
	usleep(QUIET_MS * 1000);
	EXPECT_FALSE(call.returned);

	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(1, call.result);
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(1, event.dw2);
}

TEST_F(waiter, is_woken_by_removal)
{
	struct call call;

	ASSERT_EQ(0, call_start(&call, variant->function, &self->fd));
	ASSERT_TRUE(call_blocks_in(&call, variant->number));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(1, call.result);
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_F(waiter, does_not_keep_others_from_being_woken)
{
	int another = controller_open(&self->controller, O_RDONLY);
	int *fds[] = { &self->fd, &self->fd, &another };
	struct call calls[ARRAY_LENGTH(fds)];
	unsigned int i;

	ASSERT_LE(0, another);
	for (i = 0; i < ARRAY_LENGTH(fds); i++) {
		ASSERT_EQ(0, call_start(&calls[i], variant->function, fds[i]));
		ASSERT_TRUE(call_blocks_in(&calls[i], variant->number));
	}
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	for (i = 0; i < ARRAY_LENGTH(fds); i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(1, calls[i].result);
	}
	close(another);
}

TEST_HARNESS_MAIN
