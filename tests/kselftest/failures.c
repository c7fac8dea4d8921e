// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is not to be had, and user memory that cannot be copied: the nth
 * time that a system call needs some, it fails, for each n until the call gets
 * through. For the debug kernel, which has failures on demand.
 */
#include "kselftest_harness.h"

#include <glob.h>

#include "lib/event.h"
#include "lib/ring.h"
#include "lib/sysfs.h"
#include "lib/util.h"

#define PAGE 4096
#define PIECES 16
#define FAIL_NTH "/proc/thread-self/fail-nth"
/* More than any call needs. */
#define POINTS_MOST 4000
/* Without SCALE: of a probe, and of a reset. */
#define POINTS_OF_LONG_CALLS 10
#define NSID 1

FIXTURE(failures)
{
	struct passthru nodes;
	unsigned char *pages;	/* PIECES of them */
	int fail_nth;
	/* For a call of which only a part shall fail: it does what try_each() does else. */
	bool arms_itself;
	unsigned int nth;
	bool failed;
};

/* From one address up to another. */
struct range {
	unsigned long start, end;
};

/* Where the module's code is. */
static struct range module_range(void)
{
	FILE *modules = fopen("/proc/modules", "re");
	struct range range = {};
	unsigned long bytes;
	char line[256];

	while (modules && fgets(line, sizeof(line), modules)) {
		if (sscanf(line, "nvme_rs %lu %*s %*s %*s %lx", &bytes, &range.start) == 2)
			range.end = range.start + bytes;
	}
	fclose(modules);
	return range;
}

/* Where ACPI's interpreter is, to whose tables a failure does harm for good. */
static struct range acpi_range(void)
{
	static const char *const prefixes[] = { "acpi_ds_", "acpi_ev_", "acpi_ex_", "acpi_ns_",
						"acpi_ps_", "acpi_rs_", "acpi_ut_" };
	FILE *symbols = fopen("/proc/kallsyms", "re");
	struct range range = {};
	unsigned long address, end_of_code = 0;
	char line[512], name[256], type;
	unsigned int i;

	while (symbols && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %c %255s", &address, &type, name) != 3)
			continue;
		if (!strcmp(name, "_etext"))
			end_of_code = address;
		/* In the order of addresses; what comes later is code that was needed at boot only. */
		if (end_of_code || (type | 0x20) != 't')
			continue;
		for (i = 0; i < ARRAY_LENGTH(prefixes); i++) {
			if (!strncmp(name, prefixes[i], strlen(prefixes[i]))) {
				range.start = range.start ?: address;
				range.end = address;
			}
		}
	}
	fclose(symbols);
	return range;
}

static int set(const char *what, const char *setting, unsigned long value)
{
	char path[96], text[32];
	int error;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", what, setting);
	snprintf(text, sizeof(text), "%lu", value);
	error = write_file(path, text);
	if (error)
		complain("%s: %s", path, strerror(-error));
	return error;
}

/* What is called by the module, by whatever way, fails without a word in the log. */
static int prepare(const char *what)
{
	struct range ours = module_range(), acpi = acpi_range();
	int error;

	if (!ours.start || !acpi.start)
		return -ENOENT;
	error = set(what, "verbose", 0);
	error = error ?: set(what, "probability", 0);
	error = error ?: set(what, "stacktrace-depth", 32);
	error = error ?: set(what, "require-start", ours.start);
	error = error ?: set(what, "require-end", ours.end);
	error = error ?: set(what, "reject-start", acpi.start);
	error = error ?: set(what, "reject-end", acpi.end);
	return error;
}

/* Of all slab caches those of kmalloc(): tools that turn themselves off for want of memory have others. */
static int prepare_caches(void)
{
	glob_t caches;
	int error = set("failslab", "cache-filter", 1);
	size_t i;

	if (glob("/sys/kernel/slab/kmalloc-*/failslab", 0, NULL, &caches))
		return -ENOENT;
	for (i = 0; i < caches.gl_pathc && !error; i++)
		error = write_file(caches.gl_pathv[i], "1");
	globfree(&caches);
	return error;
}

FIXTURE_SETUP(failures)
{
	ASSERT_EQ(0, prepare("failslab"));
	ASSERT_EQ(0, prepare("fail_page_alloc"));
	ASSERT_EQ(0, prepare("fail_usercopy"));
	ASSERT_EQ(0, prepare_caches());
	ASSERT_EQ(0, set("failslab", "ignore-gfp-wait", 0));
	ASSERT_EQ(0, set("fail_page_alloc", "ignore-gfp-wait", 0));
	ASSERT_EQ(0, set("fail_page_alloc", "ignore-gfp-highmem", 0));
	ASSERT_EQ(0, set("fail_page_alloc", "min-order", 0));
	ASSERT_EQ(0, controller_renew(&self->nodes.controller, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, NSID));
	ASSERT_EQ(0, event_raise(&self->nodes.controller, WARNING_RELIABILITY));
	self->pages = pages_new(PIECES * PAGE, 0);
	self->fail_nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fail_nth);
}

FIXTURE_TEARDOWN(failures)
{
	close(self->fail_nth);
	pages_free(self->pages, PIECES * PAGE);
	passthru_close(&self->nodes);
	EXPECT_EQ(0, event_clear(&self->nodes.controller));
}

static int arm(FIXTURE_DATA(failures) *self, unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(self->fail_nth, text, length, 0) == length ? 0 : -errno;
}

/* Nothing is made to fail from now on. Whether something was. */
static void disarm(FIXTURE_DATA(failures) *self)
{
	char text[16] = "";
	ssize_t length = pread(self->fail_nth, text, sizeof(text) - 1, 0);

	arm(self, 0);
	if (length < 1)
		complain(FAIL_NTH ": %s", strerror(errno));
	self->failed = atoi(text) == 0;
}

/* One call there; 0 or a status, or a negative errno. */
typedef int operation(FIXTURE_DATA(failures) *self);

static bool is_excusable(int result)
{
	return result >= 0 || result == -ENOMEM || result == -EFAULT || result == -EAGAIN ||
	       result == -ENODATA || result == -ENFILE || result == -EIO || result == -ENETRESET;
}

/* The controller has not suffered. */
static int works(FIXTURE_DATA(failures) *self)
{
	int error = blocks_write(&self->nodes, 0, 8, self->pages, PAGE);

	return error ?: blocks_read(&self->nodes, 0, 8, self->pages, PAGE);
}

/* How many points of failure there are before the call gets through. */
static unsigned int try_each(struct __test_metadata *_metadata, FIXTURE_DATA(failures) *self,
			     operation *call)
{
	unsigned int nth;
	int result = 0;

	self->failed = true;
	for (nth = 1; self->failed && nth < POINTS_MOST; nth++) {
		self->nth = nth;
		if (!self->arms_itself)
			ASSERT_EQ(0, arm(self, nth));
		result = call(self);
		if (!self->arms_itself)
			disarm(self);
		EXPECT_TRUE(is_excusable(result)) {
			TH_LOG("failure %u: %s", nth, strerrorname_np(-result));
		}
		ASSERT_EQ(0, works(self)) {
			TH_LOG("after failure %u", nth);
		}
	}
	EXPECT_EQ(0, result);
	EXPECT_FALSE(self->failed);
	return nth - 2;
}

static int open_and_close(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int open_controller(FIXTURE_DATA(failures) *self)
{
	return open_and_close(self->nodes.controller.path);
}

static int open_namespace(FIXTURE_DATA(failures) *self)
{
	return open_and_close(self->nodes.path);
}

TEST_F_TIMEOUT(failures, of_open, 120)
{
	unsigned int points = try_each(_metadata, self, open_controller);

	EXPECT_LE(1, points);
	TH_LOG("controller: %u points", points);
	TH_LOG("namespace: %u points", try_each(_metadata, self, open_namespace));
}

static int ioctl_id(FIXTURE_DATA(failures) *self)
{
	int nsid = passthru_ioctl(self->nodes.ns, NVME_IOCTL_ID, NULL);

	return nsid == NSID ? 0 : nsid;
}

static int ioctl_admin(FIXTURE_DATA(failures) *self)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(self->pages, PAGE),
	};

	return passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN_CMD, &command);
}

static int ioctl_admin64(FIXTURE_DATA(failures) *self)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = ADMIN_GET_LOG_PAGE, .nsid = -1, .cdw10 = 0x02 | 127 << 16 | 1 << 15,
		DATA(self->pages, 512),
	};

	return passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &command);
}

static int io_ioctl(FIXTURE_DATA(failures) *self, unsigned long request, void *data,
		    unsigned int length)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = IO_READ, .nsid = NSID, BLOCKS(0, PIECES * 8), DATA(data, length),
	};

	return passthru(self->nodes.ns, request, &command);
}

static int ioctl_io(FIXTURE_DATA(failures) *self)
{
	return io_ioctl(self, NVME_IOCTL_IO_CMD, self->pages, PIECES * PAGE);
}

static int ioctl_io64(FIXTURE_DATA(failures) *self)
{
	return io_ioctl(self, NVME_IOCTL_IO64_CMD, self->pages, PIECES * PAGE);
}

static int ioctl_io64_vec(FIXTURE_DATA(failures) *self)
{
	struct iovec pieces[PIECES];
	unsigned int i;

	for (i = 0; i < PIECES; i++)
		pieces[i] = (struct iovec){ self->pages + (PIECES - 1 - i) * PAGE, PAGE };
	return io_ioctl(self, NVME_IOCTL_IO64_CMD_VEC, pieces, PIECES);
}

static int ioctl_submit_io(FIXTURE_DATA(failures) *self)
{
	struct nvme_user_io io = {
		.opcode = IO_READ, .nblocks = 7, .addr = (uintptr_t)self->pages,
	};

	return passthru_ioctl(self->nodes.ns, NVME_IOCTL_SUBMIT_IO, &io);
}

static int ioctl_rescan(FIXTURE_DATA(failures) *self)
{
	return passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESCAN, NULL);
}

static int ioctl_info(FIXTURE_DATA(failures) *self)
{
	struct nvme_event_info info = { .size = sizeof(info) };

	return passthru_ioctl(self->nodes.ctrl, NVME_EVENT_IOCTL_INFO, &info);
}

static int ioctl_resume(FIXTURE_DATA(failures) *self)
{
	struct nvme_event_info info = { .size = sizeof(info) };
	struct nvme_event_resume resume = { .size = sizeof(resume) };
	int error = passthru_ioctl(self->nodes.ctrl, NVME_EVENT_IOCTL_INFO, &info);

	resume.stream_id = info.stream_id;
	resume.number = info.oldest;
	return error ?: passthru_ioctl(self->nodes.ctrl, NVME_EVENT_IOCTL_RESUME, &resume);
}

static int ioctl_mode(FIXTURE_DATA(failures) *self)
{
	struct nvme_event_mode mode = { .size = sizeof(mode), .reading = NVME_EVENT_SHARED };
	int fd = open(self->nodes.controller.path, O_RDONLY | O_CLOEXEC), error;

	if (fd < 0)
		return -errno;
	mode.fd = self->nodes.ctrl;
	error = passthru_ioctl(fd, NVME_EVENT_IOCTL_MODE, &mode);
	mode.fd = 0;
	mode.reading = NVME_EVENT_BROADCAST;
	error = error ?: passthru_ioctl(fd, NVME_EVENT_IOCTL_MODE, &mode);
	mode.reading = NVME_EVENT_EXCLUSIVE;
	error = error ?: passthru_ioctl(fd, NVME_EVENT_IOCTL_MODE, &mode);
	close(fd);
	return error;
}

static int ioctl_filter(FIXTURE_DATA(failures) *self)
{
	struct nvme_event_filter filter = { .size = sizeof(filter) };

	return passthru_ioctl(self->nodes.ctrl, NVME_EVENT_IOCTL_FILTER, &filter);
}

static int ioctl_fetch(FIXTURE_DATA(failures) *self)
{
	struct nvme_event_fetch fetch = {
		.size = sizeof(fetch), .number = 1, .buffer = (uintptr_t)self->pages,
		.buffer_bytes = 512,
	};

	return passthru_ioctl(self->nodes.ctrl, NVME_EVENT_IOCTL_FETCH, &fetch);
}

static int ioctl_ack(FIXTURE_DATA(failures) *self)
{
	struct nvme_event_ack ack = { .size = sizeof(ack), .number = 1 };

	return passthru_ioctl(self->nodes.ctrl, NVME_EVENT_IOCTL_ACK, &ack);
}

static int ioctl_smart(FIXTURE_DATA(failures) *self)
{
	struct nvme_event_smart smart = { .size = sizeof(smart) };

	return passthru_ioctl(self->nodes.ctrl, NVME_EVENT_IOCTL_SMART, &smart);
}

TEST_F_TIMEOUT(failures, of_each_ioctl, 300)
{
	static const struct {
		const char *name;
		operation *call;
	} calls[] = {
		{ "ID", ioctl_id }, { "ADMIN_CMD", ioctl_admin }, { "ADMIN64_CMD", ioctl_admin64 },
		{ "IO_CMD", ioctl_io }, { "IO64_CMD", ioctl_io64 },
		{ "IO64_CMD_VEC", ioctl_io64_vec }, { "SUBMIT_IO", ioctl_submit_io },
		{ "RESCAN", ioctl_rescan }, { "INFO", ioctl_info }, { "RESUME", ioctl_resume },
		{ "MODE", ioctl_mode }, { "FILTER", ioctl_filter }, { "FETCH", ioctl_fetch },
		{ "ACK", ioctl_ack }, { "SMART", ioctl_smart },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(calls); i++)
		TH_LOG("%s: %u points", calls[i].name, try_each(_metadata, self, calls[i].call));
}

static struct {
	unsigned int operation;
	enum ring_data data;
	bool admin;
} form;

/* A ring anew each time, so that nothing is left of the last. Only the submission is to fail. */
static int ring_form(FIXTURE_DATA(failures) *self)
{
	struct iovec pieces[RING_PIECES];
	struct ring_command command = {
		.fd = self->nodes.ns,
		.operation = NVME_URING_CMD_IO,
		.command = { .opcode = IO_READ, .nsid = NSID, BLOCKS(0, PIECES * 8) },
	};
	unsigned int bytes = PIECES * PAGE;
	struct ring_answer answer;
	struct ring ring;
	int result;

	if (form.admin) {
		command.operation = NVME_URING_CMD_ADMIN;
		command.fd = self->nodes.ctrl;
		command.command = (struct nvme_uring_cmd){
			.opcode = ADMIN_IDENTIFY, .cdw10 = 1,
		};
		bytes = PAGE;
	}
	ring_describe(&command, form.data, self->pages, bytes, pieces);
	result = ring_open(&ring, 4, RING_WIDE);
	if (result)
		return result;
	result = ring_register(&ring, self->pages, PIECES * PAGE);
	result = result ?: ring_push(&ring, &command);
	if (!result) {
		arm(self, self->nth);
		result = ring_submit(&ring);
		disarm(self);
		/* What was not taken for want of memory is still there. */
		if (result < 1) {
			ring.to_submit = 1;
			result = ring_submit(&ring);
		}
		result = result == 1 ? ring_reap(&ring, &answer, LIMIT_MS) ?: answer.res : -EPROTO;
	}
	ring_close(&ring);
	return result;
}

TEST_F_TIMEOUT(failures, of_each_form_of_io_uring, 300)
{
	unsigned int admin, data;

	self->arms_itself = true;
	for (admin = 0; admin < 2; admin++) {
		for (data = 0; data < DATA_KINDS; data++) {
			form.admin = admin;
			form.data = data;
			TH_LOG("%s, data %u: %u points", admin ? "admin" : "I/O", data,
			       try_each(_metadata, self, ring_form));
		}
	}
}

/* Some of the points at which a long call can fail, all with a higher SCALE. */
static unsigned int step(unsigned int points)
{
	unsigned int step = scale() > 1 ? 1 : points / POINTS_OF_LONG_CALLS;

	return step ?: 1;
}

/* How many points a call has that gets through. */
static unsigned int count_points(FIXTURE_DATA(failures) *self, operation *call)
{
	char text[16] = "";

	arm(self, POINTS_MOST);
	if (call(self))
		complain("it fails without a failure");
	pread(self->fail_nth, text, sizeof(text) - 1, 0);
	arm(self, 0);
	return POINTS_MOST - atoi(text);
}

static int reset(FIXTURE_DATA(failures) *self)
{
	return passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL);
}

/* A reset that fails leaves a dead controller, which the next one revives. */
TEST_F_TIMEOUT(failures, of_a_reset, 600)
{
	struct folder folder = folder_of(&self->nodes.controller);
	unsigned int points = count_points(self, reset), nth;
	int result;

	ASSERT_LE(1, points);
	for (nth = 1; nth <= points; nth += step(points)) {
		ASSERT_EQ(0, arm(self, nth));
		result = reset(self);
		disarm(self);
		EXPECT_TRUE(is_excusable(result));
		EXPECT_STREQ(result ? "dead" : "live", folder_read(&folder, "state"));
		ASSERT_EQ(0, reset(self));
		ASSERT_EQ(0, works(self)) {
			TH_LOG("after failure %u", nth);
		}
	}
	TH_LOG("%u of %u points", (points + step(points) - 1) / step(points), points);
}

static int bind(FIXTURE_DATA(failures) *self)
{
	return controller_bind(&self->nodes.controller);
}

TEST_F_TIMEOUT(failures, of_a_probe, 900)
{
	struct controller *controller = &self->nodes.controller;
	unsigned int points, nth, refused = 0;
	char driver[32];
	int result;

	passthru_close(&self->nodes);
	ASSERT_EQ(0, controller_unbind(controller));
	points = count_points(self, bind);
	ASSERT_LE(POINTS_OF_LONG_CALLS, points);
	ASSERT_EQ(0, controller_unbind(controller));
	for (nth = 1; nth <= points; nth += step(points)) {
		ASSERT_EQ(0, arm(self, nth));
		result = bind(self);
		disarm(self);
		EXPECT_TRUE(is_excusable(result)) {
			TH_LOG("failure %u of %u: %s", nth, points, strerrorname_np(-result));
		}
		controller_driver(controller, driver, sizeof(driver));
		EXPECT_STREQ(result ? "" : "nvme_rs", driver);
		refused += !!result;
		/* It works if it is started anew, whether it came to nothing or to a dead one. */
		if (driver[0])
			ASSERT_EQ(0, controller_unbind(controller));
		ASSERT_EQ(0, controller_bind(controller));
		ASSERT_EQ(0, passthru_open(&self->nodes, NSID));
		ASSERT_EQ(0, works(self)) {
			TH_LOG("after failure %u", nth);
		}
		passthru_close(&self->nodes);
		ASSERT_EQ(0, controller_unbind(controller));
	}
	EXPECT_LE(1, refused);
	TH_LOG("%u points, %u probes refused", points, refused);
	ASSERT_EQ(0, controller_bind(controller));
	ASSERT_EQ(0, passthru_open(&self->nodes, NSID));
}

TEST_HARNESS_MAIN
