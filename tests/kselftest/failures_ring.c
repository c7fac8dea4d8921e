// SPDX-License-Identifier: GPL-2.0-only
/* Failures while io_uring commands are submitted, in each of their forms: lib/failing.h. */
#include "kselftest_harness.h"

#include <liburing.h>
#include <linux/nvme_buffer.h>
#include <sys/syscall.h>

#include "lib/event.h"
#include "lib/failing.h"
#include "lib/plain.h"
#include "lib/subscribe.h"
#include "lib/util.h"

#define PAGE 4096
#define SLOTS 4
#define GROUP 1
#define BUFFERS 4
#define BUFFER_BYTES 1024

FIXTURE(failures)
{
	struct failing failing;
};

FIXTURE_SETUP(failures)
{
	ASSERT_EQ(0, failing_begin(&self->failing));
	self->failing.arms_itself = true;
}

FIXTURE_TEARDOWN(failures)
{
	EXPECT_EQ(0, failing_end(&self->failing));
}

/* In what kind of entry a command is. */
enum shape { LARGE, INLINE, INDIRECT, SHAPES };

static struct {
	enum shape shape;
	enum ring_data data;
	bool admin;
} form;

/*
 * Submits one entry, and takes its completion, with a failure; its res. What is
 * not taken for want of memory is still there.
 */
static int submit(struct failing *failing, struct ring *ring)
{
	struct ring_answer answer;
	int submitted, error = 0;

	failing_arm(failing, failing->nth);
	submitted = ring_submit(ring);
	if (submitted == 1)
		error = ring_reap(ring, &answer, LIMIT_MS);
	failing_disarm(failing);
	if (submitted != 1) {
		ring->to_submit = 1;
		submitted = ring_submit(ring);
		error = submitted == 1 ? ring_reap(ring, &answer, LIMIT_MS) : -EPROTO;
	}
	return error ?: answer.res;
}

/* A ring anew each time, so that nothing is left of the last; making it is not to fail. */
static int send_form(struct failing *failing)
{
	struct iovec pieces[RING_PIECES];
	struct ring_command command = {
		.fd = failing->nodes.ns,
		.operation = NVME_URING_CMD_IO,
		.command = {
			.opcode = IO_READ, .nsid = FAILING_NSID, BLOCKS(0, FAILING_PIECES * 8),
		},
	};
	struct nvme_passthru_cmd64 wide;
	unsigned int bytes = FAILING_BYTES;
	struct ring ring;
	int result;

	if (form.admin) {
		command.operation = NVME_URING_CMD_ADMIN;
		command.fd = failing->nodes.ctrl;
		command.command = (struct nvme_uring_cmd){
			.opcode = ADMIN_IDENTIFY, .cdw10 = 1,
		};
		bytes = PAGE;
	}
	ring_describe(&command, form.data, failing->pages, bytes, pieces);
	wide = plain_command(&command);
	result = ring_open(&ring, 4, form.shape == LARGE ? RING_WIDE : 0);
	if (result)
		return result;
	result = ring_register(&ring, failing->pages, FAILING_BYTES);
	if (!result && form.shape == LARGE)
		result = ring_push(&ring, &command);
	else if (!result && form.shape == INLINE)
		result = plain_push_inline(&ring, &command, NULL);
	else if (!result)
		result = plain_push_indirect(&ring, &command, &wide, 0);
	result = result ?: submit(failing, &ring);
	ring_close(&ring);
	return result;
}

/* A command in a plain entry has no pieces. */
static bool exists(enum shape shape, enum ring_data data)
{
	return shape != INLINE || data == DATA_PLAIN || data == DATA_REGISTERED;
}

TEST_F_TIMEOUT(failures, of_each_form_of_a_command, 600)
{
	static const char *const names[SHAPES] = { "large", "inline", "indirect" };
	unsigned int admin, data, shape;
	int points, all = 0;

	for (shape = 0; shape < SHAPES; shape++) {
		for (admin = 0; admin < 2; admin++) {
			for (data = 0; data < DATA_KINDS; data++) {
				if (!exists(shape, data))
					continue;
				form.shape = shape;
				form.admin = admin;
				form.data = data;
				points = failing_try_each(&self->failing, send_form);
				EXPECT_LE(0, points);
				all += points;
				TH_LOG("%s, %s, data %u: %d points", names[shape],
				       admin ? "admin" : "I/O", data, points);
			}
		}
	}
	/* Those that take memory from what is kept for them have none. */
	EXPECT_LE(1, all);
}

/* A buffer that stays mapped. It is used after it was registered, and goes with the ring. */
static int register_buffer(struct failing *failing)
{
	struct io_uring_rsrc_register table = {
		.nr = SLOTS, .flags = IORING_RSRC_REGISTER_SPARSE,
	};
	struct nvme_register_buffer buffer = {
		.addr = (uintptr_t)failing->pages, .length = FAILING_BYTES,
	};
	struct ring_command command = {
		.fd = failing->nodes.ns, .operation = NVME_URING_CMD_REGISTER_BUFFER,
		.uring_flags = IORING_URING_CMD_FIXED,
	};
	struct ring_command read = {
		.fd = failing->nodes.ns, .operation = NVME_URING_CMD_IO,
		.uring_flags = IORING_URING_CMD_FIXED,
		.command = {
			.opcode = IO_READ, .nsid = FAILING_NSID, BLOCKS(0, 8), .data_len = PAGE,
		},
	};
	struct ring ring;
	int result;

	result = ring_open(&ring, 4, RING_WIDE);
	if (result)
		return result;
	if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS2, &table, sizeof(table)))
		result = -errno;
	memcpy(&command.command, &buffer, sizeof(buffer));
	result = result ?: ring_push(&ring, &command);
	result = result ?: submit(failing, &ring);
	/* One that could not be registered is not there at all. */
	if ((ring_run(&ring, &read, NULL) == 0) != (result == 0))
		result = -EPROTO;
	ring_close(&ring);
	return result;
}

TEST_F_TIMEOUT(failures, of_a_registered_buffer, 120)
{
	int points = failing_try_each(&self->failing, register_buffer);

	EXPECT_LE(1, points);
	TH_LOG("%d points", points);
}

/* All events to come, with their log pages; one is there. */
static int subscribe(struct failing *failing)
{
	static unsigned char space[BUFFERS][BUFFER_BYTES];
	struct nvme_event_uring wish = { .flags = NVME_EVENT_URING_PAGE };
	struct __kernel_timespec limit = { .tv_sec = LIMIT_MS / 1000 };
	int fd = controller_open(&failing->nodes.controller, O_RDONLY), result, i;
	struct io_uring_buf_ring *buffers;
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	if (fd < 0 || io_uring_queue_init(4, &ring, 0))
		return -EPROTO;
	buffers = io_uring_setup_buf_ring(&ring, BUFFERS, GROUP, 0, &result);
	for (i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(buffers, space[i], BUFFER_BYTES, i,
				      io_uring_buf_ring_mask(BUFFERS), i);
	io_uring_buf_ring_advance(buffers, BUFFERS);
	lseek(fd, 0, SEEK_SET);
	subscribe_prepare(&ring, fd, GROUP, wish);
	failing_arm(failing, failing->nth);
	result = io_uring_submit(&ring);
	if (result == 1)
		result = io_uring_wait_cqe_timeout(&ring, &cqe, &limit);
	failing_disarm(failing);
	if (result == 0) {
		result = cqe->res;
		/* A whole record, or the errno. */
		result = result < 0 ? result : result < (int)sizeof(struct nvme_event) ? -EPROTO : 0;
		io_uring_cqe_seen(&ring, cqe);
	}
	io_uring_free_buf_ring(&ring, buffers, BUFFERS, GROUP);
	io_uring_queue_exit(&ring);
	close(fd);
	return result;
}

TEST_F_TIMEOUT(failures, of_a_multishot_command, 120)
{
	int points = failing_try_each(&self->failing, subscribe);

	EXPECT_LE(1, points);
	TH_LOG("%d points", points);
}

TEST_HARNESS_MAIN
