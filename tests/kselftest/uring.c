// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_uring reads. No record has number 0, so that the offsets 0 and -1 both mean
 * "where this file stands".
 */
#include "kselftest_harness.h"

#include <liburing.h>

#include "lib/event.h"
#include "lib/util.h"

#define ENTRIES 8

FIXTURE(uring)
{
	struct controller controller;
	struct io_uring ring;
	int fd;
};

FIXTURE_VARIANT(uring)
{
	__u64 offset;
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(uring, at_minus_1) { .offset = -1 };
FIXTURE_VARIANT_ADD(uring, at_0) { .offset = 0 };
/* A worker thread waits in a plain read, instead of io_uring polling the file. */
FIXTURE_VARIANT_ADD(uring, in_a_worker) { .offset = -1, .flags = IOSQE_ASYNC };

FIXTURE_SETUP(uring)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, io_uring_queue_init(ENTRIES, &self->ring, 0));
}

FIXTURE_TEARDOWN(uring)
{
	io_uring_queue_exit(&self->ring);
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

static int submit_read(FIXTURE_DATA(uring) *self, const FIXTURE_VARIANT(uring) *variant,
		       void *buffer, unsigned int bytes, __u64 tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

	io_uring_prep_read(sqe, self->fd, buffer, bytes, variant->offset);
	sqe->flags |= variant->flags;
	io_uring_sqe_set_data64(sqe, tag);
	return io_uring_submit(&self->ring) == 1 ? 0 : -EIO;
}

/* Waits for a completion; its result, and its tag. */
static int wait_cqe(struct io_uring *ring, int ms, __u64 *tag)
{
	struct __kernel_timespec limit = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000LL,
	};
	struct io_uring_cqe *cqe;
	int result;

	result = io_uring_wait_cqe_timeout(ring, &cqe, &limit);
	if (result)
		return result;
	if (tag)
		*tag = cqe->user_data;
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

static int complete(FIXTURE_DATA(uring) *self, int ms, __u64 *tag)
{
	*tag = -1;
	return wait_cqe(&self->ring, ms, tag);
}

TEST_F(uring, read_completes_when_an_event_comes)
{
	struct nvme_event event;
	unsigned int number;
	__u64 tag;

	for (number = 1; number <= 3; number++) {
		ASSERT_EQ(0, submit_read(self, variant, &event, sizeof(event), number));
		EXPECT_EQ(-ETIME, complete(self, QUIET_MS, &tag));
		ASSERT_EQ(0, event_raise_many(&self->controller, 1));
		ASSERT_EQ(sizeof(event), complete(self, LIMIT_MS, &tag));
		EXPECT_EQ(number, tag);
		EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
		EXPECT_EQ(number, event.dw2);
	}
}

TEST_F(uring, read_takes_what_is_already_there)
{
	struct nvme_event events[4];
	__u64 tag;

	ASSERT_EQ(0, event_raise_many(&self->controller, 3));
	ASSERT_EQ(0, submit_read(self, variant, events, sizeof(events), 1));
	ASSERT_EQ(3 * sizeof(*events), complete(self, LIMIT_MS, &tag));
	EXPECT_EQ(1, events[0].dw2);
	EXPECT_EQ(3, events[2].dw2);
}

TEST_F(uring, reads_share_the_cursor)
{
	struct nvme_event events[2];
	unsigned int i;
	__u64 tag;

	ASSERT_EQ(0, submit_read(self, variant, &events[0], sizeof(*events), 0));
	ASSERT_EQ(0, submit_read(self, variant, &events[1], sizeof(*events), 1));
	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(sizeof(*events), complete(self, LIMIT_MS, &tag));
	/* Which of them got which is not said. */
	EXPECT_EQ(3, events[0].dw2 + events[1].dw2);
	EXPECT_NE(events[0].dw2, events[1].dw2);
}

TEST_F(uring, short_read_is_refused)
{
	char buffer[15];
	__u64 tag;

	ASSERT_EQ(0, submit_read(self, variant, buffer, sizeof(buffer), 1));
	EXPECT_EQ(-EINVAL, complete(self, LIMIT_MS, &tag));
}

TEST_F(uring, bad_address_consumes_nothing)
{
	struct nvme_event event;
	__u64 tag;

	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, submit_read(self, variant, bad_address(), sizeof(event), 1));
	EXPECT_EQ(-EFAULT, complete(self, LIMIT_MS, &tag));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(1, event.dw2);
}

TEST_F(uring, cancelled_read_consumes_nothing)
{
	struct nvme_event event = { 0 };
	struct io_uring_sqe *sqe;
	int results[2] = { 0 };
	unsigned int i;
	__u64 tag;

	ASSERT_EQ(0, submit_read(self, variant, &event, sizeof(event), 0));
	EXPECT_EQ(-ETIME, complete(self, QUIET_MS, &tag));
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_cancel64(sqe, 0, 0);
	io_uring_sqe_set_data64(sqe, 1);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	for (i = 0; i < 2; i++) {
		int result = complete(self, LIMIT_MS, &tag);

		ASSERT_GT(2, tag);
		results[tag] = result;
	}
	/* A worker is interrupted, and its read may say so instead. */
	EXPECT_TRUE(results[0] == -ECANCELED || (variant->flags && results[0] == -EINTR));

	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(0, event.dw2);
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(1, event.dw2);
}

TEST_F(uring, pending_read_gets_the_last_record)
{
	struct nvme_event event;
	__u64 tag;

	ASSERT_EQ(0, submit_read(self, variant, &event, sizeof(event), 1));
	EXPECT_EQ(-ETIME, complete(self, QUIET_MS, &tag));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(sizeof(event), complete(self, LIMIT_MS, &tag));
	EXPECT_EQ(EVENT_REMOVED, event.dw0);

	ASSERT_EQ(0, submit_read(self, variant, &event, sizeof(event), 2));
	EXPECT_EQ(-ENODEV, complete(self, LIMIT_MS, &tag));
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_F(uring, poll_completes_when_an_event_comes)
{
	__u64 tag;

	io_uring_prep_poll_add(io_uring_get_sqe(&self->ring), self->fd, POLLIN);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-ETIME, complete(self, QUIET_MS, &tag));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(POLLIN, complete(self, LIMIT_MS, &tag));
}

/* Where to read is said with the read: the file's own place plays no part. */
FIXTURE(positional)
{
	struct controller controller;
	struct io_uring ring;
	int fd;
};

FIXTURE_VARIANT(positional)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(positional, at_once) { .flags = 0 };
FIXTURE_VARIANT_ADD(positional, in_a_worker) { .flags = IOSQE_ASYNC };

#define POSITION(number) ((__u64)(number) * sizeof(struct nvme_event))

FIXTURE_SETUP(positional)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, io_uring_queue_init(ENTRIES, &self->ring, 0));
	ASSERT_EQ(0, event_raise_many(&self->controller, 3));
	ASSERT_EQ(POSITION(4), lseek(self->fd, 0, SEEK_END));
}

FIXTURE_TEARDOWN(positional)
{
	io_uring_queue_exit(&self->ring);
	/* Nothing here has moved it. */
	EXPECT_EQ(POSITION(4), lseek(self->fd, 0, SEEK_CUR));
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

static void submit_read_at(FIXTURE_DATA(positional) *self,
			   const FIXTURE_VARIANT(positional) *variant, void *buffer,
			   unsigned int bytes, __u64 position)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

	io_uring_prep_read(sqe, self->fd, buffer, bytes, position);
	sqe->flags |= variant->flags;
	io_uring_submit(&self->ring);
}

TEST_F(positional, reads_the_records_from_there_on)
{
	struct nvme_event events[4];
	unsigned int first, i;

	for (first = 3; first >= 1; first--) {
		submit_read_at(self, variant, events, sizeof(events), POSITION(first));
		ASSERT_EQ((4 - first) * sizeof(*events), wait_cqe(&self->ring, LIMIT_MS, NULL));
		for (i = first; i <= 3; i++) {
			EXPECT_EQ(i, events[i - first].dw2);
			EXPECT_EQ(0, NVME_EVENT_LOST(events[i - first].dw3));
		}
	}
}

TEST_F(positional, waits_for_the_next_record)
{
	struct nvme_event event;

	submit_read_at(self, variant, &event, sizeof(event), POSITION(4));
	/* The file's own place is the same: whoever looks only there sees the same. */
	EXPECT_EQ(-ETIME, wait_cqe(&self->ring, QUIET_MS, NULL));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(sizeof(event), wait_cqe(&self->ring, LIMIT_MS, NULL));
	EXPECT_EQ(4, event.dw2);
}

TEST_F(positional, waits_for_the_next_record_with_the_file_elsewhere)
{
	struct nvme_event event;

	ASSERT_EQ(POSITION(1), lseek(self->fd, 0, SEEK_SET));
	submit_read_at(self, variant, &event, sizeof(event), POSITION(4));
	EXPECT_EQ(-ETIME, wait_cqe(&self->ring, QUIET_MS, NULL));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(sizeof(event), wait_cqe(&self->ring, LIMIT_MS, NULL));
	EXPECT_EQ(4, event.dw2);
	EXPECT_EQ(POSITION(1), lseek(self->fd, 0, SEEK_CUR));
	ASSERT_EQ(POSITION(4), lseek(self->fd, POSITION(4), SEEK_SET));
}

TEST_F(positional, bad_positions_and_buffers_are_refused)
{
	static const struct {
		__u64 position;
		unsigned int bytes;
		bool bad_address;
		int error;
	} bad[] = {
		{ 8, 64, false, EINVAL },
		{ POSITION(2) + 1, 64, false, EINVAL },
		{ POSITION(5), 64, false, EINVAL },
		{ POSITION(1), 15, false, EINVAL },
		{ POSITION(1), 64, true, EFAULT },
	};
	struct nvme_event events[4];
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(bad); i++) {
		submit_read_at(self, variant, bad[i].bad_address ? bad_address() : events,
			       bad[i].bytes, bad[i].position);
		EXPECT_EQ(-bad[i].error, wait_cqe(&self->ring, LIMIT_MS, NULL)) {
			complain("position %llu, %u bytes", bad[i].position, bad[i].bytes);
		}
	}
}

TEST_HARNESS_MAIN
