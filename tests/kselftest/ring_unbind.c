// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a ring still has of a controller that is let go at that moment: a buffer
 * that stays mapped, the end of a batch. It is the debug kernel that sees whether
 * something of it is left when the driver has gone.
 */
#include "kselftest_harness.h"

#include <pthread.h>
#include <sys/mman.h>

#include "lib/mapped.h"
#include "lib/util.h"

#define PAGE 4096
#define BLOCK 512
#define ROUNDS 6

/* So much that unmapping it takes as long as letting go of the controller. */
#define BUFFER_BYTES (16ul << 20)

/* So many reads of zeros take longer than that. */
#define READS 255
#define READ_BYTES (1u << 20)

FIXTURE(unbind)
{
	struct passthru nodes;
};

FIXTURE_SETUP(unbind)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
}

FIXTURE_TEARDOWN(unbind)
{
	passthru_close(&self->nodes);
}

/* Lets go of the controller and takes it back. */
static void unbind_and_bind(struct __test_metadata *_metadata, FIXTURE_DATA(unbind) *self)
{
	struct controller *controller = &self->nodes.controller;

	ASSERT_EQ(0, controller_unbind(controller));
	passthru_close(&self->nodes);
	ASSERT_EQ(0, controller_bind(controller));
	ASSERT_TRUE(wait_until(passthru_open(&self->nodes, 1) == 0));
}

/* Memory whose pages are not beside each other, so that each is mapped on its own. */
static unsigned char *scattered_new(size_t bytes)
{
	unsigned char *pages = mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t at;

	if (pages == MAP_FAILED)
		return NULL;
	madvise(pages, 2 * bytes, MADV_NOHUGEPAGE);
	for (at = 0; at < bytes; at += PAGE) {
		pages[at] = 1;
		pages[bytes + at] = 1;
	}
	return pages;
}

struct returning {
	struct ring ring;
	unsigned int delay_ms;
	int error;
};

/* Takes the buffer from the ring. */
static void *return_buffer(void *argument)
{
	struct returning *returning = argument;

	usleep(returning->delay_ms * 1000);
	returning->error = mapped_replace(&returning->ring, 0, NULL, 0);
	return NULL;
}

/* From just before the controller is let go until it is almost gone. */
TEST_F_TIMEOUT(unbind, while_a_buffer_is_returned, 120)
{
	unsigned char *memory = scattered_new(BUFFER_BYTES);
	struct ring_command command;
	struct returning returning = { .error = 0 };
	pthread_t thread;
	unsigned int i;

	ASSERT_NE(NULL, memory);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, ring_open(&returning.ring, 4, RING_WIDE));
		ASSERT_EQ(0, mapped_table(&returning.ring, 1));
		command = mapped_registration(self->nodes.ns, 0, memory, BUFFER_BYTES);
		ASSERT_EQ(0, ring_run(&returning.ring, &command, NULL));
		returning.delay_ms = i * 5 * patience();
		ASSERT_EQ(0, pthread_create(&thread, NULL, return_buffer, &returning));
		unbind_and_bind(_metadata, self);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(0, returning.error);
		ring_close(&returning.ring);
		EXPECT_TRUE(wait_until(locked_kb() == 0));
	}
	munmap(memory, 2 * BUFFER_BYTES);
}

struct batch {
	int ns;
	unsigned char *block;
	unsigned char *zeros;
	int error;
};

/* A command, and what takes long but does not sleep. */
static void *submit_batch(void *argument)
{
	struct batch *batch = argument;
	struct ring_command command = {
		.fd = batch->ns,
		.operation = NVME_URING_CMD_IO,
		.command = {
			.opcode = IO_READ, .nsid = 1, BLOCKS(0, 1), DATA(batch->block, BLOCK),
		},
	};
	struct io_uring_sqe *sqe;
	struct ring_answer answer;
	unsigned int i;
	struct ring ring;
	int zero = open("/dev/zero", O_RDONLY);

	/* Its task is told of completions when it waits for them. */
	batch->error = ring_open(&ring, READS + 1, RING_WIDE | IORING_SETUP_SINGLE_ISSUER |
				 IORING_SETUP_DEFER_TASKRUN);
	if (batch->error)
		return NULL;
	batch->error = ring_push(&ring, &command);
	for (i = 0; i < READS; i++) {
		sqe = ring_next(&ring);
		sqe->opcode = IORING_OP_READ;
		sqe->fd = zero;
		sqe->addr = (uintptr_t)batch->zeros;
		sqe->len = READ_BYTES;
		ring_advance(&ring, 1);
	}
	if (ring_submit(&ring) != READS + 1)
		batch->error = -EPROTO;
	for (i = 0; i < READS + 1 && !batch->error; i++)
		batch->error = ring_reap(&ring, &answer, LIMIT_MS);
	ring_close(&ring);
	close(zero);
	return NULL;
}

TEST_F_TIMEOUT(unbind, before_the_end_of_a_batch, 60)
{
	struct batch batch = {
		.block = pages_new(PAGE, 0), .zeros = pages_new(READ_BYTES, 0xee),
	};
	pthread_t thread;

	batch.ns = self->nodes.ns;
	ASSERT_EQ(0, pthread_create(&thread, NULL, submit_batch, &batch));
	/* The command was sent. */
	ASSERT_TRUE(wait_until(__atomic_load_n(batch.zeros, __ATOMIC_RELAXED) == 0));
	unbind_and_bind(_metadata, self);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, batch.error);
	pages_free(batch.zeros, READ_BYTES);
	pages_free(batch.block, PAGE);
}

TEST_HARNESS_MAIN
