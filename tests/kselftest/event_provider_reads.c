// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of other kernel modules, as readers of all kinds see them: their
 * payloads, positions and filters; for one reader, for a group, by io_uring. The
 * module is one of tests/providers.
 */
#include "kselftest_harness.h"

#include <sys/ioctl.h>

#include "lib/call.h"
#include "lib/provider_fixture.h"
#include "lib/subscribe.h"
#include "lib/util.h"

#define LANE_ENTRIES 256

TEST_F(provider, what_a_filter_hides_was_not_delivered)
{
	struct nvme_event_filter filter = { .size = sizeof(filter) };
	struct nvme_event event;

	/* Their information is 2ah: the last bit is for that. */
	memset(filter.controller, 0xff, sizeof(filter.controller));
	filter.provider = ~(1U << 31);
	ASSERT_EQ(0, ioctl(self->a, NVME_EVENT_IOCTL_FILTER, &filter));
	ASSERT_EQ(0, provider_offer(self->a, 1, 1));
	EXPECT_EQ(0, event_poll_now(self->a));
	EXPECT_EQ(-EAGAIN, event_read_now(self->a, &event));
	EXPECT_TRUE(provider_stays("acked", 0));
	ASSERT_EQ(0, event_read(self->b, &event));
	EXPECT_TRUE(wait_until(provider_get("acked") == 1));
}

TEST_F(provider, payloads_are_fetched_as_long_as_they_are_kept)
{
	struct nvme_event event;
	char payload[64];
	unsigned int i;

	ASSERT_EQ(0, provider_offer(self->a, 1, 1));
	/* Before anybody read it, and after. */
	EXPECT_EQ(9, provider_fetch(self->b, 1, payload, sizeof(payload)));
	EXPECT_STREQ("payload 1", payload);
	EXPECT_TRUE(provider_stays("acked", 0));
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
	/* The log page of a controller's event does not take the place of one of these. */
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(10, provider_fetch(self->b, 11, payload, sizeof(payload)));
	EXPECT_EQ(-ESTALE, provider_fetch(self->b, 10, payload, sizeof(payload)));

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
	ASSERT_EQ(0, provider_offer(self->a, 1, 1));
	EXPECT_EQ(1 << 20, provider_fetch(self->a, 1, payload, sizeof(payload)));
	/* It is alone in there. */
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(-ENODATA, provider_fetch(self->a, 1, payload, sizeof(payload)));

	ASSERT_EQ(0, provider_unload(PROVIDER_C));
	ASSERT_EQ(0, provider_load(PROVIDER_C, "payload_bytes=1048577"));
	ASSERT_EQ(0, provider_offer(self->a, 1, 2));
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
		ASSERT_EQ(0, provider_offer(self->a, 1, i));
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
	EXPECT_EQ(-EAGAIN, event_read_now(self->a, &event));

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

TEST_F(provider, who_reads_alone_is_alone_with_these_too)
{
	struct nvme_event event;

	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_EXCLUSIVE, 0));
	ASSERT_EQ(0, provider_offer(self->a, 1, 1));
	EXPECT_EQ(-EBUSY, event_read_now(self->b, &event));
	EXPECT_EQ(-1, pread(self->b, &event, sizeof(event), LANE | 16));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_TRUE(provider_stays("acked", 0));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(wait_until(provider_get("acked") == 1));
	ASSERT_EQ(0, event_mode(self->a, NVME_EVENT_BROADCAST, 0));
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
	struct tally tallies[READERS];
	struct call calls[READERS];
	unsigned int i;

	for (i = 0; i < READERS; i++) {
		int fd = controller_open(&self->controller, O_RDONLY);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, event_mode(fd, NVME_EVENT_SHARED, self->a));
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
	subscribe_prepare(&ring, self->a, 1, wish);
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
