// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of other kernel modules: when readers get them, when the module gets
 * them back, and what stays when it goes. The modules are those of
 * tests/providers.
 */
#include "kselftest_harness.h"

#include <liburing.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "lib/call.h"
#include "lib/log.h"
#include "lib/provider.h"
#include "lib/util.h"

#define LANE NVME_EVENT_POSITION_PROVIDER
#define LANE_ENTRIES 256
#define PROVIDERS_MOST 16
#define READERS 4

FIXTURE(provider)
{
	struct controller controller;
	int a, b;
};

FIXTURE_SETUP(provider)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->a = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->a);
	self->b = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->b);
	ASSERT_EQ(0, provider_load(PROVIDER_C, ""));
}

FIXTURE_TEARDOWN(provider)
{
	/* Never a fetch before the ack, never another pointer. */
	EXPECT_EQ(0, provider_get("wrong"));
	EXPECT_EQ(0, provider_unload(PROVIDER_C));
	close(self->a);
	close(self->b);
	EXPECT_EQ(0, event_clear(&self->controller));
}

static unsigned long long newest(int fd)
{
	struct nvme_event_info info = { .size = sizeof(info) };

	return ioctl(fd, NVME_EVENT_IOCTL_INFO, &info) ? ~0ULL : info.provider_newest;
}

/* Has the provider offer @count events, and waits until @number is staged. */
static int offer(int fd, unsigned int count, unsigned int number)
{
	int error = provider_set("post", count);

	return error ?: wait_until(newest(fd) == number) ? 0 : -ETIMEDOUT;
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

static int poll_now(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) < 0 ? -errno : poll_fd.revents;
}

/* Whether it is @value, and stays so for a while. */
static bool stays(const char *file, int value)
{
	usleep(QUIET_MS * 1000);
	return provider_get(file) == value;
}

TEST_F(provider, its_events_overtake_pending_ones_of_the_controller)
{
	struct nvme_event events[8];

	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	ASSERT_EQ(0, offer(self->a, 1, 1));
	ASSERT_EQ(0, event_read(self->a, &events[0]));
	EXPECT_TRUE(provider_said(&events[0], 1, 1));
	EXPECT_TRUE(events[0].dw3 & NVME_EVENT_DW3_PAYLOAD);
	ASSERT_EQ(0, event_read(self->a, &events[0]));
	EXPECT_EQ(EVENT_RELIABILITY, events[0].dw0);
	EXPECT_EQ(1, events[0].dw2);

	/* In the middle of them, and with one read. */
	ASSERT_EQ(0, offer(self->a, 1, 2));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(3 * sizeof(events[0]), read(self->a, events, sizeof(events)));
	EXPECT_TRUE(provider_said(&events[0], 2, 2));
	EXPECT_EQ(2, events[1].dw2);
	EXPECT_EQ(3, events[2].dw2);
	EXPECT_EQ(EVENT_RELIABILITY, events[2].dw0);
}

TEST_F(provider, who_sleeps_or_polls_learns_of_an_event)
{
	struct pollfd waits = { .fd = self->b, .events = POLLIN };
	struct nvme_event event;
	struct read_call parameters = { self->a, &event, sizeof(event) };
	struct call call;

	EXPECT_EQ(0, poll_now(self->b));
	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	ASSERT_EQ(0, provider_set("post", 1));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(sizeof(event), call.result);
	EXPECT_TRUE(provider_said(&event, 1, 1));
	ASSERT_EQ(1, poll(&waits, 1, LIMIT_MS));
	EXPECT_EQ(POLLIN, waits.revents);
	EXPECT_EQ(0, poll_now(self->a));
	/* Told from a hard interrupt that there is more, and that there is none. */
	EXPECT_EQ(0, provider_set("post", 0));
	EXPECT_TRUE(stays("fetched", 1));
}

TEST_F(provider, without_readers_one_event_is_staged_and_the_rest_waits)
{
	struct nvme_event event;
	unsigned int i;

	close(self->a);
	close(self->b);
	ASSERT_EQ(0, provider_set("post", 3));
	ASSERT_TRUE(wait_until(provider_get("fetched") == 1));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, provider_set("post", 0));
	EXPECT_TRUE(stays("fetched", 1));
	EXPECT_EQ(0, provider_get("acked"));

	/* A fresh file stands before what nobody has read. */
	self->a = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->a);
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(i, provider_get("fetched"));
		ASSERT_EQ(0, event_read(self->a, &event));
		EXPECT_TRUE(provider_said(&event, i, i));
		EXPECT_TRUE(wait_until(provider_get("acked") == (int)i));
		EXPECT_TRUE(i == 3 || wait_until(newest(self->a) == i + 1));
	}
	/* And after what somebody has. */
	self->b = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->b);
	EXPECT_EQ(-EAGAIN, read_now(self->b, &event));
}

TEST_F(provider, the_ack_comes_with_the_first_complete_copy)
{
	struct nvme_event events[2];
	struct iovec torn[2] = {
		{ .iov_base = events, .iov_len = sizeof(events[0]) / 2 },
		{ .iov_base = bad_address(), .iov_len = sizeof(events[0]) / 2 },
	};

	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, offer(self->a, 1, 1));
	EXPECT_EQ(POLLIN, poll_now(self->a));
	EXPECT_EQ(-1, read(self->a, bad_address(), sizeof(events)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->a, events, sizeof(events[0]) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, readv(self->a, torn, 2));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pread(self->a, bad_address(), sizeof(events), LANE | 16));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(stays("acked", 0));

	/* This record arrives, the next does not. */
	torn[0].iov_len = sizeof(events[0]);
	torn[1].iov_len = sizeof(events[0]);
	EXPECT_EQ(sizeof(events[0]), readv(self->a, torn, 2));
	EXPECT_TRUE(provider_said(&events[0], 1, 1));
	EXPECT_TRUE(wait_until(provider_get("acked") == 1));
	ASSERT_EQ(0, event_read(self->a, &events[0]));
	EXPECT_EQ(EVENT_RELIABILITY, events[0].dw0);

	/* Everybody gets it, the provider hears of the first. */
	ASSERT_EQ(0, event_read(self->b, &events[0]));
	EXPECT_TRUE(provider_said(&events[0], 1, 1));
	EXPECT_TRUE(stays("acked", 1));
	EXPECT_EQ(0, provider_get("gone"));
}

TEST_F(provider, what_a_filter_hides_was_not_delivered)
{
	struct nvme_event_filter filter = { .size = sizeof(filter) };
	struct nvme_event event;

	/* Their information is 2ah: the last bit is for that. */
	memset(filter.controller, 0xff, sizeof(filter.controller));
	filter.provider = ~(1U << 31);
	ASSERT_EQ(0, ioctl(self->a, NVME_EVENT_IOCTL_FILTER, &filter));
	ASSERT_EQ(0, offer(self->a, 1, 1));
	EXPECT_EQ(0, poll_now(self->a));
	EXPECT_EQ(-EAGAIN, read_now(self->a, &event));
	EXPECT_TRUE(stays("acked", 0));
	ASSERT_EQ(0, event_read(self->b, &event));
	EXPECT_TRUE(wait_until(provider_get("acked") == 1));
}

TEST_F(provider, payloads_are_fetched_as_long_as_they_are_kept)
{
	struct nvme_event event;
	char payload[64];
	unsigned int i;

	ASSERT_EQ(0, offer(self->a, 1, 1));
	/* Before anybody read it, and after. */
	EXPECT_EQ(9, provider_fetch(self->b, 1, payload, sizeof(payload)));
	EXPECT_STREQ("payload 1", payload);
	EXPECT_TRUE(stays("acked", 0));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(wait_until(provider_get("acked") == 1));
	EXPECT_EQ(9, provider_fetch(self->b, 1, payload, sizeof(payload)));
	EXPECT_STREQ("payload 1", payload);
	EXPECT_EQ(-EINVAL, provider_fetch(self->b, 2, payload, sizeof(payload)));
	EXPECT_EQ(-EINVAL, provider_fetch(self->b, 0, payload, sizeof(payload)));

	ASSERT_EQ(0, provider_set("post", LANE_ENTRIES + 9));
	for (i = 2; i <= LANE_ENTRIES + 10; i++) {
		ASSERT_EQ(0, event_read(self->a, &event));
		ASSERT_TRUE(provider_said(&event, i, i));
	}
	EXPECT_EQ(-ESTALE, provider_fetch(self->b, 10, payload, sizeof(payload)));
	EXPECT_EQ(10, provider_fetch(self->b, 11, payload, sizeof(payload)));
	EXPECT_STREQ("payload 11", payload);
	/* As many are kept: this log page takes the place of the oldest. */
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(-ENODATA, provider_fetch(self->b, 11, payload, sizeof(payload)));
	EXPECT_EQ(10, provider_fetch(self->b, 12, payload, sizeof(payload)));

	/* The other reader has lost some, of these only. */
	ASSERT_EQ(0, event_read(self->b, &event));
	EXPECT_EQ(11, event.dw2);
	EXPECT_EQ(10, NVME_EVENT_LOST(event.dw3));
	ASSERT_EQ(0, event_read(self->b, &event));
	EXPECT_TRUE(provider_said(&event, 12, 12));
}

TEST_F(provider, long_payloads_are_kept_if_there_is_room_for_them)
{
	static char payload[1 << 20];
	struct nvme_event event;

	ASSERT_EQ(0, provider_unload(PROVIDER_C));
	ASSERT_EQ(0, provider_load(PROVIDER_C, "payload_bytes=1048576"));
	ASSERT_EQ(0, offer(self->a, 1, 1));
	EXPECT_EQ(1 << 20, provider_fetch(self->a, 1, payload, sizeof(payload)));
	/* It is alone in there. */
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(-ENODATA, provider_fetch(self->a, 1, payload, sizeof(payload)));

	ASSERT_EQ(0, provider_unload(PROVIDER_C));
	ASSERT_EQ(0, provider_load(PROVIDER_C, "payload_bytes=1048577"));
	ASSERT_EQ(0, offer(self->a, 1, 2));
	ASSERT_EQ(0, event_read(self->a, &event));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 2, 1));
	EXPECT_TRUE(event.dw3 & NVME_EVENT_DW3_PAYLOAD);
	EXPECT_EQ(-ENODATA, provider_fetch(self->a, 2, payload, sizeof(payload)));
}

TEST_F(provider, positions_with_bit_62_are_theirs)
{
	struct nvme_event_info info = { .size = sizeof(info) };
	struct nvme_event event, two[2];
	unsigned int i;

	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, offer(self->a, 1, i));
		ASSERT_EQ(0, event_read(self->a, &event));
	}
	ASSERT_EQ(0, ioctl(self->a, NVME_EVENT_IOCTL_INFO, &info));
	EXPECT_EQ(1, info.provider_oldest);
	EXPECT_EQ(3, info.provider_newest);
	EXPECT_EQ(4, info.provider_cursor);
	EXPECT_EQ(1, info.cursor);

	EXPECT_EQ(LANE | 32, lseek(self->a, LANE | 32, SEEK_SET));
	EXPECT_EQ(16, lseek(self->a, 0, SEEK_CUR));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 2, 2));
	EXPECT_EQ(LANE | 16, lseek(self->a, LANE, SEEK_SET));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 1, 1));
	EXPECT_EQ(LANE | 64, lseek(self->a, LANE | 64, SEEK_SET));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);

	/* These move nothing, and see nothing of the other ring. */
	ASSERT_EQ(sizeof(event), pread(self->a, two, sizeof(two), LANE | 48));
	EXPECT_TRUE(provider_said(&two[0], 3, 3));
	ASSERT_EQ(sizeof(event), pread(self->a, two, sizeof(two), 16));
	EXPECT_EQ(EVENT_RELIABILITY, two[0].dw0);
	EXPECT_EQ(-EAGAIN, read_now(self->a, &event));

	EXPECT_EQ(-1, pread(self->a, &event, sizeof(event), LANE | 8));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pread(self->a, &event, sizeof(event), LANE | 80));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pread(self->a, &event, sizeof(event), LANE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->a, LANE | 8, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->a, LANE | 80, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(provider, one_that_goes_gets_its_staged_event_back_and_readers_keep_it)
{
	struct nvme_event event;
	char payload[64];

	ASSERT_EQ(0, offer(self->a, 3, 1));
	ASSERT_EQ(0, provider_set("registered", 0));
	EXPECT_EQ(1, provider_get("fetched"));
	EXPECT_EQ(0, provider_get("acked"));
	EXPECT_EQ(1, provider_get("gone"));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 1, 1));
	EXPECT_EQ(9, provider_fetch(self->a, 1, payload, sizeof(payload)));
	EXPECT_EQ(-EAGAIN, read_now(self->a, &event));
	EXPECT_TRUE(stays("acked", 0));
	EXPECT_EQ(1, provider_get("gone"));

	/* What it had not been asked for is there when it comes again. */
	ASSERT_EQ(0, provider_set("registered", 1));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 2, 2));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 3, 3));
	EXPECT_TRUE(wait_until(provider_get("acked") == 2));
	EXPECT_EQ(3, provider_get("fetched"));
}

TEST_F(provider, readers_that_sleep_do_not_notice_that_it_goes)
{
	struct nvme_event events[READERS];
	struct read_call parameters[READERS];
	struct call calls[READERS];
	int fds[READERS];
	unsigned int i;

	for (i = 0; i < READERS; i++) {
		fds[i] = controller_open(&self->controller, O_RDONLY);
		ASSERT_LE(0, fds[i]);
		parameters[i] = (struct read_call){ fds[i], &events[i], sizeof(events[i]) };
		ASSERT_EQ(0, call_start(&calls[i], call_read, &parameters[i]));
		ASSERT_TRUE(call_blocks_in(&calls[i], SYS_read));
	}
	ASSERT_EQ(0, provider_set("registered", 0));
	usleep(QUIET_MS * 1000);
	for (i = 0; i < READERS; i++)
		EXPECT_TRUE(call_blocks_in(&calls[i], SYS_read));
	ASSERT_EQ(0, provider_set("registered", 1));
	ASSERT_EQ(0, provider_set("post", 1));
	for (i = 0; i < READERS; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(sizeof(events[i]), calls[i].result);
		EXPECT_TRUE(provider_said(&events[i], 1, 1));
		ASSERT_EQ(0, call_start(&calls[i], call_read, &parameters[i]));
		ASSERT_TRUE(call_blocks_in(&calls[i], SYS_read));
	}
	EXPECT_TRUE(wait_until(provider_get("acked") == 1));
	ASSERT_EQ(0, provider_set("registered", 0));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	for (i = 0; i < READERS; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(EVENT_RELIABILITY, events[i].dw0);
		close(fds[i]);
	}
}

TEST_F(provider, it_may_outlive_the_controller)
{
	struct nvme_event event;

	ASSERT_EQ(0, offer(self->a, 2, 1));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 1, 1));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(EVENT_REMOVED, event.dw0);
	EXPECT_EQ(-1, read(self->a, &event, sizeof(event)));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_TRUE(wait_until(provider_get("acked") == 1));
	/* Nobody can ever read the second. */
	ASSERT_EQ(0, provider_set("post", 0));
	EXPECT_TRUE(stays("fetched", 1));
	EXPECT_EQ(0, provider_set("registered", 0));
	EXPECT_EQ(-ENODEV, provider_set("registered", 1));

	ASSERT_EQ(0, controller_bind(&self->controller));
	close(self->a);
	self->a = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->a);
	ASSERT_EQ(0, provider_set("registered", 1));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 1, 2));
}

TEST_F(provider, a_controller_has_sixteen_at_most)
{
	struct nvme_event event;

	EXPECT_EQ(-ENOSPC, provider_set("most", 1));
	EXPECT_EQ(PROVIDERS_MOST - 1, provider_get("most"));
	EXPECT_EQ(-ENOSPC, provider_set("most", 1));
	EXPECT_EQ(PROVIDERS_MOST - 1, provider_get("most"));
	ASSERT_EQ(0, offer(self->a, 1, 1));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 1, 1));
}

TEST_F(provider, one_in_rust_beside_one_in_c)
{
	unsigned int i, of_c = 0, of_rust = 0;
	struct nvme_event event;
	struct log log;
	char payload[64];

	ASSERT_EQ(0, log_open(&log));
	ASSERT_EQ(0, provider_load(PROVIDER_RUST, "events=3"));
	ASSERT_EQ(0, provider_set("post", 3));
	for (i = 1; i <= 6; i++) {
		bool rust;
		__u32 number;

		ASSERT_EQ(0, event_read(self->a, &event));
		rust = event.dw0 == EVENT_PROVIDER_RUST;
		EXPECT_TRUE(provider_said(&event, i, rust ? ++of_rust : ++of_c));
		if (rust) {
			ASSERT_EQ(sizeof(number), provider_fetch(self->b, i, payload, sizeof(payload)));
			memcpy(&number, payload, sizeof(number));
			EXPECT_EQ(event.dw1, number);
		}
	}
	EXPECT_EQ(3, of_c);
	EXPECT_EQ(3, of_rust);
	EXPECT_TRUE(wait_until(provider_get("acked") == 3));
	ASSERT_EQ(0, provider_unload(PROVIDER_RUST));
	EXPECT_TRUE(log_has(&log, PROVIDER_RUST ": fetched 3 delivered 3 gone 0"));

	/* Unloaded with one staged and one not fetched. */
	ASSERT_EQ(0, provider_load(PROVIDER_RUST, "events=2"));
	ASSERT_TRUE(wait_until(newest(self->a) == 7));
	ASSERT_EQ(0, provider_unload(PROVIDER_RUST));
	EXPECT_TRUE(log_has(&log, PROVIDER_RUST ": fetched 1 delivered 0 gone 1"));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 7, 1));
	log_close(&log);
}

TEST_F(provider, the_driver_cannot_be_unloaded_under_one)
{
	char output[256];

	EXPECT_NE(0, run("rmmod nvme_rs 2>&1", output, sizeof(output)));
	EXPECT_NE(NULL, strstr(output, "in use by")) {
		TH_LOG("%s", output);
	}
}

TEST_F(provider, who_reads_alone_is_alone_with_these_too)
{
	struct nvme_event_mode mode = { .size = sizeof(mode), .reading = NVME_EVENT_EXCLUSIVE };
	struct nvme_event event;

	ASSERT_EQ(0, ioctl(self->a, NVME_EVENT_IOCTL_MODE, &mode));
	ASSERT_EQ(0, offer(self->a, 1, 1));
	EXPECT_EQ(-EBUSY, read_now(self->b, &event));
	EXPECT_EQ(-1, pread(self->b, &event, sizeof(event), LANE | 16));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_TRUE(stays("acked", 0));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(wait_until(provider_get("acked") == 1));
	mode.reading = NVME_EVENT_BROADCAST;
	ASSERT_EQ(0, ioctl(self->a, NVME_EVENT_IOCTL_MODE, &mode));
	ASSERT_EQ(0, event_read(self->b, &event));
	EXPECT_TRUE(provider_said(&event, 1, 1));
}

#define SHARED_EVENTS 100

struct tally {
	int fd;
	atomic_uint *times;
};

static long read_to_the_end(void *argument)
{
	struct tally *tally = argument;
	struct nvme_event event;

	while (read(tally->fd, &event, sizeof(event)) == sizeof(event))
		if (NVME_EVENT_SOURCE(event.dw3) == NVME_EVENT_SOURCE_PROVIDER &&
		    event.dw1 <= SHARED_EVENTS)
			tally->times[event.dw1]++;
	return -errno;
}

TEST_F(provider, a_group_gets_each_event_exactly_once)
{
	atomic_uint times[SHARED_EVENTS + 1] = {};
	struct nvme_event_mode mode = {
		.size = sizeof(mode), .reading = NVME_EVENT_SHARED, .fd = self->a,
	};
	struct tally tallies[READERS];
	struct call calls[READERS];
	unsigned int i;

	for (i = 0; i < READERS; i++) {
		int fd = controller_open(&self->controller, O_RDONLY);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ioctl(fd, NVME_EVENT_IOCTL_MODE, &mode));
		tallies[i] = (struct tally){ fd, times };
		ASSERT_EQ(0, call_start(&calls[i], read_to_the_end, &tallies[i]));
	}
	ASSERT_EQ(0, provider_set("post", SHARED_EVENTS));
	EXPECT_TRUE(wait_until(provider_get("acked") == SHARED_EVENTS));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	for (i = 0; i < READERS; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(-ENODEV, calls[i].result);
		close(tallies[i].fd);
	}
	for (i = 1; i <= SHARED_EVENTS; i++)
		EXPECT_EQ(1, times[i]);
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_F(provider, a_ring_gets_them_with_their_payload)
{
	struct __kernel_timespec limit = { .tv_sec = LIMIT_MS / 1000 };
	struct nvme_event_uring wish = { .flags = NVME_EVENT_URING_PAGE };
	struct io_uring_buf_ring *buffers;
	unsigned char space[4][64] = {};
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	unsigned int i;
	int error;

	ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));
	buffers = io_uring_setup_buf_ring(&ring, 4, 1, 0, &error);
	ASSERT_NE(NULL, buffers);
	for (i = 0; i < 4; i++)
		io_uring_buf_ring_add(buffers, space[i], sizeof(space[i]), i,
				      io_uring_buf_ring_mask(4), i);
	io_uring_buf_ring_advance(buffers, 4);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, self->a, NULL, 0, 0);
	sqe->cmd_op = NVME_URING_CMD_EVENTS;
	sqe->uring_cmd_flags = IORING_URING_CMD_MULTISHOT;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 1;
	memcpy(sqe->cmd, &wish, sizeof(wish));
	ASSERT_EQ(1, io_uring_submit(&ring));
	ASSERT_EQ(0, provider_set("post", 3));
	for (i = 1; i <= 3; i++) {
		struct nvme_event event;
		unsigned char *buffer;

		ASSERT_EQ(0, io_uring_wait_cqe_timeout(&ring, &cqe, &limit));
		ASSERT_TRUE(cqe->flags & IORING_CQE_F_MORE);
		buffer = space[cqe->flags >> IORING_CQE_BUFFER_SHIFT];
		EXPECT_EQ(sizeof(event) + 9, cqe->res);
		memcpy(&event, buffer, sizeof(event));
		EXPECT_TRUE(provider_said(&event, i, i));
		EXPECT_EQ(0, memcmp(buffer + sizeof(event), "payload ", 8));
		EXPECT_EQ('0' + i, buffer[sizeof(event) + 8]);
		io_uring_cqe_seen(&ring, cqe);
	}
	EXPECT_TRUE(wait_until(provider_get("acked") == 3));
	io_uring_free_buf_ring(&ring, buffers, 4, 1);
	io_uring_queue_exit(&ring);
}

TEST_HARNESS_MAIN
