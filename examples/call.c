// SPDX-License-Identifier: GPL-2.0-only
/*
 * A command in an envelope, by ioctl, without any library: asks a controller
 * what it is, and how long its SMART log is.
 *
 * usage: call /dev/nvmeN
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/nvme_call.h>

#define ADMIN_GET_LOG_PAGE	0x02
#define ADMIN_IDENTIFY		0x06
#define CNS_CONTROLLER		0x01
#define LOG_SMART		0x02
#define ALL_NAMESPACES		0xffffffff

/* The payload comes right after the struct. */
struct envelope {
	struct nvme_call call;
	unsigned char payload[4096];
};

/* Whether the command was executed with success. */
static int send(int fd, const char *what, struct envelope *envelope)
{
	if (ioctl(fd, NVME_IOCTL_CALL, envelope)) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		return 0;
	}
	if (envelope->call.status) {
		fprintf(stderr, "%s: status %#x\n", what, envelope->call.status);
		return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct envelope identify = {
		.call = {
			.size = sizeof(identify.call),
			.family = NVME_CALL_ADMIN,
			.command = ADMIN_IDENTIFY,
			.cdw10 = CNS_CONTROLLER,
			.size_out = sizeof(identify.payload),
		},
	};
	/* Of all there is, no more than the first 16 bytes are wanted here. */
	struct envelope smart = {
		.call = {
			.size = sizeof(smart.call),
			.flags = NVME_CALL_TRUNCATE,
			.family = NVME_CALL_ADMIN,
			.command = ADMIN_GET_LOG_PAGE,
			.nsid = ALL_NAMESPACES,
			.cdw10 = LOG_SMART | (512 / 4 - 1) << 16,
			.size_out = 16,
		},
	};
	int fd = open(argc == 2 ? argv[1] : "/dev/nvme0", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		perror("open");
		return 1;
	}
	if (!send(fd, "Identify", &identify) || !send(fd, "Get Log Page", &smart))
		return 1;
	printf("serial number %.20s\n", (const char *)identify.payload + 4);
	printf("model %.40s\n", (const char *)identify.payload + 24);
	printf("%u bytes of SMART log, temperature %u K\n", smart.call.fw_size,
	       smart.payload[1] | smart.payload[2] << 8);
	close(fd);
	return 0;
}
