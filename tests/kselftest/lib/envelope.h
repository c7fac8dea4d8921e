/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands in an envelope. */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include <linux/nvme_call.h>

#include "ring.h"

#define CALL_BYTES sizeof(struct nvme_call)

/* The part of the struct that the driver writes. */
#define ANSWER_AT offsetof(struct nvme_call, fw_size)

/*
 * An envelope in pages of its own. It ends where memory does, and has room for
 * so many bytes of payload.
 */
struct envelope {
	struct nvme_call *call;
	unsigned char *payload;
	void *pages;
	size_t pages_bytes;
};

struct envelope envelope_new(size_t payload_bytes);
void envelope_free(struct envelope *envelope);

/* NVME_IOCTL_CALL: 0 or a negative errno. */
int envelope_call(int fd, struct nvme_call *call);

/* Fills a struct in anew, and calls with it. */
#define ENVELOPE_CALL(fd, at, ...) ({						\
	*(at) = (struct nvme_call){ .size = CALL_BYTES, __VA_ARGS__ };		\
	envelope_call(fd, at);							\
})

/* envelope_call(), as a function for call_start(). */
struct envelope_send {
	int fd;
	struct nvme_call *call;
};
long envelope_send(void *argument);

/* NVME_IOCTL_CALL_ABORT: how many commands have the tag, or a negative errno. */
int envelope_abort(int fd, __u64 tag);

/* Adds NVME_URING_CMD_CALL to a ring, which calls it @tag. */
int envelope_push(struct ring *ring, int fd, struct nvme_call *call, unsigned int sqe_flags, __u64 tag);

/* There and back by the ring; its res. */
int envelope_run(struct ring *ring, int fd, struct nvme_call *call, unsigned int sqe_flags);

/* Fills a struct in for a read of the first block of a namespace, of 512 bytes. */
void envelope_read(struct nvme_call *call, unsigned int nsid, __u64 tag);

/*
 * Two new envelopes: a write of so many bytes from a block on, with the pattern
 * of @seed, and a read of the same. Each has room for @spare bytes more, and so
 * begins at another place in a page.
 */
void envelope_write_and_read(struct envelope *in, struct envelope *out, unsigned int lba,
			     unsigned int bytes, unsigned int seed, unsigned int spare);

/*
 * The same command with the same data as by NVME_IOCTL_ADMIN64_CMD or IO64_CMD;
 * what passthru() returns. The answer is left in @call.
 */
int envelope_pass(int fd, enum nvme_call_family family, struct nvme_passthru_cmd64 *command,
		  struct nvme_call *answer);

#endif /* ENVELOPE_H */
