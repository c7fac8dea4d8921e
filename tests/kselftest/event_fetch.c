// SPDX-License-Identifier: GPL-2.0-only
/*
 * What belongs to an event besides its record: its time, its log page. To be
 * run with event_ring_entries=16 event_snapshot_bytes=1200, which is two SMART
 * log pages and a bit, and event_smart_interval=2.
 */
#include "kselftest_harness.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "lib/event.h"
#include "lib/passthru.h"
#include "lib/trace.h"
#include "lib/util.h"

#define PAGE 4096
#define SMART_BYTES 512
#define SNAPSHOT_BYTES 1200
#define ENTRIES 16
#define INTERVAL_MS 2000
#define INTERVAL_NS (INTERVAL_MS * 1000000ULL)
#define ATTEMPTS 5
#define SMART_RETAINED "pci_nvme_get_log * lid 0x2 * rae 0x1 *"
#define ALL_CLASSES 0x11f	/* of QEMU's controller */

FIXTURE(fetch)
{
	struct controller controller;
	struct trace trace;
	int fd;
};

FIXTURE_SETUP(fetch)
{
	ASSERT_EQ(0, trace_enable("pci_nvme_get_log"));
	ASSERT_EQ(0, trace_start(&self->trace));
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(fetch)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

static struct nvme_event_fetch asking(unsigned long long number, void *buffer, unsigned int bytes)
{
	return (struct nvme_event_fetch){
		.size = sizeof(struct nvme_event_fetch), .number = number,
		.buffer = (uintptr_t)buffer, .buffer_bytes = bytes,
	};
}

static int fetch(int fd, struct nvme_event_fetch *fetch)
{
	return ioctl(fd, NVME_EVENT_IOCTL_FETCH, fetch) ? -errno : 0;
}

static int fetch_nothing(int fd, unsigned long long number)
{
	struct nvme_event_fetch call = asking(number, NULL, 0);

	return fetch(fd, &call);
}

static unsigned long long boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

TEST_F(fetch, structs_are_checked)
{
	struct nvme_event_fetch good = asking(1, NULL, 0), bad;
	struct nvme_event_ack ack = { .size = sizeof(ack), .flags = 1, .number = 1 };
	struct nvme_event_smart smart = { .size = sizeof(smart), .flags = 2 };

	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, fetch(self->fd, &good));
	bad = good;
	bad.size += 8;
	EXPECT_EQ(-EINVAL, fetch(self->fd, &bad));
	bad = good;
	bad.flags = 2;
	EXPECT_EQ(-EINVAL, fetch(self->fd, &bad));
	bad = good;
	bad.reserved[6] = 1;
	EXPECT_EQ(-EINVAL, fetch(self->fd, &bad));
	EXPECT_EQ(-EFAULT, fetch(self->fd, bad_address()));
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_ACK, &ack));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, &smart));
	EXPECT_EQ(EINVAL, errno);
	smart.flags = 0;
	smart.size = 8;
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, &smart));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, bad_address()));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(fetch, gives_the_log_page_and_the_time_of_the_event_to_all_who_ask)
{
	unsigned char first[SMART_BYTES], second[SMART_BYTES + 16], part[32];
	int other = controller_open(&self->controller, O_RDONLY);
	unsigned long long before = boot_ns();
	struct nvme_event_fetch call;
	unsigned int i;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	call = asking(1, first, sizeof(first));
	ASSERT_EQ(0, fetch(self->fd, &call));
	EXPECT_LE(before, call.time_ns);
	EXPECT_LE(call.time_ns, call.captured_ns);
	EXPECT_LE(call.captured_ns, boot_ns());
	EXPECT_EQ(SMART_BYTES, call.length);
	EXPECT_EQ(SMART_BYTES, call.kept);
	EXPECT_EQ(SMART_BYTES, call.copied);
	EXPECT_EQ(0x02, call.log_page);
	EXPECT_EQ(0xffffffff, call.nsid);
	EXPECT_EQ(WARNING_RELIABILITY, first[0]);

	/* No reading of the page was needed for that. */
	ASSERT_EQ(0, event_clear(&self->controller));
	memset(second, 0xaa, sizeof(second));
	call = asking(1, second, sizeof(second));
	ASSERT_EQ(0, fetch(other, &call));
	EXPECT_EQ(SMART_BYTES, call.copied);
	EXPECT_EQ(0, memcmp(first, second, SMART_BYTES));
	EXPECT_EQ(0xaa, second[SMART_BYTES]);

	for (i = 0; i < SMART_BYTES; i += sizeof(part)) {
		call = asking(1, part, sizeof(part));
		call.offset = i;
		ASSERT_EQ(0, fetch(self->fd, &call));
		EXPECT_EQ(sizeof(part), call.copied);
		EXPECT_EQ(0, memcmp(first + i, part, sizeof(part)));
	}
	for (i = SMART_BYTES; i; i *= 2) {
		call = asking(1, part, sizeof(part));
		call.offset = i;
		ASSERT_EQ(0, fetch(self->fd, &call));
		EXPECT_EQ(0, call.copied);
		EXPECT_EQ(SMART_BYTES, call.length);
	}
	EXPECT_EQ(0, trace_count(&self->trace, SMART_RETAINED));
	close(other);
}

TEST_F(fetch, numbers_of_no_event)
{
	ASSERT_EQ(0, event_raise_many(&self->controller, ENTRIES + 1));
	EXPECT_EQ(-EINVAL, fetch_nothing(self->fd, 0));
	EXPECT_EQ(-ESTALE, fetch_nothing(self->fd, 1));
	EXPECT_EQ(-ENODATA, fetch_nothing(self->fd, 2));
	EXPECT_EQ(0, fetch_nothing(self->fd, ENTRIES + 1));
	EXPECT_EQ(-EINVAL, fetch_nothing(self->fd, ENTRIES + 2));
	EXPECT_EQ(-EINVAL, fetch_nothing(self->fd, ~0ULL));
}

TEST_F(fetch, the_oldest_pages_go_first_and_memory_is_bounded)
{
	unsigned long long bytes;
	unsigned int i;

	for (i = 1; i <= 24; i++) {
		ASSERT_EQ(0, event_raise_many(&self->controller, 1));
		ASSERT_EQ(0, controller_value(&self->controller, "snapshot_bytes", &bytes));
		EXPECT_GE(SNAPSHOT_BYTES, bytes);
		EXPECT_EQ(0, fetch_nothing(self->fd, i));
		if (i > 1)
			EXPECT_EQ(0, fetch_nothing(self->fd, i - 1));
		if (i > 2)
			EXPECT_EQ(-ENODATA, fetch_nothing(self->fd, i - 2));
	}
}

TEST_F(fetch, an_event_without_a_log_page_has_a_time)
{
	unsigned long long before = boot_ns();
	struct nvme_event_fetch call = asking(1, NULL, 0);

	ASSERT_EQ(0, ioctl(self->fd, NVME_IOCTL_RESET));
	ASSERT_EQ(0, fetch(self->fd, &call));
	EXPECT_LE(before, call.time_ns);
	EXPECT_LE(call.time_ns, boot_ns());
	EXPECT_EQ(0, call.length);
	EXPECT_EQ(0, call.log_page);
	EXPECT_EQ(0, call.captured_ns);
}

TEST_F(fetch, a_fault_half_way_leaves_the_struct_as_it_was)
{
	unsigned char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct nvme_event_fetch call, before, *half;

	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(pages + PAGE, PAGE));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	call = before = asking(1, pages + PAGE - 100, SMART_BYTES);
	EXPECT_EQ(-EFAULT, fetch(self->fd, &call));
	EXPECT_EQ(0, memcmp(&call, &before, sizeof(call)));
	half = (void *)(pages + PAGE - sizeof(call) / 2);
	memcpy(half, &call, sizeof(call) / 2);
	EXPECT_EQ(-EFAULT, fetch(self->fd, half));
	/* It is there for the next one all the same. */
	call = asking(1, pages, SMART_BYTES);
	EXPECT_EQ(0, fetch(self->fd, &call));
	EXPECT_EQ(WARNING_RELIABILITY, pages[0]);
	munmap(pages, PAGE);
}

TEST_F(fetch, what_was_kept_outlives_the_controller)
{
	struct nvme_event_smart smart = { .size = sizeof(smart) };
	unsigned char page[SMART_BYTES] = {};
	struct nvme_event_fetch call = asking(1, page, sizeof(page));

	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	EXPECT_EQ(0, fetch(self->fd, &call));
	EXPECT_EQ(WARNING_RELIABILITY, page[0]);
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, &smart));
	EXPECT_EQ(WARNING_RELIABILITY, smart.data[0]);
	ASSERT_EQ(0, controller_bind(&self->controller));
}

TEST_F(fetch, files_for_writing_get_nothing)
{
	struct nvme_event_smart smart = { .size = sizeof(smart) };
	int fd = controller_open(&self->controller, O_WRONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(-EBADF, fetch_nothing(fd, 1));
	EXPECT_EQ(-1, ioctl(fd, NVME_EVENT_IOCTL_SMART, &smart));
	EXPECT_EQ(EBADF, errno);
	close(fd);
}

TEST_F(fetch, smart_is_read_now_and_then)
{
	struct nvme_event_smart smart = { .size = sizeof(smart), .flags = NVME_EVENT_SMART_KEPT };
	unsigned long long first, start_ns;
	int attempt;

	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, &smart));
	EXPECT_EQ(ENODATA, errno);
	smart.flags = 0;
	/* Not again within the interval, whoever asks. Once more if the machine stood still for as long. */
	for (attempt = 0; attempt < ATTEMPTS; attempt++) {
		ASSERT_EQ(0, trace_start(&self->trace));
		start_ns = boot_ns();
		ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, &smart));
		first = smart.captured_ns;
		ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, &smart));
		if (boot_ns() - start_ns < INTERVAL_NS)
			break;
		usleep((INTERVAL_MS + 200) * 1000);
	}
	EXPECT_EQ(0, smart.data[0]);
	EXPECT_GE(boot_ns(), smart.captured_ns);
	EXPECT_GT(INTERVAL_NS, smart.age_ns);
	EXPECT_EQ(first, smart.captured_ns);
	EXPECT_EQ(1, trace_count(&self->trace, SMART_RETAINED));

	usleep((INTERVAL_MS + 200) * 1000);
	smart.flags = NVME_EVENT_SMART_KEPT;
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, &smart));
	EXPECT_EQ(first, smart.captured_ns);
	EXPECT_LE(INTERVAL_NS, smart.age_ns);
	smart.flags = 0;
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, &smart));
	EXPECT_LT(first, smart.captured_ns);
	EXPECT_EQ(2, trace_count(&self->trace, SMART_RETAINED));

	/* An event brings a newer one, which is good for an interval. */
	start_ns = boot_ns();
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, &smart));
	EXPECT_EQ(WARNING_RELIABILITY, smart.data[0]);
	EXPECT_TRUE(trace_count(&self->trace, SMART_RETAINED) == 2 || boot_ns() - start_ns >= INTERVAL_NS);
}

TEST_F(fetch, info_tells_of_the_controller)
{
	struct nvme_event_info info = { .size = sizeof(info) };

	ASSERT_EQ(0, event_raise_many(&self->controller, ENTRIES + 3));
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_INFO, &info));
	EXPECT_EQ(sizeof(info), info.size);
	EXPECT_EQ(ENTRIES + 3, info.posted);
	EXPECT_EQ(3, info.overwritten);
	EXPECT_EQ(4, info.oldest);
	EXPECT_EQ(4, info.aer_limit);
	EXPECT_EQ(4, info.aers_outstanding);
	EXPECT_EQ(ALL_CLASSES, info.classes_enabled);
	EXPECT_EQ(0, info.classes_masked);
	EXPECT_EQ(0, info.types_masked);
	ASSERT_EQ(0, controller_unbind(&self->controller));
	info.size = sizeof(info);
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_INFO, &info));
	EXPECT_EQ(ENTRIES + 4, info.posted);
	EXPECT_EQ(0, info.aer_limit);
	EXPECT_EQ(0, info.classes_enabled);
	ASSERT_EQ(0, controller_bind(&self->controller));
}

/* No page was too long here, so that nothing is held back. */
TEST_F(fetch, ack_of_a_page_that_was_kept_does_nothing)
{
	struct nvme_event_ack ack = { .size = sizeof(ack), .number = 1 };

	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, trace_start(&self->trace));
	EXPECT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_ACK, &ack));
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_get_log *"));
	ack.number = 2;
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_ACK, &ack));
	EXPECT_EQ(EINVAL, errno);
	ack.number = 1;
	ASSERT_EQ(0, become_nobody());
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_ACK, &ack));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, become_root());
}

TEST_HARNESS_MAIN
