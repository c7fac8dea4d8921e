// SPDX-License-Identifier: GPL-2.0-only
/*
 * Small commands in the entries of an ordinary ring: identifies a namespace and
 * reads its first block.
 *
 *   uring-inline /dev/ng0n1
 */
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <linux/nvme_uring.h>
#include <sys/ioctl.h>

#include "ring.h"

enum { IDENTIFY = 0x06, READ = 0x02, IDENTIFY_BYTES = 4096 };

/* Sends one command, and waits for it. */
static int run(struct ring *ring, int fd, unsigned int operation, unsigned int nsid,
	       struct nvme_uring_inline command, void *data, unsigned int bytes)
{
	struct io_uring_sqe *sqe = ring_next(ring);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = operation;
	sqe->addr = (unsigned long)data;
	sqe->len = bytes;
	sqe->file_index = nsid;
	memcpy(sqe->cmd, &command, sizeof(command));
	ring_submit_and_wait(ring);
	return ring_take(ring).res;
}

int main(int argc, char **argv)
{
	static unsigned char identity[IDENTIFY_BYTES], block[4096];
	unsigned long long blocks;
	unsigned int block_bytes;
	struct ring ring;
	int fd, nsid, result;

	if (argc != 2) {
		fprintf(stderr, "usage: uring-inline /dev/ngXnY\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	nsid = fd < 0 ? -1 : ioctl(fd, NVME_IOCTL_ID);
	if (nsid < 0)
		die(argv[1]);
	ring_open(&ring, 4);

	result = run(&ring, fd, NVME_URING_CMD_ADMIN_INLINE, nsid,
		     (struct nvme_uring_inline){ .opcode = IDENTIFY, .timeout_s = 5 },
		     identity, sizeof(identity));
	printf("identify: %d\n", result);
	if (result)
		return 1;
	memcpy(&blocks, identity, sizeof(blocks));
	/* LBADS of the format that FLBAS names. */
	block_bytes = 1U << identity[128 + 4 * (identity[26] & 0xf) + 2];
	printf("namespace %d: %llu blocks of %u bytes\n", nsid, blocks, block_bytes);

	if (block_bytes > sizeof(block))
		return 1;
	result = run(&ring, fd, NVME_URING_CMD_IO_INLINE, nsid,
		     (struct nvme_uring_inline){ .opcode = READ }, block, block_bytes);
	printf("read: %d\nblock 0:", result);
	for (int i = 0; i < 16; i++)
		printf(" %02x", block[i]);
	printf("\n");
	return result != 0;
}
