/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands to a controller by io_uring, on rings of all kinds. By system calls:
 * liburing of Debian 13 knows no rings with entries of two sizes.
 */
#ifndef RING_H
#define RING_H

#include <linux/io_uring.h>
#include <linux/nvme_ioctl.h>
#include <sys/uio.h>

#include "passthru.h"

/* What the system's header may be too old for. */
#define RING_HYBRID_IOPOLL	(1U << 17)	/* IORING_SETUP_HYBRID_IOPOLL */
#define RING_CQE_MIXED		(1U << 18)	/* IORING_SETUP_CQE_MIXED */
#define RING_SQE_MIXED		(1U << 19)	/* IORING_SETUP_SQE_MIXED */
#define RING_URING_CMD128	64		/* IORING_OP_URING_CMD128 */
#define RING_CQE_IS_SKIPPED	(1U << 5)	/* IORING_CQE_F_SKIP */
#define RING_CQE_IS_32		(1U << 15)	/* IORING_CQE_F_32 */

/* The usual ring for commands. */
#define RING_WIDE (IORING_SETUP_SQE128 | IORING_SETUP_CQE32)

struct ring {
	int fd;
	unsigned int flags;
	void *rings;
	size_t rings_bytes;
	void *entries;
	size_t entries_bytes;
	unsigned int *sq_head, *sq_tail, *sq_flags, *sq_array, sq_mask;
	unsigned int *cq_head, *cq_tail, cq_mask;
	unsigned char *cqes;
	unsigned int to_submit;
};

/* An entry of the submission queue. */
struct ring_command {
	int fd;
	unsigned int operation;		/* NVME_URING_CMD_* */
	unsigned int sqe_flags;		/* IOSQE_* */
	unsigned int uring_flags;	/* IORING_URING_CMD_FIXED */
	unsigned int buffer;		/* its number, then */
	unsigned int personality;	/* whose rights count; 0: the caller's */
	__u64 tag;
	struct nvme_uring_cmd command;
};

/* One of the completion queue. */
struct ring_answer {
	__u64 tag;
	__u64 result;	/* if it is a large one */
	int res;
	unsigned int flags;
};

/* Makes a ring; @flags are IORING_SETUP_*. */
int ring_open(struct ring *ring, unsigned int entries, unsigned int flags);
void ring_close(struct ring *ring);

/* Registers the only buffer, number 0. */
int ring_register(struct ring *ring, void *memory, size_t bytes);

/* Adds an entry; EBUSY if there is no room. */
int ring_push(struct ring *ring, const struct ring_command *command);

/* As above, an entry of 64 bytes whatever that cuts off. */
int ring_push_narrow(struct ring *ring, const struct ring_command *command);

/*
 * The next entry, zero, which ring_advance() adds; NULL if there is no room. As
 * large as those of the ring, or 64 bytes.
 */
struct io_uring_sqe *ring_next(struct ring *ring);
void ring_advance(struct ring *ring, unsigned int entries);

/* Submits, and takes the completion; its res. */
int ring_finish(struct ring *ring, struct ring_answer *answer);

/* Tells the kernel of all entries; how many it took. */
int ring_submit(struct ring *ring);

/* Takes the next completion; ETIME if none comes within @ms. */
int ring_reap(struct ring *ring, struct ring_answer *answer, int ms);

/* Takes the next completion if there is one already. */
bool ring_peek(struct ring *ring, struct ring_answer *answer);

/* One command there and back; its res. */
int ring_run(struct ring *ring, const struct ring_command *command, struct ring_answer *answer);

/* How many workers io_uring has made for this process. */
int ring_workers(void);

/* Where the data of a command is. */
enum ring_data {
	DATA_PLAIN,
	DATA_REGISTERED,
	DATA_PIECES,
	DATA_REGISTERED_PIECES,
	DATA_KINDS,
};

#define RING_PIECES 8

/*
 * Has @command, whose operation is NVME_URING_CMD_IO or _ADMIN, transfer @bytes
 * in that way. @pieces has to stay until it is issued.
 */
void ring_describe(struct ring_command *command, enum ring_data kind, void *memory,
		   unsigned int bytes, struct iovec pieces[RING_PIECES]);

#endif /* RING_H */
