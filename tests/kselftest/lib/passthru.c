// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "passthru.h"
#include "util.h"

#define NOBODY 65534
#define PAGE 4096
#define HUGE_PAGE (2ul << 20)
#define MDTS_AT 77

/* The number in the name of a node need not be that of the namespace. */
int namespace_open(const struct controller *controller, unsigned int nsid, char *path,
		   size_t size)
{
	char pattern[64];
	glob_t nodes;
	size_t i;
	int fd = -ENOENT;

	snprintf(pattern, sizeof(pattern), "/dev/ng%sn*", controller->node + strlen("nvme"));
	if (glob(pattern, 0, NULL, &nodes))
		return -ENOENT;
	for (i = 0; i < nodes.gl_pathc && fd < 0; i++) {
		fd = open(nodes.gl_pathv[i], O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, NVME_IOCTL_ID) != (int)nsid) {
			close(fd);
			fd = -ENOENT;
		}
		snprintf(path, size, "%s", nodes.gl_pathv[i]);
	}
	globfree(&nodes);
	return fd;
}

int passthru_open(struct passthru *nodes, unsigned int nsid)
{
	int error;

	memset(nodes, 0, sizeof(*nodes));
	nodes->ctrl = nodes->ns = -1;
	nodes->nsid = nsid;
	error = controller_find(&nodes->controller, 0);
	if (error)
		return error;
	if (!nodes->controller.path[0]) {
		complain("%s is not bound to a driver", nodes->controller.address);
		return -ENODEV;
	}
	/* Namespaces are looked for after the controller has got its node. */
	if (!wait_until((nodes->ns = namespace_open(&nodes->controller, nsid, nodes->path,
						    sizeof(nodes->path))) >= 0)) {
		complain("%s has no node for namespace %u", nodes->controller.node, nsid);
		return -ENOENT;
	}
	nodes->ctrl = controller_open(&nodes->controller, O_RDONLY);
	return nodes->ctrl < 0 ? nodes->ctrl : 0;
}

void passthru_close(struct passthru *nodes)
{
	close(nodes->ctrl);
	close(nodes->ns);
}

int passthru_ioctl(int fd, unsigned long request, const void *argument)
{
	int result = ioctl(fd, request, argument);

	return result < 0 ? -errno : result;
}

static int passthru32(int fd, unsigned long request, struct nvme_passthru_cmd64 *command)
{
	struct nvme_passthru_cmd narrow;
	int result;

	/* The same up to the result. */
	memcpy(&narrow, command, offsetof(struct nvme_passthru_cmd, result));
	narrow.result = command->result;
	result = passthru_ioctl(fd, request, &narrow);
	command->result = narrow.result;
	return result;
}

int passthru(int fd, unsigned long request, struct nvme_passthru_cmd64 *command)
{
	if (request == NVME_IOCTL_ADMIN_CMD || request == NVME_IOCTL_IO_CMD)
		return passthru32(fd, request, command);
	return passthru_ioctl(fd, request, command);
}

void *pages_new(size_t bytes, int byte)
{
	void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED) {
		complain("no memory");
		abort();
	}
	madvise(pages, bytes, MADV_NOHUGEPAGE);
	memset(pages, byte, bytes);
	return pages;
}

void pages_free(void *pages, size_t bytes)
{
	munmap(pages, bytes);
}

unsigned char *area_new(size_t bytes, bool huge)
{
	unsigned char *area = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED) {
		complain("no memory");
		abort();
	}
	area += -(uintptr_t)area % HUGE_PAGE;
	madvise(area, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(area, 0, bytes);
	return area;
}

int transfer_limit(const struct passthru *nodes)
{
	unsigned char data[IDENTIFY_BYTES];
	struct nvme_passthru_cmd64 identify = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(data, sizeof(data)),
	};
	int status = passthru(nodes->ctrl, NVME_IOCTL_ADMIN64_CMD, &identify);

	if (status)
		return status < 0 ? status : -EIO;
	return PAGE << data[MDTS_AT];
}

/* Differs from byte to byte, page to page, seed to seed. */
static unsigned char pattern_at(size_t position, unsigned int seed)
{
	return position ^ position >> 8 ^ position >> 16 ^ seed * 37;
}

void pattern_fill(void *memory, size_t bytes, unsigned int seed)
{
	unsigned char *byte = memory;
	size_t i;

	for (i = 0; i < bytes; i++)
		byte[i] = pattern_at(i, seed);
}

bool pattern_is(const void *memory, size_t bytes, unsigned int seed)
{
	const unsigned char *byte = memory;
	size_t i;

	for (i = 0; i < bytes; i++) {
		if (byte[i] != pattern_at(i, seed)) {
			complain("byte %zu of %zu is %#x, not %#x", i, bytes, byte[i],
				 pattern_at(i, seed));
			return false;
		}
	}
	return true;
}

bool memory_is(const void *memory, size_t bytes, unsigned char byte)
{
	const unsigned char *at = memory;
	size_t i;

	for (i = 0; i < bytes; i++) {
		if (at[i] != byte) {
			complain("byte %zu of %zu is %#x, not %#x", i, bytes, at[i], byte);
			return false;
		}
	}
	return true;
}

static int blocks_move(const struct passthru *nodes, unsigned char opcode, unsigned int first,
		       unsigned int blocks, const void *buffer, size_t bytes)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = opcode, .nsid = nodes->nsid, BLOCKS(first, blocks), DATA(buffer, bytes),
	};

	return passthru(nodes->ns, NVME_IOCTL_IO64_CMD, &command);
}

int blocks_read(const struct passthru *nodes, unsigned int first, unsigned int blocks,
		void *buffer, size_t bytes)
{
	return blocks_move(nodes, IO_READ, first, blocks, buffer, bytes);
}

int blocks_write(const struct passthru *nodes, unsigned int first, unsigned int blocks,
		 const void *buffer, size_t bytes)
{
	return blocks_move(nodes, IO_WRITE, first, blocks, buffer, bytes);
}

int node_permit(const char *path, unsigned int mode)
{
	return chmod(path, mode) ? -errno : 0;
}

/* The effective user, whose capabilities go with it, so that there is a way back. */
int become_nobody(void)
{
	if (setgroups(0, NULL) || setegid(NOBODY) || seteuid(NOBODY))
		return -errno;
	return 0;
}

int become_root(void)
{
	return seteuid(0) || setegid(0) ? -errno : 0;
}

int node_open_as_nobody(const char *path, unsigned int mode, int flags)
{
	int error = node_permit(path, mode);
	int fd;

	error = error ?: become_nobody();
	if (error)
		return error;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
