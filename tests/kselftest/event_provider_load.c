// SPDX-License-Identifier: GPL-2.0-only
/*
 * An event provider that comes and goes, a thousand times, while the controller
 * works and reports events, and readers of all kinds read: alone, in a group,
 * after poll(), with filters that hide all of it.
 */
#include "kselftest_harness.h"

#include <poll.h>
#include <sys/ioctl.h>

#include "lib/call.h"
#include "lib/load.h"
#include "lib/provider.h"
#include "lib/util.h"

#define CYCLES 1000
#define SCALE_MOST 10
#define ALONE 2
#define GROUP 3
#define READERS (ALONE + GROUP)

static long cycle(void *argument)
{
	return provider_set("cycles", *(unsigned int *)argument);
}

struct reader {
	int fd;
	bool alone;
	unsigned int seen;	/* of providers */
	unsigned int lost;
	unsigned int broken;	/* numbers that do not follow */
};

/* All that there is, until the driver has gone. */
static long read_all(void *argument)
{
	struct reader *reader = argument;
	struct pollfd readable = { .fd = reader->fd, .events = POLLIN };
	struct nvme_event events[4];
	unsigned int last = 0;
	ssize_t length, i;

	for (;;) {
		if (reader->seen % 2)
			poll(&readable, 1, 10);
		length = read(reader->fd, events, sizeof(events));
		if (length < 0)
			return -errno;
		for (i = 0; i < length / (ssize_t)sizeof(events[0]); i++) {
			if (NVME_EVENT_SOURCE(events[i].dw3) != NVME_EVENT_SOURCE_PROVIDER)
				continue;
			reader->seen++;
			reader->lost += NVME_EVENT_LOST(events[i].dw3);
			if (reader->alone &&
			    events[i].dw2 != last + 1 + NVME_EVENT_LOST(events[i].dw3))
				reader->broken++;
			last = events[i].dw2;
		}
	}
}

TEST(providers_come_and_go_while_others_work)
{
	unsigned int cycles = CYCLES * scale_up_to(SCALE_MOST);
	struct nvme_event_mode mode = { .size = sizeof(mode), .reading = NVME_EVENT_SHARED };
	struct nvme_event_info info = { .size = sizeof(info) };
	struct nvme_event_filter filter = { .size = sizeof(filter) };
	struct reader readers[READERS] = {};
	struct call reading[READERS], cycling;
	struct passthru nodes = {};
	struct load load = {
		.nodes = &nodes, .ring_flags = RING_WIDE, .depth = 16, .cpu = -1,
	};
	unsigned int i, of_group = 0;
	int idle, flicker;

	ASSERT_EQ(0, controller_renew(&nodes.controller, 0));
	ASSERT_EQ(0, passthru_open(&nodes, 1));
	ASSERT_EQ(0, load_prepare(&nodes));
	load.fd = nodes.ns;
	for (i = 0; i < READERS; i++) {
		readers[i].fd = controller_open(&nodes.controller, O_RDONLY);
		ASSERT_LE(0, readers[i].fd);
		readers[i].alone = i < ALONE;
		mode.fd = readers[ALONE].fd;
		if (i > ALONE)
			ASSERT_EQ(0, ioctl(readers[i].fd, NVME_EVENT_IOCTL_MODE, &mode));
		ASSERT_EQ(0, call_start(&reading[i], read_all, &readers[i]));
	}
	idle = controller_open(&nodes.controller, O_RDONLY);
	ASSERT_LE(0, idle);
	ASSERT_EQ(0, ioctl(idle, NVME_EVENT_IOCTL_FILTER, &filter));
	ASSERT_EQ(0, provider_load(PROVIDER_C, ""));
	ASSERT_EQ(0, load_start(&load));
	ASSERT_EQ(0, call_start(&cycling, cycle, &cycles));
	do {
		char payload[64];

		EXPECT_EQ(0, event_raise(&nodes.controller, WARNING_RELIABILITY));
		flicker = controller_open(&nodes.controller, O_RDONLY);
		ASSERT_LE(0, flicker);
		ASSERT_EQ(0, ioctl(flicker, NVME_EVENT_IOCTL_INFO, &info));
		/* It may be the next, or not be kept any more. */
		provider_fetch(flicker, info.provider_newest, payload, sizeof(payload));
		close(flicker);
	} while (!cycling.returned);
	ASSERT_EQ(0, call_finish(&cycling));
	EXPECT_EQ(0, cycling.result);
	EXPECT_EQ(0, load_finish(&load));
	EXPECT_EQ(0, load.wrong);
	EXPECT_NE(0, load.good);

	/* It is still a provider, of an event that somebody reads. */
	EXPECT_TRUE(wait_until(provider_get("fetched") ==
			       provider_get("acked") + provider_get("gone")));
	ASSERT_EQ(0, ioctl(readers[0].fd, NVME_EVENT_IOCTL_INFO, &info));
	EXPECT_EQ(info.provider_newest, provider_get("fetched"));
	/* Every other time the provider waits for that. */
	EXPECT_LE(cycles / 2, info.provider_newest);
	EXPECT_EQ(0, provider_get("wrong"));
	EXPECT_EQ(0, event_clear(&nodes.controller));
	passthru_close(&nodes);
	ASSERT_EQ(0, controller_unbind(&nodes.controller));
	for (i = 0; i < READERS; i++) {
		ASSERT_EQ(0, call_finish(&reading[i]));
		EXPECT_EQ(-ENODEV, reading[i].result);
		EXPECT_EQ(0, readers[i].broken);
		if (!readers[i].alone)
			of_group += readers[i].seen + readers[i].lost;
		else
			EXPECT_EQ(info.provider_newest, readers[i].seen + readers[i].lost);
		close(readers[i].fd);
	}
	EXPECT_EQ(info.provider_newest, of_group);
	TH_LOG("%u cycles, %llu events, %d of them nobody had when the provider went", cycles,
	       (unsigned long long)info.provider_newest, provider_get("gone"));
	close(idle);
	EXPECT_EQ(0, provider_unload(PROVIDER_C));
	ASSERT_EQ(0, controller_bind(&nodes.controller));
}

TEST_HARNESS_MAIN
