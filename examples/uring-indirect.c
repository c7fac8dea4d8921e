// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands in memory, from an ordinary ring: asks a controller for a feature,
 * whose value comes back in the command, and reads twice, the second time only
 * if the first one succeeds, which it does not.
 *
 *   uring-indirect /dev/ng0n1
 */
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <linux/nvme_uring.h>
#include <sys/ioctl.h>

#include "ring.h"

enum { GET_FEATURES = 0x0a, READ = 0x02, TEMPERATURE_THRESHOLD = 4 };

/* The command has to stay where it is until it has ended. */
static struct io_uring_sqe *push(struct ring *ring, int fd, unsigned int operation,
				 const struct nvme_passthru_cmd64 *command, unsigned int flags)
{
	struct nvme_uring_indirect pointer = { .flags = flags };
	struct io_uring_sqe *sqe = ring_next(ring);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = operation;
	sqe->addr = (unsigned long)command;
	sqe->len = sizeof(*command);
	memcpy(sqe->cmd, &pointer, sizeof(pointer));
	return sqe;
}

int main(int argc, char **argv)
{
	struct nvme_passthru_cmd64 feature = { .opcode = GET_FEATURES, .cdw10 = TEMPERATURE_THRESHOLD };
	static unsigned char block[4096];
	struct nvme_passthru_cmd64 reads[2];
	struct io_uring_sqe *sqe;
	struct ring ring;
	int fd, nsid, result;

	if (argc != 2) {
		fprintf(stderr, "usage: uring-indirect /dev/ngXnY\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	nsid = fd < 0 ? -1 : ioctl(fd, NVME_IOCTL_ID);
	if (nsid < 0)
		die(argv[1]);
	ring_open(&ring, 4);

	push(&ring, fd, NVME_URING_CMD_ADMIN_INDIRECT, &feature, 0);
	ring_submit_and_wait(&ring);
	result = ring_take(&ring).res;
	printf("get features: %d, threshold %llu K\n", result, (unsigned long long)feature.result);
	if (result)
		return 1;

	for (int i = 0; i < 2; i++)
		reads[i] = (struct nvme_passthru_cmd64){
			.opcode = READ, .nsid = nsid, .addr = (unsigned long)block,
			.data_len = sizeof(block),
		};
	reads[0].cdw11 = 0xffff;	/* far behind the end */
	sqe = push(&ring, fd, NVME_URING_CMD_IO_INDIRECT, &reads[0], NVME_URING_LINK_ERR);
	sqe->flags = IOSQE_IO_LINK;
	push(&ring, fd, NVME_URING_CMD_IO_INDIRECT, &reads[1], NVME_URING_LINK_ERR);
	ring_submit_and_wait(&ring);
	result = ring_take(&ring).res;
	printf("read beyond the end: %s, status %#x\n", strerror(-result), reads[0].rsvd2);
	result = ring_take(&ring).res;
	printf("linked read: %s\n", strerror(-result));
	return 0;
}
