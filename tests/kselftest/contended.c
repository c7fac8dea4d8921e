// SPDX-License-Identifier: GPL-2.0-only
/*
 * A cursor that another thread is just using: that one waits, half-way through
 * its copy, for a page which nobody has filled yet. Who may not wait for its
 * turn is told so at once.
 */
#include "kselftest_harness.h"

#include <liburing.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/util.h"

FIXTURE(contended)
{
	struct controller controller;
	struct io_uring ring;
	int fd;
	int faults;	/* a userfaultfd: nothing there is filled by itself */
	char *page;
	long page_bytes;
	struct read_call parameters;
	struct call holder;
};

/* Has a thread begin to read a record into the page that is not there. */
FIXTURE_SETUP(contended)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg fault;

	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, io_uring_queue_init(4, &self->ring, 0));
	ASSERT_EQ(0, event_raise_many(&self->controller, 2));

	self->page_bytes = sysconf(_SC_PAGESIZE);
	self->page = mmap(NULL, self->page_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->page);
	self->faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	ASSERT_LE(0, self->faults);
	ASSERT_EQ(0, ioctl(self->faults, UFFDIO_API, &api));
	range.range.start = (uintptr_t)self->page;
	range.range.len = self->page_bytes;
	ASSERT_EQ(0, ioctl(self->faults, UFFDIO_REGISTER, &range));

	self->parameters = (struct read_call){ self->fd, self->page, sizeof(struct nvme_event) };
	ASSERT_EQ(0, call_start(&self->holder, call_read, &self->parameters));
	ASSERT_EQ(sizeof(fault), read(self->faults, &fault, sizeof(fault)));
	ASSERT_EQ(UFFD_EVENT_PAGEFAULT, fault.event);
}

/* Fills the page: the thread has its record, and ends its turn. */
static void let_go(struct __test_metadata *_metadata, FIXTURE_DATA(contended) *self)
{
	struct uffdio_zeropage zeros = {
		.range = { .start = (uintptr_t)self->page, .len = self->page_bytes },
	};
	struct nvme_event *event = (struct nvme_event *)self->page;

	ASSERT_FALSE(self->holder.returned);
	ASSERT_EQ(0, ioctl(self->faults, UFFDIO_ZEROPAGE, &zeros));
	ASSERT_EQ(0, call_finish(&self->holder));
	EXPECT_EQ(sizeof(*event), self->holder.result);
	EXPECT_EQ(1, event->dw2);
}

FIXTURE_TEARDOWN(contended)
{
	close(self->faults);
	munmap(self->page, self->page_bytes);
	io_uring_queue_exit(&self->ring);
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_F(contended, nonblocking_file_has_eagain)
{
	struct nvme_event event;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDONLY | O_NONBLOCK));
	EXPECT_EQ(-1, read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);
	let_go(_metadata, self);
	/* There was a record all the time. */
	EXPECT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(2, event.dw2);
}

TEST_F(contended, nowait_flag_has_eagain)
{
	struct nvme_event event;
	struct iovec part = { &event, sizeof(event) };

	EXPECT_EQ(-1, preadv2(self->fd, &part, 1, -1, RWF_NOWAIT));
	EXPECT_EQ(EAGAIN, errno);
	let_go(_metadata, self);
	EXPECT_EQ(sizeof(event), preadv2(self->fd, &part, 1, -1, RWF_NOWAIT));
	EXPECT_EQ(2, event.dw2);
}

static void submit_read(FIXTURE_DATA(contended) *self, struct nvme_event *event, int flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

	io_uring_prep_read(sqe, self->fd, event, sizeof(*event), -1);
	sqe->rw_flags = flags;
	io_uring_submit(&self->ring);
}

/* Waits for a completion; its result. */
static int complete(FIXTURE_DATA(contended) *self, int ms)
{
	struct __kernel_timespec limit = { ms / 1000, ms % 1000 * 1000000LL };
	struct io_uring_cqe *cqe;
	int result = io_uring_wait_cqe_timeout(&self->ring, &cqe, &limit);

	if (result)
		return result;
	result = cqe->res;
	io_uring_cqe_seen(&self->ring, cqe);
	return result;
}

TEST_F(contended, a_ring_that_does_not_wait_has_eagain)
{
	struct nvme_event event;

	submit_read(self, &event, RWF_NOWAIT);
	EXPECT_EQ(-EAGAIN, complete(self, LIMIT_MS));
	let_go(_metadata, self);
	submit_read(self, &event, RWF_NOWAIT);
	EXPECT_EQ(sizeof(event), complete(self, LIMIT_MS));
	EXPECT_EQ(2, event.dw2);
}

TEST_F(contended, a_ring_gets_its_turn)
{
	struct nvme_event event;

	submit_read(self, &event, 0);
	EXPECT_EQ(-ETIME, complete(self, QUIET_MS));
	let_go(_metadata, self);
	EXPECT_EQ(sizeof(event), complete(self, LIMIT_MS));
	EXPECT_EQ(2, event.dw2);
}

/* What says where to read needs no turn, and neither does looking. */
TEST_F(contended, others_are_not_held_up)
{
	struct pollfd file = { .fd = self->fd, .events = POLLIN };
	struct nvme_event event;

	EXPECT_EQ(sizeof(event), pread(self->fd, &event, sizeof(event), 2 * sizeof(event)));
	EXPECT_EQ(2, event.dw2);
	EXPECT_EQ(1, poll(&file, 1, 0));
	EXPECT_EQ(POLLIN, file.revents);
	let_go(_metadata, self);
}

static void nothing(int number)
{
	(void)number;
}

TEST_F(contended, a_signal_ends_the_wait_for_the_turn)
{
	struct sigaction action = { .sa_handler = nothing };
	struct nvme_event event;
	struct read_call parameters = { self->fd, &event, sizeof(event) };
	struct call call;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	ASSERT_EQ(0, call_signal(&call, SIGUSR1));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(-1, call.result);
	EXPECT_EQ(EINTR, call.error);
	let_go(_metadata, self);
}

TEST_HARNESS_MAIN
