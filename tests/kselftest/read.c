// SPDX-License-Identifier: GPL-2.0-only
/* read() and its relatives: when they wait, what they return, what they consume. */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/util.h"

FIXTURE(read)
{
	struct controller controller;
	int fd;
};

FIXTURE_SETUP(read)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(read)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_F(read, waits_for_an_event)
{
	struct nvme_event event;
	struct read_call parameters = { self->fd, &event, sizeof(event) };
	struct call call;

	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	usleep(QUIET_MS * 1000);
	EXPECT_FALSE(call.returned);

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(sizeof(event), call.result);
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
	EXPECT_EQ(1, event.dw2);
}

TEST_F(read, nonblocking_file_has_eagain)
{
	struct nvme_event event;
	int fd;

	fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_EQ(sizeof(event), read(fd, &event, sizeof(event)));
	EXPECT_EQ(-1, read(fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);
	close(fd);
}

TEST_F(read, fcntl_switches_waiting_off_and_on)
{
	int flags = fcntl(self->fd, F_GETFL);
	struct nvme_event event;
	struct read_call parameters = { self->fd, &event, sizeof(event) };
	struct call call;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, flags | O_NONBLOCK));
	EXPECT_EQ(-1, read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, flags));
	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(sizeof(event), call.result);
}

TEST_F(read, nowait_flag_does_not_wait)
{
	struct nvme_event event;
	struct iovec part = { &event, sizeof(event) };

	EXPECT_EQ(-1, preadv2(self->fd, &part, 1, -1, RWF_NOWAIT));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	EXPECT_EQ(sizeof(event), preadv2(self->fd, &part, 1, -1, RWF_NOWAIT));
	EXPECT_EQ(1, event.dw2);
}

TEST_F(read, short_buffer_is_refused_before_waiting)
{
	char buffer[15];

	EXPECT_EQ(-1, read(self->fd, buffer, sizeof(buffer)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, read(self->fd, buffer, 0));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(read, fresh_file_stands_after_the_newest_record)
{
	struct nvme_event event;
	int fd;

	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);

	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(sizeof(event), read(fd, &event, sizeof(event)));
	EXPECT_EQ(3, event.dw2);
	EXPECT_EQ(0, NVME_EVENT_LOST(event.dw3));
	close(fd);
}

TEST_F(read, vectors_may_split_records_anywhere)
{
	struct nvme_event whole[2];
	char scattered[sizeof(whole)], *next = scattered;
	static const size_t lengths[] = { 1, 3, 7, 16, 0, 5 };
	struct iovec parts[ARRAY_LENGTH(lengths)];
	size_t i;
	int fd;

	fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	for (i = 0; i < ARRAY_LENGTH(lengths); i++) {
		parts[i] = (struct iovec){ next, lengths[i] };
		next += lengths[i];
	}

	ASSERT_EQ(sizeof(scattered), readv(self->fd, parts, ARRAY_LENGTH(parts)));
	ASSERT_EQ(sizeof(whole), read(fd, whole, sizeof(whole)));
	EXPECT_EQ(0, memcmp(whole, scattered, sizeof(whole)));
	EXPECT_EQ(2, whole[1].dw2);
	close(fd);
}

TEST_F(read, vector_of_31_bytes_holds_one_record)
{
	struct nvme_event event;
	char buffer[31];
	struct iovec parts[] = { { buffer, 5 }, { buffer + 5, 26 } };

	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	EXPECT_EQ(16, readv(self->fd, parts, 2));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(2, event.dw2);
}

/* Three records wait; a buffer of some length takes as many as fit. */
FIXTURE(length)
{
	struct controller controller;
	int fd;
};

FIXTURE_VARIANT(length)
{
	size_t bytes;
	unsigned int records;	/* 0: refused */
};

FIXTURE_VARIANT_ADD(length, of_0) { .bytes = 0, .records = 0 };
FIXTURE_VARIANT_ADD(length, of_1) { .bytes = 1, .records = 0 };
FIXTURE_VARIANT_ADD(length, of_15) { .bytes = 15, .records = 0 };
FIXTURE_VARIANT_ADD(length, of_16) { .bytes = 16, .records = 1 };
FIXTURE_VARIANT_ADD(length, of_17) { .bytes = 17, .records = 1 };
FIXTURE_VARIANT_ADD(length, of_31) { .bytes = 31, .records = 1 };
FIXTURE_VARIANT_ADD(length, of_32) { .bytes = 32, .records = 2 };
FIXTURE_VARIANT_ADD(length, of_47) { .bytes = 47, .records = 2 };
FIXTURE_VARIANT_ADD(length, of_48) { .bytes = 48, .records = 3 };
FIXTURE_VARIANT_ADD(length, of_a_page) { .bytes = 4096, .records = 3 };

FIXTURE_SETUP(length)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, event_raise_many(&self->controller, 3));
}

FIXTURE_TEARDOWN(length)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_F(length, takes_whole_records_and_leaves_the_rest)
{
	struct nvme_event events[256];
	ssize_t expected = variant->records * sizeof(*events);
	unsigned int i;

	memset(events, 0xee, sizeof(events));
	errno = 0;
	ASSERT_EQ(expected ?: -1, read(self->fd, events, variant->bytes));
	EXPECT_EQ(expected ? 0 : EINVAL, errno);
	for (i = 0; i < variant->records; i++)
		EXPECT_EQ(i + 1, events[i].dw2);
	/* Not a byte more than it said. */
	EXPECT_EQ(0xeeeeeeee, events[variant->records].dw0);

	for (i = variant->records; i < 3; i++) {
		ASSERT_EQ(0, event_read(self->fd, &events[0]));
		EXPECT_EQ(i + 1, events[0].dw2);
		EXPECT_EQ(0, NVME_EVENT_LOST(events[0].dw3));
	}
	EXPECT_EQ(-1, read(self->fd, events, sizeof(events)));
	EXPECT_EQ(EAGAIN, errno);
}

/* Four records wait; the buffer ends in the middle of them, at a page nobody can write. */
FIXTURE(fault)
{
	struct controller controller;
	char *pages;
	long page_bytes;
	int fd;
};

FIXTURE_VARIANT(fault)
{
	size_t writable_bytes;
	unsigned int records;	/* 0: EFAULT */
};

FIXTURE_VARIANT_ADD(fault, after_0_bytes) { .writable_bytes = 0, .records = 0 };
FIXTURE_VARIANT_ADD(fault, after_15_bytes) { .writable_bytes = 15, .records = 0 };
FIXTURE_VARIANT_ADD(fault, after_16_bytes) { .writable_bytes = 16, .records = 1 };
FIXTURE_VARIANT_ADD(fault, after_40_bytes) { .writable_bytes = 40, .records = 2 };
FIXTURE_VARIANT_ADD(fault, after_63_bytes) { .writable_bytes = 63, .records = 3 };

FIXTURE_SETUP(fault)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	self->page_bytes = sysconf(_SC_PAGESIZE);
	self->pages = mmap(NULL, 2 * self->page_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->pages);
	ASSERT_EQ(0, munmap(self->pages + self->page_bytes, self->page_bytes));
	ASSERT_EQ(0, event_raise_many(&self->controller, 4));
}

FIXTURE_TEARDOWN(fault)
{
	munmap(self->pages, self->page_bytes);
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_F(fault, consumes_only_what_arrived)
{
	char *buffer = self->pages + self->page_bytes - variant->writable_bytes;
	ssize_t expected = variant->records * sizeof(struct nvme_event);
	struct nvme_event event;
	unsigned int i;

	errno = 0;
	ASSERT_EQ(expected ?: -1, read(self->fd, buffer, 4 * sizeof(event)));
	EXPECT_EQ(expected ? 0 : EFAULT, errno);
	for (i = 0; i < variant->records; i++) {
		memcpy(&event, buffer + i * sizeof(event), sizeof(event));
		EXPECT_EQ(i + 1, event.dw2);
	}
	for (; i < 4; i++) {
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(i + 1, event.dw2);
		EXPECT_EQ(0, NVME_EVENT_LOST(event.dw3));
	}
	EXPECT_EQ(-EAGAIN, read(self->fd, &event, sizeof(event)) < 0 ? -errno : 0);
}

/* A signal arrives while a read waits. */
FIXTURE(signal)
{
	struct controller controller;
	int fd;
};

static volatile sig_atomic_t signals;

static void count_signal(int number __attribute__((unused)))
{
	signals++;
}

FIXTURE_SETUP(signal)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(signal)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_F(signal, ends_the_read_with_eintr)
{
	struct sigaction action = { .sa_handler = count_signal };
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
	EXPECT_EQ(1, signals);

	/* And nothing is gone, nor is the file. */
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(1, event.dw2);
}

TEST_F(signal, with_sa_restart_lets_the_read_go_on)
{
	struct sigaction action = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
	struct nvme_event event;
	struct read_call parameters = { self->fd, &event, sizeof(event) };
	struct call call;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	ASSERT_EQ(0, call_signal(&call, SIGUSR1));
	ASSERT_TRUE(wait_until(signals == 1));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(sizeof(event), call.result);
	EXPECT_EQ(1, event.dw2);
}

TEST_HARNESS_MAIN
