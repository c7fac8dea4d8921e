/* SPDX-License-Identifier: GPL-2.0-only */
/* One load: what is sent, how, and from which memory. */
#ifndef LOAD_H
#define LOAD_H

#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <stdbool.h>
#include <stdint.h>

/* The part of a namespace that is written before and read by the loads. */
#define SPAN_BYTES (4U << 20)
#define BLOCK_BYTES 512U

/* MAPPED: by NVME_URING_CMD_REGISTER_BUFFER, with the in-tree driver as REGISTERED. */
enum buffers { PLAIN, REGISTERED, MAPPED, VECTORED };
enum memory { SMALL_PAGES, HUGE_PAGE };
/* Where a command is: in a large entry, in a plain one, in memory. */
enum form { LARGE, INLINE, INDIRECT };

struct shape {
	unsigned int bytes;	/* of a command */
	unsigned int depth;	/* commands in flight */
	unsigned int batch;	/* commands sent, and waited for, by one system call */
	unsigned int commands;	/* of a run */
	enum buffers buffers;
	enum memory memory;
	enum form form;
	bool poll;
};

/* Memory for the data of all commands in flight, one piece each. */
struct arena {
	unsigned char *memory;
	size_t bytes;
	size_t stride;		/* from one command's piece to the next */
	struct iovec *vectors;	/* one for each page of a piece */
	unsigned int vectors_each;
};

int arena_create(struct arena *arena, const struct shape *shape);
void arena_poison(const struct arena *arena);

/* What blocks from @block on hold: no two blocks are alike. */
void pattern_fill(void *memory, size_t bytes, uint32_t block);
bool pattern_is(const void *memory, size_t bytes, uint32_t block);

/* A ring with the commands of one load in flight. */
struct load {
	const struct shape *shape;
	const struct arena *arena;
	enum form form;
	int fd;			/* of a namespace; -1: no-operations */
	uint32_t nsid;
	uintptr_t begin;	/* the address of the arena in commands */
	uint32_t random;	/* state of the generator */
	uint32_t *blocks;	/* which block each piece was read from last */
	struct nvme_passthru_cmd64 *commands;	/* for each piece, of those in memory */
	struct io_uring ring;
};

/* @form is that of the shape, or another one to compare it with. */
int load_create(struct load *load, const struct shape *shape, const struct arena *arena, int fd,
		enum form form);
void load_destroy(struct load *load);

/* What a run cost. */
struct count {
	uint64_t instructions;	/* executed by this thread, interrupts that hit it included */
	unsigned long sleeps;	/* times it waited for the controller */
};

/* Runs the load. With @verify every piece is verified, without it what the pieces hold at the end. */
int load_run(struct load *load, unsigned int commands, bool verify, struct count *count);

#endif /* LOAD_H */
