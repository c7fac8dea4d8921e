// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/nvme_buffer.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mapped.h"

int mapped_table(struct ring *ring, unsigned int slots)
{
	struct io_uring_rsrc_register table = {
		.nr = slots, .flags = IORING_RSRC_REGISTER_SPARSE,
	};

	return syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS2, &table,
		       sizeof(table)) ? -errno : 0;
}

struct ring_command mapped_registration(int fd, unsigned int slot, const void *memory,
					unsigned long bytes)
{
	struct nvme_register_buffer buffer = { .addr = (uintptr_t)memory, .length = bytes };
	struct ring_command command = {
		.fd = fd,
		.operation = NVME_URING_CMD_REGISTER_BUFFER,
		.uring_flags = IORING_URING_CMD_FIXED,
		.buffer = slot,
	};

	memcpy(&command.command, &buffer, sizeof(buffer));
	return command;
}

int mapped_replace(struct ring *ring, unsigned int slot, void *memory, unsigned long bytes)
{
	struct iovec buffer = { memory, bytes };
	struct io_uring_rsrc_update2 update = {
		.offset = slot, .data = (uintptr_t)&buffer, .nr = 1,
	};

	return syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS_UPDATE, &update,
		       sizeof(update)) == 1 ? 0 : -errno;
}
