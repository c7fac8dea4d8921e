// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command for all events to come, where others get in its way: those who
 * call it while a worker of io_uring still issues it, and a reader that stops
 * in the middle of reading.
 */
#include "kselftest_harness.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/event.h"
#include "lib/subscribe.h"
#include "lib/util.h"

#define COMMANDS 32
#define ROUNDS 40
#define BUFFERS	4
#define GROUP 1
#define PAGE 4096

FIXTURE(stream)
{
	struct controller controller;
	struct io_uring ring;
	int fd;
};

FIXTURE_VARIANT(stream)
{
	unsigned int flags;
};

#define KIND(name, bits) FIXTURE_VARIANT_ADD(stream, name) { .flags = bits }

KIND(plain, 0);
KIND(deferred, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
KIND(sqpoll, IORING_SETUP_SQPOLL);

FIXTURE_SETUP(stream)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, io_uring_queue_init(COMMANDS, &self->ring, variant->flags));
}

FIXTURE_TEARDOWN(stream)
{
	io_uring_queue_exit(&self->ring);
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

/* Waits for a completion; its result. */
static int complete(struct io_uring *ring, unsigned int *flags)
{
	struct __kernel_timespec limit = { .tv_sec = LIMIT_MS / 1000 };
	struct io_uring_cqe *cqe;
	int result;

	result = io_uring_wait_cqe_timeout(ring, &cqe, &limit);
	if (result)
		return result;
	*flags = cqe->flags;
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

struct caller {
	int fd;
	bool stop;
};

/* Whoever moves in the stream has all look again who wait for events. */
static void *call_all(void *argument)
{
	struct caller *caller = argument;

	while (!__atomic_load_n(&caller->stop, __ATOMIC_RELAXED))
		lseek(caller->fd, 0, SEEK_CUR);
	return NULL;
}

/*
 * Commands that end as soon as they are called: there is an event and no buffer
 * for it. Each time one stays that waits for another event. What io_uring knows
 * of those that stay has to be true in the end, or the process does not.
 */
static int send_and_stay(int fd, int quiet, unsigned int setup)
{
	unsigned int round, i, flags, rounds = ROUNDS * scale_up_to(10);
	struct io_uring_sqe *sqe;
	struct io_uring ring;

	if (io_uring_queue_init(COMMANDS, &ring, setup))
		return 1;
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < COMMANDS; i++) {
			/* The thread that submits may still have some from before. */
			if (!wait_until(io_uring_sq_space_left(&ring)))
				return 2;
			sqe = subscribe_prepare(&ring, i == round % COMMANDS ? quiet : fd, GROUP,
						(struct nvme_event_uring){});
			sqe->flags |= IOSQE_ASYNC;
		}
		if (io_uring_submit(&ring) < 1)
			return 3;
		for (i = 1; i < COMMANDS; i++) {
			if (complete(&ring, &flags) != -ENOBUFS)
				return 4;
		}
	}
	return 0;
}

TEST_F_TIMEOUT(stream, called_while_a_worker_issues_it, 60)
{
	struct caller caller = { .fd = controller_open(&self->controller, O_RDONLY) };
	pthread_t thread;
	pid_t child;
	int status, quiet;

	ASSERT_LE(0, caller.fd);
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	quiet = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, quiet);
	ASSERT_EQ(0, pthread_create(&thread, NULL, call_all, &caller));
	child = fork();
	ASSERT_LE(0, child);
	if (child == 0)
		_exit(send_and_stay(self->fd, quiet, variant->flags));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	__atomic_store_n(&caller.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	close(caller.fd);
	close(quiet);
}

/* A page that is not there until somebody says what is in it; negative: errno. */
static int absent_page(void **page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	*page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)*page;
	range.range.len = PAGE;
	if (fd < 0 || *page == MAP_FAILED || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &range))
		return -errno;
	return fd;
}

struct reading {
	int fd;
	struct nvme_event *to;
};

static void *read_one(void *argument)
{
	struct reading *reading = argument;

	return (void *)(intptr_t)read(reading->fd, reading->to, sizeof(*reading->to));
}

/* Nobody else reads of a file meanwhile. That is waited for, and not by trying again and again. */
TEST_F(stream, waits_for_a_reader_that_stops)
{
	struct nvme_event events[BUFFERS];
	struct uffdio_zeropage filled = { .range.len = PAGE };
	struct __kernel_timespec quiet = { .tv_nsec = QUIET_MS * 1000000LL };
	struct io_uring_buf_ring *buffers;
	struct io_uring_cqe *cqe;
	struct reading reading = { .fd = self->fd };
	struct pollfd stopped = { .events = POLLIN };
	unsigned int i, flags;
	pthread_t reader;
	void *page, *length;
	int error;

	buffers = io_uring_setup_buf_ring(&self->ring, BUFFERS, GROUP, 0, &error);
	ASSERT_NE(NULL, buffers);
	for (i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(buffers, &events[i], sizeof(events[i]), i,
				      io_uring_buf_ring_mask(BUFFERS), i);
	io_uring_buf_ring_advance(buffers, BUFFERS);
	stopped.fd = absent_page(&page);
	ASSERT_LE(0, stopped.fd);
	reading.to = page;
	ASSERT_EQ(0, pthread_create(&reader, NULL, read_one, &reading));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(1, poll(&stopped, 1, LIMIT_MS));

	/* Called when it is issued, and by an event. */
	subscribe_prepare(&self->ring, self->fd, GROUP, (struct nvme_event_uring){});
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-ETIME, io_uring_wait_cqe_timeout(&self->ring, &cqe, &quiet));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_EQ(-ETIME, io_uring_wait_cqe_timeout(&self->ring, &cqe, &quiet));

	filled.range.start = (uintptr_t)page;
	ASSERT_EQ(0, ioctl(stopped.fd, UFFDIO_ZEROPAGE, &filled));
	ASSERT_EQ(0, pthread_join(reader, &length));
	EXPECT_EQ(sizeof(*reading.to), (uintptr_t)length);
	EXPECT_EQ(1, reading.to->dw2);
	ASSERT_EQ(sizeof(events[0]), complete(&self->ring, &flags));
	EXPECT_TRUE(flags & IORING_CQE_F_MORE);
	EXPECT_EQ(2, events[flags >> IORING_CQE_BUFFER_SHIFT].dw2);

	io_uring_free_buf_ring(&self->ring, buffers, BUFFERS, GROUP);
	munmap(page, PAGE);
	close(stopped.fd);
}

TEST_HARNESS_MAIN
