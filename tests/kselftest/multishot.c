// SPDX-License-Identifier: GPL-2.0-only
/* One io_uring request for all events to come, into buffers provided beforehand. */
#include "kselftest_harness.h"

#include <liburing.h>

#include "lib/event.h"
#include "lib/util.h"

#define BUFFERS	8
#define GROUP	1

FIXTURE(multishot)
{
	struct controller controller;
	struct io_uring ring;
	struct io_uring_buf_ring *buffers;
	struct nvme_event events[BUFFERS];
	int fd;
};

FIXTURE_SETUP(multishot)
{
	struct io_uring_sqe *sqe;
	int error, i;

	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, io_uring_queue_init(8, &self->ring, 0));
	self->buffers = io_uring_setup_buf_ring(&self->ring, BUFFERS, GROUP, 0, &error);
	ASSERT_NE(NULL, self->buffers);
	for (i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(self->buffers, &self->events[i], sizeof(self->events[i]), i,
				      io_uring_buf_ring_mask(BUFFERS), i);
	io_uring_buf_ring_advance(self->buffers, BUFFERS);

	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_read_multishot(sqe, self->fd, 0, 0, GROUP);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
}

FIXTURE_TEARDOWN(multishot)
{
	io_uring_free_buf_ring(&self->ring, self->buffers, BUFFERS, GROUP);
	io_uring_queue_exit(&self->ring);
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

/* Waits for a completion; its result, its flags, and the event in its buffer. */
static int complete(FIXTURE_DATA(multishot) *self, unsigned int *flags, struct nvme_event *event)
{
	struct __kernel_timespec limit = { .tv_sec = LIMIT_MS / 1000 };
	struct io_uring_cqe *cqe;
	int result;

	result = io_uring_wait_cqe_timeout(&self->ring, &cqe, &limit);
	if (result)
		return result;
	*flags = cqe->flags;
	result = cqe->res;
	if (cqe->flags & IORING_CQE_F_BUFFER)
		*event = self->events[cqe->flags >> IORING_CQE_BUFFER_SHIFT];
	io_uring_cqe_seen(&self->ring, cqe);
	return result;
}

TEST_F(multishot, each_event_is_a_completion)
{
	struct nvme_event event;
	unsigned int flags, i;

	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
		ASSERT_EQ(sizeof(event), complete(self, &flags, &event));
		EXPECT_TRUE(flags & IORING_CQE_F_MORE);
		EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
		EXPECT_EQ(i, event.dw2);
	}
}

TEST_F(multishot, ends_when_the_controller_goes)
{
	struct nvme_event event;
	unsigned int flags;
	int result;

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(sizeof(event), complete(self, &flags, &event));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(sizeof(event), complete(self, &flags, &event));
	EXPECT_EQ(EVENT_REMOVED, event.dw0);
	result = complete(self, &flags, &event);
	EXPECT_EQ(-ENODEV, result);
	EXPECT_FALSE(flags & IORING_CQE_F_MORE);
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_F(multishot, ends_when_the_buffers_are_used_up)
{
	struct nvme_event event;
	unsigned int flags, i;

	ASSERT_EQ(0, event_raise_many(&self->controller, BUFFERS));
	for (i = 1; i <= BUFFERS; i++) {
		ASSERT_EQ(sizeof(event), complete(self, &flags, &event));
		EXPECT_EQ(i, event.dw2);
	}
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_EQ(-ENOBUFS, complete(self, &flags, &event));
	EXPECT_FALSE(flags & IORING_CQE_F_MORE);

	/* What found no buffer is still there. */
	EXPECT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(BUFFERS + 1, event.dw2);
}

TEST_HARNESS_MAIN
