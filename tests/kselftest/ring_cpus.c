// SPDX-License-Identifier: GPL-2.0-only
/* Rings on all processors at once, and processors which are taken away and given back meanwhile. */
#include "kselftest_harness.h"

#include <poll.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/load.h"
#include "lib/trace.h"
#include "lib/util.h"

#define CPUS_MOST 4
#define ROUNDS 3
/* The debug kernel looks at each of them for long. */
#define COMMANDS (100000ul / (patience() * patience()))
/* 10^6 are enough. */
#define SCALE_MOST 10

FIXTURE(cpus)
{
	struct passthru nodes;
	struct load loads[CPUS_MOST + 1];
	unsigned int count;	/* of processors */
};

FIXTURE_VARIANT(cpus)
{
	unsigned int flags;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(cpus, name) { .flags = __VA_ARGS__ }

KIND(plain, RING_WIDE);
KIND(iopoll, RING_WIDE | IORING_SETUP_IOPOLL);
KIND(sqpoll, RING_WIDE | IORING_SETUP_SQPOLL);
KIND(deferred, RING_WIDE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

static int cpu_online(unsigned int cpu, bool online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	return write_file(path, online ? "1" : "0");
}

FIXTURE_SETUP(cpus)
{
	unsigned int i;

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	ASSERT_EQ(0, load_prepare(&self->nodes));
	self->count = sysconf(_SC_NPROCESSORS_CONF);
	ASSERT_GE(CPUS_MOST, self->count);
	for (i = 0; i <= self->count; i++)
		self->loads[i] = (struct load){
			.nodes = &self->nodes, .ring_flags = variant->flags, .depth = 32,
			/* And one that goes where it likes. */
			.cpu = i < self->count ? (int)i : -1,
		};
}

FIXTURE_TEARDOWN(cpus)
{
	unsigned int i;

	for (i = 1; i < self->count; i++)
		cpu_online(i, true);
	passthru_close(&self->nodes);
}

static bool all_go_on(FIXTURE_DATA(cpus) *self)
{
	unsigned long before[CPUS_MOST + 1];
	unsigned int i;

	for (i = 0; i <= self->count; i++)
		before[i] = self->loads[i].good;
	for (i = 0; i <= self->count; i++) {
		if (!wait_until(self->loads[i].good > before[i] + 64)) {
			complain("load %u of %u stands still", i, self->count);
			load_tell(&self->loads[i]);
			return false;
		}
	}
	return true;
}

TEST_F_TIMEOUT(cpus, rings_everywhere_while_processors_come_and_go, 120)
{
	unsigned int i, round;

	for (i = 0; i <= self->count; i++)
		ASSERT_EQ(0, load_start(&self->loads[i]));
	ASSERT_TRUE(all_go_on(self));
	for (round = 0; round < ROUNDS; round++) {
		/* Downwards until one is left, and up again. */
		for (i = self->count - 1; i > 0; i--) {
			ASSERT_EQ(0, cpu_online(i, false));
			ASSERT_TRUE(all_go_on(self));
		}
		for (i = 1; i < self->count; i++) {
			ASSERT_EQ(0, cpu_online(i, true));
			ASSERT_TRUE(all_go_on(self));
		}
	}
	for (i = 0; i <= self->count; i++) {
		ASSERT_EQ(0, load_finish(&self->loads[i]));
		EXPECT_EQ(0, self->loads[i].wrong);
		EXPECT_EQ(self->loads[i].sent, self->loads[i].good);
	}
}

/* Queues are chosen anew when there are other processors at a reset. */
TEST_F_TIMEOUT(cpus, a_reset_without_some_of_them, 60)
{
	unsigned int i;

	for (i = 1; i < self->count; i++)
		ASSERT_EQ(0, cpu_online(i, false));
	ASSERT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL));
	for (i = 1; i < self->count; i++)
		ASSERT_EQ(0, cpu_online(i, true));
	for (i = 0; i <= self->count; i++)
		ASSERT_EQ(0, load_start(&self->loads[i]));
	EXPECT_TRUE(all_go_on(self));
	for (i = 0; i <= self->count; i++) {
		ASSERT_EQ(0, load_finish(&self->loads[i]));
		EXPECT_EQ(self->loads[i].sent, self->loads[i].good);
	}
}

struct reader {
	int fd;
	atomic_bool stop;
	unsigned long count, gaps;
};

static long read_events(void *argument)
{
	struct reader *reader = argument;
	struct pollfd file = { .fd = reader->fd, .events = POLLIN };
	struct nvme_event event;
	__u32 last = 0;

	while (!reader->stop) {
		if (poll(&file, 1, QUIET_MS) < 1)
			continue;
		if (read(reader->fd, &event, sizeof(event)) != sizeof(event))
			return -errno;
		if (last && event.dw2 != last + 1)
			reader->gaps++;
		last = event.dw2;
		if (event.dw0 == EVENT_RELIABILITY)
			reader->count++;
	}
	return 0;
}

TEST_F_TIMEOUT(cpus, events_are_read_while_commands_run, 3600)
{
	struct load *load = &self->loads[self->count];
	unsigned int factor = scale_up_to(SCALE_MOST);
	struct reader reader = { .fd = controller_open(&self->nodes.controller, O_RDONLY) };
	unsigned long raised = 0;
	struct call call;

	ASSERT_LE(0, reader.fd);
	ASSERT_EQ(0, event_clear(&self->nodes.controller));
	load->limit = COMMANDS * factor;
	ASSERT_EQ(0, call_start(&call, read_events, &reader));
	ASSERT_EQ(0, load_start(load));
	while (load->ended < load->limit && !load->wrong) {
		ASSERT_EQ(0, event_raise(&self->nodes.controller, WARNING_RELIABILITY));
		raised++;
		ASSERT_EQ(0, event_clear(&self->nodes.controller));
		usleep(200000);
	}
	ASSERT_EQ(0, load_finish(load));
	reader.stop = true;
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(0, call.result);
	EXPECT_EQ(load->limit, load->good);
	EXPECT_LE(1, raised);
	EXPECT_EQ(raised, reader.count);
	EXPECT_EQ(0, reader.gaps);
	TH_LOG("%lu commands, %lu events", load->good, raised);
	close(reader.fd);
}

TEST_HARNESS_MAIN
