// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of log pages in a storm of events. To be run with
 * event_snapshot_bytes=8192, less than four telemetry logs of the controller,
 * event_ring_entries=64, and an event_storm_limit that nothing reaches.
 */
#include "kselftest_harness.h"

#include <stdlib.h>
#include <sys/ioctl.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/liar.h"
#include "lib/util.h"

#define EVENT_TELEMETRY		0x00080202
#define TELEMETRY_BYTES		(5 * 512)
#define SMART_BYTES		512
#define LIMIT_BYTES		8192
#define ENTRIES			64
#define READERS			2
#define REPORTS			400
#define SCALE_MOST		10

/* Fetches now this, now that of the newest events. */
struct fetcher {
	int fd;
	atomic_bool *stop;
	unsigned int seed;
	atomic_uint whole, released, overwritten, wrong;
};

static long fetch_what_there_is(void *argument)
{
	struct nvme_event_info info = { .size = sizeof(info) };
	unsigned char page[TELEMETRY_BYTES];
	struct fetcher *this = argument;

	while (!*this->stop) {
		struct nvme_event_fetch fetch = {
			.size = sizeof(fetch), .flags = NVME_EVENT_FETCH_NOWAIT,
			.buffer = (uintptr_t)page, .buffer_bytes = sizeof(page),
		};
		unsigned int bytes;

		if (ioctl(this->fd, NVME_EVENT_IOCTL_INFO, &info))
			return -errno;
		fetch.number = info.newest - rand_r(&this->seed) % (ENTRIES / 2);
		if (ioctl(this->fd, NVME_EVENT_IOCTL_FETCH, &fetch)) {
			if (errno == ENODATA)
				this->released++;
			else if (errno == ESTALE)
				this->overwritten++;
			/* Not read yet; before the first event. */
			else if (errno != EAGAIN && errno != EINVAL)
				this->wrong++;
			continue;
		}
		bytes = fetch.log_page == 0x08 ? TELEMETRY_BYTES : SMART_BYTES;
		if (fetch.length != bytes || fetch.kept != bytes || fetch.copied != bytes)
			this->wrong++;
		this->whole++;
	}
	return 0;
}

FIXTURE(bound)
{
	struct liar liar;
};

FIXTURE_SETUP(bound)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
	ASSERT_EQ(0, liar_bind(&self->liar));
}

FIXTURE_TEARDOWN(bound)
{
	EXPECT_EQ(0, liar_end(&self->liar));
}

static long fetch_one(int fd, unsigned long long number)
{
	struct nvme_event_fetch fetch = { .size = sizeof(fetch), .number = number };

	return ioctl(fd, NVME_EVENT_IOCTL_FETCH, &fetch) ? -errno : (long)fetch.kept;
}

TEST_F(bound, holds_in_a_storm)
{
	unsigned int reports = REPORTS * scale_up_to(SCALE_MOST);
	const struct controller *controller = &self->liar.controller;
	struct nvme_event_info info = { .size = sizeof(info) };
	struct fetcher fetchers[READERS] = {};
	unsigned long long bytes, most = 0;
	struct call calls[READERS];
	unsigned int i, whole = 0;
	atomic_bool stop = false;

	for (i = 0; i < READERS; i++) {
		fetchers[i].fd = controller_open(controller, O_RDONLY);
		ASSERT_LE(0, fetchers[i].fd);
		fetchers[i].seed = i;
		fetchers[i].stop = &stop;
		ASSERT_EQ(0, call_start(&calls[i], fetch_what_there_is, &fetchers[i]));
	}
	for (i = 1; i <= reports; i++) {
		ASSERT_EQ(0, liar_report(&self->liar, i % 3 ? EVENT_TELEMETRY : EVENT_TEMPERATURE));
		ASSERT_EQ(0, controller_value(controller, "snapshot_bytes", &bytes));
		EXPECT_GE(LIMIT_BYTES, bytes);
		most = bytes > most ? bytes : most;
	}
	/* Each was reported, and not before the page of the last was read. */
	EXPECT_TRUE(wait_until(controller_captured(controller) == reports));
	stop = true;
	for (i = 0; i < READERS; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(0, calls[i].result);
		EXPECT_EQ(0, fetchers[i].wrong);
		whole += fetchers[i].whole;
		close(fetchers[i].fd);
	}
	EXPECT_NE(0, whole);
	EXPECT_LT(LIMIT_BYTES - TELEMETRY_BYTES, most);

	/* The newest are there, as many as fit. */
	ASSERT_EQ(0, ioctl(self->liar.node, NVME_EVENT_IOCTL_INFO, &info));
	ASSERT_EQ(reports, info.newest);
	ASSERT_EQ(reports - ENTRIES + 1, info.oldest);
	ASSERT_EQ(0, controller_value(controller, "captures_failed", &bytes));
	EXPECT_EQ(0, bytes);
	bytes = 0;
	for (i = 0; i < ENTRIES; i++) {
		long kept = fetch_one(self->liar.node, reports - i);

		if (kept == -ENODATA)
			break;
		ASSERT_LT(0, kept);
		bytes += kept;
	}
	EXPECT_GE(LIMIT_BYTES, bytes);
	EXPECT_LT(LIMIT_BYTES - TELEMETRY_BYTES, bytes);
	for (; i < ENTRIES; i++)
		EXPECT_EQ(-ENODATA, fetch_one(self->liar.node, reports - i));
	EXPECT_EQ(-ESTALE, fetch_one(self->liar.node, reports - ENTRIES));
	TH_LOG("%u events, at most %llu bytes, %u pages fetched meanwhile", reports, most, whole);
}

TEST_HARNESS_MAIN
