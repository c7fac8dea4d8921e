// SPDX-License-Identifier: GPL-2.0-only
/* Failures in open(), in ioctls, in a reset and a probe: lib/failing.h. */
#include "kselftest_harness.h"

#include "lib/envelope.h"
#include "lib/event.h"
#include "lib/failing.h"
#include "lib/sysfs.h"
#include "lib/util.h"

#define PAGE 4096
/* Of a probe, and of a reset, without SCALE. */
#define POINTS_OF_LONG_CALLS 10

FIXTURE(failures)
{
	struct failing failing;
};

FIXTURE_SETUP(failures)
{
	ASSERT_EQ(0, failing_begin(&self->failing));
}

FIXTURE_TEARDOWN(failures)
{
	EXPECT_EQ(0, failing_end(&self->failing));
}

static int open_and_close(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int open_controller(struct failing *failing)
{
	return open_and_close(failing->nodes.controller.path);
}

static int open_namespace(struct failing *failing)
{
	return open_and_close(failing->nodes.path);
}

TEST_F_TIMEOUT(failures, of_open, 120)
{
	int points = failing_try_each(&self->failing, open_controller);

	EXPECT_LE(1, points);
	TH_LOG("controller: %d points", points);
	points = failing_try_each(&self->failing, open_namespace);
	EXPECT_LE(0, points);
	TH_LOG("namespace: %d points", points);
}

static int ioctl_id(struct failing *failing)
{
	int nsid = passthru_ioctl(failing->nodes.ns, NVME_IOCTL_ID, NULL);

	return nsid == FAILING_NSID ? 0 : nsid;
}

static int ioctl_admin(struct failing *failing)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(failing->pages, PAGE),
	};

	return passthru(failing->nodes.ctrl, NVME_IOCTL_ADMIN_CMD, &command);
}

static int ioctl_admin64(struct failing *failing)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = ADMIN_GET_LOG_PAGE, .nsid = -1, .cdw10 = 0x02 | 127 << 16 | 1 << 15,
		DATA(failing->pages, 512),
	};

	return passthru(failing->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &command);
}

static int io_ioctl(struct failing *failing, unsigned long request, void *data,
		    unsigned int length)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = IO_READ, .nsid = FAILING_NSID, BLOCKS(0, FAILING_PIECES * 8), DATA(data, length),
	};

	return passthru(failing->nodes.ns, request, &command);
}

static int ioctl_io(struct failing *failing)
{
	return io_ioctl(failing, NVME_IOCTL_IO_CMD, failing->pages, FAILING_BYTES);
}

static int ioctl_io64(struct failing *failing)
{
	return io_ioctl(failing, NVME_IOCTL_IO64_CMD, failing->pages, FAILING_BYTES);
}

static int ioctl_io64_vec(struct failing *failing)
{
	struct iovec pieces[FAILING_PIECES];
	unsigned int i;

	for (i = 0; i < FAILING_PIECES; i++)
		pieces[i] = (struct iovec){ failing->pages + (FAILING_PIECES - 1 - i) * PAGE, PAGE };
	return io_ioctl(failing, NVME_IOCTL_IO64_CMD_VEC, pieces, FAILING_PIECES);
}

static int ioctl_submit_io(struct failing *failing)
{
	struct nvme_user_io io = {
		.opcode = IO_READ, .nblocks = 7, .addr = (uintptr_t)failing->pages,
	};

	return passthru_ioctl(failing->nodes.ns, NVME_IOCTL_SUBMIT_IO, &io);
}

static int ioctl_rescan(struct failing *failing)
{
	return passthru_ioctl(failing->nodes.ctrl, NVME_IOCTL_RESCAN, NULL);
}

static int ioctl_info(struct failing *failing)
{
	struct nvme_event_info info = { .size = sizeof(info) };

	return passthru_ioctl(failing->nodes.ctrl, NVME_EVENT_IOCTL_INFO, &info);
}

static int ioctl_resume(struct failing *failing)
{
	struct nvme_event_info info = { .size = sizeof(info) };
	struct nvme_event_resume resume = { .size = sizeof(resume) };
	int error = passthru_ioctl(failing->nodes.ctrl, NVME_EVENT_IOCTL_INFO, &info);

	resume.stream_id = info.stream_id;
	resume.number = info.oldest;
	return error ?: passthru_ioctl(failing->nodes.ctrl, NVME_EVENT_IOCTL_RESUME, &resume);
}

static int ioctl_mode(struct failing *failing)
{
	struct nvme_event_mode mode = { .size = sizeof(mode), .reading = NVME_EVENT_SHARED };
	int fd = open(failing->nodes.controller.path, O_RDONLY | O_CLOEXEC), error;

	if (fd < 0)
		return -errno;
	mode.fd = failing->nodes.ctrl;
	error = passthru_ioctl(fd, NVME_EVENT_IOCTL_MODE, &mode);
	mode.fd = 0;
	mode.reading = NVME_EVENT_BROADCAST;
	error = error ?: passthru_ioctl(fd, NVME_EVENT_IOCTL_MODE, &mode);
	mode.reading = NVME_EVENT_EXCLUSIVE;
	error = error ?: passthru_ioctl(fd, NVME_EVENT_IOCTL_MODE, &mode);
	close(fd);
	return error;
}

static int ioctl_filter(struct failing *failing)
{
	struct nvme_event_filter filter = { .size = sizeof(filter) };

	return passthru_ioctl(failing->nodes.ctrl, NVME_EVENT_IOCTL_FILTER, &filter);
}

static int ioctl_fetch(struct failing *failing)
{
	struct nvme_event_fetch fetch = {
		.size = sizeof(fetch), .number = 1, .buffer = (uintptr_t)failing->pages,
		.buffer_bytes = 512,
	};

	return passthru_ioctl(failing->nodes.ctrl, NVME_EVENT_IOCTL_FETCH, &fetch);
}

static int ioctl_ack(struct failing *failing)
{
	struct nvme_event_ack ack = { .size = sizeof(ack), .number = 1 };

	return passthru_ioctl(failing->nodes.ctrl, NVME_EVENT_IOCTL_ACK, &ack);
}

static int ioctl_smart(struct failing *failing)
{
	struct nvme_event_smart smart = { .size = sizeof(smart) };

	return passthru_ioctl(failing->nodes.ctrl, NVME_EVENT_IOCTL_SMART, &smart);
}

static int ioctl_call_admin(struct failing *failing)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(failing->pages, PAGE),
	};

	return envelope_pass(failing->nodes.ctrl, NVME_CALL_ADMIN, &command, NULL);
}

static int ioctl_call_io(struct failing *failing)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = IO_READ, .nsid = FAILING_NSID, BLOCKS(0, FAILING_PIECES * 8),
		DATA(failing->pages, FAILING_BYTES),
	};

	return envelope_pass(failing->nodes.ns, NVME_CALL_IO, &command, NULL);
}

TEST_F_TIMEOUT(failures, of_each_ioctl, 300)
{
	static const struct {
		const char *name;
		failing_call *call;
	} calls[] = {
		{ "ID", ioctl_id }, { "ADMIN_CMD", ioctl_admin }, { "ADMIN64_CMD", ioctl_admin64 },
		{ "IO_CMD", ioctl_io }, { "IO64_CMD", ioctl_io64 },
		{ "IO64_CMD_VEC", ioctl_io64_vec }, { "SUBMIT_IO", ioctl_submit_io },
		{ "RESCAN", ioctl_rescan }, { "INFO", ioctl_info }, { "RESUME", ioctl_resume },
		{ "MODE", ioctl_mode }, { "FILTER", ioctl_filter }, { "FETCH", ioctl_fetch },
		{ "ACK", ioctl_ack }, { "SMART", ioctl_smart },
		{ "CALL of an admin command", ioctl_call_admin },
		{ "CALL of an I/O command", ioctl_call_io },
	};
	unsigned int i;
	int points;

	for (i = 0; i < ARRAY_LENGTH(calls); i++) {
		points = failing_try_each(&self->failing, calls[i].call);
		EXPECT_LE(0, points);
		TH_LOG("%s: %d points", calls[i].name, points);
	}
}

/* Some of the points at which a long call can fail, all with a higher SCALE. */
static unsigned int step(unsigned int points)
{
	unsigned int step = scale() > 1 ? 1 : points / POINTS_OF_LONG_CALLS;

	return step ?: 1;
}

static int reset(struct failing *failing)
{
	return passthru_ioctl(failing->nodes.ctrl, NVME_IOCTL_RESET, NULL);
}

/* A reset that fails leaves a dead controller, which the next one revives. */
TEST_F_TIMEOUT(failures, of_a_reset, 600)
{
	struct failing *failing = &self->failing;
	struct folder folder = folder_of(&failing->nodes.controller);
	unsigned int points = failing_count(failing, reset), nth;
	int result;

	ASSERT_LE(1, points);
	for (nth = 1; nth <= points; nth += step(points)) {
		ASSERT_EQ(0, failing_arm(failing, nth));
		result = reset(failing);
		failing_disarm(failing);
		EXPECT_TRUE(failing_excuses(result));
		EXPECT_STREQ(result ? "dead" : "live", folder_read(&folder, "state"));
		ASSERT_EQ(0, reset(failing));
		ASSERT_EQ(0, failing_works(failing)) {
			TH_LOG("after failure %u", nth);
		}
	}
	TH_LOG("%u of %u points", (points + step(points) - 1) / step(points), points);
}

static int bind(struct failing *failing)
{
	return controller_bind(&failing->nodes.controller);
}

TEST_F_TIMEOUT(failures, of_a_probe, 900)
{
	struct failing *failing = &self->failing;
	struct controller *controller = &failing->nodes.controller;
	unsigned int points, nth, refused = 0;
	char driver[32];
	int result;

	passthru_close(&failing->nodes);
	ASSERT_EQ(0, controller_unbind(controller));
	points = failing_count(failing, bind);
	ASSERT_LE(POINTS_OF_LONG_CALLS, points);
	ASSERT_EQ(0, controller_unbind(controller));
	for (nth = 1; nth <= points; nth += step(points)) {
		ASSERT_EQ(0, failing_arm(failing, nth));
		result = bind(failing);
		failing_disarm(failing);
		/* What pci_request_region() says of a region that it has no memory to note down. */
		EXPECT_TRUE(failing_excuses(result) || result == -EBUSY) {
			TH_LOG("failure %u of %u: %s", nth, points, strerrorname_np(-result));
		}
		controller_driver(controller, driver, sizeof(driver));
		EXPECT_STREQ(result ? "" : "nvme_rs", driver);
		refused += !!result;
		/* It works if it is started anew, whether it came to nothing or to a dead one. */
		if (driver[0])
			ASSERT_EQ(0, controller_unbind(controller));
		ASSERT_EQ(0, controller_bind(controller));
		ASSERT_EQ(0, passthru_open(&failing->nodes, FAILING_NSID));
		ASSERT_EQ(0, failing_works(failing)) {
			TH_LOG("after failure %u", nth);
		}
		passthru_close(&failing->nodes);
		ASSERT_EQ(0, controller_unbind(controller));
	}
	EXPECT_LE(1, refused);
	TH_LOG("%u points, %u probes refused", points, refused);
	ASSERT_EQ(0, controller_bind(controller));
	ASSERT_EQ(0, passthru_open(&failing->nodes, FAILING_NSID));
}

TEST_HARNESS_MAIN
