// SPDX-License-Identifier: GPL-2.0-only
/* Where a file stands in the stream: lseek(), pread(), and going on later. */
#include "kselftest_harness.h"

#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/util.h"

#define POSITION(number) ((off_t)(number) * sizeof(struct nvme_event))

FIXTURE(cursor)
{
	struct controller controller;
	int fd;
};

FIXTURE_SETUP(cursor)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(cursor)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

static struct nvme_event_info info_of(int fd)
{
	struct nvme_event_info info = { .size = sizeof(info) };

	if (ioctl(fd, NVME_EVENT_IOCTL_INFO, &info))
		info.size = 0;
	return info;
}

static int resume(int fd, __u64 stream_id, __u64 number)
{
	struct nvme_event_resume resume = {
		.size = sizeof(resume),
		.stream_id = stream_id,
		.number = number,
	};

	return ioctl(fd, NVME_EVENT_IOCTL_RESUME, &resume) ? -errno : 0;
}

TEST_F(cursor, fresh_open_stands_after_the_newest_record)
{
	int fd;

	EXPECT_EQ(POSITION(1), lseek(self->fd, 0, SEEK_CUR));
	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	EXPECT_EQ(POSITION(1), lseek(self->fd, 0, SEEK_CUR));

	fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(POSITION(3), lseek(fd, 0, SEEK_CUR));
	close(fd);
}

TEST_F(cursor, seeks_go_where_they_say)
{
	struct nvme_event event;

	ASSERT_EQ(0, event_raise_many(&self->controller, 3));
	EXPECT_EQ(POSITION(4), lseek(self->fd, 0, SEEK_END));
	EXPECT_EQ(-1, read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);

	EXPECT_EQ(POSITION(2), lseek(self->fd, POSITION(2), SEEK_SET));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(2, event.dw2);
	EXPECT_EQ(POSITION(3), lseek(self->fd, 0, SEEK_CUR));

	EXPECT_EQ(POSITION(1), lseek(self->fd, 0, SEEK_SET));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(1, event.dw2);
	EXPECT_EQ(0, NVME_EVENT_LOST(event.dw3));

	EXPECT_EQ(POSITION(3), lseek(self->fd, POSITION(1), SEEK_CUR));
	EXPECT_EQ(POSITION(3), lseek(self->fd, -POSITION(1), SEEK_END));
}

TEST_F(cursor, bad_seeks_are_einval_and_move_nothing)
{
	static const struct {
		off_t offset;
		int whence;
	} bad[] = {
		{ 1, SEEK_SET }, { 15, SEEK_SET }, { 17, SEEK_SET }, { -16, SEEK_SET },
		{ POSITION(4), SEEK_SET }, { (off_t)1 << 61, SEEK_SET }, { 8, SEEK_CUR },
		{ NVME_EVENT_POSITION_PROVIDER | POSITION(2), SEEK_SET },
		{ -POSITION(2), SEEK_CUR }, { POSITION(1), SEEK_END }, { -8, SEEK_END },
		{ 0, SEEK_DATA }, { 0, SEEK_HOLE }, { 0, 17 },
	};
	unsigned int i;

	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	ASSERT_EQ(POSITION(2), lseek(self->fd, POSITION(2), SEEK_SET));
	for (i = 0; i < ARRAY_LENGTH(bad); i++) {
		EXPECT_EQ(-1, lseek(self->fd, bad[i].offset, bad[i].whence));
		EXPECT_EQ(EINVAL, errno) {
			complain("lseek(%lld, %d)", (long long)bad[i].offset, bad[i].whence);
		}
		EXPECT_EQ(POSITION(2), lseek(self->fd, 0, SEEK_CUR));
	}
}

TEST_F(cursor, pread_reads_elsewhere_and_moves_nothing)
{
	struct nvme_event events[4];

	ASSERT_EQ(0, event_raise_many(&self->controller, 3));
	EXPECT_EQ(2 * sizeof(events[0]), pread(self->fd, events, sizeof(events), POSITION(2)));
	EXPECT_EQ(2, events[0].dw2);
	EXPECT_EQ(3, events[1].dw2);
	EXPECT_EQ(POSITION(1), lseek(self->fd, 0, SEEK_CUR));

	/* After the newest record there will be one, beyond that there is nothing. */
	EXPECT_EQ(-1, pread(self->fd, events, sizeof(events), POSITION(4)));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-1, pread(self->fd, events, sizeof(events), POSITION(5)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pread(self->fd, events, sizeof(events), 24));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pread(self->fd, events, 15, POSITION(1)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pread(self->fd, bad_address(), 16, POSITION(1)));
	EXPECT_EQ(EFAULT, errno);

	/* Position 0 is no record: the file reads on where it stands. */
	EXPECT_EQ(sizeof(events[0]), pread(self->fd, events, sizeof(events[0]), 0));
	EXPECT_EQ(1, events[0].dw2);
	EXPECT_EQ(POSITION(2), lseek(self->fd, 0, SEEK_CUR));
}

TEST_F(cursor, info_tells_what_there_is)
{
	struct nvme_event_info info = info_of(self->fd);

	ASSERT_EQ(sizeof(info), info.size);
	EXPECT_NE(0, info.stream_id);
	EXPECT_EQ(1, info.oldest);
	EXPECT_EQ(0, info.newest);
	EXPECT_EQ(1, info.cursor);

	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	info = info_of(self->fd);
	EXPECT_EQ(1, info.oldest);
	EXPECT_EQ(2, info.newest);
	EXPECT_EQ(1, info.cursor);
}

TEST_F(cursor, structs_are_checked_before_anything_else)
{
	struct nvme_event_info info = { .size = NVME_EVENT_INFO_SIZE_VER0 - 1 };
	struct nvme_event_resume wrong = { .size = sizeof(wrong) - 1 };
	__u64 stream_id = info_of(self->fd).stream_id;

	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_INFO, &info));
	EXPECT_EQ(EINVAL, errno);
	info.size = sizeof(info);
	info.flags = 1;
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_INFO, &info));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_INFO, bad_address()));
	EXPECT_EQ(EFAULT, errno);

	wrong.stream_id = stream_id;
	wrong.number = 1;
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_RESUME, &wrong));
	EXPECT_EQ(EINVAL, errno);
	wrong.size = sizeof(wrong) + 8;
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_RESUME, &wrong));
	EXPECT_EQ(EINVAL, errno);
	wrong.size = sizeof(wrong);
	wrong.flags = 1;
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_RESUME, &wrong));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_RESUME, bad_address()));
	EXPECT_EQ(EFAULT, errno);

	EXPECT_EQ(-1, ioctl(self->fd, _IO('N', 0x9f), 0));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(cursor, a_reader_goes_on_after_close_and_reopen)
{
	struct nvme_event_info before;
	struct nvme_event event;

	ASSERT_EQ(0, event_raise_many(&self->controller, 3));
	ASSERT_EQ(0, event_read(self->fd, &event));
	before = info_of(self->fd);
	ASSERT_EQ(2, before.cursor);
	close(self->fd);

	self->fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, resume(self->fd, before.stream_id, before.cursor));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(2, event.dw2);
	EXPECT_EQ(-EINVAL, resume(self->fd, before.stream_id, 5));
	EXPECT_EQ(-EINVAL, resume(self->fd, before.stream_id, 0));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(3, event.dw2);
}

TEST_F(cursor, another_binding_is_another_stream)
{
	__u64 stream_id = info_of(self->fd).stream_id;

	close(self->fd);
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	EXPECT_NE(stream_id, info_of(self->fd).stream_id);
	EXPECT_EQ(-ESTALE, resume(self->fd, stream_id, 1));
}

/* Two threads wait for a record at the end; a third goes back to two old ones. */
TEST_F(cursor, a_seek_wakes_those_who_wait_on_the_same_file)
{
	struct nvme_event events[2];
	struct read_call parameters[2];
	struct call calls[2];
	unsigned int i;

	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDONLY));
	ASSERT_EQ(POSITION(3), lseek(self->fd, 0, SEEK_END));
	for (i = 0; i < 2; i++) {
		parameters[i] = (struct read_call){ self->fd, &events[i], sizeof(events[i]) };
		ASSERT_EQ(0, call_start(&calls[i], call_read, &parameters[i]));
		ASSERT_TRUE(call_blocks_in(&calls[i], SYS_read));
	}
	ASSERT_EQ(POSITION(1), lseek(self->fd, 0, SEEK_SET));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(sizeof(events[i]), calls[i].result);
	}
	/* Each of them once. */
	EXPECT_EQ(3, events[0].dw2 + events[1].dw2);
	EXPECT_NE(events[0].dw2, events[1].dw2);
}

TEST_HARNESS_MAIN
