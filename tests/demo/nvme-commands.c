// SPDX-License-Identifier: GPL-2.0-only
/*
 * Passes commands to an NVMe namespace by io_uring: writes blocks, many at a
 * time, reads them back and compares. All there is to it: a ring with large
 * entries, a command in each, a status and a result out of each.
 *
 *	cc -o nvme-commands tests/demo/nvme-commands.c -luring
 *	./nvme-commands /dev/ng0n1
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <liburing.h>
#include <linux/nvme_ioctl.h>

#define BLOCK 512
#define BLOCKS_PER_COMMAND 8
#define COMMAND_BYTES (BLOCK * BLOCKS_PER_COMMAND)
#define DEPTH 32
#define COMMANDS 256

enum { NVM_WRITE = 0x01, NVM_READ = 0x02 };

static struct io_uring ring;
static unsigned char data[COMMANDS][COMMAND_BYTES] __attribute__((aligned(4096)));

static void queue(int fd, unsigned int nsid, unsigned char opcode, unsigned int number)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	unsigned long long lba = (unsigned long long)number * BLOCKS_PER_COMMAND;
	struct nvme_uring_cmd *cmd;

	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = NVME_URING_CMD_IO;
	sqe->user_data = number;
	cmd = (struct nvme_uring_cmd *)sqe->cmd;
	cmd->opcode = opcode;
	cmd->nsid = nsid;
	cmd->addr = (unsigned long)data[number];
	cmd->data_len = COMMAND_BYTES;
	cmd->cdw10 = lba;
	cmd->cdw11 = lba >> 32;
	cmd->cdw12 = BLOCKS_PER_COMMAND - 1;
}

/* Runs one command for each piece of data, DEPTH at a time. */
static int run(int fd, unsigned int nsid, unsigned char opcode)
{
	unsigned int sent = 0, done = 0;
	struct io_uring_cqe *cqe;

	while (done < COMMANDS) {
		while (sent < COMMANDS && sent - done < DEPTH)
			queue(fd, nsid, opcode, sent++);
		if (io_uring_submit_and_wait(&ring, 1) < 0 || io_uring_peek_cqe(&ring, &cqe))
			return -1;
		do {
			/* Negative: an errno. Positive: the status of the controller. */
			if (cqe->res) {
				fprintf(stderr, "command %llu: %d\n", cqe->user_data, cqe->res);
				return -1;
			}
			io_uring_cqe_seen(&ring, cqe);
			done++;
		} while (!io_uring_peek_cqe(&ring, &cqe));
	}
	return 0;
}

static unsigned char pattern(unsigned int number, unsigned int byte)
{
	return number * 7 + byte * 13 + (byte >> 8);
}

int main(int argc, char **argv)
{
	unsigned int number, byte;
	int fd, nsid;

	if (argc != 2) {
		fprintf(stderr, "usage: %s /dev/ngNnM\n", argv[0]);
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	nsid = fd < 0 ? -1 : ioctl(fd, NVME_IOCTL_ID);
	if (nsid <= 0) {
		perror(argv[1]);
		return 1;
	}
	if (io_uring_queue_init(DEPTH, &ring, IORING_SETUP_SQE128 | IORING_SETUP_CQE32)) {
		perror("io_uring");
		return 1;
	}
	for (number = 0; number < COMMANDS; number++)
		for (byte = 0; byte < COMMAND_BYTES; byte++)
			data[number][byte] = pattern(number, byte);
	if (run(fd, nsid, NVM_WRITE))
		return 1;
	memset(data, 0, sizeof(data));
	if (run(fd, nsid, NVM_READ))
		return 1;
	for (number = 0; number < COMMANDS; number++)
		for (byte = 0; byte < COMMAND_BYTES; byte++)
			if (data[number][byte] != pattern(number, byte)) {
				fprintf(stderr, "command %u, byte %u: not what was written\n", number, byte);
				return 1;
			}
	printf("%d writes and %d reads of %d bytes, %d at a time: what was written was read\n",
	       COMMANDS, COMMANDS, COMMAND_BYTES, DEPTH);
	return 0;
}
