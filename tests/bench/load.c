// SPDX-License-Identifier: GPL-2.0-only
#include "load.h"

#include <errno.h>
#include <linux/nvme_buffer.h>
#include <linux/nvme_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "clock.h"
#include "mark.h"

enum { NVME_READ = 0x02 };

static unsigned long sleeps_so_far(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

/* Has the driver register the arena as buffer 0; ENOTTY if it is the in-tree one. */
static int register_mapped(struct load *load)
{
	struct nvme_register_buffer buffer = {
		.addr = (uintptr_t)load->arena->memory, .length = load->arena->bytes,
	};
	struct io_uring_sqe *sqe = io_uring_get_sqe(&load->ring);
	struct io_uring_cqe *cqe;
	int error;

	if (!sqe)
		return -EBUSY;
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = load->fd;
	sqe->cmd_op = NVME_URING_CMD_REGISTER_BUFFER;
	sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	memcpy(sqe->cmd, &buffer, sizeof(buffer));
	error = io_uring_submit_and_wait(&load->ring, 1);
	if (error < 0)
		return error;
	error = io_uring_wait_cqe(&load->ring, &cqe);
	if (error)
		return error;
	error = cqe->res;
	io_uring_cqe_seen(&load->ring, cqe);
	return error;
}

/* Buffer 0 of the ring, if the load has one. */
static int register_arena(struct load *load)
{
	struct iovec all = { .iov_base = load->arena->memory, .iov_len = load->arena->bytes };
	int error;

	load->begin = (uintptr_t)load->arena->memory;
	if (load->shape->buffers != REGISTERED && load->shape->buffers != MAPPED)
		return 0;
	error = io_uring_register_buffers_sparse(&load->ring, 1);
	if (!error && load->shape->buffers == MAPPED && load->fd >= 0) {
		error = register_mapped(load);
		if (error != -ENOTTY) {
			load->begin = 0;
			return error;
		}
	}
	error = io_uring_register_buffers_update_tag(&load->ring, 0, &all, NULL, 1);
	return error < 0 ? error : 0;
}

int load_create(struct load *load, const struct shape *shape, const struct arena *arena, int fd,
		enum form form)
{
	unsigned int flags = (form == LARGE ? IORING_SETUP_SQE128 | IORING_SETUP_CQE32 : 0) |
			     IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			     (shape->poll ? IORING_SETUP_IOPOLL : 0);
	int error;

	*load = (struct load){ .shape = shape, .arena = arena, .form = form, .fd = fd,
			      .random = 1 };
	if (fd >= 0) {
		int nsid = ioctl(fd, NVME_IOCTL_ID);

		if (nsid <= 0)
			return nsid ? -errno : -EINVAL;
		load->nsid = nsid;
	}
	load->blocks = calloc(shape->depth, sizeof(*load->blocks));
	load->commands = calloc(shape->depth, sizeof(*load->commands));
	if (!load->blocks || !load->commands)
		return -ENOMEM;
	error = io_uring_queue_init(shape->depth, &load->ring, flags);
	return error ? error : register_arena(load);
}

void load_destroy(struct load *load)
{
	io_uring_queue_exit(&load->ring);
	free(load->blocks);
	free(load->commands);
}

/* A block at which a command may begin: xorshift, so that both drivers get the same ones. */
static uint32_t random_block(struct load *load)
{
	uint32_t blocks = load->shape->bytes / BLOCK_BYTES;

	load->random ^= load->random << 13;
	load->random ^= load->random >> 17;
	load->random ^= load->random << 5;
	return load->random % (SPAN_BYTES / BLOCK_BYTES / blocks) * blocks;
}

static void prepare_large(struct load *load, struct io_uring_sqe *sqe, unsigned int piece)
{
	struct nvme_uring_cmd *command = (struct nvme_uring_cmd *)sqe->cmd;
	const struct shape *shape = load->shape;
	const struct arena *arena = load->arena;

	sqe->cmd_op = shape->buffers == VECTORED ? NVME_URING_CMD_IO_VEC : NVME_URING_CMD_IO;
	command->opcode = NVME_READ;
	command->nsid = load->nsid;
	command->cdw10 = load->blocks[piece];
	command->cdw12 = shape->bytes / BLOCK_BYTES - 1;
	if (shape->buffers == VECTORED) {
		command->addr = (uintptr_t)&arena->vectors[piece * arena->vectors_each];
		command->data_len = arena->vectors_each;
	} else {
		command->addr = load->begin + piece * arena->stride;
		command->data_len = shape->bytes;
	}
}

static void prepare_inline(struct load *load, struct io_uring_sqe *sqe, unsigned int piece)
{
	struct nvme_uring_inline *command = (struct nvme_uring_inline *)sqe->cmd;

	sqe->cmd_op = NVME_URING_CMD_IO_INLINE;
	sqe->addr = load->begin + piece * load->arena->stride;
	sqe->len = load->shape->bytes;
	sqe->file_index = load->nsid;
	command->opcode = NVME_READ;
	command->cdw10 = load->blocks[piece];
	command->cdw12 = load->shape->bytes / BLOCK_BYTES - 1;
}

static void prepare_indirect(struct load *load, struct io_uring_sqe *sqe, unsigned int piece)
{
	struct nvme_passthru_cmd64 *command = &load->commands[piece];

	sqe->cmd_op = NVME_URING_CMD_IO_INDIRECT;
	sqe->addr = (uintptr_t)command;
	sqe->len = sizeof(*command);
	command->opcode = NVME_READ;
	command->nsid = load->nsid;
	command->cdw10 = load->blocks[piece];
	command->cdw12 = load->shape->bytes / BLOCK_BYTES - 1;
	command->addr = load->begin + piece * load->arena->stride;
	command->data_len = load->shape->bytes;
}

/* Puts the next command into the submission queue, to fill piece number @piece. */
static void prepare(struct load *load, unsigned int piece)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&load->ring);
	const struct shape *shape = load->shape;

	if (load->fd < 0) {
		io_uring_prep_nop(sqe);
		sqe->user_data = piece;
		return;
	}
	memset(sqe, 0, sizeof(*sqe) << (load->form == LARGE));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = load->fd;
	sqe->user_data = piece;
	if (shape->buffers == REGISTERED || shape->buffers == MAPPED)
		sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	load->blocks[piece] = random_block(load);
	switch (load->form) {
	case LARGE:
		prepare_large(load, sqe, piece);
		break;
	case INLINE:
		prepare_inline(load, sqe, piece);
		break;
	case INDIRECT:
		prepare_indirect(load, sqe, piece);
		break;
	}
}

static int check_piece(const struct load *load, unsigned int piece)
{
	const void *memory = load->arena->memory + piece * load->arena->stride;

	if (load->fd < 0 || pattern_is(memory, load->shape->bytes, load->blocks[piece]))
		return 0;
	fprintf(stderr, "load: piece %u does not hold block %u\n", piece, load->blocks[piece]);
	return -EBADMSG;
}

/* Takes up to @most completions; gives the numbers of their pieces, and how many there were. */
static int reap(struct load *load, unsigned int most, unsigned int *pieces)
{
	struct io_uring_cqe *cqe;
	unsigned int head, seen = 0;
	int error = 0;

	io_uring_for_each_cqe(&load->ring, head, cqe) {
		if (seen == most)
			break;
		if (cqe->res && !error) {
			fprintf(stderr, "load: a command ended with %d\n", cqe->res);
			error = cqe->res < 0 ? cqe->res : -EIO;
		}
		pieces[seen++] = cqe->user_data;
	}
	io_uring_cq_advance(&load->ring, seen);
	return error ? error : (int)seen;
}

/*
 * Sends what is prepared and waits for @count completions: one system call. Only
 * a ring that polls may give up before.
 */
static int submit_and_reap(struct load *load, unsigned int count, unsigned int *pieces)
{
	unsigned int seen = 0;
	int result;

	while (seen < count) {
		result = io_uring_submit_and_wait(&load->ring, count - seen);
		if (result < 0 && result != -EINTR)
			return result;
		result = reap(load, count - seen, pieces + seen);
		if (result < 0)
			return result;
		seen += result;
	}
	return 0;
}

static int run(struct load *load, unsigned int commands, bool verify)
{
	unsigned int batch = load->shape->batch, depth = load->shape->depth;
	unsigned int pieces[depth];
	int error;

	for (unsigned int sent = depth; sent < commands; sent += batch) {
		error = submit_and_reap(load, batch, pieces);
		for (unsigned int i = 0; !error && i < batch; i++) {
			if (verify)
				error = check_piece(load, pieces[i]);
			prepare(load, pieces[i]);
		}
		if (error)
			return error;
	}
	for (unsigned int left = depth; left; left -= batch) {
		error = submit_and_reap(load, batch, pieces);
		if (error)
			return error;
	}
	return 0;
}

int load_run(struct load *load, unsigned int commands, bool verify, struct count *count)
{
	unsigned long sleeps = sleeps_so_far();
	uint64_t start;
	int error;

	arena_poison(load->arena);
	for (unsigned int piece = 0; piece < load->shape->depth; piece++)
		prepare(load, piece);
	start = thread_instructions();
	if (!verify)
		MARK(MARK_START);
	error = run(load, commands, verify);
	if (!verify)
		MARK(MARK_STOP);
	count->instructions = thread_instructions() - start;
	count->sleeps = sleeps_so_far() - sleeps;
	for (unsigned int piece = 0; !error && piece < load->shape->depth; piece++)
		error = check_piece(load, piece);
	return error;
}
