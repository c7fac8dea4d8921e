// SPDX-License-Identifier: GPL-2.0-only
/* Several openers: who gets which events, when one has them to itself, when some share them, when one does not read. */
#include "kselftest_harness.h"

#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/passthru.h"
#include "lib/util.h"

#define MEMBERS 8
#define EVENTS 24
#define ENTRIES 16	/* of the ring: event_ring_entries=16 */
#define SOME 15		/* events that fit, with the record of the removal */
#define READ_ONLY 0644
#define ROOT_ONLY 0600

FIXTURE(modes)
{
	struct controller controller;
	int a, b;
};

FIXTURE_SETUP(modes)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->a = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->a);
	self->b = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->b);
}

FIXTURE_TEARDOWN(modes)
{
	EXPECT_EQ(0, become_root());
	EXPECT_EQ(0, node_permit(self->controller.path, NODE_FOR_ROOT));
	close(self->a);
	close(self->b);
	EXPECT_EQ(0, event_clear(&self->controller));
}

static int mode(int fd, unsigned int reading, int other)
{
	struct nvme_event_mode mode = {
		.size = sizeof(mode), .reading = reading, .fd = other,
	};

	return ioctl(fd, NVME_EVENT_IOCTL_MODE, &mode) ? -errno : 0;
}

static int claim_of(int fd)
{
	struct nvme_event_info info = { .size = sizeof(info) };

	return ioctl(fd, NVME_EVENT_IOCTL_INFO, &info) ? -errno : (int)info.claim;
}

static int poll_now(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) < 0 ? -errno : poll_fd.revents;
}

static int read_now(int fd, struct nvme_event *event)
{
	ssize_t length;
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	length = read(fd, event, sizeof(*event));
	length = length < 0 ? -errno : length;
	fcntl(fd, F_SETFL, flags);
	return length;
}

TEST_F(modes, structs_are_checked_and_nothing_is_changed)
{
	struct nvme_event_mode good = { .size = sizeof(good) }, bad;

	EXPECT_EQ(-1, ioctl(self->a, NVME_EVENT_IOCTL_MODE, bad_address()));
	EXPECT_EQ(EFAULT, errno);
	bad = good;
	bad.size--;
	EXPECT_EQ(-1, ioctl(self->a, NVME_EVENT_IOCTL_MODE, &bad));
	EXPECT_EQ(EINVAL, errno);
	bad = good;
	bad.flags = 1;
	EXPECT_EQ(-1, ioctl(self->a, NVME_EVENT_IOCTL_MODE, &bad));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-EINVAL, mode(self->a, 3, 0));
	EXPECT_EQ(-EINVAL, mode(self->a, NVME_EVENT_BROADCAST, self->b));
	EXPECT_EQ(-EINVAL, mode(self->a, NVME_EVENT_EXCLUSIVE, self->b));
	EXPECT_EQ(-EBADF, mode(self->a, NVME_EVENT_SHARED, -1));
	EXPECT_EQ(-EBADF, mode(self->a, NVME_EVENT_SHARED, 999));
	EXPECT_EQ(-EINVAL, mode(self->a, NVME_EVENT_SHARED, STDERR_FILENO));
	EXPECT_EQ(NVME_EVENT_CLAIM_NONE, claim_of(self->a));
}

TEST_F(modes, info_gives_no_more_than_the_caller_knows)
{
	struct {
		struct nvme_event_info info;
		unsigned char behind[16];
	} it;

	memset(&it, 0xaa, sizeof(it));
	it.info.size = NVME_EVENT_INFO_SIZE_VER0;
	it.info.flags = 0;
	ASSERT_EQ(0, ioctl(self->a, NVME_EVENT_IOCTL_INFO, &it));
	EXPECT_EQ(NVME_EVENT_INFO_SIZE_VER0, it.info.size);
	EXPECT_EQ(1, it.info.cursor);
	EXPECT_EQ(0xaaaaaaaa, it.info.claim);

	it.info.size = sizeof(it);
	ASSERT_EQ(0, ioctl(self->a, NVME_EVENT_IOCTL_INFO, &it));
	EXPECT_EQ(sizeof(it.info), it.info.size);
	EXPECT_EQ(NVME_EVENT_CLAIM_NONE, it.info.claim);
	EXPECT_EQ(0xaa, it.behind[0]);

	it.info.size = NVME_EVENT_INFO_SIZE_VER0 - 1;
	EXPECT_EQ(-1, ioctl(self->a, NVME_EVENT_IOCTL_INFO, &it));
	EXPECT_EQ(EINVAL, errno);
}

/* Option 1: one reader alone. */
TEST_F(modes, an_exclusive_claim_sends_the_others_away_and_they_stay_where_they_are)
{
	struct nvme_event event, blocked;
	struct read_call parameters = { self->b, &blocked, sizeof(blocked) };
	struct call call;
	int late;

	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	ASSERT_EQ(0, mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(-1, call.result);
	EXPECT_EQ(EBUSY, call.error);
	EXPECT_EQ(NVME_EVENT_CLAIM_HOLDER, claim_of(self->a));
	EXPECT_EQ(NVME_EVENT_CLAIM_OTHER, claim_of(self->b));

	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	EXPECT_EQ(-EBUSY, read_now(self->b, &event));
	EXPECT_EQ(-1, pread(self->b, &event, sizeof(event), 16));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(POLLERR, poll_now(self->b));
	late = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, late);
	EXPECT_EQ(-EBUSY, read_now(late, &event));
	EXPECT_EQ(-EBUSY, mode(self->b, NVME_EVENT_EXCLUSIVE, 0));
	/* Twice is once. */
	EXPECT_EQ(0, mode(self->a, NVME_EVENT_EXCLUSIVE, 0));

	EXPECT_EQ(POLLIN, poll_now(self->a));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(1, event.dw2);

	ASSERT_EQ(0, mode(self->a, NVME_EVENT_BROADCAST, 0));
	EXPECT_EQ(NVME_EVENT_CLAIM_NONE, claim_of(self->b));
	EXPECT_EQ(POLLIN, poll_now(self->b));
	ASSERT_EQ(0, event_read(self->b, &event));
	EXPECT_EQ(1, event.dw2);
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(2, event.dw2);
	EXPECT_EQ(-EAGAIN, read_now(late, &event));
	close(late);
}

TEST_F(modes, an_exclusive_claim_ends_with_the_last_close)
{
	struct pollfd waits = { .fd = self->b, .events = POLLIN };
	struct nvme_event event;
	int copy = dup(self->a);

	ASSERT_EQ(0, mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	close(self->a);
	EXPECT_EQ(-EBUSY, read_now(self->b, &event));
	close(copy);
	EXPECT_EQ(-EAGAIN, read_now(self->b, &event));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(1, poll(&waits, 1, LIMIT_MS));
	EXPECT_EQ(POLLIN, waits.revents);
	self->a = controller_open(&self->controller, O_RDONLY);
}

TEST_F(modes, an_exclusive_claim_ends_with_its_process)
{
	struct nvme_event event;
	int pipes[2], status;
	char byte;
	pid_t child;

	close(self->a);
	ASSERT_EQ(0, pipe(pipes));
	child = fork();
	ASSERT_LE(0, child);
	if (child == 0) {
		int fd = controller_open(&self->controller, O_RDONLY);

		if (mode(fd, NVME_EVENT_EXCLUSIVE, 0))
			_exit(1);
		byte = 1;
		if (write(pipes[1], &byte, 1) != 1)
			_exit(1);
		/* It dies while it reads. */
		read(fd, &event, sizeof(event));
		_exit(2);
	}
	ASSERT_EQ(1, read(pipes[0], &byte, 1));
	EXPECT_EQ(-EBUSY, read_now(self->b, &event));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(wait_until(read_now(self->b, &event) == -EAGAIN));
	close(pipes[0]);
	close(pipes[1]);
	self->a = controller_open(&self->controller, O_RDONLY);
}

TEST_F(modes, commands_of_others_go_on_while_one_reads_alone)
{
	unsigned char *page = pages_new(IDENTIFY_BYTES, 0);
	struct nvme_passthru_cmd64 identify = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(page, IDENTIFY_BYTES),
	};

	ASSERT_EQ(0, mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	EXPECT_EQ(0, passthru(self->b, NVME_IOCTL_ADMIN64_CMD, &identify));
	pages_free(page, IDENTIFY_BYTES);
}

TEST_F(modes, only_an_administrator_reads_alone)
{
	ASSERT_EQ(0, node_permit(self->controller.path, NODE_READABLE));
	ASSERT_EQ(0, become_nobody());
	EXPECT_EQ(-EACCES, mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	EXPECT_EQ(0, mode(self->a, NVME_EVENT_SHARED, self->b));
	EXPECT_EQ(0, mode(self->a, NVME_EVENT_BROADCAST, 0));
	EXPECT_EQ(NVME_EVENT_CLAIM_NONE, claim_of(self->a));
}

TEST_F(modes, multishot_reads_of_others_end_with_busy)
{
	struct __kernel_timespec limit = { .tv_sec = LIMIT_MS / 1000 };
	struct io_uring_buf_ring *buffers;
	struct nvme_event space[4];
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int error, i;

	ASSERT_EQ(0, io_uring_queue_init(8, &ring, 0));
	buffers = io_uring_setup_buf_ring(&ring, 4, 1, 0, &error);
	ASSERT_NE(NULL, buffers);
	for (i = 0; i < 4; i++)
		io_uring_buf_ring_add(buffers, &space[i], sizeof(space[i]), i,
				      io_uring_buf_ring_mask(4), i);
	io_uring_buf_ring_advance(buffers, 4);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read_multishot(sqe, self->b, 0, 0, 1);
	ASSERT_EQ(1, io_uring_submit(&ring));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, io_uring_wait_cqe_timeout(&ring, &cqe, &limit));
	EXPECT_EQ(sizeof(space[0]), cqe->res);
	EXPECT_TRUE(cqe->flags & IORING_CQE_F_MORE);
	io_uring_cqe_seen(&ring, cqe);

	ASSERT_EQ(0, mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	ASSERT_EQ(0, io_uring_wait_cqe_timeout(&ring, &cqe, &limit));
	EXPECT_EQ(-EBUSY, cqe->res);
	EXPECT_FALSE(cqe->flags & IORING_CQE_F_MORE);
	io_uring_cqe_seen(&ring, cqe);
	io_uring_free_buf_ring(&ring, buffers, 4, 1);
	io_uring_queue_exit(&ring);
}

/* Option 2: each record to one of them. */
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

TEST_F(modes, eight_members_of_a_group_get_each_record_exactly_once)
{
	atomic_uint times[EVENTS + 2] = {}, lost = 0, overruns = 0;
	struct tally tallies[MEMBERS];
	struct call calls[MEMBERS];
	unsigned int i;

	for (i = 0; i < MEMBERS; i++) {
		int fd = i ? controller_open(&self->controller, O_RDONLY) : self->a;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, mode(fd, NVME_EVENT_SHARED, self->a));
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
TEST_F(modes, exactly_one_member_learns_of_an_overrun)
{
	atomic_uint times[EVENTS + 2] = {}, lost = 0, overruns = 0;
	struct nvme_event_info info = { .size = sizeof(info) };
	struct tally tallies[MEMBERS];
	struct call calls[MEMBERS];
	unsigned int i, got = 0;

	for (i = 0; i < MEMBERS; i++) {
		int fd = i ? controller_open(&self->controller, O_RDONLY) : self->a;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, mode(fd, NVME_EVENT_SHARED, self->a));
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

TEST_F(modes, who_joins_stands_where_the_group_does_and_who_leaves_goes_on_there)
{
	struct nvme_event event, blocked;
	struct read_call parameters = { self->b, &blocked, sizeof(blocked) };
	struct call call;

	ASSERT_EQ(0, event_raise_many(&self->controller, 3));
	ASSERT_EQ(0, event_read(self->a, &event));
	ASSERT_EQ(0, mode(self->b, NVME_EVENT_SHARED, self->a));
	ASSERT_EQ(0, event_read(self->b, &event));
	EXPECT_EQ(2, event.dw2);
	ASSERT_EQ(0, mode(self->b, NVME_EVENT_BROADCAST, 0));
	ASSERT_EQ(0, event_read(self->b, &event));
	EXPECT_EQ(3, event.dw2);
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(3, event.dw2);

	/* A read that waits goes on as a member. */
	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	ASSERT_EQ(32, lseek(self->a, 32, SEEK_SET));
	ASSERT_EQ(0, mode(self->b, NVME_EVENT_SHARED, self->a));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(sizeof(blocked), call.result);
	EXPECT_EQ(2, blocked.dw2);
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(3, event.dw2);
}

TEST_F(modes, a_group_reads_alone_as_one)
{
	struct nvme_event event;
	int other = controller_open(&self->controller, O_RDONLY);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, mode(self->b, NVME_EVENT_SHARED, self->a));
	ASSERT_EQ(0, mode(self->b, NVME_EVENT_EXCLUSIVE, 0));
	EXPECT_EQ(NVME_EVENT_CLAIM_HOLDER, claim_of(self->a));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(-EBUSY, read_now(other, &event));
	/* Who leaves has no part in it. */
	ASSERT_EQ(0, mode(self->a, NVME_EVENT_BROADCAST, 0));
	EXPECT_EQ(-EBUSY, read_now(self->a, &event));
	close(self->b);
	EXPECT_EQ(-EAGAIN, read_now(self->a, &event));
	self->b = other;
}

/* Option 4: who does not read is no reader. */
TEST_F(modes, files_for_writing_have_no_place)
{
	struct nvme_event_info info = { .size = sizeof(info) };
	struct nvme_event_resume resume = { .size = sizeof(resume) };
	struct nvme_event_filter filter = { .size = sizeof(filter) };
	int fd = controller_open(&self->controller, O_WRONLY);
	struct nvme_event event;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, NVME_EVENT_IOCTL_INFO, &info));
	EXPECT_EQ(0, info.cursor);
	resume.stream_id = info.stream_id;
	resume.number = 1;
	EXPECT_EQ(-1, read(fd, &event, sizeof(event)));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, ioctl(fd, NVME_EVENT_IOCTL_RESUME, &resume));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, ioctl(fd, NVME_EVENT_IOCTL_FILTER, &filter));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-EBADF, mode(fd, NVME_EVENT_EXCLUSIVE, 0));
	EXPECT_EQ(-EBADF, mode(fd, NVME_EVENT_SHARED, self->a));
	EXPECT_EQ(-EBADF, mode(self->a, NVME_EVENT_SHARED, fd));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(0, poll_now(fd));
	close(fd);
}

/* Two controllers' files have nothing in common. */
TEST_F(modes, a_file_of_an_earlier_binding_cannot_be_joined)
{
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(0, controller_bind(&self->controller));
	close(self->a);
	self->a = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->a);
	EXPECT_EQ(-EINVAL, mode(self->a, NVME_EVENT_SHARED, self->b));
}

TEST_HARNESS_MAIN
