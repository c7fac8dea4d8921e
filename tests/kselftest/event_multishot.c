// SPDX-License-Identifier: GPL-2.0-only
/*
 * One command of io_uring for all events to come, into buffers provided
 * beforehand, with their log pages if that is asked for.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "lib/event.h"
#include "lib/subscribe.h"
#include "lib/util.h"

#define BUFFERS	8
#define BUFFER_BYTES 1024
#define GROUP	1
#define SMART_BYTES 512

FIXTURE(stream)
{
	struct controller controller;
	struct io_uring ring;
	struct io_uring_buf_ring *buffers;
	unsigned char space[BUFFERS][BUFFER_BYTES];
	int fd;
};

FIXTURE_VARIANT(stream)
{
	unsigned int flags;
};

#define KIND(name, bits) FIXTURE_VARIANT_ADD(stream, name) { .flags = bits }

KIND(plain, 0);
KIND(wide, IORING_SETUP_SQE128 | IORING_SETUP_CQE32);
KIND(deferred, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
KIND(sqpoll, IORING_SETUP_SQPOLL);

FIXTURE_SETUP(stream)
{
	int error;

	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, io_uring_queue_init(8, &self->ring, variant->flags));
	self->buffers = io_uring_setup_buf_ring(&self->ring, BUFFERS, GROUP, 0, &error);
	ASSERT_NE(NULL, self->buffers);
}

FIXTURE_TEARDOWN(stream)
{
	io_uring_free_buf_ring(&self->ring, self->buffers, BUFFERS, GROUP);
	io_uring_queue_exit(&self->ring);
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

/* Gives @count buffers of @bytes each. */
static void provide(FIXTURE_DATA(stream) *self, unsigned int count, unsigned int bytes)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		io_uring_buf_ring_add(self->buffers, self->space[i], bytes, i,
				      io_uring_buf_ring_mask(BUFFERS), i);
	io_uring_buf_ring_advance(self->buffers, count);
}

static int ask(FIXTURE_DATA(stream) *self, int fd, struct nvme_event_uring wish,
	       unsigned int uring_flags)
{
	struct io_uring_sqe *sqe = subscribe_prepare(&self->ring, fd, GROUP, wish);

	if (!(uring_flags & IORING_URING_CMD_MULTISHOT)) {
		sqe->flags = 0;
		sqe->buf_group = 0;
	}
	sqe->uring_cmd_flags = uring_flags;
	/* A thread that submits may still have one from before. */
	return io_uring_submit(&self->ring) > 0;
}

static int subscribe(FIXTURE_DATA(stream) *self, unsigned int flags)
{
	struct nvme_event_uring wish = { .flags = flags };

	return ask(self, self->fd, wish, IORING_URING_CMD_MULTISHOT);
}

/* Waits for a completion; its result, whether more come, and the buffer. */
static int complete(FIXTURE_DATA(stream) *self, bool *more, unsigned char **buffer)
{
	struct __kernel_timespec limit = { .tv_sec = LIMIT_MS / 1000 };
	struct io_uring_cqe *cqe;
	int result;

	result = io_uring_wait_cqe_timeout(&self->ring, &cqe, &limit);
	if (result)
		return result;
	*more = cqe->flags & IORING_CQE_F_MORE;
	*buffer = cqe->flags & IORING_CQE_F_BUFFER ?
		  self->space[cqe->flags >> IORING_CQE_BUFFER_SHIFT] : NULL;
	result = cqe->res;
	io_uring_cqe_seen(&self->ring, cqe);
	return result;
}

static bool quiet(FIXTURE_DATA(stream) *self)
{
	struct __kernel_timespec limit = { .tv_nsec = QUIET_MS * 1000000LL };
	struct io_uring_cqe *cqe;

	return io_uring_wait_cqe_timeout(&self->ring, &cqe, &limit) == -ETIME;
}

TEST_F(stream, wrong_requests_are_refused)
{
	struct nvme_event_uring wish = { .flags = 2 };
	unsigned char *buffer;
	bool more;
	int fd;

	ASSERT_EQ(1, ask(self, self->fd, wish, IORING_URING_CMD_MULTISHOT));
	EXPECT_EQ(-EINVAL, complete(self, &more, &buffer));
	EXPECT_FALSE(more);
	wish.flags = 0;
	wish.reserved[2] = 1;
	ASSERT_EQ(1, ask(self, self->fd, wish, IORING_URING_CMD_MULTISHOT));
	EXPECT_EQ(-EINVAL, complete(self, &more, &buffer));
	wish.reserved[2] = 0;
	ASSERT_EQ(1, ask(self, self->fd, wish, 0));
	EXPECT_EQ(-EINVAL, complete(self, &more, &buffer));
	fd = controller_open(&self->controller, O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(1, ask(self, fd, wish, IORING_URING_CMD_MULTISHOT));
	EXPECT_EQ(-EBADF, complete(self, &more, &buffer));
	close(fd);
}

TEST_F(stream, each_event_is_a_completion)
{
	unsigned char *buffer = NULL;
	struct nvme_event *event;
	unsigned int i;
	bool more;

	provide(self, BUFFERS, BUFFER_BYTES);
	ASSERT_EQ(1, subscribe(self, 0));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
		ASSERT_EQ(sizeof(*event), complete(self, &more, &buffer));
		EXPECT_TRUE(more);
		event = (void *)buffer;
		EXPECT_EQ(EVENT_RELIABILITY, event->dw0);
		EXPECT_EQ(i, event->dw2);
	}
	EXPECT_TRUE(quiet(self));
}

TEST_F(stream, what_was_there_before_comes_at_once_and_together)
{
	unsigned char *buffer = NULL;
	struct nvme_event *events;
	unsigned int i;
	bool more;

	provide(self, BUFFERS, BUFFER_BYTES);
	ASSERT_EQ(0, event_raise_many(&self->controller, 5));
	ASSERT_EQ(1, subscribe(self, 0));
	ASSERT_EQ(5 * sizeof(*events), complete(self, &more, &buffer));
	events = (void *)buffer;
	for (i = 0; i < 5; i++)
		EXPECT_EQ(i + 1, events[i].dw2);
}

TEST_F(stream, log_pages_come_with_their_events)
{
	unsigned char *buffer = NULL;
	struct nvme_event *event;
	bool more;

	provide(self, BUFFERS, BUFFER_BYTES);
	ASSERT_EQ(1, subscribe(self, NVME_EVENT_URING_PAGE));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(sizeof(*event) + SMART_BYTES, complete(self, &more, &buffer));
	event = (void *)buffer;
	EXPECT_EQ(1, event->dw2);
	EXPECT_EQ(WARNING_RELIABILITY, buffer[sizeof(*event)]);
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_SPARE));
	ASSERT_EQ(sizeof(*event) + SMART_BYTES, complete(self, &more, &buffer));
	event = (void *)buffer;
	EXPECT_EQ(2, event->dw2);
	EXPECT_EQ(WARNING_SPARE, buffer[sizeof(*event)]);
	/* What has none is a record. */
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(sizeof(*event), complete(self, &more, &buffer));
	event = (void *)buffer;
	EXPECT_EQ(EVENT_REMOVED, event->dw0);
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_F(stream, log_pages_are_cut_where_the_buffer_ends)
{
	unsigned char *buffer = NULL;
	bool more;

	provide(self, BUFFERS, 100);
	ASSERT_EQ(1, subscribe(self, NVME_EVENT_URING_PAGE));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(100, complete(self, &more, &buffer));
	EXPECT_EQ(WARNING_RELIABILITY, buffer[sizeof(struct nvme_event)]);
}

TEST_F(stream, ends_when_the_controller_goes)
{
	unsigned char *buffer = NULL;
	struct nvme_event *event;
	bool more;

	provide(self, BUFFERS, BUFFER_BYTES);
	ASSERT_EQ(1, subscribe(self, 0));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(sizeof(*event), complete(self, &more, &buffer));
	EXPECT_TRUE(more);
	event = (void *)buffer;
	EXPECT_EQ(EVENT_REMOVED, event->dw0);
	EXPECT_EQ(-ENODEV, complete(self, &more, &buffer));
	EXPECT_FALSE(more);
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_F(stream, ends_when_somebody_reads_alone)
{
	int other = controller_open(&self->controller, O_RDONLY);
	unsigned char *buffer = NULL;
	bool more;

	ASSERT_LE(0, other);
	provide(self, BUFFERS, BUFFER_BYTES);
	ASSERT_EQ(1, subscribe(self, 0));
	EXPECT_TRUE(quiet(self));
	ASSERT_EQ(0, event_mode(other, NVME_EVENT_EXCLUSIVE, 0));
	EXPECT_EQ(-EBUSY, complete(self, &more, &buffer));
	EXPECT_FALSE(more);
	close(other);
}

TEST_F(stream, shows_what_the_filter_of_the_file_shows)
{
	struct nvme_event_filter filter = { .size = sizeof(filter) };
	unsigned char *buffer = NULL;
	struct nvme_event *event;
	bool more;

	filter.controller[1] = 1U << 1;
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_FILTER, &filter));
	provide(self, BUFFERS, BUFFER_BYTES);
	ASSERT_EQ(1, subscribe(self, 0));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_TRUE(quiet(self));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	ASSERT_EQ(sizeof(*event), complete(self, &more, &buffer));
	event = (void *)buffer;
	EXPECT_EQ(2, event->dw2);
}

TEST_F(stream, without_a_good_buffer_it_ends_and_loses_nothing)
{
	unsigned char *buffer = NULL;
	struct nvme_event event;
	bool more;
	int i;

	provide(self, 2, BUFFER_BYTES);
	ASSERT_EQ(1, subscribe(self, 0));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
		ASSERT_EQ(sizeof(event), complete(self, &more, &buffer));
	}
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_EQ(-ENOBUFS, complete(self, &more, &buffer));
	EXPECT_FALSE(more);

	/* One that is too small is given back. */
	provide(self, 1, sizeof(event) - 1);
	ASSERT_EQ(1, subscribe(self, 0));
	EXPECT_EQ(-EINVAL, complete(self, &more, &buffer));
	EXPECT_FALSE(more);
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(3, event.dw2);
	EXPECT_EQ(0, NVME_EVENT_LOST(event.dw3));
}

TEST_F(stream, a_buffer_that_cannot_be_written_ends_it)
{
	unsigned char *buffer = NULL;
	struct nvme_event event;
	bool more;

	io_uring_buf_ring_add(self->buffers, bad_address(), BUFFER_BYTES, 0,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(self->buffers, 1);
	ASSERT_EQ(1, subscribe(self, 0));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_EQ(-EFAULT, complete(self, &more, &buffer));
	EXPECT_FALSE(more);
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(1, event.dw2);
}

/* Two on one file: each record goes to one of them. */
TEST_F(stream, several_on_a_file_share_it)
{
	unsigned char *buffer = NULL;
	unsigned int i, seen = 0;
	bool more;

	provide(self, BUFFERS, BUFFER_BYTES);
	ASSERT_EQ(1, subscribe(self, 0));
	ASSERT_EQ(1, subscribe(self, 0));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
		ASSERT_EQ(sizeof(struct nvme_event), complete(self, &more, &buffer));
		seen |= 1U << ((struct nvme_event *)buffer)->dw2;
	}
	EXPECT_EQ(0xe, seen);
	EXPECT_TRUE(quiet(self));
}

/* The ring goes, or the task: the file is closed and the module can go. */
TEST_F(stream, ends_with_its_ring_and_with_its_process)
{
	struct io_uring ring;
	int status, i;
	pid_t child;

	for (i = 0; i < 20; i++) {
		child = fork();
		ASSERT_LE(0, child);
		if (child == 0) {
			struct io_uring_buf_ring *buffers;
			int error, fd = controller_open(&self->controller, O_RDONLY);

			if (io_uring_queue_init(8, &ring, variant->flags))
				_exit(1);
			buffers = io_uring_setup_buf_ring(&ring, BUFFERS, GROUP, 0, &error);
			if (!buffers)
				_exit(1);
			subscribe_prepare(&ring, fd, GROUP, (struct nvme_event_uring){});
			if (io_uring_submit(&ring) != 1)
				_exit(1);
			if (i % 2)
				io_uring_queue_exit(&ring);
			raise(SIGKILL);
		}
		if (i % 4 == 3)
			ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	/* Nothing of them is left. */
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
}

/* It has nobody to be called. */
TEST(a_ring_that_polls_is_refused)
{
	struct io_uring_buf_ring *buffers;
	struct controller controller;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int error, fd;

	ASSERT_EQ(0, controller_renew(&controller, 0));
	fd = controller_open(&controller, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, io_uring_queue_init(8, &ring, IORING_SETUP_IOPOLL));
	buffers = io_uring_setup_buf_ring(&ring, BUFFERS, GROUP, 0, &error);
	ASSERT_NE(NULL, buffers);
	subscribe_prepare(&ring, fd, GROUP, (struct nvme_event_uring){});
	ASSERT_EQ(1, io_uring_submit(&ring));
	ASSERT_EQ(0, io_uring_wait_cqe(&ring, &cqe));
	EXPECT_EQ(-EOPNOTSUPP, cqe->res);
	io_uring_queue_exit(&ring);
	close(fd);
}

TEST_HARNESS_MAIN
