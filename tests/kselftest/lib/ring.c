// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "ring.h"
#include "util.h"

#define SMALL 64
#define IDLE_MS 50

#define load(pointer) __atomic_load_n(pointer, __ATOMIC_ACQUIRE)
#define store(pointer, value) __atomic_store_n(pointer, value, __ATOMIC_RELEASE)

static bool has(const struct ring *ring, unsigned int flag)
{
	return ring->flags & flag;
}

int ring_open(struct ring *ring, unsigned int entries, unsigned int flags)
{
	struct io_uring_params parameters = {
		.flags = flags | IORING_SETUP_CLAMP,
		.sq_thread_idle = IDLE_MS,
	};
	size_t cqe_bytes = flags & IORING_SETUP_CQE32 ? 32 : 16;
	unsigned char *rings;

	memset(ring, 0, sizeof(*ring));
	ring->flags = flags;
	ring->fd = syscall(SYS_io_uring_setup, entries, &parameters);
	if (ring->fd < 0)
		return -errno;
	ring->rings_bytes = parameters.cq_off.cqes + parameters.cq_entries * cqe_bytes;
	if (ring->rings_bytes < parameters.sq_off.array + parameters.sq_entries * 4)
		ring->rings_bytes = parameters.sq_off.array + parameters.sq_entries * 4;
	ring->entries_bytes = parameters.sq_entries * SMALL << has(ring, IORING_SETUP_SQE128);
	ring->rings = mmap(NULL, ring->rings_bytes, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
	ring->entries = mmap(NULL, ring->entries_bytes, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	if (ring->rings == MAP_FAILED || ring->entries == MAP_FAILED)
		return -errno;
	rings = ring->rings;
	ring->sq_head = (void *)(rings + parameters.sq_off.head);
	ring->sq_tail = (void *)(rings + parameters.sq_off.tail);
	ring->sq_flags = (void *)(rings + parameters.sq_off.flags);
	ring->sq_array = (void *)(rings + parameters.sq_off.array);
	ring->sq_mask = parameters.sq_entries - 1;
	ring->cq_head = (void *)(rings + parameters.cq_off.head);
	ring->cq_tail = (void *)(rings + parameters.cq_off.tail);
	ring->cq_mask = parameters.cq_entries - 1;
	ring->cqes = rings + parameters.cq_off.cqes;
	return 0;
}

void ring_close(struct ring *ring)
{
	munmap(ring->rings, ring->rings_bytes);
	munmap(ring->entries, ring->entries_bytes);
	close(ring->fd);
}

int ring_register(struct ring *ring, void *memory, size_t bytes)
{
	struct iovec buffer = { memory, bytes };

	return syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, &buffer, 1) ?
	       -errno : 0;
}

struct io_uring_sqe *ring_next(struct ring *ring)
{
	unsigned int tail = *ring->sq_tail, index = tail & ring->sq_mask;
	struct io_uring_sqe *sqe;

	if (tail - load(ring->sq_head) > ring->sq_mask)
		return NULL;
	sqe = (void *)((char *)ring->entries +
		       ((size_t)index * SMALL << has(ring, IORING_SETUP_SQE128)));
	memset(sqe, 0, has(ring, IORING_SETUP_SQE128) ? 2 * SMALL : SMALL);
	ring->sq_array[index] = index;
	return sqe;
}

void ring_advance(struct ring *ring, unsigned int entries)
{
	store(ring->sq_tail, *ring->sq_tail + entries);
	ring->to_submit += entries;
}

static void fill(struct io_uring_sqe *sqe, const struct ring_command *command,
		 unsigned char opcode, size_t bytes)
{
	sqe->opcode = opcode;
	sqe->flags = command->sqe_flags;
	sqe->fd = command->fd;
	sqe->cmd_op = command->operation;
	sqe->uring_cmd_flags = command->uring_flags;
	sqe->buf_index = command->buffer;
	sqe->personality = command->personality;
	sqe->user_data = command->tag;
	memcpy(sqe->cmd, &command->command, bytes);
}

int ring_push_narrow(struct ring *ring, const struct ring_command *command)
{
	struct io_uring_sqe *sqe = ring_next(ring);

	if (!sqe)
		return -EBUSY;
	fill(sqe, command, IORING_OP_URING_CMD, SMALL - offsetof(struct io_uring_sqe, cmd));
	ring_advance(ring, 1);
	return 0;
}

/* Two entries in succession; the last one and the first are not. */
static int push_wide(struct ring *ring, const struct ring_command *command)
{
	unsigned int free = ring->sq_mask + 1 - (*ring->sq_tail - load(ring->sq_head));
	bool at_end = (*ring->sq_tail & ring->sq_mask) == ring->sq_mask;
	struct io_uring_sqe *sqe;

	if (free < (at_end ? 3 : 2))
		return -EBUSY;
	if (at_end) {
		sqe = ring_next(ring);
		sqe->opcode = IORING_OP_NOP;
		sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
		ring_advance(ring, 1);
	}
	sqe = ring_next(ring);
	ring->sq_array[(*ring->sq_tail + 1) & ring->sq_mask] =
		(*ring->sq_tail + 1) & ring->sq_mask;
	memset(sqe + 1, 0, SMALL);
	fill(sqe, command, RING_URING_CMD128, sizeof(command->command));
	ring_advance(ring, 2);
	return 0;
}

int ring_push(struct ring *ring, const struct ring_command *command)
{
	struct io_uring_sqe *sqe;

	if (has(ring, RING_SQE_MIXED))
		return push_wide(ring, command);
	if (!has(ring, IORING_SETUP_SQE128))
		return ring_push_narrow(ring, command);
	sqe = ring_next(ring);
	if (!sqe)
		return -EBUSY;
	fill(sqe, command, IORING_OP_URING_CMD, sizeof(command->command));
	ring_advance(ring, 1);
	return 0;
}

static int enter(struct ring *ring, unsigned int to_submit, unsigned int wanted,
		 unsigned int flags, int ms)
{
	struct __kernel_timespec limit = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000LL,
	};
	struct io_uring_getevents_arg argument = { .ts = (uintptr_t)&limit };
	int result = syscall(SYS_io_uring_enter, ring->fd, to_submit, wanted,
			     flags | IORING_ENTER_EXT_ARG, &argument, sizeof(argument));

	return result < 0 ? -errno : result;
}

int ring_submit(struct ring *ring)
{
	unsigned int to_submit = ring->to_submit;

	ring->to_submit = 0;
	if (!has(ring, IORING_SETUP_SQPOLL))
		return enter(ring, to_submit, 0, 0, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (load(ring->sq_flags) & IORING_SQ_NEED_WAKEUP)
		enter(ring, 0, 0, IORING_ENTER_SQ_WAKEUP, 0);
	return to_submit;
}

/* Takes a completion if there is one. */
static bool take(struct ring *ring, struct ring_answer *answer)
{
	unsigned int head = *ring->cq_head, size = has(ring, IORING_SETUP_CQE32) ? 32 : 16;
	const struct io_uring_cqe *cqe;
	bool wide;

	if (head == load(ring->cq_tail))
		return false;
	cqe = (const void *)(ring->cqes + (size_t)(head & ring->cq_mask) * size);
	wide = size == 32 || cqe->flags & RING_CQE_IS_32;
	answer->tag = cqe->user_data;
	answer->res = cqe->res;
	answer->flags = cqe->flags;
	answer->result = wide ? cqe->big_cqe[0] : 0;
	store(ring->cq_head, head + (wide && size == 16 ? 2 : 1));
	return true;
}

bool ring_peek(struct ring *ring, struct ring_answer *answer)
{
	while (take(ring, answer)) {
		if (!(answer->flags & RING_CQE_IS_SKIPPED))
			return true;
	}
	return false;
}

int ring_reap(struct ring *ring, struct ring_answer *answer, int ms)
{
	/* Nobody else polls, and no time limit is looked at while this does. */
	bool polls = has(ring, IORING_SETUP_IOPOLL) && !has(ring, IORING_SETUP_SQPOLL);
	long long deadline = now_ms() + ms;
	int error;

	for (;;) {
		long long left = deadline - now_ms();

		if (ring_peek(ring, answer))
			return 0;
		if (left < 0)
			return -ETIME;
		error = enter(ring, 0, !polls, IORING_ENTER_GETEVENTS, left);
		if (error < 0 && error != -ETIME && error != -EINTR)
			return error;
	}
}

int ring_finish(struct ring *ring, struct ring_answer *answer)
{
	struct ring_answer unasked;
	int result = ring_submit(ring);

	if (result < 1)
		return result ?: -EIO;
	answer = answer ?: &unasked;
	result = ring_reap(ring, answer, LIMIT_MS);
	return result ?: answer->res;
}

int ring_run(struct ring *ring, const struct ring_command *command, struct ring_answer *answer)
{
	return ring_push(ring, command) ?: ring_finish(ring, answer);
}

void ring_describe(struct ring_command *command, enum ring_data kind, void *memory,
		   unsigned int bytes, struct iovec pieces[RING_PIECES])
{
	const size_t page = sysconf(_SC_PAGESIZE);
	size_t at = 0, count;

	if (kind == DATA_REGISTERED || kind == DATA_REGISTERED_PIECES)
		command->uring_flags |= IORING_URING_CMD_FIXED;
	command->command.addr = (uintptr_t)memory;
	command->command.data_len = bytes;
	if (kind == DATA_PLAIN || kind == DATA_REGISTERED)
		return;
	/* Cut where pages begin, as far as there are any. */
	for (count = 0; count < RING_PIECES && at < bytes; count++) {
		size_t length = count == RING_PIECES - 1 ? bytes - at :
				page * (count + 1) - (uintptr_t)(memory + at) % page;

		if (length > bytes - at)
			length = bytes - at;
		pieces[count] = (struct iovec){ memory + at, length };
		at += length;
	}
	/* The operation with pieces comes after the one without. */
	command->operation += NVME_URING_CMD_IO_VEC - NVME_URING_CMD_IO;
	command->command.addr = (uintptr_t)pieces;
	command->command.data_len = count;
}

int ring_workers(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	int count = 0;

	while (tasks && (entry = readdir(tasks))) {
		char path[300], name[32] = "";

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		if (entry->d_name[0] != '.' && !read_file(path, name, sizeof(name)))
			count += !strncmp(name, "iou-wrk", 7);
	}
	if (tasks)
		closedir(tasks);
	return count;
}
