// SPDX-License-Identifier: GPL-2.0-only
/* Several openers: who gets which events when one has them to itself, and when one does not read. */
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
	EXPECT_EQ(-EINVAL, event_mode(self->a, 3, 0));
	EXPECT_EQ(-EINVAL, event_mode(self->a, NVME_EVENT_BROADCAST, self->b));
	EXPECT_EQ(-EINVAL, event_mode(self->a, NVME_EVENT_EXCLUSIVE, self->b));
	EXPECT_EQ(-EBADF, event_mode(self->a, NVME_EVENT_SHARED, -1));
	EXPECT_EQ(-EBADF, event_mode(self->a, NVME_EVENT_SHARED, 999));
	EXPECT_EQ(-EINVAL, event_mode(self->a, NVME_EVENT_SHARED, STDERR_FILENO));
	EXPECT_EQ(NVME_EVENT_CLAIM_NONE, event_claim(self->a));
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
	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(-1, call.result);
	EXPECT_EQ(EBUSY, call.error);
	EXPECT_EQ(NVME_EVENT_CLAIM_HOLDER, event_claim(self->a));
	EXPECT_EQ(NVME_EVENT_CLAIM_OTHER, event_claim(self->b));

	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	EXPECT_EQ(-EBUSY, event_read_now(self->b, &event));
	EXPECT_EQ(-1, pread(self->b, &event, sizeof(event), 16));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(POLLERR, event_poll_now(self->b));
	late = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, late);
	EXPECT_EQ(-EBUSY, event_read_now(late, &event));
	EXPECT_EQ(-EBUSY, event_mode(self->b, NVME_EVENT_EXCLUSIVE, 0));
	/* Twice is once. */
	EXPECT_EQ(0, event_mode(self->a, NVME_EVENT_EXCLUSIVE, 0));

	EXPECT_EQ(POLLIN, event_poll_now(self->a));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(1, event.dw2);

	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_BROADCAST, 0));
	EXPECT_EQ(NVME_EVENT_CLAIM_NONE, event_claim(self->b));
	EXPECT_EQ(POLLIN, event_poll_now(self->b));
	ASSERT_EQ(0, event_read(self->b, &event));
	EXPECT_EQ(1, event.dw2);
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(2, event.dw2);
	EXPECT_EQ(-EAGAIN, event_read_now(late, &event));
	close(late);
}

static long call_pread(void *argument)
{
	struct read_call *call = argument;

	return pread(call->fd, call->buffer, call->size, sizeof(struct nvme_event));
}

/* Whoever gives up the claim while another thread reads the same file. */
FIXTURE(giving_up)
{
	struct controller controller;
	int a, b;
};

FIXTURE_VARIANT(giving_up)
{
	unsigned int reading;
	long (*call)(void *argument);
	long number;
};

FIXTURE_VARIANT_ADD(giving_up, to_read_alone_and_a_read) {
	NVME_EVENT_BROADCAST, call_read, SYS_read };
FIXTURE_VARIANT_ADD(giving_up, to_read_alone_and_a_pread) {
	NVME_EVENT_BROADCAST, call_pread, SYS_pread64 };
FIXTURE_VARIANT_ADD(giving_up, to_share_and_a_read) {
	NVME_EVENT_SHARED, call_read, SYS_read };
FIXTURE_VARIANT_ADD(giving_up, to_share_and_a_pread) {
	NVME_EVENT_SHARED, call_pread, SYS_pread64 };

FIXTURE_SETUP(giving_up)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->a = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->a);
	self->b = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->b);
}

FIXTURE_TEARDOWN(giving_up)
{
	close(self->a);
	close(self->b);
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_F(giving_up, ends_the_claim_at_once_and_no_read)
{
	int other = variant->reading == NVME_EVENT_SHARED ? self->b : 0;
	struct nvme_event event;
	struct read_call parameters = { self->a, &event, sizeof(event) };
	struct call call;

	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	ASSERT_EQ(0, call_start(&call, variant->call, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, variant->number));
	ASSERT_EQ(0, event_mode(self->a, variant->reading, other));
	EXPECT_EQ(NVME_EVENT_CLAIM_NONE, event_claim(self->b));
	EXPECT_EQ(NVME_EVENT_CLAIM_NONE, event_claim(self->a));
	EXPECT_EQ(0, event_poll_now(self->b));
	EXPECT_EQ(-EAGAIN, event_read_now(self->b, &event));
	ASSERT_TRUE(call_blocks_in(&call, variant->number));
	EXPECT_FALSE(call.returned);
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(sizeof(event), call.result) {
		complain("%s", strerror(call.error));
	}
	EXPECT_EQ(1, event.dw2);
}

TEST_F(modes, a_claim_is_the_groups_and_stays_while_one_of_it_is_left)
{
	struct nvme_event event;
	int c = controller_open(&self->controller, O_RDONLY);

	ASSERT_LE(0, c);
	ASSERT_EQ(0, event_mode(self->b, NVME_EVENT_SHARED, self->a));
	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_SHARED, self->a));
	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	EXPECT_EQ(NVME_EVENT_CLAIM_HOLDER, event_claim(self->b));
	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_BROADCAST, 0));
	EXPECT_EQ(NVME_EVENT_CLAIM_HOLDER, event_claim(self->b));
	EXPECT_EQ(-EBUSY, event_read_now(self->a, &event));
	EXPECT_EQ(-EBUSY, event_read_now(c, &event));
	ASSERT_EQ(0, event_mode(self->b, NVME_EVENT_SHARED, c));
	EXPECT_EQ(NVME_EVENT_CLAIM_NONE, event_claim(c));
	EXPECT_EQ(-EAGAIN, event_read_now(self->a, &event));
	close(c);
}

TEST_F(modes, an_exclusive_claim_ends_with_the_last_close)
{
	struct pollfd waits = { .fd = self->b, .events = POLLIN };
	struct nvme_event event;
	int copy = dup(self->a);

	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	close(self->a);
	EXPECT_EQ(-EBUSY, event_read_now(self->b, &event));
	close(copy);
	EXPECT_EQ(-EAGAIN, event_read_now(self->b, &event));
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

		if (event_mode(fd, NVME_EVENT_EXCLUSIVE, 0))
			_exit(1);
		byte = 1;
		if (write(pipes[1], &byte, 1) != 1)
			_exit(1);
		/* It dies while it reads. */
		read(fd, &event, sizeof(event));
		_exit(2);
	}
	ASSERT_EQ(1, read(pipes[0], &byte, 1));
	EXPECT_EQ(-EBUSY, event_read_now(self->b, &event));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(wait_until(event_read_now(self->b, &event) == -EAGAIN));
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

	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	EXPECT_EQ(0, passthru(self->b, NVME_IOCTL_ADMIN64_CMD, &identify));
	pages_free(page, IDENTIFY_BYTES);
}

TEST_F(modes, only_an_administrator_reads_alone)
{
	ASSERT_EQ(0, node_permit(self->controller.path, NODE_READABLE));
	ASSERT_EQ(0, become_nobody());
	EXPECT_EQ(-EACCES, event_mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	EXPECT_EQ(0, event_mode(self->a, NVME_EVENT_SHARED, self->b));
	EXPECT_EQ(0, event_mode(self->a, NVME_EVENT_BROADCAST, 0));
	EXPECT_EQ(NVME_EVENT_CLAIM_NONE, event_claim(self->a));
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

	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	ASSERT_EQ(0, io_uring_wait_cqe_timeout(&ring, &cqe, &limit));
	EXPECT_EQ(-EBUSY, cqe->res);
	EXPECT_FALSE(cqe->flags & IORING_CQE_F_MORE);
	io_uring_cqe_seen(&ring, cqe);
	io_uring_free_buf_ring(&ring, buffers, 4, 1);
	io_uring_queue_exit(&ring);
}

static long call_poll(void *argument)
{
	return poll(argument, 1, LIMIT_MS);
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
	EXPECT_EQ(-EBADF, event_mode(fd, NVME_EVENT_EXCLUSIVE, 0));
	EXPECT_EQ(-EBADF, event_mode(fd, NVME_EVENT_SHARED, self->a));
	EXPECT_EQ(-EBADF, event_mode(self->a, NVME_EVENT_SHARED, fd));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(0, event_poll_now(fd));

	/* But it learns that the controller is gone. */
	ASSERT_EQ(0, controller_unbind(&self->controller));
	EXPECT_EQ(POLLERR | POLLHUP, event_poll_now(fd));
	ASSERT_EQ(0, controller_bind(&self->controller));
	close(fd);
}

TEST_F(modes, files_for_writing_are_woken_when_the_controller_goes)
{
	struct pollfd gone = { .fd = controller_open(&self->controller, O_WRONLY) };
	struct call call;

	ASSERT_LE(0, gone.fd);
	ASSERT_EQ(0, call_start(&call, call_poll, &gone));
	ASSERT_TRUE(call_blocks_in(&call, SYS_poll));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(1, call.result);
	EXPECT_EQ(POLLERR | POLLHUP, gone.revents);
	ASSERT_EQ(0, controller_bind(&self->controller));
	close(gone.fd);
}

TEST_HARNESS_MAIN
