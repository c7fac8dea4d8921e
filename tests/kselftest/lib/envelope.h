/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands in an envelope. */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include <linux/nvme_call.h>

#include "passthru.h"

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

/*
 * The same command with the same data as by NVME_IOCTL_ADMIN64_CMD or IO64_CMD;
 * what passthru() returns. The answer is left in @call.
 */
int envelope_pass(int fd, enum nvme_call_family family, struct nvme_passthru_cmd64 *command,
		  struct nvme_call *answer);

#endif /* ENVELOPE_H */
