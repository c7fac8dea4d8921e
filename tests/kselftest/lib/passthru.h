/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands to a controller by ioctl. Nothing here is about one driver: what is
 * true of nvme_rs and of the in-tree driver alike can be tested on both.
 */
#ifndef PASSTHRU_H
#define PASSTHRU_H

#include <linux/nvme_ioctl.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "controller.h"

/* Opcodes. */
enum {
	ADMIN_DELETE_SQ = 0x00,
	ADMIN_CREATE_SQ = 0x01,
	ADMIN_GET_LOG_PAGE = 0x02,
	ADMIN_DELETE_CQ = 0x04,
	ADMIN_CREATE_CQ = 0x05,
	ADMIN_IDENTIFY = 0x06,
	ADMIN_ABORT = 0x08,
	ADMIN_SET_FEATURES = 0x09,
	ADMIN_GET_FEATURES = 0x0a,
	ADMIN_EVENT_REQUEST = 0x0c,
	ADMIN_NAMESPACE_MANAGEMENT = 0x0d,	/* QEMU has none */
	ADMIN_NAMESPACE_ATTACHMENT = 0x15,
	ADMIN_DOORBELL_BUFFER = 0x7c,
	ADMIN_FORMAT = 0x80,
	IO_FLUSH = 0x00,
	IO_WRITE = 0x01,
	IO_READ = 0x02,
	IO_COMPARE = 0x05,
	IO_WRITE_ZEROES = 0x08,
	IO_DATASET_MANAGEMENT = 0x09,
	IO_COPY = 0x19,
	IO_ZONE_SEND = 0x79,
	IO_ZONE_RECEIVE = 0x7a,
	IO_ZONE_APPEND = 0x7d,
};

/* Status as the ioctls return it: CRD, M and DNR above the type and the code. */
#define STATUS_INVALID_OPCODE		0x4001
#define STATUS_INVALID_FIELD		0x4002
#define STATUS_INVALID_NAMESPACE	0x400b
#define STATUS_LBA_OUT_OF_RANGE		0x4080
#define STATUS_GUARD_CHECK		0x0282
#define STATUS_COMPARE_FAILURE		0x0285
#define STATUS_CODE_MASK		0x07ff

/* Under that mask: the command was aborted at somebody's request. */
#define STATUS_ABORTED			0x0007

#define IDENTIFY_BYTES	4096

/* Log pages, and dword 10 of a command that reads so many bytes of one and leaves the event be. */
enum {
	LOG_PAGE_ERRORS = 0x01,
	LOG_PAGE_SMART = 0x02,
	LOG_PAGE_FIRMWARE = 0x03,
	LOG_PAGE_EFFECTS = 0x05,
};
#define LOG_PAGE(page, bytes)	((page) | 1u << 15 | ((bytes) / 4 - 1) << 16)

/* Members of a command: the data, and the first logical block and how many. */
#define DATA(buffer, bytes)	.addr = (uintptr_t)(buffer), .data_len = (bytes)
#define METADATA(buffer, bytes)	.metadata = (uintptr_t)(buffer), .metadata_len = (bytes)
#define BLOCKS(first, count)	.cdw10 = (first), .cdw12 = (count) - 1

/* The nodes of a controller and of one of its namespaces. */
struct passthru {
	struct controller controller;
	unsigned int nsid;
	char path[40];	/* of the namespace's */
	int ctrl;	/* open for reading only, ... */
	int ns;		/* ... which is enough for root */
};

/*
 * Opens the node of namespace @nsid, for reading only, and gives its path;
 * negative if there is none.
 */
int namespace_open(const struct controller *controller, unsigned int nsid, char *path,
		   size_t size);

/* Finds and opens the nodes of the first controller, whichever driver has it. */
int passthru_open(struct passthru *nodes, unsigned int nsid);
void passthru_close(struct passthru *nodes);

/*
 * An ioctl with a command: the status (0 is success), or a negative errno. The
 * 32-bit result of ADMIN_CMD and IO_CMD is put where the 64-bit one would be.
 */
int passthru(int fd, unsigned long request, struct nvme_passthru_cmd64 *command);

/* As above, for ioctls with any argument. */
int passthru_ioctl(int fd, unsigned long request, const void *argument);

/* Memory in pages of its own, the small ones, filled with @byte. */
void *pages_new(size_t bytes, int byte);
void pages_free(void *pages, size_t bytes);

/*
 * Memory of zeros which begins where a huge page may, in huge pages if @huge and
 * the kernel has some. It stays until the process ends.
 */
unsigned char *area_new(size_t bytes, bool huge);

/* Most bytes of data of a command, as the controller says: MDTS; negative: errno. */
int transfer_limit(const struct passthru *nodes);

/* Fills memory with what is like nothing else that was filled with another @seed. */
void pattern_fill(void *memory, size_t bytes, unsigned int seed);
bool pattern_is(const void *memory, size_t bytes, unsigned int seed);
bool memory_is(const void *memory, size_t bytes, unsigned char byte);

/* Reads or writes @blocks of the namespace; what passthru() returns. */
int blocks_read(const struct passthru *nodes, unsigned int first, unsigned int blocks,
		void *buffer, size_t bytes);
int blocks_write(const struct passthru *nodes, unsigned int first, unsigned int blocks,
		 const void *buffer, size_t bytes);

/* Who may open a node: root only, as it was made, or everybody. */
#define NODE_FOR_ROOT	0600
#define NODE_READABLE	0644
#define NODE_WRITABLE	0666
int node_permit(const char *path, unsigned int mode);

/* From now on without privileges, and with them again. */
int become_nobody(void);
int become_root(void);

/* Becomes nobody, and opens a node that is given @mode before; negative: errno. */
int node_open_as_nobody(const char *path, unsigned int mode, int flags);

#endif /* PASSTHRU_H */
